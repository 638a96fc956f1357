//! `everfresh show`.

use crate::sandbox::{SHOP, Sandbox, assert_seen};
use serde_json::json;

#[test]
fn rows_of_a_source_a_step_and_a_sink() {
    let shop = Sandbox::shop();
    shop.run(&[], 0);
    assert_seen!("show_source", shop.everfresh(&["show", "orders"]));
    assert_seen!("show_step", shop.everfresh(&["show", "totals", ".", "--limit", "2"]));
    let sink = shop.everfresh(&["show", "report", "--json"]).json();
    assert_eq!(
        sink,
        json!([{ "customer_id": 1, "total": 20 }, { "customer_id": 2, "total": 30 }, { "customer_id": 3, "total": 40 }])
    );
}

#[test]
fn bad_rows_of_a_check_and_of_all_checks_of_a_table() {
    let checks = "checks:\n  orders:\n    - { range: { amount: [10, 100] }, severity: warn }\n    - { not_null: [note], severity: warn }\n    - { accepted_values: { note: [a, b, c] }, severity: warn }\n";
    let shop = Sandbox::with(&SHOP.replace("checks:\n", checks));
    shop.edit("data/orders.csv", "4,3,40,d", "4,3,40,\"d\u{1b}[31m\"");
    shop.run(&[], 0);
    assert_seen!("show_failures", shop.everfresh(&["show", "orders", "--failures"]));
    let one = shop.everfresh(&["show", "orders.range(amount)", "--failures", "--json"]).json();
    assert_eq!((one[0]["bad"].as_u64(), one[0]["rows"][0]["order_id"].as_u64()), (Some(1), Some(3)));
    let rows = shop.everfresh(&["show", "orders.range(amount)", "--json"]).json();
    assert_eq!(rows, json!([{ "order_id": 3, "customer_id": 1, "amount": 5, "note": "c" }]));
    assert_seen!("show_no_failures", shop.everfresh(&["show", "totals", "--failures"]));
    assert_seen!("show_no_check", shop.everfresh(&["show", "customers", "--failures"]));
}

#[test]
fn what_is_not_there_cannot_be_shown() {
    let shop = Sandbox::shop();
    assert_seen!("show_before_a_run", shop.everfresh(&["show", "totals"]));
    assert_seen!("show_unknown", shop.everfresh(&["show", "total"]));
}

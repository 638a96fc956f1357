//! Checks: what stops, what is only told, what is tolerated.

use crate::sandbox::{SHOP, Sandbox, assert_seen};

fn shop_with(check: &str) -> Sandbox {
    Sandbox::with(&SHOP.replace("  totals:\n    - { not_null: [customer_id] }\n", check))
}

#[test]
fn a_failed_check_stops_what_depends_on_it_and_leaves_the_sink_as_it_was() {
    let shop = Sandbox::shop();
    shop.run(&[], 0);
    let before = shop.read("out/totals.csv");
    shop.edit("data/orders.csv", "4,3,40,d", "4,,40,d");
    assert_seen!("run_failed_check", shop.everfresh(&["run"]));
    assert_eq!(shop.read("out/totals.csv"), before);
    let again = shop.run(&[], 1);
    assert_eq!((again.outcome("totals"), again.outcome("report")), ("hit", "skipped"));
    assert_eq!(again.outcome("totals.not_null(customer_id)"), "failed");
    shop.edit("data/orders.csv", "4,,40,d", "4,3,40,d");
    assert_eq!(shop.run(&[], 0).outcome("report"), "hit");
}

#[test]
fn a_warning_is_told_on_every_run_and_stops_nothing() {
    let shop = shop_with("  orders:\n    - { range: { amount: [10, 100] }, severity: warn }\n");
    assert_seen!("run_warning", shop.everfresh(&["run"]));
    assert_seen!("run_warning_again", shop.everfresh(&["run"]));
    let report = shop.run(&[], 0);
    let check = report.get("orders.range(amount)", "check");
    assert_eq!((&check["passed"], &check["bad"], &check["total"]), (&false.into(), &1.into(), &4.into()));
    assert_eq!(check["sample"], serde_json::json!([["3", "1", "5", "c"]]));
}

#[test]
fn a_few_bad_rows_are_tolerated_where_the_file_says_so() {
    let tolerant = |most| format!("  orders:\n    - {{ range: {{ amount: [10, 100] }}, max_bad: {most} }}\n");
    assert_eq!(shop_with(&tolerant("25%")).run(&[], 0).outcome("orders.range(amount)"), "ran");
    assert_eq!(shop_with(&tolerant("1")).run(&[], 0).outcome("orders.range(amount)"), "ran");
    assert_eq!(shop_with(&tolerant("24%")).run(&[], 1).outcome("orders.range(amount)"), "failed");
}

#[test]
fn every_kind_of_check_tells_what_it_found() {
    let checks = "  orders:
    - { unique: [customer_id], severity: warn }
    - { row_count: [5, 10], severity: warn }
    - { accepted_values: { note: [a, b] }, severity: warn }
    - { regex: { note: '^[a-c]$' }, severity: warn }
    - { relationships: { column: order_id, to: customers, key: customer_id }, severity: warn }
    - { schema: { order_id: string, extra: double }, severity: warn }
    - { name: cheap, sql: select * from orders where amount < 10, severity: warn }
";
    assert_seen!("run_every_check", shop_with(checks).everfresh(&["run"]));
}

#[test]
fn all_failures_are_told_in_one_pass() {
    let shop = shop_with(
        "  orders:\n    - { range: { amount: [10, 100] } }\n    - { accepted_values: { note: [a, b, c] } }\n",
    );
    let report = shop.run(&[], 1);
    assert_eq!(report.outcome("orders.range(amount)"), "failed");
    assert_eq!(report.outcome("orders.accepted_values(note)"), "failed");
    assert_eq!((report.outcome("paid"), report.outcome("report")), ("skipped", "skipped"));
    // Nothing that waits hangs on the other source.
    assert_eq!(report.outcome("customers"), "ran");
}

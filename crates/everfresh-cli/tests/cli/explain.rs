//! `everfresh explain`.

use crate::sandbox::{Sandbox, assert_seen};

#[test]
fn a_change_of_sql_is_shown_as_a_diff() {
    let shop = Sandbox::shop();
    shop.run(&[], 0);
    shop.edit("everfresh.yaml", "where amount >= $least", "where amount > $least and customer_id < 3");
    shop.run(&[], 0);
    assert_seen!("explain_sql", shop.everfresh(&["explain", "paid"]));
    let object = shop.everfresh(&["explain", "paid", "--json"]).json();
    assert_eq!(object["changes"][0]["what"], "query");
    assert_eq!(object["outcome"], "ran");
}

#[test]
fn a_change_of_values_names_the_column() {
    let shop = Sandbox::shop();
    shop.run(&[], 0);
    shop.edit("data/orders.csv", "1,1,20,a", "1,1,21,a");
    shop.run(&[], 0);
    assert_seen!("explain_column", shop.everfresh(&["explain", "paid"]));
    assert_seen!("explain_source", shop.everfresh(&["explain", "orders"]));
    assert_seen!("explain_sink", shop.everfresh(&["explain", "report"]));
}

#[test]
fn a_change_of_rows_tells_both_numbers() {
    let shop = Sandbox::shop();
    shop.run(&[], 0);
    shop.edit("data/orders.csv", "4,3,40,d\n", "4,3,40,d\n5,3,50,e\n");
    shop.run(&[], 0);
    let object = shop.everfresh(&["explain", "paid", "--json"]).json();
    assert_eq!(object["changes"], serde_json::json!([{ "what": "rows", "table": "orders", "before": 4, "after": 5 }]));
}

#[test]
fn a_change_of_columns_is_a_list_of_differences() {
    let shop = Sandbox::shop();
    shop.run(&[], 0);
    shop.edit("data/orders.csv", "note\n", "remark\n");
    shop.run(&[], 0);
    assert_seen!("explain_schema", shop.everfresh(&["explain", "paid"]));
}

#[test]
fn a_hit_tells_what_it_had_read() {
    let shop = Sandbox::shop();
    shop.run(&[], 0);
    shop.run(&[], 0);
    assert_seen!("explain_hit", shop.everfresh(&["explain", "totals"]));
}

#[test]
fn a_failed_check_is_explained_with_its_rows() {
    let shop = Sandbox::shop();
    shop.edit("data/orders.csv", "4,3,40,d", "4,,40,d");
    shop.run(&[], 1);
    assert_seen!("explain_failed_check", shop.everfresh(&["explain", "totals.not_null(customer_id)"]));
}

#[test]
fn an_environment_variable_that_changed_since_is_named() {
    let shop = Sandbox::shop();
    shop.edit("everfresh.yaml", "data/customers.csv", "\"${WHERE:-data/customers.csv}\"");
    shop.run(&[], 0);
    shop.write("other.csv", "customer_id,name\n1,Ada\n");
    let ended = shop.everfresh_with(&["explain", "totals"], &[("WHERE", "other.csv")]);
    assert!(ended.stdout.contains("Since that run, the environment variable WHERE has changed."), "{ended:?}");
}

#[test]
fn what_never_ran_cannot_be_explained() {
    let shop = Sandbox::shop();
    assert_seen!("explain_before_a_run", shop.everfresh(&["explain", "paid"]));
    assert_seen!("explain_unknown", shop.everfresh(&["explain", "piad"]));
}

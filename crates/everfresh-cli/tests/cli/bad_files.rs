//! Every kind of error that a pipeline file, and what it names, can hold: where it is, and what to do.

use crate::sandbox::{SHOP, Sandbox, assert_seen};

fn seen(change: impl Fn(&Sandbox)) -> crate::sandbox::Ended {
    let shop = Sandbox::shop();
    change(&shop);
    let ended = shop.everfresh(&["run"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(!shop.file("out").exists());
    ended
}

#[test]
fn no_pipeline_file() {
    assert_seen!("file_missing", Sandbox::empty().everfresh(&["run"]));
    assert_seen!("folder_missing", Sandbox::empty().everfresh(&["run", "nowhere"]));
}

#[test]
fn no_yaml() {
    assert_seen!("file_no_yaml", seen(|shop| shop.write("everfresh.yaml", "name: [shop\nsteps: {}\n")));
    assert_seen!("file_empty", seen(|shop| shop.write("everfresh.yaml", "")));
}

#[test]
fn many_errors_in_one_pass() {
    assert_seen!(
        "file_many_errors",
        seen(|shop| {
            let text = SHOP
                .replace("params: { least: 10 }", "parms: { least: 10 }")
                .replace("{ file: data/orders.csv }", "{ file: data/orders.csv, delimiter: 7 }")
                .replace("not_null", "notnull");
            shop.write("everfresh.yaml", &text);
        })
    );
}

#[test]
fn names() {
    assert_seen!("file_unknown_table", seen(|shop| shop.edit("everfresh.yaml", "from paid", "from payd")));
    assert_seen!("file_unknown_param", seen(|shop| shop.edit("everfresh.yaml", "$least", "$laest")));
    assert_seen!("file_unknown_from", seen(|shop| shop.edit("everfresh.yaml", "from: totals", "from: total")));
    assert_seen!(
        "file_duplicate_name",
        seen(|shop| shop.edit("everfresh.yaml", "  totals:\n    sql", "  orders:\n    sql"))
    );
    assert_seen!("file_cycle", seen(|shop| shop.edit("everfresh.yaml", "from orders\n", "from totals\n")));
}

#[test]
fn sql_that_cannot_be_read() {
    assert_seen!("file_bad_sql", seen(|shop| shop.edit("everfresh.yaml", "from orders\n", "form orders\n")));
    assert_seen!(
        "file_bad_sql_file",
        seen(|shop| {
            shop.write("everfresh.yaml", "steps:\n  a: { sql_file: sql/a.sql }\n");
            shop.write("sql/a.sql", "select 1,\n  2 +\n");
        })
    );
    assert_seen!(
        "file_no_sql_file",
        seen(|shop| shop.write("everfresh.yaml", "steps:\n  a: { sql_file: sql/a.sql }\n"))
    );
}

#[test]
fn partitions_that_are_not_there() {
    assert_seen!(
        "file_no_partitions",
        seen(|shop| shop.edit("everfresh.yaml", "amount >= $least\n", "amount >= $least\n    per: partition\n"))
    );
}

#[test]
fn a_source_that_reads_what_a_sink_writes() {
    assert_seen!("file_sink_is_source", seen(|shop| shop.edit("everfresh.yaml", "out/totals.csv", "data/orders.csv")));
}

#[test]
fn an_environment_variable_that_is_not_set() {
    assert_seen!("file_unset_variable", seen(|shop| shop.edit("everfresh.yaml", "data/orders.csv", "\"${ORDERS}\"")));
}

#[test]
fn what_shows_only_when_it_runs() {
    let missing = Sandbox::shop();
    std::fs::remove_file(missing.file("data/orders.csv")).unwrap();
    assert_seen!("run_missing_source", missing.everfresh(&["run"]));
    let ragged = Sandbox::shop();
    ragged.write("data/orders.csv", "order_id,customer_id,amount,note\n1,1,20,a\n2,2\n");
    assert_seen!("run_ragged_source", ragged.everfresh(&["run"]));
    let unrepeatable = Sandbox::shop();
    unrepeatable.edit("everfresh.yaml", "where amount >= $least", "where now() > '2020-01-01'");
    assert_seen!("run_unrepeatable", unrepeatable.everfresh(&["run"]));
    let not_row_wise = Sandbox::shop();
    not_row_wise.edit("everfresh.yaml", "file: data/orders.csv", "file: \"data/orders*.csv\"");
    not_row_wise.edit("everfresh.yaml", "$least\n", "$least\n      order by amount\n    per: partition\n");
    assert_seen!("run_not_row_wise", not_row_wise.everfresh(&["run"]));
}

#[test]
fn a_folder_that_is_no_cache() {
    let shop = Sandbox::shop();
    shop.write(".everfresh/precious.txt", "mine");
    assert_seen!("cache_not_a_cache", shop.everfresh(&["run"]));
    assert_eq!(shop.read(".everfresh/precious.txt"), "mine");
}

//! Sinks: restored when somebody deletes or edits them, and never half written.

use crate::sandbox::{SHOP, Sandbox};
use std::fs;

#[test]
fn a_deleted_file_comes_back_and_nothing_is_computed() {
    let shop = Sandbox::shop();
    shop.run(&[], 0);
    let before = shop.read("out/totals.csv");
    fs::remove_file(shop.file("out/totals.csv")).unwrap();
    let report = shop.run(&[], 0);
    assert_eq!((report.outcome("totals"), report.outcome("report")), ("hit", "ran"));
    assert_eq!(report.reason("report"), "out/totals.csv deleted");
    assert_eq!(shop.read("out/totals.csv"), before);
}

#[test]
fn an_edited_file_is_restored() {
    let shop = Sandbox::shop();
    shop.run(&[], 0);
    let before = shop.read("out/totals.csv");
    shop.write("out/totals.csv", "edited");
    let report = shop.run(&[], 0);
    assert_eq!(report.reason("report"), "out/totals.csv edited");
    assert_eq!(shop.read("out/totals.csv"), before);
}

#[test]
fn a_table_of_a_database_is_restored_and_its_neighbours_stay() {
    let shop = Sandbox::with(&SHOP.replace("file: out/totals.csv", "sqlite: out/shop.db, table: totals"));
    shop.run(&[], 0);
    let database = rusqlite::Connection::open(shop.file("out/shop.db")).unwrap();
    database.execute_batch("create table mine (a); insert into mine values (7); update totals set total = 0").unwrap();
    assert_eq!(shop.run(&[], 0).outcome("report"), "ran");
    let number = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((number("select sum(total) from totals"), number("select a from mine")), (90, 7));
}

#[test]
fn append_adds_every_result_exactly_once() {
    let sink = "sqlite: out/shop.db, table: totals, mode: append";
    let shop = Sandbox::with(&SHOP.replace("file: out/totals.csv", sink));
    let rows = || {
        let database = rusqlite::Connection::open(shop.file("out/shop.db")).unwrap();
        database.query_row("select count(*) from totals", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    shop.run(&[], 0);
    shop.run(&["--refresh-all"], 0);
    shop.everfresh(&["clear", "--all"]);
    shop.run(&[], 0);
    assert_eq!(rows(), 3);
    shop.edit("data/orders.csv", "1,1,20,a", "1,1,21,a");
    shop.run(&[], 0);
    assert_eq!(rows(), 6);
}

#[test]
fn a_file_that_cannot_be_written_fails_its_sink_alone() {
    let shop = Sandbox::shop();
    shop.write("out", "a file where a folder should be");
    let report = shop.run(&[], 1);
    assert_eq!((report.outcome("totals"), report.outcome("report")), ("ran", "failed"));
    assert!(report.get("report", "error").as_str().unwrap().contains("out"), "{report:?}");
}

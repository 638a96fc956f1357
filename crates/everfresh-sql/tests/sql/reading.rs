//! Which columns a query reads, and that its result is a function of them.

use crate::support::{Ask, Memory, floats, ints, plan, plan_with, run, small, table, tables, texts, whole};
use arrow::array::{ArrayRef, RecordBatch};
use std::collections::BTreeMap;

fn reads(sql: &str) -> BTreeMap<String, Vec<usize>> {
    plan(sql, &small()).unwrap_or_else(|error| panic!("{sql}: {error:?}")).reads().clone()
}

fn expect(sql: &str, flights: &[usize], carriers: &[usize]) {
    let expected =
        BTreeMap::from([("carriers".to_owned(), carriers.to_vec()), ("flights".to_owned(), flights.to_vec())]);
    assert_eq!(reads(sql), expected, "{sql}");
}

#[test]
fn a_plan_reads_the_columns_that_it_names_and_no_others() {
    expect("select id from flights", &[0], &[]);
    expect("select * from flights", &[0, 1, 2, 3], &[]);
    expect("select id from (select * from flights) q", &[0], &[]);
    expect("select count(*) from flights", &[], &[]);
    expect("select 1 as one from flights", &[], &[]);
    expect("select carrier, sum(delay) from flights group by carrier", &[1, 2], &[]);
    expect("select id from flights order by delay, id", &[0, 2], &[]);
}

#[test]
fn filters_joins_and_subqueries_count() {
    expect("select id from flights where delay > 3", &[0, 2], &[]);
    expect("select id, name from flights f join carriers c on f.carrier = c.carrier", &[0, 1], &[0, 1]);
    expect("select id from flights where carrier in (select carrier from carriers where active)", &[0, 1], &[0, 2]);
    expect("select id, (select max(name) from carriers) m from flights", &[0], &[1]);
    expect(
        "with c as (select * from carriers) select id from flights where exists (select 1 from c where c.carrier = flights.carrier)",
        &[0, 1],
        &[0],
    );
    expect("select id from flights f1 union all select delay from flights f2", &[0, 2], &[]);
}

#[test]
fn a_count_of_a_table_needs_no_column_of_it() {
    let batch = run("select count(*) as n from flights", &small());
    assert_eq!(crate::support::rows(&batch), ["6"]);
}

/// Every column that a query does not read is replaced by another of the same type: nothing may change, the order of
/// rows included. The sizes of strings differ, so a plan that looked at bytes would show.
#[test]
fn a_result_is_a_function_of_what_is_read() {
    let rows = 30_000i64;
    let facts = |noise: &str, factor: i64| {
        table(vec![
            ("id", ints(0..rows)),
            ("k", ints((0..rows).map(|row| row * 7919 % 1000))),
            ("x", floats((0..rows).map(|row| (row as f64).sin()))),
            ("noise", texts((0..rows).map(|row| noise.repeat(1 + (row % 3) as usize)))),
            ("more", ints((0..rows).map(|row| row * factor))),
        ])
    };
    let dimension = |noise: &str, factor: i64| {
        table(vec![
            ("k", ints(0..1000)),
            ("g", ints((0..1000).map(|row| row % 13))),
            ("label", texts((0..1000).map(|row| format!("{noise}{row}")))),
            ("weight", ints((0..1000).map(|row| row * factor))),
        ])
    };
    for sql in [
        "select id, g from facts join dim on facts.k = dim.k",
        "select id, g from dim join facts on facts.k = dim.k",
        "select id, g from dim left join facts on facts.k = dim.k and g < 5",
        "select g, sum(x) s, count(*) n from facts join dim using (k) group by g",
        "select count(*) n, sum(x) s from facts",
        "select k, x from facts where k in (select k from dim where g = 3) order by k",
        "select id from facts where not exists (select 1 from dim where dim.k = facts.k and g > 2)",
        "select f.id, d.g from facts f cross join dim d where f.id < 3 and d.k < 4",
        "select d.g, f.id from dim d join facts f on f.k > d.k + 990 where f.id < 500",
    ] {
        let inputs = |first: &str, second: i64| {
            let batches = [("facts", facts(first, second)), ("dim", dimension(first, second))];
            tables(batches.iter().map(|(name, batch)| (*name, whole(batch))).collect())
        };
        let (one, other) = (inputs("a", 1), inputs("a much longer text that takes much more room", -3));
        let read = plan(sql, &one).unwrap().reads().clone();
        for (name, unread) in [("facts", [3, 4]), ("dim", [2, 3])] {
            assert!(unread.iter().all(|column| !read[name].contains(column)), "{sql} reads {read:?}");
        }
        assert_eq!(run(sql, &one), run(sql, &other), "{sql}");
    }
}

/// The count is the one number that a plan may know of values; two tables of one count give one plan.
#[test]
fn scans_give_away_only_their_row_count() {
    let of = |column: ArrayRef| -> RecordBatch { table(vec![("k", column)]) };
    let query = "select a.k from a join b on a.k = b.k";
    let sorted = tables(vec![("a", whole(&of(ints(0..100)))), ("b", whole(&of(ints(0..50))))]);
    let constant = tables(vec![("a", whole(&of(ints([5; 100])))), ("b", whole(&of(ints([5; 50]))))]);
    assert_eq!(crate::support::rows(&run(query, &sorted)).len(), 50);
    assert_eq!(crate::support::rows(&run(query, &constant)).len(), 5000);
}

#[test]
fn a_table_that_the_query_does_not_read_may_be_there() {
    let ask = Ask::default();
    let query = plan_with("select 1 as one", &small(), &ask).unwrap();
    assert!(query.reads().values().all(Vec::is_empty));
    let empty: Memory = whole(&table(vec![("a", ints([]))]));
    assert_eq!(run("select a from t", &tables(vec![("t", empty)])).num_rows(), 0);
}

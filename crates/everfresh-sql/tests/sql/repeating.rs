//! The same inputs give the same bytes: in every run, and however the rows come.

use crate::support::{Ask, Tables, cut, floats, ints, maybe_ints, run, run_with, table, tables, texts};
use arrow::array::RecordBatch;

const ROWS: usize = 20_000;

fn facts() -> RecordBatch {
    let rows = 0..ROWS as i64;
    table(vec![
        ("id", ints(rows.clone())),
        ("k", maybe_ints(rows.clone().map(|row| (row % 11 != 0).then_some(row * 7919 % 997)))),
        ("g", texts(rows.clone().map(|row| format!("group {}", row * 31 % 23)))),
        // Numbers whose sum hangs on the order in which they are added.
        ("x", floats(rows.map(|row| ((row * 48271 % 2147483647) as f64).sin() * 10f64.powi((row % 17) as i32 - 8)))),
    ])
}

fn dim() -> RecordBatch {
    table(vec![
        ("k", ints((0..1500).map(|row| row % 1200))),
        ("name", texts((0..1500).map(|row| format!("name {}", row % 700)))),
        ("w", floats((0..1500).map(|row| (row as f64).cos()))),
    ])
}

/// The same rows, cut up in another way.
fn inputs(sizes: &[usize]) -> Tables {
    tables(vec![("facts", cut(&facts(), sizes)), ("dim", cut(&dim(), &[700, 1, 0, 799]))])
}

fn queries() -> Vec<&'static str> {
    vec![
        "select sum(x) s, avg(x) a, stddev(x) d, var_pop(x) v, count(*) n from facts",
        "select sum(x) s from facts where k > 100 and k is not null",
        "select g, sum(x) s, avg(x) a, min(x) m, count(distinct k) c, sum(distinct x) sd, median(x) md from facts group by g",
        "select k, g, sum(x) s from facts group by k, g",
        "select distinct g, k from facts",
        "select id, name, x * w as xw from facts join dim on facts.k = dim.k",
        "select name, sum(x * w) s from dim join facts on facts.k = dim.k group by name",
        "select id, name from facts left join dim on facts.k = dim.k and dim.w > 0",
        "select id, name from facts right join dim on facts.k = dim.k",
        "select facts.id, dim.name from facts full join dim on facts.k = dim.k and facts.id < 2000",
        "select id from facts where k in (select k from dim where w > 0.5)",
        "select id from facts where k not in (select k from dim where w > 0.5)",
        "select id from facts f where not exists (select 1 from dim d where d.k = f.k and d.w > 0)",
        "select id, x from facts order by g",
        "select id, x from facts order by k desc nulls last, g",
        "select id, sum(x) over (partition by g order by k) s, rank() over (order by k) r from facts",
        "select g, x, sum(x) over (partition by g) s from facts",
        "select g from facts union select name from dim",
        "select g from facts union all select name from dim union all select g from facts where k < 10",
        "select k from facts intersect select k from dim",
        "select k from facts except select k from dim where w > 0",
        "select g, string_agg(name, ',' order by name, id) s from facts join dim using (k) where id < 3000 group by g",
        "select g, x from facts order by x, id, g limit 100 offset 7",
        "select d1.name, d2.k from dim d1 cross join dim d2 where d1.k < 5 and d2.k < 900",
        "select f.id, d.name from facts f join dim d on f.k < d.k - 1100 where f.id < 300",
        "with recursive r as (select 1 as n union all select n + 1 from r where n < 50) select n, x from r join facts on facts.id = r.n",
        "select id, (select max(w) from dim where dim.k = facts.k) m from facts",
        "select id, v from (select id, unnest([id, id + 1, k]) as v from facts where id < 5000) q where v % 2 = 0",
        "select g, approx_distinct(k) d, approx_percentile_cont(0.5) within group (order by x) p, corr(x, id) c from facts group by g",
        "select g, k, sum(x) s from facts group by rollup(g, k)",
    ]
}

#[test]
fn twenty_runs_give_the_same_bytes() {
    let tables = inputs(&[ROWS]);
    for sql in queries() {
        let first = run(sql, &tables);
        for _ in 1..20 {
            assert_eq!(run(sql, &tables), first, "{sql}");
        }
    }
}

#[test]
fn where_files_and_batches_end_does_not_show() {
    let one = inputs(&[ROWS]);
    let layouts = [
        inputs(&[1, 8191, 8192, 3616]),
        inputs(&[6_666, 6_667, 6_667]),
        inputs(&[8192, 8192, 3616]),
        inputs(&[100; ROWS / 100]),
    ];
    for sql in queries() {
        let expected = run(sql, &one);
        for layout in &layouts {
            assert_eq!(run(sql, layout), expected, "{sql}");
        }
    }
}

#[test]
fn rows_that_tie_stay_in_the_order_in_which_they_came() {
    let ids = ints(0..ROWS as i64);
    let keys = ints((0..ROWS as i64).map(|row| row * 37 % 10));
    let batch = table(vec![("id", ids), ("k", keys)]);
    let sorted = run("select k, id from t order by k desc", &tables(vec![("t", cut(&batch, &[1000; ROWS / 1000]))]));
    let mut expected: Vec<(i64, i64)> = (0..ROWS as i64).map(|row| (row * 37 % 10, row)).collect();
    expected.sort_by_key(|(k, _)| -k);
    let expected =
        table(vec![("k", ints(expected.iter().map(|(k, _)| *k))), ("id", ints(expected.iter().map(|(_, id)| *id)))]);
    assert_eq!(sorted.columns(), expected.columns());
}

#[test]
fn a_union_gives_its_inputs_one_after_the_other() {
    let t = |from: i64| cut(&table(vec![("a", ints(from..from + 20_000))]), &[20_000]);
    let tables = tables(vec![("one", t(0)), ("two", t(20_000)), ("three", t(40_000))]);
    let all = run("select a from one union all select a from two union all select a from three", &tables);
    assert_eq!(all.column(0), &ints(0..60_000));
}

#[test]
fn a_join_keeps_the_order_of_the_first_table_when_the_second_is_not_larger() {
    let first = table(vec![("id", ints(0..20_000)), ("k", ints((0..20_000).map(|row| row * 7 % 100)))]);
    let second = table(vec![("k", ints(0..100)), ("v", ints(100..200))]);
    let tables = tables(vec![("a", cut(&first, &[20_000])), ("b", cut(&second, &[100]))]);
    for sql in ["select id, v from a join b on a.k = b.k", "select id, v from a left join b on a.k = b.k"] {
        assert_eq!(run(sql, &tables).column(0), &ints(0..20_000), "{sql}");
    }
}

#[test]
fn runs_beside_each_other_give_what_each_gives_alone() {
    let tables = inputs(&[ROWS]);
    let expected: Vec<RecordBatch> = queries().iter().map(|sql| run(sql, &tables)).collect();
    std::thread::scope(|scope| {
        for offset in 0..4 {
            let (tables, expected) = (&tables, &expected);
            scope.spawn(move || {
                let queries = queries();
                for step in 0..queries.len() {
                    let at = (step * 7 + offset * 5) % queries.len();
                    assert_eq!(run(queries[at], tables), expected[at], "{}", queries[at]);
                }
            });
        }
    });
}

#[test]
fn what_is_refused_without_a_ttl_still_runs_with_one() {
    let ask = Ask { allow_unrepeatable: true, ..Ask::default() };
    let batch = run_with("select row_number() over () as n, random() as r from facts limit 5", &inputs(&[ROWS]), &ask);
    assert_eq!(batch.unwrap().num_rows(), 5);
}

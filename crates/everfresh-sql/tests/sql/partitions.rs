//! Queries that run partition by partition: what is refused, and that the others give the rows of one run.

use crate::support::{
    Ask, Tables, cut, floats, ints, maybe_ints, plan_with, pointed, refused_with, run_with, small, table, tables,
    texts, whole,
};
use arrow::{array::RecordBatch, compute::concat_batches};
use everfresh_pipeline::engine::SqlErrorKind;

fn by_partition() -> Ask<'static> {
    Ask { partition_wise: Some("flights"), ..Ask::default() }
}

#[track_caller]
fn not_row_wise(sql: &str, what: &str, at: &str) {
    let error = refused_with(sql, &small(), &by_partition());
    assert_eq!(error.kind, SqlErrorKind::NotPartitionWise, "{sql}: {error:?}");
    assert!(error.message.contains(what), "{sql}: {error:?}");
    if !at.is_empty() {
        assert_eq!(pointed(&error, sql), at, "{sql}: {error:?}");
    }
}

#[test]
fn what_looks_at_more_than_one_row_is_refused() {
    not_row_wise("select carrier, sum(delay) s from flights group by carrier", "an aggregate (`sum`)", "group by");
    not_row_wise("select count(*) n from flights", "an aggregate (`count`)", "count");
    not_row_wise("select distinct carrier from flights", "`distinct`", "distinct");
    not_row_wise("select carrier from flights group by carrier", "`group by`", "group by");
    not_row_wise("select id from flights order by delay, id", "`order by`", "order by");
    not_row_wise("select id from flights order by id limit 2", "`limit`", "limit");
    not_row_wise("select id, rank() over (order by delay) r from flights", "a window function", "over");
    not_row_wise("select id from flights union all select id from flights", "`union`", "union");
    not_row_wise("select carrier from flights union all select carrier from carriers", "`union`", "union");
    not_row_wise(
        "select carrier from flights union select carrier from carriers",
        "`distinct` or a `group by`",
        "union",
    );
    not_row_wise("select a.id from flights a join flights b on a.id = b.id", "joins it with itself", "flights");
    not_row_wise("select id from flights where delay > (select avg(delay) from flights)", "subquery", "flights");
    not_row_wise(
        "select id from flights where id in (select id from flights where delay > 3)",
        "joins it with itself",
        "flights",
    );
    not_row_wise(
        "select c.name, f.id from flights f right join carriers c on f.carrier = c.carrier",
        "outer join",
        "join",
    );
    not_row_wise(
        "select c.name, f.id from carriers c left join flights f on f.carrier = c.carrier",
        "outer join",
        "join",
    );
    not_row_wise(
        "select c.name, f.id from carriers c full join flights f on f.carrier = c.carrier",
        "outer join",
        "join",
    );
    not_row_wise("select name from carriers where carrier in (select carrier from flights)", "of another table", "");
    not_row_wise(
        "select name from carriers c where not exists (select 1 from flights f where f.carrier = c.carrier)",
        "of another table",
        "",
    );
    not_row_wise("with f as (select max(id) m from flights) select * from f", "an aggregate (`max`)", "max");
}

#[test]
fn a_query_that_does_not_read_the_table_would_repeat_its_rows() {
    not_row_wise("select name from carriers", "does not read it at all", "");
    not_row_wise(
        "select name from carriers union all select carrier from flights where false",
        "does not read it at all",
        "flights",
    );
    plan_with("select id from flights where false", &small(), &by_partition()).unwrap();
}

#[test]
fn a_table_beside_may_be_aggregated_sorted_and_joined_as_it_likes() {
    for sql in [
        "select id, n from flights f join (select carrier, count(*) n from carriers group by carrier) c on f.carrier = c.carrier",
        "select id from flights where delay > (select count(*) from carriers)",
        "select id, (select max(name) from carriers c where c.carrier = f.carrier) m from flights f",
        "select id from flights where carrier in (select carrier from carriers union select name from carriers)",
    ] {
        plan_with(sql, &small(), &by_partition()).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
}

fn facts(rows: usize) -> RecordBatch {
    let range = 0..rows as i64;
    table(vec![
        ("id", ints(range.clone())),
        ("k", maybe_ints(range.clone().map(|row| (row % 13 != 0).then_some(row * 7919 % 997)))),
        ("x", floats(range.clone().map(|row| (row as f64).sin()))),
        ("t", texts(range.map(|row| format!("text {}", row % 31)))),
    ])
}

fn beside() -> Vec<(&'static str, RecordBatch)> {
    // Keys come more than once, some never, and in no order; one table is larger than a batch.
    let dim = table(vec![
        ("k", ints((0..1500).map(|row| row * 613 % 1200))),
        ("v", ints((0..1500).map(|row| row * 31 % 1500))),
    ]);
    let large = table(vec![("k", ints((0..20_000).map(|row| row * 17 % 5000))), ("w", ints(0..20_000))]);
    let few = table(vec![("lo", ints([0, 300, 600])), ("hi", ints([400, 700, 990])), ("name", texts(["a", "b", "c"]))]);
    let nulls = table(vec![("k", maybe_ints([Some(1), None, Some(5)]))]);
    vec![("dim", dim), ("large", large), ("few", few), ("nulls", nulls)]
}

fn with_facts(facts: &RecordBatch) -> Tables {
    let mut named = vec![("facts", whole(facts))];
    let beside = beside();
    named.extend(beside.iter().map(|(name, batch)| (*name, whole(batch))));
    tables(named)
}

const ROW_WISE: [&str; 24] = [
    "select * from facts where x > 0",
    "select id * 2 as d, upper(t) as u, case when x > 0 then 'p' else 'n' end as c from facts",
    "select id, v from facts join dim on facts.k = dim.k",
    "select id, v from dim join facts on facts.k = dim.k",
    "select id, v from facts left join dim on facts.k = dim.k",
    "select id, v from facts left join dim on facts.k = dim.k and dim.v > 700",
    "select id, v from dim right join facts on facts.k = dim.k",
    "select id, w from facts join large on facts.k = large.k",
    "select id, w from large join facts on facts.k = large.k",
    "select id, w from facts left join large on facts.k = large.k",
    "select id, v, w from facts join dim on facts.k = dim.k join large on dim.v = large.k",
    "select id, v, w from facts left join (dim join large on dim.v = large.k) on facts.k = dim.k",
    "select id from facts where k in (select k from dim where v > 700)",
    "select id from facts where exists (select 1 from large where large.k = facts.k and large.w > facts.id)",
    "select id from facts where not exists (select 1 from dim where dim.k = facts.k)",
    "select id from facts where k not in (select k from dim where v > 700)",
    "select id from facts where k not in (select k from nulls where k > 1)",
    "select id, name from facts cross join few where x > 0.5",
    "select id, v from facts cross join dim where id % 1000 = 7 and v < 400",
    "select id, name from facts join few on facts.k between few.lo and few.hi",
    "select id, name from facts left join few on facts.k > few.lo and facts.k < few.hi",
    "select id, name from few right join facts on facts.k > few.lo and facts.k < few.hi",
    "select id, u from (select id, unnest([id, k]) as u from facts) q",
    "select id, (select max(v) from dim where dim.k = facts.k) as m from facts",
];

/// The promise of `per: partition`: exact equality, the order of rows included.
#[test]
fn running_by_partition_gives_the_rows_of_one_run_in_the_same_order() {
    let rows = 20_000;
    let all = facts(rows);
    let ask = Ask { partition_wise: Some("facts"), ..Ask::default() };
    let whole_table = with_facts(&all);
    // Partitions of all sizes: none of these ends where a batch ends.
    let layouts: [&[usize]; 3] = [&[10_000, 10_000], &[1, 0, 19_000, 999], &[100, 9_000, 10_345, 5, 550]];
    for sql in ROW_WISE {
        let expected = run_with(sql, &whole_table, &ask).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        assert!(expected.num_rows() > 0, "{sql} gives nothing");
        for layout in layouts {
            let parts: Vec<RecordBatch> =
                cut(&all, layout).batches.iter().map(|part| run_with(sql, &with_facts(part), &ask).unwrap()).collect();
            assert_eq!(concat_batches(&expected.schema(), &parts).unwrap(), expected, "{sql} in {layout:?}");
        }
    }
}

/// A run that knows of no partitions gives the same rows too. It gives them in the same order where it also probes
/// with the partitioned table, which it does if the other side is not larger.
#[test]
fn running_by_partition_gives_the_rows_of_a_run_without_partitions() {
    let tables = with_facts(&facts(20_000));
    for sql in ROW_WISE {
        let sorted = |ask: &Ask<'_>| {
            let mut rows = crate::support::rows(&run_with(sql, &tables, ask).unwrap());
            rows.sort();
            rows
        };
        assert_eq!(sorted(&Ask::default()), sorted(&Ask { partition_wise: Some("facts"), ..Ask::default() }), "{sql}");
    }
    for sql in [ROW_WISE[0], ROW_WISE[2], ROW_WISE[4], ROW_WISE[7], ROW_WISE[12], ROW_WISE[22]] {
        let ask = Ask { partition_wise: Some("facts"), ..Ask::default() };
        assert_eq!(run_with(sql, &tables, &Ask::default()).unwrap(), run_with(sql, &tables, &ask).unwrap(), "{sql}");
    }
}

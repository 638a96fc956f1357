//! What a query tells without tables: normal form, tables, parameters, and why it is none.

use crate::support::{engine, ints, parse, pointed, rows, run, table, tables, whole};
use everfresh_pipeline::engine::{QueryEngine, SqlErrorKind};

fn table_names(sql: &str) -> Vec<String> {
    parse(sql).tables.into_iter().map(|(name, _)| name).collect()
}

#[test]
fn white_space_comments_and_case_of_what_is_not_quoted_do_not_matter() {
    let one = parse("select a, \"B\" from Flights where X = 'It''s' -- late ones\n");
    let other = parse("SELECT A,\n\t\"B\"\n/* all */ FROM flights   WHERE x='It''s';");
    assert_eq!(one.normal, other.normal);
    assert_eq!(one.normal, "SELECT a, \"B\" FROM flights WHERE x = 'It''s'");
}

#[test]
fn whatever_can_change_a_result_changes_the_normal_form() {
    let queries = [
        "select a from t",
        "select \"A\" from t",
        "select a as b from t",
        "select a from t where x = 'it'",
        "select a from t where x = 'It'",
        "select a from t where x = 'I  t'",
        "select a from t where x = 'It''s'",
        "select a from t where x = 'it'''",
        "select a from t where x = $it",
        "select a from t where x = $It",
        "select a from t where x = 1",
        "select a from t where x = 1.0",
        "select a from t union select a from t",
        "select a from t union all select a from t",
        "select distinct a from t",
        "select a from t order by a",
        "select a from t order by a desc",
        "select a from t order by a nulls first",
        "select a from t limit 1",
        "select (a) from t",
        "select a - (b - c) from t",
        "select a - b - c from t",
        "select a from t left join s on t.a = s.a",
        "select a from t join s on t.a = s.a",
        "select a from t, s",
        "select cast(a as int) from t",
        "select try_cast(a as int) from t",
        "select sum(a) over (order by b rows between 1 preceding and current row) from t",
        "select sum(a) over (order by b) from t",
        "select a from t where a in (1, 2)",
        "select a from t where a not in (1, 2)",
        "select x'00'",
        "select '00'",
        "select e'a\\nb'",
        "select 'a\\nb'",
        "select interval '1' day",
        "select interval '1 day'",
    ];
    for (at, one) in queries.iter().enumerate() {
        for other in &queries[at + 1..] {
            assert_ne!(parse(one).normal, parse(other).normal, "{one} and {other}");
        }
    }
}

#[test]
fn the_normal_form_is_a_query_with_the_same_normal_form() {
    for sql in [
        "with a as (select 1 x), b as (select * from a) select * exclude (y) from b, lateral (select x + 1 as y) l",
        "select $year, case when a then 'x' else 'y' end c, f.b[1] from t f group by all having count(*) > 1",
        "select distinct on (a) a, b from t order by a, b desc nulls last limit 3 offset 1",
        "select a, row_number() over w from t window w as (partition by b order by c) qualify row_number() over w = 1",
        "select date '2024-01-01' + interval '1 day', extract(year from d), x::int, e'a\\tb' from t tt(d, x)",
        "values (1, 'a'), (2, 'b')",
        "select * from unnest([1, 2]) u(x), generate_series(1, 3)",
    ] {
        let once = parse(sql).normal;
        assert_eq!(parse(&once).normal, once, "{sql}");
    }
}

#[test]
fn tables_come_in_order_of_appearance_with_their_places() {
    let sql = "select (select max(x) from Third) m from \"First\" f join second s on f.a = s.a join second z on true \
               where exists (select 1 from fourth) union all select 1 from fifth";
    let parsed = parse(sql);
    let written: Vec<(&str, &str)> =
        parsed.tables.iter().map(|(name, span)| (name.as_str(), &sql[span.clone()])).collect();
    assert_eq!(
        written,
        [("third", "Third"), ("First", "\"First\""), ("second", "second"), ("fourth", "fourth"), ("fifth", "fifth")]
    );
}

#[test]
fn places_are_bytes_also_after_wide_characters() {
    let sql = "select 'äöü€', \"größe\"\nfrom /* 日本 */ Straßen where a = $jahr";
    let parsed = parse(sql);
    let (name, span) = &parsed.tables[0];
    assert_eq!((name.as_str(), &sql[span.clone()]), ("straßen", "Straßen"));
    let (name, span) = &parsed.params[0];
    assert_eq!((name.as_str(), &sql[span.clone()]), ("jahr", "$jahr"));
}

#[test]
fn common_table_expressions_are_no_tables_where_they_are_in_scope() {
    let cases: [(&str, &[&str]); 9] = [
        ("with a as (select * from t) select * from a", &["t"]),
        // A name is not in scope in its own query, unless that is recursive.
        ("with t as (select * from t) select * from t", &["t"]),
        ("with recursive t as (select 1 n union all select n + 1 from t where n < 3) select * from t", &[]),
        // It is in scope in later ones, not in earlier ones.
        ("with a as (select * from b), b as (select * from c) select * from a, b", &["b", "c"]),
        ("with a as (select 1 x), b as (select * from a) select * from b", &[]),
        // It reaches into subqueries, and does not outlive its query.
        ("with a as (select 1 x) select * from (select * from a) q where x in (select x from a)", &[]),
        ("select * from (with a as (select * from t) select * from a) q, a", &["t", "a"]),
        ("with a as (with b as (select * from t) select * from b) select * from a, b", &["t", "b"]),
        // An inner name shadows an outer one.
        ("with a as (select * from t) select * from (with a as (select * from s) select * from a) q, a", &["t", "s"]),
    ];
    for (sql, expected) in cases {
        let mut expected = expected.to_vec();
        expected.sort_by_key(|name| sql.find(&format!(" {name}")).unwrap_or_default());
        let mut found = table_names(sql);
        found.sort_by_key(|name| sql.find(&format!(" {name}")).unwrap_or_default());
        assert_eq!(found, expected, "{sql}");
    }
}

#[test]
fn functions_that_make_tables_are_no_tables() {
    assert_eq!(table_names("select * from generate_series(1, 3), t, unnest([1, 2])"), ["t"]);
}

#[test]
fn parameters_are_sorted_and_stand_where_they_are_first() {
    let sql = "select $year + $month from t where a > $year limit $n";
    let params = parse(sql).params;
    let names: Vec<&str> = params.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["month", "n", "year"]);
    assert_eq!(params[2].1, 7..12);
}

#[test]
fn what_is_no_query_is_refused_where_it_starts() {
    for (sql, at) in [
        ("insert into t values (1)", "insert"),
        ("  create table x as select 1", "create"),
        ("copy t to 'x.csv'", "copy"),
        ("set a = 1", "set"),
        ("explain select 1", "explain"),
        ("select 1; select 2", "select"),
        ("select 1; drop table t", "drop"),
        ("select 1 from t t2 t3", "t3"),
        ("select a frm t where", "t"),
        ("select * into x from t", "into"),
        ("select * from t tablesample (10)", "tablesample"),
        ("with a as (select 1) delete from t", "delete"),
        ("select * from db.t", "db.t"),
        ("select * from a, b.c.d", "b.c.d"),
        ("select ?", "?"),
        ("select :year", ":year"),
    ] {
        let error = engine().parse(sql).unwrap_err();
        assert_eq!(error.kind, SqlErrorKind::Invalid, "{sql}");
        assert_eq!(pointed(&error, sql).to_lowercase(), at, "{sql}: {error:?}");
    }
}

#[test]
fn a_query_that_stops_too_early_is_refused_at_its_end() {
    let sql = "select a from ";
    let error = engine().parse(sql).unwrap_err();
    assert_eq!(error.span, Some(13..13), "{error:?}");
    assert_eq!(engine().parse("  -- nothing\n").unwrap_err().message, "there is no query");
    assert_eq!(pointed(&engine().parse("select 'open").unwrap_err(), "select 'open"), "'");
}

#[test]
fn nesting_without_end_is_an_error_and_no_crash() {
    let deep = format!("select {}1{}", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(engine().parse(&deep).unwrap_err().kind, SqlErrorKind::Invalid);
}

#[test]
fn a_long_chain_of_conditions_is_no_crash() {
    let chain = |links: usize| {
        let links: Vec<String> = (0..links).map(|link| format!("a + {link} > 5")).collect();
        format!("select a from t where {}", links.join(" or "))
    };
    let short_links = format!("select a from t where {}", vec!["a=1"; 390].join(" or "));
    assert_eq!(table_names(&chain(390)), ["t"]);
    let inputs = tables(vec![("t", whole(&table(vec![("a", ints([1, -3000]))])))]);
    assert_eq!(rows(&run(&chain(390), &inputs)), ["1"]);
    assert_eq!(rows(&run(&short_links, &inputs)), ["1"]);
    for links in [500, 30_000, 300_000] {
        assert_eq!(engine().parse(&chain(links)).unwrap_err().kind, SqlErrorKind::Invalid, "{links}");
        let union = vec!["select a from t"; links].join(" union all ");
        assert_eq!(engine().parse(&union).unwrap_err().kind, SqlErrorKind::Invalid, "{links}");
    }
    let union = vec!["select a from t"; 390].join(" union all ");
    assert_eq!(run(&union, &inputs).num_rows(), 780);
}

//! What people see when something is wrong: one snapshot for each part of the file, each with the texts and what is
//! said of them.

use super::{load, wrong};
use crate::spec::render;

/// Draws what is wrong with each text.
fn drawn(texts: &[&str]) -> String {
    let drawn: Vec<_> = texts.iter().map(|text| format!("{}\n\n{}", text.trim_end(), wrong(text))).collect();
    drawn.join("\n\n────────\n\n")
}

/// The same for what stands beside a source `flights` and a step `clean`.
fn beside(texts: &[&str]) -> String {
    let rest = "sources: { flights: { file: flights.csv } }\nsteps: { clean: { sql: select * from flights } }\n";
    let texts: Vec<_> = texts.iter().map(|text| format!("{text}\n{rest}")).collect();
    drawn(&texts.iter().map(String::as_str).collect::<Vec<_>>()).replace(rest, "")
}

#[test]
fn yaml() {
    insta::assert_snapshot!(drawn(&[
        "",
        "- a\n- b\n",
        "just a text",
        "name: a: b\n",
        "steps:\n\ta: 1\n",
        "sources: { a: { file: *.csv } }\n",
        "sources: { a: { file: {year}.csv } }\n",
        "steps: { a: { sql: select 1 }\n",
        "name: 'open\n",
        "name: @x\n",
        "name: a\n---\nname: b\n",
        "name: a\nname: b\n",
        "steps:\n  a: { sql: select 1 }\n  b: { sql: select 1 }\n  a: { sql: select 2 }\n",
        "name: !shell ls\n",
        "? [a]\n: b\n",
        "name: \"\\q\"\n",
        "steps:\n  a:\n    sql: select 1\n   per: partition\n",
    ]));
}

#[test]
fn the_file() {
    insta::assert_snapshot!(drawn(&[
        "nam: flights\nstep: {}\nwhatever: 1\n",
        "name: 5\ncache: { dir: [], max_size: 5G, enabled: yes, version: -1, ttl: 1d }\n",
        "name:\ncache: 7\nsteps: []\nsources: text\n",
        "params: { 1st: 1, empty: , list: [1], nan: .nan, huge: 99999999999999999999 }\n",
        "params: { year: '${YEAR}' }\ncache: { dir: '${HOME', version: '${1}' }\n",
        "name: '${secret:NAME}'\n",
    ]));
}

#[test]
fn sources() {
    insta::assert_snapshot!(drawn(&[
        "sources: { a: {}, b: 7, c: { fil: a.csv }, d: { format: csv } }\n",
        "sources: { my-table: { file: a.csv }, '': { file: b.csv } }\n",
        "sources: { a: { file: a.csv, url: http://h/ } }\n",
        "sources: { a: { sqlite: a.db, delimiter: ';' }, b: { file: a.csv, tll: 1h, ttl: 1h } }\n",
        "sources: { a: { file: a.xlsx }, b: { file: a.csv, format: xlsx }, c: { file: '' } }\n",
        "sources: { a: { file: 'a-{yaer}.csv' }, b: { file: 'a-{x,y}.csv' } }\nparams: { year: 1 }\n",
        "sources: { a: { file: a.csv, columns: { x: strnig, y: 5 }, delimiter: ';;', header: 1, null: {}, check: contents } }\n",
        "sources: { a: { file: a.parquet, delimiter: ';', header: false } }\n",
        "sources: { a: { sqlite: a.db }, b: { sqlite: b.db, table: t, query: select 1 }, c: { sqlite: c.db, table: t, bind: [1] } }\n",
        "sources: { a: { url: ftp://h/x.csv }, b: { url: 'http:///x.csv' }, c: { url: 'http://h/a b.csv' } }\n",
        "sources: { a: { url: http://h/, ttl: soon, timeout: 0, stale_if_error: true, headers: { 'a b': x, c: [], d: } } }\n",
        "sources: { a: { url: 'http://${HOST}/', headers: { authorization: '${secret:TOKEN}' } } }\n",
        "sources: { a: { file: '${secret:PW}.csv' } }\n",
    ]));
}

#[test]
fn steps() {
    insta::assert_snapshot!(beside(&["x-steps: { a: 1 }\nchekcs: {}", "sinks: { x: { from: claen, file: x.csv } }",]));
    insta::assert_snapshot!(
        "steps_2",
        drawn(&[
            "steps: { a: {}, b: { timeout: 5x }, c: { from: a }, d: { sql: select 1, sql_file: x.sql } }\n",
            "steps: { a: { sql: '' }, b: { sql: 5 }, c: { sql_file: missing.sql }, d: { sql: 'select ${X}' } }\n",
            "steps: { a: { sql: select 1, normalize: [x] }, b: { normalize: x }, c: { sql: select 1, from: a } }\n",
            "steps: { a: { sql: select 1, per: file, timeout: -1, retries: 1.5, cache: { ttl: x, tag: y, tags: {} } } }\n",
            "steps: { a: { from: a, normalize: x, per: partition }, b: { from: b, normalize: [], standardize: [x, x] } }\n",
            "steps: { a: { from: a, normalize: [x, y], standardize: [y] } }\n",
            "steps: { a: { from: a, aggregate: { by: x } }, b: { from: b, aggregate: { columns: {} } }, c: { from: c, aggregate: x } }\n",
            "steps: { a: { from: a, aggregate: { columns: { x: [avg, first], y: maen } } } }\n",
            "steps: { a: { from: a, aggregate: { by: x_mean, columns: { x: mean } } } }\n",
            "sources: { a: { file: a.csv } }\nsteps: { a: { sql: select 1 }, b: { from: aa, normalize: x } }\n",
        ])
    );
}

#[test]
fn checks() {
    insta::assert_snapshot!(beside(&[
        "checks: { claen: [ { not_null: x } ], clean: { not_null: x } }",
        "checks: { clean: [ row_count, {}, { notnull: x }, { severity: warn }, { not_null: x, unique: y } ] }",
        "checks: { clean: [ { not_null: x, severity: warning, max_bad: 200% }, { not_null: [], max_bad: -1 } ] }",
        "checks: { clean: [ { row_count: [1, 2], max_bad: 1 }, { row_count: -1 }, { row_count: [5, 1] }, { row_count: [~, ~] } ] }",
        "checks: { clean: [ { range: {} }, { range: { a: 5, b: [1], c: [x, y], d: [2, 1], e: [2013-01-01, ~] } } ] }",
        "checks: { clean: [ { accepted_values: { a: x, b: [], c: [null] } }, { regex: { a: '(x', b: [x] } } ] }",
        "checks: { clean: [ { relationships: { a: flihgts.x, b: flights, c: [] } }, { relationships: { column: a, tp: flights } } ] }",
        "checks: { clean: [ { schema: { a: strng }, exact: maybe }, { freshness: { column: a, within: 0 } }, { freshness: 2d } ] }",
        "checks: { clean: [ { sql: x, sql_file: y }, { sql: '' } ] }",
    ]));
}

#[test]
fn sinks() {
    insta::assert_snapshot!(beside(&[
        "sinks: { a: {}, b: { from: clean }, c: { from: nothing, file: c.csv }, d/e: { from: clean, file: d.csv } }",
        "sinks: { a: { from: clean, file: a.xlsx }, b: { from: clean, file: b/ }, c: { from: clean, file: c.csv.gz } }",
        "sinks: { a: { from: clean, sqlite: a.db }, b: { from: clean, sqlite: b.db, table: t, mode: insert } }",
        "sinks: { a: { from: clean, sqlite: a.db, table: t, mode: upsert }, b: { from: clean, sqlite: b.db, table: t, key: x } }",
        "sinks: { a: { from: clean, file: x.csv }, b: { from: clean, file: ./x.csv }, c: { from: clean, file: x.csv, mode: append } }",
    ]));
}

#[test]
fn everything_at_once() {
    insta::assert_snapshot!(drawn(&[r#"
name: flights
cache: { max_sise: 5GB }
params: { year: 2013 }
sources:
  flights: { file: "data/flights-{yeer}-*.parquet" }
  rates:   { url: "http://${RATES}/rates.json", ttl: 1 hour }
steps:
  clean: { sql: "select * from flights", per: partitions }
  daily: { from: claen, aggregate: { by: [month], columns: { delay: [avg] } } }
checks:
  daily:
    - { not_null: [month], severity: fatal }
    - { relationships: { column: month, to: months, key: id } }
sinks:
  report: { form: daily, file: out/report.parquet }
"#]));
}

#[test]
fn the_command_line() {
    let text = "params: { year: 2013, share: 0.5, flag: true }\n";
    let given = [("yaer", "1"), ("other", "1"), ("year", "abc"), ("share", "half"), ("flag", "yes"), ("year", "")];
    insta::assert_snapshot!(load(text, &given, &[]).unwrap_err());
}

#[test]
fn colour_is_for_terminals() {
    let error = load("nam: x", &[], &[]).unwrap_err();
    assert!(error.render(true).contains("\u{1b}[") && !error.to_string().contains("\u{1b}["));
    assert_eq!(render(error.diagnostics(), false), error.to_string());
}

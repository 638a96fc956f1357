//! Every key means what it should.

use super::{load, messages, read};
use crate::{
    engine::{ParamValue, SqlError, SqlErrorKind},
    spec::{self, LoadError, LoadOptions, model::*, render},
};
use arrow::datatypes::DataType;
use everfresh_sources::{Format, ReadOptions};
use std::{fs, path::PathBuf, time::Duration};

/// A file with every key that there is.
pub const EVERY_KEY: &str = r#"
name: flights
x-defaults: &patient { timeout: 5m, retries: 2 }
cache: { dir: .everfresh, max_size: 5GB, enabled: true, version: 1 }
python: python3
params: { year: 2013, min_delay: 15, share: 0.5, full: no-ne, flag: true }
sources:
  flights: { file: "data/flights-{year}-*.parquet" }
  zips:    { file: ./data/zips.csv, columns: { zip: string }, delimiter: ";", header: true, null: ["", "NA", -999], check: content }
  plain:   { file: data/plain.txt, format: tsv, delimiter: tab, header: false, null: NA, check: stat }
  planes:  { sqlite: data/planes.db, table: planes }
  recent:  { sqlite: data/planes.db, query: "select * from planes where year > ? and kind = ?", bind: ["{year}", "x-{year}"] }
  rates:   { url: "http://host/rates-{year}.json", ttl: 1h, stale_if_error: 1d, timeout: 10, headers: { accept: text/json, x-count: 5 } }
steps:
  clean:  { sql: "select * from flights where dep_time is not null", per: partition }
  delays: { sql: select 1, <<: *patient }
  scaled: { from: delays, normalize: [mean_delay], standardize: [distance] }
  daily:  { from: clean, aggregate: { by: [carrier, month], columns: { dep_delay: [mean, max], flight: count } }, cache: { ttl: 1d, tags: [daily], enabled: true } }
  total:  { from: clean, aggregate: { columns: { a: [sum, min, median, std, count_distinct] } }, cache: false }
checks:
  delays: [ {not_null: [carrier]}, {range: {mean_delay: [-120, 2000]}, severity: warn} ]
  zips:
    - { not_null: zip, max_bad: 2 }
    - { not_null: [zip], max_bad: 1% }
    - { unique: [zip, city] }
    - { range: { a: [0, ~], b: [null, 1.5] }, name: limits }
    - { row_count: [1, null] }
    - { row_count: 42 }
    - { accepted_values: { origin: [EWR, 7], dest: [LAX] } }
    - { regex: { zip: '^\d{5}$' } }
    - { relationships: { column: tailnum, to: planes, key: tailnum } }
    - { relationships: { zip: plain.code } }
    - { schema: { zip: string, n: bigint }, exact: true }
    - { freshness: { column: seen, within: 2d } }
    - { sql: select * from zips where zip is null, severity: error }
sinks:
  report: { from: scaled, file: out/report.parquet }
  dated:  { from: scaled, file: "out/{year}", format: csv }
  table:  { from: daily, sqlite: out/result.db, table: daily, mode: replace }
  log:    { from: daily, sqlite: out/result.db, table: log, mode: append }
  latest: { from: daily, sqlite: out/result.db, table: latest, mode: upsert, key: [carrier, month] }
"#;

fn every_key() -> Spec {
    load(EVERY_KEY, &[], &[]).unwrap().spec
}

#[test]
fn settings_and_parameters() {
    let spec = every_key();
    assert_eq!(spec.name, "flights");
    assert_eq!(spec.cache.dir, PathBuf::from("/pipeline/.everfresh"));
    assert_eq!((spec.cache.max_size, spec.cache.enabled, spec.cache.version), (5_000_000_000, true, 1));
    let params: Vec<_> = spec.params.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    assert_eq!(
        params,
        [
            ("flag", ParamValue::Bool(true)),
            ("full", ParamValue::Text("no-ne".into())),
            ("min_delay", ParamValue::Int(15)),
            ("share", ParamValue::Float(0.5)),
            ("year", ParamValue::Int(2013)),
        ]
    );
}

#[test]
fn what_is_not_said_has_its_usual_value() {
    let spec = load("steps: { a: { sql: select 1 } }", &[], &[]).unwrap().spec;
    assert_eq!(spec.name, "pipeline");
    assert_eq!(spec.cache.dir, PathBuf::from("/pipeline/.everfresh"));
    assert_eq!((spec.cache.max_size, spec.cache.enabled, spec.cache.version), (5_000_000_000, true, 0));
    let step = &spec.steps[0];
    assert_eq!((step.timeout, step.retries, step.enabled, step.ttl), (None, 0, true, None));
    assert!(!step.per_partition && step.tags.is_empty());
    assert!(!load("cache: false", &[], &[]).unwrap().spec.cache.enabled);
    assert!(load("params:\nsources:\nsteps:\nchecks:\nsinks:\n", &[], &[]).is_ok());
}

#[test]
fn the_command_line_sets_parameters_and_the_cache_folder() {
    let loaded = load(EVERY_KEY, &[("year", "2014"), ("share", "1"), ("full", "7"), ("year", "2015")], &[]).unwrap();
    assert_eq!(loaded.spec.params["year"], ParamValue::Int(2015));
    assert_eq!(loaded.spec.params["share"], ParamValue::Float(1.0));
    assert_eq!(loaded.spec.params["full"], ParamValue::Text("7".into()));
    let SourceKind::File { pattern, .. } = &loaded.spec.sources[0].kind else { panic!("no file") };
    assert_eq!(pattern, "/pipeline/data/flights-2015-*.parquet");

    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("everfresh.yaml"), "name: x").unwrap();
    let options = LoadOptions {
        params: &[],
        cache_dir: Some(&folder.path().join("elsewhere")),
        env: &|_| None,
        secret_key: &|| panic!("there is no secret"),
    };
    let loaded = spec::load(folder.path(), &options).unwrap();
    assert_eq!(loaded.spec.cache.dir, folder.path().join("elsewhere"));
    assert_eq!(loaded.path, folder.path().join("everfresh.yaml"));
}

#[test]
fn sources() {
    let spec = every_key();
    let names: Vec<_> = spec.sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["flights", "zips", "plain", "planes", "recent", "rates"]);
    assert!(spec.sources.iter().all(|source| EVERY_KEY[source.span.clone()] == source.name));
    let file = |at: usize| match &spec.sources[at].kind {
        SourceKind::File { pattern, options, check_content } => (pattern.as_str(), options.clone(), *check_content),
        other => panic!("{other:?}"),
    };
    assert_eq!(file(0), ("/pipeline/data/flights-2013-*.parquet", ReadOptions::default(), false));
    let zips = ReadOptions {
        columns: vec![("zip".into(), DataType::Utf8)],
        delimiter: Some(b';'),
        null: vec!["".into(), "NA".into(), "-999".into()],
        ..ReadOptions::default()
    };
    assert_eq!(file(1), ("/pipeline/data/zips.csv", zips, true));
    let plain = ReadOptions {
        format: Some(Format::Tsv),
        delimiter: Some(b'\t'),
        header: false,
        null: vec!["NA".into()],
        ..ReadOptions::default()
    };
    assert_eq!(file(2), ("/pipeline/data/plain.txt", plain, false));
    let SourceKind::Sqlite { path, query: SqliteQuery::Table(table), ttl: None } = &spec.sources[3].kind else {
        panic!("no table")
    };
    assert_eq!((path, table.as_str()), (&PathBuf::from("/pipeline/data/planes.db"), "planes"));
    let SourceKind::Sqlite { query: SqliteQuery::Query { sql, bind }, .. } = &spec.sources[4].kind else {
        panic!("no query")
    };
    assert_eq!(sql, "select * from planes where year > ? and kind = ?");
    assert_eq!(*bind, [ParamValue::Int(2013), ParamValue::Text("x-2013".into())]);
    let SourceKind::Url { url, headers, ttl, stale_if_error, timeout, options } = &spec.sources[5].kind else {
        panic!("no URL")
    };
    assert_eq!(url.expose(), "http://host/rates-2013.json");
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(headers, [("accept", "text/json"), ("x-count", "5")]);
    assert_eq!((*ttl, *stale_if_error), (Duration::from_secs(3600), Some(Duration::from_secs(86_400))));
    assert_eq!((*timeout, options), (Duration::from_secs(10), &ReadOptions::default()));
}

#[test]
fn steps() {
    let spec = every_key();
    let [clean, delays, scaled, daily, total] = spec.steps.as_slice() else { panic!("five steps") };
    let StepKind::Sql { text, origin: SqlOrigin::Inline(span) } = &clean.kind else { panic!("no SQL") };
    assert!(clean.per_partition && EVERY_KEY[span.clone()] == format!("\"{text}\""));
    assert_eq!((delays.timeout, delays.retries), (Some(Duration::from_secs(300)), 2));
    let StepKind::Scale { from, normalize, standardize } = &scaled.kind else { panic!("no scale") };
    assert_eq!((from.0.as_str(), &EVERY_KEY[from.1.clone()]), ("delays", "delays"));
    assert_eq!((normalize.as_slice(), standardize.as_slice()), (&["mean_delay".into()][..], &["distance".into()][..]));
    let StepKind::Aggregate { from, by, columns } = &daily.kind else { panic!("no aggregate") };
    assert_eq!((from.0.as_str(), by.as_slice()), ("clean", &["carrier".into(), "month".into()][..]));
    use AggregateFunction::*;
    assert_eq!(*columns, [("dep_delay".to_owned(), vec![Mean, Max]), ("flight".to_owned(), vec![Count])]);
    assert_eq!((daily.ttl, daily.tags.as_slice()), (Some(Duration::from_secs(86_400)), &["daily".into()][..]));
    let StepKind::Aggregate { by, columns, .. } = &total.kind else { panic!("no aggregate") };
    assert!(by.is_empty() && !total.enabled);
    assert_eq!(columns[0].1, [Sum, Min, Median, Std, CountDistinct]);
}

#[test]
fn checks() {
    let spec = every_key();
    let text = |text: &str| text.to_owned();
    let found: Vec<_> = spec
        .checks
        .iter()
        .map(|check| (check.table.as_str(), check.name.as_str(), check.severity, check.max_bad))
        .collect();
    let (error, warn, none) = (Severity::Error, Severity::Warn, MaxBad::Count(0));
    assert_eq!(
        found,
        [
            ("delays", "not_null(carrier)", error, none),
            ("delays", "range(mean_delay)", warn, none),
            ("zips", "not_null(zip)", error, MaxBad::Count(2)),
            ("zips", "not_null(zip)#2", error, MaxBad::Percent(1.0)),
            ("zips", "unique(zip, city)", error, none),
            ("zips", "limits", error, none),
            ("zips", "row_count", error, none),
            ("zips", "row_count#2", error, none),
            ("zips", "accepted_values(origin)", error, none),
            ("zips", "accepted_values(dest)", error, none),
            ("zips", "regex(zip)", error, none),
            ("zips", "relationships(tailnum)", error, none),
            ("zips", "relationships(zip)", error, none),
            ("zips", "schema", error, none),
            ("zips", "freshness(seen)", error, none),
            ("zips", "sql", error, none),
        ]
    );
    let kinds: Vec<_> = spec.checks.iter().map(|check| check.kind.clone()).collect();
    assert_eq!(kinds[0], CheckKind::NotNull(vec![text("carrier")]));
    assert_eq!(kinds[1], CheckKind::Range(vec![(text("mean_delay"), Some(-120.0), Some(2000.0))]));
    assert_eq!(kinds[4], CheckKind::Unique(vec![text("zip"), text("city")]));
    assert_eq!(kinds[5], CheckKind::Range(vec![(text("a"), Some(0.0), None), (text("b"), None, Some(1.5))]));
    assert_eq!(kinds[6], CheckKind::RowCount(Some(1), None));
    assert_eq!(kinds[7], CheckKind::RowCount(Some(42), Some(42)));
    let values = vec![ParamValue::Text(text("EWR")), ParamValue::Int(7)];
    assert_eq!(kinds[8], CheckKind::AcceptedValues(text("origin"), values));
    assert_eq!(kinds[10], CheckKind::Regex(text("zip"), text(r"^\d{5}$")));
    let CheckKind::Relationship { column, to, key } = &kinds[11] else { panic!("no relationship") };
    assert_eq!((column.as_str(), to.0.as_str(), key.as_str()), ("tailnum", "planes", "tailnum"));
    assert_eq!(&EVERY_KEY[to.1.clone()], "planes");
    let CheckKind::Relationship { column, to, key } = &kinds[12] else { panic!("no relationship") };
    assert_eq!((column.as_str(), to.0.as_str(), key.as_str()), ("zip", "plain", "code"));
    let columns = vec![(text("zip"), text("string")), (text("n"), text("bigint"))];
    assert_eq!(kinds[13], CheckKind::Schema { columns, exact: true });
    assert_eq!(kinds[14], CheckKind::Freshness { column: text("seen"), within: Duration::from_secs(172_800) });
    assert!(matches!(&kinds[15], CheckKind::Sql { text, .. } if text == "select * from zips where zip is null"));
    assert_eq!(&EVERY_KEY[spec.checks[0].span.clone()], "not_null");
}

#[test]
fn a_check_is_named_once_whatever_names_are_given() {
    let text = "sources: { a: { file: a.csv } }\nchecks: { a: [ {sql: s, name: 'x#2'}, {sql: s, name: x}, {sql: s, name: x}, {sql: s, name: x} ] }";
    let names: Vec<_> = load(text, &[], &[]).unwrap().spec.checks.into_iter().map(|check| check.name).collect();
    assert_eq!(names, ["x#2", "x", "x#3", "x#4"]);
}

#[test]
fn sinks() {
    let spec = every_key();
    let [report, dated, table, log, latest] = spec.sinks.as_slice() else { panic!("five sinks") };
    assert_eq!((report.name.as_str(), report.from.0.as_str()), ("report", "scaled"));
    let file = |sink: &Sink| match &sink.kind {
        SinkKind::File { path, format } => (path.clone(), *format),
        other => panic!("{other:?}"),
    };
    assert_eq!(file(report), ("/pipeline/out/report.parquet".into(), SinkFormat::Parquet));
    assert_eq!(file(dated), ("/pipeline/out/2013".into(), SinkFormat::Csv));
    let sqlite = |sink: &Sink| match &sink.kind {
        SinkKind::Sqlite { path, table, mode } => (path.clone(), table.clone(), mode.clone()),
        other => panic!("{other:?}"),
    };
    let path = PathBuf::from("/pipeline/out/result.db");
    assert_eq!(sqlite(table), (path.clone(), "daily".into(), SinkMode::Replace));
    assert_eq!(sqlite(log), (path.clone(), "log".into(), SinkMode::Append));
    assert_eq!(sqlite(latest), (path, "latest".into(), SinkMode::Upsert(vec!["carrier".into(), "month".into()])));
}

#[test]
fn variables_are_filled_in_with_the_type_that_they_then_have() {
    let text = "params:\n  year: ${YEAR}\n  text: '${YEAR}'\n  d: ${UNSET:-x}\ncache: { version: '${V:-3}', enabled: \"${ON}\" }\n";
    let loaded = load(text, &[], &[("YEAR", "2013"), ("ON", "false")]).unwrap();
    assert_eq!(loaded.spec.params["year"], ParamValue::Int(2013));
    assert_eq!(loaded.spec.params["text"], ParamValue::Text("2013".into()));
    assert_eq!(loaded.spec.params["d"], ParamValue::Text("x".into()));
    assert_eq!((loaded.spec.cache.version, loaded.spec.cache.enabled), (3, false));
    let reads: Vec<_> = loaded.env.iter().map(|read| (read.name.as_str(), read.value.is_some(), read.secret)).collect();
    assert_eq!(reads, [("YEAR", true, false), ("UNSET", false, false), ("ON", true, false), ("V", false, false)]);
    let other = load(text, &[], &[("YEAR", "2014"), ("ON", "false")]).unwrap();
    assert_ne!(other.env[0].value, loaded.env[0].value);
}

#[test]
fn sql_of_its_own_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("sql")).unwrap();
    fs::write(folder.path().join("sql/delays.sql"), "select *\nfrom flightz\n").unwrap();
    fs::write(folder.path().join("sql/pasted.sql"), "select ${NAME}").unwrap();
    let file = folder.path().join("everfresh.yaml");
    let options = LoadOptions { params: &[], cache_dir: None, env: &|_| None, secret_key: &|| [0; 32] };

    fs::write(&file, "steps: { delays: { sql_file: sql/delays.sql } }").unwrap();
    let loaded = spec::load(&file, &options).unwrap();
    let StepKind::Sql { text, origin } = &loaded.spec.steps[0].kind else { panic!("no SQL") };
    assert_eq!(text, "select *\nfrom flightz\n");
    assert!(matches!(origin, SqlOrigin::File(path) if *path == folder.path().join("sql/delays.sql")));
    let error = SqlError {
        message: "no table `flightz`".into(),
        span: Some(14..21),
        help: Some("did you mean `flights`?".into()),
        kind: SqlErrorKind::Invalid,
    };
    let drawn = render(&[loaded.sql_error("step `delays`", text, origin, &error)], false);
    let drawn = drawn.replace(&folder.path().display().to_string(), "FOLDER");
    insta::assert_snapshot!(drawn, @r"
    error: no table `flightz`
     --> FOLDER/sql/delays.sql:2:6
      |
    2 | from flightz
      |      ^^^^^^^
      |
      = help: did you mean `flights`?
    ");

    fs::write(&file, "steps: { a: { sql_file: sql/delay.sql }, b: { sql_file: sql/pasted.sql }, c: { sql_file: . } }")
        .unwrap();
    let LoadError::Invalid(errors) = spec::load(&file, &options).unwrap_err() else { panic!("wrong kind") };
    let messages: Vec<_> = errors.iter().map(|error| (error.message.as_str(), error.help.as_deref())).collect();
    assert_eq!(messages[0], ("there is no file `sql/delay.sql`", Some("did you mean `sql/delays.sql`?")));
    assert!(messages[1].0.starts_with("cannot read `.`"), "{messages:?}");
    assert_eq!(messages[2].0, "variables are not filled into SQL");
    assert!(errors[2].file.name().ends_with("sql/pasted.sql"));
}

#[test]
fn a_python_step_names_a_file_and_a_function() {
    let folder = tempfile::tempdir().unwrap();
    let load = |text: &str| {
        let file = folder.path().join("everfresh.yaml");
        fs::write(&file, text).unwrap();
        spec::load(&file, &LoadOptions { params: &[], cache_dir: None, env: &|_| None, secret_key: &|| [0; 32] })
    };
    fs::write(folder.path().join("steps.py"), "def score(): ...").unwrap();
    let from = "sources: { a: { file: a.csv }, b: { file: b.csv } }\n";
    let step = |rest: &str| load(&format!("{from}steps: {{ s: {{ {rest} }} }}"));
    let function = |loaded: spec::Loaded| match loaded.spec.steps.into_iter().next().unwrap().kind {
        StepKind::Python { function, from } => (function, from.into_iter().map(|(name, _)| name).collect::<Vec<_>>()),
        other => panic!("{other:?}"),
    };
    let (score, tables) = function(step("python: 'steps.py:score', from: [b, a]").unwrap());
    assert_eq!((score.name.as_str(), score.file), ("score", folder.path().join("steps.py")));
    assert_eq!(tables, ["b", "a"]);
    assert_eq!(function(step("python: 'steps.py:score', from: a").unwrap()).1, ["a"]);
    assert!(function(step("python: 'steps.py:score'").unwrap()).1.is_empty());

    let wrong = |rest: &str| step(rest).unwrap_err().to_string();
    assert!(wrong("python: steps.py").contains("does not name a function"));
    assert!(wrong("python: 'steps.py:1st'").contains("as in `python: steps.py:score`"));
    assert!(wrong("python: 'step.py:score'").contains("did you mean `steps.py`?"));
    assert!(wrong("python: 'steps.py:score', from: [a, c]").contains("there is no table `c`"));
    assert!(wrong("python: 'steps.py:score', per: partition").contains("`per`"));
    assert!(load("python: env/bin/python").unwrap_err().to_string().contains("there is no interpreter"));
}

#[test]
fn an_error_in_sql_is_drawn_in_the_pipeline_file() {
    let loaded = load("steps:\n  a:\n    sql: |\n      select x\n      from b\n", &[], &[]).unwrap();
    let StepKind::Sql { text, origin } = &loaded.spec.steps[0].kind else { panic!("no SQL") };
    let at = text.find('b').unwrap();
    let diagnostic = loaded.sql_diagnostic("step `a`", text, origin, at..at + 1, "no table `b`");
    assert_eq!((diagnostic.file.name(), diagnostic.position()), ("everfresh.yaml", (5, 12)));
}

#[test]
fn sql_that_is_folded_is_drawn_by_itself() {
    let loaded = load("steps:\n  a:\n    sql: >\n      select x\n      from b\n", &[], &[]).unwrap();
    let StepKind::Sql { text, origin } = &loaded.spec.steps[0].kind else { panic!("no SQL") };
    assert_eq!(text, "select x from b\n");
    let diagnostic = loaded.sql_diagnostic("step `a`", text, origin, 14..15, "no table `b`");
    assert_eq!((diagnostic.file.name(), diagnostic.position()), ("everfresh.yaml, step `a`", (1, 15)));
}

#[test]
fn what_is_not_there_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let options = LoadOptions { params: &[], cache_dir: None, env: &|_| None, secret_key: &|| [0; 32] };
    let told = |path: PathBuf| {
        let error = spec::load(&path, &options).unwrap_err();
        (
            matches!(error, LoadError::NotFound { .. }),
            error.to_string().replace(&folder.path().display().to_string(), "F"),
        )
    };
    assert_eq!(
        told(folder.path().into()),
        (
            true,
            "error: the folder `F` has no `everfresh.yaml`\n |\n = help: `everfresh init F` makes one that runs".into()
        )
    );
    assert!(told(folder.path().join("nowhere")).1.contains("there is no file or folder `F/nowhere`"));
    fs::write(folder.path().join("everfresh.yml"), "").unwrap();
    assert!(told(folder.path().into()).1.contains("rename `F/everfresh.yml` to `everfresh.yaml`"));
    fs::write(folder.path().join("everfresh.yaml"), b"name: \xff").unwrap();
    let (not_found, message) = told(folder.path().into());
    assert!(!not_found && message.contains("byte 6"), "{message}");
}

#[test]
fn a_folder_whose_name_looks_like_a_glob_is_no_glob() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("a[1]*");
    fs::create_dir(&inside).unwrap();
    fs::write(inside.join("x.csv"), "a\n1\n").unwrap();
    fs::write(inside.join("everfresh.yaml"), "sources: { x: { file: x.csv } }").unwrap();
    let options = LoadOptions { params: &[], cache_dir: None, env: &|_| None, secret_key: &|| [0; 32] };
    let loaded = spec::load(&inside, &options).unwrap();
    let SourceKind::File { pattern, .. } = &loaded.spec.sources[0].kind else { panic!("no file") };
    let listing = everfresh_sources::list(pattern).unwrap();
    assert_eq!((listing.files, listing.is_glob), (vec![inside.join("x.csv")], false));
}

#[test]
fn what_is_wrong_is_left_out_of_a_partial_file_and_named() {
    let text =
        "sources: { a: { file: a.csv }, b: { fil: b.csv } }\nsteps: { c: { from: b, normalize: x }, d: { sql: '' } }";
    let partial = read(text, &[], &[]).unwrap();
    let names = |spec: &Spec| (spec.sources.len(), spec.steps.iter().map(|s| s.name.clone()).collect::<Vec<_>>());
    assert_eq!(names(&partial.loaded.spec), (1, vec!["c".to_owned()]));
    assert_eq!(partial.left_out.iter().map(String::as_str).collect::<Vec<_>>(), ["b", "d"]);
    assert_eq!(partial.errors.len(), 2);
}

#[test]
fn ten_thousand_steps_are_read_and_ten_thousand_errors_told() {
    let steps: String = (1..10_000).map(|i| format!("  s{i}: {{ from: s{}, normalize: [x] }}\n", i - 1)).collect();
    let text = format!("steps:\n  s0: {{ sql: select 1 as x }}\n{steps}");
    assert_eq!(load(&text, &[], &[]).unwrap().spec.steps.len(), 10_000);
    let text = text.replace("from: s", "from: t");
    assert_eq!(messages(&text).len(), 9_999);
    let drawn = super::wrong(&text);
    assert!(drawn.ends_with("… and 9899 more"), "{}", &drawn[drawn.len() - 100..]);
}

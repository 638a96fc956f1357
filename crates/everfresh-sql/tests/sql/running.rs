//! Running: parameters, types, errors on the way, cancelling, memory.

use crate::support::{
    Ask, collect, cut, floats, ints, plan, plan_with, rows, run, run_with, small, table, tables, texts, whole,
};
use arrow::{
    array::{AsArray, DictionaryArray, RecordBatch, StringViewArray, types::Int32Type},
    datatypes::DataType,
};
use everfresh_pipeline::engine::{Cancel, ParamValue, PlanRequest, QueryEngine, SqlError, SqlErrorKind};
use everfresh_sql::{DataFusionEngine, EngineOptions};
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

fn with_params(params: &[(&str, ParamValue)]) -> Ask<'static> {
    let params = params.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Ask { params, ..Ask::default() }
}

#[test]
fn the_version_names_the_engine() {
    let engine = DataFusionEngine::new(EngineOptions::default());
    assert_eq!(engine.version(), format!("datafusion 55.2.0, operators {}", everfresh_sql::OPERATORS));
    assert!(!engine.is_started());
    engine.parse("select 1").unwrap();
    assert!(!engine.is_started(), "parsing must not start the engine");
}

#[test]
fn parameters_are_values_and_never_sql() {
    let tables = small();
    for (value, expected) in [
        (ParamValue::Int(3), vec!["1", "5", "6"]),
        (ParamValue::Int(-6), vec!["1", "2", "4", "5", "6"]),
        (ParamValue::Int(i64::MIN), vec!["1", "2", "4", "5", "6"]),
        (ParamValue::Int(i64::MAX), vec![]),
        (ParamValue::Float(9.5), vec!["1", "5", "6"]),
        (ParamValue::Float(-1e300), vec!["1", "2", "4", "5", "6"]),
        (ParamValue::Float(f64::INFINITY), vec![]),
    ] {
        let ask = with_params(&[("min", value.clone())]);
        let batch = run_with("select id from flights where delay > $min", &tables, &ask);
        assert_eq!(rows(&batch.unwrap_or_else(|error| panic!("{value}: {error}"))), expected, "{value:?}");
    }
    let ask = with_params(&[("who", ParamValue::Text("x' or '1' = '1".to_owned())), ("yes", ParamValue::Bool(true))]);
    let batch = run_with("select id from flights where carrier = $who", &tables, &ask).unwrap();
    assert_eq!(batch.num_rows(), 0);
    let batch = run_with("select $who as w, $yes as y", &tables, &ask).unwrap();
    assert_eq!(rows(&batch), ["x' or '1' = '1|true"]);
    let ask = with_params(&[("a", ParamValue::Int(-3)), ("n", ParamValue::Int(2))]);
    let batch =
        run_with("select 10 - $a as d, -$a as m from flights order by id, d, m limit $n", &tables, &ask).unwrap();
    assert_eq!(rows(&batch), ["13|3", "13|3"]);
}

#[test]
fn another_value_does_not_rename_a_column() {
    let name = |value: i64| {
        let ask = with_params(&[("year", ParamValue::Int(value))]);
        plan_with("select id + $year from flights", &small(), &ask).unwrap().schema().field(0).name().clone()
    };
    assert_eq!(name(2013), name(2014));
}

#[test]
fn results_have_plain_types_and_dictionaries_stay() {
    let dictionary: DictionaryArray<Int32Type> = ["a", "b", "a"].into_iter().collect();
    let views = StringViewArray::from(vec!["a text of more than twelve bytes", "b", "c"]);
    let batch = table(vec![("d", Arc::new(dictionary)), ("v", Arc::new(views)), ("n", ints(1..=3))]);
    let tables = tables(vec![("t", whole(&batch))]);
    let query = plan("select d, v, concat(v, '!') as c, [v] as l, cast(n as varchar) as s from t", &tables).unwrap();
    let planned = query.schema();
    let result = collect(query).unwrap();
    assert_eq!(result.schema(), planned);
    assert_eq!(planned.field(0).data_type(), batch.schema().field(0).data_type());
    for at in [1, 2, 4] {
        assert_eq!(planned.field(at).data_type(), &DataType::Utf8, "{}", planned.field(at));
    }
    assert!(!planned.field(3).to_string().contains("View"), "{}", planned.field(3));
    assert_eq!(result.column(2).as_string::<i32>().value(0), "a text of more than twelve bytes!");
}

#[test]
fn numbers_and_times_mean_the_same_everywhere() {
    let batch =
        run("select 1.5 as f, 3 / 2 as i, timestamp '2024-03-31 02:30:00' as t, date '2024-02-29' as d", &small());
    assert_eq!(rows(&batch), ["1.5|1|2024-03-31T02:30:00|2024-02-29"]);
}

#[test]
fn an_error_of_a_source_arrives_as_it_was() {
    let mut broken = cut(&table(vec![("a", ints(0..20_000))]), &[10_000, 10_000]);
    broken.fails_after = Some(1);
    let tables = tables(vec![("t", broken)]);
    for sql in [
        "select a from t",
        "select sum(a) from t",
        "select a from t order by a",
        "select t.a from t join t u on t.a = u.a",
    ] {
        let error = collect(plan(sql, &tables).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "`data/flights.csv` row 7: no number", "{sql}");
    }
}

#[test]
fn a_table_that_gives_other_rows_than_it_promised_fails_the_query() {
    let mut liar = whole(&table(vec![("a", ints(0..100))]));
    liar.claimed = Some(99);
    let error = collect(plan("select a from t", &tables(vec![("t", liar)])).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "`t` gave 100 rows and not the 99 that it has");
}

#[test]
fn an_error_of_the_query_says_what_failed() {
    let tables = tables(vec![("t", whole(&table(vec![("a", ints([1, 0])), ("s", texts(["1", "x"]))])))]);
    let error = collect(plan("select 1 / a as q from t", &tables).unwrap()).unwrap_err();
    let error = error.downcast_ref::<SqlError>().unwrap();
    assert_eq!((error.kind, error.message.to_lowercase()), (SqlErrorKind::Runtime, "divide by zero error".to_owned()));
    let error = collect(plan("select cast(s as bigint) as q from t", &tables).unwrap()).unwrap_err();
    assert!(error.to_string().contains("'x'"), "{error}");
}

#[track_caller]
fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_query_stops_soon_after_it_is_cancelled() {
    for sql in [
        "select sum(a) as s from t",
        "select a from t order by a",
        "select t.a from t join t u on t.a = u.a",
        "select a from t where a < 0",
    ] {
        let mut endless = cut(&table(vec![("a", ints(0..8192))]), &[8192]);
        endless.endless = true;
        let open = Arc::clone(&endless.open);
        let query = plan(sql, &tables(vec![("t", endless)])).unwrap();
        let cancel = Cancel::default();
        let mut batches = query.execute(cancel.clone()).unwrap();
        wait_until("the scan starts", || open.load(Ordering::SeqCst) > 0);
        let started = Instant::now();
        let waiter = std::thread::spawn(move || batches.next());
        cancel.cancel();
        let error = waiter.join().unwrap().unwrap().unwrap_err();
        assert_eq!(error.downcast_ref::<SqlError>().unwrap().kind, SqlErrorKind::Cancelled, "{sql}");
        assert!(started.elapsed() < Duration::from_secs(5), "{sql} took {:?}", started.elapsed());
        // The source is let go of, too.
        wait_until("the scan ends", || open.load(Ordering::SeqCst) == 0);
    }
}

#[test]
fn a_query_that_was_cancelled_before_does_not_start() {
    let cancel = Cancel::default();
    cancel.cancel();
    let error = plan("select id from flights", &small()).unwrap().execute(cancel).err().unwrap();
    assert_eq!(error.kind, SqlErrorKind::Cancelled);
}

#[test]
fn a_reader_that_leaves_early_stops_the_query() {
    let mut endless = cut(&table(vec![("a", ints(0..8192))]), &[8192]);
    endless.endless = true;
    let open = Arc::clone(&endless.open);
    let mut batches =
        plan("select a from t", &tables(vec![("t", endless)])).unwrap().execute(Cancel::default()).unwrap();
    assert_eq!(batches.next().unwrap().unwrap().num_rows(), 8192);
    drop(batches);
    wait_until("the scan ends", || open.load(Ordering::SeqCst) == 0);
}

fn large() -> RecordBatch {
    let rows = 200_000i64;
    table(vec![
        ("id", ints(0..rows)),
        ("k", ints((0..rows).map(|row| row * 48271 % 2147483647 % 50_000))),
        ("x", floats((0..rows).map(|row| (row as f64).sin()))),
        ("t", texts((0..rows).map(|row| format!("a text of some length, number {}", row % 1000)))),
    ])
}

fn with_memory(
    memory: Option<u64>,
    spill: &std::path::Path,
    sql: &str,
    batch: &RecordBatch,
) -> Result<RecordBatch, everfresh_pipeline::engine::BoxError> {
    let engine = DataFusionEngine::new(EngineOptions { memory, spill_dir: Some(spill.to_owned()), threads: 1 });
    let tables = tables(vec![("t", cut(batch, &[25_000; 8]))]);
    let request =
        PlanRequest { sql, params: &BTreeMap::new(), tables: &tables, allow_unrepeatable: false, partition_wise: None };
    collect(engine.plan(request)?)
}

#[test]
fn a_sort_that_spills_gives_the_same_rows_in_the_same_order() {
    let folder = tempfile::tempdir().unwrap();
    let batch = large();
    for sql in ["select id, k, x, t from t order by k", "select id, t, sum(x) over (partition by k) s from t"] {
        let roomy = with_memory(None, folder.path(), sql, &batch).unwrap();
        let tight = with_memory(Some(12 << 20), folder.path(), sql, &batch).unwrap();
        assert!(roomy == tight, "{sql}");
    }
}

#[test]
fn an_aggregation_that_spills_gives_the_same_groups() {
    let folder = tempfile::tempdir().unwrap();
    let batch = large();
    let sql = "select id % 120000 as g, count(*) as n, max(k) as m, min(t) as t from t group by id % 120000";
    let sorted = |memory| {
        let mut rows = rows(&with_memory(memory, folder.path(), sql, &batch).unwrap());
        rows.sort();
        rows
    };
    assert!(sorted(None) == sorted(Some(10 << 20)));
}

#[test]
fn memory_that_does_not_suffice_is_an_error_that_names_the_option() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "select a.id from t a join t b on a.id = b.id and a.t = b.t";
    let error = with_memory(Some(4 << 20), folder.path(), sql, &large()).unwrap_err();
    let error = error.downcast_ref::<SqlError>().unwrap();
    assert_eq!(error.kind, SqlErrorKind::Runtime);
    assert!(error.message.starts_with("out of memory at the limit of 4194304 bytes"), "{error:?}");
    assert!(error.help.as_ref().unwrap().contains("--memory"), "{error:?}");
}

#[test]
fn an_engine_works_inside_another_async_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let batch = runtime.block_on(async { run("select count(*) as n from flights", &small()) });
    assert_eq!(rows(&batch), ["6"]);
}

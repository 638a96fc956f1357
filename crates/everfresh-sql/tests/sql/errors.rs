//! What is said of queries that do not fit their tables.

use crate::support::{Ask, pointed, refused, refused_with, small};
use everfresh_pipeline::engine::{ParamValue, SqlErrorKind};
use std::collections::BTreeMap;

fn says(sql: &str, message: &str, at: &str, help: &str) {
    let error = refused(sql, &small());
    assert_eq!(error.kind, SqlErrorKind::Invalid, "{sql}: {error:?}");
    assert_eq!(error.message, message, "{sql}: {error:?}");
    assert_eq!(pointed(&error, sql), at, "{sql}: {error:?}");
    assert_eq!(error.help.as_deref().unwrap_or_default(), help, "{sql}: {error:?}");
}

#[test]
fn an_unknown_column_is_shown_with_the_nearest_one() {
    says("select carier from flights", "there is no column `carier`", "carier", "did you mean `carrier`?");
    says("select id from flights where dely > 3", "there is no column `dely`", "dely", "did you mean `delay`?");
    says(
        "select f.nam from flights f join carriers c on f.carrier = c.carrier",
        "`f` has no column `nam`",
        "f.nam",
        "its columns are `\"Origin\"`, `carrier`, `delay`, `id`",
    );
    says("select x.id from flights f", "`x.id`: there is no table or alias `x` here", "x.id", "did you mean `f`?");
}

#[test]
fn a_column_with_capital_letters_needs_quotes_and_the_error_says_so() {
    says(
        "select id, Origin from flights",
        "there is no column `origin`",
        "Origin",
        "did you mean `\"Origin\"`? A name with capital letters needs double quotes",
    );
}

#[test]
fn an_unknown_table_or_function_is_shown_with_the_nearest_one() {
    says("select * from flihgts", "there is no table `flihgts`", "flihgts", "did you mean `flights`?");
    says("select sums(id) from flights", "there is no function `sums`", "sums", "did you mean `sum`?");
    says(
        "select wholly_unknown_thing(id) from flights",
        "there is no function `wholly_unknown_thing`",
        "wholly_unknown_thing",
        "",
    );
}

#[test]
fn a_column_of_two_tables_must_say_which() {
    let sql = "select carrier from flights join carriers on flights.carrier = carriers.carrier";
    says(sql, "more than one table has a column `carrier`", "carrier", "say of which table it is: `table.carrier`");
}

#[test]
fn two_columns_of_one_name_are_refused() {
    let sql = "select f.carrier, c.carrier from flights f join carriers c on f.carrier = c.carrier";
    says(sql, "two columns of the result are named `carrier`", "carrier", "give one of them another name with `as`");
    let sql = "select id, delay as id from flights";
    let error = refused(sql, &small());
    assert_eq!(error.message, "two columns of the result are named `id`");
}

#[test]
fn types_that_do_not_fit_are_an_error() {
    let error = refused("select sum(carrier) from flights", &small());
    assert_eq!(error.kind, SqlErrorKind::Invalid);
    assert!(error.message.to_lowercase().contains("sum"), "{error:?}");
    assert!(!error.message.contains("DataFusion"), "{error:?}");
}

#[test]
fn a_parameter_without_a_value_is_an_error() {
    let sql = "select id from flights where delay > $min_dely";
    let ask = Ask { params: BTreeMap::from([("min_delay".to_owned(), ParamValue::Int(3))]), ..Ask::default() };
    let error = refused_with(sql, &small(), &ask);
    assert_eq!(error.message, "there is no parameter `min_dely`");
    assert_eq!(pointed(&error, sql), "$min_dely");
    assert_eq!(error.help.unwrap(), "did you mean `min_delay`?");
}

#[test]
fn places_are_right_after_wide_characters() {
    let sql = "select 'äöü€' as straße, carier from flights";
    assert_eq!(pointed(&refused(sql, &small()), sql), "carier");
}

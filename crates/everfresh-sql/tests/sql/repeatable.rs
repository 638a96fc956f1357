//! Queries whose result is no function of their inputs are refused; those that only look so are not.

use crate::support::{Ask, plan, plan_with, pointed, refused, run_with, small};
use everfresh_pipeline::engine::SqlErrorKind;

fn unrepeatable(sql: &str, at: &str) {
    let error = refused(sql, &small());
    assert_eq!(error.kind, SqlErrorKind::Unrepeatable, "{sql}: {error:?}");
    assert_eq!(pointed(&error, sql), at, "{sql}: {error:?}");
    let help = error.help.unwrap();
    assert!(help.contains("ttl"), "{sql}: {help}");
    let ask = Ask { allow_unrepeatable: true, ..Ask::default() };
    plan_with(sql, &small(), &ask).unwrap_or_else(|error| panic!("with a ttl, {sql}: {error:?}"));
}

fn repeatable(sql: &str) {
    plan(sql, &small()).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

#[test]
fn functions_of_time_and_chance_are_refused_wherever_they_stand() {
    unrepeatable("select id, now() as t from flights", "now");
    unrepeatable("select id from flights where delay > random()", "random");
    unrepeatable("select uuid() as u", "uuid");
    unrepeatable("select current_date as d", "current_date");
    unrepeatable("select id from flights order by current_time, id", "current_time");
    unrepeatable("with c as (select now() as t) select id from flights, c", "now");
    unrepeatable("select id from flights where exists (select 1 from carriers where random() < 2)", "random");
    unrepeatable("select id from flights where true or now() > timestamp '2000-01-01'", "now");
    unrepeatable("select id, (select max(now()) from carriers) from flights", "now");
    unrepeatable("select sum(random()) over (partition by carrier) from flights", "random");
    unrepeatable("select value from generate_series(1, cast(date_part('year', now()) as bigint))", "now");
    repeatable("select id, to_timestamp('2024-01-01') as t, abs(delay) as d from flights");
}

#[test]
fn with_a_ttl_the_time_is_the_time() {
    let ask = Ask { allow_unrepeatable: true, ..Ask::default() };
    let batch = run_with("select now() > timestamp '2020-01-01' as later", &small(), &ask).unwrap();
    assert_eq!(crate::support::rows(&batch), ["true"]);
}

#[test]
fn a_limit_needs_a_total_order() {
    unrepeatable("select id from flights limit 3", "limit");
    unrepeatable("select id, carrier from flights order by carrier limit 3", "limit");
    unrepeatable("select id from flights offset 2", "offset");
    unrepeatable("select * from (select * from flights limit 2) q order by id", "limit");
    unrepeatable("with c as (select * from flights order by delay limit 2) select count(*) from c", "limit");
    unrepeatable("select id from flights where id = (select id from flights limit 1)", "limit");
    unrepeatable("select carrier, id from flights order by id % 2, carrier limit 3", "limit");
    unrepeatable("select * from (select id from flights order by id) q limit 3", "limit");
    // The key of one side of a join is not a key of the join.
    unrepeatable(
        "select a.carrier, f.id from (select distinct carrier from flights) a join flights f on a.carrier = f.carrier \
         order by a.carrier limit 1",
        "limit",
    );
    // Grouping sets repeat groups.
    unrepeatable(
        "select carrier, count(*) as n from flights group by rollup(carrier) order by carrier limit 1",
        "limit",
    );
}

#[test]
fn an_order_is_total_over_a_key_or_over_all_that_is_shown() {
    repeatable("select id from flights order by id limit 3");
    repeatable("select id, delay from flights order by delay desc, id limit 3 offset 1");
    repeatable("select id as x from flights order by x limit 3");
    repeatable("select id + 1 as x from flights order by id limit 3");
    repeatable("select id + 1 as x from flights order by id + 1 limit 3");
    repeatable(
        "select carrier, count(*) as n, sum(delay) as s from flights group by carrier order by n desc, carrier limit 1",
    );
    repeatable("select count(*) as n from flights group by carrier order by carrier limit 1");
    repeatable("select distinct carrier, delay from flights order by delay, carrier limit 2");
    repeatable("select carrier from flights union select carrier from carriers order by carrier limit 2");
    repeatable(
        "select f.id, c.carrier, c.name, c.active from flights f join carriers c on f.carrier = c.carrier order by id, c.carrier, name, active limit 2",
    );
    repeatable(
        "with c as (select carrier, max(delay) m from flights group by carrier) select q.* from c as q order by q.carrier limit 1",
    );
    repeatable("select max(delay) from flights limit 1");
    repeatable("select id from flights where delay = (select max(delay) from flights limit 1)");
    repeatable("select id from flights limit 0");
    repeatable(
        "select g.carrier, g.n, h.m from (select carrier, count(*) n from flights group by carrier) g \
                join (select carrier, max(delay) m from flights group by carrier) h on g.carrier = h.carrier \
                order by g.carrier, h.carrier limit 1",
    );
}

#[test]
fn aggregates_that_see_an_order_need_one() {
    for name in ["array_agg", "first_value", "last_value"] {
        unrepeatable(&format!("select {name}(delay) from flights"), name);
        repeatable(&format!("select {name}(delay order by delay) from flights"));
    }
    unrepeatable("select string_agg(carrier, ',') from flights", "string_agg");
    unrepeatable("select carrier, nth_value(delay, 2) from flights group by carrier", "nth_value");
    repeatable("select string_agg(carrier, ',' order by carrier) from flights");
    repeatable("select sum(delay), avg(delay), count(distinct carrier), min(id) from flights");
}

#[test]
fn window_functions_that_number_rows_need_a_total_order() {
    unrepeatable("select id, row_number() over () as n from flights", "row_number");
    unrepeatable("select id, row_number() over (order by carrier) as n from flights", "row_number");
    unrepeatable("select id, row_number() over (partition by carrier order by delay) as n from flights", "row_number");
    unrepeatable("select id, ntile(2) over (order by delay) as n from flights", "ntile");
    unrepeatable("select id, lag(delay) over (order by delay) as n from flights", "lag");
    unrepeatable("select id, lead(id) over (order by carrier) as n from flights", "lead");
    unrepeatable("select id, first_value(id) over () as n from flights", "first_value");
    unrepeatable(
        "select id, sum(delay) over (order by carrier rows between 1 preceding and current row) as n from flights",
        "sum",
    );
    repeatable("select id, row_number() over (partition by carrier order by id, delay, \"Origin\") as n from flights");
    repeatable(
        "select carrier, row_number() over (order by n desc, carrier) as r from (select carrier, count(*) n from flights group by carrier) q",
    );
    repeatable("select id, rank() over (order by delay) as r, dense_rank() over (order by delay) as d from flights");
    repeatable(
        "select id, percent_rank() over (order by delay) as r, cume_dist() over (order by delay) as d from flights",
    );
    repeatable(
        "select id, sum(delay) over (partition by carrier) as s, avg(delay) over (order by carrier) as a from flights",
    );
    repeatable(
        "select id, sum(delay) over (order by carrier rows between unbounded preceding and unbounded following) as s from flights",
    );
}

#[test]
fn distinct_on_needs_a_total_order() {
    unrepeatable("select distinct on (carrier) carrier, id from flights order by carrier", "distinct on");
    unrepeatable("select distinct on (carrier) carrier, id from flights order by carrier, delay", "distinct on");
    repeatable("select distinct on (carrier) carrier, id from flights order by carrier, id");
}

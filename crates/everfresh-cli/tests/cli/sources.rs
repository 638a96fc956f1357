//! Sources that hang on more than files: servers, the clock, chance.

use crate::{sandbox::Sandbox, server::Server};

/// Rates from a server, asked on every run, and a step that reads them.
fn rates(url: &str, more: &str) -> Sandbox {
    Sandbox::with(&format!(
        "sources:\n  rates: {{ url: \"{url}\"{more} }}\nsteps:\n  high: {{ sql: select * from rates where rate > 1 }}\n"
    ))
}

/// Serves [`RATES`]; the server and the URL.
fn serve() -> (Server, String) {
    let (server, _) = Server::start(&[("/rates.json", RATES)], &[]);
    let url = server.url("/rates.json");
    (server, url)
}

const RATES: &str = r#"[{"currency": "EUR", "rate": 1.1}, {"currency": "JPY", "rate": 0.01}]"#;

#[test]
fn offline_the_last_good_answer_stands_in_and_the_run_says_so() {
    let (server, url) = serve();
    let shop = rates(&url, "");
    shop.run(&[], 0);
    server.stop();
    let offline = shop.run(&[], 0);
    assert_eq!((offline.outcome("rates"), offline.outcome("high")), ("hit", "hit"));
    assert!(offline.reason("rates").starts_with("last good answer (cannot reach"), "{offline:?}");
    let told = shop.everfresh(&["run"]);
    assert!(told.stdout.contains("the last good answer, ") && told.stdout.contains(" s old, stands in"), "{told:?}");
}

#[test]
fn offline_without_a_last_good_answer_is_an_error_and_so_is_one_that_may_not_stand_in() {
    let (server, url) = serve();
    let (never, known) = (rates(&url, ""), rates(&url, ", stale_if_error: 0s"));
    known.run(&[], 0);
    server.stop();
    assert_eq!(never.run(&[], 1).outcome("rates"), "failed");
    assert_eq!(known.run(&[], 1).outcome("rates"), "failed");
}

#[test]
fn a_server_in_trouble_is_stood_in_for_only_where_the_file_allows_it() {
    let (server, url) = serve();
    let (strict, lenient) = (rates(&url, ""), rates(&url, ", stale_if_error: 1d"));
    strict.run(&[], 0);
    lenient.run(&[], 0);
    server.break_down();
    assert_eq!(strict.run(&[], 1).outcome("rates"), "failed");
    let stood_in = lenient.run(&[], 0);
    assert!(stood_in.reason("rates").contains("answers 503"), "{stood_in:?}");
}

#[test]
fn a_query_that_hangs_on_the_clock_needs_a_ttl() {
    let pipeline = |more: &str| {
        format!("sources:\n  now: {{ sqlite: t.db, query: \"select datetime('now') as t, random() as r\"{more} }}\n")
    };
    let shop = Sandbox::with(&pipeline(""));
    rusqlite::Connection::open(shop.file("t.db")).unwrap().execute_batch("create table t (a)").unwrap();
    let told = shop.everfresh(&["run"]);
    assert_eq!(told.code, Some(1));
    assert!(
        told.stderr.contains("give the source a `ttl`") || told.stdout.contains("give the source a `ttl`"),
        "{told:?}"
    );
    shop.write("everfresh.yaml", &pipeline(", ttl: 1h"));
    assert_eq!(shop.run(&[], 0).outcome("now"), "ran");
    // A database that was written a moment ago is read again until its stamp proves something.
    assert!((0..100).any(|_| shop.run(&[], 0).outcome("now") == "hit"));
    // What was read under a ttl does not count without one.
    shop.write("everfresh.yaml", &pipeline(""));
    assert_eq!(shop.run(&[], 1).outcome("now"), "failed");
    shop.write("everfresh.yaml", &pipeline(", ttl: 0s"));
    assert_eq!(shop.run(&[], 0).outcome("now"), "ran");
    assert_eq!(shop.run(&[], 0).reason("now"), "0 s old, ttl 0 s");
}

//! The examples of the repository, as their READMEs tell.

use crate::{
    sandbox::{Report, Sandbox},
    server::Server,
};
use std::{fs, path::Path};

fn example(name: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name));
    sandbox
}

/// The names and bad rows of the checks that did not pass.
fn warnings(report: &Report) -> Vec<(String, u64, u64)> {
    let nodes = report.0["steps"].as_array().unwrap();
    let failed = nodes.iter().filter(|node| node["check"]["passed"] == false);
    let number = |node: &serde_json::Value, key: &str| node["check"][key].as_u64().unwrap();
    let mut found: Vec<_> = failed
        .map(|node| (node["name"].as_str().unwrap().to_owned(), number(node, "bad"), number(node, "total")))
        .collect();
    found.sort();
    found
}

#[test]
fn flights_finds_the_defects_that_its_readme_counts_and_hits_afterwards() {
    let flights = example("flights");
    let first = flights.run(&[], 0);
    let expected = [
        ("airports.accepted_values(tzone)", 2, 1_458),
        ("airports.not_null(tzone)", 3, 1_458),
        ("airports.range(lat)", 1, 1_458),
        ("flights.not_null(dep_time)", 8_255, 336_776),
        ("flights.not_null(tailnum)", 2_512, 336_776),
        ("flights.regex(tailnum)", 22_754, 336_776),
        ("flights.relationships(dest)", 7_602, 336_776),
        ("flights.relationships(tailnum)", 50_094, 336_776),
        ("flights.weather_known", 1_556, 336_776),
        ("planes.not_null(year)", 70, 3_322),
        ("weather.no_gaps", 45, 26_115),
        ("weather.range(wind_speed)", 1, 26_115),
        ("weather.unique(origin, year, month, day, hour)", 6, 26_115),
    ];
    assert_eq!(warnings(&first), expected.map(|(name, bad, total)| (name.to_owned(), bad, total)));
    let second = flights.run(&[], 0);
    assert!(second.all("hit"), "{:?}", second.outcomes());
    assert_eq!(second.0["engine_started"], false);
    assert_eq!(warnings(&second), warnings(&first));

    let other = flights.run(&["--param", "min_delay=30"], 0);
    let ran = |report: &Report| -> Vec<String> {
        let kinds = report.0["steps"].as_array().unwrap().iter().filter(|node| node["kind"] == "step");
        kinds.filter(|node| node["outcome"] == "ran").map(|node| node["name"].as_str().unwrap().to_owned()).collect()
    };
    assert!(ran(&other).iter().all(|name| ["by_carrier", "by_destination", "scores"].contains(&name.as_str())));
    assert!(ran(&other).contains(&"by_carrier".to_owned()));
    assert_eq!(ran(&flights.run(&[], 0)), Vec::<String>::new());
}

#[test]
fn orders_stops_what_its_readme_says_and_nothing_else() {
    let orders = example("orders");
    let rates = orders.read("data/rates.json");
    let (server, _) = Server::start(&[("/rates.json", &rates)], &[]);
    let url = server.url("/rates.json");
    let env = [("RATES_URL", url.as_str())];

    orders.run_with(&[], &env, 0);
    assert!(orders.run_with(&[], &env, 0).all("hit"));
    // `ttl: 1h`: asked once.
    assert_eq!(server.asked("/rates.json"), 1);

    let customers = fs::read(orders.file("out/customers.csv")).unwrap();
    let us = orders.run_with(&["--param", "region=US"], &env, 1);
    assert_eq!(us.outcome("regional"), "ran");
    assert_eq!(us.outcome("regional.relationships(customer_id)"), "failed");
    for skipped in ["sold", "revenue", "by_customer", "revenue_table", "customers_file"] {
        assert_eq!(us.outcome(skipped), "skipped", "{skipped}");
    }
    assert_eq!((us.outcome("items"), us.outcome("items_file")), ("hit", "hit"));
    assert_eq!(fs::read(orders.file("out/customers.csv")).unwrap(), customers);

    let bad = orders.everfresh_with(&["show", "regional", "--failures", "--json", "--param", "region=US"], &env).json();
    assert_eq!(bad[0]["rows"][0]["customer_id"], "C100");
    orders.edit("data/orders.json", "\"C100\"", "\"C010\"");
    orders.run_with(&["--param", "region=US"], &env, 0);
    assert_ne!(fs::read(orders.file("out/customers.csv")).unwrap(), customers);
    let database = rusqlite::Connection::open(orders.file("out/shop.db")).unwrap();
    let regions: i64 = database.query_row("select count(distinct region) from revenue", [], |row| row.get(0)).unwrap();
    assert_eq!(regions, 2);

    // Asked for, it is had; not to be had, the last good answer stands in, and the run says so.
    assert_eq!(orders.run_with(&["--refresh", "rates"], &env, 0).outcome("rates"), "ran");
    assert_eq!(server.asked("/rates.json"), 2);
    server.stop();
    let offline = orders.run_with(&["--refresh", "rates"], &env, 0);
    assert!(offline.reason("rates").starts_with("last good answer (cannot reach"), "{offline:?}");
}

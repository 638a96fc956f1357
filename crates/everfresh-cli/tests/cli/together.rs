//! Several runs of one pipeline at once.

use crate::{
    sandbox::{Report, SHOP, Sandbox},
    server::Server,
};
use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
};

#[test]
fn two_runs_at_once_compute_each_step_once() {
    let (server, gates) = Server::start(&[("/rates.json", r#"[{"currency": "EUR", "rate": 1.0}]"#)], &["/rates.json"]);
    let rates = format!("  rates: {{ url: \"{}\", ttl: 1h }}\nsteps:\n", server.url("/rates.json"));
    let shop = Sandbox::with(&SHOP.replace("steps:\n", &rates).replace("from paid\n", "from paid, rates\n"));
    let start = |mut command: Command| command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();

    // The first run waits for an answer, and holds the source meanwhile.
    let one = start(shop.command(&["run", "--json"]));
    gates[0].wait();
    // The second one has looked for the answer in vain once it tells of a source that it read itself: sources are looked
    // up before any of them is read. So it has to wait for the first run.
    let mut other = start(shop.command(&["run", "--refresh", "orders", "--jobs", "2"]));
    let mut lines = BufReader::new(other.stdout.take().unwrap());
    let mut text = String::new();
    lines.read_line(&mut text).unwrap();
    assert!(text.starts_with("● orders"), "{text}");
    gates[0].open();
    lines.read_to_string(&mut text).unwrap();

    let ended = shop.ended(one.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(other.wait().unwrap().code(), Some(0), "{text}");
    let report = Report(ended.json());
    for name in ["rates", "paid", "totals", "report"] {
        let line = text.lines().find(|line| line.split_whitespace().nth(1) == Some(name)).unwrap_or_default();
        let outcomes = [report.outcome(name) == "ran", line.starts_with('●')];
        assert_eq!(outcomes.iter().filter(|ran| **ran).count(), 1, "`{name}`: {outcomes:?}\n{report:?}\n{text}");
    }
    assert_eq!(server.asked("/rates.json"), 1);
    assert_eq!(shop.read("out/totals.csv"), "customer_id,total\n1,20\n2,30\n3,40\n");
}

//! Several runs of one pipeline at once.

use crate::{
    sandbox::{Report, SHOP, Sandbox},
    server::Server,
};
use std::process::Stdio;

#[test]
fn two_runs_at_once_compute_each_step_once() {
    let (server, gates) = Server::start(&[("/rates.json", r#"[{"currency": "EUR", "rate": 1.0}]"#)], &["/rates.json"]);
    let rates = format!("sources:\n  rates: {{ url: \"{}\", ttl: 1h }}\n", server.url("/rates.json"));
    let shop = Sandbox::with(&SHOP.replace("sources:\n", &rates).replace("from paid\n", "from paid, rates\n"));
    let start = || shop.command(&["run", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let one = start();
    // The first run is in the middle of things when the second one comes.
    gates[0].wait();
    let other = start();
    gates[0].open();
    let ended = [one, other].map(|child| shop.ended(child.wait_with_output().unwrap()));
    let reports = ended.map(|ended| {
        assert_eq!(ended.code, Some(0), "{ended:?}");
        Report(ended.json())
    });
    for name in ["rates", "orders", "paid", "totals", "totals.not_null(customer_id)", "report"] {
        let ran = reports.iter().filter(|report| report.outcome(name) == "ran").count();
        assert_eq!(ran, 1, "`{name}` was computed {ran} times: {reports:?}");
    }
    assert_eq!(server.asked("/rates.json"), 1);
    assert_eq!(shop.read("out/totals.csv"), "customer_id,total\n1,20\n2,30\n3,40\n");
}

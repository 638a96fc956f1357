//! Runs that do not get to their end.
//!
//! A run is stopped at a known place: one source waits for a server that does not answer, and everything else is done
//! as soon as the sink of the other source has appeared.

use crate::{
    sandbox::{Report, Sandbox},
    server::{Gate, Server},
};
use rustix::{
    fs::inotify::{self, CreateFlags, WatchFlags},
    process::{Pid, Signal, kill_process},
};
use std::{
    io::Read,
    process::{Child, Stdio},
};

struct Halfway {
    shop: Sandbox,
    child: Child,
    gate: Gate,
    _server: Server,
}

/// A run of which `first` is done, sink and all, and `second` waits.
fn halfway() -> Halfway {
    let (server, mut gates) = Server::start(&[("/slow.json", r#"[{"b": 1}, {"b": 2}]"#)], &["/slow.json"]);
    let pipeline = format!(
        "sources:
  orders: {{ file: data/orders.csv }}
  slow: {{ url: \"{}\", ttl: 1h }}
steps:
  first: {{ sql: select sum(amount) as a from orders }}
  second: {{ sql: select sum(b) as b from slow }}
sinks:
  one: {{ from: first, file: out/one.csv }}
  two: {{ from: second, file: out/two.csv }}
",
        server.url("/slow.json")
    );
    let shop = Sandbox::with(&pipeline);
    std::fs::create_dir(shop.file("out")).unwrap();
    let watch = inotify::init(CreateFlags::CLOEXEC).unwrap();
    inotify::add_watch(&watch, shop.file("out"), WatchFlags::MOVED_TO).unwrap();
    let mut command = shop.command(&["run", "--json", "--jobs", "2"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let gate = gates.remove(0);
    gate.wait();
    let mut events = [0; 512];
    let heard = std::fs::File::from(watch).read(&mut events).unwrap();
    assert!(heard > 0);
    assert!(shop.file("out/one.csv").exists());
    Halfway { shop, child, gate, _server: server }
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn good_run_afterwards(shop: &Sandbox, gate: &Gate, first: &str) {
    // If the source is asked for again, it gets its answer.
    gate.open();
    let report = shop.run(&[], 0);
    assert_eq!(report.outcome("first"), first, "{report:?}");
    assert_eq!(report.outcome("second"), "ran");
    assert_eq!((shop.read("out/one.csv"), shop.read("out/two.csv")), ("a\n95\n".into(), "b\n3\n".into()));
    assert!(shop.run(&[], 0).all("hit"));
}

#[test]
fn ctrl_c_stops_cleanly_and_keeps_what_was_finished() {
    let Halfway { shop, mut child, gate, _server } = halfway();
    signal(&child, Signal::INT);
    // Told at once, before the answer comes.
    let mut told = vec![0; 8];
    child.stderr.as_mut().unwrap().read_exact(&mut told).unwrap();
    assert_eq!(told, b"stopping");
    gate.open();
    let ended = shop.ended(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let report = Report(ended.json());
    assert_eq!((&report.0["status"], &report.0["stopped"]), (&"failed".into(), &true.into()));
    assert_eq!(
        (report.outcome("first"), report.outcome("second"), report.outcome("two")),
        ("ran", "skipped", "skipped")
    );
    assert!(!shop.file("out/two.csv").exists());
    good_run_afterwards(&shop, &gate, "hit");
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let Halfway { shop, mut child, gate, _server } = halfway();
    signal(&child, Signal::INT);
    let mut told = vec![0; 8];
    child.stderr.as_mut().unwrap().read_exact(&mut told).unwrap();
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    gate.open();
    good_run_afterwards(&shop, &gate, "hit");
}

#[test]
fn a_killed_run_harms_nothing() {
    let Halfway { shop, mut child, gate, _server } = halfway();
    child.kill().unwrap();
    child.wait().unwrap();
    gate.open();
    good_run_afterwards(&shop, &gate, "hit");
    assert_eq!(shop.everfresh(&["verify"]).code, Some(0));
}

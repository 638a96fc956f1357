//! Steps in Python. `cargo xtask test` names an interpreter that has the package; without one, what needs it is skipped.

use crate::sandbox::{Ended, Report, Sandbox};
use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

/// Whether there is a Python with the package.
fn has_python() -> bool {
    let there = std::env::var_os("EVERFRESH_PYTHON").is_some();
    if !there {
        println!("SKIPPED: EVERFRESH_PYTHON names no interpreter with the package `everfresh`");
    }
    there
}

/// A pipeline of one Python step, `score`, over `data/orders.csv`.
fn scoring(steps: &str) -> Sandbox {
    let sandbox = Sandbox::with(
        "params: { bonus: 5 }\n\
         sources: { orders: { file: data/orders.csv } }\n\
         steps:\n  score: { python: 'steps.py:score', from: orders }\n  \
         total: { sql: select count(*) as n from score }\n",
    );
    sandbox.write("steps.py", steps);
    settle(&sandbox, "steps.py");
    sandbox
}

/// Makes a file look as if it had been written a while ago: Python does not trust one that is as new as its process.
fn settle(sandbox: &Sandbox, name: &str) {
    let file = fs::File::options().append(true).open(sandbox.file(name)).unwrap();
    let time = file.metadata().unwrap().modified().unwrap() - Duration::from_secs(5);
    file.set_modified(time).unwrap();
}

fn edit(sandbox: &Sandbox, name: &str, from: &str, to: &str) {
    let before = fs::metadata(sandbox.file(name)).unwrap().modified().unwrap();
    sandbox.edit(name, from, to);
    // Each edit has a time of its own.
    let file = fs::File::options().append(true).open(sandbox.file(name)).unwrap();
    file.set_modified(before + Duration::from_millis(10)).unwrap();
}

fn python_started(report: &Report) -> bool {
    report.0["python_started"].as_bool().unwrap()
}

fn trends() -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/trends"));
    settle(&sandbox, "steps.py");
    settle(&sandbox, "fit.py");
    sandbox
}

const PASSES_ON: &str = "def score(orders):\n    return orders\n";

#[test]
fn the_example_runs_as_its_readme_tells() {
    if !has_python() {
        return;
    }
    let trends = trends();
    let first = trends.run(&[], 0);
    assert!(first.all("ran"), "{:?}", first.outcomes());
    assert_eq!(trends.read("out/trends.csv"), "carrier,days,slope\nAA,6,2.0\nBB,6,-1.0\n");

    let again = trends.run(&[], 0);
    assert!(again.all("hit") && !python_started(&again), "{again:?}");

    edit(&trends, "fit.py", "float(", "float(  # as Python has it\n        ");
    let commented = trends.run(&[], 0);
    assert!(commented.all("hit") && python_started(&commented), "{commented:?}");
    assert!(!python_started(&trends.run(&[], 0)));

    edit(&trends, "fit.py", "deg=1)[0]", "deg=2)[1]");
    let edited = trends.run(&[], 0);
    assert_eq!((edited.outcome("daily"), edited.outcome("trends")), ("hit", "ran"));
    assert_eq!(edited.reason("trends"), "the code of `fit.slope` changed");
    let explained = trends.everfresh(&["explain", "trends"]).stdout;
    assert!(explained.contains("the code of `fit.slope`"), "{explained}");

    let least = trends.run(&["--param", "least=2"], 0);
    assert_eq!((least.outcome("daily"), least.outcome("trends")), ("hit", "ran"));
    assert_eq!(least.reason("trends"), "parameter least changed from 3 to 2");
}

#[test]
fn going_back_to_earlier_code_hits_and_starts_no_python() {
    if !has_python() {
        return;
    }
    let trends = trends();
    trends.run(&[], 0);
    edit(&trends, "fit.py", "deg=1)[0]", "deg=2)[1]");
    trends.run(&[], 0);
    edit(&trends, "fit.py", "deg=2)[1]", "deg=1)[0]");
    let back = trends.run(&[], 0);
    assert!(back.all("hit") || back.outcome("report") == "ran", "{back:?}");
    assert!(!python_started(&back));
}

#[test]
fn what_a_function_reads_by_itself_counts() {
    if !has_python() {
        return;
    }
    let shop = scoring(
        "import os\n\
         def score(orders):\n    \
         name = os.environ.get('EVERFRESH_TEST_REGION', 'none')\n    \
         more = len(open('more.txt').read()) if os.path.exists('more.txt') else 0\n    \
         import pyarrow\n    \
         return pyarrow.table({'region': [name], 'more': [more]})\n",
    );
    let outcome = |env: &[(&str, &str)]| {
        let report = shop.run_with(&[], env, 0);
        let show = shop.everfresh_with(&["show", "score"], env).stdout;
        (report.outcome("score").to_owned(), show)
    };
    let ran = |(outcome, show): (String, String), text: &str| {
        assert_eq!(outcome, "ran");
        assert!(show.contains(text), "{show}");
    };
    ran(outcome(&[]), "none");
    assert_eq!(outcome(&[]).0, "hit");
    ran(outcome(&[("EVERFRESH_TEST_REGION", "north")]), "north");
    assert_eq!(outcome(&[]).0, "hit");
    shop.write("more.txt", "abc");
    ran(outcome(&[]), "3");
    assert_eq!(outcome(&[]).0, "hit");
    shop.write("more.txt", "abcd");
    ran(outcome(&[]), "4");
}

#[test]
fn what_a_module_reads_while_it_is_imported_counts() {
    if !has_python() {
        return;
    }
    let shop = scoring(
        "import pyarrow\n\
         LIMIT = int(open('limit.txt').read())\n\
         def score(orders):\n    return pyarrow.table({'limit': [LIMIT]})\n",
    );
    shop.write("limit.txt", "1");
    shop.run(&[], 0);
    assert!(shop.run(&[], 0).all("hit"));
    shop.write("limit.txt", "27");
    let changed = shop.run(&[], 0);
    assert!(changed.reason("score").contains("limit.txt"), "{changed:?}");
    assert!(shop.everfresh(&["show", "score"]).stdout.contains("27"));
}

#[test]
fn a_module_that_appears_in_front_of_another_counts() {
    if !has_python() {
        return;
    }
    let shop = scoring("import colorsys\ndef score(orders):\n    colorsys.rgb_to_hsv(0, 0, 0)\n    return orders\n");
    shop.run(&[], 0);
    assert!(shop.run(&[], 0).all("hit"));
    shop.write("colorsys.py", "def rgb_to_hsv(r, g, b):\n    return 'mine'\n");
    assert_eq!(shop.run(&[], 0).outcome("score"), "ran");
}

#[test]
fn each_computation_sees_modules_as_they_are_after_their_import() {
    if !has_python() {
        return;
    }
    let shop = Sandbox::with(
        "sources: { orders: { file: data/orders.csv } }\n\
         steps:\n  first: { python: 'steps.py:first', from: orders }\n  second: { python: 'steps.py:second', from: [orders] }\n",
    );
    shop.write(
        "steps.py",
        "import pyarrow\n\
         SEEN = []\n\
         def first(orders):\n    SEEN.append(1)\n    return pyarrow.table({'seen': [len(SEEN)]})\n\
         def second(orders):\n    SEEN.append(1)\n    return pyarrow.table({'seen': [len(SEEN)]})\n",
    );
    settle(&shop, "steps.py");
    shop.run(&["--jobs", "1"], 0);
    for name in ["first", "second"] {
        let shown = shop.everfresh(&["show", name, "--json"]).json();
        assert!(shown.to_string().contains("1"), "{shown}");
        assert!(!shown.to_string().contains('2'), "{shown}");
    }
}

#[test]
fn tables_that_lie_in_parquet_files_are_handed_over() {
    if !has_python() {
        return;
    }
    let flights = Sandbox::with(
        "sources: { flights: { file: 'data/flights-*.parquet' } }\n\
         steps:\n  \
         counted: { python: 'steps.py:counted', from: flights }\n  \
         right: { sql: 'select count(*) as n, sum(distance) as miles from flights' }\n\
         checks:\n  counted:\n    - { sql: 'select * from counted except select * from right' }\n",
    );
    for month in ["01", "02"] {
        let name = format!("flights-2013-{month}.parquet");
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/flights/data").join(&name);
        fs::copy(from, flights.file("data").join(name)).unwrap();
    }
    flights.write(
        "steps.py",
        "import pyarrow as pa, pyarrow.compute as pc\n\
         def counted(flights: pa.Table):\n    \
         return pa.table({'n': [len(flights)], 'miles': [pc.sum(flights['distance']).as_py()]})\n",
    );
    settle(&flights, "steps.py");
    let report = flights.run(&[], 0);
    assert!(report.all("ran"), "{report:?}");
    assert!(flights.run(&[], 0).all("hit"));
}

#[test]
fn an_error_in_the_function_fails_the_step_and_shows_its_lines() {
    if !has_python() {
        return;
    }
    let shop = scoring("def score(orders):\n    raise ValueError('no such thing')\n");
    let report = shop.run(&[], 1);
    assert_eq!((report.outcome("score"), report.outcome("total")), ("failed", "skipped"));
    let error = report.get("score", "error").as_str().unwrap();
    assert!(error.contains("ValueError: no such thing") && error.contains("steps.py"), "{error}");
    assert!(!error.contains("_worker"), "{error}");
}

#[test]
fn a_process_that_dies_fails_the_step() {
    if !has_python() {
        return;
    }
    let shop = scoring("import os\ndef score(orders):\n    print('going', flush=True)\n    os.kill(os.getpid(), 9)\n");
    let report = shop.run(&[], 1);
    let error = report.get("score", "error").as_str().unwrap();
    assert!(error.contains("signal: 9") && error.contains("going"), "{error}");
}

#[test]
fn a_timeout_ends_the_process() {
    if !has_python() {
        return;
    }
    let shop =
        scoring("import os\ndef score(orders):\n    open('pid', 'w').write(str(os.getpid()))\n    while True: pass\n");
    shop.edit("everfresh.yaml", "from: orders }", "from: orders, timeout: 5s }");
    let report = shop.run(&[], 1);
    let error = report.get("score", "error").as_str().unwrap();
    assert!(error.contains("longer than its timeout of 5s"), "{error}");
    assert!(!Path::new("/proc").join(shop.read("pid")).exists());
}

#[test]
fn what_a_function_prints_is_shown_with_the_name_of_its_step() {
    if !has_python() {
        return;
    }
    let shop = scoring("def score(orders):\n    print('hello', len(orders))\n    return orders\n");
    let Ended { stderr, code, .. } = shop.everfresh(&["run"]);
    assert_eq!((code, stderr.lines().find(|line| line.contains("hello"))), (Some(0), Some("score: hello 4")));
}

#[test]
fn a_function_that_is_not_pure_is_told_of() {
    if !has_python() {
        return;
    }
    let shop = scoring("def score(orders):\n    open('written.txt', 'w').close()\n    return orders\n");
    let note = shop.run(&[], 0).get("score", "note").as_str().unwrap().to_owned();
    assert!(note.contains("`score` is not pure: it writes") && note.contains("written.txt"), "{note}");
}

/// A step whose result is what `value()` gives, first 1, runs again after a change, and gives 2.
#[track_caller]
fn assert_recomputed(steps: &str, files: &[(&str, &str)], change: (&str, &str)) {
    if !has_python() {
        return;
    }
    let shop = scoring(&format!(
        "{steps}\ndef score(orders):\n    import pyarrow\n    return pyarrow.table({{'v': [value()]}})\n"
    ));
    for (name, content) in files {
        shop.write(name, content);
        settle(&shop, name);
    }
    shop.run(&[], 0);
    let again = shop.run(&[], 0);
    assert!(again.all("hit") && !python_started(&again), "{again:?}");
    shop.write(change.0, change.1);
    assert_eq!(shop.run(&[], 0).outcome("score"), "ran");
    assert!(shop.everfresh(&["show", "score"]).stdout.contains('2'));
}

#[test]
fn a_module_whose_name_is_one_of_pythons_own_within_its_package_is_the_users() {
    assert_recomputed(
        "from pk.core import value",
        &[
            ("pk/__init__.py", ""),
            ("pk/core.py", "from .calendar import value\n"),
            ("pk/calendar.py", "N = int(open('n.txt').read())\ndef value():\n    return N\n"),
            ("n.txt", "1"),
        ],
        ("n.txt", "2"),
    );
}

#[test]
fn a_module_that_appears_in_a_namespace_counts() {
    assert_recomputed(
        "try:\n    from ns import fast\n    N = 2\nexcept ImportError:\n    N = 1\ndef value():\n    return N\n",
        &[("ns/other.py", "")],
        ("ns/fast.py", ""),
    );
}

#[test]
fn a_module_that_is_not_registered_counts() {
    assert_recomputed(
        "import sys, helpers\nvalue = helpers.value\ndel sys.modules['helpers'], helpers\n",
        &[("helpers.py", "def value():\n    return 1\n")],
        ("helpers.py", "def value():\n    return 1 + 1\n"),
    );
}

#[test]
fn code_that_no_name_reaches_counts_with_all_that_it_is_made_of() {
    assert_recomputed(
        "import sys, handlers\ndef value():\n    return sys.modules['handlers'].handle()\n",
        &[("handlers.py", "from limits import LIMIT\ndef handle():\n    return LIMIT\n"), ("limits.py", "LIMIT = 1\n")],
        ("limits.py", "LIMIT = 2\n"),
    );
}

#[test]
fn steps_of_one_file_share_what_a_module_read_while_it_was_imported() {
    if !has_python() {
        return;
    }
    let shop = Sandbox::with(
        "sources: { orders: { file: data/orders.csv } }\n\
         steps:\n  one: { python: 'steps.py:one', from: orders }\n  two: { python: 'steps.py:two', from: orders }\n",
    );
    let function = |name| {
        format!("def {name}(orders):\n    import pyarrow, limits\n    return pyarrow.table({{'v': [limits.LIMIT]}})\n")
    };
    shop.write("steps.py", &format!("{}{}", function("one"), function("two")));
    shop.write("limits.py", "LIMIT = int(open('n.txt').read())\n");
    shop.write("n.txt", "1");
    for name in ["steps.py", "limits.py", "n.txt"] {
        settle(&shop, name);
    }
    shop.run(&["--jobs", "1"], 0);
    // One process is asked about both.
    edit(&shop, "steps.py", "def one", "# a comment\ndef one");
    assert!(shop.run(&["--jobs", "1"], 0).all("hit"));
    shop.write("n.txt", "2");
    let changed = shop.run(&["--jobs", "1"], 0);
    assert_eq!((changed.outcome("one"), changed.outcome("two")), ("ran", "ran"));
}

#[test]
fn a_value_that_the_clock_gave_at_import_is_another_in_each_run() {
    if !has_python() {
        return;
    }
    let shop = scoring(
        "import time, pyarrow\nNOW = time.time()\ndef score(orders):\n    return pyarrow.table({'v': [NOW]})\n",
    );
    shop.run(&[], 0);
    assert_eq!(shop.run(&[], 0).reason("score"), "the global `steps.NOW` changed");
}

#[test]
fn a_folder_that_is_reached_by_a_link_is_as_good_as_any() {
    if !has_python() {
        return;
    }
    let shop = scoring("def score(orders):\n    open('more.txt').close()\n    return orders\n");
    shop.write("more.txt", "");
    std::os::unix::fs::symlink(".", shop.file("link")).unwrap();
    shop.run(&["link"], 0);
    assert!(shop.run(&["link"], 0).all("hit"));
}

#[test]
fn a_child_that_lives_on_keeps_nobody_waiting_and_is_ended() {
    if !has_python() {
        return;
    }
    let shop = scoring(
        "import os, subprocess\n\
         def score(orders):\n    \
         child = subprocess.Popen(['sleep', '1000'])\n    \
         open('pid', 'w').write(str(child.pid))\n    \
         os.kill(os.getpid(), 9)\n",
    );
    assert_eq!(shop.run(&[], 1).outcome("score"), "failed");
    let state = fs::read_to_string(Path::new("/proc").join(shop.read("pid")).join("stat")).unwrap_or_default();
    assert!(state.is_empty() || state.contains(" Z "), "{state}");
}

#[test]
fn bytes_of_any_kind_may_be_printed_and_what_is_buffered_is_written() {
    if !has_python() {
        return;
    }
    let shop = scoring(
        "import os\n\
         LOG = open('log.txt', 'a')\n\
         def score(orders):\n    \
         os.write(2, b'caf\\xe9\\n')\n    \
         print('more')\n    \
         LOG.write('called')\n    \
         return orders\n",
    );
    let ended = shop.everfresh(&["run"]);
    assert!(ended.code == Some(0) && ended.stderr.contains("score: more"), "{ended:?}");
    assert_eq!(shop.read("log.txt"), "called");
}

#[test]
fn a_timeout_counts_for_the_import_too_and_a_plan_tells_what_cannot_be_looked_at() {
    if !has_python() {
        return;
    }
    let shop = scoring("while True: pass\n");
    shop.edit("everfresh.yaml", "from: orders }", "from: orders, timeout: 2s }");
    let report = shop.run(&[], 1);
    assert!(report.get("score", "error").as_str().unwrap().contains("longer than its timeout of 2s"));
    shop.write("steps.py", "raise ValueError('not yet')\n");
    let plan = shop.everfresh(&["plan"]);
    assert!(plan.code == Some(0) && plan.stdout.contains("cannot be looked at: ValueError: not yet"), "{plan:?}");
}

/// A program in the place of the interpreter.
fn stand_in(sandbox: &Sandbox, script: &str) -> String {
    let path = sandbox.file("python-stand-in");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[test]
fn an_interpreter_that_cannot_serve_is_told_of_with_what_to_do() {
    let shop = scoring(PASSES_ON);
    let error = |python: &str| {
        let report = shop.run_with(&[], &[("EVERFRESH_PYTHON", python)], 1);
        report.get("score", "error").as_str().unwrap().to_owned()
    };
    let absent = error("/nowhere/python");
    assert!(absent.contains("cannot start `/nowhere/python`") && absent.contains("EVERFRESH_PYTHON"), "{absent}");
    let bare = error(&stand_in(&shop, "echo 'python: No module named everfresh' >&2; exit 1"));
    assert!(bare.contains("has no package `everfresh`") && bare.contains("pip"), "{bare}");
    let old = error(&stand_in(&shop, r#"echo '{"everfresh": "0.0.1"}'; cat"#));
    assert!(old.contains("has version 0.0.1") && old.contains("install the same version"), "{old}");
}

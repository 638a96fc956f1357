//! The command line itself: help, usage errors, `init`, `schema`, `completions`.

use crate::sandbox::{Sandbox, assert_seen};

#[test]
fn help_teaches() {
    let sandbox = Sandbox::empty();
    assert_seen!("help", sandbox.everfresh(&["--help"]));
    assert_seen!("help_run", sandbox.everfresh(&["run", "--help"]));
    assert_eq!(sandbox.everfresh(&[]).code, Some(2));
    let version = sandbox.everfresh(&["--version"]);
    assert!(version.code == Some(0) && version.stdout.starts_with("everfresh "), "{version:?}");
}

#[test]
fn bad_usage_exits_with_2_and_says_what_to_do() {
    let shop = Sandbox::shop();
    assert_seen!("usage_unknown_option", shop.everfresh(&["run", "--refesh", "paid"]));
    assert_seen!("usage_unknown_command", shop.everfresh(&["rum"]));
    assert_seen!("usage_bad_size", shop.everfresh(&["run", "--memory", "lots"]));
    assert_seen!("usage_bad_param", shop.everfresh(&["run", "--param", "least"]));
    assert_seen!("usage_unknown_param", shop.everfresh(&["run", "--param", "leats=5"]));
    assert_seen!("usage_unknown_only", shop.everfresh(&["run", "--only", "paid,totls"]));
    assert_seen!("usage_only_with_spaces", shop.everfresh(&["run", "--only", "paid", "totals"]));
    assert_eq!(shop.everfresh(&["run", "--jobs", "0"]).code, Some(2));
    assert_eq!(shop.everfresh(&["run", "--refresh", "paid", "--refresh-all"]).code, Some(2));
}

#[test]
fn a_program_gets_errors_as_an_object() {
    let shop = Sandbox::shop();
    let usage = shop.everfresh(&["run", "--json", "--refesh"]);
    assert_eq!((usage.code, &usage.json()["status"]), (Some(2), &"failed".into()));
    let unknown = shop.everfresh(&["explain", "piad", "--json"]);
    assert_eq!((unknown.code, &unknown.json()["status"]), (Some(2), &"failed".into()));
    shop.edit("everfresh.yaml", "params:", "parms:");
    let file = shop.everfresh(&["run", "--json"]);
    assert_eq!(file.code, Some(2));
    let error = &file.json()["errors"][0];
    assert_eq!((&error["file"], &error["line"], &error["column"]), (&"everfresh.yaml".into(), &2.into(), &1.into()));
    assert!(error["help"].as_str().unwrap().contains("params"), "{error}");
}

#[test]
fn init_writes_a_pipeline_that_runs_and_overwrites_nothing() {
    let sandbox = Sandbox::empty();
    assert_seen!("init", sandbox.everfresh(&["init", "demo"]));
    assert_seen!("init_run", sandbox.everfresh(&["run", "demo"]));
    assert!(sandbox.run(&["demo"], 0).all("hit"));
    assert_seen!("init_again", sandbox.everfresh(&["init", "demo"]));
    assert_eq!(sandbox.read("demo/out/by_country.csv").lines().count(), 5);
}

#[test]
fn init_leaves_a_gitignore_alone() {
    let sandbox = Sandbox::empty();
    sandbox.write(".gitignore", "mine\n");
    let created = sandbox.everfresh(&["init", "--json"]);
    assert_eq!((created.code, created.json()["created"].as_array().unwrap().len()), (Some(0), 3));
    assert_eq!(sandbox.read(".gitignore"), "mine\n");
}

#[test]
fn the_schema_is_json_and_needs_no_pipeline() {
    let schema = Sandbox::empty().everfresh(&["schema"]);
    assert_eq!(schema.code, Some(0));
    assert!(schema.json()["properties"]["steps"].is_object(), "{schema:?}");
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = Sandbox::empty().everfresh(&["completions", shell]);
        assert!(script.code == Some(0) && script.stdout.contains("explain"), "{shell}: {script:?}");
    }
}

#[test]
fn colours_are_only_where_they_are_wanted() {
    let shop = Sandbox::shop();
    shop.run(&[], 0);
    assert!(!shop.everfresh(&["run"]).stdout.contains('\x1b'));
    let forced = shop.everfresh_with(&["run"], &[("CLICOLOR_FORCE", "1")]);
    assert!(forced.stdout.contains("\x1b["), "{forced:?}");
    let off = shop.everfresh_with(&["run"], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]);
    assert!(!off.stdout.contains('\x1b'), "{off:?}");
}

#[test]
fn a_reader_that_has_read_enough_is_no_error() {
    let shop = Sandbox::shop();
    shop.run(&[], 0);
    let mut child = shop.command(&["schema"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    // Closed before anything is written, or at the first write: both must end well.
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

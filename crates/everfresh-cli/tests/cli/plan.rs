//! `everfresh plan`.

use crate::sandbox::{Sandbox, assert_seen};

#[test]
fn a_plan_before_the_first_run_makes_no_cache() {
    let shop = Sandbox::shop();
    assert_seen!("plan_first", shop.everfresh(&["plan"]));
    assert!(!shop.file(".everfresh").exists() && !shop.file("out").exists());
}

#[test]
fn a_plan_after_a_run_is_all_hits() {
    let shop = Sandbox::shop();
    shop.run(&[], 0);
    assert_seen!("plan_hits", shop.everfresh(&["plan", "--check"]));
}

#[test]
fn a_plan_after_a_change_tells_what_would_run_and_does_nothing() {
    let shop = Sandbox::shop();
    shop.run(&[], 0);
    let before = shop.read("out/totals.csv");
    shop.edit("everfresh.yaml", "where amount >= $least", "where amount > $least");
    assert_seen!("plan_after_a_change", shop.everfresh(&["plan", "--check"]));
    assert_eq!(shop.everfresh(&["plan"]).code, Some(0));
    assert_eq!(shop.read("out/totals.csv"), before);
    assert_eq!(shop.run(&[], 0).outcome("paid"), "ran");
}

#[test]
fn a_program_gets_the_plan_as_an_object() {
    let shop = Sandbox::shop();
    let plan = shop.everfresh(&["plan", "--json"]).json();
    assert_eq!((&plan["status"], &plan["would_run"]), (&"ok".into(), &true.into()));
    let forecast = |name: &str| {
        let steps = plan["steps"].as_array().unwrap();
        steps.iter().find(|step| step["name"] == name).unwrap()["forecast"].as_str().unwrap().to_owned()
    };
    assert_eq!((forecast("orders"), forecast("paid")), ("RUN".into(), "MAYBE".into()));
    let checked = shop.everfresh(&["plan", "--check", "--json"]);
    assert_eq!((checked.code, &checked.json()["status"]), (Some(1), &"failed".into()));
}

#[test]
fn a_deleted_sink_is_in_the_plan() {
    let shop = Sandbox::shop();
    shop.run(&[], 0);
    std::fs::remove_file(shop.file("out/totals.csv")).unwrap();
    assert_seen!("plan_deleted_sink", shop.everfresh(&["plan"]));
}

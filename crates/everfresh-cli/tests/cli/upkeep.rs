//! `stats`, `clear`, `gc`, `verify`.

use crate::sandbox::{SHOP, Sandbox, assert_seen};
use std::fs;

#[test]
fn stats_count_hits_and_misses() {
    let shop = Sandbox::shop();
    assert_seen!("stats_before_a_run", shop.everfresh(&["stats"]));
    assert!(!shop.file(".everfresh").exists());
    shop.run(&[], 0);
    shop.run(&[], 0);
    shop.run(&[], 0);
    assert_seen!("stats", shop.everfresh(&["stats"]));
    let stats = shop.everfresh(&["stats", "--json"]).json();
    let paid = stats["steps"].as_array().unwrap().iter().find(|step| step["name"] == "paid").unwrap();
    assert_eq!((&paid["hits"], &paid["misses"], &paid["failures"]), (&2.into(), &1.into(), &0.into()));
    assert!(stats["totals"]["saved_seconds"].as_f64().unwrap() > 0.0);
    assert!(stats["cache"]["bytes"].as_u64().unwrap() > 0);
}

#[test]
fn advice_names_what_does_not_pay() {
    let shop = Sandbox::shop();
    let pipeline = fs::read_to_string(shop.file("everfresh.yaml")).unwrap();
    for least in 0..5 {
        shop.write("everfresh.yaml", &pipeline.replace("least: 10", &format!("least: {least}")));
        shop.run(&[], 0);
    }
    let stats = shop.everfresh(&["stats", "--advise"]);
    assert!(stats.stdout.contains("paid: never hit in 5 runs"), "{stats:?}");
    let stats = shop.everfresh(&["stats", "--advise", "--json"]).json();
    let advice =
        |name| stats["steps"].as_array().unwrap().iter().find(|step| step["name"] == name).unwrap()["advice"].clone();
    assert!(advice("paid")[0].as_str().unwrap().contains("everfresh explain paid"), "{stats}");
    assert_eq!(advice("customers"), serde_json::json!([]));
}

#[test]
fn functions_of_programs_have_statistics() {
    let shop = Sandbox::empty();
    let dir = shop.path().join("functions");
    let stats = |more: &[&str]| shop.everfresh(&[&["stats", "--functions", "--cache-dir", "functions"], more].concat());
    let none = stats(&[]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), "no function keeps results in functions\n"));
    assert!(!dir.exists());
    let store = everfresh::disk::Store::open(&dir, everfresh::disk::StoreOptions::default()).unwrap();
    let memo: everfresh::Memo<u32> = everfresh::Memo::builder("loader::rates").store(store).build();
    (0..200).for_each(|n| _ = memo.get_or_compute(&n, || n));
    drop(memo);
    let told = stats(&["--advise"]);
    assert!(told.stdout.contains("loader::rates") && told.stdout.contains("loader::rates: never hit: "), "{told:?}");
    let told = stats(&["--json"]).json();
    let function = &told["functions"][0];
    assert_eq!(
        (&function["name"], &function["hits"], &function["pays"]),
        (&"loader::rates".into(), &0.into(), &false.into())
    );
    assert!(function["misses"].as_u64().unwrap() > 100, "{told}");
}

#[test]
fn clear_forgets_a_step_and_the_next_run_computes_it() {
    let shop =
        Sandbox::with(&SHOP.replace("  totals:\n    sql: |", "  totals:\n    cache: { tags: [daily] }\n    sql: |"));
    shop.run(&[], 0);
    let cleared = shop.everfresh(&["clear", "--step", "paid"]);
    assert_eq!(cleared.code, Some(0), "{cleared:?}");
    let report = shop.run(&[], 0);
    assert_eq!((report.outcome("paid"), report.outcome("totals")), ("ran", "hit"));
    assert_eq!(shop.everfresh(&["clear", "--tag", "daily"]).code, Some(0));
    let report = shop.run(&[], 0);
    assert_eq!((report.outcome("paid"), report.outcome("totals")), ("hit", "ran"));
    assert_eq!(shop.everfresh(&["clear", "--source", "orders"]).code, Some(0));
    let report = shop.run(&[], 0);
    assert_eq!((report.outcome("orders"), report.outcome("paid")), ("ran", "hit"));
}

#[test]
fn clear_all_forgets_everything() {
    let shop = Sandbox::shop();
    shop.run(&[], 0);
    let cleared = shop.everfresh(&["clear", "--all", "--json"]).json();
    assert!(cleared["removed_records"].as_u64().unwrap() > 0, "{cleared}");
    assert_eq!(shop.run(&[], 0).outcome("paid"), "ran");
}

#[test]
fn clear_wants_to_know_what() {
    let shop = Sandbox::shop();
    assert_seen!("clear_nothing", shop.everfresh(&["clear"]));
    assert_seen!("clear_unknown", shop.everfresh(&["clear", "--step", "piad"]));
    assert_seen!("clear_source_as_step", shop.everfresh(&["clear", "--step", "orders"]));
    assert_seen!("clear_unknown_tag", shop.everfresh(&["clear", "--tag", "daily"]));
}

#[test]
fn gc_to_nothing_costs_a_recomputation_and_no_more() {
    let shop = Sandbox::shop();
    shop.run(&[], 0);
    let report = shop.everfresh(&["gc", "--max-size", "0", "--json"]).json();
    assert_eq!(report["status"], "ok");
    shop.run(&[], 0);
    assert_eq!(shop.read("out/totals.csv"), "customer_id,total\n1,20\n2,30\n3,40\n");
    let text = shop.everfresh(&["gc"]);
    assert!(text.code == Some(0) && text.stdout.starts_with("removed "), "{text:?}");
}

#[test]
fn verify_of_a_sound_cache_is_done() {
    let shop = Sandbox::shop();
    shop.run(&[], 0);
    let verified = shop.everfresh(&["verify"]);
    assert!(verified.code == Some(0) && verified.stdout.ends_with(": all whole\n"), "{verified:?}");
}

#[test]
fn verify_removes_what_is_damaged_and_the_next_run_mends_it() {
    let shop = Sandbox::shop();
    // Rows enough to be stored in a file of their own.
    let rows: String = (0..20_000).map(|row| format!("{row},{},{},n{row}\n", row % 7, row % 90)).collect();
    shop.write("data/orders.csv", &format!("order_id,customer_id,amount,note\n{rows}"));
    shop.run(&[], 0);
    let before = shop.read("out/totals.csv");
    let damaged = damage_a_blob(&shop.file(".everfresh"));
    assert!(damaged, "no blob is in a file of its own");
    let verified = shop.everfresh(&["verify", "--json"]);
    assert_eq!((verified.code, &verified.json()["status"]), (Some(1), &"failed".into()));
    assert_eq!(verified.json()["damaged"].as_array().unwrap().len(), 1, "{verified:?}");
    assert_eq!(shop.everfresh(&["verify"]).code, Some(0));
    fs::remove_file(shop.file("out/totals.csv")).unwrap();
    shop.run(&["--refresh", "totals"], 0);
    assert_eq!(shop.read("out/totals.csv"), before);
}

/// Flips the last bit of the first large file under a folder.
fn damage_a_blob(folder: &std::path::Path) -> bool {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_none_or(|ending| ending != "mdb")
                && fs::metadata(&path).unwrap().len() > 50_000
            {
                let mut bytes = fs::read(&path).unwrap();
                *bytes.last_mut().unwrap() ^= 1;
                // Blobs are read-only: a new file takes the old one's place.
                fs::remove_file(&path).unwrap();
                fs::write(&path, bytes).unwrap();
                return true;
            }
        }
    }
    false
}

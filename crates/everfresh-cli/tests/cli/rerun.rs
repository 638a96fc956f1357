//! What a second run computes, and what it does not.

use crate::sandbox::{SHOP, Sandbox, assert_seen};

#[test]
fn the_first_run_computes_and_the_second_is_all_hits() {
    let shop = Sandbox::shop();
    assert_seen!("run_first", shop.everfresh(&["run"]));
    assert_eq!(shop.read("out/totals.csv"), "customer_id,total\n1,20\n2,30\n3,40\n");
    assert_seen!("run_second", shop.everfresh(&["run"]));
}

#[test]
fn a_run_without_news_starts_no_engine() {
    let shop = Sandbox::shop();
    assert_eq!(shop.run(&[], 0).0["engine_started"], true);
    let second = shop.run(&[], 0);
    assert!(second.all("hit"), "{second:?}");
    assert_eq!(second.0["engine_started"], false);
}

#[test]
fn the_object_of_run_has_the_keys_that_programs_rely_on() {
    let shop = Sandbox::shop();
    let report = shop.run(&[], 0);
    assert_eq!(report.0["status"], "ok");
    assert!(report.0["seconds"].is_f64());
    for node in report.0["steps"].as_array().unwrap() {
        for key in ["name", "kind", "outcome", "reason", "rows", "bytes", "fingerprint", "seconds", "saved_seconds"] {
            assert!(node.get(key).is_some(), "no `{key}` in {node}");
        }
    }
    assert_eq!(report.get("orders", "kind"), "source");
    assert_eq!(report.get("paid", "kind"), "step");
    assert_eq!(report.get("totals.not_null(customer_id)", "kind"), "check");
    assert_eq!(report.get("report", "kind"), "sink");
    assert_eq!(report.get("paid", "rows"), 3);
}

#[test]
fn a_change_in_a_column_that_nothing_reads_computes_nothing() {
    let shop = Sandbox::shop();
    shop.run(&[], 0);
    shop.edit("data/orders.csv", "1,1,20,a", "1,1,20,z");
    let report = shop.run(&[], 0);
    assert_eq!(report.reason("orders"), "data/orders.csv changed");
    assert_eq!((report.outcome("paid"), report.outcome("totals")), ("hit", "hit"));
    assert_eq!(report.reason("paid"), "orders changed in nothing that it reads");
}

#[test]
fn a_change_that_is_read_computes_what_hangs_on_it_and_says_why() {
    let shop = Sandbox::shop();
    shop.run(&[], 0);
    shop.edit("data/orders.csv", "1,1,20,a", "1,1,21,a");
    assert_seen!("run_after_a_change", shop.everfresh(&["run"]));
    assert_eq!(shop.read("out/totals.csv"), "customer_id,total\n1,21\n2,30\n3,40\n");
}

#[test]
fn the_wave_stops_where_the_result_is_the_same() {
    let shop = Sandbox::shop();
    shop.run(&[], 0);
    // Below the least amount, before and after.
    shop.edit("data/orders.csv", "3,1,5,c", "3,1,6,c");
    let report = shop.run(&[], 0);
    assert_eq!((report.outcome("paid"), report.outcome("totals"), report.outcome("report")), ("ran", "hit", "hit"));
}

#[test]
fn a_parameter_that_comes_back_is_a_hit_again() {
    let shop = Sandbox::shop();
    shop.run(&[], 0);
    let other = shop.run(&["--param", "least=25"], 0);
    assert_eq!(other.outcome("paid"), "ran");
    assert_eq!(other.reason("paid"), "parameter least changed from 10 to 25");
    let back = shop.run(&[], 0);
    assert_eq!((back.outcome("paid"), back.outcome("totals")), ("hit", "hit"));
    assert_eq!(shop.read("out/totals.csv"), "customer_id,total\n1,20\n2,30\n3,40\n");
}

#[test]
fn white_space_comments_and_case_are_no_change() {
    let shop = Sandbox::shop();
    shop.run(&[], 0);
    shop.write("everfresh.yaml", &SHOP.replace("from orders\n", "FROM   orders -- all of them\n"));
    assert_eq!(shop.run(&[], 0).outcome("paid"), "hit");
}

#[test]
fn refresh_computes_in_any_case() {
    let shop = Sandbox::shop();
    shop.run(&[], 0);
    let one = shop.run(&["--refresh", "totals"], 0);
    assert_eq!((one.outcome("paid"), one.outcome("totals"), one.reason("totals")), ("hit", "ran", "asked for"));
    assert!(shop.run(&["--refresh-all"], 0).all("ran"));
}

#[test]
fn only_runs_a_step_and_what_it_needs() {
    let shop = Sandbox::shop();
    assert_eq!(shop.run(&["--only", "paid"], 0).outcomes(), ["orders ran", "paid ran"]);
    assert!(!shop.file("out").exists());
}

#[test]
fn without_a_cache_nothing_is_kept() {
    let shop = Sandbox::shop();
    assert!(shop.run(&["--no-cache"], 0).all("ran"));
    assert!(!shop.file(".everfresh").exists());
    assert!(shop.file("out/totals.csv").exists());
}

#[test]
fn the_cache_folder_can_be_elsewhere() {
    let shop = Sandbox::shop();
    shop.run(&["--cache-dir", "elsewhere"], 0);
    assert!(shop.file("elsewhere/CACHEDIR.TAG").exists() && !shop.file(".everfresh").exists());
    assert!(shop.run(&["--cache-dir", "elsewhere"], 0).all("hit"));
}

#[test]
fn one_job_and_little_memory_give_the_same_result() {
    let shop = Sandbox::shop();
    shop.run(&["--jobs", "1", "--memory", "64MB"], 0);
    assert_eq!(shop.read("out/totals.csv"), "customer_id,total\n1,20\n2,30\n3,40\n");
}

#[test]
fn a_failed_step_says_where_and_skips_what_depends_on_it() {
    let shop = Sandbox::with(&SHOP.replace("sum(amount)", "sum(amuont)"));
    assert_seen!("run_failed_step", shop.everfresh(&["run"]));
    // What does not depend on it is done.
    assert_eq!(shop.run(&[], 1).outcome("paid"), "hit");
}

#[test]
fn a_secret_is_in_no_output_and_no_file_of_the_cache() {
    let shop = Sandbox::shop();
    let pipeline = "sources:\n  rates: { url: \"http://127.0.0.1:1/rates.json?key=${secret:KEY}\" }\n";
    shop.write("everfresh.yaml", pipeline);
    let ended = shop.everfresh_with(&["run", "-vv"], &[("KEY", "hunter2")]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(!ended.seen().contains("hunter2"), "{ended:?}");
    for entry in std::fs::read_dir(shop.file(".everfresh")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(7).any(|window| window == b"hunter2"), "{path:?}");
        }
    }
    assert!(shop.file("state/everfresh/secret.key").exists());
}

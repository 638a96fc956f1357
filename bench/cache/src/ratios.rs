//! Hit ratios of all policies on traces, and how far each lies under the best of its row.

use crate::{
    policies::{DEFAULT, ONLINE},
    traces::Trace,
};
use std::{collections::BTreeSet, sync::Mutex, thread};

const PERCENT: [usize; 4] = [1, 5, 10, 25];
/// What the default policy's regret may be: mean and worst.
const TARGETS: [f64; 2] = [0.010, 0.05];

struct Row {
    name: String,
    entries: usize,
    ratios: Vec<f64>,
    optimum: f64,
}

/// Measures and prints. The targets that were missed, if these are traces that targets are for.
pub fn measure(traces: &[Trace], judged: bool) -> Vec<String> {
    let jobs: Vec<(&Trace, usize)> = traces.iter().flat_map(|trace| PERCENT.map(|percent| (trace, percent))).collect();
    let rows = play(&jobs);
    println!("\nhit ratios at 1, 5, 10 and 25 % of the distinct keys");
    print!("{:20}{:>8}", "trace", "entries");
    ONLINE.iter().for_each(|(name, _)| print!("{name:>10}"));
    println!("{:>10}", "optimum");
    for row in &rows {
        print!("{:20}{:>8}", row.name, row.entries);
        row.ratios.iter().for_each(|ratio| print!("{ratio:>10.4}"));
        println!("{:>10.4}", row.optimum);
    }
    let regrets =
        |at: usize| rows.iter().map(move |row| row.ratios.iter().copied().fold(0.0, f64::max) - row.ratios[at]);
    let means: Vec<f64> = (0..ONLINE.len()).map(|at| regrets(at).sum::<f64>() / rows.len() as f64).collect();
    let worsts: Vec<f64> = (0..ONLINE.len()).map(|at| regrets(at).fold(0.0, f64::max)).collect();
    for (title, figures) in [("mean regret", &means), ("worst regret", &worsts)] {
        print!("{title:28}");
        figures.iter().for_each(|figure| print!("{figure:>10.4}"));
        println!();
    }
    let own = ONLINE.iter().position(|(name, _)| *name == DEFAULT).unwrap_or_default();
    let figures = [("mean", means[own], TARGETS[0]), ("worst", worsts[own], TARGETS[1])];
    let missed = figures.into_iter().filter(|(_, regret, most)| judged && regret > most);
    missed.map(|(title, regret, most)| format!("{title} regret of the default policy: {regret:.4} > {most}")).collect()
}

/// On all cores: ratios do not depend on the time.
fn play(jobs: &[(&Trace, usize)]) -> Vec<Row> {
    let todo = Mutex::new(jobs.iter().enumerate());
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let next = todo.lock().ok().and_then(|mut todo| todo.next());
                    let Some((number, (trace, percent))) = next else { return };
                    let row = row(trace, (trace.distinct * percent / 100).max(1));
                    if let Ok(mut done) = done.lock() {
                        done.push((number, row));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, row)| row).collect()
}

fn row(trace: &Trace, entries: usize) -> Row {
    let of = |hits: usize| hits as f64 / trace.keys.len() as f64;
    let ratios = ONLINE.iter().map(|(_, make)| {
        let mut access = make(entries);
        of(trace.keys.iter().filter(|key| access(**key)).count())
    });
    Row { name: trace.name.clone(), entries, ratios: ratios.collect(), optimum: of(optimum(trace, entries)) }
}

/// The hits of Belady's optimum: what comes again last goes, or does not get in.
fn optimum(trace: &Trace, entries: usize) -> usize {
    let next_uses = trace.next_uses();
    // By next use, each of which is another moment.
    let mut kept = BTreeSet::new();
    let mut hits = 0;
    for (now, next) in next_uses.into_iter().enumerate() {
        hits += usize::from(kept.remove(&now));
        if next < trace.keys.len() {
            kept.insert(next);
            if kept.len() > entries {
                kept.pop_last();
            }
        }
    }
    hits
}

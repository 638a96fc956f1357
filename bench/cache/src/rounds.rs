//! Rounds in which all contenders run, and the table of what they took.

use crate::random::Random;
use std::{
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Instant, SystemTime},
};

/// One who does the part's work once, on each of several threads; the argument is the thread's number.
pub struct Contender {
    /// As it stands in the table.
    pub name: &'static str,
    /// The work.
    pub work: Box<dyn Fn(usize) -> u64 + Sync>,
    /// How many operations that is.
    pub operations: usize,
}

/// What is measured together.
pub struct Part {
    /// The headline.
    pub name: String,
    /// The contender by whose time all others are divided.
    pub baseline: &'static str,
    /// How much some may take at most, in times the baseline.
    pub targets: Vec<(&'static str, f64)>,
    /// How many threads do the work at once.
    pub threads: usize,
}

/// Measures and prints. The contenders that missed their targets.
pub fn measure(part: &Part, contenders: &[Contender], rounds: usize) -> Vec<String> {
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |since| since.as_secs());
    let mut random = Random::new(seed);
    let mut samples = vec![Vec::new(); contenders.len()];
    // The first round warms up.
    for round in 0..=rounds {
        let mut order: Vec<usize> = (0..contenders.len()).collect();
        for at in (1..order.len()).rev() {
            order.swap(at, (random.bits() % (at as u64 + 1)) as usize);
        }
        for at in order {
            let nanoseconds = time(&contenders[at], part.threads);
            if round > 0 {
                samples[at].push(nanoseconds);
            }
        }
    }
    let baseline = contenders.iter().position(|contender| contender.name == part.baseline).unwrap_or_default();
    println!("\n{}", part.name);
    println!("  {:32} {:>10} {:>10} {:>22} {:>8}", "", "ns", "ratio", "from to", "target");
    let mut missed = Vec::new();
    for (contender, own) in contenders.iter().zip(&samples) {
        let ratios: Vec<f64> = own.iter().zip(&samples[baseline]).map(|(own, base)| own / base).collect();
        let (ratio, least, most) = spread(&ratios);
        let target = part.targets.iter().find(|target| target.0 == contender.name).map(|target| target.1);
        let (shown, verdict) = match target {
            Some(target) if ratio <= target => (format!("<= {target}"), "ok"),
            Some(target) => (format!("<= {target}"), "MISSED"),
            None => (String::new(), ""),
        };
        if verdict == "MISSED" {
            missed.push(format!("{}: {}: {ratio:.2}x", part.name, contender.name));
        }
        let range = format!("{least:.2} {most:.2}");
        println!("  {:32} {:>10.1} {ratio:>9.2}x {range:>22} {shown:>8} {verdict}", contender.name, spread(own).0);
    }
    missed
}

/// Nanoseconds an operation, all threads together.
fn time(contender: &Contender, threads: usize) -> f64 {
    let barrier = Barrier::new(threads + 1);
    let elapsed = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    black_box((contender.work)(thread));
                })
            })
            .collect();
        barrier.wait();
        let start = Instant::now();
        // A worker that panicked shows in the table as a contender that did nothing.
        workers.into_iter().for_each(|worker| assert!(worker.join().is_ok(), "{} failed", contender.name));
        start.elapsed()
    });
    elapsed.as_secs_f64() * 1e9 / (contender.operations * threads) as f64
}

/// Median, least and most.
fn spread(samples: &[f64]) -> (f64, f64, f64) {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[sorted.len() / 2], sorted[0], sorted[sorted.len() - 1])
}

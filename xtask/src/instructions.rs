//! `cargo xtask bench instructions`: how many instructions an operation of the memory tier takes, counted by Valgrind,
//! beside the counts that are kept in the repository.

use crate::{json::Json, place, process, setup};
use std::{env, fmt, fs};

const USAGE: &str = "\
usage: cargo xtask bench instructions [--keep]

  --keep  writes the counts to bench/instructions/counts.txt, which later runs are compared with
";
/// As many as each benchmark in `bench/instructions` does.
const OPERATIONS: f64 = 1_000.0;
/// How much a count may rise, as a part of the kept one.
const MAY_RISE: f64 = 0.05;

/// Counts, and compares with what is kept or keeps it.
pub fn bench(options: &[&str]) -> Result<(), String> {
    let file = place::root()?.join("bench/instructions/counts.txt");
    match options {
        [] => {
            let text = fs::read_to_string(&file).map_err(|error| {
                format!("`{}`: {error}; `cargo xtask bench instructions --keep` writes it", file.display())
            })?;
            Comparison { kept: Counts::parse(&text)?, new: count()? }.report()
        }
        ["--keep"] => {
            let counts = count()?;
            print!("{counts}");
            fs::write(&file, counts.to_string()).map_err(|error| format!("`{}`: {error}", file.display()))
        }
        ["--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => Err(format!("unknown option\n{USAGE}")),
    }
}

/// Runs the benchmarks.
fn count() -> Result<Counts, String> {
    setup::valgrind()?;
    let runner = setup::gungraun_runner()?;
    let mut bench = process::cargo(&["bench", "--locked", "--manifest-path"])?;
    bench.arg(place::root()?.join("bench/instructions/Cargo.toml")).args(["--", "--output-format=json"]);
    // Gungraun writes its files there too, and asks the environment only.
    bench.env("CARGO_TARGET_DIR", place::target()?.join("bench-instructions")).env("GUNGRAUN_RUNNER", runner);
    let of = process::output(&mut bench)?.lines().map(measured).collect::<Result<_, _>>()?;
    Ok(Counts { compiler: compiler()?, of })
}

/// The name and the count of a benchmark, from its summary (schema 7 of Gungraun).
fn measured(summary: &str) -> Result<(String, f64), String> {
    let summary = Json::parse(summary)?;
    let instructions = ["profiles", "0", "data", "total", "metrics", "Ir", "values", "new"];
    match (summary.at(&["function_name"]), summary.at(&["id"]), summary.at(&instructions)) {
        (Some(Json::Text(function)), Some(Json::Text(id)), Some(Json::Number(instructions))) => {
            // To a tenth, as it is kept.
            let count = (10.0 * instructions / OPERATIONS).round() / 10.0;
            Ok((format!("{function}::{id}"), count))
        }
        _ => Err(format!("Gungraun wrote another summary than expected: {summary:?}")),
    }
}

/// What the counts depend on beside the code.
fn compiler() -> Result<String, String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let told = process::output(process::command(rustc)?.arg("-vV"))?;
    let version = told.lines().next().unwrap_or_default();
    let host = told.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    Ok(format!("{version}, {host}"))
}

/// Instructions an operation.
#[derive(Debug, PartialEq)]
struct Counts {
    compiler: String,
    of: Vec<(String, f64)>,
}

impl Counts {
    /// Reads what `Display` writes: the compiler, then a line for each benchmark.
    fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        let compiler = lines.next().unwrap_or_default().to_owned();
        let count = |line: &str| {
            let (name, count) = line.split_once(' ')?;
            Some((name.to_owned(), count.trim().parse().ok()?))
        };
        let of = lines.map(|line| count(line).ok_or_else(|| format!("`{line}` in counts.txt holds no name and count")));
        Ok(Self { compiler, of: of.collect::<Result<_, _>>()? })
    }

    fn get(&self, name: &str) -> Option<f64> {
        self.of.iter().find(|(other, _)| other == name).map(|(_, count)| *count)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.compiler)?;
        self.of.iter().try_for_each(|(name, count)| writeln!(f, "{name:<26}{count:>8.1}"))
    }
}

struct Comparison {
    kept: Counts,
    new: Counts,
}

impl Comparison {
    /// Prints both, and fails if counts by the same compiler rose or are not of the same benchmarks.
    fn report(&self) -> Result<(), String> {
        print!("{self}");
        let worse = self.worse();
        if worse.is_empty() {
            return Ok(());
        }
        if self.kept.compiler != self.new.compiler {
            println!("counted with {}, kept by {}: not judged", self.new.compiler, self.kept.compiler);
            return Ok(());
        }
        Err(format!("{}; if that is meant, run `cargo xtask bench instructions --keep`", worse.join(", ")))
    }

    /// What must not be.
    fn worse(&self) -> Vec<String> {
        let lost = self.kept.of.iter().filter(|(name, _)| self.new.get(name).is_none());
        let lost = lost.map(|(name, _)| format!("{name} was not counted"));
        let risen = self.new.of.iter().filter_map(|(name, new)| match self.kept.get(name) {
            None => Some(format!("{name} is not kept yet")),
            Some(kept) => (*new > kept * (1.0 + MAY_RISE)).then(|| format!("{name} rose")),
        });
        lost.chain(risen).collect()
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<26}{:>8}{:>8}", "instructions an operation", "kept", "new")?;
        for (name, new) in &self.new.of {
            match self.kept.get(name) {
                None => writeln!(f, "{name:<26}{:>8}{new:>8.1}", "")?,
                Some(kept) => {
                    let change = 100.0 * (new - kept) / kept;
                    let change = if change.abs() < 0.1 { String::new() } else { format!("{change:>+8.1} %") };
                    writeln!(f, "{name:<26}{kept:>8.1}{new:>8.1}{change}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(compiler: &str, of: &[(&str, f64)]) -> Counts {
        Counts { compiler: compiler.into(), of: of.iter().map(|(name, count)| ((*name).into(), *count)).collect() }
    }

    fn report(kept: Counts, new: Counts) -> Result<(), String> {
        Comparison { kept, new }.report()
    }

    #[test]
    fn a_summary_gives_the_instructions_of_one_operation() {
        let summary = r#"{"baselines":[null,null],"description":"(numbers(| cache | cache))","function_name":"get",
            "id":"hit","profiles":[{"data":{"parts":[{"metrics":{"Ir":{"values":{"new":1}}}}],"total":{"metrics":
            {"Ir":{"change":{"diff_pct":"0","factor":"1"},"values":{"new":114120,"old":7}}},"regressions":[]}},
            "tool":"Callgrind"}],"version":"7"}"#;
        assert_eq!(measured(summary), Ok(("get::hit".into(), 114.1)));
        assert!(measured(r#"{"function_name":"get","id":"hit","profiles":[]}"#).is_err());
    }

    #[test]
    fn what_is_kept_is_read_back() {
        let kept = counts("rustc 1.95.0 (x 2026), x86_64", &[("get::hit", 114.1), ("a_longer_name::miss", 10.0)]);
        assert_eq!(Counts::parse(&kept.to_string()), Ok(kept));
        assert!(Counts::parse("rustc\nget::hit many").is_err());
    }

    #[test]
    fn a_count_may_rise_by_a_twentieth_and_fall_as_far_as_it_likes() {
        let kept = || counts("rustc", &[("get", 100.0), ("insert", 1000.0)]);
        assert_eq!(report(kept(), counts("rustc", &[("get", 105.0), ("insert", 1.0)])), Ok(()));
        let risen = report(kept(), counts("rustc", &[("get", 105.1), ("insert", 1000.0)])).unwrap_err();
        assert!(risen.starts_with("get rose;"), "{risen}");
    }

    #[test]
    fn the_same_benchmarks_are_kept_and_counted() {
        let (one, two) = (&[("get", 1.0)][..], &[("get", 1.0), ("insert", 2.0)][..]);
        let error = |kept, new| report(counts("rustc", kept), counts("rustc", new)).unwrap_err();
        assert!(error(one, two).starts_with("insert is not kept yet;"));
        assert!(error(two, one).starts_with("insert was not counted;"));
    }

    #[test]
    fn counts_of_another_compiler_are_shown_and_not_judged() {
        let of = |compiler, count| counts(compiler, &[("get", count)]);
        assert_eq!(report(of("rustc 1", 1.0), of("rustc 2", 9.0)), Ok(()));
    }

    #[test]
    fn kept_and_new_counts_stand_side_by_side() {
        let kept = counts("rustc", &[("get", 100.0), ("insert", 1000.0)]);
        let new = counts("rustc", &[("get", 100.0), ("insert", 900.0), ("memo", 5.0)]);
        let expected = "\
instructions an operation     kept     new
get                          100.0   100.0
insert                      1000.0   900.0   -10.0 %
memo                                   5.0
";
        assert_eq!(Comparison { kept, new }.to_string(), expected);
    }
}

//! The project's own commands: `cargo xtask setup`, `cargo xtask test`, `cargo xtask bench`.

mod bench;
mod instructions;
mod json;
mod place;
mod process;
mod python;
mod setup;
mod steps;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  setup                     installs what `test` needs, or says what is missing
  test [--long]             every check and every test; --long runs 5,000 cases of the freshness oracle
  test --python             the Python package alone: built and tested with each interpreter that is installed
  bench python [OPTION…]    measures the Python package against its targets and peers
  bench pipeline [OPTION…]  measures pipelines against their targets and peers (--help lists the options)
  bench cache [options]     measures the memory tier against its targets and peers
  bench instructions [--keep]
                            counts its instructions under Valgrind, against the counts in bench/instructions; fails if
                            one rose by more than 5 %; --keep writes the new ones there
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args.as_slice() {
        ["setup"] => setup::everything(),
        ["test"] => test::run(false),
        ["test", "--long"] => test::run(true),
        ["test", "--python"] => python::test(),
        ["bench", "python", options @ ..] => python::bench(options),
        ["bench", "pipeline", options @ ..] => bench::pipeline(options),
        ["bench", "cache", options @ ..] => bench::cache(options),
        ["bench", "instructions", options @ ..] => instructions::bench(options),
        ["--help" | "-h" | "help"] | ["bench", "--help" | "-h" | "help"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

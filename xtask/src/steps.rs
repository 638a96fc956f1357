//! A list of steps, each under a heading and timed. A failed step does not stop the others: one run tells everything.

use std::time::Instant;

/// The steps so far.
#[derive(Default)]
pub struct Steps {
    failed: Vec<String>,
}

impl Steps {
    /// Runs one step.
    pub fn step(&mut self, name: &str, work: impl FnOnce() -> Result<(), String>) {
        println!("\n== {name}");
        let start = Instant::now();
        let result = work();
        let seconds = start.elapsed().as_secs_f64();
        match result {
            Ok(()) => println!("-- {name}: ok, {seconds:.1} s"),
            Err(message) => self.fail(name, &message),
        }
    }

    /// Runs the last step: a test runner, whose own closing lines end what is printed.
    pub fn last(mut self, name: &str, work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
        println!("\n== {name}");
        if let Err(message) = work() {
            self.fail(name, &message);
        }
        if self.failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", self.failed.join(", "))) }
    }

    fn fail(&mut self, name: &str, message: &str) {
        println!("-- {name}: FAILED: {message}");
        self.failed.push(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_step_fails_the_run_and_the_others_still_run() {
        let mut ran = 0;
        let mut steps = Steps::default();
        steps.step("first", || Err("broken".into()));
        steps.step("second", || {
            ran += 1;
            Ok(())
        });
        assert_eq!(steps.last("third", || Ok(())), Err("failed: first".into()));
        assert_eq!(ran, 1);
    }

    #[test]
    fn a_run_without_a_failed_step_succeeds() {
        let mut steps = Steps::default();
        steps.step("first", || Ok(()));
        assert_eq!(steps.last("second", || Ok(())), Ok(()));
    }
}

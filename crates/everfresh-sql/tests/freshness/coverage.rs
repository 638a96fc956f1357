//! What the cases exercised, so that a run that leaves something out fails.

use crate::{
    edit::Kind,
    pipeline_file::{CHECKS, STEPS, steps},
    world::{Reader, World},
};
use std::{collections::BTreeMap, sync::Mutex};

#[derive(Default)]
pub struct Coverage(Mutex<BTreeMap<String, u64>>);

impl Coverage {
    fn count(&self, what: String) {
        *self.0.lock().unwrap().entry(what).or_default() += 1;
    }

    pub fn edit(&self, kind: Kind) {
        self.count(format!("edit {kind:?}"));
    }

    pub fn world(&self, world: &World) {
        self.count(format!("reader {:?}", world.reader));
        for step in steps(world) {
            self.count(format!("step {}", step.name));
        }
    }

    /// `name` is `clean.not_null(grp)`; a check with a name of its own is the SQL check.
    pub fn check(&self, name: &str) {
        let kind = name.split('.').nth(1).unwrap_or_default();
        let kind = CHECKS.iter().find(|check| kind.starts_with(**check)).unwrap_or(&"sql");
        self.count(format!("check {kind}"));
    }

    pub fn sink(&self, kind: &str) {
        self.count(format!("sink {kind}"));
    }

    /// What never happened.
    pub fn missing(&self) -> Vec<String> {
        let wanted = Kind::ALL
            .iter()
            .map(|kind| format!("edit {kind:?}"))
            .chain(Reader::ALL.iter().map(|reader| format!("reader {reader:?}")))
            .chain(STEPS.iter().map(|step| format!("step {}", step.name)))
            .chain(CHECKS.iter().map(|check| format!("check {check}")))
            .chain(crate::pipeline_file::SINKS.iter().chain(&["append"]).map(|sink| format!("sink {sink}")));
        let counts = self.0.lock().unwrap();
        wanted.filter(|what| !counts.contains_key(what)).collect()
    }
}

impl std::fmt::Display for Coverage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (what, count) in self.0.lock().unwrap().iter() {
            writeln!(f, "{count:6} {what}")?;
        }
        Ok(())
    }
}

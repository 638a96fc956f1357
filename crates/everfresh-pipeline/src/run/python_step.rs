//! A step whose function is in Python: looked up without Python, computed in a process of its own.

use super::{
    Context,
    attempts::attempts,
    context::{elapsed_ns, now_ns},
    done::{Done, Looked},
    kept::{Kept, asked_for, store_table},
    lookup::Depth,
    query_run::{observe_to_store, trace},
};
use crate::{
    engine::{Cancel, ParamValue},
    fault::Fault,
    graph::NodeId,
    key::{KeyParts, OPERATORS},
    python::{Answer, Code, ENVIRONMENT, HandedOver, Request, nonsense, observations, take_result},
    reason::Reason,
    report::Event,
    spec::model::{PythonFunction, Step},
    table::{Facts, Input},
};
use everfresh::{Fingerprint, observation::Observation, observe, trace::Trace};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// A Python step at work.
pub struct PythonRun<'a> {
    context: &'a Context<'a>,
    id: NodeId,
    step: &'a Step,
    function: &'a PythonFunction,
    inputs: Vec<Input>,
    /// What the function is made of, once it is known.
    code: Mutex<Option<Code>>,
}

impl<'a> PythonRun<'a> {
    /// Puts a step and its inputs together.
    pub fn new(
        context: &'a Context<'a>,
        id: NodeId,
        step: &'a Step,
        function: &'a PythonFunction,
        inputs: Vec<Input>,
    ) -> Self {
        Self { context, id, step, function, inputs, code: Mutex::default() }
    }

    /// The pipeline's folder, in which the function runs, as the system calls it.
    fn folder(&self) -> PathBuf {
        let folder = self.context.folder();
        fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned())
    }

    /// What is locked while it computes: its key is known to Python alone.
    pub fn lock(&self) -> Fingerprint {
        self.context.node_key(&self.step.name)
    }

    /// Looks whether the result can be served. Python is started only by a lookup as far as `Facts`, and only if some file
    /// of code changed.
    pub fn lookup(&self, depth: Depth) -> Result<Looked, Fault> {
        if let Some(reason) = asked_for(self.context, self.step) {
            return Ok(Err(reason));
        }
        match self.code(depth)? {
            Some(code) => self.kept(&code).lookup(depth),
            None => Ok(Err(Reason::New)),
        }
    }

    fn code(&self, depth: Depth) -> Result<Option<Code>, Fault> {
        let mut slot = self.code.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_none() {
            *slot = Code::known(self.context, self.function);
        }
        if slot.is_none() && depth == Depth::Facts {
            *slot = Some(attempts(self.context, self.step, |cancel| {
                let workers = &self.context.cache.python;
                let mut working = workers.take(self.context, &self.function.file)?;
                let code = Code::ask(self.context, self.function, &mut working.process, cancel, &mut self.printed())?;
                workers.put_back(working);
                Ok(code)
            })?);
        }
        Ok(slot.clone())
    }

    fn printed(&self) -> impl FnMut(&str) + '_ {
        |line| self.context.tell(Event::Printed { name: &self.step.name, line })
    }

    fn kept(&self, code: &Code) -> Kept<'_> {
        Kept {
            context: self.context,
            id: self.id,
            step: self.step,
            inputs: &self.inputs,
            parts: KeyParts {
                kind: "python step".into(),
                operators: OPERATORS,
                engine: String::new(),
                cache_version: self.context.spec.cache.version,
                // Relative paths, in the code and of its modules, start at the folder.
                query: format!(
                    "{}({}) in {}",
                    self.function.name,
                    self.inputs.iter().map(|input| input.name.as_str()).collect::<Vec<_>>().join(", "),
                    self.folder().display()
                ),
                params: self.params(code).map(|(name, value)| (name.clone(), value.clone())).collect(),
                partition_of: None,
                unrepeatable: self.has_ttl(),
                code: code.items.clone(),
            },
        }
    }

    /// A bounded life, or none, excuses what cannot be observed.
    fn has_ttl(&self) -> bool {
        self.step.ttl.is_some() || !self.step.enabled
    }

    /// The parameters of the pipeline that the function takes; a table comes before one of its name.
    fn params<'s>(&'s self, code: &'s Code) -> impl Iterator<Item = (&'s String, &'s ParamValue)> {
        self.context.spec.params.iter().filter(|(name, _)| code.parameters.contains(name))
    }

    /// Computes the result and stores it.
    pub fn compute(&self, reason: Reason) -> Result<Done, Fault> {
        attempts(self.context, self.step, |cancel| self.attempt(cancel, &reason))
    }

    fn attempt(&self, cancel: &Cancel, reason: &Reason) -> Result<Done, Fault> {
        let (context, started) = (self.context, Instant::now());
        let handed = HandedOver::new(context.cache, &self.inputs)?;
        let mut working = context.cache.python.take(context, &self.function.file)?;
        let mut printed = self.printed();
        // What this very process has loaded, which may be newer than what was looked up.
        let code = Code::ask(context, self.function, &mut working.process, cancel, &mut printed)?;
        let params: BTreeMap<String, serde_json::Value> =
            self.params(&code).map(|(name, value)| (name.clone(), json(value))).collect();
        let output = handed.output();
        let request = Request::Compute {
            function: &self.function.name,
            inputs: &handed.tables,
            params: &params,
            output: &output,
            has_ttl: self.has_ttl(),
        };
        let answer = working.process.ask(&request, cancel, &mut printed)?;
        working.process.finish();
        let answer: Answer = serde_json::from_value(answer).map_err(|error| nonsense(&error))?;
        let progress = |rows| context.tell(Event::Progress { name: &self.step.name, rows });
        let written = take_result(context.cache, &output, cancel, started, &progress)?;
        let facts = Facts::new(written.schema, vec![written.part]);
        let id = store_table(context.cache, &facts)?;
        let mut note = (!answer.impure.is_empty()).then(|| {
            let what = answer.impure.join("; ");
            format!("`{}` is not pure: {what}; give the step a ttl (`cache: {{ ttl: 1h }}`)", self.function.name)
        });
        let trace = match self.trace(&answer, id, &facts, elapsed_ns(started))? {
            Ok(trace) => Some(trace),
            Err(why) => {
                note = Some(format!("not stored, so the next run computes it again: {why}"));
                None
            }
        };
        self.kept(&code).store(id, facts, trace, note, reason)
    }

    /// All that the result was made from, or why it cannot be told.
    fn trace(
        &self,
        answer: &Answer,
        id: Fingerprint,
        facts: &Facts,
        cost_ns: u64,
    ) -> Result<Result<Trace, String>, Fault> {
        if let Some(why) = &answer.unstorable {
            return Ok(Err(why.clone()));
        }
        let context = self.context;
        let every = |input: &Input| Ok((0..input.table.facts(context.cache)?.schema.fields().len()).collect());
        let reads = self.inputs.iter().map(every).collect::<Result<Vec<Vec<usize>>, Fault>>()?;
        let Some(mut seen) = observe_to_store(context, &self.inputs, &reads)? else {
            return Ok(Err("an input changed or was out of date while this ran".into()));
        };
        let (_, files) = observe::record(Some(&context.cache.store), || {
            answer.files.iter().for_each(observe::file);
            ENVIRONMENT.iter().for_each(observe::env);
        });
        match files {
            Ok(files) => seen.extend(files),
            Err(why) => return Ok(Err(why)),
        }
        for observation in observations(&answer.observed)? {
            match observation {
                // Part of the key.
                Observation::WorkingDir { path } if Path::new(&path) == self.folder() => {}
                Observation::WorkingDir { path } => return Ok(Err(format!("it works in another folder, `{path}`"))),
                other => {
                    if let Err(why) = observe::holds(&other, Some(&context.cache.store)) {
                        return Ok(Err(format!("{why} while it was computed")));
                    }
                    seen.push(other);
                }
            }
        }
        let trace = trace(seen, id, facts.rows(), facts.bytes(), cost_ns);
        let remaining = answer.remaining.map(|seconds| (seconds * 1e9) as i64);
        Ok(Ok(Trace { expires_ns: remaining.map(|left| now_ns().saturating_add(left)), ..trace }))
    }
}

/// A parameter as JSON has it; a float that JSON cannot say does not get through the pipeline file.
fn json(value: &ParamValue) -> serde_json::Value {
    match value {
        ParamValue::Bool(value) => (*value).into(),
        ParamValue::Int(value) => (*value).into(),
        ParamValue::Float(value) => (*value).into(),
        ParamValue::Text(value) => value.as_str().into(),
    }
}

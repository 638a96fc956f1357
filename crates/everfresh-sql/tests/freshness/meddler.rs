//! An engine that stops once between planning and running, so that somebody can change a file just then.

use everfresh_pipeline::engine::{Batches, Cancel, ParsedSql, PlanRequest, PlannedQuery, QueryEngine, SqlError};
use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex},
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    Waiting,
    Planned,
    Over,
}

struct Gate {
    moment: Mutex<Moment>,
    changed: Condvar,
}

impl Gate {
    fn set(&self, moment: Moment) {
        *self.moment.lock().unwrap() = moment;
        self.changed.notify_all();
    }

    fn wait_while(&self, moment: Moment) -> Moment {
        *self.changed.wait_while(self.moment.lock().unwrap(), |now| *now == moment).unwrap()
    }
}

pub struct Meddler {
    engine: Arc<dyn QueryEngine>,
    gate: Arc<Gate>,
}

impl Meddler {
    pub fn new(engine: Arc<dyn QueryEngine>) -> Self {
        Self { engine, gate: Arc::new(Gate { moment: Mutex::new(Moment::Waiting), changed: Condvar::new() }) }
    }

    /// Waits for the first query that is about to run; `false` if there is none.
    pub fn wait_for_plan(&self) -> bool {
        self.gate.wait_while(Moment::Waiting) == Moment::Planned
    }

    /// Lets that query run.
    pub fn go_on(&self) {
        self.gate.set(Moment::Over);
    }

    /// The run is over.
    pub fn end(&self) {
        self.gate.set(Moment::Over);
    }
}

impl QueryEngine for Meddler {
    fn version(&self) -> String {
        self.engine.version()
    }

    fn parse(&self, sql: &str) -> Result<ParsedSql, SqlError> {
        self.engine.parse(sql)
    }

    fn plan(&self, request: PlanRequest<'_>) -> Result<Box<dyn PlannedQuery>, SqlError> {
        Ok(Box::new(Stopped { query: self.engine.plan(request)?, gate: self.gate.clone() }))
    }
}

struct Stopped {
    query: Box<dyn PlannedQuery>,
    gate: Arc<Gate>,
}

impl PlannedQuery for Stopped {
    fn schema(&self) -> arrow::datatypes::SchemaRef {
        self.query.schema()
    }

    fn reads(&self) -> &BTreeMap<String, Vec<usize>> {
        self.query.reads()
    }

    fn execute(self: Box<Self>, cancel: Cancel) -> Result<Batches, SqlError> {
        let mut moment = self.gate.moment.lock().unwrap();
        if *moment == Moment::Waiting {
            *moment = Moment::Planned;
            self.gate.changed.notify_all();
        }
        drop(moment);
        self.gate.wait_while(Moment::Planned);
        self.query.execute(cancel)
    }
}

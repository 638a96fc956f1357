//! Walking the graph: one thread looks up, workers compute.
//!
//! The thread that walks does only lookups that read no data; a fully cached run starts no other thread. What misses
//! goes to a worker, of which there are at most `jobs`. A worker that finds the rows of an input gone (evicted, damaged)
//! hands back the node that makes them; that node is computed, and the first one tried again. Nothing recurses.

use super::{Context, Done, node::NodeRun};
use crate::{
    fault::Fault,
    graph::NodeId,
    reason::Reason,
    report::{Event, NodeReport, Outcome, RunReport},
    table::Table,
};
use everfresh::file::hashed_bytes;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::Scope,
    time::Instant,
};

/// How often the rows of one node may go missing in one run before that is an error.
const MOST_RECOMPUTES: usize = 3;

struct Job<'a> {
    id: NodeId,
    node: NodeRun<'a>,
    forced: Option<Reason>,
}

struct Answer {
    id: NodeId,
    result: Result<Done, Fault>,
    seconds: f64,
}

#[derive(Default)]
struct State {
    waits: usize,
    table: Option<Arc<Table>>,
    report: Option<NodeReport>,
    good: bool,
    recomputes: usize,
    running: bool,
    /// Nodes that wait for the rows of this one.
    waiters: Vec<NodeId>,
}

/// Runs a pipeline, or the part of it that the options name. Failures are in the report, not returned.
pub fn run(context: &Context<'_>) -> RunReport {
    let started = Instant::now();
    let hashed = hashed_bytes();
    let graph = context.graph;
    let needed = match context.options.only.as_slice() {
        [] => vec![true; graph.nodes.len()],
        only => graph.needed_by(&only.iter().filter_map(|name| graph.find(name)).collect::<Vec<_>>()),
    };
    let nodes = std::thread::scope(|scope| {
        let (answers, answered) = mpsc::channel();
        let mut walk = Walk::new(context, scope, needed, answers);
        walk.all(&answered);
        walk.reports()
    });
    context.cache.python.end();
    let stopped = context.options.cancel.is_cancelled();
    let good = |node: &NodeReport| matches!(node.outcome, Outcome::Hit | Outcome::Ran);
    RunReport {
        ok: !stopped && nodes.iter().all(good),
        stopped,
        seconds: started.elapsed().as_secs_f64(),
        nodes,
        engine_started: context.cache.engine_started(),
        python_started: context.cache.python.started(),
        hashed_bytes: hashed_bytes() - hashed,
    }
}

struct Walk<'a, 'scope, 'env> {
    context: &'a Context<'a>,
    scope: &'scope Scope<'scope, 'env>,
    needed: Vec<bool>,
    states: Vec<State>,
    after: HashMap<NodeId, Vec<NodeId>>,
    place: Vec<usize>,
    ready: BTreeSet<(usize, NodeId)>,
    jobs: Option<mpsc::Sender<Job<'a>>>,
    queue: Arc<Mutex<mpsc::Receiver<Job<'a>>>>,
    answers: mpsc::Sender<Answer>,
    workers: usize,
    running: usize,
}

impl<'a: 'scope, 'scope, 'env> Walk<'a, 'scope, 'env> {
    fn new(
        context: &'a Context<'a>,
        scope: &'scope Scope<'scope, 'env>,
        needed: Vec<bool>,
        answers: mpsc::Sender<Answer>,
    ) -> Self {
        let (jobs, queue) = mpsc::channel();
        let graph = context.graph;
        let mut walk = Self {
            context,
            scope,
            states: std::iter::repeat_with(State::default).take(graph.nodes.len()).collect(),
            after: HashMap::new(),
            place: vec![0; graph.nodes.len()],
            ready: BTreeSet::new(),
            jobs: Some(jobs),
            queue: Arc::new(Mutex::new(queue)),
            answers,
            workers: 0,
            running: 0,
            needed,
        };
        for (place, &id) in graph.order.iter().enumerate() {
            if let Some(slot) = walk.place.get_mut(id) {
                *slot = place;
            }
            if walk.needed.get(id) != Some(&true) {
                continue;
            }
            let before: Vec<NodeId> = walk.before(id);
            for &other in &before {
                walk.after.entry(other).or_default().push(id);
            }
            if let Some(state) = walk.states.get_mut(id) {
                state.waits = before.len();
            }
            if before.is_empty() {
                walk.ready.insert((place, id));
            }
        }
        walk
    }

    fn before(&self, id: NodeId) -> Vec<NodeId> {
        let node = self.context.graph.nodes.get(id);
        node.into_iter()
            .flat_map(|node| node.inputs.iter().map(|(_, input)| *input).chain(node.gates.iter().copied()))
            .filter(|&before| self.needed.get(before) == Some(&true))
            .collect()
    }

    fn name(&self, id: NodeId) -> &'a str {
        self.context.graph.nodes.get(id).map_or("", |node| node.name.as_str())
    }

    fn all(&mut self, answered: &mpsc::Receiver<Answer>) {
        loop {
            while let Some((_, id)) = self.ready.pop_first() {
                self.visit(id);
            }
            if self.running == 0 {
                break;
            }
            let Ok(answer) = answered.recv() else { break };
            self.take(answer);
        }
        // Without a sender the workers end.
        self.jobs = None;
    }

    /// Looks a node up whose inputs are all there; sends it to a worker where that is not enough.
    fn visit(&mut self, id: NodeId) {
        if self.context.options.cancel.is_cancelled() {
            return self.skip(id, "stopped".into());
        }
        let bad = self.before(id).into_iter().find(|&before| self.states.get(before).is_none_or(|state| !state.good));
        if let Some(bad) = bad {
            return self.skip(id, self.name(bad).to_owned());
        }
        let started = Instant::now();
        let Some(node) = self.node_run(id) else { return self.skip(id, "its inputs".into()) };
        match node.quick() {
            Ok(Ok(done)) => self.finish(id, Ok(done), started.elapsed().as_secs_f64()),
            Ok(Err(_)) | Err(Fault::Missing(_)) => self.send(Job { id, node, forced: None }),
            Err(fault) => self.finish(id, Err(fault), started.elapsed().as_secs_f64()),
        }
    }

    fn node_run(&self, id: NodeId) -> Option<NodeRun<'a>> {
        let node = self.context.graph.nodes.get(id)?;
        NodeRun::new(self.context, id, node, |input| self.states.get(input)?.table.clone())
    }

    fn send(&mut self, job: Job<'a>) {
        self.running += 1;
        if let Some(state) = self.states.get_mut(job.id) {
            state.running = true;
        }
        if self.workers < self.context.options.jobs.max(1) && self.workers < self.running {
            self.workers += 1;
            let (context, queue, answers) = (self.context, self.queue.clone(), self.answers.clone());
            self.scope.spawn(move || work(context, &queue, &answers));
        }
        if let Some(jobs) = &self.jobs
            && jobs.send(job).is_err()
        {
            tracing::error!("the workers of this run are gone");
        }
    }

    fn take(&mut self, answer: Answer) {
        self.running -= 1;
        if let Some(state) = self.states.get_mut(answer.id) {
            state.running = false;
        }
        match answer.result {
            Err(Fault::Missing(producer)) => self.make_again(answer.id, producer),
            result => self.finish(answer.id, result, answer.seconds),
        }
    }

    /// The rows of `producer` are gone, and `id` needs them.
    fn make_again(&mut self, id: NodeId, producer: NodeId) {
        let Some(state) = self.states.get_mut(producer) else { return };
        state.waiters.push(id);
        if state.running {
            return;
        }
        state.recomputes += 1;
        if state.recomputes > MOST_RECOMPUTES {
            let waiters = std::mem::take(&mut state.waiters);
            for waiter in waiters {
                let message = format!(
                    "the cache keeps losing the rows of `{}`: `everfresh verify` tells whether it is damaged, a larger max_size whether it is too small",
                    self.name(producer)
                );
                self.finish(waiter, Err(Fault::Failed(crate::fault::Failure::Other(message))), 0.0);
            }
            return;
        }
        match self.node_run(producer) {
            Some(node) => self.send(Job { id: producer, node, forced: Some(Reason::RowsGone) }),
            None => self.finish(producer, Err(Fault::Cancelled), 0.0),
        }
    }

    fn skip(&mut self, id: NodeId, on: String) {
        let report = Done::new(Outcome::Skipped, Reason::Waits(on)).report(self.name(id), self.kind(id), 0.0);
        self.settle(id, report, None, false);
    }

    fn kind(&self, id: NodeId) -> &'static str {
        self.context.graph.nodes.get(id).map_or("", |node| node.kind_name())
    }

    fn finish(&mut self, id: NodeId, result: Result<Done, Fault>, seconds: f64) {
        let (name, kind) = (self.name(id), self.kind(id));
        match result {
            Ok(done) => {
                let good = done.outcome != Outcome::Failed;
                self.settle(id, done.report(name, kind, seconds), done.table, good);
            }
            Err(Fault::Cancelled | Fault::Missing(_)) => self.skip(id, "stopped".into()),
            Err(Fault::Failed(failure)) => {
                let mut report = Done::new(Outcome::Failed, Reason::Failed).report(name, kind, seconds);
                report.error = Some(self.context.describe(name, &failure));
                self.settle(id, report, None, false);
            }
        }
    }

    fn settle(&mut self, id: NodeId, report: NodeReport, table: Option<Arc<Table>>, good: bool) {
        self.context.tell(Event::Ended(&report));
        let Some(state) = self.states.get_mut(id) else { return };
        let first = state.report.is_none();
        state.report = Some(report);
        state.table = table;
        state.good = good;
        let waiters = std::mem::take(&mut state.waiters);
        for waiter in waiters {
            if let Some(place) = self.place.get(waiter) {
                self.ready.insert((*place, waiter));
            }
        }
        if !first {
            return;
        }
        for &next in self.after.get(&id).into_iter().flatten() {
            let Some(state) = self.states.get_mut(next) else { continue };
            state.waits -= 1;
            if state.waits == 0
                && let Some(place) = self.place.get(next)
            {
                self.ready.insert((*place, next));
            }
        }
    }

    fn reports(self) -> Vec<NodeReport> {
        let Self { context, mut states, .. } = self;
        context.graph.order.iter().filter_map(|&id| states.get_mut(id)?.report.take()).collect()
    }
}

/// What a worker does until there is no more to do. A panic below becomes the failure of its node.
fn work<'a>(context: &'a Context<'a>, queue: &Mutex<mpsc::Receiver<Job<'a>>>, answers: &mpsc::Sender<Answer>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { id, node, forced }) = job else { return };
        let started = Instant::now();
        let name = context.graph.nodes.get(id).map_or("", |node| node.name.as_str());
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| node.work(context, name, forced)))
            .unwrap_or_else(|_| {
                let message = format!("`{name}` ended in a panic, which is a bug in everfresh: please report it");
                Err(Fault::Failed(crate::fault::Failure::Other(message)))
            });
        if answers.send(Answer { id, result, seconds: started.elapsed().as_secs_f64() }).is_err() {
            return;
        }
    }
}

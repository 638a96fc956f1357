//! Steps: looked up whole, computed whole or partition by partition.

use super::{
    Context,
    attempts::attempts,
    context::elapsed_ns,
    done::{Done, Looked, NodeRecord},
    kept::{Kept, asked_for, store_table},
    lookup::{Depth, expired},
    query_run::{Prepared, Reads, Terms, observe, observe_to_store, trace},
};
use crate::{
    engine::Cancel,
    fault::{Failure, Fault},
    graph::NodeId,
    key::{KeyParts, OPERATORS},
    query::Query,
    reason::Reason,
    report::Event,
    sabotage::Sabotage,
    spec::model::Step,
    table::{Facts, Input, PartRecord, TableRecord},
};
use everfresh::{Fingerprint, FingerprintBuilder, disk::Space, observation::Observation, trace::Traces};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

/// A step at work.
pub struct StepRun<'a> {
    /// The run.
    pub context: &'a Context<'a>,
    /// Its node.
    pub id: NodeId,
    /// What the file says.
    pub step: &'a Step,
    /// Its query.
    pub query: &'a Query,
    /// The input that is taken partition by partition.
    pub partition_of: Option<&'a str>,
    /// Its input tables.
    pub inputs: Vec<Input>,
}

impl StepRun<'_> {
    /// The parts of its key; `kind` tells whole steps from single partitions.
    pub fn key_parts(&self, kind: &str) -> KeyParts {
        let cache = self.context.cache;
        let query = if cache.planted(Sabotage::IgnoreSql) { &self.step.name } else { &self.query.parsed.normal };
        let params: Vec<_> = self.query.params.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        KeyParts {
            kind: kind.to_owned(),
            operators: OPERATORS,
            engine: self.context.cache.engine_version().to_owned(),
            cache_version: self.context.spec.cache.version,
            query: query.clone(),
            params: if cache.planted(Sabotage::IgnoreParams) { Vec::new() } else { params },
            partition_of: self.partition_of.map(str::to_owned),
            unrepeatable: self.allow_unrepeatable(),
            code: Vec::new(),
        }
    }

    /// A bounded life, or none, is what an unrepeatable result needs.
    fn allow_unrepeatable(&self) -> bool {
        self.step.ttl.is_some() || !self.step.enabled
    }

    fn terms(&self) -> Terms {
        Terms { allow_unrepeatable: self.allow_unrepeatable(), partition_of: self.partition_of.map(str::to_owned) }
    }

    /// What its results are kept under.
    fn kept(&self) -> Kept<'_> {
        Kept { context: self.context, id: self.id, step: self.step, inputs: &self.inputs, parts: self.key_parts("step") }
    }

    /// Looks whether the result can be served.
    pub fn lookup(&self, depth: Depth) -> Result<Looked, Fault> {
        match asked_for(self.context, self.step) {
            Some(reason) => Ok(Err(reason)),
            None => self.kept().lookup(depth),
        }
    }

    /// Computes the result and stores it.
    pub fn compute(&self, reason: Reason) -> Result<Done, Fault> {
        attempts(self.context, self.step, |cancel| self.attempt(cancel, &reason))
    }

    fn attempt(&self, cancel: &Cancel, reason: &Reason) -> Result<Done, Fault> {
        let started = Instant::now();
        let computed = match self.partition_of {
            Some(name) => self.by_partition(name, cancel)?,
            None => self.whole(cancel, started)?,
        };
        let Computed { facts, reads, cost_ns, note } = computed;
        let id = store_table(self.context.cache, &facts)?;
        let trace = observe_to_store(self.context, &self.inputs, &reads)?
            .map(|observations| trace(observations, id, facts.rows(), facts.bytes(), cost_ns));
        self.kept().store(id, facts, trace, note, reason)
    }

    fn progress(&self) -> impl Fn(u64) + Sync + '_ {
        |rows| self.context.tell(Event::Progress { name: &self.step.name, rows })
    }

    fn whole(&self, cancel: &Cancel, started: Instant) -> Result<Computed, Fault> {
        let prepared = Prepared::new(self.context, self.query, &self.inputs, &self.terms())?;
        let (written, reads) = prepared.write(self.context, self.query, cancel, started, &self.progress())?;
        let facts = Facts::new(written.schema, vec![written.part]);
        Ok(Computed { facts, reads, cost_ns: elapsed_ns(started), note: None })
    }

    /// The inputs, with one partition in the place of the partitioned table.
    fn with_partition(&self, name: &str, part: usize) -> Vec<Input> {
        let one = |input: &Input| Input { part: (input.name == name).then_some(part), ..input.clone() };
        self.inputs.iter().map(one).collect()
    }

    fn by_partition(&self, name: &str, cancel: &Cancel) -> Result<Computed, Fault> {
        let cache = self.context.cache;
        let Some(input) = self.inputs.iter().find(|input| input.name == name) else {
            return Err(Fault::Failed(Failure::Other(format!("`{name}` is no input of `{}`", self.step.name))));
        };
        let partitions = input.table.facts(cache)?.parts.len();
        // Planning tells which columns the whole reads; its partitions read the same ones.
        let reads = Prepared::new(self.context, self.query, &self.inputs, &self.terms())?.reads;
        let (rows, computed) = (AtomicU64::new(0), AtomicUsize::new(0));
        let progress = self.progress();
        let parts = in_parallel(self.context.options.jobs, partitions, |index| {
            let inputs = self.with_partition(name, index);
            let part = match self.stored_partition(&inputs, &reads)? {
                Some(part) => part,
                None => {
                    computed.fetch_add(1, Ordering::Relaxed);
                    self.compute_partition(&inputs, cancel)?
                }
            };
            progress(rows.fetch_add(part.facts.rows(), Ordering::Relaxed) + part.facts.rows());
            Ok(part)
        })?;
        let Some(schema) = parts.first().map(|part| part.facts.schema.clone()) else {
            return Err(Fault::Failed(Failure::Other(format!("`{name}` has no partition"))));
        };
        let cost_ns = parts.iter().map(|part| part.cost_ns).sum();
        let node = self.context.node_key(&self.step.name);
        NodeRecord::store_partitions(cache, &node, parts.iter().filter_map(|part| part.key).collect())?;
        let all: Vec<PartRecord> = parts.into_iter().flat_map(|part| part.facts.parts).collect();
        let note = format!("{} of {partitions} partitions computed", computed.into_inner());
        Ok(Computed { facts: Facts::new(schema, all), reads, cost_ns, note: Some(note) })
    }

    /// The key of one partition's result: what it reads is part of it, since that is known once the whole is planned.
    /// So any number of partitions have a key each, and one that moved, or changed in another column, is found again.
    fn partition_key(&self, observations: &[Observation]) -> Fingerprint {
        let mixed = self.context.cache.planted(Sabotage::MixPartitions);
        let builder = FingerprintBuilder::new("everfresh.partition").fingerprint(&self.key_parts("partition").key());
        builder
            .list(observations, |builder, observation| match observation {
                Observation::Table(table) if !mixed => builder
                    .str(&table.name)
                    .fingerprint(&table.schema)
                    .u64(table.rows)
                    .list(&table.columns, |builder, (name, content)| builder.str(name).fingerprint(content)),
                _ => builder,
            })
            .finish()
    }

    /// One partition from the cache, if it is there.
    fn stored_partition(&self, inputs: &[Input], reads: &Reads) -> Result<Option<Partition>, Fault> {
        let cache = self.context.cache;
        if !self.step.enabled || self.context.refreshes(&self.step.name) {
            return Ok(None);
        }
        let key = self.partition_key(&observe(self.context, inputs, reads)?);
        let live = cache.traces(&key).0.into_iter().find(|trace| expired(trace.made_ns, self.step.ttl).is_none());
        let Some(trace) = live else { return Ok(None) };
        let facts = cache.record::<TableRecord>(Space::Tables, &trace.output).and_then(Facts::from_record);
        let there = facts
            .filter(|facts| facts.parts.iter().all(|part| part.blob.is_some_and(|blob| cache.store.has_blob(&blob))));
        Ok(there.map(|facts| Partition { facts, key: Some(key), cost_ns: trace.cost_ns }))
    }

    fn compute_partition(&self, inputs: &[Input], cancel: &Cancel) -> Result<Partition, Fault> {
        let (cache, started) = (self.context.cache, Instant::now());
        let prepared = Prepared::new(self.context, self.query, inputs, &self.terms())?;
        let (written, reads) = prepared.write(self.context, self.query, cancel, started, &|_| {})?;
        let facts = Facts::new(written.schema, vec![written.part]);
        let (id, cost_ns) = (store_table(cache, &facts)?, elapsed_ns(started));
        let mut key = None;
        if let Some(observations) = observe_to_store(self.context, inputs, &reads)? {
            let key = key.insert(self.partition_key(&observations));
            if self.step.enabled {
                let trace = trace(observations, id, facts.rows(), facts.bytes(), cost_ns);
                cache.put(Space::Traces, key, &Traces(vec![trace]), &[])?;
            }
        }
        Ok(Partition { facts, key, cost_ns })
    }
}

/// What an attempt came to.
struct Computed {
    facts: Facts,
    reads: Reads,
    /// What it took; what partitions that were not computed now took once, included.
    cost_ns: u64,
    note: Option<String>,
}

/// The result of one partition.
struct Partition {
    facts: Facts,
    /// Under which it is stored; `None` if an input changed meanwhile.
    key: Option<Fingerprint>,
    /// What computing it took.
    cost_ns: u64,
}

/// Does `work` for each index, on at most `jobs` threads; the results in order, or the first fault.
///
/// These are threads of their own and not rayon's: a partition waits for locks and for the query engine, and a thread
/// of rayon's that waits could be holding up the very work that it waits for.
fn in_parallel<T: Send>(
    jobs: usize,
    count: usize,
    work: impl Fn(usize) -> Result<T, Fault> + Sync,
) -> Result<Vec<T>, Fault> {
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(count)));
    let failed = Mutex::new(None);
    let lock = |fault| *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, count.max(1)) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    match work(index) {
                        Ok(result) => results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result)),
                        Err(fault) => {
                            next.store(count, Ordering::Relaxed);
                            return lock(fault);
                        }
                    }
                }
            });
        }
    });
    if let Some(fault) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(fault);
    }
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

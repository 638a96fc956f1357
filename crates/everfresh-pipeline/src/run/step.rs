//! Steps: looked up whole, computed whole or partition by partition.

use super::{
    Context,
    done::{Done, Looked, NodeRecord},
    lookup::{Depth, Lookup, expiry, lookup, renewed},
    query_run::{Prepared, Terms, may_store, observe, trace},
};
use crate::{
    engine::Cancel,
    fault::{Failure, Fault},
    graph::NodeId,
    key::{KeyParts, OPERATORS},
    query::Query,
    reason::Reason,
    report::{Event, Outcome},
    sabotage::Sabotage,
    spec::model::Step,
    table::{Facts, Input, Origin, PartRecord, Table, TableRecord},
};
use everfresh::{
    Fingerprint, FingerprintBuilder,
    disk::Space,
    observation::Observation,
    trace::{Trace, Traces},
};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
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
        }
    }

    /// A bounded life, or none, is what an unrepeatable result needs.
    fn allow_unrepeatable(&self) -> bool {
        self.step.ttl.is_some() || !self.step.enabled
    }

    fn terms(&self) -> Terms {
        Terms { allow_unrepeatable: self.allow_unrepeatable(), partition_of: self.partition_of.map(str::to_owned) }
    }

    /// Looks whether the result can be served.
    pub fn lookup(&self, depth: Depth) -> Result<Looked, Fault> {
        let cache = self.context.cache;
        if self.context.refreshes(&self.step.name) {
            return Ok(Err(Reason::Refreshed));
        }
        if !self.step.enabled {
            return Ok(Err(Reason::Disabled));
        }
        let parts = self.key_parts("step");
        let key = parts.key();
        match lookup(cache, &key, &self.inputs, self.step.ttl, depth)? {
            Lookup::Hit(trace, reason) => {
                if reason != Reason::Unchanged {
                    cache.remember(&key, renewed(cache, &trace, &self.inputs)?)?;
                }
                Ok(Ok(self.hit(&trace, reason)))
            }
            Lookup::Miss(reason) if reason == Reason::New && depth == Depth::Facts => {
                let changes = NodeRecord::load(cache, &self.context.node_key(&self.step.name)).changes(&parts);
                Ok(Err(if changes.is_empty() { Reason::New } else { Reason::Changed(changes) }))
            }
            Lookup::Miss(reason) => Ok(Err(reason)),
        }
    }

    fn hit(&self, trace: &Trace, reason: Reason) -> Done {
        Done {
            table: Some(Arc::new(Table::known(trace.output, Origin::Stored(self.id)))),
            rows: Some(trace.rows),
            bytes: Some(trace.bytes),
            fingerprint: Some(trace.output),
            saved_ns: trace.cost_ns,
            ..Done::new(Outcome::Hit, reason)
        }
    }

    /// Computes the result and stores it.
    pub fn compute(&self, reason: Reason) -> Result<Done, Fault> {
        let mut attempt = 0;
        loop {
            let cancel = self.context.options.cancel.within(self.step.timeout);
            let fault = match self.attempt(&cancel, &reason) {
                Ok(done) => return Ok(done),
                Err(fault) => fault,
            };
            let (fault, again) = match fault {
                Fault::Cancelled if cancel.is_late() && !self.context.options.cancel.is_cancelled() => {
                    let limit = self.step.timeout.unwrap_or_default();
                    (Fault::Failed(Failure::Other(format!("it took longer than its timeout of {limit:?}"))), true)
                }
                Fault::Failed(failure) => {
                    let again = failure.may_pass();
                    (Fault::Failed(failure), again)
                }
                other => (other, false),
            };
            attempt += 1;
            if !again || attempt > self.step.retries {
                return Err(fault);
            }
            tracing::warn!(step = %self.step.name, attempt, %fault, "failed, trying again");
        }
    }

    fn attempt(&self, cancel: &Cancel, reason: &Reason) -> Result<Done, Fault> {
        let (cache, started) = (self.context.cache, Instant::now());
        let (facts, trace, note) = match self.partition_of {
            Some(name) => {
                let (facts, trace, computed) = self.by_partition(name, cancel, started)?;
                let note = format!("{computed} of {} partitions computed", facts.parts.len());
                (facts, trace, Some(note))
            }
            None => {
                let (facts, trace) = self.whole(cancel, started)?;
                (facts, trace, None)
            }
        };
        let table = Arc::new(Table::with_facts(trace.output, Origin::Stored(self.id), facts));
        let mut done = Done {
            table: Some(table),
            rows: Some(trace.rows),
            bytes: Some(trace.bytes),
            fingerprint: Some(trace.output),
            note,
            ..Done::new(Outcome::Ran, reason.clone())
        };
        if !may_store(self.context, &self.inputs)? {
            done.note = Some(
                "an input changed or was out of date while this ran: not stored, so the next run computes it again"
                    .into(),
            );
            return Ok(done);
        }
        let parts = self.key_parts("step");
        if self.step.enabled {
            cache.remember(&parts.key(), trace)?;
        }
        NodeRecord::store(cache, &self.context.node_key(&self.step.name), &parts)?;
        Ok(done)
    }

    fn progress(&self) -> impl Fn(u64) + Sync + '_ {
        |rows| self.context.tell(Event::Progress { name: &self.step.name, rows })
    }

    fn whole(&self, cancel: &Cancel, started: Instant) -> Result<(Facts, Trace), Fault> {
        let prepared = Prepared::new(self.context, self.query, &self.inputs, &self.terms())?;
        let observations = prepared.observations.clone();
        let written = prepared.write(self.context, self.query, cancel, started, &self.progress())?;
        let facts = Facts::new(written.schema, vec![written.part]);
        let id = self.store_table(&facts)?;
        let trace = trace(observations, id, facts.rows(), facts.bytes(), started);
        Ok((facts, trace))
    }

    fn store_table(&self, facts: &Facts) -> Result<Fingerprint, Fault> {
        let (id, record) = (facts.content_id(), facts.record());
        self.context.cache.put(Space::Tables, &id, &record, &record.blobs())?;
        Ok(id)
    }

    /// The inputs, with one partition in the place of the partitioned table.
    fn with_partition(&self, name: &str, part: usize) -> Vec<Input> {
        let one = |input: &Input| Input { part: (input.name == name).then_some(part), ..input.clone() };
        self.inputs.iter().map(one).collect()
    }

    /// Facts and trace of the whole, and how many partitions were computed now.
    fn by_partition(&self, name: &str, cancel: &Cancel, started: Instant) -> Result<(Facts, Trace, usize), Fault> {
        let cache = self.context.cache;
        let Some(input) = self.inputs.iter().find(|input| input.name == name) else {
            return Err(Fault::Failed(Failure::Other(format!("`{name}` is no input of `{}`", self.step.name))));
        };
        let partitions = input.table.facts(cache)?.parts.len();
        // Planning tells which columns the whole reads; its partitions read the same ones.
        let prepared = Prepared::new(self.context, self.query, &self.inputs, &self.terms())?;
        let (observations, reads) = (prepared.observations.clone(), prepared.reads.clone());
        drop(prepared);
        let (rows, computed) = (AtomicU64::new(0), AtomicUsize::new(0));
        let progress = self.progress();
        let parts = in_parallel(self.context.options.jobs, partitions, |index| {
            let part = self.one_partition(&self.with_partition(name, index), &reads, cancel)?;
            computed.fetch_add(usize::from(part.ran), Ordering::Relaxed);
            progress(rows.fetch_add(part.facts.rows(), Ordering::Relaxed) + part.facts.rows());
            Ok(part)
        })?;
        let Some(schema) = parts.first().map(|part| part.facts.schema.clone()) else {
            return Err(Fault::Failed(Failure::Other(format!("`{name}` has no partition"))));
        };
        let cost_ns = parts.iter().map(|part| part.cost_ns).sum();
        let keys = parts.iter().map(|part| part.key).collect();
        NodeRecord::store_partitions(cache, &self.context.node_key(&self.step.name), keys)?;
        let all: Vec<PartRecord> = parts.into_iter().flat_map(|part| part.facts.parts).collect();
        let facts = Facts::new(schema, all);
        let id = self.store_table(&facts)?;
        let mut trace = trace(observations, id, facts.rows(), facts.bytes(), started);
        trace.cost_ns = cost_ns;
        Ok((facts, trace, computed.into_inner()))
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

    /// One partition, from the cache where it is there.
    fn one_partition(&self, inputs: &[Input], reads: &[Vec<usize>], cancel: &Cancel) -> Result<Partition, Fault> {
        let (cache, started) = (self.context.cache, Instant::now());
        let observations = observe(self.context, inputs, reads)?;
        let key = self.partition_key(&observations);
        if self.step.enabled
            && !self.context.refreshes(&self.step.name)
            && let Some(trace) = cache.traces(&key).0.into_iter().find(|trace| expiry(trace, self.step.ttl).is_none())
            && let Some(facts) = cache.record::<TableRecord>(Space::Tables, &trace.output).and_then(Facts::from_record)
            && facts.parts.iter().all(|part| part.blob.is_some_and(|blob| cache.store.has_blob(&blob)))
        {
            return Ok(Partition { facts, key, cost_ns: trace.cost_ns, ran: false });
        }
        let prepared = Prepared::new(self.context, self.query, inputs, &self.terms())?;
        let written = prepared.write(self.context, self.query, cancel, started, &|_| {})?;
        let facts = Facts::new(written.schema, vec![written.part]);
        let id = self.store_table(&facts)?;
        let trace = trace(observations, id, facts.rows(), facts.bytes(), started);
        let cost_ns = trace.cost_ns;
        if self.step.enabled && may_store(self.context, inputs)? {
            cache.put(Space::Traces, &key, &Traces(vec![trace]), &[])?;
        }
        Ok(Partition { facts, key, cost_ns, ran: true })
    }
}

/// The result of one partition.
struct Partition {
    facts: Facts,
    key: Fingerprint,
    /// What computing it took.
    cost_ns: u64,
    /// Whether that was now.
    ran: bool,
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

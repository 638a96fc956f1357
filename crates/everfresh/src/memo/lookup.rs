//! A lookup of one key: which of its results holds, and how old it is.

use super::{
    Memo,
    age::{Age, expired_for},
    cache::Inner,
    counts::{add, count},
    disk::Stored,
    held::{Held, Kept},
    reason::{Explanation, Reason, Tier},
    terms::Terms,
};
use crate::{
    Fingerprint,
    memory::Served,
    recording::{World, current},
    trace::Trace,
};
use std::{
    cell::LazyCell,
    sync::Arc,
    time::{Duration, Instant},
};

/// A call whose key is known.
pub(super) struct Lookup<'a, V> {
    pub(super) memo: &'a Memo<V>,
    pub(super) key: Fingerprint,
    pub(super) terms: &'a Terms<V>,
}

/// A result of which all holds but perhaps its time.
pub(super) struct Found<V> {
    pub(super) held: Arc<Held<V>>,
    pub(super) tier: Tier,
    pub(super) age: Age,
    /// Whether it is to be computed anew while it is served.
    pub(super) due: bool,
}

impl<V> Clone for Found<V> {
    fn clone(&self) -> Self {
        Self { held: Arc::clone(&self.held), ..*self }
    }
}

impl<V> Lookup<'_, V> {
    pub(super) fn world(&self) -> World<'_> {
        let inner = &*self.memo.inner;
        World::new(inner.store(), &self.terms.values, inner.versions.as_ref())
    }

    /// The first result of the key whose trace holds: in memory, then on disk, one that is stale only if there is no other.
    /// If `anew`, one that is due counts as if it were stale.
    pub(super) fn find(&self, anew: bool) -> Result<Found<V>, Reason> {
        let started = Instant::now();
        let found = self.look(anew);
        self.memo.inner.counts.looked(started.elapsed());
        found
    }

    fn look(&self, anew: bool) -> Result<Found<V>, Reason> {
        let (inner, world) = (&*self.memo.inner, self.world());
        let clock = LazyCell::new(|| inner.now_ns());
        let now = || *clock;
        let found = |held: Arc<Held<V>>, tier, age| Found { due: inner.ages.is_due(&held, now), held, tier, age };
        let is_good = |found: &Found<V>| found.age == Age::Fresh && !(anew && found.due);
        let (mut nearest, mut old) = (Nearest::default(), None);
        let kept = inner.memory.get(&self.key);
        for held in kept.iter().flat_map(|kept| &kept.0) {
            match self.check(&world, &held.trace, now) {
                Ok(age) => {
                    let found = found(Arc::clone(held), Tier::Memory, age);
                    if is_good(&found) {
                        return Ok(found);
                    }
                    old.get_or_insert(found);
                }
                Err(failed) => nearest.add(failed),
            }
        }
        let Some(disk) = &inner.disk else { return old.ok_or_else(|| nearest.reason()) };
        for stored in disk.traces(&self.key) {
            let age = match self.check(&world, &stored.trace, now) {
                Ok(Age::Stale) if old.is_some() => continue,
                Ok(age) => age,
                Err(failed) => {
                    nearest.add(failed);
                    continue;
                }
            };
            match disk.value(&stored) {
                Ok(value) => {
                    let held = Arc::new(inner.weighed(Held::new(stored.trace, value)));
                    let found = found(held, Tier::Disk, age);
                    if is_good(&found) || old.is_none() {
                        inner.remember(&self.key, &found.held, &world);
                    }
                    if is_good(&found) {
                        return Ok(found);
                    }
                    old.get_or_insert(found);
                }
                Err(reason) => nearest.add((usize::MAX, reason)),
            }
        }
        old.ok_or_else(|| nearest.reason())
    }

    /// How old the result of a trace is that holds now and has all that this call depends on; else how many of its
    /// observations do, and why not.
    pub(super) fn check(
        &self,
        world: &World<'_>,
        trace: &Trace,
        now: impl FnOnce() -> i64,
    ) -> Result<Age, (usize, Reason)> {
        for (at, observation) in trace.observations.iter().enumerate() {
            world.check(observation).map_err(|reason| (at, reason))?;
        }
        let all = trace.observations.len();
        let age = self.memo.inner.ages.of(trace, now).map_err(|ago| (all, Reason::Expired { ago }))?;
        match self.terms.missing(&trace.observations) {
            Some(name) => Err((all, Reason::ValueChanged { name })),
            None => Ok(age),
        }
    }

    /// Whether a result holds now, whatever its age.
    pub(super) fn holds(&self, held: &Held<V>) -> Option<Age> {
        self.check(&self.world(), &held.trace, || self.memo.inner.now_ns()).ok()
    }

    /// Whether a result holds now and is fresh.
    pub(super) fn check_fresh(&self, trace: &Trace) -> Result<(), Reason> {
        let now = self.memo.inner.now_ns();
        match self.check(&self.world(), trace, || now).map_err(|(_, reason)| reason)? {
            Age::Fresh => Ok(()),
            Age::Stale => Err(Reason::Expired { ago: expired_for(trace.expires_ns.unwrap_or(now), now) }),
        }
    }

    /// What the call would do now, and why.
    pub(super) fn explain(&self) -> Explanation {
        let (inner, world) = (&*self.memo.inner, self.world());
        let (mut nearest, mut old) = (Nearest::default(), None);
        let now = inner.now_ns();
        let hit = |tier, trace: &Trace, age| Explanation::Hit {
            tier,
            cost: Duration::from_nanos(trace.cost_ns),
            observed: trace.observations.iter().map(ToString::to_string).collect(),
            stale: (age == Age::Stale).then(|| expired_for(trace.expires_ns.unwrap_or(now), now)),
        };
        let kept = inner.memory.peek(&self.key).unwrap_or_else(|| Arc::new(Kept(Vec::new())));
        let stored = inner.disk.as_ref().map(|disk| disk.traces(&self.key)).unwrap_or_default();
        let in_memory = kept.0.iter().map(|held| (Tier::Memory, &held.trace));
        for (tier, trace) in in_memory.chain(stored.iter().map(|Stored { trace, .. }| (Tier::Disk, trace))) {
            let is_there = || inner.disk.as_ref().is_some_and(|disk| disk.store.has_blob(&trace.output));
            match self.check(&world, trace, || now) {
                Ok(_) if tier == Tier::Disk && !is_there() => nearest.add((usize::MAX, Reason::ResultGone)),
                Ok(Age::Fresh) => return hit(tier, trace, Age::Fresh),
                Ok(Age::Stale) => _ = old.get_or_insert_with(|| hit(tier, trace, Age::Stale)),
                Err(failed) => nearest.add(failed),
            }
        }
        old.unwrap_or_else(|| Explanation::Miss { reason: nearest.reason() })
    }
}

impl<V> Found<V> {
    /// What was computed just now.
    pub(super) fn new(held: Arc<Held<V>>) -> Self {
        Self { held, tier: Tier::Memory, age: Age::Fresh, due: false }
    }

    pub(super) fn served(self) -> Served<V>
    where
        V: Clone,
    {
        // What nobody keeps need not be copied.
        let value = Arc::try_unwrap(self.held).map_or_else(|held| held.value.clone(), |held| held.value);
        Served { value, stale: self.age == Age::Stale }
    }
}

impl<V> Inner<V> {
    /// Counts a call that found nothing, and why. Apart from what hits take.
    #[cold]
    #[inline(never)]
    pub(super) fn count_miss(&self, key: &Fingerprint, reason: &Reason) {
        count(&self.counts.misses);
        match reason {
            Reason::New | Reason::ResultGone => add(&self.counts.ghost_hits, self.memory.ghost_hits(key)),
            Reason::Expired { .. } => count(&self.counts.expired),
            _ => count(&self.counts.outdated),
        }
    }

    /// A value that was found is used by a caller who now depends on all that it depends on.
    pub(super) fn serve(&self, found: Found<V>) -> Found<V> {
        self.counts.saved(found.held.trace.cost_ns);
        self.hand_up(&found.held);
        if found.age == Age::Stale {
            count(&self.counts.stale);
            if let Some(caller) = current() {
                caller.recorded().refuse(|| format!("a result of `{}` that it used was served stale", self.name));
            }
        }
        self.tell();
        found
    }
}

/// Why the trace that came nearest does not hold: the one with the most observations that do.
#[derive(Default)]
struct Nearest(Option<(usize, Reason)>);

impl Nearest {
    fn add(&mut self, failed: (usize, Reason)) {
        if self.0.as_ref().is_none_or(|(held, _)| *held < failed.0) {
            self.0 = Some(failed);
        }
    }

    fn reason(self) -> Reason {
        self.0.map_or(Reason::New, |(_, reason)| reason)
    }
}

//! What a computation depends on when it begins, and how its value goes in.
//!
//! A result that was asked for anew takes the place of the old one in one step: its trace observes the key's *next*
//! generation and is stored first; then that generation begins, with which all older traces of the key, and of whoever used
//! them, are out of date.

use super::{
    age::signed,
    cache::Inner,
    counts::count,
    held::{Held, Kept},
    lookup::Lookup,
    terms::Terms,
};
use crate::{
    Fingerprint,
    build_id::build_id,
    memory::{nanoseconds, tell_all},
    observation::Observation,
    recording::{Frame, Generations, Recorded, World, current, random},
    trace::Trace,
};
use std::{sync::Arc, time::Duration};

impl<V> Lookup<'_, V> {
    /// A value that was computed, with its trace; not to be kept if what was read changed meanwhile.
    pub(super) fn hold(&self, mut recorded: Recorded, value: V, began_ns: i64, took: Duration) -> Held<V> {
        let inner = &*self.memo.inner;
        let ttl = inner.ttl(self.terms, Some(&value));
        recorded.expire_by(ttl.map(|ttl| began_ns.saturating_add(signed(inner.ages.shortened(ttl)))));
        recorded.settle();
        if let Some(what) = recorded.effect() {
            inner.count_effect(&what);
        }
        let (expires_ns, unstorable) = (recorded.expires_ns, recorded.unsteady(&self.world()));
        let trace = Trace {
            observations: recorded.into_observations(),
            output: Fingerprint::from_bytes([0; 32]),
            cost_ns: nanoseconds(took),
            bytes: 0,
            rows: 0,
            made_ns: inner.now_ns(),
            expires_ns,
        };
        Held { unstorable, ..Held::new(trace, value) }
    }

    /// Keeps a value, unless it is not to be kept.
    pub(super) fn keep(&self, mut held: Held<V>) -> Arc<Held<V>> {
        let (inner, world) = (&*self.memo.inner, self.world());
        if held.unstorable.is_none() {
            let next = if self.terms.anew { self.follow(&mut held.trace) } else { None };
            held = inner.weighed(held);
            if let Some(disk) = &inner.disk {
                let stays = |trace: &Trace| !world.is_invalidated(&trace.observations);
                if let Err(error) = disk.put(&self.key, &mut held, stays) {
                    inner.not_kept(&error);
                }
            }
            held.unstorable = next.and_then(|(before, next)| self.begin(before, next));
        }
        if let Some(why) = &held.unstorable {
            inner.not_kept(why);
            if self.terms.anew {
                // Whoever asked for a new result has it, so nobody is to get the old one.
                self.memo.outdate(&Generations::of_key(&self.key));
            }
            return Arc::new(held);
        }
        let held = Arc::new(held);
        inner.remember(&self.key, &held, &self.world());
        inner.tell();
        held
    }

    /// Lets a trace observe the generation of its key that comes next. The one before and that.
    fn follow(&self, trace: &mut Trace) -> Option<(u64, u64)> {
        let of_key = Generations::of_key(&self.key);
        let own = trace.observations.iter_mut().find_map(|observation| match observation {
            Observation::Generation { of, generation, .. } if *of == of_key => Some(generation),
            _ => None,
        })?;
        let next = random();
        Some((std::mem::replace(own, next), next))
    }

    /// Begins the generation of the key that follows `before`. If there is another one by now, why what was computed is not
    /// kept.
    fn begin(&self, before: u64, next: u64) -> Option<String> {
        let inner = &*self.memo.inner;
        match Generations::new(inner.store()).succeed(&Generations::of_key(&self.key), before, next) {
            Ok(true) => None,
            Ok(false) => Some(format!("{} ({}) was invalidated while it was computed", inner.name, self.key.short())),
            Err(error) => Some(error.to_string()),
        }
    }
}

impl<V> Inner<V> {
    /// A frame for a computation, with all that is known to be read before it begins.
    pub(super) fn frame(&self, terms: &Terms<V>, key: Option<&Fingerprint>) -> Arc<Frame> {
        let frame = Frame::traced(key, self.store().cloned(), Arc::clone(&self.clock));
        let Self { name, version, source, .. } = self;
        let (name, version, source) = (name.clone(), *version, *source);
        frame.add(Observation::Function { name, version, source, build: build_id() });
        let generations = Generations::new(self.store());
        frame.add(generations.observe(format!("all of {}", self.name), Generations::of_function(&self.name)));
        if let Some(key) = key {
            frame.add(generations.observe(format!("{} ({})", self.name, key.short()), Generations::of_key(key)));
        }
        for tag in self.tags.iter().chain(&terms.tags) {
            let of_tag = Generations::of_tag(&self.name, tag);
            frame.add(generations.observe(format!("the tag {tag} of {}", self.name), of_tag));
        }
        terms.look(&frame);
        frame
    }

    /// How long a value lives at most, or an error that came in its place.
    pub(super) fn ttl(&self, terms: &Terms<V>, value: Option<&V>) -> Option<Duration> {
        terms.ttl.or_else(|| self.ttl_by.as_ref()?(value?)).or(self.ttl)
    }

    /// A value with its weight.
    pub(super) fn weighed(&self, held: Held<V>) -> Held<V> {
        let weight = self.weigher.as_ref().map_or(1, |weigher| weigher(&held.value));
        Held { weight, ..held }
    }

    /// Keeps a value in memory, beside others of its key.
    pub(super) fn remember(&self, key: &Fingerprint, held: &Arc<Held<V>>, world: &World<'_>) {
        if u64::from(held.weight) > self.max_bytes {
            count(&self.counts.refused);
            if self.disk.is_none() {
                self.warn(&format!("it weighs {}, and all may weigh {}", held.weight, self.max_bytes));
            }
            return;
        }
        let mut gone = Vec::new();
        // What went unused for too long leaves as such, and is not replaced.
        drop(self.memory.get(key));
        self.memory.entry(key).cost(Duration::from_nanos(held.trace.cost_ns)).upsert(|old| {
            let is_invalidated = |trace: &Trace| world.is_invalidated(&trace.observations);
            // Weights are summed up as 32 bits.
            let room = self.max_bytes.min(u32::MAX.into());
            let (kept, left) = Kept::with(old.as_deref(), held, room, is_invalidated);
            gone = left;
            Some(Arc::new(kept))
        });
        gone.iter().for_each(|(_, cause)| self.counts.left(*cause));
        if let Some(listener) = &self.listener {
            tell_all(gone, |(held, cause)| listener(&held.value, cause));
        }
    }

    /// The computation that calls this one depends on all that this one depends on.
    pub(super) fn hand_up(&self, held: &Held<V>) {
        let Some(caller) = current() else { return };
        let mut recorded = caller.recorded();
        recorded.take_over(held.trace.observations.iter().cloned(), held.trace.expires_ns);
        if let Some(why) = &held.unstorable {
            recorded.refuse(|| format!("it calls `{}`, of which a result is not kept: {why}", self.name));
        }
    }
}

//! What is computed beside all others: by a caller whose arguments have no key, or that would wait for itself. It is not kept;
//! but whoever calls hangs on all that a computation of the function hangs on.

use super::{age::signed, cache::Inner, held::Held, lookup::Found, terms::Terms};
use crate::{Fingerprint, memory::Failed, recording::Reading};
use std::{future::Future, sync::Arc};

pub(super) struct Beside<'a, V> {
    inner: &'a Inner<V>,
    terms: &'a Terms<V>,
    reading: Reading,
    /// In nanoseconds since the Unix epoch.
    began_ns: i64,
}

impl<'a, V> Beside<'a, V> {
    pub(super) fn new(inner: &'a Inner<V>, terms: &'a Terms<V>, key: Option<&Fingerprint>) -> Self {
        Self { inner, terms, reading: Reading(inner.frame(terms, key)), began_ns: inner.now_ns() }
    }

    pub(super) fn run<E>(self, compute: impl FnOnce() -> Result<V, E>) -> Result<Found<V>, E> {
        let failed = Failed(|| self.expire(None));
        let result = {
            let _entered = self.reading.0.enter();
            compute()
        };
        failed.unless(result.is_ok());
        result.map(|value| self.end(value))
    }

    pub(super) async fn run_async<E>(self, compute: impl Future<Output = Result<V, E>>) -> Result<Found<V>, E> {
        let failed = Failed(|| self.expire(None));
        let result = self.reading.0.run_async(compute).await;
        failed.unless(result.is_ok());
        result.map(|value| self.end(value))
    }

    fn expire(&self, value: Option<&V>) {
        let ttl = self.inner.ttl(self.terms, value);
        self.reading.0.recorded().expire_by(ttl.map(|ttl| self.began_ns.saturating_add(signed(ttl))));
    }

    fn end(&self, value: V) -> Found<V> {
        self.expire(Some(&value));
        Found::new(Arc::new(Held::alone(value)))
    }
}

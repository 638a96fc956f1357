//! One call of a function: its arguments, and what it says beside them.

use super::{
    Memo,
    lookup::Lookup,
    terms::{Dependency, Terms},
};
use crate::codec;
use serde::Serialize;
use std::{fmt, path::Path, sync::Arc, time::Duration};

/// One call of a [`Memo`], with what it depends on; made by [`Memo::call`].
///
/// ```
/// use everfresh::Memo;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("rates.csv");
/// let sums: Memo<u64> = Memo::builder("sums").build();
/// std::fs::write(&path, "1,2")?;
/// // Something that Everfresh cannot see reads the file, so it is declared.
/// let size = || std::fs::metadata(&path).map_or(0, |file| file.len());
/// let sum = || sums.call(&"a").file(&path).or_compute(size);
/// assert_eq!((sum(), sum(), sums.stats().loads), (3, 3, 1));
/// std::fs::write(&path, "1,2,3")?;
/// assert_eq!(sums.call(&"a").file(&path).explain().to_string(), format!("miss: the file `{}` changed", path.display()));
/// assert_eq!(sum(), 5);
/// # Ok::<_, std::io::Error>(())
/// ```
#[must_use = "a call does nothing until it computes"]
pub struct Call<'a, V, A: ?Sized> {
    pub(super) memo: &'a Memo<V>,
    arguments: &'a A,
    pub(super) terms: Terms<V>,
}

impl<V, A: ?Sized> fmt::Debug for Call<'_, V, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("function", &self.memo.inner.name).finish_non_exhaustive()
    }
}

impl<'a, V, A: ?Sized> Call<'a, V, A> {
    pub(super) fn new(memo: &'a Memo<V>, arguments: &'a A) -> Self {
        Self { memo, arguments, terms: Terms::default() }
    }

    /// A file whose content the function reads. It need not exist.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("switch");
    /// let switch = Memo::builder("Call::file").build();
    /// let is_on = || switch.call(&()).file(&path).or_compute(|| path.exists());
    /// assert!(!is_on());
    /// std::fs::write(&path, "")?;
    /// assert!(is_on());
    /// # Ok::<_, std::io::Error>(())
    /// ```
    pub fn file(mut self, path: impl AsRef<Path>) -> Self {
        self.terms.depends.push(Dependency::File(path.as_ref().to_owned()));
        self
    }

    /// A folder whose names the function reads; not what is in the files.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path();
    /// let files = Memo::builder("Call::dir").build();
    /// let count = || files.call(path).dir(path).or_try_compute(|| std::fs::read_dir(path).map(Iterator::count));
    /// assert_eq!(count()?, 0);
    /// std::fs::write(path.join("a"), "")?;
    /// assert_eq!(count()?, 1);
    /// # Ok::<_, std::io::Error>(())
    /// ```
    pub fn dir(mut self, path: impl AsRef<Path>) -> Self {
        self.terms.depends.push(Dependency::Dir(path.as_ref().to_owned()));
        self
    }

    /// An environment variable that the function reads.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let regions = Memo::builder("Call::env").build();
    /// let call = || regions.call(&()).env("EVERFRESH_DOC_UNSET");
    /// assert!(!call().or_compute(|| std::env::var("EVERFRESH_DOC_UNSET").is_ok()));
    /// assert!(call().explain().to_string().contains("environment variable EVERFRESH_DOC_UNSET (absent)"));
    /// ```
    pub fn env(mut self, name: impl Into<String>) -> Self {
        self.terms.depends.push(Dependency::Env(name.into()));
        self
    }

    /// A value that the function reads and that is none of its arguments, under a name for people.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let prices = Memo::builder("price").build();
    /// let price = |tax: u32| prices.call(&"tea").value("tax", &tax).or_compute(|| 100 + tax);
    /// assert_eq!((price(7), price(19)), (107, 119));
    /// let other = prices.call(&"tea").value("tax", &20).explain();
    /// assert_eq!(other.to_string(), "miss: the value `tax of price` changed");
    /// ```
    pub fn value(mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Self {
        match codec::fingerprint(value) {
            Ok(value) => self.terms.values.push((format!("{name} of {}", self.memo.inner.name), value)),
            Err(error) => self.terms.bad = Some(format!("the value `{name}`: {error}")),
        }
        self
    }

    /// How long a result lives at most, in place of the memo's own `ttl`.
    ///
    /// ```
    /// use everfresh::{Memo, memory::ManualClock};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let clock = Arc::new(ManualClock::default());
    /// let rates = Memo::builder("Call::ttl").clock(clock.clone()).build();
    /// assert_eq!(rates.call(&"EUR").ttl(Duration::from_secs(60)).or_compute(|| 2), 2);
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(rates.get(&"EUR"), None);
    /// ```
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.terms.ttl = Some(ttl);
        self
    }

    /// A name under which [`Memo::invalidate_tag`] finds a result that is computed.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let rates = Memo::builder("Call::tag").build();
    /// assert_eq!(rates.call(&"EUR").tag("bank").or_compute(|| 2), 2);
    /// rates.invalidate_tag("bank");
    /// assert_eq!(rates.get(&"EUR"), None);
    /// ```
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.terms.tags.push(tag.into());
        self
    }

    /// Computes the result in any case, also if there is one, which others are served meanwhile, and makes out of date
    /// whatever was made with the old one. If the computation fails, what there was stays; where the memo serves results
    /// [stale](super::MemoBuilder::stale), it is given in place of an error.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let rates = Memo::builder("Call::anew").build();
    /// assert_eq!(rates.get_or_compute(&"EUR", || 4), 4);
    /// assert_eq!(rates.call(&"EUR").anew().or_try_compute(|| Err("down")), Err("down"));
    /// assert_eq!(rates.get(&"EUR"), Some(4));
    /// assert_eq!(rates.call(&"EUR").anew().or_compute(|| 5), 5);
    /// assert_eq!(rates.get(&"EUR"), Some(5));
    /// ```
    pub fn anew(mut self) -> Self {
        self.terms.anew = true;
        self
    }

    /// While the caller's thread waits for another caller, or another process, that computes the result, it asks `goes_on`
    /// about every 50 ms. If that says no, the caller computes for itself, and the other goes on for whoever else waits.
    /// So a wait ends early: `compute` then gives an error in place of a result. Without it a wait is as long as the other
    /// takes. Tasks do not ask: who drops the future has ended the wait.
    ///
    /// ```
    /// use everfresh::Memo;
    /// use std::sync::mpsc;
    ///
    /// let rates = Memo::builder("Call::wait_while").build();
    /// let (begun, begins) = mpsc::channel();
    /// let (go_on, goes_on) = mpsc::channel::<()>();
    /// std::thread::scope(|scope| {
    ///     let other = scope.spawn(|| {
    ///         rates.get_or_compute(&"EUR", move || {
    ///             begun.send(()).ok();
    ///             goes_on.recv().map_or(2, |()| 1)
    ///         })
    ///     });
    ///     begins.recv().ok();
    ///     let interrupted = rates.call(&"EUR").wait_while(|| false).or_try_compute(|| Err("interrupted"));
    ///     assert_eq!(interrupted, Err("interrupted"));
    ///     go_on.send(()).ok();
    ///     assert_eq!(other.join().ok(), Some(1));
    /// });
    /// ```
    pub fn wait_while(mut self, goes_on: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.terms.goes_on = Some(Arc::new(goes_on));
        self
    }
}

impl<V, A: Serialize + ?Sized> Call<'_, V, A> {
    /// The lookup of its key.
    ///
    /// # Errors
    /// Why nothing is kept for it.
    pub(super) fn lookup(&self) -> Result<Lookup<'_, V>, String> {
        let Self { memo, arguments, terms } = self;
        match &terms.bad {
            Some(bad) => Err(bad.clone()),
            None => {
                memo.inner.key(*arguments).map(|key| Lookup { memo, key, terms }).map_err(|error| error.to_string())
            }
        }
    }
}

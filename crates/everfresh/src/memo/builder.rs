//! How a memo is made.

use super::{
    age::Ages,
    cache::{Inner, Listener, Memo, TtlBy, Weigher},
    counts::Counts,
    disk::{Disk, default_store},
    encoding::{Encoding, Serde},
    held::Kept,
    ledger::Ledger,
    shared::{KeyFlights, shared},
};
use crate::{
    Fingerprint, FingerprintBuilder, build_id,
    disk::{Store, StoreError, StoreOptions},
    memory::{Cache, CacheBuilder, Clock, WallClock},
    recording::{Versions, register},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

/// Settings of a [`Memo`]; made by [`Memo::builder`].
///
/// ```
/// use everfresh::Memo;
///
/// let squares = Memo::builder("MemoBuilder").version(1).max_entries(1000).build();
/// assert_eq!(squares.get_or_compute(&12, || 144), 144);
/// ```
pub struct MemoBuilder<V> {
    name: String,
    source: Option<u64>,
    version: Option<u64>,
    /// For the memory tier.
    pub(super) memory: CacheBuilder<Fingerprint, Arc<Kept<V>>>,
    pub(super) weigher: Option<Weigher<V>>,
    pub(super) max_bytes: u64,
    pub(super) listener: Option<Listener<V>>,
    pub(super) ttl: Option<Duration>,
    pub(super) ttl_by: Option<TtlBy<V>>,
    pub(super) ages: Ages,
    tags: Vec<String>,
    clock: Arc<dyn Clock>,
    disk: Option<Disk<V>>,
    flights: Arc<KeyFlights<V>>,
    versions: Option<Versions>,
}

impl<V> fmt::Debug for MemoBuilder<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<V> MemoBuilder<V> {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            source: None,
            version: None,
            memory: Cache::builder().private(),
            weigher: None,
            max_bytes: u64::MAX,
            listener: None,
            ttl: None,
            ttl_by: None,
            ages: Ages::default(),
            tags: Vec::new(),
            clock: Arc::new(WallClock),
            disk: None,
            flights: Arc::default(),
            versions: None,
        }
    }

    /// Keeps results in a store too, where other processes and later ones find them.
    ///
    /// ```
    /// use everfresh::{Memo, disk::{Store, StoreOptions}};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("results");
    /// let store = Store::open(&path, StoreOptions::default())?;
    /// let squares = || Memo::builder("MemoBuilder::store").store(store.clone()).build();
    /// assert_eq!(squares().get_or_compute(&12, || 144), 144);
    /// assert_eq!(squares().get(&12), Some(144));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn store(self, store: Store) -> Self
    where
        V: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        self.store_with(store, Serde::default())
    }

    /// Keeps results in a store too, in an [`Encoding`] of their own.
    ///
    /// ```
    /// use everfresh::{Fingerprint, Memo, disk::{Blob, Store, StoreOptions}, memo::{Encoding, EncodingError}};
    /// use std::io::Write;
    ///
    /// struct Byte;
    ///
    /// impl Encoding<u8> for Byte {
    ///     fn encode(&self, value: &u8, output: &mut dyn Write) -> Result<Fingerprint, EncodingError> {
    ///         output.write_all(&[*value])?;
    ///         Ok(Fingerprint::of_bytes(b"byte"))
    ///     }
    ///
    ///     fn decode(&self, stored: Blob) -> Result<(u8, Fingerprint), EncodingError> {
    ///         let byte = stored.first().ok_or("it is empty")?;
    ///         Ok((*byte, Fingerprint::of_bytes(b"byte")))
    ///     }
    /// }
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("results");
    /// let store = Store::open(&path, StoreOptions::default())?;
    /// let bytes = || Memo::builder("MemoBuilder::store_with").store_with(store.clone(), Byte).build();
    /// assert_eq!(bytes().get_or_compute(&1, || 7), 7);
    /// assert_eq!(bytes().get_or_compute(&1, || unreachable!("it is there")), 7);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn store_with(mut self, store: Store, encoding: impl Encoding<V> + 'static) -> Self
    where
        V: Send + Sync + 'static,
    {
        self.flights = shared(store.dir());
        let turns = shared(store.dir());
        self.disk = Some(Disk { store, encoding: Box::new(encoding), turns });
        self
    }

    /// Who knows the versions of what was observed by [`observe::version`](crate::observe::version): the present one of
    /// that name, or `None` if there is nothing of that name. Without it, what observed one is computed anew each time.
    ///
    /// ```
    /// use everfresh::{Fingerprint, Memo, observe};
    /// use std::sync::{Arc, atomic::{AtomicU8, Ordering}};
    ///
    /// let rules = Arc::new(AtomicU8::new(1));
    /// let present = Arc::clone(&rules);
    /// let versions = move |name: &str| (name == "rules").then(|| Fingerprint::of_bytes(&[present.load(Ordering::Relaxed)]));
    /// let memo = Memo::builder("MemoBuilder::versions").versions(versions.clone()).build();
    /// let price = || memo.get_or_compute(&(), || {
    ///     observe::version("rules", versions("rules").unwrap());
    ///     rules.load(Ordering::Relaxed)
    /// });
    /// assert_eq!((price(), price(), memo.stats().loads), (1, 1, 1));
    /// rules.store(2, Ordering::Relaxed);
    /// assert_eq!(price(), 2);
    /// ```
    #[must_use]
    pub fn versions(mut self, versions: impl Fn(&str) -> Option<Fingerprint> + Send + Sync + 'static) -> Self {
        self.versions = Some(Versions(Arc::new(versions)));
        self
    }

    /// Keeps results in the user's own store ([`default_store`]) too. If it cannot be opened, a warning is logged, and they
    /// are kept in memory alone.
    ///
    /// ```no_run
    /// let lengths: everfresh::Memo<usize> = everfresh::Memo::builder("lengths").default_store().build();
    /// ```
    #[must_use]
    pub fn default_store(self) -> Self
    where
        V: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        self.store_if_open(default_store())
    }

    /// Keeps results in the store in this folder too, which is made if it is not there. If it cannot be opened, a warning
    /// is logged, and they are kept in memory alone.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path().join("results");
    /// let lengths = || Memo::builder("lengths").store_in(&folder).build();
    /// assert_eq!(lengths().get_or_compute(&"four", || 4), 4);
    /// // As another process would.
    /// assert_eq!(lengths().get_or_compute(&"four", || unreachable!("it is there")), 4);
    /// # Ok::<_, std::io::Error>(())
    /// ```
    #[must_use]
    pub fn store_in(self, folder: impl AsRef<Path>) -> Self
    where
        V: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        self.store_if_open(Store::open(folder.as_ref(), StoreOptions::default()))
    }

    fn store_if_open(self, opened: Result<Store, StoreError>) -> Self
    where
        V: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        match opened {
            Ok(store) => self.store(store),
            Err(error) => {
                tracing::warn!(function = self.name, %error, "results are kept in memory alone");
                self
            }
        }
    }

    /// The version of the function's code. Without one, every build of the executable is another version. With one, raise it
    /// whenever the function, or anything that it calls, gives other results.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let memo = |version| Memo::builder("versioned").version(version).build();
    /// assert_eq!((memo(1).get_or_compute(&1, || 5), memo(2).get_or_compute(&1, || 6)), (5, 6));
    /// ```
    #[must_use]
    pub fn version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }

    /// A hash of the function's own text, which becomes part of each key: so two functions of one name share nothing, and a
    /// function that is written differently finds nothing. `#[cached]` gives it.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let memo: Memo<u32> = Memo::builder("area").source(0x5eed).version(1).build();
    /// assert_eq!(memo.get_or_compute(&(2, 3), || 6), 6);
    /// ```
    #[must_use]
    pub fn source(mut self, hash: u64) -> Self {
        self.source = Some(hash);
        self
    }

    /// A name under which [`Memo::invalidate_tag`] finds all results. There may be several.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let rates = Memo::builder("MemoBuilder::tag").tag("bank").build();
    /// assert_eq!(rates.get_or_compute(&"EUR", || 2), 2);
    /// rates.invalidate_tag("bank");
    /// assert_eq!(rates.get(&"EUR"), None);
    /// ```
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Another clock than the system's: the time since the Unix epoch, which has to be the same for all who share a store.
    ///
    /// ```
    /// use everfresh::{Memo, memory::ManualClock};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let clock = Arc::new(ManualClock::default());
    /// let rates = Memo::builder("MemoBuilder::clock").clock(clock.clone()).ttl(Duration::from_secs(60)).build();
    /// assert_eq!(rates.get_or_compute(&"EUR", || 2), 2);
    /// clock.advance(Duration::from_secs(61));
    /// assert_eq!(rates.explain(&"EUR").to_string(), "miss: its time was over 1s ago");
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.memory = self.memory.clock(Arc::clone(&clock));
        self.clock = clock;
        self
    }

    /// The memo.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let squares: Memo<u64> = Memo::builder("MemoBuilder::build").build();
    /// assert_eq!(squares.get_or_compute(&12, || 144), 144);
    /// ```
    pub fn build(self) -> Memo<V> {
        let Self {
            name,
            source,
            version,
            memory,
            weigher,
            max_bytes,
            listener,
            ttl,
            ttl_by,
            ages,
            tags,
            clock,
            disk,
            flights,
            versions,
        } = self;
        register(&name, source, version);
        if let Some(disk) = &disk {
            build_id::known_in(&disk.store);
        }
        let function = FingerprintBuilder::new("everfresh.memo").str(&name).option(source, FingerprintBuilder::u64);
        Memo {
            inner: Arc::new(Inner {
                name,
                function,
                source,
                version,
                memory: memory.build(),
                weigher,
                max_bytes,
                listener,
                disk,
                flights,
                ttl,
                ttl_by,
                ages,
                tags,
                clock,
                counts: Counts::default(),
                ledger: Ledger::default(),
                warned: AtomicBool::new(false),
                warned_impure: AtomicBool::new(false),
                versions,
            }),
        }
    }
}

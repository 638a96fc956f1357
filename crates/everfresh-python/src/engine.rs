//! A cached function's results with their traces: the engine's `Memo` over Python values.
//!
//! Nothing here waits with the interpreter attached: whoever computes needs it.

use crate::{
    buffer::{Stored, bytes_of},
    flight::Flight,
    gate,
    once::intern,
    pending::Pending,
    store::{Slot, Store},
};
use everfresh::{
    Fingerprint, Memo,
    disk::Blob,
    memo::{Call, Encoding, EncodingError, Entry, MemoStats, Reason},
    observation::Observation,
};
use pyo3::{
    buffer::PyUntypedBuffer,
    exceptions::{PyKeyboardInterrupt, PyRuntimeWarning, PyValueError},
    prelude::*,
    types::{PyBytes, PyDict, PyList, PyTuple},
};
use std::{
    ffi::CString,
    io::Write,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

/// All functions of this process, so that a forked child can let go of its parent's stores.
static FUNCTIONS: Mutex<Vec<Weak<Function>>> = Mutex::new(Vec::new());

/// How many results may be on their way into the faster memory.
const IN_BETWEEN: usize = 4_096;

/// How often anything was invalidated in this process.
static INVALIDATIONS: AtomicU64 = AtomicU64::new(0);

/// Whoever keeps a result without looking at its trace has to look again.
pub fn outdated() {
    INVALIDATIONS.fetch_add(1, Ordering::Release);
}

/// How often anything was invalidated in this process.
#[pyfunction]
pub fn invalidations() -> u64 {
    INVALIDATIONS.load(Ordering::Acquire)
}

/// In a child, right after a fork.
pub fn after_fork() {
    everfresh::memo::after_fork();
    let functions = FUNCTIONS.try_lock().map(|functions| functions.clone()).unwrap_or_default();
    for function in functions.iter().filter_map(Weak::upgrade) {
        // Held only if a thread of the parent lost its patience at the gate; then the function goes on without a store.
        if let Ok(mut memo) = function.memo.try_lock() {
            *memo = None;
        }
    }
}

/// Has the functions of a store open it anew.
pub fn let_go(slot: &Arc<Slot>) {
    let functions = FUNCTIONS.lock().map(|functions| functions.clone()).unwrap_or_default();
    for function in functions.iter().filter_map(Weak::upgrade) {
        if function.settings.slot.as_ref().is_some_and(|own| Arc::ptr_eq(own, slot)) {
            *function.memo.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

/// A result as the cache keeps it: nobody outside can change it.
pub struct Kept {
    pub value: Py<PyAny>,
    /// Makes what a caller gets, if that is not the value itself.
    pub copy: Option<Py<PyAny>>,
    pub size: u64,
    /// Its encoding in pieces, until it is in the store; `None` if it stays in memory.
    parts: Mutex<Option<Py<PyAny>>>,
}

pub type Value = Arc<Kept>;

impl Kept {
    pub fn new(made: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (value, copy, size, parts) = made.extract()?;
        Ok(Self { value, copy, size, parts: Mutex::new(parts) })
    }
}

/// How Python values are stored: who computes one encodes it, and the package's `decode` reads it.
struct ByPython(Py<PyAny>);

impl Encoding<Value> for ByPython {
    fn encode(&self, value: &Value, output: &mut dyn Write) -> Result<Fingerprint, EncodingError> {
        let parts = value.parts.lock().unwrap_or_else(PoisonError::into_inner).take();
        let parts = parts.ok_or("it is kept in memory alone")?;
        gate::attached(|py| {
            for part in parts.bind(py).try_iter()? {
                let buffer = PyUntypedBuffer::get(&part?)?;
                output.write_all(bytes_of(py, &buffer).ok_or("an encoding in pieces")?)?;
            }
            Ok(shape())
        })
    }

    fn decode(&self, stored: Blob) -> Result<(Value, Fingerprint), EncodingError> {
        gate::attached(|py| {
            let stored = Bound::new(py, Stored::new(stored))?;
            let kept = Kept::new(&self.0.bind(py).call1((stored,))?)?;
            Ok((Arc::new(kept), shape()))
        })
    }
}

/// Encoded Python values tell their types themselves.
fn shape() -> Fingerprint {
    Fingerprint::of_bytes(b"everfresh.python.value")
}

/// One function's results.
pub struct Function {
    name: String,
    settings: Settings,
    memo: Mutex<Option<Memo<Value>>>,
}

struct Settings {
    slot: Option<Arc<Slot>>,
    ttl: Option<Duration>,
    tags: Vec<String>,
    versions: Arc<Py<PyAny>>,
    decode: Arc<Py<PyAny>>,
}

impl Function {
    /// The memo, made when it is first needed. Not with the interpreter attached.
    pub fn memo(&self) -> Memo<Value> {
        let memo = || self.memo.lock().unwrap_or_else(PoisonError::into_inner);
        let known = memo().clone();
        known.unwrap_or_else(|| {
            // Not with the lock in hand, since it asks the interpreter.
            let made = self.make();
            memo().get_or_insert(made).clone()
        })
    }

    /// The result that is kept, or what `compute` gives. Where another caller computes, signals are looked at meanwhile: an
    /// error that their handlers raise ends the wait.
    pub fn found<E: From<PyErr> + Send>(
        &self,
        py: Python<'_>,
        key: Fingerprint,
        declared: &[Declared],
        anew: bool,
        compute: impl FnOnce(Python<'_>) -> Result<Value, E> + Send,
    ) -> Result<Found, E> {
        let interrupt = Arc::<Mutex<Option<PyErr>>>::default();
        let raised = Arc::clone(&interrupt);
        let goes_on = move || {
            let error = gate::attached(|py| py.check_signals()).err();
            let goes_on = error.is_none();
            *raised.lock().unwrap_or_else(PoisonError::into_inner) = error;
            goes_on
        };
        let interrupted = || interrupt.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err);
        gate::detached(py, || {
            let memo = self.memo();
            let call = with(&memo, &key, declared).map_err(PyValueError::new_err)?;
            let call = if anew { call.anew() } else { call }.wait_while(goes_on);
            let entry = call.or_try_compute_entry(|| {
                interrupted()?;
                gate::attached(compute)
            })?;
            // What it waited for may have come at the same time.
            interrupted()?;
            Ok(Found { entry, key })
        })
    }

    fn make(&self) -> Memo<Value> {
        let Settings { slot, ttl, tags, versions, decode } = &self.settings;
        let versions = Arc::clone(versions);
        // A result stays here until it is in the faster memory in front: whoever asks in between finds it. A version stands
        // for the code, which is observed apart.
        let mut builder = Memo::builder(&self.name).version(1).max_entries(IN_BETWEEN).versions(move |name| {
            gate::attached(|py| {
                let version = versions.bind(py).call1((name,)).inspect_err(|error| interrupted(py, error)).ok()?;
                let version: Option<Vec<u8>> = version.extract().ok()?;
                Some(Fingerprint::from_bytes(version?.try_into().ok()?))
            })
        });
        if let Some(ttl) = ttl {
            builder = builder.ttl(*ttl);
        }
        for tag in tags {
            builder = builder.tag(tag);
        }
        match slot.as_ref().map(|slot| slot.get()) {
            None => builder.build(),
            Some(Ok(store)) => {
                let decode = gate::attached(|py| decode.clone_ref(py));
                builder.store_with(store, ByPython(decode)).build()
            }
            Some(Err(error)) => {
                warn(&format!("results of {} are kept in memory alone: {error}", self.name));
                builder.build()
            }
        }
    }
}

/// An interrupt that came while the engine asked is for whoever called the engine.
fn interrupted(py: Python<'_>, error: &PyErr) {
    if error.is_instance_of::<PyKeyboardInterrupt>(py) {
        let again =
            py.import(intern!(py, "_thread")).and_then(|thread| thread.call_method0(intern!(py, "interrupt_main")));
        if let Err(error) = again {
            error.write_unraisable(py, None);
        }
    }
}

/// Says something to the user once for each place, as Python's warnings do.
pub fn warn(message: &str) {
    gate::attached(|py| {
        let Ok(text) = CString::new(message.replace('\0', "")) else { return };
        if let Err(error) = PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &text, 1) {
            error.write_unraisable(py, None);
        }
    });
}

/// What a caller declares: kind, name, and for values their fingerprint.
#[derive(FromPyObject)]
pub struct Declared(String, PathBuf, Option<[u8; 32]>);

/// A call with what it declares.
pub fn with<'a>(
    memo: &'a Memo<Value>,
    key: &'a Fingerprint,
    declared: &[Declared],
) -> Result<Call<'a, Value, Fingerprint>, String> {
    declared.iter().try_fold(memo.call(key), |call, Declared(kind, name, value)| {
        let text = name.to_str().ok_or_else(|| format!("`{}` is not UTF-8", name.display()));
        Ok(match (kind.as_str(), value) {
            ("file", _) => call.file(name),
            ("dir", _) => call.dir(name),
            ("env", _) => call.env(text?),
            ("value", Some(value)) => call.value(text?, &Fingerprint::from_bytes(*value)),
            _ => return Err(format!("nothing is declared as `{kind}`")),
        })
    })
}

/// One function's results with their traces, in memory as far as somebody holds them, and in a store.
#[pyclass(frozen, module = "everfresh._native")]
pub struct Engine(Arc<Function>);

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (name, *, store, ttl, tags, versions, decode))]
    fn new(
        name: String,
        store: Option<&Bound<'_, Store>>,
        ttl: Option<f64>,
        tags: Vec<String>,
        versions: Py<PyAny>,
        decode: Py<PyAny>,
    ) -> PyResult<Self> {
        let ttl = ttl.map(Duration::try_from_secs_f64).transpose();
        let settings = Settings {
            slot: store.map(|store| Arc::clone(&store.get().slot)),
            ttl: ttl.map_err(|error| PyValueError::new_err(error.to_string()))?,
            tags,
            versions: Arc::new(versions),
            decode: Arc::new(decode),
        };
        let function = Arc::new(Function { name, settings, memo: Mutex::default() });
        if let Ok(mut functions) = FUNCTIONS.lock() {
            functions.retain(|function| function.strong_count() > 0);
            functions.push(Arc::downgrade(&function));
        }
        Ok(Self(function))
    }

    /// The result that is kept, or what `compute()` gives: `(value, copy, size, parts)`; `anew`, whatever is kept.
    #[pyo3(signature = (key, declared, compute, *, anew = false))]
    fn call(
        &self,
        py: Python<'_>,
        key: [u8; 32],
        declared: Vec<Declared>,
        compute: Py<PyAny>,
        anew: bool,
    ) -> PyResult<Found> {
        self.0.found(py, Fingerprint::from_bytes(key), &declared, anew, |py| {
            Kept::new(&compute.bind(py).call0()?).map(Arc::new)
        })
    }

    /// The same, to be run by the table that was called.
    #[pyo3(signature = (key, declared, call, *, anew = false))]
    fn pending(&self, key: [u8; 32], declared: Vec<Declared>, call: Py<PyAny>, anew: bool) -> Pending {
        Pending::new(Arc::clone(&self.0), Fingerprint::from_bytes(key), declared, anew, call)
    }

    /// The same for a coroutine, of which `compute()` gives a new one.
    #[pyo3(signature = (key, declared, compute, *, anew = false))]
    fn call_async(&self, key: [u8; 32], declared: Vec<Declared>, compute: Py<PyAny>, anew: bool) -> Flight {
        Flight::new(Arc::clone(&self.0), Fingerprint::from_bytes(key), declared, compute, anew)
    }

    /// The result that is kept and holds.
    fn find(&self, py: Python<'_>, key: [u8; 32], declared: Vec<Declared>) -> PyResult<Option<Found>> {
        let key = Fingerprint::from_bytes(key);
        gate::detached(py, || {
            let memo = self.0.memo();
            let call = with(&memo, &key, &declared).map_err(PyValueError::new_err)?;
            Ok(call.entry().map(|entry| Found { entry, key }))
        })
    }

    /// Whether a result that was found before may be used again, which it then counts as.
    fn reuse(&self, py: Python<'_>, found: &Found, declared: Vec<Declared>) -> PyResult<bool> {
        gate::detached(py, || {
            let memo = self.0.memo();
            let call = with(&memo, &found.key, &declared).map_err(PyValueError::new_err)?;
            if found.entry.unstorable().is_some() || call.check(&found.entry).is_err() {
                return Ok(false);
            }
            call.reuse(&found.entry);
            Ok(true)
        })
    }

    /// One result of a key as it is stored, by its name, whether or not it would be served now; not if it was invalidated.
    fn stored(&self, py: Python<'_>, key: [u8; 32], output: [u8; 32]) -> Option<Stored> {
        let (key, output) = (Fingerprint::from_bytes(key), Fingerprint::from_bytes(output));
        gate::detached(py, || self.0.memo().stored(&key, &output)).map(Stored::new)
    }

    /// Lets go of a result that the caller has put into its own memory.
    fn release(&self, py: Python<'_>, key: [u8; 32]) {
        gate::detached(py, || self.0.memo().release(&Fingerprint::from_bytes(key)));
    }

    /// How many seconds ago the time of a result was over, if that is all that keeps it from being used.
    fn expired_for(&self, py: Python<'_>, found: &Found, declared: Vec<Declared>) -> PyResult<Option<f64>> {
        gate::detached(py, || {
            let memo = self.0.memo();
            let call = with(&memo, &found.key, &declared).map_err(PyValueError::new_err)?;
            Ok(match call.check(&found.entry) {
                Err(Reason::Expired { ago }) => Some(ago.as_secs_f64()),
                _ => None,
            })
        })
    }

    /// What a call would do now, and why.
    fn explain(
        &self,
        py: Python<'_>,
        key: [u8; 32],
        declared: Vec<Declared>,
        found: Option<&Found>,
    ) -> PyResult<String> {
        let key = Fingerprint::from_bytes(key);
        gate::detached(py, || {
            let memo = self.0.memo();
            let call = || with(&memo, &key, &declared).map_err(PyValueError::new_err);
            let kept = found.filter(|found| found.key == key);
            let stored = call()?.explain();
            Ok(match kept.map(|found| Ok::<_, PyErr>((found, call()?.check(&found.entry)))).transpose()? {
                Some((found, Ok(()))) => found.says(),
                // The store may have a trace that holds; else what is in memory came nearest.
                Some((_, Err(reason))) if !stored.is_hit() => format!("miss: {reason}"),
                _ => stored.to_string(),
            })
        })
    }

    /// Forgets the result of a key.
    fn invalidate(&self, py: Python<'_>, key: [u8; 32]) -> bool {
        let forgot = gate::detached(py, || self.0.memo().invalidate(&Fingerprint::from_bytes(key)));
        outdated();
        forgot
    }

    /// Forgets what has a tag.
    fn invalidate_tag(&self, py: Python<'_>, tag: &str) {
        gate::detached(py, || self.0.memo().invalidate_tag(tag));
        outdated();
    }

    /// Forgets everything.
    fn clear(&self, py: Python<'_>) {
        gate::detached(py, || self.0.memo().clear());
        outdated();
    }

    /// What was done so far in this process.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = gate::detached(py, || self.0.memo().stats());
        stats_of(py, &stats)
    }
}

/// Statistics as a dictionary, times in seconds.
pub fn stats_of<'py>(py: Python<'py>, stats: &MemoStats) -> PyResult<Bound<'py, PyDict>> {
    let said = PyDict::new(py);
    let counts = [
        ("memory_hits", stats.memory_hits),
        ("disk_hits", stats.disk_hits),
        ("misses", stats.misses),
        ("loads", stats.loads),
        ("failures", stats.failures),
        ("unstored", stats.unstored),
    ];
    counts.into_iter().try_for_each(|(name, count)| said.set_item(name, count))?;
    let times =
        [("compute_time", stats.compute_time), ("lookup_time", stats.lookup_time), ("saved_time", stats.saved_time)];
    times.into_iter().try_for_each(|(name, time)| said.set_item(name, time.as_secs_f64()))?;
    Ok(said)
}

/// A result with its trace.
#[pyclass(frozen, module = "everfresh._native")]
pub struct Found {
    pub entry: Entry<Value>,
    pub key: Fingerprint,
}

impl Found {
    fn says(&self) -> String {
        let (cost, _) = self.entry.cost();
        let lines: String = self.entry.observations().iter().map(|seen| format!("\n  {seen}")).collect();
        format!("hit in memory, which saves {cost:?}: all of this is as it was{lines}")
    }
}

#[pymethods]
impl Found {
    /// The result as the cache keeps it.
    #[getter]
    fn value(&self, py: Python<'_>) -> Py<PyAny> {
        self.entry.value().value.clone_ref(py)
    }

    /// What makes a caller's copy of it, if it needs one.
    #[getter]
    fn copy(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.entry.value().copy.as_ref().map(|copy| copy.clone_ref(py))
    }

    #[getter]
    fn size(&self) -> u64 {
        self.entry.value().size
    }

    #[getter]
    fn key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.key.as_bytes())
    }

    /// The result's name in the store, if it is there: equal ones are of equal results.
    #[getter]
    fn output<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.entry.output().map(|output| PyBytes::new(py, output.as_bytes()))
    }

    /// Why it must not be used again, if so.
    #[getter]
    fn unstorable(&self) -> Option<&str> {
        self.entry.unstorable()
    }

    /// How many seconds it may still be used; `None` is for ever.
    #[getter]
    fn remaining(&self) -> Option<f64> {
        let (_, expires) = self.entry.times();
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        expires.map(|expires| expires.saturating_sub(now).as_secs_f64())
    }

    /// How many seconds it took to compute.
    #[getter]
    fn cost(&self) -> f64 {
        self.entry.cost().0.as_secs_f64()
    }

    /// The names of the code that it was made by.
    fn versions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let names = self.entry.observations().iter().filter_map(|seen| match seen {
            Observation::Version { name, .. } => Some(name.as_str()),
            _ => None,
        });
        PyTuple::new(py, names.collect::<Vec<_>>())
    }

    /// What was read of the world outside of the process, for the program `everfresh` of the same version.
    fn observations<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let outside = |seen: &&Observation| match seen {
            Observation::Function { .. } | Observation::Version { .. } => false,
            Observation::Generation { home, .. } => home.is_some(),
            _ => true,
        };
        let seen: Vec<&Observation> = self.entry.observations().iter().filter(outside).collect();
        let encoded = everfresh::codec::to_vec(&seen).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(PyBytes::new(py, &encoded))
    }

    /// When it was computed, in seconds since the Unix epoch.
    #[getter]
    fn made(&self) -> f64 {
        self.entry.times().0.as_secs_f64()
    }

    /// Whether there is anything to look at but code and the given number of invalidations, in this process or in `store`.
    #[pyo3(signature = (generations, store = None))]
    fn is_simple(&self, py: Python<'_>, generations: usize, store: Option<&Bound<'_, Store>>) -> bool {
        let mut left = generations;
        let slot = store.map(|store| Arc::clone(&store.get().slot));
        let folder =
            slot.map(|slot| gate::detached(py, || slot.get().map(|store| store.dir().to_string_lossy().into_owned())));
        let Ok(folder) = folder.transpose() else { return false };
        self.entry.observations().iter().all(|seen| match seen {
            Observation::Function { .. } | Observation::Version { .. } => true,
            Observation::Generation { home, .. } if *home == folder => {
                left = left.wrapping_sub(1);
                left != usize::MAX
            }
            _ => false,
        })
    }

    /// What was read, one line each.
    fn observed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.entry.observations().iter().map(ToString::to_string))
    }
}

//! Python's audit events, as far as they tell what a cached function reads or does.
//!
//! | event | means |
//! | --- | --- |
//! | `open` | a file is read, or made |
//! | `os.listdir`, `os.scandir` | a folder is read |
//! | `ctypes.dlopen` | a library is loaded, if it is named by a path |
//! | `sqlite3.connect` | a database is read: by its stat, since hashing it would drop SQLite's locks on it |
//! | `tempfile.*`, `os.mkdir`, `os.rename` … | files are made, moved, removed |
//! | `socket.*`, `os.putenv` … | it is not pure |
//! | `subprocess.Popen`, `os.fork` … | somebody else reads for it: its result is not kept |
//! | `_thread.start_*` | the same, unless the thread was given its context |
//! | `exec`, then `open` | whatever runs: a module that is imported reads a file (`imports`) |
#![allow(unsafe_code)]

use crate::{gate, imports, observe::file, once::intern};
use everfresh::observe;
use pyo3::{ffi, prelude::*, types::PyTuple};
use std::{
    cell::Cell,
    ffi::{CStr, OsString, c_char, c_int, c_void},
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
    ptr,
};

unsafe extern "C" {
    fn PySys_AddAuditHook(
        hook: unsafe extern "C" fn(*const c_char, *mut ffi::PyObject, *mut c_void) -> c_int,
        data: *mut c_void,
    ) -> c_int;
}

thread_local! {
    /// Whether a thread is being started that was given its context.
    static CARRIED: Cell<bool> = const { Cell::new(false) };
    /// Whether a file is being opened that was told of.
    static OPENED_AT: Cell<bool> = const { Cell::new(false) };
}

/// Begins to listen, for as long as the interpreter lives.
pub fn listen(py: Python<'_>) -> PyResult<()> {
    // SAFETY: the hook is a function of this module, which Python never unloads, and it takes no data.
    if unsafe { PySys_AddAuditHook(hook, ptr::null_mut()) } == 0 { Ok(()) } else { Err(PyErr::fetch(py)) }
}

/// Whether a thread that this thread starts now knows what it works for.
#[pyfunction]
pub fn set_carried(carried: bool) {
    CARRIED.with(|own| own.set(carried));
}

/// Says that a file is opened relative to a descriptor, which may be that of the folder `folder`: until `None` is given, the
/// event that follows is of no use, for it tells the path alone. Whether that folder is known.
#[pyfunction]
pub fn set_opened_at(py: Python<'_>, at: Option<(c_int, PathBuf, c_int)>) -> bool {
    OPENED_AT.with(|own| own.set(at.is_some()));
    let Some((descriptor, path, flags)) = at else { return true };
    let folder = if path.is_absolute() { Some(PathBuf::new()) } else { of_descriptor(descriptor) };
    if let Some(folder) = &folder {
        opened(py, &folder.join(path), &Use::of_flags(flags));
    }
    folder.is_some()
}

/// Where the folder is that a descriptor is of, if the system tells.
fn of_descriptor(descriptor: c_int) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{descriptor}")).ok()
}

unsafe extern "C" fn hook(event: *const c_char, args: *mut ffi::PyObject, _: *mut c_void) -> c_int {
    if event.is_null() || args.is_null() {
        return 0;
    }
    // SAFETY: Python gives a C string that outlives the call.
    let event = unsafe { CStr::from_ptr(event) };
    let records = observe::is_recording();
    let of_import = match event.to_bytes() {
        b"exec" => true,
        b"open" => imports::is_importing(),
        _ => false,
    };
    if !records && !of_import {
        return 0;
    }
    let Ok(event) = event.to_str() else { return 0 };
    // What goes wrong here must not fail what the function does.
    let _ = std::panic::catch_unwind(|| {
        Python::attach(|py| {
            // SAFETY: `args` is the tuple of the event's arguments, borrowed for the call.
            let args = unsafe { Bound::from_borrowed_ptr(py, args) };
            let Ok(args) = args.cast::<PyTuple>() else { return };
            let pending = PyErr::take(py);
            let told = if of_import { heard_of_import(event, args) } else { Ok(()) };
            let told = told.and_then(|()| if records { heard(event, args) } else { Ok(()) });
            if let Err(error) = told {
                observe::refuse(format!("the event `{event}` is not understood: {error}"));
            }
            if let Some(pending) = pending {
                pending.restore(py);
            }
        });
    });
    0
}

/// What a module that is imported does, whoever imports it.
fn heard_of_import(event: &str, args: &Bound<'_, PyTuple>) -> PyResult<()> {
    let first = args.get_item(0)?;
    if event == "exec" {
        return imports::begins(&first);
    }
    let Some(path) = path_of(&first)? else { return Ok(()) };
    if is_python(&path) && is_for_python(args.py())? {
        return Ok(());
    }
    imports::opened(args.py(), &path, &Use::of(args)?)
}

/// What a file is opened for.
pub struct Use {
    pub reads: bool,
    pub writes: bool,
    /// Whether it must not be there.
    exclusive: bool,
}

impl Use {
    /// That of an `open` event.
    fn of(args: &Bound<'_, PyTuple>) -> PyResult<Self> {
        // `os.open` gives no mode, `open` with an opener of its own no flags.
        let mode = args.get_item(1)?.extract::<Option<String>>().unwrap_or(None);
        let flags = args.get_item(2)?.extract::<Option<c_int>>().unwrap_or(None).unwrap_or(0);
        Ok(match mode {
            Some(mode) => {
                let plus = mode.contains('+');
                // Who appends does not see what is there.
                let reads = mode.contains('r') || (mode.contains('a') && plus);
                Self { reads, writes: plus || mode.contains(['w', 'a', 'x']), exclusive: mode.contains('x') }
            }
            None => Self::of_flags(flags),
        })
    }

    fn of_flags(flags: c_int) -> Self {
        let exclusive = flags & libc::O_EXCL != 0;
        let appends = flags & libc::O_APPEND != 0 && flags & libc::O_ACCMODE == libc::O_WRONLY;
        let reads = !appends && flags & libc::O_TRUNC == 0 && !exclusive;
        Self { reads, writes: flags & libc::O_ACCMODE != libc::O_RDONLY, exclusive }
    }
}

fn heard(event: &str, args: &Bound<'_, PyTuple>) -> PyResult<()> {
    let py = args.py();
    let path = |index: usize| -> PyResult<Option<PathBuf>> { path_of(&args.get_item(index)?) };
    match event {
        "open" => {
            let Some(path) = path(0)? else { return Ok(()) };
            if path.starts_with("/dev") && path.ends_with("urandom") {
                observe::impure("it reads a random source");
            } else if !(OPENED_AT.with(Cell::get) || is_python(&path) && is_for_python(py)?) {
                opened(py, &path, &Use::of(args)?);
            }
        }
        "os.listdir" | "os.scandir" => {
            let folder = args.get_item(0)?;
            if folder.is_none() {
                gate::detached(py, || observe::dir("."));
            } else if let Ok(descriptor) = folder.extract::<c_int>() {
                match of_descriptor(descriptor) {
                    Some(path) => gate::detached(py, || observe::dir(path)),
                    None => observe::refuse("it lists a folder by its descriptor"),
                }
            } else if let Some(path) = path_of(&folder)?
                && !is_for_python(py)?
            {
                gate::detached(py, || observe::dir(path));
            }
        }
        "ctypes.dlopen" => {
            if let Some(path) = path(0)?.filter(|path| path.components().count() > 1) {
                gate::detached(py, || observe::file(path));
            }
        }
        "sqlite3.connect" => {
            let Some(path) = path(0)? else { return Ok(()) };
            database(py, &path);
        }
        "tempfile.mkstemp" | "tempfile.mkdtemp" | "os.mkdir" => {
            if let Some(path) = path(0)? {
                gate::detached(py, || observe::made(path));
            }
        }
        "os.rename" | "os.link" | "os.symlink" => {
            // What is moved or linked is read under its new name.
            if event != "os.symlink"
                && let Some(path) = path(0)?
                && !observe::is_made(&path)
            {
                gate::detached(py, || file(&path));
            }
            if let Some(path) = path(1)? {
                gate::detached(py, || observe::made(path));
            }
        }
        "os.putenv" | "os.unsetenv" => observe::impure("it changes environment variables"),
        "os.chdir" => observe::impure("it changes the working folder"),
        "socket.connect" | "socket.bind" | "socket.sendto" | "socket.getaddrinfo" => {
            observe::impure("it opens a socket")
        }
        "subprocess.Popen" | "os.system" | "os.posix_spawn" | "os.spawn" | "os.fork" | "os.forkpty" | "os.exec" => {
            observe::impure("it starts a process");
            observe::unseen("it starts a process, and what that reads is not seen");
        }
        "_thread.start_new_thread" | "_thread.start_joinable_thread" if !CARRIED.with(Cell::get) => {
            observe::unseen("it starts a thread in a way that is not seen through");
        }
        _ => {}
    }
    Ok(())
}

/// A file is opened: to be read, to be made, or both.
fn opened(py: Python<'_>, path: &Path, used: &Use) {
    // Who wants to make a new file and finds one sees that it is there.
    if used.exclusive && path.symlink_metadata().is_ok() {
        gate::detached(py, || observe::exists(path));
        return;
    }
    gate::detached(py, || {
        // A folder that is opened to be written gets a file without a name: nobody reads it, or makes it.
        if path.is_dir() && used.writes {
            return;
        }
        if used.reads {
            file(path);
        }
        if used.writes && !path.starts_with("/dev") {
            observe::made(path);
        }
    });
}

/// What SQLite asks about each statement of a connection that a cached function opened: it may. `ATTACH` reads a further
/// database.
#[pyfunction]
#[pyo3(signature = (action, first, *_others))]
pub fn authorize(py: Python<'_>, action: c_int, first: Option<PathBuf>, _others: &Bound<'_, PyTuple>) -> c_int {
    const SQLITE_OK: c_int = 0;
    const SQLITE_ATTACH: c_int = 24;
    if action == SQLITE_ATTACH && observe::is_recording() {
        match first {
            Some(path) => database(py, &path),
            None => observe::refuse("it attaches a database whose path is not a part of the statement"),
        }
    }
    SQLITE_OK
}

/// A database of SQLite changes with its stat, or that of its log.
fn database(py: Python<'_>, path: &Path) {
    let text = path.to_string_lossy();
    if text.is_empty() || text == ":memory:" {
        return;
    }
    let Some(uri) = text.strip_prefix("file:") else { return gate::detached(py, || observe::database(path)) };
    let (name, options) = uri.split_once('?').unwrap_or((uri, ""));
    let name = decoded(name.split_once('#').map_or(name, |(name, _)| name));
    // `file://localhost/path` and `file:///path` say that it is on this machine.
    let name = name.strip_prefix(b"//localhost").or(name.strip_prefix(b"//")).unwrap_or(&name);
    if name.is_empty() || name == b":memory:" || options.contains("mode=memory") {
        return;
    }
    gate::detached(py, || observe::database(OsString::from_vec(name.to_vec())));
}

/// A URI's path, with what `%20` and the like stand for.
fn decoded(text: &str) -> Vec<u8> {
    let (mut decoded, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, others @ ..] = rest {
        let digit = |place: usize| others.get(place).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                rest = others.get(2..).unwrap_or_default();
            }
            _ => {
                decoded.push(*first);
                rest = others;
            }
        }
    }
    decoded
}

/// A path; `None` for a descriptor.
fn path_of(value: &Bound<'_, PyAny>) -> PyResult<Option<PathBuf>> {
    if value.is_instance_of::<pyo3::types::PyInt>() || value.is_none() {
        return Ok(None);
    }
    if let Ok(bytes) = value.extract::<Vec<u8>>() {
        return Ok(Some(OsString::from_vec(bytes).into()));
    }
    value.extract().map(Some)
}

/// Whether this is code: what else an import or a traceback reads is data.
fn is_python(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // A compiled file is written under `….pyc.` and a number, then renamed.
    [".py", ".pyw", ".pyc", ".so", ".pyd"].iter().any(|suffix| name.ends_with(suffix)) || name.contains(".pyc.")
}

/// Whether the interpreter reads for itself: a module that it imports, the lines of a traceback. Code is observed apart.
fn is_for_python(py: Python<'_>) -> PyResult<bool> {
    // SAFETY: a borrowed frame, or null if no Python code runs; the interpreter is attached.
    let frame = unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetFrame().cast()) };
    let mut frame = frame;
    for _ in 0..4 {
        let Some(at) = frame.filter(|frame| !frame.is_none()) else { break };
        let file = at.getattr(intern!(py, "f_code"))?.getattr(intern!(py, "co_filename"))?;
        let file: String = file.extract()?;
        if file.starts_with("<frozen importlib") || file.ends_with("/linecache.py") {
            return Ok(true);
        }
        frame = Some(at.getattr(intern!(py, "f_back"))?);
    }
    Ok(false)
}

//! What a call of a `CachedFunction` does.

use crate::pending::Pending;
use pyo3::ffi;
use pyo3::prelude::*;
use std::ptr;

use super::bind::{Ask, Canonical, Room};
use super::cached::{CachedFunction, NEVER};
use super::call::Call;
use super::key::{Int, Probe, Text};
use super::table::{FAILED, NIL, Table};
use super::{clock, guard_holds, layout, locked, ready};

/// What is called of a table: with `ASYNC`, a hit is an awaitable.
pub(super) fn choose(is_async: bool) -> ffi::vectorcallfunc {
    if is_async { call::<true> } else { call::<false> }
}

unsafe extern "C" fn call<const ASYNC: bool>(
    me: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    nargsf: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let cached = me.cast::<CachedFunction>();
    // SAFETY: CPython calls this with a live object of this type and live arguments.
    unsafe {
        let call = Call { arguments, nargsf, names };
        if (*cached).direct != 1 || call.positional() != 1 || !names.is_null() {
            return several::<ASYNC>(me, arguments, nargsf, names);
        }
        let object = *arguments;
        if let Some(value) = layout::small_int(object) {
            return Lookup::<ASYNC> { me, call }.ask(Int { value, object });
        }
        if layout::is_text(object) {
            let hash = layout::text_hash(object);
            if hash != -1 {
                return Lookup::<ASYNC> { me, call }.ask(Text { hash, object });
            }
        }
        several::<ASYNC>(me, arguments, nargsf, names)
    }
}

/// Any call: bound if it has to be.
#[inline(never)]
unsafe extern "C" fn several<const ASYNC: bool>(
    me: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    nargsf: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let cached = me.cast::<CachedFunction>();
    // SAFETY: the caller passes what CPython gave it.
    unsafe {
        let call = Call { arguments, nargsf, names };
        let answer = if names.is_null() && call.positional() == (*cached).direct {
            Canonical::direct(arguments, (*cached).direct).probe(Lookup::<ASYNC> { me, call })
        } else {
            let signature = &raw const (*cached).signature;
            let mut room = Room::new();
            (*signature).bind(call, &mut room).and_then(|canonical| canonical.probe(Lookup::<ASYNC> { me, call }))
        };
        match answer {
            Some(answer) => answer,
            None if refused() => slow(me, arguments, nargsf, names, ptr::null_mut()),
            None => ptr::null_mut(),
        }
    }
}

/// Whether no key could be made because of the arguments (too many, not hashable) and not of some other error.
pub(super) unsafe fn refused() -> bool {
    // SAFETY: the thread is attached.
    unsafe {
        if ffi::PyErr_Occurred().is_null() {
            return true;
        }
        let refused = ffi::PyErr_ExceptionMatches(ffi::PyExc_TypeError) != 0;
        if refused {
            ffi::PyErr_Clear();
        }
        refused
    }
}

#[derive(Clone, Copy)]
struct Lookup<const ASYNC: bool> {
    me: *mut ffi::PyObject,
    call: Call,
}

/// What looking came to, with new references.
enum Found {
    Value(*mut ffi::PyObject),
    /// A value, and what makes one for the caller from it.
    Copy(*mut ffi::PyObject, *mut ffi::PyObject),
    /// An entry in time that has to be looked at, and its state or null.
    State(*mut ffi::PyObject),
    Nothing,
    Failed,
}

impl<const ASYNC: bool> Ask for Lookup<ASYNC> {
    type Answer = *mut ffi::PyObject;

    #[inline(always)]
    unsafe fn ask<P: Probe>(self, probe: P) -> *mut ffi::PyObject {
        let cached = self.me.cast::<CachedFunction>();
        // SAFETY: the caller holds the object; the guard is held while it is asked.
        unsafe {
            // Whoever records has to hear what an entry was made from.
            let holds = !everfresh::observe::is_recording() && ((*cached).guard.is_null() || guarded(cached));
            let found = if holds { locked(self.me, || look(cached, probe)) } else { Found::Nothing };
            match found {
                Found::Value(value) if ASYNC => ready::new(value),
                Found::Value(value) => value,
                other => finish::<ASYNC>(self.me, self.call.arguments, self.call.nargsf, self.call.names, other),
            }
        }
    }
}

#[inline(always)]
unsafe fn look<P: Probe>(cached: *mut CachedFunction, probe: P) -> Found {
    // SAFETY: the caller holds the object; no Python runs after `find`.
    unsafe {
        let at = Table::find(&raw const (*cached).table, &probe);
        if at == NIL {
            return Found::Nothing;
        }
        if at == FAILED {
            return Found::Failed;
        }
        let bounded = (*cached).bounded();
        let idle = (*cached).idle;
        let table = &mut (*cached).table;
        let entry = table.entry(at);
        let held = &mut entry.extra;
        if held.deadline != NEVER || idle != NEVER {
            let now = clock::now();
            if held.deadline <= now || now.saturating_sub(held.used) > idle {
                return Found::Nothing;
            }
            held.used = now;
        }
        let found = if !held.simple {
            ffi::Py_XINCREF(held.state);
            Found::State(held.state)
        } else if held.copy.is_null() {
            ffi::Py_INCREF(entry.value);
            (*cached).hits += 1;
            Found::Value(entry.value)
        } else {
            ffi::Py_INCREF(entry.value);
            ffi::Py_INCREF(held.copy);
            (*cached).hits += 1;
            Found::Copy(entry.value, held.copy)
        };
        if bounded {
            table.touch(at);
        }
        found
    }
}

/// Whether the guard holds, held meanwhile: another thread may put another in its place.
#[inline(never)]
unsafe fn guarded(cached: *mut CachedFunction) -> bool {
    // SAFETY: the guard is read and held in one critical section.
    unsafe {
        let guard = locked(cached.cast(), || {
            ffi::Py_XINCREF((*cached).guard);
            (*cached).guard
        });
        if guard.is_null() {
            return true;
        }
        let holds = guard_holds(guard);
        ffi::Py_DECREF(guard);
        holds
    }
}

/// All but a plain hit.
#[inline(never)]
unsafe fn finish<const ASYNC: bool>(
    me: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    nargsf: usize,
    names: *mut ffi::PyObject,
    found: Found,
) -> *mut ffi::PyObject {
    // SAFETY: `found` holds new references, given back here.
    unsafe {
        match found {
            Found::Value(value) => value,
            Found::Copy(value, copy) => {
                let made = ffi::PyObject_CallOneArg(copy, value);
                ffi::Py_DECREF(value);
                ffi::Py_DECREF(copy);
                if ASYNC { ready::new(made) } else { made }
            }
            Found::State(state) => {
                let result = slow(me, arguments, nargsf, names, state);
                ffi::Py_XDECREF(state);
                result
            }
            Found::Nothing => slow(me, arguments, nargsf, names, ptr::null_mut()),
            Found::Failed => ptr::null_mut(),
        }
    }
}

/// What the slow path gave, or what comes of running it if it is pending; takes over its reference. It counts against the
/// limit of recursion as the call of a function does, since it calls one.
unsafe fn run(answer: *mut ffi::PyObject) -> *mut ffi::PyObject {
    if answer.is_null() {
        return answer;
    }
    // SAFETY: the caller is attached, and passes a live object.
    unsafe {
        let py = Python::assume_attached();
        let answer = Bound::from_owned_ptr(py, answer);
        let Ok(pending) = answer.cast_exact::<Pending>() else { return answer.into_ptr() };
        if ffi::Py_EnterRecursiveCall(c" while calling a Python object".as_ptr()) != 0 {
            return ptr::null_mut();
        }
        let result = pending.get().run(py);
        ffi::Py_LeaveRecursiveCall();
        result.map_or_else(
            |error| {
                error.restore(py);
                ptr::null_mut()
            },
            Bound::into_ptr,
        )
    }
}

/// `slow(self, args, kwargs, state)`: `kwargs` and `state` are `None` where there are none.
#[inline(never)]
unsafe fn slow(
    me: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    nargsf: usize,
    names: *mut ffi::PyObject,
    state: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let cached = me.cast::<CachedFunction>();
    let call = Call { arguments, nargsf, names };
    // SAFETY: the arguments are live; what is made here is given back here.
    unsafe {
        let args = ffi::PyTuple_New(call.positional() as isize);
        if args.is_null() {
            return ptr::null_mut();
        }
        for position in 0..call.positional() {
            let argument = *arguments.add(position);
            ffi::Py_INCREF(argument);
            ffi::PyTuple_SET_ITEM(args, position as isize, argument);
        }
        let kwargs = kwargs_of(call);
        let mut result = ptr::null_mut();
        if !kwargs.is_null() {
            let state = if state.is_null() { ffi::Py_None() } else { state };
            let handed = [ptr::null_mut(), me, args, kwargs, state];
            let nargsf = (handed.len() - 1) | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET;
            result = Call { arguments: handed.as_ptr().add(1), nargsf, names: ptr::null_mut() }.of((*cached).slow);
            result = run(result);
            ffi::Py_DECREF(kwargs);
        }
        ffi::Py_DECREF(args);
        result
    }
}

/// The keyword arguments as a new dict, or `None`; null with an error set.
unsafe fn kwargs_of(call: Call) -> *mut ffi::PyObject {
    // SAFETY: keyword values follow the positional arguments.
    unsafe {
        if call.keywords() == 0 {
            ffi::Py_INCREF(ffi::Py_None());
            return ffi::Py_None();
        }
        let kwargs = ffi::PyDict_New();
        for keyword in 0..call.keywords() {
            let name = ffi::PyTuple_GET_ITEM(call.names, keyword as isize);
            let value = *call.arguments.add(call.positional() + keyword);
            if kwargs.is_null() || ffi::PyDict_SetItem(kwargs, name, value) != 0 {
                ffi::Py_XDECREF(kwargs);
                return ptr::null_mut();
            }
        }
        kwargs
    }
}

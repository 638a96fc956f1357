//! Arguments in canonical order, without a tuple or a dict: `f(5)`, `f(x=5)` and the default meet in one key.
//!
//! A key's elements are the parameters in order of declaration, without the ignored ones, then what `*args` took, then
//! the values of what `**kwargs` took, with their names; with `typed` then the classes of all of them.

use pyo3::ffi;
use std::mem::MaybeUninit;
use std::ptr;

use super::call::Call;
use super::key::{Elements, Int, Lone, Probe, Text};
use super::layout;

/// What a function's parameters are. Owns a reference of each name and default.
pub(super) struct Signature {
    /// Interned: callers pass the same objects.
    pub(super) names: Vec<*mut ffi::PyObject>,
    /// One for each name; null without one.
    pub(super) defaults: Vec<*mut ffi::PyObject>,
    /// Defaults that were replaced, which calls on the way may still hold.
    pub(super) retired: Vec<*mut ffi::PyObject>,
    /// The positions of the parameters that are in the key, ascending.
    pub(super) keyed: Vec<usize>,
    /// How many parameters cannot be given by keyword.
    pub(super) positional_only: usize,
    /// How many parameters can be given by position.
    pub(super) positional: usize,
    pub(super) var_positional: bool,
    pub(super) var_keyword: bool,
    pub(super) typed: bool,
}

/// The number of elements that need no allocation.
const INLINE: usize = 32;

/// Where bound arguments lie during a call.
pub(super) struct Room {
    inline: [MaybeUninit<*mut ffi::PyObject>; INLINE],
    spilled: Vec<*mut ffi::PyObject>,
}

impl Room {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Room { inline: [MaybeUninit::uninit(); INLINE], spilled: Vec::new() }
    }

    #[inline(always)]
    fn of(&mut self, len: usize) -> *mut *mut ffi::PyObject {
        if len <= INLINE {
            return self.inline.as_mut_ptr().cast();
        }
        self.spilled.resize(len, ptr::null_mut());
        self.spilled.as_mut_ptr()
    }
}

/// Borrowed elements in canonical order.
pub(super) struct Canonical {
    elements: *const *mut ffi::PyObject,
    len: usize,
    /// A tuple of what `**kwargs` took, or null.
    names: *mut ffi::PyObject,
    /// Whether `names` is a new reference.
    owned: bool,
    typed: bool,
}

impl Drop for Canonical {
    fn drop(&mut self) {
        if self.owned {
            // SAFETY: the reference was made by `bind`, and the thread that dropped it is attached.
            unsafe { ffi::Py_DECREF(self.names) };
        }
    }
}

impl Signature {
    /// How many positional arguments alone are canonical as they come; no number where none are.
    pub(super) fn direct(&self) -> usize {
        let all = self.names.len();
        if self.typed || self.keyed.len() != all || self.positional != all { usize::MAX } else { all }
    }

    /// `None`: the call does not fit the parameters, and calling the function says why; or an error is set.
    pub(super) unsafe fn bind(&self, call: Call, room: &mut Room) -> Option<Canonical> {
        // SAFETY: the caller passes live arguments: keyword values follow the positional ones. `room` holds every
        // parameter and argument, twice with `typed`.
        unsafe {
            let (given, keywords, parameters) = (call.positional(), call.keywords(), self.names.len());
            let by_position = given.min(self.positional);
            if given > by_position && !self.var_positional {
                return None;
            }
            let most = (parameters + given + keywords) * if self.typed { 2 } else { 1 };
            let slots = room.of(most);
            for position in 0..parameters {
                slots.add(position).write(if position < by_position {
                    *call.arguments.add(position)
                } else {
                    ptr::null_mut()
                });
            }
            let mut extra = 0;
            for keyword in 0..keywords {
                let name = ffi::PyTuple_GET_ITEM(call.names, keyword as isize);
                match self.parameter(name) {
                    Some(position) if (*slots.add(position)).is_null() => {
                        slots.add(position).write(*call.arguments.add(given + keyword));
                    }
                    None if self.var_keyword && layout::is_text(name) => extra += 1,
                    _ => return None,
                }
            }
            for position in by_position..parameters {
                if (*slots.add(position)).is_null() {
                    let default = self.defaults[position];
                    if default.is_null() {
                        return None;
                    }
                    slots.add(position).write(default);
                }
            }
            // Ascending positions: nothing is overwritten before it is read.
            for (to, from) in self.keyed.iter().enumerate() {
                slots.add(to).write(*slots.add(*from));
            }
            let mut len = self.keyed.len();
            for position in by_position..given {
                slots.add(len).write(*call.arguments.add(position));
                len += 1;
            }
            let mut canonical =
                Canonical { elements: slots, len, names: ptr::null_mut(), owned: false, typed: self.typed };
            if extra > 0 {
                self.keep_extra(call, extra, slots, &mut canonical)?;
            }
            if self.typed {
                for position in 0..canonical.len {
                    slots.add(canonical.len + position).write(ffi::Py_TYPE(*slots.add(position)).cast());
                }
                canonical.len *= 2;
            }
            Some(canonical)
        }
    }

    /// The parameter that a keyword names, if it can be given so.
    unsafe fn parameter(&self, name: *mut ffi::PyObject) -> Option<usize> {
        let keywords = self.names.get(self.positional_only..)?;
        let found = keywords.iter().position(|parameter| *parameter == name).or_else(|| {
            // SAFETY: both are live; an exact `str` is hashed, as `same_text` asks.
            keywords.iter().position(|parameter| unsafe {
                layout::is_text(name) && layout::text_hash(name) != -1 && layout::same_text(*parameter, name)
            })
        })?;
        Some(found + self.positional_only)
    }

    /// Appends what `**kwargs` took: `extra` values, and their names as a tuple.
    #[inline(never)]
    unsafe fn keep_extra(
        &self,
        call: Call,
        extra: usize,
        slots: *mut *mut ffi::PyObject,
        canonical: &mut Canonical,
    ) -> Option<()> {
        // SAFETY: as in `bind`; a new tuple is filled with `extra` names before anybody sees it.
        unsafe {
            let keywords = call.keywords();
            canonical.names = if extra == keywords { call.names } else { ffi::PyTuple_New(extra as isize) };
            canonical.owned = extra != keywords && !canonical.names.is_null();
            if canonical.names.is_null() {
                return None;
            }
            let mut kept = 0;
            for keyword in 0..keywords {
                let name = ffi::PyTuple_GET_ITEM(call.names, keyword as isize);
                if self.parameter(name).is_some() {
                    continue;
                }
                if canonical.owned {
                    ffi::Py_INCREF(name);
                    ffi::PyTuple_SET_ITEM(canonical.names, kept, name);
                    kept += 1;
                }
                slots.add(canonical.len).write(*call.arguments.add(call.positional() + keyword));
                canonical.len += 1;
            }
            Some(())
        }
    }

    pub(super) unsafe fn release(&mut self) {
        let names = std::mem::take(&mut self.names);
        let defaults = std::mem::take(&mut self.defaults);
        let retired = std::mem::take(&mut self.retired);
        for object in names.into_iter().chain(defaults).chain(retired).filter(|object| !object.is_null()) {
            // SAFETY: the signature owned a reference of each; it is empty when they are released.
            unsafe { ffi::Py_DECREF(object) };
        }
        self.keyed = Vec::new();
        self.positional = 0;
        self.positional_only = 0;
    }
}

/// What is done with a key that is looked for, whatever its kind.
pub(super) trait Ask {
    type Answer;
    unsafe fn ask<P: Probe>(self, probe: P) -> Self::Answer;
}

impl Canonical {
    /// Arguments that are canonical as they come.
    #[inline(always)]
    pub(super) fn direct(elements: *const *mut ffi::PyObject, len: usize) -> Self {
        Canonical { elements, len, names: ptr::null_mut(), owned: false, typed: false }
    }

    /// `None` with an error set where an element cannot be hashed.
    #[inline(always)]
    pub(super) unsafe fn probe<A: Ask>(&self, ask: A) -> Option<A::Answer> {
        // SAFETY: the elements are live as long as the call's arguments.
        unsafe {
            if self.len != 1 || self.typed || !self.names.is_null() {
                return Some(ask.ask(Elements::new(self.elements, self.len, self.names)?));
            }
            let object = *self.elements;
            if let Some(value) = layout::small_int(object) {
                return Some(ask.ask(Int { value, object }));
            }
            let text = layout::is_text(object);
            let hash = if text { layout::text_hash(object) } else { ffi::PyObject_Hash(object) };
            if hash == -1 {
                return None;
            }
            if text {
                return Some(ask.ask(Text { hash, object }));
            }
            Some(ask.ask(Lone { hash, object, scalar: layout::is_int(object) }))
        }
    }
}

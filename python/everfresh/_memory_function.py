"""Functions whose results a `Memory` keeps: `memory.cache(f)`."""

from __future__ import annotations

import functools
import os
import threading
import time
import types

from . import _native
from ._call import Call
from ._memory_engine import StoredFunction, bound, is_found_by_name, taken_apart
from ._memory_result import MemorizedResult, NotMemorizedResult
from ._memory_store import absolute, store_at
from ._settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._native import Kept

    Callback = Callable[[dict[str, Any]], object]

# Their results are handed out again without a look at the store, as long as nothing was written to it.
_SIMPLE = frozenset({type(None), bool, int, str, bytes})
_SIMPLE_RESULTS = _SIMPLE | {float, complex}
_MOST_SIMPLE = 1024
_LONGEST_SIMPLE = 1024
# Then a result is taken from the store again, which notes that it is in use.
_SIMPLE_FOR = 60.0


class ArgumentsError(TypeError, ValueError):
    """A call's arguments do not fit the function. A `ValueError` too, since joblib raises that."""


# Those whose keys are being made on this thread.
_named_now = threading.local()


class _Simple:
    """A result that is not looked at again before something happens."""

    __slots__ = ("epoch", "found", "invalidations", "revision", "until", "value")

    def __init__(self, value: object, found: _native.Found, seen: tuple[int, int, int]) -> None:
        self.value, self.found = value, found
        self.epoch, self.revision, self.invalidations = seen
        self.until = time.monotonic() + min(_SIMPLE_FOR, found.remaining or _SIMPLE_FOR)


class MemorizedFunc:
    """A function whose results are kept on disk, each served only while all that it was made from is unchanged.

    Made by `Memory.cache`. The parameters are those of joblib's class of this name.
    """

    def __init__(
        self,
        func: Callable[..., Any],
        location: str | os.PathLike[str],
        backend: str = "local",
        ignore: list[str] | None = None,
        mmap_mode: str | None = None,
        compress: bool | int | str | tuple[str, int] = False,
        verbose: int = 1,
        timestamp: float | None = None,
        cache_validation_callback: Callback | None = None,
        max_size: int | str | None = None,
    ) -> None:
        from ._memory_values import compression, know_key

        know_key()
        self.func = func
        self.location, self.backend, self.compress = absolute(location), backend, compress
        self.ignore = ignore if ignore is not None else []
        self.mmap_mode, self._verbose, self.timestamp = mmap_mode, verbose, timestamp
        self.cache_validation_callback = cache_validation_callback
        self._max_size = max_size
        target, self._first, self._named = taken_apart(func)
        self._store = store_at(self.location, max_size)
        settings = Settings(
            maxsize=None,
            maxbytes=None,
            ttl=getattr(cache_validation_callback, "seconds", None),
            idle=None,
            stale=None,
            typed=True,
            key=None,
            ignore=tuple(self.ignore),
            tags=(),
            depends=(),
            store=self._store,
            errors=False,
            verify=0.0,
            strict=False,
            check=None,
            order_free=False,
            pickle=True,
        )
        self._function = StoredFunction(target, settings, compression(compress))
        self._simple: dict[tuple[object, ...], _Simple] = {}
        functools.update_wrapper(self, func)
        if self._function.is_async:
            from ._async import mark_coroutine

            mark_coroutine(self)

    @property
    def func_id(self) -> str:
        """The name under which the results are kept."""
        return self._function.name

    # Calls.

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        if not kwargs:
            try:
                simple = self._simple.get(args + tuple(map(type, args)))
            except TypeError:
                simple = None
            if simple is not None and self._still(simple):
                return simple.value
        return self._answer(args, kwargs)

    def call(self, /, *args: Any, **kwargs: Any) -> Any:
        """Computes the result in any case and keeps it; returns it with its metadata, as joblib does.

        The metadata are `duration` in seconds, `time` since the Unix epoch, and `input_args`.
        """
        call, found = self._computed(self._begin(args, kwargs), anew=True)
        return self._value(call, found), self._metadata(call, found)

    def call_and_shelve(self, /, *args: Any, **kwargs: Any) -> Any:
        """The result by reference: `.get()` reads it, `.clear()` forgets it. Computes it if need be."""
        return self._shelved(*self._found(args, kwargs))

    def check_call_in_cache(self, /, *args: Any, **kwargs: Any) -> bool:
        """Whether a call would be answered without computing. Says why not: `cache_explain`."""
        call = self._begin(args, kwargs)
        found = self._find(call)
        return found is not None and self._is_valid(call, found)

    def cache_explain(self, /, *args: Any, **kwargs: Any) -> str:
        """What a call would do now, and why.

        `hit …` with all that was read; `miss: …` with what changed, or why this process did not keep the last result.
        """
        call = self._begin(args, kwargs)
        return self._function.explain(call.key)

    def clear(self, warn: bool = True) -> None:
        """Makes all results of the function out of date, and whatever was made with them, in all processes."""
        if self._verbose > 0 and warn:
            self.warn(f"Clearing function cache identified by {self.func_id}")
        self._simple.clear()
        # People remove the folder while a session runs.
        self._store.reopen_if_gone()
        self._function.forget()

    def warn(self, msg: str) -> None:
        """Logs a warning, to the logger `everfresh.Memory`."""
        import logging

        logging.getLogger("everfresh.Memory").warning("[%s]: %s", self, msg)

    # What a call consists of.

    def _begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        function = self._function
        function.look_at_code(None)
        if self._named:
            kwargs = self._named | kwargs
        bound = function.signature.bind(self._first + args, kwargs)
        if bound is None:
            raise self._misfit(args, kwargs)
        return Call(function, function.table, bound, args, kwargs, self._first)

    def _answer(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        # Before anything is looked at: what is written after that is not overlooked.
        seen = self._function.code.epoch, self._store.revision(), _native.invalidations()
        call, found = self._found(args, kwargs)
        value = self._value(call, found)
        if not kwargs and not self._named and type(value) in _SIMPLE_RESULTS:
            self._remember(args, found, value, seen)
        return value

    def _found(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Call, _native.Found]:
        call = self._begin(args, kwargs)
        if self._verbose >= 20:
            self._say_what_is_asked(call)
        anew = False
        if self.cache_validation_callback is not None:
            found = self._find(call)
            if found is not None and self._is_valid(call, found):
                return call, found
            anew = found is not None
        return self._computed(call, anew=anew)

    def _find(self, call: Call) -> _native.Found | None:
        found = self._function.engine.find(call.key, [])
        self._function.engine.release(call.key)
        return found

    def _computed(self, call: Call, *, anew: bool) -> tuple[Call, _native.Found]:
        def compute() -> Kept:
            self._before(call)
            return call.compute()

        found = self._function.engine.call(call.key, [], compute, anew=anew)
        self._function.judged(found)
        self._function.engine.release(call.key)
        if call.has_original:
            self._say_how_it_went(found)
        return call, found

    def _is_valid(self, call: Call, found: _native.Found) -> bool:
        callback = self.cache_validation_callback
        if callback is None:
            return True
        if _native.is_recording() and not hasattr(callback, "seconds"):
            # Nobody asks it when the caller's result is looked up.
            _native.refuse(f"it calls {self.func_id}, whose results a callback judges")
        return bool(callback(self._metadata(call, found)))

    def _value(self, call: Call, found: _native.Found) -> Any:
        while True:
            read, value = self._read(call, found)
            if read:
                return value
            call, found = self._computed(call, anew=True)

    def _read(self, call: Call, found: _native.Found) -> tuple[bool, Any]:
        """The caller's own value; none if it was somebody else who computed it, or what is stored cannot be read."""
        from ._memory_values import decode

        original = call.has_original
        value, call.original, call.has_original = call.original, None, False
        if original and (self.mmap_mode is None or found.output is None):
            return True, value
        stored = found.value
        if not isinstance(stored, _native.Stored):
            stored = None if found.output is None else self._function.engine.stored(found.key, found.output)
        if stored is None:
            return original, value
        start = time.monotonic()
        try:
            read = decode(stored, self.mmap_mode)
        except Exception:  # a class that is not there any more, and whatever else a pickle can raise
            if original:
                return True, value
            import traceback

            self.warn(f"Exception while loading results for {self._said(call)}\n {traceback.format_exc()}")
            return False, None
        if self._verbose > 4 and not original:
            self._say_duration(time.monotonic() - start, "cache loaded ")
        return True, read

    def _shelved(self, call: Call, found: _native.Found) -> MemorizedResult | NotMemorizedResult:
        metadata = self._metadata(call, found) if call.has_original else {}
        if found.output is None or found.unstorable is not None:
            return NotMemorizedResult(self._value(call, found))
        call.original, call.has_original = None, False
        return MemorizedResult(
            self.location,
            self.func_id,
            call.key,
            found.output,
            mmap_mode=self.mmap_mode,
            max_size=self._max_size,
            metadata=metadata or {"duration": found.cost, "time": found.made},
        )

    def _metadata(self, call: Call, found: _native.Found) -> dict[str, Any]:
        return {"duration": found.cost, "input_args": self._texts(call), "time": found.made}

    def _misfit(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ArgumentsError:
        import inspect

        signature = inspect.signature(self.func)
        places = [name for name, one in signature.parameters.items() if one.kind <= one.POSITIONAL_OR_KEYWORD]
        if len(args) > len(places):
            return ArgumentsError(f"Too many arguments for {self.func_id}{signature}: {len(args)} are given by place")
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            return ArgumentsError(f"Wrong arguments for {self.func_id}{signature}: {error}")
        return ArgumentsError(f"Wrong arguments for {self.func_id}{signature}")

    # Results that are at hand.

    def _still(self, simple: _Simple) -> bool:
        code = self._function.code
        if (
            code.epoch != simple.epoch
            or code.guard is None
            or not code.guard.holds()
            or time.monotonic() > simple.until
            or _native.is_recording()
        ):
            return False
        revision, invalidations = self._store.revision(), _native.invalidations()
        if revision != simple.revision or invalidations != simple.invalidations:
            if not self._function.engine.reuse(simple.found, []):
                return False
            simple.revision, simple.invalidations = revision, invalidations
        return True

    def _remember(self, args: tuple[Any, ...], found: _native.Found, value: Any, seen: tuple[int, int, int]) -> None:
        code = self._function.code
        if (
            self._first
            or self.cache_validation_callback is not None
            or self._verbose > 4
            or not _SIMPLE.issuperset(map(type, args))
            or (isinstance(value, str | bytes) and len(value) > _LONGEST_SIMPLE)
            or found.output is None
            or found.unstorable is not None
            or code.guard is None
            or code.guard.volatile
            or not found.is_simple(self._function.generations, self._store)
            or not all(name in code.items for name in found.versions())
        ):
            return
        if len(self._simple) >= _MOST_SIMPLE:
            self._simple.clear()
        self._simple[args + tuple(map(type, args))] = _Simple(value, found, seen)

    # What is said.

    def _texts(self, call: Call) -> dict[str, str]:
        values, further, keywords = call.bound
        named = dict(zip(self._function.signature.names, values, strict=True)) | keywords
        said = {name: repr(value) for name, value in named.items() if name not in self.ignore}
        if further and "*" not in self.ignore:
            said["*"] = repr(list(further))
        return said

    def _said(self, call: Call) -> str:
        import reprlib

        shown = [reprlib.repr(value) for value in call.args]
        shown += [f"{name}={reprlib.repr(value)}" for name, value in call.kwargs.items()]
        return f"{self.func_id}({', '.join(shown)})"

    def _say_what_is_asked(self, call: Call) -> None:
        import logging

        logging.basicConfig(level=logging.INFO)
        said = f"Querying {self.func_id} with signature {self._said(call)} (argument hash {call.key.hex()})"
        logging.getLogger("everfresh.Memory").info("[%s]: %s", self, said)

    def _before(self, call: Call) -> None:
        """What is done and said before the function is called."""
        # People remove the folder while a session runs: from the next result on there is one again.
        self._store.reopen_if_gone()
        if self._verbose > 10:
            place = f"argument hash {call.key.hex()} in location {self.location}"
            self.warn(f"Computing func {self._function.name}, {place}")
        if self._verbose > 0:
            print(f"{'_' * 80}\n[Memory] Calling {self.func_id}...\n{self._said(call)}")

    def _say_how_it_went(self, found: _native.Found) -> None:
        if self._verbose > 0:
            self._say_duration(found.cost, "")

    def _say_duration(self, seconds: float, context: str) -> None:
        said = f"{self._function.name.rpartition('.')[2]} {context}- {seconds:.1f}s, {seconds / 60:.1f}min"
        print(f"{said:_>80}")

    # As a Python object.

    def __everfresh_key__(self) -> object:
        """As an argument, or what a function closes over, it is the function that it calls."""
        from ._memory_arguments import fingerprint

        _named_now.owners = owners = getattr(_named_now, "owners", [])
        if any(owner is self for owner in owners):
            # An instance that holds its own cached method.
            return (self._function.function,)
        owners.append(self)
        try:
            given = [fingerprint(value) for value in (*self._first, *self._named.values())]
        finally:
            owners.pop()
        return self._function.function, given, tuple(self._named)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """A function in a class is a method of its instances, which count as any other argument does."""
        return self if instance is None else bound(self, instance)

    def __copy__(self) -> MemorizedFunc:
        return self

    def __reduce__(self) -> Any:
        if is_found_by_name(self):
            return self.__qualname__  # type: ignore[attr-defined]
        func = self.func
        how = (func.__func__, func.__self__) if isinstance(func, types.MethodType) else (func,)
        options = (self.ignore, self.mmap_mode, self.compress, self._verbose)
        return _rebuilt, (
            type(self),
            how,
            self.location,
            self.backend,
            options,
            self.cache_validation_callback,
            self._max_size,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(func={self.func}, location={self.location})"


def _rebuilt(
    cls: type[MemorizedFunc],
    how: tuple[Any, ...],
    location: str,
    backend: str,
    options: tuple[Any, Any, Any, Any],
    callback: Callback | None,
    max_size: int | str | None,
) -> MemorizedFunc:
    ignore, mmap_mode, compress, verbose = options
    return cls(
        # A method by its name in the instance would be the cached one.
        types.MethodType(*how) if len(how) == 2 else how[0],
        location,
        backend,
        ignore,
        mmap_mode,
        compress,
        verbose,
        None,
        callback,
        max_size,
    )

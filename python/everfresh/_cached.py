"""`everfresh.cached`: computed once, never stale."""

from __future__ import annotations

import threading
import time
import warnings
import weakref
from contextvars import ContextVar

from . import _fork, _native
from ._observed import CodeNow, Computation, Given, ImpureWarning, Purity, code_hook
from ._signature import Signature
from ._size import size_of
from ._watch_silence import caller_level, silence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ._native import Kept
    from ._settings import Settings
    from ._signature import Bound

    # A function, its arguments and its keyword arguments.
    Begun = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]

_HEAP_TYPE = 1 << 9
_CO_GENERATOR, _CO_COROUTINE, _CO_ASYNC_GENERATOR = 0x20, 0x80, 0x200
_PLAIN = frozenset({type(None), bool, int, str, bytes})
_PLAIN_OF = frozenset({"UUID", "date", "PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath"})
_PLACES_OF_PLAIN = frozenset({"uuid", "datetime", "pathlib", "pathlib._local"})
# Of so many keys it is known why nothing was kept.
_MOST_REFUSED = 256
_TEXTS = frozenset({type(None), str, bytes})


def _chance() -> float:
    import random

    return random.random()


def _log(text: str) -> None:
    import logging

    logging.getLogger("everfresh").warning("%s", text)


class _Raised:
    """An error that is kept as a result."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Late(Exception):  # noqa: N818
    """Somebody else was quicker."""

    def __init__(self, found: _native.Found) -> None:
        self.found = found


class _Key(bytes):
    """The fingerprint of arguments in their place, where they have no hash, or equal ones may be others."""

    __slots__ = ()


class _Held:
    """A result in memory that has to be looked at before it is used."""

    __slots__ = ("checked", "found", "invalidations", "made_of")

    def __init__(self, found: _native.Found, made_of: bytes) -> None:
        self.found, self.made_of = found, made_of
        self.look()

    def look(self) -> None:
        """Says that it holds now."""
        self.checked, self.invalidations = time.monotonic(), _native.invalidations()

    def was_looked_at(self, within: float) -> bool:
        """Whether that was so short a time ago that files and variables need no look: its time is not over, nothing was
        invalidated since, and nobody wants to hear what it was made from.
        """
        return (
            time.monotonic() - self.checked < within
            and self.found.remaining != 0
            and self.invalidations == _native.invalidations()
            and not _native.is_recording()
        )


def _is_plain(value: Any) -> bool:
    """Whether nothing in a value can change, nor the code that uses it, and equal ones of its type are the same."""
    cls = type(value)
    if cls in _PLAIN:
        return True
    if cls is float:
        # A NaN does not equal itself.
        return bool(value != 0.0 and value == value)
    if cls is tuple:
        return all(type(item) in _TEXTS for item in value)
    return cls.__name__ in _PLAIN_OF and cls.__module__ in _PLACES_OF_PLAIN


def state_of(instance: Any) -> Any:
    """What an instance is told by in the keys of its methods."""
    cls = type(instance)
    if hasattr(cls, "__everfresh_key__") or hasattr(cls, "__dataclass_fields__"):
        return instance
    from ._values import state

    content: Any = None
    bases: tuple[Any, ...] = (str, bytes, int, float, tuple, list, dict, set, frozenset)
    for base in bases:
        if isinstance(instance, base):
            content = base(instance.items() if base is dict else instance)
            break
    else:
        # What C keeps to itself shows in how the object is copied, if at all.
        if _made_in_c(cls):
            content = instance.__reduce_ex__(2)[1:]
    return code_hook(cls), f"{cls.__module__}.{cls.__qualname__}", content, sorted(state(instance).items())


def _made_in_c(cls: type) -> bool:
    return any(base is not object and not base.__flags__ & _HEAP_TYPE for base in cls.__mro__)


def _weakly(method: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A method that does not keep its object alive: the engine's part in a cycle cannot be collected."""
    reference = weakref.WeakMethod(method)

    def call(argument: Any) -> Any:
        alive = reference()
        return None if alive is None else alive(argument)

    return call


class Function:
    """A cached function: what it is made of, its engine, and the table in front of it."""

    def __init__(self, function: Callable[..., Any], settings: Settings, name: str | None = None) -> None:
        flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
        if flags & (_CO_GENERATOR | _CO_ASYNC_GENERATOR):
            called = getattr(function, "__qualname__", repr(function))
            raise TypeError(
                f"{called} is a generator function: what it yields is used up by the first caller. "
                "Return a list or a tuple instead."
            )
        self.function = function
        self.settings = settings
        self.is_async = bool(flags & _CO_COROUTINE)
        self.name = name or (
            f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', type(function).__name__)}"
        )
        self.signature = Signature(function)
        self.purity = Purity(self.name, strict=settings.strict, excused=settings.ttl is not None)
        # A walk may import what calls the function.
        self.lock = threading.RLock()
        #: How many computations ended before they began, which the engine counts as failures.
        self.late = 0
        #: Keys that are computed anew behind their callers.
        self.refreshing: set[bytes] = set()
        self.tasks: set[Any] = set()
        #: Why the last results of these keys were not kept.
        self.refused: dict[bytes, str] = {}
        self._code: CodeNow | None = None
        home = getattr(function, "__qualname__", "").rpartition(".")[0]
        self._in_class = bool(home) and not home.endswith("<locals>")
        self._method: Any = None
        self.engine = _native.Engine(
            self.name,
            store=settings.store,
            ttl=settings.ttl,
            tags=list(settings.tags),
            versions=_weakly(self._version),
            decode=_weakly(self._decode),
        )
        # Those of the function, of the key and of each tag.
        self.generations = 2 + len(settings.tags)
        self.table = self.new_table()
        _functions.append(weakref.ref(self))

    def new_table(self, slow: Callable[..., Any] | None = None, skip: int = 0) -> Any:
        """A table of results in front of the engine. `skip` leading parameters are given by somebody else."""
        signature, settings = self.signature, self.settings
        table = _native.CachedFunction(
            self.function,
            slow or self.slow,
            names=signature.names[skip:],
            positional_only=max(signature.positional_only - skip, 0),
            positional=max(signature.positional - skip, 0),
            defaults=self.defaults(skip),
            ignore=tuple(place - skip for place in signature.places(settings.ignore) if place >= skip),
            var_positional=signature.var_positional,
            var_keyword=signature.var_keyword,
            maxsize=settings.maxsize,
            maxbytes=settings.maxbytes,
            typed=settings.typed,
            idle_ns=None if settings.idle is None else int(settings.idle * 1e9),
            guard=None,
            is_async=self.is_async,
        )
        table.skip, table.epoch = skip, 0
        return table

    # What the engine asks.

    def _version(self, name: str) -> bytes | None:
        version = self.code.version(name)
        if version is None:
            # A cached function among the arguments handed up what it is made of.
            call = _asking.get()()
            version = call.codes.version(name) if call is not None and call.function is self else None
        return version

    def _decode(self, stored: _native.Stored) -> Kept:
        return self.kept(_native.loads(stored, verified=True))

    def kept(self, value: Any, *, new: bool = False) -> Kept:
        """What the cache keeps of a value, what makes a caller's copy, its size, and if it is new its encoding.

        Raises:
            TypeError: if it cannot be copied, or has no encoding and is to be stored.
        """
        if isinstance(value, _Raised):
            return value, None, 0, None
        settings = self.settings
        kept, copy = _native.protect(value)
        parts = None
        if new and settings.store is not None:
            # What is kept of arrays is hashed once, here, and not where they are handed to.
            own = kept if type(kept) is type(value) else value
            parts = _native.encode(own, pickle=settings.pickle, checksum=False)
        return kept, copy, 0 if settings.maxbytes is None else size_of(kept), parts

    # Code.

    @property
    def code(self) -> CodeNow:
        """The function's code, walked when it is first called."""
        if self._code is None:
            with self.lock:
                if self._code is None:
                    code = CodeNow(self.function)
                    code.refresh()
                    self._code = code
        return self._code

    def look_at_code(self, table: Any) -> None:
        """Forgets what a table holds if the code is another one than when it was filled."""
        code = self.code
        # One thread at a time: who comes late must not forget what was put in meanwhile.
        with self.lock:
            if code.refresh():
                self.signature = Signature(self.function)
            if table.guard is not code.guard:
                if table.epoch != code.epoch:
                    table.forget()
                    table.set_defaults(self.defaults(table.skip))
                    table.epoch = code.epoch
                table.guard = code.guard

    def defaults(self, skip: int) -> tuple[tuple[int, Any], ...]:
        """Those of the parameters that a table knows, by their places."""
        return tuple((place - skip, value) for place, value in self.signature.defaults.items() if place >= skip)

    # Keys.

    def declared(self) -> list[tuple[str, str, bytes | None]]:
        """What the user declared, as it is now."""
        return [dependency.now() for dependency in self.settings.depends]

    def key(self, bound: Bound, *, of_method: bool) -> bytes:
        """The fingerprint of a call's arguments; the instance of a method is told by its attributes.

        Raises:
            TypeError: if one of them has none.
        """
        settings = self.settings
        if settings.key is not None:
            own = code_hook(settings.key), self._own_key(bound)
            return _native.fingerprint(("key", own), order_free=settings.order_free)
        values, further, keywords = bound
        if of_method and values:
            values = [state_of(values[0]), *values[1:]]
        ignored = self.signature.places(settings.ignore)
        parts = []
        for place, (name, value) in enumerate(zip(self.signature.names, values, strict=True)):
            if place not in ignored:
                parts.append((name, self._fingerprint(value, f"argument `{name}` of {self.name}")))
        rest = [self._fingerprint(value, f"argument {place} of {self.name}") for place, value in enumerate(further)]
        named = [
            (name, self._fingerprint(value, f"argument `{name}` of {self.name}")) for name, value in keywords.items()
        ]
        return _native.fingerprint((tuple(parts), tuple(rest), tuple(named)))

    def _own_key(self, bound: Bound) -> Any:
        """What the user's `key` makes of the arguments."""
        key: Any = self.settings.key
        args, kwargs = self.signature.spread(bound)
        try:
            return key(*args, **kwargs)
        except TypeError as error:
            if Signature(key).bind(args, kwargs) is not None:
                raise
            raise TypeError(
                f"key of {self.name} gets all arguments, bound as the function's own and with defaults applied, and "
                f"does not take them: {error}. Give it the parameters of the function, or `*args, **kwargs`."
            ) from error

    def _fingerprint(self, value: Any, what: str) -> bytes:
        return _native.fingerprint(value, order_free=self.settings.order_free, what=what)

    # Calls that the table has no answer for.

    def slow(
        self,
        table: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None,
        held: _Held | None,
        first: tuple[Any, ...] = (),
    ) -> Any:
        """Looks closer, then computes. `first` are arguments that the table does not know."""
        method = None if first else self.method_of(args)
        if method is not None:
            return method(*args, **(kwargs or {}))
        self.look_at_code(table)
        bound = self.signature.bind(first + args, kwargs)
        if bound is None:
            # The error says what is wrong with the arguments.
            table.miss()
            return self.function(*first, *args, **(kwargs or {}))
        call = Call(self, table, bound, args, kwargs or {}, first)
        return call.answer_async(held) if self.is_async else call.answer(held)

    def judged(self, found: _native.Found) -> None:
        """Remembers why a result that was computed is not kept, if so."""
        key, why = found.key, found.unstorable
        if why is None and key not in self.refused:
            return
        with self.lock:
            self.refused.pop(key, None)
            if why is not None:
                self.refused[key] = why
                if len(self.refused) > _MOST_REFUSED:
                    self.refused.pop(next(iter(self.refused)))

    def explain(self, key: bytes, found: _native.Found | None = None) -> str:
        """What a call would do now, and why; `found` is what is at hand for it."""
        text: str = self.engine.explain(key, self.declared(), found)
        why = self.refused.get(key)
        return text if why is None or text.startswith("hit") else f"miss: the last result was not kept: {why}"

    def stands_alone(self, found: _native.Found) -> bool:
        """Whether nothing but the guard of the code, and the time, has to be looked at before a result is used."""
        settings, code = self.settings, self.code
        return (
            settings.store is None
            and not settings.depends
            and not settings.verify
            and not isinstance(found.value, _Raised)
            and code.guard is not None
            and not code.guard.volatile
            and found.is_simple(self.generations)
            and all(name in code.items for name in found.versions())
        )

    def method_of(self, args: tuple[Any, ...]) -> Any:
        """The method for the first argument, if its class has the function as the getter of a property."""
        if not self._in_class or not args or not type(args[0]).__flags__ & _HEAP_TYPE:
            return None
        if self._method is None:
            from ._method import of_getter

            self._method = of_getter(self, type(args[0]))
        return self._method

    def after_fork(self) -> None:
        """In a child: what threads of the parent began here, nobody ends."""
        if not self.lock.acquire(blocking=False) and self._code is not None:
            self._code.interrupted()
        self.lock = threading.RLock()
        self.refreshing.clear()

    def forget(self) -> None:
        """Makes all results out of date, and counts from zero again."""
        self.engine.clear()
        self.table.clear()


class Call:
    """One call that the table has no answer for."""

    __slots__ = (
        "__weakref__", "_codes", "all_args", "args", "bound", "computation", "function", "has_original", "key",
        "kwargs", "original", "place", "table",
    )  # fmt: skip

    def __init__(
        self,
        function: Function,
        table: Any,
        bound: Bound,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        first: tuple[Any, ...] = (),
    ) -> None:
        self.function, self.table, self.bound, self.args, self.kwargs = function, table, bound, args, kwargs
        self.all_args = first + args
        self.computation: Computation
        self.original: Any = None
        self.has_original = False
        self._codes: Given | None = None
        self.ask()
        self.key = function.key(bound, of_method=bool(first))
        # Where its result stands in the table.
        self.place: tuple[tuple[Any, ...], dict[str, Any]] = (args, kwargs)
        if function.settings.key is not None or not all(map(_is_plain, self.values())):
            self.place = self.place_of_key()

    def place_of_key(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """A call that fits the parameters, with the key for each argument."""
        signature, key = self.function.signature, _Key(self.key)
        given = len(self.all_args) - len(self.args)
        place = (
            (key,) * max(signature.positional - given, signature.var_positional),
            dict.fromkeys(signature.names[signature.positional :], key),
        )
        return place if any(place) or not signature.var_keyword else ((), {"key": key})

    def held(self, find: Callable[..., Any]) -> _Held | None:
        """What the table has for it, by one of the table's methods."""
        entry = find(*self.place)
        held: _Held | None = None if entry is None else entry[1]
        if held is None or held.made_of == self.key:
            return held
        # There are equal arguments that are others, such as 1 and 1.0.
        self.place = self.place_of_key()
        entry = find(*self.place)
        held = None if entry is None else entry[1]
        return None if held is None or held.made_of != self.key else held

    @property
    def codes(self) -> Given:
        """The code among the arguments."""
        if self._codes is None:
            self._codes = Given(self.values())
        return self._codes

    def ask(self) -> None:
        """What is looked at from now on in this thread or task is a result of this call."""
        _asking.set(weakref.ref(self))

    def values(self) -> list[Any]:
        """All arguments."""
        values, further, keywords = self.bound
        return [*values, *further, *keywords.values()]

    def kept(self, held: _Held | None) -> _native.Found | None:
        """What is in memory or in the store and holds."""
        function, settings = self.function, self.function.settings
        if held is None or held.made_of != self.key:
            held = self.held(self.table.use)
        if held is not None:
            if settings.verify and not function.is_async and _chance() < settings.verify:
                self.verify(held.found)
            if settings.check is not None and held.was_looked_at(settings.check):
                self.table.hit()
                return held.found
            if function.engine.reuse(held.found, function.declared()):
                held.look()
                self.table.hit()
                return held.found
            if settings.stale is not None:
                return self.stale(held.found, settings.stale)
        return None

    def stale(self, found: _native.Found, window: float) -> _native.Found | None:
        """A result of which nothing but its time is over, not long ago: it is computed anew behind whoever gets it."""
        function = self.function
        ago = function.engine.expired_for(found, function.declared())
        if ago is None or ago > window:
            return None
        with function.lock:
            begins = self.key not in function.refreshing
            function.refreshing.add(self.key)
        if begins:
            self.refresh_behind()
        _native.refuse(f"a result of {function.name} was served after its time")
        self.table.hit()
        return found

    def refresh_behind(self) -> None:
        """Computes anew in a task or a thread; an error there leaves the old result for as long as it may be served."""
        import contextvars

        if self.function.is_async:
            import asyncio

            task = asyncio.get_running_loop().create_task(self.refresh_behind_async(), context=contextvars.Context())
            self.function.tasks.add(task)
            task.add_done_callback(self.function.tasks.discard)
            return

        def work() -> None:
            try:
                self.refresh()
            except Exception as error:
                _log(f"{self.function.name} could not be computed anew: {error!r}")
            finally:
                self.function.refreshing.discard(self.key)

        with silence:
            threading.Thread(target=work, name="everfresh-refresh", daemon=True).start()

    async def refresh_behind_async(self) -> None:
        """The same for a coroutine function."""
        try:
            await self.refresh_async()
        except Exception as error:
            _log(f"{self.function.name} could not be computed anew: {error!r}")
        finally:
            self.function.refreshing.discard(self.key)

    def verify(self, found: _native.Found) -> None:
        """Computes once more, and says if that gives another result."""
        again = self.function.function(*self.all_args, **self.kwargs)
        before = found.value if found.copy is None else found.copy(found.value)
        if _native.fingerprint(again) != _native.fingerprint(before):
            what = f"{self.function.name} gave another result for the same inputs: it is not pure"
            warnings.warn(what, ImpureWarning, stacklevel=caller_level())

    def answer(self, held: _Held | None) -> Any:
        """What a caller gets, or a call for the table to run: no frame of ours lies below the function's."""
        found = self.kept(held)
        return self.pending() if found is None else self.given(found)

    def pending(self, *, anew: bool = False) -> _native.Pending:
        """What computes the result, or waits for who does."""
        return self.function.engine.pending(self.key, self.function.declared(), self, anew=anew)

    def refresh(self) -> Any:
        """Computes anew, whatever is kept."""
        return self.pending(anew=True).run()

    async def refresh_async(self) -> Any:
        """The same for a coroutine function."""
        return await self._await(anew=True)

    def answer_async(self, held: _Held | None) -> Any:
        """What a caller awaits."""
        found = self.kept(held)
        if found is None:
            return self._await()
        # An error is for who awaits it.
        return self._give(found) if isinstance(found.value, _Raised) else _native.Ready(self.given(found))

    async def _give(self, found: _native.Found) -> Any:
        return self.given(found)

    async def _await(self, *, anew: bool = False) -> Any:
        compute, declared = self.compute_async if anew else self.compute_once_async, self.function.declared()
        try:
            found = await self.function.engine.call_async(self.key, declared, compute, anew=anew)
        except _Late as late:
            return self.given(late.found)
        return self.finish(found)

    def finish(self, found: _native.Found) -> Any:
        """Keeps a result that was computed, by this caller or another, or that came out of the store; gives it."""
        if not self.has_original:
            self.table.hit()
        self.function.judged(found)
        self.put(found)
        self.function.engine.release(self.key)
        return self.given(found)

    def given(self, found: _native.Found) -> Any:
        """A caller's own result: who computed it has the original."""
        if self.has_original:
            value, self.original, self.has_original = self.original, None, False
        else:
            value = found.value
            if found.copy is not None:
                value = found.copy(value)
        if isinstance(value, _Raised):
            raise value.error.with_traceback(None)
        return value

    def begin(self, anew: bool) -> Begun | _native.Found:
        """What to call; or, unless it is to be computed anew, what there is by now."""
        return (None if anew else self.late()) or self.start()

    def late(self) -> _native.Found | None:
        """What somebody put into the table after this call had looked there; `None`, which is a miss, if nobody did.

        The engine lets go of a result once it is in the table.
        """
        found = self.kept(None)
        if found is None:
            self.table.miss()
        else:
            with self.function.lock:
                self.function.late += 1
        return found

    def start(self) -> Begun:
        """From here on all that runs and is read is written down. What to call."""
        function = self.function
        self.computation = Computation(function.code, function.purity, self.values(), self.codes)
        self.computation.watch()
        return function.function, self.all_args, self.kwargs

    def compute(self) -> Kept:
        """Computes where no table does."""
        function, args, kwargs = self.start()
        try:
            value = function(*args, **kwargs)
        except BaseException as error:
            kept = self.raised(error)
            if kept is None:
                raise
            return kept
        return self.computed(value)

    async def compute_async(self) -> Kept:
        """The same for a coroutine function."""
        function, args, kwargs = self.start()
        try:
            value = await function(*args, **kwargs)
        except BaseException as error:
            kept = self.raised(error)
            if kept is None:
                raise
            return kept
        return self.computed(value)

    async def compute_once_async(self) -> Kept:
        """Computes, unless there is a result by now."""
        late = self.late()
        if late is not None:
            raise _Late(late)
        return await self.compute_async()

    def computed(self, value: Any) -> Kept:
        """What is kept of a value, once the engine knows what it was made from."""
        self.computation.unwatch()
        return self.kept_of(value)

    def raised(self, error: BaseException) -> Kept | None:
        """The same for an error, if errors are kept."""
        self.computation.unwatch()
        if self.function.settings.errors is False or not isinstance(error, Exception):
            return None
        return self.kept_of(_Raised(error.with_traceback(None)))

    def kept_of(self, value: Any) -> Kept:
        """What is kept of what this call computed."""
        self.computation.end()
        self.ask()
        kept = self.function.kept(value, new=True)
        self.original, self.has_original = value, True
        return kept

    def put(self, found: _native.Found) -> None:
        """Puts a result into the table, if it may be used again."""
        function, settings = self.function, self.function.settings
        remaining = found.remaining
        if found.unstorable is not None or (remaining == 0 and settings.stale is None):
            return
        if isinstance(found.value, _Raised) and settings.errors is not True:
            remaining = min(remaining or settings.errors, settings.errors)
        simple = self.place[1] is self.kwargs and function.stands_alone(found)
        deadline = None if remaining is None else time.monotonic_ns() + int(remaining * 1e9)
        args, kwargs = self.place
        self.table.put(
            args,
            kwargs or None,
            found.value,
            deadline_ns=deadline,
            size=found.size,
            simple=simple,
            state=_Held(found, self.key),
            copy=found.copy,
        )


# The call whose result is looked at in this thread or task.
_asking: ContextVar[Callable[[], Call | None]] = ContextVar("everfresh_call", default=lambda: None)
_functions: list[weakref.ref[Function]] = []


def functions() -> Iterator[Function]:
    """All cached functions that are alive."""
    for reference in list(_functions):
        function = reference()
        if function is None:
            _functions.remove(reference)
        else:
            yield function


_native.set_code_hook(code_hook)
_fork.register()

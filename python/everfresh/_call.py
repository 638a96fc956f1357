"""One call of a cached function that its table has no answer for."""

from __future__ import annotations

import threading
import time
import warnings
import weakref
from contextvars import ContextVar

from . import _native
from ._observed import Computation, Given, ImpureWarning
from ._watch_silence import caller_level, silence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._cached import Function
    from ._native import Kept
    from ._signature import Bound

    # A function, its arguments and its keyword arguments.
    Begun = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]

_PLAIN = frozenset({type(None), bool, int, str, bytes})
_PLAIN_OF = frozenset({"UUID", "date", "PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath"})
_PLACES_OF_PLAIN = frozenset({"uuid", "datetime", "pathlib", "pathlib._local"})
_TEXTS = frozenset({type(None), str, bytes})


def _chance() -> float:
    import random

    return random.random()


def _log(text: str) -> None:
    import logging

    logging.getLogger("everfresh").warning("%s", text)


class Raised:
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


class Held:
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

    def held(self, find: Callable[..., Any]) -> Held | None:
        """What the table has for it, by one of the table's methods."""
        entry = find(*self.place)
        held: Held | None = None if entry is None else entry[1]
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
        asking.set(weakref.ref(self))

    def values(self) -> list[Any]:
        """All arguments."""
        values, further, keywords = self.bound
        return [*values, *further, *keywords.values()]

    def kept(self, held: Held | None) -> _native.Found | None:
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

    def answer(self, held: Held | None) -> Any:
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

    def answer_async(self, held: Held | None) -> Any:
        """What a caller awaits."""
        found = self.kept(held)
        if found is None:
            return self._await()
        # An error is for who awaits it.
        return self._give(found) if isinstance(found.value, Raised) else _native.Ready(self.given(found))

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
        if isinstance(value, Raised):
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
        return self.kept_of(Raised(error.with_traceback(None)))

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
        if isinstance(found.value, Raised) and settings.errors is not True:
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
            state=Held(found, self.key),
            copy=found.copy,
        )


# The call whose result is looked at in this thread or task.
asking: ContextVar[Callable[[], Call | None]] = ContextVar("everfresh_call", default=lambda: None)

"""`everfresh.cached`: computed once, never stale."""

from __future__ import annotations

import threading
import weakref

from . import _fork, _native
from ._call import Call, Raised, asking
from ._observed import CodeNow, Purity, code_hook
from ._signature import Signature
from ._size import size_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ._call import Held
    from ._native import Kept
    from ._settings import Settings
    from ._signature import Bound

_HEAP_TYPE = 1 << 9
_CO_GENERATOR, _CO_COROUTINE, _CO_ASYNC_GENERATOR = 0x20, 0x80, 0x200
# Of so many keys it is known why nothing was kept.
_MOST_REFUSED = 256


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
            call = asking.get()()
            version = call.codes.version(name) if call is not None and call.function is self else None
        return version

    def _decode(self, stored: _native.Stored) -> Kept:
        return self.kept(_native.loads(stored, verified=True))

    def kept(self, value: Any, *, new: bool = False) -> Kept:
        """What the cache keeps of a value, what makes a caller's copy, its size, and if it is new its encoding.

        Raises:
            TypeError: if it cannot be copied, or has no encoding and is to be stored.
        """
        if isinstance(value, Raised):
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
        held: Held | None,
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
            and not isinstance(found.value, Raised)
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

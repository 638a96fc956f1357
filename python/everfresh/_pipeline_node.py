"""One node of a pipeline: a function, and its results by the fingerprints of what it was given."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict

from . import _native
from ._cached import Function
from ._observed import Computation, Purity, stamp
from ._watch_silence import silence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from typing import Any

    from ._native import Kept
    from ._settings import Settings

    Declared = list[tuple[str, str, bytes | None]]
    Copy = Callable[[Any], Any]


# A sink that returns more than so many names them otherwise.
_MOST_PATHS = 1000


class CheckError(Exception):
    """A check failed, and nothing that stands behind it has run.

    `check` is its name, `message` what it said.
    """

    def __init__(self, check: str, message: str) -> None:
        super().__init__(f"the check `{check}` failed" + (f": {message}" if message else ""))
        self.check, self.message = check, message

    def __reduce__(self) -> tuple[type[CheckError], tuple[str, str]]:
        return type(self), (self.check, self.message)


class Given:
    """An input that the caller of `run` gives, or a parameter's default."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def value(self) -> Any:
        """What the node gets."""
        return self._value

    def fingerprint(self, what: str) -> bytes:
        """What tells it from others."""
        return _native.fingerprint(("input", self._value), what=what)


class Result:
    """What a node gave, as the cache keeps it: each node that takes it gets a copy of its own if it could change it."""

    __slots__ = ("_copy", "_fingerprint", "_value", "found")

    def __init__(self, value: Any, copy: Copy | None, found: _native.Found | None = None) -> None:
        self._value, self._copy, self.found = value, copy, found
        # What lies in the store need not be read to be told from others.
        output = None if found is None else found.output
        self._fingerprint = None if output is None else b"stored" + output

    @classmethod
    def of(cls, found: _native.Found) -> Result:
        """One that the engine found or had computed."""
        return cls(found.value, found.copy, found)

    def value(self) -> Any:
        """What the node gets."""
        return self._value if self._copy is None else self._copy(self._value)

    def fingerprint(self, what: str) -> bytes:
        """What tells it from others."""
        if self._fingerprint is None:
            self._fingerprint = b"value!" + _native.fingerprint(self.value(), what=what)
        return self._fingerprint


Inputs = dict[str, "Given | Result"]


class Recent:
    """The last results of a node in memory."""

    guard: Any = None
    skip = 0
    epoch = 0

    def __init__(self, maxsize: int | None) -> None:
        self._maxsize = maxsize
        self.hits = 0
        self._results: OrderedDict[bytes, Result] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes) -> Result | None:
        """The result of these inputs, which is now the last used."""
        with self._lock:
            result = self._results.get(key)
            if result is not None:
                self._results.move_to_end(key)
            return result

    def put(self, key: bytes, result: Result) -> None:
        """Keeps a result, and lets go of the one that nobody used for longest."""
        with self._lock:
            self._results[key] = result
            self._results.move_to_end(key)
            if self._maxsize is not None and len(self._results) > self._maxsize:
                self._results.popitem(last=False)

    def clear(self) -> None:
        """Lets go of all."""
        with self._lock:
            self._results.clear()

    forget = clear

    def info(self) -> tuple[int, int, int | None, int, int | None, int]:
        """As other tables say it; the engine counts misses."""
        return self.hits, 0, self._maxsize, len(self._results), None, 0

    def set_defaults(self, _: object) -> None:
        """Defaults are among the inputs."""

    def after_fork(self) -> None:
        """In a child: the lock is free."""
        self._lock = threading.Lock()


class Node(Function):
    """A source, step, check or sink. Its name is the pipeline's and its own."""

    table: Recent

    def __init__(self, pipeline: str, kind: str, function: Callable[..., Any], settings: Settings) -> None:
        import inspect

        name = getattr(function, "__name__", None)
        if not callable(function) or not isinstance(name, str):
            raise TypeError(f"a {kind} is a function with a name, not {function!r}")
        self.kind, self.own_name = kind, name
        # The inputs of the last result that could not be kept, and why.
        self._unkept: tuple[bytes, str] | None = None
        every = inspect.signature(function).parameters.values()
        self.parameters = [one for one in every if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
        for name in settings.ignore:
            if name not in (one.name for one in self.parameters):
                raise ValueError(f"ignore: {self} has no parameter `{name}`")
        super().__init__(function, settings, name=f"{pipeline}.{self.own_name}")
        # To write is what a sink is for.
        self.purity = Purity(self.name, strict=False, excused=kind == "sink" or settings.ttl is not None)

    def __str__(self) -> str:
        return f"the {self.kind} `{self.own_name}`"

    def new_table(self, *_: Any) -> Recent:
        """Its results are few and large: no fast path is needed."""
        return Recent(self.settings.maxsize)

    def after_fork(self) -> None:
        super().after_fork()
        self.table.after_fork()

    def key_of(self, inputs: Inputs) -> bytes:
        """The fingerprint of inputs.

        Raises:
            TypeError: if one of them has none.
        """
        ignored = self.settings.ignore
        parts = [
            (name, given.fingerprint(f"input `{name}` of {self.name}"))
            for name, given in inputs.items()
            if name not in ignored
        ]
        return _native.fingerprint(tuple(parts))

    def answer(self, inputs: Inputs) -> tuple[Result, bool]:
        """The result for these inputs, and whether it was computed for this call."""
        self.look_at_code(self.table)
        key, declared = self.key_of(inputs), self.declared()
        held = self.held(key, declared)
        if held is not None:
            return held, False
        computing = _Computing(self, inputs, key, declared)
        try:
            found = self.engine.call(key, declared, computing)
        except _Late as late:
            return late.result, False
        result = Result.of(found)
        if found.unstorable is None:
            self.table.put(key, result)
        self._unkept = None if found.unstorable is None else (key, found.unstorable)
        return result, computing.ran

    def held(self, key: bytes, declared: Declared) -> Result | None:
        """The result in memory, if it holds."""
        held = self.table.get(key)
        if held is not None and held.found is not None and self.engine.reuse(held.found, declared):
            with self.lock:
                self.table.hits += 1
            return held
        return None

    def look(self, inputs: Inputs) -> tuple[str, Result | None]:
        """What a run would do and why, `hit …` or `miss: …`; the result, if it is there. Computes nothing."""
        self.look_at_code(self.table)
        key, declared = self.key_of(inputs), self.declared()
        held = self.table.get(key)
        text = self.engine.explain(key, declared, None if held is None else held.found)
        if not text.startswith("hit"):
            unkept = self._unkept
            if unkept is not None and unkept[0] == key:
                text = f"miss: the last result was not kept: {unkept[1]}"
            return text, None
        found = self.engine.find(key, declared)
        if found is not None:
            return text, Result.of(found)
        return text, held

    def plain(self, inputs: Inputs) -> Result:
        """The result, computed without a cache."""
        value = self.called({name: given.value() for name, given in inputs.items()})
        try:
            return Result(*_native.protect(value))
        except TypeError:
            return Result(value, None)

    def called(self, values: dict[str, Any]) -> Any:
        """Calls the function; awaits a coroutine; judges a check."""
        named, args = dict(values), []
        for parameter in self.parameters:
            if parameter.kind == parameter.POSITIONAL_ONLY:
                args.append(named.pop(parameter.name))
        try:
            value = self.function(*args, **named)
            if self.is_async:
                value = _awaited(value)
        except AssertionError as error:
            if self.kind != "check":
                raise
            raise CheckError(self.own_name, str(error)) from error
        if self.kind == "check":
            self._judge(value)
            return True
        return value

    def _judge(self, value: Any) -> None:
        kind = type(value).__name__
        if isinstance(value, str):
            passed = not value
        elif value is None or kind in ("bool", "bool_"):
            passed = value is None or bool(value)
        else:
            raise TypeError(f"{self} returns a {kind}: a check returns True or None, or False or a message if it fails")
        if not passed:
            raise CheckError(self.own_name, value if isinstance(value, str) else "")


class _Late(Exception):  # noqa: N818
    """Somebody else was quicker."""

    def __init__(self, result: Result) -> None:
        self.result = result


class _Computing:
    """Computes a node's result, with everything that it reads written down."""

    __slots__ = ("_declared", "_inputs", "_key", "_node", "ran")

    def __init__(self, node: Node, inputs: Inputs, key: bytes, declared: Declared) -> None:
        self._node, self._inputs, self._key, self._declared, self.ran = node, inputs, key, declared, False

    def __call__(self) -> Kept:
        node = self._node
        # Somebody may have been quicker since it was looked for.
        held = node.held(self._key, self._declared)
        if held is not None:
            with node.lock:
                node.late += 1
            raise _Late(held)
        self.ran = True
        values = {name: given.value() for name, given in self._inputs.items()}
        outputs = _Outputs(values) if node.kind == "sink" else None
        computation = Computation(node.code, node.purity, list(values.values()))
        with computation.watching():
            value = node.called(values)
        if outputs is not None:
            outputs.observe(value)
        computation.end()
        return node.kept(value, new=True)


class _Outputs:
    """What a sink writes: a part of its result, so that it runs again if somebody changes or removes it.

    Files that it opens are seen. What a library writes by itself is known if the sink gets its path, or returns it.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        _native.observe_outputs()
        with silence:
            self._before = {path: stamp(path) for path in _paths(list(values.values()))}

    def observe(self, returned: Any) -> None:
        """Looks at all that was written."""
        with silence:
            written = [path for path, before in self._before.items() if stamp(path) != before]
            written += [path for path in _paths(returned) if stamp(path) is not None]
        for path in written:
            _native.observe_path("made", path)
        _native.observe_written()


def _paths(value: Any) -> Iterator[str]:
    """A value that may be a path, or those in a list or tuple."""
    for one in value[:_MOST_PATHS] if isinstance(value, list | tuple) else (value,):
        if isinstance(one, os.PathLike):
            one = os.fspath(one)
        if isinstance(one, str) and one and "\0" not in one:
            yield one


def _awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """A coroutine's result, in an event loop of its own."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    # This thread's loop runs already, as in a notebook.
    outcome: list[tuple[Any, BaseException | None]] = []

    def run() -> None:
        try:
            outcome.append((asyncio.run(coroutine), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    value, error = outcome[0]
    if error is not None:
        raise error
    return value

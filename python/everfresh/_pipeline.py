"""`everfresh.Pipeline`: functions that take each other's results, each computed once."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any, TypeVar, overload

from . import _native
from ._pipeline_graph import Graph
from ._pipeline_node import CheckError, Given, Inputs, Node, Result
from ._pipeline_order import Order, execute
from ._pipeline_plan import Plan, Planned, Results
from ._settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta

    from ._depends import Dependency

    Duration = float | str | timedelta

_F = TypeVar("_F", bound="Callable[..., Any]")
_OPTIONS_OF_RUN = ("jobs", "verbose")


class Pipeline:
    """Functions that take each other's results by the names of their parameters, each computed once.

    A parameter that has the name of another node takes its result. Others take what `run` is given, or their default.
    The functions stay what they were: they can be called and tested as if there were no pipeline.

    A node runs again if something changed that it was made from: what it takes, its code, files and environment
    variables that it reads, its `depends`. A node that ran and gave what it gave before changes nothing for those that
    take it.

    Args:
        name: what it is called, in messages and in the store.
        cache_dir: the folder of its results, or a `Store`; `None` keeps them in memory alone.
        maxsize: how many results of each node are kept in memory, the last used; `None` is any number.
        ttl: how long results live at most, of nodes that do not say so themselves.
        enabled: whether anything is cached at all.
        pickle: whether the store takes results of any type, pickled and sealed with a key of the user's.
        verbose: whether `run` says on stderr what it does, a line for each node.

    Example:
        >>> import everfresh as ef
        >>> p = ef.Pipeline("letters")
        >>> @p.source
        ... def words(text): return text.split()
        >>> @p.step
        ... def lengths(words): return [len(word) for word in words]
        >>> p.run(text="to be or not")["lengths"]
        [2, 2, 2, 3]
        >>> lengths(["a"])
        [1]
    """

    def __init__(
        self,
        name: str,
        *,
        cache_dir: str | os.PathLike[str] | _native.Store | None = None,
        maxsize: int | None = 128,
        ttl: Duration | None = None,
        enabled: bool = True,
        pickle: bool = False,
        verbose: bool = False,
    ) -> None:
        self.name = name
        self.enabled = enabled
        self._verbose = verbose
        if enabled and cache_dir is not None and not isinstance(cache_dir, _native.Store):
            cache_dir = _native.Store(os.fspath(cache_dir))
        self._store = cache_dir if enabled else None
        self._maxsize, self._ttl, self._pickle = maxsize, ttl, pickle
        # Said now if they make no sense.
        self._settings(None, (), (), ())
        self._nodes: dict[str, Node] = {}
        # Whoever names the pipeline is made of the code of its nodes.
        self.__wrapped__: list[Callable[..., Any]] = []

    @property
    def store(self) -> _native.Store | None:
        """Where its results are kept beside memory."""
        return self._store  # type: ignore[return-value]

    @property
    def source(self) -> Decorator:
        """Decorates a function that brings data in: from a file, a database, an API."""
        return Decorator(self, "source")

    @property
    def step(self) -> Decorator:
        """Decorates a function that makes something of the results of others."""
        return Decorator(self, "step")

    @property
    def check(self) -> Decorator:
        """Decorates a function that says whether what it takes is good: a gate.

        It passes by returning None or True. It fails by returning False or a message, or by an `AssertionError`. All
        that takes one of the results that it takes waits for it, unless the check takes that in turn; if it takes none,
        everything waits. A failure is not kept. Who names a check among its parameters waits too, and gets True.
        """
        return Decorator(self, "check")

    @property
    def sink(self) -> Decorator:
        """Decorates a function that brings results out: writes a report, fills a table.

        It runs once all else went well, and once for the same inputs, unless somebody changed or removed what it wrote:
        files that it opened and databases of SQLite are seen. Files that a library writes by itself are known where the
        sink has their path as a parameter, or returns it.
        """
        return Decorator(self, "sink")

    def _settings(
        self,
        ttl: Duration | None,
        depends: Dependency | Iterable[Dependency],
        ignore: Iterable[str],
        tags: Iterable[str],
    ) -> Settings:
        return Settings(
            maxsize=self._maxsize,
            maxbytes=None,
            ttl=self._ttl if ttl is None else ttl,
            idle=None,
            stale=None,
            typed=False,
            key=None,
            ignore=ignore,
            tags=tags,
            depends=depends,
            store=self._store,
            errors=False,
            verify=0.0,
            strict=False,
            check=None,
            order_free=False,
            pickle=self._pickle,
        )

    def _add(self, kind: str, function: Callable[..., Any], settings: Settings) -> None:
        node = Node(self.name, kind, function, settings)
        before = self._nodes.get(node.own_name)
        if before is not None and _place(before.function) != _place(function):
            raise ValueError(f"{self.name} has {before} from {_place(before.function)[0]} already")
        for parameter in node.parameters:
            if parameter.name in _OPTIONS_OF_RUN:
                raise ValueError(f"{node} has a parameter `{parameter.name}`, which is an option of run(): rename it")
        self._nodes[node.own_name] = node
        self.__wrapped__[:] = [node.function for node in self._nodes.values()]

    # What is asked for.

    def run(
        self, *targets: str | Callable[..., Any], jobs: int = 1, verbose: bool | None = None, **inputs: Any
    ) -> Results:
        """Brings everything up to date, and gives the results by name.

        Args:
            targets: the nodes whose results are wanted, by name or function, and what they need runs; without, all.
            jobs: how many nodes run at once, in threads. Within a cached function it is one.
            verbose: whether it says on stderr what it does; the pipeline's own setting if not given.
            inputs: the values of parameters that are no nodes.

        Raises:
            CheckError: if a check failed. Nothing that stands behind it has run, and no sink.
            TypeError: for inputs that are missing, or that nobody takes.
            ValueError: if nodes wait for each other.
            Exception: what a node raised. Nodes that had not begun have not run.
        """
        wanted = self._wanted(targets)
        waits = self._order().waits(wanted)
        given = self._given(waits, inputs)
        results: dict[str, Result] = {}
        anew: list[str] = []
        says = self._verbose if verbose is None else verbose

        def work(name: str) -> None:
            node, start = self._nodes[name], time.perf_counter()
            taken = self._inputs(node, results, given)
            try:
                if self.enabled:
                    why = self._why(node, node.look(taken)[0], anew) if says else ""
                    results[name], ran = node.answer(taken)
                else:
                    why, ran = "nothing is cached", True
                    results[name] = node.plain(taken)
            except Exception as error:
                if says:
                    self._say(node, f"failed: {error}")
                if not isinstance(error, CheckError):
                    error.add_note(f"in {node} of the pipeline `{self.name}`")
                raise
            if ran:
                anew.append(name)
            if says:
                took = time.perf_counter() - start
                self._say(node, f"ran in {took:.3f} s: {why}" if ran else "hit")

        execute(waits, work, 1 if _native.is_recording() else jobs)
        return Results(self.name, {name: results[name] for name in wanted}, anew)

    def plan(self, *targets: str | Callable[..., Any], **inputs: Any) -> Plan:
        """What `run` would do, and why. No node runs."""
        return Plan(self.name, [planned for planned, _ in self._planned(targets, inputs)])

    def explain(self, node: str | Callable[..., Any], /, **inputs: Any) -> str:
        """What a run would do with one node: `hit …` with all that was read, or `miss: …` with what changed."""
        name = self._name(node)
        return next(text for planned, text in self._planned((name,), inputs) if planned.name == name)

    def clear(self, *nodes: str | Callable[..., Any]) -> None:
        """Forgets the results of these nodes, or of all: they run again, and what takes them if they give news."""
        for name in self._wanted(nodes):
            self._nodes[name].forget()

    def graph(self) -> Graph:
        """The nodes and what they take: a picture in a notebook, text by `str`."""
        order = self._order()
        return Graph(self.name, self._nodes, {name: order.takes(name) for name in self._nodes}, order.gates())

    def __repr__(self) -> str:
        return f"Pipeline({self.name!r}, {', '.join(self._nodes) or 'no nodes'})"

    def __everfresh_key__(self) -> str:
        """A function that knows a pipeline does not hang on what is in it."""
        return self.name

    # Which nodes.

    def _order(self) -> Order:
        return Order(self.name, self._nodes)

    def _name(self, node: str | Callable[..., Any]) -> str:
        name = node if isinstance(node, str) else getattr(node, "__name__", repr(node))
        if name not in self._nodes:
            raise ValueError(f"{self.name} has no node `{name}`; it has {', '.join(self._nodes) or 'none'}")
        return name

    def _wanted(self, nodes: Iterable[str | Callable[..., Any]]) -> list[str]:
        return [self._name(node) for node in nodes] or list(self._nodes)

    # What they are given.

    def _given(self, order: Iterable[str], inputs: dict[str, Any]) -> dict[str, Given]:
        """The caller's inputs, checked before anything runs."""
        known = {one.name for node in self._nodes.values() for one in node.parameters} - self._nodes.keys()
        for name in inputs:
            if name in self._nodes:
                raise TypeError(f"{self._nodes[name]} of the pipeline `{self.name}` is computed: it is no input")
            if name not in known:
                takes = ", ".join(sorted(known)) or "nothing"
                raise TypeError(f"no node of the pipeline `{self.name}` takes `{name}`: they take {takes}")
        for name in order:
            for one in self._nodes[name].parameters:
                if one.name not in self._nodes and one.name not in inputs and one.default is one.empty:
                    raise TypeError(
                        f"{self._nodes[name]} of the pipeline `{self.name}` needs `{one.name}`: there is no such node, "
                        "and it was not given"
                    )
        return {name: Given(value) for name, value in inputs.items()}

    def _inputs(self, node: Node, results: dict[str, Result], given: dict[str, Given]) -> Inputs:
        inputs: Inputs = {}
        for one in node.parameters:
            if one.name in self._nodes:
                inputs[one.name] = results[one.name]
            else:
                inputs[one.name] = given.get(one.name) or Given(one.default)
        return inputs

    # What is said of it.

    def _planned(
        self, targets: Iterable[str | Callable[..., Any]], inputs: dict[str, Any]
    ) -> list[tuple[Planned, str]]:
        """Each node with what would be done, and all that the engine says of it."""
        order = self._order().waits(self._wanted(targets))
        given = self._given(order, inputs)
        planned = []
        results: dict[str, Result] = {}
        for name in order:
            node = self._nodes[name]
            waits = [taken for taken in self._order().takes(name) if taken not in results]
            if not self.enabled:
                action, reason, text = "run", "nothing is cached", "miss: nothing is cached"
            elif waits:
                reason = f"if {' or '.join(waits)} gives something new"
                action, text = "maybe", f"miss, {reason}"
            else:
                text, result = node.look(self._inputs(node, results, given))
                if result is None:
                    action, reason = "run", self._why(node, text, ())
                else:
                    results[name] = result
                    action, reason = "hit", ""
            planned.append((Planned(name, node.kind, action, reason), text))
        return planned

    def _why(self, node: Node, text: str, anew: Iterable[str]) -> str:
        """A reason in a line."""
        reason = text.partition("\n")[0].removeprefix("miss: ")
        new = [name for name in self._order().takes(node.own_name) if name in anew]
        if new and reason == "nothing is kept for these arguments":
            reason = f"{' and '.join(new)} gave something new"
        return reason

    def _say(self, node: Node, what: str) -> None:
        print(f"{self.name}: {node.kind} {node.own_name} {what}", file=sys.stderr, flush=True)


class Decorator:
    """Makes a function a node, and returns it as it was. With options: `@p.step(ttl="5m", ignore=("conn",))`."""

    __slots__ = ("_kind", "_pipeline")

    def __init__(self, pipeline: Pipeline, kind: str) -> None:
        self._pipeline, self._kind = pipeline, kind

    @overload
    def __call__(self, function: _F, /) -> _F: ...
    @overload
    def __call__(
        self,
        function: None = None,
        /,
        *,
        ttl: Duration | None = None,
        depends: Dependency | Iterable[Dependency] = (),
        ignore: Iterable[str] = (),
        tags: Iterable[str] = (),
    ) -> Callable[[_F], _F]: ...
    def __call__(
        self,
        function: _F | None = None,
        /,
        *,
        ttl: Duration | None = None,
        depends: Dependency | Iterable[Dependency] = (),
        ignore: Iterable[str] = (),
        tags: Iterable[str] = (),
    ) -> _F | Callable[[_F], _F]:
        """Adds a function to the pipeline.

        Args:
            function: a function or a coroutine function.
            ttl: how long a result lives at most, in place of the pipeline's own.
            depends: what it reads that nobody can see: `file`, `dir`, `env`, `value`.
            ignore: parameters that do not count.
            tags: names under which `invalidate_tag` finds its results.

        Raises:
            TypeError: for generators.
            ValueError: if another function of that name is in the pipeline.
        """
        pipeline, kind = self._pipeline, self._kind
        settings = pipeline._settings(ttl, depends, ignore, tags)

        def add(function: _F) -> _F:
            pipeline._add(kind, function, settings)
            return function

        return add if function is None else add(function)

    def __repr__(self) -> str:
        return f"<{self._kind} of {self._pipeline.name}>"


def _place(function: Callable[..., Any]) -> tuple[str, str]:
    """Where a function was written: one that is defined once more, as in a notebook, takes the place of the first."""
    return getattr(function, "__module__", "?"), getattr(function, "__qualname__", "?")

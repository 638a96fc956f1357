"""Who waits for whom in a pipeline, and their turn."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._pipeline_node import Node

    Waits = dict[str, list[str]]


class Order:
    """The order in which a pipeline's nodes can run.

    A node waits for the nodes that it takes, and for the checks of what it takes. A sink waits for all that does not
    take what a sink gives.
    """

    def __init__(self, pipeline: str, nodes: Mapping[str, Node]) -> None:
        self._pipeline, self._nodes = pipeline, nodes

    def takes(self, name: str) -> list[str]:
        """The nodes whose results a node takes."""
        return [parameter.name for parameter in self._nodes[name].parameters if parameter.name in self._nodes]

    def gates(self) -> Waits:
        """The checks that each node waits for, beside those that it names."""
        gates: Waits = {name: [] for name in self._nodes}
        for check, node in self._nodes.items():
            if node.kind != "check":
                continue
            looked_at, above, is_last = set(self.takes(check)), self._above(check), self._is_behind_sink(check)
            for name, other in self._nodes.items():
                taken = self.takes(name)
                is_behind = not looked_at or not looked_at.isdisjoint(taken)
                # Of what was written nobody can wait who has to run before.
                if is_last and not self._is_behind_sink(name):
                    is_behind = False
                if is_behind and other.kind != "check" and name not in above and check not in taken:
                    gates[name].append(check)
        return gates

    def waits(self, wanted: list[str]) -> Waits:
        """What has to run for these, each with what it waits for, in an order in which it can run.

        Raises:
            ValueError: if nodes wait for each other.
        """
        import graphlib

        gates = self.gates()
        needed: Waits = {}
        left = list(wanted)
        while left:
            name = left.pop()
            if name not in needed:
                needed[name] = [*self.takes(name), *gates[name]]
                left += needed[name]
        sinks = {name for name in needed if self._nodes[name].kind == "sink"}
        first = [name for name in needed if name not in sinks and not self._is_behind_sink(name)]
        for name in sinks:
            needed[name] += first
        ordered = {name: needed[name] for name in self._nodes if name in needed}
        try:
            order = list(graphlib.TopologicalSorter(ordered).static_order())
        except graphlib.CycleError as error:
            path = " -> ".join(reversed(error.args[1]))
            raise ValueError(f"nodes of the pipeline `{self._pipeline}` wait for each other: {path}") from None
        return {name: ordered[name] for name in order}

    def _is_behind_sink(self, name: str) -> bool:
        return any(self._nodes[above].kind == "sink" for above in self._above(name))

    def _above(self, name: str) -> set[str]:
        """All that a node needs."""
        above: set[str] = set()
        left = [name]
        while left:
            new = set(self.takes(left.pop())) - above
            above |= new
            left += new
        return above


def execute(waits: Waits, work: Callable[[str], None], jobs: int) -> None:
    """Calls `work` for each node once all that it waits for is done, in `jobs` threads; stops at the first error."""
    import graphlib

    if jobs < 1:
        raise ValueError(f"jobs is a number of threads, not {jobs!r}")
    if jobs == 1:
        for name in waits:
            work(name)
        return
    from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

    sorter = graphlib.TopologicalSorter(waits)
    sorter.prepare()
    with ThreadPoolExecutor(jobs, thread_name_prefix="everfresh") as pool:
        running: dict[Future[None], str] = {}
        try:
            while sorter.is_active():
                for name in sorter.get_ready():
                    running[pool.submit(work, name)] = name
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    name = running.pop(future)
                    future.result()
                    sorter.done(name)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise

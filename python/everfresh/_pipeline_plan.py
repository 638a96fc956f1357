"""What a run of a pipeline would do, and what one gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, overload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._pipeline_node import Result


class Planned(NamedTuple):
    """What a run would do with one node."""

    name: str
    kind: str
    """`source`, `step`, `check` or `sink`."""
    action: str
    """`hit`: its result is there. `run`: it runs. `maybe`: it runs if one that runs before it gives something new."""
    reason: str


class Plan(Sequence[Planned]):
    """What a run would do, in the order of the run. `str(plan)` is a table; it is empty of work if not `plan.runs`."""

    def __init__(self, pipeline: str, planned: list[Planned]) -> None:
        self._pipeline, self._planned = pipeline, planned

    @overload
    def __getitem__(self, index: int | str) -> Planned: ...
    @overload
    def __getitem__(self, index: slice) -> list[Planned]: ...
    def __getitem__(self, index: int | str | slice) -> Planned | list[Planned]:
        if isinstance(index, str):
            for planned in self._planned:
                if planned.name == index:
                    return planned
            raise KeyError(index)
        return self._planned[index]

    def __len__(self) -> int:
        return len(self._planned)

    @property
    def runs(self) -> list[str]:
        """The names of what runs, or may run."""
        return [planned.name for planned in self._planned if planned.action != "hit"]

    def __str__(self) -> str:
        widths = [max((len(planned[column]) for planned in self._planned), default=0) for column in range(3)]
        lines = [f"{self._pipeline}: {len(self.runs)} of {len(self)} would run"]
        for planned in self._planned:
            columns = [text.ljust(width) for text, width in zip(planned[:3], widths, strict=True)]
            lines.append("  ".join(["", *columns, planned.reason]).rstrip())
        return "\n".join(lines)

    __repr__ = __str__


class Results(Mapping[str, Any]):
    """What the nodes of a run gave, by name: of a check True, of a sink what it returned.

    A result is loaded when it is first asked for. `ran` names the nodes that ran, in the order in which they were done;
    all others were found.
    """

    def __init__(self, pipeline: str, results: dict[str, Result], ran: list[str]) -> None:
        self._pipeline, self._results, self.ran = pipeline, results, ran
        self._values: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._values:
            self._values.setdefault(name, self._results[name].value())
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def __repr__(self) -> str:
        return f"<results of {self._pipeline}: {', '.join(self._results)}>"

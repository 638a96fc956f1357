"""The picture of a pipeline."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._pipeline_node import Node

_WIDTH, _HEIGHT, _APART, _BELOW, _MARGIN = 150, 44, 60, 24, 12
_COLOURS = {"source": "#dbeafe", "step": "#f3f4f6", "check": "#fef3c7", "sink": "#dcfce7"}


class Graph:
    """A pipeline's nodes and what they take: a picture in a notebook, text elsewhere.

    A dashed line leads from a check to what waits for it.
    """

    def __init__(
        self, name: str, nodes: Mapping[str, Node], takes: Mapping[str, list[str]], gates: Mapping[str, list[str]]
    ) -> None:
        self._name, self._nodes, self._takes, self._gates = name, nodes, takes, gates

    def __str__(self) -> str:
        lines = [self._name]
        for name, node in self._nodes.items():
            others = [one.name for one in node.parameters if one.name not in self._takes[name]]
            line = f"  {node.kind:6}  {name}({', '.join(others)})"
            if self._takes[name]:
                line += f" <- {', '.join(self._takes[name])}"
            if self._gates[name]:
                line += f"; waits for {', '.join(self._gates[name])}"
            lines.append(line)
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_svg_(self) -> str:
        """The picture, as notebooks ask for it."""
        from xml.sax.saxutils import escape

        places = self._places()
        wide = max((x for x, _ in places.values()), default=0) + _WIDTH + _MARGIN
        high = max((y for _, y in places.values()), default=0) + _HEIGHT + _MARGIN
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}" '
            f'font-family="sans-serif" font-size="13" text-anchor="middle"><title>{escape(self._name)}</title>'
        ]
        for edges, dashes in ((self._takes, ""), (self._gates, ' stroke-dasharray="4 3"')):
            for name, before in edges.items():
                for other in before:
                    parts.append(_edge(places[other], places[name], dashes))
        for name, (x, y) in places.items():
            kind = self._nodes[name].kind
            parts.append(
                f'<g><rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="8" fill="{_COLOURS[kind]}" '
                f'stroke="#6b7280"/><text x="{x + _WIDTH // 2}" y="{y + 19}">{escape(name)}</text>'
                f'<text x="{x + _WIDTH // 2}" y="{y + 35}" font-size="10" fill="#6b7280">{kind}</text></g>'
            )
        return "".join([*parts, "</svg>"])

    def _places(self) -> dict[str, tuple[int, int]]:
        """Each node to the right of all that it waits for."""
        columns: dict[str, int] = {}

        def column(name: str) -> int:
            if name not in columns:
                columns[name] = -1
                before = [*self._takes[name], *self._gates[name]]
                columns[name] = 1 + max((column(other) for other in before), default=-1)
            return columns[name]

        taken: dict[int, int] = {}
        places = {}
        for name in self._nodes:
            at = column(name)
            row = taken.get(at, 0)
            taken[at] = row + 1
            places[name] = (_MARGIN + at * (_WIDTH + _APART), _MARGIN + row * (_HEIGHT + _BELOW))
        return places


def _edge(start: tuple[int, int], end: tuple[int, int], dashes: str) -> str:
    x1, y1 = start[0] + _WIDTH, start[1] + _HEIGHT // 2
    x2, y2 = end[0], end[1] + _HEIGHT // 2
    middle = (x1 + x2) // 2
    path = f"M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}"
    return f'<path d="{path}" fill="none" stroke="#6b7280"{dashes}/>'

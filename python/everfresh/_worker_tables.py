"""Tables on their way into a step's function and out of it: Arrow in files on the program's side, what the function
asks for on this one."""

from __future__ import annotations

import mmap
from typing import Any

from . import _native
from ._code_origin import version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow

# What a function may be given, by the name that its annotation is written with where it cannot be evaluated.
_KINDS = {
    "pandas.DataFrame": "pandas",
    "pd.DataFrame": "pandas",
    "polars.DataFrame": "polars",
    "pl.DataFrame": "polars",
    "polars.LazyFrame": "polars, lazily",
    "pl.LazyFrame": "polars, lazily",
    "pyarrow.Table": "pyarrow",
    "pa.Table": "pyarrow",
    "pyarrow.lib.Table": "pyarrow",
}
_WAYS = "pandas.DataFrame, polars.DataFrame, polars.LazyFrame or pyarrow.Table"


def _arrow() -> Any:
    from ._worker import StepError

    try:
        import pyarrow
        import pyarrow.ipc
    except ImportError as error:
        raise StepError(f"tables are handed over with pyarrow, which cannot be imported: {error}") from error
    return pyarrow


def read(parts: list[tuple[str, int]]) -> pyarrow.Table:
    """A table whose parts lie in files from a place on, mapped and not read."""
    arrow = _arrow()
    tables = []
    for path, start in parts:
        with open(path, "rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        tables.append(arrow.ipc.open_file(arrow.py_buffer(memoryview(mapped)[start:])).read_all())
    return arrow.concat_tables(tables)


def write(table: pyarrow.Table, path: str) -> None:
    """Writes a table as a file in Arrow's IPC format."""
    arrow = _arrow()
    with arrow.OSFile(path, "wb") as file, arrow.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=1 << 16)


def arrow_of(name: str, value: Any) -> pyarrow.Table:
    """What a function returned, as an Arrow table of plain types.

    Names of a pandas index become columns; an index without a name is left out.

    Raises:
        StepError: if it is no table, or two of its columns have one name.
    """
    from ._worker import StepError

    arrow = _arrow()
    owner = type(value).__module__.partition(".")[0]
    kind = f"{owner}.{type(value).__name__}"
    if kind == "polars.LazyFrame":
        value, kind = value.collect(), "polars.DataFrame"
    if kind in ("pandas.Series", "polars.Series"):
        value = value.to_frame()
        kind = f"{owner}.DataFrame"
    if kind == "pandas.DataFrame":
        named = [level for level in value.index.names if level is not None]
        table = arrow.Table.from_pandas(value.reset_index(named) if named else value, preserve_index=False)
    elif kind == "polars.DataFrame":
        table = value.to_arrow()
    elif isinstance(value, arrow.Table):
        table = value
    elif isinstance(value, arrow.RecordBatch):
        table = arrow.Table.from_batches([value])
    else:
        raise StepError(f"{name}() returned a {type(value).__qualname__}: return a table, {_WAYS}")
    twice = sorted({column for column in table.column_names if table.column_names.count(column) > 1})
    if twice:
        raise StepError(f"{name}() returned two columns that are called `{twice[0]}`")
    return table.cast(_plain(arrow, table.schema))


def _plain(arrow: Any, schema: pyarrow.Schema) -> pyarrow.Schema:
    """The same columns in the types that the pipeline's other steps make: no dictionaries, no large or viewed texts."""

    def plain(kind: Any) -> Any:
        types = arrow.types
        if types.is_dictionary(kind):
            return plain(kind.value_type)
        if types.is_large_string(kind) or getattr(types, "is_string_view", lambda _: False)(kind):
            return arrow.string()
        if types.is_large_binary(kind) or getattr(types, "is_binary_view", lambda _: False)(kind):
            return arrow.binary()
        if types.is_large_list(kind) or types.is_list(kind):
            return arrow.list_(arrow.field(kind.value_field.name, plain(kind.value_type), kind.value_field.nullable))
        return kind

    return arrow.schema([arrow.field(field.name, plain(field.type), field.nullable) for field in schema])


class Parameters:
    """The parameters of a step's function, and which kind of table each asks for."""

    def __init__(self, function: Callable[..., Any]) -> None:
        import inspect

        self._function = function
        self._name = getattr(function, "__name__", repr(function))
        every = inspect.signature(function).parameters.values()
        self._positional = [one for one in every if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
        self._named = {one.name: one for one in every if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}
        self._rest = next((one for one in every if one.kind == one.VAR_POSITIONAL), None)
        self._all = list(every)
        #: Those that a parameter of the pipeline may fill.
        self.names = list(self._named)

    def fingerprint(self) -> bytes:
        """What tells apart what the function is given: annotations are no part of its code."""
        kinds = [(one.name, str(one.kind), self._kind(one)) for one in self._all]
        packages = [version(package) for package in ("pyarrow", *sorted({"pandas", "polars"} & {k for *_, k in kinds}))]
        return _native.fingerprint((kinds, packages))

    def bind(self, tables: list[tuple[str, Any]], params: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Arguments for one call: tables by name if the function has parameters of all their names, else in order.

        Raises:
            StepError: if there are more tables than parameters, or parameters that nothing fills.
        """
        from ._worker import StepError

        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        if tables and all(name in self._named for name, _ in tables):
            for name, table in tables:
                kwargs[name] = _given(table, self._kind(self._named[name]))
            taken = set(kwargs)
        else:
            takes = list(self._positional)
            if self._rest is not None:
                takes += [self._rest] * (len(tables) - len(takes))
            if len(tables) > len(takes):
                raise StepError(f"{self._name}() takes {len(takes)} tables, and `from` has {len(tables)}")
            for parameter, (_, table) in zip(takes, tables, strict=False):
                args.append(_given(table, self._kind(parameter)))
            taken = {parameter.name for parameter in takes[: len(tables)]}
        kwargs |= {name: value for name, value in params.items() if name in self._named and name not in taken}
        for one in self._all:
            optional = one.default is not one.empty or one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
            if not (optional or one.name in taken or one.name in kwargs):
                raise StepError(f"{self._name}() needs `{one.name}`, which is neither in `from` nor in `params`")
        return args, kwargs

    def _kind(self, parameter: Any) -> str:
        annotation = parameter.annotation
        if annotation is parameter.empty:
            return "pyarrow"
        text = annotation if isinstance(annotation, str) else ""
        if text:
            try:
                annotation = eval(text, getattr(self._function, "__globals__", {}))
            except Exception:
                # A name that only type checkers know.
                return _KINDS.get(text.strip("'\""), "")
        owner = getattr(annotation, "__module__", "").partition(".")[0]
        return _KINDS.get(f"{owner}.{getattr(annotation, '__name__', '')}", "")


def _given(table: Any, kind: str) -> Any:
    from ._worker import StepError

    if kind == "pyarrow":
        return table
    if kind == "pandas":
        return table.to_pandas()
    if kind in ("polars", "polars, lazily"):
        import polars

        frame: Any = polars.from_arrow(table)
        return frame.lazy() if kind == "polars, lazily" else frame
    raise StepError(f"a table is given as {_WAYS}: annotate the parameter with one of these")

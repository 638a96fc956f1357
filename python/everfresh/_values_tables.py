"""polars and pyarrow tables, taken apart and put together.

A table's fingerprint is that of its types and of its Arrow stream, which does not tell how its values lie in memory. It
is stored in Arrow's own format: what pyarrow reads back refers to the buffer.
"""

# Objects of every type come through here.

from __future__ import annotations

import io
import sys

from everfresh._values import Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from everfresh._values import Parts


def take_apart(value: Any, stored: bool) -> Parts | None:
    """The parts of a polars or pyarrow object; None for those that have none."""
    cls = type(value)
    if cls.__module__.partition(".")[0] == "polars":
        return _take_polars(value, stored)
    return _take_pyarrow(value, stored)


def put_together(name: str, parts: Any, buffers: list[memoryview], trusted: bool) -> object:
    """The object of these parts."""
    library, _, kind = name.partition(".")
    if library == "polars":
        return _build_polars(kind, parts, buffers)
    return _build_pyarrow(kind, parts, buffers, trusted)


def protect(value: Any) -> tuple[object, Callable[..., object] | None] | None:
    """A private copy, of which each polars caller gets a clone; None for what has to be copied."""
    from everfresh import _native

    root = type(value).__module__.partition(".")[0]
    try:
        # What came from NumPy may still lie in memory that someone can write to.
        private = _native.private(value)
    except TypeError:
        if root == "pyarrow":
            raise
        return None
    return private, type(value).clone if root == "polars" and hasattr(value, "clone") else None


# polars.


def _take_polars(value: Any, stored: bool) -> Parts | None:
    pl: Any = sys.modules["polars"]
    cls = type(value)
    if cls is pl.LazyFrame:
        raise Refusal("a LazyFrame is a plan, and has no values yet: `.collect()` it")
    if isinstance(value, pl.DataType):
        kind, frame = "DataType", pl.DataFrame({"": pl.Series([], dtype=value)})
    elif cls in (pl.DataFrame, pl.Series):
        kind, frame = cls.__name__, value.to_frame() if cls is pl.Series else value
    else:
        return None
    types = tuple(_polars_type(pl, dtype) for dtype in frame.dtypes)
    if not stored:
        # polars gives a column of nulls a buffer, which Arrow's interface does not allow; its type stands in `types`.
        casts = {name: _with_values(pl, dtype) for name, dtype in frame.schema.items() if "Null" in repr(dtype)}
        return f"polars.{kind}", (tuple(frame.columns), types, frame.height), (frame.cast(casts),)
    target = io.BytesIO()
    try:
        frame.write_ipc(target, compression="uncompressed")
    except pl.exceptions.PolarsError as error:
        raise Refusal(f"polars cannot store this table: {error}") from error
    return f"polars.{kind}", frame.height, (target.getbuffer(),)


def _polars_type(pl: Any, dtype: Any) -> object:
    if dtype == pl.Object:
        raise Refusal("a column of Python objects has neither fingerprint nor encoding: `cast` it")
    if isinstance(dtype, pl.Enum):
        return "Enum", tuple(dtype.categories.to_list())
    if isinstance(dtype, pl.List):
        return "List", _polars_type(pl, dtype.inner)
    if isinstance(dtype, pl.Array):
        return "Array", _polars_type(pl, dtype.inner), tuple(dtype.shape)
    if isinstance(dtype, pl.Struct):
        return "Struct", tuple((field.name, _polars_type(pl, field.dtype)) for field in dtype.fields)
    return repr(dtype)


def _with_values(pl: Any, dtype: Any) -> Any:
    """The type with booleans in place of nulls."""
    if isinstance(dtype, pl.List):
        return pl.List(_with_values(pl, dtype.inner))
    if isinstance(dtype, pl.Array):
        return pl.Array(_with_values(pl, dtype.inner), dtype.shape[0])
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: _with_values(pl, field.dtype) for field in dtype.fields})
    return pl.Boolean if dtype == pl.Null else dtype


def _build_polars(kind: str, parts: Any, buffers: list[memoryview]) -> object:
    pl: Any = sys.modules["polars"]
    (buffer,) = buffers
    try:
        frame = pl.read_ipc(io.BytesIO(buffer))
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:
        # A panic in polars is no `Exception`.
        raise ValueError(f"polars does not read this table: {error}") from error
    if frame.height != parts:
        raise ValueError("a table has another number of rows")
    if kind == "DataFrame":
        return frame
    return frame.to_series() if kind == "Series" else frame.dtypes[0]


# pyarrow.


def _take_pyarrow(value: Any, stored: bool) -> Parts | None:
    pa: Any = sys.modules["pyarrow"]
    if isinstance(value, pa.Table):
        kind, table = "Table", value
    elif isinstance(value, pa.RecordBatch):
        kind, table = "RecordBatch", pa.Table.from_batches([value])
    elif isinstance(value, pa.ChunkedArray):
        kind, table = "ChunkedArray", pa.Table.from_arrays([value], [""])
    elif isinstance(value, pa.Array):
        kind, table = "Array", pa.Table.from_arrays([pa.chunked_array([value])], [""])
    elif isinstance(value, pa.Scalar):
        kind, table = "Scalar", pa.Table.from_arrays([pa.array([value], value.type)], [""])
    elif isinstance(value, pa.Schema):
        kind, table = "Schema", value.empty_table()
    elif isinstance(value, pa.Field):
        kind, table = "Field", pa.schema([value]).empty_table()
    elif isinstance(value, pa.DataType):
        kind, table = "DataType", pa.schema([pa.field("", value)]).empty_table()
    else:
        return None
    if not stored:
        return f"pyarrow.{kind}", (_schema(table.schema), table.num_rows), (table,)
    # Written twice, once for its length, so that what is large is copied once.
    measure = pa.MockOutputStream()
    _write(pa, table, measure)
    memory = pa.allocate_buffer(measure.size())
    _write(pa, table, pa.FixedSizeBufferWriter(memory))
    return f"pyarrow.{kind}", table.num_rows, (memory,)


def _write(pa: Any, table: Any, target: Any) -> None:
    with pa.ipc.new_stream(target, table.schema) as writer:
        writer.write_table(table)


def _schema(schema: Any) -> object:
    """What the stream's fingerprint does not tell: types with their parameters, and metadata."""
    fields = tuple((field.name, str(field.type), field.nullable, _metadata(field)) for field in schema)
    return fields, _metadata(schema)


def _metadata(described: Any) -> object:
    return None if described.metadata is None else tuple(described.metadata.items())


def _build_pyarrow(kind: str, parts: Any, buffers: list[memoryview], trusted: bool) -> object:
    pa: Any = sys.modules["pyarrow"]
    (buffer,) = buffers
    with pa.ipc.open_stream(pa.py_buffer(buffer)) as reader:
        table = reader.read_all()
    # Offsets that lead out of a buffer would end the process when they are followed.
    table.validate(full=not trusted)
    if kind == "Table" and table.num_rows == parts:
        return table
    if kind == "RecordBatch":
        batches = table.to_batches()
        return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)
    if kind == "Schema":
        return table.schema
    if kind == "Field":
        return table.schema.field(0)
    if kind == "DataType":
        return table.schema.field(0).type
    column = table.column(0)
    if len(column) != parts:
        raise ValueError("an array has another length")
    if kind == "ChunkedArray":
        return column
    array = (
        column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.array([], column.type)])
    )
    if kind == "Array":
        return array
    if kind == "Scalar":
        return array[0]
    raise ValueError(f"no kind of object is named pyarrow.{kind}")

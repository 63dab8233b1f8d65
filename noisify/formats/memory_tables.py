"""Arrow tables and polars DataFrames in memory as sources and sinks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from noisify.core.arrow_arrays import bytes_of, is_list, list_like
from noisify.core.chunk import Chunk, Field
from noisify.core.errors import UsageError
from noisify.core.lazy_libraries import pl
from noisify.formats.arrow.tables import Slice, SliceSource
from noisify.formats.interface import Reading
from noisify.formats.memory import InMemory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.formats.interface import NoisyColumn


class TableInMemory(SliceSource, InMemory[Slice, tuple[Any, set[int]]]):
    """An Arrow table and its noisy copy.

    Args:
        table: Any Arrow table.
    """

    rows: int

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.describe(table.schema)
        self._pieces: list[Any] = []
        self._changed: set[int] = set()
        row_bytes = max(1, bytes_of(table) // max(1, table.num_rows))
        self._describe(self.fields, table.num_rows, row_bytes)

    def read(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[Slice]:
        """Read slices of the table."""
        step = max(1, size // self.row_bytes)
        if not self.rows:
            return Reading(iter(()))
        return Reading(self.slices(self._table, step, groups, Counter()))

    def encode(
        self, raw: Slice, chunk: Chunk, noisy: Sequence[NoisyColumn]
    ) -> tuple[Any, set[int]]:
        """Put the noisy values into some rows; return them and the indices of noisy columns."""
        columns = self.noisy_columns(chunk, noisy)
        piece = self._table.slice(raw.offset, raw.rows)
        for number, column in columns.items():
            piece = piece.set_column(number, piece.schema.field(number), column)
        return piece, set(columns)

    def write(self, encoded: tuple[Any, set[int]]) -> None:
        """Store a piece of the result."""
        piece, changed = encoded
        self._pieces.append(piece)
        self._changed |= changed

    def result(self) -> pa.Table:
        """Return the noisy table."""
        return pa.concat_tables(self._pieces) if self._pieces else self._table


class PolarsInMemory(TableInMemory):
    """A polars DataFrame and its noisy copy.

    Columns without noise are returned as they were, without passing through Arrow.

    Args:
        frame: Any DataFrame; columns of types that Arrow lacks get no noise.
    """

    def __init__(self, frame: pl.DataFrame) -> None:
        shared = [name for name in frame.columns if _has_arrow_type(frame.select(name).head(0))]
        super().__init__(pa.table(frame.select(shared)))
        self._polars = frame
        others = set(frame.columns) - set(shared)
        self.fields = (
            *self.fields,
            *(Field(name, "other", str(frame[name].dtype)) for name in others),
        )
        self.rows, self.empty = frame.height, not frame.height

    def result(self) -> pa.Table:
        """Return the noisy DataFrame.

        Raises:
            UsageError: If a noisy text is not a category of its Enum column.
        """
        table = _without_metadata(super().result().select(sorted(self._changed)))
        noisy: Any = pl.from_arrow(table) if table.num_columns else pl.DataFrame()
        columns = []
        for name in table.column_names:
            dtype = self._polars.schema[name]
            try:
                columns.append(noisy[name].cast(dtype))
            except pl.exceptions.PolarsError:
                raise UsageError(
                    f"holds {type(dtype).__name__}, which has no place for some of the noisy "
                    "values; cast it to String",
                    field=name,
                ) from None
        return self._polars.with_columns(columns)


def _without_metadata(table: pa.Table) -> pa.Table:
    """Remove the metadata of a table's fields.

    polars uses it to restore Enums, and would turn texts outside an Enum into null. Without it, the
    column becomes categorical, and casting such texts back fails.
    """
    fields = [_plain_field(field) for field in table.schema]
    return table.cast(pa.schema(fields))


def _plain_field(field: pa.Field) -> pa.Field:
    """Remove the metadata of an Arrow field and its children."""
    kind = field.type
    if pa.types.is_struct(kind):
        kind = pa.struct([_plain_field(inner) for inner in kind])
    elif is_list(kind):
        kind = list_like(kind, _plain_field(kind.value_field))
    return pa.field(field.name, kind, field.nullable)


def _has_arrow_type(frame: pl.DataFrame) -> bool:
    """Return whether Arrow has the type of a frame's one column."""
    if str(frame.dtypes[0]).startswith("Object"):
        return False  # polars cannot export it
    try:
        pa.table(frame)
    except pa.ArrowException:
        return False
    return True

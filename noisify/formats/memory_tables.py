"""Arrow tables and polars DataFrames in memory as sources and sinks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from noisify.core.arrow_arrays import bytes_of
from noisify.core.chunk import Chunk, Field
from noisify.core.errors import UsageError
from noisify.core.lazy_libraries import pl
from noisify.core.overriding import override
from noisify.formats.arrow.tables import TableReader
from noisify.formats.interface import Reading
from noisify.formats.memory import InMemory

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from noisify.formats.arrow.tables import Slice
    from noisify.formats.interface import NoisyColumn


class TableInMemory(InMemory["Slice", tuple[Any, set[int]]]):
    """An Arrow table, and the noisy copy that is made of it.

    Args:
        table: Any Arrow table.
    """

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._reader = TableReader(table.schema)
        self._pieces: list[Any] = []
        self._changed: set[int] = set()
        row_bytes = max(1, bytes_of(table) // max(1, table.num_rows))
        self._describe(self._reader.fields, table.num_rows, row_bytes)

    def read(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[Slice]:
        """Read slices of the table."""
        step = max(1, size // self.row_bytes)
        if not self.rows:
            return Reading(iter(()))
        return Reading(self._reader.slices(self._table, step, groups, Counter()))

    def size_of(self, raw: Slice) -> int:
        """Return the bytes of some rows, about."""
        return raw.size

    def length(self, field: Field) -> int | None:
        """Return the number of rows; how many elements lists have is not counted."""
        return self.rows if not field.table else None

    def decode(self, raw: Slice, wanted: Sequence[Field]) -> Chunk:
        """Return some rows of the wanted columns."""
        return self._reader.decode(raw, wanted)

    @override
    def condition_values(
        self,
        raw: Slice,
        chunk: Chunk,
        names: Iterable[str],
    ) -> dict[str, Any]:
        """Return some rows of fields as Arrow arrays."""
        return self._reader.condition_values(raw, names)

    def encode(
        self, raw: Slice, chunk: Chunk, noisy: Sequence[NoisyColumn]
    ) -> tuple[Any, set[int]]:
        """Return the rows with noise in them, and the numbers of the columns that it is in."""
        columns = self._reader.noisy_columns(chunk, noisy)
        piece = self._table.slice(raw.offset, raw.rows)
        for number, column in columns.items():
            piece = piece.set_column(number, piece.schema.field(number), column)
        return piece, set(columns)

    def write(self, encoded: tuple[Any, set[int]]) -> None:
        """Keep a piece of the result."""
        piece, changed = encoded
        self._pieces.append(piece)
        self._changed |= changed

    def noisy_table(self) -> pa.Table:
        """Return the noisy table."""
        if not self._pieces:
            return self._table
        return pa.concat_tables(self._pieces)

    def noisy_columns(self) -> pa.Table:
        """Return a table of the columns that have noise in them."""
        return self.noisy_table().select(sorted(self._changed))

    def result(self) -> pa.Table:
        """Return the noisy table."""
        return self.noisy_table()


class PolarsInMemory(TableInMemory):
    """A polars DataFrame, and the noisy copy that is made of it.

    Columns without noise are those that were given, whatever Arrow would make of them.

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
            UsageError: If noise made a text that a column of fixed texts cannot hold.
        """
        table = _without_metadata(self.noisy_columns())
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
    """Return a table without what its fields say besides their types.

    By that polars tells its Enums, and it would read a text that is none of them as null; without
    it they are categories, and casting them fails.
    """
    fields = [_plain_field(field) for field in table.schema]
    return table.cast(pa.schema(fields))


def _plain_field(field: pa.Field) -> pa.Field:
    """Return an Arrow field, and those inside it, without metadata."""
    kind = field.type
    if pa.types.is_struct(kind):
        kind = pa.struct([_plain_field(inner) for inner in kind])
    elif pa.types.is_fixed_size_list(kind):
        kind = pa.list_(_plain_field(kind.value_field), kind.list_size)
    elif pa.types.is_large_list(kind):
        kind = pa.large_list(_plain_field(kind.value_field))
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

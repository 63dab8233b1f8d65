"""Cut Arrow tables and record batches into slices of rows, decode them, and put them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from noisify.core.arrow_arrays import bytes_of
from noisify.core.chunk import Chunk, Positions
from noisify.core.errors import UsageError
from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.formats.arrow.columns import changes, column_of, comparable, noisy_values, whole
from noisify.formats.arrow.nested import ROWS, fields_and_leaves, values_at, with_values
from noisify.formats.interface import Source

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from noisify.core.chunk import Column, Field
    from noisify.formats.arrow.nested import Leaf
    from noisify.formats.interface import NoisyColumn


@frozen
class RowSlice:
    """Some rows of a batch of a table.

    Attributes:
        offset: The index of the slice's first row in the batch.
        start: The index of its first row in all of the data.
        rows: The number of rows.
        last: Whether its last row is the last of the batch.
        size: Its approximate size in bytes.
        elements: For each list with a wanted leaf, the index of its first element.
    """

    offset: int
    start: int
    rows: int
    last: bool
    size: int
    elements: Mapping[str, int]


Rows = TypeVar("Rows", bound=RowSlice)


class LeavesSource(Source[Rows]):
    """Tables or record batches of one schema, whose fields are the leaves of Arrow columns.

    Attributes:
        leaves: The leaves of all columns, in order.
        rows: The number of rows, or None if it is not known before reading.
    """

    leaves: tuple[Leaf, ...]
    rows: int | None

    def describe(self, schema: pa.Schema) -> None:
        """Find the fields and leaves of a schema."""
        self.fields, self.leaves, self._numbers = fields_and_leaves(schema)

    def number(self, name: str) -> int:
        """Return the index of a field's leaf."""
        return self._numbers[name]

    def leaf(self, name: str) -> Leaf:
        """Return the leaf of a field."""
        return self.leaves[self._numbers[name]]

    def leaf_of_rows(self, name: str) -> int:
        """Return the index of the leaf of a field with one value per row, for a condition.

        Raises:
            UsageError: If the field is nested or inside a list.
        """
        number = self._numbers.get(name)
        if number is None or self.leaves[number].table != ROWS:
            raise UsageError("has no single value in a row to be compared", field=name)
        return number

    def column(self, raw: Rows, field: Field, array: pa.Array, steps: Sequence[int] = ()) -> Column:
        """Decode a field from a slice's part of its column, given the path of its leaf."""
        values, inside = values_at(array, steps)
        start, count = raw.start, raw.rows
        if field.table != ROWS:
            start, count = raw.elements[field.table], len(values)
        return column_of(field, values, Positions.range(start, start + count), inside)

    @override
    def ends_group(self, raw: Rows) -> bool:
        """Return whether a slice has the last rows of its row group or record batch."""
        return raw.last

    @override
    def size_of(self, raw: Rows) -> int:
        """Return the approximate size of a slice in bytes."""
        return raw.size

    @override
    def length(self, field: Field) -> int | None:
        """Return the number of rows if it is known; None for elements of lists."""
        return self.rows if field.table == ROWS else None

    @override
    def original_type(self, field: Field) -> pa.DataType:
        """Return the Arrow type of a field.

        Raises:
            UsageError: If the field is inside a list.
        """
        leaf = self.leaf(field.name)
        if leaf.table != ROWS:
            raise UsageError(
                "is inside a list, and a mask has a row for each row; leave it out", field=leaf.name
            )
        return leaf.type


@frozen
class Slice(RowSlice):
    """Some rows of a batch.

    Attributes:
        batch: The record batch or table.
        metadata: The custom metadata of the batch.
    """

    batch: Any
    metadata: Any

    def column(self, number: int) -> pa.Array:
        """Return the slice's part of a column."""
        return whole(self.batch.column(number).slice(self.offset, self.rows))


class SliceSource(LeavesSource[Slice]):
    """Arrow tables or record batches, read in slices."""

    def slices(
        self,
        batch: pa.RecordBatch | pa.Table,
        step: int,
        wanted: Sequence[Sequence[Field]],
        reached: Counter[str],
        metadata: pa.KeyValueMetadata | None = None,
    ) -> Iterator[Slice]:
        """Cut a batch into slices; a batch without rows is one slice.

        Args:
            batch: A record batch or a table.
            step: The number of rows of a slice.
            wanted: The fields to decode.
            reached: The numbers of rows and of elements of each list before the batch; updated.
            metadata: The custom metadata of the batch.
        """
        inner = {f.table: f.name for group in wanted for f in group if f.table != ROWS}
        count = batch.num_rows
        size = bytes_of(batch)
        for offset in range(0, max(1, count), step):
            rows = min(step, count - offset)
            elements = {table: reached[table] for table in inner}
            share = size * rows // max(1, count)
            last = offset + rows == count
            piece = Slice(offset, reached[ROWS], rows, last, share, elements, batch, metadata)
            reached[ROWS] += rows
            for table, name in inner.items():
                leaf = self.leaf(name)
                reached[table] += len(values_at(piece.column(leaf.column), leaf.steps)[0])
            yield piece

    @override
    def decode(self, raw: Slice, wanted: Sequence[Field]) -> Chunk:
        """Decode the wanted fields of a slice; the chunk's layout is its columns by index."""
        columns: dict[int, pa.Array] = {}
        decoded = []
        for each in wanted:
            leaf = self.leaf(each.name)
            if leaf.column not in columns:
                columns[leaf.column] = raw.column(leaf.column)
            decoded.append(self.column(raw, each, columns[leaf.column], leaf.steps))
        rows = Positions.range(raw.start, raw.start + raw.rows)
        return Chunk(tuple(decoded), columns, rows)

    @override
    def condition_values(
        self, raw: Slice, chunk: Chunk, names: Iterable[str]
    ) -> dict[str, pa.Array]:
        """Return the values of fields of a slice, with decimals as float64.

        Raises:
            UsageError: If a field has no single value for each row.
        """
        found = {}
        for name in names:
            leaf = self.leaves[self.leaf_of_rows(name)]
            found[name] = comparable(*values_at(raw.column(leaf.column), leaf.steps))
        return found

    def noisy_columns(self, chunk: Chunk, noisy: Sequence[NoisyColumn]) -> dict[int, pa.Array]:
        """Put the noisy values into the columns of a chunk; return the noisy columns by index."""
        columns = dict(chunk.layout)
        changed = set()
        for result in noisy:
            leaf = self.leaf(result.column.field.name)
            changed.add(leaf.column)
            if changes(result):
                column = columns[leaf.column]
                old, _ = values_at(column, leaf.steps)
                new = noisy_values(old, result, nullable=leaf.nullable)
                columns[leaf.column] = with_values(column, leaf.steps, new)
        return {number: columns[number] for number in changed}

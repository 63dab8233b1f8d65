"""Cut Arrow tables and record batches into slices of rows, decode them, and put them back."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from noisify.core.arrow_arrays import bytes_of
from noisify.core.chunk import Chunk, Positions
from noisify.core.errors import UsageError
from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.formats.arrow.columns import changes, column_of, comparable, noisy_values, whole
from noisify.formats.arrow.nested import ROWS, fields_and_leaves, leaves_of, values_at, with_values
from noisify.formats.interface import Source

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from noisify.core.chunk import Field
    from noisify.formats.arrow.nested import Leaf
    from noisify.formats.interface import NoisyColumn


@frozen
class Slice:
    """Some rows of a batch.

    Attributes:
        batch: The record batch or table.
        offset: The index of the slice's first row in the batch.
        start: The index of its first row in all of the data.
        rows: The number of rows.
        last: Whether its last row is the last of the batch.
        size: Its approximate size in bytes.
        elements: For each list with a wanted leaf, the index of its first element.
        metadata: The custom metadata of the batch.
    """

    batch: Any
    offset: int
    start: int
    rows: int
    last: bool
    size: int
    elements: Mapping[str, int] = field(default_factory=dict)
    metadata: Any = None

    def column(self, number: int) -> pa.Array:
        """Return the slice's part of a column."""
        return whole(self.batch.column(number).slice(self.offset, self.rows))


class SliceSource(Source[Slice]):
    """Arrow tables or record batches of one schema, read in slices.

    Attributes:
        rows: The number of rows, or None if it is not known before reading.
    """

    rows: int | None

    def describe(self, schema: pa.Schema) -> None:
        """Find the fields of a schema."""
        self.fields, self._numbers = fields_and_leaves(schema)
        self._leaves = leaves_of(schema)

    def leaf(self, name: str) -> Leaf:
        """Return the leaf of a field."""
        return self._leaves[self._numbers[name]]

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
            reached: The number of rows, and of elements of each list, before these; updated.
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
            piece = Slice(batch, offset, reached[ROWS], rows, last, share, elements, metadata)
            reached[ROWS] += rows
            for table, name in inner.items():
                leaf = self.leaf(name)
                reached[table] += len(values_at(piece.column(leaf.column), leaf.steps)[0])
            yield piece

    @override
    def size_of(self, raw: Slice) -> int:
        """Return the approximate size of a slice in bytes, uncompressed."""
        return raw.size

    @override
    def length(self, field: Field) -> int | None:
        """Return the number of rows if it is known; None for elements of lists."""
        return self.rows if field.table == ROWS else None

    @override
    def decode(self, raw: Slice, wanted: Sequence[Field]) -> Chunk:
        """Decode the wanted fields of a slice; the chunk's layout is its columns by index."""
        rows = Positions.range(raw.start, raw.start + raw.rows)
        columns: dict[int, pa.Array] = {}
        decoded = []
        for each in wanted:
            leaf = self.leaf(each.name)
            if leaf.column not in columns:
                columns[leaf.column] = raw.column(leaf.column)
            values, inside = values_at(columns[leaf.column], leaf.steps)
            positions = rows
            if each.table != ROWS:
                first = raw.elements[each.table]
                positions = Positions.range(first, first + len(values))
            decoded.append(column_of(each, values, positions, inside))
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
            if name not in self._numbers or self.leaf(name).table != ROWS:
                raise no_value_in_a_row(name)
            leaf = self.leaf(name)
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


def no_value_in_a_row(name: str) -> UsageError:
    """Return the error for a field that a condition cannot compare."""
    return UsageError("has no single value in a row to be compared", field=name)


def type_in_mask(leaf: Leaf) -> pa.DataType:
    """Return the type of a leaf's values in a mask.

    Raises:
        UsageError: If the leaf is inside a list.
    """
    if leaf.table != ROWS:
        raise UsageError(
            "is inside a list, and a mask has a row for each row; leave it out", field=leaf.name
        )
    return leaf.type

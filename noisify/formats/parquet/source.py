"""Parquet: what gets noise is decoded and encoded anew; all else keeps its very bytes.

A file is read leaf by leaf, a leaf being what Parquet stores as one column chunk. Some leaves of a
row group are one piece, which a worker reads. Leaves that are large, and any with noise inside
lists, are read here, in slices of their rows, so that there is never more of a row group in memory
than leaves that have to go together, and those that a condition on rows looks at.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from noisify.core.chunk import Chunk, Positions
from noisify.core.errors import DataError, UsageError
from noisify.core.overriding import override
from noisify.core.threads import thread_pool
from noisify.core.value_class import frozen
from noisify.formats.arrow.columns import column_of, comparable, whole
from noisify.formats.arrow.nested import (
    ROWS,
    alone,
    fields_and_leaves,
    leaves_of,
    naming_note,
    values_at,
)
from noisify.formats.arrow.tables import no_value_in_a_row, type_in_mask
from noisify.formats.interface import Reading, Source
from noisify.formats.parquet import pieces as parquet_pieces
from noisify.formats.parquet import thrift
from noisify.formats.parquet.column_chunk import Stored, fit_of, style_of
from noisify.formats.parquet.footer import Footer
from noisify.formats.parquet.int96 import check_int96, int96_leaves
from noisify.formats.parquet.pieces import (
    shares_of,
    without_overlap,
)
from noisify.formats.parquet.read_back import needs_plain_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from noisify.core.chunk import Field
    from noisify.formats.parquet.column_chunk import Fit
    from noisify.formats.parquet.footer import ChunkSize

MEMORY_BUDGET = 64 << 20
"""Bytes of decoded pieces that may be in flight; one is allowed whatever its size."""
BATCH_ROWS = 1024
"""Rows that Arrow writes before it looks whether a page is full: where slices end does not show."""
_BUFFER = 1 << 18
_FEWEST_READERS = 8
"""Readers that share a table's plain columns: each takes memory for every column of the file."""
_LONGEST_HEADER = 256


@frozen
class RowGroupSlice:
    """Some leaves of some rows of a row group.

    Attributes:
        source: The file.
        group: The row group's number in it.
        leaves: The wanted leaves it has, in order; those of the next piece come after them.
        closes: Whether these are the last wanted leaves of the row group.
        offset: The number of its first row in the row group.
        start: The same in the table.
        rows: How many rows it has.
        last: Whether the rows of the row group end with it.
        size: Its bytes in the file.
        arrays: What is wanted, by the leaves' numbers; None: a worker reads it.
        elements: For each list with a wanted leaf, the number in the table of its first element.
    """

    source: ParquetSource
    group: int
    leaves: tuple[int, ...]
    closes: bool
    offset: int
    start: int
    rows: int
    last: bool
    size: int
    arrays: Mapping[int, pa.Array] | None = None
    elements: Mapping[str, int] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether it has all rows of its row group."""
        return self.last and not self.offset


class ParquetSource(Source[RowGroupSlice]):
    """An open Parquet file.

    Args:
        path: Where it is.
        name: What to call it in errors.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self._local = threading.local()
        self.file = self._open()
        self._local.file = self.file
        self.metadata: pq.FileMetaData = self.file.metadata
        try:
            self.schema: pa.Schema = self.file.schema_arrow
            writer = self.metadata.created_by
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise self._unlike_parquet(error) from None
        with path.open("rb") as file:
            self.footer = Footer(file, name, writer)
        self.leaves = leaves_of(self.schema)
        if len(self.leaves) != self.metadata.num_columns:
            raise DataError("has columns that Arrow does not read as they are stored", path=name)
        self.fields, self._numbers = fields_and_leaves(self.schema)
        note = naming_note(self.schema, name)
        self.notes: list[str] = [note] if note else []
        self.in_flight = MEMORY_BUDGET // self._largest_piece()
        self.empty = not self.metadata.num_rows
        self._by_leaf: tuple[Sequence[Field], dict[int, Field]] = ((), {})
        self._page_headers: dict[int, thrift.Record | None] = {}
        self._unchecked = set(int96_leaves(self.metadata))
        self._condition_lock = threading.Lock()
        self._conditions: dict[tuple[int, int], pa.Array] = {}

    def _open(self, metadata: pq.FileMetaData | None = None) -> pq.ParquetFile:
        """Return the file opened; with its metadata, if these have been read already."""
        try:
            return pq.ParquetFile(
                self.path,
                metadata=metadata,
                page_checksum_verification=True,
                buffer_size=_BUFFER,
                pre_buffer=False,
            )
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise self._unlike_parquet(error) from None

    def _unlike_parquet(self, why: object) -> DataError:
        return DataError(f"is not a readable Parquet file: {why}", path=self.name)

    def _own(self) -> pq.ParquetFile:
        """Return the file as this thread has it open."""
        if getattr(self._local, "file", None) is None:
            self._local.file = self._open(self.metadata)
        return self._local.file

    def number(self, name: str) -> int:
        """Return the number of the leaf that a field is."""
        return self._numbers[name]

    def _largest_piece(self) -> int:
        """Return about how many bytes the largest row group takes in memory, or a piece of it."""
        largest = 1
        for index in range(self.metadata.num_row_groups):
            largest = max(largest, sum(size.decoded for size in self.sizes(index)))
            if largest >= parquet_pieces.WHOLE_BYTES:
                return parquet_pieces.WHOLE_BYTES
        return largest

    def sizes(self, group: int) -> Sequence[ChunkSize]:
        """Return how large the leaves of a row group are.

        Arrow knows as well, and ends the process where what else is said of a leaf is nonsense.

        Raises:
            DataError: If there are not as many as there should be.
        """
        found = self.footer.sizes(group)
        if len(found) != self.metadata.num_columns:
            many = f"it has {len(found)} columns, not {self.metadata.num_columns}"
            raise self._unreadable(group, many)
        return found

    @override
    def read(
        self,
        groups: Sequence[Sequence[Field]],
        size: int,  # what is written must not depend on it
    ) -> Reading[RowGroupSlice]:
        """Read pieces of row groups, in order."""
        return Reading(self.pieces(groups, Counter()), self.in_flight)

    def pieces(
        self, wanted: Sequence[Sequence[Field]], reached: Counter[str]
    ) -> Iterator[RowGroupSlice]:
        """Yield pieces of row groups, in order.

        Args:
            wanted: The fields that will be decoded, in groups that have to go together.
            reached: How many rows and how many elements of each list have come before; counted on.
        """
        groups = [[self.number(each.name) for each in group] for group in wanted if group]
        leaves = sorted({leaf for group in groups for leaf in group})
        lists = any(self.leaves[leaf].table != ROWS for leaf in leaves)
        if lists or not leaves:
            groups = [leaves]
        units = without_overlap(groups)
        for index in range(self.metadata.num_row_groups):
            group = self.metadata.row_group(index)
            chunks = self.sizes(index)
            sizes = {leaf: chunks[leaf].decoded for leaf in leaves}
            shares = list(shares_of(units, sizes))
            stored = [sum(chunks[leaf].stored for leaf in share) for share in shares]
            stored[-1] += sum(chunk.stored for chunk in chunks) - sum(stored)
            for share, size in zip(shares, stored, strict=True):
                closes = share is shares[-1]
                start, rows = reached[ROWS], group.num_rows
                piece = RowGroupSlice(
                    self, index, share, closes, 0, start, rows, last=True, size=size
                )
                decoded = sum(sizes[leaf] for leaf in share)
                if not rows:
                    yield replace(piece, elements=reached)
                elif decoded <= parquet_pieces.WHOLE_BYTES and not lists:
                    yield piece
                else:
                    yield from self._slices(
                        piece, -(-decoded // parquet_pieces.PIECE_BYTES), reached
                    )
            reached[ROWS] += group.num_rows

    def _slices(
        self, piece: RowGroupSlice, parts: int, reached: Counter[str]
    ) -> Iterator[RowGroupSlice]:
        """Yield a piece that has all rows of its row group in slices, about so many."""
        group, leaves, count, stored = piece.group, piece.leaves, piece.rows, piece.size
        step = max(1, count // max(1, parts) // BATCH_ROWS) * BATCH_ROWS
        batches = [self._batches(group, some, step) for some in self._together(leaves)]
        with thread_pool(pa.cpu_count(), "noisify-read") as pool:
            spread: Callable[..., Iterator[dict[int, pa.Array]]]
            spread = pool.map if count > step else map
            for offset in range(0, count, step):
                rows = min(step, count - offset)
                read = {n: found for some in spread(next, batches) for n, found in some.items()}
                arrays = {leaf: read[leaf] for leaf in leaves}
                if any(len(values) != rows for values in arrays.values()):
                    raise self._unreadable(group, "a column has fewer rows than it should")
                lists = {self.leaves[n].table: n for n in leaves if self.leaves[n].table != ROWS}
                yield replace(
                    piece,
                    offset=offset,
                    start=piece.start + offset,
                    rows=rows,
                    last=offset + rows == count,
                    size=stored * (offset + rows) // count - stored * offset // count,
                    arrays=arrays,
                    elements={name: reached[name] for name in lists},
                )
                for name, leaf in lists.items():
                    reached[name] += len(values_at(arrays[leaf], ())[0])

    def _together(self, leaves: Sequence[int]) -> Iterator[Sequence[int]]:
        """Yield leaves in groups that one reader each reads: plain columns, or one leaf alone."""
        plain = [leaf for leaf in leaves if self._is_plain(self.leaves[leaf].column)]
        each = max(1, -(-len(plain) // max(_FEWEST_READERS, pa.cpu_count())))
        yield from (plain[first : first + each] for first in range(0, len(plain), each))
        yield from ([leaf] for leaf in leaves if not self._is_plain(self.leaves[leaf].column))

    def _is_plain(self, column: int) -> bool:
        """Return whether a column is a leaf itself, one that batches of rows do not cut."""
        kind = self.schema.field(column).type
        cut = pa.types.is_nested(kind) or pa.types.is_dictionary(kind)
        return not cut and not isinstance(kind, pa.BaseExtensionType)

    def _batches(
        self, group: int, leaves: Sequence[int], rows: int
    ) -> Iterator[dict[int, pa.Array]]:
        """Yield the values of leaves, so many rows at a time; nothing for ever after the last."""
        self._check(leaves)
        try:
            reader = self._open(self.metadata).reader
            for batch in reader.iter_batches(  # by number: names may stand twice, or hold dots
                rows, row_groups=[group], column_indices=leaves, use_threads=False
            ):
                yield dict(zip(leaves, batch.columns, strict=True))
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(group, error) from None
        while True:
            yield dict.fromkeys(leaves, pa.nulls(0))

    def read_leaf(self, group: int, leaf: int) -> pa.ChunkedArray:
        """Return a leaf of a row group, with the structs and lists it is in.

        Raises:
            DataError: If it cannot be read, or has not as many rows as the row group.
        """
        return self._read(group, [leaf]).column(0)

    def _read(self, group: int, leaves: Sequence[int]) -> pa.Table:
        """Return one leaf of a row group, or several that are columns, as a table of as many."""
        self._check(leaves)
        try:
            table: pa.Table = self._own().reader.read_row_group(
                group, column_indices=leaves, use_threads=False
            )
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(group, error) from None
        rows = self.metadata.row_group(group).num_rows
        if table.num_rows != rows:  # Arrow does not tell of a single column that is too short
            raise self._unreadable(group, f"it has {table.num_rows} rows, not {rows}")
        return table

    def _check(self, leaves: Iterable[int]) -> None:
        """Refuse leaves that Arrow reads as what they are not; each is looked at once."""
        for leaf in self._unchecked.intersection(leaves):
            check_int96(self.path, self.name, leaf)
            self._unchecked.discard(leaf)

    def _unreadable(self, group: int, why: object) -> DataError:
        where = f"has a row group {group} that cannot be read: {why}"
        return DataError(where, path=self.name)

    def decode(self, raw: RowGroupSlice, wanted: Sequence[Field]) -> Chunk:
        """Return the wanted leaves of a piece, read now if they have not been.

        Raises:
            DataError: If they cannot be read.
        """
        rows = Positions.range(raw.start, raw.start + raw.rows)
        by_leaf = self._fields_by_leaf(wanted)
        arrays = self.arrays(raw, [leaf for leaf in raw.leaves if leaf in by_leaf])
        columns = []
        for leaf, array in arrays.items():
            each = by_leaf[leaf]
            values, inside = values_at(array, ())
            positions = rows
            if each.table != ROWS:
                first = raw.elements[each.table]
                positions = Positions.range(first, first + len(values))
            columns.append(column_of(each, values, positions, inside))
        return Chunk(tuple(columns), arrays, rows)

    def _fields_by_leaf(self, wanted: Sequence[Field]) -> dict[int, Field]:
        """Return fields by their leaves' numbers: found once for all the pieces of a pass.

        Workers may find them at the same time, and put the same in the place of the same.
        """
        known, by_leaf = self._by_leaf
        if known is not wanted:
            by_leaf = {self.number(each.name): each for each in wanted}
            self._by_leaf = (wanted, by_leaf)
        return by_leaf

    def arrays(self, raw: RowGroupSlice, leaves: Iterable[int]) -> dict[int, pa.Array]:
        """Return leaves of a piece, with the structs and lists they are in, by their numbers."""
        if raw.arrays is not None:
            return {leaf: raw.arrays[leaf] for leaf in leaves}
        leaves = list(leaves)
        plain = [leaf for leaf in leaves if self._is_plain(self.leaves[leaf].column)]
        columns = self._read(raw.group, plain).columns if plain else []
        read = dict(zip(plain, columns, strict=True))
        read |= {leaf: self.read_leaf(raw.group, leaf) for leaf in leaves if leaf not in read}
        return {leaf: whole(read[leaf]) for leaf in leaves}

    def original_type(self, field: Field) -> pa.DataType:
        """Return a field's type."""
        return type_in_mask(self.leaves[self.number(field.name)])

    def condition_values(
        self, raw: RowGroupSlice, chunk: Chunk, names: Iterable[str]
    ) -> dict[str, pa.Array]:
        """Return fields as they are, decimals as float64.

        Raises:
            UsageError: If a field is nested: only what is in it can be compared.
        """
        found = {}
        for name in names:
            leaf = raw.source.leaf_of_rows(name)
            values = chunk.layout.get(leaf)
            if values is None:
                values = raw.source.condition(raw.group, leaf).slice(raw.offset, raw.rows)
            found[name] = comparable(*values_at(values, ()))
        return found

    def leaf_of_rows(self, name: str) -> int:
        """Return the number of the leaf that a field with one value a row is.

        Raises:
            UsageError: If it has no value of its own for each row.
        """
        number = self._numbers.get(name)
        if number is None or self.leaves[number].table != ROWS:
            raise no_value_in_a_row(name)
        return number

    def condition(self, group: int, leaf: int) -> pa.Array:
        """Return a leaf of a row group; kept until the next but one, since pieces share it."""
        with self._condition_lock:
            if (group, leaf) not in self._conditions:
                for old in [key for key in self._conditions if key[0] < group - 1]:
                    del self._conditions[old]
                self._conditions[group, leaf] = whole(self.read_leaf(group, leaf))
            return self._conditions[group, leaf]

    def size_of(self, raw: RowGroupSlice) -> int:
        """Return the bytes of a piece in the file."""
        return raw.size

    def length(self, field: Field) -> int | None:
        """Return the number of rows; how many elements lists have, only reading tells."""
        return int(self.metadata.num_rows) if field.table == ROWS else None

    def fit(self, leaf: int) -> Fit:
        """Return how a leaf has to be written to be as it is stored.

        Raises:
            UsageError: If Arrow cannot write it so.
        """
        about = self.leaves[leaf]
        column = self.schema.field(about.column)
        kind = alone(column.type, about.steps)
        try:
            stored = Stored.of(self.metadata.schema.column(leaf))
            return fit_of(stored, kind, nullable=column.nullable)
        except UsageError as error:
            raise UsageError(error.message, path=self.name, field=about.name) from None

    def style(self, group: int, leaf: int, rows: int) -> tuple[dict[str, Any], bool]:
        """Return how a leaf of a row group is encoded, and whether it has a Bloom filter.

        Its values have been read: of what Arrow could not read it is not to be asked (see `sizes`).

        Args:
            group: The row group's number.
            leaf: The leaf's.
            rows: How many rows there will be.
        """
        chunk = self.metadata.row_group(group).column(leaf)
        if leaf not in self._page_headers:
            self._page_headers[leaf] = self._page_header(chunk.data_page_offset)
        style = style_of(chunk, rows, self._page_headers[leaf])
        if needs_plain_pages(self.metadata.created_by):
            style["data_page_version"] = "1.0"
        return style, chunk.bloom_filter_offset is not None

    def _page_header(self, at: int) -> thrift.Record | None:
        with self.path.open("rb") as file:
            file.seek(at)
            try:
                return thrift.read_until(file.read(_LONGEST_HEADER), 4)
            except ValueError:
                return None

    def close(self) -> None:
        """Close the file."""
        self.file.close()

"""Write a Parquet file from copied and re-encoded column chunks of the old one."""

from __future__ import annotations

from dataclasses import field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from noisify.core.arrow_arrays import rows_of
from noisify.core.overriding import override
from noisify.core.threads import thread_pool
from noisify.core.value_class import frozen
from noisify.formats.arrow.columns import changes, noisy_values
from noisify.formats.arrow.nested import values_at, with_values
from noisify.formats.arrow.output_file import GatheredWrites
from noisify.formats.interface import Sink
from noisify.formats.parquet import chunk_records, footer
from noisify.formats.parquet.chunk_records import (
    BLOOM_FILTER,
    BLOOM_FILTER_LENGTH,
    COLUMN_INDEX,
    COLUMN_INDEX_LENGTH,
    OFFSET_INDEX,
    OFFSET_INDEX_LENGTH,
)
from noisify.formats.parquet.column_chunk import PAGES_AT, encode
from noisify.formats.parquet.footer import MAGIC, Footer, Span
from noisify.formats.parquet.leaf_checks import is_doubtful, read_back
from noisify.formats.row_selection import rows_of_parts, rows_of_versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from noisify.core.chunk import Chunk
    from noisify.files.output import Output
    from noisify.formats.interface import NoisyColumn
    from noisify.formats.parquet.chunk_records import Row
    from noisify.formats.parquet.column_chunk import Encoded, Style
    from noisify.formats.parquet.footer import RowGroup
    from noisify.formats.parquet.source import ParquetSource, RowGroupSlice

_ALONE_BYTES = 64 << 20
"""Decoded columns larger than this are encoded one at a time, straight into the output."""


@frozen
class EncodedSlice:
    """A slice with noise in it.

    Attributes:
        piece: The slice that was read.
        arrays: The leaves that get noise, by index.
        changed: The leaves with changed values.
        encoded: The changed leaves as column chunks, if the slice has all rows of its row group.
        copies: How many times to write each row, shape (n,), or None for once each.
    """

    piece: RowGroupSlice
    arrays: dict[int, pa.Array]
    changed: frozenset[int]
    encoded: dict[int, Encoded] = field(default_factory=dict)
    copies: NDArray[np.int64] | None = None


class _Index(NamedTuple):
    """Page indexes of a chunk, to be written at the end: bytes, or a range of the old file.

    Attributes:
        leaf: The index of the leaf.
        column: The ColumnIndex.
        offset: The OffsetIndex.
        by: How many bytes the pages have moved.
    """

    leaf: int
    column: Span | bytes | None
    offset: Span | bytes | None
    by: int


class _Group:
    """A row group being written.

    Attributes:
        number: Its index in the old file.
        about: Its record.
        start: Its offset in the new file.
        done: The number of leaves written so far.
        changed: The leaves that were re-encoded.
        indexes: The page indexes to write.
        filters: The Bloom filters to write, by leaf.
    """

    def __init__(self, number: int, about: RowGroup, start: int) -> None:
        self.number = number
        self.about = about
        self.start = start
        self.done = 0
        self.changed: set[int] = set()
        self.indexes: list[_Index] = []
        self.filters: dict[int, bytes | Span] = {}


class ParquetSink(Sink["RowGroupSlice", EncodedSlice]):
    """A Parquet file being written: a copy of its source except for the changed columns.

    Args:
        source: The file that was read.
        output: Where to write.
        noised: The fields that get noise.
    """

    def __init__(self, source: ParquetSource, output: Output, noised: frozenset[str]) -> None:
        self._source = source
        self._output = output
        self._file = GatheredWrites(output)
        self._old = source.path.open("rb")
        self._footer = source.footer
        self._nullable = {name: source.leaves[source.number(name)].nullable for name in noised}
        for name in noised:
            source.fit(source.number(name))  # refuse types that cannot be written at once
        self._gathered: list[EncodedSlice] = []
        self._unchanged: list[int] | None = []
        self._group: _Group | None = None
        self._groups: list[bytes] = []
        self._indexes: list[list[_Index]] = []
        self._rows = 0
        self._encoded_anew: set[int] = set()

    def encode(
        self, raw: RowGroupSlice, chunk: Chunk, noisy: Sequence[NoisyColumn]
    ) -> EncodedSlice:
        """Put the noisy values into a slice."""
        arrays: dict[int, pa.Array] = {}
        changed = set()
        for result in noisy:
            name = result.column.field.name
            leaf = self._source.number(name)
            array = chunk.layout[leaf]
            if changes(result):
                old = array if self._source.is_plain(leaf) else values_at(array, ())[0]
                new = noisy_values(old, result, nullable=self._nullable[name])
                array = new if old is array else with_values(array, (), new)
                changed.add(leaf)
            arrays[leaf] = array
        return self.part(raw, arrays, changed)

    def part(
        self, piece: RowGroupSlice, arrays: dict[int, pa.Array], changed: set[int]
    ) -> EncodedSlice:
        """Make an encoded slice; encode the changed leaves if it has all rows of its row group.

        Args:
            piece: The slice that was read.
            arrays: The leaves that get noise, by index.
            changed: The leaves with changed values.
        """
        encoded = {}
        if piece.whole:
            encoded = self._encoded({leaf: [arrays[leaf]] for leaf in changed}, piece.group)
        bare = replace(piece, arrays=None)  # free the old values while the new ones wait
        return EncodedSlice(bare, arrays, frozenset(changed), encoded)

    def _encoded(
        self,
        arrays: Mapping[int, Sequence[pa.Array]],
        group: int,
        write: Callable[[Any], Any] | None = None,
    ) -> dict[int, Encoded]:
        """Encode leaves of a row group, those of one style at once."""
        fits = {leaf: self._source.fit(leaf) for leaf in arrays}
        rows = max((sum(map(len, each)) for each in arrays.values()), default=0)
        alike: dict[int, tuple[Style, list[int]]] = {}
        for leaf, style in self._source.styles(group, fits, rows).items():
            alike.setdefault(id(style), (style, []))[1].append(leaf)  # hashing is slow
        encoded: dict[int, Encoded] = {}
        for style, leaves in alike.values():
            made = encode([(fits[leaf], arrays[leaf]) for leaf in leaves], style, write)
            encoded.update(zip(leaves, made, strict=True))
        return encoded

    def with_rows(
        self, versions: Sequence[EncodedSlice], copies: NDArray[np.int64]
    ) -> EncodedSlice:
        """Drop or repeat the rows of a slice; see `DelimitedSink.with_rows`."""
        if (copies == 1).all():
            return versions[0]
        arrays = rows_of_versions([version.arrays for version in versions], copies)
        return replace(versions[0], arrays=arrays, encoded={}, copies=copies)

    def write(self, encoded: EncodedSlice) -> None:
        """Gather slices, and write their leaves when a row group's rows are complete."""
        self._gathered.append(encoded)
        if encoded.piece.last:
            gathered, self._gathered = self._gathered, []
            self._write_leaves(gathered)

    def _write_leaves(self, gathered: Sequence[EncodedSlice]) -> None:
        piece = gathered[-1].piece
        if any(part.copies is not None for part in gathered):
            self._write_other_rows(piece.group, gathered)
            return
        changed = frozenset[int]().union(*(part.changed for part in gathered))
        if not changed and self._unchanged is not None:
            if piece.closes:
                self._unchanged.append(piece.group)
            return
        self._start()
        made = gathered[0].encoded if piece.whole else {}
        encoded = self._encodings(
            piece.group, changed, made, lambda leaf: [part.arrays.pop(leaf) for part in gathered]
        )
        group = self._open(piece.group)
        self._put_leaves(group, piece.leaves[-1] + 1 if piece.leaves else 0, changed, encoded)
        if piece.closes:
            self._close(group, sum(part.piece.rows for part in gathered), group.changed)

    def _write_other_rows(self, number: int, gathered: Sequence[EncodedSlice]) -> None:
        """Write a row group with dropped or repeated rows, re-encoding every column."""
        kept = rows_of_parts((part.piece.rows, part.copies) for part in gathered)

        def load(leaf: int) -> list[pa.Array]:
            if leaf in gathered[0].arrays:
                return [part.arrays.pop(leaf) for part in gathered]
            return list(rows_of(self._source.read_leaf(number, leaf), kept).chunks)

        self._start()
        if len(kept):
            every = frozenset(range(len(self._source.leaves)))
            group = self._open(number)
            self._put_leaves(group, len(every), every, self._encodings(number, every, {}, load))
            self._close(group, len(kept), sorting=set())

    def _start(self) -> None:
        """Start the file once something has changed, with the unchanged row groups so far."""
        if self._unchanged is None:
            return
        waiting, self._unchanged = self._unchanged, None
        self.copy(Span(0, len(MAGIC)))
        for number in waiting:
            rows = self._source.metadata.row_group(number).num_rows
            self._close(self._open(number), rows, set())

    def add(self, part: Path) -> None:
        """Add the row groups of a part's file; see `PartSink`."""
        self._start()
        with part.open("rb") as file:
            others = self._old, self._footer
            self._old = file
            self._footer = Footer(file, str(part), self._source.metadata.created_by)
            for number in range(len(self._footer)):
                group = self._open(number)
                self._close(group, group.about.record[footer.GROUP_ROWS], set())
                self._indexes[-1] = list(map(self._loaded, self._indexes[-1]))
            self._old, self._footer = others

    def _loaded(self, index: _Index) -> _Index:
        """Return page indexes as bytes."""
        return index._replace(column=self._load(index.column), offset=self._load(index.offset))

    def _load(self, data: Span | bytes | None) -> bytes | None:
        return b"".join(footer.pieces(self._old, data)) if isinstance(data, Span) else data

    def _open(self, number: int) -> _Group:
        """Return the row group being written, started if necessary.

        Args:
            number: Its index in the old file.
        """
        if self._group is None:
            self._group = _Group(number, self._footer.group(number), self._file.tell())
        if self._group.number != number:
            raise AssertionError(f"row group {self._group.number} has not been closed")
        return self._group

    def _put_leaves(
        self, group: _Group, stop: int, changed: frozenset[int], encoded: Iterator[Encoded]
    ) -> None:
        """Write the next leaves of a row group.

        Args:
            group: The row group.
            stop: The index of the first leaf not to write.
            changed: The re-encoded leaves; all others are copied.
            encoded: The re-encoded chunks, in order.
        """
        group.changed |= changed
        rows = group.about.rows
        for leaf in range(group.done, stop):
            row = rows[leaf]
            span = self._footer.span(row)
            here = self._file.tell()
            column: bytes | Span | None
            offset: bytes | Span | None
            bloom: bytes | Span | None
            if leaf in changed:
                one = next(encoded)
                if one.pages:
                    self._file.write(one.pages)
                by = here - PAGES_AT
                rows[leaf] = chunk_records.replaced(row, one.row, by)
                column, offset = one.column_index, one.offset_index
                bloom = one.bloom_filter
            else:
                by = here - span.start
                column, offset = footer.index_spans(row)
                bloom = self._filter_span(row)
                self.copy(span)
                chunk_records.move(row, by)
            if column is not None or offset is not None:
                group.indexes.append(_Index(leaf, column, offset, by))
            if bloom is None:
                rows[leaf][BLOOM_FILTER] = rows[leaf][BLOOM_FILTER_LENGTH] = None
            else:
                group.filters[leaf] = bloom
        group.done = stop

    def _close(self, group: _Group, rows: int, sorting: set[int]) -> None:
        """Write the rest of a row group and finish its record.

        Args:
            group: The row group.
            rows: The number of rows in it.
            sorting: The leaves by which the rows may no longer be sorted.
        """
        self._put_leaves(group, len(group.about.rows), frozenset(), iter(()))
        for leaf, bloom in group.filters.items():
            row = group.about.rows[leaf]
            row[BLOOM_FILTER] = self._file.tell()
            row[BLOOM_FILTER_LENGTH] = self._put(bloom)
        footer.sum_up(group.about, rows, group.start, len(self._groups), sorting)
        self._encoded_anew |= group.changed
        self._groups.append(group.about.written())
        self._indexes.append(group.indexes)
        self._rows += rows
        self._group = None

    def _encodings(
        self,
        group: int,
        changed: frozenset[int],
        made: Mapping[int, Encoded],
        load: Callable[[int], list[pa.Array]],
    ) -> Iterator[Encoded]:
        """Yield the chunks of the changed leaves in order, encoding several in parallel.

        A very large one is encoded only when it is due, straight into the output.
        """
        large = {
            leaf
            for leaf in changed - made.keys()
            if self._source.sizes(group)[leaf].decoded > _ALONE_BYTES
        }
        ahead = iter(sorted(changed - made.keys() - large))
        with thread_pool(pa.cpu_count(), "noisify-write") as pool:
            futures: dict[int, Future[Encoded]] = {}
            for leaf in sorted(changed):
                for other in islice(ahead, pa.cpu_count() - len(futures)):
                    futures[other] = pool.submit(
                        lambda leaf: self._encoded({leaf: load(leaf)}, group)[leaf], other
                    )
                if leaf in made:
                    yield made[leaf]
                elif leaf in large:
                    yield self._encoded({leaf: load(leaf)}, group, self._file.write)[leaf]
                else:
                    yield futures.pop(leaf).result()

    def _filter_span(self, row: Row) -> Span | None:
        try:
            return footer.bloom_filter_span(self._old, row)
        except (ValueError, KeyError):
            raise footer.unreadable(
                "a Bloom filter is not where it should be", self._source.name
            ) from None

    def _put(self, data: bytes | Span | None) -> int | None:
        """Write bytes, or a range of the old file; return their number."""
        if data is None:
            return None
        if isinstance(data, bytes):
            return self._file.write(data)
        self.copy(data)
        return data.size

    def copy(self, span: Span) -> None:
        """Write a range of bytes of the old file."""
        try:
            for data in footer.pieces(self._old, span):
                self._file.write(data)
        except ValueError as error:
            raise footer.unreadable(error, self._source.name) from None

    def finish(self) -> None:
        """Write the page indexes and the footer, or copy the old file if nothing changed."""
        if self._unchanged == list(range(len(self._source.footer))):
            self.copy(Span(0, self._source.path.stat().st_size))
        else:
            self._write_footer()
        self._file.finish()
        self._read_back()

    def _write_footer(self) -> None:
        """Write the page indexes and the footer."""
        self._start()
        groups = {
            number: footer.read_group(self._groups[number])[0]
            for number, indexes in enumerate(self._indexes)
            if indexes
        }
        for put in (self._put_column_index, self._put_offset_index):
            for number, group in groups.items():
                for index in self._indexes[number]:
                    put(group.rows[index.leaf], index)
        for number, group in groups.items():
            self._groups[number] = group.written()
        self._file.write(self._source.footer.written(self._groups, self._rows))

    def _read_back(self) -> None:
        """Check that the new columns in a file of an old writer can be read."""
        writer = self._source.metadata.created_by
        path = self._output.written() if is_doubtful(writer) and self._encoded_anew else None
        if path is not None:
            read_back(path, sorted(self._encoded_anew))

    def _put_column_index(self, row: Row, index: _Index) -> None:
        row[COLUMN_INDEX] = None if index.column is None else self._file.tell()
        row[COLUMN_INDEX_LENGTH] = self._put(index.column)

    def _put_offset_index(self, row: Row, index: _Index) -> None:
        place = self._file.tell()
        try:
            data = self._load(index.offset)
            data = None if data is None else footer.moved(data, index.by)
        except (ValueError, KeyError):
            raise footer.unreadable(
                "a page index is not where it should be", self._source.name
            ) from None
        row[OFFSET_INDEX] = None if data is None else place
        row[OFFSET_INDEX_LENGTH] = self._put(data)

    def close(self) -> None:
        """Close the old file."""
        self._old.close()


class PartSink(ParquetSink):
    """The file of a part that will be joined with others; empty if nothing in it changed."""

    @override
    def finish(self) -> None:
        """Write the footer, unless nothing changed."""
        if self._unchanged is None:
            super().finish()

    def copy_groups(self, groups: range) -> None:
        """Write a file with row groups that have not changed."""
        self._unchanged = list(groups)
        self._start()
        self.finish()

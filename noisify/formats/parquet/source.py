"""Read Parquet files in slices of their row groups.

A leaf is what Parquet stores as one column chunk. A slice has some leaves of a row group, which a
worker reads. Large leaves, and all if any of them is inside lists, are read by the source in slices
of their rows. So memory never holds more of a row group than the leaves that must be decoded
together, and those that a condition on rows needs.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from noisify.core.chunk import Chunk, Positions
from noisify.core.errors import DataError, UsageError
from noisify.core.overriding import override
from noisify.core.threads import thread_pool
from noisify.core.value_class import frozen
from noisify.files.remote import for_library, is_remote
from noisify.formats.arrow.columns import column_of, comparable, whole
from noisify.formats.arrow.nested import ROWS, alone, naming_note, values_at
from noisify.formats.arrow.tables import LeavesSource, RowSlice
from noisify.formats.colocated import FieldsByPlace
from noisify.formats.interface import Reading
from noisify.formats.parquet import small_chunks
from noisify.formats.parquet.column_chunk import PageHeader, Stored, fit_of, style_of
from noisify.formats.parquet.footer import Footer, unreadable
from noisify.formats.parquet.leaf_checks import (
    check_int96,
    int96_leaves,
    is_doubtful,
    needs_plain_pages,
)
from noisify.formats.parquet.pieces import (
    WHOLE,
    WHOLE_BYTES,
    shares_of,
    slice_bytes,
    without_overlap,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from noisify.core.chunk import Field
    from noisify.formats.parquet.column_chunk import Fit, Style
    from noisify.formats.parquet.footer import ChunkSize

MEMORY_BUDGET = 64 << 20
"""Bytes of decoded slices that may be in flight; one slice is allowed whatever its size."""
BATCH_ROWS = 1024
"""Arrow's writer checks every so many rows whether a page is full. Slices are multiples of this,
so that pages are the same whatever the slices."""
_BUFFER = 1 << 18
_FEWEST_READERS = 8
"""The fewest readers to share a table's plain columns, unless it has fewer columns."""
_LONGEST_HEADER = 256
_HEADERS = {version_2: PageHeader(version_2) for version_2 in (False, True)}
"""The headers of pages without checksums."""


@frozen
class RowGroupSlice(RowSlice):
    """Some leaves of some rows of a row group.

    Attributes:
        source: The file.
        group: The index of the row group.
        leaves: The indices of the wanted leaves in it, ascending from slice to slice.
        closes: Whether these are the last wanted leaves of the row group.
        arrays: The values of the leaves, by index, or None if a worker is to read them.
    """

    source: ParquetSource
    group: int
    leaves: tuple[int, ...]
    closes: bool
    arrays: Mapping[int, pa.Array] | None = None

    @property
    def whole(self) -> bool:
        """Whether it has all rows of its row group."""
        return self.last and not self.offset


class ParquetSource(LeavesSource[RowGroupSlice]):
    """An open Parquet file.

    Args:
        path: The path of the file.
        name: The file's name in errors.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self._local = threading.local()
        self.file = self._open()
        self._local.files = {_BUFFER: self.file}
        self.metadata: pq.FileMetaData = self.file.metadata
        try:
            self.schema: pa.Schema = self.file.schema_arrow
            writer = self.metadata.created_by
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise unreadable(error, self.name) from None
        with path.open("rb") as file:
            self.footer = Footer(file, name, writer)
        self.describe(self.schema)
        if len(self.leaves) != self.metadata.num_columns:
            raise DataError("has columns that Arrow does not read as they are stored", path=name)
        note = naming_note(self.schema, name, self.leaves)
        self.notes: list[str] = [note] if note else []
        self.in_flight = MEMORY_BUDGET // self._largest_piece()
        self.rows = self.metadata.num_rows
        every = range(self.metadata.num_row_groups)
        rows = [self.metadata.row_group(at).num_rows for at in every]
        self.group_rows = max(rows, default=0)
        self._first_group = next((at for at in every if rows[at]), 0)
        self.empty = not self.rows
        kinds = [small_chunks.storage(column.type) for column in self.schema]
        self._plain = [kinds[leaf.column][0] for leaf in self.leaves]
        self._small = {
            number: (numbers, leaf.nullable)
            for number, leaf in enumerate(self.leaves)
            if (numbers := kinds[leaf.column][1]) is not None
        }
        """The leaves that are columns of numbers, and whether they may be null."""
        self._known_kinds = small_chunks.KnownKinds(self._small)
        self._fits: dict[object, Fit] = {}
        self._by_leaf = FieldsByPlace(lambda each: self.number(each.name))
        self._page_headers: dict[int, PageHeader] = {}
        self._styles: dict[tuple[object, ...], Style] = {}
        self._kinds_tell = not is_doubtful(self.metadata.created_by)
        """Whether chunks of a kind are encoded alike; old writers' statistics are not all used."""
        self._unchecked = set(int96_leaves(self.metadata))
        self._condition_lock = threading.Lock()
        self._conditions: dict[tuple[int, int], pa.Array] = {}

    def _open(
        self, metadata: pq.FileMetaData | None = None, buffer: int = _BUFFER
    ) -> pq.ParquetFile:
        """Open the file with Arrow, with its metadata if they have already been read.

        Args:
            metadata: Its metadata.
            buffer: The bytes of each column chunk to read at once; 0: all of them.
        """
        try:
            return pq.ParquetFile(
                for_library(self.path),
                metadata=metadata,
                page_checksum_verification=True,
                buffer_size=buffer,
                pre_buffer=is_remote(self.path),  # whole column chunks in few requests
            )
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise unreadable(error, self.name) from None

    def _own(self, group: int, leaves: Iterable[int]) -> pq.ParquetFile:
        """Return this thread's own handle of the file to read some leaves of a row group.

        Buffers for thousands of small column chunks would cost more than they save.
        """
        sizes = self.sizes(group)
        buffer = _BUFFER if any(sizes[leaf].stored > _BUFFER for leaf in leaves) else 0
        files: dict[int, pq.ParquetFile] = self._local.__dict__.setdefault("files", {})
        if buffer not in files:
            files[buffer] = self._open(self.metadata, buffer)
        return files[buffer]

    def _largest_piece(self) -> int:
        """Estimate the decoded size of the largest row group, at most `WHOLE_BYTES`."""
        largest = 1
        for index in range(self.metadata.num_row_groups):
            largest = max(largest, sum(size.decoded for size in self.sizes(index)))
            if largest >= WHOLE_BYTES:
                return WHOLE_BYTES
        return largest

    def sizes(self, group: int) -> Sequence[ChunkSize]:
        """Return the sizes of the leaves of a row group.

        Arrow knows them too, but aborts the process if other metadata of a leaf are damaged.

        Raises:
            DataError: If the row group has the wrong number of columns.
        """
        found = self.footer.sizes(group)
        if len(found) != self.metadata.num_columns:
            many = f"it has {len(found)} columns, not {self.metadata.num_columns}"
            raise self._unreadable(group, many)
        return found

    @override
    def read(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[RowGroupSlice]:
        """Read slices of row groups, in order; the output must not depend on `size`."""
        return Reading(self.pieces(groups, Counter(), size), self.in_flight)

    def pieces(
        self,
        wanted: Sequence[Sequence[Field]],
        reached: Counter[str],
        size: int,
        within: range | None = None,
    ) -> Iterator[RowGroupSlice]:
        """Yield slices of row groups, in order.

        Args:
            wanted: The fields to decode, in groups that must stay in one slice.
            reached: The numbers of rows and of elements of each list before them; updated.
            size: The chunk size in bytes.
            within: The indices of the row groups; None: all. Lists in those before them are read
                to count their elements.
        """
        groups = [[self.number(each.name) for each in group] for group in wanted if group]
        leaves = sorted({leaf for group in groups for leaf in group})
        lists = any(self.leaves[leaf].table != ROWS for leaf in leaves)
        if lists or not leaves:
            groups = [leaves]
        units = without_overlap(groups)
        most = slice_bytes(size)
        every = range(self.metadata.num_row_groups)
        for index in every if within is None else every[: within.stop]:
            passed = within is not None and index < within.start
            if passed and not lists:
                reached[ROWS] += self.metadata.row_group(index).num_rows
                continue
            found = self._of_group(index, units, most, lists=lists, reached=reached)
            if passed:
                deque(found, maxlen=0)
            else:
                yield from found
            reached[ROWS] += self.metadata.row_group(index).num_rows

    def _of_group(
        self,
        index: int,
        units: Sequence[tuple[int, ...]],
        most: int,
        *,
        lists: bool,
        reached: Counter[str],
    ) -> Iterator[RowGroupSlice]:
        """Yield the slices of a row group.

        Args:
            index: Its index.
            units: The leaves to read, in groups that must stay in one slice.
            most: The target size of a slice in bytes.
            lists: Whether any of them is inside lists.
            reached: The numbers of rows and of elements of each list before the row group.
        """
        group = self.metadata.row_group(index)
        chunks = self.sizes(index)
        sizes = {leaf: chunks[leaf].decoded for unit in units for leaf in unit}
        shares = list(shares_of(units, sizes, most))
        stored = [sum(chunks[leaf].stored for leaf in share) for share in shares]
        stored[-1] += sum(chunk.stored for chunk in chunks) - sum(stored)
        for share, size in zip(shares, stored, strict=True):
            closes = share is shares[-1]
            start, rows = reached[ROWS], group.num_rows
            piece = RowGroupSlice(0, start, rows, True, size, {}, self, index, share, closes)
            decoded = sum(sizes[leaf] for leaf in share)
            if not rows:
                yield replace(piece, elements=reached)
            elif decoded <= WHOLE * most and not lists:
                yield piece
            else:
                yield from self._slices(piece, -(-decoded // most), reached)

    def _slices(
        self, piece: RowGroupSlice, parts: int, reached: Counter[str]
    ) -> Iterator[RowGroupSlice]:
        """Cut a slice that has all rows of its row group into about `parts` slices of rows."""
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
        """Yield groups of leaves for one reader each: some plain columns, or a single leaf."""
        plain = [leaf for leaf in leaves if self._plain[leaf]]
        each = max(1, -(-len(plain) // max(_FEWEST_READERS, pa.cpu_count())))
        yield from (plain[first : first + each] for first in range(0, len(plain), each))
        yield from ([leaf] for leaf in leaves if not self._plain[leaf])

    def is_plain(self, leaf: int) -> bool:
        """Return whether a leaf is a column that is neither a dictionary nor an extension type."""
        return self._plain[leaf]

    def _batches(
        self, group: int, leaves: Sequence[int], rows: int
    ) -> Iterator[dict[int, pa.Array]]:
        """Yield the values of leaves, `rows` rows at a time, then empty arrays without end."""
        self._check(leaves)
        try:
            reader = self._open(self.metadata).reader
            for batch in reader.iter_batches(  # by index: names may repeat or contain dots
                rows, row_groups=[group], column_indices=leaves, use_threads=False
            ):
                yield dict(zip(leaves, batch.columns, strict=True))
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(group, error) from None
        while True:
            yield dict.fromkeys(leaves, pa.nulls(0))

    def read_leaf(self, group: int, leaf: int) -> pa.ChunkedArray:
        """Read a leaf of a row group, within its structs and lists.

        Raises:
            DataError: If it cannot be read, or has fewer rows than the row group.
        """
        return self._read(group, [leaf]).column(0)

    def _read(self, group: int, leaves: Sequence[int]) -> pa.Table:
        """Read one leaf of a row group, or several plain columns, as a table."""
        self._check(leaves)
        try:
            table: pa.Table = self._own(group, leaves).reader.read_row_group(
                group, column_indices=leaves, use_threads=False
            )
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(group, error) from None
        rows = self.metadata.row_group(group).num_rows
        if table.num_rows != rows:  # Arrow does not report a single column that is too short
            raise self._unreadable(group, f"it has {table.num_rows} rows, not {rows}")
        return table

    def _check(self, leaves: Iterable[int]) -> None:
        """Refuse leaves that Arrow would misread; each is checked once."""
        for leaf in self._unchecked.intersection(leaves):
            check_int96(self.path, self.name, leaf)
            self._unchecked.discard(leaf)

    def _unreadable(self, group: int, why: object) -> DataError:
        where = f"has a row group {group} that cannot be read: {why}"
        return DataError(where, path=self.name)

    def decode(self, raw: RowGroupSlice, wanted: Sequence[Field]) -> Chunk:
        """Decode the wanted leaves of a slice, reading them if necessary.

        Raises:
            DataError: If they cannot be read.
        """
        by_leaf = {self.number(each.name): each for each in self._by_leaf.at(raw.leaves, wanted)}
        arrays = self.arrays(raw, [leaf for leaf in raw.leaves if leaf in by_leaf])
        rows = Positions.range(raw.start, raw.start + raw.rows)
        columns = [
            column_of(by_leaf[leaf], array, rows)
            if self._plain[leaf]
            else self.column(raw, by_leaf[leaf], array)
            for leaf, array in arrays.items()
        ]
        return Chunk(tuple(columns), arrays, rows)

    def arrays(self, raw: RowGroupSlice, leaves: Iterable[int]) -> dict[int, pa.Array]:
        """Return leaves of a slice by index, within their structs and lists."""
        if raw.arrays is not None:
            return {leaf: raw.arrays[leaf] for leaf in leaves}
        leaves = list(leaves)
        small = self._small_chunks(raw.group, leaves)
        try:
            read = self._arrow_arrays(raw.group, [leaf for leaf in leaves if leaf not in small])
        except DataError:
            small, read = {}, self._arrow_arrays(raw.group, leaves)  # for an error that names all
        self._known_kinds.add(self.sizes(raw.group), read)
        read |= small
        return {leaf: whole(read[leaf]) for leaf in leaves}

    def _arrow_arrays(
        self, group: int, leaves: Sequence[int]
    ) -> dict[int, pa.Array | pa.ChunkedArray]:
        """Read leaves of a row group with Arrow."""
        plain = [leaf for leaf in leaves if self._plain[leaf]]
        columns = self._read(group, plain).columns if plain else []
        read = dict(zip(plain, columns, strict=True))
        return read | {leaf: self.read_leaf(group, leaf) for leaf in leaves if leaf not in read}

    def _small_chunks(self, group: int, leaves: Sequence[int]) -> dict[int, pa.Array]:
        """Read the small chunks among leaves of a row group; Arrow knows what old writers did."""
        if not small_chunks.in_use() or not self._kinds_tell or is_remote(self.path):
            return {}
        sizes, rows = self.sizes(group), self.metadata.row_group(group).num_rows
        small = self._known_kinds.among(sizes, leaves)
        found = small_chunks.read(self.path, self.footer, sizes, small, rows)
        if group == self._first_group:
            self._page_headers |= {leaf: _HEADERS[one.version_2] for leaf, one in found.items()}
        return {leaf: one.values for leaf, one in found.items()}

    def condition_values(
        self, raw: RowGroupSlice, chunk: Chunk, names: Iterable[str]
    ) -> dict[str, pa.Array]:
        """Return the values of fields, with decimals as float64.

        Raises:
            UsageError: If a field has no single value for each row.
        """
        found = {}
        for name in names:
            leaf = raw.source.leaf_of_rows(name)
            values = chunk.layout.get(leaf)
            if values is None:
                values = raw.source.condition(raw.group, leaf).slice(raw.offset, raw.rows)
            found[name] = comparable(*values_at(values, ()))
        return found

    def condition(self, group: int, leaf: int) -> pa.Array:
        """Return a leaf of a row group; cached for two row groups, since slices share it."""
        with self._condition_lock:
            if (group, leaf) not in self._conditions:
                for old in [key for key in self._conditions if key[0] < group - 1]:
                    del self._conditions[old]
                self._conditions[group, leaf] = whole(self.read_leaf(group, leaf))
            return self._conditions[group, leaf]

    def fit(self, leaf: int) -> Fit:
        """Find out how to make Arrow write a leaf with its old storage type.

        Raises:
            UsageError: If Arrow cannot write that type.
        """
        key = self._small.get(leaf, leaf)  # columns of numbers of a type are stored alike
        if key not in self._fits:
            self._fits[key] = self._fit(leaf)
        return self._fits[key]

    def _fit(self, leaf: int) -> Fit:
        about = self.leaves[leaf]
        column = self.schema.field(about.column)
        kind = alone(column.type, about.steps)
        try:
            stored = Stored.of(self.metadata.schema.column(leaf))
            return fit_of(stored, kind, nullable=column.nullable)
        except UsageError as error:
            raise UsageError(error.message, path=self.name, field=about.name) from None

    def styles(self, group: int, fits: Mapping[int, Fit], rows: int) -> dict[int, Style]:
        """Return how to encode leaves of a row group as they are encoded now.

        Call this only after reading the leaves: Arrow aborts on damaged metadata (see `sizes`).

        Args:
            group: The index of the row group.
            fits: How to write the type of each leaf.
            rows: The number of rows to write.
        """
        sizes = self.sizes(group)
        unknown = [leaf for leaf in fits if leaf not in self._page_headers]
        if needs_plain_pages(self.metadata.created_by):
            self._page_headers.update(dict.fromkeys(unknown, PageHeader()))
        elif unknown:
            first = self.sizes(self._first_group)  # the same, whichever a worker encodes first
            with self.path.open("rb", buffering=0) as file:  # few bytes here and there
                for leaf in unknown:
                    file.seek(first[leaf].data_page)
                    self._page_headers[leaf] = PageHeader.read(file.read(_LONGEST_HEADER))
        about = self.metadata.row_group(group)
        found = {}
        for leaf, fit in fits.items():
            header = self._page_headers[leaf]
            alike = sizes[leaf].kind if self._kinds_tell else (group, leaf)
            key = alike, header, fit.options, fit.raw is None, rows
            if key not in self._styles:
                self._styles[key] = style_of(about.column(leaf), rows, header, fit)
            found[leaf] = self._styles[key]
        return found

    def close(self) -> None:
        """Close the file."""
        self.file.close()

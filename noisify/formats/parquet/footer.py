"""Read the footer of a Parquet file, and write it for row groups at other offsets.

The field numbers are those of `parquet.thrift` in https://github.com/apache/parquet-format.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from noisify.core.errors import DataError
from noisify.formats.parquet import chunk_records, thrift
from noisify.formats.parquet.chunk_records import (
    BLOOM_FILTER,
    BLOOM_FILTER_LENGTH,
    COLUMN_INDEX,
    COLUMN_INDEX_LENGTH,
    DATA_PAGE,
    ENCRYPTED,
    FAULT,
    KIND,
    OFFSET_INDEX,
    OFFSET_INDEX_LENGTH,
    RECORD,
    STORED,
    UNCOMPRESSED,
    VALUES,
    first_page,
    nonsense,
)
from noisify.formats.parquet.thrift import I16, I64, LIST, STRUCT, Items, Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from noisify.formats.parquet.chunk_records import Row

MAGIC = b"PAR1"
# FileMetaData
_ROWS, GROUPS, _ENCRYPTION = 3, 4, 8
# RowGroup
CHUNKS, GROUP_BYTES, GROUP_ROWS, SORTING, GROUP_OFFSET, GROUP_STORED, ORDINAL = range(1, 8)
# SortingColumn
SORTED_COLUMN = 1
# OffsetIndex and PageLocation
PAGES, PAGE_OFFSET = 1, 1
# BloomFilterHeader
_BLOOM_BYTES = 1

_TAIL = 8
_HEADER_BYTES = 1 << 12
_SHORT_CHUNKS = re.compile(r"parquet-mr(?! version (?:1\.2\.9|1\.2\.\d\d|1\.[3-9]|1\.\d\d|[2-9]))")
_SHORT_BY = 100
_MOST_ORDINALS = 1 << 15
_VALUE_BYTES = 8
"""The size of most values in memory."""


class Span(NamedTuple):
    """A range of bytes of a file."""

    start: int
    size: int


class RowGroup(NamedTuple):
    """A row group as the footer describes it.

    Attributes:
        record: Its RowGroup record.
        rows: The rows of its ColumnChunk records, in order; they replace those in `record`.
    """

    record: Record
    rows: list[Row]

    def written(self) -> bytes:
        """Return the encoded record."""
        self.record.put(CHUNKS, LIST, chunk_records.encoded(self.rows))
        return thrift.written(self.record)


def read_group(data: bytes, at: int = 0) -> tuple[RowGroup, int]:
    """Read the record of a row group; return it, and the offset of its end.

    Raises:
        ValueError: If it is damaged.
    """
    record, end = thrift.read(data, at, depth=0)
    chunks = record.get(CHUNKS)
    if not isinstance(chunks, bytes) or record.kind(CHUNKS) != LIST:
        raise nonsense("a row group has no columns")
    return RowGroup(record, chunk_records.rows_of(chunks)), end


class ChunkSize(NamedTuple):
    """The size of a column chunk in bytes, and how it is encoded.

    Attributes:
        decoded: Its approximate size in memory.
        stored: Its size in the file.
        data_page: The offset of its first data page.
        start: The offset of its first page.
        values: The number of its values.
        kind: Equal for chunks that are encoded alike.
    """

    decoded: int
    stored: int
    data_page: int
    start: int
    values: int
    kind: bytes


class Footer:
    """The footer of a Parquet file.

    Args:
        file: The file, open for reading.
        name: The file's name in errors.
        writer: The software that wrote it (`created_by`).

    Attributes:
        short_by: The bytes that a chunk may be longer than recorded, by a bug of its writer.

    Raises:
        DataError: If the footer is missing or damaged, or the file cannot be copied in parts.
    """

    def __init__(self, file: BinaryIO, name: str, writer: str) -> None:
        self._name = name
        file.seek(0, 2)
        end = file.tell() - _TAIL
        file.seek(max(0, end))
        tail = file.read(_TAIL)
        size = int.from_bytes(tail[:4], "little")
        if end < len(MAGIC) or not tail.endswith(MAGIC) or size > end - len(MAGIC):
            raise unreadable("it has no footer", name)
        self.start = end - size
        file.seek(self.start)
        self._data = file.read(size)
        self.short_by = _SHORT_BY if _SHORT_CHUNKS.match(writer) else 0
        self._before = Record()
        self._count = 0
        self._starts = [0]
        self._sizes: dict[int, tuple[ChunkSize, ...]] = {}
        self._kinds: dict[bytes, tuple[bytes, bytes]] = {}
        self._first: RowGroup | None = None
        """The first row group, which is already read to check the file."""
        try:
            self._read_to_groups()
        except ValueError as error:
            raise unreadable(error, self._name) from None

    def _read_to_groups(self) -> None:
        """Read the fields before the row groups, which are many and read when needed."""
        reader = thrift.Reader(self._data)
        while (head := reader.header()) is not None and head[0] != GROUPS:
            self._before.put(*head, reader.value(head[1], depth=0))
        if head is None:
            raise nonsense("it says nothing of row groups")
        _, self._count = reader.list_header()
        self._starts = [reader.at]
        self._first = self.group(0) if self._count else None
        for row in self._first.rows if self._first is not None else ():
            self.span(row)

    def _without_groups(self) -> Record:
        """Return all fields but the row groups."""
        self._find_group(self._count)
        reader = thrift.Reader(self._data, self._starts[-1], after=GROUPS)
        record = Record(dict(self._before.fields))
        while (head := reader.header()) is not None:
            record.put(*head, reader.value(head[1], depth=0))
        if _ENCRYPTION in record:
            raise DataError(ENCRYPTED, path=self._name)
        return record

    def _find_group(self, index: int) -> None:
        """Locate the record of a row group, and of all before it."""
        while len(self._starts) <= index:
            _, end = thrift.read(self._data, self._starts[-1], depth=0)
            self._starts.append(end)

    def __len__(self) -> int:
        """Return the number of row groups."""
        return self._count

    def group(self, index: int) -> RowGroup:
        """Return a row group, which the caller may change.

        Raises:
            DataError: If its record is damaged, or its pages are encrypted or in other files.
        """
        if index == 0 and self._first is not None:
            group, self._first = self._first, None
            return group
        return self._read_group(index)

    def sizes(self, index: int) -> tuple[ChunkSize, ...]:
        """Return the sizes of the column chunks of a row group.

        Raises:
            DataError: As from `group`.
        """
        if index not in self._sizes:
            first = self._first if index == 0 else None
            group = self._read_group(index) if first is None else first
            self._sizes[index] = tuple([self._size(row) for row in group.rows])
        return self._sizes[index]

    def _size(self, row: Row) -> ChunkSize:
        kind = self._kinds.setdefault(row[KIND], (row[KIND], row[RECORD]))[0]
        values = row[VALUES]
        decoded = max(row[UNCOMPRESSED], _VALUE_BYTES * values)
        return ChunkSize(decoded, row[STORED], row[DATA_PAGE], first_page(row), values, kind)

    def example(self, kind: bytes) -> bytes:
        """Return the ColumnChunk record of a chunk of a kind."""
        return self._kinds[kind][1]

    def _read_group(self, index: int) -> RowGroup:
        try:
            self._find_group(index)
            group, end = read_group(self._data, self._starts[index])
        except ValueError as error:
            raise unreadable(error, self._name) from None
        for row in group.rows:
            if row[FAULT] is not None:
                raise DataError(row[FAULT], path=self._name)
        if len(self._starts) == index + 1:
            self._starts.append(end)
        return group

    def span(self, row: Row) -> Span:
        """Return the byte range of a column chunk's pages.

        Raises:
            DataError: If they are not inside the file.
        """
        size, start = row[STORED], first_page(row)
        if not size or not start:  # a row group without rows has no pages
            return Span(len(MAGIC), 0)
        if start < len(MAGIC) or size < 0 or start + size > self.start:
            raise DataError("has a column chunk that is not inside the file", path=self._name)
        return Span(start, min(size + self.short_by, self.start - start))

    def data_stop(self) -> int:
        """Return where the row groups end: where page indexes or the footer start."""
        rows = (row for at in range(len(self)) for row in self._read_group(at).rows)
        indexes = (COLUMN_INDEX, OFFSET_INDEX)
        places = (row[place] for row in rows for place in indexes if row[place] is not None)
        return min(places, default=self.start)

    def put_text(self, old: bytes, new: bytes) -> None:
        """Replace a text of the file's metadata by another one of the same length."""
        self._data = self._data.replace(old, new)

    def written(self, groups: list[bytes], rows: int) -> bytes:
        """Return the bytes of the same footer with other row groups, up to the end of the file.

        Args:
            groups: The encoded record of each row group.
            rows: The number of rows in them.

        Raises:
            DataError: If the rest of the footer is damaged.
        """
        try:
            record = self._without_groups()
        except ValueError as error:
            raise unreadable(error, self._name) from None
        record.put(_ROWS, I64, rows)
        record.put(GROUPS, LIST, Items(STRUCT, list(groups)))
        data = thrift.written(record)
        return data + len(data).to_bytes(4, "little") + MAGIC


def unreadable(why: object, name: str) -> DataError:
    """Return the error for a file that is not, or not quite, a Parquet file."""
    return DataError(f"is not a readable Parquet file: {why}", path=name)


def bloom_filter_span(file: BinaryIO, row: Row) -> Span | None:
    """Return the byte range of a column chunk's Bloom filter, or None if it has none.

    Args:
        file: The file.
        row: The chunk's row.

    Raises:
        ValueError: If there is no Bloom filter at the given offset.
    """
    start = row[BLOOM_FILTER]
    if start is None:
        return None
    if row[BLOOM_FILTER_LENGTH] is not None:
        return Span(start, row[BLOOM_FILTER_LENGTH])
    if start < 0:
        raise nonsense("a Bloom filter starts before the file")
    file.seek(start)
    header, size = thrift.read(file.read(_HEADER_BYTES))
    filter_bytes = header.get(_BLOOM_BYTES)
    if not isinstance(filter_bytes, int):
        raise nonsense("a Bloom filter has no size")
    return Span(start, size + filter_bytes)


def index_spans(row: Row) -> tuple[Span | None, Span | None]:
    """Return the byte ranges of a chunk's column index and offset index, each None if absent."""
    column = _span(row[COLUMN_INDEX], row[COLUMN_INDEX_LENGTH])
    return column, _span(row[OFFSET_INDEX], row[OFFSET_INDEX_LENGTH])


def _span(start: int | None, size: int | None) -> Span | None:
    return None if start is None or size is None else Span(start, size)


def moved(offset_index: bytes, by: int) -> bytes:
    """Shift the page offsets in an offset index.

    Raises:
        ValueError: If it is not an offset index.
    """
    record, _ = thrift.read(offset_index)
    pages = record.get(PAGES)
    for page in pages.values if isinstance(pages, Items) else ():
        place = page.get(PAGE_OFFSET) if isinstance(page, Record) else None
        if not isinstance(place, int):
            raise nonsense("a page has no place")
        page.put(PAGE_OFFSET, I64, place + by)
    return thrift.written(record)


def sum_up(group: RowGroup, count: int, start: int, ordinal: int, changed: set[int]) -> None:
    """Update the totals, offset and sort order in the record of a row group of `count` rows."""
    record = group.record
    record.put(GROUP_ROWS, I64, count)
    record.put(GROUP_BYTES, I64, sum(row[UNCOMPRESSED] for row in group.rows))
    if GROUP_STORED in record:
        record.put(GROUP_STORED, I64, sum(row[STORED] for row in group.rows))
    if GROUP_OFFSET in record:
        record.put(GROUP_OFFSET, I64, start)
    if ORDINAL in record:
        record.put(ORDINAL, I16, ordinal if ordinal < _MOST_ORDINALS else None)
    if SORTING in record and record.kind(SORTING) == LIST:
        order = thrift.Reader(record[SORTING]).value(LIST)
        noisy = [one[SORTED_COLUMN] in changed for one in order.values]
        kept = order.values[: noisy.index(True)] if True in noisy else order.values
        record.put(SORTING, LIST, Items(order.kind, kept) if kept else None)


def pieces(file: BinaryIO, span: Span, size: int = 1 << 20) -> Iterator[bytes]:
    """Yield a byte range of a file in pieces.

    Raises:
        ValueError: If the file ends before the range does.
    """
    if min(span.start, span.size) < 0:
        raise nonsense("it has negative offsets")
    file.seek(span.start)
    left = span.size
    while left:
        data = file.read(min(left, size))
        if not data:
            raise nonsense("it ends too early")
        left -= len(data)
        yield data

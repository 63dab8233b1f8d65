"""Read the footer of a Parquet file, and write it for row groups at other offsets.

The field numbers are those of `parquet.thrift` in https://github.com/apache/parquet-format.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from noisify.core.errors import DataError
from noisify.formats.parquet import thrift
from noisify.formats.parquet.thrift import I16, I64, LIST, STRUCT, Items, Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

MAGIC = b"PAR1"
# FileMetaData
_ROWS, GROUPS, _ENCRYPTION = 3, 4, 8
# RowGroup
CHUNKS, GROUP_BYTES, GROUP_ROWS, SORTING, GROUP_OFFSET, GROUP_STORED, ORDINAL = range(1, 8)
# SortingColumn
SORTED_COLUMN = 1
# ColumnChunk
FILE_PATH, CHUNK_OFFSET, METADATA = 1, 2, 3
OFFSET_INDEX, OFFSET_INDEX_LENGTH, COLUMN_INDEX, COLUMN_INDEX_LENGTH, CRYPTO = 4, 5, 6, 7, 8
# ColumnMetaData
ENCODINGS, PATH, VALUES, UNCOMPRESSED, STORED, KEY_VALUES = 2, 3, 5, 6, 7, 8
DATA_PAGE, INDEX_PAGE, DICTIONARY_PAGE, STATISTICS = 9, 10, 11, 12
ENCODING_STATISTICS, BLOOM_FILTER, BLOOM_FILTER_LENGTH, SIZE_STATISTICS = 13, 14, 15, 16
# OffsetIndex and PageLocation
PAGES, PAGE_OFFSET = 1, 1
# BloomFilterHeader
_BLOOM_BYTES = 1

_CHUNK_NUMBERS = frozenset(range(CHUNK_OFFSET, CRYPTO)) - {METADATA}
_METADATA_NUMBERS = frozenset(
    {VALUES, UNCOMPRESSED, STORED, DATA_PAGE, INDEX_PAGE, DICTIONARY_PAGE, BLOOM_FILTER}
) | {BLOOM_FILTER_LENGTH}
_REQUIRED = frozenset({PATH, VALUES, UNCOMPRESSED, STORED, DATA_PAGE})
CHUNK_DEPTH = 2
"""Nesting levels to parse in a row group: its chunks and their ColumnMetaData."""
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


class ChunkSize(NamedTuple):
    """The size of a column chunk in bytes.

    Attributes:
        decoded: Its approximate size in memory.
        stored: Its size in the file.
    """

    decoded: int
    stored: int


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
        self._first: Record | None = None
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
            raise _nonsense("it says nothing of row groups")
        _, self._count = reader.list_header()
        self._starts = [reader.at]
        self._first = self.group(0) if self._count else None
        for chunk in self._first[CHUNKS].values if self._first is not None else ():
            self.span(chunk)

    def _without_groups(self) -> Record:
        """Return all fields but the row groups."""
        self._find_group(self._count)
        reader = thrift.Reader(self._data, self._starts[-1], after=GROUPS)
        record = Record(dict(self._before.fields))
        while (head := reader.header()) is not None:
            record.put(*head, reader.value(head[1], depth=0))
        if _ENCRYPTION in record:
            raise self._encrypted()
        return record

    def _find_group(self, index: int) -> None:
        """Locate the record of a row group, and of all before it."""
        while len(self._starts) <= index:
            _, end = thrift.read(self._data, self._starts[-1], depth=0)
            self._starts.append(end)

    def __len__(self) -> int:
        """Return the number of row groups."""
        return self._count

    def group(self, index: int) -> Record:
        """Return the record of a row group, which the caller may change.

        Raises:
            DataError: If it is damaged.
        """
        if index == 0 and self._first is not None:
            record, self._first = self._first, None
            return record
        return self._read_group(index)

    def sizes(self, index: int) -> tuple[ChunkSize, ...]:
        """Return the sizes of the column chunks of a row group.

        Raises:
            DataError: If its record is damaged, or a chunk is encrypted.
        """
        if index not in self._sizes:
            first = self._first if index == 0 else None
            record = self._read_group(index) if first is None else first
            self._sizes[index] = tuple(map(self._size, record[CHUNKS].values))
        return self._sizes[index]

    def _size(self, chunk: Record) -> ChunkSize:
        if METADATA not in chunk.fields or CRYPTO in chunk.fields:
            raise self._encrypted()
        about = chunk[METADATA]
        return ChunkSize(max(about[UNCOMPRESSED], _VALUE_BYTES * about[VALUES]), about[STORED])

    def _read_group(self, index: int) -> Record:
        try:
            self._find_group(index)
            record, end = thrift.read(self._data, self._starts[index], CHUNK_DEPTH)
            _check_group(record)
        except ValueError as error:
            raise unreadable(error, self._name) from None
        if len(self._starts) == index + 1:
            self._starts.append(end)
        return record

    def _encrypted(self) -> DataError:
        return DataError("has encrypted columns; decrypt it first", path=self._name)

    def span(self, chunk: Record) -> Span:
        """Return the byte range of a column chunk's pages.

        Raises:
            DataError: If they are not in this file.
        """
        fields = chunk.fields
        if FILE_PATH in fields:
            raise DataError(
                "describes other files and holds no data itself; name the files, or their folder",
                path=self._name,
            )
        if METADATA not in fields or CRYPTO in fields:
            raise self._encrypted()
        about = chunk[METADATA]
        size = about.get(STORED, 0)
        start = first_page(about)
        if not size or not start:  # a row group without rows has no pages
            return Span(len(MAGIC), 0)
        if start < len(MAGIC) or size < 0 or start + size > self.start:
            raise DataError("has a column chunk that is not inside the file", path=self._name)
        return Span(start, min(size + self.short_by, self.start - start))

    def data_stop(self) -> int:
        """Return where the row groups end: where page indexes or the footer start."""
        chunks = (chunk for at in range(len(self)) for chunk in self._read_group(at)[CHUNKS].values)
        numbers = (COLUMN_INDEX, OFFSET_INDEX)
        places = (chunk[number] for chunk in chunks for number in numbers if number in chunk)
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


def _nonsense(what: str) -> ValueError:
    return ValueError(what)


def _check_group(group: Record) -> None:
    """Check the fields of a row group that are used here, and drop optional ones of wrong type.

    Raises:
        ValueError: If a required field is missing or of the wrong type.
    """
    chunks = group.get(CHUNKS)
    if not isinstance(chunks, Items):
        raise _nonsense("a row group has no columns")
    for chunk in chunks.values:
        about = chunk.get(METADATA, Record()) if isinstance(chunk, Record) else None
        if not isinstance(about, Record):
            raise _nonsense("a column is not described")
        if METADATA in chunk and not about.fields.keys() >= _REQUIRED:
            raise _nonsense("a column's description is not complete")
        for record, numbers in ((chunk, _CHUNK_NUMBERS), (about, _METADATA_NUMBERS)):
            fields = record.fields.items()
            others = [n for n, (kind, _) in fields if kind not in thrift.INTEGERS and n in numbers]
            if record is about and not _REQUIRED.isdisjoint(others):
                raise _nonsense("a number in a column's description is none")
            for number in others:  # readers skip fields of an unexpected type
                record.put(number, I64, None)


def bloom_filter_span(file: BinaryIO, about: Record) -> Span | None:
    """Return the byte range of a column chunk's Bloom filter, or None if it has none.

    Args:
        file: The file.
        about: The chunk's ColumnMetaData.

    Raises:
        ValueError: If there is no Bloom filter at the given offset.
    """
    start = about.get(BLOOM_FILTER)
    if start is None:
        return None
    if BLOOM_FILTER_LENGTH in about:
        return Span(start, about[BLOOM_FILTER_LENGTH])
    if start < 0:
        raise _nonsense("a Bloom filter starts before the file")
    file.seek(start)
    header, size = thrift.read(file.read(_HEADER_BYTES))
    filter_bytes = header.get(_BLOOM_BYTES)
    if not isinstance(filter_bytes, int):
        raise _nonsense("a Bloom filter has no size")
    return Span(start, size + filter_bytes)


def first_page(about: Record) -> int:
    """Return the offset of the first page of a chunk by its ColumnMetaData; 0 if it has none."""
    first, dictionary = about.get(DATA_PAGE) or 0, about.get(DICTIONARY_PAGE) or 0
    return min(first, dictionary) if first and dictionary else first or dictionary


def index_spans(chunk: Record) -> tuple[Span | None, Span | None]:
    """Return the byte ranges of a chunk's column index and offset index, each None if absent."""
    column = _span(chunk, COLUMN_INDEX, COLUMN_INDEX_LENGTH)
    return column, _span(chunk, OFFSET_INDEX, OFFSET_INDEX_LENGTH)


def _span(chunk: Record, start: int, size: int) -> Span | None:
    """Return the byte range given by two fields, or None without them."""
    fields = chunk.fields
    return Span(chunk[start], chunk[size]) if start in fields and size in fields else None


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
            raise _nonsense("a page has no place")
        page.put(PAGE_OFFSET, I64, place + by)
    return thrift.written(record)


def move(about: Record, by: int) -> None:
    """Shift the page offsets in a chunk's ColumnMetaData."""
    for number in (DATA_PAGE, INDEX_PAGE, DICTIONARY_PAGE):
        if place := about.get(number):
            about.put(number, I64, place + by)


def move_chunk(chunk: Record, by: int) -> None:
    """Shift the offsets in a ColumnChunk record."""
    move(chunk[METADATA], by)
    if chunk.get(CHUNK_OFFSET):
        chunk.put(CHUNK_OFFSET, I64, chunk[CHUNK_OFFSET] + by)
    forget_indexes(chunk)


def forget_indexes(chunk: Record) -> None:
    """Remove the locations of page indexes from a ColumnChunk record."""
    for number in range(OFFSET_INDEX, COLUMN_INDEX_LENGTH + 1):
        chunk.fields.pop(number, None)


def forget_filter(about: Record) -> None:
    """Remove the location of a Bloom filter from a chunk's ColumnMetaData."""
    about.fields.pop(BLOOM_FILTER, None)
    about.fields.pop(BLOOM_FILTER_LENGTH, None)


def sum_up(group: Record, rows: int, start: int, ordinal: int, changed: set[int]) -> None:
    """Update the totals, offset and sort order in a RowGroup record."""
    abouts = [chunk[METADATA] for chunk in group[CHUNKS].values]
    group.put(GROUP_ROWS, I64, rows)
    group.put(GROUP_BYTES, I64, sum(about[UNCOMPRESSED] for about in abouts))
    if GROUP_STORED in group:
        group.put(GROUP_STORED, I64, sum(about[STORED] for about in abouts))
    if GROUP_OFFSET in group:
        group.put(GROUP_OFFSET, I64, start)
    if ORDINAL in group:
        group.put(ORDINAL, I16, ordinal if ordinal < _MOST_ORDINALS else None)
    if SORTING in group:
        order = group[SORTING]
        noisy = [one[SORTED_COLUMN] in changed for one in order.values]
        kept = order.values[: noisy.index(True)] if True in noisy else order.values
        group.put(SORTING, LIST, Items(order.kind, kept) if kept else None)


def pieces(file: BinaryIO, span: Span, size: int = 1 << 20) -> Iterator[bytes]:
    """Yield a byte range of a file in pieces.

    Raises:
        ValueError: If the file ends before the range does.
    """
    if min(span.start, span.size) < 0:
        raise _nonsense("it has negative offsets")
    file.seek(span.start)
    left = span.size
    while left:
        data = file.read(min(left, size))
        if not data:
            raise _nonsense("it ends too early")
        left -= len(data)
        yield data

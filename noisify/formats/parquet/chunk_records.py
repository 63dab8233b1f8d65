"""Read and write the ColumnChunk records of row groups as rows of the numbers in them.

A row is a list: the encoded record, and the numbers in it and in its ColumnMetaData that say where
its pages and indexes are, and how large they are. A record is written again from its row with
other numbers; all its other fields are kept.

There may be thousands in a row group. The compiled part, where it is built, reads and writes the
same rows; it leaves damaged or unusual records to the functions here.
"""

from __future__ import annotations

from itertools import chain
from typing import Any, TypeAlias

from noisify.formats.parquet import thrift
from noisify.formats.parquet.thrift import I32, I64, LIST, STRUCT, Items, Record

Row: TypeAlias = list[Any]
"""See the places below; a number is None if it is not set."""

# The places in a row: the encoded record; that of the chunk that it replaces, if any; the fault
# for which it has no pages here, if any; and its kind, equal for chunks that are encoded alike
RECORD, REPLACED, FAULT, KIND = range(4)
# Numbers of its ColumnMetaData
VALUES, UNCOMPRESSED, STORED, DATA_PAGE, INDEX_PAGE, DICTIONARY_PAGE = range(4, 10)
BLOOM_FILTER, BLOOM_FILTER_LENGTH = range(10, 12)
# Numbers of the ColumnChunk itself
CHUNK_OFFSET, OFFSET_INDEX, OFFSET_INDEX_LENGTH, COLUMN_INDEX, COLUMN_INDEX_LENGTH = range(12, 17)

ELSEWHERE = "describes other files and holds no data itself; name the files, or their folder"
ENCRYPTED = "has encrypted columns; decrypt it first"

# Fields of ColumnChunk and ColumnMetaData
_FILE_PATH, METADATA, _CRYPTO = 1, 3, 8
TYPE, ENCODINGS, PATH, CODEC, KEY_VALUES = 1, 2, 3, 4, 8
STATISTICS, ENCODING_STATISTICS, SIZE_STATISTICS = 12, 13, 16
_IN_CHUNK = {
    CHUNK_OFFSET: (2, I64),
    OFFSET_INDEX: (4, I64),
    OFFSET_INDEX_LENGTH: (5, I32),
    COLUMN_INDEX: (6, I64),
    COLUMN_INDEX_LENGTH: (7, I32),
}
IN_METADATA = {
    VALUES: (5, I64),
    UNCOMPRESSED: (6, I64),
    STORED: (7, I64),
    DATA_PAGE: (9, I64),
    INDEX_PAGE: (10, I64),
    DICTIONARY_PAGE: (11, I64),
    BLOOM_FILTER: (14, I64),
    BLOOM_FILTER_LENGTH: (15, I32),
}
"""The number and wire type of the field of each place."""
_NO_INDEXES = [None] * (COLUMN_INDEX_LENGTH + 1 - OFFSET_INDEX)
_REQUIRED = (VALUES, UNCOMPRESSED, STORED, DATA_PAGE)


def nonsense(what: str) -> ValueError:
    """Return the error for a record that is not what it should be."""
    return ValueError(what)


def rows_of(chunks: bytes) -> list[Row]:
    """Return the row of each record in an encoded list.

    Raises:
        ValueError: If it is not a list of records, a required field is missing, or its type is
            wrong. Optional fields of a wrong type count as missing, as for other readers.
    """
    compiled: list[Row] | None = thrift.compiled("rows_of", chunks)
    if compiled is not None:
        return compiled
    reader = thrift.Reader(chunks)
    kind, count = reader.list_header()
    if kind != STRUCT:
        raise nonsense("a column is not described")
    return [_row(reader) for _ in range(count)]


def _row(reader: thrift.Reader) -> Row:
    start = reader.at
    chunk = reader.record(1)
    row: Row = [None] * (COLUMN_INDEX_LENGTH + 1)
    row[RECORD] = reader.data[start : reader.at]
    if _FILE_PATH in chunk:
        row[FAULT] = ELSEWHERE
    elif METADATA not in chunk or _CRYPTO in chunk:
        row[FAULT] = ENCRYPTED
    about = chunk.get(METADATA, Record())
    if not isinstance(about, Record):
        raise nonsense("a column is not described")
    required = {IN_METADATA[place][0] for place in _REQUIRED} | {PATH}
    if METADATA in chunk and not about.fields.keys() >= required:
        raise nonsense("a column's description is not complete")
    for record, fields in ((chunk, _IN_CHUNK), (about, IN_METADATA)):
        for place, (number, kind) in fields.items():
            if number in record and record.kind(number) == kind:
                row[place] = record[number]
            elif number in record and place in _REQUIRED:
                raise nonsense("a number in a column's description is none")
    row[KIND] = _kind(chunk, about)
    return row


def _kind(chunk: Record, about: Record) -> bytes:
    """Return the type, encodings and codec of a chunk, and the numbers and types of its fields."""
    found = _fields(chunk)
    for number, (kind, value) in sorted(about.fields.items()):
        found += bytes([number & 255, kind])
        if number in {TYPE, CODEC} and kind in thrift.INTEGERS:
            found.append(value & 255)
        elif number == ENCODINGS and kind == LIST:
            found += value
        elif number == STATISTICS and kind == STRUCT:
            inner, _ = thrift.read(value, depth=0)
            found += _fields(inner)
        elif number == SIZE_STATISTICS and kind == STRUCT:
            inner, _ = thrift.read(value, depth=0)
            found += _fields(inner) + _counts(inner)
    return bytes(found)


def _fields(record: Record) -> bytearray:
    """Return the numbers and wire types of a record's fields."""
    kinds = ((number & 255, kind) for number, (kind, _) in sorted(record.fields.items()))
    return bytearray(chain.from_iterable(kinds))


def _counts(record: Record) -> bytearray:
    """Return the types and numbers of the values of a record's lists."""
    found = bytearray()
    for _, (kind, value) in sorted(record.fields.items()):
        if kind == LIST:
            inner, count = thrift.Reader(value).list_header()
            found += bytes([inner, min(count, 255)])
    return found


def encoded(rows: list[Row]) -> bytes | Items:
    """Return rows as a list of records, to be written in the record of a row group."""
    compiled: bytes | None = thrift.compiled("encoded", rows)
    return Items(STRUCT, [_record(row) for row in rows]) if compiled is None else compiled


def _record(row: Row) -> Record:
    """Return the record of a row."""
    chunk, _ = thrift.read(row[RECORD], depth=1)
    about = chunk[METADATA]
    if row[REPLACED] is not None:
        chunk, _ = thrift.read(row[REPLACED], depth=1)
        for number in (PATH, KEY_VALUES):
            about.put(number, *chunk[METADATA].fields.get(number, (LIST, None)))
        chunk.put(METADATA, STRUCT, about)
    for record, fields in ((chunk, _IN_CHUNK), (about, IN_METADATA)):
        for place, (number, kind) in fields.items():
            if record.fields.get(number) != (kind, row[place]):
                record.put(number, kind, row[place])
    return chunk


def first_page(row: Row) -> int:
    """Return the offset of the first page of a chunk; 0 if it has none."""
    first: int = row[DATA_PAGE] or 0
    dictionary: int = row[DICTIONARY_PAGE] or 0
    return min(first, dictionary) if first and dictionary else first or dictionary


def move(row: Row, by: int) -> None:
    """Shift the offsets of a chunk's pages; forget where its page indexes are."""
    for place in (DATA_PAGE, INDEX_PAGE, DICTIONARY_PAGE, CHUNK_OFFSET):
        if row[place]:
            row[place] += by
    row[OFFSET_INDEX:] = _NO_INDEXES


def replaced(row: Row, new: Row, by: int) -> Row:
    """Return the row of a new chunk that replaces another one.

    Args:
        row: The row of the old chunk.
        new: The row of the new one; changed and returned.
        by: How far its pages have moved since it was described.
    """
    new[REPLACED] = row[RECORD]
    move(new, by)
    new[CHUNK_OFFSET] = first_page(new) if row[CHUNK_OFFSET] else row[CHUNK_OFFSET]
    return new

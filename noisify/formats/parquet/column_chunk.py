"""Encode column chunks: let Arrow write them as a file of their own, and extract them.

A chunk fits any other file whose column has the same physical type and levels. So only noisy
columns are re-encoded, in their old style, and all others keep their bytes.
"""

from __future__ import annotations

import io
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from noisify.core.errors import UsageError
from noisify.core.value_class import frozen
from noisify.formats.arrow.columns import EXACT
from noisify.formats.arrow.nested import retyped, values_at, with_values
from noisify.formats.parquet import chunk_records as records
from noisify.formats.parquet import footer as parts
from noisify.formats.parquet import small_chunks, thrift
from noisify.formats.parquet.thrift import LIST, STRUCT, Items, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from decimal import Decimal

    from noisify.formats.parquet.chunk_records import Row
    from noisify.formats.parquet.small_chunks import PageStyle

MOST_ROWS = 64 << 20
"""The most rows that Arrow puts in one row group."""
PAGES_AT = len(parts.MAGIC)
"""The offset of the first page of a file."""
_NAME = "column"
_DELTA = ("DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY")
_NEVER_ALIKE = {"FLOAT", "DOUBLE"}


class Encoded(NamedTuple):
    """An encoded column chunk.

    Attributes:
        pages: The bytes of its pages; empty if they have already been written.
        row: The row of its ColumnChunk record, with the pages at `PAGES_AT`.
        column_index: Its ColumnIndex (page statistics), or None.
        offset_index: Its OffsetIndex (page locations, the first at `PAGES_AT`), or None.
        bloom_filter: Its Bloom filter, or None.
    """

    pages: bytes | memoryview
    row: Row
    column_index: bytes | None = None
    offset_index: bytes | None = None
    bloom_filter: bytes | None = None


class Stored(NamedTuple):
    """The storage type of a leaf column.

    Attributes:
        physical: The physical type.
        length: The bytes of a value of a fixed-length type, else 0.
        levels: The maximum definition and repetition levels.
        logical: The logical type.
        unit: The unit of times, and the scale of decimals.
    """

    physical: str
    length: int
    levels: tuple[int, int]
    logical: str
    unit: tuple[str | None, int | None]

    @classmethod
    def of(cls, column: pq.ColumnSchema) -> Stored:
        """Return the storage type of a leaf column of a file."""
        physical, logical = column.physical_type, column.logical_type
        length = column.length if physical == "FIXED_LEN_BYTE_ARRAY" else 0
        levels = (column.max_definition_level, column.max_repetition_level)
        return cls(physical, length, levels, logical.type, _unit_of(logical.to_json()))

    def means(self, *, raw: pa.DataType | None) -> tuple[Any, ...]:
        """Return what decides how bytes are read; the unit (scale) of raw decimals does not."""
        return self.physical, self.length, self.levels, self.unit if raw is None else ()

    def __str__(self) -> str:
        """Return the type as shown in messages."""
        return f"{self.physical} ({self.logical})" if self.logical != "NONE" else self.physical


@lru_cache(maxsize=256)
def _unit_of(logical: str) -> tuple[str | None, int | None]:
    """Return the unit of times and the scale of decimals of a logical type, given as JSON."""
    about = json.loads(logical)
    return about.get("timeUnit"), about.get("scale")


@frozen
class Fit:
    """How to make Arrow write a column with a given storage type.

    Attributes:
        kind: The type of the column, reduced to a single leaf.
        nullable: Whether the column may be null.
        options: The options of Arrow's writer.
        raw: For decimals that Arrow stores differently, the type of their bytes to write instead.
    """

    kind: pa.DataType
    nullable: bool
    options: tuple[tuple[str, Any], ...]
    raw: pa.DataType | None = None

    def stores(self, stored: Stored) -> bool:
        """Return whether Arrow then writes the given storage type."""
        empty = self.storable(pa.nulls(0, self.kind))
        file = pa.BufferOutputStream()
        try:
            pq.ParquetWriter(file, self.schema(empty.type), **dict(self.options)).close()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return False
        found = pq.read_metadata(pa.BufferReader(file.getvalue())).schema.column(0)
        return Stored.of(found).means(raw=self.raw) == stored.means(raw=self.raw)

    def schema(self, kind: pa.DataType) -> pa.Schema:
        """Return the schema of a file with only this column."""
        return pa.schema([pa.field(_NAME, kind, nullable=self.nullable)])

    def storable(self, values: pa.Array) -> pa.Array:
        """Convert values of the column to the type that is written."""
        if self.raw is None:
            return retyped(values, self.kind)
        leaf = values_at(values, ())[0]
        size = -1 if self.raw == pa.binary() else self.raw.byte_width
        texts = [
            None if value is None else _as_bytes(value, leaf.type.scale, size)
            for value in leaf.to_pylist()
        ]
        return retyped(with_values(values, (), pa.array(texts, self.raw)), self.kind)


def _as_bytes(value: Decimal, scale: int, size: int) -> bytes:
    """Encode a decimal as big-endian bytes, as Parquet does; size -1 means as few as possible."""
    number = int(value.scaleb(scale, EXACT))
    fewest = (number if number >= 0 else ~number).bit_length() // 8 + 1
    return number.to_bytes(fewest if size < 0 else size, "big", signed=True)


@lru_cache(maxsize=256)
def fit_of(stored: Stored, kind: pa.DataType, *, nullable: bool) -> Fit:
    """Find out how to make Arrow write a column with a given storage type.

    Args:
        stored: The storage type of its leaf.
        kind: The column's Arrow type, reduced to that leaf.
        nullable: Whether the column may be null.

    Raises:
        UsageError: If Arrow cannot write that type.
    """
    leaf = values_at(pa.nulls(0, kind), ())[0]  # `pa.array` would import pandas
    raws: list[pa.DataType | None] = [None]
    if pa.types.is_decimal(leaf.type):
        raws.append({"BYTE_ARRAY": pa.binary()}.get(stored.physical))
        if stored.physical == "FIXED_LEN_BYTE_ARRAY":
            raws.append(pa.binary(stored.length))
    for raw in dict.fromkeys(raws):
        for version in ("2.6", "1.0"):
            options = {
                "version": version,
                "use_deprecated_int96_timestamps": stored.physical == "INT96",
                "store_decimal_as_integer": stored.physical in {"INT32", "INT64"},
            }
            fit = Fit(kind, nullable, tuple(options.items()), raw)
            if fit.stores(stored):
                return fit
    raise UsageError(f"is stored as {stored}, which cannot be written; leave it out")


class Style(NamedTuple):
    """The options for encoding column chunks; chunks of one style may be encoded together.

    Attributes:
        options: The options of Arrow's writer.
        filtered: Whether to add a Bloom filter.
    """

    options: tuple[tuple[str, Any], ...]
    filtered: bool


class PageHeader(NamedTuple):
    """What the header of a page says of its style."""

    version_2: bool = False
    checksums: bool = False

    @classmethod
    def read(cls, data: bytes) -> PageHeader:
        """Read the header of a page up to its checksum; the default if it cannot be read."""
        try:
            found = thrift.read_until(data, _CHECKSUM)
        except ValueError:
            return cls()
        return cls(found.get(1) == _PAGE_V2, _CHECKSUM in found)


def style_of(chunk: pq.ColumnChunkMetaData, rows: int, page: PageHeader, fit: Fit) -> Style:
    """Return how to encode a new column chunk in the style of an old one.

    Args:
        chunk: The old chunk.
        rows: The number of rows of the new chunk.
        page: The header of the old chunk's first data page.
        fit: How to write its type.
    """
    sorts = fit.raw is None  # bytes do not sort as the decimals they encode
    found = _Found(
        physical=chunk.physical_type,
        compression=chunk.compression,
        encodings=chunk.encodings,
        dictionary=chunk.has_dictionary_page,
        statistics=bool(chunk.is_stats_set) and sorts,
        indexed=bool(chunk.has_column_index and chunk.has_offset_index) and sorts,
        filtered=chunk.bloom_filter_offset is not None,
        version_2=page.version_2,
        checksums=page.checksums,
    )
    return _style_like(found, fit.options, large=rows > MOST_ROWS)


class _Found(NamedTuple):
    """The properties of an old column chunk that a new one should have."""

    physical: str
    compression: str
    encodings: tuple[str, ...]
    dictionary: bool
    statistics: bool
    indexed: bool
    filtered: bool
    version_2: bool
    checksums: bool


@lru_cache(maxsize=256)
def _style_like(old: _Found, fit: tuple[tuple[str, Any], ...], *, large: bool) -> Style:
    """Return the style for a new column chunk; a `large` one is encoded as several row groups."""
    dictionary = old.dictionary or any("DICTIONARY" in name for name in old.encodings)
    if old.physical in _NEVER_ALIKE or large:
        dictionary = False  # noisy floats hardly ever repeat
    found = [name for name in ("BYTE_STREAM_SPLIT", *_DELTA) if name in old.encodings]
    options = {
        "compression": _codec(old.compression),
        "use_dictionary": dictionary,
        "column_encoding": found[0] if found and not dictionary else None,
        "write_statistics": old.statistics,
        "write_page_index": old.indexed and not large,
        "data_page_version": "2.0" if old.version_2 else "1.0",
        "write_page_checksum": old.checksums,
        "store_schema": False,
        **dict(fit),
    }
    return Style(tuple(options.items()), old.filtered)


_PAGE_V2 = 3
_CHECKSUM = 4


def _codec(name: str) -> str:
    """Return the writer's name of a codec; deprecated LZ4 is reported as UNKNOWN."""
    return {"UNCOMPRESSED": "none", "LZ4_RAW": "lz4", "UNKNOWN": "lz4"}.get(name, name.lower())


def encode(
    columns: Sequence[tuple[Fit, Sequence[pa.Array]]],
    style: Style,
    write: Callable[[Any], Any] | None = None,
) -> list[Encoded]:
    """Encode column chunks.

    Args:
        columns: For each column, how to write its type, and at least one array of its values, in
            order, reduced to a single leaf. Several columns must have at most `MOST_ROWS` rows.
        style: How to encode them.
        write: Called with the bytes of pages as they are made; None to return them.
    """
    if write is None and (made := _small(columns, style)) is not None:
        return made
    return _with_arrow(columns, style, write)


def _small(columns: Sequence[tuple[Fit, Sequence[pa.Array]]], style: Style) -> list[Encoded] | None:
    """Encode small columns of numbers with the compiled part; None if Arrow must encode them."""
    rows = len(columns[0][1][0])
    if style.filtered or not 0 < rows <= small_chunks.MOST_ROWS:
        return None
    alike: dict[tuple[pa.DataType, bool], list[int]] = {}
    for place, (fit, arrays) in enumerate(columns):
        fits = fit.raw is None and arrays[0].type == fit.kind
        if len(arrays) > 1 or len(arrays[0]) != rows or not fits:
            return None
        alike.setdefault((fit.kind, fit.nullable), []).append(place)
    found: dict[int, Encoded] = {}
    for (kind, nullable), places in alike.items():
        known = _page_style(style, kind, nullable=nullable)
        if known is None:
            return None
        made = _compiled([columns[place][1][0] for place in places], known)
        if made is None:
            return None
        found.update(zip(places, made, strict=True))
    return [found[place] for place in range(len(columns))]


@lru_cache(maxsize=64)
def _page_style(style: Style, kind: pa.DataType, *, nullable: bool) -> PageStyle | None:
    """Return how the compiled part encodes a type, if that gives the same bytes as Arrow's writer.

    Other versions of Arrow may write other headers, so it is tried once.
    """
    found = small_chunks.page_style(style.options, kind, nullable=nullable)
    if found is None:
        return None
    samples = small_chunks.samples(kind, nullable=nullable)
    fit = Fit(kind, nullable, ())
    expected = _with_arrow([(fit, [values]) for values in samples], style)
    made = _compiled(samples, found) or []
    return found if list(map(_bytes_of, made)) == list(map(_bytes_of, expected)) else None


def _bytes_of(chunk: Encoded) -> tuple[bytes, bytes | Items]:
    """Return the bytes of a chunk's pages and record."""
    return bytes(chunk.pages), records.encoded([chunk.row])


def _compiled(arrays: Sequence[pa.Array], style: PageStyle) -> list[Encoded] | None:
    """Encode small column chunks of one type and length with the compiled part, if it can."""
    made = small_chunks.encode(arrays, style)
    if made is None:
        return None
    return [Encoded(pages, row) for pages, row in zip(*made, strict=True)]


def _with_arrow(
    columns: Sequence[tuple[Fit, Sequence[pa.Array]]],
    style: Style,
    write: Callable[[Any], Any] | None = None,
) -> list[Encoded]:
    """Encode column chunks with Arrow."""
    fields, values = [], []
    for number, (fit, arrays) in enumerate(columns):
        storable = [fit.storable(each) for each in arrays]
        kind = storable[0].type
        fields.append(pa.field(f"{_NAME}{number}", kind, nullable=fit.nullable))
        if len(storable) > 1:
            # Slices may have different dictionaries, and Arrow would then stop using one.
            storable = [pa.chunked_array(storable, kind).unify_dictionaries()]
        values += storable
    schema = pa.schema(fields)
    table = pa.Table.from_arrays(values, schema=schema)
    rows = max(1, table.num_rows)
    bloom = {_path(each): {"ndv": rows} for each in fields} if style.filtered else None
    file = pa.BufferOutputStream() if write is None else _Parted(write)
    writer = pq.ParquetWriter(file, schema, bloom_filter_options=bloom, **dict(style.options))
    writer.write_table(table, row_group_size=rows)
    if isinstance(file, _Parted):
        size = file.end_pages()
        writer.close()
        return _taken_out(file.rest, size, b"")
    size = file.tell() - PAGES_AT
    writer.close()
    whole = memoryview(file.getvalue())
    return _taken_out(whole[PAGES_AT + size :], size, whole[PAGES_AT : PAGES_AT + size])


def _path(field: pa.Field) -> str:
    """Return the Parquet path of the only leaf of a column."""
    kind = field.type
    if isinstance(kind, pa.BaseExtensionType):
        return _path(field.with_type(kind.storage_type))
    if pa.types.is_struct(kind):
        return f"{field.name}.{_path(kind.field(0))}"
    if pa.types.is_nested(kind):
        return f"{field.name}.list.{_path(kind.value_field.with_name('element'))}"
    return str(field.name)


class _Parted(io.RawIOBase):
    """A file that passes on the pages written to it, and keeps what is written after them."""

    def __init__(self, write: Callable[[Any], Any]) -> None:
        self._write = write
        self._place = 0
        self._in_pages = True
        self.rest = bytearray()

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if not self._in_pages:
            self.rest += data
        elif self._place:
            self._write(data)
        elif len(data) != PAGES_AT:  # drop the file's magic bytes
            raise AssertionError("a Parquet file starts with its magic bytes alone")
        self._place += len(data)
        return len(data)

    def end_pages(self) -> int:
        """Keep what is written from now on; return the size of the pages before."""
        self._in_pages = False
        return self._place - PAGES_AT

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place


def _taken_out(rest: bytearray | memoryview, size: int, pages: bytes | memoryview) -> list[Encoded]:
    """Extract the column chunks from the file they were written as.

    Args:
        rest: The bytes after their pages.
        size: The size of their pages.
        pages: The bytes of their pages, or empty if they have been passed on.
    """
    footer_size = int.from_bytes(rest[-8:-4], "little")
    groups = _groups(bytes(rest[-8 - footer_size : -8]))
    before = PAGES_AT + size

    def part(span: parts.Span | None) -> bytes | None:
        if span is None:
            return None
        return bytes(rest[span.start - before : span.start - before + span.size])

    encoded = []
    at = PAGES_AT
    for row in groups[0]:
        column_index, offset_index = map(part, parts.index_spans(row))
        bloom = None
        if row[records.BLOOM_FILTER] is not None and len(groups) == 1:
            bloom = part(parts.Span(row[records.BLOOM_FILTER], row[records.BLOOM_FILTER_LENGTH]))
        chunk = row if len(groups) == 1 else _joined([one for (one,) in groups])
        if records.first_page(chunk) != at:
            raise AssertionError("the column chunks of a Parquet file follow each other")
        stored = chunk[records.STORED]
        own = pages[at - PAGES_AT : at - PAGES_AT + stored]
        records.move(chunk, PAGES_AT - at)
        if offset_index is not None:
            offset_index = parts.moved(offset_index, PAGES_AT - at)
        encoded.append(Encoded(own, chunk, column_index, offset_index, bloom))
        at += stored
    if at != before:
        raise AssertionError("a new Parquet file holds its pages and nothing else")
    return encoded


def _groups(footer: bytes) -> list[list[Row]]:
    """Return the column chunks of each row group of a file that Arrow has written."""
    reader = thrift.Reader(thrift.read(footer, depth=0)[0][parts.GROUPS])
    _, count = reader.list_header()
    found = []
    at = reader.at
    for _ in range(count):
        group, at = parts.read_group(reader.data, at)
        found.append(group.rows)
    return found


def _joined(chunks: Sequence[Row]) -> Row:
    """Merge the rows of adjacent column chunks without dictionaries."""
    abouts = [thrift.read(chunk[records.RECORD])[0][records.METADATA] for chunk in chunks]
    whole, number = abouts[0], records.ENCODINGS
    every = sorted({encoding for about in abouts for encoding in about[number].values})
    whole.put(number, LIST, Items(whole[number].kind, every))
    for number in (records.STATISTICS, records.ENCODING_STATISTICS, records.SIZE_STATISTICS):
        whole.put(number, LIST, None)
    row = chunks[0]
    row[records.RECORD] = thrift.written(Record({records.METADATA: (STRUCT, whole)}))
    for place in (records.VALUES, records.UNCOMPRESSED, records.STORED):
        row[place] = sum(chunk[place] for chunk in chunks)
    row[records.BLOOM_FILTER] = row[records.BLOOM_FILTER_LENGTH] = None
    return row

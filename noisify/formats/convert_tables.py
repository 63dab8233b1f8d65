"""Tables from one format to another: as Arrow record batches, a few at a time.

A column keeps its type; what the other format cannot hold is refused, never rounded or dropped. A
text table has no types, so all of it is read once to find them: a column is of whole numbers, of
numbers or of times only if every cell that is not null is such, and of texts otherwise.
"""

from __future__ import annotations

import dataclasses
import re
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from noisify.core.arrow_arrays import to_numpy, without_nulls, without_views
from noisify.core.chunk import NUMBER_KINDS
from noisify.core.dtypes import SECOND
from noisify.core.errors import DataError, UsageError
from noisify.core.value_class import frozen
from noisify.formats.csv import mask as csv_mask
from noisify.formats.csv import numbers as csv_numbers
from noisify.formats.csv.cells import byte_cells
from noisify.formats.csv.escapes import unquote
from noisify.formats.csv.header import with_delimiter
from noisify.formats.csv.sniff import FLOAT, INT, TEXT
from noisify.formats.csv.source import DelimitedSource
from noisify.formats.parquet.int96 import check_int96, int96_leaves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from noisify.core.chunk import Column, Field
    from noisify.files.input import Input
    from noisify.formats.interface import ReadOptions

_ROWS = 1 << 16
_PIECE = 1 << 21
_DAY = 86400 * SECOND
_WIDE_DECIMAL, _WIDEST_DECIMAL = 38, 76
"""Digits of Arrow's decimals."""

_CODE = re.compile(rf"^\s*{csv_numbers.CODE}\s*$")
_UTC = frozenset({"Z", "UTC", "GMT", "+00", "+0000", "+00:00"})
_WELL_QUOTED = re.compile(rb'"[^"]*+(?:""[^"]*+)*+"')
_UNITS = {SECOND: "s", 10**6: "ms", 10**3: "us", 1: "ns"}


@frozen
class Table:
    """A table being read.

    Attributes:
        schema: Its columns.
        batches: Its rows, in order.
        hints: What may be wrong with how it is read.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    hints: Sequence[str] = ()


def read_text(source: Input, options: ReadOptions) -> Table:
    """Read a CSV or TSV file, twice: for its types, then for its values."""
    if options.ragged != "error":
        raise UsageError("--ragged keep keeps rows that no other format has; leave it out")
    source.spool()
    table = DelimitedSource(source, replace(options, strict=False, keep_decimals=False))
    _check_names(table)
    types = _types(table)
    schema = pa.schema([(field.name, types[field.name]) for field in table.fields])
    return Table(schema, _text_batches(table, schema), table.hints)


def _check_names(table: DelimitedSource) -> None:
    """Refuse names that are no text in the table's encoding: other formats cannot hold them."""
    for field in table.fields:
        try:
            field.name.encode()
        except UnicodeEncodeError:
            raise DataError(
                f"has bytes in its name that are no {table.text.encoding} text; say what they are "
                "with --encoding, for example --encoding cp1252",
                field=field.name,
            ) from None


def _pieces(table: DelimitedSource) -> Iterator[Any]:
    return table.read([table.fields], _PIECE).pieces


def _types(table: DelimitedSource) -> dict[str, pa.DataType]:
    """Return the type that fits all cells of each column."""
    numbers = {f.name: _Numbers() for f in table.fields if f.kind in NUMBER_KINDS}
    times = {f.name: _Times() for f in table.fields if _is_time(f)}
    as_numbers = [_as_int(field) for field in table.fields if field.name in numbers]
    as_texts = [_as_text(field) for field in as_numbers]
    as_times = [field for field in table.fields if field.name in times]
    for raw in _pieces(table):
        texts = table.decode(raw, as_texts).by_field()
        for name, columns in table.decode(raw, as_numbers).by_field().items():
            numbers[name].look(columns, texts[name][0])
        for name, (column,) in table.decode(raw, as_times).by_field().items():
            times[name].look(column)
    found = {name: seen.type for name, seen in numbers.items()}
    found |= {name: seen.type for name, seen in times.items()}
    return {field.name: found.get(field.name, pa.string()) for field in table.fields}


@dataclass
class _Numbers:
    """What has been seen of a column of numbers."""

    fractions: bool = False
    digits: int = 0  # of the longest beyond int64
    others: bool = False

    def look(self, columns: Sequence[Column], texts: Column) -> None:
        """Look at some cells, read as whole numbers where they are, and as texts."""
        self.fractions |= any(column.number == FLOAT for column in columns)
        for column in columns:
            if column.number.dtype == object:
                self.digits = max(self.digits, *(len(str(abs(v))) for v in column.values.tolist()))
        self.others |= bool(columns[0].strangers) or any(map(_CODE.search, texts.values))

    @property
    def type(self) -> pa.DataType:
        """The type that loses nothing."""
        if self.others or (self.fractions and self.digits) or self.digits > _WIDEST_DECIMAL:
            return pa.string()
        if self.digits:
            wide = self.digits > _WIDE_DECIMAL
            return pa.decimal256(_WIDEST_DECIMAL, 0) if wide else pa.decimal128(_WIDE_DECIMAL, 0)
        return pa.float64() if self.fractions else pa.int64()


@dataclass
class _Times:
    """What has been seen of a column of times."""

    tick: int = 1
    zones: set[str] = dataclasses.field(default_factory=set)
    of_day: bool = False
    dates_only: bool = True
    others: bool = False

    def look(self, column: Column) -> None:
        """Look at some cells."""
        self.tick = column.number.tick
        self.of_day |= bool(column.number.span)
        self.zones |= set(column.layout.zones[column.layout.valid].tolist())
        layouts = [layout for layout in column.layout.layouts if layout is not None]
        self.dates_only &= not any(layout.separator for layout in layouts)
        self.others |= bool(column.strangers) or any(layout.tick < self.tick for layout in layouts)

    @property
    def type(self) -> pa.DataType:
        """The type that loses nothing."""
        in_utc = {zone.lstrip().upper() in _UTC for zone in self.zones if zone}
        if self.others or False in in_utc or (in_utc and "" in self.zones):
            return pa.string()
        unit = next(unit for tick, unit in _UNITS.items() if self.tick % tick == 0)
        if self.of_day:
            return pa.time32(unit) if unit in {"s", "ms"} else pa.time64(unit)
        if self.dates_only:
            return pa.date32()
        return pa.timestamp(unit, "UTC" if in_utc else None)


def _is_time(field: Field) -> bool:
    return field.number is not None and field.number.kind == "time"


def _as_int(field: Field) -> Field:
    return replace(field, kind="int", number=INT)


def _as_text(field: Field) -> Field:
    return replace(field, kind="text", number=TEXT)


def _text_batches(table: DelimitedSource, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    fields = []
    for field, kind in zip(table.fields, schema.types, strict=True):
        if pa.types.is_string(kind):
            fields.append(_as_text(field))
        elif pa.types.is_floating(kind):
            fields.append(replace(field, kind="float", number=FLOAT))
        else:
            fields.append(field if _is_time(field) else _as_int(field))
    for raw in _pieces(table):
        columns = table.decode(raw, fields).by_field()
        arrays = [_array(columns[field.name], field.type) for field in schema]
        if raw.rows:
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(columns: Sequence[Column], kind: pa.DataType) -> pa.Array:
    """Return a column of a text table, which may come in parts, as Arrow's."""
    column = columns[0]
    if pa.types.is_string(kind) or pa.types.is_decimal(kind):
        whole: list[Any] = [None] * len(column.values)
        for part in columns:
            there = np.ones(len(whole), bool) if part.valid is None else part.valid
            for at in np.flatnonzero(there).tolist():
                whole[at] = part.values[at]
        if pa.types.is_decimal(kind):
            return pa.array([v if v is None else Decimal(int(v)) for v in whole], kind)
        try:
            return pa.array(whole, kind)
        except UnicodeEncodeError:
            raise DataError(
                "has bytes that are no text in this encoding; say what they are with --encoding, "
                "for example --encoding cp1252",
                field=column.field.name,
            ) from None
    bits = None
    if column.valid is not None:
        bits = pa.py_buffer(np.packbits(column.valid, bitorder="little"))
    values = column.values
    if pa.types.is_date32(kind):
        values = values // (_DAY // column.number.tick)
        values = values.astype(np.int32)
    elif pa.types.is_timestamp(kind) or pa.types.is_time(kind):
        tick = next(tick for tick, unit in _UNITS.items() if unit == kind.unit)
        values = values * (column.number.tick // tick)
        values = values.astype(f"i{kind.bit_width // 8}", copy=False)
    return pa.Array.from_buffers(kind, len(values), [bits, pa.py_buffer(np.array(values))])


def read_parquet(source: Input, options: ReadOptions) -> Table:  # noqa: ARG001
    """Read a Parquet file."""
    source.spool()
    try:
        file = pq.ParquetFile(source.path, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"is not a readable Parquet file: {error}", path=source.name) from None
    for leaf in int96_leaves(file.metadata):
        check_int96(cast("Path", source.path), source.name, leaf)
    return Table(file.schema_arrow, _named(file.iter_batches(_ROWS), source.name))


def read_arrow(source: Input, options: ReadOptions) -> Table:  # noqa: ARG001
    """Read an Arrow IPC file or stream."""
    source.spool()
    try:
        if source.head(6) == b"ARROW1":
            file = pa.ipc.open_file(pa.OSFile(str(source.path)))
            batches = (file.get_batch(at) for at in range(file.num_record_batches))
            return Table(file.schema, _named(batches, source.name))
        stream = pa.ipc.open_stream(pa.OSFile(str(source.path)))
        return Table(stream.schema, _named(stream, source.name))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"is not a readable Arrow file: {error}", path=source.name) from None


def _named(batches: Iterable[pa.RecordBatch], name: str) -> Iterator[pa.RecordBatch]:
    """Yield batches; a failure to read them names the file."""
    try:
        yield from batches
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"cannot be read: {error}", path=name) from None


def write_parquet(table: Table, path: Path) -> None:
    """Write a Parquet file."""
    table = _with_plain_dictionaries(table)
    _write(table, lambda: pq.ParquetWriter(path, table.schema), "Parquet", _ROWS * 2)


def _with_plain_dictionaries(table: Table) -> Table:
    """Return a table without dictionaries of views (Polars' categories): Parquet has none."""
    fields = []
    for field in table.schema:
        kind = field.type
        if pa.types.is_dictionary(kind):
            kind = pa.dictionary(kind.index_type, without_views(kind.value_type), kind.ordered)
        fields.append(field.with_type(kind))
    schema = pa.schema(fields, table.schema.metadata)
    if schema.equals(table.schema):
        return table
    return Table(schema, (batch.cast(schema) for batch in table.batches))


def write_arrow(table: Table, path: Path) -> None:
    """Write an Arrow IPC file."""
    _write(table, lambda: pa.ipc.new_file(str(path), table.schema), "Arrow", _ROWS)


def _write(table: Table, opened: Callable[[], Any], title: str, rows: int) -> None:
    try:
        with closing(opened()) as writer:
            for batch in regrouped(table.batches, rows, table.schema):
                writer.write_batch(batch)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise UsageError(f"cannot be held by {title}: {error}") from None


def regrouped(
    batches: Iterator[pa.RecordBatch], rows: int, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """Yield the same rows in batches of equally many, however they came."""
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        held.append(batch)
        count += batch.num_rows
        while count >= rows:
            whole = pa.Table.from_batches(held, schema)
            yield from whole.slice(0, rows).combine_chunks().to_batches()
            rest = whole.slice(rows)
            held, count = rest.to_batches(), rest.num_rows
    if count:
        yield from pa.Table.from_batches(held, schema).combine_chunks().to_batches()


def write_text(table: Table, path: Path, delimiter: str) -> None:
    """Write a CSV or TSV file: texts in quotes where they need them, null as an empty cell.

    Raises:
        UsageError: If a column's type cannot be told by a text.
    """
    if not table.schema.names:
        raise UsageError("has no columns, and a text table needs one")
    names = pa.array(table.schema.names, pa.string())
    for field in table.schema:
        _check_text_type(field)
    with path.open("wb") as file:
        header = _in_quotes(names, delimiter)
        file.write(delimiter.join(header.to_pylist()).encode() + b"\n")
        for batch in table.batches:
            cells = [_texts(column, delimiter) for column in batch.columns]
            cells = [pc.if_else(pc.is_valid(cell), cell, "") for cell in cells]
            if len(cells) == 1:  # an empty line would be no row
                cells[0] = pc.if_else(pc.equal(cells[0], ""), '""', cells[0])
            lines = pc.binary_join_element_wise(*cells, delimiter)
            ended = pc.binary_join_element_wise(lines, "", "\n")
            file.write(csv_numbers.text_bytes(ended) if len(ended) else b"")


def _check_text_type(field: pa.Field) -> None:
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    tests = (
        pa.types.is_floating, pa.types.is_integer, pa.types.is_decimal, pa.types.is_boolean,
        pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_date,
        pa.types.is_timestamp, pa.types.is_time, pa.types.is_null,
    )  # fmt: skip
    if not any(test(kind) for test in tests):
        raise UsageError(
            f"holds {field.type}, which a text table cannot hold; write Parquet or Arrow",
            field=field.name,
        )


def _texts(column: pa.Array, delimiter: str) -> pa.Array:
    """Return a column's values as they stand in a text table; null where they are."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_floating(kind):
        return _float_texts(column)
    texts = column.cast(pa.string())
    if pa.types.is_timestamp(kind):
        return pc.replace_substring(texts, " ", "T")
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _in_quotes(texts, delimiter)
    return texts


def _float_texts(column: pa.Array) -> pa.Array:
    """Return floats as Python writes them, those of lower precision as NumPy does."""
    if column.type == pa.float64():
        values = to_numpy(without_nulls(column))
        texts = csv_numbers.format_floats(values)
    else:
        values = column.to_numpy(zero_copy_only=False).astype(column.type.to_pandas_dtype())
        texts = pa.array([str(value) for value in values], pa.string())
    return pc.if_else(pc.is_valid(column), texts, pa.scalar(None, pa.string()))


def _in_quotes(texts: pa.Array, delimiter: str) -> pa.Array:
    """Return texts with quotes around those that need them; an empty one is not null then."""
    pattern = f'^$|[\r\n"{re.escape(delimiter)}]|^[ \t]|[ \t]$'
    special = pc.match_substring_regex(texts, pattern)
    doubled = pc.replace_substring(texts, '"', '""')
    return pc.if_else(special, pc.binary_join_element_wise('"', doubled, '"', ""), texts)


def change_delimiter(
    source: Input, options: ReadOptions, path: Path, delimiter: str
) -> Sequence[str]:
    """Write a text table with another character between its cells, which stay as they are.

    A cell that holds that character gets quotes.

    Returns:
        What may be wrong with how the table is read.
    """
    hints = DelimitedSource(source, options).hints
    if options.ragged != "error":
        raise UsageError("--ragged keep keeps rows as they are; keep the delimiter, too")
    table = DelimitedSource(source, replace(options, header=False))
    names = [field.name for field in table.fields]
    with path.open("wb") as opened:
        file = table.text.writer(opened)
        file.write(with_delimiter(table.prefix, table.text.encoding, delimiter.encode()))
        for raw in _pieces(table):
            cells = table.cells(raw, names)
            bounds = csv_mask.outer_bounds(
                raw.data, cells.starts.reshape(-1), cells.ends.reshape(-1)
            )
            laid = csv_numbers.slices(raw.data, bounds.starts, bounds.ends)
            texts = without_nulls(csv_numbers.chosen(laid)).view(pa.binary())
            if raw.odd:
                texts = _well_quoted(texts, delimiter.encode(), table.dialect.escape)
            bare = pc.invert(pc.starts_with(texts, '"'))
            special = pc.and_(bare, pc.match_substring(texts, delimiter))
            quoted = pc.binary_join_element_wise(b'"', texts, b'"', b"")
            rows = np.arange(0, len(texts) + 1, len(names), dtype=np.int32)
            records = pa.ListArray.from_arrays(
                pa.array(rows), pc.if_else(special, quoted, texts).view(pa.string())
            )
            lines = pc.binary_join(records, delimiter)
            ended = pc.binary_join_element_wise(lines, "", table.line_end.decode())
            file.write(csv_numbers.text_bytes(ended) if len(ended) else b"")
        file.flush()
    return hints


def _well_quoted(texts: pa.Array, delimiter: bytes, escape: bytes) -> pa.Array:
    """Return cells of which none has a delimiter behind its closing quote, or a quote in others."""
    cells = texts.to_pylist()
    for at, cell in enumerate(cells):
        if delimiter not in cell or b'"' not in cell or _WELL_QUOTED.fullmatch(cell):
            continue
        says = unquote(cell, escape)
        escaped = says.replace(escape, escape * 2) if escape else says
        cells[at] = b'"' + escaped.replace(b'"', b'""') + b'"'
    return byte_cells(cells).view(pa.binary())

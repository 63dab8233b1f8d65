"""Read CSV and TSV files as typed tables, and create them.

A text table has no types, so it is read once to find them. A column holds whole numbers, numbers or
times only if every non-null cell does, and texts otherwise.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisify.core.arrow_arrays import bools, strings, to_numpy, validity, with_nulls, without_nulls
from noisify.core.chunk import NUMBER_KINDS
from noisify.core.dtypes import DAY
from noisify.core.errors import DataError, UsageError
from noisify.formats.arrow.columns import TICKS, array_of
from noisify.formats.csv import cells as csv_texts
from noisify.formats.csv import numbers as csv_numbers
from noisify.formats.csv.header import with_delimiter
from noisify.formats.csv.sniff import FLOAT, INT, TEXT
from noisify.formats.csv.source import DelimitedSource
from noisify.formats.csv.types import count_lines
from noisify.formats.read_options import ReadOptions
from noisify.formats.tables import Table, TableWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from noisify.core.chunk import Column, Field
    from noisify.files.input import Input
    from noisify.formats.csv.types import Block, Cells

_PIECE = 1 << 21
_WIDE_DECIMAL, _WIDEST_DECIMAL = 38, 76
"""The most digits that Arrow's 128-bit and 256-bit decimals hold."""

_NOTHING, _EMPTY, _LINE_END, _TRUE, _FALSE = (
    text for text in strings(["", csv_texts.EMPTY, "\n", "true", "false"]).view(pa.binary())
)  # scalars; `pa.scalar` would import pandas, which is slow
_CODE = re.compile(rf"^\s*{csv_numbers.CODE}\s*$")
_COMMA_SUFFIXES, _TAB_SUFFIXES = {".csv", ".txt"}, {".tsv", ".tab"}
_UTC = frozenset({"Z", "UTC", "GMT", "+00", "+0000", "+00:00"})


def read(source: Input, options: ReadOptions) -> Table:
    """Read a CSV or TSV file twice: once for its types, once for its values."""
    if options.ragged != "error":
        raise UsageError("--ragged keep keeps rows that no other format has; leave it out")
    source.spool()
    table = DelimitedSource(source, replace(options, strict=False, keep_decimals=False))
    _check_names(table)
    types = _types(table)
    schema = pa.schema([(field.name, types[field.name]) for field in table.fields])
    return Table(schema, _text_batches(table, schema), table.hints)


class CellReader:
    """Reads the cells of a CSV or TSV file as the types of a given schema.

    Args:
        source: The file.

    Attributes:
        names: The names of its columns.
        run: Empty: a text table has no place for the text of its run.
    """

    run = ""

    def __init__(self, source: Input) -> None:
        self._name = source.name
        self.names: list[str] = []
        if source.head().strip():
            options = ReadOptions(delimiter=_delimiter_of_mask(source), escape="")
            self._table = DelimitedSource(source, options)
            self.names = [field.name for field in self._table.fields]

    def batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Yield the rows. Fields that are not nullable hold `true` or `false`; empty means null.

        Raises:
            DataError: If a cell is not of its type.
        """
        for block in self._table.read((), _PIECE).pieces if self.names else ():
            cells = self._table.cells(block, self.names)
            columns = [
                self._column(block, cells.column(at), field) for at, field in enumerate(schema)
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    def _column(self, block: Block, found: Cells, field: pa.Field) -> pa.Array:
        texts = csv_numbers.chosen(csv_numbers.slices(found))
        if not field.nullable:
            true = csv_numbers.matches(texts, "true")
            others = np.flatnonzero(~true & ~csv_numbers.matches(texts, "false"))
            if len(others):
                wrong = found.where(others[:1])
                raise DataError(
                    f"has {next(wrong.contents()).decode('utf-8', 'replace')!r} for true or false",
                    path=self._name,
                    line=block.line + count_lines(block.data, int(wrong.starts[0])),
                )
            return bools(true)
        cells = without_nulls(texts).view(pa.binary())
        if block.quotes:
            cells = csv_texts.undoubled(cells)
        if pa.types.is_binary(field.type):
            return cells
        try:
            return with_nulls(cells.cast(pa.string()), found.starts == found.ends).cast(field.type)
        except pa.ArrowInvalid as error:
            raise DataError(
                f"has what is no {field.type}: {error}", path=self._name, field=field.name
            ) from None


reader = CellReader


def _delimiter_of_mask(source: Input) -> str:
    """Return the delimiter of a mask; one without a suffix has that of its table."""
    names = source.head().partition(b"\n")[0]
    if source.suffix in _COMMA_SUFFIXES or b"\t" not in names:
        return ","
    tabs = source.suffix in _TAB_SUFFIXES or names.count(b"\t") > names.count(b",")
    return "\t" if tabs else ","


def _check_names(table: DelimitedSource) -> None:
    """Refuse names with invalid bytes in the table's encoding: other formats cannot hold them."""
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
    """Return the type of each column that fits all its cells."""
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
    """The kinds of numbers seen so far in a column."""

    fractions: bool = False
    digits: int = 0  # of the longest number that does not fit int64
    others: bool = False

    def look(self, columns: Sequence[Column], texts: Column) -> None:
        """Add some cells, given both as numbers, whole ones where possible, and as texts."""
        self.fractions |= any(column.number == FLOAT for column in columns)
        for column in columns:
            if column.number.dtype == object:
                self.digits = max(self.digits, *(len(str(abs(v))) for v in column.values.tolist()))
        self.others |= bool(columns[0].unparseable) or any(map(_CODE.search, texts.values))

    @property
    def type(self) -> pa.DataType:
        """The narrowest type that loses nothing."""
        if self.others or (self.fractions and self.digits) or self.digits > _WIDEST_DECIMAL:
            return pa.string()
        if self.digits:
            wide = self.digits > _WIDE_DECIMAL
            return pa.decimal256(_WIDEST_DECIMAL, 0) if wide else pa.decimal128(_WIDE_DECIMAL, 0)
        return pa.float64() if self.fractions else pa.int64()


@dataclass
class _Times:
    """The kinds of times seen so far in a column."""

    tick: int = 1
    zones: set[str] = dataclasses.field(default_factory=set)
    of_day: bool = False
    dates_only: bool = True
    others: bool = False

    def look(self, column: Column) -> None:
        """Add some cells."""
        self.tick = column.number.tick
        self.of_day |= bool(column.number.span)
        self.zones |= set(column.layout.zones[column.layout.valid].tolist())
        layouts = [layout for layout in column.layout.layouts if layout is not None]
        self.dates_only &= not any(layout.separator for layout in layouts)
        self.others |= bool(column.unparseable) or any(
            layout.tick < self.tick for layout in layouts
        )

    @property
    def type(self) -> pa.DataType:
        """The narrowest type that loses nothing."""
        in_utc = {zone.lstrip().upper() in _UTC for zone in self.zones if zone}
        if self.others or False in in_utc or (in_utc and "" in self.zones):
            return pa.string()
        unit = next(unit for unit, tick in TICKS.items() if self.tick % tick == 0)
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
    """Convert a decoded column, which may come in parts by type, to Arrow."""
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
    values = column.values
    if pa.types.is_date32(kind):
        values = values // (DAY // column.number.tick)
        values = values.astype(np.int32)
    elif pa.types.is_timestamp(kind) or pa.types.is_time(kind):
        values = values * (column.number.tick // TICKS[kind.unit])
        values = values.astype(f"i{kind.bit_width // 8}", copy=False)
    return array_of(np.array(values), kind, column.valid)


def prepared(table: Table) -> Table:
    """Check that a text table can hold a table, and return it.

    Raises:
        UsageError: If it has no columns, or one of a type that a text table cannot hold.
    """
    if not table.schema.names:
        raise UsageError("has no columns, and a text table needs one")
    for field in table.schema:
        check_type(field)
    return table


def mask_schema(schema: pa.Schema) -> pa.Schema:
    """Check that a text table can hold the columns of a mask, and return them.

    Raises:
        UsageError: If a column could not be read back.
    """
    for field in schema:
        if not field.nullable or pa.types.is_binary(field.type):
            continue
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        try:
            check_type(field)
            strings([]).cast(kind)
        except (UsageError, pa.ArrowNotImplementedError):
            raise UsageError(
                f"holds {field.type}, which a mask that is a text table cannot give back; give "
                "--mask a name that ends in .parquet",
                field=field.name,
            ) from None
    return schema


def create(file: BinaryIO, schema: pa.Schema, delimiter: str = ",") -> TableWriter:
    """Create a CSV or TSV file: texts are quoted where needed, null is an empty cell.

    A binary column holds the raw bytes of cells, which are quoted.
    """
    header = csv_texts.with_quotes_where_needed(strings(schema.names).view(pa.binary()), delimiter)
    file.write(delimiter.encode().join(header.to_pylist()) + b"\n")
    return continued(file, schema, delimiter)


def continued(file: BinaryIO, _: pa.Schema, delimiter: str = ",") -> TableWriter:
    """Write rows without a header, to be joined with a file that has one."""
    return _TextWriter(file, delimiter)


class _TextWriter(TableWriter):
    """A CSV or TSV file being written."""

    def __init__(self, file: BinaryIO, delimiter: str) -> None:
        self._file = file
        (self._delimiter,) = strings([delimiter]).view(pa.binary())

    def encode(self, batch: pa.RecordBatch) -> pa.Buffer | bytes:
        """Return the lines of some rows."""
        if not batch.num_columns or not batch.num_rows:
            return b""
        cells = [_cells(column, self._delimiter.as_py().decode()) for column in batch.columns]
        if len(cells) == 1:  # an empty line would not count as a row
            cells[0] = pc.if_else(pc.equal(cells[0], _NOTHING), _EMPTY, cells[0])
        lines = pc.binary_join_element_wise(*cells, self._delimiter)
        return csv_numbers.text_bytes(pc.binary_join_element_wise(lines, _NOTHING, _LINE_END))

    def write(self, encoded: pa.Buffer | bytes) -> None:
        """Write some lines."""
        self._file.write(encoded)


def check_type(field: pa.Field) -> None:
    """Refuse a column of a type that a text table cannot hold.

    Raises:
        UsageError: If it has such a type.
    """
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


def _cells(column: pa.Array, delimiter: str) -> pa.Array:
    """Format a column as cells of a text table, as bytes; null becomes an empty cell."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_boolean(kind):
        cells = pc.if_else(column, _TRUE, _FALSE)
    elif pa.types.is_binary(kind):
        cells = csv_texts.with_quotes(column)
    elif pa.types.is_floating(kind):
        cells = _float_texts(column)
    elif pa.types.is_timestamp(kind):
        cells = pc.replace_substring(column.cast(pa.string()), " ", "T")
    else:
        cells = column.cast(pa.string()).view(pa.binary())
        tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
        if any(test(kind) for test in tests):
            cells = csv_texts.with_quotes_where_needed(cells, delimiter)
    cells = cells.view(pa.binary())
    return pc.coalesce(cells, _NOTHING) if cells.null_count else cells


def _float_texts(column: pa.Array) -> pa.Array:
    """Format float64 as Python's repr does, and narrower floats as NumPy does."""
    if column.type == pa.float64():
        values = to_numpy(without_nulls(column))
        texts = csv_numbers.format_floats(values)
    else:
        values = column.to_numpy(zero_copy_only=False).astype(column.type.to_pandas_dtype())
        texts = pa.array([str(value) for value in values], pa.string())
    return with_nulls(texts, ~validity(column)) if column.null_count else texts


def change_delimiter(
    source: Input, options: ReadOptions, path: Path, delimiter: str
) -> Sequence[str]:
    """Write a text table with another delimiter; the bytes of its cells stay.

    Unquoted cells that contain the new delimiter are quoted.

    Returns:
        Hints on what may have been misread.
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
            laid = csv_numbers.slices(table.cells(raw, names).flat().outer())
            texts = without_nulls(csv_numbers.chosen(laid)).view(pa.binary())
            if raw.odd:
                texts = csv_texts.well_quoted(texts, delimiter.encode(), table.dialect.escape)
            texts = csv_texts.with_quotes_if_cut(texts, delimiter.encode())
            rows = np.arange(0, len(texts) + 1, len(names), dtype=np.int32)
            records = pa.ListArray.from_arrays(pa.array(rows), texts.view(pa.string()))
            lines = pc.binary_join(records, delimiter)
            ended = pc.binary_join_element_wise(lines, "", table.line_end.decode())
            file.write(csv_numbers.text_bytes(ended) if len(ended) else b"")
        file.flush()
    return hints

"""Read CSV and TSV files as blocks of whole records, and decode their cells."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from noisify.core.arrow_arrays import array, bools, strings, with_nulls, without_nulls
from noisify.core.chunk import NUMBER_KINDS, Chunk, Column, Field, Positions
from noisify.core.errors import DataError
from noisify.core.lazy_libraries import pa, pc
from noisify.core.overriding import override
from noisify.formats.csv import cells as csv_texts
from noisify.formats.csv import numbers as csv_numbers
from noisify.formats.csv import times as csv_times
from noisify.formats.csv.encoding import TextInput
from noisify.formats.csv.header import read_head
from noisify.formats.csv.number_format import Notation, option_for, other_notations
from noisify.formats.csv.numbers import cell_parser, decimals_of, laid_over, slices
from noisify.formats.csv.reference_scan import walk
from noisify.formats.csv.scan import RecordReader, find_cells, within_quotes
from noisify.formats.csv.sniff import FLOAT, INT, LONG, TEXT, VIEWS, guess
from noisify.formats.csv.types import CR, LF, Block, Cells, Layout, RecordStart, count_lines
from noisify.formats.interface import Reading, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from noisify.core.chunk import Kind
    from noisify.core.dtypes import NumberType
    from noisify.files.input import Input
    from noisify.formats.csv.types import Parsed
    from noisify.formats.read_options import ReadOptions


_BYTES_A_FIELD = 1 << 12
_LARGEST_WIDE_BLOCK = 16 << 20
"""Blocks grow with the number of wanted fields, up to this, to spread the cost per field."""

_BEGIN = RecordStart(0, 0, 0)
_BYTES_IN_FLIGHT = 12 << 20
_CELLS_LOOKED_AT = 200
"""Unparseable cells to check for numbers in another notation."""


class DelimitedSource(Source[Block]):
    """An open CSV or TSV file.

    With `--ragged keep`, a record with too few or too many cells is a row of nulls. Its bytes pass
    through.

    Attributes:
        text: The file, transcoded if necessary.
        notation: The notation of its numbers.
        dialect: The dialect of the table.
        prefix: The bytes before the first record of data: byte order mark, preamble, header.
        line_end: The first line's end, to use where a line end must be added.
        hints: Notes on what may have been misread, and what to type then.
    """

    hints: list[str]

    def __init__(self, source: Input, options: ReadOptions) -> None:
        self.text = TextInput(source, options.encoding)
        self.notation = Notation.of(options, self.text.encoding)
        self._name = source.name
        self._memory = source.memory
        self._options = options
        self._parser = cell_parser(options.nulls, self.notation)
        head = read_head(self.text, options, self.notation)
        self.dialect = head.dialect
        self.prefix = head.prefix
        self.line_end = head.line_end
        self._places = {name: place for place, name in enumerate(head.names)}
        self._ragged_rows: dict[int, int] = {}
        self.hints = list(head.hints)
        sample = self._reader(io.BytesIO(head.sample)).cut(head.sample, at_end=head.whole)
        self._only_block = sample if head.whole and self.text.path is not None else None
        self._sampled: Sequence[Parsed] = ()
        self.fields = self._infer(sample)
        if head.has_row_names:
            self.fields = (_label(self.fields[0]), *self.fields[1:])
        self.empty = head.whole and (sample is None or not sample.rows)

    def notes_of_reading(self) -> list[str]:
        """Return a note on the rows read so far that were too short or too long."""
        count = self.ragged_rows(0, math.inf) + self.ragged_elsewhere
        if not count:
            return []
        rows = f"{count:,} row" + ("" if count == 1 else "s")
        return [f"{rows} of {self._name} too short or too long, left alone"]

    def ragged_rows(self, start: int, stop: float) -> int:
        """Count the rows in a range of rows that were too short or too long, as far as read."""
        return sum(count for row, count in self._ragged_rows.items() if start <= row < stop)

    def _infer(self, sample: Block | None) -> tuple[Field, ...]:
        """Guess each column's type from a sample."""
        if sample is None or not sample.rows:
            return tuple(self._field(name, "other", "empty", TEXT) for name in self._places)
        cells = within_quotes(sample, self._find(sample, list(self._places)))
        columns = [cells.column(at) for at in range(len(self._places))]
        self._sampled = floats = self._parser.float_columns(cells)
        found = list(zip(self._places, floats, columns, strict=True))
        if self.notation.is_usual:
            self.hints += other_notations(
                {name: self._unparseable_cells(parsed, column) for name, parsed, column in found}
            )
        return tuple(
            self._field(name, *guess(self._parser, parsed, column))
            for name, parsed, column in found
        )

    def _field(self, name: str, kind: Kind, type_name: str, number: NumberType) -> Field:
        return Field(name, kind, type_name, number, views=VIEWS, missing=self._parser.missing)

    def _unparseable_cells(self, parsed: Parsed, cells: Cells) -> list[str]:
        """Return the first cells that are not numbers, if the first is in another notation."""
        if parsed.unparseable is None:
            return []
        some = cells.where(np.flatnonzero(parsed.unparseable)[:_CELLS_LOOKED_AT])
        texts = (cell.decode(self.text.encoding, "replace") for cell in some.contents())
        first = next(texts)
        return [first, *texts] if option_for([first.strip(" \t")]) else []

    def _reader(self, stream: BinaryIO, start: RecordStart = _BEGIN) -> RecordReader:
        line = int(self.line_of(start))
        return RecordReader(stream, self.dialect, line, self._memory, start.row)

    def line_of(self, start: RecordStart) -> float:
        """Return the number of the line at which a record starts."""
        return 1 + count_lines(self.prefix, len(self.prefix)) + start.line

    def read(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[Block]:
        """Read blocks of whole records; for many fields, larger blocks with fewer in flight."""
        bytes_, in_flight = block_size(groups, size)
        return Reading(self._blocks(bytes_), in_flight)

    def blocks_between(self, start: RecordStart, stop: int, size: int) -> Iterator[Block]:
        """Read blocks of the records from one record start to another.

        Args:
            start: The start of the first record.
            stop: The offset of the end of the last.
            size: The size of a block in bytes.
        """
        with self.text.open_at(start.offset, stop) as stream:
            yield from self._reader(stream, start).blocks(size)

    def _blocks(self, size: int) -> Iterator[Block]:
        if self._only_block is not None and len(self._only_block.data) < size:
            yield self._only_block  # a small file, which has been read already
            return
        with self.text.open() as stream:
            skipped = len(self.prefix)
            while skipped and (data := stream.read(skipped)):
                skipped -= len(data)
            yield from self._reader(stream).blocks(size)

    def cells(self, raw: Block, names: Sequence[str]) -> Cells:
        """Find the cells of some columns, and count the ragged rows."""
        cells = self._find(raw, names)
        if cells.ragged is not None:  # by row, since a block may be read more than once
            self._ragged_rows[raw.row] = int(np.count_nonzero(cells.ragged))
        return cells

    def _find(self, raw: Block, names: Sequence[str]) -> Cells:
        places = [self._places[name] for name in names]
        return find_cells(raw, self.dialect, places)

    def decode(self, raw: Block, wanted: Sequence[Field]) -> Chunk:
        """Decode the wanted columns, which must be in file order.

        Raises:
            DataError: If a record is ragged, or, with `strict`, if a cell is unparseable.
        """
        if not wanted:
            return Chunk((), rows=Positions.range(raw.row, raw.row + raw.rows))
        whole = self.cells(raw, [field.name for field in wanted])
        texts = [field.number is not None and field.number.kind == "text" for field in wanted]
        cells = within_quotes(raw, whole, texts)
        positions = Positions.range(raw.row, raw.row + raw.rows)
        floats = self._floats(raw, wanted, cells)
        columns: list[Column] = []
        bad: list[_Unparseable] = []
        plain = not (self._options.keep_decimals or self.notation.thousands)
        for at, field in enumerate(wanted):
            found = floats.get(at)
            if plain and found is not None and found.unparseable is None:
                column = Column(field, FLOAT, positions, found.values, found.valid, found.nulls)
                columns.append(column)
                continue
            here = cells.column(at)
            if found is None and _is_of_words(field):
                columns.append(self._words(field, here, positions, bad))
                continue
            parsed = self._parser.integers(here) if found is None else (found,)
            columns += self._numbers(field, parsed, here, positions, bad)
        if bad and self._options.strict:
            self._complain(raw, min(bad, key=lambda cell: cell.start))
        layout = Layout(cells, {field.name: at for at, field in enumerate(wanted)}, whole)
        return Chunk(tuple(columns), layout, positions)

    def _floats(self, raw: Block, wanted: Sequence[Field], cells: Cells) -> dict[int, Parsed]:
        """Parse the fields that hold floats; return them by their places among those wanted."""
        places = [
            at for at, field in enumerate(wanted) if not _is_of_words(field) and field.kind != "int"
        ]
        if raw is self._only_block and self._sampled:
            return {at: self._sampled[self._places[wanted[at].name]] for at in places}
        if len(places) < len(wanted):
            cells = cells.columns(places)
        return dict(zip(places, self._parser.float_columns(cells), strict=True))

    def _numbers(
        self,
        field: Field,
        found: tuple[Parsed, ...],
        cells: Cells,
        positions: Positions,
        bad: list[_Unparseable],
    ) -> Iterator[Column]:
        """Yield the columns of a numeric field; record its first unparseable cell."""
        decimals = grouped = None
        if self._options.keep_decimals:
            decimals = decimals_of(slices(cells), self.notation.decimal)
        if self.notation.thousands:
            grouped = self.notation.grouped(csv_numbers.chosen(slices(cells)))
        for parsed in found:
            unparseable, cell = parsed.unparseable, ""
            if unparseable is not None:
                bad.append(self._first_cell(field, unparseable, cells))
                cell = bad[-1].text
            yield Column(
                field,
                _number_type(parsed),
                positions,
                parsed.values,
                parsed.valid,
                nulls=parsed.nulls,
                unparseable=0 if unparseable is None else int(np.count_nonzero(unparseable)),
                first_unparseable=cell,
                decimals=decimals,
                layout=grouped,
            )

    def _words(
        self, field: Field, cells: Cells, positions: Positions, bad: list[_Unparseable]
    ) -> Column:
        """Decode a field of texts or times; record its first unparseable cell."""
        number = field.number or TEXT
        texts = csv_numbers.chosen(slices(cells))
        null = self._parser.is_null(texts)
        nulls = int(np.count_nonzero(null))
        valid = ~null if nulls else None
        if number.kind == "text":
            in_quotes = cells.quoted()
            escape = self.dialect.escape
            values = csv_texts.decode(texts, in_quotes, self.text.encoding, escape)
            return Column(field, number, positions, values, valid, nulls, layout=in_quotes)
        times = csv_times.decode_times(texts, number)
        unparseable = ~times.valid & ~null
        cell = ""
        if unparseable.any():
            bad.append(self._first_cell(field, unparseable, cells))
            cell = bad[-1].text
        return Column(
            field, number, positions, times.values, times.valid & ~null, nulls,
            int(np.count_nonzero(unparseable)), cell, layout=times,
        )  # fmt: skip

    def _first_cell(self, field: Field, which: NDArray[np.bool_], cells: Cells) -> _Unparseable:
        start, end = (int(bounds[np.argmax(which)]) for bounds in (cells.starts, cells.ends))
        text = cells.data[start:end].decode(self.text.encoding, "replace")
        return _Unparseable(start, field, text)

    def _complain(self, block: Block, cell: _Unparseable) -> None:
        what = "time" if _is_of_words(cell.field) else "number"
        raise DataError(
            f"{cell.text!r} is not a {what}; drop --strict to leave such cells as they are",
            path=self._name,
            line=block.line + count_lines(block.data, cell.start),
            field=cell.field.name,
        )

    @override
    def original_type(self, field: Field) -> pa.DataType:
        """Return binary, for the raw bytes of cells."""
        return pa.binary()

    @override
    def originals(
        self, raw: Block, chunk: Chunk, column: Column, changed: NDArray[np.bool_]
    ) -> pa.Array:
        """Return the raw bytes of a column's changed cells, with quotes; null elsewhere."""
        layout: Layout = chunk.layout
        outer = layout.found.column(layout.places[column.field.name]).outer()
        cells = csv_numbers.chosen(slices(outer))
        return with_nulls(without_nulls(cells).view(pa.binary()), ~changed)

    @override
    def as_read(self, raw: Block, encoded: Sequence[bytes]) -> Block:
        """Return an encoded block as it will be read."""
        data = b"".join(encoded)
        block = self._reader(io.BytesIO(data)).cut(data, at_end=True)
        return raw if block is None else replace(block, row=raw.row)

    @override
    def cells_where(
        self, raw: Block, names: Sequence[str], which: NDArray[np.bool_]
    ) -> Iterator[tuple[str, NDArray[np.int64], pa.Array]]:
        """Yield the rows and bytes of some cells of each field, without the quotes around them."""
        cells = self._find(raw, names)
        for at, name in enumerate(names):
            rows = np.flatnonzero(which[:, at])
            yield name, rows, csv_numbers.chosen(slices(cells.column(at).where(rows)))

    @override
    def condition_values(
        self, raw: Block, chunk: Chunk, names: Iterable[str]
    ) -> dict[str, pa.Array]:
        """Return numeric columns as float64 and others as text, with their nulls."""
        wanted = self.fields_called(names)
        texts = [field.kind not in NUMBER_KINDS for field in wanted]
        cells = within_quotes(raw, self.cells(raw, [field.name for field in wanted]), texts)
        values: dict[str, pa.Array] = {}
        for at, field in enumerate(wanted):
            if field.kind in NUMBER_KINDS:
                parsed = self._parser.floats(cells.column(at))
                numbers = array(parsed.values)
                there = parsed.valid
                values[field.name] = numbers if there is None else with_nulls(numbers, ~there)
            else:
                values[field.name] = self._texts(raw, cells.column(at))
        return values

    @override
    def key_values(self, raw: Block, chunk: Chunk, names: Sequence[str]) -> dict[str, pa.Array]:
        """Return columns as texts, with their nulls; numbers with a decimal comma as float64."""
        if self.notation.decimal != b".":
            return self.condition_values(raw, chunk, names)
        cells = within_quotes(raw, self.cells(raw, list(names)), [True] * len(names))
        return {name: self._texts(raw, cells.column(at)) for at, name in enumerate(names)}

    def _texts(self, raw: Block, cells: Cells) -> pa.Array:
        """Return cells as texts, with their nulls."""
        found = csv_numbers.chosen(slices(cells))
        plain = self._as_utf8(found, cells.quoted(), well_quoted=not raw.odd)
        return with_nulls(plain, self._parser.is_null(found))

    def _as_utf8(
        self, texts: pa.Array, in_quotes: NDArray[np.bool_], *, well_quoted: bool
    ) -> pa.Array:
        """Decode cells to an Arrow string array."""
        encoding, escape = self.text.encoding, self.dialect.escape
        if encoding != "utf-8" or escape or not well_quoted:
            return strings(csv_texts.decode(texts, in_quotes, encoding, escape).tolist())
        if not in_quotes.any():
            return texts
        return pc.if_else(bools(in_quotes), csv_texts.undoubled(texts), texts)

    @property
    def marks_cells(self) -> bool:
        """Whether the decimal mark is also the delimiter, so that decimals need quotes."""
        return self.dialect.delimiter == self.notation.decimal

    def written(
        self, field: Field, texts: NDArray[np.object_], in_quotes: NDArray[np.bool_]
    ) -> pa.Array:
        """Encode texts as cells of a field.

        Args:
            field: The field.
            texts: The texts, Python strings.
            in_quotes: Mask of the cells that already have quotes around them.
        """
        is_first = self._places[field.name] == 0
        dialect = self.dialect if is_first else replace(self.dialect, comment=b"")
        return csv_texts.encode(texts, in_quotes, dialect, self.text.encoding)

    def nothing(self, field: Field, in_quotes: NDArray[np.bool_]) -> pa.Array:
        """Return null cells: the first text of `--na`, or empty.

        In a table of one column they are empty quotes, since an empty line is not a record.
        """
        bare = self._options.nulls[0] if self._options.nulls else ""
        if self.dialect.columns == 1 and not bare:
            return strings(["" if inside else csv_texts.EMPTY for inside in in_quotes.tolist()])
        return self.written(field, np.full(len(in_quotes), bare, object), in_quotes)

    def records(self, data: bytes) -> pa.Array:
        """Split bytes into records, with their line ends, and the bytes between them.

        Returns:
            2n + 1 texts for n records: the bytes before the first, the first, the bytes before
            the second, ….
        """
        block = self._reader(io.BytesIO(data)).cut(data, at_end=True)
        if block is None:
            return strings([""])
        cells = self._find(block, list(self._places))
        starts, ends = cells.column(0).outer().starts, cells.column(-1).outer().ends
        if cells.ragged is not None:
            for row in np.flatnonzero(cells.ragged).tolist():
                record = next(walk(data, self.dialect, int(starts[row]), at_end=True))
                ends[row] = len(data) if record.open else record.spans[-1][1]
        if data[-1] not in b"\r\n":
            data += self.line_end
        characters = np.frombuffer(data, np.uint8)
        after = np.minimum(ends + 1, len(data) - 1)
        ends += 1 + ((characters[ends] == CR) & (characters[after] == LF) & (after > ends))
        return laid_over(Cells(data, starts, ends))

    def size_of(self, raw: Block) -> int:
        """Return the bytes of a block in the file."""
        return self.text.original_size(raw.data)


def block_size(groups: Sequence[Sequence[Field]], size: int) -> tuple[int, int | None]:
    """Return a block's size in bytes, and how many may be in flight (None for the default)."""
    fields = sum(len(group) for group in groups)
    wide = min(fields * _BYTES_A_FIELD, _LARGEST_WIDE_BLOCK)
    return max(size, wide), None if wide <= size else max(1, _BYTES_IN_FLIGHT // wide)


class _Unparseable(NamedTuple):
    """A cell that does not parse as its field's type."""

    start: int
    field: Field
    text: str


def _label(field: Field) -> Field:
    """Return a field of row names, which gets noise only if it is selected by its exact name."""
    return Field(field.name, "text", "row names", TEXT, views=VIEWS)


def _is_of_words(field: Field) -> bool:
    """Return whether a field is read as texts or times."""
    return field.number is not None and field.number.kind in {"text", "time"}


def _number_type(parsed: Parsed) -> NumberType:
    if parsed.values.dtype == object:
        return LONG
    return INT if parsed.values.dtype.kind == "i" else FLOAT

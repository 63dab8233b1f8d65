"""CSV and TSV by splicing: new numbers are put between the old bytes, which stay as they are."""

from __future__ import annotations

import codecs
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisify.chunks import NUMBER_KINDS, Chunk, Column, Field, Kind, NumberType, Positions
from noisify.errors import DataError, UsageError
from noisify.formats import csv_numbers
from noisify.formats.arrow_arrays import array, bools, with_nulls
from noisify.formats.csv_numbers import CellParser, Parsed, decimals_of, slices
from noisify.formats.csv_records import (
    Block,
    Cells,
    Dialect,
    RecordReader,
    count_lines,
    find_cells,
    first_record,
    unquote,
    without_blanks,
)
from noisify.inputs import HEAD_BYTES
from noisify.sink import write_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from noisify.formats.interface import NoisyColumn, ReadOptions
    from noisify.inputs import Input
    from noisify.sink import Output

DELIMITERS = (b",", b"\t", b";", b"|")
_SNIFFED_RECORDS = 20
_NUMBERS_AMONG_CELLS = 0.9
"""The share of a sample's cells that must be numbers for its column to count as one of numbers."""

_FLOAT = NumberType("float", np.dtype(np.float64))
_INT = NumberType("int", np.dtype(np.int64))
_LONG = NumberType.decimal(38, 0)


@dataclass(frozen=True)
class Layout:
    """Where the cells of the decoded columns stand in their block, in the order of the file."""

    cells: Cells
    places: dict[str, int]


class DelimitedSource:
    """An open CSV or TSV file.

    Attributes:
        prefix: The bytes before the first record of data: the BOM and the header.
    """

    def __init__(self, source: Input, options: ReadOptions) -> None:
        self._input = source
        self._options = options
        self._parser = CellParser(options.nulls)
        self._check_encoding(options.encoding)
        head = source.head()
        self._refuse_binary(head)
        bom = codecs.BOM_UTF8 if head.startswith(codecs.BOM_UTF8) else b""
        text = head[len(bom) :]
        self.dialect = Dialect(self._delimiter(text))
        cells, after = first_record(text, self.dialect, source.name)
        names = self._names(cells) if options.header else [str(i + 1) for i in range(len(cells))]
        self.prefix = bom + text[: after if options.header else 0]
        self._columns = len(cells)
        self._places = {name: place for place, name in enumerate(names)}
        self.fields = self._infer(names, head[len(self.prefix) :], whole=len(head) < HEAD_BYTES)
        self.notes: list[str] = []
        self.in_flight = None
        self.empty = options.header and not text[after:].strip(b"\r\n")

    def _check_encoding(self, encoding: str) -> None:
        try:
            printable = "".join(map(chr, range(128)))
            if printable.encode(encoding) != printable.encode("ascii"):
                raise UsageError(
                    f"encoding {encoding} does not write digits and commas as ASCII does; "
                    f"convert with: iconv -f {encoding} -t utf-8 FILE | noisify"
                )
        except LookupError:
            raise UsageError(f"no encoding is called {encoding!r}; try utf-8 or latin-1") from None

    def _refuse_binary(self, head: bytes) -> None:
        for bom, encoding in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
            if head.startswith(bom):
                raise DataError(
                    f"is {encoding} text; convert it: iconv -f {encoding} -t utf-8 FILE | noisify",
                    path=self._input.name,
                )
        if head[:512].count(b"\0") > len(head[:512]) // 8:
            raise DataError(
                "looks like a binary file, not CSV; say what it is with --from",
                path=self._input.name,
            )

    def _delimiter(self, text: bytes) -> bytes:
        given = self._options.delimiter
        if given is not None:
            return delimiter_bytes(given)
        return b"\t" if self._input.suffix in {".tsv", ".tab"} else sniff(text)

    def _names(self, cells: list[bytes]) -> list[str]:
        """Return the columns' names; empty and repeated ones are told apart as pandas does it."""
        names: dict[str, None] = {}  # in order, and quick to look up
        for place, cell in enumerate(cells):
            text = unquote(cell).decode(self._options.encoding, "surrogateescape")
            name = text or f"Unnamed: {place}"
            copies = 0
            while name in names:
                copies += 1
                name = f"{text or f'Unnamed: {place}'}.{copies}"
            names[name] = None
        return list(names)

    def _infer(self, names: list[str], sample: bytes, *, whole: bool) -> tuple[Field, ...]:
        """Guess each column's type from the whole records in a sample."""
        block = self._reader(io.BytesIO(sample)).cut(sample, at_end=whole)
        if block is None or not block.rows:
            return tuple(Field(name, "other", "empty", _FLOAT) for name in names)
        every = list(range(self._columns))
        cells = find_cells(block, self.dialect, self._columns, every, self._input.name)
        return tuple(
            _guess(name, self._parser, block.data, cells.starts[:, i], cells.ends[:, i])
            for i, name in enumerate(names)
        )

    def _reader(self, stream: BinaryIO) -> RecordReader:
        line = 1 + count_lines(self.prefix, len(self.prefix))
        return RecordReader(stream, self.dialect, self._columns, self._input.name, line)

    def chunks(
        self,
        wanted: Sequence[Sequence[Field]],  # noqa: ARG002
        size: int,
        *,
        complete: bool,  # noqa: ARG002
    ) -> Iterator[Block]:
        """Yield blocks of whole records."""
        with self._input.open() as stream:
            skipped = len(self.prefix)
            while skipped and (data := stream.read(skipped)):
                skipped -= len(data)
            yield from self._reader(stream).blocks(size)

    def decode(self, raw: Block, wanted: Sequence[Field]) -> Chunk:
        """Return the wanted columns, which come in file order, as numbers.

        Raises:
            DataError: If a record is ragged, or, with `strict`, if a cell is not a number.
        """
        if not wanted:
            return Chunk(())
        places = [self._places[field.name] for field in wanted]
        cells = find_cells(raw, self.dialect, self._columns, places, self._input.name)
        positions = Positions.range(raw.row, raw.row + raw.rows)
        columns: list[Column] = []
        for at, field in enumerate(wanted):
            starts, ends = cells.starts[:, at], cells.ends[:, at]
            keep = self._options.keep_decimals
            decimals = decimals_of(slices(raw.data, starts, ends)) if keep else None
            for parsed in self._parse(field, raw.data, starts, ends):
                strangers = 0 if parsed.strange is None else int(np.count_nonzero(parsed.strange))
                if strangers and self._options.strict:
                    self._complain(raw, field, starts, ends, parsed)
                columns.append(
                    Column(
                        field,
                        _number_type(parsed),
                        positions,
                        parsed.values,
                        parsed.valid,
                        nulls=parsed.nulls,
                        strangers=strangers,
                        decimals=decimals,
                    )
                )
        return Chunk(
            tuple(columns), Layout(cells, {field.name: at for at, field in enumerate(wanted)})
        )

    def _parse(
        self, field: Field, data: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> tuple[Parsed, ...]:
        if field.kind == "int":
            return self._parser.integers(data, starts, ends)
        return (self._parser.floats(data, starts, ends),)

    def _complain(
        self,
        block: Block,
        field: Field,
        starts: NDArray[np.int64],
        ends: NDArray[np.int64],
        parsed: Parsed,
    ) -> None:
        strange = parsed.strange
        row = int(np.flatnonzero(strange)[0]) if strange is not None else 0
        cell = block.data[starts[row] : ends[row]].decode(self._options.encoding, "replace")
        raise DataError(
            f"{cell!r} is not a number; drop --strict to leave such cells as they are",
            path=self._input.name,
            line=block.line + count_lines(block.data, int(starts[row])),
            field=field.name,
        )

    def condition_values(
        self,
        raw: Block,
        chunk: Chunk,  # noqa: ARG002
        names: Iterable[str],
    ) -> dict[str, pa.Array]:
        """Return columns as numbers where they hold such, else as text; null where they are."""
        wanted = [field for field in self.fields if field.name in set(names)]
        places = [self._places[field.name] for field in wanted]
        cells = find_cells(raw, self.dialect, self._columns, places, self._input.name)
        values: dict[str, pa.Array] = {}
        for at, field in enumerate(wanted):
            starts, ends = cells.starts[:, at], cells.ends[:, at]
            if field.kind in NUMBER_KINDS:
                parsed = self._parser.floats(raw.data, starts, ends)
                numbers = array(parsed.values)
                there = parsed.valid
                values[field.name] = numbers if there is None else with_nulls(numbers, ~there)
            else:
                texts = csv_numbers.chosen(slices(raw.data, starts, ends))
                plain = pc.replace_substring(texts, '""', '"') if raw.quotes else texts
                values[field.name] = with_nulls(plain, self._parser.is_null(texts))
        return values

    def size_of(self, raw: Block) -> int:
        """Return the bytes of a block."""
        return len(raw.data)

    def length(self, field: Field) -> None:  # noqa: ARG002
        """Return None: only reading it all would tell."""
        return

    def close(self) -> None:
        """Do nothing: the file is open only while it is read."""


def delimiter_bytes(text: str) -> bytes:
    r"""Return the delimiter that was typed; `\t` and `tab` mean a tab.

    Raises:
        UsageError: If it is not one ASCII character that can stand between cells.
    """
    character = {"\\t": "\t", "tab": "\t"}.get(text, text)
    if (
        len(character) != 1
        or not character.isascii()
        or character in '"\r\n'
        or character.isalnum()
    ):
        raise UsageError(f"delimiter {text!r} is not one character such as , ; | or \\t")
    return character.encode()


def sniff(text: bytes) -> bytes:
    """Guess the delimiter: the one that cuts the first records into equally many cells.

    That is two cells or more. The comma wins when it does that; a table in which nothing does has
    one column.
    """
    for delimiter in DELIMITERS:
        widths = _widths(text, Dialect(delimiter))
        if widths and widths[0] > 1 and len(set(widths)) == 1:
            return delimiter
    return DELIMITERS[0]


def _widths(text: bytes, dialect: Dialect) -> list[int]:
    """Return the number of cells in each of the first records, those that are whole."""
    pattern = dialect.cells()
    widths: list[int] = []
    position = width = 0
    while len(widths) < _SNIFFED_RECORDS and position < len(text):
        match = pattern.match(text, position)
        if match is None:
            break
        position = match.end()
        width += 1
        if match[2] == dialect.delimiter:
            continue
        if width > 1 or match[1]:
            widths.append(width)
        width = 0
    return widths


def _guess(
    name: str,
    parser: CellParser,
    data: bytes,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> Field:
    """Guess a column's type from a sample of its cells."""
    parsed = parser.floats(data, starts, ends)
    values = parsed.values if parsed.valid is None else parsed.values[parsed.valid]
    if parsed.strange is None and not (values == np.rint(values)).all():
        return Field(name, "float", "float64", _FLOAT)
    texts = csv_numbers.chosen(slices(data, starts, ends))
    filled = texts.filter(bools(~parser.is_null(texts)))
    if not len(filled):
        return Field(name, "other", "empty", _FLOAT)
    readable = len(filled)
    if parsed.strange is not None:
        readable -= int(np.count_nonzero(parsed.strange))
    if readable < _NUMBERS_AMONG_CELLS * len(filled):
        kind: Kind = "time" if _are_times(filled) else "text"
        return Field(name, kind, kind, _FLOAT)
    trimmed = pc.ascii_trim(filled, " \t")
    if csv_numbers.matches(trimmed, csv_numbers.CODE).any():
        return Field(name, "text", "text", _FLOAT)
    whole = csv_numbers.matches(trimmed, csv_numbers.WHOLE)
    if np.count_nonzero(whole) == readable:
        return Field(name, "int", "int64", _INT)
    return Field(name, "float", "float64", _FLOAT)


def _are_times(texts: pa.Array) -> bool:
    """Return whether all texts look like ISO 8601 dates or times."""
    pattern = r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}.*)?|\d{2}:\d{2}(?::\d{2}.*)?"
    return bool(csv_numbers.matches(texts, pattern).all())


def _number_type(parsed: Parsed) -> NumberType:
    if parsed.values.dtype == object:
        return _LONG
    return _INT if parsed.values.dtype.kind == "i" else _FLOAT


class DelimitedSink:
    """A CSV or TSV file being written."""

    def __init__(self, source: DelimitedSource, output: Output) -> None:
        self._file = output.file
        write_all(self._file, source.prefix)

    def encode(self, raw: Block, chunk: Chunk, noisy: Sequence[NoisyColumn]) -> bytes | pa.Buffer:
        """Return the block's bytes with its changed cells in them."""
        noisy = [column for column in noisy if column.changed.any()]
        if not noisy:
            return raw.data
        layout: Layout = chunk.layout
        found = [layout.places[column.column.field.name] for column in noisy]
        order = sorted(set(found))
        places = np.searchsorted(order, found).tolist()
        changed = np.zeros((raw.rows, len(order)), bool)
        for column, place in zip(noisy, places, strict=True):
            changed[:, place] |= column.changed
        starts = np.ascontiguousarray(layout.cells.starts[:, order]).reshape(-1)
        ends = np.ascontiguousarray(layout.cells.ends[:, order]).reshape(-1)
        starts, ends = without_blanks(raw.data, starts, ends)
        texts = _texts(noisy, places, changed)
        return csv_numbers.splice(raw.data, starts, ends, changed.reshape(-1), texts)

    def write(self, encoded: bytes | pa.Buffer) -> None:
        """Write one block."""
        write_all(self._file, memoryview(encoded))

    def finish(self) -> None:
        """Do nothing: a table has no end mark."""

    def close(self) -> None:
        """Do nothing: the output closes its file."""


def _texts(
    noisy: Sequence[NoisyColumn], places: Sequence[int], changed: NDArray[np.bool_]
) -> pa.Array:
    """Return a text for each changed cell, record by record."""
    if all(c.values.dtype == np.float64 and c.decimals is None for c in noisy) and len(
        set(places)
    ) == len(places):
        values = np.empty(changed.shape)
        for column, place in zip(noisy, places, strict=True):
            values[:, place] = column.values
        return csv_numbers.format_floats(values.reshape(-1) if changed.all() else values[changed])
    texts = [_text(column) for column in noisy]
    width = changed.shape[1]
    where = np.concatenate(
        [
            np.flatnonzero(column.changed) * width + place
            for column, place in zip(noisy, places, strict=True)
        ]
    )
    return pa.concat_arrays(texts).take(array(np.argsort(where, kind="stable")))


def _text(column: NoisyColumn) -> pa.Array:
    values = column.values[column.changed]
    if values.dtype != np.float64:
        return csv_numbers.format_integers(values)
    match column.decimals:
        case None:
            return csv_numbers.format_floats(values)
        case int() as digits:
            return csv_numbers.format_fixed(values, digits)
        case digits:
            return csv_numbers.format_fixed(values, digits[column.changed])


def open_source(source: Input, options: ReadOptions) -> DelimitedSource:
    """Open a CSV or TSV file."""
    return DelimitedSource(source, options)


def open_sink(source: DelimitedSource, output: Output) -> DelimitedSink:
    """Start a table like the source."""
    return DelimitedSink(source, output)

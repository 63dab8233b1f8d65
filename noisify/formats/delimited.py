"""CSV and TSV by splicing: new numbers are put between the old bytes, which stay as they are."""

from __future__ import annotations

import codecs
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisify.chunks import NUMBER_KINDS, Chunk, Column, Field, Positions
from noisify.errors import DataError, UsageError
from noisify.formats import csv_numbers, csv_texts
from noisify.formats.arrow_arrays import array, strings, with_nulls
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
from noisify.formats.csv_sniffing import (
    FLOAT,
    INT,
    LONG,
    TEXT,
    VIEWS,
    delimiter_bytes,
    guess,
    sniff,
)
from noisify.inputs import HEAD_BYTES
from noisify.sink import write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from noisify.formats.interface import MaskSink, NoisyColumn, ReadOptions
    from noisify.inputs import Input
    from noisify.sink import Output
    from noisify.value_types import NumberType


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
            return tuple(Field(name, "other", "empty", TEXT, views=VIEWS) for name in names)
        every = list(range(self._columns))
        cells = find_cells(block, self.dialect, self._columns, every, self._input.name)
        return tuple(
            guess(name, self._parser, block.data, cells.starts[:, i], cells.ends[:, i])
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

    def cells(self, raw: Block, names: Sequence[str]) -> Cells:
        """Return where the cells of some columns stand, as `find_cells` does."""
        places = [self._places[name] for name in names]
        return find_cells(raw, self.dialect, self._columns, places, self._input.name)

    def decode(self, raw: Block, wanted: Sequence[Field]) -> Chunk:
        """Return the wanted columns, which come in file order, as numbers.

        Raises:
            DataError: If a record is ragged, or, with `strict`, if a cell is not a number.
        """
        if not wanted:
            return Chunk((), rows=Positions.range(raw.row, raw.row + raw.rows))
        places = [self._places[field.name] for field in wanted]
        cells = find_cells(raw, self.dialect, self._columns, places, self._input.name)
        positions = Positions.range(raw.row, raw.row + raw.rows)
        columns: list[Column] = []
        for at, field in enumerate(wanted):
            starts, ends = cells.starts[:, at], cells.ends[:, at]
            if field.number is not None and field.number.kind in {"text", "time"}:
                columns.append(self._words(raw, field, starts, ends, positions))
            else:
                columns += self._numbers(raw, field, starts, ends, positions)
        layout = Layout(cells, {field.name: at for at, field in enumerate(wanted)})
        return Chunk(tuple(columns), layout, positions)

    def _numbers(
        self,
        raw: Block,
        field: Field,
        starts: NDArray[np.int64],
        ends: NDArray[np.int64],
        positions: Positions,
    ) -> Iterator[Column]:
        """Yield the columns of a field of numbers."""
        keep = self._options.keep_decimals
        decimals = decimals_of(slices(raw.data, starts, ends)) if keep else None
        for parsed in self._parse(field, raw.data, starts, ends):
            strangers = 0 if parsed.strange is None else int(np.count_nonzero(parsed.strange))
            if strangers and self._options.strict:
                self._complain(raw, field, starts, ends, parsed)
            yield Column(
                field,
                _number_type(parsed),
                positions,
                parsed.values,
                parsed.valid,
                nulls=parsed.nulls,
                strangers=strangers,
                decimals=decimals,
            )

    def _words(
        self,
        raw: Block,
        field: Field,
        starts: NDArray[np.int64],
        ends: NDArray[np.int64],
        positions: Positions,
    ) -> Column:
        """Return a field of texts or times."""
        number = field.number or TEXT
        texts = csv_numbers.chosen(slices(raw.data, starts, ends))
        null = self._parser.is_null(texts)
        nulls = int(np.count_nonzero(null))
        valid = ~null if nulls else None
        if number.kind == "text":
            in_quotes = csv_texts.quoted(raw.data, starts)
            values = csv_texts.decode(texts, in_quotes, self._options.encoding)
            return Column(field, number, positions, values, valid, nulls, layout=in_quotes)
        times = csv_texts.decode_times(texts, number.tick)
        strange = int(np.count_nonzero(~times.valid & ~null))
        return Column(
            field, number, positions, times.values, times.valid & ~null, nulls, strange,
            layout=times,
        )  # fmt: skip

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

    def nothing(self, in_quotes: NDArray[np.bool_]) -> list[str]:
        """Return what is written where a cell becomes null: what `--na` gave first, else nothing.

        A table of one column gets empty quotes, or its record would be an empty line.
        """
        bare = self._options.nulls[0] if self._options.nulls else ""
        alone = '""' if self._columns == 1 and not bare else bare
        return [bare if inside else alone for inside in in_quotes.tolist()]

    @property
    def encoding(self) -> str:
        """The text encoding."""
        return self._options.encoding

    @property
    def line_end(self) -> bytes:
        """The line end that follows the first record, for where one has to be added."""
        head = self._input.head()
        end = head.find(b"\n")
        return b"\r\n" if end > 0 and head[end - 1 : end] == b"\r" else b"\n"

    def records(self, data: bytes) -> pa.Array:
        """Return whole records, their line ends included, one text a record."""
        block = self._reader(io.BytesIO(data)).cut(data, at_end=True)
        if block is None:
            return strings([])
        cells = find_cells(block, self.dialect, self._columns, [0], self._input.name)
        starts = cells.starts[:, 0] - csv_texts.quoted(data, cells.starts[:, 0])
        starts[:1] = 0
        if data[-1] not in b"\r\n":
            data += self.line_end
        offsets = np.append(starts, len(data)).astype(np.int32)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
        return pa.Array.from_buffers(pa.utf8(), len(starts), buffers)

    def size_of(self, raw: Block) -> int:
        """Return the bytes of a block."""
        return len(raw.data)

    def length(self, field: Field) -> None:  # noqa: ARG002
        """Return None: only reading it all would tell."""
        return

    def close(self) -> None:
        """Do nothing: the file is open only while it is read."""


def _number_type(parsed: Parsed) -> NumberType:
    if parsed.values.dtype == object:
        return LONG
    return INT if parsed.values.dtype.kind == "i" else FLOAT


class DelimitedSink:
    """A CSV or TSV file being written."""

    def __init__(self, source: DelimitedSource, output: Output) -> None:
        self._file = output.file
        self._source = source
        self._ended = True
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
        starts = np.ascontiguousarray(layout.cells.starts[:, order])
        ends = np.ascontiguousarray(layout.cells.ends[:, order])
        in_quotes = None
        trimmed = np.zeros(changed.shape, bool)
        for column, place in zip(noisy, places, strict=True):
            changed[:, place] |= column.changed
            if column.column.number.kind not in {"text", "time"}:
                trimmed[:, place] |= True if column.erased is None else ~column.erased
        if trimmed.all():
            starts, ends = without_blanks(raw.data, starts.reshape(-1), ends.reshape(-1))
        else:
            in_quotes = csv_texts.quoted(raw.data, starts.reshape(-1)).reshape(starts.shape)
            starts[trimmed], ends[trimmed] = without_blanks(
                raw.data, starts[trimmed], ends[trimmed]
            )
        texts = self._texts(noisy, places, changed, in_quotes)
        return csv_numbers.splice(
            raw.data, starts.reshape(-1), ends.reshape(-1), changed.reshape(-1), texts
        )

    def _texts(
        self,
        noisy: Sequence[NoisyColumn],
        places: Sequence[int],
        changed: NDArray[np.bool_],
        in_quotes: NDArray[np.bool_] | None,
    ) -> pa.Array:
        """Return a text for each changed cell, record by record."""
        plain = all(
            c.values.dtype == np.float64 and c.decimals is None and c.erased is None for c in noisy
        )
        if plain and len(set(places)) == len(places):
            values = np.empty(changed.shape)
            for column, place in zip(noisy, places, strict=True):
                values[:, place] = column.values
            return csv_numbers.format_floats(
                values.reshape(-1) if changed.all() else values[changed]
            )
        width = changed.shape[1]
        texts, where = [], []
        for column, place in zip(noisy, places, strict=True):
            kept = column.changed if column.erased is None else column.changed & ~column.erased
            texts.append(self._text(column, kept))
            where.append(np.flatnonzero(kept) * width + place)
            if column.erased is not None and in_quotes is not None:
                nothing = self._source.nothing(in_quotes[column.erased, place])
                texts.append(strings(nothing))
                where.append(np.flatnonzero(column.erased) * width + place)
        order = np.argsort(np.concatenate(where), kind="stable")
        return pa.concat_arrays(texts).take(array(order))

    def _text(self, column: NoisyColumn, which: NDArray[np.bool_]) -> pa.Array:
        """Return the texts of some elements of a column."""
        kind, values = column.column.number.kind, column.values
        if kind == "time":
            return csv_texts.encode_times(
                values, column.column.layout, which, column.column.number.tick
            )
        values = values[which]
        if kind == "text":
            in_quotes = column.column.layout[which]
            delimiter = self._source.dialect.delimiter.decode()
            return csv_texts.encode(values, in_quotes, delimiter, self._source.encoding)
        if values.dtype != np.float64:
            return csv_numbers.format_integers(values)
        match column.decimals:
            case None:
                return csv_numbers.format_floats(values)
            case int() as digits:
                return csv_numbers.format_fixed(values, digits)
            case digits:
                return csv_numbers.format_fixed(values, digits[which])

    def with_rows(
        self, versions: Sequence[bytes | pa.Buffer], copies: NDArray[np.int64]
    ) -> pa.Buffer:
        """Return a block with its records dropped or repeated.

        Args:
            versions: The block as encoded; then, for the copies, with noise of their own.
            copies: How many times each record comes out.
        """
        records = [self._source.records(bytes(memoryview(version))) for version in versions]
        kept = np.repeat(np.arange(len(copies)), copies)
        numbers = np.arange(len(kept)) - np.repeat(np.cumsum(copies) - copies, copies)
        which = np.minimum(numbers, len(versions) - 1)
        taken = pa.concat_arrays(records).take(array(which * len(copies) + kept))
        return csv_numbers.text_bytes(taken)

    def write(self, encoded: bytes | pa.Buffer) -> None:
        """Write one block."""
        view = memoryview(encoded)
        if not view.nbytes:
            return
        if not self._ended:
            write_all(self._file, self._source.line_end)
        self._ended = view[-1] in b"\r\n"
        write_all(self._file, view)

    def finish(self) -> None:
        """Do nothing: a table has no end mark."""

    def close(self) -> None:
        """Do nothing: the output closes its file."""


def open_source(source: Input, options: ReadOptions) -> DelimitedSource:
    """Open a CSV or TSV file."""
    return DelimitedSource(source, options)


def open_sink(
    source: DelimitedSource,
    output: Output,
    passes: int = 1,  # noqa: ARG001 - one header, whatever follows
    noised: frozenset[str] = frozenset(),  # noqa: ARG001
) -> DelimitedSink:
    """Start a table like the source."""
    return DelimitedSink(source, output)


def open_mask(
    source: DelimitedSource,  # noqa: ARG001 - a mask is a CSV whatever the table is
    output: Output,
    noised: Sequence[Field],
    *,
    values: bool,
) -> MaskSink:
    """Start a CSV that says which cells changed."""
    from noisify.formats.csv_mask import CsvMask  # noqa: PLC0415 - a rare wish

    return CsvMask(output, noised, values=values)


def restore(
    source: DelimitedSource,
    mask: Input,
    output: Output,
    size: int,
    progress: Callable[[int], None],
) -> int:
    """Give a file back as it was; see `csv_mask`."""
    from noisify.formats import csv_mask  # noqa: PLC0415 - a rare wish

    return csv_mask.restore(source, mask, output, size, progress)

"""Cutting a text table into blocks of whole records, and records into cells, by position only.

A quote counts as one only where a cell starts, as Python's `csv` has it. Blocks in which every
quote is where it should be, and every line ends in LF or CRLF, are cut with NumPy; any other block
goes cell by cell through a regular expression. Both ways give the same cells.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from noisify.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

TAB, LF, CR, SPACE, QUOTE = 9, 10, 13, 32, 34
LONGEST_RECORD = 1 << 28


@dataclass(frozen=True)
class Dialect:
    """How a text table is laid out; the quote is always `"`, doubled inside a quoted cell."""

    delimiter: bytes = b","

    def cells(self) -> re.Pattern[bytes]:
        """Return the pattern of one cell (group 1) and what ends it (group 2)."""
        d = re.escape(self.delimiter)
        quoted = rb'"[^"]*+(?:""[^"]*+)*+"[^' + d + rb"\r\n]*+"
        plain = rb'(?!")[^' + d + rb"\r\n]*+"
        return re.compile(rb"(" + quoted + rb"|" + plain + rb")(" + d + rb"|\r\n|\n|\r|\Z)")


@dataclass(frozen=True)
class Cells:
    """Where the cells of some records stand: starts and ends, shape (records, columns)."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]


@dataclass(frozen=True)
class Block:
    """Some whole records, as they stand in the file.

    Attributes:
        data: Their bytes.
        row: The first record's number, counted from 0, the header and empty lines not counted.
        rows: How many records there are.
        line: The line of the file at which they start, counted from 1.
        lines: How many line ends there are, those inside quotes included.
        quotes: Whether there is a quote among them.
        cells: All their cells, where the quick way would not find them.
    """

    data: bytes
    row: int
    rows: int
    line: int
    lines: int
    quotes: bool = False
    cells: Cells | None = None


class RecordReader:
    """Reads blocks of whole records.

    Args:
        stream: The table's bytes.
        dialect: How it is laid out.
        columns: How many cells every record must have.
        name: What to call the file in errors.
        line: The line at which the stream starts.
    """

    def __init__(
        self, stream: BinaryIO, dialect: Dialect, columns: int, name: str, line: int = 1
    ) -> None:
        self._stream = stream
        self._dialect = dialect
        self._columns = columns
        self._name = name
        self._line = line
        self._row = 0

    def blocks(self, size: int) -> Iterator[Block]:
        """Yield blocks of about `size` bytes; a record longer than that is a block of its own."""
        carried = b""
        want = size
        while True:
            fresh = _read(self._stream, want)
            at_end = len(fresh) < want
            data = carried + fresh if carried else fresh
            block = self.cut(data, at_end=at_end)
            if block is not None:
                self._row += block.rows
                self._line += block.lines
                yield block
            used = 0 if block is None else len(block.data)
            if at_end:
                return
            carried = data[used:]
            if len(carried) > LONGEST_RECORD:
                raise DataError(
                    f"has a record longer than {LONGEST_RECORD >> 20} MiB; a quote that is "
                    "opened and never closed, perhaps",
                    path=self._name,
                    line=self._line,
                )
            want = max(size, len(carried)) if used == 0 else size

    def cut(self, data: bytes, *, at_end: bool) -> Block | None:
        """Return the whole records at the start of `data`, or None if there is none yet."""
        if not data:
            return None
        characters = np.frombuffer(data, np.uint8)
        every_end = ends = np.flatnonzero(characters == LF)
        quotes = np.flatnonzero(characters == QUOTE) if b'"' in data else None
        if quotes is not None:
            if not self._quotes_in_place(characters, quotes):
                return self._cut_exactly(data, at_end=at_end)
            ends = ends[np.searchsorted(quotes, ends) % 2 == 0]
            if at_end and len(quotes) % 2:
                return self._cut_exactly(data, at_end=True)
        used = len(data) if at_end else (int(ends[-1]) + 1 if len(ends) else 0)
        if b"\r" in data[:used] and not _only_crlf(characters[:used]):
            return self._cut_exactly(data, at_end=at_end)
        if not used:
            return self._cut_exactly(data, at_end=at_end) if b"\r" in data else None
        rows = len(ends) - _empty_lines(characters, ends)
        if not len(ends) or int(ends[-1]) + 1 < used:
            rows += 1
        if used < len(data):
            data = data[:used]
        lines = int(np.searchsorted(every_end, used))
        return Block(data, self._row, rows, self._line, lines, quotes=quotes is not None)

    def _quotes_in_place(self, characters: NDArray[np.uint8], quotes: NDArray[np.int64]) -> bool:
        """Return whether each opening quote starts a cell and each closing one ends it."""
        delimiter = self._dialect.delimiter[0]
        opening, closing = quotes[0::2], quotes[1::2]
        before = characters[opening - 1]
        opens = (before == delimiter) | (before == LF) | (before == QUOTE) | (opening == 0)
        doubled = before == QUOTE
        if doubled.any():  # a quote before an opening one must be the closing one it doubles
            partner = np.concatenate((np.array([-2]), closing))[: len(opening)]
            opens &= ~doubled | (partner == opening - 1) | (opening == 0)
        after = characters[np.minimum(closing + 1, len(characters) - 1)]
        closes = (after == delimiter) | (after == LF) | (after == CR) | (after == QUOTE)
        closes |= closing == len(characters) - 1
        return bool(opens.all() and closes.all())

    def _cut_exactly(self, data: bytes, *, at_end: bool) -> Block | None:
        """Do as `cut` does, cell by cell."""
        starts: list[int] = []
        ends: list[int] = []
        pattern = self._dialect.cells()
        used = position = rows = 0
        record: list[tuple[int, int]] = []
        while position < len(data) or record:
            match = pattern.match(data, position)
            if match is None:
                if at_end:
                    line = self._line + count_lines(data, position)
                    raise DataError("has a quote that is never closed", path=self._name, line=line)
                break
            terminator = match[2]
            position = match.end()
            unsure = position == len(data) and terminator != b"\n"
            if unsure and not at_end:
                break
            record.append(match.span(1))
            if terminator == self._dialect.delimiter:
                continue
            if record != [(position - len(terminator),) * 2]:
                self._check_width(len(record), data, record[0][0])
                starts += [start for start, _ in record]
                ends += [end for _, end in record]
                rows += 1
            record = []
            used = position
        if not used:
            return None
        shape = (rows, self._columns)
        cells = Cells(
            np.array(starts, np.int64).reshape(shape), np.array(ends, np.int64).reshape(shape)
        )
        lines = count_lines(data, used)
        return Block(data[:used], self._row, rows, self._line, lines, quotes=True, cells=cells)

    def _check_width(self, found: int, data: bytes, start: int) -> None:
        if found != self._columns:
            line = self._line + count_lines(data, start)
            raise ragged(self._name, line, found, self._columns)


def count_lines(data: bytes, stop: int) -> int:
    """Count the line ends before `stop`: LF, CRLF and CR."""
    crlf = data.count(b"\r\n", 0, stop)
    return data.count(b"\n", 0, stop) + data.count(b"\r", 0, stop) - crlf


def ragged(name: str, line: int, found: int, expected: int) -> DataError:
    """Return the error of a record with too many or too few cells."""
    cells = f"{found} cell" + ("" if found == 1 else "s")
    return DataError(f"has {cells} where the first record has {expected}", path=name, line=line)


def find_cells(block: Block, dialect: Dialect, columns: int, wanted: list[int], name: str) -> Cells:
    """Find the cells of some columns, quotes and the CR of a CRLF included in none.

    Args:
        block: Whole records.
        dialect: How they are laid out.
        columns: How many cells every record must have.
        wanted: The columns to find.
        name: What to call the file in errors.

    Returns:
        The bounds, shape (records, len(wanted)), quotes around a cell left outside.

    Raises:
        DataError: If a record has another number of cells.
    """
    characters = np.frombuffer(block.data, np.uint8)
    if block.cells is not None:
        starts, ends = block.cells.starts[:, wanted], block.cells.ends[:, wanted]
    else:
        starts, ends = _find_quickly(block, characters, dialect, columns, wanted, name)
    if block.quotes:
        first = characters[np.minimum(starts, len(characters) - 1)]
        quoted = (ends - starts > 1) & (first == QUOTE) & (characters[ends - 1] == QUOTE)
        starts, ends = starts + quoted, ends - quoted
    return Cells(starts, ends)


def _find_quickly(
    block: Block,
    characters: NDArray[np.uint8],
    dialect: Dialect,
    columns: int,
    wanted: list[int],
    name: str,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    mask = (characters == dialect.delimiter[0]) | (characters == LF)
    if block.quotes:
        quote = characters == QUOTE
        specials = np.flatnonzero(mask | quote)
        is_quote = quote[specials]
        separators = specials[~is_quote & (np.cumsum(is_quote) % 2 == 0)]
    else:
        separators = np.flatnonzero(mask)
    if block.data[-1] != LF or not len(separators) or separators[-1] != len(characters) - 1:
        separators = np.append(separators, len(characters))
    regular = len(separators) == block.rows * columns
    if regular:
        last = separators[columns - 1 :: columns]
        regular = bool((characters[last[:-1]] == LF).all())
        if regular and block.lines > block.rows:  # else each line end is a record's
            regular = _none_in_between(characters, separators, columns)
    if regular:
        ends = separators.reshape(block.rows, columns)
        firsts = np.concatenate((np.array([-1]), ends[:-1, -1])) + 1
        starts = [firsts if column == 0 else ends[:, column - 1] + 1 for column in wanted]
        bounds = np.stack(starts, axis=1), ends[:, wanted]
    else:
        all_starts, all_ends = _without_empty_lines(block, characters, separators, columns, name)
        bounds = all_starts[:, wanted], all_ends[:, wanted]
    return _without_cr(characters, *bounds, wanted, columns)


def _none_in_between(
    characters: NDArray[np.uint8], separators: NDArray[np.int64], columns: int
) -> bool:
    """Return whether no record ends before its last cell."""
    inner = separators.reshape(-1, columns)[:, :-1]
    return not (characters[inner] == LF).any()


def _without_empty_lines(
    block: Block,
    characters: NDArray[np.uint8],
    separators: NDArray[np.int64],
    columns: int,
    name: str,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all cells of records with empty lines among them; complain if any is ragged."""
    starts = np.concatenate((np.array([-1]), separators[:-1])) + 1
    ending = np.append(characters[separators[:-1]] == LF, True)
    last = np.flatnonzero(ending)
    widths = np.diff(last, prepend=-1)
    lengths = separators[last] - starts[last]
    carriage = (lengths == 1) & (characters[starts[last] % len(characters)] == CR)
    empty = (widths == 1) & ((lengths == 0) | carriage)
    wrong = np.flatnonzero(~empty & (widths != columns))
    if len(wrong):
        first = int(starts[last[wrong[0]] - widths[wrong[0]] + 1])
        line = block.line + count_lines(block.data, first)
        raise ragged(name, line, int(widths[wrong[0]]), columns)
    kept = np.ones(len(separators), bool)
    kept[last[empty]] = False
    shape = (-1, columns)
    return starts[kept].reshape(shape), separators[kept].reshape(shape)


def _without_cr(
    characters: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    wanted: list[int],
    columns: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Leave the CR of a CRLF out of a record's last cell."""
    if columns - 1 in wanted and len(ends):
        at = wanted.index(columns - 1)
        ends = np.array(ends)
        final = ends[:, at]
        final -= (final > starts[:, at]) & (characters[final - 1] == CR)
    return starts, ends


def without_blanks(
    data: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Move bounds inwards past spaces and tabs."""
    characters = np.frombuffer(data, np.uint8)
    while (blank := _blank(characters, starts) & (starts < ends)).any():
        starts = starts + blank
    while (blank := _blank(characters, ends - 1) & (starts < ends)).any():
        ends = ends - blank
    return starts, ends


def _blank(characters: NDArray[np.uint8], at: NDArray[np.int64]) -> NDArray[np.bool_]:
    here = characters[np.minimum(at, len(characters) - 1)]
    return np.asarray((here == SPACE) | (here == TAB))


def _only_crlf(characters: NDArray[np.uint8]) -> bool:
    """Return whether every CR is followed by LF."""
    returns = np.flatnonzero(characters == CR)
    if len(returns) and returns[-1] == len(characters) - 1:
        return False
    return bool((characters[returns + 1] == LF).all())


def _empty_lines(characters: NDArray[np.uint8], ends: NDArray[np.int64]) -> int:
    """Count the empty lines among those that end at `ends`, which are not inside quotes."""
    if not len(ends):
        return 0
    lengths = np.diff(ends, prepend=-1)
    bare = int(np.count_nonzero(lengths == 1))
    two = ends[lengths == 2]  # noqa: PLR2004
    return bare + int(np.count_nonzero(characters[two - 1] == CR))


def _read(stream: BinaryIO, count: int) -> bytes:
    """Read `count` bytes, fewer only at the end."""
    data = stream.read(count)
    if len(data) == count or not data:
        return data
    parts = [data]
    missing = count - len(data)
    while missing and (data := stream.read(missing)):
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)


def first_record(head: bytes, dialect: Dialect, name: str) -> tuple[list[bytes], int]:
    """Return the cells of the first record that is not an empty line, and where the next starts.

    Raises:
        DataError: If it has no end in sight.
    """
    pattern = dialect.cells()
    position = 0
    cells: list[bytes] = []
    while True:
        match = pattern.match(head, position)
        if match is None:
            raise DataError("has a quote in its first record that is never closed", path=name)
        cells.append(match[1])
        position = match.end()
        if match[2] == dialect.delimiter:
            continue
        if cells != [b""] or position >= len(head):
            return cells, position
        cells = []


def unquote(cell: bytes) -> bytes:
    """Return what a cell says, without its quotes.

    >>> unquote(b'"a ""b"" c"')
    b'a "b" c'
    """
    if not cell.startswith(b'"'):
        return cell
    body, _, rest = cell[1:].rpartition(b'"')
    return body.replace(b'""', b'"') + rest

"""Cut a text table into blocks of whole records, and find the bounds of their cells.

A quote only opens a quoted cell at the cell's start, as in Python's `csv`. Lines end in LF, CRLF or
CR. The compiled module does the work if it is present. Otherwise NumPy cuts the usual blocks, with
every quote well placed and lines that end in LF or CRLF, and `reference_scan` cuts the others cell
by cell. All three find the same cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from noisify.core.errors import DataError
from noisify.core.memory_bound import UNBOUNDED
from noisify.files.input import read_fully
from noisify.formats.csv import native
from noisify.formats.csv.reference_scan import blanked, cut_exactly, masked, refuse_escapes
from noisify.formats.csv.types import (
    CR,
    LF,
    QUOTE,
    SPACE,
    TAB,
    Block,
    Cells,
    Cut,
    Dialect,
    count_lines,
    ragged,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from noisify.core.memory_bound import MemoryBound

LONGEST_RECORD = 1 << 28
_PIECE = 1 << 16
"""Bytes to compare at once, few enough to stay in the cache."""

_COPIES = 8
"""Copies of a record in memory at worst, from reading it to writing it."""


class RecordReader:
    """Reads blocks of whole records.

    Args:
        stream: The table's bytes.
        dialect: The dialect of the table.
        line: The line number at which the stream starts.
        memory: The bound on the memory that a record may take.
        row: The index of the first record.
    """

    def __init__(
        self,
        stream: BinaryIO,
        dialect: Dialect,
        line: int = 1,
        memory: MemoryBound = UNBOUNDED,
        row: int = 0,
    ) -> None:
        self._stream = stream
        self._dialect = dialect
        self._line = line
        self._memory = memory
        self._row = row

    def blocks(self, size: int) -> Iterator[Block]:
        """Yield blocks of about `size` bytes; a record longer than that is a block of its own."""
        carried = b""
        want = size
        while True:
            fresh = read_fully(self._stream, want)
            refuse_zeros(fresh, self._line, self._dialect.name)
            at_end = len(fresh) < want
            whole = len(fresh) if at_end else fresh.rfind(b"\n") + 1 or len(fresh)
            rest = fresh[whole:]
            data = b"".join((carried, memoryview(fresh)[:whole]))  # most likely one whole block
            del fresh  # free it while the caller has the block
            block = self.cut(data, at_end=at_end)
            if block is not None:
                self._row += block.rows
                self._line += block.lines
                yield block
            used = 0 if block is None else len(block.data)
            if at_end:
                return
            carried = b"".join((data[used:], rest))
            if len(carried) > LONGEST_RECORD:
                raise DataError(
                    f"has a record longer than {LONGEST_RECORD >> 20} MiB; a quote that is "
                    "opened and never closed, perhaps",
                    path=self._dialect.name,
                    line=self._line,
                )
            want = size
            if used == 0:
                want = max(size, len(carried))
                self._memory.require(_COPIES * (len(carried) + want), "a record")

    def cut(self, data: bytes, *, at_end: bool) -> Block | None:
        """Return the whole records at the start of `data`; None if there is no whole one yet."""
        if not data:
            return None
        comment, escape = self._dialect.comment, self._dialect.escape
        has_escapes = bool(escape) and escape in data
        if has_escapes and comment and comment in data:  # either may be inside the other
            return self._cut_exactly(data, at_end=at_end)
        if has_escapes:
            plain = masked(data, escape)
        else:
            plain = blanked(data, comment, at_end=at_end) if comment else data
        found = native.cut(plain, self._dialect.delimiter, at_end=at_end)
        if found is None:
            found = cut_quickly(plain, self._dialect.delimiter, at_end=at_end)
            exactly = found.odd
        else:  # misplaced quotes may make comments ambiguous
            exactly = found.odd and plain is not data and not has_escapes
        if found.odd or (found.open and at_end):
            refuse_escapes(data, self._dialect, self._line, at_end=at_end)
        if exactly or (found.open and at_end):
            return self._cut_exactly(data, at_end=at_end)
        used = found.used
        if not used:
            return None
        return Block(
            data[:used] if used < len(data) else data,
            self._row,
            found.rows,
            self._line,
            found.lines if plain is data else count_lines(data, used),
            quotes=found.quotes,
            returns=found.returns,
            odd=found.odd,
            uncommented=None if plain is data else plain[:used],
        )

    def _cut_exactly(self, data: bytes, *, at_end: bool) -> Block | None:
        """Return the same as `cut`, cell by cell."""
        cells, used = cut_exactly(data, self._dialect, self._line, at_end=at_end)
        if not used:
            return None
        return Block(
            data[:used],
            self._row,
            len(cells.starts),
            self._line,
            count_lines(data, used),
            quotes=True,
            odd=True,
            cells=cells,
        )


def cut_quickly(data: bytes, delimiter: bytes, *, at_end: bool) -> Cut:
    """Return the same as `native.cut` with NumPy; only `odd` is set if NumPy cannot find the cells.

    It cannot with misplaced quotes, or a CR that no LF follows.
    """
    characters = np.frombuffer(data, np.uint8)
    if b'"' not in data and b"\r" not in data:
        return _cut_lines(data, characters, at_end=at_end)
    returns = b"\r" in data and bool(((characters[:-1] == CR) & (characters[1:] != LF)).any())
    returns |= at_end and data.endswith(b"\r")  # else an LF may follow in the next block
    quotes = np.flatnonzero(characters == QUOTE)
    if returns or (len(quotes) and not _quotes_in_place(characters, quotes, delimiter)):
        return Cut(0, 0, 0, quotes=True, returns=returns, odd=True, open=False)
    every_end = np.flatnonzero(characters == LF)
    ends = every_end[np.searchsorted(quotes, every_end) % 2 == 0]
    is_open = len(quotes) % 2 == 1
    used = len(data) if at_end else (int(ends[-1]) + 1 if len(ends) else 0)
    rows = len(ends) - _empty_lines(characters, ends)
    if used and (not len(ends) or int(ends[-1]) + 1 < used):
        rows += 1
    lines = int(np.searchsorted(every_end, used))
    return Cut(used, rows, lines, bool(len(quotes)), returns=False, odd=False, open=is_open)


def _cut_lines(data: bytes, characters: NDArray[np.uint8], *, at_end: bool) -> Cut:
    """Return the same as `cut_quickly` for bytes without quotes and CRs, only counting line ends.

    This runs on the one reading thread, so it must be fast.
    """
    lines = empty = 0
    after_end = True
    for start in range(0, len(data), _PIECE):
        is_end = characters[start : start + _PIECE] == LF
        lines += int(np.count_nonzero(is_end))
        empty += int(after_end and is_end[0]) + int(np.count_nonzero(is_end[1:] & is_end[:-1]))
        after_end = bool(is_end[-1])
    rows = lines - empty + (at_end and not after_end)
    used = len(data) if at_end else data.rfind(b"\n") + 1
    return Cut(used, rows, lines, quotes=False, returns=False, odd=False, open=False)


def _quotes_in_place(
    characters: NDArray[np.uint8], quotes: NDArray[np.int64], delimiter: bytes
) -> bool:
    """Return whether each opening quote starts a cell and each closing one ends it."""
    if len(delimiter) > 1:
        return False  # its last byte may be part of another character
    opening, closing = quotes[0::2], quotes[1::2]
    before = characters[opening - 1]
    opens = (before == delimiter[0]) | (before == LF) | (before == CR) | (before == QUOTE)
    opens |= opening == 0
    doubled = before == QUOTE
    if doubled.any():  # the quote before an opening one must be a closing one
        partner = np.concatenate((np.array([-2]), closing))[: len(opening)]
        opens &= ~doubled | (partner == opening - 1) | (opening == 0)
    after = characters[np.minimum(closing + 1, len(characters) - 1)]
    closes = (after == delimiter[0]) | (after == LF) | (after == CR) | (after == QUOTE)
    closes |= closing == len(characters) - 1
    return bool(opens.all() and closes.all())


def find_cells(block: Block, dialect: Dialect, wanted: list[int]) -> Cells:
    """Find the cells of some columns, without the quotes around them and without line ends.

    Args:
        block: Whole records.
        dialect: The dialect of the table.
        wanted: The columns to find.

    Returns:
        The bounds of the cells, shape (records, len(wanted)).

    Raises:
        DataError: If a record has another number of cells.
    """
    data = block.data if block.uncommented is None else block.uncommented
    cells = block.cells
    if cells is None:
        found = native.scan(data, dialect.delimiter, dialect.columns, wanted, block.rows)
        if found is not None:
            return Cells(block.data, *found)
        if block.odd or block.returns:
            cells, _ = cut_exactly(block.data, dialect, block.line, at_end=True)
    characters = np.frombuffer(data, np.uint8)
    if cells is not None:
        starts, ends, uneven = cells.starts[:, wanted], cells.ends[:, wanted], cells.ragged
    else:
        starts, ends, uneven = _find_quickly(block, characters, dialect, wanted)
    if block.quotes:
        first = characters[np.minimum(starts, len(characters) - 1)]
        quoted = (ends - starts > 1) & (first == QUOTE) & (characters[ends - 1] == QUOTE)
        starts, ends = starts + quoted, ends - quoted
    return Cells(block.data, starts, ends, uneven)


def within_quotes(block: Block, cells: Cells, as_text: Sequence[bool] = ()) -> Cells:
    """Narrow cells such as `"7" `, with blanks after the closing quote, to the text in the quotes.

    Args:
        block: The records.
        cells: The bounds of some of their cells, from `find_cells`.
        as_text: Which columns to leave, since blanks count in texts; empty for none.
    """
    if not block.odd or not cells.starts.size:
        return cells
    characters = np.frombuffer(block.data, np.uint8)
    starts, ends = cells.starts, cells.ends
    opens = (characters.take(starts, mode="clip") == QUOTE) & (ends - starts > len('""'))
    opens &= (starts == 0) | (characters[np.maximum(starts - 1, 0)] != QUOTE)
    opens[:, np.flatnonzero(as_text)] = False
    if not opens.any():
        return cells
    bare = without_blanks(cells.where(opens)).ends
    closed = (characters[bare - 1] == QUOTE) & (bare - starts[opens] > 1)
    opens[opens] = closed
    starts, ends = starts + opens, np.array(ends)
    ends[opens] = bare[closed] - 1
    return Cells(block.data, starts, ends, cells.ragged)


def _find_quickly(
    block: Block, characters: NDArray[np.uint8], dialect: Dialect, wanted: list[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_] | None]:
    columns = dialect.columns
    separators = _separators(block, characters, dialect.delimiter)
    regular = len(separators) == block.rows * columns
    if regular:
        last = separators[columns - 1 :: columns]
        regular = bool((characters[last[:-1]] != dialect.delimiter[0]).all())
        ended = int(separators[-1]) < len(characters)
        if regular and (block.lines > block.rows - (not ended) or block.uncommented is not None):
            inner = separators.reshape(-1, columns)[:, :-1]  # no record ends before its last
            regular = bool((characters[inner] == dialect.delimiter[0]).all())
    uneven = None
    if regular:
        starts, ends = _regular(separators, columns, wanted, len(dialect.delimiter))
    else:
        starts, ends, uneven = _irregular(block, characters, separators, dialect)
        starts, ends = starts[:, wanted], ends[:, wanted]
    if columns - 1 in wanted and len(ends) and b"\r" in block.data:
        ends = _without_cr(characters, starts, ends, wanted.index(columns - 1))
    return starts, ends, uneven


def _regular(
    separators: NDArray[np.int64], columns: int, wanted: list[int], width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the wanted cells of records that all have the same number of cells.

    Args:
        separators: The end of each cell, where its delimiter or line end starts.
        columns: The number of cells in each record.
        wanted: The columns to find.
        width: The length of the delimiter in bytes.
    """
    before = np.empty_like(separators)  # where the delimiter or line end before a cell starts
    before[:1] = -1
    before[1:] = separators[:-1]
    starts = _some(before.reshape(-1, columns), wanted) + 1
    if width > 1:
        starts[:, [at for at, place in enumerate(wanted) if place]] += width - 1
    return starts, np.ascontiguousarray(_some(separators.reshape(-1, columns), wanted))


def _some(bounds: NDArray[np.int64], wanted: list[int]) -> NDArray[np.int64]:
    """Return some columns of the bounds: a view if they are adjacent, which is faster."""
    if wanted and wanted == list(range(wanted[0], wanted[0] + len(wanted))):
        return bounds[:, wanted[0] : wanted[0] + len(wanted)]
    return bounds.take(wanted, axis=1)


def _separators(block: Block, characters: NDArray[np.uint8], delimiter: bytes) -> NDArray[np.int64]:
    """Return where cells end: at the delimiters and line ends outside quotes."""
    mask = np.empty(len(characters), bool)
    for start in range(0, len(characters), _PIECE):
        here = characters[start : start + _PIECE]
        found = np.equal(here, delimiter[0], out=mask[start : start + _PIECE])
        found |= here == LF
    for at in range(1, len(delimiter)):
        mask[:-at] &= (characters[at:] == delimiter[at]) | (characters[:-at] == LF)
        mask[-at:] &= characters[-at:] == LF
    if block.quotes:
        quote = characters == QUOTE
        specials = np.flatnonzero(mask | quote)
        is_quote = quote[specials]
        separators: NDArray[np.int64] = specials[~is_quote & (np.cumsum(is_quote) % 2 == 0)]
    else:
        separators = np.flatnonzero(mask)
    ended = bool(len(separators)) and int(separators[-1]) == len(characters) - 1
    if not ended or characters[-1] == delimiter[0]:
        separators = np.append(separators, len(characters))
    return separators


def _irregular(
    block: Block, characters: NDArray[np.uint8], separators: NDArray[np.int64], dialect: Dialect
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_] | None]:
    """Return all cells of records among empty lines and ragged records.

    Returns:
        The starts and ends, shape (records, columns), and a mask of the ragged records or None.

    Raises:
        DataError: If a record is ragged and such are not kept.
    """
    columns = dialect.columns
    ending = np.append(characters[separators[:-1]] != dialect.delimiter[0], True)
    steps = np.where(ending, 1, len(dialect.delimiter))
    starts = np.concatenate((np.array([0]), separators[:-1] + steps[:-1]))
    last = np.flatnonzero(ending)
    widths = np.diff(last, prepend=-1)
    lengths = separators[last] - starts[last]
    carriage = (lengths == 1) & (characters[starts[last] % len(characters)] == CR)
    filled = (widths > 1) | ((lengths > 0) & ~carriage)
    uneven = (widths != columns)[filled]
    even = np.repeat(filled & (widths == columns), widths)
    shape = (-1, columns)
    if not uneven.any():
        return starts[even].reshape(shape), separators[even].reshape(shape), None
    firsts = starts[last - widths + 1][filled]
    if not dialect.keep_ragged:
        wrong = int(np.argmax(uneven))
        start = int(firsts[wrong])
        line = block.line + count_lines(block.data, start)
        record = block.data[start : start + 2]
        raise ragged(dialect, line, int(widths[filled][wrong]), record)
    all_starts = np.repeat(firsts[:, None], columns, axis=1)
    all_ends = all_starts.copy()
    all_starts[~uneven] = starts[even].reshape(shape)
    all_ends[~uneven] = separators[even].reshape(shape)
    return all_starts, all_ends, uneven


def _without_cr(
    characters: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64], at: int
) -> NDArray[np.int64]:
    """Cut the CR of a CRLF off each record's last cell, which is column `at` of the bounds."""
    final = ends[:, at]
    returns = (final > starts[:, at]) & (characters[final - 1] == CR)
    if not returns.any():
        return ends
    ends = np.array(ends)
    ends[:, at] -= returns
    return ends


def without_blanks(cells: Cells) -> Cells:
    """Move the bounds of cells inwards past spaces and tabs."""
    if b" " not in cells.data and b"\t" not in cells.data:
        return cells
    characters = np.frombuffer(cells.data, np.uint8)
    starts, ends = cells.starts, cells.ends
    while (blank := _blank(characters, starts) & (starts < ends)).any():
        starts = starts + blank
    while (blank := _blank(characters, ends - 1) & (starts < ends)).any():
        ends = ends - blank
    return Cells(cells.data, starts, ends)


def _blank(characters: NDArray[np.uint8], at: NDArray[np.int64]) -> NDArray[np.bool_]:
    here = characters.take(at, mode="clip")
    return np.asarray((here == SPACE) | (here == TAB))


def _empty_lines(characters: NDArray[np.uint8], ends: NDArray[np.int64]) -> int:
    """Count the empty lines among those that end at `ends`, the line ends outside quotes."""
    if not len(ends):
        return 0
    lengths = np.diff(ends, prepend=-1)
    bare = int(np.count_nonzero(lengths == 1))
    two = ends[lengths == len("\r\n")]
    return bare + int(np.count_nonzero(characters[two - 1] == CR))


def refuse_zeros(data: bytes, line: int, name: str) -> None:
    """Refuse NUL bytes.

    Args:
        data: Part of a file.
        line: The line number at which it starts.
        name: The file's name in errors.

    Raises:
        DataError: If there is one.
    """
    at = data.find(0)
    if at >= 0:
        raise DataError(
            "has a NUL byte, so it is binary or damaged; tr -d '\\0' < FILE | noisify takes them "
            "away",
            path=name,
            line=line + data.count(b"\n", 0, at),
        )

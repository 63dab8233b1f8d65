"""Walk over a text table cell by cell: slow, but right for everything that Python's `csv` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from noisify.core.errors import DataError
from noisify.formats.csv.comments import end_of_line
from noisify.formats.csv.types import Cells, Dialect, count_lines, ragged

if TYPE_CHECKING:
    from collections.abc import Iterator


class WalkedRecord(NamedTuple):
    """A record.

    Attributes:
        start: Its offset.
        spans: The bounds of its cells; none for an empty line or a comment.
        stop: The offset after its line end; of a quote that is never closed, if `open`.
        open: Whether it has such a quote; then it is the last, and has the cells before the quote.
    """

    start: int
    spans: list[tuple[int, int]]
    stop: int
    open: bool = False

    def cells(self, data: bytes) -> list[bytes]:
        """Return the bytes of its cells; an empty line has one empty cell."""
        return [data[start:end] for start, end in self.spans] or [b""]


def walk(
    data: bytes, dialect: Dialect, position: int = 0, *, at_end: bool, most: int | None = None
) -> Iterator[WalkedRecord]:
    """Yield the whole records of some bytes, empty lines and comments included.

    Args:
        data: The bytes.
        dialect: The dialect of the table.
        position: Where to start: at the start of a line.
        at_end: Whether the file ends with `data`.
        most: The number of cells after which a record is cut off, or None for any number.
    """
    pattern = dialect.cells()
    start = position
    spans: list[tuple[int, int]] = []
    while position < len(data) or spans:
        if not spans and dialect.is_comment(data, position):
            end = end_of_line(data, position, at_end=at_end)
            if end is None:
                return
            yield WalkedRecord(position, [], end)
            start = position = end
            continue
        match = pattern.match(data, position)
        if match is None:
            yield WalkedRecord(start, spans, position, open=True)
            return
        position = match.end()
        if position == len(data) and match[2] != b"\n" and not at_end:
            return  # a CR may be half of a CRLF, and the bytes half of a delimiter
        spans.append(match.span(1))
        if match[2] == dialect.delimiter and (most is None or len(spans) <= most):
            continue
        empty = len(spans) == 1 and match.start(1) == match.end(1)
        yield WalkedRecord(start, [] if empty else spans, position)
        spans, start = [], position


def cut_exactly(data: bytes, dialect: Dialect, line: int, *, at_end: bool) -> tuple[Cells, int]:
    """Return the cells of the whole records at the start of `data`, and where the rest starts.

    Args:
        data: Bytes that start at the start of a line.
        dialect: The dialect of the table.
        line: The line number at which the bytes start.
        at_end: Whether the file ends with `data`.

    Raises:
        DataError: If a record has another number of cells, or a quote is never closed.
    """
    columns = dialect.columns
    bounds: list[tuple[int, int]] = []
    ragged_rows: list[int] = []
    used = rows = 0
    for start, spans, stop, is_open in walk(data, dialect, at_end=at_end):
        if is_open:
            if at_end:
                line += count_lines(data, stop)
                raise DataError("has a quote that is never closed", path=dialect.name, line=line)
            break
        used = stop
        if not spans:
            continue
        if len(spans) == columns:
            bounds += spans
        elif dialect.keep_ragged:
            ragged_rows.append(rows)
            bounds += [(start, start)] * columns
        else:
            line += count_lines(data, start)
            raise ragged(dialect, line, len(spans), data[start : start + 2])
        rows += 1
    both = np.array(bounds, np.int64).reshape(rows, columns, 2)
    uneven = None
    if ragged_rows:
        uneven = np.zeros(rows, bool)
        uneven[ragged_rows] = True
    return Cells(data, both[:, :, 0], both[:, :, 1], uneven), used

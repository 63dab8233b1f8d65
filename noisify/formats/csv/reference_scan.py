r"""Walk over a text table cell by cell: slow, but right for everything that Python's `csv` reads.

Comment lines and escape characters are found here too. Escape characters (`\"` is a quote inside a
cell, not its end) are only recognised with `--escape`. Without it, a file that looks as if it used
them is refused rather than cut into the wrong cells.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from noisify.core.errors import DataError
from noisify.formats.csv.cells import is_well_quoted
from noisify.formats.csv.types import Cells, Dialect, count_lines, ragged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ADVICE = (
    r"""--escape '\' reads \" as a quote, --escape '' as a backslash and the end of the quotes"""
)
ESCAPED_QUOTE = b'\\"'
_LINE = re.compile(rb"[^\r\n]*+(\r\n|\n|\r|\Z)")


class WalkedRecord(NamedTuple):
    """A record.

    Attributes:
        start: Its offset.
        spans: The bounds of its cells; none for an empty line or a comment.
        stop: The offset after its line end, or of the quote that is never closed if `open`.
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
        if not spans and dialect.comment and data.startswith(dialect.comment, position):
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


def end_of_line(data: bytes, start: int, *, at_end: bool) -> int | None:
    """Return the offset after the line at `start` and its line end; None if that is not in `data`.

    Args:
        data: Some bytes.
        start: Where the line starts.
        at_end: Whether the file ends with `data`. If not, a trailing CR may be half of a CRLF.
    """
    match = _LINE.match(data, start)
    if match is None:
        raise AssertionError(start)
    unsure = match.end() == len(data) and not match[1].endswith(b"\n")
    return None if unsure and not at_end else match.end()


def blanked(data: bytes, comment: bytes, *, at_end: bool) -> bytes:
    r"""Overwrite every byte of a comment with LF, so that comments read as empty lines.

    A comment cut off by the end of `data` is overwritten with spaces: it is not a whole line yet.

    Args:
        data: Bytes that start at the start of a line, with quotes only around cells or doubled.
        comment: The prefix of a comment line.
        at_end: Whether the file ends with `data`.

    >>> blanked(b'1,2\n# a,b\n"x\n# y",3\n', b"#", at_end=True)
    b'1,2\n\n\n\n\n\n\n"x\n# y",3\n'
    """
    places = [0] if data.startswith(comment) else []
    if b"\n" + comment in data or b"\r" + comment in data:
        pattern = re.compile(rb"[\r\n]" + re.escape(comment))
        places += [match.start() + 1 for match in pattern.finditer(data)]
    if not places:
        return data
    lines = bytearray(data)
    done = quotes = 0
    for place in places:
        quotes += data.count(b'"', done, place)
        done = place
        if quotes % 2:
            continue
        end = end_of_line(data, place, at_end=at_end)
        done = len(data) if end is None else end
        lines[place:done] = (b" " if end is None else b"\n") * (done - place)
    return bytes(lines)


def masked(data: bytes, escape: bytes) -> bytes:
    r"""Overwrite escape characters and the bytes they escape with letters.

    Args:
        data: Bytes that start at the start of a line.
        escape: The escape character.

    >>> masked(b'"a\\"b",1\n', b"\\")
    b'"aaab",1\n'
    """
    return re.sub(re.escape(escape) + rb"[\s\S]", b"aa", data)


def looks_escaped(cells: Sequence[bytes]) -> bool:
    """Return whether a record only makes sense if backslashes escape quotes.

    Such a record has a backslash before a quote in a quoted cell, and a misplaced quote.
    """
    return any(cell.startswith(b'"') and ESCAPED_QUOTE in cell for cell in cells) and any(
        b'"' in cell and not is_well_quoted(cell.rstrip(b" \t")) for cell in cells
    )


def refuse_escapes(data: bytes, dialect: Dialect, line: int, *, at_end: bool) -> None:
    """Refuse records in which backslashes seem to escape quotes, unless `--escape` was given.

    Args:
        data: Bytes that start at the start of a line.
        dialect: The dialect of the table.
        line: The line number at which the bytes start.
        at_end: Whether the file ends with `data`.

    Raises:
        DataError: If there is such a record.
    """
    if not dialect.may_be_escaped or ESCAPED_QUOTE not in data:
        return
    for record in walk(data, replace(dialect, comment=b""), at_end=True):
        unclosed = record.open and at_end and ESCAPED_QUOTE in data[record.start :]
        if unclosed or (not record.open and looks_escaped(record.cells(data))):
            raise refusal(dialect.name, line + count_lines(data, record.start))


def refusal(name: str, line: int) -> DataError:
    """Return the error for a table whose quotes seem to be escaped."""
    return DataError(rf"has \" in a quoted cell; {ADVICE}", path=name, line=line)

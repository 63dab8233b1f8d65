r"""Find the records of a large table piece by piece, from any byte, exactly.

A byte of a CSV file does not tell whether it is inside quotes. So a piece is read by the automaton
of records from every state that it may start in; pieces may be read in any order and in parallel.
Composed in order, the results give the number of each piece's first record, as a scan of the whole
file from its start does. The automaton need not know that a CR and an LF after it are one line end:
an LF on its own would be an empty line, in which no record starts.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from noisify.core.value_class import frozen
from noisify.formats.csv import native
from noisify.formats.csv.scan import cut_quickly
from noisify.formats.csv.types import RecordStart, count_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BETWEEN, AT_CELL, IN_CELL, IN_QUOTES, AFTER_QUOTE = STATES = range(5)
"""Between records; at the start of a cell but the first; in a bare cell; in quotes; after a quote
in quotes, which ends them unless another quote follows."""
_LINE_ENDS = re.compile(rb"[\r\n]*")
_LINE_END = re.compile(rb"[\r\n]")


class Track(NamedTuple):
    """What the automaton finds in a piece from one state.

    Attributes:
        end: The state after the piece.
        rows: The number of records that start in the piece.
        first: The offset in the piece of the first of them; the piece's length if there is none.
        lines: The number of line ends before that.
    """

    end: int
    rows: int
    first: int
    lines: int


@frozen
class Scanned:
    """What the automaton finds in a piece of a file.

    Attributes:
        tracks: From each of `STATES`.
        size: The size of the piece in bytes.
        lines: The number of line ends in it, those inside quotes included.
        starts_with_lf: Whether it may start with the second half of a CRLF.
        ends_with_cr: Whether it may end with the first half of one.
    """

    tracks: tuple[Track, ...]
    size: int
    lines: int
    starts_with_lf: bool
    ends_with_cr: bool


def scan(data: bytes, delimiter: bytes) -> Scanned:
    """Run the automaton over a piece from every state.

    Args:
        data: Any bytes of the file.
        delimiter: The delimiter, of one byte.
    """
    firsts = [_first_record(data, delimiter, state) for state in STATES]
    ahead = sorted({offset for offset, _ in firsts if offset < len(data)}, reverse=True)
    last = ahead[0] if ahead else len(data)
    end, rows, lines = _count(data, delimiter, last, len(data))
    before = count_lines(data, last)
    lines += before
    rest = {last: Track(end, rows, last, before)}
    for later, offset in pairwise(ahead):
        rest[offset] = _from_record(data, delimiter, offset, later, rest)
    tracks = [
        rest[offset] if offset < len(data) else Track(state, 0, len(data), lines)
        for offset, state in firsts
    ]
    return Scanned(tuple(tracks), len(data), lines, data.startswith(b"\n"), data.endswith(b"\r"))


def _first_record(data: bytes, delimiter: bytes, state: int) -> tuple[int, int]:
    """Return where the first record starts, or else the piece's length and its last state."""
    place, state = _to_line_end(data, delimiter, 0, state)
    if state != BETWEEN:
        return len(data), state
    match = _LINE_ENDS.match(data, place)
    return (len(data) if match is None else match.end()), BETWEEN


def _to_line_end(data: bytes, delimiter: bytes, place: int, state: int) -> tuple[int, int]:
    """Go on from a place in a record to the line end that ends it, or to the end of the data.

    Returns:
        The offset of the line end, and `BETWEEN`; or the length of the data, and the state there.
    """
    opening = delimiter + b'"'
    while state != BETWEEN and place < len(data):
        if state == IN_QUOTES:
            closing = data.find(b'"', place)
            if closing < 0:
                return len(data), IN_QUOTES
            place, state = closing + 1, AFTER_QUOTE
        elif state in {AT_CELL, AFTER_QUOTE} and data[place : place + 1] == b'"':
            place, state = place + 1, IN_QUOTES
        else:
            found = _LINE_END.search(data, place)
            end = len(data) if found is None else found.start()
            quoted = data.find(opening, place, end)
            if quoted >= 0:
                place, state = quoted + len(opening), IN_QUOTES
            elif found is not None:
                return end, BETWEEN
            else:
                return end, AT_CELL if data.endswith(delimiter) else IN_CELL
    return place, state


def _from_record(
    data: bytes, delimiter: bytes, offset: int, later: int, rest: dict[int, Track]
) -> Track:
    """Return the track from the start of a record.

    Args:
        data: The piece.
        delimiter: The delimiter.
        offset: Where the record starts.
        later: Where a record starts on another track, of which the rest is known.
        rest: The tracks from such places.
    """
    end, rows, _ = _count(data, delimiter, offset, later)
    if end == BETWEEN:  # a record starts there on both tracks
        known = rest[later]
        return Track(known.end, rows + known.rows, offset, count_lines(data, offset))
    end, rows, _ = _count(data, delimiter, offset, len(data))
    return Track(end, rows, offset, count_lines(data, offset))


def _count(data: bytes, delimiter: bytes, start: int, stop: int) -> tuple[int, int, int]:
    """Return the state after a range that starts with a record, and its records and line ends."""
    found = native.cut(memoryview(data)[start:stop], delimiter, at_end=False)
    if found is None:
        found = cut_quickly(data[start:stop], delimiter, at_end=False)
    rest = data[start + found.used : stop]
    state, rows = _count_exactly(rest, delimiter, found.rows)
    return state, rows, found.lines + count_lines(rest, len(rest))


def _count_exactly(data: bytes, delimiter: bytes, rows: int) -> tuple[int, int]:
    """Return the state after bytes that start between records, and `rows` with those in them."""
    place = 0
    while True:
        match = _LINE_ENDS.match(data, place)
        place = len(data) if match is None else match.end()
        if place == len(data):
            return BETWEEN, rows
        rows += 1
        place, state = _to_line_end(data, delimiter, place, AT_CELL)
        if state != BETWEEN:
            return state, rows


def record_starts_of(pieces: Iterable[Scanned], offset: int) -> Iterator[RecordStart]:
    """Yield the first record that starts in each piece, if any, and the end of the last piece.

    Args:
        pieces: The scanned pieces of a file, in order.
        offset: The offset in the file of the first piece, where a record may start.
    """
    row, line, state, after_cr = 0, 0, BETWEEN, False
    for piece in pieces:
        track = piece.tracks[state]
        line -= after_cr and piece.starts_with_lf
        if track.rows:
            yield RecordStart(offset + track.first, row, line + track.lines)
        offset, row, line = offset + piece.size, row + track.rows, line + piece.lines
        state, after_cr = track.end, piece.ends_with_cr
    yield RecordStart(offset, row, line)

"""The face of the compiled part: cells found, read and put back by _csv.cpp.

Each function returns None where the way in NumPy and Arrow has to be gone: the compiled part is not
there, or is not made for this. What it returns otherwise is what that way would have come to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from noisify.core.native import Part, load, pure
from noisify.formats.csv.types import Cut, Parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

Bounds: TypeAlias = "tuple[NDArray[np.int64], NDArray[np.int64]]"

part: Any = load(Part.CSV)
"""The compiled part; None: there is none."""

_NUMBER, _NULL, _STRANGE, _OTHER_NUMBER = range(4)
"""What the compiled part says of a cell: see `Status` in _csv.cpp."""


def built() -> bool:
    """Return whether the compiled part is there, in a build of these sources."""
    return part is not None


def compiled() -> bool:
    """Return whether the compiled part is in use."""
    return built() and not pure()


class Change(NamedTuple):
    """New contents for some cells of a column.

    Attributes:
        place: The column's place among those whose bounds are known.
        which: Shape (records,), which cells change.
        contents: Shape (records,), float64 or int64, of which those that `which` says are written;
            or the bytes of one text for each cell that changes, one after another.
        offsets: With texts, where each starts and the last one ends, int32.
        decimals: With floats, how many digits to write after the point of each (-1: as few
            as read back), or one number for all; None: as few as read back.
        trim: Whether blanks around the old contents stay.
    """

    place: int
    which: NDArray[np.bool_]
    contents: NDArray[Any] | bytes | memoryview
    offsets: NDArray[np.int32] | None = None
    decimals: NDArray[Any] | int | None = None
    trim: bool = True


def _byte(delimiter: bytes) -> int | None:
    """Return a delimiter as the compiled part takes it, None if it cannot."""
    return delimiter[0] if len(delimiter) == 1 and delimiter not in b'"\r\n' else None


def cut(data: bytes, delimiter: bytes, *, at_end: bool) -> Cut | None:
    """Find the whole records at the start of some bytes that start with a record.

    Args:
        data: The bytes.
        delimiter: What stands between cells.
        at_end: Whether nothing follows them, so that the last record needs no line end.
    """
    byte = _byte(delimiter)
    if byte is None or not compiled():
        return None
    return Cut(*part.cut(data, byte, at_end))


def scan(
    data: bytes, delimiter: bytes, columns: int, wanted: Sequence[int], rows: int
) -> Bounds | None:
    """Find the cells of some columns, quotes around a cell and line ends included in none.

    Args:
        data: Whole records.
        delimiter: What stands between cells.
        columns: How many cells every record should have.
        wanted: The columns to find, none twice.
        rows: How many records there should be.

    Returns:
        Where the cells start and end, shape (rows, len(wanted)); None also if there is another
        number of records, or of cells in one of them.
    """
    byte = _byte(delimiter)
    if byte is None or not compiled():
        return None
    starts = np.empty((rows, len(wanted)), np.int64)
    ends = np.empty_like(starts)
    places = np.array(wanted, np.int64)
    return (starts, ends) if part.scan(data, byte, columns, places, starts, ends) else None


def parse_floats(
    data: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64], nulls: tuple[bytes, ...]
) -> Parsed | None:
    """Read cells as float64.

    Args:
        data: The bytes they stand in.
        starts: Where each starts, shape (n,).
        ends: Where each ends.
        nulls: The texts that mean null, besides nothing.
    """
    if not compiled():
        return None
    values = np.empty(len(starts))
    statuses = np.empty(len(starts), np.uint8)
    numbers, empty, strange, others = part.parse(data, starts, ends, nulls, values, statuses)
    if others:  # beyond the largest or below the smallest
        for row in np.flatnonzero(statuses == _OTHER_NUMBER).tolist():
            values[row] = float(data[starts[row] : ends[row]])
            statuses[row] = _NUMBER
    return _read(values, statuses, numbers + others, empty, strange)


def parse_float_columns(
    data: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64], nulls: tuple[bytes, ...]
) -> list[Parsed] | None:
    """Read columns of cells as float64, all at once; see `parse_floats`.

    Args:
        data: The bytes they stand in.
        starts: Where each starts, shape (n, columns).
        ends: Where each ends.
        nulls: The texts that mean null, besides nothing.
    """
    parsed = parse_floats(data, starts.reshape(-1), ends.reshape(-1), nulls)
    if parsed is None:
        return None
    values = np.ascontiguousarray(parsed.values.reshape(starts.shape).T)
    if parsed.valid is None:
        return [Parsed(column, None) for column in values]
    valid = np.ascontiguousarray(parsed.valid.reshape(starts.shape).T)
    strange = np.zeros_like(valid)
    if parsed.strange is not None:
        strange[:] = parsed.strange.reshape(starts.shape).T
    numbers = np.count_nonzero(valid, axis=1).tolist()
    others = np.count_nonzero(strange, axis=1).tolist()
    return [
        Parsed(
            values[at],
            None if numbers[at] == len(starts) else valid[at],
            len(starts) - numbers[at] - others[at],
            strange[at] if others[at] else None,
        )
        for at in range(len(values))
    ]


def parse_integers(
    data: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64], nulls: tuple[bytes, ...]
) -> Parsed | None:
    """Read cells as int64; see `parse_floats`.

    Returns:
        The numbers; None also if some are beyond int64, have a fraction or an exponent, or are not
        finite.
    """
    if not compiled():
        return None
    values = np.empty(len(starts), np.int64)
    statuses = np.empty(len(starts), np.uint8)
    numbers, empty, strange, others = part.parse(data, starts, ends, nulls, values, statuses)
    return None if others else _read(values, statuses, numbers, empty, strange)


def _read(
    values: NDArray[Any], statuses: NDArray[np.uint8], numbers: int, nulls: int, strange: int
) -> Parsed:
    valid = None if numbers == len(values) else statuses == _NUMBER
    return Parsed(values, valid, nulls, statuses == _STRANGE if strange else None)


def format_floats(values: NDArray[np.float64]) -> tuple[NDArray[np.int32], bytearray] | None:
    """Write floats as Python's repr does.

    Args:
        values: Shape (n,).

    Returns:
        Where each text starts and the last one ends, shape (n + 1,), and the texts.
    """
    if not compiled():
        return None
    offsets = np.empty(len(values) + 1, np.int32)
    return offsets, part.format(np.ascontiguousarray(values), offsets)


def splice(
    data: bytes,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    changes: Iterable[Change],
) -> bytearray | None:
    """Put new contents in the place of changed cells; every other byte stays.

    Args:
        data: The bytes.
        starts: Where the cells of some columns start, shape (records, columns), rising.
        ends: Where they end.
        changes: What changes, in the order of their places; two changes of one place must be of
            different cells.
    """
    if not compiled():
        return None
    spliced: bytearray = part.splice(data, starts, ends, [_change(change) for change in changes])
    return spliced


def _change(change: Change) -> tuple[Any, ...]:
    which, contents, decimals = change.which, change.contents, change.decimals
    if isinstance(contents, np.ndarray):
        contents = np.ascontiguousarray(contents)
    if decimals is not None:
        decimals = np.broadcast_to(np.asarray(decimals, np.int64), which.shape)
    which = np.ascontiguousarray(which)
    return change.place, change.trim, which, contents, change.offsets, decimals

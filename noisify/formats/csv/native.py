"""Python interface to _csv.cpp, which finds, parses and replaces cells.

Each function returns None if the caller must use NumPy and Arrow instead: the compiled part is
missing, or does not cover the case. Both ways give the same results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from noisify.core.native import Part, load, pure
from noisify.formats.csv.types import Cut, Parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from noisify.formats.csv.types import Cells

Bounds: TypeAlias = "tuple[NDArray[np.int64], NDArray[np.int64]]"

part: Any = load(Part.CSV)
"""The compiled module, or None if it is missing."""

_NUMBER, _NULL, _UNPARSEABLE, _OTHER_NUMBER = range(4)
"""The status of a parsed cell: see `Status` in _csv.cpp."""

_ROWS_AT_ONCE = 32
_CELLS_AT_ONCE = 1 << 16
"""Cells to parse at once, few enough to stay in the cache, but at least some rows: NumPy takes time
for each piece of a column that it copies."""


def built() -> bool:
    """Return whether the compiled module is present, with the interface version used here."""
    return part is not None


def compiled() -> bool:
    """Return whether the compiled module is in use."""
    return built() and not pure()


class Change(NamedTuple):
    """New contents for some cells of a column.

    Attributes:
        place: The index of the column in the bounds.
        which: Mask of the cells that change, shape (records,).
        contents: Float64 or int64 values, shape (records,), written where `which` is set; or the
            concatenated bytes of one text for each cell that changes.
        offsets: For texts, the start of each and the end of the last, int32.
        decimals: For floats, the digits after the decimal point, one number or one for each; -1
            or None for the fewest that read back as the same number.
        trim: Whether to keep the blanks around the old contents.
    """

    place: int
    which: NDArray[np.bool_]
    contents: NDArray[Any] | bytes | memoryview
    offsets: NDArray[np.int32] | None = None
    decimals: NDArray[Any] | int | None = None
    trim: bool = True


def _byte(delimiter: bytes) -> int | None:
    """Return a delimiter as the compiled module takes it; None if it takes only others."""
    return delimiter[0] if len(delimiter) == 1 and delimiter not in b'"\r\n' else None


def cut(data: bytes | memoryview, delimiter: bytes, *, at_end: bool) -> Cut | None:
    """Find the whole records at the start of some bytes.

    Args:
        data: Bytes that start at the start of a record.
        delimiter: The delimiter between cells.
        at_end: Whether the file ends with `data`, so that the last record needs no line end.
    """
    byte = _byte(delimiter)
    if byte is None or not compiled():
        return None
    return Cut(*part.cut(data, byte, at_end))


def scan(
    data: bytes, delimiter: bytes, columns: int, wanted: Sequence[int], rows: int
) -> Bounds | None:
    """Find the cells of some columns, without the quotes around them and without line ends.

    Args:
        data: Whole records.
        delimiter: The delimiter between cells.
        columns: The expected number of cells in each record.
        wanted: The columns to find, without repeats.
        rows: The expected number of records.

    Returns:
        The starts and ends of the cells, shape (rows, len(wanted)). None also if the number of
        records or of cells in a record is not the expected one.
    """
    byte = _byte(delimiter)
    if byte is None or not compiled():
        return None
    starts = np.empty((rows, len(wanted)), np.int64)
    ends = np.empty_like(starts)
    places = np.array(wanted, np.int64)
    return (starts, ends) if part.scan(data, byte, columns, places, starts, ends) else None


def parse_floats(cells: Cells, nulls: tuple[bytes, ...]) -> Parsed | None:
    """Read cells as float64.

    Args:
        cells: The cells, shape (n,).
        nulls: The texts that mean null, besides the empty cell.
    """
    if not compiled():
        return None
    values, statuses, numbers, empty, unparseable = _parse_floats(cells, nulls)
    return _read(values, statuses, numbers, empty, unparseable)


def _parse_floats(
    cells: Cells, nulls: tuple[bytes, ...]
) -> tuple[NDArray[np.float64], NDArray[np.uint8], int, int, int]:
    """Return the values and statuses of cells, and how many are numbers, null, and neither."""
    values = np.empty(len(cells.starts))
    statuses, numbers, empty, unparseable, others = _parse(cells, nulls, values)
    if others:  # too large or too small for the compiled parser
        rows = np.flatnonzero(statuses == _OTHER_NUMBER)
        values[rows] = [float(cell) for cell in cells.where(rows).contents()]
        statuses[rows] = _NUMBER
    return values, statuses, numbers + others, empty, unparseable


def parse_float_columns(cells: Cells, nulls: tuple[bytes, ...]) -> list[Parsed] | None:
    """Read columns of cells as float64, all at once; see `parse_floats`.

    Args:
        cells: The cells, shape (n, columns).
        nulls: The texts that mean null, besides the empty cell.
    """
    if not compiled():
        return None
    rows, columns = cells.starts.shape
    values = np.empty((columns, rows))
    parts: list[NDArray[np.uint8]] = []
    numbers = 0
    step = max(_ROWS_AT_ONCE, _CELLS_AT_ONCE // max(1, columns))
    for first in range(0, rows, step):
        some = cells.where(slice(first, first + step))
        read, statuses, found, _, _ = _parse_floats(some.flat(), nulls)
        values[:, first : first + step] = read.reshape(some.starts.shape).T
        parts.append(statuses)
        numbers += found
    if numbers == values.size:
        return [Parsed(column, None) for column in values]
    of_columns = np.ascontiguousarray(np.concatenate(parts).reshape(rows, columns).T)
    valid, unparseable = of_columns == _NUMBER, of_columns == _UNPARSEABLE
    counts = np.count_nonzero(valid, axis=1).tolist()
    others = np.count_nonzero(unparseable, axis=1).tolist()
    return [
        Parsed(
            values[at],
            None if counts[at] == rows else valid[at],
            rows - counts[at] - others[at],
            unparseable[at] if others[at] else None,
        )
        for at in range(columns)
    ]


def parse_integers(cells: Cells, nulls: tuple[bytes, ...]) -> Parsed | None:
    """Read cells as int64; see `parse_floats`.

    Returns:
        The numbers; None also if some do not fit int64, have a fraction or an exponent, or are
        not finite.
    """
    if not compiled():
        return None
    values = np.empty(len(cells.starts), np.int64)
    statuses, numbers, empty, unparseable, others = _parse(cells, nulls, values)
    return None if others else _read(values, statuses, numbers, empty, unparseable)


def _parse(cells: Cells, nulls: tuple[bytes, ...], values: NDArray[Any]) -> tuple[Any, ...]:
    """Parse cells into `values`; return the status of each, and the counts of statuses."""
    statuses = np.empty(len(values), np.uint8)
    return statuses, *part.parse(cells.data, cells.starts, cells.ends, nulls, values, statuses)


def _read(
    values: NDArray[Any], statuses: NDArray[np.uint8], numbers: int, nulls: int, unparseable: int
) -> Parsed:
    valid = None if numbers == len(values) else statuses == _NUMBER
    return Parsed(values, valid, nulls, statuses == _UNPARSEABLE if unparseable else None)


def format_floats(values: NDArray[np.float64]) -> tuple[NDArray[np.int32], bytearray] | None:
    """Write floats as Python's repr does.

    Args:
        values: Shape (n,).

    Returns:
        The start of each text and the end of the last, shape (n + 1,), and the texts.
    """
    if not compiled():
        return None
    offsets = np.empty(len(values) + 1, np.int32)
    return offsets, part.format(np.ascontiguousarray(values), offsets)


def splice(cells: Cells, changes: Iterable[Change]) -> list[bytearray] | None:
    """Replace the contents of changed cells; copy every other byte; return it all in pieces.

    Args:
        cells: The cells of some columns, shape (records, columns), ascending.
        changes: The changes, in the order of their places. Two changes of one place must not
            share a cell.
    """
    if not compiled():
        return None
    given = [_change(change) for change in changes]
    spliced: list[bytearray] = part.splice(cells.data, cells.starts, cells.ends, given)
    return spliced


def _change(change: Change) -> tuple[Any, ...]:
    which, contents, decimals = change.which, change.contents, change.decimals
    if isinstance(contents, np.ndarray) and not contents.flags.c_contiguous:
        contents = np.ascontiguousarray(contents)
    if decimals is not None:
        decimals = np.broadcast_to(np.asarray(decimals, np.int64), which.shape)
    if not which.flags.c_contiguous:
        which = np.ascontiguousarray(which)
    return change.place, change.trim, which, contents, change.offsets, decimals

"""Match the rows of two tables by hashes of their cells, and find rows that only one has."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from noisify.comparison.cells import Cells

AHEAD = 256
"""How many rows ahead the tables are searched for rows that agree again."""
_CONFIRMED = 3
"""How many rows must agree after lost or added rows."""
_SHARED = 0.9
"""The share of a field's cells that must be in both tables for it to identify rows."""
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class Matched(NamedTuple):
    """The matches in some rows of two tables.

    Attributes:
        before: Shape (n,), rows of the first table.
        after: Shape (n,), the rows of the second that they became.
        lost: How many rows of the first were skipped.
        added: How many rows of the second were skipped.
        used: How many rows of each table are done.
    """

    before: NDArray[np.int64]
    after: NDArray[np.int64]
    lost: int
    added: int
    used: tuple[int, int]


def telling_fields(before: Mapping[str, Cells], after: Mapping[str, Cells]) -> list[str]:
    """Return the fields that identify rows: most of their cells are in both tables.

    Args:
        before: Cells of the first rows of one table.
        after: Cells of the first rows of the other.
    """
    found = []
    for name, cells in before.items():
        one, other = cells.words(), after[name].words()
        if len(one) and len(other) and np.isin(other, one).mean() >= _SHARED:
            found.append(name)
    return found


def row_hashes(cells: Mapping[str, Cells], names: Sequence[str]) -> NDArray[np.uint64]:
    """Return a hash of some fields' cells for each row, shape (n,)."""
    total = np.zeros(len(cells[names[0]]), np.uint64)
    for name in names:
        total = (total ^ cells[name].words()) * _MULTIPLIER
        total ^= total >> np.uint64(29)
    return total


def match(
    before: NDArray[np.uint64], after: NDArray[np.uint64], *, last: tuple[bool, bool]
) -> Matched:
    """Match rows by their hashes, in order.

    Where two rows differ, the next `AHEAD` rows are searched for the nearest place where the tables
    agree again: the rows before it were lost or added. If there is none, the two are the same row
    with other values.

    Args:
        before: Shape (n,), hashes of rows of the first table.
        after: Shape (m,), hashes of rows of the second.
        last: For each table, whether it has no more rows.
    """
    ends = len(before), len(after)
    stops = [
        end if done else end - AHEAD - _CONFIRMED for end, done in zip(ends, last, strict=True)
    ]
    runs: list[tuple[int, int, int]] = []
    lost = added = at = to = 0
    while at < stops[0] and to < stops[1]:
        length = _agreement(before[at : stops[0]], after[to : stops[1]])
        if not length:
            skipped, extra = _resume(before[at:], after[to:])
            if skipped or extra:
                lost, added, at, to = lost + skipped, added + extra, at + skipped, to + extra
                continue
            length = 1
        runs.append((at, to, length))
        at, to = at + length, to + length
    if last[0] and at == ends[0]:
        added, to = added + ends[1] - to, ends[1]
    if last[1] and to == ends[1]:
        lost, at = lost + ends[0] - at, ends[0]
    nothing = np.empty(0, np.int64)
    rows = [
        np.concatenate([nothing, *(np.arange(run[side], run[side] + run[2]) for run in runs)])
        for side in (0, 1)
    ]
    return Matched(rows[0], rows[1], lost, added, (at, to))


def _agreement(before: NDArray[np.uint64], after: NDArray[np.uint64]) -> int:
    """Return how many rows agree from the first on."""
    length = min(len(before), len(after))
    differing = before[:length] != after[:length]
    return int(differing.argmax()) if differing.any() else length


def _resume(before: NDArray[np.uint64], after: NDArray[np.uint64]) -> tuple[int, int]:
    """Return how many rows to skip in each table until they agree again; 0, 0 if unknown."""
    lost = _place_of(after, before)
    added = _place_of(before, after)
    if lost and (not added or lost <= added):
        return lost, 0
    return 0, added


def _place_of(wanted: NDArray[np.uint64], rows: NDArray[np.uint64]) -> int:
    """Return where `rows` continue like the start of `wanted`, or 0 if not within `AHEAD` rows.

    Since hashes may repeat, a place where several rows agree is preferred.
    """
    places = (np.flatnonzero(rows[1 : AHEAD + 1] == wanted[0]) + 1).tolist()
    for place in places:
        length = min(_CONFIRMED, len(wanted), len(rows) - place)
        if _agreement(wanted[:length], rows[place : place + length]) == length:
            return int(place)
    return int(places[0]) if places else 0

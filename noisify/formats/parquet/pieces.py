"""How the columns of a Parquet row group are shared out among the pieces that are worked on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

WHOLE_BYTES = 16 << 20
"""Bytes of leaves that have to go together, decoded, up to which they are one piece."""
PIECE_BYTES = 4 << 20
"""Bytes of a piece, decoded, that has several leaves or is a slice of their rows."""


def without_overlap(groups: Iterable[Sequence[int]]) -> list[tuple[int, ...]]:
    """Return groups of leaves in order, those that lie between each other's leaves as one.

    >>> without_overlap([[4], [0, 3], [1], [5, 6]])
    [(0, 1, 3), (4,), (5, 6)]
    """
    units: list[tuple[int, ...]] = []
    for group in sorted(map(sorted, groups)):
        if units and group and group[0] <= units[-1][-1]:
            units[-1] = tuple(sorted({*units[-1], *group}))
        else:
            units.append(tuple(group))
    return units


def shares_of(
    units: Sequence[tuple[int, ...]], sizes: Mapping[int, int]
) -> Iterator[tuple[int, ...]]:
    """Yield units one after the other, small ones together."""
    share: tuple[int, ...] = ()
    total = 0
    for unit in units:
        size = sum(sizes[leaf] for leaf in unit)
        if share and total + size > PIECE_BYTES:
            yield share
            share, total = (), 0
        share, total = share + unit, total + size
    yield share

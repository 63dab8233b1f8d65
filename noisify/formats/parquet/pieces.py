"""Divide the columns of a Parquet row group into slices of bounded size."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_MOST_BYTES = 4 << 20
_CHUNKS = 4
WHOLE = 4
"""The most slices that leaves with all rows may be as large as, before their rows are cut."""
WHOLE_BYTES = WHOLE * _MOST_BYTES
"""The largest decoded size of leaves of which the rows are not cut, whatever the chunk size."""


def slice_bytes(chunk_bytes: int) -> int:
    """Return the target size, decoded, of slices of rows and of several small leaves together.

    >>> slice_bytes(1 << 20), slice_bytes(1 << 30), slice_bytes(1)
    (4194304, 4194304, 4)
    """
    return min(_MOST_BYTES, _CHUNKS * chunk_bytes)


def without_overlap(groups: Iterable[Sequence[int]]) -> list[tuple[int, ...]]:
    """Sort groups of leaves, and merge those whose ranges overlap.

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
    units: Sequence[tuple[int, ...]], sizes: Mapping[int, int], most: int
) -> Iterator[tuple[int, ...]]:
    """Yield the units in order, combining small ones up to `most` bytes."""
    share: list[int] = []
    total = 0
    for unit in units:
        size = sum(sizes[leaf] for leaf in unit)
        if share and total + size > most:
            yield tuple(share)
            share, total = [], 0
        share += unit
        total += size
    yield tuple(share)

"""How the columns of a Parquet row group are shared out among the pieces that are worked on."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa
    import pyarrow.parquet as pq

    from noisify.formats.parquet.source import ParquetSource

WHOLE_BYTES = 16 << 20
"""Bytes of leaves that have to go together, decoded, up to which they are one piece."""
PIECE_BYTES = 4 << 20
"""Bytes of a piece, decoded, that has several leaves or is a slice of their rows."""


@frozen
class Piece:
    """Some leaves of some rows of a row group.

    Attributes:
        source: The file.
        group: The row group's number in it.
        leaves: The wanted leaves it has, in order; those of the next piece come after them.
        closes: Whether these are the last wanted leaves of the row group.
        offset: The number of its first row in the row group.
        start: The same in the table.
        rows: How many rows it has.
        last: Whether the rows of the row group end with it.
        size: Its bytes in the file.
        arrays: What is wanted, by the leaves' numbers; None: a worker reads it.
        elements: For each list with a wanted leaf, the number in the table of its first element.
    """

    source: ParquetSource
    group: int
    leaves: tuple[int, ...]
    closes: bool
    offset: int
    start: int
    rows: int
    last: bool
    size: int
    arrays: Mapping[int, pa.Array] | None = None
    elements: Mapping[str, int] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether it has all rows of its row group."""
        return self.last and not self.offset


def decoded_size(chunk: pq.ColumnChunkMetaData) -> int:
    """Return about how many bytes a column chunk takes in memory."""
    return int(max(chunk.total_uncompressed_size, 8 * chunk.num_values))


def stored_size(group: pq.RowGroupMetaData, leaves: Iterable[int]) -> int:
    """Return how many bytes some leaves of a row group take in the file."""
    return sum(group.column(leaf).total_compressed_size for leaf in leaves)


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

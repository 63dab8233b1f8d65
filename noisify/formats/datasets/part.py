"""Parts of files of datasets: some rows of each dataset, along its first long axis."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Generic, TypeVar

from noisify.core.overriding import override
from noisify.formats.datasets.pieces import DatasetsPiece
from noisify.formats.datasets.source import DatasetsSource
from noisify.formats.interface import Part, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from noisify.core.chunk import Field
    from noisify.core.share import Share
    from noisify.formats.datasets.pieces import Cut
    from noisify.formats.datasets.storage import Storage

OpenSource = TypeVar("OpenSource", bound=DatasetsSource)


class DatasetsPart(Part[DatasetsPiece], Generic[OpenSource]):
    """Some rows of each dataset of a file, along its first axis of more than one element.

    Args:
        source: The file.
        share: Which part it is.
    """

    def __init__(self, source: OpenSource, share: Share) -> None:
        self.share = share
        self._source = source
        self._noised: set[str] | None = None

    @abstractmethod
    def _rows(self, found: Cut, storage: Storage) -> range:
        """Return the rows that the part has of a dataset; without a sink, any share of them."""

    @override
    def read(
        self, groups: Sequence[Sequence[Field]], size: int, halo: int
    ) -> Reading[DatasetsPiece]:
        """Read the rows of the datasets that are written, with those of others that they need.

        Datasets of a group may have other rows in the part; then pieces have rows of one only.
        """

        def pieces(found: Cut) -> Iterator[DatasetsPiece]:
            own = {
                one.path: self._rows(found, one)
                for one in found.storages
                if self._noised is None or one.path in self._noised
            }
            around = -(-halo // max(1, prod(found.shape) // max(1, found.rows)))
            for rows, owned in _ranges(own, around, found.rows):
                for piece in self._source.pieces(found, rows):
                    yield replace(piece, owned=owned)

        reading = self._source.read_pieces(groups, size, pieces)
        return replace(reading, beyond=lambda piece: not piece.owned, owns=self._owns)

    def _owns(self, piece: DatasetsPiece, field: Field) -> bool:
        return self._source.path_of(field) in (piece.owned or ())


def _ranges(
    own: Mapping[str, range], halo: int, total: int
) -> Iterator[tuple[range, frozenset[str]]]:
    """Yield ranges of rows, and the datasets that the part has these rows of.

    >>> [(rows, *names) for rows, names in _ranges({"a": range(2, 9), "b": range(0)}, 1, 9)]
    [(range(1, 2),), (range(2, 9), 'a')]

    Args:
        own: The rows of each dataset.
        halo: The number of rows to read on either side, and between what is apart.
        total: The number of rows of each dataset.
    """
    ends = sorted({end for rows in own.values() if rows for end in (rows.start, rows.stop)})
    if ends and halo:
        ends = [max(0, ends[0] - halo), *ends, min(total, ends[-1] + halo)]
    for start, stop in pairwise(ends):
        owned = frozenset(path for path, rows in own.items() if start in rows)
        if start < stop and (owned or halo):
            yield range(start, stop), owned

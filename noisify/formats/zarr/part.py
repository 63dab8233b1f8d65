"""Parts of Zarr stores: consecutive chunks, in files that no other part has."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import accumulate
from math import lcm, prod
from typing import TYPE_CHECKING, cast

from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.files.folder_input import names_in
from noisify.formats.datasets.pieces import long_axis
from noisify.formats.datasets.source import DatasetsPart
from noisify.formats.zarr.source import ZarrSink, ZarrSource, unit_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noisify.core.share import Share
    from noisify.files.folder_output import FolderOutput
    from noisify.files.output import Output
    from noisify.formats.datasets.pieces import Cut
    from noisify.formats.datasets.storage import Storage
    from noisify.formats.zarr.store import ZarrObject

_NUMBER = re.compile("[0-9]+")
_METADATA = (".z", "zarr.json")
"""The starts of the names of files that describe arrays and groups."""


@frozen
class _Slabs:
    """How an array is cut along its first axis of more than one element.

    Attributes:
        array: The array.
        rows: The length of that axis.
        chunk: The rows of a chunk.
        step: The rows of a slab, which cuts no chunk of any array of the same shape.
    """

    array: ZarrObject
    rows: int
    chunk: int
    step: int

    @classmethod
    def of(cls, array: ZarrObject) -> _Slabs:
        """Return how an array is cut if there are no others of its shape."""
        axis = long_axis(array.shape)
        rows, chunk = (array.shape[axis], unit_of(array)[axis]) if array.shape else (1, 1)
        return cls(array, rows, chunk, chunk)

    @property
    def number(self) -> int:
        """The number of slabs."""
        return -(-self.rows // self.step)

    @property
    def size(self) -> int:
        """The bytes of the elements of a slab."""
        elements = prod(self.array.shape) // max(1, self.rows) * self.step
        size: int = elements * self.array.dtype.itemsize
        return max(1, size)

    def row_of(self, key: str) -> int | None:
        """Return the first row of the chunk with a key; None if no chunk has this key."""
        at = tuple(map(int, _NUMBER.findall(key)))[: self.array.ndim]
        if len(at) < self.array.ndim or self.array.metadata.encode_chunk_key(at) != key:
            return None
        row = self.chunk * at[long_axis(self.array.shape)] if at else 0
        return None if row >= self.rows else int(row)


def _slabs(source: ZarrSource) -> dict[str, _Slabs]:
    """Return how each array that can get noise is cut, by path."""
    slabs = {place.path: _Slabs.of(source.array(place.path)) for place in source.stored.values()}
    steps: dict[tuple[int, ...], int] = {}
    for one in slabs.values():
        steps[one.array.shape] = lcm(steps.get(one.array.shape, 1), one.chunk)
    return {
        path: replace(one, step=max(1, min(one.rows, steps[one.array.shape])))
        for path, one in slabs.items()
    }


def most_parts(source: ZarrSource, most: int) -> int:
    """Return into how many parts a store may be cut, up to `most`."""
    return max(1, min(most, sum(one.number for one in _slabs(source).values())))


class ZarrPart(DatasetsPart[ZarrSource]):
    """The slabs of arrays that start in one range of a store's elements, counted in bytes.

    Args:
        source: The store.
        share: Which part it is.
    """

    def __init__(self, source: ZarrSource, share: Share) -> None:
        super().__init__(source, share)
        self._slabs = _slabs(source)
        sizes = (one.number * one.size for one in self._slabs.values())
        *starts, total = accumulate(sizes, initial=0)
        mine = share.of(total)
        self._own = {
            path: range(
                *(
                    min(one.rows, one.step * max(0, -(-(end - start) // one.size)))
                    for end in (mine.start, mine.stop)
                )
            )
            for start, (path, one) in zip(starts, self._slabs.items(), strict=True)
        }

    @override
    def _rows(self, found: Cut, storage: Storage) -> range:
        return self._own[storage.path]

    @override
    def rewrite(self, output: Output, noised: frozenset[str]) -> ZarrSink:
        """Open a sink for a folder with the chunks of the part."""
        paths = {self._source.stored[name].path for name in noised}
        self._noised = {*(self._noised or ()), *paths}
        return ZarrSink(self._source, cast("FolderOutput", output), set(self._files()))

    def _files(self) -> Iterator[str]:
        """Yield all metadata, the part's chunks, and its share of all other files."""
        others = []
        for name in names_in(self._source.folder):
            if name.rpartition("/")[2].startswith(_METADATA):
                yield name
            elif (place := self._place_of(name)) is None:
                others.append(name)
            elif place[1] in self._own[place[0]]:
                yield name
        mine = self.share.of(len(others))
        yield from others[mine.start : mine.stop]

    def _place_of(self, name: str) -> tuple[str, int] | None:
        """Return the array and the first row of the chunk in a file; None for any other file."""
        path = name
        while path:
            path = path.rpartition("/")[0]
            if path in self._slabs:
                row = self._slabs[path].row_of(name[len(path) :].lstrip("/"))
                return None if row is None else (path, row)
        return None

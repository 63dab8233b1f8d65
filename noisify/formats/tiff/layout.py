"""Where in a TIFF file samples are: in strips of rows, or in tiles."""

from __future__ import annotations

from bisect import bisect_right
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import numpy as np

from noisify.core.chunk import Positions, boxes
from noisify.core.value_class import frozen
from noisify.files.input import read_into
from noisify.files.write_behind import write_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

Box = tuple[slice, ...]


@frozen
class Place:
    """Some elements of a series.

    Attributes:
        positions: Where they stand in its array.
        box: The part of its array that they are; None: consecutive elements.
    """

    positions: Positions
    box: Box | None = None


class Layout(Protocol):
    """Where in the file the elements of a series are."""

    def places(self, limit: int) -> Iterator[Place]:
        """Yield places of about `limit` elements that cover the series once."""
        ...

    def read(self, file: BinaryIO, place: Place) -> NDArray[Any]:
        """Return the elements of a place, flat, in the file's dtype."""
        ...

    def write(self, old: BinaryIO, new: BinaryIO, place: Place, values: NDArray[Any]) -> None:
        """Put elements in their place in the copy `new` of the file `old`."""
        ...

    def extents(self) -> NDArray[np.int64]:
        """Return where each run of them starts and ends in the file, shape (runs, 2)."""
        ...


@frozen
class Strips:
    """Elements that stand in runs of consecutive ones, as in strips.

    Attributes:
        dtype: Their dtype, byte order included.
        count: How many there are.
        starts: The first element of each run, in rising order.
        offsets: Where in the file each run starts.
    """

    dtype: np.dtype[Any]
    count: int
    starts: list[int]
    offsets: list[int]

    @classmethod
    def of(cls, dtype: np.dtype[Any], runs: Iterable[tuple[int, int]]) -> Strips:
        """Return runs, given as (elements, offset) in the order of the elements, as few as can be.

        Args:
            dtype: The elements' dtype, byte order included.
            runs: How many elements each holds, and where it starts.
        """
        starts: list[int] = []
        offsets: list[int] = []
        count = 0
        for elements, offset in runs:
            if not starts or offset != offsets[-1] + (count - starts[-1]) * dtype.itemsize:
                starts.append(count)
                offsets.append(offset)
            count += elements
        return cls(dtype, count, starts, offsets)

    def places(self, limit: int) -> Iterator[Place]:
        """Yield consecutive elements."""
        for start in range(0, self.count, limit):
            yield Place(Positions.range(start, min(start + limit, self.count)))

    def _parts(self, place: Place) -> Iterator[tuple[int, slice]]:
        """Yield where in the file, and which of a place's elements, piece by piece."""
        first = int(place.positions.starts[0])
        start, stop = first, first + place.positions.length
        run = bisect_right(self.starts, start) - 1
        while start < stop:
            end = self.starts[run + 1] if run + 1 < len(self.starts) else self.count
            end = min(end, stop)
            offset = self.offsets[run] + (start - self.starts[run]) * self.dtype.itemsize
            yield offset, slice(start - first, end - first)
            start, run = end, run + 1

    def read(self, file: BinaryIO, place: Place) -> NDArray[Any]:
        """Return the elements of a place."""
        values = np.empty(place.positions.length, self.dtype)
        for offset, part in self._parts(place):
            file.seek(offset)
            read_into(file, values[part].view(np.uint8).data)
        return values

    def write(self, old: BinaryIO, new: BinaryIO, place: Place, values: NDArray[Any]) -> None:  # noqa: ARG002
        """Put elements in their place."""
        for offset, part in self._parts(place):
            new.seek(offset)
            write_all(new, values[part].view(np.uint8).data)

    def extents(self) -> NDArray[np.int64]:
        """Return where each run starts and ends."""
        sizes = np.diff(np.array([*self.starts, self.count], np.int64)) * self.dtype.itemsize
        starts = np.array(self.offsets, np.int64)
        return np.stack((starts, starts + sizes), axis=1)


@frozen
class Tiles:
    """Elements that stand in tiles of one shape, those at the edges filled up.

    Attributes:
        dtype: Their dtype, byte order included.
        shape: The shape of all: (planes of all pages, depth, height, width, samples).
        tile: The shape of a tile, its first extent 1.
        offsets: Where in the file each tile starts, in C order of their places.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    tile: tuple[int, ...]
    offsets: list[int]

    def places(self, limit: int) -> Iterator[Place]:
        """Yield boxes of whole tiles."""
        for box in boxes(self.shape, limit, self.tile):
            yield Place(Positions.box(self.shape, box), box)

    def _parts(self, box: Box) -> Iterator[tuple[int, Box, Box]]:
        """Yield where a tile is in the file, its part of the box, and that part of the tile."""
        axes = list(zip(box, self.tile, self.shape, strict=True))
        counts = [-(-extent // step) for _, step, extent in axes]
        for at in product(*(range(cut.start, cut.stop, step) for cut, step, _ in axes)):
            places = [start // step for start, (_, step, _) in zip(at, axes, strict=True)]
            number = int(np.ravel_multi_index(places, counts))
            sizes = [
                min(step, cut.stop - start) for start, (cut, step, _) in zip(at, axes, strict=True)
            ]
            starts = [start - cut.start for start, (cut, _, _) in zip(at, axes, strict=True)]
            inner = tuple(slice(s, s + size) for s, size in zip(starts, sizes, strict=True))
            yield self.offsets[number], inner, tuple(slice(size) for size in sizes)

    def _tile(self, file: BinaryIO, offset: int) -> NDArray[Any]:
        tile = np.empty(self.tile, self.dtype)
        file.seek(offset)
        read_into(file, tile.reshape(-1).view(np.uint8).data)
        return tile

    def read(self, file: BinaryIO, place: Place) -> NDArray[Any]:
        """Return the elements of a place."""
        box = place.box or ()
        values = np.empty([cut.stop - cut.start for cut in box], self.dtype)
        for offset, inner, used in self._parts(box):
            values[inner] = self._tile(file, offset)[used]
        return values.reshape(-1)

    def write(self, old: BinaryIO, new: BinaryIO, place: Place, values: NDArray[Any]) -> None:
        """Put elements in their place, and leave what fills up a tile."""
        box = place.box or ()
        values = values.reshape([cut.stop - cut.start for cut in box])
        for offset, inner, used in self._parts(box):
            tile = self._tile(old, offset)
            tile[used] = values[inner]
            new.seek(offset)
            write_all(new, tile.reshape(-1).view(np.uint8).data)

    def extents(self) -> NDArray[np.int64]:
        """Return where each tile starts and ends."""
        starts = np.array(self.offsets, np.int64)
        return np.stack((starts, starts + prod(self.tile) * self.dtype.itemsize), axis=1)


def share_bytes(extents: NDArray[np.int64]) -> bool:
    """Return whether some extents overlap, shape (n, 2): starts and ends, none of them empty."""
    ordered = extents[np.argsort(extents[:, 0], kind="stable")]
    return bool((ordered[1:, 0] < ordered[:-1, 1]).any())

"""Locate samples in a TIFF file, in strips of rows or in tiles."""

from __future__ import annotations

from bisect import bisect_right
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np

from noisify.core.chunk import Positions, boxes
from noisify.core.value_class import frozen
from noisify.files.input import read_into_at
from noisify.files.write_behind import write_all_at
from noisify.formats.datasets.boxes import box_shape, chunk_number, corners, overlap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from noisify.formats.datasets.boxes import Box


@frozen
class Place:
    """Some elements of a series.

    Attributes:
        positions: The positions of the elements in its array.
        box: The box of its array that they fill, or None for consecutive elements.
    """

    positions: Positions
    box: Box | None = None


@frozen
class Strips:
    """Elements stored in runs of consecutive ones, as in strips.

    Attributes:
        dtype: The dtype of the elements, including the byte order.
        count: The number of elements.
        starts: The index of the first element of each run, ascending.
        offsets: The offset of each run in the file.
    """

    dtype: np.dtype[Any]
    count: int
    starts: list[int]
    offsets: list[int]

    @classmethod
    def of(cls, dtype: np.dtype[Any], runs: Iterable[tuple[int, int]]) -> Strips:
        """Build the layout from runs, joining adjacent ones.

        Args:
            dtype: The dtype of the elements, including the byte order.
            runs: The number of elements and the offset of each run, in element order.
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
        """Yield places of at most `limit` consecutive elements, which cover the series."""
        for start in range(0, self.count, limit):
            yield Place(Positions.range(start, min(start + limit, self.count)))

    def rows(self, row: int, start: int, stop: int) -> Place:
        """Return the place of some rows of `row` elements."""
        return Place(Positions.range(start * row, stop * row))

    def rows_together(self, _row: int) -> int:
        """Return how many rows are stored together."""
        return 1

    def _parts(self, place: Place) -> Iterator[tuple[int, slice]]:
        """Yield for each run in a place its offset in the file and its slice of the elements."""
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
        """Read the elements of a place, flat, in the file's dtype."""
        values = np.empty(place.positions.length, self.dtype)
        for offset, part in self._parts(place):
            read_into_at(file, values[part].view(np.uint8).data, offset)
        return values

    def write(self, old: BinaryIO, new: BinaryIO, place: Place, values: NDArray[Any]) -> None:  # noqa: ARG002
        """Overwrite the elements of a place in `new`, a copy of the file `old`."""
        for offset, part in self._parts(place):
            write_all_at(new, values[part].view(np.uint8).data, offset)

    def extents(self) -> NDArray[np.int64]:
        """Return the start and end of each run in the file, shape (runs, 2)."""
        sizes = np.diff(np.array([*self.starts, self.count], np.int64)) * self.dtype.itemsize
        starts = np.array(self.offsets, np.int64)
        return np.stack((starts, starts + sizes), axis=1)


@frozen
class Tiles:
    """Elements stored in tiles of one shape, padded at the edges.

    Attributes:
        dtype: The dtype of the elements, including the byte order.
        shape: The whole shape: (planes of all pages, depth, height, width, samples).
        tile: The shape of a tile, with first extent 1.
        offsets: The offset of each tile in the file, in C order.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    tile: tuple[int, ...]
    offsets: list[int]

    def places(self, limit: int) -> Iterator[Place]:
        """Yield boxes of whole tiles, of about `limit` elements, which cover the series."""
        for box in boxes(self.shape, limit, self.tile):
            yield Place(Positions.box(self.shape, box), box)

    def rows(self, row: int, start: int, stop: int) -> Place:
        """Return the place of some rows of `row` elements along the array's first axis."""
        axis, width = self._axis_of(row)
        box = tuple(
            slice(start * width, stop * width) if at == axis else slice(0, extent)
            for at, extent in enumerate(self.shape)
        )
        return Place(Positions.box(self.shape, box), box)

    def rows_together(self, row: int) -> int:
        """Return how many rows of `row` elements a tile has."""
        axis, width = self._axis_of(row)
        return max(1, self.tile[axis] // width)

    def _axis_of(self, row: int) -> tuple[int, int]:
        """Return the axis along which the rows lie, and how much of it a row fills."""
        axis = next((at for at, extent in enumerate(self.shape) if extent > 1), 0)
        return axis, row // prod(self.shape[axis + 1 :])

    def _parts(self, box: Box) -> Iterator[tuple[int, Box, Box]]:
        """Yield the offset of each tile, the part of the box it covers, and its part in the box."""
        for corner in corners(box, self.tile):
            number = chunk_number(self.shape, self.tile, corner)
            yield self.offsets[number], *overlap(corner, self.tile, box)

    def _tile(self, file: BinaryIO, offset: int) -> NDArray[Any]:
        tile = np.empty(self.tile, self.dtype)
        read_into_at(file, tile.reshape(-1).view(np.uint8).data, offset)
        return tile

    def read(self, file: BinaryIO, place: Place) -> NDArray[Any]:
        """Read the elements of a place, flat, in the file's dtype."""
        box = place.box or ()
        values = np.empty(box_shape(box), self.dtype)
        for offset, inner, used in self._parts(box):
            values[inner] = self._tile(file, offset)[used]
        return values.reshape(-1)

    def write(self, old: BinaryIO, new: BinaryIO, place: Place, values: NDArray[Any]) -> None:
        """Overwrite the elements of a place in `new`; keep the padding of tiles in `old`."""
        box = place.box or ()
        values = values.reshape(box_shape(box))
        for offset, inner, used in self._parts(box):
            tile = self._tile(old, offset)
            tile[used] = values[inner]
            write_all_at(new, tile.reshape(-1).view(np.uint8).data, offset)

    def extents(self) -> NDArray[np.int64]:
        """Return the start and end of each tile in the file, shape (tiles, 2)."""
        starts = np.array(self.offsets, np.int64)
        return np.stack((starts, starts + prod(self.tile) * self.dtype.itemsize), axis=1)


Layout: TypeAlias = Strips | Tiles
"""The layout of a series' elements in the file."""


def share_bytes(extents: NDArray[np.int64]) -> bool:
    """Return whether any extents overlap.

    Args:
        extents: The starts and ends of non-empty extents, shape (n, 2).
    """
    ordered = extents[np.argsort(extents[:, 0], kind="stable")]
    return bool((ordered[1:, 0] < ordered[:-1, 1]).any())

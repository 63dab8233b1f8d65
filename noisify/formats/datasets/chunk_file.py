"""Unpack a chunked dataset into a temporary file, for access to any box of elements."""

from __future__ import annotations

import contextlib
import math
import mmap
import tempfile
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from noisify.core.errors import NoisifyError
from noisify.files.mapping import drop_from_memory, map_file, reserve
from noisify.files.temporary import temporary_folder
from noisify.files.write_behind import write_all
from noisify.formats.datasets.boxes import box_shape, chunk_number, same_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from noisify.formats.datasets.boxes import Box, Corner

_COPY_BYTES = 1 << 20
_TILE_BYTES = 1 << 23
_KEPT_BYTES = 1 << 24
"""The most bytes of the temporary file to keep in memory after accesses."""
_TILES = 1 << 4
"""The most tiles to access at once: the system may load 2 MiB of each for a few bytes."""


class ChunkFile:
    """The elements of a dataset in a temporary file, in tiles of one or more chunks.

    Args:
        path: The dataset's path.
        shape: The dataset's shape.
        chunks: The shape of a chunk; edge chunks are stored whole.
        dtype: The dtype to copy elements with.

    Raises:
        NoisifyError: If there is not enough disk space.
    """

    def __init__(
        self, path: str, shape: Sequence[int], chunks: Sequence[int], dtype: np.dtype[Any]
    ) -> None:
        self._path = path
        self._shape = tuple(shape)
        self._chunks = tuple(chunks)
        self._dtype = dtype
        self._tile = _tile(self._shape, self._chunks, _TILE_BYTES // dtype.itemsize)
        self._grid = tuple(
            -(-extent // step) for extent, step in zip(shape, self._tile, strict=True)
        )
        self._used = 0
        size = math.prod(self._grid) * math.prod(self._tile) * dtype.itemsize
        unnamed: Any = None
        try:
            unnamed = tempfile.TemporaryFile(buffering=0, dir=temporary_folder())  # noqa: SIM115 - close() does
            reserve(unnamed, size)
            self._mapped = map_file(unnamed.fileno(), mmap.ACCESS_WRITE)
            self._file: BinaryIO = unnamed
        except OSError as error:
            if unnamed is not None:
                unnamed.close()
            place = temporary_folder()
            raise NoisifyError(
                f"its chunks run against the order of elements, and there is no room in {place} "
                f"to unpack them: {error.strerror}; point TMPDIR to a larger folder",
                field=path,
            ) from None

    def copy(self) -> ChunkFile:
        """Return a copy of the temporary file."""
        other = ChunkFile(self._path, self._shape, self._chunks, self._dtype)
        self._file.seek(0)
        while data := self._file.read(_COPY_BYTES):
            write_all(other._file, data)
        return other

    def chunk(self, corner: Corner) -> NDArray[Any]:
        """Return a view of a chunk; call `used` after accessing it."""
        width = math.prod(self._tile) * self._dtype.itemsize
        start = chunk_number(self._shape, self._tile, corner) * width
        tile: NDArray[Any] = np.ndarray(self._tile, self._dtype, self._mapped, start)
        inside = zip(corner, self._tile, self._chunks, strict=True)
        return tile[tuple(slice(at % step, at % step + size) for at, step, size in inside)]

    def read_chunk(self, corner: Corner, box: Box) -> NDArray[Any]:
        """Return a copy of a chunk, cut to the shape of a box."""
        values = np.array(self.chunk(corner)[tuple(slice(0, extent) for extent in box_shape(box))])
        self.used(values.nbytes)
        return values

    def put(self, corner: Corner, values: NDArray[Any]) -> None:
        """Write a chunk, or the part of an edge chunk inside the dataset."""
        chunk = self.chunk(corner)[tuple(slice(0, extent) for extent in values.shape)]
        rows = max(1, _KEPT_BYTES * len(values) // max(1, values.nbytes))
        for start in range(0, len(values), rows):
            part = values[start : start + rows].view(self._dtype)
            chunk[start : start + rows] = part
            self.used(part.nbytes)

    def same_chunk(self, other: ChunkFile, corner: Corner) -> bool:
        """Return whether a chunk has the same bytes in another temporary file."""
        one, two = self.chunk(corner), other.chunk(corner)
        rows = max(1, _KEPT_BYTES * len(one) // max(1, one.nbytes))
        for start in range(0, len(one), rows):
            part = slice(start, start + rows)
            same = same_bytes(one[part], two[part])
            self.used(one[part].nbytes)
            other.used(two[part].nbytes)
            if not same:
                return False
        return True

    def used(self, count: int) -> None:
        """Note that bytes were accessed; free their memory when there are many."""
        self._used += count
        if self._used >= _KEPT_BYTES:
            self._used = 0
            drop_from_memory(self._mapped)

    def read(self, box: Box) -> NDArray[Any]:
        """Read a box of consecutive elements."""
        values = np.empty(box_shape(box), self._dtype)
        rows = _from_long_axis(values, box)
        for view, part, inside in self._views(box):
            rows[part] = np.ascontiguousarray(view).reshape(_merged(view.shape))[inside]
            drop_from_memory(self._mapped)
        return values

    def write(self, box: Box, values: NDArray[Any]) -> None:
        """Write a box of consecutive elements."""
        rows = _from_long_axis(values, box)
        for view, part, inside in self._views(box):
            block = np.array(view, order="C")  # to keep what is beyond the dataset's end
            block.reshape(_merged(view.shape))[inside] = rows[part]
            view[...] = block
            drop_from_memory(self._mapped)

    def _views(self, box: Box) -> Iterator[tuple[NDArray[Any], Box, Box]]:
        """Yield views of a box, a few tiles at a time so that few pages are in memory.

        Yields:
            A view of shape (tiles, rows of a tile, tiles, columns of a tile, ...) from the box's
            first long axis on, the part of the box it covers, and the part of the view inside it.
        """
        axis = _long_axis(box)
        rank = len(box) - axis
        whole: NDArray[Any] = np.ndarray(self._grid + self._tile, self._dtype, self._mapped)
        lead = [divmod(cut.start, step) for cut, step in zip(box[:axis], self._tile, strict=False)]
        whole = whole[tuple(number for number, _ in lead)]
        whole = whole[(slice(None),) * rank + tuple(at for _, at in lead)]
        whole = whole.transpose(*chain.from_iterable((at, rank + at) for at in range(rank)))
        cut, step = box[axis], self._tile[axis]
        for start, stop in _aligned(cut.start, cut.stop, step):
            first, last = start // step, -(-stop // step)
            inner = slice(start - first * step, stop - (last - 1) * step)
            rows = whole[first:last, inner if last - first == 1 else slice(None)]
            part = slice(start - cut.start, stop - cut.start)
            if rank == 1:
                yield rows, (part,), (slice(None),)
            else:
                yield from self._columns(rows, part, axis + 1)

    def _columns(
        self, rows: NDArray[Any], part: slice, axis: int
    ) -> Iterator[tuple[NDArray[Any], Box, Box]]:
        """Cut a view of rows along its next axis, which is axis `axis` of the dataset."""
        extent, step = self._shape[axis], self._tile[axis]
        further = tuple(slice(0, other) for other in self._shape[axis + 1 :])
        at_once = max(1, _TILES * rows.shape[2] // math.prod(rows.shape[0::2]))
        for first in range(0, rows.shape[2], at_once):
            columns = slice(first * step, min((first + at_once) * step, extent))
            view = rows[:, :, first : first + at_once]
            inside = (slice(None), slice(0, columns.stop - columns.start), *further)
            yield view, (part, columns), inside

    def close(self) -> None:
        """Remove the file."""
        with contextlib.suppress(BufferError):  # after a failure, a view of it may be held
            self._mapped.close()
        self._file.close()


def _tile(shape: tuple[int, ...], chunks: tuple[int, ...], limit: int) -> tuple[int, ...]:
    """Return the shape of a tile of about `limit` elements, extended along the last axes first."""
    tile = [*chunks]
    for axis in reversed(range(len(tile))):
        room = max(1, limit // math.prod(tile))
        tile[axis] *= min(room, -(-shape[axis] // chunks[axis]))
    return tuple(tile)


def _long_axis(box: Box) -> int:
    """Return the first axis along which a box has several elements; it spans later axes whole."""
    long = (axis for axis, cut in enumerate(box) if cut.stop - cut.start > 1)
    return next(long, len(box) - 1)


def _from_long_axis(values: NDArray[Any], box: Box) -> NDArray[Any]:
    """Drop the axes of extent 1 before a box's first long axis."""
    return values.reshape(values.shape[_long_axis(box) :])


def _merged(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Merge each pair of extents of a shape."""
    return tuple(shape[at] * shape[at + 1] for at in range(0, len(shape), 2))


def _aligned(start: int, stop: int, step: int) -> Iterator[tuple[int, int]]:
    """Cut a range so that each part lies in one chunk, or consists of whole chunks.

    >>> list(_aligned(3, 37, 10))
    [(3, 10), (10, 30), (30, 37)]
    >>> list(_aligned(3, 7, 10))
    [(3, 7)]
    """
    first, last = -(-start // step) * step, stop // step * step
    if first > last:
        yield start, stop
        return
    for one, other in ((start, first), (first, last), (last, stop)):
        if one < other:
            yield one, other

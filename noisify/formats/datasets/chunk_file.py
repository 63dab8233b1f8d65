"""Unpack a chunked dataset into a temporary file, for access to any box of elements."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.errors import NoisifyError
from noisify.core.value_class import frozen
from noisify.files.temporary import new_temporary_file, temporary_folder
from noisify.files.write_behind import drop_from_memory, map_empty, write_all
from noisify.formats.datasets.boxes import box_shape, chunk_number, corners, overlap, same_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from noisify.formats.datasets.boxes import Box, Corner

_COPY_BYTES = 1 << 20


@frozen
class Limits:
    """How a temporary file is divided and accessed.

    Attributes:
        tile_bytes: The size of a tile that has several chunks.
        kept_bytes: The most bytes of the file to keep in memory after accesses.
        tiles: The most tiles to access at once: the system may load 2 MiB of each for a few bytes.
    """

    tile_bytes: int = 1 << 23
    kept_bytes: int = 1 << 24
    tiles: int = 1 << 4


_USUAL = Limits()


class ChunkFile:
    """The elements of a box of a dataset in a temporary file, in tiles of one or more chunks.

    Args:
        path: The dataset's path.
        box: The box, of chunks.
        chunks: The shape of a chunk; edge chunks are stored whole.
        dtype: The dtype to copy elements with.
        limits: How the file is divided and accessed.

    Raises:
        NoisifyError: If there is not enough disk space.
    """

    def __init__(
        self,
        path: str,
        box: Box,
        chunks: Sequence[int],
        dtype: np.dtype[Any],
        limits: Limits = _USUAL,
    ) -> None:
        self._path = path
        self._box = box
        self._shape = box_shape(box)
        self._chunks = tuple(chunks)
        self._dtype = dtype
        self._limits = limits
        self._tile = _tile(self._shape, self._chunks, limits.tile_bytes // dtype.itemsize)
        self._used = 0
        count = math.prod(
            -(-extent // step) * step for extent, step in zip(self._shape, self._tile, strict=True)
        )
        try:
            self._file = new_temporary_file()
            self._mapped = map_empty(self._file, count * dtype.itemsize)
        except OSError as error:
            place = temporary_folder()
            raise NoisifyError(
                f"its chunks run against the order of elements, and there is no room in {place} "
                f"to unpack them: {error.strerror}; point TMPDIR to a larger folder",
                field=path,
            ) from None

    def copy(self) -> ChunkFile:
        """Return a copy of the temporary file."""
        other = ChunkFile(self._path, self._box, self._chunks, self._dtype, self._limits)
        self._file.seek(0)
        while data := self._file.read(_COPY_BYTES):
            write_all(other._file, data)
        return other

    def chunk(self, corner: Corner) -> NDArray[Any]:
        """Return a view of a chunk; call `used` after accessing it."""
        corner = tuple(at - cut.start for at, cut in zip(corner, self._box, strict=True))
        inside = zip(corner, self._tile, self._chunks, strict=True)
        return self._tile_at(corner)[
            tuple(slice(at % step, at % step + size) for at, step, size in inside)
        ]

    def read_chunk(self, corner: Corner, box: Box) -> NDArray[Any]:
        """Return a copy of a chunk, cut to the shape of a box."""
        values = np.array(self.chunk(corner)[tuple(slice(0, extent) for extent in box_shape(box))])
        self.used(values.nbytes)
        return values

    def put(self, corner: Corner, values: NDArray[Any]) -> None:
        """Write a chunk, or the part of an edge chunk inside the dataset."""
        chunk = self.chunk(corner)[tuple(slice(0, extent) for extent in values.shape)]
        rows = max(1, self._limits.kept_bytes * len(values) // max(1, values.nbytes))
        for start in range(0, len(values), rows):
            part = values[start : start + rows].view(self._dtype)
            chunk[start : start + rows] = part
            self.used(part.nbytes)

    def same_chunk(self, other: ChunkFile, corner: Corner) -> bool:
        """Return whether a chunk has the same bytes in another temporary file."""
        one, two = self.chunk(corner), other.chunk(corner)
        rows = max(1, self._limits.kept_bytes * len(one) // max(1, one.nbytes))
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
        if self._used >= self._limits.kept_bytes:
            self._used = 0
            drop_from_memory(self._mapped)

    def read(self, box: Box) -> NDArray[Any]:
        """Read a box."""
        values = np.empty(box_shape(box), self._dtype)
        for view, part in self._views(box):
            values[part] = view
        return values

    def write(self, box: Box, values: NDArray[Any]) -> None:
        """Write a box."""
        for view, part in self._views(box):
            view[...] = values[part]

    def _views(self, box: Box) -> Iterator[tuple[NDArray[Any], Box]]:
        """Yield views of the parts of tiles in a box, and the parts of the box that they cover."""
        here = tuple(
            slice(cut.start - whole.start, cut.stop - whole.start)
            for cut, whole in zip(box, self._box, strict=True)
        )
        for number, corner in enumerate(corners(here, self._tile), 1):
            part, inside = overlap(corner, self._tile, here)
            yield self._tile_at(corner)[inside], part
            if not number % self._limits.tiles:
                drop_from_memory(self._mapped)
        drop_from_memory(self._mapped)

    def _tile_at(self, corner: Corner) -> NDArray[Any]:
        """Return a view of the tile that holds the chunk at a corner."""
        width = math.prod(self._tile) * self._dtype.itemsize
        start = chunk_number(self._shape, self._tile, corner) * width
        return np.ndarray(self._tile, self._dtype, self._mapped, start)

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

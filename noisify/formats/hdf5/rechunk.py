"""Chunked datasets whose chunks run against the order of the elements.

A chunk of a thousand rows of one column each holds elements from all over the dataset. To have them
in order, in pieces that fit into memory, the chunks are unpacked into a temporary file, one after
another, where a part of each can be read; noisy elements go to a copy of it, which is packed again
when all are there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.formats.hdf5.boxes import corners, same_bytes
from noisify.formats.hdf5.chunk_file import ChunkFile
from noisify.formats.hdf5.storage import Chunked, LibraryStorage, Storage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from noisify.formats.hdf5.boxes import Box, Corner
    from noisify.formats.hdf5.storage import Origin, Target, Unpacked


@frozen
class RechunkedStorage(Storage):
    """A dataset whose elements are in a temporary file meanwhile.

    Attributes:
        base: How it is really stored.
        elements: All of its elements.
        skipped: For chunks that did not pass all filters, which; by their first corner.
    """

    base: Chunked | LibraryStorage
    elements: ChunkFile
    skipped: dict[Corner, int]

    @classmethod
    def of(cls, base: Chunked | LibraryStorage, origin: Origin) -> RechunkedStorage:
        """Unpack all chunks of a dataset."""
        elements = ChunkFile(base.path, base.shape, _chunks(base), base.whole)
        try:
            skipped = _rechunk(base, origin, elements)
        except BaseException:  # a signal too must not leave the file
            elements.close()
            raise
        return cls(base.path, base.shape, base.rank, base.dtype, base, elements, skipped)

    @override
    def read(self, origin: Origin, box: Box) -> NDArray[Any]:
        """Return a box of the temporary file."""
        return self.elements.read(box).view(self.dtype)

    @override
    def pack(
        self,
        before: Unpacked,
        values: NDArray[Any],
        box: Box,
    ) -> NDArray[Any] | None:
        """Return the box's elements, or None if all are as before."""
        return None if same_bytes(before.values, values) else values

    def write(self, target: Target, packed: NDArray[Any] | None, box: Box) -> None:
        """Write a box to the target's temporary file."""
        if packed is not None:
            target.scratch(self.path, self.elements, self.finish).write(
                box, packed.view(self.whole)
            )

    def finish(self, target: Target, noisy: ChunkFile) -> None:
        """Pack all chunks that are other than before again, and write them."""
        for box in _chunk_boxes(self.base):
            corner = tuple(cut.start for cut in box)
            if self.elements.same_chunk(noisy, corner):
                continue
            if isinstance(self.base, Chunked):
                mask = self.skipped.get(corner, 0)
                chunk = noisy.chunk(corner)
                packed = self.base.packed_chunk(corner, mask, chunk, noisy.used)
                del chunk
                self.base.write(target, packed, box)
                noisy.used(sum(len(data) for _, _, data in packed if data is not None))
                del packed
            else:
                values = noisy.read_chunk(corner, box).view(self.dtype)
                self.base.write(target, [(box, values)], box)


def _rechunk(
    base: Chunked | LibraryStorage, origin: Origin, elements: ChunkFile
) -> dict[Corner, int]:
    """Unpack all chunks; return which filters some did not pass."""
    skipped: dict[Corner, int] = {}
    for box in _chunk_boxes(base):
        corner = tuple(cut.start for cut in box)
        if isinstance(base, LibraryStorage):
            elements.put(corner, base.read(origin, box))
        elif mask := _rechunk_chunk(base, origin, box, elements):
            skipped[corner] = mask
    return skipped


def _rechunk_chunk(base: Chunked, origin: Origin, box: Box, elements: ChunkFile) -> int:
    """Unpack a chunk; return which filters it did not pass.

    No more than two versions of it are in memory: a chunk may be all that fits.
    """
    ((corner, mask, data),) = base.read(origin, box)
    if data is None:
        elements.put(corner, base.filled())
        return mask
    try:
        for undo in base.pipeline.undoing(base.not_passed(corner, mask)):
            data = undo(data)
        elements.put(corner, base.from_bytes(data))
    except ValueError as error:
        raise base.broken_chunk(error) from None
    return mask


def _chunks(base: Chunked | LibraryStorage) -> tuple[int, ...]:
    if base.chunks is None:
        raise AssertionError(base)
    return base.chunks


def _chunk_boxes(base: Chunked | LibraryStorage) -> Iterator[Box]:
    """Yield the box of each chunk, cut where the dataset ends."""
    chunks = _chunks(base)
    for corner in corners(tuple(slice(0, extent) for extent in base.shape), chunks):
        yield tuple(
            slice(at, min(at + step, extent))
            for at, step, extent in zip(corner, chunks, base.shape, strict=True)
        )

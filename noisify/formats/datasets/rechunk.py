"""Read and write datasets whose chunks run against the order of the elements.

A chunk of a thousand rows of one column holds elements from all over the dataset. To read them in
order, in pieces that fit into memory, the chunks are unpacked into a temporary file, where parts of
each can be read. Noisy elements go to a copy of that file, which is packed again at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.formats.datasets.boxes import corners, same_bytes
from noisify.formats.datasets.chunk_file import ChunkFile
from noisify.formats.datasets.storage import InChunks, Storage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from noisify.formats.datasets.boxes import Box, Corner
    from noisify.formats.datasets.storage import Origin, Target, Unpacked


@frozen
class RechunkedStorage(Storage):
    """A dataset whose elements are in a temporary file.

    Attributes:
        base: The storage of the dataset.
        box: The box of chunks that is unpacked.
        elements: The temporary file of their elements.
        skipped: The filters that chunks skipped, by their first corner, if they skipped any.
    """

    base: InChunks
    box: Box
    elements: ChunkFile
    skipped: dict[Corner, int]

    @classmethod
    def of(cls, base: InChunks, origin: Origin, box: Box) -> RechunkedStorage:
        """Unpack all chunks in a box of a dataset."""
        elements = ChunkFile(base.path, box, base.unit, base.whole)
        skipped: dict[Corner, int] = {}
        try:
            for chunk in _chunk_boxes(base, box):
                if mask := base.unpack_chunk(origin, chunk, elements):
                    skipped[tuple(cut.start for cut in chunk)] = mask
        except BaseException:  # a signal too must not leave the file
            elements.close()
            raise
        return cls(base.path, base.shape, base.rank, base.dtype, base, box, elements, skipped)

    @override
    def read(self, origin: Origin, box: Box) -> NDArray[Any]:
        """Return a box of the temporary file."""
        return self.elements.read(box).view(self.dtype)

    @override
    def pack(self, before: Unpacked, values: NDArray[Any], box: Box) -> NDArray[Any] | None:
        """Return the box's elements, or None if all are as before."""
        return None if same_bytes(before.values, values) else values

    def write(self, target: Target, packed: NDArray[Any] | None, box: Box) -> None:
        """Write a box to the target's temporary file."""
        if packed is not None:
            target.scratch(self).write(box, packed.view(self.whole))

    def finish(self, target: Target, noisy: ChunkFile) -> None:
        """Pack and write all chunks that have changed."""
        for box in _chunk_boxes(self.base, self.box):
            corner = tuple(cut.start for cut in box)
            if not self.elements.same_chunk(noisy, corner):
                self.base.pack_chunk(target, box, noisy, self.skipped.get(corner, 0))


def _chunk_boxes(base: InChunks, box: Box) -> Iterator[Box]:
    """Yield the box of each chunk in a box of chunks, cut where the dataset ends."""
    for corner in corners(box, base.unit):
        yield tuple(
            slice(at, min(at + step, extent))
            for at, step, extent in zip(corner, base.unit, base.shape, strict=True)
        )

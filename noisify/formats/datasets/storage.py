"""Where the fields of a dataset are, and how a format reads and writes its elements.

Elements are read and written in boxes of consecutive ones. `read` and `write` are serial; `unpack`
and `pack` run in worker threads.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import field
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.formats.datasets.boxes import Corner, corners, overlap, same_bytes
from noisify.formats.datasets.chunk_file import ChunkFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from noisify.formats.datasets.boxes import Box


@frozen
class BitField:
    """The bits of an integer's bytes that hold its value, if not all do.

    Attributes:
        offset: The number of the lowest bit.
        precision: The number of bits.
    """

    offset: int
    precision: int

    def extract(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Extract integers from stored ones, which are in native byte order."""
        width = 8 * stored.dtype.itemsize
        above = stored.dtype.type(width - self.offset - self.precision)
        extracted: NDArray[Any] = (stored << above) >> stored.dtype.type(width - self.precision)
        return extracted

    def insert(self, stored: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
        """Put new values into stored integers; the bits around the values stay."""
        bits = stored.view(f"u{stored.dtype.itemsize}")
        new = values.astype(stored.dtype, copy=False).view(bits.dtype)
        mask = bits.dtype.type(((1 << self.precision) - 1) << self.offset)
        inserted: NDArray[Any] = (bits & ~mask) | ((new << bits.dtype.type(self.offset)) & mask)
        return inserted.view(stored.dtype)


@frozen
class Stored:
    """The location and type of a field in the file.

    Attributes:
        path: The path of its dataset.
        member: The dotted path of its member in a compound type, or None for the whole dataset.
        shape: The shape of the dataset, followed by that of the member.
        dtype: Its dtype in the file.
        bits: The bits of its bytes that hold the value, or None for all.
    """

    path: str
    member: str | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    bits: BitField | None = None

    @property
    def count(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)


Origin: TypeAlias = Any
"""The file that is read, in the type of its format."""
Target: TypeAlias = Any
"""The copy that is written, in the type of its format."""


@frozen
class Unpacked:
    """A box of elements.

    Attributes:
        values: The elements, in the box's shape, as they are in the file.
        edge_chunks: Whole chunks that extend beyond the dataset's end, by their first corner.
        skipped: The filters that chunks skipped, by their first corner, if they skipped any.
    """

    values: NDArray[Any]
    edge_chunks: dict[Corner, NDArray[Any]] = field(default_factory=dict)
    skipped: dict[Corner, int] = field(default_factory=dict)


@frozen
class Storage(ABC):
    """A dataset's elements in a file.

    Attributes:
        path: The dataset's path.
        shape: The dataset's shape, followed by that of an array type.
        rank: The number of the dataset's own dimensions.
        dtype: The dtype of the parts of an element that noise can change.
        for_workers: Whether the workers may read and write the elements, in any order.
    """

    for_workers: ClassVar[bool] = False

    path: str
    shape: tuple[int, ...]
    rank: int
    dtype: np.dtype[Any]

    @property
    def unit(self) -> tuple[int, ...] | None:
        """The shape of the pieces that no box should cut; None if any box will do."""
        return None

    @property
    def count(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def element_bytes(self) -> int:
        """The bytes that an element takes in memory."""
        return self.dtype.itemsize

    @property
    def whole(self) -> np.dtype[Any]:
        """The dtype to move elements by: all of their bytes, those between members too."""
        return self.dtype if self.dtype.names is None else np.dtype(f"V{self.dtype.itemsize}")

    @abstractmethod
    def read(self, origin: Origin, box: Box) -> Any:  # noqa: ANN401
        """Return a box as it is in the file."""

    def unpack(self, raw: Any, box: Box) -> Unpacked:  # noqa: ANN401, ARG002
        """Return a box's elements."""
        return Unpacked(raw)

    def pack(self, before: Unpacked, values: NDArray[Any], box: Box) -> Any:  # noqa: ANN401, ARG002
        """Return what `write` takes.

        Args:
            before: The box's elements.
            values: The new elements, in the same shape and dtype.
            box: The box.
        """
        return values

    @abstractmethod
    def write(self, target: Target, packed: Any, box: Box) -> None:  # noqa: ANN401
        """Write a box."""


@frozen
class InChunks(Storage):
    """Elements that a library reads and writes, best chunk by chunk.

    Attributes:
        chunks: The shape of a chunk, or None if there are none.
    """

    chunks: tuple[int, ...] | None

    @property
    def unit(self) -> tuple[int, ...]:
        """The shape of a chunk, or of an element."""
        return self.chunks or (1,) * self.rank + self.shape[self.rank :]

    def pack(self, before: Unpacked, values: NDArray[Any], box: Box) -> Any:  # noqa: ANN401
        """Return box and elements of each changed chunk; without chunks, of the box if changed."""
        old, new = before.values.view(self.whole), values.view(self.whole)
        if self.chunks is None:
            return [] if same_bytes(old, new) else [(box, values)]
        changed = []
        for corner in corners(box, self.chunks):
            outer, _ = overlap(corner, self.chunks, box)
            if not same_bytes(old[outer], new[outer]):
                part = tuple(
                    slice(cut.start + inner.start, cut.start + inner.stop)
                    for cut, inner in zip(box, outer, strict=True)
                )
                changed.append((part, values[outer]))
        return changed

    def unpack_chunk(self, origin: Origin, box: Box, elements: ChunkFile) -> int:
        """Put a chunk into a temporary file; return which filters it skipped, as bits."""
        corner = tuple(cut.start for cut in box)
        elements.put(corner, self.unpack(self.read(origin, box), box).values)
        return 0

    def pack_chunk(self, target: Target, box: Box, noisy: ChunkFile, skipped: int) -> None:  # noqa: ARG002
        """Write a chunk from a temporary file.

        Args:
            target: Where to write.
            box: The chunk's box, cut where the dataset ends.
            noisy: The temporary file.
            skipped: The filters that the chunk skipped, as bits.
        """
        corner = tuple(cut.start for cut in box)
        self.write(target, [(box, noisy.read_chunk(corner, box).view(self.dtype))], box)


@frozen
class RechunkedStorage(Storage):
    """A dataset whose chunks run against the order of its elements, in a temporary file.

    A chunk of a thousand rows of one column holds elements from all over the dataset. To read them
    in order, in pieces that fit into memory, the chunks are unpacked into a temporary file, where
    parts of each can be read. Noisy elements go to a copy of it, which is packed again at the end.

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

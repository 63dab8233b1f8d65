"""The interface to the elements of a dataset: how a format reads and writes them.

Elements are read and written in boxes of consecutive ones. `read` and `write` are serial; `unpack`
and `pack` run in worker threads.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import field
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from noisify.core.value_class import frozen
from noisify.formats.datasets.boxes import Corner, corners, overlap, same_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noisify.formats.datasets.boxes import Box
    from noisify.formats.datasets.chunk_file import ChunkFile

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
        """Return the boxes and elements of the chunks that differ, or of all without chunks."""
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
        """Put a chunk into a temporary file; return which filters it did not pass, as bits."""
        corner = tuple(cut.start for cut in box)
        elements.put(corner, self.unpack(self.read(origin, box), box).values)
        return 0

    def pack_chunk(self, target: Target, box: Box, noisy: ChunkFile, skipped: int) -> None:  # noqa: ARG002
        """Write a chunk from a temporary file.

        Args:
            target: Where to write.
            box: The chunk's box, cut where the dataset ends.
            noisy: The temporary file.
            skipped: Which filters the chunk did not pass.
        """
        corner = tuple(cut.start for cut in box)
        self.write(target, [(box, noisy.read_chunk(corner, box).view(self.dtype))], box)

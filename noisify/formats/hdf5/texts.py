"""Read and write texts of variable length, which are in heaps that datasets refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from h5py import h5s, h5t

from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.formats.datasets.storage import Storage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noisify.formats.datasets.boxes import Box
    from noisify.formats.datasets.storage import Unpacked
    from noisify.formats.hdf5.storage import Origin, Target

_LEAST_BYTES = 64
"""The fewest bytes that a text takes in memory."""
_MOST_AT_ONCE = 1 << 14
"""The most texts to write at once: their places take memory in the library."""


@frozen
class Texts(Storage):
    """Texts of variable length. Only those that changed are written; the others keep their bytes.

    Attributes:
        chunks: The shape of their chunks, or None if there are none.
        kind: The dataset's datatype.
        mean_bytes: The size of the file divided by the number of texts, in bytes.
    """

    chunks: tuple[int, ...] | None
    kind: h5t.TypeStringID
    mean_bytes: int

    @property
    def unit(self) -> tuple[int, ...] | None:
        """The shape of a chunk, or None if there are no chunks."""
        return self.chunks

    @property
    def element_bytes(self) -> int:
        """The bytes that a text takes in memory on average, or less."""
        return _LEAST_BYTES + self.mean_bytes

    @override
    def read(self, origin: Origin, box: Box) -> NDArray[Any]:
        """Return a box of texts as bytes."""
        values = np.empty([cut.stop - cut.start for cut in box], object)
        values[...] = h5py.Dataset(origin.dataset(self.path))[box]
        return values

    @override
    def pack(
        self, before: Unpacked, values: NDArray[Any], box: Box
    ) -> list[tuple[NDArray[np.int64], NDArray[Any]]]:
        """Return the indices of changed texts in the dataset, and the texts."""
        changed = np.asarray(before.values != values, bool)
        indices = np.argwhere(changed) + np.array([cut.start for cut in box], np.int64)
        texts = values[changed]
        return [
            (indices[start : start + _MOST_AT_ONCE], texts[start : start + _MOST_AT_ONCE])
            for start in range(0, len(texts), _MOST_AT_ONCE)
        ]

    @override
    def write(
        self, target: Target, packed: list[tuple[NDArray[np.int64], NDArray[Any]]], box: Box
    ) -> None:
        """Write the changed texts."""
        encoding = "ascii" if self.kind.get_cset() == h5t.CSET_ASCII else "utf-8"
        kind = h5t.py_create(h5py.string_dtype(encoding))
        for indices, texts in packed:
            with target.dataset(self.path) as dataset:
                space = dataset.get_space()
                if self.rank:
                    space.select_elements(indices.astype(np.uint64))
                memory = h5s.create_simple((len(texts),)) if self.rank else space
                dataset.write(memory, space, texts, kind)

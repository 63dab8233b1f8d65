"""How the elements of a Zarr array are read and written: by zarr, chunk by chunk."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.formats.datasets.boxes import box_shape
from noisify.formats.datasets.storage import InChunks, Unpacked

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from noisify.formats.datasets.boxes import Box
    from noisify.formats.datasets.storage import Origin, Target
    from noisify.formats.zarr.store import ZarrObject


@frozen
class ZarrStorage(InChunks):
    """Elements in the chunks of an array, or in shards of several chunks, each of them a file."""

    for_workers = True

    @classmethod
    def of(cls, path: str, array: ZarrObject) -> ZarrStorage:
        """Return the storage of an array."""
        return cls(path, array.shape, array.ndim, np.dtype(array.dtype), unit_of(array))

    @override
    def read(self, origin: Origin, box: Box) -> Callable[[], NDArray[Any]]:
        """Return a function with which the worker reads a box."""
        return partial(read_box, origin.array(self.path), self.dtype, box)

    @override
    def unpack(self, raw: Callable[[], NDArray[Any]], box: Box) -> Unpacked:
        """Return a box's elements, read by the worker."""
        return Unpacked(raw())

    @override
    def write(self, target: Target, packed: list[tuple[Box, NDArray[Any]]], box: Box) -> None:
        """Write chunks."""
        for part, values in packed:
            target.array(self.path)[part] = values


def unit_of(array: ZarrObject) -> tuple[int, ...]:
    """Return the shape of what of an array is in one file: a chunk, or a shard of several."""
    return tuple(max(1, extent) for extent in array.shards or array.chunks)


def read_box(array: ZarrObject, dtype: np.dtype[Any], box: Box) -> NDArray[Any]:
    """Read a box of an array."""
    return np.asarray(array[box], dtype, order="C").reshape(box_shape(box))

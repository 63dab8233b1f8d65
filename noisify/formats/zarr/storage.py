"""How the elements of a Zarr array are read and written: by zarr, chunk by chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.formats.hdf5.boxes import box_shape
from noisify.formats.hdf5.storage import LibraryStorage, Unpacked

if TYPE_CHECKING:
    from collections.abc import Callable

    import h5py
    from numpy.typing import NDArray

    from noisify.formats.hdf5.boxes import Box
    from noisify.formats.zarr.store import ZarrObject


@frozen
class ZarrStorage(LibraryStorage):
    """Elements in the chunks of an array, or in shards of several chunks, each of them a file."""

    @classmethod
    def of(cls, path: str, array: ZarrObject) -> ZarrStorage:
        """Return the storage of an array."""
        unit = tuple(max(1, extent) for extent in array.shards or array.chunks)
        kind = cast("h5py.h5t.TypeID", None)  # only HDF5's have one
        return cls(path, array.shape, array.ndim, np.dtype(array.dtype), unit, kind, rounds=False)

    @override
    def read(self, origin: Any, box: Box) -> NDArray[Any]:
        """Return a box."""
        values = np.asarray(origin.array(self.path)[box], self.dtype, order="C")
        return values.reshape(box_shape(box))

    @override
    def unpack(self, raw: Callable[[], NDArray[Any]], box: Box) -> Unpacked:
        """Return a box's elements, read by the worker."""
        return Unpacked(raw())

    @override
    def write(self, target: Any, packed: list[tuple[Box, NDArray[Any]]], box: Box) -> None:
        """Write chunks."""
        for part, values in packed:
            target.array(self.path)[part] = values

"""Read Zarr stores as whole arrays, and create them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.errors import UsageError
from noisify.core.warning_filters import filtered_warnings
from noisify.formats.arrays import ArrayFile, ArrayType, ArrayWriter, StoredArray, in_boxes
from noisify.formats.numpy_fields import ARRAY_NAME
from noisify.formats.zarr.source import read_box, unit_of
from noisify.formats.zarr.store import Tree, open_store, reading, zarr

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from noisify.files.input import Input
    from noisify.formats.arrays import Box, Parts
    from noisify.formats.zarr.store import ZarrObject

_IN_NUMPY = "biufcMmSUV"
_CHUNK_BYTES = 1 << 20


@contextmanager
def opened(source: Input) -> Iterator[ArrayFile]:
    """Open a Zarr store while its arrays are read.

    Raises:
        UsageError: If an array's dtype is not one of fixed size.
    """
    if source.path is None:
        raise AssertionError(source.name)
    with reading(source.name):
        tree = Tree.of(open_store(source.path), source.path)
    arrays = [_stored(path, array, source.name) for path, array in tree.arrays.items()]
    yield ArrayFile(arrays, _lost(tree))


def _stored(path: str, array: ZarrObject, shown: str) -> StoredArray:
    dtype = np.dtype(array.dtype)
    if dtype.kind not in _IN_NUMPY:
        raise UsageError(f"holds {dtype}, which other formats do not", field=path)

    def read(box: Box) -> NDArray[Any]:
        with reading(shown, path):
            return read_box(array, dtype, box)

    return StoredArray(ArrayType(path or ARRAY_NAME, array.shape, dtype), unit_of(array), read)


def _lost(tree: Tree) -> UsageError | None:
    """Return the error for attributes or unreadable arrays, which other formats lack."""
    for path, why in tree.unreadable.items():
        return UsageError(f"cannot be read: {why}", field=path)
    attributes = tree.attributes | {path: dict(one.attrs) for path, one in tree.arrays.items()}
    for path, names in attributes.items():
        for name in names:
            return UsageError(f"has an attribute {name!r}, which would be lost", field=path or "/")
    return None


def create(path: Path, arrays: Sequence[ArrayType]) -> ArrayWriter:
    """Create a Zarr store of version 3, replacing an existing file.

    Raises:
        UsageError: If an array's dtype is not one of Zarr's.
    """
    path.unlink(missing_ok=True)
    path.mkdir(0o700)
    root = zarr.open_group(zarr.storage.LocalStore(path), mode="w", zarr_format=3)
    return _Arrays({array.name: _made(root, array) for array in arrays})


def _made(root: ZarrObject, array: ArrayType) -> ZarrObject:
    dtype = array.dtype.newbyteorder("=")
    try:
        with filtered_warnings("error"):  # of types that are not in the standard yet
            return root.create_array(
                array.name.strip("/"), shape=array.shape, dtype=dtype, chunks=_chunks(array)
            )
    except (ValueError, TypeError, Warning) as error:
        raise UsageError(
            f"holds {array.dtype}, which Zarr does not: {error}", field=array.name
        ) from None


def _chunks(array: ArrayType) -> tuple[int, ...]:
    """Return the shape of chunks of consecutive elements, about a megabyte each."""
    left = max(1, _CHUNK_BYTES // max(1, array.dtype.itemsize))
    chunks: list[int] = []
    for extent in reversed(array.shape):
        chunks.insert(0, max(1, min(extent, left)))
        left //= max(1, extent)
    return tuple(chunks)


class _Arrays(ArrayWriter):
    """The arrays of a store being written.

    Args:
        arrays: The arrays, by name.
    """

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self._arrays = arrays

    def write(self, encoded: Parts) -> None:
        """Write elements of some arrays."""
        for name, (positions, values) in encoded.items():
            array = self._arrays[name]
            for box, part in in_boxes(array.shape, positions, values):
                array[box] = part

"""Read HDF5 files as whole arrays, and create them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5p, h5s, h5t

from noisify.core.errors import DataError, UsageError
from noisify.core.signals import delayed_signals
from noisify.formats.arrays import ArrayFile, ArrayType, PlacedArrays, StoredArray
from noisify.formats.hdf5.datatypes import lost_in_numpy, without_metadata
from noisify.formats.hdf5.tree import (
    PathOpener,
    Tree,
    close_file,
    held_elsewhere,
    open_file,
    reading,
    stored_name,
    written_by_library,
)
from noisify.formats.mask_run import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from noisify.files.input import Input
    from noisify.formats.arrays import ArrayWriter, Box
    from noisify.formats.hdf5.tree import ObjectID


@contextmanager
def opened(source: Input) -> Iterator[ArrayFile]:
    """Open an HDF5 file while its datasets are read.

    Raises:
        UsageError: If a dataset holds values that no NumPy array can hold.
    """
    source.spool()
    if source.path is None:
        raise AssertionError(source.name)
    try:
        file = open_file(source.path, "r")
    except OSError as error:
        raise DataError(f"is not a readable HDF5 file: {error}", path=source.name) from None
    try:
        with reading(source.name):
            attributes = {"/": _attributes(file.id)}
            run = _run(file)
            tree = Tree.of(file, lambda path, item: attributes.update({path: _attributes(item)}))
        for path, why in tree.unreadable.items():
            raise DataError(f"cannot be read: {why}", path=source.name, field=path)
        objects = PathOpener(file)
        arrays, lost = [], _lost(tree, attributes)
        for path in tree.datasets:
            with reading(source.name, path):
                try:
                    arrays.append(_stored(path, objects.dataset(path), source.name))
                except UsageError as error:
                    raise (lost or error) from None
        yield ArrayFile(arrays, lost, run)
    finally:
        close_file(file)


def _stored(name: str, item: Any, shown: str) -> StoredArray:  # noqa: ANN401
    if outside := held_elsewhere(item):
        raise UsageError(f"holds {outside}, which are not read; copy them into it", field=name)
    lost = "nothing" if item.shape is None else lost_in_numpy(item.id.get_type())
    if lost:
        raise UsageError(f"holds {lost}, which no NumPy array can; write HDF5", field=name)
    element = without_metadata(item.dtype)  # of an array type the elements are arrays
    rank = len(item.shape)
    unit = None if item.chunks is None else item.chunks + element.shape

    def read(box: Box) -> NDArray[Any]:
        with reading(shown, name):
            values = np.asarray(item[box[:rank]], element.base)
        inner: tuple[Any, ...] = (..., *box[rank:])
        return np.asarray(values[inner])

    return StoredArray(ArrayType(name, item.shape + element.shape, element.base), unit, read)


def _run(file: h5py.File) -> str:
    """Return the text that names the run of a mask, or empty."""
    if not h5a.exists(file.id, KEY.encode()):
        return ""
    text = file.attrs[KEY]
    return text.decode("ascii", "replace") if isinstance(text, bytes) else str(text)


def _attributes(item: ObjectID) -> list[str]:
    """Return the names of the attributes of an object."""
    names: list[bytes] = []
    h5a.iterate(item, names.append)
    return [name.decode("utf-8", "surrogateescape") for name in names if name != KEY.encode()]


def _lost(tree: Tree, attributes: Mapping[str, Sequence[str]]) -> UsageError | None:
    """Return the error for a link, a second name or an attribute, which other formats lack."""
    for path in tree.links:
        return UsageError("is a link, which would be lost", field=path)
    for paths in tree.paths.values():
        if len(paths) > 1:
            return UsageError("is there under several names, which would be lost", field=paths[0])
    for path, names in attributes.items():
        for name in names:
            return UsageError(f"has an attribute {name!r}, which would be lost", field=path)
    return None


def create(path: Path, arrays: Sequence[ArrayType], run: str = "") -> ArrayWriter:
    """Create an HDF5 file, replacing an existing one, with a contiguous dataset for each array.

    The HDF5 library allocates space for all datasets first. Their elements are then written there
    without it.

    Args:
        path: The file.
        arrays: The arrays.
        run: The text to keep in an attribute until a mask's run is named, or empty for no mask.

    Raises:
        UsageError: If an array's dtype is not one of HDF5's.
    """
    run_at = None
    with delayed_signals(), written_by_library(path) as file:
        if run:
            file.attrs.create(KEY, run.encode(), dtype=f"S{len(run)}")
            file.flush()
            run_at = path.read_bytes().find(run.encode())  # the file holds nothing else yet
        made = {array.name: (_make_dataset(file, array), array.dtype) for array in arrays}
    places = {name: (place, dtype) for name, (place, dtype) in made.items() if place is not None}
    return PlacedArrays(path, places, run_at)


def _make_dataset(file: h5py.File, array: ArrayType) -> int | None:
    """Create a contiguous dataset with allocated space; return its offset if it has elements.

    Raises:
        UsageError: If HDF5 does not have the array's dtype.
    """
    try:
        kind = h5t.py_create(array.dtype, logical=True)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"holds {array.dtype}, which HDF5 does not: {error}", field=array.name
        ) from None
    options = h5p.create(h5p.DATASET_CREATE)
    options.set_layout(h5d.CONTIGUOUS)
    options.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    options.set_fill_time(h5d.FILL_TIME_NEVER)
    options.set_obj_track_times(False)  # the same run has to give the same bytes
    space = h5s.create_simple(array.shape) if array.shape else h5s.create(h5s.SCALAR)
    made = h5d.create(file.id, None, kind, space, options)
    file[stored_name(array.name)] = h5py.Dataset(made)
    place = made.get_offset()
    return None if place is None else int(place)

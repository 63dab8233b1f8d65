"""Arrays from one format to another, box by box: NPY, NPZ and HDF5.

An array keeps its name, shape and dtype. What the other format cannot hold is refused: several
arrays in an NPY, attributes and links in an NPZ, dates and texts in an HDF5 file.
"""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5a
from numpy.lib import format as npy_format

from noisify.core.chunk import boxes
from noisify.core.errors import DataError, UsageError
from noisify.core.value_class import frozen
from noisify.files.input import new_temporary_path
from noisify.files.zip_member import DAMAGED
from noisify.formats.hdf5.datatypes import lost_in_numpy, without_metadata
from noisify.formats.hdf5.tree import (
    UNREADABLE,
    Tree,
    close_file,
    dataset_at,
    held_elsewhere,
    open_file,
    reason,
    written_by_library,
)
from noisify.formats.npy.source import ARRAY_NAME, drop_from_memory, map_file, read_box, read_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from noisify.files.input import Input
    from noisify.formats.hdf5.tree import ObjectID
    from noisify.formats.interface import ReadOptions

_ELEMENTS = 1 << 20
_HEADER = 1 << 20
_FORTRAN_ROWS = 64
_SIZES_FOLLOW = 8
"""The flag of a ZIP archive's member whose sizes stand behind it."""

Box = tuple[slice, ...]


@frozen
class Array:
    """An array being read.

    Attributes:
        name: Its name.
        shape: Its shape.
        dtype: Its dtype, byte order included.
        unit: The box that is best read whole.
        read: Returns the elements of a box, in the box's shape.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    unit: tuple[int, ...] | None
    read: Callable[[Box], NDArray[Any]]

    def pieces(self) -> Iterator[tuple[Box, NDArray[Any]]]:
        """Yield boxes that cover the array, and what is in them."""
        for box in boxes(self.shape, _ELEMENTS, self.unit):
            yield box, self.read(box)


def read_npy(source: Input, options: ReadOptions) -> Iterator[Array]:  # noqa: ARG001
    """Read the array of an NPY file."""
    source.spool()
    if source.path is None:
        raise AssertionError(source.name)
    yield from _opened(ARRAY_NAME, source.path, source.name)


def _opened(name: str, path: Path, shown: str) -> Iterator[Array]:
    """Yield the array of an NPY file that is open meanwhile."""
    with path.open("rb", buffering=0) as file:
        header = read_header(file.read(_HEADER), shown)
        whole = len(header.text) + header.count * header.dtype.itemsize
        if path.stat().st_size != whole:
            raise DataError("is not as long as its header promises", path=shown)
        if whole == len(header.text):
            yield Array(name, header.shape, header.dtype, None, _nothing(header.dtype))
            return
        unit = None
        if header.fortran:
            unit = (_FORTRAN_ROWS, *(1 for _ in header.shape[1:]))

        def read(box: Box) -> NDArray[Any]:
            return read_box(header, file, len(header.text), box, shown)

        yield Array(name, header.shape, header.dtype, unit, read)


def _nothing(dtype: np.dtype[Any]) -> Callable[[Box], NDArray[Any]]:
    """Return how an array of no bytes is read."""
    return lambda box: np.empty([cut.stop - cut.start for cut in box], dtype)


def read_npz(source: Input, options: ReadOptions) -> Iterator[Array]:  # noqa: ARG001
    """Read the members of an NPZ file, each of which is unpacked meanwhile."""
    source.spool()
    try:
        with zipfile.ZipFile(str(source.path)) as archive:
            for member in archive.infolist():
                if not member.filename.endswith(".npy"):
                    raise UsageError(
                        f"has a member {member.filename!r} that is no array and would be lost"
                    )
                with _temporary() as path:
                    with archive.open(member) as packed, path.open("wb") as file:
                        shutil.copyfileobj(packed, file, 1 << 20)
                    name = member.filename.removesuffix(".npy")
                    yield from _opened(name, path, source.name)
    except (*DAMAGED, RuntimeError, OSError) as error:  # RuntimeError: there is a password
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(f"is not a readable NPZ file: {error}", path=source.name) from None


@contextmanager
def _temporary() -> Iterator[Path]:
    path = new_temporary_path()
    try:
        path.touch(mode=0o600)
        yield path
    finally:
        path.unlink(missing_ok=True)


def read_hdf5(source: Input, options: ReadOptions) -> Iterator[Array]:  # noqa: ARG001
    """Read the datasets of an HDF5 file that holds nothing else.

    Raises:
        UsageError: If something would be lost: attributes, links, types that no array has.
    """
    source.spool()
    if source.path is None:
        raise AssertionError(source.name)
    try:
        file = open_file(source.path, "r")
    except OSError as error:
        raise DataError(f"is not a readable HDF5 file: {error}", path=source.name) from None
    try:
        attributes = {"/": _attributes(file.id)}
        tree = Tree.of(file, lambda path, item: attributes.update({path: _attributes(item)}))
        _check_tree(tree, attributes, source.name)
        for path in tree.datasets:
            yield _dataset(path, dataset_at(file, path), source.name)
    finally:
        close_file(file)


def _dataset(name: str, item: Any, shown: str) -> Array:  # noqa: ANN401
    if outside := held_elsewhere(item):
        raise UsageError(f"holds {outside}, which are not read; copy them into it", field=name)
    lost = "nothing" if item.shape is None else lost_in_numpy(item.id.get_type())
    if lost:
        raise UsageError(f"holds {lost}, which no NumPy array can; write HDF5", field=name)
    element = without_metadata(item.dtype)  # of an array type the elements are arrays
    rank = len(item.shape)
    unit = None if item.chunks is None else item.chunks + element.shape

    def read(box: Box) -> NDArray[Any]:
        try:
            values = np.asarray(item[box[:rank]], element.base)
        except UNREADABLE as error:
            raise DataError(f"cannot be read: {reason(error)}", path=shown, field=name) from None
        inner: tuple[Any, ...] = (..., *box[rank:])
        return np.asarray(values[inner])

    return Array(name, item.shape + element.shape, element.base, unit, read)


def _attributes(item: ObjectID) -> list[str]:
    """Return the names of the attributes of an object."""
    names: list[bytes] = []
    h5a.iterate(item, names.append)
    return [name.decode("utf-8", "surrogateescape") for name in names]


def _check_tree(tree: Tree, attributes: Mapping[str, Sequence[str]], shown: str) -> None:
    """Refuse what no NPY or NPZ file can hold.

    Raises:
        UsageError: If there is a link, a second name or an attribute.
        DataError: If a part cannot be read.
    """
    for path in tree.links:
        raise UsageError("is a link, which would be lost", field=path)
    for paths in tree.paths.values():
        if len(paths) > 1:
            raise UsageError("is there under several names, which would be lost", field=paths[0])
    for path, why in tree.unreadable.items():
        raise DataError(f"cannot be read: {why}", path=shown, field=path)
    for path, names in attributes.items():
        for name in names:
            raise UsageError(f"has an attribute {name!r}, which would be lost", field=path)


def write_npy(arrays: Iterator[Array], path: Path) -> None:
    """Write an NPY file.

    Raises:
        UsageError: If there is not just one array.
    """
    array = next(arrays, None)
    if array is None:
        raise UsageError("holds no array")
    _write_npy(array, path)
    if (more := next(arrays, None)) is not None:
        raise UsageError(
            f"holds several arrays ({array.name}, {more.name}, …), an NPY file one; write NPZ"
        )


def _write_npy(array: Array, path: Path) -> None:
    described = npy_format.dtype_to_descr(array.dtype)
    header = {"descr": described, "fortran_order": False, "shape": array.shape}
    with path.open("w+b") as file:
        try:
            npy_format.write_array_header_1_0(file, header)
        except ValueError as error:  # of Unicode too
            raise UsageError(
                f"has members that an NPY header cannot describe: {error}", field=array.name
            ) from None
        offset = file.tell()
        size = int(np.prod(array.shape, dtype=object)) * array.dtype.itemsize
        if not size:
            return
        file.flush()
        if hasattr(os, "posix_fallocate"):  # a full disk is an error now, not a crash later
            os.posix_fallocate(file.fileno(), 0, offset + size)
        else:
            file.truncate(offset + size)
        with map_file(file.fileno(), mmap.ACCESS_WRITE) as mapped:
            for box, values in array.pieces():
                whole: NDArray[Any] = np.ndarray(array.shape, array.dtype, mapped, offset)
                whole[box] = values
                del whole
                drop_from_memory(mapped)


def write_npz(arrays: Iterator[Array], path: Path) -> None:
    """Write an NPZ file, its members not compressed, as `numpy.savez` does."""
    with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
        for array in arrays:
            with _temporary() as unpacked:
                _write_npy(array, unpacked)
                member = zipfile.ZipInfo(f"{array.name}.npy")
                with (
                    unpacked.open("rb") as file,
                    archive.open(member, "w", force_zip64=True) as packed,
                ):
                    shutil.copyfileobj(file, packed, 1 << 20)
                if member.flag_bits & _SIZES_FOLLOW:  # the file would not say its place
                    raise OSError(errno.EIO, os.strerror(errno.EIO))


def write_hdf5(arrays: Iterator[Array], path: Path) -> None:
    """Write an HDF5 file with a dataset for each array.

    Raises:
        UsageError: If an array's dtype is not one of HDF5's.
    """
    with written_by_library(path) as file:
        for array in arrays:
            try:
                dataset = file.create_dataset(array.name, array.shape, array.dtype)
            except (TypeError, ValueError) as error:
                raise UsageError(
                    f"holds {array.dtype}, which HDF5 does not: {error}", field=array.name
                ) from None
            for box, values in array.pieces():
                dataset[box] = values

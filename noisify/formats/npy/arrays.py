"""Read NPY files as whole arrays, and create them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.errors import UsageError
from noisify.files.write_behind import open_written_behind, write_all
from noisify.formats.arrays import (
    ArrayFile,
    ArrayType,
    ArrayWriter,
    PlacedArrays,
    StoredArray,
    in_boxes,
)
from noisify.formats.npy.boxes import BoxedFile, fortran_unit, read_box
from noisify.formats.npy.header import new_header
from noisify.formats.npy.source import NpySource
from noisify.formats.numpy_fields import ARRAY_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from noisify.files.input import Input
    from noisify.formats.arrays import Box, Parts
    from noisify.formats.npy.header import Header


@contextmanager
def opened(source: Input) -> Iterator[ArrayFile]:
    """Open an NPY file while its array is read."""
    source.spool()
    header = NpySource(source).header
    with source.open() as file:
        array = stored_array(ARRAY_NAME, header, file, len(header.text), source.name)
        yield ArrayFile([array])


def stored_array(name: str, header: Header, file: BinaryIO, start: int, shown: str) -> StoredArray:
    """Return an array that is stored in the NPY format.

    Args:
        name: The name of the array.
        header: Its NPY header.
        file: An open file that holds its elements.
        start: The offset of the elements in the file.
        shown: The file's name in messages.
    """
    kind = ArrayType(name, header.shape, header.dtype, header.fortran)

    def read(box: Box) -> NDArray[Any]:
        if not header.dtype.itemsize:
            return np.empty([cut.stop - cut.start for cut in box], header.dtype)
        return read_box(header, file, start, box, shown)

    unit = fortran_unit(header.shape) if header.fortran else None
    return StoredArray(kind, unit, read)


def create(path: Path, arrays: Sequence[ArrayType], run: str = "") -> ArrayWriter:  # noqa: ARG001
    """Create an NPY file, replacing an existing one; it has no place for a mask's run.

    Raises:
        UsageError: If there is not exactly one array, or no header can describe it.
    """
    if not arrays:
        raise UsageError("holds no array")
    if len(arrays) > 1:
        names = ", ".join(array.name for array in arrays[:2])
        raise UsageError(f"holds several arrays ({names}, …), an NPY file one; write NPZ")
    (array,) = arrays
    header = new_header(array)
    if header.fortran and header.count:
        return _FortranArray(path, header)
    with path.open("wb", 0) as file:
        write_all(file, header.text)
    return PlacedArrays(path, {array.name: (len(header.text), header.dtype)})


def continued(path: Path, arrays: Sequence[ArrayType], run: str = "") -> ArrayWriter:  # noqa: ARG001
    """Write elements in order, to be joined with a file that has the header."""
    return _MoreElements(path, arrays[0].dtype)


class _MoreElements(ArrayWriter):
    """Elements of an array in C order, without its header."""

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        self._file = open_written_behind(path)
        self._dtype = dtype

    def write(self, encoded: Parts) -> None:
        """Write the next elements."""
        for _, values in encoded.values():
            write_all(self._file, np.ascontiguousarray(values, self._dtype).view(np.uint8).data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _FortranArray(ArrayWriter):
    """An array in Fortran order, written box by box through a memory map of its file."""

    def __init__(self, path: Path, header: Header) -> None:
        self._shape = header.shape
        self._array = BoxedFile(header, open_written_behind(path), header.text)

    def write(self, encoded: Parts) -> None:
        """Write a box."""
        for positions, values in encoded.values():
            for box, part in in_boxes(self._shape, positions, values):
                self._array.write(box, part)

    def close(self) -> None:
        """Close the file."""
        self._array.close()

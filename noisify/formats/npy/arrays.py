"""Read NPY files as whole arrays, and create them."""

from __future__ import annotations

import mmap
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy_format

from noisify.core.errors import UsageError
from noisify.files.mapping import map_file, reserve
from noisify.files.write_behind import open_written_behind, write_all
from noisify.formats.arrays import (
    ArrayFile,
    ArrayType,
    ArrayWriter,
    PlacedArrays,
    StoredArray,
    boxes_at,
)
from noisify.formats.npy.boxes import read_box, write_box
from noisify.formats.npy.header import Header
from noisify.formats.npy.source import NpySource
from noisify.formats.numpy_fields import ARRAY_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from noisify.files.input import Input
    from noisify.formats.arrays import Box, Parts

_FORTRAN_ROWS = 64
_ALIGNMENT = 64
_LONGEST_COUNT = 4
"""The bytes of the header's length in NPY 2.0 and 3.0."""


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

    unit = (_FORTRAN_ROWS, *(1 for _ in header.shape[1:])) if header.fortran else None
    return StoredArray(kind, unit, read)


def create(path: Path, arrays: Sequence[ArrayType]) -> ArrayWriter:
    """Create an NPY file, replacing an existing one.

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


create_with_run = create
"""Create a mask; an NPY file has no place for the text of its run."""


class _FortranArray(ArrayWriter):
    """An array in Fortran order, written box by box through a memory map of its file."""

    def __init__(self, path: Path, header: Header) -> None:
        self._header = header
        self._file = open_written_behind(path)
        reserve(self._file, len(header.text) + header.count * header.dtype.itemsize)
        self._mapped = map_file(self._file.fileno(), mmap.ACCESS_WRITE)
        self._mapped[: len(header.text)] = header.text

    def write(self, encoded: Parts) -> None:
        """Write a box."""
        header = self._header
        for positions, values in encoded.values():
            for box in boxes_at(header.shape, positions):
                part = values.reshape([cut.stop - cut.start for cut in box])
                write_box(header, self._mapped, len(header.text), box, part)

    def close(self) -> None:
        """Close the map."""
        self._mapped.close()
        self._file.close()


def new_header(array: ArrayType) -> Header:
    """Return the NPY header of an array, in the lowest version that can describe it.

    Raises:
        UsageError: If no version can describe its members.
    """
    try:
        described = npy_format.dtype_to_descr(array.dtype)
        text = repr({"descr": described, "fortran_order": array.fortran, "shape": array.shape})
        encoded = text.encode()
    except ValueError as error:  # including UnicodeEncodeError
        raise UsageError(
            f"has members that an NPY header cannot describe: {error}", field=array.name
        ) from None
    version, count = (1, 2) if text.isascii() else (3, _LONGEST_COUNT)
    if version == 1 and len(text) + _ALIGNMENT >= 1 << 16:
        version, count = 2, _LONGEST_COUNT
    magic = npy_format.magic(version, 0)
    padding = -(len(magic) + count + len(encoded) + 1) % _ALIGNMENT
    length = len(encoded) + padding + 1
    whole = magic + length.to_bytes(count, "little") + encoded + b" " * padding + b"\n"
    return Header(whole, array.shape, array.fortran, array.dtype)

"""Read and write boxes of arrays in Fortran order, whose elements are not stored in C order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from noisify.core.chunk import Positions, boxes
from noisify.core.errors import DataError
from noisify.files.input import read_runs_at
from noisify.files.write_behind import drop_from_memory, map_empty

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from noisify.formats.npy.header import Header

_FORTRAN_ROWS = 64
_FORTRAN_BYTES = 1 << 23
_RUNS = 1 << 10
_COPY_BYTES = 1 << 20


def fortran_boxes(shape: tuple[int, ...], itemsize: int) -> Iterator[tuple[slice, ...]]:
    """Cut an array into boxes that can be read efficiently in Fortran order.

    Args:
        shape: The array's shape.
        itemsize: The size of an element in bytes, or the sum of those of several arrays.
    """
    yield from boxes(shape, max(1, _FORTRAN_BYTES // max(1, itemsize)), fortran_unit(shape))


def fortran_unit(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of boxes that should not be cut further in Fortran order."""
    return (_FORTRAN_ROWS, *(1 for _ in shape[1:]))[: len(shape)]


def read_box(
    header: Header, file: BinaryIO, start: int, box: tuple[slice, ...], name: str
) -> NDArray[Any]:
    """Read a box of an array, in C order.

    It is read run by run, not through a memory map: truncating a mapped file kills the process.

    Args:
        header: The array's header.
        file: The open file.
        start: The offset of the array in the file.
        box: The box.
        name: The file's name in errors.

    Raises:
        DataError: If the file ends before the array does.
    """
    way = -1 if header.fortran else 1
    runs = Positions.box(header.shape[::way], box[::way])
    values = np.empty([cut.stop - cut.start for cut in box[::way]], header.opaque)
    places = (np.asarray(runs.starts, np.int64) * header.dtype.itemsize + start).tolist()
    data = values.reshape(-1).view(np.uint8).data
    if not read_runs_at(file, data, runs.length * header.dtype.itemsize, places):
        raise DataError("ends before its array does", path=name)
    ordered = np.ascontiguousarray(values.transpose() if header.fortran else values)
    return ordered.reshape([cut.stop - cut.start for cut in box]).view(header.dtype)


class BoxedFile:
    """The file of an array that is written box by box through a memory map.

    Args:
        header: The array's header.
        file: The empty file, which `close` closes.
        prefix: The bytes before the array.

    Raises:
        OSError: If the disk is full.
    """

    def __init__(self, header: Header, file: BinaryIO, prefix: bytes) -> None:
        self._start = len(prefix)
        self._header = header
        self._file = file
        self._mapped = map_empty(file, self._start + header.count * header.dtype.itemsize)
        self._mapped[: self._start] = prefix

    def write(self, box: tuple[slice, ...], values: NDArray[Any]) -> None:
        """Write a box, and drop its pages from memory."""
        header = self._header
        order: Any = "F" if header.fortran else "C"
        array: NDArray[Any] = np.ndarray(
            header.shape, header.opaque, self._mapped, self._start, order=order
        )
        part, opaque = array[box], values.view(header.opaque)  # with the bytes between members
        # Each run along the first axis touches pages of its own, and the system maps those around.
        for few_runs in boxes(part.shape[1:], _RUNS):
            part[:, *few_runs] = opaque[:, *few_runs]
            drop_from_memory(self._mapped)

    def read(self, start: int) -> Iterator[memoryview]:
        """Yield the bytes of the file from an offset on."""
        self._file.seek(start)
        while data := self._file.read(_COPY_BYTES):
            yield memoryview(data)

    def close(self) -> None:
        """Close the map and the file."""
        self._mapped.close()
        self._file.close()

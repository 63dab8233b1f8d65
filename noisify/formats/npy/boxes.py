"""Read and write boxes of arrays in Fortran order, whose elements are not stored in C order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from noisify.core.chunk import Positions, boxes
from noisify.core.errors import DataError
from noisify.files.input import read_runs_at
from noisify.files.mapping import drop_from_memory

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from noisify.formats.npy.header import Header

_FORTRAN_ROWS = 64
_FORTRAN_BYTES = 1 << 23
_RUNS = 1 << 10


def box_elements(itemsize: int) -> int:
    """Return how many elements of `itemsize` bytes a box should have."""
    return max(1, _FORTRAN_BYTES // max(1, itemsize))


def fortran_boxes(shape: tuple[int, ...], elements: int) -> Iterator[tuple[slice, ...]]:
    """Cut an array into boxes that can be read efficiently in Fortran order.

    Args:
        shape: The array's shape.
        elements: The most elements that a box may have.
    """
    unit = (_FORTRAN_ROWS, *(1 for _ in shape[1:]))[: len(shape)]
    yield from boxes(shape, elements, unit)


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


def write_box(
    header: Header, mapped: mmap.mmap, start: int, box: tuple[slice, ...], values: NDArray[Any]
) -> None:
    """Write a box of a memory-mapped array, and drop its pages from memory."""
    array = mapped_array(header, mapped, start)
    part = array[box]
    opaque = values.view(header.opaque)
    for runs in _few_runs(part.shape):
        part[runs] = opaque[runs]
        drop_from_memory(mapped)
    del array, part


def _few_runs(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Cut a box of a Fortran-order array into boxes of few runs along its first axis.

    Each run touches memory pages of its own, and the system maps the pages around them too.
    """
    for rest in boxes(shape[1:], _RUNS):
        yield (slice(None), *rest)


def mapped_array(header: Header, mapped: mmap.mmap, start: int) -> NDArray[Any]:
    """Return a memory-mapped array of opaque elements, which keep the bytes between members."""
    order: Any = "F" if header.fortran else "C"
    return np.ndarray(header.shape, header.opaque, mapped, start, order=order)

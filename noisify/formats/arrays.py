"""Read and create whole files of arrays, for conversion and masks."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from noisify.core.chunk import Positions, boxes
from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.files.write_behind import open_written_behind, write_all_at
from noisify.formats.whole_writer import WholeWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from noisify.core.errors import UsageError

Box: TypeAlias = tuple[slice, ...]
Parts: TypeAlias = Mapping[str, "tuple[Positions, NDArray[Any]]"]
"""Some elements of arrays, by array name: their positions and their values, flat."""
ArrayWriter: TypeAlias = WholeWriter[Parts]
"""A file of arrays being created; every element of every array is written once."""

_PIECE_ELEMENTS = 1 << 20


@frozen
class ArrayType:
    """The name, shape and storage of an array.

    Attributes:
        name: The name.
        shape: The shape.
        dtype: The dtype, including the byte order.
        fortran: Whether it is in Fortran order, if the format has a choice.
        packed: Whether it is compressed, if the format has a choice.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool = False
    packed: bool = False

    @property
    def count(self) -> int:
        """The number of elements."""
        return prod(self.shape)


@frozen
class StoredArray:
    """An array that can be read box by box.

    Attributes:
        type: The name, shape and storage.
        unit: The shape of boxes that are best read whole (chunks), or None.
        read: Returns the elements of a box, in the box's shape.
        release: Deletes the unpacked copy that reading needed; the next read unpacks it again.
    """

    type: ArrayType
    unit: tuple[int, ...] | None
    read: Callable[[Box], NDArray[Any]]
    release: Callable[[], None] = lambda: None

    def pieces(self) -> Iterator[tuple[Positions, NDArray[Any]]]:
        """Yield positions that cover the array, and the elements there, flat."""
        for box in boxes(self.type.shape, _PIECE_ELEMENTS, self.unit):
            yield Positions.box(self.type.shape, box), self.read(box).reshape(-1)

    def at(self, positions: Positions) -> NDArray[Any]:
        """Return the elements at some positions, flat."""
        found = [self.read(box).reshape(-1) for box in boxes_at(self.type.shape, positions)]
        nothing = np.empty(0, self.type.dtype)
        return found[0] if len(found) == 1 else np.concatenate([nothing, *found])


@frozen
class ArrayFile:
    """An open file of arrays.

    Attributes:
        arrays: All arrays in it.
        lost: The error for contents besides arrays, which other formats cannot hold, or None.
        run: The text that names the run that wrote a mask, or empty.
    """

    arrays: list[StoredArray]
    lost: UsageError | None = None
    run: str = ""


class PlacedArrays(ArrayWriter):
    """Writes uncompressed arrays in C order to given offsets of an existing file.

    Args:
        path: The file.
        arrays: The offset and dtype of each array, by name.
        run_at: The offset at which a mask has the text of its run, or None if it has none.
    """

    def __init__(
        self, path: Path, arrays: Mapping[str, tuple[int, np.dtype[Any]]], run_at: int | None = None
    ) -> None:
        self._file = open_written_behind(path)
        self._arrays = arrays
        self._run_at = run_at
        self.names_runs = run_at is not None

    @override
    def name_run(self, text: str) -> None:
        """Write the text of a mask's run in its place."""
        write_all_at(self._file, memoryview(text.encode()), self._run_at or 0)

    def write(self, encoded: Parts) -> None:
        """Write elements of some arrays to their places."""
        for name, (positions, values) in encoded.items():
            offset, dtype = self._arrays[name]
            size = positions.length * dtype.itemsize
            data = np.ascontiguousarray(values, dtype).view(np.uint8).data
            for number, start in enumerate(positions.starts):
                run = data[number * size : (number + 1) * size]
                write_all_at(self._file, run, offset + int(start) * dtype.itemsize)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def parts_of(arrays: Iterable[StoredArray]) -> Iterator[Parts]:
    """Yield the elements of arrays, one array after the other."""
    for array in arrays:
        for piece in array.pieces():
            yield {array.type.name: piece}
        array.release()


def boxes_at(shape: tuple[int, ...], positions: Positions) -> list[Box]:
    """Return boxes that cover some positions exactly, in their order.

    Args:
        shape: The array's shape.
        positions: The positions of one box, or runs of consecutive elements.

    >>> boxes_at((4, 10), Positions.range(5, 30))
    [(slice(0, 1, None), slice(5, 10, None)), (slice(1, 3, None), slice(0, 10, None))]
    >>> boxes_at((4, 10), Positions((13, 23), 4))
    [(slice(1, 3, None), slice(3, 7, None))]
    """
    if not positions.size:
        return []
    starts = [int(start) for start in positions.starts]
    first = np.unravel_index(starts[0], shape) if shape else ()
    last = np.unravel_index(starts[-1] + positions.length - 1, shape) if shape else ()
    box = tuple(slice(int(a), int(b) + 1) for a, b in zip(first, last, strict=True))
    if prod(cut.stop - cut.start for cut in box) == positions.size:
        return [box]
    return [box for start in starts for box in _run(shape, start, start + positions.length)]


def in_boxes(
    shape: tuple[int, ...], positions: Positions, values: NDArray[Any]
) -> Iterator[tuple[Box, NDArray[Any]]]:
    """Yield boxes that cover some positions, and the values there in each box's shape.

    Args:
        shape: The array's shape.
        positions: The positions.
        values: The values, flat.
    """
    done = 0
    for box in boxes_at(shape, positions):
        extents = [cut.stop - cut.start for cut in box]
        count = prod(extents)
        yield box, values[done : done + count].reshape(extents)
        done += count


def _run(shape: tuple[int, ...], start: int, stop: int) -> Iterator[Box]:
    """Yield boxes of consecutive elements, in their order."""
    if start >= stop:
        return
    inner, whole = prod(shape[1:]), tuple(slice(0, extent) for extent in shape[1:])
    if inner == 1:
        yield (slice(start, stop), *whole)
        return
    first, last = -(-start // inner), stop // inner
    if start % inner:
        row, end = first - 1, min(stop, first * inner)
        for rest in _run(shape[1:], start - row * inner, end - row * inner):
            yield (slice(row, row + 1), *rest)
    if first < last:
        yield (slice(first, last), *whole)
    if last >= first:
        for rest in _run(shape[1:], 0, stop - last * inner):
            yield (slice(last, last + 1), *rest)

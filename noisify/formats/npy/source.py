"""Read NPY files in pieces, never whole and never unpickled."""

from __future__ import annotations

from functools import cached_property, partial
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from noisify.core.chunk import Chunk, Positions
from noisify.core.errors import DataError
from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.files.input import read_into, read_into_at
from noisify.formats.array_source import ArraySource
from noisify.formats.interface import Reading
from noisify.formats.npy.boxes import box_elements, fortran_boxes, read_box
from noisify.formats.npy.header import header_length, read_header
from noisify.formats.numpy_fields import ARRAY_NAME, column_of, fields_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from noisify.core.chunk import Field
    from noisify.files.input import Input
    from noisify.formats.interface import FieldArray


_LEAST_ITEM = 4
"""The least bytes that an element counts for in a piece, since noise is added in float64."""


@frozen
class ArrayPiece:
    """Some elements in the file's dtype.

    Attributes:
        read: Returns the elements: 1-D, or the box of a Fortran-order array.
        positions: Their positions in the array, in C order.
        box: The box of a Fortran-order array, else None.
    """

    read: Callable[[], NDArray[Any]]
    positions: Positions
    box: tuple[slice, ...] | None = None

    @classmethod
    def of(
        cls, values: NDArray[Any], positions: Positions, box: tuple[slice, ...] | None = None
    ) -> ArrayPiece:
        """Make a piece of elements that are already in memory."""
        return cls(lambda: values, positions, box)

    @cached_property
    def values(self) -> NDArray[Any]:
        """The elements, read on first use, in a worker if the file allows it."""
        return self.read()


class NpySource(ArraySource[ArrayPiece]):
    """An open NPY file."""

    def __init__(self, source: Input) -> None:
        self._input = source
        self._file: BinaryIO | None = None
        head = source.head()
        if (length := header_length(head)) > len(head):
            source.spool()
            head = source.head(length)
        self.header = read_header(head, source.name)
        self.fields = fields_of(self.header.dtype, ARRAY_NAME)
        self.empty = not self.header.count
        if self.header.fortran:
            source.download()  # its elements are not read sequentially
        if source.size is not None:
            self._check_size(source.size - len(self.header.text))

    @property
    def lazy(self) -> bool:
        """Whether pieces are in memory only while a worker works on them."""
        return self._input.path is not None and not self.header.fortran

    @cached_property
    def row_elements(self) -> int | None:  # type: ignore[override]
        """The elements of a row along the first axis; None without axes."""
        return prod(self.header.shape[1:]) if self.header.shape else None

    def _check_size(self, found: int) -> None:
        expected = self.header.count * self.header.dtype.itemsize
        if found != expected:
            state = "is cut short" if found < expected else "goes on after its array"
            raise DataError(
                f"{state}: its header promises {expected} bytes of data and there are {found}",
                path=self._input.name,
            )

    @override
    def read(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[ArrayPiece]:
        """Read consecutive elements, or boxes of a Fortran-order array."""
        in_box = box_elements(max(1, self.header.dtype.itemsize))
        pieces = self.pieces(self.piece_elements(size), in_box)
        return Reading(pieces, lazy=self.lazy)

    def piece_elements(self, size: int) -> int:
        """Return how many elements a piece of `size` bytes has: whole rows if possible."""
        elements = size // max(_LEAST_ITEM, self.header.dtype.itemsize)
        if self.row_elements:
            elements -= elements % self.row_elements if elements > self.row_elements else 0
        return max(1, elements)

    def pieces(self, elements: int, in_box: int) -> Iterator[ArrayPiece]:
        """Yield consecutive elements, or boxes of a Fortran-order array.

        Args:
            elements: The number of consecutive elements of a piece.
            in_box: The most elements that a box may have.
        """
        if not self.header.dtype.itemsize:
            return
        if self.header.fortran:
            yield from self._boxes(in_box)
            return
        ranges = in_ranges(range(self.header.count), elements)
        if self.lazy:
            yield from self.pieces_at(ranges)
            return
        with self._input.open() as file:
            read_into(file, memoryview(bytearray(len(self.header.text))))
            fill = partial(read_into, file)
            for start, stop in ranges:
                values = self._elements(start, stop, fill)
                yield ArrayPiece.of(values, Positions.range(start, stop))
            if file.read(1):
                raise DataError("goes on after its array", path=self._input.name)

    def pieces_at(self, ranges: Iterable[tuple[int, int]]) -> Iterator[ArrayPiece]:
        """Yield some ranges of elements, which the workers read."""
        self._file = self._file or self._input.open()
        for start, stop in ranges:
            place = len(self.header.text) + start * self.header.dtype.itemsize
            fill = partial(read_into_at, self._file, place=place)
            read = partial(self._elements, start, stop, fill)
            yield ArrayPiece(read, Positions.range(start, stop))

    def _elements(self, start: int, stop: int, fill: Callable[[memoryview], int]) -> NDArray[Any]:
        """Read elements with `fill`, which fills a buffer and returns how much it read."""
        values = np.empty(stop - start, self.header.dtype)
        found = fill(values.view(np.uint8).data)
        if found < values.nbytes:
            self._check_size(start * values.itemsize + found)
        return values

    def _boxes(self, elements: int) -> Iterator[ArrayPiece]:
        """Yield boxes of a Fortran-order array."""
        with self._input.open() as file:
            start = len(self.header.text)
            for box in fortran_boxes(self.header.shape, elements):
                values = read_box(self.header, file, start, box, self._input.name)
                yield ArrayPiece.of(values, Positions.box(self.header.shape, box), box)

    def decode(self, raw: ArrayPiece, wanted: Sequence[Field]) -> Chunk:
        """Decode the wanted fields."""
        columns = tuple(column_of(raw.values, raw.positions, field) for field in wanted)
        rows = None
        if self.row_elements is not None:
            rows = rows_of(raw.positions, raw.box, self.row_elements)
        return Chunk(columns, rows=rows)

    @override
    def array_of(self, field: Field) -> FieldArray:
        """Return the array of a field, with its member."""
        return self.header.field_array(ARRAY_NAME, field.name)

    @override
    def elements(self, raw: ArrayPiece) -> NDArray[Any]:
        """Return the elements of a piece."""
        return raw.values

    def size_of(self, raw: ArrayPiece) -> int:
        """Return the size of a piece in bytes."""
        return int(raw.values.nbytes)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def rows_of(positions: Positions, box: tuple[slice, ...] | None, width: int) -> Positions | None:
    """Return the rows along the first axis of a piece; None if it has no whole rows.

    Args:
        positions: The positions of consecutive elements.
        box: The box of an array in Fortran order, whose rows go on in other boxes, or None.
        width: The elements of a row.
    """
    if box is None:
        return positions.in_rows(width)
    return Positions.range(box[0].start, box[0].stop)


def in_ranges(elements: range, count: int) -> Iterator[tuple[int, int]]:
    """Cut a range into ranges of at most `count` elements."""
    for start in range(elements.start, elements.stop, count):
        yield start, min(start + count, elements.stop)


def ranges_with_halo(
    elements: range, halo: int, total: int, count: int
) -> Iterator[tuple[int, int]]:
    """Cut a part of `total` elements, and up to `halo` on either side, into separate ranges."""
    before = range(max(0, elements.start - halo), elements.start)
    after = range(elements.stop, min(elements.stop + halo, total))
    for each in (before, elements, after):
        yield from in_ranges(each, count)

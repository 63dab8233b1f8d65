"""Read NPY files in pieces, never whole and never unpickled."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, BinaryIO

from noisify.core.chunk import Chunk, Positions
from noisify.core.errors import DataError
from noisify.core.overriding import override
from noisify.formats.array_source import ArrayPiece, ElementsSource
from noisify.formats.interface import Reading
from noisify.formats.npy.boxes import fortran_boxes, read_box
from noisify.formats.npy.header import header_length, read_header
from noisify.formats.numpy_fields import ARRAY_NAME, column_of, fields_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from noisify.core.chunk import Field
    from noisify.files.input import Input
    from noisify.formats.interface import FieldArray


_LEAST_ITEM = 4
"""The least bytes that an element counts for in a piece, since noise is added in float64."""
COPIES_OF_ROW = 8
"""Copies of a row's bytes in memory: two pieces, read, noisy, encoded and chosen."""


class NpySource(ElementsSource):
    """An open NPY file."""

    def __init__(self, source: Input) -> None:
        head = source.head()
        if (length := header_length(head)) > len(head):
            source.spool()
            head = source.head(length)
        self.header = header = read_header(head, source.name)
        width = prod(header.shape if header.fortran else header.shape[1:])
        super().__init__(source, len(header.text), header.dtype, header.count, width)
        self.fields = fields_of(header.dtype, ARRAY_NAME)
        self.empty = not header.count
        if header.fortran:
            source.download()  # its elements are not read sequentially
        if source.size is not None:
            self._check_size(source.size - self.start)

    @property
    @override
    def lazy(self) -> bool:
        """Whether pieces are in memory only while a worker works on them."""
        return super().lazy and not self.header.fortran

    @cached_property
    def row_elements(self) -> int | None:  # type: ignore[override]
        """The elements of a row along the first axis; None without axes."""
        return prod(self.header.shape[1:]) if self.header.shape else None

    @override
    def _check_size(self, found: int) -> None:
        expected = self.count * self.dtype.itemsize
        if found != expected:
            state = "is cut short" if found < expected else "goes on after its array"
            raise DataError(
                f"{state}: its header promises {expected} bytes of data and there are {found}",
                path=self._input.name,
            )

    @override
    def _read_end(self, file: BinaryIO, over: bytes) -> None:
        if file.read(1):
            raise DataError("goes on after its array", path=self._input.name)

    @override
    def read(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[ArrayPiece]:
        """Read consecutive elements, or boxes of a Fortran-order array."""
        if not self.dtype.itemsize:
            return Reading(iter(()))
        return Reading(self._boxes()) if self.header.fortran else super().read(groups, size)

    @override
    def read_rows(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[ArrayPiece]:
        """Read whole rows, at least one at a time; or boxes of a Fortran-order array."""
        least = (self.row_elements or 0) * max(_LEAST_ITEM, self.dtype.itemsize)
        if self.header.fortran or least <= size:
            return self.read(groups, size)
        self._input.memory.require(COPIES_OF_ROW * least, "a row")
        return replace(self.read(groups, least), in_flight=2)

    @override
    def piece_elements(self, size: int) -> int:
        """Return how many elements a piece of `size` bytes has: whole rows if possible."""
        elements = size // max(_LEAST_ITEM, self.dtype.itemsize)
        if self.row_elements:
            elements -= elements % self.row_elements if elements > self.row_elements else 0
        return max(1, elements)

    def _boxes(self) -> Iterator[ArrayPiece]:
        """Yield boxes of a Fortran-order array."""
        shape = self.header.shape
        with self._input.open() as file:
            for box in fortran_boxes(shape, self.dtype.itemsize):
                values = read_box(self.header, file, self.start, box, self._input.name)
                yield ArrayPiece.of(values, Positions.box(shape, box), box)

    def decode(self, raw: ArrayPiece, wanted: Sequence[Field]) -> Chunk:
        """Decode the wanted fields."""
        columns = tuple(column_of(raw.values, raw.positions, field) for field in wanted)
        return Chunk(columns, rows=rows_of(raw.positions, raw.box, self.row_elements))

    @override
    def array_of(self, field: Field) -> FieldArray:
        """Return the array of a field, with its member."""
        return self.header.field_array(ARRAY_NAME, field.name)


def rows_of(
    positions: Positions, box: tuple[slice, ...] | None, width: int | None
) -> Positions | None:
    """Return the rows along the first axis of a piece; None if it has no whole rows.

    Args:
        positions: The positions of consecutive elements.
        box: The box of an array in Fortran order, whose rows go on in other boxes, or None.
        width: The elements of a row, or None if the array has no rows.
    """
    if width is None or box is None:
        return positions.in_rows(width or 0)
    return Positions.range(box[0].start, box[0].stop)

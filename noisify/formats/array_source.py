"""Sources of arrays, and files of one array whose elements are stored one after the other."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property, partial
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from noisify.core.chunk import Positions
from noisify.core.errors import DataError
from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.files.input import read_into, read_into_at
from noisify.formats.interface import FieldArray, Part, Raw, Reading, Source
from noisify.formats.numpy_fields import arrow_array, member_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from noisify.core.chunk import Chunk, Field
    from noisify.core.share import Share
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.interface import Sink


class ArraySource(Source[Raw]):
    """An open file of arrays."""

    @abstractmethod
    @override
    def array_of(self, field: Field) -> FieldArray:
        """Return the array of a field."""

    @override
    def length(self, field: Field) -> int | None:
        """Return the number of elements of a field."""
        array = self.array_of(field)
        return prod(array.shape) * prod(array.inner)

    @override
    def array_shape(self, field: Field) -> tuple[int, ...] | None:
        """Return the array's shape; None if the field is a member of a structured array."""
        return None if field.member else self.array_of(field).shape

    @override
    def series_shape(self, field: Field) -> tuple[int, ...] | None:
        """Return the array's shape, followed by the size of a member that is an array itself."""
        array = self.array_of(field)
        width = prod(array.inner)
        return (*array.shape, width) if width > 1 else array.shape

    def elements(self, raw: Raw) -> NDArray[Any]:
        """Return the elements of a piece; only for files of one array."""
        raise AssertionError(raw)

    @override
    def condition_values(self, raw: Raw, chunk: Chunk, names: Iterable[str]) -> dict[str, pa.Array]:
        """Return the only array, or members of a structured one, as Arrow arrays."""
        return {name: arrow_array(self.elements(raw), name) for name in names}


def field_array(
    name: str, shape: tuple[int, ...], dtype: np.dtype[Any], path: str, *, fortran: bool = False
) -> FieldArray:
    """Return the array of a field.

    Args:
        name: The array's name.
        shape: The array's shape.
        dtype: The array's dtype.
        path: The path of the field's member, if the array is structured.
        fortran: Whether the array is in Fortran order.
    """
    member = member_of(np.empty(0, dtype), path)
    where = None if dtype.names is None else path
    return FieldArray(name, shape, member.dtype, where, member.shape[1:], fortran)


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


class ElementsSource(ArraySource[ArrayPiece]):
    """An open file of one array, whose elements are stored one after the other.

    Args:
        source: The file.
        start: The offset of the first element in the file.
        dtype: The dtype of an element as it is stored.
        count: The number of elements; the most there may be if it is not known.
        width: The number of elements in a row; no row is in two parts.
    """

    def __init__(
        self, source: Input, start: int, dtype: np.dtype[Any], count: int, width: int
    ) -> None:
        self._input = source
        self.start, self.dtype, self.count, self.width = start, dtype, count, width
        self._file: BinaryIO | None = None

    @property
    def rows(self) -> int:
        """The number of whole rows."""
        return self.count // max(1, self.width)

    def parts(self, most: int) -> int:
        """Return into how many parts of at least one row the file can be cut."""
        return max(1, min(most, self.rows))

    @property
    def lazy(self) -> bool:
        """Whether pieces are in memory only while a worker works on them."""
        return self._input.path is not None

    @abstractmethod
    def piece_elements(self, size: int) -> int:
        """Return how many elements a piece of `size` bytes has."""

    @abstractmethod
    def _check_size(self, found: int) -> None:
        """Check that the elements have the size in the header, unless it leaves their size open."""

    @abstractmethod
    def _read_end(self, file: BinaryIO, over: bytes) -> None:
        """Read the bytes after the elements.

        Args:
            file: The file, at the end of the last whole element.
            over: The bytes of a partial element, which are read already.
        """

    def read_rest(self) -> None:
        """Read the bytes after the elements of a regular file, if the output keeps them."""

    @override
    def read(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[ArrayPiece]:
        """Read consecutive elements."""
        elements = self.piece_elements(size)
        if self.lazy:
            self.read_rest()
            return Reading(self.pieces_at(in_ranges(range(self.count), elements)), lazy=True)
        return Reading(self._streamed(elements))

    def _streamed(self, elements: int) -> Iterator[ArrayPiece]:
        """Yield pieces of at most `elements` elements from the start to the end of a stream."""
        over = b""
        with self._input.open() as file:
            read_into(file, memoryview(bytearray(self.start)))
            for start, stop in in_ranges(range(self.count), elements):
                values = np.empty(stop - start, self.dtype)
                data = values.view(np.uint8).data
                found = read_into(file, data)
                if found < len(data):
                    self._check_size(start * values.itemsize + found)
                    values = values[: found // values.itemsize]
                    over = bytes(data[values.nbytes : found])
                if values.size:
                    yield ArrayPiece.of(values, Positions.range(start, start + values.size))
                if found < len(data):
                    break
            self._read_end(file, over)

    def pieces_at(self, ranges: Iterable[tuple[int, int]]) -> Iterator[ArrayPiece]:
        """Yield some ranges of elements of a regular file, which the workers read."""
        self._file = self._file or self._input.open()
        for start, stop in ranges if self.dtype.itemsize else ():
            read = partial(self._elements, self._file, start, stop)
            yield ArrayPiece(read, Positions.range(start, stop))

    def _elements(self, file: BinaryIO, start: int, stop: int) -> NDArray[Any]:
        values = np.empty(stop - start, self.dtype)
        place = self.start + start * values.itemsize
        found = read_into_at(file, values.view(np.uint8).data, place)
        if found < values.nbytes:
            self._check_size(start * values.itemsize + found)
            raise DataError("became shorter while it was read", path=self._input.name)
        return values

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


class ElementsPart(Part[ArrayPiece]):
    """Some rows of a file; the first part has all bytes before the rows, the last all after them.

    Args:
        source: The file.
        share: Which part it is.
        rewrite: Opens a sink for the elements.

    Attributes:
        elements: The indices of its elements.
    """

    def __init__(
        self,
        source: ElementsSource,
        share: Share,
        rewrite: Callable[[Output, ElementsPart], Sink[ArrayPiece, Any]],
    ) -> None:
        self.share = share
        self._source = source
        self._rewrite = rewrite
        mine, width = share.of(source.rows), source.width
        stop = source.count if share.is_last else mine.stop * width  # perhaps a partial row
        self.elements = range(mine.start * width, stop)
        before = self.elements.start * source.dtype.itemsize
        self.place = 0 if share.is_first else source.start + before

    @override
    def read(self, groups: Sequence[Sequence[Field]], size: int, halo: int) -> Reading[ArrayPiece]:
        """Read consecutive elements."""
        mine, total = self.elements, self._source.count
        before = range(max(0, mine.start - halo), mine.start)
        after = range(mine.stop, min(mine.stop + halo, total))
        count = self._source.piece_elements(size)
        if self.share.is_last:
            self._source.read_rest()
        ranges = (found for each in (before, mine, after) for found in in_ranges(each, count))
        return Reading(
            self._source.pieces_at(ranges),
            lazy=True,
            beyond=lambda piece: int(piece.positions.starts[0]) not in mine,
        )

    @override
    def rewrite(self, output: Output, noised: frozenset[str]) -> Sink[ArrayPiece, Any]:
        """Open a sink for the elements."""
        return self._rewrite(output, self)


def in_ranges(elements: range, count: int) -> Iterator[tuple[int, int]]:
    """Cut a range into ranges of at most `count` elements."""
    for start in range(elements.start, elements.stop, count):
        yield start, min(start + count, elements.stop)

"""NPY: one array, read and written in pieces, never whole and never unpickled."""

from __future__ import annotations

import ast
import io
import mmap
import os
from functools import cached_property, partial
from math import prod
from tokenize import TokenError
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from noisify.core.chunk import Chunk, Positions, boxes
from noisify.core.errors import DataError, UsageError
from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.files.input import read_into, read_into_at, read_runs_at
from noisify.files.write_behind import takes_places, write_all, write_all_at
from noisify.formats.interface import FieldArray, Reading, Sink, Source
from noisify.formats.numpy_fields import (
    arrow_array,
    column_of,
    fields_of,
    member_of,
    put_back,
    raw_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from noisify.core.chunk import Field
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.interface import NoisyColumn

FIRST_BYTES = 12
"""As many of a file's bytes as say how long its header is: magic, version and length."""
ARRAY_NAME = "data"
"""The field's name, and so its random stream's, of a file that holds one plain array."""

_LONGEST_HEADER = 1 << 24
_BROKEN = (ValueError, EOFError, SyntaxError, LookupError, TypeError, RecursionError, TokenError)
"""What reading a header that is none may raise."""
_LEAST_ITEM = 4
"""Bytes that an element counts for in a piece: noise is added in float64, in the cache at best."""
_FORTRAN_ROWS = 64
_FORTRAN_BYTES = 1 << 23
_RUNS = 1 << 10


@frozen
class Header:
    """What an NPY file says of itself.

    Attributes:
        text: The header's bytes, to be written as they are.
        shape: The array's shape.
        fortran: Whether the first axis varies fastest in the file.
        dtype: The dtype, byte order included.
    """

    text: bytes
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]

    @property
    def count(self) -> int:
        """The number of elements."""
        return prod(self.shape)

    @property
    def opaque(self) -> np.dtype[Any]:
        """A dtype of the same size that is copied byte for byte."""
        return np.dtype(f"V{self.dtype.itemsize}")


def read_header(head: bytes, name: str) -> Header:
    """Parse the header at the start of `head`.

    Raises:
        DataError: If it is broken, or says that the array is pickled.
    """
    header = parse_header(head, name)
    if header.dtype.hasobject:
        raise DataError(
            "holds pickled Python objects, which are never unpickled; save it with a number dtype",
            path=name,
        )
    return header


def header_length(head: bytes) -> int:
    """Return how long the header is that `head` starts, as far as it says so."""
    if len(head) < FIRST_BYTES:
        return len(head)
    if head[6] == 1:
        return 10 + int.from_bytes(head[8:10], "little")
    return 12 + min(int.from_bytes(head[8:12], "little"), _LONGEST_HEADER)


def parse_header(head: bytes, name: str) -> Header:
    """Parse the header at the start of `head`, that of a pickled array too.

    Raises:
        DataError: If it is broken.
    """
    stream = io.BytesIO(head)
    readers: dict[tuple[int, int], Any] = {
        (1, 0): npy_format.read_array_header_1_0,
        (2, 0): npy_format.read_array_header_2_0,
        (3, 0): _read_array_header_3_0,
    }
    try:
        version = npy_format.read_magic(stream)
        if version not in readers:
            raise DataError(f"has an unknown NPY version, {version[0]}.{version[1]}", path=name)
        shape, fortran, dtype = readers[version](stream, max_header_size=_LONGEST_HEADER)
    except _BROKEN as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"has a broken NPY header: {reason}", path=name) from None
    if dtype.shape or any(not isinstance(extent, int) or extent < 0 for extent in shape):
        raise DataError(f"has a broken NPY header: shape {shape}", path=name)
    return Header(head[: stream.tell()], shape, fortran and len(shape) > 1, dtype)


def _read_array_header_3_0(
    stream: BinaryIO, max_header_size: int
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of version 3.0: that of 2.0, in UTF-8. NumPy's own reader is private."""
    size = int.from_bytes(stream.read(4), "little")
    if size > max_header_size:
        raise ValueError("the header is too long")
    described = ast.literal_eval(stream.read(size).decode("utf-8"))
    dtype = npy_format.descr_to_dtype(described["descr"])
    return tuple(described["shape"]), bool(described["fortran_order"]), dtype


@frozen
class Piece:
    """Some elements as they stand in the file.

    Attributes:
        read: Returns the elements: 1-D, or the box of a Fortran-order array.
        positions: Where they stand in the array, in C order.
        box: The part of a Fortran-order array they are; None otherwise.
    """

    read: Callable[[], NDArray[Any]]
    positions: Positions
    box: tuple[slice, ...] | None = None

    @classmethod
    def of(
        cls, values: NDArray[Any], positions: Positions, box: tuple[slice, ...] | None = None
    ) -> Piece:
        """Return elements that are in memory."""
        return cls(lambda: values, positions, box)

    @cached_property
    def values(self) -> NDArray[Any]:
        """The elements, read by whoever asks first: where the file lets it, a worker."""
        return self.read()


class NpySource(Source[Piece]):
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
            source.spool()  # its elements are not read in the order of the file
        if source.size is not None:
            self._check_size(source.size - len(self.header.text))

    @property
    def lazy(self) -> bool:
        """Whether pieces are in memory only while a worker works on them."""
        return self._input.path is not None and not self.header.fortran

    def _check_size(self, found: int) -> None:
        expected = self.header.count * self.header.dtype.itemsize
        if found != expected:
            state = "is cut short" if found < expected else "goes on after its array"
            raise DataError(
                f"{state}: its header promises {expected} bytes of data and there are {found}",
                path=self._input.name,
            )

    @override
    def read(
        self,
        groups: Sequence[Sequence[Field]],
        size: int,
    ) -> Reading[Piece]:
        """Read consecutive elements, or boxes of a Fortran-order array."""
        itemsize = max(1, self.header.dtype.itemsize)
        pieces = self.pieces(size // max(_LEAST_ITEM, itemsize), box_elements(itemsize))
        return Reading(pieces, lazy=self.lazy)

    def pieces(self, elements: int, in_box: int) -> Iterator[Piece]:
        """Yield consecutive elements, or boxes of a Fortran-order array.

        Args:
            elements: How many consecutive elements a piece should have.
            in_box: How many elements a box should have at most.
        """
        if not self.header.dtype.itemsize:
            return
        if self.header.fortran:
            yield from self._boxes(in_box)
            return
        elements = max(1, elements)
        count = self.header.count
        ranges = ((at, min(at + elements, count)) for at in range(0, count, elements))
        if self.lazy:
            self._file = self._file or self._input.open()
            for start, stop in ranges:
                place = len(self.header.text) + start * self.header.dtype.itemsize
                fill = partial(read_into_at, self._file, place=place)
                read = partial(self._elements, start, stop, fill)
                yield Piece(read, Positions.range(start, stop))
            return
        with self._input.open() as file:
            read_into(file, memoryview(bytearray(len(self.header.text))))
            fill = partial(read_into, file)
            for start, stop in ranges:
                values = self._elements(start, stop, fill)
                yield Piece.of(values, Positions.range(start, stop))
            if file.read(1):
                raise DataError("goes on after its array", path=self._input.name)

    def _elements(self, start: int, stop: int, fill: Callable[[memoryview], int]) -> NDArray[Any]:
        """Return elements whose bytes `fill` reads; it says how many there were."""
        values = np.empty(stop - start, self.header.dtype)
        found = fill(values.view(np.uint8).data)
        if found < values.nbytes:
            self._check_size(start * values.itemsize + found)
        return values

    def _boxes(self, elements: int) -> Iterator[Piece]:
        """Yield boxes of a Fortran-order array."""
        with self._input.open() as file:
            start = len(self.header.text)
            for box in fortran_boxes(self.header.shape, elements):
                values = read_box(self.header, file, start, box, self._input.name)
                yield Piece.of(values, Positions.box(self.header.shape, box), box)

    def decode(self, raw: Piece, wanted: Sequence[Field]) -> Chunk:
        """Return the wanted fields in native byte order."""
        return Chunk(tuple(column_of(raw.values, raw.positions, field) for field in wanted))

    @override
    def array_of(self, field: Field) -> FieldArray:
        """Return the array, or the member of it that a field is."""
        return field_array(ARRAY_NAME, self.header, field.name)

    @override
    def condition_values(
        self,
        raw: Piece,
        chunk: Chunk,
        names: Iterable[str],
    ) -> dict[str, Any]:
        """Return the array, or members of a structured one, as Arrow arrays."""
        return {name: arrow_array(raw.values, name) for name in names}

    def size_of(self, raw: Piece) -> int:
        """Return the bytes of a piece."""
        return int(raw.values.nbytes)

    def length(self, field: Field) -> int:
        """Return the number of elements of a field."""
        return self.header.count * int(field.table)

    def array_shape(self, field: Field) -> tuple[int, ...] | None:
        """Return the array's shape; None: the field is a member of its records."""
        return None if field.member else self.header.shape

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def field_array(name: str, header: Header, path: str) -> FieldArray:
    """Return the array of a field, which is the member at a path if the array is structured."""
    member = member_of(np.empty(0, header.dtype), path)
    where = None if header.dtype.names is None else path
    return FieldArray(name, header.shape, member.dtype, where, member.shape[1:], header.fortran)


def box_elements(itemsize: int) -> int:
    """Return how many elements of so many bytes a box should have."""
    return max(1, _FORTRAN_BYTES // max(1, itemsize))


def fortran_boxes(shape: tuple[int, ...], elements: int) -> Iterator[tuple[slice, ...]]:
    """Cut an array into boxes that are read fast enough where the first axis varies fastest.

    Args:
        shape: The array's shape.
        elements: How many a box should have at most.
    """
    unit = (_FORTRAN_ROWS, *(1 for _ in shape[1:]))[: len(shape)]
    yield from boxes(shape, elements, unit)


def read_box(
    header: Header, file: BinaryIO, start: int, box: tuple[slice, ...], name: str
) -> NDArray[Any]:
    """Return a box of an array, in C order.

    It is read run by run, not mapped: a mapped file that somebody cuts short ends the process.

    Args:
        header: The array's header.
        file: Its open file.
        start: Where in it the array starts.
        box: The part of it.
        name: What to call the file.

    Raises:
        DataError: If it ends before the array does.
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
    """Write a box of a mapped array, and drop it from the map's memory."""
    array = mapped_array(header, mapped, start)
    part = array[box]
    opaque = values.view(header.opaque)
    for runs in _few_runs(part.shape):
        part[runs] = opaque[runs]
        drop_from_memory(mapped)
    del array, part


def _few_runs(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Cut a box of a Fortran-order array into boxes of few runs of its first axis.

    Each run is in memory pages of its own, and the system maps the pages around them too.
    """
    for rest in boxes(shape[1:], _RUNS):
        yield (slice(None), *rest)


def mapped_array(header: Header, mapped: mmap.mmap, start: int) -> NDArray[Any]:
    """Return a mapped array, whose elements are opaque: bytes between members come along."""
    order: Any = "F" if header.fortran else "C"
    return np.ndarray(header.shape, header.opaque, mapped, start, order=order)


def map_file(descriptor: int, access: int) -> mmap.mmap:
    """Map a whole file into memory."""
    return mmap.mmap(descriptor, 0, access=access)


def reserve(file: BinaryIO, size: int) -> None:
    """Give an empty file its size; a full disk is an error now, not a crash in its map later."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.truncate(size)


def drop_from_memory(mapped: mmap.mmap) -> None:
    """Let go of a map's pages, so that a large file does not fill memory; its data stay."""
    if hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


class NpySink(Sink[Piece, Piece]):
    """An NPY file being written.

    Args:
        header: Its header.
        output: Where to write.
        positional: Whether the workers may write pieces to their positions.
    """

    def __init__(self, header: Header, output: Output, *, positional: bool = False) -> None:
        self._output = output
        self._header = header
        self.positional = positional and takes_places(output.file)
        self._mapped: mmap.mmap | None = None
        self._file: BinaryIO | None = None
        if self._header.fortran and self._header.count:
            self._open_map()
        else:
            write_all(output.file, self._header.text)

    def _open_map(self) -> None:
        size = len(self._header.text) + self._header.count * self._header.dtype.itemsize
        self._file = self._output.local_path().open("r+b")
        reserve(self._file, size)
        self._mapped = map_file(self._file.fileno(), mmap.ACCESS_WRITE)
        self._mapped[: len(self._header.text)] = self._header.text

    @override
    def encode(self, raw: Piece, chunk: Chunk, noisy: Sequence[NoisyColumn]) -> Piece:
        """Return the piece with noise in it."""
        return Piece.of(put_back(raw.values, noisy), raw.positions, raw.box) if noisy else raw

    def write_at_position(self, encoded: Piece) -> None:
        """Write a piece to its position."""
        start = int(encoded.positions.starts[0]) * self._header.dtype.itemsize
        place = len(self._header.text) + start
        write_all_at(self._output.file, raw_bytes(encoded.values).data, place)

    def write(self, encoded: Piece) -> None:
        """Write one piece at the end, or at its place in a Fortran-order array."""
        if self._mapped is None:
            write_all(self._output.file, raw_bytes(encoded.values).data)
            return
        if encoded.box is None:
            raise AssertionError(encoded.positions)
        write_box(self._header, self._mapped, len(self._header.text), encoded.box, encoded.values)

    def close(self) -> None:
        """Close the map, if there is one."""
        if self._file is not None:
            self._file.close()
        if self._mapped is not None:
            self._mapped.close()


def repeated(header: Header, times: int) -> Header:
    """Return the header of an array written several times along its first axis.

    Raises:
        UsageError: If it has none, or varies fastest along it.
    """
    if times == 1:
        return header
    if not header.shape or header.fortran:
        raise UsageError("--append needs an array with a first axis, in C order")
    shape = (header.shape[0] * times, *header.shape[1:])
    text = io.BytesIO()
    described = npy_format.dtype_to_descr(header.dtype)
    npy_format.write_array_header_2_0(
        text, {"descr": described, "fortran_order": False, "shape": shape}
    )
    return Header(text.getvalue(), shape, False, header.dtype)

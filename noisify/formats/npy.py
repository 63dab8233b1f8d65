"""NPY: one array, read and written in pieces, never whole and never unpickled."""

from __future__ import annotations

import ast
import io
import mmap
import os
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from noisify.chunks import Chunk, Column, Field, Kind, Positions, boxes
from noisify.errors import DataError, UsageError
from noisify.formats.interface import no_rows
from noisify.inputs import read_into
from noisify.sink import write_all
from noisify.value_types import SECOND, NumberType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from noisify.formats.interface import MaskSink, NoisyColumn, ReadOptions
    from noisify.inputs import Input
    from noisify.sink import Output

ARRAY_NAME = "data"
"""The field's name, and so its random stream's, of a file that holds one plain array."""

_LONGEST_HEADER = 1 << 24
_FORTRAN_ROWS = 64
_FORTRAN_ELEMENTS = 1 << 20
_KINDS: dict[str, Kind] = {
    "f": "float", "i": "int", "u": "int", "c": "complex", "b": "bool",
    "U": "text", "S": "text", "M": "time", "m": "time",
}  # fmt: skip


@dataclass(frozen=True)
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
    except (ValueError, EOFError, SyntaxError, LookupError, TypeError) as error:
        raise DataError(f"has a broken NPY header: {error}", path=name) from None
    if dtype.hasobject:
        raise DataError(
            "holds pickled Python objects, which are never unpickled; save it with a number dtype",
            path=name,
        )
    if any(extent < 0 for extent in shape):
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


def fields_of(dtype: np.dtype[Any], name: str) -> tuple[Field, ...]:
    """Return the fields of an array: itself under `name`, or the members of a structured dtype."""
    members = [(name, dtype)] if dtype.names is None else list(_members(dtype, ""))
    return tuple(
        Field(
            name=path,
            kind=kind_of_dtype(member.base),
            type_name=str(member.base.newbyteorder("=")),
            number=value_type(member.base),
            table=str(prod(member.shape)),
            nullable=member.base.kind in "fcMm",
        )
        for path, member in members
    )


_TICKS = {
    "W": 604800 * SECOND, "D": 86400 * SECOND, "h": 3600 * SECOND, "m": 60 * SECOND, "s": SECOND,
    "ms": 10**6, "us": 10**3, "ns": 1,
}  # fmt: skip


def value_type(dtype: np.dtype[Any]) -> NumberType | None:
    """Return how values of a NumPy dtype are kept, or None if no model can work on them."""
    if dtype.kind == "U":
        return NumberType("text", np.dtype(object))
    if dtype.kind in "Mm":
        unit, count = np.datetime_data(dtype)
        return NumberType.time(_TICKS[unit] * count) if unit in _TICKS else None
    return NumberType.of_dtype(dtype)


def native(values: NDArray[Any], number: NumberType) -> NDArray[Any]:
    """Return values as they are worked on: native byte order, times as ticks, texts as objects."""
    if number.kind == "time":
        return values.astype(values.dtype.newbyteorder("="), copy=False).view(np.int64)
    return values.astype(number.dtype, copy=False)


def stored(result: NoisyColumn, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return noisy values in an array's own dtype, what is missing as NaN or NaT.

    Raises:
        UsageError: If the dtype has nothing to say missing with.
    """
    values = result.values
    if result.column.number.kind == "time":
        values = values.view(dtype.newbyteorder("="))
    out = values.astype(dtype, copy=False)
    if result.erased is not None:
        if dtype.kind not in "fcMm":
            raise UsageError(
                f"holds {dtype.newbyteorder('=')}, which has no missing value; convert it to float",
                field=result.column.field.name,
            )
        out = out.copy()
        out[result.erased] = np.array("NaT", dtype) if dtype.kind in "Mm" else np.nan
    return out


def kind_of_dtype(dtype: np.dtype[Any]) -> Kind:
    """Return what a NumPy dtype holds."""
    return _KINDS.get(dtype.kind, "other")


def _members(dtype: np.dtype[Any], prefix: str) -> Iterator[tuple[str, np.dtype[Any]]]:
    for name in dtype.names or ():
        member = dtype[name]
        if member.names is None:
            yield prefix + name, member
        else:
            yield from _members(member, f"{prefix}{name}.")


def member_of(array: NDArray[Any], path: str) -> NDArray[Any]:
    """Return the view of a member of a structured array, or a plain array itself."""
    while array.dtype.names is not None:
        name = next(n for n in array.dtype.names if path == n or path.startswith(f"{n}."))
        array, path = array[name], path[len(name) + 1 :]
    return array


@dataclass(frozen=True)
class Piece:
    """Some elements as they stand in the file.

    Attributes:
        values: The elements: 1-D, or the box of a Fortran-order array.
        positions: Where they stand in the array, in C order.
        box: The part of a Fortran-order array they are; None otherwise.
    """

    values: NDArray[Any]
    positions: Positions
    box: tuple[slice, ...] | None = None


class NpySource:
    """An open NPY file."""

    def __init__(self, source: Input, options: ReadOptions) -> None:  # noqa: ARG002
        self._input = source
        self.header = read_header(source.head(), source.name)
        self.fields = fields_of(self.header.dtype, ARRAY_NAME)
        self.notes: list[str] = []
        self.in_flight = None
        self.empty = not self.header.count
        if self.header.fortran:
            source.spool()  # its elements are not read in the order of the file
        if source.size is not None:
            self._check_size(source.size - len(self.header.text))

    def _check_size(self, found: int) -> None:
        expected = self.header.count * self.header.dtype.itemsize
        if found != expected:
            state = "is cut short" if found < expected else "goes on after its array"
            raise DataError(
                f"{state}: its header promises {expected} bytes of data and there are {found}",
                path=self._input.name,
            )

    def chunks(
        self,
        wanted: Sequence[Sequence[Field]],  # noqa: ARG002
        size: int,
        *,
        complete: bool,  # noqa: ARG002
    ) -> Iterator[Piece]:
        """Yield consecutive elements, or boxes of a Fortran-order array."""
        if self.header.fortran:
            yield from self._boxes()
            return
        dtype = self.header.dtype
        per_piece = max(1, size // max(1, dtype.itemsize))
        with self._input.open() as file:
            read_into(file, memoryview(bytearray(len(self.header.text))))
            for start in range(0, self.header.count, per_piece):
                count = min(per_piece, self.header.count - start)
                values = np.empty(count, dtype)
                if dtype.itemsize:
                    self._fill(file, values, start)
                yield Piece(values, Positions.range(start, start + count))
            if file.read(1):
                raise DataError("goes on after its array", path=self._input.name)

    def _fill(self, file: Any, values: NDArray[Any], start: int) -> None:  # noqa: ANN401
        found = read_into(file, values.view(np.uint8).data)
        if found < values.nbytes:
            whole = start * self.header.dtype.itemsize + found
            self._check_size(whole)

    def _boxes(self) -> Iterator[Piece]:
        """Yield boxes of a Fortran-order array, dropping each from memory after its turn."""
        shape = self.header.shape
        with self._input.open() as file, map_file(file.fileno(), mmap.ACCESS_READ) as mapped:
            whole = self.header.opaque  # bytes between members come along
            array = np.ndarray(shape, whole, mapped, len(self.header.text), order="F")
            unit = (_FORTRAN_ROWS, *(1 for _ in shape[1:]))
            for box in boxes(shape, _FORTRAN_ELEMENTS, unit):
                values = np.ascontiguousarray(array[box]).view(self.header.dtype)
                drop_from_memory(mapped)
                yield Piece(values, Positions.box(shape, box), box)
            del array

    def decode(self, raw: Piece, wanted: Sequence[Field]) -> Chunk:
        """Return the wanted fields in native byte order."""
        return Chunk(tuple(column_of(raw.values, raw.positions, field) for field in wanted))

    def condition_values(
        self,
        raw: Piece,
        chunk: Chunk,  # noqa: ARG002
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

    def close(self) -> None:
        """Do nothing: the file is open only while it is read."""


def column_of(values: NDArray[Any], positions: Positions, field: Field) -> Column:
    """Return one field of an array, in native byte order, at the positions of the array's elements.

    A sub-array member has as many elements of its own in every element of the array.
    """
    if field.number is None:
        raise AssertionError(field)
    width = int(field.table)
    member = native(member_of(values, field.name).reshape(-1), field.number)
    starts = tuple(start * width for start in positions.starts)
    valid = None
    if field.number.kind == "time" and (missing := member == np.iinfo(np.int64).min).any():
        valid = ~missing
    nulls = 0 if valid is None else int(np.count_nonzero(missing))
    return Column(
        field, field.number, Positions(starts, positions.length * width), member, valid, nulls
    )


def arrow_array(values: NDArray[Any], name: str) -> Any:  # noqa: ANN401
    """Return an array, or a member of a structured one, as an Arrow array.

    Raises:
        UsageError: If it holds several values an element, or values that Arrow does not have.
    """
    from noisify.formats import arrow_arrays  # noqa: PLC0415 - pyarrow is slow to import

    member = member_of(values, name).reshape(-1)
    if len(member) != values.size:
        raise UsageError("holds several values an element, and --where needs one", field=name)
    if member.dtype.kind == "b":
        return arrow_arrays.bools(member)
    if member.dtype.kind == "U":
        return arrow_arrays.strings(member.tolist())
    if member.dtype.kind not in "iuf" or member.dtype.itemsize > 8:  # noqa: PLR2004
        raise UsageError(f"holds {member.dtype}, which --where cannot compare", field=name)
    return arrow_arrays.array(member.astype(member.dtype.newbyteorder("="), copy=False))


def put_back(values: NDArray[Any], noisy: Sequence[NoisyColumn]) -> NDArray[Any]:
    """Return the array with its noisy fields in it, in its own dtype."""
    if values.dtype.names is None:
        return stored(noisy[0], values.dtype).reshape(values.shape)
    out = np.empty_like(values)
    raw_bytes(out)[...] = raw_bytes(values)  # what lies between members too, which copy() leaves
    for column in noisy:
        member = member_of(out, column.column.field.name)
        member[...] = stored(column, member.dtype).reshape(member.shape)
    return out


def raw_bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the bytes of a contiguous array."""
    return values.reshape(-1).view(np.uint8)


def map_file(descriptor: int, access: int) -> mmap.mmap:
    """Map a whole file into memory."""
    return mmap.mmap(descriptor, 0, access=access)


def drop_from_memory(mapped: mmap.mmap) -> None:
    """Let go of a map's pages, so that a large file does not fill memory; its data stay."""
    if hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


class NpySink:
    """An NPY file being written, with its source's own header."""

    def __init__(self, source: NpySource, output: Output, passes: int = 1) -> None:
        self._output = output
        self._header = repeated(source.header, passes)
        self._mapped: mmap.mmap | None = None
        self._file: BinaryIO | None = None
        if self._header.fortran and self._header.count:
            self._open_map()
        else:
            write_all(output.file, self._header.text)

    def _open_map(self) -> None:
        size = len(self._header.text) + self._header.count * self._header.dtype.itemsize
        self._file = self._output.local_path().open("r+b")
        if hasattr(os, "posix_fallocate"):  # a full disk is an error now, not a crash later
            os.posix_fallocate(self._file.fileno(), 0, size)
        else:
            self._file.truncate(size)
        self._mapped = map_file(self._file.fileno(), mmap.ACCESS_WRITE)
        self._mapped[: len(self._header.text)] = self._header.text

    def encode(self, raw: Piece, chunk: Chunk, noisy: Sequence[NoisyColumn]) -> Piece:  # noqa: ARG002
        """Return the piece with noise in it."""
        return Piece(put_back(raw.values, noisy), raw.positions, raw.box) if noisy else raw

    def with_rows(self, versions: Sequence[Piece], copies: NDArray[np.int64]) -> Piece:  # noqa: ARG002
        """Refuse: an array has no rows of its own.

        Raises:
            UsageError: Always.
        """
        raise no_rows()

    def write(self, encoded: Piece) -> None:
        """Write one piece at the end, or at its place in a Fortran-order array."""
        if self._mapped is None:
            if encoded.values.nbytes:
                write_all(self._output.file, encoded.values.view(np.uint8).data)
            return
        header = self._header
        array: NDArray[Any] = np.ndarray(
            header.shape, header.opaque, self._mapped, len(header.text), order="F"
        )
        array[encoded.box] = encoded.values.view(header.opaque)
        del array
        drop_from_memory(self._mapped)

    def finish(self) -> None:
        """Do nothing: an array has no end mark."""

    def close(self) -> None:
        """Close the map, if there is one."""
        if self._file is not None:
            self._file.close()
        if self._mapped is not None:
            self._mapped.close()


def open_source(source: Input, options: ReadOptions) -> NpySource:
    """Open an NPY file."""
    return NpySource(source, options)


def open_sink(
    source: NpySource,
    output: Output,
    passes: int = 1,
    noised: frozenset[str] = frozenset(),  # noqa: ARG001
) -> NpySink:
    """Start an NPY file like the source's.

    Raises:
        UsageError: If it cannot be written several times, one after another.
    """
    return NpySink(source, output, passes)


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


def open_mask(
    source: NpySource, output: Output, noised: Sequence[Field], *, values: bool
) -> MaskSink:
    """Start an NPY file that says which elements changed."""
    from noisify.formats.mapped_mask import NpyMask  # noqa: PLC0415 - a rare wish

    return NpyMask(source, output, noised, values=values)


def restore(
    source: NpySource,
    mask: Input,
    output: Output,
    size: int,
    progress: Callable[[int], None],
) -> int:
    """Give a file back as it was; see `mapped_mask`."""
    from noisify.formats import mapped_mask  # noqa: PLC0415 - a rare wish

    return mapped_mask.restore_npy(source, mask, output, size, progress)

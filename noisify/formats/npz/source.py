"""Read the arrays of NPZ files, which are ZIP archives of NPY files.

A member that gets noise is unpacked, noised and packed again piece by piece. If one of the arrays
that are read together is in Fortran order, they are unpacked into temporary files first, and their
noisy versions are made in such files, since their elements are not read in the file's order.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from noisify.core.chunk import Chunk, Column, Field, Positions
from noisify.core.errors import DataError
from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.files.input import read_into
from noisify.files.temporary import new_temporary_file, temporary_space
from noisify.files.write_behind import write_all
from noisify.formats.array_source import ArraySource, in_ranges
from noisify.formats.colocated import FieldsByPlace, united
from noisify.formats.interface import Reading
from noisify.formats.npy.boxes import fortran_boxes, read_box
from noisify.formats.npy.header import FIRST_BYTES, Header, header_length, parse_header
from noisify.formats.npy.source import COPIES_OF_ROW, rows_of
from noisify.formats.npz.zip_archive import Archive, Member
from noisify.formats.numpy_fields import (
    arrow_of,
    column_of,
    fields_of,
    raw_bytes,
    with_member_streams,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from noisify.files.input import Input
    from noisify.formats.interface import FieldArray

Box = tuple[slice, ...]

_SUFFIX = ".npy"
_MAGIC = b"\x93NUMPY"
_UNIT_BYTES = 1 << 18
COPY_BYTES = 1 << 20
_STRUCTURE = "the structure of a sparse matrix"


@dataclass(frozen=True, eq=False)
class Array:
    """An array of the archive.

    Attributes:
        name: The name of the array.
        member: The archive's member.
        header: The NPY header of the member.
    """

    name: str
    member: Member
    header: Header

    @property
    def itemsize(self) -> int:
        """The size of an element in bytes."""
        return self.header.dtype.itemsize

    @property
    def unit(self) -> int:
        """The number of elements compressed together: a power of two, whatever the chunk size."""
        return 1 << max(0, (_UNIT_BYTES // max(1, self.itemsize)).bit_length() - 1)

    @property
    def prefix(self) -> str:
        """The prefix of the fields of a structured array, before the path of the member."""
        return f"{self.name}."


@frozen
class ArchivePiece:
    """Some elements of arrays that are read together.

    Attributes:
        values: The elements of each array: 1-D, or the box.
        positions: Their positions in the arrays, in C order.
        box: The box of the arrays, or None for consecutive elements.
    """

    values: Mapping[Array, NDArray[Any]]
    positions: Positions
    box: Box | None = None


class NpzSource(ArraySource[ArchivePiece]):
    """An open NPZ file.

    Attributes:
        array_by_field: The array of each field, by the field's name.
    """

    reads_conditions = True

    def __init__(self, source: Input) -> None:
        source.spool()
        if source.path is None:
            raise AssertionError(source.name)
        self.name = source.name
        self._memory = source.memory
        self.archive = Archive(source.path, source.name)
        self.array_by_field: dict[str, Array] = {}
        self._paths: dict[str, str] = {}
        self._by_array = FieldsByPlace(self._array_of)
        self._unpacked: dict[Array, BinaryIO] = {}
        try:
            found = tuple(self._find_fields())
        except BaseException:  # a signal too must not leave the archive open
            self.archive.close()
            raise
        structured = {n for n, a in self.array_by_field.items() if a.header.dtype.names is not None}
        members = {name: path for name, path in self._paths.items() if name in structured}
        self.fields = with_member_streams(found, members)
        self.empty = not any(self.length(field) for field in self.fields)

    def _find_fields(self) -> Iterator[Field]:
        self.arrays = arrays = [
            array for member in self.archive.members if (array := self._array(member))
        ]
        if self.archive.members and not arrays:
            raise DataError(
                "is a ZIP archive without a NumPy array in it, so no NPZ file; unpack it first",
                path=self.name,
            )
        structure = _sparse_structure({array.name for array in arrays})
        for array in arrays:
            for field, path in _fields_at(array):
                if field.name in self._paths:
                    raise DataError(f"has two arrays called {field.name!r}; rename one of them",
                                    path=self.name)  # fmt: skip
                self.array_by_field[field.name], self._paths[field.name] = array, path
                if array.name in structure:
                    yield replace(field, kind="other", type_name=_STRUCTURE, number=None)
                else:
                    yield field

    def _array(self, member: Member) -> Array | None:
        """Return the array of a member, or None if the member is not an array."""
        if not member.readable:
            return None
        with self.archive.open(member) as file, self.archive.reading(member.name):
            head = file.read(FIRST_BYTES)
            if not head.startswith(_MAGIC):
                return None
            head += file.read(header_length(head) - len(head))
        try:
            header = parse_header(head, self.name)
        except DataError as error:
            raise DataError(error.message, path=self.name, field=member.name) from None
        found = member.info.file_size - len(header.text)
        expected = header.count * header.dtype.itemsize
        if found != expected and not header.dtype.hasobject:
            raise DataError(
                f"its header promises {expected} bytes of data and there are {found}",
                path=self.name,
                field=member.name,
            )
        return Array(member.name.removesuffix(_SUFFIX), member, header)

    def read(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[ArchivePiece]:
        """Read the elements of each group of fields, array after array."""
        return Reading(self._groups(groups, size))

    @cached_property
    def row_elements(self) -> int | None:  # type: ignore[override]
        """The elements of a row along the first axis of the only array; None without such rows."""
        if len(self.arrays) != 1 or self.fields[0].number is None:
            return None
        shape = self.arrays[0].header.shape
        return prod(shape[1:]) if shape else None

    @override
    def read_rows(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[ArchivePiece]:
        """Read the only array in pieces of whole rows, at least one at a time."""
        itemsize, width = max(1, self.arrays[0].itemsize), self.row_elements or 1
        if (least := width * itemsize) > size:
            self._memory.require(COPIES_OF_ROW * least, "a row")
        elements = max(1, size // least) * width
        return Reading(self._pieces(self.arrays, elements), in_flight=2 if least > size else None)

    def _groups(self, groups: Sequence[Sequence[Field]], size: int) -> Iterator[ArchivePiece]:
        if not groups:
            yield ArchivePiece({}, Positions.range(0, 0))  # so that models of rows refuse it
        for fields in united(groups, self._array_of):  # each array is read once
            arrays = list(dict.fromkeys(map(self._array_of, fields)))
            width = sum(array.itemsize for array in arrays)
            elements = size // max(1, width)
            units = [a.unit for a in arrays if a.member.deflated and a.unit <= elements]
            yield from self._pieces(arrays, elements - elements % max(units, default=1))

    def _pieces(self, arrays: Sequence[Array], elements: int) -> Iterator[ArchivePiece]:
        """Yield pieces of `elements` elements of arrays of one shape; boxes if in Fortran order."""
        if not any(array.header.count * array.itemsize for array in arrays):
            return
        if any(array.header.fortran for array in arrays):
            yield from self._boxes(arrays)
        else:
            yield from self._consecutive(arrays, max(1, elements))

    def _consecutive(self, arrays: Sequence[Array], elements: int) -> Iterator[ArchivePiece]:
        count = arrays[0].header.count
        with ExitStack() as files:
            opened = {array: files.enter_context(self._data(array)) for array in arrays}
            for start, stop in in_ranges(range(count), elements):
                values = {}
                for array, file in opened.items():
                    values[array] = np.empty(stop - start, array.header.dtype)
                    self._fill(array, file, raw_bytes(values[array]).data, last=stop == count)
                yield ArchivePiece(values, Positions.range(start, stop))

    @contextmanager
    def _data(self, array: Array) -> Iterator[BinaryIO]:
        """Open an array's data."""
        with self.archive.open(array.member) as file:
            with self.archive.reading(array.member.name):
                file.read(len(array.header.text))
            yield file

    def _fill(self, array: Array, file: BinaryIO, buffer: memoryview, *, last: bool) -> None:
        """Read an array's next elements; the last read checks its checksum."""
        with self.archive.reading(array.member.name):
            whole = read_into(file, buffer) == len(buffer) and not (last and file.read(1))
        if not whole:
            raise DataError("is not as long as it should be", path=self.name, field=array.name)

    def _boxes(self, arrays: Sequence[Array]) -> Iterator[ArchivePiece]:
        shape, width = arrays[0].header.shape, sum(array.itemsize for array in arrays)
        unpacked = {array: self.unpacked(array) for array in arrays}
        for box in fortran_boxes(shape, width):
            values = {
                a: read_box(a.header, file, 0, box, self.name) for a, file in unpacked.items()
            }
            yield ArchivePiece(values, Positions.box(shape, box), box)

    def unpacked(self, array: Array) -> BinaryIO:
        """Return a temporary file of an array's data, unpacked into it if that is not done yet."""
        if array not in self._unpacked:
            with temporary_space("an array"), self._data(array) as file:
                unpacked = self._unpacked[array] = new_temporary_file()
                left = array.header.count * array.itemsize
                buffer = memoryview(bytearray(COPY_BYTES))
                while left:
                    part = buffer[: min(left, COPY_BYTES)]
                    left -= len(part)
                    self._fill(array, file, part, last=not left)
                    write_all(unpacked, part)
        return self._unpacked[array]

    def release(self, array: Array) -> None:
        """Remove the temporary file of an array."""
        if (file := self._unpacked.pop(array, None)) is not None:
            file.close()

    def _array_of(self, field: Field) -> Array:
        return self.array_by_field[field.name]

    def decode(self, raw: ArchivePiece, wanted: Sequence[Field]) -> Chunk:
        """Return the wanted fields of a piece in native byte order."""
        fields = self._by_array.at(raw.values, wanted)
        rows = rows_of(raw.positions, raw.box, self.row_elements) if raw.values else None
        return Chunk(tuple(self._column(raw, field) for field in fields), rows=rows)

    def _column(self, raw: ArchivePiece, field: Field) -> Column:
        """Return a field of a piece."""
        values = raw.values[self._array_of(field)]
        return column_of(values, raw.positions, field, self._paths[field.name])

    @override
    def array_of(self, field: Field) -> FieldArray:
        """Return the array of a field, with its member."""
        array = self._array_of(field)
        return array.header.field_array(array.name, self._paths[field.name])

    @override
    def condition_values(
        self, raw: ArchivePiece, chunk: Chunk, names: Iterable[str]
    ) -> dict[str, Any]:
        """Return fields of the piece as Arrow arrays."""
        return {
            field.name: arrow_of(self._column(raw, field)) for field in self.fields_called(names)
        }

    def size_of(self, raw: ArchivePiece) -> int:
        """Return the approximate size of a piece in the archive in bytes."""
        return sum(
            values.nbytes * array.member.info.compress_size // max(1, array.member.info.file_size)
            for array, values in raw.values.items()
        )

    def close(self) -> None:
        """Close the file, and remove the temporary ones."""
        self.archive.close()
        for file in self._unpacked.values():
            file.close()


def _sparse_structure(names: set[str]) -> set[str]:
    """Return the names of the arrays that hold the structure of a SciPy sparse matrix."""
    if not names >= {"data", "shape", "format"}:
        return set()
    return {"shape", "format", "indices", "indptr", "row", "col", "offsets", "coords"}


def _fields_at(array: Array) -> Iterator[tuple[Field, str]]:
    """Yield the fields of an array, each with the path of its member in a structured array."""
    dtype = array.header.dtype
    file_name = array.member.name
    if dtype.hasobject:
        field = Field(array.name, "other", "pickled Python objects", nullable=False)
        yield field, ""
        return
    for field in fields_of(dtype, array.name):
        name, other = field.name, file_name
        if dtype.names is not None:
            name, other = array.prefix + field.name, f"{file_name}.{field.name}"
        table = f"{array.header.shape} of {field.table}"
        aliases = (other,) if other != name else ()
        found = replace(field, name=name, table=table, aliases=aliases)
        yield found, field.name

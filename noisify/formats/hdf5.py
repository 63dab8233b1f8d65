"""HDF5: the file is copied as it is, then the chosen datasets are noised in the copy.

So its tree, attributes, links, types, chunks and filters are kept to the byte. Contiguous datasets
are read and written at their place in the file, past the HDF5 library; others go through it, in
boxes of whole chunks.
"""

from __future__ import annotations

import contextlib
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import h5py
import numpy as np

from noisify.chunks import Chunk, Column, Field, Positions, boxes
from noisify.errors import DataError, NoisifyError, UsageError
from noisify.formats.interface import no_rows
from noisify.formats.npy import kind_of_dtype, stored
from noisify.inputs import read_into
from noisify.sink import open_written_behind, write_all
from noisify.value_types import NumberType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from noisify.formats.interface import MaskSink, NoisyColumn, ReadOptions
    from noisify.inputs import Input
    from noisify.sink import Output

_COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class Stored:
    """Where a field is stored.

    Attributes:
        path: Its dataset's path.
        member: The member of the dataset's compound type that it is, or None.
        shape: The dataset's shape.
        chunks: The shape of its chunks, or None.
        dtype: Its dtype in the file.
        offset: Where its elements stand in the file, one after the other; None: nowhere so.
    """

    path: str
    member: str | None
    shape: tuple[int, ...]
    chunks: tuple[int, ...] | None
    dtype: np.dtype[Any]
    offset: int | None

    @property
    def count(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class Piece:
    """Some elements of fields that come together.

    Attributes:
        values: The elements by field name, flat, as they stand in the file.
        positions: Where they stand in their datasets.
        box: The part of the datasets they are; None: consecutive elements.
    """

    values: dict[str, NDArray[Any]]
    positions: Positions
    box: tuple[slice, ...] | None


class Hdf5Source:
    """An open HDF5 file."""

    def __init__(self, source: Input, options: ReadOptions) -> None:  # noqa: ARG002
        source.spool()
        self.name = source.name
        self.path: Path = source.path  # type: ignore[assignment]
        try:
            self._file = h5py.File(self.path, "r")
        except OSError as error:
            raise DataError(f"is not a readable HDF5 file: {error}", path=self.name) from None
        self.stored: dict[str, Stored] = {}
        self.notes: list[str] = []
        self.in_flight = None
        found: list[Field] = []
        try:
            aliases = self._aliases()
            self._file.visititems(
                lambda path, item: found.extend(self._fields_at(path, item, aliases))
            )
        except (OSError, RuntimeError, KeyError) as error:
            raise DataError(f"has a part that cannot be read: {error}", path=self.name) from None
        self.fields = tuple(found)
        self.empty = bool(self.stored) and not any(part.count for part in self.stored.values())

    def _aliases(self) -> dict[int, list[str]]:
        """Return the paths by which hard links reach each object, by its address."""
        paths: dict[int, list[str]] = {}

        def note(path: str, link: Any) -> None:  # noqa: ANN401
            if isinstance(link, h5py.HardLink):
                address = h5py.h5o.get_info(self._file.id, path.encode()).addr
                paths.setdefault(address, []).append(path)

        self._file.visititems_links(note)
        return paths

    def _fields_at(
        self,
        path: str,
        item: Any,  # noqa: ANN401
        aliases: Mapping[int, list[str]],
    ) -> Iterator[Field]:
        if not isinstance(item, h5py.Dataset):
            return
        dtype = item.dtype
        members: list[tuple[str | None, np.dtype[Any]]] = [(None, dtype)]
        if dtype.names is not None:
            members = [(name, dtype[name]) for name in dtype.names]
        for member, kind in members:
            name = path if member is None else f"{path}.{member}"
            number = NumberType.of_dtype(kind) if self._holds_numbers(item, kind) else None
            type_name = str(kind.newbyteorder("=")) if kind.kind != "O" else "text or objects"
            text = h5py.check_string_dtype(kind) is not None
            shown = (
                "text" if text else kind_of_dtype(kind) if number or kind.kind == "b" else "other"
            )
            others = tuple(
                other if member is None else f"{other}.{member}"
                for other in aliases.get(h5py.h5o.get_info(item.id).addr, ())
                if other != path
            )
            held = "text" if text else type_name
            nullable = kind.kind in "fc"
            yield Field(name, shown, held, number, str(item.shape), others, nullable=nullable)
            if number is not None:
                self.stored[name] = Stored(
                    path, member, item.shape, item.chunks, kind, self._offset(item)
                )

    def _holds_numbers(self, item: Any, kind: np.dtype[Any]) -> bool:  # noqa: ANN401
        """Return whether a dataset's numbers can be read and written here."""
        plain = h5py.check_enum_dtype(kind) is None and kind.shape == ()
        return plain and item.shape is not None and not item.is_virtual and not item.external

    def _offset(self, item: Any) -> int | None:  # noqa: ANN401
        """Return where a contiguous dataset of plain numbers stands in the file, if it does."""
        layout = item.id.get_create_plist().get_layout()
        if (
            layout != h5py.h5d.CONTIGUOUS
            or item.dtype.names is not None
            or self._file.userblock_size
        ):
            return None
        stored = item.id.get_type()
        same = stored == h5py.h5t.py_create(item.dtype) and stored.get_size() == item.dtype.itemsize
        offset = item.id.get_offset()
        whole = offset is not None and offset + item.nbytes <= self.path.stat().st_size
        return int(offset) if same and whole else None

    def chunks(
        self,
        wanted: Sequence[Sequence[Field]],
        size: int,
        *,
        complete: bool,  # noqa: ARG002
    ) -> Iterator[Piece]:
        """Yield the elements of each group of fields, dataset after dataset."""
        with self.path.open("rb", buffering=0) as raw_file:
            for group in wanted:
                stored = {field.name: self.stored[field.name] for field in group}
                first = next(iter(stored.values()))
                width = sum(part.dtype.itemsize for part in stored.values())
                elements = max(1, size // width)
                if all(part.offset is not None for part in stored.values()):
                    yield from self._consecutive(raw_file, stored, elements)
                    continue
                for box in boxes(first.shape, elements, common_chunk(stored.values())):
                    values = {name: self._read(part, box) for name, part in stored.items()}
                    yield Piece(values, Positions.box(first.shape, box), box)

    def _consecutive(
        self, raw_file: BinaryIO, stored: dict[str, Stored], elements: int
    ) -> Iterator[Piece]:
        count = next(iter(stored.values())).count
        for start in range(0, count, elements):
            stop = min(start + elements, count)
            values = {}
            for name, part in stored.items():
                values[name] = np.empty(stop - start, part.dtype)
                raw_file.seek((part.offset or 0) + start * part.dtype.itemsize)
                read_into(raw_file, values[name].view(np.uint8).data)
            yield Piece(values, Positions.range(start, stop), None)

    def _read(self, part: Stored, box: tuple[slice, ...]) -> NDArray[Any]:
        dataset = self._file[part.path]
        try:
            values = dataset[box] if part.member is None else dataset.fields(part.member)[box]
        except (OSError, RuntimeError) as error:
            raise DataError(f"cannot be read: {error}", path=self.name, field=part.path) from None
        return np.asarray(values).reshape(-1)

    def decode(self, raw: Piece, wanted: Sequence[Field]) -> Chunk:
        """Return the piece's fields in native byte order."""
        columns = []
        for field in wanted:
            if field.name in raw.values and field.number is not None:
                values = raw.values[field.name].astype(field.number.dtype, copy=False)
                columns.append(Column(field, field.number, raw.positions, values))
        return Chunk(tuple(columns))

    def condition_values(self, raw: Piece, chunk: Chunk, names: Iterable[str]) -> dict[str, Any]:  # noqa: ARG002
        """Refuse: datasets have no rows in common.

        Raises:
            UsageError: Always.
        """
        raise UsageError("--where needs rows, and the datasets of an HDF5 file share none")

    def size_of(self, raw: Piece) -> int:
        """Return the bytes of a piece."""
        return sum(values.nbytes for values in raw.values.values())

    def length(self, field: Field) -> int:
        """Return the number of elements of a field."""
        return self.stored[field.name].count

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def common_chunk(parts: Iterable[Stored]) -> tuple[int, ...] | None:
    """Return the smallest box that cuts no chunk of datasets of one shape; None: no chunks."""
    shapes = [part.chunks for part in parts if part.chunks is not None]
    return tuple(math.lcm(*extents) for extents in zip(*shapes, strict=True)) or None


class Hdf5Sink:
    """A copy of an HDF5 file, in which datasets are overwritten.

    What is overwritten at its place in the file need not be copied before: the rest is copied
    around it at the end, or as soon as the HDF5 library is needed.
    """

    def __init__(self, source: Hdf5Source, output: Output) -> None:
        self._source = source
        self._path = output.local_path()
        self._name = output.name
        self._file: Any = None
        self._copied = False
        self._written: dict[str, tuple[int, int]] = {}
        self._raw = open_written_behind(self._path)

    def _copy_the_rest(self) -> None:
        """Copy the file, byte for byte, but for what has been written already."""
        if self._copied:
            return
        self._copied = True
        size = self._source.path.stat().st_size
        place = 0
        with self._source.path.open("rb", 0) as old:
            for start, stop in (*sorted(self._written.values()), (size, size)):
                self._copy(old, place, start)
                place = max(place, stop)
        os.truncate(self._path, size)

    def _copy(self, old: BinaryIO, start: int, stop: int) -> None:
        """Copy some bytes from the same place of the source, in the kernel where it can."""
        if hasattr(os, "copy_file_range"):
            with contextlib.suppress(OSError):  # not between all file systems
                while start < stop:
                    start += os.copy_file_range(
                        old.fileno(), self._raw.fileno(), stop - start, start, start
                    )
        old.seek(start)
        self._raw.seek(start)
        while start < stop and (data := old.read(min(_COPY_BYTES, stop - start))):
            write_all(self._raw, data)
            start += len(data)

    def encode(self, raw: Piece, chunk: Chunk, noisy: Sequence[NoisyColumn]) -> Piece:  # noqa: ARG002
        """Return the noisy fields of a piece, in their dtypes in the file."""
        values = {}
        for result in noisy:
            name = result.column.field.name
            dtype = self._source.stored[name].dtype
            values[name] = stored(result, dtype)
        return Piece(values, raw.positions, raw.box)

    def with_rows(self, versions: Sequence[Piece], copies: NDArray[np.int64]) -> Piece:  # noqa: ARG002
        """Refuse: an array has no rows of its own.

        Raises:
            UsageError: Always.
        """
        raise no_rows()

    def write(self, encoded: Piece) -> None:
        """Write the fields of a piece to their places."""
        for name, values in encoded.values.items():
            part = self._source.stored[name]
            if part.offset is not None and encoded.box is None:
                start = part.offset + int(encoded.positions.starts[0]) * part.dtype.itemsize
                self._raw.seek(start)
                write_all(self._raw, values.view(np.uint8).data)
                first, _ = self._written.get(name, (start, start))
                self._written[name] = (first, start + values.nbytes)
            else:
                self._write_through_library(part, encoded, values)

    def _write_through_library(self, part: Stored, piece: Piece, values: NDArray[Any]) -> None:
        box = piece.box or ()
        shape = tuple(cut.stop - cut.start for cut in box)
        try:
            if self._file is None:
                self._copy_the_rest()
                self._file = h5py.File(self._path, "r+")
            dataset = self._file[part.path]
            if part.member is None:
                dataset[box] = values.reshape(shape)
            else:
                dataset[(*box, part.member)] = values.reshape(shape)
        except (OSError, RuntimeError) as error:
            raise NoisifyError(f"cannot be written: {error}", path=self._name) from None

    def finish(self) -> None:
        """Complete the copy, and close it, which writes what the library still holds."""
        self._copy_the_rest()
        if self._file is not None:
            try:
                self._file.close()
            except (OSError, RuntimeError) as error:
                raise NoisifyError(f"cannot be written: {error}", path=self._name) from None

    def close(self) -> None:
        """Close the copy, whatever happens."""
        self._raw.close()
        if self._file is not None:
            with contextlib.suppress(OSError, RuntimeError):
                self._file.close()


def open_source(source: Input, options: ReadOptions) -> Hdf5Source:
    """Open an HDF5 file."""
    return Hdf5Source(source, options)


def open_sink(
    source: Hdf5Source,
    output: Output,
    passes: int = 1,
    noised: frozenset[str] = frozenset(),  # noqa: ARG001
) -> Hdf5Sink:
    """Start a copy of the source.

    Raises:
        UsageError: If it is to be written several times, one after another.
    """
    if passes > 1:
        raise UsageError("--append needs rows, and the datasets of an HDF5 file share none")
    return Hdf5Sink(source, output)


def open_mask(
    source: Hdf5Source, output: Output, noised: Sequence[Field], *, values: bool
) -> MaskSink:
    """Start an HDF5 file that says which elements changed."""
    from noisify.formats.mapped_mask import Hdf5Mask  # noqa: PLC0415 - a rare wish

    return Hdf5Mask(source, output, noised, values=values)


def restore(
    source: Hdf5Source,
    mask: Input,
    output: Output,
    size: int,
    progress: Callable[[int], None],
) -> int:
    """Give a file back as it was; see `mapped_mask`."""
    from noisify.formats import mapped_mask  # noqa: PLC0415 - a rare wish

    return mapped_mask.restore_hdf5(source, mask, output, size, progress)

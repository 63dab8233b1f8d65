"""How the elements of an HDF5 dataset are stored, and how they are read and written back.

Every storage hands out boxes of consecutive elements. `read` and `write` are serial; `unpack` and
`pack` run in worker threads: what needs no order is left to them. So does `write` where all that is
written is contiguous.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from dataclasses import field
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import h5py
import numpy as np
from h5py import h5d, h5p, h5s

from noisify.core.errors import DataError
from noisify.core.value_class import frozen
from noisify.files.input import read_into_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from noisify.formats.hdf5.filters import Buffer, Pipeline
    from noisify.formats.hdf5.rechunk import ChunkFile, Unrolled

_COMPARED_BYTES = 1 << 16

Box = tuple[slice, ...]
Corner = tuple[int, ...]


class Origin(Protocol):
    """The file that is read."""

    def opened(self) -> BinaryIO:
        """Return it as a file of bytes, unbuffered."""
        ...

    def dataset(self, path: str) -> h5d.DatasetID:
        """Return a dataset of it."""
        ...


class Target(Protocol):
    """The file that is written: a copy of the origin."""

    def overwrite(self, path: str, start: int, data: memoryview) -> None:
        """Write bytes of a contiguous dataset to a place in the file."""
        ...

    def scratch(self, storage: Unrolled) -> ChunkFile:
        """Return where the noisy elements of a dataset are kept until all are there."""
        ...

    def dataset(self, path: str) -> h5d.DatasetID:
        """Return a dataset of it."""
        ...


@frozen
class Unpacked:
    """A box of elements.

    Attributes:
        values: The elements, in the box's shape, as they are in the file.
        rims: Whole chunks that go on beyond the dataset's end, by their first corner.
        skipped: For chunks that did not pass all filters, which; by their first corner.
    """

    values: NDArray[Any]
    rims: dict[Corner, NDArray[Any]] = field(default_factory=dict)
    skipped: dict[Corner, int] = field(default_factory=dict)


@frozen
class Storage(ABC):
    """A dataset's elements in a file.

    Attributes:
        path: The dataset's path.
        shape: Its shape; an array type's comes last.
        rank: Its own dimensions, without those of an array type.
        dtype: What of an element noise can change; see `datatypes`.
    """

    path: str
    shape: tuple[int, ...]
    rank: int
    dtype: np.dtype[Any]

    @property
    def unit(self) -> tuple[int, ...] | None:
        """The shape of the pieces that no box should cut; None: any box will do."""
        return None

    @property
    def count(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def whole(self) -> np.dtype[Any]:
        """The dtype to move elements by: all of their bytes, those between members too."""
        return self.dtype if self.dtype.names is None else np.dtype(f"V{self.dtype.itemsize}")

    @abstractmethod
    def read(self, origin: Origin, box: Box) -> Any:  # noqa: ANN401
        """Return a box as it is in the file."""

    def unpack(self, raw: Any, box: Box) -> Unpacked:  # noqa: ANN401, ARG002
        """Return a box's elements."""
        return Unpacked(raw)

    def pack(self, before: Unpacked, values: NDArray[Any], box: Box) -> Any:  # noqa: ANN401, ARG002
        """Return what `write` takes.

        Args:
            before: The box's elements.
            values: What is to be there instead, in the same shape and dtype.
            box: The box.
        """
        return values

    @abstractmethod
    def write(self, target: Target, packed: Any, box: Box) -> None:  # noqa: ANN401
        """Write a box."""


@frozen
class Contiguous(Storage):
    """Elements one after the other, at a place in the file that is known.

    Attributes:
        offset: Where they start in the file.
    """

    offset: int

    def read(self, origin: Origin, box: Box) -> BinaryIO:  # noqa: ARG002
        """Return the file: the workers read it, past the HDF5 library."""
        return origin.opened()

    def unpack(self, raw: BinaryIO, box: Box) -> Unpacked:
        """Return a box's elements, read from the file.

        Raises:
            DataError: If the file ends before them.
        """
        values = np.empty(box_shape(box), self.dtype)
        found = read_into_at(raw, values.reshape(-1).view(np.uint8).data, self._place(box))
        if found < values.nbytes:
            raise DataError("is cut short", field=self.path)
        return Unpacked(values)

    def write(self, target: Target, packed: NDArray[Any], box: Box) -> None:
        """Write a box past the HDF5 library."""
        target.overwrite(self.path, self._place(box), packed.reshape(-1).view(np.uint8).data)

    def _place(self, box: Box) -> int:
        return self.offset + first_element(self.shape, box) * self.dtype.itemsize


@frozen
class ThroughLibrary(Storage):
    """Elements that only the HDF5 library knows to read: compact, or behind filters of its own.

    Attributes:
        chunks: The shape of their chunks; None: there are none.
        memory: The datatype that tells the library of the elements' dtype.
    """

    chunks: tuple[int, ...] | None
    memory: h5py.h5t.TypeID

    @property
    def unit(self) -> tuple[int, ...] | None:
        """The shape of a chunk."""
        return self.chunks

    def read(self, origin: Origin, box: Box) -> NDArray[Any]:
        """Return a box, with the parts that `dtype` has."""
        values = np.zeros(box_shape(box), self.dtype)
        dataset = origin.dataset(self.path)
        dataset.read(*_spaces(dataset, box[: self.rank]), values, self.memory)
        return values

    def pack(
        self, before: Unpacked, values: NDArray[Any], box: Box
    ) -> list[tuple[Box, NDArray[Any]]]:
        """Return each chunk that is other than before, or all if there are no chunks."""
        if self.chunks is None:
            return [] if same_bytes(before.values, values) else [(box, values)]
        changed = []
        for corner in corners(box, self.chunks):
            outer, _ = overlap(corner, self.chunks, box)
            if not same_bytes(before.values[outer], values[outer]):
                part = tuple(
                    slice(cut.start + inner.start, cut.start + inner.stop)
                    for cut, inner in zip(box, outer, strict=True)
                )
                changed.append((part, values[outer]))
        return changed

    def write(self, target: Target, packed: list[tuple[Box, NDArray[Any]]], box: Box) -> None:  # noqa: ARG002
        """Write the parts that `dtype` has; the library leaves the others."""
        for part, changed in packed:
            dataset = target.dataset(self.path)
            values = np.ascontiguousarray(changed)
            dataset.write(*_spaces(dataset, part[: self.rank]), values, self.memory)


def _spaces(dataset: h5d.DatasetID, box: Box) -> tuple[h5s.SpaceID, h5s.SpaceID]:
    """Return the selections of a box, in memory and in the file."""
    space = dataset.get_space()
    if not box:
        return space, space
    counts = box_shape(box)
    space.select_hyperslab(tuple(cut.start for cut in box), counts)
    return h5s.create_simple(counts), space


Chunks = list[tuple[Corner, int, "Buffer | None"]]
"""Chunks by their first corner: which filters they did not pass, and their bytes, if any."""


@frozen
class Chunked(Storage):
    """Elements in chunks that are read and written directly, and (un)packed by the workers.

    Attributes:
        chunks: The shape of a chunk.
        pipeline: The filters they pass.
        present: Which chunks are in the file, by their number; None: all.
        fill: The bytes of an element of a chunk that is not.
    """

    chunks: tuple[int, ...]
    pipeline: Pipeline
    present: NDArray[np.bool_] | None
    fill: bytes

    @property
    def unit(self) -> tuple[int, ...]:
        """The shape of a chunk."""
        return self.chunks

    def read(self, origin: Origin, box: Box) -> Chunks:
        """Return the chunks of a box, still filtered."""
        dataset = origin.dataset(self.path)
        return [self._read_chunk(dataset, corner) for corner in corners(box, self.chunks)]

    def _read_chunk(
        self, dataset: h5d.DatasetID, corner: Corner
    ) -> tuple[Corner, int, Buffer | None]:
        if self.present is not None and not self.present[self.number(corner)]:
            return corner, 0, None
        skipped, data = dataset.read_direct_chunk(corner[: self.rank])
        return corner, skipped, data

    def number(self, corner: Corner) -> int:
        """Return the number of a chunk, counted from 0 in the order of the corners."""
        return chunk_number(self.shape, self.chunks, corner)

    def unpack(self, raw: Chunks, box: Box) -> Unpacked:
        """Return the elements of chunks.

        Raises:
            DataError: If the bytes of one are not what its filters make.
        """
        skipped = {corner: mask for corner, mask, _ in raw if mask}
        if len(raw) == 1 and box_shape(box) == self.chunks:
            return Unpacked(self._decoded(*raw[0][1:]), {}, skipped)
        values = np.empty(box_shape(box), self.whole)
        rims: dict[Corner, NDArray[Any]] = {}
        for corner, mask, data in raw:
            chunk = self._decoded(mask, data).view(self.whole)
            outer, inner = overlap(corner, self.chunks, box)
            values[outer] = chunk[inner]
            if values[outer].shape != chunk.shape:
                rims[corner] = chunk
        return Unpacked(values.view(self.dtype), rims, skipped)

    def _decoded(self, skipped: int, data: Buffer | None) -> NDArray[Any]:
        if data is None:
            return self.filled()
        try:
            return self.from_bytes(self.pipeline.decode(data, skipped))
        except ValueError as error:
            raise self.broken_chunk(error) from None

    def broken_chunk(self, error: ValueError) -> DataError:
        """Return the error of a chunk that is not what its filters make."""
        return DataError(f"has a chunk that cannot be read: {error}", field=self.path)

    def filled(self) -> NDArray[Any]:
        """Return a chunk that is not in the file."""
        chunk = np.empty(self.chunks, self.whole)
        chunk[...] = np.frombuffer(self.fill, self.whole).reshape(self.chunks[self.rank :])
        return chunk.view(self.dtype)

    def from_bytes(self, data: Buffer) -> NDArray[Any]:
        """Return a chunk's elements from its bytes; ValueError if there are too few or many."""
        return np.frombuffer(data, self.dtype).reshape(self.chunks)

    def pack(self, before: Unpacked, values: NDArray[Any], box: Box) -> Chunks:
        """Return the chunks of a box that are other than before, filtered."""
        old, new = before.values.view(self.whole), values.view(self.whole)
        packed: Chunks = []
        for corner in corners(box, self.chunks):
            outer, inner = overlap(corner, self.chunks, box)
            if same_bytes(old[outer], new[outer]):
                continue
            chunk = new[outer]
            if corner in before.rims:
                chunk = before.rims[corner].copy()
                chunk[inner] = new[outer]
            skipped = before.skipped.get(corner, 0)
            packed.append((corner, skipped, self.to_bytes(chunk, skipped)))
        return packed

    def to_bytes(self, chunk: NDArray[Any], skipped: int) -> Buffer:
        """Return a chunk's bytes as they go to the file."""
        data = np.ascontiguousarray(chunk).reshape(-1).view(np.uint8).data
        return self.pipeline.encode(data, skipped)

    def write(self, target: Target, packed: Chunks, box: Box) -> None:  # noqa: ARG002
        """Write chunks."""
        for corner, skipped, data in packed:
            dataset = target.dataset(self.path)
            dataset.write_direct_chunk(corner[: self.rank], data, skipped)


def same_bytes(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Return whether arrays of one shape and dtype are the same to the bit; most differ early."""
    while one.ndim and len(one) == 1:
        one, other = one[0], other[0]
    if not one.ndim:
        return bool(one.tobytes() == other.tobytes())
    rows = max(1, _COMPARED_BYTES * len(one) // max(1, one.nbytes))
    parts = (slice(at, at + rows) for at in range(0, len(one), rows))
    return all(
        np.array_equal(one[part].view(np.uint8), other[part].view(np.uint8)) for part in parts
    )


def corners(box: Box, chunks: Sequence[int]) -> Iterator[Corner]:
    """Yield the first corner of each chunk that a box reaches into, in C order."""
    yield from itertools.product(
        *(
            range(cut.start // step * step, cut.stop, step)
            for cut, step in zip(box, chunks, strict=True)
        )
    )


def overlap(corner: Corner, chunks: Sequence[int], box: Box) -> tuple[Box, Box]:
    """Return the part of a box that a chunk covers, and the part of the chunk that this is."""
    outer, inner = [], []
    for at, step, cut in zip(corner, chunks, box, strict=True):
        start, stop = max(at, cut.start), min(at + step, cut.stop)
        outer.append(slice(start - cut.start, stop - cut.start))
        inner.append(slice(start - at, stop - at))
    return tuple(outer), tuple(inner)


def box_shape(box: Box) -> tuple[int, ...]:
    """Return the shape of a box."""
    return tuple(cut.stop - cut.start for cut in box)


def first_element(shape: Sequence[int], box: Box) -> int:
    """Return the index of the first element of a box."""
    index = 0
    for extent, cut in zip(shape, box, strict=True):
        index = index * extent + cut.start
    return index


def chunk_number(shape: Sequence[int], chunks: Sequence[int], corner: Corner) -> int:
    """Return the number of the chunk at a corner, counted from 0 in C order."""
    number = 0
    for extent, step, at in zip(shape, chunks, corner, strict=True):
        number = number * -(-extent // step) + at // step
    return number


def present_chunks(
    dataset: h5d.DatasetID, shape: Sequence[int], chunks: Sequence[int]
) -> NDArray[np.bool_] | None:
    """Return which chunks of a dataset are in the file, by their number; None: all.

    Args:
        dataset: The dataset.
        shape: Its shape.
        chunks: The shape of its chunks.
    """
    count = math.prod(-(-extent // step) for extent, step in zip(shape, chunks, strict=True))
    if dataset.get_num_chunks() == count:
        return None
    present = np.zeros(count, bool)

    def note(info: Any) -> None:  # noqa: ANN401
        present[chunk_number(shape, chunks, info.chunk_offset)] = True

    if hasattr(dataset, "chunk_iter"):
        dataset.chunk_iter(note)
    else:  # as many looks as there are chunks, each at all before it
        for at in range(dataset.get_num_chunks()):
            note(dataset.get_chunk_info(at))
    return present


def fill_bytes(dataset: h5d.DatasetID) -> bytes:
    """Return the bytes, in the file, of an element that has never been written.

    The library is asked for a chunk of one such element, in a file in memory: there is no other way
    to learn of all that a compound's fill value holds.
    """
    options = dataset.get_create_plist().copy()
    kind = dataset.get_type().copy()
    if options.fill_value_defined() != h5d.FILL_VALUE_USER_DEFINED:
        return bytes(kind.get_size())
    while options.get_nfilters():
        options.remove_filter(options.get_filter(0)[0])
    options.set_chunk((1,))
    options.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    options.set_fill_time(h5d.FILL_TIME_IFSET)
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_fapl_core(backing_store=False)
    file = h5py.h5f.create(b"noisify-fill", h5py.h5f.ACC_TRUNC, fapl=access)
    try:
        made = h5d.create(file, b"x", kind, h5s.create_simple((1,)), options)
        return bytes(made.read_direct_chunk((0,))[1])
    finally:
        file.close()

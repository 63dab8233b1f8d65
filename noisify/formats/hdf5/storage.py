"""How the elements of an HDF5 dataset are stored, and how they are read and written back.

Contiguous bytes are read and written without the HDF5 library. The library reads and writes chunks
as bytes if their filters are known here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import h5py
import numpy as np
from h5py import h5d, h5s, h5t

from noisify.core.errors import DataError
from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.files.input import read_into_at
from noisify.formats.datasets.boxes import (
    Corner,
    box_shape,
    corners,
    first_element,
    overlap,
    same_bytes,
)
from noisify.formats.datasets.storage import InChunks, Storage, Unpacked
from noisify.formats.hdf5.filters import NO_FILTERS, lossy_filters
from noisify.formats.numpy_fields import raw_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from noisify.formats.datasets.boxes import Box
    from noisify.formats.datasets.chunk_file import ChunkFile
    from noisify.formats.datasets.storage import Origin, Target
    from noisify.formats.hdf5.filters import Buffer, Pipeline


_NOT_THERE = "not allocated"
"""The message of the HDF5 library for a chunk that is not in the file."""
_LEAST_BYTES = 64
"""The fewest bytes that a text takes in memory."""
_MOST_AT_ONCE = 1 << 14
"""The most texts to write at once: their places take memory in the library."""


@frozen
class Contiguous(Storage):
    """Consecutive elements at a known offset in the file.

    Attributes:
        offset: The offset of the first element.
    """

    for_workers = True

    offset: int

    @override
    def read(self, origin: Origin, box: Box) -> BinaryIO:
        """Return the file, which the workers read without the HDF5 library."""
        file: BinaryIO = origin.opened()
        return file

    def unpack(self, raw: BinaryIO, box: Box) -> Unpacked:
        """Read a box's elements from the file.

        Raises:
            DataError: If the file ends before them.
        """
        values = np.empty(box_shape(box), self.dtype)
        found = read_into_at(raw, raw_bytes(values).data, self._place(box))
        if found < values.nbytes:
            raise DataError("is cut short", field=self.path)
        return Unpacked(values)

    def write(self, target: Target, packed: NDArray[Any], box: Box) -> None:
        """Write a box without the HDF5 library."""
        target.overwrite(self.path, self._place(box), raw_bytes(packed).data)

    def _place(self, box: Box) -> int:
        return self.offset + first_element(self.shape, box) * self.dtype.itemsize


@frozen
class LibraryStorage(InChunks):
    """Elements that only the HDF5 library can read: compact, unwritten, or behind its filters.

    They are read and written as whole elements of the dataset's own datatype, so that the library
    converts nothing, which may lose data.

    Attributes:
        kind: The dataset's datatype.
        rounds: Whether a filter is lossy.
    """

    kind: h5py.h5t.TypeID
    rounds: bool

    def read(self, origin: Origin, box: Box) -> NDArray[Any]:
        """Return a box."""
        return self._read(origin.dataset(self.path), box)

    def _read(self, dataset: h5d.DatasetID, box: Box) -> NDArray[Any]:
        values = np.empty(box_shape(box), self.dtype)
        dataset.read(*_spaces(dataset, box[: self.rank]), values, self.kind)
        return values

    @override
    def write(self, target: Target, packed: list[tuple[Box, NDArray[Any]]], box: Box) -> None:
        """Write chunks, and read them back to check.

        Raises:
            NoisifyError: If the library reads other values than were written.
        """
        for part, changed in packed:
            values = _contiguous(changed)
            with target.dataset(self.path) as dataset:
                dataset.write(*_spaces(dataset, part[: self.rank]), values, self.kind)
                found = self._read(dataset, part)
            if self.rounds:
                same = bool(np.array_equal(np.isfinite(values), np.isfinite(found)))
            else:
                same = same_bytes(values.view(self.whole), found.view(self.whole))
            if not same:
                raise lossy_filters(self.path)


def _contiguous(values: NDArray[Any]) -> NDArray[Any]:
    """Return a contiguous copy of elements, including the bytes between their members."""
    raw = values.view(f"V{values.dtype.itemsize}") if values.dtype.names else values
    return np.ascontiguousarray(raw).reshape(values.shape).view(values.dtype)


def _spaces(dataset: h5d.DatasetID, box: Box) -> tuple[h5s.SpaceID, h5s.SpaceID]:
    """Return the HDF5 selections of a box in memory and in the file."""
    space = dataset.get_space()
    if not box:
        return space, space
    counts = box_shape(box)
    space.select_hyperslab(tuple(cut.start for cut in box), counts)
    return h5s.create_simple(counts), space


Chunks = list[tuple[Corner, int, "Buffer | None"]]
"""The first corner of each chunk, the filters it skipped, and its bytes, if it is in the file."""


@frozen
class Chunked(InChunks):
    """Elements in chunks that are read and written directly, and filtered by the workers.

    Attributes:
        chunks: The shape of a chunk.
        pipeline: The filters.
        filters_edges: Whether chunks that extend beyond the dataset's end are filtered too.
        is_written: Whether any chunk is in the file.
        fill: The bytes of an element that is not in the file, or None if they are not known.
    """

    chunks: tuple[int, ...]
    pipeline: Pipeline
    filters_edges: bool
    is_written: bool
    fill: bytes | None

    def read(self, origin: Origin, box: Box) -> Chunks:
        """Return the chunks of a box, still filtered."""
        dataset = origin.dataset(self.path)
        return [self._read_chunk(dataset, corner) for corner in corners(box, self.chunks)]

    def _read_chunk(
        self, dataset: h5d.DatasetID, corner: Corner
    ) -> tuple[Corner, int, Buffer | None]:
        if not self.is_written:  # the library returns wrong sizes for such a dataset
            return corner, 0, None
        try:
            skipped, data = dataset.read_direct_chunk(corner[: self.rank])
        except (OSError, RuntimeError, ValueError) as error:
            if _NOT_THERE not in str(error):
                raise
            return corner, 0, None
        return corner, skipped, data

    def unpack(self, raw: Chunks, box: Box) -> Unpacked:
        """Return the elements of chunks.

        Raises:
            DataError: If the filters cannot have made the bytes of a chunk.
        """
        skipped = {corner: mask for corner, mask, _ in raw if mask}
        if len(raw) == 1 and box_shape(box) == self.chunks:
            return Unpacked(self._decoded(*raw[0]), {}, skipped)
        values = np.empty(box_shape(box), self.whole)
        edge_chunks: dict[Corner, NDArray[Any]] = {}
        for corner, mask, data in raw:
            chunk = self._decoded(corner, mask, data).view(self.whole)
            outer, inner = overlap(corner, self.chunks, box)
            values[outer] = chunk[inner]
            if values[outer].shape != chunk.shape:
                edge_chunks[corner] = chunk
        return Unpacked(values.view(self.dtype), edge_chunks, skipped)

    def _decoded(self, corner: Corner, mask: int, data: Buffer | None) -> NDArray[Any]:
        if data is None:
            return self._filled()
        try:
            return self._from_bytes(self.pipeline.decode(data, self._not_passed(corner, mask)))
        except ValueError as error:
            raise self._broken_chunk(error) from None

    def _not_passed(self, corner: Corner, skipped: int) -> int:
        """Return which filters a chunk skipped: all at unfiltered edges, else those of its mask."""
        ends = zip(corner, self.chunks, self.shape, strict=True)
        if self.filters_edges or all(at + step <= extent for at, step, extent in ends):
            return skipped
        return NO_FILTERS

    def _broken_chunk(self, error: ValueError) -> DataError:
        """Return the error for a chunk whose bytes its filters cannot have made."""
        return DataError(f"has a chunk that cannot be read: {error}", field=self.path)

    def _filled(self) -> NDArray[Any]:
        """Return the elements of a chunk that is not in the file.

        Raises:
            DataError: If its fill value is not known.
        """
        if self.fill is None:
            raise DataError(
                "has chunks that were never written, and its fill value is stored outside them; "
                "copy the file with h5repack first",
                field=self.path,
            )
        chunk = np.empty(self.chunks, self.whole)
        chunk[...] = np.frombuffer(self.fill, self.whole).reshape(self.chunks[self.rank :])
        return chunk.view(self.dtype)

    def _from_bytes(self, data: Buffer) -> NDArray[Any]:
        """Return a chunk's elements from its bytes; ValueError if there are too few or many."""
        return np.frombuffer(data, self.dtype).reshape(self.chunks)

    def pack(self, before: Unpacked, values: NDArray[Any], box: Box) -> Chunks:
        """Filter the chunks of a box that have changed."""
        old, new = before.values.view(self.whole), values.view(self.whole)
        packed: Chunks = []
        for corner in corners(box, self.chunks):
            outer, inner = overlap(corner, self.chunks, box)
            if same_bytes(old[outer], new[outer]):
                continue
            chunk = new[outer]
            if corner in before.edge_chunks:
                chunk = before.edge_chunks[corner].copy()
                chunk[inner] = new[outer]
            packed += self._packed_chunk(corner, before.skipped.get(corner, 0), chunk)
        return packed

    def _packed_chunk(
        self,
        corner: Corner,
        skipped: int,
        chunk: NDArray[Any],
        used: Callable[[int], None] = lambda _: None,
    ) -> Chunks:
        """Return a chunk to write once, or twice if the filters that it skips have changed.

        Args:
            corner: The first corner of the chunk.
            skipped: The filters that it skipped, by its filter mask.
            chunk: The elements.
            used: Called after each filter with the number of bytes that it read.
        """
        not_passed = self._not_passed(corner, skipped)
        now_skipped, data = self.pipeline.encode(
            raw_bytes(np.ascontiguousarray(chunk)).data, not_passed, used
        )
        if not_passed == now_skipped:
            return [(corner, skipped, data)]
        shorter = data[:-1]  # the library stores a new filter mask only for another size
        return [(corner, now_skipped, shorter), (corner, now_skipped, data)]

    @override
    def write(self, target: Target, packed: Chunks, box: Box) -> None:
        """Write chunks."""
        for corner, skipped, data in packed:
            with target.dataset(self.path) as dataset:
                dataset.write_direct_chunk(corner[: self.rank], data, skipped)

    @override
    def unpack_chunk(self, origin: Origin, box: Box, elements: ChunkFile) -> int:
        """Put a chunk into a temporary file; return which filters it skipped.

        No more than two versions of it are in memory: a chunk may be all that fits.
        """
        ((corner, mask, data),) = self.read(origin, box)
        if data is None:
            elements.put(corner, self._filled())
            return mask
        try:
            for undo in self.pipeline.undoing(self._not_passed(corner, mask)):
                data = undo(data)
            elements.put(corner, self._from_bytes(data))
        except ValueError as error:
            raise self._broken_chunk(error) from None
        return mask

    @override
    def pack_chunk(self, target: Target, box: Box, noisy: ChunkFile, skipped: int) -> None:
        """Write a chunk from a temporary file."""
        corner = tuple(cut.start for cut in box)
        chunk = noisy.chunk(corner)
        packed = self._packed_chunk(corner, skipped, chunk, noisy.used)
        del chunk
        self.write(target, packed, box)
        noisy.used(sum(len(data) for _, _, data in packed if data is not None))


@frozen
class Texts(Storage):
    """Texts of variable length, in heaps that the dataset refers to; only changed ones are written.

    Attributes:
        chunks: The shape of their chunks, or None if there are none.
        kind: The dataset's datatype.
        mean_bytes: The size of the file divided by the number of texts, in bytes.
    """

    chunks: tuple[int, ...] | None
    kind: h5t.TypeStringID
    mean_bytes: int

    @property
    def unit(self) -> tuple[int, ...] | None:
        """The shape of a chunk, or None if there are no chunks."""
        return self.chunks

    @property
    def element_bytes(self) -> int:
        """The bytes that a text takes in memory on average, or less."""
        return _LEAST_BYTES + self.mean_bytes

    @override
    def read(self, origin: Origin, box: Box) -> NDArray[Any]:
        """Return a box of texts as bytes."""
        values = np.empty([cut.stop - cut.start for cut in box], object)
        values[...] = h5py.Dataset(origin.dataset(self.path))[box]
        return values

    @override
    def pack(
        self, before: Unpacked, values: NDArray[Any], box: Box
    ) -> list[tuple[NDArray[np.int64], NDArray[Any]]]:
        """Return the indices of changed texts in the dataset, and the texts."""
        changed = np.asarray(before.values != values, bool)
        indices = np.argwhere(changed) + np.array([cut.start for cut in box], np.int64)
        texts = values[changed]
        return [
            (indices[start : start + _MOST_AT_ONCE], texts[start : start + _MOST_AT_ONCE])
            for start in range(0, len(texts), _MOST_AT_ONCE)
        ]

    @override
    def write(
        self, target: Target, packed: list[tuple[NDArray[np.int64], NDArray[Any]]], box: Box
    ) -> None:
        """Write the changed texts."""
        encoding = "ascii" if self.kind.get_cset() == h5t.CSET_ASCII else "utf-8"
        kind = h5t.py_create(h5py.string_dtype(encoding))
        for indices, texts in packed:
            with target.dataset(self.path) as dataset:
                space = dataset.get_space()
                if self.rank:
                    space.select_elements(indices.astype(np.uint64))
                memory = h5s.create_simple((len(texts),)) if self.rank else space
                dataset.write(memory, space, texts, kind)

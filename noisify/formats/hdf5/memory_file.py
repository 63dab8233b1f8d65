"""Run the HDF5 library's filters, and find its fill values, in small files in memory.

Chunks pass its filters there as plain bytes. In the dataset itself the library would convert their
elements, and follow pointers into the file.
"""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5d, h5f, h5p, h5s, h5t

from noisify.core.errors import NoisifyError
from noisify.core.value_class import frozen
from noisify.formats.hdf5.datatypes import holds_pointers, size_in_file
from noisify.formats.hdf5.filters import Pipeline, filters_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from h5py.h5p import PropDCID

    from noisify.formats.hdf5.filters import Buffer

_NAME = b"x"
_NUMBERS = itertools.count()


@contextlib.contextmanager
def memory_file() -> Iterator[h5f.FileID]:
    """Open a new HDF5 file in memory."""
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_fapl_core(backing_store=False)
    name = f"noisify-{next(_NUMBERS)}".encode()  # the library lets no name be open twice
    file = h5f.create(name, h5f.ACC_TRUNC, fapl=access)
    try:
        yield file
    finally:
        file.close()


def uncached() -> h5p.PropDAID:
    """Return access properties that keep no chunks of a dataset in memory."""
    access = h5p.create(h5p.DATASET_ACCESS)
    access.set_chunk_cache(1, 0, 1.0)
    return access


def fill_bytes(kind: h5t.TypeID, options: PropDCID, address_bytes: int) -> bytes | None:
    """Return the bytes in the file of an element that has never been written.

    The library writes a chunk of one such element, since it does not give a compound's fill value
    whole.

    Args:
        kind: The dataset's datatype.
        options: The dataset's creation properties.
        address_bytes: The bytes of an address in the file.

    Returns:
        The bytes; None if the element points to data elsewhere in the file.
    """
    if options.fill_value_defined() != h5d.FILL_VALUE_USER_DEFINED:
        return bytes(size_in_file(kind, address_bytes))
    if holds_pointers(kind):
        return None
    one = options.copy()
    while one.get_nfilters():
        one.remove_filter(one.get_filter(0)[0])
    one.set_chunk((1,))
    one.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    one.set_fill_time(h5d.FILL_TIME_IFSET)
    with memory_file() as file:
        made = h5d.create(file, _NAME, kind.copy(), h5s.create_simple((1,)), one)
        return bytes(made.read_direct_chunk((0,))[1])


@frozen
class LibraryPipeline(Pipeline):
    """A pipeline with filters that only the HDF5 library runs, for chunks of plain bytes.

    Attributes:
        path: The path of the dataset whose chunks these are.
        chunk: The shape of a chunk.
        width: The bytes of an element.
        flags: The flags of each filter: whether a chunk may skip it.
    """

    path: str
    chunk: tuple[int, ...]
    width: int
    flags: tuple[int, ...]

    @classmethod
    def of(
        cls, path: str, kind: h5t.TypeID, options: PropDCID, address_bytes: int
    ) -> LibraryPipeline | None:
        """Return a dataset's pipeline, or None if its filters need more than plain bytes."""
        flags = tuple(options.get_filter(at)[1] for at in range(options.get_nfilters()))
        filters = filters_of(options)
        width = size_in_file(kind, address_bytes)
        pipeline = cls(tuple(filters), path, options.get_chunk(), width, flags)
        with memory_file() as file:
            try:
                made = pipeline._dataset(file)
            except (OSError, RuntimeError, ValueError):
                return None
            return pipeline if filters_of(made.get_create_plist()) == filters else None

    def _dataset(self, file: h5f.FileID) -> h5d.DatasetID:
        """Create a dataset of one chunk."""
        options = h5p.create(h5p.DATASET_CREATE)
        options.set_chunk(self.chunk)
        for one, flags in zip(self.filters, self.flags, strict=True):
            options.set_filter(one.code, flags, one.values)
        kind = h5t.create(h5t.OPAQUE, self.width)
        return h5d.create(
            file, _NAME, kind, h5s.create_simple(self.chunk), options, None, uncached()
        )

    def undoing(self, skipped: int) -> Iterator[Callable[[Buffer], Buffer]]:
        """Yield the function that undoes all filters."""

        def undo(data: Buffer) -> Buffer:
            try:
                return self._read(data, skipped)
            except (OSError, RuntimeError) as error:
                raise ValueError(str(error)) from None

        if skipped & self._every != self._every:
            yield undo

    @property
    def _every(self) -> int:
        return (1 << len(self.filters)) - 1

    def _read(self, data: Buffer, skipped: int) -> Buffer:
        values: Any = np.empty(self.chunk, f"V{self.width}")
        with memory_file() as file:
            corner = (0,) * len(self.chunk)
            self._dataset(file).write_direct_chunk(corner, bytes(data), skipped)
            made = h5d.open(file, _NAME)  # an open one remembers which filters the chunk passed
            made.read(h5s.ALL, h5s.ALL, values, made.get_type())
        out: memoryview = values.reshape(-1).view(np.uint8).data
        return out

    def encode(self, data: Buffer, skipped: int, used: Callable[[int], None]) -> tuple[int, Buffer]:
        """Return which filters a chunk did not pass, and its bytes for the file.

        Raises:
            NoisifyError: If the filters do not give back what they are given.
        """
        if skipped & self._every == self._every:
            return skipped, data
        values = np.frombuffer(data, f"V{self.width}").reshape(self.chunk)
        with memory_file() as file:
            made = self._dataset(file)
            made.write(h5s.ALL, h5s.ALL, values, made.get_type())
            now_skipped, packed = made.read_direct_chunk((0,) * len(self.chunk))
        used(len(data))
        if bytes(self.decode(packed, now_skipped)) != bytes(data):
            raise lossy_filters(self.path)
        return now_skipped, packed


def lossy_filters(path: str) -> NoisifyError:
    """Return the error for a dataset that reads other values than were written."""
    return NoisifyError(
        "its HDF5 filters do not give back what is written; copy the file with h5repack -f NONE "
        "first",
        field=path,
    )

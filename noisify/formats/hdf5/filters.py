"""Run chunk filters: HDF5's own ones in the workers, since the HDF5 library runs one at a time.

Chunks pass the library's other filters as plain bytes, in small files in memory. In the dataset
itself the library would convert their elements, and follow pointers into the file.
"""

from __future__ import annotations

import contextlib
import itertools
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5d, h5f, h5p, h5s, h5t, h5z

from noisify.core.errors import NoisifyError
from noisify.core.value_class import frozen
from noisify.files.codecs import ISAL_LEVEL
from noisify.formats.hdf5.datatypes import holds_pointers, size_in_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from h5py.h5p import PropDCID
    from numpy.typing import NDArray


try:
    from isal import isal_zlib
except ImportError:  # it is faster, and not needed
    isal_zlib = None  # type: ignore[assignment]

Buffer = bytes | memoryview
_ISAL_UP_TO = 6
"""The highest Deflate level for which isal is used, in a fifth of the time."""
_WORDS = 1 << 12
_ERROR: Any = zlib.error if isal_zlib is None else isal_zlib.error
_MODULUS = 65535
_CHECKSUM = 4
_NAME = b"x"
_NUMBERS = itertools.count()


@frozen
class Filter:
    """One filter of a pipeline.

    Attributes:
        code: The number of the filter.
        values: The parameters.
    """

    code: int
    values: tuple[int, ...]

    def apply(self, data: Buffer) -> Buffer:
        """Filter some bytes."""
        if self.code == h5z.FILTER_DEFLATE:
            return _deflated(data, self.values[0])
        if self.code == h5z.FILTER_SHUFFLE:
            return _transposed(data, self.values[0], (-1, self.values[0]))
        return bytes(data) + fletcher32(data).to_bytes(_CHECKSUM, "little")

    def undo(self, data: Buffer) -> Buffer:
        """Return the bytes before filtering.

        Raises:
            ValueError: If the filter cannot have made these bytes.
        """
        if self.code == h5z.FILTER_DEFLATE:
            return _inflated(data)
        if self.code == h5z.FILTER_SHUFFLE:
            return _transposed(data, self.values[0], (self.values[0], -1))
        return _checked(data)


NO_FILTERS = -1
"""The mask of a chunk that skipped all filters: every bit is set."""


@frozen
class Pipeline:
    """The filters of a dataset's chunks.

    Attributes:
        filters: The filters, in the order in which they are applied.
    """

    filters: tuple[Filter, ...]

    def undoing(self, skipped: int) -> Iterator[Callable[[Buffer], Buffer]]:
        """Yield the functions that undo the filters, in the order of undoing.

        Args:
            skipped: The filters that the chunk skipped, one bit for each.
        """
        for at, one in reversed([*enumerate(self.filters)]):
            if not skipped >> at & 1:
                yield one.undo

    def decode(self, data: Buffer, skipped: int) -> Buffer:
        """Return a chunk's bytes before filtering.

        Raises:
            ValueError: If the filters cannot have made the bytes in the file.
        """
        for undo in self.undoing(skipped):
            data = undo(data)
        return data

    def encode(self, data: Buffer, skipped: int, used: Callable[[int], None]) -> tuple[int, Buffer]:
        """Filter a chunk; return which filters it skipped, and its bytes for the file.

        Args:
            data: The bytes of the chunk.
            skipped: The filters to skip, one bit for each.
            used: Called after each filter with the number of bytes that it read.
        """
        size = len(data)
        for at, one in enumerate(self.filters):
            if not skipped >> at & 1:
                data = one.apply(data)
                used(size)
        return skipped, data


def filters_of(options: PropDCID) -> list[Filter]:
    """Return the filters of a dataset, in the order in which they are applied."""
    found = [options.get_filter(at) for at in range(options.get_nfilters())]
    return [Filter(code, tuple(values)) for code, _, values, _ in found]


def pipeline_of(options: PropDCID) -> Pipeline | None:
    """Return a dataset's pipeline, or None if a filter is not one of HDF5's own."""
    filters = filters_of(options)
    known = {h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32}
    return Pipeline(tuple(filters)) if known.issuperset(one.code for one in filters) else None


def _deflated(data: Buffer, level: int) -> Buffer:
    if isal_zlib is not None and 0 < level <= _ISAL_UP_TO:
        deflater = isal_zlib.compressobj(ISAL_LEVEL)
        return b"".join((deflater.compress(data), deflater.flush()))
    return zlib.compress(data, level)


def _inflated(data: Buffer) -> Buffer:
    try:
        return zlib.decompress(data) if isal_zlib is None else isal_zlib.decompress(data)
    except _ERROR as error:
        raise ValueError(str(error)) from None


def _transposed(data: Buffer, width: int, shape: tuple[int, int]) -> Buffer:
    """Transpose the bytes of whole elements, from `shape`: (-1, width) to shuffle, or back."""
    given = np.frombuffer(data, np.uint8)
    whole = len(given) // width * width
    out = np.empty_like(given)
    out[:whole].reshape(shape[::-1])[...] = given[:whole].reshape(shape).T
    out[whole:] = given[whole:]
    return out.data


def _checked(data: Buffer) -> Buffer:
    """Verify and remove a checksum.

    Before HDF5 1.6.3 big-endian machines wrote checksums of words with their bytes swapped.
    """
    body, end = data[:-_CHECKSUM], bytes(data[-_CHECKSUM:])
    right = fletcher32(body).to_bytes(_CHECKSUM, "little")
    exchanged = bytes([right[1], right[0], right[3], right[2]])
    if len(data) < _CHECKSUM or end not in {right, exchanged}:
        raise ValueError("its checksum is wrong")
    return body


def fletcher32(data: Buffer) -> int:
    """Return HDF5's Fletcher checksum: of big-endian words of two bytes, modulo 65,535.

    A sum is 0 only if all words are 0; otherwise 65,535 takes its place (ones' complement sums).
    """
    given = np.frombuffer(data, np.uint8)
    if len(given) % 2:
        given = np.append(given, np.uint8(0))
    words = given.view(">u2")
    total = weighted = 0
    weights: NDArray[Any] = np.stack([np.ones(_WORDS), np.arange(_WORDS, 0.0, -1)], axis=1)
    for start in range(0, len(words), _WORDS):
        part = words[start : start + _WORDS].astype(np.float64)
        plain, falling = part @ weights[-len(part) :]  # exact: whole numbers below 2**53
        weighted += total * len(part) + int(falling)
        total += int(plain)
    low, high = ((value - 1) % _MODULUS + 1 if value else 0 for value in (total, weighted))
    return high << 16 | low


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

    To find them, the library writes a chunk of one such element: its own function for fill values
    does not return all bytes of a compound's.

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
        """Return which filters a chunk skipped, and its bytes for the file.

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

"""Write HDF5 files: copies of the source in which datasets are overwritten."""

from __future__ import annotations

import contextlib
import os
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from h5py import h5i

from noisify.core.errors import DataError
from noisify.core.overriding import override
from noisify.core.signals import delayed_signals
from noisify.files.write_behind import write_all, write_all_at
from noisify.formats.datasets.sink import DatasetsSink
from noisify.formats.hdf5.object_headers import HeaderFile, header_sizes, restore_times
from noisify.formats.hdf5.roles import index_of, mark_out_of_date
from noisify.formats.hdf5.tree import LibraryFile, PathOpener, close_file, open_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import h5py

    from noisify.files.output import Output
    from noisify.formats.datasets.pieces import DatasetsPiece
    from noisify.formats.datasets.storage import Stored

_COPY_BYTES = 1 << 20


class Hdf5Sink(DatasetsSink):
    """A copy of an HDF5 file, in which datasets are overwritten.

    Bytes that will be overwritten at a known offset are not copied first. The rest of the file is
    copied at the end, or as soon as the HDF5 library is needed.

    Args:
        source: The file that is copied.
        stored: The location of each of its fields.
        output: Where to write.
        positional: Whether everything that noise changes has a known offset in the file.
        span: The range of bytes to write, or None for the whole file; a range must be positional.
    """

    def __init__(
        self,
        source: Path,
        stored: Mapping[str, Stored],
        output: Output,
        *,
        positional: bool = False,
        span: range | None = None,
    ) -> None:
        self._path = output.local_path()
        super().__init__(stored, output.name)  # says by now where it is made first
        self._source = source
        self._span = range(source.stat().st_size) if span is None else span
        self._file: Any = None
        self._objects: Any = None
        self._library: LibraryFile | None = None
        self._copied = False
        self.positional = positional
        self._written: dict[str, tuple[int, int]] = {}
        self._noting = Lock()
        self._touched: dict[str, None] = {}
        self._changed: set[str] = set()
        self._raw = output.open_ranges()
        self._shift = output.start - self._span.start
        self._is_whole = span is None

    def _copy_the_rest(self) -> None:
        """Copy the file, byte for byte, except for ranges that have been written already."""
        if self._copied:
            return
        self._copied = True
        place, end = self._span.start, self._span.stop
        with self._source.open("rb", 0) as old:
            for start, stop in (*sorted(self._written.values()), (end, end)):
                self._copy(old, place, start)
                place = max(place, stop)
        if self._is_whole:
            os.truncate(self._path, len(self._span))

    def _copy(self, old: BinaryIO, start: int, stop: int) -> None:
        """Copy some bytes of the source to their place, in the kernel where it can.

        Raises:
            DataError: If the source has become shorter.
        """
        if hasattr(os, "copy_file_range"):
            with contextlib.suppress(OSError):  # not between all file systems
                while start < stop and (
                    copied := os.copy_file_range(
                        old.fileno(), self._raw.fileno(), stop - start, start, start + self._shift
                    )
                ):
                    start += copied
        old.seek(start)
        self._raw.seek(start + self._shift)
        while start < stop and (data := old.read(min(_COPY_BYTES, stop - start))):
            write_all(self._raw, data)
            start += len(data)
        if start < stop:
            raise DataError("became shorter while it was read")

    @override
    def write(self, encoded: DatasetsPiece) -> None:
        """Write the datasets of a piece to their places."""
        super().write(encoded)
        self._changed |= encoded.changed

    @override
    def _check(self) -> None:
        """Raise a failure that was hidden from the HDF5 library."""
        if self._library is not None:
            self._library.check()

    def overwrite(self, path: str, start: int, data: memoryview) -> None:
        """Write bytes of a contiguous dataset, which will be overwritten whole, to an offset."""
        write_all_at(self._raw, data, start + self._shift)
        stop = start + len(data)
        with self._noting:
            first, last = self._written.get(path, (start, stop))
            self._written[path] = (min(first, start), max(last, stop))

    @contextlib.contextmanager
    def dataset(self, path: str) -> Iterator[h5py.h5d.DatasetID]:
        """Complete the copy, and open a dataset of it while signals are delayed."""
        self._copy_the_rest()
        with delayed_signals():
            if self._file is None:
                self._library = LibraryFile(cast("BinaryIO", self._path.open("r+b", 0)))
                self._file = open_file(self._library, "r+")
                self._objects = PathOpener(self._file)
            self._touched[path] = None
            dataset = self._objects.dataset(path).id
            try:
                yield dataset
            finally:
                h5i.dec_ref(dataset)  # closing it may write

    def finish(self) -> None:
        """Complete the copy, and close it, which flushes the library's buffers."""
        with self._writing():
            self._write_scratch()
            self._copy_the_rest()
            if self._file is not None:
                with delayed_signals():
                    self._mark_indexes()
                    sizes = header_sizes(self._file)
                    addresses = [self._objects.address(path) for path in self._touched]
                    self._close_library()
                with self._path.open("r+b", 0) as copy, self._source.open("rb", 0) as original:
                    files = HeaderFile(copy, *sizes), HeaderFile(original, *sizes)
                    for address in addresses:
                        restore_times(*files, address)

    def _mark_indexes(self) -> None:
        """Mark PyTables' indexes of changed columns as out of date."""
        for name in sorted(self._changed):
            place = self._stored[name]
            index = index_of(self._file, place.path, place.member or "")
            if index is not None:
                mark_out_of_date(self._file, index)
                self._touched[index] = None

    def close(self) -> None:
        """Close the copy."""
        try:
            super().close()
            self._raw.close()
        finally:
            self._close_library()

    def _close_library(self) -> None:
        """Close the file of the HDF5 library, which flushes its buffers."""
        if self._file is not None:
            with delayed_signals():
                close_file(self._file)
        if self._library is not None:
            self._library.close()

"""The files that outputs write to: small writes, write-behind, preallocation, positions, maps."""

from __future__ import annotations

import contextlib
import io
import mmap
import os
import sys
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO, cast

from noisify.core.lazy_libraries import ctypes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from _typeshed import ReadableBuffer

_WAITING_BYTES = 1 << 23
_SYNC_FILE_RANGE_WRITE = 2
_PREALLOCATED_BYTES = 1 << 25
_MIN_FREE_BYTES = 1 << 30
_FALLOC_FL_KEEP_SIZE = 1
_PIECE_BYTES = 1 << 18


class InPieces(io.RawIOBase):
    """A file that passes data to the system in pieces of bounded size.

    For a large write Linux allocates large runs of page cache. In a virtual machine those are the
    runs that it has returned to its host, which has to provide them again: writing 1 GB took twice
    as long.

    Args:
        name: The file's name.
        descriptor: The open file; writing starts at its current position.
    """

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self._descriptor = descriptor
        self._place = os.lseek(descriptor, 0, os.SEEK_CUR)
        self._seeking = Lock()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def writable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position, and return it."""
        self._place = os.lseek(self._descriptor, offset, whence)
        return self._place

    def write(self, data: ReadableBuffer) -> int:
        """Write all of `data`, and return its size in bytes."""
        view = memoryview(data)
        if not view.nbytes:
            return 0
        view = view.cast("B")
        done = 0
        while done < len(view):
            count = os.write(self._descriptor, view[done : done + _to_border(self._place)])
            done += count
            self._place += count
            self._wrote(count, self._place)
        return done

    def write_at(self, data: memoryview, place: int) -> None:
        """Write at a position, thread-safely; `write` continues where it was."""
        if not hasattr(os, "pwrite"):
            with self._seeking:
                here = self.seek(0, os.SEEK_CUR)
                self.seek(place)
                self.write(data)
                self.seek(here)
                return
        while data:
            count = os.pwrite(self._descriptor, data[: _to_border(place)], place)
            data, place = data[count:], place + count
            self._wrote(count, place)

    def _wrote(self, count: int, end: int) -> None:
        """Called after `count` bytes were written, ending at `end`."""


class OwnedInPieces(InPieces):
    """An `InPieces` that closes its descriptor."""

    def close(self) -> None:
        """Close the descriptor, once."""
        if not self.closed:
            super().close()
            os.close(self._descriptor)


def _to_border(place: int) -> int:
    """Return how many bytes may be written at a position: up to the next multiple of a piece."""
    return _PIECE_BYTES - place % _PIECE_BYTES


class WrittenBehind(OwnedInPieces):
    """A file that is written to the disk continuously, not all at the final sync.

    Otherwise syncing a large output takes a good part of the run's time once more.
    """

    def __init__(self, name: str, descriptor: int) -> None:
        super().__init__(name, descriptor)
        self._waiting = 0
        self._counting = Lock()

    def _wrote(self, count: int, end: int) -> None:
        """Go on with the disk each time enough bytes have been written."""
        with self._counting:
            self._waiting += count
            if self._waiting < _WAITING_BYTES:
                return
            self._waiting = 0
        self._go_on(end)

    def _go_on(self, _: int) -> None:
        """Start writing to the disk what was written up to some position."""
        self.start_writing()

    def start_writing(self) -> None:
        """Ask the system to start writing its cached pages of the file, where that is supported.

        Syncing now and then would do the same, but commits the file system's journal each time.
        """
        if (start := _linux_function("sync_file_range")) is not None:
            start(self._descriptor, 0, 0, _SYNC_FILE_RANGE_WRITE)  # errors show in the final sync


class Preallocated(WrittenBehind):
    """A file of one writer for which disk space is reserved ahead.

    So the system need not find space for every page; nothing is reserved if the disk is nearly
    full. Flushing releases what was not used; preallocation never changes the file's size.
    """

    def __init__(self, name: str, descriptor: int) -> None:
        super().__init__(name, descriptor)
        self._preallocated = 0

    def _go_on(self, end: int) -> None:
        """Start writing to the disk, and preallocate if little space is left."""
        super()._go_on(end)
        with self._counting:
            start = self._preallocated
            if short := end + _WAITING_BYTES > start:
                start = max(end, start)
                self._preallocated = start + _PREALLOCATED_BYTES
        if short:
            preallocate(self._descriptor, start, _PREALLOCATED_BYTES)

    def flush(self) -> None:
        """Release the preallocated space; no data is buffered here."""
        if self._preallocated:
            self._preallocated = 0
            os.truncate(self._descriptor, os.fstat(self._descriptor).st_size)

    def close(self) -> None:
        """Release the preallocated space and close the file.

        Raises:
            OSError: If closing fails; the file counts as closed nevertheless.
        """
        try:
            with contextlib.suppress(OSError):  # nothing is lost
                self.flush()
        finally:
            self._preallocated = 0
            super().close()


def preallocate(descriptor: int, start: int, size: int, min_free: int = _MIN_FREE_BYTES) -> None:
    """Preallocate space if the disk has `min_free` bytes free; the file's size does not change."""
    if (allocate := _linux_function("fallocate64") or _linux_function("fallocate")) is not None:
        disk = os.fstatvfs(descriptor)
        if disk.f_bavail * disk.f_frsize >= min_free:
            allocate(descriptor, _FALLOC_FL_KEEP_SIZE, start, size)


@cache
def _linux_function(name: str) -> Callable[[int, int, int, int], int] | None:
    """Return a Linux function that Python does not wrap, or None where it is missing."""
    if sys.platform != "linux":
        return None
    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        number, offset = ctypes.c_int, ctypes.c_int64
        if name == "sync_file_range":
            function.argtypes = (number, offset, offset, number)
        else:
            function.argtypes = (number, number, offset, offset)
    return cast("Callable[[int, int, int, int], int] | None", function)


def open_written_behind(path: Path) -> BinaryIO:
    """Open an existing file for write-behind at any position."""
    return written_behind(path, os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0)))


def written_behind(path: Path, descriptor: int) -> BinaryIO:
    """Wrap a descriptor for write-behind; close it if that fails."""
    try:
        return cast("BinaryIO", Preallocated(str(path), descriptor))
    except BaseException:  # a signal too must not leave it open
        os.close(descriptor)
        raise


def write_all(file: BinaryIO, data: bytes | memoryview) -> None:
    """Write all of `data` to an unbuffered file, whose `write` may accept only a part."""
    view = memoryview(data).cast("B") if len(data) else memoryview(b"")
    while view:
        count = file.write(view)
        view = view[count or 0 :]


def can_write_at(file: BinaryIO) -> bool:
    """Return whether a file supports `write_all_at`."""
    return isinstance(file, Preallocated)


def write_all_at(file: BinaryIO, data: memoryview, place: int) -> None:
    """Write all of `data`, a view of bytes, at a position in a file; thread-safe."""
    cast("InPieces", file).write_at(data, place)


def reserve(file: BinaryIO, size: int) -> None:
    """Give an empty file its size; a full disk is an error now, not a crash in its map later."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.truncate(size)


def map_empty(file: BinaryIO, size: int) -> mmap.mmap:
    """Give an empty file its size, and map it for writing; close it if that fails."""
    try:
        reserve(file, size)
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_WRITE)
    except BaseException:  # a full disk, or a signal
        file.close()
        raise


def drop_from_memory(mapped: mmap.mmap) -> None:
    """Let go of a map's pages, so that a large file does not fill memory; its data stay."""
    if hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)

"""Files that outputs are written to: in pieces, written behind, at any place."""

from __future__ import annotations

import contextlib
import io
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
_RESERVED_BYTES = 1 << 25
_ROOM_BYTES = 1 << 30
_FALLOC_FL_KEEP_SIZE = 1
_PIECE_BYTES = 1 << 18


class InPieces(io.RawIOBase):
    """A file that is handed to the system in pieces that are not too large.

    For a large piece Linux finds its page cache memory in pieces as large. In a virtual machine
    those are the ones that it has given back to its host, which has to fetch them again: it took
    twice as long to write 1 GB.

    Args:
        name: What to call it.
        descriptor: The open file, at its start or wherever it is to go on.
    """

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self._descriptor = descriptor
        self._place = os.lseek(descriptor, 0, os.SEEK_CUR)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def writable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place, and return it."""
        self._place = os.lseek(self._descriptor, offset, whence)
        return self._place

    def write(self, data: ReadableBuffer) -> int:
        """Write all of `data`; return how many bytes that was."""
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

    def _wrote(self, count: int, end: int) -> None:
        """Take note that `count` bytes were written before `end`."""


class OwnedInPieces(InPieces):
    """One whose descriptor is closed with it."""

    def close(self) -> None:
        """Close the descriptor, once."""
        if not self.closed:
            super().close()
            os.close(self._descriptor)


def _to_border(place: int) -> int:
    """Return how many bytes may be written to a place at once: as far as the next whole piece."""
    return _PIECE_BYTES - place % _PIECE_BYTES


class WrittenBehind(InPieces):
    """A file whose data go to the disk while more are being made, not all at the end.

    Without it, syncing a large output takes as long again as a good part of the run. Room for what
    comes next is reserved ahead, so that the system need not look for it with every page; not where
    room is short, and might be wanted elsewhere. What is left of it is given back when the file is
    flushed; the file's size is never more than what is in it.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        super().__init__(str(path), descriptor)
        self._waiting = 0
        self._reserved = 0
        self._counting = Lock()
        self._seeking = Lock()

    def write_at(self, data: memoryview, place: int) -> None:
        """Write at a place, whatever other threads do; `write` goes on where it would have."""
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
        """Let the system begin to write, and reserve room, whenever enough has come together."""
        with self._counting:
            self._waiting += count
            if self._waiting < _WAITING_BYTES:
                return
            self._waiting = 0
            start = self._reserved
            if short := end + _WAITING_BYTES > start:
                start = max(end, start)
                self._reserved = start + _RESERVED_BYTES
        self.start_writing()
        if short:
            _reserve(self._descriptor, start, _RESERVED_BYTES)

    def start_writing(self) -> None:
        """Let the system begin to write what it holds of the file, where it can be told to.

        To sync now and then would do for that too, but commits the file system's journal each time.
        """
        if (start := _of_linux("sync_file_range")) is not None:
            start(self._descriptor, 0, 0, _SYNC_FILE_RANGE_WRITE)  # the sync at the end may fail

    def flush(self) -> None:
        """Give back the room that was reserved; no data are kept back."""
        if self._reserved:
            self._reserved = 0
            os.truncate(self._descriptor, os.fstat(self._descriptor).st_size)

    def close(self) -> None:
        """Close the file, without the room that was reserved.

        Raises:
            OSError: If the system says so; the file is closed nevertheless, and only once.
        """
        if self.closed:
            return
        try:
            with contextlib.suppress(OSError):  # nothing is lost
                self.flush()
        finally:
            self._reserved = 0
            super().close()
            os.close(self._descriptor)


def _reserve(descriptor: int, start: int, size: int) -> None:
    """Reserve room on a disk that has plenty, if it can be; the file's size stays what it is."""
    if (reserve := _of_linux("fallocate64") or _of_linux("fallocate")) is not None:
        disk = os.fstatvfs(descriptor)
        if disk.f_bavail * disk.f_frsize >= _ROOM_BYTES:
            reserve(descriptor, _FALLOC_FL_KEEP_SIZE, start, size)


@cache
def _of_linux(name: str) -> Callable[[int, int, int, int], int] | None:
    """Return a function of Linux that Python does not offer, or None."""
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
    """Open an existing file for writing at any place, written behind."""
    return written_behind(path, os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0)))


def written_behind(path: Path, descriptor: int) -> BinaryIO:
    """Return an open file, written behind; its descriptor is closed if that fails."""
    try:
        return cast("BinaryIO", WrittenBehind(path, descriptor))
    except BaseException:  # a signal too must not leave it open
        os.close(descriptor)
        raise


def write_all(file: BinaryIO, data: bytes | memoryview) -> None:
    """Write all of `data` to an unbuffered file, which may take it in pieces."""
    view = memoryview(data).cast("B") if len(data) else memoryview(b"")
    while view:
        count = file.write(view)
        view = view[count or 0 :]


def takes_places(file: BinaryIO) -> bool:
    """Return whether `write_all_at` can write to a file."""
    return isinstance(file, WrittenBehind)


def write_all_at(file: BinaryIO, data: memoryview, place: int) -> None:
    """Write all of `data`, which are bytes, to a place in a file; several threads may at once."""
    cast("WrittenBehind", file).write_at(data, place)

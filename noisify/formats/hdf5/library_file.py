"""A file that the HDF5 library reads or writes, which never tells it of a failure.

A failed write or close leaves the library with a file that it can neither finish nor forget: the
process crashes later. So it is told that all went well, and the failure is raised afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from noisify.files.write_behind import write_all

if TYPE_CHECKING:
    from collections.abc import Callable


class LibraryFile:
    """An open file for h5py; after a failure nothing more is written.

    Args:
        file: An open file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._failure: BaseException | None = None
        self._file = file

    def check(self) -> None:
        """Raise what went wrong so far."""
        if self._failure is not None:
            raise self._failure

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a place, and return it."""
        return self._tried(lambda: self._file.seek(offset, whence))

    def tell(self) -> int:
        """Return the place."""
        return self._tried(self._file.tell)

    def read(self, size: int) -> bytes:
        """Return so many bytes, as `readinto` does; h5py knows a file by it."""
        buffer = bytearray(size)
        self.readinto(memoryview(buffer))
        return bytes(buffer)

    def readinto(self, buffer: memoryview) -> int:
        """Fill a buffer, with zeros after a failure and the file's end."""
        view = memoryview(buffer).cast("B")
        count = self._tried(lambda: self._fill(view))
        view[count:] = bytes(len(view) - count)
        return len(view)

    def _fill(self, view: memoryview) -> int:
        count = 0
        while count < len(view) and (some := self._file.readinto(view[count:])):  # type: ignore[attr-defined]
            count += some
        return count

    def write(self, data: memoryview) -> int:
        """Write all of `data`."""
        view = memoryview(data).cast("B")
        self._tried(lambda: self._write_all(view))
        return len(view)

    def _write_all(self, view: memoryview) -> int:
        write_all(self._file, view)
        return len(view)

    def truncate(self, size: int) -> int:
        """Set the file's size."""
        self._tried(lambda: self._file.truncate(size))
        return size

    def flush(self) -> None:
        """Do nothing: nothing is kept back."""

    def close(self) -> None:
        """Close the file, once the library has."""
        self._tried(lambda: self._file.close() or 0)

    def _tried(self, do: Callable[[], int]) -> int:
        """Do something unless something has failed; return 0 and remember why if it fails."""
        if self._failure is None:
            try:
                return do()
            except BaseException as error:  # noqa: BLE001 - a signal too must not reach the library
                self._failure = error
        return 0

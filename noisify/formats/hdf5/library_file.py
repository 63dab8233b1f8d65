"""A file object for the HDF5 library that hides failures from it.

After a failed write or close, the library can neither finish nor forget the file, and the process
crashes later. So the library is told of success, and the failure is raised afterwards.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from noisify.files.input import read_into
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
        """Raise the first failure, if there was one."""
        if self._failure is not None:
            raise self._failure

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to an offset, and return it."""
        return self._tried(lambda: self._file.seek(offset, whence))

    def tell(self) -> int:
        """Return the current offset."""
        return self._tried(self._file.tell)

    def read(self, size: int) -> bytes:
        """Read as `readinto` does; h5py recognises file objects by this method."""
        buffer = bytearray(size)
        self.readinto(memoryview(buffer))
        return bytes(buffer)

    def readinto(self, buffer: memoryview) -> int:
        """Fill a buffer, with zeros after a failure or the end of the file."""
        view = memoryview(buffer).cast("B")
        count = self._tried(lambda: read_into(self._file, view))
        view[count:] = bytes(len(view) - count)
        return len(view)

    def write(self, data: memoryview) -> int:
        """Write all of `data`."""
        view = memoryview(data).cast("B")
        self._tried(partial(write_all, self._file, view))
        return len(view)

    def truncate(self, size: int) -> int:
        """Set the file's size."""
        self._tried(lambda: self._file.truncate(size))
        return size

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""

    def close(self) -> None:
        """Close the file, after the library has closed it."""
        self._tried(self._file.close)

    def _tried(self, do: Callable[[], int | None]) -> int:
        """Run an operation unless an earlier one failed; record its failure, and then return 0."""
        if self._failure is None:
            try:
                return do() or 0
            except BaseException as error:  # noqa: BLE001 - a signal too must not reach the library
                self._failure = error
        return 0

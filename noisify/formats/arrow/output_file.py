"""Adapt outputs to the file objects that pyarrow writes to."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from noisify.files.write_behind import write_all

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from noisify.files.output import Output


class WholeWrites(io.RawIOBase):
    """A file object for pyarrow that always writes all it is given to an output.

    Closing it leaves the output's own file open.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._place = 0

    def write(self, data: ReadableBuffer) -> int:
        """Write all of `data`; return its size in bytes."""
        view = memoryview(data)
        write_all(self._output.file, view)
        self._place += view.nbytes
        return view.nbytes

    def skip(self, size: int) -> None:
        """Count bytes as written that others write."""
        self._place += size

    def writable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the number of bytes written so far."""
        return self._place

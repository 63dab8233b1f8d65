"""Adapt outputs to the file objects that pyarrow writes to."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from noisify.files.write_behind import write_all

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from noisify.files.output import Output

_TOGETHER_BYTES = 1 << 18


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
        """Count bytes that are written past this object as written."""
        self._place += size

    def writable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the number of bytes written so far."""
        return self._place


class GatheredWrites(WholeWrites):
    """A file object that hands small writes on together; after the last one, call `finish`."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self._waiting: list[ReadableBuffer] = []
        self._waiting_bytes = 0

    def write(self, data: ReadableBuffer) -> int:
        """Keep `data` until there is enough to write; return its size in bytes."""
        size = memoryview(data).nbytes
        self._waiting.append(data)
        self._waiting_bytes += size
        if self._waiting_bytes >= _TOGETHER_BYTES:
            self.finish()
        return size

    def tell(self) -> int:
        """Return the number of bytes given so far."""
        return self._place + self._waiting_bytes

    def finish(self) -> None:
        """Write the data that were kept."""
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        for data in waiting if len(waiting) == 1 else [b"".join(waiting)]:
            super().write(data)

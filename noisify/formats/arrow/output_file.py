"""Outputs as the files that Arrow writes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.files.write_behind import write_all

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from noisify.files.output import Output


class WholeWrites:
    """An output that takes whatever it is given; what pyarrow asks of a Python file."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._place = 0
        self.closed = False

    def write(self, data: ReadableBuffer) -> int:
        """Write all of `data`; return how many bytes that was."""
        view = memoryview(data)
        write_all(self._output.file, view)
        self._place += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """Return how many bytes have been written."""
        return self._place

    def flush(self) -> None:
        """Do nothing: nothing is kept back."""

    def close(self) -> None:
        """Do nothing: the output closes its file."""

"""Write NPY files."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from noisify.core.overriding import override
from noisify.files.write_behind import can_write_at, write_all, write_all_at
from noisify.formats.array_source import ArrayPiece
from noisify.formats.interface import Sink
from noisify.formats.npy.boxes import BoxedFile
from noisify.formats.npy.header import Header, resized, with_extent
from noisify.formats.numpy_fields import put_back, raw_bytes
from noisify.formats.row_selection import RowsOfBoxes, with_copies_of_box

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from noisify.core.chunk import Chunk
    from noisify.files.output import Output
    from noisify.formats.array_source import ElementsPart
    from noisify.formats.interface import NoisyColumn


class NpySink(Sink[ArrayPiece, ArrayPiece]):
    """An NPY file being written.

    Args:
        header: Its header.
        output: Where to write.
        part: The part of the file that is written, or None for all of it.
        positional: Whether the workers may write pieces to their positions.
    """

    def __init__(
        self,
        header: Header,
        output: Output,
        part: ElementsPart | None = None,
        *,
        positional: bool = False,
    ) -> None:
        self._output = output
        self._header = header
        bare = part is not None and not part.share.is_first
        first = 0 if part is None else part.elements.start
        self._start = (0 if bare else len(header.text)) - first * header.dtype.itemsize
        self.positional = positional and can_write_at(output.file)
        self._written = 0
        self._other_rows = False
        self._array: BoxedFile | None = None
        self._rows_of_boxes: RowsOfBoxes | None = None
        self._in_boxes = bool(header.fortran and header.count)
        if not bare and not self._in_boxes:
            write_all(output.file, self._header.text)

    @override
    def expect_rows(self, count: Callable[[int], int]) -> None:
        """Rewrite the header with room for a longer shape; in Fortran order, with the new shape."""
        if self._in_boxes:
            self._header = resized(self._header, count(self._header.shape[0]))
            self._rows_of_boxes = RowsOfBoxes()
        elif self._header.count:
            self._other_rows = True
            self._header = with_extent(self._header, self._header.shape[0])
            self._output.file.seek(0)
            write_all(self._output.file, self._header.text)

    @override
    def with_rows(self, versions: Sequence[ArrayPiece], copies: NDArray[np.int64]) -> ArrayPiece:
        """Drop or repeat the rows of a piece along the first axis."""
        box = versions[0].box
        values = with_copies_of_box([one.values for one in versions], copies, box)
        return ArrayPiece.of(values, versions[0].positions, box)

    @override
    def encode(self, raw: ArrayPiece, chunk: Chunk, noisy: Sequence[NoisyColumn]) -> ArrayPiece:
        """Put the noisy values into the piece."""
        return ArrayPiece.of(put_back(raw.values, noisy), raw.positions, raw.box) if noisy else raw

    def write_at_position(self, encoded: ArrayPiece) -> None:
        """Write a piece to its position."""
        start = int(encoded.positions.starts[0]) * self._header.dtype.itemsize
        write_all_at(self._output.file, raw_bytes(encoded.values).data, self._start + start)

    def write(self, encoded: ArrayPiece) -> None:
        """Write one piece at the end, or at its place in a Fortran-order array."""
        box = encoded.box
        if box is None:
            self._written += encoded.values.size
            write_all(self._output.file, raw_bytes(encoded.values).data)
            return
        if self._array is None:
            file = self._output.local_path().open("r+b")
            self._array = BoxedFile(self._header, file, self._header.text)
        if self._rows_of_boxes is not None:
            box = self._rows_of_boxes.place(box, len(encoded.values))
        if encoded.values.size:
            self._array.write(box, encoded.values)

    @override
    def finish(self) -> None:
        """Update the number of rows in the header if rows were dropped or repeated."""
        if self._other_rows:
            rows = self._written // prod(self._header.shape[1:])
            text = with_extent(self._header, rows).text
            write_all_at(self._output.file, memoryview(text), 0)

    def close(self) -> None:
        """Close the file of an array in Fortran order."""
        if self._array is not None:
            self._array.close()

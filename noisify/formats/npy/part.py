"""Parts of NPY files: raw elements, after the header of the whole in the first part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.overriding import override
from noisify.formats.interface import Part, Reading, not_cut
from noisify.formats.npy.sink import NpySink
from noisify.formats.npy.source import ArrayPiece, ranges_with_halo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.core.chunk import Field
    from noisify.core.share import Share
    from noisify.files.output import Output
    from noisify.formats.npy.source import NpySource


class NpyPart(Part[ArrayPiece]):
    """Some rows of an NPY file, along its first axis.

    Args:
        source: The file.
        share: Which part it is.

    Raises:
        UsageError: If the array is in Fortran order.
    """

    def __init__(self, source: NpySource, share: Share) -> None:
        header = source.header
        if header.fortran:
            raise not_cut("is in Fortran order")
        self.share = share
        self._source = source
        rows = header.shape[0] if header.shape else 1
        width = header.count // max(1, rows)
        mine = share.of(rows)
        self._elements = range(mine.start * width, mine.stop * width)
        before = mine.start * width * header.dtype.itemsize
        self.place = 0 if share.is_first else len(header.text) + before

    @override
    def read(self, groups: Sequence[Sequence[Field]], size: int, halo: int) -> Reading[ArrayPiece]:
        """Read consecutive elements."""
        header, mine = self._source.header, self._elements
        ranges = ranges_with_halo(mine, halo, header.count, self._source.piece_elements(size))
        return Reading(
            self._source.pieces_at(ranges if header.dtype.itemsize else ()),
            lazy=True,
            beyond=lambda piece: int(piece.positions.starts[0]) not in mine,
        )

    @override
    def rewrite(self, output: Output, noised: frozenset[str]) -> NpySink:
        """Open a sink for the elements."""
        return NpySink(
            self._source.header,
            output,
            positional=True,
            first=self._elements.start,
            bare=not self.share.is_first,
        )

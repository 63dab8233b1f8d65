"""The NPY format: ties its source and sink together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.overriding import override
from noisify.formats.interface import Format
from noisify.formats.npy.header import repeated
from noisify.formats.npy.part import NpyPart
from noisify.formats.npy.sink import NpySink
from noisify.formats.npy.source import NpySource

if TYPE_CHECKING:
    from noisify.core.share import Share
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.read_options import ReadOptions


class NpyFormat(Format[NpySource]):
    """NPY files, of one array each."""

    title = "NPY"

    @override
    def open_source(self, source: Input, options: ReadOptions) -> NpySource:
        """Open an NPY file."""
        return NpySource(source)

    @override
    def rewrite(self, source: NpySource, output: Output, noised: frozenset[str]) -> NpySink:
        """Open an NPY file for writing, with the header of the source."""
        return NpySink(source.header, output, positional=source.lazy)

    @override
    def append(
        self, source: NpySource, output: Output, passes: int, noised: frozenset[str]
    ) -> NpySink:
        """Open an NPY file of the array repeated along its first axis.

        Raises:
            UsageError: If it cannot be repeated.
        """
        return NpySink(repeated(source.header, passes), output)

    @override
    def parts(self, source: NpySource, most: int) -> int:
        """Return as many as wanted, of one row at least; arrays in Fortran order are not cut."""
        header = source.header
        rows = header.shape[0] if header.shape and not header.fortran else 1
        return max(1, min(most, rows))

    @override
    def cut(self, source: NpySource, share: Share, jobs: int, bounds: None = None) -> NpyPart:
        """Return a share of the rows along the first axis."""
        return NpyPart(source, share)


FORMAT = NpyFormat()

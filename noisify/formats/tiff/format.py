"""The TIFF format: ties its source and sink together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.overriding import override
from noisify.formats.interface import Format
from noisify.formats.tiff.source import TiffSink, TiffSource

if TYPE_CHECKING:
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.read_options import ReadOptions


class TiffFormat(Format[TiffSource]):
    """TIFF files of one or several images."""

    title = "TIFF"

    @override
    def open_source(self, source: Input, options: ReadOptions) -> TiffSource:
        """Open a TIFF file."""
        return TiffSource(source)

    @override
    def rewrite(self, source: TiffSource, output: Output, noised: frozenset[str]) -> TiffSink:
        """Copy the source, to overwrite its samples."""
        return TiffSink(source, output)


FORMAT = TiffFormat()

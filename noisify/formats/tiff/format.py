"""The TIFF format: ties its source and sink together."""

from __future__ import annotations

from noisify.formats.interface import Format
from noisify.formats.tiff.sink import TiffSink
from noisify.formats.tiff.source import TiffSource

FORMAT = Format(
    open_source=lambda source, _: TiffSource(source),
    rewrite=lambda source, output, _: TiffSink(source, output),
)

"""The WAV format: ties its source and sink together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.overriding import override
from noisify.formats.interface import Format
from noisify.formats.wav.part import WavPart
from noisify.formats.wav.sink import WavSink
from noisify.formats.wav.source import WavSource

if TYPE_CHECKING:
    from noisify.core.share import Share
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.read_options import ReadOptions


class WavFormat(Format[WavSource]):
    """WAV files."""

    title = "WAV"

    @override
    def open_source(self, source: Input, options: ReadOptions) -> WavSource:
        """Open a WAV file."""
        return WavSource(source)

    @override
    def rewrite(self, source: WavSource, output: Output, noised: frozenset[str]) -> WavSink:
        """Start a WAV file with the header of the source."""
        return WavSink(source, output)

    @override
    def parts(self, source: WavSource, most: int) -> int:
        """Return as many as wanted, of one frame at least."""
        frames = (source.length(source.fields[0]) or 0) // source.header.channels
        return max(1, min(most, frames))

    @override
    def cut(self, source: WavSource, share: Share, jobs: int, bounds: None = None) -> WavPart:
        """Return a share of the frames."""
        return WavPart(source, share)


FORMAT = WavFormat()

"""Parts of WAV files: raw frames, with what is around them in the first and the last part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.overriding import override
from noisify.formats.interface import Part, Reading
from noisify.formats.npy.source import ranges_with_halo
from noisify.formats.wav.sink import WavSink
from noisify.formats.wav.source import SamplesPiece

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.core.chunk import Field
    from noisify.core.share import Share
    from noisify.files.output import Output
    from noisify.formats.wav.source import WavSource


class WavPart(Part[SamplesPiece]):
    """Some frames of a WAV file.

    Args:
        source: The file.
        share: Which part it is.
    """

    def __init__(self, source: WavSource, share: Share) -> None:
        self.share = share
        self._source = source
        self._count = source.length(source.fields[0]) or 0
        channels = source.header.channels
        mine = share.of(self._count // channels)
        stop = self._count if share.is_last else mine.stop * channels  # perhaps a partial frame
        self._samples = range(mine.start * channels, stop)
        before = mine.start * channels * source.header.samples.width
        self.place = 0 if share.is_first else len(source.head()) + before

    @override
    def read(
        self, groups: Sequence[Sequence[Field]], size: int, halo: int
    ) -> Reading[SamplesPiece]:
        """Read consecutive samples; the last part reads what follows them too."""
        mine, header = self._samples, self._source.header
        frame = header.samples.width * header.channels
        count = max(1, size // frame) * header.channels
        ranges = ranges_with_halo(mine, halo, self._count, count)
        if self.share.is_last:
            self._source.read_rest()
        return Reading(
            self._source.pieces_at(ranges),
            beyond=lambda piece: int(piece.positions.starts[0]) not in mine,
        )

    @override
    def rewrite(self, output: Output, noised: frozenset[str]) -> WavSink:
        """Open a sink for the frames."""
        return WavSink(self._source, output, self.share)

"""The WAV format: ties its source and sink together."""

from __future__ import annotations

from noisify.formats.interface import Cutting, Format
from noisify.formats.wav.part import WavPart
from noisify.formats.wav.sink import WavSink
from noisify.formats.wav.source import WavSource


def _frames(source: WavSource) -> int:
    return (source.length(source.fields[0]) or 0) // source.header.channels


FORMAT = Format(
    open_source=lambda source, _: WavSource(source),
    rewrite=lambda source, output, _: WavSink(source, output),
    cutting=Cutting(
        cut=lambda source, share, *_: WavPart(source, share),
        most=lambda source, most: max(1, min(most, _frames(source))),
    ),
)

"""The WAV format: ties its source and sink together."""

from __future__ import annotations

from functools import partial

from noisify.formats.array_source import ElementsPart
from noisify.formats.interface import Cutting, Format
from noisify.formats.wav.source import WavSink, WavSource

FORMAT = Format(
    open_source=lambda source, _: WavSource(source),
    rewrite=lambda source, output, _: WavSink(source, output),
    cutting=Cutting(
        cut=lambda source, share, *_: ElementsPart(source, share, partial(WavSink, source)),
        most=lambda source, most: source.parts(most),
    ),
)

"""The NPZ format: ties its source and sink together."""

from __future__ import annotations

from functools import partial

from noisify.formats.interface import Format
from noisify.formats.npz.sink import NpzSink
from noisify.formats.npz.source import NpzSource

FORMAT = Format(
    open_source=lambda source, _: NpzSource(source),
    rewrite=NpzSink,
    restore=partial(NpzSink, in_units=False),  # to the byte, if NumPy wrote it with this zlib
    without_rows="the arrays of an NPZ file share none",
)

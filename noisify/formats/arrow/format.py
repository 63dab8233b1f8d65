"""The Arrow IPC format: ties its source and sink together."""

from __future__ import annotations

from noisify.formats.arrow.ipc import ArrowSink, ArrowSource
from noisify.formats.interface import Format

FORMAT = Format(
    open_source=lambda source, _: ArrowSource(source),
    rewrite=ArrowSink,
    append=lambda source, output, _, noised: ArrowSink(source, output, noised),
)

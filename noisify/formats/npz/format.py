"""The NPZ format: ties its source and sink together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.overriding import override
from noisify.formats.interface import Format
from noisify.formats.npz.sink import NpzSink
from noisify.formats.npz.source import NpzSource

if TYPE_CHECKING:
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.read_options import ReadOptions


class NpzFormat(Format[NpzSource]):
    """An archive of arrays."""

    title = "NPZ"
    without_rows = "the arrays of an NPZ file share none"

    @override
    def open_source(self, source: Input, options: ReadOptions) -> NpzSource:
        """Open an NPZ file."""
        return NpzSource(source)

    def rewrite(self, source: NpzSource, output: Output, noised: frozenset[str]) -> NpzSink:
        """Open an NPZ file for writing, like the source."""
        return NpzSink(source, output, noised)

    def restore_into(self, source: NpzSource, output: Output, noised: frozenset[str]) -> NpzSink:
        """Open an NPZ file that is the original to the byte if NumPy wrote it with this zlib."""
        return NpzSink(source, output, noised, in_units=False)


FORMAT = NpzFormat()

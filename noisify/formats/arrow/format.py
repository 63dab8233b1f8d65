"""Arrow IPC: what ties its source and sink together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.overriding import override
from noisify.formats.arrow.ipc import ArrowSink, ArrowSource
from noisify.formats.interface import Format

if TYPE_CHECKING:
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.read_options import ReadOptions


class ArrowFormat(Format[ArrowSource]):
    """Files and streams of record batches."""

    title = "Arrow IPC"

    @override
    def open_source(self, source: Input, options: ReadOptions) -> ArrowSource:  # it says it all
        """Open an Arrow IPC file or stream."""
        return ArrowSource(source)

    @override
    def rewrite(
        self,
        source: ArrowSource,
        output: Output,
        passes: int = 1,  # batches may follow batches
        noised: frozenset[str] = frozenset(),
    ) -> ArrowSink:
        """Start a file or stream like the source's."""
        return ArrowSink(source, output, noised)


FORMAT = ArrowFormat()

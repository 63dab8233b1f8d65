"""The Arrow IPC format: ties its source and sink together."""

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
    """Arrow IPC files and streams of record batches."""

    title = "Arrow IPC"

    @override
    def open_source(self, source: Input, options: ReadOptions) -> ArrowSource:
        """Open an Arrow IPC file or stream."""
        return ArrowSource(source)

    @override
    def rewrite(self, source: ArrowSource, output: Output, noised: frozenset[str]) -> ArrowSink:
        """Open a file or stream for writing, with the schema of the source."""
        return ArrowSink(source, output, noised)

    @override
    def append(
        self, source: ArrowSource, output: Output, passes: int, noised: frozenset[str]
    ) -> ArrowSink:
        """Open the same sink: further record batches simply follow."""
        return ArrowSink(source, output, noised)


FORMAT = ArrowFormat()

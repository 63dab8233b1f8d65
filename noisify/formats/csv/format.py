"""CSV and TSV: what ties their source and sink together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.overriding import override
from noisify.formats.csv.sink import DelimitedSink
from noisify.formats.csv.source import DelimitedSource
from noisify.formats.interface import Format

if TYPE_CHECKING:
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.read_options import ReadOptions


class CsvFormat(Format[DelimitedSource]):
    """Tables of text."""

    title = "CSV"

    def open_source(self, source: Input, options: ReadOptions) -> DelimitedSource:
        """Open a CSV or TSV file."""
        return DelimitedSource(source, options)

    @override
    def rewrite(
        self,
        source: DelimitedSource,
        output: Output,
        passes: int = 1,  # one header, whatever follows
        noised: frozenset[str] = frozenset(),
    ) -> DelimitedSink:
        """Start a table like the source."""
        return DelimitedSink(source, output)


FORMAT = CsvFormat()

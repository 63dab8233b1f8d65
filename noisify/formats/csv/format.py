"""The CSV and TSV format: ties its source and sink together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.overriding import override
from noisify.formats.csv.part import CsvPart
from noisify.formats.csv.sink import DelimitedSink
from noisify.formats.csv.source import DelimitedSource
from noisify.formats.interface import Format

if TYPE_CHECKING:
    from noisify.core.share import Share
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.read_options import ReadOptions


class CsvFormat(Format[DelimitedSource]):
    """CSV and TSV tables."""

    title = "CSV"

    def open_source(self, source: Input, options: ReadOptions) -> DelimitedSource:
        """Open a CSV or TSV file."""
        return DelimitedSource(source, options)

    @override
    def rewrite(
        self, source: DelimitedSource, output: Output, noised: frozenset[str]
    ) -> DelimitedSink:
        """Open a table for writing, with the header and layout of the source."""
        return DelimitedSink(source, output)

    @override
    def append(
        self, source: DelimitedSource, output: Output, passes: int, noised: frozenset[str]
    ) -> DelimitedSink:
        """Open the same sink: further records simply follow."""
        return DelimitedSink(source, output)

    @override
    def cut(self, source: DelimitedSource, share: Share, jobs: int) -> CsvPart:
        """Return the records that start in a share of the file's bytes."""
        return CsvPart(source, share, jobs)


FORMAT = CsvFormat()

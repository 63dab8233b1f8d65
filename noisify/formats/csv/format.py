"""The CSV and TSV format: ties its source and sink together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noisify.core.lazy import LazyModule
from noisify.core.overriding import override
from noisify.formats.csv.sink import DelimitedSink
from noisify.formats.csv.source import DelimitedSource
from noisify.formats.interface import Format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.core.share import Share
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.csv import part
    from noisify.formats.csv.part import CsvBounds, CsvPart
    from noisify.formats.read_options import ReadOptions
else:
    part = LazyModule("noisify.formats.csv.part")


class CsvFormat(Format[DelimitedSource]):
    """CSV and TSV tables."""

    title = "CSV"
    scans = True

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
    def parts(self, source: DelimitedSource, most: int) -> int:
        """Return `most`, if the file can be read from the middle."""
        return 1 if source.text.path is None else most

    @override
    def scan(self, source: DelimitedSource, share: Share) -> object:
        """Look for record starts in a share of the file's bytes."""
        return part.scan_share(source, share)

    @override
    def bounds(
        self, source: DelimitedSource, scanned: Sequence[Any], halo: int
    ) -> Sequence[CsvBounds]:
        """Return where the records of each part start."""
        return part.bounds_of(source, scanned, halo)

    @override
    def cut(
        self, source: DelimitedSource, share: Share, jobs: int, bounds: CsvBounds | None = None
    ) -> CsvPart:
        """Return the records that start in a share of the file's bytes."""
        return part.CsvPart(source, share, bounds or part.find_bounds(source, share, jobs))


FORMAT = CsvFormat()

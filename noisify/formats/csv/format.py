"""CSV and TSV: what ties their source, sink and masks together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.overriding import override
from noisify.formats.csv.sink import DelimitedSink
from noisify.formats.csv.source import DelimitedSource
from noisify.formats.interface import Format

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from noisify.core.chunk import Field
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.interface import MaskSink
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

    @override
    def open_mask(
        self,
        source: DelimitedSource,  # a mask is a CSV whatever the table is
        output: Output,
        noised: Sequence[Field],
        *,
        values: bool,
    ) -> MaskSink:
        """Start a CSV that says which cells changed."""
        from noisify.formats.csv.mask import CsvMask  # noqa: PLC0415 - a rare wish

        return CsvMask(output, noised, values=values)

    def restore(
        self,
        source: DelimitedSource,
        mask: Input,
        output: Output,
        size: int,
        progress: Callable[[int], None],
    ) -> int:
        """Give a file back as it was; see `mask`."""
        from noisify.formats.csv import mask as csv_mask  # noqa: PLC0415 - a rare wish

        return csv_mask.restore(source, mask, output, size, progress)


FORMAT = CsvFormat()

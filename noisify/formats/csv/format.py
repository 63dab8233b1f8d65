"""The CSV and TSV format: ties its source and sink together."""

from __future__ import annotations

from noisify.formats.csv import part
from noisify.formats.csv.sink import DelimitedSink
from noisify.formats.csv.source import DelimitedSource
from noisify.formats.interface import Cutting, Format

FORMAT = Format(
    open_source=DelimitedSource,
    rewrite=lambda source, output, _: DelimitedSink(source, output),
    append=lambda source, output, *_: DelimitedSink(source, output),
    cutting=Cutting(
        cut=lambda source, share, jobs, bounds: part.CsvPart(
            source, share, bounds or part.find_bounds(source, share, jobs)
        ),
        most=lambda source, most: 1 if source.text.path is None else most,
        scan=lambda *given: part.scan_share(*given),  # noqa: PLW0108 - loads the module late
        bounds=lambda *given: part.bounds_of(*given),  # noqa: PLW0108 - likewise
    ),
)

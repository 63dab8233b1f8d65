"""HDF5: what ties its source and sink together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.overriding import override
from noisify.formats.hdf5.part import Hdf5Part
from noisify.formats.hdf5.sink import Hdf5Sink
from noisify.formats.hdf5.source import Hdf5Source
from noisify.formats.interface import Format

if TYPE_CHECKING:
    from noisify.core.share import Share
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.read_options import ReadOptions


class Hdf5Format(Format[Hdf5Source]):
    """A tree of datasets."""

    title = "HDF5"
    without_rows = "the datasets of an HDF5 file share none"

    @override
    def open_source(self, source: Input, options: ReadOptions) -> Hdf5Source:
        """Open an HDF5 file."""
        return Hdf5Source(source)

    def rewrite(self, source: Hdf5Source, output: Output, noised: frozenset[str]) -> Hdf5Sink:
        """Start a copy of the source."""
        positional = bool(noised) and source.is_contiguous(noised)
        return Hdf5Sink(source.path, source.stored, output, positional=positional)

    @override
    def parts(self, source: Hdf5Source, most: int) -> int:
        """Return as many as wanted if all datasets are contiguous."""
        return source.parts(most)

    @override
    def cut(self, source: Hdf5Source, share: Share, jobs: int, bounds: None = None) -> Hdf5Part:
        """Return a share of the bytes."""
        return Hdf5Part(source, share)


FORMAT = Hdf5Format()

"""The HDF5 format: ties its source and sink together, and cuts files into parts."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from noisify.core.overriding import override
from noisify.formats.datasets.pieces import long_axis
from noisify.formats.datasets.source import DatasetsPart
from noisify.formats.hdf5.sink import Hdf5Sink
from noisify.formats.hdf5.source import Hdf5Source
from noisify.formats.interface import Cutting, Format, not_cut

if TYPE_CHECKING:
    from noisify.core.share import Share
    from noisify.files.output import Output
    from noisify.formats.datasets.pieces import Cut
    from noisify.formats.datasets.storage import Storage


class Hdf5Part(DatasetsPart[Hdf5Source]):
    """A range of the bytes of an HDF5 file, which cuts no row of a contiguous dataset.

    Args:
        source: The file.
        share: Which part it is.
    """

    def __init__(self, source: Hdf5Source, share: Share) -> None:
        super().__init__(source, share)
        self._datasets = source.contiguous(source.stored)
        mine = share.of(source.path.stat().st_size)
        start, stop = (self._between_rows(end) for end in (mine.start, mine.stop))
        self._span = range(start, stop)
        self.place = start

    def _between_rows(self, place: int) -> int:
        """Return the first place at or after another in the file that is not within a row."""
        for one in self._datasets.values():
            width = one.dtype.itemsize * prod(one.shape[long_axis(one.shape) + 1 :])
            if one.offset < place < one.offset + one.count * one.dtype.itemsize:
                return one.offset + -(-(place - one.offset) // width) * width
        return place

    @override
    def _rows(self, found: Cut, storage: Storage) -> range:
        """Return the rows that lie in the range.

        Raises:
            UsageError: If the range ends within a row of this dataset.
        """
        if self._noised is None:
            return self.share.of(found.rows)
        offset, total = self._datasets[storage.path].offset, found.rows
        width = storage.count // max(1, total) * storage.dtype.itemsize
        ends = [
            min(max(0, end - offset), total * width) for end in (self._span.start, self._span.stop)
        ]
        if any(end % width for end in ends):
            raise not_cut(f"has fields of several shapes that need each other, as {storage.path}")
        return range(ends[0] // width, ends[1] // width)

    @override
    def rewrite(self, output: Output, noised: frozenset[str]) -> Hdf5Sink:
        """Open a sink for the range.

        Raises:
            UsageError: If a field that gets noise has no known position in the file.
        """
        source = self._source
        places = {name: source.stored[name] for name in sorted(noised)}
        paths = {place.path: name for name, place in places.items() if place.count}
        for path, name in paths.items():
            if path not in self._datasets:
                raise not_cut(f"has {name!r} in chunks, compressed or unwritten, not contiguous")
        self._noised = {*(self._noised or ()), *paths}
        return Hdf5Sink(source.path, source.stored, output, positional=True, span=self._span)


def _rewrite(source: Hdf5Source, output: Output, noised: frozenset[str]) -> Hdf5Sink:
    positional = bool(noised) and source.is_contiguous(noised)
    return Hdf5Sink(source.path, source.stored, output, positional=positional)


FORMAT = Format(
    open_source=lambda source, _: Hdf5Source(source),
    rewrite=_rewrite,
    cutting=Cutting(cut=lambda source, share, *_: Hdf5Part(source, share), most=Hdf5Source.parts),
    without_rows="the datasets of an HDF5 file share none",
)

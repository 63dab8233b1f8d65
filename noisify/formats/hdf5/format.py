"""HDF5: what ties its source and sink together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.formats.hdf5.part import Hdf5Part
from noisify.formats.hdf5.sink import Hdf5Sink
from noisify.formats.hdf5.source import Hdf5Source
from noisify.formats.interface import Cutting, Format

if TYPE_CHECKING:
    from noisify.files.output import Output


def _rewrite(source: Hdf5Source, output: Output, noised: frozenset[str]) -> Hdf5Sink:
    positional = bool(noised) and source.is_contiguous(noised)
    return Hdf5Sink(source.path, source.stored, output, positional=positional)


FORMAT = Format(
    open_source=lambda source, _: Hdf5Source(source),
    rewrite=_rewrite,
    cutting=Cutting(cut=lambda source, share, *_: Hdf5Part(source, share), most=Hdf5Source.parts),
    without_rows="the datasets of an HDF5 file share none",
)

"""The NPY format: ties its source and sink together."""

from __future__ import annotations

from noisify.formats.interface import Cutting, Format
from noisify.formats.npy.header import repeated
from noisify.formats.npy.part import NpyPart
from noisify.formats.npy.sink import NpySink
from noisify.formats.npy.source import NpySource


def _most_parts(source: NpySource, most: int) -> int:
    """Return as many as wanted, of one row at least; arrays in Fortran order are not cut."""
    header = source.header
    rows = header.shape[0] if header.shape and not header.fortran else 1
    return max(1, min(most, rows))


FORMAT = Format(
    open_source=lambda source, _: NpySource(source),
    rewrite=lambda source, output, _: NpySink(source.header, output, positional=source.lazy),
    append=lambda source, output, passes, _: NpySink(repeated(source.header, passes), output),
    cutting=Cutting(cut=lambda source, share, *_: NpyPart(source, share), most=_most_parts),
)

"""The NPY format: ties its source and sink together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from noisify.formats.array_source import ElementsPart
from noisify.formats.interface import Cutting, Format, not_cut
from noisify.formats.npy.header import repeated
from noisify.formats.npy.sink import NpySink
from noisify.formats.npy.source import NpySource

if TYPE_CHECKING:
    from noisify.core.share import Share


def _part(source: NpySource, share: Share, *_: object) -> ElementsPart:
    """Return some rows of an array, after its header if they are the first.

    Raises:
        UsageError: If it is in Fortran order.
    """
    if source.header.fortran:
        raise not_cut("is in Fortran order")
    return ElementsPart(source, share, partial(NpySink, source.header, positional=True))


FORMAT = Format(
    open_source=lambda source, _: NpySource(source),
    rewrite=lambda source, output, _: NpySink(source.header, output, positional=source.lazy),
    append=lambda source, output, passes, _: NpySink(repeated(source.header, passes), output),
    cutting=Cutting(cut=_part, most=NpySource.parts),
)

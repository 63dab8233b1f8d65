"""The Zarr format: ties together the source and the sink of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from noisify.core.errors import DataError
from noisify.formats.interface import Cutting, Format
from noisify.formats.zarr.part import ZarrPart, most_parts
from noisify.formats.zarr.source import ZarrSink, ZarrSource

if TYPE_CHECKING:
    from noisify.files.folder_output import FolderOutput
    from noisify.files.input import Input
    from noisify.formats.read_options import ReadOptions


def _open(source: Input, _: ReadOptions) -> ZarrSource:
    if not source.is_folder:
        raise DataError("is a file, and a Zarr store is a folder; unpack it", path=source.name)
    return ZarrSource(source)


FORMAT = Format(
    open_source=_open,
    rewrite=lambda source, output, _: ZarrSink(source, cast("FolderOutput", output)),
    cutting=Cutting(cut=lambda source, share, *_: ZarrPart(source, share), most=most_parts),
    without_rows="the arrays of a Zarr store share none",
)

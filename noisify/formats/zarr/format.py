"""The Zarr format: ties together the source and the sink of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from noisify.core.errors import DataError
from noisify.core.overriding import override
from noisify.formats.interface import Format
from noisify.formats.zarr.sink import ZarrSink
from noisify.formats.zarr.source import ZarrSource

if TYPE_CHECKING:
    from noisify.files.folder_output import FolderOutput
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.read_options import ReadOptions


class ZarrFormat(Format[ZarrSource]):
    """A tree of arrays in a folder."""

    title = "Zarr"
    without_rows = "the arrays of a Zarr store share none"

    @override
    def open_source(self, source: Input, options: ReadOptions) -> ZarrSource:
        """Open a Zarr store.

        Raises:
            DataError: If it is not a folder.
        """
        if not source.is_folder:
            raise DataError("is a file, and a Zarr store is a folder; unpack it", path=source.name)
        return ZarrSource(source)

    @override
    def rewrite(self, source: ZarrSource, output: Output, noised: frozenset[str]) -> ZarrSink:
        """Start a copy of the source."""
        return ZarrSink(source, cast("FolderOutput", output))


FORMAT = ZarrFormat()

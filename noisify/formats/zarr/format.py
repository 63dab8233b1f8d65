"""The Zarr format: ties together the source and the sink of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from noisify.core.errors import DataError, UsageError
from noisify.core.overriding import override
from noisify.formats.interface import TABLES, Format
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

    @override
    def open_source(self, source: Input, options: ReadOptions) -> ZarrSource:
        """Open a Zarr store.

        Raises:
            DataError: If it is not a folder.
        """
        if not source.is_folder:
            raise DataError("is a file, and a Zarr store is a folder; unpack it", path=source.name)
        return ZarrSource(source)

    def rewrite(
        self,
        source: ZarrSource,
        output: Output,
        passes: int,
        noised: frozenset[str],  # noqa: ARG002 - each chunk tells
    ) -> ZarrSink:
        """Start a copy of the source.

        Raises:
            UsageError: If it is to be written several times, one after another.
        """
        if passes > 1:
            raise UsageError(
                f"--append needs rows, which {TABLES} have; the arrays of a Zarr store share none"
            )
        return ZarrSink(source, cast("FolderOutput", output))


FORMAT = ZarrFormat()

"""The Parquet format: ties together the sources and sinks of files and of folders of files."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from noisify.core.errors import UsageError
from noisify.core.overriding import override
from noisify.formats.interface import Format
from noisify.formats.parquet.dataset import DatasetSink, DatasetSource
from noisify.formats.parquet.part import DatasetPart, ParquetPart
from noisify.formats.parquet.sink import ParquetSink
from noisify.formats.parquet.source import ParquetSource

if TYPE_CHECKING:
    from noisify.core.share import Share
    from noisify.files.folder_output import FolderOutput
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.read_options import ReadOptions


class ParquetFormat(Format[ParquetSource | DatasetSource]):
    """A Parquet file, or a folder of files that make one table."""

    title = "Parquet"

    @override
    def open_source(
        self,
        source: Input,
        options: ReadOptions,  # the file describes itself
    ) -> ParquetSource | DatasetSource:
        """Open a Parquet file, or a folder of them."""
        source.spool()
        if source.path is None:
            raise AssertionError("a spooled input has a path")
        if source.is_folder:
            return DatasetSource(source.path)
        return ParquetSource(source.path, source.name)

    def rewrite(
        self, source: ParquetSource | DatasetSource, output: Output, noised: frozenset[str]
    ) -> ParquetSink | DatasetSink:
        """Open a Parquet file, or a folder of them, for writing, with the schema of the source."""
        if isinstance(source, ParquetSource):
            return ParquetSink(source, output, noised)
        return DatasetSink(source, cast("FolderOutput", output), noised)

    @override
    def append(
        self,
        source: ParquetSource | DatasetSource,
        output: Output,
        passes: int,
        noised: frozenset[str],
    ) -> ParquetSink:
        """Open the same sink for a file: further row groups simply follow.

        Raises:
            UsageError: If the source is a folder.
        """
        if not isinstance(source, ParquetSource):
            raise UsageError("--append is for one file, not for a folder")
        return ParquetSink(source, output, noised)

    @override
    def cut(
        self, source: ParquetSource | DatasetSource, share: Share, jobs: int
    ) -> ParquetPart | DatasetPart:
        """Return a share of a file's row groups, or of a folder's files."""
        if isinstance(source, ParquetSource):
            return ParquetPart(source, share)
        return DatasetPart(source, share)


FORMAT = ParquetFormat()

"""The Parquet format: ties together the sources and sinks of files and of folders of files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from noisify.core.errors import UsageError
from noisify.core.overriding import override
from noisify.formats.interface import Format
from noisify.formats.parquet.dataset import DatasetSink, DatasetSource
from noisify.formats.parquet.part import DatasetPart, ParquetPart, join_files
from noisify.formats.parquet.read_back import is_doubtful
from noisify.formats.parquet.sink import ParquetSink, PartSink
from noisify.formats.parquet.source import ParquetSource

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from noisify.core.share import Share
    from noisify.files.folder_output import FolderOutput
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.read_options import ReadOptions


class ParquetFormat(Format[ParquetSource | DatasetSource]):
    """A Parquet file, or a folder of files that make one table."""

    title = "Parquet"
    joins = True

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
    def parts(self, source: ParquetSource | DatasetSource, most: int) -> int:
        """Return as many as wanted, of one row group of a file, or one file of a folder, at least.

        A file of a writer that made mistakes is not cut, since it is read back as a whole.
        """
        if isinstance(source, DatasetSource):
            return max(1, min(most, len(source.rows)))
        doubtful = source.footer.short_by or is_doubtful(source.metadata.created_by)
        return 1 if doubtful else max(1, min(most, source.metadata.num_row_groups))

    @override
    def bounds(
        self, source: ParquetSource | DatasetSource, scanned: Sequence[Any], halo: int
    ) -> Sequence[type[ParquetSink]]:
        """Return what writes the files of parts that are to be joined."""
        return [PartSink] * len(scanned)

    @override
    def cut(
        self,
        source: ParquetSource | DatasetSource,
        share: Share,
        jobs: int,
        bounds: type[ParquetSink] | None = None,
    ) -> ParquetPart | DatasetPart:
        """Return a share of a file's row groups, or of a folder's files."""
        if isinstance(source, ParquetSource):
            return ParquetPart(source, share, bounds or ParquetSink)
        return DatasetPart(source, share)

    @override
    def join(
        self, source: ParquetSource | DatasetSource, parts: Sequence[Path], output: Output
    ) -> None:
        """Write one file with the row groups of all parts."""
        if isinstance(source, ParquetSource):
            join_files(source, parts, output)


FORMAT = ParquetFormat()

"""The Parquet format: ties together the sources and sinks of files and of folders of files."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, cast

from noisify.core.errors import UsageError
from noisify.formats.interface import Cutting, Format
from noisify.formats.parquet.dataset import DatasetSink, DatasetSource
from noisify.formats.parquet.join import JOINING
from noisify.formats.parquet.leaf_checks import is_doubtful
from noisify.formats.parquet.part import DatasetPart, ParquetPart
from noisify.formats.parquet.sink import ParquetSink, PartSink
from noisify.formats.parquet.source import ParquetSource

if TYPE_CHECKING:
    from noisify.core.share import Share
    from noisify.files.folder_output import FolderOutput
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.read_options import ReadOptions

FileOrFolder: TypeAlias = "ParquetSource | DatasetSource"
"""A Parquet file, or a folder of files that make one table."""


def _open(source: Input, _: ReadOptions) -> FileOrFolder:
    source.spool()
    if source.path is None:
        raise AssertionError("a spooled input has a path")
    if source.is_folder:
        return DatasetSource(source.path)
    return ParquetSource(source.path, source.name)


def _rewrite(
    source: FileOrFolder, output: Output, noised: frozenset[str]
) -> ParquetSink | DatasetSink:
    if isinstance(source, ParquetSource):
        return ParquetSink(source, output, noised)
    return DatasetSink(source, cast("FolderOutput", output), noised)


def _append(source: FileOrFolder, output: Output, _: int, noised: frozenset[str]) -> ParquetSink:
    if not isinstance(source, ParquetSource):
        raise UsageError("--append is for one file, not for a folder")
    return ParquetSink(source, output, noised)


def _most_parts(source: FileOrFolder, most: int) -> int:
    """Return into how many parts a file or folder can be cut, up to `most`.

    A part has at least one row group of a file, or one file of a folder. A file by a writer with
    known bugs is not cut, since it is read back as a whole.
    """
    if isinstance(source, DatasetSource):
        return max(1, min(most, len(source.file_rows)))
    doubtful = source.footer.short_by or is_doubtful(source.metadata.created_by)
    return 1 if doubtful else max(1, min(most, source.metadata.num_row_groups))


def _cut(
    source: FileOrFolder, share: Share, _: int, sink: type[ParquetSink] | None
) -> ParquetPart | DatasetPart:
    """Return a share of a file's row groups, or of a folder's files."""
    if isinstance(source, ParquetSource):
        return ParquetPart(source, share, sink or ParquetSink)
    return DatasetPart(source, share)


FORMAT = Format(
    open_source=_open,
    rewrite=_rewrite,
    append=_append,
    cutting=Cutting(
        cut=_cut,
        most=_most_parts,
        bounds=lambda _, scanned, __: [PartSink] * len(scanned),
        joining=JOINING,
    ),
)

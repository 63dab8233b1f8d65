"""Parts of Parquet files and folders: row groups of a file, files of a folder."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, cast

from noisify.core.overriding import override
from noisify.formats.interface import Part, Reading
from noisify.formats.parquet.dataset import DatasetSink
from noisify.formats.parquet.sink import ParquetSink
from noisify.formats.parquet.source import RowGroupSlice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.core.chunk import Field
    from noisify.core.share import Share
    from noisify.files.folder_output import FolderOutput
    from noisify.files.output import Output
    from noisify.formats.parquet.dataset import DatasetSource
    from noisify.formats.parquet.source import ParquetSource


class ParquetPart(Part[RowGroupSlice]):
    """Some row groups of a Parquet file, as a file of their own.

    Args:
        source: The file.
        share: Which part it is.
        sink: Writes its file.
    """

    def __init__(
        self, source: ParquetSource, share: Share, sink: type[ParquetSink] = ParquetSink
    ) -> None:
        self.share = share
        self._source = source
        self._sink = sink
        every = range(source.metadata.num_row_groups)
        self._rows = [source.metadata.row_group(index).num_rows for index in every]
        self.groups = share.of_sizes(
            [sum(chunk.stored for chunk in source.sizes(index)) for index in every]
        )

    @override
    def read(
        self, groups: Sequence[Sequence[Field]], size: int, halo: int
    ) -> Reading[RowGroupSlice]:
        """Read slices of the row groups, and of those around them that the halo reaches."""
        wider = widened(self.groups, self._rows, halo)
        pieces = self._source.pieces(groups, Counter(), size, wider)
        return Reading(
            pieces, self._source.in_flight, beyond=lambda piece: piece.group not in self.groups
        )

    @override
    def rewrite(self, output: Output, noised: frozenset[str]) -> ParquetSink:
        """Open a sink for a file with these row groups only."""
        return self._sink(self._source, output, noised)


class DatasetPart(Part[RowGroupSlice]):
    """Some files of a folder of Parquet files; the first part has all other files too.

    Args:
        source: The folder.
        share: Which part it is.
    """

    def __init__(self, source: DatasetSource, share: Share) -> None:
        self.share = share
        self._source = source
        self._files = share.of_sizes([path.stat().st_size for path in source.tree.data])

    @override
    def read(
        self, groups: Sequence[Sequence[Field]], size: int, halo: int
    ) -> Reading[RowGroupSlice]:
        """Read slices of the files, and of those around them that the halo reaches."""
        source = self._source
        mine = {source.tree.data[index] for index in self._files}
        wider = widened(self._files, source.file_rows, halo)
        return Reading(
            source.pieces(groups, wider, size),
            source.in_flight,
            beyond=lambda piece: piece.source.path not in mine,
        )

    @override
    def rewrite(self, output: Output, noised: frozenset[str]) -> DatasetSink:
        """Open a sink for a folder with these files."""
        return DatasetSink(
            self._source,
            cast("FolderOutput", output),
            noised,
            files=self._files,
            others=self.share.is_first,
        )


def widened(items: range, rows: Sequence[int], halo: int) -> range:
    """Extend a range of items by those around it that a halo of rows reaches.

    >>> widened(range(2, 3), [5, 5, 5, 0, 5, 5], 6)
    range(0, 6)
    >>> widened(range(2, 3), [5, 5, 5, 0, 5, 5], 5)
    range(1, 5)
    """
    start, stop = items.start, items.stop
    before = after = halo
    while start > 0 and before > 0:
        start -= 1
        before -= rows[start]
    while stop < len(rows) and after > 0:
        after -= rows[stop]
        stop += 1
    return range(start, stop)

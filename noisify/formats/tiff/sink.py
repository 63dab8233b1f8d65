"""Write TIFF files: overwrite samples in a copy, or write the file anew with other rows.

The file is written anew if rows are dropped or repeated along the first axis of its only series:
first the samples of all pages one after the other, then the directories of the pages. A page of the
new file has the tags of the page that its samples come from.
"""

from __future__ import annotations

import os
import shutil
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.errors import DataError, UsageError
from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.files.write_behind import open_written_behind
from noisify.formats.interface import Sink
from noisify.formats.numpy_fields import stored
from noisify.formats.row_selection import with_copies_of_box
from noisify.formats.tiff.description import Description
from noisify.formats.tiff.directory import (
    Tag,
    TagReader,
    aligned,
    check_size,
    offsets_tag,
    write_directories,
)
from noisify.formats.tiff.layout import Strips, Tiles, unit_sizes
from noisify.formats.tiff.source import SeriesPiece, TiffSource, directories, opened, unit_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    import tifffile
    from numpy.typing import NDArray

    from noisify.core.chunk import Chunk
    from noisify.files.output import Output
    from noisify.formats.interface import NoisyColumn

_EXTENTS = {1: 32997, 2: 257, 3: 256}
"""The tags of the extents of an image: depth, length, width."""
_STRIPS, _TILES, _ROWS_PER_STRIP = (273, 279), (324, 325), 278
_STORAGE = {*_STRIPS, *_TILES, _ROWS_PER_STRIP}


@frozen
class SomeRows:
    """Rows to write, after some were dropped or repeated.

    Attributes:
        values: The elements of the rows, flat, in the file's dtype.
        copies: How many times each row of the piece is among them, shape (n,).
    """

    values: NDArray[Any]
    copies: NDArray[np.int64]


class TiffSink(Sink[SeriesPiece, SeriesPiece | SomeRows | None]):
    """A copy of a TIFF file whose samples are overwritten."""

    def __init__(self, source: TiffSource, output: Output) -> None:
        self._source = source
        self._path = output.local_path()
        shutil.copyfile(source.path, self._path)
        self._new = open_written_behind(self._path)
        self._old = source.path.open("rb", buffering=0)
        self._rows: RowsWriter | None = None

    @override
    def expect_rows(self, count: Callable[[int], int]) -> None:
        """Start the file anew, with another number of rows."""
        self._rows = RowsWriter(self._source, self._new, self._path, count)

    @override
    def encode(
        self, raw: SeriesPiece, chunk: Chunk, noisy: Sequence[NoisyColumn]
    ) -> SeriesPiece | None:
        """Return the noisy elements; None if the piece gets no noise and keeps its place."""
        if not noisy:
            return None if self._rows is None else raw
        return SeriesPiece(raw.name, stored(noisy[0], raw.values.dtype), raw.place)

    @override
    def with_rows(
        self, versions: Sequence[SeriesPiece | SomeRows | None], copies: NDArray[np.int64]
    ) -> SomeRows:
        """Drop or repeat the rows of a piece."""
        values = [version.values for version in versions if version is not None]
        return SomeRows(with_copies_of_box(values, copies, None), copies)

    def write(self, encoded: SeriesPiece | SomeRows | None) -> None:
        """Overwrite elements in the copy, or write the next rows."""
        if isinstance(encoded, SomeRows) and self._rows is not None:
            self._rows.write(encoded)
        elif isinstance(encoded, SeriesPiece):
            layout = self._source.series[encoded.name].layout
            layout.write(self._old, self._new, encoded.place, encoded.values)

    @override
    def finish(self) -> None:
        """Write the directories of the pages, if the rows are others."""
        if self._rows is not None:
            self._rows.finish()

    def close(self) -> None:
        """Close the copy and the original."""
        self._new.close()
        self._old.close()
        if self._rows is not None:
            self._rows.close()


class RowsWriter:
    """Writes the only series of a TIFF file with other rows, then the directories of its pages.

    If the number of rows is the old one, samples stay where they are.

    Args:
        source: The old file.
        file: The new file, a copy of the old one.
        path: Its path.
        count: Returns the number of new rows for the number of old ones.

    Raises:
        UsageError: If no row would be left.
        DataError: If what the file says of its rows cannot be changed.
    """

    def __init__(
        self,
        source: TiffSource,
        file: BinaryIO,
        path: Path,
        count: Callable[[int], int],
    ) -> None:
        (self._series,) = source.series.values()
        self._source, self._file, self._path = source, file, path
        self._before = self._series.shape[0]
        self._after = count(self._before)
        if not self._after:
            raise UsageError("an image has at least one row, and none would be left")
        self._in_place = self._after == self._before
        self._copies: list[NDArray[np.int64]] = []
        self._written = 0
        with opened(source.path, source.name) as old:
            self._prepare(old)
        if not self._in_place:
            os.truncate(path, 2 * self._form.offsetsize)  # the header
            os.truncate(path, self._end)
        self._new = path.open("rb", buffering=0)

    def _prepare(self, old: tifffile.TiffFile) -> None:
        """Find out what the new file will look like."""
        series, axis = self._series, self._series.axis
        (found,) = old.series
        page, self._form = found.keyframe, old.tiff
        if axis is None:
            raise DataError(
                "has its colors along the first axis, and no rows; "
                "tiffcp -p contig IN.tif OUT.tif puts the colors of a pixel together"
            )
        self._description = Description.of(old, found)
        self._old_pages = _pages(old, found)
        self._page_elements, self._tiled = page.size, page.is_tiled
        self._replaced = {*_STORAGE, _EXTENTS.get(axis)}
        self._extent = self._after * series.stored[axis] // self._before
        shape = [*page.shaped]
        if axis:
            shape[axis] = self._extent
        images = 1 if axis else found.size // page.size * self._after // self._before
        unit, item = unit_of(page), series.dtype.itemsize
        check_size(self._form, self._after * series.row_elements * item)
        self._sizes = [size * item for size in unit_sizes(shape, unit, tiled=self._tiled)]
        self._rows_per_strip = unit[2]
        self._start = start = aligned(2 * self._form.offsetsize)
        self._end = start + images * sum(self._sizes)
        check_size(self._form, self._end)
        if self._in_place:
            self._layout, self._end = series.layout, self._path.stat().st_size
        elif self._tiled:
            places = np.cumsum([start, *self._sizes * images])[:-1]
            whole = list(series.stored)
            whole[axis] = self._extent
            self._layout = Tiles(series.dtype, tuple(whole), unit, places.tolist())
        else:
            count = images * sum(self._sizes) // item
            self._layout = Strips.of(series.dtype, [(count, start)])

    def write(self, rows: SomeRows) -> None:
        """Write the next rows."""
        self._copies.append(rows.copies)
        count = int(rows.copies.sum())
        if count:
            place = self._layout.rows(
                self._series.row_elements, self._written, self._written + count
            )
            self._layout.write(self._new, self._file, place, rows.values)
            self._written += count

    def finish(self) -> None:
        """Write the directories of the pages.

        Raises:
            DataError: If tags are damaged, or the new file would not be read as its rows.
        """
        rows = np.repeat(np.arange(self._before), np.concatenate(self._copies)).tolist()
        if self._in_place and rows == [*range(self._before)]:
            return
        with self._source.path.open("rb", buffering=0) as file:
            reader = TagReader(file, self._form, os.fstat(file.fileno()).st_size)
            try:
                pages = self._directories(reader, rows)
                write_directories(self._file, self._form, pages, self._end)
            except DataError as error:
                raise error.at(self._source.name) from None
        self._read_back()

    def _directories(self, reader: TagReader, rows: Sequence[int]) -> Iterator[list[Tag]]:
        """Yield the tags of each page of some rows."""
        description, old = self._description, self._old_pages
        told = [tag for tag in reader.tags(old[0]) if description.tells(tag)]
        numbers = [0]
        if not self._series.axis and len(old) * self._page_elements == prod(self._series.shape):
            each = len(old) // self._before
            numbers = [row * each + page for row in rows for page in range(each)]
        for at, number in enumerate(numbers):
            own = [tag for tag in reader.tags(old[number]) if tag.code not in self._replaced]
            if not at or not number:
                own = [tag for tag in own if not description.tells(tag)]
            if not at:
                own += description.changed(told, rows, self._form.byteorder)
            yield own + self._storage(at, reader)

    def _storage(self, page: int, reader: TagReader) -> list[Tag]:
        """Return the tags that say where the samples of a new page are, and how many."""
        if self._in_place:
            return [tag for tag in reader.tags(self._old_pages[page]) if tag.code in self._replaced]
        first = self._start + page * sum(self._sizes)
        places = np.cumsum([first, *self._sizes])[:-1].tolist()
        offsets, sizes = _TILES if self._tiled else _STRIPS
        tags = [
            offsets_tag(self._form, offsets, places),
            offsets_tag(self._form, sizes, self._sizes),
        ]
        if not self._tiled:
            tags.append(offsets_tag(self._form, _ROWS_PER_STRIP, [self._rows_per_strip]))
        if self._series.axis:
            tags.append(offsets_tag(self._form, _EXTENTS[self._series.axis], [self._extent]))
        return tags

    def _read_back(self) -> None:
        """Check that the new file is read as an array of the rows.

        Raises:
            DataError: If it is not.
        """
        expected = (self._after, *self._series.shape[1:])
        with opened(self._path, self._source.name) as file:
            shapes = [series.shape for series in file.series]
        if shapes not in ([expected], [expected[1:]][: self._after == 1]):
            raise DataError(
                f"would be read as shape {shapes} instead of {expected} with other rows; "
                "save it as plain TIFF first",
                path=self._source.name,
            )

    def close(self) -> None:
        """Close the new file."""
        self._new.close()


def _pages(file: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> list[int]:
    """Return the offsets of the directories of a series, in the order of its images.

    Raises:
        DataError: If the file has others.
    """
    chain = directories(file)
    own = [page.offset for page in series if page is not None]
    if len(own) == 1 or len(chain) == 1:  # all images are described by the first directory
        return chain
    if sorted(own) != sorted(chain):
        raise DataError("has pages beside those of its array; save it without them first")
    return own

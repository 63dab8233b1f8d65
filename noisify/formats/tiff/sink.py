"""Write TIFF files: overwrite samples in a copy, or in an empty file of another number of rows."""

from __future__ import annotations

import shutil
from math import prod
from typing import TYPE_CHECKING, Any

import tifffile

from noisify.core.errors import DataError, UsageError
from noisify.core.overriding import override
from noisify.files.write_behind import open_written_behind
from noisify.formats.interface import Sink
from noisify.formats.numpy_fields import ARRAY_NAME, stored
from noisify.formats.row_selection import with_copies_of_box
from noisify.formats.tiff.description import with_rows
from noisify.formats.tiff.source import DAMAGED, SeriesPiece, TiffSource, opened, quiet, series_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from noisify.core.chunk import Chunk
    from noisify.files.output import Output
    from noisify.formats.interface import NoisyColumn

_NOT_DESCRIBED = {"generic", "uniform"}
_KINDS = {*_NOT_DESCRIBED, "shaped", "imagej", "ome"}
_DIRECTORIES = {330, 400, 34665, 34853, 40965}
"""The tags that point to directories of their own: pages, Exif, GPS."""
_DESCRIPTION, _IMAGEJ_LISTS = 270, 50839
_WRITTEN = {282, 283, 296, 297, *tifffile.TIFF.TAG_FILTERED}
"""The tags that tifffile writes itself, and the number of a page, which is left out."""
_PLAIN = "its rows cannot be changed; save it as plain TIFF first"
_MOST, _OVERHEAD = 1 << 32, 1 << 25
"""The bytes of a TIFF file, and those that tifffile leaves for what is not samples."""


class TiffSink(Sink[SeriesPiece, SeriesPiece | None]):
    """A copy of a TIFF file whose samples are overwritten."""

    def __init__(self, source: TiffSource, output: Output) -> None:
        self._source = source
        self._path = output.local_path()
        shutil.copyfile(source.path, self._path)
        self._new = open_written_behind(self._path)
        self._old = source.path.open("rb", buffering=0)
        self._series = source.series
        self._written: int | None = None

    @override
    def expect_rows(self, count: Callable[[int], int]) -> None:
        """Replace the copy by an empty file, if there will be another number of rows.

        Raises:
            UsageError: If no row would be left.
            DataError: If the new file cannot be like the old one.
        """
        before, self._written = self._series[ARRAY_NAME].shape, 0
        rows = count(before[0])
        if not rows:
            raise UsageError("an image has at least one row, and none would be left")
        with opened(self._source.path, self._source.name) as file:
            order, big = file.byteorder, file.is_bigtiff
            arguments = _arguments_of(file, rows)
        if rows == before[0]:
            return
        self.close()
        try:
            with quiet(), tifffile.TiffWriter(self._path, bigtiff=big, byteorder=order) as writer:
                writer.write(None, **arguments)
        except DAMAGED as error:
            raise DataError(f"is odd ({error}); {_PLAIN}", path=self._source.name) from None
        self._new = open_written_behind(self._path)
        self._old = self._path.open("rb", buffering=0)
        with opened(self._path, self._source.name) as file:
            found = [series_of(series, file, self._path.stat().st_size) for series in file.series]
        if [series.shape for series in found] not in ([(rows, *before[1:])], [before[rows:]]):
            raise DataError(f"is described in an unknown way; {_PLAIN}", path=self._source.name)
        self._series = {ARRAY_NAME: found[0]}

    @override
    def encode(
        self, raw: SeriesPiece, chunk: Chunk, noisy: Sequence[NoisyColumn]
    ) -> SeriesPiece | None:
        """Return the noisy elements; None if the piece gets no noise and keeps its place."""
        if not noisy:
            return None if self._written is None else raw
        return SeriesPiece(raw.name, stored(noisy[0], raw.values.dtype), raw.place)

    @override
    def with_rows(
        self, versions: Sequence[SeriesPiece | None], copies: NDArray[np.int64]
    ) -> SeriesPiece:
        """Drop or repeat the rows of a piece."""
        found = [version for version in versions if version is not None]
        values = with_copies_of_box([version.values for version in found], copies, None)
        return SeriesPiece(ARRAY_NAME, values, found[0].place)

    def write(self, encoded: SeriesPiece | None) -> None:
        """Overwrite elements in the copy, or write the next rows."""
        if encoded is None or not encoded.values.size:
            return
        layout, place = self._series[encoded.name].layout, encoded.place
        if self._written is not None and (row := self._source.row_elements):
            first, self._written = self._written, self._written + encoded.values.size // row
            place = layout.rows(row, first, self._written)
        layout.write(self._old, self._new, place, encoded.values)

    def close(self) -> None:
        """Close the copy and the original."""
        self._new.close()
        self._old.close()


def _arguments_of(file: tifffile.TiffFile, rows: int) -> dict[str, Any]:
    """Return the arguments that make tifffile write a file like another, with other rows.

    Args:
        file: The other file, of which no series has been looked at.
        rows: The number of rows.

    Raises:
        DataError: If tags of the file cannot be kept.
    """
    repeated = _repeated(file)
    (series,) = file.series
    page = series.keyframe
    described = file.is_ome or file.is_imagej or file.is_shaped
    if series.kind not in _KINDS or (described and series.kind in _NOT_DESCRIBED):
        raise DataError(f"is read as a {series.kind} file; {_PLAIN}")
    if series.axes[0] == "S":
        raise DataError(
            "has its colors along the first axis, and no rows; "
            "tiffcp -p contig IN.tif OUT.tif puts the colors of a pixel together"
        )
    if len(file.pages) not in {1, series.size // page.size}:
        raise DataError(f"has pages beside those of its array; {_PLAIN}")
    tags = []
    for tag in file.pages.first.tags:
        values = _bytes_of(file, tag)
        if tag.code in _DIRECTORIES:
            raise DataError(f"has directories besides its pages ({tag.name}); {_PLAIN}")
        if tag.code == _IMAGEJ_LISTS and series.axes[0] not in "YX":
            raise DataError(f"has labels or colors of single slices; {_PLAIN}")
        if tag.code == _DESCRIPTION:
            values = with_rows(values.decode("latin-1"), series, rows).encode("latin-1")
        if tag.code not in _WRITTEN:
            tags.append((tag.code, tag.dtype, tag.count, values, tag.code not in repeated))
    whole = rows * prod(series.shape[1:]) * series.dtype.itemsize
    if whole + _OVERHEAD > _MOST and not file.is_bigtiff:
        raise DataError(
            "would have more than 4 GiB, which only BigTIFF holds; convert it first: "
            "tiffcp -8 IN.tif OUT.tif"
        )
    tile = (page.tiledepth, page.tilelength, page.tilewidth)[page.imagedepth == 1 :]
    return {
        "shape": (rows, *series.shape[1:]) if series.ndim > 1 else (1, rows),
        "dtype": series.dtype,
        "photometric": page.photometric,
        "planarconfig": page.planarconfig if page.samplesperpixel > 1 else None,
        "extrasamples": page.extrasamples or None,
        "volumetric": page.imagedepth > 1,
        "tile": tile if page.is_tiled else None,
        "rowsperstrip": page.rowsperstrip or None,
        "resolution": page.resolution,
        "resolutionunit": page.resolutionunit,
        "truncate": len(file.pages) == 1 < series.size // page.size,
        "metadata": None,
        "software": False,
        "extratags": tags,
    }


def _repeated(file: tifffile.TiffFile) -> set[int]:
    """Return the tags that all pages have.

    Raises:
        DataError: If pages have tags of their own, which rows would have to take along.
    """
    first = {tag.code: _bytes_of(file, tag) for tag in file.pages.first.tags}
    repeated = set(first)
    for number in range(1, len(file.pages)):
        tags = {tag.code: _bytes_of(file, tag) for tag in file.pages[number].aspage().tags}
        for code in set(tags) - _WRITTEN:
            if tags[code] != first.get(code):
                raise DataError(f"has pages with a tag {code} of their own; {_PLAIN}")
        repeated &= set(tags)
    return repeated


def _bytes_of(file: tifffile.TiffFile, tag: tifffile.TiffTag) -> bytes:
    """Return the values of a tag that tifffile does not write itself, as they are stored."""
    if tag.code in _WRITTEN:
        return b""
    file.filehandle.seek(tag.valueoffset)
    return bytes(file.filehandle.read(tag.valuebytecount))

"""Add noise to TIFF files: copy the file, then overwrite the samples of its images in the copy.

So every page, tag and comment is kept byte for byte. tifffile finds out which pages belong together
(a stack, the channels of a microscope). Each such series is a field: an array of the shape that
`tifffile.imread(FILE, series=N)` gives, which gets the same noise as that array would as NPY. The
field is `data` if there is one series, else `data/0`, `data/1` and so on.

Only uncompressed samples can be overwritten in place. Alpha channels and elements that equal GDAL's
nodata tag do not change, and do not count in statistics. Reduced copies of an image (pyramid
levels) are not updated. The layout follows Adobe, "TIFF Revision 6.0" (1992).
"""

from __future__ import annotations

import contextlib
import io
import logging
import struct
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.chunk import Chunk, Column, Field
from noisify.core.dtypes import NumberType
from noisify.core.errors import DataError, UsageError
from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.formats.array_source import ArraySource
from noisify.formats.datasets.declared import as_declared
from noisify.formats.interface import TABLES, FieldArray, Reading
from noisify.formats.numpy_fields import ARRAY_NAME, kind_of_dtype
from noisify.formats.tiff.description import planes_claimed
from noisify.formats.tiff.layout import Strips, Tiles, share_bytes

try:
    import tifffile
except ImportError:
    raise UsageError("TIFF files need tifffile; pip install 'noisify-cli[images]'") from None

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from noisify.core.chunk import Positions
    from noisify.core.missing import Missing
    from noisify.files.input import Input
    from noisify.formats.tiff.layout import Layout, Place

_NOT_COMPRESSED, _PALETTE, _SEPARATE = 1, 3, 2
_ALPHA = {1, 2}
_NODATA_TAG = 42113
_MISSING = 1 << 20
"""How many planes that are not in the file an OME description may tell of: those of other files."""
_COPIES = 4
"""Copies of a piece of whole rows in memory: as read, decoded, noisy and encoded."""
DAMAGED = (
    ValueError, TypeError, LookupError, AttributeError, ArithmeticError, struct.error, RuntimeError,
    MemoryError, AssertionError,
)  # fmt: skip
"""The exceptions that tifffile raises where values of tags make no sense."""


@frozen
class Series:
    """A field: pages that form one array.

    Attributes:
        layout: The layout of its elements in the file.
        dtype: The dtype of the elements, including the byte order.
        shape: The shape of the array.
        missing: The nodata value, or None.
        alpha: The indices of a pixel's samples that are alpha.
        samples: The number of samples in a pixel.
        plane: The number of consecutive elements of the same sample: 1, or a page's number of
            pixels if its planes are separate.
    """

    layout: Layout
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    missing: Missing | None
    alpha: tuple[int, ...]
    samples: int
    plane: int

    def valid(self, positions: Positions, values: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Return a mask of the elements that may get noise; None for all."""
        valid = None
        if self.missing is not None:
            valid = ~self.missing.mask(values)
        if self.alpha:
            color = ~np.isin(positions.indices() // self.plane % self.samples, self.alpha)
            valid = color if valid is None else valid & color
        return valid


def series_of(series: tifffile.TiffPageSeries, file: tifffile.TiffFile, size: int) -> Series:
    """Return the layout and properties of a series.

    Args:
        series: The series as tifffile found it.
        file: The open file.
        size: The size of the file in bytes.

    Raises:
        DataError: If it is cut short, or its samples cannot be overwritten in place.
    """
    page = series.keyframe
    if series.is_multifile or any(p is None or p.parent is not file for p in series):
        raise DataError("has pages that are missing or in other files; save it as one file first")
    _check_kind(page)
    if series.transform is not None:
        raise DataError("has samples that are put together when read; save it as plain TIFF first")
    dtype = np.dtype(page.dtype).newbyteorder(file.byteorder)
    separate = page.planarconfig == _SEPARATE and page.samplesperpixel > 1
    layout = _layout(series, dtype)
    if layout.extents()[:, 1].max(initial=0) > size:
        raise DataError("is cut short: samples would be after its end")
    extra = page.extrasamples or ()
    alpha = tuple(
        page.samplesperpixel - len(extra) + at for at, kind in enumerate(extra) if kind in _ALPHA
    )
    plane = page.imagedepth * page.imagelength * page.imagewidth if separate else 1
    missing = _missing(page, NumberType.of_dtype(dtype.newbyteorder("=")))
    return Series(layout, dtype, series.shape, missing, alpha, page.samplesperpixel, plane)


def _check_kind(page: tifffile.TiffPage) -> None:
    """Refuse pages whose samples are not plain consecutive numbers.

    Raises:
        DataError: If they are not.
    """
    if page.compression != _NOT_COMPRESSED:
        name = getattr(page.compression, "name", str(page.compression))
        raise DataError(
            f"is compressed ({name}); write it out plainly first: tiffcp -c none IN.tif OUT.tif"
        )
    if page.photometric == _PALETTE:
        raise DataError("has a palette, and noise on its indices is none; convert it to RGB first")
    if page.dtype is None or page.bitspersample != 8 * np.dtype(page.dtype).itemsize:
        raise DataError(
            f"has samples of {page.bitspersample} bits, packed; convert them to 8, 16 or 32 bits"
        )
    if page.is_subsampled or page.fillorder != 1:
        raise DataError("has samples that are not one after the other; save it as RGB first")


def _missing(page: tifffile.TiffPage, number: NumberType | None) -> Missing | None:
    """Return the nodata value of a page; None if it has none, or the dtype cannot hold it."""
    text = str(page.tags.valueof(_NODATA_TAG, default="")).strip("\0 ")
    if number is None or len(text.replace(",", " ").split()) != 1:
        return None
    return as_declared(Field("", "other", "", number), {"_FillValue": text}).missing


def _layout(series: tifffile.TiffPageSeries, dtype: np.dtype[Any]) -> Layout:
    """Return the layout of the samples of a series.

    Raises:
        DataError: If some are not stored.
    """
    page = series.keyframe
    if series.dataoffset is not None:
        return Strips.of(dtype, [(series.size, series.dataoffset)])
    planes, depth, height, width, samples = page.shaped
    pages = [each for each in series if each is not None]
    if len(pages) * page.size != series.size:
        raise DataError("has pages that are not where they should be; save it anew first")
    tile = (1, 1, page.rowsperstrip, width, samples)
    if page.is_tiled:
        tile = (1, page.tiledepth, page.tilelength, page.tilewidth, samples)
    if not all(tile):
        raise DataError("has strips or tiles without rows; save it anew first")
    counts = [-(-extent // step) for extent, step in zip(page.shaped, tile, strict=True)]
    if any(len(each.dataoffsets) < prod(counts) for each in pages):
        raise DataError("has strips or tiles that are not stored; save it anew first")
    if page.is_tiled:
        sizes = [prod(tile)] * prod(counts)
    else:
        rows = page.rowsperstrip
        cuts = [min(rows, height - top) for top in range(0, height, rows)]
        sizes = [count * width * samples for count in cuts] * (planes * depth)
    for each in pages:
        stored_sizes = each.databytecounts
        if any(
            have < size * dtype.itemsize for have, size in zip(stored_sizes, sizes, strict=False)
        ):
            raise DataError("has strips or tiles that are not stored; save it anew first")
    if page.is_tiled:
        offsets = [int(at) for each in pages for at in each.dataoffsets[: len(sizes)]]
        return Tiles(dtype, (len(pages) * planes, depth, height, width, samples), tile, offsets)
    return Strips.of(
        dtype,
        (
            (size, int(at))
            for each in pages
            for size, at in zip(sizes, each.dataoffsets, strict=False)
        ),
    )


@frozen
class SeriesPiece:
    """Some elements of one field.

    Attributes:
        name: The field's name.
        values: The elements, flat, in the file's dtype.
        place: Their place in the series.
    """

    name: str
    values: NDArray[Any]
    place: Place


class _WithoutDescriptor(io.FileIO):
    """A file that hides its descriptor.

    So tifffile takes it for a file in memory, and opens no other files, which the metadata of
    OME-TIFF, MMStack and NDTiff may name.
    """

    def fileno(self) -> int:
        """Refuse to return the descriptor."""
        raise io.UnsupportedOperation("fileno")


@contextlib.contextmanager
def opened(path: Path, name: str) -> Iterator[tifffile.TiffFile]:
    """Open a TIFF file with tifffile.

    Args:
        path: The file.
        name: Its name in errors, and in OME descriptions, which tell its planes from other files'.

    Raises:
        DataError: If it cannot be read.
    """
    try:
        with (
            quiet(),
            io.BufferedReader(_WithoutDescriptor(path)) as stream,
            tifffile.TiffFile(stream, name=Path(name).name) as file,
        ):
            yield file
    except DataError as error:
        raise error.at(name) from None
    except (tifffile.TiffFileError, OSError) as error:
        raise DataError(f"is not a readable TIFF file: {error}", path=name) from None
    except DAMAGED as error:
        found = ": ".join(filter(None, (type(error).__name__, str(error))))
        raise DataError(
            f"is damaged: tags make no sense to tifffile ({found})", path=name
        ) from None


class TiffSource(ArraySource[SeriesPiece]):
    """An open TIFF file."""

    def __init__(self, source: Input) -> None:
        source.spool()
        self.path: Path = source.path  # type: ignore[assignment]
        self.name = source.name
        self.series: dict[str, Series] = {}
        self.notes: list[str] = []
        with opened(self.path, source.name) as file:
            self._find(file, source.name)
        self._memory = source.memory
        self.fields = tuple(self._fields())
        if len(self.series) == 1:
            self.row_elements = prod(self.series[ARRAY_NAME].shape[1:]) or None

    def _find(self, file: tifffile.TiffFile, name: str) -> None:
        _check_claims(file, _count_pages(file))
        found = file.series
        if not found:
            raise DataError("has no images")
        size = self.path.stat().st_size
        for number, series in enumerate(found):
            field = ARRAY_NAME if len(found) == 1 else f"{ARRAY_NAME}/{number}"
            self.series[field] = series_of(series, file, size)
            if len(series.levels) > 1:
                self.notes.append(f"{name} has reduced copies of {field}, which get no noise")
        extents = [series.layout.extents() for series in self.series.values()]
        if share_bytes(np.concatenate([*extents, _structure(file)])):
            raise DataError(
                "has strips or tiles that share bytes of the file, and each would get the noise of "
                "all; write it out anew first: tiffcp -c none IN.tif OUT.tif"
            )

    def _fields(self) -> Iterator[Field]:
        for name, series in self.series.items():
            native = series.dtype.newbyteorder("=")
            yield Field(
                name=name,
                kind=kind_of_dtype(native),
                type_name=str(native),
                number=NumberType.of_dtype(native),
                table=name,
                nullable=native.kind in "fc" or series.missing is not None,
                missing=series.missing,
            )

    def read(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[SeriesPiece]:
        """Read the elements of each field, one field after the other.

        Raises:
            UsageError: If a model needs several fields together.
        """
        return Reading(self._pieces(groups, size))

    def _pieces(self, groups: Sequence[Sequence[Field]], size: int) -> Iterator[SeriesPiece]:
        with self.path.open("rb", buffering=0) as file:
            for group in groups:
                if len(group) > 1:
                    raise UsageError(f"models of several fields need a table: {TABLES} hold one")
                for field in group:
                    series = self.series[field.name]
                    for place in series.layout.places(max(1, size // series.dtype.itemsize)):
                        yield SeriesPiece(field.name, series.layout.read(file, place), place)

    @override
    def read_rows(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[SeriesPiece]:
        """Read whole rows of the only image, at least one at a time."""
        ((name, series),) = self.series.items()
        layout, rows, row = series.layout, series.shape[0], self.row_elements or 1
        together = layout.rows_together(row)
        least = together * row * series.dtype.itemsize
        self._memory.require(_COPIES * least, "a row")

        def pieces() -> Iterator[SeriesPiece]:
            step = max(1, size // least) * together
            with self.path.open("rb", buffering=0) as file:
                for start in range(0, rows, step):
                    place = layout.rows(row, start, min(start + step, rows))
                    yield SeriesPiece(name, layout.read(file, place), place)

        return Reading(pieces(), in_flight=2 if least > size else None)

    def decode(self, raw: SeriesPiece, wanted: Sequence[Field]) -> Chunk:
        """Decode the elements; alpha and nodata are not valid."""
        columns = []
        for field in wanted:
            if field.name == raw.name and field.number is not None:
                values = raw.values.astype(field.number.dtype, copy=False)
                series, positions = self.series[raw.name], raw.place.positions
                nulls = 0
                if series.missing is not None:
                    nulls = int(np.count_nonzero(series.missing.mask(values)))
                valid = series.valid(positions, values)
                columns.append(Column(field, field.number, positions, values, valid, nulls))
        rows = raw.place.positions.in_rows(self.row_elements or 0)
        return Chunk(tuple(columns), rows=rows)

    @override
    def array_of(self, field: Field) -> FieldArray:
        """Return the array of an image."""
        series = self.series[field.name]
        return FieldArray(field.name, series.shape, series.dtype)

    @override
    def elements(self, raw: SeriesPiece) -> NDArray[Any]:
        """Return the elements of a piece."""
        return raw.values

    @override
    def condition_values(
        self, raw: SeriesPiece, chunk: Chunk, names: Iterable[str]
    ) -> dict[str, Any]:
        """Return the elements as an Arrow array.

        Raises:
            UsageError: If the condition is on another image.
        """
        names = list(names)
        if set(names) - {raw.name}:
            raise UsageError("--where cannot compare one image of a TIFF file with another")
        return super().condition_values(raw, chunk, names)

    def size_of(self, raw: SeriesPiece) -> int:
        """Return the size of a piece in bytes."""
        return int(raw.values.nbytes)


def _check_claims(file: tifffile.TiffFile, pages: int) -> None:
    """Check that the OME description claims no more planes than tifffile can list in memory.

    Raises:
        DataError: If it claims more.
    """
    if file.is_ome and (claimed := planes_claimed(file.pages.first.description)) > pages + _MISSING:
        raise DataError(f"is damaged: its OME description claims {claimed:.0f} planes of {pages}")


def _count_pages(file: tifffile.TiffFile) -> int:
    """Count the pages in their chain, which tifffile would follow for ever if it were a cycle.

    Raises:
        DataError: If it is a cycle.
    """
    form, held = file.tiff, file.filehandle
    offset, met = file.pages.first.offset, set[int]()
    while offset and offset not in met:
        met.add(offset)
        held.seek(offset)
        head = held.read(form.tagnosize)
        if len(head) < form.tagnosize:
            return len(met)
        (tags,) = struct.unpack(form.tagnoformat, head)
        held.seek(offset + form.tagnosize + tags * form.tagsize)
        following = held.read(form.offsetsize)
        if len(following) < form.offsetsize:
            return len(met)
        (offset,) = struct.unpack(form.offsetformat, following)
    if offset:
        raise DataError("has pages that lead in a circle, the last one to one before it")
    return len(met)


def _structure(file: tifffile.TiffFile) -> NDArray[np.int64]:
    """Return the starts and ends of the header and the page directories, shape (n, 2)."""
    form = file.tiff
    extents = [(0, form.offsetsize * 2)]
    for series in file.series:
        for page in series.pages:
            if isinstance(page, tifffile.TiffPage):
                size = form.tagnosize + len(page.tags) * form.tagsize + form.offsetsize
                extents.append((page.offset, page.offset + size))
    return np.array(sorted(set(extents)), np.int64)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence tifffile's log messages; several threads may do so side by side."""
    logger = logging.getLogger("tifffile")

    def none(_: logging.LogRecord) -> bool:  # a function of this call, which only it takes away
        return False

    logger.addFilter(none)
    try:
        yield
    finally:
        logger.removeFilter(none)

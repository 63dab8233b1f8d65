"""Add noise to the pixels of PNG images; all other chunks keep their bytes.

The only field is `data`: the array of the pixels, (height, width) or (height, width, channels), as
NumPy makes it from a Pillow image. An image gets the same noise as this array would as NPY. Alpha
channels do not change and do not count in statistics. If no pixel changes, the output equals the
input to the byte; otherwise the image is recompressed.

Pillow only compresses and decompresses pixels. The chunks are parsed here, by W3C, "Portable
Network Graphics (PNG) Specification (Third Edition)", section 5; so Pillow never handles metadata.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.chunk import Chunk, Column, Field, Positions
from noisify.core.dtypes import NumberType
from noisify.core.errors import DataError, UsageError
from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.core.warning_filters import filtered_warnings
from noisify.files.write_behind import write_all
from noisify.formats.array_source import ArraySource
from noisify.formats.interface import FieldArray, Format, Reading, Sink
from noisify.formats.numpy_fields import ARRAY_NAME, stored
from noisify.formats.row_selection import with_copies

try:
    from PIL import Image
except ImportError:
    raise UsageError("PNG files need Pillow; pip install 'noisify-cli[images]'") from None

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.interface import NoisyColumn

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GRAY, _RGB, _PALETTE, _GRAY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
_CHANNELS = {_GRAY: 1, _RGB: 3, _GRAY_ALPHA: 2, _RGB_ALPHA: 4}
_INTERLACED_AT = 12
_DEEP = 16
"""Bits of a sample, if they are not 8."""
_HEADER = struct.Struct(">IIBBBBB")
_UNPACKED_AT_ONCE = 1 << 20
_ADAM7 = (
    (0, 8, 0, 8),
    (0, 8, 4, 8),
    (4, 8, 0, 4),
    (0, 4, 2, 4),
    (2, 4, 0, 2),
    (0, 2, 1, 2),
    (1, 2, 0, 1),
)
"""For each pass: the first row, the step between rows, the first column, the step between."""


@frozen
class PngChunk:
    """One chunk of a PNG file.

    Attributes:
        kind: The four letters of its type.
        body: Its data.
        start: The offset of its length field in the file.
        stop: The offset of the next chunk.
    """

    kind: bytes
    body: bytes
    start: int
    stop: int


@frozen
class Shape:
    """The contents of the IHDR chunk.

    Attributes:
        width: The pixels in a row.
        height: The number of rows.
        bits: The bits of a sample.
        color: The color type.
        interlaced: Whether the image has Adam7 interlacing.
    """

    width: int
    height: int
    bits: int
    color: int
    interlaced: bool

    @property
    def array(self) -> tuple[int, ...]:
        """The shape of the array of pixels."""
        channels = _CHANNELS[self.color]
        return (self.height, self.width, channels) if channels > 1 else (self.height, self.width)

    @property
    def rows_size(self) -> int:
        """The uncompressed size of all rows: the samples, and one byte a row for the filter."""
        passes = _ADAM7 if self.interlaced else ((0, 1, 0, 1),)
        size = 0
        for top, down, left, right in passes:
            rows, columns = len(range(top, self.height, down)), len(range(left, self.width, right))
            size += rows * (1 + columns * _CHANNELS[self.color] * self.bits // 8) if columns else 0
        return size


def parts_of(data: bytes) -> list[PngChunk]:
    """Cut a PNG file into its chunks, up to the last one, IEND.

    Raises:
        DataError: If a chunk is cut short, or an IHDR or IDAT chunk has a wrong checksum.
    """
    parts: list[PngChunk] = []
    place = len(_SIGNATURE)
    while not parts or parts[-1].kind != b"IEND":
        size = int.from_bytes(data[place : place + 4])
        kind, stop = data[place + 4 : place + 8], place + 12 + size
        if stop > len(data):
            raise DataError("is cut short")
        body = data[place + 8 : place + 8 + size]
        check = int.from_bytes(data[stop - 4 : stop])
        if kind in {b"IHDR", b"IDAT"} and zlib.crc32(kind + body) != check:
            raise DataError(f"is damaged: the checksum of a chunk ({kind.decode()}) is wrong")
        parts.append(PngChunk(kind, body, place, stop))
        place = stop
    return parts


def shape_of(parts: Sequence[PngChunk]) -> Shape:
    """Parse and check the IHDR chunk.

    Raises:
        DataError: If the chunks are broken, or pixels of this kind cannot get noise.
    """
    if parts[0].kind != b"IHDR" or len(parts[0].body) != _HEADER.size:
        raise DataError("is broken: it does not start with an IHDR chunk")
    width, height, bits, color, _, _, interlace = _HEADER.unpack(parts[0].body)
    kinds = {part.kind for part in parts}
    pixels = [at for at, part in enumerate(parts) if part.kind == b"IDAT"]
    if not width or not height or not pixels:
        raise DataError("is broken: it has no pixels")
    if pixels[-1] - pixels[0] != len(pixels) - 1:
        raise DataError("is broken: its IDAT chunks do not follow each other")
    if b"acTL" in kinds:
        raise DataError("is animated (APNG); save its frames as one PNG each")
    if color == _PALETTE:
        raise DataError("has a palette, and noise on its indices is none; convert it to RGB first")
    if color not in _CHANNELS:
        raise DataError(f"is broken: there is no color type {color}")
    if bits == _DEEP and color != _GRAY:
        raise DataError(
            "has 16 bits a sample and is not plain gray, which Pillow would cut down to 8; "
            "convert it to TIFF first"
        )
    if bits not in {8, 16}:
        raise DataError(f"has {bits} bits a sample; convert it to 8 bits first")
    most = 2 * (Image.MAX_IMAGE_PIXELS or width * height)
    if width * height > most:
        raise DataError(
            f"has {width} x {height} pixels, more than the {most} that Pillow unpacks; "
            "convert it to TIFF, which is read in pieces"
        )
    return Shape(width, height, bits, color, bool(interlace))


def unpacked(parts: Sequence[PngChunk], shape: Shape) -> NDArray[Any]:
    """Decompress the pixels to an array of shape `shape.array`, uint8 or uint16.

    Raises:
        DataError: If they are damaged.
    """
    needed = [part for part in parts if part.kind in {b"IHDR", b"IDAT", b"IEND"}]
    plain = io.BytesIO(b"".join((_SIGNATURE, *(_chunk(one.kind, one.body) for one in needed))))
    try:
        with filtered_warnings("ignore", Image.DecompressionBombWarning):
            image = Image.open(plain, formats=["PNG"])
        pixels = np.asarray(image)
        if _unpacked_size(parts) < shape.rows_size:  # Pillow leaves missing pixels black
            raise DataError("is cut short: it has fewer pixels than its header promises")
    except (zlib.error, OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise DataError(f"is damaged: {error}") from None
    dtype = np.uint16 if shape.bits == _DEEP else np.uint8
    if pixels.shape != shape.array or pixels.dtype.itemsize != np.dtype(dtype).itemsize:
        raise DataError(f"is damaged: Pillow reads {pixels.shape} pixels of {pixels.dtype}")
    return pixels.astype(dtype)


def _unpacked_size(parts: Sequence[PngChunk]) -> int:
    """Return the decompressed size of the pixels in bytes."""
    unpacker = zlib.decompressobj()
    size = 0
    for part in parts:
        if part.kind == b"IDAT":
            text = part.body
            while text and not unpacker.eof:
                size += len(unpacker.decompress(text, _UNPACKED_AT_ONCE))
                text = unpacker.unconsumed_tail
    return size + len(unpacker.flush())


def packed(pixels: NDArray[Any]) -> bytes:
    """Compress pixels to IDAT chunks."""
    if pixels.dtype == np.uint16:
        pixels = pixels.astype("<u2", copy=False)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    data = file.getvalue()
    return b"".join(data[p.start : p.stop] for p in parts_of(data) if p.kind == b"IDAT")


def _chunk(kind: bytes, body: bytes) -> bytes:
    check = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)


_COPIES = 7
"""Copies of the pixels in memory at worst: compressed, decompressed and noisy."""


class PngSource(ArraySource[range]):
    """An open PNG file, its pixels in memory."""

    row_elements: int

    def __init__(self, source: Input) -> None:
        with source.open() as file:
            self.data = file.read()
        try:
            self.parts = parts_of(self.data)
            self.shape = shape_of(self.parts)
            source.memory.require(_COPIES * self.shape.rows_size, "the image")
            self.pixels = unpacked(self.parts, self.shape)
        except DataError as error:
            raise error.at(source.name) from None
        self.row_elements = self.pixels[0].size
        number = NumberType.of_dtype(self.pixels.dtype)
        self.fields = (Field(ARRAY_NAME, "int", str(self.pixels.dtype), number, nullable=False),)
        self.notes = list(self._notes(source.name))

    def _notes(self, name: str) -> Iterator[str]:
        if self.shape.interlaced:
            yield f"{name} is interlaced, and the output is not if any pixel changes"
        if any(part.kind == b"tRNS" for part in self.parts):
            yield f"{name} has one transparent color; pixels that noise takes from it are opaque"

    @override
    def read(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[range]:
        """Read ranges of elements that are whole rows."""
        every = range(self.pixels.size)
        step = max(1, size // self.pixels[0].nbytes) * self.row_elements
        return Reading(every[start : start + step] for start in every[::step])

    def decode(self, raw: range, wanted: Sequence[Field]) -> Chunk:
        """Decode the elements; those of an alpha channel are not valid."""
        valid = None
        if self.shape.color in {_GRAY_ALPHA, _RGB_ALPHA}:
            channels = _CHANNELS[self.shape.color]
            valid = np.arange(raw.start, raw.stop) % channels != channels - 1
        values, here = self.elements(raw), Positions.range(raw.start, raw.stop)
        columns = tuple(
            Column(field, field.number, here, values, valid)
            for field in wanted
            if field.number is not None
        )
        return Chunk(columns, rows=here.in_rows(self.row_elements))

    @override
    def array_of(self, field: Field) -> FieldArray:
        """Return the array of the pixels."""
        return FieldArray(field.name, self.shape.array, self.pixels.dtype)

    @override
    def elements(self, raw: range) -> NDArray[Any]:
        """Return some elements."""
        return self.pixels.reshape(-1)[raw.start : raw.stop]

    def size_of(self, raw: range) -> int:
        """Return a piece's share of the file's size."""
        return len(self.data) * len(raw) // self.pixels.size


class PngSink(Sink[range, "NDArray[Any]"]):
    """A PNG file being written: the source's chunks around the noisy pixels."""

    def __init__(self, source: PngSource, output: Output) -> None:
        self._source = source
        self._output = output
        self._pieces: list[NDArray[Any]] = []

    @override
    def with_rows(
        self, versions: Sequence[NDArray[Any]], copies: NDArray[np.int64]
    ) -> NDArray[Any]:
        """Drop or repeat the rows of a piece."""
        return with_copies(versions, copies)

    @override
    def encode(self, raw: range, chunk: Chunk, noisy: Sequence[NoisyColumn]) -> NDArray[Any]:
        """Return the elements of a range, with noise."""
        if not noisy or not noisy[0].changed.any():
            return self._source.elements(raw)
        return stored(noisy[0], self._source.pixels.dtype)

    def write(self, encoded: NDArray[Any]) -> None:
        """Store the next elements."""
        self._pieces.append(encoded)

    def finish(self) -> None:
        """Write the file."""
        data, parts, old = self._source.data, self._source.parts, self._source.pixels
        pixels = np.concatenate(self._pieces).reshape(-1, *old.shape[1:])
        self._pieces.clear()
        if np.array_equal(pixels, old):
            write_all(self._output.file, data)
            return
        if not len(pixels):
            raise UsageError("an image has at least one row, and none would be left")
        head, idat = parts[0], [part for part in parts if part.kind == b"IDAT"]  # in a row
        shape = head.body[:4] + len(pixels).to_bytes(4) + head.body[8:_INTERLACED_AT] + b"\0"
        write_all(self._output.file, data[: head.start] + _chunk(b"IHDR", shape))
        write_all(self._output.file, data[head.stop : idat[0].start] + packed(pixels))
        write_all(self._output.file, data[idat[-1].stop :])


FORMAT = Format(
    open_source=lambda source, _: PngSource(source),
    rewrite=lambda source, output, _: PngSink(source, output),
)

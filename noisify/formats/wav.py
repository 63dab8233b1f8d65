"""Add noise to the samples of WAV files; all other bytes are kept.

The only field is `data`: the samples as whole numbers or floats, frame by frame. A file gets the
same noise as the array of `scipy.io.wavfile.read` would as NPY. Whole numbers are used as stored,
in steps of the least significant bit: 16-bit samples from -32768 to 32767, 8-bit ones from 0 to 255
with silence at 128 (an offset that counts in `--snr`, as it would for the array), and 24-bit ones
from -8388608 to 8388607, where SciPy and soundfile give 256 times that in 32 bits.

RIFF chunks are described in Microsoft and IBM, "Multimedia Programming Interface and Data
Specifications 1.0" (1991), those of files over 4 GiB (RF64, BW64) in EBU Tech 3306 and ITU-R
BS.2088. Chunks that describe the samples (a peak, a loudness) are kept, even if no longer true.
"""

from __future__ import annotations

import io
import shutil
import struct
import tempfile
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from noisify.core.chunk import Chunk, Column, Field, Positions
from noisify.core.dtypes import NumberType
from noisify.core.errors import DataError, UsageError
from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.files.input import read_into
from noisify.files.write_behind import write_all, write_all_at
from noisify.formats.interface import (
    FieldArray,
    Format,
    Reading,
    Sink,
    Source,
    one_pass,
)
from noisify.formats.numpy_fields import ARRAY_NAME, arrow_array, kind_of_dtype, stored
from noisify.formats.row_selection import with_copies

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.interface import NoisyColumn
    from noisify.formats.read_options import ReadOptions

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_OTHERS = {
    2: "ADPCM", 6: "A-law", 7: "mu-law", 0x11: "IMA ADPCM", 0x31: "GSM 6.10", 0x50: "MPEG",
    0x55: "MP3",
}  # fmt: skip
_GUID_TAIL = (0, 0x10, bytes.fromhex("800000aa00389b71"))
_LONGEST_FORMAT = 1 << 16
_UNKNOWN_SIZE = 0xFFFFFFFF
_SIZES_OF_STREAMS = (range(0x7FFF0000, 0x80000001), range(0xFFFF0000, 0x100000000))
"""The sizes that programs write to a pipe when they do not know the size."""
_CHUNK_HEAD, _PLAIN_FORMAT, _EXTENDED_FORMAT = 8, 16, 40
"""The sizes of a chunk's head, and of a `fmt` chunk without and with an extension."""
_PACKED_WIDTH = 3
_KEPT_IN_MEMORY = 1 << 20


@frozen
class Samples:
    """The storage format of samples.

    Attributes:
        width: The bytes of a sample.
        dtype: The dtype of the stored samples, including the byte order; for 24-bit samples, that
            of the 32-bit numbers whose upper three bytes they are.
        number: The number type of the decoded samples.
    """

    width: int
    dtype: np.dtype[Any]
    number: NumberType

    @classmethod
    def of(cls, kind: str, width: int, order: str) -> Samples:
        """Return the storage format of samples of a dtype kind (i, u or f) and width in bytes."""
        if width == _PACKED_WIDTH:
            return cls(width, np.dtype(f"{order}i4"), NumberType("int", np.dtype("i4"), bits=24))
        dtype = np.dtype(f"{order}{kind}{width}")
        return cls(
            width, dtype, NumberType("float" if kind == "f" else "int", np.dtype(dtype.type))
        )

    @property
    def type_name(self) -> str:
        """The name of the type, for example int24 or float32."""
        return f"int{self.number.bits}" if self.number.bits else str(self.number.dtype)

    @property
    def _packed(self) -> slice:
        """The bytes of a 32-bit number that hold a 24-bit sample shifted up by 8 bits."""
        return slice(0, 3) if self.dtype == np.dtype(">i4") else slice(1, 4)

    def decode(self, raw: NDArray[np.uint8]) -> NDArray[Any]:
        """Decode stored bytes to numbers in native byte order."""
        if not self.number.bits:
            return raw.view(self.dtype).astype(self.number.dtype, copy=False)
        wide = np.zeros((len(raw) // 3, 4), np.uint8)
        wide[:, self._packed] = raw.reshape(-1, 3)
        shifted: NDArray[Any] = wide.view(self.dtype).reshape(-1).astype(np.int32) >> 8
        return shifted

    def encode(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Encode numbers as the bytes to store.

        Raises:
            UsageError: If one does not fit into 24 bits.
        """
        if not self.number.bits:
            return np.ascontiguousarray(values, self.dtype).view(np.uint8)
        low, high = self.number.limits
        if len(values) and (values.min() < low or values.max() > high):
            raise UsageError("a value does not fit into 24 bits", field=ARRAY_NAME)
        wide = (values << 8).astype(self.dtype).view(np.uint8).reshape(-1, 4)
        return np.ascontiguousarray(wide[:, self._packed]).reshape(-1)


@frozen
class Header:
    """The header of a WAV file.

    Attributes:
        samples: The storage format of the samples.
        channels: The samples in a frame.
        rate: The frames per second.
        valid_bits: The number of significant bits in a sample.
        start: The offset of the samples in the file.
        size: The size of the samples in bytes, according to the header.
        open_ended: Whether the file may end before that.
    """

    samples: Samples
    channels: int
    rate: int
    valid_bits: int
    start: int
    size: int
    open_ended: bool


def read_header(source: Input) -> Header:
    """Read the header up to the samples; a stream is spooled if the header is very long.

    Raises:
        DataError: If it is not a WAVE file, or samples of this kind cannot get noise.
    """
    if source.path is None:
        header = _walk(io.BytesIO(source.head()), source.name)
        if header is not None:
            return header
        source.spool()
    with source.open() as file:
        header = _walk(file, source.name)
    if header is None:
        raise DataError("has no samples: there is no data chunk", path=source.name)
    return header


def _walk(file: BinaryIO, name: str) -> Header | None:
    """Parse the chunks before the samples; return None if the file ends before the samples."""
    start = file.read(12)
    order = ">" if start[:4] == b"RIFX" else "<"
    if start[8:12] != b"WAVE":
        form = start[8:12].decode("ascii", "replace").strip()
        instead = "convert it to PNG first" if form == "WEBP" else "only WAVE audio is read"
        raise DataError(f"is a RIFF file of the kind {form}; {instead}", path=name)
    (whole,) = struct.unpack(f"{order}I", start[4:8])
    found: tuple[Samples, int, int, int] | None = None
    large: int | None = None
    place = len(start)
    while len(chunk := file.read(_CHUNK_HEAD)) == _CHUNK_HEAD:
        kind, size = struct.unpack(f"{order}4sI", chunk)
        place += len(chunk)
        if kind == b"data":
            if found is None:
                raise DataError("has no fmt chunk before its samples", path=name)
            return Header(*found, place, *_data_size(size, whole, place, large))
        if kind == b"fmt ":
            found = _format(file.read(min(size, _LONGEST_FORMAT)), order, name)
        elif kind == b"ds64":
            large = int.from_bytes(file.read(16)[8:], "little")
        place += size + size % 2
        file.seek(place)
    return None


def _data_size(size: int, whole: int, start: int, large: int | None) -> tuple[int, bool]:
    """Return the size of the samples in bytes, and whether there may be fewer.

    A program that writes to a pipe cannot go back to fill in the size. It leaves 0, or a number
    near 2 or 4 GiB; then the samples go on to the end of the file.

    Args:
        size: The size in the data chunk.
        whole: The size in the RIFF chunk.
        start: The offset of the samples.
        large: The size in the ds64 chunk for large files, or None without one.
    """
    if large is not None and size == _UNKNOWN_SIZE:
        return large, False
    nothing_follows = whole + 8 <= start or whole == _UNKNOWN_SIZE
    if size == _UNKNOWN_SIZE or (size == 0 and nothing_follows):
        return 1 << 63, True
    return size, any(size in sizes for sizes in _SIZES_OF_STREAMS)


def _format(text: bytes, order: str, name: str) -> tuple[Samples, int, int, int]:
    """Parse the fmt chunk: storage format, channels, frames per second, valid bits.

    Raises:
        DataError: If the samples are compressed, or in an unknown storage format.
    """
    if len(text) < _PLAIN_FORMAT:
        raise DataError("has a broken fmt chunk", path=name)
    code, channels, rate, _, frame, bits = struct.unpack(f"{order}HHIIHH", text[:_PLAIN_FORMAT])
    valid = bits
    if code == _EXTENSIBLE and len(text) >= _EXTENDED_FORMAT:
        (valid,) = struct.unpack(f"{order}H", text[18:20])
        inner, *others = struct.unpack(f"{order}IHH8s", text[24:_EXTENDED_FORMAT])
        code = inner if tuple(others) == _GUID_TAIL else code
    if code not in {_PCM, _FLOAT}:
        what = _OTHERS.get(code, f"compressed (code {code:#x})")
        raise DataError(
            f"has {what} samples; convert them to PCM first: ffmpeg -i IN.wav -c:a pcm_s16le "
            "OUT.wav",
            path=name,
        )
    width, left = divmod(frame, channels) if channels else (0, 1)
    widths = (1, 2, 3, 4, 8) if code == _PCM else (4, 8)
    if left or width not in widths or not 8 * (width - 1) < bits <= 8 * width:
        raise DataError(
            f"has samples of {bits} bits, {channels} in {frame} bytes, which are not known; "
            "convert them to 16 or 24 bits or to floats",
            path=name,
        )
    kind = "f" if code == _FLOAT else "u" if width == 1 else "i"
    return Samples.of(kind, width, order), channels, rate, valid or bits


@frozen
class SamplesPiece:
    """Some samples as stored in the file.

    Attributes:
        raw: The bytes of the samples.
        positions: The positions of the samples.
    """

    raw: NDArray[np.uint8]
    positions: Positions


class WavSource(Source[SamplesPiece]):
    """An open WAV file."""

    def __init__(self, source: Input) -> None:
        self._input = source
        self.header = read_header(source)
        samples = self.header.samples
        self._count: int | None = None
        if source.size is not None:
            self._count = self._whole_samples(source.size - self.header.start)
        elif not self.header.open_ended:
            self._count = self.header.size // samples.width
        self.fields = (
            Field(
                name=ARRAY_NAME,
                kind=kind_of_dtype(samples.number.dtype),
                type_name=samples.type_name,
                number=samples.number,
                nullable=samples.number.kind == "float",
            ),
        )
        self.notes: list[str] = []
        bits = 8 * samples.width
        if self.header.valid_bits < bits:
            self.notes.append(
                f"{source.name} has samples of {self.header.valid_bits} bits in {bits}; they get "
                f"noise as numbers of {bits} bits"
            )
        self.empty = self._count == 0
        self.rest: tempfile.SpooledTemporaryFile[bytes] = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - close() does
            _KEPT_IN_MEMORY
        )

    @cached_property
    def row_elements(self) -> int | None:  # type: ignore[override]
        """The samples of a frame; None if the file has no size, or a 64-bit one."""
        plain = self.head()[:4] in {b"RIFF", b"RIFX"} and not self.header.open_ended
        return self.header.channels if plain else None

    def _whole_samples(self, found: int) -> int:
        """Return the number of whole samples in `found` bytes.

        Raises:
            DataError: If the header promises more.
        """
        promised = self.header.size
        if found < promised and not self.header.open_ended:
            raise DataError(
                f"is cut short: its header promises {promised} bytes of samples and there are "
                f"{found}",
                path=self._input.name,
            )
        return min(found, promised) // self.header.samples.width

    def head(self) -> bytes:
        """Return all bytes before the samples."""
        return self._input.head(self.header.start)

    @override
    def read(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[SamplesPiece]:
        """Read consecutive samples; store the bytes after them in `rest`."""
        return Reading(self._pieces(size))

    def _pieces(self, size: int) -> Iterator[SamplesPiece]:
        width = self.header.samples.width
        frame = width * self.header.channels
        per_piece = max(1, size // frame) * frame
        with self._input.open() as file:
            read_into(file, memoryview(bytearray(self.header.start)))
            done = 0
            over = b""
            while not over and done < self.header.size:
                raw = np.empty(min(per_piece, self.header.size - done), np.uint8)
                found = read_into(file, raw.data)
                if found < len(raw):
                    self._whole_samples(done + found)
                whole = found // width * width
                over = raw[whole:found].tobytes()
                if whole:
                    start = done // width
                    yield SamplesPiece(raw[:whole], Positions.range(start, start + whole // width))
                if found < len(raw):
                    break
                done += found
            self.rest.seek(0)
            self.rest.truncate()
            self.rest.write(over)
            shutil.copyfileobj(file, self.rest)

    def decode(self, raw: SamplesPiece, wanted: Sequence[Field]) -> Chunk:
        """Decode the samples."""
        number = self.header.samples.number
        columns = tuple(
            Column(field, number, raw.positions, self.header.samples.decode(raw.raw))
            for field in wanted
        )
        return Chunk(columns, rows=raw.positions.in_rows(self.header.channels))

    @override
    def array_of(self, field: Field) -> FieldArray:
        """Return the array of the samples as SciPy reads it, with one row per frame.

        Raises:
            UsageError: If it is a stream of unknown length.
        """
        if self._count is None:
            raise UsageError("is a stream that does not say its length; --mask needs a file")
        channels = self.header.channels
        whole = channels > 1 and not self._count % channels
        shape = (self._count // channels, channels) if whole else (self._count,)
        return FieldArray(field.name, shape, self.header.samples.number.dtype)

    @override
    def condition_values(
        self,
        raw: SamplesPiece,
        chunk: Chunk,
        names: Iterable[str],
    ) -> dict[str, Any]:
        """Return the samples as an Arrow array."""
        return {name: arrow_array(self.header.samples.decode(raw.raw), name) for name in names}

    def size_of(self, raw: SamplesPiece) -> int:
        """Return the size of a piece in bytes."""
        return len(raw.raw)

    @override
    def length(self, field: Field) -> int | None:
        """Return the number of samples; None for a stream of unknown length."""
        return self._count

    def array_shape(self, field: Field) -> tuple[int, ...] | None:  # noqa: ARG002
        """Return the numbers of frames and channels; None for a stream of unknown length."""
        channels = self.header.channels
        return None if self._count is None else (self._count // channels, channels)

    def close(self) -> None:
        """Discard `rest`; the file is open only while it is read."""
        self.rest.close()


class WavSink(Sink[SamplesPiece, "NDArray[np.uint8]"]):
    """A WAV file being written: the source's bytes around the noisy samples."""

    def __init__(self, source: WavSource, output: Output) -> None:
        self._source = source
        self._output = output
        self._written = 0
        self._other_rows = False
        write_all(output.file, source.head())

    @override
    def encode(
        self, raw: SamplesPiece, chunk: Chunk, noisy: Sequence[NoisyColumn]
    ) -> NDArray[np.uint8]:
        """Encode the noisy samples."""
        if not noisy:
            return raw.raw
        samples = self._source.header.samples
        return samples.encode(stored(noisy[0], samples.number.dtype))

    @override
    def with_rows(
        self, versions: Sequence[NDArray[np.uint8]], copies: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """Drop or repeat the frames of some samples."""
        return with_copies(versions, copies)

    def write(self, encoded: NDArray[np.uint8]) -> None:
        """Write the bytes of some samples."""
        self._written += encoded.size
        write_all(self._output.file, encoded.data)

    @override
    def expect_rows(self) -> None:
        """Prepare to update the sizes in the header at the end."""
        self._other_rows = True

    def finish(self) -> None:
        """Write the bytes after the samples."""
        rest = self._source.rest
        rest.seek(0)
        if self._other_rows:
            self._update_sizes(padded=bool(rest.read(self._source.header.size % 2)))
        while data := rest.read(_KEPT_IN_MEMORY):
            write_all(self._output.file, data)

    def _update_sizes(self, *, padded: bool) -> None:
        """Pad the samples to an even size, and update the sizes of the chunk and the file."""
        head, old = self._source.head(), self._source.header
        order = ">" if head[:4] == b"RIFX" else "<"
        padding = self._written % 2
        write_all(self._output.file, bytes(padding))
        (whole,) = struct.unpack(f"{order}I", head[4:8])
        whole += self._written + padding - old.size - padded
        file = self._output.file
        write_all_at(file, memoryview(struct.pack(f"{order}I", whole)), 4)
        write_all_at(file, memoryview(struct.pack(f"{order}I", self._written)), old.start - 4)


class WavFormat(Format[WavSource]):
    """WAV files."""

    title = "WAV"

    @override
    def open_source(self, source: Input, options: ReadOptions) -> WavSource:
        """Open a WAV file."""
        return WavSource(source)

    @override
    def rewrite(
        self,
        source: WavSource,
        output: Output,
        passes: int,
        noised: frozenset[str],
    ) -> WavSink:
        """Start a WAV file with the header of the source."""
        one_pass(self.title, passes)
        return WavSink(source, output)


FORMAT = WavFormat()

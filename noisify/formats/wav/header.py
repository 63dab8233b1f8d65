"""Read the headers of WAV files, and decode and encode their samples.

RIFF chunks are described in Microsoft and IBM, "Multimedia Programming Interface and Data
Specifications 1.0" (1991), those of files over 4 GiB (RF64, BW64) in EBU Tech 3306 and ITU-R
BS.2088.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from noisify.core.dtypes import NumberType
from noisify.core.errors import DataError, UsageError
from noisify.core.value_class import frozen
from noisify.formats.numpy_fields import ARRAY_NAME

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noisify.files.input import Input

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
        rate: The frames per second, for pictures of sound.
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

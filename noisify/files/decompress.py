"""Decompress streams: every member must be complete, with nothing after the last."""

from __future__ import annotations

import bz2
import io
import lzma
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from noisify.core.errors import DataError
from noisify.core.lazy_libraries import pa
from noisify.files import codecs
from noisify.files.codecs import BZIP2, GZIP, LZ4, XZ, ZSTD

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from noisify.files.codecs import Codec

_READ_BYTES = 1 << 18
_BLOCK_BYTES = 1 << 20
_XZ_MEMORY = 1 << 28
_XZ_PADDING = 4
_GZIP_WINDOW = 31


def open_decompressed(file: BinaryIO, codec: Codec, name: str) -> BinaryIO:
    """Return a stream of the decompressed bytes of an open file; closing it closes the file.

    Reading raises DataError if the data is damaged, cut short or followed by something else.

    Args:
        file: The compressed data, from the start.
        codec: Its codec.
        name: The file's name in errors.
    """
    blocks = _arrow_blocks if codec in {ZSTD, LZ4} else _member_blocks
    return cast("BinaryIO", BlockStream(blocks(file, codec, name), file))


class BlockStream(io.RawIOBase):
    """A readable stream of the bytes of a generator of blocks.

    Args:
        blocks: The blocks; the generator is closed with the stream.
        file: A file to close with the stream.
    """

    def __init__(self, blocks: Generator[bytes], file: BinaryIO | None = None) -> None:
        self._blocks = blocks
        self._file = file
        self._block = memoryview(b"")

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read the next bytes into a buffer; return how many, 0 at the end."""
        if not self._block:
            self._block = memoryview(next(self._blocks, b""))
        count = min(len(buffer), len(self._block))
        buffer[:count] = self._block[:count]
        self._block = self._block[count:]
        return count

    def close(self) -> None:
        """Close the generator and the file."""
        if not self.closed:
            self._blocks.close()
            if self._file is not None:
                self._file.close()
        super().close()


class _Inflater:
    """Decompresses one gzip member."""

    def __init__(self) -> None:
        self._inflater: Any = codecs.deflate_library().decompressobj(_GZIP_WINDOW)
        self.needs_input = True
        self.eof = False
        self.unused_data = b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        waiting = self._inflater.unconsumed_tail
        out: bytes = self._inflater.decompress(waiting + data if waiting else data, max_length)
        self.needs_input = len(out) < max_length and not self._inflater.unconsumed_tail
        self.eof, self.unused_data = self._inflater.eof, self._inflater.unused_data
        return out


_DECOMPRESSORS: dict[
    Codec, Callable[[], _Inflater | bz2.BZ2Decompressor | lzma.LZMADecompressor]
] = {
    GZIP: _Inflater,
    BZIP2: bz2.BZ2Decompressor,
    XZ: lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _XZ_MEMORY),
}


def _member_blocks(file: BinaryIO, codec: Codec, name: str) -> Generator[bytes]:
    """Decompress gzip, bzip2 or xz data member by member.

    Raises:
        DataError: If it is damaged, or does not end where a member ends.
    """
    start = _DECOMPRESSORS[codec]
    errors = (codecs.deflate_library().error, lzma.LZMAError, OSError, EOFError)
    data = file.read(_READ_BYTES)
    while data:
        member = start()
        while not member.eof:
            if member.needs_input and not data and not (data := file.read(_READ_BYTES)):
                raise _cut_short(codec, name)
            try:
                block = member.decompress(data, _BLOCK_BYTES)
            except errors as error:
                raise _damaged(codec, name, error) from None
            data = b""
            if block:
                yield block
        data = _next_member(member.unused_data, file, codec, name)


def _next_member(data: bytes, file: BinaryIO, codec: Codec, name: str) -> bytes:
    """Return the first bytes of the next member, empty at the end of the file.

    Zero padding is skipped: any number after gzip data, multiples of four after xz data.

    Args:
        data: The bytes already read after a member.
        file: The rest of the file.
        codec: Its codec.
        name: The file's name in errors.

    Raises:
        DataError: If anything else follows.
    """
    zeros = 0
    while True:
        rest = data.lstrip(b"\0")
        zeros += len(data) - len(rest)
        if rest or not (data := file.read(_READ_BYTES)):
            break
    while 0 < len(rest) < len(codec.magic) and (more := file.read(_READ_BYTES)):
        rest += more
    padded = codec is GZIP or (codec is XZ and zeros % _XZ_PADDING == 0)
    if (zeros and not padded) or not rest.startswith(codec.magic[: len(rest)]):
        raise _trailing(codec, name)
    return rest


def _arrow_blocks(file: BinaryIO, codec: Codec, name: str) -> Generator[bytes]:
    """Decompress zstd or lz4 data with Arrow, which checks every frame.

    Raises:
        DataError: If it is damaged, or does not end where a frame ends.
    """
    stream = pa.CompressedInputStream(pa.PythonFile(_NotClosed(file), mode="r"), codec.name)
    while True:
        try:
            block = stream.read(_BLOCK_BYTES)
        except OSError as error:
            if error.errno is not None:
                raise
            text = str(error)
            if "Truncated" in text:
                raise _cut_short(codec, name) from None
            if "Unknown frame" in text or "frameType_unknown" in text:
                raise _trailing(codec, name) from None
            raise _damaged(codec, name, error) from None
        if not block:
            return
        yield block


class _NotClosed(io.RawIOBase):
    """A file that its reader cannot close."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(size)


def _cut_short(codec: Codec, name: str) -> DataError:
    return DataError(f"is cut short: its {codec.name} data have no end", path=name)


def _trailing(codec: Codec, name: str) -> DataError:
    return DataError(f"goes on with other bytes after its {codec.name} data", path=name)


def _damaged(codec: Codec, name: str, error: Exception) -> DataError:
    return DataError(f"is damaged: its {codec.name} data do not decompress ({error})", path=name)

"""Files that are compressed as they are written, in threads of their own.

What is written is cut into blocks of one size before it is compressed, so the compressed bytes do
not depend on how it came: not on the chunks, nor on how many threads there are. They hold no
time and no name either.
"""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections import deque
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from noisify.core.lazy import optional
from noisify.core.lazy_pyarrow import pa
from noisify.core.threads import thread_pool
from noisify.files.codecs import BZIP2, GZIP, ISAL_LEVEL, LZ4, XZ, ZSTD, deflate_library

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from _typeshed import ReadableBuffer

    from noisify.files.codecs import Codec, Compression

_BLOCK_BYTES = 1 << 20
_MORE_IN_FLIGHT = 2
_GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0"
_UNKNOWN_SYSTEM = b"\xff"
_LAST_BLOCK = b"\x03\0"
_ISAL_LEVELS = range(1, 4)
_RAW_DEFLATE = -15


class _Packer(Protocol):
    """What compresses a file, block by block.

    Attributes:
        parallel: Whether blocks may be packed in any order, several at once.
    """

    parallel: bool

    def head(self) -> bytes:
        """Return what comes before the first block."""
        ...

    def pack(self, block: bytearray) -> bytes:
        """Return a block, compressed; called in a worker thread."""
        ...

    def note(self, block: bytearray) -> None:
        """Take note of the next block, in the order of the file."""
        ...

    def tail(self) -> bytes:
        """Return what comes after the last block."""
        ...


class _GzipPacker:
    """One gzip member, whose blocks are compressed each for itself, as pigz has it.

    isal is several times as fast as zlib's levels 1 to 3, and no larger; beyond, it has none.
    """

    parallel = True

    def __init__(self, level: int) -> None:
        self._level = self._own_level = level
        self._checks: Any = deflate_library()
        self._deflate: Any = zlib
        if self._checks is not zlib and level in _ISAL_LEVELS:
            self._deflate, self._own_level = self._checks, ISAL_LEVEL
        self._flush: int = zlib.Z_SYNC_FLUSH
        self._checksum = 0
        self._size = 0

    def head(self) -> bytes:
        effort = {1: b"\x04", 9: b"\x02"}.get(self._level, b"\0")
        return _GZIP_HEADER + effort + _UNKNOWN_SYSTEM

    def pack(self, block: bytearray) -> bytes:
        deflater = self._deflate.compressobj(self._own_level, self._deflate.DEFLATED, _RAW_DEFLATE)
        parts: tuple[bytes, bytes] = deflater.compress(block), deflater.flush(self._flush)
        return b"".join(parts)

    def note(self, block: bytearray) -> None:
        self._checksum = self._checks.crc32(block, self._checksum)
        self._size += len(block)

    def tail(self) -> bytes:
        size = self._size & 0xFFFFFFFF
        return _LAST_BLOCK + self._checksum.to_bytes(4, "little") + size.to_bytes(4, "little")


class _Compressor(Protocol):
    """What the libraries that compress block after block have in common."""

    def compress(self, data: bytearray, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _StreamPacker:
    """One stream of a library that compresses block after block."""

    parallel = False

    def __init__(self, compressor: _Compressor, head: bytes = b"") -> None:
        self._compressor = compressor
        self._head = head

    def head(self) -> bytes:
        return self._head

    def pack(self, block: bytearray) -> bytes:
        return self._compressor.compress(block)

    def note(self, block: bytearray) -> None:
        pass

    def tail(self) -> bytes:
        return self._compressor.flush()


def _bzip2(level: int) -> _Packer:
    return _StreamPacker(bz2.BZ2Compressor(level))


def _xz(level: int) -> _Packer:
    return _StreamPacker(lzma.LZMACompressor(preset=level))


class _Collected(io.RawIOBase):
    """Keeps what is written, also when it is closed."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        self.parts.append(bytes(data))
        return len(self.parts[-1])


class _ArrowPacker:
    """One stream of Arrow's own codec, at its own level and without a checksum."""

    parallel = False

    def __init__(self, name: str) -> None:
        self._packed = _Collected()
        self._stream = pa.CompressedOutputStream(pa.PythonFile(self._packed, mode="w"), name)

    def head(self) -> bytes:
        return b""

    def pack(self, block: bytearray) -> bytes:
        self._stream.write(block)
        return self._taken()

    def note(self, block: bytearray) -> None:
        pass

    def tail(self) -> bytes:
        self._stream.close()
        return self._taken()

    def _taken(self) -> bytes:
        """Return what has been written since it was last called."""
        packed = b"".join(self._packed.parts)
        self._packed.parts.clear()
        return packed


def _zstd(level: int) -> _Packer:
    if (zstandard := optional("zstandard")) is None:
        return _ArrowPacker("zstd")
    compressor = zstandard.ZstdCompressor(level=level, write_checksum=True)
    return _StreamPacker(compressor.compressobj())


def _lz4(level: int) -> _Packer:
    if (lz4 := optional("lz4.frame")) is None:
        return _ArrowPacker("lz4")
    compressor = lz4.LZ4FrameCompressor(
        compression_level=level, content_checksum=True, block_size=lz4.BLOCKSIZE_MAX1MB
    )
    return _StreamPacker(compressor, compressor.begin())


_PACKERS: dict[Codec, Callable[[int], _Packer]] = {
    GZIP: _GzipPacker,
    BZIP2: _bzip2,
    XZ: _xz,
    ZSTD: _zstd,
    LZ4: _lz4,
}


class CompressedFile(io.RawIOBase):
    """A file whose content is compressed on its way into another.

    Args:
        file: Takes the compressed bytes; stays open.
        compression: How to compress.
        jobs: Worker threads, for a codec that can use several.
    """

    def __init__(self, file: BinaryIO, compression: Compression, jobs: int) -> None:
        self._file = file
        self._packer = _PACKERS[compression.codec](compression.level)
        threads = max(1, jobs) if self._packer.parallel else 1
        self._in_flight = threads + _MORE_IN_FLIGHT
        self._pool = thread_pool(threads, "noisify-compress")
        self._packed: deque[Future[bytes]] = deque()
        self._block = bytearray()
        self._started = False

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: ReadableBuffer) -> int:
        """Take all of `data`, and write what has been compressed of what came before."""
        view = memoryview(data).cast("B")
        place = 0
        while place < len(view):
            part = view[place : place + _BLOCK_BYTES - len(self._block)]
            self._block += part
            place += len(part)
            if len(self._block) == _BLOCK_BYTES:
                self._pack()
        return len(view)

    def _pack(self) -> None:
        """Have the block compressed."""
        self._packer.note(self._block)
        self._packed.append(self._pool.submit(self._packer.pack, self._block))
        self._block = bytearray()
        while len(self._packed) >= self._in_flight:
            self._write_next()

    def _write_next(self) -> None:
        self._write_out(self._packed.popleft().result())

    def _write_out(self, packed: bytes) -> None:
        if not self._started:
            self._started = True
            self._write_out(self._packer.head())
        view = memoryview(packed)
        while view:
            view = view[self._file.write(view) or 0 :]

    def finish(self) -> None:
        """Write all that is left, and the end."""
        if self._block:
            self._pack()
        while self._packed:
            self._write_next()
        self._write_out(self._packer.tail())
        self.close()

    def close(self) -> None:
        """Stop; without `finish`, what has been written is not whole."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        super().close()

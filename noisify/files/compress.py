"""Compress files while they are written, in worker threads.

Data is cut into blocks of a fixed size before compression, so the compressed bytes do not depend on
the chunk size or the number of threads. They contain no time stamp and no file name.
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
    """Compresses a file block by block.

    Attributes:
        parallel: Whether blocks may be packed concurrently and in any order.
    """

    parallel: bool

    def head(self) -> bytes:
        """Return the bytes before the first block."""
        ...

    def pack(self, block: bytearray) -> bytes:
        """Compress a block; called in a worker thread."""
        ...

    def note(self, block: bytearray) -> None:
        """Update checksum and size with the next block; called in file order."""
        ...

    def tail(self) -> bytes:
        """Return the bytes after the last block."""
        ...


class _GzipPacker:
    """Writes one gzip member whose blocks are compressed independently, as pigz does.

    isal is several times faster than zlib's levels 1 to 3 and compresses as well. It has no higher
    levels.
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
    """The interface that incremental compressors share."""

    def compress(self, data: bytearray, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _StreamPacker:
    """Writes one stream with an incremental compressor."""

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
    """Collects what is written; the parts remain after it is closed."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        self.parts.append(bytes(data))
        return len(self.parts[-1])


class _ArrowPacker:
    """Writes one stream with Arrow's codec, at Arrow's level and without a checksum."""

    parallel = False

    def __init__(self, name: str) -> None:
        self._packed = _Collected()
        self._stream = pa.CompressedOutputStream(pa.PythonFile(self._packed, mode="w"), name)

    def head(self) -> bytes:
        return b""

    def pack(self, block: bytearray) -> bytes:
        self._stream.write(block)
        return self._take_written()

    def note(self, block: bytearray) -> None:
        pass

    def tail(self) -> bytes:
        self._stream.close()
        return self._take_written()

    def _take_written(self) -> bytes:
        """Return what was written since the last call."""
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
    """A writable file that compresses its content into another file.

    Args:
        file: Receives the compressed bytes; stays open.
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
        """Accept all of `data`, and write the blocks whose compression has finished."""
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
        """Submit the current block for compression."""
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
        """Write all remaining blocks and the end of the stream, and close."""
        if self._block:
            self._pack()
        while self._packed:
            self._write_next()
        self._write_out(self._packer.tail())
        self.close()

    def close(self) -> None:
        """Stop compressing; without `finish`, the output is incomplete."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        super().close()

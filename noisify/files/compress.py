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
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, cast

from noisify.core.lazy import optional
from noisify.core.lazy_libraries import pa
from noisify.core.threads import thread_pool
from noisify.files.codecs import BZIP2, GZIP, ISAL_LEVEL, LZ4, XZ, ZSTD, deflate_library

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from _typeshed import ReadableBuffer

    from noisify.files.codecs import Codec, Compression

Compressor: TypeAlias = Any
"""Has `compress` and `flush`, as the incremental compressors of all libraries have."""
_BLOCK_BYTES = 1 << 20
_MORE_IN_FLIGHT = 2
_GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0"
_UNKNOWN_SYSTEM = b"\xff"
_LAST_BLOCK = b"\x03\0"
_ISAL_LEVELS = range(1, 4)
_RAW_DEFLATE = -15


class _Packer:
    """Compresses a file block by block, into one stream of an incremental compressor.

    Args:
        compressor: The compressor.
        head: The bytes before the first block.

    Attributes:
        parallel: Whether blocks may be packed concurrently and in any order.
        head: The same.
    """

    parallel = False

    def __init__(self, compressor: Compressor, head: bytes = b"") -> None:
        self._compressor = compressor
        self.head = head

    def pack(self, block: bytearray) -> bytes:
        """Compress a block; called in a worker thread."""
        return cast("bytes", self._compressor.compress(block))

    def note(self, block: bytearray) -> None:
        """Update checksum and size with the next block; called in file order."""

    def tail(self) -> bytes:
        """Return the bytes after the last block."""
        return cast("bytes", self._compressor.flush())


class _GzipPacker(_Packer):
    """Writes one gzip member whose blocks are compressed independently, as pigz does.

    isal is several times faster than zlib's levels 1 to 3 and compresses as well. It has no higher
    levels.
    """

    parallel = True

    def __init__(self, level: int) -> None:
        self._checks: Any = deflate_library()
        by_isal = self._checks is not zlib and level in _ISAL_LEVELS
        effort = {1: b"\x04", 9: b"\x02"}.get(level, b"\0")
        head = _GZIP_HEADER + effort + _UNKNOWN_SYSTEM
        super().__init__(self._checks if by_isal else zlib, head)
        self._level = ISAL_LEVEL if by_isal else level
        self._flush: int = zlib.Z_SYNC_FLUSH
        self._checksum = 0
        self._size = 0

    def pack(self, block: bytearray) -> bytes:
        library = self._compressor
        deflater = library.compressobj(self._level, library.DEFLATED, _RAW_DEFLATE)
        parts: tuple[bytes, bytes] = deflater.compress(block), deflater.flush(self._flush)
        return b"".join(parts)

    def note(self, block: bytearray) -> None:
        self._checksum = self._checks.crc32(block, self._checksum)
        self._size += len(block)

    def tail(self) -> bytes:
        size = self._size & 0xFFFFFFFF
        return _LAST_BLOCK + self._checksum.to_bytes(4, "little") + size.to_bytes(4, "little")


class _Collected(io.BytesIO):
    """A buffer that its writer cannot close."""

    def close(self) -> None:
        """Stay open."""


class _ArrowCompressor:
    """Arrow's codec as an incremental compressor, at Arrow's level and without a checksum."""

    def __init__(self, name: str) -> None:
        self._packed = _Collected()
        self._stream = pa.CompressedOutputStream(pa.PythonFile(self._packed, mode="w"), name)

    def compress(self, data: bytearray) -> bytes:
        """Compress some bytes, and return what was written since the last call."""
        self._stream.write(data)
        packed = self._packed.getvalue()
        self._packed.seek(0)
        self._packed.truncate()
        return packed

    def flush(self) -> bytes:
        """End the stream, and return the rest of it."""
        self._stream.close()
        return self._packed.getvalue()


def _zstd(level: int) -> _Packer:
    if (zstandard := optional("zstandard")) is None:
        return _Packer(_ArrowCompressor("zstd"))
    compressor = zstandard.ZstdCompressor(level=level, write_checksum=True)
    return _Packer(compressor.compressobj())


def _lz4(level: int) -> _Packer:
    if (lz4 := optional("lz4.frame")) is None:
        return _Packer(_ArrowCompressor("lz4"))
    compressor = lz4.LZ4FrameCompressor(
        compression_level=level, content_checksum=True, block_size=lz4.BLOCKSIZE_MAX1MB
    )
    return _Packer(compressor, compressor.begin())


_PACKERS: dict[Codec, Callable[[int], _Packer]] = {
    GZIP: _GzipPacker,
    BZIP2: lambda level: _Packer(bz2.BZ2Compressor(level)),
    XZ: lambda level: _Packer(lzma.LZMACompressor(preset=level)),
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
            self._write_out(self._packer.head)
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

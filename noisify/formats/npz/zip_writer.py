"""Write ZIP archives of new members, and of others whose bytes are copied."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, BinaryIO

from noisify.core.value_class import frozen
from noisify.files.write_behind import write_all
from noisify.formats.npz.zip_archive import (
    CENTRAL,
    END,
    END_64,
    LOCAL,
    LOCATOR_64,
    MOST_16,
    MOST_32,
    SIZES_FOLLOW,
    Archive,
    Member,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_ZIP64 = 1
"""The kind of the extra field for sizes and offsets over 32 bits."""
_FIELD_HEAD = struct.Struct("<2H")
"""The kind and the size of an extra field."""
_ZIP64_VERSION = 45
_COPY_BYTES = 1 << 20
_PACKED_GROWS = 1 << 20
"""More bytes than compression can add to 4 GiB of data that do not compress."""


@frozen
class Sizes:
    """The sizes of a member's data.

    Attributes:
        crc: The checksum of the uncompressed data.
        packed: The size in the archive in bytes.
        unpacked: The uncompressed size in bytes.
    """

    crc: int
    packed: int
    unpacked: int


class Packer:
    """Writes one member's data, which come in pieces of any size, into a file.

    Compressed data are cut into units, each compressed on its own. So several threads can compress
    them, and the result does not depend on the pieces.

    Args:
        deflated: Whether to compress.
        unit: The size of a unit in bytes, or None for a single unit, as other software writes.
    """

    def __init__(self, *, deflated: bool, unit: int | None) -> None:
        self._deflated = deflated
        self._unit = unit
        self._stream = _stream()
        self._waiting = bytearray()
        self.sizes = Sizes(0, 0, 0)

    def add(self, file: BinaryIO, data: memoryview, packed: Sequence[bytes] | None = None) -> None:
        """Write some data.

        Args:
            file: Where to write.
            data: The data.
            packed: Their compressed units, if they are whole units.
        """
        crc = zlib.crc32(data, self.sizes.crc)
        self.sizes = Sizes(crc, self.sizes.packed, self.sizes.unpacked + len(data))
        if not self._deflated:
            self._write(file, data)
        elif self._unit is None:
            self._write(file, self._stream.compress(data))
        elif packed is not None and not self._waiting:
            for unit in packed:
                self._write(file, unit)
        else:
            self._waiting += data
            self._pack_waiting(file, len(self._waiting) // self._unit * self._unit)

    def _pack_waiting(self, file: BinaryIO, size: int) -> None:
        for unit in pack(memoryview(self._waiting[:size]), self._unit or size):
            self._write(file, unit)
        del self._waiting[:size]

    def end_unit(self, file: BinaryIO) -> None:
        """End the current unit."""
        self._pack_waiting(file, len(self._waiting))

    def end(self, file: BinaryIO) -> None:
        """Write the rest."""
        if self._deflated:
            self.end_unit(file)
            self._write(file, self._stream.flush())  # an empty last block, if it packed nothing

    def _write(self, file: BinaryIO, data: bytes | memoryview) -> None:
        write_all(file, data)
        self.sizes = Sizes(self.sizes.crc, self.sizes.packed + len(data), self.sizes.unpacked)


def _stream() -> zlib._Compress:
    return zlib.compressobj(wbits=-zlib.MAX_WBITS)


def pack(data: memoryview, unit: int) -> list[bytes]:
    """Compress data, unit by unit."""
    packed = []
    for start in range(0, len(data), max(1, unit)):
        packer = _stream()
        first = packer.compress(data[start : start + unit])
        packed.append(first + packer.flush(zlib.Z_FULL_FLUSH))
    return packed


class ArchiveWriter:
    """Writes an archive of members that are new, or copied from another archive.

    Args:
        members: The members, in the order of the directory.
        file: Where to write; it can seek.
        old: The other archive, whose end is kept too, or None if there is none.

    Attributes:
        comment: The comment of the new archive.
    """

    def __init__(
        self, members: Sequence[Member], file: BinaryIO, old: Archive | None = None
    ) -> None:
        self._members = members
        self._file = file
        self._old = old
        self.comment = b"" if old is None else old.comment
        self._records: dict[Member, bytes] = {}
        self._place = 0
        self._shift = 0
        if old is not None:
            self._shift = old.shift
            self._old_file = old.path.open("rb")
            self._copy(0, min((member.start for member in members), default=old.tail))

    def _copy(self, start: int, stop: int) -> None:
        self._old_file.seek(start)
        self._file.seek(self._place)
        while start < stop and (data := self._old_file.read(min(_COPY_BYTES, stop - start))):
            write_all(self._file, data)
            start += len(data)
            self._place += len(data)

    def copy(self, member: Member) -> None:
        """Copy a member."""
        info = member.info
        sizes = Sizes(info.CRC, info.compress_size, info.file_size)
        self._records[member] = self._record(member, sizes, replaced=False)
        self._copy(member.start, member.stop)

    def begin(self, member: Member) -> None:
        """Move to where a member's data start, and leave space for the record before them."""
        self._file.seek(self._place + len(_new_head(member, Sizes(0, 0, 0))))

    def end(self, member: Member, sizes: Sizes) -> None:
        """Write the record before a member's data, once these are written."""
        head = _new_head(member, sizes)
        self._file.seek(self._place)
        write_all(self._file, head)
        self._records[member] = self._record(member, sizes, replaced=True)
        self._place += len(head) + sizes.packed

    def _record(self, member: Member, sizes: Sizes, *, replaced: bool) -> bytes:
        info = member.info
        before = (member.start, info.compress_size, info.file_size)
        if before == (self._place, sizes.packed, sizes.unpacked):
            return _resigned(member, sizes.crc, replaced=replaced)
        offset = self._place - self._shift
        return _new_record(member, sizes, offset, replaced=replaced)

    def finish(self) -> int:
        """Write the directory, and return the size of the archive."""
        directory = b"".join(self._records[member] for member in self._members)
        start, old = self._place, self._old
        self._file.seek(start)
        write_all(self._file, directory)
        self._place += len(directory)
        if old is not None and (start, len(directory)) == (old.tail, old.directory_size):
            self._copy(start + len(directory), old.path.stat().st_size)
            return self._place
        end = _end(len(self._members), start - self._shift, len(directory), self.comment)
        write_all(self._file, end)
        return self._place + len(end)

    def close(self) -> None:
        """Close the other archive's file."""
        if self._old is not None:
            self._old_file.close()


def _end(count: int, start: int, size: int, comment: bytes) -> bytes:
    """Return the bytes after the directory.

    Args:
        count: The number of members.
        start: The offset of the directory.
        size: The size of the directory in bytes.
        comment: The archive's comment.
    """
    short = (
        b"PK\x05\x06", 0, 0, min(count, MOST_16), min(count, MOST_16),
        min(size, MOST_32), min(start, MOST_32), len(comment),
    )  # fmt: skip
    end = END.pack(*short) + comment
    if count < MOST_16 and max(size, start) < MOST_32:
        return end
    version = _ZIP64_VERSION
    long = (b"PK\x06\x06", END_64.size - 12, version, version, 0, 0, count, count, size, start)
    return END_64.pack(*long) + LOCATOR_64.pack(b"PK\x06\x07", 0, start + size, 1) + end


def _new_head(member: Member, sizes: Sizes) -> bytes:
    """Return the record before a replaced member's data; its length is the same for all sizes."""
    magic, version, flags, *when, _, _, _, name_size, _ = LOCAL.unpack_from(member.head)
    name = member.head[LOCAL.size : LOCAL.size + name_size]
    old_extra = member.head[LOCAL.size + name_size :]
    extra = _without_zip64(old_extra)
    packed, unpacked = sizes.packed, sizes.unpacked
    grown = member.info.file_size + member.info.file_size // 100 + _PACKED_GROWS
    if extra != old_extra or grown > MOST_32:
        extra = struct.pack("<2H2Q", _ZIP64, 16, unpacked, packed) + extra
        packed = unpacked = MOST_32
        version = max(version, _ZIP64_VERSION)
    flags &= ~SIZES_FOLLOW
    fixed = (magic, version, flags, *when, sizes.crc, packed, unpacked, len(name), len(extra))
    return LOCAL.pack(*fixed) + name + extra


def _resigned(member: Member, crc: int, *, replaced: bool) -> bytes:
    """Return a member's record in the directory with only the checksum replaced."""
    fixed = list(CENTRAL.unpack_from(member.record))
    fixed[3] &= ~SIZES_FOLLOW if replaced else MOST_16
    fixed[7] = crc
    return CENTRAL.pack(*fixed) + member.record[CENTRAL.size :]


def _new_record(member: Member, sizes: Sizes, offset: int, *, replaced: bool) -> bytes:
    """Return a member's record in the directory.

    Args:
        member: The member.
        sizes: The sizes of its data.
        offset: The offset of the member.
        replaced: Whether its data are new.
    """
    magic, made, version, flags, *when, _, _, _, name_size, extra_size, comment_size = (
        CENTRAL.unpack_from(member.record)[:13]
    )
    rest = io.BytesIO(member.record[CENTRAL.size :])
    name, extra, comment = (rest.read(size) for size in (name_size, extra_size, comment_size))
    extra = _without_zip64(extra)
    large = [size for size in (sizes.unpacked, sizes.packed, offset) if size >= MOST_32]
    if large:
        extra = struct.pack(f"<2H{len(large)}Q", _ZIP64, 8 * len(large), *large) + extra
        version = max(version, _ZIP64_VERSION)
    if replaced:
        flags &= ~SIZES_FOLLOW
    packed, unpacked, place = (
        min(size, MOST_32) for size in (sizes.packed, sizes.unpacked, offset)
    )
    info = member.info
    fixed = (
        magic, made, version, flags, *when, sizes.crc, packed, unpacked, len(name), len(extra),
        len(comment), info.volume, info.internal_attr, info.external_attr, place,
    )  # fmt: skip
    return CENTRAL.pack(*fixed) + name + extra + comment


def _without_zip64(extra: bytes) -> bytes:
    """Return extra fields without the one for ZIP64 sizes; bytes that are not a field stay."""
    kept = b""
    while len(extra) >= _FIELD_HEAD.size:
        kind, size = _FIELD_HEAD.unpack_from(extra)
        if kind != _ZIP64:
            kept += extra[: 4 + size]
        extra = extra[4 + size :]
    return kept + extra

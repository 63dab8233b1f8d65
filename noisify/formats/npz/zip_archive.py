"""ZIP archives whose members are replaced one by one, while all others keep their bytes.

The standard library reads archives; it cannot copy a member without packing it anew, which would
change its bytes, so the records around the members are written here. What they look like is told in
PKWARE's APPNOTE.TXT, sections 4.3 to 4.5.
"""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, BinaryIO, cast

from noisify.core.errors import DataError
from noisify.core.value_class import frozen
from noisify.files.write_behind import write_all
from noisify.files.zip_member import open_archive

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")
_MOST_32 = 0xFFFFFFFF
_MOST_16 = 0xFFFF
_ZIP64 = 1
_FIELD_HEAD = struct.Struct("<2H")
"""The kind and the size of an extra field."""
"""The kind of extra field that holds what 32 bits cannot."""
_ZIP64_VERSION = 45
_ENCRYPTED, _SIZES_FOLLOW, _UTF_8 = 1, 8, 1 << 11
_VERSION = 20
_MADE_ON_UNIX = 3 << 8 | _VERSION
_PLAIN_FILE = 0o600 << 16
_READABLE = frozenset(
    {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
)
_FIRST_TIME = (0, 1 << 5 | 1)
"""The time and the day of 1 January 1980, as ZIP has them."""
_COPY_BYTES = 1 << 20
_PACKED_GROWS = 1 << 20
"""Bytes by which packing may make 4 GiB larger, and more."""


@dataclass(frozen=True, eq=False)
class Member:
    """One member of an archive.

    Attributes:
        info: What the standard library knows of it.
        record: Its record in the archive's directory, to the byte.
        head: What stands before its data, to the byte.
        start: Where `head` starts in the file.
        stop: Where whatever comes after it does.
    """

    info: zipfile.ZipInfo
    record: bytes
    head: bytes
    start: int
    stop: int

    @property
    def name(self) -> str:
        """Its name."""
        return self.info.filename

    @property
    def readable(self) -> bool:
        """Whether it is compressed in a way that the standard library reads."""
        return self.info.compress_type in _READABLE

    @property
    def writable(self) -> bool:
        """Whether it is compressed in a way that is written here."""
        return self.info.compress_type in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}

    @property
    def deflated(self) -> bool:
        """Whether it is compressed the usual way."""
        return self.info.compress_type == zipfile.ZIP_DEFLATED


def new_member(name: str, size: int, *, deflated: bool) -> Member:
    """Return a member that is made anew, at the first time that ZIP knows, as `numpy.savez` does.

    Args:
        name: Its name.
        size: Bytes of its data when unpacked.
        deflated: Whether it is compressed.
    """
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    info.file_size, info.external_attr = size, _PLAIN_FILE
    text = name.encode()
    known = (_VERSION, _UTF_8, info.compress_type, *_FIRST_TIME, 0, 0, 0, len(text), 0)
    head = _LOCAL.pack(b"PK\x03\x04", *known)
    record = _CENTRAL.pack(b"PK\x01\x02", _MADE_ON_UNIX, *known, 0, 0, 0, _PLAIN_FILE, 0)
    return Member(info, record + text, head + text, -1, -1)


class Archive:
    """An open archive.

    Args:
        path: Its file.
        name: What to call it in errors.

    Attributes:
        path: Its file.
        members: Its members, in the order of its directory.
        tail: Where the members end and the directory starts.
        directory_size: Bytes of the directory.
        comment: Its comment.
        shift: By how much its offsets are less than they are, if something stands before it.

    Raises:
        DataError: If it is broken, encrypted, or has two members of one name.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self._name = name
        with self.reading():
            self._zip = open_archive(path)
        try:
            self._check_names()
            with self.reading(), path.open("rb") as file:
                self.members = self._read_members(file)
        except BaseException:  # a signal too must not leave the file open
            self._zip.close()
            raise
        self.comment = self._zip.comment

    @contextmanager
    def reading(self, member: str | None = None) -> Iterator[None]:
        """Let whatever is wrong with the archive be one line that names it.

        Args:
            member: The member that is read.

        Raises:
            DataError: Instead of what the standard library raises.
        """
        try:
            yield
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            struct.error,
            ValueError,
            lzma.LZMAError,
        ) as error:
            raise DataError(
                f"is a broken or cut ZIP archive: {error}", path=self._name, field=member
            ) from None
        except (NotImplementedError, OSError) as error:
            raise DataError(f"cannot be read: {error}", path=self._name, field=member) from None

    def _check_names(self) -> None:
        infos = self._zip.infolist()
        secret = [info.filename for info in infos if info.flag_bits & _ENCRYPTED]
        if secret:
            raise DataError(f"has an encrypted member, {secret[0]!r}; decrypt it first",
                            path=self._name)  # fmt: skip
        counts = Counter(info.filename for info in infos)
        twice = [name for name, count in counts.items() if count > 1]
        if twice:
            raise DataError(
                f"has {counts[twice[0]]} members called {twice[0]!r}, of which readers see but one;"
                " remove the others",
                path=self._name,
            )

    def _read_members(self, file: BinaryIO) -> tuple[Member, ...]:
        infos = self._zip.infolist()
        count, size = _read_end(file, len(self._zip.comment))
        self.tail = self._zip.start_dir
        file.seek(self.tail)
        records = [_read_record(file) for _ in infos]
        self.directory_size = file.tell() - self.tail
        if (count, size) != (len(infos), self.directory_size):
            raise zipfile.BadZipFile(
                f"its directory lists {len(infos)} members in {self.directory_size} bytes, and its "
                f"end says {count} in {size}"
            )
        starts = [info.header_offset for info in infos]
        places = sorted([*starts, self.tail])
        stops = dict(pairwise(places))
        if len(stops) != len(starts):
            raise zipfile.BadZipFile("two members are in one place")
        members = []
        for info, record, start in zip(infos, records, starts, strict=True):
            file.seek(start)
            head = _read_head(file)
            if start + len(head) + info.compress_size > stops[start]:
                raise zipfile.BadZipFile(f"{info.filename} runs into what comes after it")
            members.append(Member(info, record, head, start, stops[start]))
        offset = _CENTRAL.unpack_from(records[0])[-1] if records else 0
        self.shift = starts[0] - offset if records and offset != _MOST_32 else 0
        return tuple(members)

    @contextmanager
    def open(self, member: Member) -> Iterator[BinaryIO]:
        """Open a member's unpacked data, which are to be read under `reading`."""
        with self.reading(member.name):
            file = self._zip.open(member.info)
        with file:
            yield cast("BinaryIO", file)

    def close(self) -> None:
        """Close it."""
        self._zip.close()


def _read_record(file: BinaryIO) -> bytes:
    fixed = file.read(_CENTRAL.size)
    magic, *_, name, extra, comment, _, _, _, _ = _CENTRAL.unpack(fixed)
    if magic != b"PK\x01\x02":
        raise zipfile.BadZipFile("its directory is not where it should be")
    return fixed + file.read(name + extra + comment)


def _read_end(file: BinaryIO, comment_size: int) -> tuple[int, int]:
    """Return how many members the end of an archive says there are, and how long the directory is.

    Args:
        file: The archive.
        comment_size: Bytes of its comment, which ends it.

    Raises:
        BadZipFile: If the end is not where it should be.
    """
    start = file.seek(-_END.size - comment_size, io.SEEK_END)
    magic, *_, count, size, _, told = _END.unpack(file.read(_END.size))
    if magic != b"PK\x05\x06" or told != comment_size:
        raise zipfile.BadZipFile("it does not end where it says")
    if (count == _MOST_16 or size == _MOST_32) and start >= _LOCATOR_64.size + _END_64.size:
        file.seek(start - _LOCATOR_64.size - _END_64.size)
        magic, *_, many, long, _ = _END_64.unpack(file.read(_END_64.size))
        if magic == b"PK\x06\x06":
            return many, long
    return count, size


def _read_head(file: BinaryIO) -> bytes:
    fixed = file.read(_LOCAL.size)
    magic, *_, name, extra = _LOCAL.unpack(fixed)
    if magic != b"PK\x03\x04":
        raise zipfile.BadZipFile("a member is not where it should be")
    return fixed + file.read(name + extra)


@frozen
class Sizes:
    """What an archive's records say of a member's data.

    Attributes:
        crc: The checksum of the unpacked data.
        packed: Bytes as they stand in the archive.
        unpacked: Bytes when unpacked.
    """

    crc: int
    packed: int
    unpacked: int


class Packer:
    """Packs one member's data, which come in any pieces, into a file.

    Deflated data are cut into units that are packed each on its own: so several threads can pack
    them, and what comes out does not depend on the pieces.

    Args:
        deflated: Whether to compress.
        unit: Bytes of a unit; None: all is one unit, as other software packs it.
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
            file: Where to.
            data: The data.
            packed: The units they are, packed, if they are whole units.
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
        """Let a new unit start."""
        self._pack_waiting(file, len(self._waiting))

    def end(self, file: BinaryIO) -> None:
        """Write what comes last."""
        if self._deflated:
            self.end_unit(file)
            self._write(file, self._stream.flush())  # an empty last block, if it packed nothing

    def _write(self, file: BinaryIO, data: bytes | memoryview) -> None:
        write_all(file, data)
        self.sizes = Sizes(self.sizes.crc, self.sizes.packed + len(data), self.sizes.unpacked)


def _stream() -> zlib._Compress:
    return zlib.compressobj(wbits=-zlib.MAX_WBITS)


def pack(data: memoryview, unit: int) -> list[bytes]:
    """Deflate data, unit by unit."""
    packed = []
    for start in range(0, len(data), max(1, unit)):
        packer = _stream()
        first = packer.compress(data[start : start + unit])
        packed.append(first + packer.flush(zlib.Z_FULL_FLUSH))
    return packed


class ArchiveWriter:
    """Writes an archive of members that are copied from another or made anew, each once.

    Args:
        members: The members, in the order of the directory.
        file: Where to write; it can seek.
        old: The other archive, whose end is kept too; None: there is none.
    """

    def __init__(
        self, members: Sequence[Member], file: BinaryIO, old: Archive | None = None
    ) -> None:
        self._members = members
        self._file = file
        self._old = old
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
        """Write a member as it is."""
        info = member.info
        sizes = Sizes(info.CRC, info.compress_size, info.file_size)
        self._records[member] = self._record(member, sizes, replaced=False)
        self._copy(member.start, member.stop)

    def begin(self, member: Member) -> None:
        """Leave space for what stands before a member's data, and be where these start."""
        self._file.seek(self._place + len(_new_head(member, Sizes(0, 0, 0))))

    def end(self, member: Member, sizes: Sizes) -> None:
        """Write what stands before a member's data, now that these are there."""
        head = _new_head(member, sizes)
        self._file.seek(self._place)
        write_all(self._file, head)
        self._records[member] = self._record(member, sizes, replaced=True)
        self._place += len(head) + sizes.packed

    def append(self, member: Member, packed: BinaryIO, sizes: Sizes) -> None:
        """Write a member whose data are in a file."""
        self.begin(member)
        while data := packed.read(_COPY_BYTES):
            write_all(self._file, data)
        self.end(member, sizes)

    def _record(self, member: Member, sizes: Sizes, *, replaced: bool) -> bytes:
        info = member.info
        before = (member.start, info.compress_size, info.file_size)
        if before == (self._place, sizes.packed, sizes.unpacked):
            return _resigned(member, sizes.crc, replaced=replaced)
        offset = self._place - self._shift
        return _new_record(member, sizes, offset, replaced=replaced)

    def finish(self) -> int:
        """Write the directory, and return how long the archive is."""
        directory = b"".join(self._records[member] for member in self._members)
        start, old = self._place, self._old
        self._file.seek(start)
        write_all(self._file, directory)
        self._place += len(directory)
        if old is not None and (start, len(directory)) == (old.tail, old.directory_size):
            self._copy(start + len(directory), old.path.stat().st_size)
            return self._place
        comment = b"" if old is None else old.comment
        end = _end(len(self._members), start - self._shift, len(directory), comment)
        write_all(self._file, end)
        return self._place + len(end)

    def close(self) -> None:
        """Close the other archive's file."""
        if self._old is not None:
            self._old_file.close()


def _end(count: int, start: int, size: int, comment: bytes) -> bytes:
    """Return what comes after the directory of so many members.

    Args:
        count: The number of members.
        start: Where the directory starts.
        size: Its bytes.
        comment: The archive's comment.
    """
    short = (
        b"PK\x05\x06", 0, 0, min(count, _MOST_16), min(count, _MOST_16),
        min(size, _MOST_32), min(start, _MOST_32), len(comment),
    )  # fmt: skip
    end = _END.pack(*short) + comment
    if count < _MOST_16 and max(size, start) < _MOST_32:
        return end
    version = _ZIP64_VERSION
    long = (b"PK\x06\x06", _END_64.size - 12, version, version, 0, 0, count, count, size, start)
    return _END_64.pack(*long) + _LOCATOR_64.pack(b"PK\x06\x07", 0, start + size, 1) + end


def _new_head(member: Member, sizes: Sizes) -> bytes:
    """Return what stands before a replaced member's data; its length depends on no size."""
    magic, version, flags, *when, _, _, _, name_size, _ = _LOCAL.unpack_from(member.head)
    name = member.head[_LOCAL.size : _LOCAL.size + name_size]
    old_extra = member.head[_LOCAL.size + name_size :]
    extra = _without_zip64(old_extra)
    packed, unpacked = sizes.packed, sizes.unpacked
    grown = member.info.file_size + member.info.file_size // 100 + _PACKED_GROWS
    if extra != old_extra or grown > _MOST_32:
        extra = struct.pack("<2H2Q", _ZIP64, 16, unpacked, packed) + extra
        packed = unpacked = _MOST_32
        version = max(version, _ZIP64_VERSION)
    flags &= ~_SIZES_FOLLOW
    fixed = (magic, version, flags, *when, sizes.crc, packed, unpacked, len(name), len(extra))
    return _LOCAL.pack(*fixed) + name + extra


def _resigned(member: Member, crc: int, *, replaced: bool) -> bytes:
    """Return a member's record in the directory with another checksum, and all else as it was."""
    fixed = list(_CENTRAL.unpack_from(member.record))
    fixed[3] &= ~_SIZES_FOLLOW if replaced else _MOST_16
    fixed[7] = crc
    return _CENTRAL.pack(*fixed) + member.record[_CENTRAL.size :]


def _new_record(member: Member, sizes: Sizes, offset: int, *, replaced: bool) -> bytes:
    """Return a member's record in the directory.

    Args:
        member: The member.
        sizes: What to say of its data.
        offset: Where it starts.
        replaced: Whether its data are new.
    """
    magic, made, version, flags, *when, _, _, _, name_size, extra_size, comment_size = (
        _CENTRAL.unpack_from(member.record)[:13]
    )
    rest = io.BytesIO(member.record[_CENTRAL.size :])
    name, extra, comment = (rest.read(size) for size in (name_size, extra_size, comment_size))
    extra = _without_zip64(extra)
    large = [size for size in (sizes.unpacked, sizes.packed, offset) if size >= _MOST_32]
    if large:
        extra = struct.pack(f"<2H{len(large)}Q", _ZIP64, 8 * len(large), *large) + extra
        version = max(version, _ZIP64_VERSION)
    if replaced:
        flags &= ~_SIZES_FOLLOW
    packed, unpacked, place = (
        min(size, _MOST_32) for size in (sizes.packed, sizes.unpacked, offset)
    )
    info = member.info
    fixed = (
        magic, made, version, flags, *when, sizes.crc, packed, unpacked, len(name), len(extra),
        len(comment), info.volume, info.internal_attr, info.external_attr, place,
    )  # fmt: skip
    return _CENTRAL.pack(*fixed) + name + extra + comment


def _without_zip64(extra: bytes) -> bytes:
    """Return extra fields without the one of sizes; what is no field stays."""
    kept = b""
    while len(extra) >= _FIELD_HEAD.size:
        kind, size = _FIELD_HEAD.unpack_from(extra)
        if kind != _ZIP64:
            kept += extra[: 4 + size]
        extra = extra[4 + size :]
    return kept + extra

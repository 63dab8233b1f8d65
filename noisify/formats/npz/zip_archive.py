"""Read ZIP archives with the exact bytes of the records around their members.

The standard library reads archives, but cannot copy a member without compressing it anew, which
would change its bytes. The records are those of PKWARE's APPNOTE.TXT, sections 4.3 to 4.5.
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
from noisify.files.zip_member import open_archive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCAL = struct.Struct("<4s5H3I2H")
CENTRAL = struct.Struct("<4s6H3I5H2I")
END = struct.Struct("<4s4H2IH")
END_64 = struct.Struct("<4sQ2H2I4Q")
LOCATOR_64 = struct.Struct("<4sIQI")
MOST_32 = 0xFFFFFFFF
MOST_16 = 0xFFFF
ENCRYPTED, SIZES_FOLLOW, UTF_8 = 1, 8, 1 << 11
_VERSION = 20
_MADE_ON_UNIX = 3 << 8 | _VERSION
_PLAIN_FILE = 0o600 << 16
_READABLE = frozenset(
    {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
)
_FIRST_TIME = (0, 1 << 5 | 1)
"""The time and date fields for 1 January 1980."""


@dataclass(frozen=True, eq=False)
class Member:
    """One member of an archive.

    Attributes:
        info: The standard library's description.
        record: The bytes of its record in the directory.
        head: The bytes before its data.
        start: The offset of `head` in the file.
        stop: The offset of the next member, or of the directory.
    """

    info: zipfile.ZipInfo
    record: bytes
    head: bytes
    start: int
    stop: int

    @property
    def name(self) -> str:
        """The name of the member."""
        return self.info.filename

    @property
    def readable(self) -> bool:
        """Whether the standard library reads its compression method."""
        return self.info.compress_type in _READABLE

    @property
    def writable(self) -> bool:
        """Whether its compression method is written here."""
        return self.info.compress_type in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}

    @property
    def deflated(self) -> bool:
        """Whether it is compressed by Deflate."""
        return self.info.compress_type == zipfile.ZIP_DEFLATED


def new_member(name: str, size: int, *, deflated: bool) -> Member:
    """Return a new member, dated 1 January 1980 as by `numpy.savez`.

    Args:
        name: The name of the member.
        size: The uncompressed size of its data in bytes.
        deflated: Whether it is compressed.
    """
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    info.file_size, info.external_attr = size, _PLAIN_FILE
    text = name.encode()
    known = (_VERSION, UTF_8, info.compress_type, *_FIRST_TIME, 0, 0, 0, len(text), 0)
    head = LOCAL.pack(b"PK\x03\x04", *known)
    record = CENTRAL.pack(b"PK\x01\x02", _MADE_ON_UNIX, *known, 0, 0, 0, _PLAIN_FILE, 0)
    return Member(info, record + text, head + text, -1, -1)


class Archive:
    """An open archive.

    Args:
        path: The file.
        name: The file's name in errors.

    Attributes:
        path: The file.
        members: Its members, in the order of its directory.
        tail: The offset at which the members end and the directory starts.
        directory_size: The size of the directory in bytes.
        comment: The comment of the archive.
        shift: The number of bytes before the archive, by which its offsets are too small.

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
        """Turn a failure to read the archive into an error in one line.

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
        secret = [info.filename for info in infos if info.flag_bits & ENCRYPTED]
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
        records = [_read_record(file, CENTRAL, slice(9, 12)) for _ in infos]
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
            head = _read_record(file, LOCAL, slice(8, 10))
            if start + len(head) + info.compress_size > stops[start]:
                raise zipfile.BadZipFile(f"{info.filename} runs into what comes after it")
            members.append(Member(info, record, head, start, stops[start]))
        offset = CENTRAL.unpack_from(records[0])[-1] if records else 0
        self.shift = starts[0] - offset if records and offset != MOST_32 else 0
        return tuple(members)

    @contextmanager
    def open(self, member: Member) -> Iterator[BinaryIO]:
        """Open a member's uncompressed data, to be read within `reading`."""
        with self.reading(member.name):
            file = self._zip.open(member.info)
        with file:
            yield cast("BinaryIO", file)

    def close(self) -> None:
        """Close the archive."""
        self._zip.close()


def _read_record(file: BinaryIO, kind: struct.Struct, sizes: slice) -> bytes:
    """Read a record, given its fixed part and which of its numbers are the sizes of the rest."""
    fixed = file.read(kind.size)
    magic, *numbers = kind.unpack(fixed)
    start, what = (b"PK\x03\x04", "a member") if kind is LOCAL else (b"PK\x01\x02", "its directory")
    if magic != start:
        raise zipfile.BadZipFile(f"{what} is not where it should be")
    return fixed + file.read(sum(numbers[sizes]))


def _read_end(file: BinaryIO, comment_size: int) -> tuple[int, int]:
    """Return the number of members and the directory's size according to the archive's end.

    Args:
        file: The archive.
        comment_size: The size of its comment in bytes.

    Raises:
        BadZipFile: If the end is not where it should be.
    """
    start = file.seek(-END.size - comment_size, io.SEEK_END)
    magic, *_, count, size, _, told = END.unpack(file.read(END.size))
    if magic != b"PK\x05\x06" or told != comment_size:
        raise zipfile.BadZipFile("it does not end where it says")
    if (count == MOST_16 or size == MOST_32) and start >= LOCATOR_64.size + END_64.size:
        file.seek(start - LOCATOR_64.size - END_64.size)
        magic, *_, many, long, _ = END_64.unpack(file.read(END_64.size))
        if magic == b"PK\x06\x06":
            return many, long
    return count, size

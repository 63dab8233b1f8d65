"""A file in a ZIP archive that holds nothing else: read like one in gzip, never written."""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from typing import TYPE_CHECKING, BinaryIO, cast

from noisify.core.errors import DataError
from noisify.files.codecs import Codec

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

ZIP = Codec("ZIP", ".zip", b"PK\x03\x04", range(0), 0)
FIRST_NAME = 30 + 99
"""How many first bytes of an archive show the start of its first member's name."""
DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError,
)  # fmt: skip
"""What zipfile raises of archives that are damaged, or of a kind that it does not read."""
_BLOCK_BYTES = 1 << 20
_OTHER_KINDS = (".npy", ".xml", ".rels", ".pkl", "mimetype")
"""What the first member's name ends with in an archive that is a format of its own."""
_LITTER = ("__MACOSX/", ".DS_Store")
"""What archivers add."""


def is_archive(head: bytes) -> bool:
    """Return whether a file starts as a ZIP archive of no documents and no arrays does."""
    first = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    return head.startswith(ZIP.magic) and not first.endswith(
        tuple(ending.encode() for ending in _OTHER_KINDS)
    )


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open a ZIP archive.

    Raises:
        BadZipFile: If it is none, or its directory says that a member starts before the file.
    """
    archive = zipfile.ZipFile(path)
    if any(member.header_offset < 0 for member in archive.infolist()):
        archive.close()
        raise zipfile.BadZipFile("its directory is not where it should be")
    return archive


def only_member(path: Path) -> str | None:
    """Return the name of an archive's only file; None if there is another number of them."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = _files(archive)
    except (*DAMAGED, OSError):
        return None
    if len(names) != 1 or names[0].endswith(_OTHER_KINDS):
        return None
    return names[0]


def _files(archive: zipfile.ZipFile) -> list[str]:
    names = [name for name in archive.namelist() if name and not name.endswith("/")]
    return [
        name for name in names if not name.startswith(_LITTER) and not name.endswith(_LITTER[1])
    ]


def open_member(path: Path, name: str) -> BinaryIO:
    """Return the bytes of an archive's only file.

    Reading raises DataError where it is damaged.

    Args:
        path: The archive.
        name: What to call it in errors.
    """
    return cast("BinaryIO", _Member(path, name))


class _Member(io.RawIOBase):
    """A stream of a member's bytes."""

    def __init__(self, path: Path, name: str) -> None:
        self._blocks = _blocks(path, name)
        self._block = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if not self._block:
            self._block = memoryview(next(self._blocks, b""))
        count = min(len(buffer), len(self._block))
        buffer[:count] = self._block[:count]
        self._block = self._block[count:]
        return count

    def close(self) -> None:
        self._blocks.close()
        super().close()


def _blocks(path: Path, name: str) -> Generator[bytes]:
    try:
        with open_archive(path) as archive, archive.open(_files(archive)[0]) as member:
            while block := member.read(_BLOCK_BYTES):
                yield block
    except RuntimeError as error:  # what zipfile says of passwords
        raise DataError(f"cannot be unpacked: {error}; unpack it first", path=name) from None
    except (*DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # bzip2's has none
            raise
        raise DataError(f"is damaged: its ZIP data do not unpack ({error})", path=name) from None

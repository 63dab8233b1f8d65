"""Read the only file of a ZIP archive, as if it were compressed alone. Archives are not written."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from typing import TYPE_CHECKING, BinaryIO, cast

from noisify.core.errors import DataError
from noisify.files.codecs import Codec
from noisify.files.decompress import BlockStream
from noisify.files.remote import for_library

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

ZIP = Codec("ZIP", ".zip", b"PK\x03\x04", range(0), 0)
FIRST_NAME = 30 + 99
"""How many leading bytes of an archive show its first member's name, up to 99 bytes of it."""
DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError,
)  # fmt: skip
"""What `zipfile` raises for damaged or unsupported archives."""
_BLOCK_BYTES = 1 << 20
_OTHER_KINDS = (".npy", ".xml", ".rels", ".pkl", "mimetype")
"""Endings of the first member's name in archives that are formats of their own (NPZ, OOXML, …)."""
_LITTER = ("__MACOSX/", ".DS_Store")
"""Entries that macOS adds to archives."""


def is_archive(head: bytes) -> bool:
    """Return whether a file starts like a plain ZIP archive, not like an NPZ or a document."""
    first = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    return head.startswith(ZIP.magic) and not first.endswith(
        tuple(ending.encode() for ending in _OTHER_KINDS)
    )


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open a ZIP archive.

    Raises:
        BadZipFile: If it is not one, or its directory has a negative member offset.
    """
    archive = zipfile.ZipFile(for_library(path))
    if any(member.header_offset < 0 for member in archive.infolist()):
        archive.close()
        raise zipfile.BadZipFile("its directory is not where it should be")
    return archive


def only_member(path: Path) -> str | None:
    """Return the name of an archive's only file, or None if it does not hold exactly one."""
    try:
        with zipfile.ZipFile(for_library(path)) as archive:
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
    """Return a stream of the bytes of an archive's only file.

    Reading raises DataError if the archive is damaged.

    Args:
        path: The archive.
        name: Its name in errors.
    """
    return cast("BinaryIO", BlockStream(_blocks(path, name)))


def _blocks(path: Path, name: str) -> Generator[bytes]:
    try:
        with open_archive(path) as archive, archive.open(_files(archive)[0]) as member:
            while block := member.read(_BLOCK_BYTES):
                yield block
    except RuntimeError as error:  # zipfile's error for encrypted members
        raise DataError(f"cannot be unpacked: {error}; unpack it first", path=name) from None
    except (*DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # bzip2's errors have no errno
            raise
        raise DataError(f"is damaged: its ZIP data do not unpack ({error})", path=name) from None

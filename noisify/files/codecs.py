"""Compression codecs for whole files: their suffixes, magic bytes and levels."""

from __future__ import annotations

import os
import zlib
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from noisify.core.errors import UsageError
from noisify.core.lazy import optional
from noisify.core.urls import path_of

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

MAGIC_BYTES = 10
"""How many leading bytes of a file are needed to detect its compression."""


class Codec(NamedTuple):
    """One way to compress a file.

    Attributes:
        name: The name used in messages.
        suffix: The last suffix of a file name, in lower case.
        magic: The bytes that compressed data start with.
        levels: The compression levels; empty for a codec that is only read.
        usual_level: The default level.
        package: The package needed to choose a level; without it, Arrow writes at its own level.
    """

    name: str
    suffix: str
    magic: bytes
    levels: range
    usual_level: int
    package: str | None = None

    def at_level(self, level: int | None) -> Compression:
        """Return this codec at a level, or at its default level if `level` is None.

        Raises:
            UsageError: If it is only read, has no such level, or needs a package for levels.
        """
        if not self.levels:
            raise UsageError(f"{self.name} is read and not written; name another output with -o")
        if level is not None and level not in self.levels:
            last = self.levels[-1]
            raise UsageError(
                f"--compress-level {level} is not one of {self.name}: "
                f"give {self.levels[0]} (fast) to {last} (small)"
            )
        if level is not None and self.package is not None and find_spec(self.package) is None:
            raise UsageError(
                f"--compress-level of {self.name} needs {self.package}: leave it out, or "
                f"pip install {self.package}"
            )
        return Compression(self, self.usual_level if level is None else level)


class Compression(NamedTuple):
    """How an output is compressed.

    Attributes:
        codec: The codec.
        level: The compression level.
    """

    codec: Codec
    level: int


GZIP = Codec("gzip", ".gz", b"\x1f\x8b", range(10), 1)  # at 6, zlib is 7 times slower for 9% less
BZIP2 = Codec("bzip2", ".bz2", b"BZh", range(1, 10), 9)
XZ = Codec("xz", ".xz", b"\xfd7zXZ\x00", range(10), 6)
ZSTD = Codec("zstd", ".zst", b"\x28\xb5\x2f\xfd", range(1, 23), 3, "zstandard")
LZ4 = Codec("lz4", ".lz4", b"\x04\x22\x4d\x18", range(13), 0, "lz4")
CODECS = (GZIP, BZIP2, XZ, ZSTD, LZ4)
SUFFIXES = tuple(codec.suffix for codec in CODECS)
_OF_SUFFIX = {codec.suffix: codec for codec in CODECS}
_SEPARATORS = os.sep + (os.altsep or "")

_BZIP2_FIRST_BLOCK = (b"\x31\x41\x59\x26\x53\x59", b"\x17\x72\x45\x38\x50\x90")
_SKIPPABLE_FIRST = range(0x50, 0x60)
_SKIPPABLE = b"\x2a\x4d\x18"


def of_name(path: str | Path) -> Codec | None:
    """Return the codec named by a file name's last suffix, or None.

    >>> of_name("table.csv.GZ").name
    'gzip'
    """
    return _OF_SUFFIX.get(_split(path)[1].lower())


def of_content(head: bytes, named: Codec | None = None) -> Codec | None:
    """Detect the codec of data from its first bytes; return None if it is not compressed.

    Args:
        head: The first `MAGIC_BYTES`, or all the data if there is less.
        named: The codec of the file name's suffix. It decides for skippable frames, which zstd and
            lz4 share.
    """
    if head and head[0] in _SKIPPABLE_FIRST and head.startswith(_SKIPPABLE, 1):
        return named if named in {ZSTD, LZ4} else ZSTD
    found = next((codec for codec in CODECS if head.startswith(codec.magic)), None)
    if found is BZIP2 and not head[4:].startswith(_BZIP2_FIRST_BLOCK):  # text starting with "BZh"
        return None
    return found


def split_name(path: str | Path) -> tuple[str, str]:
    """Split a file name into stem and suffix; the suffix includes that of a compression.

    >>> split_name("run.1/table.csv.gz")
    ('table', '.csv.gz')
    >>> split_name("table.v2.csv")
    ('table.v2', '.csv')
    >>> split_name("https://host/table.csv?sig=a.b/c")
    ('table', '.csv')
    """
    stem, suffix = _split(path)
    inner, inner_suffix = _split(stem)
    if suffix.lower() == ".zip" and inner_suffix:  # ZIP is read, never written
        return inner, inner_suffix
    if suffix.lower() not in _OF_SUFFIX:
        return stem, suffix
    return inner, inner_suffix + suffix


def inner_suffix(path: str | Path) -> str:
    """Return a file name's suffix in lower case, ignoring that of a compression.

    >>> inner_suffix("table.CSV.gz")
    '.csv'
    """
    stem, suffix = _split(path)
    return (_split(stem)[1] if suffix.lower() in _OF_SUFFIX else suffix).lower()


@lru_cache(maxsize=32)
def _split(path: str | Path) -> tuple[str, str]:
    """Return a file name's stem and last suffix as `Path` would; faster over many files."""
    whole = path_of(os.fspath(path))
    name = os.path.basename(whole.rstrip(_SEPARATORS))  # noqa: PTH119 - for speed
    stem, dot, suffix = name.rpartition(".")
    return (stem, dot + suffix) if stem.strip(".") and suffix else (name, "")


ISAL_LEVEL = 3
"""The isal level that compressed the same data to the same bytes in every trial.

At levels 1 and 2 (isal 1.9.1) one of two trials saw a few blocks in a million differ, the other
none. Until that is explained, the faster levels are not worth the risk.
"""


def deflate_library() -> ModuleType:
    """Return the fastest installed module with zlib's interface: isal's, else zlib."""
    return optional("isal.isal_zlib") or zlib

"""The ways a whole file can be compressed: how each is recognised, and how hard it can try."""

from __future__ import annotations

import os
import zlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from noisify.core.errors import UsageError
from noisify.core.lazy import optional

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

MAGIC_BYTES = 10
"""How many of a file's first bytes tell how it is compressed."""


class Codec(NamedTuple):
    """One way to compress a file.

    Attributes:
        name: What messages call it.
        suffix: The last suffix of a file name, in lower case.
        magic: The bytes that compressed data start with.
        levels: How hard it can try.
        usual_level: How hard it tries unless told.
        package: What has to be installed to choose how hard; Arrow writes it without, as usual.
    """

    name: str
    suffix: str
    magic: bytes
    levels: range
    usual_level: int
    package: str | None = None

    def at_level(self, level: int | None) -> Compression:
        """Return this codec with a level; None: the usual one.

        Raises:
            UsageError: If it has no such level, or that needs a package.
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
        codec: With what.
        level: How hard.
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
    """Return the codec that a file name's last suffix stands for, or None.

    >>> of_name("table.csv.GZ").name
    'gzip'
    """
    return _OF_SUFFIX.get(_split(path)[1].lower())


def of_content(head: bytes, named: Codec | None = None) -> Codec | None:
    """Return the codec of data that start with `head`, or None.

    Args:
        head: The first `MAGIC_BYTES`, fewer only if there are no more.
        named: The codec that the file's name stands for; it settles what zstd and lz4 share.
    """
    if head and head[0] in _SKIPPABLE_FIRST and head.startswith(_SKIPPABLE, 1):
        return named if named in {ZSTD, LZ4} else ZSTD
    found = next((codec for codec in CODECS if head.startswith(codec.magic)), None)
    if found is BZIP2 and not head[4:].startswith(_BZIP2_FIRST_BLOCK):  # text may start so
        return None
    return found


def split_name(path: str | Path) -> tuple[str, str]:
    """Return a file name as its stem and its suffix, that of a compression included.

    >>> split_name("run.1/table.csv.gz")
    ('table', '.csv.gz')
    >>> split_name("table.v2.csv")
    ('table.v2', '.csv')
    """
    stem, suffix = _split(path)
    inner, inner_suffix = _split(stem)
    if suffix.lower() == ".zip" and inner_suffix:  # read, and not written
        return inner, inner_suffix
    if suffix.lower() not in _OF_SUFFIX:
        return stem, suffix
    return inner, inner_suffix + suffix


def inner_suffix(path: str | Path) -> str:
    """Return a file name's suffix in lower case, before that of a compression if it has one.

    >>> inner_suffix("table.CSV.gz")
    '.csv'
    """
    stem, suffix = _split(path)
    return (_split(stem)[1] if suffix.lower() in _OF_SUFFIX else suffix).lower()


def _split(path: str | Path) -> tuple[str, str]:
    """Return a file name's stem and last suffix, as `Path` does, for thousands of files."""
    name = os.path.basename(os.fspath(path).rstrip(_SEPARATORS))  # noqa: PTH119 - as it says
    stem, dot, suffix = name.rpartition(".")
    return (stem, dot + suffix) if stem.strip(".") and suffix else (name, "")


ISAL_LEVEL = 3
"""The level of isal that has made the same bytes of the same data in every trial.

At 1 and 2 (isal 1.9.1) one of two who tried saw a few blocks in a million come out otherwise, the
other none in a million; until that is explained, the faster levels are not worth the doubt.
"""


def deflate_library() -> ModuleType:
    """Return the fastest module there is with zlib's functions: isal's, where it has a wheel."""
    return optional("isal.isal_zlib") or zlib

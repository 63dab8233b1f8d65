"""Restore the times in the headers of HDF5 objects.

The HDF5 library records when a dataset's header changed, if the dataset was created so, and offers
no way to set that time. The same command would then give other bytes each time.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from noisify.formats.hdf5.object_headers import SecondVersion, messages

if TYPE_CHECKING:
    from noisify.formats.hdf5.object_headers import HeaderFile

_MODIFIED = 0x12
_TIMES_AT = 6
"""The offset of the times in a header of version 2, if it has any."""
_WORD = 0xFFFFFFFF


def restore_times(copy: HeaderFile, original: HeaderFile, address: int) -> None:
    """Give an object of a copy the times that it has in the original, at the same address."""
    second = SecondVersion.read(copy, address)
    if second is not None:
        _restore_second_version(copy, original, address, second)
        return
    found = _modified_at(copy, address), _modified_at(original, address)
    if found[0] is not None and found[1] is not None:
        copy.write(found[0], original.read(found[1], 4))


def _modified_at(file: HeaderFile, address: int) -> int | None:
    """Return the address of the modification time in a header of version 1, or None."""
    for kind, at in messages(file, address):
        if kind == _MODIFIED:
            return at + 4  # after a version and three reserved bytes
    return None


def _restore_second_version(
    copy: HeaderFile, original: HeaderFile, address: int, header: SecondVersion
) -> None:
    if not header.keeps_times or SecondVersion.read(original, address) is None:
        return
    copy.write(address + _TIMES_AT, original.read(address + _TIMES_AT, 16))  # four times
    end = header.messages + header.size
    block = copy.read(address, end - address)
    copy.write(end, checksum(block).to_bytes(4, "little"))


def checksum(data: bytes) -> int:
    """Return the checksum of HDF5's metadata: Bob Jenkins's lookup3 hash (2006), from 0.

    >>> hex(checksum(b"Four score and seven years ago"))
    '0x17770551'
    """
    a = b = c = (0xDEADBEEF + len(data)) & _WORD
    if not data:
        return c
    padded = data + bytes(-len(data) % 12)
    words = struct.unpack(f"<{len(padded) // 4}I", padded)
    for at in range(0, len(words), 3):
        a, b, c = (
            (one + other) & _WORD for one, other in zip((a, b, c), words[at : at + 3], strict=True)
        )
        if at + 3 < len(words):
            a, b, c = _mixed(a, b, c)
    return _ended(a, b, c)


def _rotated(word: int, bits: int) -> int:
    return (word << bits | word >> (32 - bits)) & _WORD


def _mixed(a: int, b: int, c: int) -> tuple[int, int, int]:
    for bits in (4, 6, 8, 16, 19, 4):
        a = ((a - c) & _WORD) ^ _rotated(c, bits)
        c = (c + b) & _WORD
        a, b, c = b, c, a
    return a, b, c


def _ended(a: int, b: int, c: int) -> int:
    for bits in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - _rotated(b, bits)) & _WORD
        a, b, c = b, c, a
    return b

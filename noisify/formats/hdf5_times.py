"""The times in the headers of HDF5 objects, put back to what they were.

The HDF5 library notes when a dataset's header changed, if the dataset was made to keep such times,
and offers no way to say when. The same command would then give other bytes each time.

The layouts are those of "Object Headers" in the HDF5 File Format Specification, version 3.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from noisify.sink import write_all

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNATURE = b"OHDR"
_PREFIX = 16
_MESSAGE = 8
_CONTINUATION, _MODIFIED = 0x10, 0x12
_KEEPS_TIMES, _KEEPS_PHASES = 0x20, 0x10
_WORD = 0xFFFFFFFF


@dataclass(frozen=True)
class HeaderFile:
    """An HDF5 file whose object headers are looked at.

    Attributes:
        file: The open file, unbuffered.
        base: Where its addresses count from: the size of the user block.
        address_bytes: The bytes of an address in it.
        length_bytes: The bytes of a length in it.
    """

    file: BinaryIO
    base: int
    address_bytes: int
    length_bytes: int

    def read(self, address: int, count: int) -> bytes:
        """Return bytes at an address."""
        self.file.seek(self.base + address)
        return self.file.read(count)

    def write(self, address: int, data: bytes) -> None:
        """Write bytes at an address."""
        self.file.seek(self.base + address)
        write_all(self.file, data)


def restore_times(copy: HeaderFile, original: HeaderFile, address: int) -> None:
    """Give an object of a copy the times that it has in the original, at the same address."""
    if copy.read(address, len(_SIGNATURE)) == _SIGNATURE:
        _restore_second_version(copy, original, address)
        return
    found = _modified_at(copy, address), _modified_at(original, address)
    if found[0] is not None and found[1] is not None:
        copy.write(found[0], original.read(found[1], 4))


def _modified_at(file: HeaderFile, address: int) -> int | None:
    """Return where a header of version 1 has its time of modification, if it has one."""
    (size,) = struct.unpack_from("<8xI", file.read(address, _PREFIX))
    for kind, at in _messages(file, address + _PREFIX, size):
        if kind == _MODIFIED:
            return at + 4  # after a version and three reserved bytes
    return None


def _messages(file: HeaderFile, address: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the type of each message of a header block, and where its data are."""
    at = address
    while at + _MESSAGE <= address + size:
        kind, length = struct.unpack("<HH", file.read(at, 4))
        at += _MESSAGE
        if kind == _CONTINUATION:
            data = file.read(at, file.address_bytes + file.length_bytes)
            further = int.from_bytes(data[: file.address_bytes], "little")
            yield from _messages(
                file, further, int.from_bytes(data[file.address_bytes :], "little")
            )
        yield kind, at
        at += length


def _restore_second_version(copy: HeaderFile, original: HeaderFile, address: int) -> None:
    flags = copy.read(address + 5, 1)[0]
    if not flags & _KEEPS_TIMES or original.read(address, len(_SIGNATURE)) != _SIGNATURE:
        return
    copy.write(address + 6, original.read(address + 6, 16))  # four times
    before = 22 + (4 if flags & _KEEPS_PHASES else 0)
    width = 1 << (flags & 3)
    size = int.from_bytes(copy.read(address + before, width), "little")
    block = copy.read(address, before + width + size)
    copy.write(address + len(block), checksum(block).to_bytes(4, "little"))


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

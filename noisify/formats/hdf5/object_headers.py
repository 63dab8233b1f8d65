"""Parse HDF5 object headers for properties that the HDF5 library hides, and restore times.

The layouts are those of "Object Headers" in the HDF5 File Format Specification, version 3.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, BinaryIO

from noisify.core.value_class import frozen
from noisify.files.write_behind import write_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    import h5py


SIGNATURE = b"OHDR"
"""The start of a header of version 2; one of version 1 has no signature."""
_PREFIX = 16
_MESSAGE = 8
_CONTINUATION, _LAYOUT, _MODIFIED = 0x10, 0x08, 0x12
_KEEPS_TIMES, _KEEPS_PHASES, _KEEPS_ORDER = 0x20, 0x10, 0x04
_CHECKSUM = 4
_FLAGS_SINCE = 4
"""The first version of the layout message that has flags for chunks."""
_CHUNKED, _EDGES_UNFILTERED = 2, 1
_TIMES_AT = 6
"""The offset of the times in a header of version 2, if it has any."""
_WORD = 0xFFFFFFFF


@frozen
class HeaderFile:
    """An HDF5 file whose object headers are parsed.

    Attributes:
        file: The open file, unbuffered.
        base: The offset of address 0: the size of the user block.
        address_bytes: The bytes of an address.
        length_bytes: The bytes of a length.
    """

    file: BinaryIO
    base: int
    address_bytes: int
    length_bytes: int

    def size(self) -> int:
        """Return the size of the file."""
        return self.file.seek(0, os.SEEK_END)

    def read(self, address: int, count: int) -> bytes:
        """Return bytes at an address."""
        self.file.seek(self.base + address)
        return self.file.read(count)

    def number(self, address: int, count: int) -> int:
        """Return the little-endian number at an address."""
        return int.from_bytes(self.read(address, count), "little")

    def write(self, address: int, data: bytes) -> None:
        """Write bytes at an address."""
        self.file.seek(self.base + address)
        write_all(self.file, data)


def header_sizes(file: h5py.File) -> tuple[int, int, int]:
    """Return the attributes of a `HeaderFile` besides the file."""
    return (file.userblock_size, *file.id.get_create_plist().get_sizes())


@frozen
class Header:
    """The start of an object header.

    Attributes:
        second: Whether it is of version 2, in which a signature precedes each block of messages,
            and a checksum follows.
        keeps_times: Whether one of version 2 holds times, after its flags.
        messages: The address of the messages of its first block.
        size: The size of these messages in bytes.
        prefix: The bytes of a message before its data.
    """

    second: bool
    keeps_times: bool
    messages: int
    size: int
    prefix: int

    @classmethod
    def read(cls, file: HeaderFile, address: int) -> Header:
        """Parse the start of a header."""
        start = file.read(address, 6)
        if not start.startswith(SIGNATURE):
            return cls(False, False, address + _PREFIX, file.number(address + 8, 4), _MESSAGE)
        flags = start[5]
        keeps_times = bool(flags & _KEEPS_TIMES)
        at = address + len(start) + (16 if keeps_times else 0) + (4 if flags & _KEEPS_PHASES else 0)
        width = 1 << (flags & 3)
        size = file.number(at, width)
        return cls(True, keeps_times, at + width, size, 6 if flags & _KEEPS_ORDER else 4)


def messages(file: HeaderFile, address: int) -> Iterator[tuple[int, int]]:
    """Yield the type of each message of an object's header, and the address of its data."""
    header = Header.read(file, address)
    yield from _messages(file, header, header.messages, header.size)


def _messages(file: HeaderFile, header: Header, at: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the messages of a block, and of the blocks that continue it."""
    end, width = at + size, 1 if header.second else 2
    while at + header.prefix <= end:
        kind, length = file.number(at, width), file.number(at + width, 2)
        at += header.prefix
        if kind == _CONTINUATION:
            further = file.number(at, file.address_bytes)
            rest = file.number(at + file.address_bytes, file.length_bytes)
            if header.second:
                further, rest = further + len(SIGNATURE), rest - len(SIGNATURE) - _CHECKSUM
            yield from _messages(file, header, further, rest)
        yield kind, at
        at += length


def has_unfiltered_edges(file: HeaderFile, address: int) -> bool:
    """Return whether chunks that extend beyond a dataset's end skip its filters.

    The filter masks of such chunks do not say so.

    Args:
        file: The file.
        address: The address of the dataset's header.
    """
    for kind, at in messages(file, address):
        if kind == _LAYOUT:
            version, layout, flags = (file.number(at + byte, 1) for byte in range(3))
            has_flags = version >= _FLAGS_SINCE and layout == _CHUNKED
            return has_flags and bool(flags & _EDGES_UNFILTERED)
    return False


def restore_times(copy: HeaderFile, original: HeaderFile, address: int) -> None:
    """Give an object of a copy the times that it has in the original, at the same address.

    The HDF5 library records when a dataset's header changed, if the dataset was created to, and
    offers no way to set that time. The same command would then give other bytes each time.
    """
    header = Header.read(copy, address)
    if not header.second:
        found = _modified_at(copy, address), _modified_at(original, address)
        if found[0] is not None and found[1] is not None:
            copy.write(found[0], original.read(found[1], 4))
    elif header.keeps_times and Header.read(original, address).second:
        copy.write(address + _TIMES_AT, original.read(address + _TIMES_AT, 16))  # four times
        end = header.messages + header.size
        block = copy.read(address, end - address)
        copy.write(end, checksum(block).to_bytes(4, "little"))


def _modified_at(file: HeaderFile, address: int) -> int | None:
    """Return the address of the modification time in a header of version 1, or None."""
    times = (at for kind, at in messages(file, address) if kind == _MODIFIED)
    return next((at + 4 for at in times), None)  # after a version and three reserved bytes


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

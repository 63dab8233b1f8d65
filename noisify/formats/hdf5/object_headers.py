"""The headers of HDF5 objects, looked at past the HDF5 library for what it does not tell.

The layouts are those of "Object Headers" in the HDF5 File Format Specification, version 3.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from noisify.core.value_class import frozen
from noisify.files.write_behind import write_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    import h5py

SIGNATURE = b"OHDR"
"""What a header of version 2 starts with; one of version 1 has none."""
_PREFIX = 16
_MESSAGE = 8
_CONTINUATION, _LAYOUT = 0x10, 0x08
_KEEPS_TIMES, _KEEPS_PHASES, _KEEPS_ORDER = 0x20, 0x10, 0x04
_CHECKSUM = 4
_FLAGS_SINCE = 4
"""The version of the layout message from which on it has flags for chunks."""
_CHUNKED, _EDGES_UNFILTERED = 2, 1


@frozen
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

    def size(self) -> int:
        """Return the size of the file."""
        return self.file.seek(0, os.SEEK_END)

    def read(self, address: int, count: int) -> bytes:
        """Return bytes at an address."""
        self.file.seek(self.base + address)
        return self.file.read(count)

    def number(self, address: int, count: int) -> int:
        """Return the number that some bytes at an address are."""
        return int.from_bytes(self.read(address, count), "little")

    def write(self, address: int, data: bytes) -> None:
        """Write bytes at an address."""
        self.file.seek(self.base + address)
        write_all(self.file, data)


def header_sizes(file: h5py.File) -> tuple[int, int, int]:
    """Return what a `HeaderFile` of an open file is told of it besides."""
    return (file.userblock_size, *file.id.get_create_plist().get_sizes())


@frozen
class SecondVersion:
    """What a header of version 2 says of itself.

    Attributes:
        keeps_times: Whether it holds times, after its flags.
        messages: Where its messages start.
        size: Their bytes; a checksum comes next.
        prefix: The bytes that each message has before its data.
    """

    keeps_times: bool
    messages: int
    size: int
    prefix: int

    @classmethod
    def read(cls, file: HeaderFile, address: int) -> SecondVersion | None:
        """Return it, or None for a header of version 1."""
        start = file.read(address, 6)
        if not start.startswith(SIGNATURE):
            return None
        flags = start[5]
        keeps_times = bool(flags & _KEEPS_TIMES)
        at = address + len(start) + (16 if keeps_times else 0) + (4 if flags & _KEEPS_PHASES else 0)
        width = 1 << (flags & 3)
        size = file.number(at, width)
        return cls(keeps_times, at + width, size, 6 if flags & _KEEPS_ORDER else 4)


def messages(file: HeaderFile, address: int) -> Iterator[tuple[int, int]]:
    """Yield the type of each message of an object's header, and where its data are."""
    second = SecondVersion.read(file, address)
    if second is not None:
        yield from _second_block(file, second.messages, second.size, second.prefix)
        return
    size = file.number(address + 8, 4)
    yield from _first_block(file, address + _PREFIX, size)


def _first_block(file: HeaderFile, address: int, size: int) -> Iterator[tuple[int, int]]:
    at = address
    while at + _MESSAGE <= address + size:
        kind, length = file.number(at, 2), file.number(at + 2, 2)
        at += _MESSAGE
        if kind == _CONTINUATION:
            yield from _first_block(file, *_further(file, at))
        yield kind, at
        at += length


def _second_block(
    file: HeaderFile, address: int, size: int, prefix: int
) -> Iterator[tuple[int, int]]:
    at = address
    while at + prefix <= address + size:
        kind, length = file.number(at, 1), file.number(at + 1, 2)
        at += prefix
        if kind == _CONTINUATION:
            further, rest = _further(file, at)
            start = further + len(SIGNATURE)
            yield from _second_block(file, start, rest - len(SIGNATURE) - _CHECKSUM, prefix)
        yield kind, at
        at += length


def _further(file: HeaderFile, at: int) -> tuple[int, int]:
    """Return the address and the size of the block that a continuation message tells of."""
    address = file.number(at, file.address_bytes)
    return address, file.number(at + file.address_bytes, file.length_bytes)


def has_unfiltered_edges(file: HeaderFile, address: int) -> bool:
    """Return whether chunks that go on beyond a dataset's end do not pass its filters.

    Nothing else tells: such a chunk says of itself that it has passed them all.

    Args:
        file: The file.
        address: Where the dataset's header is.
    """
    for kind, at in messages(file, address):
        if kind == _LAYOUT:
            version, layout, flags = (file.number(at + byte, 1) for byte in range(3))
            has_flags = version >= _FLAGS_SINCE and layout == _CHUNKED
            return has_flags and bool(flags & _EDGES_UNFILTERED)
    return False

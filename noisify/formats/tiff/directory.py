"""Read and write the directories of TIFF pages, with the values of all their tags.

The layout follows Adobe, "TIFF Revision 6.0" (1992), section 2, and that of libtiff's BigTIFF.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO, Literal

from noisify.core.errors import DataError
from noisify.core.value_class import frozen
from noisify.files.input import read_into_at
from noisify.files.write_behind import write_all_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tifffile import TiffFormat

LONG, LONG8 = 4, 16
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
          16: 8, 17: 8, 18: 8}  # fmt: skip
"""The bytes of a value of each type."""
_DIRECTORIES = {34665, 34853, 40965}
"""The tags that point to directories: of Exif, of GPS, of interoperability."""
_SUBIFDS = 330
_DEEPEST = 4
_ALIGNED = 16


@frozen
class Tag:
    """A tag of a directory.

    Attributes:
        code: Its number.
        kind: The number of its type.
        values: The bytes of its values.
        tags: The tags of the directory it points to, if it does.
    """

    code: int
    kind: int
    values: bytes
    tags: Sequence[Tag] | None = None


class TagReader:
    """Reads directories of a TIFF file.

    Args:
        file: The open file.
        form: The sizes and byte order of its numbers.
        size: The size of the file in bytes.
    """

    def __init__(self, file: BinaryIO, form: TiffFormat, size: int) -> None:
        self._file, self._form, self._size = file, form, size

    def tags(self, offset: int, depth: int = 1) -> list[Tag]:
        """Return the tags of the directory at an offset.

        Args:
            offset: Its offset in the file.
            depth: How many directories point to one another on the way to it.

        Raises:
            DataError: If it is damaged, or points to pages of its own.
        """
        form = self._form
        (count,) = struct.unpack(form.tagnoformat, self._bytes(offset, form.tagnosize))
        entries = self._bytes(offset + form.tagnosize, count * form.tagsize)
        found = []
        for code, kind, number, value in struct.iter_unpack(form.tagheaderformat, entries):
            if code == _SUBIFDS:
                raise DataError("has reduced copies, which would keep their rows; save it without")
            if kind not in _SIZES or depth > _DEEPEST:
                raise DataError(f"has a damaged tag {code}")
            values, size = value, number * _SIZES[kind]
            if size > len(value):
                values = self._bytes(struct.unpack(form.offsetformat, value)[0], size)
            inner = None
            if code in _DIRECTORIES:
                at = int.from_bytes(values[: size or 1], _order(form))
                inner = self.tags(at, depth + 1)
            found.append(Tag(code, kind, values[:size], inner))
        return found

    def _bytes(self, offset: int, size: int) -> bytes:
        if offset + size > self._size:
            raise DataError("is damaged: values of its tags would be after its end")
        data = bytearray(size)
        read_into_at(self._file, memoryview(data), offset)
        return bytes(data)


def _order(form: TiffFormat) -> Literal["little", "big"]:
    return "little" if form.byteorder == "<" else "big"


def offsets_tag(form: TiffFormat, code: int, numbers: Sequence[int]) -> Tag:
    """Return a tag of offsets or sizes in the file."""
    letter, kind = ("Q", LONG8) if form.is_bigtiff else ("I", LONG)
    return Tag(code, kind, struct.pack(f"{form.byteorder}{len(numbers)}{letter}", *numbers))


def _packed(tags: Sequence[Tag], form: TiffFormat, start: int) -> bytes:
    """Return the bytes of a directory and, after it, of the values that do not fit into it.

    Args:
        tags: Its tags.
        form: The sizes and byte order of its numbers.
        start: Its offset in the file.
    """
    beyond = bytearray()
    entries = [struct.pack(form.tagnoformat, len(tags))]
    first = start + form.tagnosize + len(tags) * form.tagsize + form.offsetsize
    for tag in sorted(tags, key=lambda tag: tag.code):
        values, count = tag.values, len(tag.values) // _SIZES[tag.kind]
        if tag.tags is not None:
            place = first + len(beyond)
            values = place.to_bytes(len(values), _order(form))
            beyond += _even(_packed(tag.tags, form, place))
        if len(values) > form.tagoffsetthreshold:
            inline = struct.pack(form.offsetformat, first + len(beyond))
            beyond += _even(values)
            values = inline
        entries.append(struct.pack(form.tagheaderformat, tag.code, tag.kind, count, values))
    return b"".join((*entries, bytes(form.offsetsize), beyond))


def _even(data: bytes) -> bytes:
    return data + bytes(len(data) % 2)


def write_directories(
    file: BinaryIO, form: TiffFormat, directories: Iterable[Sequence[Tag]], end: int
) -> None:
    """Write the directories of all pages at the end of a file, and link them from its header.

    Args:
        file: The file.
        form: The sizes and byte order of its numbers.
        directories: The tags of each page.
        end: The size of the file.

    Raises:
        DataError: If offsets would be too large.
    """
    link, place = form.offsetsize, aligned(end)  # the header's link is its second half
    for tags in directories:
        data = _packed(tags, form, place)
        check_size(form, place + len(data))
        write_all_at(file, memoryview(struct.pack(form.offsetformat, place)), link)
        write_all_at(file, memoryview(data), place)
        link = place + form.tagnosize + len(tags) * form.tagsize
        place = aligned(place + len(data))


def aligned(place: int) -> int:
    """Return the next offset at which data may start."""
    return -(-place // _ALIGNED) * _ALIGNED


def check_size(form: TiffFormat, size: int) -> None:
    """Refuse a size that the file's offsets cannot hold.

    Raises:
        DataError: If it is too large.
    """
    if not form.is_bigtiff and size >= 1 << 32:
        raise DataError(
            "would have more than 4 GiB, which only BigTIFF holds; convert it first: "
            "tiffcp -8 IN.tif OUT.tif"
        )

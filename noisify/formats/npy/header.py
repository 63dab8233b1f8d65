"""Read and write the headers of NPY files."""

from __future__ import annotations

import ast
import io
from math import prod
from tokenize import TokenError
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from noisify.core.errors import DataError, UsageError
from noisify.core.value_class import frozen
from noisify.formats.array_source import field_array

if TYPE_CHECKING:
    from noisify.formats.arrays import ArrayType
    from noisify.formats.interface import FieldArray

FIRST_BYTES = 12
"""The bytes that tell the length of the header: magic, version and length."""
_LONGEST_HEADER = 1 << 24
_LONGEST_EXTENT = 20
"""The digits of the largest extent."""
_ALIGNMENT = 64
_BROKEN = (ValueError, EOFError, SyntaxError, LookupError, TypeError, RecursionError, TokenError)
"""The exceptions that NumPy raises for broken headers."""


@frozen
class Header:
    """The header of an NPY file.

    Attributes:
        text: The bytes of the header.
        shape: The array's shape.
        fortran: Whether the array is in Fortran order.
        dtype: The dtype, including the byte order.
    """

    text: bytes
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]

    @property
    def count(self) -> int:
        """The number of elements."""
        return prod(self.shape)

    @property
    def opaque(self) -> np.dtype[Any]:
        """A dtype of the same size that is copied byte for byte."""
        return np.dtype(f"V{self.dtype.itemsize}")

    def field_array(self, name: str, path: str) -> FieldArray:
        """Describe the array for a field; see `array_source.field_array`."""
        return field_array(name, self.shape, self.dtype, path, fortran=self.fortran)


def read_header(head: bytes, name: str) -> Header:
    """Parse the header at the start of `head`.

    Raises:
        DataError: If it is broken, or the array holds pickled objects.
    """
    header = parse_header(head, name)
    refuse_objects(header, name)
    return header


def refuse_objects(header: Header, name: str, field: str | None = None) -> None:
    """Refuse an array of pickled Python objects."""
    if header.dtype.hasobject:
        raise DataError(
            "holds pickled Python objects, which are never unpickled; save it with a number dtype",
            path=name,
            field=field,
        )


def header_length(head: bytes) -> int:
    """Return the length of the header at the start of `head`; that of a too short `head` itself."""
    if len(head) < FIRST_BYTES:
        return len(head)
    if head[6] == 1:
        return 10 + int.from_bytes(head[8:10], "little")
    return 12 + min(int.from_bytes(head[8:12], "little"), _LONGEST_HEADER)


def parse_header(head: bytes, name: str) -> Header:
    """Parse the header at the start of `head`; pickled objects are allowed.

    Raises:
        DataError: If it is broken.
    """
    stream = io.BytesIO(head)
    readers: dict[tuple[int, int], Any] = {
        (1, 0): npy_format.read_array_header_1_0,
        (2, 0): npy_format.read_array_header_2_0,
        (3, 0): _read_array_header_3_0,
    }
    try:
        version = npy_format.read_magic(stream)
        if version not in readers:
            raise DataError(f"has an unknown NPY version, {version[0]}.{version[1]}", path=name)
        shape, fortran, dtype = readers[version](stream, max_header_size=_LONGEST_HEADER)
    except _BROKEN as error:
        reason = str(error).partition("\n")[0].partition(": <ast.")[0]  # not an object's address
        raise DataError(f"has a broken NPY header: {reason}", path=name) from None
    if dtype.shape or any(not isinstance(extent, int) or extent < 0 for extent in shape):
        raise DataError(f"has a broken NPY header: shape {shape}", path=name)
    return Header(head[: stream.tell()], shape, fortran and len(shape) > 1, dtype)


def _read_array_header_3_0(
    stream: BinaryIO, max_header_size: int
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read a header of version 3.0: as 2.0, but in UTF-8. NumPy's own reader is private."""
    size = int.from_bytes(stream.read(4), "little")
    if size > max_header_size:
        raise ValueError("the header is too long")
    described = ast.literal_eval(stream.read(size).decode("utf-8"))
    dtype = npy_format.descr_to_dtype(described["descr"])
    return tuple(described["shape"]), bool(described["fortran_order"]), dtype


def repeated(header: Header, times: int) -> Header:
    """Return the header of an array repeated along its first axis.

    Raises:
        UsageError: If it has no axes, or is in Fortran order.
    """
    if not header.shape or header.fortran:
        raise UsageError("--append needs an array with a first axis, in C order")
    return resized(header, header.shape[0] * times)


def resized(header: Header, extent: int) -> Header:
    """Return the header of an array with another first extent."""
    shape, text = (extent, *header.shape[1:]), io.BytesIO()
    described = npy_format.dtype_to_descr(header.dtype)
    npy_format.write_array_header_2_0(
        text, {"descr": described, "fortran_order": header.fortran, "shape": shape}
    )
    return Header(text.getvalue(), shape, header.fortran, header.dtype)


def with_extent(header: Header, extent: int) -> Header:
    """Return the header of an array with another first extent; its length is always the same."""
    shape = (extent, *header.shape[1:])
    text = _described(shape, header.dtype, fortran=False)
    room = _LONGEST_EXTENT - len(str(extent))
    return Header(_framed(text, 2 if text.isascii() else 3, room), shape, False, header.dtype)


def new_header(array: ArrayType) -> Header:
    """Return the NPY header of an array, in the lowest version that can describe it.

    Raises:
        UsageError: If no version can describe its members.
    """
    try:
        text = _described(array.shape, array.dtype, fortran=array.fortran)
        text.encode()
    except ValueError as error:  # including UnicodeEncodeError
        raise UsageError(
            f"has members that an NPY header cannot describe: {error}", field=array.name
        ) from None
    version = 1 if text.isascii() else 3
    if version == 1 and len(text) + _ALIGNMENT >= 1 << 16:
        version = 2
    return Header(_framed(text, version), array.shape, array.fortran, array.dtype)


def _described(shape: tuple[int, ...], dtype: np.dtype[Any], *, fortran: bool) -> str:
    """Return the text of a header."""
    described = npy_format.dtype_to_descr(dtype)
    return repr({"descr": described, "fortran_order": fortran, "shape": shape})


def _framed(text: str, version: int, room: int = 0) -> bytes:
    """Return the bytes of a header: magic, length and text, padded to a multiple of 64 bytes.

    Args:
        text: The text.
        version: The major version of the format.
        room: The number of bytes to leave for a longer text.
    """
    start, encoded = npy_format.magic(version, 0), text.encode()
    size_bytes = 2 if version == 1 else 4
    most = len(encoded) + room + 1
    size = most + -(len(start) + size_bytes + most) % _ALIGNMENT
    return start + size.to_bytes(size_bytes, "little") + encoded.ljust(size - 1) + b"\n"

"""Map HDF5 datatypes to NumPy dtypes of the parts of an element that noise can change.

Elements keep the bytes that they have in the file. The dtype has only the parts that are numbers,
booleans, texts of fixed length or NumPy's times, so whatever else a compound holds (strings of
variable length, references, padding) is carried along.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5t

from noisify.core.value_class import frozen
from noisify.formats.datasets.storage import BitField
from noisify.formats.numpy_fields import kind_of_dtype

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noisify.core.chunk import Kind

_TITLES = {
    h5t.OPAQUE: "opaque bytes",
    h5t.BITFIELD: "bit fields",
    h5t.REFERENCE: "references",
    h5t.ENUM: "an enumeration",
    h5t.VLEN: "lists of variable length",
    h5t.TIME: "HDF5 times",
    h5t.COMPOUND: "compounds without members",
}
_UNUSUAL = "numbers of a type that NumPy does not have"
_COMPLEX = getattr(h5t, "COMPLEX", None)  # from HDF5 2.0 on
_TICKS = 8
"""The size of a NumPy time in bytes."""
_COUNT, _INDEX = 4, 4
"""The bytes of a list's length, and of its index among the objects of a heap."""
TEXT = np.dtype(object)
"""The dtype of texts of variable length: bytes, without a length."""


def is_text(kind: h5t.TypeID) -> bool:
    """Return whether elements are texts of variable length."""
    return isinstance(kind, h5t.TypeStringID) and bool(kind.is_variable_str())


@frozen
class Leaf:
    """A part of a dataset's elements without members of its own.

    Attributes:
        path: The names of the members that lead to it; empty if it is the whole element.
        shape: The extents of the array types around it, the outermost first.
        dtype: Its dtype in the file's byte order, or None if noise cannot change it.
        kind: Its kind of values.
        title: The noun for its values in messages.
        bits: The bits of its bytes that hold the value, or None for all.
    """

    path: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    kind: Kind
    title: str
    bits: BitField | None = None


def leaves(
    kind: h5t.TypeID, path: tuple[str, ...] = (), shape: tuple[int, ...] = ()
) -> Iterator[Leaf]:
    """Yield the parts of elements of an HDF5 datatype, in their order."""
    if isinstance(kind, h5t.TypeArrayID):
        yield from leaves(kind.get_super(), path, shape + kind.get_array_dims())
        return
    leaf = _leaf(kind, path, shape)
    if not path and not shape and is_text(kind):
        leaf = replace(leaf, dtype=TEXT)
    if leaf.dtype is None and isinstance(kind, h5t.TypeCompoundID) and kind.get_nmembers():
        for name, member, _ in _members(kind):
            yield from leaves(member, (*path, name), shape)
        return
    yield leaf


def _members(kind: h5t.TypeCompoundID) -> Iterator[tuple[str, h5t.TypeID, int]]:
    """Yield the name, the datatype and the offset in memory of each member of a compound."""
    for at in range(kind.get_nmembers()):
        name = kind.get_member_name(at).decode("utf-8", "surrogateescape")
        yield name, kind.get_member_type(at), kind.get_member_offset(at)


def _leaf(kind: h5t.TypeID, path: tuple[str, ...], shape: tuple[int, ...]) -> Leaf:
    dtype = _numpy_dtype(kind)
    if dtype is None:
        text = isinstance(kind, h5t.TypeStringID)
        title = "text" if text else _TITLES.get(kind.get_class(), _UNUSUAL)
        return Leaf(path, shape, None, "text" if text else "other", title)
    bits = None
    if kind.get_class() == h5t.INTEGER and kind.get_precision() < 8 * dtype.itemsize:
        bits = BitField(kind.get_offset(), kind.get_precision())
    title = "text" if dtype.kind == "S" else str(dtype.newbyteorder("="))
    return Leaf(path, shape, dtype, kind_of_dtype(dtype), title, bits)


def _numpy_dtype(kind: h5t.TypeID) -> np.dtype[Any] | None:
    """Return the dtype of numbers, booleans, texts of fixed length and times; else None."""
    if isinstance(kind, h5t.TypeStringID):
        padded_with_nul = kind.get_strpad() in {h5t.STR_NULLPAD, h5t.STR_NULLTERM}
        fixed = not kind.is_variable_str() and padded_with_nul
        return np.dtype(f"S{kind.get_size()}") if fixed else None
    dtype = _native(kind)
    if dtype is None or dtype.subdtype is not None:
        return None
    usable: bool
    match kind.get_class():
        case h5t.INTEGER:
            usable = dtype.kind in "iu"
        case h5t.FLOAT | h5t.ENUM:
            usable = dtype.kind in "fb" and _is_exact(kind, dtype)
        case h5t.OPAQUE:
            usable = dtype.kind in "Mm" and kind.get_size() == _TICKS
        case other:
            usable = other in {h5t.COMPOUND, _COMPLEX} and dtype.kind == "c"
            usable = usable and _is_exact(kind, dtype)
    return dtype if usable else None


def _native(kind: h5t.TypeID) -> np.dtype[Any] | None:
    """Return the dtype that h5py reads a datatype as, or None if it cannot."""
    try:
        dtype: np.dtype[Any] = np.dtype(kind.dtype)
    except (TypeError, ValueError, AttributeError, KeyError):  # 3-byte integers, times, VAX order
        return None
    return dtype


def _is_exact(kind: h5t.TypeID, dtype: np.dtype[Any]) -> bool:
    """Return whether elements of a datatype have the same bytes as elements of a dtype."""
    if dtype.kind in "SMm":
        return True
    if dtype.kind == "c" and kind.get_class() == _COMPLEX:
        return _is_exact(kind.get_super(), np.empty(0, dtype).real.dtype)
    return bool(kind == h5t.py_create(dtype, logical=True) and kind.get_size() == dtype.itemsize)


def element_dtype(kind: h5t.TypeID, address_bytes: int) -> np.dtype[Any] | None:
    """Return a dtype of the parts of elements that noise can change, or None if there are none.

    Its offsets are those in the file. The HDF5 library gives those in memory, where pointers to
    data elsewhere have another size.

    Args:
        kind: The HDF5 datatype.
        address_bytes: The bytes of an address in the file.
    """
    if isinstance(kind, h5t.TypeArrayID):
        inner = element_dtype(kind.get_super(), address_bytes)
        return None if inner is None else np.dtype((inner, kind.get_array_dims()))
    dtype = _numpy_dtype(kind)
    if dtype is not None or not isinstance(kind, h5t.TypeCompoundID):
        return dtype
    names: list[str] = []
    formats: list[np.dtype[Any]] = []
    offsets: list[int] = []
    growth = _growth_before_members(kind, address_bytes)
    for name, member, offset in _members(kind):
        inner = element_dtype(member, address_bytes)
        if inner is not None:
            names.append(name)
            formats.append(inner)
            offsets.append(offset + growth[offset])
    if not names:
        return None
    size = size_in_file(kind, address_bytes)
    layout = {"names": names, "formats": formats, "offsets": offsets, "itemsize": size}
    return np.dtype(layout)  # type: ignore[call-overload,no-any-return]


def _growth_before_members(kind: h5t.TypeCompoundID, address_bytes: int) -> dict[int, int]:
    """Return how much further on members are in the file than in memory, by offset in memory."""
    growth, before = {}, 0
    for _, member, offset in sorted(_members(kind), key=lambda part: part[2]):
        growth[offset] = before
        before += size_in_file(member, address_bytes) - member.get_size()
    return growth


def size_in_file(kind: h5t.TypeID, address_bytes: int) -> int:
    """Return the size of an element of a datatype in the file, in bytes."""
    size: int = kind.get_size()
    if isinstance(kind, h5t.TypeCompoundID):
        members = [member for _, member, _ in _members(kind)]
        in_file = sum(size_in_file(member, address_bytes) for member in members)
        in_memory: int = sum(member.get_size() for member in members)
        return size + in_file - in_memory
    if isinstance(kind, h5t.TypeArrayID):
        count: int = math.prod(kind.get_array_dims())
        return count * size_in_file(kind.get_super(), address_bytes)
    if _is_list(kind):
        return _COUNT + address_bytes + _INDEX
    if kind == h5t.STD_REF_OBJ:
        return address_bytes
    if kind == h5t.STD_REF_DSETREG:
        return address_bytes + _INDEX
    return size


def holds_pointers(kind: h5t.TypeID) -> bool:
    """Return whether elements point to data elsewhere in the file, as lists and texts do."""
    return any(_is_list(part) or part.get_class() == h5t.REFERENCE for part in _parts(kind))


def has_known_size(kind: h5t.TypeID) -> bool:
    """Return whether `size_in_file` is right; references of HDF5 1.12 and later are longer."""
    references = (part for part in _parts(kind) if part.get_class() == h5t.REFERENCE)
    return all(part in (h5t.STD_REF_OBJ, h5t.STD_REF_DSETREG) for part in references)


def _parts(kind: h5t.TypeID) -> Iterator[h5t.TypeID]:
    """Yield the datatypes of the innermost parts of elements."""
    if isinstance(kind, h5t.TypeCompoundID):
        for _, member, _ in _members(kind):
            yield from _parts(member)
    elif isinstance(kind, h5t.TypeArrayID):
        yield from _parts(kind.get_super())
    else:
        yield kind


def _is_list(kind: h5t.TypeID) -> bool:
    """Return whether elements are lists or texts of variable length."""
    return is_text(kind) or bool(kind.get_class() == h5t.VLEN)


def lost_in_numpy(kind: h5t.TypeID) -> str:
    """Return the noun for what NumPy has no dtype for in a datatype; empty if there is nothing."""
    if isinstance(kind, h5t.TypeArrayID):
        return lost_in_numpy(kind.get_super())
    dtype = _native(kind)
    if isinstance(kind, h5t.TypeCompoundID) and (dtype is None or dtype.kind != "c"):
        parts = (lost_in_numpy(member) for _, member, _ in _members(kind))
        return next((part for part in parts if part), "")
    if dtype is None:
        return _UNUSUAL
    if isinstance(kind, h5t.TypeEnumID) and dtype.kind != "b":
        return "an enumeration with names"
    title = _TITLES.get(kind.get_class(), "text of variable length")
    return title if dtype.hasobject or kind.get_class() == h5t.BITFIELD else ""


def without_metadata(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return a dtype without the metadata of h5py, which NumPy's files do not keep."""
    if dtype.subdtype is not None:
        return np.dtype((without_metadata(dtype.base), dtype.shape))
    if dtype.names is None:
        return np.dtype(dtype.str)
    members = [dtype.fields[name] for name in dtype.names]  # type: ignore[index]
    layout = {
        "names": list(dtype.names),
        "formats": [without_metadata(member[0]) for member in members],
        "offsets": [member[1] for member in members],
        "itemsize": dtype.itemsize,
    }
    return np.dtype(layout)  # type: ignore[call-overload,no-any-return]

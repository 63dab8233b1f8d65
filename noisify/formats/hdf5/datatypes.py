"""HDF5 datatypes as NumPy dtypes: which parts of a dataset's elements noise can change.

Elements are looked at in the bytes they have in the file, through a dtype that has just the parts
that are numbers, truth values, texts of fixed length or NumPy's times. So whatever else a compound
holds (strings of variable length, references, what lies between members) is carried along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5t

from noisify.core.value_class import frozen
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
"""Bytes of a NumPy time."""


@frozen
class Leaf:
    """A part of a dataset's elements that has no members itself.

    Attributes:
        path: The names of the members that lead to it; empty: it is the element.
        shape: How often it is there in each element, where there are array types on the way.
        dtype: Its dtype, in the file's byte order; None: noise cannot change it.
        kind: What it holds.
        title: What messages say that it holds.
        exact: Whether its bytes in the file are those of `dtype`.
        bits: The bits of a signed integer that has fewer than its dtype; 0: it has them all.
    """

    path: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    kind: Kind
    title: str
    exact: bool = True
    bits: int = 0


def leaves(
    kind: h5t.TypeID, path: tuple[str, ...] = (), shape: tuple[int, ...] = ()
) -> Iterator[Leaf]:
    """Yield the parts of elements of an HDF5 datatype, in their order."""
    if isinstance(kind, h5t.TypeArrayID):
        yield from leaves(kind.get_super(), path, shape + kind.get_array_dims())
        return
    leaf = _leaf(kind, path, shape)
    if leaf.dtype is None and isinstance(kind, h5t.TypeCompoundID) and kind.get_nmembers():
        for name, member in _members(kind):
            yield from leaves(member, (*path, name), shape)
        return
    yield leaf


def _members(kind: h5t.TypeCompoundID) -> Iterator[tuple[str, h5t.TypeID]]:
    for at in range(kind.get_nmembers()):
        name = kind.get_member_name(at).decode("utf-8", "surrogateescape")
        yield name, kind.get_member_type(at)


def _leaf(kind: h5t.TypeID, path: tuple[str, ...], shape: tuple[int, ...]) -> Leaf:
    dtype = _numpy_dtype(kind)
    if dtype is None:
        text = isinstance(kind, h5t.TypeStringID)
        title = "text" if text else _TITLES.get(kind.get_class(), _UNUSUAL)
        return Leaf(path, shape, None, "text" if text else "other", title)
    exact = _is_exact(kind, dtype)
    bits = 0
    if not exact and dtype.kind == "i":
        bits = kind.get_precision() % (8 * dtype.itemsize)
    title = "text" if dtype.kind == "S" else str(dtype.newbyteorder("="))
    return Leaf(path, shape, dtype, kind_of_dtype(dtype), title, exact, bits)


def _numpy_dtype(kind: h5t.TypeID) -> np.dtype[Any] | None:
    """Return the dtype of numbers, truth values, texts of fixed length and times; else None."""
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
    """Return what h5py reads a datatype as, if it can."""
    try:
        dtype: np.dtype[Any] = np.dtype(kind.dtype)
    except (TypeError, ValueError, AttributeError):  # as a 3-byte integer, or a time
        return None
    return dtype


def _is_exact(kind: h5t.TypeID, dtype: np.dtype[Any]) -> bool:
    """Return whether elements of a datatype are, byte for byte, elements of a dtype."""
    if dtype.kind in "SMm":
        return True
    if dtype.kind == "c" and kind.get_class() == _COMPLEX:
        return _is_exact(kind.get_super(), np.empty(0, dtype).real.dtype)
    return bool(kind == h5t.py_create(dtype, logical=True) and kind.get_size() == dtype.itemsize)


def is_exact(kind: h5t.TypeID) -> bool:
    """Return whether all that noise can change has the bytes of a NumPy dtype."""
    return all(leaf.exact for leaf in leaves(kind) if leaf.dtype is not None)


def element_dtype(kind: h5t.TypeID, *, packed: bool = False) -> np.dtype[Any] | None:
    """Return a dtype of the parts of elements that noise can change; None: there are none.

    Args:
        kind: The HDF5 datatype.
        packed: Whether the parts stand side by side, not where they are in the file.
    """
    if isinstance(kind, h5t.TypeArrayID):
        inner = element_dtype(kind.get_super(), packed=packed)
        return None if inner is None else np.dtype((inner, kind.get_array_dims()))
    dtype = _numpy_dtype(kind)
    if dtype is not None or not isinstance(kind, h5t.TypeCompoundID):
        return dtype
    names: list[str] = []
    formats: list[np.dtype[Any]] = []
    offsets: list[int] = []
    for at, (name, member) in enumerate(_members(kind)):
        inner = element_dtype(member, packed=packed)
        if inner is not None:
            names.append(name)
            formats.append(inner)
            offsets.append(kind.get_member_offset(at))
    if not names:
        return None
    if packed:
        return np.dtype(list(zip(names, formats, strict=True)))
    layout = {"names": names, "formats": formats, "offsets": offsets, "itemsize": kind.get_size()}
    return np.dtype(layout)  # type: ignore[call-overload,no-any-return]


def memory_type(kind: h5t.TypeID, dtype: np.dtype[Any]) -> h5t.TypeID:
    """Return the datatype that tells the HDF5 library of the parts that a dtype has.

    Args:
        kind: The datatype in the file.
        dtype: What `element_dtype` made of it.
    """
    if isinstance(kind, h5t.TypeArrayID):
        inner = memory_type(kind.get_super(), dtype.base)
        return h5t.array_create(inner, kind.get_array_dims())
    if dtype.names is None:
        exact = _is_exact(kind, dtype)
        return kind if exact else h5t.py_create(dtype, logical=True)
    members = dict(_members(kind))
    compound = h5t.create(h5t.COMPOUND, dtype.itemsize)
    for name in dtype.names:
        inner_dtype, offset = dtype.fields[name][:2]  # type: ignore[index]
        stored_name = name.encode("utf-8", "surrogateescape")
        compound.insert(stored_name, offset, memory_type(members[name], inner_dtype))
    return compound


def holds_pointers(kind: h5t.TypeID) -> bool:
    """Return whether elements point to data elsewhere in the file: a list, a text, a region."""
    if isinstance(kind, h5t.TypeCompoundID):
        return any(holds_pointers(member) for _, member in _members(kind))
    if isinstance(kind, h5t.TypeArrayID):
        return holds_pointers(kind.get_super())
    if isinstance(kind, h5t.TypeStringID):
        return bool(kind.is_variable_str())
    return kind.get_class() in {h5t.VLEN, h5t.REFERENCE}


def lost_in_numpy(kind: h5t.TypeID) -> str:
    """Return what a datatype says that no NumPy dtype can; empty: nothing."""
    if isinstance(kind, h5t.TypeArrayID):
        return lost_in_numpy(kind.get_super())
    dtype = _native(kind)
    if isinstance(kind, h5t.TypeCompoundID) and (dtype is None or dtype.kind != "c"):
        parts = (lost_in_numpy(member) for _, member in _members(kind))
        return next((part for part in parts if part), "")
    if dtype is None:
        return _UNUSUAL
    if isinstance(kind, h5t.TypeEnumID) and dtype.kind != "b":
        return "an enumeration with names"
    title = _TITLES.get(kind.get_class(), "text of variable length")
    return title if dtype.hasobject or kind.get_class() == h5t.BITFIELD else ""


def without_metadata(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return a dtype without what h5py adds to it and NumPy's files do not keep."""
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

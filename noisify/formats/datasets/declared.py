"""Read the attributes that declare how a dataset's values are packed, and which are missing.

They are those of NetCDF and its CF conventions, which other HDF5 files and Zarr stores have too.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from noisify.core.missing import Missing
from noisify.core.packing import PHYSICAL, Packing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from noisify.core.chunk import Field
    from noisify.core.dtypes import NumberType

_FILL, _MISSING = "_FillValue", "missing_value"
_RANGE, _LEAST, _MOST = "valid_range", "valid_min", "valid_max"
_SCALE, _OFFSET, _UNSIGNED = "scale_factor", "add_offset", "_Unsigned"
ATTRIBUTES = frozenset({_FILL, _MISSING, _RANGE, _LEAST, _MOST, _SCALE, _OFFSET, _UNSIGNED})
_DEFAULT_FILLS: dict[str, int | float] = {
    "i1": -127, "u1": 255, "i2": -32767, "u2": 65535, "i4": -2147483647, "u4": 4294967295,
    "i8": -9223372036854775806, "u8": 18446744073709551614,
    "f4": 9.969209968386869e36, "f8": 9.969209968386869e36,
}  # fmt: skip
"""NetCDF's NC_FILL_ constants (netcdf.h)."""

CF_ROLES = {
    "coordinates": "a coordinate", "bounds": "bounds of a coordinate",
    "climatology": "bounds of a coordinate", "grid_mapping": "a grid mapping",
    "cell_measures": "a measure of cells", "node_coordinates": "a coordinate",
}  # fmt: skip
"""The attributes that name other variables, and their roles (CF conventions, 5 to 7)."""


class _Kinds(NamedTuple):
    """The type of elements as stored, and as `_Unsigned` declares them."""

    stored: NumberType
    codes: NumberType


def as_declared(
    field: Field, attributes: Mapping[str, object], *, has_default_fill: bool = False
) -> Field:
    """Add the missing values and the packing that attributes declare to a field.

    Args:
        field: The field of a whole dataset, as it is stored.
        attributes: The attributes by name; others than those of the conventions are ignored.
        has_default_fill: Whether NetCDF's default fill value counts if they name none.
    """
    known = {name: value for name, value in attributes.items() if name in ATTRIBUTES}
    number = field.number
    if number is None or number.kind not in {"int", "float"} or not (known or has_default_fill):
        return field
    codes = _signed_as_declared(number, known.get(_UNSIGNED))
    kinds = _Kinds(number, codes)
    packing = _packing(codes, known)
    fills = _codes(kinds, *_numbers(known.get(_FILL, ())), *_numbers(known.get(_MISSING, ())))
    values = [value for value in fills if math.isfinite(value)]
    default = _DEFAULT_FILLS.get(number.dtype.str[1:])
    if has_default_fill and _FILL not in known and default is not None:
        values += _codes(kinds, default)
    low, high = _bounds(kinds, packing, known)
    missing = None
    if values or fills or low is not None or high is not None:
        marker = fills[0] if fills else None
        missing = Missing(tuple(dict.fromkeys(values)), low, high, marker)
    title = field.type_name if codes == number else str(codes.dtype)
    return replace(
        field,
        kind=field.kind if packing is None else "float",
        type_name=title if packing is None else f"float64 packed in {codes.dtype}",
        number=codes if packing is None else PHYSICAL,
        missing=missing,
        packing=packing,
        nullable=field.nullable or bool(fills),
    )


_MASK_ELEMENTS = 1 << 20
MASKED = "has missing values, which only its mask tells; fill them in first"
"""Why values beside a mask of missing values get no noise."""


def says_missing(mask: Any) -> bool:  # noqa: ANN401 - h5py and zarr have no types
    """Return whether a mask of missing values marks any, or is not a mask as AnnData writes it."""
    if len(mask.shape or ()) != 1 or mask.dtype.kind not in "biu":
        return True
    starts = range(0, mask.shape[0], _MASK_ELEMENTS)
    return any(np.asarray(mask[start : start + _MASK_ELEMENTS]).any() for start in starts)


def codes_declared(categories: int) -> dict[str, object]:
    """Return the attributes that would declare categorical codes: indices, or -1 for missing."""
    return {_RANGE: (0, max(categories - 1, 0)), _FILL: -1}


def _numbers(value: object) -> Iterator[int | float]:
    """Yield the numbers of an attribute, also those written as text."""
    array = np.asarray(value).reshape(-1)
    if array.dtype.kind in "iuf":
        yield from array.tolist()
        return
    for text in array.tolist() if array.dtype.kind in "SUO" else ():
        plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        for word in plain.replace(",", " ").split():
            try:
                yield int(word) if word.lstrip("+-").isdecimal() else float(word)
            except ValueError:
                continue


def _single(value: object) -> int | float | None:
    """Return the number of an attribute, or None if there is not exactly one."""
    numbers = [*_numbers(value)]
    return numbers[0] if len(numbers) == 1 else None


def _signed_as_declared(number: NumberType, unsigned: object) -> NumberType:
    """Return the type of the codes: as stored, or signed or unsigned as `_Unsigned` declares."""
    words = [] if unsigned is None else np.asarray(unsigned).reshape(-1).astype(str).tolist()
    word = words[0].lower() if len(words) == 1 else ""
    other = {("i", "true"): "u", ("u", "false"): "i"}.get((number.dtype.kind, word))
    if other is None or number.bits:
        return number
    return replace(number, dtype=np.dtype(f"{other}{number.dtype.itemsize}"))


def _packing(codes: NumberType, attributes: dict[str, Any]) -> Packing | None:
    """Return the packing of values, or None if they are not packed, or the scale is unusable."""
    if not {_SCALE, _OFFSET} & set(attributes):
        return None
    scale, offset = _single(attributes.get(_SCALE, 1.0)), _single(attributes.get(_OFFSET, 0.0))
    if not scale or offset is None or not math.isfinite(scale) or not math.isfinite(offset):
        return None
    return Packing(codes, float(scale), float(offset))


def _codes(kinds: _Kinds, *values: float) -> list[int | float]:
    """Return values as codes, without those that no element can have."""
    codes = (_code(kinds, value) for value in values)
    return [code for code in codes if code is not None]


def _code(kinds: _Kinds, value: float) -> int | float | None:
    """Return a value as a code, or None if there is no such code."""
    if kinds.codes.kind == "float":
        with np.errstate(over="ignore"):
            cast = float(kinds.codes.dtype.type(value))
        return cast if math.isfinite(cast) or not math.isfinite(value) else None
    if not math.isfinite(value) or value != int(value):
        return None
    for kind in kinds:
        low, high = kind.limits
        if low <= value <= high:
            return int(np.array(int(value), kind.dtype).view(kinds.codes.dtype))
    return None


def _bounds(
    kinds: _Kinds, packing: Packing | None, attributes: dict[str, Any]
) -> tuple[int | float | None, int | float | None]:
    """Return the least and the largest valid code, or None if there is no such bound.

    If packed values are whole numbers and a bound is a float, both bound the unpacked values.
    """
    given: list[Any] = [attributes.get(_LEAST), attributes.get(_MOST)]
    ends = [*_numbers(attributes.get(_RANGE, ()))]
    if len(ends) == len(given):
        given = [np.asarray(attributes[_RANGE]).reshape(-1)[at] for at in range(len(ends))]
    low, high = (_bound(kinds, value) for value in given)
    as_float = any(np.asarray(value).dtype.kind == "f" for value in given)
    if packing is not None and kinds.codes.kind == "int" and as_float:
        low, high = _unpacked_bounds(packing, given)
    if low is not None and high is not None and low > high:
        return None, None
    return low, high


def _unpacked_bounds(packing: Packing, given: Sequence[Any]) -> tuple[int | None, int | None]:
    """Return bounds of unpacked values as bounds of codes."""
    low, high = (_single(value) for value in given)
    least, most = packing.bounds(
        -math.inf if low is None or math.isnan(low) else low,
        math.inf if high is None or math.isnan(high) else high,
    )
    limits = packing.codes.limits
    return (None if least == limits[0] else least), (None if most == limits[1] else most)


def _bound(kinds: _Kinds, value: object) -> int | float | None:
    """Return a bound as a code; None if it is not one number, or not the value of a code."""
    number = _single(value)
    return None if number is None or not math.isfinite(number) else _code(kinds, number)

"""Convert NumPy arrays and members of structured arrays to columns, and back."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core import arrow_arrays
from noisify.core.chunk import Column, Field, Kind, Positions
from noisify.core.dtypes import DAY, SECOND, NumberType
from noisify.core.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from noisify.formats.interface import NoisyColumn

_KINDS: dict[str, Kind] = {
    "f": "float", "i": "int", "u": "int", "c": "complex", "b": "bool",
    "U": "text", "S": "text", "M": "time", "m": "time",
}  # fmt: skip
_TICKS = {
    "W": 7 * DAY, "D": DAY, "h": 3600 * SECOND, "m": 60 * SECOND, "s": SECOND,
    "ms": 10**6, "us": 10**3, "ns": 1,
}  # fmt: skip
ARRAY_NAME = "data"
"""The name of the field, and of its random stream, in a file of one plain array."""
_CONTINUATIONS = range(0x80, 0xC0)
"""The continuation bytes of UTF-8."""
_WITHOUT_LENGTH = {"Y": "years", "M": "months"}
_LONG_DOUBLE = np.dtype(np.longdouble).itemsize
_X86_MANTISSA = 63
_LONG_DOUBLE_USED = 10 if np.finfo(np.longdouble).nmant == _X86_MANTISSA else _LONG_DOUBLE
"""The bytes of a long double that hold its value: x86 pads 80 bits to 128."""


def fields_of(dtype: np.dtype[Any], name: str) -> tuple[Field, ...]:
    """Return the fields of an array: itself under `name`, or the members of a structured dtype.

    Fields with the same number of values in each element of the array share a `table`.

    Raises:
        DataError: If two fields have the same name.
    """
    members = [(name, dtype, 1)] if dtype.names is None else list(_members(dtype, ""))
    twice = [path for path, count in Counter(path for path, *_ in members).items() if count > 1]
    if twice:
        raise DataError(f"has two fields called {twice[0]!r}; rename one of them")
    return tuple(
        Field(
            name=path,
            kind=kind_of_dtype(member),
            type_name=str(member if member.kind == "T" else member.newbyteorder("=")),
            number=value_type(member),
            table=str(width),
            nullable=member.kind in "fcMm",
            hindrance=_hindrance(member),
            member=len(members) > 1,
        )
        for path, member, width in members
    )


def _hindrance(dtype: np.dtype[Any]) -> str:
    """Return why times of a dtype cannot get noise; empty if they can, or are not times."""
    unit = np.datetime_data(dtype)[0] if dtype.kind in "Mm" else "s"
    if unit in _TICKS:
        return ""
    to = dtype.name.partition("[")[0]
    if unit == "generic":
        return f"has times without a unit; convert it to {to}[s]"
    if unit in _WITHOUT_LENGTH:
        return f"counts {_WITHOUT_LENGTH[unit]}, which differ in length; convert it to {to}[D]"
    return f"counts units of 1 {unit}, and the finest that get noise are 1 ns"


def with_member_streams(fields: Sequence[Field], members: Mapping[str, str]) -> tuple[Field, ...]:
    """Name the random streams of members of structured arrays by the members alone.

    So a structured array gets the same noise in every format, whatever its name, unless several
    fields of the file would then share a stream.

    Args:
        fields: All fields of the file.
        members: The path of the member, by the name of each field that is a member.
    """
    used = Counter(members.get(each.name, each.name) for each in fields if each.number is not None)
    return tuple(
        replace(each, stream=members[each.name])
        if each.name in members and used[members[each.name]] == 1
        else each
        for each in fields
    )


def _members(dtype: np.dtype[Any], prefix: str) -> Iterator[tuple[str, np.dtype[Any], int]]:
    """Yield the path, dtype and number of elements of each innermost member."""
    for name in dtype.names or ():
        member = dtype[name]
        width = prod(member.shape)
        if member.base.names is None:
            yield prefix + name, member.base, width
            continue
        for path, inner, times in _members(member.base, f"{prefix}{name}."):
            yield path, inner, width * times


def kind_of_dtype(dtype: np.dtype[Any]) -> Kind:
    """Return the kind of values of a NumPy dtype."""
    return _KINDS.get(dtype.kind, "other")


def value_type(dtype: np.dtype[Any]) -> NumberType | None:
    """Return the number type of a NumPy dtype, or None if no model can work on its values."""
    if dtype.kind in "US":
        return NumberType("text", np.dtype(object))
    if dtype.kind in "Mm":
        unit, count = np.datetime_data(dtype)
        return NumberType.time(_TICKS[unit] * count) if unit in _TICKS else None
    return NumberType.of_dtype(dtype)


def native(values: NDArray[Any], number: NumberType) -> NDArray[Any]:
    """Convert values to native byte order, times to ticks, and texts to Python strings."""
    if number.kind == "time":
        return values.astype(values.dtype.newbyteorder("="), copy=False).view(np.int64)
    if values.dtype.kind in "SO":
        texts = np.empty(len(values), object)
        texts[:] = [value.decode("utf-8", "surrogateescape") for value in values.tolist()]
        return texts
    try:
        return values.astype(number.dtype, copy=False)
    except ValueError as error:  # a UTF-32 code that is not a character
        raise DataError(f"has codes that are not characters: {error}") from None


def stored(result: NoisyColumn, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Convert noisy values to an array's own dtype: packed, with the file's missing value.

    Raises:
        UsageError: If values are missing and the dtype has no missing value.
    """
    field, values, erased = result.column.field, result.values, result.erased
    if field.packing is not None:
        values, _ = field.packing.pack(values)
    if erased is not None and field.missing is not None and field.missing.marker is not None:
        values = values.copy()
        values[erased], erased = field.missing.marker, None
    if {values.dtype.kind, dtype.kind} == {"i", "u"}:  # see `_codes`
        values = values.view(f"{dtype.kind}{values.itemsize}")
    if result.column.number.kind == "time":
        values = values.view(dtype.newbyteorder("="))
    if dtype.kind == "O":
        texts = [text.encode("utf-8", "surrogateescape") for text in values.tolist()]
        values = np.empty(len(texts), object)
        values[:] = texts
    if dtype.kind == "S":
        values = np.array([_encoded(text, dtype.itemsize) for text in values.tolist()], dtype)
    out = values.astype(dtype, copy=False)
    if erased is not None:
        if dtype.kind not in "fcMm":
            held = "texts" if dtype.kind == "O" else dtype.newbyteorder("=")
            raise UsageError(
                f"holds {held}, which has no missing value; convert it to float", field=field.name
            )
        out = out.copy()
        out[erased] = np.array("NaT", dtype) if dtype.kind in "Mm" else np.nan
    return out


def unpacked(stored_values: NDArray[Any], field: Field) -> NDArray[Any]:
    """Convert elements of an array to a field's values: native and unpacked."""
    if field.number is None:
        raise AssertionError(field)
    codes = field.number if field.packing is None else field.packing.codes
    values = _codes(stored_values, codes)
    return values if field.packing is None else field.packing.unpack(values)


def _codes(stored_values: NDArray[Any], codes: NumberType) -> NDArray[Any]:
    """Convert elements to codes, reinterpreting them as signed or unsigned if necessary."""
    if codes.kind != "int" or stored_values.dtype.kind == codes.dtype.kind:
        return native(stored_values, codes)
    return stored_values.astype(stored_values.dtype.newbyteorder("=")).view(codes.dtype)


def _encoded(text: str, size: int) -> bytes:
    """Encode a text in UTF-8, cut to at most `size` bytes at a character boundary."""
    data = text.encode("utf-8", "surrogateescape")
    if len(data) <= size:
        return data
    while size and data[size] in _CONTINUATIONS:
        size -= 1
    return data[:size]


def member_of(array: NDArray[Any], path: str) -> NDArray[Any]:
    """Return the view of a member of a structured array, or a plain array itself."""
    for name in _steps(array.dtype, path) if array.dtype.names is not None else ():
        array = array[name]
    return array


def _steps(dtype: np.dtype[Any], path: str) -> tuple[str, ...]:
    """Split the path of a member into names, which may contain dots themselves."""
    for name in dtype.names or ():
        inner = dtype[name].base
        if path == name and inner.names is None:
            return (name,)
        if path.startswith(f"{name}.") and inner.names is not None:
            further = _steps(inner, path[len(name) + 1 :])
            if further:
                return (name, *further)
    return ()


def column_of(
    values: NDArray[Any],
    positions: Positions,
    field: Field,
    path: str | None = None,
    extract: Callable[[NDArray[Any]], NDArray[Any]] | None = None,
) -> Column:
    """Decode one field of some elements of an array.

    A sub-array member has several values in every element of the array.

    Args:
        values: The elements.
        positions: Their positions in the array.
        field: The field.
        path: The path of its member in a structured array, by default the field's name.
        extract: Extracts integers from the bits that hold them; None if they use all bits.
    """
    if field.number is None:
        raise AssertionError(field)
    stored_values = member_of(values, field.name if path is None else path)
    width = stored_values.size // max(1, values.size)
    if extract is not None:
        stored_values = extract(stored_values.astype(stored_values.dtype.newbyteorder("=")))
    member = unpacked(stored_values.reshape(-1), field)
    starts = positions.starts if width == 1 else tuple(start * width for start in positions.starts)
    missing = _missing(stored_values.reshape(-1), member, field)
    nulls = 0 if missing is None else int(np.count_nonzero(missing))
    valid = None if missing is None or not nulls else ~missing
    return Column(
        field, field.number, Positions(starts, positions.length * width), member, valid, nulls
    )


def _missing(
    stored_values: NDArray[Any], values: NDArray[Any], field: Field
) -> NDArray[np.bool_] | None:
    """Return a mask of the missing elements; None if only NaN can mark them."""
    if field.number is not None and field.number.kind == "time":
        return np.asarray(values == np.iinfo(np.int64).min)
    if field.missing is None:
        return None
    if field.packing is not None:
        values = _codes(stored_values, field.packing.codes)
    return field.missing.mask(values)


def arrow_of(column: Column) -> pa.Array:
    """Convert a column to an Arrow array for a condition, with missing values as null.

    Raises:
        UsageError: If Arrow has no such type.
    """
    values, kind = column.values, column.number.kind
    if kind == "text":
        found = arrow_arrays.strings(values.tolist())
    elif kind == "bool":
        found = arrow_arrays.bools(values)
    elif kind in {"int", "float"} and values.dtype.kind in "iuf" and values.dtype.itemsize <= 8:  # noqa: PLR2004
        found = arrow_arrays.array(values)
    else:
        raise _not_compared(column.field)
    return found if column.valid is None else arrow_arrays.with_nulls(found, ~column.valid)


def _not_compared(field: Field) -> UsageError:
    return UsageError(f"holds {field.type_name}, which --where cannot compare", field=field.name)


def check_condition(fields: Iterable[Field]) -> None:
    """Refuse a condition on fields whose values cannot be compared.

    Raises:
        UsageError: If there is such a field.
    """
    for field in fields:
        if field.number is None:
            raise _not_compared(field)


def arrow_array(values: NDArray[Any], name: str) -> pa.Array:
    """Convert an array, or a member of a structured one, to an Arrow array.

    Raises:
        UsageError: If it has several values per element, or Arrow has no such type.
    """
    member = member_of(values, name).reshape(-1)
    if len(member) != values.size:
        raise UsageError("holds several values an element, and --where needs one", field=name)
    dtype = member.dtype
    field = Field(name, kind_of_dtype(dtype), str(dtype), value_type(dtype))
    check_condition([field])
    return arrow_of(column_of(member, Positions.range(0, len(member)), field))


def put_back(values: NDArray[Any], noisy: Sequence[NoisyColumn], prefix: str = "") -> NDArray[Any]:
    """Put noisy fields back into an array, in its own dtype.

    Args:
        values: The original array.
        noisy: Its noisy fields.
        prefix: The prefix of the fields' names before the path of the member.
    """
    if values.dtype.names is None:
        return _padded(_replaced(noisy[0], values), values)
    out = np.empty_like(values)
    raw_bytes(out)[...] = raw_bytes(values)  # including padding, which copy() does not copy
    for column in noisy:
        member = member_of(out, column.column.field.name.removeprefix(prefix))
        member[...] = _padded(_replaced(column, member), member)
    return out


def _replaced(result: NoisyColumn, before: NDArray[Any]) -> NDArray[Any]:
    """Return the noisy elements in the dtype and shape of the old ones."""
    after = stored(result, before.dtype).reshape(before.shape)
    if result.column.field.packing is None:
        return after
    return np.where(result.changed.reshape(before.shape), after, before).astype(before.dtype)


def _padded(after: NDArray[Any], before: NDArray[Any]) -> NDArray[Any]:
    """Copy the unused bytes of long doubles from the old elements to the new ones."""
    dtype = before.dtype
    width = dtype.itemsize // (2 if dtype.kind == "c" else 1)
    if dtype.kind not in "fc" or width != _LONG_DOUBLE or width == _LONG_DOUBLE_USED:
        return after
    swapped = dtype != dtype.newbyteorder("=")
    used = slice(width - _LONG_DOUBLE_USED, None) if swapped else slice(_LONG_DOUBLE_USED)
    out = np.array(before, order="C")
    raw_bytes(out).reshape(-1, width)[:, used] = raw_bytes(after).reshape(-1, width)[:, used]
    return out


def raw_bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the bytes of a contiguous array."""
    return values.reshape(-1).view(np.uint8)

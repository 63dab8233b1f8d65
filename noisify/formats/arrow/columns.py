"""Convert Arrow arrays to columns of a chunk, and back."""

from __future__ import annotations

from decimal import Context
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from noisify.core.arrow_arrays import (
    array,
    bitmap,
    decoded,
    rows_of,
    to_bools,
    validity,
    with_nulls,
    without_views,
)
from noisify.core.chunk import Column, Field, Kind, Positions
from noisify.core.dtypes import DAY, SECOND, NumberType
from noisify.core.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noisify.formats.interface import NoisyColumn

EXACT = Context(prec=100)
"""A context that does not round decimals of up to 76 digits."""
_BEYOND = np.iinfo(np.int64).max
_SMALL_DECIMALS = {32, 64}
_DECIMAL128 = 128
"""The widths in bits of decimals that are read as machine integers."""


@lru_cache(maxsize=256)
def kind_of(kind: pa.DataType) -> Kind:
    """Return the kind of values in a column of an Arrow type."""
    tests: tuple[tuple[Any, Kind], ...] = (
        (pa.types.is_floating, "float"),
        (pa.types.is_integer, "int"),
        (pa.types.is_decimal, "decimal"),
        (pa.types.is_boolean, "bool"),
        (pa.types.is_temporal, "time"),
        (pa.types.is_string, "text"),
        (pa.types.is_large_string, "text"),
        (pa.types.is_string_view, "text"),
    )
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return next((found for test, found in tests if test(plain)), "other")


def number_type(kind: pa.DataType) -> NumberType | None:
    """Return the number type of an Arrow type, or None if it is not numeric."""
    if pa.types.is_decimal(kind):
        return NumberType.decimal(kind.precision, kind.scale) if kind.scale >= 0 else None
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return NumberType.of_dtype(np.dtype(kind.to_pandas_dtype()))
    return None


TICKS = {"s": SECOND, "ms": SECOND // 10**3, "us": SECOND // 10**6, "ns": 1}
"""The nanoseconds in Arrow's units of time, which are also NumPy's."""


@lru_cache(maxsize=256)
def value_type(kind: pa.DataType) -> NumberType | None:
    """Return the number type of an Arrow type, or None if no model can work on its values.

    Columns of one type get the same object, by which the noiser finds those to process together.
    """
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_temporal(plain):
        return _time_type(plain)
    match kind_of(plain):
        case "bool":
            return NumberType("bool", np.dtype(bool))
        case "text":
            return NumberType("text", np.dtype(object))
        case _:
            return number_type(plain)


def _time_type(kind: pa.DataType) -> NumberType | None:
    """Return the number type of dates, times and durations; None for unsupported ones."""
    if pa.types.is_date32(kind):
        return NumberType.time(DAY, bits=32)
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        return NumberType.time(TICKS[kind.unit])
    if pa.types.is_time(kind):
        tick = TICKS[kind.unit]
        return NumberType.time(tick, bits=kind.bit_width, span=DAY // tick)
    return None


def whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Combine a chunked array into one array; return an array as it is."""
    if isinstance(column, pa.Array):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def column_of(
    field: Field, values: pa.Array, positions: Positions, inside: NDArray[np.bool_] | None = None
) -> Column:
    """Convert an Arrow array to a column; its values are arbitrary where it is null.

    Args:
        field: The field.
        values: The values, shape (n,).
        positions: The positions of the values in the field.
        inside: Mask of the values whose parent is not null, shape (n,), or None for all.
    """
    if field.number is None:
        raise AssertionError(field)
    if pa.types.is_dictionary(values.type):
        values = decoded(values)
    valid = validity(values) if values.null_count else None
    if inside is not None:
        valid = inside if valid is None else valid & inside
    nulls = 0 if valid is None else len(valid) - int(np.count_nonzero(valid))
    match field.number.kind:
        case "decimal":
            numbers = _unscaled(values, field.number)
        case "text":
            numbers = _texts(values)
        case "bool":
            numbers = to_bools(values)
        case _:
            numbers = _numbers(values, field.number)
    outside = field.number.outside(numbers)
    unparseable, first = 0, ""
    if outside is not None:
        odd = outside if valid is None else outside & valid
        valid = ~outside if valid is None else valid & ~outside
        unparseable = int(np.count_nonzero(odd))
        first = _shown(values[int(np.argmax(odd))]) if unparseable else ""
    return Column(field, field.number, positions, numbers, valid, nulls, unparseable, first)


def _shown(value: pa.Scalar) -> str:
    """Return a value as text; that of a time beyond what Python can show as its number."""
    try:
        return str(value)
    except (OverflowError, ValueError):
        return str(value.value)


def _numbers(values: pa.Array, number: NumberType) -> NDArray[Any]:
    buffer = values.buffers()[1]
    if buffer is None:
        return np.zeros(len(values), number.dtype)
    return np.frombuffer(buffer, number.dtype, len(values) + values.offset)[values.offset :]


def _texts(values: pa.Array) -> NDArray[Any]:
    """Convert texts to Python strings, with nulls as empty ones."""
    out = np.full(len(values), "", object)
    out[:] = ["" if text is None else text for text in values.to_pylist()]
    return out


def _unscaled(values: pa.Array, number: NumberType) -> NDArray[Any]:
    """Convert decimals to unscaled integers; those that do not fit become the largest int64."""
    if values.type.bit_width in _SMALL_DECIMALS:
        small = np.frombuffer(values.buffers()[1], f"i{values.type.bit_width // 8}")
        return small[values.offset : values.offset + len(values)].astype(number.dtype)
    if number.dtype != object and values.type.bit_width == _DECIMAL128:
        words = np.frombuffer(values.buffers()[1], np.int64)
        words = words[2 * values.offset : 2 * (values.offset + len(values))]
        low, high = words[::2], words[1::2]
        return np.where(high == low >> 63, low, _BEYOND)
    scale = number.decimal_scale
    integers = [0 if v is None else int(v.scaleb(scale, EXACT)) for v in values.to_pylist()]
    out = np.empty(len(integers), number.dtype)
    fits = number.dtype == object
    out[:] = [n if fits or abs(n) < _BEYOND else _BEYOND for n in integers]
    return out


@lru_cache(maxsize=256)
def _stores_values(kind: pa.DataType) -> bool:
    """Return whether the buffer of an Arrow type holds values as NumPy does."""
    return kind_of(kind) in {"float", "int", "time"} and not pa.types.is_dictionary(kind)


def array_of(values: NDArray[Any], kind: pa.DataType, valid: NDArray[np.bool_] | None) -> pa.Array:
    """Convert values to an Arrow array of the given type.

    Raises:
        UsageError: If there are more distinct values than a dictionary's index type can number.
    """
    count, bits = len(values), None if valid is None else bitmap(valid)
    if not _stores_values(kind):
        if pa.types.is_dictionary(kind):
            return _indexed(array_of(values, kind.value_type, valid), kind)
        if kind_of(kind) == "text":
            return pa.array(values.tolist(), kind, mask=None if valid is None else ~valid)
        if pa.types.is_boolean(kind):
            values = np.packbits(values.astype(bool), bitorder="little")
        elif pa.types.is_decimal(kind):
            values = _decimals(values, kind.bit_width // 8)
    data = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(kind, count, [bits, data])


def _decimals(values: NDArray[Any], width: int) -> NDArray[Any]:
    """Encode unscaled integers as Arrow decimals of `width` bytes."""
    if values.dtype == object:
        words = b"".join(int(value).to_bytes(width, "little", signed=True) for value in values)
    elif width <= values.itemsize:
        words = values.astype(f"i{width}").tobytes()
    else:
        sign = values >> 63
        words = np.stack((values, *[sign] * (width // 8 - 1)), axis=1).tobytes()
    return np.frombuffer(words, f"V{width}")


def _indexed(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Dictionary-encode values."""
    encoded = values.cast(without_views(values.type)).dictionary_encode()
    try:
        indices = encoded.indices.cast(kind.index_type)
    except pa.ArrowInvalid:
        raise UsageError(
            f"has {len(encoded.dictionary):,} different values now, more than the "
            f"{kind.index_type} indices of its dictionary can number; make it a plain column first"
        ) from None
    found = encoded.dictionary.cast(kind.value_type)
    return pa.DictionaryArray.from_arrays(indices, found, ordered=kind.ordered)


def noisy_values(values: pa.Array, result: NoisyColumn, *, nullable: bool) -> pa.Array:
    """Put noisy values into a leaf.

    Args:
        values: The old values.
        result: The noisy column.
        nullable: Whether the values may be null.

    Raises:
        UsageError: If a value would become null and may not, or the type cannot hold the values.
    """
    name = result.column.field.name
    valid = validity(values) if values.null_count else None
    if result.erased is not None:
        if not nullable:
            raise UsageError("may not be null, so nothing in it can be missing", field=name)
        valid = ~result.erased if valid is None else valid & ~result.erased
    elif valid is not None:
        valid = valid | result.changed  # only restoring turns null into a value
    try:
        if result.column.number.kind == "decimal":
            return _noisy_decimals(values, result, valid)
        return array_of(result.values, values.type, valid)
    except UsageError as error:
        raise UsageError(error.message, field=name) from None


def _noisy_decimals(
    values: pa.Array, result: NoisyColumn, valid: NDArray[np.bool_] | None
) -> pa.Array:
    """Put noisy values into decimals; unchanged ones keep their bytes."""
    if pa.types.is_dictionary(values.type):
        return _indexed(_noisy_decimals(values.dictionary_decode(), result, valid), values.type)
    width = values.type.bit_width // 8
    data = np.frombuffer(values.buffers()[1], f"V{width}")
    data = data[values.offset : values.offset + len(values)].copy()
    data[result.changed] = _decimals(result.values[result.changed], width)
    bits = None if valid is None else bitmap(valid)
    return pa.Array.from_buffers(values.type, len(values), [bits, pa.py_buffer(data.tobytes())])


def changes(result: NoisyColumn) -> bool:
    """Return whether noise has changed or erased any value."""
    return bool(np.count_nonzero(result.changed)) or result.erased is not None


def comparable(values: pa.Array, inside: NDArray[np.bool_] | None = None) -> pa.Array:
    """Convert a leaf's values for comparison: decimals to float64, string views to strings.

    Args:
        values: The values, shape (n,).
        inside: Mask of the values whose parent is not null, shape (n,), or None for all.
    """
    if pa.types.is_dictionary(values.type):
        values = decoded(values)
    if pa.types.is_decimal(values.type):
        values = values.cast(pa.float64())
    if pa.types.is_string_view(values.type):
        values = values.cast(without_views(values.type))
    if inside is not None:
        values = rows_of(values, with_nulls(array(np.arange(len(values))), ~inside))
    return values

"""Arrow columns as columns of a chunk, and back."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from noisify.chunks import Column, Field, Kind, Positions
from noisify.errors import UsageError
from noisify.formats.arrow_arrays import to_bools, validity
from noisify.value_types import SECOND, NumberType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from noisify.formats.interface import NoisyColumn

_EXACT = Context(prec=100)
"""Decimals of up to 76 digits, none of them rounded away."""


def field_of(name: str, kind: pa.DataType, *, nullable: bool = True) -> Field:
    """Return the field of an Arrow column."""
    return Field(name, kind_of(kind), str(kind), value_type(kind), nullable=nullable)


def kind_of(kind: pa.DataType) -> Kind:
    """Return what a column of an Arrow type holds."""
    tests: tuple[tuple[Any, Kind], ...] = (
        (pa.types.is_floating, "float"),
        (pa.types.is_integer, "int"),
        (pa.types.is_decimal, "decimal"),
        (pa.types.is_boolean, "bool"),
        (pa.types.is_temporal, "time"),
        (pa.types.is_string, "text"),
        (pa.types.is_large_string, "text"),
        (lambda t: pa.types.is_dictionary(t) and kind_of(t.value_type) == "text", "text"),
    )
    return next((found for test, found in tests if test(kind)), "other")


def number_type(kind: pa.DataType) -> NumberType | None:
    """Return how numbers of an Arrow type are kept, or None if it holds none."""
    if pa.types.is_decimal(kind):
        return NumberType.decimal(kind.precision, kind.scale) if kind.scale >= 0 else None
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return NumberType.of_dtype(np.dtype(kind.to_pandas_dtype()))
    return None


_TICKS = {"s": SECOND, "ms": SECOND // 10**3, "us": SECOND // 10**6, "ns": 1}


def value_type(kind: pa.DataType) -> NumberType | None:
    """Return how values of an Arrow type are kept, or None if no model can work on them."""
    if pa.types.is_boolean(kind):
        return NumberType("bool", np.dtype(bool))
    if kind_of(kind) == "text":
        return NumberType("text", np.dtype(object))
    if pa.types.is_date32(kind):
        return NumberType.time(86400 * SECOND, bits=32)
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        return NumberType.time(_TICKS[kind.unit])
    if pa.types.is_time(kind):
        tick = _TICKS[kind.unit]
        return NumberType.time(tick, bits=kind.bit_width, span=86400 * SECOND // tick)
    return number_type(kind)


def whole(column: pa.ChunkedArray) -> pa.Array:
    """Return a chunked array as one array."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def column_of(field: Field, values: pa.Array, positions: Positions) -> Column:
    """Return an Arrow array as a column; what stands where it is null means nothing."""
    if field.number is None:
        raise AssertionError(field)
    valid = None
    if values.null_count:
        valid = validity(values)
    match field.number.kind:
        case "decimal":
            numbers = _unscaled(values, field.number)
        case "text":
            numbers = _texts(values)
        case "bool":
            numbers = to_bools(values)
        case _:
            numbers = _numbers(values, field.number)
    return Column(field, field.number, positions, numbers, valid, nulls=values.null_count)


def _numbers(values: pa.Array, number: NumberType) -> NDArray[Any]:
    buffer = values.buffers()[1]
    if buffer is None:
        return np.zeros(len(values), number.dtype)
    return np.frombuffer(buffer, number.dtype, len(values) + values.offset)[values.offset :]


def _texts(values: pa.Array) -> NDArray[Any]:
    """Return texts as Python strings; an empty one where there is none."""
    out = np.full(len(values), "", object)
    out[:] = ["" if text is None else text for text in values.to_pylist()]
    return out


def _unscaled(values: pa.Array, number: NumberType) -> NDArray[Any]:
    """Return decimals as unscaled integers."""
    if number.dtype != object and values.type.bit_width == 128:  # noqa: PLR2004
        words = np.frombuffer(values.buffers()[1], np.int64)
        return words[2 * values.offset : 2 * (values.offset + len(values)) : 2].copy()
    scale = number.decimal_scale
    integers = [0 if v is None else int(v.scaleb(scale, _EXACT)) for v in values.to_pylist()]
    out = np.empty(len(integers), number.dtype)
    out[:] = integers
    return out


def array_of(values: NDArray[Any], kind: pa.DataType, valid: NDArray[np.bool_] | None) -> pa.Array:
    """Return numbers as an Arrow array of the given type."""
    bits = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
    if pa.types.is_boolean(kind):
        data = pa.py_buffer(np.packbits(values.astype(bool), bitorder="little"))
        return pa.Array.from_buffers(kind, len(values), [bits, data])
    if kind_of(kind) == "text":
        plain = kind.value_type if pa.types.is_dictionary(kind) else kind
        texts = pa.array(values.tolist(), plain, mask=None if valid is None else ~valid)
        return texts.dictionary_encode().cast(kind) if plain != kind else texts
    if not pa.types.is_decimal(kind):
        data = pa.py_buffer(np.ascontiguousarray(values))
        return pa.Array.from_buffers(kind, len(values), [bits, data])
    if values.dtype != object and kind.bit_width == 128:  # noqa: PLR2004
        words = np.stack((values, values >> 63), axis=1)
        return pa.Array.from_buffers(kind, len(values), [bits, pa.py_buffer(words)])
    there = np.ones(len(values), bool) if valid is None else valid
    exact = [
        Decimal(int(value)).scaleb(-kind.scale, _EXACT) if ok else None
        for value, ok in zip(values, there, strict=True)
    ]
    return pa.array(exact, kind)


def with_noise(table: pa.Table, noisy: Sequence[NoisyColumn]) -> pa.Table:
    """Return a table with its noisy columns in the place of the old ones."""
    for result in noisy:
        column = result.column
        place = table.schema.get_field_index(column.field.name)
        field = table.schema.field(place)
        valid = column.valid
        if result.erased is not None:
            if not field.nullable:
                raise UsageError(
                    "may not be null, so nothing in it can be missing", field=field.name
                )
            valid = ~result.erased if valid is None else valid & ~result.erased
        table = table.set_column(place, field, array_of(result.values, field.type, valid))
    return table


def condition_values(table: pa.Table, names: Iterable[str]) -> dict[str, pa.Array]:
    """Return columns of a table for a condition: as they are, decimals as float64."""
    values = {}
    for name in names:
        column = whole(table.column(name))
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        values[name] = column.cast(pa.float64()) if pa.types.is_decimal(column.type) else column
    return values

"""Convert arrays between NumPy and Arrow through their buffers; `pa.array` would import pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.lazy_libraries import pa, pc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def array(values: NDArray[Any]) -> pa.Array:
    """Return a NumPy array of numbers as an Arrow array, without importing pandas."""
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(
        kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))]
    )


def rows_of(
    values: pa.Array | pa.ChunkedArray, places: NDArray[np.int64] | pa.Array
) -> pa.Array | pa.ChunkedArray:
    """Return the elements at `places`, null where a place is null.

    Arrow's own `take` supports neither views nor run-end encoded values.
    """
    if isinstance(places, np.ndarray):
        places = array(places)
    kind = values.type
    if pa.types.is_run_end_encoded(kind):
        taken = rows_of(pc.run_end_decode(values), places)
        return pc.run_end_encode(taken, run_end_type=kind.run_end_type)
    plain = without_views(kind)
    if plain == kind:
        return values.take(places)
    return values.cast(plain).take(places).cast(kind)


def bytes_of(table: pa.Table | pa.RecordBatch) -> int:
    """Estimate the bytes that a table or a record batch takes in memory.

    Arrow's own `nbytes` crashes on a union without elements.
    """
    unions = any(has_union(field.type) for field in table.schema)
    return int(table.get_total_buffer_size() if unions else table.nbytes)


def has_union(kind: pa.DataType) -> bool:
    """Return whether an Arrow type is or contains a union."""
    if isinstance(kind, pa.BaseExtensionType):
        return has_union(kind.storage_type)
    if pa.types.is_union(kind):
        return True
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return has_union(kind.value_type)
    return any(has_union(kind.field(number).type) for number in range(kind.num_fields))


def is_opaque(kind: pa.DataType) -> bool:
    """Return whether pyarrow has no array class for a type, as for its two old intervals."""
    return str(kind) in {"month_interval", "day_time_interval"}


def is_list(kind: pa.DataType) -> bool:
    """Return whether an Arrow type is a list, large or of fixed size too, but not a list view."""
    tests = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(test(kind) for test in tests)


def list_like(kind: pa.DataType, inner: pa.Field) -> pa.DataType:
    """Return a list type like another, with other elements."""
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(inner, kind.list_size)
    return pa.large_list(inner) if pa.types.is_large_list(kind) else pa.list_(inner)


def without_views(kind: pa.DataType) -> pa.DataType:
    """Return a type with string and binary views replaced by plain strings and binaries."""
    if pa.types.is_struct(kind):
        return pa.struct([_field_without_views(inner) for inner in kind])
    if pa.types.is_map(kind):
        parts = _field_without_views(kind.key_field), _field_without_views(kind.item_field)
        return pa.map_(*parts, keys_sorted=kind.keys_sorted)
    if is_list(kind):
        return list_like(kind, _field_without_views(kind.value_field))
    views = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    return views.get(kind, kind)


def decoded(values: pa.Array) -> pa.Array:
    """Decode a dictionary array; string views are cast, since Arrow's `take` refuses them."""
    plain = without_views(values.type.value_type)
    if plain == values.type.value_type:
        return values.dictionary_decode()
    return values.dictionary.cast(plain).take(values.indices).cast(values.type.value_type)


def _field_without_views(inner: pa.Field) -> pa.Field:
    return inner.with_type(without_views(inner.type))


def bitmap(values: NDArray[np.bool_]) -> pa.Buffer:
    """Pack booleans into bits, as Arrow stores them."""
    return pa.py_buffer(np.packbits(values, bitorder="little"))


def bools(values: NDArray[np.bool_]) -> pa.Array:
    """Return a NumPy array of booleans as an Arrow array."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, bitmap(values)])


def to_numpy(values: pa.Array) -> NDArray[Any]:
    """Return an Arrow array of numbers as NumPy; nulls come out as arbitrary values."""
    dtype = values.type.to_pandas_dtype()
    return np.frombuffer(values.buffers()[1], dtype, len(values) + values.offset)[values.offset :]


def to_bools(values: pa.Array) -> NDArray[np.bool_]:
    """Return an Arrow array of booleans as NumPy; null counts as False."""
    bits = _bits(values.buffers()[1], values.offset, len(values))
    return bits & validity(values) if values.null_count else bits


def validity(values: pa.Array) -> NDArray[np.bool_]:
    """Return the mask of elements that are not null."""
    if not values.null_count or values.buffers()[0] is None:
        return np.full(len(values), not values.null_count)
    return _bits(values.buffers()[0], values.offset, len(values))


def _bits(buffer: pa.Buffer, offset: int, count: int) -> NDArray[np.bool_]:
    packed = np.frombuffer(buffer, np.uint8)
    return np.unpackbits(packed, count=offset + count, bitorder="little")[offset:].view(np.bool_)


def with_nulls(texts: pa.Array, null: NDArray[np.bool_]) -> pa.Array:
    """Return texts with the elements of `null` made null; it must include the existing nulls."""
    if texts.offset:
        texts = texts.take(array(np.arange(len(texts), dtype=np.int64)))
    return pa.Array.from_buffers(texts.type, len(texts), [bitmap(~null), *texts.buffers()[1:]])


def without_nulls(texts: pa.Array) -> pa.Array:
    """Return texts with the null mask removed, which exposes the bytes stored under the nulls."""
    if not texts.null_count:
        return texts
    buffers = [None, *texts.buffers()[1:]]
    return pa.Array.from_buffers(texts.type, len(texts), buffers, offset=texts.offset)


def strings(texts: Sequence[str]) -> pa.Array:
    """Return Python strings as an Arrow array; `pa.array` would import pandas, which is slow."""
    return byte_strings([text.encode("utf-8", "surrogateescape") for text in texts])


def byte_strings(texts: Sequence[bytes]) -> pa.Array:
    """Pack the bytes of texts, in any encoding, into an Arrow string array."""
    offsets = np.zeros(len(texts) + 1, np.int32)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    data = pa.py_buffer(b"".join(texts))
    return pa.Array.from_buffers(pa.utf8(), len(texts), [None, pa.py_buffer(offsets), data])

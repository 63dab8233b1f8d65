"""Arrays between NumPy and Arrow, by their buffers: Arrow's own way there imports pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def array(values: NDArray[Any]) -> pa.Array:
    """Return a NumPy array of numbers as an Arrow array, without importing pandas."""
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(
        kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))]
    )


def rows_of(values: pa.Array | pa.ChunkedArray, places: NDArray[np.int64]) -> Any:  # noqa: ANN401
    """Return the elements at some places; Arrow itself takes none from views."""
    kind = values.type
    if pa.types.is_string_view(kind):
        return values.cast(pa.large_string()).take(array(places)).cast(kind)
    if pa.types.is_binary_view(kind):
        return values.cast(pa.large_binary()).take(array(places)).cast(kind)
    return values.take(array(places))


def bools(values: NDArray[np.bool_]) -> pa.Array:
    """Return a NumPy array of booleans as an Arrow array."""
    bits = np.packbits(values, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])


def to_numpy(values: pa.Array) -> NDArray[Any]:
    """Return an Arrow array of numbers as NumPy, whatever stands in the null places."""
    dtype = values.type.to_pandas_dtype()
    return np.frombuffer(values.buffers()[1], dtype, len(values) + values.offset)[values.offset :]


def to_bools(values: pa.Array) -> NDArray[np.bool_]:
    """Return an Arrow array of booleans as NumPy; null counts as False."""
    bits = _bits(values.buffers()[1], values.offset, len(values))
    return bits & validity(values) if values.null_count else bits


def validity(values: pa.Array) -> NDArray[np.bool_]:
    """Return which elements of an Arrow array are not null."""
    if not values.null_count or values.buffers()[0] is None:
        return np.full(len(values), not values.null_count)
    return _bits(values.buffers()[0], values.offset, len(values))


def _bits(buffer: pa.Buffer, offset: int, count: int) -> NDArray[np.bool_]:
    packed = np.frombuffer(buffer, np.uint8)
    return np.unpackbits(packed, count=offset + count, bitorder="little")[offset:].view(np.bool_)


def with_nulls(texts: pa.Array, null: NDArray[np.bool_]) -> pa.Array:
    """Return texts with some of them null; those that were null already have to be among them."""
    if texts.offset:
        texts = texts.take(array(np.arange(len(texts), dtype=np.int64)))
    bits = np.packbits(~null, bitorder="little")
    return pa.Array.from_buffers(texts.type, len(texts), [pa.py_buffer(bits), *texts.buffers()[1:]])


def without_nulls(texts: pa.Array) -> pa.Array:
    """Return texts with none of them null: those that were keep what stands in their place."""
    if not texts.null_count:
        return texts
    buffers = [None, *texts.buffers()[1:]]
    return pa.Array.from_buffers(texts.type, len(texts), buffers, offset=texts.offset)


def strings(texts: Sequence[str]) -> pa.Array:
    """Return Python strings as an Arrow array; `pa.array` would import pandas, which is slow."""
    encoded = [text.encode("utf-8", "surrogateescape") for text in texts]
    offsets = np.zeros(len(encoded) + 1, np.int32)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    data = pa.py_buffer(b"".join(encoded))
    return pa.Array.from_buffers(pa.utf8(), len(encoded), [None, pa.py_buffer(offsets), data])

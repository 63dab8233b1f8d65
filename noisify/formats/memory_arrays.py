"""NumPy arrays in memory, including masked arrays, as sources and sinks."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from noisify.core.chunk import Chunk, Positions
from noisify.core.lazy_libraries import pa, pc
from noisify.core.overriding import override
from noisify.formats.array_source import ArraySource, field_array
from noisify.formats.memory import RangesInMemory
from noisify.formats.numpy_fields import ARRAY_NAME, column_of, fields_of, member_of, put_back

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from noisify.core.chunk import Field
    from noisify.formats.interface import FieldArray, NoisyColumn


class ArrayInMemory(ArraySource[range], RangesInMemory[None]):
    """A NumPy array and its noisy copy.

    Args:
        array: An array of any shape, order and dtype that an NPY file may have.
    """

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        self._flat = np.ascontiguousarray(array).reshape(-1)
        self._noisy = self._flat.copy()
        self.row_width = prod(array.shape[1:])
        fields = fields_of(array.dtype, ARRAY_NAME)
        self._describe(fields, len(self._flat), array.dtype.itemsize)

    def decode(self, raw: range, wanted: Sequence[Field]) -> Chunk:
        """Decode some elements."""
        positions = Positions.range(raw.start, raw.stop)
        values = self.elements(raw)
        return Chunk(tuple(column_of(values, positions, field) for field in wanted))

    @override
    def elements(self, raw: range) -> NDArray[Any]:
        """Return some elements."""
        return self._flat[raw.start : raw.stop]

    @override
    def array_of(self, field: Field) -> FieldArray:
        """Return the array of a field, with its member."""
        return field_array(ARRAY_NAME, self._array.shape, self._array.dtype, field.name)

    @override
    def encode(self, raw: range, chunk: Chunk, noisy: Sequence[NoisyColumn]) -> None:
        """Store noisy elements in the copy; chunks do not share elements."""
        if noisy:
            self._noisy[raw.start : raw.stop] = put_back(self.elements(raw), noisy)

    def write(self, encoded: None) -> None:
        """Do nothing: `encode` has stored the elements."""

    def result(self) -> NDArray[Any]:
        """Return the noisy array, with the class, shape and order of the original."""
        shaped = self._noisy.reshape(self._array.shape)
        ordered = np.asarray(shaped, order=_order(self._array))
        if type(self._array) is np.ndarray:
            return ordered
        wrapped: NDArray[Any] = self._array.__array_wrap__(ordered)
        return wrapped


def _order(array: NDArray[Any]) -> Literal["C", "F"]:
    """Return the memory order for a copy of an array."""
    return "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"


class MaskedArrayInMemory(ArrayInMemory):
    """A masked NumPy array: masked elements count as null and stay as they are.

    Elements that noise makes missing are masked and get the array's fill value.

    Args:
        array: Any masked array, structured ones included.
    """

    def __init__(self, array: np.ma.MaskedArray[Any, Any]) -> None:
        super().__init__(np.asarray(array))
        self._masked = array
        self._mask = np.ascontiguousarray(np.ma.getmaskarray(array)).reshape(-1)
        self._noisy_mask = self._mask.copy()
        self._fill = np.asarray(array.fill_value, array.dtype).reshape(1)
        self.fields = tuple(replace(field, nullable=True) for field in self.fields)

    def decode(self, raw: range, wanted: Sequence[Field]) -> Chunk:
        """Decode some elements; masked ones are null."""
        mask = self._mask[raw.start : raw.stop]
        columns = []
        for column in super().decode(raw, wanted).columns:
            there = ~member_of(mask, column.field.name).reshape(-1)
            valid = there if column.valid is None else there & column.valid
            nulls = len(valid) - int(np.count_nonzero(valid))
            columns.append(replace(column, valid=valid if nulls else None, nulls=nulls))
        return Chunk(tuple(columns))

    def condition_values(self, raw: range, chunk: Chunk, names: Iterable[str]) -> dict[str, Any]:
        """Return the array's members as Arrow arrays, null where masked."""
        mask = self._mask[raw.start : raw.stop]
        return {
            name: pc.if_else(pa.array(member_of(mask, name)), None, values)
            for name, values in super().condition_values(raw, chunk, names).items()
        }

    def encode(self, raw: range, chunk: Chunk, noisy: Sequence[NoisyColumn]) -> None:
        """Store noisy elements in the copy, and mask those that became missing."""
        kept = []
        for result in noisy:
            if result.erased is not None:
                name = result.column.field.name
                mask = member_of(self._noisy_mask[raw.start : raw.stop], name)
                mask |= result.erased.reshape(mask.shape)
                values = result.values.copy()
                fill = column_of(self._fill, Positions.range(0, 1), result.column.field).values
                values[result.erased] = fill[0]
                result = replace(result, values=values, erased=None)  # noqa: PLW2901
            kept.append(result)
        super().encode(raw, chunk, kept)

    def result(self) -> NDArray[Any]:
        """Return the noisy masked array, with the class, shape and order of the original."""
        noisy = self._masked.copy(_order(self._masked))
        noisy.data[...] = self._noisy.reshape(noisy.shape)
        if not np.array_equal(self._noisy_mask, self._mask):
            noisy.mask = self._noisy_mask.reshape(noisy.shape)
        return noisy

"""The base class of sources of arrays, with lengths and shapes taken from each field's array."""

from __future__ import annotations

from abc import abstractmethod
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.overriding import override
from noisify.formats.interface import FieldArray, Raw, Source
from noisify.formats.numpy_fields import arrow_array, member_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa
    from numpy.typing import NDArray

    from noisify.core.chunk import Chunk, Field


class ArraySource(Source[Raw]):
    """An open file of arrays."""

    @abstractmethod
    @override
    def array_of(self, field: Field) -> FieldArray:
        """Return the array of a field."""

    @override
    def length(self, field: Field) -> int | None:
        """Return the number of elements of a field."""
        array = self.array_of(field)
        return prod(array.shape) * prod(array.inner)

    @override
    def array_shape(self, field: Field) -> tuple[int, ...] | None:
        """Return the array's shape; None if the field is a member of a structured array."""
        return None if field.member else self.array_of(field).shape

    @override
    def series_shape(self, field: Field) -> tuple[int, ...] | None:
        """Return the array's shape, followed by the size of a member that is an array itself."""
        array = self.array_of(field)
        width = prod(array.inner)
        return (*array.shape, width) if width > 1 else array.shape

    def elements(self, raw: Raw) -> NDArray[Any]:
        """Return the elements of a piece; only for files of one array."""
        raise AssertionError(raw)

    @override
    def condition_values(self, raw: Raw, chunk: Chunk, names: Iterable[str]) -> dict[str, pa.Array]:
        """Return the only array, or members of a structured one, as Arrow arrays."""
        return {name: arrow_array(self.elements(raw), name) for name in names}


def field_array(
    name: str, shape: tuple[int, ...], dtype: np.dtype[Any], path: str, *, fortran: bool = False
) -> FieldArray:
    """Return the array of a field.

    Args:
        name: The array's name.
        shape: The array's shape.
        dtype: The array's dtype.
        path: The path of the field's member, if the array is structured.
        fortran: Whether the array is in Fortran order.
    """
    member = member_of(np.empty(0, dtype), path)
    where = None if dtype.names is None else path
    return FieldArray(name, shape, member.dtype, where, member.shape[1:], fortran)

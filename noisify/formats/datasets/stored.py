"""The place of a field in a file of datasets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from noisify.core.value_class import frozen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@frozen
class BitField:
    """The bits of an integer's bytes that hold its value, if not all do.

    Attributes:
        offset: The number of the lowest bit.
        precision: The number of bits.
    """

    offset: int
    precision: int

    def extract(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Extract integers from stored ones, which are in native byte order."""
        width = 8 * stored.dtype.itemsize
        above = stored.dtype.type(width - self.offset - self.precision)
        extracted: NDArray[Any] = (stored << above) >> stored.dtype.type(width - self.precision)
        return extracted

    def insert(self, stored: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
        """Return stored integers with other values in them; the bits around these stay."""
        bits = stored.view(f"u{stored.dtype.itemsize}")
        new = values.astype(stored.dtype, copy=False).view(bits.dtype)
        mask = bits.dtype.type(((1 << self.precision) - 1) << self.offset)
        inserted: NDArray[Any] = (bits & ~mask) | ((new << bits.dtype.type(self.offset)) & mask)
        return inserted.view(stored.dtype)


@frozen
class Stored:
    """The location and type of a field in the file.

    Attributes:
        path: The path of its dataset.
        member: The dotted path of its member in a compound type, or None for the whole dataset.
        shape: The shape of the dataset, followed by that of the member.
        dtype: Its dtype in the file.
        bits: The bits of its bytes that hold the value, or None for all.
    """

    path: str
    member: str | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    bits: BitField | None = None

    @property
    def count(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

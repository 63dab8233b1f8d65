"""Exact moments of integers: whole numbers, decimals and times.

Integer sums are not rounded, so they do not depend on the order of the values.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LIMB_BITS = 20
_LIMB = np.uint64((1 << _LIMB_BITS) - 1)
_ONE_LIMB = 1 << _LIMB_BITS
_BATCH_ELEMENTS = 1 << 13
"""The sum of this many products of two limbs is below 2**53, so float64 holds it exactly."""
_WORD = 1 << 64
_ROOT_BITS = 128
"""Bits of a square root before rounding to float64."""


@frozen(slots=True)
class WholeMoments:
    """Count, sum, sum of squares and extremes of integers.

    Attributes:
        count: Number of values.
        total: Their sum.
        squares: The sum of their squares.
        low: The smallest, or None without values.
        high: The largest, likewise.
    """

    count: int = 0
    total: int = 0
    squares: int = 0
    low: int | None = None
    high: int | None = None

    @classmethod
    def of(cls, values: NDArray[Any]) -> WholeMoments:
        """Return the moments of integers, shape (n,), of any integer dtype or Python integers."""
        count = len(values)
        if not count:
            return cls()
        low, high = int(values.min()), int(values.max())
        if values.dtype == object:
            numbers = [int(value) for value in values.tolist()]
            return cls(count, sum(numbers), sum(n * n for n in numbers), low, high)
        total = squares = 0
        if low > -_ONE_LIMB and high < _ONE_LIMB:
            for start in range(0, count, _BATCH_ELEMENTS):
                batch = values[start : start + _BATCH_ELEMENTS].astype(np.float64)
                total, squares = total + int(batch.sum()), squares + int(batch @ batch)
            return cls(count, total, squares, low, high)
        for start in range(0, count, _BATCH_ELEMENTS):
            above = values[start : start + _BATCH_ELEMENTS].astype(np.uint64)
            above -= np.uint64(low % _WORD)  # both modulo 2**64
            more, more_squares = _sums(above, (high - low).bit_length())
            total, squares = total + more, squares + more_squares
        squares += low * (2 * total + count * low)
        return cls(count, total + count * low, squares, low, high)

    def __add__(self, other: WholeMoments) -> WholeMoments:
        """Return the moments of both sets of integers together."""
        if self.low is None or self.high is None or other.low is None or other.high is None:
            return self if self.count else other
        return WholeMoments(
            self.count + other.count,
            self.total + other.total,
            self.squares + other.squares,
            min(self.low, other.low),
            max(self.high, other.high),
        )

    def mean(self, unit: Fraction) -> float:
        """Return the mean in a unit, correctly rounded; 0 without values."""
        return float(Fraction(self.total, self.count) * unit) if self.count else 0.0

    def sd(self, unit: Fraction) -> float:
        """Return the standard deviation in a unit, dividing by the count; NaN without values."""
        if not self.count:
            return math.nan
        deviations = self.count * self.squares - self.total * self.total
        return root(Fraction(deviations, self.count * self.count) * unit * unit)

    def power(self, unit: Fraction) -> float:
        """Return the mean square in a unit, correctly rounded; NaN without values."""
        if not self.count:
            return math.nan
        return float(Fraction(self.squares, self.count) * unit * unit)


def _sums(values: NDArray[np.uint64], bits: int) -> tuple[int, int]:
    """Return the sum of integers of up to `bits` bits, and the sum of their squares."""
    limbs = [
        ((values >> np.uint64(shift)) & _LIMB).astype(np.float64)
        for shift in range(0, max(1, bits), _LIMB_BITS)
    ]
    total = squares = 0
    for i, limb in enumerate(limbs):
        total += int(limb.sum()) << i * _LIMB_BITS
        squares += int(limb @ limb) << 2 * i * _LIMB_BITS
        for j in range(i):
            squares += int(limb @ limbs[j]) << (i + j) * _LIMB_BITS + 1
    return total, squares


def root(square: Fraction) -> float:
    """Return the square root of a rational number, rounded once."""
    if not square:
        return 0.0
    size = square.numerator.bit_length() - square.denominator.bit_length()
    shift = _ROOT_BITS - size // 2
    return float(
        Fraction(math.isqrt(math.floor(square * Fraction(4) ** shift))) / Fraction(2) ** shift
    )

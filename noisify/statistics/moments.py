"""Moments of values: count, mean, squared deviations and products of deviations.

Floating-point sums depend on their order, so it is fixed (`kernels.sums`); every operation is
rounded once, as IEEE 754 says, and the bits are the same on any machine. Values whose squares
overflow or underflow are scaled by a power of two first.
"""

from __future__ import annotations

import math
import sys
from itertools import repeat
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from noisify.core.value_class import frozen
from noisify.kernels.sums import means_and_deviations, ordered_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAFE_EXPONENT = 400
"""The squares of values from 2**-400 to 2**400 can be summed in float64; others are scaled."""
EXPONENT_OF_ZERO = -20_000
"""The exponent of all-zero values: below that of any other value, even a longdouble."""
_LEAST, _MOST = 2.0**-900, 2.0**900
_POWER_STEP = 1000
"""The powers of two by at most this exponent are normal float64 numbers, and so are 1 / them."""
_NARROW = 2.0**-52
"""The mean's rounding affects a variance below this share of the squared mean."""


@frozen(slots=True)
class Moments:
    """Count, mean and sum of squared deviations of values.

    Merged by Chan, Golub and LeVeque (1979), "Updating formulae and a pairwise algorithm for
    computing sample variances". For complex values, deviations are squared moduli.

    Attributes:
        count: Number of values.
        centre: Their mean, rounded, in units of 2**exponent.
        deviations: The sum of their squared deviations, in units of 4**exponent.
        low: The exact mean minus `centre`; 0 unless it affects the deviations.
        exponent: 0 unless the values' squares overflow or underflow.
    """

    count: int = 0
    centre: complex = 0.0
    deviations: float = 0.0
    low: complex = 0.0
    exponent: int = EXPONENT_OF_ZERO

    @classmethod
    def of(cls, values: NDArray[Any]) -> Moments:
        """Return the moments of values, shape (n,), float64 or complex128."""
        return cls.of_rows(values[None, :])[0] if len(values) else cls()

    @classmethod
    def of_rows(cls, rows: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> list[Moments]:
        """Return the moments of each row; each is the same as if it were the only one.

        Args:
            rows: Shape (k, n) with n > 0, float64 or complex128.
            valid: Shape (k, n), mask of the values that count; the sums have zeros in the place
                of the others. None: all.
        """
        with np.errstate(all="ignore"):
            found = cls._at_exponent(rows, valid, 0)
            masks = repeat(None) if valid is None else valid
            return [
                moments if moments.is_safe() else cls._careful(row, mask, moments)
                for moments, row, mask in zip(found, rows, masks, strict=False)
            ]

    def is_safe(self) -> bool:
        """Return whether no square overflows or underflows, and the mean is exact enough."""
        return (
            _LEAST <= self.deviations <= _MOST
            and _square(self.centre) <= _MOST
            and not _is_narrow(self.count, self.centre, self.deviations)
        )

    @classmethod
    def _careful(
        cls, row: NDArray[Any], valid: NDArray[np.bool_] | None, found: Moments
    ) -> Moments:
        """Return the moments of values that are equal, narrow, huge, tiny or missing.

        Args:
            row: Shape (n,).
            valid: Shape (n,), mask of the values that count, or None for all.
            found: Their moments by plain arithmetic.
        """
        values = row if valid is None else row[valid]
        if not len(values):
            return cls()
        if (values == values[0]).all():
            exponent = _exponent(values[:1])
            centre = _plain(times_power_of_two(values[:1], -exponent)[0])
            return cls(len(values), centre, 0.0, 0.0, exponent)
        if not (_LEAST <= found.deviations <= _MOST and _square(found.centre) <= _MOST):
            exponent = _exponent(values)
            row = times_power_of_two(row if valid is None else np.where(valid, row, 0.0), -exponent)
            (found,) = cls._at_exponent(
                row[None, :], None if valid is None else valid[None, :], exponent
            )
        return found.refined(row, valid)

    @classmethod
    def _at_exponent(
        cls, rows: NDArray[Any], valid: NDArray[np.bool_] | None, exponent: int
    ) -> list[Moments]:
        """Return the moments of each row in units of 2**exponent, with rounded means."""
        counts = np.full(len(rows), rows.shape[1])
        if valid is not None:
            counts = np.count_nonzero(valid, axis=1)
        means, deviations = means_and_deviations(rows.real, counts, valid)
        centres: list[Any] = means.tolist()
        if rows.dtype.kind == "c":
            imaginary, more = means_and_deviations(rows.imag, counts, valid)
            centres = list(map(complex, centres, imaginary.tolist()))
            deviations = deviations + more
        return [
            cls(count, centre, total, 0.0, exponent)
            for count, centre, total in zip(
                counts.tolist(), centres, deviations.tolist(), strict=True
            )
        ]

    def refined(self, row: NDArray[Any], valid: NDArray[np.bool_] | None) -> Moments:
        """Return the moments corrected for the rounding of the mean, if that matters.

        Args:
            row: Shape (n,), in the units of these moments.
            valid: Shape (n,), mask of the values that count, or None for all.
        """
        if not _is_narrow(self.count, self.centre, self.deviations):
            return self
        low: complex = self._low(row.real, self.centre.real, valid)
        if row.dtype.kind == "c":
            low = complex(low, self._low(row.imag, self.centre.imag, valid))
        deviations = max(0.0, self.deviations - self.count * _square(low))
        return Moments(self.count, self.centre, deviations, low, self.exponent)

    def _low(self, row: NDArray[Any], centre: float, valid: NDArray[np.bool_] | None) -> float:
        """Return the mean deviation from a rounded mean."""
        centred = row - centre
        if valid is not None:
            centred[~valid] = 0.0
        return float(ordered_sum(centred) / self.count)

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of both sets of values together."""
        if not self.count or not other.count:
            return self if self.count else other
        exponent = max(self.exponent, other.exponent)
        one, two = self._in_units(exponent), other._in_units(exponent)
        count = self.count + other.count
        step = two.centre - one.centre
        if one.low or two.low:
            step += two.low - one.low
        share = other.count / count
        move = _times(step, share)
        centre = one.centre + move
        deviations = one.deviations + two.deviations + _square(step) * self.count * share
        narrow = _is_narrow(count, centre, deviations)
        low = one.low + (move - (centre - one.centre)) if narrow else 0.0
        return Moments(count, centre, deviations, low, exponent)

    def _in_units(self, exponent: int) -> Moments:
        """Return the same moments in units of a larger power of two."""
        shift = self.exponent - exponent
        if not shift:
            return self
        centre = times_power_of_two(self.centre, shift)
        low = times_power_of_two(self.low, shift)
        deviations = times_power_of_two(self.deviations, 2 * shift)
        return Moments(self.count, centre, deviations, low, exponent)

    @property
    def mean(self) -> complex:
        """The mean; 0 without values."""
        return times_power_of_two(self.centre, self.exponent)

    @property
    def variance(self) -> float:
        """The variance, dividing by the count; NaN without values; infinite beyond float64."""
        return times_power_of_two(self._variance, 2 * self.exponent)

    @property
    def _variance(self) -> float:
        return self.deviations / self.count if self.count else math.nan

    @property
    def sd(self) -> float:
        """The standard deviation, dividing by the count; NaN without values."""
        sd = times_power_of_two(math.sqrt(self._variance), self.exponent)
        rounded_up = sd == math.inf and self.exponent <= sys.float_info.max_exp
        return sys.float_info.max if rounded_up else sd

    @property
    def scaled_power(self) -> float:
        """The mean square (mean not removed) in units of 4**exponent; NaN without values."""
        return _square(self.centre) + self._variance

    @property
    def power(self) -> float:
        """The mean square (mean not removed); NaN without values; infinite beyond float64."""
        return times_power_of_two(self.scaled_power, 2 * self.exponent)


def _plain(value: np.number[Any]) -> complex:
    """Return a NumPy scalar as a Python float, which JSON supports, or complex."""
    return complex(value) if np.iscomplexobj(value) else float(value)


def _is_narrow(count: int, mean: complex, deviations: float) -> bool:
    return deviations < count * _square(mean) * _NARROW


def _exponent(values: NDArray[Any]) -> int:
    """Return the exponent to scale values by: 0 if their squares can be summed."""
    largest = np.abs(values.real).max()
    if values.dtype.kind == "c":
        largest = max(largest, np.abs(values.imag).max())
    if not largest:
        return EXPONENT_OF_ZERO
    exponent = int(np.frexp(largest)[1])
    return 0 if abs(exponent) <= SAFE_EXPONENT else exponent


def _times(value: complex, factor: float) -> complex:
    """Return value * factor, part by part."""
    if isinstance(value, complex):
        return complex(value.real * factor, value.imag * factor)
    return value * factor


Scaled = TypeVar("Scaled", float, complex, "NDArray[Any]")


def times_power_of_two(value: Scaled, exponent: int) -> Scaled:
    """Return value * 2**exponent, infinite where that overflows.

    The C library's `ldexp` may round tiny results differently from one system to another;
    multiplication does not.
    """
    while exponent:
        step = max(-_POWER_STEP, min(_POWER_STEP, exponent))
        power = float(1 << abs(step))
        value = value * (power if step > 0 else 1 / power)
        exponent -= step
    return value


@frozen(slots=True)
class JointMoments:
    """Count, means and comoments of several fields, merged like `Moments`.

    Attributes:
        count: Rows in which every field has a value.
        mean: Shape (k,), in units of 2**exponents.
        comoments: Shape (k, k), sums of products of deviations, in the same units.
        exponents: Shape (k,); 0 unless a field's squares overflow or underflow.
    """

    count: int
    mean: NDArray[np.float64]
    comoments: NDArray[np.float64]
    exponents: NDArray[np.int64]

    @classmethod
    def of(
        cls, values: NDArray[np.float64], valid: NDArray[np.bool_] | None = None
    ) -> JointMoments:
        """Return the moments of rows.

        Args:
            values: Shape (n, k).
            valid: Shape (n,), mask of the rows that count; the sums have zeros in the place of the
                others. None: all.
        """
        if valid is None:
            valid = np.ones(len(values), bool)
        count, width = int(np.count_nonzero(valid)), values.shape[1]
        if not count:
            lowest = np.full(width, EXPONENT_OF_ZERO)
            return cls(0, np.zeros(width), np.zeros((width, width)), lowest)
        columns = np.where(valid, values.T, 0.0)
        exponents = [_exponent(column) for column in columns]
        for column, exponent in zip(columns, exponents, strict=True):
            if exponent not in {0, EXPONENT_OF_ZERO}:
                column[:] = times_power_of_two(column, -exponent)
        first = columns[:, valid.argmax()]
        constant = ((columns == first[:, None]) | ~valid).all(axis=1)
        mean = np.where(constant, first, ordered_sum(columns) / count)
        centred = columns - mean[:, None]
        centred[:, ~valid] = 0.0
        products = np.empty((width, width))
        for at, one in enumerate(centred):
            products[at, at:] = products[at:, at] = ordered_sum(one * centred[at:])
        return cls(count, mean, products, np.array(exponents, np.int64))

    def __add__(self, other: JointMoments) -> JointMoments:
        """Return the moments of both sets of rows together."""
        if not self.count or not other.count:
            return self if self.count else other
        exponents = np.maximum(self.exponents, other.exponents)
        one, two = self._in_units(exponents), other._in_units(exponents)
        count = self.count + other.count
        step = two.mean - one.mean
        share = other.count / count
        return JointMoments(
            count,
            one.mean + step * share,
            one.comoments + two.comoments + np.outer(step, step) * (self.count * share),
            exponents,
        )

    def _in_units(self, exponents: NDArray[np.int64]) -> JointMoments:
        """Return the same moments in units of larger powers of two."""
        shift = self.exponents - exponents
        if not shift.any():
            return self
        mean = _each_scaled(self.mean, shift)
        comoments = _each_scaled(self.comoments, np.add.outer(shift, shift))
        return JointMoments(self.count, mean, comoments, exponents)

    @property
    def covariance(self) -> NDArray[np.float64]:
        """The covariance matrix, dividing by the count, shape (k, k); infinite beyond float64."""
        scale = np.add.outer(self.exponents, self.exponents)
        return _each_scaled(self.comoments / max(1, self.count), scale)


def _each_scaled(values: NDArray[np.float64], exponents: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return values * 2**exponents."""
    flat = zip(values.reshape(-1).tolist(), exponents.reshape(-1).tolist(), strict=True)
    scaled = [times_power_of_two(value, exponent) for value, exponent in flat]
    return np.array(scaled, np.float64).reshape(values.shape)


def _square(value: complex) -> float:
    """Return |value| squared; infinity where that overflows."""
    return value.real * value.real + value.imag * value.imag

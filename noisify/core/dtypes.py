"""Number types: how the values of a field are stored in memory, and their arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SECOND = 10**9
"""Nanoseconds in a second."""
DAY = 86_400 * SECOND
"""Nanoseconds in a day."""
_KINDS: dict[str, Literal["float", "int", "complex", "bool"]] = {
    "f": "float", "i": "int", "u": "int", "c": "complex", "b": "bool",
}  # fmt: skip
_DECIMAL_DIGITS = (38, 76)
"""Most digits of decimals of 128 and of 256 bits."""
_WIDE_DIGITS = _DECIMAL_DIGITS[0]
_INT64_DIGITS = 18
"""Decimals of up to this many digits are stored as int64."""
_EXACT_POWERS = 22
"""float64 holds powers of ten exactly up to this exponent."""
_WIDEST = 8
"""Bytes of the integers that float64 cannot hold exactly."""


@frozen
class NumberType:
    """How the values of a field are stored in memory, and their range.

    Attributes:
        kind: float, int, complex, decimal, bool, text or time.
        dtype: The dtype of the arrays; decimals are unscaled integers (int64, or Python integers
            in an object array beyond 18 digits), times count ticks, texts are Python strings in an
            object array.
        decimal_scale: Digits after a decimal's point: its value is unscaled x 10**-decimal_scale.
        decimal_precision: Total digits of a decimal.
        tick: Nanoseconds in a tick of a time.
        span: Ticks in a day, for a time of day; 0 for a date, a timestamp or a duration.
        bits: Bits of an integer narrower than its dtype; 0: as many as the dtype.
        truncates: Whether noise on whole numbers is rounded down, not half to even.
    """

    kind: Literal["float", "int", "complex", "decimal", "bool", "text", "time"]
    dtype: np.dtype[Any]
    decimal_scale: int = 0
    decimal_precision: int = 0
    tick: int = 0
    span: int = 0
    bits: int = 0
    truncates: bool = False

    @classmethod
    def of_dtype(cls, dtype: np.dtype[Any]) -> NumberType | None:
        """Return the number type of a NumPy dtype in native byte order, or None."""
        kind = _KINDS.get(dtype.kind)  # others, such as StringDType, may have no byte order
        return None if kind is None else cls(kind, dtype.newbyteorder("="))

    @classmethod
    def time(cls, tick: int, *, bits: int = 64, span: int = 0) -> NumberType:
        """Return the type of times that count ticks of `tick` nanoseconds."""
        return cls("time", np.dtype(f"i{bits // 8}"), tick=tick, span=span)

    @classmethod
    def decimal(cls, precision: int, scale: int) -> NumberType:
        """Return the type of a decimal of `precision` digits, `scale` of them after the point."""
        dtype = np.dtype(np.int64 if precision <= _INT64_DIGITS else object)
        return cls("decimal", dtype, scale, precision)

    @cached_property
    def limits(self) -> tuple[Any, Any]:
        """The smallest and the largest finite value, in the units of the arrays."""
        if self.kind == "decimal":
            most = 10**self.decimal_precision - 1
            return -most, most
        if self.kind == "time":
            least = np.iinfo(self.dtype).min + 1  # the minimum itself is NaT
            return (0, self.span - 1) if self.span else (least, np.iinfo(self.dtype).max)
        if self.kind in {"bool", "text"}:
            return False, True
        if self.bits and self.dtype.kind == "u":
            return 0, (1 << self.bits) - 1
        if self.bits:
            return -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1
        info = np.iinfo(self.dtype) if self.kind == "int" else np.finfo(self.dtype)
        return info.min, info.max

    @cached_property
    def unit(self) -> Fraction:
        """The value of 1 in an array of whole numbers, decimals or times (in seconds)."""
        if self.kind == "time":
            return Fraction(self.tick, SECOND)
        return Fraction(1, 10**self.decimal_scale)

    @cached_property
    def ranges(self) -> tuple[tuple[Any, Any], ...]:
        """Ranges, narrowest first: a noisy value saturates at the first that holds the original.

        Whole numbers of 38 digits and more come from text files, whose columns have no type: a
        value that fits int64 saturates at int64, whatever other values its column has.
        """
        if self.kind != "decimal" or self.decimal_scale or self.decimal_precision < _WIDE_DIGITS:
            return (self.limits,)
        int64 = np.iinfo(np.int64)
        most = (10**digits - 1 for digits in _DECIMAL_DIGITS if digits < self.decimal_precision)
        return ((int(int64.min), int(int64.max)), *((-one, one) for one in most), self.limits)

    def to_float(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the values as float64 (complex128 for complex), correctly rounded.

        Times come out in seconds, texts as NaN.
        """
        if self.kind == "text":
            return np.full(len(values), np.nan)
        if self.kind == "time":
            return np.asarray(values * (self.tick / SECOND))
        if self.kind != "decimal":
            least = np.complex128 if self.kind == "complex" else np.float64
            return np.asarray(values, np.result_type(values.dtype, least))
        if (
            values.dtype != object
            and self.decimal_scale <= _EXACT_POWERS
            and np.all(abs(values) < 2**53)
        ):
            return np.asarray(values / float(10**self.decimal_scale))  # both exact: rounded once
        unit = 10**self.decimal_scale  # Python divides integers with one rounding
        return np.fromiter((int(value) / unit for value in values), np.float64, len(values))

    def finite(self, values: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Return the mask of finite values, or None if all are finite."""
        if self.kind not in {"float", "complex"}:
            return None
        finite = np.isfinite(values)
        return None if np.count_nonzero(finite) == finite.size else finite  # faster than all()

    def outside(self, values: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Return the mask of decimals or times outside their type's range, or None if none are.

        A file may hold such values, such as 123.45 in a decimal of 3 digits.
        """
        if self.kind not in {"decimal", "time"}:
            return None
        low, high = self.limits
        outside = np.asarray((values < low) | (values > high), bool)
        return outside if outside.any() else None

    def difference(self, after: NDArray[Any], before: NDArray[Any]) -> NDArray[Any]:
        """Return after - before as float64 (complex128); integers are subtracted exactly.

        A difference beyond the largest float64 saturates.
        """
        if self.kind in {"float", "complex"}:
            with np.errstate(invalid="ignore", over="ignore"):
                return _held(np.asarray(self.to_float(after) - self.to_float(before)))
        if self.kind == "text":
            return np.asarray(after != before, np.float64)
        if self.kind == "time":
            ticks = _wide_difference(after.astype(np.int64), before.astype(np.int64))
            if self.span:  # a time of day: the shorter way round the clock
                ticks -= self.span * np.rint(ticks / self.span)
            return ticks * (self.tick / SECOND)
        if after.dtype == object or after.dtype.itemsize == _WIDEST:
            return np.asarray(_wide_difference(after, before) * (1 / 10**self.decimal_scale))
        return np.asarray(after.astype(np.float64) - before)

    def add(
        self, values: NDArray[Any], noise: NDArray[Any], exponent: int | NDArray[np.intc] = 0
    ) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Add noise in this type; integers round it half to even.

        Values saturate at the type's limits, except that times of day wrap around midnight.

        Args:
            values: Shape (n,), this type's dtype.
            noise: Shape (n,), float64 (complex128 for complex), in the field's unit. It may be
                overwritten.
            exponent: The noise is in units of 2**exponent; 0 where it cannot overflow.

        Returns:
            The noisy values, and the mask of saturated ones, or None if there are none.
        """
        if self.kind == "complex":
            return self._add_complex(values, noise, exponent)
        if self.kind == "float":
            return self._add_float(values, noise, exponent)
        if np.any(exponent):
            noise = np.ldexp(noise, exponent)
        if self.kind == "time":
            return self._add_time(values, noise)
        if self.decimal_scale:
            noise *= float(10**self.decimal_scale)
        (np.floor if self.truncates else np.rint)(noise, out=noise)
        if self.dtype == object or self.kind == "decimal":
            return _add_exact(values, noise, self.ranges)
        if self.dtype.itemsize == _WIDEST:
            return _add_wide(values, noise)
        noise += values
        low, high = self.limits
        beyond = None
        if len(noise) and (noise.min() < low or noise.max() > high):
            kept = np.clip(noise, low, high)
            beyond = kept != noise
            noise = kept
        return noise.astype(self.dtype), beyond

    def _add_time(
        self, values: NDArray[Any], noise: NDArray[np.float64]
    ) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Add seconds to times; a time of day wraps around midnight."""
        noise *= SECOND / self.tick
        np.rint(noise, out=noise)
        ticks = values.astype(np.int64)
        if not self.span:
            total, beyond = _add_exact(ticks, noise, self.ranges)
            return total.astype(self.dtype), beyond
        rest = np.fmod(noise, self.span, where=np.isfinite(noise), out=np.zeros(len(noise)))
        return np.mod(ticks + rest.astype(np.int64), self.span).astype(self.dtype), None

    def _add_float(
        self, values: NDArray[Any], noise: NDArray[Any], exponent: int | NDArray[np.intc]
    ) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        low, high = self.limits
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = noise
            if np.any(exponent):
                noise = np.ldexp(scaled, exponent)
            overflown = np.isinf(noise) if noise is not scaled else None
            if self.dtype.itemsize > noise.dtype.itemsize:
                noisy = values + noise
            else:
                noise += values
                noisy = noise.astype(self.dtype, copy=False)
            if overflown is not None and overflown.any():  # the sum may still be in range
                powers = np.broadcast_to(exponent, noisy.shape)[overflown]
                total = np.ldexp(values[overflown], -powers) + scaled[overflown]
                noisy[overflown] = np.ldexp(total, powers)
        finite = self.finite(noisy)
        if finite is None:
            return noisy, None
        beyond = ~finite & ~np.isnan(noisy) & np.isfinite(values)
        noisy[beyond] = np.where(noisy[beyond] > 0, high, low)
        return noisy, beyond

    def _add_complex(
        self, values: NDArray[Any], noise: NDArray[Any], exponent: int | NDArray[np.intc]
    ) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        part = NumberType("float", np.empty(0, self.dtype).real.dtype)
        noisy = np.empty(len(values), self.dtype)
        noisy.real, real = part.add(values.real, noise.real, exponent)
        noisy.imag, imag = part.add(values.imag, noise.imag, exponent)
        if real is None or imag is None:
            return noisy, imag if real is None else real
        return noisy, real | imag

    def round(self, values: NDArray[Any], decimals: int | NDArray[Any]) -> NDArray[Any]:
        """Round floats half to even to `decimals` digits; return other types unchanged."""
        if self.kind not in {"float", "complex"}:
            return values
        if isinstance(decimals, int):
            return _rounded(values, decimals)
        rounded = values.copy()
        for digits in np.unique(decimals[decimals >= 0]):
            here = decimals == digits
            rounded[here] = _rounded(values[here], int(digits))
        return rounded

    def bounds(self, low: float, high: float) -> tuple[Any, Any]:
        """Convert bounds from the field's unit to the units of the arrays, rounding inwards.

        A bound beyond the type's range becomes the type's limit.
        """
        least, most = self.limits
        if self.kind == "float":
            return self._float_bound(low, np.inf), self._float_bound(high, -np.inf)
        unit = 10**self.decimal_scale
        inner_low = least if low == -np.inf else math.ceil(_typed(low) * unit)
        inner_high = most if high == np.inf else math.floor(_typed(high) * unit)
        return min(max(least, inner_low), most), max(min(most, inner_high), least)

    def _float_bound(self, bound: float, inwards: float) -> np.floating[Any]:
        least, most = self.limits
        nearest: np.floating[Any] = least if bound < 0 else most
        if float(least) < bound < float(most):
            nearest = self.dtype.type(bound)
            if float(nearest) < bound if inwards > 0 else float(nearest) > bound:
                nearest = np.nextafter(nearest, self.dtype.type(inwards))
        return nearest


def _held(values: NDArray[Any]) -> NDArray[Any]:
    """Replace infinities by the largest finite values, in place."""
    parts = values.view(values.real.dtype) if values.dtype.kind == "c" else values
    limits = np.finfo(parts.dtype)
    np.clip(parts, limits.min, limits.max, out=parts)
    return values


def _rounded(values: NDArray[Any], digits: int) -> NDArray[Any]:
    """Round to `digits` decimals; values too large to have decimals stay as they are."""
    if np.iscomplexobj(values):
        parts = np.empty(values.shape, values.dtype)
        parts.real, parts.imag = (_rounded(part, digits) for part in (values.real, values.imag))
        return np.where(np.isfinite(parts), parts, values)
    if abs(digits) > _MOST_DIGITS:
        return values
    unit = float(10 ** abs(digits))
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = np.rint(values / unit) * unit if digits < 0 else np.rint(values * unit) / unit
    return np.where(np.isfinite(rounded), rounded, values)


_MOST_DIGITS = 308
"""float64 holds no larger power of ten."""


def _typed(bound: float) -> Fraction:
    """Return the exact number that was typed: 1/10 for 0.1; large whole numbers as they are."""
    return Fraction(bound) if abs(bound) >= 1 << 53 else Fraction(repr(float(bound)))


def _add_wide(
    values: NDArray[Any], noise: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Add whole float64 noise to 64-bit integers without passing them through float64.

    Flipping the sign bit maps signed values to unsigned ones in the same order. A wrap-around then
    shows as a sum below, or a difference above, the value.
    """
    signed = values.dtype.kind == "i"
    top = np.uint64(1 << 63)
    unsigned = values.view(np.uint64) ^ top if signed else values
    magnitude = np.minimum(np.abs(noise), np.nextafter(2.0**64, 0.0)).astype(np.uint64)
    up = noise > 0
    total = np.where(up, unsigned + magnitude, unsigned - magnitude)
    beyond = np.where(up, total < unsigned, total > unsigned) | (np.abs(noise) >= 2.0**64)
    if beyond.any():
        total[beyond] = np.where(up[beyond], np.uint64(2**64 - 1), np.uint64(0))
    return (total ^ top).view(np.int64) if signed else total, beyond


def _add_exact(
    values: NDArray[Any], noise: NDArray[np.float64], ranges: Sequence[tuple[int, int]]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Add whole float64 noise to integers, as Python integers where int64 is too narrow.

    Args:
        values: The integers.
        noise: The noise.
        ranges: See `NumberType.ranges`.
    """
    low, high = ranges[-1]
    if values.dtype != object:
        total, wrapped = _add_wide(values, noise)
        return np.clip(total, low, high), wrapped | (total < low) | (total > high)
    out, saturated = np.empty(len(values), object), np.zeros(len(values), bool)
    for at, (value, change) in enumerate(zip(values.tolist(), noise.tolist(), strict=True)):
        least, most = next((one for one in ranges if one[0] <= value <= one[1]), ranges[-1])
        step = int(change) if math.isfinite(change) else (high if change > 0 else low) * 2
        out[at] = min(max(value + step, least), most)
        saturated[at] = not least <= value + step <= most
    return out, saturated


def _wide_difference(after: NDArray[Any], before: NDArray[Any]) -> NDArray[np.float64]:
    if after.dtype == object:
        pairs = zip(after, before, strict=True)
        return np.fromiter((float(int(a) - int(b)) for a, b in pairs), np.float64, len(after))
    rise = after >= before
    gap = np.where(
        rise,
        after.view(np.uint64) - before.view(np.uint64),
        before.view(np.uint64) - after.view(np.uint64),
    ).astype(np.float64)
    return np.where(rise, gap, -gap)

"""Adjust noisy values to what a file can hold: bounded, rounded, packed, never read as missing."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noisify.core.chunk import Column
    from noisify.core.packing import Packing


def storable(
    column: Column,
    before: NDArray[Any],
    after: NDArray[Any],
    clip: tuple[float, float] | None,
    digits: int | NDArray[Any] | None,
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return the values that will be read back from the file, and a mask of saturated ones.

    Args:
        column: The column.
        before: The values before noise, shape (n,); n may span several columns of this type.
        after: The noisy values, shape (n,).
        clip: The bounds of the noise, or None.
        digits: The digits after the decimal point that floats are written with; None for all.

    Returns:
        The values in the same dtype, and the mask, or None if none saturated.
    """
    missing, packing = column.field.missing, column.field.packing
    if packing is not None:
        return _packed(column, packing, before, after, clip)
    if missing is None:
        return after, None
    number = column.number
    if number.kind == "text":
        return missing.avoid_texts(before, after), None
    if number.kind not in {"int", "float", "decimal"}:
        return after, None
    limits = number.limits if clip is None else number.bounds(*clip)
    return missing.avoid(before, after, limits, digits), None


def _packed(
    column: Column,
    packing: Packing,
    before: NDArray[Any],
    after: NDArray[Any],
    clip: tuple[float, float] | None,
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    missing = column.field.missing
    old, _ = packing.pack(before)
    least, most = packing.codes.limits
    if missing is not None:
        least = least if missing.low is None else max(least, missing.low)
        most = most if missing.high is None else min(most, missing.high)
    limits = (least, most)
    if clip is not None:
        low, high = packing.bounds(*clip)
        limits = max(least, low), min(most, high)
    new, _ = packing.pack(after, limits)
    _, beyond = packing.pack(after, (least, most))
    moved = after != before
    if missing is not None:
        new = missing.avoid(old, new, limits)
    new = np.where(moved, new, old)
    return np.where(new != old, packing.unpack(new), before), beyond & moved


def keep_bounds(
    column: Column, before: NDArray[Any], after: NDArray[Any], clip: tuple[float, float]
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Clip the changed values; also return a mask of those beyond the bounds, or None."""
    if column.number.kind in {"text", "bool", "time"}:
        return after, None
    low, high = column.number.bounds(*clip)
    beyond = (after < low) | (after > high)
    if not beyond.any():
        return after, None
    beyond &= after != before
    return np.where(beyond, np.clip(after, low, high), after), beyond


def rounded(
    column: Column,
    before: NDArray[Any],
    after: NDArray[Any],
    decimals: int | NDArray[Any],
    clip: tuple[float, float] | None,
) -> NDArray[Any]:
    """Round the changed values, but never beyond the bounds."""
    rounded = column.number.round(after, decimals)
    if clip is not None and column.number.kind == "float":
        digits = np.broadcast_to(decimals, after.shape)
        for count in np.unique(digits[digits >= 0]).tolist():
            low, high = _coarse_bounds(clip, count)
            here = digits == count
            rounded[here] = np.clip(rounded[here], low, high)
    return np.where(after != before, rounded, before)


def _coarse_bounds(clip: tuple[float, float], decimals: int) -> tuple[float, float]:
    """Round bounds inwards to a number of decimals, unless nothing would lie between them."""
    unit = 10**decimals
    low, high = clip
    if math.isfinite(low):
        low = float(Fraction(math.ceil(Fraction(repr(low)) * unit), unit))
    if math.isfinite(high):
        high = float(Fraction(math.floor(Fraction(repr(high)) * unit), unit))
    return (low, high) if low <= high else clip

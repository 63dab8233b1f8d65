"""Noisy values as a file can hold them: bounded, rounded, packed, and never read as missing."""

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
    """Return the values that will be read back from the file, and which of them saturated.

    Args:
        column: Whose values these are.
        before: Shape (n,), the values before noise; `n` may span several columns like this one.
        after: Shape (n,), the noisy values.
        clip: Bounds that noise keeps.
        digits: Digits after the point that floats are written with; None: all.

    Returns:
        The values, in the dtype they came in, and a mask; None: none saturated.
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
    """Bound what noise changed, and say what was beyond the bounds; None: nothing was."""
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
    """Round what noise changed, never past its bounds."""
    rounded = column.number.round(after, decimals)
    if clip is not None and column.number.kind == "float":
        digits = np.broadcast_to(decimals, after.shape)
        for count in np.unique(digits[digits >= 0]).tolist():
            low, high = _coarse_bounds(clip, count)
            here = digits == count
            rounded[here] = np.clip(rounded[here], low, high)
    return np.where(after != before, rounded, before)


def _coarse_bounds(clip: tuple[float, float], decimals: int) -> tuple[float, float]:
    """Return bounds rounded inwards to so many decimals; as they are if none lies between."""
    unit = 10**decimals
    low, high = clip
    if math.isfinite(low):
        low = float(Fraction(math.ceil(Fraction(repr(low)) * unit), unit))
    if math.isfinite(high):
        high = float(Fraction(math.floor(Fraction(repr(high)) * unit), unit))
    return (low, high) if low <= high else clip

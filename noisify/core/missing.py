"""Missing-value markers of a file, and noise that avoids producing them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from numpy.typing import NDArray


@frozen
class Missing:
    """The values of a field that a file declares to be missing.

    Attributes:
        values: Single values, in the field's dtype.
        low: The smallest valid value, or None.
        high: The largest valid value, or None.
        marker: The value to write where noise makes an element missing, or None if there is none.
        texts: The texts that mean null in a text field.
    """

    values: tuple[Any, ...] = ()
    low: Any = None
    high: Any = None
    marker: Any = None
    texts: frozenset[str] = frozenset()

    def mask(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Return the mask of missing values, shape (n,)."""
        found = np.zeros(values.shape, bool)
        for value in self.values:
            found |= values == value
        if self.low is not None:
            found |= values < self.low
        if self.high is not None:
            found |= values > self.high
        return found

    def avoid(
        self,
        before: NDArray[Any],
        after: NDArray[Any],
        limits: tuple[Any, Any],
        digits: int | NDArray[Any] | None = None,
    ) -> NDArray[Any]:
        """Replace noisy values that would be read as missing by the nearest valid value.

        Of two equally near values, take the one on the side of the original.

        Args:
            before: Shape (n,), the values before noise, none of them missing.
            after: Shape (n,), the noisy values.
            limits: The smallest and the largest value allowed.
            digits: Digits after the point that floats are written with, one number for all or one
                per element; None or -1 for all.
        """
        if not self.values and self.low is None and self.high is None:
            return after
        hit = self.mask(after) & (after != before)
        if not hit.any():
            return after
        low = limits[0] if self.low is None else max(limits[0], self.low)
        high = limits[1] if self.high is None else min(limits[1], self.high)
        old, new = before[hit], after[hit]
        places = np.broadcast_to(-1 if digits is None else digits, hit.shape)[hit]
        inside = np.clip(new, low, high).astype(new.dtype)
        below, below_valid = self._next(inside, -1, (low, high), places)
        above, above_valid = self._next(inside, 1, (low, high), places)
        with np.errstate(over="ignore", invalid="ignore"):
            down = inside.astype(np.float64) - below.astype(np.float64)
            up = above.astype(np.float64) - inside.astype(np.float64)
        upwards = above_valid & (~below_valid | (up < down) | ((up == down) & (old > new)))
        nearest = np.where(upwards, above, below)
        out = after.copy()
        out[hit] = np.where(below_valid | above_valid, nearest, old)
        return out

    def avoid_texts(self, before: NDArray[Any], after: NDArray[Any]) -> NDArray[Any]:
        """Restore the original of noisy texts that would be read as missing, shape (n,)."""
        if not self.texts:
            return after
        hit = np.fromiter((text in self.texts for text in after), bool, len(after))
        return np.where(hit, before, after)

    def _next(
        self,
        values: NDArray[Any],
        direction: int,
        limits: tuple[Any, Any],
        digits: NDArray[np.int64],
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return the first valid values in a direction, and the mask of those that exist."""
        found = values.copy()
        for _ in range(len(self.values) + 1):
            wrong = self.mask(found)
            if not wrong.any():
                break
            found[wrong] = _beside(found[wrong], direction, limits, digits[wrong])
        return found, ~self.mask(found)


_POWERS_OF_TEN = np.array([float(10**n) for n in range(309)])


def _beside(
    values: NDArray[Any], direction: int, limits: tuple[Any, Any], digits: NDArray[np.int64]
) -> NDArray[Any]:
    """Return the next values in a direction, stopping at the limit."""
    end = limits[1] if direction > 0 else limits[0]
    if values.dtype.kind != "f":
        step = np.array(1, values.dtype)
        return np.where(values == end, values, values + step if direction > 0 else values - step)
    following = np.nextafter(values, values.dtype.type(direction * np.inf))
    written = digits >= 0
    unit = _POWERS_OF_TEN[np.minimum(digits[written], len(_POWERS_OF_TEN) - 1)]
    following[written] = (np.rint(values[written] * unit) + direction) / unit
    return np.where(values == end, values, following)

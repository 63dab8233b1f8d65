"""Packed values: codes in the file whose value is code x scale + offset."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.dtypes import NumberType
from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from numpy.typing import NDArray

PHYSICAL = NumberType("float", np.dtype(np.float64))
"""The type of unpacked values."""


@frozen
class Packing:
    """The packing of a field's values.

    Attributes:
        codes: The type of the codes.
        scale: The value of one step of the code; not 0.
        offset: The value of code 0.
    """

    codes: NumberType
    scale: float
    offset: float

    def unpack(self, codes: NDArray[Any]) -> NDArray[np.float64]:
        """Return the values of codes, shape (n,)."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(codes, np.float64) * self.scale + self.offset

    def pack(
        self, values: NDArray[np.float64], limits: tuple[Any, Any] | None = None
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return the nearest codes, half to even, and the mask of values beyond their range.

        Args:
            values: Shape (n,), float64.
            limits: The smallest and the largest code; by default, those of the type.
        """
        low, high = self.codes.limits if limits is None else limits
        with np.errstate(over="ignore", invalid="ignore"):
            exact = (values - self.offset) / self.scale
            if self.codes.kind == "int":
                exact = np.rint(exact)
            least, most = _inwards(low, math.inf), _inwards(high, -math.inf)
            codes = np.clip(np.nan_to_num(exact), least, most).astype(self.codes.dtype)
        return codes, (exact < least) | (exact > most)

    def bounds(self, low: float, high: float) -> tuple[Any, Any]:
        """Convert bounds of values to bounds of codes, rounded inwards."""
        ends = sorted((self._code(low), self._code(high)))
        return self.codes.bounds(*ends)

    def _code(self, value: float) -> float:
        """Return the unrounded code of a value; snap to a whole one within rounding error."""
        code = (value - self.offset) / self.scale
        whole = round(code) if math.isfinite(code) else code
        return float(whole) if math.isclose(code, whole, rel_tol=1e-12, abs_tol=1e-9) else code


def _inwards(limit: float, towards: float) -> float:
    """Return the nearest float64 that is not beyond a limit."""
    nearest = float(limit)
    beyond = nearest < limit if towards > 0 else nearest > limit
    return math.nextafter(nearest, towards) if beyond else nearest

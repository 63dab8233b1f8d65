"""Packed values: codes in the file, each of which stands for code x scale + offset."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.dtypes import NumberType
from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from numpy.typing import NDArray

PHYSICAL = NumberType("float", np.dtype(np.float64))
"""What unpacked values are."""


@frozen
class Packing:
    """How a field's values are packed.

    Attributes:
        codes: The type of the codes.
        scale: What a step of the code is worth; not 0.
        offset: What the code 0 stands for.
    """

    codes: NumberType
    scale: float
    offset: float

    def unpack(self, codes: NDArray[Any]) -> NDArray[np.float64]:
        """Return what codes stand for, shape (n,)."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(codes, np.float64) * self.scale + self.offset

    def pack(
        self, values: NDArray[np.float64], limits: tuple[Any, Any] | None = None
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return the codes nearest to some values, half to even, and which values are beyond them.

        Args:
            values: Shape (n,), float64.
            limits: The least and the largest code there may be; None: those of the type.
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
        """Return bounds of values as bounds of their codes, rounded inwards."""
        ends = sorted((self._code(low), self._code(high)))
        return self.codes.bounds(*ends)

    def _code(self, value: float) -> float:
        """Return the code of a value, before it is rounded, a rounding error from a whole one."""
        code = (value - self.offset) / self.scale
        whole = round(code) if math.isfinite(code) else code
        return float(whole) if math.isclose(code, whole, rel_tol=1e-12, abs_tol=1e-9) else code


def _inwards(limit: float, towards: float) -> float:
    """Return a limit as float64, one that is not beyond it."""
    nearest = float(limit)
    beyond = nearest < limit if towards > 0 else nearest > limit
    return math.nextafter(nearest, towards) if beyond else nearest

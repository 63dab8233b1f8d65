"""Numbers of the kernels; tests/helpers/kernel_tables.py writes the same for C++."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from noisify.kernels.decimal_functions import digits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

STEPS = 128
"""Entries of the tables of exp and of log."""
EXP_STEPS = float.fromhex("0x1.71547652b82fep+7")
EXP_STEP_HIGH = float.fromhex("0x1.62e42fefc0000p-8")
EXP_STEP_LOW = float.fromhex("-0x1.c610ca86c3899p-44")
"""128 / log(2), and log(2) / 128 in two parts."""
EXP_REST = tuple(map(float.fromhex, (
    "0x1.11111430bc5c6p-7", "0x1.55555accc11b8p-5", "0x1.5555555555525p-3", "0x1.fffffffffff58p-2",
)))  # fmt: skip
"""The polynomial (exp(r) - 1 - r) / r**2, the highest power first."""
LOG_TWO_HIGH = float.fromhex("0x1.62e42fefa3800p-1")
LOG_TWO_LOW = float.fromhex("0x1.ef35793c76730p-45")
LOG_REST = tuple(map(float.fromhex, (
    "-0x1.0004ccdecd0bbp-3", "0x1.24979e8d8acaep-3", "-0x1.5555554e21ff7p-3",
    "0x1.999999919973cp-3", "-0x1.000000000000dp-2", "0x1.5555555555564p-2",
)))  # fmt: skip
"""The polynomial (log(1 + r) - r + r**2 / 2) / r**3, the highest power first."""
LOG_FIRST = 0.6875
"""The significands of log are from here to twice this, so that 1 is inside."""
_HIGH_UNIT = 1 << 42
"""The upper parts of logarithms are whole in this unit, so that they are added exactly."""
_RECIPROCAL_UNIT = 1 << 8
"""And the reciprocals in this one, so that their product with half of a significand is exact."""


class Parts(NamedTuple):
    """Numbers as sums of two floats, shape (128,) each."""

    high: Floats
    low: Floats

    @classmethod
    def of(cls, exact: Iterable[Decimal], rounded: Callable[[Decimal], float]) -> Parts:
        """Return numbers as their rounded values and the rest."""
        pairs = [(high := rounded(one), float(one - Decimal(high))) for one in exact]
        return cls(*np.array(pairs).T.copy())


@cache
def powers() -> Parts:
    """Return 2**(j / 128) for j from 0 to 127."""
    with digits():
        step = Decimal(2).ln() / STEPS
        return Parts.of(((step * j).exp() for j in range(STEPS)), float)


@cache
def reciprocals() -> Floats:
    """Return a short number close to 1 / c for the middle c of each interval of significands."""
    first = np.array(LOG_FIRST).view(np.int64)
    edges = (first + (np.arange(STEPS + 1) << 45)).view(np.float64)
    low, high = edges[:-1], edges[1:]
    near = np.rint(2 * _RECIPROCAL_UNIT / (low + high)) / _RECIPROCAL_UNIT
    return np.where((low == 1) | (high == 1), 1.0, near)


@cache
def logarithms() -> Parts:
    """Return the logarithms of 1 / r for the reciprocals r."""
    with digits():
        exact = [-Decimal(one).ln() for one in reciprocals().tolist()]
        return Parts.of(exact, lambda one: float(round(one * _HIGH_UNIT)) / _HIGH_UNIT)

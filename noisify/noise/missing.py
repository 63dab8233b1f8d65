"""Noise that makes values missing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from noisify.core.chunk import BLOCK
from noisify.core.errors import UsageError
from noisify.kernels.decimal_functions import digits, expm1, log1p
from noisify.kernels.elementary import exp
from noisify.noise import parameters
from noisify.noise.model import ANYTHING, REAL, NoiseContext, RateModel
from noisify.noise.parameters import ParameterError
from noisify.statistics.survey import standardised

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from noisify.noise.level import Rate
    from noisify.statistics.survey import FieldStatistics
    from noisify.streams.streams import Variates

_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True, kw_only=True)
class Missing(RateModel):
    """Missing values: each value is lost with probability rate, by one of Rubin's mechanisms.

    mcar: completely at random. With burst = L, values are lost in runs, of length L at low rates:
    element i is lost if any of L uniforms, its own and those of the next L - 1, is below
    1 - (1 - rate)**(1/L), which keeps the rate.
    mar: at random given another field, by. mnar: not at random, depending on the value itself.
    In both, the probability is 1 / (1 + exp(-(b + s(z)))), where z is the standardised value of the
    driving field and s(z) is the shape: right z (large values are lost), left -z, mid -|z| or
    tail |z|. b is chosen so that the mean probability over the field is the rate. Where the driving
    value itself is missing, the probability is the rate.

    Rubin (1976), "Inference and missing data"; the shapes are those of mice's ampute
    (Schouten, Lugtig and Vink, 2018, "Generating missing values for simulation purposes") and of
    pyampute.
    """

    name: ClassVar[str] = "missing"
    erases: ClassVar[bool] = True
    family: ClassVar[str] = "missing"
    takes: ClassVar[frozenset[str]] = ANYTHING
    example: ClassVar[str] = "--rate 1%"
    MECHANISMS: ClassVar[tuple[str, ...]] = ("mcar", "mar", "mnar")
    SHAPES: ClassVar[dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]]] = {
        "right": np.positive,
        "left": np.negative,
        "mid": lambda z: -np.abs(z),
        "tail": np.abs,
    }

    rate: Rate = parameters.rate("share of the values that are lost", 0.01)
    mechanism: str = parameters.text(
        "what decides: mcar chance, mar a field, mnar the value", "mcar", MECHANISMS
    )
    by: str | None = parameters.text("mar: the field that decides")
    shape: str = parameters.text(
        "mar, mnar: which values are lost: right, left, mid or tail", "right", SHAPES
    )
    burst: int = parameters.whole("mcar: how many are lost together", 1, at_least=1, at_most=BLOCK)
    axis: int = parameters.axis()
    intercept: float | None = parameters.number("mar, mnar: b; left out: chosen for the rate")
    mean: float | None = parameters.number("mar, mnar: subtracted from values; left out: the mean")
    sd: float | None = parameters.number(
        "mar, mnar: divisor of values; left out: the sd", at_least=0.0
    )

    def __post_init__(self) -> None:
        """Check that the parameters are compatible."""
        super().__post_init__()
        if self.mechanism == "mar" and self.by is None:
            raise ParameterError(
                "missing with mechanism mar needs the field that decides; add by=FIELD",
                "mechanism",
            )
        if self.mechanism != "mar" and self.by is not None:
            raise ParameterError(f"missing takes by={self.by} with mechanism=mar only", "by")
        if self.burst > 1 and self.mechanism != "mcar":
            raise ParameterError(
                f"missing takes burst={self.burst} with mechanism=mcar only", "burst"
            )

    def companions(self) -> frozenset[str]:
        """Return the driving field, if it is another one."""
        return super().companions() | ({self.by} if self.by is not None else set())

    def statistics(self, field: str) -> Mapping[str, frozenset[str]]:
        """Request the histogram of the driving field unless all parameters are given."""
        if self.mechanism == "mcar" or not any(
            amount is None for amount in (self.intercept, self.mean, self.sd)
        ):
            return {}
        return {self.by or field: frozenset({"scores"})}

    def fitted(self, field: str, statistics: Mapping[str, FieldStatistics]) -> dict[str, Any]:
        """Return the driving field's mean and sd, and the intercept."""
        found = statistics[self.by or field]
        field_mean, field_sd = (found.mean, found.sd) if found.count else (0.0, 0.0)
        mean = field_mean if self.mean is None else self.mean
        sd = field_sd if self.sd is None else self.sd
        intercept = self.intercept
        if intercept is None:
            centres, counts = found.scores or (np.empty(0), np.empty(0))
            with np.errstate(over="ignore"):  # bins beyond float64 are empty
                driver = np.clip(centres * field_sd + field_mean, -_LARGEST, _LARGEST)
            scores = self._score(driver, mean, sd)
            intercept = solve_intercept(scores, counts, self.rate)
        return {"intercept": intercept, "mean": mean, "sd": sd}

    @property
    def followed_axis(self) -> int | None:
        """The axis along which bursts run."""
        return self.axis if self.burst > 1 else None

    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Erase the values that are lost; return all as they are."""
        if self.mechanism != "mcar":
            context.erase(context.variates.uniform("hit") < self._probability(values, context))
        elif self.burst > 1:
            context.erase(in_bursts(context.variates, self.rate, self.burst))
        else:
            context.erase(context.hit(self.rate))
        return values

    def _probability(
        self, values: NDArray[Any], context: NoiseContext
    ) -> NDArray[np.float64] | float:
        """Return the probability that each element is lost."""
        if self.by is None and context.number.kind not in REAL:
            raise UsageError("missing with mechanism mnar is for fields of (real) numbers only")
        if self.rate in {0.0, 1.0}:
            return self.rate
        if self.intercept is None or self.mean is None or self.sd is None:
            raise UsageError("missing needs the statistics of the whole field")
        driver = context.number.to_float(values) if self.by is None else context.companions[self.by]
        there = np.isfinite(driver)
        score = self._score(np.where(there, driver, self.mean), self.mean, self.sd)
        return np.where(there, logistic(self.intercept + score), self.rate)

    def _score(self, driver: NDArray[Any], mean: float, sd: float) -> NDArray[np.float64]:
        """Return s(z) of the driving values, with z = 0 for a constant field."""
        with np.errstate(over="ignore", invalid="ignore"):
            z = np.zeros(len(driver))
            if sd > 0:
                z[:] = standardised(driver, mean, sd)
        return self.SHAPES[self.shape](z)


def in_bursts(variates: Variates, rate: float, burst: int) -> NDArray[np.bool_]:
    """Return the mask of elements lost in runs; those lost at a lower rate are among them.

    Args:
        variates: The random numbers at the chunk's positions.
        rate: The share of elements lost, from 0 to 1.
        burst: The length of a run, from 1 to BLOCK.
    """
    begins = _begin_rate(rate, burst)
    lost = np.empty(variates.positions.size, bool)
    stream = variates.stream("hit")
    for block, inside, here in variates.positions.by_block():
        which = np.arange(BLOCK)[inside]
        start = block * BLOCK + int(which[0])
        ahead = int(which[-1] - which[0]) + burst
        begun = stream.words(range(start, start + ahead)).uniform() < begins
        seen = np.concatenate([[0], np.cumsum(begun)])
        lost[here] = (seen[burst:] > seen[:-burst])[which - which[0]]
    return lost


def _begin_rate(rate: float, burst: int) -> float:
    """Return 1 - (1 - rate)**(1 / burst), the share of elements at which a run begins."""
    if rate == 1:
        return 1.0
    with digits():
        return float(-expm1(log1p(-Decimal(rate)) / burst))


def logistic(x: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return 1 / (1 + exp(-x)) without overflow at either end."""
    given = np.asarray(x, np.float64)
    small = exp(-np.abs(given))
    return np.where(given >= 0, 1.0, small) / (1.0 + small)


def solve_intercept(scores: NDArray[np.float64], counts: NDArray[Any], rate: float) -> float:
    """Return the b at which the mean of 1 / (1 + exp(-(b + score))) is the rate, by bisection.

    Args:
        scores: Shape (k,).
        counts: Shape (k,), the number of occurrences of each score.
        rate: From 0 to 1; at 0 and 1, where there is no such b, 0 is returned.
    """
    if not 0 < rate < 1:
        return 0.0
    scores, counts = scores[counts > 0], counts[counts > 0]
    with digits():
        plain = float(Decimal(rate).ln() - log1p(-Decimal(rate)))
    if not len(scores):
        return plain
    low, high = plain - float(scores.max()), plain - float(scores.min())
    shares = counts / int(counts.sum())
    while low < (middle := low + (high - low) / 2) < high:
        if math.fsum(logistic(middle + scores) * shares) < rate:
            low = middle
        else:
            high = middle
    return high

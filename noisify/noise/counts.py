"""Counting noise: Poisson and binomial counts, each from one uniform by inverting its CDF."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from noisify.noise import discrete_quantiles, parameters
from noisify.noise.discrete_quantiles import quantile
from noisify.noise.model import Model, NoiseContext

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noisify.noise.level import Rate

_HALF = 0.5
BEYOND_NOISE = 1e34
"""Above this rate, Poisson noise (at most 8.3 sd) is below half a unit in the last place."""


@dataclass(frozen=True, kw_only=True)
class Counting(Model):
    """A model of counting noise, which leaves zero and negative values alone."""

    family: ClassVar[str] = "counting"

    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return the values, with those above zero replaced by counts."""
        positive = np.asarray(values > 0, bool)
        if positive.all():
            return self.counted(values, context)
        return np.asarray(
            np.where(positive, self.counted(np.where(positive, values, 0), context), values)
        )

    @abstractmethod
    def counted(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return the counts for values of at least zero."""


@dataclass(frozen=True, kw_only=True)
class Poisson(Counting):
    """Shot noise: y = k / count, k ~ Poisson(x * count).

    What a detector that counts photons, electrons or events makes of an expected value x: `count`
    events to the unit. The noise's standard deviation is sqrt(x / count); its mean is x. Zero and
    negative values are left alone; integers and decimals are rounded half to even.

    k is the smallest whole number at which the Poisson CDF reaches the element's own uniform
    variate, so a brighter element never counts fewer. It is exact in double precision: where the
    asymptotic quantile of Giles (2016), "Algorithm 955: approximation of the inverse Poisson
    cumulative distribution function", is ambiguous, the distribution is summed. For a rate above
    1e6 the quantile is right to 2e-16 of the rate and 1e-11 of a count. A rate above 1e34 leaves
    the value as it is: the noise is less than its last place.
    """

    name: ClassVar[str] = "poisson"
    level: ClassVar[str] = "count"
    example: ClassVar[str] = "-p count=100"

    count: float = parameters.number("events for each unit of the value", 1.0, above=0.0)

    def counted(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return Poisson counts, in the values' unit."""
        uniform = context.variates.uniform("noise")
        with np.errstate(over="ignore", under="ignore"):
            rates = np.asarray(context.number.to_float(values), np.float64) * self.count
            beyond = rates > BEYOND_NOISE
            events = quantile(discrete_quantiles.Poisson(np.where(beyond, 0.0, rates)), uniform)
            noisy = context.add(np.zeros_like(values), events / self.count)
        return np.where(beyond, values, noisy) if beyond.any() else noisy


@dataclass(frozen=True, kw_only=True)
class Binomial(Counting):
    """Thinning: of x counted things each is kept with probability keep, y ~ Binomial(x, keep).

    A detector's efficiency, an undercount, a subsample of events: keep = 0.9 loses one in ten. The
    mean is keep * x, the variance keep * (1 - keep) * x. A number that is not whole is rounded down
    before it is thinned; zero and negative values are left alone.

    y is the smallest whole number at which the binomial CDF reaches the element's own uniform
    variate, so the same seed keeps more at a higher keep. It is exact in double precision: where
    the asymptotic quantile (the expansion of Cornish and Fisher, 1938, to the fifth order) is
    ambiguous, the distribution is summed. Where the variance is above 1e6 the quantile is right to
    2e-16 of the mean and 1e-11 of a count.
    """

    name: ClassVar[str] = "binomial"
    level: ClassVar[str] = "keep"
    example: ClassVar[str] = "-c count -p keep=90%"

    keep: Rate = parameters.rate("probability that each one is kept", 0.9)

    def counted(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return the numbers of things kept."""
        uniform = context.variates.uniform("noise")
        whole = _floor(values, context)
        trials = np.asarray(context.number.to_float(whole), np.float64)
        if self.keep <= _HALF:  # count the rarer: the kept or the lost
            kept = quantile(discrete_quantiles.Binomial(trials, self.keep), uniform)
            return context.add(np.zeros_like(values), kept)
        lost = quantile(discrete_quantiles.Binomial(trials, 1 - self.keep), uniform, falling=True)
        return context.add(whole, -lost)


def _floor(values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
    """Return the whole parts of values of at least zero."""
    match context.number.kind:
        case "float":
            return np.asarray(np.floor(values))
        case "decimal":
            unit = 10**context.number.decimal_scale
            return np.asarray(values // unit * unit)
        case _:
            return values

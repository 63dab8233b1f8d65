"""Noise calibrated to a privacy budget: the mechanisms of differential privacy."""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

from noisify.core.overriding import override
from noisify.kernels.decimal_functions import digits, mills_ratio, normal_density, normal_tail
from noisify.noise import parameters
from noisify.noise.additive import Additive, Laplace, Normal
from noisify.noise.level import Absolute
from noisify.noise.model import Model, NoiseContext
from noisify.noise.parameters import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from noisify.statistics.survey import FieldStatistics

_SAME = 1e-9
"""Relative difference allowed between a scale and the one its budget gives: digits typed."""
_CLASSICAL = 1.0
"""The largest epsilon for which the classical calibration of the Gaussian mechanism is proven."""


@dataclass(frozen=True, kw_only=True)
class Mechanism(Model):
    """A model that adds noise with a scale calibrated to a privacy budget.

    Attributes:
        noise: The model of the noise.
    """

    noise: ClassVar[type[Additive]]
    family: ClassVar[str] = "privacy"
    level: ClassVar[str] = "epsilon"
    example: ClassVar[str] = "-p epsilon=1 -p sensitivity=1"

    epsilon: float = parameters.number("the privacy budget, above 0", parameters.REQUIRED, above=0)
    sensitivity: float = parameters.number(
        "how much one person can change the values", parameters.REQUIRED, above=0
    )
    scale: float | None = parameters.number("the calibrated scale, computed from the others")

    def __post_init__(self) -> None:
        """Check the budget, and that a given scale is the calibrated one."""
        super().__post_init__()
        wanted = self.calibrated()
        if not 0 < wanted < math.inf:
            raise ParameterError(
                f"epsilon {self.epsilon:g} and sensitivity {self.sensitivity:g} of {self.name} "
                "give a scale that is out of range",
                "epsilon", "sensitivity",
            )  # fmt: skip
        if self.scale is not None and not math.isclose(self.scale, wanted, rel_tol=_SAME):
            raise ParameterError(
                f"scale {self.scale:g} of {self.name} is not the one its budget gives, "
                f"{wanted:.10g}; leave it out",
                "scale",
            )

    @override
    def fit(self, field: str, statistics: Mapping[str, FieldStatistics]) -> Self:
        """Return this model with the scale filled in."""
        if self.scale is not None:
            return self
        return dataclasses.replace(self, scale=self.calibrated())

    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return values + scale * variates."""
        scale = self.calibrated() if self.scale is None else self.scale
        return self.noise(scale=Absolute(scale)).apply(values, context)

    @abstractmethod
    def calibrated(self) -> float:
        """Return the scale that follows from the budget."""


class LaplaceMechanism(Mechanism):
    """Differential privacy by Laplace noise: x + b * z, b = sensitivity / epsilon.

    z has density exp(-|z|) / 2. A release of values that one person can change by at most
    `sensitivity` in all (the sum of the absolute changes, L1) is then epsilon-differentially
    private. For cells that each come from one person and lie in a known range, the sensitivity is
    that range, and each cell is epsilon-locally private. Dwork, McSherry, Nissim and Smith (2006),
    "Calibrating noise to sensitivity in private data analysis"; Dwork and Roth (2014), "The
    algorithmic foundations of differential privacy", theorem 3.6.

    What it does not protect against. The sensitivity is yours to bound: nothing here checks the
    data or clips them to it, so clip first. It is for one release: the epsilons of several fields,
    steps or files about the same people add up. Anyone who knows the seed can remove the noise, and
    so can anyone who sees two releases with one seed and different epsilons; the command prints the
    seed and puts it into the report: keep it secret, and use it once. The noise is float64 from a
    generator that is not cryptographic, and the low bits of a float64 Laplace variate reveal values
    (Mironov, 2012, "On significance of the least significant bits for differential privacy"): round
    the output, and do not mistake this for hardened software. Missing values, and everything in
    fields that get no noise, stay as they are.
    """

    name: ClassVar[str] = "laplace-mechanism"
    noise: ClassVar[type[Additive]] = Laplace

    def calibrated(self) -> float:
        """Return sensitivity / epsilon."""
        return self.sensitivity / self.epsilon


@dataclass(frozen=True, kw_only=True)
class GaussianMechanism(Mechanism):
    """Differential privacy by normal noise: x + sigma * z, z ~ N(0, 1).

    A release of values that one person can change by at most `sensitivity` (the root of the sum of
    the squared changes, L2) is then (epsilon, delta)-differentially private. Up to epsilon = 1,
    sigma = sqrt(2 ln(1.25 / delta)) * sensitivity / epsilon: Dwork and Roth (2014), "The
    algorithmic foundations of differential privacy", theorem A.1. That is not proven beyond 1;
    there sigma is the smallest that is enough, F(a) - e**epsilon F(-b) = delta with
    a, b = sensitivity / (2 sigma) -+ epsilon sigma / sensitivity and F the normal distribution
    function, found by bisection: Balle and Wang (2018), "Improving the Gaussian mechanism for
    differential privacy", theorem 8. It needs less noise, so sigma falls by about a quarter (at
    delta = 1e-5) as epsilon passes 1.

    What it does not protect against. With probability delta the promise may fail altogether: take
    delta well below one over the number of people. The sensitivity is yours to bound: nothing here
    checks the data or clips them to it, so clip first. It is for one release: the budgets of
    several fields, steps or files about the same people add up. Anyone who knows the seed can
    remove the noise, and so can anyone who sees two releases with one seed and different epsilons;
    the command prints the seed and puts it into the report: keep it secret, and use it once. The
    noise is float64 from a generator that is not cryptographic, and the low bits of float64 noise
    reveal values (Mironov, 2012, "On significance of the least significant bits for differential
    privacy"): round the output, and do not mistake this for hardened software. Missing values, and
    everything in fields that get no noise, stay as they are.
    """

    name: ClassVar[str] = "gaussian-mechanism"
    noise: ClassVar[type[Additive]] = Normal

    delta: float = parameters.number(
        "the probability with which the promise may fail", 1e-5, above=0
    )

    def __post_init__(self) -> None:
        """Check delta."""
        if self.delta >= 1:
            raise ParameterError(f"delta {self.delta:g} of {self.name} must be below 1", "delta")
        super().__post_init__()

    def calibrated(self) -> float:
        """Return sigma for this epsilon, delta and sensitivity."""
        if self.epsilon <= _CLASSICAL:
            with digits():
                root = (2 * (Decimal("1.25") / Decimal(self.delta)).ln()).sqrt()
                return float(root * Decimal(self.sensitivity) / Decimal(self.epsilon))
        return analytic_sigma(self.epsilon, self.delta) * self.sensitivity


@lru_cache(maxsize=256)
def analytic_sigma(epsilon: float, delta: float) -> float:
    """Return the smallest sigma that is (epsilon, delta)-private at sensitivity 1.

    Balle and Wang (2018), theorem 8, by bisection down to adjacent float64 values; returns the safe
    one.
    """
    high = 1.0
    while privacy_loss(high, epsilon) > delta:
        high *= 2
    low = high / 2
    while privacy_loss(low, epsilon) <= delta:
        high, low = low, low / 2
    while low < (middle := (low + high) / 2) < high:
        if privacy_loss(middle, epsilon) <= delta:
            high = middle
        else:
            low = middle
    return high


def privacy_loss(sigma: float, epsilon: float) -> float:
    """Return the least delta that normal noise of sigma gives at sensitivity 1.

    F(a) - e**epsilon F(-b) with a, b = 1 / (2 sigma) -+ epsilon sigma. As b**2 - a**2 is
    2 epsilon, the second term is f(a) F(-b) / f(b), where f is the normal density; this form does
    not overflow.
    """
    with digits():
        half, far = 1 / (2 * Decimal(sigma)), Decimal(epsilon) * Decimal(sigma)
        return float(normal_tail(far - half) - normal_density(far - half) * mills_ratio(half + far))

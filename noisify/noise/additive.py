"""Noise with an amplitude that is added to each value."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from noisify.kernels.decimal_functions import (
    digits,
    expm1,
    normal_centre,
    normal_density,
    normal_tail,
)
from noisify.noise import level, normal_quantile, parameters
from noisify.noise.model import NUMBERS, TIMES, Model, NoiseContext, with_headroom

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noisify.noise.level import Level

_MEDIAN = 0.5
_NO_VARIANCE = 2.0
"""Student's t has no variance up to this many degrees of freedom."""


@dataclass(frozen=True, kw_only=True)
class Additive(Model):
    """A model that adds loc + scale * (a standard variate) to each value.

    A complex value gets an independent variate in each part, with half the variance each.

    Subclasses without parameters of their own inherit being a dataclass; decorating each would cost
    a few per cent of a small run.
    """

    family: ClassVar[str] = "amplitude"
    takes: ClassVar[frozenset[str]] = NUMBERS | TIMES

    scale: Level = parameters.level("the distribution's scale, as a level", level.DEFAULT)
    loc: float = parameters.number("added to every value, in the field's unit", 0.0)

    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return values + loc + scale * variates."""
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows saturates
            return self._apply(values, context)

    def _apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        scale, loc, exponent = with_headroom(context.level(self.scale, values), self.loc)
        if context.number.kind == "complex":
            parts = np.empty(len(values), np.complex128)
            half = scale * math.sqrt(0.5)
            parts.real = self.scaled(context, "noise", half) + loc
            parts.imag = self.scaled(context, "imaginary", half)
            return context.add(values, parts, exponent)
        noise = self.scaled(context, "noise", scale)
        if self.loc:
            noise += loc
        return context.add(values, noise, exponent)

    def scaled(
        self, context: NoiseContext, lane: str, scale: float | NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return fresh variates of the given scale and loc 0, shape (n,)."""
        noise = self.standard(context, lane)
        noise *= scale
        return noise

    @abstractmethod
    def standard(self, context: NoiseContext, lane: str) -> NDArray[np.float64]:
        """Return fresh variates of scale 1 and loc 0, shape (n,)."""


class IndependentNoise(Additive):
    """Additive noise whose variates are independent of each other."""

    independent: ClassVar[bool] = True

    def standard(self, context: NoiseContext, lane: str) -> NDArray[np.float64]:
        """Return fresh variates of scale 1 and loc 0, of the distribution with the model's name."""
        return context.variates.drawn(self.name, lane)


class Normal(IndependentNoise):
    """Normal (Gaussian) noise: x + loc + scale * z, z ~ N(0, 1).

    The usual model of sensor and channel noise. Its scale is its standard deviation.
    Density: exp(-z**2 / 2) / sqrt(2 pi). Drawn by the ziggurat (Marsaglia and Tsang, 2000).
    """

    name: ClassVar[str] = "normal"
    unit_moments: ClassVar[tuple[float, float]] = 0.0, 1.0


class Uniform(IndependentNoise):
    """Uniform noise: x + loc + u, u uniform on [-scale, scale).

    Rounding and quantisation errors look like this. Its scale is its half-width; its standard
    deviation is scale / sqrt(3).
    """

    name: ClassVar[str] = "uniform"
    unit_moments: ClassVar[tuple[float, float]] = 0.0, 1 / math.sqrt(3)

    def scaled(
        self, context: NoiseContext, lane: str, scale: float | NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return variates uniform on [-scale, scale), rounded like NumPy's uniform(low, high)."""
        noise = self.standard(context, lane)
        noise *= scale
        noise *= 2
        noise -= scale
        return noise

    def standard(self, context: NoiseContext, lane: str) -> NDArray[np.float64]:
        """Return variates uniform on [0, 1), which `scaled` stretches."""
        return context.variates.uniform(lane)


class Laplace(IndependentNoise):
    """Laplace (double exponential) noise with density exp(-|z|) / 2 at scale 1.

    Sharper and longer-tailed than the normal; the noise of differential privacy. Its scale is b;
    its standard deviation is b * sqrt(2). NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.6.
    """

    name: ClassVar[str] = "laplace"
    unit_moments: ClassVar[tuple[float, float]] = 0.0, math.sqrt(2)


class Cauchy(IndependentNoise):
    """Cauchy (Lorentz) noise with density 1 / (pi (1 + z**2)) at scale 1.

    Occasionally very large: it has neither a mean nor a variance, so --sd and --snr refuse it.
    Its scale is gamma, half of its interquartile range. NIST e-Handbook, 1.3.6.6.
    """

    name: ClassVar[str] = "cauchy"
    unmeasured: ClassVar[str] = "has no variance"


@dataclass(frozen=True, kw_only=True)
class StudentT(IndependentNoise):
    """Student's t noise with df degrees of freedom: between Cauchy (df = 1) and normal (large df).

    Density at scale 1: proportional to (1 + z**2 / df) ** (-(df + 1) / 2). Its standard deviation
    is scale * sqrt(df / (df - 2)); for df <= 2 it has none, and --sd and --snr refuse it.
    """

    name: ClassVar[str] = "student-t"
    unmeasured: ClassVar[str] = "has no variance"

    df: float = parameters.number("degrees of freedom, above 0", 3.0, above=0.0)

    def standard(self, context: NoiseContext, lane: str) -> NDArray[np.float64]:
        """Return t variates."""
        return context.variates.drawn("student_t", lane, self.df)

    def moments(self) -> tuple[float, float] | None:
        """Return mean 0 and sd sqrt(df / (df - 2)), or None for df <= 2."""
        return (0.0, math.sqrt(self.df / (self.df - 2))) if self.df > _NO_VARIANCE else None


class Logistic(IndependentNoise):
    """Logistic noise with density e**-z / (1 + e**-z)**2 at scale 1.

    Like the normal with somewhat heavier tails. Its standard deviation is scale * pi / sqrt(3).
    """

    name: ClassVar[str] = "logistic"
    unit_moments: ClassVar[tuple[float, float]] = 0.0, math.pi / math.sqrt(3)


class Triangular(IndependentNoise):
    """Triangular noise: x + loc + scale * z, z on [-1, 1] with density 1 - |z|.

    The sum of two equal uniform errors, such as a difference of two rounded readings, and TPDF
    dither. Its scale is its half-width; its standard deviation is scale / sqrt(6). JCGM 100:2008
    (GUM), 4.3.9.
    """

    name: ClassVar[str] = "triangular"
    unit_moments: ClassVar[tuple[float, float]] = 0.0, 1 / math.sqrt(6)


@dataclass(frozen=True, kw_only=True)
class TruncatedNormal(IndependentNoise):
    """Normal noise without its tails: x + loc + scale * z, z ~ N(0, 1) given that |z| <= cut.

    For errors that are known to stay within limits. Its scale is the standard deviation before the
    tails are cut off; after, it is scale * sqrt(1 - 2 cut f(cut) / (2 F(cut) - 1)), where f and F
    are the normal density and distribution function: 0.8796 * scale at cut = 2. Johnson, Kotz and
    Balakrishnan (1994), "Continuous univariate distributions", volume 1, 13.10.1. Drawn by
    inverting F at one uniform variate per element (Wichura, 1988, AS 241).
    """

    name: ClassVar[str] = "truncated-normal"

    cut: float = parameters.number(
        "where it is cut off on either side, in scales", 2.0, at_least=0.01
    )

    def standard(self, context: NoiseContext, lane: str) -> NDArray[np.float64]:
        """Return truncated normal variates."""
        uniform = context.variates.uniform(lane)
        upper = uniform >= _MEDIAN
        # Draw both halves in the lower tail, where float64 resolves probabilities best.
        depth = np.where(upper, 1 - uniform, uniform)
        tail, mass = _tail_and_mass(self.cut)
        z = normal_quantile.normal_quantile(tail + depth * mass)
        np.clip(z, -self.cut, 0.0, out=z)
        return np.negative(z, out=z, where=upper)

    def moments(self) -> tuple[float, float]:
        """Return mean 0 and the sd after cutting."""
        with digits():
            cut = Decimal(self.cut)
            lost = cut * normal_density(cut) / normal_centre(cut)
            return 0.0, float((1 - lost).sqrt())


@lru_cache(maxsize=64)
def _tail_and_mass(cut: float) -> tuple[float, float]:
    """Return the probabilities of a normal variate above the upper cut and between the cuts."""
    with digits():
        return float(normal_tail(Decimal(cut))), float(2 * normal_centre(Decimal(cut)))


@dataclass(frozen=True, kw_only=True)
class Asymmetric(IndependentNoise):
    """Additive noise with a long tail on one side, optionally with its mean subtracted."""

    unit_moments: ClassVar[tuple[float, float]]
    center: bool = parameters.truth(
        "subtract the distribution's mean, so that noise has mean 0", default=False
    )

    def scaled(
        self, context: NoiseContext, lane: str, scale: float | NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return fresh variates of the given scale, shape (n,), minus their mean if `center`."""
        noise = self.standard(context, lane)
        if self.center:
            noise -= self.distribution()[0]
        noise *= scale
        return noise

    def distribution(self) -> tuple[float, float]:
        """Return the mean and the sd at scale 1, before centering."""
        return self.unit_moments

    def moments(self) -> tuple[float, float]:
        """Return the mean (0 if centered) and the sd."""
        mean, sd = self.distribution()
        return (0.0 if self.center else mean), sd


class Gumbel(Asymmetric):
    """Gumbel (extreme value, type I) noise with density exp(-z - e**-z) at scale 1.

    The distribution of the largest of many errors; its long tail is above. Its mode is 0, its mean
    0.5772 * scale, its standard deviation scale * pi / sqrt(6). NIST e-Handbook, 1.3.6.6.16.
    """

    name: ClassVar[str] = "gumbel"
    unit_moments: ClassVar[tuple[float, float]] = float(np.euler_gamma), math.pi / math.sqrt(6)


class Exponential(Asymmetric):
    """Exponential noise with density e**-z, z >= 0, at scale 1.

    Errors that only ever add: waiting times, delays, background counts. Its scale is its mean and
    its standard deviation. NIST e-Handbook, 1.3.6.6.7.
    """

    name: ClassVar[str] = "exponential"
    unit_moments: ClassVar[tuple[float, float]] = 1.0, 1.0


@dataclass(frozen=True, kw_only=True)
class Gamma(Asymmetric):
    """Gamma (Erlang) noise with density z**(shape - 1) e**-z / Gamma(shape), z >= 0, at scale 1.

    The sum of `shape` exponential errors: shape = 1 is exponential, a large shape nearly normal.
    Its mean is shape * scale, its standard deviation sqrt(shape) * scale. NIST e-Handbook,
    1.3.6.6.11; drawn by the method of Marsaglia and Tsang (2000).
    """

    name: ClassVar[str] = "gamma"

    shape: float = parameters.number(
        "shape, above 0: how many exponentials it is the sum of", 2.0, above=0
    )

    def standard(self, context: NoiseContext, lane: str) -> NDArray[np.float64]:
        """Return gamma variates of scale 1."""
        return context.variates.drawn("gamma", lane, self.shape)

    def distribution(self) -> tuple[float, float]:
        """Return shape and sqrt(shape)."""
        return self.shape, math.sqrt(self.shape)


@dataclass(frozen=True, kw_only=True)
class LogNormal(Asymmetric):
    """Lognormal noise: x + loc + scale * e**(sigma * z), z ~ N(0, 1).

    Errors that multiply up; its long tail is above. Its scale is its median; its mean is
    scale * e**(sigma**2 / 2), its standard deviation that times sqrt(e**(sigma**2) - 1). NIST
    e-Handbook, 1.3.6.6.9.
    """

    name: ClassVar[str] = "lognormal"
    sigma: float = parameters.number(
        "standard deviation of the noise's logarithm", 1.0, above=0, at_most=18
    )
    """The standard deviation of a larger sigma overflows."""

    def standard(self, context: NoiseContext, lane: str) -> NDArray[np.float64]:
        """Return lognormal variates with median 1."""
        return context.variates.drawn("lognormal", lane, self.sigma)

    def distribution(self) -> tuple[float, float]:
        """Return e**(sigma**2 / 2) and that times sqrt(e**(sigma**2) - 1)."""
        with digits():
            square = Decimal(self.sigma) * Decimal(self.sigma)
            mean = (square / 2).exp()
            return float(mean), float(mean * expm1(square).sqrt())

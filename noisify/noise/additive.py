"""Noise with an amplitude that is added to each value."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from noisify import levels
from noisify.levels import Level
from noisify.noise.interface import Draw, Model, check_parameters, parameter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noisify.random_streams import Variates

__all__ = ["Cauchy", "Laplace", "Level", "Logistic", "Normal", "StudentT", "Uniform"]


@dataclass(frozen=True, kw_only=True)
class Additive(Model):
    """A model that adds loc + scale * (a standard variate) to each value.

    A complex value gets an independent variate in each part, with half the variance each.
    """

    family: ClassVar[str] = "amplitude"

    scale: Level = parameter("the distribution's scale, as a level", levels.DEFAULT)
    loc: float = parameter("added to every value, in the field's unit", 0.0)

    def __post_init__(self) -> None:
        """Check the parameters' limits."""
        check_parameters(self)

    def apply(self, values: NDArray[Any], draw: Draw) -> NDArray[Any]:
        """Return values + loc + scale * variates."""
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows saturates
            return self._apply(values, draw)

    def _apply(self, values: NDArray[Any], draw: Draw) -> NDArray[Any]:
        scale = draw.level(self.scale, values)
        if draw.number.kind == "complex":
            parts = np.empty(len(values), np.complex128)
            half = scale * math.sqrt(0.5)
            parts.real = self.scaled(draw.variates, "noise", half) + self.loc
            parts.imag = self.scaled(draw.variates, "imaginary", half)
            return draw.add(values, parts)
        noise = self.scaled(draw.variates, "noise", scale)
        if self.loc:
            noise += self.loc
        return draw.add(values, noise)

    def scaled(
        self, variates: Variates, lane: str, scale: float | NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return fresh variates of the given scale and loc 0, shape (n,)."""
        noise = self.standard(variates, lane)
        noise *= scale
        return noise

    @abstractmethod
    def standard(self, variates: Variates, lane: str) -> NDArray[np.float64]:
        """Return fresh variates of scale 1 and loc 0, shape (n,)."""


@dataclass(frozen=True, kw_only=True)
class Normal(Additive):
    """Normal (Gaussian) noise: x + loc + scale * z, z ~ N(0, 1).

    The usual model of sensor and channel noise. Its scale is its standard deviation.
    Density: exp(-z**2 / 2) / sqrt(2 pi). Drawn by NumPy's ziggurat (Marsaglia and Tsang, 2000).
    """

    name: ClassVar[str] = "normal"

    def standard(self, variates: Variates, lane: str) -> NDArray[np.float64]:
        """Return standard normal variates."""
        return variates.normal(lane)

    def moments(self) -> tuple[float, float]:
        """Return mean 0 and sd 1."""
        return 0.0, 1.0


@dataclass(frozen=True, kw_only=True)
class Uniform(Additive):
    """Uniform noise: x + loc + u, u uniform on [-scale, scale).

    Rounding and quantisation errors look like this. Its scale is its half-width; its standard
    deviation is scale / sqrt(3).
    """

    name: ClassVar[str] = "uniform"

    def scaled(
        self, variates: Variates, lane: str, scale: float | NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return variates uniform on [-scale, scale), as NumPy's uniform(low, high) rounds them."""
        noise = self.standard(variates, lane)
        noise *= scale
        noise *= 2
        noise -= scale
        return noise

    def standard(self, variates: Variates, lane: str) -> NDArray[np.float64]:
        """Return variates uniform on [0, 1), which `scaled` spreads."""
        return variates.uniform(lane)

    def moments(self) -> tuple[float, float]:
        """Return mean 0 and sd 1/sqrt(3)."""
        return 0.0, 1 / math.sqrt(3)


@dataclass(frozen=True, kw_only=True)
class Laplace(Additive):
    """Laplace (double exponential) noise with density exp(-|z|) / 2 at scale 1.

    Sharper and longer-tailed than the normal; the noise of differential privacy. Its scale is b;
    its standard deviation is b * sqrt(2). NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.6.
    """

    name: ClassVar[str] = "laplace"

    def standard(self, variates: Variates, lane: str) -> NDArray[np.float64]:
        """Return Laplace variates of scale 1."""
        return variates.sample(lane, lambda generator, count: generator.laplace(size=count))

    def moments(self) -> tuple[float, float]:
        """Return mean 0 and sd sqrt(2)."""
        return 0.0, math.sqrt(2)


@dataclass(frozen=True, kw_only=True)
class Cauchy(Additive):
    """Cauchy (Lorentz) noise with density 1 / (pi (1 + z**2)) at scale 1.

    Now and then very far off: it has neither a mean nor a variance, so --sd and --snr refuse it.
    Its scale is gamma, half of its interquartile range. NIST e-Handbook, 1.3.6.6.
    """

    name: ClassVar[str] = "cauchy"

    def standard(self, variates: Variates, lane: str) -> NDArray[np.float64]:
        """Return Cauchy variates of scale 1."""
        return variates.sample(lane, lambda generator, count: generator.standard_cauchy(count))


@dataclass(frozen=True, kw_only=True)
class StudentT(Additive):
    """Student's t noise with df degrees of freedom: between Cauchy (df = 1) and normal (large df).

    Density at scale 1: proportional to (1 + z**2 / df) ** (-(df + 1) / 2). Its standard deviation
    is scale * sqrt(df / (df - 2)), and there is none for df <= 2: --sd and --snr refuse that.
    """

    name: ClassVar[str] = "student-t"

    df: float = parameter("degrees of freedom, above 0", 3.0, above=0.0)

    def standard(self, variates: Variates, lane: str) -> NDArray[np.float64]:
        """Return t variates."""
        return variates.sample(lane, lambda generator, count: generator.standard_t(self.df, count))

    def moments(self) -> tuple[float, float] | None:
        """Return mean 0 and sd sqrt(df / (df - 2)), or None for df <= 2."""
        return (0.0, math.sqrt(self.df / (self.df - 2))) if self.df > 2 else None  # noqa: PLR2004


@dataclass(frozen=True, kw_only=True)
class Logistic(Additive):
    """Logistic noise with density e**-z / (1 + e**-z)**2 at scale 1.

    Like the normal with somewhat heavier tails. Its standard deviation is scale * pi / sqrt(3).
    """

    name: ClassVar[str] = "logistic"

    def standard(self, variates: Variates, lane: str) -> NDArray[np.float64]:
        """Return logistic variates of scale 1."""
        return variates.sample(lane, lambda generator, count: generator.logistic(size=count))

    def moments(self) -> tuple[float, float]:
        """Return mean 0 and sd pi/sqrt(3)."""
        return 0.0, math.pi / math.sqrt(3)

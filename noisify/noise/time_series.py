"""Noise that depends on its past, in the order of the elements: rows, or C order in an array."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from noisify.core.chunk import BLOCK
from noisify.core.errors import UsageError
from noisify.noise import parameters
from noisify.noise.additive import Additive
from noisify.noise.gaussian_processes import Process, Stream, sequence, values_of_block
from noisify.noise.parameters import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from noisify.statistics.survey import FieldStatistics
    from noisify.streams.streams import Variates


@dataclass(frozen=True, kw_only=True)
class AR1(Additive):
    """First-order autoregressive noise: x + loc + scale * y, each y close to the one before.

    y[t + 1] = rho y[t] + sqrt(1 - rho**2) z, z ~ N(0, 1), in the order of the elements. The model
    of a sensor whose errors last: "red noise" in climate records, exponentially correlated noise in
    IEEE Std 952. It is stationary from the first element on: normal, with scale as its standard
    deviation, and correlation rho**k over k elements; errors last about -1 / ln(rho) elements. A
    negative rho alternates. Drawn exactly. Box and Jenkins, Time Series Analysis, 1970, chapter 3.
    """

    name: ClassVar[str] = "ar1"
    family: ClassVar[str] = "time series"
    example: ClassVar[str] = "-s 0.1sd -p rho=0.95"

    rho: float = parameters.number("correlation of neighbouring elements, between -1 and 1", 0.9)

    def __post_init__(self) -> None:
        """Check that rho is inside its limits."""
        super().__post_init__()
        if not abs(self.rho) < 1:
            raise ParameterError(
                f"rho {self.rho:g} of {self.name} must be above -1 and below 1; "
                "errors that add up are random-walk",
                "rho",
            )

    def standard(self, variates: Variates, lane: str) -> NDArray[np.float64]:
        """Return a stationary sequence of standard deviation 1."""
        stream, process = Stream.of(variates, lane), Process.stationary(self.rho)
        return sequence(variates, lambda block: values_of_block(stream, process, block))

    def moments(self) -> tuple[float, float]:
        """Return mean 0 and sd 1."""
        return 0.0, 1.0


@dataclass(frozen=True, kw_only=True)
class RandomWalk(Additive):
    """A random walk: x + loc + scale * (the sum of all steps so far), steps ~ N(0, 1).

    The integral of white noise: a clock's phase, a position from dead reckoning (IEEE Std 952:
    random walk). The walk starts at 0, so element 0 only gets loc. scale is the standard deviation
    of one step; that of element t is scale * sqrt(t). There is none for the field as a whole, so
    --sd and --snr refuse it. A scale that differs between elements (5%, @column) multiplies the
    walk's value at each element.

    Drawn exactly, by a coarse walk and Brownian bridges (Levy, 1948).
    """

    name: ClassVar[str] = "random-walk"
    unmeasured: ClassVar[str] = "has no sd for the whole field: it grows from element to element"
    family: ClassVar[str] = "time series"
    example: ClassVar[str] = "-s 0.01"

    def standard(self, variates: Variates, lane: str) -> NDArray[np.float64]:
        """Return a walk with steps of standard deviation 1."""
        stream = Stream.of(variates, lane)
        return sequence(variates, lambda block: values_of_block(stream, Process.walk(), block))


@dataclass(frozen=True, kw_only=True)
class PowerLaw(Additive):
    """Noise whose power falls or rises as a power of the frequency."""

    family: ClassVar[str] = "time series"
    example: ClassVar[str] = "-s 0.1sd"
    LAW: ClassVar[float]
    """The exponent a of power ~ 1 / f**a, from -2 to 2."""

    def law(self) -> float:
        """Return the exponent."""
        return self.LAW

    def standard(self, variates: Variates, lane: str) -> NDArray[np.float64]:
        """Return a stationary sequence of standard deviation 1."""
        blend = blend_for(self.law())
        parts = [
            (Stream.of(variates, f"{lane} {part.number}"), part.process, part.amplitude)
            for part in blend.parts
        ]

        def block_values(block: int) -> NDArray[np.float64]:
            total = np.zeros(BLOCK + 1)
            for stream, process, amplitude in parts:
                values = values_of_block(stream, process, block)
                values *= amplitude
                total += values
            values = total[:-1] * blend.own
            total *= blend.following
            values += total[1:]
            return values

        return sequence(variates, block_values)

    def moments(self) -> tuple[float, float]:
        """Return mean 0 and sd 1."""
        return 0.0, 1.0


@dataclass(frozen=True, kw_only=True)
class ColoredNoise(PowerLaw):
    """Coloured noise: x + loc + scale * y, where y's power at frequency f is ~ 1 / f**exponent.

    In the order of the elements: exponent 1 is pink, 2 brown, 0 white, -1 blue, -2 violet, and
    anything between. y is stationary and normal, and scale is its standard deviation.

    For an exponent above 0, y is a sum of nine independent first-order autoregressive sequences
    with time constants from under one element to 2**20, weighted in closed form, and smoothed
    slightly over two elements. Its spectrum is within 0.3 dB of 1 / f**exponent from 1e-6 to 0.3
    cycles per element, and level below 1e-7. For an exponent below 0 it is the differences
    of such a sequence of exponent + 2, not smoothed: within 0.3 dB of (2 sin(pi f))**-exponent up
    to 0.5, which at 0.3 cycles lies 0.7 dB (blue) to 1.3 dB (violet) under the power law.

    With exponents of 1 and more, much of y changes slowly: a field much shorter than a million
    elements sees that part as an offset or a trend, and deviates less than scale from its mean.
    Drawn exactly, at any length. Kasdin, "Discrete simulation of colored noise", Proc. IEEE 83,
    1995; sums of relaxations: van der Ziel, Physica 16, 1950.
    """

    name: ClassVar[str] = "colored"
    example: ClassVar[str] = "-s 0.1sd -p exponent=1.5"

    exponent: float = parameters.number("a in power ~ 1 / f**a, from -2 to 2", 1.0)

    def __post_init__(self) -> None:
        """Check that the exponent is inside its limits."""
        super().__post_init__()
        if not abs(self.exponent) <= STEEPEST:
            raise ParameterError(
                f"exponent {self.exponent:g} of {self.name} must be from -2 to 2", "exponent"
            )

    def law(self) -> float:
        """Return the exponent."""
        return self.exponent


@dataclass(frozen=True, kw_only=True)
class PinkNoise(PowerLaw):
    """Pink (flicker) noise: x + loc + scale * y, y's power ~ 1/f: the same in every octave.

    The low-frequency noise of electronics, oscillators and many natural records. y is stationary
    and normal, and scale is its standard deviation. Within 0.3 dB of 1/f from 1e-6 to 0.3 cycles
    per element. Its slow half shows as an offset or a trend in a field much shorter than a million
    elements. The same as colored with exponent 1, where the construction is explained. Kasdin,
    Proc. IEEE 83, 1995.
    """

    name: ClassVar[str] = "pink"
    LAW: ClassVar[float] = 1.0


@dataclass(frozen=True, kw_only=True)
class BrownNoise(PowerLaw):
    """Brown (red) noise: x + loc + scale * y, y's power ~ 1 / f**2, kept from running away.

    Like a random walk, but held to a standard deviation of scale by a time constant of 2**20
    elements. A field much shorter than that sees little more than an offset: its elements differ
    by about scale * sqrt(k / 524,288) over k elements. To set the step instead, take random-walk.
    The same as colored with exponent 2. Kasdin, Proc. IEEE 83, 1995.
    """

    name: ClassVar[str] = "brown"
    LAW: ClassVar[float] = 2.0


@dataclass(frozen=True, kw_only=True)
class BlueNoise(PowerLaw):
    """Blue noise: x + loc + scale * y, y's power ~ f: the differences of pink noise.

    Averaging over neighbours removes most of it, as in dither. y is stationary and normal, and
    scale is its standard deviation. The same as colored with exponent -1, which states the
    accuracy. Kasdin, Proc. IEEE 83, 1995.
    """

    name: ClassVar[str] = "blue"
    LAW: ClassVar[float] = -1.0


@dataclass(frozen=True, kw_only=True)
class VioletNoise(PowerLaw):
    """Violet noise: x + loc + scale * y, y's power ~ f**2: the differences of white noise.

    The derivative of a noisy record: y[t] = (z[t + 1] - z[t]) / sqrt(2), z ~ N(0, 1), with a
    correlation of -1/2 between neighbours. y is stationary and normal, and scale is its standard
    deviation. The same as colored with exponent -2. Kasdin, Proc. IEEE 83, 1995.
    """

    name: ClassVar[str] = "violet"
    LAW: ClassVar[float] = -2.0


@dataclass(frozen=True, kw_only=True)
class Drift(Additive):
    """Linear drift: x + loc + scale * z * i / (length - 1), i = 0 ... length - 1 the element.

    A zero that moves steadily, as in an instrument that warms up (IEEE Std 952: ramp). z is one
    standard normal for the whole field, so scale is the standard deviation of the drift's end; with
    fixed=true z is 1, and the drift ends at scale. A complex value drifts in each part, with half
    the variance each.
    """

    name: ClassVar[str] = "drift"
    family: ClassVar[str] = "time series"
    example: ClassVar[str] = "-s 1sd -p fixed=true"

    fixed: bool = parameters.truth(
        "whether every field drifts to +scale, not to scale * z", default=False
    )
    length: int | None = parameters.whole(
        "elements of the field; default: as many as it has", at_least=0
    )

    def statistics(self, field: str) -> Mapping[str, frozenset[str]]:
        """Request the field's length unless it is given."""
        return {field: frozenset({"length"})} if self.length is None else {}

    def fit(self, field: str, statistics: Mapping[str, FieldStatistics]) -> Self:
        """Return this model with the field's length filled in."""
        if self.length is not None:
            return self
        return dataclasses.replace(self, length=statistics[field].length)

    def standard(self, variates: Variates, lane: str) -> NDArray[np.float64]:
        """Return a line from 0 to z."""
        if self.length is None:
            raise UsageError("drift needs the length of the field; add -p length=ELEMENTS")
        last = max(self.length - 1, 1)
        end = 1.0
        if not self.fixed:
            (end,) = variates.block(
                lane, 0, lambda generator, count: generator.standard_normal(count), 1
            )
        within = np.arange(BLOCK)
        line = sequence(variates, lambda block: (within + block * BLOCK) / last)
        line *= end
        return line


STEEPEST = 2.0
"""The largest magnitude of an exponent."""
SLOWEST = 2.0**-40
"""The corner, as a squared frequency, of the slowest part: its time constant is 2**20 elements."""
APART = 2.0**6
"""The ratio of neighbouring corners; that of their time constants is 8."""
CORNERS = 8
DIGITS = 12
"""Digits kept of an amplitude, so that it does not depend on the machine's `pow`."""


@dataclass(frozen=True)
class Part:
    """One stationary process in a blend: its number, which names its lane, and its share."""

    number: int
    process: Process
    amplitude: float


@dataclass(frozen=True)
class Blend:
    """A weighted sum of processes, filtered over each element and the following one.

    Attributes:
        parts: The independent processes.
        own: The filter's weight of the sum at the element itself.
        following: The filter's weight of the sum at the next element.
    """

    parts: tuple[Part, ...]
    own: float
    following: float

    def spectrum(self, frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the spectral density of a sequence at frequencies in cycles per element."""
        cosine = np.cos(2 * np.pi * frequencies)
        total = np.zeros(frequencies.shape)
        for part in self.parts:
            rho, step = part.process.rho, part.process.step
            total += (part.amplitude * step) ** 2 / ((1 - rho) ** 2 + 2 * rho * (1 - cosine))
        own, following = self.own, self.following
        return np.asarray(total * ((own + following) ** 2 - 2 * own * following * (1 - cosine)))


@lru_cache(maxsize=64)
def blend_for(exponent: float) -> Blend:
    """Return the blend of standard deviation 1 whose power is ~ 1 / f**exponent."""
    if exponent < 0:
        return _blend(exponent + 2, -1.0, 1.0)
    # A sum of first-order processes follows (2 sin(pi f))**-exponent, which exceeds the power law
    # towards f = 1/2. Two taps 1 : a pass (1 + a**2) / (1 + a)**2 of the power at f = 1/4; this a
    # corrects the excess there, and within 0.1 dB up to f = 0.3.
    left = (math.sin(math.pi / 4) / (math.pi / 4)) ** exponent
    return _blend(exponent, 1.0, (1 - left) / (left + math.sqrt(2 * left - 1)))


def _blend(exponent: float, own: float, following: float) -> Blend:
    """Return a blend with these taps, scaled to standard deviation 1."""
    processes = [Process.stationary(_correlation(corner)) for corner in _corners()]
    processes.append(Process.stationary(0.0))
    variances = _variances(exponent)
    taps = [
        (own + following) ** 2 - 2 * own * following * (1 - process.rho) for process in processes
    ]
    total = sum(variance * tap for variance, tap in zip(variances, taps, strict=True))
    amplitudes = [float(f"{math.sqrt(variance / total):.{DIGITS}g}") for variance in variances]
    parts = [
        Part(number, process, amplitude)
        for number, (process, amplitude) in enumerate(zip(processes, amplitudes, strict=True))
        if amplitude
    ]
    return Blend(tuple(parts), own, following)


def _variances(exponent: float) -> list[float]:
    """Return the relative variances of the parts, slowest first, white last.

    With x = (2 sin(pi f))**2 and d = exponent / 2, for 0 < d < 1,

        x**-d = sin(pi d) / pi * integral of s**(1 - d) / (s + x) d(ln s) over all s > 0,

    and 1 / (s + x) is the spectrum of a first-order process of variance 1 / sqrt(s**2 + 4 s). The
    trapezoidal rule in ln s gives the weights; it converges so fast that corners a factor of 64
    apart leave a ripple of 0.16 dB. The terms below the lowest corner are added to it, and those
    above the highest are white noise: two geometric series.
    """
    d = exponent / 2
    if d in {0, 1}:
        return [float(d == 1), *([0.0] * (CORNERS - 1)), float(d == 0)]
    weights = [corner ** (1 - d) for corner in _corners()]
    weights[0] /= 1 - APART ** (d - 1)
    white = (SLOWEST * APART**CORNERS) ** -d / (1 - APART**-d)
    return [
        *(
            weight / math.sqrt(corner * (corner + 4))
            for weight, corner in zip(weights, _corners(), strict=True)
        ),
        white,
    ]


def _corners() -> list[float]:
    return [SLOWEST * APART**number for number in range(CORNERS)]


def _correlation(corner: float) -> float:
    """Return the rho, from 0 to 1, for which (1 - rho)**2 / rho is the squared corner."""
    return 1 - (math.sqrt(corner * (1 + corner / 4)) - corner / 2)

"""Noise that follows the order of the elements, in the rows of a table or along an axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from noisify.core.chunk import BLOCK
from noisify.core.errors import UsageError
from noisify.noise import level as levels
from noisify.noise import parameters
from noisify.noise.additive import Additive
from noisify.noise.gaussian_processes import Process, Stream, sequence, values_of_block
from noisify.noise.model import Model, NoiseContext
from noisify.noise.parameters import ParameterError
from noisify.noise.power_law import (
    LEAST_PERIOD,
    STEEPEST,
    Blend,
    blend_for_length,
    blend_for_period,
    has_slow_part,
)
from noisify.streams.ziggurat import normal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from noisify.noise.level import Level
    from noisify.statistics.survey import FieldStatistics


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
    unit_moments: ClassVar[tuple[float, float]] = 0.0, 1.0
    family: ClassVar[str] = "time series"
    example: ClassVar[str] = "-s 0.1sd -p rho=0.95"

    rho: float = parameters.number("correlation of neighbouring elements, between -1 and 1", 0.9)
    axis: int = parameters.axis()

    def __post_init__(self) -> None:
        """Check that rho is inside its limits."""
        super().__post_init__()
        if not abs(self.rho) < 1:
            raise ParameterError(
                f"rho {self.rho:g} of {self.name} must be above -1 and below 1; "
                "errors that add up are random-walk",
                "rho",
            )

    def standard(self, context: NoiseContext, lane: str) -> NDArray[np.float64]:
        """Return a stationary sequence of standard deviation 1."""
        stream, process = Stream.of(context.variates, lane), Process.stationary(self.rho)
        return sequence(context.variates, lambda block: values_of_block(stream, process, block))


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

    axis: int = parameters.axis()

    def standard(self, context: NoiseContext, lane: str) -> NDArray[np.float64]:
        """Return a walk with steps of standard deviation 1."""
        stream = Stream.of(context.variates, lane)
        return sequence(
            context.variates, lambda block: values_of_block(stream, Process.walk(), block)
        )


@dataclass(frozen=True, kw_only=True)
class PowerLaw(Additive):
    """Noise whose power falls or rises as a power of the frequency.

    Its sd is the expected one of the field about its own mean.
    """

    unit_moments: ClassVar[tuple[float, float]] = 0.0, 1.0
    family: ClassVar[str] = "time series"
    example: ClassVar[str] = "-s 0.1sd"
    LAW: ClassVar[float]
    """The exponent a of power ~ 1 / f**a, from -2 to 2."""

    cutoff: int | None = parameters.whole(
        "the slowest period, in elements; default: the field's length", at_least=2
    )
    length: int | None = parameters.whole(
        "elements of the field; default: as many as it has", at_least=0
    )
    axis: int = parameters.axis()

    def law(self) -> float:
        """Return the exponent."""
        return self.LAW

    def statistics(self, field: str) -> Mapping[str, frozenset[str]]:
        """Request the field's length if the slowest period depends on it."""
        needed = has_slow_part(self.law()) and self.cutoff is None and self.length is None
        return {field: frozenset({"length"})} if needed else {}

    def fitted(self, field: str, statistics: Mapping[str, FieldStatistics]) -> dict[str, Any]:
        """Return the field's length."""
        return {"length": statistics[field].length}

    def blend(self) -> Blend:
        """Return the blend for the slowest period."""
        if not has_slow_part(self.law()):
            return blend_for_period(self.law(), LEAST_PERIOD)
        if self.cutoff is not None:
            return blend_for_period(self.law(), self.cutoff)
        if self.length is None:
            raise UsageError(
                f"{self.name} needs the length of the field; add -p length=ELEMENTS, or "
                "-p cutoff=ELEMENTS for its slowest period"
            )
        return blend_for_length(self.law(), self.length)

    def standard(self, context: NoiseContext, lane: str) -> NDArray[np.float64]:
        """Return a sequence whose standard deviation in the field is expected to be 1."""
        blend = self.blend()
        parts = [
            (Stream.of(context.variates, f"{lane} {part.number}"), part.process, part.amplitude)
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

        return sequence(context.variates, block_values)

    def mean_square(self) -> float:
        """Return the expected mean square, in which the field's own mean is left."""
        return self.blend().mean_square


@dataclass(frozen=True, kw_only=True)
class ColoredNoise(PowerLaw):
    """Coloured noise: x + loc + scale * y, where y's power at frequency f is ~ 1 / f**exponent.

    In the order of the elements: exponent 1 is pink, 2 brown, 0 white, -1 blue, -2 violet, and
    anything between. y is stationary and normal, and scale is its standard deviation.

    The slowest period is the field's length, unless cutoff gives another; slower than that, the
    spectrum is level. So scale is the standard deviation that the field is expected to show about
    its own mean, and --snr counts the mean as well. With cutoff, scale is the standard deviation of
    y over a time much longer than that, and the length need not be known: standard input is not
    read twice.

    For an exponent above 0, y is a sum of independent first-order autoregressive sequences with
    time constants in equal ratios of at most 8, weighted in closed form, and smoothed slightly over
    two elements. Its spectrum is within 1 dB of 1 / f**exponent from one cycle in the slowest
    period to 0.3 cycles per element. For an exponent below 0 it is the differences of such a
    sequence of exponent + 2, not smoothed, and follows (2 sin(pi f))**-exponent: within 1 dB of the
    power law up to 0.25 cycles. Fields of fewer than 16 elements get the noise of 16.

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


class PinkNoise(PowerLaw):
    """Pink (flicker) noise: x + loc + scale * y, y's power ~ 1/f: the same in every octave.

    The low-frequency noise of electronics, oscillators and many natural records. The slowest period
    is the field's length, or cutoff, and scale is the standard deviation that the field is expected
    to show. The same as colored with exponent 1, where construction and accuracy are explained.
    Kasdin, Proc. IEEE 83, 1995.
    """

    name: ClassVar[str] = "pink"
    LAW: ClassVar[float] = 1.0


class BrownNoise(PowerLaw):
    """Brown (red) noise: x + loc + scale * y, y's power ~ 1 / f**2, kept from running away.

    Like a random walk, but stationary: a first-order process whose time constant is 0.4 times the
    field's length, or cutoff. scale is the standard deviation that the field is expected to show
    about its own mean; the mean varies as much. To set the step instead, take random-walk. The same
    as colored with exponent 2. Kasdin, Proc. IEEE 83, 1995.
    """

    name: ClassVar[str] = "brown"
    LAW: ClassVar[float] = 2.0


class BlueNoise(PowerLaw):
    """Blue noise: x + loc + scale * y, y's power ~ f: the differences of pink noise.

    Averaging over neighbours removes most of it, as in dither. scale is the standard deviation
    that the field is expected to show. The same as colored with exponent -1, which states the
    accuracy. Kasdin, Proc. IEEE 83, 1995.
    """

    name: ClassVar[str] = "blue"
    LAW: ClassVar[float] = -1.0


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
    axis: int = parameters.axis()

    def statistics(self, field: str) -> Mapping[str, frozenset[str]]:
        """Request the field's length unless it is given."""
        return {field: frozenset({"length"})} if self.length is None else {}

    def fitted(self, field: str, statistics: Mapping[str, FieldStatistics]) -> dict[str, Any]:
        """Return the field's length."""
        return {"length": statistics[field].length}

    def standard(self, context: NoiseContext, lane: str) -> NDArray[np.float64]:
        """Return a line from 0 to z."""
        if self.length is None:
            raise UsageError("drift needs the length of the field; add -p length=ELEMENTS")
        last = max(self.length - 1, 1)
        end = 1.0
        if not self.fixed:
            (end,) = normal(context.variates.stream(lane).words(range(1)))
        within = np.arange(BLOCK)
        line = sequence(context.variates, lambda block: (within + block * BLOCK) / last)
        line *= end
        return line


@dataclass(frozen=True, kw_only=True)
class TimingJitter(Model):
    """Timing jitter: each sample is taken scale * z too late, z ~ N(0, 1), between its neighbours.

    The shift, in samples, is limited to -1 to 1; values are interpolated linearly between the
    elements. A missing neighbour counts as the element's own value. Sampling clock jitter, as IEEE
    Std 1241 (analog-to-digital converters) describes it.
    """

    name: ClassVar[str] = "timing-jitter"
    family: ClassVar[str] = "time series"
    example: ClassVar[str] = "-s 0.2"
    takes_series: ClassVar[bool] = True

    scale: Level = parameters.level(
        "standard deviation of the shift, in samples", levels.Absolute(0.1)
    )
    axis: int = parameters.axis()

    def __post_init__(self) -> None:
        """Check that the scale is a number of samples."""
        super().__post_init__()
        if not isinstance(self.scale, levels.Absolute):
            raise ParameterError(
                f"scale {self.scale} of timing-jitter is not in samples; type 0.1", "scale"
            )

    @property
    def halo(self) -> int:
        """One element: the neighbour."""
        return 1

    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return the values a little earlier or later."""
        if not len(values):
            return values
        scale = context.level(self.scale, values)
        shift = np.clip(context.variates.normal("noise") * scale, -1.0, 1.0)
        floats = context.number.to_float(values)
        there = np.ones(len(values), bool) if context.usable is None else context.usable
        own = np.arange(len(values))
        length = len(values) // context.series
        first = own // length * length
        towards = np.clip(own + np.where(shift < 0, -1, 1), first, first + length - 1)
        towards = np.where(there[towards], towards, own)
        with np.errstate(over="ignore", invalid="ignore"):
            share, gap = np.abs(shift), floats[towards] - floats
            wide = ~np.isfinite(gap)
            noisy = context.add(values, np.where(wide, 0.0, gap) * share)
            if wide.any():  # the difference of the two values overflows
                noisy[wide] = (floats * (1 - share) + floats[towards] * share)[wide]
        return noisy

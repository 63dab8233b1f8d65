"""Noise of instruments: gain, offset, resolution and the wrong unit."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from noisify.core.errors import UsageError
from noisify.noise import level as levels
from noisify.noise import parameters
from noisify.noise.additive import Additive
from noisify.noise.model import NUMBERS, Model, NoiseContext, RateModel, headroom
from noisify.noise.parameters import ParameterError
from noisify.streams.ziggurat import normal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from noisify.noise.level import Level, Rate
    from noisify.noise.parameters import Numbers
    from noisify.statistics.survey import FieldStatistics

_LARGEST = float(np.finfo(np.float64).max)
_EXACT = 2**51
"""float64 holds whole numbers up to this, and the halves between them, exactly."""


@dataclass(frozen=True, kw_only=True)
class Multiplicative(Model):
    """Multiplicative (speckle) noise: x * (1 + scale * z), z ~ N(0, 1).

    Errors that grow with the value: gain, speckle in radar and ultrasound images. The scale is a
    share (0.1 and 10% are the same), and the SNR is -20 log10(scale) dB. With dist=uniform z is
    uniform on [-1, 1), so that the scale is the half-width and the standard deviation is
    scale / sqrt(3) of the value. A complex value keeps its phase, or is turned by 180 degrees.
    MATLAB's imnoise(I, "speckle") has the uniform one, ImageNet-C (Hendrycks and Dietterich, 2019)
    the normal one.
    """

    name: ClassVar[str] = "multiplicative"
    family: ClassVar[str] = "amplitude"
    takes: ClassVar[frozenset[str]] = NUMBERS
    example: ClassVar[str] = "-s 5%"
    DISTRIBUTIONS: ClassVar[tuple[str, ...]] = ("normal", "uniform")

    scale: Level = parameters.level(
        "share of each value: a number, 5% or @field", levels.Absolute(0.1)
    )
    dist: str = parameters.text("distribution of z: normal or uniform (half-width 1)", "normal")

    def __post_init__(self) -> None:
        """Check that the scale is a share and the distribution one of the two."""
        super().__post_init__()
        if isinstance(self.scale, levels.OfField | levels.Duration):
            raise ParameterError(
                f"scale {self.scale} of {self.name} is not a share of each value; type 0.05 or 5%",
                "scale",
            )
        if self.dist not in self.DISTRIBUTIONS:
            offered = " or ".join(self.DISTRIBUTIONS)
            raise ParameterError(f"dist {self.dist!r} of {self.name} is not {offered}", "dist")

    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return values * (1 + scale * z)."""
        share: float | NDArray[np.float64]
        if isinstance(self.scale, levels.Percent):
            share = self.scale.share
        else:
            share = context.level(self.scale, values)
        if self.dist == "uniform":
            gain = 2 * context.variates.uniform("noise") - 1
        else:
            gain = context.variates.normal("noise")
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows saturates
            gain *= share
            np.clip(gain, -_LARGEST, _LARGEST, out=gain)  # infinity times 0 would be NaN
            floats = context.number.to_float(values)
            exponent = headroom(np.abs(floats))
            if np.any(exponent):
                floats = floats * np.ldexp(1.0, -exponent)
            return context.add(values, floats * gain, exponent)


@dataclass(frozen=True, kw_only=True)
class Rounding(Model):
    """Rounding (quantisation): each value becomes the nearest of evenly spaced levels.

    With step, the levels are all its multiples, including 0 (a mid-tread quantiser). With bits,
    there are 2**bits levels from low to high, so the step is (high - low) / (2**bits - 1), and
    values beyond become low or high; low and high are by default the field's own. Half way between
    two levels the even one is taken. Whole numbers and decimals keep their type: a level between
    two of them is rounded to one.

    What analogue-to-digital converters and short printouts do. It involves no chance and no seed.
    The error is at most step / 2, and its standard deviation is about step / sqrt(12) if the step
    is small: Bennett (1948), "Spectra of quantized signals"; Widrow and Kollar (2008),
    "Quantization noise".
    """

    name: ClassVar[str] = "rounding"
    family: ClassVar[str] = "amplitude"
    level: ClassVar[str] = "step"
    random: ClassVar[bool] = False
    example: ClassVar[str] = "-p bits=8"

    step: float | None = parameters.number("distance between levels, in the field's unit", above=0)
    bits: int | None = parameters.whole(
        "instead: 2**bits levels from low to high", at_least=1, at_most=32
    )
    low: float | None = parameters.number("with bits: the lowest level; left out: the field's")
    high: float | None = parameters.number("with bits: the highest level; left out: the field's")

    def __post_init__(self) -> None:
        """Check that the levels are given by either step or bits."""
        super().__post_init__()
        if (self.step is None) == (self.bits is None):
            raise ParameterError(
                "rounding needs one of step and bits; type step=0.5 or bits=8", "step", "bits"
            )
        if self.step is not None and not (self.low is None and self.high is None):
            raise ParameterError(
                "low and high of rounding go with bits, not with step", "low", "high"
            )
        if self.low is not None and self.high is not None:
            if self.low > self.high:
                raise ParameterError(
                    f"low {self.low:g} of rounding is above high {self.high:g}", "low", "high"
                )
            if math.isinf(self.high - self.low):
                raise ParameterError("low and high of rounding are too far apart", "low", "high")

    def statistics(self, field: str) -> Mapping[str, frozenset[str]]:
        """Request the field's range if it is needed and not given."""
        if self.bits is None or (self.low is not None and self.high is not None):
            return {}
        return {field: frozenset({"range"})}

    def fit(self, field: str, statistics: Mapping[str, FieldStatistics]) -> Self:
        """Return this model with the field's range filled in."""
        if not self.statistics(field):
            return self
        found = statistics[field]
        low = found.low if self.low is None else self.low
        high = found.high if self.high is None else self.high
        if not found.count:  # there are no values to round
            low = high = 0.0 if self.low is None else self.low
        return dataclasses.replace(self, low=low, high=high)

    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return the nearest levels."""
        number, grid = context.number, self._grid()
        if number.kind == "float":
            return _written(values, grid.nearest(number.to_float(values)), context)
        grid = grid.in_units(10**number.decimal_scale)
        change = grid.whole_change(values)
        if change is not None:
            return context.add(values, change / float(10**number.decimal_scale))
        # How an element is computed must not depend on other elements of the chunk.
        exactly = (values >= _EXACT) | (values <= -_EXACT) | (values.dtype == object)
        known = np.where(exactly, 0, values).astype(np.float64)
        noisy = context.add(
            values, (np.rint(grid.nearest(known)) - known) / float(10**number.decimal_scale)
        )
        low, high = number.limits
        target = [grid.exact(int(value)) for value in values[exactly]]
        noisy[exactly] = [min(max(value, int(low)), int(high)) for value in target]
        beyond = np.zeros(len(values), bool)
        beyond[exactly] = [not low <= value <= high for value in target]
        context.saturate(beyond)
        return noisy

    def _grid(self) -> Grid:
        if self.step is not None:
            return Grid(Fraction(0), as_typed(self.step))
        if self.low is None or self.high is None or self.bits is None:
            raise UsageError("rounding to bits needs the range of the whole field, or low and high")
        low, last = as_typed(self.low), 2**self.bits - 1
        return Grid(low, (as_typed(self.high) - low) / last, last)


@dataclass(frozen=True)
class Grid:
    """Evenly spaced levels, as exact fractions of the typed decimals.

    Attributes:
        origin: Level number 0.
        step: The distance between levels; 0 if there is only one.
        last: The number of the last level, where the first is 0; None: unbounded on both sides.
    """

    origin: Fraction
    step: Fraction
    last: int | None = None

    def in_units(self, per_unit: int) -> Grid:
        """Return these levels in a smaller unit."""
        return Grid(self.origin * per_unit, self.step * per_unit, self.last)

    def nearest(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the nearest levels as float64, each the float nearest to the decimal level."""
        origin = float(self.origin)
        if not self.step:
            return np.full_like(values, origin)
        rise, run = ratio(self.step)
        if not rise:  # the step underflows float64
            return values if self.last is None else np.clip(values, origin, self._end)
        exponent = headroom(np.maximum(np.abs(values), max(abs(origin), abs(rise))))
        small, start, height = (np.ldexp(part, -exponent) for part in (values, origin, rise))
        with np.errstate(over="ignore", invalid="ignore"):
            count = np.rint((small - start) * run / height)
            if self.last is not None:
                np.clip(count, 0, self.last, out=count)
            nearest = np.ldexp(start + count * height / run, exponent)
        if self.last is None:  # beyond _EXACT a float64 is as near to a level as it can be
            return np.where(np.abs(count) < _EXACT, nearest, values)
        return np.where(count == self.last, self._end, nearest)

    @property
    def _end(self) -> float:
        """The last level."""
        return float(self.origin + self.step * (self.last or 0))

    def whole_change(self, values: NDArray[Any]) -> NDArray[np.float64] | None:
        """Return nearest level - value for integers, exactly; None if the step is not simple."""
        step = self.step.numerator
        if values.dtype == object or self.origin or self.last is not None:
            return None
        if self.step.denominator != 1 or step > min(_EXACT, int(np.iinfo(values.dtype).max)):
            return None
        count, above = np.divmod(values, values.dtype.type(step))
        rest = above.astype(np.float64)
        up = (2 * rest > step) | ((2 * rest == step) & (count % 2 == 1))
        return np.where(up, step - rest, -rest)

    def exact(self, value: int) -> int:
        """Return the level nearest to a whole number, rounded to a whole number."""
        if not self.step:
            return round(self.origin)
        count = round((value - self.origin) / self.step)
        if self.last is not None:
            count = min(max(count, 0), self.last)
        return round(self.origin + count * self.step)


def as_typed(number: float) -> Fraction:
    """Return the decimal that a float is written as, 1/10 for 0.1; whole numbers stay exact."""
    if isinstance(number, int):
        return Fraction(number)
    number = float(number)
    return Fraction(number) if number.is_integer() else Fraction(repr(number))


def ratio(value: Fraction) -> tuple[float, float]:
    """Return two floats, exact if possible, whose quotient is a value.

    Multiplying by 3 and dividing by 10 is more exact than multiplying by 0.3: 3 * 0.3 is not 0.9.
    """
    above, below = value.numerator, value.denominator
    if abs(above) < _EXACT and below <= 10**22 and int(float(below)) == below:
        return float(above), float(below)
    return float(value), 1.0


def _written(values: NDArray[Any], target: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
    """Convert float results to the dtype of the values, saturating at its limits."""
    low, high = context.number.limits
    beyond = (target < low) | (target > high)
    if beyond.any():
        context.saturate(beyond)
        target = np.clip(target, low, high)
    return np.asarray(target, values.dtype)


@dataclass(frozen=True, kw_only=True)
class Bias(Additive):
    """Bias (systematic error): x + loc + scale * z with one z ~ N(0, 1) for the whole field.

    With by=COLUMN there is one z for each key in that column, wherever the key appears: an offset
    for each device, batch, site or observer, as in a random-intercept (batch effect) model. Rows
    without a key share one. A level in % makes it a gain: each value is off by the same share. A
    complex value gets a z in each part, with half the variance each.

    The scale is the standard deviation of the offsets over many fields or keys. Within one offset
    nothing varies, so --sd and --snr refuse it. JCGM 200:2012 (VIM), 2.17, systematic measurement
    error; Laird and Ware (1982), "Random-effects models for longitudinal data".
    """

    name: ClassVar[str] = "bias"
    unmeasured: ClassVar[str] = "has no sd in a field: it is one offset for all of it"
    example: ClassVar[str] = "-s 0.1sd -p by=device"

    scale: Level = parameters.level("standard deviation of the offsets, as a level", levels.DEFAULT)
    by: str | None = parameters.text("the field whose keys have an offset each; left out: none")

    def __post_init__(self) -> None:
        """Check that the level and the keys do not come from the same field."""
        super().__post_init__()
        if isinstance(self.scale, levels.FromField) and self.scale.field == self.by:
            raise ParameterError(
                f"by {self.by!r} of bias is the field that the scale comes from", "by"
            )

    def companions(self) -> frozenset[str]:
        """Return the fields of the level and of the keys."""
        return super().companions() | self.key_fields()

    def key_fields(self) -> frozenset[str]:
        """Return the field of the keys."""
        return frozenset() if self.by is None else frozenset({self.by})

    def standard(self, context: NoiseContext, lane: str) -> NDArray[np.float64]:
        """Return the z of the field for each element, or that of each element's key."""
        stream = context.variates.stream(lane)
        if self.by is None:
            (first,) = normal(stream.words(range(1)))
            return np.full(context.variates.positions.size, first)
        return normal(stream.words(context.keys[self.by]))


@dataclass(frozen=True, kw_only=True)
class ScaleBy(RateModel):
    """The wrong unit: each value is multiplied by a factor with probability rate.

    Millimetres for metres, cents for euros, a decimal point that slipped. Of several factors, each
    value hit takes one with equal chance: "10|100|1000", or "0.001" for the other way round.
    Statistical offices call it the thousand or unity measure error: de Waal, Pannekoek and Scholtus
    (2011), "Handbook of statistical data editing and imputation", chapter 2.
    """

    name: ClassVar[str] = "scale-by"
    example: ClassVar[str] = "--rate 1% -p factor=1000"

    rate: Rate = parameters.rate("share of the values that are hit", 0.01)
    factor: Numbers = parameters.numbers(
        "one factor, or several with | between", (10.0, 100.0, 1000.0)
    )

    def __post_init__(self) -> None:
        """Check the factors."""
        super().__post_init__()
        if not self.factor or not all(math.isfinite(factor) for factor in self.factor):
            raise ParameterError(
                f"factor {self.factor} of scale-by must be one or more finite numbers", "factor"
            )

    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return the values, with those hit multiplied by a factor."""
        ratios = np.array([ratio(as_typed(factor)) for factor in self.factor])
        choice = np.floor(context.variates.uniform("factor") * len(ratios)).astype(np.int64)
        hit = context.hit(self.rate)
        known = context.number.to_float(values)
        with np.errstate(over="ignore"):  # what overflows saturates
            target = known * ratios[choice, 0] / ratios[choice, 1]
            if context.number.kind == "float":
                return _written(values, np.where(hit, target, values), context)
            unit = float(10**context.number.decimal_scale)
            target = np.rint(target * unit) / unit
        return context.add(values, np.where(hit, target - known, 0.0))

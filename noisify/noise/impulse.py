"""Noise that hits a share of the elements and leaves the others as they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from noisify.core.chunk import BLOCK
from noisify.core.errors import UsageError
from noisify.noise import level as levels
from noisify.noise import parameters
from noisify.noise.model import NUMBERS, NoiseContext, RateModel
from noisify.noise.parameters import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from noisify.core.dtypes import NumberType
    from noisify.noise.level import Level, Rate
    from noisify.statistics.survey import FieldStatistics

_FAIR = 0.5
"""The probability of either side of a fair coin."""
_LARGEST = float(np.finfo(np.float64).max)
_WORDS = 1 << 64
"""How many different words there are."""
_EXACT = 1 << 53
"""float64 holds every integer below this."""


@dataclass(frozen=True, kw_only=True)
class Ranged(RateModel):
    """A model that takes new values from a range: by default the type's, or 0 to 1 for floats."""

    low: float | None = parameters.number("lowest value; left out: of the type, 0 for floats")
    high: float | None = parameters.number("highest value; left out: of the type, 1 for floats")

    def __post_init__(self) -> None:
        """Check the limits, and that they are in order."""
        super().__post_init__()
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ParameterError(
                f"low {self.low:g} of {self.name} is above high {self.high:g}", "low", "high"
            )

    def ends(self, number: NumberType) -> tuple[Any, Any]:
        """Return the lowest and the highest new value, in the units of the arrays."""
        if number.kind == "int":
            least, most = number.limits
            low = least if self.low is None else number.bounds(self.low, math.inf)[0]
            high = most if self.high is None else number.bounds(-math.inf, self.high)[1]
        else:
            typed = (0.0 if self.low is None else self.low, 1.0 if self.high is None else self.high)
            low, high = number.bounds(*typed)
        if low > high:
            raise UsageError(f"low {low} of {self.name} is above high {high}")
        return low, high


@dataclass(frozen=True, kw_only=True)
class SaltAndPepper(Ranged):
    """Salt-and-pepper noise: an element that is hit becomes the highest or the lowest value.

    Dead and hot pixels, bit errors of a converter. Half of those hit become high (salt) unless
    `salt` says otherwise, as in MATLAB's imnoise(I, "salt & pepper", d). Integers go to the ends of
    their type (0 and 255 for uint8), floats to 0 and 1, unless low and high are given. Gonzalez and
    Woods, "Digital Image Processing", section 5.2.
    """

    name: ClassVar[str] = "salt-and-pepper"

    salt: Rate = parameters.rate("share of those hit that become high", 0.5)

    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return the values, with those hit replaced by either end."""
        low, high = self.ends(context.number)
        up = context.variates.uniform("salt") < self.salt
        out = values.copy()
        hit = context.hit(self.rate)
        out[hit & up] = high
        out[hit & ~up] = low
        return out


class Impulse(Ranged):
    """Random-valued impulses: an element that is hit becomes any value, uniform on low to high.

    Integers are uniform over all whole numbers from low to high, both included: the whole type
    unless given. Random-valued impulse noise as in Garnett et al. (2005), "A universal noise
    removal algorithm with an impulse detector".
    """

    name: ClassVar[str] = "impulse"

    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return the values, with those hit replaced by any value of the range."""
        low, high = self.ends(context.number)
        out = values.copy()
        at = np.flatnonzero(context.hit(self.rate))
        if context.number.kind == "float":
            share = context.variates.uniform("value")[at]
            ends = float(low), float(high)
            found = ends[0] * (1 - share) + ends[1] * share
            out[at] = np.clip(found, *ends)
            return out
        span = int(high) - int(low) + 1
        if span <= _WORDS:
            steps = context.variates.integers("value", span)[at].tolist()
        else:  # more than a word holds
            words = (context.variates.integers(lane, _WORDS)[at] for lane in ("value", "rest"))
            steps = [
                (above * _WORDS + below) * span // _WORDS**2
                for above, below in zip(*[some.tolist() for some in words], strict=True)
            ]
        out[at] = _stepped(int(low), steps, values.dtype)
        return out


def _stepped(low: int, steps: list[int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return low + steps, exactly."""
    out = np.empty(len(steps), dtype)
    out[:] = [low + step for step in steps]
    return out


@dataclass(frozen=True, kw_only=True)
class Outlier(RateModel):
    """Outliers: an element that is hit is pushed beyond the quartile fences.

    The fences lie `factor` interquartile ranges below the lower and above the upper quartile of the
    whole field (Tukey, 1977, "Exploratory Data Analysis": 1.5 is an outlier, 3 is far out). The new
    value lies strictly beyond one of them, chosen with equal chance, by an exponential amount whose
    mean is an interquartile range. Where the type does not reach beyond one fence, it lies beyond
    the other.
    """

    name: ClassVar[str] = "outlier"

    factor: float = parameters.number(
        "interquartile ranges from quartile to fence", 3.0, at_least=0
    )
    low: float | None = parameters.number("the lower fence; left out: the field's")
    high: float | None = parameters.number("the upper fence; left out: the field's")
    spread: float | None = parameters.number(
        "mean distance beyond the fence; left out: the iqr", at_least=0.0
    )

    def statistics(self, field: str) -> Mapping[str, frozenset[str]]:
        """Request the quartiles unless the fences and the spread are given."""
        given = None not in (self.low, self.high, self.spread)
        return {} if given else {field: frozenset({"iqr"})}

    def fitted(self, field: str, statistics: Mapping[str, FieldStatistics]) -> dict[str, Any]:
        """Return the field's fences and its interquartile range."""
        found = statistics.get(field)
        low: float = 0.0  # for an empty field, where nothing is hit
        high: float = 0.0
        spread = 0.0
        if found is not None and found.count:
            spread = min(found.iqr, _LARGEST)
            low, high = fences(found.lower_quartile, found.upper_quartile, self.factor)
        return {"low": low, "high": high, "spread": spread}

    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return the values, with those hit moved beyond a fence."""
        if self.low is None or self.high is None or self.spread is None:
            raise UsageError("outlier needs the quartiles of the whole field")
        beyond = context.variates.drawn("exponential", "distance")
        hit, number = context.hit(self.rate), context.number
        up = context.variates.uniform("side") < _FAIR
        bottom, top = number.bounds(self.low, self.high)
        least, most = number.limits
        if (bottom > least) != (top < most):  # there is room on one side only
            up[:] = top < most
        out = values.copy()
        with np.errstate(over="ignore", invalid="ignore"):
            if number.kind == "float":
                out[hit] = 0
                wanted = np.where(
                    up, self.high + beyond * self.spread, self.low - beyond * self.spread
                )
                out = context.add(out, np.where(hit, wanted, 0.0))
                above = min(np.nextafter(top, np.inf), most)
                below = max(np.nextafter(bottom, -np.inf), least)
                nearest = np.where(up, np.maximum(out, above), np.minimum(out, below))
                return np.asarray(np.where(hit, nearest, out))
            out[hit & up], out[hit & ~up] = top, bottom
            unit = float(10**number.decimal_scale)
            steps = (np.floor(beyond * (self.spread * unit)) + 1) / unit
            return context.add(out, np.where(hit, np.where(up, steps, -steps), 0.0))


def fences(lower: float | Fraction, upper: float | Fraction, factor: float) -> tuple[float, float]:
    """Return the fences, `factor` interquartile ranges beyond the quartiles, limited to float64.

    If the quartiles are fractions, the fences are exact: whole ones are integers, and one that no
    float64 represents as a decimal becomes the next integer outwards.
    """
    if isinstance(lower, Fraction) and isinstance(upper, Fraction):
        beyond = Fraction(repr(factor)) * (upper - lower)
        low, high = lower - beyond, upper + beyond
        return _exact_or(low, math.floor(low)), _exact_or(high, math.ceil(high))
    away = factor * min(float(upper - lower), _LARGEST)
    return max(float(lower - away), -_LARGEST), min(float(upper + away), _LARGEST)


def _exact_or(fence: Fraction, outside: int) -> float:
    """Return a fence as a number that reads back exactly, or else the integer `outside` it."""
    if fence.denominator == 1 and abs(fence) >= _EXACT:
        return int(fence)
    number = float(fence)
    return number if Fraction(repr(number)) == fence else outside


@dataclass(frozen=True, kw_only=True)
class Spike(RateModel):
    """Spikes: an element that is hit jumps by the scale, up or down with equal chance.

    Electrical interference, transmission errors: additive outliers of one sample in the sense of
    Fox (1972), "Outliers in time series".
    """

    name: ClassVar[str] = "spike"

    scale: Level = parameters.level("height of a spike, as a level", levels.OfField(3.0, "sd"))

    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return the values, with the scale added to or subtracted from those hit."""
        sign = np.where(context.variates.uniform("side") < _FAIR, -1.0, 1.0)
        with np.errstate(over="ignore", invalid="ignore"):
            jump = sign * context.level(self.scale, values)
            return context.add(values, np.where(context.hit(self.rate), jump, 0.0))


@dataclass(frozen=True, kw_only=True)
class Stuck(RateModel):
    """A stuck sensor: the elements of a run keep the value of the run's first one.

    Runs start at multiples of their length, and each is stuck with probability rate. Stuck-at
    faults, as Ni et al. (2009), "Sensor network data fault types", describe them.
    """

    name: ClassVar[str] = "stuck"
    takes: ClassVar[frozenset[str]] = NUMBERS
    example: ClassVar[str] = "--rate 5% -p run=20"

    run: int = parameters.whole("elements in a run", 16, at_least=1)
    axis: int = parameters.axis()

    def __post_init__(self) -> None:
        """Check that a run is no longer than a block."""
        super().__post_init__()
        if self.run > BLOCK:
            raise ParameterError(f"run {self.run} of {self.name} is longer than {BLOCK}", "run")

    @property
    def halo(self) -> int:
        """The elements in a run."""
        return self.run

    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return the values, with those of a stuck run set to its first usable value."""
        if not len(values):
            return values
        count = len(values)
        start = int(context.variates.positions.starts[0])
        index = np.arange(start, start + count)
        first = np.maximum(index - index % self.run, start) - start
        stuck = (context.variates.uniform("hit") < self.rate)[first]
        source = np.arange(count)
        if context.usable is not None:
            source = np.where(context.usable, source, count)
        starts = np.flatnonzero(np.diff(first, prepend=-1))
        firsts = np.minimum.reduceat(source, starts)
        held = np.repeat(firsts, np.diff(starts, append=count))
        held = np.where(stuck & (held < count), held, np.arange(count))
        return np.asarray(values[held])


class Dropout(RateModel):
    """Dropout: an element that is hit becomes zero.

    Lost samples and dead pixels that read as nothing; Srivastava et al. (2014), "Dropout", without
    their rescaling of the rest.
    """

    name: ClassVar[str] = "dropout"
    takes: ClassVar[frozenset[str]] = NUMBERS

    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return the values, with zero where hit."""
        out = values.copy()
        out[context.hit(self.rate)] = 0
        return out


@dataclass(frozen=True, kw_only=True)
class BitFlip(RateModel):
    """Flipped bits: a whole number that is hit has some of its bits turned over.

    Memory and transmission errors: single-event upsets (JEDEC JESD89A). `bits` different bits are
    chosen with equal chance, from the whole width or from lowest to highest (0 the least).
    """

    name: ClassVar[str] = "bit-flip"
    takes: ClassVar[frozenset[str]] = frozenset({"int"})
    example: ClassVar[str] = "-c count --rate 2% -p bits=1"

    bits: int = parameters.whole("how many bits", 1, at_least=1)
    lowest: int = parameters.whole("lowest bit that may flip", 0, at_least=0)
    highest: int | None = parameters.whole("highest bit that may flip; left out: the type's")

    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return the values, with bits flipped in those hit."""
        if values.dtype == object or values.dtype.kind not in "iu":
            return values
        width = context.number.bits or values.dtype.itemsize * 8
        highest = width - 1 if self.highest is None else self.highest
        room = highest - self.lowest + 1
        if not self.lowest <= highest < width or self.bits > room:
            raise UsageError(
                f"bit-flip cannot flip {self.bits} of bits {self.lowest} to {highest} "
                f"of {width}-bit numbers"
            )
        at = np.flatnonzero(context.hit(self.rate))
        mask = np.zeros(len(at), np.uint64)
        for last in range(room - self.bits, room):
            # Bentley and Floyd (1987), "A sample of brilliance": if taken, use the last place.
            share = context.variates.uniform(f"bit {last - room + self.bits}")[at]
            chosen = (share * (last + 1)).astype(np.uint64) + np.uint64(self.lowest)
            bit = np.uint64(1) << chosen
            mask |= np.where(mask & bit, np.uint64(1 << (last + self.lowest)), bit)
        unsigned = np.dtype(f"u{values.dtype.itemsize}")
        out = values.copy()
        out.view(unsigned)[at] ^= mask.astype(unsigned)
        spare = values.dtype.itemsize * 8 - width
        return out << spare >> spare if spare else out  # extend the sign bit

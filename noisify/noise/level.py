"""Levels: how much noise, as typed, and as an amount for one field.

`0.5` absolute, `5%` of each value's magnitude, `0.1sd` `0.2iqr` `1%range` of the field,
`@flux_err` from another field, and a signal-to-noise ratio in dB.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, Self

from noisify.core import other_words
from noisify.core.errors import UsageError
from noisify.core.value_class import frozen
from noisify.kernels.decimal_functions import digits, power

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from noisify.statistics.survey import FieldStatistics

STATISTICS = ("sd", "iqr", "range")
_NUMBER = r"[+-]?(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d++)?"
_STATISTICS: dict[str, Literal["sd", "iqr", "range"]] = {
    "sd": "sd", "std": "sd", "stdev": "sd", "stddev": "sd", "sds": "sd", "sigma": "sd",
    "iqr": "iqr", "range": "range",
}  # fmt: skip
"""Statistics by name and synonym."""
_PERCENT = r"\s*(?P<percent>%|pct|percent)"
_LEVEL = re.compile(
    rf"(?P<number>{_NUMBER})?(?:{_PERCENT})?(?:\s*\*?\s*(?P<unit>{'|'.join(_STATISTICS)}))?",
    re.IGNORECASE,
)
_SPAN = re.compile(rf"(?P<number>{_NUMBER})\s*(?P<unit>[a-zµ]+)")
_FROM_FIELD = re.compile(
    rf"(?P<number>{_NUMBER})?(?:{_PERCENT})?\s*\*?\s*@(?P<field>.+)", re.DOTALL
)

_RATE = re.compile(rf"({_NUMBER})\s*(%|pct|percent)?", re.IGNORECASE)


def _digits(number: float) -> str:
    """Write a number with the fewest of 15 to 17 digits that read back as the same float."""
    texts = (f"{number:.{digits}g}" for digits in (15, 16, 17))
    return next(text for text in texts if float(text) == number)


class _Amount:
    """A level: a number, and perhaps texts that say of what it is a multiple."""

    def times(self, factor: float) -> Self:
        """Return this level times a factor."""
        own = {k: v if isinstance(v, str) else v * factor for k, v in vars(self).items()}
        return type(self)(**own)


@frozen
class Absolute(_Amount):
    """The same amount for every element, in the field's unit."""

    value: float

    def __str__(self) -> str:
        """Return the level as it is typed."""
        return f"{self.value:g}" if float(f"{self.value:g}") == self.value else repr(self.value)


@frozen
class Percent(_Amount):
    """A share of each value's magnitude."""

    share: float

    def __str__(self) -> str:
        """Return the level as it is typed."""
        return f"{Decimal(repr(self.share)).scaleb(2).normalize():f}%"


@frozen
class OfField(_Amount):
    """A share of a statistic of the whole field; needs a first pass over the data."""

    factor: float
    statistic: Literal["sd", "iqr", "range"]

    def resolve(self, statistics: FieldStatistics) -> Absolute:
        """Return the absolute amount for a field with these statistics."""
        return Absolute(statistics.share(self.statistic, self.factor))

    def __str__(self) -> str:
        """Return the level as it is typed."""
        return f"{_digits(self.factor)}{self.statistic}"


@frozen
class FromField(_Amount):
    """The magnitude of another field's value in the same row, times a factor."""

    field: str
    factor: float = 1.0

    def __str__(self) -> str:
        """Return the level as it is typed."""
        return f"@{self.field}" if self.factor == 1 else f"{_digits(self.factor)}@{self.field}"


@frozen
class Duration(_Amount):
    """The same duration for every element, in seconds."""

    seconds: float

    def __str__(self) -> str:
        """Return the level as it is typed."""
        return f"{_digits(self.seconds)}s"


@frozen
class PerElement(_Amount):
    """An absolute amount for each element, in the field's unit, shape (n,)."""

    values: NDArray[np.float64]


Level = Absolute | Percent | OfField | FromField | Duration | PerElement
Rate = float
SPANS = {
    "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0,
    "w": 604800.0,
}  # fmt: skip
"""Units of time in seconds."""
_SPAN_WORDS = {
    "µs": "us", "sec": "s", "secs": "s", "second": "s", "seconds": "s", "mins": "min",
    "minute": "min", "minutes": "min", "hr": "h", "hrs": "h", "hour": "h", "hours": "h",
    "day": "d", "days": "d", "week": "w", "weeks": "w",
}  # fmt: skip
"""Synonyms of these units."""

DEFAULT = OfField(0.1, "sd")


def parse(text: str | float | Level, *, option: str = "scale") -> Level:
    """Read a level.

    Args:
        text: The level as typed, a number, or a level already.
        option: Its name in errors.

    Raises:
        UsageError: If it is not a level, is negative or is not finite.

    >>> parse("5%"), parse("1%range")
    (Percent(share=0.05), OfField(factor=0.01, statistic='range'))
    """
    if isinstance(text, Absolute | Percent | OfField | FromField | Duration | PerElement):
        return text
    typed = str(text).strip()
    if (span := _SPAN.fullmatch(typed)) and float(span["number"]) >= 0:
        unit = _SPAN_WORDS.get(span["unit"], span["unit"])
        if unit in SPANS:
            return Duration(float(span["number"]) * SPANS[unit])
    from_field = _FROM_FIELD.fullmatch(typed)
    match = from_field or _LEVEL.fullmatch(typed)
    if match is None or not (match["number"] or from_field or match["unit"]):
        meant = other_words.suggestion(other_words.LEVELS, typed)
        usual = "; type 0.5, 5%, 0.1sd, 0.2iqr, 1%range or @column (for times 90s, 2h, 3d)"
        raise UsageError(f"{option} {typed!r} is not a level{meant or usual}")
    number = float(match["number"] or 1)
    if match["percent"]:
        number = float(Decimal(match["number"] or 1).scaleb(-2))  # rounded once
    if number < 0 or not math.isfinite(number):
        raise UsageError(f"{option} {typed!r} must be a finite number of at least 0")
    if from_field:
        return FromField(match["field"], number)
    if match["unit"]:
        return OfField(number, _STATISTICS[match["unit"].lower()])
    return Percent(number) if match["percent"] else Absolute(number)


def parse_rate(text: str | float, *, option: str = "rate") -> Rate:
    """Read a share of elements: `2%` or `0.02`.

    Raises:
        UsageError: If it is not from 0 to 1.

    >>> parse_rate("2%")
    0.02
    """
    typed = str(text).strip()
    share = _RATE.fullmatch(typed)
    number = float(share[1]) if share else math.nan
    rate = number / 100 if share and share[2] else number
    if not 0 <= rate <= 1:
        meant = "; type 2% or 0.02"
        if share and not share[2] and 1 < number <= _WHOLE_IN_PER_CENT:
            meant = f"; type {number:g}% or {number / 100:g}"
        elif share:
            meant = ", or from 0% to 100%"
        raise UsageError(f"{option} {typed!r} is not a share from 0 to 1{meant}")
    return rate


def parse_decibels(text: str | float) -> float:
    """Read a signal-to-noise ratio in dB.

    Raises:
        UsageError: If it is not a finite number.

    >>> parse_decibels("20dB")
    20.0
    """
    typed = str(text).strip()
    try:
        decibels = float(re.sub(r"\s*dB$", "", typed, flags=re.IGNORECASE))
    except ValueError:
        decibels = math.nan
    if not math.isfinite(decibels):
        raise UsageError(f"snr {typed!r} is not a finite number of decibels; type 20 or -3.5")
    if abs(decibels) > _MOST_DECIBELS:
        raise UsageError(f"snr {typed!r} is beyond {_MOST_DECIBELS} dB; type 20 or -3.5")
    return decibels


_WHOLE_IN_PER_CENT = 100
_MOST_DECIBELS = 3000
"""Beyond this the ratio of powers overflows."""


def noise_power(signal_power: float, decibels: float) -> float:
    """Return the mean square of noise that is `decibels` below a signal's mean square.

    SNR in dB is 10 log10(P_signal / P_noise). Both powers are mean squares (mean not removed), as
    in MATLAB's `awgn(..., "measured")`.
    """
    with digits():
        ratio = power(Decimal(10), Decimal(decibels) / 10)
        return float(Decimal(signal_power) / ratio)


def as_json(level: Level) -> float | str:
    """Return a level for a report: a number if it is absolute, otherwise a text."""
    return level.value if isinstance(level, Absolute) else str(level)

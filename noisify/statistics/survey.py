"""The first pass over a field, which collects the statistics that levels and models need."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from noisify.core.errors import UsageError
from noisify.core.value_class import frozen
from noisify.statistics.quantiles import GATHER_LIMIT, QUARTILES, Quantiles
from noisify.statistics.tree import BlockPieces, MomentsTree
from noisify.statistics.whole import WholeMoments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from noisify.core.chunk import Positions, WholeNumbers
    from noisify.statistics.quantiles import Keys, Tallies

MOST_DIFFERENT = 1 << 16
"""Most different values in a field of labels."""
SCORE_STEPS = 1 << 10
"""Bins in one standard deviation of a histogram of standardised values."""
SCORE_BINS = 64 * SCORE_STEPS
SCORE_CENTRES = (np.arange(SCORE_BINS) + 0.5) / SCORE_STEPS - SCORE_BINS / SCORE_STEPS / 2
_QUARTER = 0.25
_LARGE_SD = 2.0**900


@dataclass
class Extremes:
    """The smallest and the largest of some values."""

    low: float = math.inf
    high: float = -math.inf

    def __iadd__(self, values: NDArray[np.float64]) -> Self:
        """Add values that are not NaN; -0.0 counts as 0.0, since neither is the smaller."""
        if len(values):
            self.low = min(self.low, float(values.min()) + 0.0)
            self.high = max(self.high, float(values.max()) + 0.0)
        return self

    def merge(self, other: Extremes) -> None:
        """Add those of other values."""
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)

    @property
    def range(self) -> float:
        """The largest minus the smallest; NaN without values, infinite beyond float64."""
        return self.high - self.low if self.low <= self.high else math.nan


def standardised(values: NDArray[Any], mean: float, sd: float) -> NDArray[Any]:
    """Return (values - mean) / sd for sd > 0, even where the difference overflows."""
    if sd >= _LARGE_SD:
        values, mean, sd = values * _QUARTER, mean * _QUARTER, sd * _QUARTER
    return np.asarray((values - mean) / sd)


def score_counts(values: NDArray[np.float64], mean: float, sd: float) -> NDArray[np.int64]:
    """Count standardised values in bins; the end bins include the values beyond them."""
    if not sd > 0:
        return np.bincount([SCORE_BINS // 2] * len(values), minlength=SCORE_BINS)
    places = np.floor(standardised(values, mean, sd) * SCORE_STEPS) + SCORE_BINS // 2
    return np.bincount(np.clip(places, 0, SCORE_BINS - 1).astype(np.int64), minlength=SCORE_BINS)


@frozen(slots=True)
class FieldStatistics:
    """Statistics of a field; NaN where not requested or without values.

    Attributes:
        count: Number of finite values.
        mean: Their mean.
        sd: Their standard deviation.
        power: Their mean square, in units of 4**exponent.
        range: The largest minus the smallest; infinite beyond float64.
        iqr: The upper minus the lower quartile; infinite beyond float64.
        low: The smallest.
        high: The largest.
        lower_quartile: The lower quartile; exact for integers, decimals and times.
        upper_quartile: The upper quartile, likewise.
        length: Number of elements, missing ones included.
        values: The different values, as texts, and their counts.
        covariance: Covariances with the fields requested together, by field name.
        scores: Centres and counts of a histogram of standardised values.
        exponent: 0 unless the values' squares overflow or underflow.
    """

    count: int
    mean: float = math.nan
    sd: float = math.nan
    power: float = math.nan
    range: float = math.nan
    iqr: float = math.nan
    low: float = math.nan
    high: float = math.nan
    lower_quartile: float | Fraction = math.nan
    upper_quartile: float | Fraction = math.nan
    length: int = 0
    values: tuple[tuple[str, int], ...] = ()
    covariance: Mapping[str, float] = field(default_factory=dict)
    scores: tuple[NDArray[np.float64], NDArray[np.int64]] | None = None
    exponent: int = 0

    def share(self, statistic: str, factor: float) -> float:
        """Return a factor times sd, iqr or range, even where the statistic itself overflows."""
        value = float(getattr(self, statistic))
        if not math.isinf(value):
            return factor * value
        low, high = self.low, self.high
        if statistic == "iqr":
            low, high = float(self.lower_quartile), float(self.upper_quartile)
        return factor * (high / 2 - low / 2) * 2


class Looked(NamedTuple):
    """The contribution of one chunk to a pass, each part as `Survey` calls it; None: not needed.

    Attributes:
        length: Number of elements.
        quantiles: The contribution to the quantiles.
        scores: Counts of the standardised values.
        moments: Moments of the values as floats.
        has_floats: Whether there are such values.
        whole: Moments of the values as integers.
        unit: Their unit.
        extremes: The smallest and the largest value.
        different: Counts of the different values.
    """

    length: int
    quantiles: Keys | Tallies | None
    scores: NDArray[np.int64] | None = None
    moments: BlockPieces | None = None
    has_floats: bool = False
    whole: WholeMoments | None = None
    unit: Fraction = Fraction(1)
    extremes: Extremes | None = None
    different: Counter[str] | None = None


@dataclass
class Survey:
    """Collect the requested statistics of one field, in one or more passes.

    Integers, decimals and times are processed as integers. A text field that turns out to hold
    both whole and other numbers is read again, as floats.

    Args:
        needs: Any of sd, power, range, iqr, length, values, scores; covariance is collected
            elsewhere.
        gathered: The most candidates for a quantile that are gathered.
    """

    needs: frozenset[str]
    gathered: int = GATHER_LIMIT
    length: int = 0
    different: Counter[str] = field(default_factory=Counter)
    scores: NDArray[np.int64] | None = None
    moments: MomentsTree = field(default_factory=MomentsTree)
    whole: WholeMoments | None = None
    unit: Fraction = field(default_factory=lambda: Fraction(1))
    as_floats: bool = False
    has_floats: bool = False
    extremes: Extremes = field(default_factory=Extremes)
    quantiles: Quantiles | None = None
    passes: int = 0

    def __post_init__(self) -> None:
        """Allocate only what is needed, as there may be thousands of fields."""
        if "scores" in self.needs:
            self.scores = np.zeros(SCORE_BINS, np.int64)
        if "iqr" in self.needs:
            self.quantiles = Quantiles(limit=self.gathered)

    def anew(self) -> Survey:
        """Return a survey of the same statistics that has seen nothing yet."""
        return Survey(self.needs, self.gathered, as_floats=self.as_floats)

    @property
    def done(self) -> bool:
        """Whether no further pass is needed."""
        passes = 1 if self.scores is None else 2
        return self.passes >= passes and (self.quantiles is None or self.quantiles.done)

    @property
    def _open_quantiles(self) -> Quantiles | None:
        """The quantiles, if they are needed and not known yet."""
        return None if self.quantiles is None or self.quantiles.done else self.quantiles

    def partial(
        self,
        positions: Positions,
        values: NDArray[Any],
        valid: NDArray[np.bool_] | None,
        whole: WholeNumbers | None = None,
        texts: Callable[[], Counter[str]] = Counter,
        pieces: BlockPieces | None = None,
    ) -> Looked:
        """Return the contribution of one chunk to this pass; safe in a worker.

        Args:
            positions: The positions of the values.
            values: Shape (n,), float64 or complex128.
            valid: Mask of the values to use, or None for all.
            whole: The values as integers, if they all are.
            texts: Counts the different values, as texts.
            pieces: The values cut into blocks, if that has been done.
        """
        if self.as_floats:
            whole = None
        kept = values if valid is None else values[valid]
        integers = None
        if whole is not None:
            integers = whole.values if valid is None else whole.values[valid]
        quantiles = self._open_quantiles
        digits = None if quantiles is None else quantiles.partial(kept, integers)
        if self.passes:
            scores = None if self.scores is None else score_counts(kept, *self._mean_and_sd())
            return Looked(len(values), digits, scores)
        if integers is None:
            pieces = pieces or BlockPieces.cut(positions, values, valid)
        extremes = None
        if "range" in self.needs:
            extremes = Extremes()
            extremes += kept
        return Looked(
            len(values),
            digits,
            moments=pieces if integers is None else None,
            has_floats=integers is None and len(kept) > 0,
            whole=None if integers is None else WholeMoments.of(integers),
            unit=self.unit if whole is None else whole.unit,
            extremes=extremes,
            different=texts() if "values" in self.needs else None,
        )

    def __iadd__(self, other: Survey) -> Self:
        """Add what another survey collected in this pass from other elements, in any order.

        For work in several processes, copy or pickle the survey at the start of each pass, add a
        part of the chunks to each copy, and add the copies to the original before `end_pass`.
        """
        self.merge(other)
        return self

    def merge(self, other: Survey | Looked) -> None:
        """Add a result of `partial`, or what another survey collected, in any order."""
        quantiles = self._open_quantiles
        if quantiles is not None and other.quantiles is not None:
            quantiles.merge(other.quantiles)
        if self.passes:
            if self.scores is not None and other.scores is not None and self.passes == 1:
                self.scores += other.scores
            return
        self.length += other.length
        if other.different:
            self.different.update(other.different)
            if len(self.different) > MOST_DIFFERENT:
                raise UsageError(
                    f"has more than {MOST_DIFFERENT:,} different values, so it is not a label; "
                    "choose another field"
                )
        if other.moments is not None:
            self.moments += other.moments
            self.has_floats |= other.has_floats
        if other.whole is not None and other.whole.count:
            self.unit = other.unit
            self.whole = other.whole if self.whole is None else self.whole + other.whole
        if other.extremes is not None:
            self.extremes.merge(other.extremes)

    def end_pass(self) -> None:
        """Finish one pass over the whole field."""
        if self.whole is not None and self.has_floats:
            fresh = Survey(self.needs, as_floats=True)
            vars(self).update(vars(fresh))
            return
        self.passes += 1
        quantiles = self._open_quantiles
        if quantiles is not None:
            quantiles.end_pass()

    def _mean_and_sd(self) -> tuple[float, float]:
        if self.whole is not None:
            return self.whole.mean(self.unit), self.whole.sd(self.unit)
        total = self.moments.total()
        return total.mean.real, total.sd

    def result(self) -> FieldStatistics:
        """Return the statistics."""
        low: float | Fraction = math.nan
        high: float | Fraction = math.nan
        iqr = math.nan
        if self.quantiles is not None:
            low, high = (self.quantiles.value(share) * self.unit for share in QUARTILES)
            iqr = float(high - low)
        if self.whole is not None:
            mean, sd = self._mean_and_sd()
            count, exponent, power = self.whole.count, 0, self.whole.power(self.unit)
        else:
            total = self.moments.total()
            mean, sd, count = total.mean.real, total.sd, total.count
            exponent, power = total.exponent, total.scaled_power
        least, most, extent = self._ends()
        return FieldStatistics(
            count=count,
            mean=mean,
            sd=sd,
            power=power,
            range=extent,
            iqr=iqr,
            low=least,
            high=most,
            lower_quartile=low,
            upper_quartile=high,
            length=self.length,
            values=tuple(sorted(self.different.items())),
            scores=None if self.scores is None else (SCORE_CENTRES, self.scores),
            exponent=exponent,
        )

    def _ends(self) -> tuple[float, float, float]:
        """Return the smallest value, the largest, and the range; integers above 2**53 stay int."""
        found, whole = self.extremes, self.whole
        if whole is None or whole.low is None or whole.high is None or not found.low <= found.high:
            return found.low, found.high, found.range
        low, high = whole.low * self.unit, whole.high * self.unit
        ends = [int(end) if int(end) == end != float(end) else float(end) for end in (low, high)]
        return ends[0], ends[1], float(high - low)

"""Measure what changed in one field, from pairs of values, in constant memory."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.comparison.cells import change, same, same_bits
from noisify.comparison.distance import Distance
from noisify.core.value_class import frozen
from noisify.engine.counts import snr
from noisify.statistics.moments import Moments
from noisify.statistics.survey import Extremes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from noisify.comparison.cells import Cells

HISTOGRAM_BINS = 24
_SAMPLED = 1 << 9
"""Nonzero changes that determine the range of the histogram."""
_MOST_PAIRS = 1 << 12
"""Different pairs of labels that are counted."""
_MOST_LABELS = 12
"""Labels of which a confusion table is shown."""
_REPEATED = 3
"""The least average number of times that a label occurs; other fields hold texts."""
_EXAMPLES = 5


@frozen(kw_only=True)
class NumberFigures:
    """The figures of a field of numbers or times; times are in seconds.

    Means and sds divide by the count. Undefined figures are NaN.

    Attributes:
        is_time: Whether these are times.
        compared: Pairs of values that were compared, missing ones included.
        changed: Pairs whose values differ.
        lost: Changed pairs of a finite number before and none after.
        added: Changed pairs of a finite number after and none before.
        identical: "bytes" if nothing at all changed, "values" if the same values are written in
            another way or type, else an empty text.
        mean_before: The mean of all finite values of the first file; likewise the next seven.
        mean_after: See above.
        sd_before: See above.
        sd_after: See above.
        min_before: See above.
        min_after: See above.
        max_before: See above.
        max_after: See above.
        change_mean: The mean of after - before, where both are finite.
        change_sd: The standard deviation of the change.
        rmse: The root mean square of the change.
        largest: The largest magnitude of the change.
        snr: 10 log10(mean square before / mean square of the change), in dB; infinite if nothing
            changed.
        correlation: Pearson's, of before and after.
        ks: The Kolmogorov-Smirnov distance of all finite values of either file.
        histogram: Ends of the bins, one more than there are bins, and how many changes other than
            0 are in each; those beyond the first and last are counted there.
    """

    is_time: bool = False
    compared: int = 0
    changed: int = 0
    lost: int = 0
    added: int = 0
    identical: str = ""
    mean_before: float = math.nan
    mean_after: float = math.nan
    sd_before: float = math.nan
    sd_after: float = math.nan
    min_before: float = math.nan
    min_after: float = math.nan
    max_before: float = math.nan
    max_after: float = math.nan
    change_mean: float = math.nan
    change_sd: float = math.nan
    rmse: float = math.nan
    largest: float = math.nan
    snr: float = math.nan
    correlation: float = math.nan
    ks: float = math.nan
    histogram: tuple[tuple[float, ...], tuple[int, ...]] = ((), ())


@frozen(kw_only=True)
class LabelFigures:
    """The figures of a field of texts or truth values.

    Attributes:
        compared: Pairs of cells that were compared, missing ones included.
        changed: Pairs whose cells differ.
        lost: Changed cells that are null now.
        added: Changed cells that were null before.
        identical: As for numbers.
        examples: The most frequent changes: before, after, how often.
        labels: The labels of the confusion table; empty if there are too many.
        confusion: For each label before a row: how often it became each label.
    """

    compared: int = 0
    changed: int = 0
    lost: int = 0
    added: int = 0
    identical: str = ""
    examples: tuple[tuple[str, str, int], ...] = ()
    labels: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()


class _Measure:
    """The counts that both kinds of fields have."""

    def __init__(self) -> None:
        self.compared = self.changed = self.lost = self.added = 0
        self._alike = True
        self.passes_left = False

    @property
    def unchanged(self) -> bool:
        """Whether each value is the same as before."""
        return not self.changed

    def add_values(self, before: Cells, after: Cells) -> None:
        """Add values of both files, whether they are paired or not."""

    def end_pass(self) -> None:
        """End a pass; `passes_left` says whether more are needed."""

    def _count(self, before: Cells, after: Cells) -> NDArray[np.bool_]:
        """Count pairs of values; return which changed."""
        bits = same_bits(before, after)
        changed = ~bits if bits.all() else ~same(before, after)
        self.compared += len(before)
        self.changed += int(np.count_nonzero(changed))
        self.lost += int(np.count_nonzero(before.valid & ~after.valid & changed))
        self.added += int(np.count_nonzero(~before.valid & after.valid & changed))
        self._alike = self._alike and bool(bits.all())
        return changed

    def _counts(self, *, rewritten: bool) -> dict[str, Any]:
        """Return the figures of both kinds; `rewritten` says that cells are written differently."""
        identical = ""
        if self.compared and not self.changed:
            identical = "bytes" if self._alike and not rewritten else "values"
        return {
            "compared": self.compared,
            "changed": self.changed,
            "lost": self.lost,
            "added": self.added,
            "identical": identical,
        }


class NumberMeasure(_Measure):
    """Measures a field of numbers or times.

    Args:
        fields: How many fields are measured at once.
        is_time: Whether the values are times.
    """

    def __init__(self, fields: int, *, is_time: bool) -> None:
        super().__init__()
        self._is_time = is_time
        self._moments = [Moments(), Moments(), Moments(), Moments(), Moments()]
        self._extremes = [Extremes(), Extremes(), Extremes()]
        self._distance = Distance(fields)
        self._sample: list[NDArray[np.float64]] = []
        self._sampled = 0
        self._edges: NDArray[np.float64] | None = None
        self._bins = np.zeros(HISTOGRAM_BINS, np.int64)
        self._is_complex = False

    def add(self, before: Cells, after: Cells) -> None:
        """Add pairs of values, shape (n,) each."""
        self._count(before, after)
        both = before.valid & after.valid
        pairs = before[both], after[both]
        moved = change(*pairs)
        self._is_complex = self._is_complex or moved.dtype.kind == "c"
        for at, values in enumerate((pairs[0].floats, pairs[1].floats, moved)):
            self._moments[2 + at] += Moments.of(values)
        self._extremes[2] += np.abs(moved)
        if not self._is_complex:
            self._note(moved[moved != 0])

    def add_values(self, before: Cells, after: Cells) -> None:
        """Add values of both files, whether they are paired or not."""
        values = before.floats[before.valid], after.floats[after.valid]
        for at, found in enumerate(values):
            self._moments[at] += Moments.of(found)
            self._extremes[at] += np.abs(found) if found.dtype.kind == "c" else found
        if values[0].dtype.kind != "c" != values[1].dtype.kind:
            self._distance.add(*values)

    def end_pass(self) -> None:
        """End a pass; `passes_left` says whether the distance needs more."""
        self._distance.end_pass()
        self.passes_left = not self._distance.done

    def add_again(self, before: Cells, after: Cells) -> None:
        """Add the values of both files once more, for their distance."""
        self._distance.add(before.floats[before.valid], after.floats[after.valid])

    def figures(self, *, rewritten: bool) -> NumberFigures:
        """Return the figures; `rewritten` says that equal values are written differently."""
        one, other, before, after, moved = self._moments
        ends = [(e.low, e.high) if e.low <= e.high else (math.nan,) * 2 for e in self._extremes]
        if self._sample:
            self._begin_histogram()
        return NumberFigures(
            is_time=self._is_time,
            **self._counts(rewritten=rewritten),
            mean_before=_mean(one),
            mean_after=_mean(other),
            sd_before=one.sd,
            sd_after=other.sd,
            min_before=ends[0][0],
            min_after=ends[1][0],
            max_before=ends[0][1],
            max_after=ends[1][1],
            change_mean=_mean(moved),
            change_sd=moved.sd,
            rmse=math.sqrt(moved.power) if moved.count else math.nan,
            largest=ends[2][1],
            snr=_decibels(before, moved),
            correlation=_correlation(before, after, moved),
            ks=self._distance.value,
            histogram=self._histogram(),
        )

    def _note(self, moved: NDArray[np.float64]) -> None:
        """Count changes in the histogram, once enough are known to choose its range."""
        if self._edges is None:
            self._sample.append(moved)
            self._sampled += len(moved)
            if self._sampled >= _SAMPLED:
                self._begin_histogram()
            return
        inner = self._edges[1:-1]
        self._bins += np.bincount(
            np.searchsorted(inner, moved, side="right"), minlength=HISTOGRAM_BINS
        )

    def _begin_histogram(self) -> None:
        sample = np.concatenate(self._sample)
        self._sample = []
        sample = sample[np.isfinite(sample)]
        if not len(sample):
            return
        low, high = np.quantile(sample, [0.005, 0.995])
        if not low < high:
            low, high = float(sample.min()), float(sample.max())
        if not low < high:
            low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
        self._edges = np.linspace(low, high, HISTOGRAM_BINS + 1)
        self._note(sample)

    def _histogram(self) -> tuple[tuple[float, ...], tuple[int, ...]]:
        if self._edges is None:
            return (), ()
        return tuple(self._edges.tolist()), tuple(self._bins.tolist())


class LabelMeasure(_Measure):
    """Measures a field of texts or truth values."""

    def __init__(self) -> None:
        super().__init__()
        self._pairs: Counter[tuple[str, str]] = Counter()
        self._kept: Counter[str] = Counter()
        self._counted = 0

    def add(self, before: Cells, after: Cells) -> None:
        """Add pairs of cells, shape (n,) each."""
        changed = self._count(before, after)
        self._counted += int(np.count_nonzero(before.there))
        pairs = zip(before[changed].texts().tolist(), after[changed].texts().tolist(), strict=True)
        _count_some(self._pairs, Counter(pairs))
        if len(self._kept) <= _MOST_LABELS:
            _count_some(self._kept, Counter(before[~changed].texts().tolist()))

    def figures(self, *, rewritten: bool) -> LabelFigures:
        """Return the figures; `rewritten` says that equal cells are written differently."""
        labels = sorted({*self._kept, *(label for pair in self._pairs for label in pair)})
        few = bool(self.changed) and len(labels) <= min(_MOST_LABELS, self._counted / _REPEATED)
        table = [
            [self._pairs[a, b] if a != b else self._kept[a] for b in labels] for a in labels
        ] if few else []  # fmt: skip
        return LabelFigures(
            **self._counts(rewritten=rewritten),
            examples=tuple((*pair, count) for pair, count in self._pairs.most_common(_EXAMPLES)),
            labels=tuple(labels) if few else (),
            confusion=tuple(map(tuple, table)),
        )


Figures = NumberFigures | LabelFigures
Measure = NumberMeasure | LabelMeasure


def as_json(figures: Figures) -> dict[str, Any]:
    """Return figures as plain values for JSON: NaN is null, an infinite SNR a text."""
    return {name: _plain(value) for name, value in vars(figures).items()}


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value


def _count_some(counts: Counter[Any], more: Mapping[Any, int]) -> None:
    """Add counts; once there are many keys, only for those counted before."""
    for key, count in more.items():
        if key in counts or len(counts) < _MOST_PAIRS:
            counts[key] += count


def _mean(moments: Moments) -> float:
    """Return the mean; of complex values its modulus."""
    mean = moments.mean
    value = abs(mean) if isinstance(mean, complex) else mean
    return value if moments.count else math.nan


def _decibels(before: Moments, moved: Moments) -> float:
    """Return the SNR in dB: infinite without any change, NaN without a signal or values."""
    if not before.count:
        return math.nan
    if not moved.power:
        return math.inf
    found = snr(before, moved)
    return math.nan if found is None else found


def _correlation(before: Moments, after: Moments, moved: Moments) -> float:
    """Return Pearson's correlation, from var(after - before) = var + var - 2 cov."""
    sds = before.sd, after.sd
    if not before.count or not all(0 < sd < math.inf for sd in sds):
        return math.nan
    ratio = moved.sd / sds[0] * (moved.sd / sds[1])
    found = (sds[0] / sds[1] + sds[1] / sds[0] - ratio) / 2
    return min(1.0, max(-1.0, found))

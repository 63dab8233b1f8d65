"""The Kolmogorov-Smirnov distance of two samples, in a few passes of constant memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from noisify.statistics.quantiles import sort_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FEW = 1 << 16
"""Values of both samples that are simply kept; more are counted in bins."""
BINS = 1 << 12
FINE_BINS = 1 << 18
GATHERED = 1 << 21
"""Values that are kept where the largest difference may be; 16 MB."""
FIELDS = 8
"""Fields that may each keep as much when compared at once; more fields share the memory."""
_LEAST = 1 << 6
_LAST_KEY = 2**64 - 1


class _Bins(NamedTuple):
    """Intervals of sort keys, in rising order, and what is known of each.

    Attributes:
        lows: Shape (k,), the least key of each.
        highs: Shape (k,), the largest.
        starts: Shape (2, k), how many values of either sample are below each.
        counts: Shape (2, k), how many values of either sample are in each.
    """

    lows: NDArray[np.uint64]
    highs: NDArray[np.uint64]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]


class Distance:
    """The largest difference of two samples' empirical distribution functions.

    The statistic of the two-sample test of Smirnov (1939), as `scipy.stats.ks_2samp` has it. The
    first pass keeps the values while they are few, else counts them in bins. The next passes look
    into the bins that may hold a larger difference than those found at the ends of bins: they keep
    the values there, and the distance is exact; or, if those are too many, cut these bins into
    finer ones first. There are at most three passes.

    Call `add` with each chunk, then `end_pass`, and begin again until `done`.

    Args:
        fields: How many fields are compared at once, and share the memory.

    Attributes:
        done: Whether `value` is known.
        value: The distance, 0 to 1; NaN if a sample is empty.
        error: By how much the distance may be larger; 0 if it is exact.
    """

    def __init__(self, fields: int = 1) -> None:
        share = max(1, fields / FIELDS)
        few, bins, fine, gathered = (
            max(_LEAST, int(size / share)) for size in (FEW, BINS, FINE_BINS, GATHERED)
        )
        self._few, self._bin_count, self._fine, self._most = few, bins, fine, gathered
        self.done = False
        self.value = math.nan
        self.error = 0.0
        self._totals = np.zeros(2, np.int64)
        self._best = 0.0
        self._first = True
        self._parents = np.zeros(1, np.int64)
        self._bins = _bins([0], [_LAST_KEY])
        self._kept: list[list[NDArray[np.uint64]]] | None = [[], []]
        self._held = 0

    def add(self, before: NDArray[np.float64], after: NDArray[np.float64]) -> None:
        """Add some finite values of both samples, shapes (n,) and (m,)."""
        samples = [sort_keys(before + 0.0), sort_keys(after + 0.0)]  # -0.0 becomes 0.0
        if self._first:
            self._totals += [len(before), len(after)]
        if self._kept is None:
            self._count(samples)
            return
        for kept, sample in zip(self._kept, samples, strict=True):
            kept.append(sample if self._first else self._inside(sample))
            self._held += len(kept[-1])
        if self._first and self._held > self._few:
            self._begin_to_count(self._kept)

    def end_pass(self) -> None:
        """Evaluate what the pass has collected."""
        if not self._totals.all():
            self.done = True
        elif self._kept is not None:
            self.value, self.done = self._largest_among(self._kept), True
        else:
            self._narrow()
        self._first = False

    def _inside(self, sample: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Return the values that are in one of the bins."""
        at = np.searchsorted(self._bins.lows, sample, side="right") - 1
        return sample[(at >= 0) & (sample <= self._bins.highs[np.maximum(at, 0)])]

    def _begin_to_count(self, kept: Sequence[Sequence[NDArray[np.uint64]]]) -> None:
        """Make bins that hold about as many each of the values kept so far, and count these."""
        samples = [np.concatenate(parts) for parts in kept]
        pooled = np.sort(np.concatenate(samples))
        ends = np.unique(pooled[np.linspace(0, len(pooled) - 1, self._bin_count).astype(np.int64)])
        lows, highs = _around(ends.tolist())
        self._bins = _bins(lows, highs)
        self._parents = np.zeros(len(lows), np.int64)
        self._kept = None
        self._count(samples)

    def _count(self, samples: Sequence[NDArray[np.uint64]]) -> None:
        for at, sample in enumerate(map(np.sort, samples)):
            up_to = np.searchsorted(sample, self._bins.highs, side="right")
            self._bins.counts[at] += up_to - np.searchsorted(sample, self._bins.lows, side="left")

    def _narrow(self) -> None:
        """Keep the bins that may hold a larger difference than those at the ends of bins."""
        bins = self._bins
        inside = np.cumsum(bins.counts, axis=1) - bins.counts
        starts = bins.starts + inside - inside[:, np.searchsorted(self._parents, self._parents)]
        ends = starts + bins.counts
        at_ends = self._differences(ends)
        self._best = max(self._best, float(at_ends.max()))
        most = np.maximum(
            self._differences(np.stack([ends[0], starts[1]])),
            self._differences(np.stack([starts[0], ends[1]])),
        )
        open_ = (most > self._best) & (bins.lows < bins.highs)
        if not open_.any():
            self.value, self.done = self._best, True
            return
        left = _Bins(bins.lows[open_], bins.highs[open_], starts[:, open_], bins.counts[:, open_])
        self._bins = left
        if int(left.counts.sum()) <= self._most:
            self._kept = [[], []]
        elif self._first:
            self._cut(left)
        else:
            self.value, self.done = self._best, True
            self.error = float(most.max()) - self._best

    def _cut(self, bins: _Bins) -> None:
        """Cut bins into finer ones of equal widths in sort keys."""
        parts = max(2, self._fine // len(bins.lows))
        lows: list[int] = []
        highs: list[int] = []
        parents: list[int] = []
        ends = zip(bins.lows.tolist(), bins.highs.tolist(), strict=True)
        for parent, (low, high) in enumerate(ends):
            width = -(-(high - low + 1) // parts)
            firsts = range(low, high + 1, width)
            lows += firsts
            highs += [min(first + width - 1, high) for first in firsts]
            parents += [parent] * len(firsts)
        self._parents = np.array(parents, np.int64)
        self._bins = _bins(lows, highs)._replace(starts=bins.starts[:, self._parents])

    def _differences(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the differences of the distribution functions, from counts of shape (2, k)."""
        return np.asarray(np.abs(counts[0] / self._totals[0] - counts[1] / self._totals[1]))

    def _largest_among(self, kept: Sequence[Sequence[NDArray[np.uint64]]]) -> float:
        """Return the largest difference, at the values in the bins or found before."""
        empty = np.empty(0, np.uint64)
        before, after = (np.sort(np.concatenate([empty, *parts])) for parts in kept)
        largest = self._best
        for low, high, starts in zip(
            self._bins.lows, self._bins.highs, self._bins.starts.T, strict=True
        ):
            parts = [
                sample[np.searchsorted(sample, low) : np.searchsorted(sample, high, side="right")]
                for sample in (before, after)
            ]
            values = np.concatenate(parts)
            if len(values):
                up_to = [np.searchsorted(part, values, side="right") for part in parts]
                found = self._differences(np.stack(up_to) + starts[:, None])
                largest = max(largest, float(found.max()))
        return largest


def _around(keys: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the ends of bins: one for each key alone, and one for what is between two of them."""
    lows, highs, start = [], [], 0
    for key in keys:
        if key > start:
            lows.append(start)
            highs.append(key - 1)
        lows.append(key)
        highs.append(key)
        start = key + 1
    if start <= _LAST_KEY:
        lows.append(start)
        highs.append(_LAST_KEY)
    return lows, highs


def _bins(lows: Sequence[int], highs: Sequence[int]) -> _Bins:
    """Return bins in which nothing has been counted."""
    counts = np.zeros((2, len(lows)), np.int64)
    return _Bins(np.array(lows, np.uint64), np.array(highs, np.uint64), counts.copy(), counts)

"""Gather what pictures show of two files: the start of each field, and histograms."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from noisify.comparison.cells import change
from noisify.comparison.figures import NumberFigures
from noisify.comparison.reading import side_by_side, units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from noisify.comparison.cells import Cells
    from noisify.comparison.reading import Pair, Side
    from noisify.comparison.result import Comparison

KEPT = 1 << 16
"""Values of the start of a field that are kept: for the stretch, the spectrum and images."""
BINS = 60
_INNER = (0.002, 0.998)
_WIDER = 0.2


def _unit_edges() -> NDArray[np.float64]:
    return np.linspace(0.0, 1.0, BINS + 1)


@dataclass
class Sample:
    """The values of one field that a picture shows.

    Attributes:
        name: The field's name.
        before: Shape (k,), its first values as float64; NaN where missing.
        after: Shape (k,), the same after noise.
        edges: Shape (BINS + 1,), the ends of the bins of `counts`.
        counts: Shape (2, BINS), how many values of the whole field are in each bin, before and
            after.
        moved_edges: Shape (BINS + 1,), the ends of the bins of `moved`.
        moved: Shape (BINS,), how many changes are in each bin.
        total: The number of all changes.
    """

    name: str
    before: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    after: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    edges: NDArray[np.float64] = field(default_factory=_unit_edges)
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros((2, BINS), np.int64))
    moved_edges: NDArray[np.float64] = field(default_factory=_unit_edges)
    moved: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))
    total: int = 0

    def add(self, before: Cells, after: Cells) -> None:
        """Add pairs of values."""
        values = [np.where(cells.valid, cells.floats.real, np.nan) for cells in (before, after)]
        both = before.valid & after.valid
        moved = change(before[both], after[both]).real
        room = KEPT - len(self.before)
        if room == KEPT and len(values[0]):
            self.edges = _edges(np.concatenate(values))
            self.moved_edges = _edges(moved)
        if room:
            self.before = np.append(self.before, values[0][:room])
            self.after = np.append(self.after, values[1][:room])
        for at, part in enumerate(values):
            self.counts[at] += np.histogram(part, self.edges)[0]
        self.moved += np.histogram(moved, self.moved_edges)[0]
        self.total += len(moved)


def gather(
    comparison: Comparison, pairs: Sequence[Pair], before: Side, after: Side
) -> dict[str, Sample]:
    """Return samples of fields of numbers, from one more reading of both files.

    Args:
        comparison: The comparison of the two files.
        pairs: The fields that are to be shown.
        before: The file without noise.
        after: The file with noise.
    """
    numbers = [pair for pair in pairs if isinstance(comparison.fields[pair.name], NumberFigures)]
    gathered = {pair.name: Sample(pair.name) for pair in numbers}
    for unit in units(numbers, before, after):
        for one, other in side_by_side(unit, before, after):
            for name, cells in one.items():
                if len(cells) == len(other[name]):
                    gathered[name].add(cells, other[name])
    return gathered


def from_start(sample: Sample) -> Sample:
    """Return the sample of a field of times, in seconds since its first."""
    known = sample.before[np.isfinite(sample.before)]
    first = known[0] if len(known) else 0.0
    return replace(
        sample,
        name=f"{sample.name} (seconds since the first)",
        before=sample.before - first,
        after=sample.after - first,
        edges=sample.edges - first,
    )


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ends of bins that hold nearly all of the values, and some room around them."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return _unit_edges()
    low, high = np.quantile(finite, _INNER)
    room = _WIDER * (high - low)
    low, high = max(low - room, float(finite.min())), min(high + room, float(finite.max()))
    if not low < high:
        low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
    return np.linspace(low, high, BINS + 1)

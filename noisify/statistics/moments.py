"""Statistics of whole fields that do not depend, to the bit, on how the data were cut.

Floating-point sums depend on their order, so they are taken over whole noise blocks and merged in
block order; quantiles are exact.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from noisify.core.chunk import BLOCK
from noisify.core.errors import UsageError
from noisify.core.value_class import frozen
from noisify.statistics.quantiles import QUARTILES, Quantiles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from noisify.core.chunk import Positions

MOST_DIFFERENT = 1 << 16
"""Different values a field of labels may have."""
SCORE_STEPS = 1 << 10
"""Bins in one standard deviation of a histogram of standardised values."""
SCORE_BINS = 64 * SCORE_STEPS
SCORE_CENTRES = (np.arange(SCORE_BINS) + 0.5) / SCORE_STEPS - SCORE_BINS / SCORE_STEPS / 2


@frozen(slots=True)
class Moments:
    """Count, mean and sum of squared deviations of some values.

    Merged by Chan, Golub and LeVeque (1979), "Updating formulae and a pairwise algorithm for
    computing sample variances". For complex values the deviations are squared moduli.
    """

    count: int = 0
    mean: complex = 0.0
    deviations: float = 0.0

    @classmethod
    def of(cls, values: NDArray[Any]) -> Moments:
        """Return the moments of values, shape (n,), float64 or complex128."""
        if not len(values):
            return cls()
        with np.errstate(over="ignore", invalid="ignore"):
            mean = values.sum() / len(values)
            centred = values - mean
            if values.dtype.kind == "c":
                squares = centred.real * centred.real + centred.imag * centred.imag
            else:
                squares = centred * centred
        plain = complex(mean) if values.dtype.kind == "c" else float(mean)
        return cls(len(values), plain, float(squares.sum()))

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of both sets of values together."""
        if not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        step = other.mean - self.mean
        share = other.count / count
        return Moments(
            count,
            self.mean + step * share,
            self.deviations + other.deviations + _square(step) * self.count * share,
        )

    @property
    def variance(self) -> float:
        """The variance, dividing by the count; NaN without values."""
        return self.deviations / self.count if self.count else math.nan

    @property
    def sd(self) -> float:
        """The standard deviation, dividing by the count; NaN without values."""
        return math.sqrt(self.variance) if self.count else math.nan

    @property
    def power(self) -> float:
        """The mean square, the mean not removed; NaN without values."""
        return _square(self.mean) + self.variance


@frozen(slots=True)
class JointMoments:
    """Count, means and comoments of several fields' values, merged as `Moments` are.

    Attributes:
        count: Rows in which every field has a value.
        mean: Shape (k,).
        comoments: Shape (k, k): sums of products of deviations.
    """

    count: int
    mean: NDArray[np.float64]
    comoments: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> JointMoments:
        """Return the moments of rows, shape (n, k)."""
        if not len(values):
            width = values.shape[1]
            return cls(0, np.zeros(width), np.zeros((width, width)))
        mean = values.mean(axis=0)
        centred = values - mean
        products = [[(one * other).sum() for other in centred.T] for one in centred.T]
        return cls(len(values), mean, np.array(products))

    def __add__(self, other: JointMoments) -> JointMoments:
        """Return the moments of both sets of rows together."""
        if not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        step = other.mean - self.mean
        share = other.count / count
        return JointMoments(
            count,
            self.mean + step * share,
            self.comoments + other.comoments + np.outer(step, step) * (self.count * share),
        )

    @property
    def covariance(self) -> NDArray[np.float64]:
        """The covariance matrix, dividing by the count, shape (k, k)."""
        return self.comoments / max(1, self.count)


def _square(value: complex) -> float:
    """Return |value| squared; infinity where that overflows."""
    return value.real * value.real + value.imag * value.imag


@frozen(slots=True)
class BlockPieces:
    """The values of one chunk, cut at the borders of noise blocks: made in a worker.

    Attributes:
        whole: Moments of the blocks that lie in the chunk whole.
        parts: (block, elements covered, values) of those that do not.
    """

    whole: list[tuple[int, Moments | JointMoments]]
    parts: list[tuple[int, slice | NDArray[np.int64], NDArray[Any]]]

    @classmethod
    def cut(
        cls, positions: Positions, values: NDArray[Any], valid: NDArray[np.bool_] | None
    ) -> BlockPieces:
        """Cut values at positions into blocks, leaving out those that are not valid."""
        whole, parts = [], []
        for block, inside, here in positions.by_block():
            piece = values[here]
            kept = None if valid is None else valid[here]
            if len(piece) == BLOCK:
                whole.append((block, moments_of(piece if kept is None else piece[kept])))
                continue
            masked = piece.copy()
            if kept is not None:
                masked[~kept] = np.nan
            parts.append((block, inside, masked))
        return cls(whole, parts)


@dataclass
class BlockMoments:
    """Moments of a field, merged in block order whatever the order its pieces come in."""

    merged: Any = field(default_factory=Moments)
    next_block: int = 0
    waiting: dict[int, Any] = field(default_factory=dict)
    partial: dict[int, tuple[int, NDArray[Any]]] = field(default_factory=dict)

    def __iadd__(self, pieces: BlockPieces) -> Self:
        """Take in the pieces of one chunk."""
        self.waiting.update(pieces.whole)
        for block, where, values in pieces.parts:
            seen, buffer = self.partial.pop(block, (0, values[:0]))
            buffer = _with_room(buffer, where)
            buffer[where] = values
            if seen + len(values) == BLOCK:
                self.waiting[block] = _moments_of_block(buffer)
            else:
                self.partial[block] = (seen + len(values), buffer)
        while self.next_block in self.waiting:
            self.merged += self.waiting.pop(self.next_block)
            self.next_block += 1
        return self

    def total(self) -> Any:  # noqa: ANN401 - of the kind that was taken in
        """Return the moments of everything taken in, the last partial block included."""
        rest = dict(self.waiting)
        rest.update({block: _moments_of_block(part) for block, (_, part) in self.partial.items()})
        total = self.merged
        for block in sorted(rest):
            total += rest[block]
        return total


def moments_of(values: NDArray[Any]) -> Moments | JointMoments:
    """Return the moments of values, shape (n,), or of rows of several fields, shape (n, k)."""
    return Moments.of(values) if values.ndim == 1 else JointMoments.of(values)


def _with_room(buffer: NDArray[Any], where: slice | NDArray[np.int64]) -> NDArray[Any]:
    """Return the start of a block, at least as long as to hold some of its elements."""
    stop = where.stop if isinstance(where, slice) else int(where.max()) + 1
    if stop <= len(buffer):
        return buffer
    size = min(BLOCK, max(stop, 2 * len(buffer)))
    longer = np.full((size, *buffer.shape[1:]), np.nan, buffer.dtype)
    longer[: len(buffer)] = buffer
    return longer


def _moments_of_block(buffer: NDArray[Any]) -> Moments | JointMoments:
    missing = np.isnan(buffer)
    if buffer.ndim > 1:
        missing = missing.any(axis=1)
    return moments_of(buffer[~missing] if missing.any() else buffer)


@dataclass
class Extremes:
    """The smallest and the largest of some values."""

    low: float = math.inf
    high: float = -math.inf

    def __iadd__(self, values: NDArray[np.float64]) -> Self:
        """Take in finite values."""
        if len(values):
            self.low = min(self.low, float(values.min()))
            self.high = max(self.high, float(values.max()))
        return self

    @property
    def range(self) -> float:
        """The largest less the smallest; NaN without values."""
        return self.high - self.low if self.low <= self.high else math.nan


def score_counts(values: NDArray[np.float64], mean: float, sd: float) -> NDArray[np.int64]:
    """Count standardised values in bins, those beyond the last bin in the last."""
    if not sd > 0:
        return np.bincount([SCORE_BINS // 2] * len(values), minlength=SCORE_BINS)
    places = np.floor((values - mean) / sd * SCORE_STEPS) + SCORE_BINS // 2
    return np.bincount(np.clip(places, 0, SCORE_BINS - 1).astype(np.int64), minlength=SCORE_BINS)


@frozen(slots=True)
class FieldStatistics:
    """What a first pass tells of a field; NaN where it was not asked for or has no values."""

    count: int
    mean: float = math.nan
    sd: float = math.nan
    power: float = math.nan
    range: float = math.nan
    iqr: float = math.nan
    low: float = math.nan
    high: float = math.nan
    lower_quartile: float = math.nan
    upper_quartile: float = math.nan
    length: int = 0
    values: tuple[tuple[str, int], ...] = ()
    covariance: Mapping[str, float] = field(default_factory=dict)
    scores: tuple[NDArray[np.float64], NDArray[np.int64]] | None = None


@dataclass
class Survey:
    """The first pass, or passes, over one field: what is needed of it, and no more.

    Args:
        needs: Any of sd, power, range, iqr, length, values, scores; covariance is not its own.
    """

    needs: frozenset[str]
    length: int = 0
    different: Counter[str] = field(default_factory=Counter)
    scores: NDArray[np.int64] | None = None
    moments: BlockMoments = field(default_factory=BlockMoments)
    extremes: Extremes = field(default_factory=Extremes)
    quantiles: Quantiles | None = None
    passes: int = 0

    def __post_init__(self) -> None:
        """Make room only for what is needed: there may be thousands of fields."""
        if "scores" in self.needs:
            self.scores = np.zeros(SCORE_BINS, np.int64)
        if "iqr" in self.needs:
            self.quantiles = Quantiles()

    @property
    def done(self) -> bool:
        """Whether no further pass is needed."""
        passes = 1 if self.scores is None else 2
        return self.passes >= passes and (self.quantiles is None or self.quantiles.done)

    def look(
        self,
        positions: Positions,
        values: NDArray[Any],
        valid: NDArray[np.bool_] | None,
        texts: Callable[[], Counter[str]] = Counter,
    ) -> tuple[Any, ...]:
        """Return what one chunk adds to this pass; safe in a worker.

        Args:
            positions: Where the values stand.
            values: Shape (n,), float64 or complex128.
            valid: Which of them count; None: all.
            texts: Counts the different values, as texts.
        """
        kept = values if valid is None else values[valid]
        pieces = BlockPieces.cut(positions, values, valid) if not self.passes else None
        ends = kept if not self.passes and "range" in self.needs else kept[:0]
        digits = None if self.quantiles is None else self.quantiles.look(kept)
        low_high = np.array([ends.min(), ends.max()]) if len(ends) else np.empty(0)
        different = texts() if not self.passes and "values" in self.needs else None
        scores = None
        if self.passes == 1 and self.scores is not None:
            total = self.moments.total()
            scores = score_counts(kept, total.mean.real, total.sd)
        return pieces, low_high, digits, len(values), different, scores

    def take(self, looked: tuple[Any, ...]) -> None:
        """Take in what `look` returned, in the order of the chunks."""
        pieces, ends, digits, length, different, scores = looked
        if not self.passes:
            self.length += length
        if self.scores is not None and scores is not None:
            self.scores += scores
        if different is not None:
            self.different.update(different)
            if len(self.different) > MOST_DIFFERENT:
                raise UsageError(
                    f"has more than {MOST_DIFFERENT:,} different values, so it is no label; "
                    "choose another field"
                )
        if pieces is not None:
            self.moments += pieces
        self.extremes += ends
        if self.quantiles is not None:
            self.quantiles.take(digits)

    def end_pass(self) -> None:
        """Settle one pass over the whole field."""
        self.passes += 1
        if self.quantiles is not None:
            self.quantiles.end_pass()

    def result(self) -> FieldStatistics:
        """Return the statistics."""
        total = self.moments.total()
        low = high = math.nan
        if self.quantiles is not None:
            low, high = (self.quantiles.value(share) for share in QUARTILES)
        return FieldStatistics(
            count=total.count,
            mean=total.mean.real,
            sd=total.sd,
            power=total.power,
            range=self.extremes.range,
            iqr=high - low,
            low=self.extremes.low,
            high=self.extremes.high,
            lower_quartile=low,
            upper_quartile=high,
            length=self.length,
            values=tuple(sorted(self.different.items())),
            scores=None if self.scores is None else (SCORE_CENTRES, self.scores),
        )

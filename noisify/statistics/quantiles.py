"""Exact quantiles, which do not depend on how the data were cut, in constant memory."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

QUARTILES = (0.25, 0.75)
GATHER_LIMIT = 1 << 20
"""Candidates for a quantile that are simply gathered and sorted; 8 MB."""
FEW = 1 << 16
"""Values that are gathered in the first pass; more are counted, which takes as much memory."""
_DIGIT_BITS = 16
_KEY_BITS = 64


def sort_keys(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Map float64 to unsigned integers of the same order.

    >>> sort_keys(np.array([-1.0, -0.0, 0.0, 2.5])).argsort().tolist()
    [0, 1, 2, 3]
    """
    bits: NDArray[np.uint64] = np.ascontiguousarray(values, np.float64).view(np.uint64)
    negative = bits >> np.uint64(63)
    flip: NDArray[np.uint64] = (np.uint64(0) - negative) | np.uint64(1 << 63)
    return np.asarray(bits ^ flip, np.uint64)


def from_sort_key(key: int) -> float:
    """Return the float64 with such a sort key."""
    bits = key ^ (1 << 63) if key >> 63 else key ^ (2**64 - 1)
    return float(np.array([bits], np.uint64).view(np.float64)[0])


@dataclass
class Quantiles:
    """Exact quantiles in passes over the data: counts first, then the few that are left.

    Each pass counts the values by the next 16 bits of their sort keys within the prefixes that
    still hold a wanted order statistic; once few enough values are left they are gathered and
    sorted. Constant memory, at most five passes, two as a rule, and one for the few values that
    take no more room than the counts.
    """

    shares: Sequence[float] = QUARTILES
    count: int = 0
    depth: int = 0
    found: dict[int, float] = field(default_factory=dict)
    prefixes: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    tallies: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    gathered: list[NDArray[np.uint64]] | None = field(default_factory=list)
    held: int = 0
    done: bool = False

    def __post_init__(self) -> None:
        """Look at every value in the first pass."""
        self.prefixes = {0: []}

    def look(self, values: NDArray[np.float64]) -> Any:  # noqa: ANN401
        """Return what a chunk of finite values adds to this pass; safe in a worker."""
        keys = sort_keys(values)
        if self.gathered is not None:
            return np.concatenate([self._within(keys, prefix) for prefix in self.prefixes])
        return {prefix: self._tally(keys, prefix) for prefix in self.prefixes}

    def take(self, looked: Any) -> None:  # noqa: ANN401
        """Take in what `look` returned."""
        if isinstance(looked, dict):
            for prefix, tally in looked.items():
                self.tallies[prefix] += tally
        elif self.gathered is None:  # it was not when a worker looked
            self.tallies[0] += self._tally(looked, 0)
        else:
            self.gathered.append(looked)
            self.held += len(looked)
            if not self.depth and self.held > min(FEW, GATHER_LIMIT):
                self.tallies = {0: self._tally(np.concatenate(self.gathered), 0)}
                self.gathered = None

    def end_pass(self) -> None:
        """Settle what this pass told, and prepare the next or be done."""
        if not self.depth:
            self.count = int(self.tallies[0].sum()) if self.gathered is None else self.held
            if not self.count:
                self.done = True
                return
            self.prefixes = {0: [(rank, rank) for rank in self._ranks()]}
        if self.gathered is not None:
            self._settle(np.sort(np.concatenate(self.gathered)))
            return
        narrowed: dict[int, list[tuple[int, int]]] = {}
        candidates: dict[int, int] = {}
        for prefix, wanted in self.prefixes.items():
            running = np.cumsum(self.tallies[prefix])
            for rank, within in wanted:
                digit = int(np.searchsorted(running, within, side="right"))
                before = int(running[digit - 1]) if digit else 0
                longer = (prefix << _DIGIT_BITS) | digit
                narrowed.setdefault(longer, []).append((rank, within - before))
                candidates[longer] = int(self.tallies[prefix][digit])
        self.depth += 1
        self.prefixes = dict(sorted(narrowed.items()))
        if self.depth * _DIGIT_BITS == _KEY_BITS:
            for key, wanted in self.prefixes.items():
                self.found.update((rank, from_sort_key(key)) for rank, _ in wanted)
            self.done = True
        elif sum(candidates.values()) <= GATHER_LIMIT:
            self.gathered = []
        else:
            self.tallies = {p: np.zeros(1 << _DIGIT_BITS, np.int64) for p in self.prefixes}

    def value(self, share: float) -> float:
        """Return one quantile, interpolated linearly as NumPy does by default; NaN without values.

        Hyndman and Fan (1996), definition 7.
        """
        if not self.count:
            return math.nan
        place = (self.count - 1) * share
        low = math.floor(place)
        below, above = self.found[low], self.found[min(low + 1, self.count - 1)]
        return below + (above - below) * (place - low)

    def _ranks(self) -> list[int]:
        places = [math.floor((self.count - 1) * share) for share in self.shares]
        return sorted({min(p + step, self.count - 1) for p in places for step in (0, 1)})

    def _within(self, keys: NDArray[np.uint64], prefix: int) -> NDArray[np.uint64]:
        if not self.depth:
            return keys
        shift = np.uint64(_KEY_BITS - self.depth * _DIGIT_BITS)
        within: NDArray[np.bool_] = (keys >> shift) == np.uint64(prefix)
        return keys[within]

    def _tally(self, keys: NDArray[np.uint64], prefix: int) -> NDArray[np.int64]:
        shift = np.uint64(_KEY_BITS - (self.depth + 1) * _DIGIT_BITS)
        digits = (self._within(keys, prefix) >> shift) & np.uint64((1 << _DIGIT_BITS) - 1)
        return np.bincount(digits.astype(np.int64), minlength=1 << _DIGIT_BITS)

    def _settle(self, keys: NDArray[np.uint64]) -> None:
        shift = _KEY_BITS - self.depth * _DIGIT_BITS
        for prefix, wanted in self.prefixes.items():
            start = int(np.searchsorted(keys, np.uint64(prefix << shift)))
            for rank, within in wanted:
                self.found[rank] = from_sort_key(int(keys[start + within]))
        self.done = True

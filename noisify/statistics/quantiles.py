"""Exact quantiles in constant memory, independent of how the data are cut into chunks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

QUARTILES = (0.25, 0.75)
GATHER_LIMIT = 1 << 20
"""Most candidates for a quantile that are gathered and sorted; 8 MB."""
FEW = 1 << 16
"""Most values gathered in the first pass; beyond this, counts take no more memory."""
_DIGIT_BITS = 16
_KEY_BITS = 64
_HIGH_DIGITS = _KEY_BITS // _DIGIT_BITS
_MANTISSA_BITS = 53
_EXACT = 1 << _MANTISSA_BITS
"""float64 holds integers below this exactly."""
_WORD_LOW_BITS = 64 - _MANTISSA_BITS
_WIDE_DIGITS = 13
"""16-bit digits of the remainder that a 256-bit decimal leaves above its float64."""


def sort_keys(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Map float64 to unsigned integers in the same order.

    >>> sort_keys(np.array([-1.0, -0.0, 0.0, 2.5])).argsort().tolist()
    [0, 1, 2, 3]
    """
    bits: NDArray[np.uint64] = np.ascontiguousarray(values, np.float64).view(np.uint64)
    negative = bits >> np.uint64(63)
    flip: NDArray[np.uint64] = (np.uint64(0) - negative) | np.uint64(1 << 63)
    return np.asarray(bits ^ flip, np.uint64)


def from_sort_key(key: int) -> float:
    """Return the float64 with a sort key."""
    bits = key ^ (1 << 63) if key >> 63 else key ^ (2**64 - 1)
    return float(np.array([bits], np.uint64).view(np.float64)[0])


@frozen(slots=True)
class Keys:
    """Sort keys of values.

    Attributes:
        high: Shape (n,), the sort keys of the float64 values.
        low: Shape (n,), integers minus the float64 below them, or None if all are 0.
        whole: Whether the values are integers.
    """

    high: NDArray[np.uint64]
    low: NDArray[Any] | None = None
    whole: bool = False

    @classmethod
    def of(cls, values: NDArray[np.float64], whole: NDArray[Any] | None = None) -> Keys:
        """Return the keys of floats, or of integers if given."""
        if whole is None:
            return cls(sort_keys(values))
        low = _low_bits(whole)
        floats = (whole if low is None else whole - low).astype(np.float64)
        return cls(sort_keys(floats), low, whole=True)

    @classmethod
    def joined(cls, parts: Sequence[Keys]) -> Keys:
        """Concatenate keys."""
        high = np.concatenate([part.high for part in parts])
        whole = any(part.whole for part in parts)
        if all(part.low is None for part in parts):
            return cls(high, None, whole)
        lows = (np.zeros(len(p.high), np.int64) if p.low is None else p.low for p in parts)
        return cls(high, np.concatenate(list(lows)), whole)

    def chosen(self, which: NDArray[np.bool_]) -> Keys:
        """Return the keys selected by a mask."""
        return Keys(self.high[which], None if self.low is None else self.low[which], self.whole)

    def value(self, rank: int) -> float | int:
        """Return the value of a rank."""
        if self.low is None:
            high = from_sort_key(int(np.partition(self.high, rank)[rank]))
            return int(high) if self.whole else high
        at = int(np.lexsort((self.low, self.high))[rank])
        return int(from_sort_key(int(self.high[at]))) + int(self.low[at])


_WIDEST = 8
"""Bytes of the integers that float64 cannot hold exactly."""


def _low_bits(whole: NDArray[Any]) -> NDArray[Any] | None:
    """Return the low bits of integers that float64 cannot hold; None if all are 0."""
    if whole.dtype == object:
        return np.array([_low_bits_of(int(value)) for value in whole.tolist()], object)
    if whole.dtype.itemsize < _WIDEST or not len(whole):
        return None
    if int(whole.min()) > -_EXACT and int(whole.max()) < _EXACT:
        return None
    last = whole & whole.dtype.type((1 << _WORD_LOW_BITS) - 1)
    small = whole < _EXACT
    if whole.dtype.kind == "i":
        small &= whole > -_EXACT
    last[small] = 0
    return np.asarray(last, np.int64)


def _low_bits_of(value: int) -> int:
    bits = value.bit_length()
    if bits <= _MANTISSA_BITS:
        return 0
    return value & ((1 << max(_WORD_LOW_BITS, bits - _MANTISSA_BITS)) - 1)


Tallies = tuple[int, dict[int, "NDArray[np.int64]"]]
"""Digits of the integers' low bits, and counts of the next digit by prefix."""


@dataclass
class Quantiles:
    """Exact quantiles in a few passes over the data, by radix selection.

    Each pass counts the values by the next 16 bits of their sort keys, within the prefixes that
    still hold a wanted order statistic; once few candidates are left they are gathered and sorted.
    This takes constant memory and at most five passes: usually two, and one for few values.
    Integers are ordered by the float64 below them first, then by the remainder, which takes another
    pass (for decimals several) where millions share one float64.

    Args:
        shares: The quantiles, from 0 to 1.
        limit: The most values that are gathered and sorted.
    """

    shares: Sequence[float] = QUARTILES
    limit: int = GATHER_LIMIT
    count: int = 0
    depth: int = 0
    found: dict[int, float | int] = field(default_factory=dict)
    prefixes: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    tallies: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    gathered: list[Keys] | None = field(default_factory=list)
    held: int = 0
    low_digits: int = 0
    done: bool = False

    def __post_init__(self) -> None:
        """Start with the empty prefix, which matches every value."""
        self.prefixes = {0: []}

    def partial(
        self, values: NDArray[np.float64], whole: NDArray[Any] | None = None
    ) -> Keys | Tallies:
        """Return the contribution of a chunk of finite values to this pass; safe in a worker.

        Args:
            values: Shape (n,).
            whole: The values as integers, shape (n,), if they all are; used instead of `values`.
        """
        keys = Keys.of(values, whole)
        if self.gathered is not None:
            return Keys.joined([self._within(keys, prefix) for prefix in self.prefixes])
        digits = 1 if keys.whole else 0
        if keys.low is not None and keys.low.dtype == object:
            digits = _WIDE_DIGITS
        return digits, {prefix: self._tally(keys, prefix) for prefix in self.prefixes}

    def merge(self, looked: Keys | Tallies | Quantiles) -> None:
        """Add a result of `partial`, or what another search found in this pass in other values."""
        if isinstance(looked, Quantiles):
            if self.gathered is not None and looked.gathered is None:
                self._count_gathered()
            for part in (*(looked.gathered or ()), (looked.low_digits, looked.tallies)):
                self.merge(part)
        elif isinstance(looked, tuple):
            digits, tallies = looked
            self.low_digits = max(self.low_digits, digits)
            for prefix, tally in tallies.items():
                self.tallies[prefix] += tally
        elif self.gathered is None:  # another chunk has reached the limit since
            self.tallies[0] += self._tally(looked, 0)
        else:
            self.gathered.append(looked)
            self.held += len(looked.high)
            if not self.depth and self.held > min(FEW, self.limit):
                self._count_gathered()

    def _count_gathered(self) -> None:
        """Count the values of the first pass instead of gathering them."""
        counted = [self._tally(keys, 0) for keys in self.gathered or ()]
        self.tallies = {0: sum(counted, np.zeros(1 << _DIGIT_BITS, np.int64))}
        self.gathered = None

    def end_pass(self) -> None:
        """Evaluate this pass, and prepare the next one or finish."""
        if not self.depth:
            self.count = int(self.tallies[0].sum()) if self.gathered is None else self.held
            if not self.count:
                self.done = True
                return
            self.prefixes = {0: [(rank, rank) for rank in self._ranks()]}
        if self.gathered is not None:
            self._settle(Keys.joined(self.gathered))
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
        if self.depth >= _HIGH_DIGITS and self._known():
            for key, wanted in self.prefixes.items():
                self.found.update((rank, self._value_of(key)) for rank, _ in wanted)
            self.done = True
        elif sum(candidates.values()) <= self.limit:
            self.gathered = []
        else:
            self.tallies = {p: np.zeros(1 << _DIGIT_BITS, np.int64) for p in self.prefixes}

    def _known(self) -> bool:
        """Return whether the known prefixes determine the wanted values."""
        if self.depth == _HIGH_DIGITS + self.low_digits:
            return True
        return self.depth == _HIGH_DIGITS and all(
            abs(from_sort_key(key)) < _EXACT for key in self.prefixes
        )

    def _value_of(self, key: int) -> float | int:
        """Return the value of a key that determines it, see `_known`."""
        low_bits = (self.depth - _HIGH_DIGITS) * _DIGIT_BITS
        high = from_sort_key(key >> low_bits)
        return int(high) + (key & ((1 << low_bits) - 1)) if self.low_digits else high

    def value(self, share: float) -> float | Fraction:
        """Return one quantile, interpolated linearly as NumPy does by default; NaN without values.

        Hyndman and Fan (1996), definition 7. Exact for integers.
        """
        if not self.count:
            return math.nan
        place = (self.count - 1) * share
        low = math.floor(place)
        below, above = self.found[low], self.found[min(low + 1, self.count - 1)]
        if isinstance(below, int):
            return below + (above - below) * Fraction(place - low)
        gap = above - below
        if math.isinf(gap):  # the difference overflows
            return below * (1 - (place - low)) + above * (place - low)
        return below + gap * (place - low)

    def _ranks(self) -> list[int]:
        places = [math.floor((self.count - 1) * share) for share in self.shares]
        return sorted({min(p + step, self.count - 1) for p in places for step in (0, 1)})

    def _within(self, keys: Keys, prefix: int) -> Keys:
        """Return the keys that start with a prefix of `depth` digits."""
        if not self.depth:
            return keys
        more = max(0, self.depth - _HIGH_DIGITS)
        shift = np.uint64(_KEY_BITS - (self.depth - more) * _DIGIT_BITS)
        within = keys.chosen((keys.high >> shift) == np.uint64(prefix >> more * _DIGIT_BITS))
        if not more:
            return within
        start = prefix & ((1 << more * _DIGIT_BITS) - 1)
        return within.chosen(self._low_from(within, more) == start)

    def _low_from(self, keys: Keys, digits: int) -> NDArray[Any]:
        """Return the first `digits` digits of the integers' low bits."""
        low = np.zeros(len(keys.high), np.int64) if keys.low is None else keys.low
        shift = (self.low_digits - digits) * _DIGIT_BITS
        return low >> shift if low.dtype == object or not shift else low.astype(object) >> shift

    def _tally(self, keys: Keys, prefix: int) -> NDArray[np.int64]:
        within = self._within(keys, prefix)
        if self.depth < _HIGH_DIGITS:
            shift = np.uint64(_KEY_BITS - (self.depth + 1) * _DIGIT_BITS)
            digits: NDArray[Any] = (within.high >> shift) & np.uint64((1 << _DIGIT_BITS) - 1)
        else:
            found = self._low_from(within, self.depth - _HIGH_DIGITS + 1)
            digits = found & ((1 << _DIGIT_BITS) - 1)
        return np.bincount(digits.astype(np.int64), minlength=1 << _DIGIT_BITS)

    def _settle(self, keys: Keys) -> None:
        for prefix, wanted in self.prefixes.items():
            within = self._within(keys, prefix)
            for rank, place in wanted:
                self.found[rank] = within.value(place)
        self.done = True

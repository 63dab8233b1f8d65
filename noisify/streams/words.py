"""The words of random streams: 64 random bits for each index, a pure function of both.

word(stream, i) = mix64(start + i * increment), modulo 2**64: SplitMix64 (Steele, Lea and Flood,
"Fast splittable pseudorandom number generators", OOPSLA 2014), with each stream's own increment and
at any index, in any order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from noisify.core.native import Part, load, pure
from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeAlias

    from numpy.typing import NDArray

    Uint64s = NDArray[np.uint64]
    Floats = NDArray[np.float64]
    Index: TypeAlias = range | Uint64s
    """Indices of elements: consecutive ones, or any of 0 to 2**64 - 1, shape (n,)."""

_compiled_part: Any = load(Part.VARIATES)
STRIP = 1 << 15
"""Words made together; they and what is made of them fit the cache."""
_WORD = (1 << 64) - 1
_UNUSED_BITS = np.uint64(11)
_EXPONENT_BITS = np.uint64(12)
"""Bits of the sign and the exponent of float64."""
_ONE = np.array(1.0).view(np.uint64)[()]
"""The bits of 1."""
_MIX = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)
_LAST_SHIFT = np.uint64(31)
"""Stafford's variant 13 of the finaliser of MurmurHash3, which SplitMix64 uses."""
_FEWEST_CHANGES = 24
_ALTERNATING = 0xAAAAAAAAAAAAAAAA
"""An increment with fewer changes from one bit to the next gets every second bit inverted: OOPSLA
2014, section 3."""


@frozen(slots=True)
class Stream:
    """One random stream.

    Attributes:
        start: The state at index 0, 64 bits.
        increment: How far the state moves from one index to the next, 64 bits and odd.
    """

    start: int
    increment: int

    @classmethod
    def of_digest(cls, digest: bytes) -> Stream:
        """Return the stream of 16 random bytes."""
        start, increment = (int.from_bytes(digest[at : at + 8], "little") for at in (0, 8))
        increment |= 1
        if (increment ^ increment >> 1).bit_count() < _FEWEST_CHANGES:
            increment ^= _ALTERNATING
        return cls(start, increment)

    def words(self, index: Index) -> Words:
        """Return this stream's words at some indices."""
        return Words.of([self], index)


@frozen(slots=True)
class Words:
    """The words of one or several streams at some indices, and the variates made of them.

    A variate takes the word at its index; if it needs more words, it takes those at the same index
    of the stream's retry streams 1, 2, ...

    Attributes:
        starts: The streams' starts: shape (k, 1) for k streams at the same n indices, or (n,) for a
            stream for each index.
        increments: Their increments, the same shape.
        index: The indices.
    """

    starts: Uint64s
    increments: Uint64s
    index: Index

    @classmethod
    def of(cls, streams: Iterable[Stream], index: Index) -> Words:
        """Return the words of several streams at the same indices."""
        starts = np.array([[one.start] for one in streams], np.uint64)
        return cls(starts, np.array([[one.increment] for one in streams], np.uint64), index)

    @property
    def size(self) -> int:
        """The number of words."""
        return len(self.index) * (len(self.starts) if self.starts.ndim > 1 else 1)

    def compiled(
        self, kind: Literal["words", "uniform", "open_uniform", "normal"], out: NDArray[Any]
    ) -> bool:
        """Make the words or variates in compiled code, several times as fast.

        Args:
            kind: Words, standard normal variates, or variates uniform on [0, 1) or (0, 1).
            out: Filled stream after stream, shape (k * n,).

        Returns:
            Whether it was done: not for a stream for each index, or without the compiled part.
        """
        if self.starts.ndim == 1 or _compiled_part is None or pure():
            return False
        index = self.index
        places = (index.start, None) if isinstance(index, range) else (0, index)
        getattr(_compiled_part, kind)(
            self.starts.reshape(-1), self.increments.reshape(-1), *places, out
        )
        return True

    def raw(self) -> Uint64s:
        """Return the words, stream after stream, shape (k * n,)."""
        out = np.empty(self.size, np.uint64)
        if not self.compiled("words", out):
            for here, words in self.strips():
                out[here] = words
        return out

    def uniform(self) -> Floats:
        """Return variates uniform on [0, 1): multiples of 2**-53."""
        out = np.empty(self.size)
        if not self.compiled("uniform", out):
            for here, words in self.strips():
                np.right_shift(words, _UNUSED_BITS, out=words)
                np.multiply(words.view(np.int64), 2.0**-53, out=out[here])
        return out

    def open_uniform(self) -> Floats:
        """Return variates uniform on (0, 1): odd multiples of 2**-53."""
        out = np.empty(self.size)
        if not self.compiled("open_uniform", out):
            for here, words in self.strips():
                open_uniform_of(words, out[here])
        return out

    def strips(self) -> Iterator[tuple[slice, Uint64s]]:
        """Yield the words in order, with their places in `raw()`, at most STRIP at a time.

        The next strip overwrites the last one, and the caller may, too.
        """
        if self.starts.shape != (1, 1):
            words = mix64(_states(self))
            for first in range(0, self.size, STRIP):
                yield slice(first, first + STRIP), words[first : first + STRIP]
            return
        length = min(self.size, STRIP)
        states, spare = np.empty(length, np.uint64), np.empty(length, np.uint64)
        (start,), (increment,) = self.starts[0], self.increments[0]
        steps = np.arange(length, dtype=np.uint64) * increment
        for first in range(0, self.size, STRIP):
            index = self.index[first : first + STRIP]
            words = states[: len(index)]
            if isinstance(index, range):
                state = int(start) + index.start * int(increment)
                np.add(steps[: len(index)], np.uint64(state & _WORD), out=words)
            else:
                np.multiply(index, increment, out=words)
                words += start
            _mix(words, spare[: len(index)])
            yield slice(first, first + len(index)), words

    def retry(self, number: int) -> Words:
        """Return the words of the streams' retry streams, numbered from 1, at the same indices."""
        if self.starts.shape != (1, 1):
            return Words(*_retried(self.starts, self.increments, number), self.index)
        (start,), (increment,) = self.starts.tolist(), self.increments.tolist()
        return Words(*_retried_once(*start, *increment, number), self.index)

    def at(self, which: NDArray[np.intp]) -> Words:
        """Return some of these words by their places in `raw()`."""
        if self.starts.shape == (1, 1):
            return Words(self.starts, self.increments, _part(self.index, which))
        streams, places = which, which
        if self.starts.ndim > 1:
            streams, places = np.divmod(which, len(self.index))
        starts, increments = self.starts.reshape(-1), self.increments.reshape(-1)
        return Words(starts[streams], increments[streams], _part(self.index, places))


def _retried(starts: Uint64s, increments: Uint64s, number: int) -> tuple[Uint64s, Uint64s]:
    """Return the starts and the increments of the streams' retry streams."""
    double = np.uint64(2 * number)
    other_starts = mix64(starts - increments * double)
    others = mix64(starts - increments * (double + np.uint64(1))) | np.uint64(1)
    regular = np.bitwise_count(others ^ others >> np.uint64(1)) < _FEWEST_CHANGES
    others[regular] ^= np.uint64(_ALTERNATING)
    return other_starts, others


@lru_cache(maxsize=256)
def _retried_once(start: int, increment: int, number: int) -> tuple[Uint64s, Uint64s]:
    """Return `_retried` for one stream; cached, since each chunk asks for it."""
    return _retried(np.array([[start]], np.uint64), np.array([[increment]], np.uint64), number)


def _states(words: Words) -> Uint64s:
    """Return the states of several streams, shape (k * n,)."""
    states = _part(words.index, np.arange(len(words.index))) * words.increments
    states += words.starts
    return states.reshape(-1)


def _part(index: Index, which: NDArray[np.intp]) -> Uint64s:
    if isinstance(index, range):
        return which.astype(np.uint64) + np.uint64(index.start & _WORD)
    return index[which]


def mix64(states: Uint64s) -> Uint64s:
    """Return the words of some states."""
    words = states.copy()
    _mix(words, np.empty_like(words))
    return words


def _mix(words: Uint64s, spare: Uint64s) -> None:
    """Turn states into words in place; `spare` is overwritten."""
    for shift, factor in _MIX:
        np.right_shift(words, shift, out=spare)
        words ^= spare
        words *= factor
    np.right_shift(words, _LAST_SHIFT, out=spare)
    words ^= spare


def open_uniform_of(words: Uint64s, out: Floats) -> None:
    """Fill `out` with the variates uniform on (0, 1) of words, which are overwritten.

    The upper 52 bits become the significand of a number from 1 to 2, exactly.
    """
    words >>= _EXPONENT_BITS
    words |= _ONE
    np.subtract(words.view(np.float64), 1 - 2.0**-53, out=out)

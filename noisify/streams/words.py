"""The words of random streams: 64 random bits for each index, a pure function of both.

word(stream, i) = mix64(start + i * increment), modulo 2**64: SplitMix64 (Steele, Lea and Flood,
"Fast splittable pseudorandom number generators", OOPSLA 2014), with each stream's own increment and
at any index, in any order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from noisify.core.value_class import frozen
from noisify.streams import compiled

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    from numpy.typing import NDArray

    Uint64s = NDArray[np.uint64]
    Floats = NDArray[np.float64]
    Index: TypeAlias = range | Uint64s
    """Indices of elements: consecutive ones, or any of 0 to 2**64 - 1, shape (n,)."""

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

    def raw(self) -> Uint64s:
        """Return the words, stream after stream, shape (k * n,)."""
        out = np.empty(self.size, np.uint64)
        if not compiled.fill("words", self.starts, self.increments, self.index, out):
            self._fill(out)
        return out

    def uniform(self) -> Floats:
        """Return variates uniform on [0, 1): multiples of 2**-53."""
        out = np.empty(self.size)
        if not compiled.fill("uniform", self.starts, self.increments, self.index, out):
            np.multiply(whole(self.raw(), 11), 2.0**-53, out=out)
        return out

    def open_uniform(self) -> Floats:
        """Return variates uniform on (0, 1): odd multiples of 2**-53."""
        out = np.empty(self.size)
        if compiled.fill("open_uniform", self.starts, self.increments, self.index, out):
            return out
        return opened(self.raw())

    def retry(self, number: int) -> Words:
        """Return the words at the same indices of the streams' retry streams of a number from 1."""
        double = np.uint64(2 * number)
        starts = mix64(self.starts - self.increments * double)
        increments = mix64(self.starts - self.increments * (double + np.uint64(1))) | np.uint64(1)
        regular = np.bitwise_count(increments ^ increments >> np.uint64(1)) < _FEWEST_CHANGES
        increments[regular] ^= np.uint64(_ALTERNATING)
        return Words(starts, increments, self.index)

    def at(self, which: NDArray[np.intp]) -> Words:
        """Return some of these words by their places in `raw()`."""
        if self.starts.ndim == 1:
            streams = which
            places = which
        else:
            streams, places = np.divmod(which, len(self.index))
        starts, increments = self.starts.reshape(-1), self.increments.reshape(-1)
        return Words(starts[streams], increments[streams], _indices(self.index)[places])

    def _fill(self, out: Uint64s) -> None:
        shape = np.broadcast_shapes(self.starts.shape, (len(self.index),))
        states = out.reshape(shape)
        np.multiply(_indices(self.index), self.increments, out=states)
        states += self.starts
        _mix(states)


def _indices(index: Index) -> Uint64s:
    if isinstance(index, range):
        return np.arange(index.start, index.stop, dtype=np.uint64)
    return index


def mix64(states: Uint64s) -> Uint64s:
    """Return the words of some states."""
    words = states.copy()
    _mix(words)
    return words


def _mix(words: Uint64s) -> None:
    """Turn states into words in place."""
    spare = np.empty_like(words)
    for shift, factor in _MIX:
        np.right_shift(words, shift, out=spare)
        words ^= spare
        words *= factor
    np.right_shift(words, _LAST_SHIFT, out=spare)
    words ^= spare


def whole(words: Uint64s, shift: int) -> Floats:
    """Return words shifted right by at least 11 as float64, exactly."""
    return (words >> np.uint64(shift)).view(np.int64).astype(np.float64)


def opened(words: Uint64s) -> Floats:
    """Return variates uniform on (0, 1) of words, whose 12 low bits are not used."""
    out = whole(words, 12)
    out += 0.5
    out *= 2.0**-52
    return out

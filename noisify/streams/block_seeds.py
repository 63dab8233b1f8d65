"""Create fresh generators for many blocks of a stream at once.

Seeding a generator from a `SeedSequence` takes 15 µs, a sixth of the time to draw a block of
normals. The seed sequences of one stream's blocks differ only in the last word of their entropy,
so the words before it are hashed once, and the rest for all blocks together. The seeds equal those
of `numpy.random.SeedSequence(entropy, spawn_key=(block,))` to the bit; its algorithm is M. E.
O'Neill's (https://www.pcg-random.org/posts/developing-a-seed_seq-alternative.html).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.lazy import LazyModule

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.random import bit_generator
    from numpy.typing import DTypeLike, NDArray
else:
    bit_generator = LazyModule("numpy.random.bit_generator")  # 8 ms to import

_POOL = 4
_FEW = 4
_WORD = 1 << 32
_HASH_START, _HASH_STEP = 0x43B0D7E5, 0x931E8875
_OUT_START, _OUT_STEP = 0x8B51F9DD, 0x58F38DED
_MIX_LEFT, _MIX_RIGHT = 0xCA01F9DD, 0x4973F715
_SHIFT = np.uint32(16)
_SEED_WORDS = 6
"""The seed of SFC64, three 64-bit words, in 32-bit words."""


def block_generator(entropy: int, block: int) -> np.random.Generator:
    """Return the fresh generator of one block of one stream."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(entropy, spawn_key=(block,))))


def block_generators(entropy: int, blocks: Sequence[int]) -> Iterator[np.random.Generator]:
    """Yield the fresh generators of several blocks of one stream.

    Args:
        entropy: The stream's entropy, 0 to 2**128 - 1.
        blocks: The block numbers.
    """
    if len(blocks) < _FEW or max(blocks) >= _WORD:
        for block in blocks:
            yield block_generator(entropy, block)
        return
    given = _given_type()()
    for given.seed in block_seeds(entropy, np.array(blocks, np.uint32)):
        yield np.random.Generator(np.random.SFC64(given))


@cache
def _given_type() -> type[Any]:
    """Return a seed sequence type for NumPy that holds a seed computed in advance."""

    class Given(bit_generator.ISeedSequence):
        seed: NDArray[np.uint64]

        def generate_state(self, n_words: int, dtype: DTypeLike = np.uint32) -> NDArray[Any]:
            """Return the seed, which SFC64 requests once, as three 64-bit words."""
            if n_words != len(self.seed) or dtype != np.uint64:
                raise AssertionError((n_words, dtype))
            return self.seed

    return Given


def block_seeds(entropy: int, blocks: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Return the SFC64 seeds of several blocks of a stream, shape (blocks, 3)."""
    hashing = _Hash(_HASH_START, _HASH_STEP)
    words = [np.array([entropy >> 32 * at & _WORD - 1], np.uint32) for at in range(_POOL)]
    pool = [hashing(word) for word in words]
    for source in range(_POOL):
        for target in range(_POOL):
            if source != target:
                pool[target] = _mixed(pool[target], hashing(pool[source]))
    pool = [_mixed(part, hashing(blocks)) for part in pool]
    hashing = _Hash(_OUT_START, _OUT_STEP)
    seeds = np.empty((len(blocks), _SEED_WORDS), "<u4")
    for at in range(_SEED_WORDS):
        seeds[:, at] = hashing(pool[at % _POOL])
    return seeds.view("<u8").astype(np.uint64)


class _Hash:
    """A hash of words whose constant advances with every use."""

    def __init__(self, start: int, step: int) -> None:
        self._constant = start
        self._step = step

    def __call__(self, words: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Return the hashes of 32-bit words."""
        words = words ^ np.uint32(self._constant)
        self._constant = self._constant * self._step % _WORD
        words = words * np.uint32(self._constant)
        return words ^ (words >> _SHIFT)


def _mixed(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Mix two arrays of words so that each output bit depends on both."""
    words = np.uint32(_MIX_LEFT) * one - np.uint32(_MIX_RIGHT) * other
    return np.asarray(words ^ (words >> _SHIFT))

"""Variates of standard distributions from the words of streams; docs/streams.md defines each.

How many words a variate takes never depends on the data. Only integers, single float64 operations,
square roots and the kernels are used, so the bits are the same everywhere.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from noisify.kernels import elementary
from noisify.streams import ziggurat
from noisify.streams.words import open_uniform_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from noisify.streams.words import Uint64s, Words

    Floats = NDArray[np.float64]
    Lanes: TypeAlias = Callable[[str], Words]
    """Gives the words of a lane, at the same indices for each."""

_SQUEEZE = 0.0331
"""Marsaglia and Tsang's constant, with which most gamma variates need no logarithm."""
_HALF_WORD = np.uint64(32)
_LOW = np.uint64((1 << 32) - 1)


def integers(words: Words, count: int) -> Uint64s:
    """Return whole numbers from 0 to count - 1: word * count / 2**64, rounded down.

    Args:
        words: The words.
        count: 1 to 2**64.
    """
    raw = words.raw()
    if count == 1 << 64:
        return raw
    high, low = raw >> _HALF_WORD, raw & _LOW
    count_high, count_low = np.uint64(count >> 32), np.uint64(count) & _LOW
    middle = high * count_low + (low * count_low >> _HALF_WORD)
    other = low * count_high + (middle & _LOW)
    return np.asarray(high * count_high + (middle >> _HALF_WORD) + (other >> _HALF_WORD))


def uniform(lanes: Lanes, lane: str) -> Floats:
    """Return variates uniform on [0, 1)."""
    return lanes(lane).uniform()


def normal(lanes: Lanes, lane: str) -> Floats:
    """Return standard normal variates."""
    return ziggurat.normal(lanes(lane))


def exponential(lanes: Lanes, lane: str) -> Floats:
    """Return exponential variates of mean 1."""
    return np.negative(elementary.log(lanes(lane).open_uniform()))


def laplace(lanes: Lanes, lane: str) -> Floats:
    """Return Laplace variates of scale 1: exponential ones with a sign."""
    raw = lanes(lane).raw()
    return _signed(np.negative(elementary.log(_opened(raw))), raw)


def logistic(lanes: Lanes, lane: str) -> Floats:
    """Return logistic variates of scale 1, by inverting the distribution of the magnitude."""
    raw = lanes(lane).raw()
    share = _opened(raw)
    return _signed(elementary.log((1 + share) / (1 - share)), raw)


def gumbel(lanes: Lanes, lane: str) -> Floats:
    """Return Gumbel variates of mode 0 and scale 1, by inverting the distribution."""
    return np.negative(elementary.log(exponential(lanes, lane)))


def triangular(lanes: Lanes, lane: str) -> Floats:
    """Return triangular variates on -1 to 1 with mode 0: 1 - the root of a uniform, with a sign."""
    raw = lanes(lane).raw()
    return _signed(1 - np.sqrt(_opened(raw)), raw)


def cauchy(lanes: Lanes, lane: str) -> Floats:
    """Return Cauchy variates of scale 1: the ratio of two normal ones, which are never 0."""
    return np.divide(normal(lanes, lane), normal(lanes, f"{lane} divisor"))


def lognormal(lanes: Lanes, lane: str, sigma: float) -> Floats:
    """Return e**(sigma z) of normal variates z."""
    return elementary.exp(normal(lanes, lane) * sigma)


def gamma(lanes: Lanes, lane: str, shape: float) -> Floats:
    """Return gamma variates of scale 1.

    Marsaglia and Tsang (2000), "A simple method for generating gamma variables".
    """
    if shape < 1:
        share = elementary.log(lanes(f"{lane} boost").open_uniform())
        return gamma(lanes, lane, shape + 1) * elementary.exp(share / shape)
    d = shape - 1 / 3
    c = 1 / math.sqrt(9 * d)
    out = np.empty(lanes(lane).size)
    left = np.arange(len(out))
    attempt = lane
    while len(left):
        scaled, kept = _proposed(lanes, attempt, left, (d, c))
        out[left[kept]] = scaled[kept]
        left = left[~kept]
        attempt = f"{attempt} again"
    return out


def _proposed(
    lanes: Lanes, lane: str, which: NDArray[np.intp], constants: tuple[float, float]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return proposed gamma variates of some elements, and the mask of accepted ones."""
    d, c = constants
    words, accepting = lanes(lane), lanes(f"{lane} accept")
    if len(which) < words.size:
        words, accepting = words.at(which), accepting.at(which)
    z, share = ziggurat.normal(words), accepting.open_uniform()
    root = 1 + c * z
    v, square = root * root * root, z * z
    kept = share < 1 - _SQUEEZE * (square * square)
    kept &= v > 0
    unsure = np.flatnonzero(~kept & (v > 0))
    if len(unsure):
        v_unsure = v[unsure]
        most = 0.5 * square[unsure] + d * (1 - v_unsure + elementary.log(v_unsure))
        kept[unsure] = elementary.log(share[unsure]) < most
    return d * v, kept


def student_t(lanes: Lanes, lane: str, df: float) -> Floats:
    """Return Student's t variates: normal ones over the root of a gamma one's ratio to its mean."""
    half = df / 2
    with np.errstate(divide="ignore", over="ignore"):  # a tiny df has no finite variates
        spread = np.sqrt(half / gamma(lanes, f"{lane} gamma", half))
        return normal(lanes, lane) * spread


def _opened(words: Uint64s) -> Floats:
    """Return the variates uniform on (0, 1) of words."""
    out = np.empty(len(words))
    open_uniform_of(words.copy(), out)
    return out


def _signed(magnitudes: Floats, words: Uint64s) -> Floats:
    """Return magnitudes, negative where a word's lowest bit is 1."""
    magnitudes.view(np.uint64)[...] |= words << np.uint64(63)
    return magnitudes

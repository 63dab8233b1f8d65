"""Normal variates from the words of streams: the ziggurat of Marsaglia and Tsang.

Marsaglia and Tsang (2000), "The ziggurat method for generating random variables", with 256 layers.
98.5 % of the variates need one word; the others take words of the retry streams.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from noisify.kernels import elementary
from noisify.kernels.decimal_functions import digits
from noisify.streams.words import STRIP, Words, open_uniform_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_LAYERS = 256
_SLOT = np.uint64(2 * _LAYERS - 1)
"""A word's slot: eight bits of layer, then one of sign."""
_TAIL = Decimal("3.6541528853610087716454297203995157629748545997463")
"""Where the tail begins."""
_AREA = Decimal("0.0049286732339746553473617754023360280691353847028565")
"""The area of a layer under exp(-x**2 / 2)."""


class _Tables(NamedTuple):
    """The ziggurat's tables.

    Attributes:
        edges: By slot: the layer's right edge, with the sign.
        inner: By slot: the right edge of the layer above, up to which this one never rejects.
        heights: By layer: the density at the right edge, and at the next layer's.
    """

    edges: Floats
    inner: Floats
    heights: Floats


def layers() -> tuple[list[float], list[float]]:
    """Return the right edge of each layer and 0, and the density exp(-x**2 / 2) there.

    tests/helpers/make_ziggurat.py writes the same for C++.
    """
    with digits():
        density = (-_TAIL * _TAIL / 2).exp()
        first = _AREA / density
        edges, heights = [first, _TAIL], [(-first * first / 2).exp(), density]
        while len(edges) < _LAYERS:
            heights.append(heights[-1] + _AREA / edges[-1])
            edges.append((-2 * heights[-1].ln()).sqrt())
        return [*map(float, edges), 0.0], [*map(float, heights), 1.0]


@cache
def _tables() -> _Tables:
    edges, heights = map(np.array, layers())
    outer, inner = edges[:-1], edges[1:]
    return _Tables(np.concatenate([outer, -outer]), np.tile(inner, 2), heights)


def normal(words: Words) -> Floats:
    """Return standard normal variates, one for each of some words."""
    out = np.empty(words.size)
    if not len(out) or words.compiled("normal", out):
        return out
    return _normal(words, 0)


def _normal(words: Words, used: int) -> Floats:
    """Return normal variates.

    Args:
        words: The first word of each.
        used: How many retry streams each has used.
    """
    out, unsure, layers = _candidates(words.retry(used) if used else words)
    tail, wedge = unsure[layers == 0], unsure[layers > 0]
    if len(tail):
        out[tail] = np.copysign(_tail(words.at(tail), used), out[tail])
    if len(wedge):
        layers = layers[layers > 0]
        x, share = out[wedge], words.at(wedge).retry(used + 1).uniform()
        low, high = _tables().heights[layers], _tables().heights[layers + 1]
        again = wedge[low + share * (high - low) >= elementary.exp(x * x * -0.5)]
        if len(again):
            out[again] = _normal(words.at(again), used + 2)
    return out


def _candidates(words: Words) -> tuple[Floats, NDArray[np.intp], NDArray[np.int64]]:
    """Return a variate for each word, the places of those it may reject, and their layers."""
    tables, out = _tables(), np.empty(words.size)
    most = min(words.size, STRIP)
    slots, looked_up, unsure = np.empty(most, np.int64), np.empty(most), np.empty(most, bool)
    places, layers = [], []
    for here, strip in words.strips():
        x, slot, edge = out[here], slots[: len(strip)], looked_up[: len(strip)]
        np.bitwise_and(strip, _SLOT, out=slot.view(np.uint64))
        open_uniform_of(strip, x)
        x *= tables.edges.take(slot, out=edge, mode="clip")  # "raise" would copy once more
        tables.inner.take(slot, out=edge, mode="clip")
        size = np.abs(x, out=strip.view(np.float64))
        place = np.flatnonzero(np.greater_equal(size, edge, out=unsure[: len(strip)]))
        places.append(place + here.start)
        layers.append(slot[place] % _LAYERS)
    return out, np.concatenate(places), np.concatenate(layers)


def _tail(words: Words, used: int) -> Floats:
    """Return normal variates given that they are beyond the edge of the tail.

    Marsaglia (1964), "Generating a variable from the tail of the normal distribution".
    """
    edge = _tables().inner[0]
    beyond = elementary.log(words.retry(used + 1).open_uniform()) / -edge
    depth = elementary.log(words.retry(used + 2).open_uniform()) * -2.0
    again = np.flatnonzero(depth <= beyond * beyond)
    out = np.asarray(edge + beyond)
    if len(again):
        out[again] = _tail(words.at(again), used + 2)
    return out

"""Normal variates from the words of streams: the ziggurat of Marsaglia and Tsang.

Marsaglia and Tsang (2000), "The ziggurat method for generating random variables", with 256 layers.
98.5 % of the variates need one word; the others take words of the retry streams.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from noisify.kernels.elementary import exp, log
from noisify.streams import compiled, ziggurat_tables
from noisify.streams.words import Words, whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_LAYERS = 256
_SLOT = np.uint64(2 * _LAYERS - 1)
"""A word's slot: eight bits of layer, then one of sign."""


class _Tables(NamedTuple):
    """The ziggurat's tables.

    Attributes:
        factors: By slot: the layer's right edge over 2**52, with the sign.
        inner: By slot: the right edge of the layer above, where the sure part of this one ends.
        edges: By layer: the right edge.
        heights: By layer: the density at the right edge, and at the next layer's.
    """

    factors: Floats
    inner: Floats
    edges: Floats
    heights: Floats


@cache
def _tables() -> _Tables:
    edges = np.array([float.fromhex(text) for text in ziggurat_tables.EDGES])
    heights = np.array([float.fromhex(text) for text in ziggurat_tables.HEIGHTS])
    factors = edges[:-1] * 2.0**-52
    return _Tables(np.concatenate([factors, -factors]), np.tile(edges[1:], 2), edges, heights)


def normal(words: Words) -> Floats:
    """Return standard normal variates, one for each of some words."""
    out = np.empty(words.size)
    if compiled.fill("normal", words.starts, words.increments, words.index, out):
        return out
    return _normal(words, 0)


def _normal(words: Words, used: int) -> Floats:
    """Return normal variates.

    Args:
        words: The first word of each.
        used: How many retry streams each has used.
    """
    tables = _tables()
    first = (words.retry(used) if used else words).raw()
    slots = (first & _SLOT).view(np.int64)
    out = whole(first, 12)
    out += 0.5
    out *= tables.factors.take(slots)
    unsure = np.flatnonzero(np.abs(out) >= tables.inner.take(slots))
    layers = slots[unsure] % _LAYERS
    tail, wedge = unsure[layers == 0], unsure[layers > 0]
    if len(tail):
        out[tail] = np.copysign(_tail(words.at(tail), used), out[tail])
    if len(wedge):
        layers = layers[layers > 0]
        x, share = out[wedge], words.at(wedge).retry(used + 1).uniform()
        low, high = tables.heights[layers], tables.heights[layers + 1]
        again = wedge[low + share * (high - low) >= exp(x * x * -0.5)]
        if len(again):
            out[again] = _normal(words.at(again), used + 2)
    return out


def _tail(words: Words, used: int) -> Floats:
    """Return normal variates given that they are beyond the edge of the tail.

    Marsaglia (1964), "Generating a variable from the tail of the normal distribution".
    """
    edge = _tables().edges[1]
    beyond = log(words.retry(used + 1).open_uniform()) / -edge
    depth = log(words.retry(used + 2).open_uniform()) * -2.0
    again = np.flatnonzero(depth <= beyond * beyond)
    out = np.asarray(edge + beyond)
    if len(again):
        out[again] = _tail(words.at(again), used + 2)
    return out

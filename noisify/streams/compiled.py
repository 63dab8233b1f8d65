"""The face of _variates.cpp, which draws as NumPy does, several times as fast."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from noisify.core.chunk import BLOCK
from noisify.core.native import Part, load, pure
from noisify.streams.block_seeds import block_generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Kind: TypeAlias = Literal["normal", "uniform"]

_part: Any = load(Part.VARIATES)
_LAST = BLOCK << 32
"""Elements of a stream whose block's number is one 32-bit word."""


@cache
def built() -> bool:
    """Return whether it is there, and draws as the NumPy at hand does.

    NumPy does not promise that its generators stay as they are; where it was built with another
    one, a block is held to it. A block has some hundred normals that are not drawn the fast way.
    """
    if _part is None:
        return False
    if np.__version__ == _part.NUMPY:
        return True
    drawn = np.empty(BLOCK)
    _part.normal(bytes(16), BLOCK, 0, drawn)
    normals = block_generator(0, 0).standard_normal(BLOCK)
    _part.uniform(bytes(16), BLOCK, 0, drawn[:1])
    normals[:1] = block_generator(0, 0).uniform(size=1)
    return drawn.tobytes() == normals.tobytes()


def in_use() -> bool:
    """Return whether it is there, and not turned off."""
    return not pure() and built()


def fill(kind: Kind, entropies: Sequence[int], start: int, out: NDArray[np.float64]) -> bool:
    """Fill in consecutive variates of some streams, if that can be done here; say if it was.

    Args:
        kind: Standard normal, or uniform on [0, 1).
        entropies: The streams', each 0 to 2**128 - 1.
        start: The number of the first.
        out: Shape (streams, n), each stream's contiguous.
    """
    if not in_use() or start + out.shape[1] > _LAST:
        return False
    draw = _part.normal if kind == "normal" else _part.uniform
    for entropy, row in zip(entropies, out, strict=True):
        draw(entropy.to_bytes(16, "little"), BLOCK, start, row)
    return True

"""Python interface to _variates.cpp, which draws NumPy's variates several times as fast."""

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
"""Elements whose block number fits one 32-bit word."""


@cache
def built() -> bool:
    """Return whether the compiled part exists and draws the installed NumPy's variates.

    NumPy does not promise stable generators, so if another version was used for the build, compare
    one block. It has about a hundred normals that take the slow path.
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
    """Return whether the compiled part is available and not turned off."""
    return not pure() and built()


def fill(kind: Kind, entropies: Sequence[int], start: int, out: NDArray[np.float64]) -> bool:
    """Draw consecutive variates of several streams into `out`; return False if not possible.

    Args:
        kind: Standard normal, or uniform on [0, 1).
        entropies: The streams' entropies, each 0 to 2**128 - 1.
        start: The index of the first variate.
        out: Shape (streams, n), each row contiguous.
    """
    if not in_use() or start + out.shape[1] > _LAST:
        return False
    draw = _part.normal if kind == "normal" else _part.uniform
    for entropy, row in zip(entropies, out, strict=True):
        draw(entropy.to_bytes(16, "little"), BLOCK, start, row)
    return True

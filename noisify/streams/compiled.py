"""Python interface to _variates.cpp, which makes the same variates several times as fast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from noisify.core.native import Part, load, pure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Kind: TypeAlias = Literal["words", "uniform", "open_uniform", "normal"]

_part: Any = load(Part.VARIATES)


def fill(
    kind: Kind,
    starts: NDArray[np.uint64],
    increments: NDArray[np.uint64],
    index: range | NDArray[np.uint64],
    out: NDArray[Any],
) -> bool:
    """Make words or variates of several streams at the same indices; False if not in use.

    Args:
        kind: Words, standard normal variates, or variates uniform on [0, 1).
        starts: The streams' starts, shape (k, 1); any other shape is not done here.
        increments: The streams' increments, the same shape.
        index: Consecutive indices, or any, shape (n,).
        out: Filled stream after stream, shape (k * n,).
    """
    if starts.ndim == 1 or _part is None or pure():
        return False
    make = getattr(_part, kind)
    streams = starts.reshape(-1), increments.reshape(-1)
    if isinstance(index, range):
        make(*streams, index.start, None, out)
    else:
        make(*streams, 0, index, out)
    return True

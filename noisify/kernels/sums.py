"""Sums in an order that is always the same, and means and deviations built on them.

`np.sum` adds in an order that depends on NumPy's version and the processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.native import Part, load, pure

if TYPE_CHECKING:
    from numpy.typing import NDArray

_part: Any = load(Part.KERNELS)
LANES = 512
"""The running sums of `ordered_sum`."""


def ordered_sum(values: NDArray[Any]) -> NDArray[Any]:
    """Return sums over the last axis, which must not be empty.

    Element i is added to running sum i mod 512, which starts at 0; then the upper half of the
    running sums is added to the lower half until one is left.
    """
    count = values.shape[-1]
    width = min(LANES, 1 << (count - 1).bit_length())  # the other running sums would stay 0
    total = np.zeros((*values.shape[:-1], width), values.dtype)
    whole = count - count % width
    for start in range(0, whole, width):
        np.add(total, values[..., start : start + width], out=total)
    if whole < count:
        total[..., : count - whole] += values[..., whole:]
    while width > 1:
        width //= 2
        total = total[..., :width] + total[..., width:]
    return np.asarray(total[..., 0])


def means_and_deviations(
    rows: NDArray[Any], counts: NDArray[np.int64], valid: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean of each row, and the ordered sum of the squared deviations from it.

    Args:
        rows: Shape (k, n), float64 or longdouble.
        counts: Shape (k,), the number of values that count.
        valid: Shape (k, n), mask of the values that count; the sums have zeros in the place of the
            others. None: all.
    """
    if _part is not None and not pure() and rows.dtype == np.float64:
        means, deviations = np.empty(len(rows)), np.empty(len(rows))
        mask = None if valid is None else np.ascontiguousarray(valid)
        _part.means_and_deviations(
            np.ascontiguousarray(rows), mask, counts.astype(np.float64), means, deviations
        )
        return means, deviations
    if valid is not None:
        rows = np.where(valid, rows, 0.0)
    means = (ordered_sum(rows) / counts).astype(np.float64)
    squares = rows - means[:, None]
    squares *= squares
    if valid is not None:
        squares[~valid] = 0.0
    return means, ordered_sum(squares).astype(np.float64)

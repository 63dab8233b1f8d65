"""The series of an array along one axis, for models that follow the order of the elements.

Such a model treats each series as a field of its own: the channels of a recording do not mix.
"""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from noisify.core.chunk import BLOCK, Positions
from noisify.core.errors import UsageError
from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from noisify.core.chunk import Field
    from noisify.noise.model import Model

    Shapes = Callable[[Field], tuple[int, ...] | None]

MOST_ELEMENTS = 1 << 21
"""The most elements from the first to the last of those of a series that a model needs at once."""
UNKNOWN = -1
"""The length of a column, or of the first axis of an array in memory that is part of a whole."""
_ENDLESS = 1 << 62
AT_ONCE = 64
"""Elements of a series that a piece must have, for models that draw whole blocks of it."""


@frozen
class Series:
    """How the series of an array lie in its elements in C order.

    Attributes:
        length: The elements of a series; more along the first axis, where that does not matter.
        stride: The elements from one element of a series to the next.
    """

    length: int
    stride: int

    @property
    def comfortable(self) -> int:
        """The least elements of a piece, since each series costs some time in each piece."""
        return min(MOST_ELEMENTS, BLOCK // 2 * self.stride)

    def parts(
        self, positions: Positions
    ) -> Iterator[tuple[int, Positions, slice | NDArray[np.int64]]]:
        """Yield the part of each series that some positions hold.

        Args:
            positions: Positions in the array.

        Yields:
            The number of a series, positions in it, and which of the positions these are.
        """
        if len(positions.starts) == 1:
            yield from self._parts_of_run(int(positions.starts[0]), positions.length)
            return
        outer, inner = np.divmod(positions.indices(), self.length * self.stride)
        at, lane = np.divmod(inner, self.stride)
        number = outer * self.stride + lane
        order = np.lexsort((at, number))
        number, at = number[order], at[order]
        begins = (np.diff(number, prepend=-1) != 0) | (np.diff(at, prepend=-1) != 1)
        cuts = [*np.flatnonzero(begins).tolist(), len(order)]
        for first, stop in pairwise(cuts):
            start = int(at[first])
            yield (
                int(number[first]),
                Positions.range(start, start + stop - first),
                order[first:stop],
            )

    def _parts_of_run(self, start: int, size: int) -> Iterator[tuple[int, Positions, slice]]:
        """Yield the parts of consecutive positions."""
        whole = self.length * self.stride
        for outer in range(start // whole, -(-(start + size) // whole)):
            low, high = max(start, outer * whole), min(start + size, (outer + 1) * whole)
            for first in range(low, min(high, low + self.stride)):
                at, lane = divmod(first - outer * whole, self.stride)
                count = -(-(high - first) // self.stride)
                here = slice(first - start, high - start, self.stride)
                yield outer * self.stride + lane, Positions.range(at, at + count), here


def along_axis(
    model: Model, axis: int, field: Field, shape_of: Shapes
) -> tuple[Model, Series | None]:
    """Return a model fitted to the series of a field, and the series or None if it has only one.

    Raises:
        UsageError: If the field has no such axis, or the model would need too much of it at once.
    """
    shape = shape_of(field) or (UNKNOWN,)
    axes = len(shape)
    if not -axes <= axis < axes:
        has = "one axis, 0" if axes == 1 else f"axes 0 to {axes - 1}"
        raise UsageError(
            f"axis {axis} of {model.name} is not there: it has {has}", field=field.name
        )
    axis %= axes
    length, stride = shape[axis], prod(shape[axis + 1 :])
    if prod(shape[:axis]) * stride == 1:
        return model, None
    series = Series(length if axis else _ENDLESS // max(1, stride), stride)
    _check_reach(model, series, axis, shape, field)
    if length != UNKNOWN and getattr(model, "length", length) is None:
        model = dataclasses.replace(model, length=length)  # type: ignore[call-arg]
    return model, series


def _check_reach(
    model: Model, series: Series, axis: int, shape: tuple[int, ...], field: Field
) -> None:
    needed = min(series.length, model.halo or AT_ONCE)
    if needed * series.stride <= MOST_ELEMENTS:
        return
    raise UsageError(
        f"{model.name} needs {needed:,} elements along axis {axis} of {shape} at once, which are "
        f"{needed * series.stride:,} elements of the file; choose a later axis, such as "
        f"-p axis={len(shape) - 1}, or store that axis last",
        field=field.name,
    )

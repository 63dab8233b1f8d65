"""The state of a column between the steps of a plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.chunk import end_to_end

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noisify.core.chunk import Column


@dataclass
class ColumnState:
    """The state of one column, or of several with the same noise, concatenated.

    Attributes:
        columns: The decoded columns.
        before: The values before noise, with placeholders where null, unparseable or not finite.
        values: The values after the steps so far.
        there: Mask of the elements that were usable at the start, or None for all.
        usable: Mask of the elements that are still usable, or None for all.
        nonfinite: Mask of non-finite elements, or None if there is none; the same holds below.
        erased: Mask of the elements that became null.
        clipped: Mask of the elements that a step kept within its bounds.
        saturated: Mask of the elements that reached the end of their type's range.
        met: Mask of the elements that met the condition of a step.
        clip: The last step's bounds.
    """

    columns: list[Column]
    before: NDArray[Any]
    values: NDArray[Any]
    there: NDArray[np.bool_] | None
    usable: NDArray[np.bool_] | None
    nonfinite: NDArray[np.bool_] | None
    erased: NDArray[np.bool_] | None = None
    clipped: NDArray[np.bool_] | None = None
    saturated: NDArray[np.bool_] | None = None
    met: NDArray[np.bool_] | None = None
    clip: tuple[float, float] | None = None

    @classmethod
    def of(cls, columns: list[Column]) -> ColumnState:
        """Return the initial state of columns of one number type over the same positions."""
        number = columns[0].number
        before, valid = end_to_end(columns)
        finite = number.finite(before)
        nonfinite = None if finite is None else among(~finite, valid)
        usable = both(valid, finite)
        if usable is not None:
            nothing = "" if number.kind == "text" else 0
            placeholder = nothing if before.dtype == object else before.dtype.type(0)
            before = np.where(usable, before, placeholder)
        return cls(columns, before, before, usable, usable, nonfinite)

    @property
    def column(self) -> Column:
        """The first column."""
        return self.columns[0]

    def part(self, column: Column) -> ColumnState:
        """Return the state of the part of the column that `column` covers."""
        lead = int(column.positions.starts[0]) - int(self.column.positions.starts[0])
        here = slice(lead, lead + column.positions.size)
        arrays: dict[str, Any] = {
            name: value[here] for name, value in vars(self).items() if isinstance(value, np.ndarray)
        }
        return replace(self, columns=[column], **arrays)


def both(
    one: NDArray[np.bool_] | None, other: NDArray[np.bool_] | None
) -> NDArray[np.bool_] | None:
    """Return the intersection of two masks, where None means all."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def either(one: NDArray[np.bool_] | None, other: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the union of two masks, where None means none."""
    return other if one is None else one | other


def among(which: NDArray[np.bool_], those: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Return the elements of `which` that are also in `those`, where None means all."""
    return which if those is None else which & those

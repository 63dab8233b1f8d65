"""A column on its way through the steps of a plan, with what has become of its elements."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.chunk import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass
class ColumnState:
    """One column on its way through the steps, or several that get the same noise, end to end.

    Attributes:
        columns: As they were decoded.
        before: The values, with placeholders where null, unparseable or not finite.
        values: Its values so far.
        there: Which elements were usable at the start; None: all.
        usable: Which still are.
        nonfinite: Which are there and are not finite; None, here and below: none.
        erased: Which have been made null.
        clipped: Which a step has kept within its bounds.
        saturated: Which have come to the end of their type's range.
        met: Which have met the condition of a step.
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
        """Return columns of one number type, over the same positions, before their first step."""
        column = columns[0] if len(columns) == 1 else _end_to_end(columns)
        finite = column.number.finite(column.values)
        nonfinite = None if finite is None else among(~finite, column.valid)
        usable = both(column.valid, finite)
        before = column.values
        if usable is not None:
            nothing = "" if column.number.kind == "text" else 0
            placeholder = nothing if before.dtype == object else before.dtype.type(0)
            before = np.where(usable, before, placeholder)
        return cls(columns, before, before, usable, usable, nonfinite)

    @property
    def column(self) -> Column:
        """The first column."""
        return self.columns[0]

    def part(self, column: Column) -> ColumnState:
        """Return the state of a part of the column."""
        lead = int(column.positions.starts[0]) - int(self.column.positions.starts[0])
        here = slice(lead, lead + column.positions.size)
        arrays: dict[str, Any] = {
            name: value[here] for name, value in vars(self).items() if isinstance(value, np.ndarray)
        }
        return replace(self, columns=[column], **arrays)


def _end_to_end(columns: Sequence[Column]) -> Column:
    """Return the elements of columns as those of one, but for what is said of the column."""
    valid = None
    if any(column.valid is not None for column in columns):
        there = np.ones(len(columns[0].values), bool)
        valid = np.concatenate([there if c.valid is None else c.valid for c in columns])
    first, values = columns[0], np.concatenate([column.values for column in columns])
    return Column(first.field, first.number, first.positions, values, valid)


def both(
    one: NDArray[np.bool_] | None, other: NDArray[np.bool_] | None
) -> NDArray[np.bool_] | None:
    """Return which are in both; None: all."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def either(one: NDArray[np.bool_] | None, other: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which are in one or the other; None: none."""
    return other if one is None else one | other


def among(which: NDArray[np.bool_], those: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Return which of those there are; None: all are."""
    return which if those is None else which & those

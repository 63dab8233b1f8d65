"""Treat data in memory as rows of a larger table or array, with the noise that they have there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.chunk import Positions
from noisify.core.errors import UsageError
from noisify.core.overriding import override
from noisify.formats.interface import Source
from noisify.plan.series import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

    from noisify.core.chunk import Chunk, Column, Field
    from noisify.formats.interface import Reading
    from noisify.formats.memory import InMemory
    from noisify.plan.plan import Plan
    from noisify.statistics.survey import FieldStatistics

_MOST_ELEMENTS = 1 << 63
"""Positions are signed 64-bit integers."""
_NEEDED = {
    "power": "mean square",
    "length": "length",
    "values": "values",
    "scores": "distribution",
    "covariance": "covariances",
}
"""Names of statistics in messages, where they differ from the names in the code."""


class RowsFrom(Source[Any]):
    """Data in memory that starts at some row of the whole.

    Args:
        held: The data.
        first: The index of its first row in the whole.

    Raises:
        UsageError: If an index would be beyond 64 bits.
    """

    def __init__(self, held: InMemory[Any, Any], first: int) -> None:
        self._held = held
        self._first = first * held.row_width
        self.fields = held.fields
        self.empty = held.empty
        self.reads_conditions = held.reads_conditions
        widths = (int(field.table) for field in self.fields if field.table.isdigit())
        if (self._first + held.rows) * max(widths, default=1) >= _MOST_ELEMENTS:
            raise UsageError(f"start {first} is beyond the 64 bits of an element's index")

    def read(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[Any]:
        """Read the data."""
        return self._held.read(groups, size)

    @override
    def size_of(self, raw: Any) -> int:
        """Return the size of a piece in bytes."""
        return self._held.size_of(raw)

    @override
    def decode(self, raw: Any, wanted: Sequence[Field]) -> Chunk:
        """Decode a piece, with positions in the whole."""
        chunk = self._held.decode(raw, wanted)
        shifted: dict[tuple[int, int], Positions] = {}  # keeps columns' positions shared
        columns = []
        for column in chunk.columns:
            key = id(column.positions), self._by(column)
            if key not in shifted:
                shifted[key] = column.positions.shifted(key[1])
            columns.append(replace(column, positions=shifted[key]))
        rows = None if chunk.rows is None else chunk.rows.shifted(self._first)
        return replace(chunk, columns=tuple(columns), rows=rows)

    @override
    def series_shape(self, field: Field) -> tuple[int, ...] | None:
        """Return the shape of the whole: its first axis is longer than what is here."""
        shape = self._held.series_shape(field)
        return (UNKNOWN, *shape[1:]) if shape else None

    def _by(self, column: Column) -> int:
        """Return the index in the whole of the first element of a field."""
        table = column.field.table
        if not table:
            return self._first
        if table.isdigit():  # the field's elements for each row
            return self._first * int(table)
        raise UsageError(
            "holds lists, whose elements cannot be counted in a part; leave it out with exclude",
            field=column.field.name,
        )

    @override
    def condition_values(self, raw: Any, chunk: Chunk, names: Iterable[str]) -> dict[str, pa.Array]:
        """Return fields as Arrow arrays."""
        return self._held.condition_values(raw, chunk, names)


class BlockOf(RowsFrom):
    """An array in memory that is a block of a larger one.

    Args:
        held: The block.
        shape: The shape of the whole.
        box: Where the block is in it, a slice for each axis.
    """

    def __init__(
        self, held: InMemory[Any, Any], shape: tuple[int, ...], box: tuple[slice, ...]
    ) -> None:
        super().__init__(held, 0)
        self._shape = shape
        self._positions = Positions.box(shape, box)

    @override
    def read(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[Any]:
        """Read the block in one piece."""
        return self._held.read(groups, max(1, self._held.rows * self._held.row_bytes))

    @override
    def decode(self, raw: Any, wanted: Sequence[Field]) -> Chunk:
        """Decode the block, with positions in the whole."""
        chunk = self._held.decode(raw, wanted)
        within = {
            width: Positions(
                np.asarray(self._positions.starts) * width, self._positions.length * width
            )
            for width in {int(column.field.table) for column in chunk.columns}
        }
        columns = [replace(c, positions=within[int(c.field.table)]) for c in chunk.columns]
        return replace(chunk, columns=tuple(columns))

    @override
    def series_shape(self, field: Field) -> tuple[int, ...] | None:
        """Return the shape of the whole."""
        width = int(field.table)
        return (*self._shape, width) if width > 1 else self._shape


def refuse_survey(needs: Mapping[Field, frozenset[str]]) -> Mapping[str, FieldStatistics]:
    """Refuse to measure the whole field, of which only some rows are there.

    Raises:
        UsageError: Always.
    """
    field, wanted = next(iter(needs.items()))
    (what, *_) = sorted(wanted)
    instead = "an absolute level such as scale=0.5"
    if what == "length":
        instead = "params={'length': ROWS}"
    elif what in _NEEDED and what != "power":
        instead = "what it needs as parameters of the model"
    raise UsageError(
        f"its noise needs the {_NEEDED.get(what, what)} of the whole field, and this is a part "
        f"of it; give {instead}",
        field=field.name,
    )


def check_rows_alone(plan: Plan) -> None:
    """Refuse noise that cannot be made from some rows alone.

    Raises:
        UsageError: If a model looks at rows around its own, or draws in order from the first row.
    """
    if plan.rng != "noisify":
        raise UsageError(
            f"rng {plan.rng} draws from the first row on; a part of the data needs rng noisify"
        )
    for step in plan.field_steps:
        if step.model.halo:
            raise UsageError(
                f"{step.model.name} looks at neighbouring rows, which are not all in this part; "
                "use noisify_file, or add_noise on the whole",
                field=step.field.name,
            )

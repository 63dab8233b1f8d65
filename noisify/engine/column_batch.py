"""Columns of many fields as rows of one array, since NumPy's cost is by the call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.chunk import BLOCK, Positions, end_to_end
from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from noisify.core.chunk import Column
    from noisify.core.dtypes import NumberType

_KINDS = frozenset({"float", "complex", "int", "time"})
_SHORT = BLOCK // 4
FIELDS = 32
"""Fields of short columns in a batch."""
_ELEMENTS = 1 << 16
"""Elements of a batch of longer columns, if it has several."""


@frozen
class ColumnBatch:
    """Columns of some fields, of one number type and at the same positions.

    Attributes:
        names: The names of the fields.
        number: The number type.
        positions: The positions.
        values: Shape (k, n).
        valid: Shape (k, n), mask of the values that are present, or None for all.
    """

    names: tuple[str, ...]
    number: NumberType
    positions: Positions
    values: NDArray[Any]
    valid: NDArray[np.bool_] | None

    @classmethod
    def of(cls, columns: Sequence[Column]) -> ColumnBatch:
        """Return columns as a batch."""
        first = columns[0]
        valid = None
        if any(column.valid is not None for column in columns):
            every = np.ones(len(first.values), bool)
            valid = np.stack([every if one.valid is None else one.valid for one in columns])
        names = tuple([one.field.name for one in columns])
        values = first.values[None] if len(columns) == 1 else np.stack([c.values for c in columns])
        return cls(names, first.number, first.positions, values, valid)

    @classmethod
    def joined(cls, parts: Sequence[ColumnBatch]) -> ColumnBatch:
        """Concatenate batches of the same fields, each at the positions after the last."""
        first = parts[0]
        values, valid = end_to_end(parts)
        start = int(first.positions.starts[0])
        positions = Positions.range(start, start + values.shape[1])
        return cls(first.names, first.number, positions, values, valid)

    @property
    def is_short(self) -> bool:
        """Whether to join it with the next one before work that costs by the column."""
        return self.positions.size < _SHORT and len(self.positions.starts) == 1

    @property
    def nbytes(self) -> int:
        """The bytes of its arrays."""
        return self.values.nbytes + (0 if self.valid is None else self.valid.nbytes)

    def masked_floats(self) -> tuple[NDArray[Any], list[NDArray[np.bool_] | None]]:
        """Return the values as float64 (complex128), and for each field what `merged_floats` does.

        That is a mask of the finite values, or None if all are.
        """
        floats, there = self.number.to_float(self.values), self.valid
        if self.number.kind in {"float", "complex"}:
            finite = np.isfinite(floats)
            there = finite if there is None else there & finite
        if there is None:
            return floats, [None] * len(floats)
        full: Any = there.all(axis=1)
        return floats, [
            None if all_ else row for row, all_ in zip(there, full.tolist(), strict=True)
        ]


def in_batches(
    columns: Mapping[str, list[Column]],
) -> tuple[list[ColumnBatch], dict[str, list[Column]]]:
    """Gather the columns of numbers at the same positions in batches; return the others too.

    Args:
        columns: The columns of each field.
    """
    alike: dict[tuple[Any, ...], list[Column]] = {}
    others: dict[str, list[Column]] = {}
    for name, found in columns.items():
        first = found[0]
        if len(found) == 1 and first.number.kind in _KINDS and first.values.dtype != object:
            alike.setdefault((id(first.number), first.positions.key), []).append(first)
        else:
            others[name] = found
    return [batch for group in alike.values() for batch in _cut(group)], others


def _cut(columns: Sequence[Column]) -> Iterator[ColumnBatch]:
    size = columns[0].positions.size
    step = FIELDS if size < _SHORT else max(1, _ELEMENTS // size)
    for start in range(0, len(columns), step):
        yield ColumnBatch.of(columns[start : start + step])


class WaitingBatches:
    """Short batches, kept until those of the same fields are as long as a block.

    Attributes:
        nbytes: The bytes that they take.
    """

    def __init__(self) -> None:
        self._runs: dict[tuple[object, ...], list[ColumnBatch]] = {}
        self.nbytes = 0

    def add(self, batch: ColumnBatch) -> Iterable[ColumnBatch]:
        """Keep a batch; return those that are long enough, or that it does not follow."""
        key = id(batch.number), batch.names
        run = self._runs.setdefault(key, [])
        if run and not batch.positions.follows(_stop(run)):
            yield self._take(key)
            run = self._runs.setdefault(key, [])
        run.append(batch)
        self.nbytes += batch.nbytes
        if _stop(run) - int(run[0].positions.starts[0]) >= BLOCK:
            yield self._take(key)

    def take_all(self) -> Iterator[ColumnBatch]:
        """Yield all of them, and let go of each before the next."""
        while self._runs:
            yield self._take(next(iter(self._runs)))

    def _take(self, key: tuple[object, ...]) -> ColumnBatch:
        run = self._runs.pop(key)
        self.nbytes -= sum(batch.nbytes for batch in run)
        return run[0] if len(run) == 1 else ColumnBatch.joined(run)


def _stop(run: Sequence[ColumnBatch]) -> int:
    last = run[-1].positions
    return int(last.starts[0]) + last.length

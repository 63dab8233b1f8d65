"""Columns of many fields as rows of one array, since NumPy's cost is by the call."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from noisify.core.chunk import BLOCK, Positions, end_to_end
from noisify.core.value_class import frozen
from noisify.files.temporary import new_temporary_file, temporary_space
from noisify.files.write_behind import write_all
from noisify.formats.numpy_fields import raw_bytes

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

    def between(self, start: int, stop: int) -> ColumnBatch:
        """Return the values at some of its consecutive positions, which must have no mask."""
        lead = int(self.positions.starts[0])
        values = self.values[:, start - lead : stop - lead]
        return ColumnBatch(self.names, self.number, Positions.range(start, stop), values, None)

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


@frozen
class _StoredBatch:
    """A batch whose values are in a file.

    Attributes:
        names: The names of the fields.
        number: The number type.
        positions: The positions.
        place: Where the values are in the file.
        shape: The shape of the values.
        dtype: Their dtype.
    """

    names: tuple[str, ...]
    number: NumberType
    positions: Positions
    place: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class WaitingBatches:
    """Batches of parts of blocks, kept until those of the same fields complete their block.

    Args:
        most_bytes: Bytes to keep in memory before batches, which may then have no masks, go to a
            temporary file; None: all.

    Attributes:
        nbytes: The bytes that they take in memory.
    """

    def __init__(self, most_bytes: int | None = None) -> None:
        self._runs: dict[tuple[object, ...], list[ColumnBatch | _StoredBatch]] = {}
        self._most_bytes = most_bytes
        self._file: BinaryIO | None = None
        self._stored = 0
        self.nbytes = 0

    def add(self, batch: ColumnBatch) -> Iterable[ColumnBatch]:
        """Keep a batch; return those that complete a block, or that it does not follow."""
        key = id(batch.number), batch.names
        run = self._runs.setdefault(key, [])
        if run and not batch.positions.follows(_stop(run)):
            yield self._take(key)
            run = self._runs.setdefault(key, [])
        run.append(batch)
        self.nbytes += batch.nbytes
        if _stop(run) >= (int(run[0].positions.starts[0]) // BLOCK + 1) * BLOCK:
            yield self._take(key)
        elif self._most_bytes is not None and self.nbytes > self._most_bytes:
            with temporary_space("the measures of a report"):
                self._store()

    def names(self) -> Iterator[str]:
        """Yield the names of the fields of each batch that `take_all` will yield."""
        for run in self._runs.values():
            yield from run[0].names

    def take_all(self) -> Iterator[ColumnBatch]:
        """Yield all of them, and let go of each before the next."""
        while self._runs:
            yield self._take(next(iter(self._runs)))

    def close(self) -> None:
        """Remove the temporary file."""
        if self._file is not None:
            self._file.close()

    def _take(self, key: tuple[object, ...]) -> ColumnBatch:
        run = [self._loaded(batch) for batch in self._runs.pop(key)]
        return run[0] if len(run) == 1 else ColumnBatch.joined(run)

    def _store(self) -> None:
        """Write the batches in memory to the file."""
        if self._file is None:
            self._file = new_temporary_file()
        self._file.seek(0, os.SEEK_END)
        for run in self._runs.values():
            for at, batch in enumerate(run):
                if isinstance(batch, ColumnBatch):
                    run[at] = _StoredBatch(
                        batch.names, batch.number, batch.positions,
                        self._file.tell(), batch.values.shape, batch.values.dtype,
                    )  # fmt: skip
                    write_all(self._file, raw_bytes(batch.values).data)
                    self._stored += 1
        self.nbytes = 0

    def _loaded(self, batch: ColumnBatch | _StoredBatch) -> ColumnBatch:
        """Return a batch that is kept no longer, read from the file if it is there."""
        if isinstance(batch, ColumnBatch):
            self.nbytes -= batch.nbytes
            return batch
        file = cast("BinaryIO", self._file)
        file.seek(batch.place)
        values = np.fromfile(file, batch.dtype, math.prod(batch.shape)).reshape(batch.shape)
        self._stored -= 1
        if not self._stored:
            file.truncate(0)
        return ColumnBatch(batch.names, batch.number, batch.positions, values, None)


def _stop(run: Sequence[ColumnBatch | _StoredBatch]) -> int:
    last = run[-1].positions
    return int(last.starts[0]) + last.length

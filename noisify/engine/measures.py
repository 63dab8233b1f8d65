"""Measure the effects of noise: the moments of each field's values and of their changes.

Sums are taken over blocks of 8,192 elements, and a chunk of a table of thousands of columns has the
start, the end or the middle of one block of each. Parts of blocks wait together, in a temporary
file if they are large, until their blocks are complete.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import numpy as np

from noisify.core.chunk import BLOCK, merged_floats
from noisify.core.value_class import frozen
from noisify.engine.column_batch import ColumnBatch, WaitingBatches, in_batches
from noisify.engine.counts import Tally
from noisify.statistics.tree import BlockPieces, close_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from noisify.engine.counts import FieldReport
    from noisify.formats.interface import NoisyColumn

MOST_WAITING = 1 << 24
"""Bytes of parts of blocks in memory, before they go to a file."""


@frozen
class Measured:
    """What the noisy columns of a chunk measure.

    Attributes:
        tallies: For each field, the moments of complete blocks.
        parts: Parts of blocks: rows of the values of some fields, then rows of their changes.
    """

    tallies: dict[str, Tally]
    parts: list[ColumnBatch]


def measured(noisy: Iterable[NoisyColumn]) -> Measured:
    """Measure the noisy columns of a chunk; safe in a worker."""
    by_field: dict[str, list[NoisyColumn]] = {}
    for result in noisy:
        by_field.setdefault(result.column.field.name, []).append(result)
    columns = {name: [one.column for one in results] for name, results in by_field.items()}
    batches, others = in_batches(columns)
    found = Measured({name: _measured(by_field[name]) for name in others}, [])
    for batch in batches:
        both = _with_changes(batch, [by_field[name][0] for name in batch.names])
        blocks, parts = _by_blocks(both)
        found.tallies.update(_tallies(batch.names, blocks))
        found.parts.extend(parts)
    return found


def _with_changes(batch: ColumnBatch, results: Sequence[NoisyColumn]) -> ColumnBatch:
    """Return rows of the values of fields, then rows of their changes; NaN does not count."""
    floats, masks = batch.masked_floats()
    after = np.stack([one.values for one in results])
    moved = np.stack([_moved(one) for one in results])
    change = np.where(moved, batch.number.difference(after, batch.values), 0.0)
    rows = np.concatenate([floats, change])
    for row, mask in enumerate(masks):
        if mask is not None:
            rows[row :: len(masks), ~mask] = np.nan
    return ColumnBatch(batch.names, batch.number, batch.positions, rows, None)


def _by_blocks(batch: ColumnBatch) -> tuple[list[BlockPieces], list[ColumnBatch]]:
    """Return the complete blocks of a batch, and the parts of blocks before and after them."""
    positions = batch.positions
    if len(positions.starts) != 1:
        return _pieces(batch), []
    start = int(positions.starts[0])
    stop = start + positions.length
    first = min(stop, -(-start // BLOCK) * BLOCK)
    last = max(first, stop // BLOCK * BLOCK)
    parts = [batch.between(*part) for part in ((start, first), (last, stop)) if part[0] < part[1]]
    copied = [replace(part, values=np.ascontiguousarray(part.values)) for part in parts]
    return _pieces(batch.between(first, last)), copied


def _pieces(batch: ColumnBatch) -> list[BlockPieces]:
    """Cut the rows of a batch into blocks."""
    masks = ~np.isnan(batch.values)
    full = masks.all(axis=1).tolist()
    there = [None if all_ else mask for all_, mask in zip(full, masks, strict=True)]
    return BlockPieces.cut_each(batch.positions, batch.values, there)


def _tallies(names: Sequence[str], pieces: Sequence[BlockPieces]) -> Iterator[tuple[str, Tally]]:
    """Yield a tally for each field, of its values and of their changes."""
    count = len(names)
    for name, signal, change in zip(names, pieces[:count], pieces[count:], strict=True):
        yield name, Tally(signal=signal, change=change)


def _moved(result: NoisyColumn) -> NDArray[np.bool_]:
    """Return a mask of the elements that have another value."""
    return result.changed if result.erased is None else result.changed & ~result.erased


def _measured(noisy: list[NoisyColumn]) -> Tally:
    """Return the moments of a field's values and of their changes, over all its columns."""
    positions, values, usable = merged_floats([result.column for result in noisy])
    change = np.zeros_like(values)
    for result in noisy:
        difference = result.column.number.difference(result.values, result.column.values)
        change = np.where(_moved(result), difference, change)
    return Tally(
        signal=BlockPieces.cut(positions, values, usable),
        change=BlockPieces.cut(positions, change, usable),
    )


class Measures:
    """Adds what chunks measure to the reports on fields; leaving it removes its temporary file.

    Args:
        reports: The report on each field.
        most_waiting: Bytes of parts of blocks to keep in memory.
    """

    def __init__(
        self, reports: Mapping[str, FieldReport], most_waiting: int = MOST_WAITING
    ) -> None:
        self._reports = reports
        self._waiting = WaitingBatches(most_waiting)

    def add(self, found: Measured) -> None:
        """Add what a chunk measures."""
        for name, tally in found.tallies.items():
            self._reports[name] += tally
        for part in found.parts:
            for ready in self._waiting.add(part):
                self._add(ready)

    def _add(self, batch: ColumnBatch) -> None:
        for name, tally in _tallies(batch.names, _pieces(batch)):
            self._reports[name] += tally

    def end(self, *, complete: bool) -> None:
        """Add the parts of blocks that still wait.

        Args:
            complete: Whether no elements are before or after those added.
        """
        left = Counter(self._waiting.names())
        for batch in self._waiting.take_all():
            self._add(batch)
            left.subtract(batch.names)
            reports = [self._reports[name] for name in batch.names if complete and not left[name]]
            close_blocks([t for one in reports for t in (one.signal, one.change) if t is not None])

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the temporary file."""
        self._waiting.close()

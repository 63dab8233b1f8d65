"""Read two files side by side: match their fields, and yield their values in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from noisify.comparison.cells import LABELS, Cells
from noisify.core.errors import DataError
from noisify.core.value_class import frozen
from noisify.engine.parallel import ordered_map

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from noisify.core.chunk import Chunk, Field
    from noisify.formats.interface import Source

CHUNK_BYTES = 1 << 20
_MOST_WAITING = 1 << 25
"""Elements that are kept until those before them come, in files that do not store them in order."""
_SHARES = 4
"""Shares of the memory for pieces: for each of two files its pieces, and its values to compare."""


@frozen
class Side:
    """One side of a comparison.

    Attributes:
        name: Its name in messages.
        source: Its open source.
        is_table: Whether its fields are columns of one table.
        is_text: Whether its cells are texts, so that equal values can be written in two ways.
        jobs: Worker threads.
    """

    name: str
    source: Source[Any]
    is_table: bool
    is_text: bool
    jobs: int

    def blocks(self, fields: Mapping[str, Field]) -> Iterator[dict[str, Cells]]:
        """Yield the values of fields of one table or array, block by block, in order.

        Args:
            fields: The fields, by what to call them.
        """
        source, wanted = self.source, list(fields.values())
        reading = source.read([wanted], CHUNK_BYTES)
        in_flight = reading.in_flight and max(1, reading.in_flight // _SHARES)
        chunks = ordered_map(
            lambda raw: source.decode(raw, wanted), reading.pieces, self.jobs, in_flight
        )
        names = {field.name: name for name, field in fields.items()}
        return _in_order(chunks, names, self.name)


class Pair(NamedTuple):
    """A field that both sides have.

    Attributes:
        name: Its name.
        before: The field of the first side.
        after: The field of the second side.
    """

    name: str
    before: Field
    after: Field

    @property
    def is_label(self) -> bool:
        """Whether its values are texts or truth values."""
        return self.before.number is not None and self.before.number.kind in LABELS


class Fields(NamedTuple):
    """The fields of two files.

    Attributes:
        pairs: Those that can be compared.
        left: Why others that both have cannot be compared, by name.
        lost: The names of those that only the first has.
        added: The names of those that only the second has.
    """

    pairs: tuple[Pair, ...]
    left: dict[str, str]
    lost: tuple[str, ...]
    added: tuple[str, ...]


def matched_fields(before: Side, after: Side) -> Fields:
    """Return the fields of two files by name; files of one field each need not agree on it."""
    one = {field.name: field for field in before.source.fields}
    other = {field.name: field for field in after.source.fields}
    if len(one) == len(other) == 1 and not before.is_table & after.is_table:
        other = dict(zip(one, other.values(), strict=True))
    pairs, left = [], {}
    for name in filter(other.__contains__, one):
        found = _comparable(one[name], other[name])
        if found is None:
            left[name] = f"{one[name].type_name} and {other[name].type_name} are not compared"
        else:
            pairs.append(Pair(name, *found))
    return Fields(
        tuple(pairs),
        left,
        tuple(name for name in one if name not in other),
        tuple(name for name in other if name not in one),
    )


def units(pairs: Sequence[Pair], before: Side, after: Side) -> list[list[Pair]]:
    """Return groups of fields that are read together: columns of tables, else one by one."""
    if not (before.is_table and after.is_table):
        return [[pair] for pair in pairs]
    groups: dict[tuple[str, str], list[Pair]] = {}
    for pair in pairs:
        groups.setdefault((pair.before.table, pair.after.table), []).append(pair)
    return list(groups.values())


def as_texts(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs that both files can read as the texts of their cells, as such pairs."""
    found = []
    for pair in pairs:
        one, other = pair.before.as_text(), pair.after.as_text()
        if one is not None and other is not None:
            found.append(Pair(pair.name, one, other))
    return found


def side_by_side(
    pairs: Sequence[Pair], before: Side, after: Side
) -> Iterator[tuple[dict[str, Cells], dict[str, Cells]]]:
    """Yield equally many values of fields from both sides, and at the end the rest of the longer.

    The other side has no values for that rest.
    """
    sides = [_Waiting(blocks) for blocks in streams_of(pairs, before, after)]
    while all(side.fill() for side in sides):
        count = min(side.length for side in sides)
        yield sides[0].take(count), sides[1].take(count)
    for at, side in enumerate(sides):
        while side.fill():
            rest = side.take(side.length)
            nothing = {name: cells[:0] for name, cells in rest.items()}
            yield (rest, nothing) if at == 0 else (nothing, rest)


def streams_of(
    pairs: Sequence[Pair], before: Side, after: Side
) -> tuple[Iterator[dict[str, Cells]], Iterator[dict[str, Cells]]]:
    """Return the values of fields from each side, by the pairs' names."""
    return (
        before.blocks({pair.name: pair.before for pair in pairs}),
        after.blocks({pair.name: pair.after for pair in pairs}),
    )


class _Waiting:
    """A buffer of the values of one side, which are taken in smaller portions."""

    def __init__(self, blocks: Iterator[dict[str, Cells]]) -> None:
        self._blocks = blocks
        self._held: dict[str, Cells] = {}
        self.length = 0

    def fill(self) -> bool:
        """Read more if the buffer is empty; return whether it holds values."""
        while not self.length:
            block = next(self._blocks, None)
            if block is None:
                return False
            self._held = block
            self.length = len(next(iter(block.values()))) if block else 0
        return True

    def take(self, count: int) -> dict[str, Cells]:
        """Remove and return the next `count` values of each field."""
        taken = {name: cells[:count] for name, cells in self._held.items()}
        self._held = {name: cells[count:] for name, cells in self._held.items()}
        self.length -= count
        return taken


def _in_order(
    chunks: Iterator[Chunk], names: Mapping[str, str], path: str
) -> Iterator[dict[str, Cells]]:
    """Yield the values of chunks in the order of their indices.

    Args:
        chunks: The chunks.
        names: What to call their fields.
        path: The file's name in errors.

    Raises:
        DataError: If too many values would have to be kept until those before them come.
    """
    start = 0
    waiting: list[tuple[int, dict[str, Cells]]] = []
    for chunk in chunks:
        found = {names[field]: Cells.of(columns) for field, columns in chunk.by_field().items()}
        if not found or not chunk.columns[0].positions.size:
            continue
        positions = chunk.columns[0].positions
        if not waiting and positions.follows(start):
            start += positions.size
            yield found
            continue
        firsts = np.asarray(positions.starts, np.int64).tolist()
        waiting += [
            (first, {field: cells[at : at + positions.length] for field, cells in found.items()})
            for first, at in zip(firsts, range(0, positions.size, positions.length), strict=True)
        ]
        waiting.sort(key=lambda run: run[0])
        ready: list[dict[str, Cells]] = []
        for first, run in waiting:
            if first != start:
                break
            start += len(next(iter(run.values())))
            ready.append(run)
        del waiting[: len(ready)]
        if ready:
            yield {field: Cells.joined([run[field] for run in ready]) for field in ready[0]}
        if sum(len(next(iter(run.values()))) for _, run in waiting) > _MOST_WAITING:
            raise DataError(
                "stores its elements in an order that would take too much memory to follow; "
                "rechunk it, for example with h5repack -l CONTI",
                path=path,
            )


def _comparable(before: Field, after: Field) -> tuple[Field, Field] | None:
    """Return two fields as types that can be compared, or None if there are none."""
    one, other = before.number, after.number
    if one is None or other is None:
        return None
    if (one.kind in LABELS) == (other.kind in LABELS) and one.kind != "bool" != other.kind:
        return before, after
    if one.kind == other.kind:
        return before, after
    texts = before.as_text(), after.as_text()
    return None if texts[0] is None or texts[1] is None else (texts[0], texts[1])

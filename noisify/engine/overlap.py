"""Extend decoded pieces by their neighbouring elements (halo), for models that need them."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.chunk import Chunk, blank, cut_out, joined
from noisify.core.errors import UsageError
from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from noisify.core.chunk import Column
    from noisify.plan.condition import Condition


@frozen
class DecodedPiece:
    """A decoded piece with its halo.

    Attributes:
        raw: The raw piece.
        chunk: Its decoded fields.
        row_conditions: For each condition, a mask of the rows of the piece that meet it.
        extended: The decoded fields with the halo.
        conditions: For each condition, a mask of the elements of `extended` that meet it.
        keys: The indices of the rows by their keys, shape (n,), or None to use their numbers.
    """

    raw: Any
    chunk: Chunk
    row_conditions: dict[Condition, NDArray[np.bool_]]
    extended: Chunk
    conditions: dict[Condition, NDArray[np.bool_]]
    keys: NDArray[np.uint64] | None = None


def extended(pieces: Iterable[DecodedPiece], halo: int) -> Iterator[DecodedPiece]:
    """Extend pieces by at least `halo` elements on either side, as far as there are any.

    Args:
        pieces: Decoded pieces, each starting where the previous one ends.
        halo: The number of elements.

    Raises:
        UsageError: If the elements do not come in the order of the field.
    """
    waiting = iter(pieces)
    before: list[DecodedPiece] = []
    here: deque[DecodedPiece] = deque(islice(waiting, 1))
    while here:
        while _after(here, halo) < halo and (more := next(waiting, None)) is not None:
            here.append(more)
        piece = here.popleft()
        yield _surrounded(before, piece, list(here), halo)
        before.append(piece)
        while len(before) > 1 and sum(_length(p) for p in before[1:]) >= halo:
            del before[0]
        if not here:
            here.extend(islice(waiting, 1))


def _fields(piece: DecodedPiece) -> set[str]:
    """Return the names of a piece's fields; pieces of other fields are not its neighbours."""
    return {column.field.name for column in piece.chunk.columns}


def _length(piece: DecodedPiece) -> int:
    return min((column.positions.size for column in piece.chunk.columns), default=0)


def _after(here: deque[DecodedPiece], halo: int) -> int:
    """Count the elements after the first piece, up to at least `halo`."""
    count = 0
    for piece in islice(here, 1, None):
        count += _length(piece)
        if count >= halo:
            break
    return count


def _surrounded(
    before: list[DecodedPiece], piece: DecodedPiece, after: list[DecodedPiece], halo: int
) -> DecodedPiece:
    around = [p for p in (*before, piece, *after) if _fields(p) == _fields(piece)]
    columns = []
    lead = stop = 0
    for at, column in enumerate(piece.chunk.columns):
        parts: list[Column] = []
        for other in around:
            like = _alike(other, column, at)
            if len(like.positions.starts) != 1 or (
                parts and not like.positions.follows(_end(parts[-1]))
            ):
                raise UsageError(
                    "its elements are not stored in their order, which this model needs; convert "
                    "it first, as by noisify INPUT -o OUTPUT.npy -s 0",
                    field=column.field.name,
                )
            parts.append(like)
        whole = joined(parts)
        start = int(column.positions.starts[0]) - int(whole.positions.starts[0])
        first, end = max(0, start - halo), start + column.positions.size + halo
        columns.append(cut_out(whole, first, min(end, whole.positions.size)))
        if not stop or not column.field.table:  # conditions are on rows, not on list elements
            lead, stop = first, end
    conditions = {
        where: np.concatenate([other.row_conditions[where] for other in around])[lead:stop]
        for where in piece.row_conditions
    }
    return replace(piece, extended=Chunk(tuple(columns)), conditions=conditions)


def _alike(other: DecodedPiece, column: Column, at: int) -> Column:
    """Return another piece's column of the same field and type, or a blank one if it has none."""
    columns = [c for c in other.chunk.columns if c.field.name == column.field.name]
    same = [c for c in columns if c.number == column.number]
    return same[0] if same else blank(column, columns[0] if columns else other.chunk.columns[at])


def _end(column: Column) -> int:
    return int(column.positions.starts[0]) + column.positions.size

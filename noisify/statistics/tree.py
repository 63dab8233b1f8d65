"""The moments of a whole field, to the same bits whatever the order its values arrive in.

A field is cut into blocks of 8,192 elements. The moments of blocks are merged in one binary tree:
node (level, k) covers blocks k * 2**level to (k + 1) * 2**level - 1, and only siblings, the nodes
2k and 2k + 1 of one level, merge. What is left over is merged in the order of the blocks. So any
cut into chunks, any order, and any number of machines give the same bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import groupby, repeat
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from noisify.core.chunk import BLOCK
from noisify.core.value_class import frozen
from noisify.statistics.moments import JointMoments, Moments

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from noisify.core.chunk import Positions


_BATCH_ELEMENTS = 1 << 16
"""Elements of open blocks to work on at once."""


class _PartOfBlock(NamedTuple):
    """Some elements of a block.

    Attributes:
        block: The block's number.
        inside: Where in the block they are.
        values: Shape (n,) or, for several fields, (n, k); NaN where they do not count.
    """

    block: int
    inside: slice | NDArray[np.int64]
    values: NDArray[Any]


@frozen(slots=True)
class BlockPieces:
    """The values of one chunk, cut at the borders of blocks by a worker.

    Attributes:
        whole: Moments of the blocks that lie entirely in the chunk, and their numbers.
        parts: The elements of the other blocks.
    """

    whole: list[tuple[int, Moments | JointMoments]]
    parts: list[_PartOfBlock]

    @classmethod
    def cut(
        cls, positions: Positions, values: NDArray[Any], valid: NDArray[np.bool_] | None
    ) -> BlockPieces:
        """Cut values at positions into blocks, leaving out invalid ones.

        Args:
            positions: The positions of the values.
            values: Shape (n,) or, for several fields together, (n, k).
            valid: Shape (n,), mask of the values that count, or None for all.
        """
        return cls.cut_each(positions, values[None], [valid])[0]

    @classmethod
    def cut_each(
        cls,
        positions: Positions,
        rows: NDArray[Any],
        valid: Sequence[NDArray[np.bool_] | None],
    ) -> list[BlockPieces]:
        """Cut the values of several fields at the same positions, as `cut` does for each.

        Args:
            positions: The positions of the values.
            rows: Shape (m, n) or (m, n, k), the values of m fields.
            valid: For each field its mask of the values that count, or None for all.
        """
        cut = [cls([], []) for _ in rows]
        full: list[tuple[int, slice]] = []
        for block, inside, here in positions.by_block():
            if here.stop - here.start == BLOCK:
                full.append((block, here))
                continue
            masked = rows[:, here].copy()
            for row, mask, pieces in zip(masked, valid, cut, strict=True):
                if mask is not None:
                    row[~mask[here]] = np.nan
                pieces.parts.append(_PartOfBlock(block, inside, row))
        for row, mask, pieces in zip(rows, valid, cut, strict=True) if full else ():
            pieces.whole.extend(_moments_of_blocks(full, row, mask))
        return cut


def _moments_of_blocks(
    blocks: list[tuple[int, slice]], values: NDArray[Any], valid: NDArray[np.bool_] | None
) -> Iterator[tuple[int, Moments | JointMoments]]:
    """Yield the number and the moments of blocks, those that are neighbours at once."""
    for _, run in groupby(enumerate(blocks), lambda one: one[1][1].start - one[0] * BLOCK):
        numbers, places = zip(*(numbered for _, numbered in run), strict=True)
        here = slice(places[0].start, places[-1].stop)
        mask = None if valid is None or valid[here].all() else valid[here].reshape(-1, BLOCK)
        rows = values[here].reshape(-1, BLOCK, *values.shape[1:])
        yield from zip(numbers, _moments_of(rows, mask), strict=True)


def _moments_of(
    blocks: NDArray[Any], valid: NDArray[np.bool_] | None
) -> Sequence[Moments | JointMoments]:
    """Return the moments of each block.

    Args:
        blocks: Shape (b, n) or, for several fields, (b, n, k).
        valid: Shape (b, n), mask of the elements that count, or None for all.
    """
    if blocks.ndim == 2:  # noqa: PLR2004 - one field
        return Moments.of_rows(blocks, valid)
    masks = repeat(None) if valid is None else valid
    return [JointMoments.of(block, mask) for block, mask in zip(blocks, masks, strict=False)]


@dataclass
class _OpenBlock:
    """A block that is not complete yet.

    Attributes:
        seen: How many elements it has so far.
        values: The start of the block, up to the last element seen; NaN for elements not seen.
    """

    seen: int
    values: NDArray[Any]

    @classmethod
    def of(cls, inside: slice | NDArray[np.int64], values: NDArray[Any]) -> _OpenBlock:
        """Return a block with its first elements, which it may keep as they are."""
        if isinstance(inside, slice) and not inside.start:
            return cls(len(values), values)
        opened = cls(0, values[:0])
        opened.add(inside, values)
        return opened

    def add(self, inside: slice | NDArray[np.int64], values: NDArray[Any]) -> None:
        """Add elements."""
        self.values = _with_room(self.values, inside)
        self.values[inside] = values
        self.seen += len(values)

    def merge(self, other: _OpenBlock) -> None:
        """Add the elements of another part of the same block."""
        self.values = _with_room(self.values, slice(len(other.values)))
        np.copyto(self.values[: len(other.values)], other.values, where=~np.isnan(other.values))
        self.seen += other.seen

    def moments(self) -> Moments | JointMoments:
        """Return the moments of the elements seen."""
        return _moments_of_open(self.values[None])[0]


def _moments_of_open(blocks: NDArray[Any]) -> Sequence[Moments | JointMoments]:
    """Return the moments of blocks, shape (b, n) or (b, n, k), with NaN for missing elements."""
    there = ~np.isnan(blocks)
    if there.ndim > 2:  # noqa: PLR2004 - several fields together
        there = there.all(axis=2)
    return _moments_of(blocks, None if there.all() else there)


@dataclass
class MomentsTree:
    """The moments of the blocks of one field, or of several together, merged in the binary tree.

    Chunks are added by `+=`, in any order. Trees of different elements of the same field, such as
    those of several processes or machines, are merged by `merge`, in any order too. A tree can be
    pickled; it holds O(log n) nodes for n consecutive elements, and the values of the blocks that
    are not complete, at most one at either end.
    """

    nodes: dict[tuple[int, int], Any] = field(default_factory=dict)
    open_blocks: dict[int, _OpenBlock] = field(default_factory=dict)

    def __iadd__(self, pieces: BlockPieces | MomentsTree) -> Self:
        """Add the pieces of one chunk, or another tree."""
        if isinstance(pieces, MomentsTree):
            self.merge(pieces)
            return self
        for block, moments in pieces.whole:
            self._add_node(0, block, moments)
        for block, inside, values in pieces.parts:
            if block in self.open_blocks:
                self.open_blocks[block].add(inside, values)
            else:
                self.open_blocks[block] = _OpenBlock.of(inside, values)
            self._close(block)
        return self

    def merge(self, other: MomentsTree) -> None:
        """Add the blocks of another tree, of other elements of the same field."""
        for (level, place), moments in other.nodes.items():
            self._add_node(level, place, moments)
        for block, opened in other.open_blocks.items():
            if block not in self.open_blocks:
                self.open_blocks[block] = _OpenBlock(0, opened.values[:0])
            self.open_blocks[block].merge(opened)
            self._close(block)

    @property
    def open_bytes(self) -> int:
        """The bytes of the values of incomplete blocks."""
        return sum(opened.values.nbytes for opened in self.open_blocks.values())

    def total(self) -> Any:  # noqa: ANN401 - Moments or JointMoments, as they were added
        """Return the moments of everything added, incomplete blocks included."""
        everything = self
        if self.open_blocks:
            everything = MomentsTree(dict(self.nodes), dict(self.open_blocks))
            close_blocks([everything])
        total: Any = Moments()
        for level, place in sorted(everything.nodes, key=lambda node: node[1] << node[0]):
            total += everything.nodes[level, place]
        return total

    def _add_node(self, level: int, place: int, moments: Moments | JointMoments) -> None:
        """Add a node, merged with its sibling, and so on up the tree."""
        merged: Any = moments
        while (sibling := self.nodes.pop((level, place ^ 1), None)) is not None:
            merged = sibling + merged if place % 2 else merged + sibling
            level, place = level + 1, place >> 1
        self.nodes[level, place] = merged

    def _close(self, block: int) -> None:
        """Turn a block into a node if it is complete."""
        if self.open_blocks[block].seen == BLOCK:
            self.close_block(block, self.open_blocks[block].moments())

    def close_block(self, block: int, moments: Moments | JointMoments) -> None:
        """Turn an open block into a node."""
        del self.open_blocks[block]
        self._add_node(0, block, moments)


def close_blocks(trees: Sequence[MomentsTree]) -> None:
    """Turn all open blocks of trees into nodes, those of one length at once.

    Do this only when nothing more is to be added.
    """
    alike: dict[tuple[int, ...], list[tuple[MomentsTree, int]]] = {}
    for tree in trees:
        for block, opened in tree.open_blocks.items():
            alike.setdefault(opened.values.shape, []).append((tree, block))
    for shape, found in alike.items():
        step = max(1, _BATCH_ELEMENTS // math.prod(shape))
        for start in range(0, len(found), step):
            some = found[start : start + step]
            blocks = np.stack([tree.open_blocks[block].values for tree, block in some])
            for (tree, block), moments in zip(some, _moments_of_open(blocks), strict=True):
                tree.close_block(block, moments)


def _with_room(buffer: NDArray[Any], where: slice | NDArray[np.int64]) -> NDArray[Any]:
    """Grow the buffer of a block's start until it holds the elements `where`."""
    stop = where.stop if isinstance(where, slice) else int(where.max()) + 1
    if stop <= len(buffer):
        return buffer
    size = min(BLOCK, max(stop, len(buffer) * 5 // 4))  # there may be one for each of many fields
    longer = np.full((size, *buffer.shape[1:]), np.nan, buffer.dtype)
    longer[: len(buffer)] = buffer
    return longer

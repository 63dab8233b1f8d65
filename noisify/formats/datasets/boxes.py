"""Compute with boxes of elements, and the chunks that they overlap."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_COMPARED_BYTES = 1 << 16

Box = tuple[slice, ...]
Corner = tuple[int, ...]


def same_bytes(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Return whether arrays of the same shape and dtype have the same bytes."""
    while one.ndim and len(one) == 1:
        one, other = one[0], other[0]
    if not one.ndim:
        return bool(one.tobytes() == other.tobytes())
    rows = max(1, _COMPARED_BYTES * len(one) // max(1, one.nbytes))
    parts = (slice(at, at + rows) for at in range(0, len(one), rows))
    return all(
        np.array_equal(one[part].view(np.uint8), other[part].view(np.uint8)) for part in parts
    )


def corners(box: Box, chunks: Sequence[int]) -> Iterator[Corner]:
    """Yield the first corner of each chunk that a box overlaps, in C order."""
    yield from itertools.product(
        *(
            range(cut.start // step * step, cut.stop, step)
            for cut, step in zip(box, chunks, strict=True)
        )
    )


def overlap(corner: Corner, chunks: Sequence[int], box: Box) -> tuple[Box, Box]:
    """Return the overlap of a chunk and a box, as a part of the box and as a part of the chunk."""
    outer, inner = [], []
    for at, step, cut in zip(corner, chunks, box, strict=True):
        start, stop = max(at, cut.start), min(at + step, cut.stop)
        outer.append(slice(start - cut.start, stop - cut.start))
        inner.append(slice(start - at, stop - at))
    return tuple(outer), tuple(inner)


def box_shape(box: Box) -> tuple[int, ...]:
    """Return the shape of a box."""
    return tuple(cut.stop - cut.start for cut in box)


def first_element(shape: Sequence[int], box: Box) -> int:
    """Return the index of the first element of a box."""
    index = 0
    for extent, cut in zip(shape, box, strict=True):
        index = index * extent + cut.start
    return index


def chunk_number(shape: Sequence[int], chunks: Sequence[int], corner: Corner) -> int:
    """Return the index of the chunk at a corner, in C order."""
    number = 0
    for extent, step, at in zip(shape, chunks, corner, strict=True):
        number = number * -(-extent // step) + at // step
    return number

"""Cut datasets that are read together into pieces that fit into memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from noisify.core.chunk import boxes
from noisify.core.value_class import frozen
from noisify.formats.datasets.storage import InChunks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from noisify.formats.datasets.boxes import Box
    from noisify.formats.datasets.storage import Storage

_MEMORY = 128 << 20
"""The bytes of memory for pieces that must be larger than asked for, because of chunks."""
_IN_FLIGHT = 3
"""The fewest pieces in memory that keep the workers busy."""
_COPIES = 3
"""The copies of a piece's elements in memory: packed, unpacked and with noise."""
_VALUE_BYTES = 24
"""The further bytes of a value while noise is drawn and added: three doubles."""
_PIECE_BYTES = 1 << 21


@frozen
class DatasetsPiece:
    """Consecutive elements of datasets that are read together, before or after noise.

    Attributes:
        parts: The storage of each dataset, and its elements as read or as to be written.
        box: The box of the datasets.
        owned: The paths of the datasets whose elements belong to the part of the file that is
            read, or None for all.
        changed: The fields of which an element has changed, in a piece to be written.
    """

    parts: tuple[tuple[Storage, Any], ...]
    box: Box
    owned: frozenset[str] | None = None
    changed: frozenset[str] = frozenset()


@frozen
class Cut:
    """How datasets are cut into pieces of consecutive elements.

    Attributes:
        storages: The datasets.
        shape: Their common shape; one of an array type may have further dimensions.
        elements: The approximate number of elements of a piece, of that shape.
        unit: The shape that is never cut; after its first extent above 1 it has whole axes.
        in_flight: How many pieces may be in memory, or None for as many as are useful.
        rechunked: Whether chunks run against the order of elements, and are unpacked first.
    """

    storages: tuple[Storage, ...]
    shape: tuple[int, ...]
    elements: int
    unit: tuple[int, ...]
    in_flight: int | None
    rechunked: bool = False

    @property
    def rows(self) -> int:
        """The number of rows, along the first axis that is longer than one element."""
        return self.shape[long_axis(self.shape)] if self.shape else 1

    def boxes(self, rows: range) -> Iterator[Box]:
        """Yield the box of each piece of some rows."""
        if not self.shape:
            yield ()
            return
        axis = long_axis(self.shape)
        part = (*self.shape[:axis], len(rows), *self.shape[axis + 1 :])
        for box in boxes(part, self.elements, self.unit):
            here = slice(box[axis].start + rows.start, box[axis].stop + rows.start)
            yield (*box[:axis], here, *box[axis + 1 :])


def long_axis(shape: Sequence[int]) -> int:
    """Return the first axis that is longer than one element, or else the last."""
    return next((at for at, extent in enumerate(shape) if extent > 1), max(0, len(shape) - 1))


def chunks_around(storage: InChunks, shape: Sequence[int], rows: range) -> Box:
    """Return the box of those chunks of a dataset that hold some rows.

    Args:
        storage: The dataset.
        shape: The shape of the datasets that are read together.
        rows: The rows, along the first axis of that shape that is longer than one element.
    """
    box = [slice(0, extent) for extent in storage.shape]
    if shape:
        axis = long_axis(shape)
        step = storage.unit[axis]
        stop = min(-(-rows.stop // step) * step, storage.shape[axis])
        box[axis] = slice(rows.start // step * step, stop)
    return tuple(box)


def box_in(storage: Storage, box: Box) -> Box:
    """Return a piece's box in one of its datasets, which may have further dimensions."""
    return box + tuple(slice(0, extent) for extent in storage.shape[len(box) :])


def cut(storages: Sequence[Storage], values: int, size: int) -> Cut:
    """Decide how to cut datasets into pieces.

    The pieces do not depend on `size` if several datasets are written in order: the order of their
    chunks in the output follows from the pieces.

    Args:
        storages: The datasets.
        values: The number of values that get noise in all of them.
        size: The target size of a piece in bytes.
    """
    shape = min((storage.shape for storage in storages), key=len)
    count = max(1, math.prod(shape))
    width = max(1, sum(s.count * s.element_bytes for s in storages) // count)
    weight = _COPIES * width + _VALUE_BYTES * -(-values // count)
    if sum(not storage.for_workers for storage in storages) > 1:
        size = _PIECE_BYTES
    wished = max(1, size // width)
    unit = _consecutive(shape, _common_unit(storages, shape))
    least = math.prod(unit)
    if least <= wished:
        return Cut(tuple(storages), shape, wished, unit, None)
    in_flight = _MEMORY // (weight * least)
    if in_flight >= _IN_FLIGHT:
        return Cut(tuple(storages), shape, least, unit, in_flight)
    others = [one for one in storages if not isinstance(one, InChunks) or one.chunks is None]
    unit = _consecutive(shape, _common_unit(others, shape))
    elements = max(1, _MEMORY // _IN_FLIGHT // weight)
    return Cut(tuple(storages), shape, elements, unit, _IN_FLIGHT, rechunked=True)


def _common_unit(storages: Sequence[Storage], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the smallest box that cuts no chunk of any dataset."""
    units = [storage.unit[: len(shape)] for storage in storages if storage.unit is not None]
    common = [math.lcm(*extents) for extents in zip(*units, strict=True)] or [1] * len(shape)
    return tuple(min(one, extent) for one, extent in zip(common, shape, strict=True))


def _consecutive(shape: tuple[int, ...], unit: tuple[int, ...]) -> tuple[int, ...]:
    """Return the smallest box around another that holds consecutive elements only."""
    long = next((axis for axis, extent in enumerate(unit) if extent > 1), len(unit))
    return unit[: long + 1] + shape[long + 1 :]

"""Chunks: the values of named fields at known positions."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np

from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from fractions import Fraction

    from numpy.typing import NDArray

    from noisify.core.dtypes import NumberType
    from noisify.core.missing import Missing
    from noisify.core.packing import Packing

BLOCK = 8192
"""Elements in one block, the unit of order-independent statistics and of sequences such as ar1."""

Kind = Literal["float", "int", "complex", "decimal", "bool", "text", "time", "other"]
NUMBER_KINDS = frozenset({"float", "int", "complex", "decimal"})
_RENAMED_SHOWN = 3


@frozen
class Positions:
    """Indices of a chunk's elements in their field: runs of equal length, in ascending order.

    Attributes:
        starts: First index of each run; one run for a chunk of consecutive elements.
        length: Elements in each run.
    """

    starts: tuple[int, ...] | NDArray[np.int64]
    length: int

    @classmethod
    def range(cls, start: int, stop: int) -> Positions:
        """Return the consecutive positions start...stop."""
        return cls((start,), stop - start)

    @classmethod
    def box(cls, shape: Sequence[int], box: Sequence[slice]) -> Positions:
        """Return the C-order flat indices of a box (one plain slice per axis) of an array.

        >>> box = Positions.box((4, 10), (slice(1, 3), slice(0, 5)))
        >>> [int(start) for start in box.starts], box.length
        ([10, 20], 5)
        """
        axes = list(zip(shape, box, strict=True))
        length, inner = 1, 1
        while axes and length == inner:  # merge the trailing axes that are taken whole
            extent, cut = axes.pop()
            length, inner, first = (
                length * (cut.stop - cut.start),
                inner * extent,
                cut.start * inner,
            )
        starts = np.array([first if shape else 0], dtype=np.int64)
        for extent, cut in reversed(axes):
            starts = (np.arange(cut.start, cut.stop)[:, None] * inner + starts).reshape(-1)
            inner *= extent
        return cls(starts, length)

    @property
    def size(self) -> int:
        """The number of elements."""
        return len(self.starts) * self.length

    @cached_property
    def key(self) -> tuple[object, int]:
        """A value equal for equal positions; positions in several runs equal only themselves."""
        return self.starts if isinstance(self.starts, tuple) else id(self.starts), self.length

    def indices(self) -> NDArray[np.int64]:
        """Return the index of each element, shape (n,)."""
        starts = np.asarray(self.starts, np.int64)[:, None]
        return (starts + np.arange(self.length)).reshape(-1)

    def at(self, which: NDArray[np.int64]) -> Positions:
        """Return the positions of the elements `which`, counted from 0 within this chunk.

        >>> Positions((10, 20), 5).at(np.array([1, 7])).starts.tolist()
        [11, 22]
        """
        runs, inside = np.divmod(which, max(self.length, 1))
        return Positions(np.asarray(self.starts, np.int64)[runs] + inside, 1)

    def shifted(self, by: int) -> Positions:
        """Return these positions, each `by` greater.

        >>> Positions.range(0, 5).shifted(10)
        Positions(starts=(10,), length=5)
        """
        if isinstance(self.starts, tuple):
            return Positions(tuple(start + by for start in self.starts), self.length)
        return Positions(self.starts + by, self.length)

    def by_block(self) -> Iterator[tuple[int, slice | NDArray[np.int64], slice]]:
        """Yield (block number, positions within the block, elements of the chunk) per block."""
        if not self.size:
            return
        if len(self.starts) == 1:
            start = int(self.starts[0])
            stop = start + self.length
            for block in range(start // BLOCK, (stop - 1) // BLOCK + 1):
                first, last = max(start, block * BLOCK), min(stop, (block + 1) * BLOCK)
                inside = slice(first - block * BLOCK, last - block * BLOCK)
                yield block, inside, slice(first - start, last - start)
            return
        indices = self.indices()
        blocks = indices // BLOCK
        cuts = [0, *(np.flatnonzero(np.diff(blocks)) + 1).tolist(), len(indices)]
        for first, last in pairwise(cuts):
            block = int(blocks[first])
            yield block, indices[first:last] - block * BLOCK, slice(first, last)

    def in_rows(self, width: int) -> Positions | None:
        """Return which rows of `width` elements these are, or None if they are not whole rows.

        >>> Positions.range(6, 12).in_rows(3)
        Positions(starts=(2,), length=2)
        """
        start, size = int(self.starts[0]), self.size
        if not width or len(self.starts) > 1 or start % width or size % width:
            return None
        return Positions.range(start // width, (start + size) // width)

    def follows(self, stop: int) -> bool:
        """Return whether this is one run that starts at `stop`."""
        return len(self.starts) == 1 and int(self.starts[0]) == stop


def distinct_names(texts: Iterable[str]) -> tuple[str, ...]:
    """Make names unique: the second `x` becomes `x.1`, as in pandas.

    >>> distinct_names(["x", "x", "y", "x"])
    ('x', 'x.1', 'y', 'x.2')
    """
    names: dict[str, None] = {}  # in order, and quick to look up
    copies: dict[str, int] = {}
    for first in texts:
        name = first
        while name in names:
            copies[first] = copies.get(first, 0) + 1
            name = f"{first}.{copies[first]}"
        names[name] = None
    return tuple(names)


def renaming_note(texts: Sequence[str]) -> str | None:
    """Return the message about names that `distinct_names` changes, or None."""
    pairs = zip(texts, distinct_names(texts), strict=True)
    renamed = [(text, name) for text, name in pairs if text != name]
    if not renamed:
        return None
    shown = ", ".join(f"{name!r} is a further {text!r}" for text, name in renamed[:_RENAMED_SHOWN])
    more = f" and {len(renamed) - _RENAMED_SHOWN:,} more" if len(renamed) > _RENAMED_SHOWN else ""
    return f"has fields of one name: {shown}{more}"


@frozen
class Field:
    """One thing that can get noise: a column, a dataset, an array.

    Attributes:
        name: Its name, which also names its random stream.
        kind: The kind of its values.
        type_name: Its type as the format calls it, for listings.
        number: Its number type, or None for a field that cannot hold numbers.
        table: The table it belongs to; all fields of a table have the same length. Empty for a
            column with one value per row.
        aliases: Other names that select it.
        nullable: Whether its elements can be missing.
        views: Other types its values can be read as, for models that need them.
        hindrance: Why it can get no noise although its type could; empty if it can.
        missing: The values that its file declares missing, or None.
        packing: How its values are packed in the file, or None.
        role: Its role if it is not a measurement, such as "an index"; such a field gets noise only
            if selected by its exact name. If empty, defaults and patterns may select it.
        member: Whether it is one member of the records of a structured array.
        stream: Name of its random stream; if empty, the field's name.
    """

    name: str
    kind: Kind
    type_name: str
    number: NumberType | None = None
    table: str = ""
    aliases: tuple[str, ...] = ()
    views: tuple[NumberType, ...] = ()
    nullable: bool = True
    hindrance: str = ""
    missing: Missing | None = None
    packing: Packing | None = None
    role: str = ""
    member: bool = False
    stream: str = ""

    def __hash__(self) -> int:
        """Return the hash of the name, which fields of one source do not share."""
        return hash(self.name)

    def as_text(self) -> Field | None:
        """Return the field with its cells read as texts, or None if its format cannot do so."""
        if self.number is not None and self.number.kind == "text":
            return self
        texts = (view for view in self.views if view.kind == "text")
        return next((replace(self, number=view, kind="text") for view in texts), None)


@frozen
class Column:
    """The values of one field in one chunk.

    Attributes:
        field: The field.
        number: The number type of `values`. A text field that mixes whole numbers and others may
            come as two columns over the same positions.
        positions: Their indices in the field.
        values: Shape (n,), `number.dtype`; arbitrary where `valid` is False.
        valid: Shape (n,), mask of elements that are present and numeric, or None for all.
        nulls: Number of null elements.
        unparseable: Number of elements that do not parse as the field's type.
        first_unparseable: The text of the first of them.
        decimals: Shape (n,), the digits after the point in each element's text; -1: unknown.
        layout: The format's private data for writing this column back.
    """

    field: Field
    number: NumberType
    positions: Positions
    values: NDArray[Any]
    valid: NDArray[np.bool_] | None = None
    nulls: int = 0
    unparseable: int = 0
    first_unparseable: str = ""
    decimals: NDArray[Any] | None = None
    layout: Any = dataclasses.field(default=None, compare=False)


@frozen
class Chunk:
    """The decoded fields of some rows of one table, or of some elements of one array.

    Attributes:
        columns: The requested fields.
        layout: The format's private data for writing them back.
        rows: The row numbers, for a chunk of a table.
    """

    columns: tuple[Column, ...]
    layout: Any = dataclasses.field(default=None, compare=False)
    rows: Positions | None = None

    def by_field(self) -> dict[str, list[Column]]:
        """Return the columns by field name."""
        fields: dict[str, list[Column]] = {}
        for column in self.columns:
            fields.setdefault(column.field.name, []).append(column)
        return fields


def cut_out(column: Column, start: int, stop: int) -> Column:
    """Return the elements start...stop of a column whose positions are one run."""
    first = int(column.positions.starts[0])
    return replace(
        column,
        positions=Positions.range(first + start, first + stop),
        values=column.values[start:stop],
        valid=None if column.valid is None else column.valid[start:stop],
        decimals=None if column.decimals is None else column.decimals[start:stop],
        layout=None,
    )


def joined(columns: Sequence[Column]) -> Column:
    """Concatenate adjacent columns of one field and type, each of them one run."""
    start = int(columns[0].positions.starts[0])
    stop = start + sum(column.positions.size for column in columns)
    values, valid = end_to_end(columns)
    return replace(
        columns[0],
        positions=Positions.range(start, stop),
        values=values,
        valid=valid,
        decimals=None,
        layout=None,
    )


class Masked(Protocol):
    """Values, and a mask of the valid ones of the same shape, or None for all."""

    @property
    def values(self) -> NDArray[Any]:
        """The values."""

    @property
    def valid(self) -> NDArray[np.bool_] | None:
        """The mask."""


def end_to_end(columns: Sequence[Masked]) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return the values of columns one after the other, along the last axis, and their mask."""
    if len(columns) == 1:
        return columns[0].values, columns[0].valid
    valid = None
    if any(column.valid is not None for column in columns):
        masks = (np.ones(c.values.shape, bool) if c.valid is None else c.valid for c in columns)
        valid = np.concatenate(list(masks), axis=-1)
    return np.concatenate([column.values for column in columns], axis=-1), valid


def blank(column: Column, like: Column) -> Column:
    """Return a column of the type of `column` at the positions of `like`, with no valid element."""
    count = like.positions.size
    values = np.zeros(count, column.number.dtype)
    if column.number.kind == "text":
        values[:] = ""
    return replace(
        column, positions=like.positions, values=values, valid=np.zeros(count, bool), decimals=None
    )


def merged_floats(
    columns: Sequence[Column],
) -> tuple[Positions, NDArray[Any], NDArray[np.bool_] | None]:
    """Return one field's positions, values as float64 (complex128), and mask of finite ones.

    Args:
        columns: The field's columns, over the same positions; at most one is valid at each.
    """
    first = columns[0]
    values = first.number.to_float(first.values)
    valid = first.valid
    for column in columns[1:]:
        there = np.ones(len(values), bool) if column.valid is None else column.valid
        values = np.where(there, column.number.to_float(column.values), values)
        valid = there if valid is None else valid | there
    if first.number.kind in {"float", "complex", "text"} or len(columns) > 1:
        finite = np.isfinite(values)
        if not finite.all():
            valid = finite if valid is None else valid & finite
    return first.positions, values, valid


class WholeNumbers(NamedTuple):
    """One field's values as integers.

    Attributes:
        values: Shape (n,), of an integer dtype, or Python integers in an object array.
        unit: The value of 1, in the field's unit.
    """

    values: NDArray[Any]
    unit: Fraction


def merged_whole(columns: Sequence[Column]) -> WholeNumbers | None:
    """Return one field's integers, decimals or times as integers; None if it has other values.

    Args:
        columns: The field's columns, over the same positions; at most one is valid at each.
    """
    first = columns[0]
    if any(column.number.kind not in {"int", "decimal", "time"} for column in columns):
        return None
    values = first.values
    if len(columns) > 1:
        values = values.astype(object)
    for column in columns[1:]:
        there = slice(None) if column.valid is None else column.valid
        values[there] = column.values[there]
    return WholeNumbers(values, first.number.unit)


def boxes(
    shape: Sequence[int], limit: int, unit: Sequence[int] | None = None
) -> Iterator[tuple[slice, ...]]:
    """Cut an array into boxes of about `limit` elements, spanning the trailing axes if possible.

    Args:
        shape: The array's shape.
        limit: The most elements a box should hold; one unit may hold more.
        unit: The shape that is never cut, such as a storage chunk; default: one element.

    Yields:
        One slice per axis; the boxes cover the array once, in C order of their first corners.
    """
    if 0 in shape:
        return
    steps = [
        min(part, extent) for part, extent in zip(unit or (1,) * len(shape), shape, strict=True)
    ]
    for axis in reversed(range(len(shape))):  # grow the box from the last axis to the first
        room = max(1, limit // prod(steps))
        whole = -(-shape[axis] // steps[axis])
        steps[axis] = min(shape[axis], steps[axis] * min(room, whole))
    axes = list(zip(shape, steps, strict=True))
    for corner in np.ndindex(*(-(-extent // step) for extent, step in axes)):
        yield tuple(
            slice(at * step, min((at + 1) * step, extent))
            for at, (extent, step) in zip(corner, axes, strict=True)
        )

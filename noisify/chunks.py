"""What flows: the values of named fields at known positions, and how numbers are written back."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

BLOCK = 8192
"""Elements in one noise block: the unit of random streams and of order-free statistics."""

Kind = Literal["float", "int", "complex", "decimal", "bool", "text", "time", "other"]
NUMBER_KINDS = frozenset({"float", "int", "complex", "decimal"})


@dataclass(frozen=True)
class Positions:
    """Where the elements of a chunk stand in their field: equally long runs, in rising order.

    Attributes:
        starts: The index at which each run starts; one run for a chunk of consecutive elements.
        length: The elements in each run.
    """

    starts: tuple[int, ...] | NDArray[np.int64]
    length: int

    @classmethod
    def range(cls, start: int, stop: int) -> Positions:
        """Return the consecutive positions start...stop."""
        return cls((start,), stop - start)

    @classmethod
    def box(cls, shape: Sequence[int], box: Sequence[slice]) -> Positions:
        """Return the C-order flat indices of a box (one plain slice an axis) of an array.

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

    def by_block(self) -> Iterator[tuple[int, slice | NDArray[np.int64], slice]]:
        """Yield (block, positions inside the block, elements of the chunk), block by block."""
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
        indices = (np.asarray(self.starts)[:, None] + np.arange(self.length)).reshape(-1)
        blocks = indices // BLOCK
        cuts = [0, *(np.flatnonzero(np.diff(blocks)) + 1).tolist(), len(indices)]
        for first, last in pairwise(cuts):
            block = int(blocks[first])
            yield block, indices[first:last] - block * BLOCK, slice(first, last)

    def follows(self, stop: int) -> bool:
        """Return whether this is one run that starts at `stop`."""
        return len(self.starts) == 1 and int(self.starts[0]) == stop


@dataclass(frozen=True)
class NumberType:
    """How the numbers of a field are kept in memory and what they can hold.

    Attributes:
        kind: float, int, complex or decimal.
        dtype: The dtype of the arrays; decimals are unscaled integers (int64, or Python's own in
            an object array when they have more than 18 digits).
        decimal_scale: Digits after a decimal's point: its value is unscaled x 10**-decimal_scale.
        decimal_precision: The digits a decimal has in all.
    """

    kind: Literal["float", "int", "complex", "decimal"]
    dtype: np.dtype[Any]
    decimal_scale: int = 0
    decimal_precision: int = 0

    @classmethod
    def of_dtype(cls, dtype: np.dtype[Any]) -> NumberType | None:
        """Return the number type of a NumPy dtype in native byte order, or None."""
        native = dtype.newbyteorder("=")
        match dtype.kind:
            case "f":
                return cls("float", native)
            case "i" | "u":
                return cls("int", native)
            case "c":
                return cls("complex", native)
            case _:
                return None

    @classmethod
    def decimal(cls, precision: int, scale: int) -> NumberType:
        """Return the type of a decimal of `precision` digits, `scale` of them after the point."""
        dtype = np.dtype(np.int64 if precision <= 18 else object)  # noqa: PLR2004
        return cls("decimal", dtype, scale, precision)

    @cached_property
    def limits(self) -> tuple[Any, Any]:
        """The smallest and the largest (finite) value, in the units of the arrays."""
        if self.kind == "decimal":
            most = 10**self.decimal_precision - 1
            return -most, most
        info = np.iinfo(self.dtype) if self.kind == "int" else np.finfo(self.dtype)
        return info.min, info.max

    def to_float(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the values as float64 (complex128 for complex), correctly rounded."""
        if self.kind != "decimal":
            least = np.complex128 if self.kind == "complex" else np.float64
            return np.asarray(values, np.result_type(values.dtype, least))
        if values.dtype != object and self.decimal_scale <= 22 and np.all(abs(values) < 2**53):  # noqa: PLR2004
            return np.asarray(values / 10.0**self.decimal_scale)  # both exact: rounded once
        unit = 10**self.decimal_scale  # Python divides integers with one rounding
        return np.fromiter((int(value) / unit for value in values), np.float64, len(values))

    def finite(self, values: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Return which values are finite, or None when all are."""
        if self.kind not in {"float", "complex"}:
            return None
        finite = np.isfinite(values)
        return None if finite.all() else finite

    def difference(self, after: NDArray[Any], before: NDArray[Any]) -> NDArray[Any]:
        """Return after - before as float64 (complex128), exact for integers before rounding."""
        if self.kind in {"float", "complex"}:
            with np.errstate(invalid="ignore", over="ignore"):
                return np.asarray(self.to_float(after) - self.to_float(before))
        if after.dtype == object or after.dtype.itemsize == 8:  # noqa: PLR2004
            return np.asarray(_wide_difference(after, before) * 10.0**-self.decimal_scale)
        return np.asarray(after.astype(np.float64) - before)

    def add(
        self, values: NDArray[Any], noise: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Add noise in this type: integers round it half to even, and everything saturates.

        Args:
            values: Shape (n,), this type's dtype.
            noise: Shape (n,), float64 (complex128 for complex), in the field's own unit. Spent: it
                may be overwritten.

        Returns:
            The noisy values, and which of them saturated (None: none).
        """
        if self.kind == "complex":
            return self._add_complex(values, noise)
        if self.kind == "float":
            return self._add_float(values, noise)
        if self.decimal_scale:
            noise *= 10.0**self.decimal_scale
        np.rint(noise, out=noise)
        if self.dtype == object or self.kind == "decimal":
            return _add_exact(values, noise, self.limits)
        if self.dtype.itemsize == 8:  # noqa: PLR2004
            return _add_wide(values, noise)
        noise += values
        low, high = self.limits
        beyond = None
        if len(noise) and (noise.min() < low or noise.max() > high):
            beyond = (noise < low) | (noise > high)
            np.clip(noise, low, high, out=noise)
        return noise.astype(self.dtype), beyond

    def _add_float(
        self, values: NDArray[Any], noise: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        low, high = self.limits
        with np.errstate(over="ignore", invalid="ignore"):
            if self.dtype.itemsize > noise.dtype.itemsize:
                noisy = values + noise
            else:
                noise += values
                noisy = noise.astype(self.dtype, copy=False)
        finite = np.isfinite(noisy)
        if finite.all():
            return noisy, None
        beyond = ~finite & ~np.isnan(noisy) & np.isfinite(values)
        noisy[beyond] = np.where(noisy[beyond] > 0, high, low)
        return noisy, beyond

    def _add_complex(
        self, values: NDArray[Any], noise: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        part = NumberType("float", np.empty(0, self.dtype).real.dtype)
        noisy = np.empty(len(values), self.dtype)
        noisy.real, real = part.add(values.real, noise.real)
        noisy.imag, imag = part.add(values.imag, noise.imag)
        if real is None or imag is None:
            return noisy, imag if real is None else real
        return noisy, real | imag

    def round(self, values: NDArray[Any], decimals: int | NDArray[Any]) -> NDArray[Any]:
        """Round floats to so many decimals each, half to even; other types are left alone."""
        if self.kind not in {"float", "complex"}:
            return values
        if isinstance(decimals, int):
            return np.round(values, decimals)
        rounded = values.copy()
        for digits in np.unique(decimals[decimals >= 0]):
            here = decimals == digits
            rounded[here] = np.round(values[here], int(digits))
        return rounded

    def bounds(self, low: float, high: float) -> tuple[Any, Any]:
        """Return bounds given in the field's unit as values of the arrays, rounded inwards.

        A bound that lies beyond what the type can hold becomes the type's own.
        """
        least, most = self.limits
        if self.kind == "float":
            return self._float_bound(low, np.inf), self._float_bound(high, -np.inf)
        unit = 10**self.decimal_scale
        inner_low = least if low == -np.inf else math.ceil(Fraction(repr(float(low))) * unit)
        inner_high = most if high == np.inf else math.floor(Fraction(repr(float(high))) * unit)
        return min(max(least, inner_low), most), max(min(most, inner_high), least)

    def _float_bound(self, bound: float, inwards: float) -> Any:  # noqa: ANN401
        least, most = self.limits
        if not float(least) < bound < float(most):
            return least if bound < 0 else most
        nearest = self.dtype.type(bound)
        outside = float(nearest) < bound if inwards > 0 else float(nearest) > bound
        return np.nextafter(nearest, self.dtype.type(inwards)) if outside else nearest


def _add_wide(
    values: NDArray[Any], noise: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Add whole float64 noise to 64-bit integers without passing them through float64.

    Signed values are mapped to unsigned ones in their order (by flipping the sign bit), where
    adding and subtracting magnitudes shows a wrap-around as a result on the wrong side.
    """
    signed = values.dtype.kind == "i"
    top = np.uint64(1 << 63)
    unsigned = values.view(np.uint64) ^ top if signed else values
    magnitude = np.minimum(np.abs(noise), np.nextafter(2.0**64, 0.0)).astype(np.uint64)
    up = noise > 0
    total = np.where(up, unsigned + magnitude, unsigned - magnitude)
    beyond = np.where(up, total < unsigned, total > unsigned) | (np.abs(noise) >= 2.0**64)
    if beyond.any():
        total[beyond] = np.where(up[beyond], np.uint64(2**64 - 1), np.uint64(0))
    return (total ^ top).view(np.int64) if signed else total, beyond


def _add_exact(
    values: NDArray[Any], noise: NDArray[np.float64], limits: tuple[int, int]
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Add whole float64 noise to integers within `limits`, in Python's integers where need be."""
    low, high = limits
    if values.dtype != object:
        total, wrapped = _add_wide(values, noise)
        beyond = (total < low) | (total > high)
        if wrapped is not None:
            beyond |= wrapped
        return np.clip(total, low, high), beyond
    exact = [
        int(value) + (int(change) if np.isfinite(change) else (high if change > 0 else low) * 2)
        for value, change in zip(values, noise, strict=True)
    ]
    out = np.empty(len(exact), object)
    out[:] = [min(max(value, low), high) for value in exact]
    return out, np.fromiter((not low <= value <= high for value in exact), bool, len(exact))


def _wide_difference(after: NDArray[Any], before: NDArray[Any]) -> NDArray[np.float64]:
    if after.dtype == object:
        pairs = zip(after, before, strict=True)
        return np.fromiter((float(int(a) - int(b)) for a, b in pairs), np.float64, len(after))
    rise = after >= before
    gap = np.where(
        rise,
        after.view(np.uint64) - before.view(np.uint64),
        before.view(np.uint64) - after.view(np.uint64),
    ).astype(np.float64)
    return np.where(rise, gap, -gap)


@dataclass(frozen=True)
class Field:
    """One thing that can get noise: a column, a dataset, an array.

    Attributes:
        name: Its name, which also names its random stream.
        kind: What it holds.
        type_name: Its type as its format calls it, for listings.
        number: Its number type; None for a field that cannot hold numbers.
        table: Which rows or elements it shares: fields of one table are as long as each other.
        aliases: Other names that choose it.
    """

    name: str
    kind: Kind
    type_name: str
    number: NumberType | None = None
    table: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """The values of one field at some positions.

    Attributes:
        field: Whose values these are.
        number: The number type of `values`. A field may come as two columns over the same
            positions when a text format mixes whole numbers and others in it.
        positions: Where they stand in the field.
        values: Shape (n,), `number.dtype`; whatever stands where `valid` is False means nothing.
        valid: Shape (n,), which elements are there and are numbers; None: all.
        nulls: How many elements are null.
        strangers: How many elements are not numbers though the field was chosen.
        decimals: Shape (n,), the digits after the point of each element's text; -1: unknown.
    """

    field: Field
    number: NumberType
    positions: Positions
    values: NDArray[Any]
    valid: NDArray[np.bool_] | None = None
    nulls: int = 0
    strangers: int = 0
    decimals: NDArray[Any] | None = None


@dataclass(frozen=True)
class Chunk:
    """The decoded fields of some rows of one table, or of some elements of one array.

    Attributes:
        columns: The fields asked for.
        layout: Whatever the format needs to put them back; nobody else looks at it.
    """

    columns: tuple[Column, ...]
    layout: Any = field(default=None, compare=False)

    def by_field(self) -> dict[str, list[Column]]:
        """Return the columns of each field, by its name."""
        fields: dict[str, list[Column]] = {}
        for column in self.columns:
            fields.setdefault(column.field.name, []).append(column)
        return fields


def merged_floats(
    columns: Sequence[Column],
) -> tuple[Positions, NDArray[Any], NDArray[np.bool_] | None]:
    """Return one field's values as float64 (complex128), and which are there and finite.

    Args:
        columns: The field's columns, over the same positions, at most one valid at each.
    """
    first = columns[0]
    values = first.number.to_float(first.values)
    valid = first.valid
    for column in columns[1:]:
        there = np.ones(len(values), bool) if column.valid is None else column.valid
        values = np.where(there, column.number.to_float(column.values), values)
        valid = there if valid is None else valid | there
    if first.number.kind in {"float", "complex"} or len(columns) > 1:
        finite = np.isfinite(values)
        if not finite.all():
            valid = finite if valid is None else valid & finite
    return first.positions, values, valid


def boxes(
    shape: Sequence[int], limit: int, unit: Sequence[int] | None = None
) -> Iterator[tuple[slice, ...]]:
    """Cut an array into boxes of about `limit` elements, whole in the trailing axes if possible.

    Args:
        shape: The array's shape.
        limit: The elements a box should hold at most; one unit may hold more.
        unit: The shape of the pieces that are never cut (a chunk of storage); default: one element.

    Yields:
        One slice an axis; together they cover the array once, in C order of their first corners.
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
    yield from _boxes(tuple(shape), tuple(steps))


def _boxes(shape: tuple[int, ...], steps: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    if not shape:
        yield ()
        return
    for start in range(0, shape[0], steps[0]):
        head = slice(start, min(start + steps[0], shape[0]))
        for tail in _boxes(shape[1:], steps[1:]):
            yield (head, *tail)

"""The values of one field in consecutive rows, in a form that two formats share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.chunk import merged_floats
from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from noisify.core.chunk import Column
    from noisify.core.dtypes import NumberType

LABELS = frozenset({"text", "bool"})
"""Kinds of values without arithmetic."""


@frozen(slots=True)
class Cells:
    """Some values of a field.

    Attributes:
        number: Their number type, or None for values of several types, given as floats.
        raw: Shape (n,), the values in that type.
        floats: Shape (n,), the values as float64 (complex128); NaN for texts.
        there: Shape (n,), mask of the values that are not null.
        valid: Shape (n,), mask of the values that are not null and finite.
    """

    number: NumberType | None
    raw: NDArray[Any]
    floats: NDArray[Any]
    there: NDArray[np.bool_]
    valid: NDArray[np.bool_]

    @classmethod
    def of(cls, columns: Sequence[Column]) -> Cells:
        """Return the values of one field's columns over the same positions."""
        first = columns[0]
        length = len(first.values)
        if first.number.kind in LABELS:
            there = _mask(first.valid, length)
            return cls(first.number, first.values, np.full(length, np.nan), there, there)
        _, floats, valid = merged_floats(columns)
        there = np.zeros(length, bool)
        for column in columns:
            there |= _mask(column.valid, length)
        if len(columns) == 1:
            return cls(first.number, first.values, floats, there, _mask(valid, length))
        return cls(None, floats, floats, there, _mask(valid, length))

    @classmethod
    def joined(cls, parts: Sequence[Cells]) -> Cells:
        """Return several pieces as one."""
        if len(parts) == 1:
            return parts[0]
        number = parts[0].number
        if any(part.number != number for part in parts):
            number = None
        return cls(
            number,
            np.concatenate([part.floats if number is None else part.raw for part in parts]),
            np.concatenate([part.floats for part in parts]),
            np.concatenate([part.there for part in parts]),
            np.concatenate([part.valid for part in parts]),
        )

    def __len__(self) -> int:
        """Return the number of values."""
        return len(self.there)

    def __getitem__(self, which: slice | NDArray[Any]) -> Cells:
        """Return some of the values, by a slice, a mask or indices."""
        return Cells(
            self.number,
            self.raw[which],
            self.floats[which],
            self.there[which],
            self.valid[which],
        )

    @property
    def is_label(self) -> bool:
        """Whether these are texts or truth values, which have no arithmetic."""
        return self.number is not None and self.number.kind in LABELS

    def texts(self) -> NDArray[Any]:
        """Return the values as Python texts, shape (n,); `null` for missing values."""
        out = np.empty(len(self), object)
        out[:] = [str(value) for value in self.raw.tolist()]
        out[~self.there] = "null"
        return out

    def words(self) -> NDArray[np.uint64]:
        """Return a 64-bit word for each value: equal for equal values of one type.

        Numbers of up to 64 bits have words of their own; texts, complex numbers and long decimals
        share one with a chance of 2**-64.
        """
        raw = np.ascontiguousarray(self.raw)
        if raw.dtype == object:
            hashes = np.fromiter(map(hash, raw.tolist()), np.int64, len(raw))
            return np.where(self.there, hashes.view(np.uint64), np.uint64(0))
        width = raw.dtype.itemsize
        if width <= np.dtype(np.uint64).itemsize:
            words = raw.view(f"u{width}").astype(np.uint64)
        else:
            halves = raw.view(np.uint8).reshape(len(raw), width)
            hashes = np.fromiter((hash(bytes(one)) for one in halves), np.int64, len(raw))
            words = hashes.view(np.uint64)
        return np.where(self.there, words, np.uint64(0))


def same_bits(before: Cells, after: Cells) -> NDArray[np.bool_]:
    """Return which values are of one type and the same, bit for bit, shape (n,)."""
    if before.number is None or before.number != after.number:
        return np.zeros(len(before), bool)
    alike = before.there == after.there
    if before.raw.dtype == object:
        return np.asarray(alike & (np.asarray(before.raw == after.raw, bool) | ~before.there))
    return np.asarray(alike & (before.words() == after.words()))


def same(before: Cells, after: Cells) -> NDArray[np.bool_]:
    """Return which values are the same in both, shape (n,), whatever their types.

    Values of one type are compared bit for bit, but null and NaN count as the same, since some
    formats have no null.
    """
    alike = same_bits(before, after)
    if alike.all() or before.is_label:
        return alike
    missing = ~before.valid & ~after.valid
    missing &= (~before.there | np.isnan(before.floats)) & (~after.there | np.isnan(after.floats))
    if before.number is not None and before.number == after.number:
        return alike | missing
    return np.asarray(missing | (before.there & after.there & (before.floats == after.floats)))


def change(before: Cells, after: Cells) -> NDArray[Any]:
    """Return after - before as float64 (complex128), exact for integers of one type."""
    number = before.number
    if number is not None and number == after.number:
        return number.difference(after.raw, before.raw)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(after.floats - before.floats)


def _mask(mask: NDArray[np.bool_] | None, length: int) -> NDArray[np.bool_]:
    return np.ones(length, bool) if mask is None else np.asarray(mask, bool)

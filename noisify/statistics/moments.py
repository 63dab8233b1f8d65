"""Moments of whole fields, independent to the bit of how the data are cut into chunks.

Floating-point sums depend on their order, so they are taken over whole noise blocks and merged in
block order. Values whose squares overflow or underflow are scaled by a power of two first.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from noisify.core.chunk import BLOCK
from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noisify.core.chunk import Positions

SAFE_EXPONENT = 400
"""The squares of values from 2**-400 to 2**400 can be summed in float64; others are scaled."""
EXPONENT_OF_ZERO = -20_000
"""The exponent of all-zero values: below that of any other value, even a longdouble."""
_LEAST, _MOST, _LARGEST_MEAN = 2.0**-900, 2.0**900, 2.0**450
_NARROW = 2.0**-52
"""The mean's rounding affects a variance below this share of the squared mean."""


@frozen(slots=True)
class Moments:
    """Count, mean and sum of squared deviations of values.

    Merged by Chan, Golub and LeVeque (1979), "Updating formulae and a pairwise algorithm for
    computing sample variances". For complex values, deviations are squared moduli.

    Attributes:
        count: Number of values.
        centre: Their mean, rounded, in units of 2**exponent.
        deviations: The sum of their squared deviations, in units of 4**exponent.
        low: The exact mean minus `centre`; 0 unless it affects the deviations.
        exponent: 0 unless the values' squares overflow or underflow.
    """

    count: int = 0
    centre: complex = 0.0
    deviations: float = 0.0
    low: complex = 0.0
    exponent: int = EXPONENT_OF_ZERO

    @classmethod
    def of(cls, values: NDArray[Any]) -> Moments:
        """Return the moments of values, shape (n,), float64 or complex128."""
        if not len(values):
            return cls()
        if values[0] == values[-1] and (values == values[0]).all():
            exponent = _exponent(values[:1])
            return cls(
                len(values), _plain(_times_power(values[:1], -exponent)[0]), 0.0, 0.0, exponent
            )
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            found = cls._at_exponent(values, 0)
            if _LEAST <= found.deviations <= _MOST and abs(found.centre) <= _LARGEST_MEAN:
                return found
            exponent = _exponent(values)
            return cls._at_exponent(_times_power(values, -exponent), exponent)

    @classmethod
    def _at_exponent(cls, values: NDArray[Any], exponent: int) -> Moments:
        """Return the moments of values in units of 2**exponent."""
        count = len(values)
        mean = values.sum() / count
        centred = values - mean
        if values.dtype.kind == "c":
            squares = centred.real * centred.real + centred.imag * centred.imag
        else:
            squares = centred * centred
        centre, deviations = _plain(mean), float(squares.sum())
        if not _is_narrow(count, centre, deviations):
            return cls(count, centre, deviations, 0.0, exponent)
        low = _plain(centred.sum() / count)
        return cls(count, centre, max(0.0, deviations - count * _square(low)), low, exponent)

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of both sets of values together."""
        if not self.count or not other.count:
            return self if self.count else other
        exponent = max(self.exponent, other.exponent)
        one, two = self._in_units(exponent), other._in_units(exponent)
        count = self.count + other.count
        step = two.centre - one.centre
        if one.low or two.low:
            step += two.low - one.low
        share = other.count / count
        move = step * share
        centre = one.centre + move
        deviations = one.deviations + two.deviations + _square(step) * self.count * share
        narrow = _is_narrow(count, centre, deviations)
        low = one.low + (move - (centre - one.centre)) if narrow else 0.0
        return Moments(count, centre, deviations, low, exponent)

    def _in_units(self, exponent: int) -> Moments:
        """Return the same moments in units of a larger power of two."""
        shift = self.exponent - exponent
        if not shift:
            return self
        centre, low = _shifted(self.centre, shift), _shifted(self.low, shift)
        deviations = math.ldexp(self.deviations, 2 * shift)
        return Moments(self.count, centre, deviations, low, exponent)

    @property
    def mean(self) -> complex:
        """The mean; 0 without values."""
        return _shifted(self.centre, self.exponent)

    @property
    def variance(self) -> float:
        """The variance, dividing by the count; NaN without values; infinite beyond float64."""
        return _ldexp(self._variance, 2 * self.exponent)

    @property
    def _variance(self) -> float:
        return self.deviations / self.count if self.count else math.nan

    @property
    def sd(self) -> float:
        """The standard deviation, dividing by the count; NaN without values."""
        sd = _ldexp(math.sqrt(self._variance), self.exponent) if self.count else math.nan
        rounded_up = sd == math.inf and self.exponent <= sys.float_info.max_exp
        return sys.float_info.max if rounded_up else sd

    @property
    def scaled_power(self) -> float:
        """The mean square (mean not removed) in units of 4**exponent; NaN without values."""
        return _square(self.centre) + self._variance

    @property
    def power(self) -> float:
        """The mean square (mean not removed); NaN without values; infinite beyond float64."""
        return _ldexp(self.scaled_power, 2 * self.exponent)


def _plain(value: np.number[Any]) -> complex:
    """Return a NumPy scalar as a Python float, which JSON supports, or complex."""
    return complex(value) if np.iscomplexobj(value) else float(value)


def _is_narrow(count: int, mean: complex, deviations: float) -> bool:
    return deviations < count * _square(mean) * _NARROW


def _exponent(values: NDArray[Any]) -> int:
    """Return the exponent to scale values by: 0 if their squares can be summed."""
    largest = np.abs(values.real).max()
    if values.dtype.kind == "c":
        largest = max(largest, np.abs(values.imag).max())
    if not largest:
        return EXPONENT_OF_ZERO
    exponent = int(np.frexp(largest)[1])
    return 0 if abs(exponent) <= SAFE_EXPONENT else exponent


def _times_power(values: NDArray[Any], exponent: int) -> NDArray[Any]:
    """Return values * 2**exponent."""
    if not exponent:
        return values
    if values.dtype.kind != "c":
        return np.asarray(np.ldexp(values, exponent))
    scaled = np.empty_like(values)
    scaled.real, scaled.imag = np.ldexp(values.real, exponent), np.ldexp(values.imag, exponent)
    return scaled


def _shifted(value: complex, exponent: int) -> complex:
    """Return value * 2**exponent; infinite where that overflows."""
    if isinstance(value, complex):
        return complex(_ldexp(value.real, exponent), _ldexp(value.imag, exponent))
    return _ldexp(value, exponent)


def _ldexp(value: float, exponent: int) -> float:
    try:
        return math.ldexp(value, exponent)
    except OverflowError:
        return math.copysign(math.inf, value)


@frozen(slots=True)
class JointMoments:
    """Count, means and comoments of several fields, merged like `Moments`.

    Attributes:
        count: Rows in which every field has a value.
        mean: Shape (k,), in units of 2**exponents.
        comoments: Shape (k, k), sums of products of deviations, in the same units.
        exponents: Shape (k,); 0 unless a field's squares overflow or underflow.
    """

    count: int
    mean: NDArray[np.float64]
    comoments: NDArray[np.float64]
    exponents: NDArray[np.int64]

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> JointMoments:
        """Return the moments of rows, shape (n, k)."""
        width = values.shape[1]
        if not len(values):
            lowest = np.full(width, EXPONENT_OF_ZERO)
            return cls(0, np.zeros(width), np.zeros((width, width)), lowest)
        exponents = np.array([_exponent(one) for one in values.T], np.int64)
        if exponents.any():
            values = np.ldexp(values, -exponents)
        mean = np.where((values == values[0]).all(axis=0), values[0], values.mean(axis=0))
        centred = values - mean
        products = [[(one * other).sum() for other in centred.T] for one in centred.T]
        return cls(len(values), mean, np.array(products), exponents)

    def __add__(self, other: JointMoments) -> JointMoments:
        """Return the moments of both sets of rows together."""
        if not self.count or not other.count:
            return self if self.count else other
        exponents = np.maximum(self.exponents, other.exponents)
        one, two = self._in_units(exponents), other._in_units(exponents)
        count = self.count + other.count
        step = two.mean - one.mean
        share = other.count / count
        return JointMoments(
            count,
            one.mean + step * share,
            one.comoments + two.comoments + np.outer(step, step) * (self.count * share),
            exponents,
        )

    def _in_units(self, exponents: NDArray[np.int64]) -> JointMoments:
        """Return the same moments in units of larger powers of two."""
        shift = self.exponents - exponents
        if not shift.any():
            return self
        comoments = np.ldexp(self.comoments, np.add.outer(shift, shift))
        return JointMoments(self.count, np.ldexp(self.mean, shift), comoments, exponents)

    @property
    def covariance(self) -> NDArray[np.float64]:
        """The covariance matrix, dividing by the count, shape (k, k); infinite beyond float64."""
        with np.errstate(over="ignore", under="ignore"):
            scale = np.add.outer(self.exponents, self.exponents)
            return np.asarray(np.ldexp(self.comoments / max(1, self.count), scale))


def _square(value: complex) -> float:
    """Return |value| squared; infinity where that overflows."""
    return value.real * value.real + value.imag * value.imag


@frozen(slots=True)
class BlockPieces:
    """The values of one chunk, cut at the borders of noise blocks by a worker.

    Attributes:
        whole: Moments of the blocks that lie entirely in the chunk.
        parts: (block, elements covered, values) of the other blocks.
    """

    whole: list[tuple[int, Moments | JointMoments]]
    parts: list[tuple[int, slice | NDArray[np.int64], NDArray[Any]]]

    @classmethod
    def cut(
        cls, positions: Positions, values: NDArray[Any], valid: NDArray[np.bool_] | None
    ) -> BlockPieces:
        """Cut values at positions into blocks, leaving out invalid ones."""
        whole, parts = [], []
        for block, inside, here in positions.by_block():
            piece = values[here]
            kept = None if valid is None else valid[here]
            if len(piece) == BLOCK:
                whole.append((block, moments_of(piece if kept is None else piece[kept])))
                continue
            masked = piece.copy()
            if kept is not None:
                masked[~kept] = np.nan
            parts.append((block, inside, masked))
        return cls(whole, parts)


@dataclass
class BlockMoments:
    """Moments of a field, merged in block order whatever the order of arrival."""

    merged: Any = field(default_factory=Moments)
    next_block: int = 0
    waiting: dict[int, Any] = field(default_factory=dict)
    partial: dict[int, tuple[int, NDArray[Any]]] = field(default_factory=dict)

    def __iadd__(self, pieces: BlockPieces) -> Self:
        """Add the pieces of one chunk."""
        self.waiting.update(pieces.whole)
        for block, where, values in pieces.parts:
            seen, buffer = self.partial.pop(block, (0, values[:0]))
            buffer = _with_room(buffer, where)
            buffer[where] = values
            if seen + len(values) == BLOCK:
                self.waiting[block] = _moments_of_block(buffer)
            else:
                self.partial[block] = (seen + len(values), buffer)
        while self.next_block in self.waiting:
            self.merged += self.waiting.pop(self.next_block)
            self.next_block += 1
        return self

    def total(self) -> Any:  # noqa: ANN401 - Moments or JointMoments, as they were added
        """Return the moments of everything added, the last partial block included."""
        rest = dict(self.waiting)
        rest.update({block: _moments_of_block(part) for block, (_, part) in self.partial.items()})
        total = self.merged
        for block in sorted(rest):
            total += rest[block]
        return total


def moments_of(values: NDArray[Any]) -> Moments | JointMoments:
    """Return the moments of values, shape (n,), or of rows of several fields, shape (n, k)."""
    return Moments.of(values) if values.ndim == 1 else JointMoments.of(values)


def _with_room(buffer: NDArray[Any], where: slice | NDArray[np.int64]) -> NDArray[Any]:
    """Grow the buffer of a block's start until it holds the elements `where`."""
    stop = where.stop if isinstance(where, slice) else int(where.max()) + 1
    if stop <= len(buffer):
        return buffer
    size = min(BLOCK, max(stop, 2 * len(buffer)))
    longer = np.full((size, *buffer.shape[1:]), np.nan, buffer.dtype)
    longer[: len(buffer)] = buffer
    return longer


def _moments_of_block(buffer: NDArray[Any]) -> Moments | JointMoments:
    missing = np.isnan(buffer)
    if buffer.ndim > 1:
        missing = missing.any(axis=1)
    return moments_of(buffer[~missing] if missing.any() else buffer)

"""Noise on the columns of one chunk, by a plan; runs in a worker."""

from __future__ import annotations

import math
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.chunks import merged_floats
from noisify.errors import UsageError
from noisify.formats.interface import NoisyColumn
from noisify.noise.interface import Draw
from noisify.random_streams import BlockVariates, SequentialVariates
from noisify.report import Tally
from noisify.statistics import BlockPieces

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from noisify.chunks import Chunk, Column, Positions
    from noisify.plan import Plan, Step
    from noisify.random_streams import NumpyGenerator, Variates
    from noisify.where import Condition


NO_CONDITIONS: Mapping[Condition, NDArray[np.bool_]] = MappingProxyType({})


class Noiser:
    """Applies a plan to chunks.

    Args:
        plan: What to do.
        generators: For a compatibility stream, each step's own generator.
        measure: Whether tallies hold what noise did, beyond counts.
    """

    def __init__(
        self, plan: Plan, generators: Mapping[Step, NumpyGenerator], *, measure: bool
    ) -> None:
        self._plan = plan
        self._steps = plan.steps_by_field()
        self._generators = generators
        self._reached = dict.fromkeys(generators, 0)
        self._measure = measure

    def apply(
        self, chunk: Chunk, rows: Mapping[Condition, NDArray[np.bool_]] = NO_CONDITIONS
    ) -> tuple[list[NoisyColumn], dict[str, Tally]]:
        """Return the chunk's noisy columns and, by field, what noise did to them.

        Args:
            chunk: Decoded fields.
            rows: For each condition of the plan, the rows for which it is true.
        """
        columns = chunk.by_field()
        companions = {
            name: merged_floats(columns[name])[1:]
            for steps in self._steps.values()
            for step in steps
            for name in step.companions()
            if name in columns
        }
        noisy: list[NoisyColumn] = []
        tallies: dict[str, Tally] = {}
        for name, steps in self._steps.items():
            for column in columns.get(name, ()):
                result, tally = self._noise(column, steps, companions, rows)
                noisy.append(result)
                tallies[name] = tallies.get(name, Tally()) + tally
            if self._measure and name in columns:
                tallies[name] += _measured(noisy[-len(columns[name]) :])
        return noisy, tallies

    def _noise(
        self,
        column: Column,
        steps: tuple[Step, ...],
        companions: Mapping[str, tuple[NDArray[Any], NDArray[np.bool_] | None]],
        rows: Mapping[Condition, NDArray[np.bool_]],
    ) -> tuple[NoisyColumn, Tally]:
        """Return one column after its steps; what is null or not finite stays as it was."""
        usable = _both(column.valid, column.number.finite(column.values))
        for name in sorted({name for step in steps for name in step.companions()}):
            usable = _both(usable, companions[name][1])
        before = column.values
        if usable is not None:
            before = np.where(usable, before, before.dtype.type(0) if before.dtype != object else 0)
        values = before
        clipped = saturated = 0
        amounts = {name: np.nan_to_num(floats) for name, (floats, _) in companions.items()}
        for step in steps:
            variates = self._variates(step, column.positions)
            draw = Draw(variates, column.number, amounts)
            after = step.model.apply(values, draw)
            hit = usable if step.where is None else _both(usable, rows[step.where])
            if step.where is not None:
                after = np.where(rows[step.where], after, values)
            if draw.saturated is not None:
                saturated += _count(draw.saturated, hit)
            if step.clip is not None:
                after, beyond = _clip(column, values, after, step.clip)
                clipped += _count(beyond, hit)
            values = after
        decimals = self._decimals(column)
        if decimals is not None:
            values = _rounded(column, before, values, decimals, steps[-1].clip)
        changed = values != before
        if usable is not None:
            changed &= usable
        if not changed.all():
            values = np.where(changed, values, column.values)
        tally = Tally(
            elements=column.positions.size,
            nulls=column.nulls + _nonfinite(column),
            strangers=column.strangers,
            changed=int(np.count_nonzero(changed)),
            clipped=clipped,
            saturated=saturated,
        )
        return NoisyColumn(column, values, changed, decimals), tally

    def _variates(self, step: Step, positions: Positions) -> Variates:
        if not self._generators:
            return BlockVariates(step.stream, positions)
        if not positions.follows(self._reached[step]):
            raise UsageError(
                f"--rng {self._plan.rng} draws in file order, and this array is not stored in it; "
                "use --rng noisify",
                field=step.field.name,
            )
        self._reached[step] += positions.size
        return SequentialVariates(self._generators[step], positions)

    def _decimals(self, column: Column) -> int | NDArray[Any] | None:
        if self._plan.decimals == "keep":
            return column.decimals
        return self._plan.decimals


def _clip(
    column: Column, before: NDArray[Any], after: NDArray[Any], clip: tuple[float, float]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Bound what noise changed, and say what was beyond the bounds."""
    low, high = column.number.bounds(*clip)
    beyond = (after != before) & ((after < low) | (after > high))
    if not beyond.any():
        return after, beyond
    return np.where(beyond, np.clip(after, low, high), after), beyond


def _rounded(
    column: Column,
    before: NDArray[Any],
    after: NDArray[Any],
    decimals: int | NDArray[Any],
    clip: tuple[float, float] | None,
) -> NDArray[Any]:
    """Round what noise changed, never past its bounds."""
    rounded = column.number.round(after, decimals)
    if clip is not None and column.number.kind == "float":
        digits = np.broadcast_to(decimals, after.shape)
        for count in np.unique(digits[digits >= 0]).tolist():
            low, high = _coarse_bounds(clip, count)
            here = digits == count
            rounded[here] = np.clip(rounded[here], low, high)
    return np.where(after != before, rounded, before)


def _coarse_bounds(clip: tuple[float, float], decimals: int) -> tuple[float, float]:
    """Return bounds rounded inwards to so many decimals; as they are if none lies between."""
    unit = 10**decimals
    low, high = clip
    if math.isfinite(low):
        low = float(Fraction(math.ceil(Fraction(repr(low)) * unit), unit))
    if math.isfinite(high):
        high = float(Fraction(math.floor(Fraction(repr(high)) * unit), unit))
    return (low, high) if low <= high else clip


def _both(
    one: NDArray[np.bool_] | None, other: NDArray[np.bool_] | None
) -> NDArray[np.bool_] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _count(which: NDArray[np.bool_], among: NDArray[np.bool_] | None) -> int:
    return int(np.count_nonzero(which if among is None else which & among))


def _nonfinite(column: Column) -> int:
    finite = column.number.finite(column.values)
    return 0 if finite is None else _count(~finite, column.valid)


def _measured(noisy: list[NoisyColumn]) -> Tally:
    """Return the moments of one field's values and of their change, over all its columns."""
    positions, values, usable = merged_floats([result.column for result in noisy])
    change = np.zeros_like(values)
    for result in noisy:
        difference = result.column.number.difference(result.values, result.column.values)
        change = np.where(result.changed, difference, change)
    return Tally(
        signal=BlockPieces.cut(positions, values, usable),
        change=BlockPieces.cut(positions, change, usable),
    )

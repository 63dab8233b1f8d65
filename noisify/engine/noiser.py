"""Noise on the columns of one chunk, by a plan; runs in a worker."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import groupby, repeat
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from noisify.core.chunk import Column, merged_floats
from noisify.core.dtypes import NumberType
from noisify.core.errors import UsageError
from noisify.core.value_class import frozen
from noisify.engine.counts import Tally
from noisify.engine.storable import storable
from noisify.formats.interface import NoisyColumn
from noisify.noise.model import NoiseContext
from noisify.streams.streams import BlockVariates, JoinedVariates, SequentialVariates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from noisify.core.chunk import Chunk, Positions
    from noisify.noise.rows import RowModel
    from noisify.plan.condition import Condition
    from noisify.plan.plan import Plan, Step
    from noisify.streams.streams import NumpyGenerator, Variates

    _Values = tuple[NDArray[Any], NDArray[np.bool_] | None]
    """Values, and which of them are usable; None: all."""


_TOGETHER = 1 << 16
"""Elements that are worked on together, of fields that get the same noise."""

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
        self._noised = {field.name for field in plan.noised}
        self._streams = {field.name: field.stream or field.name for field in plan.fields}
        self._specs = [
            _SpecSteps.of(steps) for _, steps in groupby(plan.field_steps, lambda step: step.spec)
        ]
        self._companions = {name for step in plan.field_steps for name in step.companions()}
        self._alike = {} if generators or plan.decimals is not None else _alike(plan.field_steps)
        self._generators = generators
        self._reached = dict.fromkeys(generators, 0)
        self._measure = measure

    def apply(
        self,
        chunk: Chunk,
        rows: Mapping[Condition, NDArray[np.bool_]] = NO_CONDITIONS,
        wanted: Chunk | None = None,
    ) -> tuple[list[NoisyColumn], dict[str, Tally]]:
        """Return the chunk's noisy columns and, by field, what noise did to them.

        Args:
            chunk: Decoded fields.
            rows: For each condition of the plan, the rows for which it is true.
            wanted: The part of `chunk` whose noise is wanted, where models reach beyond it; None:
                all of it.
        """
        columns = chunk.by_field()
        whole = wanted is None or wanted is chunk
        states = self._states(columns, together=whole)
        companions = {
            name: _Companion(found) for name, found in columns.items() if name in self._companions
        }
        for steps in self._specs:
            others = _Others(companions, _as_they_stand(states) if steps.joint else {})
            for name in min(states, steps.by_field, key=len):  # never all of both
                if name in states and name in steps.by_field:
                    for at, state in enumerate(states[name]):
                        self._step(steps.by_field, state, others, at, rows)
        inner = columns if wanted is None or whole else wanted.by_field()
        noisy: list[NoisyColumn] = []
        tallies: dict[str, Tally] = {}
        for name, found in states.items():
            for at, state in enumerate(found):
                lone = len(state.columns) == 1
                for result, tally in self._results(
                    state, [inner[name][at]] if lone else state.columns
                ):
                    noisy.append(result)
                    own = result.column.field.name
                    tallies[own] = tallies[own] + tally if own in tallies else tally
        order = {name: at for at, name in enumerate(columns)}
        noisy.sort(key=lambda result: order[result.column.field.name])
        if self._measure:
            for name, results in groupby(noisy, lambda result: result.column.field.name):
                tallies[name] += _measured(list(results))
        return noisy, tallies

    def _states(
        self, columns: Mapping[str, list[Column]], *, together: bool
    ) -> dict[str, list[_State]]:
        """Return what gets noise, before its first step, by the name of the (first) field.

        Args:
            columns: The decoded columns of each field.
            together: Whether fields that get the same noise may be put together.
        """
        states: dict[str, list[_State]] = {}
        groups: dict[tuple[int, ...], list[Column]] = {}
        for name, found in columns.items():
            first = found[0]
            if together and len(found) == 1 and name in self._alike:
                shared = (self._alike[name], id(first.number), id(first.positions))
                groups.setdefault(shared, []).append(first)
            elif name in self._noised:
                states[name] = [_State.of([column]) for column in found]
        for group in groups.values():
            most = max(1, _TOGETHER // max(1, group[0].positions.size))
            for start in range(0, len(group), most):
                states[group[start].field.name] = [_State.of(group[start : start + most])]
        return states

    def copies(
        self, rows: Positions, conditions: Mapping[Condition, NDArray[np.bool_]]
    ) -> NDArray[np.int64]:
        """Return how many times each row comes out, shape (n,)."""
        copies = np.ones(rows.size, np.int64)
        for step in self._plan.row_steps:
            context = NoiseContext(self._variates(step, rows), ROW)
            found = cast("RowModel", step.model).copies(context)
            if step.where is not None:
                found = np.where(conditions[step.where], found, 1)
            copies *= found
        return copies

    def _step(
        self,
        by_field: Mapping[str, _Asking],
        state: _State,
        others: _Others,
        at: int,
        rows: Mapping[Condition, NDArray[np.bool_]],
    ) -> None:
        """Do one spec's step on one column, that of number `at` of its field, or on several."""
        asking = by_field[state.column.field.name]
        step, usable = asking.step, state.usable
        floats: dict[str, NDArray[np.float64]] = {}
        for name in asking.numbers:
            values, there = others.companions[name].floats
            if name in asking.levels:
                usable = _both(usable, there)
                floats[name] = np.nan_to_num(values)
            else:
                floats[name] = values if there is None else np.where(there, values, np.nan)
        hit = usable if step.where is None else _both(usable, rows[step.where])
        positions = state.column.positions
        if len(state.columns) == 1:
            variates = self._variates(step, positions)
        else:
            names = [by_field[column.field.name].step.stream for column in state.columns]
            variates = JoinedVariates(names, positions)
        number = state.column.number
        context = NoiseContext(
            variates,
            replace(number, truncates=True) if step.truncate else number,
            floats,
            usable=hit if step.model.halo else usable,
            others=lambda name: self._others_variates(step, name, positions),
            columns=others.values(step, at) if step.model.multi_field else {},
            keys={name: others.companions[name].keys for name in asking.keys},
        )
        values = state.values
        after = step.model.apply(values, context)
        if hit is not None:
            after = np.where(hit, after, values)
        if step.where is not None and hit is not None:
            state.met = _either(state.met, hit)
        if context.saturated is not None:
            state.saturated = _either(state.saturated, _among(context.saturated, hit))
        if step.clip is not None:
            after, beyond = _clip(state.column, values, after, step.clip)
            if beyond is not None:
                state.clipped = _either(state.clipped, _among(beyond, hit))
        if context.erased is not None:
            state.erased = _either(state.erased, _among(context.erased, hit))
            state.usable = _both(state.usable, ~state.erased)
        state.values = after
        state.clip = step.clip

    def _results(
        self, state: _State, columns: Sequence[Column]
    ) -> Iterator[tuple[NoisyColumn, Tally]]:
        """Yield what became of each column, or of the part of a lone one that is wanted."""
        column = columns[0]
        if column.positions.size * len(columns) != len(state.values):
            state = state.part(column)
        noisy, before, erased = state.values, state.before, state.erased
        decimals = self._decimals(column)
        if decimals is not None:
            noisy = _rounded(column, before, noisy, decimals, state.clip)
        noisy, beyond = storable(column, before, noisy, state.clip, decimals)
        if beyond is not None:
            state.saturated = _either(state.saturated, _among(beyond, state.there))
        all_changed = noisy != before
        if state.there is not None:
            all_changed &= state.there
        if erased is not None:
            all_changed |= erased
        alike = state.there is None and noisy.dtype.kind in "iu"  # equal ones have equal bytes
        states = (state.nonfinite, erased, state.clipped, state.saturated, state.met)
        rows = [_each(which, len(columns)) for which in (noisy, all_changed, *states)]
        for column, values, changed, nonfinite, gone, clipped, saturated, met in zip(
            columns, *rows, strict=True
        ):
            tally = Tally(
                elements=column.positions.size,
                nulls=column.nulls + _count(nonfinite),
                strangers=column.strangers,
                stranger=column.stranger,
                met=_count(met),
                changed=_count(changed),
                erased=_count(gone),
                clipped=_count(clipped),
                saturated=_count(saturated),
            )
            complete = tally.changed == tally.elements or alike
            after = values if complete else np.where(changed, values, column.values)
            yield (
                NoisyColumn(column, after, changed, decimals, gone if tally.erased else None),
                tally,
            )

    def _others_variates(self, step: Step, name: str, positions: Positions) -> Variates:
        """Return the variates of the same model's stream of another field."""
        return BlockVariates(replace(step.stream, field=self._streams.get(name, name)), positions)

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


ROW = NumberType("bool", np.dtype(bool))
"""What a model of whole rows works on has no values."""


@dataclass
class _State:
    """One column on its way through the steps, or several that get the same noise, end to end.

    Attributes:
        columns: As they were decoded.
        before: The values, with placeholders where it is null, strange or not finite.
        values: Its values so far.
        there: Which elements were usable at the start; None: all.
        usable: Which still are.
        nonfinite: Which are there and are not finite; None, here and below: none.
        erased: Which have been made null.
        clipped: Which a step has kept within its bounds.
        saturated: Which have come to the end of their type's range.
        met: Which have met the condition of a step.
        clip: The last step's bounds.
    """

    columns: list[Column]
    before: NDArray[Any]
    values: NDArray[Any]
    there: NDArray[np.bool_] | None
    usable: NDArray[np.bool_] | None
    nonfinite: NDArray[np.bool_] | None
    erased: NDArray[np.bool_] | None = None
    clipped: NDArray[np.bool_] | None = None
    saturated: NDArray[np.bool_] | None = None
    met: NDArray[np.bool_] | None = None
    clip: tuple[float, float] | None = None

    @classmethod
    def of(cls, columns: list[Column]) -> _State:
        """Return columns of one number type, over the same positions, before their first step."""
        column = columns[0] if len(columns) == 1 else _end_to_end(columns)
        finite = column.number.finite(column.values)
        nonfinite = None if finite is None else _among(~finite, column.valid)
        usable = _both(column.valid, finite)
        before = column.values
        if usable is not None:
            nothing = "" if column.number.kind == "text" else 0
            placeholder = nothing if before.dtype == object else before.dtype.type(0)
            before = np.where(usable, before, placeholder)
        return cls(columns, before, before, usable, usable, nonfinite)

    @property
    def column(self) -> Column:
        """The first column."""
        return self.columns[0]

    def part(self, column: Column) -> _State:
        """Return the state of a part of the column."""
        lead = int(column.positions.starts[0]) - int(self.column.positions.starts[0])
        here = slice(lead, lead + column.positions.size)
        arrays: dict[str, Any] = {
            name: value[here] for name, value in vars(self).items() if isinstance(value, np.ndarray)
        }
        return replace(self, columns=[column], **arrays)


@frozen
class _Asking:
    """A step, and what it asks of other fields: found once, not for each chunk.

    Attributes:
        step: The step.
        numbers: The fields whose values it takes as numbers, if it is not worked on jointly.
        levels: Those of them that levels are taken from.
        keys: The fields whose values it takes as texts.
    """

    step: Step
    numbers: frozenset[str]
    levels: frozenset[str]
    keys: frozenset[str]

    @classmethod
    def of(cls, step: Step) -> _Asking:
        """Return what a step asks."""
        model = step.model
        keys = model.key_fields()
        numbers = frozenset[str]() if model.multi_field else step.companions() - keys
        return cls(step, numbers, model.level_fields(), keys)


@frozen
class _SpecSteps:
    """The steps of one spec.

    Attributes:
        by_field: They, and what they ask, by the name of their field.
        joint: Whether they are worked on jointly.
    """

    by_field: Mapping[str, _Asking]
    joint: bool

    @classmethod
    def of(cls, steps: Iterable[Step]) -> _SpecSteps:
        """Return the steps of one spec together."""
        by_field = {step.field.name: _Asking.of(step) for step in steps}
        return cls(by_field, any(asking.step.model.multi_field for asking in by_field.values()))


@frozen
class _Companion:
    """A field that a step of another field looks at, as it was before any noise."""

    columns: list[Column]

    @cached_property
    def floats(self) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Its values as float64, and which are there and finite."""
        return merged_floats(self.columns)[1:]

    @cached_property
    def keys(self) -> NDArray[Any]:
        """Its values as texts, the same for every format; empty where there is none."""
        texts = np.full(len(self.columns[0].values), "", object)
        for column in self.columns:
            there = np.ones(len(texts), bool) if column.valid is None else column.valid
            texts[there] = [str(value) for value in column.values[there].tolist()]
        return texts


@frozen
class _Others:
    """What a step may ask of the other fields.

    Attributes:
        companions: Those it names, as they were.
        before: If it works on fields together, these as they stood before its spec.
    """

    companions: Mapping[str, _Companion]
    before: Mapping[str, list[_Values]]

    def values(self, step: Step, at: int) -> dict[str, _Values]:
        """Return the values of the fields that a step works on together with its own.

        Args:
            step: The step.
            at: Which of its field's columns it works on.
        """
        found = {name: self.before[name] for name in step.companions()}
        return {name: columns[min(at, len(columns) - 1)] for name, columns in found.items()}


def _alike(steps: Iterable[Step]) -> dict[str, int]:
    """Return a number for each field that may be worked on together with others: theirs is equal.

    All their steps are alike, and nothing but an element's value and its variates counts.
    """
    by_field: dict[str, list[Step]] = {}
    for step in steps:
        by_field.setdefault(step.field.name, []).append(step)
    numbers: dict[tuple[Any, ...], int] = {}
    return {
        name: numbers.setdefault(
            tuple([(s.spec, s.model, s.clip, s.field.missing, s.field.packing) for s in own]),
            len(numbers),
        )
        for name, own in by_field.items()
        if all(s.model.independent and s.where is None and not s.companions() for s in own)
    }


def _end_to_end(columns: Sequence[Column]) -> Column:
    """Return the elements of columns as those of one, but for what is said of the column."""
    valid = None
    if any(column.valid is not None for column in columns):
        there = np.ones(len(columns[0].values), bool)
        valid = np.concatenate([there if c.valid is None else c.valid for c in columns])
    first, values = columns[0], np.concatenate([column.values for column in columns])
    return Column(first.field, first.number, first.positions, values, valid)


def _as_they_stand(states: Mapping[str, list[_State]]) -> dict[str, list[_Values]]:
    """Return each column's values and which are usable; later steps make new arrays."""
    return {
        name: [(state.values, state.usable) for state in found] for name, found in states.items()
    }


def _clip(
    column: Column, before: NDArray[Any], after: NDArray[Any], clip: tuple[float, float]
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Bound what noise changed, and say what was beyond the bounds; None: nothing was."""
    if column.number.kind in {"text", "bool", "time"}:
        return after, None
    low, high = column.number.bounds(*clip)
    beyond = (after < low) | (after > high)
    if not beyond.any():
        return after, None
    beyond &= after != before
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


def _either(one: NDArray[np.bool_] | None, other: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return other if one is None else one | other


def _among(which: NDArray[np.bool_], those: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    return which if those is None else which & those


def _each(values: NDArray[Any] | None, count: int) -> Iterable[Any]:
    """Return the part of each of so many columns, or None for each."""
    return repeat(None, count) if values is None else values.reshape(count, -1)


def _count(which: NDArray[np.bool_] | None) -> int:
    return 0 if which is None else int(np.count_nonzero(which))


def _measured(noisy: list[NoisyColumn]) -> Tally:
    """Return the moments of one field's values and of their change, over all its columns."""
    from noisify.statistics.moments import BlockPieces  # noqa: PLC0415 - only if measured

    positions, values, usable = merged_floats([result.column for result in noisy])
    change = np.zeros_like(values)
    for result in noisy:
        difference = result.column.number.difference(result.values, result.column.values)
        moved = result.changed if result.erased is None else result.changed & ~result.erased
        change = np.where(moved, difference, change)
    return Tally(
        signal=BlockPieces.cut(positions, values, usable),
        change=BlockPieces.cut(positions, change, usable),
    )

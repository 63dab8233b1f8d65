"""Add noise to the columns of a chunk by a plan; runs in worker threads."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import groupby, repeat
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from noisify.core.dtypes import NumberType
from noisify.core.errors import UsageError
from noisify.core.options import option
from noisify.engine import series
from noisify.engine.column_state import ColumnState, among, both, either
from noisify.engine.companions import Companion, OtherFields, SpecSteps, StepNeeds
from noisify.engine.counts import Tally
from noisify.engine.storable import keep_bounds, rounded, storable
from noisify.formats.interface import NoisyColumn
from noisify.noise.level import Absolute, PerElement
from noisify.noise.model import NoiseContext
from noisify.streams.streams import JoinedVariates, SequentialVariates, StreamVariates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from noisify.core.chunk import Chunk, Column, Positions
    from noisify.noise.model import Model
    from noisify.noise.rows import RowModel
    from noisify.plan.condition import Condition
    from noisify.plan.plan import Plan, Step
    from noisify.streams.streams import NumpyGenerator, Variates

    Keys = NDArray[np.uint64]

_BATCH_ELEMENTS = 1 << 16
"""Elements to process at once, of fields that get the same noise."""

NO_CONDITIONS: Mapping[Condition, NDArray[np.bool_]] = MappingProxyType({})

_LONG = 1000
"""From this many elements on, NumPy counts masks faster one by one than as rows of an array."""


class Noiser:
    """Applies a plan to chunks.

    Args:
        plan: The plan.
        generators: For a compatibility stream, each step's own generator.
        batch_elements: How many elements of fields with the same noise to process at once.
    """

    def __init__(
        self,
        plan: Plan,
        generators: Mapping[Step, NumpyGenerator],
        batch_elements: int = _BATCH_ELEMENTS,
    ) -> None:
        self._plan = plan
        self._noised = {field.name for field in plan.noised}
        self._streams = {field.name: field.stream or field.name for field in plan.fields}
        self._specs = [
            SpecSteps.of(steps) for _, steps in groupby(plan.field_steps, lambda step: step.spec)
        ]
        self._companions = {name for step in plan.field_steps for name in step.companions}
        alone = generators or plan.decimals is not None or plan.key
        self._alike = {} if alone else _alike(plan.field_steps)
        self._generators = generators
        self._reached = dict.fromkeys(generators, 0)
        self._batch_elements = batch_elements

    def apply(
        self,
        chunk: Chunk,
        rows: Mapping[Condition, NDArray[np.bool_]] = NO_CONDITIONS,
        wanted: Chunk | None = None,
        keys: Keys | None = None,
    ) -> tuple[list[NoisyColumn], dict[str, Tally]]:
        """Return the chunk's noisy columns, and a tally for each field.

        Args:
            chunk: The decoded fields.
            rows: For each condition of the plan, a mask of the rows for which it is true.
            wanted: The part of `chunk` without the halo, and without fields that are not written;
                None for all of it.
            keys: The indices of the rows by their keys, or None to use their numbers.
        """
        columns = chunk.by_field()
        whole = wanted is None or wanted is chunk
        states = self._states(columns, together=whole)
        companions = {
            name: Companion(found) for name, found in columns.items() if name in self._companions
        }
        for steps in self._specs:
            values = {  # later steps replace the arrays
                name: [(state.values, state.usable) for state in found]
                for name, found in (states.items() if steps.joint else ())
            }
            others = OtherFields(companions, values, keys)
            for name in min(states, steps.by_field, key=len):  # iterate over the smaller one
                if name in states and name in steps.by_field:
                    for at, state in enumerate(states[name]):
                        self._step(steps.by_field, state, others, at, rows)
        inner = columns if wanted is None or whole else wanted.by_field()
        noisy: list[NoisyColumn] = []
        tallies: dict[str, Tally] = {}
        for name in filter(inner.__contains__, states):
            for at, state in enumerate(states[name]):
                lone = len(state.columns) == 1
                for result, tally in self._results(
                    state, [inner[name][at]] if lone else state.columns
                ):
                    noisy.append(result)
                    own = result.column.field.name
                    tallies[own] = tallies[own] + tally if own in tallies else tally
        order = {name: at for at, name in enumerate(columns)}
        noisy.sort(key=lambda result: order[result.column.field.name])
        return noisy, tallies

    def _states(
        self, columns: Mapping[str, list[Column]], *, together: bool
    ) -> dict[str, list[ColumnState]]:
        """Return the initial states of columns that get noise, by the name of the (first) field.

        Args:
            columns: The decoded columns of each field.
            together: Whether to process fields that get the same noise together.
        """
        states: dict[str, list[ColumnState]] = {}
        groups: dict[tuple[Any, ...], list[Column]] = {}
        for name, found in columns.items():
            first = found[0]
            if together and len(found) == 1 and name in self._alike:
                shared = (self._alike[name], id(first.number), first.positions.key)
                groups.setdefault(shared, []).append(first)
            elif name in self._noised:
                states[name] = [ColumnState.of([column]) for column in found]
        for group in groups.values():
            most = max(1, self._batch_elements // max(1, group[0].positions.size))
            for start in range(0, len(group), most):
                states[group[start].field.name] = [ColumnState.of(group[start : start + most])]
        return states

    def copies(
        self,
        rows: Positions,
        conditions: Mapping[Condition, NDArray[np.bool_]],
        keys: Keys | None = None,
    ) -> NDArray[np.int64]:
        """Return how many times to write each row, shape (n,)."""
        copies = np.ones(rows.size, np.int64)
        for step in self._plan.row_steps:
            context = NoiseContext(self._variates(step, rows, keys), ROW)
            found = cast("RowModel", step.model).copies(context)
            if step.where is not None:
                if len(conditions[step.where]) != rows.size:
                    raise UsageError(
                        f"{step.model.name} with {option('where')} needs rows of one element"
                    )
                found = np.where(conditions[step.where], found, 1)
            copies *= found
        return copies

    def _step(
        self,
        by_field: Mapping[str, StepNeeds],
        state: ColumnState,
        others: OtherFields,
        at: int,
        rows: Mapping[Condition, NDArray[np.bool_]],
    ) -> None:
        """Apply one spec's step to the column `at` of a field, or to several columns at once."""
        asking = by_field[state.column.field.name]
        step, usable = asking.step, state.usable
        floats: dict[str, NDArray[np.float64]] = {}
        for name in asking.numbers:
            values, there = others.companions[name].floats
            if name in asking.levels:
                usable = both(usable, there)
                floats[name] = np.nan_to_num(values)
            else:
                floats[name] = values if there is None else np.where(there, values, np.nan)
        hit = usable if step.where is None else both(usable, rows[step.where])
        positions = state.column.positions
        if len(state.columns) == 1:
            variates = self._variates(step, positions, others.record_keys)
        else:
            steps = [by_field[column.field.name].step for column in state.columns]
            variates = JoinedVariates(
                lambda lane: [each.stream.stream(lane) for each in steps], positions
            )
            step = replace(step, model=_joint_model([each.model for each in steps], positions))
        number = state.column.number
        context = NoiseContext(
            variates,
            replace(number, truncates=True) if step.truncate else number,
            floats,
            usable=hit if step.model.halo else usable,
            others=lambda name: StreamVariates(
                replace(step.stream, field=self._streams.get(name, name)),
                positions,
                others.record_keys,
            ),
            columns=others.values(step, at) if step.model.multi_field else {},
            keys={name: others.companions[name].keys for name in asking.keys},
        )
        values = state.values
        after = self._applied(step, values, context)
        if hit is not None:
            after = np.where(hit, after, values)
        if step.where is not None and hit is not None:
            state.met = either(state.met, hit)
        if context.saturated is not None:
            state.saturated = either(state.saturated, among(context.saturated, hit))
        if step.clip is not None:
            after, beyond = keep_bounds(state.column, values, after, step.clip)
            if beyond is not None:
                state.clipped = either(state.clipped, among(beyond, hit))
        if context.erased is not None:
            state.erased = either(state.erased, among(context.erased, hit))
            state.usable = both(state.usable, ~state.erased)
        state.values = after
        state.clip = step.clip

    def _results(
        self, state: ColumnState, columns: Sequence[Column]
    ) -> Iterator[tuple[NoisyColumn, Tally]]:
        """Yield the noisy column and the tally of each column, or of the wanted part of one."""
        column = columns[0]
        if column.positions.size * len(columns) != len(state.values):
            state = state.part(column)
        noisy, before, erased = state.values, state.before, state.erased
        keep = self._plan.decimals == "keep"
        decimals = column.decimals if keep else cast("int | None", self._plan.decimals)
        if decimals is not None:
            noisy = rounded(column, before, noisy, decimals, state.clip)
        noisy, beyond = storable(column, before, noisy, state.clip, decimals)
        if beyond is not None:
            state.saturated = either(state.saturated, among(beyond, state.there))
        all_changed = noisy != before
        if state.there is not None:
            all_changed &= state.there
        if erased is not None:
            all_changed |= erased
        alike = state.there is None and noisy.dtype.kind in "iu"  # equal ones have equal bytes
        rows = [_each(which, len(columns)) for which in (noisy, all_changed, erased)]
        masks = (all_changed, state.nonfinite, erased, state.clipped, state.saturated, state.met)
        counts = [_counts(which, len(columns)) for which in masks]
        elements = column.positions.size
        for column, values, changed, gone, moved, nonfinite, lost, clipped, saturated, met in zip(
            columns, *rows, *counts, strict=True
        ):
            tally = Tally(
                elements=elements,
                nulls=column.nulls + nonfinite,
                unparseable=column.unparseable,
                first_unparseable=column.first_unparseable,
                met=met,
                changed=moved,
                erased=lost,
                clipped=clipped,
                saturated=saturated,
            )
            complete = moved == elements or alike
            after = values if complete else np.where(changed, values, column.values)
            yield (
                NoisyColumn(column, after, changed, decimals, gone if lost else None),
                tally,
            )

    def _applied(self, step: Step, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return the values after a step's model, applied to each series if there are several."""
        if step.series is None:
            return step.model.apply(values, context)
        variates_of = partial(self._variates_of_series, step)
        return series.apply_to_each(step.model, values, context, step.series, variates_of)

    def _variates_of_series(
        self, step: Step, numbers: Sequence[int], positions: Positions
    ) -> Variates:
        """Return the variates of series of a field."""
        if len(numbers) > 1:
            streams = partial(step.stream.streams_of_series, numbers=numbers)
            return JoinedVariates(streams, positions)
        return StreamVariates(replace(step.stream, series=numbers[0]), positions)

    def _variates(self, step: Step, positions: Positions, keys: Keys | None) -> Variates:
        if not self._generators:
            return StreamVariates(step.stream, positions, keys)
        if not positions.follows(self._reached[step]):
            raise UsageError(
                f"{option('rng')} {self._plan.rng} draws in file order, and this array is not "
                f"stored in it; use {option('rng')} noisify",
                field=step.field.name,
            )
        self._reached[step] += positions.size
        return SequentialVariates(self._generators[step], positions)


ROW = NumberType("bool", np.dtype(bool))
"""The number type for models of whole rows, which have no values."""


def _alike(steps: Iterable[Step]) -> dict[str, int]:
    """Number the groups of fields that get the same noise and may be processed together.

    All their steps are alike, and a result depends only on an element's value and its variates.
    """
    by_field: dict[str, list[Step]] = {}
    for step in steps:
        by_field.setdefault(step.field.name, []).append(step)
    numbers: dict[tuple[Any, ...], int] = {}
    return {
        name: numbers.setdefault(tuple([_kind(step) for step in own]), len(numbers))
        for name, own in by_field.items()
        if all(s.model.independent and s.where is None and not s.companions for s in own)
    }


def _kind(step: Step) -> tuple[Any, ...]:
    """Return all of a step except its field and an absolute level; steps that agree are alike."""
    model, field = step.model, step.field
    own = [one for one in vars(model).items() if not isinstance(one[1], Absolute)]
    return step.spec, step.clip, field.missing, field.packing, type(model), *own


def _joint_model(models: Sequence[Model], positions: Positions) -> Model:
    """Return one model for fields whose models are alike, at the same positions."""
    first = models[0]
    changes = {}
    for name, value in vars(first).items():
        if isinstance(value, Absolute):
            amounts = np.array([getattr(model, name).value for model in models])
            if (amounts != value.value).any():
                changes[name] = PerElement(amounts.repeat(positions.size))
    return replace(first, **changes) if changes else first


def _each(values: NDArray[Any] | None, count: int) -> Iterable[Any]:
    """Split an array into the parts of each column; None gives None for each."""
    return repeat(None, count) if values is None else values.reshape(count, -1)


def _counts(which: NDArray[np.bool_] | None, count: int) -> Iterable[int]:
    """Count the elements of a mask in each column; None counts none."""
    if which is None:
        return repeat(0, count)
    rows = which.reshape(count, -1)
    if rows.shape[1] > _LONG:
        return [int(np.count_nonzero(row)) for row in rows]
    counts: list[int] = np.count_nonzero(rows, axis=1).tolist()
    return counts

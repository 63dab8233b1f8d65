"""Resolve a request into a plan for one file: choose fields, settle levels, report mistakes."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from typing import TYPE_CHECKING

from noisify.core import other_words
from noisify.core.chunk import NUMBER_KINDS, Field
from noisify.core.errors import UsageError, did_you_mean
from noisify.core.options import option
from noisify.plan import series
from noisify.plan.condition_types import check_types
from noisify.plan.drafts import drafts_of
from noisify.plan.fit import checked_clip, fit, statistics_for
from noisify.plan.plan import Plan, Request, Step
from noisify.plan.record_key import checked_key
from noisify.streams.streams import StreamName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from noisify.plan.condition import Condition
    from noisify.plan.drafts import Draft
    from noisify.plan.series import Shapes
    from noisify.statistics.survey import FieldStatistics

    Surveyor = Callable[[Mapping[Field, frozenset[str]]], Mapping[str, FieldStatistics]]


def _no_shape(_: Field) -> None:
    """Return the shape of a column, which has none."""


def resolve(
    request: Request, fields: Sequence[Field], survey: Surveyor, shape_of: Shapes = _no_shape
) -> Plan:
    """Resolve a request for one file.

    Args:
        request: The request.
        fields: All fields of the file, in file order.
        survey: Makes a first pass; takes the statistics needed by field, and returns them.
        shape_of: Returns the shape of a field's array, or None for a column of a table.

    Raises:
        UsageError: If a field, a model, a parameter or a level does not fit.
        DataError: If a statistic that a level needs is not finite.
    """
    for spec in request.specs:
        _check_condition(spec.where, fields)
    drafts, left, notes = drafts_of(request, fields)
    drafts = [_along_axis(draft, shape_of) for draft in drafts]
    needed = _needed(drafts, fields)
    statistics = survey(needed) if needed else {}
    steps = _steps(request, drafts, statistics, notes)
    named = frozenset(draft.field.name for draft in drafts if draft.named)
    return dataclasses.replace(_plan(request, fields, steps, left, notes), named=named)


class Resolver:
    """Resolves the requests of a run, whose files often have the same fields.

    Such files share a plan, unless it rests on their data or on their arrays' shapes: planning
    takes an eighth of a small file's time.
    """

    def __init__(self) -> None:
        self._last: tuple[Request, Sequence[Field], Plan] | None = None

    def resolve(
        self, request: Request, fields: Sequence[Field], survey: Surveyor, shape_of: Shapes
    ) -> Plan:
        """Return the plan of the last file if it fits this one too, else that of `resolve`."""
        if self._last is not None:
            before, known, plan = self._last
            if known == fields and before == dataclasses.replace(request, file=before.file):
                return plan.of_file(request.file)
        surveyed = False

        def noted(needs: Mapping[Field, frozenset[str]]) -> Mapping[str, FieldStatistics]:
            nonlocal surveyed
            surveyed = True
            return survey(needs)

        plan = resolve(request, fields, noted, shape_of)
        shared = not surveyed and all(step.model.followed_axis is None for step in plan.steps)
        self._last = (request, fields, plan) if shared else None
        return plan


def _along_axis(draft: Draft, shape_of: Shapes) -> Draft:
    """Return a draft, its model fitted to the series of the field if it works along an axis."""
    axis = draft.model.followed_axis
    if axis is None:
        return draft
    model, found = series.along_axis(draft.model, axis, draft.field, shape_of)
    return draft._replace(model=model, series=found)


def _needed(drafts: Sequence[Draft], fields: Sequence[Field]) -> dict[Field, frozenset[str]]:
    """Return the statistics needed for fitting, by field."""
    needed: dict[Field, frozenset[str]] = {}
    noised = {draft.field.name: draft.field for draft in drafts}
    for draft in drafts:
        for name, need in statistics_for(draft.spec, draft.field, draft.model).items():
            field_ = draft.field
            if name != field_.name:  # a field with noise is read as its noise needs it
                found = _field(name, fields, f"{draft.model.name} names no field {name!r}")
                field_ = noised.get(name, found)
            needed[field_] = needed.get(field_, frozenset()) | need
    return needed


def _steps(
    request: Request,
    drafts: Sequence[Draft],
    statistics: Mapping[str, FieldStatistics],
    notes: list[str],
) -> list[Step]:
    """Return the drafts as steps: their models fitted, their streams named."""
    steps: list[Step] = []
    used: Counter[tuple[str, str]] = Counter()
    for draft in drafts:
        spec, field_ = draft.spec, draft.field
        model = fit(spec, field_, draft.model, statistics, notes)
        own = model.multi_field or draft.rowwise  # all fields of such a spec share one count
        use = ("" if own else field_.name, model.name)
        if spec.stream is not None:
            used[use] = spec.stream
        elif model.multi_field and steps and steps[-1].spec == draft.number:
            used[use] -= 1
        stream = StreamName(
            request.seed,
            "" if draft.rowwise else field_.stream or field_.name,
            model.name,
            ordinal=used[use],
            replicate=request.replicate,
            file=request.file,
        )
        used[use] += 1
        clip = checked_clip(spec.clip, field_)
        truncate = spec.truncate and field_.kind == "int"
        about = clip, spec.where, draft.number, truncate, draft.series
        steps.append(Step(field_, model, stream, *about))
    return steps


def _plan(
    request: Request,
    fields: Sequence[Field],
    steps: Sequence[Step],
    left: dict[str, str],
    notes: list[str],
) -> Plan:
    """Gather settled steps into a plan, with the fields that have to be read for them."""
    read = {step.field.name: step.field for step in steps}
    for step in steps:
        for name in step.companions:
            other = _companion(name, step, fields)
            if name not in read:
                read[name] = _as_key(other) if name in step.model.key_fields() else other
    chosen = {step.field.name for step in steps}
    for field_ in fields:
        if field_.name not in chosen:
            left.setdefault(field_.name, _why_left(field_))
    return Plan(
        steps=tuple(steps),
        seed=request.seed,
        rng=request.rng,
        decimals=request.decimals,
        strict=request.strict,
        fields=tuple(read[field_.name] for field_ in fields if field_.name in read),
        left=left,
        notes=tuple(dict.fromkeys([*notes, *_hindered(fields, left)])),
        file=request.file,
        key=checked_key(request, fields, steps),
    )


def _as_key(field_: Field) -> Field:
    """Return a key's field; times of a text file are read as texts, so that the zone counts."""
    return (field_.as_text() or field_) if field_.kind == "time" else field_


def _hindered(fields: Sequence[Field], left: Mapping[str, str]) -> Iterator[str]:
    """Yield a note for each reason why fields cannot get noise, with the fields."""
    names: dict[str, list[str]] = {}
    for field_ in fields:
        if field_.hindrance and left.get(field_.name) == field_.hindrance:
            names.setdefault(field_.hindrance, []).append(field_.name)
    for why, (first, *others) in names.items():
        if others:
            yield f"field {first!r} and {len(others):,} more are left as they are: each {why}"
        else:
            yield f"field {first!r} is left as it is: it {why}"


def _why_left(field_: Field) -> str:
    """Return why a field that was not chosen gets no noise."""
    if field_.number is None and field_.kind == "other":
        return f"holds {field_.type_name}"
    return f"{field_.role}: by its exact name only" if field_.role else "not chosen"


def _field(name: str, fields: Sequence[Field], complaint: str) -> Field:
    """Return the field of a name, or raise an error with the complaint and the nearest name."""
    found = next((field_ for field_ in fields if field_.name == name), None)
    if found is None:
        raise UsageError(complaint + did_you_mean(name, [field_.name for field_ in fields]))
    return found


def _is_compared_with(name: str, condition: str) -> bool:
    """Return whether a name in a condition follows an operator, where a text is possible."""
    return re.search(rf"(?:[=(,]|[!=<>]=)\s*{re.escape(name)}(?!\w)", condition) is not None


def _check_condition(where: Condition | None, fields: Sequence[Field]) -> None:
    if where is None:
        return
    names = [field_.name for field_ in fields]
    for name in sorted(where.fields - set(names)):
        meant = did_you_mean(name, names)
        if name.casefold() in other_words.NULLS:
            meant = "; type x is null, or x is not null"
        elif not meant and _is_compared_with(name, where.text):
            quoted = re.sub(rf"\b{re.escape(name)}\b", f'"{name}"', where.text)
            meant = f"; put a text in quotes: {option('where')} '{quoted}'"
        raise UsageError(f"{option('where')} names no field {name!r}{meant}")
    check_types(where, fields)


def _companion(name: str, step: Step, fields: Sequence[Field]) -> Field:
    """Return another field whose values a step needs; refuse one that it cannot use."""
    is_level = name in step.model.level_fields()
    what = f"level @{name}" if is_level else f"{step.model.name} with {name!r}"
    found = _field(name, fields, f"{what} names no field")
    if found.hindrance:
        raise UsageError(f"{what} cannot read it: it {found.hindrance}")
    if is_level and found.kind not in NUMBER_KINDS - {"complex"}:
        raise UsageError(f"{what} needs real numbers, and it holds {found.type_name}")
    takes_any = step.model.multi_field or name in step.model.key_fields()
    if not takes_any and found.kind not in {"float", "int", "decimal", "time", "bool"}:
        raise UsageError(f"{what} needs numbers or times, and it holds {found.type_name}")
    if found.number is None:
        raise UsageError(f"{what} cannot read it: it holds {found.type_name}")
    if found.table != step.field.table:
        raise UsageError(f"{what} is not as long as the field", field=step.field.name)
    return found

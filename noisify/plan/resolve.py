"""From what was asked to a plan for one file: fields chosen, levels settled, mistakes told."""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from noisify.core import other_words
from noisify.core.chunk import NUMBER_KINDS, Field
from noisify.core.errors import DataError, UsageError, did_you_mean
from noisify.noise import level as levels
from noisify.noise import model as interface
from noisify.noise import registry
from noisify.noise.additive import StudentT
from noisify.noise.parameters import takes_level
from noisify.noise.rows import RowModel, SwapFields
from noisify.plan.condition_types import check_types
from noisify.plan.plan import NoiseSpec, Plan, Request, Step
from noisify.plan.presets import check_image, for_field
from noisify.plan.selectors import Choice, choose
from noisify.streams.streams import StreamName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from noisify.noise.level import Level
    from noisify.noise.model import Model
    from noisify.plan.condition import Condition
    from noisify.statistics.survey import FieldStatistics

    Surveyor = Callable[[Mapping[Field, frozenset[str]]], Mapping[str, FieldStatistics]]


def resolve(request: Request, fields: Sequence[Field], survey: Surveyor) -> Plan:
    """Settle a request for one file.

    Args:
        request: What was asked for.
        fields: All fields of the file, in file order.
        survey: Given what is needed of which fields, makes a first pass and returns statistics.

    Raises:
        UsageError: If a field, a model, a parameter or a level does not fit.
        DataError: If a statistic that a level needs is not finite.
    """
    for spec in request.specs:
        _check_condition(spec.where, fields)
    drafts, left, notes = _drafts(request, fields)
    needs: dict[Field, frozenset[str]] = {}
    noised = {draft.field.name: draft.field for draft in drafts}
    for draft in drafts:
        for name, need in draft.statistics().items():
            field_ = draft.field
            if name != field_.name:  # a field that gets noise too is read as that noise needs it
                field_ = noised.get(name, _driver(name, draft, fields))
            needs[field_] = needs.get(field_, frozenset()) | need
    statistics = survey(needs) if needs else {}
    steps: list[Step] = []
    used: Counter[tuple[str, str]] = Counter()
    for draft in drafts:
        settled = _settle(draft, statistics, notes)
        own = settled.multi_field or draft.rowwise  # one count for all fields of such a spec
        use = ("" if own else draft.field.name, settled.name)
        if draft.spec.stream is not None:
            used[use] = draft.spec.stream
        elif settled.multi_field and steps and steps[-1].spec == draft.number:
            used[use] -= 1
        stream = StreamName(
            request.seed,
            "" if draft.rowwise else draft.field.stream or draft.field.name,
            settled.name,
            ordinal=used[use],
            replicate=request.replicate,
            file=request.file,
        )
        used[use] += 1
        clip = _checked_clip(draft.spec.clip, draft.field)
        truncate = draft.spec.truncate and draft.field.kind == "int"
        steps.append(
            Step(draft.field, settled, stream, clip, draft.spec.where, draft.number, truncate)
        )
    named = frozenset(draft.field.name for draft in drafts if draft.named)
    return dataclasses.replace(_plan(request, fields, steps, left, notes), named=named)


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
        for name in step.companions():
            _check_companion(name, step, fields)
            if name not in read:
                read[name] = next(other for other in fields if other.name == name)
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
    )


def _hindered(fields: Sequence[Field], left: Mapping[str, str]) -> Iterator[str]:
    """Yield a note for each reason why fields can get no noise, with those left for it."""
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


ROWS = Field("", "other", "rows")
"""What a model of whole rows works on."""


class _Draft(NamedTuple):
    """A step before its level is settled.

    Attributes:
        spec: The spec it comes from.
        number: Its number.
        field: The field.
        model: The model as typed, its level aside.
        named: Whether the field was chosen by its exact name, for noise that is not zero.
    """

    spec: NoiseSpec
    number: int
    field: Field
    model: Model
    named: bool = False

    @property
    def rowwise(self) -> bool:
        """Whether it works on whole rows."""
        return isinstance(self.model, RowModel)

    @property
    def level(self) -> Level | None:
        """The level of the scale; None for a model without one."""
        if not takes_level(type(self.model)):
            return None
        return self.spec.sd or _scale(self.spec, self.model)

    def statistics(self) -> dict[str, frozenset[str]]:
        """Return the statistics that settling it takes, by field."""
        needs = dict(self.model.statistics(self.field.name))
        own = needs.get(self.field.name, frozenset())
        if self.spec.snr is not None:
            own |= {"power"}
        elif isinstance(self.level, levels.OfField):
            _check_statistic(self.level, self.field)
            own |= {self.level.statistic}
        if self.is_float_image:
            own |= {"range"}
        if own:
            needs[self.field.name] = own
        return needs

    @property
    def is_float_image(self) -> bool:
        """Whether its values are taken to be from 0 to 1."""
        return self.spec.unit == "image" and self.field.kind == "float"


def _drafts(
    request: Request, fields: Sequence[Field]
) -> tuple[list[_Draft], dict[str, str], list[str]]:
    """Return what is asked of each field, why others are left alone, and notes about those."""
    drafts: list[_Draft] = []
    notes: list[str] = []
    left: dict[str, str] = {}
    views: dict[str, Field] = {}
    for number, spec in enumerate(request.specs):
        model_class = registry.find(spec.model).load()
        _check_amount(spec, model_class)
        if issubclass(model_class, RowModel):
            if spec.columns:
                raise UsageError(f"{model_class.name} works on whole rows; leave the fields out")
            drafts.append(_Draft(spec, number, ROWS, interface.make(model_class, spec.parameters)))
            continue
        chosen = _chosen(spec, model_class, fields)
        found = _noisable(_unhindered(chosen, left), model_class, left)
        found = _of_unit(spec, found, chosen, left)
        notes += _passed_over(spec, chosen, found, left)
        found = _within_reach(spec.where, found, chosen, fields, left)
        for field_ in found:
            view = views.setdefault(field_.name, field_)
            if view.number != field_.number:
                raise UsageError(
                    f"one model reads it as {view.kind} and {model_class.name} as {field_.kind}; "
                    "run noisify twice",
                    field=field_.name,
                )
            fitted = _for_image(spec, field_) if spec.unit == "image" else spec
            given = {} if fitted.scale is None else {"scale": fitted.scale}
            model = interface.make(model_class, {**fitted.parameters, **given})
            if model.multi_field:
                model = _joined(model, found)
            named = field_.name in chosen.named and not _is_none(spec)
            drafts.append(_Draft(fitted, number, field_, model, named))
    return drafts, left, notes


def _chosen(spec: NoiseSpec, model: type[Model], fields: Sequence[Field]) -> Choice:
    try:
        return choose(fields, spec.columns, spec.exclude, _wanted_kinds(spec, model))
    except UsageError:
        if spec.optional or (not spec.columns and _is_none(spec)):
            return Choice(())
        amount = spec.sd or spec.scale
        if isinstance(amount, levels.Duration) and "time" in model.takes and not spec.columns:
            raise _misfit(amount, "any field") from None
        raise


def _is_none(spec: NoiseSpec) -> bool:
    """Return whether a spec asks for no noise, so that it does not matter which field gets it."""
    return any(level == levels.Absolute(0.0) for level in (spec.scale, spec.sd))


def _wanted_kinds(spec: NoiseSpec, model: type[Model]) -> frozenset[str]:
    """Return the kinds of fields that are chosen by default."""
    amount = spec.sd or spec.scale
    if "time" in model.takes and isinstance(amount, levels.Duration):
        return frozenset({"time"})
    if model.takes & {"float"}:
        return frozenset({"float", "complex"}) & (model.takes | {"float"})
    return model.takes


def _for_image(spec: NoiseSpec, field_: Field) -> NoiseSpec:
    """Return a preset's spec in the unit of an image field: full scale is 1.0, 255 or 65535."""
    words: dict[str, Any] = dict(spec.parameters)
    if spec.scale is not None:
        words["scale"] = levels.as_json(spec.scale)
    if spec.clip is not None:
        words["clip"] = list(spec.clip)
    words = dict(for_field(words, field_))
    scale, clip = words.pop("scale", None), words.pop("clip", None)
    return dataclasses.replace(
        spec,
        parameters=words,
        scale=None if scale is None else levels.parse(scale),
        clip=None if clip is None else (float(clip[0]), float(clip[1])),
    )


def _joined(model: Model, chosen: Sequence[Field]) -> Model:
    """Tell a model that takes several fields together which they are."""
    names = tuple(field_.name for field_ in chosen)
    if isinstance(model, SwapFields):
        if len(names) != 2:  # noqa: PLR2004
            raise UsageError(f"{model.name} takes two fields, and {len(names)} are chosen")
        if chosen[0].number != chosen[1].number:
            raise UsageError(
                f"{model.name} needs two fields of one type, and these hold "
                f"{chosen[0].type_name} and {chosen[1].type_name}"
            )
    if len({field_.table for field_ in chosen}) > 1:
        raise UsageError(f"{model.name} needs fields of one length, and these differ")
    return dataclasses.replace(model, fields=names)  # type: ignore[call-arg]


def _driver(name: str, draft: _Draft, fields: Sequence[Field]) -> Field:
    """Return the field that a model asks a statistic of, another than its own."""
    found = next((other for other in fields if other.name == name), None)
    if found is None:
        names = [other.name for other in fields]
        raise UsageError(f"{draft.model.name} names no field {name!r}{did_you_mean(name, names)}")
    return found


def _check_amount(spec: NoiseSpec, model: type[Model]) -> None:
    """Refuse an amount that a model does not take."""
    for name in ("scale", "sd", "snr"):
        if getattr(spec, name) is not None and not takes_level(model):
            raise UsageError(
                f"{model.name} noise takes no {name}"
                + (f"; say how much with {model.level}" if model.level else "")
            )


def _unhindered(chosen: Choice, left: dict[str, str]) -> Choice:
    """Return the choice without fields that can get no noise; say of these why they are left.

    Raises:
        UsageError: If one of these was named, or nothing else was chosen.
    """
    kept = tuple(field for field in chosen.fields if not field.hindrance)
    for field_ in chosen.fields:
        if field_.hindrance and (not kept or field_.name in chosen.named):
            raise UsageError(field_.hindrance, field=field_.name)
        if field_.hindrance:
            left[field_.name] = field_.hindrance
    return dataclasses.replace(chosen, fields=kept)


def _noisable(chosen: Choice, model: type[Model], left: dict[str, str]) -> list[Field]:
    """Return the chosen fields that a model can work on; say of the others why they are left."""
    kept = []
    for field_ in chosen.fields:
        exactly = field_.name in chosen.named
        if model.erases and not field_.nullable:
            if exactly or len(chosen.fields) == 1:
                raise UsageError(
                    f"holds {field_.type_name} that cannot be missing; convert it to a type that "
                    "has nulls or NaN",
                    field=field_.name,
                )
            left[field_.name] = "cannot be missing"
            continue
        if field_.number is not None and field_.number.kind in model.takes:
            kept.append(field_)
            continue
        views = [view for view in field_.views if view.kind in model.takes]
        if views and (exactly or _empty(field_)):
            kind = field_.kind if _empty(field_) else views[0].kind
            kept.append(dataclasses.replace(field_, number=views[0], kind=kind))
        elif exactly:
            raise UsageError(
                f"holds {field_.type_name}, and {model.name} noise needs {_taken(model)}",
                field=field_.name,
            )
        else:
            left[field_.name] = f"holds {field_.type_name}"
    return kept


def _of_unit(
    spec: NoiseSpec, found: list[Field], chosen: Choice, left: dict[str, str]
) -> list[Field]:
    """Return the fields whose unit the level has; times that a pattern chose are passed over."""
    level = spec.sd or spec.scale
    if level is None or isinstance(level, levels.OfField):
        return found
    timed = isinstance(level, levels.Duration)
    kept = [field_ for field_ in found if (field_.kind == "time") == timed]
    if not kept:
        return found  # the error about the unit says more
    for field_ in found:
        if (field_.kind == "time") == timed:
            continue
        if field_.name in chosen.named:
            return found
        left[field_.name] = f"holds {field_.type_name}, and level {level} is " + (
            "a time" if timed else "not a time such as 90s"
        )
    return kept


def _passed_over(
    spec: NoiseSpec, chosen: Choice, found: Sequence[Field], left: Mapping[str, str]
) -> list[str]:
    """Return a note about the fields that selectors chose and that get no noise."""
    kept = {field_.name for field_ in found}
    names = [field_.name for field_ in chosen.fields if field_.name not in kept]
    if not names or not spec.columns or _is_none(spec):
        return []
    reasons: dict[str, list[str]] = {}
    for name in names:
        reasons.setdefault(left[name], []).append(name)
    listed = "; ".join(f"{', '.join(some)} ({why})" for why, some in reasons.items())
    return [f"chosen and left alone: {listed}"]


def _within_reach(
    where: Condition | None,
    found: list[Field],
    chosen: Choice,
    fields: Sequence[Field],
    left: dict[str, str],
) -> list[Field]:
    """Return the fields that have one value for each row a condition looks at."""
    names = frozenset[str]() if where is None else where.fields
    tables = {field_.table for field_ in fields if field_.name in names}
    kept = [field_ for field_ in found if tables <= {field_.table}]
    for field_ in found:
        if tables <= {field_.table}:
            continue
        if field_.name in chosen.named or not kept:
            raise UsageError(
                "--where chooses rows, and this field has no single value in a row",
                field=field_.name,
            )
        left[field_.name] = "no single value in a row, as --where needs"
    return kept


def _taken(model: type[Model]) -> str:
    if model.takes >= NUMBER_KINDS - {"complex"}:
        return "numbers; choose number fields with -c :number"
    return " or ".join(sorted(model.takes)) + " fields"


def _empty(field_: Field) -> bool:
    return field_.type_name == "empty"


def _scale(spec: NoiseSpec, model: Model) -> Level:
    if spec.scale is not None:
        return spec.scale
    return model.scale  # type: ignore[attr-defined,no-any-return]


def _check_statistic(level: levels.OfField, field_: Field) -> None:
    if field_.kind == "complex" and level.statistic != "sd":
        raise UsageError(
            f"complex numbers have no {level.statistic}; give the level as sd, snr or a number",
            field=field_.name,
        )


def _settle(draft: _Draft, statistics: Mapping[str, FieldStatistics], notes: list[str]) -> Model:
    """Return the model with everything that the data had to tell filled in, for one field."""
    spec, field_ = draft.spec, draft.field
    model = draft.model.fit(field_.name, statistics)
    own = statistics.get(field_.name)
    if draft.is_float_image and own is not None and own.count:
        check_image(own.low, own.high, field_.name)
    if spec.snr is not None:
        if field_.kind == "time":
            raise UsageError("times have no SNR; give a scale such as -s 90s", field=field_.name)
        _moments(model, "--snr")
        if own is None or not own.count:
            return _with_scale(model, levels.Absolute(0.0))
        power = _finite(own.power, "mean square", field_)
        if power == 0:
            notes.append(f"field {field_.name!r} is zero throughout: an SNR of it adds no noise")
        noise_power = levels.noise_power(power, spec.snr)
        scale = _scale_for_power(model, noise_power, own.exponent)
        return _with_scale(model, levels.Absolute(scale))
    level = draft.level
    if level is None:
        return model
    factor = 1.0 if spec.sd is None else 1 / _moments(model, "--sd")[1]
    _check_unit(level, field_)
    if isinstance(level, levels.OfField):
        level = _of_field(level, own, field_, notes)
    return _with_scale(model, level.times(factor) if spec.sd is not None else level)


def _of_field(
    level: levels.OfField, own: FieldStatistics | None, field_: Field, notes: list[str]
) -> Level:
    """Return what a share of a field's statistic comes to."""
    amount = 0.0
    if own is not None and own.count:
        amount = _finite(level.resolve(own).value, str(level), field_)
        if getattr(own, level.statistic) == 0 and level.factor:
            notes.append(f"field {field_.name!r} has {level.statistic} 0: {level} of it is 0")
    return levels.Duration(amount) if field_.kind == "time" else levels.Absolute(amount)


def _check_unit(level: Level, field_: Field) -> None:
    """Refuse a time as the level of numbers, and a bare number as that of times."""
    if isinstance(level, levels.OfField):
        return
    is_time = field_.number is not None and field_.number.kind == "time"
    if isinstance(level, levels.Duration) != is_time:
        raise _misfit(level, field_.type_name, field_.name)


def _misfit(level: Level, what: str, field: str | None = None) -> UsageError:
    if isinstance(level, levels.Duration) and what == "text":
        message = f"level {level} is for times, read as ISO 8601 such as 2024-03-01T06:00:00Z"
        return UsageError(f"{message}, and it holds text", field=field)
    return UsageError(
        f"level {level} does not fit {what}: "
        "times take 90s, 2h or 3d, and numbers 0.5, 5% or 0.1sd",
        field=field,
    )


def _with_scale(model: Model, level: Level) -> Model:
    if isinstance(level, levels.Absolute) and not math.isfinite(level.value):
        raise UsageError(f"a scale of {level.value} is out of range")
    return dataclasses.replace(model, scale=level)  # type: ignore[call-arg]


def _moments(model: Model, option: str) -> tuple[float, float]:
    moments = model.moments()
    if moments is None:
        described = f" with df = {model.df:g}" if isinstance(model, StudentT) else ""
        raise UsageError(
            f"{model.name}{described} {model.unmeasured}, so {option} cannot be reached; "
            "give its scale with -s"
        )
    return moments


def _scale_for_power(model: Model, power: float, exponent: int) -> float:
    """Return the scale s at which (s * mean + loc)**2 + (s * sd)**2 is power * 4**exponent."""
    mean, sd = _moments(model, "--snr")
    typed = float(getattr(model, "loc", 0.0))
    with np.errstate(over="ignore", under="ignore"):
        loc = float(np.ldexp(typed, -exponent))
    a, b, c = mean * mean + sd * sd, 2 * mean * loc, loc * loc - power
    if c > 0:
        raise UsageError(f"loc {typed:g} alone is more noise than --snr allows; lower one of them")
    return float(np.ldexp((-b + math.sqrt(b * b - 4 * a * c)) / (2 * a), exponent))


def _finite(value: float, what: str, field_: Field) -> float:
    if not math.isfinite(value):
        raise DataError(
            f"its {what} is not a finite number; give an absolute level such as -s 0.5",
            field=field_.name,
        )
    return value


def _checked_clip(clip: tuple[float, float] | None, field_: Field) -> tuple[float, float] | None:
    if clip is not None and field_.kind == "complex":
        raise UsageError("complex numbers have no order to clip by; drop --clip", field=field_.name)
    return clip


def _is_compared_with(name: str, condition: str) -> bool:
    """Return whether a name in a condition follows a sign that a text may follow."""
    return re.search(rf"(?:[=(,]|[!=<>]=)\s*{re.escape(name)}(?!\w)", condition) is not None


def _check_condition(where: Condition | None, fields: Sequence[Field]) -> None:
    names = [field_.name for field_ in fields]
    for name in sorted(where.fields - set(names)) if where is not None else ():
        meant = did_you_mean(name, names)
        if name.casefold() in other_words.NULLS:
            meant = "; type x is null, or x is not null"
        elif not meant and where is not None and _is_compared_with(name, where.text):
            quoted = re.sub(rf"\b{re.escape(name)}\b", f'"{name}"', where.text)
            meant = f"; a text stands in quotes: --where '{quoted}'"
        raise UsageError(f"--where names no field {name!r}{meant}")
    if where is not None:
        check_types(where, fields)


def _check_companion(name: str, step: Step, fields: Sequence[Field]) -> None:
    found = [other for other in fields if other.name == name]
    is_level = name in step.model.level_fields()
    what = f"level @{name}" if is_level else f"{step.model.name} with {name!r}"
    if not found:
        names = [other.name for other in fields]
        raise UsageError(f"{what} names no field{did_you_mean(name, names)}")
    if found[0].hindrance:
        raise UsageError(f"{what} cannot read it: it {found[0].hindrance}")
    if is_level and found[0].kind not in NUMBER_KINDS - {"complex"}:
        raise UsageError(f"{what} needs real numbers, and it holds {found[0].type_name}")
    measured = {"float", "int", "decimal", "time", "bool"}
    if (
        not step.model.multi_field
        and name not in step.model.key_fields()
        and found[0].kind not in measured
    ):
        raise UsageError(f"{what} needs numbers or times, and it holds {found[0].type_name}")
    if found[0].number is None:
        raise UsageError(f"{what} cannot read it: it holds {found[0].type_name}")
    if found[0].table != step.field.table:
        raise UsageError(f"{what} is not as long as the field", field=step.field.name)

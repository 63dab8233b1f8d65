"""Choose the fields of each noise spec, and create its model for each of them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

from noisify.core.chunk import NUMBER_KINDS, Field
from noisify.core.errors import UsageError
from noisify.core.options import option
from noisify.noise import level as levels
from noisify.noise import registry
from noisify.noise.model import make
from noisify.noise.rows import RowModel, SwapFields
from noisify.plan.fit import misfit
from noisify.plan.presets import for_field
from noisify.plan.selectors import Choice, choose
from noisify.plan.words import AMOUNTS, check_level

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from noisify.noise.model import Model
    from noisify.plan.condition import Condition
    from noisify.plan.plan import NoiseSpec, Request
    from noisify.plan.series import Series

ROWS = Field("", "other", "rows")
"""The placeholder field of models of whole rows."""


class Draft(NamedTuple):
    """A step whose level is not an absolute number yet.

    Attributes:
        spec: The spec it comes from.
        number: The number of the spec.
        field: The field.
        model: The model as typed, without its level.
        named: Whether the field was chosen by its exact name and the noise is not zero.
        series: The series of the field, for a model that works along an axis, or None.
    """

    spec: NoiseSpec
    number: int
    field: Field
    model: Model
    named: bool = False
    series: Series | None = None

    @property
    def rowwise(self) -> bool:
        """Whether it works on whole rows."""
        return isinstance(self.model, RowModel)


def drafts_of(
    request: Request, fields: Sequence[Field]
) -> tuple[list[Draft], dict[str, str], list[str]]:
    """Return the drafts, the reason for each field left alone, and notes for the user."""
    drafts: list[Draft] = []
    notes: list[str] = []
    left: dict[str, str] = {}
    views: dict[str, Field] = {}
    places = _places(fields)
    for number, spec in enumerate(request.specs):
        model_class = registry.find(spec.model).load()
        check_level(model_class, {name: getattr(spec, name) for name in AMOUNTS})
        if issubclass(model_class, RowModel):
            if spec.columns:
                raise UsageError(f"{model_class.name} works on whole rows; leave the fields out")
            drafts.append(Draft(spec, number, ROWS, make(model_class, spec.parameters)))
            continue
        chosen = _named(spec, places) or _chosen(spec, model_class, fields)
        found = _noisable(_unhindered(chosen, left), model_class, left)
        found = _of_unit(spec, found, chosen, left)
        notes += _passed_over(spec, chosen, found, left)
        found = _within_reach(spec.where, found, chosen, fields, left)
        model: Model | None = None
        for field_ in found:
            view = views.setdefault(field_.name, field_)
            if view.number != field_.number:
                raise UsageError(
                    f"one model reads it as {view.kind} and {model_class.name} as {field_.kind}; "
                    "run noisify twice",
                    field=field_.name,
                )
            fitted = _for_image(spec, field_) if spec.unit == "image" else spec
            if model is None or fitted is not spec:
                given = {} if fitted.scale is None else {"scale": fitted.scale}
                model = make(model_class, {**fitted.parameters, **given})
                if model.multi_field:
                    model = _joined(model, found)
            named = field_.name in chosen.named and not _is_none(spec)
            drafts.append(Draft(fitted, number, field_, model, named))
    return drafts, left, notes


def _places(fields: Sequence[Field]) -> dict[str, tuple[int, Field]]:
    """Return the place in the file of each field whose name has no other meaning, by its name."""
    aliases = {alias for field_ in fields for alias in field_.aliases}
    return {f.name: (place, f) for place, f in enumerate(fields) if f.name not in aliases}


def _named(spec: NoiseSpec, places: Mapping[str, tuple[int, Field]]) -> Choice | None:
    """Return the fields of a spec that names them exactly; None for any other spec.

    A report on a wide table has a spec for each field: searching all fields for each spec would
    take time quadratic in their number.
    """
    if not spec.columns or spec.exclude or not all(name in places for name in spec.columns):
        return None
    found = sorted({places[name][0]: places[name][1] for name in spec.columns}.items())
    return Choice(tuple(field_ for _, field_ in found), frozenset(spec.columns))


def _chosen(spec: NoiseSpec, model: type[Model], fields: Sequence[Field]) -> Choice:
    try:
        return choose(fields, spec.columns, spec.exclude, _wanted_kinds(spec, model))
    except UsageError:
        if spec.optional or (not spec.columns and _is_none(spec)):
            return Choice(())
        amount = spec.sd or spec.scale
        if isinstance(amount, levels.Duration) and "time" in model.takes and not spec.columns:
            raise misfit(amount, "any field") from None
        raise


def _is_none(spec: NoiseSpec) -> bool:
    """Return whether a spec asks for zero noise, which needs no field."""
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
    """Give a multi-field model the names of its fields."""
    names = tuple(field_.name for field_ in chosen)
    if isinstance(model, SwapFields):
        if len(names) != model.FIELDS:
            raise UsageError(f"{model.name} takes two fields, and {len(names)} are chosen")
        if chosen[0].number != chosen[1].number:
            raise UsageError(
                f"{model.name} needs two fields of one type, and these hold "
                f"{chosen[0].type_name} and {chosen[1].type_name}"
            )
    if len({field_.table for field_ in chosen}) > 1:
        raise UsageError(f"{model.name} needs fields of one length, and these differ")
    return dataclasses.replace(model, fields=names)  # type: ignore[call-arg]


def _unhindered(chosen: Choice, left: dict[str, str]) -> Choice:
    """Remove fields that cannot get noise from a choice, and record the reason for each.

    Raises:
        UsageError: If one was chosen by name, or nothing else was chosen.
    """
    kept = tuple(field for field in chosen.fields if not field.hindrance)
    for field_ in chosen.fields:
        if field_.hindrance and (not kept or field_.name in chosen.named):
            raise UsageError(field_.hindrance, field=field_.name)
        if field_.hindrance:
            left[field_.name] = field_.hindrance
    return dataclasses.replace(chosen, fields=kept)


def _noisable(chosen: Choice, model: type[Model], left: dict[str, str]) -> list[Field]:
    """Return the chosen fields that a model can work on; record the reason for the others."""
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
        elif exactly and field_.number is None and field_.kind in {"other", *model.takes}:
            raise UsageError(f"holds {field_.type_name}, which cannot get noise", field=field_.name)
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
    """Return the fields whose unit fits the level; skip times chosen by a pattern."""
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
    """Return a note about chosen fields that get no noise."""
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
    """Return the fields that have one value for each row of a condition."""
    if where is None:
        return found
    names = where.fields
    tables = {field_.table for field_ in fields if field_.name in names}
    kept = [field_ for field_ in found if tables <= {field_.table}]
    for field_ in found:
        if tables <= {field_.table}:
            continue
        if field_.name in chosen.named or not kept:
            others = ", ".join(sorted(names))
            raise UsageError(
                f"has another shape than {others} in {option('where')}; choose fields of one "
                f"shape with {option('columns')}"
                if "" not in tables
                else f"{option('where')} chooses rows, and this field has no single value in a row",
                field=field_.name,
            )
        left[field_.name] = f"no single value in a row, as {option('where')} needs"
    return kept


def _taken(model: type[Model]) -> str:
    if model.takes >= NUMBER_KINDS - {"complex"}:
        return f"numbers; choose number fields with {option('columns', ':number')}"
    return " or ".join(sorted(model.takes)) + " fields"


def _empty(field_: Field) -> bool:
    return field_.type_name == "empty"

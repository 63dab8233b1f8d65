"""What will be done: what was asked, and what it comes to for one file. Nothing left to decide."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from noisify import levels
from noisify.chunks import NUMBER_KINDS
from noisify.errors import DataError, UsageError, did_you_mean
from noisify.noise import interface, table
from noisify.random_streams import StreamName
from noisify.selection import Choice, choose

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from noisify.chunks import Field
    from noisify.levels import Level
    from noisify.noise.interface import Model
    from noisify.statistics import FieldStatistics
    from noisify.where import Condition

    Surveyor = Callable[[Mapping[Field, frozenset[str]]], Mapping[str, FieldStatistics]]

Decimals = int | Literal["keep"] | None


@dataclass(frozen=True)
class NoiseSpec:
    """One kind of noise on some fields, as asked for.

    Attributes:
        model: The model's name.
        columns: Selectors of the fields; none for the default choice.
        exclude: Selectors of fields to leave out.
        scale: The level of the distribution's scale.
        sd: The level of the noise's own standard deviation, instead.
        snr: The signal-to-noise ratio in dB, instead.
        parameters: The model's other parameters, as typed.
        clip: Bounds for what noise produces, in the field's unit.
        where: Which rows get noise; None: all.
    """

    model: str = "normal"
    columns: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    scale: Level | None = None
    sd: Level | None = None
    snr: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    clip: tuple[float, float] | None = None
    where: Condition | None = None

    def __post_init__(self) -> None:
        """Check that how much is said once."""
        said = [name for name in ("scale", "sd", "snr") if getattr(self, name) is not None]
        said += ["scale"] if "scale" in self.parameters else []
        if len(said) > 1:
            raise UsageError(f"how much noise is said twice, by {' and '.join(said)}; keep one")


@dataclass(frozen=True)
class Request:
    """Everything that was asked for, whatever the file."""

    specs: tuple[NoiseSpec, ...]
    seed: int
    rng: str = "noisify"
    decimals: Decimals = None
    strict: bool = False


@dataclass(frozen=True)
class Step:
    """One kind of noise on one field, with every number settled."""

    field: Field
    model: Model
    stream: StreamName
    clip: tuple[float, float] | None = None
    where: Condition | None = None

    def companions(self) -> frozenset[str]:
        """Return the fields whose values this step's levels need."""
        amounts = (getattr(self.model, f.name) for f in dataclasses.fields(self.model))
        return frozenset(a.field for a in amounts if isinstance(a, levels.FromField))

    def as_json(self) -> dict[str, Any]:
        """Return the step as it stands in a report."""
        parameters = {
            f.name: value
            if isinstance(value := getattr(self.model, f.name), int | float | str | bool)
            else levels.as_json(value)
            for f in dataclasses.fields(self.model)
        }
        clip = None if self.clip is None else [_finite_or_none(bound) for bound in self.clip]
        where = None if self.where is None else self.where.text
        about = {"field": self.field.name, "model": self.model.name}
        return {**about, **parameters, "clip": clip, "where": where}


@dataclass(frozen=True)
class Plan:
    """The steps for one file, in order, and what holds for all of them.

    Attributes:
        steps: Spec by spec, and in a spec field by field in file order.
        fields: The fields that are decoded: those with steps and those whose values levels need.
        left: Why each other field is left alone, by name.
        notes: What the user should know before it runs.
    """

    steps: tuple[Step, ...]
    seed: int
    rng: str = "noisify"
    decimals: Decimals = None
    strict: bool = False
    fields: tuple[Field, ...] = ()
    left: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def noised(self) -> tuple[Field, ...]:
        """The fields that get noise, in file order."""
        chosen = {step.field.name for step in self.steps}
        return tuple(field for field in self.fields if field.name in chosen)

    def steps_by_field(self) -> dict[str, tuple[Step, ...]]:
        """Return the steps of each field that gets noise, in order."""
        steps: dict[str, list[Step]] = {field.name: [] for field in self.noised}
        for step in self.steps:
            steps[step.field.name].append(step)
        return {name: tuple(found) for name, found in steps.items()}

    def conditions(self) -> set[Condition]:
        """Return the conditions on rows that steps have."""
        return {step.where for step in self.steps if step.where is not None}

    def groups(self) -> list[list[Field]]:
        """Return the fields in groups of those that need each other's values, in file order."""
        leader = {field.name: field.name for field in self.fields}

        def lead(name: str) -> str:
            while leader[name] != name:
                name = leader[name]
            return name

        for step in self.steps:
            for companion in step.companions():
                leader[lead(companion)] = lead(step.field.name)
        groups: dict[str, list[Field]] = {}
        for member in self.fields:
            groups.setdefault(lead(member.name), []).append(member)
        return list(groups.values())

    def as_json(self) -> dict[str, Any]:
        """Return the plan as it stands in a report."""
        return {
            "seed": self.seed,
            "rng": self.rng,
            "decimals": self.decimals,
            "strict": self.strict,
            "noise": [step.as_json() for step in self.steps],
        }


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
    drafts: list[tuple[NoiseSpec, Field, type[Model]]] = []
    left: dict[str, str] = {}
    for spec in request.specs:
        model = table.find(spec.model).load()
        chosen = choose(fields, spec.columns, spec.exclude)
        drafts += [(spec, field, model) for field in _noisable(chosen, model, left)]
    needs: dict[Field, frozenset[str]] = {}
    for spec, field_, _ in drafts:
        if need := _need(spec, field_):
            needs[field_] = needs.get(field_, frozenset()) | {need}
    statistics = survey(needs) if needs else {}
    steps: list[Step] = []
    notes: list[str] = []
    used: Counter[tuple[str, str]] = Counter()
    for spec, field_, model in drafts:
        settled = _settle(spec, field_, model, statistics.get(field_.name), notes)
        use = (field_.name, settled.name)
        stream = StreamName(request.seed, *use, ordinal=used[use])
        used[use] += 1
        clip = _checked_clip(spec.clip, field_)
        steps.append(Step(field_, settled, stream, clip, spec.where))
    wanted = {step.field.name for step in steps}
    for step in steps:
        for name in step.companions():
            _check_companion(name, step.field, fields)
            wanted.add(name)
    chosen_names = {step.field.name for step in steps}
    for field_ in fields:
        if field_.name not in chosen_names:
            left.setdefault(field_.name, "not chosen")
    return Plan(
        steps=tuple(steps),
        seed=request.seed,
        rng=request.rng,
        decimals=request.decimals,
        strict=request.strict,
        fields=tuple(field_ for field_ in fields if field_.name in wanted),
        left=left,
        notes=tuple(dict.fromkeys(notes)),
    )


def _noisable(chosen: Choice, model: type[Model], left: dict[str, str]) -> list[Field]:
    """Return the chosen fields that can hold numbers; say of the others why they are left."""
    kept = []
    for field_ in chosen.fields:
        exactly = field_.name in chosen.named
        if field_.number is None and exactly:
            raise UsageError(
                f"holds {field_.type_name}, and {model.name} noise needs numbers; "
                "choose number fields with -c :number",
                field=field_.name,
            )
        if field_.kind in NUMBER_KINDS or (
            field_.number is not None and (exactly or _empty(field_))
        ):
            kept.append(field_)
        else:
            left[field_.name] = f"holds {field_.type_name}"
    return kept


def _empty(field_: Field) -> bool:
    return field_.type_name == "empty"


def _scale(spec: NoiseSpec) -> Level:
    if "scale" in spec.parameters:
        return levels.parse(spec.parameters["scale"])
    return spec.scale if spec.scale is not None else levels.DEFAULT


def _need(spec: NoiseSpec, field_: Field) -> str | None:
    """Return the statistic of the whole field that a spec needs, if any."""
    if spec.snr is not None:
        return "power"
    level = spec.sd or _scale(spec)
    if not isinstance(level, levels.OfField):
        return None
    if field_.kind == "complex" and level.statistic != "sd":
        raise UsageError(
            f"complex numbers have no {level.statistic}; give the level as sd, snr or a number",
            field=field_.name,
        )
    return level.statistic


def _settle(
    spec: NoiseSpec,
    field_: Field,
    model_class: type[Model],
    statistics: FieldStatistics | None,
    notes: list[str],
) -> Model:
    """Return the model with its level made absolute for one field."""
    model = interface.make(model_class, spec.parameters)
    if spec.snr is not None:
        _moments(model, "--snr")
        if statistics is None or not statistics.count:
            return _with_scale(model, levels.Absolute(0.0))
        power = _finite(statistics.power, "mean square", field_)
        if power == 0:
            notes.append(f"field {field_.name!r} is zero throughout: an SNR of it adds no noise")
        noise_power = levels.noise_power(power, spec.snr)
        return _with_scale(model, levels.Absolute(_scale_for_power(model, noise_power)))
    level = spec.sd or _scale(spec)
    factor = 1.0 if spec.sd is None else 1 / _moments(model, "--sd")[1]
    if isinstance(level, levels.OfField):
        if statistics is None or not statistics.count:
            level = levels.Absolute(0.0)
        else:
            _finite(getattr(statistics, level.statistic), level.statistic, field_)
            typed, level = level, level.resolve(statistics)
            if level.value == 0 and typed.factor:
                notes.append(f"field {field_.name!r} has {typed.statistic} 0: {typed} of it is 0")
    return _with_scale(model, level.times(factor) if spec.sd is not None else level)


def _with_scale(model: Model, level: Level) -> Model:
    if isinstance(level, levels.Absolute) and not math.isfinite(level.value):
        raise UsageError(f"a scale of {level.value} is out of range")
    return dataclasses.replace(model, scale=level)  # type: ignore[call-arg]


def _moments(model: Model, option: str) -> tuple[float, float]:
    moments = model.moments()
    if moments is None:
        described = "".join(
            f" with df = {getattr(model, f.name):g}"
            for f in dataclasses.fields(model)
            if f.name == "df"
        )
        raise UsageError(
            f"{model.name}{described} has no variance, so {option} cannot be reached; "
            "give its scale with -s"
        )
    return moments


def _scale_for_power(model: Model, power: float) -> float:
    """Return the scale s at which (s * mean + loc)**2 + (s * sd)**2 is `power`."""
    mean, sd = _moments(model, "--snr")
    loc = float(getattr(model, "loc", 0.0))
    a, b, c = mean * mean + sd * sd, 2 * mean * loc, loc * loc - power
    if c > 0:
        raise UsageError(f"loc {loc:g} alone is more noise than --snr allows; lower one of them")
    return (-b + math.sqrt(b * b - 4 * a * c)) / (2 * a)


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


def _check_condition(where: Condition | None, fields: Sequence[Field]) -> None:
    names = [field_.name for field_ in fields]
    for name in sorted(where.fields - set(names)) if where is not None else ():
        raise UsageError(f"--where names no field {name!r}{did_you_mean(name, names)}")


def _check_companion(name: str, field_: Field, fields: Sequence[Field]) -> None:
    found = [other for other in fields if other.name == name]
    if not found:
        names = [other.name for other in fields]
        raise UsageError(f"level @{name} names no field{did_you_mean(name, names)}")
    if found[0].number is None or found[0].kind == "complex":
        raise UsageError(f"level @{name} needs real numbers, and it holds {found[0].type_name}")
    if found[0].table != field_.table:
        raise UsageError(f"level @{name} is not as long as the field", field=field_.name)


def _finite_or_none(bound: float) -> float | None:
    return bound if math.isfinite(bound) else None

"""Fit a model to one field: its level in the field's unit, from the field's statistics."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from noisify.core.errors import DataError, UsageError
from noisify.core.options import option
from noisify.noise import level as levels
from noisify.noise.additive import StudentT
from noisify.noise.parameters import takes_level
from noisify.plan.presets import check_image

if TYPE_CHECKING:
    from collections.abc import Mapping

    from noisify.core.chunk import Field
    from noisify.noise.level import Level
    from noisify.noise.model import Model
    from noisify.plan.plan import NoiseSpec
    from noisify.statistics.survey import FieldStatistics


def statistics_for(spec: NoiseSpec, field: Field, model: Model) -> dict[str, frozenset[str]]:
    """Return the statistics needed to fit a spec's model to a field, by field."""
    needed = dict(model.statistics(field.name))
    own = needed.get(field.name, frozenset())
    level = _level(spec, model)
    if spec.snr is not None:
        own |= {"power"}
    elif isinstance(level, levels.OfField):
        _check_statistic(level, field)
        own |= {level.statistic}
    if _is_float_image(spec, field):
        own |= {"range"}
    if own:
        needed[field.name] = own
    return needed


def fit(
    spec: NoiseSpec,
    field: Field,
    model: Model,
    statistics: Mapping[str, FieldStatistics],
    notes: list[str],
) -> Model:
    """Return the model for one field, with its level and data-dependent parameters filled in.

    Args:
        spec: The noise spec.
        field: The field.
        model: The spec's model, without its level.
        statistics: The statistics of `statistics_for`, by field.
        notes: Notes for the user are added here.
    """
    model = model.fit(field.name, statistics)
    own = statistics.get(field.name)
    if _is_float_image(spec, field) and own is not None and own.count:
        check_image(own.low, own.high, field.name)
    if spec.snr is not None:
        if field.kind == "time":
            raise UsageError(
                f"times have no SNR; give a scale such as {option('scale', '90s')}",
                field=field.name,
            )
        _moments(model, "snr")
        if own is None or not own.count:
            return _with_scale(model, levels.Absolute(0.0))
        power = _finite(own.power, "mean square", field)
        if power == 0:
            notes.append(f"field {field.name!r} is zero throughout: an SNR of it adds no noise")
        noise_power = levels.noise_power(power, spec.snr)
        scale = _scale_for_power(model, noise_power, own.exponent)
        return _with_scale(model, levels.Absolute(scale))
    level = _level(spec, model)
    if level is None:
        return model
    factor = 1.0 if spec.sd is None else 1 / _moments(model, "sd")[1]
    _check_unit(level, field)
    if isinstance(level, levels.OfField):
        level = _of_field(level, own, field, notes)
    return _with_scale(model, level.times(factor) if spec.sd is not None else level)


def _level(spec: NoiseSpec, model: Model) -> Level | None:
    """Return the level of a spec's scale, or None for a model without one."""
    if not takes_level(type(model)):
        return None
    level: Level = spec.sd or spec.scale or model.scale  # type: ignore[attr-defined]
    return level


def _is_float_image(spec: NoiseSpec, field: Field) -> bool:
    """Return whether a field is an image with values from 0 to 1."""
    return spec.unit == "image" and field.kind == "float"


def _of_field(
    level: levels.OfField, own: FieldStatistics | None, field: Field, notes: list[str]
) -> Level:
    """Return a share of a field's statistic as an absolute level."""
    amount = 0.0
    if own is not None and own.count:
        amount = _finite(level.resolve(own).value, level, field)
        if getattr(own, level.statistic) == 0 and level.factor:
            notes.append(f"field {field.name!r} has {level.statistic} 0: {level} of it is 0")
    return levels.Duration(amount) if field.kind == "time" else levels.Absolute(amount)


def _check_unit(level: Level, field: Field) -> None:
    """Refuse a duration as a level for numbers, and a bare number as a level for times."""
    if isinstance(level, levels.OfField):
        return
    is_time = field.number is not None and field.number.kind == "time"
    if isinstance(level, levels.Duration) != is_time:
        raise misfit(level, field.type_name, field.name)


def misfit(level: Level, what: str, field: str | None = None) -> UsageError:
    """Return the error for a duration as a level for numbers, or a number as one for times."""
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
    if getattr(model, "scale", None) is level:
        return model
    return dataclasses.replace(model, scale=level)  # type: ignore[call-arg]


def _moments(model: Model, asked: str) -> tuple[float, float]:
    moments = model.moments()
    if moments is None:
        described = f" with df = {model.df:g}" if isinstance(model, StudentT) else ""
        raise UsageError(
            f"{model.name}{described} {model.unmeasured}, so {option(asked)} cannot be reached; "
            f"give its scale with {option('scale')}"
        )
    return moments


def _scale_for_power(model: Model, power: float, exponent: int) -> float:
    """Return the scale s at which the mean square of s * z + loc is power * 4**exponent."""
    mean, _ = _moments(model, "snr")
    typed = float(getattr(model, "loc", 0.0))
    with np.errstate(over="ignore", under="ignore"):
        loc = float(np.ldexp(typed, -exponent))
    a, b, c = model.mean_square(), 2 * mean * loc, loc * loc - power
    if c > 0:
        raise UsageError(
            f"loc {typed:g} alone is more noise than {option('snr')} allows; lower one of them"
        )
    return float(np.ldexp((-b + math.sqrt(b * b - 4 * a * c)) / (2 * a), exponent))


def _finite(value: float, what: object, field: Field) -> float:
    if not math.isfinite(value):
        raise DataError(
            f"its {what} is not a finite number; give an absolute level such as "
            f"{option('scale', 0.5)}",
            field=field.name,
        )
    return value


def checked_clip(clip: tuple[float, float] | None, field: Field) -> tuple[float, float] | None:
    """Return the clip bounds; refuse them for complex numbers."""
    if clip is not None and field.kind == "complex":
        raise UsageError(
            f"complex numbers have no order to clip by; drop {option('clip')}", field=field.name
        )
    return clip


def _check_statistic(level: levels.OfField, field: Field) -> None:
    if field.kind == "complex" and level.statistic != "sd":
        raise UsageError(
            f"complex numbers have no {level.statistic}; give the level as sd, snr or a number",
            field=field.name,
        )

"""Explain why noise changed nothing in a field, or less than was asked."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from noisify.core.dtypes import SECOND
from noisify.core.errors import DataError
from noisify.core.options import option
from noisify.formats.csv import number_format
from noisify.noise.level import Absolute, Duration, FromField, Percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from noisify.core.chunk import Field
    from noisify.engine.counts import FieldReport
    from noisify.plan.plan import Plan, Step

_STANDARD_ERRORS = 4
"""Standard errors by which the sd of a change may differ from the one asked without a reason."""
_SHORT = 0.9
"""Changes with less than this share of the sd that was asked are reported."""
_FEW = 0.01
"""The least share of clipped or saturated elements that counts as a reason."""
_WITH_UNIT = re.compile(r"\D{0,3}\s?[+-]?\d[\d.,]*\s?\D{1,5}|\D{1,3}\s?[+-]?\d[\d.,]*")
_TRUTHS = {"true", "false", "yes", "no"}
_MOST_SHOWN = 40
EXPECTED = {"time": "a time", "decimal": "within the field's precision"}
"""What a cell must be to get noise, by the kind of its field; by default a number."""


def check_named(plan: Plan, fields: Mapping[str, FieldReport]) -> None:
    """Refuse a field that was selected by its exact name but has no parseable cell.

    Args:
        plan: The plan that was carried out.
        fields: The effects of noise on each field.

    Raises:
        DataError: If there is one.
    """
    for step in plan.field_steps:
        name = step.field.name
        met = fields.get(name)
        if met is None or name not in plan.named or not met.unparseable:
            continue
        if met.unparseable + met.nulls == met.elements:
            raise DataError(_no_number(step, met), field=name)


def notes(plan: Plan, fields: Mapping[str, FieldReport]) -> Iterator[tuple[str, str]]:
    """Yield each field in which a level or rate above zero changed nothing, and why.

    Args:
        plan: The plan that was carried out.
        fields: The effects of noise on each field.
    """
    by_field = plan.steps_by_field()
    for name, met in fields.items():
        steps = by_field.get(name, [])
        if met.changed or not met.elements or all(map(_is_zero, steps)):
            continue
        yield name, f"nothing changed: {_reason(steps, met, plan.decimals)}"


def asked_sd(steps: Sequence[Step]) -> float | None:
    """Return the sd of the noise that was asked for a field, in its unit, if it is one number.

    That is so for a single step of independent additive noise of absolute level on all elements.
    """
    if len(steps) != 1:
        return None
    (step,) = steps
    moments = step.model.moments() if step.model.independent else None
    level = getattr(step.model, "scale", None)
    if moments is None or step.where is not None or not isinstance(level, Absolute | Duration):
        return None
    return moments[1] * (level.value if isinstance(level, Absolute) else level.seconds)


def shortfall(plan: Plan, steps: Sequence[Step], met: FieldReport) -> str | None:
    """Explain why the sd of a field's change is much smaller than asked; None if it is not.

    Args:
        plan: The plan that was carried out.
        steps: Its steps for the field.
        met: The measured effects of noise on the field.
    """
    asked = asked_sd(steps)
    if not asked or met.change is None or not met.changed:
        return None
    change = met.change.total()
    found, count = float(change.sd), change.count
    slack = 1 - _STANDARD_ERRORS / math.sqrt(2 * count)
    if not math.isfinite(found) or found >= min(_SHORT, slack) * asked:
        return None
    field = steps[0].field
    because = []
    if met.clipped > _FEW * count:
        because.append(f"{met.clipped:,} elements were clipped")
    if met.saturated > _FEW * count:
        because.append(f"{met.saturated:,} elements are at the end of their type's range")
    if asked < _unit(field, plan.decimals):
        because.append(_rounding(field, plan.decimals))
    if not because:
        return None
    return f"the change has sd {found:.4g} where {asked:.4g} was asked: {'; '.join(because)}"


def _is_zero(step: Step) -> bool:
    """Return whether a step asks for no noise."""
    model = step.model
    amount: Any = getattr(model, model.level, None) if model.level else None
    match amount:
        case Absolute(value):
            return value == 0
        case Percent(share):
            return share == 0
        case FromField(_, factor):
            return factor == 0
        case Duration(seconds):
            return seconds == 0
    return isinstance(amount, int | float) and not isinstance(amount, bool) and amount == 0


def _reason(steps: Sequence[Step], met: FieldReport, decimals: object) -> str:
    """Return why no element of a field changed."""
    usable = met.elements - met.nulls - met.unparseable
    active = [step for step in steps if not _is_zero(step)]
    if not usable:
        if met.unparseable:
            return _no_number(active[0], met)
        return f"all {met.elements:,} elements are missing"
    if all(step.where is not None for step in active) and not met.met:
        texts = dict.fromkeys(step.where.text for step in active if step.where is not None)
        return f"no element with a value meets {option('where')} {' or '.join(map(repr, texts))}"
    if met.clipped:
        return f"{option('clip')} holds every element where it is"
    if met.saturated:
        return f"every element is at the end of {active[0].field.type_name}'s range already"
    return _too_little(active[0], usable, decimals)


def _too_little(step: Step, usable: int, decimals: object) -> str:
    """Return why a step that could have changed elements changed none."""
    model, what = step.model, f"{usable:,} element{'' if usable == 1 else 's'}"
    if model.level == "rate":
        rate = float(getattr(model, "rate", 0.0))
        return f"{model.name} at rate {rate:g} found nothing to change in {what}"
    if model.level != "scale" or model.halo:  # a neighbour's value may be the same
        return f"{model.name} found nothing to change in {what}"
    coarse = _rounding(step.field, decimals)
    because = coarse or f"it is below the last digit of {step.field.type_name}"
    return f"a scale of {getattr(model, 'scale', 0)} is too small: {because}; take a larger one"


def _unit(field: Field, decimals: object) -> float:
    """Return the step to which noise is rounded, in a field's unit; 0 if floats keep it all."""
    number, own = field.number, _packed_step(field)
    if number is not None and number.kind in {"int", "decimal"}:
        own = 10.0**-number.decimal_scale
    elif number is not None and number.kind == "time":
        own = number.tick / SECOND
    return max(own, 10.0**-decimals) if isinstance(decimals, int) else own


def _packed_step(field: Field) -> float:
    """Return the value of one step of a packed field's integer code; 0 for other fields."""
    packing = field.packing
    return abs(packing.scale) if packing is not None and packing.codes.kind == "int" else 0.0


def _rounding(field: Field, decimals: object) -> str:
    """Say to what noise in a field is rounded; empty if it is not."""
    number = field.number
    if step := _packed_step(field):
        return f"its values are packed in steps of {step:g}"
    if isinstance(decimals, int):
        return f"{option('decimals')} {decimals} rounds it"
    if number is None or number.kind == "float":
        return f"{option('decimals')} keep rounds it" if decimals == "keep" else ""
    if number.kind == "time":
        return f"times are kept in steps of {_span(number.tick)}"
    if number.kind == "decimal":
        return f"decimals keep {number.decimal_scale} digits after the point"
    return "whole numbers stay whole, so what is below 0.5 is rounded away"


def _span(nanoseconds: int) -> str:
    units = {86400 * 10**9: "a day", 10**9: "1 s", 10**6: "1 ms", 10**3: "1 µs", 1: "1 ns"}
    return units.get(nanoseconds, f"{nanoseconds / 10**9:g} s")


def _no_number(step: Step, met: FieldReport) -> str:
    """Explain that no cell of a field is a number, with the first cell and advice."""
    what = EXPECTED.get(step.field.kind, "a number")
    first = met.first_unparseable
    shown = first if len(first) <= _MOST_SHOWN else first[: _MOST_SHOWN - 1] + "…"
    return f"no cell is {what}, the first is {shown!r}{_help(first, what)}"


def _help(cell: str, what: str) -> str:
    """Return advice on how to make a cell parse, or empty."""
    if what == EXPECTED["decimal"]:
        return "; cast the column to a wider decimal first"
    if what == EXPECTED["time"]:
        return "; times are read as ISO 8601, such as 2024-03-01T06:00:00Z"
    text = cell.strip().strip('"').strip()
    if option := number_format.option_for([text]):
        return f"; type {option}"
    return f"; {_help_with_text(text)}"


def _help_with_text(text: str) -> str:
    """Say what to do with a cell that is not a number in any notation."""
    if text[:1] == text[-1:] == "'":
        return "take the ' around it away first: the quote of a CSV is \""
    if re.search(r"\d", text) and _WITH_UNIT.fullmatch(text):
        return "take the unit away first"
    if text.casefold() in _TRUTHS:
        return f"for truths choose a model of labels such as {option('model', 'label-flip')}"
    return f"for texts choose a text model such as {option('model', 'typo')}"

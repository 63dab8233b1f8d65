"""Print the fields of a file, and which get noise by default, for `--list-fields`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from noisify.cli.shown_values import shown_duration, shown_seconds
from noisify.comparison.result import text_table
from noisify.core.chunk import NUMBER_KINDS
from noisify.core.errors import UsageError, printable
from noisify.core.urls import redacted
from noisify.engine.open_input import OpenInput
from noisify.engine.survey import in_passes
from noisify.plan.selectors import choose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.core.chunk import Field
    from noisify.engine.open_input import Settings
    from noisify.statistics.survey import FieldStatistics

_HEADS = ("field", "kind", "type", "values", "nulls", "min", "max", "sd", "noise by default")
_TEXTS = (0, 1, 2, len(_HEADS) - 1)
"""Columns of texts; the others are numbers."""
_NEEDED = frozenset({"sd", "range"})
_NEEDED_OF_COMPLEX = frozenset({"sd"})  # they have no order
_MEASURED = NUMBER_KINDS | {"time"}


def field_listing(path: str, settings: Settings) -> str:
    """Return a table of a file's fields: a line each, and whether it gets noise by default.

    Nulls count NaN and infinite values too. Times are shown as dates, their sd with a unit.

    Args:
        path: The file's path, or `-`.
        settings: How to read it.

    Raises:
        NoisifyError: If it cannot be read.
    """
    with OpenInput(path, settings) as opened:
        fields = opened.source.fields
        measured = [field for field in fields if field.number and field.kind in _MEASURED]
        opened.spool("its fields are counted")
        found = in_passes(
            {
                field: _NEEDED_OF_COMPLEX if field.kind == "complex" else _NEEDED
                for field in measured
                if not field.hindrance
            },
            opened.survey_pass,
        )
        opened.tell()
        chosen, why = _default_choice(fields)
    rows = [_row(field, found.get(field.name), chosen) for field in fields]
    lines = [f"{redacted(path)} ({opened.format.name})", *text_table([_HEADS, *rows], _TEXTS)]
    return "\n".join([*lines, *([why] if why else []), ""])


def _default_choice(fields: Sequence[Field]) -> tuple[frozenset[str], str]:
    """Return the fields that get noise by default; if none does, why."""
    try:
        return frozenset(field.name for field in choose(fields, (), ()).fields), ""
    except UsageError as error:
        return frozenset(), f"no field gets noise by default: {error}"


def _row(
    field: Field, statistics: FieldStatistics | None, chosen: frozenset[str]
) -> tuple[str, ...]:
    """Return a field's line."""
    name = printable(field.name).replace("\n", "\\n")
    default = "yes" if field.name in chosen and not field.hindrance else _why_not(field)
    if statistics is None:
        return (name, field.kind, field.type_name, *(["-"] * 5), default)
    nulls = statistics.length - statistics.count
    shown = shown_seconds if field.kind == "time" else _shown_number
    spread = shown_duration if field.kind == "time" else "{:.6g}".format
    return (
        name,
        field.kind,
        field.type_name,
        f"{statistics.length:,}",
        f"{nulls:,}",
        *(shown(number, field) if math.isfinite(number) else "-" for number in (
            statistics.low, statistics.high)),
        spread(statistics.sd) if math.isfinite(statistics.sd) else "-",
        default,
    )  # fmt: skip


def _shown_number(number: float, _field: Field) -> str:
    return f"{number:.6g}"


_WHY_NOT = {
    "float": "no",
    "complex": "no",
    "int": "no: may be an id; name it with -c",
    "decimal": "no: may be an id; name it with -c",
    "time": "no: a time; name it with -c, and a level such as 90s",
    "text": "no: a text; name it with -c, and a model for texts",
    "bool": "no: a label; name it with -c, and a model for labels",
}


def _why_not(field: Field) -> str:
    """Return why a field gets no noise by default, and how it gets some."""
    if field.hindrance:
        return f"no: {field.hindrance}"
    if field.number is None and not field.views:
        return "no: cannot get noise"
    if field.role:
        return f"no: {field.role}; name it with -c"
    return _WHY_NOT.get(field.kind, "no")

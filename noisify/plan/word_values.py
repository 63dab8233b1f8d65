"""Read the values of a noise spec's words, and check their types."""

from __future__ import annotations

from noisify.core.errors import UsageError, shown
from noisify.core.values import read_bounds, texts
from noisify.noise import level as levels
from noisify.noise import registry
from noisify.plan.condition import Condition
from noisify.plan.condition import parse as parse_condition


def read_names(value: object) -> tuple[str, ...]:
    """Read the exact names of fields.

    Raises:
        UsageError: If it is not a name or a list of names.
    """
    names = texts("field", value)
    if not names:
        raise UsageError("field [] names no field; leave it out for the default choice")
    return names


def read_clip(value: object) -> tuple[float, float]:
    """Read [LO, HI] or LO|HI; None or an empty text means no bound.

    Raises:
        UsageError: If it is anything else.
    """
    bounds = read_bounds(value.split("|") if isinstance(value, str) else value)
    if bounds is None:
        raise UsageError(
            f"clip {shown(value)} is not LO and HI with LO at most HI, such as 0|255 "
            "(in a recipe: [0, 255])"
        )
    return bounds


def read_where(value: object) -> Condition:
    """Read a condition on rows.

    Raises:
        UsageError: If it is not a condition.
    """
    if isinstance(value, Condition):
        return value
    if not isinstance(value, str):
        raise UsageError(f"where {shown(value)} is not a text such as 'age > 60'")
    return parse_condition(value, name="where")


def read_model(value: object) -> registry.ModelEntry:
    """Read a model's name, or an alias of it.

    Raises:
        UsageError: If there is no such model.
    """
    if not isinstance(value, str):
        raise UsageError(f"model {shown(value)} is not a text such as 'normal'")
    return registry.find(value)


def read_sd(value: str | float | levels.Level) -> levels.Level:
    """Read a level of the noise's own standard deviation.

    Raises:
        UsageError: If it is not a level.
    """
    return levels.parse(value, option="sd")


def read_stream(value: object) -> int:
    """Read the number of a random stream.

    Raises:
        UsageError: If it is not a whole number in range.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _STREAMS:
        raise UsageError(f"stream {shown(value)} is not a whole number of at least 0")
    return value


_STREAMS = 1 << 32


def read_unit(value: object) -> str:
    """Read the unit that numbers are shares of.

    Raises:
        UsageError: If it is not a known unit.
    """
    if not isinstance(value, str) or value != "image":
        raise UsageError(f"unknown unit {shown(value)}; the only unit is 'image'")
    return "image"

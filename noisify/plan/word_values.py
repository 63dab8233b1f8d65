"""What the words of a noise spec may be: each read, and checked for its type, in one place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from noisify.core.errors import UsageError, shown
from noisify.noise import level as levels
from noisify.noise import registry
from noisify.plan.condition import parse as parse_condition

if TYPE_CHECKING:
    from noisify.plan.condition import Condition

KINDS = {
    "float": "a number",
    "int": "a whole number",
    "str": "a text",
    "bool": "true or false",
    "Words": "a list of texts",
    "Numbers": "a list of numbers",
    "Matrix": "a list of lists of numbers",
}
"""What each type of parameter is called in an error."""


def is_of_another_kind(kind: str, value: Any) -> bool:  # noqa: ANN401
    """Return whether a value would be read as a parameter's kind though it is none."""
    match kind.partition(" | ")[0]:
        case "int":
            return not is_plain(value) or (
                isinstance(value, Real)
                and not isinstance(value, Integral)
                and not float(value).is_integer()
            )
        case "bool":
            return isinstance(value, list | dict)
        case "Level":
            return not (is_plain(value) or isinstance(value, levels.Level))
        case "float" | "str" | "Rate":
            return not is_plain(value)
        case "Words" | "Numbers":
            return not all(map(is_plain, value if is_list(value) else [value]))
        case _:
            return not (is_plain(value) or is_list(value))


def is_plain(value: Any) -> bool:  # noqa: ANN401
    """Return whether a value is a text, or a number that is no truth value, of any type."""
    if isinstance(value, bool) or not isinstance(value, str | Real | Decimal):
        return False
    return not isinstance(value, int) or value.bit_length() <= _MOST_BITS


_MOST_BITS = 1024
"""More than a float's exponent: such an integer is no amount."""


def is_list(value: Any) -> bool:  # noqa: ANN401
    """Return whether a value is a list, a tuple, an array or the like of values."""
    scalar = getattr(value, "ndim", 1) == 0 or isinstance(value, str | bytes | Mapping)
    return isinstance(value, Iterable) and not scalar


def texts(key: str, value: Any) -> tuple[str, ...]:  # noqa: ANN401
    """Read one text or several.

    Raises:
        UsageError: If it is neither a text nor a list, an array or the like of texts.
    """
    parts = tuple(value) if is_list(value) else (value,)
    if all(isinstance(part, str) for part in parts):
        return tuple(map(str, parts))
    raise UsageError(f"{key} {shown(value)} is neither a text nor a list of texts")


def read_names(value: Any) -> tuple[str, ...]:  # noqa: ANN401
    """Read the exact names of fields.

    Raises:
        UsageError: If it is none.
    """
    names = texts("field", value)
    if not names:
        raise UsageError("field [] names no field; leave it out for the default choice")
    return names


def read_clip(value: Any) -> tuple[float, float]:  # noqa: ANN401
    """Read [LO, HI] or LO|HI; None and an empty text are no bound.

    Raises:
        UsageError: If it is neither.
    """
    bounds = value.split("|") if isinstance(value, str) else value
    low = high = math.nan
    if isinstance(bounds, list | tuple) and len(bounds) == 2:  # noqa: PLR2004 - low and high
        try:
            low, high = (
                open_bound if bound is None or bound == "" else float(bound)
                for bound, open_bound in zip(bounds, (-math.inf, math.inf), strict=True)
                if not isinstance(bound, bool)
            )
        except (TypeError, ValueError, OverflowError):
            low = math.nan
    if not low <= high:
        raise UsageError(
            f"clip {shown(value)} is not LO and HI with LO at most HI, such as 0|255 "
            "(in a recipe: [0, 255])"
        )
    return low, high


def read_where(value: Any) -> Condition:  # noqa: ANN401
    """Read a condition on rows.

    Raises:
        UsageError: If it is none.
    """
    if not isinstance(value, str):
        raise UsageError(f"where {shown(value)} is not a text such as 'age > 60'")
    try:
        return parse_condition(value)
    except UsageError as error:
        raise UsageError(error.message.removeprefix("--")) from None


def read_model(value: Any) -> registry.ModelEntry:  # noqa: ANN401
    """Read a model's name, or an alias of it.

    Raises:
        UsageError: If it is none.
    """
    if not isinstance(value, str):
        raise UsageError(f"model {shown(value)} is not a text such as 'normal'")
    return registry.find(value)


def read_sd(value: Any) -> levels.Level:  # noqa: ANN401
    """Read a level of the noise's own standard deviation.

    Raises:
        UsageError: If it is none.
    """
    return levels.parse(value, option="sd")


def read_stream(value: Any) -> int:  # noqa: ANN401
    """Read the number of a random stream.

    Raises:
        UsageError: If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _STREAMS:
        raise UsageError(f"stream {shown(value)} is not a whole number of at least 0")
    return value


_STREAMS = 1 << 32


def read_unit(value: Any) -> str:  # noqa: ANN401
    """Read what numbers are shares of.

    Raises:
        UsageError: If it is none.
    """
    if not isinstance(value, str) or value != "image":
        raise UsageError(f"unit {shown(value)} is none; the one unit is 'image'")
    return "image"

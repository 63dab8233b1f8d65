"""Values, times and durations as they are shown in dry runs, previews and lists of fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.dtypes import DAY, SECOND, NumberType
from noisify.core.errors import printable
from noisify.core.time_text import is_duration, time_text
from noisify.noise.level import SPANS

if TYPE_CHECKING:
    from noisify.core.chunk import Column, Field

_UNITS = [(unit, SPANS[unit]) for unit in ("d", "h", "min", "s", "ms", "us")]


def shown_value(value: Any, column: Column) -> str:  # noqa: ANN401 - of any dtype
    """Return a value of a column as text, times as dates and decimals with their point."""
    number = column.number
    if number.kind == "time":
        return shown_time(int(value), column.field, number)
    plain = value.item() if isinstance(value, np.generic) else value
    if scale := number.decimal_scale:
        digits = f"{abs(int(str(plain))):0{scale + 1}d}"
        sign = "-" if str(plain).startswith("-") else ""
        return f"{sign}{digits[:-scale]}.{digits[-scale:]}"
    return printable(str(value) if isinstance(value, np.float32) else str(plain))


def shown_time(ticks: int, field: Field, number: NumberType) -> str:
    """Return a date, time of day or duration as text.

    Args:
        ticks: Its ticks, as the field stores it.
        field: Its field.
        number: The type of the ticks.
    """
    if is_duration(field):
        return f"{ticks * number.tick / SECOND:.12g}s"
    return time_text(ticks, number)


def shown_seconds(seconds: float, field: Field) -> str:
    """Return a date, time of day or duration as text; a date or time to the whole second.

    Args:
        seconds: Its seconds, as a float.
        field: Its field.
    """
    if is_duration(field):
        return shown_duration(seconds)
    if abs(seconds) > np.iinfo(np.int64).max:
        return f"{seconds:.6g}s"
    text = str(np.datetime64(round(seconds), "s"))
    number = field.number or NumberType.time(SECOND)
    if number.span:
        return text.partition("T")[2]
    return text.partition("T")[0] if number.tick % DAY == 0 else text


def shown_duration(seconds: float) -> str:
    """Return a duration in the largest unit that it fills, to six digits: `2.88675h`."""
    size = abs(seconds)
    unit, length = next((one for one in _UNITS if size >= one[1]), ("s", 1.0))
    return f"{seconds / length:.6g}{unit}"

"""Dates, times of day and durations as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from noisify.core.dtypes import DAY, SECOND

if TYPE_CHECKING:
    from noisify.core.chunk import Field
    from noisify.core.dtypes import NumberType

_TICKS: dict[int, Literal["D", "s", "ms", "us", "ns"]] = {
    DAY: "D",
    SECOND: "s",
    10**6: "ms",
    10**3: "us",
    1: "ns",
}
"""NumPy's units of time by their nanoseconds."""


def is_duration(field: Field) -> bool:
    """Return whether a field of times holds durations."""
    return "delta" in field.type_name or "duration" in field.type_name


def time_text(ticks: int, number: NumberType) -> str:
    """Return a date, a time or a time of day as ISO 8601 writes it, without its zone.

    A time that NumPy cannot count in its unit is given in seconds since 1970.

    Args:
        ticks: Its ticks.
        number: The type of the ticks.
    """
    unit = max(known for known in _TICKS if number.tick % known == 0)
    count = ticks * (number.tick // unit)
    if abs(count) > np.iinfo(np.int64).max:
        return f"{ticks * number.tick // SECOND}s"
    text = str(np.datetime64(count, _TICKS[unit]))
    return text.partition("T")[2] if number.span else text

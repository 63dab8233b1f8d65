"""The indices of records by the value of their key, instead of by their row.

Equal values have equal indices, whatever type holds them: 7, 7.0 and the text "7", true and
"True", 2024-03-01 as a date, a midnight or a text.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.streams.streams import index_of_key
from noisify.streams.words import mix64

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Uint64s = NDArray[np.uint64]

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d+))?)?)?(Z|[+-]\d\d:?\d\d)?"
)
_TIME_OF_DAY = re.compile(r"(\d\d:\d\d)(?::(\d\d)(?:\.(\d+))?)?")
_LOWEST, _BEYOND = -(1 << 63), 1 << 64
"""Whole numbers in this range are hashed as such; others as float64."""
MISSING = index_of_key("")
"""The index of a missing key of `bias`."""
_STEP = np.uint64(0x9E3779B97F4A7C15)


def meaning(text: str) -> int | str:
    """Normalise a key's text: a whole number becomes an int, anything else one text for each value.

    >>> [meaning(text) for text in ("7", "7.0", "007", "0.50", "True", "2024-03-01 00:00:00", "x ")]
    [7, 7, 7, '0.5', 'true', '2024-03-01', 'x ']
    """
    plain = text.strip()
    if _INTEGER.fullmatch(plain):
        return _number(int(plain))
    if _NUMBER.fullmatch(plain) and math.isfinite(value := float(plain)):
        return _number(value)
    if plain.casefold() in {"true", "false"}:
        return plain.casefold()
    if time := _TIME.fullmatch(plain):
        return _time(*time.groups())
    if clock := _TIME_OF_DAY.fullmatch(plain):
        return _clock(*clock.groups())
    return text


def _number(value: float) -> int | str:
    """Return a whole number as int, any other as the shortest text that reads back as it."""
    if _LOWEST <= value < _BEYOND and value == int(value):
        return int(value)
    return repr(float(value))


def _time(day: str, *parts: str | None) -> str:
    """Return a time, in UTC if it has a zone, without midnight and without trailing zeros."""
    minute, second, rest, zone = (part or "" for part in parts)
    clock = f"{minute or '00:00'}:{second or '00'}"
    if zone and zone != "Z":
        try:
            there = dt.datetime.fromisoformat(f"{day}T{clock}{zone}").astimezone(dt.UTC)
        except (ValueError, OverflowError):  # no such day, or beyond the years of the library
            return f"{day}T{clock}.{rest}{zone}"
        day, clock, zone = there.date().isoformat(), there.time().isoformat(), "Z"
    fraction = rest.rstrip("0")
    if clock == "00:00:00" and not fraction and not zone:
        return day
    return f"{day}T{clock}{'.' if fraction else ''}{fraction}{zone}"


def _clock(minute: str, second: str | None, fraction: str | None) -> str:
    """Return a time of day with its seconds, without trailing zeros of their fraction."""
    return f"{minute}:{second or '00'}.{fraction or ''}".rstrip("0").rstrip(".")


def index_of(text: str) -> int:
    """Return the index of a key's text."""
    found = meaning(text)
    if isinstance(found, str):
        return index_of_key(found)
    return int(indices_of_integers(np.array([found % (1 << 64)], np.uint64))[0])


def indices_of_integers(values: NDArray[Any]) -> Uint64s:
    """Return the indices of whole numbers, int64 or uint64: mix64(value + 0x9E37…7C15)."""
    return mix64(values.astype(np.uint64) + _STEP)


def indices_of_texts(texts: list[str]) -> Uint64s:
    """Return the indices of texts."""
    return np.array([index_of(text) for text in texts], np.uint64)


def indices_of_floats(values: NDArray[np.floating[Any]]) -> Uint64s:
    """Return the indices of finite numbers, each as the shortest decimal of its width."""
    wide = values.astype(np.float64)
    whole = (wide == np.rint(wide)) & (np.abs(wide) < -_LOWEST)
    found = np.empty(len(values), np.uint64)
    found[whole] = indices_of_integers(wide[whole].astype(np.int64))
    different, places = np.unique(values[~whole], return_inverse=True)
    found[~whole] = indices_of_texts([str(value) for value in different])[places]
    return found


def combined(parts: list[Uint64s]) -> Uint64s:
    """Return the indices of keys of several fields: h = mix64(h + 0x9E37…7C15) xor the next."""
    found = parts[0]
    for part in parts[1:]:
        found = mix64(found + _STEP) ^ part
    return found

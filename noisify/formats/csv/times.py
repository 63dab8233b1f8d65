"""Parse cells as times, and write times back in each cell's own layout."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from noisify.core.arrow_arrays import strings, without_nulls
from noisify.core.dtypes import DAY, SECOND, NumberType
from noisify.core.lazy_libraries import pa
from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

MINUTE = 60 * SECOND
_MICROSECOND = SECOND // 10**6
_TIME = re.compile(
    r"0000-00-00(?:(?P<separator>[Tt ])00:00(?P<seconds>:00(?:[.,](?P<fraction>0{1,9}))?)?"
    r"(?P<zone> ?(?:[Zz]|UTC|GMT|[+-]00(?::?00)?))?)?"
)
"""A date or a time of ISO 8601 or RFC 3339, or as databases write them; every digit is 0."""
_CLOCK = re.compile(r"00:00(?P<seconds>:00(?:[.,](?P<fraction>0{1,9}))?)?")
_FIRST_DAY = "1970-01-01T"
_ZONE = re.compile(r"[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?")
_TIME_LIKE = re.compile(r"0000-00-00(?:[Tt ]00:00.*)?|00:00(?::00.*)?")
_DIGITS_AS_0 = bytes.maketrans(b"123456789", b"000000000")
_LAST = np.datetime64("9999-12-31T23:59:59.999999999", "us")
_FIRST = np.datetime64("0001-01-01", "us")
_LEAST, _MOST = -(1 << 63) + 1, (1 << 63) - 1
"""The range of ticks; the least int64 is NumPy's NaT."""


@frozen
class TimeLayout:
    """The layout of a time as text.

    Attributes:
        separator: The character between date and time, or empty for a date only.
        length: The characters of the time without its zone.
        zone: The characters of its zone.
        tick: The nanoseconds in a unit of its last digit.
        mark: The decimal mark before its fraction.
        day: The date to put before a time of day, which has none of its own; else empty.
    """

    separator: str
    length: int
    zone: int
    tick: int
    mark: str = "."
    day: str = ""

    @classmethod
    def of(cls, shape: str) -> TimeLayout | None:
        """Return the layout of a text in which every digit is 0; None if it is not a time."""
        match = _TIME.fullmatch(shape) or _CLOCK.fullmatch(shape)
        if match is None:
            return None
        day = _FIRST_DAY if match.re is _CLOCK else ""
        zone = len("" if day else match["zone"] or "")
        if not day and match["separator"] is None:
            return cls("", len(shape), 0, DAY)
        tick = MINUTE if match["seconds"] is None else SECOND
        if match["fraction"] is not None:
            tick = SECOND // 10 ** len(match["fraction"])
        separator = "" if day else match["separator"]
        return cls(separator, len(shape) - zone, zone, tick, "," if "," in shape else ".", day)

    def write(self, text: str) -> str:
        """Rewrite a time that NumPy has formatted in this layout, without a zone."""
        own = text[len(self.day) :][: self.length]
        return own.replace("T", self.separator or "T").replace(".", self.mark)


@frozen
class Times:
    """Cells read as times.

    Attributes:
        values: Ticks since 1970 in the cell's own zone, int64, shape (n,).
        valid: Mask of the cells that are times, shape (n,).
        layouts: The distinct layouts.
        codes: The index of each cell's layout, shape (n,).
        zones: The text of each cell's zone, shape (n,).
    """

    values: NDArray[np.int64]
    valid: NDArray[np.bool_]
    layouts: tuple[TimeLayout | None, ...]
    codes: NDArray[np.int64]
    zones: NDArray[Any]


def _to_digit(moments: NDArray[np.int64], digit: int) -> NDArray[np.int64]:
    """Round times to the unit of their last digit, downwards where up would overflow int64."""
    down = np.floor_divide(moments, digit) * digit
    rest = moments - down
    up = (rest >= digit - digit // 2) & (down <= _MOST - digit)
    return down + np.where(up, digit, 0)


def time_type(cells: Sequence[bytes]) -> NumberType | None:
    """Return the number type of some times, in the finest unit among them.

    Returns:
        The type; None if a cell is not a time, or times of day are mixed with dates.
    """
    found = [TimeLayout.of(shape) for shape in _shapes(cells)]
    layouts = [layout for layout in found if layout is not None]
    if len(layouts) < len(found) or len({layout.day for layout in layouts}) != 1:
        return None
    tick = min(layout.tick for layout in layouts)
    return NumberType.time(tick, span=DAY // tick if layouts[0].day else 0)


def look_like_times(cells: Sequence[bytes]) -> bool:
    """Return whether all cells look like ISO 8601 dates or times."""
    first = all(map(_TIME_LIKE.fullmatch, _shapes(cells[:1])))  # quickly rejects most columns
    return first and all(map(_TIME_LIKE.fullmatch, _shapes(cells)))


def _shapes(cells: Iterable[bytes]) -> set[str]:
    """Return the distinct cells with every digit replaced by 0."""
    return {cell.decode("latin-1") for cell in {cell.translate(_DIGITS_AS_0) for cell in cells}}


def decode_times(texts: pa.Array, number: NumberType) -> Times:
    """Parse texts as times of a type; texts of finer times and other texts are not valid."""
    tick = number.tick
    cells = without_nulls(texts).view(pa.binary()).to_pylist()
    shapes = [cell.translate(_DIGITS_AS_0) for cell in cells]
    numbers = {shape: place for place, shape in enumerate(dict.fromkeys(shapes))}
    layouts = tuple(TimeLayout.of(shape.decode("latin-1")) for shape in numbers)
    codes = np.array([numbers[shape] for shape in shapes], np.int64)
    values = np.zeros(len(codes), np.int64)
    valid = np.zeros(len(codes), bool)
    zones = np.full(len(codes), "", object)
    for code, layout in enumerate(layouts):
        if layout is None or layout.tick < tick or bool(layout.day) != bool(number.span):
            continue
        for at in np.flatnonzero(codes == code).tolist():
            text = cells[at].decode("latin-1")
            ticks = _ticks(layout.day + text[: layout.length], tick)
            zone = text[layout.length :]
            in_range = zone.lstrip(" ")[:1] not in {"+", "-"} or _ZONE.fullmatch(zone.lstrip(" "))
            if ticks is not None and in_range:
                values[at], valid[at], zones[at] = ticks, True, zone
    return Times(values, valid, layouts, codes, zones)


def _ticks(text: str, tick: int) -> int | None:
    """Return the ticks since 1970 of a time without its zone; None if it does not exist."""
    seconds = text[:19].replace(" ", "T").replace("t", "T")
    try:
        moment = int(np.datetime64(seconds, "s").astype(np.int64)) * SECOND
    except ValueError:
        return None
    ticks = (moment + int(text[20:].ljust(9, "0"))) // tick
    return ticks if _LEAST <= ticks <= _MOST else None


def encode_times(
    values: NDArray[np.int64], times: Times, which: NDArray[np.bool_], tick: int
) -> pa.Array:
    """Format times in the layouts of the cells they come from.

    Args:
        values: Ticks since 1970, shape (n,).
        times: The parsed cells.
        which: Mask of the cells to format, shape (n,).
        tick: The nanoseconds in a tick.
    """
    unit: Literal["ns", "us"] = "ns" if tick < _MICROSECOND else "us"
    base = 1 if unit == "ns" else _MICROSECOND
    moments = values[which] * (tick // base)
    codes = times.codes[which]
    for code, layout in enumerate(times.layouts):
        digit = 1 if layout is None else max(1, layout.tick // base)
        here = codes == code
        if digit > tick // base:
            moments[here] = _to_digit(moments[here], digit)
    if unit == "us":
        moments = np.clip(moments.view("M8[us]"), _FIRST, _LAST).view(np.int64)
    texts = np.datetime_as_string(moments.view(f"M8[{unit}]"), unit=unit).tolist()
    written = []
    for text, code, zone in zip(texts, codes.tolist(), times.zones[which].tolist(), strict=True):
        layout = times.layouts[code]
        if layout is None:
            raise AssertionError(text)
        written.append(layout.write(text) + zone)
    return strings(written)

"""Which character stands between cells: as it was typed, or sniffed from the first records."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from noisify.core.errors import UsageError
from noisify.core.value_class import frozen
from noisify.formats.csv.cells import is_well_quoted
from noisify.formats.csv.comments import end_of_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from noisify.formats.csv.types import Dialect

DELIMITERS = (b",", b"\t", b";", b"|")
_OTHERS = (b" ", b":", b"^", b"~", b"\x01", b"&", b"/")
"""What is never taken for a delimiter, but may be suggested."""

_NAMES = {
    "\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "colon": ":", "pipe": "|",
    "bar": "|", "space": " ",
}  # fmt: skip
MOST_COLUMNS = 200_000
"""Columns of a table; each takes some 5 kB of memory and 0.1 ms. A longer record is cut off."""
_SNIFFED_RECORDS = 100
_SNIFFED_BYTES = 1 << 16
_LEAST_RECORDS = 3
"""Records that are looked at, however long they are."""

_LEAST_SHARE = 0.5
_SURELY_TYPED = 0.6
_NUMBER = rb"[+-]?(?:[0-9]+(?:[.,' ][0-9]{3})*(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?%?"
_ZONE = rb" ?(?:[Zz]|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)"
_TIME = (
    rb"[0-9]{1,4}([-./])[0-9]{1,2}\1[0-9]{1,4}(?:[Tt ][0-9:]+(?:[.,][0-9]+)?(?:" + _ZONE + rb")?)?"
    rb"|[0-9]{1,2}(?::[0-9]{2})+(?:[.,][0-9]+)?"
)
_TYPED = re.compile(rb"(?:" + _NUMBER + rb"|" + _TIME + rb")")
_SIGNS = re.compile(rb"[,\t;|]")


def delimiter_bytes(text: str, encoding: str) -> bytes:
    r"""Return the delimiter that was typed: a character, `\t`, or a name such as `tab`.

    Raises:
        UsageError: If it is not one character that can stand between cells in the encoding.
    """
    character = _NAMES.get(text.lower(), text)
    if len(character) != 1 or character in '"\r\n\ufeff' or character.isalnum():
        raise UsageError(
            f"delimiter {text!r} is not one character such as , ; | or \\t, nor tab, comma, "
            "semicolon, colon, pipe or space"
        )
    try:
        return character.encode(encoding)
    except UnicodeEncodeError:
        raise UsageError(f"there is no delimiter {text!r} in {encoding}") from None


def as_typed(delimiter: bytes, encoding: str = "utf-8") -> str:
    r"""Return how a delimiter is typed after `--delimiter`.

    >>> as_typed(b"\t"), as_typed(b";")
    ('tab', "';'")
    """
    character = delimiter.decode(encoding, "replace")
    names = {"\t": "tab", " ": "space"}
    return names.get(
        character, f"$'\\x{ord(character):02x}'" if character < " " else f"'{character}'"
    )


class Record(NamedTuple):
    """A record near the start of a table: where it starts, and its cells as they stand there."""

    start: int
    cells: tuple[bytes, ...]


def first_records(text: bytes, dialect: Dialect, *, whole: bool) -> list[Record]:
    """Return the first records of a table, those that end in `text`.

    Args:
        text: The start of the table.
        dialect: How it is laid out.
        whole: Whether that is all of it.
    """
    found: list[Record] = []
    plain = _plain_records(text, dialect, whole=whole)
    for record in _records(text, dialect, whole=whole) if plain is None else plain:
        found.append(record)
        enough = record.start > _SNIFFED_BYTES and len(found) >= _LEAST_RECORDS
        if enough or len(found) == _SNIFFED_RECORDS:
            break
    return found


def _plain_records(text: bytes, dialect: Dialect, *, whole: bool) -> Iterator[Record] | None:
    """Return the first records where each is a line without quotes; None: they may be others.

    Several times as fast as `_records`, which counts in a batch of small files.
    """
    window = text[:_SNIFFED_BYTES]
    if dialect.comment or dialect.escape or b'"' in window:
        return None
    lines = window.splitlines(keepends=True)
    if len(window) < len(text):
        del lines[-1]
        if len(lines) <= _SNIFFED_RECORDS:
            return None
    elif lines and not whole and lines[-1][-1:] not in {b"\n", b"\r"}:
        del lines[-1]
    starts = accumulate(map(len, lines), initial=0)
    bare = window.splitlines()
    return (
        Record(start, tuple(cells.split(dialect.delimiter)))
        for start, cells in zip(starts, bare[: len(lines)], strict=False)
        if cells
    )


def _records(text: bytes, dialect: Dialect, *, whole: bool) -> Iterator[Record]:
    pattern = dialect.cells()
    position = start = 0
    cells: list[bytes] = []
    while position < len(text) or cells:
        if not cells and dialect.is_comment(text, position):
            position = end_of_line(text, position, at_end=True) or len(text)
            start = position
            continue
        match = pattern.match(text, position)
        if match is None:
            return
        position = match.end()
        cells.append(match[1])
        if match[2] == dialect.delimiter and len(cells) <= MOST_COLUMNS:
            continue
        if not match[2] and not whole:
            return
        if cells != [b""]:
            yield Record(start, tuple(cells))
        cells, start = [], position


class Start:
    """The start of a table, which is cut by each delimiter that is tried only once.

    Args:
        text: Its first bytes.
        whole: Whether that is all of it.
    """

    def __init__(self, text: bytes, *, whole: bool = True) -> None:
        self.text = text
        self.whole = whole
        self._records: dict[Dialect, list[Record]] = {}

    def records(self, dialect: Dialect) -> list[Record]:
        """Return its first records, as `first_records` does."""
        if dialect not in self._records:
            self._records[dialect] = first_records(self.text, dialect, whole=self.whole)
        return self._records[dialect]


def is_one_short(widths: Sequence[int]) -> bool:
    """Return whether the first of some records has a cell less than all others have."""
    return len(widths) > 1 and set(widths[1:]) == {widths[0] + 1}


@frozen
class Fit:
    """How well a delimiter cuts the first records.

    Attributes:
        delimiter: The delimiter.
        columns: How many cells most records have, of those that have two or more.
        even: How many records have that many, and quotes in their places.
        share: The share of the records that do.
        trailing: Whether the records after the first such all do.
        short_header: Whether the first record has a cell less than all others.
        records: Those that have that many.
    """

    delimiter: bytes
    columns: int
    even: int
    share: float
    trailing: bool
    short_header: bool
    records: tuple[tuple[bytes, ...], ...]

    @property
    def filled(self) -> int:
        """How many columns are not empty throughout."""
        columns = zip(*self.records, strict=True)
        return sum(any(cell.strip(b" \t") for cell in column) for column in columns)

    @cached_property
    def typed(self) -> float:
        """From 0 to 1, how much the cells look like numbers, times and single words."""
        stripped = (cell.strip(b" \t") for cells in self.records for cell in cells)
        typed = [_typed(cell) for cell in stripped if cell]
        return sum(typed) / max(1, len(typed))

    @property
    def is_sure(self) -> bool:
        """Whether it may be taken for the delimiter."""
        return self.share == 1 or (self.even > 1 and (self.share >= _LEAST_SHARE or self.trailing))

    @property
    def rank(self) -> tuple[bool, float, bool]:
        """The better, the larger: complete fits first, then many and typed cells."""
        score = self.share * (1 - 1 / max(1, self.filled)) * self.typed
        return self.share == 1, round(score, 9), not self.short_header


def fit(start: Start, dialect: Dialect) -> Fit | None:
    """Return how well a delimiter cuts a table; None: no record has two cells and good quotes."""
    records = [record.cells for record in start.records(dialect)]
    quotes = b'"' in start.text
    widths = [len(cells) if not quotes or _has_good_quotes(cells) else 0 for cells in records]
    counts = Counter(width for width in widths if width > 1)
    if not counts:
        return None
    columns = max(counts, key=lambda width: (counts[width], width))
    fits = [width == columns for width in widths]
    good = [cells for cells, is_good in zip(records, fits, strict=True) if is_good]
    short_header = is_one_short(widths)
    fits[0] |= short_header
    return Fit(
        dialect.delimiter,
        columns,
        sum(fits),
        sum(fits) / len(records),
        all(fits[fits.index(True) :]),
        short_header,
        tuple(good),
    )


def _has_good_quotes(cells: Sequence[bytes]) -> bool:
    """Return whether each quote is around a cell, but for blanks, or doubled in one."""
    return all(b'"' not in cell or is_well_quoted(cell.strip(b" \t")) for cell in cells)


def _typed(cell: bytes) -> float:
    """Return how much a cell looks like one: from 0, like several, to 1, a number or a time."""
    bare = cell[1:-1].strip(b" \t") if cell.startswith(b'"') and cell.endswith(b'"') else cell
    if _TYPED.fullmatch(bare):
        return 1.0
    if bare is not cell:
        return 0.75
    if _SIGNS.search(cell.replace(b", ", b"")):
        return 0.0
    return 0.25 if b", " in cell else 0.5


@frozen
class Sniffed:
    """The delimiter of a table.

    Attributes:
        delimiter: The delimiter.
        doubt: Why it may be another one, and what to type then; empty: there is no doubt.
    """

    delimiter: bytes
    doubt: str = ""


def sniff(start: Start, dialect: Dialect, decimal: bytes = b".") -> Sniffed:
    """Guess the delimiter: the one that cuts the first records most evenly, quotes respected.

    Where several cut all of them, it is the one that leaves the most cells that look like single
    values. Where none cuts most of them, the table has one column, or it is in doubt.

    Args:
        start: The start of a table.
        dialect: How it is laid out, but for the delimiter.
        decimal: The decimal mark, which is no delimiter.
    """
    candidates = [delimiter for delimiter in DELIMITERS if delimiter != decimal]
    fits = _fits(start, dialect, candidates)
    sure = [found for found in fits if found.is_sure]
    if len(sure) == 1:
        return Sniffed(sure[0].delimiter)
    if sure:
        return Sniffed(max(sure, key=lambda found: found.rank).delimiter)
    fallback = candidates[0]
    other = _better(start, dialect, [d for d in _OTHERS if d != decimal])
    if other is None and all(found.delimiter == fallback for found in fits):
        return Sniffed(fallback)  # a table of one column, or one with ragged rows
    if other is None:
        help_ = "--delimiter C says which it is"
    else:
        help_ = f"--delimiter {as_typed(other.delimiter)} would cut them into {other.columns} cells"
    return Sniffed(
        fallback,
        f"no delimiter cuts the first records evenly, and {as_typed(fallback)} is only the "
        f"fallback; {help_}",
    )


def _fits(start: Start, dialect: Dialect, candidates: Sequence[bytes]) -> list[Fit]:
    found = (fit(start, replace(dialect, delimiter=d)) for d in candidates if d in start.text)
    return [one for one in found if one is not None]


def _better(start: Start, dialect: Dialect, candidates: Sequence[bytes]) -> Fit | None:
    """Return the best of the delimiters that cut all records into cells of numbers or times."""
    fits = _fits(start, dialect, candidates)
    sure = [
        one
        for one in fits
        if one.share == 1
        and one.typed >= _SURELY_TYPED
        and one.columns > 1 + one.short_header  # else a header over times: 2024-03-01 06:00
    ]
    return max(sure, key=lambda found: found.rank, default=None)

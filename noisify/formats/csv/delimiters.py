"""Parse the delimiter that the user typed, or sniff it from the first records."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import cached_property
from itertools import accumulate, chain, islice
from typing import TYPE_CHECKING, NamedTuple

from noisify.core.errors import UsageError
from noisify.core.value_class import frozen
from noisify.formats.csv.cells import is_well_quoted
from noisify.formats.csv.reference_scan import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from noisify.formats.csv.types import Dialect

DELIMITERS = (b",", b"\t", b";", b"|")
_OTHERS = (b" ", b":", b"^", b"~", b"\x01", b"&", b"/")
"""Characters that are never assumed to be the delimiter, but may be suggested."""

_NAMES = {
    "\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "colon": ":", "pipe": "|",
    "bar": "|", "space": " ",
}  # fmt: skip
MOST_COLUMNS = 200_000
"""Maximum columns of a table; each costs some 5 kB and 0.1 ms. Longer records are cut off."""
_SNIFFED_RECORDS = 100
_SNIFFED_BYTES = 1 << 16
_LEAST_RECORDS = 3
"""Minimum number of records to sniff, however long they are."""

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
    r"""Encode the delimiter that the user typed: a character, `\t`, or a name such as `tab`.

    Raises:
        UsageError: If it is not one usable character, or the encoding does not have it.
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
    r"""Return what to type after `--delimiter` for a delimiter.

    >>> as_typed(b"\t"), as_typed(b";")
    ('tab', "';'")
    """
    character = delimiter.decode(encoding, "replace")
    names = {"\t": "tab", " ": "space"}
    return names.get(
        character, f"$'\\x{ord(character):02x}'" if character < " " else f"'{character}'"
    )


class Records(NamedTuple):
    """Records at the start of a table.

    Attributes:
        starts: The offset of each record.
        widths: The number of cells of each record.
        cells: Returns the raw bytes of the cells of a record, given its place.
    """

    starts: Sequence[int]
    widths: Sequence[int]
    cells: Callable[[int], Sequence[bytes]]


def _plain_records(text: bytes, dialect: Dialect, *, whole: bool) -> Records | None:
    """Return the first records if each is one line without quotes; else None.

    Many times as fast as `_records`, which matters in a batch of small files: cells are counted,
    and cut only when they are asked for.
    """
    window = text[:_SNIFFED_BYTES]
    if dialect.comment or dialect.escape or b'"' in window:
        return None
    lines = window.splitlines(keepends=True)
    if len(window) < len(text):
        del lines[-1]
        if len(lines) <= _SNIFFED_RECORDS:
            return None
    elif lines and not whole and not lines[-1].endswith(b"\n"):
        del lines[-1]
    numbered = zip(accumulate(map(len, lines), initial=0), window.splitlines(), strict=False)
    filled = (line for line in islice(numbered, len(lines)) if line[1])
    some = list(islice(filled, _SNIFFED_RECORDS))
    delimiter = dialect.delimiter
    return Records(
        [start for start, _ in some],
        [line.count(delimiter) + 1 for _, line in some],
        lambda at: some[at][1].split(delimiter),
    )


def _records(text: bytes, dialect: Dialect, *, whole: bool) -> Records:
    """Return the first records, found cell by cell."""
    starts: list[int] = []
    cells: list[list[bytes]] = []
    for record in walk(text, dialect, at_end=whole, most=MOST_COLUMNS):
        if record.spans and not record.open:
            starts.append(record.start)
            cells.append(record.cells(text))
            enough = record.start > _SNIFFED_BYTES and len(cells) >= _LEAST_RECORDS
            if enough or len(cells) == _SNIFFED_RECORDS:
                break
    return Records(starts, [len(each) for each in cells], cells.__getitem__)


class Start:
    """The start of a table, with its records cached for each delimiter that is tried.

    Args:
        text: The first bytes of the table.
        whole: Whether they are the whole table.
    """

    def __init__(self, text: bytes, *, whole: bool = True) -> None:
        self.text = text
        self.whole = whole
        self._records: dict[Dialect, Records] = {}

    def records(self, dialect: Dialect) -> Records:
        """Return the first records that are complete in the text, in a dialect."""
        if dialect not in self._records:
            plain = _plain_records(self.text, dialect, whole=self.whole)
            found = plain or _records(self.text, dialect, whole=self.whole)
            self._records[dialect] = found
        return self._records[dialect]


def is_one_short(widths: Sequence[int]) -> bool:
    """Return whether the first record has exactly one cell fewer than each of the others."""
    return len(widths) > 1 and set(widths[1:]) == {widths[0] + 1}


@frozen
class Fit:
    """How well a delimiter cuts the first records.

    Attributes:
        delimiter: The delimiter.
        columns: The most frequent number of cells among records of two or more cells.
        even: The number of records with `columns` cells and well-placed quotes.
        share: The share of such records.
        trailing: Whether all records after the first of these are such records, too.
        short_header: Whether the first record has one cell fewer than all others.
        records: The records.
        fitting: The places of the records with `columns` cells and well-placed quotes.
    """

    delimiter: bytes
    columns: int
    even: int
    share: float
    trailing: bool
    short_header: bool
    records: Records
    fitting: Sequence[int]

    @property
    def filled(self) -> int:
        """The number of columns with at least one non-empty cell."""
        columns = zip(*map(self.records.cells, self.fitting), strict=True)
        return sum(any(cell.strip(b" \t") for cell in column) for column in columns)

    @cached_property
    def typed(self) -> float:
        """A score from 0 to 1 of how far the cells look like numbers, times and single words."""
        cells = chain.from_iterable(map(self.records.cells, self.fitting))
        stripped = (cell.strip(b" \t") for cell in cells)
        typed = [_typed(cell) for cell in stripped if cell]
        return sum(typed) / max(1, len(typed))

    @property
    def is_sure(self) -> bool:
        """Whether the fit is good enough to assume this delimiter."""
        return self.share == 1 or (self.even > 1 and (self.share >= _LEAST_SHARE or self.trailing))

    @property
    def rank(self) -> tuple[bool, float, bool]:
        """The sort key, larger is better: complete fits first, then many and typed cells."""
        score = self.share * (1 - 1 / max(1, self.filled)) * self.typed
        return self.share == 1, round(score, 9), not self.short_header


def fit(start: Start, dialect: Dialect) -> Fit | None:
    """Measure how well a delimiter cuts a table.

    Returns:
        The fit; None if no record has two or more cells and well-placed quotes.
    """
    records = start.records(dialect)
    widths = records.widths
    if b'"' in start.text:
        widths = [
            width if _has_good_quotes(records.cells(at)) else 0 for at, width in enumerate(widths)
        ]
    counts = {width: count for width, count in Counter(widths).items() if width > 1}
    if not counts:
        return None
    columns = max(counts, key=lambda width: (counts[width], width))
    fits = [width == columns for width in widths]
    fitting = [at for at, fits_here in enumerate(fits) if fits_here]
    short_header = is_one_short(widths)
    fits[0] |= short_header
    return Fit(
        dialect.delimiter,
        columns,
        sum(fits),
        sum(fits) / len(fits),
        all(fits[fits.index(True) :]),
        short_header,
        records,
        fitting,
    )


def _has_good_quotes(cells: Sequence[bytes]) -> bool:
    """Return whether all quotes are around cells, blanks aside, or doubled inside them."""
    return all(b'"' not in cell or is_well_quoted(cell.strip(b" \t")) for cell in cells)


def _typed(cell: bytes) -> float:
    """Score how far a cell looks like a single value: 0 for several, 1 for a number or time."""
    bare = cell[1:-1].strip(b" \t") if cell.startswith(b'"') and cell.endswith(b'"') else cell
    if _TYPED.fullmatch(bare):
        return 1.0
    if bare is not cell:
        return 0.75
    if _SIGNS.search(cell.replace(b", ", b"")):
        return 0.0
    return 0.25 if b", " in cell else 0.5


def sniff(start: Start, dialect: Dialect, decimal: bytes = b".") -> tuple[bytes, str]:
    """Guess the delimiter: the one that cuts the first records most evenly, quotes respected.

    If several cut all of them, the one with the most cells that look like single values wins. If
    none cuts most of them, the table has one column, or there is a doubt.

    Args:
        start: The start of a table.
        dialect: The dialect of the table; its delimiter is ignored.
        decimal: The decimal mark, which cannot be the delimiter.

    Returns:
        The delimiter; and why it may be another one and what to type then, or empty if that is
        certain.
    """
    candidates = [delimiter for delimiter in DELIMITERS if delimiter != decimal]
    fits = _fits(start, dialect, candidates)
    sure = [found for found in fits if found.is_sure]
    if len(sure) == 1:
        return sure[0].delimiter, ""
    if sure:
        return max(sure, key=lambda found: found.rank).delimiter, ""
    fallback = candidates[0]
    other = _better(start, dialect, [d for d in _OTHERS if d != decimal])
    if other is None and all(found.delimiter == fallback for found in fits):
        return fallback, ""  # a table of one column, or one with ragged rows
    if other is None:
        help_ = "--delimiter C says which it is"
    else:
        help_ = f"--delimiter {as_typed(other.delimiter)} would cut them into {other.columns} cells"
    return fallback, (
        f"no delimiter cuts the first records evenly, and {as_typed(fallback)} is only the "
        f"fallback; {help_}"
    )


def _fits(start: Start, dialect: Dialect, candidates: Sequence[bytes]) -> list[Fit]:
    found = (fit(start, replace(dialect, delimiter=d)) for d in candidates if d in start.text)
    return [one for one in found if one is not None]


def _better(start: Start, dialect: Dialect, candidates: Sequence[bytes]) -> Fit | None:
    """Return the best delimiter among those that cut all records into numbers or times."""
    fits = _fits(start, dialect, candidates)
    sure = [
        one
        for one in fits
        if one.share == 1
        and one.typed >= _SURELY_TYPED
        and one.columns > 1 + one.short_header  # times such as 2024-03-01 06:00 under a header
    ]
    return max(sure, key=lambda found: found.rank, default=None)

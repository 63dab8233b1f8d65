"""What a CSV file does not say of itself, guessed from its head: delimiter and column types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from noisify.chunks import Field, Kind
from noisify.errors import UsageError
from noisify.formats import csv_numbers, csv_texts
from noisify.formats.arrow_arrays import bools
from noisify.formats.csv_blocks import Dialect
from noisify.formats.csv_comments import end_of_line
from noisify.formats.csv_numbers import CellParser, slices
from noisify.value_types import NumberType

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

DELIMITERS = (b",", b"\t", b";", b"|")
_SNIFFED_RECORDS = 20
_NUMBERS_AMONG_CELLS = 0.9
"""The share of a sample's cells that must be numbers for its column to count as one of numbers."""

FLOAT = NumberType("float", np.dtype(np.float64))
INT = NumberType("int", np.dtype(np.int64))
LONG = NumberType.decimal(38, 0)
TEXT = NumberType("text", np.dtype(object))
VIEWS = (FLOAT, TEXT)


def delimiter_bytes(text: str, encoding: str) -> bytes:
    r"""Return the delimiter that was typed; `\t` and `tab` mean a tab.

    Raises:
        UsageError: If it is not one character that can stand between cells in the encoding.
    """
    character = {"\\t": "\t", "tab": "\t"}.get(text, text)
    if len(character) != 1 or character in '"\r\n\ufeff' or character.isalnum():
        raise UsageError(f"delimiter {text!r} is not one character such as , ; | or \\t")
    try:
        return character.encode(encoding)
    except UnicodeEncodeError:
        raise UsageError(f"there is no delimiter {text!r} in {encoding}") from None


def sniff(text: bytes, comment: bytes = b"", decimal: bytes = b".") -> bytes:
    """Guess the delimiter: the one that cuts the first records into equally many cells.

    That is two cells or more. The comma wins when it does that; a table in which nothing does has
    one column.

    Args:
        text: The start of a table.
        comment: What a line that is no record starts with.
        decimal: The decimal mark, which is no delimiter.
    """
    candidates = [delimiter for delimiter in DELIMITERS if delimiter != decimal]
    for delimiter in candidates:
        widths = _widths(text, Dialect(delimiter, comment))
        if widths and widths[0] > 1 and len(set(widths)) == 1:
            return delimiter
    return candidates[0]


def _widths(text: bytes, dialect: Dialect) -> list[int]:
    """Return the number of cells in each of the first records, those that are whole."""
    pattern = dialect.cells()
    widths: list[int] = []
    position = width = 0
    while len(widths) < _SNIFFED_RECORDS and position < len(text):
        if not width and dialect.is_comment(text, position):
            position = end_of_line(text, position, at_end=True) or len(text)
            continue
        match = pattern.match(text, position)
        if match is None:
            break
        position = match.end()
        width += 1
        if match[2] == dialect.delimiter:
            continue
        if width > 1 or match[1]:
            widths.append(width)
        width = 0
    return widths


def guess(
    name: str,
    parser: CellParser,
    data: bytes,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> Field:
    """Guess a column's type from a sample of its cells."""
    parsed = parser.floats(data, starts, ends)
    values = parsed.values if parsed.valid is None else parsed.values[parsed.valid]
    if parsed.strange is None and not (values == np.rint(values)).all():
        return Field(name, "float", "float64", FLOAT, views=VIEWS)
    cells = csv_numbers.chosen(slices(data, starts, ends))
    texts, null = parser.usual(cells)
    filled = texts.filter(bools(~null))
    if not len(filled):
        return Field(name, "other", "empty", TEXT, views=VIEWS)
    readable = len(filled)
    if parsed.strange is not None:
        readable -= int(np.count_nonzero(parsed.strange))
    if readable < _NUMBERS_AMONG_CELLS * len(filled):
        return _words(name, cells.filter(bools(~null)))
    whole = csv_numbers.matches(filled, csv_numbers.WHOLE)
    if np.count_nonzero(whole) < readable:
        return Field(name, "float", "float64", FLOAT, views=VIEWS)
    if csv_numbers.matches(filled, csv_numbers.CODE).any():
        return Field(name, "text", "text", TEXT, views=VIEWS)
    return Field(name, "int", "int64", INT, views=VIEWS)


def _words(name: str, filled: pa.Array) -> Field:
    """Return the field of a column of texts or times."""
    tick = csv_texts.finest_tick(filled)
    if tick is not None:
        return Field(name, "time", "time", NumberType.time(tick), views=VIEWS)
    kind: Kind = "time" if _are_times(filled) else "text"
    return Field(name, kind, kind, TEXT, views=VIEWS)


def _are_times(texts: pa.Array) -> bool:
    """Return whether all texts look like ISO 8601 dates or times."""
    pattern = r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}.*)?|\d{2}:\d{2}(?::\d{2}.*)?"
    return bool(csv_numbers.matches(texts, pattern).all())

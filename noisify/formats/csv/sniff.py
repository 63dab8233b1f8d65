"""Guess the types of a CSV file's columns from its first records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from noisify.core.dtypes import NumberType
from noisify.formats.csv import times as csv_times
from noisify.formats.csv.numbers import LONGEST_WHOLE
from noisify.formats.csv.scan import without_blanks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.core.chunk import Kind
    from noisify.formats.csv.numbers import CellParser
    from noisify.formats.csv.types import Cells, Parsed

_PLUS, _MINUS, _ZERO = b"+-0"
_NUMBERS_AMONG_CELLS = 0.9
"""The share of a column's sampled cells that must be numbers for it to be numeric."""

FLOAT = NumberType("float", np.dtype(np.float64))
INT = NumberType("int", np.dtype(np.int64))
LONG = NumberType.decimal(LONGEST_WHOLE, 0)
TEXT = NumberType("text", np.dtype(object))
VIEWS = (FLOAT, TEXT)


def guess(parser: CellParser, parsed: Parsed, cells: Cells) -> tuple[Kind, str, NumberType]:
    """Guess a column's kind, type name and number type from cells already parsed as floats."""
    values = parsed.values if parsed.valid is None else parsed.values[parsed.valid]
    unparseable = parsed.unparseable
    if unparseable is None and not (values == np.rint(values)).all():
        return "float", "float64", FLOAT
    filled = len(values) + (0 if unparseable is None else int(np.count_nonzero(unparseable)))
    if not filled:
        return "other", "empty", TEXT
    if unparseable is not None and len(values) < _NUMBERS_AMONG_CELLS * filled:
        there = unparseable if parsed.valid is None else parsed.valid | unparseable
        return _words(list(cells.where(there).contents()))
    whole = parser.integers(cells)
    if any(kind.values.dtype == np.float64 for kind in whole):
        return "float", "float64", FLOAT
    for kind in whole:
        if _are_codes(cells if kind.valid is None else cells.where(kind.valid)):
            return "text", "text", TEXT
    return "int", "int64", INT


def _are_codes(cells: Cells) -> bool:
    """Return whether any of these whole numbers has leading zeros and so is a code."""
    characters = np.frombuffer(cells.data, np.uint8)
    bare = without_blanks(cells)
    signs = (characters[bare.starts] == _PLUS) | (characters[bare.starts] == _MINUS)
    starts = bare.starts + signs
    return bool(((characters[starts] == _ZERO) & (bare.ends - starts > 1)).any())


def _words(cells: Sequence[bytes]) -> tuple[Kind, str, NumberType]:
    """Return the same as `guess` for a column of texts or times."""
    if not csv_times.look_like_times(cells):
        return "text", "text", TEXT
    number = csv_times.time_type(cells)
    if number is None:
        return "time", "time in several forms", TEXT
    return "time", "time", number

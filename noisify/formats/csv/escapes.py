r"""Escape characters: `\"` is a quote inside a cell, not its end.

They are only recognised with `--escape`. Without it, a file that looks as if it used them is
refused rather than cut into the wrong cells.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from noisify.core.errors import DataError
from noisify.formats.csv.cells import is_well_quoted
from noisify.formats.csv.reference_scan import walk
from noisify.formats.csv.types import count_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.formats.csv.types import Dialect

ADVICE = (
    r"""--escape '\' reads \" as a quote, --escape '' as a backslash and the end of the quotes"""
)
ESCAPED_QUOTE = b'\\"'


def masked(data: bytes, escape: bytes) -> bytes:
    r"""Overwrite escape characters and the bytes they escape with letters.

    Args:
        data: Bytes that start at the start of a line.
        escape: The escape character.

    >>> masked(b'"a\\"b",1\n', b"\\")
    b'"aaab",1\n'
    """
    return re.sub(re.escape(escape) + rb"[\s\S]", b"aa", data)


def looks_escaped(cells: Sequence[bytes]) -> bool:
    """Return whether a record only makes sense if backslashes escape quotes.

    Such a record has a backslash before a quote in a quoted cell, and a misplaced quote.
    """
    return any(cell.startswith(b'"') and ESCAPED_QUOTE in cell for cell in cells) and any(
        b'"' in cell and not is_well_quoted(cell.rstrip(b" \t")) for cell in cells
    )


def refuse_escapes(data: bytes, dialect: Dialect, line: int, *, at_end: bool) -> None:
    """Refuse records in which backslashes seem to escape quotes, unless `--escape` was given.

    Args:
        data: Bytes that start at the start of a line.
        dialect: The dialect of the table.
        line: The line number at which the bytes start.
        at_end: Whether the file ends with `data`.

    Raises:
        DataError: If there is such a record.
    """
    if not dialect.may_be_escaped or ESCAPED_QUOTE not in data:
        return
    for record in walk(data, replace(dialect, comment=b""), at_end=True):
        unclosed = record.open and at_end and ESCAPED_QUOTE in data[record.start :]
        if unclosed or (not record.open and looks_escaped(record.cells(data))):
            raise refusal(dialect.name, line + count_lines(data, record.start))


def refusal(name: str, line: int) -> DataError:
    """Return the error for a table whose quotes seem to be escaped."""
    return DataError(rf"has \" in a quoted cell; {ADVICE}", path=name, line=line)

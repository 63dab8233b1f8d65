"""What a text table is cut into: blocks of whole records, and the bounds of their cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from noisify.core.errors import DataError
from noisify.core.value_class import frozen
from noisify.formats.csv.cells import cell_pattern

if TYPE_CHECKING:
    import re

    import numpy as np
    from numpy.typing import NDArray

TAB, LF, CR, SPACE = 9, 10, 13, 32


@frozen
class Dialect:
    """How a text table is laid out; the quote is always `"`, doubled inside a quoted cell.

    Attributes:
        delimiter: The character between cells; several bytes if it is no ASCII one.
        comment: What a line that is no record starts with; empty: there are no such lines.
        keep_ragged: Whether a record with too few or too many cells is let pass.
        escape: The character that takes the meaning of the one after it; empty: there is none.
        backslash_is_text: Whether a backslash before a quote is known to mean nothing.
        advice: What may help where a record has another number of cells; empty: nothing known.
    """

    delimiter: bytes = b","
    comment: bytes = b""
    keep_ragged: bool = False
    escape: bytes = b""
    backslash_is_text: bool = False
    advice: str = ""

    def cells(self) -> re.Pattern[bytes]:
        """Return the pattern of one cell (group 1) and what ends it (group 2)."""
        return cell_pattern(self.delimiter, self.escape)

    def is_comment(self, data: bytes, at: int) -> bool:
        """Return whether the line that starts at some place is a comment."""
        return bool(self.comment) and data.startswith(self.comment, at)


@frozen
class Cells:
    """Where the cells of some records stand.

    Attributes:
        starts: Shape (records, columns), int64.
        ends: Likewise.
        ragged: Shape (records,), which have another number of cells, and count as empty ones here:
            each starts and ends where its record starts; None: none has.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    ragged: NDArray[np.bool_] | None = None


class Cut(NamedTuple):
    """The whole records at the start of some bytes.

    Attributes:
        used: Their bytes.
        rows: How many there are, empty lines not counted.
        lines: How many line ends there are, those inside quotes included.
        quotes: Whether there is a quote among them or after them.
        returns: Whether there is a CR that no LF follows.
        odd: Whether a quote is out of its place.
        open: Whether a quote is never closed.
    """

    used: int
    rows: int
    lines: int
    quotes: bool
    returns: bool
    odd: bool
    open: bool


@frozen
class Block:
    """Some whole records, as they stand in the file.

    Attributes:
        data: Their bytes.
        row: The first record's number, counted from 0; header, comments and empty lines are none.
        rows: How many records there are.
        line: The line of the file at which they start, counted from 1.
        lines: How many line ends there are, those inside quotes included.
        quotes: Whether there is a quote among them.
        returns: Whether there may be a CR among them that no LF follows.
        odd: Whether a quote is out of its place: NumPy would not find the cells.
        cells: All their cells, where they have been found already.
        uncommented: `data` with blank lines for comments, and letters for what is escaped; None:
            there is neither.
    """

    data: bytes
    row: int
    rows: int
    line: int
    lines: int
    quotes: bool = False
    returns: bool = False
    odd: bool = False
    cells: Cells | None = None
    uncommented: bytes | None = None


@frozen
class Parsed:
    """Cells read as numbers.

    Attributes:
        values: Shape (n,), float64, int64 or Python integers.
        valid: Shape (n,), which cells are such numbers; None: all.
        nulls: How many cells are null.
        strange: Shape (n,), which cells are neither numbers nor null; None: none.
    """

    values: NDArray[Any]
    valid: NDArray[np.bool_] | None
    nulls: int = 0
    strange: NDArray[np.bool_] | None = None


def count_lines(data: bytes, stop: int) -> int:
    """Count the line ends before `stop`: LF, CRLF and CR."""
    crlf = data.count(b"\r\n", 0, stop)
    return data.count(b"\n", 0, stop) + data.count(b"\r", 0, stop) - crlf


def ragged(
    dialect: Dialect, name: str, line: int, found: int, expected: int, record: bytes
) -> DataError:
    """Return the error of a record with too many or too few cells.

    Args:
        dialect: How the table is laid out.
        name: What to call the file.
        line: The line at which the record starts.
        found: How many cells it has.
        expected: How many it should have.
        record: Its first bytes.
    """
    cells = f"{found} cell" + ("" if found == 1 else "s")
    sign = comment_sign(record)
    advice = dialect.advice
    if not advice and sign and found < expected:
        advice = f"--comment {sign!r} passes over lines that start so"
    return DataError(
        f"has {cells} where the first record has {expected}; "
        f"{advice or '--ragged keep leaves such rows alone'}",
        path=name,
        line=line,
    )


def comment_sign(record: bytes) -> str:
    """Return the sign that a record starts with if comments usually do; else nothing."""
    return next((sign for sign in ("#", "%", "//", "!") if record.startswith(sign.encode())), "")


@frozen
class Layout:
    """Where the cells of the decoded columns stand in their block, in the order of the file.

    Attributes:
        cells: What of them noise may replace.
        places: Which column each field is.
        found: All of them, but for quotes around.
    """

    cells: Cells
    places: dict[str, int]
    found: Cells

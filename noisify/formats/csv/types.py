"""Data types of the CSV engine: dialects, blocks of whole records, bounds of cells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from noisify.core.errors import DataError
from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

TAB, LF, CR, SPACE, QUOTE = 9, 10, 13, 32, 34
IN_QUOTES = rb'"[^"]*+(?:""[^"]*+)*+"'
"""The pattern of a cell in quotes, all quotes in it doubled."""


@frozen
class Dialect:
    """The dialect of a text table; the quote is always `"`, doubled inside a quoted cell.

    Attributes:
        delimiter: The character between cells; several bytes if it is not ASCII.
        comment: The prefix of comment lines, or empty if there are none.
        keep_ragged: Whether to let records with too few or too many cells pass.
        escape: The escape character, or empty if there is none.
        backslash_is_text: Whether a backslash before a quote is known to be plain text.
        advice: Advice for the error of a ragged record, or empty.
        columns: The number of cells that every record must have.
        name: The file's name in errors.
    """

    delimiter: bytes = b","
    comment: bytes = b""
    keep_ragged: bool = False
    escape: bytes = b""
    backslash_is_text: bool = False
    advice: str = ""
    columns: int = 0
    name: str = ""

    @property
    def may_be_escaped(self) -> bool:
        """Whether no option says if backslashes escape quotes."""
        return not self.escape and not self.backslash_is_text

    def cells(self) -> re.Pattern[bytes]:
        """Return the pattern of one cell (group 1) and the delimiter or line end after it (2)."""
        d, e = re.escape(self.delimiter), re.escape(self.escape)
        others = rb"[^" + d + e + rb"\r\n]*+"
        quoted = IN_QUOTES
        escaped = e + rb"(?:[\s\S]|\Z)" if e else rb"(?!)"
        if e:  # not possessive: before Python 3.11.5 a possessive group with a choice misses cells
            others += rb"(?:" + escaped + others + rb")*"
            quoted = rb'"[^"' + e + rb']*+(?:(?:""|' + escaped + rb')[^"' + e + rb']*+)*"(?!")'
        if len(self.delimiter) > 1:  # not possessive for the same reason
            others = rb"(?:" + escaped + rb"|[^\r\n])*?(?=" + d + rb"|[\r\n]|\Z)"
        plain = rb'(?!")' + others
        ends = rb")(" + d + rb"|\r\n|\n|\r|\Z)"
        return re.compile(rb"(" + quoted + others + rb"|" + plain + ends)


@frozen
class Cells:
    """Cells: the bytes that hold them, and their bounds, without the quotes around them.

    Attributes:
        data: The bytes.
        starts: The start of each cell, shape (records, columns) or (n,).
        ends: The end of each cell.
        ragged: Mask of the records with another number of cells, shape (records,), or None if
            there are none. Their cells are empty: all start and end where the record starts.
    """

    data: bytes
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    ragged: NDArray[np.bool_] | None = None

    def column(self, at: int) -> Cells:
        """Return the cells of a column."""
        return Cells(self.data, self.starts[:, at], self.ends[:, at])

    def columns(self, places: Sequence[int]) -> Cells:
        """Return the cells of some columns."""
        starts, ends = (bounds.take(places, axis=1) for bounds in (self.starts, self.ends))
        return Cells(self.data, starts, ends)

    def where(self, which: Any) -> Cells:  # noqa: ANN401 - what NumPy takes as an index
        """Return some of the cells."""
        return Cells(self.data, self.starts[which], self.ends[which])

    def flat(self) -> Cells:
        """Return the cells record by record, shape (n,)."""
        return Cells(self.data, self.starts.reshape(-1), self.ends.reshape(-1))

    def contents(self) -> Iterator[bytes]:
        """Yield the bytes of each cell of one column."""
        bounds = zip(self.starts.tolist(), self.ends.tolist(), strict=True)
        return (self.data[start:end] for start, end in bounds)

    def quoted(self) -> NDArray[np.bool_]:
        """Return a mask of the cells that have a quote directly before their start."""
        if not self.starts.size:
            return np.zeros(self.starts.shape, bool)
        characters = np.frombuffer(self.data, np.uint8)
        before = characters[np.maximum(self.starts - 1, 0)]
        return np.asarray((self.starts > 0) & (before == QUOTE))

    def outer(self) -> Cells:
        """Return the cells with the quotes around them."""
        in_quotes = self.quoted()
        return Cells(self.data, self.starts - in_quotes, self.ends + in_quotes)


class Cut(NamedTuple):
    """The whole records at the start of some bytes.

    Attributes:
        used: The length of the records in bytes.
        rows: The number of records; empty lines do not count.
        lines: The number of line ends, including those inside quotes.
        quotes: Whether there is a quote in the records or after them.
        returns: Whether there is a CR that no LF follows.
        odd: Whether a quote is misplaced.
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
    """Some whole records of the file, as raw bytes.

    Attributes:
        data: The bytes of the records.
        row: The index of the first record, not counting header, comments and empty lines.
        rows: The number of records.
        line: The line number at which they start, from 1.
        lines: The number of line ends, including those inside quotes.
        quotes: Whether there is a quote in the records.
        returns: Whether there may be a CR that no LF follows.
        odd: Whether a quote is misplaced, so that NumPy would not find the cells.
        cells: The bounds of all cells if they are already known, else None.
        uncommented: `data` with comments as empty lines and escape sequences as letters, or None
            if it has neither.
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
class RecordStart:
    """The start of a record.

    Attributes:
        offset: Its offset in the file; the file's size after the last record.
        row: The index of the record.
        line: The number of line ends between the first record and this one; infinite at the end
            of the file, if they have not been counted.
    """

    offset: int
    row: int
    line: float


@frozen
class Parsed:
    """Cells read as numbers.

    Attributes:
        values: Float64, int64 or Python integers, shape (n,).
        valid: Mask of the cells that are such numbers, shape (n,), or None if all are.
        nulls: The number of null cells.
        unparseable: Mask of the cells that are neither numbers nor null, shape (n,), or None if
            there are none.
    """

    values: NDArray[Any]
    valid: NDArray[np.bool_] | None
    nulls: int = 0
    unparseable: NDArray[np.bool_] | None = None


def count_lines(data: bytes, stop: int) -> int:
    """Count the line ends before `stop`: LF, CRLF and CR."""
    lines, returns = data.count(b"\n", 0, stop), data.count(b"\r", 0, stop)
    return lines + returns - (data.count(b"\r\n", 0, stop) if returns else 0)


def ragged(dialect: Dialect, line: int, found: int, record: bytes) -> DataError:
    """Return the error for a record with too many or too few cells.

    Args:
        dialect: The dialect of the table.
        line: The line number at which the record starts.
        found: The number of cells it has.
        record: The first bytes of the record.
    """
    cells = f"{found} cell" + ("" if found == 1 else "s")
    sign = comment_sign(record)
    advice = dialect.advice
    if not advice and sign and found < dialect.columns:
        advice = f"--comment {sign!r} passes over lines that start so"
    return DataError(
        f"has {cells} where the first record has {dialect.columns}; "
        f"{advice or '--ragged keep leaves such rows alone'}",
        path=dialect.name,
        line=line,
    )


def comment_sign(record: bytes) -> str:
    """Return the common comment prefix that a record starts with, or empty."""
    return next((sign for sign in ("#", "%", "//", "!") if record.startswith(sign.encode())), "")


@frozen
class Layout:
    """The bounds of the decoded columns' cells in their block, in file order.

    Attributes:
        cells: The bounds of the parts that noise may replace.
        places: The column of each field in the bounds.
        found: The bounds of the whole cells, without the quotes around them.
    """

    cells: Cells
    places: dict[str, int]
    found: Cells

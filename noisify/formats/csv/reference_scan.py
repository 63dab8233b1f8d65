"""Cut a text table cell by cell: slow, but right for everything that Python's `csv` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from noisify.core.errors import DataError
from noisify.core.value_class import frozen
from noisify.formats.csv.comments import end_of_line
from noisify.formats.csv.types import Cells, Dialect, count_lines, ragged

if TYPE_CHECKING:
    from collections.abc import Iterator


@frozen
class ExactCutter:
    """Finds whole records and all their cells.

    Attributes:
        dialect: The dialect of the table.
        columns: The number of cells that every record must have.
        name: The file's name in errors.
        line: The line number at which the bytes start.
    """

    dialect: Dialect
    columns: int
    name: str
    line: int

    def cut(self, data: bytes, *, at_end: bool) -> tuple[Cells, int]:
        """Return the cells of the whole records at the start of `data`, and where the rest starts.

        Args:
            data: Bytes that start at the start of a line.
            at_end: Whether the file ends with `data`.

        Raises:
            DataError: If a record has another number of cells, or a quote is never closed.
        """
        bounds: list[tuple[int, int]] = []
        ragged_rows: list[int] = []
        used = rows = 0
        for record, after in self._records(data, at_end=at_end):
            used = after
            if not record:
                continue
            if len(record) != self.columns:
                ragged_rows.append(rows)
                record = self._ragged(data, record)  # noqa: PLW2901 - replaces its cells
            bounds += record
            rows += 1
        both = np.array(bounds, np.int64).reshape(rows, self.columns, 2)
        uneven = None
        if ragged_rows:
            uneven = np.zeros(rows, bool)
            uneven[ragged_rows] = True
        return Cells(both[:, :, 0], both[:, :, 1], uneven), used

    def _records(self, data: bytes, *, at_end: bool) -> Iterator[tuple[list[tuple[int, int]], int]]:
        """Yield the bounds of each whole record's cells, and where the next starts.

        Comments and empty lines are yielded without cells.
        """
        pattern = self.dialect.cells()
        position = 0
        record: list[tuple[int, int]] = []
        while position < len(data) or record:
            if not record and self.dialect.is_comment(data, position):
                end = end_of_line(data, position, at_end=at_end)
                if end is None:
                    return
                position = end
                yield [], position
                continue
            match = pattern.match(data, position)
            if match is None:
                if at_end:
                    line = self.line + count_lines(data, position)
                    raise DataError("has a quote that is never closed", path=self.name, line=line)
                return
            position = match.end()
            if position == len(data) and match[2] != b"\n" and not at_end:
                return  # a CR may be half of a CRLF, and the bytes half of a delimiter
            record.append(match.span(1))
            if match[2] == self.dialect.delimiter:
                continue
            empty = len(record) == 1 and match.start(1) == match.end(1)
            yield [] if empty else record, position
            record = []

    def _ragged(self, data: bytes, record: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return empty cells in the place of those of a ragged record.

        Raises:
            DataError: If ragged records are not kept.
        """
        start = record[0][0]
        if not self.dialect.keep_ragged:
            line = self.line + count_lines(data, start)
            raise ragged(
                self.dialect, self.name, line, len(record), self.columns, data[start : start + 2]
            )
        return [(start, start)] * self.columns


def end_of_record(data: bytes, dialect: Dialect, start: int) -> int:
    """Return the end of the record at `start`, before its line end."""
    pattern = dialect.cells()
    while (match := pattern.match(data, start)) and match[2] == dialect.delimiter:
        start = match.end()
    return match.end(1) if match else len(data)

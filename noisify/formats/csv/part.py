"""Parts of CSV and TSV files: whole records, after the header in the first part."""

from __future__ import annotations

import math
from functools import partial
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING

from noisify.core.overriding import override
from noisify.core.threads import thread_pool
from noisify.formats.csv.record_starts import Composition, RecordStart, Scanned, scan
from noisify.formats.csv.sink import DelimitedSink
from noisify.formats.csv.source import block_size
from noisify.formats.csv.types import Block
from noisify.formats.interface import Part, Reading, not_cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from noisify.core.chunk import Field
    from noisify.core.share import Share
    from noisify.files.output import Output
    from noisify.formats.csv.source import DelimitedSource

PIECE_BYTES = 4 << 20
"""Bytes of a file to count the records of at once."""
_PIECES_A_THREAD = 4


class CsvPart(Part[Block]):
    """The records of a CSV file that start in one of several equal ranges of its bytes.

    Args:
        source: The file.
        share: Which part it is.
        jobs: The number of threads to count the records before it with.

    Raises:
        UsageError: If its encoding cannot be read from the middle.
    """

    def __init__(self, source: DelimitedSource, share: Share, jobs: int) -> None:
        path = source.text.path
        if path is None:
            raise not_cut(
                "is in an encoding that is only read from the start; convert it to UTF-8 first"
            )
        self.share = share
        self._source = source
        self._size = path.stat().st_size
        begin = len(source.prefix)
        mine = share.of(max(0, self._size - begin))
        self._begin = RecordStart(begin, 0, 0)
        self._end = RecordStart(self._size, -1, math.inf)
        dialect = source.dialect
        if dialect.comment or dialect.escape or len(dialect.delimiter) > 1:
            starts = self._starts_in_order()
        else:
            cuts = [mine.start + begin, mine.stop + begin]
            starts = _record_starts(path, begin, self._size, cuts, dialect.delimiter, jobs)
        self._find(starts, mine.start + begin, mine.stop + begin)

    def _find(self, starts: Iterator[RecordStart], start: int, stop: int) -> None:
        """Find the first record at or after each of two offsets.

        Args:
            starts: Record starts in order; the last is the end of the file.
            start: Where the part may start.
            stop: Where the next part may start.
        """
        self._before = [self._begin]
        self._first, self._stop = self._begin, self._end
        if not self.share.is_first:
            for self._first in starts:
                if self._first.offset >= start:
                    break
                self._before.append(self._first)
        if not self.share.is_last:
            later = chain([self._first], starts)
            self._stop = next((one for one in later if one.offset >= stop), self._first)

    def _starts_in_order(self) -> Iterator[RecordStart]:
        """Yield record starts, by reading the file from its start."""
        size = min(PIECE_BYTES, max(1, self._size // (_PIECES_A_THREAD * self.share.count)))
        here = self._begin
        for block in self._source.blocks_between(here, self._size, size):
            yield here
            here = RecordStart(
                here.offset + len(block.data), here.row + block.rows, here.line + block.lines
            )
        yield here

    @override
    def read(self, groups: Sequence[Sequence[Field]], size: int, halo: int) -> Reading[Block]:
        """Read blocks of whole records."""
        size, in_flight = block_size(groups, size)
        blocks = partial(self._source.blocks_between, size=size)
        first, stop = self._first, self._stop
        if not halo:
            return Reading(blocks(first, stop.offset), in_flight)
        before = next(one for one in reversed(self._before) if one.row <= max(0, first.row - halo))
        after = _rows_of(blocks(stop, self._size), halo) if stop.offset < self._size else ()
        pieces = chain(blocks(before, first.offset), blocks(first, stop.offset), after)
        start_line, stop_line = self._line_of(first), self._line_of(stop)
        return Reading(
            pieces, in_flight, beyond=lambda block: not start_line <= block.line < stop_line
        )

    def _line_of(self, start: RecordStart) -> float:
        """Return the line of a start; the end of the file is after a last line without line end."""
        return self._source.line_of(start) + (start.offset >= self._size)

    @override
    def rewrite(self, output: Output, noised: frozenset[str]) -> DelimitedSink:
        """Open a sink for the records; only the first part has the header."""
        return DelimitedSink(self._source, output, self.share)


def _rows_of(blocks: Iterable[Block], rows: int) -> Iterator[Block]:
    """Yield blocks until they have so many rows."""
    for block in blocks:
        yield block
        rows -= block.rows
        if rows <= 0:
            return


def _record_starts(
    path: Path, begin: int, size: int, cuts: Sequence[int], delimiter: bytes, jobs: int
) -> Iterator[RecordStart]:
    """Yield the first record start in each piece of a file, and its end.

    Args:
        path: The file.
        begin: The offset of the first record.
        size: The size of the file.
        cuts: Offsets at which a piece must start.
        delimiter: The delimiter.
        jobs: The number of threads.
    """
    borders = sorted({*range(begin, size, PIECE_BYTES), *cuts, size})
    pieces = pairwise(border for border in borders if begin <= border <= size)
    composition = Composition(begin)
    with thread_pool(jobs, "noisify-count") as pool:
        while some := list(islice(pieces, _PIECES_A_THREAD * jobs)):
            for scanned in pool.map(partial(_scan_piece, path, delimiter), some):
                start = composition.add(scanned)
                if start is not None:
                    yield start
    yield composition.end()


def _scan_piece(path: Path, delimiter: bytes, piece: tuple[int, int]) -> Scanned:
    """Look for records in a range of a file's bytes."""
    start, stop = piece
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        return scan(file.read(stop - start), delimiter)

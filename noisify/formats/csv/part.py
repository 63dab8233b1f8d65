"""Parts of CSV and TSV files: whole records, after the header in the first part."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from functools import partial
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING, Any

from noisify.core.overriding import override
from noisify.core.share import Share
from noisify.core.threads import thread_pool
from noisify.core.value_class import frozen
from noisify.files.input import read_fully
from noisify.formats.csv.record_starts import Scanned, record_starts_of, scan
from noisify.formats.csv.sink import DelimitedSink
from noisify.formats.csv.source import block_size
from noisify.formats.csv.types import Block, RecordStart
from noisify.formats.interface import Part, Reading, not_cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from noisify.core.chunk import Field
    from noisify.files.output import Output
    from noisify.formats.csv.source import DelimitedSource

_PIECE_BYTES = 4 << 20
_PIECES_A_THREAD = 4


@frozen
class CsvBounds:
    """The start and end of a part.

    Attributes:
        before: Record starts before it, in order; reading starts at one of them if there is a halo.
        first: Its first record.
        stop: The first record after it, or the end of the file.
    """

    before: Sequence[RecordStart]
    first: RecordStart
    stop: RecordStart


class CsvPart(Part[Block]):
    """The records of a CSV file that start in one of several equal ranges of its bytes.

    Args:
        source: The file.
        share: Which part it is.
        bounds: Where it is.
    """

    def __init__(self, source: DelimitedSource, share: Share, bounds: CsvBounds) -> None:
        self.share = share
        self._source = source
        self._size = size_of(source)
        self._before, self._first, self._stop = bounds.before, bounds.first, bounds.stop

    @override
    def ragged(self) -> int:
        """Return the number of records of the part that were found too short or too long."""
        stop = math.inf if self.share.is_last else self._stop.row
        return self._source.ragged_rows(self._first.row, stop)

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
        """Return the line of a record start; at the end of the file, a line after all records."""
        return self._source.line_of(start) + (start.offset >= self._size)

    @override
    def rewrite(self, output: Output, noised: frozenset[str]) -> DelimitedSink:
        """Open a sink for the records; only the first part has the header."""
        return DelimitedSink(self._source, output, self.share)


def _rows_of(blocks: Iterable[Block], rows: int) -> Iterator[Block]:
    """Yield blocks until they have at least `rows` rows."""
    for block in blocks:
        yield block
        rows -= block.rows
        if rows <= 0:
            return


def size_of(source: DelimitedSource) -> int:
    """Return the size of a file in bytes.

    Raises:
        UsageError: If its encoding cannot be read from the middle.
    """
    if source.text.path is None:
        raise not_cut(
            "is in an encoding that is only read from the start; convert it to UTF-8 first"
        )
    return source.text.path.stat().st_size


def find_bounds(
    source: DelimitedSource, share: Share, jobs: int, piece_bytes: int = _PIECE_BYTES
) -> CsvBounds:
    """Find a part, by counting the records before it.

    Args:
        source: The file.
        share: Which part it is.
        jobs: The number of threads to count with.
        piece_bytes: Bytes of the file to count the records of at once.
    """
    begin, mine = len(source.prefix), _range_of(source, share)
    if _is_read_in_order(source):
        starts = _starts_in_order(source, share.count, piece_bytes)
    else:
        starts = _record_starts(source, [mine.start, mine.stop], jobs, piece_bytes)
    needed = begin if share.count == 1 else mine.start if share.is_last else mine.stop
    found = [RecordStart(begin, 0, 0)]
    while found[-1].offset < needed:
        found.append(next(starts))
    return _bounds(source, found, share)


def scan_share(
    source: DelimitedSource, share: Share, piece_bytes: int = _PIECE_BYTES
) -> list[Scanned] | list[RecordStart]:
    """Look for record starts in a share of a file's bytes.

    Args:
        source: The file.
        share: Which share.
        piece_bytes: Bytes of the file to look at at once.
    """
    if _is_read_in_order(source):  # for the first share, look in the whole file
        return list(_starts_in_order(source, share.count, piece_bytes)) if share.is_first else []
    mine = _range_of(source, share)
    borders = [*range(mine.start, mine.stop, piece_bytes), mine.stop]
    return [_scan_piece(source, piece) for piece in pairwise(borders)]


def bounds_of(
    source: DelimitedSource, scanned: Sequence[Sequence[Any]], halo: int
) -> list[CsvBounds]:
    """Return where all parts of a file are, from what was found in its shares.

    Args:
        source: The file.
        scanned: What `scan_share` returned for each share.
        halo: How many records before a part are read too.
    """
    begin = len(source.prefix)
    starts = [RecordStart(begin, 0, 0)]
    if _is_read_in_order(source):
        starts += scanned[0]
    else:
        starts += record_starts_of(chain.from_iterable(scanned), begin)
    shares = [Share(number, len(scanned)) for number in range(1, len(scanned) + 1)]
    return [_bounds(source, starts, share, halo) for share in shares]


def _bounds(
    source: DelimitedSource, starts: Sequence[RecordStart], share: Share, halo: int | None = None
) -> CsvBounds:
    """Return where a part is.

    Args:
        source: The file.
        starts: Record starts in order: the first in the file, others, and the end of the file.
        share: Which part.
        halo: How many records before it are read too, or None if that is not known yet.
    """
    mine = _range_of(source, share)
    at = 0 if share.is_first else bisect_left(starts, mine.start, key=lambda one: one.offset)
    first = starts[at]
    before = starts[: max(1, at)]
    if halo is not None:
        nearest = bisect_right(before, max(0, first.row - halo), key=lambda one: one.row)
        before = before[nearest - 1 : nearest]
    if share.is_last:
        return CsvBounds(before, first, RecordStart(mine.stop, -1, math.inf))
    return CsvBounds(
        before, first, starts[bisect_left(starts, mine.stop, key=lambda one: one.offset)]
    )


def _range_of(source: DelimitedSource, share: Share) -> range:
    """Return a share of the bytes from the first record to the end of the file."""
    begin = len(source.prefix)
    mine = share.of(max(0, size_of(source) - begin))
    return range(begin + mine.start, begin + mine.stop)


def _is_read_in_order(source: DelimitedSource) -> bool:
    """Return whether records are only found by reading a file from its start."""
    dialect = source.dialect
    return bool(dialect.comment or dialect.escape) or len(dialect.delimiter) > 1


def _starts_in_order(
    source: DelimitedSource, parts: int, piece_bytes: int
) -> Iterator[RecordStart]:
    """Yield record starts, several for each of some parts, by reading a file from its start."""
    total = size_of(source)
    size = min(piece_bytes, max(1, total // (_PIECES_A_THREAD * parts)))
    here = RecordStart(len(source.prefix), 0, 0)
    for block in source.blocks_between(here, total, size):
        yield here
        here = RecordStart(
            here.offset + len(block.data), here.row + block.rows, here.line + block.lines
        )
    yield here


def _record_starts(
    source: DelimitedSource, cuts: Sequence[int], jobs: int, piece_bytes: int
) -> Iterator[RecordStart]:
    """Yield the first record start in each piece of a file, and its end.

    Args:
        source: The file.
        cuts: Offsets at which a piece must start.
        jobs: The number of threads.
        piece_bytes: The most bytes of a piece.
    """
    begin, size = len(source.prefix), size_of(source)
    borders = sorted({*range(begin, size, piece_bytes), *cuts, size})
    pieces = pairwise(border for border in borders if begin <= border <= size)
    batches = iter(lambda: list(islice(pieces, _PIECES_A_THREAD * jobs)), [])
    with thread_pool(jobs, "noisify-count") as pool:
        scanned = (pool.map(partial(_scan_piece, source), some) for some in batches)
        yield from record_starts_of(chain.from_iterable(scanned), begin)


def _scan_piece(source: DelimitedSource, piece: tuple[int, int]) -> Scanned:
    """Look for records in a range of a file's bytes."""
    start, stop = piece
    with source.text.open_at(start, stop) as file:
        return scan(read_fully(file, stop - start), source.dialect.delimiter)

"""The one loop that drives every format, and the map of the way data goes.

    source ──raw──▶ decode ──chunk──▶ noise ──chunk──▶ encode ──raw──▶ sink
    in order        └────────── in a pool of threads ──────────┘       in order

Reading and writing are serial and in order; the three in the middle run in worker threads. (Arrays
whose elements have known places in their files are read, and written to a file, there too.) At most
workers + 2 chunks are in flight, so memory is constant. The first failure cancels the rest.
A first pass over the data (`survey`) is the same loop without noise, encode and sink.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import replace
from functools import partial
from itertools import chain, count, groupby, islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from noisify.core.chunk import Chunk, blank, cut_out, joined, merged_floats, merged_whole
from noisify.core.errors import UsageError
from noisify.core.value_class import frozen
from noisify.engine.counts import FieldReport
from noisify.engine.noiser import Noiser
from noisify.engine.numpy_streams import sequential_generators
from noisify.formats.interface import no_rows, some_rows
from noisify.plan.plan import grouped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from noisify.core.chunk import Column, Field
    from noisify.engine.counts import Tally
    from noisify.formats.interface import MaskSink, NoisyColumn, Sink, Source
    from noisify.plan.condition import Condition
    from noisify.plan.plan import Plan
    from noisify.statistics.moments import BlockPieces
    from noisify.statistics.survey import FieldStatistics

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK_BYTES = 1 << 20
MORE_IN_FLIGHT = 2
_PREVIEWED = 64
"""Chunks in which a preview looks for elements that change."""
_TOGETHER = 8
_TWO_PASSES = frozenset({"iqr", "scores"})
_TOGETHER_BYTES = 1 << 23


def ordered_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    jobs: int,
    in_flight: int | None = None,
    together: int = 1,
) -> Iterator[Result]:
    """Yield function(item) for each item, in order, worked on by `jobs` threads.

    Args:
        function: What to do; called in a worker thread, or here when there is but one job or item.
        items: Read in this thread, one at a time, only as far ahead as `in_flight` allows.
        jobs: Worker threads.
        in_flight: Items that may be read and not yet yielded; default: jobs + 2.
        together: Items that a worker may be handed at once. More than one is sooner, to be said
            where an item takes no memory before it is worked on, nor after.

    Raises:
        BaseException: The first failure, in the order of the items; the rest is cancelled.
    """
    limit = max(1, min(in_flight or jobs + MORE_IN_FLIGHT, jobs + MORE_IN_FLIGHT))
    if jobs <= 1 or limit == 1:
        yield from map(function, items)
        return
    waiting = _groups(items, jobs, together)
    ahead = deque(islice(waiting, 2))
    if len(ahead) <= 1:
        yield from map(function, chain.from_iterable(ahead))
        return
    stopping: list[bool] = []

    def each(group: deque[Item]) -> deque[Result]:
        results: deque[Result] = deque()
        while group and not stopping:
            results.append(function(group.popleft()))
        return results

    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - small files do without

    pool = ThreadPoolExecutor(jobs, thread_name_prefix="noisify")
    try:  # an item that is done must not be in memory until the end: nothing else holds it
        futures = deque(pool.submit(each, ahead.popleft()) for _ in range(len(ahead)))
        more = islice(waiting, limit - len(futures))
        futures.extend(pool.submit(each, group) for group in more)
        while futures:
            results = futures.popleft().result()
            while results:
                yield results.popleft()
            futures.extend(pool.submit(each, group) for group in islice(waiting, 1))
    finally:
        stopping.append(True)
        pool.shutdown(wait=True, cancel_futures=True)


def _groups(items: Iterable[Item], jobs: int, most: int) -> Iterator[deque[Item]]:
    """Yield items in groups: small ones first, so that every worker gets some of a few items."""
    waiting = iter(items)
    for number in count():
        group = deque(islice(waiting, min(most, 1 + number // jobs)))
        if not group:
            return
        yield group


def survey(
    source: Source[Any],
    needs: Mapping[Field, frozenset[str]],
    *,
    jobs: int,
    size: int,
    progress: Callable[[int], None],
    expect: Callable[[int], None] = lambda _: None,
) -> dict[str, FieldStatistics]:
    """Pass over the data, as often as it takes, for the statistics that levels need.

    Args:
        source: The data; read from its start each time.
        needs: For each field any of sd, power, range, iqr.
        jobs: Worker threads.
        size: Bytes in a chunk.
        progress: Told the bytes of each chunk done.
        expect: Told before each pass how many are still to come, as far as that is known.
    """
    from noisify.statistics.moments import (  # noqa: PLC0415 - an absolute level does without
        BlockMoments,
        JointMoments,
    )
    from noisify.statistics.survey import Survey  # noqa: PLC0415 - as above

    surveys = {field.name: Survey(need) for field, need in needs.items()}
    together = [field for field, need in needs.items() if "covariance" in need]
    joint = BlockMoments()
    passes = 0
    while pending := [field for field in needs if not surveys[field.name].done]:
        first, passes = not passes, passes + 1
        expect(2 if first and any(need & _TWO_PASSES for need in needs.values()) else 1)

        def look(
            raw: Any,  # noqa: ANN401
            pending: list[Field] = pending,
            first: bool = first,  # noqa: FBT001
        ) -> tuple[dict[str, Any], BlockPieces | None, int]:
            chunk = source.decode(raw, pending)
            columns = chunk.by_field()
            looked = {
                name: surveys[name].partial(
                    *merged_floats(found), merged_whole(found), partial(_different, found)
                )
                for name, found in columns.items()
            }
            pieces = _joint_pieces(together, columns) if together and first else None
            return looked, pieces, source.size_of(raw)

        apart = {field.name for field in together}
        groups = [[field] for field in pending if field.name not in apart]
        groups += [together] if together else []
        reading = source.read(groups, size)
        for looked, pieces, done in ordered_map(look, reading.pieces, jobs, reading.in_flight):
            for name, seen in looked.items():
                with_field(name, surveys[name].merge, seen)
            if pieces is not None:
                joint += pieces
            progress(done)
        for field in pending:
            surveys[field.name].end_pass()
    results = {name: found.result() for name, found in surveys.items()}
    if together and isinstance(total := joint.total(), JointMoments):
        names = [field.name for field in together]
        for name, row in zip(names, total.covariance.tolist(), strict=True):
            covariance = dict(zip(names, row, strict=True))
            results[name] = replace(results[name], covariance=covariance)
    return results


def with_field(name: str, function: Callable[[Any], None], value: Any) -> None:  # noqa: ANN401
    """Call a function; an error of its names the field."""
    try:
        function(value)
    except UsageError as error:
        raise UsageError(str(error), field=name) from None


def _different(columns: list[Column]) -> Counter[str]:
    """Count the different values of a field, as texts."""
    counts: Counter[str] = Counter()
    for column in columns:
        values = column.values if column.valid is None else column.values[column.valid]
        if values.dtype == object:
            counts.update(map(str, values.tolist()))
            continue
        found, times = np.unique(values, return_counts=True)
        counts.update(dict(zip(map(str, found.tolist()), times.tolist(), strict=True)))
    return counts


def _joint_pieces(together: list[Field], columns: Mapping[str, list[Column]]) -> BlockPieces | None:
    """Return the rows of several fields' values, cut at the borders of noise blocks."""
    from noisify.statistics.moments import BlockPieces  # noqa: PLC0415 - as in survey

    if any(field.name not in columns for field in together):
        return None
    merged = [merged_floats(columns[field.name]) for field in together]
    valid = np.ones(len(merged[0][1]), bool)
    for _, _, there in merged:
        if there is not None:
            valid &= there
    values = np.stack([floats for _, floats, _ in merged], axis=1)
    return BlockPieces.cut(merged[0][0], values, valid)


@frozen
class Task:
    """One output of a run.

    Attributes:
        plan: What to do.
        sink: Takes the noisy data.
        mask: Takes which elements changed; None: nobody asks.
    """

    plan: Plan
    sink: Sink[Any, Any]
    mask: MaskSink | None = None


def run(
    source: Source[Any],
    tasks: Sequence[Task],
    *,
    jobs: int,
    size: int,
    measure: bool,
    progress: Callable[[int], None],
) -> list[dict[str, FieldReport]]:
    """Carry out plans, from one reading of the data.

    Args:
        source: The data.
        tasks: What to do, and where to.
        jobs: Worker threads; a compatibility stream uses one, being sequential.
        size: Bytes in a chunk.
        measure: Whether to measure what noise did, beyond counting.
        progress: Told the bytes of each chunk done.

    Returns:
        For each task, and each field that got noise, what it did.
    """
    workers = [_Worker(source, task, size, measure=measure) for task in tasks]
    rows = any(task.mask is not None or task.plan.row_steps for task in tasks)
    reader = _Reader(source, [task.plan for task in tasks], size, columns_together=rows)

    def work(piece: Piece) -> tuple[list[tuple[Any, ...]], int]:
        return [worker.work(piece) for worker in workers], source.size_of(piece.raw)

    reports: list[dict[str, FieldReport]] = [
        {field.name: FieldReport() for field in task.plan.noised} for task in tasks
    ]
    threads = 1 if any(worker.sequential for worker in workers) else jobs
    placed = all(worker.positional for worker in workers)
    for done, size_done in reader.map(work, threads, placed=placed):
        for task, report, (encoded, masked, tallies) in zip(tasks, reports, done, strict=True):
            if encoded is not None:
                task.sink.write(encoded)
            if task.mask is not None:
                task.mask.write(masked)
            for name, tally in tallies.items():
                report[name] += tally
        del done, encoded, masked  # or they would be in memory until the next ones are there
        progress(size_done)
    return reports


class _Worker:
    """Does one task's share of the work on a piece, in a worker thread."""

    def __init__(self, source: Source[Any], task: Task, size: int, *, measure: bool) -> None:
        generators = sequential_generators(task.plan, source, size)
        self._task = task
        self.positional = task.sink.positional and task.mask is None
        self._noiser = Noiser(task.plan, generators, measure=measure)
        self._has_row_steps = bool(task.plan.row_steps)
        self.sequential = bool(generators)
        self._fresh = {
            number: Noiser(task.plan.replicated(number), {}, measure=False)
            for number in range(1, 1 + task.plan.fresh_copies)
        }

    def work(self, piece: Piece) -> tuple[Any, Any, dict[str, Any]]:
        """Return what to write, what to write to the mask, and what noise did."""
        sink, chunk = self._task.sink, piece.chunk
        noisy, tallies = self._noiser.apply(piece.reached, piece.conditions, chunk)
        encoded = sink.encode(piece.raw, chunk, noisy)
        mask = self._task.mask
        masked = None if mask is None else mask.encode(piece.raw, chunk, noisy)
        if self._has_row_steps:
            if chunk.rows is None:
                raise no_rows()
            copies = self._noiser.copies(chunk.rows, piece.row_conditions)
            versions = [encoded]
            for noiser in self._fresh.values():
                again, _ = noiser.apply(piece.reached, piece.conditions, chunk)
                versions.append(sink.encode(piece.raw, chunk, again))
            encoded = sink.with_rows(versions, copies)
        left = sink.write_at_position(encoded) if sink.positional else encoded
        return left, masked, tallies


@frozen
class Piece:
    """A raw piece, decoded, and as much of what is around it as models reach.

    Attributes:
        raw: As the format reads it.
        chunk: Its decoded fields.
        row_conditions: For each condition on rows, those of the piece for which it is true.
        reached: The decoded fields with their surroundings.
        conditions: For each condition, the elements of `reached` for which it is true.
    """

    raw: Any
    chunk: Chunk
    row_conditions: dict[Condition, NDArray[np.bool_]]
    reached: Chunk
    conditions: dict[Condition, NDArray[np.bool_]]


class _Reader:
    """Reads and decodes pieces for several plans; extends them where models reach beyond.

    Args:
        source: The data.
        plans: What will be done.
        size: Bytes in a chunk.
        columns_together: Whether the columns of a table have to come together.
    """

    def __init__(
        self, source: Source[Any], plans: Sequence[Plan], size: int, *, columns_together: bool
    ) -> None:
        self._source = source
        self._size = size
        fields = {field.name: field for plan in plans for field in plan.fields}
        order = {field.name: at for at, field in enumerate(source.fields)}
        self._fields = sorted(fields.values(), key=lambda field: order[field.name])
        self._conditions = {where for plan in plans for where in plan.conditions()}
        self._reach = max((plan.halo for plan in plans), default=0)
        groups = grouped(self._fields, [step for plan in plans for step in plan.field_steps])
        self._groups = _with_columns_together(groups) if columns_together or self._reach else groups

    def map(
        self, work: Callable[[Piece], Result], jobs: int, *, placed: bool = False
    ) -> Iterator[Result]:
        """Yield work(piece) for each piece, in order; `placed`: the result takes no memory."""
        reading = self._source.read(self._groups, self._size)
        raws, in_flight = reading.pieces, reading.in_flight
        if not self._reach:
            few = reading.lazy and placed  # of the pieces waiting take memory
            together = max(1, min(_TOGETHER, _TOGETHER_BYTES // self._size)) if few else 1
            yield from ordered_map(
                lambda raw: work(self._decode(raw)), raws, jobs, in_flight, together
            )
            return
        decoded = ordered_map(self._decode, raws, jobs, in_flight)
        yield from ordered_map(work, extended(decoded, self._reach), jobs, in_flight)

    def _decode(self, raw: Any) -> Piece:  # noqa: ANN401
        chunk = self._source.decode(raw, self._fields)
        conditions = {
            where: where.rows(self._source.condition_values(raw, chunk, where.fields))
            for where in self._conditions
        }
        return Piece(raw, chunk, conditions, chunk, conditions)


def _with_columns_together(groups: Sequence[list[Field]]) -> list[list[Field]]:
    """Return groups of fields, those that have columns of a table as one."""
    columns = [field for group in groups for field in group if not field.table]
    others = [[field for field in group if field.table] for group in groups]
    return [group for group in (columns, *others) if group]


class Preview(NamedTuple):
    """What a plan would do to the start of a source.

    Attributes:
        columns: Noisy columns of a few rows each, field by field.
        fields: What noise did to each field, as far as was looked.
    """

    columns: list[NoisyColumn]
    fields: dict[str, FieldReport]


def preview(source: Source[Any], plan: Plan, rows: int, size: int) -> Preview:
    """Return noisy columns of a few rows each: the first, or if they do not change some that do.

    Args:
        source: The data.
        plan: What would be done.
        rows: How many elements each column keeps.
        size: Bytes in a chunk.
    """
    noiser = Noiser(plan, sequential_generators(plan, source, size), measure=False)
    found: dict[str, list[NoisyColumn]] = {}
    waiting = {field.name for field in plan.noised}
    fields = {name: FieldReport() for name in waiting}

    def work(piece: Piece) -> tuple[list[NoisyColumn], dict[str, Tally]]:
        return noiser.apply(piece.reached, piece.conditions, piece.chunk)

    reader = _Reader(source, [plan], size, columns_together=True)  # they are shown side by side
    for done, tallies in islice(reader.map(work, 1), _PREVIEWED):
        for name, tally in tallies.items():
            fields[name] += tally
        for name, noisy in groupby(done, lambda result: result.column.field.name):
            columns = [some_rows(column, rows) for column in noisy]
            if name in waiting and (name not in found or any(c.changed.any() for c in columns)):
                found[name] = columns
        waiting -= {n for n, columns in found.items() if any(c.changed.any() for c in columns)}
        if not waiting:
            break
    return Preview([column for columns in found.values() for column in columns], fields)


def extended(pieces: Iterable[Piece], reach: int) -> Iterator[Piece]:
    """Yield pieces with at least `reach` elements of their surroundings on either side.

    Args:
        pieces: Decoded pieces, each starting where the one before ends.
        reach: How many elements.

    Raises:
        UsageError: If the elements do not come in the order of the field.
    """
    waiting = iter(pieces)
    before: list[Piece] = []
    here: deque[Piece] = deque(islice(waiting, 1))
    while here:
        while _after(here, reach) < reach and (more := next(waiting, None)) is not None:
            here.append(more)
        piece = here.popleft()
        yield _surrounded(before, piece, list(here), reach)
        before.append(piece)
        while len(before) > 1 and sum(_length(p) for p in before[1:]) >= reach:
            del before[0]
        if not here:
            here.extend(islice(waiting, 1))


def _fields(piece: Piece) -> set[str]:
    """Return the fields of a piece; those of another dataset are no surroundings of it."""
    return {column.field.name for column in piece.chunk.columns}


def _length(piece: Piece) -> int:
    return min((column.positions.size for column in piece.chunk.columns), default=0)


def _after(here: deque[Piece], reach: int) -> int:
    """Return how many elements are there after the first piece, as far as it matters."""
    count = 0
    for piece in islice(here, 1, None):
        count += _length(piece)
        if count >= reach:
            break
    return count


def _surrounded(before: list[Piece], piece: Piece, after: list[Piece], reach: int) -> Piece:
    around = [p for p in (*before, piece, *after) if _fields(p) == _fields(piece)]
    columns = []
    lead = stop = 0
    for at, column in enumerate(piece.chunk.columns):
        parts: list[Column] = []
        for other in around:
            like = _alike(other, column, at)
            if len(like.positions.starts) != 1 or (
                parts and not like.positions.follows(_end(parts[-1]))
            ):
                raise UsageError(
                    "its elements are not stored in their order, which this model needs",
                    field=column.field.name,
                )
            parts.append(like)
        whole = joined(parts)
        start = int(column.positions.starts[0]) - int(whole.positions.starts[0])
        first, end = max(0, start - reach), start + column.positions.size + reach
        columns.append(cut_out(whole, first, min(end, whole.positions.size)))
        if not stop or not column.field.table:  # conditions are on rows, not on what lists hold
            lead, stop = first, end
    conditions = {
        where: np.concatenate([other.row_conditions[where] for other in around])[lead:stop]
        for where in piece.row_conditions
    }
    return replace(piece, reached=Chunk(tuple(columns)), conditions=conditions)


def _alike(other: Piece, column: Column, at: int) -> Column:
    """Return another piece's column of the same field and type, a blank one if it has none."""
    columns = [c for c in other.chunk.columns if c.field.name == column.field.name]
    same = [c for c in columns if c.number == column.number]
    return same[0] if same else blank(column, columns[0] if columns else other.chunk.columns[at])


def _end(column: Column) -> int:
    return int(column.positions.starts[0]) + column.positions.size

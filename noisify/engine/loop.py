"""The main loop, which is the same for every format.

    source ──raw──▶ decode ──chunk──▶ noise ──chunk──▶ encode ──raw──▶ sink
    in order        └────────── in a pool of threads ──────────┘       in order

Reading and writing are serial and in order; the three steps between run in worker threads. Arrays
with elements at known offsets are read, and written to regular files, in the workers too. At most
workers + 2 chunks are in flight, so memory is constant. The first failure cancels the rest.
A first pass over the data (`survey.py`) is the same loop without noise, encode and sink.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from noisify.core.chunk import Positions
from noisify.core.value_class import frozen
from noisify.engine import record_keys
from noisify.engine.counts import FieldReport
from noisify.engine.measures import MOST_WAITING, Measures, measured
from noisify.engine.noiser import Noiser
from noisify.engine.numpy_streams import sequential_generators
from noisify.engine.overlap import DecodedPiece, extended
from noisify.engine.parallel import ordered_map
from noisify.files.output_interface import naming
from noisify.formats.interface import no_rows, some_rows
from noisify.plan.plan import grouped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from noisify.core.chunk import Field
    from noisify.engine.counts import Tally
    from noisify.engine.measures import Measured
    from noisify.engine.parallel import Result
    from noisify.engine.record_keys import KeyTally
    from noisify.formats.interface import NoisyColumn, Part, Reading, Sink, Source
    from noisify.formats.mask import MaskSink
    from noisify.plan.plan import Plan

CHUNK_BYTES = 1 << 20
_ELEMENT_BYTES = 8
_PREVIEWED = 64
"""Chunks that a preview searches for elements that change."""
_BATCH_PIECES = 8
"""The most pieces to hand to a worker at once, if waiting pieces take no memory."""
_BATCH_BYTES = 1 << 23


@frozen
class Task:
    """One output of a run.

    Attributes:
        plan: The plan.
        sink: The sink of the noisy data.
        name: The output's name in errors.
        mask: The sink of the mask, or None without one.
        mask_name: The mask's name in errors.
    """

    plan: Plan
    sink: Sink[Any, Any]
    name: str = ""
    mask: MaskSink | None = None
    mask_name: str = ""


def run(
    source: Source[Any],
    tasks: Sequence[Task],
    *,
    jobs: int,
    size: int,
    measure: bool,
    progress: Callable[[int], None],
    part: Part[Any] | None = None,
    keyed: Callable[[KeyTally], None] = lambda _: None,
) -> list[dict[str, FieldReport]]:
    """Carry out plans in one pass over the data.

    Args:
        source: The data.
        tasks: The plans and their outputs.
        jobs: The number of worker threads; a compatibility stream is sequential and uses one.
        size: The bytes of a chunk.
        measure: Whether to measure the effects of noise, beyond counting.
        progress: Called with the bytes of each chunk done.
        part: The part of the data to work on, or None for all of it.
        keyed: Receives the counts of missing and repeated keys, if plans have a key.

    Returns:
        For each task, the effects of noise on each noisy field.
    """
    workers = [_Worker(source, task, size, measure=measure) for task in tasks]
    masks = [task.mask for task in tasks if task.mask is not None]
    rows = any(mask.needs_rows for mask in masks) or any(task.plan.row_steps for task in tasks)
    plans = [task.plan for task in tasks]
    reader = _Reader(source, plans, size, columns_together=rows, part=part)

    reports: list[dict[str, FieldReport]] = [
        {field.name: FieldReport() for field in task.plan.noised} for task in tasks
    ]
    threads = 1 if any(worker.sequential for worker in workers) else jobs
    one_by_one = threads == 1 or reader.reading.in_flight == 1  # then each is written as it is made

    def work(piece: DecodedPiece) -> tuple[Iterable[_Done], int]:
        done = (worker.work(piece) for worker in workers)
        return done if one_by_one else list(done), source.size_of(piece.raw)

    placed = all(worker.positional for worker in workers)
    most = MOST_WAITING // len(tasks)
    with ExitStack() as closing:
        measures = [closing.enter_context(Measures(report, most)) for report in reports]
        for done, size_done in reader.map(work, threads, placed=placed):
            results = iter(done)
            for task, report, measure_of in zip(tasks, reports, measures, strict=True):
                one = next(results)  # `zip` would keep it while the next one is made
                _write(task, one)
                for name, tally in one.tallies.items():
                    report[name] += tally
                if one.measured is not None:
                    measure_of.add(one.measured)
                del one  # free it before the next one is made
            del done, results
            progress(size_done)
        for each in measures:
            each.end(complete=part is None)
    if reader.keys is not None:
        keyed(reader.keys.tally)
    return reports


class _Done(NamedTuple):
    """What a task makes of a piece.

    Attributes:
        encoded: The encoded piece, or None if it has been written.
        mask: Its encoded mask, or None without one.
        tallies: The tally of each field.
        measured: What is measured beyond that, or None.
    """

    encoded: Any
    mask: Any
    tallies: dict[str, Tally]
    measured: Measured | None


def _write(task: Task, done: _Done) -> None:
    """Write a piece and its mask."""
    if done.encoded is not None:
        with naming(task.name):
            task.sink.write(done.encoded)
    if task.mask is not None:
        with naming(task.mask_name):
            task.mask.write(done.mask)


class _Worker:
    """Does one task's share of the work on a piece, in a worker thread."""

    def __init__(self, source: Source[Any], task: Task, size: int, *, measure: bool) -> None:
        generators = sequential_generators(task.plan, source, size)
        self._task = task
        self._has_row_steps = bool(task.plan.row_steps)
        in_place = task.sink.positional and not self._has_row_steps
        self.positional = in_place and task.mask is None
        self._noiser = Noiser(task.plan, generators)
        self._measure = measure
        self.sequential = bool(generators)
        self._fresh = {
            number: Noiser(task.plan.copied(repeated=number), {})
            for number in range(1, 1 + task.plan.fresh_copies)
        }

    def work(self, piece: DecodedPiece) -> _Done:
        """Add noise to a piece, encode it and its mask, and measure what noise did."""
        sink, chunk = self._task.sink, piece.chunk
        noisy, tallies = self._noiser.apply(piece.extended, piece.conditions, chunk, piece.keys)
        encoded = sink.encode(piece.raw, chunk, noisy)
        mask = self._task.mask
        masked = None if mask is None else mask.encode(piece.raw, chunk, noisy, encoded)
        if self._has_row_steps:
            if chunk.rows is None:
                raise no_rows()
            copies = self._noiser.copies(chunk.rows, piece.row_conditions, piece.keys)
            versions = [encoded]
            for noiser in self._fresh.values():
                again, _ = noiser.apply(piece.extended, piece.conditions, chunk, piece.keys)
                versions.append(sink.encode(piece.raw, chunk, again))
            encoded = sink.with_rows(versions, copies)
        elif sink.positional:
            with naming(self._task.name):
                encoded = sink.write_at_position(encoded)
        return _Done(encoded, masked, tallies, measured(noisy) if self._measure else None)


def written_rows(source: Source[Any], plan: Plan, jobs: int, size: int, rows: int) -> int:
    """Return how many rows are written when a plan drops and repeats some.

    The input is read for it only if a condition chooses the rows.

    Args:
        source: The data.
        plan: The plan.
        jobs: The number of worker threads.
        size: The bytes of a chunk.
        rows: The number of rows of the input.
    """
    noiser = Noiser(plan, sequential_generators(plan, source, size))
    if all(step.where is None for step in plan.row_steps):
        ranges = (Positions.range(at, min(at + size, rows)) for at in range(0, rows, size))
        return sum(int(noiser.copies(some, {}).sum()) for some in ranges)

    def copies(piece: DecodedPiece) -> int:
        if piece.chunk.rows is None:
            raise no_rows()
        return int(noiser.copies(piece.chunk.rows, piece.row_conditions).sum())

    return sum(_Reader(source, [plan], size, columns_together=True).map(copies, jobs))


class _Reader:
    """Reads and decodes pieces for several plans, and extends them by the halo of models.

    Args:
        source: The data.
        plans: The plans.
        size: The bytes of a chunk.
        columns_together: Whether the columns of a table must be in the same piece.
        part: The part of the source to read, or None for all of it.
    """

    def __init__(
        self,
        source: Source[Any],
        plans: Sequence[Plan],
        size: int,
        *,
        columns_together: bool,
        part: Part[Any] | None = None,
    ) -> None:
        self._source = source
        self._part = part
        self._size = max(size, _ELEMENT_BYTES * max((p.piece_elements for p in plans), default=0))
        fields = {field.name: field for plan in plans for field in plan.fields}
        order = {field.name: at for at, field in enumerate(source.fields)}
        self._fields = sorted(fields.values(), key=lambda field: order[field.name])
        steps = [step for plan in plans for step in plan.field_steps]
        self._conditions = {
            where: frozenset(step.field.name for step in steps if step.where == where)
            for plan in plans
            for where in plan.conditions()
        }
        self._of_rows = {step.where for plan in plans for step in plan.row_steps}
        self._halo = max((plan.halo for plan in plans), default=0)
        keyed = (plan for plan in plans if plan.key)  # all have the same key
        self.keys = next(
            (record_keys.RecordKeys(source, plan.key, strict=plan.strict) for plan in keyed), None
        )
        groups = grouped(self._fields, steps)
        if source.reads_conditions:
            groups = [self._with_conditions(group) for group in groups]
        together = columns_together or self._halo or self.keys is not None
        self._groups = _with_columns_together(groups) if together else groups
        self.reading = self._read()

    def _read(self) -> Reading[Any]:
        if self._part is None:
            read = self._source.read_rows if self._of_rows else self._source.read
            reading = read(self._groups, self._size)
        else:
            reading = self._part.read(self._groups, self._size, self._halo)
        return reading

    def map(
        self, work: Callable[[DecodedPiece], Result], jobs: int, *, placed: bool = False
    ) -> Iterator[Result]:
        """Yield work(piece) for each piece, in order; if `placed`, results take no memory."""
        reading = self.reading
        raws, in_flight = reading.pieces, reading.in_flight
        if not self._halo:
            few = reading.lazy and placed  # then waiting pieces take no memory
            together = max(1, min(_BATCH_PIECES, _BATCH_BYTES // self._size)) if few else 1
            yield from ordered_map(
                lambda raw: work(_own(self._decode(raw), reading)), raws, jobs, in_flight, together
            )
            return
        decoded = ordered_map(self._decode, raws, jobs, in_flight)
        surrounded = extended(decoded, self._halo)
        within = (_own(piece, reading) for piece in surrounded if not reading.beyond(piece.raw))
        yield from ordered_map(work, within, jobs, in_flight)

    def _with_conditions(self, group: Sequence[Field]) -> list[Field]:
        """Return a group of fields with the fields that conditions on them use."""
        names = {field.name for field in group}
        for where, noised in self._conditions.items():
            if not names.isdisjoint(noised):
                names |= where.fields
        if self.keys is not None:
            names |= set(self.keys.names)
        return [*group, *self._source.fields_called(names - {field.name for field in group})]

    def _decode(self, raw: object) -> DecodedPiece:
        chunk = self._source.decode(raw, self._fields)
        here = {column.field.name for column in chunk.columns}
        conditions = {
            where: where.rows(self._source.condition_values(raw, chunk, where.fields))
            for where, noised in self._conditions.items()
            if where in self._of_rows or not here.isdisjoint(noised)
        }
        keys = None if self.keys is None else self.keys.indices(raw, chunk)
        return DecodedPiece(raw, chunk, conditions, chunk, conditions, keys)


def _own(piece: DecodedPiece, reading: Reading[Any]) -> DecodedPiece:
    """Remove from a piece's chunk the fields that another part writes."""
    if reading.owns is None:
        return piece
    own = [one for one in piece.chunk.columns if reading.owns(piece.raw, one.field)]
    if len(own) == len(piece.chunk.columns):
        return piece
    return replace(piece, chunk=replace(piece.chunk, columns=tuple(own)))


def _with_columns_together(groups: Sequence[list[Field]]) -> list[list[Field]]:
    """Merge the groups of fields that are columns of a table."""
    columns = [field for group in groups for field in group if not field.table]
    others = [[field for field in group if field.table] for group in groups]
    return [group for group in (columns, *others) if group]


class Preview(NamedTuple):
    """The effects of a plan on the start of a source.

    Attributes:
        columns: Noisy columns of a few rows each, field by field.
        fields: The effects of noise on each field, as far as it was read.
        copies: How many times some rows are written, by their indices; empty without models of
            whole rows.
        notes: Notes on the keys of the rows that were read.
    """

    columns: list[NoisyColumn]
    fields: dict[str, FieldReport]
    copies: Mapping[int, int]
    notes: Sequence[str]


def preview(source: Source[Any], plan: Plan, rows: int, size: int) -> Preview:
    """Return noisy columns of a few rows each: the first rows, or else some that change.

    Args:
        source: The data.
        plan: The plan.
        rows: The number of elements of each column.
        size: The bytes of a chunk.
    """
    noiser = Noiser(plan, sequential_generators(plan, source, size))
    found: dict[str, list[NoisyColumn]] = {}
    waiting = {field.name for field in plan.noised}
    fields = {field.name: FieldReport() for field in plan.noised}  # in file order, as their notes

    def work(piece: DecodedPiece) -> tuple[list[NoisyColumn], dict[str, Tally], dict[int, int]]:
        done, tallies = noiser.apply(piece.extended, piece.conditions, piece.chunk, piece.keys)
        return done, tallies, _some_copies(noiser, piece, rows) if plan.row_steps else {}

    reader = _Reader(source, [plan], size, columns_together=True)  # they are shown side by side
    copies: dict[int, int] = {}
    for done, tallies, copied in islice(reader.map(work, 1), _PREVIEWED):
        copies = copies or copied
        for name, tally in tallies.items():
            fields[name] += tally
        for name, noisy in groupby(done, lambda result: result.column.field.name):
            columns = [some_rows(column, rows) for column in noisy]
            if name in waiting and (name not in found or any(c.changed.any() for c in columns)):
                found[name] = columns
        waiting -= {n for n, columns in found.items() if any(c.changed.any() for c in columns)}
        if not waiting:
            break
    shown = [column for columns in found.values() for column in columns]
    notes = () if reader.keys is None else tuple(reader.keys.tally.notes())
    return Preview(shown, fields, copies, notes)


def _some_copies(noiser: Noiser, piece: DecodedPiece, count: int) -> dict[int, int]:
    """Return how often the first rows are written, or if once each, rows that are not so."""
    rows = piece.chunk.rows
    if rows is None:
        return {}
    copies = noiser.copies(rows, piece.row_conditions, piece.keys)
    which = np.arange(min(count, rows.size))
    if (copies[which] == 1).all() and (copies != 1).any():
        which = np.flatnonzero(copies != 1)[:count]
    indices = np.asarray(rows.at(which).starts).tolist()
    return dict(zip(indices, copies[which].tolist(), strict=True))

"""The one loop that drives every format, and the map of the way data goes.

    source ──raw──▶ decode ──chunk──▶ noise ──chunk──▶ encode ──raw──▶ sink
    in order        └────────── in a pool of threads ──────────┘       in order

Reading and writing are serial and in order; the three in the middle run in worker threads. At most
workers + 2 chunks are in flight, so memory is constant. The first failure cancels the rest.
A first pass over the data (`survey`) is the same loop without noise, encode and sink.
"""

from __future__ import annotations

import copy
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from noisify.apply import Noiser
from noisify.chunks import Positions, merged_floats
from noisify.errors import UsageError
from noisify.formats.interface import first_rows
from noisify.noise.interface import Draw
from noisify.random_streams import SequentialVariates, numpy_generator
from noisify.report import FieldReport
from noisify.statistics import Survey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from noisify.chunks import Chunk, Field
    from noisify.formats.interface import NoisyColumn, Sink, Source
    from noisify.plan import Plan, Step
    from noisify.random_streams import NumpyGenerator
    from noisify.statistics import FieldStatistics
    from noisify.where import Condition

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK_BYTES = 1 << 21
MORE_IN_FLIGHT = 2
_SKIP_ELEMENTS = 1 << 17


def ordered_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    jobs: int,
    in_flight: int | None = None,
) -> Iterator[Result]:
    """Yield function(item) for each item, in order, worked on by `jobs` threads.

    Args:
        function: What to do; called in a worker thread, or here when there is but one job.
        items: Read in this thread, one at a time, only as far ahead as `in_flight` allows.
        jobs: Worker threads.
        in_flight: Items that may be read and not yet yielded; default: jobs + 2.

    Raises:
        BaseException: The first failure, in the order of the items; the rest is cancelled.
    """
    limit = max(1, min(in_flight or jobs + MORE_IN_FLIGHT, jobs + MORE_IN_FLIGHT))
    if jobs <= 1 or limit == 1:
        yield from map(function, items)
        return
    waiting = iter(items)
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="noisify")
    try:
        futures = deque(pool.submit(function, item) for item in islice(waiting, limit))
        while futures:
            yield futures.popleft().result()
            futures.extend(pool.submit(function, item) for item in islice(waiting, 1))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def survey(
    source: Source,
    needs: Mapping[Field, frozenset[str]],
    *,
    jobs: int,
    size: int,
    progress: Callable[[int], None],
) -> dict[str, FieldStatistics]:
    """Pass over the data, as often as it takes, for the statistics that levels need.

    Args:
        source: The data; read from its start each time.
        needs: For each field any of sd, power, range, iqr.
        jobs: Worker threads.
        size: Bytes in a chunk.
        progress: Told the bytes of each chunk done.
    """
    surveys = {field.name: Survey(need) for field, need in needs.items()}
    while pending := [field for field in needs if not surveys[field.name].done]:

        def look(raw: Any, pending: list[Field] = pending) -> tuple[dict[str, Any], int]:  # noqa: ANN401
            chunk = source.decode(raw, pending)
            looked = {
                name: surveys[name].look(*merged_floats(columns))
                for name, columns in chunk.by_field().items()
            }
            return looked, source.size_of(raw)

        raws = source.chunks([[field] for field in pending], size, complete=False)
        for looked, done in ordered_map(look, raws, jobs, source.in_flight):
            for name, seen in looked.items():
                surveys[name].take(seen)
            progress(done)
        for field in pending:
            surveys[field.name].end_pass()
    return {name: found.result() for name, found in surveys.items()}


def run(
    source: Source,
    sink: Sink,
    plan: Plan,
    *,
    jobs: int,
    size: int,
    measure: bool,
    progress: Callable[[int], None],
) -> dict[str, FieldReport]:
    """Carry out a plan.

    Args:
        source: The data.
        sink: Takes the noisy data.
        plan: What to do.
        jobs: Worker threads; a compatibility stream uses one, being sequential.
        size: Bytes in a chunk.
        measure: Whether to measure what noise did, beyond counting.
        progress: Told the bytes of each chunk done.

    Returns:
        For each field that got noise, what it did.
    """
    generators = _sequential_generators(plan, source, size)
    noiser = Noiser(plan, generators, measure=measure)

    def work(raw: Any) -> tuple[Any, dict[str, Any], int]:  # noqa: ANN401
        chunk = source.decode(raw, plan.fields)
        noisy, tallies = noiser.apply(chunk, _rows(source, plan, raw, chunk))
        return sink.encode(raw, chunk, noisy), tallies, source.size_of(raw)

    reports = {field.name: FieldReport() for field in plan.noised}
    raws = source.chunks(plan.groups(), size, complete=True)
    threads = 1 if generators else jobs
    for encoded, tallies, done in ordered_map(work, raws, threads, source.in_flight):
        sink.write(encoded)
        del encoded  # or it would be in memory until the next one is there
        for name, tally in tallies.items():
            reports[name] += tally
        progress(done)
    sink.finish()
    return reports


def preview(source: Source, plan: Plan, rows: int, size: int) -> Iterator[list[NoisyColumn]]:
    """Yield, for each group of fields, the noisy columns of its first rows.

    Args:
        source: The data.
        plan: What would be done.
        rows: How many elements each column keeps.
        size: Bytes in a chunk.
    """
    noiser = Noiser(plan, _sequential_generators(plan, source, size), measure=False)
    seen: set[str] = set()
    for raw in source.chunks(plan.groups(), size, complete=False):
        chunk = source.decode(raw, plan.fields)
        done = noiser.apply(chunk, _rows(source, plan, raw, chunk))[0]
        noisy = [column for column in done if column.column.field.name not in seen]
        seen |= {column.column.field.name for column in noisy}
        if noisy:
            yield [first_rows(column, rows) for column in noisy]
        if seen >= {field.name for field in plan.noised}:
            return


def _rows(source: Source, plan: Plan, raw: Any, chunk: Chunk) -> dict[Condition, NDArray[np.bool_]]:  # noqa: ANN401
    """Return for each condition of a plan the rows of a piece for which it is true."""
    return {
        where: where.rows(source.condition_values(raw, chunk, where.fields))
        for where in plan.conditions()
    }


def _sequential_generators(plan: Plan, source: Source, size: int) -> dict[Step, NumpyGenerator]:
    """Return for each step the compatibility stream where a script would have reached it.

    A script draws a whole field, then the next. Since the fields of a chunk go together here, each
    step gets its own copy of the one generator, wound on past all that the earlier steps draw.
    """
    if plan.rng == "noisify":
        return {}
    generator = numpy_generator(plan.rng, plan.seed)
    generators: dict[Step, NumpyGenerator] = {}
    for step in plan.steps:
        generators[step] = copy.deepcopy(generator)
        if step is plan.steps[-1]:
            break
        if step.field.number is None:
            raise UsageError("holds no numbers", field=step.field.name)
        number = step.field.number
        length = source.length(step.field)
        if length is None:
            length = _count(source, step.field, size)
        for start in range(0, length, _SKIP_ELEMENTS):
            here = Positions.range(start, min(start + _SKIP_ELEMENTS, length))
            companions = dict.fromkeys(step.companions(), np.zeros(here.size))
            draw = Draw(SequentialVariates(generator, here), number, companions)
            step.model.apply(np.zeros(here.size, number.dtype), draw)
    return generators


def _count(source: Source, field: Field, size: int) -> int:
    """Return a field's length by reading it."""
    return sum(
        source.decode(raw, [field]).columns[0].positions.size
        for raw in source.chunks([[field]], size, complete=False)
    )

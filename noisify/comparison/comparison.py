"""Compare two files, or what is in memory, field by field."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from noisify.comparison import alignment
from noisify.comparison.cells import Cells, same
from noisify.comparison.figures import LabelMeasure, NumberMeasure
from noisify.comparison.reading import (
    Side,
    as_texts,
    matched_fields,
    side_by_side,
    streams_of,
    units,
)
from noisify.comparison.result import Comparison
from noisify.core.errors import NoisifyError
from noisify.engine.open_input import OpenInput, Settings
from noisify.engine.parallel import default_jobs
from noisify.formats.memory_kinds import hold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from noisify.comparison.figures import Measure
    from noisify.comparison.reading import Pair

_FIRST_ROWS = 4096
"""Rows that are read to choose the fields that identify rows."""
_TEXT_FORMATS = frozenset({"csv", "tsv"})


def compare(before: object, after: object, settings: Settings | None = None) -> Comparison:
    """Compare data with their noisy version, field by field.

    The result prints as tables, in a notebook too; its `fields` hold the figures.

    Args:
        before: The data without noise: the path of a file of any format, or `-` for standard input;
            or an array, a DataFrame or whatever else `add_noise` takes.
        after: The data with noise, likewise; the two need not be of one kind.
        settings: How to read files; by default, as the command does.

    Raises:
        NoisifyError: If one of them cannot be read.

    >>> import numpy as np
    >>> from noisify import add_noise, compare
    >>> line = np.linspace(-10, 10, 1000)
    >>> found = compare(line, add_noise(line, snr=20, seed=1)).fields["data"]
    >>> found.changed, round(found.snr, 1), round(found.correlation, 3)
    (1000, 20.1, 0.995)
    """
    settings = settings or Settings(jobs=default_jobs())
    with ExitStack() as stack:
        return compared(*(open_side(data, settings, stack) for data in (before, after)))


def compared(before: Side, after: Side) -> Comparison:
    """Compare two open sources."""
    fields = matched_fields(before, after)
    measures: dict[str, Measure] = {}
    lost = added = 0
    aligned = False
    for unit in units(fields.pairs, before, after):
        found, counts, by_content = _measured(unit, before, after)
        measures |= found
        lost, added, aligned = max(lost, counts[0]), max(added, counts[1]), aligned or by_content
    rewritten = _rewritten(fields.pairs, measures, before, after)
    notes = [
        f"{side.name}: {note}"
        for side in (before, after)
        for note in (*side.source.notes, *side.source.notes_of_reading())
    ]
    return Comparison(
        before.name,
        after.name,
        {
            pair.name: measures[pair.name].figures(rewritten=pair.name in rewritten)
            for pair in fields.pairs
        },
        lost,
        added,
        aligned,
        fields.lost,
        fields.added,
        fields.left,
        tuple(dict.fromkeys(notes)),
    )


def open_side(data: object, settings: Settings, stack: ExitStack) -> Side:
    """Open one side of a comparison, to be read several times."""
    if not isinstance(data, str | Path):
        held = hold(data)
        is_table = not isinstance(data, np.ndarray)
        return Side("data in memory", held.source, is_table, is_text=False, jobs=settings.jobs)
    path = str(data)
    try:
        opened = stack.enter_context(OpenInput(path, settings))
        opened.spool("it is read more than once")
    except NoisifyError as error:
        raise error.at("standard input" if path == "-" else path) from None
    is_table = opened.format.shape == "table"
    is_text = opened.format.name in _TEXT_FORMATS
    return Side(opened.input.name, opened.source, is_table, is_text, settings.jobs)


def _measured(
    unit: Sequence[Pair], before: Side, after: Side
) -> tuple[dict[str, Measure], tuple[int, int], bool]:
    """Measure fields that are read together.

    Returns:
        Their measures; the rows lost and added; whether rows were matched by their contents.
    """
    measures, lost, added = _first_pass(unit, side_by_side(unit, before, after))
    aligned = False
    if lost + added and before.is_table and after.is_table:
        names = _telling_names(unit, before, after)
        if names:
            aligned = True
            rows = _aligned(unit, before, after, names)
            measures, lost, added = _first_pass(unit, rows)
    while pending := [pair for pair in unit if measures[pair.name].passes_left]:
        for one, other in side_by_side(pending, before, after):
            for name, cells in one.items():
                measure = measures[name]
                if isinstance(measure, NumberMeasure):
                    measure.add_again(cells, other[name])
        for pair in pending:
            measures[pair.name].end_pass()
    return measures, (lost, added), aligned


def _first_pass(
    unit: Sequence[Pair], blocks: Iterable[tuple[dict[str, Cells], dict[str, Cells]]]
) -> tuple[dict[str, Measure], int, int]:
    """Measure pairs of values, and count the rows that only one side has."""
    measures: dict[str, Measure] = {pair.name: _measure(pair, len(unit)) for pair in unit}
    lost = added = 0
    for one, other in blocks:
        lengths = [max(map(len, side.values()), default=0) for side in (one, other)]
        for name, cells in one.items():
            measures[name].add_values(cells, other[name])
        if lengths[0] == lengths[1]:
            for name, cells in one.items():
                measures[name].add(cells, other[name])
        else:
            lost, added = lost + lengths[0], added + lengths[1]
    for measure in measures.values():
        measure.end_pass()
    return measures, lost, added


def _measure(pair: Pair, fields: int) -> Measure:
    """Return the measure of a field, one of several that are read together."""
    if pair.is_label:
        return LabelMeasure()
    number = pair.before.number
    return NumberMeasure(fields, is_time=number is not None and number.kind == "time")


def _telling_names(unit: Sequence[Pair], before: Side, after: Side) -> list[str]:
    """Return the fields that identify rows, judged by the first rows of both sides."""
    heads: tuple[list[dict[str, Cells]], list[dict[str, Cells]]] = ([], [])
    count = 0
    for pair in side_by_side(unit, before, after):
        for head, cells in zip(heads, pair, strict=True):
            head.append(cells)
        count += len(next(iter(pair[0].values())))
        if count >= _FIRST_ROWS:
            break
    if not count:
        return []
    one, other = ({name: _joined(head, name)[:_FIRST_ROWS] for name in head[0]} for head in heads)
    return alignment.telling_fields(one, other)


def _joined(blocks: Sequence[dict[str, Cells]], name: str) -> Cells:
    return Cells.joined([block[name] for block in blocks])


def _aligned(
    unit: Sequence[Pair], before: Side, after: Side, names: Sequence[str]
) -> Iterator[tuple[dict[str, Cells], dict[str, Cells]]]:
    """Yield rows matched by hashes of some fields, and the rows that only one side has."""
    streams = streams_of(unit, before, after)
    held: list[list[dict[str, Cells]]] = [[], []]
    lengths, ended = [0, 0], [False, False]
    while not all(ended) or any(lengths):
        side = min((at for at in (0, 1) if not ended[at]), key=lambda at: lengths[at], default=0)
        if not ended[side]:
            block = next(streams[side], None)
            ended[side] = block is None
            held[side] += [] if block is None else [block]
        if not (held[0] and held[1]):
            if not all(ended):
                continue
            break
        rows = [{name: _joined(blocks, name) for name in blocks[0]} for blocks in held]
        hashes = [alignment.row_hashes(one, names) for one in rows]
        found = alignment.match(hashes[0], hashes[1], last=(ended[0], ended[1]))
        yield from _matched_rows(rows, found)
        held = [
            [{name: cells[used:] for name, cells in one.items()}]
            for one, used in zip(rows, found.used, strict=True)
        ]
        lengths = [len(hash_) - used for hash_, used in zip(hashes, found.used, strict=True)]


def _matched_rows(
    rows: Sequence[dict[str, Cells]], found: alignment.Matched
) -> Iterator[tuple[dict[str, Cells], dict[str, Cells]]]:
    """Yield the matched rows, then those skipped in the first table, then in the second."""
    before, after = rows
    yield (
        {name: cells[found.before] for name, cells in before.items()},
        {name: cells[found.after] for name, cells in after.items()},
    )
    for at, matched in enumerate((found.before, found.after)):
        alone = np.ones(found.used[at], bool)
        alone[matched] = False
        if alone.any():
            part = {name: cells[: found.used[at]][alone] for name, cells in rows[at].items()}
            nothing = {name: cells[:0] for name, cells in rows[1 - at].items()}
            yield (part, nothing) if at == 0 else (nothing, part)


def _rewritten(
    pairs: Sequence[Pair], measures: dict[str, Measure], before: Side, after: Side
) -> set[str]:
    """Return the fields with equal values whose cells are written differently."""
    if not (before.is_text and after.is_text):
        return set()
    unchanged = [pair for pair in as_texts(pairs) if measures[pair.name].unchanged]
    found: set[str] = set()
    for unit in units(unchanged, before, after):
        for one, other in side_by_side(unit, before, after):
            found |= {
                name
                for name, cells in one.items()
                if len(cells) != len(other[name]) or not same(cells, other[name]).all()
            }
    return found

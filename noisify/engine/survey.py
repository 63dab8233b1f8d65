"""Collect the statistics that noise levels need, in a first pass over the data."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.chunk import merged_floats, merged_whole
from noisify.core.errors import UsageError
from noisify.engine.parallel import ordered_map
from noisify.statistics.moments import JointMoments
from noisify.statistics.survey import Survey
from noisify.statistics.tree import BlockPieces, MomentsTree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from noisify.core.chunk import Column, Field
    from noisify.engine.parallel import Item
    from noisify.formats.interface import Source
    from noisify.statistics.survey import FieldStatistics

_TWO_PASSES = frozenset({"iqr", "scores"})


def survey(
    source: Source[Any],
    needs: Mapping[Field, frozenset[str]],
    *,
    jobs: int,
    size: int,
    progress: Callable[[int], None],
    expect: Callable[[int], None] = lambda _: None,
) -> dict[str, FieldStatistics]:
    """Collect the statistics of fields, in as many passes over the data as necessary.

    Args:
        source: The data, read from the start in each pass.
        needs: The names of the statistics that each field needs.
        jobs: The number of worker threads.
        size: The bytes of a chunk.
        progress: Called with the bytes of each chunk done.
        expect: Called before each pass with the number of passes to come, as far as known.
    """
    surveys = {field.name: Survey(need) for field, need in needs.items()}
    together = [field for field, need in needs.items() if "covariance" in need]
    joint = MomentsTree()
    passes = 0
    while pending := [field for field in needs if not surveys[field.name].done]:
        first, passes = not passes, passes + 1
        expect(2 if first and any(need & _TWO_PASSES for need in needs.values()) else 1)

        def look(
            raw: object,
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


def with_field(name: str, function: Callable[[Item], None], value: Item) -> None:
    """Call a function, and name the field in its errors."""
    try:
        function(value)
    except UsageError as error:
        raise UsageError(str(error), field=name) from None


def _different(columns: list[Column]) -> Counter[str]:
    """Count each distinct value of a field, as text."""
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
    """Return the joint values of several fields, cut at the borders of noise blocks."""
    if any(field.name not in columns for field in together):
        return None
    merged = [merged_floats(columns[field.name]) for field in together]
    valid = np.ones(len(merged[0][1]), bool)
    for _, _, there in merged:
        if there is not None:
            valid &= there
    values = np.stack([floats for _, floats, _ in merged], axis=1)
    return BlockPieces.cut(merged[0][0], values, valid)

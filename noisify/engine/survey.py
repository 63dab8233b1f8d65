"""Collect the statistics that noise levels need, in a first pass over the data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np

from noisify.core.chunk import BLOCK, WholeNumbers, merged_floats, merged_whole
from noisify.core.errors import UsageError
from noisify.engine.column_batch import WaitingBatches, in_batches
from noisify.engine.parallel import ordered_map
from noisify.statistics.moments import JointMoments
from noisify.statistics.survey import Survey
from noisify.statistics.tree import BlockPieces, MomentsTree, close_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from noisify.core.chunk import Column, Field
    from noisify.engine.column_batch import ColumnBatch
    from noisify.engine.parallel import Item
    from noisify.formats.interface import Part, Source
    from noisify.statistics.survey import FieldStatistics, Looked

_TWO_PASSES = frozenset({"iqr", "scores"})
OPEN_BYTES = 3 << 25
"""Bytes that incomplete blocks of all fields may take, before fields wait for another pass."""
_BLOCK_BYTES = BLOCK * 8


def in_passes(
    needs: Mapping[Field, frozenset[str]],
    read: Callable[[Surveys], None],
    expect: Callable[[int], None] = lambda _: None,
) -> dict[str, FieldStatistics]:
    """Collect the statistics of fields, in as many passes over the data as necessary.

    Args:
        needs: The names of the statistics that each field needs.
        read: Carries out a pass.
        expect: Called before each pass with the number of passes to come, as far as known.
    """
    surveys = Surveys.of(needs)
    two_passes = any(need & _TWO_PASSES for need in needs.values())
    passes = 0
    while not surveys.done:
        expect(2 if two_passes and not passes else 1)
        read(surveys)
        surveys.end_pass()
        passes += 1
    return surveys.results()


@dataclass
class Surveys:
    """The surveys of several fields, in passes over the data.

    For work in several processes, pickle this at the start of each pass; let each copy `read` a
    part of the data; add the copies to the original by `+=`, in any order; and call its `end_pass`.
    The parts must be at their own positions of the whole. The results have the same bits.

    Attributes:
        fields: The fields.
        surveys: The survey of each field, by name.
        together: The fields whose covariances are needed.
        joint: The moments of these fields together.
        first: Whether this is the first pass.
        most_open: Bytes that the incomplete blocks of all fields may take. In a table of thousands
            of columns that is read by rows, the columns beyond it wait for another pass.
        postponed: The fields that wait for another pass.
    """

    fields: list[Field]
    surveys: dict[str, Survey]
    together: list[Field]
    joint: MomentsTree = field(default_factory=MomentsTree)
    first: bool = True
    most_open: int = OPEN_BYTES
    postponed: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, needs: Mapping[Field, frozenset[str]], most_open: int = OPEN_BYTES) -> Surveys:
        """Return surveys for the statistics that each field needs, before the first pass."""
        surveys = {one.name: Survey(need) for one, need in needs.items()}
        together = [one for one, need in needs.items() if "covariance" in need]
        return cls(list(needs), surveys, together, most_open=most_open)

    @property
    def done(self) -> bool:
        """Whether no further pass is needed."""
        return all(one.done for one in self.surveys.values())

    def read(
        self,
        source: Source[Any],
        *,
        jobs: int,
        size: int,
        progress: Callable[[int], None],
        part: Part[Any] | None = None,
    ) -> None:
        """Collect what this pass needs from the chunks of a source, or of a part of it."""
        pending = [one for one in self.fields if not self.surveys[one.name].done]
        work = _Pass(self)

        def look(raw: object) -> tuple[list[ColumnBatch], _Seen, BlockPieces | None, int]:
            wanted = pending  # the same list for each chunk: sources cache by it
            if self.postponed:
                wanted = [one for one in pending if one.name not in self.postponed]
            columns = source.decode(raw, wanted).by_field()
            short, seen = work.look(columns)
            joint = _joint_pieces(self.together, columns) if self.together and self.first else None
            return short, seen, joint, source.size_of(raw)

        groups = [[one] for one in pending if one not in self.together]
        groups += [self.together] if self.together else []
        reading = source.read(groups, size) if part is None else part.read(groups, size, halo=0)
        for short, seen, pieces, done in ordered_map(look, reading.pieces, jobs, reading.in_flight):
            work.add(short, seen)
            if pieces is not None:
                self.joint += pieces
            progress(done)
        work.end()

    def open_bytes(self) -> dict[str, int]:
        """Return the bytes that the incomplete blocks of each field take."""
        return {name: one.moments.open_bytes for name, one in self.surveys.items()}

    def postpone(self) -> None:
        """Let fields wait for another pass if the incomplete blocks of all take too much memory."""
        if sum(self.open_bytes().values()) <= self.most_open:
            return
        together = {one.name for one in self.together}
        begun = [
            name
            for name, one in self.surveys.items()
            if not one.passes and name not in together and name not in self.postponed
        ]
        for name in begun[max(1, self.most_open // _BLOCK_BYTES) :]:
            self.postponed.add(name)
            self.surveys[name] = self.surveys[name].anew()

    def __iadd__(self, other: Surveys) -> Self:
        """Add what other surveys collected in this pass from another part of the data."""
        for name, one in self.surveys.items():
            if not one.done:
                with_field(name, one.__iadd__, other.surveys[name])
        if self.first:
            self.joint += other.joint
        self.postponed |= other.postponed
        self.postpone()
        return self

    def end_pass(self) -> None:
        """Finish one pass over all the data."""
        for name in self.postponed:
            self.surveys[name] = self.surveys[name].anew()
        close_blocks([one.moments for one in self.surveys.values()])
        for name, one in self.surveys.items():
            if not one.done and name not in self.postponed:
                one.end_pass()
        self.postponed.clear()
        self.first = False

    def results(self) -> dict[str, FieldStatistics]:
        """Return the statistics by field name."""
        results = {name: found.result() for name, found in self.surveys.items()}
        if self.together and isinstance(total := self.joint.total(), JointMoments):
            names = [one.name for one in self.together]
            for name, row in zip(names, total.covariance.tolist(), strict=True):
                covariance = dict(zip(names, row, strict=True))
                results[name] = replace(results[name], covariance=covariance)
        return results


_Seen: TypeAlias = "list[tuple[str, Looked]]"
"""What columns add to the surveys of their fields, by name."""


class _Pass:
    """One pass over the data, or over a part of it.

    Work on a column costs as much as that on many elements, so short columns of many fields are
    joined with the next ones first.
    """

    def __init__(self, surveys: Surveys) -> None:
        self._of_all = surveys
        self._surveys = surveys.surveys
        self._cut = any(not one.passes for one in self._surveys.values())
        self._waiting = WaitingBatches()
        self._open = surveys.open_bytes()
        self._open_of_all = sum(self._open.values())

    def look(self, columns: Mapping[str, list[Column]]) -> tuple[list[ColumnBatch], _Seen]:
        """Return the short columns, and what the others add to the surveys; safe in a worker."""
        batches, others = in_batches(columns)
        seen: _Seen = []
        for batch in batches:
            if not batch.is_short:
                seen += self._of_batch(batch)
        for name, found in others.items():
            texts = partial(_different, [(one.values, one.valid) for one in found])
            added = self._surveys[name].partial(*merged_floats(found), merged_whole(found), texts)
            seen.append((name, added))
        return [batch for batch in batches if batch.is_short], seen

    def _of_batch(self, batch: ColumnBatch) -> Iterator[tuple[str, Looked]]:
        """Yield what the columns of a batch add to the surveys."""
        number, positions, count = batch.number, batch.positions, len(batch.names)
        rows, masks = batch.masked_floats()
        is_whole = number.kind in {"int", "time"}
        pieces: Sequence[BlockPieces | None] = [None] * count
        if self._cut and not is_whole:
            pieces = BlockPieces.cut_each(positions, rows, masks)
        there = [None] * count if batch.valid is None else batch.valid
        for name, values, valid, row, mask, own in zip(
            batch.names, batch.values, there, rows, masks, pieces, strict=True
        ):
            whole = WholeNumbers(values, number.unit) if is_whole else None
            texts = partial(_different, [(values, valid)])
            yield name, self._surveys[name].partial(positions, row, mask, whole, texts, own)

    def add(self, short: Iterable[ColumnBatch], seen: _Seen) -> None:
        """Add a result of `look`."""
        self._merge(seen)
        for batch in short:
            for ready in self._waiting.add(batch):
                self._merge(self._of_batch(ready))
        if self._open_of_all + self._waiting.nbytes > self._of_all.most_open:
            self.end()

    def end(self) -> None:
        """Add what waits, and let fields wait for another pass if there are too many."""
        for batch in self._waiting.take_all():
            self._merge(self._of_batch(batch))
        if self._open_of_all > self._of_all.most_open:
            self._of_all.postpone()
            self._open = self._of_all.open_bytes()
            self._open_of_all = sum(self._open.values())

    def _merge(self, seen: Iterable[tuple[str, Looked]]) -> None:
        """Add to the surveys of fields that do not wait for another pass."""
        for name, added in seen:
            if name not in self._of_all.postponed:
                survey = self._surveys[name]
                with_field(name, survey.merge, added)
                self._open_of_all -= self._open[name]
                self._open[name] = survey.moments.open_bytes
                self._open_of_all += self._open[name]


def with_field(name: str, function: Callable[[Item], object], value: Item) -> None:
    """Call a function, and name the field in its errors."""
    try:
        function(value)
    except UsageError as error:
        raise UsageError(str(error), field=name) from None


def _different(columns: list[tuple[NDArray[Any], NDArray[np.bool_] | None]]) -> Counter[str]:
    """Count each distinct value of a field, as text.

    Args:
        columns: The values of its columns, and masks of those that are present or None for all.
    """
    counts: Counter[str] = Counter()
    for everything, valid in columns:
        values = everything if valid is None else everything[valid]
        if values.dtype == object:
            counts.update(map(str, values.tolist()))
            continue
        found, times = np.unique(values, return_counts=True)
        counts.update(dict(zip(map(str, found.tolist()), times.tolist(), strict=True)))
    return counts


def _joint_pieces(together: list[Field], columns: Mapping[str, list[Column]]) -> BlockPieces | None:
    """Return the joint values of several fields, cut at the borders of blocks."""
    if any(field.name not in columns for field in together):
        return None
    merged = [merged_floats(columns[field.name]) for field in together]
    valid = np.ones(len(merged[0][1]), bool)
    for _, _, there in merged:
        if there is not None:
            valid &= there
    values = np.stack([floats for _, floats, _ in merged], axis=1)
    return BlockPieces.cut(merged[0][0], values, valid)

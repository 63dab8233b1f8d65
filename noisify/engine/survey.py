"""Collect the statistics that noise levels need, in a first pass over the data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np

from noisify.core.chunk import BLOCK, merged_floats, merged_whole
from noisify.core.errors import UsageError
from noisify.engine.parallel import ordered_map
from noisify.statistics.moments import JointMoments
from noisify.statistics.survey import Survey
from noisify.statistics.tree import BlockPieces, MomentsTree, close_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from noisify.core.chunk import Column, Field, Positions
    from noisify.engine.parallel import Item
    from noisify.formats.interface import Part, Source
    from noisify.statistics.survey import FieldStatistics

_TWO_PASSES = frozenset({"iqr", "scores"})
_BATCH_ELEMENTS = 1 << 16
"""Elements to work on at once, of small columns."""
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
        cut = any(not one.passes for one in self.surveys.values())

        def look(raw: object) -> tuple[dict[str, Any], BlockPieces | None, int]:
            wanted = pending  # the same list for each chunk: sources cache by it
            if self.postponed:
                wanted = [one for one in pending if one.name not in self.postponed]
            chunk = source.decode(raw, wanted)
            columns = chunk.by_field()
            looked = {
                name: self.surveys[name].partial(
                    *merged, merged_whole(columns[name]), partial(_different, columns[name]), pieces
                )
                for name, merged, pieces in _merged(columns, cut=cut)
            }
            joint = _joint_pieces(self.together, columns) if self.together and self.first else None
            return looked, joint, source.size_of(raw)

        groups = [[one] for one in pending if one not in self.together]
        groups += [self.together] if self.together else []
        reading = source.read(groups, size) if part is None else part.read(groups, size, halo=0)
        opened = self._open_bytes()
        every = sum(opened.values())
        for looked, pieces, done in ordered_map(look, reading.pieces, jobs, reading.in_flight):
            for name, seen in looked.items():
                if name not in self.postponed:
                    with_field(name, self.surveys[name].merge, seen)
                    every -= opened[name]
                    opened[name] = self.surveys[name].moments.open_bytes
                    every += opened[name]
            if pieces is not None:
                self.joint += pieces
            if every > self.most_open:
                self._postpone()
                opened = self._open_bytes()
                every = sum(opened.values())
            progress(done)

    def _open_bytes(self) -> dict[str, int]:
        """Return the bytes that the incomplete blocks of each field take."""
        return {name: one.moments.open_bytes for name, one in self.surveys.items()}

    def _postpone(self) -> None:
        """Let fields wait for another pass if the incomplete blocks of all take too much memory."""
        if sum(self._open_bytes().values()) <= self.most_open:
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
        self._postpone()
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


_Merged: TypeAlias = "tuple[Positions, NDArray[Any], NDArray[np.bool_] | None]"


def _merged(
    columns: Mapping[str, list[Column]], *, cut: bool
) -> Iterator[tuple[str, _Merged, BlockPieces | None]]:
    """Yield each field's name, `merged_floats` and, if `cut`, these cut into blocks.

    Small columns of floats at the same positions are worked on together.
    """
    alike: dict[tuple[Any, ...], list[Column]] = {}
    for name, found in columns.items():
        first = found[0]
        if len(found) == 1 and first.number.kind in {"float", "complex"}:
            alike.setdefault((id(first.number), first.positions.key), []).append(first)
        else:
            yield name, merged_floats(found), None
    for group in alike.values():
        positions, number = group[0].positions, group[0].number
        step = max(1, _BATCH_ELEMENTS // max(1, positions.size))
        for start in range(0, len(group), step):
            some = group[start : start + step]
            one = len(some) == 1
            values = some[0].values[None] if one else np.stack([each.values for each in some])
            rows = number.to_float(values)
            finite = np.isfinite(rows)
            every = finite.all(axis=1).tolist()
            valid = [
                column.valid if full else there if column.valid is None else column.valid & there
                for column, there, full in zip(some, finite, every, strict=True)
            ]
            pieces = BlockPieces.cut_each(positions, rows, valid) if cut else [None] * len(some)
            for column, row, mask, own in zip(some, rows, valid, pieces, strict=True):
                yield column.field.name, (positions, row, mask), own


def with_field(name: str, function: Callable[[Item], object], value: Item) -> None:
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

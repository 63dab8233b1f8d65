"""Requests, and plans: the steps for one file, with every number settled."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from noisify.core.value_class import frozen
from noisify.noise import level
from noisify.noise.rows import DuplicateRows, RowModel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from noisify.core.chunk import Field
    from noisify.noise.level import Level
    from noisify.noise.model import Model
    from noisify.plan.condition import Condition
    from noisify.plan.series import Series
    from noisify.streams.streams import StreamName

Decimals = int | Literal["keep"] | None


_WITH_HALO = 1 << 19
"""Elements of a piece are limited to this with a halo, which keeps several pieces in memory."""


@frozen
class NoiseSpec:
    """One kind of noise on some fields, as requested.

    Attributes:
        model: The model's name.
        columns: Selectors of the fields; empty for the default choice.
        exclude: Selectors of fields to leave out.
        scale: The level of the distribution's scale.
        sd: The level of the noise's own standard deviation, instead of `scale`.
        snr: The signal-to-noise ratio in dB, instead of `scale`.
        parameters: The model's other parameters, as typed.
        clip: Bounds for what noise produces, in the field's unit.
        where: Which rows get noise, or None for all.
        stream: Which stream of this model on a field to draw from, or None for the next one.
        unit: "image" if numbers are shares of full scale (1 for floats, 255 for uint8), or None.
        optional: Whether a selector that matches no field is skipped.
        truncate: Whether noisy integers are rounded down, not half to even.
    """

    model: str = "normal"
    columns: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    scale: Level | None = None
    sd: Level | None = None
    snr: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    clip: tuple[float, float] | None = None
    where: Condition | None = None
    stream: int | None = None
    unit: str | None = None
    optional: bool = False
    truncate: bool = False


@frozen
class Recipe:
    """The contents of a recipe.

    Attributes:
        specs: The noise specs, in order.
        seed: The seed, or None if not given.
        rng: The generator's name, or None if not given.
        decimals: How noisy numbers are rounded, or None if not given.
        strict: Whether cells that cannot be read are errors, or None if not given.
        file: The file part of the streams' names; may be empty.
        per_file: Whether each file gets noise of its own, or None if not said.
        key: The fields whose values give each row its noise; may be empty.
    """

    specs: tuple[NoiseSpec, ...] = ()
    seed: int | None = None
    rng: str | None = None
    decimals: Decimals = None
    strict: bool | None = None
    file: str = ""
    per_file: bool | None = None
    key: tuple[str, ...] = ()


@frozen
class Request:
    """Everything requested for one file."""

    specs: tuple[NoiseSpec, ...]
    seed: int
    rng: str = "noisify"
    decimals: Decimals = None
    strict: bool = False
    replicate: int = 0
    file: str = ""
    key: tuple[str, ...] = ()


@frozen
class Step:
    """One kind of noise on one field, with every number settled.

    Attributes:
        field: The field, as it is to be read.
        model: The model.
        stream: The name of its random stream.
        clip: Bounds for what noise produces.
        where: Which rows get noise, or None for all.
        spec: The number of its spec; fields of one spec are processed together.
        truncate: Whether noisy integers are rounded down, not half to even.
        series: The series that get noise of their own, or None for the field as a whole.
    """

    field: Field
    model: Model
    stream: StreamName
    clip: tuple[float, float] | None = None
    where: Condition | None = None
    spec: int = 0
    truncate: bool = False
    series: Series | None = None

    @property
    def halo(self) -> int:
        """How far, in elements of the field, the step looks beyond an element."""
        return self.model.halo * (1 if self.series is None else self.series.stride)

    @property
    def piece_elements(self) -> int:
        """The least elements that a piece should have, as each series costs some time in each."""
        if self.series is None:
            return 0
        comfortable = self.series.comfortable
        return max(self.halo, min(comfortable, _WITH_HALO)) if self.halo else comfortable

    @cached_property
    def companions(self) -> frozenset[str]:
        """The other fields whose values this step needs."""
        if self.model.multi_field:
            return frozenset(getattr(self.model, "fields", None) or ()) - {self.field.name}
        return self.model.companions()

    def as_json(self) -> dict[str, Any]:
        """Return the step as in a report."""
        parameters = {f.name: _plain(getattr(self.model, f.name)) for f in fields(self.model)}
        clip = self.clip and [one if math.isfinite(one) else None for one in self.clip]
        where = None if self.where is None else self.where.text
        about: dict[str, Any] = {"field": self.field.name, "model": self.model.name}
        if isinstance(self.model, RowModel):
            del about["field"]
        truncate = {"truncate": True} if self.truncate else {}
        return {**about, **parameters, "clip": clip, "where": where, **truncate}


@frozen
class Plan:
    """The steps for one file, in order, and the settings that they share.

    Attributes:
        steps: In the order of specs, then of fields in the file; models of rows included.
        fields: The fields that are decoded: those with steps and those whose values levels need.
        left: Why each other field is left alone, by name.
        notes: Notes for the user, known before the run.
        named: The fields chosen by exact name for noise that is not zero.
        file: The file part of the streams' names; may be empty.
        key: The fields whose values give each row its noise; if empty, the row number does.
    """

    steps: tuple[Step, ...]
    seed: int
    rng: str = "noisify"
    decimals: Decimals = None
    strict: bool = False
    fields: tuple[Field, ...] = ()
    left: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    named: frozenset[str] = frozenset()
    file: str = ""
    key: tuple[str, ...] = ()

    @cached_property
    def field_steps(self) -> tuple[Step, ...]:
        """The steps that change fields, in order."""
        return tuple(step for step in self.steps if not isinstance(step.model, RowModel))

    def steps_by_field(self) -> dict[str, list[Step]]:
        """Return the steps that change each field, in order, by its name."""
        found: dict[str, list[Step]] = {}
        for step in self.field_steps:
            found.setdefault(step.field.name, []).append(step)
        return found

    @cached_property
    def row_steps(self) -> tuple[Step, ...]:
        """The steps that drop or repeat whole rows, in order."""
        return tuple(step for step in self.steps if isinstance(step.model, RowModel))

    @cached_property
    def noised(self) -> tuple[Field, ...]:
        """The fields that get noise, in file order."""
        chosen = {step.field.name for step in self.field_steps}
        return tuple(field for field in self.fields if field.name in chosen)

    @property
    def halo(self) -> int:
        """The number of elements by which chunks are extended on either side."""
        reaches: Counter[str] = Counter()
        for step in self.field_steps:
            reaches[step.field.name] += step.halo
        joint = any(step.model.multi_field for step in self.field_steps)
        return sum(reaches.values()) if joint else max(reaches.values(), default=0)

    @property
    def piece_elements(self) -> int:
        """The least elements that pieces should have, for models that work along an axis."""
        return max((step.piece_elements for step in self.field_steps), default=0)

    def conditions(self) -> set[Condition]:
        """Return the conditions on rows that steps have."""
        return {step.where for step in self.steps if step.where is not None}

    def groups(self) -> list[list[Field]]:
        """Return the fields in groups of those that need each other's values, in file order."""
        return grouped(self.fields, self.field_steps)

    @property
    def fresh_copies(self) -> int:
        """The number of additional versions of a row that have noise of their own."""
        models = [step.model for step in self.row_steps if isinstance(step.model, DuplicateRows)]
        return max((model.times for model in models if model.fresh), default=0)

    def copied(self, number: int = 0, *, repeated: int = 0) -> Plan:
        """Return the same plan with the random streams of another copy.

        Args:
            number: The number of the noisy copy, from 0.
            repeated: The number of the version of a row that is repeated, from 0.
        """
        more = number + (repeated << 32)
        return self._with_streams(lambda name: replace(name, replicate=name.replicate + more))

    def of_file(self, file: str) -> Plan:
        """Return the same plan for a file with another file part."""
        if file == self.file:
            return self
        return self._with_streams(lambda name: replace(name, file=file), file)

    def _with_streams(
        self, renamed: Callable[[StreamName], StreamName], file: str | None = None
    ) -> Plan:
        steps = [replace(step, stream=renamed(step.stream)) for step in self.steps]
        file = self.file if file is None else file
        return replace(self, steps=tuple(steps), file=file)

    def as_json(self) -> dict[str, Any]:
        """Return the plan as in a report."""
        return {
            "seed": self.seed,
            **({"file": self.file} if self.file else {}),
            **({"key": list(self.key)} if self.key else {}),
            "rng": self.rng,
            "decimals": self.decimals,
            "strict": self.strict,
            "noise": self._noise_as_json(),
        }

    def _noise_as_json(self) -> list[dict[str, Any]]:
        """Return the steps as entries; multi-field steps of one spec share an entry."""
        entries: list[dict[str, Any]] = []
        used: Counter[tuple[str, str]] = Counter()
        together = -1
        for step in self.steps:
            entry = step.as_json()
            if step.model.multi_field:
                if step.spec == together:
                    continue
                together = step.spec
                entry["field"] = list(getattr(step.model, "fields", None) or ())
                entry.pop("fields", None)
            use = ("" if step.model.multi_field else step.stream.field, step.stream.model)
            if step.stream.ordinal != used[use]:
                entry["stream"] = step.stream.ordinal
            used[use] = step.stream.ordinal + 1
            entries.append(entry)
        return entries


def grouped(fields: Sequence[Field], steps: Sequence[Step]) -> list[list[Field]]:
    """Return fields in groups of those that need each other's values, in the order given."""
    leader = {field.name: field.name for field in fields}

    def lead(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    for step in steps:
        for companion in step.companions:
            leader[lead(companion)] = lead(step.field.name)
    groups: dict[str, list[Field]] = {}
    for member in fields:
        groups.setdefault(lead(member.name), []).append(member)
    return list(groups.values())


def _plain(value: object) -> object:
    """Return a parameter as in a report."""
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return level.as_json(value) if isinstance(value, level.Level) else value

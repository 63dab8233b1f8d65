"""The values of other fields that the steps of a plan use."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.chunk import Column, merged_floats
from noisify.core.time_text import is_duration, time_text
from noisify.core.value_class import frozen
from noisify.streams import keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from noisify.plan.plan import Step

    _Values = tuple[NDArray[Any], NDArray[np.bool_] | None]
    """Values, and a mask of the usable ones or None for all."""


@frozen
class StepNeeds:
    """A step and the other fields it uses, determined once for all chunks.

    Attributes:
        step: The step.
        numbers: The fields whose values it uses as numbers, unless its model is multi-field.
        levels: Those of them that hold levels.
        keys: The fields whose values it uses as keys.
    """

    step: Step
    numbers: frozenset[str]
    levels: frozenset[str]
    keys: frozenset[str]

    @classmethod
    def of(cls, step: Step) -> StepNeeds:
        """Return the needs of a step."""
        model = step.model
        keys = model.key_fields()
        numbers = frozenset[str]() if model.multi_field else step.companions - keys
        return cls(step, numbers, model.level_fields(), keys)


@frozen
class SpecSteps:
    """The steps of one spec.

    Attributes:
        by_field: The steps with their needs, by the name of their field.
        joint: Whether their model is multi-field.
    """

    by_field: Mapping[str, StepNeeds]
    joint: bool

    @classmethod
    def of(cls, steps: Iterable[Step]) -> SpecSteps:
        """Collect the steps of one spec."""
        by_field = {step.field.name: StepNeeds.of(step) for step in steps}
        return cls(by_field, any(asking.step.model.multi_field for asking in by_field.values()))


@frozen
class Companion:
    """A field that steps of other fields use, with its values before noise."""

    columns: list[Column]

    @cached_property
    def floats(self) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Its values as float64, and a mask of those that are present and finite."""
        return merged_floats(self.columns)[1:]

    @cached_property
    def keys(self) -> NDArray[np.uint64]:
        """The index of each value as a key, as for --key; all missing ones share an index."""
        found = np.full(len(self.columns[0].values), keys.MISSING, np.uint64)
        for column in self.columns:
            there = slice(None) if column.valid is None else column.valid
            found[there] = _key_indices(column.values[there], column)
        return found


def _key_indices(values: NDArray[Any], column: Column) -> NDArray[np.uint64]:
    """Return the indices of some values of a column as keys."""
    number = column.number
    if number.kind == "int":
        return keys.indices_of_integers(values)
    if number.kind == "float":
        finite = np.isfinite(values)
        return np.where(finite, keys.indices_of_floats(np.where(finite, values, 0)), keys.MISSING)
    texts = _key_texts(values.tolist(), column)
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    return keys.indices_of_texts(list(numbers))[[numbers[text] for text in texts]]


def _key_texts(values: list[Any], column: Column) -> list[str]:
    """Return values as texts that mean the same in every format; blanks are empty."""
    number = column.number
    if number.kind == "decimal":
        return [f"{value}E-{number.decimal_scale}" for value in values]
    if number.kind != "time":
        return ["" if (text := str(value)).isspace() else text for value in values]
    if is_duration(column.field):
        return [str(ticks * number.tick) for ticks in values]
    zone = "Z" if "tz=" in column.field.type_name else ""
    return [time_text(ticks, number) + zone for ticks in values]


@frozen
class OtherFields:
    """The values of other fields for a step.

    Attributes:
        companions: The fields it names, with their values before noise.
        before: For a multi-field model, the values of its fields before its spec.
        record_keys: The indices of the rows by their keys, or None to use their numbers.
    """

    companions: Mapping[str, Companion]
    before: Mapping[str, list[_Values]]
    record_keys: NDArray[np.uint64] | None = None

    def values(self, step: Step, at: int) -> dict[str, _Values]:
        """Return the values of the other fields of a multi-field model.

        Args:
            step: The step.
            at: The index of the column of its field.
        """
        found = {name: self.before[name] for name in step.companions}
        return {name: columns[min(at, len(columns) - 1)] for name, columns in found.items()}

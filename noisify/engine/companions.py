"""The values of other fields that the steps of a plan use."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.chunk import Column, merged_floats
from noisify.core.value_class import frozen

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
        keys: The fields whose values it uses as texts.
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
        numbers = frozenset[str]() if model.multi_field else step.companions() - keys
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
    def keys(self) -> NDArray[Any]:
        """Its values as texts, the same for every format; empty where missing."""
        texts = np.full(len(self.columns[0].values), "", object)
        for column in self.columns:
            there = np.ones(len(texts), bool) if column.valid is None else column.valid
            texts[there] = [str(value) for value in column.values[there].tolist()]
        return texts


@frozen
class OtherFields:
    """The values of other fields for a step.

    Attributes:
        companions: The fields it names, with their values before noise.
        before: For a multi-field model, the values of its fields before its spec.
        record_keys: The indices of the rows by their keys; None: their numbers.
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
        found = {name: self.before[name] for name in step.companions()}
        return {name: columns[min(at, len(columns) - 1)] for name, columns in found.items()}

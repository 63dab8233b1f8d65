"""What the steps of a plan ask of fields other than their own."""

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
    """Values, and which of them are usable; None: all."""


@frozen
class StepNeeds:
    """A step, and what it asks of other fields: found once, not for each chunk.

    Attributes:
        step: The step.
        numbers: The fields whose values it takes as numbers, if it is not worked on jointly.
        levels: Those of them that levels are taken from.
        keys: The fields whose values it takes as texts.
    """

    step: Step
    numbers: frozenset[str]
    levels: frozenset[str]
    keys: frozenset[str]

    @classmethod
    def of(cls, step: Step) -> StepNeeds:
        """Return what a step asks."""
        model = step.model
        keys = model.key_fields()
        numbers = frozenset[str]() if model.multi_field else step.companions() - keys
        return cls(step, numbers, model.level_fields(), keys)


@frozen
class SpecSteps:
    """The steps of one spec.

    Attributes:
        by_field: They, and what they ask, by the name of their field.
        joint: Whether they are worked on jointly.
    """

    by_field: Mapping[str, StepNeeds]
    joint: bool

    @classmethod
    def of(cls, steps: Iterable[Step]) -> SpecSteps:
        """Return the steps of one spec together."""
        by_field = {step.field.name: StepNeeds.of(step) for step in steps}
        return cls(by_field, any(asking.step.model.multi_field for asking in by_field.values()))


@frozen
class Companion:
    """A field that a step of another field looks at, as it was before any noise."""

    columns: list[Column]

    @cached_property
    def floats(self) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Its values as float64, and which are there and finite."""
        return merged_floats(self.columns)[1:]

    @cached_property
    def keys(self) -> NDArray[Any]:
        """Its values as texts, the same for every format; empty where there is none."""
        texts = np.full(len(self.columns[0].values), "", object)
        for column in self.columns:
            there = np.ones(len(texts), bool) if column.valid is None else column.valid
            texts[there] = [str(value) for value in column.values[there].tolist()]
        return texts


@frozen
class OtherFields:
    """What a step may ask of the other fields.

    Attributes:
        companions: Those it names, as they were.
        before: If it works on fields together, these as they stood before its spec.
    """

    companions: Mapping[str, Companion]
    before: Mapping[str, list[_Values]]

    def values(self, step: Step, at: int) -> dict[str, _Values]:
        """Return the values of the fields that a step works on together with its own.

        Args:
            step: The step.
            at: Which of its field's columns it works on.
        """
        found = {name: self.before[name] for name in step.companions()}
        return {name: columns[min(at, len(columns) - 1)] for name, columns in found.items()}

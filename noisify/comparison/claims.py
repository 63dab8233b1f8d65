"""Check the claims of `--assert` and `--only` against a comparison."""

from __future__ import annotations

import math
import operator
import re
from dataclasses import fields
from typing import TYPE_CHECKING

from noisify.comparison.figures import LabelFigures, NumberFigures
from noisify.core.errors import UsageError, did_you_mean
from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from noisify.comparison.figures import Figures
    from noisify.comparison.result import Comparison

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_CLAIM = re.compile(r"\s*(?P<name>.+?)\s*(?P<operator>>=|<=|==|!=|>|<)\s*(?P<bound>\S+)\s*")
_OF_FILES = ("rows_lost", "rows_added")
_NOT_NUMBERS = frozenset({"is_time", "histogram", "examples", "labels", "confusion"})
FIGURES = tuple(one.name for one in fields(NumberFigures) if one.name not in _NOT_NUMBERS)
"""The figures of a field that a claim may name."""


@frozen
class Claim:
    """A claim about a figure.

    Attributes:
        text: The claim as typed.
        field: The field, or None for every field that has the figure.
        figure: The figure's name.
        operator: The comparison operator.
        bound: The number to compare with.
    """

    text: str
    field: str | None
    figure: str
    operator: str
    bound: float

    @classmethod
    def read(cls, text: str) -> Claim:
        """Read a claim such as `temp.snr >= 19.5`, or `snr >= 19.5` for every field.

        Raises:
            UsageError: If it is not a claim.
        """
        matched = _CLAIM.fullmatch(text)
        if matched is None:
            raise UsageError(
                f"{text!r} is not FIELD.FIGURE, a comparison and a number; for example "
                "'temp.snr >= 19.5'"
            )
        field, dot, figure = matched["name"].rpartition(".")
        if figure not in (*FIGURES, *_OF_FILES):
            known = ", ".join((*FIGURES, *_OF_FILES))
            raise UsageError(
                f"no figure is called {figure!r}{did_you_mean(figure, (*FIGURES, *_OF_FILES))} "
                f"(there are {known})"
            )
        bound = _bound(matched["bound"], text)
        return cls(text, field if dot else None, figure, matched["operator"], bound)

    def failures(self, comparison: Comparison) -> list[str]:
        """Return a line for each figure that does not meet the claim.

        Raises:
            UsageError: If there is no such field, or it has no such figure.
        """
        if self.figure in _OF_FILES and self.field is None:
            found = float(getattr(comparison, self.figure))
            return [] if self._holds(found) else [f"{self.figure} is {found:g}: {self.text}"]
        if self.field is not None and self.field not in comparison.fields:
            raise UsageError(
                f"no field that was compared is called {self.field!r}"
                f"{did_you_mean(self.field, comparison.fields)}"
            )
        names = list(comparison.fields) if self.field is None else [self.field]
        values = {name: _value(comparison.fields[name], self.figure) for name in names}
        known = {name: value for name, value in values.items() if value is not None}
        if not known:
            raise UsageError(f"{self.text!r}: no field has the figure {self.figure!r}")
        return [
            f"{name}.{self.figure} is {value:.6g}: {self.text}"
            for name, value in known.items()
            if not self._holds(value)
        ]

    def _holds(self, value: float) -> bool:
        """Return whether a figure meets the claim; NaN never does."""
        return not math.isnan(value) and _OPERATORS[self.operator](value, self.bound)


def others_changed(comparison: Comparison, only: Sequence[str]) -> list[str]:
    """Return a line for each change outside the fields of `--only`.

    Raises:
        UsageError: If there is no such field.
    """
    known = (*comparison.fields, *comparison.fields_lost, *comparison.fields_added)
    for name in only:
        if name not in (*known, *comparison.left):
            raise UsageError(f"no field is called {name!r}{did_you_mean(name, known)}")
    failures = [f"{name} changed too" for name in comparison.changed() if name not in only]
    counts = {name: getattr(comparison, name) for name in _OF_FILES}
    failures += [f"{name} is {count:,}" for name, count in counts.items() if count]
    failures += [
        f"{name} was not compared: {why}"
        for name, why in comparison.left.items()
        if name not in only
    ]
    return failures


def _value(figures: Figures, name: str) -> float | None:
    """Return a figure as a number, or None if fields of this kind do not have it."""
    if name == "identical":
        return float(bool(figures.identical))
    if isinstance(figures, LabelFigures) and not hasattr(figures, name):
        return None
    return float(getattr(figures, name))


def _bound(text: str, claim: str) -> float:
    """Return the number of a claim; 5% is 0.05."""
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise UsageError(f"{claim!r} ends in {text!r}, which is not a number") from None

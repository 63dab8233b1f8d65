"""Noise on whole rows: rows lost or repeated, values in the wrong column."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from noisify.core.errors import UsageError
from noisify.core.overriding import override
from noisify.noise import parameters
from noisify.noise.model import ANYTHING, NoiseContext, RateModel
from noisify.noise.parameters import ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noisify.noise.level import Rate
    from noisify.noise.parameters import Words


@dataclass(frozen=True, kw_only=True)
class RowModel(RateModel):
    """A model that decides how many times each row is written; it takes no field."""

    family: ClassVar[str] = "rows"
    takes: ClassVar[frozenset[str]] = frozenset()
    example: ClassVar[str] = "--rate 1%"

    rate: Rate = parameters.rate("share of the rows that are hit", 0.01)

    @override
    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return the values as they are; only rows change."""
        return values

    @abstractmethod
    def copies(self, context: NoiseContext) -> NDArray[np.int64]:
        """Return how many times each row is written, shape (n,)."""


class DropRows(RowModel):
    """Lost rows: each row is left out with probability rate.

    The rows that stay get the same noise as if none were lost. Bernoulli sampling, as SQL's
    TABLESAMPLE BERNOULLI does it (ISO/IEC 9075-2).
    """

    name: ClassVar[str] = "drop-rows"

    def copies(self, context: NoiseContext) -> NDArray[np.int64]:
        """Return 0 for rows that are left out and 1 for others."""
        return np.where(context.hit(self.rate), 0, 1).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class DuplicateRows(RowModel):
    """Repeated rows: each row comes out `times` times more with probability rate.

    The copies follow their row. They are exact, or, with fresh, get noise of their own from the
    other specs: near-duplicates, used to test record linkage and deduplication (Christen, 2012,
    "Data Matching", chapter 7).
    """

    name: ClassVar[str] = "duplicate-rows"

    times: int = parameters.whole("how many copies more", 1, at_least=1)
    fresh: bool = parameters.truth(
        "copies get noise of their own from the other specs", default=False
    )

    def copies(self, context: NoiseContext) -> NDArray[np.int64]:
        """Return 1 + times for rows that are repeated and 1 for others."""
        return np.where(context.hit(self.rate), 1 + self.times, 1).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class SwapFields(RateModel):
    """Values in the wrong column: where it hits, two fields of a row change their values.

    First name and surname, length and width, latitude and longitude: the misfielded values of Rahm
    and Do (2000), "Data cleaning: problems and current approaches". The two fields must be of the
    same type. Rows in which one of them is missing are left alone.
    """

    name: ClassVar[str] = "swap-fields"
    family: ClassVar[str] = "rows"
    takes: ClassVar[frozenset[str]] = ANYTHING
    example: ClassVar[str] = "-c first_name,surname --rate 2%"
    multi_field: ClassVar[bool] = True
    FIELDS: ClassVar[int] = 2

    rate: Rate = parameters.rate("share of the rows that are hit", 0.05)
    fields: Words | None = parameters.texts("the two fields; left out: those the spec is for")

    def __post_init__(self) -> None:
        """Check that there are two fields."""
        super().__post_init__()
        if self.fields is not None and not len(self.fields) == len(set(self.fields)) == self.FIELDS:
            listed = ", ".join(self.fields) or "none"
            raise ParameterError(
                f"swap-fields needs exactly two different fields, not {listed}", "fields"
            )

    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return the values, with the other field's in the rows hit.

        `context.columns` holds the other field, and `context.others("")` returns the stream of the
        rows, so that both fields see the same hits.
        """
        others = [context.columns[name] for name in self.fields or () if name in context.columns]
        if len(others) != 1 or context.others is None:
            raise UsageError("swap-fields needs exactly two fields")
        ((counterparts, usable),) = others
        hit = context.others("").uniform("hit") < self.rate
        if usable is not None:
            hit &= usable
        return np.asarray(np.where(hit, counterparts, values), values.dtype)

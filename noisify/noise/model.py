"""The base class of noise models, and the context that a model works in."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, dataclass_transform

import numpy as np

from noisify.core.errors import UsageError
from noisify.kernels import elementary
from noisify.noise import level as levels
from noisify.noise import parameters
from noisify.noise.parameters import ParameterError, parameters_of, unknown_parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from noisify.core.dtypes import NumberType
    from noisify.noise.level import Level, Rate
    from noisify.statistics.survey import FieldStatistics
    from noisify.streams.streams import Variates

REAL = frozenset({"float", "int", "decimal"})
NUMBERS = REAL | {"complex"}
TEXT = frozenset({"text"})
LABELS = frozenset({"text", "bool", "int"})
TIMES = frozenset({"time"})
_NONE = frozenset[str]()
ANYTHING = NUMBERS | {"text", "bool", "time"}


@dataclass
class NoiseContext:
    """The chunk that a model is working on, and what the model reports about it.

    Attributes:
        variates: The random numbers at the chunk's positions.
        number: The type of the values.
        companions: Other fields' values at the same positions, as float64, for `@field` levels.
        saturated: Mask of elements that saturated so far, or None if there are none.
        usable: Mask of elements that are present and finite; the others hold a placeholder, and
            what a model returns for them is discarded. None: all.
        erased: Mask of elements that the model has made null, or None if there are none.
        others: Returns the variates of this model's stream of another field, by field name.
        columns: Other fields' values before this spec, and their usable masks, by field name.
        series: How many series of equal length the values are, one after the other.
        keys: The indices of other fields' original values as keys, by field name.
    """

    variates: Variates
    number: NumberType
    companions: Mapping[str, NDArray[np.float64]] = dataclasses.field(default_factory=dict)
    saturated: NDArray[np.bool_] | None = None
    usable: NDArray[np.bool_] | None = None
    erased: NDArray[np.bool_] | None = None
    others: Callable[[str], Variates] | None = None
    columns: Mapping[str, tuple[NDArray[Any], NDArray[np.bool_] | None]] = dataclasses.field(
        default_factory=dict
    )
    series: int = 1
    keys: Mapping[str, NDArray[np.uint64]] = dataclasses.field(default_factory=dict)

    def hit(self, rate: float) -> NDArray[np.bool_]:
        """Return the mask of elements hit, shape (n,); those hit at a lower rate are among them."""
        return self.variates.uniform("hit") < rate

    def erase(self, which: NDArray[np.bool_]) -> None:
        """Make some elements null."""
        self.erased = which if self.erased is None else self.erased | which

    def saturate(self, which: NDArray[np.bool_]) -> None:
        """Mark some elements as saturated."""
        self.saturated = which if self.saturated is None else self.saturated | which

    def level(self, level: Level, values: NDArray[Any]) -> float | NDArray[np.float64]:
        """Return a level as an absolute amount: one number, or one per element, shape (n,)."""
        match level:
            case levels.Absolute(value):
                return value
            case levels.PerElement(amounts):
                return amounts
            case levels.Percent(share):
                return _limited(elementary.magnitude(self.number.to_float(values)), share)
            case levels.Duration(seconds):
                return seconds
            case levels.FromField(name, factor):
                return _limited(elementary.magnitude(self.companions[name]), factor)
            case levels.OfField():
                raise UsageError(f"level {level} needs the statistics of the whole field")

    def add(
        self, values: NDArray[Any], noise: NDArray[Any], exponent: int | NDArray[np.intc] = 0
    ) -> NDArray[Any]:
        """Return values + noise * 2**exponent in the field's type; `noise` may be overwritten."""
        noisy, beyond = self.number.add(values, noise, exponent)
        if beyond is not None and beyond.any():
            self.saturate(beyond)
        return noisy


def _limited(amounts: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """Return amounts times a factor, limited to the largest float64."""
    with np.errstate(over="ignore"):
        return np.minimum(amounts * factor, np.finfo(np.float64).max)


_HUGE = 2.0**900
_HEADROOM = 400


def headroom(amount: float | NDArray[np.float64]) -> int | NDArray[np.intc]:
    """Return the exponent of a unit in which noise of this amount does not overflow.

    Noise of scale 1e308 may overflow although the noisy value does not. Amounts below 2**900 need
    no unit; an element's unit depends on its own amount only.
    """
    if isinstance(amount, np.ndarray):
        if not len(amount) or np.max(amount) < _HUGE:
            return 0
        return np.where(amount < _HUGE, 0, _HEADROOM).astype(np.intc)
    return 0 if amount < _HUGE else _HEADROOM


def with_headroom(
    scale: float | NDArray[np.float64], loc: float
) -> tuple[float | NDArray[np.float64], float | NDArray[np.float64], int | NDArray[np.intc]]:
    """Return scale and loc in a unit in which noise does not overflow, and its exponent."""
    exponent = headroom(np.maximum(scale, abs(loc)) if loc else scale)
    if not np.any(exponent):
        return scale, loc, 0
    return np.ldexp(scale, -exponent), np.ldexp(loc, -exponent), exponent


@dataclass_transform(kw_only_default=True, frozen_default=True)
@dataclass(frozen=True, kw_only=True)
class Model(ABC):
    """One kind of noise.

    A subclass is a frozen, keyword-only dataclass. Its fields are the model's parameters, declared
    by the functions of `noise.parameters`; `--explain` shows its docstring.

    Attributes:
        name: Its name on the command line.
        family: The group it is listed under.
        takes: The kinds of fields it works on.
        level: The parameter that `MODEL:LEVEL` sets: how much noise. Empty: none.
        erases: Whether it makes elements null.
        multi_field: Whether it works on a spec's fields together, named by a parameter `fields`.
        independent: Whether `apply` may get the concatenated elements of several fields: it uses
            only each element's value and variates, never `context.variates.positions`.
        takes_series: Whether `apply` may get several series at once, see `NoiseContext.series`.
        random: Whether its noise depends on the seed.
        unit_moments: The mean and the sd at scale 1 and loc 0, if they are constants.
        unmeasured: Why it has no `moments`, if it has none.
        example: The options that `--explain` shows after `noisify data.csv -d MODEL`.
    """

    name: ClassVar[str]
    family: ClassVar[str]
    takes: ClassVar[frozenset[str]] = REAL
    level: ClassVar[str] = "scale"
    erases: ClassVar[bool] = False
    multi_field: ClassVar[bool] = False
    independent: ClassVar[bool] = False
    takes_series: ClassVar[bool] = False
    random: ClassVar[bool] = True
    example: ClassVar[str] = "-s 0.1"
    unit_moments: ClassVar[tuple[float, float] | None] = None
    unmeasured: ClassVar[str] = "has no sd of its own: how much it adds depends on the data"

    def __post_init__(self) -> None:
        """Check the parameters against their declared limits and choices.

        Raises:
            ParameterError: If one is outside them.
        """
        for name, parameter in parameters_of(type(self)).items():
            parameter.check(getattr(self, name), name, self.name)

    @abstractmethod
    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return the noisy values.

        Args:
            values: Shape (n,), in the dtype of `context.number`; must not be changed in place.
            context: The variates, levels and arithmetic for these elements.

        Returns:
            Shape (n,), the same dtype. Element i depends on values[i] and the variates of its
            position only.
        """

    def moments(self) -> tuple[float, float] | None:
        """Return the mean and the sd at scale 1 and loc 0, or None if there is no sd."""
        return self.unit_moments

    def mean_square(self) -> float:
        """Return the mean square at scale 1 and loc 0, for a model that has moments."""
        mean, sd = self.moments() or (math.nan, math.nan)
        return mean * mean + sd * sd

    @property
    def followed_axis(self) -> int | None:
        """The axis of an array along which the model works, its parameter `axis`; None: none."""
        axis: int | None = getattr(self, "axis", None)
        return axis

    @property
    def halo(self) -> int:
        """How far, in elements, `apply` looks beyond an element; 0: its own value only."""
        return 0

    def statistics(self, field: str) -> Mapping[str, frozenset[str]]:  # noqa: ARG002
        """Return the statistics that `fit` needs, by field name.

        Args:
            field: The field that gets the noise.
        """
        return {}

    def fit(self, field: str, statistics: Mapping[str, FieldStatistics]) -> Self:
        """Return this model with the parameters that come from the data filled in."""
        if not self.statistics(field):
            return self
        found = self.fitted(field, statistics).items()
        return dataclasses.replace(self, **{k: v for k, v in found if getattr(self, k) is None})

    def fitted(self, field: str, statistics: Mapping[str, FieldStatistics]) -> dict[str, Any]:  # noqa: ARG002
        """Return what the data give for parameters that may be left out, by name."""
        return {}

    def companions(self) -> frozenset[str]:
        """Return the other fields whose values `apply` uses."""
        return self.level_fields()

    def level_fields(self) -> frozenset[str]:
        """Return the fields that levels such as `@flux_err` are taken from."""
        amounts = [a for a in vars(self).values() if isinstance(a, levels.FromField)]
        return frozenset([amount.field for amount in amounts]) if amounts else _NONE

    def key_fields(self) -> frozenset[str]:
        """Return the companions whose values are keys, not numbers."""
        return _NONE


@dataclass(frozen=True, kw_only=True)
class RateModel(Model):
    """A model that hits each element with probability `rate`, independently."""

    family: ClassVar[str] = "impulse"
    level: ClassVar[str] = "rate"
    example: ClassVar[str] = "--rate 2%"

    rate: Rate = parameters.rate("share of the elements that are hit", 0.01)

    def places_hit(self, context: NoiseContext) -> NDArray[np.int64]:
        """Return the indices of the usable elements that are hit."""
        hit = context.hit(self.rate)
        return np.flatnonzero(hit if context.usable is None else hit & context.usable)


def make(model: type[Model], given: Mapping[str, object]) -> Model:
    """Create a model from its parameters as typed.

    Args:
        model: The model's class.
        given: Its parameters by name; texts are parsed as the parameter's type.

    Raises:
        UsageError: If a name is unknown, a value cannot be read, or one is missing.
    """
    declared = parameters_of(model)
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in declared:
            raise unknown_parameter(name, model.name, declared)
        values[name] = declared[name].read(value, name, model.name)
    for name, parameter in declared.items():
        if parameter.required and name not in values:
            raise ParameterError(
                f"{model.name} needs {name} ({parameter.help}); add -p {name}=VALUE", name
            )
    return model(**values)

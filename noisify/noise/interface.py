"""What a noise model is: a frozen dataclass with one method, and what it may ask of a chunk."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

import numpy as np

from noisify import levels
from noisify.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from noisify.chunks import NumberType
    from noisify.levels import Level
    from noisify.random_streams import Variates


@dataclass
class Draw:
    """What a model may ask about the chunk it is working on.

    Attributes:
        variates: The random numbers at the chunk's positions.
        number: The number type of the values.
        companions: Other fields' values at the same positions, as float64, for `@field` levels.
        saturated: Which elements have hit the end of the type's range so far; None: none.
    """

    variates: Variates
    number: NumberType
    companions: Mapping[str, NDArray[np.float64]] = dataclasses.field(default_factory=dict)
    saturated: NDArray[np.bool_] | None = None

    def level(self, level: Level, values: NDArray[Any]) -> float | NDArray[np.float64]:
        """Return a level as an absolute amount: one number, or one an element, shape (n,)."""
        match level:
            case levels.Absolute(value):
                return value
            case levels.Percent(share):
                return np.asarray(np.abs(self.number.to_float(values)) * share)
            case levels.FromField(name, factor):
                return np.abs(self.companions[name]) * factor
            case levels.OfField():
                raise UsageError(f"level {level} needs the statistics of the whole field")

    def add(self, values: NDArray[Any], noise: NDArray[Any]) -> NDArray[Any]:
        """Return values + noise in the field's number type; `noise` is spent."""
        noisy, beyond = self.number.add(values, noise)
        if beyond is not None and beyond.any():
            self.saturated = beyond if self.saturated is None else self.saturated | beyond
        return noisy


@dataclass_transform(kw_only_default=True, frozen_default=True)
@dataclass(frozen=True, kw_only=True)
class Model(ABC):
    """One kind of noise.

    A subclass is a frozen, keyword-only dataclass. Its fields are the model's parameters, made by
    `parameter`, and checked in `__post_init__`; its docstring is what `--explain` shows.

    Attributes:
        name: What it is called on the command line.
        family: The group it is listed under.
    """

    name: ClassVar[str]
    family: ClassVar[str]

    @abstractmethod
    def apply(self, values: NDArray[Any], draw: Draw) -> NDArray[Any]:
        """Return the noisy values.

        Args:
            values: Shape (n,), in the dtype of `draw.number`; not to be changed in place.
            draw: The variates, the level and the arithmetic for these elements.

        Returns:
            Shape (n,), the same dtype. Element i depends on values[i] and the variates of its
            position only.
        """

    def moments(self) -> tuple[float, float] | None:
        """Return the mean and the standard deviation at scale 1 and loc 0, or None without a sd."""
        return None


def parameter(help_text: str, default: Any, **limits: float) -> Any:  # noqa: ANN401
    """Declare a parameter of a model: a dataclass field with its help and its open lower limit.

    Args:
        help_text: One line for `--explain`.
        default: The value when it is not given; `dataclasses.MISSING` where there is none.
        limits: `above=0` or `at_least=0`.
    """
    return dataclasses.field(default=default, metadata={"help": help_text, **limits})


def check_parameters(model: Model) -> None:
    """Hold every numeric parameter of a model to the limits it was declared with.

    Raises:
        UsageError: If one is not finite or is out of its limits.
    """
    for field in dataclasses.fields(model):
        value = getattr(model, field.name)
        if not isinstance(value, int | float):
            continue
        if not math.isfinite(value):
            raise UsageError(f"{field.name} {value} of {model.name} must be finite")
        above, at_least = field.metadata.get("above"), field.metadata.get("at_least")
        if above is not None and value <= above:
            raise UsageError(f"{field.name} {value:g} of {model.name} must be above {above:g}")
        if at_least is not None and value < at_least:
            raise UsageError(
                f"{field.name} {value:g} of {model.name} must be at least {at_least:g}"
            )


def make(model: type[Model], given: Mapping[str, Any]) -> Model:
    """Make a model from its parameters as typed.

    Args:
        model: The model's class.
        given: Its parameters by name; texts are read as the parameter's type.

    Raises:
        UsageError: If a name is unknown, a value cannot be read, or one is missing.
    """
    fields = {field.name: field for field in dataclasses.fields(model)}
    known = {}
    for name, value in given.items():
        if name not in fields:
            offered = ", ".join(fields)
            raise UsageError(
                f"{model.name} has no parameter {name!r}{did_you_mean(name, fields)} "
                f"(it has: {offered})"
            )
        known[name] = _read(model.name, fields[name], value)
    for name, field in fields.items():
        if field.default is dataclasses.MISSING and name not in known:
            help_text = field.metadata["help"]
            raise UsageError(f"{model.name} needs {name} ({help_text}); add -p {name}=VALUE")
    return model(**known)


def _read(model: str, field: dataclasses.Field[Any], value: Any) -> Any:  # noqa: ANN401
    """Read a typed value as the type its field is annotated with."""
    kind = str(field.type)
    if kind == "Level":
        return levels.parse(value, option=field.name)
    readers: dict[str, Callable[[Any], Any]] = {
        "float": float,
        "int": int,
        "str": str,
        "bool": _read_bool,
    }
    try:
        return readers[kind](value)
    except ValueError:
        raise UsageError(
            f"{field.name} {value!r} of {model} is not "
            f"{'an' if kind == 'int' else 'a'} {'number' if kind == 'float' else kind}"
        ) from None


def _read_bool(value: Any) -> bool:  # noqa: ANN401
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    text = str(value).casefold()
    if text not in words:
        raise ValueError(text)
    return words[text]

"""Declare and read the parameters of models.

A model declares each parameter by a function of this module, such as
`rate: Rate = parameters.rate("share of the elements that are hit", 0.01)`. Flags, `--noise`,
recipes, the library, `--explain` and `models.pyi` all go by these declarations.
"""

from __future__ import annotations

import dataclasses
import math
from decimal import Decimal
from functools import cache
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, cast

from noisify.core.errors import UsageError, did_you_mean, shown
from noisify.core.value_class import frozen
from noisify.core.values import is_list
from noisify.noise import level as levels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from _typeshed import DataclassInstance

    from noisify.noise.level import Level, Rate

REQUIRED = dataclasses.MISSING
"""The default of a required parameter."""
Words = tuple[str, ...]
Numbers = tuple[float, ...]
Matrix = tuple[tuple[float, ...], ...]

_EXACT = 1 << 53
"""Below this a float64 holds every integer."""
_MOST_BITS = 1024
"""Most bits of an integer; float64 ends there."""
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class ParameterError(UsageError):
    """A parameter of a model is wrong.

    Args:
        message: What is wrong.
        names: The parameters concerned, starting with the one to change.
    """

    def __init__(self, message: str, *names: str) -> None:
        super().__init__(message)
        self.names = names


@frozen
class ParameterType:
    """A type of parameter.

    Attributes:
        title: Its name in the error about a text that cannot be parsed.
        kind: Its name in the error about a value of another type.
        hint: The annotation of the values it accepts.
        accepts: Returns whether a value may be read as this type; any text may.
        read: Reads a value; also gets the parameter's name, for its errors.
    """

    title: str
    kind: str
    hint: str
    accepts: Callable[[object], bool]
    read: Callable[[Any, str], Any]


@frozen
class Parameter:
    """The declaration of a parameter.

    Attributes:
        type: Its type.
        help: One line for `--explain`.
        default: Its value if not given, or `REQUIRED`.
        above: Exclusive lower limit, or None.
        at_least: Inclusive lower limit, or None.
        at_most: Inclusive upper limit, or None.
        choices: The allowed values, or words of a list; empty: any.
    """

    type: ParameterType
    help: str
    default: Any
    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    choices: Words = ()

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is REQUIRED

    def read(self, value: object, name: str, model: str) -> object:
        """Convert a given value to the parameter's type.

        Raises:
            ParameterError: If it cannot be converted.
        """
        if value is None and self.default is None:
            return None
        self.check_kind(value, name)
        try:
            return self.type.read(value, name)
        except UsageError as error:
            raise ParameterError(error.message, name) from None
        except (ValueError, TypeError, OverflowError):
            message = f"{name} {shown(value)} of {model} is not {self.type.title}"
            raise ParameterError(message, name) from None

    def check_kind(self, value: object, name: str) -> None:
        """Check that a value is of a kind that this type accepts.

        Raises:
            ParameterError: If it is not.
        """
        if not self.type.accepts(value):
            raise ParameterError(f"{name} {shown(value)} is not {self.type.kind}", name)

    def check(self, value: object, name: str, model: str) -> None:
        """Check a value against the limits and the choices.

        Raises:
            ParameterError: If it is not finite, beyond a limit or not one of the choices.
        """
        if isinstance(value, str | tuple) and self.choices:
            self._check_choices((value,) if isinstance(value, str) else value, name, model)
        if not isinstance(value, int | float):
            return
        if not math.isfinite(value):
            raise ParameterError(f"{name} {value} of {model} must be finite", name)
        limits = (
            (self.above is not None and value <= self.above, "above", self.above),
            (self.at_least is not None and value < self.at_least, "at least", self.at_least),
            (self.at_most is not None and value > self.at_most, "at most", self.at_most),
        )
        for beyond, words, limit in limits:
            if beyond:
                said = f"{value:g}" if isinstance(value, float) else str(value)
                raise ParameterError(f"{name} {said} of {model} must be {words} {limit:g}", name)

    def _check_choices(self, words: Words, name: str, model: str) -> None:
        offered = ", ".join(self.choices)
        for word in words:
            if word not in self.choices:
                meant = did_you_mean(word, self.choices)
                raise ParameterError(
                    f"{name} {word!r} of {model} is not one of {offered}{meant}", name
                )
        if not words:
            raise ParameterError(f"{name} of {model} must name at least one of {offered}", name)


@cache
def parameters_of(model: type[DataclassInstance]) -> Mapping[str, Parameter]:
    """Return the declared parameters of a model, by name."""
    return {field.name: field.metadata["parameter"] for field in dataclasses.fields(model)}


def unknown_parameter(
    key: str, model: str, known: Iterable[str], others: Iterable[str] = ()
) -> UsageError:
    """Return the error about an unknown parameter.

    Args:
        key: The parameter.
        model: The model's name.
        known: The model's parameters.
        others: Further words to suggest.
    """
    offered = list(known)
    meant = did_you_mean(key, [*offered, *others])
    return UsageError(f"{model} has no parameter {key!r}{meant} (it has: {', '.join(offered)})")


def takes_level(model: type[DataclassInstance]) -> bool:
    """Return whether a model has a level named scale, which `sd` and `snr` can set instead."""
    declared = parameters_of(model).get("scale")
    return declared is not None and declared.type is LEVEL


def is_plain(value: object) -> bool:
    """Return whether a value is a text or a number of any type, but not a boolean."""
    if isinstance(value, bool) or not isinstance(value, str | Real | Decimal):
        return False
    return not isinstance(value, int) or value.bit_length() <= _MOST_BITS


def _is_whole(value: object) -> bool:
    if isinstance(value, Real) and not isinstance(value, Integral):
        return float(value).is_integer()
    return is_plain(value)


def _are_plain(value: object) -> bool:
    return all(map(is_plain, value)) if is_list(value) else is_plain(value)


def _read_number(value: str | float, _: str) -> float:
    """Read a number; an integer that float64 cannot hold stays an integer."""
    number = float(value)
    if math.isfinite(number) and number.is_integer() and abs(number) >= _EXACT:
        try:
            return int(value) if isinstance(value, int | str) else number
        except ValueError:  # 1e300
            return number
    return number


def _read_truth(value: object, _: str) -> bool:
    text = str(value).casefold()
    if text not in _TRUTHS:
        raise ValueError(text)
    return _TRUTHS[text]


def _read_texts(value: str | Iterable[object], _: str) -> Words:
    """Read texts: a sequence, or one text with | between them."""
    parts = value.split("|") if isinstance(value, str) else value
    return tuple(str(part) for part in parts)


def _read_numbers(value: float | str | Iterable[float | str], _: str) -> Numbers:
    """Read numbers: one, a sequence, or a text with | or / between them."""
    if isinstance(value, str):
        value = value.replace("/", "|").split("|")
    return (float(value),) if isinstance(value, int | float) else tuple(float(x) for x in value)


def _read_matrix(value: str | Iterable[Iterable[float] | str], name: str) -> Matrix:
    """Read a matrix: a sequence of rows, or a text with ; between rows and | between numbers."""
    rows = value.split(";") if isinstance(value, str) else value
    return tuple(_read_numbers(row, name) for row in rows)


LEVEL = ParameterType(
    "a level", "a number or a text", "float | str",
    lambda value: is_plain(value) or isinstance(value, levels.Level),
    lambda value, name: levels.parse(value, option=name),
)  # fmt: skip
RATE = ParameterType(
    "a share", "a number or a text", "float | str", is_plain,
    lambda value, name: levels.parse_rate(value, option=name),
)  # fmt: skip
NUMBER = ParameterType("a number", "a number", "float", is_plain, _read_number)
WHOLE = ParameterType("an int", "a whole number", "int", _is_whole, lambda value, _: int(value))
TEXT = ParameterType("a text", "a text", "str", is_plain, lambda value, _: str(value))
TRUTH = ParameterType(
    "a bool", "true or false", "bool", lambda value: not isinstance(value, list | dict),
    _read_truth,
)  # fmt: skip
TEXTS = ParameterType(
    "texts with | between them", "a list of texts", "str | Iterable[str]", _are_plain, _read_texts
)
NUMBERS = ParameterType(
    "numbers with | between them", "a list of numbers", "float | str | Iterable[float]",
    _are_plain, _read_numbers,
)  # fmt: skip
MATRIX = ParameterType(
    "rows of numbers, with | between numbers and ; between rows", "a list of lists of numbers",
    "str | Iterable[Iterable[float]]", lambda value: is_plain(value) or is_list(value),
    _read_matrix,
)  # fmt: skip


def _field(declared: Parameter) -> object:
    return dataclasses.field(default=declared.default, metadata={"parameter": declared})


def level(help_text: str, default: Level) -> Level:
    """Declare an amount of noise: a number, 5%, 0.1sd, @field, or a time such as 90s."""
    return cast("Level", _field(Parameter(LEVEL, help_text, default)))


def rate(help_text: str, default: float | None = None) -> Rate:
    """Declare a share of elements, from 0 to 1: 2% or 0.02."""
    return cast("Rate", _field(Parameter(RATE, help_text, default, at_least=0.0, at_most=1.0)))


def number(
    help_text: str,
    default: object = None,
    *,
    above: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
) -> float:
    """Declare a number.

    Args:
        help_text: One line for `--explain`.
        default: The value if not given: `REQUIRED` if there is none; None, as for the other types,
            if the data or other parameters decide.
        above: Exclusive lower limit.
        at_least: Inclusive lower limit.
        at_most: Inclusive upper limit.
    """
    return cast("float", _field(Parameter(NUMBER, help_text, default, above, at_least, at_most)))


def whole(
    help_text: str,
    default: int | None = None,
    *,
    at_least: int | None = None,
    at_most: int | None = None,
) -> int:
    """Declare a whole number; the limits are those of `number`."""
    return cast("int", _field(Parameter(WHOLE, help_text, default, None, at_least, at_most)))


def axis() -> int:
    """Declare the axis of an array along which a model works."""
    return whole("axis of an array along which it works, 0 the first and -1 the last", 0)


def text(help_text: str, default: str | None = None, choices: Iterable[str] = ()) -> str:
    """Declare a text, optionally one of several choices."""
    return cast("str", _field(Parameter(TEXT, help_text, default, choices=tuple(choices))))


def truth(help_text: str, *, default: bool) -> bool:
    """Declare a parameter that is true or false."""
    return cast("bool", _field(Parameter(TRUTH, help_text, default)))


def texts(help_text: str, default: Words | None = None, choices: Iterable[str] = ()) -> Words:
    """Declare a list of texts, optionally each one of several choices."""
    return cast("Words", _field(Parameter(TEXTS, help_text, default, choices=tuple(choices))))


def numbers(help_text: str, default: Numbers) -> Numbers:
    """Declare a list of numbers."""
    return cast("Numbers", _field(Parameter(NUMBERS, help_text, default)))


def matrix(help_text: str) -> Matrix:
    """Declare a matrix of numbers."""
    return cast("Matrix", _field(Parameter(MATRIX, help_text, None)))

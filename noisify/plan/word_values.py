"""Read the values of the words of noise specs and of whole runs, and check their types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from noisify.core.errors import UsageError, did_you_mean, shown
from noisify.core.values import read_bounds, texts, whole_number
from noisify.noise import registry
from noisify.plan.condition import Condition
from noisify.plan.condition import parse as parse_condition
from noisify.streams.limits import RNGS, SEED_LIMIT

if TYPE_CHECKING:
    from noisify.plan.plan import Decimals

Rng = Literal["noisify", "numpy", "numpy-legacy"]
_OF_GENERATORS = ("bit_generator", "random_raw", "get_state", "getstate")
"""Attributes by which generators of NumPy and Python are recognised."""
_MOST_DECIMALS = 300


def read_names(value: object) -> tuple[str, ...]:
    """Read the exact names of fields.

    Raises:
        UsageError: If it is not a name or a list of names.
    """
    names = texts("field", value)
    if not names:
        raise UsageError("field [] names no field; leave it out for the default choice")
    return names


def read_clip(value: object) -> tuple[float, float]:
    """Read [LO, HI] or LO|HI; None or an empty text means no bound.

    Raises:
        UsageError: If it is anything else.
    """
    bounds = read_bounds(value.split("|") if isinstance(value, str) else value)
    if bounds is None:
        raise UsageError(
            f"clip {shown(value)} is not LO and HI with LO at most HI, such as 0|255 "
            "(in a recipe or Python: [0, 255])"
        )
    return bounds


def read_where(value: object) -> Condition:
    """Read a condition on rows.

    Raises:
        UsageError: If it is not a condition.
    """
    if isinstance(value, Condition):
        return value
    if not isinstance(value, str):
        raise UsageError(f"where {shown(value)} is not a text such as 'age > 60'")
    return parse_condition(value, name="where")


def read_model(value: object) -> registry.ModelEntry:
    """Read a model's name, or an alias of it.

    Raises:
        UsageError: If there is no such model.
    """
    if not isinstance(value, str):
        raise UsageError(f"model {shown(value)} is not a text such as 'normal'")
    return registry.find(value)


def read_unit(value: object) -> str:
    """Read the unit that numbers are shares of.

    Raises:
        UsageError: If it is not a known unit.
    """
    if not isinstance(value, str) or value != "image":
        raise UsageError(f"unknown unit {shown(value)}; the only unit is 'image'")
    return "image"


def read_seed(value: object) -> int:
    """Read a seed: an integer of any type, or a text of digits or 0x….

    Raises:
        UsageError: If it is not an integer from 0 to 2**128 - 1.

    >>> read_seed("0xff")
    255
    """
    if any(hasattr(value, name) for name in _OF_GENERATORS):
        raise UsageError(
            f"seed is of type {type(value).__name__}, and noise is drawn from no generator but "
            "worked out from the seed and the place of each value; give an integer, such as "
            "int(generator.integers(2**53))"
        )
    try:
        seed = (
            int(value, 16 if "x" in value.lower() else 10)
            if isinstance(value, str)
            else whole_number(value)
        )
    except ValueError:
        seed = None
    if seed is None or not 0 <= seed < SEED_LIMIT:
        raise UsageError(f"seed {shown(value)} is not an integer from 0 to 2**128 - 1 (or 0x…)")
    return seed


def read_rng(value: object) -> str:
    """Read the name of a generator.

    Raises:
        UsageError: If there is no such generator.
    """
    if not isinstance(value, str) or value not in RNGS:
        raise UsageError(
            f"no rng is called {shown(value)}{did_you_mean(value, RNGS)} "
            f"(there are {', '.join(RNGS)})"
        )
    return str(value)


def read_decimals(value: object) -> Decimals:
    """Read a number of digits, as a number or a text, or "keep".

    Raises:
        UsageError: If it is anything else.
    """
    if isinstance(value, str) and value == "keep":
        return "keep"
    digits = whole_number(value)
    if digits is None or not 0 <= digits <= _MOST_DECIMALS:
        raise UsageError(
            f"decimals {shown(value)} is neither a number of digits nor keep; type 0 to "
            f"{_MOST_DECIMALS}, or keep"
        )
    return digits

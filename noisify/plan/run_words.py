"""Read the settings of a whole run: seed, generator and decimals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from noisify.core.errors import UsageError, did_you_mean, shown
from noisify.core.values import whole_number
from noisify.streams.limits import RNGS, SEED_LIMIT

if TYPE_CHECKING:
    from noisify.plan.plan import Decimals

Rng = Literal["noisify", "numpy", "numpy-legacy"]

_OF_GENERATORS = ("bit_generator", "random_raw", "get_state", "getstate")
"""Attributes by which generators of NumPy and Python are recognised."""
_MOST_DECIMALS = 300


def read_seed(value: object) -> int:
    """Read a seed: an integer of any type, or a text of digits or 0x….

    Raises:
        UsageError: If it is not an integer from 0 to 2**128 - 1.

    >>> read_seed("0xff")
    255
    """
    if any(hasattr(value, name) for name in _OF_GENERATORS):
        raise UsageError(
            f"seed is a {type(value).__name__}, and noise is drawn from no generator but worked "
            "out from the seed and the place of each value; give an integer, such as "
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

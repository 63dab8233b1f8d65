"""Read what holds for a whole run: its seed, its generator, its decimals; each in one place."""

from __future__ import annotations

import operator
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noisify.core.errors import UsageError, did_you_mean, shown
from noisify.streams.limits import RNGS, SEED_LIMIT

if TYPE_CHECKING:
    from noisify.plan.plan import Decimals

_SEED = re.compile(r"\d{1,40}|0[xX][0-9a-fA-F]{1,40}")
_OF_GENERATORS = ("bit_generator", "random_raw", "get_state", "getstate")
"""Of what generators of NumPy and of Python have, one each."""
_MOST_DECIMALS = 300


def read_seed(value: Any) -> int:  # noqa: ANN401
    """Read a seed: an integer of any type, or a text of digits or 0x….

    Raises:
        UsageError: If it is none, or is not from 0 to 2**128 - 1.

    >>> read_seed("0xff")
    255
    """
    if any(hasattr(value, name) for name in _OF_GENERATORS):
        raise UsageError(
            f"seed is a {type(value).__name__}, and noise is drawn from no generator but worked "
            "out from the seed and the place of each value; give an integer, such as "
            "int(generator.integers(2**53))"
        )
    seed = -1
    if isinstance(value, str):
        text = value.strip()
        seed = int(text, 16 if "x" in text.lower() else 10) if _SEED.fullmatch(text) else -1
    elif (whole := _integer(value)) is not None:
        seed = whole
    if not 0 <= seed < SEED_LIMIT:
        raise UsageError(f"seed {shown(value)} is not an integer from 0 to 2**128 - 1")
    return seed


def _integer(value: Any) -> int | None:  # noqa: ANN401
    """Return an integer of any type as an int; None for all else, truth values included."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def read_rng(value: Any) -> str:  # noqa: ANN401
    """Read the name of a generator.

    Raises:
        UsageError: If it is none.
    """
    if not isinstance(value, str) or value not in RNGS:
        raise UsageError(
            f"no rng is called {shown(value)}{did_you_mean(value, RNGS)} "
            f"(there are {', '.join(RNGS)})"
        )
    return str(value)


def read_decimals(value: Any) -> Decimals:  # noqa: ANN401
    """Read a number of digits, or "keep".

    Raises:
        UsageError: If it is neither.
    """
    if isinstance(value, str) and value == "keep":
        return "keep"
    digits = _integer(value)
    if digits is None or not 0 <= digits <= _MOST_DECIMALS:
        raise UsageError(
            f"decimals {shown(value)} is neither a number of digits, at most {_MOST_DECIMALS}, "
            "nor 'keep'"
        )
    return digits


def read_truth(name: str, value: Any) -> bool:  # noqa: ANN401
    """Read true or false.

    Raises:
        UsageError: If it is neither.
    """
    if not isinstance(value, bool):
        raise UsageError(f"{name} {shown(value)} is neither true nor false")
    return value


def read_path(name: str, value: Any) -> Path:  # noqa: ANN401
    """Read the path of a file.

    Raises:
        UsageError: If it is none, or no file can be called so.
    """
    if isinstance(value, str | os.PathLike) and isinstance(os.fspath(value), str):
        try:
            if "\0" not in os.fsdecode(os.fsencode(value)):
                return Path(value)
        except UnicodeEncodeError:
            pass
    raise UsageError(f"{name} {shown(value)} is not the path of a file")


def read_text(name: str, value: Any) -> str:  # noqa: ANN401
    """Read a text that has bytes in a file.

    Raises:
        UsageError: If it is none.
    """
    try:
        if isinstance(value, str):
            return value.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        pass
    raise UsageError(f"{name} {shown(value)} is not a text")


def read_count(name: str, value: Any, least: int = 1) -> int:  # noqa: ANN401
    """Read a whole number of at least `least`.

    Raises:
        UsageError: If it is none.
    """
    count = _integer(value)
    if count is None or not least <= count < _COUNT_LIMIT:
        raise UsageError(f"{name} {shown(value)} is not a whole number of at least {least}")
    return count


_COUNT_LIMIT = 1 << 31

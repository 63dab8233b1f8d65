"""Check and convert arguments of the library's callers: texts, booleans, counts, paths."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeGuard

from noisify.core.errors import UsageError, shown
from noisify.core.lazy import LazyModule
from noisify.core.urls import is_url, local_name

if TYPE_CHECKING:
    import pathlib
else:
    pathlib = LazyModule("pathlib")  # --help does not need it

_COUNT_LIMIT = 1 << 31
ROW_LIMIT = 1 << 63
"""Rows are counted in signed 64-bit integers."""


def is_list(value: object) -> TypeGuard[Iterable[object]]:
    """Return whether a value is a list, a tuple, an array or the like."""
    scalar = getattr(value, "ndim", 1) == 0 or isinstance(value, str | bytes | Mapping)
    return isinstance(value, Iterable) and not scalar


def whole_number(value: object) -> int | None:
    """Return an integer of any type as an int; None for anything else, booleans included."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def read_truth(name: str, value: object) -> bool:
    """Read true or false.

    Raises:
        UsageError: If it is neither.
    """
    if not isinstance(value, bool):
        raise UsageError(f"{name} {shown(value)} is neither true nor false")
    return value


def read_path(name: str, value: object) -> str | pathlib.Path:
    """Read the path of a file, or a URL, which stays a text.

    Raises:
        UsageError: If it is not a path, or not a possible file name.
    """
    if isinstance(value, str | os.PathLike) and isinstance(path := os.fspath(value), str):
        try:
            if "\0" not in os.fsdecode(os.fsencode(path)):
                return str(path) if is_url(path) else pathlib.Path(local_name(path))
        except UnicodeEncodeError:
            pass
    raise UsageError(f"{name} {shown(value)} is not the path of a file")


def read_text(name: str, value: object) -> str:
    """Read a text that can be encoded in a file.

    Raises:
        UsageError: If it is not such a text.
    """
    try:
        if isinstance(value, str):
            return value.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        pass
    raise UsageError(f"{name} {shown(value)} is not a text")


def texts(key: str, value: object) -> tuple[str, ...]:
    """Read one text or several.

    Raises:
        UsageError: If it is neither a text nor a list, an array or the like of texts.
    """
    parts = tuple(value) if is_list(value) else (value,)
    if all(isinstance(part, str) for part in parts):
        return tuple(map(str, parts))
    raise UsageError(f"{key} {shown(value)} is neither a text nor a list of texts")


def read_texts(name: str, value: object) -> tuple[str, ...]:
    """Read one text or several, all of which can be encoded in a file.

    Raises:
        UsageError: If it is neither a text nor a list of texts.
    """
    return tuple(read_text(name, part) for part in texts(name, value))


def read_bounds(bounds: object) -> tuple[float, float] | None:
    """Read a lower and an upper bound; return None unless they are two numbers in order.

    Args:
        bounds: A list or a tuple; None or an empty text in it means unbounded.
    """
    low = high = math.nan
    if isinstance(bounds, list | tuple):
        try:
            low, high = (
                open_bound if bound is None or bound == "" else float(bound)
                for bound, open_bound in zip(bounds, (-math.inf, math.inf), strict=True)
                if not isinstance(bound, bool)
            )
        except (TypeError, ValueError, OverflowError):
            return None
    return (low, high) if low <= high else None


def read_count(name: str, value: object, least: int = 1, limit: int = _COUNT_LIMIT) -> int:
    """Read a whole number of at least `least` and below `limit`.

    Raises:
        UsageError: If it is not one.
    """
    count = whole_number(value)
    if count is None or count < least:
        raise UsageError(f"{name} {shown(value)} is not a whole number of at least {least}")
    if count >= limit:
        raise UsageError(f"{name} {shown(value)} is not a whole number up to {limit - 1}")
    return count

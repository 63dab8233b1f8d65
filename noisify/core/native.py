"""Whether the compiled parts are there and in use: free of NumPy, so that `--version` is quick."""

from __future__ import annotations

import os
from enum import Enum
from importlib import import_module
from typing import Any

PURE = "NOISIFY_PURE"
"""The environment variable that turns the compiled parts off, unless it is empty or 0."""


class Part(Enum):
    """A compiled part: its module, and the number that its source says too.

    The numbers rise whenever the functions are called in another way, or something else is looked
    for in the module, so that a build of older sources is not used in new ways.
    """

    CSV = ("noisify.formats.csv._csv", 3)
    VARIATES = ("noisify.streams._variates", 2)


def pure() -> bool:
    """Return whether the compiled parts are turned off."""
    return os.environ.get(PURE, "") not in {"", "0"}


def load(part: Part) -> Any:  # noqa: ANN401 - mypy knows nothing of what is compiled
    """Return a compiled part, or None if it was not built, or not from these sources."""
    name, interface = part.value
    try:
        module = import_module(name)
    except ImportError:
        return None
    return module if interface == module.INTERFACE else None


def described() -> str:
    """Return what is in use, for `--version`."""
    there = [] if pure() else [part.name.lower() for part in Part if load(part) is not None]
    if len(there) == len(Part):
        return "compiled"
    return f"compiled: {', '.join(there)}" if there else "pure Python"

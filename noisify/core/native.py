"""Load the compiled parts. Imports no NumPy, so that `--version` is quick."""

from __future__ import annotations

import os
from enum import Enum
from importlib import import_module
from typing import Any

PURE = "NOISIFY_PURE"
"""The environment variable that turns the compiled parts off, unless it is empty or 0."""


class Part(Enum):
    """A compiled part: its module and its interface version, which its source repeats.

    Increase the version whenever a signature or the module's contents change, so that a build of
    older sources is not used.
    """

    CSV = ("noisify.formats.csv._csv", 4)
    KERNELS = ("noisify.kernels._kernels", 2)
    PAGES = ("noisify.formats.parquet._pages", 2)
    THRIFT = ("noisify.formats.parquet._thrift", 5)
    VARIATES = ("noisify.streams._variates", 3)


def pure() -> bool:
    """Return whether the compiled parts are turned off."""
    return os.environ.get(PURE, "") not in {"", "0"}


def load(part: Part) -> Any:  # noqa: ANN401 - mypy cannot see into compiled modules
    """Return a compiled part, or None if it was not built or has another interface version."""
    name, interface = part.value
    try:
        module = import_module(name)
    except ImportError:
        return None
    return module if interface == module.INTERFACE else None


def described() -> str:
    """Return which compiled parts are in use, for `--version`."""
    there = [] if pure() else [part.name.lower() for part in Part if load(part) is not None]
    if len(there) == len(Part):
        return "compiled"
    return f"compiled: {', '.join(there)}" if there else "pure Python"

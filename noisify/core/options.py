"""Name options in messages as the user gives them: flags of the command, or arguments in Python."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHORT = {"model": "-d", "scale": "-s", "columns": "-c"}
"""Options that messages name by their short flag."""
_in_python: ContextVar[bool] = ContextVar("in_python", default=False)


@contextmanager
def named_as_arguments() -> Iterator[None]:
    """Let messages name arguments of functions instead of flags, in this thread."""
    token = _in_python.set(True)
    try:
        yield
    finally:
        _in_python.reset(token)


def option(name: str, value: object = None) -> str:
    """Return an option by its name in Python, with a value or without one, as the user gives it.

    >>> option("where"), option("scale", 0.5), option("columns", ":number")
    ('--where', '-s 0.5', '-c :number')
    >>> with named_as_arguments():
    ...     option("where"), option("scale", 0.5), option("columns", ":number")
    ('where', 'scale=0.5', "columns=':number'")
    """
    if _in_python.get():
        return name if value is None else f"{name}={value!r}"
    flag = _SHORT.get(name, f"--{name.replace('_', '-')}")
    return flag if value is None else f"{flag} {value}"

"""Check the reading options of a library call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from noisify.core.errors import UsageError, did_you_mean, shown
from noisify.formats.read_options import ReadOptions, declared


def read_options(given: object) -> ReadOptions:
    """Return the reading options, with each option's type checked.

    Args:
        given: `ReadOptions`, a mapping of them by name, or None.

    Raises:
        UsageError: If it is not a mapping, or an option is unknown or has the wrong type.

    >>> read_options({"delimiter": ";"}).delimiter
    ';'
    """
    known = declared()
    if isinstance(given, ReadOptions):
        said = {name: getattr(given, name) for name in known}
    elif given is None or isinstance(given, Mapping):
        said = dict(given or {})
    else:
        raise UsageError(f"read {shown(given)} is not a mapping such as {{'delimiter': ';'}}")
    checked: dict[str, Any] = {}
    for name, value in said.items():
        if name not in known:
            raise UsageError(
                f"read has no option {name!r}{did_you_mean(name, known)} "
                f"(it has: {', '.join(known)})"
            )
        is_default = value is known[name].default
        checked[name] = value if is_default else known[name].read(name, value)
    return ReadOptions(**checked)

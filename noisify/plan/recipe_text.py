"""Write a run as a recipe that repeats it."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from noisify.core.errors import UNWRITTEN

if TYPE_CHECKING:
    from collections.abc import Mapping

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def as_toml(plan_json: Mapping[str, Any]) -> str:
    r"""Return the recipe that repeats a run, given its plan as in a report.

    >>> print(as_toml({"seed": 1, "noise": [{"field": "t", "model": "normal", "scale": 0.5}]}))
    seed = 1
    <BLANKLINE>
    [[noise]]
    field = "t"
    model = "normal"
    scale = 0.5
    <BLANKLINE>
    """
    steps = plan_json.get("noise", ())
    top = {key: value for key, value in plan_json.items() if key != "noise"}
    lines = _pairs(top) if steps else [*_pairs(top), "noise = []"]
    for step in steps:
        words = {"field" if key == "fields" else key: value for key, value in step.items()}
        if words.get("clip") is not None:
            low, high = words["clip"]
            words["clip"] = [-math.inf if low is None else low, math.inf if high is None else high]
        lines += ["", "[[noise]]", *_pairs(words)]
    return "\n".join(lines).lstrip("\n") + "\n"


def _pairs(words: Mapping[str, Any]) -> list[str]:
    return [
        f"{key if _BARE_KEY.fullmatch(key) else _toml_text(key)} = {_toml_value(value)}"
        for key, value in words.items()
        if value is not None
    ]


def _toml_value(value: object) -> str:
    """Return a value as TOML.

    Raises:
        TypeError: If it is not a text, number, boolean or list of those.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(int(value))
        case float():
            return repr(float(value))
        case str():
            return _toml_text(value)
        case list() | tuple():
            return f"[{', '.join(_toml_value(part) for part in value)}]"
        case _:
            raise TypeError(f"{value!r} has no place in a recipe")


def _toml_text(text: str) -> str:
    """Return a text in quotes; bytes that are not UTF-8 stay surrogate-escaped."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    escaped = re.sub(
        rf'["\\]|{UNWRITTEN.pattern}|\n',
        lambda match: escapes.get(match[0], f"\\u{ord(match[0]):04x}"),
        text,
    )
    return f'"{escaped}"'

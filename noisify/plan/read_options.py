"""Read how a file is to be read, from what a call of the library says."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from noisify.core.errors import UsageError, did_you_mean, shown
from noisify.formats.interface import ReadOptions
from noisify.plan.run_words import read_count, read_text, read_truth
from noisify.plan.word_values import texts

if TYPE_CHECKING:
    from collections.abc import Callable


def read_options(given: Any) -> ReadOptions:  # noqa: ANN401
    """Return how to read a file, every option checked for its type.

    Args:
        given: `ReadOptions`, a mapping of them by name, or None.

    Raises:
        UsageError: If it is something else, or an option is unknown or of another type.

    >>> read_options({"delimiter": ";"}).delimiter
    ';'
    """
    if isinstance(given, ReadOptions):
        said = {name: getattr(given, name) for name in _READERS}
    elif given is None or isinstance(given, Mapping):
        said = dict(given or {})
    else:
        raise UsageError(f"read {shown(given)} is not a mapping such as {{'delimiter': ';'}}")
    for name in said:
        if name not in _READERS:
            raise UsageError(
                f"read has no option {name!r}{did_you_mean(name, _READERS)} "
                f"(it has: {', '.join(_READERS)})"
            )
    defaults: dict[str, Any] = {f.name: f.default for f in dataclasses.fields(ReadOptions)}
    checked: dict[str, Any] = {
        name: value if value is defaults[name] else _READERS[name](name, value)
        for name, value in said.items()
    }
    return ReadOptions(**checked)


def _texts(name: str, value: Any) -> tuple[str, ...]:  # noqa: ANN401
    return tuple(read_text(name, part) for part in texts(name, value))


def _ragged(name: str, value: Any) -> str:  # noqa: ANN401
    if not isinstance(value, str) or value not in {"error", "keep"}:
        raise UsageError(f"{name} {shown(value)} is neither 'error' nor 'keep'")
    return str(value)


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "delimiter": read_text, "header": read_truth, "nulls": _texts, "encoding": read_text,
    "decimal": read_text, "thousands": read_text, "skip_lines": partial(read_count, least=0),
    "comment": read_text, "ragged": _ragged, "strict": read_truth, "keep_decimals": read_truth,
}  # fmt: skip

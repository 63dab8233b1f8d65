"""The part of a random stream's name that gives each file its own noise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from noisify.core.errors import UsageError
from noisify.core.urls import path_of
from noisify.files.codecs import inner_suffix, of_name, split_name
from noisify.formats import of_suffix

if TYPE_CHECKING:
    from collections.abc import Sequence

_PAIR = 2


def file_part(path: str | Path) -> str:
    """Return an input's name without folder, format suffix and compression suffix.

    Raises:
        UsageError: If it is standard input, which has no name.

    >>> file_part("in/day1.csv.gz")
    'day1'
    >>> file_part("day.1.dat")
    'day.1.dat'
    """
    if str(path) == "-":
        raise UsageError("noise by the file's name needs a file, not standard input")
    name = Path(path_of(str(path)))
    if name.name in {"", ".."}:
        name = name.resolve()
    if of_suffix(inner_suffix(name)) is not None:
        return split_name(name)[0]
    return name.name if of_name(name) is None else name.stem


def shared_names(paths: Sequence[str]) -> str | None:
    """Return a note on inputs of the same name, which get the same noise, or None."""
    first: dict[str, str] = {}
    shared: dict[str, list[str]] = {}
    for path in paths:
        part = file_part(path)
        if part in first:
            shared.setdefault(part, [first[part]]).append(path)
        first.setdefault(part, path)
    if not shared:
        return None
    part, (one, other, *_) = next(iter(shared.items()))
    count = sum(len(found) for found in shared.values())
    more = f" ({count:,} inputs share their name with another)" if count > _PAIR else ""
    return f"{one} and {other} get the same noise, both being called {part!r}{more}"

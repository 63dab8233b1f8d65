"""Check the fields of a key, by which noise follows the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.errors import UsageError, did_you_mean, shown
from noisify.core.options import option
from noisify.core.values import texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from noisify.core.chunk import Field
    from noisify.plan.plan import Request, Step


def read_key(value: object) -> tuple[str, ...]:
    """Read a key: the name of a field, or a list of names.

    Raises:
        UsageError: If it is anything else, or an empty list.
    """
    names = texts("key", value)
    if not names or not all(names):
        raise UsageError(f"key {shown(value)} names no field")
    return tuple(dict.fromkeys(names))


def checked_key(
    request: Request, fields: Sequence[Field], steps: Sequence[Step]
) -> tuple[str, ...]:
    """Return the names of a key's fields.

    Raises:
        UsageError: If a field is not there or has no single value in a row, or if noise cannot
            follow the record.
    """
    if not request.key:
        return ()
    if request.rng != "noisify":
        raise UsageError(
            f"{option('key')} needs noisify's own streams; drop {option('rng')} {request.rng}"
        )
    by_name = {field.name: field for field in fields}
    names = tuple(name for typed in request.key for name in _names(typed, by_name))
    for name in names:
        if name not in by_name:
            raise UsageError(
                f"{option('key')} names no field {name!r}{did_you_mean(name, by_name)}"
            )
        if by_name[name].table:
            raise UsageError(f"has no single value in a row, as {option('key')} needs", field=name)
    for step in steps:
        if step.model.halo or step.model.followed_axis is not None:
            raise UsageError(
                f"{step.model.name} follows the order of the rows, which {option('key')} ignores; "
                f"drop {option('key')}, or take a model that looks at one value"
            )
        if step.field.table:
            raise UsageError(
                f"has no single value in a row, as {option('key')} needs; leave it out with "
                f"{option('exclude')}",
                field=step.field.name,
            )
    return tuple(dict.fromkeys(names))


def _names(typed: str, fields: dict[str, Field]) -> Iterator[str]:
    """Yield the names in a text: the text if it is a field's name, else its parts at commas."""
    if typed in fields:
        yield typed
    else:
        yield from (name.strip() for name in typed.split(","))

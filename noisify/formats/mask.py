"""What the masks of all formats have in common: what their columns are called, and what changed.

A mask has for each noised field NAME a column NAME, which elements changed, and, with values, a
column NAME.original, what the changed elements were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from noisify.formats.interface import NoisyColumn

CHANGED, ORIGINAL = "changed", "original"
"""The members of a mask's elements where a column of its own cannot stand beside."""


def original_of(name: str) -> str:
    """Return the name of the column that holds what a field was."""
    return f"{name}.{ORIGINAL}"


def check_names(names: Sequence[str], *, values: bool) -> None:
    """Refuse fields of which one is called as another one's original values would be.

    Raises:
        UsageError: If there are such.
    """
    if not values:
        return
    for name in names:
        if original_of(name) in names:
            raise UsageError(
                f"the mask would have two columns {original_of(name)!r}; "
                f"leave one out with --exclude {original_of(name)!r}"
            )


def fields_with_originals(columns: Sequence[str], known: Iterable[str], mask: str) -> list[str]:
    """Return which fields a mask with values is of.

    Args:
        columns: The names of the mask's columns.
        known: The names of the noisy file's fields.
        mask: What to call the mask in errors.

    Raises:
        DataError: If it is the mask of another file.
        UsageError: If it holds no values.
    """
    names, originals = list(columns[0::2]), list(columns[1::2])
    paired = [original_of(name) for name in names] == originals
    if not paired:
        names = list(columns)
    strange = set(names) - set(known)
    if strange:
        raise no_such_field(min(strange), mask)
    if not paired:
        raise no_values(mask)
    return names


def no_such_field(name: str, mask: str) -> DataError:
    """Return the error of a mask that is of another file."""
    return DataError("is not a field of the noisy file", path=mask, field=name)


def no_values(mask: str) -> UsageError:
    """Return the error of a mask from which nothing can be given back."""
    return UsageError(
        "does not say what the values were; make the mask with --mask-values", path=mask
    )


def changed_by_field(noisy: Iterable[NoisyColumn]) -> Mapping[str, NDArray[np.bool_]]:
    """Return which elements of each field changed, in any of the columns it comes as."""
    changed: dict[str, NDArray[np.bool_]] = {}
    for result in noisy:
        name = result.column.field.name
        which = result.changed
        if result.erased is not None:
            which = which | result.erased
        changed[name] = changed[name] | which if name in changed else which
    return changed

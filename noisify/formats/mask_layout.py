"""What masks look like: the columns of a table's mask, and the arrays of a mask of arrays.

The mask of a table has for each noisy field NAME a boolean column NAME and, with values, a column
NAME.original. The mask of a file of arrays has for each array one of the same name and shape: of
booleans or, with values, of pairs `changed` and `original`; for a structured array, of the members
NAME and NAME.original for each noisy member NAME.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.chunk import Positions
from noisify.core.errors import UsageError
from noisify.core.lazy_libraries import pa
from noisify.formats.arrays import ArrayType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from noisify.core.chunk import Field
    from noisify.formats.interface import FieldArray, Source

CHANGED, ORIGINAL = "changed", "original"
"""The members of an array's mask with values."""


def original_of(name: str) -> str:
    """Return the name of the column of a field's original values."""
    return f"{name}.{ORIGINAL}"


def columns_of(names: Sequence[str], *, values: bool) -> list[str]:
    """Return the names of a mask's columns.

    Raises:
        UsageError: If a field has the name of another field's original values.
    """
    if not values:
        return list(names)
    every = set(names)
    for name in names:
        if original_of(name) in every:
            raise UsageError(
                f"the mask would have two columns {original_of(name)!r}; "
                f"leave one out with --exclude {original_of(name)!r}"
            )
    return [column for name in names for column in (name, original_of(name))]


def schema_of(source: Source[Any], fields: Sequence[Field], *, values: bool) -> pa.Schema:
    """Return the schema of a table's mask.

    Raises:
        UsageError: If a field has no single value for each row, or a name that is not UTF-8.
    """
    for field in fields:
        try:
            field.name.encode()
        except UnicodeEncodeError:
            raise UsageError(
                "has bytes in its name that are not UTF-8, as the names in a mask are; say what "
                "they are with --encoding, for example --encoding cp1252",
                field=field.name,
            ) from None
    columns_of([field.name for field in fields], values=values)
    return pa.schema(
        column
        for field in fields
        for column in (
            pa.field(field.name, pa.bool_(), nullable=False),
            pa.field(original_of(field.name), source.original_type(field)),
        )[: 1 + values]
    )


def arrays_of(places: Iterable[FieldArray], *, values: bool) -> dict[str, ArrayType]:
    """Return the arrays of a mask by name.

    Args:
        places: The arrays of the fields that get noise.
        values: Whether the mask holds the original values.
    """
    by_array: dict[str, list[FieldArray]] = {}
    for place in places:
        by_array.setdefault(place.name, []).append(place)
    return {
        name: ArrayType(
            name, own[0].shape, _dtype(own, values=values), fortran=own[0].fortran, packed=True
        )
        for name, own in by_array.items()
    }


def _dtype(places: Sequence[FieldArray], *, values: bool) -> np.dtype[Any]:
    """Return the dtype of the mask of an array with these noisy fields."""
    if values and any(place.dtype.hasobject for place in places):
        raise UsageError(
            "holds texts of any length, which the mask of an array cannot hold; "
            "leave out --mask-values",
            field=places[0].name,
        )
    if places[0].member is None:
        pair = np.dtype([(CHANGED, bool), (ORIGINAL, places[0].dtype)])
        return pair if values else np.dtype(bool)
    names = columns_of([str(place.member) for place in places], values=values)
    kinds = [
        (kind, place.inner)
        for place in places
        for kind in (np.dtype(bool), place.dtype)[: 1 + values]
    ]
    return np.dtype([(name, *kind) for name, kind in zip(names, kinds, strict=True)])


def views(mask: NDArray[Any], member: str | None) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Return views of the flags and the original values in a mask.

    Without values, the second view is the first.

    Args:
        mask: The mask of an array, or a piece of it.
        member: The member of a structured array, or None for a plain array.
    """
    names = mask.dtype.names
    if names is None:
        return mask, mask
    flag, original = (CHANGED, ORIGINAL) if member is None else (member, original_of(member))
    return mask[flag], mask[original if original in names else flag]


def in_array(positions: Positions, place: FieldArray) -> Positions:
    """Convert positions in a field to positions of the array's elements."""
    width = prod(place.inner)
    if width == 1:
        return positions
    starts = np.asarray(positions.starts, np.int64) // width
    return Positions(starts, positions.length // width)

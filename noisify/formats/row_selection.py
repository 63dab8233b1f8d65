"""Drop or repeat rows: find which rows to write, and in which of their noisy versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.arrow_arrays import rows_of
from noisify.core.lazy_libraries import pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray


def places_in_versions(copies: NDArray[np.int64], versions: int) -> NDArray[np.int64]:
    """Return the indices of the output rows in the concatenated versions of n rows.

    The first copy of a row is its first version, the second copy the second, and so on; the last
    version serves for all further copies.

    Args:
        copies: How many times to write each row, shape (n,).
        versions: The number of versions.

    >>> places_in_versions(np.array([1, 0, 3]), 2).tolist()
    [0, 2, 5, 5]
    """
    rows = np.repeat(np.arange(len(copies)), copies)
    firsts = np.repeat(np.cumsum(copies) - copies, copies)
    numbers = np.arange(len(rows)) - firsts
    return np.minimum(numbers, versions - 1) * len(copies) + rows


def rows_of_versions(
    versions: Sequence[Mapping[int, pa.Array]], copies: NDArray[np.int64]
) -> dict[int, pa.Array]:
    """Drop or repeat the rows of Arrow columns, given by index in each version."""
    places = places_in_versions(copies, len(versions))
    return {
        number: rows_of(pa.concat_arrays([columns[number] for columns in versions]), places)
        for number in versions[0]
    }


def with_copies(versions: Sequence[NDArray[Any]], copies: NDArray[np.int64]) -> NDArray[Any]:
    """Drop or repeat the rows of an array; return the elements flat.

    Args:
        versions: The elements of the rows, flat, in each version.
        copies: How many times to write each row, shape (n,).

    >>> with_copies([np.array([1, 2, 3, 4])], np.array([0, 2])).tolist()
    [3, 4, 3, 4]
    """
    rows = np.concatenate([version.reshape(len(copies), -1) for version in versions])
    return rows[places_in_versions(copies, len(versions))].reshape(-1)


class RowsOfBoxes:
    """Places the rows of boxes in the output when some are dropped or repeated.

    The boxes come in the order of their first rows; boxes of the same rows come one after another.
    """

    def __init__(self) -> None:
        self._rows: slice | None = None
        self._start = self._count = 0

    def place(self, box: tuple[slice, ...], count: int) -> tuple[slice, ...]:
        """Return where a box goes whose rows have become `count` rows."""
        if box[0] != self._rows:
            self._start += self._count
            self._rows, self._count = box[0], count
        return (slice(self._start, self._start + count), *box[1:])


def with_copies_of_box(
    versions: Sequence[NDArray[Any]], copies: NDArray[np.int64], box: tuple[slice, ...] | None
) -> NDArray[Any]:
    """Drop or repeat the rows of a piece, byte for byte; return the elements flat, or as a box.

    Args:
        versions: The elements of the piece in each version.
        copies: How many times to write each row, shape (n,).
        box: The box of the piece if the array is in Fortran order, else None.
    """
    dtype = versions[0].dtype
    opaque = np.dtype(f"V{dtype.itemsize}")
    found = with_copies([np.ascontiguousarray(one).view(opaque) for one in versions], copies)
    values = found.view(dtype)
    if box is None:
        return values
    return values.reshape(int(copies.sum()), *(cut.stop - cut.start for cut in box[1:]))


def rows_of_parts(parts: Iterable[tuple[int, NDArray[np.int64] | None]]) -> NDArray[np.int64]:
    """Return the indices of the output rows of consecutive parts of a table.

    Args:
        parts: The number of rows of each part, and how many times to write each; None: once.

    >>> rows_of_parts([(2, None), (3, np.array([0, 2, 1]))]).tolist()
    [0, 1, 3, 3, 4]
    """
    copies = [np.ones(rows, np.int64) if some is None else some for rows, some in parts]
    whole = np.concatenate(copies)
    return np.repeat(np.arange(len(whole)), whole)

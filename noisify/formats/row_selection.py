"""Which rows come out when some are dropped or repeated, and as which of their versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray


def places_in_versions(copies: NDArray[np.int64], versions: int) -> NDArray[np.int64]:
    """Return where what comes out stands in the versions of some rows, one after the other.

    A row comes out as its first version, then as the second one and so on, the last one serving for
    all further copies.

    Args:
        copies: Shape (n,), how many times each row comes out.
        versions: How many there are, each of n rows.

    >>> places_in_versions(np.array([1, 0, 3]), 2).tolist()
    [0, 2, 5, 5]
    """
    rows = np.repeat(np.arange(len(copies)), copies)
    firsts = np.repeat(np.cumsum(copies) - copies, copies)
    numbers = np.arange(len(rows)) - firsts
    return np.minimum(numbers, versions - 1) * len(copies) + rows


def with_copies(versions: Sequence[NDArray[Any]], copies: NDArray[np.int64]) -> NDArray[Any]:
    """Return the rows that come out of an array's, flat.

    Args:
        versions: The elements of the same rows, flat, in each version.
        copies: Shape (n,), how many times each row comes out.

    >>> with_copies([np.array([1, 2, 3, 4])], np.array([0, 2])).tolist()
    [3, 4, 3, 4]
    """
    rows = np.concatenate([version.reshape(len(copies), -1) for version in versions])
    return rows[places_in_versions(copies, len(versions))].reshape(-1)


def rows_of_parts(parts: Iterable[tuple[int, NDArray[np.int64] | None]]) -> NDArray[np.int64]:
    """Return which rows come out, in order, of parts that follow each other.

    Args:
        parts: Of each part how many rows it has, and how many times each comes out; None: once.

    >>> rows_of_parts([(2, None), (3, np.array([0, 2, 1]))]).tolist()
    [0, 1, 3, 3, 4]
    """
    copies = [np.ones(rows, np.int64) if some is None else some for rows, some in parts]
    whole = np.concatenate(copies)
    return np.repeat(np.arange(len(whole)), whole)

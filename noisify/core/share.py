"""Shares: which consecutive part of a whole is worked on."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence


@frozen
class Share:
    """One of several consecutive shares of about the same size.

    Attributes:
        number: Which of them, from 1.
        count: How many there are.
    """

    number: int
    count: int

    def __str__(self) -> str:
        """Return the share as it is typed: 3/8."""
        return f"{self.number}/{self.count}"

    @property
    def is_first(self) -> bool:
        """Whether it starts where the whole starts."""
        return self.number == 1

    @property
    def is_last(self) -> bool:
        """Whether it ends where the whole ends."""
        return self.number == self.count

    def of(self, total: int) -> range:
        """Return the indices of this share of `total` elements.

        >>> [Share(number, 3).of(10) for number in (1, 2, 3)]
        [range(0, 3), range(3, 6), range(6, 10)]
        """
        return range(total * (self.number - 1) // self.count, total * self.number // self.count)

    def of_sizes(self, sizes: Sequence[int]) -> range:
        """Return the indices of the items in this share, by the middle of each item.

        >>> [Share(number, 3).of_sizes([10, 1, 1, 1, 10]) for number in (1, 2, 3)]
        [range(0, 1), range(1, 4), range(4, 5)]
        """
        sizes = [size + 1 for size in sizes]  # so that empty items are shared out too
        total = sum(sizes)
        middles = [2 * end - size for end, size in zip(accumulate(sizes), sizes, strict=True)]
        first, stop = (
            bisect_left(middles, 2 * total * number // self.count)
            for number in (self.number - 1, self.number)
        )
        return range(first, len(sizes) if self.is_last else stop)


WHOLE = Share(1, 1)
"""All of it."""

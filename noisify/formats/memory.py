"""What sources in memory have in common: the library is the same engine as the command."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from noisify.core.errors import UsageError
from noisify.core.overriding import override
from noisify.formats.interface import Encoded, Raw, Reading, Sink, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from noisify.core.chunk import Field


class InMemory(Source[Raw], Sink[Raw, Encoded]):
    """What the sources here have in common: they are their own sinks."""

    rows: int
    row_bytes: int

    def _describe(self, fields: Iterable[Field], rows: int, row_bytes: int) -> None:
        self.fields = tuple(fields)
        self.rows, self.row_bytes, self.empty = rows, row_bytes, not rows

    def expect_nulls(self, names: Iterable[str]) -> None:
        """Make sure that fields have a place for missing values; only pandas' may have none."""

    @override
    def with_rows(self, versions: Sequence[Encoded], copies: NDArray[np.int64]) -> Encoded:
        """Refuse: the result is as long as what was given.

        Raises:
            UsageError: Always.
        """
        raise UsageError("models of whole rows work on files; here, choose the rows yourself")

    @abstractmethod
    def result(self) -> Any:  # noqa: ANN401
        """Return the noisy data."""


class RangesInMemory(InMemory[range, Encoded]):
    """What arrays and frames have in common: a range of rows is all there is to a raw piece."""

    @override
    def read(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[range]:
        """Read ranges of rows."""
        step = max(1, size // max(1, self.row_bytes))
        starts = range(0, self.rows, step)
        return Reading(range(start, min(start + step, self.rows)) for start in starts)

    def size_of(self, raw: range) -> int:
        """Return the bytes of some rows, about."""
        return len(raw) * self.row_bytes

    @override
    def length(self, field: Field) -> int:
        """Return the number of rows."""
        return self.rows

"""Base classes of data in memory, which the library passes through the command's engine."""

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
    """Data in memory, as a source and its own sink.

    Attributes:
        rows: The number of rows, or of the elements of an array.
        row_bytes: The approximate size of a row or element in bytes.
        row_width: The number of elements in a row along the first axis of an array; 1 for tables.
    """

    rows: int
    row_bytes: int
    row_width: int = 1

    def _describe(self, fields: Iterable[Field], rows: int, row_bytes: int) -> None:
        self.fields = tuple(fields)
        self.rows, self.row_bytes, self.empty = rows, row_bytes, not rows

    def expect_nulls(self, names: Iterable[str]) -> None:
        """Prepare fields for missing values; needed only for pandas columns."""

    @override
    def with_rows(self, versions: Sequence[Encoded], copies: NDArray[np.int64]) -> Encoded:
        """Refuse to drop or repeat rows: the result is as long as the data.

        Raises:
            UsageError: Always.
        """
        raise UsageError("models of whole rows work on files; here, choose the rows yourself")

    @abstractmethod
    def result(self) -> Any:  # noqa: ANN401
        """Return the noisy data."""


class RangesInMemory(InMemory[range, Encoded]):
    """Data in memory whose raw pieces are ranges of rows: arrays and DataFrames."""

    @override
    def read(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[range]:
        """Read ranges of rows."""
        step = max(1, size // max(1, self.row_bytes))
        starts = range(0, self.rows, step)
        return Reading(range(start, min(start + step, self.rows)) for start in starts)

    def size_of(self, raw: range) -> int:
        """Return the approximate size of some rows in bytes."""
        return len(raw) * self.row_bytes

    @override
    def length(self, field: Field) -> int | None:
        """Return the number of rows."""
        return self.rows

"""What a format is: a source that yields raw pieces, and a sink that takes them back.

A format never knows a noise model, and a source never knows its sink: `Format`, in each format's
`format.py`, ties them together. Reading and writing are serial and in order; `decode` and `encode`
run in worker threads and must not touch shared state, except idempotent caches.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import numpy as np

from noisify.core.chunk import Column
from noisify.core.errors import UsageError
from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from noisify.core.chunk import Chunk, Field
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.read_options import ReadOptions

Raw = TypeVar("Raw")
"""A piece of a file as it is read."""
Encoded = TypeVar("Encoded")
"""A piece of a file as it is written."""


@frozen
class NoisyColumn:
    """A column after noise.

    Attributes:
        column: The column before it.
        values: Shape (n,), the column's dtype.
        changed: Shape (n,), which elements are other than before.
        decimals: How floats are to be written: digits after the point, one for all or one an
            element (-1: shortest); None: shortest.
        erased: Shape (n,), which elements have become null; None: none.
    """

    column: Column
    values: NDArray[Any]
    changed: NDArray[np.bool_]
    decimals: int | NDArray[Any] | None = None
    erased: NDArray[np.bool_] | None = None


def some_rows(noisy: NoisyColumn, rows: int) -> NoisyColumn:
    """Return a few elements of a noisy column: the first, or if none changed, some that did.

    Args:
        noisy: The column.
        rows: How many elements at most.
    """
    column, which = noisy.column, np.arange(min(rows, noisy.column.positions.size))
    if not noisy.changed[:rows].any() and noisy.changed.any():
        which = np.flatnonzero(noisy.changed)[:rows]
    valid = None if column.valid is None else column.valid[which]
    places = column.positions.at(which)
    return NoisyColumn(
        Column(column.field, column.number, places, column.values[which], valid),
        noisy.values[which],
        noisy.changed[which],
        erased=None if noisy.erased is None else noisy.erased[which],
    )


@frozen
class FieldArray:
    """The array of a file that a field is, or is a member of, as its mask has it.

    Attributes:
        name: The array's name.
        shape: The array's shape.
        dtype: The field's dtype in the file, byte order included.
        member: The path of the member that the field is; None: the field is the array.
        inner: The shape of the member in each element.
        fortran: Whether the array's first axis varies fastest.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    member: str | None = None
    inner: tuple[int, ...] = ()
    fortran: bool = False


TABLES = "CSV, TSV, Parquet and Arrow IPC"
"""The formats that hold tables, as messages list them."""


def no_rows() -> UsageError:
    """Return the error of a format that has no rows to drop or repeat."""
    return UsageError(
        f"models of whole rows need a table ({TABLES}), the first axis of an NPY array in C order, "
        "or the frames of a WAV file"
    )


def one_pass(title: str, passes: int) -> None:
    """Refuse to write all of the input several times, one after another.

    Raises:
        UsageError: If there are several passes.
    """
    if passes > 1:
        raise UsageError(f"--append is for {TABLES}, and NPY, not for {title} files")


@frozen
class Reading(Generic[Raw]):
    """One pass over a file.

    Attributes:
        pieces: Its raw pieces, in order.
        in_flight: How many pieces may be in memory at once; None: as many as there are workers,
            and two more.
        lazy: Whether the workers read a piece when they decode it, so that it takes no memory
            before.
    """

    pieces: Iterator[Raw]
    in_flight: int | None = None
    lazy: bool = False


class Source(ABC, Generic[Raw]):
    """An open file of some format.

    Attributes:
        fields: All its fields, in file order.
        notes: What the user should know of it.
        hints: What may be wrong with how it is read, and what to type then.
        empty: Whether it is known to hold no rows or elements.
        reads_conditions: Whether a piece has the values that a condition looks at only if their
            fields are in the same group as the fields that the condition is for.
        row_elements: How many elements a row along the first axis of a file's one array has; None:
            the file has other rows, or none.
    """

    fields: tuple[Field, ...]
    notes: Sequence[str] = ()
    hints: Sequence[str] = ()
    empty: bool = False
    reads_conditions: bool = False
    row_elements: int | None = None

    @abstractmethod
    def read(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[Raw]:
        """Read the file from its start, in raw pieces.

        Args:
            groups: The fields that will be decoded, in groups that have to come together. A piece
                may have some of the groups and the next the others.
            size: Bytes a piece should have.
        """

    @abstractmethod
    def decode(self, raw: Raw, wanted: Sequence[Field]) -> Chunk:
        """Return those of the wanted fields that a raw piece has."""

    @abstractmethod
    def size_of(self, raw: Raw) -> int:
        """Return how many bytes of the input a raw piece stands for, for the progress bar."""

    @abstractmethod
    def condition_values(self, raw: Raw, chunk: Chunk, names: Iterable[str]) -> dict[str, pa.Array]:
        """Return fields of any kind as Arrow arrays, for a condition on the piece's rows.

        Raises:
            UsageError: If the format has no rows, or the field cannot be compared.
        """

    def length(self, field: Field) -> int | None:  # noqa: ARG002 - read it all to tell
        """Return how many elements a field has, or None if only reading it all would tell."""
        return None

    def array_shape(self, field: Field) -> tuple[int, ...] | None:  # noqa: ARG002 - tables have none
        """Return the shape of the array that a field is; None: it is a column."""
        return None

    def array_of(self, field: Field) -> FieldArray:
        """Return the array that a field of a file of arrays is, or is a member of.

        Raises:
            UsageError: If its shape is not known before all is read.
        """
        raise AssertionError(field)

    def original_type(self, field: Field) -> pa.DataType:
        """Return the type of what a mask holds of a field of a table.

        Raises:
            UsageError: If the field has no value of its own in each row.
        """
        raise AssertionError(field)

    def originals(
        self,
        raw: Raw,  # noqa: ARG002 - a text table looks at its cells
        chunk: Chunk,  # noqa: ARG002
        column: Column,
        changed: NDArray[np.bool_],  # noqa: ARG002
    ) -> NDArray[Any] | pa.Array:
        """Return what a mask holds of a column: its values, or an array of `original_type`.

        Args:
            raw: The raw piece.
            chunk: What was decoded of it.
            column: The column before noise.
            changed: Shape (n,), the elements that are wanted; the others may be anything.
        """
        return column.values

    def fields_called(self, names: Iterable[str]) -> list[Field]:
        """Return the fields of some names, in file order."""
        wanted = set(names)
        return [field for field in self.fields if field.name in wanted]

    def notes_of_reading(self) -> Sequence[str]:
        """Return what the user should know of what has been read so far."""
        return ()

    def close(self) -> None:
        """Close the file."""


class Sink(ABC, Generic[Raw, Encoded]):
    """An output of some format, made for one source.

    Attributes:
        positional: Whether all pieces have positions in the output that are known before they are
            written, so that the workers may write them.
    """

    positional: bool = False

    @abstractmethod
    def encode(self, raw: Raw, chunk: Chunk, noisy: Sequence[NoisyColumn]) -> Encoded:
        """Return what `write` takes: the raw piece with its noisy columns put back."""

    @abstractmethod
    def write(self, encoded: Encoded) -> None:
        """Write one piece."""

    def write_at_position(self, encoded: Encoded) -> Encoded | None:
        """Write, in the worker that made it, what of a piece has its position, if `positional`.

        Returns:
            What is left for `write`; None: nothing.
        """
        return encoded

    def with_cells(
        self, raw: Raw, names: Sequence[str], changed: NDArray[np.bool_], cells: pa.Array
    ) -> Encoded:
        """Return a piece of a text table with other cells.

        Args:
            raw: The raw piece.
            names: The fields that may change.
            changed: Shape (rows, fields), which of their cells do.
            cells: The bytes of these, quotes included, row by row.
        """
        raise AssertionError(raw, names, changed, cells)

    def with_rows(self, versions: Sequence[Encoded], copies: NDArray[np.int64]) -> Encoded:  # noqa: ARG002
        """Return a piece with its rows dropped or repeated; only tables can.

        Args:
            versions: The piece as encoded; then, for the copies, with noise of their own.
            copies: Shape (n,), how many times each row comes out.

        Raises:
            UsageError: If the format has no rows.
        """
        raise no_rows()

    def expect_rows(self) -> None:
        """Prepare for another number of rows than the source's, before any is written."""

    def finish(self) -> None:
        """Write what comes last."""

    def close(self) -> None:
        """Let go of what is open, also after a failure."""


MaskSink: TypeAlias = Sink[Any, Any]
"""Which elements changed, and perhaps what they were, being written to a file of their own."""

OpenSource = TypeVar("OpenSource", bound=Source[Any])


class Format(ABC, Generic[OpenSource]):
    """What ties a format's source, sink and hooks together.

    Attributes:
        title: What messages call it.
    """

    title: str

    @abstractmethod
    def open_source(self, source: Input, options: ReadOptions) -> OpenSource:
        """Open an input; raise `DataError` if it is not of this format."""

    @abstractmethod
    def rewrite(
        self, source: OpenSource, output: Output, passes: int, noised: frozenset[str]
    ) -> Sink[Any, Any]:
        """Start an output of this format for a source of the same.

        Args:
            source: The input.
            output: Where to write.
            passes: How many times all of the input will be written, one after another.
            noised: The fields that get noise.
        """

    def restore_into(
        self, source: OpenSource, output: Output, noised: frozenset[str]
    ) -> Sink[Any, Any]:
        """Start an output for what a noisy file was, as `rewrite` does."""
        return self.rewrite(source, output, 1, noised)

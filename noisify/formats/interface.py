"""The interface of a format: a source yields raw pieces, and a sink writes them with noise.

Formats do not know noise models, and sources do not know their sinks: `Format`, in each format's
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
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from noisify.core.chunk import Chunk, Field
    from noisify.core.share import Share
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.read_options import ReadOptions

Raw = TypeVar("Raw")
"""A piece of a file as it is read."""
Encoded = TypeVar("Encoded")
"""A piece of a file as it is written."""
AnyPiece: TypeAlias = Any
"""A piece of some file, as its format reads or writes it."""


@frozen
class NoisyColumn:
    """A column after noise.

    Attributes:
        column: The column before noise.
        values: The noisy values in the column's dtype, shape (n,).
        changed: Mask of the elements that differ from before, shape (n,).
        decimals: The digits after the decimal point to write floats with, one for all or one per
            element; -1 or None for the shortest text that reads back as the same number.
        erased: Mask of the elements that have become null, shape (n,), or None if none have.
    """

    column: Column
    values: NDArray[Any]
    changed: NDArray[np.bool_]
    decimals: int | NDArray[Any] | None = None
    erased: NDArray[np.bool_] | None = None


def some_rows(noisy: NoisyColumn, rows: int) -> NoisyColumn:
    """Return the first few elements of a noisy column, or if none of them changed, some that did.

    Args:
        noisy: The column.
        rows: The most elements to return.
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
    """The array of a field in a file of arrays.

    Attributes:
        name: The array's name.
        shape: The array's shape.
        dtype: The field's dtype in the file, including the byte order.
        member: The path of the field's member in a structured array, or None for the whole array.
        inner: The shape of the member in each element.
        fortran: Whether the array is in Fortran order.
        rounded: Whether the file stores values with loss, so that others may be read back.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    member: str | None = None
    inner: tuple[int, ...] = ()
    fortran: bool = False
    rounded: bool = False


TABLES = "CSV, TSV, Parquet and Arrow IPC"
"""The formats that hold tables, as messages list them."""


CUT = "CSV, TSV, Parquet, NPY, WAV, Zarr and contiguous HDF5"
"""The formats that are cut into parts, as messages list them."""


def not_cut(why: str) -> UsageError:
    """Return the error for a file that cannot be cut into parts."""
    return UsageError(
        f"cannot be cut into parts: it {why}; with --output-dir DIR, --shard shares out whole files"
    )


def no_rows() -> UsageError:
    """Return the error for a format that has no rows to drop or repeat."""
    return UsageError(
        f"models of whole rows need a table ({TABLES}), the first axis of the one array of an NPY "
        "or NPZ file or a TIFF image or stack, the rows of a PNG image, or the frames of a WAV file"
    )


@frozen
class Reading(Generic[Raw]):
    """One pass over a file.

    Attributes:
        pieces: Its raw pieces, in order.
        in_flight: How many pieces may be in memory at once; None for two more than there are
            workers.
        lazy: Whether a worker reads a piece when it decodes it, so that waiting pieces take no
            memory.
        beyond: Whether a piece lies outside the part; it is only read for models that need
            neighbouring elements.
        owns: Whether a field of a piece belongs to the part; others are only read for models that
            need other fields. None if all belong to it.
    """

    pieces: Iterator[Raw]
    in_flight: int | None = None
    lazy: bool = False
    beyond: Callable[[Raw], bool] = lambda _: False
    owns: Callable[[Raw, Field], bool] | None = None


class Part(ABC, Generic[Raw]):
    """One of several consecutive parts of a file, which joined in order are the whole.

    Attributes:
        share: Which part it is.
        place: The offset of its bytes in the whole output, if that is known before they are
            written.
    """

    share: Share
    place: int | None = None

    def ragged(self) -> int:
        """Return the number of rows of the part that were found too short or too long."""
        return 0

    @abstractmethod
    def read(self, groups: Sequence[Sequence[Field]], size: int, halo: int) -> Reading[Raw]:
        """Read the part, as `Source.read` does the file; positions are those in the file.

        Args:
            groups: The fields to decode, in groups that must be in the same piece.
            size: The target size of a piece in bytes.
            halo: The number of elements to read on either side of the part, if there are any.
        """

    @abstractmethod
    def rewrite(self, output: Output, noised: frozenset[str]) -> Sink[Any, Any]:
        """Open a sink for the noisy part.

        Args:
            output: Where to write.
            noised: The fields that get noise.
        """


class Source(ABC, Generic[Raw]):
    """An open file of some format.

    Attributes:
        fields: All its fields, in file order.
        notes: What the user should know about the file.
        hints: Notes on what may have been misread, and what to type then.
        empty: Whether it is known to hold no rows or elements.
        reads_conditions: Whether the fields of a condition must be in the same group as the fields
            it applies to, for a piece to have their values.
        row_elements: The number of elements of a row along the first axis of the file's only array;
            None if the file has other rows, or none.
        ragged_elsewhere: The number of too short or too long rows that other processes found.
        group_rows: The most rows of a row group whose columns may come in pieces of their own; 0 if
            all columns of a row always come together.
    """

    fields: tuple[Field, ...]
    notes: Sequence[str] = ()
    hints: Sequence[str] = ()
    empty: bool = False
    reads_conditions: bool = False
    row_elements: int | None = None
    ragged_elsewhere: int = 0
    group_rows: int = 0

    @abstractmethod
    def read(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[Raw]:
        """Read the file from its start, in raw pieces.

        Args:
            groups: The fields to decode, in groups that must be in the same piece. A piece may
                have some of the groups, and the next one the others.
            size: The target size of a piece in bytes.
        """

    def read_rows(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[Raw]:
        """Read the file in pieces of whole rows, for models that change whole rows."""
        return self.read(groups, size)

    @abstractmethod
    def decode(self, raw: Raw, wanted: Sequence[Field]) -> Chunk:
        """Decode those of the wanted fields that a raw piece has."""

    @abstractmethod
    def size_of(self, raw: Raw) -> int:
        """Return the size of a raw piece in the input in bytes, for the progress bar."""

    @abstractmethod
    def condition_values(self, raw: Raw, chunk: Chunk, names: Iterable[str]) -> dict[str, pa.Array]:
        """Return fields of any kind as Arrow arrays, for a condition on the piece's rows.

        Raises:
            UsageError: If the format has no rows, or the field cannot be compared.
        """

    def key_values(self, raw: Raw, chunk: Chunk, names: Sequence[str]) -> dict[str, pa.Array]:
        """Return fields of any kind as Arrow arrays, exactly or as the texts in the file."""
        return self.condition_values(raw, chunk, names)

    def length(self, field: Field) -> int | None:  # noqa: ARG002 - read it all to tell
        """Return the number of elements of a field, or None if it is not known before reading."""
        return None

    def array_shape(self, field: Field) -> tuple[int, ...] | None:  # noqa: ARG002 - tables have none
        """Return the shape of a field's array; None for a column of a table."""
        return None

    def series_shape(self, field: Field) -> tuple[int, ...] | None:
        """Return the shape of a field's array, then the size of a member that is an array."""
        return self.array_shape(field)

    def array_of(self, field: Field) -> FieldArray:
        """Return the array of a field; only for files of arrays.

        Raises:
            UsageError: If its shape is not known before the whole file is read.
        """
        raise AssertionError(field)

    def original_type(self, field: Field) -> pa.DataType:
        """Return the Arrow type of a field's original values in a mask; only for tables.

        Raises:
            UsageError: If the field has no single value for each row.
        """
        raise AssertionError(field)

    def originals(
        self,
        raw: Raw,  # noqa: ARG002 - a text table looks at its cells
        chunk: Chunk,  # noqa: ARG002
        column: Column,
        changed: NDArray[np.bool_],  # noqa: ARG002
    ) -> NDArray[Any] | pa.Array:
        """Return the original values of a column for a mask, as its dtype or as `original_type`.

        Args:
            raw: The raw piece.
            chunk: The chunk decoded from it.
            column: The column before noise.
            changed: Mask of the wanted elements, shape (n,); the others are arbitrary.
        """
        return column.values

    def as_read(self, raw: Raw, encoded: AnyPiece) -> Raw:
        """Return an encoded piece as it will be read from the output; only for text tables."""
        raise AssertionError(raw, encoded)

    def ends_group(self, raw: Raw) -> bool:  # noqa: ARG002 - text tables and arrays have none
        """Return whether a raw piece has the last rows of a row group or record batch."""
        return False

    def cells_where(
        self, raw: Raw, names: Sequence[str], which: NDArray[np.bool_]
    ) -> Iterator[tuple[str, NDArray[np.int64], pa.Array]]:
        """Yield the rows and bytes of some cells of each field; only for text tables.

        The bytes are those without the quotes around them.

        Args:
            raw: The raw piece.
            names: The fields.
            which: Mask of the wanted cells, shape (rows, fields).
        """
        raise AssertionError(raw, names, which)

    def fields_called(self, names: Iterable[str]) -> list[Field]:
        """Return the fields with some names, in file order."""
        wanted = set(names)
        return [field for field in self.fields if field.name in wanted]

    def notes_of_reading(self) -> Sequence[str]:
        """Return notes for the user on what has been read so far."""
        return ()

    def close(self) -> None:
        """Close the file."""


class Sink(ABC, Generic[Raw, Encoded]):
    """An output of some format, made for one source.

    Attributes:
        positional: Whether the positions of all pieces in the output are known in advance, so that
            the workers may write them.
    """

    positional: bool = False

    @abstractmethod
    def encode(self, raw: Raw, chunk: Chunk, noisy: Sequence[NoisyColumn]) -> Encoded:
        """Put the noisy columns back into the raw piece, for `write`."""

    @abstractmethod
    def write(self, encoded: Encoded) -> None:
        """Write one piece."""

    def write_at_position(self, encoded: Encoded) -> Encoded | None:
        """Write the part of a piece whose position is known; called in workers if `positional`.

        Returns:
            The rest for `write`, or None if there is none.
        """
        return encoded

    def with_cells(
        self, raw: Raw, names: Sequence[str], changed: NDArray[np.bool_], cells: pa.Array
    ) -> Encoded:
        """Replace cells of a piece by given bytes; only for text tables.

        Args:
            raw: The raw piece.
            names: The fields that may change.
            changed: Mask of their cells that change, shape (rows, fields).
            cells: The bytes of the new cells, including quotes, row by row.
        """
        raise AssertionError(raw, names, changed, cells)

    def with_rows(self, versions: Sequence[Encoded], copies: NDArray[np.int64]) -> Encoded:  # noqa: ARG002
        """Drop or repeat the rows of a piece.

        Args:
            versions: The piece as encoded; then versions with new noise, for the copies.
            copies: How many times to write each row, shape (n,).

        Raises:
            UsageError: If the format has no rows.
        """
        raise no_rows()

    def expect_rows(self, count: Callable[[int], int]) -> None:
        """Prepare for dropped or repeated rows, before any is written.

        Args:
            count: Returns the number of output rows for a number of input rows.
        """

    def finish(self) -> None:
        """Write the end of the file."""

    def close(self) -> None:
        """Close what is open, also after a failure."""


OpenSource = TypeVar("OpenSource", bound=Source[Any])


@frozen
class Joining:
    """The functions that join the files of parts, if more than their bytes have to be joined.

    Each is given the open source of the input.

    Attributes:
        data: Returns the range of bytes of a part's file that the whole file has unchanged.
        end: Writes all that follows these bytes in the whole file, from the files of parts in
            which holes replace them.
    """

    data: Callable[[Any, Share, Path], range]
    end: Callable[[Any, Sequence[Path], Output], None]


@frozen
class Cutting(Generic[OpenSource]):
    """The functions that cut the files of a format into parts.

    Attributes:
        cut: Returns a part of a file, given what `bounds` found for it, or None to find it here
            with a number of threads. It raises `UsageError` if the file cannot be cut.
        most: Returns into how many parts a file can be cut, up to a number; 1: it cannot be cut.
        scan: Reads a share of a file's bytes to find where the file can be cut, if that is needed.
        bounds: Returns where the parts are, given what `scan` found in each share of the file, one
            for each part, and the number of elements that are read on either side of a part.
        joining: How the files of parts are joined, if more than their bytes have to be joined.
    """

    cut: Callable[[OpenSource, Share, int, Any], Part[Any]]
    most: Callable[[OpenSource, int], int]
    scan: Callable[[OpenSource, Share], object] | None = None
    bounds: Callable[[OpenSource, Sequence[Any], int], Sequence[object]] | None = None
    joining: Joining | None = None


@frozen
class Format(Generic[OpenSource]):
    """The functions that open, rewrite and cut the files of a format.

    Attributes:
        open_source: Opens an input; it raises `DataError` if it is not of this format.
        rewrite: Opens a sink that rewrites an input, given the fields that get noise.
        append: Opens a sink that writes an input several times, one after the other, if the
            format has rows that could follow.
        restore: Opens a sink that rewrites a noisy input with its original values, if that is not
            what `rewrite` opens.
        cutting: How its files are cut into parts, if they can be.
        without_rows: Why its contents cannot be repeated as rows, if it holds several arrays.
    """

    open_source: Callable[[Input, ReadOptions], OpenSource]
    rewrite: Callable[[OpenSource, Output, frozenset[str]], Sink[Any, Any]]
    append: Callable[[OpenSource, Output, int, frozenset[str]], Sink[Any, Any]] | None = None
    restore: Callable[[OpenSource, Output, frozenset[str]], Sink[Any, Any]] | None = None
    cutting: Cutting[OpenSource] | None = None
    without_rows: str = ""

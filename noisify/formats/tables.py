"""Read and create whole tables, for conversion and masks."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from noisify.core.errors import DataError, UsageError
from noisify.core.lazy_libraries import pa
from noisify.core.value_class import frozen
from noisify.formats.whole_writer import WholeWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


@frozen
class Table:
    """A table being read.

    Attributes:
        schema: The schema of its columns.
        batches: Its rows, in order.
        hints: Notes on what may have been misread.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    hints: Sequence[str] = ()


class MaskReader:
    """Reads a mask from a typed table format.

    Args:
        table: The mask.
        name: The mask's name in messages.
        run: The text of its run, or empty.

    Attributes:
        names: The names of its columns.
        run: The text of its run, or empty.
    """

    def __init__(self, table: Table, name: str, run: bytes | None) -> None:
        self._table = table
        self.run = (run or b"").decode("ascii", "replace")
        self._name = name
        self.names: list[str] = table.schema.names

    def batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Return the rows, after checking the types of their pairs of flags and values.

        Raises:
            DataError: If the types differ from those of the schema.
        """
        found = self._table.schema.types
        for number in range(0, len(found), 2):
            flag, old = found[number : number + 2]
            expected = schema.types[number + 1]
            if flag != pa.bool_() or _plain(old) != _plain(expected):
                raise DataError(
                    f"holds {flag} and {old} where the mask of {expected} has bool and {expected}",
                    path=self._name,
                    field=schema.names[number],
                )
        return self._table.batches


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type of original values in a mask: a dictionary's values, text for binary."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.string() if pa.types.is_binary(kind) else kind


def with_texts(schema: pa.Schema) -> pa.Schema:
    """Replace the binary type of a mask's raw cells by text."""
    binary = [number for number, kind in enumerate(schema.types) if pa.types.is_binary(kind)]
    for number in binary:
        schema = schema.set(number, schema.field(number).with_type(pa.string()))
    return schema


TableWriter: TypeAlias = WholeWriter["pa.RecordBatch"]
"""A table being created."""


class ArrowWriter(TableWriter):
    """A table being written by one of Arrow's writers.

    Args:
        open_writer: Opens Arrow's writer.
        title: The format's name in messages.

    Raises:
        UsageError: From all methods, if the format cannot hold a column.
    """

    def __init__(self, open_writer: Callable[[], Any], title: str) -> None:
        self._title = title
        self._writer = self._held(open_writer)

    def _held(self, do: Callable[..., Any], *content: object) -> Any:  # noqa: ANN401
        try:
            return do(*content)
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise UsageError(f"cannot be held by {self._title}: {error}") from None

    def write(self, encoded: pa.RecordBatch) -> None:
        """Write a record batch, or a row group of Parquet."""
        self._held(self._writer.write_batch, encoded)

    def finish(self) -> None:
        """Write the end of the file."""
        writer, self._writer = self._writer, None  # closing it again would write the end twice
        writer.close()

    def close(self) -> None:
        """Close the writer if the file was not finished."""
        if self._writer is not None:
            with suppress(OSError, pa.ArrowException):
                self._writer.close()


def named(batches: Iterable[pa.RecordBatch], name: str) -> Iterator[pa.RecordBatch]:
    """Yield batches; turn a failure to read them into an error that names the file."""
    try:
        yield from batches
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"cannot be read: {error}", path=name) from None


def regrouped(
    batches: Iterator[pa.RecordBatch], rows: int, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """Yield the same rows in batches of `rows` rows each."""
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        held.append(batch)
        count += batch.num_rows
        while count >= rows:
            whole = pa.Table.from_batches(held, schema)
            yield from whole.slice(0, rows).combine_chunks().to_batches()
            rest = whole.slice(rows)
            held, count = rest.to_batches(), rest.num_rows
    if count:
        yield from pa.Table.from_batches(held, schema).combine_chunks().to_batches()

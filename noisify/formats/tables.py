"""Read and create whole tables, for conversion and masks."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from noisify.core.arrow_arrays import to_numpy, validity, without_views
from noisify.core.errors import DataError, UsageError
from noisify.core.lazy_libraries import pa, pc
from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.formats.whole_writer import WholeWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_VALUE_BYTES = 8
_GROUP_BYTES = 1 << 24
_MOST_GROUP_BYTES = 1 << 26
_GROUP_ROWS = 1000
"""Rows for which groups of wide tables are larger: each column of a group takes time by itself."""


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
    fields = [
        field.with_type(pa.string()) if pa.types.is_binary(field.type) else field
        for field in schema
    ]
    return pa.schema(fields, schema.metadata)


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


class EvenGroups(TableWriter):
    """Writes rows in groups of even size, which do not depend on the batches that rows come in.

    Args:
        writer: Writes the groups.
        schema: The schema of the rows.
        size: The bytes of a group, counting texts and eight bytes for each value; None for 16 MiB,
            or more if there are many columns.
    """

    def __init__(self, writer: TableWriter, schema: pa.Schema, size: int | None = None) -> None:
        self._writer = writer
        self._schema = schema
        wide = min(_GROUP_ROWS * _VALUE_BYTES * len(schema), _MOST_GROUP_BYTES)
        self._size = size or max(_GROUP_BYTES, wide)
        plain = [without_views(kind) for kind in schema.types]
        is_text = (pa.types.is_string, pa.types.is_large_string)
        self._texts = [at for at, kind in enumerate(plain) if any(test(kind) for test in is_text)]
        self._held: list[pa.RecordBatch] = []
        self._group = self._bytes = 0
        self.names_runs = writer.names_runs

    @override
    def write(self, encoded: pa.RecordBatch) -> None:
        """Write the groups that end in a batch, and hold the rest of it."""
        sizes = np.full(encoded.num_rows, _VALUE_BYTES * encoded.num_columns)
        for at in self._texts:
            text = encoded.column(at)
            lengths = to_numpy(pc.binary_length(text.cast(without_views(text.type))))
            sizes += lengths * validity(text)
        ends = self._bytes + np.cumsum(sizes)
        groups = (ends - sizes) // self._size
        done = 0
        for first in np.flatnonzero(np.diff(groups, prepend=self._group)).tolist():
            self._held.append(encoded.slice(done, first - done))
            self._write_held()
            done = first
        self._held.append(encoded.slice(done))
        if len(ends):
            self._group, self._bytes = groups[-1], ends[-1]

    def _write_held(self) -> None:
        held, self._held = self._held, []
        copied = [*held, *(batch.slice(0, 0) for batch in held[:1])]  # one alone would not be
        for group in pa.Table.from_batches(copied, self._schema).combine_chunks().to_batches():
            self._writer.write(group)

    @override
    def end_group(self) -> None:
        """Write the last group, and begin a new one."""
        self._write_held()
        self._group = self._bytes = 0

    @override
    def name_run(self, text: str) -> None:
        """Write the last group, and record the text that names a mask's run."""
        self._write_held()
        self._writer.name_run(text)

    @override
    def finish(self) -> None:
        """Write the last group, and complete the file."""
        self._write_held()
        self._writer.finish()

    @override
    def close(self) -> None:
        """Close what is open, also after a failure."""
        self._writer.close()

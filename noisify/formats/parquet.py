"""Parquet: row group by row group; what is not noised goes through as it came."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from noisify.chunks import Chunk, Field, Positions
from noisify.errors import DataError
from noisify.formats.arrow_arrays import array
from noisify.formats.arrow_columns import (
    column_of,
    condition_values,
    field_of,
    whole,
    with_noise,
)
from noisify.sink import write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from noisify.formats.interface import MaskSink, NoisyColumn, ReadOptions
    from noisify.inputs import Input
    from noisify.sink import Output

MEMORY_BUDGET = 64 << 20
"""Bytes of decoded row groups that may be in flight; one is allowed whatever its size."""


@dataclass(frozen=True)
class RowGroup:
    """Which rows of the file to read; a worker reads them.

    Attributes:
        index: The row group's number.
        start: Its first row's number in the file.
        rows: How many rows it has.
        columns: The columns to read; None: all.
        size: Its bytes in the file.
    """

    index: int
    start: int
    rows: int
    columns: list[str] | None
    size: int


class ParquetSource:
    """An open Parquet file."""

    def __init__(self, source: Input, options: ReadOptions) -> None:  # noqa: ARG002
        source.spool()
        self._name = source.name
        self._path = str(source.path)
        self._local = threading.local()
        self.file = self._open()
        self.schema: pa.Schema = self.file.schema_arrow
        self.metadata: pq.FileMetaData = self.file.metadata
        self._local.file = self.file
        names = self.schema.names
        repeated = {name for name in names if names.count(name) > 1}
        if repeated:
            raise DataError(f"has two columns called {min(repeated)!r}", path=self._name)
        self.fields = tuple(field_of(f.name, f.type, nullable=f.nullable) for f in self.schema)
        self.notes: list[str] = []
        largest = max(
            (self._decoded_size(i) for i in range(self.metadata.num_row_groups)), default=1
        )
        self.empty = not self.metadata.num_rows
        self.in_flight = max(1, MEMORY_BUDGET // max(1, largest))

    def _open(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self._path, page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"is not a readable Parquet file: {error}", path=self._name) from None

    def _decoded_size(self, index: int) -> int:
        """Estimate the bytes of a row group in memory."""
        group = self.metadata.row_group(index)
        columns = [group.column(i) for i in range(group.num_columns)]
        return sum(max(c.total_uncompressed_size, 8 * group.num_rows) for c in columns)

    def chunks(
        self,
        wanted: Sequence[Sequence[Field]],
        size: int,  # noqa: ARG002
        *,
        complete: bool,
    ) -> Iterator[RowGroup]:
        """Yield the row groups, not read yet."""
        columns = None if complete else [field.name for group in wanted for field in group]
        start = 0
        for index in range(self.metadata.num_row_groups):
            group = self.metadata.row_group(index)
            stored = sum(group.column(i).total_compressed_size for i in range(group.num_columns))
            yield RowGroup(index, start, group.num_rows, columns, stored)
            start += group.num_rows

    def decode(self, raw: RowGroup, wanted: Sequence[Field]) -> Chunk:
        """Read a row group and return its wanted columns.

        Raises:
            DataError: If it cannot be read.
        """
        if getattr(self._local, "file", None) is None:
            self._local.file = self._open()
        try:
            table = self._local.file.read_row_group(
                raw.index, columns=raw.columns, use_threads=self.in_flight == 1
            )
        except (pa.ArrowException, OSError) as error:
            where = f"has a row group {raw.index} that cannot be read: {error}"
            raise DataError(where, path=self._name) from None
        positions = Positions.range(raw.start, raw.start + raw.rows)
        columns = tuple(
            column_of(field, whole(table.column(field.name)), positions) for field in wanted
        )
        return Chunk(columns, table, positions)

    def condition_values(
        self,
        raw: RowGroup,  # noqa: ARG002
        chunk: Chunk,
        names: Iterable[str],
    ) -> dict[str, pa.Array]:
        """Return columns as they are, decimals as float64."""
        return condition_values(chunk.layout, names)

    def size_of(self, raw: RowGroup) -> int:
        """Return the bytes of a row group in the file."""
        return raw.size

    def length(self, field: Field) -> int:  # noqa: ARG002
        """Return the number of rows."""
        return int(self.metadata.num_rows)

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class ParquetSink:
    """A Parquet file being written: its source's schema, metadata, codecs and row groups."""

    def __init__(self, source: ParquetSource, output: Output, noised: frozenset[str]) -> None:
        self._noised = noised
        self._source = source
        self._output = output
        self._writer: pq.ParquetWriter | None = None

    def _open(self) -> pq.ParquetWriter:
        return pq.ParquetWriter(
            WholeWrites(self._output),
            self._source.schema,
            **writer_options(self._source.metadata, self._source.schema, self._noised),
        )

    def encode(
        self,
        raw: RowGroup,  # noqa: ARG002
        chunk: Chunk,
        noisy: Sequence[NoisyColumn],
    ) -> pa.Table:
        """Return the row group's table with noise in it."""
        return with_noise(chunk.layout, noisy)

    def with_rows(self, versions: Sequence[pa.Table], copies: NDArray[np.int64]) -> pa.Table:
        """Return a row group with its rows dropped or repeated; see `DelimitedSink.with_rows`."""
        kept = np.repeat(np.arange(len(copies)), copies)
        numbers = np.arange(len(kept)) - np.repeat(np.cumsum(copies) - copies, copies)
        which = np.minimum(numbers, len(versions) - 1)
        return pa.concat_tables(versions).take(array(which * len(copies) + kept))

    def write(self, encoded: pa.Table) -> None:
        """Write one row group."""
        if self._writer is None:
            self._writer = self._open()
        self._writer.write_table(encoded, row_group_size=max(1, encoded.num_rows))

    def finish(self) -> None:
        """Write the footer."""
        if self._writer is None:
            self._writer = self._open()
        self._writer.close()
        self._writer = None

    def close(self) -> None:
        """Give the writer up if it has not finished."""
        if self._writer is not None:
            with contextlib.suppress(OSError, pa.ArrowException):
                self._writer.close()


class WholeWrites:
    """An output that takes whatever it is given; what pyarrow asks of a Python file."""

    def __init__(self, output: Output) -> None:
        self._file = output.file
        self._place = 0
        self.closed = False

    def write(self, data: Any) -> int:  # noqa: ANN401
        """Write all of `data`; return how many bytes that was."""
        view = memoryview(data)
        write_all(self._file, view)
        self._place += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """Return how many bytes have been written."""
        return self._place

    def flush(self) -> None:
        """Do nothing: nothing is kept back."""

    def close(self) -> None:
        """Do nothing: the output closes its file."""


def writer_options(
    metadata: pq.FileMetaData, schema: pa.Schema, noised: frozenset[str]
) -> dict[str, Any]:
    """Return the writer's settings that make the output like the file that was read.

    Columns that get noise have no dictionary: noisy floats hardly repeat.
    """
    columns: dict[str, Any] = {}
    if metadata.num_row_groups:
        group = metadata.row_group(0)
        columns = {
            group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)
        }
    codecs = {path: _codec(column.compression) for path, column in columns.items()}
    tops = {path: path if path in schema.names else path.split(".", 1)[0] for path in columns}
    dictionary = [
        path
        for path, column in columns.items()
        if column.has_dictionary_page or any("DICTIONARY" in e for e in column.encodings)
        if tops[path] not in noised
    ]
    times = [f for f in schema if pa.types.is_timestamp(f.type)]
    physical = {path: column.physical_type for path, column in columns.items()}
    return {
        "compression": codecs or "snappy",
        "use_dictionary": dictionary or False,
        "write_statistics": [p for p, c in columns.items() if c.is_stats_set] or False,
        "version": "1.0" if metadata.format_version == "1.0" else "2.6",
        "use_deprecated_int96_timestamps": bool(times)
        and all(physical.get(f.name) == "INT96" for f in times),
        "write_page_index": any(
            c.has_column_index and c.has_offset_index for c in columns.values()
        ),
        "use_compliant_nested_type": not any(
            part in {"item", "array"} for path in columns for part in path.split(".")[1:]
        ),
        "store_decimal_as_integer": any(
            pa.types.is_decimal(f.type) and physical.get(f.name) in {"INT32", "INT64"}
            for f in schema
        ),
        "store_schema": b"ARROW:schema" in (metadata.metadata or {}),
    }


def _codec(name: str) -> str:
    """Return a codec as the writer calls it."""
    return {"UNCOMPRESSED": "none", "LZ4": "lz4", "LZ4_RAW": "lz4"}.get(name, name.lower())


def open_source(source: Input, options: ReadOptions) -> ParquetSource:
    """Open a Parquet file."""
    return ParquetSource(source, options)


def open_sink(
    source: ParquetSource,
    output: Output,
    passes: int = 1,  # noqa: ARG001 - row groups may follow row groups
    noised: frozenset[str] = frozenset(),
) -> ParquetSink:
    """Start a Parquet file like the source's."""
    return ParquetSink(source, output, noised)


def open_mask(
    source: ParquetSource, output: Output, noised: Sequence[Field], *, values: bool
) -> MaskSink:
    """Start a Parquet file that says which values changed."""
    from noisify.formats.parquet_mask import ParquetMask  # noqa: PLC0415 - a rare wish

    return ParquetMask(source, output, noised, values=values)


def restore(
    source: ParquetSource,
    mask: Input,
    output: Output,
    size: int,  # noqa: ARG001 - a row group is a piece
    progress: Callable[[int], None],
) -> int:
    """Give a file back as it was; see `parquet_mask`."""
    from noisify.formats import parquet_mask  # noqa: PLC0415 - a rare wish

    return parquet_mask.restore(source, mask, output, progress)

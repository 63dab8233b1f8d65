"""Read and write Arrow IPC files (Feather V2 is one) and streams, record batch by record batch.

pyarrow reads and writes the batches; columns without noise keep their buffers. The batches'
compression, which pyarrow does not expose, is read from the messages themselves.
"""

from __future__ import annotations

import io
from collections import Counter
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from noisify.core.arrow_arrays import array, bytes_of, is_opaque, rows_of
from noisify.core.errors import DataError, UsageError
from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.files.input import read_fully
from noisify.formats.arrow.messages import first_batch, largest_body, schema_bytes
from noisify.formats.arrow.nested import naming_note, values_at, with_values
from noisify.formats.arrow.output_file import WholeWrites
from noisify.formats.arrow.tables import Slice, SliceSource
from noisify.formats.interface import Reading, Sink
from noisify.formats.row_selection import rows_of_parts, rows_of_versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import BinaryIO

    from numpy.typing import NDArray

    from noisify.core.chunk import Chunk, Field
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.interface import NoisyColumn

FILE_MAGIC = b"ARROW1"
WHOLE_BYTES = 16 << 20
"""The largest batch that is not cut into slices, in bytes."""
SLICE_BYTES = 4 << 20
"""The target size of slices of larger batches, in bytes."""
_FEWEST_ROWS = 1024
_MORE_COPIES = 2
"""Further copies of a record batch in memory: with noise, and encoded for writing."""
_VERSIONS = {3: pa.ipc.MetadataVersion.V4, 4: pa.ipc.MetadataVersion.V5}


class ArrowSource(SliceSource):
    """An open Arrow IPC file or stream.

    Args:
        source: The input; a stream is read sequentially, the file format needs a seekable file.

    Raises:
        DataError: If it is neither a file nor a stream.
    """

    def __init__(self, source: Input) -> None:
        self.name = source.name
        self.is_file = source.head(len(FILE_MAGIC)) == FILE_MAGIC
        self.notes: list[str] = []
        self._input = source
        if self.is_file and source.spool():
            self.notes.append(
                f"{self.name} is kept in a temporary file, since the Arrow file format is not read "
                "from start to end; the stream format is"
            )
        self.file_metadata = None
        self.rows = None
        try:
            self._read_schema()
            self.describe(self.schema)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DataError(f"is not a readable Arrow IPC file: {error}", path=self.name) from None
        if note := naming_note(self.schema, self.name, self.leaves):
            self.notes.append(note)
        self.empty = self.rows == 0

    def _read_schema(self) -> None:
        """Read the schema and the style of the batches, without consuming a stream."""
        head = self._input.head()
        if self.is_file:
            with self._file() as file:
                reader = pa.ipc.open_file(file)
                self.schema: pa.Schema = reader.schema
                self.file_metadata = reader.metadata
                self.rows = reader.count_rows()
        else:
            if schema_bytes(head) > len(head):
                self._input.spool()
                head = self._input.head(schema_bytes(head))
            self.schema = pa.ipc.open_stream(pa.BufferReader(head)).schema
        start = 8 if self.is_file else 0
        if self._input.path is None:
            self.batch = first_batch(io.BytesIO(head), start)
        else:
            with self._input.open() as raw:
                self.batch = first_batch(raw, start)
                if self._input.memory.most is not None:
                    largest = largest_body(raw, start)
                    self._input.memory.require((1 + _MORE_COPIES) * largest, "a record batch")

    def _file(self) -> pa.NativeFile:
        if self._input.is_remote:
            return pa.PythonFile(self._input.open(), mode="r")
        if self._input.path is not None:
            return pa.OSFile(str(self._input.path))
        return pa.PythonFile(_Readable(self._input.open()), mode="r")

    @override
    def read(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[Slice]:
        """Read slices of record batches, in order; the output must not depend on `size`."""
        return Reading(self._slices(groups))

    def _slices(self, groups: Sequence[Sequence[Field]]) -> Iterator[Slice]:
        reached = Counter[str]()
        for batch, metadata in self._batches():
            step = batch.num_rows
            size_in_memory = bytes_of(batch)
            self._input.memory.require(_MORE_COPIES * size_in_memory, "a record batch")
            if size_in_memory > WHOLE_BYTES:
                step = max(_FEWEST_ROWS, batch.num_rows * SLICE_BYTES // size_in_memory)
            yield from self.slices(batch, max(1, step), groups, reached, metadata)

    def _batches(self) -> Iterator[tuple[pa.RecordBatch, Any]]:
        """Yield each record batch with its custom metadata."""
        number = 0
        try:
            with closing(self._file()) as file:
                for batch, metadata in _read(file, is_file=self.is_file):
                    yield validated(batch), metadata
                    number += 1
        except (pa.ArrowException, OSError) as error:
            raise DataError(
                f"has a record batch {number} that cannot be read: {error}", path=self.name
            ) from None


def validated(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Check a batch, since damaged offsets would crash Arrow, and return it.

    Decimals beyond their precision and times beyond a day are allowed: they do no harm.

    Raises:
        ArrowInvalid: If the batch is damaged.
    """
    every = range(batch.num_columns)
    tests = (pa.types.is_decimal, pa.types.is_time, pa.types.is_date64)
    numbers = {n for n in every if any(test(batch.schema.field(n).type) for test in tests)}
    batch.select(sorted(numbers)).validate()
    batch.select([n for n in every if n not in numbers]).validate(full=True)
    return batch


def _read(file: pa.NativeFile, *, is_file: bool) -> Iterator[tuple[pa.RecordBatch, Any]]:
    if not is_file:
        yield from pa.ipc.open_stream(file).iter_batches_with_custom_metadata()
        return
    reader = pa.ipc.open_file(file)
    yield from map(reader.get_batch_with_custom_metadata, range(reader.num_record_batches))


class _Readable(io.RawIOBase):
    """A raw stream whose reads return all the bytes asked for, fewer only at the end."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._stream.read() if size < 0 else read_fully(self._stream, size)

    def close(self) -> None:
        """Leave the stream open: the input closes it."""


@frozen
class EncodedSlice:
    """A slice with noise in it.

    Attributes:
        piece: The slice that was read.
        columns: Its noisy columns, by index.
        copies: How many times to write each row, shape (n,), or None for once each.
    """

    piece: Slice
    columns: dict[int, pa.Array]
    copies: NDArray[np.int64] | None = None


class ArrowSink(Sink[Slice, EncodedSlice]):
    """An Arrow IPC file or stream being written in the style of its source.

    Args:
        source: The file or stream that was read.
        output: Where to write.
        noised: The fields that get noise.
    """

    def __init__(self, source: ArrowSource, output: Output, noised: frozenset[str]) -> None:
        self._source = source
        options = pa.ipc.IpcWriteOptions(
            metadata_version=_VERSIONS.get(source.batch.version, _VERSIONS[4]),
            compression=source.batch.codec,
            use_legacy_format=source.batch.legacy,
            emit_dictionary_deltas=True,
        )
        file = WholeWrites(output)
        if source.is_file:
            self._writer = pa.ipc.new_file(
                file, source.schema, options=options, metadata=source.file_metadata
            )
        else:
            self._writer = pa.ipc.new_stream(file, source.schema, options=options)
        leaves = [source.leaf(name) for name in sorted(noised)]
        self._dictionaries: dict[tuple[int, tuple[int, ...]], pa.Array | None] = {
            (leaf.column, leaf.steps): None
            for leaf in leaves
            if source.is_file and pa.types.is_dictionary(leaf.type)
        }
        self._gathered: list[EncodedSlice] = []
        self._finished = False

    def encode(self, raw: Slice, chunk: Chunk, noisy: Sequence[NoisyColumn]) -> EncodedSlice:
        """Put the noisy values into a slice."""
        return EncodedSlice(raw, self._source.noisy_columns(chunk, noisy))

    def with_rows(
        self, versions: Sequence[EncodedSlice], copies: NDArray[np.int64]
    ) -> EncodedSlice:
        """Drop or repeat the rows of a slice; see `DelimitedSink.with_rows`."""
        columns = rows_of_versions([version.columns for version in versions], copies)
        return replace(versions[0], columns=columns, copies=copies)

    def write(self, encoded: EncodedSlice) -> None:
        """Gather slices, and write their record batch when it is complete."""
        self._gathered.append(encoded)
        if encoded.piece.last:
            gathered, self._gathered = self._gathered, []
            try:
                self._write_batch(gathered)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise UsageError(f"cannot be written as Arrow IPC: {error}") from None

    def _write_batch(self, gathered: Sequence[EncodedSlice]) -> None:
        piece = gathered[0].piece
        made = {}
        for number in list(gathered[0].columns):
            parts = [part.columns.pop(number) for part in gathered]
            made[number] = parts[0] if len(parts) == 1 else pa.concat_arrays(parts)
        batch = piece.batch
        if any(part.copies is not None for part in gathered):
            places = rows_of_parts((part.piece.rows, part.copies) for part in gathered)
            batch = _batch_of_rows(batch, places, made)
        for number in {column for column, _ in self._dictionaries}:
            made[number] = self._with_one_dictionary(number, made.get(number, batch[number]))
        for number, column in made.items():
            batch = batch.set_column(number, batch.schema.field(number), column)
        self._writer.write_batch(batch, custom_metadata=piece.metadata)

    def _with_one_dictionary(self, number: int, column: pa.Array) -> pa.Array:
        """Append to the dictionaries of earlier batches: a file cannot replace them."""
        for key, known in self._dictionaries.items():
            if key[0] != number:
                continue
            values, _ = values_at(column, key[1])
            if known is not None:
                before = pa.DictionaryArray.from_arrays(array(np.zeros(0, np.int32)), known)
                before = before.cast(values.type) if before.type != values.type else before
                values = pa.chunked_array([before, values]).unify_dictionaries().chunk(1)
                column = with_values(column, key[1], values)
            self._dictionaries[key] = values.dictionary
        return column

    def finish(self) -> None:
        """Write the end of the file or stream."""
        self._finished = True  # closing the writer again would write the end twice
        self._writer.close()

    def close(self) -> None:
        """Close the writer if the file was not finished."""
        if self._finished:
            return
        with suppress(OSError, pa.ArrowException):
            self._writer.close()


def _batch_of_rows(
    batch: pa.RecordBatch, places: NDArray[np.int64], noisy: Mapping[int, pa.Array]
) -> pa.RecordBatch:
    """Select rows of a batch.

    Args:
        batch: The batch.
        places: The indices of its rows to return, shape (n,).
        noisy: Columns that already have these rows, by index.
    """
    every = range(batch.num_columns)
    opaque = [number for number in every if is_opaque(batch.schema.field(number).type)]
    taken = batch.select(opaque).take(array(places))
    for number in (number for number in every if number not in opaque):
        column = noisy[number] if number in noisy else rows_of(batch.column(number), places)
        taken = taken.add_column(number, batch.schema.field(number), column)
    return taken

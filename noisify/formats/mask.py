"""Write masks: files that record which elements changed, and optionally their original values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from noisify.core.arrow_arrays import bools
from noisify.core.errors import DataError
from noisify.core.lazy_libraries import pa
from noisify.core.overriding import override
from noisify.core.share import WHOLE
from noisify.formats import mask_parts
from noisify.formats.arrow import columns as arrow_columns
from noisify.formats.arrow.output_file import WholeWrites
from noisify.formats.interface import NoisyColumn
from noisify.formats.mask_layout import arrays_of, in_array, original_of, schema_of, views
from noisify.formats.mask_run import BLANK, ChangedSum, run_of
from noisify.formats.numpy_fields import column_of, stored
from noisify.formats.tables import ArrowWriter, EvenGroups

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from noisify.core.chunk import Chunk, Column, Field, Positions
    from noisify.core.share import Share
    from noisify.files.output import Output
    from noisify.formats import FormatEntry
    from noisify.formats.arrays import ArrayType, ArrayWriter, Parts
    from noisify.formats.interface import AnyPiece, FieldArray, Source
    from noisify.formats.tables import TableWriter

_JOINED = {("parquet", "parquet"), ("npy", "npy"), ("wav", "npy")}
"""Formats of inputs and of masks that have the same pieces in a part as in the whole, in order."""
_BATCH_CELLS = 1 << 21
"""Cells of rows to write to a text table at once, if columns came one after the other."""
_MOST_ROWS = 1 << 17
"""Rows of a row group for which original values wait for those of all columns. Column chunks of so
few have few pages, so reading the columns together would hold as much."""


def changed_by_field(noisy: Iterable[NoisyColumn]) -> Mapping[str, NDArray[np.bool_]]:
    """Return a mask of the changed elements of each field, which may come as several columns."""
    changed: dict[str, NDArray[np.bool_]] = {}
    for result in noisy:
        name = result.column.field.name
        which = result.changed
        if result.erased is not None:
            which = which | result.erased
        changed[name] = changed[name] | which if name in changed else which
    return changed


def open_mask(
    source: Source[Any],
    of: FormatEntry,
    entry: FormatEntry,
    output: Output,
    fields: Sequence[Field],
    *,
    values: bool,
    share: Share,
) -> MaskSink:
    """Create a mask, or the part of one that is joined with others.

    Args:
        source: The input.
        of: The format of the input and the noisy output.
        entry: The mask's format.
        output: Where to write.
        fields: The fields that get noise.
        values: Whether to record the original values.
        share: Which part it is; only the first part of a CSV or NPY mask has the header.

    Raises:
        UsageError: If a mask of that format cannot hold the fields.
    """
    whole = entry.load_whole()
    is_kept = share != WHOLE and not is_joined_from_files(of, entry)
    create = whole.create if is_kept or share.is_first else whole.continued
    if entry.shape == "arrays":
        places = {field.name: source.array_of(field) for field in fields}
        arrays = arrays_of(places.values(), values=values)
        if is_kept:
            writer: ArrayWriter = mask_parts.ArrayPieces(WholeWrites(output))
        else:
            run = BLANK if values and fields else ""
            writer = create(output.local_path(), list(arrays.values()), run)
        return ArraysMask(of, places, arrays, writer, values=values)
    schema = whole.mask_schema(schema_of(source, fields, values=values))
    if is_kept:
        rows: TableWriter = mask_parts.RecordBatches(WholeWrites(output), schema)
    else:
        rows = create(WholeWrites(output), schema, *(("\t",) if entry.name == "tsv" else ()))
        if isinstance(rows, ArrowWriter):
            rows = EvenGroups(rows, schema)
    return TableMask(of, source, fields, rows, schema, values=values)


def is_joined_from_files(of: FormatEntry, entry: FormatEntry) -> bool:
    """Return whether the masks of parts are joined as files; else `MaskSink.add` reads them.

    Args:
        of: The format of the input.
        entry: The mask's format.
    """
    return not entry.binary or (of.name, entry.name) in _JOINED


def write_mask(
    source: Source[Any],
    parts: Iterable[Path],
    output: Output,
    of: FormatEntry,
    entry: FormatEntry,
    fields: Sequence[Field],
    *,
    values: bool,
) -> None:
    """Write a mask from what was kept of its parts; see `open_mask`."""
    whole = open_mask(source, of, entry, output, fields, values=values, share=WHOLE)
    with closing(whole) as mask:
        for part in parts:
            mask.add(part)
        mask.finish()


class _Encoded(NamedTuple):
    """The encoded mask of a piece.

    Attributes:
        data: What the mask's writer writes.
        total: The sum of what changed.
        ends_group: Whether the piece ends a row group of the input.
    """

    data: Any
    total: ChangedSum = ChangedSum()
    ends_group: bool = False


class MaskSink(ABC):
    """A mask being written; one with values also records which run wrote it.

    Args:
        of: The noisy file's format.
        names: The fields that get noise.
        writer: Writes the mask.
        values: Whether it holds the original values.

    Attributes:
        needs_rows: Whether `encode` must get all columns of a table's rows at once.
    """

    needs_rows = True

    def __init__(
        self,
        of: FormatEntry,
        names: Sequence[str],
        writer: TableWriter | ArrayWriter,
        *,
        values: bool,
    ) -> None:
        self._of = of
        self._names = self._compared = names
        self._writer = writer
        self._values = values
        self._names_run = values and writer.names_runs
        self._total = ChangedSum()

    @abstractmethod
    def encode(
        self, raw: AnyPiece, chunk: Chunk, noisy: Sequence[NoisyColumn], encoded: AnyPiece
    ) -> _Encoded:
        """Encode the mask of a piece, for `write`.

        Args:
            raw: The piece as the source read it.
            chunk: The chunk decoded from it.
            noisy: Its noisy columns.
            encoded: What the noisy data's sink encoded.
        """

    def write(self, encoded: _Encoded) -> None:
        """Write the mask of a piece."""
        self._total += encoded.total
        if self._names:
            self._writer.write(encoded.data)
            if encoded.ends_group:
                self._writer.end_group()

    def add(self, part: Path) -> None:
        """Write what was kept of a part's mask."""
        for batch, run in mask_parts.kept(part):
            if run is not None:
                self._total += ChangedSum(run.changed, run.checksum)
            elif batch.num_rows:
                data = self._writer.encode(self._kept(batch))
                self.write(_Encoded(data, ends_group=self._of.binary))

    @abstractmethod
    def _kept(self, batch: pa.RecordBatch) -> Any:  # noqa: ANN401 - each writer has its own
        """Return what a batch that was kept of a part's mask holds for the writer."""

    def finish(self) -> None:
        """Complete the file."""
        if self._names_run and self._names:
            self._writer.name_run(run_of(self._of, self._compared, self._total).text)
        self._writer.finish()

    def close(self) -> None:
        """Close what is open, also after a failure."""
        self._writer.close()


class TableMask(MaskSink):
    """The mask of a table, being written.

    Args:
        of: The noisy file's format.
        source: The table.
        fields: The fields that get noise.
        writer: Writes the mask.
        schema: The mask's schema.
        values: Whether it holds the original values.
    """

    def __init__(
        self,
        of: FormatEntry,
        source: Source[Any],
        fields: Sequence[Field],
        writer: TableWriter,
        schema: pa.Schema,
        *,
        values: bool,
    ) -> None:
        super().__init__(of, [field.name for field in fields], writer, values=values)
        self._source = source
        self._fields = fields
        self._schema = schema
        self._types = {field.name: source.original_type(field) for field in fields}
        self._waiting: dict[str, list[pa.Array]] = {}
        self.needs_rows = values and source.group_rows > _MOST_ROWS

    @override
    def encode(
        self, raw: AnyPiece, chunk: Chunk, noisy: Sequence[NoisyColumn], encoded: AnyPiece
    ) -> _Encoded:
        """Encode the mask of a piece, which may have some of the columns of a row group."""
        changed = changed_by_field(noisy)
        columns = {result.column.field.name: result.column for result in noisy}
        total = ChangedSum()
        if self._names_run:
            total = self._sum(raw, chunk, noisy, changed, encoded)
        arrays: dict[str, pa.Array] = {}
        for name, which in changed.items():
            arrays[name] = bools(which)
            if self._values:
                old = self._originals(raw, chunk, columns[name], which)
                arrays[original_of(name)] = old
        ends_group = self._source.ends_group(raw)
        if len(changed) < len(self._fields):
            return _Encoded(arrays, total, ends_group)
        batch = pa.RecordBatch.from_arrays(
            list(map(arrays.pop, self._schema.names)), schema=self._schema
        )
        return _Encoded(self._writer.encode(batch), total, ends_group)

    @override
    def write(self, encoded: _Encoded) -> None:
        """Write the mask of a piece, or let it wait for the other columns of its row group."""
        if not isinstance(encoded.data, dict):
            super().write(encoded)
            return
        self._total += encoded.total
        for name, array in encoded.data.items():
            self._waiting.setdefault(name, []).append(array)
        if encoded.ends_group and len(self._waiting) == len(self._schema):
            columns = [pa.chunked_array(self._waiting.pop(name)) for name in self._schema.names]
            self._write_rows(pa.Table.from_arrays(columns, schema=self._schema))

    def _write_rows(self, rows: pa.Table) -> None:
        """Write the mask of a row group."""
        is_text = not isinstance(self._writer, EvenGroups | mask_parts.RecordBatches)
        step = max(1, _BATCH_CELLS // rows.num_columns if is_text else len(rows))
        for start in range(0, len(rows), step):
            some = rows.slice(start, step).combine_chunks()
            for batch in some.to_batches():
                self._writer.write(self._writer.encode(batch))
        self._writer.end_group()

    @override
    def _kept(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch

    def _sum(
        self,
        raw: AnyPiece,
        chunk: Chunk,
        noisy: Sequence[NoisyColumn],
        changed: Mapping[str, NDArray[np.bool_]],
        encoded: AnyPiece,
    ) -> ChangedSum:
        """Sum up the changed values as they will be read from the noisy file."""
        total = ChangedSum()
        if chunk.rows is not None and any(map(pa.types.is_binary, self._types.values())):
            which = np.stack([changed[name] for name in self._names], axis=1)
            written = self._source.as_read(raw, encoded)
            for name, at, cells in self._source.cells_where(written, self._names, which):
                total.add_cells(name, chunk.rows.at(at), cells)
            return total
        for result in noisy:
            name = result.column.field.name
            total.add(_as_read(result, self._types[name]), changed[name])
        return total

    def _originals(
        self, raw: AnyPiece, chunk: Chunk, column: Column, which: NDArray[np.bool_]
    ) -> pa.Array:
        """Return the original values of a column where it changed, null elsewhere."""
        kind = self._schema.field(original_of(column.field.name)).type
        old = self._source.originals(raw, chunk, column, which)
        if isinstance(old, np.ndarray):
            return arrow_columns.array_of(old, kind, which)
        try:
            return old.cast(kind)
        except pa.ArrowInvalid:
            raise DataError(
                "has bytes that are no UTF-8 text; give --mask a name that ends in .csv",
                field=column.field.name,
            ) from None


def _as_read(result: NoisyColumn, kind: pa.DataType) -> Column:
    """Return the changed values of a typed column as they are read from the noisy file."""
    column = result.column
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    kept = result.changed if result.erased is None else result.changed & ~result.erased
    values = arrow_columns.array_of(result.values, kind, kept)
    return arrow_columns.column_of(column.field, values, column.positions)


class ArraysMask(MaskSink):
    """The mask of a file of arrays, being written.

    Args:
        of: The noisy file's format.
        places: The array of each field that gets noise.
        arrays: The mask's arrays.
        writer: Writes the mask.
        values: Whether it holds the original values.
    """

    def __init__(
        self,
        of: FormatEntry,
        places: Mapping[str, FieldArray],
        arrays: Mapping[str, ArrayType],
        writer: ArrayWriter,
        *,
        values: bool,
    ) -> None:
        super().__init__(of, list(places), writer, values=values)
        self._places = places
        self._arrays = arrays
        self._compared = [name for name, place in places.items() if not place.rounded]

    @override
    def encode(
        self, raw: AnyPiece, chunk: Chunk, noisy: Sequence[NoisyColumn], encoded: AnyPiece
    ) -> _Encoded:
        """Encode the mask of a piece."""
        total = ChangedSum()
        parts: dict[str, tuple[Positions, NDArray[Any]]] = {}
        columns = {result.column.field.name: result.column for result in noisy}
        exact = [_as_stored(result, self._places[result.column.field.name]) for result in noisy]
        changed = changed_by_field(exact)
        for name, which in changed.items():
            place, column = self._places[name], columns[name]
            if place.name not in parts:
                here = in_array(column.positions, place)
                parts[place.name] = here, np.zeros(here.size, self._arrays[place.name].dtype)
            flags, old = views(parts[place.name][1], place.member)
            flags[...] = which.reshape(flags.shape)
            if self._values and which.any():
                old[flags] = stored(_some(column, which), place.dtype)
        if self._names_run:
            for result in exact:
                column, name = result.column, result.column.field.name
                if name in self._compared:
                    written = stored(result, self._places[name].dtype)
                    total.add(column_of(written, column.positions, column.field), changed[name])
        return _Encoded(self._writer.encode(parts), total)

    @override
    def _kept(self, batch: pa.RecordBatch) -> Parts:
        return mask_parts.pieces_of(batch, self._arrays)


def _some(column: Column, which: NDArray[np.bool_]) -> NoisyColumn:
    """Return the original values of some elements of a column."""
    values = column.values[which]
    return NoisyColumn(replace(column, values=values), values, which[which])


def _as_stored(result: NoisyColumn, place: FieldArray) -> NoisyColumn:
    """Unmark texts that are the same as before once they are cut to the dtype's length."""
    if result.column.number.kind != "text" or place.dtype.kind not in "SU":
        return result
    before = replace(result, values=result.column.values, erased=None)
    cut = stored(replace(result, erased=None), place.dtype) != stored(before, place.dtype)
    return replace(result, changed=result.changed & cut)

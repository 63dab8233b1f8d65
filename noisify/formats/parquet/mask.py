"""The mask of a Parquet file: itself a Parquet file, row for row."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from noisify.core.arrow_arrays import bools, rows_of, to_bools
from noisify.core.errors import DataError, UsageError
from noisify.core.overriding import override
from noisify.formats.arrow.columns import whole
from noisify.formats.arrow.nested import ROWS, values_at, with_values
from noisify.formats.arrow.output_file import WholeWrites
from noisify.formats.interface import Sink
from noisify.formats.mask import (
    changed_by_field,
    check_names,
    fields_with_originals,
    original_of,
)
from noisify.formats.parquet.sink import ParquetSink
from noisify.formats.parquet.source import ParquetSource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from noisify.core.chunk import Chunk, Field
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.interface import NoisyColumn
    from noisify.formats.parquet.source import Piece

_BATCH_ROWS = 1 << 16


class ParquetMask(Sink[Any, Any]):
    """The mask of a Parquet file, being written.

    Raises:
        UsageError: If a field is inside a list: its elements are no rows.
    """

    def __init__(
        self, source: ParquetSource, output: Output, noised: Sequence[Field], *, values: bool
    ) -> None:
        self._names = [field.name for field in noised]
        self._leaves = {name: source.number(name) for name in self._names}
        self._values = values
        check_names(self._names, values=values)
        columns = []
        for field in noised:
            if field.table != ROWS:
                raise UsageError(
                    "is inside a list, and a mask has a row for each row; leave it out",
                    field=field.name,
                )
            columns.append(pa.field(field.name, pa.bool_(), nullable=False))
            if values:
                kind = source.leaves[self._leaves[field.name]].type
                columns.append(pa.field(original_of(field.name), kind))
        self._schema = pa.schema(columns)
        self._writer = pq.ParquetWriter(WholeWrites(output), self._schema)

    @override
    def encode(
        self,
        raw: Piece,
        chunk: Chunk,
        noisy: Sequence[NoisyColumn],
    ) -> pa.Table:
        """Return the mask of a piece."""
        changed = changed_by_field(noisy)
        arrays = []
        for name in self._names:
            arrays.append(bools(changed[name]))
            if self._values:
                old, _ = values_at(chunk.layout[self._leaves[name]], ())
                arrays.append(rows_of(old, _places(changed[name])))
        return pa.Table.from_arrays(arrays, schema=self._schema)

    def write(self, encoded: pa.Table) -> None:
        """Write the mask of one row group."""
        if self._names:
            self._writer.write_table(encoded, row_group_size=max(1, encoded.num_rows))

    def finish(self) -> None:
        """Write the footer."""
        self._writer.close()

    def close(self) -> None:
        """Give the writer up if it has not finished."""
        with contextlib.suppress(OSError, pa.ArrowException):
            self._writer.close()


def _places(which: NDArray[np.bool_]) -> pa.Array:
    """Return 0, 1, 2, …, null where `which` is False."""
    bits = pa.py_buffer(np.packbits(which, bitorder="little"))
    places = pa.py_buffer(np.arange(len(which), dtype=np.int64))
    return pa.Array.from_buffers(pa.int64(), len(which), [bits, places])


def restore(
    source: ParquetSource,
    mask: Input,
    output: Output,
    progress: Callable[[int], None],
) -> int:
    """Give a Parquet file back as it was.

    Args:
        source: The noisy file.
        mask: Its mask, with values.
        output: Where to write.
        progress: Told the bytes of each row group done.

    Returns:
        How many values were given back.

    Raises:
        DataError: If the mask is that of another file.
        UsageError: If it holds no values.
    """
    if mask.path is None:
        raise AssertionError("a mask is a file")
    originals = ParquetSource(mask.path, mask.name)
    sink = ParquetSink(source, output, frozenset())
    try:
        known = [field.name for field in source.fields if field.table == ROWS]
        names = fields_with_originals(originals.schema.names, known, mask.name)
        _check_types(source, originals, names, mask.name)
        if names:
            _check_rows(source, originals, mask.name)
        masks = _Rows(originals)
        count = 0
        fields = [field for field in source.fields if field.name in names]
        for piece in source.pieces([fields], Counter()):
            arrays: dict[int, pa.Array] = {}
            changed: set[int] = set()
            table = masks.next(piece.rows if names else 0)
            for name in names:
                leaf = source.number(name)
                flags = to_bools(whole(table.column(name)))
                arrays[leaf] = source.arrays(piece, [leaf])[leaf]
                if flags.any():
                    old = whole(table.column(original_of(name)))
                    arrays[leaf] = _restored(arrays[leaf], old, flags)
                    changed.add(leaf)
                count += int(np.count_nonzero(flags))
            sink.write(sink.part(piece, arrays, changed))
            progress(source.size_of(piece))
        sink.finish()
    finally:
        sink.close()
        originals.close()
    return count


class _Rows:
    """The rows of a mask, taken from its start, as many at a time as a piece has."""

    def __init__(self, mask: ParquetSource) -> None:
        self._batches = mask.file.iter_batches(_BATCH_ROWS)
        self._rest = mask.schema.empty_table()

    def next(self, rows: int) -> pa.Table:
        """Return the next rows; there have to be so many."""
        parts, count = [self._rest], self._rest.num_rows
        while count < rows:
            parts.append(pa.Table.from_batches([next(self._batches)]))
            count += parts[-1].num_rows
        table = pa.concat_tables(parts)
        self._rest = table.slice(rows)
        return table.slice(0, rows)


def _restored(values: pa.Array, old: pa.Array, changed: NDArray[np.bool_]) -> pa.Array:
    """Return a leaf with its old values where it was changed."""
    noisy, _ = values_at(values, ())
    places = np.arange(len(changed)) + len(changed) * changed
    return with_values(values, (), rows_of(pa.concat_arrays([noisy, old]), places))


def _check_types(
    source: ParquetSource, originals: ParquetSource, names: Sequence[str], mask: str
) -> None:
    for name in names:
        flag = originals.schema.field(name).type
        old = originals.schema.field(original_of(name)).type
        expected = source.leaves[source.number(name)].type
        if flag != pa.bool_() or old != expected:
            raise DataError(
                f"holds {flag} and {old} where the mask of {expected} has bool and {expected}",
                path=mask,
                field=name,
            )


def _check_rows(source: ParquetSource, originals: ParquetSource, mask: str) -> None:
    rows, found = source.metadata.num_rows, originals.metadata.num_rows
    if rows != found:
        raise DataError(f"has {rows:,} rows, and its mask {mask} has {found:,}")

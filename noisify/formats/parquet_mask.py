"""The mask of a Parquet file: itself a Parquet file, with a row group for each of the file's."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from noisify.errors import DataError
from noisify.formats.arrow_arrays import array, bools, to_bools
from noisify.formats.arrow_columns import whole
from noisify.formats.interface import ReadOptions
from noisify.formats.masks import (
    changed_by_field,
    check_names,
    fields_with_originals,
    original_of,
)
from noisify.formats.parquet import ParquetSink, ParquetSource, WholeWrites

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from noisify.chunks import Chunk, Field
    from noisify.formats.interface import NoisyColumn
    from noisify.formats.parquet import RowGroup
    from noisify.inputs import Input
    from noisify.sink import Output


class ParquetMask:
    """The mask of a Parquet file, being written."""

    def __init__(
        self, source: ParquetSource, output: Output, noised: Sequence[Field], *, values: bool
    ) -> None:
        self._names = [field.name for field in noised]
        self._values = values
        check_names(self._names, values=values)
        columns = []
        for name in self._names:
            columns.append(pa.field(name, pa.bool_(), nullable=False))
            if values:
                columns.append(pa.field(original_of(name), source.schema.field(name).type))
        self._schema = pa.schema(columns)
        self._writer = pq.ParquetWriter(WholeWrites(output), self._schema)

    def encode(
        self,
        raw: RowGroup,  # noqa: ARG002
        chunk: Chunk,
        noisy: Sequence[NoisyColumn],
    ) -> pa.Table:
        """Return the mask of a row group."""
        changed = changed_by_field(noisy)
        arrays = []
        for name in self._names:
            arrays.append(bools(changed[name]))
            if self._values:
                old = whole(chunk.layout.column(name))
                arrays.append(old.take(_places(changed[name])))
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
    originals = ParquetSource(mask, ReadOptions())
    sink = ParquetSink(source, output, frozenset())
    try:
        names = fields_with_originals(originals.schema.names, source.schema.names, mask.name)
        _check_types(source, originals, names, mask.name)
        if names:
            _check_rows(source, originals, mask.name)
        masks = originals.chunks((), 0, complete=True)
        count = 0
        for group in source.chunks((), 0, complete=True):
            table = source.decode(group, ()).layout
            if names:
                table, restored = _restored(table, originals.decode(next(masks), ()).layout, names)
                count += restored
            sink.write(table)
            progress(source.size_of(group))
        sink.finish()
    finally:
        sink.close()
        originals.close()
    return count


def _restored(table: pa.Table, mask: pa.Table, names: Sequence[str]) -> tuple[pa.Table, int]:
    """Return a row group with its old values in it, and how many there are."""
    count = 0
    for name in names:
        changed = to_bools(whole(mask.column(name)))
        if not changed.any():
            continue
        count += int(np.count_nonzero(changed))
        noisy, old = whole(table.column(name)), whole(mask.column(original_of(name)))
        places = np.arange(len(changed)) + len(changed) * changed
        at = table.schema.get_field_index(name)
        values = pa.concat_arrays([noisy, old]).take(array(places))
        table = table.set_column(at, table.schema.field(at), values)
    return table, count


def _check_types(
    source: ParquetSource, originals: ParquetSource, names: Sequence[str], mask: str
) -> None:
    for name in names:
        flag = originals.schema.field(name).type
        old = originals.schema.field(original_of(name)).type
        expected = source.schema.field(name).type
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
    groups, others = (
        [each.metadata.row_group(i).num_rows for i in range(each.metadata.num_row_groups)]
        for each in (source, originals)
    )
    if groups != others:
        raise DataError(
            f"has {len(groups):,} row groups, and its mask {mask} has {len(others):,} or "
            "cuts them elsewhere; restore the file as noisify wrote it"
        )

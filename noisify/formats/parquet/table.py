"""Read Parquet files as tables, and create them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pyarrow as pa
import pyarrow.parquet as pq

from noisify.core.arrow_arrays import without_views
from noisify.formats.mask_run import KEY
from noisify.formats.parquet.footer import unreadable
from noisify.formats.parquet.leaf_checks import check_int96, int96_leaves
from noisify.formats.read_options import ReadOptions
from noisify.formats.tables import ArrowWriter, MaskReader, Table, named, regrouped, with_texts

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from noisify.files.input import Input
    from noisify.formats.tables import TableWriter

_ROWS = 1 << 17
_READ_ROWS = 1 << 16


def read(source: Input, options: ReadOptions) -> Table:  # noqa: ARG001
    """Read a Parquet file."""
    source.spool()
    try:
        file = pq.ParquetFile(source.path, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise unreadable(error, source.name) from None
    for leaf in int96_leaves(file.metadata):
        check_int96(cast("Path", source.path), source.name, leaf)
    return Table(file.schema_arrow, named(file.iter_batches(_READ_ROWS), source.name))


def reader(source: Input) -> MaskReader:
    """Open a mask that is a Parquet file."""
    table = read(source, ReadOptions())
    metadata = pq.read_metadata(source.path).metadata or {}
    return MaskReader(table, source.name, metadata.get(KEY.encode()))


mask_schema = with_texts


def create(file: Any, schema: pa.Schema) -> TableWriter:  # noqa: ANN401 - a path, or like a file
    """Create a Parquet file.

    Raises:
        UsageError: If it cannot hold a column.
    """
    return _ParquetWriter(lambda: pq.ParquetWriter(file, schema), "Parquet")


continued = create
"""Creates a file to be joined with others by its row groups."""


class _ParquetWriter(ArrowWriter):
    """A Parquet file being written."""

    names_runs = True

    def name_run(self, text: str) -> None:
        """Record the text of a mask's run as an entry of the file's metadata."""
        self._writer.add_key_value_metadata({KEY: text})


def prepared(table: Table) -> Table:
    """Regroup a table into row groups of equal length for conversion.

    Dictionaries of string views (Polars' categories), which Parquet lacks, become plain ones.
    """
    fields = []
    for field in table.schema:
        kind = field.type
        if pa.types.is_dictionary(kind):
            kind = pa.dictionary(kind.index_type, without_views(kind.value_type), kind.ordered)
        fields.append(field.with_type(kind))
    schema = pa.schema(fields, table.schema.metadata)
    batches = table.batches
    if not schema.equals(table.schema):
        batches = (batch.cast(schema) for batch in table.batches)
    return Table(schema, regrouped(batches, _ROWS, schema), table.hints)

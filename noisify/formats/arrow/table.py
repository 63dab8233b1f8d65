"""Read Arrow IPC files as tables, and create them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from noisify.core.errors import DataError
from noisify.formats.arrow.ipc import validated
from noisify.formats.mask_run import KEY
from noisify.formats.read_options import ReadOptions
from noisify.formats.tables import ArrowWriter, MaskReader, Table, named, regrouped, with_texts

if TYPE_CHECKING:
    from typing import Any

    from noisify.files.input import Input

_ROWS = 1 << 16


def read(source: Input, options: ReadOptions) -> Table:  # noqa: ARG001
    """Read an Arrow IPC file or stream."""
    source.spool()
    try:
        if source.head(6) == b"ARROW1":
            file = pa.ipc.open_file(pa.OSFile(str(source.path)))
            batches = (file.get_batch(at) for at in range(file.num_record_batches))
            return Table(file.schema, named(map(validated, batches), source.name))
        stream = pa.ipc.open_stream(pa.OSFile(str(source.path)))
        return Table(stream.schema, named(map(validated, stream), source.name))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"is not a readable Arrow file: {error}", path=source.name) from None


def reader(source: Input) -> MaskReader:
    """Open a mask that is an Arrow IPC file."""
    table = read(source, ReadOptions())
    metadata = table.schema.metadata or {}
    if source.head(6) == b"ARROW1":
        file = pa.ipc.open_file(pa.OSFile(str(source.path)))
        if last := file.num_record_batches:
            found = file.get_batch_with_custom_metadata(last - 1).custom_metadata
            metadata = dict(found or metadata)
    return MaskReader(table, source.name, metadata.get(KEY.encode()))


def mask_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema of a mask in types that Arrow IPC files hold."""
    fields = []
    for field in with_texts(schema):  # a file's batches cannot each have a different dictionary
        is_indexed = pa.types.is_dictionary(field.type)
        fields.append(field.with_type(field.type.value_type) if is_indexed else field)
    return pa.schema(fields)


class IpcWriter(ArrowWriter):
    """An Arrow IPC file being written."""

    names_runs = True
    options: pa.ipc.IpcWriteOptions | None = None

    def __init__(self, file: Any, schema: pa.Schema) -> None:  # noqa: ANN401 - a path, or like a file
        super().__init__(lambda: pa.ipc.new_file(file, schema, options=self.options), "Arrow")
        self._schema = schema

    def name_run(self, text: str) -> None:
        """Record the text of a mask's run as the metadata of a last record batch without rows."""
        nothing = self._schema.empty_table().to_batches() or [
            pa.RecordBatch.from_pylist([], self._schema)
        ]
        self._writer.write_batch(nothing[0], custom_metadata={KEY: text})


create = IpcWriter


def prepared(table: Table) -> Table:
    """Regroup a table into record batches of equal length for conversion."""
    return Table(table.schema, regrouped(table.batches, _ROWS, table.schema), table.hints)

"""Arrow IPC files read whole, and created."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from noisify.core.errors import DataError, UsageError
from noisify.formats.tables import ArrowWriter, Table, named, regrouped

if TYPE_CHECKING:
    from typing import Any

    from noisify.files.input import Input
    from noisify.formats.read_options import ReadOptions
    from noisify.formats.tables import TableWriter

_ROWS = 1 << 16


def read(source: Input, options: ReadOptions) -> Table:  # noqa: ARG001
    """Read an Arrow IPC file or stream."""
    source.spool()
    try:
        if source.head(6) == b"ARROW1":
            file = pa.ipc.open_file(pa.OSFile(str(source.path)))
            batches = (file.get_batch(at) for at in range(file.num_record_batches))
            return Table(file.schema, named(batches, source.name))
        stream = pa.ipc.open_stream(pa.OSFile(str(source.path)))
        return Table(stream.schema, named(stream, source.name))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"is not a readable Arrow file: {error}", path=source.name) from None


def create(file: Any, schema: pa.Schema) -> TableWriter:  # noqa: ANN401 - a path, or like a file
    """Start an Arrow IPC file."""
    try:
        return ArrowWriter(pa.ipc.new_file(file, schema), "Arrow")
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise UsageError(f"cannot be held by Arrow: {error}") from None


def prepared(table: Table) -> Table:
    """Return a table as conversion writes it, in record batches of equally many rows."""
    return Table(table.schema, regrouped(table.batches, _ROWS, table.schema), table.hints)

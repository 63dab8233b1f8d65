"""Keep what is to be in a mask in a file for each part, until one mask is written from all.

Such a file is an Arrow IPC file of what a mask's writer is given: the record batches of a table, or
the pieces of arrays, each as three binary cells for its name, the starts of its positions, and its
elements.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from noisify.core.chunk import Positions
from noisify.core.overriding import override
from noisify.formats.arrow.table import IpcWriter
from noisify.formats.mask_run import KEY, MaskRun
from noisify.formats.numpy_fields import raw_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from noisify.formats.arrays import ArrayType, Parts

_PACKED = "zstd" if pa.Codec.is_available("zstd") else None


class RecordBatches(IpcWriter):
    """Keeps record batches of a table."""

    options = pa.ipc.IpcWriteOptions(compression=_PACKED)


_CELLS = pa.schema([("cells", pa.large_binary())])


class ArrayPieces(RecordBatches):
    """Keeps pieces of arrays.

    Args:
        file: Where to write, like a file.
    """

    def __init__(self, file: Any) -> None:  # noqa: ANN401 - like a file
        super().__init__(file, _CELLS)

    @override
    def encode(self, content: Parts) -> pa.RecordBatch:
        """Return the cells of some pieces."""
        cells: list[bytes | memoryview] = []
        for name, (positions, values) in content.items():
            starts = np.asarray(positions.starts, np.int64)
            cells += [name.encode("utf-8", "surrogateescape"), starts.data.cast("B")]
            cells.append(raw_bytes(np.ascontiguousarray(values)).data)
        ends = np.array([0, *accumulate(map(len, cells))])
        buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(cells))]
        array = pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(cells), buffers)
        return pa.RecordBatch.from_arrays([array], schema=_CELLS)


def pieces_of(batch: pa.RecordBatch, arrays: Mapping[str, ArrayType]) -> Parts:
    """Return the pieces of arrays that some cells hold."""
    found = {}
    cells = [cell.as_buffer() for cell in batch.column(0)]
    for called, places, elements in zip(cells[0::3], cells[1::3], cells[2::3], strict=True):
        name = called.to_pybytes().decode("utf-8", "surrogateescape")
        starts = np.frombuffer(places, np.int64)
        values = np.frombuffer(elements, arrays[name].dtype)
        found[name] = Positions(starts, len(values) // len(starts)), values
    return found


def kept(path: Path) -> Iterator[tuple[pa.RecordBatch, MaskRun | None]]:
    """Yield the batches in a part's file; the last one has no rows, and names its run."""
    with pa.OSFile(str(path)) as opened:
        file = pa.ipc.open_file(opened)
        for at in range(file.num_record_batches):
            batch, metadata = file.get_batch_with_custom_metadata(at)
            text = b"" if metadata is None else metadata[KEY.encode()]
            yield batch, MaskRun.parse(text.decode())

"""Read back the noisy columns of files by old writers, before the output gets its name.

Readers work around the bugs of old writers, which they know by the footer's `created_by`. That text
is kept, although the old writer did not write the noisy pages.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from noisify.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_CURRENT = re.compile(
    r"parquet-cpp-arrow version (?:[3-9]|\d\d)|parquet-mr version 1\.1\d|parquet-rs|Polars|DuckDB"
)
"""Writers whose files readers treat without workarounds."""
_ALWAYS_COMPRESSED = re.compile(r"parquet-cpp(?!-arrow)")
"""Writers whose version 2 pages are read as compressed even if they are marked uncompressed: see
PARQUET_CPP_10353_FIXED_VERSION in Arrow's metadata.h."""
_ROWS = 1 << 16


def needs_plain_pages(writer: str) -> bool:
    """Return whether readers may misread version 2 pages in a file by this writer."""
    return _ALWAYS_COMPRESSED.match(writer) is not None


def is_doubtful(writer: str) -> bool:
    """Return whether readers may use workarounds for a file by this writer."""
    return _CURRENT.match(writer) is None


def read_back(path: Path, leaves: Iterable[int]) -> None:
    """Check that some leaf columns of a file can be read.

    Args:
        path: The file.
        leaves: The indices of the leaves.

    Raises:
        UsageError: If one of them cannot be read.
    """
    with pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False) as file:
        for leaf in leaves:
            try:
                deque(leaf_batches(file, leaf), maxlen=0)
            except (pa.ArrowException, OSError) as error:
                raise UsageError(
                    "could not be read after noise, since readers treat files created by "
                    f"{file.metadata.created_by!r} in a way of their own ({error}); write the file "
                    "anew with current software first",
                    field=file.metadata.schema.column(leaf).path,
                ) from None


def leaf_batches(file: pq.ParquetFile, leaf: int) -> Iterator[pa.RecordBatch]:
    """Read a leaf column of all row groups, some rows at a time."""
    every = list(range(file.num_row_groups))
    batches: Iterator[pa.RecordBatch] = file.reader.iter_batches(
        _ROWS, row_groups=every, column_indices=[leaf], use_threads=False
    )
    return batches

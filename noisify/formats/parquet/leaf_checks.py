"""Read leaf columns to check them: for INT96 times that Arrow would misread, and after noise.

Spark, Hive and Impala store times as INT96: days and nanoseconds, for any year. Arrow reads them as
int64 nanoseconds since 1970, so that times before 1677 and after 2262 wrap around.

Readers work around the bugs of old writers, which they know by the footer's `created_by`. That text
is kept, although the old writer did not write the noisy pages. So the noisy columns of such files
are read back before the output gets its name.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from noisify.core.arrow_arrays import to_numpy, validity
from noisify.core.dtypes import SECOND
from noisify.core.errors import DataError, UsageError
from noisify.files.remote import for_library
from noisify.formats.arrow.nested import values_at

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
_LATEST = np.iinfo(np.int64).max // SECOND
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


def int96_leaves(metadata: pq.FileMetaData) -> frozenset[int]:
    """Return the indices of the leaf columns that are stored as INT96."""
    schema = metadata.schema
    every = range(metadata.num_columns)
    return frozenset(leaf for leaf in every if schema.column(leaf).physical_type == "INT96")


def check_int96(path: Path, name: str, leaf: int) -> None:
    """Check that Arrow reads the times of an INT96 column correctly.

    Args:
        path: The file.
        name: The file's name in errors.
        leaf: The index of the leaf column.

    Raises:
        DataError: If a time is out of Arrow's range, or the column cannot be read.
    """
    opened = for_library(path)
    with pq.ParquetFile(opened, coerce_int96_timestamp_unit="s", pre_buffer=False) as file:
        field = file.metadata.schema.column(leaf).path
        try:
            for batch in leaf_batches(file, leaf):
                values, _ = values_at(batch.column(0), ())
                seconds = to_numpy(values.view(pa.int64()))
                if (validity(values) & (abs(seconds) >= _LATEST)).any():
                    raise DataError(
                        "holds times outside 1677 to 2262 as INT96, which Arrow cannot read; store "
                        "it as a timestamp of microseconds, or leave it out",
                        path=name,
                        field=field,
                    )
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"cannot be read: {error}", path=name, field=field) from None

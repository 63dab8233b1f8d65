"""Detect INT96 times that Arrow would misread.

Spark, Hive and Impala store times as INT96: days and nanoseconds, for any year. Arrow reads them as
int64 nanoseconds since 1970, so that times before 1677 and after 2262 wrap around.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from noisify.core.arrow_arrays import to_numpy, validity
from noisify.core.dtypes import SECOND
from noisify.core.errors import DataError
from noisify.files.remote import for_library
from noisify.formats.arrow.nested import values_at
from noisify.formats.parquet.read_back import leaf_batches

if TYPE_CHECKING:
    from pathlib import Path

_LATEST = np.iinfo(np.int64).max // SECOND


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

"""Wrap data in memory as sources, and return results as the same kind of data.

pandas and polars are not imported here: a caller with such data has already imported them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from noisify.core.errors import UsageError
from noisify.core.lazy_libraries import pa, pd, pl
from noisify.formats import memory_frames, memory_tables
from noisify.formats.arrow import columns
from noisify.formats.memory_arrays import ArrayInMemory, MaskedArrayInMemory
from noisify.formats.numpy_fields import ARRAY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr
    from numpy.typing import NDArray

    from noisify.formats.memory import InMemory

_LAZY = "noisify.dask.add_noise makes a lazy noisy copy"


class Held(NamedTuple):
    """A caller's data, wrapped to get noise.

    Attributes:
        source: The data as a source and a sink.
        given_back: Converts the source's result to the caller's kind of data.
    """

    source: InMemory[Any, Any]
    given_back: Callable[[Any], Any] = lambda noisy: noisy


def hold(data: object) -> Held:
    """Wrap data as a source and a sink.

    Args:
        data: A NumPy array, perhaps masked; a DataFrame or Series of pandas or polars; an array of
            xarray; or anything that exports an Arrow stream or array.

    Raises:
        UsageError: If it is something else, or cannot be read as a table.
    """
    if isinstance(data, np.ndarray):
        return _hold_array(data)
    if "pandas" in sys.modules and isinstance(data, pd.DataFrame | pd.Series):
        return _hold_pandas(data)
    if "polars" in sys.modules and isinstance(data, pl.DataFrame | pl.Series):
        return _hold_polars(data)
    if "xarray" in sys.modules and isinstance(data, sys.modules["xarray"].DataArray):
        return _hold_xarray(data)
    if hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
        return _hold_arrow(data)
    raise UsageError(f"data is of type {type(data).__name__}; {_instead(data)}")


def _hold_array(data: NDArray[Any]) -> Held:
    if data is np.ma.masked:
        raise UsageError("data is the constant np.ma.masked; give a masked array")
    if isinstance(data, np.ma.MaskedArray):
        return Held(MaskedArrayInMemory(data))
    return Held(ArrayInMemory(data))


def _hold_pandas(data: pd.DataFrame | pd.Series[Any]) -> Held:
    if isinstance(data, pd.DataFrame):
        return Held(memory_frames.FrameInMemory(data))
    frame = data.to_frame(ARRAY_NAME if data.name is None else data.name)
    return Held(
        memory_frames.FrameInMemory(frame), lambda noisy: noisy.iloc[:, 0].rename(data.name)
    )


def _hold_polars(data: pl.DataFrame | pl.Series) -> Held:
    if isinstance(data, pl.DataFrame):
        return Held(memory_tables.PolarsInMemory(data))
    frame = data.to_frame(data.name or ARRAY_NAME)
    return Held(
        memory_tables.PolarsInMemory(frame), lambda noisy: noisy.to_series().rename(data.name)
    )


def _hold_xarray(data: xr.DataArray) -> Held:
    if data.chunks is not None:
        raise UsageError(f"data is in chunks of Dask; {_LAZY}")
    return _hold_array(data.to_numpy())._replace(given_back=lambda noisy: data.copy(data=noisy))


def _instead(data: object) -> str:
    """Return advice on what to pass instead of data of an unknown kind."""
    if isinstance(data, str | bytes) or hasattr(data, "__fspath__"):
        return "for files there is noisify_file(source, output)"
    if "polars" in sys.modules and isinstance(data, pl.LazyFrame):
        return "give data.collect()"
    if type(data).__module__.startswith("dask."):
        return _LAZY
    if isinstance(data, list | tuple | range | int | float | complex | np.generic):
        return "give np.asarray(data)"
    return (
        "give a NumPy array, a pandas or polars DataFrame or Series, an Arrow table, or anything "
        "else with __arrow_c_stream__"
    )


def _hold_arrow(data: object) -> Held:
    """Wrap the data of an Arrow producer.

    pyarrow's own arrays and record batches are returned as such, the data of other producers of
    tables as an Arrow table, and of single columns as a chunked array.
    """
    if isinstance(data, pa.Array):
        table = pa.table({ARRAY_NAME: data})
        return Held(
            memory_tables.TableInMemory(table), lambda noisy: columns.whole(noisy.column(0))
        )
    try:
        table = data if isinstance(data, pa.Table) else pa.table(data)
    except (pa.ArrowInvalid, TypeError, ValueError):  # it may be a single column
        table = pa.table({ARRAY_NAME: _column(data)})
        return Held(memory_tables.TableInMemory(table), lambda noisy: noisy.column(0))
    if isinstance(data, pa.RecordBatch):
        return Held(memory_tables.TableInMemory(table), _one_batch)
    return Held(memory_tables.TableInMemory(table))


def _column(data: object) -> pa.ChunkedArray:
    """Import the single column of an Arrow producer.

    Raises:
        UsageError: If pyarrow cannot read it.
    """
    try:
        return pa.chunked_array(data)
    except (pa.ArrowException, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(
            f"data is of type {type(data).__name__}, which Arrow cannot read: {reason}"
        ) from None


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    arrays = [columns.whole(column) for column in table.columns]
    return pa.RecordBatch.from_arrays(arrays, schema=table.schema)

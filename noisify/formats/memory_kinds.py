"""What a caller may hand over in memory: which source it is, and how to give the same kind back.

pandas and polars are not imported here: whoever hands their data over has imported them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from noisify.core.errors import UsageError
from noisify.formats.memory import FrameInMemory
from noisify.formats.memory_arrays import ArrayInMemory, MaskedArrayInMemory
from noisify.formats.memory_tables import PolarsInMemory, TableInMemory
from noisify.formats.npy.source import ARRAY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Source = ArrayInMemory | FrameInMemory | TableInMemory


class Held(NamedTuple):
    """Data of a caller, ready to get noise.

    Attributes:
        source: The data as a source and a sink.
        given_back: Returns the source's result as the kind of data that was given.
    """

    source: Source
    given_back: Callable[[Any], Any]


def hold(data: Any) -> Held:  # noqa: ANN401
    """Return data as a source and a sink.

    Args:
        data: A NumPy array, masked ones included; a DataFrame or Series of pandas or polars; or
            anything that exports an Arrow stream or array.

    Raises:
        UsageError: If it is something else, or cannot be read as a table.
    """
    if isinstance(data, np.ndarray):
        return _hold_array(data)
    for library, hold_its in (("pandas", _hold_pandas), ("polars", _hold_polars)):
        if _is_a(data, library, "DataFrame") or _is_a(data, library, "Series"):
            return hold_its(data)
    if hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
        return _hold_arrow(data)
    raise UsageError(f"data is a {type(data).__name__}; {_instead(data)}")


def _hold_array(data: NDArray[Any]) -> Held:
    if data is np.ma.masked:
        raise UsageError("data is the constant np.ma.masked; give a masked array")
    if isinstance(data, np.ma.MaskedArray):
        return Held(MaskedArrayInMemory(data), _itself)
    return Held(ArrayInMemory(data), _itself)


def _hold_pandas(data: Any) -> Held:  # noqa: ANN401
    if _is_a(data, "pandas", "DataFrame"):
        return Held(FrameInMemory(data), _itself)
    frame = data.to_frame(ARRAY_NAME if data.name is None else data.name)
    return Held(FrameInMemory(frame), lambda noisy: noisy.iloc[:, 0].rename(data.name))


def _hold_polars(data: Any) -> Held:  # noqa: ANN401
    if _is_a(data, "polars", "DataFrame"):
        return Held(PolarsInMemory(data), _itself)
    frame = data.to_frame(data.name or ARRAY_NAME)
    return Held(PolarsInMemory(frame), lambda noisy: noisy.to_series().rename(data.name))


def _itself(noisy: Any) -> Any:  # noqa: ANN401
    return noisy


def _is_a(data: Any, library: str, name: str) -> bool:  # noqa: ANN401
    """Return whether data is of a library's class, or of one derived from it."""
    module = sys.modules.get(library)
    return module is not None and isinstance(data, getattr(module, name))


def _instead(data: Any) -> str:  # noqa: ANN401
    """Return what to hand over instead of data of an unknown kind."""
    if isinstance(data, str | bytes) or hasattr(data, "__fspath__"):
        return "for files there is noisify_file(source, output)"
    if _is_a(data, "polars", "LazyFrame"):
        return "give data.collect()"
    if isinstance(data, list | tuple | range | int | float | complex | np.generic):
        return "give np.asarray(data)"
    return (
        "give a NumPy array, a pandas or polars DataFrame or Series, an Arrow table, or anything "
        "else with __arrow_c_stream__"
    )


def _hold_arrow(data: Any) -> Held:  # noqa: ANN401
    """Return what an Arrow producer exports as a source.

    pyarrow's own arrays and record batches are given back as such; whatever else exports tables,
    as an Arrow table, and whatever exports a single column, as a chunked array.
    """
    import pyarrow as pa  # noqa: PLC0415 - slow to import, and arrays do without

    if isinstance(data, pa.Array):
        table = pa.table({ARRAY_NAME: data})
        return Held(TableInMemory(table), lambda noisy: _whole(noisy.column(0)))
    try:
        table = data if isinstance(data, pa.Table) else pa.table(data)
    except (pa.ArrowInvalid, TypeError, ValueError):  # it may be a single column
        table = pa.table({ARRAY_NAME: _column(data)})
        return Held(TableInMemory(table), lambda noisy: noisy.column(0))
    if isinstance(data, pa.RecordBatch):
        return Held(TableInMemory(table), _one_batch)
    return Held(TableInMemory(table), _itself)


def _column(data: Any) -> Any:  # noqa: ANN401
    """Return what an Arrow producer exports as one column.

    Raises:
        UsageError: If it exports what Arrow cannot read.
    """
    import pyarrow as pa  # noqa: PLC0415 - as above

    try:
        return pa.chunked_array(data)
    except (pa.ArrowException, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(
            f"data is a {type(data).__name__} that Arrow cannot read: {reason}"
        ) from None


def _whole(column: Any) -> Any:  # noqa: ANN401
    from noisify.formats.arrow.columns import whole  # noqa: PLC0415 - as above

    return whole(column)


def _one_batch(table: Any) -> Any:  # noqa: ANN401
    import pyarrow as pa  # noqa: PLC0415 - as above

    columns = [_whole(column) for column in table.columns]
    return pa.RecordBatch.from_arrays(columns, schema=table.schema)

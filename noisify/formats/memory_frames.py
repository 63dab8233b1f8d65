"""Pandas DataFrames in memory as sources and sinks.

The caller has already imported pandas, and so pyarrow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import pandas as pd
import pyarrow as pa

from noisify.core.chunk import Chunk, Column, Field, Positions
from noisify.core.dtypes import NumberType
from noisify.core.errors import UsageError
from noisify.core.overriding import override
from noisify.formats.arrow import columns
from noisify.formats.memory import RangesInMemory
from noisify.formats.numpy_fields import kind_of_dtype, value_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from pandas.api.extensions import ExtensionArray, ExtensionDtype

    from noisify.formats.interface import NoisyColumn


class FrameInMemory(RangesInMemory[tuple[range, list["NoisyColumn"]]]):
    """A pandas DataFrame and its noisy copy.

    Args:
        frame: Any DataFrame; columns of NumPy and nullable dtypes can get noise.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        names = [str(name) for name in frame.columns]
        if len(set(names)) < len(names):
            raise UsageError("the DataFrame has two columns of the same name; rename one")
        self._frame = frame
        self._places = {name: place for place, name in enumerate(names)}
        self._noisy: dict[str, Any] = {}
        fields = (_field_of_dtype(n, frame.dtypes.iloc[at]) for n, at in self._places.items())
        self._describe(fields, len(frame), 8 * max(1, len(names)))

    def decode(self, raw: range, wanted: Sequence[Field]) -> Chunk:
        """Decode some rows of the wanted columns."""
        positions = Positions.range(raw.start, raw.stop)
        found = []
        for field in wanted:
            if field.number is None:
                continue
            series = self._frame.iloc[raw.start : raw.stop, self._places[field.name]]
            if _is_arrow(series.dtype):
                values = columns.whole(pa.array(series.array))
                found.append(columns.column_of(field, values, positions))
                continue
            missing = np.asarray(series.isna(), bool)
            if field.number.kind in {"text", "time"}:
                found.append(_words(field, series, missing, positions))
                continue
            if isinstance(series.dtype, np.dtype):
                values, missing = series.to_numpy(), np.zeros(len(series), bool)
            else:
                values = series.to_numpy(field.number.dtype, na_value=field.number.dtype.type(0))
            values = values.astype(field.number.dtype, copy=False)
            valid = ~missing if missing.any() else None
            count = int(np.count_nonzero(missing))
            found.append(Column(field, field.number, positions, values, valid, nulls=count))
        return Chunk(tuple(found), rows=positions)

    @override
    def condition_values(self, raw: range, chunk: Chunk, names: Iterable[str]) -> dict[str, Any]:
        """Return some rows of columns as Arrow arrays; NaN counts as null, as in pandas.

        Raises:
            UsageError: If a column holds values of different types.
        """
        found = {}
        for name in names:
            series = self._frame.iloc[raw.start : raw.stop, self._places[name]]
            try:
                values = pa.Array.from_pandas(series)
            except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
                raise UsageError(
                    f"holds {series.dtype} values that --where cannot compare; convert them first",
                    field=name,
                ) from None
            found[name] = columns.comparable(columns.whole(values))
        return found

    @override
    def encode(
        self, raw: range, chunk: Chunk, noisy: Sequence[NoisyColumn]
    ) -> tuple[range, list[NoisyColumn]]:
        """Return the noisy columns with their rows."""
        return raw, list(noisy)

    def write(self, encoded: tuple[range, list[NoisyColumn]]) -> None:
        """Store the changed cells in a copy of each column."""
        rows, noisy = encoded
        for result in noisy:
            name = result.column.field.name
            dtype = self._frame.dtypes.iloc[self._places[name]]
            if name not in self._noisy:
                self._noisy[name] = self._frame.iloc[:, self._places[name]].array.copy()
            if result.changed.any():
                at = np.flatnonzero(result.changed)
                values: Any = _given_back(result, at, self._noisy[name])
                if str(dtype) == "category":
                    self._noisy[name], values = _as_categories(self._noisy[name], values, name)
                self._noisy[name][rows.start + at] = values
                if result.erased is not None:
                    missing = rows.start + np.flatnonzero(result.erased)
                    self._noisy[name][missing] = _null_of(dtype)

    def expect_nulls(self, names: Iterable[str]) -> None:
        """Convert integers and booleans that may lose values to pandas' nullable types.

        Unlike floats, these keep whole numbers exact if some are missing.
        """
        for name in names:
            series = self._frame.iloc[:, self._places[name]]
            dtype = series.dtype
            if isinstance(dtype, np.dtype) and dtype.kind in "iub":
                self._noisy[name] = pd.array(series.to_numpy(dtype.newbyteorder("=")))
            else:
                self._noisy[name] = series.array.copy()

    def result(self) -> pd.DataFrame:
        """Return the noisy DataFrame."""
        frame = self._frame.copy()
        for name, array in self._noisy.items():
            place = self._places[name]
            series: Any = type(frame.iloc[:, place])(array, index=frame.index)
            frame.isetitem(place, series)
        return frame


def _words(
    field: Field, series: pd.Series[Any], missing: NDArray[np.bool_], positions: Positions
) -> Column:
    """Decode a column of texts or times."""
    number = field.number
    if number is None:
        raise AssertionError(field)
    if number.kind == "time":
        if getattr(series.dtype, "tz", None) is not None:
            series = series.dt.tz_convert(None)  # to UTC without a zone
        values = series.to_numpy().view(np.int64)
    else:
        values = np.full(len(series), "", object)
        values[~missing] = [str(text) for text in series[~missing].tolist()]
    valid = ~missing if missing.any() else None
    return Column(field, number, positions, values, valid, int(np.count_nonzero(missing)))


def _is_arrow(dtype: object) -> TypeGuard[pd.ArrowDtype]:
    """Return whether a pandas dtype is backed by Arrow."""
    return hasattr(dtype, "pyarrow_dtype")


def _given_back(result: NoisyColumn, at: NDArray[np.int64], array: ExtensionArray) -> object:
    """Convert noisy values to the dtype of a DataFrame's column."""
    values = result.values[at]  # noqa: PD011 - not a pandas object
    if _is_arrow(array.dtype):
        return pd.array(
            columns.array_of(values, array.dtype.pyarrow_dtype, None), dtype=array.dtype
        )
    if result.column.number.kind != "time":
        return values
    tick = result.column.number.tick
    unit = next(unit for unit, length in columns.TICKS.items() if length == tick)
    if array.dtype.kind == "m":
        return pd.array(values.view(f"m8[{unit}]"))
    moments = pd.array(values.view(f"M8[{unit}]"))
    zone = getattr(array.dtype, "tz", None)
    return moments if zone is None else moments.tz_localize("UTC").tz_convert(zone)


def _as_categories(
    array: pd.Categorical, texts: NDArray[Any], name: str
) -> tuple[pd.Categorical, list[object]]:
    """Add noisy texts to the categories of a column; return it, and the texts' categories.

    Raises:
        UsageError: If a noisy text is new, and the categories are not texts.
    """
    known = {str(category): category for category in array.categories}
    new = [text for text in dict.fromkeys(texts.tolist()) if text not in known]
    if new and not all(isinstance(category, str) for category in array.categories):
        raise UsageError(
            f"has categories that are no texts, and {new[0]!r} is none of them; convert it to str",
            field=name,
        )
    if new:
        array = array.add_categories(new)
    return array, [known.get(text, text) for text in texts.tolist()]


def _null_of(dtype: np.dtype[Any] | ExtensionDtype) -> object:
    """Return the missing value of a pandas dtype."""
    if not isinstance(dtype, np.dtype):
        return dtype.na_value
    if dtype.kind in "Mm":
        return np.array("NaT", dtype)[()]
    if dtype.kind in "iub":
        return pd.NA
    return np.nan


def _field_of_dtype(name: str, dtype: np.dtype[Any] | ExtensionDtype) -> Field:
    """Return the field of a pandas column."""
    if _is_arrow(dtype):
        held = dtype.pyarrow_dtype
        return Field(name, columns.kind_of(held), str(dtype), columns.value_type(held))
    numpy_dtype = dtype if isinstance(dtype, np.dtype) else getattr(dtype, "numpy_dtype", None)
    if getattr(dtype, "tz", None) is not None:
        numpy_dtype = np.dtype(f"M8[{getattr(dtype, 'unit', None)}]")
    if numpy_dtype is None or numpy_dtype.kind == "O":
        if str(dtype) in {"str", "string", "object", "category"}:
            return Field(name, "text", str(dtype), NumberType("text", np.dtype(object)))
        return Field(name, "other", str(dtype))
    number = value_type(numpy_dtype)
    return Field(name, kind_of_dtype(numpy_dtype), str(dtype), number)

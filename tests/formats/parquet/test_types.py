"""Parquet for every type, encoding and codec: what gets no noise is the same for other readers.

What does get noise gets that of Arrow IPC, and every reader reads it.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from arrow_types import ROWS, TYPES
from run_command import noisy_file, normal_noise, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def is_stored(column: pa.Array) -> bool:
    """Return whether Parquet has the type, and pyarrow reads what it has written."""
    file = pa.BufferOutputStream()
    try:
        pq.write_table(pa.table({"c": column}), file, row_group_size=4)
        pq.read_table(pa.BufferReader(file.getvalue()))
    except (pa.ArrowException, NotImplementedError):
        return False
    return True


STORED = [name for name, column in TYPES.items() if is_stored(column)]
NOISY = [
    name
    for name in STORED
    if name.startswith(("int", "uint", "float", "decimal", "list", "large_list", "map", "tensor"))
    and name not in {"list of dictionaries", "list_view", "large_list_view"}
]
READERS: dict[str, Callable[[Path], Any]] = {
    "pyarrow": lambda path: pq.read_table(path).to_pydict(),
    "polars": lambda path: pl.read_parquet(path).to_dict(as_series=False),
    "duckdb": lambda path: duckdb.sql(f"from '{path}'").fetchall(),
}
OTHERS_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException, duckdb.Error)


def read(reader: str, path: Path) -> Any:
    """Return what a reader reads; None if it cannot."""
    try:
        return READERS[reader](path)
    except (pa.ArrowException, *OTHERS_ERRORS, NotImplementedError):
        return None


@pytest.mark.parametrize("name", STORED)
def test_columns_that_get_no_noise_are_kept(tmp_path: Path, name: str) -> None:
    source = tmp_path / "in.parquet"
    table = pa.table({"x": [1.5] * ROWS, "c": TYPES[name], "n": range(ROWS)})
    pq.write_table(table, source, row_group_size=4)

    target = noisy_file(source, "-c", "x", "-s", 1)

    after = pq.read_table(target)
    assert after.schema.equals(pq.read_table(source).schema, check_metadata=True)
    assert (1.5 + normal_noise("x", ROWS)).tolist() == after["x"].to_pylist()
    pq.write_table(table.set_column(0, "x", after["x"]), source, row_group_size=4)
    found = {reader: (read(reader, source), read(reader, target)) for reader in READERS}
    assert found["pyarrow"][0] is not None
    for before, noisy in found.values():
        assert repr(before) == repr(noisy)


@pytest.mark.parametrize("name", STORED)
def test_at_level_zero_the_bytes_are_the_same(tmp_path: Path, name: str) -> None:
    source = tmp_path / "in.parquet"
    pq.write_table(pa.table({"x": [1.5] * ROWS, "c": TYPES[name]}), source, row_group_size=4)

    assert noisy_file(source, "-c", "x", "-s", 0).read_bytes() == source.read_bytes()


@pytest.mark.parametrize("name", NOISY)
def test_noise_is_that_of_arrow(tmp_path: Path, name: str) -> None:
    stored, source = tmp_path / "in.parquet", tmp_path / "in.arrow"
    pq.write_table(pa.table({"n": range(ROWS), "c": TYPES[name]}), stored, row_group_size=4)
    table = pq.read_table(stored)
    with pa.ipc.new_file(source, table.schema) as writer:
        writer.write_table(table)
    level = ("-s", 3, "-c", r"/^c(\[\])?(\.value)?$/")

    parquet, arrow = noisy_file(stored, *level), noisy_file(source, *level)

    after = pq.read_table(parquet)
    assert repr(after.to_pydict()) == repr(pa.ipc.open_file(arrow).read_all().to_pydict())
    assert repr(after["c"].to_pylist()) != repr(table["c"].to_pylist())
    for reader in ("polars", "duckdb"):
        assert (read(reader, stored) is None) == (read(reader, parquet) is None)


COUNT = 300
COLUMNS = {
    "PLAIN": pa.array(np.arange(COUNT) % 7 / 4),
    "BYTE_STREAM_SPLIT": pa.array(np.arange(COUNT, dtype="f4")),
    "DELTA_BINARY_PACKED": pa.array(np.arange(COUNT, dtype="i4")),
    "DELTA_LENGTH_BYTE_ARRAY": pa.array([f"word {at % 9}" for at in range(COUNT)]),
    "DELTA_BYTE_ARRAY": pa.array([f"word {at:04}" for at in range(COUNT)]),
    "dictionary": pa.array([None, 1, 2, 3] * (COUNT // 4), pa.int64()),
}


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
@pytest.mark.parametrize("pages", ["1.0", "2.0"])
@pytest.mark.parametrize("encoding", COLUMNS)
def test_every_encoding_and_codec_is_read_by_all(
    tmp_path: Path, encoding: str, pages: str, codec: str
) -> None:
    source = tmp_path / "in.parquet"
    table = pa.table({"c": COLUMNS[encoding], "kept": COLUMNS[encoding]})
    options: dict[str, Any] = {"use_dictionary": True}
    if encoding != "dictionary":
        encodings = dict.fromkeys(("c", "kept"), encoding)
        options = {"use_dictionary": False, "column_encoding": encodings}
    pq.write_table(
        table, source, row_group_size=200, compression=codec, data_page_version=pages, **options
    )
    texts = pa.types.is_string(COLUMNS[encoding].type)
    model = ("-d", "typo", "--rate", 0.5) if texts else ("-s", 1)

    target = noisy_file(source, "-c", "c", *model)

    first, second, third = (read(reader, target) for reader in READERS)
    assert first == second
    assert [*zip(first["c"], first["kept"], strict=True)] == third
    assert first["kept"] == COLUMNS[encoding].to_pylist() != first["c"]
    before, after = (pq.read_metadata(path).row_group(0).column(1) for path in (source, target))
    assert (before.encodings, before.compression) == (after.encodings, after.compression)


@pytest.mark.parametrize("year", [1, 9999])
@pytest.mark.parametrize(
    "options", [("-c", "t", "-s", "90s"), ("-d", "duplicate-rows", "--rate", 1)]
)
def test_int96_beyond_nanoseconds_is_refused(tmp_path: Path, year: int, options: Any) -> None:
    """Arrow would read another time, without a word."""
    times = pa.array([dt.datetime(year, 12, 31), None], pa.timestamp("us"))  # noqa: DTZ001 - the file's
    source = tmp_path / "in.parquet"
    table = pa.table({"t": times, "x": [1.5, 2.5]})
    pq.write_table(table, source, use_deprecated_int96_timestamps=True)

    done = run(source, "-o", tmp_path / "out.parquet", *options, "--seed", 1)

    assert (3, 1) == (done.status, len(done.lines))
    assert "field 't': holds times outside 1677 to 2262 as INT96" in done.messages
    assert [source] == list(tmp_path.iterdir())
    after = pq.ParquetFile(noisy_file(source, "-s", 1), coerce_int96_timestamp_unit="us").read()
    assert after["t"].to_pylist() == times.to_pylist()


@pytest.mark.parametrize("suffix", [".csv", ".arrow"])
def test_int96_beyond_nanoseconds_is_not_converted(tmp_path: Path, suffix: str) -> None:
    times = pa.array([dt.datetime(9999, 12, 31)], pa.timestamp("us"))  # noqa: DTZ001 - the file's
    source = tmp_path / "in.parquet"
    pq.write_table(pa.table({"t": times}), source, use_deprecated_int96_timestamps=True)

    done = run(source, "-o", tmp_path / f"out{suffix}", "-s", 1)

    assert (3, 1) == (done.status, len(done.lines))
    assert [source] == list(tmp_path.iterdir())

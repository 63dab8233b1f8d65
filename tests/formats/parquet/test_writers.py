"""Parquet of writers that readers treat in a way of their own, and of values beyond their type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest import mock

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import noisy_file, normal_noise, run

from noisify.formats.parquet import thrift

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 200
NOW = b"parquet-cpp-arrow version " + pa.__version__.encode()
WRITERS = (
    "parquet-cpp version 1.5.1", "parquet-cpp version 1.2.0", "parquet-mr version 1.7.0",
    "parquet-mr version 1.10.1", "parquet-mr version 1.2.8", "impala version 2.1", "Polars",
    "fastparquet-python 0.8", "parquet-cpp-arrow version 1.0", "DuckDB v1", "", "no one's",
)  # fmt: skip
CODECS = ("none", "snappy", "gzip", "zstd", "lz4", "brotli")


def write(path: Path, table: pa.Table, writer: str, **options: Any) -> Path:
    """Write a file that says that other software has written it."""
    pq.write_table(table, path, **options)
    data = path.read_bytes()
    path.write_bytes(data.replace(NOW, writer.encode().ljust(len(NOW))[: len(NOW)]))
    return path


@pytest.mark.one_in(2)
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("pages", ["1.0", "2.0"])
@pytest.mark.parametrize("writer", WRITERS)
def test_noisy_columns_of_any_writer_can_be_read(
    tmp_path: Path, writer: str, pages: str, codec: str
) -> None:
    """Equal values are compressed whatever the writer, and noise hardly can be."""
    table = pa.table({"x": [1.5] * ROWS, "n": [7] * ROWS, "s": ["a"] * ROWS})
    options = {"data_page_version": pages, "compression": codec, "use_dictionary": False}
    source = write(tmp_path / "in.parquet", table, writer, **options)

    target = noisy_file(source, "-s", 0.5, "-c", "x")

    expected = (1.5 + 0.5 * normal_noise("x", ROWS)).tolist()
    for after in (
        pq.read_table(target).to_pydict(),
        pl.read_parquet(target).to_dict(as_series=False),
        duckdb.sql(f"from '{target}'").arrow().read_all().to_pydict(),
    ):
        assert after == {"x": expected, "n": [7] * ROWS, "s": ["a"] * ROWS}
    assert pq.read_metadata(target).created_by == pq.read_metadata(source).created_by


V2 = {"data_page_version": "2.0", "compression": "snappy", "use_dictionary": False}


@pytest.mark.parametrize(
    ("writer", "page_type"), [("parquet-mr version 1.13.1", 3), ("parquet-cpp version 1.5.1", 0)]
)
def test_pages_of_version_2_stay_so_where_readers_take_them_as_they_are(
    tmp_path: Path, writer: str, page_type: int
) -> None:
    source = write(tmp_path / "in.parquet", pa.table({"x": [1.5] * ROWS}), writer, **V2)

    target = noisy_file(source, "-s", 1)

    page = pq.read_metadata(target).row_group(0).column(0).data_page_offset
    assert thrift.read_until(target.read_bytes()[page:], 1)[1] == page_type


def test_a_noisy_file_that_cannot_be_read_back_gets_no_name(tmp_path: Path) -> None:
    table = pa.table({"x": [1.5] * ROWS})
    source = write(tmp_path / "in.parquet", table, "parquet-cpp version 1.5.1", **V2)

    with mock.patch("noisify.formats.parquet.source.needs_plain_pages", return_value=False):
        done = run(source, "-o", tmp_path / "out.parquet", "-s", 1, "--seed", 1)

    assert (2, 1) == (done.status, len(done.lines))
    assert "field 'x': could not be read after noise" in done.messages
    assert [source] == list(tmp_path.iterdir())


@pytest.mark.parametrize("stored", [True, False])
def test_decimals_beyond_their_precision_are_left(tmp_path: Path, stored: bool) -> None:  # noqa: FBT001 - a parameter
    raw = b"".join(number.to_bytes(16, "little", signed=True) for number in (12345, 15, -1234))
    decimals = pa.Array.from_buffers(pa.decimal128(3, 1), 3, [None, pa.py_buffer(raw)])
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(pa.table({"d": decimals}), source, store_decimal_as_integer=stored)

    same = run(source, "-s", 0, "-c", "d", "--seed", 1)
    done = run(source, "-s", 1, "-c", "d", "--seed", 1, "-o", target)

    assert same.output == source.read_bytes()
    note = f"{source}, field 'd': 2 cells not within the field's precision, left alone"
    assert (0, [f"noisify: note: {note}"]) == (done.status, done.lines)
    found = [int(10 * value) for value in pq.read_table(target)["d"].to_pylist()]
    assert [12345, 15 + round(10 * normal_noise("d", 2)[1]), -1234] == found


def test_a_field_of_decimals_beyond_their_precision_is_refused(tmp_path: Path) -> None:
    raw = (12345).to_bytes(16, "little")
    decimals = pa.Array.from_buffers(pa.decimal128(3, 1), 1, [None, pa.py_buffer(raw)])
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(pa.table({"d": decimals}), source)

    done = run(source, "-s", 1, "-c", "d", "--seed", 1, "-o", target)

    assert (3, 1) == (done.status, len(done.lines))
    assert "no cell is within the field's precision, the first is '1234.5'" in done.messages
    assert not target.exists()

"""The largest resident set of a run, as the system reports it, on files larger than the bound."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv
from run_command import clean_environment

BOUND = 400
"""MB that a run may take, besides one row group or chunk."""
MB = 1_000_000
ROWS = 1 << 22

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not Path("/proc/self/status").exists(), reason="only Linux says what a process's peak was"
    ),
]

RUN = """
import sys
from noisify.cli import main
try:
    main(sys.argv[1:])
except SystemExit as stop:
    assert stop.code == 0, stop.code
with open("/proc/self/status") as status:
    print(*[line.split()[1] for line in status if line.startswith("VmHWM")])
"""


def peak(source: Path, *arguments: object) -> float:
    """Run the command on a file; return the largest resident set in MB."""
    target = source.with_name(f"noisy-{source.name}")
    command = [sys.executable, "-c", RUN, source, "-o", target, "--seed", "1", "-q", *arguments]
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        env=clean_environment({}),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert target.stat().st_size > source.stat().st_size / 2
    target.unlink()
    source.unlink()
    return int(done.stdout) * 1024 / MB


def test_a_csv_larger_than_the_bound(tmp_path):
    lines = "".join(
        f"{at},{at / 7:.12f},{at % 13},some text of a few words\n" for at in range(20000)
    )
    with (tmp_path / "in.csv").open("w") as file:
        file.write("id,x,y,note\n")
        for _ in range(550 * MB // len(lines)):
            file.write(lines)

    assert peak(tmp_path / "in.csv", "-s", 0.5, "-c", "x,y") < BOUND


def test_a_csv_line_after_line_of_megabytes(tmp_path):
    with (tmp_path / "in.csv").open("w") as file:
        file.write("x,note\n")
        for _ in range(60):
            file.write("1.5," + "n" * (8 * MB) + "\n")

    assert peak(tmp_path / "in.csv", "-s", 0.5) < BOUND


@pytest.mark.parametrize("name", ["in.csv", "in.npy"])
def test_a_bound_that_is_given_is_kept_whatever_else_is_asked_for(tmp_path, name):
    if name == "in.csv":
        (tmp_path / name).write_text("id,x,note\n" + "12,3.25,some text\n" * 3_000_000)
    else:
        np.lib.format.open_memmap(tmp_path / name, "w+", "u1", (64 * MB,))[::4096] = 1
    large = ("--jobs", 16, "--chunk-size", "64MiB")

    assert peak(tmp_path / name, "-s", 0.5, "-c", "*", *large, "--max-memory", "150MB") < 158


@pytest.mark.parametrize("level", ["0.5", "0.1sd", "0.1iqr"])
def test_an_npy_larger_than_the_bound(tmp_path, level):
    array = np.lib.format.open_memmap(tmp_path / "in.npy", "w+", "f8", (64 * MB,))
    array[::4096] = 1
    del array

    assert peak(tmp_path / "in.npy", "-s", level) < BOUND


def test_an_npy_in_fortran_order(tmp_path):
    shape = (8000, 8000)
    array = np.lib.format.open_memmap(tmp_path / "in.npy", "w+", "f8", shape, fortran_order=True)
    del array

    assert peak(tmp_path / "in.npy", "-s", 0.5) < BOUND


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(None, id="contiguous"),
        pytest.param((1 << 20, 8), id="chunks-of-many-rows"),
        pytest.param((1 << 20, 1), id="chunks-against-the-row-order"),
        pytest.param((64, 64), id="small-chunks"),
    ],
)
def test_an_hdf5_dataset_larger_than_the_bound(tmp_path, chunks):
    options = {} if chunks is None else {"chunks": chunks, "compression": "gzip"}
    rows, columns = 1 << 20, 64
    with h5py.File(tmp_path / "in.h5", "w", rdcc_nbytes=1 << 27) as file:
        dataset = file.create_dataset("x", (rows, columns), "f8", **options)
        width = columns if chunks is None else chunks[1]
        step = rows if width < columns else rows // 8
        for row in range(0, rows, step):
            for column in range(0, columns, width):
                dataset[row : row + step, column : column + width] = np.full((step, width), 0.5)
    biggest = 0 if chunks is None else np.prod(chunks) * 8 / MB

    assert peak(tmp_path / "in.h5", "-s", 0.5) < BOUND + biggest


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        pytest.param(8, 1 << 17, id="small-row-groups"),
        pytest.param(12, ROWS, id="row-groups-of-400-MB"),
    ],
)
def test_a_parquet_file_larger_than_the_bound(tmp_path, columns, rows):
    values = np.random.default_rng(1).normal(size=rows)
    table = pa.table({f"c{at}": values for at in range(columns)})
    with pq.ParquetWriter(tmp_path / "in.parquet", table.schema) as writer:
        for _ in range(max(1, (500 * MB) // table.nbytes)):
            writer.write_table(table, row_group_size=rows)
    group = table.nbytes / MB

    assert peak(tmp_path / "in.parquet", "-s", 0.5, "-c", "c0,c1,c2") < BOUND + group


def test_a_parquet_file_of_thousands_of_columns_with_a_level_of_each(tmp_path):
    values = np.random.default_rng(1).normal(size=60)
    pq.write_table(pa.table({f"c{at}": values for at in range(4000)}), tmp_path / "in.parquet")

    assert peak(tmp_path / "in.parquet", "--noise", "*=normal:0.1iqr") < BOUND


@pytest.mark.parametrize("level", ["0.1", "0.1sd"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_of_ten_thousand_columns(tmp_path, suffix, level):
    values = np.random.default_rng(1).normal(100, 15, (10_000, 1_000)).round(4)
    table = pa.table({f"g{at}": row for at, row in enumerate(values)})
    source = tmp_path / f"in{suffix}"
    (csv.write_csv if suffix == ".csv" else pq.write_table)(table, source)
    del table, values

    assert peak(source, "-s", level) < BOUND

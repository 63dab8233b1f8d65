"""Every number in a report, computed again from the input and the output."""

from __future__ import annotations

import csv
import json
import math
from decimal import Decimal
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import run

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 9000
RNG = np.random.default_rng(3)
SIGNAL = RNG.normal(5, 2, COUNT)


def report_of(source: Path, *arguments: object) -> tuple[dict[str, Any], Path]:
    """Run, and return the report and the output."""
    target, report = source.with_name(f"noisy-{source.name}"), source.with_name("report.json")
    done = run(source, "-o", target, "--seed", 1, "-q", "--report", report, *arguments)
    assert (0, "") == (done.status, done.messages)
    return json.loads(report.read_text()), target


def measured(before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    """Return what the change of finite values comes to."""
    finite = np.isfinite(before)
    change = after[finite] - before[finite]
    power, noise = (np.mean(abs(part) ** 2) for part in (before[finite], change))
    return {
        "changed": int(np.count_nonzero(change)),
        "change_mean": change.mean().item(),
        "change_sd": change.std().item(),
        "snr_db": 10 * math.log10(power / noise),
    }


def numbers(texts: list[str]) -> np.ndarray:
    """Return cells as numbers, NaN where they are none."""

    def number(text: str) -> float:
        try:
            return float(text)
        except ValueError:
            return math.nan

    return np.array([number(text) for text in texts])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    texts = [f"{value:.3f}" for value in SIGNAL.tolist()]
    for place in range(0, COUNT, 100):
        texts[place] = ""
    for place in range(50, COUNT, 500):
        texts[place] = "oops"
    for place in range(70, COUNT, 900):
        texts[place] = "inf"
    path.write_text("id,x,n\n" + "".join(f"{i},{t},{i % 50}\n" for i, t in enumerate(texts)))
    return path


def columns(path: Path) -> dict[str, list[str]]:
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in rows[0]}


def test_counts_of_a_table(table: Path) -> None:
    report, target = report_of(table, "-s", 0.5)

    before, after = columns(table)["x"], columns(target)["x"]
    field = report["fields"]["x"]
    assert ["x"] == list(report["fields"])
    assert COUNT == field["count"]
    assert before.count("") + before.count("inf") == field["nulls"]
    assert before.count("oops") == field["not_numbers"]
    differing = sum(one != other for one, other in zip(before, after, strict=True))
    assert differing == field["changed"]
    assert (0, 0) == (field["clipped"], field["saturated"])


LEVELS = [
    pytest.param(("-s", "0.5"), id="absolute"),
    pytest.param(("-s", "5%"), id="percent"),
    pytest.param(("-s", "0.1sd"), id="sd"),
    pytest.param(("--snr", "15"), id="snr"),
    pytest.param(("-s", "1", "--clip", "3,7"), id="clipped"),
    pytest.param(("-s", "0.5", "--decimals", "1"), id="rounded"),
    pytest.param(("-s", "0.05", "--decimals", "keep"), id="as-many-decimals"),
    pytest.param(("-d", "cauchy", "-s", "0.5"), id="cauchy"),
    pytest.param(("-s", "0.5", "--loc", "3"), id="loc"),
]


@pytest.mark.parametrize("level", LEVELS)
def test_moments_of_a_table_are_those_of_what_was_written(
    table: Path, level: tuple[str, ...]
) -> None:
    report, target = report_of(table, *level)

    field = report["fields"]["x"]
    expected = measured(numbers(columns(table)["x"]), numbers(columns(target)["x"]))
    assert expected == pytest.approx({name: field[name] for name in expected}, rel=1e-9)


def test_moments_of_whole_numbers_are_those_after_rounding(table: Path) -> None:
    report, target = report_of(table, "-c", "n", "-s", 0.7)

    field = report["fields"]["n"]
    expected = measured(numbers(columns(table)["n"]), numbers(columns(target)["n"]))
    assert expected == pytest.approx({name: field[name] for name in expected}, rel=1e-9)


def test_an_snr_that_was_asked_for_is_reached(table: Path) -> None:
    report, _ = report_of(table, "--snr", 15)

    # the mean square of n normals is off by sqrt(2/n) of it
    error = 10 * math.log10(1 + 5 * math.sqrt(2 / COUNT))
    assert report["fields"]["x"]["snr_db"] == pytest.approx(15, abs=error)


def test_clipped_counts_the_values_that_noise_took_beyond_the_bounds(tmp_path: Path) -> None:
    source = tmp_path / "data.npy"
    np.save(source, SIGNAL)
    _, free = report_of(source, "-s", 1)
    unclipped = np.load(free)

    report, target = report_of(source, "-s", 1, "--clip", "3,7")

    after = np.load(target)
    field = report["fields"]["data"]
    assert np.count_nonzero((unclipped < 3) | (unclipped > 7)) == field["clipped"]
    assert (3, 7) == (after.min(), after.max())


@pytest.mark.parametrize("dtype", ["u1", "<i2", ">f4", "<f2", "<f8", "<u8"])
def test_an_array(tmp_path: Path, dtype: str) -> None:
    source = tmp_path / "data.npy"
    values = (SIGNAL * 25).clip(0, 255).astype(dtype)
    np.save(source, values)

    report, target = report_of(source, "-s", 30, "-c", "data")

    field = report["fields"]["data"]
    expected = measured(values.astype(float), np.load(target).astype(float))
    assert expected == pytest.approx({name: field[name] for name in expected}, rel=1e-6)


def test_saturated_counts_the_values_at_the_end_of_the_type(tmp_path: Path) -> None:
    source = tmp_path / "data.npy"
    np.save(source, np.array([0, 100, 200, 255, 250], np.uint8))

    report, target = report_of(source, "-s", 0, "--loc", 20)

    field = report["fields"]["data"]
    assert [20, 120, 220, 255, 255] == np.load(target).tolist()
    assert (5, 2, 4) == (field["count"], field["saturated"], field["changed"])
    assert (20 + 20 + 20 + 0 + 5) / 5 == pytest.approx(field["change_mean"])


def test_complex_numbers(tmp_path: Path) -> None:
    source = tmp_path / "data.npy"
    values = SIGNAL + 1j * SIGNAL[::-1]
    np.save(source, values)

    report, target = report_of(source, "-s", 0.5, "--loc", 1)

    field = report["fields"]["data"]
    change = np.load(target) - values
    assert [change.mean().real, change.mean().imag] == pytest.approx(field["change_mean"])
    assert change.std() == pytest.approx(field["change_sd"])
    power = np.mean(abs(values) ** 2) / np.mean(abs(change) ** 2)
    assert 10 * math.log10(power) == pytest.approx(field["snr_db"])


def test_parquet_with_nulls_and_decimals(tmp_path: Path) -> None:
    source = tmp_path / "data.parquet"
    x = [None if i % 7 == 0 else value for i, value in enumerate(SIGNAL.tolist())]
    d = [None if i % 5 == 0 else Decimal(i) / 100 for i in range(COUNT)]
    table = pa.table({"x": x, "d": pa.array(d, pa.decimal128(12, 2))})
    pq.write_table(table, source, row_group_size=700)

    report, target = report_of(source, "-s", 0.5, "-c", "x,d")

    after = pq.read_table(target)
    for name in ("x", "d"):
        field = report["fields"][name]
        old, new = (
            np.array([math.nan if value is None else float(value) for value in t[name].to_pylist()])
            for t in (table, after)
        )
        expected = measured(old, new)
        assert expected == pytest.approx({key: field[key] for key in expected}, rel=1e-6)
        assert (COUNT, table[name].null_count) == (field["count"], field["nulls"])


def test_hdf5_in_chunks_against_the_row_order(tmp_path: Path) -> None:
    source = tmp_path / "data.h5"
    values = SIGNAL.reshape(90, 100).copy()
    values[3, 4] = math.nan
    with h5py.File(source, "w") as file:
        file.create_dataset("a/b", data=values, chunks=(20, 30))

    report, target = report_of(source, "-s", 0.5)

    with h5py.File(target) as file:
        expected = measured(values, file["a/b"][()])
    field = report["fields"]["a/b"]
    assert expected == pytest.approx({name: field[name] for name in expected}, rel=1e-9)
    assert (COUNT, 1) == (field["count"], field["nulls"])


def without_names(report: dict[str, Any]) -> str:
    return json.dumps(report | {"input": "", "output": ""})


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(("--jobs", 1), id="one-job"),
        pytest.param(("--jobs", 3, "--chunk-size", 5000), id="three-jobs-small-chunks"),
        pytest.param(("--jobs", 2, "--chunk-size", "1GiB"), id="one-chunk"),
    ],
)
def test_jobs_and_chunk_size_do_not_change_a_report(
    table: Path, level: tuple[str, ...], cut: tuple[object, ...]
) -> None:
    expected, _ = report_of(table, *level)

    actual, _ = report_of(table, *level, *cut)

    assert without_names(expected) == without_names(actual)


@pytest.mark.parametrize("suffix", ["npy", "h5"])
@pytest.mark.parametrize("cut", [("--chunk-size", 5000, "--jobs", 3), ("--chunk-size", "1GiB")])
def test_jobs_and_chunk_size_do_not_change_an_arrays_report(
    tmp_path: Path, suffix: str, cut: tuple[object, ...]
) -> None:
    source = tmp_path / f"data.{suffix}"
    if suffix == "npy":
        np.save(source, SIGNAL)
    else:
        with h5py.File(source, "w") as file:
            file.create_dataset("data", data=SIGNAL.reshape(90, 100), chunks=(7, 11))

    expected, _ = report_of(source, "-s", "0.1iqr")
    actual, _ = report_of(source, "-s", "0.1iqr", *cut)

    assert without_names(expected) == without_names(actual)


def test_input_output_versions_and_seed(table: Path) -> None:
    report, target = report_of(table, "-s", 0.5)

    assert (str(table), str(target), "csv", 1) == (
        report["input"],
        report["output"],
        report["format"],
        report["seed"],
    )
    assert version("noisify-cli") == report["versions"]["noisify"]
    assert np.__version__ == report["versions"]["numpy"]


def test_the_plan_as_resolved(table: Path) -> None:
    report, _ = report_of(table, "-d", "t", "--df", 5, "--sd", "0.1sd", "--clip", "0,")

    values = numbers(columns(table)["x"])
    scale = 0.1 * values[np.isfinite(values)].std() / math.sqrt(5 / 3)
    step = report["plan"]["noise"][0]
    assert ("x", "student-t", 5.0, 0.0, [0.0, None]) == tuple(
        step[name] for name in ("field", "model", "df", "loc", "clip")
    )
    assert scale == pytest.approx(step["scale"], rel=1e-12)
    assert {"id": "not chosen", "n": "not chosen"} == report["left"]


def test_a_seed_that_was_made_up_is_in_the_report(table: Path) -> None:
    report = table.with_name("report.json")

    done = run(table, "-o", table.with_name("out.csv"), "-s", 1, "--report", report)

    assert f"noisify: seed {json.loads(report.read_text())['seed']}" in done.lines


def test_a_report_without_noise_has_no_numbers_that_json_lacks(tmp_path: Path) -> None:
    source = tmp_path / "data.csv"
    source.write_text("x\n0.0\n0.0\n")

    report, _ = report_of(source, "-s", 0)

    field = report["fields"]["x"]
    assert (0, 0.0, 0.0, None) == (
        field["changed"],
        field["change_mean"],
        field["change_sd"],
        field["snr_db"],
    )


def test_a_field_of_nulls_has_no_moments(tmp_path: Path) -> None:
    source = tmp_path / "data.parquet"
    pq.write_table(pa.table({"x": pa.array([None, None], pa.float64())}), source)

    report, _ = report_of(source, "-s", 1)

    field = report["fields"]["x"]
    assert (2, 2, None, None) == (
        field["count"],
        field["nulls"],
        field["change_mean"],
        field["snr_db"],
    )


def test_a_report_is_written_though_the_output_is_standard_output(table: Path) -> None:
    report = table.with_name("report.json")

    done = run(table, "-s", 1, "--seed", 1, "--report", report)

    assert done.status == 0
    assert json.loads(report.read_text())["output"] == "standard output"


def test_no_report_is_left_by_a_run_that_fails(table: Path) -> None:
    table.write_text("x,y\n0.5,1.5\n2.5\n")
    report = table.with_name("report.json")

    done = run(table, "-o", table.with_name("out.csv"), "-s", 1, "--report", report, "-q")

    assert done.status == 3
    assert [table] == list(table.parent.iterdir())

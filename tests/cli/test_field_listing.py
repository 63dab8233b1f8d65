"""--list-fields shows the fields of a file, and which get noise by default."""

from __future__ import annotations

import json
from datetime import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import run

ID = "no: may be an id; name it with -c"
TEXT = "no: a text; name it with -c, and a model for texts"
SAMPLES = Path(__file__).parents[2] / "sample_data"


def listed(*arguments, given=b""):
    done = run(*arguments, "--list-fields", given=given)
    assert 0 == done.status, done.messages
    return done.output.decode()


def test_a_line_a_field(tmp_path):
    (tmp_path / "a.csv").write_text("id,temp,label\n1,1.5,a\n2,,b\n3,4.5,\n")
    assert listed(tmp_path / "a.csv").splitlines()[1:] == [
        "field  kind   type     values  nulls  min  max        sd  noise by default",
        f"id     int    int64         3      0    1    3  0.816497  {ID}",
        "temp   float  float64       3      1  1.5  4.5       1.5  yes",
        f"label  text   text          -      -    -    -         -  {TEXT}",
    ]


@pytest.mark.parametrize(
    "name", ["sensors.csv", "sensors.parquet", "survey.h5", "images.npy", "audio.wav"]
)
def test_what_is_said_to_get_noise_gets_it(tmp_path, name):
    lines = listed(SAMPLES / name).splitlines()[2:]
    said = {line.split()[0] for line in lines if line.endswith("  yes")}
    report = tmp_path / "report.json"
    output = tmp_path / f"out{Path(name).suffix}"
    done = run(SAMPLES / name, "-o", output, "--seed", 1, "--report", report)
    assert 0 == done.status
    assert said == set(json.loads(report.read_text())["fields"])


def test_complex_numbers_have_no_minimum(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(6) * (1 + 2j))
    done = run(tmp_path / "x.npy", "--list-fields")
    assert (done.status, done.messages) == (0, "")
    assert done.output.decode().splitlines()[2].split()[3:7] == ["6", "0", "-", "-"]


def test_standard_input_is_listed():
    assert "x      float" in listed("-", given=b"x\n1.5\n")


def test_if_nothing_gets_noise_by_default_it_says_why(tmp_path):
    (tmp_path / "a.csv").write_text("id,year\n1,2001\n2,2002\n")
    assert "no field gets noise by default" in listed(tmp_path / "a.csv")


def test_several_files_are_listed_one_after_the_other(tmp_path):
    for name in ("a.npy", "b.npy"):
        np.save(tmp_path / name, np.zeros(3))
    text = listed(tmp_path / "a.npy", tmp_path / "b.npy")
    assert 2 == text.count("field  kind")


def test_a_file_that_is_missing_is_an_error():
    done = run("nosuch.csv", "--list-fields")
    assert 1 == done.status
    assert "nosuch.csv" in done.messages


def test_times_are_shown_as_dates_and_durations(tmp_path):
    table = tmp_path / "days.csv"
    table.write_text("day,x\n2024-03-01T06:00:00Z,1\n2024-03-01T10:00:00Z,2\n")

    listed = run(table, "--list-fields").output.decode().splitlines()
    tried = run(table, "-c", "day", "-s", "90s", "--seed", 1, "--dry-run").output.decode()

    assert listed[2].split()[5:8] == ["2024-03-01T06:00:00", "2024-03-01T10:00:00", "2h"]
    assert "    0  2024-03-01T06:00:00  2024-03-01T05:57:51\n" in tried


def test_a_day_beyond_numpys_seconds_is_shown_in_seconds(tmp_path):
    path = tmp_path / "days.npy"
    np.save(path, np.array([2**62, 0], "M8[D]"))

    assert run(path, "--list-fields").output.decode().splitlines()[2].split()[5:7] == [
        "1970-01-01",
        "3.9845e+23s",
    ]


@pytest.mark.parametrize("unit", ["h", "W"])
def test_a_time_beyond_numpys_seconds_is_previewed_in_seconds(tmp_path, unit):
    path = tmp_path / "times.npy"
    np.save(path, np.array([2**62, 0], f"M8[{unit}]"))

    done = run(path, "--preview", "-c", "data", "-s", "9d", "--seed", 1)

    seconds = 2**62 * {"h": 3600, "W": 7 * 86400}[unit]
    assert (0, "") == (done.status, done.messages)
    assert f" {seconds}"[:20] in done.output.decode()


def test_times_of_day_and_durations_are_listed_as_such(tmp_path):
    path = tmp_path / "times.parquet"
    times = pa.array([time(1, 2, 3), time(23, 59)], pa.time64("us"))
    pq.write_table(pa.table({"t": times, "d": pa.array([90_000, 0], pa.duration("ms"))}), path)

    lines = listed(path).splitlines()

    assert lines[2].split()[5:7] == ["01:02:03", "23:59:00"]
    assert lines[3].split()[5:8] == ["0s", "1.5min", "45s"]


@pytest.mark.parametrize(
    ("least", "unit"),
    [(-(2**31), pa.date32()), (-(2**63), pa.timestamp("ms"))],
    ids=["date", "time"],
)
def test_times_beyond_those_of_python_are_listed(
    least: int, unit: pa.DataType, tmp_path: Path
) -> None:
    path = tmp_path / "t.parquet"
    whole = pa.int32() if unit == pa.date32() else pa.int64()
    pq.write_table(pa.table({"when": pa.array([least, 3], whole).cast(unit)}), path)

    done = run(path, "--list-fields")

    assert (0, "") == (done.status, done.messages)

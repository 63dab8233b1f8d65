"""The summary of a run and the preview of a dry run."""

from __future__ import annotations

import json

import numpy as np
import pytest
from run_command import run

TABLE = "x,day,word,n\n" + "".join(
    f"{i / 2},2024-03-{i % 28 + 1:02d},{'ab'[i % 2]},{i % 3}\n" for i in range(400)
)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text(TABLE)
    return path


def preview(output, field):
    """Return the rows that a dry run shows of a field, as (row, before, after)."""
    lines = output.decode().split(f"\n\n{field}\n", 1)[1].split("\n\n", 1)[0].splitlines()
    assert ["row", "before", "after"] == lines[0].split()
    return [tuple(line.split()) for line in lines[1:]]


def test_a_dry_run_shows_the_first_rows_where_they_change(table):
    done = run(table, "-c", "x", "-s", "1", "--seed", 1, "-n")

    assert ["0", "1", "2", "3", "4"] == [row for row, _, _ in preview(done.output, "x")]


@pytest.mark.parametrize("size", ["64MiB", "1k"])
@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("x", ["-d", "spike", "--rate", "1%", "-s", "5"]),
        ("x", ["-s", "1", "--where", "x > 190"]),
        ("x", ["-d", "missing", "--rate", "1%"]),
        ("word", ["-d", "flip", "--rate", "1%"]),
    ],
)
def test_a_dry_run_shows_rows_that_change_where_few_do(table, tmp_path, field, options, size):
    chosen = (table, "-c", field, *options, "--seed", 4)
    target = tmp_path / "out.csv"

    rows = preview(run(*chosen, "-n", "--chunk-size", size).output, field)

    assert run(*chosen, "-o", target).status == 0
    at = TABLE.splitlines()[0].split(",").index(field)
    before, after = (
        [line.split(",")[at] for line in text.splitlines()[1:]]
        for text in (TABLE, target.read_text())
    )
    changed = [i for i in range(400) if before[i] != after[i]]
    written = [(str(i), before[i], after[i] or "(missing)") for i in changed]
    assert 0 < len(rows) <= 5
    assert written[: len(rows)] == rows


def test_a_dry_run_names_elements_of_an_array_by_their_place(tmp_path):
    values = np.asfortranarray(np.arange(600.0).reshape(20, 30))
    np.save(tmp_path / "in.npy", values)

    done = run(tmp_path / "in.npy", "-s", "9", "--where", "data == 317", "--seed", 1, "-n")

    assert [("317", "317.0")] == [row[:2] for row in preview(done.output, "data")]


def test_a_dry_run_shows_no_parameter_without_a_value(table):
    done = run(table, "-c", "x", "-d", "missing", "--seed", 1, "-n")

    said = "  x: missing, rate 0.01, mechanism mcar, shape right, burst 1\n"
    assert said in done.output.decode()


def test_a_dry_run_shows_the_axis_of_an_array_of_several(tmp_path):
    np.save(tmp_path / "in.npy", np.zeros((4, 5)))
    done = run(tmp_path / "in.npy", "-d", "ar1", "-s", 1, "-p", "axis=1", "-n")
    assert "ar1, scale 1, loc 0, rho 0.9, axis 1\n" in done.output.decode()


def test_noise_without_chance_draws_no_seed(tmp_path):
    given = b"x\n1.3\n"
    done = run("-d", "rounding", "-p", "step=0.5", "--report", tmp_path / "r.json", given=given)
    assert (b"x\n1.5\n", "") == (done.output, done.messages)
    assert 0 == json.loads((tmp_path / "r.json").read_text("utf-8"))["seed"]
    done = run("--noise", "x=rounding,step=0.5", "--noise", "x=normal:0", given=given)
    assert "noisify: seed " in done.messages


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (["-c", "x", "-s", "1"], "normal noise on x (400 of 400, sd 1."),
        (["-c", "day", "-s", "9d"], "d); left alone"),
        (["-c", "word", "-d", "flip", "--rate", "20%"], " of 400); left alone"),
        (["-c", "word", "-d", "typo", "--rate", "20%"], " of 400); left alone"),
        (["-c", "x", "-d", "missing", "--rate", "20%"], " of 400); left alone"),
    ],
)
def test_the_summary_measures_numbers_and_times_only(table, tmp_path, options, shown):
    done = run(table, *options, "-o", tmp_path / "out.csv", "--seed", 2, "-v")

    assert shown in done.lines[-1]
    assert "sd 0" not in done.lines[-1]
    assert ("SNR" in done.lines[-1]) == (options[:3] == ["-c", "x", "-s"])

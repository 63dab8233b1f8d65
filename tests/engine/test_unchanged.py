"""Nothing is silently nothing: where noise changed no element, a note says why."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

COLUMNS = "x,n,same,late,word,full\n" + "\n".join(
    f"{i / 4},{i},7.5,2024-03-{i % 9 + 1:02d},{'ab'[i % 2]},{2**63 - 1}" for i in range(40)
)
PICTURE = np.full(500, 100, "u1")
WHOLE = "whole numbers stay whole, so what is below 0.5 is rounded away; take a larger one"


def write(folder: Path, suffix: str) -> Path:
    path = folder / f"in{suffix}"
    if suffix == ".npy":
        np.save(path, PICTURE)
    elif suffix == ".parquet":
        cents = pa.array([Decimal("1.25")] * 40, pa.decimal128(9, 2))
        table = {"cents": cents, "f": pa.array([1e8] * 40, pa.float32()), "no": pa.nulls(40, "f8")}
        pq.write_table(pa.table(table), path)
    else:
        path.write_text(COLUMNS + "\n")
    return path


@pytest.mark.parametrize(
    ("suffix", "field", "options", "why"),
    [
        (".npy", "data", ["-s", "0.1"], f"a scale of 0.1 is too small: {WHOLE}"),
        (".npy", "data", ["-s", "0.1%"], f"a scale of 0.1% is too small: {WHOLE}"),
        (".csv", "n", ["-c", "n", "-s", "0.1"], f"a scale of 0.1 is too small: {WHOLE}"),
        (
            ".csv",
            "x",
            ["-c", "x", "-s", "0.001", "--decimals", "2"],
            "a scale of 0.001 is too small: --decimals 2 rounds it; take a larger one",
        ),
        (
            ".csv",
            "late",
            ["-c", "late", "-s", "90s"],
            "a scale of 90s is too small: times are kept in steps of a day; take a larger one",
        ),
        (
            ".csv",
            "x",
            ["-c", "x", "-s", "1", "--where", "n > 99"],
            "no element with a value meets --where 'n > 99'",
        ),
        (
            ".csv",
            "x",
            ["-c", "x", "-d", "missing", "--rate", "0.0001"],
            "missing at rate 0.0001 found nothing to change in 40 elements",
        ),
        (
            ".csv",
            "same",
            ["-c", "same", "-d", "timing-jitter", "-s", "1"],
            "timing-jitter found nothing to change in 40 elements",
        ),
        (
            ".csv",
            "same",
            ["-c", "same", "-s", "1", "--clip", "7.5,7.5"],
            "--clip holds every element where it is",
        ),
        (
            ".csv",
            "full",
            ["-c", "full", "-d", "exponential", "-s", "100"],
            "every element is at the end of int64's range already",
        ),
        (
            ".parquet",
            "cents",
            ["-c", "cents", "-s", "0.0001"],
            (
                "a scale of 0.0001 is too small: decimals keep 2 digits after the point; "
                "take a larger one"
            ),
        ),
        (
            ".parquet",
            "f",
            ["-c", "f", "-s", "0.0001"],
            (
                "a scale of 0.0001 is too small: it is below the last digit of float; "
                "take a larger one"
            ),
        ),
        (".parquet", "no", ["-c", "no", "-s", "1"], "all 40 elements are missing"),
    ],
)
def test_a_field_in_which_nothing_changed_gets_a_note_that_says_why(
    tmp_path, suffix, field, options, why
):
    source = write(tmp_path, suffix)

    done = run(source, *options, "-o", tmp_path / f"out{suffix}", "--seed", 1)

    assert done.status == 0
    assert [f"noisify: note: {source}, field {field!r}: nothing changed: {why}"] == done.lines


@pytest.mark.parametrize(
    "options",
    [
        ["-s", "0"],
        ["-s", "0%"],
        ["-s", "0sd"],
        ["-s", "1"],
        ["-d", "missing", "--rate", "0"],
        ["-d", "missing", "--rate", "50%"],
        ["-c", "late", "-s", "0s"],
    ],
    ids=" ".join,
)
def test_no_note_where_none_was_asked_or_something_changed(tmp_path, options):
    source = write(tmp_path, ".csv")

    done = run(source, *options, "-o", tmp_path / "out.csv", "--seed", 1)

    assert (0, []) == (done.status, done.lines)


@pytest.mark.parametrize(
    ("cell", "options", "help_"),
    [
        ('"47,072.02"', [], "type --thousands ,"),
        ('"1.234.567,8"', [], "type --decimal , --thousands ."),
        ('"3,14"', [], "type --decimal ,"),
        ("1'000", [], 'type --thousands "\'"'),
        ("1_000", [], "type --thousands _"),
        ("'1.5'", [], "take the ' around it away first: the quote of a CSV is \""),
        ("True", [], "for truths choose a model of labels such as -d label-flip"),
        ("12 kg", [], "take the unit away first"),
        ("$5.20", [], "take the unit away first"),
        ("low", [], "for texts choose a text model such as -d typo"),
    ],
)
def test_a_field_named_exactly_without_a_number_is_an_error(tmp_path, cell, options, help_):
    source = tmp_path / "in.csv"
    source.write_text(f"a,b\n1.5,{cell}\n,{cell}\n")
    target = tmp_path / "out.csv"
    target.write_text("before")

    done = run(source, "-c", "b", *(options or ["-s", "1"]), "-o", target, "--seed", 1)

    first = cell.strip('"')
    assert (3, 1) == (done.status, len(done.lines))
    assert "field 'b': no cell is a number, the first is " in done.messages
    assert first in done.messages
    assert done.messages.endswith(f"; {help_}\n")
    assert target.read_text() == "before"
    assert ["in.csv", "out.csv"] == sorted(path.name for path in tmp_path.iterdir())


def test_a_model_of_anything_takes_a_field_without_numbers() -> None:
    done = run("-c", "b", "-d", "missing", "-p", "rate=1", "--seed", 1, given=b"a,b\n1.5,low\n")

    assert (0, b"a,b\n1.5,\n") == (done.status, done.output)


def small(values: np.ndarray, options: Mapping[str, object], folder: Path) -> tuple[dict, str]:
    """Return what the report says of an array's noise, and the messages with -v."""
    np.save(folder / "in.npy", values)
    words = [str(word) for item in options.items() for word in item]
    report = folder / "report.json"
    done = run(
        folder / "in.npy", *words, "-o", folder / "out.npy", "--seed", 1, "-v", "--report", report
    )
    assert done.status == 0, done.messages
    return json.loads(report.read_text()), done.messages


@pytest.mark.parametrize(
    ("values", "options", "why"),
    [
        (np.full(9000, 100, "u1"), {"-s": 0.2}, "whole numbers stay whole"),
        (np.full(9000, 100, "u1"), {"-s": 200}, "elements are at the end of their type's range"),
        (np.full(9000, 0.5), {"-s": 1, "--clip": "0,1"}, "elements were clipped"),
        (np.zeros(9000), {"-s": 0.2, "--decimals": 0}, "--decimals 0 rounds it"),
    ],
)
def test_a_change_much_smaller_than_asked_is_told(tmp_path, values, options, why):
    report, messages = small(values, options, tmp_path)

    found = report["fields"]["data"]
    assert found["change_sd"] < 0.9 * found["asked_sd"]
    assert found["asked_sd"] == pytest.approx(options["-s"])
    assert [why in note for note in report["notes"]] == [True]
    assert f"where {options['-s']:.4g} was asked" in messages


@pytest.mark.parametrize("values", [np.zeros(9000), np.zeros(20), np.full(9000, 100, "i2")])
@pytest.mark.parametrize("model", ["normal", "laplace", "uniform", "gumbel"])
def test_a_change_as_large_as_asked_is_not_told(tmp_path, values, model):
    report, messages = small(values, {"-s": 5, "-d": model}, tmp_path)

    assert [] == report["notes"]
    assert "was asked" not in messages


class TestDryRuns:
    @pytest.mark.parametrize(
        ("text", "options", "reason"),
        [
            ("a,b\n1.5,x\n2.5,y\n", ("-s", 0.001, "--decimals", 1), "--decimals 1 rounds it"),
            ("a,b\n12 kg,1.5\n13 kg,2\n", ("-c", "a", "-s", 1), "no cell is a number"),
            ("a,b\n1.5,1\n2.5,2\n", ("-s", 1, "--where", "b > 5"), "no element with a value meets"),
        ],
    )
    def test_say_why_nothing_changes(self, tmp_path, text, options, reason):
        source = tmp_path / "in.csv"
        source.write_text(text)
        done = run(source, "-n", "--seed", 1, *options)
        assert (0, 1) == (done.status, len(done.lines))
        assert f"note: {source}, field 'a': nothing changed: " in done.messages
        assert reason in done.messages

    def test_say_nothing_where_something_does(self, tmp_path):
        source = tmp_path / "in.csv"
        source.write_text("a\n1.5\n2.5\n")
        assert "" == run(source, "-n", "--seed", 1, "-s", 1).messages

    def test_name_the_file_that_fails_and_show_the_others(self, tmp_path):
        bad, good = tmp_path / "bad.csv", tmp_path / "good.csv"
        bad.write_text("a,b\n1,x\n2,y\n")
        good.write_text("a\n1.5\n2.5\n")
        done = run(bad, good, "-n", "--seed", 1, "-s", 1)
        assert (2, 1) == (done.status, len(done.lines))
        assert done.messages.startswith(f"noisify: {bad}: no field is floating-point")
        assert f"plan for {good} (csv)" in done.output.decode()
        assert f"{bad}: no field is" in run(bad, "-n", "-s", 1).messages

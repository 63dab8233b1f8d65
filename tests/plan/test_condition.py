"""Conditions on rows: parsing, evaluation, and noise on matching rows only."""

import csv
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import noisy, run

from noisify.core.errors import UsageError
from noisify.plan.condition import parse

TABLE = {
    "age": pa.array([70, 20, None, 61], pa.int64()),
    "city": pa.array(["Rome", "Rome", "Oslo", None], pa.utf8()),
    "home town": pa.array(["a", "b", "c", "d"], pa.utf8()),
    "ok": pa.array([True, False, True, None], pa.bool_()),
    "at": pa.array(["2024-03-01", "2024-03-02", None, "2024-03-04"]).cast(pa.timestamp("s")),
    "at_utc": pa.array(["2024-03-01", "2024-03-02", None, "2024-03-04"])
    .cast(pa.timestamp("s"))
    .cast(pa.timestamp("s", "UTC")),
}


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("age > 60", [0, 3]),
        ('age > 60 and city == "Rome"', [0]),
        ("age > 60 or city = 'Rome'", [0, 1, 3]),
        ("not age > 60", [1]),
        ("not (age > 60 or city = 'Oslo')", [1]),
        ("age >= 61 and age <= 70 and age != 65", [0, 3]),
        ("age is null", [2]),
        ("age is not null and not city is null", [0, 1]),
        ("city in ('Oslo', 'Rome')", [0, 1, 2]),
        ("city not in ('Rome')", [2]),
        ("`home town` <> 'a'", [1, 2, 3]),
        ("ok", [0, 2]),
        ("ok == false", [1]),
        ("age + 1 * 2 == 22", [1]),
        ("(age + 1) * 2 == 42", [1]),
        ("age / 40 > 1.5", [0, 3]),
        ("-age < -65", [0]),
        ("age - 10 - 5 == 5", [1]),
        ("at >= '2024-03-02'", [1, 3]),
        ("at_utc < '2024-03-02'", [0]),
        ("AGE is null or age < 1e2".replace("AGE", "age"), [0, 1, 2, 3]),
    ],
)
def test_a_condition_is_true_for_rows(text, rows) -> None:
    condition = parse(text)

    assert rows == np.flatnonzero(condition.rows(TABLE)).tolist()
    assert condition.fields <= TABLE.keys()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("age >", "it ends"),
        ("age >> 3", "found '> 3'"),
        ("(age > 3", "expected )"),
        ("age > 3 city", "found 'city'"),
        ("age not 3", "expected in"),
        ("age is 3", "expected null"),
        ("__import__('os')", "expected the end"),
        ("age > 3; 4", "found '; 4'"),
        ("", "it ends"),
        ("city == '\udce3'", "is not UTF-8"),
        ("city in ('x', '\udce3')", "is not UTF-8"),
    ],
)
def test_an_invalid_condition_is_refused_at_its_position(text, said) -> None:
    with pytest.raises(UsageError, match="--where") as caught:
        parse(text)

    assert said in str(caught.value)


def test_a_number_may_have_any_number_of_digits() -> None:
    assert parse("age > 2").tree == parse(f"age > {'0' * 5000}2").tree


@pytest.mark.parametrize(
    ("text", "said"), [("age + 1", "not a condition"), ("city > 3", "cannot be worked out")]
)
def test_an_invalid_comparison_is_refused(text, said) -> None:
    with pytest.raises(UsageError, match=said):
        parse(text).rows(TABLE)


CSV = b'x,n,kind\n1.5,1,"a ""b"""\n2.5,2,c\n3.5,,c\nNA,4,c\n5.5,5,d\n'


@pytest.mark.parametrize("cut", [(), ("--chunk-size", 1, "-j", 2)])
@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("n > 1", {1, 4}),
        ("kind == 'c'", {1, 2}),
        ("kind = 'a \"b\"'", {0}),
        ("n is null", {2}),
        ("x * 2 > 6", {2, 4}),
    ],
)
def test_in_csv_only_those_rows_get_the_noise_they_would_have_got(text, rows, cut) -> None:
    before = list(csv.reader(io.StringIO(CSV.decode())))[1:]
    everywhere = list(csv.reader(io.StringIO(noisy("-s", 1, "-c", "x", given=CSV).decode())))[1:]

    output = noisy("-s", 1, "-c", "x", "--where", text, *cut, given=CSV)

    expected = [(everywhere if at in rows else before)[at] for at in range(len(before))]
    assert expected == list(csv.reader(io.StringIO(output.decode())))[1:]


def test_a_name_that_is_not_there_is_refused_with_the_one_that_was_meant() -> None:
    done = run("-s", 1, "--seed", 1, "--where", "kid == 'c'", given=CSV)

    assert (2, 1) == (done.status, len(done.lines))
    assert "did you mean 'kind'?" in done.messages


def test_an_array_is_compared_by_its_name(tmp_path) -> None:
    values = np.linspace(-1, 1, 9)
    np.save(tmp_path / "in.npy", values)

    done = run(
        tmp_path / "in.npy", "-o", tmp_path / "out.npy", "-s", 1, "--seed", 1, "--where", "data > 0"
    )

    changed = np.load(tmp_path / "out.npy") != values
    assert 0 == done.status
    assert (values > 0).tolist() == changed.tolist()


MISMATCHES = {
    "n > 'a'": "'n' is a number, and \"a\" is a text",
    "n > '1.5'": "leave out the quotes: 1.5",
    "kind > 5": 'put a text in quotes: "5"',
    "kind == true": 'put a text in quotes: "true"',
    "n in (1, 'a')": "'n' is a number, and \"a\" is a text",
    "n and x": "'n' is a number, and and takes conditions",
    "not kind": "'kind' is a text, and not takes conditions",
    "n > 1 or kind": "'kind' is a text, and or takes conditions",
    "kind + 1 > 2": "'kind' is a text, and only numbers have sums",
    "-kind == 1": "'kind' is a text, and only numbers have sums",
    "n == kind": "'n' is a number, and 'kind' is a text",
    "n + 1": "is not a condition, but a number",
    "kind": "is not a condition, but a text",
    "t > 5": "'t' is a time, and 5 is a number",
}


@pytest.mark.parametrize("suffix", ["csv", "parquet", "arrow"])
@pytest.mark.parametrize("text", MISMATCHES)
def test_an_invalid_comparison_is_refused_before_output_begins(tmp_path, text, suffix) -> None:
    (tmp_path / "t.csv").write_text("x,n,kind,t\n1.5,1,a,2024-03-01\n2.5,2,b,2024-03-02\n")
    source = tmp_path / f"t.{suffix}"
    if suffix != "csv":
        run(tmp_path / "t.csv", "-o", source, "-s", 0, "-q")

    done = run(source, "-s", 1, "-c", "x", "--where", text)

    assert (2, b"", 1) == (done.status, done.output, len(done.lines))
    assert MISMATCHES[text] in done.messages


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
@pytest.mark.parametrize(
    "text",
    [
        "t > 'yesterday'",
        "t in ('2024-03-01', 'x')",
        "'2024' < t",
        "t > '2024-13-01'",
        "t = '06:00'",
    ],
)
def test_a_text_that_is_not_a_time_is_refused_before_output_begins(tmp_path, text, suffix) -> None:
    (tmp_path / "t.csv").write_text("x,t\n1.5,2024-03-01\n2.5,2024-03-02\n")
    run(tmp_path / "t.csv", "-o", tmp_path / f"t.{suffix}", "-s", 0, "-q")

    done = run(tmp_path / f"t.{suffix}", "-s", 1, "-c", "x", "--where", text)

    assert (2, b"", 1) == (done.status, done.output, len(done.lines))
    assert "is not a time such as 2024-03-01" in done.messages


def test_an_array_is_not_compared_with_a_text(tmp_path) -> None:
    np.save(tmp_path / "in.npy", np.ones(3))

    done = run(tmp_path / "in.npy", "-s", 1, "--where", "data > 'a'")

    assert (2, b"", 1) == (done.status, done.output, len(done.lines))
    assert "'data' is a number, and \"a\" is a text" in done.messages


TIMES = {
    "date": pa.array([1, 2], pa.date32()),
    "time": pa.array([1, 2], pa.time32("s")),
    "span": pa.array([1, 2], pa.duration("s")),
    "utc": pa.array([1, 2], pa.timestamp("us", "UTC")),
    "ns": pa.array([1, 2], pa.timestamp("ns")),
}


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("date > '2024-03-01T06:00'", "is not a time such as 2024-03-01"),
        ("time > '06:00'", "which is not compared with a text"),
        ("span > 5", "'span' is a time, and 5 is a number"),
        ("date == time", "cannot be worked out"),
        ("utc > '2024-03-01'", ""),
        ("utc > '2024-03-01T06:00:00Z' or ns < '2024-03-01T06:00'", ""),
        ("ns is null or date == '2024-03-01'", ""),
    ],
)
def test_times_are_compared_with_times_of_their_kind(tmp_path, text, said, suffix) -> None:
    table = pa.table({"x": [0.5, 1.5], **TIMES})
    source = tmp_path / f"in.{suffix}"
    if suffix == "parquet":
        pq.write_table(table, source, store_schema=True)
    else:
        with pa.ipc.new_file(source, table.schema) as writer:
            writer.write_table(table)

    done = run(source, "-o", tmp_path / f"o.{suffix}", "-s", 1, "-c", "x", "--seed", 1,
               "--where", text)  # fmt: skip

    assert (2 if said else 0) == done.status, done.messages
    assert said in done.messages
    assert len(done.lines) <= 1

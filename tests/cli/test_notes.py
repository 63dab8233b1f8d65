"""Notes on standard error after a run, and errors without notes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import run, run_process

if TYPE_CHECKING:
    from pathlib import Path


def tables(folder: Path, count: int) -> list[Path]:
    """Return CSV files each of which gets one note."""
    paths = [folder / f"{number}.csv" for number in range(count)]
    for path in paths:
        path.write_text("1.5,2.5\n3.5,4.5\n")
    return paths


@pytest.mark.parametrize(
    ("count", "more"), [(3, []), (4, ["noisify: 1 more note; -v shows all"]),
                        (6, ["noisify: 3 more notes; -v shows all"])]
)  # fmt: skip
def test_three_notes_are_told_and_how_many_more(
    count: int, more: list[str], tmp_path: Path
) -> None:
    paths = tables(tmp_path, count)

    done = run(*paths, "--output-dir", tmp_path / "out", "-s", 1, "--seed", 1)

    said = [f"noisify: note: {path}: the header has numbers only" for path in paths[:3]]
    assert said == [line.partition(";")[0] for line in done.lines[:3]]
    assert more == done.lines[3:]


def test_verbose_tells_all_and_quiet_none(tmp_path: Path) -> None:
    paths = tables(tmp_path, 6)
    options = ("--output-dir", tmp_path / "out", "-s", 1, "--seed", 1)

    assert 6 == sum("note: " in line for line in run(*paths, *options, "-v").lines)
    assert [] == run(*paths, *options, "-q").lines


def test_notes_of_other_formats_are_counted_too(tmp_path: Path) -> None:
    for number in range(5):
        pq.write_table(pa.table({"x": pa.array([], pa.float64())}), tmp_path / f"{number}.parquet")

    done = run(*sorted(tmp_path.iterdir()), "--output-dir", tmp_path / "out", "-s", 1, "--seed", 1)

    assert 4 == len(done.lines)
    assert "noisify: 2 more notes; -v shows all" == done.lines[-1]


def test_notes_of_a_preview_are_in_file_order(tmp_path: Path) -> None:
    names = [f"f{number:02}" for number in range(20)]
    path = tmp_path / "t.csv"
    path.write_text(",".join(names) + "\n" + ",".join(["1.5"] * 20) + "\n")

    done = run(path, "-d", "missing", "--rate", "1e-9", "--seed", 1, "--preview", "-v")

    noted = [line.split("'")[1] for line in done.lines if "found nothing to change" in line]
    assert names == noted


@pytest.mark.parametrize(
    ("given", "options"),
    [
        (b"1.5,2.5\n3.5\n", ("-s", "0.1sd")),  # standard input is kept, and the second row is short
        (b"1.5,2.5\n3.5,4.5\n", ("-s", 1, "-c", "x")),
        (b"1.5,2.5\n" + b"3.5,4.5\n" * 90_000 + b"3.5\n", ("-s", "1sd")),
    ],
)
def test_no_note_is_told_before_an_error(given: bytes, options: tuple[object, ...]) -> None:
    done = run(*options, given=given)

    assert done.status in {2, 3}
    assert 1 == len(done.lines)
    assert "note:" not in done.messages


def test_an_error_in_a_later_file_is_told_before_notes_of_those_that_are_done(
    tmp_path: Path,
) -> None:
    first, last = tables(tmp_path, 2)
    last.write_text("x,y\n1.5\n")

    done = run(first, last, "--output-dir", tmp_path / "out", "-s", 1, "--seed", 1)

    assert (3, False) == (done.status, "note:" in done.lines[0])
    assert all(str(first) in line for line in done.lines[1:])


# Names that a terminal or JSON cannot hold.


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_the_output_cannot_print_is_escaped(encoding: str, tmp_path: Path) -> None:
    headers = ["Temp \u2103", "Temp \u00b0C"]
    (tmp_path / "in.csv").write_bytes(f"{','.join(headers)}\n1.5,2.5\n".encode())

    done = run_process(
        tmp_path / "in.csv", "-n", "-s", 1, "--seed", 1, variables={"PYTHONIOENCODING": encoding}
    )

    assert (0, "") == (done.status, done.messages)
    for header in headers:
        shown = header.encode(encoding, "backslashreplace")
        assert b"\n  " + shown + b": normal" in done.output


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("-c", "nope"), marks=pytest.mark.slow),
        pytest.param(("--where", "'a' > 1"), marks=pytest.mark.slow),
        ("--strict",),
    ],
)
def test_errors_are_escaped_too(arguments: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "größe-\udcff.csv"
    path.write_bytes("Temp \u2103,x\nä,2.5\n".encode() + b"1.5,2.5\n" * 20)

    done = run_process(path, "-s", 1, *arguments, "-q", variables={"PYTHONIOENCODING": "ascii"})

    assert done.status in {2, 3}
    assert 1 == len(done.lines)
    assert "gr\\xf6\\xdfe-\\udcff.csv" in done.messages


CP1252 = b"Temp \xb0C,x\n1.5,2.5\n"


def test_a_report_is_json_whatever_the_names_are(tmp_path: Path) -> None:
    paths = [tmp_path / "a.csv", tmp_path / "b\udcff.csv"]
    for path in paths:
        path.write_bytes(CP1252)
    one, both = tmp_path / "one.json", tmp_path / "both.json"

    run(paths[1], "-o", tmp_path / "o.csv", "-s", 1, "--seed", 1, "--report", one)
    run(*paths, "--output-dir", tmp_path / "out", "-s", 1, "--seed", 1, "--report", both)

    reports = [json.loads(one.read_text("utf-8")), *json.loads(both.read_text("utf-8"))]
    assert all(["Temp \udcb0C", "x"] == list(report["fields"]) for report in reports)
    again = run(paths[0], "--recipe", one)
    assert again.output == (tmp_path / "o.csv").read_bytes()


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_names_that_are_no_text_are_not_converted(suffix: str, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_bytes(CP1252)

    done = run(source, "-o", tmp_path / f"out.{suffix}", "-s", 1)

    assert (3, 1) == (done.status, len(done.lines))
    assert "--encoding cp1252" in done.messages
    assert [source] == list(tmp_path.iterdir())


# Files of one name.


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--mask", "r", "--report", "r"), "--report r is the mask too"),
        (("--mask", "r", "--report", "./r"), "--report ./r is the mask too"),
        (("--mask", "o.csv"), "--mask o.csv is an output too"),
        (("--report", "o.csv"), "--report o.csv is an output too"),
        (("--mask", "in.csv"), "--mask in.csv is an input too"),
        (("--report", "link.csv"), "--report link.csv is an input too"),
        (("--recipe", "r.toml", "--report", "r.toml"), "--report r.toml is the recipe too"),
        (("--recipe", "r.toml", "--mask", "r.toml"), "--mask r.toml is the recipe too"),
        (("--recipe", "r.toml", "-o", "r.toml"), "r.toml is the recipe too"),
        (("--recipe", "o.csv", "-o", "sub/../o.csv"), "sub/../o.csv is the recipe too"),
    ],
)
def test_files_of_one_name_are_refused_before_any_is_written(
    options: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = tmp_path / ("o.csv" if "o.csv" in options and "--recipe" in options else "r.toml")
    recipe.write_text('[[noise]]\nfields = "x"\nmodel = "normal"\nscale = 1\n')
    (tmp_path / "sub").mkdir()
    (tmp_path / "in.csv").write_text("x,y\n1.5,2\n")
    (tmp_path / "link.csv").symlink_to("in.csv")
    before = {path.name: path.is_file() and path.read_bytes() for path in tmp_path.iterdir()}
    target = () if "-o" in options else ("-o", "o.csv")
    level = () if "--recipe" in options else ("-s", 1)

    done = run("in.csv", *target, *level, *options)

    assert (2, 1) == (done.status, len(done.lines))
    assert done.messages.startswith(f"noisify: {said}; give")
    after = {path.name: path.is_file() and path.read_bytes() for path in tmp_path.iterdir()}
    assert before == after

"""`--depfile` names what outputs were made of, so that Make remakes them when it changes."""

import os
import shutil
import subprocess

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import names, run

RECIPE = 'seed = 1\n[[noise]]\nmodel = "normal"\nscale = 1\n'
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.csv").write_text("x\n1.5\n2.5\n")
    (tmp_path / "other.csv").write_text("x\n1.5\n2.5\n")
    (tmp_path / "r.toml").write_text(RECIPE)
    return tmp_path


def depfile(*arguments):
    """Return what the command writes as dependencies."""
    done = run(*arguments, "--depfile", "out.d", "-q")
    assert (done.status, done.messages) == (0, "")
    with open("out.d", encoding="utf-8") as file:  # noqa: PTH123 - in the current folder
        return file.read()


def test_names_the_input_and_the_recipe():
    text = depfile("in.csv", "-o", "out.csv", "--recipe", "r.toml")

    assert text == "out.csv: in.csv r.toml\n\nin.csv:\n\nr.toml:\n"


def test_has_a_rule_for_each_input():
    text = depfile("in.csv", "other.csv", "--output-dir", "o", "--sweep", "scale=1,2")

    rules = [line for line in text.splitlines() if ": " in line]
    assert rules == [
        "o/in_scale-1.csv o/in_scale-2.csv: in.csv",
        "o/other_scale-1.csv o/other_scale-2.csv: other.csv",
    ]


def test_names_the_files_of_a_folder(folder):
    (folder / "day").mkdir()
    for name in ("b", "a"):
        pq.write_table(pa.table({"x": [1.5]}), folder / "day" / f"{name}.parquet")

    text = depfile("day", "-o", "noisy")

    assert text.splitlines()[0] == "noisy: day day/a.parquet day/b.parquet"


def test_of_a_url_of_a_file_names_the_file(folder):
    text = depfile((folder / "in.csv").as_uri(), "-o", "out.csv")

    assert text.splitlines()[0] == f"out.csv: {folder / 'in.csv'}"


def test_of_standard_input_names_nothing():
    done = run("-o", "out.csv", "-q", "--depfile", "out.d", given=b"x\n1.5\n")

    assert done.status == 0
    with open("out.d", encoding="utf-8") as file:  # noqa: PTH123 - in the current folder
        assert file.read() == "out.csv:\n"


@needs_make
@pytest.mark.parametrize(
    "name", ["in", "a b", "a#b", "a$b", "a%b", "a:b", "a\\ b", "ä", "a'b\"c", "(a)", "a~b"]
)
def test_is_read_by_make_whatever_the_names(folder, name):
    (folder / "in.csv").rename(folder / f"{name}.csv")
    depfile(f"{name}.csv", "-o", f"{name}.out.csv", "--recipe", "r.toml")
    for age, path in enumerate([f"{name}.out.csv", f"{name}.csv", "r.toml"]):
        os.utime(path, (1e9 - age, 1e9 - age))

    assert up_to_date(f"{name}.out.csv")
    os.utime(f"{name}.csv", (2e9, 2e9))
    assert not up_to_date(f"{name}.out.csv")


def up_to_date(target):
    """Return whether Make finds a target newer than what the dependency file names."""
    done = subprocess.run(
        ["make", "-d", "-f", "out.d", "--", target],  # noqa: S607 - found on PATH
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return "is newer than target" not in done.stdout


@needs_make
def test_lets_make_go_on_without_a_file_that_was_removed(folder):
    depfile("in.csv", "-o", "out.csv", "--recipe", "r.toml")
    (folder / "r.toml").unlink()

    up_to_date("out.csv")  # fails where Make does


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in.csv"], "--depfile is for outputs that are files; name one with -o FILE"),
        (["in.csv", "-o", "memory://o.csv"], "--depfile is for outputs that are files"),
        (["in.csv", "-o", "out.d"], "--depfile out.d is an output too; give another name"),
        (["in.csv", "-o", "o.csv", "--report", "out.d"], "--depfile out.d is the report too"),
        (["a\nb.csv", "-o", "o.csv"], "a Makefile cannot name a file with a line end"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line(folder, arguments, message):
    (folder / "a\nb.csv").write_text("x\n1.5\n")
    before = names(folder)

    done = run(*arguments, "--depfile", "out.d")

    assert done.status == 2
    assert len(done.lines) == 1
    assert message in done.messages
    assert names(folder) == before


def test_is_not_there_after_a_failure(folder):
    (folder / "in.csv").write_bytes(b"x,y\n1.5,2\n1.5,2,3\n")

    done = run("in.csv", "-o", "out.csv", "--depfile", "out.d")

    assert done.status == 3
    assert not (folder / "out.d").exists()


def test_is_kept_from_being_replaced(folder):
    (folder / "out.d").write_text("mine")

    done = run("in.csv", "-o", "out.csv", "--no-clobber", "--depfile", "out.d")

    assert done.status != 0
    assert (folder / "out.d").read_text() == "mine"


def test_of_a_url_of_a_file_is_that_file(folder):
    done = run("in.csv", "-o", "out.csv", "-s", 1, "--depfile", (folder / "out.d").as_uri(), "-q")

    assert (done.status, done.messages) == (0, "")
    assert (folder / "out.d").read_text() == "out.csv: in.csv\n\nin.csv:\n"

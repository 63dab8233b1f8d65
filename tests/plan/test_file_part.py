"""Each file's own noise depends on its name, not on folder, format or compression."""

import gzip
import json
import os
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from run_command import clean_environment, normal_noise, run

from noisify import add_noise, noisify_file
from noisify.core.chunk import Positions
from noisify.core.errors import UsageError
from noisify.plan.file_part import file_part
from noisify.streams.streams import StreamName, StreamVariates

VALUES = np.arange(50) / 4
OPTIONS = ("-s", 1, "--seed", 1)


def write_table(path):
    path.parent.mkdir(exist_ok=True)
    pd.DataFrame({"x": VALUES}).to_csv(path, index=False)
    return path


def noise_in(path):
    """Return the noise added to the table's column."""
    return np.loadtxt(path, skiprows=1) - VALUES


def own_noise(file):
    """Return the noise that a file of that name gets."""
    stream = StreamName(1, "x", "normal", file=file)
    return StreamVariates(stream, Positions.range(0, len(VALUES))).normal("noise")


@pytest.fixture
def tables(tmp_path):
    return [write_table(tmp_path / "in" / f"day{number}.csv") for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("in/day1.csv.gz", "day1"),
        ("day1.CSV", "day1"),
        ("day1.parquet", "day1"),
        ("day.1.npy", "day.1"),
        ("log.2024", "log.2024"),
        ("log.2024.zst", "log.2024"),
        (".csv", ".csv"),
        ("year/", "year"),
        ("year.parquet/", "year"),
        ("a b\udcff.h5", "a b\udcff"),
        ("gz", "gz"),
    ],
)
def test_the_file_part_is_the_name_without_folder_and_suffixes(path, name):
    assert name == file_part(path)


def test_a_file_named_by_dots_has_the_name_of_its_folder(tmp_path, monkeypatch):
    (tmp_path / "year").mkdir()
    monkeypatch.chdir(tmp_path / "year")
    assert "year" == file_part(".")


def test_an_empty_file_part_is_not_in_a_stream_name():
    named = StreamName(1, "x", "normal").stream("noise")
    assert named == StreamName(1, "x", "normal", file="").stream("noise")
    assert named != StreamName(1, "x", "normal", file="x").stream("noise")


def test_several_inputs_get_noise_of_their_own(tables, tmp_path):
    out = tmp_path / "out"
    done = run(*tables, "--output-dir", out, *OPTIONS)

    assert (0, "") == (done.status, done.messages)
    noises = [noise_in(out / table.name) for table in tables]
    for table, noise in zip(tables, noises, strict=True):
        np.testing.assert_allclose(noise, own_noise(table.stem), atol=1e-12)
    assert abs(np.corrcoef(noises)[np.triu_indices(3, 1)]).max() < 4.5 / np.sqrt(len(VALUES))


def test_one_input_gets_the_noise_without_a_name_unless_told(tables, tmp_path):
    for options, expected in (
        ((), normal_noise("x", len(VALUES))),
        (("--same-noise",), normal_noise("x", len(VALUES))),
        (("--per-file",), own_noise("day1")),
    ):
        assert 0 == run(tables[0], "-o", tmp_path / "out.csv", *OPTIONS, *options).status
        np.testing.assert_allclose(noise_in(tmp_path / "out.csv"), expected, atol=1e-12)


def test_one_file_alone_gets_the_same_noise_as_among_others(tables, tmp_path):
    run(*tables, "--output-dir", tmp_path / "all", *OPTIONS)
    for table in tables:
        alone = tmp_path / "alone.csv"
        run(table, "-o", alone, *OPTIONS, "--per-file")
        assert (tmp_path / "all" / table.name).read_bytes() == alone.read_bytes()


def test_same_noise_pairs_the_files(tables, tmp_path):
    run(*tables, "--output-dir", tmp_path / "out", *OPTIONS, "--same-noise")
    outputs = {(tmp_path / "out" / table.name).read_bytes() for table in tables}
    assert 1 == len(outputs)


def test_the_format_and_the_compression_do_not_matter(tables, tmp_path):
    packed = tmp_path / "packed" / "day1.csv.gz"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress(tables[0].read_bytes()))
    stored = tmp_path / "day1.parquet"
    pd.DataFrame({"x": VALUES}).to_parquet(stored)
    run(stored, "-o", tmp_path / "out.parquet", *OPTIONS, "--per-file")
    run(packed, "-o", tmp_path / "out.csv", *OPTIONS, "--per-file")

    from_parquet = pd.read_parquet(tmp_path / "out.parquet")["x"].to_numpy() - VALUES
    np.testing.assert_array_equal(from_parquet, noise_in(tmp_path / "out.csv"))


def test_replicates_and_sweeps_are_each_files_own(tables, tmp_path):
    options = ("--replicates", 2, "--sweep", "scale=1,2", "--seed", 1)
    assert 0 == run(*tables, "--output-dir", tmp_path / "out", *options).status
    np.testing.assert_allclose(
        noise_in(tmp_path / "out" / "day2_scale-2_1.csv"), 2 * own_noise("day2"), atol=1e-12
    )


class TestNotes:
    def test_two_inputs_of_one_name_get_a_note(self, tables, tmp_path):
        others = [write_table(tmp_path / "other" / "day1.csv"), write_table(tmp_path / "day9.csv")]
        done = run(*tables, *others, "--in-place", *OPTIONS)
        assert 0 == done.status
        both = f"{tables[0]} and {others[0]}"
        assert (
            f"noisify: note: {both} get the same noise, both being called 'day1'\n" == done.messages
        )
        assert tables[0].read_bytes() == others[0].read_bytes()

    def test_of_many_there_is_one_note(self, tmp_path):
        paths = [write_table(tmp_path / folder / "t.csv") for folder in "abcd"]
        done = run(*paths, "--in-place", *OPTIONS)
        assert 1 == len(done.lines)
        assert "(4 inputs share their name with another)" in done.messages

    @pytest.mark.parametrize("option", ["--same-noise", "-q"])
    def test_not_where_it_is_known_or_unwanted(self, option, tmp_path):
        paths = [write_table(tmp_path / folder / "t.csv") for folder in "ab"]
        assert "" == run(*paths, "--in-place", *OPTIONS, option).messages

    def test_the_compatibility_streams_say_that_all_are_alike(self, tables, tmp_path):
        options = ("--rng", "numpy", *OPTIONS, "--output-dir", tmp_path / "out")
        done = run(*tables, *options)
        assert 0 == done.status
        assert "note: all files get the same noise, since --rng numpy starts anew" in done.messages
        assert "" == run(*tables, *options, "--same-noise").messages


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--per-file", "--same-noise"), "--per-file and --same-noise contradict each other"),
        (("--per-file", "--rng", "numpy"), "--per-file needs noisify's own streams"),
        (
            ("--replicates", 2, "--output-dir", "o", "--rng", "numpy"),
            "--replicates needs noisify's own streams",
        ),
    ],
)
def test_contradictions_are_refused(tables, options, message):
    done = run(tables[0], *OPTIONS, *options)
    assert (2, 1) == (done.status, len(done.lines))
    assert message in done.messages


def test_standard_input_has_no_name():
    done = run("--per-file", *OPTIONS, given=b"x\n1.5\n")
    assert (2, 1) == (done.status, len(done.lines))
    assert "needs a file, not standard input" in done.messages


class TestReport:
    def test_names_the_file_and_repeats_its_noise(self, tables, tmp_path):
        report = tmp_path / "report.json"
        run(tables[0], "-o", tmp_path / "out.csv", *OPTIONS, "--per-file", "--report", report)
        assert "day1" == json.loads(report.read_text())["plan"]["file"]

        run(tables[1], "-o", tmp_path / "again.csv", "--recipe", report)
        assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "again.csv").read_bytes()

    def test_says_nothing_of_a_name_that_plays_no_part(self, tables, tmp_path):
        report = tmp_path / "report.json"
        run(tables[0], "-o", tmp_path / "out.csv", *OPTIONS, "--report", report)
        assert "file" not in json.loads(report.read_text())["plan"]

    def test_of_one_file_needs_an_option_for_several(self, tables, tmp_path):
        report = tmp_path / "report.json"
        run(tables[0], "-o", tmp_path / "out.csv", *OPTIONS, "--per-file", "--report", report)
        several = (*tables, "--recipe", report, "--output-dir", tmp_path / "out")
        done = run(*several)
        assert 2 == done.status
        assert "the recipe holds the noise of one file, 'day1'; add --per-file" in done.messages
        assert 0 == run(*several, "--per-file").status
        assert (tmp_path / "out" / "day1.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()

    def test_a_dry_run_names_the_file(self, tables):
        done = run(tables[0], *OPTIONS, "--per-file", "--dry-run")
        assert b"(csv), seed 1, file 'day1', rng noisify" in done.output
        done = run(tables[0], *OPTIONS, "--per-file", "--dry-run", "--verbose")
        assert b'file = "day1"\n' in done.output


class TestRecipe:
    NOISE = "seed = 1\n{}\n[[noise]]\nmodel = 'normal'\nscale = 1\n"

    @pytest.mark.parametrize(
        ("line", "flags", "name"),
        [
            ("per_file = true", (), "day1"),
            ("per_file = false", (), ""),
            ("same_noise = true", ("--per-file",), "day1"),
            ("per_file = true", ("--same-noise",), ""),
            ("file = 'day2'", (), "day2"),
            ("file = 'day2'", ("--per-file",), "day1"),
            ("file = 'day2'", ("--same-noise",), ""),
        ],
    )
    def test_has_the_same_words_and_flags_go_first(self, tables, tmp_path, line, flags, name):
        recipe = tmp_path / "recipe.toml"
        recipe.write_text(self.NOISE.format(line))
        assert 0 == run(tables[0], "-o", tmp_path / "o.csv", "--recipe", recipe, *flags).status
        np.testing.assert_allclose(noise_in(tmp_path / "o.csv"), own_noise(name), atol=1e-12)

    def test_can_pair_several_files(self, tables, tmp_path):
        recipe = tmp_path / "recipe.toml"
        recipe.write_text(self.NOISE.format("same_noise = true"))
        run(*tables, "--recipe", recipe, "--in-place")
        assert 1 == len({table.read_bytes() for table in tables})

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("per_file = 1", "recipe.toml:2: per_file 1 is neither true nor false"),
            ("file = 1", "recipe.toml:2: file 1 is not a text"),
            ("per-file = true", "recipe.toml:2: a recipe has no key 'per-file'; did you mean"),
            ("per_file = true\nsame_noise = true", "recipe.toml:3: same_noise and per_file"),
        ],
    )
    def test_mistakes_have_their_line(self, tables, tmp_path, line, message):
        recipe = tmp_path / "recipe.toml"
        recipe.write_text(self.NOISE.format(line))
        done = run(tables[0], "--recipe", recipe)
        assert 2 == done.status
        assert message in done.messages


class TestLibrary:
    def test_gives_the_noise_of_the_command(self, tables, tmp_path):
        out = tmp_path / "out.csv"
        run(tables[0], "-o", out, *OPTIONS, "--per-file")
        report = noisify_file(tables[0], tmp_path / "lib.csv", scale=1, seed=1, per_file=True)
        assert out.read_bytes() == (tmp_path / "lib.csv").read_bytes()
        assert "day1" == report.as_json()["plan"]["file"]

        frame = add_noise(pd.DataFrame({"x": VALUES}), scale=1, seed=1, file="day1")
        np.testing.assert_array_equal(frame["x"].to_numpy() - VALUES, noise_in(out))

    def test_refuses_numpy_streams(self):
        with pytest.raises(UsageError, match="needs noisify's own streams"):
            add_noise(VALUES, scale=1, seed=1, file="day1", rng="numpy")
        with pytest.raises(UsageError, match="needs a file, not standard input"):
            noisify_file("-", "out.csv", per_file=True)


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_gives_the_bytes_of_one_command(tables, tmp_path):
    command = f"{shlex.quote(sys.executable)} -m noisify"
    (tmp_path / "Makefile").write_text(
        "all: $(patsubst in/%,made/%,$(wildcard in/*.csv))\n"
        "made/%.csv: in/%.csv\n"
        f"\t{command} $< -o $@ -s 0.1 --seed 42 --per-file -q\n"
    )
    (tmp_path / "made").mkdir()
    subprocess.run(
        ["make", "-s", "-j", "2"],  # noqa: S607 - found on PATH
        cwd=tmp_path,
        check=True,
        timeout=60,
        env=clean_environment({"PYTHONPATH": os.pathsep.join(sys.path)}),
    )
    run(*tables, "--output-dir", tmp_path / "out", "-s", 0.1, "--seed", 42)
    for table in tables:
        made = (tmp_path / "made" / table.name).read_bytes()
        assert made == (tmp_path / "out" / table.name).read_bytes()


def test_data_in_memory_need_a_name_for_noise_of_a_file_s_own():
    recipe = {"per_file": True, "noise": [{"model": "normal", "scale": 1.0}]}
    with pytest.raises(UsageError, match="needs a name; give file='day1'"):
        add_noise(np.zeros(3), recipe=recipe, seed=1)
    alone = add_noise(np.zeros(3), scale=1, seed=1, file="day1")
    assert np.array_equal(alone, add_noise(np.zeros(3), recipe=recipe, seed=1, file="day1"))

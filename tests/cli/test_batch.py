"""Many files in one command: parallel work, output in order, partial failures."""

import csv
import json
import os
import signal
import subprocess
import time
import wave
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from run_command import COMMAND, clean_environment, run
from tifffile import imwrite

from noisify.engine import batch
from noisify.engine.batch import SMALL_BYTES
from noisify.files import output

OPTIONS = ("-s", "0.1sd", "--seed", 1)
COUNT = 20


def write_tables(folder, count=COUNT):
    folder.mkdir(exist_ok=True)
    paths = [folder / f"t{number:03d}.csv" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_text("x,y\n" + "".join(f"{number + row / 2},{row}.25\n" for row in range(30)))
    return paths


@pytest.fixture
def tables(tmp_path):
    return write_tables(tmp_path / "in")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class TestOrder:
    @pytest.fixture
    def mixed(self, tables):
        """Tables of which some give notes, and some fail."""
        tables[3].write_text("x,y\n")
        tables[4].write_text("x,y\n" + "1.5,2.5\n2.5,3.5\n" * 9 + "high,3.5\n")
        tables[7].write_text("x,y\n1.5,2.5\nragged\n")
        tables[8].unlink()
        tables[11].write_text("x,y\n")
        return tables

    @pytest.mark.parametrize("jobs", [2, 3, 50])
    def test_bytes_and_messages_do_not_depend_on_the_jobs(self, mixed, tmp_path, jobs):
        one = run(*mixed, "--output-dir", tmp_path / "one", "-v", "-j", 1, *OPTIONS)
        several = run(*mixed, "--output-dir", tmp_path / "two", "-v", "-j", jobs, *OPTIONS)

        assert one.status == several.status == 3
        assert one.messages == several.messages.replace(f"{tmp_path}/two/", f"{tmp_path}/one/")
        assert contents(tmp_path / "one") == contents(tmp_path / "two")
        assert 18 == len(contents(tmp_path / "one"))

    def test_nor_on_a_large_file_among_small_ones(self, mixed, tmp_path):
        expected = run(*mixed, "--output-dir", tmp_path / "one", *OPTIONS)
        rows = (f"{row}.5,{row}.25,{'a' * 50_000}\n" for row in range(1 + SMALL_BYTES // 50_000))
        mixed[5].write_text("x,y,z\n" + "".join(rows))
        done = run(*mixed, "--output-dir", tmp_path / "two", *OPTIONS)
        alone = run(mixed[5], "--per-file", "-o", tmp_path / "alone.csv", *OPTIONS)

        assert (0, expected.status) == (alone.status, done.status)
        assert expected.messages == done.messages.replace(f"{tmp_path}/two", f"{tmp_path}/one")
        one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
        assert (tmp_path / "alone.csv").read_bytes() == two.pop(mixed[5].name)
        assert one.pop(mixed[5].name)
        assert one == two

    def test_each_failure_is_a_line_and_notes_come_at_the_end(self, mixed, out):
        done = run(*mixed, "--output-dir", out, *OPTIONS)

        assert 3 == done.status, "that of the first"
        about = [Path(line.split(": ")[1 + ("note: " in line)].split(",")[0]).name[:4]
                 for line in done.lines]  # fmt: skip
        assert ["t007", "t008", "t003", "t004", "t011"] == about
        assert [False, False, True, True, True] == ["note" in line for line in done.lines]

    def test_the_status_is_that_of_the_first_failure(self, mixed, out):
        done = run(*reversed(mixed), "--output-dir", out, "-q", *OPTIONS)
        assert (1, 2) == (done.status, len(done.lines))

    def test_the_report_lists_the_successful_runs(self, mixed, out, tmp_path):
        report = tmp_path / "report.json"
        run(*mixed, "--output-dir", out, "--report", report, *OPTIONS)
        reports = json.loads(report.read_text())
        done = [path for number, path in enumerate(mixed) if number not in {7, 8}]
        assert [str(path) for path in done] == [each["input"] for each in reports]
        assert [path.stem for path in done] == [each["plan"]["file"] for each in reports]
        assert report.read_text() == json.dumps(reports, indent=2, ensure_ascii=False) + "\n"

    def test_where_all_fail_there_is_no_report(self, tables, out, tmp_path):
        report = tmp_path / "report.json"
        done = run(*tables, "--output-dir", out, "--report", report, "-c", "z", *OPTIONS)
        assert (2, COUNT) == (done.status, len(done.lines))
        assert [] == [path for name in ("out", ".*", "report*") for path in tmp_path.glob(name)]


def write_wav(path, values):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(values.astype("<i2").tobytes())


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda path, x: pd.DataFrame({"x": x}).to_parquet(path), id="parquet"),
        pytest.param(lambda path, x: pd.DataFrame({"x": x}).to_feather(path), id="feather"),
        pytest.param(lambda path, x: pd.DataFrame({"x": x}).to_hdf(path, key="t"), id="h5"),
        pytest.param(lambda path, x: np.savez_compressed(path, x=x, y=x), id="npz"),
        pytest.param(np.save, id="npy"),
        pytest.param(lambda path, x: imwrite(path, x.astype("f4")), id="tif"),
        pytest.param(lambda path, x: Image.fromarray(x.astype("u1")[None]).save(path), id="png"),
        pytest.param(write_wav, id="wav"),
        pytest.param(lambda path, x: pd.DataFrame({"x": x}).to_csv(path), id="csv.gz"),
    ],
)
def test_files_of_every_format_are_worked_on_side_by_side(write, tmp_path, request):
    suffix = request.node.callspec.id
    paths = [tmp_path / f"f{number}.{suffix}" for number in range(12)]
    for number, path in enumerate(paths):
        write(path, np.arange(number, 500.0))
    options = ("--snr", 20, "--seed", 1, *(("-c", "t/*") if suffix == "h5" else ()))
    assert 0 == run(*paths, "--output-dir", tmp_path / "one", "-j", 1, *options).status
    assert 0 == run(*paths, "--output-dir", tmp_path / "four", "-j", 4, *options).status
    assert contents(tmp_path / "one") == contents(tmp_path / "four")
    assert 12 == len(contents(tmp_path / "one"))


class TestOutputs:
    def test_are_synced_together_before_any_gets_its_name(self, tables, out, monkeypatch):
        steps = []
        sync, replace = os.fsync, Path.replace
        monkeypatch.setattr(os, "fsync", lambda file: (steps.append("sync"), sync(file))[1])
        monkeypatch.setattr(
            Path, "replace", lambda path, target: (steps.append("name"), replace(path, target))[1]
        )
        monkeypatch.setattr(batch, "sync_new_names", lambda _: steps.append("folder"))
        assert 0 == run(*tables, "--output-dir", out, "-j", 1, *OPTIONS).status
        together = COUNT // 4
        assert (["sync"] * together + ["name"] * together + ["folder"]) * 4 == steps

    def test_that_cannot_be_written_leave_the_others(self, tables, out):
        out.mkdir()
        (out / "t005.csv").mkdir()
        done = run(*tables, "--output-dir", out, *OPTIONS)
        assert (1, 1) == (done.status, len(done.lines))
        assert "t005.csv: is a directory" in done.messages
        assert COUNT == len(list(out.iterdir()))

    def test_that_fail_to_sync_leave_the_others(self, tables, out, monkeypatch):
        def sync(self):
            if self.name.endswith("t005.csv"):
                raise OSError(5, "Input/output error")

        monkeypatch.setattr(output.FileOutput, "sync", sync)
        done = run(*tables, "--output-dir", out, *OPTIONS)
        assert f"noisify: {out}/t005.csv: cannot be written: Input/output error\n" == done.messages
        assert COUNT - 1 == len(list(out.iterdir()))

    def test_no_clobber_keeps_existing_files(self, tables, out):
        out.mkdir()
        (out / "t005.csv").write_text("mine")
        done = run(*tables, "--output-dir", out, "--no-clobber", *OPTIONS)
        assert (2, 1) == (done.status, len(done.lines))
        assert ["t005.csv"] == [path.name for path in out.iterdir()]

    @pytest.mark.parametrize("name", ["n" * 251, "é" * 125 + "n", "日" * 83 + "nn"])
    @pytest.mark.parametrize("count", [1, 2])
    def test_may_have_the_longest_name(self, tmp_path, out, name, count):
        paths = [tmp_path / f"{name}.csv", *write_tables(tmp_path / "in", count - 1)]
        assert 255 == len(os.fsencode(paths[0].name))
        paths[0].write_text("x\n1.5\n")
        assert 0 == run(*paths, "--output-dir", out, *OPTIONS).status
        assert paths[0].name in contents(out)

    @pytest.mark.parametrize("again", ["t000.csv", "./t000.csv", "link.csv"])
    def test_in_place_takes_each_input_once(self, tables, monkeypatch, again):
        folder = tables[0].parent
        monkeypatch.chdir(folder)
        (folder / "link.csv").symlink_to("t000.csv")
        before = tables[0].read_bytes()
        done = run("t000.csv", again, "--in-place", *OPTIONS)
        assert (2, 1) == (done.status, len(done.lines))
        assert "--in-place replaces each file once" in done.messages
        assert before == tables[0].read_bytes()

    def test_are_not_inputs_by_another_name(self, tables, tmp_path):
        (tmp_path / "other").symlink_to(tables[0].parent)
        done = run(*tables, "--output-dir", tmp_path / "other", *OPTIONS)
        assert (2, 1) == (done.status, len(done.lines))
        assert "is an input too" in done.messages


@pytest.mark.parametrize(
    ("number", "jobs"),
    [
        (signal.SIGINT, 1),
        (signal.SIGTERM, 2),
        pytest.param(signal.SIGINT, 2, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 1, marks=pytest.mark.slow),
    ],
)
def test_a_signal_leaves_whole_files_only(tmp_path, out, number, jobs):
    endless = tmp_path / "in" / "endless.csv"
    tables = [*write_tables(tmp_path / "in"), endless]
    os.mkfifo(endless)  # nobody writes into it: the run cannot be done before the signal comes
    process = subprocess.Popen(
        [*COMMAND, *map(str, tables), "--output-dir", str(out), "-j", str(jobs), "--seed", "1"],
        env=clean_environment(),
        stderr=subprocess.PIPE,
    )
    while not (out.exists() and any(out.glob("*.csv"))):
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(number)
    _, messages = process.communicate(timeout=60)
    made = contents(out)
    said = b"noisify: stopped; the outputs that were made until then are complete\n"
    assert (128 + number, said) == (process.returncode, messages)
    assert all(name.startswith("t") for name in made)
    assert {30 + 1} == {content.count(b"\n") for content in made.values()}


class TestFolders:
    @pytest.fixture
    def folder(self, tmp_path):
        write_tables(tmp_path / "in", 2)
        pd.DataFrame({"x": [1.5, 2.5]}).to_csv(tmp_path / "in" / "z.tsv.gz", sep="\t", index=False)
        np.save(tmp_path / "in" / "a.npy", np.arange(3.0))
        (tmp_path / "in" / ".hidden.csv").write_text("x\n1.5\n2.5\n")
        return tmp_path / "in"

    @pytest.mark.parametrize("option", ["-o", "--output-dir"])
    def test_stand_for_the_files_in_them(self, folder, out, tmp_path, option):
        done = run(folder, option, out, *OPTIONS)
        assert (0, "") == (done.status, done.messages)
        files = sorted(path for path in folder.iterdir() if path.name != ".hidden.csv")
        run(*files, "--output-dir", tmp_path / "files", *OPTIONS)
        assert contents(tmp_path / "files") == contents(out)
        assert ["a.npy", "t000.csv", "t001.csv", "z.tsv.gz"] == sorted(contents(out))

    def test_can_be_changed_in_place(self, folder, out):
        run(folder, "-o", out, *OPTIONS)
        run(folder, "--in-place", *OPTIONS)
        assert contents(out).items() <= contents(folder).items()

    def test_skipped_files_get_a_note(self, folder, out):
        (folder / "README.md").write_text("# Tables\n")
        (folder / "more").mkdir()
        done = run(folder, "-o", out, *OPTIONS)
        assert 0 == done.status
        told = f"{folder}: README.md, more left out, being folders or of no known format"
        assert f"noisify: note: {told}\n" == done.messages

    def test_with_files_of_parquet_among_others_stand_for_all_of_them(self, folder, out):
        pd.DataFrame({"x": [1.5, 2.5]}).to_parquet(folder / "p.parquet")
        done = run(folder, "-o", out, *OPTIONS)
        assert (0, "") == (done.status, done.messages)
        changed = {name for name, data in contents(out).items() if data != contents(folder)[name]}
        assert {"a.npy", "p.parquet", "t000.csv", "t001.csv", "z.tsv.gz"} == changed

    def test_a_named_format_is_that_of_all_files(self, tmp_path, out):
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "day.2024").write_text("x\n1.5\n")
        (tmp_path / "in" / "day.2025").write_text("x\n1.5\n")
        assert 0 == run(tmp_path / "in", "-o", out, "--from", "csv", "-s", 1, "--seed", 1).status
        assert 2 == len(set(contents(out).values()))

    def test_the_noise_of_a_file_does_not_depend_on_its_company(self, folder, tmp_path, out):
        run(folder, "-o", out, *OPTIONS)
        for path in folder.iterdir():
            if path.name != "t001.csv":
                path.unlink()
        run(folder, "-o", tmp_path / "alone", *OPTIONS)
        assert contents(out)["t001.csv"] == contents(tmp_path / "alone")["t001.csv"]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ((), "the files of a folder need --output-dir DIR or --in-place"),
            (("-o", "out.csv"), "out.csv would be one file; give -o the name of a folder"),
            (("-o", "taken"), "taken: is a file; the outputs need a folder"),
        ],
    )
    def test_need_a_folder_for_their_outputs(self, folder, monkeypatch, options, message):
        monkeypatch.chdir(folder.parent)
        Path("taken").touch()
        done = run("in", *options, *OPTIONS)
        assert (2, 1, b"") == (done.status, len(done.lines), done.output)
        assert message in done.messages
        assert ["in", "taken"] == sorted(path.name for path in folder.parent.iterdir())

    def test_without_a_file_of_a_known_format_are_refused(self, tmp_path, out):
        (tmp_path / "in").mkdir()
        done = run(tmp_path / "in", "-o", out, *OPTIONS)
        assert (2, 1) == (done.status, len(done.lines))
        assert "is a folder without a file of a known format in it" in done.messages


@pytest.mark.parametrize(
    ("to_format", "names"),
    [
        ("parquet", ["a.parquet", "b.parquet.gz", "c.pq"]),
        ("tsv", ["a.tsv", "b.tsv.gz", "c.tsv"]),
        ("csv", ["a.csv", "b.csv.gz", "c.csv"]),
    ],
)
def test_names_in_a_folder_are_those_of_the_format(tmp_path, out, to_format, names):
    frame = pd.DataFrame({"x": [1.5, 2.5]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "b.csv.gz", index=False)
    frame.to_parquet(tmp_path / "c.pq")
    done = run(*sorted(tmp_path.iterdir()), "--output-dir", out, "--to", to_format, *OPTIONS)
    assert (0, "") == (done.status, done.messages)
    assert names == sorted(contents(out))


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


class TestIndex:
    def test_lists_the_outputs_of_a_sweep(self, tables, out):
        options = ("--sweep", "model=normal,laplace", "--sweep", "snr=20:0:-10", "--replicates", 2)
        assert 0 == run(*tables[:2], "--output-dir", out, *options, "--seed", 1).status
        listed = rows(out / "index.csv")
        assert {*contents(out)} - {"index.csv"} == {row["file"] for row in listed}
        assert ["file", "model", "level", "replicate", "changed", "snr_db"] == list(listed[0])
        for row in listed:
            model, level = row["model"], row["level"]
            name = f"{row['file'][:4]}_model-{model}_snr-{level}_{row['replicate']}.csv"
            assert (name, "60") == (row["file"], row["changed"])
            assert abs(float(row["snr_db"]) - float(level)) < 3
        assert [("normal", "20", "1"), ("normal", "20", "2"), ("normal", "10", "1")] == [
            (row["model"], row["level"], row["replicate"]) for row in listed[:3]
        ]

    def test_has_a_column_for_a_swept_parameter(self, tables, out):
        run(tables[0], "--output-dir", out, "-d", "student-t", "--sweep", "df=3,9", *OPTIONS)
        expected = [("student-t", "0.1sd", "3"), ("student-t", "0.1sd", "9")]
        assert expected == [
            (row["model"], row["level"], row["df"]) for row in rows(out / "index.csv")
        ]

    def test_is_not_written_where_nothing_is_swept(self, tables, out):
        run(tables[0], "--output-dir", out, "--replicates", 2, *OPTIONS)
        assert ["t000_1.csv", "t000_2.csv"] == sorted(contents(out))

    @pytest.mark.parametrize("options", [("--name", "index.csv"), ("--report", "out/index.csv")])
    def test_is_no_other_file(self, tables, tmp_path, monkeypatch, options):
        monkeypatch.chdir(tmp_path)
        done = run(tables[0], "--output-dir", "out", "--sweep", "scale=1", *options)
        assert (2, 1) == (done.status, len(done.lines))
        assert "index.csv" in done.messages

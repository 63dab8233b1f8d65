"""A run with --resume leaves the outputs that are finished, and makes the others."""

import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import run

from noisify.files import folder_output, versions

SEED = ("--seed", 5)


@pytest.fixture
def days(tmp_path):
    inputs = [tmp_path / f"day{number}.csv" for number in range(4)]
    for number, path in enumerate(inputs):
        path.write_text("x\n" + f"{number}.5\n" * 10)
    return inputs


def resumed(inputs, folder, *options):
    done = run(*inputs, "--output-dir", folder, *SEED, "--resume", *options)
    assert 0 == done.status, done.messages
    return done.messages


def states(folder):
    return {
        path.name: (path.stat().st_mtime_ns, path.stat().st_ino)
        for path in folder.iterdir()
        if path.is_file()
    }


def records(folder):
    return sorted(folder.glob(".noisify/*/*.json"))


def test_finished_outputs_stay_untouched(tmp_path, days):
    out = tmp_path / "out"
    assert "" == resumed(days[:3], out, "-s", 1)
    before = states(out)

    told = resumed(days, out, "-s", 1)

    assert "noisify: note: 3 of 4 files are finished, and stay as they are\n" == told
    assert before == {name: state for name, state in states(out).items() if name != "day3.csv"}
    assert 4 == len(records(out))
    assert "4 of 4 files are finished" in resumed(days, out, "-s", 1)
    assert 0 == run(*days, "--output-dir", tmp_path / "plain", *SEED, "-s", 1).status
    for path in (tmp_path / "plain").iterdir():
        assert path.read_bytes() == (out / path.name).read_bytes()


@pytest.mark.parametrize("change", ["grown", "other bytes", "missing", "record", "half a record"])
def test_an_output_that_changed_is_made_again(tmp_path, days, change):
    out = tmp_path / "out"
    resumed(days, out, "-s", 1)
    before, expected = states(out), (out / "day1.csv").read_bytes()
    record = next(path for path in records(out) if path.name == "day1.csv.json")
    match change:
        case "grown":
            (out / "day1.csv").write_bytes(expected + b"9.5\n")
        case "other bytes":
            (out / "day1.csv").write_bytes(expected.replace(b"1", b"2"))
        case "missing":
            (out / "day1.csv").unlink()
        case "record":
            record.unlink()
        case "half a record":
            record.write_text(record.read_text()[:20])

    told = resumed(days, out, "-s", 1)

    assert "3 of 4 files are finished" in told
    assert expected == (out / "day1.csv").read_bytes()
    assert {"day1.csv"} == {name for name, state in states(out).items() if state != before[name]}


def test_so_is_that_of_an_input_that_changed(tmp_path, days):
    out = tmp_path / "out"
    resumed(days, out, "-s", 1)
    os.utime(days[2], ns=(0, 10**18))

    assert "3 of 4 files are finished" in resumed(days, out, "-s", 1)


@pytest.mark.parametrize(
    "other",
    [
        ("-s", 2), ("-s", 1, "--clip", "0,9"), ("-s", 1, "--where", "x > 0"), ("-d", "laplace"),
        ("-s", 1, "--decimals", 2), ("-s", 1, "--na", "9"), ("-s", 1, "--same-noise"),
        ("-s", "1sd"), ("-s", 1, "-c", "x"), ("-s", 1, "--replicates", 1), ("-s", 1, "--strict"),
    ],
)  # fmt: skip
def test_other_noise_does_not_count_as_finished(tmp_path, days, other):
    out = tmp_path / "out"
    resumed(days, out, "-s", 1)

    assert "finished" not in resumed(days, out, *other)
    assert 2 == len(list((out / ".noisify").iterdir()))
    assert "4 of 4" in resumed(days, out, *other)


def test_workers_and_chunks_do_not_make_other_noise(tmp_path, days):
    out = tmp_path / "out"
    resumed(days, out, "-s", 1)

    assert "4 of 4" in resumed(days, out, "-s", 1, "--jobs", 1, "--chunk-size", "1k", "-v")


def test_the_files_that_failed_are_tried_again(tmp_path, days):
    out = tmp_path / "out"
    days[1].write_text("x\n1.5\n1,2\n")
    done = run(*days, "--output-dir", out, *SEED, "--resume", "-s", 1)
    assert 3 == done.status
    days[1].write_text("x\n1.5\n")

    assert "3 of 4 files are finished" in resumed(days, out, "-s", 1)


def test_shards_and_replicates_keep_records_too(tmp_path, days):
    out = tmp_path / "out"
    for shard in ("1/2", "2/2"):
        resumed(days, out, "-s", 1, "--replicates", 2, "--shard", shard)

    assert 8 == len(records(out))
    assert "4 of 4 files" in resumed(days, out, "-s", 1, "--replicates", 2)
    assert "2 of 2 files" in resumed(days, out, "-s", 1, "--replicates", 2, "--shard", "1/2")


@pytest.fixture
def table(tmp_path):
    folder = tmp_path / "table"
    folder.mkdir()
    for name in "ab":
        pq.write_table(pa.table({"x": np.arange(5.0)}), folder / f"{name}.parquet")
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_folder_of_parquet_is_one_output(tmp_path, table):
    out = tmp_path / "out"
    resumed([table], out, "-s", 1)

    assert "1 of 1" in resumed([table], out, "-s", 1)
    (out / "table" / "b.parquet").unlink()
    done = run(table, "--output-dir", out, *SEED, "--resume", "-s", 1)
    assert "table: is a folder with files in it, and not as a run of" in done.messages
    assert "with --resume left it; remove it, or give another --output-dir" in done.messages
    assert ["a.parquet"] == [path.name for path in (out / "table").iterdir()]


@pytest.mark.parametrize(
    ("module", "step", "told"),
    [(versions, "write_text", ""), (folder_output, "sync_new_names", "1 of 1 files are finished")],
)
def test_a_folder_is_finished_once_it_has_its_name(
    tmp_path, table, monkeypatch, module, step, told
):
    out, whole = tmp_path / "out", getattr(module, step)

    def killed(*given):
        whole(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, step, killed)
        assert 130 == run(table, "--output-dir", out, *SEED, "--resume", "-s", 1).status
    assert (told != "") == (out / "table").exists()
    assert told in resumed([table], out, "-s", 1)
    assert 0 == run(table, "-o", tmp_path / "plain", *SEED, "-s", 1).status
    assert contents(tmp_path / "plain") == contents(out / "table")


def test_a_folder_that_a_run_left_is_replaced_if_its_input_has_changed(tmp_path, table):
    out = tmp_path / "out"
    resumed([table], out, "-s", 1)
    (table / "b.parquet").unlink()
    pq.write_table(pa.table({"x": np.arange(9.0)}), table / "a.parquet")

    kept = run(table, "--output-dir", out, *SEED, "--resume", "-s", 1, "--no-clobber")
    assert (2, True) == (kept.status, "table: exists, and --no-clobber" in kept.messages)
    assert "" == resumed([table], out, "-s", 1)

    assert 0 == run(table, "-o", tmp_path / "plain", *SEED, "-s", 1).status
    assert contents(tmp_path / "plain") == contents(out / "table")
    assert "1 of 1 files are finished" in resumed([table], out, "-s", 1)
    assert [".noisify", "table"] == sorted(path.name for path in out.iterdir())


def test_with_no_clobber_only_files_that_are_not_ours_are_in_the_way(tmp_path, days):
    out = tmp_path / "out"
    resumed(days[:2], out, "-s", 1)
    assert "2 of 4" in resumed(days, out, "-s", 1, "--no-clobber")

    (out / "day3.csv").write_text("mine")
    done = run(*days, "--output-dir", out, *SEED, "--resume", "-s", 1, "--no-clobber")

    assert 0 != done.status
    assert "day3.csv: exists, and --no-clobber keeps it" in done.messages
    assert "mine" == (out / "day3.csv").read_text()


def test_a_record_holds_no_time_of_its_own(tmp_path, days):
    resumed(days, tmp_path / "a", "-s", 1)
    resumed(days, tmp_path / "b", "-s", 1)

    both = [[path.read_text() for path in records(tmp_path / name)] for name in "ab"]
    assert both[0] == both[1]
    assert {"input", "output"} == set(json.loads(both[0][0]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-o", "out.csv", *SEED), "--resume is for the files of --output-dir DIR"),
        (("--output-dir", "out"), "--resume needs a seed that all runs have; add --seed N"),
        (("--output-dir", "out", *SEED, "--report", "r.json"), "--report would lack the outputs"),
        (("--output-dir", "out", *SEED, "--sweep", "scale=1,2"), "the list of a sweep would lack"),
        (("--output-dir", "out", *SEED, "--mask", "m.csv"), "--mask would not be made"),
        (("--output-dir", "out", *SEED, "--depfile", "o.d"), "--depfile would lack the outputs"),
    ],
)
def test_what_cannot_be_resumed_is_refused(tmp_path, monkeypatch, days, options, message):
    monkeypatch.chdir(tmp_path)
    done = run(days[1], *options, "--resume")

    assert (2, 1) == (done.status, len(done.lines))
    assert message in done.messages
    assert not (tmp_path / "out").exists()

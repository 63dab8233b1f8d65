"""Folders by URL: tables of Parquet files, and what a run that was killed has left of one."""

import filecmp
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from run_command import run

from noisify.core.errors import NoisifyError
from noisify.files import remote_folder_output, transport, versions

pytestmark = pytest.mark.slow

pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'noisify-cli[remote]'")

NOISE = ("--seed", 3, "-q")
DATA = ("a.parquet", "y=1/b.parquet", "y=1/c.PQ")
OTHERS = ("_SUCCESS", "notes/readme.md")
LEFT_OUT = ("_metadata", ".a.parquet.crc")


@pytest.fixture
def table(tmp_path, lake):
    """Make a table in a local folder and on S3; return the local folder."""
    folder = tmp_path / "table"
    for number, name in enumerate((*DATA, *OTHERS, *LEFT_OUT)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name in DATA:
            table = pa.table({"x": np.arange(50.0) + number, "name": ["a"] * 50})
            pq.write_table(table, path, row_group_size=20)
        else:
            path.write_text(name)
        lake.put(f"table/{name}", path.read_bytes())
    lake.put("table/", b"")  # as consoles mark folders
    return folder


def local(tmp_path, table, *options):
    """Return the outputs of a local run, by their paths in the folder."""
    out = tmp_path / "whole"
    shutil.rmtree(out, ignore_errors=True)
    assert 0 == run(table, "-o", out, *NOISE, *options).status
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file()
    }


def on_s3(lake, folder):
    start = f"{folder}/"
    return {key.removeprefix(start): lake.get(key) for key in lake.objects() if start in key}


@pytest.mark.parametrize("url", ["s3://lake/table", "s3://lake/table/"])
@pytest.mark.parametrize(
    "options", [(), ("-d", "drop-rows"), ("-d", "shuffle", "--rate", "50%", "-c", "x")]
)
def test_a_table_on_s3_gets_the_noise_of_the_local_one(lake, tmp_path, table, url, options):
    expected = local(tmp_path, table, *options)
    done = run(url, "-o", "s3://lake/noisy", *NOISE, *options)
    assert (0, "") == (done.status, done.messages)
    assert {*DATA, *OTHERS} == set(expected)
    assert expected == on_s3(lake, "noisy")


def test_it_may_be_read_or_written_there_only(lake, tmp_path, table):
    expected = local(tmp_path, table)
    assert 0 == run(table, "--output-dir", "s3://lake/up", *NOISE).status
    assert expected == on_s3(lake, "up/table")
    assert 0 == run("s3://lake/table", "-o", tmp_path / "down", *NOISE).status
    names = [*DATA, *OTHERS]
    same = filecmp.cmpfiles(tmp_path / "whole", tmp_path / "down", names, shallow=False)
    assert (names, [], []) == same


def test_shards_of_it_are_its_files(lake, tmp_path, table):
    expected = local(tmp_path, table)
    for number in (1, 2):
        out = ("-o", f"s3://lake/part/{number}", "--shard", f"{number}/2")
        assert 0 == run("s3://lake/table", *out, *NOISE).status
    assert expected == {**on_s3(lake, "part/1"), **on_s3(lake, "part/2")}


def test_it_is_resumed_as_one_output(lake, table):
    command = ("s3://lake/table/", "--output-dir", "s3://lake/out", "-s", 1, "--seed", 1)
    assert 0 == run(*command, "--resume").status
    assert "1 of 1 files are finished" in run(*command, "--resume").messages
    lake.put("table/a.parquet", (table / DATA[1]).read_bytes())
    lake.put("out/table/mine", b"")
    done = run(*command, "--resume")
    assert (2, 1) == (done.status, len(done.lines))
    assert "s3://lake/out/table: is a folder with files in it, and not as a" in done.messages
    lake.client.delete_object(Bucket="lake", Key="out/table/mine")
    done = run(*command, "--resume")
    assert (0, False) == (done.status, "finished" in done.messages)
    assert "1 of 1 files are finished" in run(*command, "--resume").messages
    assert 0 == run("s3://lake/table/", "-o", "s3://lake/plain", "-s", 1, "--seed", 1).status
    assert on_s3(lake, "plain") == on_s3(lake, "out/table")


@pytest.mark.parametrize(
    ("module", "step", "told"),
    [(versions, "write_text", ""), (remote_folder_output, "remove_folder", "1 of 1 files are")],
)
def test_it_is_finished_once_it_is_complete(lake, table, monkeypatch, module, step, told):
    whole = getattr(module, step)

    def killed(*given):
        patch.undo()
        patch.setattr(remote_folder_output.RemoteFolderOutput, "discard", lambda _: None)
        whole(*given)
        raise KeyboardInterrupt

    command = (table, "--output-dir", "s3://lake/out", "-s", 1, "--seed", 1, "--resume")
    with monkeypatch.context() as patch:
        patch.setattr(module, step, killed)
        assert 130 == run(*command).status
    marker = "table/.noisify.incomplete"
    assert (told == "") == (marker in on_s3(lake, "out"))
    done = run(*command)
    assert 0 == done.status
    assert told in done.messages
    assert 0 == run(table, "-o", "s3://lake/plain", "-s", 1, "--seed", 1).status
    assert on_s3(lake, "plain") == on_s3(lake, "out/table")


def test_a_folder_that_is_incomplete_is_replaced(lake, tmp_path, table, monkeypatch):
    expected = local(tmp_path, table)
    upload, calls = transport.Location.upload, []

    def dying(self, source, name):
        calls.append(name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        upload(self, source, name)

    command = ("s3://lake/table", "-o", "s3://lake/noisy", *NOISE)
    with monkeypatch.context() as patch:
        patch.setattr(transport.Location, "upload", dying)
        assert 130 == run(*command).status
        assert {} == on_s3(lake, "noisy"), "a run that is stopped removes what it uploaded"
        calls.clear()
        patch.setattr(transport.Location, "remove", lambda *_: None)
        assert 130 == run(*command).status
    left = on_s3(lake, "noisy")
    assert {".noisify.incomplete", *calls[:2]} == set(left)
    lake.put("noisy/part-of-it.parquet", b"half")

    assert 0 == run(*command).status

    assert expected == on_s3(lake, "noisy")


@pytest.mark.usefixtures("table")
def test_what_is_no_table_is_one_line(lake):
    lake.put("days/1.csv", b"x\n1.5\n")
    for source, out, why in (
        ("s3://lake/days", "s3://lake/n", "is a folder; name its files, such as 's3://lake/days/*"),
        ("s3://lake/table", "s3://lake/table/noisy", "would be inside the input s3://lake/table"),
        ("s3://lake/table", "s3://lake/table", "is a folder with files in it"),
        ("s3://lake/table", "n.csv", "a folder is written as a folder of Parquet files"),
    ):
        done = run(source, "-o", out, *NOISE)
        assert 1 == len(done.lines)
        assert why in done.messages
    lake.put("table/_delta_log/0.json", b"{}")
    done = run("s3://lake/table", "-o", "s3://lake/n", *NOISE)
    assert (3, 1) == (done.status, len(done.lines))
    assert "logs every file of this table" in done.messages


@pytest.mark.usefixtures("lake", "table")
def test_other_programs_read_it():
    assert 0 == run("s3://lake/table", "-o", "s3://lake/noisy", *NOISE).status
    s3fs = pytest.importorskip("s3fs")
    system = s3fs.S3FileSystem()
    assert (
        150 == ds.dataset("lake/noisy", filesystem=system, exclude_invalid_files=True).count_rows()
    )


def test_a_table_that_changes_meanwhile_is_refused(lake, table, monkeypatch):
    read, calls = transport.Location.read, []

    def reading(self, start, stop):
        calls.append(start)
        if len(calls) == 3:
            lake.put("table/a.parquet", (table / DATA[1]).read_bytes())
        return read(self, start, stop)

    monkeypatch.setattr(transport.Location, "read", reading)
    done = run("s3://lake/table", "-o", "s3://lake/noisy", *NOISE)
    assert (done.status, len(done.lines)) == (3, 1)
    assert "was changed while it was read, so no output was made" in done.messages
    assert {} == on_s3(lake, "noisy")


@pytest.mark.parametrize("shared", [False, True])
def test_a_run_that_another_has_overtaken_leaves_the_folder_to_it(tmp_path, lake, shared):
    (tmp_path / "in").mkdir()
    first, second = (
        remote_folder_output.RemoteFolderOutput(tmp_path / "in", f"{lake.url}/out")
        for _ in range(2)
    )
    for run_of, output in ((b"1", first), (b"2", second)):
        output.open()
        (output.folder / "a").write_bytes(run_of)
    plain = first._start
    first._start = lambda: (plain(), second._start())
    if shared:
        first.share_out(b"1")

    with pytest.raises(NoisifyError, match="is no longer written by this run"):
        first.commit()
    first.discard()
    assert {remote_folder_output.INCOMPLETE} == on_s3(lake, "out").keys()
    second.commit()

    assert {"a": b"2"} == on_s3(lake, "out")


def test_a_run_begins_with_what_is_there_then(tmp_path, lake):
    (tmp_path / "in").mkdir()
    runs = [
        remote_folder_output.RemoteFolderOutput(tmp_path / "in", f"{lake.url}/out")
        for _ in range(3)
    ]
    for number, output in enumerate(runs):
        output.open()
        (output.folder / f"{number}").write_bytes(b"")
    upload = runs[0]._upload
    runs[0]._upload = lambda name: (upload(name), runs[1].commit())
    with pytest.raises(NoisifyError, match="is no longer written by this run"):
        runs[0].commit()
    with pytest.raises(NoisifyError, match="is a folder with files in it"):
        runs[2].commit()
    for output in runs:
        output.discard()
    assert {"1": b""} == on_s3(lake, "out")

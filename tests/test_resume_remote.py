"""Runs with --resume by URL, and after their client was killed."""

import signal
import subprocess
import sys
import time

import pytest
from run_command import clean_environment, run
from servers import file_server

from noisify.files.multipart import PART_BYTES

pytestmark = pytest.mark.slow

pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'noisify-cli[remote]'")

NOISE = ("--seed", 5, "-s", 1, "--resume")


def states(lake, prefix="noisy/"):
    """Return what changes when an object is written again."""
    about = {key: lake.client.head_object(Bucket="lake", Key=key) for key in lake.objects()}
    return {
        key: (one["ETag"], one["LastModified"])
        for key, one in about.items()
        if key.startswith(prefix) and "/.noisify/" not in key
    }


def records(lake):
    return [key for key in lake.objects() if "/.noisify/" in key]


def put_days(lake, count=4):
    for number in range(count):
        lake.put(f"in/day{number}.csv", f"x\n{number}.5\n2.5\n".encode())


def resumed(*arguments, status=0):
    done = run(*arguments, *NOISE)
    assert status == done.status, done.messages
    return done.messages


def test_finished_objects_stay_untouched(lake):
    put_days(lake, 3)
    days, out = "s3://lake/in/*.csv", ("--output-dir", "s3://lake/noisy")
    assert "" == resumed(days, *out)
    before = states(lake)
    lake.put("in/day3.csv", b"x\n1.5\n")

    assert "noisify: note: 3 of 4 files are finished, and stay as they are\n" == resumed(days, *out)

    assert {**before, "noisy/day3.csv": states(lake)["noisy/day3.csv"]} == states(lake)
    assert 4 == len(records(lake))
    assert "4 of 4 files are finished" in resumed(days, *out)


@pytest.mark.parametrize("change", ["input", "output", "missing", "record", "half a record"])
def test_an_object_that_changed_is_made_again(lake, change):
    put_days(lake)
    command = ("s3://lake/in/*.csv", "--output-dir", "s3://lake/noisy/")
    resumed(*command)
    expected = lake.get("noisy/day1.csv")
    record = next(key for key in records(lake) if key.endswith("/day1.csv.json"))
    match change:
        case "input":
            lake.put("in/day1.csv", b"x\n9.5\n")
        case "output":
            lake.put("noisy/day1.csv", b"x\n9.5\n")
        case "missing":
            lake.client.delete_object(Bucket="lake", Key="noisy/day1.csv")
        case "record":
            lake.client.delete_object(Bucket="lake", Key=record)
        case "half a record":
            lake.put(record, lake.get(record)[:20])

    assert "3 of 4 files are finished" in resumed(*command)

    assert (expected == lake.get("noisy/day1.csv")) == (change != "input")
    assert "4 of 4" in resumed(*command)


def test_other_noise_or_a_copy_with_other_bytes_is_not_finished(lake):
    put_days(lake)
    command = ("s3://lake/in/*.csv", "--output-dir", "s3://lake/noisy")
    resumed(*command)

    assert "finished" not in resumed(*command, "--clip", "0,1")
    assert "4 of 4" in resumed(*command, "--clip", "0,1")
    assert "finished" not in resumed(*command), "the other run has replaced them"


@pytest.mark.parametrize("way", ["to S3", "from S3", "from the web"])
def test_inputs_and_outputs_may_be_on_different_machines(lake, tmp_path, way):
    (tmp_path / "in").mkdir()
    with file_server() as server:
        for number in range(2):
            data = f"x\n{number}.5\n".encode()
            (tmp_path / "in" / f"{number}.csv").write_bytes(data)
            lake.put(f"in/{number}.csv", data)
            server.files[f"/{number}.csv"] = data
        place = {"to S3": tmp_path / "in", "from S3": "s3://lake/in"}.get(way, server.url)
        inputs = [f"{place}/{number}.csv" for number in range(2)]
        out = "s3://lake/noisy" if way == "to S3" else tmp_path / "noisy"
        resumed(*inputs, "--output-dir", out)

        assert "2 of 2" in resumed(*inputs, "--output-dir", out)
        if way != "to S3":
            signed = [f"{name}?signature=abc" for name in inputs] if way != "from S3" else inputs
            assert "2 of 2" in resumed(*signed, "--output-dir", out)
            texts = [path.read_text() for path in (tmp_path / "noisy").rglob("*.json")]
            assert not any("abc" in text for text in texts)


def test_failures_are_one_line(lake):
    put_days(lake, 1)
    done = run("s3://lake/in/*.csv", "--output-dir", "s3://other/noisy", *NOISE)
    why = "is in a bucket that does not exist; check its name"
    assert (1, 1) == (done.status, len(done.lines))
    assert why in done.messages


# ── a client that was killed ─────────────────────────────────────────────────────────────────────

KILLED = """
import os, signal, sys, threading
from noisify.cli import main
from noisify.engine.finished import FinishedOutputs
import noisify.files.remote_output
from noisify.files import output, remote_output
after, where = int(sys.argv[1]), sys.argv[2]
add = FinishedOutputs.add
recorded = threading.Event()
recorded.set()  # nothing is committed before the first
def counted(self, *arguments):
    global after
    add(self, *arguments)
    after -= 1
    recorded.set()
def dying(commit):
    def method(self, *arguments):
        if ".noisify" not in str(self.name):
            recorded.wait(30)
            recorded.clear()
        if after <= 0 and ".noisify" not in str(self.name):
            os.kill(os.getpid(), signal.SIGKILL)
        commit(self, *arguments)
    return method
FinishedOutputs.add = counted
remote_output.RemoteOutput.commit = dying(remote_output.RemoteOutput.commit)
output.FileOutput.commit = dying(output.FileOutput.commit)
main(sys.argv[3:])
"""


def killed(after, *arguments):
    """Run a command that is killed before it commits an output, when some are recorded."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(after), "", *map(str, arguments)],
        env=clean_environment(None),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert -signal.SIGKILL == done.returncode, done.stderr


def large(number):
    """Return a table that goes to S3 in several parts."""
    return b"x,y\n" + f"{number}.5,{'a' * 19_995}\n".encode() * (9 * PART_BYTES // 8 // 20_000)


def test_a_run_on_s3_that_was_killed_goes_on(lake):
    for number in range(3):
        lake.put(f"in/day{number}.csv", large(number))
    command = ("s3://lake/in/*.csv", "--output-dir", "s3://lake/noisy")
    killed(1, *command, *NOISE, "-j", 1)
    before = states(lake)
    assert ["noisy/day0.csv"] == list(before)
    assert ["noisy/day1.csv"] == lake.uploads()
    other = lake.client.create_multipart_upload(Bucket="lake", Key="noisy/mine.csv")

    assert "1 of 3 files are finished" in resumed(*command)

    assert ["noisy/mine.csv"] == lake.uploads(), "what is not an output of this run stays"
    assert before.items() <= states(lake).items()
    resumed("s3://lake/in/*.csv", "--output-dir", "s3://lake/plain")
    for number in range(3):
        assert lake.get(f"plain/day{number}.csv") == lake.get(f"noisy/day{number}.csv")
    lake.client.abort_multipart_upload(
        Bucket="lake", Key="noisy/mine.csv", UploadId=other["UploadId"]
    )


def test_a_local_run_that_was_killed_goes_on(tmp_path):
    for number in range(3):
        (tmp_path / f"day{number}.csv").write_bytes(large(number))
    inputs, out = sorted(tmp_path.glob("*.csv")), tmp_path / "out"
    killed(1, *inputs, "--output-dir", out, *NOISE, "-j", 1)
    (before,) = out.glob("*.csv")
    state = before.stat().st_mtime_ns, before.stat().st_ino
    assert 1 == len([path for path in out.iterdir() if path.suffix == ".tmp"])

    assert "1 of 3 files are finished" in resumed(*inputs, "--output-dir", out)

    assert state == (before.stat().st_mtime_ns, before.stat().st_ino)
    assert [".noisify", *(path.name for path in inputs)] == sorted(
        path.name for path in out.iterdir()
    )
    assert 0 == run(*inputs, "--output-dir", tmp_path / "plain", *NOISE[:-1]).status
    for path in inputs:
        assert (tmp_path / "plain" / path.name).read_bytes() == (out / path.name).read_bytes()


def test_so_does_a_run_on_dask(lake):
    pytest.importorskip("distributed", reason="needs dask[distributed]")
    for number in range(4):
        lake.put(f"in/day{number}.csv", large(number)[:2_000_004])
    dask = ("--engine", "dask", "-j", 2)
    command = ("s3://lake/in/*.csv", "--output-dir", "s3://lake/noisy")
    client = subprocess.Popen(
        [sys.executable, "-m", "noisify", *map(str, (*command, *NOISE, *dask))],
        env=clean_environment(None),
        stderr=subprocess.DEVNULL,
    )
    with client:
        while not records(lake) and client.poll() is None:
            time.sleep(0.01)
        client.kill()
    recorded = {key.rpartition("/")[2].removesuffix(".json") for key in records(lake)}
    before = {key: state for key, state in states(lake).items() if key[6:] in recorded}
    assert recorded

    assert f"{len(recorded)} of 4 files are finished" in resumed(*command)

    assert before.items() <= states(lake).items()
    assert [] == lake.uploads()
    resumed("s3://lake/in/*.csv", "--output-dir", "s3://lake/plain")
    for number in range(4):
        assert lake.get(f"plain/day{number}.csv") == lake.get(f"noisy/day{number}.csv")

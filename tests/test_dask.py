"""Runs on a Dask cluster of two processes give the bytes of a run on one machine."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from importlib import import_module
from itertools import chain
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import run, run_process
from servers import file_server

distributed = pytest.importorskip("distributed", reason="needs dask[distributed]")
zarr = pytest.importorskip("zarr", reason="needs zarr")
from noisify.engine import dask_batch, dask_cluster  # noqa: E402 - needs distributed

pytestmark = pytest.mark.slow

SEED = ("--seed", 5)
RNG = np.random.default_rng(1)


@pytest.fixture(scope="module")
def cluster():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", host="127.0.0.1",
            silence_logs="CRITICAL",
        ) as found,
    ):  # fmt: skip
        yield found


@pytest.fixture
def on_dask(cluster):
    return ("--engine", "dask", "--scheduler", cluster.scheduler_address)


@pytest.fixture
def inputs(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    x = RNG.normal(size=(300, 2))
    for number in range(6):
        rows = "".join(f'{n},"{a}",{b}\n' for n, (a, b) in enumerate(x.tolist()))
        (folder / f"day{number}.csv").write_text(f"id,x,y\n{rows}")
    np.save(folder / "array.npy", x)
    np.savez(folder / "arrays.npz", x=x, y=x[0])
    pq.write_table(pa.table({"x": x[:, 0], "name": ["a"] * 300}), folder / "table.parquet")
    with h5py.File(folder / "tree.h5", "w") as file:
        file["group/x"] = x
    return sorted(folder.iterdir())


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    "noise",
    [
        (), ("-s", "0.5"), ("-d", "shuffle", "--rate", "50%"), ("-d", "pink"), ("--snr", "10"),
        ("-s", "1", "--replicates", "2"), ("--sweep", "scale=0.1,1"), ("-s", "1", "--same-noise"),
    ],
)  # fmt: skip
def test_the_outputs_are_those_of_one_machine(tmp_path, inputs, on_dask, noise):
    local = run(*inputs, "--output-dir", tmp_path / "local", *SEED, *noise)

    done = run(*inputs, "--output-dir", tmp_path / "dask", *SEED, *noise, *on_dask)

    assert (local.status, local.messages) == (done.status, done.messages)
    assert 0 == done.status
    assert contents(tmp_path / "local") == contents(tmp_path / "dask")


def test_so_are_report_messages_and_failures(tmp_path, inputs, on_dask, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "day3.csv").write_text("x,y\n1.5,2.5\n1.5\n")
    names = [path.relative_to(tmp_path) for path in inputs]
    common = (*names, "--output-dir", "out", *SEED, "-s", "1", "--report")
    local = run(*common, "local.json", "-v")

    done = run(*common, "dask.json", "-v", *on_dask)

    assert (3, local.status) == (done.status, done.status)
    assert local.messages == done.messages
    assert json.loads((tmp_path / "local.json").read_text()) == json.loads(
        (tmp_path / "dask.json").read_text()
    )


def test_one_file_with_its_mask(tmp_path, inputs, on_dask):
    source = inputs[2]
    for name, options in (("local", ()), ("dask", on_dask)):
        out = ("-o", tmp_path / f"{name}.csv", "--mask", tmp_path / f"{name}-mask.csv")
        assert 0 == run(source, *out, *SEED, "-d", "missing", "--rate", "5%", *options).status

    for kind in (".csv", "-mask.csv"):
        assert (tmp_path / f"local{kind}").read_bytes() == (tmp_path / f"dask{kind}").read_bytes()


def test_shards_and_resume_go_with_it(tmp_path, inputs, on_dask):
    common = (*inputs, "--output-dir", tmp_path / "out", *SEED, "-s", "1")
    for shard in ("1/2", "2/2"):
        assert 0 == run(*common, "--resume", "--shard", shard, *on_dask).status

    done = run(*common, "--resume", *on_dask)

    assert f"{len(inputs)} of {len(inputs)} files are finished" in done.messages
    assert 0 == run(*inputs, "--output-dir", tmp_path / "local", *SEED, "-s", "1").status
    for name, data in contents(tmp_path / "local").items():
        assert data == (tmp_path / "out" / name).read_bytes()


def make_twice(monkeypatch):
    """Let each task run twice at the same time on its worker."""
    started = dask_batch.attempt

    def twice(*job):
        other = threading.Thread(target=started, args=job)
        other.start()
        found = started(*job)
        other.join()
        return found

    monkeypatch.setattr(dask_batch, "attempt", twice)


def kill_a_worker(monkeypatch, mark, which):
    """Let the worker of the first task that is told by `which(work, item)` die in it, once."""
    started = dask_batch.attempt

    def dies_once(work, item, expected):
        if which(work, item) and not mark.exists():
            mark.touch()
            started(work, item, expected)
            os._exit(1)
        return started(work, item, expected)

    monkeypatch.setattr(dask_batch, "attempt", dies_once)


def test_a_task_may_run_twice_at_once(tmp_path, inputs, on_dask, monkeypatch):
    make_twice(monkeypatch)
    assert 0 == run(*inputs, "--output-dir", tmp_path / "dask", *SEED, "-s", "1", *on_dask).status
    assert 0 == run(*inputs, "--output-dir", tmp_path / "local", *SEED, "-s", "1").status

    assert contents(tmp_path / "local") == contents(tmp_path / "dask")


def test_workers_may_die(tmp_path, inputs, on_dask, monkeypatch):
    mark = tmp_path / "died"
    kill_a_worker(monkeypatch, mark, lambda _, item: "day4" in str(item))
    done = run(*inputs, "--output-dir", tmp_path / "dask", *SEED, "-s", "1", *on_dask)

    assert (0, True) == (done.status, mark.exists())
    assert 0 == run(*inputs, "--output-dir", tmp_path / "local", *SEED, "-s", "1").status
    assert contents(tmp_path / "local") == contents(tmp_path / "dask")


@pytest.fixture
def large(tmp_path):
    """Return inputs that are cut into parts of 20 KB."""
    folder = tmp_path / "large"
    folder.mkdir()
    x = RNG.normal(size=(3000, 2))
    rows = "".join(f'{n},"{a}",{b}\n' for n, (a, b) in enumerate(x.tolist()))
    (folder / "quoted.csv").write_text(f"id,x,y\n{rows}")
    np.save(folder / "cube.npy", x)
    table = pa.table({"x": x[:, 0], "y": x[:, 1], "name": ["a"] * len(x)})
    pq.write_table(table, folder / "rows.parquet", row_group_size=500)
    store = zarr.open_group(folder / "store.zarr", mode="w")
    store.create_array("x", shape=x.shape, dtype="f8", chunks=(400, 1))[:] = x
    store.create_array("group/y", shape=(3000,), dtype="f4", shards=(600,), chunks=(60,))[:] = 1.5
    (folder / "dataset").mkdir()
    for number in range(3):
        pq.write_table(table.slice(1000 * number, 1000), folder / "dataset" / f"{number}.parquet")
    return sorted(folder.iterdir())


PARTS = ("--part-size", "20k")
LEVELS = {
    "absolute": ("-s", "0.5"),
    "of the whole field": ("-s", "0.1iqr"),
    "with a halo": ("-d", "shuffle", "--rate", "50%", "-c", "x"),
    "sweep": ("--sweep", "scale=0.1,0.2sd"),
}


def compare_parts(tmp_path, large, on_dask, *noise):
    for source in large:
        noise_of = noise if source.suffix != ".npy" else [one for one in noise if one != "x"]
        noise_of = [one for one in noise_of if source.suffix != ".npy" or one != "-c"]
        local = run(source, "--output-dir", tmp_path / "local", *SEED, *noise_of)
        done = run(source, "--output-dir", tmp_path / "dask", *SEED, *noise_of, *on_dask, *PARTS)
        assert (0, local.messages) == (done.status, done.messages)

    assert contents(tmp_path / "local") == contents(tmp_path / "dask")
    assert not list((tmp_path / "dask").rglob(".*"))


@pytest.mark.parametrize("noise", LEVELS.values(), ids=LEVELS)
def test_large_files_are_cut(tmp_path, large, on_dask, noise):
    compare_parts(tmp_path, large, on_dask, *noise)


def test_their_parts_may_be_made_twice_at_once(tmp_path, large, on_dask, monkeypatch):
    make_twice(monkeypatch)
    compare_parts(tmp_path, large, on_dask, "-s", "0.1sd")


@pytest.mark.parametrize(
    ("suffix", "stage"),
    [
        *((".csv", stage) for stage in ("scan_part", "survey_part", "make_part", "copy_part")),
        (".parquet", "copy_part"),
        (".zarr", "survey_part"), (".zarr", "make_part"),
    ],
)  # fmt: skip
def test_workers_may_die_in_their_parts(tmp_path, large, on_dask, monkeypatch, suffix, stage):
    mark = tmp_path / "died"
    kill_a_worker(monkeypatch, mark, lambda work, _: work.__name__ == stage)
    chosen = [path for path in large if path.suffix == suffix]

    compare_parts(tmp_path, chosen, on_dask, "-s", "0.1sd")
    assert mark.exists()


def test_a_store_that_is_cut_is_resumed_as_one_output(tmp_path, large, on_dask):
    source = next(path for path in large if path.suffix == ".zarr")
    command = (source, "--output-dir", tmp_path / "dask", *SEED, "-s", 1, "--resume", *on_dask)
    left = tmp_path / "dask" / ".store.zarr.0123456789ab.tmp"
    for folder in (left, left.with_name(f"{left.name}.parts") / "x"):
        folder.mkdir(parents=True)
    assert 0 == run(*command, *PARTS).status
    assert [".noisify", "store.zarr"] == sorted(path.name for path in (tmp_path / "dask").iterdir())

    assert "1 of 1 files are finished" in run(*command, *PARTS).messages
    assert 0 == run(source, "-o", tmp_path / "local.zarr", *SEED, "-s", 1).status
    assert contents(tmp_path / "local.zarr") == contents(tmp_path / "dask" / "store.zarr")


@pytest.mark.filterwarnings("ignore:Consolidated metadata")
def test_a_store_on_a_web_server_is_cut(tmp_path, large, on_dask):
    source = next(path for path in large if path.suffix == ".zarr")
    zarr.consolidate_metadata(source)
    local = run(source, "-o", tmp_path / "local.zarr", *SEED)
    with file_server() as server:
        for path in filter(Path.is_file, source.rglob("*")):
            server.files[f"/{path.relative_to(source.parent)}"] = path.read_bytes()
        url = f"{server.url}/store.zarr"
        done = run(url, "-o", tmp_path / "dask.zarr", *SEED, *on_dask, *PARTS)
        opened = [path for _, path, _ in server.requests if path == "/store.zarr/zarr.json"]

    assert (0, local.messages) == (done.status, done.messages)
    assert len(opened) > 6  # once for each part, at least
    assert contents(tmp_path / "local.zarr") == contents(tmp_path / "dask.zarr")


@pytest.mark.parametrize("resume", [(), ("--resume",)])
@pytest.mark.parametrize("repeat", ["died", "twice"])
def test_a_task_may_make_a_folder_again(tmp_path, large, on_dask, monkeypatch, resume, repeat):
    source = next(path for path in large if path.suffix == ".zarr")
    mark = tmp_path / "died"
    if repeat == "twice":
        make_twice(monkeypatch)
    else:
        kill_a_worker(monkeypatch, mark, lambda *_: True)
    done = run(source, "--output-dir", tmp_path / "dask", *SEED, "-s", 1, *resume, *on_dask)

    assert (0, "", repeat == "died") == (done.status, done.messages, mark.exists())
    assert 0 == run(source, "-o", tmp_path / "local.zarr", *SEED, "-s", 1).status
    assert contents(tmp_path / "local.zarr") == contents(tmp_path / "dask" / "store.zarr")


def test_several_large_files_are_made_side_by_side(tmp_path, large, inputs, on_dask):
    common = (*large, *inputs, *SEED, "-s", "1", "-v", "-c", ":float")
    local = run(*common, "--output-dir", tmp_path / "out", "--report", tmp_path / "local.json")
    (tmp_path / "out").rename(tmp_path / "local")

    report = ("--report", tmp_path / "dask.json")
    done = run(*common, "--output-dir", tmp_path / "out", *report, *on_dask, *PARTS)

    assert (0, local.messages) == (done.status, done.messages)
    assert contents(tmp_path / "local") == contents(tmp_path / "out")
    assert (tmp_path / "local.json").read_text() == (tmp_path / "dask.json").read_text()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("suffix", [".csv", ".npy", ".zarr"])
def test_a_client_that_is_killed_leaves_nothing_half_written(tmp_path, large, on_dask, how, suffix):
    source = next(path for path in large if path.suffix == suffix)
    folder = tmp_path / "out"
    folder.mkdir()
    command = [sys.executable, "-m", "noisify", source, "-o", folder / f"o{suffix}", *SEED,
               "-s", "0.1sd", *on_dask, "--part-size", "8k"]  # fmt: skip
    with subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL) as client:
        while not any(folder.iterdir()):
            assert client.poll() is None
        client.send_signal(how)

    assert client.returncode != 0
    assert not (folder / f"o{suffix}").exists()
    if how == signal.SIGINT:
        assert not list(folder.iterdir())


def test_workers_on_this_machine_keep_memory_and_leave_no_files():
    mine = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    cluster = dask_cluster.DaskCluster(None, 1)
    try:
        (blocked,) = cluster.client.run(signal.pthread_sigmask, signal.SIG_BLOCK, ()).values()
        (left,) = cluster.client.run(tempfile.mkdtemp).values()
        assert Path(left).is_dir()
        (environment,) = cluster.client.run(lambda: dict(os.environ)).values()
    finally:
        cluster.close()

    assert not Path(left).exists()
    assert environment["MALLOC_MMAP_THRESHOLD_"] == "33554432"  # set before the worker started
    assert {signal.SIGINT, signal.SIGHUP} <= blocked  # Ctrl-C is the client's alone
    assert mine == signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_file_that_nobody_waits_for_any_more_is_not_made(tmp_path, on_dask):
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros(1 << 23))  # noise takes seconds to compress
    folder = tmp_path / "out"
    folder.mkdir()
    command = [sys.executable, "-m", "noisify", tmp_path / "x.npz", "-o", folder / "o.npz", *SEED,
               "-s", "1", *on_dask]  # fmt: skip
    with subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL) as client:
        while not any(folder.iterdir()):
            assert client.poll() is None
        client.send_signal(signal.SIGINT)

    assert 130 == client.returncode
    while any(folder.iterdir()):
        assert not (folder / "o.npz").exists()


def test_what_a_part_cannot_read_is_told_once(tmp_path, large, on_dask):
    source = next(path for path in large if path.suffix == ".csv")
    lines = source.read_text().splitlines(keepends=True)
    lines[2500] = "1,2\n"
    source.write_text("".join(lines))
    local = run(source, "-o", tmp_path / "o.csv", *SEED, "-s", "0.1sd")

    done = run(source, "-o", tmp_path / "o.csv", *SEED, "-s", "0.1sd", *on_dask, *PARTS)

    assert (3, local.messages) == (done.status, done.messages)
    assert "line 2501" in done.messages
    assert not list(tmp_path.glob("*o.csv*"))


def test_a_worker_of_another_version_is_refused_by_name(tmp_path, inputs, on_dask, monkeypatch):
    monkeypatch.setattr(dask_cluster, "VERSION", "9.9")
    dask_cluster.fingerprint.cache_clear()
    try:
        done = run(*inputs, "--output-dir", tmp_path / "out", *SEED, *on_dask)
    finally:
        dask_cluster.fingerprint.cache_clear()

    assert (1, 1) == (done.status, len(done.lines))
    assert "worker tcp://127.0.0.1" in done.messages
    assert "has noisify 0.1.0, and this machine 9.9" in done.messages
    assert not (tmp_path / "out").exists()


def test_no_clobber_is_looked_at_before_a_task_that_may_run_twice(tmp_path, inputs, on_dask):
    out = tmp_path / "out.csv"
    out.write_text("mine")

    done = run(inputs[2], "-o", out, "--no-clobber", *SEED, *on_dask)

    assert (2, "mine") == (done.status, out.read_text())
    assert "exists, and --no-clobber keeps it" in done.messages


@pytest.mark.parametrize("which", ["-o", "--mask"])
def test_so_it_is_for_objects(tmp_path, inputs, on_dask, lake, which):
    lake.put("out.csv", b"mine")
    names = {
        "-o": tmp_path / "out.csv",
        "--mask": tmp_path / "mask.csv",
        which: f"{lake.url}/out.csv",
    }

    done = run(inputs[2], *chain(*names.items()), "--no-clobber", *SEED, *on_dask)

    assert (2, b"mine") == (done.status, lake.get("out.csv"))
    assert f"{lake.url}/out.csv: exists, and --no-clobber keeps it" in done.messages


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--scheduler", "tcp://127.0.0.1:1"), "--scheduler is for --engine dask; add it"),
        (("--engine", "dask"), "--engine dask reads and writes named files"),
        (("--engine", "dask", "--in-place"), "--in-place would add noise twice"),
        (("--part-size", "1M"), "--part-size is for --engine dask; add it"),
        (("--engine", "spark", "-o", "x"), "no engine is called 'spark'"),
    ],
)
def test_what_it_cannot_do_is_refused(inputs, options, message):
    done = run(inputs[2], *SEED, *options)

    assert (2, 1) == (done.status, len(done.lines))
    assert message in done.messages


@pytest.mark.parametrize("where", ["tcp://127.0.0.1:1", "nowhere.json", "x"])
def test_a_scheduler_that_does_not_answer_is_named(tmp_path, inputs, monkeypatch, where):
    monkeypatch.setattr(dask_cluster, "_SECONDS_TO_ANSWER", 0.2)
    monkeypatch.chdir(tmp_path)
    out = ("-o", tmp_path / "o.csv", "--engine", "dask", "--scheduler", where)

    done = run(inputs[2], *SEED, *out)

    assert (1, 1) == (done.status, len(done.lines))
    assert f"no Dask scheduler with a worker answers at {where}" in done.messages
    assert not (tmp_path / "o.csv").exists()


def test_something_else_that_answers_is_no_scheduler(tmp_path, inputs, monkeypatch):
    monkeypatch.setattr(dask_cluster, "_SECONDS_TO_ANSWER", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"127.0.0.1:{silent.getsockname()[1]}"
        out = ("--output-dir", tmp_path / "out", *SEED, "--engine", "dask", "--scheduler", where)

        done = run(*inputs, *out)

    assert 1 == done.status
    assert f"answers at {where}: what answers is not a scheduler" in done.messages


class Absent:
    """What a worker without noisify cannot unpickle."""

    def __call__(self):
        return {}

    def __reduce__(self):
        return import_module, ("noisify.absent",)


def test_a_worker_without_noisify_is_named(tmp_path, inputs, on_dask, monkeypatch):
    monkeypatch.setattr(dask_cluster, "fingerprint", Absent())

    done = run(*inputs, "--output-dir", tmp_path / "out", *SEED, *on_dask)

    assert (1, 1) == (done.status, len(done.lines))
    assert "worker tcp://127.0.0.1" in done.messages
    assert "No module named 'noisify.absent'" in done.messages
    assert "install noisify-cli" in done.messages


def test_a_file_that_a_worker_does_not_see_names_the_worker(tmp_path, inputs, on_dask):
    inputs[0].unlink()

    done = run(*inputs[:2], "--output-dir", tmp_path / "out", *SEED, *on_dask)

    assert 1 == done.status
    assert ", on worker tcp://127.0.0.1:" in done.messages


def test_a_scheduler_that_is_lost_ends_the_run(tmp_path, inputs, on_dask, monkeypatch):
    def lost(_):
        raise distributed.CancelledError("scheduler-connection-lost")

    monkeypatch.setattr(distributed.Future, "exception", lost)

    done = run(*inputs, "--output-dir", tmp_path / "out", *SEED, *on_dask)

    assert (1, 1) == (done.status, len(done.lines))
    assert "noisify: the connection to the scheduler was lost" in done.messages


def test_a_cluster_of_its_own_without_workers_ends_the_run(tmp_path, inputs, large, monkeypatch):
    def close_workers(self):
        for nanny in self._own.workers.values():
            self._own.sync(nanny.close)

    monkeypatch.setattr(dask_cluster.DaskCluster, "check_workers", close_workers)
    out = ("--output-dir", tmp_path / "out", *SEED, "--engine", "dask", "-j", "1", *PARTS)

    done = run(*inputs, *large, *out)

    assert (1, 1) == (done.status, len(done.lines))
    assert "noisify: all workers of the cluster have died" in done.messages
    assert [] == list((tmp_path / "out").glob("*"))


def test_the_file_of_a_scheduler_has_its_address(tmp_path, inputs, cluster):
    file = tmp_path / "scheduler.json"
    file.write_text(json.dumps({"address": cluster.scheduler_address}))
    out = ("-o", tmp_path / "o.csv", "--engine", "dask", "--scheduler", file)

    assert 0 == run(inputs[2], *SEED, *out).status


def test_without_dask_the_extra_is_named(tmp_path, inputs, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)

    done = run(inputs[2], *SEED, "-o", tmp_path / "o.csv", "--engine", "dask")

    assert (2, 1) == (done.status, len(done.lines))
    assert "pip install 'noisify-cli[dask]'" in done.messages


def test_a_cluster_of_its_own_starts_beside_others(tmp_path, inputs):
    with socket.socket() as other:
        with suppress(OSError):  # already taken
            other.bind(("127.0.0.1", 8787))  # Dask's port for its pages
        other.listen()
        out = ("--output-dir", tmp_path / "out", *SEED, "-s", "1", "--engine", "dask", "-j", 1)

        done = run_process(*inputs[:2], *out)

    assert (0, "") == (done.status, done.messages)


def test_a_large_object_on_s3_is_uploaded_in_parts(tmp_path, lake):
    x = RNG.normal(size=(1 << 18, 8))
    np.save(tmp_path / "x.npy", x)
    url = lake.put("x.npy", (tmp_path / "x.npy").read_bytes())
    noise = (*SEED, "-d", "impulse", "--rate", "1%", "--mask-values")
    local = ("-o", tmp_path / "o.npy", "--mask", tmp_path / "m.npy")
    assert 0 == run(tmp_path / "x.npy", *local, *noise).status

    done = run(url, "-o", "s3://lake/o.npy", "--mask", "s3://lake/m.npy", *noise,
               "--engine", "dask", "-j", 2, "--part-size", "6MiB")  # fmt: skip

    assert (0, "") == (done.status, done.messages)
    for name in ("o.npy", "m.npy"):
        assert (tmp_path / name).read_bytes() == lake.get(name)
        assert len(lake.parts(name)) == 3
    assert [] == lake.uploads()


@pytest.mark.parametrize("suffix", [".npy", ".zarr"])
def test_a_mask_on_s3_is_written_from_what_parts_return(
    tmp_path, large, on_dask, lake, monkeypatch, suffix
):
    mark = tmp_path / "died"
    kill_a_worker(monkeypatch, mark, lambda work, _: work.__name__ == "make_part")
    source = next(path for path in large if path.suffix == suffix)
    common = (source, *SEED, "-d", "impulse", "--rate", "5%", "-q")
    assert 0 == run(*common, "-o", tmp_path / "o", "--mask", tmp_path / "m.npz").status

    done = run(*common, "-o", tmp_path / "p", "--mask", "s3://lake/m.npz", *on_dask, *PARTS)

    assert (0, "", True) == (done.status, done.messages, mark.exists())
    assert (tmp_path / "m.npz").read_bytes() == lake.get("m.npz")
    assert (["m.npz"], []) == ([*lake.objects()], [*lake.uploads()])

"""Runs on a Dask cluster of two processes give the bytes of a run on one machine."""

import json
import os
import socket
import sys
import threading
from contextlib import suppress

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import run, run_process

distributed = pytest.importorskip("distributed", reason="needs dask[distributed]")
from noisify.engine import dask_batch  # noqa: E402 - needs distributed

pytestmark = pytest.mark.slow

SEED = ("--seed", 5)
RNG = np.random.default_rng(1)


@pytest.fixture(scope="module")
def cluster():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1",
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
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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


def test_a_task_may_run_twice_at_once(tmp_path, inputs, on_dask, monkeypatch):
    started = dask_batch._work

    def twice(files, settings, expected):
        other = threading.Thread(target=started, args=(files, settings, expected))
        other.start()
        results = started(files, settings, expected)
        other.join()
        return results

    monkeypatch.setattr(dask_batch, "_work", twice)
    assert 0 == run(*inputs, "--output-dir", tmp_path / "dask", *SEED, "-s", "1", *on_dask).status
    assert 0 == run(*inputs, "--output-dir", tmp_path / "local", *SEED, "-s", "1").status

    assert contents(tmp_path / "local") == contents(tmp_path / "dask")


@pytest.mark.slow
def test_workers_may_die(tmp_path, inputs, on_dask, monkeypatch):
    started = dask_batch._work
    mark = tmp_path / "died"

    def dies_once(files, settings, expected):
        if any("day4" in one.path for one in files) and not mark.exists():
            mark.touch()
            os._exit(1)
        return started(files, settings, expected)

    monkeypatch.setattr(dask_batch, "_work", dies_once)
    done = run(*inputs, "--output-dir", tmp_path / "dask", *SEED, "-s", "1", *on_dask)

    assert (0, True) == (done.status, mark.exists())
    assert 0 == run(*inputs, "--output-dir", tmp_path / "local", *SEED, "-s", "1").status
    assert contents(tmp_path / "local") == contents(tmp_path / "dask")


def test_a_worker_of_another_version_is_refused_by_name(tmp_path, inputs, on_dask, monkeypatch):
    monkeypatch.setattr(dask_batch, "VERSION", "9.9")
    dask_batch.fingerprint.cache_clear()
    try:
        done = run(*inputs, "--output-dir", tmp_path / "out", *SEED, *on_dask)
    finally:
        dask_batch.fingerprint.cache_clear()

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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--scheduler", "tcp://127.0.0.1:1"), "--scheduler is for --engine dask; add it"),
        (("--engine", "dask"), "--engine dask reads and writes named files"),
        (("--engine", "dask", "--in-place"), "--in-place would add noise twice"),
        (("--engine", "spark", "-o", "x"), "no engine is called 'spark'"),
    ],
)
def test_what_it_cannot_do_is_refused(inputs, options, message):
    done = run(inputs[2], *SEED, *options)

    assert (2, 1) == (done.status, len(done.lines))
    assert message in done.messages


@pytest.mark.parametrize("where", ["tcp://127.0.0.1:1", "nowhere.json", "x"])
def test_a_scheduler_that_does_not_answer_is_named(tmp_path, inputs, monkeypatch, where):
    monkeypatch.setattr(dask_batch, "_SECONDS_TO_ANSWER", 0.2)
    monkeypatch.chdir(tmp_path)
    out = ("-o", tmp_path / "o.csv", "--engine", "dask", "--scheduler", where)

    done = run(inputs[2], *SEED, *out)

    assert (1, 1) == (done.status, len(done.lines))
    assert f"no Dask scheduler with a worker answers at {where}" in done.messages
    assert not (tmp_path / "o.csv").exists()


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

"""Files that are made in parts have the bytes of files that are made as a whole.

The parts are made here in this process, from pickled jobs, each twice, as on a cluster.
"""

import errno
import io
import json
import os
import pickle
import shutil
import stat
import sys
from concurrent.futures import Future
from contextlib import suppress

import fsspec
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from noises import IN_ORDER
from run_command import run
from servers import LEAST_PART, file_server

from noisify.cli import batch
from noisify.core.errors import NoisifyError
from noisify.engine import part_work
from noisify.engine.assembly import Assembly
from noisify.engine.cut_file import may_be_cut, process_in_parts
from noisify.engine.job import AT_ONCE
from noisify.files import multipart, whole_output
from noisify.files.remote_folder_output import PartOfRemoteFolder
from noisify.files.transport import Location
from noisify.formats.datasets import storage
from noisify.formats.zarr import source as zarr_source

zarr = pytest.importorskip("zarr", reason="zarr is not installed: pip install 'noisify-cli[zarr]'")
pytestmark = pytest.mark.filterwarnings("ignore:::zarr", "ignore:Consolidated metadata")

ROWS = 400
RNG = np.random.default_rng(1)
X = RNG.normal(size=(ROWS, 3))


class Twice:
    """Does the work of each item twice, with what a worker would be sent."""

    def map(self, work, items):
        for item in items:
            yield self.start_first(work, item).result()

    def start_first(self, work, item):
        sent = pickle.dumps((work, item))
        for _ in range(2):
            function, argument = pickle.loads(sent)  # noqa: S301 - made here
            found = pickle.dumps(function(argument))
        done = Future()
        done.set_result(pickle.loads(found))  # noqa: S301
        return done

    def check(self):
        pass


@pytest.fixture
def in_parts(monkeypatch):
    """Return the options with which a command makes files in parts, and count those cut."""
    cut = []

    class Cluster:
        def __init__(self, *_):
            pass

        def close(self):
            pass

    def process_all_on(_, files, settings, *__, part_bytes, **___):
        for one in files:
            assert may_be_cut(one, settings, part_bytes)
            uploaded = multipart.PartSizes(LEAST_PART, 2 * LEAST_PART)
            result = process_in_parts(one, settings, part_bytes, Twice(), uploaded)
            assert result is not None
            cut.append(one.path)
            yield result

    monkeypatch.setattr(batch.dask_cluster, "DaskCluster", Cluster)
    monkeypatch.setattr(batch.dask_batch, "process_all_on", process_all_on)
    return ("--engine", "dask", "--part-size", "1500")


def table(quoted):
    mark, inside = ('"', "b,\n") if quoted else ("", "b ")
    rows = (f"{n},{mark}{n / 7:.3f}{mark},{mark}a {inside}{n % 5}{mark}\n" for n in range(ROWS))
    return "id,x,note\n" + "".join(rows)


def make_store(path, version, x, y):
    """Make a store with a chunk that was never written, an edge chunk, shards and other files."""
    root = zarr.open_group(path, mode="w", zarr_format=version, attributes={"title": "a test"})
    array = root.create_array("x", shape=X.shape, dtype="f8", chunks=x, fill_value=0.5)
    array[: ROWS // 2] = X[: ROWS // 2]
    shards = {"shards": (200,)} if version == 3 else {}
    group = root.create_group("group")
    group.create_array("y", shape=(ROWS,), dtype=">f4", chunks=y, **shards)[:] = X[:, 1]
    group.create_array("count", shape=(ROWS,), dtype="i4", chunks=(70,))[:] = np.arange(ROWS)
    root.create_array("one", shape=(), dtype="f8")[...] = 1.5
    root.create_array("text", shape=(3,), dtype="U4", chunks=(1,))[:] = ["a", "b", "c"]
    (path / "x" / "readme").write_text("as it is")
    (path / "empty").mkdir()


def make_inputs(folder):
    folder.mkdir()
    (folder / "plain.csv").write_text(table(quoted=False))
    (folder / "quoted.csv").write_bytes(table(quoted=True).replace("\n", "\r\n").encode())
    comments = table(quoted=True).replace('7"\n', '7"\n# "\n')
    (folder / "comments.csv").write_text(comments)
    frame = {"id": np.arange(ROWS), "x": X[:, 0], "y": X[:, 1].astype("f4"),
             "note": [f"text {n % 5}" for n in range(ROWS)],
             "many": [[n / 2] * (n % 3) for n in range(ROWS)]}  # fmt: skip
    pq.write_table(
        pa.table(frame), folder / "table.parquet", row_group_size=70, write_page_index=True
    )
    (folder / "folder").mkdir()
    for number in range(4):
        some = pa.table(frame).slice(100 * number, 100)
        pq.write_table(some, folder / "folder" / f"{number}.parquet", row_group_size=60)
    (folder / "folder" / "_readme").write_text("as it is")
    (folder / "folder" / "_link").symlink_to("_readme")
    np.save(folder / "array.npy", X)
    with h5py.File(folder / "tree.h5", "w") as file:
        file["x"], file["group/y"] = X, X[:, 1].astype(">f4")
        file["group/count"] = np.arange(ROWS)
    with h5py.File(folder / "one.h5", "w") as file:
        file["x"] = X
    with h5py.File(folder / "compounds.h5", "w") as file:
        file["s"] = X.view([("a", "f8"), ("b", "f8", (2,))])
        file["x"] = X[:, 1]
    zarr.create_array(folder / "one.zarr", data=X, chunks=(33, 2))
    make_store(folder / "v2.zarr", 2, x=(60, 2), y=(400,))
    make_store(folder / "v3.zarr", 3, x=(30, 3), y=(50,))
    zarr.consolidate_metadata(folder / "v3.zarr")
    soundfile.write(folder / "sound.wav", X[:, :2] / 5, 8000, "FLOAT")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cut") / "in"
    make_inputs(folder)
    return folder


TABLES = ["plain.csv", "quoted.csv", "comments.csv", "table.parquet", "folder"]
STORES = ["v2.zarr", "v3.zarr"]
ARRAYS = ["array.npy", "sound.wav", "tree.h5", *STORES]
NOISE = {
    "absolute": ("-s", "0.5"),
    "default": (),
    "sd": ("-s", "0.1sd"),
    "iqr": ("-s", "0.1iqr"),
    "snr": ("--snr", "10"),
    "relative": ("-s", "5%"),
    "ar1": ("-d", "ar1", "-s", "1"),
    **IN_ORDER,
    "salt-and-pepper": ("-d", "salt-and-pepper", "--rate", "5%"),
    "laplace": ("-d", "laplace", "-s", "0.1range"),
    "nothing": ("-d", "impulse", "--rate", "0"),
}
OF_TABLES = {
    "missing": ("-d", "missing", "--rate", "20%"),
    "typo": ("-d", "typo", "--rate", "50%", "-c", "note"),
    "swap": ("-d", "category-swap", "--rate", "50%", "-c", "note"),
    "drop-rows": ("-d", "drop-rows", "--rate", "20%"),
    "duplicate-rows": ("-d", "duplicate-rows", "--rate", "20%"),
    "where": ("-s", "0.1sd", "--where", "id > 100 and note != 'text 1'"),
    "key": ("-s", "1", "--key", "note"),
}


def contents(place):
    if not place.is_dir():
        return place.read_bytes()
    return {
        path.relative_to(place).as_posix(): path.read_bytes() if path.is_file() else "folder"
        for path in place.rglob("*")
    }


def files(folder):
    return [(name, data) for name, data in contents(folder).items() if data != "folder"]


def compare(inputs, tmp_path, in_parts, name, *noise):
    source = inputs / name
    local = run(source, "-o", tmp_path / "local" / name, "--seed", 5, *noise)
    if name in STORES:  # each part opens and copies many small files
        in_parts = (*in_parts[:-1], "4000")
    cut = run(source, "-o", tmp_path / "cut" / name, "--seed", 5, *noise, *in_parts)

    messages = cut.messages.replace("/cut/", "/local/")
    assert f"{local.status} {local.messages}" == f"{cut.status} {messages}"
    assert contents(tmp_path / "local" / name) == contents(tmp_path / "cut" / name)
    assert [name] == [path.name for path in (tmp_path / "cut").iterdir()]
    return local


@pytest.fixture(autouse=True)
def _folders(tmp_path):
    for name in ("local", "cut"):
        (tmp_path / name).mkdir()


@pytest.mark.one_in(4)
@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
@pytest.mark.parametrize("name", [*TABLES, *ARRAYS])
def test_the_bytes_are_those_of_the_whole(inputs, tmp_path, in_parts, name, noise):
    chosen = ("-c", "x") if name in TABLES else ()
    assert 0 == compare(inputs, tmp_path, in_parts, name, *chosen, *noise).status


@pytest.mark.one_in(3)
@pytest.mark.parametrize("noise", OF_TABLES.values(), ids=OF_TABLES)
@pytest.mark.parametrize("name", TABLES)
def test_so_they_are_with_models_of_tables(inputs, tmp_path, in_parts, name, noise):
    chosen = () if "-c" in noise or "rows" in noise[1] else ("-c", "x")
    compare(inputs, tmp_path, in_parts, name, *chosen, *noise)


def test_what_parts_measured_is_not_kept_when_it_is_added(inputs, tmp_path, in_parts, monkeypatch):
    join, kept = Assembly.join, []

    def joining(self, jobs, done):
        kept.extend(one.fields for one in done)
        join(self, jobs, done)

    monkeypatch.setattr(Assembly, "join", joining)
    reports = []
    for folder, options in (("local", ()), ("cut", in_parts)):
        place = tmp_path / folder
        done = run(
            inputs / "table.parquet", "-o", place / "o.parquet", "--report", place / "r.json",
            "--seed", 5, "-c", "x,y", *options,
        )  # fmt: skip
        assert 0 == done.status
        reports.append(json.loads((place / "r.json").read_text())["fields"])
    assert len(kept) > 1
    assert not any(kept)
    assert reports[0] == reports[1]


@pytest.mark.parametrize("name", ["tree.h5", *STORES])
@pytest.mark.parametrize(
    "noise",
    [
        ("-c", "group/y", "--where", "`group/count` > 100", "-s", "0.1sd"),
        ("--noise", "group/y=normal:1", "--noise", "x=missing:20%"),
    ],
)
def test_datasets_of_a_file_are_cut_together(inputs, tmp_path, in_parts, name, noise):
    compare(inputs, tmp_path, in_parts, name, *noise)


@pytest.mark.parametrize("name", [*TABLES, *ARRAYS])
def test_reports_are_those_of_the_whole(inputs, tmp_path, in_parts, name):
    common = (inputs / name, "-o", tmp_path / "out", "--seed", 5, "-s", "0.1sd")
    common += ("-c", "x") if name in TABLES else ()
    reports = []
    for options in ((), in_parts):
        assert 0 == run(*common, "--report", tmp_path / "report.json", *options).status
        reports.append((tmp_path / "report.json").read_text())
        out = tmp_path / "out"
        shutil.rmtree(out) if out.is_dir() else out.unlink()

    assert reports[0] == reports[1]


@pytest.mark.parametrize("noise", [("-s", "0.1sd"), ("-d", "missing", "--rate", "50%")])
def test_a_part_unpacks_its_chunks_only_if_they_run_against_the_order(
    tmp_path, in_parts, monkeypatch, noise
):
    root = zarr.open_group(tmp_path / "in.zarr", mode="w")
    array = root.create_array(  # of which rows of chunks do not fit into memory
        "x", shape=(20, 5, 50_000), dtype="f2", chunks=(7, 5, 9000), compressors=None
    )
    array[:] = np.linspace(0, 1, array.size, dtype="f2").reshape(array.shape)
    boxes = []
    plain = storage.ChunkFile
    monkeypatch.setattr(
        storage, "ChunkFile", lambda path, box, *more: boxes.append(box) or plain(path, box, *more)
    )

    compare(tmp_path, tmp_path, (*in_parts[:-1], "4M"), "in.zarr", *noise)

    rows = {(box[0].start, box[0].stop) for box in boxes}
    assert {(0, 20), (0, 7), (7, 14), (14, 20)} == rows


def test_more_outputs_than_are_made_at_once(inputs, tmp_path, in_parts):
    source = inputs / "quoted.csv"
    sweep = ("--sweep", "scale=0.1sd,0.2,0.3iqr", "--replicates", 3, "--seed", 5, "-c", "x")
    for folder, options in (("local", ()), ("cut", in_parts)):
        assert 0 == run(source, "--output-dir", tmp_path / folder, *sweep, *options).status

    made = contents(tmp_path / "cut")
    assert len(made) > AT_ONCE
    assert contents(tmp_path / "local") == made


def test_of_several_errors_the_first_is_that_of_the_whole(inputs, tmp_path, in_parts):
    command = (inputs / "plain.csv", "-o", tmp_path / "o.csv", "--mask", tmp_path / "m.npy",
               "-d", "shuffle", "-c", "x", "--key", "note")  # fmt: skip

    local, cut = run(*command), run(*command, *in_parts)

    assert "m.npy is not a name for the mask" in local.messages
    assert (local.status, local.messages) == (cut.status, cut.messages)


@pytest.mark.parametrize("noise", [("-s", "1"), ("-d", "stuck", "--rate", "50%", "-p", "run=20")])
def test_ragged_rows_are_counted_once(tmp_path, in_parts, noise):
    source = tmp_path / "ragged.csv"
    source.write_text(table(quoted=False).replace("7,a b 2\n", "7\n"))

    local = compare(tmp_path, tmp_path, in_parts, source.name, "-c", "x", *noise,
                    "--ragged", "keep")  # fmt: skip

    assert "rows of" in local.messages


def test_an_output_that_exists_is_kept_or_replaced(inputs, tmp_path, in_parts):
    out = tmp_path / "o.npy"
    out.write_text("mine")
    command = (inputs / "array.npy", "-o", out, "--seed", 5, *in_parts)

    kept = run(*command, "--no-clobber")
    assert (2, "mine") == (kept.status, out.read_text())
    assert "exists, and --no-clobber keeps it" in kept.messages
    link = tmp_path / "link.npy"
    link.symlink_to(out)
    assert 0 == run(*command[:2], link, *command[3:]).status
    assert link.is_symlink()
    assert X.shape == np.load(out).shape


def test_a_failure_names_the_output_and_leaves_nothing(inputs, tmp_path, in_parts, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("noisify.formats.csv.sink.write_all", full)
    out = tmp_path / "cut" / "o.csv"

    done = run(inputs / "plain.csv", "-o", out, "--seed", 5, *in_parts)

    message = f"noisify: {out}: cannot be written: No space left on device\n"
    assert (1, message) == (done.status, done.messages)
    assert [] == list((tmp_path / "cut").iterdir())


JOINED = ["plain.csv", "table.parquet"]


def no_disk_space(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("name", JOINED)
def test_a_disk_that_is_full_when_parts_are_joined(inputs, tmp_path, in_parts, monkeypatch, name):
    monkeypatch.setattr(whole_output, "write_all", no_disk_space)
    out = tmp_path / "cut" / name

    done = run(inputs / name, "-o", out, "--seed", 5, *in_parts)

    message = f"noisify: {out}: cannot be written: No space left on device\n"
    assert (1, message) == (done.status, done.messages)
    assert [] == list((tmp_path / "cut").iterdir())


@pytest.mark.parametrize(
    ("name", "mask", "where"),
    [
        ("table.parquet", None, "noisify.formats.parquet.join.PartSink.copy_groups"),
        ("one.zarr", ".npy", "noisify.engine.cut_file.write_mask"),
    ],
)
def test_a_disk_that_is_full_is_told_with_the_output(
    inputs, tmp_path, in_parts, monkeypatch, name, mask, where
):
    monkeypatch.setattr(where, no_disk_space)
    out = tmp_path / "cut" / name
    full = out if mask is None else tmp_path / "cut" / f"mask{mask}"
    masks = () if mask is None else ("--mask", full)

    done = run(inputs / name, "-o", out, *NOISE["nothing"], *masks, *in_parts)

    message = f"noisify: {full}: cannot be written: No space left on device\n"
    assert (1, message) == (done.status, done.messages)
    assert [] == list((tmp_path / "cut").iterdir())


@pytest.mark.parametrize("name", JOINED)
def test_parts_are_joined_on_the_way_and_take_no_room_any_more(
    inputs, tmp_path, in_parts, monkeypatch, name
):
    left = []

    def noting(job):
        folder = job.wanted[0].target.parent
        left.append([path.stat().st_size for path in folder.iterdir()])
        return part_work.make_part(job)

    class Noting(Twice):
        def map(self, work, items):
            return map(noting if work.__name__ == "make_part" else work, items)

    monkeypatch.setattr(sys.modules[__name__], "Twice", Noting)

    compare(inputs, tmp_path, in_parts, name, "-s", "0.5")
    assert [[0] * made for made in range(len(left))] == left
    assert len(left) > 2


@pytest.mark.parametrize("name", JOINED)
def test_a_copy_that_is_killed_is_made_again(inputs, tmp_path, in_parts, monkeypatch, name):
    killed = []

    def half(self, file, size):
        written = copy_from(self, file, size // 2)
        killed.append(written)
        raise KeyboardInterrupt

    class Killing(Twice):
        def start_first(self, work, item):
            if work is part_work.copy_part:
                with monkeypatch.context() as patch:
                    patch.setattr(whole_output.PartOfFile, "copy_from", half)
                    with pytest.raises(KeyboardInterrupt):
                        work(item)
            return super().start_first(work, item)

    copy_from = whole_output.PartOfFile.copy_from
    monkeypatch.setattr(sys.modules[__name__], "Twice", Killing)

    compare(inputs, tmp_path, in_parts, name, "-s", "0.5")
    assert all(killed)
    assert len(killed) > 2


def killed(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("name", "noise", "mask"),
    [
        ("plain.csv", "default", None), ("plain.csv", "default", ".arrow"),
        ("table.parquet", "default", ".csv"), ("table.parquet", "nothing", None),
        ("array.npy", "nothing", ".npz"), ("v3.zarr", "nothing", None),
    ],
)  # fmt: skip
def test_a_task_that_is_late_changes_nothing(
    inputs, tmp_path, in_parts, monkeypatch, name, noise, mask
):
    jobs = []

    class Late(Twice):
        def start_first(self, work, item):
            if work.__name__ not in {"scan_part", "survey_part", "make_part"}:
                self.again(jobs[-2:])
            jobs.append((work, item))
            return super().start_first(work, item)

        def again(self, some):
            for work, item in some:
                with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
                    patch.setattr(part_work, "_to_join", killed)
                    work(item)

    monkeypatch.setattr(sys.modules[__name__], "Twice", Late)
    chosen = ("-c", "x") if name in TABLES else ()
    masks = () if mask is None else ("--mask", tmp_path / f"mask{mask}")
    compare(inputs, tmp_path, in_parts, name, *chosen, *NOISE[noise], *masks)
    made = contents(tmp_path)

    for job in jobs:
        with suppress(NoisifyError):
            Late().again([job])
    assert made == contents(tmp_path)


def test_a_copy_that_another_run_has_overtaken_copies_all_bytes(tmp_path, monkeypatch):
    part, whole = tmp_path / "part.csv", tmp_path / "whole"
    part.write_text("head and data")
    whole.write_text("....")
    copy_from = whole_output.PartOfFile.copy_from
    copied = []

    def overtaken(self, file, size):
        if not copied:
            copied.append(0)
            part_work.copy_part(job)
        copied.append(copy_from(self, file, size))
        return copied[-1]

    monkeypatch.setattr(whole_output.PartOfFile, "copy_from", overtaken)
    job = part, range(9, 13), whole, 2
    for _ in range(2):
        part_work.copy_part(job)

    assert ([0, 4, 4], "..data") == (copied, whole.read_text())
    assert not part.exists()


@pytest.mark.parametrize(("mode", "parts"), [(0o600, 0o700), (0o640, 0o700), (None, 0o755)])
def test_who_may_not_read_the_output_reads_no_parts(
    inputs, tmp_path, in_parts, monkeypatch, mode, parts
):
    out, seen = tmp_path / "cut" / "o.csv", set()
    if mode is not None:
        out.touch()
        out.chmod(mode)

    class Looking(Twice):
        def start_first(self, work, item):
            seen.update(stat.S_IMODE(path.stat().st_mode) for path in out.parent.glob(".*.parts"))
            return super().start_first(work, item)

    monkeypatch.setattr(sys.modules[__name__], "Twice", Looking)
    umask = os.umask(0o022)
    try:
        assert 0 == run(inputs / "plain.csv", "-o", out, *in_parts).status
    finally:
        os.umask(umask)

    assert {parts} == seen
    assert stat.S_IMODE(out.stat().st_mode) == (mode or 0o644)


@pytest.mark.parametrize("size", [0, 1])
def test_a_part_that_has_lost_bytes_is_not_joined(inputs, tmp_path, in_parts, monkeypatch, size):
    class Cutting(Twice):
        def start_first(self, work, item):
            if work is part_work.copy_part:
                os.truncate(item[0], size)
            return super().start_first(work, item)

    monkeypatch.setattr(sys.modules[__name__], "Twice", Cutting)
    out = tmp_path / "cut" / "o.csv"

    done = run(inputs / "plain.csv", "-o", out, "--seed", 5, *in_parts)

    assert f"{out}: a part of it was cut short before it was joined" in done.messages
    assert [] == list((tmp_path / "cut").iterdir())


@pytest.mark.parametrize("name", ["plain.csv", "table.parquet", "array.npy", "sound.wav"])
def test_a_file_that_is_cut_short_meanwhile_is_told_as_that(
    inputs, tmp_path, in_parts, monkeypatch, name
):
    source = shutil.copy(inputs / name, tmp_path)

    class Truncating(Twice):
        def map(self, work, items):
            if work.__name__ == "make_part":
                os.truncate(source, 1000)
            return super().map(work, items)

    monkeypatch.setattr(sys.modules[__name__], "Twice", Truncating)

    done = run(source, "-o", tmp_path / "cut" / name, "--seed", 5, *in_parts)

    assert 3 == done.status
    assert f"{source}: was changed while it was read, so no output was made" in done.messages
    assert [] == list((tmp_path / "cut").iterdir())


def test_a_part_that_is_late_makes_no_folder_again(inputs, tmp_path, in_parts, monkeypatch):
    late = []

    class Stopped(Twice):
        def map(self, work, items):
            if work.__name__ != "make_part":
                return super().map(work, items)
            late.extend((work, item) for item in items)
            raise NoisifyError("was stopped")

    monkeypatch.setattr(sys.modules[__name__], "Twice", Stopped)
    (tmp_path / "folder").mkdir()
    for number in range(4):
        (tmp_path / "folder" / f"p={number}" / "q").mkdir(parents=True)
        name = f"{number}.parquet"
        shutil.copy(inputs / "folder" / name, tmp_path / "folder" / f"p={number}" / "q" / name)

    run(tmp_path / "folder", "-o", tmp_path / "cut" / "o", "-c", "x", "-s", 1, *in_parts)

    for work, item in late:
        with pytest.raises(NoisifyError, match="No such file"):
            work(item)
    assert 1 < len(late)
    assert [] == list((tmp_path / "cut").iterdir())


@pytest.mark.parametrize("last", [whole_output.PartOfFolder, zarr_source])
@pytest.mark.parametrize("name", STORES)
def test_a_part_that_is_interrupted_makes_no_folder_again(
    inputs, tmp_path, in_parts, monkeypatch, name, last
):
    late = []

    class Stopped(Twice):
        def map(self, work, items):
            late.extend((work, item) for item in items)
            raise NoisifyError("was stopped")

    monkeypatch.setattr(sys.modules[__name__], "Twice", Stopped)
    run(inputs / name, "-o", tmp_path / "cut" / "o", "-s", 1, *in_parts[:-1], "4000")
    step = "open" if last is not zarr_source else "open_copy"
    before = getattr(last, step)

    def do_and_end(*arguments):
        made = before(*arguments)
        shutil.rmtree(parts)
        return made

    monkeypatch.setattr(last, step, do_and_end)
    for work, item in late:
        parts = whole_output.folder_of_parts(item.wanted[0].target)
        parts.mkdir()
        with pytest.raises(NoisifyError):
            work(item)
        assert [] == list((tmp_path / "cut").iterdir())
    assert 1 < len(late)


JOINED_MASKS = {
    "plain.csv": [".csv", ".tsv"], "quoted.csv": [".csv"], "comments.csv": [".csv"],
    "table.parquet": [".parquet", ".csv"], "folder": [".parquet", ".tsv"],
    "array.npy": [".npy"], "sound.wav": [".npy"],
}  # fmt: skip
REWRITTEN_MASKS = {
    "plain.csv": [".parquet", ".arrow"], "quoted.csv": [".arrow"], "comments.csv": [".parquet"],
    "table.parquet": [".arrow"], "folder": [".arrow"],
    "one.h5": [".npy"], "one.zarr": [".npy"], "compounds.h5": [".npz", ".h5"],
    "array.npy": [".npz", ".h5"], "sound.wav": [".npz", ".h5"], "tree.h5": [".npz", ".h5"],
    "v2.zarr": [".npz", ".h5"], "v3.zarr": [".npz", ".h5"],
}  # fmt: skip


def pairs(*masks):
    return [(name, suffix) for some in masks for name, every in some.items() for suffix in every]


@pytest.mark.one_in(3)
@pytest.mark.parametrize("values", [(), ("--mask-values",)], ids=["flags", "values"])
@pytest.mark.parametrize("noise", [("-d", "impulse", "--rate", "20%"), ("-d", "jitter")])
@pytest.mark.parametrize(("name", "suffix"), pairs(JOINED_MASKS, REWRITTEN_MASKS))
def test_masks_are_those_of_the_whole(inputs, tmp_path, in_parts, name, suffix, noise, values):
    chosen = ("-c", "x,y" if name == "table.parquet" else "x") if name in TABLES else ()
    common = ("--seed", 5, *chosen, *noise, *values)
    made = []
    for folder, options in (("local", ()), ("cut", in_parts)):
        place = tmp_path / folder
        done = run(inputs / name, "-o", place / name, "--mask", place / f"mask{suffix}", *common,
                   *options)  # fmt: skip
        assert 0 == done.status
        made.append((done.messages, contents(place)))

    assert made[0] == made[1]
    assert f"mask{suffix}" in made[1][1]


@pytest.fixture
def on_s3(in_parts):
    return (*in_parts[:-1], "3000")


BY_URL = {
    "absolute": ("-s", "0.5"),
    "default": (),
    "nothing": ("-d", "impulse", "--rate", "0"),
    "impulse": ("-d", "impulse", "--rate", "5%"),
}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("noise", BY_URL.values(), ids=BY_URL)
@pytest.mark.parametrize("name", [*TABLES[:-1], *ARRAYS[:-2]])
def test_an_output_on_s3_is_uploaded_in_parts(inputs, tmp_path, on_s3, lake, name, noise):
    chosen = ("-c", "x") if name in TABLES else ()
    common = ("--seed", 5, *chosen, *noise)
    local = run(inputs / name, "-o", tmp_path / name, *common)
    url = lake.put(f"in/{name}", (inputs / name).read_bytes())

    for source in (inputs / name, url):
        done = run(source, "-o", f"{lake.url}/out/{name}", *common, *on_s3)

        messages = done.messages.replace(f"{lake.url}/out", str(tmp_path))
        messages = messages.replace(f"{lake.url}/in", str(inputs))
        assert (local.status, local.messages) == (done.status, messages)
        assert (tmp_path / name).read_bytes() == lake.get(f"out/{name}")
        assert [] == lake.uploads()
        assert 1 < len(lake.parts(f"out/{name}"))


@pytest.mark.parametrize("name", [f"{'x' * 251}.csv", "a ü%20#.csv", ".csv"])
def test_objects_have_names_that_files_cannot_have(inputs, tmp_path, on_s3, lake, name):
    common = (inputs / "plain.csv", "--seed", 5, "-d", "impulse", "--rate", "20%")
    assert 0 == run(*common, "-o", tmp_path / "o.csv", "--mask", tmp_path / "m.csv").status

    urls = ("-o", f"{lake.url}/out/{name}", "--mask", f"{lake.url}/mask/{name}")
    done = run(*common, *urls, *on_s3)

    assert (0, "") == (done.status, done.messages)
    assert (tmp_path / "o.csv").read_bytes() == lake.get(f"out/{name}")
    assert (tmp_path / "m.csv").read_bytes() == lake.get(f"mask/{name}")


@pytest.mark.one_in(2)
@pytest.mark.parametrize(("name", "suffix"), pairs(JOINED_MASKS))
def test_so_is_a_mask(inputs, tmp_path, on_s3, lake, name, suffix):
    chosen = ("-c", "x") if name in TABLES else ()
    common = (
        inputs / name,
        "--seed",
        5,
        *chosen,
        "-d",
        "impulse",
        "--rate",
        "20%",
        "--mask-values",
    )
    assert 0 == run(*common, "-o", tmp_path / name, "--mask", tmp_path / f"m{suffix}").status

    out = tmp_path / "cut" / name if name == "folder" else f"{lake.url}/{name}"
    done = run(*common, "-o", out, "--mask", f"{lake.url}/m{suffix}", *on_s3)

    assert (0, "") == (done.status, done.messages)
    assert (tmp_path / f"m{suffix}").read_bytes() == lake.get(f"m{suffix}")
    assert [] == lake.uploads()


@pytest.mark.one_in(4)
@pytest.mark.parametrize("noise", [("-d", "impulse", "--rate", "20%"), ("-d", "jitter")])
@pytest.mark.parametrize(("name", "suffix"), pairs(REWRITTEN_MASKS))
def test_so_is_one_that_this_process_writes(
    inputs, tmp_path, on_s3, lake, monkeypatch, name, suffix, noise
):
    chosen = ("-c", "x") if name in TABLES else ()
    common = (inputs / name, "--seed", 5, *chosen, *noise, "-q")
    assert 0 == run(*common, "-o", tmp_path / name, "--mask", tmp_path / f"m{suffix}").status
    monkeypatch.setenv("TMPDIR", str(tmp_path / "cut"))
    monkeypatch.setattr("tempfile.tempdir", None)

    url = f"{lake.url}/m{suffix}"
    done = run(*common, "-o", tmp_path / "local" / name, "--mask", url, *on_s3)

    assert (0, "") == (done.status, done.messages)
    assert (tmp_path / f"m{suffix}").read_bytes() == lake.get(f"m{suffix}")
    assert ([f"m{suffix}"], []) == ([*lake.objects()], [*lake.uploads()])
    assert [] == list((tmp_path / "cut").iterdir())


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), None])
@pytest.mark.parametrize("where", ["engine.cut_file.write_mask", "engine.part_work._to_join"])
def test_a_mask_on_s3_that_fails_leaves_nothing(
    inputs, tmp_path, on_s3, lake, monkeypatch, where, error
):
    def fail(*_, **__):
        raise error or KeyboardInterrupt

    monkeypatch.setattr(f"noisify.{where}", fail)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "cut"))
    monkeypatch.setattr("tempfile.tempdir", None)

    command = (inputs / "array.npy", "-o", f"{lake.url}/o.npy", "--mask", f"{lake.url}/m.npz",
               "--seed", 5, *on_s3)  # fmt: skip
    done = run(*command)

    assert (1 if error else 130, 1 if error else 0) == (done.status, len(done.lines))
    if error and where.endswith("write_mask"):
        assert f"noisify: {lake.url}/m.npz: cannot be written: {error.strerror}" in done.messages
    assert ([], []) == ([*lake.objects()], [*lake.uploads()])
    assert [] == list((tmp_path / "cut").iterdir())


def test_a_run_that_is_stopped_writes_no_mask_on_s3(inputs, on_s3, lake, monkeypatch):
    written = []

    def stop(_):
        written.append(1)
        raise NoisifyError("was stopped")

    monkeypatch.setattr(Twice, "check", stop)

    mask = f"{lake.url}/m.npz"
    done = run(inputs / "array.npy", "-o", f"{lake.url}/o.npy", "--mask", mask, "-s", 1, *on_s3)

    assert (1, [1]) == (done.status, written)
    assert ([], []) == ([*lake.objects()], [*lake.uploads()])


@pytest.mark.one_in(4)
@pytest.mark.parametrize(("name", "suffix"), pairs(REWRITTEN_MASKS))
def test_files_on_s3_have_a_mask_on_this_machine(inputs, tmp_path, on_s3, lake, name, suffix):
    noise = ("-d", "impulse", "--rate", "20%", "--mask-values", "--seed", 5, "-q")
    noise += ("-c", "x") if name in TABLES else ()
    source, mask, cut = inputs / name, tmp_path / f"mask{suffix}", tmp_path / f"cut{suffix}"
    assert 0 == run(source, "-o", tmp_path / name, "--mask", mask, *noise).status
    if source.is_dir():
        url = put_folder(lake, source, f"in/{name}")
    else:
        url = lake.put(f"in/{name}", source.read_bytes())

    done = run(url, "-o", f"{lake.url}/out/{name}", "--mask", cut, *noise, *on_s3)

    assert (0, "") == (done.status, done.messages)
    assert mask.read_bytes() == cut.read_bytes()


@pytest.mark.parametrize("where", ["id > 30 and id < 300", "id > 30", "id < 300", "id >= 0"])
@pytest.mark.parametrize("name", ["plain.csv", "table.parquet"])
def test_parts_that_are_too_small_are_uploaded_with_others(
    inputs, tmp_path, on_s3, lake, name, where
):
    noise = ("-d", "drop-rows", "--rate", "100%", "--where", where, "--seed", 5)
    assert 0 == run(inputs / name, "-o", tmp_path / name, *noise).status

    assert 0 == run(inputs / name, "-o", f"{lake.url}/{name}", *noise, *on_s3).status

    assert (tmp_path / name).read_bytes() == lake.get(name)


def test_row_groups_of_other_sizes_are_too(tmp_path, on_s3, lake, monkeypatch):
    joined = []
    numbers = multipart.numbers_of

    def spied(*given, again=False):
        joined.append(again)
        return numbers(*given, again=again)

    monkeypatch.setattr(multipart, "numbers_of", spied)
    sizes = [200, 1, 200, 1, 1, 200, 3]
    with pq.ParquetWriter(tmp_path / "in.parquet", pa.schema({"x": pa.float64()})) as writer:
        for size in sizes:
            writer.write_table(pa.table({"x": RNG.normal(size=size)}))
    common = (tmp_path / "in.parquet", "-s", "1", "--seed", 5)
    assert 0 == run(*common, "-o", tmp_path / "out.parquet").status

    assert 0 == run(*common, "-o", f"{lake.url}/o.parquet", *on_s3[:-1], "400").status

    assert (tmp_path / "out.parquet").read_bytes() == lake.get("o.parquet")
    assert any(joined)


def test_several_outputs_on_s3(inputs, tmp_path, on_s3, lake):
    source = inputs / "quoted.csv"
    sweep = ("--sweep", "scale=0.2,0.3iqr", "--replicates", 2, "--seed", 5, "-c", "x")
    for folder, options in ((tmp_path / "local", ()), (lake.url, on_s3)):
        assert 0 == run(source, "--output-dir", folder, *sweep, *options).status

    assert contents(tmp_path / "local") == {key: lake.get(key) for key in lake.objects()}


def test_an_object_that_exists_is_kept_or_replaced(inputs, on_s3, lake, monkeypatch):
    command = (inputs / "array.npy", "-o", f"{lake.url}/o.npy", "--seed", 5, *on_s3)
    make = multipart.SharedUpload.complete

    def meanwhile(*given, **options):
        lake.put("o.npy", b"theirs")
        make(*given, **options)

    with monkeypatch.context() as patch:
        patch.setattr(multipart.SharedUpload, "complete", meanwhile)
        late = run(*command, "--no-clobber")
    kept = run(*command, "--no-clobber")

    assert (2, 2, b"theirs", []) == (
        late.status, kept.status, lake.get("o.npy"), lake.uploads()
    )  # fmt: skip
    assert late.messages == kept.messages
    assert 0 == run(*command).status
    assert X.shape == np.load(io.BytesIO(lake.get("o.npy"))).shape


@pytest.mark.parametrize("error", [NoisifyError("was stopped"), KeyboardInterrupt()])
@pytest.mark.parametrize("stage", ["before", "after"])
def test_an_upload_that_fails_is_aborted(inputs, on_s3, lake, monkeypatch, error, stage):
    lake.put("o.csv", b"old")

    class Failing(Twice):
        def map(self, work, items):
            if work.__name__ != "make_part":
                return super().map(work, items)
            return self._failing(work, items)

        def _failing(self, work, items):
            if stage == "after":
                yield from super().map(work, items)
            raise error

    monkeypatch.setattr(sys.modules[__name__], "Twice", Failing)

    done = run(inputs / "plain.csv", "-o", f"{lake.url}/o.csv", "--seed", 5, *on_s3)

    assert {NoisifyError: 1, KeyboardInterrupt: 130}[type(error)] == done.status
    assert (b"old", []) == (lake.get("o.csv"), lake.uploads())


def test_what_fails_in_a_part_names_the_object(inputs, on_s3, lake, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("noisify.formats.csv.sink.write_all", full)

    done = run(inputs / "plain.csv", "-o", f"{lake.url}/o.csv", "--seed", 5, *on_s3)

    assert f"noisify: {lake.url}/o.csv (made in " in done.messages
    assert "cannot be written: No space left on device" in done.messages
    assert ([], []) == (lake.objects(), lake.uploads())


def put_folder(lake, folder, name):
    """Put the files of a folder into a lake; return its URL."""
    for path, data in contents(folder).items():
        if data != "folder":
            lake.put(f"{name}/{path}", data)
    return f"{lake.url}/{name}"


def objects(lake, start):
    return {key.removeprefix(f"{start}/"): lake.get(key)
            for key in lake.objects() if key.startswith(f"{start}/")}  # fmt: skip


@pytest.fixture(params=["v2.zarr", "folder"])
def tree(request, inputs, tmp_path):
    shutil.copytree(inputs / request.param, tmp_path / request.param, symlinks=True)
    (tmp_path / request.param / "_link").unlink(missing_ok=True)
    return tmp_path / request.param


@pytest.mark.slow
def test_the_files_of_a_folder_on_s3_are_uploaded_by_parts(tree, tmp_path, on_s3, lake):
    (tree / "_SUCCESS").touch()
    common = ("--seed", 5, "-c", "x", "-s", 1)
    local = run(tree, "-o", tmp_path / "out", *common)
    expected = {name: data for name, data in contents(tmp_path / "out").items() if data != "folder"}

    url = put_folder(lake, tree, f"in/{tree.name}")
    for source, out in ((tree, "a"), (url, "b")):
        done = run(source, "-o", f"{lake.url}/{out}", *common, *on_s3)
        assert (local.status, local.messages) == (done.status, done.messages)
        assert expected == objects(lake, out)
    assert 0 == run(url, "-o", tmp_path / "down", *common, *on_s3).status
    down = contents(tmp_path / "down")
    assert expected == {name: data for name, data in down.items() if data != "folder"}


def test_servers_that_want_parts_of_one_size_take_folders_in_parts(
    tree, tmp_path, on_s3, lake, monkeypatch
):
    monkeypatch.setitem(fsspec.config.conf, "s3", {"fixed_upload_size": True})
    common = (tree, "--seed", 5, "-c", "x", "-s", 1)
    masks = "m.npz" if tree.suffix == ".zarr" else "m.arrow"
    assert 0 == run(*common, "-o", tmp_path / "out", "--mask", tmp_path / masks).status

    mask = f"{lake.url}/{masks}"
    assert 0 == run(*common, "-o", f"{lake.url}/out", "--mask", mask, *on_s3).status

    assert dict(files(tmp_path / "out")) == objects(lake, "out")
    assert (tmp_path / masks).read_bytes() == lake.get(masks)


def test_a_process_that_lives_on_sees_a_store_that_was_replaced(inputs, tmp_path, lake):
    for name in STORES:
        lake.clear()
        url = put_folder(lake, inputs / name, "in.zarr")

        assert 0 == run(url, "-o", tmp_path / name, "-s", 1, "--seed", 5, "-q").status


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("name", "noise"),
    [
        ("v3.zarr", ("-c", "x", "-s", "1")), ("v3.zarr", ("-d", "shuffle")),
        ("v2.zarr", ("-s", "0.1sd")), ("one.zarr", ("-d", "impulse", "--rate", "5%")),
    ],
)  # fmt: skip
def test_a_store_on_a_web_server_is_cut(inputs, tmp_path, on_s3, lake, name, noise):
    store, noise = shutil.copytree(inputs / name, tmp_path / name), (*noise, "--seed", 5, "-q")
    if name == "v2.zarr":
        zarr.consolidate_metadata(store)
    assert 0 == run(store, "-o", tmp_path / "local" / name, *noise).status
    with file_server() as server:
        server.files = {f"/{name}/{path}": data for path, data in files(store)}
        url, options = f"{server.url}/{name}", (*noise, *on_s3[:-1], "7000")
        assert 0 == run(url, "-o", tmp_path / "cut" / name, *options).status
        chunks = [path for _, path, _ in server.requests if path.endswith(("/0/0", "/0.0"))]
        assert 0 == run(url, "-o", f"{lake.url}/out", *options).status

    expected = dict(files(tmp_path / "local" / name))
    expected.pop("x/readme", None)  # the server does not list it
    assert expected == dict(files(tmp_path / "cut" / name))
    assert expected == objects(lake, "out")
    assert len(chunks) <= 6  # by one part, twice: to survey, to copy and to read it


def test_a_part_uploads_no_more_files_when_another_run_has_begun(tmp_path, lake, monkeypatch):
    marker = "out/.noisify.incomplete"
    lake.put(marker, b"this run")
    plain = Location.upload

    def upload(*arguments):
        plain(*arguments)
        lake.put(marker, b"another run")

    monkeypatch.setattr(Location, "upload", upload)

    part = PartOfRemoteFolder(b"this run", f"{lake.url}/out", None, tmp_path)
    part.open()
    for name in ("1", "2", "3"):
        (part.folder / name).write_text("noise")
    with pytest.raises(NoisifyError, match="is no longer written by this run"):
        part.commit()
    part.discard()

    assert [".noisify.incomplete", "1"] == sorted(objects(lake, "out"))


def test_a_folder_on_s3_that_fails_leaves_nothing(tree, on_s3, lake, monkeypatch):
    late, during = [], []

    class Stopped(Twice):
        def map(self, work, items):
            if work.__name__ != "make_part":
                return super().map(work, items)
            first, *others = items
            work(first)
            during.extend(objects(lake, "out"))
            late.extend((work, item) for item in others)
            raise NoisifyError("was stopped")

    monkeypatch.setattr(sys.modules[__name__], "Twice", Stopped)

    done = run(tree, "-o", f"{lake.url}/out", "-c", "x", "-s", 1, "--seed", 5, *on_s3)

    assert (1, 1) == (done.status, len(done.lines)), done.messages
    assert ".noisify.incomplete" in during
    assert 1 < len(during)
    assert not any("zarr.json" in name or ".zarray" in name for name in during)
    for work, item in late:
        with pytest.raises(NoisifyError, match="is no longer written"):
            work(item)
    assert {} == objects(lake, "out")

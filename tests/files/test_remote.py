"""Inputs and outputs by URL: on S3, over HTTP and in fsspec's memory."""

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from urllib.request import Request, urlopen

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import clean_environment, run
from servers import file_server, s3_server

import noisify
from noisify.files import transport
from noisify.files.multipart import PART_BYTES
from noisify.files.remote import RemoteFile

pytestmark = pytest.mark.slow

pytest.importorskip("fsspec", reason="fsspec is not installed: pip install 'noisify-cli[remote]'")
pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'noisify-cli[remote]'")
h5py = pytest.importorskip("h5py")

TABLE = b"x,y\n1.5,a\n2.5,b\n3.5,c\n"
NOISE = ("-s", "0.1sd", "--seed", 1)


@pytest.fixture(scope="module")
def http():
    with file_server() as server:
        yield server


@pytest.fixture
def server(http):
    http.files.clear()
    http.statuses.clear()
    http.ranges = http.sizes = True
    http.forget()
    return http


def as_npy(order="C"):
    file = io.BytesIO()
    np.save(file, np.asarray(np.arange(12.0).reshape(3, 4), order=order))
    return file.getvalue()


def as_npz():
    file = io.BytesIO()
    np.savez_compressed(file, x=np.arange(9.0), y=np.arange(4))
    return file.getvalue()


def as_parquet():
    file = io.BytesIO()
    pd.DataFrame({"x": [1.5, 2.5, 3.5], "y": ["a", "b", "c"]}).to_parquet(file, index=False)
    return file.getvalue()


def as_arrow():
    file = io.BytesIO()
    table = pa.table({"x": [1.5, 2.5, 3.5], "y": ["a", "b", "c"]})
    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    return file.getvalue()


def as_hdf5():
    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        made["x"] = np.arange(9.0)
        made.create_dataset("y", data=np.arange(9.0), chunks=(4,), compression="gzip")
        made["n"] = np.arange(3)
    return file.getvalue()


def as_zip():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("t.csv", TABLE)
    return file.getvalue()


FILES = {
    "t.csv": TABLE,
    "t.csv.gz": gzip.compress(TABLE, mtime=0),
    "t.npy": as_npy(),
    "fortran.npy": as_npy("F"),
    "t.npz": as_npz(),
    "t.parquet": as_parquet(),
    "t.arrow": as_arrow(),
    "t.h5": as_hdf5(),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_on_s3_gets_the_noise_of_the_local_one(lake, tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name])
    local = run(tmp_path / name, "-o", tmp_path / f"noisy-{name}", *NOISE)
    url = lake.put(f"in/{name}", FILES[name])
    done = run(url, "-o", f"s3://lake/out/{name}", *NOISE)
    assert (local.status, done.status, done.messages) == (0, 0, "")
    assert (tmp_path / f"noisy-{name}").read_bytes() == lake.get(f"out/{name}")
    assert lake.uploads() == []


@pytest.mark.parametrize("name", [*FILES, "t.zip"])
@pytest.mark.parametrize("serves", ["ranges", "no ranges", "no size"])
def test_a_file_on_a_web_server_gets_the_noise_of_the_local_one(server, tmp_path, name, serves):
    server.ranges, server.sizes = serves == "ranges", serves != "no size"
    data = FILES.get(name) or as_zip()
    server.files[f"/{name}"] = data
    (tmp_path / name).write_bytes(data)
    out = "noisy" + name.removesuffix(".gz").replace(".zip", ".csv")
    local = run(tmp_path / name, "-o", tmp_path / out, *NOISE)
    done = run(f"{server.url}/{name}", "-o", tmp_path / f"web-{out}", "-q", *NOISE)
    assert (local.status, done.status) == (0, 0), done.messages
    assert (tmp_path / out).read_bytes() == (tmp_path / f"web-{out}").read_bytes()


def test_globs_make_outputs_in_a_folder_by_url(lake):
    for name in ("b", "a", "c"):
        lake.put(f"day/{name}.csv", TABLE)
    lake.put("day/deeper/d.csv", TABLE)
    lake.put("day/notes.md", b"#")
    done = run("s3://lake/day/*.csv", "--output-dir", "s3://lake/noisy/", *NOISE)
    assert (done.status, done.messages) == (0, "")
    noisy = [key for key in lake.objects() if key.startswith("noisy")]
    assert ["noisy/a.csv", "noisy/b.csv", "noisy/c.csv"] == noisy
    assert len({lake.get(key) for key in noisy}) == 3, "each file has its own noise"


@pytest.mark.usefixtures("lake")
def test_a_glob_that_matches_nothing_is_an_error():
    done = run("s3://lake/day/*.csv", "--output-dir", "s3://lake/noisy", *NOISE)
    assert (done.status, done.messages) == (1, "noisify: s3://lake/day/*.csv: matches no file\n")


def test_masks_reports_sweeps_and_restoring_take_urls(lake):
    url = lake.put("t.csv", TABLE)
    done = run(
        url, "-o", "s3://lake/n.csv", *NOISE, "--mask", "s3://lake/m.csv", "--mask-values",
        "--report", "s3://lake/r.json",
    )  # fmt: skip
    assert (done.status, done.messages) == (0, "")
    report = json.loads(lake.get("r.json"))
    assert ("s3://lake/t.csv", "s3://lake/n.csv") == (report["input"], report["output"])
    back = run("s3://lake/n.csv", "--restore", "s3://lake/m.csv", "-o", "s3://lake/back.csv")
    assert (back.status, lake.get("back.csv")) == (0, TABLE)
    swept = run(url, "--sweep", "scale=1,2", "--output-dir", "s3://lake/sweep", "--seed", 1)
    assert (swept.status, swept.messages) == (0, "")
    assert ["sweep/index.csv", "sweep/t_scale-1.csv", "sweep/t_scale-2.csv"] == [
        key for key in lake.objects() if key.startswith("sweep")
    ]


def test_in_place_replaces_an_object(lake):
    url = lake.put("t.csv", TABLE)
    assert run(url, "--in-place", *NOISE).status == 0
    assert run("-", *NOISE, given=TABLE).output == lake.get("t.csv")


def test_an_output_over_the_input_needs_in_place(lake):
    url = lake.put("t.csv", TABLE)
    done = run(url, "-o", url, *NOISE)
    assert done.status == 2
    assert "is also the input" in done.messages
    assert run(url, "--output-dir", "s3://lake", *NOISE).status == 2
    assert lake.get("t.csv") == TABLE


def test_the_library_takes_urls():
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/lib/t.csv", TABLE)
    report = noisify.noisify_file("memory://lib/t.csv", "memory://lib/n.csv", scale=1, seed=1)
    assert memory.cat_file("/lib/n.csv") == run("-", "-s", 1, "--seed", 1, given=TABLE).output
    assert report.output == "memory://lib/n.csv"


# ── range reads ──────────────────────────────────────────────────────────────────────────────────


ROWS = 1 << 16


def wide_parquet():
    """Return a Parquet file of 16 columns of half a megabyte."""
    rng = np.random.default_rng(0)
    file = io.BytesIO()
    table = pa.table({f"c{n}": rng.normal(size=ROWS) for n in range(16)})
    pq.write_table(table, file, row_group_size=ROWS // 2)
    return file.getvalue()


def wide_hdf5():
    rng = np.random.default_rng(0)
    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        for n in range(16):
            chunks = {"chunks": (ROWS // 8,), "compression": "gzip"} if n % 2 else {}
            made.create_dataset(f"c{n}", data=rng.normal(size=ROWS), **chunks)
    return file.getvalue()


def wide_npz():
    rng = np.random.default_rng(0)
    file = io.BytesIO()
    np.savez(file, **{f"c{n}": rng.normal(size=ROWS) for n in range(16)})
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "make"), [("w.parquet", wide_parquet), ("w.h5", wide_hdf5), ("w.npz", wide_npz)]
)
@pytest.mark.parametrize("column", ["c6", "c7"])
def test_the_first_pass_over_a_column_downloads_that_column_only(server, name, make, column):
    data = server.files[f"/{name}"] = make()
    done = run(f"{server.url}/{name}", "-c", column, "--dry-run", *NOISE)
    assert done.status == 0, done.messages
    one = len(data) / 16
    assert one < server.sent < 2.1 * one + 24 * (1 << 15), "twice, and a block for each column"


def test_listing_a_file_reads_its_head_only(server):
    data = server.files["/w.npy"] = as_npy()
    assert run(f"{server.url}/w.npy", "--dry-run", "-s", 1, "--seed", 1).status == 0
    assert server.sent <= 3 * len(data)


def test_a_csv_is_downloaded_once_a_pass(server, tmp_path):
    rows = np.random.default_rng(0).normal(size=(60_000, 4))
    data = pd.DataFrame(rows, columns=list("abcd")).to_csv(index=False).encode()
    server.files["/t.csv"] = data
    assert run(f"{server.url}/t.csv", "-o", tmp_path / "n.csv", "-s", 1, "--seed", 1).status == 0
    assert server.sent < len(data) + (2 << 20), "once, and the head"
    server.forget()
    assert run(f"{server.url}/t.csv", "-o", tmp_path / "n.csv", *NOISE).status == 0
    assert server.sent < 2 * len(data) + (2 << 20), "twice, and the head"


class Bytes:
    """A location of bytes that counts what is read."""

    url = "memory://x"

    def __init__(self, data):
        self.data = data
        self.ranges = []

    def read(self, start, stop):
        self.ranges.append((start, stop))
        return self.data[start:stop]


def test_reading_anywhere_gives_the_bytes_that_are_there():
    rng = np.random.default_rng(0)
    data = rng.bytes(3_000_000)
    file = RemoteFile(Bytes(data), {"size": len(data)})
    reader = file.open()
    for _ in range(300):
        place, count = int(rng.integers(0, len(data) + 10)), int(rng.integers(0, 200_000))
        buffer = memoryview(bytearray(count))
        assert reader.seek(place) == place
        assert reader.read(count) == data[place : place + count]
        found = reader.read_at(buffer, place)
        assert bytes(buffer[:found]) == data[place : place + count]
    reader.seek(-100, os.SEEK_END)
    assert (reader.read(), reader.read(5)) == (data[-100:], b"")


def test_reading_on_fetches_ahead_in_few_requests():
    where = Bytes(bytes(50_000_000))
    reader = RemoteFile(where, {"size": 50_000_000}).open()
    while reader.read(10_000):
        pass
    sizes = [stop - start for start, stop in where.ranges]
    assert sum(sizes) == 50_000_000, "nothing twice"
    assert len(sizes) < 30
    assert max(sizes) <= 1 << 23


def test_reading_here_and_there_fetches_little_more_than_is_asked_for():
    where = Bytes(bytes(50_000_000))
    reader = RemoteFile(where, {"size": 50_000_000}).open()
    for place in range(0, 50_000_000, 1_000_000):
        reader.seek(place)
        reader.read(100_000)
    assert sum(stop - start for start, stop in where.ranges) == 50 * 100_000


# ── nothing half-written ─────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def large():
    """Return a CSV of few rows and several parts."""
    return b"x,y\n" + (b"1.5," + b"a" * 20_000 + b"\n") * (5 * PART_BYTES // 2 // 20_000)


def test_a_large_file_goes_in_parts(lake, large, tmp_path):
    (tmp_path / "t.csv").write_bytes(large)
    done = run(tmp_path / "t.csv", "-o", "s3://lake/n.csv", "-s", 1, "--seed", 1)
    assert (done.status, done.messages) == (0, "")
    about = lake.client.head_object(Bucket="lake", Key="n.csv")
    assert about["ETag"].strip('"').endswith("-3"), "three parts"
    assert lake.get("n.csv") == run("-", "-s", 1, "--seed", 1, given=large).output


@pytest.mark.parametrize("before", [b"", b"old"])
def test_bad_data_at_the_end_leaves_no_object_and_no_upload(lake, large, tmp_path, before):
    if before:
        lake.put("n.csv", before)
    (tmp_path / "t.csv").write_bytes(large + b"oops,a\n")
    done = run(tmp_path / "t.csv", "-o", "s3://lake/n.csv", "-s", 1, "--seed", 1, "--strict")
    assert done.status == 3
    assert (lake.objects(), lake.uploads()) == (["n.csv"] if before else [], [])
    if before:
        assert lake.get("n.csv") == before


KILLED = """
import os, signal, sys
import s3fs.core
from noisify.cli import main
s3fs.core.S3File.commit = lambda self: os.kill(os.getpid(), int(sys.argv[1]))
main(sys.argv[2:])
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_kill_between_parts_and_completion_leaves_no_object(lake, large, tmp_path, number):
    (tmp_path / "t.csv").write_bytes(large)
    arguments = [tmp_path / "t.csv", "-o", "s3://lake/n.csv", "-s", "1", "--seed", "1"]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(int(number)), *arguments],
        env=clean_environment(None),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0
    left = ["n.csv"] if number == signal.SIGKILL else []
    assert (lake.objects(), lake.uploads()) == ([], left), (
        "only SIGKILL leaves parts without a name"
    )


def test_no_clobber_keeps_an_object(lake, tmp_path):
    lake.put("n.csv", b"old")
    (tmp_path / "t.csv").write_bytes(TABLE)
    done = run(tmp_path / "t.csv", "-o", "s3://lake/n.csv", "--no-clobber", *NOISE)
    assert (done.status, done.lines) == (
        2, ["noisify: s3://lake/n.csv: exists, and --no-clobber keeps it"],
    )  # fmt: skip


@pytest.mark.parametrize("parts", [False, True])
def test_no_clobber_keeps_an_object_that_appears_meanwhile(
    lake, large, tmp_path, monkeypatch, parts
):
    monkeypatch.setattr(transport.Location, "exists", lambda _: False)
    lake.put("n.csv", b"old")
    (tmp_path / "t.csv").write_bytes(large if parts else TABLE)
    done = run(tmp_path / "t.csv", "-o", "s3://lake/n.csv", "--no-clobber", "-s", 1, "--seed", 1)
    assert (done.status, done.lines) == (
        2, ["noisify: s3://lake/n.csv: exists, and --no-clobber keeps it"],
    )  # fmt: skip
    assert (lake.get("n.csv"), lake.uploads()) == (b"old", [])


def test_an_object_that_changes_between_two_passes_is_refused(server, tmp_path):
    rows = np.random.default_rng(0).normal(size=50_000)
    one = pd.DataFrame({"x": rows}).to_csv(index=False).encode()
    other = pd.DataFrame({"x": rows[::-1]}).to_csv(index=False).encode()
    calls = []

    class Changing(dict):
        def get(self, path):
            calls.append(path)
            return one if len(calls) < 5 else other

    server.files = Changing()
    done = run(f"{server.url}/t.csv", "-o", tmp_path / "n.csv", *NOISE)
    server.files = {}
    assert done.status == 3
    assert "was changed while it was read, so no output was made" in done.messages
    assert list(tmp_path.iterdir()) == []


def test_so_is_one_on_s3(lake, monkeypatch):
    rows = np.random.default_rng(0).normal(size=50_000)
    url = lake.put("t.csv", pd.DataFrame({"x": rows}).to_csv(index=False).encode())
    other = pd.DataFrame({"x": rows[::-1]}).to_csv(index=False).encode()
    read, calls = transport.Location.read, []

    def reading(self, start, stop):
        calls.append(start)
        if len(calls) == 3:
            lake.put("t.csv", other)
        return read(self, start, stop)

    monkeypatch.setattr(transport.Location, "read", reading)
    done = run(url, "-o", "s3://lake/n.csv", *NOISE)
    assert (done.status, len(done.lines)) == (3, 1)
    assert "was changed while it was read, so no output was made" in done.messages
    assert (lake.objects(), lake.uploads()) == (["t.csv"], [])


@pytest.mark.parametrize("name", ["w.parquet", "w.h5", "w.npz"])
@pytest.mark.parametrize("after", [3, 8, 14, 20, 26])
def test_a_server_that_fails_meanwhile_is_said_as_such(server, tmp_path, name, after):
    data = {"w.parquet": wide_parquet, "w.h5": wide_hdf5, "w.npz": wide_npz}[name]()

    class Failing(dict):
        def get(self, _path, default=None):
            return 500 if len(server.requests) > after and default is not None else default or data

    server.files = server.statuses = Failing()
    done = run(f"{server.url}/{name}", "-o", tmp_path / name, *NOISE)
    server.files, server.statuses = {}, {}
    why = "cannot be read: the server answers with status 500; try again"
    assert (done.status, done.lines) == (1, [f"noisify: {server.url}/{name}: {why}"])
    assert list(tmp_path.iterdir()) == []


# ── what can be wrong ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "key", ["a b.csv", "50%.csv", "50%25.csv", "a+b&c=d.csv", "a#b.csv", "d//é/ß.csv", "a[1].csv"]
)
def test_keys_of_any_characters_are_taken_as_they_are(lake, key):
    url = lake.put(f"in/{key}", TABLE)
    done = run(url, "-o", f"s3://lake/out/{key}", *NOISE, "--report", "s3://lake/r.json")
    assert (done.status, done.messages) == (0, "")
    assert lake.get(f"out/{key}") == run("-", *NOISE, "--quiet", given=TABLE).output
    assert json.loads(lake.get("r.json"))["input"] == url


def test_recipes_are_read_by_url(lake):
    url = lake.put("r.toml", b'[[noise]]\nmodel = "normal"\nscale = 1\n')
    data = lake.put("t.csv", TABLE)
    expected = run(data, "-s", 1, "--seed", 1).output
    assert run(data, "--recipe", url, "--seed", 1).output == expected
    lake.put("r.toml", b"[[noise]]\nmodel = 1\n")
    done = run(data, "--recipe", url, "--seed", 1)
    assert (done.status, len(done.lines)) == (2, 1)
    assert "s3://lake/r.toml:2: " in done.messages


def test_a_version_of_an_object_that_is_not_the_newest_is_not_taken_for_it(lake):
    lake.client.put_bucket_versioning(Bucket="lake", VersioningConfiguration={"Status": "Enabled"})
    url = lake.put("t.csv", b"x\n9.5\n")
    lake.put("t.csv", TABLE)
    assert run(url, *NOISE).output == run("-", *NOISE, "-q", given=TABLE).output
    lake.client.delete_object(Bucket="lake", Key="t.csv")
    assert "is not there; check the URL" in run(url, *NOISE).messages
    lake.client.put_bucket_versioning(
        Bucket="lake", VersioningConfiguration={"Status": "Suspended"}
    )


@pytest.mark.usefixtures("lake")
@pytest.mark.parametrize("target", ["s3://lake", "s3://lake/", "s3://lake/folder/"])
def test_an_output_that_is_a_folder_is_refused(target):
    remedy = "add its name, or use --output-dir"
    done = run("-", "-o", target, *NOISE, "-q", given=TABLE)
    assert (done.status, done.lines) == (
        2, [f"noisify: {target}: names a folder, and the output is a file; {remedy}"],
    )  # fmt: skip


def test_empty_objects_are_said_to_be_empty(lake):
    for name in ("e.csv", "e.parquet", "e.npy", "e.h5"):
        done = run(lake.put(name, b""), "-o", f"s3://lake/out/{name}", *NOISE)
        assert (done.status, done.lines) == (3, [f"noisify: s3://lake/{name}: is empty"])
    assert not [key for key in lake.objects() if key.startswith("out")]


@pytest.fixture(scope="module")
def guarded():
    """Start a server that checks credentials; return its URL, and a user without any rights."""
    boto3 = pytest.importorskip("boto3")
    with s3_server() as url:
        free = boto3.Session("id", "secret", region_name="us-east-1")
        client = free.client("s3", endpoint_url=url)
        client.create_bucket(Bucket="guarded")
        client.put_object(Bucket="guarded", Key="t.csv", Body=TABLE)
        iam = free.client("iam", endpoint_url=url)
        iam.create_user(UserName="reader")
        key = iam.create_access_key(UserName="reader")["AccessKey"]
        ask = Request(f"{url}/moto-api/reset-auth", b"0", {"Content-Type": "text/plain"})  # noqa: S310 - on this machine
        urlopen(ask).close()  # noqa: S310 - likewise
        yield url, key["AccessKeyId"], key["SecretAccessKey"]


@pytest.fixture
def other_account():
    """Let no file system that is open serve another account."""
    systems = pytest.importorskip("s3fs").S3FileSystem
    systems.clear_instance_cache()
    yield
    systems.clear_instance_cache()


@pytest.mark.usefixtures("other_account")
@pytest.mark.parametrize("who", ["nobody", "with another secret", "without rights"])
def test_what_is_forbidden_is_one_line(guarded, who):
    url, name, secret = guarded
    account = {
        "AWS_ENDPOINT_URL": url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "nobody" if who == "nobody" else name,
        "AWS_SECRET_ACCESS_KEY": secret if who == "without rights" else "not-to-be-seen",
    }
    out = ("--output-dir", "s3://guarded/out")
    for command, named in {
        ("s3://guarded/t.csv",): "t.csv",
        ("s3://guarded/*.csv", *out): "*.csv",
        ("s3://guarded/t.csv", *out, "--resume"): "t.csv",
        ("-", "-o", "s3://guarded/n.csv"): "n.csv",
    }.items():
        done = run(*command, "-s", 1, "--seed", 1, given=TABLE, variables=account)
        assert (done.status, len(done.lines)) == (1, 1), done.messages
        assert f"s3://guarded/{named}: is forbidden (403); set AWS_PROFILE" in done.messages
        assert not any(text in done.messages for text in ("not-to-be-seen", secret, name))


@pytest.mark.usefixtures("lake")
def test_errors_on_s3_are_one_line():
    for url, why in {
        "s3://lake/none.csv": "is not there; check the URL",
        "s3://other/none.csv": "is in a bucket that does not exist; check its name",
        "s3://other/*.csv": "is in a bucket that does not exist; check its name",
    }.items():
        done = run(url, "-s", 1, "--seed", 1)
        assert (done.status, done.lines) == (1, [f"noisify: {url}: {why}"])
    done = run("-", "-o", "s3://other/n.csv", "-s", 1, "--seed", 1, given=TABLE)
    assert (done.status, done.lines) == (
        1, ["noisify: s3://other/n.csv: is in a bucket that does not exist; check its name"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (404, "is not there (404); check the URL"),
        (403, "is forbidden (403); the URL needs a valid signature or user:password@"),
        (500, "cannot be read: the server answers with status 500; try again"),
    ],
)
def test_errors_over_http_are_one_line(server, status, why):
    server.files["/t.csv"], server.statuses["/t.csv"] = TABLE, status
    done = run(f"{server.url}/t.csv", "-s", 1, "--seed", 1)
    assert (done.status, len(done.lines)) == (1, 1)
    assert done.messages.startswith(f"noisify: {server.url}/t.csv: {why}")


@pytest.mark.parametrize("end", ["", "/", "?signature=abc"])
def test_a_zarr_store_that_is_not_there_is_one_line(server, tmp_path, end):
    done = run(f"{server.url}/x.zarr{end}", "-o", tmp_path / "o.zarr", *NOISE)
    assert (done.status, len(done.lines)) == (1, 1)
    assert "x.zarr" in done.messages
    assert ": has no zarr.json, .zgroup, .zarray; check the URL" in done.messages
    assert "abc" not in done.messages


def test_a_host_that_is_not_there_is_one_line():
    done = run("http://127.0.0.1:9/t.csv", "-s", 1, "--seed", 1)
    why = "cannot be reached; check the network, and the host's name or AWS_ENDPOINT_URL"
    assert (done.status, done.lines) == (1, [f"noisify: http://127.0.0.1:9/t.csv: {why}"])


def test_an_endpoint_that_is_no_url_is_one_line():
    pytest.importorskip("s3fs").S3FileSystem.clear_instance_cache()  # of other tests' endpoints
    done = run("s3://lake/t.csv", "-s", 1, "--seed", 1, variables={"AWS_ENDPOINT_URL": "head"})
    why = "cannot be read: Invalid endpoint: head; check AWS_ENDPOINT_URL"
    assert (done.status, done.lines) == (2, [f"noisify: s3://lake/t.csv: {why}"])


@pytest.mark.parametrize(
    ("missing", "url", "install"),
    [
        ("fsspec.core", "s3://lake/t.csv", "pip install 'noisify-cli[remote]'"),
        ("gcsfs", "gs://lake/t.csv", "pip install gcsfs"),
        ("adlfs", "abfs://lake/t.csv", "pip install adlfs"),
    ],
)
def test_a_missing_library_is_named(monkeypatch, missing, url, install):
    monkeypatch.setitem(sys.modules, missing, None)
    done = run(url, "-s", 1, "--seed", 1)
    kind = url.partition(":")[0]
    assert (done.status, done.lines) == (
        2, [f"noisify: {url}: {kind}:// URLs need a library that is not installed; {install}"],
    )  # fmt: skip


def test_an_unknown_scheme_is_refused():
    done = run("htp://host/t.csv", "-s", 1, "--seed", 1)
    assert done.status == 2
    assert "unknown scheme htp://; did you mean 'http'?" in done.messages


@pytest.mark.usefixtures("lake")
@pytest.mark.parametrize(
    "url", ["s3://", "s3:///", "s3://*/t.csv", "S3://lake/t.csv", "http://", "github://owner/t"]
)
def test_what_is_no_url_of_a_file_is_refused(tmp_path, url):
    done = run(url, "-o", tmp_path / "n.csv", *NOISE)
    assert (done.status, len(done.lines)) == (2, 1), done.messages
    assert done.messages.startswith(f"noisify: {url}: ")


@pytest.mark.usefixtures("lake")
@pytest.mark.parametrize("name", ["t.csv", "*.csv"])
def test_a_library_that_repeats_a_password_is_not_repeated(tmp_path, name):
    done = run(f"s3://me:pass-word@lake/{name}", "-o", tmp_path / "n.csv", *NOISE)
    assert len(done.lines) == 1
    assert "***@lake" in done.messages
    assert "pass-word" not in done.messages


def test_web_servers_are_only_read(tmp_path):
    (tmp_path / "t.csv").write_bytes(TABLE)
    done = run(tmp_path / "t.csv", "-o", "https://host/n.csv", "-s", 1, "--seed", 1)
    assert done.status == 2
    assert "https:// URLs are only read" in done.messages


def test_secrets_are_neither_said_nor_reported(server, tmp_path):
    server.files["/t.csv"] = TABLE
    host = server.url.removeprefix("http://")
    url = f"http://me:pass-word@{host}/t.csv?X-Amz-Signature=abc"
    done = run(url, "-o", tmp_path / "n.csv", "--report", tmp_path / "r.json", "-v", *NOISE)
    assert done.status == 0
    said = [done.messages, (tmp_path / "r.json").read_text()]
    said += [str(run(url, "--dry-run", *NOISE)), str(run(url, "--list-fields"))]
    said += [run(url, "--dry-run", "-v", *NOISE).output.decode()]
    said += [run(url.replace("t.csv", "none.csv"), *NOISE).messages]
    for text in said:
        assert "pass-word" not in text
        assert "abc" not in text
    assert f"http://***@{host}/t.csv?…" in said[0]
    (tmp_path / "t.csv").write_bytes(TABLE)
    plain = run(tmp_path / "t.csv", "--per-file", "-s", 1, "--seed", 1)
    assert plain.output == run(url, "--per-file", "-s", 1, "--seed", 1).output, "not in the stream"


# ── local files ──────────────────────────────────────────────────────────────────────────────────


def test_a_file_url_is_a_local_file(tmp_path):
    (tmp_path / "day 1.csv").write_bytes(TABLE)
    url = (tmp_path / "day 1.csv").as_uri()
    done = run(url, "-o", (tmp_path / "n.csv").as_uri(), "-s", 1, "--seed", 1)
    assert (done.status, done.messages) == (0, "")
    assert (tmp_path / "n.csv").read_bytes() == run("-", "-s", 1, "--seed", 1, given=TABLE).output
    noisify.noisify_file(url, (tmp_path / "m.csv").as_uri(), scale=1.0, seed=1)
    assert (tmp_path / "m.csv").read_bytes() == (tmp_path / "n.csv").read_bytes()


def test_a_local_name_with_a_scheme_is_reached_by_another_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:").mkdir()
    (tmp_path / "s3:" / "t.csv").write_bytes(TABLE)
    done = run("./s3://t.csv", "-o", "./s3://n.csv", "-s", 1, "--seed", 1)
    assert (done.status, done.messages) == (0, "")
    assert (tmp_path / "s3:" / "n.csv").exists()


def test_local_files_need_no_library_of_urls(tmp_path):
    (tmp_path / "t.csv").write_bytes(TABLE)
    program = (
        "import sys\nfrom noisify.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print({'fsspec', 'aiohttp', 's3fs', 'zarr'} & set(sys.modules))"
    )
    arguments = [tmp_path / "t.csv", "-o", tmp_path / "n.csv", "-s", "1", "--seed", "1"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == "set()"

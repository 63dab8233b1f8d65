"""Shards of one run, joined, are the bytes of the run."""

import gzip
import itertools
import json
import shutil

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import soundfile
from noises import IN_ORDER
from run_command import run

ROWS = 400
RNG = np.random.default_rng(1)
PLAIN = "id,x,note\n" + "".join(f"{n},{n / 7:.3f},text {n}\n" for n in range(ROWS))
QUOTED = "id,x,note\n" + "".join(f'{n},"{n / 7:.3f}","a ""{n}"",\n{n}"\n' for n in range(ROWS))
TABLES = {
    "plain": (PLAIN.encode(), ()),
    "quoted": (QUOTED.encode(), ()),
    "one column": (b"x\n" + b"1.5\n2.5\n" * 100, ()),
    "crlf, bom": (b"\xef\xbb\xbf" + QUOTED.replace("\n", "\r\n").encode(), ()),
    "cr": (PLAIN.replace("\n", "\r").encode(), ()),
    "blank lines": (PLAIN.replace("7\n", "7\n\n\n\r\n").encode() + b"\n\n\n", ()),
    "no line end": (PLAIN.encode().rstrip(), ()),
    "no header": (PLAIN.partition("\n")[2].encode(), ("--no-header", "-c", "2")),
    "bare quotes": (PLAIN.replace("text", 'te"xt').encode(), ()),
    "latin-1": (PLAIN.replace("text", "é").encode("latin-1"), ("--encoding", "latin-1")),
    "comments": (PLAIN.replace("7\n", '7\n# "\n').encode(), ("--comment", "#")),
    "escapes": (PLAIN.replace("text", '"a\\"').replace("\n", '"\n').replace('note"', "note")
                .encode(), ("--escape", "\\")),
    "wide delimiter": (PLAIN.replace(",", "¦").encode(), ("--delimiter", "¦")),
    "ragged": (PLAIN.replace("7\n", "7\n7,\n").encode(), ("--ragged", "keep")),
    "header only": (b"x,y\n", ()),
    "one row": (b"x,y\n1.5,2.5\n", ()),
}  # fmt: skip
NOISE = {
    "default": (),
    "absolute": ("-s", "0.5"),
    "text": ("-d", "typo", "--rate", "50%", "-c", "note"),
    **IN_ORDER,
    "missing": ("-d", "missing", "--rate", "20%"),
    "rows": ("-d", "drop-rows", "--rate", "20%"),
    "repeated": ("-d", "duplicate-rows", "--rate", "20%"),
    "conditional": ("-s", "1", "--where", "id > 100"),
    "key": ("-s", "1", "--key", "id"),
    "axis": ("-d", "ar1", "-s", "1", "-p", "axis=-1"),
}
TABLE_NOISE = {"text", "rows", "repeated", "conditional", "key"}
ARRAY_NOISE = [name for name in NOISE if name not in TABLE_NOISE]


def shards(source, count, *options, suffix=None, seed=("--seed", 5)):
    """Return the parts of a file that shards of one run make."""
    outputs = []
    for number in range(1, count + 1):
        target = source.with_name(f"part-{number}{suffix or source.suffix}")
        done = run(source, "-o", target, *seed, *options, "--shard", f"{number}/{count}")
        assert (0, "") == (done.status, done.messages.replace(_note(source), ""))
        outputs.append(target)
    return outputs


def _note(source):
    return f"noisify: {source} has no rows; it passes through as it is\n"


def chosen(noise):
    """Return the options of noise, on x unless they say something else."""
    return noise if "-c" in noise or "rows" in " ".join(noise) else ("-c", "x", *noise)


def whole(source, *options):
    target = source.with_name(f"whole{source.suffix}")
    assert 0 == run(source, "-o", target, "--seed", 5, *options).status
    return target.read_bytes()


def joined(outputs):
    return b"".join(output.read_bytes() for output in outputs)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_shards_of_a_csv_are_joined_by_cat(tmp_path, name, count):
    data, options = TABLES[name]
    source = tmp_path / "in.csv"
    source.write_bytes(data)

    outputs = shards(source, count, "-q", *options)

    assert whole(source, "-q", *options) == joined(outputs)
    if len(data) > 1000:
        assert all(output.stat().st_size for output in outputs)


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
@pytest.mark.parametrize("data", [PLAIN, QUOTED], ids=["plain", "quoted"])
def test_so_they_are_with_every_kind_of_noise(tmp_path, data, noise):
    source = tmp_path / "in.csv"
    source.write_text(data)
    noise = chosen(noise)

    outputs = shards(source, 3, *noise, "--chunk-size", "1k")

    assert whole(source, *noise) == joined(outputs)
    assert data.encode() != joined(outputs)


def test_more_shards_than_records_leave_some_empty(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("x\n1.5\n2.5\n")

    outputs = shards(source, 9, "-s", "1")

    assert whole(source, "-s", "1") == joined(outputs)
    assert 0 in [output.stat().st_size for output in outputs]


@pytest.mark.parametrize("options", [(), ("--comment", "#")])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"], ids=repr)
def test_a_last_record_longer_than_a_shard_is_in_one(tmp_path, options, end):
    source = tmp_path / "a.csv"
    source.write_bytes(f"x,note\n1.5,{'a' * 30}\n2.5,{'b' * 99}{end}".encode())
    options = ("-c", "x", "-d", "timing-jitter", "-s", 1, "-q", *options)

    assert whole(source, *options) == joined(shards(source, 5, *options))


@pytest.mark.parametrize("noise", ARRAY_NOISE)
@pytest.mark.parametrize("shape", [(1000,), (100, 3, 5), ()], ids=str)
def test_the_shards_of_an_array_are_joined_by_cat(tmp_path, shape, noise):
    source = tmp_path / "in.npy"
    np.save(source, RNG.normal(size=shape))
    noise = NOISE[noise] if shape else ("-s", "1")

    outputs = shards(source, 3, *noise, "--chunk-size", "1k")

    assert whole(source, *noise) == joined(outputs)


@pytest.mark.parametrize("noise", [name for name in ARRAY_NOISE if name != "missing"])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_so_are_those_of_a_wav_file(tmp_path, subtype, noise):
    source = tmp_path / "in.wav"
    soundfile.write(source, RNG.normal(size=(999, 2)) / 5, 8000, subtype)
    source.write_bytes(source.read_bytes() + b"after the samples")
    noise = NOISE[noise] if subtype == "FLOAT" else (*NOISE[noise], "-q")
    if "-s" in noise and subtype != "FLOAT":
        noise = ("-d", noise[1] if noise[0] == "-d" else "normal", "-s", "20", "-q")

    outputs = shards(source, 3, *noise, "--chunk-size", "1k")

    assert whole(source, *noise) == joined(outputs)


def parquet(path, rows=ROWS, first=0):
    number = np.arange(first, first + rows)
    table = pa.table(
        {
            "id": number,
            "x": number / 7,
            "note": [f"text {n}" for n in number],
            "many": [[n / 2] * (n % 3) for n in number.tolist()],
        }
    )
    pq.write_table(table, path, row_group_size=90)


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
def test_the_shards_of_a_parquet_file_are_files_of_one_table(tmp_path, noise):
    source = tmp_path / "in.parquet"
    parquet(source)
    noise = chosen(noise) if noise else ("-c", "many[]", "-s", "1")
    whole(source, *noise)

    outputs = shards(source, 3, *noise)

    tables = [pq.read_table(output) for output in outputs]
    assert pq.read_table(tmp_path / "whole.parquet").equals(pa.concat_tables(tables))
    assert all(table.num_rows for table in tables)


def test_the_shards_of_a_folder_are_its_files(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(5):
        parquet(folder / f"{number}.parquet", first=number * ROWS)
    (folder / "_readme").write_text("as it is")
    noise = ("-d", "shuffle", "--rate", "50%", "-c", "x", "--seed", "5", "-p", "window=500")
    assert 0 == run(folder, "-o", tmp_path / "whole", *noise).status

    together = tmp_path / "together"
    for number in (1, 2, 3):
        out = tmp_path / f"out-{number}"
        assert 0 == run(folder, "-o", out, *noise, "--shard", f"{number}/3").status
        shutil.copytree(out, together, dirs_exist_ok=True)

    names = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert names == sorted(path.name for path in together.iterdir())
    for name in names:
        assert (tmp_path / "whole" / name).read_bytes() == (together / name).read_bytes()
    assert 5 * ROWS == ds.dataset(together, exclude_invalid_files=True).count_rows()


@pytest.mark.parametrize("sweep", [(), ("--sweep", "scale=0.1,1"), ("--replicates", "2")])
def test_files_are_shared_out_whole(tmp_path, sweep):
    inputs = []
    for number in range(7):
        inputs.append(tmp_path / f"day{number}.csv")
        inputs[-1].write_text(PLAIN[: 400 * (number + 1)].rpartition("\n")[0] + "\n")
    common = (*sweep, "--seed", 5, "-c", "x", "-q")
    assert 0 == run(*inputs, "--output-dir", tmp_path / "whole", *common).status

    counts = []
    for number in (1, 2, 3):
        out = ("--output-dir", tmp_path / "out", "--shard", f"{number}/3")
        assert 0 == run(*inputs, *out, *common).status
        counts.append(len(list((tmp_path / "out").iterdir())))

    outputs = sorted((tmp_path / "whole").glob("day*"))
    assert sorted(path.name for path in (tmp_path / "out").glob("day*")) == [
        path.name for path in outputs
    ]
    for path in outputs:
        assert path.read_bytes() == (tmp_path / "out" / path.name).read_bytes()
    assert 0 < counts[0] < counts[1] < counts[2]


def test_a_shard_without_a_file_says_so(tmp_path):
    (tmp_path / "a.csv").write_text(PLAIN)
    out = ("--output-dir", tmp_path / "out", "--seed", 1)

    done = run(tmp_path / "a.csv", *out, "--shard", "1/2")
    assert (0, "noisify: note: shard 1/2 has no file: there are fewer files than shards\n") == (
        done.status,
        done.messages,
    )
    assert 0 == run(tmp_path / "a.csv", *out, "--shard", "2/2").status
    assert ["a.csv"] == [path.name for path in (tmp_path / "out").iterdir()]


def test_the_environment_gives_the_shard(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text(PLAIN)
    by_option = run(source, "--seed", 1, "-s", 1, "--shard", "2/3")

    by_variable = run(source, "--seed", 1, "-s", 1, variables={"NOISIFY_SHARD": "2/3"})

    assert by_option.output == by_variable.output
    assert 0 < len(by_option.output) < len(PLAIN) * 2 / 3


@pytest.mark.parametrize("value", ["0/3", "4/3", "3", "1/0", "a/b", "1/3/3", "-1/3", "1.5/3"])
def test_a_shard_is_a_number_of_a_count(value):
    done = run("--shard", value, "--seed", 1, given=PLAIN.encode())

    assert 2 == done.status
    assert f"--shard '{value}' is not K/N with K from 1 to N, such as 3/8" in done.messages
    assert ("the first is 1" in done.messages) == value.startswith("0/")

    done = run("--seed", 1, given=PLAIN.encode(), variables={"NOISIFY_SHARD": value})

    assert 2 == done.status
    assert f": NOISIFY_SHARD '{value}' is not K/N with K from 1 to N" in done.messages


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--preview",), "--preview shows the start of the whole file; leave out --shard"),
        (("-o", "out.csv"), "--shard needs a seed that all shards have; add --seed N"),
        (("--seed", 1, "--in-place"), "--in-place replaces whole files"),
        (("--seed", 1, "-o", "out.csv", "--append"), "--append writes the input several times"),
        (("--seed", 1, "-o", "out.csv", "--mask", "m.csv"), "--mask is of a whole file"),
        (("--seed", 1, "-o", "out.parquet"), "a part of CSV is written as CSV, not as Parquet"),
        (("--seed", 1, "-o", "out.csv", "--rng", "numpy"), "--shard needs rng noisify"),
        (("--seed", 1, "-o", "out.csv", "--encoding", "utf-16"), "only read from the start"),
    ],
)
def test_what_a_shard_cannot_do_is_refused(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    encoding = "utf-16" if "utf-16" in options else "utf-8"
    (tmp_path / "in.csv").write_text(PLAIN, encoding)

    done = run("in.csv", *options, "--shard", "1/2")

    assert (2, 1) == (done.status, len(done.lines))
    assert message in done.messages
    assert ["in.csv"] == [path.name for path in tmp_path.iterdir()]


def test_files_that_are_read_from_the_start_only_are_not_cut(tmp_path):
    packed = tmp_path / "in.csv.gz"
    packed.write_bytes(gzip.compress(PLAIN.encode()))
    fortran = tmp_path / "in.npy"
    np.save(fortran, np.asfortranarray(np.ones((3, 4))))
    zipped = tmp_path / "in.npz"
    np.savez(zipped, x=np.ones(3))
    rows = tmp_path / "rows.npy"
    np.save(rows, np.ones(9))
    shard = ("--seed", 1, "--shard", "1/2", "-s", 1)

    for source, options, why in (
        (packed, (), "it is compressed (gzip)"),
        (fortran, (), "it is in Fortran order"),
        (zipped, (), "it is an NPZ file: only CSV, TSV, Parquet, NPY, WAV, Zarr and "),
    ):
        done = run(source, "-o", tmp_path / f"out{source.suffix}", *shard, *options)
        assert 2 == done.status
        assert f"cannot be cut into parts: {why}" in done.messages
    done = run(*shard, given=PLAIN.encode())
    assert "cannot be cut into parts: it is not a file" in done.messages
    done = run(rows, "-o", tmp_path / "o.npy", "--seed", 1, "--shard", "1/2", "-d", "drop-rows")
    assert "changes the length that the start of NPY files says" in done.messages


def test_errors_tell_the_line_in_the_whole_file(tmp_path):
    source = tmp_path / "in.csv"
    lines = QUOTED.splitlines(keepends=True)
    lines[501] = "1,2\n"
    source.write_text("".join(lines))
    expected = run(source, "-s", "1", "--seed", 1, "-o", tmp_path / "o.csv")

    done = run(source, "-s", "1", "--seed", 1, "-o", tmp_path / "o.csv", "--shard", "2/3")

    assert 3 == done.status
    assert expected.messages == done.messages
    assert ":502: " in done.messages or "line 502" in done.messages


def hdf5(path):
    """Make a file of several contiguous datasets, and of some that are not."""
    with h5py.File(path, "w") as file:
        file["x"] = RNG.normal(size=(100, 3, 5))
        file["group/y"] = RNG.normal(size=100).astype(">f4")
        file["group/err"] = np.abs(RNG.normal(size=100))
        file["group/flag"] = np.arange(100) % 3
        file["table"] = np.rec.array([(n, n / 7, [n] * 3) for n in range(100)], "i4,f8,(3,)f4")
        file["one"] = 1.5
        file["empty"] = np.empty((0, 3))
        file["wide"] = RNG.normal(size=(1, 1000))
        file.create_dataset("chunks", data=np.ones(100), chunks=(30,), compression="gzip")
        file.attrs["title"] = "kept"


FLAGGED = "`group/flag` == 1"
CONTIGUOUS = ("--exclude", "chunks")


@pytest.mark.parametrize(
    ("noise", "count"), [*itertools.product(ARRAY_NOISE, [1, 3]), ("default", 40), ("stuck", 40)]
)
def test_the_shards_of_an_hdf5_file_are_joined_by_cat(tmp_path, noise, count):
    source = tmp_path / "in.h5"
    hdf5(source)
    noise = (*NOISE[noise], *CONTIGUOUS, "--chunk-size", "1k", "-q")

    outputs = shards(source, count, *noise)

    assert whole(source, *noise) == joined(outputs)
    assert source.read_bytes() != joined(outputs)


@pytest.mark.parametrize(
    "noise",
    [
        ("--noise", "group/y=normal:@group/err"), ("-c", "group/y", "--where", FLAGGED),
        ("-c", "group/y,group/err", "--where", f"{FLAGGED} and chunks == 1", "-s", "1"),
        ("-c", "group/y,group/err", "-d", "correlated"),
        ("-c", "group/y,group/err", "-d", "shuffle", "--rate", "50%", "--where", FLAGGED),
        ("-c", "table.f1", "-s", "1"), ("-c", "table.f2,x", "-s", "1"), ("-c", "wide,one"),
        ("-c", "group/flag", "-s", 1),
        ("--noise", "group/y=normal:1", "--noise", "group/err=missing:20%", "--clip", "0,1"),
    ],
)  # fmt: skip
def test_so_they_are_where_datasets_need_each_other(tmp_path, noise):
    source = tmp_path / "in.h5"
    hdf5(source)

    outputs = shards(source, 7, *noise, "--chunk-size", "200", "-q")

    assert whole(source, *noise, "-q") == joined(outputs)
    assert source.read_bytes() != joined(outputs)


def test_the_reports_of_shards_add_up(tmp_path):
    source = tmp_path / "in.h5"
    hdf5(source)
    noise = ("-c", "group/y,group/err", "--where", "`group/flag` == 1", "-s", "1", "--seed", 5)

    def counts(*options):
        assert 0 == run(source, *noise, "--report", tmp_path / "r.json", *options).status
        found = json.loads((tmp_path / "r.json").read_text())["fields"]
        return {name: (one["count"], one["changed"]) for name, one in found.items()}

    expected = counts("-o", tmp_path / "whole.h5")
    parts = [counts("-o", tmp_path / "part.h5", "--shard", f"{n}/5") for n in range(1, 6)]

    for name, both in expected.items():
        assert both == tuple(map(sum, zip(*(part[name] for part in parts), strict=True)))


def test_shards_of_hdf5_need_contiguous_data(tmp_path):
    source = tmp_path / "in.h5"
    hdf5(source)

    done = run(source, "-o", tmp_path / "o.h5", "--seed", 1, "-s", 1, "--shard", "1/2")

    assert (2, 1) == (done.status, len(done.lines))
    assert "cannot be cut into parts: it has 'chunks' in chunks, compressed" in done.messages
    assert ["in.h5"] == [path.name for path in tmp_path.iterdir()]


def test_contiguous_netcdf_is_cut_too(tmp_path):
    netcdf = pytest.importorskip("netCDF4")
    source = tmp_path / "in.nc"
    with netcdf.Dataset(source, "w") as file:
        file.createDimension("time", 50)
        file.createDimension("lat", 4)
        for name, kind in (("tas", "f4"), ("pr", "i2")):
            made = file.createVariable(name, kind, ("time", "lat"), fill_value=-9)
            made[:] = RNG.normal(size=(50, 4)) * 10
        file["pr"].scale_factor = 0.5

    outputs = shards(source, 4, "-s", "0.1sd")

    assert whole(source, "-s", "0.1sd") == joined(outputs)
    (tmp_path / "joined.nc").write_bytes(joined(outputs))
    with netcdf.Dataset(tmp_path / "joined.nc") as file:
        assert (50, 4) == file["tas"].shape


@pytest.mark.filterwarnings("ignore:::zarr")
@pytest.mark.parametrize("noise", [(), ("-c", "x", "--where", "y > 0", "-s", "1")])
@pytest.mark.parametrize("version", [2, 3])
def test_the_shards_of_a_store_are_joined_by_copying(tmp_path, version, noise):
    zarr = pytest.importorskip("zarr")
    root = zarr.open_group(tmp_path / "in.zarr", mode="w", zarr_format=version)
    for name, chunks in (("x", (7, 3)), ("y", (9, 4))):
        array = root.create_array(name, shape=(100, 4), dtype="f8", chunks=chunks)
        array[:] = RNG.normal(size=array.shape)
    root.create_array("scalar", shape=(), dtype="i4")[...] = 3
    (tmp_path / "in.zarr" / "readme").write_text("as it is")
    assert 0 == run(tmp_path / "in.zarr", "-o", tmp_path / "whole.zarr", "--seed", 5, *noise).status

    parts = shards(tmp_path / "in.zarr", 3, *noise)

    files = [
        {path.relative_to(part).as_posix() for path in part.rglob("*") if path.is_file()}
        for part in parts
    ]
    shared = {name for name in files[0] if "zarr.json" in name or ".z" in name}
    assert shared == files[0] & files[1] == files[0] & files[2] == files[1] & files[2]
    for part in parts:
        shutil.copytree(part, tmp_path / "joined.zarr", dirs_exist_ok=True)
    joined, whole = (
        {path.relative_to(one): path.is_file() and path.read_bytes() for path in one.rglob("*")}
        for one in (tmp_path / "joined.zarr", tmp_path / "whole.zarr")
    )
    assert joined == whole
    assert zarr.open_group(tmp_path / "joined.zarr", mode="r")["x"].shape == (100, 4)

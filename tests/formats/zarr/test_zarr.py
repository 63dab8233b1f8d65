"""Zarr stores of version 2 and 3: what is kept, what gets noise, and by which names."""

import json
import shutil
from typing import ClassVar

import h5py
import numpy as np
import pytest
from conformance import CUTS, FormatConformance
from run_command import run
from servers import file_server

zarr = pytest.importorskip("zarr", reason="zarr is not installed: pip install 'noisify-cli[zarr]'")
xr = pytest.importorskip("xarray")
pytestmark = pytest.mark.filterwarnings("ignore:::zarr", "ignore:Consolidated metadata")


def files(folder):
    """Return the bytes of all files in a folder, by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def changed(one, other):
    """Return the paths of the files that two folders do not have alike."""
    before, after = files(one), files(other)
    return [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]


class ZarrConformance(FormatConformance):
    suffix = ".zarr"
    version = 3
    storage: ClassVar = {}

    def write(self, path, columns):
        shutil.rmtree(path, ignore_errors=True)
        root = zarr.open_group(path, mode="w", zarr_format=self.version)
        for name, values in columns.items():
            chunks = {key: (value,) for key, value in self.storage.items()}
            chunks = chunks or {"chunks": (max(1, len(values) // 3),)}
            root.create_array(name, shape=values.shape, dtype=values.dtype, **chunks)[:] = values

    def read(self, path):
        root = zarr.open_group(path, mode="r")
        return {name: array[:] for name, array in sorted(root.arrays())}

    def run(self, source, *arguments, name="out"):
        shutil.rmtree(source.with_name(name + self.suffix), ignore_errors=True)
        return super().run(source, *arguments, name=name)

    def same(self, one, other):
        assert files(one) == files(other)

    def neighbours(self, path):
        return {name: data for name, data in files(path).items() if name.split("/")[0] != "x"}

    def test_the_bytes_do_not_depend_on_how_the_file_is_cut(self, tmp_path):
        source = self.make(tmp_path, 20_000)
        written = [
            files(self.run(source, "-s", "0.1sd", *cut, name=f"out{at}"))
            for at, cut in enumerate(CUTS)
        ]
        assert written[0] == written[1] == written[2]

    def test_a_pipe_gives_the_bytes_that_a_file_gives(self, tmp_path):
        done = run(self.make(tmp_path, 10), "-s", 1, "--seed", 1)
        assert (done.status, len(done.lines)) == (2, 1)
        assert "name it with -o" in done.messages

    def test_in_place_gives_what_another_file_would_hold(self, tmp_path):
        source = self.make(tmp_path, 500)
        expected = files(self.run(source, "-s", 1))
        done = run(source, "--in-place", "-c", "x", "-s", 1, "--seed", 1)
        assert done.status == 0, done.messages
        assert expected == files(source)
        assert ["in.zarr", "out.zarr"] == sorted(path.name for path in tmp_path.iterdir())

    def test_a_file_cut_short_is_one_line_and_leaves_what_was_there(self, tmp_path):
        source = self.make(tmp_path, 20_000)
        for chunk in source.glob("x/**/0"):
            chunk.write_bytes(chunk.read_bytes()[:-7])
        done = run(source, "-o", tmp_path / "out.zarr", "-c", "x", "-s", 1, "--seed", 1)
        assert (3, 1) == (done.status, len(done.lines)), done.messages
        assert "in.zarr, field 'x': cannot be read" in done.messages
        assert ["in.zarr"] == [path.name for path in tmp_path.iterdir()]

    def test_a_full_disk_is_one_line(self, tmp_path):
        source = self.make(tmp_path, 10)
        done = run(source, "-o", "/dev/full", "-s", 1, "--seed", 1)
        assert (2, 1) == (done.status, len(done.lines)), done.messages


class TestZarr3(ZarrConformance):
    pass


class TestZarr2(ZarrConformance):
    version = 2


class TestShards(ZarrConformance):
    storage: ClassVar = {"chunks": 100, "shards": 400}


VALUES = np.arange(1000.0).reshape(50, 20)


@pytest.fixture
def store(tmp_path):
    root = zarr.open_group(tmp_path / "in.zarr", mode="w")
    root.attrs["title"] = "a test"
    for name, chunks, shards in (
        ("rows", (7, 20), None), ("columns", (50, 3), None), ("tiles", (8, 3), (16, 6)),
    ):  # fmt: skip
        root.create_group(name).create_array(
            "x", shape=VALUES.shape, dtype="f8", chunks=chunks, shards=shards
        )[:] = VALUES
    root.create_array("n", shape=(5,), dtype="i4")[:] = np.arange(5)
    return tmp_path / "in.zarr"


def test_noise_is_that_of_an_array_of_that_name_in_hdf5_whatever_the_chunks(store, tmp_path):
    with h5py.File(tmp_path / "in.h5", "w") as made:
        for name in ("rows", "columns", "tiles"):
            made[f"{name}/x"] = VALUES
    options = ("-s", "0.1sd", "--seed", 1)
    assert run(store, "-o", tmp_path / "out.zarr", *options).status == 0
    assert run(tmp_path / "in.h5", "-o", tmp_path / "out.h5", *options).status == 0
    root = zarr.open_group(tmp_path / "out.zarr", mode="r")
    with h5py.File(tmp_path / "out.h5") as other:
        for name in ("rows", "columns", "tiles"):
            np.testing.assert_array_equal(other[f"{name}/x"][:], root[f"{name}/x"][:])
    assert root.attrs["title"] == "a test"


def test_an_array_that_is_the_store_gets_the_noise_of_an_npy(tmp_path):
    np.save(tmp_path / "in.npy", VALUES)
    zarr.create_array(tmp_path / "in.zarr", shape=VALUES.shape, dtype="f8", chunks=(9, 9))[:] = (
        VALUES
    )
    for suffix in (".npy", ".zarr"):
        done = run(tmp_path / f"in{suffix}", "-o", tmp_path / f"out{suffix}", "-s", 1, "--seed", 1)
        assert done.status == 0, done.messages
    found = zarr.open_array(tmp_path / "out.zarr", mode="r")
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), found[:])


@pytest.mark.parametrize("options", [(), ("--chunk-size", "1k", "--jobs", 3)])
def test_untouched_arrays_chunks_and_metadata_keep_their_bytes(store, tmp_path, options):
    done = run(store, "-o", tmp_path / "out.zarr", "-c", "tiles/x", "-d", "missing",
               "--rate", "0.3%", "--seed", 3, *options)  # fmt: skip
    assert done.status == 0, done.messages
    differing = changed(store, tmp_path / "out.zarr")
    assert differing
    assert len(differing) < 5
    assert all(name.startswith("tiles/x/c/") for name in differing)


def test_chunks_against_the_order_of_elements_are_unpacked_first(tmp_path):
    values = np.linspace(0, 1, 2_000_000, dtype="f4").reshape(1000, 2000)  # too many for memory
    root = zarr.open_group(tmp_path / "in.zarr", mode="w")
    root.create_array("x", shape=values.shape, dtype="f4", chunks=(1000, 200))[:] = values
    np.savez(tmp_path / "in.npz", x=values)
    for suffix in (".npz", ".zarr"):
        done = run(tmp_path / f"in{suffix}", "-o", tmp_path / f"out{suffix}", "-s", 1, "--seed", 1)
        assert done.status == 0, done.messages
    found = zarr.open_group(tmp_path / "out.zarr", mode="r")
    np.testing.assert_array_equal(np.load(tmp_path / "out.npz")["x"], found["x"][:])


@pytest.mark.parametrize("version", [2, 3])
def test_xarrays_coordinates_packing_and_missing_values_are_those_of_netcdf(tmp_path, version):
    temperature = np.arange(120.0).reshape(10, 12)
    temperature[3, 4] = np.nan
    data = xr.Dataset(
        {"t": (("time", "lat"), temperature), "w": (("time",), [1.0, 2.0, np.nan] * 3 + [4])},
        coords={
            "time": np.arange(10.0), "lat": np.arange(12.0),
            "height": (("lat",), np.linspace(0, 1, 12)),
        },
    )  # fmt: skip
    packed = {"t": {"scale_factor": 0.1, "add_offset": 5.0, "dtype": "i2", "_FillValue": -99}}
    data.to_zarr(tmp_path / "in.zarr", zarr_format=version, encoding=packed)
    data.to_netcdf(tmp_path / "in.nc", encoding=packed)
    options = ("-s", "0.1sd", "--seed", 1)
    assert run(tmp_path / "in.nc", "-o", tmp_path / "out.nc", *options).status == 0
    done = run(tmp_path / "in.zarr", "-o", tmp_path / "out.zarr", *options)
    assert done.status == 0, done.messages
    with xr.open_dataset(tmp_path / "out.nc") as expected:
        found = xr.open_zarr(tmp_path / "out.zarr")
        for name in ("t", "w", "time", "lat", "height"):
            np.testing.assert_array_equal(expected[name].values, found[name].values)
        assert np.isnan(found["t"].values[3, 4])
        assert not np.array_equal(found["t"].values, temperature, equal_nan=True)
    touched = {name.split("/")[0] for name in changed(tmp_path / "in.zarr", tmp_path / "out.zarr")}
    assert touched == {"t", "w"}


def test_the_fill_value_of_other_stores_of_version_2_is_no_missing_value(tmp_path):
    root = zarr.open_group(tmp_path / "in.zarr", mode="w", zarr_format=2)
    root.create_array("x", shape=(100,), dtype="f8", fill_value=0.0)[:] = 0.0
    assert run(tmp_path / "in.zarr", "-o", tmp_path / "out.zarr", "-s", 1, "--seed", 1).status == 0
    assert (zarr.open_group(tmp_path / "out.zarr", mode="r")["x"][:] != 0).all()


def test_the_structure_of_anndata_gets_no_noise(tmp_path):
    root = zarr.open_group(tmp_path / "in.zarr", mode="w")
    matrix = root.create_group("X", attributes={"encoding-type": "csr_matrix"})
    for name, dtype in (("data", "f4"), ("indices", "i4"), ("indptr", "i4")):
        matrix.create_array(name, shape=(4,), dtype=dtype)[:] = np.arange(4)
    frame = root.create_group("obs", attributes={"encoding-type": "dataframe", "_index": "cell"})
    for name in ("cell", "score"):
        frame.create_array(name, shape=(4,), dtype="f8")[:] = np.arange(4.0)
    done = run(tmp_path / "in.zarr", "-o", tmp_path / "out.zarr", "-s", 1, "--seed", 1, "-v")
    assert done.status == 0, done.messages
    touched = changed(tmp_path / "in.zarr", tmp_path / "out.zarr")
    assert {"X/data", "obs/score"} == {"/".join(name.split("/")[:2]) for name in touched}
    done = run(tmp_path / "in.zarr", "-o", tmp_path / "no", "-c", "X/indices", "-s", 1)
    assert done.status == 2
    assert "the structure of a sparse matrix" in done.messages


def test_masks_reports_conditions_and_restoring(store, tmp_path):
    done = run(
        store, "-o", tmp_path / "out.zarr", "-c", "tiles/x,n", "-d", "salt-and-pepper", "--rate",
        "20%", "--seed", 1, "--mask", tmp_path / "m.npz", "--mask-values", "--report",
        tmp_path / "r.json", "--where", "`tiles/x` > 500",
    )  # fmt: skip
    assert (done.status, len(done.lines)) == (2, 1), "arrays of different shapes have no rows"
    done = run(
        store, "-o", tmp_path / "out.zarr", "-c", "tiles/x,n", "-d", "salt-and-pepper", "--rate",
        "20%", "--seed", 1, "--mask", tmp_path / "m.npz", "--mask-values", "--report",
        tmp_path / "r.json",
    )  # fmt: skip
    assert done.status == 0, done.messages
    report = json.loads((tmp_path / "r.json").read_text())
    after = zarr.open_group(tmp_path / "out.zarr", mode="r")["tiles/x"][:]
    with np.load(tmp_path / "m.npz") as mask:
        np.testing.assert_array_equal(mask["tiles/x"]["changed"], after != VALUES)
    assert report["fields"]["tiles/x"]["changed"] == (after != VALUES).sum()
    assert report["format"] == "zarr"
    back = run(tmp_path / "out.zarr", "--restore", tmp_path / "m.npz", "-o", tmp_path / "back.zarr")
    assert back.status == 0, back.messages
    assert files(store) == files(tmp_path / "back.zarr")
    compared = run(store, tmp_path / "out.zarr", "--json", program="noisify-compare")
    assert compared.status == 0, compared.messages


def test_a_condition_holds_element_by_element(tmp_path):
    root = zarr.open_group(tmp_path / "in.zarr", mode="w")
    for name in ("x", "y"):
        root.create_array(name, shape=VALUES.shape, dtype="f8", chunks=(9, 9))[:] = VALUES
    done = run(tmp_path / "in.zarr", "-o", tmp_path / "out.zarr", "-c", "x", "-s", "10%",
               "--where", "y > 500", "--seed", 1)  # fmt: skip
    assert done.status == 0, done.messages
    after = zarr.open_group(tmp_path / "out.zarr", mode="r")["x"][:]
    np.testing.assert_array_equal(after != VALUES, VALUES > 500)


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
def test_conversion_to_and_from_other_formats(tmp_path, suffix):
    root = zarr.open_group(tmp_path / "in.zarr", mode="w")
    root.create_array("a/x", shape=VALUES.shape, dtype="f8", chunks=(9, 9))[:] = VALUES
    root.create_array("n", shape=(5,), dtype="i4")[:] = np.arange(5)
    options = ("-c", "a/x", "-s", 1, "--seed", 1)
    assert run(tmp_path / "in.zarr", "-o", tmp_path / "out.zarr", *options).status == 0
    done = run(tmp_path / "in.zarr", "-o", tmp_path / f"out{suffix}", *options)
    assert done.status == 0, done.messages
    done = run(tmp_path / f"out{suffix}", "-o", tmp_path / "back.zarr", "-c", "a/x", "-s", 0)
    assert done.status == 0, done.messages
    expected = zarr.open_group(tmp_path / "out.zarr", mode="r")
    found = zarr.open_group(tmp_path / "back.zarr", mode="r")
    for name in ("a/x", "n"):
        assert expected[name].dtype == found[name].dtype
        np.testing.assert_array_equal(expected[name][:], found[name][:])


def test_attributes_would_be_lost_in_other_formats(store, tmp_path):
    done = run(store, "-o", tmp_path / "out.npz", "-s", 1, "--seed", 1)
    assert done.status == 2
    assert "has an attribute 'title', which would be lost" in done.messages


def test_scalars_empty_arrays_texts_and_records(tmp_path):
    root = zarr.open_group(tmp_path / "in.zarr", mode="w", zarr_format=2)
    root.create_array("scalar", shape=(), dtype="f8")[()] = 2.5
    root.create_array("empty", shape=(0, 3), dtype="f8")
    root.create_array("text", shape=(3,), dtype="S4")[:] = [b"a", b"b", b"c"]
    records = np.zeros(6, [("a", "<f8"), ("b", "<i4")])
    records["a"] = np.arange(6)
    root.create_array("r", shape=(6,), dtype=records.dtype, chunks=(4,))[:] = records
    np.savez(tmp_path / "in.npz", scalar=2.5, empty=np.empty((0, 3)), r=records)
    for suffix in (".npz", ".zarr"):
        done = run(tmp_path / f"in{suffix}", "-o", tmp_path / f"out{suffix}", "-s", 1, "--seed", 1)
        assert done.status == 0, done.messages
    found = zarr.open_group(tmp_path / "out.zarr", mode="r")
    with np.load(tmp_path / "out.npz") as expected:
        for name in ("scalar", "empty", "r"):
            np.testing.assert_array_equal(expected[name], found[name][...])
    assert list(found["text"][:]) == [b"a", b"b", b"c"]
    assert (found["r"][:]["a"] != records["a"]).all()


@pytest.mark.parametrize("version", [2, 3])
def test_texts_of_variable_length_are_copied(tmp_path, version):
    root = zarr.open_group(tmp_path / "in.zarr", mode="w", zarr_format=version)
    root.create_array("name", shape=(3,), dtype=str)[:] = ["a", "bb", "ccc"]
    root.create_array("x", shape=(3,), dtype="f8")[:] = 1.0
    listed = run(tmp_path / "in.zarr", "--list-fields")
    assert (listed.status, listed.messages) == (0, "")
    done = run(tmp_path / "in.zarr", "-o", tmp_path / "out.zarr", "-s", 1, "--seed", 1)
    assert done.status == 0, done.messages
    assert all(name.startswith("x/") for name in changed(*tmp_path.glob("*.zarr")))
    done = run(tmp_path / "in.zarr", "-o", tmp_path / "out.npz", "-s", 1)
    assert (done.status, len(done.lines)) == (2, 1)
    assert "field 'name'" in done.messages


def test_an_array_that_zarr_does_not_read_is_copied(store, tmp_path):
    place = store / "n" / "zarr.json"
    about = json.loads(place.read_text())
    place.write_text(json.dumps({**about, "codecs": [{"name": "unknown"}]}))
    done = run(store, "-o", tmp_path / "out.zarr", "-s", 1, "--seed", 1)
    assert done.status == 0, done.messages
    differing = changed(store, tmp_path / "out.zarr")
    assert {name.partition("/")[0] for name in differing} == {"rows", "columns", "tiles"}
    for options in (("-o", tmp_path / "n.zarr", "-c", "n"), ("-o", tmp_path / "n.npz", "-c", "n")):
        done = run(store, *options, "-s", 1, "--seed", 1)
        assert (done.status, len(done.lines)) == (2, 1)
        assert "field 'n'" in done.messages
        assert "cannot be read" in done.messages
    place.write_text("{")
    done = run(store, "-o", tmp_path / "n.zarr", "-s", 1, "--seed", 1)
    assert (done.status, len(done.lines)) == (3, 1)
    assert not (tmp_path / "n.zarr").exists()


def test_arrays_in_fortran_order(tmp_path):
    root = zarr.open_group(tmp_path / "in.zarr", mode="w", zarr_format=2)
    values = VALUES[:20]
    records = np.zeros((6, 5), [("a", "<f8"), ("b", "<i4")])
    records["b"] = np.arange(30).reshape(6, 5)
    root.create_array("x", shape=values.shape, dtype="f8", chunks=(7, 9), order="F")[:] = values
    root.create_array("r", shape=(6, 5), dtype=records.dtype, chunks=(4, 3), order="F")[:] = records
    np.savez(tmp_path / "in.npz", x=values, r=records)
    for suffix in (".npz", ".zarr"):
        done = run(tmp_path / f"in{suffix}", "-o", tmp_path / f"out{suffix}", "-s", 1, "--seed", 1)
        assert done.status == 0, done.messages
    found = zarr.open_group(tmp_path / "out.zarr", mode="r")
    with np.load(tmp_path / "out.npz") as expected:
        for name in ("x", "r"):
            np.testing.assert_array_equal(expected[name], found[name][...])


@pytest.mark.parametrize("options", [("-o", "out.zarr"), ("--in-place",)])
def test_what_is_not_to_be_written_stays_so(store, tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    for path in store.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o440)
    modes = {path.relative_to(store): path.stat().st_mode for path in store.rglob("*")}
    done = run("in.zarr", *options, "-s", 1, "--seed", 1)
    assert done.status == 0, done.messages
    out = tmp_path / options[-1] if "-o" in options else store
    assert {path.relative_to(out): path.stat().st_mode for path in out.rglob("*")} == modes
    assert {path.name for path in tmp_path.iterdir()} == {"in.zarr", out.name}


def test_a_folder_of_stores_is_an_input_for_each(tmp_path):
    for name in ("one", "two"):
        root = zarr.open_group(tmp_path / "in" / f"{name}.zarr", mode="w")
        root.create_array("x", shape=(5,), dtype="f8")[:] = 1.0
    done = run(tmp_path / "in", "--output-dir", tmp_path / "out", "-s", 1, "--seed", 1)
    assert done.status == 0, done.messages
    stores = [tmp_path / "out" / f"{name}.zarr" for name in ("one", "two")]
    one, two = (zarr.open_group(path, mode="r")["x"][:] for path in stores)
    assert not np.array_equal(one, two)


def test_a_link_in_a_store_is_refused(store, tmp_path):
    (store / "link").symlink_to(store / "n")
    done = run(store, "-o", tmp_path / "out.zarr", "-s", 1, "--seed", 1)
    assert (done.status, len(done.lines)) == (3, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["in.zarr"]


# ── by URL ───────────────────────────────────────────────────────────────────────────────────────


def upload(lake, folder):
    for name, data in files(folder).items():
        lake.put(f"in.zarr/{name}", data)


@pytest.mark.slow
def test_a_store_on_s3_gets_the_noise_of_the_local_one(lake, store, tmp_path):
    upload(lake, store)
    options = ("-s", "0.1sd", "--seed", 1)
    assert run(store, "-o", tmp_path / "out.zarr", *options).status == 0
    done = run("s3://lake/in.zarr", "-o", "s3://lake/out.zarr", *options)
    assert (done.status, done.messages) == (0, "")
    found = {key.removeprefix("out.zarr/"): lake.get(key) for key in lake.objects() if "out" in key}
    assert files(tmp_path / "out.zarr") == found
    done = run("s3://lake/in.zarr/", "-o", tmp_path / "local.zarr", *options)
    assert (done.status, done.messages) == (0, "")
    assert files(tmp_path / "out.zarr") == files(tmp_path / "local.zarr")


def test_a_folder_that_is_there_is_not_written_into(lake, store):
    upload(lake, store)
    before = lake.objects()
    done = run(store, "-o", "s3://lake/in.zarr", "-s", 1, "--seed", 1)
    assert (done.status, done.lines) == (
        2, ["noisify: s3://lake/in.zarr: is a folder with files in it; give another name"],
    )  # fmt: skip
    assert before == lake.objects()


def test_a_store_by_url_is_not_replaced_in_place(lake, store):
    upload(lake, store)
    before = lake.objects()
    done = run("s3://lake/in.zarr", "--in-place", "-s", 1, "--seed", 1)
    assert (done.status, len(done.lines)) == (2, 1)
    assert "--in-place" in done.messages
    assert lake.objects() == before


def test_a_failed_upload_leaves_nothing(lake, store, monkeypatch):
    from noisify.files import transport  # noqa: PLC0415 - only here

    upload_one = transport.Location.upload

    def fail(self, source, name):
        if name == "zarr.json":
            raise PermissionError
        upload_one(self, source, name)

    monkeypatch.setattr(transport.Location, "upload", fail)
    done = run(store, "-o", "s3://lake/out.zarr", "-s", 1, "--seed", 1)
    assert (done.status, len(done.lines)) == (1, 1), done.messages
    assert "s3://lake/out.zarr: is forbidden" in done.messages
    assert lake.objects() == []


def test_a_preview_reads_the_chunks_that_it_shows(lake, store, monkeypatch):
    upload(lake, store)
    from noisify.files.folder_input import RemoteFolder  # noqa: PLC0415 - only here

    monkeypatch.setattr(RemoteFolder, "copy", None)
    done = run("s3://lake/in.zarr", "-c", "rows/x", "--dry-run", "-s", "0.1sd", "--seed", 1)
    assert done.status == 0, done.messages


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("noise", [("-s", 1), ("-d", "random-walk", "-s", 1)])
def test_records_that_are_a_whole_store_get_the_noise_of_an_npy_file(tmp_path, noise):
    records = np.zeros((6, 4), [("a", "<f8"), ("b", "<f4")])
    np.save(tmp_path / "in.npy", records)
    made = zarr.create_array(tmp_path / "in.zarr", shape=(6, 4), dtype=records.dtype, chunks=(2, 4),
                             zarr_format=2)  # fmt: skip
    made[:] = records
    for suffix in (".npy", ".zarr"):
        done = run(tmp_path / f"in{suffix}", "-o", tmp_path / f"out{suffix}", *noise, "--seed", 1)
        assert done.status == 0, done.messages
    expected = np.load(tmp_path / "out.npy")
    assert (expected["a"] != 0).any()
    np.testing.assert_array_equal(expected, zarr.open_array(tmp_path / "out.zarr", mode="r")[:])


# ── from a web server ────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def web():
    with file_server() as server:
        yield server


def serve(web, folder):
    """Serve the files of a store; return its URL."""
    web.files |= {f"/{folder.name}/{name}": data for name, data in files(folder).items()}
    return f"{web.url}/{folder.name}"


@pytest.mark.parametrize("version", [2, 3])
def test_a_store_with_consolidated_metadata_is_read_from_a_web_server(web, tmp_path, version):
    root = zarr.open_group(tmp_path / "in.zarr", mode="w", zarr_format=version)
    root.create_group("a", attributes={"title": "b"}).create_group("c")
    for name, chunks in (("a/c/x", (8, 9)), ("y", (50, 20))):
        array = root.create_array(name, shape=VALUES.shape, dtype="f8", chunks=chunks)
        array[8:20] = VALUES[8:20]  # other chunks are not written
    zarr.consolidate_metadata(tmp_path / "in.zarr")
    options = ("-c", "a/c/x", "-s", "0.1sd", "--seed", 1)
    assert run(tmp_path / "in.zarr", "-o", tmp_path / "out.zarr", *options).status == 0

    url = serve(web, tmp_path / "in.zarr")
    done = run(url, "-o", tmp_path / "web.zarr", *options)

    assert (done.status, done.messages) == (0, "")
    assert files(tmp_path / "out.zarr") == files(tmp_path / "web.zarr")
    listed, expected = (run(one, "--list-fields") for one in (url, tmp_path / "in.zarr"))
    assert listed.output.splitlines()[1:] == expected.output.splitlines()[1:]


def test_an_array_that_is_the_store_is_read_from_a_web_server(web, tmp_path):
    zarr.create_array(tmp_path / "in.zarr", shape=VALUES.shape, dtype="f8", chunks=(9, 9))[:] = (
        VALUES
    )
    options = ("-s", 1, "--seed", 1)
    assert run(tmp_path / "in.zarr", "-o", tmp_path / "out.zarr", *options).status == 0
    done = run(serve(web, tmp_path / "in.zarr"), "-o", tmp_path / "web.zarr", *options)
    assert (done.status, done.messages) == (0, "")
    assert files(tmp_path / "out.zarr") == files(tmp_path / "web.zarr")


def test_a_store_on_a_web_server_needs_consolidated_metadata(web, store, tmp_path):
    done = run(serve(web, store), "-o", tmp_path / "out.zarr", "-s", 1, "--seed", 1)
    why = (
        "is a Zarr store without consolidated metadata, and web servers do not list files; "
        "add it with zarr.consolidate_metadata, or download the store"
    )
    assert (done.status, done.lines) == (3, [f"noisify: {web.url}/in.zarr: {why}"])


@pytest.mark.parametrize("status", [403, 500])
def test_a_chunk_that_the_server_does_not_give_is_one_line(web, store, tmp_path, status):
    zarr.consolidate_metadata(store)
    url = serve(web, store)
    web.statuses["/in.zarr/rows/x/c/0/0"] = status
    done = run(url, "-o", tmp_path / "out.zarr", "-c", "rows/x", "-s", 1, "--seed", 1)
    assert (done.status, len(done.lines)) == (1, 1), done.messages
    assert str(status) in done.messages
    assert ["in.zarr"] == [path.name for path in tmp_path.iterdir()]


def test_a_store_that_changes_on_the_web_server_meanwhile_is_refused(web, store, tmp_path):
    zarr.consolidate_metadata(store)
    url = serve(web, store)

    class Changing(dict):
        def get(self, path, *default):
            if path.endswith("c/0/0"):
                self["/in.zarr/zarr.json"] += b" "
            return super().get(path, *default)

    web.files = Changing(web.files)
    done = run(url, "-o", tmp_path / "out.zarr", "-s", 1, "--seed", 1)
    assert (done.status, len(done.lines)) == (3, 1), done.messages
    assert "was changed while it was read, so no output was made" in done.messages

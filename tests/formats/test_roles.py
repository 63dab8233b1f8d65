"""Indexes, coordinates, categories and structure get no noise unless they are named."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather
from run_command import noisy_file, run

FLOATS = np.linspace(1, 2, 12)


def changed(source: Path, *options: object) -> set[str]:
    """Return the names of the fields that get noise, and hold the plan to the file."""
    report = source.with_name("report.json")
    done = run(source, "--seed", 1, "-o", source.with_name("o" + source.suffix), "--report", report,
               *(options or ("-s", 0.1)))  # fmt: skip
    assert done.status == 0, done.messages
    return set(json.loads(report.read_text())["fields"])


def left(source: Path) -> dict[str, str]:
    """Return what a dry run says of fields that are left alone."""
    lines = run(source, "--seed", 1, "-s", 0.1, "-n").output.decode().splitlines()
    told = [line.strip().partition(": left alone, ") for line in lines if ": left alone" in line]
    return {name: why for name, _, why in told}


@pytest.fixture
def hdf5(tmp_path):
    with h5py.File(tmp_path / "in.h5", "w") as file:
        yield file


def filled(group, **attributes):
    group.attrs.update(attributes)
    return group


class TestHdf5:
    def done(self, file: h5py.File, *options: object) -> set[str]:
        path = file.filename
        file.close()
        return changed(Path(path), *options)

    def test_dimension_scales(self, hdf5):
        hdf5["t"], hdf5["v"] = FLOATS, FLOATS
        hdf5["t"].make_scale("time")
        hdf5["v"].dims[0].attach_scale(hdf5["t"])
        assert {"v"} == self.done(hdf5)

    def test_nexus_axes(self, hdf5):
        entry = filled(hdf5.create_group("entry"), NX_class="NXentry")
        data = filled(entry.create_group("data"), NX_class="NXdata", signal="counts",
                      axes=["x", ".", "y"], z_indices=1)  # fmt: skip
        for name in ("counts", "x", "y", "z", "counts_errors"):
            data[name] = FLOATS
        assert {"entry/data/counts", "entry/data/counts_errors"} == self.done(hdf5)

    def test_nexus_axes_that_are_links(self, hdf5):
        hdf5["instrument/energy"], hdf5["instrument/angle"] = FLOATS, FLOATS
        data = filled(hdf5.create_group("data"), NX_class="NXdata", signal="v",
                      axes=np.array([b"energy", b"angle"]))  # fmt: skip
        data["v"] = FLOATS
        data["energy"] = hdf5["instrument/energy"]
        data["angle"] = h5py.SoftLink("/instrument/angle")
        assert {"data/v"} == self.done(hdf5)

    def test_nexus_axes_of_long_ago(self, hdf5):
        data = filled(hdf5.create_group("data"), NX_class=b"NXdata")
        for name in ("v", "x", "y", "z"):
            data[name] = FLOATS
        data["v"].attrs.update({"signal": 1, "axes": b"x:y"})
        data["z"].attrs["axis"] = 3
        assert {"data/v"} == self.done(hdf5)

    def test_nwb_times(self, hdf5):
        hdf5.attrs["nwb_version"] = "2.7.0"
        series = filled(hdf5.create_group("acquisition/a"), neurodata_type="TimeSeries")
        series["data"], series["timestamps"] = FLOATS, FLOATS
        other = filled(hdf5.create_group("acquisition/b"), neurodata_type="TimeSeries")
        other["data"] = FLOATS
        other["starting_time"] = 1.5
        other["starting_time"].attrs["rate"] = 10.0
        assert {"acquisition/a/data", "acquisition/b/data"} == self.done(hdf5)

    def test_an_axis_by_its_name(self, hdf5):
        hdf5["timestamps"], hdf5["v"] = FLOATS, FLOATS
        hdf5.attrs["nwb_version"] = "2.7.0"
        assert {"timestamps"} == self.done(hdf5, "-s", 0.1, "-c", "timestamps")

    def test_names_that_no_convention_gives_a_meaning(self, hdf5):
        hdf5["timestamps"], hdf5["axes"], hdf5["index"] = FLOATS, FLOATS, FLOATS
        assert {"timestamps", "axes", "index"} == self.done(hdf5)

    @pytest.mark.parametrize("option", ["*", ":number", "/X/", "X/indices"])
    def test_sparse_structure_never(self, hdf5, option, tmp_path):
        matrix = filled(hdf5.create_group("X"), **{"encoding-type": "csr_matrix"})
        matrix["data"] = FLOATS
        matrix["indices"], matrix["indptr"] = np.arange(12), np.arange(3)
        hdf5.close()
        path = tmp_path / "in.h5"
        if option == "X/indices":
            done = run(path, "-s", 0.1, "-c", option, "-o", tmp_path / "o.h5")
            assert (2, 1) == (done.status, len(done.lines))
            assert done.messages.endswith(
                "holds the structure of a sparse matrix, which cannot get noise\n"
            )
        else:
            assert {"X/data"} == changed(path, "-s", 0.1, "-c", option)

    def test_categories_of_anndata(self, hdf5):
        cells = filled(hdf5.create_group("obs"), **{"encoding-type": "dataframe", "_index": "id"})
        cells["id"], cells["quality"] = FLOATS, FLOATS
        kind = filled(cells.create_group("kind"), **{"encoding-type": "categorical"})
        kind["codes"], kind["categories"] = np.arange(12, dtype="i1"), FLOATS
        assert {"obs/quality"} == self.done(hdf5)

    @pytest.mark.parametrize("kind", ["nullable-integer", "nullable-boolean"])
    @pytest.mark.parametrize("suffix", ["h5", "zarr"])
    def test_values_beside_a_mask_that_marks_some_get_no_noise(self, suffix, kind, tmp_path):
        source, target = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
        library = h5py.File if suffix == "h5" else pytest.importorskip("zarr").open_group
        file = library(source, mode="w")
        for name, mask in (("some", [False, True, False]), ("none", [False] * 3)):
            group = file.create_group(f"obs/{name}")
            group.attrs["encoding-type"] = kind
            values = np.array([5, 1, 7]) if kind == "nullable-integer" else np.array([True] * 3)
            group["values"], group["mask"] = values, np.array(mask)
        if suffix == "h5":
            file.close()
        noise = ("--seed", 1, "-o", target, "-d", "label-flip", "--rate", "100%")

        named = run(source, "-c", "obs/some/values", *noise)
        assert (2, False) == (named.status, target.exists())
        reason = "has missing values, which only its mask tells; fill them in first\n"
        assert named.messages.endswith(f"field 'obs/some/values': {reason}")

        done = run(source, "-c", "obs/*/values", *noise)
        assert 0 == done.status
        assert "field 'obs/some/values' is left as it is: it has missing values" in done.messages
        before, after = (library(path, mode="r") for path in (source, target))
        names = [f"obs/{group}/{name}" for group in ("some", "none") for name in ("values", "mask")]
        same = {name for name in names if (before[name][:] == after[name][:]).all()}
        assert {"obs/some/values", "obs/some/mask", "obs/none/mask"} == same

    @pytest.mark.parametrize(
        ("noise", "erased"), [(("-s", 3), 0), (("-d", "missing", "--rate", "30%"), 30)]
    )
    @pytest.mark.parametrize("suffix", ["h5", "zarr"])
    def test_noisy_codes_are_codes_of_categories(self, suffix, noise, erased, tmp_path):
        codes = np.arange(100, dtype="i1") % 4 - 1
        source, target = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
        if suffix == "h5":
            with h5py.File(source, "w") as file:
                file["kind/codes"], file["kind/categories"] = codes, [b"a", b"b", b"c"]
        else:
            zarr = pytest.importorskip("zarr")
            group = zarr.open_group(source, mode="w")
            group["kind/codes"], group["kind/categories"] = codes, FLOATS[:3]

        done = run(source, "-o", target, "-c", "kind/codes", "--seed", 1, "-q", *noise)

        assert (0, "") == (done.status, done.messages)
        if suffix == "h5":
            with h5py.File(target) as file:
                found = file["kind/codes"][()]
        else:
            found = zarr.open_group(target)["kind/codes"][:]
        assert (found[codes == -1] == -1).all()
        assert {*range(-1, 3)} == {*found.tolist()}
        assert (found != codes).mean() > 0.15
        assert ((found == -1) & (codes != -1)).sum() <= erased
        assert bool(erased) == ((found == -1) & (codes != -1)).any()

    def test_the_dry_run_says_why(self, hdf5, tmp_path):
        hdf5["t"], hdf5["v"] = FLOATS, FLOATS
        hdf5["t"].make_scale("time")
        hdf5.close()
        assert {"t": "a dimension scale: by its exact name only"} == left(tmp_path / "in.h5")

        done = run(tmp_path / "in.h5", "-v", "--seed", 1, "-s", 0.1, "-o", tmp_path / "o.h5")
        assert "left alone: t (a dimension scale: by its exact name only)" in done.messages


class TestNetcdf:
    def test_coordinates(self, tmp_path):
        path = tmp_path / "in.nc"
        with netCDF4.Dataset(path, "w") as file:
            file.createDimension("time", 3)
            file.createDimension("nv", 2)
            for name, dimensions in {
                "time": ("time",), "time_bounds": ("time", "nv"), "lat": ("time",), "v": ("time",),
            }.items():  # fmt: skip
                file.createVariable(name, "f8", dimensions)[:] = 1.5
            file["time"].bounds = "time_bounds"
            file["v"].coordinates = "time lat"
            group = file.createGroup("g")
            group.createVariable("w", "f8", ("time",))[:] = 2.5
            group["w"].coordinates = "lat"

        assert {"v", "g/w"} == changed(path)
        assert {
            "time": "a dimension scale: by its exact name only",
            "lat": "a coordinate: by its exact name only",
            "time_bounds": "bounds of a coordinate: by its exact name only",
        } == left(path)

    def test_whole_numbers_beside_a_dimension_without_a_variable(self, tmp_path):
        path = tmp_path / "in.nc"
        with netCDF4.Dataset(path, "w") as file:
            file.createDimension("x", 3)
            file.createVariable("count", "i2", ("x",))[:] = [10, 20, 30]
        assert {"count"} == changed(path, "-s", 5)


FRAME = pd.DataFrame({"a": FLOATS, "n": range(12)}, index=FLOATS / 2)
INDEX = pd.MultiIndex.from_arrays([FLOATS, FLOATS * 2], names=["k", None])


class TestPandas:
    @pytest.mark.parametrize(
        ("index", "names"),
        [(FRAME.index, {"__index_level_0__"}), (pd.Index(FLOATS, name="t"), {"t"}),
         (INDEX, {"k", "__index_level_1__"})],
    )  # fmt: skip
    @pytest.mark.parametrize("suffix", ["parquet", "arrow"])
    def test_an_index_in_arrow(self, tmp_path, index, names, suffix):
        path = tmp_path / f"in.{suffix}"
        table = pa.Table.from_pandas(FRAME.set_axis(index))
        if suffix == "parquet":
            pq.write_table(table, path)
        else:
            with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
                writer.write_table(table)

        assert {"a"} == changed(path)
        told = left(path)
        assert {*names, "n"} == set(told)
        assert {"an index of pandas: by its exact name only"} == {told[name] for name in names}

    @pytest.mark.parametrize("index", [FRAME.index, INDEX])
    @pytest.mark.parametrize("kind", ["fixed", "table"])
    def test_an_index_in_hdf5(self, tmp_path, index, kind):
        path = tmp_path / "in.h5"
        frame = FRAME.set_axis(index)
        frame.to_hdf(path, key="df", format=kind)
        frame["a"].to_hdf(path, key="s", format=kind)

        after = pd.read_hdf(noisy_file(path, "-s", 0.1), "df")

        pd.testing.assert_index_equal(frame.index, after.index)
        assert not (frame["a"].to_numpy() == after["a"].to_numpy()).any()
        assert np.array_equal(frame["n"], after["n"])
        series = pd.read_hdf(noisy_file(path, "-s", 0.1), "s")
        pd.testing.assert_index_equal(frame.index, series.index, check_names=False)
        assert not (frame["a"].to_numpy() == series.to_numpy()).any()

    def test_float_labels_of_columns_in_hdf5(self, tmp_path):
        frame = pd.DataFrame(np.ones((3, 2)), columns=[0.5, 1.5])
        frame.to_hdf(tmp_path / "in.h5", key="df")
        after = pd.read_hdf(noisy_file(tmp_path / "in.h5", "-s", 0.1))
        assert [0.5, 1.5] == list(after.columns)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_keys_of_maps(suffix, tmp_path):
    source = tmp_path / f"in{suffix}"
    inner = pa.struct([("a", pa.float64())])
    table = pa.table(
        {
            "m": pa.array([[(1.5, 2.5)], [(3.5, 4.5)]], pa.map_(pa.float64(), pa.float64())),
            "n": pa.array([[({"a": 1.5}, [2.5])]] * 2, pa.map_(inner, pa.list_(pa.float64()))),
        }
    )
    if suffix == ".parquet":
        pq.write_table(table, source)
    else:
        feather.write_feather(table, source)
    keys = {"m[].key", "n[].key.a"}
    assert {"m[].value", "n[].value[]"} == changed(source)
    assert {"m[].value", "n[].value[]"} == changed(source, "-c", "*", "-s", 0.1)
    assert {"m[].key"} == changed(source, "-c", "m[].key", "-s", 0.1)
    told = left(source)
    assert {"the keys of a map: by its exact name only"} == {told[name] for name in keys}


def test_geoparquet(tmp_path):
    bounds = pa.array([{"xmin": 1.5, "ymin": 2.5}] * 2)
    points = pa.array([{"x": 1.5, "y": 2.5}] * 2)
    about = {
        "version": "1.1.0", "primary_column": "geometry",
        "columns": {"geometry": {"encoding": "point", "covering": {
            "bbox": {"xmin": ["bbox", "xmin"], "ymin": ["bbox", "ymin"]}}}},
    }  # fmt: skip
    table = pa.table({"geometry": points, "bbox": bounds, "height": [1.5, 2.5]})
    pq.write_table(
        table.replace_schema_metadata({"geo": json.dumps(about)}), tmp_path / "in.parquet"
    )

    assert {"height"} == changed(tmp_path / "in.parquet")
    assert (
        "a bounding box of GeoParquet: by its exact name only"
        == left(tmp_path / "in.parquet")["bbox.xmin"]
    )


@pytest.mark.parametrize("parts", [("indices", "indptr"), ("row", "col"), ("offsets",)])
def test_a_sparse_matrix_of_scipy(tmp_path, parts):
    path = tmp_path / "in.npz"
    structure = {name: np.arange(3.0) for name in parts}
    np.savez(path, data=FLOATS, shape=np.array([3, 4]), format=np.array(b"csr"), **structure)

    assert {"data"} == changed(path)
    done = run(path, "-s", 1, "-c", parts[0], "-o", tmp_path / "o.npz")
    assert (2, 1) == (done.status, len(done.lines))


@pytest.mark.parametrize("suffix", ["npy", "npz", "h5"])
def test_a_whole_number_among_members_may_be_an_id(tmp_path, suffix):
    path = tmp_path / f"in.{suffix}"
    records = np.zeros(4, [("id", "i4"), ("name", "S3")])
    if suffix == "npy":
        np.save(path, records)
    elif suffix == "npz":
        np.savez(path, d=records)
    else:
        with h5py.File(path, "w") as file:
            file["d"] = records
    done = run(path, "-s", 1, "-o", tmp_path / f"o.{suffix}")
    assert (2, 1) == (done.status, len(done.lines))
    assert "choose with -c" in done.messages

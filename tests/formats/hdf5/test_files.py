"""HDF5 files of other software: NetCDF-4, AnnData, pandas and PyTables, and odd ones."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pandas as pd
import pytest
import tables
from run_command import noisy, noisy_file, normal_noise, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

H5DIFF, H5DUMP = shutil.which("h5diff"), shutil.which("h5dump")
MISSING = -999.0


def netcdf(path: Path) -> None:
    """Write what the NetCDF-4 library writes: dimension scales, lists of them, missing values."""
    with h5py.File(path, "w", track_order=True) as file:
        file.attrs["_NCProperties"] = np.bytes_("version=2,netcdf=4.9.3,hdf5=1.14.6")
        for number, (name, size) in enumerate({"time": 20, "lat": 6}.items()):
            limit = (None,) if name == "time" else None
            scale = file.create_dataset(name, data=np.arange(size, dtype="f8"), maxshape=limit)
            scale.make_scale(name)
            scale.attrs["_Netcdf4Dimid"] = np.int32(number)
        only_dimension = file.create_dataset("lon", (5,), ">f4")
        only_dimension.make_scale("This is a netCDF dimension but not a netCDF variable.         5")
        values = np.arange(600, dtype="f4").reshape(20, 6, 5)
        values[0] = MISSING
        options = {"chunks": (1, 6, 5), "maxshape": (None, 6, 5), "compression": "gzip"}
        temperature = file.create_dataset(
            "temp", data=values, shuffle=True, fletcher32=True, fillvalue=MISSING, **options
        )
        temperature.attrs["_FillValue"] = np.full(1, MISSING, "f4")
        packed = np.arange(600, dtype="i2").reshape(20, 6, 5)
        packed[1] = -32767
        counts = file.create_dataset("packed", data=packed, fillvalue=-32767, **options)
        counts.attrs.update({"_FillValue": np.int16(-32767), "scale_factor": 0.01})
        for variable in (temperature, counts):
            for axis, name in enumerate(("time", "lat", "lon")):
                variable.dims[axis].attach_scale(file[name])


class TestNetcdf:
    @pytest.fixture
    def source(self, tmp_path):
        netcdf(tmp_path / "in.nc")
        return tmp_path / "in.nc"

    def test_dimensions_stay_attached(self, source):
        with h5py.File(noisy_file(source, "-s", 1, "-c", "temp")) as file:
            names = [dimension[0].name for dimension in file["temp"].dims]
            assert ["/time", "/lat", "/lon"] == names
            assert list(range(20)) == file["time"][()].tolist()

    def test_a_dimension_without_values_is_no_field(self, source):
        plan = run(source, "-s", 1, "-n").output.decode()
        assert "lon:" not in plan
        assert 2 == run(source, "-s", 1, "-c", "lon", "-o", source.with_name("out.nc")).status

    def test_missing_elements_stay_missing(self, source):
        with h5py.File(noisy_file(source, "-s", 1, "-c", "temp")) as file:
            found = file["temp"][()]
        noise = normal_noise("temp", 600)
        assert {MISSING} == set(found[0].ravel().tolist())
        expected = (np.arange(30, 600) + noise[30:]).astype("f4")
        assert np.array_equal(expected, found.ravel()[30:])

    def test_missing_elements_count_in_no_statistic(self, source):
        with h5py.File(noisy_file(source, "-s", "1sd", "-c", "temp")) as file:
            change = file["temp"][()].ravel()[30:] - np.arange(30, 600)
        np.testing.assert_allclose(
            change, np.arange(30, 600).std() * normal_noise("temp", 600)[30:], rtol=1e-3, atol=1e-3
        )

    def test_packed_numbers_get_noise_in_physical_units(self, source):
        with h5py.File(noisy_file(source, "-s", 1, "-c", "packed")) as file:
            found = file["packed"][()].ravel()
        noise = np.rint(100 * normal_noise("packed", 600))
        expected = np.where(found == -32767, -32767, np.arange(600) + noise)
        assert [*range(30, 60)] == np.flatnonzero(found == -32767).tolist()
        assert np.array_equal(expected, found)

    def test_elements_that_get_lost_are_missing_as_the_others_are(self, source):
        target = noisy_file(source, "-d", "missing", "--rate", "50%", "-c", "packed,temp")

        with h5py.File(target) as file:
            assert 250 < np.count_nonzero(file["packed"][()] == -32767) < 400
            assert 250 < np.count_nonzero(file["temp"][()] == MISSING) < 400
            assert not np.isnan(file["temp"][()]).any()


def anndata(path: Path) -> None:
    """Write what AnnData writes: a sparse matrix, and a table of cells with categories."""
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        matrix = file.create_group("X")
        matrix.attrs.update({"encoding-type": "csr_matrix", "shape": np.array([50, 20])})
        options = {"chunks": (30,), "compression": "gzip"}
        matrix.create_dataset("data", data=np.ones(100, "f4"), **options)
        matrix.create_dataset("indices", data=np.arange(100, dtype="i4") % 20, **options)
        matrix.create_dataset("indptr", data=np.arange(0, 102, 2, dtype="i4"), **options)
        cells = file.create_group("obs")
        cells.attrs.update({"encoding-type": "dataframe", "_index": "_index"})
        cells.attrs["column-order"] = np.array(["quality", "kind"], object)
        names = [f"cell{at}" for at in range(50)]
        cells.create_dataset("_index", data=names, dtype=h5py.string_dtype())
        cells.create_dataset("quality", data=np.arange(50.0))
        kind = cells.create_group("kind")
        kind.create_dataset("codes", data=np.arange(50, dtype="i1") % 2)
        kind.create_dataset("categories", data=["T", "B"], dtype=h5py.string_dtype())


def test_an_anndata_matrix_keeps_its_structure(tmp_path):
    source = tmp_path / "in.h5ad"
    anndata(source)

    with h5py.File(source) as before, h5py.File(noisy_file(source, "-s", 0.1)) as after:
        assert after["X/data"][0] == np.float32(1 + 0.1 * normal_noise("X/data", 1)[0])
        assert not np.any(before["obs/quality"][()] == after["obs/quality"][()])
        for path in ("X/indices", "X/indptr", "obs/kind/codes", "obs/kind/categories"):
            assert before[path][()].tolist() == after[path][()].tolist()
        assert before["X"].attrs["shape"].tolist() == after["X"].attrs["shape"].tolist()


FRAME = pd.DataFrame(
    {
        "a": np.linspace(0, 1, 500),
        "b": np.arange(500),
        "c": np.linspace(5, 6, 500, dtype="f4"),
        "text": [f"t{at}" for at in range(500)],
    }
)


class TestPandas:
    @pytest.mark.parametrize("library", ["zlib", "blosc"])
    def test_a_table_is_read_back(self, tmp_path, library):
        source = tmp_path / "in.h5"
        FRAME.to_hdf(source, key="df", format="table", complevel=5, complib=library)

        found = pd.read_hdf(noisy_file(source, "-s", 0.5))

        pd.testing.assert_frame_equal(FRAME[["b", "text"]], found[["b", "text"]])
        assert not (found[["a", "c"]] == FRAME[["a", "c"]]).any(axis=None)
        assert found.dtypes.equals(FRAME.dtypes)

    def test_fixed_storage_is_read_back(self, tmp_path):
        FRAME[["a", "b", "c"]].to_hdf(tmp_path / "in.h5", key="df", format="fixed")

        found = pd.read_hdf(noisy_file(tmp_path / "in.h5", "-s", 0.5, "-c", "df/block0_values"))

        assert [1, 2] == sorted((found == FRAME[["a", "b", "c"]]).all().value_counts())

    def test_a_query_finds_the_noisy_rows(self, tmp_path):
        source = tmp_path / "in.h5"
        FRAME.to_hdf(source, key="df", format="table", data_columns=["a", "b"])

        target = noisy_file(source, "-s", 0.5, "-c", "df/table.a")

        whole = pd.read_hdf(target)
        found = pd.read_hdf(target, where="a > 0.75")
        pd.testing.assert_frame_equal(whole[whole["a"] > 0.75], found)
        with tables.open_file(target) as file:
            columns = file.root.df.table.cols
            assert columns.a.index.dirty
            assert not columns.b.index.dirty

    def test_an_index_is_not_marked_without_a_change(self, tmp_path):
        source = tmp_path / "in.h5"
        FRAME.to_hdf(source, key="df", format="table", data_columns=["a"])

        with tables.open_file(noisy_file(source, "-s", 0, "-c", "df/table.a")) as file:
            assert not file.root.df.table.cols.a.index.dirty

    def test_an_index_gets_no_noise(self, tmp_path):
        FRAME.to_hdf(tmp_path / "in.h5", key="df", format="table", data_columns=["a"])

        name = "df/_i_table/a/sortedLR"
        done = run(tmp_path / "in.h5", "-o", tmp_path / "out.h5", "-s", 1, "-c", name, "-q")

        assert (2, 1) == (done.status, len(done.lines))
        assert "a part of a PyTables index" in done.messages
        with (
            h5py.File(tmp_path / "in.h5") as before,
            h5py.File(noisy_file(tmp_path / "in.h5", "-s", 1)) as after,
        ):
            assert np.array_equal(before[name][()], after[name][()])


def test_pytables_arrays_are_read_back(tmp_path):
    source = tmp_path / "in.h5"
    filters = tables.Filters(complevel=5, complib="zlib", shuffle=True, fletcher32=True)
    with tables.open_file(source, "w") as file:
        lists = file.create_vlarray("/", "lists", tables.Float64Atom())
        lists.append([1.0, 2.0])
        lists.append([3.0])
        grows = file.create_earray("/", "grows", tables.Float32Atom(), (0, 5))
        grows.append(np.ones((30, 5), "f4"))
        file.create_carray("/", "cut", obj=np.ones((50, 60)), filters=filters)

    with tables.open_file(noisy_file(source, "-s", 1)) as file:
        assert [[1.0, 2.0], [3.0]] == [row.tolist() for row in file.root.lists]
        expected = (1 + normal_noise("grows", 150)).astype("f4")
        assert np.array_equal(expected, file.root.grows[:].ravel())
        assert np.array_equal(1 + normal_noise("cut", 3000), file.root.cut[:].ravel())


def virtual(file: h5py.File, _: Path) -> None:
    file["y"] = np.zeros(10)
    layout = h5py.VirtualLayout((5,), "f8")
    layout[:] = h5py.VirtualSource(file["y"])[::2]
    file.create_virtual_dataset("x", layout)


def external(file: h5py.File, folder: Path) -> None:
    file.create_dataset("x", (5,), "f8", external=[(str(folder / "raw.bin"), 0, 40)])[...] = 1


class TestElsewhere:
    """Data that are kept elsewhere are never followed, let alone written."""

    @pytest.mark.parametrize(
        ("make", "holds"),
        [(virtual, "values of other datasets"), (external, "values that are in other files")],
    )
    def test_is_refused_when_named(self, tmp_path, make, holds):
        with h5py.File(tmp_path / "in.h5", "w") as file:
            make(file, tmp_path)

        done = run(tmp_path / "in.h5", "-o", tmp_path / "out.h5", "-s", 1, "-c", "x", "-q")

        assert (2, 1) == (done.status, len(done.lines))
        assert f"field 'x': holds {holds}" in done.messages

    def test_stays_as_it_is(self, tmp_path):
        with h5py.File(tmp_path / "other.h5", "w") as file:
            file["z"] = np.zeros(5)
        with h5py.File(tmp_path / "in.h5", "w") as file:
            external(file, tmp_path)
            file["link"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/z")
            file["through"] = h5py.SoftLink("/link")
            file["y"] = np.zeros(5)
        before = {name: (tmp_path / name).read_bytes() for name in ("raw.bin", "other.h5")}

        target = noisy_file(tmp_path / "in.h5", "-s", 1, "-c", "*")

        assert before == {name: (tmp_path / name).read_bytes() for name in before}
        with h5py.File(target) as file:
            assert normal_noise("y", 5).tolist() == file["y"][()].tolist()
            assert [1.0] * 5 == file["x"][()].tolist()


def paged(path: Path) -> None:
    with h5py.File(path, "w", fs_strategy="page", fs_persist=True, fs_page_size=4096) as file:
        file["flat"] = np.zeros(2000)
        file.create_dataset("x", data=np.zeros(2000), chunks=(300,), compression="gzip")


def single_writer(path: Path) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        options = {"chunks": (300,), "maxshape": (None,), "compression": "gzip"}
        file.create_dataset("x", data=np.ones(2000), **options)
        file.swmr_mode = True
        file["x"][:] = 0
        file["x"].flush()


def user_block(path: Path) -> None:
    with h5py.File(path, "w", userblock_size=2048) as file:
        file["flat"] = np.zeros(2000)
        file.create_dataset("not_there", (10,), "f8")
        file.create_dataset("x", data=np.zeros(2000), chunks=(300,), compression="gzip")


@pytest.mark.parametrize("make", [paged, single_writer, user_block])
def test_files_of_every_strategy(tmp_path, make: Callable[[Path], None]):
    make(tmp_path / "in.h5")

    target = noisy_file(tmp_path / "in.h5", "-s", 1)

    with h5py.File(target) as file:
        for name, dataset in file.items():
            assert normal_noise(name, dataset.size).tolist() == dataset[()].tolist()
    assert target.read_bytes() == noisy(tmp_path / "in.h5", "-s", 1, "--chunk-size", 64)


WRITER = """
import h5py, os, sys
file = h5py.File(sys.argv[1], "w", libver="latest")
file["x"] = [1.0, 2.0]
file.flush()
os._exit(0)
"""


def test_a_file_that_was_not_closed_is_one_line(tmp_path):
    source = tmp_path / "in.h5"
    subprocess.run([sys.executable, "-c", WRITER, source], check=True)

    done = run(source, "-o", tmp_path / "out.h5", "-s", 1, "-q")

    assert (3, 1) == (done.status, len(done.lines))
    assert "was not closed" in done.messages
    assert "h5clear -s" in done.messages


def test_a_file_that_is_being_written_is_one_line(tmp_path):
    source = tmp_path / "in.h5"
    with h5py.File(source, "w") as file:
        file["x"] = [1.0]
        file.flush()
        code = "import sys; from noisify.cli import main; main(sys.argv[1:])"
        done = subprocess.run(
            [sys.executable, "-c", code, source, "-o", tmp_path / "out.h5", "-s", "1", "-q"],
            capture_output=True,
            text=True,
            check=False,
        )

    assert (3, 1) == (done.returncode, len(done.stderr.splitlines())), done.stderr


@pytest.mark.skipif(H5DIFF is None, reason="h5diff is not installed")
@pytest.mark.parametrize(
    ("make", "chosen", "refer_to_it"),
    [(netcdf, "temp", ("time", "lat", "lon")), (anndata, "X/data", ())],
    ids=["netcdf", "anndata"],
)
def test_h5diff_sees_the_chosen_dataset_change_alone(tmp_path, make, chosen, refer_to_it):
    source = tmp_path / "in.h5"
    make(source)
    target = noisy_file(source, "-s", 1, "-c", chosen)
    left_out = [("--exclude-path", f"/{name}") for name in (chosen, *refer_to_it)]

    def differ(*arguments: object) -> int:
        command = [str(part) for part in (H5DIFF, *arguments, source, target)]
        return subprocess.run(command, capture_output=True, check=False).returncode

    assert 1 == differ()
    assert 0 == differ(*itertools.chain(*left_out))


@pytest.mark.skipif(H5DUMP is None, reason="h5dump is not installed")
@pytest.mark.parametrize("make", [netcdf, anndata, paged, user_block])
def test_h5dump_reads_all_of_it(tmp_path, make):
    make(tmp_path / "in.h5")
    target = noisy_file(tmp_path / "in.h5", "-s", 1)

    subprocess.run([str(H5DUMP), target], capture_output=True, check=True)

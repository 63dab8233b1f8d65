"""Noise on Dask collections is that of NumPy, pandas and files, whatever the chunks."""

import numpy as np
import pandas as pd
import pytest
from run_command import run

from noisify import UsageError, add_noise

da = pytest.importorskip("dask.array", reason="needs dask")
dd = pytest.importorskip("dask.dataframe", reason="needs dask")
from noisify import dask as noisify_dask  # noqa: E402 - needs dask

ARRAY = np.linspace(-5, 5, 6000).reshape(30, 20, 10)
CHUNKS = [(30, 20, 10), (7, 20, 10), (30, 3, 10), (4, 5, 3), (1, 20, 1)]
NOISE = {
    "absolute": {"scale": 0.5},
    "relative": {"model": "laplace", "scale": "5%"},
    "rate": {"model": "dropout", "rate": 0.1},
    "axis": {"model": "ar1", "scale": 1, "params": {"axis": 1}},
    "condition": {"scale": 1, "where": "data > 0"},
}


@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
def test_an_array_has_the_noise_of_numpy_whatever_its_chunks(noise, chunks):
    lazy = noisify_dask.add_noise(da.from_array(ARRAY, chunks), seed=5, **noise)

    assert (ARRAY.dtype, ARRAY.shape) == (lazy.dtype, lazy.shape)
    assert np.array_equal(add_noise(ARRAY, seed=5, **noise), lazy.compute(scheduler="sync"))


def test_an_array_of_xarray_keeps_its_coordinates(tmp_path):
    xarray = pytest.importorskip("xarray", reason="needs xarray")
    array = xarray.DataArray(
        ARRAY, dims=("t", "y", "x"), coords={"t": range(30)}, name="rain", attrs={"units": "mm"}
    )
    chunked = array.chunk({"t": 7, "x": 3})
    expected = array.copy(data=add_noise(ARRAY, scale=0.5, seed=5))

    lazy = noisify_dask.add_noise(chunked, scale=0.5, seed=5)

    assert lazy.chunks == chunked.chunks
    assert expected.identical(lazy.compute(scheduler="sync"))
    assert expected.identical(add_noise(array, scale=0.5, seed=5))
    np.save(tmp_path / "rain.npy", ARRAY)
    assert 0 == run(tmp_path / "rain.npy", "-o", tmp_path / "o.npy", "-s", 0.5, "--seed", 5).status
    assert np.array_equal(expected, np.load(tmp_path / "o.npy"))


@pytest.mark.parametrize("lazy", [da.zeros(9), dd.from_pandas(pd.DataFrame({"x": [0.5]}), 1)])
def test_without_dask_lazy_collections_are_refused(lazy):
    with pytest.raises(UsageError, match=r"noisify\.dask\.add_noise makes a lazy noisy copy"):
        add_noise(lazy, scale=1)


def test_so_are_lazy_arrays_of_xarray():
    xarray = pytest.importorskip("xarray", reason="needs xarray")
    with pytest.raises(UsageError, match=r"in chunks of Dask; noisify\.dask\.add_noise"):
        add_noise(xarray.DataArray(da.zeros(9)), scale=1)


def test_structured_arrays_and_those_without_axes():
    array = np.zeros(500, [("x", "f4", (3,)), ("y", "f8")])
    for whole, chunks in ((array, 60), (np.array(1.5), ()), (np.empty((0, 3)), (1, 2))):
        lazy = noisify_dask.add_noise(da.from_array(whole, chunks), scale=1, seed=5)
        assert np.array_equal(add_noise(whole, scale=1, seed=5), lazy.compute(scheduler="sync"))
    one = da.arange(1.5, 9, chunks=3)[0]  # its block is a scalar
    lazy = noisify_dask.add_noise(one, scale=1, seed=5)
    assert add_noise(np.array(1.5), scale=1, seed=5) == lazy.compute(scheduler="sync")


def table(rows=500):
    number = np.arange(rows)
    return pd.DataFrame({"id": number, "x": number / 7, "name": ["abcdef"] * rows})


@pytest.mark.parametrize("partitions", [1, 3, 8])
@pytest.mark.parametrize(
    "noise",
    [
        {"scale": 0.5}, {"model": "missing", "rate": 0.2, "columns": ["id", "x"]},
        {"model": "typo", "rate": 0.5, "columns": "name"}, {"scale": 1, "where": "id > 100"},
        {"noise": ["x=pink:1,cutoff=100", "id=uniform:100"]},
    ],
)  # fmt: skip
def test_a_table_has_the_noise_of_pandas_whatever_its_partitions(noise, partitions):
    frame = table()
    lazy = noisify_dask.add_noise(dd.from_pandas(frame, npartitions=partitions), seed=5, **noise)

    found = lazy.compute(scheduler="sync")

    expected = add_noise(frame, seed=5, **noise)
    assert expected.to_dict("list").__repr__() == found.to_dict("list").__repr__()
    assert lazy.dtypes.astype(str).to_dict() == found.dtypes.astype(str).to_dict()
    assert expected.index.equals(found.index)
    assert not expected.equals(frame)


def test_a_series_too():
    series = table()["x"]
    lazy = noisify_dask.add_noise(dd.from_pandas(series, npartitions=3), scale=1, seed=5)

    pd.testing.assert_series_equal(
        add_noise(series, scale=1, seed=5), lazy.compute(scheduler="sync")
    )


def test_the_noise_is_that_of_the_file(tmp_path):
    source = tmp_path / "in.csv"
    table().to_csv(source, index=False)
    assert 0 == run(source, "-o", tmp_path / "out.csv", "-s", 0.5, "--seed", 5).status
    lazy = noisify_dask.add_noise(dd.read_csv(source, blocksize=2000), scale=0.5, seed=5)

    assert 1 < lazy.npartitions
    expected = pd.read_csv(tmp_path / "out.csv")["x"].tolist()
    assert expected == lazy["x"].compute(scheduler="sync").tolist()


def test_without_a_seed_all_chunks_have_one():
    zeros = da.zeros(1000, chunks=100)
    lazy = noisify_dask.add_noise(zeros, scale=1)

    first = lazy.compute(scheduler="sync")

    assert np.array_equal(first, lazy.compute(scheduler="sync"))
    assert 1000 == len(set(first.tolist()))
    assert not np.array_equal(
        first, noisify_dask.add_noise(zeros, scale=1).compute(scheduler="sync")
    )


@pytest.mark.parametrize(
    ("collection", "options", "message"),
    [
        (da.zeros(9), {}, "the sd of the whole field"),
        (da.zeros(9), {"model": "shuffle", "rate": 0.5}, "looks at neighbouring rows"),
        (dd.from_pandas(table(), npartitions=2), {}, "the sd of the whole field"),
        (da.zeros(9)[da.zeros(9) > 1], {"scale": 1}, "chunks of unknown size"),
        (np.zeros(9), {"scale": 1}, "is of type ndarray; give a dask.array, a dask.dataframe"),
    ],
)
def test_what_needs_the_whole_is_refused_at_once(collection, options, message):
    with pytest.raises(UsageError, match=message):
        noisify_dask.add_noise(collection, seed=1, **options)


@pytest.mark.parametrize("key", ["id", ["name", "id"]])
@pytest.mark.parametrize("partitions", [1, 7])
def test_a_key_gives_each_record_its_noise_in_any_order(key, partitions):
    frame = table().sample(frac=1, random_state=1).reset_index(drop=True)
    noise = {"scale": 1, "columns": "x", "key": key, "seed": 5}
    lazy = noisify_dask.add_noise(dd.from_pandas(frame, npartitions=partitions), **noise)

    found = lazy.compute(scheduler="sync").sort_values("id").x.tolist()

    assert add_noise(table(), **noise).x.tolist() == found

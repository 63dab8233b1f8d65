"""Inputs: reads at positions from several threads, and truncated files."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

from noisify.core.errors import DataError
from noisify.files.input import Input, read_into_at
from noisify.formats.hdf5.source import Hdf5Source
from noisify.formats.npy.source import NpySource

if TYPE_CHECKING:
    from pathlib import Path


BYTES = bytes(range(256)) * 4096


@pytest.fixture(params=["preadv", "a seek and a read"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test with and without `os.preadv`."""
    if request.param == "preadv":
        if not hasattr(os, "preadv"):
            pytest.skip("this system has none")
        return
    monkeypatch.delattr(os, "preadv", raising=False)


@pytest.mark.usefixtures("way")
def test_threads_read_one_file_at_their_own_positions(tmp_path: Path) -> None:
    path = tmp_path / "bytes"
    path.write_bytes(BYTES)
    starts = range(1, len(BYTES) - 5000, 997)
    with path.open("rb", buffering=0) as file, ThreadPoolExecutor(8) as pool:

        def read(start: int) -> bytes:
            buffer = bytearray(5000)
            assert read_into_at(file, memoryview(buffer), start) == len(buffer)
            return bytes(buffer)

        assert list(pool.map(read, starts)) == [BYTES[at : at + 5000] for at in starts]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("start", [len(BYTES) - 3, len(BYTES), len(BYTES) + 9])
def test_a_read_near_the_end_returns_fewer_bytes(tmp_path: Path, start: int) -> None:
    path = tmp_path / "bytes"
    path.write_bytes(BYTES)
    buffer = bytearray(8)
    with path.open("rb", buffering=0) as file:
        count = read_into_at(file, memoryview(buffer), start)
    assert bytes(buffer[:count]) == BYTES[start:]


def write_npy(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.arange(100.0))


def write_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["data"] = np.arange(100.0)


@pytest.mark.parametrize(("write", "opened"), [(write_npy, NpySource), (write_hdf5, Hdf5Source)])
def test_a_file_that_is_cut_while_it_is_read_is_an_error(tmp_path: Path, write, opened) -> None:
    path = tmp_path / "data"
    write(path)
    with closing(Input(path)) as file, closing(opened(file)) as source:
        raws = list(source.read([source.fields], 80).pieces)
        assert source.decode(raws[0], source.fields).columns[0].values[0] == 0
        os.truncate(path, path.stat().st_size - 8)
        with pytest.raises(DataError, match="is cut short"):
            source.decode(raws[-1], source.fields)

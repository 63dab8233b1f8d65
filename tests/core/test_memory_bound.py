"""Test the bound on memory: what it refuses, and how workers and chunks are fitted to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from run_command import noisy, run

from noisify.core import memory_bound
from noisify.core.errors import NoisifyError
from noisify.core.memory_bound import MemoryBound

if TYPE_CHECKING:
    from pathlib import Path

MB = 1 << 20


@pytest.fixture
def small_process(monkeypatch):
    """Pretend that the process uses 10 MB."""
    monkeypatch.setattr(memory_bound, "_resident", lambda: 10 * MB)
    monkeypatch.setattr(memory_bound, "_peak", lambda: 10 * MB)


@pytest.mark.usefixtures("small_process")
@pytest.mark.parametrize(
    ("most", "jobs", "size", "fitted"),
    [
        pytest.param(None, 64, 64 * MB, (64, 64 * MB), id="no-bound"),
        pytest.param(10_000, 4, MB, (4, MB), id="room-for-all"),
        pytest.param(330, 3, 64 * MB, (3, 4 * MB), id="smaller-chunks"),
        pytest.param(330, 30, 64 * MB, (18, MB), id="usual-chunks-and-fewer-workers"),
        pytest.param(26, 64, MB, (1, MB), id="one-worker"),
        pytest.param(18, 64, MB, (1, MB // 2), id="even-smaller-chunks"),
        pytest.param(18, 64, 1000, (64, 1000), id="chunks-that-are-small"),
    ],
)
def test_fits_workers_and_chunks_to_the_bound(most, jobs, size, fitted):
    bound = MemoryBound(most and most * MB, reserve=0)

    assert fitted == bound.fit(jobs, size)


@pytest.mark.usefixtures("small_process")
def test_outputs_of_one_reading_take_room_each():
    assert (1, MB // 2) == MemoryBound(10 * MB + 8 * MB, reserve=0).fit(4, MB, outputs=1)
    assert (1, MB // 4) == MemoryBound(10 * MB + 8 * MB, reserve=0).fit(4, MB, outputs=3)


@pytest.mark.usefixtures("small_process")
def test_a_bound_below_current_use_names_a_sufficient_one():
    with pytest.raises(NoisifyError, match="leaves too little; allow at least 11MB"):
        MemoryBound(9 * MB, reserve=0).fit(1, MB)


def test_a_bound_never_changes_the_output(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "1.5\n2.5\n" * 1000)

    assert noisy(path, "-s", 1) == noisy(path, "-s", 1, "--max-memory", "100g")


@pytest.mark.parametrize("size", ["1MB", "1"])
def test_exceeding_the_bound_is_one_line_and_no_output(tmp_path, size):
    path = tmp_path / "t.csv"
    path.write_text("a\n1.5\n")

    done = run(path, "-o", tmp_path / "o.csv", "--seed", 1, "-s", 1, "--max-memory", size)

    assert (1, 1) == (done.status, len(done.lines))
    assert "--max-memory 1MB" in done.messages
    assert ["t.csv"] == [one.name for one in tmp_path.iterdir()]


@pytest.mark.parametrize("size", ["0", "1t", "much", "-1"])
def test_refuses_an_invalid_size(tmp_path, size):
    done = run(tmp_path / "t.csv", "--max-memory", size)

    assert (2, 1) == (done.status, len(done.lines))
    assert "memory size" in done.messages


def write_batch(path: Path) -> None:
    table = pa.table({"x": np.zeros(MB)})
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)


def write_chunk(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.zeros(MB), chunks=(MB,), compression="gzip")


WHOLE = {
    "t.arrow": ("a record batch", write_batch),
    "t.h5": ("a chunk of x", write_chunk),
    "t.png": ("the image", lambda path: Image.new("L", (2000, 2000)).save(path)),
    "t.csv": ("a record", lambda path: path.write_text("x,y\n1.5,a\n3," + "n" * 5 * MB + "\n")),
}


@pytest.mark.usefixtures("small_process")
@pytest.mark.parametrize("name", WHOLE)
def test_indivisible_parts_are_refused_before_reading(tmp_path, name):
    what, write = WHOLE[name]
    path, target = tmp_path / name, tmp_path / f"o-{name}"
    write(path)
    words = (path, "-o", target, "--seed", 1, "-s", 1)

    done = run(*words, "--max-memory", "30MB")

    assert (1, 1) == (done.status, len(done.lines)), done.messages
    assert f"{what} needs about" in done.messages
    assert not target.exists()
    assert 0 == run(*words, "--max-memory", "200MB").status

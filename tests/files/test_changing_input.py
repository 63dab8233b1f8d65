"""Inputs that change while they are read: one line, and no output."""

from __future__ import annotations

import gzip
import os
import shutil
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import soundfile
import tifffile
from npy_files import npy_bytes
from PIL import Image
from run_command import run

from noisify.cli.messages import Progress
from noisify.engine import loop

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from pathlib import Path

VALUES = np.arange(5000.0)
TABLE = pd.DataFrame({"x": VALUES, "y": VALUES[::-1]})
PIXELS = (np.arange(6400) % 200).astype("u1").reshape(80, 80)


def write_arrow(path: Path) -> None:
    table = pa.Table.from_pandas(TABLE)
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)


def write_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = VALUES


WRITERS = {
    "csv": lambda path: TABLE.to_csv(path, index=False),
    "csv.gz": lambda path: TABLE.to_csv(path, index=False),
    "parquet": TABLE.to_parquet,
    "arrow": write_arrow,
    "npy": lambda path: np.save(path, VALUES),
    "npz": lambda path: np.savez(path, x=VALUES),
    "h5": write_hdf5,
    "wav": lambda path: soundfile.write(path, VALUES / 5000, 8000),
    "png": lambda path: Image.fromarray(PIXELS).save(path),
    "tif": lambda path: tifffile.imwrite(path, PIXELS),
}


def replaced(path: Path) -> None:
    """Rename a copy over the file, as editors and `mv` do."""
    copy = path.with_name("copy")
    shutil.copyfile(path, copy)
    copy.replace(path)


def touched(path: Path) -> None:
    path.touch()
    os.utime(path, ns=(1, 1))


def grown(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\n")


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def gone(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def rewritten(path: Path) -> None:
    """Overwrite the file with other bytes of the same size."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(bytes(100))


CHANGES = [replaced, touched, grown, cut, emptied, rewritten, gone]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("level", ["-s5", "-s0.1sd"])
@pytest.mark.parametrize("suffix", WRITERS)
def test_a_changed_input_gives_one_line_and_no_output(tmp_path, monkeypatch, suffix, level, change):
    source, target = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    WRITERS[suffix](source)
    target.write_bytes(b"before")
    carried_out = loop.run

    def run_after_a_change(*arguments, **options):
        change(source)
        return carried_out(*arguments, **options)

    monkeypatch.setattr(loop, "run", run_after_a_change)

    done = run(source, "-o", target, level, "--seed", 1, "-q")

    assert (3, 1) == (done.status, len(done.lines)), done.messages
    assert str(source) in done.messages
    assert "/proc/" not in done.messages
    assert target.read_bytes() == b"before"
    assert {source.name, target.name} >= {path.name for path in tmp_path.iterdir()}


def test_a_changed_file_of_a_folder_gives_one_line_and_no_output(tmp_path, monkeypatch):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "b"):
        TABLE.to_parquet(folder / f"{name}.parquet")
    carried_out = loop.run

    def run_and_change(*arguments, **options):
        result = carried_out(*arguments, **options)
        touched(folder / "a.parquet")
        return result

    monkeypatch.setattr(loop, "run", run_and_change)

    done = run(folder, "-o", tmp_path / "out", "-s", 1, "--seed", 1, "-q")

    assert (3, 1) == (done.status, len(done.lines)), done.messages
    assert "was changed while it was read" in done.messages
    assert ["in"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("level", ["-s5", "-s0.1sd"])
@pytest.mark.parametrize("suffix", [*WRITERS, "csv.bz2", "csv.zip", "npy.gz"])
def test_an_input_that_changes_after_the_first_chunk(tmp_path, monkeypatch, suffix, level, change):
    source, target = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix.removesuffix('.zip')}"
    write = WRITERS.get(suffix, lambda path: TABLE.to_csv(path, index=False))
    write(source)
    if suffix == "npy.gz":
        source.write_bytes(gzip.compress(npy_bytes(VALUES)))
    target.write_bytes(b"before")
    reached = Progress.advance
    chunks = 0

    def change_once(progress, size):
        nonlocal chunks
        chunks += 1
        if chunks == 1:
            change(source)
        return reached(progress, size)

    monkeypatch.setattr(Progress, "advance", change_once)

    done = run(source, "-o", target, level, "--seed", 1, "-q", "--chunk-size", 4096)

    assert (3, 1) == (done.status, len(done.lines)), done.messages
    assert str(source) in done.messages
    assert target.read_bytes() == b"before"
    assert {source.name, target.name} >= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("in_place", [True, False])
def test_a_folder_with_a_file_that_changes_midway(tmp_path, monkeypatch, change, in_place):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "b"):
        TABLE.to_parquet(folder / f"{name}.parquet")
    untouched = (folder / "a.parquet").read_bytes()
    reached = Progress.advance

    def change_first(progress, size):
        if not chunks:
            change(folder / "b.parquet")
        chunks.append(size)
        return reached(progress, size)

    chunks: list[int] = []
    monkeypatch.setattr(Progress, "advance", change_first)
    words = ["--in-place"] if in_place else ["-o", tmp_path / "out"]

    done = run(folder, *words, "-s", 1, "--seed", 1, "-q")

    assert (3, 1) == (done.status, len(done.lines)), done.messages
    assert ["in"] == [path.name for path in tmp_path.iterdir()]
    assert untouched == (folder / "a.parquet").read_bytes()


def test_an_input_that_does_not_change_is_read_as_before(tmp_path):
    source = tmp_path / "in.csv"
    TABLE.to_csv(source, index=False)

    done = run(source, "--in-place", "-s", 1, "--seed", 1, "-q")

    assert (0, "") == (done.status, done.messages)

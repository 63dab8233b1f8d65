"""The mask of any file is of any format that can hold it, and gives the file back."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import tifffile
from PIL import Image
from run_command import run
from small_files import ARRAYS, COUNT, TABLES, write_images

if TYPE_CHECKING:
    from pathlib import Path


def undone(source: Path, mask: Path, *noise: object) -> tuple[Path, Path]:
    """Add noise to a file, take it away again; return the noisy file and the restored one."""
    noisy, back = (source.with_name(f"{word}-{source.name}") for word in ("noisy", "back"))
    done = run(
        source, "-o", noisy, "--mask", mask, "--mask-values", "--seed", 1, "-q", *noise,
        "--chunk-size", "1k",
    )  # fmt: skip
    assert (0, "") == (done.status, done.messages)
    done = run(noisy, "--restore", mask, "-o", back, "-q")
    assert (0, "") == (done.status, done.messages)
    return noisy, back


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "arrow"])
@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_given_back_from_a_mask_of_any_table_format(tmp_path, name, suffix):
    write, read, noise = TABLES[name]
    source = tmp_path / name
    write(source)

    noisy, back = undone(source, tmp_path / f"mask.{suffix}", *noise)

    before, after = read(source), read(back)
    assert before != read(noisy)
    if isinstance(before, bytes):
        assert before == after
    else:
        assert before.schema == after.schema
        assert before.to_pydict() == after.to_pydict()


@pytest.mark.parametrize("name", ["in.csv", "in.tsv"])
@pytest.mark.parametrize("mask", ["mask", "mask.v1"])
def test_a_mask_without_a_suffix_has_the_delimiter_of_its_table(tmp_path, name, mask):
    source = tmp_path / name
    header = '"a\tb",c\n' if name == "in.csv" else '"a,b"\tc\n'
    source.write_text(header + f"1{header[5]}2\n" * 9)

    _, back = undone(source, tmp_path / mask, "--noise", "*=missing:60%")

    assert source.read_bytes() == back.read_bytes()


@pytest.mark.parametrize("suffix", ["csv", "parquet", "arrow"])
def test_the_mask_of_a_text_table_does_not_depend_on_the_chunks(tmp_path, suffix):
    write, _, noise = TABLES["in.csv"]
    write(tmp_path / "in.csv")

    masks = []
    for size in ("1k", "5k", "1M"):
        mask = tmp_path / f"{size}.{suffix}"
        run(tmp_path / "in.csv", "-o", tmp_path / "out.csv", "--mask", mask, "--mask-values",
            "--seed", 1, *noise, "--chunk-size", size)  # fmt: skip
        masks.append(mask.read_bytes())

    assert len(set(masks)) == 1


@pytest.mark.parametrize("name", ["in.arrow", "folder"])
def test_a_mask_marks_exactly_the_values_that_differ(tmp_path, name):
    write, read, noise = TABLES[name]
    source, mask = tmp_path / name, tmp_path / "mask.parquet"
    write(source)

    noisy, _ = undone(source, mask, *noise)

    before, after = read(source).to_pydict(), read(noisy).to_pydict()
    marks = pl.read_parquet(mask)
    assert [(COUNT,)] == duckdb.read_parquet(str(mask)).count("*").fetchall()
    for field, old in before.items():
        differ = [str(one) != str(other) for one, other in zip(old, after[field], strict=True)]
        assert any(differ), field
        assert differ == marks[field].to_list(), field
        kept = [value if which else None for value, which in zip(old, differ, strict=True)]
        assert kept == marks[f"{field}.original"].to_list(), field


@pytest.mark.parametrize("suffix", ["npy", "npz", "h5"])
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_are_given_back_from_a_mask_of_any_format_of_arrays(tmp_path, name, suffix):
    if suffix == "npy" and name in {"in.npz", "in.h5", "two.tif"}:
        pytest.skip("an NPY file holds one array")
    write, read = ARRAYS[name]
    source = tmp_path / name
    write(source)

    noisy, back = undone(source, tmp_path / f"mask.{suffix}", "-s", "20%", "-c", ":number")

    assert read(source) != read(noisy)
    assert read(source) == read(back)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("stereo.wav", lambda path: soundfile.read(path)[0]),
        ("in.png", lambda path: np.asarray(Image.open(path))),
        ("tiles.tif", tifffile.imread),
    ],
)
def test_a_mask_has_the_shape_of_the_array_that_other_software_reads(tmp_path, name, read):
    source = tmp_path / name
    ARRAYS[name][0](source)

    run(source, "-o", tmp_path / f"out{source.suffix}", "-s", "20%", "--seed", 1, "-q",
        "--mask", tmp_path / "mask")  # fmt: skip

    marks = np.load(tmp_path / "mask")
    assert marks.dtype == bool
    np.testing.assert_array_equal(read(source) != read(tmp_path / f"out{source.suffix}"), marks)


def test_a_mask_of_several_images_is_an_archive(tmp_path):
    write_images(tmp_path / "in.tif")

    run(tmp_path / "in.tif", "-o", tmp_path / "out.tif", "-s", 5, "--seed", 1, "-q", "-c", "*",
        "--mask", tmp_path / "mask")  # fmt: skip

    with np.load(tmp_path / "mask") as marks:
        assert {"data/0": (40, 50, 3), "data/1": (30, 30)} == {n: marks[n].shape for n in marks}


@pytest.mark.parametrize(
    ("name", "mask", "expected"),
    [
        ("in.csv", "m.npz", "which is CSV, TSV, Parquet or Arrow IPC; name it m.csv"),
        ("in.arrow", "m.h5", "name it m.arrow"),
        ("in.h5", "m.parquet", "which is NPY, NPZ or HDF5; name it m.h5"),
        ("in.png", "m.png", "which is NPY, NPZ or HDF5; name it m.npy"),
        ("two.tif", "m.tif", "name it m.npz"),
        ("in.csv", "m.xlsx", "name it m.csv"),
        ("in.npz", "m.npy", "holds several arrays"),
    ],
)
def test_a_mask_that_cannot_be_is_refused_in_one_line(tmp_path, name, mask, expected):
    source, target = tmp_path / name, tmp_path / f"out{(tmp_path / name).suffix}"
    (TABLES.get(name) or ARRAYS[name])[0](source)

    done = run(source, "-o", target, "--mask", tmp_path / mask, "-c", ":number", "-s", 1)

    assert (2, 1) == (done.status, len(done.lines)), done.messages
    assert expected in done.messages
    assert [source] == list(tmp_path.iterdir())


def test_a_text_table_cannot_give_every_type_back(tmp_path):
    source = tmp_path / "in.parquet"
    pq.write_table(pa.table({"t": pa.array(range(9), pa.duration("s"))}), source)
    mask = ("--mask", tmp_path / "mask.csv", "--mask-values")

    done = run(source, "-o", tmp_path / "out.parquet", "-s", "9s", "-c", "t", "--seed", 1, *mask)

    assert (2, 1) == (done.status, len(done.lines)), done.messages
    assert "a name that ends in .parquet" in done.messages


def test_cells_that_are_no_text_are_refused_in_a_mask_of_texts(tmp_path):
    source = tmp_path / "in.csv"
    source.write_bytes(b"t\n" + b"stra\xdfe and longer words\n" * 9)
    options = ("-d", "missing", "--rate", "100%", "-c", "t", "--seed", 1, "--mask-values")

    done = run(source, "-o", tmp_path / "out.csv", "--mask", tmp_path / "m.parquet", *options)

    assert (3, 1) == (done.status, len(done.lines)), done.messages
    assert "give --mask a name that ends in .csv" in done.messages


def test_a_stream_of_unknown_length_has_no_mask(tmp_path):
    data = io.BytesIO()
    soundfile.write(data, np.sin(np.arange(999)), 8000, format="WAV")
    endless = bytearray(data.getvalue())
    endless[40:44] = b"\xff\xff\xff\xff"

    done = run(
        "--from", "wav", "-s", 1, "--seed", 1, "--mask", tmp_path / "m", given=bytes(endless)
    )

    assert (2, 1) == (done.status, len(done.lines)), done.messages
    assert "--mask needs a file" in done.messages

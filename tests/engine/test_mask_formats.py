"""The mask of any file is of any format that can hold it, and gives the file back."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import h5py
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import tifffile
from PIL import Image
from run_command import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COUNT = 300


def table() -> pa.Table:
    numbers = [None if at % 7 == 3 else at for at in range(COUNT)]
    texts = [None if n is None else f'word "{n}", or two' for n in numbers]
    days = [None if n is None else dt.date(2024, 1, 1) + dt.timedelta(n) for n in numbers]
    return pa.table(
        {
            "x": np.arange(COUNT) / 7,
            "n": pa.array(numbers, pa.int64()),
            "small": pa.array(np.arange(COUNT) / 3, pa.float32()),
            "text": pa.array(texts),
            "label": pa.array([f"kind {at % 3}" for at in range(COUNT)]).dictionary_encode(),
            "money": pa.array([Decimal(at) / 100 for at in range(COUNT)], pa.decimal128(9, 2)),
            "at": pa.array(np.arange(COUNT) * 10**6, pa.timestamp("us")),
            "day": pa.array(days),
            "flag": pa.array([at % 2 == 0 for at in range(COUNT)]),
        }
    )


TABLE_NOISE = (
    *("--noise", "x,n,small,money=normal:3", "--noise", "text=typo:60%"),
    *("--noise", "at=normal:9s", "--noise", "day=normal:9d", "--noise", "flag=category-swap:50%"),
    *("--noise", "label=category-swap:50%", "--noise", "x,n,text=missing:30%"),
)


def write_csv(path: Path, delimiter: str = ",") -> None:
    lines = ["x{0}n{0}text", ' 1.50 {0}7{0}"a ""b"""', '"2"{0}NA{0}c-d', "1e3{0}-5{0}"]
    path.write_text("\r\n".join(line.format(delimiter) for line in lines))


def write_folder(path: Path) -> None:
    path.mkdir()
    pq.write_table(table().slice(0, 100), path / "a.parquet", row_group_size=33)
    pq.write_table(table().slice(100), path / "b.parquet")


def write_arrow(path: Path, opened: Callable[..., Any] = pa.ipc.new_file) -> None:
    with opened(path, table().schema) as writer:
        writer.write_table(table(), 77)


def read_arrow(path: Path) -> pa.Table:
    data = path.read_bytes()
    opened = pa.ipc.open_file if data.startswith(b"ARROW1") else pa.ipc.open_stream
    return opened(io.BytesIO(data)).read_all()


TABLES: dict[str, tuple[Callable[[Any], None], Callable[[Any], Any], tuple[str, ...]]] = {
    "in.csv": (write_csv, lambda path: path.read_bytes(), ("--noise", "*=missing:60%")),
    "in.tsv": (
        lambda path: write_csv(path, "\t"),
        lambda path: path.read_bytes(),
        ("--noise", "x=normal:1", "--noise", "text=typo:90%"),
    ),
    "in.parquet": (lambda path: pq.write_table(table(), path), pq.read_table, TABLE_NOISE),
    "folder": (write_folder, pq.read_table, TABLE_NOISE),
    "in.arrow": (write_arrow, read_arrow, TABLE_NOISE),
    "in.arrows": (
        lambda path: write_arrow(path, pa.ipc.new_stream),
        read_arrow,
        TABLE_NOISE,
    ),
}


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


PIXELS = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
RECORD = np.zeros(50, [("x", "<f8"), ("id", "<i8"), ("v", "<f4", (3,))])
RECORD["x"], RECORD["id"] = np.arange(50), 7


def write_npz(path: Path) -> None:
    arrays = {"a": np.arange(600.0), "records": RECORD, "f": np.asfortranarray(PIXELS[..., 0])}
    np.savez_compressed(path, **arrays)


def read_npz(path: Path) -> list[tuple[str, bytes]]:
    with np.load(path) as arrays:
        return [(name, arrays[name].tobytes()) for name in arrays]


def write_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("group/cut", data=PIXELS, chunks=(7, 11, 2), compression="gzip")
        file["flat"] = np.linspace(0, 1, 600).reshape(20, 30)
        file["records"] = RECORD
        file["label"] = np.array([b"one", b"two"])


def read_hdf5(path: Path) -> list[bytes]:
    with h5py.File(path) as file:
        return [file[name][()].tobytes() for name in ("group/cut", "flat", "records", "label")]


def read_bytes(path: Path) -> bytes:
    return path.read_bytes()


def write_images(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        file.write(PIXELS, photometric="rgb")
        file.write(np.arange(900, dtype=">u2").reshape(30, 30))


ARRAYS: dict[str, tuple[Callable[[Any], None], Callable[[Any], Any]]] = {
    "c.npy": (lambda path: np.save(path, np.arange(600.0).reshape(20, 30)), read_bytes),
    "fortran.npy": (
        lambda path: np.save(path, np.asfortranarray(PIXELS.astype("f4"))),
        read_bytes,
    ),
    "record.npy": (lambda path: np.save(path, RECORD), read_bytes),
    "in.npz": (write_npz, read_npz),
    "in.h5": (write_hdf5, read_hdf5),
    "mono.wav": (lambda path: soundfile.write(path, np.sin(np.arange(999)), 8000), read_bytes),
    "stereo.wav": (
        lambda path: soundfile.write(path, PIXELS[..., :2].reshape(-1, 2) / 512, 8000, "PCM_24"),
        read_bytes,
    ),
    "in.png": (lambda path: Image.fromarray(PIXELS).save(path), lambda p: Image.open(p).tobytes()),
    "strips.tif": (lambda path: tifffile.imwrite(path, PIXELS, rowsperstrip=7), read_bytes),
    "tiles.tif": (lambda path: tifffile.imwrite(path, PIXELS, tile=(16, 16)), read_bytes),
    "two.tif": (write_images, read_bytes),
}


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

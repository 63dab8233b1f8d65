"""Small files of every format, and readers of them, for tests of all formats."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
import tifffile
from PIL import Image

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

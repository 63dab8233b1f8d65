"""Print a digest of what each model makes of 20,000 rows, and each format of the same numbers.

`digests.json` holds those of the first release; with --write this script renews it. It needs only
what noisify needs, and zarr, so that it runs under every Python, NumPy and C library of the matrix:
see ../matrix.py.
"""

from __future__ import annotations

import hashlib
import json
import runpy
import struct
import sys
import tempfile
import wave
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import zarr

from noisify.cli import main as noisify

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent
KEPT = FOLDER / "digests.json"
ROWS = 20_000
LEVELS = {
    "a share of the sd": "-c x -s 0.1sd",
    "a share of the iqr": "-c x -s 0.2iqr",
    "a share of the range": "-c x -s 1%range",
    "a share of each value": "-c x,count -s 5%",
    "another field": "-c x -s 0.1@y",
    "an SNR": "-c x,y --snr 20",
    "an SNR of coloured noise": "-c x -d pink --snr 7.5",
    "the noise's own sd": "-c x -d laplace --sd 0.3sd",
    "decimals": "-c x -s 1 --decimals 9",
}


def table() -> bytes:
    """Return the golden table, gone on with to many rows by integer arithmetic."""
    head, *rows = (FOLDER / "table.csv").read_text(encoding="utf-8").splitlines()
    lines = [head]
    for i in range(ROWS):
        time, device, _, _, _, *rest = rows[i % len(rows)].split(",")
        x, y, count = i * 7919 % 20_011, i * i * 31 % 99_991, i * 2_654_435_761 % 1000
        numbers = [f"{x // 1000}.{x % 1000:03}", f"{y - 50_000}.5", str(count)]
        lines.append(",".join([time, device, *numbers, *rest]))
    return "\n".join([*lines, ""]).encode()


def run(*arguments: object) -> None:
    """Run the command in this process."""
    try:
        noisify([*map(str, arguments), "--seed", "42", "-q"])
    except SystemExit as done:
        if done.code:
            raise RuntimeError(arguments) from None


def digest(content: bytes) -> str:
    """Return a short digest."""
    return hashlib.sha256(content).hexdigest()[:16]


def of_models(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the digest of the CSV file that each model and each kind of level makes."""
    make = runpy.run_path(str(FOLDER / "make_golden.py"))
    levels = {f"level: {name}": options.split() for name, options in LEVELS.items()}
    models = {case: make["CASES"][case].split() for case in make["CASES"]}
    for case, options in (models | levels).items():
        model = [] if "-d" in options or case in levels else ["-d", case]
        run(folder / "in.csv", *model, *options, "-o", folder / "out.csv")
        yield case, digest((folder / "out.csv").read_bytes())


def of_formats(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the digest of the values that each format holds after noise."""
    x = (np.arange(ROWS) * 7919 % 20_011) / 1000.0
    arrays = {
        "float64": x,
        "float32": x.astype(np.float32),
        "float16": x.astype(np.float16),
        "big-endian": x.astype(">f8"),
        "int16": (x * 1000).astype(np.int16),
        "uint8": (x * 10).astype(np.uint8),
        "complex128": x + 1j * x[::-1],
        "two axes": np.asfortranarray(x.reshape(100, 200)),
    }
    for name, array in arrays.items():
        np.save(folder / "in.npy", array)
        run(folder / "in.npy", "-o", folder / "out.npy", "-s", "5%")
        yield f"npy: {name}", _of_array(np.load(folder / "out.npy"))
    np.savez(folder / "in.npz", x=x)
    run(folder / "in.npz", "-o", folder / "out.npz", "-d", "laplace", "-s", "0.1sd")
    yield "npz", _of_array(np.load(folder / "out.npz")["x"])
    with h5py.File(folder / "in.h5", "w") as file:
        file.create_dataset("x", data=x, chunks=(3000,), compression="gzip")
    run(folder / "in.h5", "-o", folder / "out.h5", "-d", "student-t", "-s", "0.1sd")
    with h5py.File(folder / "out.h5") as file:
        yield "hdf5", _of_array(file["x"][:])
    for version in (2, 3):
        given, made = folder / f"in{version}.zarr", folder / f"out{version}.zarr"
        group = zarr.create_group(store=given, zarr_format=version)
        group.create_array("x", shape=x.shape, dtype=x.dtype, chunks=(3000,))[:] = x
        run(given, "-o", made, "-d", "logistic", "-s", "0.1sd")
        yield f"zarr {version}", _of_array(zarr.open_group(store=made, mode="r")["x"][:])
    yield from _of_arrow(folder, pa.table({"x": x, "n": (x * 1000).astype(np.int64)}))
    yield from _of_signals(folder, (x * 1000).astype("<u2").reshape(100, 200))


def _of_arrow(folder: Path, columns: pa.Table) -> Iterator[tuple[str, str]]:
    options = ("-c", "x,n", "-d", "gumbel", "-s", "0.2iqr")
    pq.write_table(columns, folder / "in.parquet", row_group_size=7000)
    run(folder / "in.parquet", "-o", folder / "out.parquet", *options)
    yield "parquet", _of_table(pq.read_table(folder / "out.parquet"))
    with pa.ipc.new_file(str(folder / "in.arrow"), columns.schema) as writer:
        writer.write_table(columns, max_chunksize=9000)
    run(folder / "in.arrow", "-o", folder / "out.arrow", *options)
    with pa.ipc.open_file(str(folder / "out.arrow")) as reader:
        yield "arrow", _of_table(reader.read_all())


def _of_signals(folder: Path, samples: np.ndarray[Any, Any]) -> Iterator[tuple[str, str]]:
    """Yield the digests of a sound of two channels and of images of 200 x 100 pixels."""
    with wave.open(str(folder / "in.wav"), "wb") as sound:
        sound.setparams((2, 2, 8000, 0, "NONE", ""))
        sound.writeframes(samples.astype("<i2").tobytes())
    run(folder / "in.wav", "-o", folder / "out.wav", "--snr", "20")
    yield "wav", digest((folder / "out.wav").read_bytes())
    (folder / "in.png").write_bytes(_png(samples))
    run(folder / "in.png", "-o", folder / "out.png", "-d", "impulse", "--rate", "5%")
    _, _, packed = (folder / "out.png").read_bytes().partition(b"IDAT")
    yield "png", digest(zlib.decompressobj().decompress(packed))
    (folder / "in.tif").write_bytes(_tiff(samples))
    run(folder / "in.tif", "-o", folder / "out.tif", "-d", "speckle", "-s", "10%")
    yield "tiff", digest((folder / "out.tif").read_bytes())


def _png(samples: np.ndarray[Any, Any]) -> bytes:
    """Return a grey image of 16 bits as PNG."""
    height, width = samples.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _tiff(samples: np.ndarray[Any, Any]) -> bytes:
    """Return a grey image of 16 bits as TIFF, in one strip."""
    height, width = samples.shape
    data = samples.astype("<u2").tobytes()
    tags = {256: width, 257: height, 258: 16, 259: 1, 262: 1, 273: 8, 278: height, 279: len(data)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    return struct.pack("<2sHI", b"II", 42, 8 + len(data)) + data + directory


def _of_array(array: np.ndarray[Any, Any]) -> str:
    return digest(array.tobytes())


def _of_table(columns: pa.Table) -> str:
    return digest(b"".join(column.to_numpy().tobytes() for column in columns.columns))


def digests() -> dict[str, str]:
    """Return all digests by name."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in.csv").write_bytes(table())
        return dict(of_models(folder)) | dict(of_formats(folder))


if __name__ == "__main__":
    text = json.dumps(digests(), indent=1, ensure_ascii=False) + "\n"
    if sys.argv[1:] == ["--write"]:
        KEPT.write_text(text, encoding="utf-8")
    sys.stdout.write(text)

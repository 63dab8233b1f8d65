"""Commands on small files of each format, each with the files that are there before it runs."""

from __future__ import annotations

import gzip
import io
import itertools
import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 60
FAULTS_IN_CI = ("csv", "csv.gz in place", "parquet folder in place", "npy to hdf5", "csv batch")
"""The scenarios whose every call fails once in the usual tests; `make trust` takes all."""


@dataclass(frozen=True)
class Scenario:
    """A command, and the files that are there before it.

    Attributes:
        files: The files' bytes by their names.
        arguments: The command's.
        at_once: Whether all outputs are there or none, whenever it is stopped.
    """

    files: dict[str, bytes]
    arguments: list[str]
    at_once: bool = False


def _csv(rows: int) -> bytes:
    lines = (f"2024-01-{1 + i % 28:02d},{20 + i / 7:.2f},s{i % 3}\n" for i in range(rows))
    return ("time,temperature,station\n" + "".join(lines)).encode()


def _table(rows: int) -> pa.Table:
    x = np.linspace(-1, 1, rows)
    when = pa.array(np.arange(rows), pa.timestamp("s", tz="UTC"))
    return pa.table({"x": x, "n": np.arange(rows), "when": when, "s": ["a"] * rows})


def written(write: Callable[[io.BytesIO], Any]) -> bytes:
    """Return what is written to a file in memory."""
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def _parquet(rows: int) -> bytes:
    return written(lambda file: pq.write_table(_table(rows), file))


def _arrow(rows: int) -> bytes:
    def write(file: io.BytesIO) -> None:
        with pa.ipc.new_file(file, _table(rows).schema) as writer:
            writer.write_table(_table(rows))

    return written(write)


def _hdf5(scale: int, **options: Any) -> bytes:
    def write(file: io.BytesIO) -> None:
        values = np.linspace(0, 1, 200 * scale).reshape(20 * scale, 10)
        with h5py.File(file, "w") as made:
            made.create_dataset("g/x", data=values, **options)
            made.create_dataset("y", data=np.arange(10, dtype="i4"))

    return written(write)


def _wav(scale: int) -> bytes:
    def write(file: io.BytesIO) -> None:
        with wave.open(file, "wb") as made:
            made.setparams((1, 2, 8000, 0, "NONE", ""))
            made.writeframes(np.arange(-200, 200, dtype="<i2").tobytes() * scale)

    return written(write)


def _image(kind: str, scale: int) -> bytes:
    image = Image.fromarray(np.arange(400 * scale).reshape(-1, 20).astype("u1"))
    return written(lambda file: image.save(file, kind))


def scenarios(scale: int = 1) -> dict[str, Scenario]:
    """Return the scenarios by name, with files that are `scale` times as long as they can be."""
    csv, parquet, hdf5 = _csv(ROWS * scale), _parquet(ROWS * scale), _hdf5(scale)
    npy = written(lambda f: np.save(f, np.linspace(0, 1, 300 * scale).reshape(-1, 10)))
    npz = written(lambda f: np.savez_compressed(f, x=np.arange(99.0 * scale), y=np.arange(5)))
    noise = ["-s", "0.5", "--seed", "1"]
    found: dict[str, Scenario] = {}

    def add(name: str, files: dict[str, bytes], *arguments: str, at_once: bool = False) -> None:
        found[name] = Scenario(files, [*arguments, *noise], at_once)

    def one(name: str, suffix: str, data: bytes) -> None:
        out = f"out{suffix}"
        add(name, {f"in{suffix}": data, out: b"old"}, f"in{suffix}", "-o", out)

    one("csv", ".csv", csv)
    one("csv.gz", ".csv.gz", gzip.compress(csv, mtime=0))
    one("parquet", ".parquet", parquet)
    one("arrow", ".arrow", _arrow(ROWS * scale))
    one("npy", ".npy", npy)
    one("npz", ".npz", npz)
    one("hdf5", ".h5", hdf5)
    one("hdf5 chunked", ".h5", _hdf5(scale, chunks=(7, 10), compression="gzip"))
    one("hdf5 rechunked", ".h5", _hdf5(scale, chunks=(20, 1), compression="gzip"))
    one("wav", ".wav", _wav(scale))
    one("png", ".png", _image("png", scale))
    one("tiff", ".tif", _image("tiff", scale))
    add("csv in place", {"in.csv": csv}, "in.csv", "--in-place")
    add("csv.gz in place", {"in.csv.gz": gzip.compress(csv, mtime=0)}, "in.csv.gz", "--in-place")
    for old, new, data in (
        (".csv", ".parquet", csv),
        (".parquet", ".csv", parquet),
        (".parquet", ".arrow", parquet),
        (".npy", ".h5", npy),
        (".h5", ".npz", hdf5),
        (".npz", ".h5", npz),
    ):
        name = f"{old[1:]} to {new[1:]}".replace("h5", "hdf5")
        add(name, {f"in{old}": data}, f"in{old}", "-o", f"out{new}")
    both = ["--mask", "m.csv", "--report", "r.json"]
    add("csv, mask, report", {"in.csv": csv}, "in.csv", "-o", "out.csv", *both)
    add("hdf5, mask", {"in.h5": hdf5}, "in.h5", "-o", "out.h5", "--mask", "m.h5")
    values = ["--mask", "m.h5", "--mask-values"]
    add("npy, mask of values", {"in.npy": npy}, "in.npy", "-o", "out.npy", *values)
    sweep = ["--sweep", "sd=0.1,1"]
    found["csv sweep"] = Scenario(
        {"in.csv": csv}, ["in.csv", "--output-dir", "out", *sweep, "--seed", "1"]
    )
    batch = {f"in{i}.csv": csv for i in range(3)}
    add("csv batch", batch, *batch, "--output-dir", "out", "-j", "2")
    folder = {f"in/k={i}/part.parquet": parquet for i in range(2)}
    add("parquet folder", folder, "in", "-o", "out", at_once=True)
    add("parquet folder in place", folder, "in", "--in-place", at_once=True)
    return found


def conversions() -> dict[str, Scenario]:
    """Return a scenario for every pair of formats that convert into each other."""
    csv = _csv(ROWS)
    tables = {"csv": csv, "tsv": csv.replace(b",", b"\t"), "parquet": _parquet(ROWS)}
    arrays = {
        "npy": written(lambda f: np.save(f, np.linspace(0, 1, 300).reshape(-1, 10))),
        "npz": written(lambda f: np.savez_compressed(f, x=np.arange(99.0))),
        "h5": written(lambda f: h5py.File(f, "w").create_dataset("x", data=np.arange(99.0))),
    }
    return {
        f"{old} to {new}": Scenario(
            {f"in.{old}": kind[old]}, [f"in.{old}", "-o", f"out.{new}", "-s", "0.5", "--seed", "1"]
        )
        for kind in (tables | {"arrow": _arrow(ROWS)}, arrays)
        for old, new in itertools.permutations(kind, 2)
    }

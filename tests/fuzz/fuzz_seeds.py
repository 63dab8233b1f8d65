"""Write the corpus's first files: `python tests/fuzz/fuzz_seeds.py`, from the project's folder.

They are in the repository, with what fuzzing found beside them; this is how they were made.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sys
import tempfile
import wave
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).parent
sys.path += [str(HERE.parent / name) for name in ("helpers", "trust")]

import h5py  # noqa: E402 - after the path is set
import lz4.frame  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import tifffile  # noqa: E402
import zstandard  # noqa: E402
from PIL import Image  # noqa: E402
from run_command import run  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE = (
    b'when,x,n,word,flag\n2024-01-01,20.5,1,one,true\n2024-01-02,,-2,"a,""b",false\n'
    b"2024-01-03,1e3,3,,true\n"
)


def written(write: Callable[[io.BytesIO], Any]) -> bytes:
    """Return what is written to a file in memory."""
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def texts() -> dict[str, bytes]:
    """Return text tables."""
    return {
        "table": TABLE,
        "crlf": TABLE.replace(b"\n", b"\r\n"),
        "semicolon": b'sep=;\r\na;b\r\n"1,5";2\r\n3,25;4\r\n',
        "comment": b"# made by hand\n# twice\nx y\n1.50 007\n2 008\n",
        "latin": "größe,é\n1.5,ä\n2.5,ö\n".encode("cp1252"),
        "utf16": "x,y\n1.5,2\n2.5,3\n".encode("utf-16"),
        "ragged": b"a,b,c\n1,2\n3,4,5,6\n7.0,8.5,9\n",
        "numbers": b"x\n1.50\n+2\n-0.0\n1E5\n0x1f\n9007199254740993\n1e400\n 3 \nNA\ninf\n",
        "escape": b'a,b\n"x\\"y",1.5\n"z",2.5\n',
        "lines": b'a,b\n"two\nlines",1.25\n"",2\n',
        "narrow": b"1.5\n2.5\n3.5",
    }


def table(*, nested: bool = False) -> pa.Table:
    """Return a table of many types."""
    rows = 6
    columns: dict[str, Any] = {
        "x": pa.array([0.5, None, 2.5, -1.0, 1e300, 0.0]),
        "f": pa.array(range(rows), pa.float32()),
        "n": pa.array(range(rows), pa.int32()),
        "when": pa.array(range(rows), pa.timestamp("us", tz="UTC")),
        "word": pa.array(["a", "b", None, "a", "b", "a"]).dictionary_encode(),
        "cents": pa.array(range(rows), pa.decimal128(9, 2)),
        "flag": pa.array([True, None] * 3),
    }
    if nested:
        columns = {
            "list": pa.array([[1.5, 2.5], [], None, [3.5]] + [[0.5]] * 2),
            "struct": pa.array([{"a": 1.5, "b": "x"}, None] * 3),
            "map": pa.array([[("k", 1.5)], []] * 3, pa.map_(pa.string(), pa.float64())),
            "half": pa.array(np.arange(rows, dtype="f2")),
        }
    return pa.table(columns)


def parquets() -> dict[str, bytes]:
    """Return Parquet files."""

    def one(data: pa.Table, **options: Any) -> bytes:
        return written(lambda file: pq.write_table(data, file, **options))

    small = table().select(["x", "n"])
    return {
        "plain": one(small, compression="none", use_dictionary=False, store_schema=False),
        "snappy": one(table(), row_group_size=4),
        "v2": one(small, data_page_version="2.0", compression="zstd", write_page_checksum=True),
        "nested": one(table(nested=True), compression="gzip"),
        "int96": one(table().select(["when"]), use_deprecated_int96_timestamps=True),
        "delta": one(
            small, use_dictionary=False, column_encoding={"x": "BYTE_STREAM_SPLIT", "n": "PLAIN"}
        ),
        "empty": one(small.slice(0, 0)),
        "index": one(small, write_page_index=True, compression="none"),
    }


def arrows() -> dict[str, bytes]:
    """Return Arrow IPC files and streams."""

    def one(data: pa.Table, make: Any = pa.ipc.new_file, **options: Any) -> bytes:
        def write(file: io.BytesIO) -> None:
            with make(file, data.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
                writer.write_table(data, max_chunksize=4)

        return written(write)

    small = table().select(["x", "n"])
    return {
        "file": one(small),
        "types": one(table()),
        "nested": one(table(nested=True)),
        "lz4": one(small, compression="lz4"),
        "zstd": one(small, compression="zstd"),
        "stream": one(small, pa.ipc.new_stream),
        "words": one(table().select(["word", "x"]), pa.ipc.new_stream),
    }


def npys() -> dict[str, bytes]:
    """Return NPY files."""
    arrays: dict[str, Any] = {
        "line": np.linspace(0, 1, 9),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big": np.arange(5, dtype=">i2"),
        "complex": np.arange(4, dtype="c8"),
        "half": np.arange(4, dtype="f2"),
        "none": np.empty((0, 3)),
        "scalar": np.float64(2.5),
        "fields": np.array([(1, 2.5, b"ab"), (3, 4.5, b"c")], "i4,f8,S2"),
        "times": np.arange(3).astype("M8[s]"),
        "bools": np.array([True, False]),
        "records": np.zeros(2, [("a", "f4", (2, 2)), ("b", [("c", "f8"), ("d", "U2")])]),
    }
    return {name: written(lambda file, name=name: np.save(file, arrays[name])) for name in arrays}


def npzs() -> dict[str, bytes]:
    """Return NPZ files."""

    def one(kind: int = zipfile.ZIP_STORED) -> bytes:
        def write(file: io.BytesIO) -> None:
            with zipfile.ZipFile(file, "w") as archive:
                for name in ("line", "big", "fields"):
                    archive.writestr(zipfile.ZipInfo(f"{name}.npy"), npys()[name], kind)
                archive.writestr(zipfile.ZipInfo("notes.txt"), b"kept")
                archive.comment = b"made by hand"

        return written(write)

    data = np.arange(5.0)
    return {
        "stored": written(lambda file: np.savez(file, x=data, y=np.arange(3))),
        "deflated": written(lambda file: np.savez_compressed(file, x=data)),
        "mixed": one(zipfile.ZIP_DEFLATED),
        "lzma": one(zipfile.ZIP_LZMA),
        "bzip2": one(zipfile.ZIP_BZIP2),
        "prepended": b"#!/bin/sh\n" + one(),
        "empty": written(lambda file: zipfile.ZipFile(file, "w").close()),
    }


def hdf5s() -> dict[str, bytes]:
    """Return HDF5 files."""

    def one(fill: Callable[[h5py.File], object], **options: Any) -> bytes:
        def write(file: io.BytesIO) -> None:
            with h5py.File(file, "w", **options) as made:
                fill(made)

        return written(write)

    def plain(made: h5py.File) -> None:
        made["g/x"] = np.arange(6.0).reshape(2, 3)
        made["n"] = np.arange(4, dtype="i2")
        made["x"] = h5py.SoftLink("/g/x")

    def chunked(made: h5py.File) -> None:
        options = {"compression": "gzip", "shuffle": True, "fletcher32": True}
        made.create_dataset("x", data=np.arange(20.0).reshape(4, 5), chunks=(2, 2), **options)

    def packed(made: h5py.File) -> None:
        made["x"] = np.arange(5, dtype="i2")
        made["x"].attrs.update(scale_factor=0.1, add_offset=2.0, _FillValue=np.int16(3))
        made["x"].attrs["valid_range"] = np.array([0, 4], "i2")

    def types(made: h5py.File) -> None:
        made["fields"] = np.array([(1, 2.5), (3, 4.5)], [("a", "i4"), ("b", "f8")])
        made["word"] = ["a", "bc"]
        made.create_dataset("scalar", data=1.5)
        made.create_dataset("enum", data=[0, 1], dtype=h5py.enum_dtype({"a": 0, "b": 1}, "i1"))
        made.create_dataset("list", (2,), h5py.vlen_dtype("f4"))[0] = [1.5]

    def scaled(made: h5py.File) -> None:
        made["t"] = np.arange(3.0)
        made["t"].make_scale("t")
        made["v"] = np.arange(3.0)
        made["v"].dims[0].attach_scale(made["t"])

    return {
        "plain": one(plain),
        "latest": one(plain, libver="latest"),
        "chunked": one(chunked),
        "chunked-latest": one(chunked, libver="latest"),
        "packed": one(packed),
        "types": one(types),
        "scaled": one(scaled),
        "user-block": one(plain, userblock_size=512),
    }


def wavs() -> dict[str, bytes]:
    """Return WAV files."""

    def one(channels: int, width: int, data: bytes) -> bytes:
        def write(file: io.BytesIO) -> None:
            with wave.open(file, "wb") as made:
                made.setparams((channels, width, 8000, 0, "NONE", ""))
                made.writeframes(data)

        return written(write)

    words = one(1, 2, np.arange(-5, 5, dtype="<i2").tobytes())
    floats = bytearray(one(1, 4, np.linspace(-1, 1, 5, dtype="<f4").tobytes()))
    floats[20] = 3  # IEEE float
    return {
        "words": words,
        "stereo": one(2, 2, np.arange(12, dtype="<i2").tobytes()),
        "bytes": one(1, 1, bytes(range(100, 110))),
        "three": one(1, 3, bytes(range(30))),
        "floats": bytes(floats),
        "list": words + b"LIST\4\0\0\0INFO",
    }


def pngs() -> dict[str, bytes]:
    """Return PNG files."""

    def one(mode: str, **options: Any) -> bytes:
        image = Image.effect_noise((7, 5), 50).convert(mode)
        return written(lambda file: image.save(file, "png", **options))

    words = Image.fromarray(np.arange(12, dtype="u2").reshape(3, 4))
    return {
        "grey": one("L"),
        "colour": one("RGB", dpi=(72, 72)),
        "alpha": one("RGBA"),
        "palette": one("P"),
        "bits": one("1"),
        "words": written(lambda file: words.save(file, "png")),
        "grey-alpha": one("LA"),
    }


def tiffs() -> dict[str, bytes]:
    """Return TIFF files."""

    def one(data: Any, **options: Any) -> bytes:
        return written(lambda file: tifffile.imwrite(file, data, metadata=None, **options))

    picture = np.arange(24, dtype="u1").reshape(4, 6)
    image = Image.fromarray(picture)
    return {
        "bytes": one(picture),
        "big-endian": one(picture.astype("u2"), byteorder=">"),
        "floats": one(picture.astype("f4"), rowsperstrip=2),
        "deflated": one(picture.astype("u2"), compression="zlib", predictor=True),
        "lzw": written(lambda file: image.save(file, "tiff", compression="tiff_lzw")),
        "tiles": one(np.arange(1024, dtype="u1").reshape(32, 32), tile=(16, 16)),
        "pages": one(np.stack([picture, picture])),
        "bigtiff": one(picture, bigtiff=True),
        "colour": one(np.arange(36, dtype="u1").reshape(3, 4, 3), photometric="rgb"),
        "planes": one(
            np.arange(36, dtype="u1").reshape(3, 3, 4), photometric="rgb", planarconfig="separate"
        ),
    }


def compressed() -> dict[str, bytes]:
    """Return compressed text tables."""
    member = gzip.compress(TABLE, mtime=0)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr(zipfile.ZipInfo("table.csv"), TABLE, zipfile.ZIP_DEFLATED)
    return {
        "gzip": member,
        "members": member + gzip.compress(b"2024-01-04,1,2,x,true\n", mtime=0) + b"\0" * 8,
        "bzip2": bz2.compress(TABLE),
        "bzip2-streams": bz2.compress(TABLE) + bz2.compress(b"2024-01-04,1,2,x,true\n"),
        "xz": lzma.compress(TABLE),
        "zstd": zstandard.compress(TABLE),
        "lz4": lz4.frame.compress(TABLE),
        "zip": archive.getvalue(),
    }


def masks(noisy: Path) -> dict[str, bytes]:
    """Return masks of each format; write the noisy files that they belong to beside the corpus."""
    noisy.mkdir(exist_ok=True)
    small = table().select(["x", "n", "when", "word"])
    originals = {
        ".csv": TABLE,
        ".npy": npys()["line"],
        ".npz": npzs()["stored"],
        ".parquet": written(lambda file: pq.write_table(small, file)),
        ".h5": hdf5s()["plain"],
    }
    made = {}
    for suffix, data in originals.items():
        source, mask = noisy / f"in{suffix}", noisy / f"mask{suffix}"
        source.write_bytes(data)
        words = ["-o", noisy / f"noisy{suffix}", "-s", "1", "--seed", "1", "--mask", mask]
        done = run(source, *words, "--mask-values")
        assert done.status == 0, done.messages
        made[suffix[1:]] = mask.read_bytes()
        source.unlink()
        mask.unlink()
    return made


RECIPES = {
    "one": b'seed = 42\n[[noise]]\nfields = "x"\nmodel = "normal"\nscale = "5%"\n',
    "two": b'[[noise]]\nfields = ["x", "y"]\nmodel = "outliers"\nrate = 0.5\n\n'
    b'[[noise]]\nfields = ":text"\nmodel = "typo"\nrate = "50%"\nwhere = "x > 1"\n',
    "more": b'seed = 0x10\nrng = "numpy"\n[[noise]]\nfields = "n"\nmodel = "poisson"\n'
    b'clip = [0, 9]\nscale = 0.5\n[[noise]]\nfields = "t"\nscale = "2d"\n',
    "preset": b'preset = "sensor-faults:2"\nseed = 1\n',
}
VALUES = ("0.5", "3", "utf-16", "1MiB", ",", "\\t", "-1,1", "keep", "#", "x", "phi=0.5", "1e400")
SWEEPS = ("scale=0.1,1", "rate=0:1:0.25", "model=normal,laplace", "df=3", "sd=1,,2")
CONDITIONS = (
    "x > 1", "x + y * 2 <= -n", "word == 'one' and not (n < 4)", "`home town` is not null",
    "x in (1.5, 2, 3) or y not in (2)", "true", "t >= '2024-01-01'", "x / 0 = 1", 'word != "two"',
)  # fmt: skip
SELECTORS = ("x", "x,y", "*", ":float", ":number,!n", "/^[xy]$/", "home*", "!x", ":time", "[a-y]")
SPECS = (
    "x=normal:0.5", "*=missing:1%", "x,y=laplace:5%,clip=0..1", "word=typo:50%",
    "x=student-t:0.1sd,df=3", "t=normal:2d", "x=ar1:0.5,phi=0.9", "n=poisson", "x=normal:@y",
    "*=swap-bits:10%", "x=normal:1,where=n > 3", "x,y=correlated:1,rho=0.5", "word=ocr:1",
)  # fmt: skip
LEVELS = ("0.5", "5%", "0.1sd", "1%range", "0.2iqr", "@y", "1e-3", "90s", "2d", "0", "1e308")


def reports(table: Path) -> dict[str, bytes]:
    """Return reports, which are recipes too."""
    table.write_bytes(TABLE)
    made = {}
    for name, words in {"one": ["-s", "1"], "two": ["--preset", "sensor-faults:2"]}.items():
        path = table.with_name("report.json")
        done = run(table, "-o", table.with_name("out.csv"), "--seed", 1, *words, "--report", path)
        assert done.status == 0, done.messages
        made[name] = path.read_bytes()
    noise = {"fields": "x", "model": "normal", "sd": 0.25}
    return made | {"short": json.dumps({"seed": 3, "noise": [noise]}).encode()}


def numbered(texts: tuple[str, ...]) -> dict[str, bytes]:
    """Return texts by number."""
    return {f"{number:02}": text.encode() for number, text in enumerate(texts)}


def main() -> None:
    """Write the files."""
    corpus = {
        "csv": texts(),
        "tsv": {name: texts()[name].replace(b",", b"\t") for name in ("table", "utf16", "numbers")},
        "parquet": parquets(),
        "arrow": arrows(),
        "npy": npys(),
        "npz": npzs(),
        "hdf5": hdf5s(),
        "wav": wavs(),
        "png": pngs(),
        "tiff": tiffs(),
        "compressed": compressed(),
        "mask": masks(HERE / "noisy"),
        "recipe": RECIPES,
        "where": numbered(CONDITIONS),
        "selector": numbered(SELECTORS),
        "spec": numbered(SPECS),
        "level": numbered(LEVELS),
        "report": reports(Path(tempfile.mkdtemp(), "table.csv")),
        "value": numbered(VALUES),
        "sweep": numbered(SWEEPS),
    }
    for target, files in corpus.items():
        folder = HERE / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()

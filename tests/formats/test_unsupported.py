"""Files of other kinds: one line that says what each is and what to do, under any name."""

from __future__ import annotations

import io
import json
import pickle
import sqlite3
import tarfile
import zipfile
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from run_command import noisy, run

from noisify.formats import FORMATS, unsupported

if TYPE_CHECKING:
    from pathlib import Path

FRAME = pd.DataFrame({"a": [1.5, 2.5], "b": ["x", "y"]})
ROWS = b"x,y\n" + b"".join(b"%d.5,2\n" % i for i in range(5000))
MATLAB = b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\1IM" + bytes(200)
NETCDF3 = b"CDF\1\0\0\0\0\0\0\0\x0a\0\0\0\1\0\0\0\1x\0\0\0\0\0\0\3" + bytes(60)
FITS = b"SIMPLE  =                    T / a standard file".ljust(80) + b" " * 2800 + bytes(100)
TENSOR = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
FEATURES = [{"type": "Feature", "properties": {"a": i}, "geometry": None} for i in range(500)]
LAYER = {"type": "FeatureCollection", "features": FEATURES}
CODE = [{"cell_type": "code", "source": ["x = 1"], "outputs": []}] * 200


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as opened:
        for name, content in members:
            opened.writestr(name, content)
    return file.getvalue()


def tape(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as opened:
        about = tarfile.TarInfo(name)
        about.size = len(content)
        opened.addfile(about, io.BytesIO(content))
    return file.getvalue()


def orc() -> bytes:
    file = io.BytesIO()
    FRAME.to_orc(file)
    return file.getvalue()


BINARY = "looks like a binary file, not CSV"
KINDS: dict[str, tuple[str, bytes]] = {
    **{f"pickle {n}": ("is a Python pickle", pickle.dumps(FRAME, n)) for n in (2, 3, 4, 5)},
    "pickle of protocol 0": ("is a Python pickle", pickle.dumps(FRAME, 0)),
    "pickle of protocol 1": (BINARY, pickle.dumps(FRAME, 1)),
    "pickle of a dict": ("is a Python pickle", pickle.dumps({"a": 1}, 2)),
    "pickle of a list": ("is a Python pickle", pickle.dumps([1.5, 2.5])),
    "pickle of an array": ("is a Python pickle", pickle.dumps(np.arange(5.0))),
    "PyTorch": ("is a PyTorch file", archive(("archive/data.pkl", b"\x80\x02}."), ("a/1", b"x"))),
    "FITS": ("is a FITS file", FITS),
    "safetensors": ("is a safetensors file", len(TENSOR).to_bytes(8, "little") + TENSOR + bytes(8)),
    "MAT-5": ("is a MATLAB file older than version 7.3", MATLAB),
    "NetCDF-3": ("is a NetCDF-3 file", NETCDF3),
    "NetCDF-3, 64-bit": ("is a NetCDF-3 file", NETCDF3.replace(b"CDF\1", b"CDF\2")),
    "ORC": ("is an ORC file", orc()),
    "GeoJSON": ("is GeoJSON", json.dumps(LAYER).encode()),
    "GeoJSON, indented": ("is GeoJSON", json.dumps(LAYER, indent=2).encode()),
    "notebook": ("is a Jupyter notebook", json.dumps({"cells": CODE, "nbformat": 4}).encode()),
    "JSON in one line": ("is JSON", b'{"a":1}'),
    "JSON of columns": ("is JSON", FRAME.to_json().encode()),
    "JSON of records": ("is JSON", FRAME.to_json(orient="records").encode()),
    "JSON of rows": ("is JSON", json.dumps([[i, i] for i in range(9999)]).encode()),
    "JSON of numbers": ("is JSON", b"[1, 2, 3]"),
    "JSON with a mark": ("is JSON", b'\xef\xbb\xbf{"a": 1}'),
    "JSON, indented": ("is JSON", json.dumps({"a": [1, 2]}, indent=4).encode()),
    "JSON lines": ("is JSON lines", FRAME.to_json(orient="records", lines=True).encode()),
    "JSON lines of rows": ("is JSON lines", b"[1, 2]\n[3, 4]\n"),
    "XML": ("is XML", b'<?xml version="1.0"?>\n<a><b>1</b></a>'),
    "XML in UTF-16": ("is XML", '<?xml version="1.0"?><a/>'.encode("utf-16")),
    "XML without a prolog": ("is XML", b'<data>\n <row a="1"/>\n</data>'),
    "SVG": ("is XML", b'<svg xmlns="http://www.w3.org/2000/svg" width="9"><g></g></svg>'),
    "HTML": ("is HTML", b"<!DOCTYPE html>\n<html></html>"),
    "PDF": ("is a PDF document", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3"),
    "tar": ("is an archive", tape("x.csv", ROWS)),
    "ZIP of two": ("is a ZIP archive of several files", archive(("a.csv", ROWS), ("b.csv", ROWS))),
    "ZIP of none": ("is a ZIP archive of several files, or of none", archive()),
    "Feather V1": ("is a Feather V1 file", b"FEA1" + bytes(20)),
    "program": ("is a program", b"\x7fELF\2\1\1" + bytes(100)),
    "doubles": (BINARY, np.arange(100.0).tobytes()),
    "zlib": (BINARY, zlib.compress(np.random.default_rng(1).bytes(2000))),
}  # fmt: skip


@pytest.fixture
def sqlite(tmp_path: Path) -> bytes:
    path = tmp_path / "x.sqlite"
    with sqlite3.connect(path) as opened:
        opened.execute("create table t (a)")
    content = path.read_bytes()
    path.unlink()
    return content


def check_refused(folder: Path, content: bytes, says: str) -> None:
    """Check the line under several names and through a pipe, and that nothing is left."""
    for name in ("data.csv", "data", "data.dat", "data.txt"):
        source = folder / name
        source.write_bytes(content)
        done = run(source, "-o", folder / "out", "-s", 1)
        assert (3, b"", 1) == (done.status, done.output, len(done.lines)), done.messages
        assert f"noisify: {source}: {says}" in done.messages
        assert [source] == list(folder.iterdir())
        source.unlink()
    done = run("-s", 1, given=content)
    assert (3, b"") == (done.status, done.output)
    assert f"noisify: standard input: {says}" in done.messages


@pytest.mark.parametrize("name", KINDS)
def test_a_file_of_another_kind_is_named(tmp_path: Path, name: str) -> None:
    says, content = KINDS[name]

    check_refused(tmp_path, content, says)


def test_a_database_is_named(tmp_path: Path, sqlite: bytes) -> None:
    check_refused(tmp_path, sqlite, "is a SQLite database")


@pytest.mark.parametrize("kind", unsupported.KINDS, ids=lambda kind: kind.what)
def test_each_kind_says_what_to_do(kind: unsupported.Kind) -> None:
    known = {suffix for entry in FORMATS for suffix in entry.suffixes}

    assert kind.instead
    assert set() == set(kind.suffixes.split()) & known
    for suffix in kind.suffixes.split():
        assert f"is {kind.what} by its name; {kind.instead}" in (
            unsupported.refusal(b"a,b\n1,2\n", suffix) or ""
        )


@pytest.mark.parametrize("suffix", [".pkl", ".db", ".mat", ".p", ".root", ".yaml"])
def test_a_table_under_such_a_name_is_read_if_it_is_said_to_be_one(
    tmp_path: Path, suffix: str
) -> None:
    source = tmp_path / f"data{suffix}"
    source.write_bytes(ROWS)

    done = run(source, "-s", 1, "-o", tmp_path / "out.csv")

    assert (3, 1) == (done.status, len(done.lines))
    assert "or add --from if it is not" in done.messages
    assert noisy("--from", "csv", source, "-s", 1) == noisy("-s", 1, given=ROWS)


@pytest.mark.parametrize(
    "table",
    [
        b"<TICKER>,<OPEN>\nA,1.5\nB,2.5\n",
        b"<a>,b</a>\n1.5,2\n",
        b"[a],[b]\n1.5,2\n2.5,3\n",
        b"{a},b\n1.5,2\n",
        b"[1]\n2.5\n3.5\n",
        b'"a","b"\n1.5,2\n',
        b'a,b\n1.5,"{""x"": 1}"\n',
        b"a,b\n1.5,<b>x</b>\n",
        b"ORC,b\n1.5,2\n",
        b"CDF,b\n1.5,2\n",
        b"(lp,b\n1.5,2\n",
        b"GRIB,b\n1.5,2\n",
        b"root,b\n1.5,2\n",
        b"P1 2 3\n1.5 2 3\n" + b"4.5 5 6\n" * 9,
        "é,b\n1.5,ü\n".encode("latin-1"),
        b"MZ,b\n1.5,2\n",
        b"version,cell_type\n1.5,a\n",
    ],
    ids=lambda table: table[:9].decode("latin-1"),
)
def test_a_table_that_only_looks_so_at_first_sight_is_read(table: bytes) -> None:
    layout = () if b"," in table or b" " not in table else ("--delimiter", " ")

    assert noisy("-q", "-s", 100, "-c", ":number", *layout, given=table) != table


@pytest.mark.parametrize("before", [0, 700, 400_000], ids=["head", "sample", "third chunk"])
@pytest.mark.parametrize("cell", [b"a\0b", b"\0", b"2\0"], ids=repr)
def test_one_zero_byte_is_enough_for_no_table(tmp_path: Path, before: int, cell: bytes) -> None:
    source = tmp_path / "data.csv"
    source.write_bytes(b"x,y\n" + b"1.5,2\n" * before + b"1.5," + cell + b"\n2.5,3\n")

    done = run(source, "-s", 1, "-c", "x", "-o", tmp_path / "out.csv")

    assert (3, 1) == (done.status, len(done.lines))
    line = f"noisify: {source}, line {before + 2}: has a NUL byte, so it is binary or damaged"
    assert done.messages.startswith(line)
    assert [source] == list(tmp_path.iterdir())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_wide_text_has_zero_bytes_and_is_read(encoding: str) -> None:
    assert noisy("-s", 1, given="x,y\n1.5,2\n".encode(encoding)) != b""


class TestZipOfOneFile:
    """Such an archive is read as the file in it, and not written."""

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("data.csv.zip", archive(("data.csv", ROWS))),
            ("data.zip", archive(("data.csv", ROWS))),
            ("data", archive(("data", ROWS))),
            ("stored.zip", archive(("data.csv", ROWS), method=zipfile.ZIP_STORED)),
            ("lzma.zip", archive(("data.csv", ROWS), method=zipfile.ZIP_LZMA)),
            ("mac.zip", archive(("a/", b""), ("a/x.csv", ROWS), ("__MACOSX/a/._x.csv", b"x"))),
        ],
    )
    @pytest.mark.parametrize("level", ["1", "0.1sd"])
    def test_is_read_from_a_file_and_a_pipe(
        self, tmp_path: Path, name: str, content: bytes, level: str
    ) -> None:
        source = tmp_path / name
        source.write_bytes(content)

        plain = noisy("-q", "-s", level, given=ROWS)

        assert plain == noisy(source, "-s", level)
        piped = run("-s", level, "--seed", 1, given=content)
        assert (0, plain) == (piped.status, piped.output)
        kept = (
            "standard input is kept in a temporary file, since a ZIP archive is read from its end"
        )
        assert [f"noisify: note: {kept}"] == piped.lines

    def test_takes_its_format_from_the_name_inside(self, tmp_path: Path) -> None:
        source = tmp_path / "data.zip"
        table = b"x\ty,z\n1.5\t2\n"
        source.write_bytes(archive(("data.tsv", table)))

        assert noisy(source, "-s", 1) == noisy("--from", "tsv", "-s", 1, given=table)

    def test_of_an_array_is_npz(self, tmp_path: Path) -> None:
        source = tmp_path / "data.zip"
        np.savez(tmp_path / "data.npz", x=np.arange(5.0))
        (tmp_path / "data.npz").rename(source)

        run(source, "-o", tmp_path / "out.npz", "-s", 1, "-q")

        assert (5,) == np.load(tmp_path / "out.npz")["x"].shape

    def test_names_its_output_without_zip(self, tmp_path: Path) -> None:
        source = tmp_path / "data.csv.zip"
        source.write_bytes(archive(("data.csv", ROWS)))

        run(source, "--output-dir", tmp_path / "out", "-s", 1, "-q")

        assert ["data.csv"] == [path.name for path in (tmp_path / "out").iterdir()]

    def test_is_not_replaced(self, tmp_path: Path) -> None:
        source = tmp_path / "data.csv.zip"
        source.write_bytes(archive(("data.csv", ROWS)))

        done = run(source, "--in-place", "-s", 1)

        assert (2, 1) == (done.status, len(done.lines))
        assert "ZIP is read and not written; name another output with -o" in done.messages

    def test_that_is_damaged_is_refused(self, tmp_path: Path) -> None:
        source = tmp_path / "data.csv.zip"
        content = bytearray(archive(("data.csv", ROWS), method=zipfile.ZIP_STORED))
        content[2000] ^= 1
        source.write_bytes(content)

        done = run(source, "-o", tmp_path / "out.csv", "-s", 1)

        assert (3, 1) == (done.status, len(done.lines))
        assert "is damaged: its ZIP data do not unpack (Bad CRC-32" in done.messages
        assert [source] == list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [(), ("-c", "*"), ("-d", "missing", "--rate", "50%")], ids=str)
def test_an_archive_of_nothing_but_objects_says_so(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    source = tmp_path / "data.npz"
    np.savez(source, a=np.array([1.5, "x", None], dtype=object))

    done = run(source, "-o", tmp_path / "out.npz", *options)

    assert "no rows" not in done.messages
    assert "pickled Python objects" in done.messages

"""Files that an input only points to are never opened: a canary tells if one was.

The kernel tells of every open and read of the canaries, by whichever library (inotify); one test
watches the system calls instead, where strace is installed.
"""

from __future__ import annotations

import ctypes
import io
import json
import os
import pickle
import shlex
import shutil
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
from h5py import h5d, h5p, h5s, h5t
from pyarrow import feather
from run_command import COMMAND, clean_environment, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ACCESSED, _OPENED = 0x1, 0x20
SECRET = np.frombuffer(b"the canary sings, every word 48 bytes in all ....", "f8", 5)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's"),
]


@contextmanager
def untouched(folder: Path) -> Iterator[None]:
    """Fail if a file in a folder is opened or read meanwhile."""
    library = ctypes.CDLL(None, use_errno=True)
    watch = library.inotify_init1(os.O_NONBLOCK)
    assert library.inotify_add_watch(watch, bytes(folder), _ACCESSED | _OPENED) > 0
    try:
        yield
        try:
            events = os.read(watch, 1 << 16)
        except BlockingIOError:
            events = b""
        assert events == b""
    finally:
        os.close(watch)


def external(file: h5py.File, canary: Path) -> None:
    file.create_dataset("x", (5,), "f8", external=[(str(canary / "raw.bin"), 0, 40)])


def virtual(file: h5py.File, canary: Path) -> None:
    layout = h5py.VirtualLayout((5,), "f8")
    layout[:] = h5py.VirtualSource(canary / "0.h5", "z", (5,))
    file.create_virtual_dataset("x", layout)


def growing(file: h5py.File, canary: Path) -> None:
    """Make a virtual dataset whose shape is that of another file."""
    layout = h5py.VirtualLayout((5,), "f8", maxshape=(None,))
    source = h5py.VirtualSource(canary / "0.h5", "z", (5,), maxshape=(None,))
    layout[: h5s.UNLIMITED] = source[: h5s.UNLIMITED]
    file.create_virtual_dataset("x", layout)


def numbered(file: h5py.File, canary: Path) -> None:
    """Make a virtual dataset of as many files as there are."""
    options = h5p.create(h5p.DATASET_CREATE)
    options.set_layout(h5d.VIRTUAL)
    space = h5s.create_simple((1, 5), (h5s.UNLIMITED, 5))
    space.select_hyperslab((0, 0), (h5s.UNLIMITED, 1), (1, 1), (1, 5))
    options.set_virtual(space, bytes(canary / "%b.h5"), b"z", h5s.create_simple((5,)))
    h5d.create(file.id, b"x", h5t.IEEE_F64LE, space, dcpl=options)


def link(file: h5py.File, canary: Path) -> None:
    file["x"] = h5py.ExternalLink(str(canary / "0.h5"), "/z")


def link_by_a_link(file: h5py.File, canary: Path) -> None:
    file["way"] = h5py.ExternalLink(str(canary / "0.h5"), "/")
    file["x"] = h5py.SoftLink("/way/z")


def named_by_attributes(file: h5py.File, canary: Path) -> None:
    """Make attributes of several conventions that name what is in another file."""
    link_by_a_link(file, canary)
    file["s"] = np.zeros(3)
    file["s"].attrs["coordinates"] = "x way/z"
    file["g/v"] = np.zeros(3)
    file["g"].attrs["NX_class"] = "NXdata"
    file["g"].attrs["axes"] = ["x"]
    file["g/x"] = h5py.SoftLink("/way/z")
    file["a/v"] = np.zeros(3)
    file["a"].attrs["encoding-type"] = "dataframe"
    file["a"].attrs["_index"] = "x"
    file["a/x"] = h5py.SoftLink("/x")
    file["a/__categories"] = h5py.ExternalLink(str(canary / "0.h5"), "/")
    file["p"] = np.zeros(3, [("a", "f8")])
    file["_i_p"] = h5py.ExternalLink(str(canary / "0.h5"), "/")


WAYS = [external, virtual, growing, numbered, link, link_by_a_link, named_by_attributes]


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    folder = tmp_path / "canary"
    folder.mkdir()
    (folder / "raw.bin").write_bytes(SECRET.tobytes())
    for number in range(2):
        with h5py.File(folder / f"{number}.h5", "w") as file:
            file.create_dataset("z", data=SECRET, maxshape=(None,), chunks=(5,))
    return folder


def made(tmp_path: Path, canary: Path, way) -> Path:
    """Return a file that points to the canaries, and has a dataset of its own."""
    source = tmp_path / "in.h5"
    with h5py.File(source, "w") as file:
        way(file, canary)
        file["y"] = np.zeros(5)
    return source


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("suffix", ["npy", "npz", "csv", "parquet", "arrow", "tiff", "wav", "png"])
def test_no_conversion_reads_what_is_elsewhere(tmp_path, canary, way, suffix):
    source = made(tmp_path, canary, way)
    target = tmp_path / f"out.{suffix}"

    with untouched(canary):
        done = run(source, "-o", target, "-s", 1, "--seed", 1)

    assert (2, 1) == (done.status, len(done.lines))
    assert not target.exists()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "options",
    [
        ("-o", "out.h5", "-c", "*", "--report", "out.json"),
        ("-o", "out.h5", "-c", "y", "--mask", "mask.h5", "--mask-values"),
        ("-o", "out.h5", "-c", "x"),
        ("--dry-run",),
        ("--in-place", "-c", "y"),
    ],
    ids=["all", "mask", "named", "dry-run", "in-place"],
)
def test_noise_stays_in_the_file(tmp_path, canary, way, options):
    source = made(tmp_path, canary, way)
    words = [tmp_path / word if "." in word else word for word in options]

    with untouched(canary):
        done = run(source, *words, "-s", 1, "--seed", 1)

    assert done.status == (2 if "x" in options else 0), done.messages
    assert "Traceback" not in done.messages


@pytest.mark.parametrize("way", WAYS)
def test_no_mask_reads_what_is_elsewhere(tmp_path, canary, way):
    with h5py.File(tmp_path / "noisy.h5", "w") as file:
        file["x"] = np.zeros(5)
    mask = made(tmp_path, canary, way)

    with untouched(canary):
        done = run(tmp_path / "noisy.h5", "--restore", mask, "-o", tmp_path / "out.h5")

    assert (3, 1) == (done.status, len(done.lines)), done.messages
    assert not (tmp_path / "out.h5").exists()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("way", [external, growing, named_by_attributes])
def test_no_system_call_names_a_canary(tmp_path, canary, way):
    source = made(tmp_path, canary, way)
    for target in ("out.npz", "out.h5"):
        log = tmp_path / f"{target}.trace"
        watch = ["strace", "-f", "--seccomp-bpf", "-e", "trace=file", "-o", log]
        subprocess.run(
            [*watch, *COMMAND, source, "-o", tmp_path / target, "-s", "1", "--seed", "1"],
            check=False,
            capture_output=True,
            env=clean_environment(),
            timeout=60,
        )
        calls = log.read_text(errors="replace")
        assert str(source) in calls
        assert str(canary) not in calls


IMPORTED_BY_PYTHON = {
    "importlib", "warnings", "contextlib", "collections", "keyword", "operator", "reprlib",
    "functools", "types",
}  # fmt: skip
"""What `python -m` itself imports once the current folder is on the path, before any module."""


def test_no_module_beside_the_data_is_run(tmp_path):
    names = sys.stdlib_module_names | {"numpy", "click", "h5py", "pyarrow", "pandas"}
    for name in names - IMPORTED_BY_PYTHON:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('sung')")
    (tmp_path / "t.csv").write_text("a\n1.5\n2\n")

    done = subprocess.run(
        [*COMMAND, "t.csv", "-s", "1", "--seed", "1"],
        check=False,
        capture_output=True,
        cwd=tmp_path,
        env=clean_environment({"PYTHONSAFEPATH": ""}),
        timeout=60,
    )

    assert (0, b"") == (done.returncode, done.stderr)


def test_a_current_folder_that_is_gone_is_not_looked_for(tmp_path):
    (tmp_path / "t.csv").write_text("a\n1.5\n2\n")
    (tmp_path / "gone").mkdir()
    words = f"cd gone && rmdir ../gone && exec {shlex.join(COMMAND)} {tmp_path}/t.csv -s1 --seed 1"

    done = subprocess.run(
        ["/bin/sh", "-c", words],
        check=False,
        capture_output=True,
        cwd=tmp_path,
        env=clean_environment(),
        timeout=60,
    )

    assert (0, b"") == (done.returncode, done.stderr)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "arrow"])
def test_no_column_chunk_in_another_file_is_read(tmp_path, canary, suffix):
    table = pa.table({"x": SECRET})
    metadata: list[pq.FileMetaData] = []
    pq.write_table(table, canary / "part.parquet", metadata_collector=metadata)
    metadata[0].set_file_path("canary/part.parquet")
    metadata[0].write_metadata_file(tmp_path / "in.parquet")

    with untouched(canary):
        done = run(tmp_path / "in.parquet", "-o", tmp_path / f"out.{suffix}", "--seed", 1)

    assert (3, 1) == (done.status, len(done.lines)), done.messages
    assert not (tmp_path / f"out.{suffix}").exists()


class Sung:
    """What pickles as a command that writes a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (os.system, (f"touch {self._path}",))


@pytest.mark.parametrize("suffix", ["npz", "h5", "npy", "csv"])
@pytest.mark.parametrize("lone", [True, False])
def test_no_pickle_in_an_archive_is_read(tmp_path, suffix, lone):
    sung = tmp_path / "sung"
    objects = np.array([Sung(sung), 1.5], dtype=object)
    arrays = {"o": objects} if lone else {"o": objects, "x": np.zeros(3)}
    np.savez(tmp_path / "in.npz", allow_pickle=True, **arrays)

    done = run(tmp_path / "in.npz", "-o", tmp_path / f"out.{suffix}", "-s", 1, "--seed", 1)

    assert done.status in {0, 2, 3}, done.messages
    assert "Traceback" not in done.messages
    assert not sung.exists()


@pytest.mark.parametrize("suffix", ["npz", "h5", "npy"])
@pytest.mark.parametrize("name", ["/{}/raw.bin.npy", "../canary/raw.bin.npy", "x/../../y.npy"])
def test_no_name_in_an_archive_leads_out_of_it(tmp_path, canary, suffix, name):
    before = {path.name: path.read_bytes() for path in canary.iterdir()}
    array = io.BytesIO()
    np.save(array, np.zeros(3))
    with zipfile.ZipFile(tmp_path / "in.npz", "w") as archive:
        archive.writestr(name.format(canary), array.getvalue())

    with untouched(canary):
        done = run(tmp_path / "in.npz", "-o", tmp_path / f"out.{suffix}", "-s", 1, "--seed", 1)

    assert "Traceback" not in done.messages
    assert before == {path.name: path.read_bytes() for path in canary.iterdir()}
    assert {"in.npz", "canary", f"out.{suffix}"} >= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("words", [("-o", "out"), ("--in-place",), ("--dry-run",)], ids=str)
@pytest.mark.parametrize("suffix", ["parquet", "csv", "h5"])
def test_no_link_in_a_folder_is_followed_out_of_it(tmp_path, canary, suffix, words):
    frame = pd.DataFrame({"x": SECRET})
    write = {"parquet": frame.to_parquet, "csv": frame.to_csv}.get(suffix, lambda _: None)
    write(canary / f"0.{suffix}")
    (tmp_path / "in").mkdir()
    (tmp_path / f"in/a.{suffix}").symlink_to(canary / f"0.{suffix}")
    words = [tmp_path / "out" if word == "out" else word for word in words]

    with untouched(canary):
        done = run(tmp_path / "in", *words, "-s", 1, "--seed", 1)

    assert (3, 1) == (done.status, len(done.lines)), done.messages
    assert "is a link out of the folder" in done.messages
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_links_in_a_circle_are_no_traceback(tmp_path, suffix):
    (tmp_path / "in").mkdir()
    (tmp_path / f"in/a.{suffix}").symlink_to(f"a.{suffix}")

    done = run(tmp_path / "in", "-o", tmp_path / "out", "-s", 1, "--seed", 1)

    assert done.status in {1, 2, 3}
    assert 1 == len(done.lines)
    assert "unexpectedly" not in done.messages


def test_a_link_within_a_folder_or_named_itself_is_read(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.csv").write_text("x\n1.5\n")
    (tmp_path / "in/b.csv").symlink_to("a.csv")
    (tmp_path / "c.csv").symlink_to(tmp_path / "in/a.csv")

    for name in ("in", "c.csv"):
        done = run(tmp_path / name, "--output-dir", tmp_path / "out", "-s", 1, "--seed", 1)
        assert 0 == done.status, done.messages


OME = """<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:1">
<Image ID="Image:0"><Pixels DimensionOrder="XYCZT" ID="Pixels:0" SizeC="1" SizeT="1" SizeX="8"
SizeY="8" SizeZ="2" Type="uint8"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>
<TiffData FirstZ="0" IFD="0" PlaneCount="1"><UUID FileName="in.tif">urn:uuid:1</UUID></TiffData>
<TiffData FirstZ="1" IFD="0" PlaneCount="1"><UUID FileName="{}">urn:uuid:2</UUID></TiffData>
</Pixels></Image></OME>"""


@pytest.mark.parametrize("suffix", ["tif", "npy", "npz", "h5", "csv", "png"])
@pytest.mark.parametrize("name", ["canary/o.tif", "{}/canary/o.tif", "./canary/o.tif"])
def test_no_plane_in_another_file_is_read(tmp_path, canary, suffix, name):
    words = OME.format(name.format(tmp_path))
    for path in (tmp_path / "in.tif", canary / "o.tif"):
        tifffile.imwrite(path, np.zeros((8, 8), "u1"), description=words, metadata=None)

    with untouched(canary):
        done = run(tmp_path / "in.tif", "-o", tmp_path / f"out.{suffix}", "-s", 1, "--seed", 1)

    assert (3 if suffix == "tif" else 2, 1) == (done.status, len(done.lines)), done.messages
    assert not (tmp_path / f"out.{suffix}").exists()


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "arrow"])
@pytest.mark.parametrize("old", ["parquet", "arrow"])
def test_no_pickle_in_a_type_is_read(tmp_path, old, suffix):
    sung = tmp_path / "sung"
    pickled = {
        "ARROW:extension:name": "arrow.py_extension_type",
        "ARROW:extension:metadata": pickle.dumps(Sung(sung)),
    }
    field = pa.field("x", pa.float64(), metadata=pickled)
    table = pa.table([SECRET, SECRET], pa.schema([field, pa.field("y", pa.float64())]))
    write = pq.write_table if old == "parquet" else feather.write_feather
    write(table, tmp_path / f"in.{old}")

    done = run(tmp_path / f"in.{old}", "-o", tmp_path / f"out.{suffix}", "-s", 1, "--seed", 1)

    assert done.status in {0, 2}, done.messages
    assert "Traceback" not in done.messages
    assert not sung.exists()


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "arrow"])
@pytest.mark.parametrize(
    "words",
    [
        {"seed": 1, "file": "{}", "noise": [{"scale": 1}]},
        {"seed": 1, "input": "{}", "output": "{}", "plan": {"noise": [{"scale": 1}]}},
        {"seed": 1, "include": "{}", "noise": [{"scale": 1}]},
        {"seed": 1, "noise": [{"model": "{}", "scale": 1}]},
        {"seed": 1, "noise": [{"columns": ["{}"], "scale": 1}]},
        {"seed": 1, "noise": [{"scale": 1, "where": "x == '{}'"}]},
        {"seed": 1, "noise": [{"scale": "{}"}]},
    ],
    ids=["file", "report", "include", "model", "columns", "where", "scale"],
)
def test_no_file_that_a_recipe_names_is_read(tmp_path, canary, words, suffix):
    (tmp_path / "t.csv").write_text("x,y\na,1.5\nb,2\n")
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps(words).replace("{}", str(canary / "raw.bin")))

    with untouched(canary):
        done = run(tmp_path / "t.csv", "-o", tmp_path / f"out.{suffix}", "--recipe", recipe)

    assert done.status in {0, 2}, done.messages
    assert "Traceback" not in done.messages
    assert (done.status == 0) == (tmp_path / f"out.{suffix}").exists()

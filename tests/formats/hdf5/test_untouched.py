"""What was not asked to change in an HDF5 file stays, for every type, storage and filter.

Each file is made twice: with numbers in `table.x`, and with zeros there. `dropout` makes the first
the second, and other readers than noisify have to find no difference.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import h5py
import hdf5plugin
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t, h5z
from run_command import normal_noise, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

H5DUMP = shutil.which("h5dump")
ROWS, CHUNK = 7, 3


def special_integer(precision: int, offset: int, size: int = 4) -> h5t.TypeID:
    kind = h5t.STD_I32LE.copy()
    kind.set_precision(precision)
    kind.set_offset(offset)
    if size != kind.get_size():
        kind.set_size(size)
    return kind


def special_float(size: int, fields: tuple[int, int, int, int, int], bias: int) -> h5t.TypeID:
    kind = h5t.IEEE_F64LE.copy()
    kind.set_size(max(size, 8))
    kind.set_precision(8 * max(size, 8))
    kind.set_fields(*fields)
    kind.set_size(size)
    kind.set_ebias(bias)
    return kind


def enumeration() -> h5t.TypeID:
    return h5t.py_create(h5py.enum_dtype({"A": 1, "B": 2}, "i4"), logical=True)


def opaque() -> h5t.TypeID:
    kind = h5t.create(h5t.OPAQUE, 7)
    kind.set_tag(b"a thing")
    return kind


def padded_text() -> h5t.TypeID:
    kind = h5t.C_S1.copy()
    kind.set_size(5)
    kind.set_strpad(h5t.STR_SPACEPAD)
    return kind


def compound(size: int, *members: tuple[bytes, int, h5t.TypeID]) -> h5t.TypeID:
    kind = h5t.create(h5t.COMPOUND, size)
    for member in members:
        kind.insert(*member)
    return kind


PLAIN: dict[str, h5t.TypeID] = {
    "enum": enumeration(),
    "opaque": opaque(),
    "bit-field": h5t.STD_B16BE,
    "padded-text": padded_text(),
    "time": h5t.UNIX_D32LE,
    "quad-float": special_float(16, (127, 112, 15, 0, 112), 16383),
    "bfloat16": special_float(2, (15, 7, 8, 0, 7), 127),
    "20-bit-integer": special_integer(20, 3),
    "24-bit-integer": special_integer(24, 0, 3),
    "double": h5t.IEEE_F64BE,
    "array-of-enums": h5t.array_create(enumeration(), (2, 2)),
    "nested-with-gaps": compound(20, (b"e", 3, enumeration()), (b"y", 11, h5t.IEEE_F32LE)),
}
TEXT, LIST = h5py.string_dtype(), h5py.vlen_dtype("f4")
POINTERS: dict[str, Any] = {
    "text": (TEXT, lambda at: f"é{at}"),
    "list": (LIST, lambda at: np.full(at % 3, at, "f4")),
    "reference": (h5py.ref_dtype, None),
    "region": (h5py.regionref_dtype, None),
    "nested-text": (np.dtype([("y", "<f4"), ("s", TEXT)]), lambda at: (at, f"t{at}")),
    "array-of-texts": (np.dtype((TEXT, (2,))), lambda at: [f"a{at}", ""]),
    "array-of-nested-lists": (
        np.dtype(([("v", LIST), ("i", "i2")], (2,))),
        lambda at: [(np.ones(at % 3, "f4"), at), (np.ones(1, "f4"), -at)],
    ),
}
FILTERS: dict[str, list[tuple[int, tuple[int, ...]]]] = {
    "none": [],
    "gzip": [(h5z.FILTER_DEFLATE, (4,))],
    "shuffle-gzip-fletcher32": [
        (h5z.FILTER_SHUFFLE, ()),
        (h5z.FILTER_DEFLATE, (4,)),
        (h5z.FILTER_FLETCHER32, ()),
    ],
    "lzf": [(h5z.FILTER_LZF, ())],
    "nbit": [(h5z.FILTER_NBIT, ())],
    "blosc": [(hdf5plugin.Blosc.filter_id, (0, 0, 0, 0, 5, 1, 0))],
    "zstd": [(hdf5plugin.Zstd.filter_id, (3,))],
}
OWN = {"none", "gzip", "shuffle-gzip-fletcher32"}
"""Filters that h5dump has wherever it is built."""


def creation(layout: str, filters: str) -> h5p.PropDCID:
    options = h5p.create(h5p.DATASET_CREATE)
    options.set_obj_track_times(False)
    if layout == "compact":
        options.set_layout(h5d.COMPACT)
    if layout.startswith("chunked"):
        options.set_chunk((CHUNK,))
        for code, values in FILTERS[filters]:
            options.set_filter(code, h5z.FLAG_OPTIONAL, values)
    return options


def make_plain(path: Path, kind: h5t.TypeID, layout: str, filters: str, x: NDArray[Any]) -> None:
    """Make a table of `x` and a neighbour of a datatype, and a dataset of that datatype."""
    size = 6 + kind.get_size() + 3
    table = compound(size, (b"x", 2, h5t.IEEE_F32LE), (b"neighbour", 6, kind))
    rows = np.random.default_rng(5).integers(0, 256, (ROWS, size), "u1")
    if kind.get_class() == h5t.ENUM:
        rows[:, 6:10] = [1, 0, 0, 0]
    if layout.endswith("unwritten"):
        rows[...] = 0
    rows[:, 2:6] = x.astype("<f4").reshape(ROWS, 1).view("u1")
    space = h5s.create_simple((ROWS,))
    with h5py.File(path, "w") as file:
        dataset = h5d.create(file.id, b"table", table, space, creation(layout, filters))
        if rows.any():
            dataset.write(h5s.ALL, h5s.ALL, rows.view(f"V{size}"), table)
        other = h5d.create(file.id, b"other", kind, space, creation(layout, filters))
        if not layout.endswith("unwritten"):
            other.write(h5s.ALL, h5s.ALL, np.ascontiguousarray(rows[:, 6:-3]), kind)
        add_links(file)


def make_pointers(path: Path, name: str, layout: str, filters: str, x: NDArray[Any]) -> None:
    """Make a table of `x` and a neighbour that points elsewhere."""
    dtype, value = POINTERS[name]
    with h5py.File(path, "w") as file:
        group = file.create_group("group")
        region = group.create_dataset("values", data=np.arange(9)).regionref
        if value is None:
            rows = np.zeros(ROWS, [("a", "i2"), ("neighbour", dtype), ("x", "<f4")])
            rows["neighbour"] = [group.ref if name == "reference" else region[2:5]] * ROWS
        else:
            rows = np.zeros(ROWS, [("a", "i2"), ("neighbour", dtype), ("x", "<f4"), ("t", TEXT)])
            rows["t"] = "text"
            for at in range(ROWS):
                fill_in(rows, at, value(at))
        rows["x"] = x
        kind = h5t.py_create(rows.dtype, logical=True)
        space = h5s.create_simple((ROWS,))
        dataset = h5d.create(file.id, b"table", kind, space, creation(layout, filters))
        if not layout.endswith("unwritten"):
            h5py.Dataset(dataset)[...] = rows
        add_links(file)


def fill_in(rows: NDArray[Any], at: int, value: Any) -> None:
    if rows["neighbour"].dtype == object and isinstance(value, list):
        rows["neighbour"][at][...] = value
    else:
        rows["neighbour"][at] = value


def add_links(file: h5py.File) -> None:
    file["table"].attrs["unit"] = "m"
    file["table"].attrs["range"] = np.arange(3.0)
    file["again"] = file["table"]
    file["soft"] = h5py.SoftLink("/nowhere")
    file["far"] = h5py.ExternalLink("nowhere.h5", "/x")


def plain(value: Any, file: h5py.File) -> Any:
    """Return elements as plain lists and bytes, what they refer to as its name and values."""
    if isinstance(value, h5py.Reference) and not value:
        return None
    if isinstance(value, h5py.RegionReference):
        return file[value].name, file[value][value].tolist()
    if isinstance(value, h5py.Reference):
        return file[value].name
    if isinstance(value, np.ndarray | np.void | tuple | list):
        return [plain(part, file) for part in value]
    return value


def contents(path: Path) -> dict[str, Any]:
    """Return all of a file, as h5py reads it: elements as bytes, unless they point elsewhere."""
    found: dict[str, Any] = {}
    with h5py.File(path) as file:
        for name in file:
            link = file.get(name, getlink=True)
            found[f"{name} link"] = type(link), getattr(link, "path", "")
        for name, item in file.items():
            if not isinstance(item, h5py.Dataset):
                continue
            kind, options = item.id.get_type(), item.id.get_create_plist()
            found[f"{name} attributes"] = {key: plain(v, file) for key, v in item.attrs.items()}
            filters = [options.get_filter(at) for at in range(options.get_nfilters())]
            found[f"{name} layout"] = options.get_layout(), filters, item.chunks, kind.encode()
            if kind.detect_class(h5t.VLEN) or kind.detect_class(h5t.REFERENCE):
                found[name] = plain(item[()], file)
            else:
                values = np.empty(item.shape, f"V{kind.get_size()}")
                item.id.read(h5s.ALL, h5s.ALL, values, kind)
                found[name] = values.tobytes()
    return found


def dumped(path: Path) -> str:
    done = subprocess.run(
        [str(H5DUMP), path.name], cwd=path.parent, capture_output=True, check=True
    )
    return done.stdout.decode(errors="replace")


def check(folder: Path, make: Callable[[Path, NDArray[Any]], None], x: float, filters: str) -> None:
    """Noisify a file, and compare it with one that was made with noise; or see it refused."""
    for name in ("in", "expected"):
        (folder / name).mkdir()
    source, target, expected = (folder / name / "t.h5" for name in ("in", ".", "expected"))
    before = np.full(ROWS, x)
    make(source, before)
    make(expected, before + normal_noise("x", ROWS))

    done = run(source, "-o", target, "-s", 1, "-c", "table.x", "--seed", 1)

    assert (0, "") == (done.status, done.messages)
    assert contents(expected) == contents(target)
    if H5DUMP is not None and filters in OWN:
        assert dumped(expected) == dumped(target)


def storages(kinds: Any, layouts: dict[str, list[str]]) -> list[Any]:
    return [
        pytest.param(kind, layout, filters, id=f"{kind}-{layout}-{filters}")
        for kind in kinds
        for layout, every in layouts.items()
        for filters in every
    ]


LAYOUTS = {
    "contiguous": ["none"],
    "compact": ["none"],
    "unwritten": ["none"],
    "chunked": [*FILTERS],
    "chunked-unwritten": ["none", "gzip", "lzf"],
}


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("kind", "layout", "filters"), storages(PLAIN, LAYOUTS))
def test_members_of_fixed_size_stay(tmp_path, kind, layout, filters):
    x = 0 if layout.endswith("unwritten") else 2.5
    check(tmp_path, lambda *to: make_plain(to[0], PLAIN[kind], layout, filters, to[1]), x, filters)


POINTER_LAYOUTS = {
    "contiguous": ["none"],
    "chunked": [name for name in FILTERS if name != "nbit"],
}


@pytest.mark.one_in(2)
@pytest.mark.parametrize(("name", "layout", "filters"), storages(POINTERS, POINTER_LAYOUTS))
def test_members_that_point_elsewhere_stay(tmp_path, name, layout, filters):
    check(tmp_path, lambda *to: make_pointers(to[0], name, layout, filters, to[1]), 2.5, filters)


@pytest.mark.parametrize("filters", ["none", "gzip", "lzf"])
@pytest.mark.parametrize("name", POINTERS)
def test_members_that_point_elsewhere_stay_empty_in_unwritten_chunks(tmp_path, name, filters):
    source, target = tmp_path / "in.h5", tmp_path / "out.h5"
    make_pointers(source, name, "chunked-unwritten", filters, np.zeros(ROWS))

    assert 0 == run(source, "-o", target, "-s", 1, "-c", "table.x", "--seed", 1).status

    expected = contents(source)
    for path in ("table", "again"):
        for row, noise in zip(expected[path], normal_noise("x", ROWS), strict=True):
            row[2] = np.float32(noise)
    assert expected == contents(target)


REFUSED = [
    *storages(POINTERS, {"compact": ["none"], "unwritten": ["none"]}),
    *storages(["text", "list"], {"chunked": ["nbit"]}),
]


@pytest.mark.parametrize(("name", "layout", "filters"), REFUSED)
def test_members_that_point_elsewhere_are_left_where_only_the_library_writes(
    tmp_path, name, layout, filters
):
    source, target = tmp_path / "in.h5", tmp_path / "out.h5"
    make_pointers(source, name, layout, filters, np.full(ROWS, 2.5))
    with h5py.File(source, "a") as file:
        file["y"] = np.zeros(3)

    refused = run(source, "-o", target, "-s", 1, "-c", "table.x")

    assert (2, 1) == (refused.status, len(refused.lines))
    assert "field 'again.x': has text, lists or references beside its numbers" in refused.messages
    assert not target.exists()
    level = run(source, "-o", target, "-s", "@again.x", "-c", "y")
    assert (2, 1) == (level.status, len(level.lines))
    assert "level @again.x cannot read it: it has text" in level.messages
    done = run(source, "-o", target, "-s", 1, "--seed", 1)
    assert 0 == done.status
    assert re.search("note: field 'again.*left as.*: (it|each) has text, lists", done.messages)
    assert 1 == len(done.lines)
    assert without_y(source) == without_y(target)


def without_y(path: Path) -> dict[str, Any]:
    found = contents(path)
    del found["y"]
    return found


NUMBERS = ["<i1", "<u1", ">i2", "<u4", "<i8", "<f2", ">f4", "<f8"]
SHRUNK: dict[str, dict[str, Any]] = {
    "lzf": {"compression": "lzf", "shuffle": True},
    "szip": {"compression": "szip", "compression_opts": ("ec", 4)},
    "blosc": {**hdf5plugin.Blosc()},
    "zstd": {**hdf5plugin.Zstd()},
    "scale-offset": {"scaleoffset": 0},
}
if not h5z.filter_avail(h5z.FILTER_SZIP):
    del SHRUNK["szip"]


@pytest.mark.parametrize("filters", SHRUNK)
@pytest.mark.parametrize("dtype", NUMBERS)
def test_elements_that_are_not_hit_stay(tmp_path, dtype, filters):
    if filters == "scale-offset" and "f" in dtype:
        pytest.skip("it rounds floats")
    values = np.arange(1, 106).astype(dtype).reshape(15, 7)
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.create_dataset("x", data=values, chunks=(4, 3), **SHRUNK[filters])

    asked = ("-c", "x", "-d", "dropout", "--rate", "30%", "--seed", 1)
    assert 0 == run(tmp_path / "in.h5", "-o", tmp_path / "out.h5", *asked).status

    with h5py.File(tmp_path / "out.h5") as file:
        after = file["x"][()]
    assert 10 < np.count_nonzero(after == 0) < 60
    assert np.array_equal(after, np.where(after == 0, 0, values))


def test_a_chunk_that_no_longer_gets_smaller_says_so(tmp_path):
    """The library does not note that filters were skipped where a chunk keeps its size."""
    kind = np.dtype([("x", "f8"), ("s", TEXT), ("rest", "u1", (400,))])
    rows = np.zeros(1, kind)
    rows["s"] = "text"
    size = 8 + 16 + 400
    source, target = tmp_path / "in.h5", tmp_path / "out.h5"
    with h5py.File(source, "w") as file:
        options = {**hdf5plugin.Blosc()}
        chunk = file.create_dataset("t", data=rows, chunks=(1,), **options).id
        skipped, data = chunk.read_direct_chunk((0,))
        chunk.write_direct_chunk((0,), data.ljust(size, b"-"), skipped)
    with h5py.File(source) as file:
        assert (0, b"text") == (skipped, file["t"]["s"][0])

    asked = ("-c", "t.x,t.rest", "-d", "uniform", "-s", 100, "--seed", 1)
    assert 0 == run(source, "-o", target, *asked).status

    with h5py.File(target) as file:
        skipped, data = file["t"].id.read_direct_chunk((0,))
        assert (1, size) == (skipped, len(data))
        assert b"text" == file["t"]["s"][0]

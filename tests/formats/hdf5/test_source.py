"""HDF5: the file is kept as it is, but for the values of chosen datasets."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from run_command import noisy, noisy_file, normal_noise, run

from noisify.core.errors import DataError
from noisify.files.input import Input
from noisify.files.output import FileOutput
from noisify.formats.hdf5.sink import Hdf5Sink
from noisify.formats.hdf5.source import Hdf5Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FLUX = np.linspace(1, 2, 600).reshape(20, 30)
STORAGE: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "chunked": {"chunks": (7, 11)},
    "gzip": {"chunks": (7, 11), "compression": "gzip", "compression_opts": 4},
    "gzip-shuffle": {"chunks": (7, 11), "compression": "gzip", "shuffle": True},
    "lzf": {"chunks": (20, 30), "compression": "lzf"},
    "fletcher32": {"chunks": (1, 30), "fletcher32": True},
    "every-filter": {"chunks": (5, 6), "compression": "gzip", "shuffle": True, "fletcher32": True},
    "chunks-of-one": {"chunks": (1, 1)},
    "chunks-that-do-not-fit": {"chunks": (13, 17), "compression": "gzip"},
    "tall-chunks": {"chunks": (20, 1)},
    "growing": {"chunks": (7, 11), "maxshape": (None, None)},
}


def build(path: Path) -> None:
    """Write a file with a bit of everything."""
    with h5py.File(path, "w", track_order=True) as file:
        file.attrs["title"] = "a survey"
        entry = file.create_group("entry")
        entry.attrs.create("origin", np.arange(3.0))
        flux = entry.create_dataset("flux", data=FLUX, chunks=(7, 11), compression="gzip")
        flux.attrs["unit"] = "Jy"
        flux.attrs["range"] = np.array([1, 2], ">i2")
        entry.create_dataset("plain", data=FLUX[0])
        entry.create_dataset("big_endian", data=FLUX[1].astype(">f4"))
        entry.create_dataset("counts", data=np.arange(600, dtype="<u2"), chunks=(100,))
        entry.create_dataset("names", data=["a", "東京", ""], dtype=h5py.string_dtype())
        entry.create_dataset("codes", data=np.array([b"ab", b"c"], "S3"))
        entry.create_dataset("flags", data=[True, False])
        colours = h5py.enum_dtype({"RED": 0, "GREEN": 1}, basetype="i1")
        entry.create_dataset("colours", data=[0, 1, 1], dtype=colours)
        record = np.zeros(50, [("x", "<f8"), ("id", "<i8"), ("tag", "S4"), ("y", ">f4")])
        record["x"], record["id"], record["tag"] = np.arange(50), 7, b"ab"
        entry.create_dataset("table", data=record, chunks=(16,), compression="gzip")
        entry.create_dataset("ragged", (2,), h5py.vlen_dtype("f8"))[:] = [[1.5], [2.5, 3.5]]
        entry.create_dataset("opaque", data=np.array([b"\x01\x02"], "V2"))
        entry.create_dataset("vectors", data=np.zeros((4, 3)), dtype="f8")
        entry.create_dataset("scalar", data=2.5)
        entry.create_dataset("empty", shape=(0, 3), dtype="f8", maxshape=(None, 3))
        entry.create_dataset("null", dtype="f8", data=h5py.Empty("f8"))
        entry.create_dataset("unwritten", (5,), "f8", fillvalue=3.5)
        entry.create_dataset("reference", data=flux.ref, dtype=h5py.ref_dtype)
        file["alias"] = entry["plain"]
        file["soft"] = h5py.SoftLink("/entry/flux")
        file["broken"] = h5py.SoftLink("/nowhere")
        file["outside"] = h5py.ExternalLink("other.h5", "/x")


@pytest.fixture
def survey(tmp_path: Path) -> Path:
    path = tmp_path / "survey.h5"
    build(path)
    return path


def links(group: h5py.Group, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield each link of a tree, in order, and what it is."""
    for name in group:
        link = group.get(name, getlink=True)
        target = getattr(link, "path", "")
        yield f"{prefix}/{name}", f"{type(link).__name__} {target}"
        if isinstance(link, h5py.HardLink) and isinstance(group[name], h5py.Group):
            yield from links(group[name], f"{prefix}/{name}")


def attributes(item: Any) -> list[tuple[str, str, str]]:
    return [(k, repr(v), str(getattr(v, "dtype", ""))) for k, v in item.attrs.items()]


def description(dataset: h5py.Dataset) -> tuple[Any, ...]:
    plist = dataset.id.get_create_plist()
    filters = [plist.get_filter(i) for i in range(plist.get_nfilters())]
    kind = dataset.id.get_type().encode()
    return (
        *(kind, dataset.shape, dataset.maxshape, dataset.chunks, plist.get_layout(), filters),
        *(repr(dataset.fillvalue), attributes(dataset)),
    )


def datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    found: dict[str, h5py.Dataset] = {}
    file.visititems(
        lambda path, item: found.update({path: item}) if isinstance(item, h5py.Dataset) else None
    )
    return found


def content(dataset: h5py.Dataset) -> str:
    value = dataset[()]
    if h5py.check_ref_dtype(dataset.dtype) is not None:
        return str(dataset.file[value].name)
    is_plain = isinstance(value, np.ndarray) and not value.dtype.hasobject
    return value.tobytes().hex() if is_plain else repr(value)


def test_tree_links_and_attributes_are_kept(survey: Path) -> None:
    target = noisy_file(survey, "-s", 0.5, "-c", "*flux,*table.*,*counts")

    with h5py.File(survey) as before, h5py.File(target) as after:
        assert [*links(before)] == [*links(after)]
        for path in ("/", "entry"):
            assert attributes(before[path]) == attributes(after[path])
        assert after["alias"] == after["entry/plain"]
        assert after["soft"] == after["entry/flux"]


def test_types_shapes_chunks_and_filters_are_kept(survey: Path) -> None:
    target = noisy_file(survey, "-s", 0.5, "-c", "*flux,*table.*,*counts")

    with h5py.File(survey) as before, h5py.File(target) as after:
        expected = {path: description(dataset) for path, dataset in datasets(before).items()}
        assert expected == {path: description(data) for path, data in datasets(after).items()}


def changed_between(one: Path, other: Path) -> list[str]:
    with h5py.File(one) as before, h5py.File(other) as after:
        found = datasets(after)
        return [
            path
            for path, dataset in datasets(before).items()
            if content(dataset) != content(found[path])
        ]


def test_floats_are_the_default_choice(survey: Path) -> None:
    target = noisy_file(survey, "-s", 0.5)

    names = ["flux", "big_endian", "table", "vectors", "scalar", "unwritten"]
    expected = {"alias", *(f"entry/{name}" for name in names)}
    assert expected == set(changed_between(survey, target))


@pytest.mark.parametrize(
    ("choice", "changed"),
    [
        ("entry/flux", "entry/flux"),
        ("/entry/flux", "entry/flux"),
        ("/entry/fl*x", "entry/flux"),
        ("entry/counts", "entry/counts"),
        ("entry/table.x", "entry/table"),
        ("entry/table.id", "entry/table"),
        ("entry/big_endian", "entry/big_endian"),
        ("entry/scalar", "entry/scalar"),
    ],
)
def test_only_the_chosen_dataset_changes(survey: Path, choice: str, changed: str) -> None:
    assert [changed] == changed_between(survey, noisy_file(survey, "-s", 5, "-c", choice))


@pytest.mark.one_in(3)
@pytest.mark.parametrize("storage", STORAGE)
@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4", "<f2", "<i4", ">i8"])
@pytest.mark.parametrize("size", ["1MiB", "64"])
def test_noise_follows_the_index_however_it_is_stored(
    tmp_path: Path, storage: str, dtype: str, size: str
) -> None:
    source = tmp_path / "data.h5"
    values = (100 * FLUX).astype(dtype)
    with h5py.File(source, "w") as file:
        file.create_dataset("flux", data=values, **STORAGE[storage])

    target = noisy_file(source, "-s", 5, "-c", "flux", "--chunk-size", size)

    noise = 5 * normal_noise("flux", 600).reshape(20, 30)
    noise = np.rint(noise) if np.dtype(dtype).kind == "i" else noise
    expected = (values.astype("f8") + noise).astype(dtype)
    with h5py.File(target) as file:
        assert expected.tolist() == file["flux"][()].tolist()
        assert dtype == file["flux"].dtype.str


@pytest.mark.parametrize("shape", [(10_000,), (3, 5000), (10, 10, 100), (2, 3, 4, 500)], ids=str)
@pytest.mark.parametrize("jobs", [1, 3])
def test_chunks_over_several_noise_blocks(
    tmp_path: Path, shape: tuple[int, ...], jobs: int
) -> None:
    source = tmp_path / "data.h5"
    chunks = tuple(max(1, extent // 3) for extent in shape)
    with h5py.File(source, "w") as file:
        file.create_dataset("x", shape, "f4", chunks=chunks, compression="gzip")

    target = noisy_file(source, "-s", 5, "--jobs", jobs)

    count = int(np.prod(shape))
    with h5py.File(target) as file:
        expected = (5 * normal_noise("x", count)).astype("f4").reshape(shape)
        assert np.array_equal(expected, file["x"][()])


@pytest.mark.parametrize("level", ["0.5", "5%", "0.1sd", "0.2iqr", "1%range"])
@pytest.mark.parametrize("cut", [("--jobs", 3), ("--chunk-size", 100), ("--chunk-size", "1GiB")])
def test_the_same_command_gives_the_same_bytes(
    survey: Path, level: str, cut: tuple[object, ...]
) -> None:
    assert noisy(survey, "-s", level, "-q") == noisy(survey, "-s", level, "-q", *cut)


def test_a_pipe_gives_the_same_bytes(survey: Path) -> None:
    assert noisy(survey, "-s", 0.5) == noisy("-s", 0.5, "-q", given=survey.read_bytes())


@pytest.mark.parametrize("chosen", ["b", "a,b", "a,b,zipped", "a,zipped"])
@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_contiguous_datasets_written_by_the_workers(tmp_path: Path, chosen: str, jobs: int) -> None:
    path = tmp_path / "in.h5"
    values = np.arange(50_000.0)
    with h5py.File(path, "w") as file:
        for name, options in {
            "a": {},
            "zipped": STORAGE["gzip"] | {"chunks": (999,)},
            "b": {},
        }.items():
            file.create_dataset(name, data=values, **options)
        file.create_dataset("last", data=values)

    noise_of = ("-s", 1, "--seed", 1, "-c", chosen)
    out = noisy_file(path, *noise_of, "--chunk-size", "4KiB", "--jobs", jobs)

    names = chosen.split(",")
    with h5py.File(out) as file:
        for name in ("a", "b", "zipped", "last"):
            noise = normal_noise(name, len(values)) if name in names else 0
            np.testing.assert_array_equal(values + noise, file[name])


def test_no_noise_changes_no_value(survey: Path) -> None:
    assert [] == changed_between(survey, noisy_file(survey, "-s", 0))


def test_compound_members_are_fields(survey: Path) -> None:
    target = noisy_file(survey, "-s", 0.5, "-c", "entry/table.x,entry/table.id")

    with h5py.File(survey) as file:
        expected = file["entry/table"][()]
    expected["x"] += 0.5 * normal_noise("x", 50)
    expected["id"] += np.rint(0.5 * normal_noise("id", 50)).astype(int)
    with h5py.File(target) as file:
        assert expected.tobytes() == file["entry/table"][()].tobytes()


def test_a_dataset_in_the_root_is_called_as_a_column_would_be(tmp_path: Path) -> None:
    source = tmp_path / "data.h5"
    with h5py.File(source, "w") as file:
        file["x"] = np.zeros(10)

    with h5py.File(noisy_file(source, "-s", 1)) as file:
        assert normal_noise("x", 10).tolist() == file["x"][()].tolist()


def test_a_dataset_with_two_names_gets_noise_once(tmp_path: Path) -> None:
    source = tmp_path / "data.h5"
    with h5py.File(source, "w") as file:
        file["b"] = np.zeros(10)
        file["a"] = file["b"]

    with h5py.File(noisy_file(source, "-s", 1)) as file:
        assert normal_noise("a", 10).tolist() == file["b"][()].tolist()


def test_a_dataset_is_chosen_by_either_of_its_names(tmp_path: Path) -> None:
    source = tmp_path / "data.h5"
    with h5py.File(source, "w") as file:
        file["a"] = np.zeros(10)
        file["b"] = file["a"]

    assert noisy(source, "-s", 1, "-c", "a") == noisy(source, "-s", 1, "-c", "b")


@pytest.mark.parametrize(
    "name",
    ["names", "codes", "flags", "colours", "ragged", "reference", "opaque", "null"],
)
def test_a_named_dataset_without_numbers_is_refused(survey: Path, name: str) -> None:
    done = run(survey, "-o", survey.with_name("out.h5"), "-s", 1, "-c", f"entry/{name}", "-q")

    assert done.status == 2
    assert len(done.lines) == 1
    assert f"field 'entry/{name}'" in done.messages
    assert [survey] == list(survey.parent.iterdir())


@pytest.mark.parametrize(("name", "values"), [("scalar", 2.5), ("unwritten", [3.5] * 5)])
def test_scalar_and_unwritten_datasets_get_noise(survey: Path, name: str, values: Any) -> None:
    target = noisy_file(survey, "-s", 1, "-c", f"entry/{name}")

    values = np.array(values)
    with h5py.File(target) as file:
        expected = values + normal_noise(f"entry/{name}", values.size).reshape(values.shape)
        assert expected.tolist() == file[f"entry/{name}"][()].tolist()


def test_a_file_without_elements_passes_through_with_a_note(tmp_path: Path) -> None:
    source, target = tmp_path / "data.h5", tmp_path / "out.h5"
    with h5py.File(source, "w") as file:
        file.create_dataset("x", (0, 3), "f8", maxshape=(None, 3))

    done = run(source, "-o", target, "--seed", 1)

    assert (0, source.read_bytes()) == (done.status, target.read_bytes())
    assert len(done.lines) == 1
    assert "passes through" in done.messages


@pytest.mark.parametrize("size", [512, 1024])
def test_a_user_block_is_kept(tmp_path: Path, size: int) -> None:
    source = tmp_path / "data.h5"
    with h5py.File(source, "w", userblock_size=size) as file:
        file["x"] = np.zeros(10)
        file.create_dataset("y", data=np.zeros(10), chunks=(3,))
    with source.open("r+b") as raw:
        raw.write(b"#!/bin/sh\n" * 20)

    target = noisy_file(source, "-s", 1)

    assert source.read_bytes()[:size] == target.read_bytes()[:size]
    with h5py.File(target) as file:
        assert size == file.userblock_size
        assert normal_noise("x", 10).tolist() == file["x"][()].tolist()
        assert normal_noise("y", 10).tolist() == file["y"][()].tolist()


@pytest.mark.parametrize("libver", ["earliest", "latest", "v110"])
def test_every_version_of_the_format_is_read(tmp_path: Path, libver: str) -> None:
    source = tmp_path / "data.h5"
    with h5py.File(source, "w", libver=libver) as file:
        file.create_dataset("x", data=np.zeros(100), chunks=(30,), maxshape=(None,))

    with h5py.File(noisy_file(source, "-s", 1)) as file:
        assert normal_noise("x", 100).tolist() == file["x"][()].tolist()


def test_a_virtual_dataset_is_left_alone(tmp_path: Path) -> None:
    source = tmp_path / "data.h5"
    with h5py.File(source, "w") as file:
        file["x"] = np.zeros(10)
        view = h5py.VirtualLayout((5,), "f8")
        view[:] = h5py.VirtualSource(file["x"])[::2]
        file.create_virtual_dataset("view", view)

    with h5py.File(noisy_file(source, "-s", 1)) as file:
        assert normal_noise("x", 10).tolist() == file["x"][()].tolist()
        assert file["x"][::2].tolist() == file["view"][()].tolist()


def test_a_level_from_another_dataset(tmp_path: Path) -> None:
    source = tmp_path / "data.h5"
    with h5py.File(source, "w") as file:
        file["flux"] = np.zeros((2, 3))
        file.create_dataset("err", data=[[1.0, -2, 0], [4, 5, 6]], chunks=(1, 2))

    with h5py.File(noisy_file(source, "-s", "@err", "-c", "flux")) as file:
        expected = normal_noise("flux", 6).reshape(2, 3) * [[1, 2, 0], [4, 5, 6]]
        assert expected.tolist() == file["flux"][()].tolist()


def test_a_level_from_a_dataset_of_another_length_is_refused(survey: Path) -> None:
    done = run(survey, "-s", "@entry/plain", "-c", "entry/flux", "-q")

    assert done.status == 2
    assert len(done.lines) == 1
    assert "entry/plain" in done.messages


def broken_chunk(data: bytes) -> bytes:
    """Spoil the compressed bytes of the first chunk."""
    at = data.index(b"\x78\x5e") if b"\x78\x5e" in data else data.index(b"\x78\x9c")
    return data[: at + 2] + b"\xff" * 30 + data[at + 32 :]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: data[:-1], id="last-byte-missing"),
        pytest.param(lambda data: data[: len(data) // 2], id="half-missing"),
        pytest.param(lambda data: data[:100], id="head-only"),
        pytest.param(lambda data: data[:8], id="magic-only"),
        pytest.param(lambda data: data[:8] + b"\xff" * (len(data) - 8), id="all-but-magic-spoilt"),
        pytest.param(broken_chunk, id="a-chunk-spoilt"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    good, source = tmp_path / "good.h5", tmp_path / "data.h5"
    with h5py.File(good, "w") as file:
        file.create_dataset("x", data=np.arange(1000.0), chunks=(100,), compression="gzip")
    source.write_bytes(change(good.read_bytes()))
    good.unlink()

    done = run(source, "-o", tmp_path / "out.h5", "-s", 1, "--seed", 1)

    assert done.status == 3
    assert len(done.lines) == 1
    assert done.messages.startswith(f"noisify: {source}")
    assert [source] == list(tmp_path.iterdir())


@pytest.mark.parametrize("size", [3000, 6000, 9000])
def test_a_contiguous_dataset_that_is_cut_short_is_refused(tmp_path: Path, size: int) -> None:
    source = tmp_path / "data.h5"
    with h5py.File(source, "w") as file:
        file["x"] = np.arange(1000.0)
    source.write_bytes(source.read_bytes()[:size])

    done = run(source, "-o", tmp_path / "out.h5", "-s", 1, "--seed", 1)

    assert done.status == 3
    assert len(done.lines) == 1
    assert [source] == list(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which("h5diff") is None, reason="h5diff is not installed")
def test_h5diff_finds_no_difference_where_nothing_was_chosen(survey: Path) -> None:
    target = noisy_file(survey, "-s", 0.5, "-c", "entry/flux")

    done = subprocess.run(
        [
            *("h5diff", "--exclude-path", "/entry/flux"),
            *("--exclude-path", "/entry/reference", survey, target),  # it points to the flux
        ],
        capture_output=True,
        check=False,
        text=True,
    )

    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(shutil.which("h5dump") is None, reason="h5dump is not installed")
def test_h5dump_shows_the_same_structure(survey: Path) -> None:
    target = noisy_file(survey, "-s", 0.5)

    headers = [
        subprocess.run(
            ["h5dump", "-H", "-p", path],  # noqa: S607
            capture_output=True,
            check=True,
            text=True,
        ).stdout.splitlines()[1:]
        for path in (survey, target)
    ]

    assert without_sizes(headers[0]) == without_sizes(headers[1])


def without_sizes(lines: list[str]) -> list[str]:
    """Leave out how many bytes compressed data take, and that an unwritten dataset took none."""
    return [line for line in lines if "SIZE" not in line and "OFFSET" not in line]


def test_a_model_that_looks_at_neighbours_keeps_to_its_dataset(tmp_path):
    path = tmp_path / "two.h5"
    with h5py.File(path, "w") as file:
        file["a"] = np.arange(3000.0)
        file["b"] = np.arange(3000.0) * 2
    whole = noisy_file(path, "-d", "stuck", "--rate", "20%").read_bytes()
    cut = noisy_file(path, "-d", "stuck", "--rate", "20%", "--chunk-size", "1k").read_bytes()
    assert path.read_bytes() != whole
    assert whole == cut


def test_pieces_that_are_in_memory_before_they_are_worked_on_say_so(tmp_path: Path) -> None:
    path = tmp_path / "in.h5"
    with h5py.File(path, "w") as file:
        file["plain"] = FLUX
        file.create_dataset("error", data=FLUX, chunks=(5, 6))
    with contextlib.closing(Hdf5Source(Input(path))) as source:
        by_name = {field.name: field for field in source.fields}
        for names, lazy in ((["plain"], True), (["plain", "error"], False)):
            reading = source.read([[by_name[name] for name in names]], 1 << 20)
            assert lazy is reading.lazy


def test_a_file_that_becomes_shorter_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(1000.0)
        file["y"] = np.arange(100_000.0)

    def cut_short() -> None:
        with FileOutput(tmp_path / "out.h5") as output:
            sink = Hdf5Sink(path, {}, output)
            os.truncate(path, 100_000)
            try:
                sink.finish()
            finally:
                sink.close()

    with pytest.raises(DataError, match="became shorter"):
        cut_short()

    assert [path] == list(tmp_path.iterdir())

"""HDF5 storage: layouts, filters and chunk indexes, read and written chunk by chunk."""

from __future__ import annotations

import itertools
import sys
import time
import zlib
from typing import TYPE_CHECKING, Any, ClassVar

import h5py
import hdf5plugin
import numpy as np
import pytest
from conformance import FormatConformance
from example_counts import examples
from h5py import h5d, h5p, h5s, h5t, h5z
from hypothesis import given
from hypothesis import strategies as st
from run_command import noisy, noisy_file, normal_noise, run

from noisify.formats.datasets.chunk_file import ChunkFile, Limits
from noisify.formats.datasets.storage import RechunkedStorage
from noisify.formats.hdf5 import filters
from noisify.formats.hdf5.filters import Filter, fletcher32
from noisify.formats.hdf5.object_headers import checksum

if TYPE_CHECKING:
    from pathlib import Path

VALUES = np.linspace(-3, 5, 2000).reshape(40, 50)
CHUNKS = (7, 11)


class Hdf5Conformance(FormatConformance):
    suffix = ".h5"
    storage: ClassVar[dict[str, Any]]

    def write(self, path, columns):
        with h5py.File(path, "w") as file:
            for name, values in columns.items():
                options = self.storage if len(values) else {}
                file.create_dataset(name, data=values, **options)

    def read(self, path):
        with h5py.File(path) as file:
            return {name: dataset[()] for name, dataset in file.items()}


class TestContiguous(Hdf5Conformance):
    storage: ClassVar = {}


class TestChunked(Hdf5Conformance):
    storage: ClassVar = {"chunks": True}


class TestCompressed(Hdf5Conformance):
    storage: ClassVar = {"chunks": True, "compression": "gzip", "shuffle": True}
    splices = False


class TestThroughTheLibrary(Hdf5Conformance):
    storage: ClassVar = {"chunks": True, "compression": "lzf"}
    splices = False


FILTERS: dict[str, dict[str, Any]] = {
    "gzip-0": {"compression": "gzip", "compression_opts": 0},
    "gzip-9": {"compression": "gzip", "compression_opts": 9},
    "shuffle": {"shuffle": True},
    "fletcher32": {"fletcher32": True},
    "gzip-shuffle-fletcher32": {"compression": "gzip", "shuffle": True, "fletcher32": True},
    "lzf-shuffle": {"compression": "lzf", "shuffle": True},
    "blosc": {**hdf5plugin.Blosc()},
    "zstd": {**hdf5plugin.Zstd()},
    "lz4": {**hdf5plugin.LZ4()},
    "bitshuffle": {**hdf5plugin.Bitshuffle()},
}
if h5z.filter_avail(h5z.FILTER_SZIP):
    FILTERS["szip"] = {"compression": "szip"}


def make(path: Path, **options: Any) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", **{"data": VALUES, "chunks": CHUNKS, **options})
    return path


def filters_of(dataset: h5py.Dataset) -> list[tuple[Any, ...]]:
    plist = dataset.id.get_create_plist()
    return [plist.get_filter(at) for at in range(plist.get_nfilters())]


def expected(scale: float = 0.5) -> np.ndarray:
    return VALUES + scale * normal_noise("x", VALUES.size).reshape(VALUES.shape)


class TestFilters:
    @pytest.mark.parametrize("name", FILTERS)
    def test_are_kept_and_noise_is_that_of_the_elements(self, tmp_path, name):
        source = make(tmp_path / "in.h5", **FILTERS[name])

        with h5py.File(source) as before, h5py.File(noisy_file(source, "-s", 0.5)) as after:
            assert filters_of(before["x"]) == filters_of(after["x"])
            assert np.array_equal(expected(), after["x"][()])

    @pytest.mark.parametrize("name", [name for name in FILTERS if name != "lzf-shuffle"])
    def test_do_not_let_the_cut_show(self, tmp_path, name):
        source = make(tmp_path / "in.h5", **FILTERS[name])

        whole = noisy(source, "-s", 0.5, "--jobs", 3, "--chunk-size", "1GiB")

        assert whole == noisy(source, "-s", 0.5, "--jobs", 1, "--chunk-size", 8)

    def test_let_the_values_be_the_same_where_the_filter_packs_them_as_it_likes(self, tmp_path):
        source = make(tmp_path / "in.h5", **FILTERS["lzf-shuffle"])
        found = []

        for options in (("--jobs", 3, "--chunk-size", "1GiB"), ("--jobs", 1, "--chunk-size", 8)):
            with h5py.File(noisy_file(source, "-s", 0.5, *options)) as after:
                found.append(after["x"][()].tobytes())

        assert found[0] == found[1]

    @pytest.mark.parametrize("name", ["gzip-shuffle-fletcher32", "lzf-shuffle"])
    def test_keep_every_value_without_noise(self, tmp_path, name):
        source = make(tmp_path / "in.h5", **FILTERS[name])

        with h5py.File(noisy_file(source, "-s", 0)) as after:
            assert np.array_equal(VALUES, after["x"][()])

    def test_a_chunk_that_did_not_pass_some_keeps_it_so(self, tmp_path):
        source = make(tmp_path / "in.h5", compression="gzip", shuffle=True, chunks=(10, 25))
        with h5py.File(source, "r+") as file:
            chunks = file["x"].id
            chunks.write_direct_chunk((10, 25), VALUES[10:20, 25:].tobytes(), 0b11)
            chunks.write_direct_chunk((20, 0), zlib.compress(VALUES[20:30, :25].tobytes()), 0b01)

        with h5py.File(noisy_file(source, "-s", 0.5)) as after:
            assert np.array_equal(expected(), after["x"][()])
            assert 0b11 == after["x"].id.read_direct_chunk((10, 25))[0]
            assert 0b01 == after["x"].id.read_direct_chunk((20, 0))[0]

    def test_gzip_does_without_isal(self, tmp_path, monkeypatch):
        source = make(tmp_path / "in.h5", compression="gzip")
        monkeypatch.setattr(filters, "isal_zlib", None)

        with h5py.File(noisy_file(source, "-s", 0.5)) as after:
            assert np.array_equal(expected(), after["x"][()])

    def test_one_that_rounds_is_noted_and_rounds(self, tmp_path):
        source = make(tmp_path / "in.h5", scaleoffset=2)

        done = run(source, "-o", tmp_path / "out.h5", "-s", 0.5, "--seed", 1)

        assert (
            "noisify: note: filters that round values round their noise too: x (scale-offset)"
            in (done.messages)
        )
        with h5py.File(tmp_path / "out.h5") as after:
            np.testing.assert_allclose(expected(), after["x"][()], atol=0.011)

    def test_whole_numbers_in_scale_offset_are_exact(self, tmp_path):
        source = make(tmp_path / "in.h5", data=(VALUES * 100).astype("i4"), scaleoffset=0)

        done = run(source, "-o", tmp_path / "out.h5", "-s", 5, "--seed", 1)

        assert (0, "") == (done.status, done.messages)
        noise = np.rint(5 * normal_noise("x", VALUES.size)).reshape(VALUES.shape)
        with h5py.File(tmp_path / "out.h5") as after:
            assert np.array_equal((VALUES * 100).astype("i4") + noise, after["x"][()])

    def test_nbit_keeps_whole_numbers_within_their_bits(self, tmp_path):
        kind = h5t.STD_I16LE.copy()
        kind.set_precision(12)
        options = h5p.create(h5p.DATASET_CREATE)
        options.set_chunk(CHUNKS)
        options.set_filter(h5z.FILTER_NBIT, h5z.FLAG_OPTIONAL)
        values = (VALUES * 400).astype("i2")
        with h5py.File(tmp_path / "in.h5", "w") as file:
            h5d.create(file.id, b"x", kind, h5s.create_simple(values.shape), options).write(
                h5s.ALL, h5s.ALL, values
            )

        with h5py.File(noisy_file(tmp_path / "in.h5", "-s", 500, "-c", "x")) as after:
            noise = np.rint(500 * normal_noise("x", values.size)).reshape(values.shape)
            assert np.array_equal(np.clip(values + noise, -2048, 2047), after["x"][()])
            assert 12 == after["x"].id.get_type().get_precision()

    def test_one_that_is_missing_is_named(self, tmp_path, monkeypatch):
        source = make(tmp_path / "in.h5", **FILTERS["zstd"])
        monkeypatch.setattr(h5z, "filter_avail", lambda code: code < 256)
        monkeypatch.setitem(sys.modules, "hdf5plugin", None)

        done = run(source, "-o", tmp_path / "out.h5", "-s", 1, "-q")

        assert (2, 1) == (done.status, len(done.lines))
        assert "field 'x': is compressed by the HDF5 filter" in done.messages
        assert "(32015), which is not installed; pip install hdf5plugin" in done.messages
        assert [source] == list(tmp_path.iterdir())

    @pytest.mark.parametrize("name", ["gzip-9", "fletcher32", "gzip-shuffle-fletcher32", "shuffle"])
    def test_a_spoilt_chunk_is_one_line(self, tmp_path, name):
        source = make(tmp_path / "in.h5", **FILTERS[name])
        with h5py.File(source, "r+") as file:
            mask, data = file["x"].id.read_direct_chunk((14, 22))
            file["x"].id.write_direct_chunk((14, 22), data[:-9] + bytes(3), mask)

        done = run(source, "-o", tmp_path / "out.h5", "-s", 1, "-q")

        assert (3, 1) == (done.status, len(done.lines))
        assert "field 'x': has a chunk that cannot be read" in done.messages


@pytest.mark.parametrize(
    "data",
    [
        np.zeros(10),
        np.arange(250, dtype="u1"),
        np.full(7, 255, "u1"),
        np.full(70_001, 65535, "u2"),
        np.random.default_rng(1).normal(size=30_001),
    ],
    ids=["zeros", "short", "odd", "sums-of-65535", "several-blocks"],
)
def test_the_checksum_is_that_of_the_library(tmp_path, data):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        dataset = file.create_dataset("x", data=data, chunks=data.shape, fletcher32=True)
        _, chunk = dataset.id.read_direct_chunk((0,))

    assert int.from_bytes(chunk[-4:], "little") == fletcher32(chunk[:-4])


def test_checksums_of_old_big_endian_machines_are_taken():
    chunk = b"some data of 20 bytes"
    right = fletcher32(chunk).to_bytes(4, "little")
    exchanged = bytes(right[at] for at in (1, 0, 3, 2))

    check = Filter(h5z.FILTER_FLETCHER32, ())
    assert chunk == bytes(check.undo(chunk + exchanged)) == bytes(check.undo(chunk + right))


def test_the_checksum_of_headers_is_that_of_the_library(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w", libver="v110"):
        pass
    superblock = (tmp_path / "x.h5").read_bytes()[:48]

    assert int.from_bytes(superblock[44:], "little") == checksum(superblock[:44])


INDEXES = {
    "single": {"chunks": VALUES.shape},
    "fixed-array": {},
    "extensible-array": {"maxshape": (None, 50)},
    "b-tree": {"maxshape": (None, None)},
}


@pytest.mark.parametrize("libver", ["earliest", "v110", "latest"])
@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_every_kind_of_chunk_index(tmp_path, libver, index, compression):
    source = tmp_path / "in.h5"
    with h5py.File(source, "w", libver=libver) as file:
        options = {"chunks": CHUNKS, "compression": compression, **INDEXES[index]}
        file.create_dataset("x", data=VALUES, **options)

    with h5py.File(noisy_file(source, "-s", 0.5)) as after:
        assert np.array_equal(expected(), after["x"][()])


def test_chunks_without_an_index(tmp_path):
    options = h5p.create(h5p.DATASET_CREATE)
    options.set_chunk(CHUNKS)
    options.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    with h5py.File(tmp_path / "in.h5", "w", libver="latest") as file:
        space = h5s.create_simple(VALUES.shape)
        dataset = h5d.create(file.id, b"x", h5t.IEEE_F64LE, space, options)
        dataset.write(h5s.ALL, h5s.ALL, VALUES)

    with h5py.File(noisy_file(tmp_path / "in.h5", "-s", 0.5)) as after:
        assert np.array_equal(expected(), after["x"][()])


@pytest.mark.parametrize("compression", [None, "gzip", "lzf"])
def test_chunks_that_are_not_in_the_file_are_elements_too(tmp_path, compression):
    source = tmp_path / "in.h5"
    with h5py.File(source, "w") as file:
        options = {"chunks": CHUNKS, "compression": compression, "fillvalue": 2.5}
        file.create_dataset("x", VALUES.shape, "f8", **options)[8:10, :20] = 1

    with h5py.File(noisy_file(source, "-s", 0.5)) as after:
        before = np.full(VALUES.shape, 2.5)
        before[8:10, :20] = 1
        noise = 0.5 * normal_noise("x", VALUES.size).reshape(VALUES.shape)
        assert np.array_equal(before + noise, after["x"][()])


def test_the_fill_value_of_a_compound_is_kept_in_all_its_members(tmp_path):
    source = tmp_path / "in.h5"
    kind = np.dtype([("x", "f8"), ("tag", "S4"), ("n", ">i2")])
    fill = np.array((2.5, b"ab", 7), kind)
    with h5py.File(source, "w") as file:
        file.create_dataset("t", (20,), kind, chunks=(6,), compression="gzip", fillvalue=fill)[
            1
        ] = 0

    with h5py.File(source) as before, h5py.File(noisy_file(source, "-s", 1, "-c", "t.x")) as after:
        rows = before["t"][()]
        rows["x"] += normal_noise("x", 20)
        assert rows.tobytes() == after["t"][()].tobytes()


def test_what_is_stored_beyond_the_end_of_a_dataset_stays(tmp_path):
    source = tmp_path / "in.h5"
    with h5py.File(source, "w") as file:
        dataset = file.create_dataset("x", (10, 10), "f8", chunks=(4, 10), maxshape=(None, 10))
        dataset.id.write_direct_chunk((8, 0), np.arange(40.0).tobytes())

    with h5py.File(noisy_file(source, "-s", 1)) as after:
        chunk = np.frombuffer(after["x"].id.read_direct_chunk((8, 0))[1]).reshape(4, 10)
        assert np.array_equal(np.arange(20.0, 40).reshape(2, 10), chunk[2:])
        assert not np.array_equal(np.arange(20.0).reshape(2, 10), chunk[:2])


def test_compact_storage_stays_compact(tmp_path):
    options = h5p.create(h5p.DATASET_CREATE)
    options.set_layout(h5d.COMPACT)
    with h5py.File(tmp_path / "in.h5", "w") as file:
        dataset = h5d.create(file.id, b"x", h5t.IEEE_F32BE, h5s.create_simple((10,)), options)
        dataset.write(h5s.ALL, h5s.ALL, np.arange(10.0))

    with h5py.File(noisy_file(tmp_path / "in.h5", "-s", 1)) as after:
        assert h5d.COMPACT == after["x"].id.get_create_plist().get_layout()
        noise = normal_noise("x", 10)
        assert np.array_equal((np.arange(10.0) + noise).astype("f4"), after["x"][()])


TALL = np.linspace(-3, 5, 2_000_000, dtype="f4").reshape(1000, 2000)
"""So many elements that chunks of most rows do not fit into the memory for pieces."""


def make_tall(path: Path, **options: Any) -> Path:
    return make(path, data=TALL, **{"compression": "lzf", "shuffle": True, **options})


def tall_noise(scale: float | np.ndarray) -> np.ndarray:
    return TALL + scale * normal_noise("x", TALL.size).reshape(TALL.shape)


class TestAgainstTheRowOrder:
    """Chunks that reach over many rows, more than fit into memory, are unpacked to a file."""

    @pytest.fixture
    def unpacked(self, monkeypatch):
        """Return the list of the datasets that were unpacked."""
        paths: list[str] = []
        plain = RechunkedStorage.of
        monkeypatch.setattr(
            RechunkedStorage,
            "of",
            lambda base, *more: paths.append(base.path) or plain(base, *more),
        )
        return paths

    @pytest.mark.parametrize("chunks", [(1000, 200), (700, 900), (1000, 2000)], ids=str)
    @pytest.mark.parametrize(
        "compression", [None, "lzf", pytest.param("gzip", marks=pytest.mark.slow)]
    )
    def test_gives_the_noise_of_the_elements(self, tmp_path, chunks, compression, unpacked):
        source = make_tall(tmp_path / "in.h5", chunks=chunks, compression=compression)

        with h5py.File(noisy_file(source, "-s", 0.5)) as after:
            assert np.array_equal(tall_noise(0.5).astype("f4"), after["x"][()])
            assert chunks == after["x"].chunks
        assert ["x"] == unpacked

    @pytest.mark.parametrize(
        ("shape", "chunks"),
        [
            ((400_000,), (350_000,)),
            ((5, 80, 1000), (5, 40, 700)),
            ((3, 4, 5, 7000), (3, 3, 2, 3000)),
            ((400_000, 1), (350_000, 1)),
        ],
        ids=str,
    )
    def test_gives_what_a_dataset_without_chunks_gets(self, tmp_path, shape, chunks, unpacked):
        kind = [("a", "f8"), ("tag", "S3"), ("v", "f4", (2,))]
        rows = np.zeros(shape, kind)
        rows["a"], rows["tag"] = np.arange(rows.size).reshape(shape), b"xy"
        found = []
        for options in ({}, {"chunks": chunks, "maxshape": (None,) * len(shape), "shuffle": True}):
            with h5py.File(tmp_path / "in.h5", "w") as file:
                file.create_dataset("t", data=rows, **options)
            with h5py.File(noisy_file(tmp_path / "in.h5", "-s", 1, "--jobs", 3)) as after:
                found.append(after["t"][()])

        assert found[0].tobytes() == found[1].tobytes()
        assert rows.tobytes() != found[0].tobytes()
        assert ["t"] == unpacked

    def test_keeps_chunks_that_did_not_pass_all_filters(self, tmp_path, unpacked):
        source = make_tall(tmp_path / "in.h5", compression="gzip", chunks=(1000, 1000))
        with h5py.File(source, "r+") as file:
            file["x"].id.write_direct_chunk((0, 1000), TALL[:, 1000:].tobytes(), 3)

        with h5py.File(noisy_file(source, "-d", "impulse", "--rate", "1%")) as after:
            changed = after["x"][()] != TALL
            assert [0, 3] == [after["x"].id.read_direct_chunk((0, at))[0] for at in (0, 1000)]
        assert 0.009 < changed[:, :1000].mean() < 0.011
        assert 0.009 < changed[:, 1000:].mean() < 0.011
        assert ["x"] == unpacked

    def test_is_unpacked_once_for_a_survey_and_several_outputs(self, tmp_path, unpacked):
        source = make_tall(tmp_path / "in.h5", chunks=(1000, 200))

        done = run(
            *(source, "--sweep", "scale=0.1sd,0.2sd", "--output-dir", tmp_path / "out"),
            *("--seed", 1, "-q"),
        )

        assert (0, "") == (done.status, done.messages)
        assert ["x"] == unpacked
        found = sorted((tmp_path / "out").glob("*.h5"))
        for scale, path in zip((0.1, 0.2), found, strict=True):
            with h5py.File(path) as file:
                expected = tall_noise(scale * TALL.std(dtype="f8"))
                np.testing.assert_allclose(expected, file["x"][()], rtol=0, atol=1e-6)

    def test_a_model_that_looks_at_neighbours_has_them(self, tmp_path, unpacked):
        source = make_tall(tmp_path / "in.h5", chunks=(1000, 200))
        flat = make(tmp_path / "flat.h5", data=TALL, chunks=None)

        options = ("-d", "stuck", "--rate", "20%")
        with (
            h5py.File(noisy_file(source, *options)) as cut,
            h5py.File(noisy_file(flat, *options)) as whole,
        ):
            assert np.array_equal(whole["x"][()], cut["x"][()])
        assert ["x"] == unpacked

    @pytest.mark.parametrize("compression", ["gzip", "lzf"])
    def test_a_spoilt_chunk_is_one_line(self, tmp_path, compression):
        source = make_tall(tmp_path / "in.h5", compression=compression, chunks=(1000, 200))
        with h5py.File(source, "r+") as file:
            file["x"].id.write_direct_chunk((0, 400), bytes(range(200)), 0)

        done = run(source, "-o", tmp_path / "out.h5", "-s", 1, "-q")

        assert (3, 1) == (done.status, len(done.lines)), done.messages
        assert "field 'x'" in done.messages
        assert [source] == list(tmp_path.iterdir())

    def test_no_room_to_unpack_is_one_line(self, tmp_path, monkeypatch):
        source = make_tall(tmp_path / "in.h5", chunks=(1000, 200))
        monkeypatch.setattr("noisify.files.write_behind.reserve", no_room)

        done = run(source, "-o", tmp_path / "out.h5", "-s", 1, "-q")

        assert (1, 1) == (done.status, len(done.lines))
        assert "field 'x'" in done.messages
        assert "point TMPDIR to a larger folder" in done.messages


def no_room(*_: object) -> None:
    raise OSError(28, "No space left on device")


@examples(40)
@given(data=st.data())
def test_a_temporary_file_of_chunks_gives_any_box_back(data):
    rank = data.draw(st.integers(1, 4))
    shape = tuple(data.draw(st.integers(1, 9)) for _ in range(rank))
    chunks = tuple(data.draw(st.integers(1, extent + 2)) for extent in shape)
    values = np.arange(np.prod(shape), dtype="f8").reshape(shape)
    first = [step * data.draw(st.integers(0, 2)) for step in chunks]

    def placed(box):
        return tuple(slice(at + b.start, at + b.stop) for at, b in zip(first, box, strict=True))

    whole = tuple(slice(0, extent) for extent in shape)
    limits = Limits(
        tile_bytes=data.draw(st.sampled_from([8, 100, 1000])),
        kept_bytes=data.draw(st.sampled_from([50, 10_000])),
        tiles=data.draw(st.sampled_from([1, 2, 16])),
    )
    file = ChunkFile("x", placed(whole), chunks, values.dtype, limits)
    for corner in itertools.product(
        *(range(0, extent, step) for extent, step in zip(shape, chunks, strict=True))
    ):
        inside = tuple(slice(at, at + step) for at, step in zip(corner, chunks, strict=True))
        file.put(tuple(map(sum, zip(first, corner, strict=True))), values[inside])
    axis = data.draw(st.integers(0, rank - 1))
    lead = [data.draw(st.integers(0, extent - 1)) for extent in shape[:axis]]
    start = data.draw(st.integers(0, shape[axis] - 1))
    stop = data.draw(st.integers(start + 1, shape[axis]))
    box = (
        *(slice(at, at + 1) for at in lead),
        slice(start, stop),
        *(slice(0, extent) for extent in shape[axis + 1 :]),
    )

    assert np.array_equal(values[box], file.read(placed(box)))
    file.write(placed(box), -values[box])
    values[box] *= -1
    assert np.array_equal(values, file.read(placed(whole)))
    file.close()


def with_times(path: Path, libver: str, block: int) -> Path:
    compact = h5p.create(h5p.DATASET_CREATE)
    compact.set_layout(h5d.COMPACT)
    with h5py.File(path, "w", libver=libver, userblock_size=block) as file:
        options = {"compression": "gzip", "track_times": True}
        file.create_dataset("single", data=VALUES, chunks=VALUES.shape, **options)
        file.create_dataset("unwritten", VALUES.shape, "f8", chunks=CHUNKS, **options)
        file.create_dataset("not_there", (9,), "f8", track_times=True)
        made = h5d.create(file.id, b"compact", h5t.IEEE_F32LE, h5s.create_simple((10,)), compact)
        made.write(h5s.ALL, h5s.ALL, np.zeros(10))
        for at in range(30):  # so many that the header goes on elsewhere
            h5py.Dataset(made).attrs[f"a{at}"] = at
    return path


def test_times_in_headers_stay_what_they_were(tmp_path):
    sources = [
        with_times(tmp_path / f"{libver}-{block}.h5", libver, block)
        for libver in ("earliest", "latest")
        for block in (0, 512)
    ]
    before = [noisy(source, "-s", 1) for source in sources]

    time.sleep(1.1)  # times are in seconds

    for source, first in zip(sources, before, strict=True):
        assert first == noisy(source, "-s", 1), source.name
        source.write_bytes(first)
        with h5py.File(source) as file:
            found = {name: dataset[()].reshape(-1)[:3].tolist() for name, dataset in file.items()}
        assert normal_noise("not_there", 3).tolist() == found["not_there"]
        assert normal_noise("compact", 3).astype("f4").tolist() == found["compact"]

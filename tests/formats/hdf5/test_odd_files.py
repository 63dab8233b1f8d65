"""HDF5 files at the edge of what the format allows: each is read right, or left and noted."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from h5py import h5d, h5g, h5p, h5s, h5t, h5z
from run_command import noisy, noisy_file, normal_noise, run

from noisify.formats.hdf5 import storage
from noisify.formats.hdf5.object_headers import (
    Header,
    HeaderFile,
    checksum,
    header_sizes,
    messages,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VALUES = np.arange(100, dtype="f4").reshape(10, 10)
DATATYPE, LAYOUT = 3, 8
"""Types of messages in the header of a dataset."""


def with_noise(values: np.ndarray, field: str = "x") -> np.ndarray:
    noise = normal_noise(field, values.size).reshape(values.shape)
    return (values + noise).astype(values.dtype)


def read_at(path: Path, name: bytes, shape: tuple[int, ...] = (3,)) -> np.ndarray:
    values = np.empty(shape)
    with h5py.File(path) as file:
        h5d.open(file.id, name).read(h5s.ALL, h5s.ALL, values)
    return values


class TestNamesThatAreNotUtf8:
    GROUP, MEMBERS = b"gr\xff\xfe", (b"m\xe9", b"n\xe8")

    @pytest.fixture
    def source(self, tmp_path):
        with h5py.File(tmp_path / "in.h5", "w") as file:
            group = h5g.create(file.id, self.GROUP)
            for name, options in ((b"d\xe9", None), (b"c\xe9", h5p.create(h5p.DATASET_CREATE))):
                if options is not None:
                    options.set_chunk((2,))
                    options.set_deflate(4)
                space = h5s.create_simple((3,))
                made = h5d.create(group, name, h5t.IEEE_F64LE, space, options)
                made.write(h5s.ALL, h5s.ALL, np.zeros(3))
            kind = h5t.create(h5t.COMPOUND, 8)
            for at, name in enumerate(self.MEMBERS):
                kind.insert(name, 4 * at, h5t.IEEE_F32LE)
            made = h5d.create(file.id, b"t", kind, h5s.create_simple((3,)))
            made.write(h5s.ALL, h5s.ALL, np.zeros(3, "V8"), kind)
        return tmp_path / "in.h5"

    def test_get_noise(self, source):
        target = noisy_file(source, "-s", 1)

        for name in (b"d\xe9", b"c\xe9"):
            path = self.GROUP + b"/" + name
            noise = normal_noise(path.decode("utf-8", "surrogateescape"), 3)
            assert noise.tolist() == read_at(target, path).tolist()

    def test_can_be_chosen_and_masked_and_restored(self, source, tmp_path):
        path = (self.GROUP + b"/d\xe9").decode("utf-8", "surrogateescape")
        target, mask, back = (tmp_path / f"{name}.h5" for name in ("out", "mask", "back"))
        asked = ("-s", 1, "--seed", 1, "-c", path, "--mask", mask, "--mask-values")
        assert 0 == run(source, "-o", target, *asked, "--report", tmp_path / "r.json").status

        assert 0 == run("--restore", mask, target, "-o", back, "-q").status

        assert source.read_bytes() == back.read_bytes() != target.read_bytes()


@pytest.mark.parametrize("size", [512, 8192, 16384, 1 << 18])
@pytest.mark.parametrize("name", ["in.h5", "in.data"])
def test_a_user_block_of_any_size_stays(tmp_path, size, name):
    source = tmp_path / name
    with h5py.File(source, "w", userblock_size=size) as file:
        file["flat"] = np.zeros(5)
        file.create_dataset("chunked", data=np.zeros(5), chunks=(2,), compression="gzip")
        file["text"] = np.array([(0, b"s")] * 3, [("x", "f4"), ("s", h5py.string_dtype())])
    with source.open("r+b") as file:
        file.write(b"a,b,c\n1,2,3\n")
    before = source.read_bytes()

    target = noisy_file(source, "-s", 1)

    assert before[:size] == target.read_bytes()[:size]
    with h5py.File(target) as file:
        assert normal_noise("flat", 5).tolist() == file["flat"][()].tolist()
        assert normal_noise("chunked", 5).tolist() == file["chunked"][()].tolist()
        assert [b"s"] * 3 == file["text"]["s"].tolist()


def make_several(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["a"] = np.zeros(3)
        file["bad"] = np.arange(5, dtype="f4")
        file["g/h"] = np.zeros(3)
        file["z"] = np.zeros(3)


def message_of(path: Path, name: bytes, kind: int) -> int:
    """Return where in the file the data of a message in a dataset's header are."""
    with h5py.File(path) as file, path.open("rb", 0) as raw:
        headers = HeaderFile(raw, *header_sizes(file))
        address = file.id.links.get_info(name).u
        return headers.base + next(at for found, at in messages(headers, address) if found == kind)


def header_of(path: Path, name: bytes) -> int:
    with h5py.File(path) as file:
        return int(file.id.links.get_info(name).u)


def patch(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def unknown_class(path: Path) -> None:
    patch(path, message_of(path, b"bad", DATATYPE), b"\x1f")


def no_size(path: Path) -> None:
    patch(path, message_of(path, b"bad", DATATYPE) + 4, bytes(4))


def too_few_bits(path: Path) -> None:
    patch(path, message_of(path, b"bad", DATATYPE) + 10, struct.pack("<H", 3))


def spoilt_header(path: Path) -> None:
    patch(path, header_of(path, b"bad"), bytes([255] * 8))


def spoilt_group(path: Path) -> None:
    patch(path, header_of(path, b"g"), bytes([255] * 8))


UNREADABLE = {
    unknown_class: "bad",
    no_size: "bad",
    too_few_bits: "bad",
    spoilt_header: "bad",
    spoilt_group: "g",
}


class TestUnreadableParts:
    @pytest.mark.parametrize("damage", UNREADABLE)
    def test_are_left_and_noted(self, tmp_path, damage):
        source, target = tmp_path / "in.h5", tmp_path / "out.h5"
        make_several(source)
        damage(source)

        done = run(source, "-o", target, "-s", 1, "--seed", 1)

        bad = UNREADABLE[damage]
        assert (0, 1) == (done.status, len(done.lines)), done.messages
        assert f"note: {bad} is left as it is: it cannot be read (Unable" in done.messages
        with h5py.File(target) as file:
            for name in ("a", "z") if bad == "g" else ("a", "z", "g/h"):
                assert normal_noise(name, 3).tolist() == file[name][()].tolist()

    @pytest.mark.parametrize("damage", UNREADABLE)
    def test_are_refused_if_chosen(self, tmp_path, damage):
        source = tmp_path / "in.h5"
        make_several(source)
        damage(source)

        done = run(source, "-o", tmp_path / "out.h5", "-s", 1, "-c", UNREADABLE[damage], "-q")

        assert (2, 1) == (done.status, len(done.lines))
        assert f"field '{UNREADABLE[damage]}': cannot be read: Unable" in done.messages

    def test_a_missing_filter_is_left_and_noted(self, tmp_path, monkeypatch):
        source, target = tmp_path / "in.h5", tmp_path / "out.h5"
        make_several(source)
        with h5py.File(source, "r+") as file:
            file.create_dataset("packed", data=np.zeros(9), chunks=(3,), compression="lzf")
        monkeypatch.setattr(h5z, "filter_avail", lambda code: code != h5z.FILTER_LZF)

        done = run(source, "-o", target, "-s", 1, "--seed", 1)

        assert (0, 1) == (done.status, len(done.lines))
        assert "note: field 'packed' is left as it is: it is compressed by" in done.messages
        with h5py.File(target) as file:
            assert normal_noise("a", 3).tolist() == file["a"][()].tolist()


def test_floats_in_the_byte_order_of_a_vax_stay(tmp_path):
    make_several(tmp_path / "in.h5")
    place = message_of(tmp_path / "in.h5", b"bad", DATATYPE)
    patch(tmp_path / "in.h5", place, b"\x31")  # version 3, the first with such an order
    patch(tmp_path / "in.h5", place + 1, b"\x61")

    done = run(tmp_path / "in.h5", "-o", tmp_path / "out.h5", "-s", 1, "-c", "bad", "-q")

    assert (2, 1) == (done.status, len(done.lines))
    assert "holds numbers of a type that NumPy does not have" in done.messages
    before, after = (tmp_path / "in.h5").read_bytes(), noisy(tmp_path / "in.h5", "-s", 1)
    with h5py.File(tmp_path / "in.h5") as file:
        start = file["bad"].id.get_offset()
    assert before[start : start + 20] == after[start : start + 20] != bytes(20)


def test_a_link_of_a_users_own_kind_stays(tmp_path):
    source = tmp_path / "in.h5"
    with h5py.File(source, "w") as file:
        file["x"] = np.zeros(3)
        file["far"] = h5py.ExternalLink("elsewhere.h5", "/y")
    before = source.read_bytes()
    link = before.rindex(b"\x01\x08\x40", 0, before.index(b"elsewhere.h5"))
    patch(source, link + 2, b"\x45")

    with h5py.File(noisy_file(source, "-s", 1)) as file:
        assert 0x45 == file.id.links.get_info(b"far").type
        assert normal_noise("x", 3).tolist() == file["x"][()].tolist()


VAST: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "contiguous": ((4_000_000_000,), {}),
    "chunked": ((40_000, 100_000), {"chunks": (1000, 1000), "compression": "gzip"}),
    "sparse": ((10**12,), {"chunks": (1 << 16,)}),
}


@pytest.mark.parametrize("name", VAST)
def test_what_was_never_written_is_not_written_if_it_is_vast(tmp_path, name):
    source, target = tmp_path / "in.h5", tmp_path / "out.h5"
    shape, options = VAST[name]
    with h5py.File(source, "w") as file:
        vast = file.create_dataset("vast", shape, "f8", **options)
        if name == "sparse":
            vast[:5] = 1
        file["x"] = np.zeros(3)

    done = run(source, "-o", target, "-s", 1, "--seed", 1)

    assert (0, 1) == (done.status, len(done.lines))
    assert "note: field 'vast' is left as it is: it was hardly ever written" in done.messages
    assert source.stat().st_size == target.stat().st_size
    done = run(source, "-o", target, "-s", 1, "-c", "vast", "-q")
    assert (2, 1) == (done.status, len(done.lines))


@pytest.mark.parametrize("compression", ["gzip", "lzf"])
def test_chunks_at_the_end_that_pass_no_filter(tmp_path, compression):
    source = tmp_path / "in.h5"
    with h5py.File(source, "w", libver="latest") as file:
        made = file.create_dataset("x", data=VALUES, chunks=(4, 4), compression=compression)
        for corner in ((8, 0), (8, 4), (0, 8), (4, 8), (8, 8)):
            chunk = np.full((4, 4), -1, "f4")
            part = VALUES[corner[0] : corner[0] + 4, corner[1] : corner[1] + 4]
            chunk[: part.shape[0], : part.shape[1]] = part
            made.id.write_direct_chunk(corner, chunk.tobytes(), 0)
        header = file.id.links.get_info(b"x").u
        sizes = header_sizes(file)
    patch(source, message_of(source, b"x", LAYOUT) + 2, b"\1")
    with source.open("r+b", 0) as raw:
        headers = HeaderFile(raw, *sizes)
        second = Header.read(headers, header)
        end = second.messages + second.size
        headers.write(end, checksum(headers.read(header, end - header)).to_bytes(4, "little"))
    with h5py.File(source) as file:
        assert np.array_equal(VALUES, file["x"][()])

    with h5py.File(noisy_file(source, "-s", 1)) as file:
        assert np.array_equal(with_noise(VALUES), file["x"][()])
        chunk = np.frombuffer(file["x"].id.read_direct_chunk((8, 8))[1], "f4").reshape(4, 4)
    assert np.all(chunk[2:] == -1)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("compression", [None, "gzip", "lzf"])
@pytest.mark.parametrize("limit", [(10, None), (None, 10), (None, None), (20, 30)])
def test_chunks_that_are_not_there_whatever_their_index(tmp_path, libver, compression, limit):
    with h5py.File(tmp_path / "in.h5", "w", libver=libver) as file:
        options = {"maxshape": limit, "chunks": (4, 4), "compression": compression}
        made = file.create_dataset("x", (10, 10), "f4", fillvalue=1.5, **options)
        made[0, 0], made[9, 9] = 3, 4
        before = made[()]

    with h5py.File(noisy_file(tmp_path / "in.h5", "-s", 1)) as file:
        assert np.array_equal(with_noise(before), file["x"][()])


def plain_options(_: h5p.PropDCID) -> None:
    return


def compact(options: h5p.PropDCID) -> None:
    options.set_layout(h5d.COMPACT)


def in_lzf(options: h5p.PropDCID) -> None:
    options.set_chunk((2,))
    options.set_filter(h5z.FILTER_LZF, h5z.FLAG_OPTIONAL, ())


STORED: list[Callable[[h5p.PropDCID], None]] = [plain_options, compact, in_lzf]


@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize("store", STORED)
@pytest.mark.parametrize("size", [64, 4096, "1MiB"])
def test_elements_that_are_larger_than_a_piece(tmp_path, store, written, size):
    kind = h5t.array_create(h5t.IEEE_F64LE, (20, 50))
    options = h5p.create(h5p.DATASET_CREATE)
    store(options)
    values = np.arange(5000.0).reshape(5, 20, 50)
    with h5py.File(tmp_path / "in.h5", "w") as file:
        made = h5d.create(file.id, b"x", kind, h5s.create_simple((5,)), options)
        if written:
            made.write(h5s.ALL, h5s.ALL, values, kind)
        else:
            values[...] = 0

    with h5py.File(noisy_file(tmp_path / "in.h5", "-s", 1, "--chunk-size", size)) as file:
        assert np.array_equal(with_noise(values), file["x"][()])


@pytest.mark.parametrize("store", STORED)
@pytest.mark.parametrize("base", ["STD_I32LE", "STD_I32BE", "STD_U32LE"])
def test_integers_of_fewer_bits_keep_the_bits_around_them(tmp_path, store, base):
    kind = getattr(h5t, base).copy()
    kind.set_precision(20)
    kind.set_offset(3)
    options = h5p.create(h5p.DATASET_CREATE)
    store(options)
    order = ">u4" if base == "STD_I32BE" else "<u4"
    bits = np.random.default_rng(3).integers(0, 1 << 32, 40, "u4").astype(order)
    with h5py.File(tmp_path / "in.h5", "w") as file:
        made = h5d.create(file.id, b"x", kind, h5s.create_simple((40,)), options)
        made.write(h5s.ALL, h5s.ALL, bits, kind)
        before = file["x"][()].astype("i8")

    with h5py.File(noisy_file(tmp_path / "in.h5", "-s", 2e5, "-c", "x")) as file:
        after = np.empty(40, order)
        file["x"].id.read(h5s.ALL, h5s.ALL, after, kind)
        limits = (0, (1 << 20) - 1) if base == "STD_U32LE" else (-(1 << 19), (1 << 19) - 1)
        noise = np.rint(2e5 * normal_noise("x", 40)).astype("i8")
        assert np.clip(before + noise, *limits).tolist() == file["x"][()].tolist()
    value = np.uint32(((1 << 20) - 1) << 3)
    assert (bits & ~value).tolist() == (after & ~value).tolist()


class TestFiltersThatDoNotGiveBackWhatIsWritten:
    @pytest.mark.skipif(not h5z.filter_avail(h5z.FILTER_SZIP), reason="needs szip")
    def test_szip_of_integers_of_fewer_bits(self, tmp_path):
        kind = h5t.STD_I16LE.copy()
        kind.set_precision(12)
        options = h5p.create(h5p.DATASET_CREATE)
        options.set_chunk((100,))
        options.set_szip(h5z.SZIP_NN_OPTION_MASK, 8)
        with h5py.File(tmp_path / "in.h5", "w") as file:
            made = h5d.create(file.id, b"x", kind, h5s.create_simple((100,)), options)
            made.write(h5s.ALL, h5s.ALL, np.arange(-50, 50, dtype="i2"), h5t.STD_I16LE)
        check_kept_or_refused(tmp_path, np.arange(-50, 50))

    def test_is_one_line(self, tmp_path, monkeypatch):
        with h5py.File(tmp_path / "in.h5", "w") as file:
            file.create_dataset("x", data=np.zeros(100), chunks=(30,), compression="lzf")
        monkeypatch.setattr(storage, "same_bytes", lambda *_: False)

        done = run(tmp_path / "in.h5", "-o", tmp_path / "out.h5", "-s", 1, "-q")

        assert (1, 1) == (done.status, len(done.lines))
        assert "field 'x': its HDF5 filters do not give back what is written" in done.messages
        assert not (tmp_path / "out.h5").exists()

    def test_scale_offset_in_too_few_bits_is_one_line(self, tmp_path):
        with h5py.File(tmp_path / "in.h5", "w") as file:
            file.create_dataset("x", data=np.arange(16), chunks=(16,), scaleoffset=4)

        done = run(tmp_path / "in.h5", "-o", tmp_path / "out.h5", "-s", 1000, "-q")

        assert (1, 1) == (done.status, len(done.lines))
        assert "field 'x': its HDF5 filters do not give back" in done.messages

    def test_scale_offset_that_loses_nan_is_one_line(self, tmp_path):
        with h5py.File(tmp_path / "in.h5", "w") as file:
            file.create_dataset("x", data=np.arange(16.0), chunks=(16,), scaleoffset=2)

        asked = ("-d", "missing", "--rate", "50%", "-q", "--seed", 1)
        done = run(tmp_path / "in.h5", "-o", tmp_path / "out.h5", *asked)

        assert (1, 1) == (done.status, len(done.lines))
        assert "field 'x': its HDF5 filters do not give back" in done.messages


def check_kept_or_refused(folder: Path, before: np.ndarray) -> None:
    done = run(folder / "in.h5", "-o", folder / "out.h5", "-s", 1, "-c", "x", "--seed", 1)
    if done.status:
        assert (1, 1) == (done.status, len(done.lines))
        assert "do not give back" in done.messages
        return
    noise = np.rint(normal_noise("x", before.size)).astype(int)
    with h5py.File(folder / "out.h5") as file:
        assert (before + noise).tolist() == file["x"][()].tolist()

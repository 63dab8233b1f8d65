"""NPZ: every array is a field; whatever gets no noise keeps its bytes, as it is packed."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conformance import FormatConformance
from npy_files import Trap, npy_bytes
from run_command import noisy_file, normal_noise, run

from noisify.formats.npz import zip_archive, zip_writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

METHODS = {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED}


class Conformance(FormatConformance):
    suffix = ".npz"

    def read(self, path):
        with np.load(path) as archive:
            return dict(archive)

    def specimens(self, folder):
        for name, method in METHODS.items():
            path = make_archive(folder / f"{name}.npz", method)
            with zipfile.ZipFile(path, "a", method) as archive:
                archive.writestr(member("x.npy", method), npy_bytes(A - 1))
                archive.writestr(member("y.npy", method), npy_bytes(A))
            yield path

    def neighbours(self, path):
        """Return what the archive says of each member, and the bytes of all but the first."""
        with zipfile.ZipFile(path) as archive:
            told = {i.filename: [str(getattr(i, n)) for n in _KEPT] for i in archive.infolist()}
            names = [name for name in told if name != "x.npy"]
            unpacked = {f"data of {name}": archive.read(name) for name in names}
        raw = raw_members(path)
        assert len(names) > 8
        return told | unpacked | {f"packed {name}": raw[name] for name in names}


class TestStored(Conformance):
    def write(self, path, columns):
        np.savez(path, **columns)


class TestDeflated(Conformance):
    def write(self, path, columns):
        np.savez_compressed(path, **columns)


class TestFortranOrder(Conformance):
    def write(self, path, columns):
        folded = {
            name: np.asfortranarray(column.reshape(-1, 2)) if len(column) % 2 == 0 else column
            for name, column in columns.items()
        }
        np.savez_compressed(path, **folded)

    def read(self, path):
        with np.load(path) as archive:
            assert all(archive[name].flags.f_contiguous for name in archive)
            return {name: archive[name].reshape(-1) for name in archive}


def member(name: str, method: int, **about: object) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, (2021, 5, 6, 7, 8, 10))
    info.compress_type = method
    for word, value in about.items():
        setattr(info, word, value)
    return info


_KEPT = (
    "filename", "orig_filename", "date_time", "compress_type", "comment", "extra", "external_attr",
    "internal_attr", "create_system", "create_version", "extract_version", "file_size", "flag_bits",
)  # fmt: skip
A = np.linspace(0, 1, 5000)
B = np.arange(6000.0).reshape(60, 100)
C = np.asfortranarray(np.arange(6000, dtype=">f4").reshape(60, 100))
RECORDS = np.zeros(500, [("x", "<f8"), ("id", "<i4"), ("v", "<f4", (3,)), ("tag", "S3")])


def make_archive(path: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write an archive of everything that may be in one."""
    assert pickle.dumps(Trap())
    trap = np.empty(1, object)
    trap[0] = Trap()
    with zipfile.ZipFile(path, "w") as archive:
        archive.comment = b"of the archive"
        archive.writestr(member("read me.txt", method, comment=b"of a member"), b"hello" * 99)
        archive.writestr(member("folder/", 0), b"")
        archive.writestr(member("folder/b.npy", method, extra=b"\xfe\xca\x04\0abcd"), npy_bytes(B))
        archive.writestr(member("größe.npy", method, external_attr=0o640 << 16), npy_bytes(A))
        archive.writestr(member("no-suffix", method), npy_bytes(A + 1))
        archive.writestr(member("trap.npy", method), npy_bytes(trap))
        archive.writestr(member("fortran.npy", method), npy_bytes(C))
        archive.writestr(member("empty.npy", method), npy_bytes(np.empty((0, 3))))
        archive.writestr(member("scalar.npy", method), npy_bytes(np.array(2.5)))
        archive.writestr(member("no-array.npy", method), b"no array")
        archive.writestr(member("records.npy", method), npy_bytes(RECORDS))
        archive.writestr(member("names.npy", method), npy_bytes(np.array(["a", "bc"])))
    return path


@pytest.fixture(params=METHODS)
def archive(request: Any, tmp_path: Path) -> Path:
    return make_archive(tmp_path / "data.npz", METHODS[request.param])


def raw_members(path: Path) -> dict[str, bytes]:
    """Return each member's bytes in the file, what stands before its data included."""
    data = path.read_bytes()
    raw = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name, extra = struct.unpack_from("<2H", data, info.header_offset + 26)
            length = 30 + name + extra + info.compress_size
            raw[info.filename] = data[info.header_offset : info.header_offset + length]
    return raw


def changed(one: Path, other: Path) -> set[str]:
    before, after = raw_members(one), raw_members(other)
    assert list(before) == list(after)
    return {name for name in before if before[name] != after[name]}


def test_what_gets_no_noise_keeps_its_bytes_as_packed(archive: Path) -> None:
    assert {"größe.npy"} == changed(archive, noisy_file(archive, "-s", 1, "-c", "größe"))


def test_floats_get_noise_by_default(archive: Path) -> None:
    expected = {"folder/b", "größe", "fortran", "scalar", "records"}
    expected = {f"{name}.npy" for name in expected} | {"no-suffix"}
    assert expected == changed(archive, noisy_file(archive, "-s", 1))


def test_all_that_the_archive_says_of_its_members_stays(archive: Path) -> None:
    target = noisy_file(archive, "-s", 1)

    with zipfile.ZipFile(archive) as before, zipfile.ZipFile(target) as after:
        assert after.testzip() is None
        assert before.comment == after.comment
        for one, other in zip(before.infolist(), after.infolist(), strict=True):
            assert {word: getattr(one, word) for word in _KEPT} == {
                word: getattr(other, word) for word in _KEPT
            }


@pytest.mark.parametrize(
    ("name", "array"), [("folder/b", B), ("größe", A), ("no-suffix", A + 1), ("fortran", C)]
)
def test_noise_is_that_of_an_npy_file_for_a_field_of_its_name(
    archive: Path, name: str, array: np.ndarray
) -> None:
    noisy = np.load(noisy_file(archive, "-s", 0.5))[name]

    noise = 0.5 * normal_noise(name, array.size).reshape(array.shape)
    assert array.dtype == noisy.dtype
    assert (array.astype("f8") + noise).astype(array.dtype).tolist() == noisy.tolist()


def test_an_array_called_data_is_noised_as_an_npy_file_is(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", data=A)
    np.save(tmp_path / "data.npy", A)

    packed, plain = (
        noisy_file(tmp_path / name, "-s", "0.1sd") for name in ("data.npz", "data.npy")
    )

    assert np.load(plain).tolist() == np.load(packed)["data"].tolist()


def test_members_of_records_are_fields_named_by_their_array(archive: Path) -> None:
    noisy = np.load(noisy_file(archive, "-s", 0.5, "-c", "records.x,records.v"))["records"]

    assert (0.5 * normal_noise("x", 500)).tolist() == noisy["x"].tolist()
    expected = (0.5 * normal_noise("v", 1500)).astype("f4").reshape(500, 3)
    assert expected.tolist() == noisy["v"].tolist()
    assert not noisy["id"].any()


def test_a_field_is_found_by_its_file_name_too(archive: Path) -> None:
    target = noisy_file(archive, "-s", 1, "-c", "folder/b.npy,records.npy.x")

    assert {"folder/b.npy", "records.npy"} == changed(archive, target)


def long_archive(path: Path) -> Path:
    np.savez_compressed(path, x=np.round(np.linspace(0, 9, 70_000), 1))
    return path


@pytest.mark.parametrize(
    ("make", "sizes"), [(make_archive, ["600", "5000"]), (long_archive, ["16k", "300k"])]
)
def test_bytes_do_not_depend_on_how_it_is_cut(
    make: Callable[[Path], Path], sizes: list[str], tmp_path: Path
) -> None:
    source = make(tmp_path / "data.npz")
    expected = noisy_file(source, "-s", 0.5).read_bytes()

    for size, jobs in zip(sizes, (1, 3), strict=True):
        words = ("--chunk-size", size, "--jobs", jobs)
        assert expected == noisy_file(source, "-s", 0.5, *words).read_bytes()


def test_no_noise_is_identity_to_the_byte(archive: Path) -> None:
    assert archive.read_bytes() == noisy_file(archive, "-s", 0, "-c", ":number").read_bytes()


def test_no_noise_is_identity_however_hard_it_was_compressed(tmp_path: Path) -> None:
    source = tmp_path / "data.npz"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("x.npy", npy_bytes(np.round(A, 2)))
        archive.writestr("y.npy", npy_bytes(np.round(A, 3)))

    assert source.read_bytes() == noisy_file(source, "-s", 0).read_bytes()


class _Pipe(io.RawIOBase):
    """Takes bytes, and cannot go back."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += data
        return len(data)


def test_an_archive_made_in_a_pipe_whose_sizes_follow_the_data(tmp_path: Path) -> None:
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        for name in ("a", "b", "c"):
            archive.writestr(f"{name}.npy", npy_bytes(A))
    source = tmp_path / "data.npz"
    source.write_bytes(pipe.data)

    target = noisy_file(source, "-s", 1, "-c", "b")

    assert {"b.npy"} == changed(source, target)
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        assert [8, 0, 8] == [info.flag_bits & 8 for info in archive.infolist()]
    assert source.read_bytes() == noisy_file(source, "-s", 0).read_bytes()


def test_members_that_are_not_in_the_order_of_the_directory(tmp_path: Path) -> None:
    source = tmp_path / "data.npz"
    with zipfile.ZipFile(source, "w") as archive:
        for name in ("a", "b", "c"):
            archive.writestr(f"{name}.npy", npy_bytes(A))
        archive.filelist.reverse()

    target = noisy_file(source, "-s", 0.5)

    noisy = np.load(target)
    assert ["c", "b", "a"] == list(noisy)
    for name in noisy:
        assert (A + 0.5 * normal_noise(name, A.size)).tolist() == noisy[name].tolist()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("orders", ["CC", "FF", "CF", "FC"])
def test_a_level_from_another_array_of_the_same_shape(
    tmp_path: Path, save: Any, orders: str
) -> None:
    flux, error = B, np.abs(np.sin(B)).astype("f4")
    source = tmp_path / "data.npz"
    arrays = [np.asarray(a, order=o) for a, o in zip((flux, error), orders, strict=True)]  # type: ignore[call-overload]
    save(source, flux=arrays[0], between=A, error=arrays[1])

    target = noisy_file(source, "-s", "@error", "-c", "flux", "--chunk-size", "1k")

    expected = flux + error.astype("f8") * normal_noise("flux", flux.size).reshape(flux.shape)
    noisy = np.load(target)
    assert expected.tolist() == noisy["flux"].tolist()
    assert (orders[0] == "F") == noisy["flux"].flags.f_contiguous
    assert {"flux.npy"} == changed(source, target)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_that_are_noised_together_keep_their_places(
    tmp_path: Path, save: Any, order: Any
) -> None:
    source = tmp_path / "data.npz"
    one, other = np.asarray(B, order=order), np.asarray(B + 1, order=order)
    save(source, one=one, between=A, other=other, last=A)
    specs = ("--noise", "one,other=normal:@other", "--noise", "between,last=normal:0.5")

    target = noisy_file(source, *specs, "--chunk-size", 700)

    together = np.load(target)
    for name in ("between", "last"):
        assert (A + 0.5 * normal_noise(name, A.size)).tolist() == together[name].tolist()
    assert list(np.load(source)) == list(together)
    noise = {name: normal_noise(name, B.size).reshape(B.shape) for name in ("one", "other")}
    assert (B + (B + 1) * noise["one"]).tolist() == together["one"].tolist()
    assert (B + 1 + (B + 1) * noise["other"]).tolist() == together["other"].tolist()


def test_a_level_from_an_array_of_another_shape_is_refused(archive: Path) -> None:
    done = run(archive, "-o", "-", "-s", "@größe", "-c", "folder/b")

    assert (2, 1) == (done.status, len(done.lines))
    assert "not as long" in done.messages


def test_pickled_objects_are_refused_only_by_name(archive: Path, tmp_path: Path) -> None:
    done = run(archive, "-o", tmp_path / "out.npz", "-c", "trap", "--seed", 1)

    assert (2, 1) == (done.status, len(done.lines))
    assert "'trap': holds pickled Python objects" in done.messages


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("-d", "drop-rows", "--rate", "5%"), "need a table"),
        (("-s", 1, "--append", "--replicates", 2), "--append needs rows"),
    ],
    ids=["rows", "append"],
)
def test_what_needs_rows_is_refused(
    archive: Path, tmp_path: Path, arguments: tuple[object, ...], reason: str
) -> None:
    done = run(archive, "-o", tmp_path / "out.npz", "--seed", 1, "-q", *arguments)

    assert (2, 1) == (done.status, len(done.lines)), done.messages
    assert reason in done.messages
    assert [archive] == list(tmp_path.iterdir())


def test_an_archive_of_nothing_passes_through(tmp_path: Path) -> None:
    np.savez(tmp_path / "empty.npz")

    done = run(tmp_path / "empty.npz", "-o", tmp_path / "out.npz", "--seed", 1)

    assert done.status == 0
    assert (tmp_path / "empty.npz").read_bytes() == (tmp_path / "out.npz").read_bytes()


@pytest.mark.slow
def test_more_members_than_sixteen_bits_count(tmp_path: Path) -> None:
    source, count = tmp_path / "many.npz", 65_600
    with zipfile.ZipFile(source, "w") as archive:
        for number in range(count):
            archive.writestr(zipfile.ZipInfo(f"{number}.txt"), b"")
        archive.writestr(member("x.npy", zipfile.ZIP_DEFLATED), npy_bytes(A))

    target = noisy_file(source, "-s", 0.5)

    with zipfile.ZipFile(target) as archive:
        assert count + 1 == len(archive.infolist())
    assert (A + 0.5 * normal_noise("x", A.size)).tolist() == np.load(target)["x"].tolist()


def duplicated(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", npy_bytes(A))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.npy", npy_bytes(A))


def with_one_name(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", npy_bytes(A))
        archive.writestr("a", npy_bytes(A))


def without_arrays(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", b"hello")


def encrypted(path: Path) -> None:
    np.savez(path, a=A)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)


def short_of_elements(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", npy_bytes(A)[:-8])


def with_a_broken_header(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", npy_bytes(A).replace(b"shape", b"shqpe"))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (duplicated, "2 members called 'a.npy'"),
        (with_one_name, "two arrays called 'a'"),
        (without_arrays, "without a NumPy array"),
        (encrypted, "encrypted member, 'a.npy'"),
        (short_of_elements, "promises 40000 bytes of data and there are 39992"),
        (with_a_broken_header, "'a.npy': has a broken NPY header"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_no_npz_file_is_refused(tmp_path: Path, make: Any, reason: str) -> None:
    source = tmp_path / "data.npz"
    make(source)

    done = run(source, "-o", tmp_path / "out.npz", "-s", 1, "--seed", 1)

    assert (3, 1) == (done.status, len(done.lines))
    assert reason in done.messages
    assert [source] == list(tmp_path.iterdir())


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=["bzip2", "lzma"])
def test_other_compression_is_kept_and_refused_for_noise(tmp_path: Path, method: int) -> None:
    source = tmp_path / "data.npz"
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr(member("kept.npy", method), npy_bytes(B))
        archive.writestr(member("x.npy", 0), npy_bytes(A))

    assert {"x.npy"} == changed(source, noisy_file(source, "-s", "@x", "-c", "x"))
    done = run(source, "-o", tmp_path / "no.npz", "-s", 1, "--seed", 1)
    assert (2, 1) == (done.status, len(done.lines))
    assert "savez_compressed" in done.messages


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_changed_byte_is_found_by_the_checksum(tmp_path: Path, save: Any, order: Any) -> None:
    source, target = tmp_path / "data.npz", tmp_path / "out.npz"
    save(source, a=np.asarray(B, order=order))
    data = bytearray(source.read_bytes())
    data[1000] ^= 1
    source.write_bytes(data)

    done = run(source, "-o", target, "-s", 1, "--seed", 1)

    assert (3, 1) == (done.status, len(done.lines))
    assert "'a.npy': is a broken or cut ZIP archive" in done.messages
    assert [source] == list(tmp_path.iterdir())


def test_an_archive_cut_anywhere_is_one_line(archive: Path, tmp_path: Path) -> None:
    data = archive.read_bytes()
    for length in (*range(4, len(data), len(data) // 40), *range(len(data) - 40, len(data))):
        archive.write_bytes(data[:length])

        done = run(archive, "-o", tmp_path / "out.npz", "-s", 1, "--seed", 1)

        assert (3, 1) == (done.status, len(done.lines)), length
    assert [archive] == list(tmp_path.iterdir())


def test_nothing_temporary_is_left(archive: Path, tmp_path: Path, monkeypatch: Any) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))

    options = ("-s", "0.1sd", "--seed", 1, "-q")
    assert run("--from", "npz", *options, given=archive.read_bytes()).status == 0
    broken = bytearray(archive.read_bytes())
    broken[len(broken) // 2] ^= 1
    assert run("--from", "npz", *options, given=bytes(broken)).status in {0, 3}

    assert [] == list(folder.iterdir())


class TestMask:
    def masked(self, archive: Path, *arguments: object) -> tuple[Path, Path]:
        target, mask = archive.with_name("noisy.npz"), archive.with_name("mask.npz")
        options = ("-s", 0.5, "--seed", 1, "-q", *arguments)
        done = run(archive, "-o", target, "--mask", mask, *options)
        assert done.status == 0, done.messages
        return target, mask

    def test_says_which_elements_changed(self, archive):
        target, mask = self.masked(archive, "-c", ":number")

        with np.load(mask) as marks, np.load(target) as noisy, np.load(archive) as before:
            names = ["folder/b", "größe", "no-suffix", "fortran", "empty", "scalar", "records"]
            assert names == list(marks)
            for name in names[:-1]:
                assert marks[name].dtype == bool
                assert (noisy[name] != before[name]).tolist() == marks[name].tolist()
            assert ("x", "id", "v") == marks["records"].dtype.names
            assert 0 < marks["records"]["id"].sum() < 500

    def test_is_undone(self, archive, tmp_path):
        target, mask = self.masked(archive, "-c", ":number", "--mask-values")

        done = run(target, "--restore", mask, "-o", tmp_path / "back.npz", "--chunk-size", "3k")

        assert done.status == 0, done.messages
        assert archive.read_bytes() == (tmp_path / "back.npz").read_bytes()

    def test_does_not_depend_on_how_it_is_cut(self, archive):
        _, mask = self.masked(archive)
        expected = mask.read_bytes()

        _, mask = self.masked(archive, "--chunk-size", 100, "--jobs", 3)

        assert expected == mask.read_bytes()

    def test_without_values_cannot_be_undone(self, archive, tmp_path):
        target, mask = self.masked(archive)

        done = run(target, "--restore", mask, "-o", tmp_path / "back.npz")

        assert (2, 1) == (done.status, len(done.lines))
        assert "--mask-values" in done.messages

    @pytest.mark.parametrize(
        ("arrays", "reason"),
        [
            ({"other": A}, "not a field of the noisy file"),
            ({"größe": A}, "this array's mask has"),
            ({"größe": np.zeros(9, [("changed", "?"), ("original", "f8")])}, "of shape"),
        ],
        ids=["name", "type", "shape"],
    )
    def test_of_another_file_is_refused(self, archive, tmp_path, arrays, reason):
        np.savez(tmp_path / "mask.npz", **arrays)

        done = run(archive, "--restore", tmp_path / "mask.npz", "-o", tmp_path / "back.npz")

        assert (3, 1) == (done.status, len(done.lines))
        assert reason in done.messages


def test_sizes_beyond_four_gigabytes_are_said_in_extra_fields() -> None:
    large = (1 << 32) + 5
    new = zip_archive.new_member("x.npy", large, deflated=True)
    sizes = zip_writer.Sizes(7, large - 1, large)

    head = zip_writer._new_head(new, sizes)
    record = zip_writer._new_record(new, sizes, large + 1, replaced=True)

    assert (45, 7, 0xFFFFFFFF, 0xFFFFFFFF) == struct.unpack("<4xH8xIII", head[:26])
    assert (1, 16, large, large - 1) == struct.unpack("<2H2Q", head[-20:])
    assert (1, 24, large, large - 1, large + 1) == struct.unpack("<2H3Q", record[-28:])
    assert len(head) == len(zip_writer._new_head(new, zip_writer.Sizes(0, 0, 0)))


@pytest.mark.parametrize("bit", range(16))
@pytest.mark.parametrize("what", ["comment", "extra", "count", "size"])
def test_a_flipped_bit_in_the_directory_drops_no_member_in_silence(tmp_path, what, bit):
    source, target = make_archive(tmp_path / "in.npz"), tmp_path / "out.npz"
    data = bytearray(source.read_bytes())
    with zipfile.ZipFile(source) as archive:
        first, end = archive.start_dir, len(data) - 22 - len(archive.comment)
    place = {"comment": first + 32, "extra": first + 30, "count": end + 10, "size": end + 12}[what]
    data[place + bit // 8] ^= 1 << bit % 8
    source.write_bytes(data)

    done = run(source, "-o", target, "-s", 1, "--seed", 1, "-q")

    assert (3, 1) == (done.status, len(done.lines)), done.messages
    assert "is a broken or cut ZIP archive" in done.messages
    assert not target.exists()


@pytest.mark.parametrize("count", [3, 65_534, 65_535, 70_000])
def test_the_end_of_an_archive_of_many_members(count: int) -> None:
    start, size, comment = 10, 20, b"a comment"
    data = bytes(start + size) + zip_writer._end(count, start, size, comment)
    file = io.BytesIO(data)
    read = zipfile._EndRecData(file)  # type: ignore[attr-defined]
    assert (0, 0, count, size, start, comment) == (*read[1:3], *read[4:7], read[8])
    assert (count, size) == zip_archive._read_end(file, len(comment))
    if count >= 65_535:  # a reader may follow where the locator points
        locator = data.index(b"PK\x06\x07")
        assert struct.unpack_from("<IQI", data, locator + 4) == (0, start + size, 1)
        assert struct.unpack_from("<4sQ", data, start + size) == (b"PK\x06\x06", 44)


@pytest.mark.parametrize(("start", "size"), [(1 << 32, 20), (10, 1 << 32), (1 << 33, 1 << 34)])
def test_the_end_of_a_large_archive(start: int, size: int) -> None:
    end = io.BytesIO(zip_writer._end(3, start, size, b""))
    read = zipfile._EndRecData(end)  # type: ignore[attr-defined]
    assert (3, size, start) == (read[4], read[5], read[6])
    assert 3 == zip_archive._read_end(end, 0)[0]


def saved(save: Any = np.savez, **arrays: np.ndarray) -> bytearray:
    file = io.BytesIO()
    save(file, **arrays)
    return bytearray(file.getvalue())


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_after_another_keeps_that_one(tmp_path: Path, save: Any) -> None:
    """The places in its directory are those from its own start."""
    path, before = tmp_path / "a.npz", bytes(saved(x=np.arange(7.0), y=np.arange(3)))
    path.write_bytes(before + saved(save, y=np.arange(5), x=np.arange(9.0)))
    noisy = noisy_file(path, "-s", 1)
    data = noisy.read_bytes()
    assert data.startswith(before)
    with np.load(noisy) as arrays:
        assert arrays["x"] == pytest.approx(np.arange(9) + normal_noise("x", 9))
        assert [*range(5)] == arrays["y"].tolist()
    with zipfile.ZipFile(io.BytesIO(data[len(before) :])) as archive:
        assert archive.testzip() is None
        assert 0 == archive.infolist()[0].header_offset
        assert len(data) - len(before) - 22 > archive.start_dir


@pytest.mark.parametrize(
    ("place", "number", "reason"),
    [
        (42, lambda _, first: first, "two members are in one place"),
        (20, lambda size, _: size + 1, "y.npy runs into what comes after it"),
    ],
)
def test_members_that_overlap_are_refused(
    tmp_path: Path, place: int, number: Any, reason: str
) -> None:
    data = saved(x=np.arange(9.0), y=np.arange(5))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        first, second = archive.infolist()
        start = archive.start_dir + 46 + len(first.filename)
    start += struct.unpack_from("<H", data, archive.start_dir + 30)[0]
    (old,) = struct.unpack_from("<I", data, start + place)
    struct.pack_into("<I", data, start + place, number(old, first.header_offset))
    (tmp_path / "a.npz").write_bytes(data)
    done = run(tmp_path / "a.npz", "-o", tmp_path / "out.npz", "-s", 1)
    assert (3, 1, True) == (done.status, len(done.lines), reason in done.messages), done.messages
    assert second.filename == "y.npy"


def test_members_made_anew_are_described_as_numpy_describes_them(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", A)
    np.savez(tmp_path / "numpy.npz", data=A)

    done = run(tmp_path / "in.npy", "-o", tmp_path / "out.npz", "-s", 0, "--seed", 1)

    assert 0 == done.status, done.messages
    words = ("filename", "date_time", "internal_attr", "external_attr", "volume", "comment")
    of_each = []
    for name in ("numpy.npz", "out.npz"):
        with zipfile.ZipFile(tmp_path / name) as archive:
            of_each.append([getattr(info, word) for info in archive.infolist() for word in words])
    assert of_each[0] == of_each[1]

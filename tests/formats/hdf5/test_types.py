"""HDF5 datatypes: what gets noise, what passes through, and what stays in between."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5d, h5s, h5t
from run_command import noisy_file, normal_noise, run

NESTED = np.dtype(
    [
        ("x", "<f8"),
        ("tag", "S4"),
        ("inner", [("y", ">f4"), ("id", "<i8"), ("deep", [("z", "<f8")])]),
        ("vector", "<f4", (3,)),
        ("matrix", [("m", "<f8", (2, 2)), ("t", "S2")], (2,)),
    ]
)
STORAGE: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "chunked": {"chunks": (7,)},
    "gzip": {"chunks": (7,), "compression": "gzip", "shuffle": True, "fletcher32": True},
    "lzf": {"chunks": (7,), "compression": "lzf"},
}
MEMBERS = ["x", "inner.y", "inner.id", "inner.deep.z", "vector", "matrix.m"]


def rows(kind: np.dtype[Any] = NESTED) -> np.ndarray:
    """Return rows of random bytes, but for numbers that are finite."""
    generator = np.random.default_rng(1)
    out = np.frombuffer(generator.bytes(40 * kind.itemsize), kind).copy()
    for name in ("x", "vector"):
        out[name] = generator.normal(size=out[name].shape)
    out["inner"]["y"], out["inner"]["id"] = 2, 7
    out["inner"]["deep"]["z"] = 1
    out["matrix"]["m"] = 5
    return out


def member(values: np.ndarray, path: str) -> np.ndarray:
    for name in path.split("."):
        values = values[name]
    return values


class TestCompounds:
    @pytest.mark.parametrize("storage", STORAGE)
    @pytest.mark.parametrize("path", MEMBERS)
    def test_a_member_of_any_depth_gets_noise_alone(self, tmp_path, storage, path):
        before = rows()
        with h5py.File(tmp_path / "in.h5", "w") as file:
            file.create_dataset("t", data=before, **STORAGE[storage])

        target = noisy_file(tmp_path / "in.h5", "-s", 2, "-c", f"t.{path}")

        part = member(before, path)
        noise = 2 * normal_noise(path, part.size).reshape(part.shape)
        part[...] = part + (np.rint(noise) if part.dtype.kind == "i" else noise)
        with h5py.File(target) as file:
            assert before.tobytes() == file["t"][()].tobytes()

    @pytest.mark.parametrize("storage", STORAGE)
    def test_several_members_get_noise_in_one_go(self, tmp_path, storage):
        before = rows()
        with h5py.File(tmp_path / "in.h5", "w") as file:
            file.create_dataset("t", data=before, **STORAGE[storage])

        target = noisy_file(tmp_path / "in.h5", "-s", 2, "-c", "t.x,t.vector,t.inner.*")

        with h5py.File(target) as file:
            found = file["t"][()]
        for path in ("x", "vector", "inner.y", "inner.id", "inner.deep.z"):
            with h5py.File(noisy_file(tmp_path / "in.h5", "-s", 2, "-c", f"t.{path}")) as file:
                assert np.array_equal(member(file["t"][()], path), member(found, path))
        assert before["tag"].tobytes() == found["tag"].tobytes()
        assert before["matrix"].tobytes() == found["matrix"].tobytes()

    @pytest.mark.parametrize("storage", ["contiguous", "chunked", "gzip"])
    def test_what_lies_between_members_stays(self, tmp_path, storage):
        kind = np.dtype({"names": ["x"], "formats": ["<f8"], "offsets": [5], "itemsize": 20})
        filled = np.frombuffer(bytes(range(200)) * 4, kind)
        with h5py.File(tmp_path / "in.h5", "w") as file:
            dataset = file.create_dataset("t", (40,), kind, **STORAGE[storage]).id
            dataset.write(h5s.ALL, h5s.ALL, filled, h5t.py_create(kind))

        with h5py.File(noisy_file(tmp_path / "in.h5", "-d", "dropout", "--rate", 1)) as file:
            found = np.zeros(40, kind)
            file["t"].id.read(h5s.ALL, h5s.ALL, found, h5t.py_create(kind))
        expected = np.frombuffer(filled.tobytes(), "u1").reshape(40, 20).copy()
        expected[:, 5:13] = 0
        assert np.array_equal(expected, found.view("u1").reshape(40, 20))

    @pytest.mark.parametrize("storage", STORAGE)
    def test_texts_and_references_beside_a_number_stay(self, tmp_path, storage):
        text, link = h5py.string_dtype(), h5py.ref_dtype
        kind = np.dtype([("s", text), ("x", "f8"), ("r", link), ("v", h5py.vlen_dtype("f4"))])
        with h5py.File(tmp_path / "in.h5", "w") as file:
            group = file.create_group("g")
            values = np.zeros(20, kind)
            values["s"] = [f"é{at}" for at in range(20)]
            values["r"] = group.ref
            for at in range(20):
                values["v"][at] = np.full(at % 3, at, "f4")
            file.create_dataset("t", data=values, **STORAGE[storage])

        with h5py.File(noisy_file(tmp_path / "in.h5", "-s", 1)) as file:
            found = file["t"][()]
            assert normal_noise("x", 20).tolist() == found["x"].tolist()
            assert [f"é{at}" for at in range(20)] == [text.decode() for text in found["s"]]
            assert [[at] * (at % 3) for at in range(20)] == [part.tolist() for part in found["v"]]
            assert {"/g"} == {file[link].name for link in found["r"]}

    @pytest.mark.parametrize("storage", STORAGE)
    def test_a_mask_with_values_gives_every_member_back(self, tmp_path, storage):
        source, out, mask = (tmp_path / f"{name}.h5" for name in ("in", "out", "mask"))
        before = rows()
        with h5py.File(source, "w") as file:
            file.create_dataset("t", data=before, **STORAGE[storage])
        noise = ("--noise", "*=normal:2", "--noise", "t.tag=truncate:50%", "--seed", 1, "-q")
        marks = ("--mask", mask, "--mask-values")
        assert 0 == run(source, "-o", out, *noise, *marks).status

        assert 0 == run("--restore", mask, out, "-o", tmp_path / "back.h5", "-q").status

        with h5py.File(out) as file, h5py.File(mask) as changed:
            for path in (*MEMBERS, "tag"):
                differ = member(before, path) != member(file["t"][()], path)
                assert np.array_equal(differ, changed[f"t.{path}"]["changed"])
        with h5py.File(tmp_path / "back.h5") as file:
            assert before.tobytes() == file["t"][()].tobytes()

    def test_two_fields_of_one_name_are_refused(self, tmp_path):
        with h5py.File(tmp_path / "in.h5", "w") as file:
            file["t.x"] = np.zeros(3)
            file["t"] = np.zeros(3, [("x", "f8")])

        done = run(tmp_path / "in.h5", "-s", 1, "-q")

        assert (3, 1) == (done.status, len(done.lines))
        assert "two fields called 't.x'" in done.messages

    def test_a_member_can_be_the_level_of_a_dataset(self, tmp_path):
        with h5py.File(tmp_path / "in.h5", "w") as file:
            errors = np.zeros(4, [("err", "f8", (5,))])
            errors["err"] = np.arange(20).reshape(4, 5)
            file.create_dataset("t", data=errors, chunks=(3,), compression="gzip")
            file.create_dataset("x", data=np.zeros((4, 5)), chunks=(2, 2))

        with h5py.File(noisy_file(tmp_path / "in.h5", "-s", "@t.err", "-c", "x")) as file:
            expected = normal_noise("x", 20) * np.arange(20)
            assert expected.tolist() == file["x"][()].reshape(-1).tolist()


@pytest.mark.parametrize("chunks", [None, (4,)])
def test_a_dataset_of_arrays_is_a_longer_dataset(tmp_path, chunks):
    kind = h5t.array_create(h5t.IEEE_F64BE, (3, 2))
    options = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    if chunks:
        options.set_chunk(chunks)
        options.set_deflate(4)
    with h5py.File(tmp_path / "in.h5", "w") as file:
        h5d.create(file.id, b"x", kind, h5s.create_simple((10,)), options)
        file["x"][...] = np.arange(60.0).reshape(10, 3, 2)

    with h5py.File(noisy_file(tmp_path / "in.h5", "-s", 1)) as file:
        assert (np.arange(60.0) + normal_noise("x", 60)).tolist() == file["x"][()].ravel().tolist()
        assert kind == file["x"].id.get_type()


@pytest.mark.parametrize("dtype", ["<c8", ">c16"])
def test_complex_numbers_of_h5py(tmp_path, dtype):
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.create_dataset("z", data=np.full(5000, 3 + 4j, dtype), compression="gzip")

    with h5py.File(noisy_file(tmp_path / "in.h5", "-s", 1)) as file:
        change = file["z"][()] - (3 + 4j)
        assert dtype == file["z"].dtype.str
    assert [0.5, 0.5] == pytest.approx([change.real.var(), change.imag.var()], rel=0.1)


@pytest.mark.skipif(not hasattr(h5t, "COMPLEX_IEEE_F64LE"), reason="needs HDF5 2.0")
def test_complex_numbers_of_hdf5_2(tmp_path):
    with h5py.File(tmp_path / "in.h5", "w") as file:
        dataset = h5d.create(file.id, b"z", h5t.COMPLEX_IEEE_F64LE, h5s.create_simple((5000,)))
        dataset.write(h5s.ALL, h5s.ALL, np.full(5000, 3 + 4j), h5t.COMPLEX_IEEE_F64LE)

    with h5py.File(noisy_file(tmp_path / "in.h5", "-s", 1)) as file:
        after = np.zeros(5000, "c16")
        file["z"].id.read(h5s.ALL, h5s.ALL, after, h5t.COMPLEX_IEEE_F64LE)
    change = after - (3 + 4j)
    assert [0.5, 0.5] == pytest.approx([change.real.var(), change.imag.var()], rel=0.1)


def test_long_doubles(tmp_path):
    values = np.arange(10, dtype=np.longdouble) / 3
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["x"] = values

    with h5py.File(noisy_file(tmp_path / "in.h5", "-s", 1)) as file:
        assert np.array_equal(values + normal_noise("x", 10), file["x"][()])


def test_times_of_numpy(tmp_path):
    days = np.array(["2020-01-01", "NaT", "2021-01-01"], "M8[ns]")
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["t"] = days.astype(h5py.opaque_dtype(days.dtype))

    with h5py.File(noisy_file(tmp_path / "in.h5", "-s", "1h", "-c", "t")) as file:
        after = file["t"][()]
    assert [False, True, False] == np.isnat(after).tolist()
    assert np.all(np.abs(after - days)[[0, 2]] < np.timedelta64(6, "h"))
    assert np.all(after[[0, 2]] != days[[0, 2]])


@pytest.mark.parametrize("storage", STORAGE)
def test_texts_of_fixed_length_take_models_of_texts(tmp_path, storage):
    texts = np.array(["Zürich".encode(), b"Bern", b""] * 10, "S8")
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.create_dataset("city", data=texts, **STORAGE[storage])

    with h5py.File(
        noisy_file(tmp_path / "in.h5", "-d", "case", "--rate", "100%", "-p", "to=upper")
    ) as file:
        assert ["ZÜRICH", "BERN", ""] * 10 == [text.decode() for text in file["city"][()]]
        assert "S8" == file["city"].dtype.str[1:]


def test_truth_values_take_models_of_truth_values(tmp_path):
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.create_dataset("flags", data=np.zeros(1000, bool), chunks=(300,), compression="gzip")

    target = noisy_file(tmp_path / "in.h5", "-d", "flip", "--rate", "50%", "-c", "flags")

    with h5py.File(target) as file:
        assert 400 < np.count_nonzero(file["flags"][()]) < 600


def special_float(file: h5py.File) -> None:
    kind = h5t.IEEE_F32LE.copy()
    kind.set_fields(31, 23, 8, 7, 16)
    h5d.create(file.id, b"x", kind, h5s.create_simple((3,))).write(h5s.ALL, h5s.ALL, np.ones(3))


def hdf5_time(file: h5py.File) -> None:
    h5d.create(file.id, b"x", h5t.UNIX_D32LE, h5s.create_simple((3,)))


def bit_field(file: h5py.File) -> None:
    h5d.create(file.id, b"x", h5t.STD_B8LE, h5s.create_simple((3,)))


def enumeration(file: h5py.File) -> None:
    file.create_dataset("x", data=[0, 1], dtype=h5py.enum_dtype({"A": 0, "B": 1}, "i1"))


def opaque(file: h5py.File) -> None:
    file["x"] = np.array([b"\1\2"], "V2")


def lists(file: h5py.File) -> None:
    file.create_dataset("x", (2,), h5py.vlen_dtype("f8"))[:] = [[1.5], [2.5, 3.5]]


def references(file: h5py.File) -> None:
    file.create_dataset("x", data=file.ref, dtype=h5py.ref_dtype)


def regions(file: h5py.File) -> None:
    other = file.create_dataset("other", data=[1, 2, 3])
    file.create_dataset("x", data=other.regionref[1:], dtype=h5py.regionref_dtype)


def nothing(file: h5py.File) -> None:
    file.create_dataset("x", data=h5py.Empty("f8"))


@pytest.mark.parametrize(
    ("make", "holds"),
    [
        (special_float, "numbers of a type that NumPy does not have"),
        (hdf5_time, "HDF5 times"),
        (bit_field, "bit fields"),
        (enumeration, "an enumeration"),
        (opaque, "opaque bytes"),
        (lists, "lists of variable length"),
        (references, "references"),
        (regions, "references"),
        (nothing, "nothing"),
    ],
)
def test_what_holds_no_numbers_is_refused_when_named_and_passes_otherwise(tmp_path, make, holds):
    source = tmp_path / "in.h5"
    with h5py.File(source, "w") as file:
        make(file)
        file["y"] = np.zeros(3)

    done = run(source, "-o", tmp_path / "out.h5", "-s", 1, "-c", "x", "-q")

    assert (2, 1) == (done.status, len(done.lines))
    assert f"field 'x': holds {holds}, which cannot get noise" in done.messages
    before = source.read_bytes()
    after = noisy_file(source, "-s", 1).read_bytes()
    with h5py.File(source) as file:
        start, size = file["y"].id.get_offset(), 24
    assert before[:start] == after[:start]
    assert before[start + size :] == after[start + size :]
    assert normal_noise("y", 3).tobytes() == after[start : start + size]

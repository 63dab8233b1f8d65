"""NPY: any order, any number type; the header and whatever is not chosen stay, to the byte."""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conformance import FormatConformance
from npy_files import Trap, npy_bytes
from numpy.lib import format as npy_format
from run_command import noisy, noisy_file, normal_noise, run, run_process

if TYPE_CHECKING:
    from pathlib import Path


class TestConformance(FormatConformance):
    suffix = ".npy"
    names = ("data",)

    def write(self, path, columns):
        np.save(path, columns["data"])

    def read(self, path):
        return {"data": np.load(path)}


def header_of(data: bytes) -> bytes:
    return data[: data.index(b"\n") + 1]


def noisy_array(array: np.ndarray, *arguments: object) -> np.ndarray:
    """Return what a file of the array becomes, having checked that its header stays."""
    data = npy_bytes(array)
    output = noisy(*arguments, given=data)
    assert header_of(data) == header_of(output)
    actual = np.load(io.BytesIO(output))
    assert (array.dtype, array.shape) == (actual.dtype, actual.shape)
    return actual


SHAPES = [(7,), (5, 3), (3, 5), (1, 9), (9, 1), (4, 3, 5), (2, 1, 3, 4), (130, 70)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("size", ["100", "1MiB"])
def test_noise_follows_the_index_in_c_order(shape: tuple[int, ...], size: str) -> None:
    array = np.arange(np.prod(shape), dtype=float).reshape(shape)

    actual = noisy_array(array, "-s", 0.5, "--chunk-size", size)

    expected = array + 0.5 * normal_noise("data", array.size).reshape(shape)
    assert expected.tobytes() == actual.tobytes()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("size", ["100", "1MiB"])
def test_a_fortran_order_array_gets_the_noise_of_a_c_order_one(
    tmp_path: Path, shape: tuple[int, ...], size: str
) -> None:
    array = np.arange(np.prod(shape), dtype=float).reshape(shape)
    source = tmp_path / "fortran.npy"
    np.save(source, np.asfortranarray(array))

    target = noisy_file(source, "-s", 0.5, "--chunk-size", size)

    expected = array + 0.5 * normal_noise("data", array.size).reshape(shape)
    assert expected.tolist() == np.load(target).tolist()
    assert header_of(source.read_bytes()) == header_of(target.read_bytes())


def test_a_fortran_order_array_of_many_boxes_gets_the_noise_of_a_c_order_one(
    tmp_path: Path,
) -> None:
    array = np.arange(1_500_000, dtype=np.float32).reshape(500, 3000)
    source = tmp_path / "fortran.npy"
    np.save(source, np.asfortranarray(array))

    target = noisy_file(source, "-s", 0.5, "--jobs", 2)

    expected = (array + 0.5 * normal_noise("data", array.size).reshape(500, 3000)).astype("f4")
    assert np.array_equal(expected, np.load(target))


def test_a_fortran_order_array_passes_through_a_pipe() -> None:
    array = np.asfortranarray(np.arange(15.0).reshape(3, 5))

    done = run("-s", 0.5, "--seed", 1, "-q", given=npy_bytes(array))

    expected = array + 0.5 * normal_noise("data", 15).reshape(3, 5)
    assert done.messages == ""
    assert expected.tolist() == np.load(io.BytesIO(done.output)).tolist()


@pytest.mark.parametrize("dtype", ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"])
def test_floats_keep_their_width_and_byte_order(dtype: str) -> None:
    array = np.linspace(-3, 3, 50).astype(dtype)

    actual = noisy_array(array, "-s", 0.25)

    expected = (array.astype("f8") + 0.25 * normal_noise("data", 50)).astype(dtype)
    assert expected.tobytes() == actual.tobytes()


def test_long_doubles_keep_their_precision() -> None:
    array = np.longdouble(1) + np.arange(5) * np.finfo(np.longdouble).eps

    actual = noisy_array(array, "-s", 0.25)

    assert (array + 0.25 * normal_noise("data", 5)).tolist() == actual.tolist()


@pytest.mark.parametrize(
    "dtype", [f"{order}{kind}{width}" for order in "<>" for kind in "iu" for width in (2, 4, 8)]
)
def test_whole_numbers_round_and_keep_their_type(dtype: str) -> None:
    array = np.arange(100, 150).astype(dtype)

    actual = noisy_array(array, "-s", 20)

    expected = array.astype(int) + np.rint(20 * normal_noise("data", 50)).astype(int)
    assert expected.tolist() == actual.tolist()


@pytest.mark.parametrize("dtype", ["i1", "u1", "<i2", ">u2", "<i4", ">u4", "<i8", "<u8", ">i8"])
@pytest.mark.parametrize("loc", ["1e30", "-1e30", "300e18"])
def test_whole_numbers_saturate(dtype: str, loc: str) -> None:
    info = np.iinfo(dtype)
    array = np.array([info.min, 0, 1, info.max], dtype)

    actual = noisy_array(array, "-s", 0, f"--loc={loc}")

    assert [info.min if loc.startswith("-") else info.max] * 4 == actual.tolist()


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("<i8", [2**53 + 1, -(2**53) - 1, 2**63 - 8, -(2**63) + 8]),
        ("<u8", [2**53 + 1, 2**63 + 1, 2**64 - 9, 9]),
    ],
)
def test_whole_numbers_above_two_to_53_are_exact(dtype: str, values: list[int]) -> None:
    actual = noisy_array(np.array(values, dtype), "-s", 2)

    noise = np.rint(2 * normal_noise("data", 4)).astype(int).tolist()
    assert [value + change for value, change in zip(values, noise, strict=True)] == actual.tolist()


def test_rounding_is_half_to_even() -> None:
    array = np.zeros(1, np.int16)

    actual = [noisy_array(array, "-s", 0, f"--loc={loc}")[0] for loc in (0.5, 1.5, -0.5, 2.5)]

    assert [0, 2, 0, 2] == actual


LONG_DOUBLE = np.dtype(np.longdouble)


@pytest.mark.skipif(np.finfo(LONG_DOUBLE).nmant != 63, reason="no bytes of it are unused")
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("model", [("-s", 0.25), ("-d", "missing", "--rate", "50%")], ids=str)
@pytest.mark.parametrize("member", ["", "x"], ids=["plain", "member"])
def test_bytes_of_long_doubles_that_hold_nothing_stay(
    order: str, model: tuple[object, ...], member: str
) -> None:
    dtype = LONG_DOUBLE.newbyteorder(order)  # type: ignore[arg-type]
    plain = np.arange(1, 21).astype(dtype)
    unused = slice(10, None) if order == "<" else slice(6)
    plain.view(np.uint8).reshape(20, 16)[:, unused] = 7
    array = np.zeros(20, [("i", "i1"), ("x", dtype)]) if member else plain
    if member:
        array["x"] = plain

    data = noisy(*model, given=npy_bytes(array))

    actual = np.load(io.BytesIO(data))
    values = np.ascontiguousarray(actual["x"] if member else actual)
    assert (values != plain).any()
    assert (values.view(np.uint8).reshape(20, 16)[:, unused] == 7).all()


@pytest.mark.parametrize("dtype", ["<f4", ">f8"])
def test_floats_that_are_not_finite_stay(dtype: str) -> None:
    array = np.array([1.0, np.nan, np.inf, -np.inf, -0.0], dtype)

    actual = noisy_array(array, "-s", 0.5)

    assert array[1:4].tobytes() == actual[1:4].tobytes()
    assert (array[0], array[4]) != (actual[0], actual[4])


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8"])
def test_floats_saturate_instead_of_becoming_infinite(dtype: str) -> None:
    most = np.finfo(dtype).max

    actual = noisy_array(np.array([most, 0, -most], dtype), "-s", 0, "--loc=1e308")

    assert np.isfinite(actual).all()
    assert actual[0] == most


@pytest.mark.parametrize("dtype", ["<c8", ">c16"])
def test_complex_numbers_get_half_the_variance_in_each_part(dtype: str) -> None:
    array = np.zeros(20_000, dtype)

    actual = noisy_array(array, "-s", 2)

    for part in (actual.real, actual.imag):  # the sd of n normals is off by 1/sqrt(2n) of it
        assert part.std() == pytest.approx(2**0.5, rel=5 / 200)
    assert abs(np.corrcoef(actual.real, actual.imag)[0, 1]) < 5 / 20_000**0.5


def test_a_complex_number_that_is_partly_not_finite_stays() -> None:
    array = np.array([complex(np.nan, 1), complex(1, np.inf), 1 + 1j])

    actual = noisy_array(array, "-s", 0.5)

    assert array[:2].tobytes() == actual[:2].tobytes()
    assert array[2] != actual[2]


def test_an_array_without_axes_is_one_value() -> None:
    actual = noisy_array(np.array(2.5), "-s", 0.5)

    assert 2.5 + 0.5 * normal_noise("data", 1).item() == actual.item()


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 4)], ids=str)
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_empty_array_passes_through_with_a_note(shape: tuple[int, ...], order: Any) -> None:
    data = npy_bytes(np.empty(shape, order=order))

    done = run("--seed", 1, given=data)

    assert (0, data) == (done.status, done.output)
    assert "has no rows" in done.lines[-1] or "no elements" in done.lines[-1]


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.array([True, False]), id="bool"),
        pytest.param(np.array(["a", "bc"]), id="text"),
        pytest.param(np.array([b"a", b"bc"]), id="bytes"),
        pytest.param(np.array(["2024-01-01"], "M8[D]"), id="date"),
    ],
)
@pytest.mark.parametrize("choice", [(), ("-c", "data")], ids=["by-default", "by-name"])
def test_an_array_without_numbers_is_refused(
    tmp_path: Path, array: np.ndarray, choice: tuple[str, ...]
) -> None:
    source = tmp_path / "data.npy"
    np.save(source, array)

    done = run(source, "-o", tmp_path / "out.npy", "-s", 1, "--seed", 1, *choice)

    assert done.status == 2
    assert len(done.lines) == 1
    assert "numbers" in done.messages
    assert [source] == list(tmp_path.iterdir())


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)], ids=str)
def test_every_version_of_the_format_is_kept(version: tuple[int, int]) -> None:
    array = np.arange(3.0)
    data = npy_bytes(array, version)

    actual = noisy("-s", 0.5, given=data)

    assert data[:-24] == actual[:-24]
    assert (array + 0.5 * normal_noise("data", 3)).tobytes() == actual[-24:]


def test_unicode_member_names_are_kept() -> None:
    data = npy_bytes(np.zeros(2, [("größe", "<f8"), ("名", "<i2")]), (3, 0))

    actual = noisy("-s", 0.5, given=data)

    array = np.load(io.BytesIO(actual))
    assert header_of(data) == header_of(actual)
    assert (0.5 * normal_noise("größe", 2)).tolist() == array["größe"].tolist()


RECORD = np.dtype(
    {
        "names": ["flag", "x", "name", "id", "y", "when"],
        "formats": ["?", ">f4", "S5", "<i8", "<f8", "<M8[s]"],
        "offsets": [0, 4, 8, 16, 24, 32],
        "itemsize": 48,
    }
)


def records() -> np.ndarray:
    array = np.zeros(20, RECORD)
    array["flag"], array["x"], array["name"] = True, np.arange(20), b"ab"
    array["id"], array["y"], array["when"] = 2**60 + 1, np.arange(20) / 7, 1_700_000_000
    return array


def test_members_are_fields_and_the_others_stay() -> None:
    array = records()

    actual = noisy_array(array, "-s", 0.5, "-c", "x,id")

    expected = array.copy()
    expected["x"] += (0.5 * normal_noise("x", 20)).astype("f8")
    expected["x"] = (array["x"].astype("f8") + 0.5 * normal_noise("x", 20)).astype("f4")
    expected["id"] += np.rint(0.5 * normal_noise("id", 20)).astype(int)
    assert expected.tolist() == actual.tolist()


def test_members_that_are_floats_are_the_default_choice() -> None:
    array = records()

    actual = noisy_array(array, "-s", 0.5)

    changed = [name for name in RECORD.names or () if (array[name] != actual[name]).any()]
    assert ["x", "y"] == changed


def test_padding_between_members_is_kept() -> None:
    data = npy_bytes(records())
    start = data.index(b"\n") + 1
    data = data[:start] + bytes(range(256)) * 4  # 1024 bytes: 21 records and a rest
    data = data[: start + 20 * 48]

    actual = noisy("-s", 0, "--loc", 1, "-c", "id", given=data)

    at = np.arange(len(data) - start) % 48
    untouched = (at < 16) | (at >= 24)
    before, after = (np.frombuffer(text[start:], np.uint8) for text in (data, actual))
    assert before[untouched].tolist() == after[untouched].tolist()


def test_nested_members_are_named_by_their_path() -> None:
    dtype = [("pose", [("x", "<f8"), ("y", "<f8")]), ("id", "<i4")]
    array = np.zeros(5, dtype)

    actual = noisy_array(array, "-s", 0.5, "-c", "pose.y")

    expected = array.copy()
    expected["pose"]["y"] = 0.5 * normal_noise("pose.y", 5)
    assert expected.tolist() == actual.tolist()


@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_a_member_that_is_an_array_has_elements_of_its_own(size: int) -> None:
    array = np.zeros(7, [("v", "<f8", (2, 3)), ("id", "<i4")])
    array["id"] = 9

    actual = noisy_array(array, "-s", 0.5, "--chunk-size", size)

    assert (0.5 * normal_noise("v", 42)).reshape(7, 2, 3).tolist() == actual["v"].tolist()
    assert [9] * 7 == actual["id"].tolist()


def test_a_member_that_is_an_array_of_records_has_fields() -> None:
    array = np.zeros(5, [("pose", [("x", "<f8"), ("y", "<f4", (3,))], (2,)), ("id", "<i4")])

    actual = noisy_array(array, "-s", 0.5, "-c", "pose.y")

    expected = (0.5 * normal_noise("pose.y", 30)).astype("f4").reshape(5, 2, 3)
    assert expected.tolist() == actual["pose"]["y"].tolist()
    assert not actual["pose"]["x"].any()


def test_a_member_whose_name_starts_as_a_path_is_itself() -> None:
    array = np.zeros(5, [("a", "<f8"), ("a.b", "<f8"), ("c", [("d.e", "<f8")])])

    actual = noisy_array(array, "-s", 0.5, "-c", "a.b,c.d.e")

    assert not actual["a"].any()
    assert (0.5 * normal_noise("a.b", 5)).tolist() == actual["a.b"].tolist()
    assert (0.5 * normal_noise("c.d.e", 5)).tolist() == actual["c"]["d.e"].tolist()


def test_members_that_cannot_be_told_apart_are_refused() -> None:
    array = np.zeros(5, [("a.b", "<f8"), ("a", [("b", "<f8")])])

    done = run("-s", 1, given=npy_bytes(array))

    assert (3, 1) == (done.status, len(done.lines))
    assert "two fields called 'a.b'" in done.messages


def test_titles_of_members_are_kept() -> None:
    array = np.zeros(5, [(("the flux", "x"), "<f8"), (("the number", "n"), "<i4")])

    actual = noisy_array(array, "-s", 0.5)

    assert (0.5 * normal_noise("x", 5)).tolist() == actual["the flux"].tolist()


@pytest.mark.parametrize(
    "dtype", ["?", "S5", "<U3", ">U3", "V7", "<M8", "<m8", "<m8[Y]", "<M8[ps]", ">M8[s]"]
)
def test_members_that_get_no_noise_keep_their_bytes(dtype: str) -> None:
    array = np.zeros(50, [("x", "<f8"), ("other", dtype)])
    array.view(np.uint8).reshape(50, -1)[:, 8:] = (np.arange(50) % 2)[:, None]

    actual = noisy_array(array, "-s", 0.5)

    assert array["other"].tobytes() == actual["other"].tobytes()
    assert (array["x"] != actual["x"]).all()


@pytest.mark.parametrize("dtype", ["<U9", ">U9"])
def test_texts_get_typos(dtype: str) -> None:
    texts = ["wörld", "名前", "", "a" * 9] * 20
    array = np.array(texts, dtype)

    actual = noisy_array(array, "-d", "typo", "--rate", "50%", "-c", "data")

    assert 20 < (array != actual).sum() < 60


def test_bytes_get_typos_as_utf_8_and_are_cut_between_characters() -> None:
    array = np.array(["é" * 10, "", "日本語日本語"], "U").astype(object)
    encoded = np.array([text.encode() for text in array] * 100, "S20")

    actual = noisy_array(encoded, "-d", "typo", "--rate", 1, "-c", "data")

    assert (encoded != actual).sum() > 100
    assert all(value.decode() is not None for value in actual.tolist())


def test_bytes_that_are_no_text_and_get_no_noise_stay() -> None:
    array = np.array([b"\xff\xfe\0\x01", b"caf\xc3\xa9", b"\xc3", b"a\0b"] * 20)

    actual = noisy_array(array, "-d", "typo", "--rate", "1%", "-c", "data", "--seed", 2)

    same = array == actual
    assert 70 < same.sum()
    assert array[same].tobytes() == actual[same].tobytes()


def test_times_with_a_generic_unit_are_no_numbers_and_stay() -> None:
    record = np.zeros(3, [("t", "m8"), ("n", "i8")])
    record["t"] = np.arange(3)
    before = np.load(io.BytesIO(npy_bytes(record)))

    after = np.load(io.BytesIO(noisy("-s", 9, "-c", "*", "-q", given=npy_bytes(record))))

    assert np.array_equal(before["t"], after["t"])
    assert not np.array_equal(before["n"], after["n"])


def test_elements_of_no_bytes_pass_through() -> None:
    header = npy_bytes(np.zeros(3, "V1"))
    data = header[:-3].replace(b"|V1", b"|V0")

    assert data == noisy("-s", 1, "-c", "*", "-q", given=data)


@pytest.mark.parametrize("way", ["file", "pipe"])
def test_a_header_of_more_than_a_megabyte(tmp_path: Path, way: str) -> None:
    names = [f"{number:06d}{'x' * 60}" for number in range(15_000)]
    array = np.zeros(2, [(name, "<f8") for name in names])
    source, target = tmp_path / "wide.npy", tmp_path / "out.npy"
    source.write_bytes(npy_bytes(array, (2, 0)))
    options = ("-o", target, "-s", 0.5, "--seed", 1, "-q", "-c", names[-1])

    done = run(source, *options) if way == "file" else run(*options, given=source.read_bytes())

    assert done.status == 0, done.messages
    actual = np.frombuffer(target.read_bytes()[-array.nbytes :], array.dtype)
    assert (0.5 * normal_noise(names[-1], 2)).tolist() == actual[names[-1]].tolist()
    assert not actual[names[0]].any()


def test_a_fortran_order_array_of_records_gets_the_noise_of_a_c_order_one(tmp_path: Path) -> None:
    array = records().reshape(4, 5)
    for name, order in (("c", "C"), ("f", "F")):
        np.save(tmp_path / f"{name}.npy", np.asarray(array, order=order))  # type: ignore[call-overload]

    c, f = (np.load(noisy_file(tmp_path / f"{name}.npy", "-s", 0.5)) for name in "cf")

    assert c.tolist() == f.tolist()


def test_a_level_from_another_member() -> None:
    array = np.zeros(4, [("flux", "<f8"), ("flux_err", "<f4")])
    array["flux_err"] = [1, -2, 0, 4]

    actual = noisy_array(array, "-s", "@flux_err", "-c", "flux")

    assert (normal_noise("flux", 4) * [1, 2, 0, 4]).tolist() == actual["flux"].tolist()


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.array([Trap(), None], dtype=object), id="plain"),
        pytest.param(np.array([(1.0, Trap())], [("x", "f8"), ("o", "O")]), id="member"),
    ],
)
def test_pickled_objects_are_refused_and_never_unpickled(tmp_path: Path, array: np.ndarray) -> None:
    source = tmp_path / "pickled.npy"
    with source.open("wb") as file:
        npy_format.write_array(file, array, allow_pickle=True)
    assert pickle.dumps(Trap())  # the trap is one that can be set

    done = run(source, "-o", tmp_path / "out.npy", "-s", 1)

    assert done.status == 3
    assert len(done.lines) == 1
    assert "never unpickled" in done.messages
    assert [source] == list(tmp_path.iterdir())


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(lambda data: data[:-1], "cut short", id="one-byte-missing"),
        pytest.param(lambda data: data[:-100], "cut short", id="half-missing"),
        pytest.param(lambda data: data[:128], "cut short", id="header-only"),
        pytest.param(lambda data: data + b"\0", "goes on after", id="one-byte-more"),
        pytest.param(lambda data: data[:30], "broken NPY header", id="half-a-header"),
        pytest.param(lambda data: data.replace(b"shape", b"shqpe"), "broken", id="no-shape"),
        pytest.param(lambda data: data.replace(b"<f8", b"<q8"), "broken", id="no-dtype"),
        pytest.param(lambda data: data.replace(b"(5, 6)", b"(x, 6)"), "on line 1\n", id="a-name"),
        pytest.param(lambda data: data[:6] + b"\x09\0" + data[8:], "version", id="version-9"),
        pytest.param(lambda data: data.replace(b"(5, 6)", b"(-5,6)"), "", id="negative"),
        pytest.param(lambda data: data.replace(b"(5, 6)", b"(5.,6)"), "", id="no-whole-number"),
        pytest.param(lambda data: data.replace(b"(5, 6)", b"(5,\xb0\n\n"), "", id="open-bracket"),
    ],
)
@pytest.mark.parametrize("way", ["file", "pipe"])
def test_a_broken_file_is_refused(
    tmp_path: Path,
    order: Any,
    change: Any,
    reason: str,
    way: str,
) -> None:
    source, target = tmp_path / "data.npy", tmp_path / "out.npy"
    source.write_bytes(change(npy_bytes(np.ones((5, 6), order=order))))

    if way == "file":
        done = run(source, "-o", target, "-s", 1, "--seed", 1, "-q")
    else:
        done = run("-o", target, "-s", 1, "--seed", 1, "-q", given=source.read_bytes())

    assert done.status == 3
    assert len(done.lines) == 1
    assert reason in done.messages
    assert [source] == list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", ["<f8", ">f4", "u1", [("a", "<f8"), ("b", "S3")]])
@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_a_file_gets_the_bytes_that_a_pipe_gets(tmp_path: Path, dtype: Any, jobs: int) -> None:
    array = np.arange(200_000).astype("f8").astype(dtype)  # a file is written by the workers
    path = tmp_path / "data.npy"
    np.save(path, array)
    out = tmp_path / "out.npy"
    noise = ("-s", 50, "--seed", 1, "--chunk-size", "16KiB", "--jobs", jobs, "-c", ":float,:int")

    piped = noisy(path, *noise)
    done = run(path, "-o", out, *noise, "-q")

    assert (0, []) == (done.status, done.lines)
    assert piped == out.read_bytes() != path.read_bytes()


def test_standard_input_to_standard_output() -> None:
    array = np.arange(1000.0)

    done = run_process("-s", 0.5, "--seed", 1, given=npy_bytes(array))

    assert (0, "") == (done.status, done.messages)
    expected = npy_bytes(array + 0.5 * normal_noise("data", 1000))
    assert expected == done.output


@pytest.mark.parametrize("level", ["0.1sd", "0.1iqr", "1%range"])
def test_a_level_of_the_whole_field_on_a_pipe_is_spooled_with_a_note(level: str) -> None:
    done = run("-s", level, "--seed", 1, given=npy_bytes(np.arange(10.0)))

    assert done.status == 0
    assert done.messages == (
        "noisify: note: standard input is kept in a temporary file, since the noise level depends "
        "on all of it; an absolute level (-s 0.5) streams\n"
    )


def test_clip_bounds_what_noise_produces_only() -> None:
    array = np.array([-5.0, 0.0, 1.0, 300.0])

    actual = noisy_array(array, "-s", 0, "--loc", 2, "--clip", "0,2.5")
    untouched = noisy_array(array, "-s", 0, "--clip", "0,2.5")

    assert [0, 2, 2.5, 2.5] == actual.tolist()
    assert array.tolist() == untouched.tolist()


@pytest.mark.parametrize("decimals", [0, 2])
def test_decimals_round_floats(decimals: int) -> None:
    array = np.linspace(0, 1, 20)

    actual = noisy_array(array, "-s", 1, "--decimals", decimals)

    expected = np.round(array + normal_noise("data", 20), decimals)
    assert expected.tolist() == actual.tolist()

"""Models of whole rows along the first axis of arrays, and on frames of sound."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from PIL import Image
from run_command import run

from noisify.core import memory_bound

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RECORD = np.zeros(999, [("x", "<f8"), ("v", "<f4", (3,))])
RECORD["x"] = np.arange(999)
ARRAYS = {
    "line": np.arange(9999.0),
    "matrix": np.arange(3000.0).reshape(1000, 3),
    "images": np.arange(24000, dtype="u2").reshape(100, 16, 15),
    "big-endian": np.arange(999, dtype=">i4"),
    "record": RECORD,
}
DROP = ("-d", "drop-rows", "--rate", "30%")
REPEAT = ("-d", "duplicate-rows", "--rate", "30%", "-p", "times=20")


def changed(source: Path, *arguments: object) -> Path:
    target = source.with_name(f"out{source.suffix}")
    done = run(source, "-o", target, "--seed", 1, "-q", *arguments)
    assert (0, b"") == (done.status, done.output), done.messages
    return target


def rows_of_a_table(folder: Path, count: int, *arguments: object) -> NDArray[np.int64]:
    """Return which rows come out of a table of as many."""
    table = folder / "rows.csv"
    table.write_text("row\n" + "".join(f"{at}\n" for at in range(count)))
    return np.loadtxt(changed(table, *arguments), np.int64, skiprows=1, ndmin=1)


@pytest.mark.parametrize("cut", [(), ("--chunk-size", "1k", "-j", 2)], ids=["whole", "cut"])
@pytest.mark.parametrize("model", [DROP, REPEAT], ids=["drop", "repeat"])
@pytest.mark.parametrize("name", ARRAYS)
def test_the_rows_that_come_out_are_those_of_a_table(tmp_path, name, model, cut):
    before = ARRAYS[name]
    np.save(tmp_path / "in.npy", before)

    after = np.load(changed(tmp_path / "in.npy", *model, *cut))

    assert before.dtype == after.dtype
    rows = rows_of_a_table(tmp_path, len(before), *model)
    np.testing.assert_array_equal(before[rows], after)


@pytest.mark.parametrize("model", [DROP, REPEAT], ids=["drop", "repeat"])
@pytest.mark.parametrize("name", ["in.npy", "in.npz", "packed.npz"])
@pytest.mark.parametrize("kind", ["f8", "u1", [("x", "f4"), ("n", "i8")]], ids=["f8", "u1", "two"])
def test_rows_may_be_larger_than_a_chunk(tmp_path, name, model, kind):
    before = np.zeros((9, 40, 30), kind)
    before[before.dtype.names[0] if before.dtype.names else ...] = np.arange(9)[:, None, None]
    save = {"in.npy": np.save, "in.npz": np.savez, "packed.npz": np.savez_compressed}[name]
    save(tmp_path / name, before)

    found = np.load(changed(tmp_path / name, *model, "--chunk-size", "1k", "-j", 2))
    after = found if name == "in.npy" else found["arr_0"]

    assert before.dtype == after.dtype
    rows = rows_of_a_table(tmp_path, len(before), *model)
    np.testing.assert_array_equal(before[rows], after)


@pytest.mark.parametrize("save", [np.save, np.savez], ids=["npy", "npz"])
def test_a_row_that_does_not_fit_into_memory_is_refused(tmp_path, monkeypatch, save):
    source = tmp_path / ("in.npy" if save is np.save else "in.npz")
    save(source, np.zeros((2, 400_000)))
    monkeypatch.setattr(memory_bound, "_resident", lambda: 10 << 20)
    monkeypatch.setattr(memory_bound, "_peak", lambda: 10 << 20)
    done = run(source, "-o", tmp_path / "out", *DROP, "--seed", 1, "--max-memory", "30m", "-j", 1)
    assert (1, 1) == (done.status, len(done.lines)), done.messages
    assert "a row needs about 25MB of memory, and --max-memory 30MB leaves 20MB" in done.messages


def test_an_array_without_rows_passes_through(tmp_path):
    np.save(tmp_path / "in.npy", np.zeros((0, 3)))

    assert (0, 3) == np.load(changed(tmp_path / "in.npy", *DROP)).shape


def test_rows_keep_the_noise_they_would_have_got(tmp_path):
    np.save(tmp_path / "in.npy", ARRAYS["matrix"])
    noise = ("--noise", "data=normal:1")

    noisy = np.load(changed(tmp_path / "in.npy", *noise))
    after = np.load(changed(tmp_path / "in.npy", *noise, "--noise", "=drop-rows:30%"))

    np.testing.assert_array_equal(noisy[rows_of_a_table(tmp_path, 1000, *DROP)], after)


def test_repeated_rows_may_have_noise_of_their_own(tmp_path):
    np.save(tmp_path / "in.npy", np.zeros((200, 3)))

    after = np.load(
        changed(
            tmp_path / "in.npy",
            *("--noise", "data=normal:1", "--noise", "=duplicate-rows:50%,fresh=true"),
        )
    )

    assert 250 < len(after) < 350
    assert len(np.unique(after[:, 0])) == len(after)


def test_a_condition_chooses_rows_of_one_element(tmp_path):
    np.save(tmp_path / "in.npy", ARRAYS["line"])

    after = np.load(
        changed(tmp_path / "in.npy", "-d", "drop-rows", "--rate", 1, "--where", "data < 500")
    )

    np.testing.assert_array_equal(np.arange(500.0, 9999.0), after)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("model", [DROP, REPEAT], ids=["drop", "repeat"])
def test_frames_of_sound_are_dropped_and_repeated(tmp_path, channels, subtype, model):
    source = tmp_path / "in.wav"
    samples = np.sin(np.arange(999 * channels)).reshape(999, channels)
    soundfile.write(source, samples, 8000, subtype)

    out = changed(source, *model, "--chunk-size", "1k")

    before, after = (soundfile.read(path, always_2d=True)[0] for path in (source, out))
    np.testing.assert_array_equal(before[rows_of_a_table(tmp_path, 999, *model)], after)
    assert out.stat().st_size == 8 + int.from_bytes(out.read_bytes()[4:8], "little")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("-o", "-"), "give -o the name of a file, without compression"),
        (("-o", "out.npy.gz"), "give -o the name of a file, without compression"),
        (("-o", "out.npy", "--where", "data > 3"), "needs rows of one element"),
        (("-o", "out.npy", "--mask", "m.npy"), "--mask needs an output of as many rows"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(tmp_path, monkeypatch, arguments, expected):
    monkeypatch.chdir(tmp_path)
    np.save("in.npy", ARRAYS["matrix"])

    done = run("in.npy", *DROP, "--seed", 1, *arguments)

    assert (2, 1, b"") == (done.status, len(done.lines), done.output), done.messages
    assert expected in done.messages
    assert ["in.npy"] == [path.name for path in tmp_path.iterdir()]


FORTRAN = {
    "matrix": np.asfortranarray(ARRAYS["matrix"]),
    "images": np.asfortranarray(ARRAYS["images"]),
    "wide": np.asfortranarray(np.arange(64000, dtype=">f4").reshape(400, 160)),
    "record": np.asfortranarray(np.repeat(RECORD[:, None], 4, axis=1)),
}


@pytest.mark.parametrize("cut", [(), ("--chunk-size", "64k", "-j", 3)], ids=["whole", "cut"])
@pytest.mark.parametrize("model", [DROP, REPEAT], ids=["drop", "repeat"])
@pytest.mark.parametrize("name", FORTRAN)
def test_rows_of_arrays_in_fortran_order(tmp_path, name, model, cut):
    before = FORTRAN[name]
    np.save(tmp_path / "in.npy", before)

    after = np.load(changed(tmp_path / "in.npy", *model, *cut))

    assert after.flags.f_contiguous
    rows = rows_of_a_table(tmp_path, len(before), *model)
    np.testing.assert_array_equal(before[rows], after)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("cut", [(), ("--chunk-size", "8k", "-j", 3)], ids=["whole", "cut"])
@pytest.mark.parametrize("model", [DROP, REPEAT], ids=["drop", "repeat"])
@pytest.mark.parametrize("name", [*ARRAYS, "fortran"])
def test_rows_of_the_one_array_of_an_archive(tmp_path, name, model, cut, save):
    before = FORTRAN["images"] if name == "fortran" else ARRAYS[name]
    save(tmp_path / "in.npz", data=before)

    target = changed(tmp_path / "in.npz", *model, *cut)

    with np.load(target) as arrays:
        assert ["data"] == list(arrays)
        after = arrays["data"]
    assert zipfile.ZipFile(target).testzip() is None
    assert before.dtype == after.dtype
    assert (name == "fortran") == (after.flags.f_contiguous and after.ndim > 1)
    rows = rows_of_a_table(tmp_path, len(before), *model)
    np.testing.assert_array_equal(before[rows], after)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
@pytest.mark.parametrize("fresh", ["fresh=true", "fresh=false"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_have_the_noise_of_an_npy_file(tmp_path, suffix, fresh, order):
    matrix = ARRAYS["matrix"]
    np.save(tmp_path / "c.npy", matrix)
    source = tmp_path / f"in.{suffix}"
    ordered = np.asarray(matrix, order=order)
    (np.save if suffix == "npy" else np.savez)(source, ordered)
    noise = ("--noise", "*=normal:1", "--noise", f"=duplicate-rows:50%,{fresh}")
    if suffix == "npz":
        np.savez(source, data=ordered)

    found = np.load(changed(source, *noise))
    after = found["data"] if suffix == "npz" else found

    expected = np.load(changed(tmp_path / "c.npy", *noise))
    np.testing.assert_array_equal(expected, after)


@pytest.mark.parametrize("name", ["in.npz", "in.npy"])
def test_all_rows_dropped(tmp_path, name):
    matrix = FORTRAN["matrix"]
    (np.savez if name == "in.npz" else np.save)(tmp_path / name, matrix)

    found = np.load(changed(tmp_path / name, "-d", "drop-rows", "--rate", 1))
    after = found["arr_0"] if name == "in.npz" else found

    assert (0, 3) == after.shape


def test_a_condition_chooses_rows_of_an_archive(tmp_path):
    np.savez(tmp_path / "in.npz", data=ARRAYS["line"])

    target = changed(tmp_path / "in.npz", "-d", "drop-rows", "--rate", 1, "--where", "data < 500",
                     "--chunk-size", "4k")  # fmt: skip

    np.testing.assert_array_equal(np.arange(500.0, 9999.0), np.load(target)["data"])


@pytest.mark.parametrize("cut", [(), ("--chunk-size", "1k", "-j", 2)], ids=["whole", "cut"])
@pytest.mark.parametrize("shape", [(300, 5), (300, 4, 3), (200, 7, 4)], ids=str)
@pytest.mark.parametrize("model", [DROP, REPEAT], ids=["drop", "repeat"])
def test_the_rows_of_a_png_are_those_of_its_array(tmp_path, model, shape, cut):
    pixels = (np.arange(np.prod(shape)) % 251).astype("u1").reshape(shape)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    np.save(tmp_path / "in.npy", pixels)
    noise = ("--noise", "data=normal:1") if shape[2:] != (4,) else ()  # alpha gets none
    rows = ("--noise", f"={model[1]}:{model[3]}")

    after = changed(tmp_path / "in.png", *noise, *rows, *cut)

    expected = np.load(changed(tmp_path / "in.npy", *noise, *rows))
    np.testing.assert_array_equal(expected, np.asarray(Image.open(after)))


def test_a_png_that_keeps_its_rows_keeps_its_bytes(tmp_path):
    Image.fromarray(np.arange(60, dtype="u1").reshape(20, 3)).save(tmp_path / "in.png")

    after = changed(tmp_path / "in.png", "-d", "drop-rows", "--rate", 0)

    assert (tmp_path / "in.png").read_bytes() == after.read_bytes()


def test_a_png_without_rows_is_refused(tmp_path):
    Image.fromarray(np.arange(60, dtype="u1").reshape(20, 3)).save(tmp_path / "in.png")

    done = run(tmp_path / "in.png", "-d", "drop-rows", "--rate", "100%", "--seed", 1,
               "-o", tmp_path / "out.png")  # fmt: skip

    assert (2, 1) == (done.status, len(done.lines)), done.messages
    assert "at least one row" in done.messages
    assert not (tmp_path / "out.png").exists()


def test_what_is_beside_the_array_in_an_archive_stays(tmp_path):
    source = tmp_path / "in.npz"
    np.savez(source, data=ARRAYS["line"])
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr("notes.txt", "some words")

    with zipfile.ZipFile(changed(source, *DROP)) as archive:
        assert ["data.npy", "notes.txt"] == archive.namelist()
        assert b"some words" == archive.read("notes.txt")


def test_an_archive_of_several_arrays_has_no_rows(tmp_path):
    np.savez(tmp_path / "in.npz", a=np.zeros(9), b=np.zeros(9))

    done = run(tmp_path / "in.npz", *DROP, "--seed", 1, "-o", tmp_path / "out.npz")

    assert (2, 1) == (done.status, len(done.lines)), done.messages
    assert "the one array of an NPY or NPZ file" in done.messages
    assert not (tmp_path / "out.npz").exists()


def test_an_array_without_axes_is_refused(tmp_path):
    np.save(tmp_path / "in.npy", np.array(2.5))

    done = run(tmp_path / "in.npy", *DROP, "--seed", 1, "-o", tmp_path / "out.npy")

    assert (2, 1) == (done.status, len(done.lines)), done.messages
    assert "the first axis of the one array of an NPY or NPZ file" in done.messages

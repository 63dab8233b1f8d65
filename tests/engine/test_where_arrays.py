"""Conditions on the elements of files of several arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest
from run_command import normal_noise, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

SHAPE = (60, 50)
QUALITY = np.arange(3000, dtype="i2").reshape(SHAPE) % 7
RECORD = np.zeros(500, [("x", "<f8"), ("flag", "<i4")])
RECORD["x"], RECORD["flag"] = np.arange(500), np.arange(500) % 3
ARRAYS = {
    "flux": np.linspace(0, 1, 3000).reshape(SHAPE),
    "other": np.ones(SHAPE),
    "quality": QUALITY,
    "name": np.array([b"a", b"b", b"c"] * 1000).reshape(SHAPE),
    "small": np.arange(9.0),
    "table": RECORD,
}


def write(path: Path, arrays: Mapping[str, NDArray]) -> Path:
    if path.suffix == ".npz":
        np.savez_compressed(path, **arrays)
        return path
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            chunks = (7, 9) if values.ndim > 1 else None
            file.create_dataset(name, data=values, chunks=chunks)
    return path


def read(path: Path) -> dict[str, NDArray]:
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return {name: arrays[name] for name in arrays}
    with h5py.File(path) as file:
        return {name: file[name][()] for name in file}


@pytest.fixture(params=[".npz", ".h5"])
def source(request, tmp_path):
    return write(tmp_path / f"in{request.param}", ARRAYS)


def noisy(source: Path, *arguments: object) -> dict[str, NDArray]:
    target = source.with_name(f"out{source.suffix}")
    done = run(source, "-o", target, "--seed", 1, *arguments)
    assert (0, b"") == (done.status, done.output), done.messages
    return read(target)


@pytest.mark.parametrize(
    ("condition", "chosen"),
    [
        ("quality > 3", QUALITY > 3),
        ("quality > 3 and flux < 0.5", (QUALITY > 3) & (ARRAYS["flux"] < 0.5)),
        ('name == "b"', ARRAYS["name"] == b"b"),
        ("flux >= 0.5", ARRAYS["flux"] >= 0.5),
    ],
)
@pytest.mark.parametrize("cut", [(), ("--chunk-size", "1k", "-j", 2)], ids=["whole", "cut"])
def test_elements_for_which_it_is_true_get_the_noise_they_would_have_got(
    source, condition, chosen, cut
):
    found = noisy(source, "-c", "flux", "-s", 0.5, "--where", condition, *cut)

    noise = 0.5 * normal_noise("flux", 3000).reshape(SHAPE)
    expected = np.where(chosen, ARRAYS["flux"] + noise, ARRAYS["flux"])
    np.testing.assert_array_equal(expected, found["flux"])
    for name in ("other", "quality", "name", "small", "table"):
        assert ARRAYS[name].tobytes() == found[name].tobytes()


def test_each_spec_has_its_condition(source):
    found = noisy(
        source,
        *("--noise", "flux=normal:1,where=quality == 0", "--noise", "small=normal:1"),
        *("--noise", "table.x=normal:1,where=table.flag == 2"),
    )

    np.testing.assert_array_equal(QUALITY == 0, found["flux"] != ARRAYS["flux"])
    np.testing.assert_array_equal(RECORD["flag"] == 2, found["table"]["x"] != RECORD["x"])
    assert (found["small"] != ARRAYS["small"]).all()


def test_a_field_may_get_noise_and_be_looked_at(source):
    found = noisy(source, "-c", "flux,quality", "-s", 9, "--where", "quality > 3")

    for name in ("flux", "quality"):
        assert not (found[name] != ARRAYS[name])[QUALITY <= 3].any()
        assert (found[name] != ARRAYS[name])[QUALITY > 3].mean() > 0.9


def test_a_model_that_looks_at_neighbours_keeps_to_it(source):
    found = noisy(source, "-c", "flux", "-d", "shuffle", "--where", "quality > 3")

    assert not (found["flux"] != ARRAYS["flux"])[QUALITY <= 3].any()


@pytest.mark.parametrize("name", ["small", "table.x"])
def test_arrays_of_other_shapes_are_refused_in_one_line(source, name):
    done = run(source, "-o", source.with_name("o"), "-c", name, "-s", 1, "--where", "quality > 3")

    assert (2, 1) == (done.status, len(done.lines)), done.messages
    assert f"field {name!r}: has another shape than quality in --where" in done.messages
    assert [source] == list(source.parent.iterdir())


def test_what_is_missing_or_packed_is_looked_at_as_it_is_read(tmp_path):
    source = tmp_path / "in.nc"
    codes = np.arange(100, dtype="i2")
    with h5py.File(source, "w") as file:
        file["t"] = codes
        file["t"].attrs["scale_factor"] = 0.5
        file["t"].attrs["_FillValue"] = np.int16(99)
        file["x"] = np.zeros(100)

    found = noisy(source, "-c", "x", "-s", 1, "--where", "t >= 40")

    np.testing.assert_array_equal((codes >= 80) & (codes != 99), found["x"] != 0)


def test_a_pattern_passes_over_other_shapes(source):
    found = noisy(source, "-c", "*", "--exclude", "name", "-s", 1, "--where", "quality > 3", "-q")

    changed = {name for name, values in ARRAYS.items() if values.tobytes() != found[name].tobytes()}
    assert {"flux", "other", "quality"} == changed


def test_what_cannot_be_compared_is_refused_in_one_line(tmp_path):
    source = tmp_path / "in.h5"
    with h5py.File(source, "w") as file:
        file["x"] = np.zeros(9)
        file["ref"] = np.array([file["x"].ref] * 9, h5py.ref_dtype)

    done = run(source, "-o", tmp_path / "out.h5", "-c", "x", "-s", 1, "--where", "ref is null")

    assert (2, 1) == (done.status, len(done.lines)), done.messages
    assert "field 'ref': holds" in done.messages
    assert "--where cannot compare" in done.messages

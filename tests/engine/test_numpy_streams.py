from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
from run_command import noisy, noisy_file, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LINE = np.linspace(-10, 10, 100)

CUTS = [
    pytest.param((), id="as-it-comes"),
    pytest.param(("--jobs", 3), id="three-jobs"),
    pytest.param(("--jobs", 1, "--chunk-size", 100), id="100-bytes"),
    pytest.param(("--jobs", 2, "--chunk-size", 1), id="1-byte"),
]

MODELS: dict[str, tuple[tuple[str, ...], Callable[[np.random.Generator, int], np.ndarray]]] = {
    "normal": (("-s", "2"), lambda rng, count: rng.normal(0, 2, count)),
    "uniform": (("-s", "2"), lambda rng, count: rng.uniform(-2, 2, count)),
    "laplace": (("-s", "2"), lambda rng, count: rng.laplace(0, 2, count)),
    "cauchy": (("-s", "2"), lambda rng, count: 2 * rng.standard_cauchy(count)),
    "student-t": (("-s", "2", "--df", "4"), lambda rng, count: 2 * rng.standard_t(4, count)),
    "logistic": (("-s", "2"), lambda rng, count: rng.logistic(0, 2, count)),
}


def article_noise() -> np.ndarray:
    np.random.seed(42)  # noqa: NPY002 - the article's own words
    return np.random.normal(0, 1, (100, 1))  # noqa: NPY002


@pytest.mark.parametrize("cut", CUTS)
def test_numpy_legacy_gives_the_articles_noise_for_an_array(
    tmp_path: Path, cut: tuple[object, ...]
) -> None:
    source = tmp_path / "line.npy"
    np.save(source, LINE.reshape(100, 1))

    target = noisy_file(
        source, "--rng", "numpy-legacy", "--seed", 42, "-d", "normal", "-s", 1, *cut
    )

    expected = LINE.reshape(100, 1) + article_noise()
    assert expected.tobytes() == np.load(target).tobytes()


@pytest.mark.parametrize("cut", CUTS)
def test_numpy_legacy_gives_the_articles_noise_for_a_table(cut: tuple[object, ...]) -> None:
    table = "x\n" + "".join(f"{value!r}\n" for value in LINE.tolist())

    actual = noisy(
        "--rng", "numpy-legacy", "--seed", 42, "-d", "normal", "-s", 1, *cut, given=table.encode()
    )

    expected = LINE + article_noise().reshape(-1)
    assert ["x", *map(repr, expected.tolist())] == actual.decode().splitlines()


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("model", MODELS)
def test_numpy_draws_one_field_after_the_other(model: str, cut: tuple[object, ...]) -> None:
    first, second, third = (np.arange(50) / 10 + start for start in (0.05, 10.05, 20.05))
    rows = zip(first.tolist(), second.tolist(), third.tolist(), strict=True)
    table = "a,name,b,c\n" + "".join(f"{a!r},x,{b!r},{c!r}\n" for a, b, c in rows)
    level, draw = MODELS[model]

    actual = noisy(
        "-q", "--rng", "numpy", "--seed", 42, "-d", model, *level, *cut, given=table.encode()
    )

    rng = np.random.default_rng(42)
    expected = np.stack([values + draw(rng, 50) for values in (first, second, third)], axis=1)
    records = list(csv.reader(actual.decode().splitlines()))[1:]
    found = np.array([[float(a), float(b), float(c)] for a, _, b, c in records])
    assert expected.tolist() == found.tolist()


@pytest.mark.parametrize("model", MODELS)
def test_numpy_legacy_draws_as_random_state_does(model: str) -> None:
    values = np.arange(50) / 10 + 0.05
    table = "x\n" + "".join(f"{value!r}\n" for value in values.tolist())
    level, draw = MODELS[model]

    actual = noisy("--rng", "numpy-legacy", "--seed", 7, "-d", model, *level, given=table.encode())

    expected = values + draw(np.random.RandomState(7), 50)  # type: ignore[arg-type]
    assert [repr(value) for value in expected.tolist()] == actual.decode().splitlines()[1:]


def test_numpy_draws_for_missing_cells_too() -> None:
    table = b"a,b\n0.5,1.5\n,2.5\n0.5,\n0.5,4.5\n"

    actual = noisy("-q", "--rng", "numpy", "--seed", 42, "-s", 1, given=table)

    rng = np.random.default_rng(42)
    a = np.array([0.5, np.nan, 0.5, 0.5]) + rng.normal(0, 1, 4)
    b = np.array([1.5, 2.5, np.nan, 4.5]) + rng.normal(0, 1, 4)
    found = np.genfromtxt(actual.decode().splitlines(), delimiter=",", skip_header=1)
    np.testing.assert_array_equal(np.stack((a, b), axis=1), found)


def test_numpy_keeps_a_pipe_of_several_fields_with_a_note() -> None:
    done = run("--rng", "numpy", "--seed", 42, "-s", 1, given=b"a,b\n0.5,1.5\n")

    assert (0, 1) == (done.status, len(done.lines))
    assert "standard input is kept in a temporary file" in done.messages


@pytest.mark.parametrize("rng", ["numpy", "numpy-legacy"])
def test_a_percentage_scales_the_same_draws(tmp_path: Path, rng: str) -> None:
    source = tmp_path / "line.npy"
    np.save(source, LINE)

    target = noisy_file(source, "--rng", rng, "--seed", 42, "-s", "10%")

    make = np.random.default_rng if rng == "numpy" else np.random.RandomState
    expected = LINE + make(42).standard_normal(100) * (abs(LINE) * 0.1)
    assert expected.tolist() == np.load(target).tolist()


def test_numpy_legacy_refuses_a_seed_that_random_state_does_not_take() -> None:
    done = run("--rng", "numpy-legacy", "--seed", 2**32, "-s", 1, given=b"x\n0.5\n")

    assert done.status == 2
    assert done.messages == (
        "noisify: standard input: --rng numpy-legacy takes a seed from 0 to 2**32 - 1, "
        "not 4294967296\n"
    )


def test_numpy_draws_in_index_order_whatever_the_order_in_the_file(tmp_path: Path) -> None:
    source = tmp_path / "fortran.npy"
    values = np.arange(6.0).reshape(2, 3)
    np.save(source, np.asfortranarray(values))

    target = noisy_file(source, "--rng", "numpy", "--seed", 42, "-s", 1)

    expected = values + np.random.default_rng(42).normal(0, 1, (2, 3))
    assert expected.tolist() == np.load(target).tolist()

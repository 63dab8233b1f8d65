"""Pictures show what noise did: every kind of field is drawn, with the figures measured."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from run_command import run

from noisify import add_noise, plot
from noisify.noise import registry
from noisify.noise.level import Absolute
from noisify.noise.model import make
from noisify.plots import density
from noisify.plots.numbers import autocorrelation, welch

SAMPLES = Path(__file__).parents[2] / "sample_data"


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes]


def drawn(folder, name, *arguments):
    """Add noise to a sample with `--plot` and return the picture's file."""
    path = folder / "picture.png"
    output = folder / f"noisy{Path(name).suffix}"
    done = run(SAMPLES / name, "-o", output, *arguments, "--seed", 1, "--plot", path, "-q")
    assert (0, "") == (done.status, done.messages)
    return path


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("name", "arguments", "height"),
    [
        ("sensors.csv", ("-c", "temperature", "-s", 1), 465),
        ("sensors.csv", ("-c", "temperature", "-d", "missing"), 275),
        ("sensors.csv", ("-c", "status", "-d", "flip"), 249),
        ("sensors.csv", ("-c", "time", "-s", "90s"), 465),
        ("sensors.parquet", ("-c", "temperature,humidity", "-s", 1), 885),
        ("images.npy", ("-d", "salt-and-pepper", "--rate", "5%"), 385),
        ("audio.wav", ("--snr", 10), 345),
        ("survey.h5", ("-c", "entry/time", "-s", 1), 465),
    ],
)
def test_each_kind_of_field_is_drawn(tmp_path, name, arguments, height):
    with Image.open(drawn(tmp_path, name, *arguments)) as picture:
        assert 2000 == picture.width
        assert picture.height == pytest.approx(2 * height, abs=4)
        assert len(picture.convert("L").getcolors(1 << 16)) > 20


def test_numbers_have_five_panels():
    line = np.sin(np.linspace(0, 60, 3000))
    figure = plot(line, add_noise(line, scale=0.1, seed=1))
    assert [
        "elements 0 to 299",
        "distribution of the values",
        "distribution of the change",
        "spectrum, by cycles an element",
        "autocorrelation of the change, by lag",
    ] == titles(figure)
    change = figure.axes[2].patches[0].get_data()
    width = np.diff(change[1])[0]
    assert change[0].sum() * width == pytest.approx(1, abs=0.02)


def test_an_image_is_drawn_before_and_after():
    image = np.linspace(0, 255, 32 * 40).reshape(32, 40).astype(np.uint8)
    figure = plot(image, add_noise(image, scale=20, seed=1))
    assert ["before", "after", "change"] == titles(figure)[:3]


def test_nothing_changed_is_said(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1.5\n")
    figure = plot(tmp_path / "a.csv", tmp_path / "a.csv")
    assert "no field changed" in figure.get_suptitle()


def test_a_wide_table_is_drawn_in_part():
    random = np.random.default_rng(1)
    before = {f"x{n}": random.normal(size=50) for n in range(12)}
    frame = pd.DataFrame(before)
    figure = plot(frame, add_noise(frame, scale=1, seed=1))
    assert "4 more fields" in figure.get_suptitle()


@pytest.mark.parametrize("model", ["normal", "laplace", "uniform", "cauchy", "logistic"])
def test_densities_are_those_of_the_noise(model):
    check_density(model, {})


def test_the_density_of_student_t_is_that_of_the_noise():
    check_density("student-t", {"df": 4})


def check_density(model, parameters):
    """The share of the noise within 1 is what the density of its model says."""
    one = make(registry.find(model).load(), {"scale": Absolute(2.0), **parameters})
    law = density.of_steps([SimpleNamespace(model=one)])
    assert law.title == f"density of {model}"
    x = np.linspace(-1, 1, 2001)
    expected = np.trapezoid(law.of(x), x)
    noise = add_noise(np.zeros(200_000), model, scale=2.0, params=parameters, seed=1)
    found = (np.abs(noise) < 1).mean()
    assert found == pytest.approx(expected, abs=5 * np.sqrt(expected / 200_000))


def test_the_spectrum_of_white_noise_is_flat_and_holds_its_power():
    noise = np.random.default_rng(1).normal(size=1 << 16)
    frequencies, power = welch(noise)
    assert power.mean() / 2 == pytest.approx(1, rel=0.02)
    assert frequencies[-1] == 0.5


def test_autocorrelation_is_that_of_the_definition():
    values = np.cumsum(np.random.default_rng(1).normal(size=500))
    centred = values - values.mean()
    expected = [(centred[: 500 - k] * centred[k:]).sum() / (centred**2).sum() for k in range(6)]
    assert expected == pytest.approx(autocorrelation(values, 5).tolist())


def test_a_sweep_is_drawn_as_curves(tmp_path):
    done = run(
        SAMPLES / "line.csv", "--sweep", "scale=0.1,1,10", "--replicates", 3, "--seed", 1,
        "--output-dir", tmp_path / "out", "--plot", tmp_path / "sweep.svg",
    )  # fmt: skip
    assert (0, "") == (done.status, done.messages)
    text = (tmp_path / "sweep.svg").read_text()
    assert "line.csv, 9 outputs" in text
    assert "sd of the change" in text


def test_the_same_command_draws_the_same_bytes(tmp_path):
    for name in ("a.svg", "b.svg"):
        arguments = ["-o", tmp_path / "n.csv", "--seed", 1, "--plot", tmp_path / name]
        assert 0 == run(SAMPLES / "line.csv", "-s", 1, *arguments).status
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["--plot", "a.jpeg", "-o", "n.csv"], "name it .png, .svg or .pdf"),
        (["--plot", "a.png"], "--plot reads the output again; add -o FILE"),
        (["--plot", "a.png", "--in-place"], "give both as files"),
        (["--plot", "n.png", "-o", "n.png"], "is an output too"),
    ],
)
def test_a_picture_that_cannot_be_is_refused(tmp_path, monkeypatch, arguments, answer):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("x\n1.5\n")
    done = run("a.csv", "-s", 1, *arguments)
    assert 2 == done.status
    assert answer in done.messages
    assert ["a.csv"] == [path.name for path in tmp_path.iterdir()]


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    output = tmp_path / "n.csv"
    done = run(SAMPLES / "line.csv", "-o", output, "--plot", tmp_path / "a.png")
    assert 2 == done.status
    assert "pip install 'noisify-cli[plots]'" in done.messages
    assert not output.exists()


def test_two_files_are_drawn_by_noisify_compare(tmp_path):
    noisy = tmp_path / "n.npy"
    assert 0 == run(SAMPLES / "line.npy", "-o", noisy, "-s", 1, "-q").status
    picture = tmp_path / "a.pdf"
    done = run(SAMPLES / "line.npy", noisy, "--plot", picture, "-q", program="noisify-compare")
    assert (0, "") == (done.status, done.messages)
    assert picture.read_bytes().startswith(b"%PDF")

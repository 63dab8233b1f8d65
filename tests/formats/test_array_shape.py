"""Sources of arrays say the shapes of their arrays, those of tables that they are columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from noisify.engine.open_input import OpenInput, Settings

SAMPLES = Path(__file__).parents[2] / "sample_data"


@pytest.mark.parametrize(
    ("name", "field", "shape"),
    [
        ("images.npy", "data", np.load(SAMPLES / "images.npy").shape),
        ("audio.wav", "data", (8000, 1)),
        ("survey.h5", "entry/data/flux", (64, 96)),
        ("sensors.csv", "temperature", None),
        ("sensors.parquet", "temperature", None),
        ("a.npz", "x", (2, 3)),
        ("a.png", "data", (4, 5, 3)),
        ("a.tif", "data", (6, 4, 5)),
    ],
)
def test_a_source_says_the_shape_of_an_array(tmp_path, name, field, shape):
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 3)))
    Image.new("RGB", (5, 4)).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((6, 4, 5), np.uint8), photometric="minisblack")
    folder = tmp_path if (tmp_path / name).exists() else SAMPLES
    with OpenInput(folder / name, Settings()) as opened:
        fields = {one.name: one for one in opened.source.fields}
        assert shape == opened.source.array_shape(fields[field])

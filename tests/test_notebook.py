"""What a notebook shows of a comparison and of a picture."""

import io
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
from PIL import Image

from noisify import add_noise, compare, plot

BEFORE = pd.DataFrame(
    {"<x>": np.arange(50.0), "label": list("ab") * 25, "text": map(str, range(50)), "id": range(50)}
)
AFTER = add_noise(BEFORE, noise=["<x>=normal:1", "label=flip:20%", "text=typo:20%"], seed=1).assign(
    new=1.0
)


def test_a_comparison_is_shown_as_tables():
    shown = compare(BEFORE, AFTER)._repr_html_()

    tree = ET.fromstring(shown)  # noqa: S314 - well-formed: our own
    tables = [
        [[cell.text for cell in row] for row in table.iter("tr")] for table in tree.iter("table")
    ]
    texts = ["".join(paragraph.itertext()) for paragraph in tree.iter("p")]
    changes, values, labels = tables
    assert changes[0][:2] == ["change of", "changed"]
    assert changes[1][:2] == ["<x>", "50 100.0%"]
    assert values[1][0] == "<x>"
    assert [row[0] for row in labels] == ["before \\ after", "a", "b"]
    assert {"identical to the byte: id", "only in the second: new"} <= set(texts)
    assert any(text.startswith("text: ") for text in texts)
    assert any(" became " in text for text in texts)


def test_a_comparison_says_the_same_as_text():
    lines = repr(compare(BEFORE, AFTER)).splitlines()

    for line in ("identical to the byte: id", "only in the second: new"):
        assert line in lines


def test_a_picture_is_shown_as_one():
    picture = plot(BEFORE, AFTER)

    shown = Image.open(io.BytesIO(picture._repr_png_()))
    assert shown.size[0] == 2000

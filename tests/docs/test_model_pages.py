"""Each model has a page and a picture, as `make readme` writes them."""

import re

import model_pages
import pytest
from model_pictures import PICTURES

from noisify.noise import registry

EXAMPLE = re.compile(r"^```console\n\$ ([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shown(command):
    """Return what a page says that a command prints; that it does is tested elsewhere."""
    return OUTPUTS.get(command, "")


OUTPUTS = dict(
    match.groups()
    for path in (model_pages.DOCS / "models").glob("*.md")
    for match in EXAMPLE.finditer(path.read_text(encoding="utf-8"))
)


@pytest.fixture(scope="module")
def written():
    return model_pages.files(shown)


@pytest.mark.parametrize("name", ["models", *(f"models/{e.name}" for e in registry.MODELS)])
def test_a_page_is_current(name, written):
    paths = [path for path in (f"{name}.md", f"{name}.svg") if path in written]
    assert f"{name}.md" in paths
    for path in paths:
        assert written[path] == (model_pages.DOCS / path).read_text(encoding="utf-8")


def test_no_other_file_is_there(written):
    folder = model_pages.DOCS / "models"

    assert {f"models/{path.name}" for path in folder.iterdir()} == written.keys() - {"models.md"}


def test_every_model_has_a_picture():
    assert [entry.name for entry in registry.MODELS] == [picture.model for picture in PICTURES]

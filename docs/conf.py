"""How Sphinx makes the pages of this folder: `make docs`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from noisify.core.version import VERSION

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent
FROM_ROOT = {
    "benchmarks": "benchmarks/README.md",
    "changelog": "CHANGELOG.md",
    "contributing": "CONTRIBUTING.md",
    "reporting": "SECURITY.md",
}
"""Pages whose text is that of a file outside this folder."""

project = "noisify"
author = "The noisify developers"
copyright = f"2026, {author}"  # noqa: A001 - Sphinx's name
version = release = VERSION

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["generate"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
autodoc_typehints = "none"  # they are in the signatures of noisify.pyi's readers, and long
html_theme = "furo"
html_title = f"noisify {VERSION}"
html_copy_source = False
suppress_warnings = ["misc.highlighting_failure"]  # a console may show anything


def take_from_root(_: Sphinx, name: str, source: list[str]) -> None:
    """Give a page the text of its file, and let links to such files lead to their pages."""
    text = source[0]
    if name in FROM_ROOT:
        text = (ROOT / FROM_ROOT[name]).read_text(encoding="utf-8")
        text = re.sub(r"\]\(docs/", "](", text)
    for page, file in FROM_ROOT.items():
        text = text.replace(f"](../{file}", f"]({page}.md")
    source[0] = text


def setup(app: Sphinx) -> None:
    """Connect the function above."""
    app.connect("source-read", take_from_root)

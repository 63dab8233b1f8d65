"""What the pages of docs/ have to hold."""

import ast
import re
from pathlib import Path

import gallery

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
TASK = re.compile(r"^### .+\n\n```(?:console|python)\n", re.MULTILINE)
TOCTREE = re.compile(r"^:::\{toctree\}\n(.*?)^:::$", re.MULTILINE | re.DOTALL)
FEWEST_TASKS = 50
LONGEST_README = 150


def test_the_readme_is_a_page():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= LONGEST_README


def test_the_cookbook_has_fifty_tasks_each_with_an_example():
    text = (DOCS / "cookbook.md").read_text(encoding="utf-8")

    assert text.count("\n### ") == len(TASK.findall(text)) >= FEWEST_TASKS


def test_every_page_is_in_the_table_of_contents():
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    toctrees = TOCTREE.findall(index)
    listed = {line for text in toctrees for line in text.split() if line.isalpha()}

    assert {path.stem for path in DOCS.glob("*.md")} - {"index"} <= listed


def test_the_gallery_is_current():
    assert gallery.drawing(gallery.PANELS) == gallery.PICTURE.read_text(encoding="utf-8")


def test_the_man_pages_are_installed():
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    (manual,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "MANUAL"
    )

    assert [f"docs/man/{path.name}" for path in sorted((DOCS / "man").iterdir())] == manual

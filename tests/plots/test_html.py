"""A report as HTML is one file that shows what was done, and asks for nothing from elsewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from run_command import run

from noisify.plots.html import Page

SAMPLES = Path(__file__).parents[2] / "sample_data"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class Checked(HTMLParser):
    """Holds that tags are closed in order, and collects where links lead."""

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.tags = [], [], []
        self.feed(text)
        assert [] == self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in {"src", "href"}]
        if tag not in {"meta", "link", "img", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def report(folder, *arguments):
    path = folder / "report.html"
    done = run(SAMPLES / "sensors.csv", *arguments, "--seed", 1, "--report", path, "-q")
    assert (0, "") == (done.status, done.messages)
    text = path.read_text(encoding="utf-8")
    checked = Checked(text)
    assert all(link.startswith("data:") for link in checked.links)
    assert "script" not in checked.tags
    return text


def test_a_run_shows_its_recipe_figures_and_pictures(tmp_path):
    text = report(tmp_path, "-c", "temperature", "-s", "0.5", "-o", tmp_path / "n.csv")
    for shown in ("sensors.csv → n.csv", "seed 1", "[[noise]]", "<td>569</td>", "humidity"):
        assert shown in text
    assert 1 == text.count("data:image/svg+xml")
    recipe = re.search(r"recipe\.toml.*?<code>(.*?)</code>", text, re.DOTALL)[1]
    (tmp_path / "recipe.toml").write_text(recipe.replace("&quot;", '"'))
    again = run(SAMPLES / "sensors.csv", "--recipe", tmp_path / "recipe.toml")
    assert again.output == (tmp_path / "n.csv").read_bytes()


def test_a_sweep_shows_a_table_and_curves(tmp_path):
    text = report(tmp_path, "--sweep", "scale=0.1,1", "--output-dir", tmp_path / "out")
    assert "sensors_scale-0.1.csv" in text
    assert "scale 1" in text
    assert 1 == text.count("data:image/svg+xml")


@pytest.mark.parametrize("output", ["n.csv", "n.parquet"])
def test_files_are_read_again_as_they_were_read(tmp_path, output):
    table = tmp_path / "a.csv"
    table.write_text("a;b\n1,5;x\n2,5;y\n3,25;x\n")
    page, plot = tmp_path / "r.html", tmp_path / "p.svg"
    words = ["--from", "csv", "--decimal", ",", "-s", 0.1, "--report", page, "--plot", plot]
    done = run(table, "-o", tmp_path / output, *words, "--seed", 1, "-q")
    assert (0, "") == (done.status, done.messages)
    assert plot.stat().st_size > 0
    if output == "n.csv":
        assert "Numbers, before and after" in page.read_text()
        assert "Texts and labels" not in page.read_text()


def test_without_matplotlib_it_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    text = report(tmp_path, "-o", tmp_path / "n.csv")
    assert "pip install &#x27;noisify-cli[plots]&#x27;" in text


def test_two_files_are_compared_on_a_page(tmp_path):
    assert 0 == run(SAMPLES / "line.csv", "-o", tmp_path / "n.csv", "-s", 1, "-q").status
    page = tmp_path / "c.html"
    done = run(
        SAMPLES / "line.csv", tmp_path / "n.csv", "--html", page, "-q", program="noisify-compare"
    )
    assert (0, "") == (done.status, done.messages)
    assert "Numbers, before and after" in page.read_text()


def test_names_are_escaped():
    page = Page("<b>a</b>", "\x1b[31m")
    page.table("t", ["<i>"], [["</td>"]])
    text = page.content()
    assert "<b>" not in text
    assert "\x1b" not in text
    Checked(text)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("width", [400, 1400])
def test_it_opens_in_a_browser_without_an_error(tmp_path, width):
    report(tmp_path, "-o", tmp_path / "n.csv")
    options = "--headless --no-sandbox --disable-gpu --no-first-run --enable-logging=stderr"
    quiet = "--disable-background-networking --disable-component-update --disable-sync"
    picture = tmp_path / "page.png"
    done = subprocess.run(
        [
            CHROMIUM, *options.split(), *quiet.split(), f"--user-data-dir={tmp_path / 'browser'}",
            f"--screenshot={picture}", f"--window-size={width},2000",
            (tmp_path / "report.html").as_uri(),
        ],
        capture_output=True, check=True, timeout=120, text=True,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr
    assert picture.stat().st_size > 20_000

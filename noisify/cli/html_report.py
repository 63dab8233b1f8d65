"""HTML reports: `--report FILE.html` and `noisify-compare --html`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from noisify.cli.picture import settings_to_compare, sweep_picture
from noisify.cli.side_files import SideFile
from noisify.comparison.comparison import compare
from noisify.comparison.figures import NumberFigures
from noisify.core.errors import NoisifyError
from noisify.core.lazy import optional
from noisify.files.output import STANDARD_OUTPUT
from noisify.plan.recipe_text import as_toml
from noisify.plots import page as drawn
from noisify.plots import style
from noisify.plots.html import Page

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.figure import Figure

    from noisify.cli.arguments import Arguments
    from noisify.cli.runs import Run
    from noisify.comparison.result import Comparison
    from noisify.engine.open_input import Settings
    from noisify.engine.report import RunReport

_RUN_HEADS = (
    "field", "type", "elements", "nulls", "changed", "lost", "clipped", "saturated",
    "mean of the change", "sd of the change", "SNR dB",
)  # fmt: skip
_RUN_KEYS = (
    "type", "count", "nulls", "changed", "erased", "clipped", "saturated", "change_mean",
    "change_sd", "snr_db",
)  # fmt: skip
_NUMBER_KEYS = (
    "changed", "lost", "added", "mean_before", "mean_after", "sd_before", "sd_after", "change_sd",
    "rmse", "largest", "snr", "correlation", "ks",
)  # fmt: skip
_LABEL_KEYS = ("compared", "changed", "lost", "added")


class HtmlReport(SideFile):
    """The HTML file of `--report`, written once all outputs are complete.

    Args:
        arguments: The command line.
        found: The runs.
        settings: How the inputs were read.
    """

    def __init__(self, arguments: Arguments, found: Sequence[Run], settings: Settings) -> None:
        super().__init__(arguments.report or "", clobber=not arguments.no_clobber)
        self._settings = settings
        self._found = found
        self._in_place = arguments.in_place
        self._reports: list[RunReport] = []

    def add(self, reports: Sequence[RunReport]) -> None:
        """Add the reports of one input."""
        self._reports += reports

    def finish(self) -> None:
        """Write the page."""
        self.write(_encoded(self._page()))

    def _page(self) -> Page:
        first = self._reports[0]
        more = f" and {len(self._reports) - 1:,} more" if len(self._reports) > 1 else ""
        page = Page(
            f"{Path(first.input).name} → {Path(first.output).name}{more}",
            f"{first.format} with noise, seed {first.plan.seed}",
        )
        page.code("Command", f"noisify {shlex.join(sys.argv[1:])}")
        if len(self._reports) == 1:
            self._add_run(page, first)
        else:
            self._add_runs(page)
        notes = [note for report in self._reports for note in report.notes(verbose=True)]
        page.lines("Notes", list(dict.fromkeys(notes)))
        return page

    def _add_run(self, page: Page, report: RunReport) -> None:
        page.code("Recipe: save as recipe.toml, use with --recipe", as_toml(report.plan.as_json()))
        fields = report.as_json()["fields"]
        rows = [[name, *(one.get(key) for key in _RUN_KEYS)] for name, one in fields.items()]
        page.table("What each field got", _RUN_HEADS, rows)
        reasons: dict[str, list[str]] = {}
        for name, why in report.plan.left.items():
            reasons.setdefault(why, []).append(name)
        page.lines("Left alone", [f"{', '.join(left)}: {why}" for why, left in reasons.items()])
        if self._in_place or not (Path(report.input).exists() and Path(report.output).exists()):
            return
        settings = settings_to_compare(report, self._settings)
        found = compare(report.input, report.output, settings)
        add_comparison(page, found)
        steps = report.plan.steps_by_field()
        _add_picture(page, lambda: drawn.draw(report.input, report.output, steps, settings, found))

    def _add_runs(self, page: Page) -> None:
        rows = []
        runs = [one for _ in range(len(self._reports) // len(self._found)) for one in self._found]
        for report, one in zip(self._reports, runs, strict=True):
            swept = ", ".join(f"{key} {value}" for key, value in one.swept.items())
            for name, field in report.as_json()["fields"].items():
                figures = [field.get(key) for key in _RUN_KEYS[1:]]
                rows.append([Path(report.output).name, swept, one.replicate or "", name, *figures])
        heads = ("output", "swept", "replicate", "field", *_RUN_HEADS[2:])
        page.table("What each output got", heads, rows)
        if len(self._reports) == len(self._found):
            _add_picture(page, lambda: sweep_picture(self._reports, self._found))


def add_comparison(page: Page, found: Comparison) -> None:
    """Add the figures of a comparison to a page."""
    numbers = {n: f for n, f in found.fields.items() if isinstance(f, NumberFigures)}
    labels = {n: f for n, f in found.fields.items() if not isinstance(f, NumberFigures)}
    changed = {name: figures for name, figures in numbers.items() if not figures.identical}
    for title, fields, keys in (
        ("Numbers, before and after", changed, _NUMBER_KEYS),
        ("Texts and labels", {n: f for n, f in labels.items() if not f.identical}, _LABEL_KEYS),
    ):
        if fields:
            heads = ["field", *(key.replace("_", " ") for key in keys)]
            rows = [[name, *(getattr(one, key) for key in keys)] for name, one in fields.items()]
            page.table(title, heads, rows)
    same = [name for name, figures in found.fields.items() if figures.identical]
    page.lines("Identical", [", ".join(same)] if same else [])
    lines = [f"{found.rows_lost:,} rows lost, {found.rows_added:,} added"]
    page.lines("Rows", lines if found.rows_lost + found.rows_added else [])


def write_comparison(
    path: str, clean: str, noisy: str, found: Comparison, settings: Settings
) -> None:
    """Write a comparison of two files as HTML."""
    page = Page(f"{Path(clean).name} → {Path(noisy).name}", "what changed, field by field")
    add_comparison(page, found)
    if STANDARD_OUTPUT not in {clean, noisy}:
        _add_picture(page, lambda: drawn.draw(clean, noisy, {}, settings, found))
    with SideFile(path, clobber=True) as file:
        file.write(_encoded(page))


def _encoded(page: Page) -> bytes:
    return page.content().encode("utf-8", "backslashreplace")


def _add_picture(page: Page, draw: Callable[[], Figure]) -> None:
    """Add a plot, or a line that says why it cannot be drawn."""
    if optional("matplotlib") is None:
        page.lines("Pictures", ["need matplotlib: pip install 'noisify-cli[plots]'"])
        return
    try:
        page.picture(style.rendered(draw(), "svg"))
    except NoisifyError as error:
        page.lines("Pictures", [str(error)])

"""Pictures and HTML pages: `--plot`, `--report FILE.html` and `noisify-compare --html`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noisify.cli.side_files import SideFile
from noisify.comparison.comparison import compare
from noisify.comparison.figures import LabelFigures, NumberFigures
from noisify.comparison.result import changed_fields
from noisify.core.errors import NoisifyError, UsageError
from noisify.core.lazy import optional
from noisify.engine.open_input import Settings
from noisify.files.output import STANDARD_OUTPUT
from noisify.plan.recipe_text import as_toml
from noisify.plots import page as drawn
from noisify.plots import style, sweep
from noisify.plots.html import Page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.figure import Figure

    from noisify.cli.arguments import Arguments
    from noisify.cli.runs import Run
    from noisify.comparison.figures import Figures
    from noisify.comparison.result import Comparison
    from noisify.engine.report import RunReport

SUFFIXES = (".png", ".svg", ".pdf")
_TEXT_FORMATS = frozenset({"csv", "tsv"})
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


class _Summary(SideFile):
    """A file about all outputs, written once they are complete.

    Args:
        path: Its path.
        arguments: The command line.
        found: The runs.
        settings: How the inputs were read.
    """

    def __init__(
        self, path: str | None, arguments: Arguments, found: Sequence[Run], settings: Settings
    ) -> None:
        super().__init__(path or "", clobber=not arguments.no_clobber)
        self._found = found
        self._settings = settings
        self._in_place = arguments.in_place
        self._reports: list[RunReport] = []

    def add(self, reports: Sequence[RunReport]) -> None:
        """Add the reports of one input."""
        self._reports += reports


class HtmlReport(_Summary):
    """The HTML file of `--report`, written once all outputs are complete."""

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
    tables: list[tuple[str, Mapping[str, Figures], tuple[str, ...]]] = [
        ("Numbers, before and after", changed_fields(found.fields, NumberFigures), _NUMBER_KEYS),
        ("Texts and labels", changed_fields(found.fields, LabelFigures), _LABEL_KEYS),
    ]
    for title, fields, keys in tables:
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


class RunPicture(_Summary):
    """The plot of a run of the command, written once all outputs are complete.

    Args:
        arguments: The command line.
        inputs: The inputs.
        found: The runs.
        settings: How the input was read.

    Raises:
        UsageError: If input or output cannot be read again, or as for `check_picture`.
    """

    def __init__(
        self, arguments: Arguments, inputs: Sequence[str], found: Sequence[Run], settings: Settings
    ) -> None:
        if len(inputs) > 1:
            raise UsageError("--plot shows one input; run noisify once for each")
        alone = len(found) == 1
        if alone and (arguments.in_place or STANDARD_OUTPUT in {inputs[0], arguments.output}):
            raise UsageError("--plot reads the input and the output again; give both as files")
        if alone and arguments.output is None and arguments.output_dir is None:
            raise UsageError("--plot reads the output again; add -o FILE")
        check_picture(arguments.plot or "")
        super().__init__(arguments.plot, arguments, found, settings)

    def finish(self) -> None:
        """Draw the plot."""
        if self._reports:
            self.write(rendered(self._figure(), self.path))

    def _figure(self) -> Figure:
        if len(self._reports) > 1:
            return sweep_picture(self._reports, self._found)
        (report,) = self._reports
        steps = report.plan.steps_by_field()
        settings = settings_to_compare(report, self._settings)
        return drawn.draw(report.input, report.output, steps, settings)


def rendered(figure: Figure, path: str) -> bytes:
    """Return a figure as the content of a plot file."""
    return style.rendered(figure, Path(path).suffix[1:].lower())


def settings_to_compare(report: RunReport, settings: Settings) -> Settings:
    """Return how to read input and output again: options for text only where both are text.

    Args:
        report: What was done.
        settings: How the input was read.
    """
    if report.format in _TEXT_FORMATS and settings.from_format in {None, report.format}:
        return Settings(read=settings.read, from_format=settings.from_format, jobs=settings.jobs)
    return Settings(jobs=settings.jobs)


def sweep_picture(reports: Sequence[RunReport], found: Sequence[Run]) -> Figure:
    """Draw the outputs of a sweep or of replicates as curves.

    Args:
        reports: The report of each output.
        found: The run of each output.
    """
    first = next(iter(found[0].swept), "")
    points = [
        sweep.Point(
            ", ".join([name, *(value for key, value in one.swept.items() if key != first)]),
            one.swept.get(first, str(one.replicate)),
            _figures(report.fields[name].as_json()),
        )
        for report, one in zip(reports, found, strict=True)
        for name in report.fields
    ]
    title = f"{Path(reports[0].input).name}, {len(reports):,} outputs"
    return sweep.draw_sweep(points, title, first or "replicate")


def check_picture(path: str) -> None:
    """Check that a plot file can be written.

    Raises:
        UsageError: If matplotlib is not installed, or the suffix is not one of `SUFFIXES`.
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path} is not a picture; name it .png, .svg or .pdf")
    if optional("matplotlib") is None:
        raise UsageError(
            "pictures are drawn by matplotlib; install it: pip install 'noisify-cli[plots]'"
        )


def _figures(measured: dict[str, Any]) -> dict[str, float | None]:
    """Return the figures of a field that a sweep's curves show."""
    return {
        "snr_db": measured.get("snr_db"),
        "change_sd": measured.get("change_sd"),
        "changed": measured["changed"] / max(1, measured["count"]),
    }

"""The plot file of `--plot`, for one run or for a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from noisify.cli.side_files import SideFile
from noisify.core.errors import UsageError
from noisify.core.lazy import optional
from noisify.engine.open_input import Settings
from noisify.files.output import STANDARD_OUTPUT
from noisify.plots import page, style, sweep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from noisify.cli.arguments import Arguments
    from noisify.cli.runs import Run
    from noisify.engine.report import RunReport

_TEXT_FORMATS = frozenset({"csv", "tsv"})
SUFFIXES = (".png", ".svg", ".pdf")


class RunPicture(SideFile):
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
        super().__init__(arguments.plot or "", clobber=not arguments.no_clobber)
        self._found = found
        self._settings = settings
        self._reports: list[RunReport] = []

    def add(self, reports: Sequence[RunReport]) -> None:
        """Add the reports of one input."""
        self._reports += reports

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
        return page.draw(report.input, report.output, steps, settings)


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

"""The file `index.csv`, which lists the outputs of a sweep."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Self

from noisify.cli.output_names import in_folder
from noisify.cli.side_file import SideFile
from noisify.noise import registry
from noisify.noise.level import DEFAULT
from noisify.noise.parameters import takes_level
from noisify.plan.words import AMOUNTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.cli.arguments import Arguments
    from noisify.cli.runs import Run
    from noisify.engine.report import RunReport
    from noisify.plan.plan import NoiseSpec

NAME = "index.csv"
_COLUMNS = ("file", "model", "level", "replicate", "changed", "snr_db")
_LEVELS = (*AMOUNTS, "rate")


class Index(SideFile):
    """Lists each output with its model, level and measured changes.

    `changed` counts the elements of all fields; `snr_db` is the mean of the fields' achieved
    signal-to-noise ratios. Each swept parameter has a column.

    Args:
        arguments: The command line, with a folder for the outputs.
        found: The runs.
    """

    def __init__(self, arguments: Arguments, found: Sequence[Run]) -> None:
        shard = arguments.shard
        name = NAME if shard is None else f"index-{shard.number}-of-{shard.count}.csv"
        path = in_folder(arguments.output_dir or "", name)
        super().__init__(path, clobber=not arguments.no_clobber)
        self._found = found
        swept = [key for key in found[0].swept if key not in {"model", *_LEVELS}]
        self._columns = (*_COLUMNS, *(key for key in swept if key not in _COLUMNS))

    def __enter__(self) -> Self:
        """Open the file and write its header."""
        super().__enter__()
        self._write_row(self._columns)
        return self

    def add(self, reports: Sequence[RunReport]) -> None:
        """List the outputs of one input."""
        for report, variant in zip(reports, self._found, strict=True):
            ratios = [field.as_json().get("snr_db") for field in report.fields.values()]
            known = [ratio for ratio in ratios if ratio is not None]
            specs = variant.request.specs
            row = {
                **variant.swept,
                "file": Path(report.output).name,
                "model": " ".join(dict.fromkeys(spec.model for spec in specs)),
                "level": " ".join(dict.fromkeys(_level(spec) for spec in specs)),
                "replicate": variant.replicate or "",
                "changed": sum(field.changed for field in report.fields.values()),
                "snr_db": f"{sum(known) / len(known):.6g}" if known else "",
            }
            self._write_row([row[column] for column in self._columns])

    def _write_row(self, row: Sequence[object]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(row)
        self.write(text.getvalue().encode("utf-8", "surrogateescape"))


def _level(spec: NoiseSpec) -> str:
    """Return a spec's level as written in a recipe, or its default, or an empty text."""
    for name in AMOUNTS:
        if (amount := getattr(spec, name)) is not None:
            return f"{amount:g}" if isinstance(amount, float) else str(amount)
    default = DEFAULT if takes_level(registry.find(spec.model).load()) else ""
    return str(next((spec.parameters[key] for key in _LEVELS if key in spec.parameters), default))

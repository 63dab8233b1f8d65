"""The command noisify-compare: what changed between two files."""

from __future__ import annotations

from importlib import import_module

import click

from noisify.cli.option_types import FILE, GroupedCommand, GroupedOption

EXAMPLES = """
noisify-compare clean.csv noisy.csv
noisify-compare clean.csv noisy.parquet --json
noisify-compare clean.csv noisy.csv --assert 'temp.snr >= 19.5' --only temp,rh
"""


OPTIONS = (
    GroupedOption(
        ["--assert", "claims"], group="Checks", multiple=True, metavar="CLAIM",
        help="Fail unless this holds: FIELD.FIGURE, a comparison and a number, such as "
        "'temp.snr >= 19.5'; FIGURE alone means every field. Repeatable.",
    ),
    GroupedOption(
        ["--only"], group="Checks", multiple=True, metavar="FIELDS",
        help="Fail if anything but these fields (comma-separated) changed. Repeatable.",
    ),
    GroupedOption(
        ["--json", "as_json"], group="Output", is_flag=True, help="Print the figures as JSON."
    ),
    GroupedOption(
        ["--plot"], group="Output", type=FILE, metavar="FILE.png|svg|pdf",
        help="Draw what changed: fields before and after.",
    ),
    GroupedOption(
        ["--html"], group="Output", type=FILE, metavar="FILE.html",
        help="Write the figures and pictures as a page.",
    ),
    GroupedOption(
        ["-q", "--quiet"], group="Output", is_flag=True,
        help="Print nothing; the exit status says it.",
    ),
    GroupedOption(
        ["--from", "from_format"], group="Run", metavar="FORMAT",
        help="Read both files as this format.",
    ),
    GroupedOption(
        ["-j", "--jobs"], group="Run", type=click.IntRange(1), metavar="N", help="Worker threads."
    ),
)  # fmt: skip


@click.command(
    cls=GroupedCommand,
    params=[
        *(click.Argument([name], type=click.Path(readable=False)) for name in ("clean", "noisy")),
        *OPTIONS,
    ],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit status: 0 done, 1 failed or an assertion does not hold, 2 usage, 3 bad data.",
)
def compare(**given: object) -> None:
    """Compare a noisy file with the clean one, field by field, whatever their formats."""
    run = import_module("noisify.cli.compare_files")  # imports NumPy, which help does not need
    run.compare_files(**given)


compare.examples = EXAMPLES

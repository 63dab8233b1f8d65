"""The command noisify-compare: what changed between two files."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit status: 0 done, 1 failed or an assertion does not hold, 2 usage, 3 bad data.",
)
@click.argument("clean")
@click.argument("noisy")
@click.option(
    "--assert", "claims", multiple=True, metavar="CLAIM",
    help="Fail unless this holds: FIELD.FIGURE, a comparison and a number, such as "
    "'temp.snr >= 19.5'; FIGURE alone means every field. Repeatable.",
)  # fmt: skip
@click.option(
    "--only", multiple=True, metavar="FIELDS",
    help="Fail if anything but these fields (comma-separated) changed. Repeatable.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option(
    "--plot", metavar="FILE.png|svg|pdf", help="Draw what changed: fields before and after."
)
@click.option("--html", metavar="FILE.html", help="Write the figures and pictures as a page.")
@click.option("--from", "from_format", metavar="FORMAT", help="Read both files as this format.")
@click.option("-j", "--jobs", type=click.IntRange(1), metavar="N", help="Worker threads.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing; the exit status says it.")
def compare(
    clean: str,
    noisy: str,
    claims: Sequence[str],
    only: Sequence[str],
    as_json: bool,  # noqa: FBT001 - click passes flags so
    plot: str | None,
    html: str | None,
    from_format: str | None,
    jobs: int | None,
    quiet: bool,  # noqa: FBT001 - likewise
) -> None:
    r"""Compare a noisy file with the clean one, field by field, whatever their formats.

    \b
    noisify-compare clean.csv noisy.csv
    noisify-compare clean.csv noisy.parquet --json
    noisify-compare clean.csv noisy.csv --assert 'temp.snr >= 19.5' --only temp,rh
    """
    run = import_module("noisify.cli.compare_files")  # imports NumPy, which help does not need
    run.compare_files(
        clean, noisy, claims, only, as_json=as_json, plot=plot, html=html,
        from_format=from_format, jobs=jobs, quiet=quiet,
    )  # fmt: skip

"""The work of noisify-compare: compare two files, print the figures, check the claims."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from noisify.cli.pictures import check_picture, rendered, write_comparison
from noisify.cli.process import begin_work
from noisify.cli.side_files import SideFile
from noisify.comparison.claims import Claim, others_changed
from noisify.comparison.comparison import compare
from noisify.core.errors import NoisifyError, UsageError
from noisify.engine.open_input import Settings
from noisify.engine.parallel import default_jobs
from noisify.plan.selectors import split
from noisify.plots import page

if TYPE_CHECKING:
    from collections.abc import Sequence


def compare_files(
    clean: str,
    noisy: str,
    claims: Sequence[str],
    only: Sequence[str],
    *,
    as_json: bool,
    plot: str | None,
    html: str | None,
    from_format: str | None,
    jobs: int | None,
    quiet: bool,
) -> None:
    """Compare two files and print what changed.

    Args:
        clean: The path of the first, or `-`.
        noisy: The path of the second, or `-`.
        claims: The assertions, as `--assert` takes them.
        only: Lists of the fields that may have changed; if empty, any may.
        as_json: Whether to print JSON.
        plot: Where to draw what changed, or None to write none.
        html: Where to write a page of the figures, or None to write none.
        from_format: The format of both, or None to tell it from their names and first bytes.
        jobs: Worker threads, or None for one for each processor.
        quiet: Whether to print nothing.

    Raises:
        UsageError: If a claim cannot be read, or its field is unknown.
        NoisifyError: If a claim does not hold, or a file cannot be read.
    """
    if clean == noisy == "-":
        raise UsageError("only one of the two files can be standard input")
    if plot is not None:
        check_picture(plot)
        if "-" in {clean, noisy}:
            raise UsageError("--plot reads both files again; give both by name")
    read = [Claim.read(text) for text in claims]
    settings = Settings(from_format=from_format, jobs=jobs or default_jobs())
    begin_work()
    found = compare(clean, noisy, settings)
    if plot is not None:
        with SideFile(plot, clobber=True) as file:
            file.write(rendered(page.draw(clean, noisy, {}, settings, found), plot))
    if html is not None:
        write_comparison(html, clean, noisy, found, settings)
    if not quiet:
        click.echo(json.dumps(found.as_json(), indent=2) if as_json else repr(found))
    failures = [line for claim in read for line in claim.failures(found)]
    if only:
        names = [name.strip() for text in only for name in split(text)]
        failures += others_changed(found, names)
    if failures:
        raise NoisifyError("; ".join(failures))

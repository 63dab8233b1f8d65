"""The command: its options, what help says before and after them, and what runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from noisify.cli import completion, execute, explain
from noisify.cli.arguments import arguments_from, options
from noisify.cli.option_types import (
    MODEL,
    GroupedOption,
    StrictCommand,
    WordType,
    check_standard_output,
)
from noisify.core import native, version
from noisify.plan import presets

if TYPE_CHECKING:
    from collections.abc import Callable

    from noisify.cli.option_types import ParamType

EXAMPLES = """
noisify data.csv -s 0.1 --seed 42 > noisy.csv
zcat big.csv.gz | noisify -s 5% --seed 42 | gzip -1 > noisy.csv.gz
noisify data.parquet -o noisy.parquet -c 'temp*,rh' -d student-t --df 4 --sd 0.1sd
noisify signal.npy -o s20.npy --snr 20 --seed 1
noisify run.h5 -o noisy.h5 -c '/entry/data*' -s @flux_err
noisify images.npy -o noisy.npy -s 8 --clip 0,255
noisify images.npy -o noisy.npy -d salt-and-pepper --rate 2%
noisify d.parquet -o n.parquet --noise temp=normal:0.5 --noise '*=missing:1%'
noisify data.csv --sweep scale=0.01,0.05,0.1 --output-dir sweep
noisify data.csv -s 5% --dry-run
"""


def _info(
    flag: str, help_text: str, page: Callable[[str], str], kind: ParamType | None = None
) -> GroupedOption:
    """Return an option that prints a page, and ends.

    Args:
        flag: What is typed.
        help_text: What help says of it.
        page: Returns the page, given the option's value.
        kind: The type of the option's value, or None for an option without one.
    """

    def show(context: click.Context, _: click.Parameter, value: str) -> None:
        if value and not context.resilient_parsing:
            check_standard_output()
            click.echo(page(value), nl=False)
            context.exit()

    return GroupedOption(
        [flag],
        group="Info",
        type=kind,
        metavar=kind and kind.name.upper(),
        is_flag=kind is None or None,
        is_eager=True,
        expose_value=False,
        callback=show,
        help=help_text,
    )


def _short_help() -> str:
    return noisify.short_help_text(click.get_current_context())


INFO = (
    _info("--list-models", "List the kinds of noise, by family.",
          lambda _: explain.models_listing()),
    _info("--explain", "Explain one kind of noise: formula, parameters, an example.",
          lambda name: explain.model_page(name=name), MODEL),
    _info("--list-presets", "List the ready-made kinds of noise.", lambda _: presets.listing()),
    _info("--completion", "Print what makes bash, zsh or fish complete the commands.",
          lambda name: completion.scripts(shell=name), WordType("shell", ("bash", "zsh", "fish"))),
    _info("--version", "Show the version.",
          lambda _: f"noisify {version.VERSION} ({native.described()})\n"),
    _info("-h", "Show the options that most runs need.",
          lambda _: _short_help()),
)  # fmt: skip


@click.command(
    cls=StrictCommand,
    params=[*options(), *INFO],
    context_settings={"help_option_names": ["--help"], "max_content_width": 100},
    epilog="Exit status: 0 done, 1 failed, 2 usage, 3 bad data, 130 interrupted, 141 closed pipe.",
)
def noisify(**given: object) -> None:
    """Add noise to CSV, Parquet, NPY and HDF5 files.

    The same seed gives the same noise for the same cell, whatever the format, the chunk size or the
    number of workers; what was not asked to change stays as it is, to the byte. Without INPUT, or
    with -, reads standard input; writes to standard output unless told otherwise.
    """
    execute.execute(arguments_from(given))


noisify.examples = EXAMPLES
noisify.common = frozenset(
    {
        *("model", "scale", "snr", "rate", "columns", "seed", "output", "output_dir"),
        *("report", "plot", "sweeps", "list_fields", "preview", "dry_run"),
    }
)

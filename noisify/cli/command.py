"""The command's options, and what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from noisify import formats
from noisify.cli.option_types import (
    ClipType,
    DecibelType,
    DecimalsType,
    FormatType,
    GroupedCommand,
    GroupedOption,
    LevelType,
    ModelType,
    ParameterType,
    SeedType,
    SizeType,
    WordType,
    check_standard_output,
)
from noisify.streams.limits import RNGS

if TYPE_CHECKING:
    from collections.abc import Callable

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


def option(group: str, *names: str, **settings: Any) -> Callable[[Any], Any]:  # noqa: ANN401
    """Declare an option under a heading."""
    return click.option(*names, cls=GroupedOption, group=group, **settings)


def _show_models(context: click.Context, _: click.Parameter, asked: bool) -> None:  # noqa: FBT001
    if asked and not context.resilient_parsing:
        from noisify.cli.explain import models_listing  # noqa: PLC0415

        check_standard_output()
        click.echo(models_listing(), nl=False)
        context.exit()


def _show_presets(context: click.Context, _: click.Parameter, asked: bool) -> None:  # noqa: FBT001
    if asked and not context.resilient_parsing:
        from noisify.plan.presets import listing  # noqa: PLC0415

        check_standard_output()
        click.echo(listing(), nl=False)
        context.exit()


def _explain(context: click.Context, _: click.Parameter, model: str | None) -> None:
    if model and not context.resilient_parsing:
        from noisify.cli.explain import model_page  # noqa: PLC0415

        check_standard_output()
        click.echo(model_page(model), nl=False)
        context.exit()


def _show_version(context: click.Context, _: click.Parameter, asked: bool) -> None:  # noqa: FBT001
    if asked and not context.resilient_parsing:
        from noisify.core.native import described  # noqa: PLC0415
        from noisify.core.version import VERSION  # noqa: PLC0415

        check_standard_output()
        click.echo(f"noisify {VERSION} ({described()})")
        context.exit()


FORMAT_NAMES = [entry.name for entry in formats.FORMATS]


@click.command(
    cls=GroupedCommand,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit status: 0 done, 1 failed, 2 usage, 3 bad data, 130 interrupted, 141 closed pipe.",
)
@click.argument("inputs", nargs=-1, metavar="[INPUT]...")
@option(
    "Noise", "-d", "--dist", "--model", "model", type=ModelType(), metavar="MODEL",
    help="Kind of noise; see --list-models. [default: normal]",
)  # fmt: skip
@option(
    "Noise", "-s", "--scale", type=LevelType(), metavar="LEVEL",
    help="Scale of the distribution: 0.5 (absolute), 5% (of each value), 0.1sd 0.2iqr 1%range "
    "(of the whole field), @column (another field's values). [default: 0.1sd]",
)  # fmt: skip
@option(
    "Noise", "--sd", type=LevelType(), metavar="LEVEL",
    help="Standard deviation of the noise itself, whatever the model.",
)  # fmt: skip
@option(
    "Noise", "--snr", type=DecibelType(), metavar="DB",
    help="Signal-to-noise ratio in dB, against the mean square of the whole field.",
)  # fmt: skip
@option(
    "Noise", "--rate", metavar="RATE",
    help="Share of the elements hit, for models that hit some: 2% or 0.02.",
)  # fmt: skip
@option("Noise", "--loc", metavar="X", help="Added to every value: shorthand for -p loc=X.")
@option("Noise", "--df", metavar="X", help="Degrees of freedom: shorthand for -p df=X.")
@option(
    "Noise", "-p", "--param", "parameters", type=ParameterType(), multiple=True,
    metavar="KEY=VALUE", help="A parameter of the model; see --explain MODEL.",
)  # fmt: skip
@option(
    "Noise", "--noise", multiple=True, metavar="SPEC",
    help="FIELDS=MODEL:LEVEL,key=value,…, such as 'temp=normal:0.5' or '*=missing:1%'; repeatable, "
    "in order, in the place of the options above and -c.",
)  # fmt: skip
@option(
    "Noise", "--recipe", metavar="FILE",
    help="Noise specs and seed from a TOML file ([[noise]] tables), or from a --report.",
)  # fmt: skip
@option(
    "Noise", "--preset", "presets", multiple=True, metavar="NAME[:SEVERITY]",
    help="Ready-made noise, such as imagenet-c-shot:3; see --list-presets.",
)  # fmt: skip
@option(
    "Noise", "--clip", type=ClipType(), metavar="LO,HI",
    help="Bounds for what noise produces; values it leaves alone may lie outside.",
)  # fmt: skip
@option(
    "Noise", "--where", metavar="EXPR",
    help="Rows that get noise, such as 'age > 60 and city == \"Rome\"'; takes and or not in "
    "is null + - * / too. [default: all]",
)  # fmt: skip
@option(
    "Noise", "--seed", type=SeedType(), metavar="N", envvar="NOISIFY_SEED",
    help="Same seed, same noise. 0 to 2**128-1, or 0x…; NOISIFY_SEED gives it too. "
    "[default: a new one, printed]",
)  # fmt: skip
@option(
    "Noise", "--rng", type=WordType("rng", RNGS), metavar="NAME",
    help="numpy and numpy-legacy give the very numbers of default_rng(N) and np.random.seed(N), "
    "fields in file order, on one thread. [default: noisify]",
)  # fmt: skip
@option(
    "Fields", "-c", "--columns", multiple=True, metavar="SEL",
    help="Fields that get noise: names, globs, /regex/, :float :int :number :text :time, "
    "comma-separated; !x takes x away. [default: every floating-point field, or else the only "
    "number field]",
)  # fmt: skip
@option("Fields", "--exclude", multiple=True, metavar="SEL", help="Fields to leave alone.")
@option(
    "Output", "-o", "--output", metavar="FILE",
    help="Write to FILE, replaced in one step when all is done. [default: standard output]",
)  # fmt: skip
@option(
    "Output", "--output-dir", metavar="DIR",
    help="Write each INPUT's noisy copy into DIR, made if need be.",
)  # fmt: skip
@option(
    "Output", "--name", "name_template", metavar="TEMPLATE",
    help="File names in DIR: {stem}, {suffix}, {seed}, {model}, {replicate}, and what is swept. "
    "[default: {stem}{suffix}, and what tells the outputs apart]",
)  # fmt: skip
@option("Output", "--in-place", is_flag=True, help="Replace each INPUT by its noisy copy.")
@option("Output", "--no-clobber", is_flag=True, help="Never replace an existing file.")
@option(
    "Output", "--to", "to_format", type=FormatType(), metavar="FORMAT",
    help=f"Output format: {', '.join(FORMAT_NAMES)}. [default: by FILE's suffix, else the input's]",
)  # fmt: skip
@option(
    "Output", "--compress-level", type=click.IntRange(0, 22), metavar="N",
    help="How hard to compress an output whose name ends in .gz, .bz2, .xz, .zst or .lz4; standard "
    "output is never compressed. [default: 1 for gz, 9 for bz2, 6 for xz, 3 for zst, 0 for lz4]",
)  # fmt: skip
@option(
    "Output", "--decimals", type=DecimalsType(), metavar="N|keep",
    help="Round noisy numbers to N decimals, or to as many as each cell had.",
)  # fmt: skip
@option(
    "Output", "--report", metavar="FILE.json",
    help="Write what was done, and what noise did to each field, measured on the output.",
)  # fmt: skip
@option(
    "Output", "--mask", metavar="FILE",
    help="Write which elements changed, in the output's format and shape.",
)  # fmt: skip
@option(
    "Output", "--mask-values", is_flag=True,
    help="Keep in the mask what they were, for --restore.",
)  # fmt: skip
@option(
    "Output", "--restore", metavar="MASK",
    help="Give the original back: INPUT is a noisy file, MASK its mask with values.",
)  # fmt: skip
@option(
    "Batch", "--sweep", "sweeps", multiple=True, metavar="KEY=A,B,C",
    type=ParameterType("sweep", "KEY=A,B,C", "scale=0.01,0.1"),
    help="An output for each value of model, scale, sd, snr, rate or a parameter; 0.1:1:0.1 counts "
    "from, to, by; several multiply. The same seed gives paired noise.",
)  # fmt: skip
@option(
    "Batch", "--replicates", type=click.IntRange(1), metavar="N",
    help="N noisy copies, each with noise of its own.",
)  # fmt: skip
@option(
    "Batch", "--per-file", is_flag=True,
    help="Noise of its own for each file, by the file's name without folder and suffix. [default: "
    "with several INPUTs]",
)  # fmt: skip
@option("Batch", "--same-noise", is_flag=True, help="The same noise for all INPUTs.")
@option(
    "Batch", "--append", is_flag=True,
    help="Write the original rows, then the noisy copies of --replicates (one without), to one "
    "output.",
)  # fmt: skip
@option(
    "Input", "--from", "from_format", type=FormatType(), metavar="FORMAT",
    help="Input format. [default: by suffix, else by the first bytes, else csv]",
)  # fmt: skip
@option(
    "Input", "--delimiter", metavar="C",
    help="Character between cells; \\t or tab for a tab. [default: by suffix, else sniffed]",
)  # fmt: skip
@option("Input", "--no-header", is_flag=True, help="No header: columns are called 1, 2, 3, ….")
@option(
    "Input", "--na", "nulls", multiple=True, metavar="TEXT",
    help="Text that means null, besides the empty cell and instead of the usual ones; repeatable. "
    "[default: NA, null, NaN, …]",
)  # fmt: skip
@option(
    "Input", "--encoding", default="utf-8", metavar="NAME", help="Text encoding. [default: utf-8]"
)
@option(
    "Input", "--decimal", default=".", metavar="C",
    help="Decimal mark of numbers: . or a comma. [default: .]",
)  # fmt: skip
@option(
    "Input", "--thousands", metavar="C",
    help="Mark between groups of three digits. [default: none; such a cell is no number]",
)  # fmt: skip
@option(
    "Input", "--skip-lines", type=click.IntRange(0), default=0, metavar="N",
    help="Lines before the table, passed through as they are.",
)  # fmt: skip
@option("Input", "--comment", metavar="TEXT", help="Lines that start so pass through as they are.")
@option(
    "Input", "--escape", metavar="C",
    help="Character that takes the meaning of the one after it, such as '\\'. [default: none; "
    "quotes are doubled]",
)  # fmt: skip
@option(
    "Input", "--ragged", type=WordType("way with ragged rows", ("error", "keep")),
    default="error", metavar="error|keep",
    help="What to do with a row of too few or too many cells. [default: error]",
)  # fmt: skip
@option(
    "Input", "--strict", is_flag=True,
    help="Fail at a cell that is not a number in a field that gets noise. [default: leave it, "
    "and count it]",
)  # fmt: skip
@option(
    "Run", "-j", "--jobs", type=click.IntRange(1), metavar="N", envvar="NOISIFY_JOBS",
    help="Worker threads; NOISIFY_JOBS gives it too. [default: one for each processor]",
)  # fmt: skip
@option(
    "Run", "--chunk-size", type=SizeType(), metavar="SIZE",
    help="Bytes worked on at a time, such as 4MiB; never changes the output.",
)  # fmt: skip
@option(
    "Run", "-n", "--dry-run", is_flag=True,
    help="Print the plan and five rows before and after; write nothing.",
)  # fmt: skip
@option(
    "Run", "--progress/--no-progress", default=None,
    help="Show progress on standard error. [default: on a terminal, after a second]",
)  # fmt: skip
@option("Run", "-q", "--quiet", is_flag=True, help="Print nothing but errors.")
@option("Run", "-v", "--verbose", is_flag=True, help="Print a summary, also off a terminal.")
@option(
    "Info", "--list-models", is_flag=True, is_eager=True, expose_value=False,
    callback=_show_models, help="List the kinds of noise, by family.",
)  # fmt: skip
@option(
    "Info", "--explain", type=ModelType(), metavar="MODEL", is_eager=True, expose_value=False,
    callback=_explain, help="Explain one kind of noise: formula, parameters, an example.",
)  # fmt: skip
@option(
    "Info", "--list-presets", is_flag=True, is_eager=True, expose_value=False,
    callback=_show_presets, help="List the ready-made kinds of noise.",
)  # fmt: skip
@option(
    "Info", "--version", is_flag=True, is_eager=True, expose_value=False,
    callback=_show_version, help="Show the version.",
)  # fmt: skip
def noisify(**given: Any) -> None:  # noqa: ANN401
    """Add noise to CSV, Parquet, NPY and HDF5 files.

    The same seed gives the same noise for the same cell, whatever the format, the chunk size or the
    number of workers; what was not asked to change stays as it is, to the byte. Without INPUT, or
    with -, reads standard input; writes to standard output unless told otherwise.
    """
    from noisify.cli.arguments import Arguments  # noqa: PLC0415 - as what follows
    from noisify.cli.execute import execute  # noqa: PLC0415 - it imports NumPy

    execute(Arguments(**given))


noisify.examples = EXAMPLES

"""The command line: each option is declared here once, as an attribute of `Arguments`.

Options for reading files are declared in `ReadOptions`, since the library takes them too.
"""

from __future__ import annotations

from dataclasses import field, fields
from typing import TYPE_CHECKING, Any, TypeVar

import click

from noisify import formats
from noisify.cli.option_types import (
    CLIP,
    DECIBELS,
    DECIMALS,
    FILE,
    FOLDER,
    FORMAT,
    LEVEL,
    MODEL,
    SEED,
    SHARE,
    GroupedOption,
    ParamType,
    WordType,
    pair_type,
    size_type,
)
from noisify.core.value_class import frozen
from noisify.formats.read_options import ReadOptions, declared
from noisify.streams.limits import RNGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from noisify.core.share import Share
    from noisify.formats.read_options import ReadOption
    from noisify.noise.level import Level
    from noisify.plan.plan import Decimals

Value = TypeVar("Value")
_FORMATS = ", ".join(entry.name for entry in formats.FORMATS)


def option(
    group: str,
    *flags: str,
    default: Value,
    help_text: str,
    kind: ParamType | None = None,
    metavar: str | None = None,
    envvar: str | None = None,
) -> Value:
    """Declare an option: a flag if its default is False, repeatable if that is ().

    Args:
        group: The heading that help lists it under.
        flags: The flags to type.
        default: The value if it is not given.
        help_text: The text in help.
        kind: The type that reads its value.
        metavar: The name of its value in help.
        envvar: An environment variable that sets it too.
    """
    settings = {
        "group": group, "default": default, "help": help_text, "type": kind, "metavar": metavar,
        "envvar": envvar, "is_flag": default is False or None, "multiple": default == (),
    }  # fmt: skip
    return field(default=default, metadata={"flags": flags, "settings": settings})


@frozen(kw_only=True)
class Arguments:
    """The parsed command line, one attribute for each option; immutable."""

    inputs: tuple[str, ...] = ()
    model: str | None = option(
        "Noise", "-d", "--dist", "--model", default=None, kind=MODEL, metavar="MODEL",
        help_text="Kind of noise; see --list-models. [default: normal]",
    )  # fmt: skip
    scale: Level | None = option(
        "Noise", "-s", "--scale", default=None, kind=LEVEL, metavar="LEVEL",
        help_text="Scale of the distribution: 0.5 (absolute), 5% (of each value), 0.1sd 0.2iqr "
        "1%range (of the whole field), @column (another field's values). [default: 0.1sd]",
    )  # fmt: skip
    sd: Level | None = option(
        "Noise", "--sd", default=None, kind=LEVEL, metavar="LEVEL",
        help_text="Standard deviation of the noise itself, whatever the model.",
    )  # fmt: skip
    snr: float | None = option(
        "Noise", "--snr", default=None, kind=DECIBELS, metavar="DB",
        help_text="Signal-to-noise ratio in dB, against the mean square of the whole field.",
    )  # fmt: skip
    rate: str | None = option(
        "Noise", "--rate", default=None, metavar="RATE",
        help_text="Share of the elements hit, for models that hit some: 2% or 0.02.",
    )  # fmt: skip
    loc: str | None = option(
        "Noise", "--loc", default=None, metavar="X",
        help_text="Added to every value: shorthand for -p loc=X.",
    )  # fmt: skip
    df: str | None = option(
        "Noise", "--df", default=None, metavar="X",
        help_text="Degrees of freedom: shorthand for -p df=X.",
    )  # fmt: skip
    parameters: tuple[tuple[str, str], ...] = option(
        "Noise", "-p", "--param", default=(), metavar="KEY=VALUE",
        kind=pair_type("parameter", "KEY=VALUE, such as df=3"),
        help_text="A parameter of the model; see --explain MODEL.",
    )  # fmt: skip
    noise: tuple[str, ...] = option(
        "Noise", "--noise", default=(), metavar="SPEC",
        help_text="FIELDS=MODEL:LEVEL,key=value,…, such as 'temp=normal:0.5' or '*=missing:1%'; "
        "repeatable, in order, in the place of the options above and -c.",
    )  # fmt: skip
    recipe: str | None = option(
        "Noise", "--recipe", default=None, kind=FILE, metavar="FILE",
        help_text="Noise specs and seed from a TOML file ([[noise]] tables), or from a --report.",
    )  # fmt: skip
    presets: tuple[str, ...] = option(
        "Noise", "--preset", default=(), metavar="NAME[:SEVERITY]",
        help_text="Ready-made noise, such as imagenet-c-shot:3; see --list-presets.",
    )  # fmt: skip
    clip: tuple[float, float] | None = option(
        "Noise", "--clip", default=None, kind=CLIP, metavar="LO,HI",
        help_text="Bounds for what noise produces; values it leaves alone may lie outside.",
    )  # fmt: skip
    where: str | None = option(
        "Noise", "--where", default=None, metavar="EXPR",
        help_text="Rows that get noise, such as 'age > 60 and city == \"Rome\"'; takes and or not "
        "in is null + - * / too. [default: all]",
    )  # fmt: skip
    seed: int | None = option(
        "Noise", "--seed", default=None, kind=SEED, metavar="N", envvar="NOISIFY_SEED",
        help_text="Same seed, same noise. 0 to 2**128-1, or 0x…; NOISIFY_SEED gives it too. "
        "[default: a new one, printed]",
    )  # fmt: skip
    rng: str | None = option(
        "Noise", "--rng", default=None, kind=WordType("rng", RNGS), metavar="NAME",
        help_text="numpy and numpy-legacy give the very numbers of default_rng(N) and "
        "np.random.seed(N), fields in file order, on one thread. [default: noisify]",
    )  # fmt: skip
    key: tuple[str, ...] = option(
        "Noise", "--key", default=(), metavar="FIELD",
        help_text="Noise follows the record: rows of one value in FIELD get the same noise, in any "
        "order, file and format. Several fields: repeat it, or a,b. [default: the row number]",
    )  # fmt: skip
    columns: tuple[str, ...] = option(
        "Fields", "-c", "--columns", default=(), metavar="SEL",
        help_text="Fields that get noise: names, globs, /regex/, :float :int :number :text :time, "
        "comma-separated; !x takes x away. [default: every floating-point field, or else the only "
        "number field]",
    )  # fmt: skip
    exclude: tuple[str, ...] = option(
        "Fields", "--exclude", default=(), metavar="SEL",
        help_text="Fields to leave alone.",
    )  # fmt: skip
    output: str | None = option(
        "Output", "-o", "--output", default=None, kind=FILE, metavar="FILE",
        help_text="Write to FILE, replaced in one step when all is done. [default: standard "
        "output]",
    )  # fmt: skip
    output_dir: str | None = option(
        "Output", "--output-dir", default=None, kind=FOLDER, metavar="DIR",
        help_text="Write each INPUT's noisy copy into DIR, made if need be.",
    )  # fmt: skip
    name_template: str | None = option(
        "Output", "--name", default=None, metavar="TEMPLATE",
        help_text="File names in DIR: {stem}, {suffix}, {seed}, {model}, {replicate}, and what is "
        "swept. [default: {stem}{suffix}, and what tells the outputs apart]",
    )  # fmt: skip
    in_place: bool = option(
        "Output", "--in-place", default=False,
        help_text="Replace each INPUT by its noisy copy.",
    )  # fmt: skip
    no_clobber: bool = option(
        "Output", "--no-clobber", default=False,
        help_text="Never replace an existing file.",
    )  # fmt: skip
    to_format: str | None = option(
        "Output", "--to", default=None, kind=FORMAT, metavar="FORMAT",
        help_text=f"Output format: {_FORMATS}. [default: by FILE's suffix, else the input's]",
    )  # fmt: skip
    compress_level: int | None = option(
        "Output", "--compress-level", default=None, kind=click.IntRange(0, 22), metavar="N",
        help_text="How hard to compress an output whose name ends in .gz, .bz2, .xz, .zst or "
        ".lz4; standard output is never compressed. [default: 1 for gz, 9 for bz2, 6 for xz, 3 "
        "for zst, 0 for lz4]",
    )  # fmt: skip
    decimals: Decimals = option(
        "Output", "--decimals", default=None, kind=DECIMALS, metavar="N|keep",
        help_text="Round noisy numbers to N decimals, or to as many as each cell had.",
    )  # fmt: skip
    report: str | None = option(
        "Output", "--report", default=None, kind=FILE, metavar="FILE.json|html",
        help_text="Write what was done, and what noise did to each field, measured on the output; "
        "as HTML with pictures.",
    )  # fmt: skip
    plot: str | None = option(
        "Output", "--plot", default=None, kind=FILE, metavar="FILE.png|svg|pdf",
        help_text="Draw what noise did: fields before and after; of a sweep, curves.",
    )  # fmt: skip
    depfile: str | None = option(
        "Output", "--depfile", default=None, kind=FILE, metavar="FILE.d",
        help_text="Write what each output was made of, recipe and files of folders included, as "
        "rules for Make to include.",
    )  # fmt: skip
    mask: str | None = option(
        "Output", "--mask", default=None, kind=FILE, metavar="FILE",
        help_text="Write which elements changed, in the format of FILE's suffix.",
    )  # fmt: skip
    mask_values: bool = option(
        "Output", "--mask-values", default=False,
        help_text="Add the original values to the mask, for --restore.",
    )  # fmt: skip
    restore: str | None = option(
        "Output", "--restore", default=None, kind=FILE, metavar="MASK",
        help_text="Restore the original values: INPUT is a noisy file, MASK its mask with values.",
    )  # fmt: skip
    sweeps: tuple[tuple[str, str], ...] = option(
        "Batch", "--sweep", default=(), metavar="KEY=A,B,C",
        kind=pair_type("sweep", "KEY=A,B,C, such as scale=0.01,0.1"),
        help_text="An output for each value of model, scale, sd, snr, rate or a parameter; "
        "0.1:1:0.1 counts from, to, by; several multiply. The same seed gives paired noise.",
    )  # fmt: skip
    replicates: int | None = option(
        "Batch", "--replicates", default=None, kind=click.IntRange(1), metavar="N",
        help_text="N noisy copies, each with noise of its own.",
    )  # fmt: skip
    per_file: bool = option(
        "Batch", "--per-file", default=False,
        help_text="Noise of its own for each file, by the file's name without folder and suffix. "
        "[default: with several INPUTs]",
    )  # fmt: skip
    same_noise: bool = option(
        "Batch", "--same-noise", default=False,
        help_text="The same noise for all INPUTs.",
    )  # fmt: skip
    append: bool = option(
        "Batch", "--append", default=False,
        help_text="Write the original rows, then the noisy copies of --replicates (one without), "
        "to one output.",
    )  # fmt: skip
    from_format: str | None = option(
        "Input", "--from", default=None, kind=FORMAT, metavar="FORMAT",
        help_text="Input format. [default: by suffix, else by the first bytes, else csv]",
    )  # fmt: skip
    read: ReadOptions = field(default_factory=ReadOptions)
    jobs: int | None = option(
        "Run", "-j", "--jobs", default=None, kind=click.IntRange(1), metavar="N",
        envvar="NOISIFY_JOBS",
        help_text="Worker threads; NOISIFY_JOBS gives it too. [default: one for each processor]",
    )  # fmt: skip
    chunk_size: int | None = option(
        "Run", "--chunk-size", default=None, kind=size_type("chunk size"), metavar="SIZE",
        help_text="Bytes worked on at a time, such as 4MiB; never changes the output.",
    )  # fmt: skip
    max_memory: int | None = option(
        "Run", "--max-memory", default=None, kind=size_type("memory size"), metavar="SIZE",
        help_text="Memory that the run may take, such as 300MB: with fewer workers and smaller "
        "chunks if need be, or it fails. [default: what a few chunks for each worker take]",
    )  # fmt: skip
    engine: str = option(
        "Run", "--engine", default="local", kind=WordType("engine", ("local", "dask")),
        metavar="NAME",
        help_text="What makes the outputs: local, or dask with a worker process for each "
        "processor or the cluster of --scheduler. [default: local]",
    )  # fmt: skip
    scheduler: str | None = option(
        "Run", "--scheduler", default=None, metavar="ADDRESS|FILE.json",
        help_text="Dask's scheduler, such as tcp://head:8786. [default: a cluster of this machine]",
    )  # fmt: skip
    part_size: int | None = option(
        "Run", "--part-size", default=None, kind=size_type("part size"), metavar="SIZE",
        help_text="With --engine dask, cut larger files into parts of SIZE for the workers to "
        "share, if their format allows. [default: 256MiB]",
    )  # fmt: skip
    shard: Share | None = option(
        "Run", "--shard", default=None, kind=SHARE, metavar="K/N", envvar="NOISIFY_SHARD",
        help_text="Make the K-th of N parts, from 1: of the file with -o, where joined parts are "
        "the whole output; of the list of files with --output-dir. NOISIFY_SHARD gives it too.",
    )  # fmt: skip
    resume: bool = option(
        "Run", "--resume", default=False,
        help_text="Leave the outputs in DIR that are finished, by records that runs with --resume "
        "keep in DIR/.noisify, and make the others.",
    )  # fmt: skip
    list_fields: bool = option(
        "Run", "--list-fields", default=False,
        help_text="Print the fields of each INPUT: kind, nulls, range, sd, and whether they get "
        "noise by default; write nothing.",
    )  # fmt: skip
    dry_run: bool = option(
        "Run", "-n", "--dry-run", default=False,
        help_text="Print the plan and five rows before and after; write nothing.",
    )  # fmt: skip
    preview: bool = option(
        "Run", "--preview", default=False,
        help_text="Show a dozen rows before and after, with what changed marked; write nothing.",
    )  # fmt: skip
    progress: bool | None = option(
        "Run", "--progress/--no-progress", default=None,
        help_text="Show progress on standard error. [default: on a terminal, after a second]",
    )  # fmt: skip
    quiet: bool = option(
        "Run", "-q", "--quiet", default=False,
        help_text="Print nothing but errors.",
    )  # fmt: skip
    verbose: bool = option(
        "Run", "-v", "--verbose", default=False,
        help_text="Print a summary, also off a terminal.",
    )  # fmt: skip


def options() -> Iterator[click.Parameter]:
    """Yield the options of the command, in the order in which help lists them."""
    yield click.Argument(["inputs"], nargs=-1, metavar="[INPUT]...", type=FILE)
    for one in fields(Arguments):
        if "flags" in one.metadata:
            yield GroupedOption([*one.metadata["flags"], one.name], **one.metadata["settings"])
        elif one.name == "read":
            yield from (_reading(name, how) for name, how in declared().items() if how.flag)


def _reading(name: str, how: ReadOption[Any]) -> GroupedOption:
    """Return the command-line option for one of `ReadOptions`."""
    is_flag = isinstance(how.default, bool)
    kind = click.IntRange(0) if how.default == 0 and not is_flag else None
    return GroupedOption(
        [how.flag, name],
        group="Input",
        type=WordType(how.title, how.choices) if how.choices else kind,
        default=False if is_flag else () if how.repeatable else how.default,
        is_flag=is_flag or None,
        multiple=how.repeatable,
        metavar=how.metavar,
        help=how.help,
    )


def arguments_from(given: Mapping[str, object]) -> Arguments:
    """Return the arguments from click's parsed values of `options`, by name."""
    left: dict[str, Any] = dict(given)
    read: dict[str, Any] = {}
    for name, how in declared().items():
        if not how.flag:
            continue
        value = left.pop(name)
        if isinstance(how.default, bool):
            value = value is not how.default
        read[name] = how.default if how.repeatable and not value else value
    return Arguments(read=ReadOptions(**read), **left)

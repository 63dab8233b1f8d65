"""The library: noise on arrays and tables in memory and on files, by the command's engine."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar

from noisify.core.errors import NoisifyWarning, UsageError, printable
from noisify.core.options import named_as_arguments
from noisify.core.values import ROW_LIMIT, read_count, read_path, read_truth
from noisify.engine import loop, rows_from, survey
from noisify.engine.job import OutputRequest, process
from noisify.engine.open_input import Settings
from noisify.engine.parallel import default_jobs
from noisify.engine.unchanged import notes as unchanged
from noisify.formats.memory_kinds import hold
from noisify.formats.read_options import read_options
from noisify.plan.request import NoiseOptions, request_from, show_options
from noisify.plan.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Unpack

    from noisify.core.chunk import Field
    from noisify.engine.report import RunReport
    from noisify.formats.interface import Source
    from noisify.formats.memory import InMemory
    from noisify.formats.read_options import ReadOptions
    from noisify.plan.model_names import ModelName
    from noisify.plan.model_spec import ModelSpec
    from noisify.plan.plan import Decimals, Plan, Request
    from noisify.plan.word_values import Rng
    from noisify.statistics.survey import FieldStatistics

Data = TypeVar("Data")


@show_options
def add_noise(
    data: Data,
    model: ModelName | ModelSpec | None = None,
    *,
    decimals: int | None = None,
    seed: SupportsIndex | None = None,
    file: str | None = None,
    replicate: SupportsIndex | None = None,
    rng: Rng | None = None,
    start: SupportsIndex | None = None,
    jobs: int | None = None,
    **options: Unpack[NoiseOptions],
) -> Data:
    """Return a noisy copy of an array or a table.

    With the same seed and field name the noise is the command's. The field of an array is
    called `data`, that of a Series by its name (`data` without one).

    Args:
        data: A NumPy array of any shape and order, structured and masked ones included; a
            DataFrame or Series of pandas or polars; an `xarray.DataArray`; an Arrow table, record
            batch or array; or anything else with `__arrow_c_stream__`. It is not changed.
        model: The kind of noise: one of `noisify.models`, such as `models.StudentT(df=4)`, or a
            name that `noisify --list-models` lists. Default "normal".
        scale: The distribution's scale: a number or a level such as "5%", "0.1sd", "@error".
            Default "0.1sd".
        sd: The noise's own standard deviation, instead of `scale`.
        snr: The signal-to-noise ratio in dB, instead of `scale`.
        rate: The share of elements hit, 0.02 or "2%", for models that hit some.
        columns: Fields that get noise: names, globs, /regular expressions/, kinds such as ":int";
            or the numbers that a DataFrame has as labels.
            Default: every floating-point field, or else the only one with numbers.
        exclude: Fields to leave alone.
        params: The model's other parameters, such as {"df": 3}.
        clip: Bounds (low, high) for noisy values; either may be None.
        where: A condition on rows, such as "age > 60 and city == 'Rome'"; others get no noise.
        noise: Several kinds of noise, one after the other, instead of the arguments up to `params`:
            texts as `--noise` takes them, models, or mappings as in a recipe's [[noise]] table.
        recipe: The path of a recipe or a report, or its contents as a mapping.
        preset: Ready-made noise, as listed by `noisify --list-presets`, such as
            "sensor-faults:2"; or several.
        key: A column, or several, whose values identify a row. Noise follows them, not the row
            number: a record has the same noise in any order, with other rows left out or added.
            7, 7.0 and "7" are one key.
        decimals: Digits to round noisy floats to.
        seed: 0 to 2**128 - 1, of any integer type. Default: the recipe's, or a new one each time.
        file: A name that gives the data its own noise: "day1" gives the noise
            of `noisify in/day1.csv --per-file`. Default: the recipe's.
        replicate: The number of the noisy copy, from 0: `--replicates 3` makes the copies 0, 1
            and 2. Default 0.
        rng: "noisify", or "numpy" or "numpy-legacy" for the numbers of NumPy's generators.
        start: If the data are some rows of a larger table or array, the index of their first row
            in it, from 0; they get the noise that they have in the whole. Levels of the whole
            field are refused then, and models that look at neighbouring rows. Default: the data
            are the whole.
        jobs: Worker threads; default: one for each processor.

    Returns:
        The same type, shape and dtypes as `data`. What other Arrow producers export comes back as
        an Arrow table. Integers and booleans of a DataFrame's NumPy columns come back in pandas'
        nullable types where `missing` is asked for; a NumPy array of them is refused, and a
        masked array masked.

    Raises:
        UsageError: If an argument does not fit the data.

    Warns:
        NoisifyWarning: If noise changed nothing in a field; it says why.

    >>> import numpy as np
    >>> from noisify import add_noise, models
    >>> line = np.linspace(-10, 10, 5)
    >>> add_noise(line, models.Normal(scale=0.5), seed=42).round(3)
    array([-9.848, -5.251,  0.221,  4.932, 10.646])
    >>> bool((add_noise(line, scale=0, seed=42) == line).all())
    True
    >>> add_noise(line[3:], models.Normal(scale=0.5), seed=42, start=3).round(3)
    array([ 4.932, 10.646])
    """
    request = request_from(
        options, model=model, decimals=decimals, seed=seed, rng=rng, file=file, replicate=replicate
    )
    within = None
    if start is not None:
        first = read_count("start", start, 0, limit=ROW_LIMIT)
        within = partial(rows_from.RowsFrom, first=first)
    noisy, notes = noisy_copy(data, request, jobs, within)
    for note in notes:
        warnings.warn(note, NoisifyWarning, stacklevel=2)
    return noisy


@show_options
def noisify_file(
    source: str | Path,
    output: str | Path,
    model: ModelName | ModelSpec | None = None,
    *,
    decimals: Decimals = None,
    seed: SupportsIndex | None = None,
    per_file: bool | None = None,
    rng: Rng | None = None,
    in_place: bool = False,
    read: ReadOptions | Mapping[str, Any] | None = None,
    jobs: int | None = None,
    **options: Unpack[NoiseOptions],
) -> RunReport:
    r"""Write a noisy copy of a file: the command, as a function.

    Args:
        source: A file of any format that noisify reads, or its URL; `-` for standard input.
        output: The file to create or replace atomically; `-` for standard output.
        model: See `add_noise`.
        decimals: Digits to round noisy floats to, or "keep" for as many as each CSV cell had.
        seed: See `add_noise`.
        per_file: Whether the file gets its own noise, by its name without folder and suffix;
            by default, as the recipe says.
        rng: See `add_noise`.
        in_place: Whether `output` may be `source`.
        read: How to read a CSV, such as {"delimiter": ";", "decimal": ","}: delimiter, header,
            nulls, encoding, decimal, thousands, skip_lines, comment, escape, ragged and strict.
        jobs: Worker threads; default: one for each processor.
        **options: Which noise, and on which fields, as for `add_noise`: from `scale` to `key`.

    Returns:
        The plan, and for each field the changes measured on the output; `as_json()` is the report
        that `--report` writes.

    Raises:
        NoisifyError: If anything fails; the output is then as it was before.

    >>> import tempfile, pathlib
    >>> from noisify import noisify_file
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "line.csv").write_text("x,note\n1.0,a\n2.0,b\n")
    >>> report = noisify_file(folder / "line.csv", folder / "noisy.csv", scale=0.5, seed=42)
    >>> print((folder / "noisy.csv").read_text(), end="")
    x,note
    1.603244048497338,a
    3.294910359166768,b
    >>> report.fields["x"].changed
    2
    """
    request = request_from(
        options, model=model, decimals=decimals, seed=seed, rng=rng, per_file=per_file,
        source=source,
    )  # fmt: skip
    reading = read_options(read)
    strict = reading.strict or request.strict
    keep = reading.keep_decimals or request.decimals == "keep"
    settings = Settings(
        read=replace(reading, strict=strict, keep_decimals=keep),
        in_place=read_truth("in_place", in_place),
        jobs=_workers(jobs),
        measure=True,
    )
    given, target = read_path("source", source), read_path("output", output)
    wanted = OutputRequest(target, replace(request, strict=strict))
    with named_as_arguments():
        return process(given, [wanted], settings)[0]


@named_as_arguments()
def noisy_copy(
    data: Data,
    request: Request,
    jobs: int | None,
    within: Callable[[InMemory[Any, Any]], Source[Any]] | None = None,
) -> tuple[Data, list[str]]:
    """Return a noisy copy of data in memory, and notes on noise that changed nothing.

    Args:
        data: The data.
        request: The noise.
        jobs: The number of worker threads, or None for one for each processor.
        within: Places the data in the whole that they are a part of, or None if they are the whole.
    """
    held, given_back = hold(data)
    workers = _workers(jobs)
    source: Source[Any] = held if within is None else within(held)
    plan = _plan(held, request, workers, source)
    held.expect_nulls(step.field.name for step in plan.field_steps if step.model.erases)
    seen: list[str] = []
    (met,) = loop.run(
        source,
        [loop.Task(plan, held)],
        jobs=workers,
        size=loop.CHUNK_BYTES,
        measure=False,
        progress=lambda _: None,
        keyed=lambda tally: seen.extend(tally.notes()),
    )
    notes = [*plan.notes, *seen, *(f"field {name!r}: {why}" for name, why in unchanged(plan, met))]
    return given_back(held.result()), list(map(printable, notes))


@named_as_arguments()
def plan_for(data: object, request: Request) -> Plan:
    """Return the plan for data in memory: fields chosen, levels settled."""
    held = hold(data).source
    return _plan(held, request, default_jobs(), held)


def _plan(held: InMemory[Any, Any], request: Request, workers: int, source: Source[Any]) -> Plan:
    """Return the plan for data in memory; `source` gives their positions in the whole."""

    def surveyed(needs: Mapping[Field, frozenset[str]]) -> Mapping[str, FieldStatistics]:
        def read(surveys: survey.Surveys) -> None:
            surveys.read(held, jobs=workers, size=loop.CHUNK_BYTES, progress=lambda _: None)

        return survey.in_passes(needs, read)

    if request.decimals == "keep":
        raise UsageError("decimals 'keep' is for CSV files; give a number of digits")
    survey_of = surveyed if source is held else rows_from.refuse_survey
    plan = resolve(request, held.fields, survey_of, source.series_shape)
    if source is not held:
        rows_from.check_rows_alone(plan)
    if plan.row_steps:  # the result has the length of the data
        raise UsageError(
            f"{plan.row_steps[0].model.name} works on whole rows of files; use noisify_file, or "
            "choose the rows yourself"
        )
    return plan


def _workers(jobs: int | None) -> int:
    return default_jobs() if jobs is None else read_count("jobs", jobs)

"""The library: noise on arrays and tables in memory, and on files, by the command's own engine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

from noisify.core.errors import UsageError
from noisify.engine import loop
from noisify.engine.job import Settings, Wanted, default_jobs, process
from noisify.formats.interface import ReadOptions
from noisify.formats.memory_kinds import hold
from noisify.noise import level, registry
from noisify.plan.plan import NoiseSpec, Request
from noisify.plan.resolve import resolve
from noisify.streams.limits import RNGS, SEED_LIMIT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from noisify.engine.report import RunReport
    from noisify.plan.plan import Decimals

Data = TypeVar("Data")


def add_noise(
    data: Data,
    model: str = "normal",
    *,
    scale: float | str | None = None,
    sd: float | str | None = None,
    snr: float | str | None = None,
    rate: float | str | None = None,
    columns: str | Sequence[str] | None = None,
    exclude: str | Sequence[str] | None = None,
    params: Mapping[str, Any] | None = None,
    clip: tuple[float, float] | None = None,
    decimals: int | None = None,
    seed: int | None = None,
    rng: str = "noisify",
    jobs: int | None = None,
) -> Data:
    """Return a noisy copy of an array or a table.

    With the same seed and field name the noise is that of the command. The field of an array is
    called `data`, that of a Series by its name (`data` without one).

    Args:
        data: A NumPy array of any shape and order, structured ones included; a pandas DataFrame or
            Series; or an Arrow table. It is not changed.
        model: The kind of noise, as `noisify --list-models` lists them.
        scale: The distribution's scale: a number or a level such as "5%", "0.1sd", "@error".
            Default "0.1sd".
        sd: The noise's own standard deviation, instead of `scale`.
        snr: The signal-to-noise ratio in dB, instead of `scale`.
        rate: The share of elements hit, 0.02 or "2%", for models that hit some.
        columns: Fields that get noise: names, globs, /regular expressions/, kinds such as ":int".
            Default: every floating-point field, or else the only one with numbers.
        exclude: Fields to leave alone.
        params: The model's other parameters, such as {"df": 3}.
        clip: Bounds (low, high) for what noise produces.
        decimals: Digits to round noisy floats to.
        seed: 0 to 2**128 - 1; None: a new one each time.
        rng: noisify, or numpy or numpy-legacy for the very numbers of NumPy's own generators.
        jobs: Worker threads; default: one for each processor.

    Returns:
        The same type, shape and dtypes as `data`.

    Raises:
        UsageError: If an argument does not fit the data.

    >>> import numpy as np
    >>> from noisify import add_noise
    >>> line = np.linspace(-10, 10, 5)
    >>> add_noise(line, scale=0.5, seed=42).round(3)
    array([-10.029,  -5.096,  -0.561,   3.751,   9.633])
    >>> bool((add_noise(line, scale=0, seed=42) == line).all())
    True
    """
    request = _request(
        model,
        scale,
        sd,
        snr,
        rate,
        columns,
        exclude,
        params,
        clip,
        decimals=decimals,
        seed=seed,
        rng=rng,
    )
    held, given_back = hold(data)
    workers = jobs or default_jobs()
    size = loop.CHUNK_BYTES
    plan = resolve(
        request,
        held.fields,
        lambda needs: loop.survey(held, needs, jobs=workers, size=size, progress=lambda _: None),
    )
    task = loop.Task(plan, held)
    loop.run(held, [task], jobs=workers, size=size, measure=False, progress=lambda _: None)
    return given_back(held.result())  # type: ignore[no-any-return]


def noisify_file(
    source: str | Path,
    output: str | Path,
    model: str = "normal",
    *,
    scale: float | str | None = None,
    sd: float | str | None = None,
    snr: float | str | None = None,
    rate: float | str | None = None,
    columns: str | Sequence[str] | None = None,
    exclude: str | Sequence[str] | None = None,
    params: Mapping[str, Any] | None = None,
    clip: tuple[float, float] | None = None,
    decimals: Decimals = None,
    seed: int | None = None,
    rng: str = "noisify",
    in_place: bool = False,
    read: ReadOptions | None = None,
    jobs: int | None = None,
) -> RunReport:
    r"""Write a noisy copy of a file: the command, as a function.

    Args:
        source: A CSV, TSV, NPY, Parquet or HDF5 file; `-` for standard input.
        output: The file to make or replace, in one step; `-` for standard output.
        model: As for `add_noise`; likewise the arguments up to `rng`.
        scale: See `add_noise`.
        sd: See `add_noise`.
        snr: See `add_noise`.
        rate: See `add_noise`.
        columns: See `add_noise`.
        exclude: See `add_noise`.
        params: See `add_noise`.
        clip: See `add_noise`.
        decimals: Digits to round noisy floats to, or "keep" for as many as each CSV cell had.
        seed: See `add_noise`.
        rng: See `add_noise`.
        in_place: Whether `output` may be `source`.
        read: How to read a CSV: delimiter, header, nulls, encoding.
        jobs: Worker threads; default: one for each processor.

    Returns:
        What was done and, measured on the output, what noise did; `as_json()` is the report that
        `--report` writes.

    Raises:
        NoisifyError: If anything is wrong; the output is as it was before then.

    >>> import tempfile, pathlib
    >>> from noisify import noisify_file
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "line.csv").write_text("x,note\n1.0,a\n2.0,b\n")
    >>> report = noisify_file(folder / "line.csv", folder / "noisy.csv", scale=0.5, seed=42)
    >>> print((folder / "noisy.csv").read_text(), end="")
    x,note
    2.2145266373644845,a
    2.072886658708874,b
    >>> report.fields["x"].changed
    2
    """
    request = _request(
        model,
        scale,
        sd,
        snr,
        rate,
        columns,
        exclude,
        params,
        clip,
        decimals=decimals,
        seed=seed,
        rng=rng,
    )
    read = read or ReadOptions(keep_decimals=decimals == "keep")
    settings = Settings(read=read, in_place=in_place, jobs=jobs or default_jobs(), measure=True)
    return process(source, [Wanted(output, request)], settings)[0]


def _request(
    model: str,
    scale: float | str | None,
    sd: float | str | None,
    snr: float | str | None,
    rate: float | str | None,
    columns: str | Sequence[str] | None,
    exclude: str | Sequence[str] | None,
    params: Mapping[str, Any] | None,
    clip: tuple[float, float] | None,
    *,
    decimals: Decimals,
    seed: int | None,
    rng: str,
) -> Request:
    if seed is None:
        seed = int.from_bytes(os.urandom(16), "little")
    if not 0 <= seed < SEED_LIMIT:
        raise UsageError(f"seed {seed} is not from 0 to 2**128 - 1")
    if rng not in RNGS:
        raise UsageError(f"rng {rng!r} is none of {', '.join(RNGS)}")
    spec = NoiseSpec(
        model=registry.find(model).name,
        columns=_selectors(columns),
        exclude=_selectors(exclude),
        scale=None if scale is None else level.parse(scale),
        sd=None if sd is None else level.parse(sd, option="sd"),
        snr=None if snr is None else level.parse_decibels(snr),
        parameters={**(params or {}), **({} if rate is None else {"rate": rate})},
        clip=clip,
    )
    return Request((spec,), seed, rng, decimals)


def _selectors(given: str | Sequence[str] | None) -> tuple[str, ...]:
    if given is None:
        return ()
    return (given,) if isinstance(given, str) else tuple(given)

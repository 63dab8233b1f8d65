"""From what was typed to files: requests, output names, and one run after the other."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from noisify.cli.entry import check_stopped
from noisify.cli.messages import Progress, preview_text, say, summary_line
from noisify.cli.options import check_standard_output
from noisify.errors import UsageError
from noisify.formats.interface import ReadOptions
from noisify.noise import interface, table
from noisify.plan import NoiseSpec, Request
from noisify.run import OpenInput, Settings, default_jobs, process
from noisify.sink import STANDARD_OUTPUT, naming, open_output, write_all
from noisify.where import parse as parse_condition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from noisify.levels import Level
    from noisify.plan import Decimals
    from noisify.report import RunReport

_PREVIEW_ROWS = 5
_SEED_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The command line as click read it, a field for each option."""

    inputs: tuple[str, ...]
    model: str
    scale: Level | None
    sd: Level | None
    snr: float | None
    rate: str | None
    loc: str | None
    df: str | None
    parameters: tuple[tuple[str, str], ...]
    clip: tuple[float, float] | None
    where: str | None
    seed: int | None
    rng: str
    columns: tuple[str, ...]
    exclude: tuple[str, ...]
    output: str | None
    output_dir: str | None
    name_template: str
    in_place: bool
    no_clobber: bool
    to_format: str | None
    decimals: Decimals
    report: str | None
    from_format: str | None
    delimiter: str | None
    no_header: bool
    nulls: tuple[str, ...]
    encoding: str
    strict: bool
    jobs: int | None
    chunk_size: int | None
    dry_run: bool
    progress: bool | None
    quiet: bool
    verbose: bool


def carry_out(asked: Asked) -> None:
    """Do what was asked.

    Raises:
        NoisifyError: If anything is wrong.
    """
    check_stopped()  # a signal may have been lost in an import
    inputs = asked.inputs or (STANDARD_OUTPUT,)
    spec = _spec(asked)
    seed = (
        asked.seed if asked.seed is not None else int.from_bytes(os.urandom(_SEED_BYTES), "little")
    )
    request = Request((spec,), seed, asked.rng, asked.decimals, asked.strict)
    if asked.inputs == () and sys.stdin is not None and sys.stdin.isatty():
        raise UsageError("no INPUT is given, and standard input is a terminal; see noisify --help")
    if asked.dry_run:
        for path in inputs:
            _preview(path, request, asked)
        return
    targets = _targets(inputs, asked, seed)
    if asked.report is not None:
        _check_report(asked.report, inputs, targets)
    reports = [
        _process(path, target, request, asked) for path, target in zip(inputs, targets, strict=True)
    ]
    if asked.seed is None and not asked.quiet:
        say(f"seed {seed}")
    if asked.report is not None:
        _write_report(asked.report, reports)


def _spec(asked: Asked) -> NoiseSpec:
    """Return the one noise spec that the flags describe, its parameters checked already."""
    parameters = dict(asked.parameters)
    for name, value in (("loc", asked.loc), ("df", asked.df), ("rate", asked.rate)):
        if value is None:
            continue
        if name in parameters:
            raise UsageError(f"{name} is given twice, by --{name} and by -p; keep one")
        parameters[name] = value
    model = table.find(asked.model).load()
    if asked.rate is not None and "rate" not in {field.name for field in fields(model)}:
        raise UsageError(f"{asked.model} noise reaches every element: give it a scale, not a rate")
    interface.make(model, parameters)
    return NoiseSpec(
        model=asked.model,
        columns=asked.columns,
        exclude=asked.exclude,
        scale=asked.scale,
        sd=asked.sd,
        snr=asked.snr,
        parameters=parameters,
        clip=asked.clip,
        where=None if asked.where is None else parse_condition(asked.where),
    )


def _settings(asked: Asked, progress: Progress | None = None) -> Settings:
    return Settings(
        read=ReadOptions(
            delimiter=asked.delimiter,
            header=not asked.no_header,
            nulls=asked.nulls or None,
            encoding=asked.encoding,
            strict=asked.strict,
            keep_decimals=asked.decimals == "keep",
        ),
        from_format=asked.from_format,
        to_format=asked.to_format,
        in_place=asked.in_place,
        clobber=not asked.no_clobber,
        jobs=asked.jobs or default_jobs(),
        chunk_bytes=asked.chunk_size or Settings.chunk_bytes,
        measure=asked.report is not None or asked.verbose,
        note=(lambda _: None) if asked.quiet else lambda text: say(f"note: {text}"),
        progress=progress.advance if progress is not None else lambda _: None,
    )


def _targets(inputs: Sequence[str], asked: Asked, seed: int) -> list[str]:
    """Return an output for each input; nothing is written yet.

    Raises:
        UsageError: If an output is not said, is said twice, or two would be the same.
    """
    said = [
        name
        for name, value in (
            ("-o", asked.output),
            ("--output-dir", asked.output_dir),
            ("--in-place", asked.in_place),
        )
        if value
    ]
    if len(said) > 1:
        raise UsageError(f"the output is said twice, by {' and '.join(said)}; keep one")
    if asked.in_place:
        if STANDARD_OUTPUT in inputs:
            raise UsageError("--in-place needs files, not standard input")
        if asked.no_clobber:
            raise UsageError("--in-place and --no-clobber contradict each other")
        return list(inputs)
    if asked.output_dir is not None:
        return _named_outputs(inputs, asked, seed)
    if len(inputs) > 1:
        raise UsageError(f"{len(inputs)} inputs need --output-dir DIR or --in-place")
    return [asked.output or STANDARD_OUTPUT]


def _named_outputs(inputs: Sequence[str], asked: Asked, seed: int) -> list[str]:
    folder = Path(asked.output_dir or "")
    targets: dict[str, str] = {}
    for path in inputs:
        if path == STANDARD_OUTPUT:
            raise UsageError("--output-dir needs named files, not standard input")
        words = {
            "stem": Path(path).stem, "suffix": Path(path).suffix, "seed": seed,
            "model": asked.model,
        }  # fmt: skip
        name = _fill(asked.name_template, words)
        target = str(folder / name)
        if target in targets:
            raise UsageError(f"{path} and {targets[target]} would both become {target}; see --name")
        if name in {"", ".", ".."} or os.sep in name:
            raise UsageError(f"--name {asked.name_template!r} does not make a file name: {name!r}")
        targets[target] = path
    for target in targets:
        for path in inputs:
            if Path(target).exists() and Path(target).samefile(path):
                raise UsageError(f"{target} is an input too; choose another --output-dir or --name")
        if asked.no_clobber and Path(target).exists():
            raise UsageError("exists, and --no-clobber keeps it", path=target)
    folder.mkdir(parents=True, exist_ok=True)
    return list(targets)


def _fill(template: str, words: Mapping[str, object]) -> str:
    """Put words in the place of their {name}s; a brace means nothing else.

    Raises:
        UsageError: If any other brace is left.
    """
    pattern = "|".join(re.escape(f"{{{word}}}") for word in words)
    if re.search(r"[{}]", re.sub(pattern, "", template)):
        offered = " ".join(f"{{{word}}}" for word in words)
        raise UsageError(f"--name {template!r} may use {offered} only")
    return re.sub(pattern, lambda match: str(words[match[0][1:-1]]), template)


def _check_report(report: str, inputs: Sequence[str], targets: Sequence[str]) -> None:
    for other in (*inputs, *targets):
        same = Path(report) == Path(other)
        if same or (
            Path(report).exists() and Path(other).exists() and Path(report).samefile(other)
        ):
            raise UsageError(f"--report {report} is an input or an output too; give another name")


def _process(path: str, target: str, request: Request, asked: Asked) -> RunReport:
    progress = Progress(path, shown=asked.progress and not asked.quiet, check=check_stopped)
    with progress:
        report = process(path, target, request, _settings(asked, progress))
    if not asked.quiet:
        for name, field in report.fields.items():
            if field.strangers:
                cells = f"{field.strangers:,} cell" + ("" if field.strangers == 1 else "s")
                say(f"note: {report.input}, field {name!r}: {cells} not a number, left alone")
        if asked.verbose or sys.stderr.isatty():
            say(summary_line(report, verbose=asked.verbose))
    return report


def _preview(path: str, request: Request, asked: Asked) -> None:
    with OpenInput(path, _settings(asked)) as opened:
        plan = opened.plan(request)
        columns = [c for group in opened.preview(plan, _PREVIEW_ROWS) for c in group]
        check_standard_output()
        print(preview_text(opened.input.name, opened.format.name, plan, columns))  # noqa: T201


def _write_report(path: str, reports: Sequence[RunReport]) -> None:
    if len(reports) == 1:
        text = reports[0].as_text()
    else:
        text = json.dumps([r.as_json() for r in reports], indent=2, ensure_ascii=False) + "\n"
    with open_output(path) as output, naming(path):
        write_all(output.file, text.encode("utf-8", "surrogateescape"))

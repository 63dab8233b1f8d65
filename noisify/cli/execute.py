"""From what was typed to files: requests, output names, and one run after the other."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

from noisify.cli.entry import check_stopped
from noisify.cli.messages import Notes, Progress, preview_text, say, summary_line
from noisify.cli.option_types import check_standard_output
from noisify.cli.output_names import check_apart, targets
from noisify.cli.process import collect_garbage, keep_freed_memory
from noisify.cli.runs import variants
from noisify.core.errors import UsageError
from noisify.engine.job import OpenInput, Settings, Wanted, default_jobs, process
from noisify.engine.unchanged import NOT_STRANGE
from noisify.files.codecs import of_name
from noisify.files.output import STANDARD_OUTPUT, naming, open_output
from noisify.files.write_behind import write_all
from noisify.formats.interface import ReadOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.cli.runs import Variant
    from noisify.engine.report import RunReport
    from noisify.noise.level import Level
    from noisify.plan.plan import Decimals

_PREVIEW_ROWS = 5


class Asked(SimpleNamespace):
    """The command line as click read it, an attribute for each option; nothing sets them later."""

    inputs: tuple[str, ...]
    model: str | None
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
    rng: str | None
    columns: tuple[str, ...]
    exclude: tuple[str, ...]
    output: str | None
    output_dir: str | None
    name_template: str | None
    in_place: bool
    no_clobber: bool
    to_format: str | None
    decimals: Decimals
    report: str | None
    noise: tuple[str, ...]
    recipe: str | None
    presets: tuple[str, ...]
    mask: str | None
    mask_values: bool
    restore: str | None
    sweeps: tuple[tuple[str, str], ...]
    replicates: int | None
    append: bool
    from_format: str | None
    delimiter: str | None
    no_header: bool
    nulls: tuple[str, ...]
    encoding: str
    decimal: str
    thousands: str | None
    skip_lines: int
    comment: str | None
    ragged: str
    escape: str | None
    compress_level: int | None
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
    keep_freed_memory()
    collect_garbage()
    inputs = asked.inputs or (STANDARD_OUTPUT,)
    if asked.inputs == () and sys.stdin is not None and sys.stdin.isatty():
        raise UsageError("no INPUT is given, and standard input is a terminal; see noisify --help")
    notes = Notes(every=asked.verbose)
    if asked.restore is not None:
        _restore(inputs, asked, notes)
    else:
        _make_noise(inputs, asked, notes)
    if not asked.quiet:
        notes.tell()


def _make_noise(inputs: Sequence[str], asked: Asked, notes: Notes) -> None:
    """Add noise to files, or show what would be done."""
    found = variants(asked)
    if asked.dry_run and asked.verbose and len(found) * len(inputs) > 1:
        raise UsageError("--dry-run --verbose prints the recipe of one run; ask for one output")
    if asked.dry_run:
        for path in inputs:
            _preview(path, found, asked, notes)
        return
    _check_batch(found, inputs, asked)
    outputs = targets(inputs, found, asked)
    every = [target for some in outputs for target in some]
    check_apart(asked, inputs, every)
    reports = [
        report
        for path, some in zip(inputs, outputs, strict=True)
        for report in _process(path, some, found, asked, notes)
    ]
    if asked.report is not None:
        _write_report(asked.report, reports)
    if found[0].drawn and not asked.quiet:
        say(f"seed {found[0].request.seed}")


def _check_batch(found: Sequence[Variant], inputs: Sequence[str], asked: Asked) -> None:
    """Refuse options that say nothing together."""
    if asked.mask is not None and len(found) * len(inputs) > 1:
        raise UsageError("--mask is for one output; run noisify once for each")
    if asked.mask_values and asked.mask is None:
        raise UsageError("--mask-values says what --mask FILE holds; add --mask FILE")


def _restore(inputs: Sequence[str], asked: Asked, notes: Notes) -> None:
    """Undo noise with the mask that was kept."""
    from noisify.engine.restore import restore  # noqa: PLC0415 - a rare wish

    if len(inputs) > 1:
        raise UsageError("--restore takes one noisy file")
    target = inputs[0] if asked.in_place else asked.output or STANDARD_OUTPUT
    count = restore(inputs[0], asked.restore or "", target, _settings(asked, notes))
    if not asked.quiet and (asked.verbose or sys.stderr.isatty()):
        say(f"{inputs[0]} -> {target}: {count:,} elements restored")


def _settings(asked: Asked, notes: Notes, progress: Progress | None = None) -> Settings:
    return Settings(
        read=ReadOptions(
            delimiter=asked.delimiter,
            header=not asked.no_header,
            nulls=asked.nulls or None,
            encoding=asked.encoding,
            decimal=asked.decimal,
            thousands=asked.thousands,
            skip_lines=asked.skip_lines,
            comment=asked.comment,
            ragged=asked.ragged,
            escape=asked.escape,
            strict=asked.strict,
            keep_decimals=asked.decimals == "keep",
        ),
        from_format=asked.from_format,
        to_format=asked.to_format,
        in_place=asked.in_place,
        clobber=not asked.no_clobber,
        jobs=asked.jobs or default_jobs(),
        chunk_bytes=asked.chunk_size or Settings.chunk_bytes,
        compress_level=asked.compress_level,
        measure=asked.report is not None or asked.verbose,
        note=notes.add,
        progress=progress.advance if progress is not None else lambda _: None,
    )


def _process(
    path: str, outputs: Sequence[str], found: Sequence[Variant], asked: Asked, notes: Notes
) -> list[RunReport]:
    progress = Progress(path, shown=asked.progress and not asked.quiet, check=check_stopped)
    wanted = [
        Wanted(
            target,
            variant.request,
            mask=asked.mask,
            mask_values=asked.mask_values,
            appended=(asked.replicates or 1) if asked.append else 0,
        )
        for target, variant in zip(outputs, found, strict=True)
    ]
    with progress:
        reports = process(path, wanted, _settings(asked, notes, progress))
    for report in reports:
        _note_cells_left(report, notes)
        if not asked.quiet and (asked.verbose or sys.stderr.isatty()):
            say(summary_line(report, verbose=asked.verbose))
    return reports


def _note_cells_left(report: RunReport, notes: Notes) -> None:
    """Note why fields did not change, and which have cells that are not numbers."""
    for text in report.notes(verbose=notes.every):
        notes.add(f"{report.input}, {text}")
    for name, field in report.fields.items():
        if field.strangers and field.changed:
            cells = f"{field.strangers:,} cell" + ("" if field.strangers == 1 else "s")
            kind = NOT_STRANGE.get(_kind(report, name), "a number")
            notes.add(f"{report.input}, field {name!r}: {cells} not {kind}, left alone")


def _kind(report: RunReport, name: str) -> str:
    return next(field.kind for field in report.plan.fields if field.name == name)


def _preview(path: str, found: Sequence[Variant], asked: Asked, notes: Notes) -> None:
    with OpenInput(path, _settings(asked, notes)) as opened:
        for variant in found:
            plan = opened.plan(variant.request)
            check_standard_output()
            if asked.verbose:
                from noisify.plan.recipe import as_toml  # noqa: PLC0415 - a rare wish

                print(as_toml(plan.as_json()), end="")  # noqa: T201
                continue
            columns = [c for group in opened.preview(plan, _PREVIEW_ROWS) for c in group]
            print(preview_text(opened.input.name, opened.format.name, plan, columns))  # noqa: T201


def _write_report(path: str, reports: Sequence[RunReport]) -> None:
    from noisify.engine.report import json_text  # noqa: PLC0415 - few runs need it

    if len(reports) == 1:
        text = reports[0].as_text()
    else:
        text = json_text([report.as_json() for report in reports])
    codec = of_name(path)
    with (
        open_output(path, compression=codec.at_level(None) if codec else None) as output,
        naming(path),
    ):
        write_all(output.file, text.encode())

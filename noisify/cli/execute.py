"""From what was typed to files: requests, output names, and runs."""

from __future__ import annotations

import sys
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from noisify.cli.arguments import Asked
from noisify.cli.batch import make_outputs
from noisify.cli.folders import files_in, left_note
from noisify.cli.messages import Notes, preview_text, say
from noisify.cli.option_types import check_standard_output
from noisify.cli.output_names import check_apart, targets
from noisify.cli.process import collect_garbage, keep_freed_memory
from noisify.cli.runs import variants
from noisify.cli.signals import check_stopped
from noisify.core.errors import NoisifyError, UsageError
from noisify.engine.batch import naming_file
from noisify.engine.job import OpenInput, Settings, default_jobs
from noisify.engine.unchanged import notes as unchanged
from noisify.files.codecs import inner_suffix
from noisify.files.folder_output import recover
from noisify.files.output import STANDARD_OUTPUT
from noisify.formats import of_suffix
from noisify.formats.interface import ReadOptions
from noisify.plan.file_part import shared_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from noisify.cli.messages import Progress
    from noisify.cli.runs import Variant

_PREVIEW_ROWS = 5


def carry_out(asked: Asked) -> None:
    """Do what was asked.

    Raises:
        NoisifyError: If anything is wrong.
    """
    check_stopped()  # a signal may have been lost in an import
    keep_freed_memory()
    collect_garbage()
    inputs: Sequence[str] = asked.inputs or (STANDARD_OUTPUT,)
    if asked.inputs == () and sys.stdin is not None and sys.stdin.isatty():
        raise UsageError("no INPUT is given, and standard input is a terminal; see noisify --help")
    if asked.quiet and asked.verbose:
        raise UsageError("--quiet and --verbose contradict each other; keep one")
    notes = Notes(every=asked.verbose)
    status = 0
    if asked.restore is not None:
        _restore(inputs, asked, notes)
    else:
        status = _make_noise(inputs, asked, notes)
    if not asked.quiet:
        notes.tell()
    if status:
        raise click.exceptions.Exit(status)


def _make_noise(inputs: Sequence[str], asked: Asked, notes: Notes) -> int:
    """Add noise to files, or show what would be done; return the exit status."""
    inputs, is_folder, asked = _with_folders(inputs, asked, notes)
    found = variants(asked, several=len(inputs) > 1 or is_folder)
    if asked.dry_run and asked.verbose and len(found) * len(inputs) > 1:
        raise UsageError("--dry-run --verbose prints the recipe of one run; ask for one output")
    if asked.dry_run:
        _note_files(inputs, found, asked, notes)
        return _preview_all(inputs, found, asked, notes)
    _check_batch(found, inputs, asked)
    outputs = targets(inputs, found, asked)
    index = None
    if asked.sweeps and asked.output_dir is not None:
        from noisify.cli.index import Index  # noqa: PLC0415 - few runs need it

        index = Index(asked.output_dir, found, clobber=not asked.no_clobber)
    listed = None if index is None else index.path
    check_apart(asked, inputs, chain.from_iterable(outputs), listed)
    _note_files(inputs, found, asked, notes)
    return make_outputs(
        inputs, outputs, found, asked, index, notes,
        lambda progress: _settings(asked, notes.add, progress, measure=index is not None),
    )  # fmt: skip


def _with_folders(
    inputs: Sequence[str], asked: Asked, notes: Notes
) -> tuple[Sequence[str], bool, Asked]:
    """Return the inputs with the files of folders, whether there were any, and how to go on.

    Raises:
        UsageError: If the output of a folder of files is a file.
    """
    every: list[str] = []
    is_folder = False
    for path in inputs:
        if asked.in_place and (old := recover(path)) is not None:
            notes.add(f"{path} has its name again; a run that was stopped had left it as {old}")
        found = None if path == STANDARD_OUTPUT else files_in(path, asked.from_format)
        every += [path] if found is None else found[0]
        is_folder = is_folder or found is not None
        if found is not None and found[1]:
            notes.add(left_note(path, found[1]))
    if is_folder and not (asked.output or asked.output_dir or asked.in_place or asked.dry_run):
        raise UsageError("the files of a folder need --output-dir DIR or --in-place")
    if is_folder and asked.output is not None and asked.output_dir is None:
        if of_suffix(inner_suffix(asked.output)) is not None and not Path(asked.output).is_dir():
            raise UsageError(
                f"{asked.output} would be one file; give -o the name of a folder for the "
                f"{len(every):,} of the input"
            )
        asked = Asked(**vars(asked) | {"output": None, "output_dir": asked.output})
    return every, is_folder, asked


def _note_files(
    inputs: Sequence[str], found: Sequence[Variant], asked: Asked, notes: Notes
) -> None:
    """Note which files get the same noise although nobody asked for that."""
    note = None
    if found[0].per_file:
        note = shared_names(inputs)
    elif len(inputs) > 1 and found[0].request.rng != "noisify" and not asked.same_noise:
        note = (
            f"all files get the same noise, since --rng {found[0].request.rng} starts anew in each"
        )
    if note is not None:
        notes.add(note)


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
    count = restore(inputs[0], asked.restore or "", target, _settings(asked, notes.add))
    if not asked.quiet and (asked.verbose or sys.stderr.isatty()):
        say(f"{inputs[0]} -> {target}: {count:,} elements restored")


def _settings(
    asked: Asked,
    tell: Callable[[str], None],
    progress: Progress | None = None,
    *,
    measure: bool = False,
) -> Settings:
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
        measure=measure or asked.report is not None or asked.verbose,
        note=tell,
        progress=progress.advance if progress is not None else lambda _: None,
        passes=progress.passes if progress is not None else lambda *_: None,
    )


def _preview_all(
    inputs: Sequence[str], found: Sequence[Variant], asked: Asked, notes: Notes
) -> int:
    """Show what would be done to each input; return the status of the first that fails."""
    status = 0
    for path in inputs:
        tell = partial(_tell_of, path, notes) if len(inputs) > 1 else notes.add
        try:
            _preview(path, found, asked, tell)
        except NoisifyError as error:
            failure = error.at("standard input" if path == STANDARD_OUTPUT else path)
            if len(inputs) == 1:
                raise failure from None
            say(str(failure))
            status = status or failure.exit_status
    return status


def _tell_of(path: str, notes: Notes, text: str) -> None:
    """Add a note on one of several files."""
    notes.add(naming_file(path, text))


def _preview(
    path: str, found: Sequence[Variant], asked: Asked, tell: Callable[[str], None]
) -> None:
    with OpenInput(path, _settings(asked, tell)) as opened:
        for variant in found:
            plan = opened.plan(variant.request_for(path))
            check_standard_output()
            if asked.verbose:
                from noisify.plan.recipe import as_toml  # noqa: PLC0415 - a rare wish

                print(as_toml(plan.as_json()), end="")  # noqa: T201
                continue
            shown = opened.preview(plan, _PREVIEW_ROWS)
            name = opened.input.name
            print(preview_text(name, opened.format.name, plan, shown.columns))  # noqa: T201
            for field, why in unchanged(plan, shown.fields):
                tell(f"{name}, field {field!r}: {why}")

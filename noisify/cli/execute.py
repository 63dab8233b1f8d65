"""Execute a parsed command line: plan runs, name outputs, and make, preview or restore them."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from noisify.cli import field_listing, some_outputs
from noisify.cli import preview as preview_page
from noisify.cli.batch import check_engine, make_outputs
from noisify.cli.folders import files_in, left_note
from noisify.cli.messages import Notes, preview_text, say
from noisify.cli.option_types import check_standard_output
from noisify.cli.output_names import check_apart, targets
from noisify.cli.process import begin_work
from noisify.cli.runs import runs_of
from noisify.cli.side_files import Index
from noisify.core.errors import NoisifyError, UsageError
from noisify.core.memory_bound import MemoryBound
from noisify.core.signals import check_stopped
from noisify.core.urls import is_url
from noisify.engine import restore
from noisify.engine.open_input import OpenInput, Settings
from noisify.engine.parallel import default_jobs
from noisify.engine.unchanged import notes as unchanged
from noisify.files import remote
from noisify.files.codecs import inner_suffix
from noisify.files.folder_output import recover
from noisify.files.output import STANDARD_OUTPUT
from noisify.formats import of_suffix
from noisify.plan import recipe_text
from noisify.plan.file_part import shared_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from noisify.cli.arguments import Arguments
    from noisify.cli.messages import Progress
    from noisify.cli.runs import Run

_DRY_RUN_ROWS, _PREVIEW_ROWS = 5, 12


def execute(arguments: Arguments) -> None:
    """Execute the command line.

    Raises:
        NoisifyError: If anything fails.
    """
    check_stopped()  # a signal may have been lost in an import
    begin_work()
    inputs: Sequence[str] = _expanded(arguments.inputs) or (STANDARD_OUTPUT,)
    if arguments.inputs == () and sys.stdin is not None and sys.stdin.isatty():
        raise UsageError("no INPUT is given, and standard input is a terminal; see noisify --help")
    if arguments.quiet and arguments.verbose:
        raise UsageError("--quiet and --verbose contradict each other; keep one")
    notes = Notes(every=arguments.verbose)
    status = 0
    if arguments.list_fields:
        _list_fields(inputs, arguments, notes)
    elif arguments.restore is not None:
        if arguments.shard is not None:
            some_outputs.check_shard(arguments, ())
        _restore(inputs, arguments, notes)
    else:
        status = _make_noise(inputs, arguments, notes)
    if not arguments.quiet:
        notes.tell()
    if status:
        raise click.exceptions.Exit(status)


def _expanded(inputs: Sequence[str]) -> Sequence[str]:
    """Replace globs in URLs by the URLs that they match; the shell expands those of paths."""
    return remote.expand(inputs) if any(map(is_url, inputs)) else inputs


def _list_fields(inputs: Sequence[str], arguments: Arguments, notes: Notes) -> None:
    """Print the fields of files."""
    check_standard_output()
    settings = _settings(arguments, notes.add)
    print("\n".join(field_listing.field_listing(path, settings) for path in inputs), end="")  # noqa: T201


def _make_noise(inputs: Sequence[str], arguments: Arguments, notes: Notes) -> int:
    """Add noise to files, or preview it for a dry run; return the exit status."""
    inputs, is_folder, arguments = _with_folders(inputs, arguments, notes)
    found = runs_of(arguments, several=len(inputs) > 1 or is_folder)
    if _prints_recipe(arguments) and len(found) * len(inputs) > 1:
        raise UsageError("--dry-run --verbose prints the recipe of one run; ask for one output")
    if arguments.shard is not None and not arguments.dry_run:
        some_outputs.check_shard(arguments, found)
    if arguments.dry_run or arguments.preview:
        _note_files(inputs, found, arguments, notes)
        return _preview_all(inputs, found, arguments, notes)
    _check_batch(found, inputs, arguments)
    check_engine(arguments, inputs)
    outputs: Sequence[list[str]] = targets(inputs, found, arguments)
    has_index = arguments.sweeps and arguments.output_dir is not None
    index = Index(arguments, found) if has_index else None
    listed = None if index is None else index.path
    check_apart(arguments, inputs, chain.from_iterable(outputs), listed)
    _note_files(inputs, found, arguments, notes)
    if arguments.shard is not None and arguments.output_dir is not None:
        inputs, outputs = some_outputs.of_shard(arguments.shard, inputs, outputs)
        if not inputs:
            notes.add(f"shard {arguments.shard} has no file: there are fewer files than shards")
            return 0
    finished = some_outputs.finished_outputs(arguments, found) if arguments.resume else None
    if finished is not None:
        inputs, outputs = some_outputs.unfinished(finished, inputs, outputs, notes)
        if not inputs:
            return 0
    return make_outputs(
        inputs, outputs, found, arguments, index, finished, notes,
        lambda progress: _settings(arguments, notes.add, progress, measure=index is not None),
    )  # fmt: skip


def _with_folders(
    inputs: Sequence[str], arguments: Arguments, notes: Notes
) -> tuple[Sequence[str], bool, Arguments]:
    """Replace folders by their files; return the inputs, whether there was a folder, the arguments.

    Raises:
        UsageError: If the output of a folder of files is a file.
    """
    every: list[str] = []
    is_folder = False
    for path in inputs:
        if arguments.in_place and (old := recover(path)) is not None:
            notes.add(f"{path} has its name again; a run that was stopped had left it as {old}")
        found = None if path == STANDARD_OUTPUT else files_in(path, arguments.from_format)
        every += [path] if found is None else found[0]
        is_folder = is_folder or found is not None
        if found is not None and found[1]:
            notes.add(left_note(path, found[1]))
    if not is_folder:
        return every, False, arguments
    output, previews = arguments.output, arguments.dry_run or arguments.preview
    if not (output or arguments.output_dir or arguments.in_place or previews):
        raise UsageError("the files of a folder need --output-dir DIR or --in-place")
    if output is not None and arguments.output_dir is None:
        if of_suffix(inner_suffix(output)) is not None and not Path(output).is_dir():
            raise UsageError(
                f"{output} would be one file; give -o the name of a folder for the "
                f"{len(every):,} of the input"
            )
        arguments = replace(arguments, output=None, output_dir=output)
    return every, True, arguments


def _note_files(
    inputs: Sequence[str], found: Sequence[Run], arguments: Arguments, notes: Notes
) -> None:
    """Add a note if files get the same noise without --same-noise."""
    note = None
    if found[0].per_file:
        note = shared_names(inputs)
    elif len(inputs) > 1 and found[0].request.rng != "noisify" and not arguments.same_noise:
        note = (
            f"all files get the same noise, since --rng {found[0].request.rng} starts anew in each"
        )
    if note is not None:
        notes.add(note)


def _check_batch(found: Sequence[Run], inputs: Sequence[str], arguments: Arguments) -> None:
    """Refuse mask options that do not fit the outputs or each other."""
    if arguments.mask is not None and len(found) * len(inputs) > 1:
        raise UsageError("--mask is for one output; run noisify once for each")
    if arguments.mask_values and arguments.mask is None:
        raise UsageError("--mask-values says what --mask FILE holds; add --mask FILE")


def _restore(inputs: Sequence[str], arguments: Arguments, notes: Notes) -> None:
    """Restore the original values from a mask."""
    if len(inputs) > 1:
        raise UsageError("--restore takes one noisy file")
    target = inputs[0] if arguments.in_place else arguments.output or STANDARD_OUTPUT
    count = restore.restore(
        inputs[0], arguments.restore or "", target, _settings(arguments, notes.add)
    )
    if not arguments.quiet and (arguments.verbose or sys.stderr.isatty()):
        say(f"{inputs[0]} -> {target}: {count:,} elements restored")


def _settings(
    arguments: Arguments,
    tell: Callable[[str], None],
    progress: Progress | None = None,
    *,
    measure: bool = False,
) -> Settings:
    memory = MemoryBound(arguments.max_memory)

    def advance(size: int) -> None:
        memory.check()
        if progress is not None:
            progress.advance(size)

    return Settings(
        read=replace(arguments.read, keep_decimals=arguments.decimals == "keep"),
        from_format=arguments.from_format,
        to_format=arguments.to_format,
        in_place=arguments.in_place,
        clobber=not arguments.no_clobber,
        jobs=arguments.jobs or default_jobs(),
        chunk_bytes=arguments.chunk_size or Settings.chunk_bytes,
        memory=memory,
        compress_level=arguments.compress_level,
        share=arguments.shard if arguments.output_dir is None else None,
        measure=measure or bool(arguments.verbose or arguments.report or arguments.plot),
        note=tell,
        progress=advance,
        passes=progress.passes if progress is not None else lambda *_: None,
    )


def _preview_all(
    inputs: Sequence[str], found: Sequence[Run], arguments: Arguments, notes: Notes
) -> int:
    """Preview each input; return the exit status of the first that fails, or 0."""
    status = 0
    for path in inputs:
        tell = partial(notes.add, file=path if len(inputs) > 1 else None)
        try:
            _preview(path, found, arguments, tell)
        except NoisifyError as error:
            failure = error.at("standard input" if path == STANDARD_OUTPUT else path)
            if len(inputs) == 1:
                raise failure from None
            say(str(failure))
            status = status or failure.exit_status
    return status


def _prints_recipe(arguments: Arguments) -> bool:
    return arguments.dry_run and arguments.verbose and not arguments.preview


def _preview(
    path: str, found: Sequence[Run], arguments: Arguments, tell: Callable[[str], None]
) -> None:
    with OpenInput(path, _settings(arguments, tell)) as opened:
        for variant in found:
            plan = opened.plan(variant.request_for(path))
            check_standard_output()
            if _prints_recipe(arguments):
                sys.stdout.write(recipe_text.as_toml(plan.as_json()))
                continue
            shown = opened.preview(plan, _PREVIEW_ROWS if arguments.preview else _DRY_RUN_ROWS)
            name, kind = opened.input.name, opened.format.name
            if arguments.preview:
                sys.stdout.write(preview_page.preview(opened, plan, shown))
            else:
                sys.stdout.write(preview_text(name, kind, plan, shown.columns) + "\n")
            for text in shown.notes:
                tell(text)
            for field, why in unchanged(plan, shown.fields):
                tell(f"{name}, field {field!r}: {why}")

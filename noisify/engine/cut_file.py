"""Make the outputs of one large file in parts, which other processes work on.

A part is a shard of the file (see `Settings.share`) whose place and statistics are known, so that
no part reads the whole:

    scan      each process looks for record starts in a range of the bytes, where a format needs it
    survey    each collects statistics of its part, in passes; this process merges them
    parts     each makes the outputs of its part
    join      the files of the parts are copied to their places, unless they were written there:
              each as soon as all before it are made

Any of this work may be done twice, even at the same time. This process makes the output under a
temporary name, and renames it at the end.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from noisify.core.errors import NoisifyError
from noisify.core.share import WHOLE, Share
from noisify.core.urls import is_url, scheme
from noisify.engine.assembly import Assembly
from noisify.engine.batch import FileJob, FileResult, as_failure
from noisify.engine.counts import FieldReport
from noisify.engine.cut_input import CutInput
from noisify.engine.part_work import PartResult, Tasks, make_part
from noisify.engine.report import RunReport
from noisify.engine.targets import (
    check_output,
    mask_format,
    open_mask_target,
    open_target,
    shown_name,
)
from noisify.engine.unchanged import check_named
from noisify.files import codecs
from noisify.files.folder_output import walk
from noisify.files.multipart import MOST_SENDERS, S3_SIZES
from noisify.files.output import Outputs
from noisify.files.remote import is_web_store
from noisify.files.transport import IN_BUCKETS
from noisify.formats.mask import is_joined_from_files, write_mask
from noisify.formats.parquet import join as parquet_join

if TYPE_CHECKING:
    from noisify.engine.job import OutputRequest
    from noisify.engine.open_input import Settings
    from noisify.engine.part_work import WriteWhole
    from noisify.files.multipart import PartSizes
    from noisify.files.output import Output
    from noisify.formats.interface import Joining
    from noisify.plan.plan import Plan


def process_in_parts(
    one: FileJob,
    settings: Settings,
    part_bytes: int,
    tasks: Tasks,
    uploaded: PartSizes = S3_SIZES,
) -> FileResult | None:
    """Make the outputs of a file in parts; return None if it has to be made as a whole.

    Args:
        one: The file and its outputs, for which `may_be_cut` is true.
        settings: The settings of a whole file.
        part_bytes: The size of a part.
        tasks: Works on the parts.
        uploaded: The sizes of the parts of uploads.
    """
    notes: list[str] = []
    settings = replace(
        settings,
        note=notes.append,
        share=WHOLE,
    )
    try:
        opened = CutInput(one, settings, tasks, uploaded)
    except NoisifyError:  # making it as a whole fails too, and reports why
        return None
    try:
        with opened, Outputs() as outputs:
            count = opened.parts(_most_parts(one, opened, part_bytes))
            if count <= 1:
                return None
            opened.count = count
            try:
                reports = _make(one, opened, settings, outputs)
            except (NoisifyError, OSError):
                opened.input.check_unchanged()  # a change may be why it failed
                raise
            opened.input.check_unchanged()
            opened.tell()
    except (NoisifyError, OSError, MemoryError) as error:
        return FileResult(one.path, (), notes, as_failure(error, one.path))
    return FileResult(one.path, reports, notes)


def _most_parts(one: FileJob, opened: CutInput, part_bytes: int) -> int:
    """Return into how many parts a file may be cut, by its size."""
    size = _size(one)
    if is_web_store(one.path):
        size = opened.bytes_of(opened.source.fields)
    most = max(1, -(-size // part_bytes))
    if any(is_url(name) for wanted in one.wanted for name in _names(wanted)):
        return min(most, MOST_SENDERS)
    return most


def _size(one: FileJob) -> int:
    """Return the bytes of a file, or of the files of a folder; 0 for anything else."""
    if is_url(one.path):
        return one.size or 0
    place = Path(one.path)
    try:
        if place.is_dir():
            return sum(found.stat().st_size for found in walk(place) if found.is_file())
        return place.stat().st_size if place.is_file() else 0
    except OSError:  # reported when it is opened
        return 0


def may_be_cut(one: FileJob, settings: Settings, part_bytes: int) -> bool:
    """Return whether a file is large, and might be cut as far as names and options tell."""
    if settings.share is not None:
        return False
    if _size(one) <= part_bytes and not is_web_store(one.path):
        return False
    return all(map(_takes_parts, one.wanted))


def _takes_parts(wanted: OutputRequest) -> bool:
    """Return whether an output may be made in parts, as far as its name and options tell."""
    if wanted.request.rng != "noisify" or wanted.appended:
        return False
    return all(map(_may_be_joined, _names(wanted)))


def _names(wanted: OutputRequest) -> list[str]:
    """Return the names of an output and its mask, if there is one."""
    return [str(name) for name in (wanted.target, wanted.mask) if name is not None]


def _may_be_joined(name: str) -> bool:
    """Return whether a file of this name can be made of parts."""
    if codecs.of_name(name) is not None:
        return False
    if is_url(name):
        return scheme(name) in IN_BUCKETS
    place = Path(name)
    return not place.exists() or place.is_file() or place.is_dir()


def _make(one: FileJob, opened: CutInput, settings: Settings, outputs: Outputs) -> list[RunReport]:
    """Plan and make all outputs; closing `outputs` commits them."""
    for wanted in one.wanted:
        check_output(opened, wanted.target)
        if wanted.mask is not None:
            mask_format(opened, wanted.mask)
    plans = [opened.plan(wanted.request) for wanted in one.wanted]
    targets, masks = [], []
    for wanted, plan in zip(one.wanted, plans, strict=True):
        output = open_target(opened, wanted.target, [one.path], record=wanted.record)
        targets.append(outputs.open(output))
        masks.append(_open_mask(opened, wanted, plan, outputs))
    with ExitStack() as kept:
        bounds = opened.bounds(max(plan.halo for plan in plans))
        first = opened.cutting.cut(opened.source, Share(1, opened.count), 1, bounds[0])
        assembly = Assembly(opened, one.wanted, targets, masks, first.place, kept)
        jobs = assembly.with_targets(opened.part_jobs(bounds, assembly.output))
        fields = [{field.name: FieldReport() for field in plan.noised} for plan in plans]
        every = {field.name: field for plan in plans for field in plan.fields}.values()
        settings.passes(opened.passes_left(), opened.bytes_of(every))
        with assembly.naming():
            done = []
            for at, found in enumerate(opened.tasks.map(make_part, jobs)):
                assembly.add(at, found)
                _add(opened, fields, found)
                done.append(found._replace(fields=[]))  # of wide tables they are large
                settings.progress(opened.part_bytes(every))
            assembly.join(jobs, done)
    for note in () if opened.keys is None else opened.keys.notes():
        settings.note(note)
    return [
        _report(opened, wanted, plan, found)
        for wanted, plan, found in zip(one.wanted, plans, fields, strict=True)
    ]


def _open_mask(
    opened: CutInput, wanted: OutputRequest, plan: Plan, outputs: Outputs
) -> tuple[Output, Joining | WriteWhole | None] | None:
    """Open the mask of an output, if it has one; return it, and how its parts are joined."""
    if wanted.mask is None:
        return None
    inputs = [opened.input.name, wanted.target]
    mask = outputs.open(open_mask_target(opened, wanted.mask, inputs))
    entry = mask_format(opened, wanted.mask)
    if is_joined_from_files(opened.format, entry):
        return mask, parquet_join.JOINING_MASKS if entry.name == "parquet" else None
    write = partial(
        write_mask,
        of=opened.format,
        entry=entry,
        fields=plan.noised,
        values=wanted.mask_values,
    )
    return mask, write


def _add(opened: CutInput, fields: list[dict[str, FieldReport]], done: PartResult) -> None:
    """Add the counts of a part to those of the parts before it."""
    for found, more in zip(fields, done.fields, strict=True):
        for name, report in more.items():
            found[name] += report
    opened.source.ragged_elsewhere += done.ragged
    if opened.keys is None:
        opened.keys = done.keys
    elif done.keys is not None:
        opened.keys += done.keys


def _report(
    opened: CutInput, wanted: OutputRequest, plan: Plan, found: dict[str, FieldReport]
) -> RunReport:
    check_named(plan, found)
    name = shown_name(wanted.target)
    return RunReport(opened.input.name, name, opened.format.name, plan, found)

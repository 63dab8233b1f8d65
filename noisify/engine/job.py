"""Process one file from input to outputs: recognise it, plan, run, report."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from noisify.core.errors import NoisifyError, UsageError, caused_by_memory
from noisify.core.share import WHOLE
from noisify.engine import loop
from noisify.engine.open_input import OpenInput
from noisify.engine.report import RunReport
from noisify.engine.targets import (
    check_output,
    mask_format,
    open_mask_target,
    open_target,
    output_compression,
    shown_name,
)
from noisify.engine.unchanged import check_named
from noisify.files import folder_output
from noisify.files.output import Outputs, naming
from noisify.files.write_behind import can_write_at
from noisify.formats import mask as mask_files
from noisify.formats.interface import TABLES
from noisify.plan.plan import Plan, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from noisify.engine.open_input import Settings
    from noisify.files.folder_output import FolderRecord
    from noisify.files.output import Output
    from noisify.formats.interface import Part, Sink
    from noisify.formats.mask import MaskSink


class OutputRequest(NamedTuple):
    """One output of an input.

    Attributes:
        target: Its path, or `-` for standard output.
        request: The noise to add.
        mask: The path of its mask, or None for no mask.
        mask_values: Whether the mask also holds the original values.
        appended: The number of noisy copies after the original rows; 0 for one copy without the
            original.
        record: Records the output if it is a folder.
    """

    target: str | Path
    request: Request
    mask: str | Path | None = None
    mask_values: bool = False
    appended: int = 0
    record: FolderRecord = folder_output.UNRECORDED


AT_ONCE = 8
"""Outputs to make from one pass over the input."""


def process(
    path: str | Path, wanted: Sequence[OutputRequest], settings: Settings
) -> list[RunReport]:
    """Make one or several noisy outputs of one input.

    Args:
        path: The input's path, or `-` for standard input.
        wanted: The outputs, each with its own noise or level.
        settings: The settings.

    Raises:
        NoisifyError: If anything is wrong; no output is left then.
    """
    with Outputs() as outputs:
        return write_outputs(path, wanted, settings, outputs)


def write_outputs(
    path: str | Path, wanted: Sequence[OutputRequest], settings: Settings, outputs: Outputs
) -> list[RunReport]:
    """Write the noisy outputs of one input, as `process` does; closing `outputs` commits them."""
    appended = max(one.appended for one in wanted)
    passes = passes_for(len(wanted)) * (1 + appended)
    try:
        with OpenInput(path, settings, [one.target for one in wanted], passes) as opened:
            try:
                reports = make_all(opened, wanted, outputs)
            except (NoisifyError, OSError):
                opened.input.check_unchanged()  # a change may be why it failed
                raise
            opened.input.check_unchanged()
            opened.tell()
            return reports
    except NoisifyError as error:
        if caused_by_memory(error):
            raise MemoryError from None
        raise error.at("standard input" if str(path) == "-" else path) from None


def passes_for(outputs: int) -> int:
    """Return how often an input is read to make so many outputs."""
    return -(-outputs // AT_ONCE)


def make_all(
    opened: OpenInput, wanted: Sequence[OutputRequest], outputs: Outputs
) -> list[RunReport]:
    """Check, plan and make all outputs, some from each reading of the input."""
    for one in wanted:
        check_output(opened, one.target)
        if one.mask is not None:
            mask_format(opened, one.mask)
            output_compression(opened, one.mask)
    plans = [opened.plan(one.request) for one in wanted]
    part = opened.part(plans)
    if opened.later_passes > 1:
        opened.spool("it is read more than once")
    reports: list[RunReport] = []
    for start in range(0, len(wanted), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        reports += _make(opened, wanted[some], plans[some], outputs, part)
    return reports


def _make(
    opened: OpenInput,
    wanted: Sequence[OutputRequest],
    plans: Sequence[Plan],
    outputs: Outputs,
    part: Part[Any] | None,
) -> list[RunReport]:
    """Make outputs from one pass over the input; closing `outputs` commits them."""
    settings = opened.settings
    with _Sinks() as sinks:
        tasks = [
            _task(opened, one, plan, outputs, sinks, part)
            for one, plan in zip(wanted, plans, strict=True)
        ]
        passes = [tasks]
        if wanted[0].appended:
            passes = [[replace(task, plan=Plan((), task.plan.seed)) for task in tasks]]
            passes += [
                [replace(task, plan=task.plan.copied(number)) for task in tasks]
                for number in range(wanted[0].appended)
            ]
        jobs, size = opened.workers_and_chunks(len(tasks))
        for each in passes:
            every = {field.name: field for task in each for field in task.plan.fields}
            settings.passes(opened.passes_left(), opened.bytes_of(every.values()))
            fields = loop.run(
                opened.source,
                each,
                jobs=jobs,
                size=size,
                measure=settings.measure,
                progress=settings.progress,
                part=part,
                keyed=partial(setattr, opened, "keys"),
            )
            for note in () if opened.keys is None else opened.keys.notes():
                settings.note(note)
        for task, found in zip(tasks, fields, strict=True):
            if part is None:  # other parts may have numbers
                check_named(task.plan, found)
        sinks.finish()
    return [
        RunReport(opened.input.name, shown_name(one.target), opened.format.name, plan, found)
        for one, plan, found in zip(wanted, plans, fields, strict=True)
    ]


AnySink = TypeVar("AnySink", "Sink[Any, Any]", "MaskSink")


class _Sinks(ExitStack):
    """The open sinks with their outputs; closing this closes them."""

    def __init__(self) -> None:
        super().__init__()
        self._started: list[tuple[Sink[Any, Any] | MaskSink, Output]] = []

    def start(self, output: Output, sink: Callable[[], AnySink]) -> AnySink:
        """Open the sink of an output."""
        with naming(output):
            started = self.enter_context(closing(sink()))
        self._started.append((started, output))
        return started

    def finish(self) -> None:
        """Finish all sinks."""
        for sink, output in self._started:
            with naming(output):
                sink.finish()
                output.trim_preallocation()


def _sink(
    opened: OpenInput,
    output: Output,
    noised: frozenset[str],
    appended: int,
    part: Part[Any] | None,
) -> Sink[Any, Any]:
    """Open the sink of a noisy input, of an input followed by noisy copies, or of a part.

    Raises:
        UsageError: If its format has no rows that could follow.
    """
    if part is not None:
        return part.rewrite(output, noised)
    form = opened.format.load()
    if not appended:
        return form.rewrite(opened.source, output, noised)
    if form.append is not None:
        return form.append(opened.source, output, 1 + appended, noised)
    if form.without_rows:
        raise UsageError(f"--append needs rows, which {TABLES} have; {form.without_rows}")
    raise UsageError(f"--append is for {TABLES}, and NPY, not for {opened.format.title} files")


def _task(
    opened: OpenInput,
    wanted: OutputRequest,
    plan: Plan,
    outputs: Outputs,
    sinks: _Sinks,
    part: Part[Any] | None,
) -> loop.Task:
    """Open an output and its mask for a plan."""
    inputs = [] if opened.settings.in_place else [opened.given]
    output = outputs.open(open_target(opened, wanted.target, inputs, part, wanted.record))
    noised = frozenset(field.name for field in plan.noised)
    source = opened.source
    if plan.row_steps and source.row_elements is not None and not can_write_at(output.file):
        raise UsageError(
            f"{plan.row_steps[0].model.name} changes the length that the start of "
            f"{opened.format.title} files says; give -o the name of a file, without compression"
        )
    sink = sinks.start(output, lambda: _sink(opened, output, noised, wanted.appended, part))
    if plan.row_steps:
        jobs, size = opened.workers_and_chunks()
        sink.expect_rows(partial(loop.written_rows, source, plan, jobs, size))
    if wanted.mask is None:
        return loop.Task(plan, sink, output.name)
    if plan.row_steps or wanted.appended:
        raise UsageError("--mask needs an output of as many rows as the input")
    mask_output = outputs.open(
        open_mask_target(opened, wanted.mask, [*inputs, wanted.target], part)
    )
    entry = mask_format(opened, wanted.mask)
    mask = sinks.start(
        mask_output,
        lambda: mask_files.open_mask(
            source,
            opened.format,
            entry,
            mask_output,
            plan.noised,
            values=wanted.mask_values,
            share=WHOLE if part is None else part.share,
        ),
    )
    return loop.Task(plan, sink, output.name, mask, mask_output.name)

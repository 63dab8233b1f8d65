"""One file from input to output: recognise it, plan, run, report."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, suppress
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from noisify import formats
from noisify.core.errors import DataError, NoisifyError, UsageError
from noisify.core.value_class import frozen
from noisify.engine import convert, loop
from noisify.engine.numpy_streams import check_streams
from noisify.engine.report import RunReport
from noisify.engine.text_options import check_text_options
from noisify.engine.unchanged import check_named
from noisify.files import codecs
from noisify.files.input import Input
from noisify.files.output import STANDARD_OUTPUT, Outputs, naming, open_output
from noisify.formats import unsupported
from noisify.formats.detect import recognise
from noisify.formats.interface import ReadOptions, Sink, no_rows
from noisify.plan.plan import Plan, Request
from noisify.plan.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from noisify.core.chunk import Chunk, Field
    from noisify.files.codecs import Compression
    from noisify.files.output import Output
    from noisify.formats.interface import MaskSink, NoisyColumn, Source
    from noisify.statistics.survey import FieldStatistics


@frozen
class Settings:
    """How a run goes about its work; none of it changes the noise.

    Attributes:
        read: How to read what a file does not say of itself.
        from_format: The input's format; None: by its suffix or first bytes.
        to_format: The output's format; None: by the output's suffix, else the input's.
        in_place: Whether the output may be the input.
        clobber: Whether an existing output may be replaced.
        jobs: Worker threads.
        chunk_bytes: Bytes in a chunk.
        compress_level: How hard to compress an output that is to be compressed; None: as usual.
        measure: Whether to measure what noise did, beyond counting.
        note: Told what the user should know, a line at a time.
        progress: Told the bytes of each chunk done.
        passes: Told before each pass over an input how many are still to come, and how many bytes
            the pass counts; 0: as many as the file has.
        unsynced: Takes the folders of new files, for the caller to sync; None: each is synced.
    """

    read: ReadOptions = field(default_factory=ReadOptions)
    from_format: str | None = None
    to_format: str | None = None
    in_place: bool = False
    clobber: bool = True
    jobs: int = 1
    chunk_bytes: int = loop.CHUNK_BYTES
    compress_level: int | None = None
    measure: bool = False
    note: Callable[[str], None] = lambda _: None
    progress: Callable[[int], None] = lambda _: None
    passes: Callable[[int, int], None] = lambda *_: None
    unsynced: set[Path] | None = None


class OpenInput:
    """An input that has been recognised and opened; spooled once it has to be.

    Args:
        path: The input's path, or `-`.
        settings: How to read it.
        outputs: What will be written; an input of another format is converted first.
        later_passes: How often it will be read once it is planned.
    """

    def __init__(
        self,
        path: str | Path,
        settings: Settings,
        outputs: Sequence[str | Path] = (),
        later_passes: int = 0,
    ) -> None:
        self.input = Input(path)
        self.codec = self.input.codec
        self._settings = settings
        self._surveyed: dict[Any, Mapping[str, FieldStatistics]] = {}
        self._told: set[str] = set()
        self._later_passes = later_passes
        self._hints: Sequence[str] | None = None
        try:
            if self.input.is_kept:
                settings.note(
                    f"{self.input.name} is kept in a temporary file, since a ZIP archive is read "
                    "from its end"
                )
            self.format = recognise(self.input, settings.from_format)
            check_text_options(settings.read, self.format)
            read = self._convert(convert.wanted_format(self.format, outputs, settings.to_format))
            if self.format.seeks and self.input.path is None:
                self._keep(f"{self.format.title} is not read from start to end")
            self.source: Source[Any] = self.format.load().open_source(self.input, read)
            if self._hints is None:  # a source that guesses how its file is to be read has some
                self._hints = self.source.hints
        except BaseException:  # a signal too must not leave the temporary file
            self.input.close()
            raise

    def _convert(self, wanted: formats.Entry) -> ReadOptions:
        """Put the input into the format that is wanted; return how to read it then."""
        read = self._settings.read
        if wanted is self.format:
            return read
        if self.input.is_folder:
            raise UsageError(f"a folder is written as a folder of {self.format.title} files")
        self.input = converted = convert.convert(self.input, self.format, wanted, read)
        self._hints = converted.hints
        if wanted.module == self.format.module:
            read = replace(read, delimiter="\t" if wanted.name == "tsv" else ",")
        else:
            read = ReadOptions(
                delimiter="\t" if wanted.name == "tsv" else ",",
                escape="",
                strict=read.strict,
                keep_decimals=read.keep_decimals,
            )
        self.format = wanted
        return read

    def bytes_of(self, fields: Iterable[Field]) -> int:
        """Return how many bytes progress counts in a pass over fields; 0: as the file has."""
        if not self.format.counts_elements:
            return 0
        sizes = [
            (self.source.length(field) or 0) * (field.number.dtype.itemsize if field.number else 1)
            for field in fields
        ]
        return sum(sizes)

    def passes_left(self) -> int:
        """Return how many passes are still to come, and count one of them as begun."""
        self._later_passes -= 1
        return self._later_passes + 1

    def spool(self, reason: str) -> None:
        """Make sure that the input can be read more than once."""
        if not self.input.is_rereadable:
            self._keep(reason)

    def _keep(self, reason: str) -> None:
        self._settings.note(f"{self.input.name} is kept in a temporary file, since {reason}")
        self.input.spool()

    def plan(self, request: Request) -> Plan:
        """Settle a request for this input."""
        bare = self.format.shape == "table" and not self.source.fields
        if self.source.empty or bare:
            nothing = "columns" if bare else "rows"
            self._settings.note(f"{self.input.name} has no {nothing}; it passes through as it is")
            if not any(spec.columns for spec in request.specs):
                return Plan((), request.seed, request.rng, file=request.file)
        try:
            plan = resolve(request, self.source.fields, self._survey)
        except UsageError as error:
            raise error.because(self._hints or ()) from None
        check_streams(plan)
        if plan.row_steps and self.format.shape != "table":
            raise no_rows()
        if plan.rng != "noisify" and len(plan.steps) > 1:
            self.spool(f"--rng {plan.rng} draws one field after the other")
        if not plan.steps:
            self._settings.note(
                f"no field of {self.input.name} that is chosen and not excluded holds numbers; "
                "it passes through as it is"
            )
        self.tell()
        for note in plan.notes:
            self._settings.note(note)
        return plan

    def tell(self) -> None:
        """Say what the user should know of the source, as far as it has been read."""
        hints = [f"{self.input.name}: {hint}" for hint in self._hints or ()]
        for note in (*hints, *self.source.notes, *self.source.notes_of_reading()):
            if note not in self._told:
                self._settings.note(note)
                self._told.add(note)

    def _survey(self, needs: Mapping[Field, frozenset[str]]) -> Mapping[str, FieldStatistics]:
        key = tuple(sorted((field.name, tuple(sorted(need))) for field, need in needs.items()))
        if key not in self._surveyed:
            self._surveyed[key] = self._survey_anew(needs)
        return self._surveyed[key]

    def _survey_anew(self, needs: Mapping[Field, frozenset[str]]) -> Mapping[str, FieldStatistics]:
        self.spool("the noise level depends on all of it; an absolute level (-s 0.5) streams")
        return loop.survey(
            self.source,
            needs,
            jobs=self._settings.jobs,
            size=self._settings.chunk_bytes,
            progress=self._settings.progress,
            expect=lambda count: self._settings.passes(
                count + self._later_passes, self.bytes_of(needs)
            ),
        )

    def preview(self, plan: Plan, rows: int) -> loop.Preview:
        """Return some noisy columns of each field with noise, and what noise did to it there."""
        return loop.preview(self.source, plan, rows, self._settings.chunk_bytes)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the source and its input; a failure to close what was read loses nothing."""
        try:
            with suppress(OSError):
                self.source.close()
        finally:
            self.input.close()


class OutputRequest(NamedTuple):
    """One output of an input.

    Attributes:
        target: Its path, or `-` for standard output.
        request: What noise.
        mask: Where to write which elements changed; None: nowhere.
        mask_values: Whether the mask holds what they were, too.
        appended: How many noisy copies follow the original rows; 0: one copy, and no original.
    """

    target: str | Path
    request: Request
    mask: str | Path | None = None
    mask_values: bool = False
    appended: int = 0


AT_ONCE = 8
"""Outputs that are made from one reading of the input."""


def process(
    path: str | Path, wanted: Sequence[OutputRequest], settings: Settings
) -> list[RunReport]:
    """Make one or several noisy outputs of one input.

    Args:
        path: The input's path, or `-` for standard input.
        wanted: The outputs, all of them with noise of their own or of their own level.
        settings: How to go about it.

    Raises:
        NoisifyError: If anything is wrong; no output is left then.
    """
    with Outputs() as outputs:
        return write_outputs(path, wanted, settings, outputs)


def write_outputs(
    path: str | Path, wanted: Sequence[OutputRequest], settings: Settings, outputs: Outputs
) -> list[RunReport]:
    """Write the noisy outputs of one input, as `process` does; closing `outputs` keeps them."""
    appended = max(one.appended for one in wanted)
    passes = -(-len(wanted) // AT_ONCE) * (1 + appended)
    try:
        with OpenInput(path, settings, [one.target for one in wanted], passes) as opened:
            for one in wanted:
                check_output(opened, one.target, settings)
                if one.mask is not None:
                    if str(one.mask) == STANDARD_OUTPUT:
                        raise UsageError("--mask needs a file, not standard output")
                    check_output_format(opened, one.mask, settings)
            plans = [opened.plan(one.request) for one in wanted]
            if passes > 1:
                opened.spool("it is read more than once")
            reports: list[RunReport] = []
            for start in range(0, len(wanted), AT_ONCE):
                some = slice(start, start + AT_ONCE)
                reports += _make(path, opened, wanted[some], plans[some], settings, outputs)
            opened.input.check_unchanged()
            opened.tell()
            return reports
    except NoisifyError as error:
        raise error.at("standard input" if str(path) == "-" else path) from None


def _make(
    path: str | Path,
    opened: OpenInput,
    wanted: Sequence[OutputRequest],
    plans: Sequence[Plan],
    settings: Settings,
    outputs: Outputs,
) -> list[RunReport]:
    """Make outputs from one reading of the input; they are kept once `outputs` is closed."""
    inputs = [] if settings.in_place else [path]
    sinks = ExitStack()
    with sinks:
        tasks = [
            _task(opened, one, plan, settings, inputs, outputs, sinks)
            for one, plan in zip(wanted, plans, strict=True)
        ]
        passes = [tasks]
        if wanted[0].appended:
            passes = [[replace(task, plan=Plan((), task.plan.seed)) for task in tasks]]
            passes += [
                [replace(task, plan=task.plan.copied(number)) for task in tasks]
                for number in range(wanted[0].appended)
            ]
        for each in passes:
            every = {field.name: field for task in each for field in task.plan.fields}
            settings.passes(opened.passes_left(), opened.bytes_of(every.values()))
            fields = loop.run(
                opened.source,
                each,
                jobs=settings.jobs,
                size=settings.chunk_bytes,
                measure=settings.measure,
                progress=settings.progress,
            )
        for task, found in zip(tasks, fields, strict=True):
            check_named(task.plan, found)
        for task in tasks:
            task.sink.finish()
            if task.mask is not None:
                task.mask.finish()
    return [
        RunReport(opened.input.name, _name(one.target), opened.format.name, plan, found)
        for one, plan, found in zip(wanted, plans, fields, strict=True)
    ]


def _name(target: str | Path) -> str:
    return "standard output" if str(target) == STANDARD_OUTPUT else str(target)


def _task(
    opened: OpenInput,
    wanted: OutputRequest,
    plan: Plan,
    settings: Settings,
    inputs: Sequence[str | Path],
    outputs: Outputs,
    sinks: ExitStack,
) -> loop.Task:
    """Open an output, and its mask, for a plan."""
    output = outputs.open(_open_target(opened, wanted.target, settings, inputs))
    noised = frozenset(field.name for field in plan.noised)
    entry = opened.format.load()
    with naming(output):
        sink = entry.rewrite(opened.source, output, 1 + wanted.appended, noised)
    sinks.callback(sink.close)
    mask = None
    if wanted.mask is not None:
        if plan.row_steps or wanted.appended:
            raise UsageError("--mask needs an output of as many rows as the input")
        mask_output = outputs.open(
            open_output(
                wanted.mask,
                inputs=[*inputs, wanted.target],
                clobber=settings.clobber,
                compression=output_compression(opened, wanted.mask, settings),
                jobs=settings.jobs,
            )
        )
        with naming(mask_output):
            mask = entry.open_mask(
                opened.source, mask_output, plan.noised, values=wanted.mask_values
            )
        sinks.callback(mask.close)
        mask = _GuardedMask(mask, mask_output)
    return loop.Task(plan, _GuardedSink(sink, output), mask)


def _open_target(
    opened: OpenInput,
    target: str | Path,
    settings: Settings,
    inputs: Sequence[str | Path],
) -> Output:
    """Open an output for an input: a folder for a folder."""
    if opened.input.is_folder and opened.input.path is not None:
        from noisify.files.folder_output import FolderOutput  # noqa: PLC0415 - rarely needed

        return FolderOutput(
            opened.input.path, target, in_place=settings.in_place, clobber=settings.clobber
        )
    return open_output(
        target,
        inputs=inputs,
        clobber=settings.clobber,
        compression=output_compression(opened, target, settings),
        jobs=settings.jobs,
        unsynced=settings.unsynced,
    )


class _GuardedMask(Sink[Any, Any]):
    """A mask whose failures to write name its file."""

    def __init__(self, mask: MaskSink, output: Output) -> None:
        self._inner = mask
        self._output = output

    def encode(self, raw: Any, chunk: Chunk, noisy: Sequence[NoisyColumn]) -> Any:  # noqa: ANN401
        return self._inner.encode(raw, chunk, noisy)

    def write(self, encoded: Any) -> None:  # noqa: ANN401
        with naming(self._output):
            self._inner.write(encoded)

    def finish(self) -> None:
        with naming(self._output):
            self._inner.finish()
            self._output.give_room_back()

    def close(self) -> None:
        self._inner.close()


class _GuardedSink(_GuardedMask):
    """A sink whose failures to write name the output."""

    def __init__(self, sink: Sink[Any, Any], output: Output) -> None:
        super().__init__(sink, output)
        self._sink = sink
        self.positional = sink.positional

    def with_rows(self, versions: Sequence[Any], copies: NDArray[np.int64]) -> Any:  # noqa: ANN401
        return self._sink.with_rows(versions, copies)

    def write_at_position(self, encoded: Any) -> Any:  # noqa: ANN401
        with naming(self._output):
            return self._sink.write_at_position(encoded)


def output_compression(
    opened: OpenInput, target: str | Path, settings: Settings
) -> Compression | None:
    """Return how an output is compressed: as its name says or, in place, as the input is.

    Standard output is never compressed: whatever stands next in a pipeline takes plain data.

    Raises:
        UsageError: If that cannot be done, or not at the level asked for.
    """
    if str(target) == STANDARD_OUTPUT:
        return None
    in_place = settings.in_place and str(target) == opened.input.name
    codec = opened.codec if in_place else codecs.of_name(target)
    return None if codec is None else codec.at_level(settings.compress_level)


def check_output(opened: OpenInput, target: str | Path, settings: Settings) -> None:
    """Refuse an output that cannot be what is asked for."""
    check_output_format(opened, target, settings)
    if settings.compress_level is not None and not output_compression(opened, target, settings):
        raise UsageError(
            f"--compress-level is for compressed outputs, and {_name(target)} is none; "
            f"give -o a name that ends in {', '.join(codecs.SUFFIXES)}"
        )


def check_output_format(opened: OpenInput, target: str | Path, settings: Settings) -> None:
    """Refuse an output of another format than the input's, and bytes on a terminal."""
    to_terminal = sys.stdout is not None and sys.stdout.isatty()
    if str(target) == STANDARD_OUTPUT and opened.format.binary and to_terminal:
        raise UsageError(f"{opened.format.title} is not for a terminal; add -o FILE or > FILE")
    output_compression(opened, target, settings)
    suffix = "" if str(target) == STANDARD_OUTPUT else codecs.inner_suffix(target)
    wanted = formats.find(settings.to_format) if settings.to_format else formats.of_suffix(suffix)
    if suffix in unsupported.SUFFIXES and suffix != opened.input.suffix:
        usual, stem = opened.format.suffixes[0], Path(target).stem
        raise UsageError(
            f"{target} would not be a {suffix} file; noisify writes none: name it "
            f"{stem.removesuffix(usual)}{usual}"
        )
    if wanted is not None and wanted.module != opened.format.module:
        raise UsageError(
            f"{opened.format.title} cannot be written as {wanted.title}, which {target} would be; "
            f"give the output a {opened.format.suffixes[0]} suffix, or --to {opened.format.name}"
        )


def default_jobs() -> int:
    """Return the processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


__all__ = ["DataError", "OpenInput", "OutputRequest", "Settings", "default_jobs", "process"]

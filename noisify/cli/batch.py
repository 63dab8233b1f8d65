"""Make the outputs of a command; print messages and write reports in the order of the inputs."""

from __future__ import annotations

import contextlib
import sys
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from noisify.cli import pictures
from noisify.cli.messages import Notes, Progress, say, summary_line
from noisify.cli.side_files import Depfile, SideFile
from noisify.core.errors import NoisifyError, UsageError
from noisify.core.signals import Stopped, check_stopped
from noisify.core.threads import thread_pool
from noisify.core.urls import is_url
from noisify.engine import dask_batch, dask_cluster
from noisify.engine.batch import FileJob, FileResult, process_all, size_of
from noisify.engine.job import OutputRequest, process
from noisify.engine.part_work import nothing
from noisify.engine.unchanged import EXPECTED
from noisify.files.codecs import of_name
from noisify.files.folder_output import UNRECORDED
from noisify.files.input import known_size
from noisify.files.output import STANDARD_OUTPUT
from noisify.files.temporary import new_folder
from noisify.noise import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from contextlib import AbstractContextManager

    from noisify.cli.arguments import Arguments
    from noisify.cli.runs import Run
    from noisify.cli.side_files import Index
    from noisify.engine.finished import FinishedOutputs
    from noisify.engine.open_input import Settings
    from noisify.engine.report import RunReport

_RECORDS_AT_ONCE = 16


def check_engine(arguments: Arguments, inputs: Sequence[str]) -> None:
    """Refuse options that do not go with the engine.

    Raises:
        UsageError: If there is one.
    """
    if arguments.engine != "dask":
        if arguments.scheduler is not None:
            raise UsageError("--scheduler is for --engine dask; add it")
        if arguments.part_size is not None:
            raise UsageError("--part-size is for --engine dask; add it")
        return
    if arguments.in_place:
        raise UsageError(
            "--in-place would add noise twice where Dask repeats a task; use --output-dir DIR"
        )
    unnamed = STANDARD_OUTPUT in inputs or arguments.output == STANDARD_OUTPUT
    if unnamed or not (arguments.output or arguments.output_dir):
        raise UsageError("--engine dask reads and writes named files; use -o or --output-dir")


def make_outputs(
    inputs: Sequence[str],
    outputs: Sequence[Sequence[str]],
    found: Sequence[Run],
    arguments: Arguments,
    index: Index | None,
    finished: FinishedOutputs | None,
    notes: Notes,
    settings_of: Callable[[Progress], Settings],
) -> int:
    """Make all outputs; if some of several inputs fail, continue with the others.

    Args:
        inputs: The inputs.
        outputs: For each input the names of its outputs, one for each of `found`.
        found: The runs.
        arguments: The command line.
        index: The list of outputs to write, or None.
        finished: Takes records of the finished outputs, or None.
        notes: Collects the notes.
        settings_of: Returns the settings, given the progress to advance.

    Raises:
        NoisifyError: If the only input fails.
        click.exceptions.Exit: If all of several fail, with the status of the first.

    Returns:
        The exit status of the first input that failed, or 0.
    """
    sizes = [size_of(path) for path in inputs] if len(inputs) > 1 else [known_size(inputs[0])]
    shown = False if arguments.quiet else arguments.progress
    progress = Progress(
        sum(size or 0 for size in sizes),
        len(inputs),
        check_stopped,
        shown=shown,
        say=nothing if arguments.quiet else say,
    )
    settings = settings_of(progress)
    files = _jobs(inputs, outputs, sizes, found, arguments, finished)
    side_files = list(_side_files(inputs, outputs, found, arguments, settings, index))
    outcome = _Outcome(found, arguments, notes, side_files, several=len(inputs) > 1)
    folder = arguments.output_dir
    opening: list[AbstractContextManager[object]] = [*side_files]
    if folder is not None and not is_url(folder):
        opening.insert(0, new_folder(folder))
    with outcome.told(len(inputs)), ExitStack() as kept:
        for opened in opening:
            kept.push(opened)  # before it creates anything, in case of a signal
            opened.__enter__()
        kept.callback(progress.clear)
        results = _results(files, arguments, settings, progress, count=len(inputs), kept=kept)
        if finished is not None:
            results = _recorded(results, finished, dict(zip(inputs, outputs, strict=True)))
        for result in results:
            progress.clear()
            outcome.add(result)
        if not outcome.done:
            raise click.exceptions.Exit(outcome.status)  # discards the report
    outcome.tell_seed()
    return outcome.status


def _results(
    files: Iterator[FileJob],
    arguments: Arguments,
    settings: Settings,
    progress: Progress,
    *,
    count: int,
    kept: ExitStack,
) -> Iterator[FileResult]:
    """Make the outputs of files, here or on a Dask cluster; yield the result of each, in order.

    Args:
        files: The inputs and their outputs.
        arguments: The command line.
        settings: The settings.
        progress: Receives the progress.
        count: The number of files.
        kept: Closes the cluster at the end of the run.
    """
    if arguments.engine == "dask":
        cluster = dask_cluster.DaskCluster(arguments.scheduler, settings.jobs)
        kept.callback(cluster.close)
        return dask_batch.process_all_on(
            cluster,
            files,
            settings,
            progress,
            count=count,
            part_bytes=arguments.part_size or dask_batch.BATCH_BYTES,
        )
    if count > 1:
        return process_all(files, settings, progress, count=count)
    return (_alone(one, settings, progress) for one in files)


def _alone(one: FileJob, settings: Settings, progress: Progress) -> FileResult:
    """Make the outputs of the only file; its failure ends the run."""
    progress.begin(one.size or 0)
    return FileResult(one.path, process(one.path, one.wanted, settings))


def _recorded(
    results: Iterable[FileResult],
    finished: FinishedOutputs,
    targets_of: Mapping[str, Sequence[str]],
) -> Iterator[FileResult]:
    """Yield results, and record the earlier ones meanwhile, which takes requests by URL."""
    with thread_pool(_RECORDS_AT_ONCE, "noisify-record") as pool:
        records: deque[Future[None]] = deque()
        for result in results:
            yield result
            if result.failure is None:
                records.append(pool.submit(finished.add, result.path, targets_of[result.path]))
            while records and records[0].done():
                records.popleft().result()
        for record in records:
            record.result()


def _side_files(
    inputs: Sequence[str],
    outputs: Sequence[Sequence[str]],
    found: Sequence[Run],
    arguments: Arguments,
    settings: Settings,
    index: Index | None,
) -> Iterator[SideFile]:
    """Yield the files to write beside the outputs."""
    if arguments.report is not None:
        is_html = Path(arguments.report).suffix.lower() in {".html", ".htm"}
        yield (
            pictures.HtmlReport(arguments.report, arguments, found, settings)
            if is_html
            else _ReportFile(arguments, len(inputs) * len(found))
        )
    if index is not None:
        yield index
    if arguments.plot is not None:
        yield pictures.RunPicture(arguments, inputs, found, settings)
    if arguments.depfile is not None:
        yield Depfile(arguments, inputs, outputs)


def _jobs(
    inputs: Sequence[str],
    outputs: Sequence[Sequence[str]],
    sizes: Sequence[int | None],
    found: Sequence[Run],
    arguments: Arguments,
    finished: FinishedOutputs | None,
) -> Iterator[FileJob]:
    appended = (arguments.replicates or 1) if arguments.append else 0
    for path, targets, size in zip(inputs, outputs, sizes, strict=True):
        wanted = [
            OutputRequest(
                target,
                one.request_for(path),
                arguments.mask,
                arguments.mask_values,
                appended,
                UNRECORDED if finished is None else finished.record_of(path, target),
            )
            for target, one in zip(targets, found, strict=True)
        ]
        yield FileJob(path, wanted, size)


class _Outcome:
    """The results so far; adds them to messages, reports, lists and plots.

    A drawn seed is printed once, at the end. The seed of a privacy model undoes the noise, so it is
    printed only with -v or --report.

    Attributes:
        done: The number of inputs that succeeded.
        status: The exit status of the first failure, or 0.
    """

    def __init__(
        self,
        found: Sequence[Run],
        arguments: Arguments,
        notes: Notes,
        side_files: Sequence[SideFile],
        *,
        several: bool,
    ) -> None:
        self._several = several
        self.done = self.status = 0
        self._complete: list[str] = []
        self._notes = notes
        self._side_files = side_files
        self._seed = found[0].request.seed if found[0].drawn else None
        self._quiet = arguments.quiet
        self._verbose = arguments.verbose
        modules = {registry.find(spec.model).module for one in found for spec in one.request.specs}
        self._secret = "privacy" in modules and not arguments.verbose and arguments.report is None

    def add(self, result: FileResult) -> None:
        """Add the result of one input."""
        if result.failure is not None:
            say(str(result.failure))
            self.status = self.status or result.failure.exit_status
            self._complete += result.failure.complete
            return
        self.done += 1
        self._complete += [report.output for report in result.reports]
        for note in result.notes:
            self._notes.add(note, result.path if self._several else None)
        for report in result.reports:
            self._note_cells_left(report)
            if not self._quiet and (self._verbose or sys.stderr.isatty()):
                say(summary_line(report, verbose=self._verbose, with_seed=self._seed is None))
        for file in self._side_files:
            file.add(result.reports)

    def _note_cells_left(self, report: RunReport) -> None:
        """Add notes on unchanged fields, and on cells that are not numbers."""
        for text in report.notes(verbose=self._verbose):
            self._notes.add(f"{report.input}, {text}")
        kinds = {field.name: field.kind for field in report.plan.fields}
        for name, field in report.fields.items():
            if field.unparseable and field.changed:
                cells = f"{field.unparseable:,} cell" + ("" if field.unparseable == 1 else "s")
                kind = EXPECTED.get(kinds[name], "a number")
                self._notes.add(f"{report.input}, field {name!r}: {cells} not {kind}, left alone")

    @contextlib.contextmanager
    def told(self, count: int) -> Iterator[None]:
        """If the run fails or is stopped, say what is complete, and print the seed.

        Args:
            count: How many inputs there are.
        """
        try:
            yield
        except NoisifyError as error:
            error.leaving(self._complete)
            if error.complete:
                self.tell_seed()
            raise
        except click.exceptions.Exit:
            if self._complete:
                self.tell_seed()
            raise
        except Stopped:
            if count > 1 and not self._quiet:
                say("stopped; the outputs that were made until then are complete")
            if count > 1 or self._complete:
                self.tell_seed()
            raise

    def tell_seed(self) -> None:
        """Print the seed if it was drawn."""
        if self._seed is not None and not self._quiet and not self._secret:
            say(f"seed {self._seed}")


class _ReportFile(SideFile):
    """A JSON report, written as the runs end: an object for one output, otherwise a list.

    Args:
        arguments: The command line.
        count: The number of outputs, if all succeed.
    """

    def __init__(self, arguments: Arguments, count: int) -> None:
        path = arguments.report or ""
        codec = of_name(path)
        compression = codec.at_level(None) if codec else None
        super().__init__(path, clobber=not arguments.no_clobber, compression=compression)
        self._is_list = count > 1
        self._started = False

    def add(self, reports: Sequence[RunReport]) -> None:
        """Write the reports of one input."""
        for report in reports:
            text = report.as_text()
            if self._is_list:
                start = ",\n  " if self._started else "[\n  "
                text = start + text.rstrip().replace("\n", "\n  ")
                self._started = True
            self.write(text.encode())

    def finish(self) -> None:
        """Write the end of the list."""
        if self._is_list:
            self.write(b"\n]\n")

"""Many files: small ones side by side and synced together, large ones one after another.

A small file is worked on by one thread, a large one by all of them, so no more than `jobs` threads
are busy and memory does not grow with the number of files. Where there are many small files, copies
of this process take the place of the threads. Results come in the order of the files, whoever
works on them. A file that fails leaves the others as they are.
"""

from __future__ import annotations

import stat
from dataclasses import replace
from itertools import chain, groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from noisify.core.errors import OUT_OF_MEMORY, NoisifyError
from noisify.engine.job import process, write_outputs
from noisify.engine.parallel import ordered_map
from noisify.engine.processes import can_copy, process_map
from noisify.files.file_output import sync_new_names
from noisify.files.output import Outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from noisify.engine.job import OutputRequest
    from noisify.engine.open_input import Settings
    from noisify.engine.report import RunReport

SMALL_BYTES = 1 << 25
"""Inputs up to this size are small: one thread takes a fraction of a second for one."""
_BATCH_FILES = 128
_BATCH_BYTES = 1 << 25
_BATCHES_A_WORKER = 4
_LEAST_FILES = 100
"""Files from which on copies of this process are worth their time."""


class FileJob(NamedTuple):
    """One input and what to make of it.

    Attributes:
        path: The input.
        wanted: Its outputs.
        size: The input's size in bytes; None: it is not a regular file.
    """

    path: str
    wanted: Sequence[OutputRequest]
    size: int | None

    @property
    def is_small(self) -> bool:
        """Whether it is worked on beside others."""
        return self.size is not None and self.size <= SMALL_BYTES


class FileResult(NamedTuple):
    """What one input came to.

    Attributes:
        path: The input.
        reports: What was done, a report for each output; none after a failure.
        notes: What the user should know and has not been told.
        failure: Why there are no outputs; None: all went well.
    """

    path: str
    reports: Sequence[RunReport]
    notes: Sequence[str] = ()
    failure: NoisifyError | None = None


class BatchProgress(Protocol):
    """Told how far a batch is."""

    def check(self) -> None:
        """Stop if the run was asked to."""

    def begin(self, size: int) -> None:
        """Take note that an input of so many bytes is worked on alone."""

    def end(self, size: int) -> None:
        """Take note that an input of so many bytes is done; called from any thread."""


def size_of(path: str) -> int | None:
    """Return the size of a regular file; None for anything else."""
    try:
        found = Path(path).stat()
    except OSError:  # whoever opens it says so
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def process_all(
    files: Iterable[FileJob], settings: Settings, progress: BatchProgress, *, count: int
) -> Iterator[FileResult]:
    """Make the outputs of many files, and yield what each came to, in their order.

    Args:
        files: The inputs and their outputs, no output twice, and none of them another's input.
        settings: How to go about it; `jobs` counts over all files.
        progress: Told when a file is done.
        count: How many files there are.
    """
    together = max(1, min(_BATCH_FILES, count // (_BATCHES_A_WORKER * settings.jobs)))
    for are_small, group in groupby(files, key=lambda one: one.is_small):
        if are_small:
            batches = _batches(group, together)
            yield from chain.from_iterable(_side_by_side(batches, settings, progress, count))
            continue
        for one in group:
            progress.begin(one.size or 0)
            yield _alone(one, settings)
            progress.end(one.size or 0)


def _side_by_side(
    batches: Iterator[list[FileJob]], settings: Settings, progress: BatchProgress, count: int
) -> Iterator[list[FileResult]]:
    """Yield what the files of batches came to, worked on by processes, or by threads."""
    jobs = settings.jobs if settings.memory.most is None else 1  # each would take its share
    first = list(islice(batches, jobs))
    if count >= _LEAST_FILES and len(first) > 1 and can_copy():
        worker = _Worker(settings, progress.check)
        return process_map(worker, first, batches, progress.end)
    worker = _Worker(settings, lambda: settings.progress(0))
    every = chain(first, batches)
    return ordered_map(lambda batch: worker(batch, progress.end), every, jobs)


def _alone(one: FileJob, settings: Settings) -> FileResult:
    """Make the outputs of one file with all threads."""
    notes: list[str] = []

    def note(text: str) -> None:
        notes.append(naming_file(one.path, text))

    try:
        reports = process(one.path, one.wanted, replace(settings, note=note))
    except (NoisifyError, OSError, MemoryError) as error:
        return FileResult(one.path, (), notes, _as_failure(error, one.path))
    return FileResult(one.path, reports, notes)


def _batches(files: Iterable[FileJob], most: int) -> Iterator[list[FileJob]]:
    """Yield files in groups that are not too large."""
    batch: list[FileJob] = []
    size = 0
    for one in files:
        batch.append(one)
        size += (one.size or 0) * len(one.wanted)
        if len(batch) >= most or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class _Worker:
    """Makes the outputs of a few small files and syncs them together.

    Synced each by itself, each would commit the file system's journal.

    Args:
        settings: How to go about it.
        check: Stops if the run was asked to.
    """

    def __init__(self, settings: Settings, check: Callable[[], None]) -> None:
        self._settings = settings
        self._check = check

    def __call__(self, files: Sequence[FileJob], end: Callable[[int], None]) -> list[FileResult]:
        """Return what the files came to; `end` is told the size of each when it is done."""
        unsynced: set[Path] = set()
        attempts = [_Attempt(one) for one in files]
        try:
            for attempt in attempts:
                self._check()
                attempt.write(
                    replace(
                        self._settings,
                        jobs=1,
                        note=attempt.notes.append,
                        progress=lambda _: self._check(),
                        passes=lambda *_: None,
                        unsynced=unsynced,
                    )
                )
                end(attempt.file.size or 0)
            for step in (Outputs.complete, Outputs.sync, Outputs.close):
                for attempt in attempts:
                    attempt.take(step)
            for folder in unsynced:
                sync_new_names(folder)
        finally:
            for attempt in attempts:
                attempt.discard()
        return [attempt.result() for attempt in attempts]


class _Attempt:
    """The outputs of one small file while they are made.

    Args:
        file: The input and its outputs.
    """

    def __init__(self, file: FileJob) -> None:
        self.file = file
        self.notes: list[str] = []
        self._outputs = Outputs()
        self._reports: Sequence[RunReport] = ()
        self._failure: NoisifyError | None = None

    def write(self, settings: Settings) -> None:
        """Write the outputs, which `take(Outputs.close)` keeps."""

        def write(outputs: Outputs) -> None:
            self._reports = write_outputs(self.file.path, self.file.wanted, settings, outputs)

        self.take(write)

    def take(self, step: Callable[[Outputs], None]) -> None:
        """Take the outputs a step further, unless they have failed; discard them if they do."""
        if self._failure is not None:
            return
        try:
            step(self._outputs)
        except (NoisifyError, OSError, MemoryError) as error:
            self._failure = _as_failure(error, self.file.path)
            self.discard()

    def discard(self) -> None:
        """Discard the outputs that are not kept yet."""
        error = self._failure or NoisifyError("was stopped", path=self.file.path)
        self._outputs.__exit__(type(error), error, None)

    def result(self) -> FileResult:
        """Return what the file came to."""
        reports = self._reports if self._failure is None else ()
        notes = [naming_file(self.file.path, note) for note in self.notes]
        return FileResult(self.file.path, reports, notes, self._failure)


def naming_file(path: str, note: str) -> str:
    """Return a note on one of several files, which it names."""
    return note if path in note else f"{path}: {note}"


def _as_failure(error: NoisifyError | OSError | MemoryError, path: str) -> NoisifyError:
    """Return what went wrong with one file as an error that names it."""
    if isinstance(error, NoisifyError):
        return error.at(path)
    if isinstance(error, MemoryError):
        return NoisifyError(OUT_OF_MEMORY, path=path)
    return NoisifyError(error.strerror or str(error), path=error.filename or path)

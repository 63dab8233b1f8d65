"""Process many files: small ones in parallel and synced together, large ones one by one.

One thread works on a small file, all threads on a large one. So at most `jobs` threads are busy,
and memory does not grow with the number of files. For many small files, copies of this process
replace the threads. Results come in the order of the files. A file that fails does not affect the
others.
"""

from __future__ import annotations

import stat
from dataclasses import replace
from itertools import chain, groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from noisify.core.errors import OUT_OF_MEMORY, NoisifyError
from noisify.core.urls import is_url
from noisify.engine import processes
from noisify.engine.job import process, write_outputs
from noisify.engine.parallel import ordered_map
from noisify.files import remote
from noisify.files.file_output import sync_new_names
from noisify.files.output import Outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from noisify.engine.job import OutputRequest
    from noisify.engine.open_input import Settings
    from noisify.engine.report import RunReport

SMALL_BYTES = 1 << 25
"""The largest size of a small input, for which one thread takes a fraction of a second."""
_BATCH_FILES = 128
_BATCH_BYTES = 1 << 25
_BATCHES_A_WORKER = 4
_LEAST_FILES = 100
"""The least number of files that is worth copying this process."""


class FileJob(NamedTuple):
    """One input and its outputs.

    Attributes:
        path: The input.
        wanted: Its outputs.
        size: The input's size in bytes, or None if it is not a regular file.
    """

    path: str
    wanted: Sequence[OutputRequest]
    size: int | None

    @property
    def is_small(self) -> bool:
        """Whether it is processed in parallel with others."""
        return self.size is not None and self.size <= SMALL_BYTES


class FileResult(NamedTuple):
    """The result of processing one input.

    Attributes:
        path: The input.
        reports: A report for each output; none after a failure.
        notes: Notes for the user that have not been shown yet.
        failure: Why there are no outputs, or None if all went well.
    """

    path: str
    reports: Sequence[RunReport]
    notes: Sequence[str] = ()
    failure: NoisifyError | None = None


class BatchProgress(Protocol):
    """Receives the progress of a batch."""

    def check(self) -> None:
        """Stop if the run was asked to."""

    def tell(self, text: str) -> None:
        """Show a note at once, unless the run is quiet."""

    def begin(self, size: int) -> None:
        """Note that a large input of `size` bytes is being processed."""

    def end(self, size: int) -> None:
        """Note that an input of `size` bytes is done; called from any thread."""


def size_of(path: str) -> int | None:
    """Return the size of a regular file or a URL; None for anything else."""
    if is_url(path):
        return remote.size_of(path)
    try:
        found = Path(path).stat()
    except OSError:  # reported when it is opened
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def process_all(
    files: Iterable[FileJob], settings: Settings, progress: BatchProgress, *, count: int
) -> Iterator[FileResult]:
    """Make the outputs of many files, and yield the result of each, in order.

    Args:
        files: The inputs and their outputs. No output may repeat or be another file's input.
        settings: The settings; `jobs` is for all files together.
        progress: Receives the progress.
        count: The number of files.
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
    """Yield the results of batches of files, processed in parallel processes or threads."""
    jobs = settings.jobs if settings.memory.most is None else 1  # each job would take memory
    first = list(islice(batches, jobs))
    if count >= _LEAST_FILES and len(first) > 1 and processes.can_copy():
        worker = _Worker(settings, progress.check)
        return processes.process_map(worker, first, batches, progress.end)
    worker = _Worker(settings, lambda: settings.progress(0))
    every = chain(first, batches)
    return ordered_map(lambda batch: worker(batch, progress.end), every, jobs)


def in_one_thread(files: Sequence[FileJob], settings: Settings) -> list[FileResult]:
    """Make the outputs of some files, one after the other, and return their results."""
    return _Worker(settings, lambda: settings.progress(0))(files, lambda _: None)


def _alone(one: FileJob, settings: Settings) -> FileResult:
    """Make the outputs of one file with all threads."""
    notes: list[str] = []

    try:
        reports = process(one.path, one.wanted, replace(settings, note=notes.append))
    except (NoisifyError, OSError, MemoryError) as error:
        return FileResult(one.path, (), notes, as_failure(error, one.path))
    return FileResult(one.path, reports, notes)


def _batches(files: Iterable[FileJob], most: int) -> Iterator[list[FileJob]]:
    """Yield files in batches of bounded number and size."""
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

    Syncing each by itself would commit the file system's journal each time.

    Args:
        settings: The settings.
        check: Raises if the run was asked to stop.
    """

    def __init__(self, settings: Settings, check: Callable[[], None]) -> None:
        self._settings = settings
        self._check = check

    def __call__(self, files: Sequence[FileJob], end: Callable[[int], None]) -> list[FileResult]:
        """Return the results of the files; call `end` with the size of each when it is done."""
        attempts = [_Attempt(one) for one in files]
        unsynced: set[Path] = set()
        notes: list[str] = []

        def note(text: str) -> None:
            notes.append(text)  # those of the file that is being written

        settings = replace(
            self._settings,
            jobs=1,
            note=note,
            progress=lambda _: self._check(),
            passes=lambda *_: None,
            unsynced=unsynced,
        )
        try:
            for attempt in attempts:
                self._check()
                notes = attempt.notes
                attempt.write(settings)
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
        """Write the outputs; `take(Outputs.close)` commits them."""

        def write(outputs: Outputs) -> None:
            self._reports = write_outputs(self.file.path, self.file.wanted, settings, outputs)

        self.take(write)

    def take(self, step: Callable[[Outputs], None]) -> None:
        """Run a step on the outputs unless they have failed; discard them if it fails."""
        if self._failure is not None:
            return
        try:
            step(self._outputs)
        except (NoisifyError, OSError, MemoryError) as error:
            self._failure = as_failure(error, self.file.path)
            self.discard()

    def discard(self) -> None:
        """Discard the outputs that are not committed yet."""
        error = self._failure or NoisifyError("was stopped", path=self.file.path)
        self._outputs.__exit__(type(error), error, None)

    def result(self) -> FileResult:
        """Return the result of the file."""
        reports = self._reports if self._failure is None else ()
        return FileResult(self.file.path, reports, self.notes, self._failure)


def naming_file(path: str, note: str) -> str:
    """Prefix a note with the file's name, unless it already contains it."""
    return note if path in note else f"{path}: {note}"


def as_failure(error: NoisifyError | OSError | MemoryError, path: str) -> NoisifyError:
    """Convert an exception to an error that names the file."""
    if isinstance(error, NoisifyError):
        return error.at(path)
    if isinstance(error, MemoryError):
        return NoisifyError(OUT_OF_MEMORY, path=path)
    return NoisifyError(error.strerror or str(error), path=error.filename or path)

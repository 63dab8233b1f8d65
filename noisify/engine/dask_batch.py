"""Process many files on a Dask cluster: small files together in a task, large ones in parts.

A task is the pipeline of one machine on some whole files, or on a part of one, with one thread. It
may run more than once, even at the same time: outputs are a function of the plan, and get their
names in one step. So a task that is repeated makes the same bytes again. Results come in the order
of the files. A thread of the client leads the tasks of each large file.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias, TypeVar
from weakref import WeakSet

from noisify.core.errors import NoisifyError, exists_error
from noisify.core.urls import is_url
from noisify.engine.batch import FileJob, FileResult
from noisify.engine.cut_file import may_be_cut, process_in_parts
from noisify.engine.dask_cluster import SchedulerLostError, WorkerWatch, fingerprint
from noisify.engine.dask_work import attempt, check_wanted, make_files
from noisify.engine.part_work import nothing
from noisify.files import transport
from noisify.files.folder_output import has_files
from noisify.files.remote_folder_output import has_complete_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent import futures

    from noisify.engine.batch import BatchProgress
    from noisify.engine.dask_cluster import DaskCluster
    from noisify.engine.open_input import Settings

Future: TypeAlias = Any
"""A future of Dask, which has no types."""
Item = TypeVar("Item")
Started = TypeVar("Started", "_Task", "_Task | _Lead")
BATCH_BYTES = 256 << 20
"""Bytes of the small files that one task takes: some seconds, where a task costs a millisecond."""
BATCH_FILES = 256
_TASKS_A_SLOT = 4
_DONE_AHEAD = 16
"""The most finished results that wait for their turn, for each task that may be open."""
_LEADERS = 32
"""The most files to cut at once."""


def process_all_on(
    cluster: DaskCluster,
    files: Iterable[FileJob],
    settings: Settings,
    progress: BatchProgress,
    *,
    count: int,
    part_bytes: int = BATCH_BYTES,
    patience: float = 5,
) -> Iterator[FileResult]:
    """Make the outputs of many files on a cluster, and yield the result of each, in order.

    Args:
        cluster: The cluster.
        files: The inputs and their outputs, all on storage that every worker sees.
        settings: The settings; each task has one thread.
        progress: Receives the progress.
        count: The number of files.
        part_bytes: The size of the parts into which larger files are cut.
        patience: Seconds for which all workers may be gone before the user is told.
    """
    cluster.check_workers()
    names: dict[str, str] = {}
    if not settings.clobber:
        files = map(_checked_new, files)
    slots = cluster.slots()
    together = max(1, min(BATCH_FILES, count // (_TASKS_A_SLOT * slots)))
    files = (_absolute(_with_new_folders(one), names) for one in files)
    batches = _batches(files, together)
    shown = count == 1
    plain = replace(
        settings,
        note=nothing,
        progress=settings.progress if shown else nothing,
        passes=settings.passes if shown else nothing,
        unsynced=None,
    )

    watch = WorkerWatch(cluster, progress.tell, patience)

    def check() -> None:
        progress.check()
        cluster.check_alive()
        watch.look()

    with _Leaders(cluster, plain, part_bytes, progress) as leaders:
        work = _in_order(batches, leaders.start, lambda: _TASKS_A_SLOT * slots, check)
        for batch, done in work:
            yield from (_as_typed(result, names) for result in done.results(batch))
            for one in batch:
                progress.end(one.size or 0)


class _Open:
    """Counts the tasks that are not done."""

    def __init__(self) -> None:
        self.count = 0
        self._counting = threading.Lock()
        self._changed = threading.Event()

    def begin(self) -> None:
        """Count one more."""
        with self._counting:
            self.count += 1

    def end(self, _: object) -> None:
        """Count one less; called from any thread."""
        with self._counting:
            self.count -= 1
        self._changed.set()

    def wait(self) -> None:
        """Wait until some is done, a second at most, so that signals are seen."""
        self._changed.wait(timeout=1)
        self._changed.clear()


def _in_order(
    items: Iterable[Item],
    start: Callable[[Item, _Open], Started],
    most: Callable[[], int],
    check: Callable[[], None],
) -> Iterator[tuple[Item, Started]]:
    """Yield each item with its finished work, in order, while work on later items goes on.

    Args:
        items: The items.
        start: Starts the work on an item.
        most: Returns how many items may be open; finished ones that wait are not counted.
        check: Raises if the run is to stop.
    """
    items = iter(items)
    waiting: deque[tuple[Item, Started]] = deque()
    opened = _Open()
    try:
        while True:
            while waiting and waiting[0][1].done():
                yield waiting.popleft()
            room = min(most() - opened.count, _DONE_AHEAD * most() - len(waiting))
            some = [(item, start(item, opened)) for item in islice(items, max(0, room))]
            waiting += some
            if room > 0 and not waiting:
                return
            check()
            opened.wait()
    finally:
        for _, work in waiting:
            work.cancel()


class _Task:
    """A task on the cluster.

    Args:
        cluster: The cluster.
        work: The function; it is tried again if input or output fails.
        item: Its argument.
        opened: Counts the open tasks.
        priority: Tasks of a higher one go first.
    """

    def __init__(
        self,
        cluster: DaskCluster,
        work: Callable[[Any], Any],
        item: object,
        opened: _Open,
        priority: int = 0,
    ) -> None:
        opened.begin()
        self._future: Future = cluster.client.submit(
            attempt,
            work,
            item,
            fingerprint(),
            key=f"{work.__name__}-{os.urandom(16).hex()}",
            pure=False,
            priority=priority,
        )
        self._future.add_done_callback(opened.end)
        self.done: Callable[[], bool] = self._future.done

    def result(self) -> Any:  # noqa: ANN401 - of the function
        """Return the result, and release it on the cluster.

        Raises:
            NoisifyError: If the task failed.
        """
        try:
            error = self._future.exception()
            if error is None:
                return self._future.result()
            raise _failure(error)
        except (OSError, CancelledError):
            raise SchedulerLostError("the connection to the scheduler was lost") from None
        finally:
            self._future.release()

    def results(self, batch: list[FileJob]) -> list[FileResult]:
        """Return the results of a batch of whole files."""
        try:
            return self.result()  # type: ignore[no-any-return]
        except SchedulerLostError:
            raise
        except NoisifyError as error:
            return [FileResult(one.path, (), (), error) for one in batch]

    def cancel(self) -> None:
        """Cancel the task if it has not started."""
        if not self._future.done():
            self._future.cancel()

    def abandon(self) -> None:
        """Cancel the task, and end `result` in another thread.

        That waits for ever if the worker died before it sent the result, and no other comes.
        """
        self._future.cancel()


class _Ahead(NamedTuple):
    """A task that goes before others.

    Attributes:
        task: The task.
        opened: Counts it until it is done.
        check: Raises if the run is to stop.
    """

    task: _Task
    opened: _Open
    check: Callable[[], None]

    def done(self) -> bool:
        """Return whether it is done."""
        return self.task.done()

    def result(self) -> object:
        """Wait until it is done, and return its result."""
        while not self.done():
            self.check()
            self.opened.wait()
        return self.task.result()


class _Lead:
    """A thread that leads the tasks of a file.

    Args:
        future: The thread's result.
        opened: Counts the open tasks.
    """

    def __init__(self, future: futures.Future[list[FileResult]], opened: _Open) -> None:
        opened.begin()
        self._future = future
        self.done = future.done
        self.cancel = future.cancel
        future.add_done_callback(opened.end)

    def results(self, _: list[FileJob]) -> list[FileResult]:
        """Return the results."""
        return self._future.result()


class _Leaders:
    """Starts the work on batches: in a task, or in the tasks of a file that may be cut.

    Args:
        cluster: The cluster.
        settings: The settings.
        part_bytes: The size of a part.
        progress: Told the size of a file that is cut.
    """

    def __init__(
        self, cluster: DaskCluster, settings: Settings, part_bytes: int, progress: BatchProgress
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._part_bytes = part_bytes
        self._progress = progress
        self._slots = cluster.slots()
        self._leading = 0
        self._tasks: WeakSet[_Task] = WeakSet()
        self._counting = threading.Lock()
        self._stopping = threading.Event()
        self._threads = ThreadPoolExecutor(min(_LEADERS, self._slots), "noisify-lead")

    def start(self, batch: list[FileJob], opened: _Open) -> _Task | _Lead:
        """Start the work on a batch."""
        if len(batch) > 1 or not may_be_cut(batch[0], self._settings, self._part_bytes):
            return _Task(self._cluster, *self._whole(batch), opened)
        self._progress.begin(batch[0].size or 0)
        return _Lead(self._threads.submit(self._lead, batch[0]), opened)

    def _whole(self, batch: list[FileJob]) -> tuple[Callable[[Any], Any], object]:
        """Return the work on whole files and its argument."""
        plain = replace(self._settings, jobs=1, progress=check_wanted, passes=nothing, clobber=True)
        return make_files, (batch, plain)

    def _lead(self, one: FileJob) -> list[FileResult]:
        """Make the outputs of a file in parts, or as a whole if it is not cut."""
        with self._counting:
            self._leading += 1
        try:
            result = process_in_parts(one, self._settings, self._part_bytes, self)
            if result is not None:
                return [result]
            work, item = self._whole([one])
            return list(chain.from_iterable(self.map(work, [item])))
        except SchedulerLostError:
            raise
        except NoisifyError as error:
            return [FileResult(one.path, (), (), error)]
        finally:
            with self._counting:
                self._leading -= 1

    def map(self, work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """Yield work(item) for each item, in order, carried out by the cluster.

        Raises:
            NoisifyError: If a task failed, or the run is stopped.
        """

        def start(item: object, opened: _Open) -> _Task:
            return self._task(work, item, opened)

        for _, task in _in_order(items, start, self._share_of_slots, self.check):
            yield task.result()

    def _task(
        self, work: Callable[[Any], Any], item: object, opened: _Open, priority: int = 0
    ) -> _Task:
        task = _Task(self._cluster, work, item, opened, priority)
        with self._counting:
            self._tasks.add(task)
        return task

    def start_first(self, work: Callable[[Any], Any], item: object) -> _Ahead:
        """Start work(item) on the cluster, before all that waits there."""
        opened = _Open()
        return _Ahead(self._task(work, item, opened, priority=1), opened, self.check)

    def _share_of_slots(self) -> int:
        """Return how many tasks each thread may have open."""
        return max(2, _TASKS_A_SLOT * self._slots // max(1, self._leading))

    def check(self) -> None:
        """Go on unless the run is stopped.

        Raises:
            NoisifyError: If it is.
        """
        if self._stopping.is_set():
            raise NoisifyError("was stopped")

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the threads; they remove what is not complete."""
        self._stopping.set()
        with self._counting:
            tasks = list(self._tasks)
        for task in tasks:
            task.abandon()
        self._threads.shutdown(wait=True, cancel_futures=True)


def _failure(error: BaseException) -> NoisifyError:
    """Return why a task has no result."""
    if isinstance(error, NoisifyError):
        return error
    if type(error).__name__ == "KilledWorker":
        return NoisifyError(
            "its worker died each time it was tried; perhaps it had too little memory"
        )
    return NoisifyError(f"its worker failed: {type(error).__name__}: {error}")


def _batches(files: Iterable[FileJob], most: int) -> Iterator[list[FileJob]]:
    """Yield files in batches of bounded size, and of at most `most`; a large file is alone."""
    batch: list[FileJob] = []
    size = 0
    for one in files:
        if batch and (len(batch) >= most or size + (one.size or 0) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += one.size or 0
    if batch:
        yield batch


def _absolute(one: FileJob, names: dict[str, str]) -> FileJob:
    """Make the paths of a job absolute, for the workers; store the typed names in `names`."""

    def full(name: Any) -> Any:  # noqa: ANN401 - None, or a path
        if name is None or is_url(str(name)):
            return name
        names[str(Path(name).absolute())] = str(name)
        return str(Path(name).absolute())

    wanted = [
        request._replace(target=full(request.target), mask=full(request.mask))
        for request in one.wanted
    ]
    return FileJob(full(one.path), wanted, one.size)


def _checked_new(one: FileJob) -> FileJob:
    """Refuse outputs that exist; a task cannot, since it may run twice and meet its own output.

    Raises:
        UsageError: If there is one.
    """
    for request in one.wanted:
        for target in (request.target, request.mask):
            if target is not None and _exists(str(target)):
                raise exists_error(target)
    return one


def _with_new_folders(one: FileJob) -> FileJob:
    """Let tasks replace the folders that are not there yet; one may run twice, and meet its own."""
    if is_url(one.path) or not Path(one.path).is_dir():
        return one
    wanted = [
        request
        if _has_files(str(request.target))
        else request._replace(record=request.record.replacing())
        for request in one.wanted
    ]
    return one._replace(wanted=wanted)


def _has_files(target: str) -> bool:
    return has_complete_files(target) if is_url(target) else has_files(Path(target))


def _exists(target: str) -> bool:
    return transport.Location(target).exists() if is_url(target) else Path(target).exists()


def _as_typed(result: FileResult, names: dict[str, str]) -> FileResult:
    """Give the files of a result the names that were typed."""

    def short(name: str) -> str:
        return names.get(name, name)

    path = short(result.path)
    failure = result.failure
    if failure is not None:
        failure.path = short(str(failure.path)) if failure.path is not None else path
    reports = [
        replace(one, input=short(one.input), output=short(one.output)) for one in result.reports
    ]
    notes = [note.replace(result.path, path) for note in result.notes]
    return FileResult(path, reports, notes, failure)

"""Process many files on a Dask cluster: small files together in a task, large ones in parts.

A task is the pipeline of one machine on some whole files, or on a part of one, with one thread. It
may run more than once, even at the same time: outputs are a function of the plan, and get their
names in one step. So a task that is repeated makes the same bytes again. Results come in the order
of the files. A thread of the client leads the tasks of each large file.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from importlib import import_module
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np

from noisify.core.chunk import Positions
from noisify.core.errors import NoisifyError, UsageError
from noisify.core.lazy_libraries import json, metadata
from noisify.core.urls import is_url
from noisify.core.version import VERSION
from noisify.engine.batch import FileJob, FileResult, in_one_thread
from noisify.engine.cut_file import may_be_cut, process_in_parts
from noisify.streams.streams import STREAM_VERSION, StreamName, StreamVariates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from noisify.engine.batch import BatchProgress
    from noisify.engine.open_input import Settings

Future: TypeAlias = Any
"""A future of Dask, which has no types."""
BATCH_BYTES = 256 << 20
"""Bytes of the small files that one task takes: some seconds, where a task costs a millisecond."""
BATCH_FILES = 256
_TASKS_A_SLOT = 4
_ATTEMPTS = 3
_LEADERS = 32
"""The most files to cut at once."""
_SECONDS_TO_ANSWER = 10
_VECTOR = 4096
"""Elements of the test vector of each kind of random number."""


class DaskCluster:
    """A Dask cluster: one that is running, or one of this machine.

    Args:
        scheduler: The address of a scheduler, or the path of its JSON file; by default, a new
            cluster on this machine, with one process for each worker.
        workers: The number of workers of a new cluster.

    Raises:
        UsageError: If Dask is not installed.
        NoisifyError: If no scheduler answers.
    """

    def __init__(self, scheduler: str | None, workers: int) -> None:
        self._closing = ExitStack()
        dask, distributed = _libraries()
        dask.config.set({"distributed.comm.timeouts.connect": _SECONDS_TO_ANSWER})
        try:
            if scheduler is None:
                cluster = distributed.LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    dashboard_address=None,
                    scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # its HTTP server's
                    host="127.0.0.1",
                    silence_logs="CRITICAL",
                )
                self._closing.callback(cluster.close)
                client = distributed.Client(cluster)
            else:
                client = distributed.Client(_address(scheduler), timeout=_SECONDS_TO_ANSWER)
            self._closing.callback(client.close)
            self.client: Any = client
            client.wait_for_workers(1, timeout=_SECONDS_TO_ANSWER)
        except (OSError, TimeoutError, ValueError, KeyError) as error:
            self.close()
            where = scheduler or "this machine"
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise NoisifyError(
                f"no Dask scheduler with a worker answers at {where}: {reason}"
            ) from None
        except BaseException:  # a signal too must not leave processes behind
            self.close()
            raise

    def slots(self) -> int:
        """Return how many tasks run at once."""
        threads: dict[str, int] = self.client.nthreads()
        return max(1, sum(threads.values()))

    def check_workers(self) -> None:
        """Refuse workers whose noise might differ from that of this machine.

        Raises:
            NoisifyError: If there is one; it is named.
        """
        mine = fingerprint()
        for address, theirs in sorted(self.client.run(fingerprint).items()):
            if theirs != mine:
                raise _unlike(address, theirs, mine)

    def close(self) -> None:
        """Close the client, and the cluster if it was made here."""
        self._closing.close()


def _address(scheduler: str) -> str:
    """Return the address of a scheduler, read from its JSON file if that is given."""
    if is_url(scheduler) or Path(scheduler).suffix != ".json":
        return scheduler
    return str(json.loads(Path(scheduler).read_text(encoding="utf-8"))["address"])


def _libraries() -> tuple[Any, Any]:
    try:
        return import_module("dask"), import_module("distributed")
    except ImportError:
        raise UsageError("--engine dask needs Dask; pip install 'noisify-cli[dask]'") from None


@cache
def fingerprint() -> dict[str, str]:
    """Return the versions that noise depends on, and a hash of test vectors of random numbers."""
    variates = StreamVariates(StreamName(1, "fingerprint", "normal"), Positions.range(0, _VECTOR))
    hashed = hashlib.blake2b(digest_size=8)
    for drawn in (
        variates.uniform("a"), variates.normal("b"), variates.exponential("c"),
        variates.laplace("d"), variates.logistic("e"), variates.gumbel("f"),
        variates.triangular("g"), variates.cauchy("h"), variates.lognormal("i", 0.5),
        variates.gamma("j", 0.75), variates.student_t("k", 4.0),
    ):  # fmt: skip
        hashed.update(np.ascontiguousarray(drawn, "<f8").tobytes())
    return {
        "noisify": VERSION,
        "streams": str(STREAM_VERSION),
        "pyarrow": metadata.version("pyarrow"),
        "numbers": hashed.hexdigest(),
    }


def _unlike(worker: str, theirs: dict[str, str], mine: dict[str, str]) -> NoisifyError:
    name = next(name for name in mine if theirs.get(name) != mine[name])
    return NoisifyError(
        f"worker {worker} has {name} {theirs.get(name)}, and this machine {mine[name]}: the noise "
        "might differ; install the same versions"
    )


def process_all_on(
    cluster: DaskCluster,
    files: Iterable[FileJob],
    settings: Settings,
    progress: BatchProgress,
    *,
    count: int,
    part_bytes: int = BATCH_BYTES,
) -> Iterator[FileResult]:
    """Make the outputs of many files on a cluster, and yield the result of each, in order.

    Args:
        cluster: The cluster.
        files: The inputs and their outputs, all on storage that every worker sees.
        settings: The settings; each task has one thread.
        progress: Receives the progress.
        count: The number of files.
        part_bytes: The size of the parts into which larger files are cut.
    """
    cluster.check_workers()
    names: dict[str, str] = {}
    if not settings.clobber:
        files = map(_checked_new, files)
    slots = cluster.slots()
    together = max(1, min(BATCH_FILES, count // (_TASKS_A_SLOT * slots)))
    batches = _batches((_absolute(one, names) for one in files), together)
    shown = count == 1
    plain = replace(
        settings,
        note=_nothing,
        progress=settings.progress if shown else _nothing,
        passes=settings.passes if shown else _nothing,
        unsynced=None,
    )
    with _Leaders(cluster, plain, part_bytes, progress) as leaders:
        for batch, done in _in_order(batches, leaders.start, _TASKS_A_SLOT * slots, progress):
            yield from (_as_typed(result, names) for result in done)
            for one in batch:
                progress.end(one.size or 0)


def _in_order(
    batches: Iterator[list[FileJob]],
    start: Callable[[list[FileJob]], Work],
    most: int,
    progress: BatchProgress,
) -> Iterator[tuple[list[FileJob], list[FileResult]]]:
    """Yield each batch with its results, in order, while others are at work.

    Args:
        batches: The batches.
        start: Starts the work on a batch.
        most: The most batches to have at work, or finished and not yet yielded.
        progress: Asked whether to stop.
    """
    waiting: deque[tuple[list[FileJob], Work]] = deque()
    try:
        while True:
            for batch in islice(batches, most - len(waiting)):
                waiting.append((batch, start(batch)))
            if not waiting:
                return
            batch, work = waiting[0]
            while not work.done():
                progress.check()
                work.wait()
            waiting.popleft()
            yield batch, work.results(batch)
    finally:
        for _, work in waiting:
            work.cancel()


class _Task:
    """A task on the cluster.

    Args:
        cluster: The cluster.
        work: The function; it is tried again if input or output fails.
        item: Its argument.
    """

    def __init__(self, cluster: DaskCluster, work: Callable[[Any], Any], item: object) -> None:
        self._future: Future = cluster.client.submit(_tried, work, item, fingerprint(), pure=False)
        self.done: Callable[[], bool] = self._future.done

    def wait(self) -> None:
        """Wait until it is done, a second at most, so that signals are seen."""
        distributed = import_module("distributed")
        try:
            distributed.wait(self._future, timeout=1)
        except (TimeoutError, distributed.TimeoutError):
            return

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
        finally:
            self._future.release()

    def results(self, batch: list[FileJob]) -> list[FileResult]:
        """Return the results of a batch of whole files."""
        try:
            return self.result()  # type: ignore[no-any-return]
        except NoisifyError as error:
            return [FileResult(one.path, (), (), error) for one in batch]

    def cancel(self) -> None:
        """Cancel the task if it has not started."""
        self._future.cancel()


class _Lead:
    """A thread that leads the tasks of a file.

    Args:
        future: The thread's result.
    """

    def __init__(self, future: concurrent.futures.Future[list[FileResult]]) -> None:
        self._future = future
        self.done = future.done
        self.cancel = future.cancel

    def wait(self) -> None:
        """Wait until it is done, a second at most."""
        concurrent.futures.wait([self._future], timeout=1)

    def results(self, _: list[FileJob]) -> list[FileResult]:
        """Return the results."""
        return self._future.result()


Work: TypeAlias = _Task | _Lead


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
        self._counting = threading.Lock()
        self._stopping = threading.Event()
        self._threads = ThreadPoolExecutor(min(_LEADERS, self._slots), "noisify-lead")

    def start(self, batch: list[FileJob]) -> Work:
        """Start the work on a batch."""
        if len(batch) > 1 or not may_be_cut(batch[0], self._settings, self._part_bytes):
            return _Task(self._cluster, *self._whole(batch))
        self._progress.begin(batch[0].size or 0)
        return _Lead(self._threads.submit(self._lead, batch[0]))

    def _whole(self, batch: list[FileJob]) -> tuple[Callable[[Any], Any], object]:
        """Return the work on whole files and its argument."""
        plain = replace(self._settings, jobs=1, progress=_nothing, passes=_nothing, clobber=True)
        return _work, (batch, plain)

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
        items = iter(items)
        waiting: deque[_Task] = deque()
        try:
            while True:
                most = max(2, _TASKS_A_SLOT * self._slots // max(1, self._leading))
                for item in islice(items, max(0, most - len(waiting))):
                    waiting.append(_Task(self._cluster, work, item))
                if not waiting:
                    return
                while not waiting[0].done():
                    if self._stopping.is_set():
                        raise NoisifyError("was stopped")
                    waiting[0].wait()
                yield waiting.popleft().result()
        finally:
            for task in waiting:
                task.cancel()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the threads; they remove what is not complete."""
        self._stopping.set()
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


def _tried(work: Callable[[Any], Any], item: object, expected: dict[str, str]) -> Any:  # noqa: ANN401 - of the function
    """Do some work, three times if input or output fails; runs on a worker.

    Raises:
        NoisifyError: If it fails, or this worker's noise might differ from that of the client.
    """
    if (mine := fingerprint()) != expected:
        raise _unlike(import_module("distributed").get_worker().address, mine, expected)
    for _ in range(_ATTEMPTS - 1):
        try:
            return work(item)
        except OSError:
            continue
        except NoisifyError as error:
            if not _is_worth_a_try(error):
                raise
    return work(item)


def _work(job: tuple[list[FileJob], Settings]) -> list[FileResult]:
    """Make the outputs of some files; runs on a worker."""
    files, settings = job
    results = in_one_thread(files, settings)
    for _ in range(_ATTEMPTS - 1):
        failed = {result.path for result in results if _is_worth_a_try(result.failure)}
        if not failed:
            break
        again = iter(in_one_thread([one for one in files if one.path in failed], settings))
        results = [next(again) if result.path in failed else result for result in results]
    return results


def _is_worth_a_try(failure: NoisifyError | None) -> bool:
    """Return whether a failure is of input or output, not of the data or the request."""
    return type(failure) is NoisifyError


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
    """Name the files of a job so that workers find them; remember the names as they were."""

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
    """Refuse outputs that exist; a task must not, since it may run twice.

    Raises:
        UsageError: If there is one.
    """
    for request in one.wanted:
        for target in (request.target, request.mask):
            if target is not None and not is_url(str(target)) and Path(target).exists():
                raise UsageError("exists, and --no-clobber keeps it", path=target)
    return one


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


def _nothing(*_: object) -> None:
    """Do nothing."""

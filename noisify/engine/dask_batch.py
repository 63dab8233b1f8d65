"""Process many files on a Dask cluster: a file a task, small files together.

A task is the pipeline of one machine on some whole files, with one thread. It may run more than
once, even at the same time: outputs are a function of the plan, and get their names in one step. So
a task that is repeated makes the same bytes again. Results come in the order of the files.
"""

from __future__ import annotations

import hashlib
from collections import deque
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from noisify.core.chunk import Positions
from noisify.core.errors import NoisifyError, UsageError
from noisify.core.lazy_libraries import json, metadata
from noisify.core.urls import is_url
from noisify.core.version import VERSION
from noisify.engine.batch import FileJob, FileResult, in_one_thread
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
_SECONDS_TO_ANSWER = 10
_VECTOR = 4096
"""Elements of the test vector of each kind of random number."""


class DaskCluster:
    """A Dask cluster: one that is running, or one of this machine.

    Args:
        scheduler: The address of a scheduler, or the path of its JSON file; None: a new cluster
            on this machine, of one process a worker.
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
) -> Iterator[FileResult]:
    """Make the outputs of many files on a cluster, and yield the result of each, in order.

    Args:
        cluster: The cluster.
        files: The inputs and their outputs, all on storage that every worker sees.
        settings: The settings; each task has one thread.
        progress: Receives the progress.
        count: The number of files.
    """
    cluster.check_workers()
    names: dict[str, str] = {}
    if not settings.clobber:
        files = map(_checked_new, files)
    slots = cluster.slots()
    together = max(1, min(BATCH_FILES, count // (_TASKS_A_SLOT * slots)))
    batches = _batches((_absolute(one, names) for one in files), together)
    plain = replace(
        settings, jobs=1, note=_nothing, progress=_nothing, passes=_nothing, unsynced=None,
        clobber=True,
    )  # fmt: skip
    expected = fingerprint()

    def submit(batch: list[FileJob]) -> Future:
        return cluster.client.submit(_work, batch, plain, expected, pure=False)

    for batch, done in _in_order(cluster, batches, submit, _TASKS_A_SLOT * slots, progress):
        results = (
            done
            if isinstance(done, list)
            else [FileResult(one.path, (), (), done) for one in batch]
        )
        yield from (_as_typed(result, names) for result in results)
        for one in batch:
            progress.end(one.size or 0)


def _in_order(
    cluster: DaskCluster,
    batches: Iterator[list[FileJob]],
    submit: Callable[[list[FileJob]], Any],
    most: int,
    progress: BatchProgress,
) -> Iterator[tuple[list[FileJob], list[FileResult] | NoisifyError]]:
    """Yield each batch with its results, in order, while others are at work.

    Args:
        cluster: The cluster.
        batches: The batches.
        submit: Starts the work on a batch.
        most: The most batches to have at work, or finished and not yet yielded.
        progress: Asked whether to stop.
    """
    waiting: deque[tuple[list[FileJob], Any]] = deque()
    try:
        while True:
            for batch in islice(batches, most - len(waiting)):
                waiting.append((batch, submit(batch)))
            if not waiting:
                return
            batch, future = waiting[0]
            while not future.done():
                progress.check()
                _wait(future)
            waiting.popleft()
            done = _result(future)
            future.release()
            yield batch, done
    finally:
        cluster.client.cancel([future for _, future in waiting])


def _wait(future: Future) -> None:
    """Wait for a future, a second at most, so that signals are seen."""
    distributed = import_module("distributed")
    try:
        distributed.wait(future, timeout=1)
    except (TimeoutError, distributed.TimeoutError):
        return


def _result(future: Future) -> list[FileResult] | NoisifyError:
    """Return the results of a task, or why it has none."""
    error = future.exception()
    if error is None:
        return future.result()  # type: ignore[no-any-return]
    if isinstance(error, NoisifyError):
        return error
    if type(error).__name__ == "KilledWorker":
        return NoisifyError(
            "its worker died each time it was tried; perhaps it had too little memory"
        )
    return NoisifyError(f"its worker failed: {type(error).__name__}: {error}")


def _work(files: list[FileJob], settings: Settings, expected: dict[str, str]) -> list[FileResult]:
    """Make the outputs of some files; runs on a worker.

    Raises:
        NoisifyError: If this worker's noise might differ from that of the client.
    """
    if (mine := fingerprint()) != expected:
        raise _unlike(import_module("distributed").get_worker().address, mine, expected)
    results = in_one_thread(files, settings)
    for _ in range(_ATTEMPTS - 1):
        failed = {result.path for result in results if _is_worth_a_try(result)}
        if not failed:
            break
        again = iter(in_one_thread([one for one in files if one.path in failed], settings))
        results = [next(again) if result.path in failed else result for result in results]
    return results


def _is_worth_a_try(result: FileResult) -> bool:
    """Return whether a file failed in input or output, not for its data or the request."""
    return type(result.failure) is NoisifyError


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

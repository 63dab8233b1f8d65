"""A Dask cluster: one that is running, or one of this machine; and the check of its workers."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import signal
import time
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib import import_module
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.chunk import Positions
from noisify.core.errors import NoisifyError, UsageError
from noisify.core.lazy_libraries import json, metadata
from noisify.core.urls import is_url
from noisify.core.version import VERSION
from noisify.files.temporary import new_temporary_folder
from noisify.streams.streams import STREAM_VERSION, StreamName, StreamVariates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SECONDS_TO_ANSWER = 10
_ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": 1 << 27, "MALLOC_MMAP_THRESHOLD_": 1 << 25}
"""Lets glibc keep the memory of arrays: by Dask's own setting it maps each large one anew."""
_ENDED = {"closed", "failed"}
"""The states of a nanny that starts no worker any more."""
_VECTOR = 4096
"""Elements of the test vector of each kind of random number."""


class SchedulerLostError(NoisifyError):
    """The scheduler or all workers were lost: no task has a result any more."""


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
        self._own: Any = None
        dask, distributed = _libraries()
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # it logs tracebacks
        dask.config.set({"distributed.comm.timeouts.connect": _SECONDS_TO_ANSWER})
        for name, size in _ALLOCATOR.items():
            dask.config.set({f"distributed.nanny.pre-spawn-environ.{name}": size})
        try:
            if scheduler is None:
                # workers that are killed leave files
                folder = self._closing.enter_context(new_temporary_folder())
                with _terminal_signals_blocked():
                    loop = import_module("distributed.utils").LoopRunner()
                    loop.start()
                self._closing.callback(loop.stop)
                cluster = distributed.LocalCluster(
                    loop=loop.loop,
                    n_workers=workers,
                    threads_per_worker=1,
                    dashboard_address=None,
                    scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # for its HTTP server
                    host="127.0.0.1",
                    silence_logs="CRITICAL",
                    env={"TMPDIR": str(folder)},
                )
                self._own = cluster
                self._closing.callback(cluster.close)
                client = distributed.Client(cluster)
            else:
                address = _address(scheduler)
                asyncio.run(_greet(address))
                client = distributed.Client(address, timeout=_SECONDS_TO_ANSWER)
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
        """Refuse a scheduler that cannot read tasks, and workers whose noise might differ.

        Raises:
            NoisifyError: If there is one; it is named.
        """
        mine = fingerprint()
        found = {
            f"worker {address}": theirs
            for address, theirs in sorted(self.client.run(fingerprint, on_error="return").items())
        }
        try:
            found["the scheduler"] = self.client.run_on_scheduler(fingerprint)
        except ImportError as error:
            found["the scheduler"] = error
        for who, theirs in found.items():
            if isinstance(theirs, Exception):
                reason = str(theirs).partition("\n")[0]
                raise NoisifyError(
                    f"{who} cannot run noisify: {reason}; install noisify-cli {VERSION} there"
                )
            if theirs != mine:
                raise unlike(who, theirs, mine)

    def check_alive(self) -> None:
        """Refuse to wait for workers of this machine that do not come back.

        Dask starts a worker that has died again, but only once if it dies while it starts.

        Raises:
            SchedulerLostError: If none is left.
        """
        if self._own is None:
            return
        if all(nanny.status.name in _ENDED for nanny in list(self._own.workers.values())):
            raise SchedulerLostError(
                "all workers of the cluster have died, and could not be started again; perhaps "
                "they had too little memory: take fewer (-j)"
            )

    def has_workers(self) -> bool:
        """Return whether there are workers, as far as the scheduler answers."""
        try:
            return bool(self.client.nthreads())
        except OSError:  # it is reported where a result is missing
            return True

    def close(self) -> None:
        """Close the client, and the cluster if it was made here."""
        self._closing.close()


class WorkerWatch:
    """Tells the user, once, that all workers are gone; others may come, so the run goes on.

    Args:
        cluster: The cluster.
        tell: Shows a note.
        patience: Seconds without workers before that, and between two looks.
    """

    def __init__(self, cluster: DaskCluster, tell: Callable[[str], None], patience: float) -> None:
        self._cluster = cluster
        self._tell = tell
        self._patience = patience
        self._next = time.monotonic() + patience
        self._were_gone = self._told = False

    def look(self) -> None:
        """Look whether workers are there, if it is time to."""
        if self._told or time.monotonic() < self._next:
            return
        are_gone = not self._cluster.has_workers()
        if are_gone and self._were_gone:
            self._tell("all workers of the cluster are gone; waits until others come, or Ctrl-C")
            self._told = True
        self._were_gone = are_gone
        self._next = time.monotonic() + self._patience


@contextmanager
def _terminal_signals_blocked() -> Iterator[None]:
    """Block SIGINT and SIGHUP in threads that are started meanwhile, and in their processes.

    A terminal sends them to all processes of a run. The client ends its workers; those that end by
    themselves write tracebacks.
    """
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    ours = {signal.SIGINT, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ours)
    try:
        resource_tracker.ensure_running()  # it lets SIGINT through again when it starts
        signal.pthread_sigmask(signal.SIG_BLOCK, ours)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _address(scheduler: str) -> str:
    """Return the address of a scheduler, read from its JSON file if that is given."""
    if is_url(scheduler) or Path(scheduler).suffix != ".json":
        return scheduler
    return str(json.loads(Path(scheduler).read_text(encoding="utf-8"))["address"])


async def _greet(address: str) -> None:
    """Connect to a scheduler and leave; Dask's client waits for ever if something else answers.

    Raises:
        OSError: If no scheduler is there.
    """
    distributed = import_module("distributed")
    options = distributed.Security().get_connection_args("client")
    met = distributed.core.connect(address, timeout=_SECONDS_TO_ANSWER, **options)
    try:
        comm = await asyncio.wait_for(met, 2 * _SECONDS_TO_ANSWER)
    except TimeoutError:
        raise OSError("what answers is not a scheduler; is it the port of its pages?") from None
    await comm.close()


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
    for distribution, *parameters in (
        ("uniform",), ("normal",), ("exponential",), ("laplace",), ("logistic",), ("gumbel",),
        ("triangular",), ("cauchy",), ("lognormal", 0.5), ("gamma", 0.75), ("student_t", 4.0),
    ):  # fmt: skip
        drawn = variates.drawn(distribution, distribution, *parameters)
        hashed.update(np.ascontiguousarray(drawn, "<f8").tobytes())
    return {
        "noisify": VERSION,
        "streams": str(STREAM_VERSION),
        "pyarrow": metadata.version("pyarrow"),
        "numbers": hashed.hexdigest(),
    }


def unlike(who: str, theirs: dict[str, str], mine: dict[str, str]) -> NoisifyError:
    """Return the error for a worker with another fingerprint than this machine's."""
    name = next(name for name in mine if theirs.get(name) != mine[name])
    return NoisifyError(
        f"{who} has {name} {theirs.get(name)}, and this machine {mine[name]}: the noise "
        "might differ; install the same versions"
    )

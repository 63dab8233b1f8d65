"""A Dask cluster of processes on this machine that count what they do."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import distributed
import traffic
from measure import HERE, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS_TO_START = 60
TASKS_A_SLOT = 4  # as in noisify/engine/dask_batch.py


@dataclass(frozen=True)
class Counts:
    """What the processes of a cluster did in some time.

    Attributes:
        sent_by_scheduler: Bytes.
        sent_by_workers: Bytes.
        scheduler_seconds: Of a processor.
        worker_seconds: Of a processor, all workers together.
        tasks: When each task began and ended, by the clock.
    """

    sent_by_scheduler: int
    sent_by_workers: int
    scheduler_seconds: float
    worker_seconds: float
    tasks: list[tuple[float, float]]

    @property
    def busy_seconds(self) -> float:
        """Return the time of all tasks together."""
        return sum(end - begin for begin, end in self.tasks)


class Cluster:
    """A running cluster.

    Args:
        scheduler_file: The file with the scheduler's address.
    """

    def __init__(self, scheduler_file: Path, workers: int) -> None:
        self.scheduler_file = scheduler_file
        untyped: Any = distributed
        self.client: Any = untyped.Client(scheduler_file=str(scheduler_file))
        self.client.wait_for_workers(workers, timeout=SECONDS_TO_START)
        self._before = self._usage()

    def _usage(self) -> tuple[traffic.Usage, list[traffic.Usage]]:
        on_workers: dict[str, traffic.Usage] = self.client.run(traffic.usage)
        return self.client.run_on_scheduler(traffic.usage), list(on_workers.values())

    def counts(self) -> Counts:
        """Return what was done since the last call, or the start."""
        (before, workers_before), (now, workers) = self._before, self._usage()
        self._before = now, workers
        return Counts(
            now["sent"] - before["sent"],
            sum(one["sent"] for one in workers) - sum(one["sent"] for one in workers_before),
            now["cpu"] - before["cpu"],
            sum(one["cpu"] for one in workers) - sum(one["cpu"] for one in workers_before),
            sorted(task for one in workers for task in one["tasks"]),
        )

    def run_nothing(self, tasks: int, workers: int) -> None:
        """Run tasks that do nothing, as many at once and in the order that noisify keeps."""
        numbers = iter(range(tasks))
        waiting = [
            self.client.submit(nothing, n, pure=False)
            for n in islice(numbers, TASKS_A_SLOT * workers)
        ]
        while waiting:
            waiting.pop(0).result()
            waiting += [self.client.submit(nothing, n, pure=False) for n in islice(numbers, 1)]


def nothing(number: int) -> int:
    """Do nothing."""
    return number


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[Cluster]:
    """Start a scheduler and workers of one thread each on the loopback; end them at the end."""
    scheduler_file = folder / "scheduler.json"
    common = ["--scheduler-file", str(scheduler_file), "--no-dashboard", "--preload", "traffic"]
    path = os.pathsep.join([str(HERE), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path}
    with ExitStack() as started:

        def start(program: str, *options: str) -> None:
            process = started.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", f"distributed.cli.dask_{program}", *options, *common],
                    cwd=folder,
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
            started.callback(process.terminate)

        start("scheduler", "--host", "127.0.0.1", "--port", "0")
        for _ in range(workers):
            start("worker", "--nthreads", "1", "--no-nanny", "--local-directory", str(folder))
        running = Cluster(scheduler_file, workers)
        started.callback(running.client.close)
        yield running

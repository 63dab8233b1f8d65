"""Simulate noisify on a Dask cluster of many workers, event by event, from measured costs.

The client keeps some tasks a worker at work, and hands on their results in the order of the files.
The client and the scheduler do one thing at a time. What was not measured is in `Assumed`.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from growth_plot import Curve, Panel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

WORKERS = (1, 3, 10, 30, 100, 300, 1000)
TERABYTES = 100
SEED = 1


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What was measured.

    Attributes:
        start_seconds: The client alone, before the first task and after the last one.
        client_seconds: The client's work on one task, of one file.
        scheduler_seconds: The scheduler's.
        bytes_a_second: What one worker reads, makes noisy and writes, its storage being memory.
    """

    start_seconds: float
    client_seconds: float
    scheduler_seconds: float
    bytes_a_second: float


@dataclass(frozen=True, kw_only=True)
class Assumed:
    """What was not measured.

    Attributes:
        task_bytes: Of each file, which is one task.
        worker_bandwidth: Bytes a second between a worker and the store, each way.
        store_bandwidth: Of all workers together, each way.
        request_seconds: Until the store answers; two times a task.
        check_seconds: What the check of one worker's version takes the client, once.
        spread: Standard deviation of the logarithm of a task's time.
        slow_share: Of tasks that are stragglers.
        slow_times: How many times as long these take.
        hours_to_failure: Of a worker, in the mean; it takes its task with it.
        seconds_to_notice: Until the scheduler gives that task to another worker.
        seconds_to_replace: Until there is another worker in its place.
        tasks_a_worker: At work, or waiting for a worker.
        done_ahead: How many times more may be done and wait for an earlier one.
    """

    task_bytes: float = 256 * 2**20
    worker_bandwidth: float = 100e6
    store_bandwidth: float = 100e9
    request_seconds: float = 0.05
    check_seconds: float = 0.001
    spread: float = 0.1
    slow_share: float = 0.01
    slow_times: float = 5.0
    hours_to_failure: float = 100.0
    seconds_to_notice: float = 30.0
    seconds_to_replace: float = 120.0
    tasks_a_worker: int = 4
    done_ahead: int = 16


class Outcome(NamedTuple):
    """What a simulated run came to.

    Attributes:
        seconds: From start to end.
        efficiency: The time that the tasks need by themselves, as a share of all workers' time.
        failures: How many workers failed.
    """

    seconds: float
    efficiency: float
    failures: int

    @property
    def hours(self) -> float:
        """Return the time in hours."""
        return self.seconds / 3600

    @property
    def percent(self) -> float:
        """Return the efficiency in percent."""
        return 100 * self.efficiency


class Cluster:
    """A simulated cluster.

    Args:
        workers: How many.
        tasks: How many files there are.
        costs: What was measured.
        assumed: What was not.
    """

    def __init__(self, workers: int, tasks: int, costs: Costs, assumed: Assumed) -> None:
        self._costs = costs
        self._assumed = assumed
        self._random = random.Random(SEED)  # noqa: S311 - no secret
        bandwidth = min(assumed.worker_bandwidth, assumed.store_bandwidth / workers)
        self._task_seconds = (
            2 * assumed.request_seconds
            + assumed.task_bytes / costs.bytes_a_second
            + 2 * assumed.task_bytes / bandwidth
        )
        self._workers = workers
        self._tasks = tasks
        self._events: list[tuple[float, int, int]] = []
        self._idle = workers
        self._queue: deque[int] = deque()
        self._waiting: set[int] = set()
        self._client_free = self._scheduler_free = 0.0
        self._submitted = self._done = self._taken = self._failures = 0

    def run(self) -> Outcome:
        """Run all tasks."""
        # In the order of the numbers of events.
        steps = (self._arrive, self._complete, self._result, self._replaced)
        self._client_free = self._costs.start_seconds + self._assumed.check_seconds * self._workers
        for _ in range(min(self._tasks, self._assumed.tasks_a_worker * self._workers)):
            self._submit(0.0)
        while self._events:
            now, kind, task = heappop(self._events)
            steps[kind](now, task)
        seconds = self._client_free
        needed = self._tasks * self._task_seconds
        return Outcome(seconds, needed / (self._workers * seconds), self._failures)

    def _submit(self, now: float) -> None:
        """Let the client send the next task."""
        self._client_free = max(self._client_free, now) + self._costs.client_seconds / 2
        heappush(self._events, (self._client_free, 0, self._submitted))
        self._submitted += 1

    def _arrive(self, now: float, task: int) -> None:
        """Let the scheduler take a task, and start it if a worker is idle."""
        self._scheduler_free = max(self._scheduler_free, now) + self._costs.scheduler_seconds / 2
        self._queue.append(task)
        self._start(self._scheduler_free)

    def _start(self, now: float) -> None:
        """Start what is waiting on idle workers."""
        while self._idle and self._queue:
            self._idle -= 1
            task = self._queue.popleft()
            slow = self._random.random() < self._assumed.slow_share
            seconds = self._task_seconds * self._random.lognormvariate(0, self._assumed.spread)
            seconds *= self._assumed.slow_times if slow else 1
            fails = self._random.expovariate(1 / (3600 * self._assumed.hours_to_failure))
            if fails < seconds:
                self._failures += 1
                noticed = now + fails + self._assumed.seconds_to_notice
                heappush(self._events, (noticed, 0, task))
                heappush(self._events, (now + fails + self._assumed.seconds_to_replace, 3, task))
            else:
                heappush(self._events, (now + seconds, 1, task))

    def _complete(self, now: float, task: int) -> None:
        """Let the scheduler take a result, and give the worker something else."""
        self._scheduler_free = max(self._scheduler_free, now) + self._costs.scheduler_seconds / 2
        heappush(self._events, (self._scheduler_free, 2, task))
        self._idle += 1
        self._start(self._scheduler_free)

    def _result(self, now: float, task: int) -> None:
        """Let the client take a result, and send new tasks for those it is done with."""
        self._client_free = max(self._client_free, now) + self._costs.client_seconds / 2
        self._done += 1
        self._waiting.add(task)
        while self._taken in self._waiting:
            self._waiting.remove(self._taken)
            self._taken += 1
        most = self._assumed.tasks_a_worker * self._workers
        while (
            self._submitted < self._tasks
            and self._submitted - self._done < most
            and self._submitted - self._taken < most * (1 + self._assumed.done_ahead)
        ):
            self._submit(self._client_free)

    def _replaced(self, now: float, _: int) -> None:
        """Let a new worker begin."""
        self._idle += 1
        self._start(now)


def growth(kinds: Mapping[str, Costs], share: float) -> tuple[list[Panel], list[str], float]:
    """Simulate more and more workers; return panels, lines, and the least share used with most.

    Args:
        kinds: What was measured, by the kind of file.
        share: Of the 100 TB.
    """
    tasks = max(1, round(share * TERABYTES * 1e12 / Assumed().task_bytes))
    found = [
        (kind, [simulate(workers, tasks, costs) for workers in WORKERS])
        for kind, costs in kinds.items()
    ]
    lines = [
        f"simulated: {share * TERABYTES:g} TB in {tasks:,} files; hours (the workers' time in use)",
        f"{'workers':<8}" + "".join(f"{workers:>16,}" for workers in WORKERS),
        *(f"{kind:<8}" + "".join(map(cell, outcomes)) for kind, outcomes in found),
        "",
        *what_if(kinds, tasks),
    ]
    panels = [
        Panel(
            "Time", "workers", "hours", reference=-1,
            curves=tuple(curve(kind, [one.hours for one in ends]) for kind, ends in found),
        ),
        Panel(
            "Efficiency", "workers", "% of the workers' time", reference=0,
            curves=tuple(curve(kind, [one.percent for one in ends]) for kind, ends in found),
        ),
    ]  # fmt: skip
    return panels, lines, min(outcomes[-1].percent for _, outcomes in found) / 100


def what_if(kinds: Mapping[str, Costs], tasks: int) -> Iterator[str]:
    """Yield what most workers do if one thing is otherwise, with the kind of the shortest tasks."""
    kind, costs = max(kinds.items(), key=lambda item: item[1].bytes_a_second)
    assumed = Assumed()
    slower = replace(
        costs, client_seconds=10 * costs.client_seconds,
        scheduler_seconds=10 * costs.scheduler_seconds,
    )  # fmt: skip
    often = replace(assumed, hours_to_failure=assumed.hours_to_failure / 10)
    yield f"{kind}, {WORKERS[-1]:,} workers, if one thing is otherwise:"
    for name, given, otherwise in (
        ("as above", costs, assumed),
        ("no stragglers", costs, replace(assumed, slow_share=0)),
        ("stragglers take 20 times as long", costs, replace(assumed, slow_times=20)),
        ("workers fail 10 times as often", costs, often),
        ("no room for results before their turn", costs, replace(assumed, done_ahead=0)),
        ("client and scheduler 10 times as slow", slower, assumed),
        ("a store of 20 GB/s", costs, replace(assumed, store_bandwidth=20e9)),
        ("files of 32 MiB", costs, replace(assumed, task_bytes=assumed.task_bytes / 8)),
    ):
        count = round(tasks * assumed.task_bytes / otherwise.task_bytes)
        outcome = simulate(WORKERS[-1], count, given, otherwise)
        yield f"{name:<40}{cell(outcome)}   {outcome.failures:,} workers failed"


def simulate(workers: int, tasks: int, costs: Costs, assumed: Assumed | None = None) -> Outcome:
    """Return what a run comes to."""
    return Cluster(workers, tasks, costs, assumed or Assumed()).run()


def cell(outcome: Outcome) -> str:
    """Return what a run came to, in 16 characters."""
    return f"{outcome.hours:9.3g} ({outcome.percent:3.0f}%)"


def curve(kind: str, values: Iterable[float]) -> Curve:
    """Return simulated values as a curve."""
    return Curve(kind, tuple(zip(map(float, WORKERS), values, strict=True)))

"""Map a function over items in several threads, in order and with bounded lookahead."""

from __future__ import annotations

import os
from collections import deque
from itertools import chain, count, islice
from typing import TYPE_CHECKING, TypeVar

from noisify.core.threads import affordable, thread_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")

MORE_IN_FLIGHT = 2


def ordered_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    jobs: int,
    in_flight: int | None = None,
    together: int = 1,
) -> Iterator[Result]:
    """Yield function(item) for each item, in order, worked on by `jobs` threads.

    Args:
        function: Called in a worker thread, or in this one if there is only one job or item.
        items: Read in this thread, one at a time, only as far ahead as `in_flight` allows.
        jobs: The number of worker threads.
        in_flight: The most items that are read and not yet yielded; by default jobs + 2.
        together: The most items to hand to a worker at once. More than one is faster; use it only
            if neither items nor results take memory.

    Raises:
        BaseException: The first failure, in the order of the items; the rest is cancelled.
    """
    jobs = affordable(jobs) if jobs > 1 else jobs
    limit = max(1, min(in_flight or jobs + MORE_IN_FLIGHT, jobs + MORE_IN_FLIGHT))
    if jobs <= 1 or limit == 1:
        yield from map(function, items)
        return
    waiting = _groups(items, jobs, together)
    ahead = deque(islice(waiting, 2))
    if len(ahead) <= 1:
        yield from map(function, chain.from_iterable(ahead))
        return
    stopping: list[bool] = []

    def each(group: deque[Item]) -> deque[Result]:
        results: deque[Result] = deque()
        while group and not stopping:
            results.append(function(group.popleft()))
        return results

    pool = thread_pool(jobs, "noisify")
    try:  # keep no references to finished items, so that their memory is freed
        running = deque(pool.submit(each, ahead.popleft()) for _ in range(len(ahead)))
        more = islice(waiting, limit - len(running))
        running.extend(pool.submit(each, group) for group in more)
        while running:
            results = running.popleft().result()
            while results:
                yield results.popleft()
            running.extend(pool.submit(each, group) for group in islice(waiting, 1))
    finally:
        stopping.append(True)
        pool.shutdown(wait=True, cancel_futures=True)


def _groups(items: Iterable[Item], jobs: int, most: int) -> Iterator[deque[Item]]:
    """Yield items in groups, small ones first so that a few items are spread over all workers."""
    waiting = iter(items)
    for number in count():
        group = deque(islice(waiting, min(most, 1 + number // jobs)))
        if not group:
            return
        yield group


def default_jobs() -> int:
    """Return the processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1

"""Count what a process of Dask sends, its processor time, and when its tasks ran.

`dask scheduler --preload traffic` and `dask worker --preload traffic` count in themselves, and
`python traffic.py COUNTS.json ARGUMENTS...` runs the command and counts in the client.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import distributed
from distributed.comm.tcp import TCP

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class Usage(TypedDict):
    """What a process has done.

    Attributes:
        sent: Bytes that it sent to other processes of Dask.
        cpu: Seconds of a processor.
        tasks: When each task began and ended, on a worker.
    """

    sent: int
    cpu: float
    tasks: list[tuple[float, float]]


_sent = 0
_tasks: list[tuple[float, float]] = []
_begun: dict[object, float] = {}


def count_sent() -> None:
    """Count the bytes of all messages from now on."""
    original: Callable[..., Coroutine[Any, Any, int]] = TCP.write

    async def write(self: TCP, *arguments: Any, **named: Any) -> int:  # noqa: ANN401 - passed on
        global _sent  # noqa: PLW0603 - a counter of this process
        size = await original(self, *arguments, **named)
        _sent += size
        return size

    TCP.write = write  # type: ignore[method-assign]


class TaskTimes(distributed.WorkerPlugin):
    """Notes when a worker's tasks begin and end."""

    def transition(self, key: object, start: str, finish: str, **_: object) -> None:
        """Note the time."""
        if finish == "executing":
            _begun[key] = time.time()
        elif start == "executing":
            _tasks.append((_begun.pop(key), time.time()))


def usage() -> Usage:
    """Return what this process has done since it started, and forget its tasks."""
    tasks = _tasks.copy()
    _tasks.clear()
    return {"sent": _sent, "cpu": time.process_time(), "tasks": tasks}


async def dask_setup(server: Any) -> None:  # noqa: ANN401 - Dask has no types
    """Start to count in a scheduler or a worker."""
    count_sent()
    if isinstance(server, distributed.Worker):
        await server.plugin_add(TaskTimes(), name="task-times")


if __name__ == "__main__":
    from noisify.cli import main

    count_sent()
    try:
        main(sys.argv[2:], "noisify")
    finally:
        Path(sys.argv[1]).write_text(json.dumps(usage()), encoding="utf-8")

"""Start threads under `ulimit -v`, where a thread that cannot get its stack hangs Python."""

from __future__ import annotations

import mmap
import sys
from typing import TYPE_CHECKING

from noisify.core.lazy_libraries import futures

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

_HEAP = 2 << 20
"""Bytes that Python and the C library use for a thread besides its stack."""
_USUAL_STACK = 8 << 20


def affordable(threads: int) -> int:
    """Return how many of `threads` threads there is address space for.

    That is all of them unless `ulimit -v` bounds it. `Thread.start` waits forever for a thread that
    fails before its first line.
    """
    bound = _bounded_stack()
    while bound and threads:
        try:
            mmap.mmap(-1, threads * (bound + _HEAP)).close()
        except OSError:
            threads -= 1
        else:
            break
    return threads


def thread_pool(threads: int, name: str) -> ThreadPoolExecutor:
    """Return a thread pool, with fewer threads if the address space is too small for all.

    Args:
        threads: The requested number of threads.
        name: The prefix of their names.

    Raises:
        MemoryError: If there is no room for one thread.
    """
    if not (room := affordable(threads)):
        raise MemoryError
    return futures.ThreadPoolExecutor(room, thread_name_prefix=name)


def _bounded_stack() -> int:
    """Return the bytes of a thread's stack, or 0 if the address space is not bounded."""
    if sys.platform == "win32":
        return 0
    import resource  # noqa: PLC0415 - Windows has none

    endless = resource.RLIM_INFINITY
    if resource.getrlimit(resource.RLIMIT_AS)[0] == endless:
        return 0
    stack = resource.getrlimit(resource.RLIMIT_STACK)[0]
    return _USUAL_STACK if stack == endless else stack

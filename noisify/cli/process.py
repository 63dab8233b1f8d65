"""The memory of a run, and of a process that does one run and ends."""

from __future__ import annotations

import atexit
import contextlib
import gc
import sys

from noisify.core.lazy_libraries import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENAS = -1, -3, -8
_SEARCH_AFTER = 50_000
"""Objects after which garbage is searched for. A run leaves next to none that has to be searched
for, and the search took a quarter of the time of noise on ten thousand columns."""
_LARGEST = 1 << 25
"""Pieces up to this size stay; glibc goes as far by itself, once such a piece has been freed."""


def tune_malloc() -> None:
    """Let the C library keep freed memory rather than give it back, page by page.

    A run asks for pieces of the same sizes again and again; they would have to be fetched and
    cleared again at once: a tenth of a run's time. And what one thread has freed, another may use:
    with memory of their own, as is usual, threads keep the more the longer a run takes. Libraries
    other than glibc know no such thing.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _LARGEST)
        mallopt(_TRIM_THRESHOLD, 2 * _LARGEST)
        mallopt(_ARENAS, 1)


def pause_gc(*, own_process: bool) -> None:
    """Keep Python's search for garbage off while modules are imported, and at the very end.

    What is imported stays; what is left at the end goes with the process. Looking through it all
    takes a fifth of a small run's time. `collect_garbage` turns the search on.

    Args:
        own_process: Whether the process is the command's own; else nothing is done.
    """
    if own_process:
        gc.disable()
        atexit.register(gc.freeze)


def resume_gc() -> None:
    """Search for garbage from now on, in what is made from now on."""
    if not gc.isenabled():
        gc.freeze()
        gc.set_threshold(_SEARCH_AFTER)
        gc.enable()

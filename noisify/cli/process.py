"""Tune malloc and garbage collection for a process that does one run and exits."""

from __future__ import annotations

import atexit
import contextlib
import gc
import sys

from noisify.core.lazy_libraries import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENAS = -1, -3, -8
_GC_THRESHOLD = 250_000
"""New objects between collections. A run makes almost no cyclic garbage, and the objects for ten
thousand columns, which are searched in vain, are fewer."""
_LARGEST = 1 << 25
"""Blocks up to this size are kept; glibc's own dynamic threshold reaches it too."""


def begin_work() -> None:
    """Prepare the process for a run, once the command line has been read."""
    _tune_malloc()
    _resume_gc()


def _tune_malloc() -> None:
    """Make glibc keep freed memory instead of returning it to the system.

    A run allocates blocks of the same sizes again and again; returning and clearing them each time
    took a tenth of its time. A single arena lets one thread reuse what another has freed; with an
    arena for each thread, memory grows as the run goes on. Other C libraries are left alone.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _LARGEST)
        mallopt(_TRIM_THRESHOLD, 2 * _LARGEST)
        mallopt(_ARENAS, 1)


def pause_gc(*, own_process: bool) -> None:
    """Turn off garbage collection during imports and at exit.

    Imported modules stay, and what is left at exit goes with the process; searching all of it takes
    a fifth of a small run's time. `begin_work` turns collection on again.

    Args:
        own_process: Whether the process belongs to the command; otherwise nothing is done.
    """
    if own_process:
        gc.disable()
        atexit.register(gc.freeze)


def _resume_gc() -> None:
    """Turn on garbage collection, for objects created from now on."""
    if not gc.isenabled():
        gc.freeze()
        gc.set_threshold(_GC_THRESHOLD)
        gc.enable()

"""Memory that is freed stays at hand: a run asks for pieces of the same sizes again and again."""

from __future__ import annotations

import contextlib
import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST = 1 << 25
"""Pieces up to this size stay; glibc goes as far by itself, once such a piece has been freed."""


def keep_freed_memory() -> None:
    """Let the C library keep freed memory rather than give it back, page by page.

    It would have to be fetched and cleared again at once: a tenth of a run's time. Libraries other
    than glibc know no such thing.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _LARGEST)
        mallopt(_TRIM_THRESHOLD, 2 * _LARGEST)

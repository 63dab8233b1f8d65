"""The exception of a signal, and its delay while a library is at work that cannot take one.

A library that calls Python functions, as HDF5 does for a file, must not see them raise: it would be
left with a file that it can neither finish nor forget, and the process would crash later.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Stopped(BaseException):
    """Raised by the handler of SIGINT, SIGTERM and SIGHUP; cleaning up happens as it propagates."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


stopped_by: list[int] = []
"""The signal received, in case its exception was swallowed."""


def check_stopped() -> None:
    """Raise `Stopped` if a signal was received."""
    if stopped_by:
        raise Stopped(stopped_by[0])


class _Delay:
    """How many delays the main thread, which runs the signal handlers, is in."""

    depth = 0
    waiting: BaseException | None = None


@contextlib.contextmanager
def delayed_signals() -> Iterator[None]:
    """Let the exception of a signal that arrives meanwhile be raised at the end.

    Use it for short calls only. In threads other than the main one it does nothing, as none of them
    runs signal handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _Delay.depth += 1
    try:
        yield
    finally:
        _Delay.depth -= 1
        if not _Delay.depth and (stop := _Delay.waiting) is not None:
            _Delay.waiting = None
            raise stop


def raise_or_delay(stop: BaseException) -> None:
    """Raise the exception of a signal, now or when `delayed_signals` ends."""
    if not _Delay.depth:
        raise stop
    _Delay.waiting = stop

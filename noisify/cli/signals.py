"""The exception raised by SIGINT, SIGTERM and SIGHUP, and a record of the signal."""

from __future__ import annotations


class Stopped(BaseException):
    """Raised by a signal handler; cleaning up happens while it propagates."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


stopped_by: list[int] = []
"""The signal received, in case its exception was swallowed."""


def check_stopped() -> None:
    """Raise `Stopped` if a signal was received."""
    if stopped_by:
        raise Stopped(stopped_by[0])

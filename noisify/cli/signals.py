"""The signal that asked to stop, and the exception it becomes."""

from __future__ import annotations


class Stopped(BaseException):
    """A signal asked to stop; cleaning up happens on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


stopped_by: list[int] = []
"""The signal that asked to stop, in case its exception was swallowed on the way."""


def check_stopped() -> None:
    """Stop now if a signal asked to."""
    if stopped_by:
        raise Stopped(stopped_by[0])

"""A bound on the memory of a run: measured as it goes, and asked before much is taken at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from noisify.core.errors import NoisifyError

_MB = 1 << 20
_COPIES = 8
"""How often the bytes of a chunk are in memory, for its reading and again for each output."""
_MORE_IN_FLIGHT = 2
"""Chunks in memory besides those that the workers have."""
_USUAL_CHUNK, _SMALLEST_CHUNK = 1 << 20, 1 << 16
_RESERVE = 16 * _MB
"""What modules take that are imported later."""
_STATUS, _STATM = Path("/proc/self/status"), Path("/proc/self/statm")


class MemoryBound:
    """The most memory that the process may take.

    What is to be taken is asked for first, as far as it is known; after each chunk the peak is
    measured, where the system tells it. Neither knows what is taken in between.

    Args:
        most: Bytes of the resident set; None: there is no bound.
    """

    def __init__(self, most: int | None = None) -> None:
        self.most = most

    def check(self) -> None:
        """Refuse to go on if the process has taken more.

        Raises:
            NoisifyError: If it has.
        """
        if self.most is not None and (taken := _peak()) > self.most:
            raise NoisifyError(
                f"took {_megabytes(taken)} of memory, more than --max-memory "
                f"{_megabytes(self.most)}; a smaller --chunk-size, fewer --jobs or fewer fields "
                "need less"
            )

    def require(self, count: int, what: str) -> None:
        """Refuse what would take more.

        Args:
            count: About how many bytes.
            what: What takes them, such as "a record batch".

        Raises:
            NoisifyError: If there is no room for so many.
        """
        if self.most is not None and count > (room := self._room()):
            raise NoisifyError(
                f"{what} needs about {_megabytes(count)} of memory, and --max-memory "
                f"{_megabytes(self.most)} leaves {_megabytes(room)}; allow "
                f"{_megabytes(self.most - room + count)}, or make it smaller"
            )

    def fit(self, jobs: int, size: int, outputs: int = 1) -> tuple[int, int]:
        """Return how many workers, and chunks of how many bytes, there is room for.

        Large chunks become smaller first, down to the usual size, then there are fewer workers,
        then even smaller chunks.

        Args:
            jobs: The workers wished for.
            size: The bytes wished for.
            outputs: How many outputs are made of each chunk.

        Raises:
            NoisifyError: If there is no room for one worker and the smallest chunks.
        """
        if self.most is None:
            return jobs, size
        room = (self._room() - _RESERVE) // (_COPIES * (1 + outputs))
        if room < min(size, _SMALLEST_CHUNK):
            taken = _resident()
            needed = taken + _RESERVE + _SMALLEST_CHUNK * _COPIES * (1 + outputs)
            raise NoisifyError(
                f"takes {_megabytes(taken)} of memory before the first chunk, and --max-memory "
                f"{_megabytes(self.most)} leaves too little; allow at least {_megabytes(needed)}"
            )

        def in_flight() -> int:
            return jobs + _MORE_IN_FLIGHT if jobs > 1 else 1

        if size > _USUAL_CHUNK:
            size = max(_USUAL_CHUNK, min(size, room // in_flight()))
        while jobs > 1 and in_flight() * size > room:
            jobs -= 1
        return jobs, min(size, room)

    def _room(self) -> int:
        """Return how many more bytes the process may take."""
        return max(0, (self.most or 0) - _resident())


UNBOUNDED = MemoryBound()


def _megabytes(count: int) -> str:
    return f"{-(-count // _MB)}MB"


def _peak() -> int:
    """Return the largest resident set that this process has had, in bytes; 0 if nobody knows.

    Linux's `getrusage` is of no use: it counts what a process was before it ran this program.
    """
    if _STATUS.exists():
        lines = _STATUS.read_bytes().splitlines()
        found = next((line for line in lines if line.startswith(b"VmHWM:")), b"0 0 kB")
        return int(found.split()[1]) * 1024
    if sys.platform == "win32":
        return 0
    import resource  # noqa: PLC0415 - Windows has none

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def _resident() -> int:
    """Return the resident set of this process, in bytes; elsewhere than on Linux its peak."""
    if _STATM.exists():
        return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGESIZE")
    return _peak()

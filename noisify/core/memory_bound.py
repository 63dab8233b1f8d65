"""Enforce `--max-memory`: before large allocations, and by measuring the peak after each chunk."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from noisify.core.errors import NoisifyError

_MB = 1 << 20
_COPIES = 8
"""Copies of a chunk's bytes in memory, for reading and again for each output."""
_MORE_IN_FLIGHT = 2
"""Chunks in memory besides one per worker."""
_USUAL_CHUNK, _SMALLEST_CHUNK = 1 << 20, 1 << 16
_STATUS, _STATM = Path("/proc/self/status"), Path("/proc/self/statm")


class MemoryBound:
    """The most memory that the process may use.

    Large allocations of known size are checked in advance, and the peak is measured after each
    chunk where the system reports it. Allocations in between go unnoticed.

    Args:
        most: Bytes of the resident set, or None for no bound.
        reserve: Bytes kept free for modules that are imported later.
    """

    def __init__(self, most: int | None = None, reserve: int = 16 * _MB) -> None:
        self.most = most
        self._reserve = reserve

    def check(self) -> None:
        """Check that the process has stayed within the bound.

        Raises:
            NoisifyError: If it has not.
        """
        if self.most is not None and (taken := _peak()) > self.most:
            raise NoisifyError(
                f"took {_megabytes(taken)} of memory, more than --max-memory "
                f"{_megabytes(self.most)}; a smaller --chunk-size, fewer --jobs or fewer fields "
                "need less"
            )

    def require(self, count: int, what: str) -> None:
        """Check that there is room for an allocation.

        Args:
            count: Its approximate size in bytes.
            what: What it is for, such as "a record batch".

        Raises:
            NoisifyError: If there is no room.
        """
        if self.most is not None and count > (room := self._room()):
            raise NoisifyError(
                f"{what} needs about {_megabytes(count)} of memory, and --max-memory "
                f"{_megabytes(self.most)} leaves {_megabytes(room)}; allow "
                f"{_megabytes(self.most - room + count)}, or make it smaller"
            )

    def fit(self, jobs: int, size: int, outputs: int = 1) -> tuple[int, int]:
        """Return the number of workers and the chunk size in bytes that there is room for.

        Reduces large chunks to the usual size first, then the number of workers, then the chunks
        further.

        Args:
            jobs: The requested number of workers.
            size: The requested chunk size in bytes.
            outputs: Outputs written from each chunk.

        Raises:
            NoisifyError: If there is no room for one worker and the smallest chunks.
        """
        if self.most is None:
            return jobs, size
        room = (self._room() - self._reserve) // (_COPIES * (1 + outputs))
        if room < min(size, _SMALLEST_CHUNK):
            taken = _resident()
            needed = taken + self._reserve + _SMALLEST_CHUNK * _COPIES * (1 + outputs)
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
        """Return how many more bytes the process may use."""
        return max(0, (self.most or 0) - _resident())


UNBOUNDED = MemoryBound()


def _megabytes(count: int) -> str:
    return f"{-(-count // _MB)}MB"


def _peak() -> int:
    """Return the peak resident set of this process in bytes, or 0 if unknown.

    Linux's `getrusage` includes the peak of the process before it executed this program.
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
    """Return the resident set of this process in bytes; its peak if not on Linux."""
    if _STATM.exists():
        return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGESIZE")
    return _peak()

"""Paths that name an open file descriptor of this process, such as `/dev/stdout`."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

_MOST_LINKS = 40
"""The most symbolic links followed in a row; Linux's limit."""


def open_descriptor(path: Path) -> int | None:
    """Return the open descriptor that a path names, or None if it names none.

    Write to the descriptor itself, not to a new file renamed over the one that is open there.
    """
    if _is_elsewhere(path):
        return None
    own = re.compile(rf"/(?:dev|proc/(?:self|{os.getpid()})(?:/task/\d+)?)/fd/(\d+)")
    path = path.absolute()
    try:
        for _ in range(_MOST_LINKS):
            path = path.parent.resolve() / path.name
            if (match := own.fullmatch(str(path))) is not None:
                return int(match[1])
            path = path.parent / path.readlink()
    except (OSError, RuntimeError, ValueError):  # not a link, or a loop of links
        pass
    return None


def _is_elsewhere(path: Path) -> bool:
    """Return whether a path is neither a link nor in a folder of descriptors: a quick test."""
    try:
        return path.parent.stat().st_dev not in _devices() and not path.is_symlink()
    except OSError:
        return False


@cache
def _devices() -> frozenset[int]:
    """Return the device numbers of the folders of descriptors."""
    folders = [Path(name) for name in ("/dev/fd", "/proc/self/fd")]
    return frozenset(folder.stat().st_dev for folder in folders if folder.exists())

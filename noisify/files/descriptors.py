"""Paths that stand for what this process has open, such as `/dev/stdout`."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

_MOST_LINKS = 40
"""Links followed one after the other, as many as Linux follows."""


def open_descriptor(target: str | Path) -> int | None:
    """Return the open descriptor that a path stands for; None: it does not.

    What is open there is to be written to as it is: where it is a file, its name is not to lead to
    another one.
    """
    if _is_elsewhere(Path(target)):
        return None
    own = re.compile(rf"/(?:dev|proc/(?:self|{os.getpid()})(?:/task/\d+)?)/fd/(\d+)")
    path = Path(target).absolute()
    try:
        for _ in range(_MOST_LINKS):
            path = path.parent.resolve() / path.name
            if (match := own.fullmatch(str(path))) is not None:
                return int(match[1])
            path = path.parent / path.readlink()
    except (OSError, RuntimeError, ValueError):  # it is no link, or goes round in a circle
        pass
    return None


def _is_elsewhere(path: Path) -> bool:
    """Return whether a path is no link, and not where descriptors are: most are not."""
    try:
        return path.parent.stat().st_dev not in _devices() and not path.is_symlink()
    except OSError:
        return False


@cache
def _devices() -> frozenset[int]:
    """Return the devices of the folders of descriptors."""
    folders = [Path(name) for name in ("/dev/fd", "/proc/self/fd")]
    return frozenset(folder.stat().st_dev for folder in folders if folder.exists())

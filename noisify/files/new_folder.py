"""A folder for outputs, removed again if none of them is kept."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Self


class NewFolder:
    """A folder that is made where it is missing, and the folders above it.

    On the way out, whatever of that was made here and is empty is removed: a run that fails in
    planning leaves nothing behind.

    Args:
        path: The folder.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._made = [one for one in (self._path, *self._path.parents) if not one.exists()]

    def __enter__(self) -> Self:
        """Make the folder."""
        self._path.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was made and is empty."""
        with contextlib.suppress(OSError):  # the first that holds something ends it
            for folder in self._made:
                folder.rmdir()

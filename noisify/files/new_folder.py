"""Create a folder for outputs, and remove it again if it stays empty."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Self


class NewFolder:
    """Creates a folder and its missing parents; on exit removes those that are still empty.

    So a run that fails in planning leaves nothing behind.

    Args:
        path: The folder.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._made = [one for one in (self._path, *self._path.parents) if not one.exists()]

    def __enter__(self) -> Self:
        """Create the folder."""
        self._path.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the folders that were created and are empty."""
        with contextlib.suppress(OSError):  # stops at the first that is not empty
            for folder in self._made:
                folder.rmdir()

"""Outputs that are written from start to end, or made in a temporary file and copied."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, cast

from noisify.files.output_interface import Output
from noisify.files.temporary import new_temporary_path, remove
from noisify.files.write_behind import write_all

if TYPE_CHECKING:
    from pathlib import Path

_COPY_BYTES = 1 << 20


class StagedOutput(Output):
    """An output that may be written to a temporary file first, and copied from there.

    Args:
        name: The name used in messages.
    """

    def __init__(self, name: str) -> None:
        self.name = self._own_name = name
        self._local: Path | None = None
        self._held_from: BinaryIO | None = None

    def local_path(self) -> Path:
        """Return the path of a temporary file, which is copied to the output at the end."""
        if self._local is not None:
            return self._local
        self._local = new_temporary_path()
        self.name += f" (made in {self._local.parent} first; TMPDIR can name another folder)"
        self._local.touch(mode=0o600)
        return self._local

    def write_locally(self) -> None:
        """Make `file` the temporary file."""
        local = self.local_path().open("r+b", 0)
        self._held_from, self.file = self.file, cast("BinaryIO", local)

    def _end_local(self) -> None:
        """Make `file` the output again."""
        if self._held_from is not None:
            self.file.close()
            self.file, self._held_from = self._held_from, None

    def copy_local(self) -> None:
        """Copy the temporary file, if any, to the output."""
        self._end_local()
        if self._local is not None:
            self.name = self._own_name
            with self._local.open("rb") as copied:
                while data := copied.read(_COPY_BYTES):
                    write_all(self.file, data)
            remove(self._local)

    def remove_local(self) -> None:
        """Remove the temporary file, if any."""
        self._end_local()
        if self._local is not None:
            remove(self._local)

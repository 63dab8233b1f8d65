"""Outputs of parts: a range of a file, some files of a folder, or a file to be joined with others.

The process that makes the whole output has made the file or folder, and commits it. A part may be
written more than once, also at the same time: its bytes are the same each time.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, cast

from noisify.core.overriding import override
from noisify.files.file_output import FileOutput
from noisify.files.folder_output import FolderOutput
from noisify.files.output_interface import Output
from noisify.files.write_behind import OwnedInPieces

if TYPE_CHECKING:
    from pathlib import Path


class PartOfFile(Output):
    """A range of a file, written from its start to its end.

    Args:
        path: The file.
        place: The offset of the range.
        source: The input.
    """

    def __init__(self, path: Path, place: int | None, source: Path | None) -> None:  # noqa: ARG002 - as the others
        self.name = str(path)
        self._path = path
        self.start = place or 0

    @override
    def open(self) -> None:
        """Open the file at the start of the range."""
        self.file = self.open_ranges()

    @override
    def local_path(self) -> Path:
        """Return the file, in which the range starts at `start`."""
        return self._path

    @override
    def open_ranges(self) -> BinaryIO:
        """Open the file without reserving space in it, which would cut off what others write."""
        descriptor = os.open(self._path, os.O_WRONLY | getattr(os, "O_BINARY", 0))
        os.lseek(descriptor, self.start, os.SEEK_SET)
        return cast("BinaryIO", OwnedInPieces(self.name, descriptor))

    @override
    def commit(self) -> None:
        """Sync the file, so that other machines see what was written, and close it."""
        os.fsync(self.file.fileno())
        self.file.close()

    @override
    def discard(self) -> None:
        """Close the file."""
        if hasattr(self, "file"):
            self.file.close()


class PartOfFolder(FolderOutput):
    """Some files of a folder.

    Args:
        path: The folder.
        place: Not known.
        source: The folder that is read.
    """

    def __init__(self, path: Path, place: int | None, source: Path | None) -> None:  # noqa: ARG002 - as the others
        self.name = str(path)
        self.folder = path
        self._source = None if source is None else source.resolve()

    @override
    def open(self) -> None:
        """Do nothing: the folder is there."""

    @override
    def commit(self) -> None:
        """Do nothing: the files are complete."""

    @override
    def discard(self) -> None:
        """Do nothing: who made the folder removes it."""


class PartToJoin(FileOutput):
    """A file of its own, which lives until it is joined with others.

    Args:
        path: The file.
        place: Not known.
        source: The input.
    """

    def __init__(self, path: Path, place: int | None, source: Path | None) -> None:  # noqa: ARG002 - as the others
        super().__init__(path)

    @override
    def sync(self) -> None:
        """Close the file; it need not survive a power cut."""
        self.file.close()

    @override
    def sync_name(self) -> None:
        """Do nothing, likewise."""

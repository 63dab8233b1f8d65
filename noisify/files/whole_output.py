"""Outputs of parts: a range of a file, some files of a folder, or a file to be joined with others.

The process that makes the whole output has made the file or folder, and commits it. A part may be
written more than once, also at the same time: its bytes are the same each time.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from tempfile import mkdtemp
from typing import BinaryIO, cast

from noisify.core.overriding import override
from noisify.files.file_output import FileOutput
from noisify.files.folder_output import FolderOutput, make_within, walk
from noisify.files.output_interface import Output
from noisify.files.temporary import remove_folder
from noisify.files.write_behind import OwnedInPieces, WrittenBehind, write_all

_OWN = 0o700
_READ_BYTES = 1 << 18


class PartOfFile(Output):
    """A range of a file, written from its start to its end.

    Args:
        path: The file.
        place: The offset of the range.
    """

    def __init__(self, path: Path, place: int | None = 0, *_: object) -> None:
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
        return cast("BinaryIO", WrittenBehind(self.name, descriptor))

    def copy_from(self, file: BinaryIO, size: int) -> int:
        """Copy up to `size` bytes from another file's position; return how many there were.

        `copy_file_range` locks the file while it reads too: two processes that copied to one file
        took three times as long.
        """
        left = size
        while left and (data := file.read(min(left, _READ_BYTES))):
            write_all(self.file, data)
            left -= len(data)
        return size - left

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
    """Some files of a folder, written in a folder of their own and renamed when complete.

    Args:
        path: The folder.
        source: The folder that is read.
    """

    def __init__(self, path: Path, _: int | None, source: Path | None) -> None:
        self.name = str(path)
        self._whole = path
        self._source = source.resolve() if isinstance(source, Path) else None

    @override
    def open(self) -> None:
        """Create the folder of the part, in the one for all parts."""
        self.folder = Path(mkdtemp(dir=folder_of_parts(self._whole)))

    @override
    def commit(self) -> None:
        """Move all files to the whole folder, where the same may be already."""
        for path in walk(self.folder):
            relative = path.relative_to(self.folder)
            if path.is_dir() and not path.is_symlink():
                path.chmod(_OWN)
                make_within(self._whole, relative)
            else:
                path.replace(self._whole / relative)
        self.discard()

    @override
    def discard(self) -> None:
        """Remove the folder of the part; that of all parts too if the run has ended.

        Libraries make it again if they write a file after it was removed.
        """
        if hasattr(self, "folder"):
            remove_folder(self.folder)
        if not self._whole.exists():
            with contextlib.suppress(OSError):
                folder_of_parts(self._whole).rmdir()


def folder_of_parts(whole: Path) -> Path:
    """Return where the parts of a file or folder are made, beside it."""
    return whole.with_name(f"{whole.name}.parts")


class PartToJoin(FileOutput):
    """A file of its own, which lives until it is joined with others.

    Args:
        path: The file.
    """

    def __init__(self, path: Path, *_: object) -> None:
        super().__init__(path)

    @override
    def _wrapped(self, descriptor: int) -> BinaryIO:
        """Return the file; the disk need not write what is removed when it has been joined."""
        return cast("BinaryIO", OwnedInPieces(self.name, descriptor))

    @override
    def complete(self) -> None:
        """Close the file: a run may have more outputs than the system allows open files."""
        self.file.close()

    @override
    def sync(self) -> None:
        """Close the file; it need not survive a power cut."""
        self.file.close()

    @override
    def sync_name(self) -> None:
        """Do nothing: the name need not survive a power cut either."""

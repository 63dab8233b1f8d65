"""A folder as an output by URL: made in a temporary folder, and uploaded when complete.

Object stores have no folders that could be renamed. So files are uploaded with those that describe
the others last: a reader that finds the description finds all that it describes.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from noisify.core import urls
from noisify.core.errors import NoisifyError, UsageError
from noisify.files.folder_output import FolderOutput
from noisify.files.remote_output import check_writable
from noisify.files.temporary import new_temporary_path, register, remove_folder
from noisify.files.transport import Location, remote_errors

_DESCRIBES = {"zarr.json", ".zgroup", ".zarray", ".zattrs", ".zmetadata", "_metadata", "_SUCCESS"}


class RemoteFolderOutput(FolderOutput):
    """A folder with a URL; there must be nothing in it.

    Args:
        source: The input folder; None if it is not local.
        target: The URL.

    Raises:
        UsageError: If it cannot be written by URL, or something is there.
    """

    def __init__(self, source: Path | None, target: str) -> None:
        self.name = urls.redacted(target)
        self._source = source
        check_writable(target)
        self._location = Location(target)
        with remote_errors(target, "written"):
            self._location.forget()
            if self._location.list_files():
                raise UsageError("is a folder with files in it; give another name", path=self.name)
        self.folder = new_temporary_path()
        self._uploaded: list[str] = []

    def open(self) -> None:
        """Create the temporary folder."""
        register(self.folder).mkdir(0o700)

    def commit(self) -> None:
        """Upload all files, and remove the temporary folder."""
        names = [
            (Path(place) / name).relative_to(self.folder)
            for place, _, files in os.walk(self.folder)
            for name in files
        ]
        with remote_errors(self._location.url, "written"):
            for name in sorted(names, key=_when):
                self._uploaded.append(name.as_posix())
                self._location.upload(self.folder / name, name.as_posix())
        self._uploaded.clear()
        remove_folder(self.folder)

    def discard(self) -> None:
        """Remove what was uploaded, and the temporary folder."""
        while self._uploaded:
            name = self._uploaded.pop()
            with contextlib.suppress(NoisifyError), remote_errors(self._location.url, "removed"):
                self._location.remove(name)
        remove_folder(self.folder)


def _when(name: Path) -> tuple[bool, int, str]:
    """Order files: first data, then descriptions, the innermost first."""
    return name.name in _DESCRIBES, -len(name.parts), name.as_posix()

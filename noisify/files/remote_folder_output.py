"""A folder as an output by URL: made in a temporary folder, and uploaded when complete.

Object stores have no folders that could be renamed. So files are uploaded with those that describe
the others last: a reader that finds the description finds all that it describes. Until all are
there, a marker says that the folder is incomplete; what a run that was killed has left is replaced.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from noisify.core import urls
from noisify.core.errors import NoisifyError, UsageError
from noisify.files.folder_input import RemoteFolder
from noisify.files.folder_output import FolderOutput
from noisify.files.remote_output import check_writable
from noisify.files.temporary import new_temporary_path, register, remove_folder
from noisify.files.transport import Location, remote_errors

_INCOMPLETE = ".noisify.incomplete"
"""The name of the marker, which engines ignore as they do all hidden files."""
_DESCRIBES = {"zarr.json", ".zgroup", ".zarray", ".zattrs", ".zmetadata", "_metadata", "_SUCCESS"}


class RemoteFolderOutput(FolderOutput):
    """A folder with a URL; there must be nothing in it but what a run that was killed has left.

    Args:
        source: The input folder.
        target: The URL.

    Raises:
        UsageError: If it cannot be written by URL, something is there, or it is in the input.
    """

    def __init__(self, source: Path | RemoteFolder, target: str) -> None:
        self.name = urls.redacted(target)
        self._source = source if isinstance(source, Path) else None
        check_writable(target)
        if isinstance(source, RemoteFolder) and target.startswith(f"{source.url}/"):
            raise UsageError(f"would be inside the input {source}; write elsewhere", path=self.name)
        self._location = Location(target)
        with remote_errors(target, "written"):
            self._location.forget()
            self._left = set(self._location.list_files())
        if self._left and _INCOMPLETE not in self._left:
            raise UsageError("is a folder with files in it; give another name", path=self.name)
        self.folder = new_temporary_path()
        self._uploaded: list[str] = []

    def open(self) -> None:
        """Create the temporary folder."""
        register(self.folder).mkdir(0o700)

    def commit(self) -> None:
        """Replace what is left of an earlier run by all files, and remove the temporary folder."""
        names = [
            (Path(place) / name).relative_to(self.folder)
            for place, _, files in os.walk(self.folder)
            for name in files
        ]
        with remote_errors(self._location.url, "written"):
            self._uploaded.append(_INCOMPLETE)
            self._location.put(_INCOMPLETE, b"")
            for left in sorted(self._left - {_INCOMPLETE}):
                self._location.remove(left)
            for name in sorted(names, key=_when):
                self._uploaded.append(name.as_posix())
                self._location.upload(self.folder / name, name.as_posix())
            self._location.remove(_INCOMPLETE)
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

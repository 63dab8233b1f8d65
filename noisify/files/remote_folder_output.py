"""A folder as an output by URL: made in a temporary folder, and uploaded when complete.

Object stores have no folders that could be renamed. So files are uploaded with those that describe
the others last: a reader that finds the description finds all that it describes. Until all are
there, a marker says that the folder is incomplete; what a run that was killed has left is replaced.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from noisify.core import urls
from noisify.core.errors import NoisifyError, UsageError
from noisify.core.overriding import override
from noisify.files.folder_input import RemoteFolder, copy_files, names_in
from noisify.files.folder_output import UNRECORDED, FolderOutput
from noisify.files.remote_output import check_writable
from noisify.files.temporary import new_temporary_path, register, remove_folder
from noisify.files.transport import Location, remote_errors

if TYPE_CHECKING:
    from collections.abc import Collection

    from noisify.files.folder_output import FolderRecord

INCOMPLETE = ".noisify.incomplete"
"""The name of the marker, which engines ignore as they do all hidden files."""
_DESCRIBES = {"zarr.json", ".zgroup", ".zarray", ".zattrs", ".zmetadata", "_SUCCESS"}


def has_complete_files(url: str) -> bool:
    """Return whether a folder with a URL has files, and no run was killed while it made them.

    Raises:
        NoisifyError: If its server does not answer.
    """
    with remote_errors(url, "written"):
        return _is_complete(Location(url).list_files())


def _is_complete(files: Collection[str]) -> bool:
    return bool(files) and INCOMPLETE not in files


class RemoteFolderOutput(FolderOutput):
    """A folder with a URL; there must be nothing in it but what a run that was killed has left.

    Args:
        source: The input folder.
        target: The URL.
        record: Records the folder before it is complete, and may let it replace another.

    Raises:
        UsageError: If it cannot be written by URL, something is there, or it is in the input.
    """

    def __init__(
        self, source: Path | RemoteFolder, target: str, record: FolderRecord = UNRECORDED
    ) -> None:
        self.name = urls.redacted(target)
        self._record = record
        self._source = source if isinstance(source, Path) else None
        check_writable(target)
        if isinstance(source, RemoteFolder) and target.startswith(f"{source.url}/"):
            raise UsageError(f"would be inside the input {source}; write elsewhere", path=self.name)
        self._location = Location(target)
        with remote_errors(target, "written"):
            self._check_new()
        self.folder = new_temporary_path()
        self._uploaded: list[str] = []
        self._run = os.urandom(8)
        self._shared = False

    def open(self) -> None:
        """Create the temporary folder."""
        register(self.folder).mkdir(0o700)

    def _check_new(self) -> None:
        if _is_complete(self._location.list_files()) and not self._record.replaces:
            raise self._record.refuse(self.name)

    def _start(self) -> None:
        """Mark it as incomplete, and remove what other runs have left.

        What is there is listed once more: another run may have made the folder meanwhile. One that
        still uploads stops at the marker.
        """
        self._check_new()
        self._uploaded.append(INCOMPLETE)
        self._location.put(INCOMPLETE, self._run)
        for left in sorted(self._location.list_files().keys() - {INCOMPLETE}):
            self._location.remove(left)

    def share_out(self, run: bytes) -> None:
        """Let other processes upload all files but those that describe others.

        Args:
            run: A token that tells them from processes of an earlier run that still run.
        """
        self._run, self._shared = run, True
        with remote_errors(self._location.url, "written"):
            self._start()

    def add_descriptions(self, source: Path) -> None:
        """Copy the files that describe others from the input, to be uploaded at the end."""
        names = [name for name in names_in(source) if PurePosixPath(name).name in _DESCRIBES]
        copy_files(source, self.folder, names)

    def _is_mine(self) -> bool:
        """Return whether the marker has the run's token: no other run has begun or ended it."""
        with contextlib.suppress(FileNotFoundError):
            return self._location.get(INCOMPLETE) == self._run
        return False

    def _check_run(self) -> None:
        if not self._is_mine():
            raise NoisifyError("is no longer written by this run", path=self.name)

    def _names(self) -> list[Path]:
        """Return the paths of the files in the temporary folder, in the order of their upload."""
        paths = (Path(place) / name for place, _, files in os.walk(self.folder) for name in files)
        return sorted((path.relative_to(self.folder) for path in paths), key=_when)

    def _upload(self, name: Path) -> None:
        self._location.upload(self.folder / name, name.as_posix())

    def commit(self) -> None:
        """Upload all files, unmark it, and remove the temporary folder."""
        with remote_errors(self._location.url, "written"):
            if not self._shared:
                self._start()
            for name in self._names():
                self._check_run()
                self._uploaded.append(name.as_posix())
                self._upload(name)
            self._check_run()
            self._record.write(self._location.url)
            self._location.remove(INCOMPLETE)
        self._uploaded.clear()
        remove_folder(self.folder)

    def discard(self) -> None:
        """Remove the temporary folder, and what was uploaded, unless another run has begun."""
        if self._uploaded:
            with contextlib.suppress(NoisifyError), remote_errors(self._location.url, "read"):
                if not self._is_mine():
                    self._uploaded.clear()
                elif self._shared:
                    self._uploaded += self._location.list_files().keys() - {INCOMPLETE}
        while self._uploaded:
            name = self._uploaded.pop()
            with contextlib.suppress(NoisifyError), remote_errors(self._location.url, "removed"):
                self._location.remove(name)
        remove_folder(self.folder)


class PartOfRemoteFolder(RemoteFolderOutput):
    """Some files of a folder with a URL, all but those that describe others.

    Args:
        run: The token of the run, which is the content of the folder's marker.
        target: The URL.
        source: The folder that is read.
    """

    def __init__(self, run: bytes, target: str, _: int | None, source: Path | RemoteFolder) -> None:
        self._run = run
        self.name = urls.redacted(target)
        self._source = source if isinstance(source, Path) else None
        self._location = Location(target)
        self.folder = new_temporary_path()

    @override
    def commit(self) -> None:
        """Upload the files, each only if the run that makes the folder has not ended.

        If it has, another run may have begun, or have finished with other noise.
        """
        with remote_errors(self._location.url, "written"):
            for name in self._names():
                if name.name not in _DESCRIBES:
                    self._check_run()
                    self._upload(name)
        self.discard()

    @override
    def discard(self) -> None:
        """Remove the temporary folder."""
        remove_folder(self.folder)


def _when(name: Path) -> tuple[bool, int, str]:
    """Order files: first data, then descriptions, the innermost first."""
    return name.name in _DESCRIBES, -len(name.parts), name.as_posix()

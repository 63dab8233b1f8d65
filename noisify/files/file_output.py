"""A regular file as an output: written beside the target, and renamed over it on success."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
from pathlib import Path
from typing import BinaryIO, cast

from noisify.core.errors import NoisifyError, exists_error
from noisify.files.output_interface import Output
from noisify.files.temporary import register, remove, unregister
from noisify.files.write_behind import WrittenBehind, open_written_behind, written_behind

_LONGEST_NAME = 200
"""The most bytes of the target's name used in its temporary file's; file systems allow 255."""
_BINARY = getattr(os, "O_BINARY", 0)
_NEW_FILE = 0o666
_OWN = 0o600
_DISK_FAILS = {errno.EIO, errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_NOTHING = cast("BinaryIO", io.BytesIO())
"""A placeholder for the file of an output that is not open yet."""


class FileOutput(Output):
    """A regular file: written beside the target, synced, given its mode, renamed over it.

    Args:
        target: The file to make or replace; for a symbolic link, the file it points to.
        clobber: Whether an existing file may be replaced.
        unsynced: Collects the folder, for the caller to sync; else `commit` syncs it.

    Raises:
        NoisifyError: If the folder cannot be written.
        UsageError: If the file exists and `clobber` is False.
    """

    def __init__(
        self, target: str | Path, *, clobber: bool = True, unsynced: set[Path] | None = None
    ) -> None:
        self.name = str(target)
        self._target = Path(os.path.realpath(target))
        self._clobber = clobber
        self._unsynced = unsynced
        self._synced = False
        if not clobber and self._target.exists():
            raise exists_error(self.name)
        self._temporary = self._target.with_name(f"{new_name_beside(self._target)}.tmp")
        self.file = _NOTHING

    def open(self) -> None:
        """Create the temporary file, never more readable than the file it will replace."""
        mode = _OWN if self.model().exists() else _NEW_FILE
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY
        made = os.open(register(self._temporary), flags, mode)
        self.file = self._wrapped(made)

    def _wrapped(self, descriptor: int) -> BinaryIO:
        """Return the file to write to; the system begins to write it to the disk meanwhile."""
        return written_behind(self._temporary, descriptor)

    def model(self) -> Path:
        """Return the file whose mode is copied, if it exists: the one to be replaced."""
        return self._target

    def local_path(self) -> Path:
        """Return the temporary file's path."""
        self.file.close()
        return self._temporary

    def trim_preallocation(self) -> None:
        """Release the disk space reserved beyond the end of the file."""
        if not self.file.closed:
            self.file.flush()

    def written(self) -> Path:
        """Return the temporary file's path, where what was written can be read."""
        self.trim_preallocation()
        return self._temporary

    def complete(self) -> None:
        """Start writing the file to the disk."""
        if self.file.closed:
            self.file = open_written_behind(self._temporary)
        self.file.flush()
        cast("WrittenBehind", self.file).start_writing()
        self.file.close()  # a run may have more outputs than the system allows open files

    def sync(self) -> None:
        """Sync the temporary file and close it."""
        if self.file.closed:
            _sync(self._temporary, os.O_RDWR | _BINARY)
        else:
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
        self._synced = True

    def commit(self) -> None:
        """Sync the temporary file, give it the old file's mode and rename it to the target."""
        if not self._synced:
            self.sync()
        with contextlib.suppress(FileNotFoundError):
            self._take_mode(self.model().stat())
        if self._clobber:
            self._temporary.replace(self._target)
            unregister(self._temporary)
        else:
            self._claim_new_name()
        self.sync_name()

    def _take_mode(self, old: os.stat_result) -> None:
        """Give the temporary file the old file's mode and, where permitted, owner and group.

        If the group could not be kept, the new group gets no more rights than others had.
        """
        mode = stat.S_IMODE(old.st_mode)
        with contextlib.suppress(OSError, AttributeError):
            os.chown(self._temporary, old.st_uid, old.st_gid)
        new = self._temporary.stat()
        if new.st_uid != old.st_uid:
            mode &= ~stat.S_ISUID
        if new.st_gid != old.st_gid:
            mode &= ~(stat.S_IRWXG | stat.S_ISGID) | (mode & stat.S_IRWXO) << 3
        self._temporary.chmod(mode)

    def sync_name(self) -> None:
        """Sync the folder, so that the file's name survives a power cut, or note it as unsynced."""
        if self._unsynced is None:
            sync_new_names(self._target.parent)
        else:
            self._unsynced.add(self._target.parent)

    def _claim_new_name(self) -> None:
        """Link the temporary file to the target, unless a file of that name appeared meanwhile."""
        try:
            os.link(self._temporary, self._target)
        except FileExistsError:
            raise exists_error(self.name) from None
        remove(self._temporary)

    def discard(self) -> None:
        """Remove the temporary file."""
        try:
            with contextlib.suppress(OSError):
                self.file.close()
        finally:
            remove(self._temporary)


def temporary_stem(target: Path) -> str:
    """Return what the names of a target's temporary files start with; they are hidden."""
    return "." + os.fsencode(target.name)[:_LONGEST_NAME].decode(errors="ignore")


def new_name_beside(target: Path) -> str:
    """Return a hidden, unused name like the target's, short enough to add a suffix to."""
    return f"{temporary_stem(target)}.{os.urandom(6).hex()}"


def _sync(path: Path, flags: int) -> None:
    """Open a file or folder to sync it."""
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that its names survive a power cut, where the system supports it.

    Raises:
        OSError: If the disk fails.
    """
    try:
        _sync(folder, os.O_RDONLY)
    except OSError as error:
        if error.errno in _DISK_FAILS:
            raise


def sync_new_names(folder: Path) -> None:
    """Sync a folder of complete new files; they stay even if that fails.

    Raises:
        NoisifyError: If the disk fails.
    """
    try:
        sync_folder(folder)
    except OSError as error:
        raise NoisifyError(
            f"cannot be synced: {error.strerror}; what was written there is complete, and may be "
            "lost at a power cut",
            path=folder,
        ) from None

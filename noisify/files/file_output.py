"""A regular file as an output: written beside the target, and renamed over it on success."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
from pathlib import Path
from typing import BinaryIO, cast

from noisify.core.errors import NoisifyError, UsageError
from noisify.files.output_interface import Output
from noisify.files.temporary import is_kept, remove, will_make
from noisify.files.write_behind import WrittenBehind, open_written_behind, written_behind

_LONGEST_NAME = 200
"""Bytes of the target's name in that of its temporary file; file systems take 255 bytes."""
_NEW_FILE = 0o666
_OWN = 0o600
_DISK_FAILS = {errno.EIO, errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_NOTHING = cast("BinaryIO", io.BytesIO())
"""The file of an output that is not open yet."""


class FileOutput(Output):
    """A regular file: written beside the target, synced, given its mode, renamed over it.

    Args:
        target: The file to make or replace; a symbolic link stays and its file is replaced.
        clobber: Whether an existing file may be replaced.
        unsynced: Takes the folder, for the caller to sync; None: `commit` syncs it.

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
            raise UsageError("exists, and --no-clobber keeps it", path=self.name)
        self._temporary = self._target.with_name(f"{new_name_beside(self._target)}.tmp")
        self.file = _NOTHING

    def open(self) -> None:
        """Make the temporary file, which is never more readable than what it is to replace."""
        mode = _OWN if self.model().exists() else _NEW_FILE
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        made = os.open(will_make(self._temporary), flags, mode)
        self.file = written_behind(self._temporary, made)

    def model(self) -> Path:
        """Return the file whose mode this one gets, if it is there: the one that it replaces."""
        return self._target

    def local_path(self) -> Path:
        """Return the temporary file's path."""
        self.file.close()
        return self._temporary

    def trim_preallocation(self) -> None:
        """Give back what was reserved on the disk."""
        if not self.file.closed:
            self.file.flush()

    def written(self) -> Path:
        """Return the temporary file's path; what was written can be read from there."""
        self.trim_preallocation()
        return self._temporary

    def complete(self) -> None:
        """Let the system begin to write."""
        if self.file.closed:
            self.file = open_written_behind(self._temporary)
        self.file.flush()
        cast("WrittenBehind", self.file).start_writing()
        self.file.close()  # there may be more outputs than files may be open

    def sync(self) -> None:
        """Sync the temporary file and close it."""
        if self.file.closed:
            self.file = open_written_behind(self._temporary)
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        self._synced = True

    def commit(self) -> None:
        """Sync the temporary file, give it the old one's mode and put it in its place."""
        if not self._synced:
            self.sync()
        with contextlib.suppress(FileNotFoundError):
            self._take_mode(self.model().stat())
        if self._clobber:
            self._temporary.replace(self._target)
            is_kept(self._temporary)
        else:
            self._claim_new_name()
        self.sync_name()

    def _take_mode(self, old: os.stat_result) -> None:
        """Give the temporary file an old one's owner, as far as we may, and its mode.

        Where the group is another one, it may do no more than anybody could before.
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
        """Let the file's name outlive a power cut."""
        if self._unsynced is None:
            sync_new_names(self._target.parent)
        else:
            self._unsynced.add(self._target.parent)

    def _claim_new_name(self) -> None:
        """Take the target's name only if nobody has taken it meanwhile."""
        try:
            os.link(self._temporary, self._target)
        except FileExistsError:
            raise UsageError("exists, and --no-clobber keeps it", path=self.name) from None
        remove(self._temporary)

    def discard(self) -> None:
        """Remove the temporary file."""
        try:
            with contextlib.suppress(OSError):
                self.file.close()
        finally:
            remove(self._temporary)


def new_name_beside(target: Path) -> str:
    """Return a hidden, unused name like a target's, with room for a suffix of four characters."""
    stem = os.fsencode(target.name)[:_LONGEST_NAME].decode(errors="ignore")
    return f".{stem}.{os.urandom(6).hex()}"


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that its names outlive a power cut; not every system can.

    Raises:
        OSError: If the disk fails.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in _DISK_FAILS:
            raise


def sync_new_names(folder: Path) -> None:
    """Sync a folder whose new files are complete, and stay whatever comes of it.

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

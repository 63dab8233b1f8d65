"""Where data goes: beside the target and renamed over it on success, or to standard output."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from noisify.core.errors import NoisifyError, UsageError
from noisify.files.input import new_temporary_path
from noisify.files.write_behind import (
    InPieces,
    WrittenBehind,
    open_written_behind,
    write_all,
    written_behind,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from noisify.files.codecs import Compression
    from noisify.files.compress import CompressedFile

STANDARD_OUTPUT = "-"
_LONGEST_NAME = 200
"""Bytes of the target's name in that of its temporary file; file systems take 255 bytes."""
_COPY_BYTES = 1 << 20
_NEW_FILE = 0o666
_OWN = 0o600
_DISK_FAILS = {errno.EIO, errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_NOTHING = cast("BinaryIO", io.BytesIO())
"""The file of an output that is not open yet."""


class Output(ABC):
    """What a format writes to; a context manager that keeps the result only on success.

    Attributes:
        name: What to call it in messages.
        file: The open file, for formats that write from start to end.
    """

    name: str
    file: BinaryIO

    @abstractmethod
    def local_path(self) -> Path:
        """Return the path of a regular file to write instead of `file`, closed by then."""

    def give_room_back(self) -> None:  # noqa: B027 - most have reserved none
        """Give back what was reserved for more, now that all has been written."""

    def complete(self) -> None:  # noqa: B027 - most keep nothing back
        """Write what was kept back, and let the system begin to write; `commit` does it too."""

    def sync(self) -> None:  # noqa: B027 - only files can be synced
        """Sync what was completed, so that `commit` need not."""

    def written(self) -> Path | None:
        """Return the path of what `file` was given so far, to read it back; None: it has none."""
        return None

    @abstractmethod
    def commit(self) -> None:
        """Make what was written the result."""

    @abstractmethod
    def discard(self) -> None:
        """Leave things as they were before; may be called at any time, and more than once."""

    def open(self) -> None:  # noqa: B027 - most are open from the start
        """Make what is written to."""

    def __enter__(self) -> Self:
        """Open it."""
        try:
            with naming(self):
                self.open()
        except BaseException:  # a signal too must not leave anything behind
            self.discard()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Commit if all went well, discard otherwise."""
        if error is not None:
            self.discard()
            return
        try:
            with naming(self):
                self.commit()
        except BaseException:  # a signal too must leave things as they were
            self.discard()
            raise


@contextlib.contextmanager
def naming(output: Output | str) -> Iterator[None]:
    """Let a failure to write name the output, or the file; a closed pipe is no failure.

    Raises:
        NoisifyError: Instead of an OSError.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        name = output if isinstance(output, str) else output.name
        raise NoisifyError(f"cannot be written: {reason}", path=name) from None


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
        self.file = written_behind(self._temporary, os.open(self._temporary, flags, mode))

    def model(self) -> Path:
        """Return the file whose mode this one gets, if it is there: the one that it replaces."""
        return self._target

    def local_path(self) -> Path:
        """Return the temporary file's path."""
        self.file.close()
        return self._temporary

    def give_room_back(self) -> None:
        """Give back what was reserved on the disk."""
        if not self.file.closed:
            self.file.flush()

    def written(self) -> Path:
        """Return the temporary file's path; what was written can be read from there."""
        self.give_room_back()
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
            sync_folder(self._target.parent)
        else:
            self._unsynced.add(self._target.parent)

    def _claim_new_name(self) -> None:
        """Take the target's name only if nobody has taken it meanwhile."""
        try:
            os.link(self._temporary, self._target)
        except FileExistsError:
            raise UsageError("exists, and --no-clobber keeps it", path=self.name) from None
        _remove(self._temporary)

    def discard(self) -> None:
        """Remove the temporary file."""
        try:
            with contextlib.suppress(OSError):
                self.file.close()
        finally:
            _remove(self._temporary)


class StreamOutput(Output):
    """Standard output, a pipe or a device: what is written cannot be taken back."""

    def __init__(self, file: BinaryIO, name: str, *, close: bool) -> None:
        self.name = self._own_name = name
        self.file = file
        self._close = close
        self._local: Path | None = None

    def local_path(self) -> Path:
        """Return a temporary file's path, which `commit` copies over."""
        self._local = new_temporary_path()
        self.name += _made_in(self._local.parent)
        self._local.touch(mode=0o600)
        return self._local

    def commit(self) -> None:
        """Copy the temporary file, if any, and flush."""
        if self._local is not None:
            self.name = self._own_name
            _copy_and_remove(self._local, self.file)
        self.file.flush()
        if self._close:
            self.file.close()

    def discard(self) -> None:
        """Remove the temporary file, if any."""
        if self._local is not None:
            _remove(self._local)
        if self._close:
            with contextlib.suppress(OSError):
                self.file.close()


class CompressedOutput(Output):
    """An output that is compressed on its way into another.

    Args:
        outer: Takes the compressed bytes.
        compression: How to compress.
        jobs: Worker threads that may compress.
    """

    def __init__(self, outer: Output, compression: Compression, jobs: int) -> None:
        self.name = outer.name
        self._outer = outer
        self._compression = compression
        self._jobs = jobs
        self._local: Path | None = None
        self._completed = False
        self._packed: CompressedFile | None = None

    def open(self) -> None:
        """Open the other output."""
        from noisify.files.compress import CompressedFile  # noqa: PLC0415 - loads the codecs

        self._outer.open()
        self._packed = CompressedFile(self._outer.file, self._compression, self._jobs)
        self.file = cast("BinaryIO", self._packed)

    def local_path(self) -> Path:
        """Return a temporary file's path, which `commit` compresses."""
        self._local = new_temporary_path()
        self.name += _made_in(self._local.parent)
        self._local.touch(mode=0o600)
        return self._local

    def give_room_back(self) -> None:
        """Let the other output give back what it reserved."""
        self._outer.give_room_back()

    def complete(self) -> None:
        """Compress the temporary file, if any, and what is left."""
        if self._local is not None:
            self.name = self._outer.name
            _copy_and_remove(self._local, self.file)
        cast("CompressedFile", self._packed).finish()
        self._outer.complete()
        self._completed = True

    def sync(self) -> None:
        """Sync the other output."""
        self._outer.sync()

    def commit(self) -> None:
        """Complete and commit the other output."""
        if not self._completed:
            self.complete()
        self._outer.commit()

    def discard(self) -> None:
        """Stop compressing and discard the other output."""
        try:
            if self._packed is not None:
                self._packed.close()
        finally:
            if self._local is not None:
                _remove(self._local)
            self._outer.discard()


class Outputs(contextlib.ExitStack):
    """The outputs of one input: kept once it is closed, or discarded after a failure."""

    def __init__(self) -> None:
        super().__init__()
        self._opened: list[Output] = []

    def open(self, output: Output) -> Output:
        """Open an output that will be kept or discarded with the others."""
        self.push(output)  # before it makes anything: a signal in between leaves nothing behind
        output.__enter__()
        self._opened.append(output)
        return output

    def complete(self) -> None:
        """Write what was kept back, and let the system begin to write."""
        for output in self._opened:
            with naming(output):
                output.complete()

    def sync(self) -> None:
        """Sync the outputs, so that closing need not."""
        for output in self._opened:
            with naming(output):
                output.sync()


def open_output(
    target: str | Path,
    *,
    inputs: Iterable[str | Path] = (),
    clobber: bool = True,
    compression: Compression | None = None,
    jobs: int = 1,
    unsynced: set[Path] | None = None,
) -> Output:
    """Open an output.

    Args:
        target: A path, or `-` for standard output.
        inputs: The inputs it must not be, under whatever name; empty when that is asked for.
        clobber: Whether an existing file may be replaced.
        compression: How to compress it; None: not at all.
        jobs: Worker threads that may compress.
        unsynced: Takes the folders of new names, for the caller to sync; None: `commit` does.

    Raises:
        UsageError: If it is an input too, or exists and `clobber` is False.
        NoisifyError: If it cannot be written.
    """
    output = _open_plain(target, inputs, clobber=clobber, unsynced=unsynced)
    return output if compression is None else CompressedOutput(output, compression, jobs)


def _open_plain(
    target: str | Path,
    inputs: Iterable[str | Path],
    *,
    clobber: bool,
    unsynced: set[Path] | None,
) -> Output:
    """Open an output that takes its bytes as they are.

    Raises:
        UsageError: If it is an input too, or exists and `clobber` is False.
        NoisifyError: If it cannot be written.
    """
    if str(target) == STANDARD_OUTPUT:
        if sys.stdout is None:
            raise NoisifyError("is closed; name an output with -o FILE", path="standard output")
        output = StreamOutput(_unbuffered_standard_output(), "standard output", close=False)
        for other in inputs:
            if str(other) != "-" and _is_open_as(output.file, other):
                raise UsageError(f"standard output is also the input {other}; write elsewhere")
        return output
    for other in inputs:
        if str(other) != "-" and _same_file(target, other):
            raise UsageError(
                f"is also the input {other}; give another name, or --in-place to replace it",
                path=str(target),
            )
    path = Path(target)
    try:
        if path.is_dir():
            raise NoisifyError("is a directory; give a file name, or --output-dir", path=path)
        if path.exists() and not path.is_file():
            return StreamOutput(path.open("wb", 0), str(path), close=True)
    except OSError as error:
        raise NoisifyError(f"cannot be written: {error.strerror}", path=path) from None
    return FileOutput(path, clobber=clobber, unsynced=unsynced)


def new_name_beside(target: Path) -> str:
    """Return a hidden, unused name like a target's, with room for a suffix of four characters."""
    stem = os.fsencode(target.name)[:_LONGEST_NAME].decode(errors="ignore")
    return f".{stem}.{os.urandom(6).hex()}"


def _made_in(folder: Path) -> str:
    """Return what messages add of an output while it is made elsewhere, where room may run out."""
    return f" (made in {folder} first; TMPDIR can name another folder)"


def _remove(path: Path) -> None:
    """Remove a temporary file, if it is there and can be removed."""
    with contextlib.suppress(OSError):
        path.unlink()


def _copy_and_remove(path: Path, file: BinaryIO) -> None:
    with path.open("rb") as copied:
        while data := copied.read(_COPY_BYTES):
            write_all(file, data)
    path.unlink()


def _unbuffered_standard_output() -> BinaryIO:
    sys.stdout.flush()
    raw = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
    with contextlib.suppress(OSError):  # not every stream is a file
        descriptor = raw.fileno()
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return cast("BinaryIO", InPieces("standard output", descriptor))
    return cast("BinaryIO", raw)


def _same_file(one: str | Path, other: str | Path) -> bool:
    with contextlib.suppress(OSError):
        return Path(one).samefile(other)
    return False


def _is_open_as(file: BinaryIO, path: str | Path) -> bool:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        opened = os.fstat(file.fileno())
        return stat.S_ISREG(opened.st_mode) and os.path.samestat(opened, Path(path).stat())
    return False


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that a rename in it outlives a power cut; not every system can.

    Raises:
        NoisifyError: If the disk fails. What was renamed is there nevertheless.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in _DISK_FAILS:
            raise NoisifyError(
                f"cannot be synced: {error.strerror}; what was written there is complete, and may "
                "be lost at a power cut",
                path=folder,
            ) from None

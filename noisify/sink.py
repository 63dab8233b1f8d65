"""Where data goes: beside the target and renamed over it on success, or to standard output."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import sys
from abc import ABC, abstractmethod
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO, Self, cast

from noisify.errors import NoisifyError, UsageError
from noisify.inputs import new_temporary_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from noisify.compression import Compression

STANDARD_OUTPUT = "-"
_LONGEST_NAME = 200
_WAITING_BYTES = 1 << 23
_SYNC_FILE_RANGE_WRITE = 2
_RESERVED_BYTES = 1 << 25
_ROOM_BYTES = 1 << 30
_FALLOC_FL_KEEP_SIZE = 1
_COPY_BYTES = 1 << 20
_PIECE_BYTES = 1 << 18


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

    @abstractmethod
    def commit(self) -> None:
        """Make what was written the result."""

    @abstractmethod
    def discard(self) -> None:
        """Leave things as they were before."""

    def __enter__(self) -> Self:
        """Return itself."""
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


class _InPieces(io.RawIOBase):
    """A file that is handed to the system in pieces that are not too large.

    For a large piece Linux finds its page cache memory in pieces as large. In a virtual machine
    those are the ones that it has given back to its host, which has to fetch them again: it took
    twice as long to write 1 GB.

    Args:
        name: What to call it.
        descriptor: The open file, at its start or wherever it is to go on.
    """

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self._descriptor = descriptor
        self._place = os.lseek(descriptor, 0, os.SEEK_CUR)

    def fileno(self) -> int:
        return self._descriptor

    def writable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._place = os.lseek(self._descriptor, offset, whence)
        return self._place

    def write(self, data: Any) -> int:  # noqa: ANN401
        view = memoryview(data)
        if not view.nbytes:
            return 0
        view = view.cast("B")
        done = 0
        while done < len(view):
            count = os.write(self._descriptor, view[done : done + _to_border(self._place)])
            done += count
            self._place += count
            self._wrote(count, self._place)
        return done

    def _wrote(self, count: int, end: int) -> None:
        """Take note that `count` bytes were written before `end`."""


def _to_border(place: int) -> int:
    """Return how many bytes may be written to a place at once: as far as the next whole piece."""
    return _PIECE_BYTES - place % _PIECE_BYTES


class _WrittenBehind(_InPieces):
    """A file whose data go to the disk while more are being made, not all at the end.

    Without it, syncing a large output takes as long again as a good part of the run. Room for what
    comes next is reserved ahead, so that the system need not look for it with every page; not where
    room is short, and might be wanted elsewhere. What is left of it is given back when the file is
    flushed; the file's size is never more than what is in it.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        super().__init__(str(path), descriptor)
        self._waiting = 0
        self._reserved = 0
        self._counting = Lock()
        self._seeking = Lock()

    def write_at(self, data: memoryview, place: int) -> None:
        """Write at a place, whatever other threads do; `write` goes on where it would have."""
        if not hasattr(os, "pwrite"):
            with self._seeking:
                here = self.seek(0, os.SEEK_CUR)
                self.seek(place)
                self.write(data)
                self.seek(here)
                return
        while data:
            count = os.pwrite(self._descriptor, data[: _to_border(place)], place)
            data, place = data[count:], place + count
            self._wrote(count, place)

    def _wrote(self, count: int, end: int) -> None:
        """Let the system begin to write, and reserve room, whenever enough has come together."""
        with self._counting:
            self._waiting += count
            if self._waiting < _WAITING_BYTES:
                return
            self._waiting = 0
            start = self._reserved
            if short := end + _WAITING_BYTES > start:
                start = max(end, start)
                self._reserved = start + _RESERVED_BYTES
        _start_writing(self._descriptor)
        if short:
            _reserve(self._descriptor, start, _RESERVED_BYTES)

    def flush(self) -> None:
        if self._reserved:
            self._reserved = 0
            os.truncate(self._descriptor, os.fstat(self._descriptor).st_size)

    def close(self) -> None:
        if not self.closed:
            with contextlib.suppress(OSError):  # nothing is lost
                self.flush()
            os.close(self._descriptor)
        super().close()


def _start_writing(descriptor: int) -> None:
    """Let the system begin to write what it holds of a file, where it can be told to.

    To sync now and then would do for that too, but commits the file system's journal each time.
    """
    if (start := _of_linux("sync_file_range")) is not None:
        start(descriptor, 0, 0, _SYNC_FILE_RANGE_WRITE)  # a failure shows in the sync at the end


def _reserve(descriptor: int, start: int, size: int) -> None:
    """Reserve room on a disk that has plenty, if it can be; the file's size stays what it is."""
    if (reserve := _of_linux("fallocate64") or _of_linux("fallocate")) is not None:
        disk = os.fstatvfs(descriptor)
        if disk.f_bavail * disk.f_frsize >= _ROOM_BYTES:
            reserve(descriptor, _FALLOC_FL_KEEP_SIZE, start, size)


@cache
def _of_linux(name: str) -> Callable[[int, int, int, int], int] | None:
    """Return a function of Linux that Python does not offer, or None."""
    if sys.platform != "linux":
        return None
    import ctypes  # noqa: PLC0415 - only large outputs need it

    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        number, offset = ctypes.c_int, ctypes.c_int64
        if name == "sync_file_range":
            function.argtypes = (number, offset, offset, number)
        else:
            function.argtypes = (number, number, offset, offset)
    return cast("Callable[[int, int, int, int], int] | None", function)


def open_written_behind(path: Path) -> BinaryIO:
    """Open an existing file for writing at any place, written behind."""
    return cast("BinaryIO", _WrittenBehind(path, os.open(path, os.O_RDWR)))


class FileOutput(Output):
    """A regular file: written beside the target, synced, given its mode, renamed over it.

    Args:
        target: The file to make or replace; a symbolic link stays and its file is replaced.
        clobber: Whether an existing file may be replaced.

    Raises:
        NoisifyError: If the folder cannot be written.
        UsageError: If the file exists and `clobber` is False.
    """

    def __init__(self, target: str | Path, *, clobber: bool = True) -> None:
        self.name = str(target)
        self._target = Path(os.path.realpath(target))
        self._clobber = clobber
        if not clobber and self._target.exists():
            raise UsageError("exists, and --no-clobber keeps it", path=self.name)
        stem = self._target.name[:_LONGEST_NAME]
        self._temporary = self._target.with_name(f".{stem}.{os.urandom(6).hex()}.tmp")

    def __enter__(self) -> Self:
        """Make the temporary file; here, where a signal cannot come between making and keeping."""
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            descriptor = os.open(self._temporary, flags, 0o666)
            self.file = cast("BinaryIO", _WrittenBehind(self._temporary, descriptor))
        except OSError as error:
            raise NoisifyError(f"cannot be written: {error.strerror}", path=self.name) from None
        except BaseException:  # a signal too must not leave the file
            self._temporary.unlink(missing_ok=True)
            raise
        return self

    def local_path(self) -> Path:
        """Return the temporary file's path."""
        self.file.close()
        return self._temporary

    def give_room_back(self) -> None:
        """Give back what was reserved on the disk."""
        if not self.file.closed:
            self.file.flush()

    def commit(self) -> None:
        """Sync the temporary file, give it the old one's mode and put it in its place."""
        if self.file.closed:
            self.file = self._temporary.open("r+b", 0)
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        with contextlib.suppress(FileNotFoundError):
            old = self._target.stat()
            self._temporary.chmod(stat.S_IMODE(old.st_mode))
            with contextlib.suppress(OSError, AttributeError):  # the owner is kept where we may
                os.chown(self._temporary, old.st_uid, old.st_gid)
                self._temporary.chmod(stat.S_IMODE(old.st_mode))
        if self._clobber:
            self._temporary.replace(self._target)
        else:
            self._claim_new_name()
        self.sync_name()

    def sync_name(self) -> None:
        """Let the file's name outlive a power cut."""
        sync_folder(self._target.parent)

    def _claim_new_name(self) -> None:
        """Take the target's name only if nobody has taken it meanwhile."""
        try:
            os.link(self._temporary, self._target)
        except FileExistsError:
            raise UsageError("exists, and --no-clobber keeps it", path=self.name) from None
        self._temporary.unlink()

    def discard(self) -> None:
        """Remove the temporary file."""
        self.file.close()
        self._temporary.unlink(missing_ok=True)


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
        self.discard()

    def discard(self) -> None:
        """Remove the temporary file, if any."""
        if self._local is not None:
            self._local.unlink(missing_ok=True)
        if self._close:
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

    def __enter__(self) -> Self:
        """Open the other output."""
        from noisify.compressed_output import CompressedFile  # noqa: PLC0415 - loads the codecs

        self._outer.__enter__()
        try:
            self._packed = CompressedFile(self._outer.file, self._compression, self._jobs)
        except BaseException:  # a signal too must not leave the other output
            self._outer.discard()
            raise
        self.file = cast("BinaryIO", self._packed)
        return self

    def local_path(self) -> Path:
        """Return a temporary file's path, which `commit` compresses."""
        self._local = new_temporary_path()
        self.name += _made_in(self._local.parent)
        self._local.touch(mode=0o600)
        return self._local

    def give_room_back(self) -> None:
        """Let the other output give back what it reserved."""
        self._outer.give_room_back()

    def commit(self) -> None:
        """Compress the temporary file, if any, and what is left; commit the other output."""
        if self._local is not None:
            self.name = self._outer.name
            _copy_and_remove(self._local, self.file)
        self._packed.finish()
        self._outer.commit()

    def discard(self) -> None:
        """Stop compressing and discard the other output."""
        self._packed.close()
        if self._local is not None:
            self._local.unlink(missing_ok=True)
        self._outer.discard()


def open_output(
    target: str | Path,
    *,
    inputs: Iterable[str | Path] = (),
    clobber: bool = True,
    compression: Compression | None = None,
    jobs: int = 1,
) -> Output:
    """Open an output.

    Args:
        target: A path, or `-` for standard output.
        inputs: The inputs it must not be, under whatever name; empty when that is asked for.
        clobber: Whether an existing file may be replaced.
        compression: How to compress it; None: not at all.
        jobs: Worker threads that may compress.

    Raises:
        UsageError: If it is an input too, or exists and `clobber` is False.
        NoisifyError: If it cannot be written.
    """
    output = _open_plain(target, inputs, clobber=clobber)
    return output if compression is None else CompressedOutput(output, compression, jobs)


def _open_plain(target: str | Path, inputs: Iterable[str | Path], *, clobber: bool) -> Output:
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
    return FileOutput(path, clobber=clobber)


def _made_in(folder: Path) -> str:
    """Return what messages add of an output while it is made elsewhere, where room may run out."""
    return f" (made in {folder} first; TMPDIR can name another folder)"


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
            return cast("BinaryIO", _InPieces("standard output", descriptor))
    return cast("BinaryIO", raw)


def write_all(file: BinaryIO, data: bytes | memoryview) -> None:
    """Write all of `data` to an unbuffered file, which may take it in pieces."""
    view = memoryview(data).cast("B") if len(data) else memoryview(b"")
    while view:
        count = file.write(view)
        view = view[count or 0 :]


def takes_places(file: BinaryIO) -> bool:
    """Return whether `write_all_at` can write to a file."""
    return isinstance(file, _WrittenBehind)


def write_all_at(file: BinaryIO, data: memoryview, place: int) -> None:
    """Write all of `data`, which are bytes, to a place in a file; several threads may at once."""
    cast("_WrittenBehind", file).write_at(data, place)


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
    """Sync a folder, so that a rename in it outlives a power cut; not every system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

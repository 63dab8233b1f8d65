"""Open inputs: files, folders, and streams, which can be read once unless they are spooled."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import sys
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from noisify.core.errors import DataError, NoisifyError, changed_error
from noisify.core.lazy_libraries import shutil
from noisify.core.memory_bound import UNBOUNDED
from noisify.core.urls import is_url, redacted
from noisify.files import codecs, decompress, folder_input, remote, zip_member
from noisify.files.temporary import new_temporary_path, remove, temporary_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from noisify.files.codecs import Codec

_ZIP_START = b"PK\x03\x04"
_SEEKING = threading.Lock()
HEAD_BYTES = 1 << 20
"""How many leading bytes of a file are read to detect its format and its fields' types."""


class Input:
    """One input: a path, a URL, or standard input for `-`.

    A regular file is opened once. Where the system has paths for open files, `path` is one, so that
    a file renamed over the input is not read. `check_unchanged` refuses a file that changed.

    Anything else is a stream: its head is cached and it can be read once, unless `spool` copies it
    to a temporary file first. Compressed data is decompressed while it is read, and has no `path`
    until it is spooled; size, suffix and head are those of the decompressed data.

    A URL is read in ranges, as a regular file is, and its `path` is a `RemoteFile`; if its server
    does not serve ranges, it is a stream.

    Args:
        source: A path, a URL, or `-`.

    Attributes:
        name: The name used in messages.
        path: The file of uncompressed data; None for a stream and for compressed data.
        is_folder: Whether `path` is a folder of files.
        codec: How it is compressed, or None.
        memory: How much memory reading it may take.

    Raises:
        NoisifyError: If it cannot be opened.
        DataError: If its suffix names a codec, but its content is not compressed.
    """

    def __init__(self, source: str | Path) -> None:
        self.is_standard_input = str(source) == "-"
        self.name = "standard input" if self.is_standard_input else redacted(str(source))
        self.path: Path | None = None
        self.is_folder = False
        self.codec: Codec | None = None
        self.memory = UNBOUNDED
        self._packed: Path | None = None
        self._remote: remote.RemoteFile | folder_input.RemoteFolder | None = None
        self._device: BinaryIO | None = None
        self._stream: BinaryIO | None = None
        self._head: bytes | None = None
        self._spooled: Path | None = None
        self._held: BinaryIO | None = None
        self._watched: Path | None = None
        self._seen: dict[Path, _State | None] = {}
        self._archive: Path | None = None
        self._member: str | None = None
        try:
            if self.is_standard_input:
                self._take_standard_input()
            elif is_url(source):
                self._take_url(str(source))
            else:
                self._take_path(Path(source))
        except OSError as error:
            self.close()
            raise NoisifyError(f"cannot be read: {error.strerror}", path=self.name) from None
        except BaseException:  # a signal too must leave nothing behind
            self.close()
            raise

    def _take_standard_input(self) -> None:
        if sys.stdin is None:
            raise NoisifyError("is closed; name a file, or pipe data in", path=self.name)
        self._take_stream(sys.stdin.buffer)

    def _take_path(self, path: Path) -> None:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            self.path, self.is_folder = path, True
            self._watched, self._seen = path, _states(path)
        elif stat.S_ISREG(mode):
            self._take_file(path)
        else:
            self._device = cast("BinaryIO", path.open("rb", buffering=0))
            self._take_stream(self._device)

    def _take_file(self, path: Path) -> None:
        self._held = cast("BinaryIO", path.open("rb", buffering=0))  # fails if it is unreadable
        self._watched, self._seen = path, {path: _state(os.fstat(self._held.fileno()))}
        start = read_fully(self._held, codecs.MAGIC_BYTES)
        opened = path
        if _open_files_have_paths():
            opened = Path(f"/proc/self/fd/{self._held.fileno()}")
        self._take_opened(opened, path.suffix, start)

    def _take_url(self, url: str) -> None:
        found = remote.open_remote(url)
        if isinstance(found, folder_input.RemoteFolder):
            self._remote, self.is_folder = found, True
            self.path = cast("Path", found)
            return
        if not isinstance(found, remote.RemoteFile):
            self._device = found
            self._take_stream(found)
            return
        self._remote = found
        start = found.open().read(codecs.MAGIC_BYTES)
        self._take_opened(cast("Path", found), found.suffix, start)  # it has a path's methods

    def _take_opened(self, opened: Path, suffix: str, start: bytes) -> None:
        """Take a file that starts with some bytes, compressed or not."""
        self.codec = self._find_codec(start)
        if self.codec is not None:
            self._packed = opened
            return
        self.path = opened
        if start.startswith(_ZIP_START) and suffix.lower() != ".npz":
            self._look_inside(opened)

    def _look_inside(self, archive: Path) -> None:
        """Read the only file of a ZIP archive instead of the archive, if it holds just one."""
        member = zip_member.only_member(archive)
        if member is not None:
            self.codec, self._member = zip_member.ZIP, member
            self.path, self._packed = None, archive

    def _take_stream(self, stream: BinaryIO) -> None:
        start = read_fully(stream, codecs.MAGIC_BYTES)
        self._stream = cast("BinaryIO", _Chained(start, stream))
        self.codec = self._find_codec(start)
        if self.codec is not None:
            self._stream = decompress.open_decompressed(self._stream, self.codec, self.name)
        elif start.startswith(_ZIP_START):
            self._take_archive()

    def _take_archive(self) -> None:
        """Spool a stream that is a ZIP archive, since its directory is at its end."""
        if zip_member.is_archive(self.head(zip_member.FIRST_NAME)):
            self.spool()
            self._archive, self._spooled, self._head = self._spooled, None, None
            if self._archive is not None:
                self._look_inside(self._archive)

    def _find_codec(self, start: bytes) -> Codec | None:
        """Return the codec of data with these first bytes, or None."""
        named = None if self.is_standard_input else codecs.of_name(self.name)
        found = codecs.of_content(start, named)
        if named is not None and found is None and start:
            raise DataError(
                f"is not {named.name} data, as its name says; rename it if it is not compressed",
                path=self.name,
            )
        return found

    @property
    def size(self) -> int | None:
        """The size in bytes, or None for a stream and for compressed data."""
        return None if self.path is None else self.path.stat().st_size

    @property
    def suffix(self) -> str:
        """The file name's suffix in lower case, without that of a compression; may be empty."""
        if self._member is not None:
            return codecs.inner_suffix(self._member)
        return "" if self.is_standard_input else codecs.inner_suffix(self.name)

    @property
    def is_kept(self) -> bool:
        """Whether it is a stream that had to be spooled to be opened."""
        return self._archive is not None

    @property
    def is_remote(self) -> bool:
        """Whether `path` is a remote file or folder."""
        return self._remote is not None and self.path is cast("Path", self._remote)

    @property
    def is_rereadable(self) -> bool:
        """Whether it can be opened more than once."""
        return self.path is not None or self._packed is not None

    def head(self, count: int = HEAD_BYTES) -> bytes:
        """Return the first `count` bytes, or all of them if there are fewer."""
        enough = 0 if self.is_remote else HEAD_BYTES  # no more than that is fetched
        known = max(enough, len(self._head or b""))
        if self._head is None or (self.path is not None and count > known):
            if self.path is not None and self._held is not None and self._spooled is None:
                self._held.seek(0)
                self._head = read_fully(self._held, max(count, HEAD_BYTES))
            elif self.path is not None:
                with self.path.open("rb") as file:
                    self._head = file.read(max(count, enough))
            elif self._packed is not None:
                with self.open() as stream:
                    self._head = read_fully(stream, HEAD_BYTES)
            else:
                self._head = read_fully(cast("BinaryIO", self._stream), HEAD_BYTES)
        return self._head[:count]

    def open(self) -> BinaryIO:
        """Open the data from its start; a stream can be opened only once."""
        if self.path is not None:
            return self.path.open("rb", buffering=0)
        if self._member is not None and self._packed is not None:
            return zip_member.open_member(self._packed, self.name)
        if self._packed is not None and self.codec is not None:
            return decompress.open_decompressed(
                self._packed.open("rb", buffering=0), self.codec, self.name
            )
        return cast("BinaryIO", _Chained(self.head(), cast("BinaryIO", self._stream)))

    def spool(self) -> bool:
        """Copy a stream or compressed data to a temporary file; return whether that was needed."""
        if self.path is not None:
            return False
        self._keep_copy()
        return True

    def download(self) -> None:
        """Copy whatever is not a local file to a temporary file."""
        if self.path is None or self.is_remote:
            self._keep_copy()

    def _keep_copy(self) -> None:
        """Copy the data to a temporary file, which takes the place of the input's path."""
        try:
            self._spooled = new_temporary_path()
            self._spooled.touch(mode=0o600)
            with self._spooled.open("wb") as file, self.open() as stream:
                shutil.copyfileobj(stream, file, 1 << 20)
        except OSError as error:
            place = temporary_folder()
            raise NoisifyError(
                f"cannot be kept in {place}: {error.strerror}; point TMPDIR to a larger folder",
                path=self.name,
            ) from None
        self.path = self._spooled

    def check_unchanged(self) -> None:
        """Refuse an input that was changed or replaced since it was opened.

        Raises:
            DataError: If its device, inode, size or modification time differs, or for a URL its
                size or version.
            NoisifyError: If a URL could not be read.
        """
        if self._remote is not None:
            self._remote.check()
        if self._watched is None:
            return
        if self._held is None:
            same = _states(self._watched) == self._seen
        else:
            seen = self._seen[self._watched]
            same = _state(os.fstat(self._held.fileno())) == seen == _state_of(self._watched)
        if not same:
            raise changed_error(self.name)

    def close(self) -> None:
        """Close the files and remove the temporary ones; failing to close is ignored."""
        with contextlib.ExitStack() as closing:  # runs every callback, whatever another raises
            for temporary in (self._spooled, self._archive):
                if temporary is not None:
                    closing.callback(remove, temporary)
            for opened in (self._held, self._device):
                if opened is not None:
                    closing.enter_context(contextlib.suppress(OSError))
                    closing.callback(opened.close)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


@cache
def _open_files_have_paths() -> bool:
    return Path("/proc/self/fd").exists()


_State = tuple[int, int, int, int]
"""What identifies a version of a file: device, inode, size, modification time in ns."""


def _state(found: os.stat_result) -> _State:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _state_of(path: Path) -> _State | None:
    """Return the state of a file, or None if it is missing."""
    try:
        return _state(path.stat())
    except OSError:
        return None


def _states(folder: Path) -> dict[Path, _State | None]:
    """Return the state of each file below a folder."""
    files = (Path(place) / name for place, _, names in os.walk(folder) for name in names)
    return {file: _state_of(file) for file in files}


def known_size(path: str | Path) -> int:
    """Return the size of an uncompressed regular file, or 0 if it is anything else."""
    if is_url(path):
        return remote.size_of(str(path)) or 0
    file = Path(path)
    with contextlib.suppress(OSError):  # reported when the file is opened
        if file.is_file():
            with file.open("rb") as opened:
                packed = codecs.of_content(opened.read(codecs.MAGIC_BYTES))
            return 0 if packed else file.stat().st_size
    return 0


class _Chained(io.RawIOBase):
    """A stream of bytes that were already read, followed by the rest of their stream."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if self._head:
            count = min(len(buffer), len(self._head))
            buffer[:count] = self._head[:count]
            self._head = self._head[count:]
            return count
        return cast("int", self._rest.readinto(buffer))  # type: ignore[attr-defined]


def read_fully(stream: BinaryIO, count: int) -> bytes:
    """Read `count` bytes, fewer only at the end."""
    parts: list[bytes] = []
    while count and (data := stream.read(count)):
        parts.append(data)
        count -= len(data)
    return b"".join(parts)


def read_into(stream: BinaryIO, buffer: memoryview) -> int:
    """Fill a buffer from a stream; return how many bytes were read, fewer only at its end."""
    return _fill(buffer, lambda rest, _: stream.readinto(rest))  # type: ignore[attr-defined]


def read_into_at(file: BinaryIO, buffer: memoryview, place: int) -> int:
    """Fill a buffer from a position in a file, as `read_into` does; thread-safe."""
    if (at := getattr(file, "read_at", None)) is not None:  # a remote file
        return cast("int", at(buffer, place))
    if not hasattr(os, "preadv"):
        with _SEEKING:
            file.seek(place)
            return read_into(file, buffer)
    descriptor = file.fileno()
    return _fill(buffer, lambda rest, filled: os.preadv(descriptor, [rest], place + filled))


def read_runs_at(file: BinaryIO, buffer: memoryview, size: int, places: Iterable[int]) -> bool:
    """Fill a buffer with runs of `size` bytes from positions in a file; return if it is full."""
    starts = range(0, len(buffer), max(size, 1))
    descriptor, read = file.fileno(), getattr(os, "preadv", None)
    runs = (buffer[start : start + size] for start in starts)
    return all(
        (read is not None and read(descriptor, [run], place) == size)  # usually one call a run
        or read_into_at(file, run, place) == size
        for run, place in zip(runs, places, strict=True)
    )


def _fill(buffer: memoryview, read: Callable[[memoryview, int], int | None]) -> int:
    """Call read(rest of the buffer, bytes filled) until the buffer is full or the data ends."""
    filled = 0
    while filled < len(buffer):
        count = read(buffer[filled:], filled)
        if not count:
            break
        filled += count
    return filled

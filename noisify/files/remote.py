"""Read files by URL: look them up, list those that a glob matches, and fetch ranges of bytes.

fsspec does the transport; credentials are found by the libraries behind it. A remote file is
used like a `Path`: it has the methods that readers of formats call. Reading it fetches what
is asked for: small reads are rounded up to blocks, which are kept, and consecutive reads fetch
ahead by at most half of what they have read so far.
"""

from __future__ import annotations

import io
import os
import threading
from collections import OrderedDict
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from noisify.core import urls
from noisify.core.errors import DataError, NoisifyError, changed_error
from noisify.core.overriding import override
from noisify.files.folder_input import RemoteFolder, WebFolder, holds_parquet, is_zarr
from noisify.files.transport import Location, remote_errors, version_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_BLOCK_BYTES = 1 << 15
_KEPT_BLOCKS = 128
_MOST_AHEAD = 1 << 23
_WEB = {"http", "https"}


class Blocks:
    """A cache of the blocks of remote files that small reads have fetched."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, url: str, start: int) -> bytes:
        """Return the block of a file that starts at a position; empty if it is not kept."""
        with self._lock:
            if (url, start) in self._kept:
                self._kept.move_to_end((url, start))
            return self._kept.get((url, start), b"")

    def keep(self, url: str, start: int, data: bytes) -> None:
        """Keep a block, and drop the least recently used one if there are too many."""
        with self._lock:
            self._kept[url, start] = data
            while len(self._kept) > _KEPT_BLOCKS:
                self._kept.popitem(last=False)


class RemoteFile:
    """A file with a URL, whose bytes can be read in ranges.

    Args:
        location: Where it is.
        found: The server's description of it: size, version and the like.
        blocks: The cache for its blocks, or None for a cache of its own.

    Attributes:
        name: Its name without folders.
        suffix: The suffix of the name.
    """

    def __init__(
        self, location: Location, found: dict[str, Any], blocks: Blocks | None = None
    ) -> None:
        self._location = location
        self._size = int(found["size"])
        self._version = version_of(found)
        self._blocks = blocks or Blocks()
        self._failure: NoisifyError | None = None
        path = PurePosixPath(urls.path_of(location.url))
        self.name, self.suffix = path.name, path.suffix

    def __str__(self) -> str:
        """Return the URL, without secrets."""
        return urls.redacted(self._location.url)

    def stat(self) -> os.stat_result:
        """Return its size, as the status of a file."""
        return os.stat_result((0o100444, 0, 0, 1, 0, 0, self._size, 0, 0, 0))

    def open(self, mode: str = "rb", buffering: int = -1) -> RangeReader:  # noqa: ARG002 - as a path's
        """Open it for reading from its start."""
        return RangeReader(self)

    def fetch(self, start: int, stop: int) -> bytes:
        """Return a range of its bytes.

        Raises:
            NoisifyError: If it cannot be read; `check` raises the same.
        """
        try:
            with remote_errors(self._location.url, "read"):
                data = self._location.read(start, stop)
            if len(data) != stop - start:
                raise DataError(
                    f"answers a request for {stop - start} bytes with {len(data)}; it was changed, "
                    "or its server does not serve ranges: download it first",
                    path=str(self),
                )
        except NoisifyError as error:
            self._failure = error  # libraries in between may turn it into an error of their own
            raise
        return data

    def block(self, place: int, count: int) -> tuple[int, bytes]:
        """Return the block of a few bytes, fetched unless it is kept, and where it starts."""
        start, url = place - place % _BLOCK_BYTES, self._location.url
        kept = self._blocks.get(url, start)
        if place + count <= start + len(kept):
            return start, kept
        stop = min(self._size, -(-(place + count) // _BLOCK_BYTES) * _BLOCK_BYTES)
        data = self.fetch(start, stop)
        self._blocks.keep(url, start, data)
        return start, data

    def check(self) -> None:
        """Refuse a file that could not be read, or was replaced since it was looked up.

        Raises:
            NoisifyError: The failure to read it.
            DataError: If its size or version differs.
        """
        if self._failure is not None:
            raise self._failure
        found = self._location.look_up()
        if (found.get("size"), version_of(found)) != (self._size, self._version):
            raise changed_error(str(self))


class FileInFolder(RemoteFile):
    """A file in a folder with a URL; the folder is checked for changes as a whole.

    Args:
        folder: The folder.
        name: Its path in the folder.
        size: Its size.
        blocks: The cache that all files of the folder share.
    """

    def __init__(self, folder: RemoteFolder, name: str, size: int, blocks: Blocks) -> None:
        super().__init__(Location(urls.joined(folder.url, name)), {"size": size}, blocks)
        self._relative = PurePosixPath(name)

    def relative_to(self, folder: RemoteFolder) -> PurePosixPath:  # noqa: ARG002 - as a path's
        """Return its path in the folder."""
        return self._relative


def files_of(folder: RemoteFolder) -> list[FileInFolder]:
    """Return the files of a folder, sorted by their paths."""
    blocks = Blocks()
    return [FileInFolder(folder, name, size, blocks) for name, size in folder.sizes()]


class RangeReader(io.RawIOBase):
    """Reads a remote file; `read_at` is for several threads, all else for one.

    Args:
        file: The file.
    """

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self._size = file.stat().st_size
        self._place = 0
        self._run = 0
        self._start = 0
        self._ahead = memoryview(b"")

    @override
    def readable(self) -> bool:
        """Return True."""
        return True

    @override
    def seekable(self) -> bool:
        """Return True."""
        return True

    @override
    def tell(self) -> int:
        """Return the position."""
        return self._place

    @override
    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position, and return it."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        place = max(0, start + offset)
        if place != self._place:
            self._run = 0
        self._place = place
        return place

    @override
    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer; return how many bytes were read, fewer only at the end."""
        view = memoryview(buffer).cast("B")
        done = 0
        wanted = min(len(view), max(0, self._size - self._place))
        while done < wanted:
            data = self._next(wanted - done)
            view[done : done + len(data)] = data
            done += len(data)
            self._place += len(data)
            self._run += len(data)
        return done

    @override
    def read(self, size: int | None = -1) -> bytes:
        """Return `size` bytes, fewer only at the end; without a size, all that follow."""
        left = max(0, self._size - self._place)
        buffer = bytearray(left if size is None or size < 0 else min(size, left))
        self.readinto(buffer)
        return bytes(buffer)

    def _next(self, wanted: int) -> memoryview:
        """Return some of the bytes that are wanted here, at least one."""
        if not self._start <= self._place < self._start + len(self._ahead):
            ahead = min(_MOST_AHEAD, self._run // 2)
            if max(wanted, ahead) < _BLOCK_BYTES:
                self._start, data = self._file.block(self._place, wanted)
            else:
                stop = min(self._size, self._place + max(wanted, ahead))
                self._start, data = self._place, self._file.fetch(self._place, stop)
            self._ahead = memoryview(data)
        offset = self._place - self._start
        return self._ahead[offset : offset + wanted]

    def read_at(self, buffer: memoryview, place: int) -> int:
        """Fill a buffer from a position; return how many bytes were read."""
        stop = min(self._size, place + len(buffer))
        if stop <= place:
            return 0
        if stop - place < _BLOCK_BYTES:
            start, data = self._file.block(place, stop - place)
            data = data[place - start : stop - start]
        else:
            data = self._file.fetch(place, stop)
        buffer[: len(data)] = data
        return len(data)


def is_web_store(url: str) -> bool:
    """Return whether a URL names a Zarr store on a web server, whose size nobody knows."""
    return urls.scheme(url) in _WEB and PurePosixPath(urls.path_of(url)).suffix == ".zarr"


def open_remote(url: str) -> RemoteFile | RemoteFolder | BinaryIO:
    """Look up a URL; return a file that is read in ranges, a folder, or else a stream.

    Raises:
        NoisifyError: If there is no such file, or it cannot be reached.
    """
    location = Location(url)
    if is_web_store(url):
        return WebFolder(location)
    found = location.look_up()
    if found.get("type") == "directory":
        folder = RemoteFolder(location)
        if is_zarr(cast("Path", folder)) or holds_parquet(folder):
            return folder
        raise NoisifyError(
            f"is a folder; name its files, such as '{urls.joined(url, '*.csv')}'", path=url
        )
    if found.get("size") is None or found.get("partial") is False:
        return location.stream()
    return RemoteFile(location, found)


def expand(names: Sequence[str]) -> list[str]:
    """Replace URLs with `*`, `?` or `[` by the URLs that they match, sorted.

    Raises:
        NoisifyError: If one matches nothing, or its place cannot be listed.
    """
    every: list[str] = []
    for name in names:
        if not urls.is_url(name) or urls.scheme(name) in _WEB:
            every.append(name)
        elif any(character in name for character in "*?["):
            location = Location(name)
            found = location.matches()
            if not found and location.find() is not None:
                found = [name]  # as a shell does: the name of a file with such characters in it
            if not found:
                location.check_bucket()
                raise NoisifyError("matches no file", path=name)
            every += found
        else:
            every.append(name)
    return every


def size_of(url: str) -> int | None:
    """Return the size of a remote file or folder, or None if it is unknown or there is none."""
    if is_web_store(url):
        return None
    try:
        location = Location(url)
        found = location.look_up()
        if found.get("type") == "directory":
            return sum(size for _, size in RemoteFolder(location).sizes())
        size = found.get("size")
    except NoisifyError:  # reported when it is opened
        return None
    return None if size is None else int(size)


def for_library(path: Path) -> Path | BinaryIO:
    """Return what a library is to open: the path of a local file, or an open remote file."""
    return path if isinstance(path, Path) else cast("BinaryIO", path.open())


def is_remote(path: Path) -> bool:
    """Return whether a path is a remote file."""
    return isinstance(cast("object", path), RemoteFile)

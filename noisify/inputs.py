"""Where data comes from: a file, or a stream that can be read once unless it is spooled."""

from __future__ import annotations

import io
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from noisify.errors import NoisifyError

if TYPE_CHECKING:
    from types import TracebackType

HEAD_BYTES = 1 << 20
"""How much of a file may be looked at to recognise it and to guess its fields' types."""


class Input:
    """One input: a path, or standard input for `-`.

    Anything that is not a regular file is a stream: it is read once, its head kept, unless `spool`
    copies it to a temporary file first.

    Args:
        source: A path, or `-`.

    Raises:
        NoisifyError: If it cannot be opened.
    """

    def __init__(self, source: str | Path) -> None:
        self.is_standard_input = str(source) == "-"
        self.name = "standard input" if self.is_standard_input else str(source)
        self.path: Path | None = None
        self._stream: BinaryIO | None = None
        self._head: bytes | None = None
        self._spooled: Path | None = None
        try:
            if self.is_standard_input:
                if sys.stdin is None:
                    raise NoisifyError("is closed; name a file, or pipe data in", path=self.name)
                self._open_standard_input()
            elif stat.S_ISDIR(Path(source).stat().st_mode):
                raise NoisifyError("is a directory; name the files in it", path=self.name)
            elif stat.S_ISREG(Path(source).stat().st_mode):
                with Path(source).open("rb"):  # say now that it cannot be read
                    self.path = Path(source)
            else:
                self._stream = cast("BinaryIO", Path(source).open("rb"))  # noqa: SIM115 - close() does
        except OSError as error:
            raise NoisifyError(f"cannot be read: {error.strerror}", path=self.name) from None

    def _open_standard_input(self) -> None:
        self._stream = sys.stdin.buffer

    @property
    def size(self) -> int | None:
        """The size in bytes, or None for a stream."""
        return None if self.path is None else self.path.stat().st_size

    @property
    def suffix(self) -> str:
        """The file name's suffix in lower case, or an empty string."""
        return "" if self.is_standard_input else Path(self.name).suffix.lower()

    def head(self, count: int = HEAD_BYTES) -> bytes:
        """Return the first `count` bytes, fewer only if there are no more."""
        if self.path is not None:
            with self.path.open("rb") as file:
                return file.read(count)
        if self._head is None:
            self._head = _read_fully(cast("BinaryIO", self._stream), HEAD_BYTES)
        return self._head[:count]

    def open(self) -> BinaryIO:
        """Open it from its start; a stream can be opened once."""
        if self.path is not None:
            return self.path.open("rb", buffering=0)
        head = self.head()
        return cast("BinaryIO", _Chained(head, cast("BinaryIO", self._stream)))

    def spool(self) -> bool:
        """Keep a stream in a temporary file, so that it can be read again; say if that was done."""
        if self.path is not None:
            return False
        try:
            self._spooled = new_temporary_path()
            self._spooled.touch(mode=0o600)
            with self._spooled.open("wb") as file:
                shutil.copyfileobj(self.open(), file, 1 << 20)
        except OSError as error:
            place = tempfile.gettempdir()
            raise NoisifyError(
                f"cannot be kept in {place}: {error.strerror}; point TMPDIR to a larger folder, "
                "or give an absolute level, which needs no first pass",
                path=self.name,
            ) from None
        self.path = self._spooled
        return True

    def close(self) -> None:
        """Close the stream and remove the temporary file."""
        if self._stream is not None and not self.is_standard_input:
            self._stream.close()
        if self._spooled is not None:
            self._spooled.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()


def new_temporary_path() -> Path:
    """Return the path of a file that is not there yet, in the folder for temporary files.

    It is known before it is made, so that a signal in between leaves nothing behind.
    """
    return Path(tempfile.gettempdir()) / f"noisify-{os.urandom(8).hex()}"


class _Chained(io.RawIOBase):
    """The bytes already read of a stream, then the rest of it."""

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


def _read_fully(stream: BinaryIO, count: int) -> bytes:
    """Read `count` bytes from a stream that may hand them over in small pieces."""
    buffer = bytearray(count)
    return bytes(buffer[: read_into(stream, memoryview(buffer))])


def read_into(stream: BinaryIO, buffer: memoryview) -> int:
    """Fill a buffer from a stream; return how many bytes there were, fewer only at its end."""
    filled = 0
    while filled < len(buffer):
        count = stream.readinto(buffer[filled:])  # type: ignore[attr-defined]
        if not count:
            break
        filled += count
    return filled

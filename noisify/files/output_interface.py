"""The base classes of outputs, which a format writes to and which are committed or discarded."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from noisify.core.errors import NoisifyError
from noisify.files.temporary import new_temporary_path, remove
from noisify.files.write_behind import open_written_behind, write_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_COPY_BYTES = 1 << 20


class Output(ABC):
    """What a format writes to; a context manager that commits on success and discards on failure.

    Attributes:
        name: The name used in messages.
        file: The open file, for formats that write from start to end.
    """

    name: str
    file: BinaryIO
    start = 0
    """The position in `local_path` where it starts."""
    kept = False
    """Whether it has been committed."""

    @abstractmethod
    def local_path(self) -> Path:
        """Close `file`, and return the path of a regular file to write instead."""

    def open_ranges(self) -> BinaryIO:
        """Close `file`, and open `local_path` to be written at any position from `start` on."""
        return open_written_behind(self.local_path())

    def hold_back(self) -> None:  # noqa: B027 - only streams show what is not committed
        """Keep the output invisible until `commit`."""

    def trim_preallocation(self) -> None:  # noqa: B027 - optional
        """Release preallocated disk space, when all has been written."""

    def complete(self) -> None:  # noqa: B027 - optional
        """Write what is buffered and start writing to the disk; `commit` does it if needed."""

    def sync(self) -> None:  # noqa: B027 - only files can be synced
        """Sync a completed output early, so that `commit` need not."""

    def written(self) -> Path | None:
        """Return a path where what was written so far can be read, or None if there is none."""
        return None

    @abstractmethod
    def commit(self) -> None:
        """Make what was written the result."""

    @abstractmethod
    def discard(self) -> None:
        """Undo everything; may be called at any time and repeatedly."""

    def open(self) -> None:  # noqa: B027 - optional
        """Create or open the file to write to."""

    def __enter__(self) -> Self:
        """Open the output; discard it if that fails."""
        try:
            with naming(self):
                self.open()
        except BaseException:  # a signal too must not leave anything behind
            self.discard()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        """Commit on success, discard after an error."""
        if error[0] is not None:
            self.discard()
            return
        try:
            with naming(self):
                self.commit()
            self.kept = True
        except BaseException:  # a signal too must leave things as they were
            self.discard()
            raise


class StagedOutput(Output):
    """An output that may be written to a temporary file first, and copied from there.

    Args:
        name: The name used in messages.
    """

    def __init__(self, name: str) -> None:
        self.name = self._own_name = name
        self._local: Path | None = None
        self._held_from: BinaryIO | None = None

    def local_path(self) -> Path:
        """Return the path of a temporary file, which is copied to the output at the end."""
        if self._local is not None:
            return self._local
        self._local = new_temporary_path()
        self.name += f" (made in {self._local.parent} first; TMPDIR can name another folder)"
        self._local.touch(mode=0o600)
        return self._local

    def write_locally(self) -> None:
        """Make `file` the temporary file."""
        local = self.local_path().open("r+b", 0)
        self._held_from, self.file = self.file, cast("BinaryIO", local)

    def _end_local(self) -> None:
        """Make `file` the output again."""
        if self._held_from is not None:
            self.file.close()
            self.file, self._held_from = self._held_from, None

    def copy_local(self) -> None:
        """Copy the temporary file, if any, to the output."""
        self._end_local()
        if self._local is not None:
            self.name = self._own_name
            with self._local.open("rb") as copied:
                while data := copied.read(_COPY_BYTES):
                    write_all(self.file, data)
            remove(self._local)

    def remove_local(self) -> None:
        """Remove the temporary file, if any."""
        self._end_local()
        if self._local is not None:
            remove(self._local)


@contextlib.contextmanager
def naming(output: Output | str) -> Iterator[None]:
    """Turn an OSError into an error that names the output; a broken pipe passes through.

    Raises:
        NoisifyError: Instead of the OSError.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        name = output if isinstance(output, str) else output.name
        raise NoisifyError(f"cannot be written: {reason}", path=name) from None

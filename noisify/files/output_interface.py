"""What a format writes to, and what becomes of it in the end."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, BinaryIO, Self

from noisify.core.errors import NoisifyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType


class Output(ABC):
    """What a format writes to; a context manager that keeps the result only on success.

    Attributes:
        name: What to call it in messages.
        file: The open file, for formats that write from start to end.
    """

    name: str
    file: BinaryIO
    kept = False
    """Whether it has been committed."""

    @abstractmethod
    def local_path(self) -> Path:
        """Return the path of a regular file to write instead of `file`, closed by then."""

    def trim_preallocation(self) -> None:  # noqa: B027 - most have reserved none
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
            self.kept = True
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

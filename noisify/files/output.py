"""Open outputs: files, standard output, pipes and devices, compressed or not."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from noisify.core.errors import NoisifyError, UsageError
from noisify.core.urls import is_url
from noisify.files import compress, remote_output
from noisify.files.file_output import FileOutput
from noisify.files.output_interface import Output, StagedOutput, naming
from noisify.files.write_behind import InPieces, OwnedInPieces

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from noisify.files.codecs import Compression

STANDARD_OUTPUT = "-"
_MOST_LINKS = 40
"""The most symbolic links followed in a row; Linux's limit."""


class StreamOutput(StagedOutput):
    """Standard output, a pipe or a device: what is written cannot be taken back."""

    def __init__(self, file: BinaryIO, name: str, *, close: bool) -> None:
        super().__init__(name)
        self.file = file
        self._close = close

    def hold_back(self) -> None:
        """Write to a temporary file until `commit`."""
        self.write_locally()

    def commit(self) -> None:
        """Copy the temporary file, if any, and flush."""
        self.copy_local()
        self.file.flush()
        if self._close:
            self.file.close()

    def discard(self) -> None:
        """Remove the temporary file, if any."""
        self.remove_local()
        if self._close:
            with contextlib.suppress(OSError):
                self.file.close()


class CompressedOutput(StagedOutput):
    """An output that compresses into another one.

    Args:
        outer: Receives the compressed bytes.
        compression: How to compress.
        jobs: The number of compressing threads.
    """

    def __init__(self, outer: Output, compression: Compression, jobs: int) -> None:
        super().__init__(outer.name)
        self._outer = outer
        self._compression = compression
        self._jobs = jobs
        self._completed = False
        self._packed: compress.CompressedFile | None = None

    def open(self) -> None:
        """Open the outer output and start compressing."""
        self._outer.open()
        self._packed = compress.CompressedFile(self._outer.file, self._compression, self._jobs)
        self.file = cast("BinaryIO", self._packed)

    def hold_back(self) -> None:
        """Write to a temporary file until `complete`, if the outer output is a stream."""
        if isinstance(self._outer, StreamOutput):
            self.write_locally()

    def trim_preallocation(self) -> None:
        """Release the preallocated disk space of the outer output."""
        self._outer.trim_preallocation()

    def complete(self) -> None:
        """Compress the temporary file, if any, and what is still buffered."""
        self.copy_local()
        cast("compress.CompressedFile", self._packed).finish()
        self._outer.complete()
        self._completed = True

    def sync(self) -> None:
        """Sync the outer output."""
        self._outer.sync()

    def commit(self) -> None:
        """Complete and commit the outer output."""
        if not self._completed:
            self.complete()
        self._outer.commit()

    def discard(self) -> None:
        """Stop compressing and discard the outer output."""
        try:
            if self._packed is not None:
                self._packed.close()
        finally:
            self.remove_local()
            self._outer.discard()


class Outputs(contextlib.ExitStack):
    """The outputs of one input: committed when it closes, or discarded after a failure."""

    def __init__(self) -> None:
        super().__init__()
        self._opened: list[Output] = []

    def open(self, output: Output) -> Output:
        """Open an output that is committed or discarded with the others."""
        self.push(output)  # before it creates anything, so that a signal leaves nothing behind
        output.__enter__()
        self._opened.append(output)
        return output

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        """Commit the outputs, or discard those that are not committed yet.

        Raises:
            NoisifyError: If one cannot be committed; it lists those that were.
        """
        try:
            return super().__exit__(kind, error, traceback)
        except NoisifyError as failure:
            complete = [output.name for output in self._opened if output.kept]
            raise failure.leaving(complete) from None

    def complete(self) -> None:
        """Write what is still buffered and start writing to the disk."""
        for output in self._opened:
            with naming(output):
                output.complete()

    def sync(self) -> None:
        """Sync the outputs early, so that closing need not."""
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
        target: A path, a URL, or `-` for standard output.
        inputs: The inputs that it must not be, under any name; empty with `--in-place`.
        clobber: Whether an existing file may be replaced.
        compression: How to compress it, or None.
        jobs: The number of compressing threads.
        unsynced: Collects the folders of new files, for the caller to sync; else `commit` does.

    Raises:
        UsageError: If it is also an input, or exists and `clobber` is False.
        NoisifyError: If it cannot be written.
    """
    output: Output
    path = Path(target)
    is_new = not is_url(target) and _is_new(path)
    others = () if is_new else (one for one in inputs if str(one) != "-")
    if str(target) == STANDARD_OUTPUT:
        output = _standard_output(inputs)
    elif same := [one for one in others if _same_file(target, one)]:
        raise UsageError(
            f"is also the input {same[0]}; give another name, or --in-place to replace it",
            path=str(target),
        )
    elif is_url(target):
        output = remote_output.RemoteOutput(str(target), clobber=clobber)
    elif (descriptor := _open_descriptor(path)) is not None:
        output = _stream_to(descriptor, str(target))
    elif not is_new and (device := _device(path)) is not None:
        output = device
    else:
        output = FileOutput(path, clobber=clobber, unsynced=unsynced)
    return output if compression is None else CompressedOutput(output, compression, jobs)


def _standard_output(inputs: Iterable[str | Path]) -> StreamOutput:
    """Open standard output.

    Raises:
        UsageError: If it is also an input.
        NoisifyError: If it is closed.
    """
    if sys.stdout is None:
        raise NoisifyError("is closed; name an output with -o FILE", path="standard output")
    output = StreamOutput(_unbuffered_standard_output(), "standard output", close=False)
    for other in inputs:
        if str(other) != "-" and _is_open_as(output.file, other):
            raise UsageError(f"standard output is also the input {other}; write elsewhere")
    return output


def _is_new(path: Path) -> bool:
    """Return whether nothing exists at a path."""
    with contextlib.suppress(OSError):  # reported when it is opened
        return not path.exists()
    return False


def _device(path: Path) -> StreamOutput | None:
    """Return an output to an existing pipe or device, or None for a regular or new file.

    Raises:
        NoisifyError: If it is a folder, or cannot be written.
    """
    with naming(str(path)):
        if path.is_dir():
            raise NoisifyError("is a directory; give a file name, or --output-dir", path=path)
        if not path.exists() or path.is_file():
            return None
        return StreamOutput(path.open("wb", 0), str(path), close=True)


def _open_descriptor(path: Path) -> int | None:
    """Return the open descriptor that a path such as `/dev/stdout` names, or None.

    Write to the descriptor itself, not to a new file renamed over the one that is open there.
    """
    own = re.compile(rf"/(?:dev|proc/(?:self|{os.getpid()})(?:/task/\d+)?)/fd/(\d+)")
    try:
        if not path.is_symlink() and path.parent.name != "fd":  # a quick test
            return None
        path = path.absolute()
        for _ in range(_MOST_LINKS):
            path = path.parent.resolve() / path.name
            if (match := own.fullmatch(str(path))) is not None:
                return int(match[1])
            path = path.parent / path.readlink()
    except (OSError, RuntimeError, ValueError):  # not a link, or a loop of links
        pass
    return None


def _stream_to(descriptor: int, name: str) -> StreamOutput:
    """Return an output to an open descriptor, at its current position.

    Raises:
        NoisifyError: If it is not open.
    """
    with naming(name):
        own = os.dup(descriptor)
        if stat.S_ISREG(os.fstat(own).st_mode):
            return StreamOutput(cast("BinaryIO", OwnedInPieces(name, own)), name, close=True)
        return StreamOutput(cast("BinaryIO", os.fdopen(own, "wb", 0)), name, close=True)


def _unbuffered_standard_output() -> BinaryIO:
    sys.stdout.flush()
    raw = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
    with contextlib.suppress(OSError):  # not every stream is a file
        descriptor = raw.fileno()
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return cast("BinaryIO", InPieces("standard output", descriptor))
    return cast("BinaryIO", raw)


def _same_file(one: str | Path, other: str | Path) -> bool:
    if is_url(one) or is_url(other):
        return str(one) == str(other)
    with contextlib.suppress(OSError):
        return Path(one).samefile(other)
    return False


def _is_open_as(file: BinaryIO, path: str | Path) -> bool:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        opened = os.fstat(file.fileno())
        return stat.S_ISREG(opened.st_mode) and os.path.samestat(opened, Path(path).stat())
    return False


__all__ = ["STANDARD_OUTPUT", "FileOutput", "Output", "Outputs", "naming", "open_output"]

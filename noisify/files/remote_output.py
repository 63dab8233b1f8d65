"""Write files by URL: one request, or an upload in parts that is completed at the end.

Nothing shows under the URL before `commit`. By default fsspec completes an upload when a file is
closed, even after an error. So files are opened without this, and committed or discarded here.
"""

from __future__ import annotations

import contextlib
import io
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from noisify.core import urls
from noisify.core.errors import NoisifyError, UsageError, exists_error
from noisify.core.overriding import override
from noisify.files.multipart import PART_BYTES, PartSizes, SharedUpload
from noisify.files.output_interface import StagedOutput
from noisify.files.temporary import new_temporary_path, remove
from noisify.files.transport import IN_BUCKETS, Location, remote_errors

if TYPE_CHECKING:
    from pathlib import Path

    from _typeshed import ReadableBuffer

_MOST_SAME_PARTS = 1000
_AT_ONCE = {"memory", "abfs", "abfss", "az"}
_AZURE = {"abfs", "abfss", "az"}


class RemoteOutput(StagedOutput):
    """A file with a URL.

    Args:
        url: The URL.
        clobber: Whether an existing file may be replaced.

    Raises:
        UsageError: If it cannot be written by URL, or exists and `clobber` is False.
    """

    def __init__(self, url: str, *, clobber: bool) -> None:
        super().__init__(urls.redacted(url))
        check_writable(url)
        self._location = Location(url)
        in_bucket = urls.scheme(url) in IN_BUCKETS
        if url.endswith("/") or (in_bucket and "/" not in self._location.path):
            raise UsageError(
                "names a folder, and the output is a file; add its name, or use --output-dir",
                path=self.name,
            )
        self._clobber = clobber
        if not clobber and self._location.exists():
            raise exists_error(url)
        self._upload: _Upload | None = None

    @override
    def open(self) -> None:
        """Start the upload, which takes no request before there is a part."""
        kind = _Parts if urls.scheme(self._location.url) in IN_BUCKETS else _Whole
        self._upload = kind(self._location, clobber=self._clobber)
        self.file = cast("BinaryIO", self._upload)

    def share_out(self, sizes: PartSizes) -> NumberedParts:
        """Let other processes send parts of some sizes, instead of writing to `file`."""
        upload = SharedUpload.start(self._location.url, sizes)
        self._upload = shared = NumberedParts(self._location, upload, clobber=self._clobber)
        return shared

    @override
    def commit(self) -> None:
        """Copy the temporary file, if any, and complete the upload."""
        self.copy_local()
        if self._upload is not None:
            self._upload.commit()

    @override
    def discard(self) -> None:
        """Abort the upload, and remove the temporary file, if any."""
        self.remove_local()
        if self._upload is not None:
            self._upload.discard()


def check_writable(url: str) -> None:
    """Refuse a URL of a kind that is only read.

    Raises:
        UsageError: If it is of such a kind.
    """
    if urls.scheme(url) not in IN_BUCKETS | _AT_ONCE:
        raise UsageError(
            f"{urls.scheme(url)}:// URLs are only read; write to a local file, or to s3://",
            path=url,
        )


class _Upload(io.RawIOBase, ABC):
    """Takes the bytes of a remote file, from start to end.

    Args:
        location: The file.
        clobber: Whether an existing file may be replaced.
    """

    def __init__(self, location: Location, *, clobber: bool) -> None:
        self._location = location
        self._clobber = clobber

    @override
    def writable(self) -> bool:
        """Return True."""
        return True

    @abstractmethod
    def commit(self) -> None:
        """Make what was written the file."""

    @abstractmethod
    def discard(self) -> None:
        """Drop what was written."""


class _Parts(_Upload):
    """Uploads each part when it is full; a file of less than one part takes a single request."""

    def __init__(self, location: Location, *, clobber: bool) -> None:
        super().__init__(location, clobber=clobber)
        self._first = bytearray()
        self._file: Any = None

    @override
    def write(self, data: ReadableBuffer) -> int:
        """Write all of `data`, and return its size in bytes."""
        view = memoryview(data).cast("B")
        with remote_errors(self._location.url, "written"):
            if self._file is None and len(self._first) + len(view) < PART_BYTES:
                self._first += view
            else:
                self._write_part(view)
        return len(view)

    def _write_part(self, view: memoryview) -> None:
        if self._file is None:
            self._file = self._location.system.open(
                self._location.path,
                "wb" if self._clobber else "xb",
                block_size=PART_BYTES,
                autocommit=False,
            )
            self._file.write(bytes(self._first))
            self._first = bytearray()
        has_one_size = getattr(self._location.system, "fixed_upload_size", False)
        if getattr(self._file, "parts", None) and not has_one_size:
            self._file.blocksize = max(PART_BYTES, self._file.offset // _MOST_SAME_PARTS)
        self._file.write(view)

    @override
    def commit(self) -> None:
        """Complete the upload, or make the only request."""
        with remote_errors(self._location.url, "written"):
            if self._file is not None:
                self._file.close()
                self._file.commit()
            else:
                mode = "overwrite" if self._clobber else "create"
                system, path = self._location.system, self._location.path
                system.pipe_file(path, bytes(self._first), mode=mode)
        self._file = None

    @override
    def discard(self) -> None:
        """Abort the upload; a server that cannot be reached keeps its parts, without a name."""
        dropped, self._file = self._file, None
        self._first = bytearray()
        if dropped is not None:
            with contextlib.suppress(NoisifyError), remote_errors(self._location.url, "aborted"):
                dropped.discard()
            dropped.closed = True  # else fsspec would upload the rest when it is collected


class NumberedParts(_Upload):
    """Completes an upload to S3 whose parts other processes send.

    Args:
        location: The file.
        upload: The upload.
        clobber: Whether an existing file may be replaced.

    Attributes:
        upload: The upload.
        parts: The numbers and ETags of all parts, which complete it.
    """

    def __init__(self, location: Location, upload: SharedUpload, *, clobber: bool) -> None:
        super().__init__(location, clobber=clobber)
        self.upload = upload
        self.parts: list[dict[str, Any]] = []
        self._open = True

    @override
    def commit(self) -> None:
        """Complete the upload."""
        self.upload.complete(self.parts, clobber=self._clobber)
        self._open = False

    @override
    def discard(self) -> None:
        """Abort the upload; a server that cannot be reached keeps its parts, without a name."""
        if self._open:
            self._open = False
            with contextlib.suppress(NoisifyError):
                self.upload.abort()


class _Whole(_Upload):
    """Keeps all bytes in a temporary file, and uploads them at once."""

    def __init__(self, location: Location, *, clobber: bool) -> None:
        super().__init__(location, clobber=clobber)
        self._path: Path = new_temporary_path()
        self._path.touch(mode=0o600)
        self._file = self._path.open("wb")

    @override
    def write(self, data: ReadableBuffer) -> int:
        """Write all of `data`, and return its size in bytes."""
        return self._file.write(data)

    @override
    def commit(self) -> None:
        """Upload the temporary file."""
        self._file.close()
        url, system = self._location.url, self._location.system
        options = {"overwrite": True} if urls.scheme(url) in _AZURE else {}
        if not self._clobber and self._location.exists():
            raise exists_error(url)
        with remote_errors(url, "written"):
            system.put_file(str(self._path), self._location.path, **options)
        remove(self._path)

    @override
    def discard(self) -> None:
        """Remove the temporary file."""
        with contextlib.suppress(OSError):
            self._file.close()
        remove(self._path)

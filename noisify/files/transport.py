"""The transport of remote files: fsspec, its file systems, and what their errors mean.

fsspec and the libraries behind it are imported on first use only.
"""

from __future__ import annotations

import contextlib
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from noisify.core import urls
from noisify.core.errors import NoisifyError, UsageError, did_you_mean, exists_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXTRA = "pip install 'noisify-cli[remote]'"
_USUAL = ("s3", "gs", "abfs", "http", "https", "memory")
_OF_EXTRA = {"s3", "s3a", "http", "https"}
_PACKAGES = {"gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "abfss": "adlfs", "az": "adlfs"}
IN_BUCKETS = {"s3", "s3a", "gs", "gcs"}
"""Schemes whose URLs start with the name of a bucket."""
_PRECONDITION_FAILED = 412
_FORBIDDEN, _GONE = {401, 403}, {404, 410}
_VERSION_KEYS = ("ETag", "etag", "generation", "LastModified", "Last-Modified", "created")
"""What file systems call the version of a file, besides its size."""
_LIBRARIES = (
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("aiohttp", "ClientError"),
    ("gcsfs.retry", "HttpError"),
    ("azure.core.exceptions", "AzureError"),
)
"""The modules and names of the libraries' base classes of errors."""


class Location:
    """A URL and the file system that it is in.

    Args:
        url: The URL.

    Attributes:
        url: The same.
        system: The file system.
        path: The path of the file in the file system.

    Raises:
        UsageError: If it names nothing, what it needs is not installed, or its scheme is unknown.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        if not url.startswith(f"{urls.scheme(url)}://"):  # two names of one file would be two files
            raise UsageError(f"write {urls.scheme(url)}:// in small letters", path=url)
        if not urls.path_of(url).partition("://")[2].strip("/"):
            raise UsageError("names no file", path=url)
        try:
            core: Any = import_module("fsspec.core")
            with remote_errors(url, "read"):
                self.system, self.path = core.url_to_fs(url)
        except ImportError:
            raise _not_installed(url) from None
        except (ValueError, TypeError) as error:  # a TypeError of a class that wants more settings
            raise _unknown(url, error) from None

    def look_up(self) -> dict[str, Any]:
        """Return what the server says of it now.

        Raises:
            NoisifyError: If there is no such file, or it cannot be reached.
        """
        with remote_errors(self.url, "read"):
            self.system.invalidate_cache(self.system._parent(self.path))  # noqa: SLF001 - for authors of file systems
            return dict(self.system.info(self.path))

    def find(self) -> dict[str, Any] | None:
        """Return what the server says of it now; None if it is not there.

        Raises:
            NoisifyError: If it cannot be reached.
        """
        with remote_errors(self.url, "read"):
            self.system.invalidate_cache(self.system._parent(self.path))  # noqa: SLF001 - as above
            try:
                return dict(self.system.info(self.path))
            except FileNotFoundError:
                return None

    def check_bucket(self) -> None:
        """Refuse a URL in a bucket that does not exist, or cannot be listed.

        Raises:
            NoisifyError: If it is in such a bucket.
        """
        if urls.scheme(self.url) in IN_BUCKETS:
            with remote_errors(self.url, "read"):
                self.system.ls(str(self.path).partition("/")[0])

    def exists(self) -> bool:
        """Return whether it is there."""
        with remote_errors(self.url, "written"):
            self.system.invalidate_cache(self.system._parent(self.path))  # noqa: SLF001 - as above
            return bool(self.system.exists(self.path))

    def read(self, start: int, stop: int) -> bytes:
        """Return a range of bytes; errors are the library's."""
        return cast("bytes", self.system.cat_file(self.path, start=start, end=stop))

    def list_files(self) -> dict[str, tuple[Any, ...]]:
        """Return the size and version of each file below it now, by relative path.

        Errors are the library's.
        """
        self.system.invalidate_cache()
        root = f"{str(self.path).rstrip('/')}/"
        found = self.system.find(self.path, detail=True).items()
        return {
            name.removeprefix(root): (about.get("size"), *version_of(about))
            for name, about in found
            if name.startswith(root) and not name.endswith("/")
        }

    def download(self, name: str, target: Path) -> None:
        """Copy a file below it to a local file; errors are the library's."""
        self.system.get_file(urls.joined(str(self.path), name), str(target))

    def get(self, name: str) -> bytes:
        """Return the bytes of a file below it; errors are the library's."""
        return cast("bytes", self.system.cat_file(urls.joined(str(self.path), name)))

    def put(self, name: str, data: bytes) -> None:
        """Make a file below it of some bytes; errors are the library's."""
        self.system.pipe_file(urls.joined(str(self.path), name), data)

    def upload(self, source: Path, name: str) -> None:
        """Copy a local file to one below it; errors are the library's."""
        self.system.put_file(str(source), urls.joined(str(self.path), name))

    def remove(self, name: str) -> None:
        """Remove a file below it; errors are the library's."""
        self.system.rm_file(urls.joined(str(self.path), name))

    def stream(self) -> BinaryIO:
        """Open it to be read once, from its start."""
        with remote_errors(self.url, "read"):
            return cast("BinaryIO", self.system.open(self.path, "rb", block_size=0))

    def matches(self) -> list[str]:
        """Return the URLs of the files that match it as a glob, sorted.

        Raises:
            UsageError: If the file system does not search such a glob, as one over all buckets.
        """
        try:
            with remote_errors(self.url, "read"):
                found = self.system.glob(self.path, detail=True)
        except ValueError as error:
            raise _unknown(self.url, error) from None
        names = sorted(name for name, about in found.items() if about["type"] == "file")
        start = f"{urls.scheme(self.url)}://"
        return [name if "://" in name else start + name for name in names]


def version_of(found: dict[str, Any]) -> tuple[str, ...]:
    """Return the version of a file, besides its size, from what its file system says of it."""
    return tuple(str(found[key]) for key in _VERSION_KEYS if found.get(key))


@contextlib.contextmanager
def remote_errors(url: str, done: str) -> Iterator[None]:
    """Turn errors of file systems into one that names the URL and says what to do.

    Args:
        url: The URL.
        done: What cannot be done with it, such as "read".

    Raises:
        NoisifyError: Instead of the libraries' errors.
    """
    try:
        yield
    except ImportError:
        raise _not_installed(url) from None
    except FileExistsError:
        raise exists_error(url) from None
    except failures() as error:
        raise _explained(url, done, error) from None
    except ValueError as error:
        if not str(error).startswith("Invalid endpoint"):  # what botocore says, without a class
            raise
        raise UsageError(f"cannot be {done}: {error}; check AWS_ENDPOINT_URL", path=url) from None


def failures() -> tuple[type[BaseException], ...]:
    """Return what the libraries that are loaded may raise."""
    loaded = [(sys.modules.get(module), name) for module, name in _LIBRARIES]
    return (OSError, *(getattr(module, name) for module, name in loaded if module is not None))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _status(error: BaseException) -> int | None:
    """Return the HTTP status of an error, or of what caused it."""
    for cause in _causes(error):
        if isinstance(status := getattr(cause, "status", None), int):
            return status
        response = getattr(cause, "response", None)
        if isinstance(response, dict):
            about = response.get("ResponseMetadata", {})
            return cast("int | None", about.get("HTTPStatusCode"))
    return None


def _explained(url: str, done: str, error: BaseException) -> NoisifyError:
    """Return an error in one line for one of a library."""
    status, text = _status(error), " ".join(str(cause) for cause in _causes(error))
    names = {type(cause).__name__ for cause in _causes(error)}
    if status == _PRECONDITION_FAILED or "ConditionalRequestConflict" in text:
        return exists_error(url)
    if "NoCredentialsError" in names or "PartialCredentialsError" in names:
        why = f"has no credentials; {_credentials(url)}"
    elif status in _FORBIDDEN or isinstance(error, PermissionError):
        code = f" ({status})" if status else ""
        why = f"is forbidden{code}; {_credentials(url)}"
    elif names & {"ClientConnectorError", "EndpointConnectionError", "ClientConnectorDNSError"}:
        why = "cannot be reached; check the network, and the host's name or AWS_ENDPOINT_URL"
    elif "NoSuchBucket" in text or "bucket does not exist" in text:
        why = "is in a bucket that does not exist; check its name"
    elif status is not None and status not in _GONE:
        why = f"cannot be {done}: the server answers with status {status}; try again"
    elif status in _GONE or isinstance(error, FileNotFoundError):
        code = f" ({status})" if status else ""
        why = f"is not there{code}; check the URL"
    else:
        text = urls.without_password(str(error), url)
        why = f"cannot be {done}: {text or type(error).__name__}"
    return NoisifyError(why, path=url)


def _credentials(url: str) -> str:
    """Say how to give credentials for a URL."""
    kind = urls.scheme(url)
    if kind in {"s3", "s3a"}:
        return "set AWS_PROFILE or AWS_ACCESS_KEY_ID, or for public data FSSPEC_S3_ANON=true"
    if kind in {"gs", "gcs"}:
        return "log in with gcloud auth application-default login"
    if kind in {"http", "https"}:
        return "the URL needs a valid signature or user:password@"
    return "check the credentials that its library finds"


def _not_installed(url: str) -> UsageError:
    kind = urls.scheme(url)
    package = _PACKAGES.get(kind)
    install = EXTRA if kind in _OF_EXTRA or package is None else f"pip install {package}"
    return UsageError(f"{kind}:// URLs need a library that is not installed; {install}", path=url)


def _unknown(url: str, error: Exception) -> NoisifyError:
    """Return the error for a URL that fsspec does not take."""
    kind = urls.scheme(url)
    if "rotocol not known" not in str(error):
        text = urls.without_password(str(error), url)
        return UsageError(f"is not a valid URL: {text}", path=url)
    return UsageError(
        f"unknown scheme {kind}://{did_you_mean(kind, _USUAL)} (usual are "
        f"{', '.join(f'{each}://' for each in _USUAL)}); for a local file of that name put ./ "
        "before it",
        path=url,
    )

"""Temporary files: where they go, and their removal when the process exits.

A signal raises an exception anywhere, even between the end of a `with` block and the first line of
`__exit__`. So temporary files are registered before they are created, and those still registered
are removed at exit.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from noisify.core.errors import NoisifyError
from noisify.core.lazy_libraries import shutil, tempfile

if TYPE_CHECKING:
    from collections.abc import Iterator

_temporary: set[Path] = set()
_OWN = 0o700
GONE = ".gone"
"""What the name of a folder ends with while it is removed."""


def register(path: Path) -> Path:
    """Register a temporary file or folder that is about to be created, and return its path."""
    _temporary.add(path)
    return path


def unregister(path: Path) -> None:
    """Unregister a temporary file or folder that was renamed or removed."""
    _temporary.discard(path)


def new_temporary_path() -> Path:
    """Return a new, registered path in the folder for temporary files; nothing is created."""
    return register(temporary_folder() / f"noisify-{os.urandom(8).hex()}")


def new_temporary_file() -> BinaryIO:
    """Open a new file without a name in the folder for temporary files; closing removes it."""
    return cast("BinaryIO", tempfile.TemporaryFile(buffering=0, dir=temporary_folder()))


@contextlib.contextmanager
def new_temporary_folder() -> Iterator[Path]:
    """Make a folder in the folder for temporary files; remove it at the end."""
    folder = new_temporary_path()
    try:
        folder.mkdir(_OWN)
        yield folder
    finally:
        remove_folder(folder)


@contextlib.contextmanager
def new_folder(path: str | Path) -> Iterator[None]:
    """Create a folder for outputs and its missing parents; at the end remove those still empty.

    So a run that fails in planning leaves nothing behind.
    """
    made = [one for one in (Path(path), *Path(path).parents) if not one.exists()]
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
        yield
    finally:
        with contextlib.suppress(OSError):  # stops at the first that is not empty
            for folder in made:
                folder.rmdir()


def remove(path: Path) -> None:
    """Remove a temporary file, if it exists and can be removed."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        unregister(path)


def remove_folder(folder: Path) -> None:
    """Remove a temporary folder as far as possible, trying twice."""
    if folder.is_dir():
        for _attempt in range(2):
            with contextlib.suppress(OSError):
                for place, _, _ in os.walk(folder):
                    Path(place).chmod(_OWN)  # it may be a copy of a read-only folder
            shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        unregister(folder)


def remove_shared_folder(folder: Path) -> None:
    """Remove a temporary folder in which other processes may still be making files.

    It gets another name first: under the old one they find nothing, and make nothing any more.
    """
    gone = register(folder.with_name(f"{folder.name}{GONE}"))
    with contextlib.suppress(OSError):
        folder.rename(gone)
    remove_folder(gone)
    remove_folder(folder)


@atexit.register
def remove_all() -> None:
    """Remove the temporary files and folders that are still registered."""
    for path in list(_temporary):
        remove(path)
        remove_folder(path)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_temporary.clear)  # they belong to the parent


@contextlib.contextmanager
def temporary_space(what: str) -> Iterator[None]:
    """Name the folder of temporary files in the error of a failure to write one.

    Args:
        what: What is written there, as the message tells.

    Raises:
        NoisifyError: Instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        folder = temporary_folder()
        raise NoisifyError(
            f"{what} cannot be kept in {folder}: {error.strerror}; point TMPDIR to a larger folder"
        ) from None


def temporary_folder() -> Path:
    """Return the folder that `tempfile` would use, without creating a file in it.

    `tempfile` creates a file there to test the folder, which a signal may leave behind.

    Raises:
        NoisifyError: If no folder is writable.
    """
    if tempfile.tempdir is not None:
        return Path(os.fsdecode(tempfile.tempdir))
    named = [os.environ[name] for name in ("TMPDIR", "TEMP", "TMP") if os.environ.get(name)]
    usual = ["/tmp", "/var/tmp", "/usr/tmp"]  # noqa: S108 - the usual places
    for folder in (*named, *(usual if os.name == "posix" else []), os.getcwd()):  # noqa: PTH109 - as text
        if os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK):  # noqa: PTH112 - as above
            return Path(folder).absolute()
    raise NoisifyError("there is no folder for temporary files; point TMPDIR to one")

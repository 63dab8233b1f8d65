"""Temporary files: where they are, and that none outlives the process.

A signal becomes an exception at any place, even between a `with` statement's end and the first line
of its `__exit__`. So whoever makes a temporary file says so before, and what is left of them when
the process ends is removed.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from pathlib import Path

from noisify.core.errors import NoisifyError
from noisify.core.lazy_libraries import shutil, tempfile

_temporary: set[Path] = set()


def will_make(path: Path) -> Path:
    """Take note of a temporary file or folder that is about to be made, and return its path."""
    _temporary.add(path)
    return path


def is_kept(path: Path) -> None:
    """Take note that what was temporary has got its name, or is gone."""
    _temporary.discard(path)


def new_temporary_path() -> Path:
    """Return the path of a file that is not there yet, in the folder for temporary files."""
    return will_make(temporary_folder() / f"noisify-{os.urandom(8).hex()}")


def remove(path: Path) -> None:
    """Remove a temporary file, if it is there and can be removed."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        is_kept(path)


def remove_folder(folder: Path) -> None:
    """Remove a temporary folder as far as can be, with a second try for what failed but once."""
    if folder.is_dir():
        for _ in range(2):
            shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        is_kept(folder)


@atexit.register
def remove_all() -> None:
    """Remove the temporary files and folders that nothing else has removed."""
    for path in list(_temporary):
        remove(path)
        remove_folder(path)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_temporary.clear)  # they are the parent's


def temporary_folder() -> Path:
    """Return the folder for temporary files: the one `tempfile` would take, without trying it.

    `tempfile` makes a file there to see whether it can, which a signal may leave behind.

    Raises:
        NoisifyError: If there is none.
    """
    if tempfile.tempdir is not None:
        return Path(os.fsdecode(tempfile.tempdir))
    named = [os.environ[name] for name in ("TMPDIR", "TEMP", "TMP") if os.environ.get(name)]
    usual = ["/tmp", "/var/tmp", "/usr/tmp"]  # noqa: S108 - the usual places
    for folder in (*named, *(usual if os.name == "posix" else []), os.getcwd()):  # noqa: PTH109 - as text
        if os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK):  # noqa: PTH112 - as above
            return Path(folder).absolute()
    raise NoisifyError("there is no folder for temporary files; point TMPDIR to one")

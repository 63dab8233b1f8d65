"""Versions of files, local or by URL: what changes when a file, or one in a folder, is changed."""

from __future__ import annotations

import hashlib
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noisify.core.errors import NoisifyError
from noisify.core.urls import is_url, path_of, redacted
from noisify.files import remote_output, transport
from noisify.files.output_interface import naming
from noisify.files.temporary import register, remove, unregister

if TYPE_CHECKING:
    from collections.abc import Mapping


ITSELF = "."
"""The name of a file that is not in a folder, in its version."""
_DIGEST_BYTES = 16


def version(path: str) -> list[list[object]]:
    """Return the version of an input; empty if it is not there, or its server does not tell.

    That is the size and the modification time, or by URL the size and the ETag, of the file, or of
    each one in a folder.
    """
    try:
        if is_url(path):
            return _remote_version(path)
        found = [(file.relative_to(path), file.stat()) for file in _files(Path(path))]
        return [[name.as_posix(), state.st_size, state.st_mtime_ns] for name, state in found]
    except (OSError, NoisifyError):  # reported when it is opened
        return []


def _remote_version(url: str) -> list[list[object]]:
    """Return the version by URL.

    Raises:
        NoisifyError: If the server does not answer.
    """
    location = transport.Location(url)
    about = location.find()
    if about is None:
        return []
    if about.get("type") == "directory":
        with transport.remote_errors(url, "read"):
            return [[name, *state[:2]] for name, state in location.list_files().items()]
    told = transport.version_of(about)
    return [[ITSELF, about.get("size"), told[0]]] if told else []


def state(target: str) -> dict[str, Any]:
    """Return what identifies an output's content: size and checksum, or by URL its version.

    Raises:
        OSError: If it cannot be read.
        NoisifyError: If it is a URL, and its server does not answer.
    """
    if is_url(target):
        return {"objects": _remote_version(target)}
    path = Path(target)
    size = sum(file.stat().st_size for file in _files(path))
    return {"size": size, "blake2b": _checksum(path)}


def is_in_state(target: str, recorded: Mapping[str, Any]) -> bool:
    """Return whether an output is the one whose state was recorded.

    Raises:
        OSError: If it cannot be read.
        NoisifyError: If it is a URL, and its server does not answer.
    """
    found = state(target)
    return found == recorded and found.get("objects") != []


def full_name(path: str) -> str:
    """Return the full path of a file, or its URL without secrets."""
    return redacted(path_of(path)) if is_url(path) else str(Path(path).absolute())


def read_text(path: str) -> str | None:
    """Return the text of a small file; None if it is not there.

    Raises:
        OSError: If it cannot be read.
        NoisifyError: If it is a URL, and cannot be read.
    """
    if not is_url(path):
        place = Path(path)
        return place.read_text(encoding="utf-8") if place.exists() else None
    location = transport.Location(path)
    about = location.find()
    if about is None:
        return None
    with transport.remote_errors(path, "read"):
        return location.read(0, int(about["size"])).decode("utf-8", "replace")


def write_text(path: str, text: str) -> None:
    """Write a small file in one step.

    Raises:
        NoisifyError: If it cannot be written.
    """
    if is_url(path):
        with remote_output.RemoteOutput(path, clobber=True) as output:
            output.file.write(text.encode())
        return
    place = Path(path)
    temporary = register(place.with_name(f".{place.name}.{os.urandom(4).hex()}"))
    try:
        with naming(path):
            place.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(place)
    finally:
        remove(temporary)
        unregister(temporary)


def _files(path: Path) -> list[Path]:
    """Return a file, or the files below a folder in the order of their paths."""
    if not path.is_dir():
        return [path]
    return sorted(Path(folder) / name for folder, _, names in os.walk(path) for name in names)


def _checksum(path: Path) -> str:
    """Return the BLAKE2b checksum of a file, or of all files below a folder."""
    new = partial(hashlib.blake2b, digest_size=_DIGEST_BYTES)
    found = new()
    for file in _files(path):
        if file != path:
            found.update(os.fsencode(file.relative_to(path).as_posix()) + b"\0")
        with file.open("rb") as opened:
            found.update(hashlib.file_digest(opened, new).digest())
    return found.hexdigest()

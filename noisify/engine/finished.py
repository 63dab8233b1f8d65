"""Records of finished outputs, for a run that goes on where another was stopped.

`OUTPUT/.noisify/<key of the run>/` has a small JSON file for each finished output: the size and the
modification time of its input, and its own size and checksum. An output is finished if all of them
are still the same. Other noise, or another way to read the input, has another key. A record is
written after its output has its final name, so a run that is killed leaves no record of an output
that is not complete.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noisify.core.errors import NoisifyError
from noisify.core.lazy_libraries import json
from noisify.core.version import VERSION
from noisify.files.temporary import register, remove, unregister
from noisify.streams.streams import STREAM_VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = ".noisify"
_DIGEST_BYTES = 16


class FinishedOutputs:
    """The records of one run.

    Args:
        folder: The folder of the outputs.
        settled: All that the outputs depend on besides their inputs: requests, options.
    """

    def __init__(self, folder: str | Path, settled: object) -> None:
        self._folder = Path(folder) / FOLDER / _key(settled)
        self._inputs: dict[str, Any] = {}

    def has(self, path: str, targets: Sequence[str]) -> bool:
        """Return whether all outputs of an input are finished."""
        self._inputs[path] = version = _version(Path(path))
        return all(self._is_finished(path, version, target) for target in targets)

    def _is_finished(self, path: str, version: object, target: str) -> bool:
        try:
            record = json.loads(self._record(target).read_text(encoding="utf-8"))
            expected = {"input": [str(Path(path).absolute()), version], "output": record["output"]}
            if record != expected or record["output"]["size"] != _size(Path(target)):
                return False
            return bool(record["output"]["blake2b"] == _checksum(Path(target)))
        except (OSError, ValueError, KeyError, TypeError):  # there is none, or it is incomplete
            return False

    def add(self, path: str, targets: Sequence[str]) -> None:
        """Record that the outputs of an input are finished; `has` was called before.

        Raises:
            NoisifyError: If a record cannot be written.
        """
        for target in targets:
            made = Path(target)
            record = {
                "input": [str(Path(path).absolute()), self._inputs[path]],
                "output": {"size": _size(made), "blake2b": _checksum(made)},
            }
            self._write(self._record(target), json.dumps(record))

    def _write(self, place: Path, text: str) -> None:
        temporary = register(place.with_name(f".{place.name}.{os.urandom(4).hex()}"))
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(place)
        except OSError as error:
            raise NoisifyError(f"cannot be written: {error.strerror}", path=place) from None
        finally:
            remove(temporary)
            unregister(temporary)

    def _record(self, target: str) -> Path:
        return self._folder / f"{Path(target).name}.json"


def _key(settled: object) -> str:
    """Return the name of the folder for a run's records."""
    told = json.dumps([VERSION, STREAM_VERSION, _plain(settled)], sort_keys=True)
    return hashlib.blake2b(told.encode(), digest_size=_DIGEST_BYTES).hexdigest()


def _plain(value: object) -> object:
    """Return a value as JSON has it, in one way only."""
    if is_dataclass(value):
        members = {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.compare}
        return {"type": type(value).__name__, **members}
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, frozenset):
        return sorted(map(str, value))
    return value if value is None or isinstance(value, str | int) else repr(value)


def _files(path: Path) -> list[Path]:
    """Return a file, or the files below a folder in the order of their paths."""
    if not path.is_dir():
        return [path]
    return sorted(Path(folder) / name for folder, _, names in os.walk(path) for name in names)


def _version(path: Path) -> list[list[object]]:
    """Return what changes when a file, or one of those below a folder, is changed."""
    try:
        found = [(file, file.stat()) for file in _files(path)]
    except OSError:  # reported when it is opened
        return []
    return [
        [file.relative_to(path).as_posix(), state.st_size, state.st_mtime_ns]
        for file, state in found
    ]


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in _files(path))


def _checksum(path: Path) -> str:
    """Return the BLAKE2b checksum of a file, or of all files below a folder."""
    found = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for file in _files(path):
        if file != path:
            found.update(os.fsencode(file.relative_to(path).as_posix()) + b"\0")
        with file.open("rb") as opened:
            found.update(hashlib.file_digest(opened, _blake2b).digest())
    return found.hexdigest()


def _blake2b() -> Any:  # noqa: ANN401 - hashlib's types have no public name
    return hashlib.blake2b(digest_size=_DIGEST_BYTES)

"""Records of finished outputs, for a run that goes on where another was stopped.

`OUTPUT/.noisify/<key of the run>/` has a small JSON file for each finished output: the size and the
modification time of its input, and its own size and checksum; by URL, the sizes and the ETags. An
output is finished if all of them are still the same. Other noise, or another way to read the input,
has another key. A record is written after its output has its final name, so a run that is killed
leaves no record of an output that is not complete. That of a folder is written just before, since a
folder is not replaced without one: until the folder has its name, the record is not true.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from noisify.core import urls
from noisify.core.errors import UsageError
from noisify.core.lazy_libraries import json
from noisify.core.version import VERSION
from noisify.files import versions
from noisify.files.remote_folder_output import INCOMPLETE
from noisify.streams.streams import STREAM_VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = ".noisify"
_DIGEST_BYTES = 16


class Record(NamedTuple):
    """The record of an output.

    Attributes:
        place: The path of its file, or its URL.
        source: The full name of the input, and its version.
        replaces: Whether what is there may be replaced, if it is a folder with files in it: a run
            has made it, from another version of the input.
    """

    place: str
    source: list[Any]
    replaces: bool

    def replacing(self) -> Record:
        """Return the record of a folder that may replace one with files in it."""
        return self._replace(replaces=True)

    def refuse(self, name: str) -> UsageError:
        """Return the error for a folder that must not be replaced."""
        return UsageError(
            "is a folder with files in it, and not as a run of this command with --resume left it; "
            "remove it, or give another --output-dir",
            path=name,
        )

    def write(self, made: Path | str) -> None:
        """Record an output that is complete, from the place where it was made.

        Raises:
            NoisifyError: If it cannot be written.
        """
        output = versions.state(str(made))
        if "objects" in output:
            output = {"objects": [one for one in output["objects"] if one[0] != INCOMPLETE]}
        versions.write_text(self.place, json.dumps({"input": self.source, "output": output}))


class FinishedOutputs:
    """The records of one run.

    Args:
        folder: The folder of the outputs, or its URL.
        settled: All that the outputs depend on besides their inputs: requests, options.
    """

    def __init__(self, folder: str, settled: object) -> None:
        where = f"{FOLDER}/{_key(settled)}"
        is_url = urls.is_url(folder)
        self._folder = (
            urls.joined(folder, where) if is_url else str(Path(folder).absolute() / where)
        )
        self._inputs: dict[str, Any] = {}
        self._stale: set[str] = set()

    def has(self, path: str, targets: Sequence[str]) -> bool:
        """Return whether all outputs of an input are finished.

        Raises:
            NoisifyError: If the server of an output does not answer.
        """
        self._inputs[path] = version = versions.version(path)
        return bool(version) and all(self._is_finished(path, target) for target in targets)

    def _is_finished(self, path: str, target: str) -> bool:
        try:
            record = json.loads(versions.read_text(self._record(target)) or "null")
            is_of_it = record["input"] == self._source(path)
            if not is_of_it and not self._is_folder(path):
                return False
            is_there = versions.is_in_state(target, record["output"])
        except (OSError, ValueError, KeyError, TypeError):  # there is none, or it is incomplete
            return False
        if is_there and not is_of_it:
            self._stale.add(target)
        return is_there and is_of_it

    def _source(self, path: str) -> list[Any]:
        return [versions.full_name(path), self._inputs[path]]

    def _is_folder(self, path: str) -> bool:
        return any(name != versions.ITSELF for name, *_ in self._inputs[path])

    def record_of(self, path: str, target: str) -> Record:
        """Return the record of an output; `has` was called before."""
        return Record(self._record(target), self._source(path), target in self._stale)

    def add(self, path: str, targets: Sequence[str]) -> None:
        """Record that the outputs of an input are finished, unless they are folders.

        The output of a folder is a folder, which is recorded while it is made.

        Raises:
            NoisifyError: If a record cannot be written.
        """
        if not self._is_folder(path):
            for target in targets:
                self.record_of(path, target).write(target)

    def _record(self, target: str) -> str:
        return f"{self._folder}/{Path(target).name}.json"


def _key(settled: object) -> str:
    """Return the name of the folder for a run's records."""
    told = json.dumps([VERSION, STREAM_VERSION, _plain(settled)], sort_keys=True)
    return hashlib.blake2b(told.encode(), digest_size=_DIGEST_BYTES).hexdigest()


def _plain(value: object) -> object:
    """Return a value as plain JSON, the same for equal values."""
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

"""Records of finished outputs, for a run that goes on where another was stopped.

`OUTPUT/.noisify/<key of the run>/` has a small JSON file for each finished output: the size and the
modification time of its input, and its own size and checksum; by URL, the sizes and the ETags. An
output is finished if all of them are still the same. Other noise, or another way to read the input,
has another key. A record is written after its output has its final name, so a run that is killed
leaves no record of an output that is not complete.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noisify.core import urls
from noisify.core.lazy_libraries import json
from noisify.core.version import VERSION
from noisify.files import versions
from noisify.streams.streams import STREAM_VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = ".noisify"
_DIGEST_BYTES = 16


class FinishedOutputs:
    """The records of one run.

    Args:
        folder: The folder of the outputs, or its URL.
        settled: All that the outputs depend on besides their inputs: requests, options.
    """

    def __init__(self, folder: str, settled: object) -> None:
        where = f"{FOLDER}/{_key(settled)}"
        is_url = urls.is_url(folder)
        self._folder = urls.joined(folder, where) if is_url else str(Path(folder) / where)
        self._inputs: dict[str, Any] = {}

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
            if record["input"] != [versions.full_name(path), self._inputs[path]]:
                return False
            return versions.is_in_state(target, record["output"])
        except (OSError, ValueError, KeyError, TypeError):  # there is none, or it is incomplete
            return False

    def add(self, path: str, targets: Sequence[str]) -> None:
        """Record that the outputs of an input are finished; `has` was called before.

        Raises:
            NoisifyError: If a record cannot be written.
        """
        for target in targets:
            record = {
                "input": [versions.full_name(path), self._inputs[path]],
                "output": versions.state(target),
            }
            versions.write_text(self._record(target), json.dumps(record))

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

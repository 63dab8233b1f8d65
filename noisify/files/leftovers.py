"""Remove what a run that was killed left of its outputs: temporary files and open uploads."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from noisify.core.errors import NoisifyError
from noisify.core.urls import is_url
from noisify.files import multipart
from noisify.files.file_output import temporary_stem
from noisify.files.temporary import GONE, remove, remove_folder

if TYPE_CHECKING:
    from collections.abc import Iterable


_TEMPORARY = re.compile(rf"(.+)\.[0-9a-f]{{12}}\.tmp(\.parts({re.escape(GONE)})?)?")


def remove_leftovers(targets: Iterable[str]) -> None:
    """Remove what is left of unfinished outputs, which no run is writing.

    What cannot be removed stays; its name is hidden.
    """
    local: dict[Path, set[str]] = {}
    remote: list[str] = []
    for target in targets:
        if is_url(target):
            remote.append(target)
        else:
            path = Path(os.path.realpath(target))
            local.setdefault(path.parent, set()).add(temporary_stem(path))
    for folder, stems in local.items():
        with contextlib.suppress(OSError):
            for path in list(folder.iterdir()):
                found = _TEMPORARY.fullmatch(path.name)
                if found is not None and found[1] in stems:
                    remove_folder(path)
                    remove(path)
    with contextlib.suppress(NoisifyError):  # listing uploads may be forbidden
        multipart.abort_uploads(remote)

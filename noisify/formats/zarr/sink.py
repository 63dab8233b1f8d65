"""Write Zarr stores: copies of the source in which chunks of noisy arrays are overwritten."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noisify.files.folder_input import copy_folder, copy_modes
from noisify.formats.datasets.sink import DatasetsSink
from noisify.formats.zarr.store import UNREADABLE, open_copy, zarr

if TYPE_CHECKING:
    from collections.abc import Container

    from noisify.files.folder_output import FolderOutput
    from noisify.formats.zarr.source import ZarrSource
    from noisify.formats.zarr.store import ZarrObject


class ZarrSink(DatasetsSink):
    """A Zarr store being written: each chunk is a file, which the workers write.

    Args:
        source: The store that was read.
        output: The folder to write.
        names: The files to copy, or None for all.
    """

    positional = True
    failures = UNREADABLE

    def __init__(
        self, source: ZarrSource, output: FolderOutput, names: Container[str] | None = None
    ) -> None:
        super().__init__(source.stored, output.name)
        self._source = source
        self._folder = output.folder
        copy_folder(source.folder, self._folder, names)
        self._arrays: dict[str, Any] = {}

    def array(self, path: str) -> ZarrObject:
        """Return an array of the copy, which writes chunks of its fill value too."""
        if path not in self._arrays:
            with zarr.config.set({"array.write_empty_chunks": True}):
                root = open_copy(self._folder)
                self._arrays[path] = root[path] if path else root
        return self._arrays[path]

    def finish(self) -> None:
        """Write the arrays that were unpacked, sync all files, and copy the files' modes."""
        with self._writing():
            self._write_scratch()
            for place, _, names in os.walk(self._folder):
                for name in names:
                    _sync(Path(place) / name)
            copy_modes(self._source.folder, self._folder)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())

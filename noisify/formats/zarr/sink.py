"""A copy of a Zarr store, in which the chunks of noisy arrays are written anew."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noisify.core.errors import NoisifyError
from noisify.files.folder_input import copy_folder, copy_modes
from noisify.formats.hdf5.pieces import NoisyPiece, box_in
from noisify.formats.interface import Sink
from noisify.formats.numpy_fields import put_back
from noisify.formats.zarr.storage import ZarrStorage
from noisify.formats.zarr.store import UNREADABLE, open_copy, zarr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from noisify.core.chunk import Chunk
    from noisify.files.folder_output import FolderOutput
    from noisify.formats.hdf5.chunk_file import ChunkFile
    from noisify.formats.hdf5.pieces import DatasetsPiece
    from noisify.formats.hdf5.storage import Unpacked
    from noisify.formats.interface import NoisyColumn
    from noisify.formats.zarr.source import ZarrSource
    from noisify.formats.zarr.store import ZarrObject


class ZarrSink(Sink["DatasetsPiece", NoisyPiece]):
    """A Zarr store being written: each chunk is a file, which the workers write.

    Args:
        source: The store that was read.
        output: The folder to write.
    """

    positional = True

    def __init__(self, source: ZarrSource, output: FolderOutput) -> None:
        self._source = source
        self._folder = output.folder
        self._name = output.name
        self._scratch: dict[str, tuple[Callable[[Any, ChunkFile], None], ChunkFile]] = {}
        copy_folder(source.folder, self._folder)
        self._arrays: dict[str, Any] = {}

    def array(self, path: str) -> ZarrObject:
        """Return an array of the copy, which writes chunks of its fill value too."""
        if path not in self._arrays:
            with zarr.config.set({"array.write_empty_chunks": True}):
                root = open_copy(self._folder)
                self._arrays[path] = root[path] if path else root
        return self._arrays[path]

    def encode(self, raw: DatasetsPiece, chunk: Chunk, noisy: Sequence[NoisyColumn]) -> NoisyPiece:
        """Return the arrays of a piece that get noise, with their noisy fields in them."""
        by_path: dict[str, list[NoisyColumn]] = {}
        for result in noisy:
            place = self._source.places[result.column.field.name]
            by_path.setdefault(place.path, []).append(result)
        packed = []
        for storage, _ in raw.parts:
            if columns := by_path.get(storage.path):
                before: Unpacked = chunk.layout[storage.path]
                values = put_back(before.values, columns, f"{storage.path}.")
                packed.append((storage, storage.pack(before, values, box_in(storage, raw.box))))
        return NoisyPiece(tuple(packed), raw.box, frozenset())

    def write_at_position(self, encoded: NoisyPiece) -> NoisyPiece:
        """Write the chunks of a piece; arrays that were unpacked are left for `write`."""
        own = [part for part in encoded.parts if isinstance(part[0], ZarrStorage)]
        self._write(own, encoded)
        rest = [part for part in encoded.parts if not isinstance(part[0], ZarrStorage)]
        return replace(encoded, parts=tuple(rest))

    def write(self, encoded: NoisyPiece) -> None:
        """Write a piece."""
        self._write(encoded.parts, encoded)

    def _write(self, parts: Sequence[tuple[Any, Any]], encoded: NoisyPiece) -> None:
        with self._writing():
            for storage, packed in parts:
                storage.write(self, packed, box_in(storage, encoded.box))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Let a failure of zarr name the output.

        Raises:
            NoisifyError: Instead of what zarr raises.
        """
        try:
            yield
        except UNREADABLE as error:
            why = getattr(error, "strerror", None) or error
            raise NoisifyError(f"cannot be written: {why}", path=self._name) from None

    def scratch(
        self, path: str, elements: ChunkFile, finish: Callable[[Any, ChunkFile], None]
    ) -> ChunkFile:
        """Return where the noisy elements of an array are kept until all are there."""
        if path not in self._scratch:
            self._scratch[path] = finish, elements.copy()
        return self._scratch[path][1]

    def finish(self) -> None:
        """Write the arrays that were unpacked, sync all files, and protect what was protected."""
        with self._writing():
            for finish, noisy in self._scratch.values():
                finish(self, noisy)
            for place, _, names in os.walk(self._folder):
                for name in names:
                    _sync(Path(place) / name)
            copy_modes(self._source.folder, self._folder)

    def close(self) -> None:
        """Remove what is temporary."""
        for _, noisy in self._scratch.values():
            noisy.close()


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())

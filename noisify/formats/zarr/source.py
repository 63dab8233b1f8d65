"""Read the arrays of a Zarr store in pieces of whole chunks, and overwrite them in a copy."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.files.folder_input import WebFolder, copy_folder, copy_modes
from noisify.formats.datasets.boxes import box_shape
from noisify.formats.datasets.declared import MASKED, as_declared, codes_declared, says_missing
from noisify.formats.datasets.sink import DatasetsSink
from noisify.formats.datasets.source import DatasetsSource, unreadable_field
from noisify.formats.datasets.storage import InChunks, Stored, Unpacked
from noisify.formats.numpy_fields import ARRAY_NAME, fields_of, member_of
from noisify.formats.zarr.roles import Roles, declarations
from noisify.formats.zarr.store import UNREADABLE, Tree, open_copy, open_store, reading, zarr

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from noisify.core.chunk import Field
    from noisify.files.folder_output import FolderOutput
    from noisify.files.input import Input
    from noisify.formats.datasets.boxes import Box
    from noisify.formats.datasets.storage import Origin, Target
    from noisify.formats.zarr.store import ZarrObject


_NUMBERS = "biufcMmV"


@frozen
class ZarrStorage(InChunks):
    """Elements of an array in chunks, or in shards of several chunks; each is a file."""

    for_workers = True

    @override
    def read(self, origin: Origin, box: Box) -> Callable[[], NDArray[Any]]:
        """Return a function with which the worker reads a box."""
        return partial(read_box, origin.array(self.path), self.dtype, box)

    @override
    def unpack(self, raw: Callable[[], NDArray[Any]], box: Box) -> Unpacked:
        """Return a box's elements, read by the worker."""
        return Unpacked(raw())

    @override
    def write(self, target: Target, packed: list[tuple[Box, NDArray[Any]]], box: Box) -> None:
        """Write chunks."""
        for part, values in packed:
            target.array(self.path)[part] = values


def unit_of(array: ZarrObject) -> tuple[int, ...]:
    """Return the shape of the elements that are in one file: a chunk, or a shard of several."""
    return tuple(max(1, extent) for extent in array.shards or array.chunks)


def read_box(array: ZarrObject, dtype: np.dtype[Any], box: Box) -> NDArray[Any]:
    """Read a box of an array."""
    return np.asarray(array[box], dtype, order="C").reshape(box_shape(box))


class ZarrSource(DatasetsSource):
    """An open Zarr store, a folder.

    Attributes:
        folder: The folder.
    """

    def __init__(self, source: Input) -> None:
        super().__init__(source)
        if source.path is None:
            raise AssertionError(source.name)
        self.folder: Path = source.path
        with reading(self.name):
            self._tree = Tree.of(open_store(self.folder), self.folder)
        if isinstance(where := cast("object", self.folder), WebFolder):
            where.inside = list(self._files())
        self.fields = self._find_fields()

    def _files(self) -> Iterator[str]:
        """Yield the paths of the files that the store may have."""
        for path in (*self._tree.attributes, *self._tree.arrays):
            for name in ("zarr.json", ".zgroup", ".zarray", ".zattrs"):
                yield f"{path}/{name}".lstrip("/")
        for path, array in self._tree.arrays.items():
            sizes = zip(array.shape, unit_of(array), strict=True)
            for at in itertools.product(*(range(-(-size // step)) for size, step in sizes)):
                yield f"{path}/{array.metadata.encode_chunk_key(at)}".lstrip("/")

    def _find_fields(self) -> tuple[Field, ...]:
        roles = Roles(self._tree)
        found: list[Field] = []
        for path, array in self._tree.arrays.items():
            with reading(self.name, path):
                found += self._fields_of(path, array, roles)
        found += [unreadable_field(path, why) for path, why in self._tree.unreadable.items()]
        return self._described(found)

    def _fields_of(self, path: str, array: ZarrObject, roles: Roles) -> Iterator[Field]:
        name, dtype = path or ARRAY_NAME, np.dtype(array.dtype)
        structure = roles.structure.get(path, "")
        for field in fields_of(dtype, name):
            member = None if dtype.names is None else field.name
            whole = f"{name}.{member}" if member else name
            table = f"{array.shape} of {field.table}"
            found = replace(field, name=whole, table=table, role=roles.roles.get(path, ""))
            if structure or dtype.kind not in _NUMBERS:
                kind = field.kind if not structure and dtype.kind in "SU" else "other"
                yield replace(found, kind=kind, type_name=structure or str(dtype), number=None)
                continue
            mask = roles.masks.get(path)
            if mask is not None and says_missing(self._tree.arrays[mask]):
                yield replace(found, number=None, hindrance=MASKED)
                continue
            if found.number is not None and not member:
                found = as_declared(found, declarations(array, found.number))
                if (categories := roles.categories.get(path)) is not None:
                    found = as_declared(found, codes_declared(categories))
            if found.number is not None:
                values = member_of(np.empty(0, dtype), field.name)
                shape = array.shape + values.shape[1:]
                self.stored[whole] = Stored(path, member, shape, values.dtype)
            yield found

    def array(self, path: str) -> ZarrObject:
        """Return an array."""
        return self._tree.arrays[path]

    @override
    def _reading(self, path: str) -> AbstractContextManager[None]:
        return reading(self.name, path)

    @override
    def _storage(self, path: str) -> ZarrStorage:
        array = self.array(path)
        return ZarrStorage(path, array.shape, array.ndim, np.dtype(array.dtype), unit_of(array))


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
                    with (Path(place) / name).open("rb") as file:
                        os.fsync(file.fileno())
            copy_modes(self._source.folder, self._folder)

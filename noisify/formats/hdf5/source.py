"""Read HDF5 files. The output is a copy of the file in which chosen datasets are overwritten.

So its tree, attributes, links, types, chunks and filters are kept to the byte. Elements are read in
their order, whatever their chunks: `storage` reads and writes them, and `datasets/storage` unpacks
chunks that run against that order into a temporary file first.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

import h5py

from noisify.core.errors import DataError, NoisifyError
from noisify.core.overriding import override
from noisify.core.signals import delayed_signals
from noisify.formats.datasets.source import DatasetsSource, unreadable_field
from noisify.formats.hdf5.datasets import fields_at, rounding_filter, storage_of
from noisify.formats.hdf5.object_headers import HeaderFile, header_sizes
from noisify.formats.hdf5.roles import Roles
from noisify.formats.hdf5.storage import Contiguous
from noisify.formats.hdf5.tree import (
    NO_MEMORY,
    UNREADABLE,
    LibraryFile,
    PathOpener,
    Tree,
    close_file,
    open_file,
    reading,
    reason,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from noisify.core.chunk import Field
    from noisify.files.input import Input
    from noisify.formats.datasets.storage import Storage
    from noisify.formats.interface import FieldArray

_SHOWN = 5
_DISK_FAILED = re.compile("errno = [0-9]+, error message = '([^']*)'")
"""The message of the HDF5 library when the system could not read."""


class Hdf5Source(DatasetsSource):
    """An open HDF5 file."""

    def __init__(self, source: Input) -> None:
        source.spool()
        super().__init__(source)
        self.path: Path = source.path  # type: ignore[assignment]
        self.notes: list[str] = []
        self._rounded: set[str] = set()
        self._storages: dict[str, Storage] = {}
        self._bytes = self.path.open("rb", buffering=0)
        self._library: LibraryFile | None = None
        if source.is_remote:
            self._library = LibraryFile(self.path.open("rb", 0))
        try:
            with self._checked():
                self._file = open_file(self._library or self.path, "r")
        except OSError as error:
            self._bytes.close()
            raise _unreadable(error, self.name) from None
        try:
            with self._checked():
                self._objects = PathOpener(self._file)
                self.fields = self._find_fields()
        except UNREADABLE as error:
            self.close()
            why = reason(error)
            raise DataError(f"has a part that cannot be read: {why}", path=self.name) from None
        except BaseException:  # a signal too must not leave the file open
            self.close()
            raise

    @contextlib.contextmanager
    def _checked(self) -> Iterator[None]:
        """Delay signals while the HDF5 library reads a URL, then raise a failure hidden from it."""
        if self._library is None:
            yield
            return
        try:
            with delayed_signals():
                yield
        finally:
            self._library.check()  # the cause, not the library's error that follows from it

    def _find_fields(self) -> tuple[Field, ...]:
        roles = Roles(self._file)
        tree = Tree.of(self._file, roles.look_at)
        found: list[Field] = []
        rounded: list[str] = []
        unreadable = dict(tree.unreadable)
        for path in tree.datasets:
            try:
                item, address = self._objects.dataset(path), self._objects.address(path)
                fields = list(fields_at(path, item, address, tree.paths, roles))
                name = rounding_filter(item)
            except UNREADABLE as error:
                unreadable[path] = reason(error)
                continue
            found += [field for field, _ in fields]
            stored = {field.name: place for field, place in fields if place is not None}
            if stored and name is not None:
                rounded.append(f"{path} ({name})")
                self._rounded |= set(stored)
            self.stored |= stored
        for path, why in unreadable.items():
            if NO_MEMORY.search(why) is not None:
                raise MemoryError
            if (failed := _DISK_FAILED.search(why)) is not None:
                raise NoisifyError(f"cannot be read: {failed[1]}", path=self.name)
            found.append(unreadable_field(path, why))
            self.notes.append(f"{path} is left as it is: it cannot be read ({why})")
        if rounded:
            shown = ", ".join(rounded[:_SHOWN]) + ", …" * (len(rounded) > _SHOWN)
            self.notes.append(f"filters that round values round their noise too: {shown}")
        return self._described(found)

    def opened(self) -> BinaryIO:
        """Return the file, to be read without the HDF5 library."""
        return self._bytes

    def dataset(self, path: str) -> h5py.h5d.DatasetID:
        """Return a dataset."""
        return self._objects.dataset(path).id

    @override
    def _reading(self, path: str) -> AbstractContextManager[None]:
        return reading(self.name, path)

    @override
    @contextlib.contextmanager
    def _reading_in_order(self, path: str) -> Iterator[None]:
        """Turn a failure of the HDF5 library into an error; raise one hidden from it."""
        with self._checked(), reading(self.name, path):
            yield

    @override
    def _storage(self, path: str) -> Storage:
        if path not in self._storages:
            headers = HeaderFile(self._bytes, *header_sizes(self._file))
            with self._reading_in_order(path):
                item, address = self._objects.dataset(path), self._objects.address(path)
                self._storages[path] = storage_of(path, item, address, headers)
        return self._storages[path]

    def contiguous(self, names: Iterable[str]) -> dict[str, Contiguous]:
        """Return the contiguous datasets among those of some fields, by path."""
        paths = sorted({self.stored[name].path for name in names})
        every = {path: self._storage(path) for path in paths}
        return {path: one for path, one in every.items() if isinstance(one, Contiguous)}

    def parts(self, most: int) -> int:
        """Return into how many parts the file may be cut: 1 unless all of it is contiguous."""
        fields = {name for name, place in self.stored.items() if place.count}
        return most if fields and self.is_contiguous(fields) else 1

    def is_contiguous(self, names: Iterable[str]) -> bool:
        """Return whether the datasets of some fields are all contiguous."""
        return {self.stored[name].path for name in names} == set(self.contiguous(names))

    @override
    def array_of(self, field: Field) -> FieldArray:
        """Return the array for a field's mask: a dataset of the field's name, even for a member."""
        array = super().array_of(field)
        dtype = h5py.opaque_dtype(array.dtype) if array.dtype.kind in "Mm" else array.dtype
        return replace(array, dtype=dtype, rounded=field.name in self._rounded)

    @override
    def array_shape(self, field: Field) -> tuple[int, ...]:
        """Return a dataset's shape, followed by that of a member."""
        return self.stored[field.name].shape

    def close(self) -> None:
        """Close the file, and remove the temporary ones."""
        super().close()
        self._bytes.close()
        close_file(self._file)


def _unreadable(error: OSError, name: str) -> DataError:
    """Return the error for a file that the HDF5 library does not open."""
    said = str(error)
    if "already open for write" in said or "consistency flags" in said:
        said = (
            "it is open for writing, or was not closed; close it, or if nothing has it open, "
            "clear its flags with h5clear -s"
        )
    elif "unable to lock" in said:
        said = "another program is writing it"
    return DataError(f"is not a readable HDF5 file: {said}", path=name)

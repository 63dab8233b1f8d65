"""Read the arrays of a Zarr store in pieces of whole chunks, in the order of their elements."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.chunk import Positions
from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.formats.hdf5.datasets import as_declared, unreadable_field
from noisify.formats.hdf5.datasets_source import DatasetsSource, check_names
from noisify.formats.hdf5.declared import declared_by
from noisify.formats.hdf5.pieces import DatasetsPiece, box_in, cut
from noisify.formats.hdf5.rechunk import RechunkedStorage
from noisify.formats.interface import FieldArray
from noisify.formats.numpy_fields import (
    ARRAY_NAME,
    column_of,
    fields_of,
    member_of,
    with_member_streams,
)
from noisify.formats.zarr.roles import Roles, declarations
from noisify.formats.zarr.storage import ZarrStorage
from noisify.formats.zarr.store import Tree, open_store, reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from noisify.core.chunk import Column, Field
    from noisify.files.input import Input
    from noisify.formats.hdf5.pieces import Cut
    from noisify.formats.hdf5.storage import Storage, Unpacked
    from noisify.formats.zarr.store import ZarrObject

_COPIES = 3
"""How often a chunk is in memory: as it is stored, unpacked and with noise."""
_NUMBERS = "biufcMmV"


@frozen
class Place:
    """The location of a field in the store.

    Attributes:
        path: The path of its array.
        member: The member of a structured array that it is; empty: the whole array.
        width: Its elements in each element of the array.
    """

    path: str
    member: str
    width: int


class ZarrSource(DatasetsSource):
    """An open Zarr store, a folder.

    Attributes:
        folder: The folder.
        places: The location of each field that can get noise, by name.
    """

    lazy_storage = ZarrStorage

    def __init__(self, source: Input) -> None:
        super().__init__()
        if source.path is None:
            raise AssertionError(source.name)
        self.name = source.name
        self.folder: Path = source.path
        self._memory = source.memory
        self._rechunked: dict[str, RechunkedStorage] = {}
        with reading(self.name):
            self._tree = Tree.of(open_store(self.folder), self.folder)
        self.places: dict[str, Place] = {}
        self.fields = self._find_fields()
        self.empty = bool(self.places) and not any(map(self.length, self.fields))

    def _find_fields(self) -> tuple[Field, ...]:
        roles = Roles(self._tree)
        found: list[Field] = []
        for path, array in self._tree.arrays.items():
            with reading(self.name, path):
                found += self._fields_of(path, array, roles)
        found += [unreadable_field(path, why) for path, why in self._tree.unreadable.items()]
        check_names(found, self.name)
        members = {name: place.member for name, place in self.places.items() if place.member}
        return with_member_streams(found, members)

    def _fields_of(self, path: str, array: ZarrObject, roles: Roles) -> Iterator[Field]:
        name, dtype = path or ARRAY_NAME, np.dtype(array.dtype)
        structure = roles.structure.get(path, "")
        for field in fields_of(dtype, name):
            member = "" if dtype.names is None else field.name
            whole = f"{name}.{member}" if member else name
            width = int(field.table)
            found = replace(
                field, name=whole, table=f"{array.shape} of {width}", role=roles.roles.get(path, "")
            )
            if structure or dtype.kind not in _NUMBERS:
                kind = field.kind if not structure and dtype.kind in "SU" else "other"
                yield replace(found, kind=kind, type_name=structure or str(dtype), number=None)
                continue
            if found.number is not None and not member:
                declared = declared_by(declarations(array, found.number), found.number)
                found = as_declared(found, declared)
            if found.number is not None:
                self.places[whole] = Place(path, member, width)
            yield found

    def array(self, path: str) -> ZarrObject:
        """Return an array."""
        return self._tree.arrays[path]

    @override
    def _path_of(self, field: Field) -> str:
        return self.places[field.name].path

    @override
    def _reading(self, path: str) -> AbstractContextManager[None]:
        return reading(self.name, path)

    @override
    def _cut(self, fields: Sequence[Field], size: int) -> Cut:
        paths = dict.fromkeys(self._path_of(field) for field in fields)
        storages = [ZarrStorage.of(path, self.array(path)) for path in paths]
        for storage in storages:
            chunk = math.prod(storage.unit) * storage.dtype.itemsize
            self._memory.require(_COPIES * chunk, f"a chunk of {storage.path}")
        return cut(storages, sum(map(self.length, fields)), size, self._rechunk)

    def _rechunk(self, storage: Storage) -> Storage:
        """Unpack an array whose chunks run against the order of its elements."""
        path = storage.path
        if not isinstance(storage, ZarrStorage) or not storage.rank:
            return storage
        if path not in self._rechunked:
            with reading(self.name, path):
                self._rechunked[path] = RechunkedStorage.of(storage, self)  # type: ignore[arg-type]
        return self._rechunked[path]

    @override
    def _pieces(self, found: Cut) -> Iterator[DatasetsPiece]:
        for box, start, count in found.boxes():
            parts: list[tuple[Storage, Any]] = []
            for storage in found.storages:
                inside = box_in(storage, box)
                if isinstance(storage, ZarrStorage):
                    parts.append((storage, partial(storage.read, self, inside)))
                else:
                    parts.append((storage, storage.read(self, inside)))  # type: ignore[arg-type]
            yield DatasetsPiece(tuple(parts), box, start, count)

    @override
    def _column(self, raw: DatasetsPiece, unpacked: Mapping[str, Unpacked], field: Field) -> Column:
        place = self.places[field.name]
        values = unpacked[place.path].values
        positions = Positions.range(raw.start, raw.start + raw.count)
        return column_of(values.reshape(-1), positions, field, place.member)

    @override
    def array_of(self, field: Field) -> FieldArray:
        """Return the array that a field's mask has, whether the field is one or a member."""
        place = self.places[field.name]
        array = self.array(place.path)
        member = member_of(np.empty(0, np.dtype(array.dtype)), place.member)
        return FieldArray(field.name, array.shape + member.shape[1:], member.dtype)

    def length(self, field: Field) -> int:
        """Return the number of elements of a field."""
        place = self.places.get(field.name)
        return 0 if place is None else math.prod(self.array(place.path).shape) * place.width

    def array_shape(self, field: Field) -> tuple[int, ...] | None:
        """Return an array's shape; None if the field is a member of its records."""
        place = self.places[field.name]
        return None if place.member else tuple(self.array(place.path).shape)

    def close(self) -> None:
        """Remove what was unpacked."""
        for rechunked in self._rechunked.values():
            rechunked.elements.close()

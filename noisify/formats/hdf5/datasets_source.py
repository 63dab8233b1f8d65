"""Read datasets that come together in pieces: what HDF5 files and Zarr stores have in common."""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

from noisify.core.chunk import Chunk
from noisify.core.errors import DataError
from noisify.core.overriding import override
from noisify.formats.colocated import FieldsByPlace, united
from noisify.formats.hdf5.boxes import box_shape
from noisify.formats.hdf5.pieces import DatasetsPiece, box_in
from noisify.formats.interface import Reading, Source
from noisify.formats.numpy_fields import arrow_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from noisify.core.chunk import Column, Field
    from noisify.formats.hdf5.pieces import Cut
    from noisify.formats.hdf5.storage import Storage, Unpacked


class DatasetsSource(Source[DatasetsPiece]):
    """An open file of datasets.

    Attributes:
        name: The file's name in errors.
        lazy_storage: The storage whose elements are read by the workers.
    """

    reads_conditions = True
    name: str
    lazy_storage: ClassVar[type[Storage]]

    def __init__(self) -> None:
        self._by_path = FieldsByPlace(self._path_of)

    @abstractmethod
    def _path_of(self, field: Field) -> str:
        """Return the path of a field's dataset."""

    @abstractmethod
    def _reading(self, path: str) -> AbstractContextManager[None]:
        """Let a failure to read a dataset be one line."""

    @abstractmethod
    def _cut(self, fields: Sequence[Field], size: int) -> Cut:
        """Decide how the datasets of some fields are cut into pieces of about `size` bytes."""

    @abstractmethod
    def _pieces(self, found: Cut) -> Iterator[DatasetsPiece]:
        """Yield the pieces of datasets that come together."""

    @abstractmethod
    def _column(self, raw: DatasetsPiece, unpacked: Mapping[str, Unpacked], field: Field) -> Column:
        """Return a field of a piece whose datasets are unpacked."""

    def read(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[DatasetsPiece]:
        """Read the elements of each group of fields, dataset after dataset, in their order."""
        together = united(groups, self._path_of)  # what shares a dataset: it is written once
        cuts = [self._cut(fields, size) for fields in together]
        storages = itertools.chain.from_iterable(found.storages for found in cuts)
        limits = [found.in_flight for found in cuts if found.in_flight is not None]
        return Reading(
            itertools.chain.from_iterable(map(self._pieces, cuts)),
            in_flight=min(limits, default=None),
            lazy=all(isinstance(storage, self.lazy_storage) for storage in storages),
        )

    def decode(self, raw: DatasetsPiece, wanted: Sequence[Field]) -> Chunk:
        """Return the piece's fields in native byte order."""
        unpacked = {}
        for storage, part in raw.parts:
            with self._reading(storage.path):
                unpacked[storage.path] = storage.unpack(part, box_in(storage, raw.box))
        fields = self._by_path.at(unpacked, wanted)
        return Chunk(tuple(self._column(raw, unpacked, field) for field in fields), unpacked)

    @override
    def condition_values(
        self, raw: DatasetsPiece, chunk: Chunk, names: Iterable[str]
    ) -> dict[str, Any]:
        """Return fields of the piece as Arrow arrays, null where they are missing."""
        return {
            field.name: arrow_of(self._column(raw, chunk.layout, field))
            for field in self.fields_called(names)
        }

    def size_of(self, raw: DatasetsPiece) -> int:
        """Return the bytes of a piece's elements."""
        return sum(
            math.prod(box_shape(box_in(storage, raw.box))) * storage.dtype.itemsize
            for storage, _ in raw.parts
        )


def check_names(fields: Sequence[Field], name: str) -> None:
    """Refuse a file in which two fields have one name.

    Raises:
        DataError: If there are such fields.
    """
    for field, count in Counter(field.name for field in fields).most_common(1):
        if count > 1:
            raise DataError(f"has two fields called {field!r}; rename one", path=name)

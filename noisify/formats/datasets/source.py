"""Read HDF5 files and Zarr stores, or parts of them, in pieces of datasets that belong together."""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from noisify.core.chunk import Chunk, Field, Positions
from noisify.core.errors import DataError
from noisify.core.overriding import override
from noisify.formats.array_source import ArraySource
from noisify.formats.colocated import FieldsByPlace, united
from noisify.formats.datasets.boxes import box_shape, first_element
from noisify.formats.datasets.pieces import DatasetsPiece, box_in, chunks_around, cut
from noisify.formats.datasets.storage import InChunks, RechunkedStorage
from noisify.formats.interface import FieldArray, Part, Reading
from noisify.formats.numpy_fields import arrow_of, column_of, with_member_streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from noisify.core.chunk import Column
    from noisify.core.share import Share
    from noisify.files.input import Input
    from noisify.formats.datasets.pieces import Cut
    from noisify.formats.datasets.storage import Storage, Stored, Unpacked


_COPIES = 3
"""The copies of a chunk in memory: as it is stored, unpacked and with noise."""


class DatasetsSource(ArraySource[DatasetsPiece]):
    """An open file of datasets.

    Attributes:
        name: The file's name in errors.
        stored: The location of each field that can get noise, by name.
    """

    reads_conditions = True

    def __init__(self, source: Input) -> None:
        self.name = source.name
        self.stored: dict[str, Stored] = {}
        self._memory = source.memory
        self._by_path = FieldsByPlace(self.path_of)
        self._rechunked: dict[tuple[str, range], RechunkedStorage] = {}

    @abstractmethod
    def _storage(self, path: str) -> Storage:
        """Return how a dataset is stored."""

    @abstractmethod
    def _reading(self, path: str) -> AbstractContextManager[None]:
        """Turn a failure to read a dataset into an error in one line."""

    def _reading_in_order(self, path: str) -> AbstractContextManager[None]:
        """Do the same as `_reading` on the one thread that reads the file."""
        return self._reading(path)

    def path_of(self, field: Field) -> str:
        """Return the path of a field's dataset."""
        return self.stored[field.name].path

    def _described(self, found: Sequence[Field]) -> tuple[Field, ...]:
        """Return the fields that were found, with the random streams of their members.

        Raises:
            DataError: If two fields have one name.
        """
        for name, count in Counter(field.name for field in found).most_common(1):
            if count > 1:
                raise DataError(f"has two fields called {name!r}; rename one", path=self.name)
        places = self.stored.items()
        members = {name: place.member for name, place in places if place.member is not None}
        self.empty = bool(self.stored) and not any(place.count for _, place in places)
        return with_member_streams(found, members)

    @override
    def read(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[DatasetsPiece]:
        """Read the elements of each group of fields, dataset after dataset, in their order."""
        return self.read_pieces(groups, size, self.pieces)

    def read_pieces(
        self,
        groups: Sequence[Sequence[Field]],
        size: int,
        pieces: Callable[[Cut], Iterator[DatasetsPiece]],
    ) -> Reading[DatasetsPiece]:
        """Read the pieces that `pieces` yields for each group of fields."""
        together = united(groups, self.path_of)  # by dataset: each is written once
        cuts = [self._cut(fields, size) for fields in together]
        storages = itertools.chain.from_iterable(found.storages for found in cuts)
        limits = [found.in_flight for found in cuts if found.in_flight is not None]
        return Reading(
            itertools.chain.from_iterable(map(pieces, cuts)),
            in_flight=min(limits, default=None),
            lazy=all(one.for_workers for one in storages)
            and not any(one.rechunked for one in cuts),
        )

    def _cut(self, fields: Sequence[Field], size: int) -> Cut:
        """Decide how the datasets of some fields are cut into pieces of about `size` bytes."""
        paths = dict.fromkeys(map(self.path_of, fields))
        storages = [self._storage(path) for path in paths]
        for storage in storages:
            if storage.unit is not None:
                count = math.prod(storage.unit) * storage.dtype.itemsize
                self._memory.require(_COPIES * count, f"a chunk of {storage.path}")
        values = sum(self.stored[field.name].count for field in fields)
        return cut(storages, values, size)

    def _rechunk(self, storage: Storage, shape: Sequence[int], rows: range) -> Storage:
        """Unpack some rows of a dataset whose chunks run against the order of its elements."""
        place = storage.path, rows
        if not isinstance(storage, InChunks) or not storage.chunks:
            return storage
        if place not in self._rechunked:
            box = chunks_around(storage, shape, rows)
            with self._reading_in_order(storage.path):
                self._rechunked[place] = RechunkedStorage.of(storage, self, box)
        return self._rechunked[place]

    def pieces(self, found: Cut, rows: range | None = None) -> Iterator[DatasetsPiece]:
        """Yield the pieces of datasets that are read together, of all rows or some."""
        rows = range(found.rows) if rows is None else rows
        storages: Sequence[Storage] = found.storages
        if found.rechunked:
            storages = [self._rechunk(one, found.shape, rows) for one in storages]
        for box in found.boxes(rows):
            parts = []
            for storage in storages:
                with self._reading_in_order(storage.path):
                    parts.append((storage, storage.read(self, box_in(storage, box))))
            yield DatasetsPiece(tuple(parts), box)

    @override
    def decode(self, raw: DatasetsPiece, wanted: Sequence[Field]) -> Chunk:
        """Return the piece's fields in native byte order."""
        unpacked = {}
        for storage, part in raw.parts:
            with self._reading(storage.path):
                unpacked[storage.path] = storage.unpack(part, box_in(storage, raw.box))
        fields = self._by_path.at(unpacked, wanted)
        return Chunk(tuple(self._column(raw, unpacked, field) for field in fields), unpacked)

    def _column(self, raw: DatasetsPiece, unpacked: Mapping[str, Unpacked], field: Field) -> Column:
        """Return a field of a piece whose datasets are unpacked."""
        place = self.stored[field.name]
        values = unpacked[place.path].values
        width = values.size // math.prod(box_shape(raw.box))
        start = first_element(place.shape[: len(raw.box)], raw.box) * width
        here = Positions.range(start, start + values.size)
        extract = None if place.bits is None else place.bits.extract
        return column_of(values, here, field, place.member, extract)

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

    @override
    def array_of(self, field: Field) -> FieldArray:
        """Return the array for a field's mask: a dataset of the field's name, even for a member."""
        place = self.stored[field.name]
        return FieldArray(field.name, place.shape, place.dtype)

    @override
    def length(self, field: Field) -> int:
        """Return the number of elements of a field; 0 if it cannot get noise."""
        place = self.stored.get(field.name)
        return 0 if place is None else place.count

    @override
    def close(self) -> None:
        """Remove the temporary files."""
        for rechunked in self._rechunked.values():
            rechunked.elements.close()


def unreadable_field(path: str, why: str) -> Field:
    """Return the field of an unreadable object."""
    return Field(path, "other", "something unreadable", hindrance=f"cannot be read: {why}")


OpenSource = TypeVar("OpenSource", bound=DatasetsSource)


class DatasetsPart(Part[DatasetsPiece], Generic[OpenSource]):
    """Some rows of each dataset of a file, along its first axis of more than one element.

    Args:
        source: The file.
        share: Which part it is.
    """

    def __init__(self, source: OpenSource, share: Share) -> None:
        self.share = share
        self._source = source
        self._noised: set[str] | None = None

    @abstractmethod
    def _rows(self, found: Cut, storage: Storage) -> range:
        """Return the rows of a dataset that are in the part; without a sink, any share of them."""

    @override
    def read(
        self, groups: Sequence[Sequence[Field]], size: int, halo: int
    ) -> Reading[DatasetsPiece]:
        """Read the part's rows of datasets that get noise, and the same rows of others needed.

        The part may have other rows of each dataset; some pieces then have own rows of one only.
        """

        def pieces(found: Cut) -> Iterator[DatasetsPiece]:
            own = {
                one.path: self._rows(found, one)
                for one in found.storages
                if self._noised is None or one.path in self._noised
            }
            around = -(-halo // max(1, prod(found.shape) // max(1, found.rows)))
            for rows, owned in _ranges(own, around, found.rows):
                for piece in self._source.pieces(found, rows):
                    yield replace(piece, owned=owned)

        reading = self._source.read_pieces(groups, size, pieces)
        return replace(reading, beyond=lambda piece: not piece.owned, owns=self._owns)

    def _owns(self, piece: DatasetsPiece, field: Field) -> bool:
        return self._source.path_of(field) in (piece.owned or ())


def _ranges(
    own: Mapping[str, range], halo: int, total: int
) -> Iterator[tuple[range, frozenset[str]]]:
    """Yield ranges of rows to read, and the datasets of which these rows are in the part.

    >>> [(rows, *names) for rows, names in _ranges({"a": range(2, 9), "b": range(0)}, 1, 9)]
    [(range(1, 2),), (range(2, 9), 'a')]

    Args:
        own: The rows of each dataset that are in the part.
        halo: The number of rows to read on either side; with any, gaps are read too.
        total: The number of rows of each dataset.
    """
    ends = sorted({end for rows in own.values() if rows for end in (rows.start, rows.stop)})
    if ends and halo:
        ends = [max(0, ends[0] - halo), *ends, min(total, ends[-1] + halo)]
    for start, stop in pairwise(ends):
        owned = frozenset(path for path, rows in own.items() if start in rows)
        if start < stop and (owned or halo):
            yield range(start, stop), owned

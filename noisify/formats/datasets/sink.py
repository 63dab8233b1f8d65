"""A copy of a file of datasets in which some are overwritten, in HDF5 files and Zarr stores."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from noisify.core.errors import NoisifyError
from noisify.core.overriding import override
from noisify.formats.datasets.pieces import DatasetsPiece, box_in
from noisify.formats.interface import Sink
from noisify.formats.mask import changed_by_field
from noisify.formats.numpy_fields import ARRAY_NAME, member_of, put_back, stored

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from noisify.core.chunk import Chunk
    from noisify.formats.datasets.chunk_file import ChunkFile
    from noisify.formats.datasets.storage import RechunkedStorage, Storage, Stored, Unpacked
    from noisify.formats.interface import NoisyColumn


class DatasetsSink(Sink[DatasetsPiece, DatasetsPiece]):
    """A copy of a file of datasets, in which datasets are overwritten.

    Args:
        stored: The location of each field in the file.
        name: The name of the output in messages.
    """

    failures: ClassVar[tuple[type[Exception], ...]] = (OSError, RuntimeError, ValueError)

    def __init__(self, stored: Mapping[str, Stored], name: str) -> None:
        self._stored = stored
        self._name = name
        self._scratch: dict[ChunkFile, tuple[RechunkedStorage, ChunkFile]] = {}

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Name the output in the error of a failure to write.

        Raises:
            NoisifyError: Instead of what the library raises.
        """
        try:
            try:
                yield
            finally:
                self._check()  # the cause, not the library's error that follows from it
        except self.failures as error:
            why = getattr(error, "strerror", None) or error
            raise NoisifyError(f"cannot be written: {why}", path=self._name) from None

    def _check(self) -> None:
        """Raise a failure that was hidden from the library."""

    @override
    def encode(
        self, raw: DatasetsPiece, chunk: Chunk, noisy: Sequence[NoisyColumn]
    ) -> DatasetsPiece:
        """Return a piece's datasets with their noisy fields in them."""
        by_path: dict[str, list[NoisyColumn]] = {}
        for result in noisy:
            place = self._stored[result.column.field.name]
            by_path.setdefault(place.path, []).append(result)
        packed = []
        for storage, _ in raw.parts:
            if columns := by_path.get(storage.path):
                before: Unpacked = chunk.layout[storage.path]
                columns = [self._in_bits(result, before.values) for result in columns]
                values = put_back(before.values, columns, f"{storage.path or ARRAY_NAME}.")
                box = box_in(storage, raw.box)
                packed.append((storage, storage.pack(before, values, box)))
        changed = frozenset(name for name, which in changed_by_field(noisy).items() if which.any())
        return DatasetsPiece(tuple(packed), raw.box, changed=changed)

    def _in_bits(self, result: NoisyColumn, before: NDArray[Any]) -> NoisyColumn:
        """Return a noisy column whose integers have been put into their bits of the stored ones."""
        place = self._stored[result.column.field.name]
        if place.bits is None:
            return result
        member = before if place.member is None else member_of(before, place.member)
        old = member.reshape(-1).astype(member.dtype.newbyteorder("="))
        values = place.bits.insert(old, stored(result, old.dtype))
        field = replace(result.column.field, missing=None, packing=None)
        column = replace(result.column, field=field)
        return replace(result, column=column, values=values, erased=None)

    @override
    def write_at_position(self, encoded: DatasetsPiece) -> DatasetsPiece:
        """Write the datasets that workers may write; return the rest of the piece for `write`."""
        self._write([part for part in encoded.parts if part[0].for_workers], encoded)
        rest = tuple(part for part in encoded.parts if not part[0].for_workers)
        return replace(encoded, parts=rest)

    @override
    def write(self, encoded: DatasetsPiece) -> None:
        """Write the datasets of a piece to their places."""
        self._write(encoded.parts, encoded)

    def _write(self, parts: Sequence[tuple[Storage, Any]], encoded: DatasetsPiece) -> None:
        with self._writing():
            for storage, packed in parts:
                storage.write(self, packed, box_in(storage, encoded.box))

    def scratch(self, storage: RechunkedStorage) -> ChunkFile:
        """Return the temporary file for a dataset's noisy elements, kept until all have come."""
        if storage.elements not in self._scratch:
            self._scratch[storage.elements] = storage, storage.elements.copy()
        return self._scratch[storage.elements][1]

    def _write_scratch(self) -> None:
        """Write the datasets that were unpacked."""
        for storage, noisy in self._scratch.values():
            storage.finish(self, noisy)

    @override
    def close(self) -> None:
        """Remove the temporary files."""
        for _, noisy in self._scratch.values():
            noisy.close()

"""Write NPZ files: noisy members are compressed anew, all others are copied."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

from noisify.core.errors import UsageError
from noisify.core.lazy_libraries import shutil
from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.files.temporary import new_temporary_file, temporary_space
from noisify.files.write_behind import open_written_behind
from noisify.formats.interface import Sink
from noisify.formats.npy.boxes import BoxedFile
from noisify.formats.npy.header import resized
from noisify.formats.npz.zip_writer import ArchiveWriter, Packer, pack
from noisify.formats.numpy_fields import put_back, raw_bytes
from noisify.formats.row_selection import RowsOfBoxes, with_copies_of_box

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from noisify.core.chunk import Chunk
    from noisify.files.output import Output
    from noisify.formats.interface import NoisyColumn
    from noisify.formats.npz.source import ArchivePiece, Array, Box, NpzSource
    from noisify.formats.npz.zip_archive import Archive, Member


@frozen
class ArrayPart:
    """New elements of an array.

    Attributes:
        values: The elements.
        packed: Their compressed units, or None if they are not whole units.
        changed: Whether any element differs from before.
    """

    values: NDArray[Any]
    packed: list[bytes] | None
    changed: bool


@frozen
class Encoded:
    """A piece to be written.

    Attributes:
        parts: The new elements of each array that may get noise.
        box: The box of the arrays, or None for elements that follow the last piece's.
    """

    parts: Mapping[Array, ArrayPart]
    box: Box | None


def part_of(array: Array, raw: ArchivePiece, values: NDArray[Any], *, changed: bool) -> ArrayPart:
    """Return new elements for those of a piece, compressed if they are whole units."""
    if raw.box is not None or not array.member.deflated:
        return ArrayPart(values, None, changed)
    start = int(raw.positions.starts[0])
    stop = start + len(values)
    whole = not start % array.unit and (not stop % array.unit or stop == array.header.count)
    data = raw_bytes(values).data
    return ArrayPart(values, pack(data, array.unit * array.itemsize) if whole else None, changed)


class NpzWriter:
    """Writes some members of an archive from pieces of arrays, and copies the others.

    Members are written in their order in the old archive. If a member is read together with an
    earlier one, its elements come too early, and wait in a temporary file.

    Args:
        path: The existing file to write.
        members: All members, in the order of the directory.
        arrays: The arrays that are written from pieces.
        old: The archive to copy the other members from, or None if there are no others.
        in_units: Whether to compress in units, which several threads can do.
    """

    def __init__(
        self,
        path: Path,
        members: Sequence[Member],
        arrays: Iterable[Array],
        old: Archive | None,
        *,
        in_units: bool = True,
    ) -> None:
        self._path = path
        self._file = open_written_behind(self._path)
        self._writer = ArchiveWriter(members, self._file, old)
        self._growing = {
            array.member: _Growing(array, fresh=old is None, in_units=in_units) for array in arrays
        }
        self._order = sorted(members, key=lambda member: member.start)
        self._next = 0

    def write(self, encoded: Encoded) -> None:
        """Write the arrays of a piece."""
        for array, part in encoded.parts.items():
            growing = self._growing[array.member]
            if not growing.started:
                self._advance()
                here = self._order[self._next] is array.member
                if here:
                    self._writer.begin(array.member)
                growing.start(self._file if here else None)
            growing.add(part, encoded.box)
            if not growing.left:
                self._advance()

    def _advance(self) -> None:
        """Write the members whose turn has come."""
        while self._next < len(self._order):
            member = self._order[self._next]
            growing = self._growing.get(member)
            if growing is None:
                self._writer.copy(member)
            elif not growing.left:
                growing.place(self._writer, self._file)
            else:
                return
            self._next += 1

    def finish(self) -> None:
        """Write the remaining members and the directory."""
        self._advance()
        size = self._writer.finish()
        self._file.close()
        os.truncate(self._path, size)

    def close(self) -> None:
        """Close the files, and remove the temporary ones."""
        self._file.close()
        self._writer.close()
        for growing in self._growing.values():
            growing.close()


class NpzSink(NpzWriter, Sink["ArchivePiece", Encoded]):
    """An NPZ file being written, with the members of its source in their order."""

    def __init__(
        self, source: NpzSource, output: Output, noised: Iterable[str], *, in_units: bool = True
    ) -> None:
        self._array_by_field = source.array_by_field
        chosen = dict.fromkeys(source.array_by_field[name] for name in noised)
        arrays = [array for array in chosen if array.header.count * array.itemsize]
        for array in arrays:
            _check_writable(array)
        self._arrays = source.arrays
        self._resized: Array | None = None
        self._rows_of_boxes = RowsOfBoxes()
        path, old = output.local_path(), source.archive
        super().__init__(path, old.members, arrays, old, in_units=in_units)

    @override
    def expect_rows(self, count: Callable[[int], int]) -> None:
        """Write the only array anew, with another first extent."""
        (old,) = self._arrays
        if old.header.count:
            _check_writable(old)
            self._resized = replace(old, header=resized(old.header, count(old.header.shape[0])))
            self._growing[old.member] = _Growing(self._resized, fresh=True, in_units=True)

    @override
    def with_rows(self, versions: Sequence[Encoded], copies: NDArray[np.int64]) -> Encoded:
        """Drop or repeat the rows of a piece of the only array."""
        every = [part.values for one in versions for part in one.parts.values()]
        values = with_copies_of_box(every, copies, versions[0].box)
        parts = {array: ArrayPart(values, None, changed=True) for array in versions[0].parts}
        return Encoded(parts, versions[0].box)

    @override
    def write(self, encoded: Encoded) -> None:
        """Write the arrays of a piece."""
        box = encoded.box
        if self._resized is not None and box is not None:
            (part,) = encoded.parts.values()
            box = self._rows_of_boxes.place(box, len(part.values))
        if self._resized is None or any(part.values.size for part in encoded.parts.values()):
            super().write(Encoded(encoded.parts, box))

    @override
    def encode(self, raw: ArchivePiece, chunk: Chunk, noisy: Sequence[NoisyColumn]) -> Encoded:
        """Return the noisy arrays of a piece."""
        rows = self._resized is not None
        results: dict[Array, list[NoisyColumn]] = {array: [] for array in self._arrays if rows}
        for result in noisy:
            results.setdefault(self._array_by_field[result.column.field.name], []).append(result)
        parts = {}
        for array, own in results.items():
            values = put_back(raw.values[array], own, array.prefix) if own else raw.values[array]
            if rows:
                parts[array] = ArrayPart(values, None, changed=True)
                continue
            changed = any(result.changed.any() or result.erased is not None for result in own)
            parts[array] = part_of(array, raw, values, changed=changed)
        return Encoded(parts, raw.box)


def _check_writable(array: Array) -> None:
    """Refuse an array whose compression method is not written here.

    Raises:
        UsageError: If the array has such a method.
    """
    if not array.member.writable:
        raise UsageError(
            "is compressed in a way that noisify does not write; "
            "save the file with numpy.savez_compressed",
            field=array.name,
        )


class _Growing:
    """A member being written.

    Args:
        array: The array.
        fresh: Whether to write it even if no element differs from before.
        in_units: Whether to compress it in units.

    Attributes:
        left: The number of elements that have not come yet.
    """

    def __init__(self, array: Array, *, fresh: bool, in_units: bool) -> None:
        self._array = array
        unit = array.unit * array.itemsize if in_units else None
        self._packer = Packer(deflated=array.member.deflated, unit=unit)
        self.left = array.header.count
        self._changed = fresh
        self._packed = 0
        self._waits = False
        self._file: BinaryIO | None = None
        self._boxes: BoxedFile | None = None

    @property
    def started(self) -> bool:
        """Whether a part of it is written."""
        return self._file is not None

    def start(self, file: BinaryIO | None) -> None:
        """Write the header.

        Args:
            file: Where to write, or None for a temporary file.
        """
        self._waits = file is None
        with temporary_space("an array"):
            self._file = file or new_temporary_file()
        self._pack(memoryview(self._array.header.text))
        self._packer.end_unit(self._file)

    def _pack(self, data: memoryview, packed: Sequence[bytes] | None = None) -> None:
        if self._file is None:
            raise AssertionError(self._array.name)
        with temporary_space("an array") if self._waits else nullcontext():
            self._packer.add(self._file, data, packed)

    def add(self, part: ArrayPart, box: Box | None) -> None:
        """Add the next elements, or a box of elements; after the first box, add only boxes."""
        self._changed |= part.changed
        self.left -= part.values.size
        if box is None:
            self._packed += part.values.nbytes
            self._pack(raw_bytes(part.values).data, part.packed)
        else:
            if self._boxes is None:
                with temporary_space("an array"):
                    self._boxes = BoxedFile(self._array.header, new_temporary_file(), b"")
            self._boxes.write(box, part.values)
        if not self.left:
            self._end()

    def _end(self) -> None:
        if self._boxes is not None:
            for data in self._boxes.read(self._packed):
                self._pack(data)
            self._boxes.close()
        if self._file is not None:
            self._packer.end(self._file)

    def place(self, writer: ArchiveWriter, file: BinaryIO) -> None:
        """Put the finished member into the archive, or copy the old one if nothing changed.

        Args:
            writer: The writer of the archive.
            file: The archive.
        """
        member = self._array.member
        if not self.started:  # it has no elements
            writer.begin(member)
            self.start(file)
            self._end()
        if not self._changed:
            writer.copy(member)
        else:
            if self._waits and self._file is not None:
                self._file.seek(0)
                writer.begin(member)
                shutil.copyfileobj(self._file, file)
            writer.end(member, self._packer.sizes)
        self.close()

    def close(self) -> None:
        """Remove the temporary files."""
        if self._boxes is not None:
            self._boxes.close()
        if self._waits and self._file is not None:
            self._file.close()

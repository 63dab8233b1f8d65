"""Read NPZ files as whole arrays, and create them."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from noisify.core.errors import UsageError
from noisify.formats.arrays import ArrayFile, ArrayType, ArrayWriter, StoredArray, in_boxes
from noisify.formats.npy.arrays import stored_array
from noisify.formats.npy.header import new_header, refuse_objects
from noisify.formats.npz.sink import ArrayPart, Encoded, NpzWriter, part_of
from noisify.formats.npz.source import ArchivePiece, Array, NpzSource
from noisify.formats.npz.zip_archive import new_member

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from noisify.core.chunk import Positions
    from noisify.files.input import Input
    from noisify.formats.arrays import Box, Parts


@contextmanager
def opened(source: Input) -> Iterator[ArrayFile]:
    """Open an NPZ file while its arrays are read; each is unpacked on first use."""
    with closing(NpzSource(source)) as archive:
        arrays = archive.arrays
        others = {member.name for member in archive.archive.members}
        others -= {array.member.name for array in arrays}
        run = archive.archive.comment.decode("ascii", "replace")
        lost = None
        if others:
            name = min(others)
            lost = UsageError(f"has a member {name!r} that is no array and would be lost")
        yield ArrayFile([_stored(archive, array) for array in arrays], lost, run)


def _stored(archive: NpzSource, array: Array) -> StoredArray:
    """Return an array of an archive.

    Raises:
        DataError: If it holds Python objects.
    """
    refuse_objects(array.header, archive.name, array.name)

    def read(box: Box) -> NDArray[Any]:
        file = archive.unpacked(array)
        return stored_array(array.name, array.header, file, 0, archive.name).read(box)

    kind = ArrayType(array.name, array.header.shape, array.header.dtype, array.header.fortran)
    return StoredArray(kind, None, read, lambda: archive.release(array))


def create(path: Path, arrays: Sequence[ArrayType], run: str = "") -> ArrayWriter:  # noqa: ARG001
    """Create an NPZ file, replacing an existing one; a mask's run will be the archive's comment."""
    return _NewArchive(path, {kind.name: _new_array(kind) for kind in arrays})


def _new_array(kind: ArrayType) -> Array:
    header = new_header(kind)
    size = len(header.text) + header.count * header.dtype.itemsize
    return Array(kind.name, new_member(f"{kind.name}.npy", size, deflated=kind.packed), header)


class _NewArchive(NpzWriter, ArrayWriter):
    """An archive of new arrays.

    Elements in order are compressed as they come, others once all are there.
    """

    names_runs = True

    def __init__(self, path: Path, arrays: dict[str, Array]) -> None:
        self._arrays = arrays
        self._reached = {name: -1 if array.header.fortran else 0 for name, array in arrays.items()}
        members = [array.member for array in arrays.values()]
        super().__init__(path, members, arrays.values(), None)

    def encode(self, parts: Parts) -> list[tuple[Array, Positions, ArrayPart]]:
        """Return elements of some arrays, compressed if they are whole units."""
        return [(self._arrays[name], *self._packed(name, *part)) for name, part in parts.items()]

    def name_run(self, text: str) -> None:
        """Write the text of a mask's run as the comment of the archive."""
        self._writer.comment = text.encode()

    def _packed(
        self, name: str, positions: Positions, values: NDArray[Any]
    ) -> tuple[Positions, ArrayPart]:
        array, box = self._arrays[name], None
        if array.header.fortran or len(positions.starts) > 1:
            box = ()
        return positions, part_of(array, ArchivePiece({}, positions, box), values, changed=True)

    def write(self, encoded: Any) -> None:  # noqa: ANN401 - what `encode` returns
        """Write elements of some arrays."""
        for array, positions, part in encoded:
            if positions.follows(self._reached[array.name]):
                self._reached[array.name] += positions.size
                super().write(Encoded({array: part}, None))
                continue
            self._reached[array.name] = -1
            for box, values in in_boxes(array.header.shape, positions, part.values):
                super().write(Encoded({array: ArrayPart(values, None, changed=True)}, box))

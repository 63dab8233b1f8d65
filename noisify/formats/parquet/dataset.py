"""A folder of Parquet files as one table, whose rows run through the files in order of their paths.

What is in the path (`year=2024/`) is no column and gets no noise. Files that are no data are
copied; what speaks of the old files' bytes (`_metadata`, Hadoop's `.crc` files) is left out.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noisify.core.errors import DataError, NoisifyError
from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.files.folder_output import walk
from noisify.formats.arrow.nested import ROWS
from noisify.formats.interface import Reading, Sink, Source
from noisify.formats.parquet.footer import MAGIC
from noisify.formats.parquet.sink import EncodedSlice, ParquetSink
from noisify.formats.parquet.source import ParquetSource, RowGroupSlice

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from noisify.core.chunk import Chunk, Field
    from noisify.files.folder_output import FolderOutput, MemberOutput
    from noisify.formats.interface import NoisyColumn

_SUFFIXES = frozenset({".parquet", ".pq", ".parq"})
_STALE = frozenset({"_metadata"})
_LOGS = frozenset({"_delta_log", ".hoodie"})


@frozen
class Tree:
    """What is in a folder.

    Attributes:
        data: The data files, in order.
        others: Files to copy.
        links: Links to make anew.
        folders: The folders in it.
        stale: Files that would be wrong of the new data.
    """

    data: list[Path]
    others: list[Path]
    links: list[Path]
    folders: list[Path]
    stale: list[Path]

    @classmethod
    def of(cls, folder: Path) -> Tree:
        """Look through a folder.

        Raises:
            DataError: If it holds what cannot be copied.
        """
        tree = cls([], [], [], [], [])
        for path in walk(folder):
            if path.name in _LOGS:
                raise DataError(
                    "logs every file of this table, and would be wrong of new ones; "
                    "export the table to plain Parquet files first",
                    path=path,
                )
            if path.is_symlink():
                _check_link(path, folder)
                tree.links.append(path)
            elif path.is_dir():
                tree.folders.append(path)
            elif not path.is_file():
                raise DataError("is no file, folder or link", path=path)
            else:
                tree._sort_in(path, folder)
        return tree

    def _sort_in(self, path: Path, folder: Path) -> None:
        hidden = any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
        if path.name in _STALE or (path.suffix == ".crc" and path.name.startswith(".")):
            self.stale.append(path)
        elif not hidden and (path.suffix.lower() in _SUFFIXES or _is_parquet(path)):
            self.data.append(path)
        else:
            self.others.append(path)


def _check_link(path: Path, folder: Path) -> None:
    inside = Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    if path.readlink().is_absolute() or not inside:
        raise DataError("is a link out of the folder, which is not followed", path=path)


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


class DatasetSource(Source[RowGroupSlice]):
    """A folder of Parquet files with the same columns.

    Args:
        folder: The folder.

    Raises:
        DataError: If there is no such file in it, or one differs from the first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.tree = Tree.of(folder)
        except OSError as error:
            raise NoisifyError(
                f"cannot be read: {error.strerror}", path=error.filename or folder
            ) from None
        if not self.tree.data:
            raise DataError("is a folder without a Parquet file in it", path=folder)
        self._first = first = self._open(self.tree.data[0])
        self.fields = first.fields
        self._in_flight = first.in_flight
        self._rows = 0
        for path in self.tree.data:
            source = self._open(path)
            _check_alike(source, first)
            self._rows += source.metadata.num_rows
            self._in_flight = min(self._in_flight, source.in_flight)
        self.empty = not self._rows
        left_out = [path.relative_to(folder).as_posix() for path in self.tree.stale]
        self.notes = [f"{name} is left out: it says what the old files held" for name in left_out]

    def _open(self, path: Path) -> ParquetSource:
        return ParquetSource(path, str(path))

    @override
    def read(
        self,
        groups: Sequence[Sequence[Field]],
        size: int,  # as for one file
    ) -> Reading[RowGroupSlice]:
        """Read the pieces of all files, one file after the other."""
        return Reading(self._pieces(groups), self._in_flight)

    def _pieces(self, groups: Sequence[Sequence[Field]]) -> Iterator[RowGroupSlice]:
        reached = Counter[str]()
        for path in self.tree.data:
            yield from self._open(path).pieces(groups, reached)

    def decode(self, raw: RowGroupSlice, wanted: Sequence[Field]) -> Chunk:
        """Return the wanted leaves of a piece."""
        return raw.source.decode(raw, wanted)

    def original_type(self, field: Field) -> pa.DataType:
        """Return a field's type."""
        return self._first.original_type(field)

    def condition_values(
        self, raw: RowGroupSlice, chunk: Chunk, names: Iterable[str]
    ) -> dict[str, pa.Array]:
        """Return fields as they are, decimals as float64."""
        return raw.source.condition_values(raw, chunk, names)

    def size_of(self, raw: RowGroupSlice) -> int:
        """Return the bytes of a piece in its file."""
        return raw.size

    def length(self, field: Field) -> int | None:
        """Return the number of rows; how many elements lists have, only reading tells."""
        return self._rows if field.table == ROWS else None


def _check_alike(source: ParquetSource, first: ParquetSource) -> None:
    """Refuse a file whose columns are not those of the first one."""
    if source.schema.equals(first.schema):
        return
    ours, theirs = ({f.name: f for f in each.schema} for each in (source, first))
    one_sided = ours.keys() ^ theirs.keys()
    differing = (
        name
        for name in (*theirs, *ours)
        if name in one_sided or not ours[name].equals(theirs[name])
    )
    name = next(differing, None)
    raise DataError(
        f"{_described(ours, name)} where {first.name} {_described(theirs, name)}; "
        "the files of a folder need the same columns",
        path=source.name,
    )


def _described(fields: dict[str, Any], name: str | None) -> str:
    if name is None:
        return "has its columns in another order"
    return f"has {name!r} as {fields[name].type}" if name in fields else f"has no column {name!r}"


class DatasetSink(Sink[RowGroupSlice, EncodedSlice]):
    """A folder of Parquet files being written, file by file.

    Args:
        source: The folder it is made from.
        output: The folder to write.
        noised: The fields that get noise.
    """

    def __init__(self, source: DatasetSource, output: FolderOutput, noised: frozenset[str]) -> None:
        self._source = source
        self._output = output
        self._noised = noised
        self._lock = threading.Lock()
        self._open: dict[Path, tuple[ParquetSink, MemberOutput]] = {}
        self._left = list(source.tree.data)

    def _sink(self, source: ParquetSource) -> ParquetSink:
        """Return the sink of a file; made when its first piece is, maybe before its turn."""
        with self._lock:
            if source.path not in self._open:
                member = self._output.member(source.path.relative_to(self._source.folder))
                self._open[source.path] = ParquetSink(source, member, self._noised), member
            return self._open[source.path][0]

    def encode(
        self, raw: RowGroupSlice, chunk: Chunk, noisy: Sequence[NoisyColumn]
    ) -> EncodedSlice:
        """Return a piece with noise in it."""
        return self._sink(raw.source).encode(raw, chunk, noisy)

    def with_rows(
        self, versions: Sequence[EncodedSlice], copies: NDArray[np.int64]
    ) -> EncodedSlice:
        """Return a piece with its rows dropped or repeated."""
        return self._sink(versions[0].piece.source).with_rows(versions, copies)

    def write(self, encoded: EncodedSlice) -> None:
        """Write a piece into its file."""
        source = encoded.piece.source
        self._finish_before(source.path)
        self._sink(source).write(encoded)

    def _finish_before(self, path: Path | None) -> None:
        """Finish the files that come before one; those without a row come through here alone."""
        while self._left and self._left[0] != path:
            done = self._left.pop(0)
            if done not in self._open:
                self._sink(ParquetSource(done, str(done)))
            sink, member = self._open.pop(done)
            try:
                sink.finish()
            finally:
                sink.close()
            member.commit()

    def finish(self) -> None:
        """Finish the last file, and copy what is no data."""
        self._finish_before(None)
        tree, folder = self._source.tree, self._source.folder
        for path in tree.folders:
            self._output.make_folder(path.relative_to(folder))
        for path in tree.others:
            self._output.copy(path, path.relative_to(folder))
        for path in tree.links:
            (self._output.folder / path.relative_to(folder)).symlink_to(path.readlink())

    def close(self) -> None:
        """Let go of files that are not finished."""
        for sink, member in self._open.values():
            sink.close()
            member.discard()

"""A folder of Parquet files as one table, with its rows in the order of the files' paths.

Values in paths (`year=2024/`) are not columns and get no noise. Files that are not data are copied,
except those that describe the bytes of the old files (`_metadata`, Hadoop's `.crc` files).
"""

from __future__ import annotations

import os
import threading
from collections import Counter, deque
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, cast

from noisify.core.errors import DataError, NoisifyError
from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.files import remote
from noisify.files.folder_input import PARQUET, RemoteFolder
from noisify.files.folder_output import walk
from noisify.formats.arrow.nested import ROWS
from noisify.formats.arrow.tables import LeavesSource
from noisify.formats.interface import Reading, Sink
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

_STALE = frozenset({"_metadata"})
_LOGS = frozenset({"_delta_log", ".hoodie"})


@frozen
class Tree:
    """The contents of a folder.

    Attributes:
        data: The data files, in order.
        others: The files to copy.
        links: The symbolic links to recreate.
        folders: The subfolders.
        stale: The files to leave out, since they describe the old data.
    """

    data: list[Path]
    others: list[Path]
    links: list[Path]
    folders: list[Path]
    stale: list[Path]

    @classmethod
    def of(cls, folder: Path) -> Tree:
        """Walk a folder and sort its contents.

        Raises:
            DataError: If something in it cannot be copied.
        """
        tree = cls([], [], [], [], [])
        where: Any = folder
        if isinstance(where, RemoteFolder):
            tree._sort_remote(where)
            return tree
        for path in walk(folder):
            if path.name in _LOGS:
                raise _logs(path)
            if path.is_symlink():
                _check_link(path, folder)
                tree.links.append(path)
            elif path.is_dir():
                tree.folders.append(path)
            elif not path.is_file():
                raise DataError("is no file, folder or link", path=path)
            else:
                tree._sort_in(path, path.relative_to(folder))
        return tree

    def _sort_remote(self, folder: RemoteFolder) -> None:
        for file in remote.files_of(folder):
            relative = file.relative_to(folder)
            if not _LOGS.isdisjoint(relative.parts):
                raise _logs(str(file))
            self._sort_in(cast("Path", file), relative)  # it has a path's methods

    def _sort_in(self, path: Path, relative: PurePath) -> None:
        hidden = any(part.startswith((".", "_")) for part in relative.parts)
        if path.name in _STALE or (path.suffix == ".crc" and path.name.startswith(".")):
            self.stale.append(path)
        elif not hidden and (path.suffix.lower() in PARQUET or _is_parquet(path)):
            self.data.append(path)
        else:
            self.others.append(path)


def _logs(path: Path | str) -> DataError:
    return DataError(
        "logs every file of this table, and would be wrong of new ones; "
        "export the table to plain Parquet files first",
        path=path,
    )


def _check_link(path: Path, folder: Path) -> None:
    inside = Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    if path.readlink().is_absolute() or not inside:
        raise DataError("is a link out of the folder, which is not followed", path=path)


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


class DatasetSource(LeavesSource[RowGroupSlice]):
    """A folder of Parquet files with the same columns.

    Args:
        folder: The folder.

    Attributes:
        tree: The contents of the folder.
        file_rows: The number of rows of each data file.
        in_flight: How many slices may be in memory at once.

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
        first = self._open(self.tree.data[0])
        self.describe(first.schema)
        self.in_flight = first.in_flight
        self.file_rows: list[int] = []
        for path in self.tree.data:
            source = self._open(path)
            _check_alike(source, first)
            self.file_rows.append(source.metadata.num_rows)
            self.in_flight = min(self.in_flight, source.in_flight)
            self.group_rows = max(self.group_rows, source.group_rows)
        self.rows = sum(self.file_rows)
        self.empty = not self.rows
        left_out = [path.relative_to(folder).as_posix() for path in self.tree.stale]
        self.notes = [f"{name} is left out: it says what the old files held" for name in left_out]

    def _open(self, path: Path) -> ParquetSource:
        return ParquetSource(path, str(path))

    @override
    def read(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[RowGroupSlice]:
        """Read slices of the row groups of all files; the output must not depend on `size`."""
        return Reading(self.pieces(groups, range(len(self.file_rows)), size), self.in_flight)

    def pieces(
        self, groups: Sequence[Sequence[Field]], files: range, size: int
    ) -> Iterator[RowGroupSlice]:
        """Yield slices of the row groups of some files, file by file.

        Args:
            groups: The fields to decode, in groups that must stay in one slice.
            files: The indices of the files.
            size: The chunk size in bytes.
        """
        reached = Counter[str]()
        lists = any(field.table != ROWS for group in groups for field in group)
        for index, path in enumerate(self.tree.data[: files.stop]):
            if index >= files.start:
                yield from self._open(path).pieces(groups, reached, size)
            elif lists:
                every = range(self._open(path).metadata.num_row_groups)
                deque(self._open(path).pieces(groups, reached, size, every[len(every) :]), maxlen=0)
            else:
                reached[ROWS] += self.file_rows[index]

    def decode(self, raw: RowGroupSlice, wanted: Sequence[Field]) -> Chunk:
        """Decode the wanted leaves of a slice."""
        return raw.source.decode(raw, wanted)

    def condition_values(
        self, raw: RowGroupSlice, chunk: Chunk, names: Iterable[str]
    ) -> dict[str, pa.Array]:
        """Return the values of fields, with decimals as float64."""
        return raw.source.condition_values(raw, chunk, names)


def _check_alike(source: ParquetSource, first: ParquetSource) -> None:
    """Refuse a file whose columns differ from those of the first file."""
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
    if name not in fields:
        return f"has no column {name!r}"
    return f"has {name!r} as {fields[name].type}{'' if fields[name].nullable else ' not null'}"


class DatasetSink(Sink[RowGroupSlice, EncodedSlice]):
    """A folder of Parquet files being written, file by file.

    Args:
        source: The folder that was read.
        output: The folder to write.
        noised: The fields that get noise.
        files: The indices of the data files to write, or None for all.
        others: Whether to copy the files that are not data.
    """

    def __init__(
        self,
        source: DatasetSource,
        output: FolderOutput,
        noised: frozenset[str],
        *,
        files: range | None = None,
        others: bool = True,
    ) -> None:
        self._source = source
        self._output = output
        self._noised = noised
        self._lock = threading.Lock()
        self._open: dict[Path, tuple[ParquetSink, MemberOutput]] = {}
        data = source.tree.data
        self._left = list(data) if files is None else data[files.start : files.stop]
        self._others = others

    def _sink(self, source: ParquetSource) -> ParquetSink:
        """Return the sink of a file, opened on first use, perhaps before the file's turn."""
        with self._lock:
            if source.path not in self._open:
                member = self._output.member(source.path.relative_to(self._source.folder))
                member.open()
                self._open[source.path] = ParquetSink(source, member, self._noised), member
            return self._open[source.path][0]

    def encode(
        self, raw: RowGroupSlice, chunk: Chunk, noisy: Sequence[NoisyColumn]
    ) -> EncodedSlice:
        """Put the noisy values into a slice."""
        return self._sink(raw.source).encode(raw, chunk, noisy)

    def with_rows(
        self, versions: Sequence[EncodedSlice], copies: NDArray[np.int64]
    ) -> EncodedSlice:
        """Drop or repeat the rows of a slice."""
        return self._sink(versions[0].piece.source).with_rows(versions, copies)

    def write(self, encoded: EncodedSlice) -> None:
        """Write a slice to its file."""
        source = encoded.piece.source
        self._finish_before(source.path)
        self._sink(source).write(encoded)

    def _finish_before(self, path: Path | None) -> None:
        """Finish the files before `path`, including those without rows, or None for all files."""
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
        """Finish the last file, and copy everything that is not data."""
        self._finish_before(None)
        if not self._others:
            return
        tree, folder = self._source.tree, self._source.folder
        for path in tree.folders:
            self._output.make_folder(path.relative_to(folder))
        for path in tree.others:
            self._output.copy(path, path.relative_to(folder))
        for path in tree.links:
            (self._output.folder / path.relative_to(folder)).symlink_to(path.readlink())

    def close(self) -> None:
        """Discard the files that are not finished."""
        for sink, member in self._open.values():
            sink.close()
            member.discard()

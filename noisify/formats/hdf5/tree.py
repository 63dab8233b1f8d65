"""Open HDF5 files, and walk through their groups and datasets.

Names are bytes; those that are not UTF-8 are kept with surrogates. Only hard links are followed.
"""

from __future__ import annotations

import contextlib
import re
import threading
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast

import h5py
from h5py import h5d, h5g, h5l, h5o

from noisify.core.errors import DataError
from noisify.core.value_class import frozen
from noisify.files.input import read_into
from noisify.files.write_behind import write_all
from noisify.formats.hdf5.filters import uncached

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from h5py.h5d import DatasetID
    from h5py.h5t import TypeID

    ObjectID: TypeAlias = h5g.GroupID | DatasetID | TypeID


_METADATA_BYTES = 1 << 16
_LONGEST_WALK = 1000
"""The most links to follow for a path; soft links may lead in a circle."""
UNREADABLE = (OSError, RuntimeError, KeyError, ValueError, TypeError, NotImplementedError)
"""The exceptions of h5py for parts of a file that cannot be read."""

NO_MEMORY = re.compile("unable to allocate|allocation failed|memory allocation")
"""The messages of the HDF5 library when memory is short."""


class LibraryFile:
    """An open file for h5py, which hides failures from the HDF5 library.

    After a failed write or close, the library can neither finish nor forget the file, and the
    process crashes later. So the library is told of success, nothing more is written, and the
    failure is raised afterwards.

    Args:
        file: An open file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._failure: BaseException | None = None
        self._file = file

    def check(self) -> None:
        """Raise the first failure, if there was one."""
        if self._failure is not None:
            raise self._failure

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to an offset, and return it."""
        return self._tried(lambda: self._file.seek(offset, whence))

    def tell(self) -> int:
        """Return the current offset."""
        return self._tried(self._file.tell)

    def read(self, size: int) -> bytes:
        """Read as `readinto` does; h5py recognises file objects by this method."""
        buffer = bytearray(size)
        self.readinto(memoryview(buffer))
        return bytes(buffer)

    def readinto(self, buffer: memoryview) -> int:
        """Fill a buffer, with zeros after a failure or the end of the file."""
        view = memoryview(buffer).cast("B")
        count = self._tried(lambda: read_into(self._file, view))
        view[count:] = bytes(len(view) - count)
        return len(view)

    def write(self, data: memoryview) -> int:
        """Write all of `data`."""
        view = memoryview(data).cast("B")
        self._tried(partial(write_all, self._file, view))
        return len(view)

    def truncate(self, size: int) -> int:
        """Set the file's size."""
        self._tried(lambda: self._file.truncate(size))
        return size

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""

    def close(self) -> None:
        """Close the file, after the library has closed it."""
        self._tried(self._file.close)

    def _tried(self, do: Callable[[], int | None]) -> int:
        """Run an operation unless an earlier one failed; record its failure, and then return 0."""
        if self._failure is None:
            try:
                return do() or 0
            except BaseException as error:  # noqa: BLE001 - a signal too must not reach the library
                self._failure = error
        return 0


def open_file(path: Path | LibraryFile, mode: str) -> h5py.File:
    """Open an HDF5 file with a small cache of metadata, since it is read once and in order.

    The library counts the cache's size as on disk. In memory an index of chunks takes nine times
    that, and 18 MB would be kept.

    Raises:
        OSError: If it is not an HDF5 file, or cannot be read.
    """
    file = h5py.File(path, mode)
    config = file.id.get_mdc_config()
    config.set_initial_size = True
    config.initial_size = config.min_size = config.max_size = _METADATA_BYTES
    file.id.set_mdc_config(config)
    return file


def close_file(file: h5py.File) -> None:
    """Close a file that was only read, or whose `LibraryFile` records failures."""
    with contextlib.suppress(OSError, RuntimeError):
        file.close()


@contextlib.contextmanager
def written_by_library(path: Path) -> Iterator[h5py.File]:
    """Create an HDF5 file, replacing an existing one.

    Raises:
        OSError: If it cannot be written.
    """
    out = LibraryFile(cast("BinaryIO", path.open("r+b", 0)))
    try:
        file = h5py.File(out, "w")
        try:
            yield file
        finally:
            close_file(file)
            out.close()
            out.check()  # the cause, not h5py's error that follows from it
    finally:
        out.close()


def stored_name(path: str) -> bytes:
    """Return the bytes of a path in the file."""
    return path.encode("utf-8", "surrogateescape")


def group_at(file: h5py.File, path: str) -> h5py.Group | None:
    """Return a group of the file, or None if there is no such group."""
    found = own_object(file, path)
    return found if isinstance(found, h5py.Group) else None


class PathOpener:
    """Opens objects by their paths, in time that does not grow with their depth.

    The groups of the last path stay open, and the next path starts at the last one they share.
    From the root, the library would open every group of the path again.

    Args:
        file: The file.
    """

    def __init__(self, file: h5py.File) -> None:
        self._open = [(b"", h5g.open(file.id, b"/"))]
        self._opening = threading.Lock()

    def dataset(self, path: str) -> h5py.Dataset:
        """Open a dataset without a cache of chunks."""
        with self._opening:
            group, name = self._parent(path)
            return h5py.Dataset(h5d.open(group, name, uncached()))

    def address(self, path: str) -> int:
        """Return an object's address, which takes less time than its other properties."""
        with self._opening:
            group, name = self._parent(path)
            return int(group.links.get_info(name).u)

    def _parent(self, path: str) -> tuple[h5g.GroupID, bytes]:
        """Return the group that an object is in, and the object's name there."""
        stored = stored_name(path)
        while not stored.startswith(self._open[-1][0]):
            self._open.pop()
        start, group = self._open[-1]
        *parents, name = stored[len(start) :].split(b"/")
        for parent in parents:
            start, group = start + parent + b"/", h5g.open(group, parent)
            self._open.append((start, group))
        return group, name


def held_elsewhere(dataset: h5py.Dataset) -> str:
    """Return where a dataset's values are if they are outside it, else an empty string.

    Do not use such a dataset in any other way: even its shape may come from other files.
    """
    options = dataset.id.get_create_plist()
    if options.get_layout() == h5d.VIRTUAL:
        return "values of other datasets (it is a virtual one)"
    return "values that are in other files" if options.get_external_count() else ""


def own_object(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
    """Return the object of a path, or None if it is missing or in another file.

    External links are not followed, nor are soft links whose path has one. Each step starts at the
    group of the step before: from the root, steps would take longer the deeper they are.
    """
    place, waiting = _start(group.id, stored_name(name))
    for _ in range(_LONGEST_WALK):
        if not waiting:
            if isinstance(place, h5g.GroupID):
                return h5py.Group(place)
            return h5py.Dataset(place) if isinstance(place, h5d.DatasetID) else None
        part = waiting.pop()
        if not isinstance(place, h5g.GroupID) or not place.links.exists(part):
            return None
        kind = place.links.get_info(part).type
        if kind == h5l.TYPE_SOFT:
            place, further = _start(place, place.links.get_val(part))
            waiting += further
        elif kind == h5l.TYPE_HARD:
            place = h5o.open(place, part)
        else:
            return None
    return None


def _start(group: h5g.GroupID, path: bytes) -> tuple[ObjectID, list[bytes]]:
    """Return the group where a path starts, and its names in reverse order."""
    start = h5g.open(group, b"/") if path.startswith(b"/") else group
    return start, [part for part in reversed(path.split(b"/")) if part not in {b"", b"."}]


def reason(error: Exception) -> str:
    """Return the message of an error, without the quotes of a KeyError."""
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)


@contextlib.contextmanager
def reading(name: str, path: str | None = None) -> Iterator[None]:
    """Turn a failure of the HDF5 library into an error in one line.

    Args:
        name: The file's name.
        path: The dataset's path.

    Raises:
        DataError: Instead of what h5py raises.
        MemoryError: If memory is short.
    """
    try:
        yield
    except UNREADABLE as error:
        why = reason(error)
        if NO_MEMORY.search(why) is not None:
            raise MemoryError from None
        raise DataError(f"cannot be read: {why}", path=name, field=path) from None


@frozen
class Tree:
    """The contents of a file.

    Attributes:
        datasets: The first path of each dataset.
        paths: The paths of hard links to each object, by its address.
        unreadable: Why an object could not be opened, by path.
        links: The paths of soft and external links.
    """

    datasets: list[str]
    paths: dict[int, list[str]]
    unreadable: dict[str, str]
    links: list[str]

    @classmethod
    def of(cls, file: h5py.File, look: Callable[[str, ObjectID], None] = lambda *_: None) -> Tree:
        """Walk through a file, group by group, with names in alphabetical order.

        Each object is opened from its group: opening it by its whole path would take longer the
        deeper it is.

        Args:
            file: The file.
            look: Called with each object's first path and the object.
        """
        tree = cls([], {h5o.get_info(file.id).addr: []}, {}, [])
        root = h5g.open(file.id, b"/")
        waiting = [("", root, iter(tree._names("", root)))]
        while waiting:
            prefix, group, names = waiting[-1]
            name = next(names, None)
            if name is None:
                waiting.pop()
                continue
            path = prefix + name.decode("utf-8", "surrogateescape")
            found = tree._open(group, name, path)
            if found is None:
                continue
            if isinstance(found, h5d.DatasetID):
                tree.datasets.append(path)
            look(path, found)
            if isinstance(found, h5g.GroupID):
                waiting.append((f"{path}/", found, iter(tree._names(path, found))))
        return tree

    def _names(self, path: str, group: h5g.GroupID) -> list[bytes]:
        """Return the names of the links in a group."""
        names: list[bytes] = []
        try:
            group.links.iterate(names.append)
        except UNREADABLE as error:
            self.unreadable[path or "/"] = reason(error)
        return names

    def _open(self, group: h5g.GroupID, name: bytes, path: str) -> ObjectID | None:
        """Record the object of a link; return it if this is its first path."""
        try:
            link = group.links.get_info(name)
            if link.type != h5l.TYPE_HARD:
                self.links.append(path)
                return None
            met = link.u in self.paths
            self.paths.setdefault(link.u, []).append(path)
            return None if met else h5o.open(group, name)
        except UNREADABLE as error:
            self.unreadable[path] = reason(error)
            return None

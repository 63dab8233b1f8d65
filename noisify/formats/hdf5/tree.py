"""The tree of an HDF5 file: the paths of its datasets, whatever else it holds.

Names are bytes; those that are not UTF-8 are kept with surrogates. Only hard links are followed.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import h5py
from h5py import h5d, h5g, h5l, h5o

from noisify.core.value_class import frozen
from noisify.formats.hdf5.library_file import LibraryFile
from noisify.formats.hdf5.memory_file import uncached

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_METADATA_BYTES = 1 << 16
UNREADABLE = (OSError, RuntimeError, KeyError, ValueError, TypeError, NotImplementedError)
"""What h5py raises where the HDF5 library cannot read a part of a file, or h5py not name it."""


def open_file(path: Path | LibraryFile, mode: str) -> h5py.File:
    """Open an HDF5 file that is gone through once, in order, whose metadata need not be kept.

    The library counts what it keeps as it is on the disk. In memory an index of chunks takes nine
    times that, and 18 MB would be kept.

    Raises:
        OSError: If it is none, or cannot be read.
    """
    file = h5py.File(path, mode)
    config = file.id.get_mdc_config()
    config.set_initial_size = True
    config.initial_size = config.min_size = config.max_size = _METADATA_BYTES
    file.id.set_mdc_config(config)
    return file


def close_file(file: h5py.File) -> None:
    """Close a file in which nothing was written, or by whose `LibraryFile` failures are told."""
    with contextlib.suppress(OSError, RuntimeError):
        file.close()


@contextlib.contextmanager
def written_by_library(path: Path) -> Iterator[h5py.File]:
    """Make an HDF5 file in the place of an existing one.

    Raises:
        OSError: If it cannot be written.
    """
    out = LibraryFile(path)
    try:
        file = h5py.File(out, "w")
        try:
            yield file
        finally:
            close_file(file)
            out.close()
            out.check()  # before what h5py makes of it
    finally:
        out.close()


def stored_name(path: str) -> bytes:
    """Return a path as it is in the file."""
    return path.encode("utf-8", "surrogateescape")


def address_of(file: h5py.File, path: str) -> int:
    """Return the address of the object at a path; to ask for its other properties takes longer."""
    return int(file.id.links.get_info(stored_name(path)).u)


def group_at(file: h5py.File, path: str) -> h5py.Group | None:
    """Return a group; None if there is none."""
    name = b""
    for part in stored_name(path).split(b"/"):
        name += b"/" + part if part else b""
        if part and not file.id.links.exists(name):  # a failed open may not say it in UTF-8
            return None
    found = h5o.open(file.id, name or b"/")
    return h5py.Group(found) if isinstance(found, h5g.GroupID) else None


def dataset_at(file: h5py.File, path: str) -> h5py.Dataset:
    """Return a dataset, none of whose chunks is kept in memory."""
    return h5py.Dataset(h5d.open(file.id, stored_name(path), uncached()))


def reason(error: Exception) -> str:
    """Return what an error says; a KeyError puts it in quotes."""
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)


@frozen
class Tree:
    """What is in a file.

    Attributes:
        datasets: The paths of its datasets, each under its first.
        paths: The paths by which hard links reach each object, by its address.
        unreadable: For what could not be opened, why not.
    """

    datasets: list[str]
    paths: dict[int, list[str]]
    unreadable: dict[str, str]

    @classmethod
    def of(cls, file: h5py.File) -> Tree:
        """Walk through a file, group by group, names in alphabetical order."""
        tree = cls([], {h5o.get_info(file.id).addr: []}, {})
        waiting = [iter(tree._links(file.id, ""))]
        while waiting:
            path = next(waiting[-1], None)
            if path is None:
                waiting.pop()
            elif tree._is_group(file, path):
                waiting.append(iter(tree._links(file.id, path)))
        return tree

    def _links(self, file: h5py.h5f.FileID, path: str) -> list[str]:
        """Return the paths of the links in a group."""
        names: list[bytes] = []
        try:
            group = h5g.open(file, stored_name(path) or b"/")
            group.links.iterate(names.append)
        except UNREADABLE as error:
            self.unreadable[path or "/"] = reason(error)
        prefix = f"{path}/" if path else ""
        return [prefix + name.decode("utf-8", "surrogateescape") for name in names]

    def _is_group(self, file: h5py.File, path: str) -> bool:
        """Note what a link leads to; return whether it is a group that was not met before."""
        try:
            link = file.id.links.get_info(stored_name(path))
            if link.type != h5l.TYPE_HARD:
                return False
            met = link.u in self.paths
            self.paths.setdefault(link.u, []).append(path)
            if met:
                return False
            found = h5o.open(file.id, stored_name(path))
        except UNREADABLE as error:
            self.unreadable[path] = reason(error)
            return False
        if isinstance(found, h5d.DatasetID):
            self.datasets.append(path)
        return isinstance(found, h5g.GroupID)

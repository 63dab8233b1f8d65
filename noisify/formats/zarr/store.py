"""Open Zarr stores, and list their arrays in the order of their paths."""

from __future__ import annotations

import contextlib
from dataclasses import field
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from noisify.core.errors import DataError, UsageError
from noisify.core.lazy import LazyModule
from noisify.core.value_class import frozen
from noisify.core.warning_filters import filtered_warnings
from noisify.files.folder_input import RemoteFolder, WebFolder, is_description, names_in
from noisify.files.transport import failures

try:
    import zarr
    import zarr.storage
except ImportError:
    raise UsageError("Zarr needs the package zarr; pip install 'noisify-cli[zarr]'") from None

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

asyn_wrapper: Any = LazyModule("fsspec.implementations.asyn_wrapper")

__all__ = ["UNREADABLE", "Tree", "ZarrObject", "open_copy", "open_store", "reading", "zarr"]

ZarrObject: TypeAlias = Any
"""An array, a group or a store of zarr, whose types are those of its version."""
Mode: TypeAlias = Literal["r", "r+", "w"]
UNREADABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError, IndexError)
"""The exceptions of zarr and its codecs for unreadable data; zarr's own are ValueErrors."""


@frozen
class Tree:
    """The contents of a store.

    Attributes:
        arrays: The arrays, by path; an array that is the whole store has an empty path.
        attributes: The attributes of each group, by path.
        unreadable: Why an array could not be opened, by path.
    """

    arrays: dict[str, Any]
    attributes: dict[str, dict[str, Any]]
    unreadable: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, root: ZarrObject, folder: Path) -> Tree:
        """Walk a store.

        Args:
            root: The store, open.
            folder: Its folder, local or remote.
        """
        if isinstance(root, zarr.Array):
            return cls({"": root}, {})
        unreadable: dict[str, str] = {}
        where: Any = folder
        try:
            members = sorted(root.members(max_depth=None))
        except UNREADABLE:
            if isinstance(where, WebFolder):
                raise
            members, unreadable = _one_by_one(root, folder)
        arrays = {path: item for path, item in members if isinstance(item, zarr.Array)}
        groups = {path: item for path, item in members if isinstance(item, zarr.Group)}
        attributes = {path: dict(group.attrs) for path, group in {"": root, **groups}.items()}
        return cls(arrays, attributes, unreadable)


def _one_by_one(
    root: ZarrObject, folder: Path
) -> tuple[list[tuple[str, ZarrObject]], dict[str, str]]:
    """Return what can be read in a store, and why the rest cannot, by path."""
    members, unreadable = [], {}
    described = {name.rpartition("/")[0] for name in names_in(folder) if is_description(name)}
    for path in sorted(described - {""}):
        try:
            members.append((path, root[path]))
        except JSONDecodeError:  # the metadata are damaged: not just unknown to zarr
            raise
        except UNREADABLE as error:
            unreadable[path] = str(error) or type(error).__name__
    return members, unreadable


def open_store(path: Path) -> ZarrObject:
    """Open the array or group of a folder, local or remote, for reading.

    Raises:
        DataError: If it is neither.
    """
    where: Any = path
    with reading(str(path)):
        if isinstance(where, RemoteFolder):
            system, place = where.place()  # fsspec closes its session, but none that zarr opens
            wrapped = asyn_wrapper.AsyncFileSystemWrapper(system, asynchronous=True)
            store = zarr.storage.FsspecStore(wrapped, read_only=True, path=place)
            if isinstance(where, WebFolder):
                return _consolidated(store, str(path))
            return _opened(store, "r")
        return _opened(zarr.storage.LocalStore(path, read_only=True), "r")


def open_copy(folder: Path) -> ZarrObject:
    """Open the copy of a store for writing."""
    return _opened(zarr.storage.LocalStore(folder), "r+")


def _consolidated(store: ZarrObject, name: str) -> ZarrObject:
    """Open a store that does not list its files.

    Raises:
        DataError: If it is a group without consolidated metadata.
    """
    found = _opened(store, "r", consolidated=None)
    if isinstance(found, zarr.Group) and found.metadata.consolidated_metadata is None:
        raise DataError(
            "is a Zarr store without consolidated metadata, and web servers do not list files; "
            "add it with zarr.consolidate_metadata, or download the store",
            path=name,
        )
    return found


def _opened(store: ZarrObject, mode: Mode, *, consolidated: bool | None = False) -> ZarrObject:
    """Open a store, by default without its consolidated metadata, which may be out of date."""
    with filtered_warnings("ignore"):  # of codecs and types that are not in the standard yet
        try:
            return zarr.open_group(store, mode=mode, use_consolidated=consolidated)
        except (FileNotFoundError, ValueError):
            return zarr.open_array(store, mode=mode)


@contextlib.contextmanager
def reading(name: str, path: str | None = None) -> Iterator[None]:
    """Turn a failure of zarr into an error in one line.

    Args:
        name: The store's name.
        path: The array's path.

    Raises:
        DataError: Instead of what zarr raises.
    """
    try:
        yield
    except UNREADABLE + failures() as error:
        why = str(error) or type(error).__name__
        raise DataError(f"cannot be read: {why}", path=name, field=path) from None

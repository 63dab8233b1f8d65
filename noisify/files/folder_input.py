"""Folders that are one input: a local one, or the objects under a URL."""

from __future__ import annotations

import stat
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from noisify.core import urls
from noisify.core.errors import DataError, NoisifyError, changed_error
from noisify.core.lazy_libraries import shutil
from noisify.core.overriding import override
from noisify.files.folder_output import make_within, walk
from noisify.files.transport import Location, remote_errors

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

_ZARR = ("zarr.json", ".zgroup", ".zarray")
"""Files that mark a folder as a Zarr store, which has at least one of them."""
PARQUET = frozenset({".parquet", ".pq", ".parq"})
"""Suffixes of Parquet files."""
_WRITABLE = stat.S_IWUSR


class RemoteFolder:
    """The objects under a URL, looked up once.

    Args:
        location: The URL.

    Attributes:
        url: The URL.
        name: Its name without the folders above.
        suffix: The suffix of the name.
    """

    def __init__(self, location: Location) -> None:
        self._location = location
        self.url = location.url.rstrip("/")
        path = PurePosixPath(urls.path_of(self.url))
        self.name, self.suffix = path.name, path.suffix
        self._found = self._list()

    def __str__(self) -> str:
        """Return the URL, without secrets."""
        return urls.redacted(self.url)

    def _list(self) -> dict[str, tuple[Any, ...]]:
        """Return the size and version of each object, by its path in the folder."""
        with remote_errors(self.url, "read"):
            found = self._location.list_files()
        return dict(sorted(found.items()))

    def names(self) -> Iterator[str]:
        """Yield the paths of all objects in the folder, sorted."""
        yield from self._found

    def place(self) -> tuple[Any, str]:
        """Return its file system, and its path there."""
        return self._location.system, str(self._location.path).rstrip("/")

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Yield the paths of all objects in the folder, sorted, and their sizes."""
        for name, (size, *_) in self._found.items():
            yield name, int(size)

    def copy(self, name: str, target: Path) -> None:
        """Copy an object to a local file."""
        with remote_errors(self.url, "read"):
            self._location.download(name, target)

    def check(self) -> None:
        """Refuse a folder in which an object was changed since it was looked up.

        Raises:
            DataError: If there is one.
        """
        if self._list() != self._found:
            raise changed_error(str(self))


class WebFolder(RemoteFolder):
    """A Zarr store on a web server, which does not list its files.

    Attributes:
        inside: The paths of the files that it may have, by its descriptions of arrays and groups.
    """

    inside: Sequence[str] = ()

    @override
    def _list(self) -> dict[str, tuple[Any, ...]]:
        """Return the descriptions of the store as a whole."""
        found = {}
        for name in (*_ZARR, ".zmetadata"):
            with remote_errors(self.url, "read"), suppress(FileNotFoundError):
                found[name] = (self._location.get(name),)
        if not found:
            raise NoisifyError(f"has no {', '.join(_ZARR)}; check the URL", path=self.url)
        return found

    @override
    def names(self) -> Iterator[str]:
        yield from dict.fromkeys((*self._found, *self.inside))

    @override
    def copy(self, name: str, target: Path) -> None:
        with remote_errors(self.url, "read"), suppress(FileNotFoundError):
            self._location.download(name, target)


def is_zarr(folder: Path) -> bool:
    """Return whether a folder, local or remote, is a Zarr store."""
    where: Any = folder
    if isinstance(where, RemoteFolder):
        return not set(_ZARR).isdisjoint(where.names())
    return any((folder / name).is_file() for name in _ZARR)


def holds_parquet(folder: RemoteFolder) -> bool:
    """Return whether a remote folder has a Parquet file anywhere, by the names."""
    return any(PurePosixPath(name).suffix.lower() in PARQUET for name in folder.names())


def has_links(place: Path | None) -> bool:
    """Return whether a place is a local folder with a link in it."""
    return isinstance(place, Path) and place.is_dir() and any(p.is_symlink() for p in walk(place))


def names_in(folder: Path) -> Iterator[str]:
    """Yield the paths of all files in a folder, local or remote, and of folders in a local one."""
    where: Any = folder
    if isinstance(where, RemoteFolder):
        yield from where.names()
    else:
        yield from (path.relative_to(folder).as_posix() for path in walk(folder))


def is_description(name: str) -> bool:
    """Return whether a file in a Zarr store describes an array or a group."""
    return name.rpartition("/")[2] in _ZARR


def copy_folder(folder: Path, target: Path, names: Container[str] | None = None) -> None:
    """Copy what is in a folder, local or remote, into an existing one, to be written to.

    Args:
        folder: The folder.
        target: Where to copy it.
        names: The files to copy, or None for all.

    Raises:
        DataError: If there is something in it that is neither a file nor a folder.
    """
    where: Any = folder
    if isinstance(where, RemoteFolder):
        copy_files(folder, target, (one for one in where.names() if names is None or one in names))
        return
    for path in walk(folder):
        relative = path.relative_to(folder)
        made = target / relative
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise DataError("is a link, which is not followed; copy the folder first", path=path)
        if path.is_dir():
            make_within(target, relative)
        elif names is None or relative.as_posix() in names:
            shutil.copyfile(path, made)
        else:
            continue
        made.chmod(stat.S_IMODE(path.stat().st_mode) | _WRITABLE)


def copy_files(folder: Path, target: Path, names: Iterable[str]) -> None:
    """Copy some files in a folder, local or remote, to their places in another."""
    where: Any = folder
    for name in names:
        made = target / name
        make_within(target, Path(name).parent)
        if isinstance(where, RemoteFolder):
            where.copy(name, made)
        else:
            shutil.copyfile(folder / name, made)


def copy_modes(folder: Path, target: Path) -> None:
    """Give the copies of all that is in a local folder the modes of the originals."""
    if isinstance(folder, RemoteFolder):
        return
    for path in walk(folder):
        made = target / path.relative_to(folder)
        if made.exists():
            shutil.copymode(path, made)

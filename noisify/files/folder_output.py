"""A folder as an output: written beside the target, and renamed to it when complete."""

from __future__ import annotations

import errno
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from noisify.core.errors import NoisifyError, UsageError, exists_error
from noisify.core.lazy_libraries import ctypes, shutil
from noisify.core.overriding import override
from noisify.files.file_output import (
    FileOutput,
    new_name_beside,
    sync_folder,
    sync_new_names,
)
from noisify.files.output import STANDARD_OUTPUT
from noisify.files.output_interface import Output
from noisify.files.temporary import register, remove_folder, unregister

if TYPE_CHECKING:
    from collections.abc import Iterator

_OWN = 0o700
_NEW_FOLDER = 0o777
_AT_FDCWD = -100
_RENAME_EXCHANGE = _RENAME_SWAP = 2
_CANNOT = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}


class FolderRecord(Protocol):
    """The record of an output that is a folder."""

    @property
    def replaces(self) -> bool:
        """Whether the folder may replace one with files in it."""

    def replacing(self) -> FolderRecord:
        """Return the record of a folder that may replace one with files in it."""

    def refuse(self, name: str) -> UsageError:
        """Return the error for a folder with files in it that may not be replaced."""

    def write(self, made: Path | str) -> None:
        """Record a folder that is complete, from the place where it was made."""


class Unrecorded(NamedTuple):
    """Stands for the record of a folder that has none."""

    replaces: bool = False

    def replacing(self) -> FolderRecord:
        """Return one for a folder that may replace one with files in it."""
        return self._replace(replaces=True)

    def refuse(self, name: str) -> UsageError:
        """Return the error for a folder with files in it."""
        return UsageError("is a folder with files in it; give another name", path=name)

    def write(self, made: Path | str) -> None:
        """Do nothing."""


UNRECORDED = Unrecorded()


def has_files(folder: Path) -> bool:
    """Return whether a folder is there, and not empty."""
    return folder.is_dir() and any(folder.iterdir())


class FolderOutput(Output):
    """A folder that appears with all its files, or not at all.

    Args:
        source: The input folder; None if it is not local.
        target: The folder to make; it may exist if it is empty.
        in_place: Whether it replaces `source`.
        clobber: Whether an existing empty folder may be replaced.
        record: Records the folder before it gets its name, and may let it replace another.

    Raises:
        UsageError: If the target is not an empty folder, or lies inside the source or around it.
    """

    def __init__(
        self,
        source: Path | None,
        target: str | Path,
        *,
        in_place: bool,
        clobber: bool,
        record: FolderRecord = UNRECORDED,
    ) -> None:
        self.name = str(target)
        self._record = record
        self._source = None if source is None else source.resolve()
        self._target = Path(os.path.realpath(target))
        self._replaces = in_place
        if str(target) == STANDARD_OUTPUT:
            raise UsageError(
                f"{source or 'the input'} is a folder, and its copy is one too; name it with -o"
            )
        if not in_place:
            self._check_target(clobber=clobber)
        beside = new_name_beside(self._target)
        self.folder = self._target.with_name(f"{beside}.tmp")
        self._old = self._target.with_name(f"{beside}.old")

    def _check_target(self, *, clobber: bool) -> None:
        if self._source is not None:
            self._check_source(self._source)
        if self._target.exists() and not self._target.is_dir():
            raise UsageError("is a file, and the output is a folder", path=self.name)
        if self._target.exists() and not clobber:
            raise exists_error(self.name)
        if has_files(self._target):
            if not self._record.replaces:
                raise self._record.refuse(self.name)
            self._replaces = True

    def _check_source(self, source: Path) -> None:
        """Refuse the input as the target, and a folder in it or around it."""
        if self._target == source:
            raise UsageError(
                "is also the input; give another name, or --in-place to replace it", path=self.name
            )
        if self._target.is_relative_to(source) or source.is_relative_to(self._target):
            raise UsageError(
                f"would be inside the input {source}, or hold it; write elsewhere", path=self.name
            )

    def open(self) -> None:
        """Create the temporary folder, never more readable than the folder it will replace."""
        register(self.folder).mkdir(_OWN if self._target.exists() else _NEW_FOLDER)

    def local_path(self) -> Path:
        """Return the temporary folder."""
        return self.folder

    def member(self, relative: Path) -> MemberOutput:
        """Return an output for a file in the folder."""
        like = (self._source or self.folder) / relative
        return MemberOutput(self.folder, relative, str(Path(self.name) / relative), like)

    def make_folder(self, relative: Path) -> None:
        """Create a subfolder, with the mode that it has in the source."""
        make_within(self.folder, relative)
        shutil.copymode((self._source or self.folder) / relative, self.folder / relative)

    def copy(self, path: Path, relative: Path) -> None:
        """Copy a file into the folder."""
        with self.member(relative) as output, path.open("rb") as file:
            shutil.copyfileobj(file, output.file, 1 << 20)

    def commit(self) -> None:
        """Rename the folder to the target, then remove the folder that it replaces."""
        for place, _, _ in os.walk(self.folder):
            sync_folder(Path(place))
        self._record.write(self.folder)
        if not self._replaces:
            if self._target.exists():  # it is empty, or this would have been refused
                shutil.copymode(self._target, self.folder)
                if os.name == "nt":
                    self._target.rmdir()
            self._rename()
            unregister(self.folder)
        else:
            shutil.copystat(self._target, self.folder)
            if not exchange(self.folder, self._target):
                self._replace_in_two_steps()
        sync_new_names(self._target.parent)
        for replaced in (self.folder, self._old):
            remove_folder(replaced)
            if replaced.exists():
                raise NoisifyError(
                    f"is replaced, and what it was cannot be removed: {replaced} is left",
                    path=self.name,
                )

    def _rename(self) -> None:
        """Give the folder its name, unless another run has just made a folder of that name."""
        try:
            self.folder.rename(self._target)
        except OSError as error:
            if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
                raise self._record.refuse(self.name) from None
            raise

    def _replace_in_two_steps(self) -> None:
        """Replace the old folder by two renames; `recover` repairs an interruption between them."""
        try:
            self._target.rename(self._old)
            self.folder.rename(self._target)
        except BaseException:  # a signal too must leave the old folder where it was
            if self._old.exists() and not self._target.exists():
                self._old.rename(self._target)
            raise

    def discard(self) -> None:
        """Remove the temporary folder, and the old one if it has been replaced."""
        remove_folder(self.folder)
        if self._target.exists():
            remove_folder(self._old)


def recover(path: str) -> str | None:
    """Restore a folder whose replacement was interrupted; return its temporary name, or None."""
    target = Path(os.path.realpath(path))
    pattern = re.compile(re.escape(f".{target.name}.") + r"[0-9a-f]{12}\.old")
    if target.name and not target.exists() and target.parent.is_dir():
        left = [path for path in target.parent.iterdir() if pattern.fullmatch(path.name)]
        if len(left) == 1 and left[0].is_dir():
            left[0].rename(target)
            return left[0].name
    return None


class MemberOutput(FileOutput):
    """A file in a folder that is being written, with the mode of a file of the source.

    Args:
        folder: The folder.
        relative: Its path in the folder.
        name: Its name in messages.
        like: The file of the source.
    """

    def __init__(self, folder: Path, relative: Path, name: str, like: Path) -> None:
        super().__init__(folder / relative)
        self.name = name
        self._folder = folder
        self._relative = relative
        self._like = like

    @override
    def open(self) -> None:
        """Create the temporary file, and the subfolders that it is in."""
        make_within(self._folder, self._relative.parent)
        super().open()

    @override
    def model(self) -> Path:
        """Return the file whose mode is copied."""
        return self._like

    @override
    def sync_name(self) -> None:
        """Do nothing: the folder is synced as a whole."""


def exchange(one: Path, other: Path) -> bool:
    """Exchange the names of two files or folders atomically; return False if that is unsupported.

    Raises:
        OSError: If the exchange is supported but fails.
    """
    first, second = os.fsencode(one), os.fsencode(other)
    library = ctypes.CDLL(None, use_errno=True) if sys.platform in {"linux", "darwin"} else None
    if (rename := getattr(library, "renameat2", None)) is not None:
        failed = rename(_AT_FDCWD, first, _AT_FDCWD, second, ctypes.c_uint(_RENAME_EXCHANGE))
    elif (rename := getattr(library, "renamex_np", None)) is not None:
        failed = rename(first, second, ctypes.c_uint(_RENAME_SWAP))
    else:
        return False
    if not failed:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT:
        return False
    raise OSError(number, os.strerror(number), str(one))


def make_within(folder: Path, relative: Path) -> None:
    """Make a subfolder, but never the folder itself again, once the run has removed it.

    Args:
        folder: The folder.
        relative: The path of the subfolder in it.

    Raises:
        FileNotFoundError: If the folder is not there.
    """
    if not relative.parts:
        return
    try:
        (folder / relative).mkdir(exist_ok=True)
    except FileNotFoundError:
        if not relative.parent.parts:
            raise
        make_within(folder, relative.parent)
        (folder / relative).mkdir(exist_ok=True)


def walk(folder: Path) -> Iterator[Path]:
    """Yield the paths of all files and folders below a folder, sorted by relative path.

    Links are yielded, never followed.

    Raises:
        OSError: If a folder cannot be read.
    """
    found = []
    for place, folders, files in os.walk(folder, onerror=_raise):
        here = Path(place)
        found += [here / name for name in files]
        found += [here / name for name in folders]
    yield from sorted(found, key=Path.as_posix)


def _raise(error: OSError) -> None:
    raise error

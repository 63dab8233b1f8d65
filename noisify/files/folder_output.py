"""A folder as an output: written beside the target, and renamed to it once it is complete."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from noisify.core.errors import NoisifyError, UsageError
from noisify.files.exchange import exchange
from noisify.files.file_output import (
    FileOutput,
    new_name_beside,
    sync_folder,
    sync_new_names,
)
from noisify.files.output import STANDARD_OUTPUT
from noisify.files.output_interface import Output
from noisify.files.temporary import is_kept, remove_folder, will_make

if TYPE_CHECKING:
    from collections.abc import Iterator

_OWN = 0o700
_NEW_FOLDER = 0o777


class FolderOutput(Output):
    """A folder that is there with all that is in it, or not at all.

    Args:
        source: The folder it is made from.
        target: The folder to make; an empty one may be there.
        in_place: Whether it is to replace `source`.

    Raises:
        UsageError: If anything is there already, or the one would be inside the other.
    """

    def __init__(self, source: Path, target: str | Path, *, in_place: bool, clobber: bool) -> None:
        self.name = str(target)
        self._source = source.resolve()
        self._target = Path(os.path.realpath(target))
        self._in_place = in_place
        self._kept: Path | None = None
        if str(target) == STANDARD_OUTPUT:
            raise UsageError(f"{source} is a folder, and its copy is one too; name it with -o")
        if not in_place:
            self._check_target(clobber=clobber)
        beside = new_name_beside(self._target)
        self.folder = self._target.with_name(f"{beside}.tmp")
        self._old = self._target.with_name(f"{beside}.old")

    def _check_target(self, *, clobber: bool) -> None:
        if self._target == self._source:
            raise UsageError(
                "is also the input; give another name, or --in-place to replace it", path=self.name
            )
        inside = self._target.is_relative_to(self._source)
        if inside or self._source.is_relative_to(self._target):
            raise UsageError(
                f"would be inside the input {self._source}, or hold it; write elsewhere",
                path=self.name,
            )
        if self._target.exists() and not self._target.is_dir():
            raise UsageError("is a file, and the output is a folder", path=self.name)
        if self._target.exists() and not clobber:
            raise UsageError("exists, and --no-clobber keeps it", path=self.name)
        if self._target.exists() and any(self._target.iterdir()):
            raise UsageError("is a folder with files in it; give another name", path=self.name)

    def open(self) -> None:
        """Make the temporary folder, which is no more readable than one that it replaces."""
        will_make(self.folder).mkdir(_OWN if self._target.exists() else _NEW_FOLDER)

    def local_path(self) -> Path:
        """Return the temporary folder."""
        return self.folder

    def member(self, relative: Path) -> MemberOutput:
        """Return a file in the folder, to be written."""
        like = self._source / relative
        return MemberOutput(self.folder / relative, str(Path(self.name) / relative), like)

    def make_folder(self, relative: Path) -> None:
        """Make a folder in the folder, with the mode that it has in the source."""
        made = self.folder / relative
        made.mkdir(parents=True, exist_ok=True)
        shutil.copymode(self._source / relative, made)

    def copy(self, path: Path, relative: Path) -> None:
        """Copy a file into the folder."""
        with self.member(relative) as output, path.open("rb") as file:
            shutil.copyfileobj(file, output.file, 1 << 20)

    def commit(self) -> None:
        """Give the folder its name; one that it replaces is removed once it has."""
        for place, _, _ in os.walk(self.folder):
            sync_folder(Path(place))
        if not self._in_place:
            if self._target.exists():  # an empty one; any other is an error
                shutil.copymode(self._target, self.folder)
                if os.name == "nt":
                    self._target.rmdir()
            self.folder.rename(self._target)
            is_kept(self.folder)
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

    def _replace_in_two_steps(self) -> None:
        """Put the folder in the place of the old one; `recover` helps if that stops half-way."""
        try:
            self._target.rename(self._old)
            self.folder.rename(self._target)
        except BaseException:  # a signal too must leave the old folder where it was
            if self._old.exists() and not self._target.exists():
                self._old.rename(self._target)
            raise

    def discard(self) -> None:
        """Remove the temporary folder, and the old one once another has its name."""
        remove_folder(self.folder)
        if self._target.exists():
            remove_folder(self._old)


def recover(path: str) -> str | None:
    """Give a folder its name back if replacing it stopped half-way; return what it was called."""
    target = Path(os.path.realpath(path))
    pattern = re.compile(re.escape(f".{target.name}.") + r"[0-9a-f]{12}\.old")
    if target.name and not target.exists() and target.parent.is_dir():
        left = [one for one in target.parent.iterdir() if pattern.fullmatch(one.name)]
        if len(left) == 1 and left[0].is_dir():
            left[0].rename(target)
            return left[0].name
    return None


class _MemberFile(FileOutput):
    """A file in a folder that is being written: synced with it, and never more readable than one.

    Args:
        target: Where it is.
        like: The file of the source whose mode it gets.
    """

    def __init__(self, target: Path, like: Path) -> None:
        super().__init__(target)
        self._like = like

    def model(self) -> Path:
        """Return the file whose mode this one gets."""
        return self._like

    def sync_name(self) -> None:
        """Do nothing: the folder does."""


class MemberOutput(Output):
    """A file in a folder that is being written; made once it is first written to.

    Args:
        path: Where it is.
        name: What to call it in messages.
        like: The file whose mode it gets.
    """

    def __init__(self, path: Path, name: str, like: Path) -> None:
        self.name = name
        self._path = path
        self._like = like
        self._output: _MemberFile | None = None

    @property
    def file(self) -> BinaryIO:  # type: ignore[override]
        """The open file."""
        if self._output is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._output = _MemberFile(self._path, self._like)
            self._output.open()
        return self._output.file

    def local_path(self) -> Path:
        """Return the file's path while it is written."""
        _ = self.file
        return cast("_MemberFile", self._output).local_path()

    def commit(self) -> None:
        """Close the file; the folder decides whether it stays."""
        _ = self.file
        cast("_MemberFile", self._output).commit()

    def discard(self) -> None:
        """Remove the file."""
        if self._output is not None:
            self._output.discard()


def walk(folder: Path) -> Iterator[Path]:
    """Yield the paths of all that is in a folder and in those in it, in order of their names.

    Links are yielded and never followed.

    Raises:
        OSError: If a folder cannot be read.
    """
    found = []
    for place, folders, files in os.walk(folder, onerror=_raise):
        here = Path(place)
        found += [here / name for name in files]
        found += [here / name for name in folders]
    yield from sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _raise(error: OSError) -> None:
    raise error

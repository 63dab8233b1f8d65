"""Folders as INPUTs: a folder of Parquet files is one table, any other stands for its files.

A folder of both Parquet files and files of other known formats stands for its files too.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from noisify.core.errors import DataError, NoisifyError, UsageError
from noisify.core.urls import is_url
from noisify.files.codecs import inner_suffix
from noisify.files.folder_input import is_zarr
from noisify.formats import of_suffix

if TYPE_CHECKING:
    from collections.abc import Sequence

_FEW = 3
"""The most names that a note lists."""


def files_in(path: str, from_format: str | None) -> tuple[list[str], list[str]] | None:
    """Return the files of a folder to process and those to skip; None if it is one input.

    Processed are the files directly in the folder with a format's suffix, sorted by name, or all if
    `from_format` is given. Hidden files are ignored.

    Raises:
        DataError: If one is a link out of the folder.
        NoisifyError: If the folder cannot be read.
        UsageError: If there are no files to process.
    """
    folder = Path(path)
    if is_url(path) or not folder.is_dir() or from_format in {"parquet", "zarr"}:
        return None
    if from_format is None and is_zarr(folder):
        return None
    try:
        names = sorted(one.name for one in folder.iterdir() if not one.name.startswith("."))
        formats = {of_suffix(inner_suffix(name)) for name in names} - {None}
        mixed = len(formats) > 1 and any(map(_is_parquet, names))
        if from_format is None and not mixed and _holds_parquet(folder):
            return None
    except OSError as error:
        raise NoisifyError(f"cannot be read: {error.strerror}", path=path) from None
    chosen: list[str] = []
    left: list[str] = []
    for name in names:
        is_known = from_format is not None or of_suffix(inner_suffix(name)) is not None
        one = folder / name
        if is_known:
            _check_inside(one, folder)
        (chosen if is_known and (one.is_file() or is_zarr(one)) else left).append(str(one))
    if not chosen:
        raise UsageError("is a folder without a file of a known format in it", path=path)
    return chosen, left


def _check_inside(path: Path, folder: Path) -> None:
    """Refuse a link out of a folder, whose target the user did not name."""
    if not path.is_symlink():
        return
    inside = Path(os.path.realpath(folder))  # `resolve` fails for loops of links
    if not Path(os.path.realpath(path)).is_relative_to(inside):
        raise DataError("is a link out of the folder, which is not followed; name it", path=path)


def _holds_parquet(folder: Path) -> bool:
    """Return whether there is a Parquet file anywhere in a folder."""
    return any(_is_parquet(path.name) for path in folder.rglob("*"))


def _is_parquet(name: str) -> bool:
    """Return whether a file name has Parquet's suffix."""
    entry = of_suffix(Path(name).suffix)
    return entry is not None and entry.name == "parquet"


def left_note(path: str, left: Sequence[str]) -> str:
    """Return a note that lists the skipped entries of a folder."""
    names = ", ".join(Path(one).name for one in left[:_FEW])
    more = f" and {len(left) - _FEW:,} more" if len(left) > _FEW else ""
    return f"{path}: {names}{more} left out, being folders or of no known format"

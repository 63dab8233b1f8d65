"""Detect the format of a file: by the user's option, its suffix, or its first bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.errors import DataError
from noisify.files import codecs, zip_member
from noisify.files.folder_input import is_zarr
from noisify.formats import FORMATS, FormatEntry, find, of_suffix, unsupported
from noisify.formats.arrow.messages import starts_legacy_stream

if TYPE_CHECKING:
    from noisify.files.input import Input

_HEAD = 8200


def _refusal(head: bytes, suffix: str, name: str | None) -> str | None:
    """Return why a file cannot be read and what to do instead; None if it may be read.

    Args:
        head: The first bytes.
        suffix: The file name's suffix, or empty to go by the bytes alone.
        name: The format that the user named.
    """
    if not head:
        return "is empty"
    if again := codecs.of_content(head):
        return f"is compressed twice, or holds {again.name} data; decompress it once"
    if name is None and suffix != ".npz" and _is_archive(head):
        return (
            "is a ZIP archive of several files, or of none, or damaged; unpack it first, with "
            "unzip FILE"
        )
    return unsupported.refusal(head, "" if head.startswith(b"PK") else suffix)


def _is_archive(head: bytes) -> bool:
    """Return whether a file is a plain ZIP archive rather than a ZIP-based file format."""
    if head.startswith(b"PK\x05\x06"):
        return True
    if not head.startswith(b"PK") or unsupported.refusal(head, ""):
        return False
    return zip_member.is_archive(head)


def _by_magic_further_on(source: Input, head: bytes) -> FormatEntry | None:
    """Return the format whose magic bytes follow a user block at the start of the file."""
    if source.path is None or len(head) < _HEAD:
        return None
    size = source.path.stat().st_size
    with source.path.open("rb") as file:
        for entry in FORMATS:
            for offset in entry.magic_offsets:
                if _HEAD < offset < size:
                    file.seek(offset)
                    if file.read(max(map(len, entry.magic))) in entry.magic:
                        return entry
    return None


def recognise(source: Input, name: str | None) -> FormatEntry:
    """Return an input's format: the one named, else by its suffix, else by its first bytes.

    Raises:
        DataError: If its first bytes are those of another or an unsupported format.
    """
    if source.is_folder:
        if name not in {None, "parquet", "zarr"}:
            raise DataError(
                "is a folder, and only Parquet and Zarr are read from folders", path=source.name
            )
        return find(name or ("zarr" if source.path and is_zarr(source.path) else "parquet"))
    head = source.head(_HEAD)
    by_magic = next((entry for entry in FORMATS if entry.starts(head)), None)
    if by_magic is None and starts_legacy_stream(head):
        by_magic = find("arrow")
    expected = find(name) if name else of_suffix(source.suffix)
    if by_magic is None or (expected is not None and by_magic.module != expected.module):
        by_magic = _by_magic_further_on(source, head) or by_magic
    if expected is None:
        expected = by_magic or find("csv")
    sure = name or (by_magic is not None and by_magic.name != "npz")  # every ZIP starts like NPZ
    if refusal := _refusal(head, "" if sure else source.suffix, name):
        raise DataError(refusal, path=source.name)
    if by_magic is not None and by_magic.module != expected.module:
        raise DataError(
            f"is {by_magic.a_file}, not {expected.title}; add --from {by_magic.name}",
            path=source.name,
        )
    if expected.magic and by_magic is None:
        raise DataError(f"is not {expected.a_file}; say what it is with --from", path=source.name)
    return expected

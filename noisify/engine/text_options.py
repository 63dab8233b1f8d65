"""Check the options for reading text, which other formats do not use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.errors import UsageError
from noisify.formats.read_options import declared

if TYPE_CHECKING:
    from noisify import formats
    from noisify.formats.read_options import ReadOptions


def check_text_options(read: ReadOptions, entry: formats.FormatEntry) -> None:
    """Refuse options for reading text with a format that is not text."""
    if entry.module == "csv.format":
        return
    for name, how in declared().items():
        if how.flag and name != "strict" and getattr(read, name) != how.default:
            raise UsageError(
                f"{how.flag} says how CSV and TSV are read, and this is {entry.title}; leave it out"
            )

"""The options that say how text is read, which other formats have no use for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.errors import UsageError
from noisify.formats.interface import ReadOptions

if TYPE_CHECKING:
    from noisify import formats

_TEXT_OPTIONS = {
    "delimiter": "--delimiter", "header": "--no-header", "nulls": "--na",
    "encoding": "--encoding", "decimal": "--decimal", "thousands": "--thousands",
    "skip_lines": "--skip-lines", "comment": "--comment", "ragged": "--ragged",
    "escape": "--escape",
}  # fmt: skip
"""The options that say how text is read, by their names in `ReadOptions`."""


def check_text_options(read: ReadOptions, entry: formats.Entry) -> None:
    """Refuse options about text where there is none."""
    if entry.module == "csv.format":
        return
    for name, option in _TEXT_OPTIONS.items():
        if getattr(read, name) != getattr(ReadOptions, name):
            raise UsageError(
                f"{option} says how CSV and TSV are read, and this is {entry.title}; leave it out"
            )

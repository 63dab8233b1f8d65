"""Convert an input to a temporary file in another format, in which it then gets noise.

Noise depends only on a field's name and positions, so the conversion does not change it.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from noisify import formats
from noisify.core.errors import NoisifyError, UsageError
from noisify.files import codecs
from noisify.files.input import Input
from noisify.files.temporary import new_temporary_path, remove, remove_folder
from noisify.formats import arrays
from noisify.formats.whole_writer import write_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.formats import FormatEntry
    from noisify.formats.read_options import ReadOptions
    from noisify.formats.tables import Table

_UNDECIDED = {".txt", ".tab"}
"""Suffixes of text tables that do not tell the delimiter."""


def wanted_format(
    found: FormatEntry, targets: Sequence[str | Path], to_format: str | None
) -> FormatEntry:
    """Return the outputs' format: the one named, else by suffix, else the input's.

    Args:
        found: The input's format.
        targets: The outputs' paths; `-` for standard output.
        to_format: The format that `--to` names.

    Raises:
        UsageError: If the outputs would have different formats.
    """
    if to_format is not None:
        wanted_by_name = formats.find(to_format)
        for target in targets:
            _check_suffix(target, wanted_by_name)
        return wanted_by_name
    wanted = {target: _of_target(found, target) for target in targets}
    several = list(dict.fromkeys(wanted.values()))
    if len(several) > 1:
        raise UsageError(
            f"outputs of several formats ({', '.join(entry.title for entry in several)}) need "
            "several runs"
        )
    return several[0] if several else found


def _check_suffix(target: str | Path, wanted: FormatEntry) -> None:
    """Refuse an output whose suffix contradicts `--to`."""
    suffix = codecs.inner_suffix(target)
    said = formats.of_suffix(suffix)
    undecided = suffix in _UNDECIDED and wanted.module == "csv.format"
    if said is not None and said is not wanted and not undecided:
        raise UsageError(
            f"{target} would be {said.title} by its name and {wanted.title} by --to {wanted.name}; "
            f"leave --to out, or name it {Path(target).stem}{wanted.suffixes[0]}"
        )


def _of_target(found: FormatEntry, target: str | Path) -> FormatEntry:
    suffix = codecs.inner_suffix(target)
    entry = formats.of_suffix(suffix) or found
    undecided = suffix in _UNDECIDED
    return found if undecided and entry.module == found.module else entry


def convert(
    source: Input, old: FormatEntry, new: FormatEntry, options: ReadOptions
) -> ConvertedInput:
    """Convert an input to another format.

    Args:
        source: The input, which is closed with the returned one.
        old: Its format.
        new: The wanted format.
        options: The options for reading the input.

    Raises:
        UsageError: If the wanted format cannot hold it, or something would be lost.
    """
    if old.shape != new.shape or not (old.whole and new.whole):
        can = sorted(e.name for e in formats.FORMATS if e.shape == old.shape and e.whole)
        raise UsageError(
            f"{old.title} cannot be written as {new.title}; give the output a {old.suffixes[0]} "
            f"suffix, or --to {' or '.join(can if old.whole else [old.name])}"
        )
    path = new_temporary_path()
    try:
        path.touch(mode=0o600)
        way = _convert_arrays if old.shape == "arrays" else _convert_table
        return ConvertedInput(path, source, new, way(source, old, new, options, path))
    except OSError as error:
        remove(path)
        raise NoisifyError(
            f"cannot be converted in {path.parent}: {error.strerror or error}"
        ) from None
    except BaseException:  # remove the file after a signal too
        remove(path)
        remove_folder(path)
        raise


def _convert_arrays(
    source: Input,
    old: FormatEntry,
    new: FormatEntry,
    options: ReadOptions,  # noqa: ARG001 - files of arrays describe themselves
    path: Path,
) -> Sequence[str]:
    """Write the arrays of a file to a file of another format; return no hints.

    Raises:
        UsageError: If anything but arrays would be lost.
    """
    with old.load_whole().opened(source) as file:
        if file.lost is not None:
            raise file.lost
        kinds = [replace(array.type, fortran=False) for array in file.arrays]
        write_whole(arrays.parts_of(file.arrays), new.load_whole().create(path, kinds))
    return ()


def _convert_table(
    source: Input, old: FormatEntry, new: FormatEntry, options: ReadOptions, path: Path
) -> Sequence[str]:
    """Write a table to a file of another format; return hints on what may have been misread.

    Raises:
        UsageError: If the other format cannot hold it.
    """
    whole = new.load_whole()
    delimiter = {"csv": ",", "tsv": "\t"}.get(new.name)
    if delimiter is not None and old.module == new.module:
        return cast("Sequence[str]", whole.change_delimiter(source, options, path, delimiter))
    table: Table = whole.prepared(old.load_whole().read(source, options))
    with path.open("wb") as file:
        writer = whole.create(file, table.schema, *([delimiter] if delimiter else []))
        write_whole(table.batches, writer)
    return table.hints


class ConvertedInput(Input):
    """A temporary file that is read instead of an input; it is removed when closed.

    Args:
        path: The temporary file.
        origin: The original input, which is closed with this one.
        entry: The temporary file's format.
        hints: Hints on what may have been misread in the original.

    Attributes:
        hints: The same.
    """

    def __init__(
        self, path: Path, origin: Input, entry: FormatEntry, hints: Sequence[str] = ()
    ) -> None:
        super().__init__(path)
        self.hints = hints
        self.name = origin.name
        self._path = path
        self._origin = origin
        self._suffix = entry.suffixes[0]

    @property
    def suffix(self) -> str:
        """The suffix of its new format."""
        return self._suffix

    def check_unchanged(self) -> None:
        """Refuse an input that was changed or replaced since it was opened."""
        self._origin.check_unchanged()

    def close(self) -> None:
        """Remove the temporary file, and close the original input."""
        with ExitStack() as closing:  # each step runs even if another fails
            closing.callback(remove, self._path)
            closing.callback(remove_folder, self._path)
            closing.callback(self._origin.close)
            super().close()

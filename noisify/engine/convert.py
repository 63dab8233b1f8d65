"""An input in another format: converted to a temporary file first, then noised in that format.

Noise depends on a field's name and positions only, so it is the same before and after.
"""

from __future__ import annotations

from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noisify import formats
from noisify.core.errors import NoisifyError, UsageError
from noisify.files import codecs
from noisify.files.input import Input, new_temporary_path, remove

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from noisify.formats import Entry
    from noisify.formats.interface import ReadOptions

_WAYS = {
    "table": ("convert_tables", {"csv", "tsv", "parquet", "arrow"}),
    "arrays": ("convert_arrays", {"npy", "npz", "hdf5"}),
}
"""For each kind of format: the module that converts, and the formats it converts between."""

_UNDECIDED = {".txt", ".tab"}
"""Suffixes of tables with whatever stands between the cells."""


def wanted_format(found: Entry, targets: Sequence[str | Path], to_format: str | None) -> Entry:
    """Return the format that outputs will have: the one named, else by suffix, else the input's.

    Args:
        found: The input's format.
        targets: The outputs' paths; `-` for standard output.
        to_format: What `--to` names.

    Raises:
        UsageError: If they would have different ones.
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


def _check_suffix(target: str | Path, wanted: Entry) -> None:
    """Refuse an output whose name says another format than `--to`."""
    suffix = "" if str(target) == "-" else codecs.inner_suffix(target)
    said = formats.of_suffix(suffix)
    undecided = suffix in _UNDECIDED and wanted.module == "csv.format"
    if said is not None and said is not wanted and not undecided:
        raise UsageError(
            f"{target} would be {said.title} by its name and {wanted.title} by --to {wanted.name}; "
            f"leave --to out, or name it {Path(target).stem}{wanted.suffixes[0]}"
        )


def _of_target(found: Entry, target: str | Path) -> Entry:
    suffix = "" if str(target) == "-" else codecs.inner_suffix(target)
    entry = formats.of_suffix(suffix) or found
    undecided = suffix in _UNDECIDED
    return found if undecided and entry.module == found.module else entry


def convert(source: Input, old: Entry, new: Entry, options: ReadOptions) -> ConvertedInput:
    """Return an input with the content of another, in another format.

    Args:
        source: The input; it is closed with the one returned.
        old: Its format.
        new: The format wanted.
        options: How to read what the input does not say of itself.

    Raises:
        UsageError: If the one cannot be written as the other, or something would be lost.
    """
    module_name, names = _WAYS[old.shape]
    if old.shape != new.shape or not {old.name, new.name} <= names:
        can = sorted(names) if old.name in names else [old.name]
        raise UsageError(
            f"{old.title} cannot be written as {new.title}; give the output a {old.suffixes[0]} "
            f"suffix, or --to {' or '.join(can)}"
        )
    module = import_module(f"noisify.formats.{module_name}")
    read: Callable[..., Any] = getattr(module, f"read_{_kind(old)}")
    write: Callable[..., None] = getattr(module, f"write_{_kind(new)}")
    path = new_temporary_path()
    try:
        path.touch(mode=0o600)
        delimiter = "\t" if new.name == "tsv" else ","
        if old.module == new.module:
            hints = module.change_delimiter(source, options, path, delimiter)
            return ConvertedInput(path, source, new, hints)
        content = read(source, options)
        hints = getattr(content, "hints", ())  # tables have some
        if new.module == "csv.format":
            write(content, path, delimiter)
        else:
            write(content, path)
        return ConvertedInput(path, source, new, hints)
    except OSError as error:
        remove(path)
        raise NoisifyError(
            f"cannot be converted in {path.parent}: {error.strerror or error}"
        ) from None
    except BaseException:  # a signal too must not leave the file
        remove(path)
        raise


class ConvertedInput(Input):
    """A temporary file that stands for an input; it goes when it is closed.

    Args:
        path: The temporary file.
        origin: The input; closed with this one.
        entry: The temporary file's format.
        hints: What may be wrong with how the input was read.

    Attributes:
        hints: The same.
    """

    def __init__(self, path: Path, origin: Input, entry: Entry, hints: Sequence[str] = ()) -> None:
        super().__init__(path)
        self.hints = hints
        self.name = origin.name
        self._path = path
        self._origin = origin
        self._suffix = entry.suffixes[0]

    @property
    def suffix(self) -> str:
        """The suffix of the format it is in now."""
        return self._suffix

    def check_unchanged(self) -> None:
        """Refuse an input that was changed or replaced since it was opened."""
        self._origin.check_unchanged()

    def close(self) -> None:
        """Remove the temporary file, and close the input it stands for."""
        with ExitStack() as closing:  # all of it, whatever happens in between
            closing.callback(remove, self._path)
            closing.callback(self._origin.close)
            super().close()


def _kind(entry: Entry) -> str:
    return "text" if entry.module == "csv.format" else entry.name

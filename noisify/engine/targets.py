"""Check and open outputs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noisify import formats
from noisify.core.errors import UsageError
from noisify.core.urls import is_url, redacted
from noisify.files import codecs, folder_output, remote_folder_output
from noisify.files.output import STANDARD_OUTPUT, open_output
from noisify.files.whole_output import PartToJoin
from noisify.formats import unsupported

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.engine.open_input import OpenInput
    from noisify.files.codecs import Compression
    from noisify.files.folder_output import FolderRecord
    from noisify.files.output import Output
    from noisify.formats.interface import Part


def open_target(
    opened: OpenInput,
    target: str | Path,
    inputs: Sequence[str | Path],
    part: Part[Any] | None = None,
    record: FolderRecord = folder_output.UNRECORDED,
) -> Output:
    """Open an output for an input, a folder if the input is a folder.

    Args:
        opened: The input.
        target: The output.
        inputs: The inputs that it must not be.
        part: The part of the input that is worked on, or None for all of it.
        record: Records the output if it is a folder.

    Raises:
        UsageError: If the output cannot be written there.
    """
    settings = opened.settings
    if part is not None and settings.known.output is not None:
        place = target if is_url(target) else Path(target)
        return settings.known.output(place, part.place, opened.input.path)
    if opened.input.is_folder and opened.input.path is not None:
        local = opened.input.path if isinstance(opened.input.path, Path) else None
        if is_url(target) and settings.in_place:
            raise UsageError("is a folder by URL, which --in-place cannot replace", path=target)
        if is_url(target):
            return remote_folder_output.RemoteFolderOutput(opened.input.path, str(target), record)
        return folder_output.FolderOutput(
            local,
            target,
            in_place=settings.in_place,
            clobber=settings.clobber,
            record=record,
        )
    return _open_file(opened, target, inputs)


def open_mask_target(
    opened: OpenInput,
    mask: str | Path,
    inputs: Sequence[str | Path],
    part: Part[Any] | None = None,
) -> Output:
    """Open the file of a mask, or of its part; see `open_target`."""
    if part is not None:
        return PartToJoin(Path(mask))
    return _open_file(opened, mask, inputs)


def _open_file(opened: OpenInput, target: str | Path, inputs: Sequence[str | Path]) -> Output:
    settings = opened.settings
    return open_output(
        target,
        inputs=inputs,
        clobber=settings.clobber,
        compression=output_compression(opened, target),
        jobs=settings.jobs,
        unsynced=settings.unsynced,
    )


def output_compression(opened: OpenInput, target: str | Path) -> Compression | None:
    """Return the compression of an output: by its name or, in place, that of the input.

    Standard output is never compressed, since the next program of a pipeline expects plain data.

    Raises:
        UsageError: If the compression is not available, or not at that level.
    """
    if str(target) == STANDARD_OUTPUT:
        return None
    in_place = opened.settings.in_place and str(target) == opened.input.name
    codec = opened.codec if in_place else codecs.of_name(target)
    return None if codec is None else codec.at_level(opened.settings.compress_level)


def check_output(opened: OpenInput, target: str | Path) -> None:
    """Refuse an output that contradicts the options or the input, and bytes on a terminal."""
    on_terminal = str(target) == STANDARD_OUTPUT and sys.stdout is not None and sys.stdout.isatty()
    if on_terminal and opened.format.binary:
        raise UsageError(f"{opened.format.title} is not for a terminal; add -o FILE or > FILE")
    compression = output_compression(opened, target)
    suffix = codecs.inner_suffix(target)
    named = opened.settings.to_format
    wanted = formats.find(named) if named else formats.of_suffix(suffix)
    if suffix in unsupported.SUFFIXES and suffix != opened.input.suffix:
        usual, stem = opened.format.suffixes[0], Path(target).stem
        raise UsageError(
            f"noisify writes no {suffix} files such as {target}; name it "
            f"{stem.removesuffix(usual)}{usual}"
        )
    if wanted is not None and wanted.module != opened.format.module:
        raise UsageError(
            f"{opened.format.title} cannot be written as {wanted.title}, which {target} would be; "
            f"give the output a {opened.format.suffixes[0]} suffix, or --to {opened.format.name}"
        )
    if opened.settings.compress_level is not None and compression is None:
        raise UsageError(
            f"--compress-level is for compressed outputs, and {shown_name(target)} is not; "
            f"give -o a name that ends in {', '.join(codecs.SUFFIXES)}"
        )


def mask_formats(of: formats.FormatEntry) -> str:
    """List the formats that masks of a format's files may have, for messages."""
    titles = [one.title for one in formats.FORMATS if one.shape == of.shape and _holds_masks(one)]
    return f"{', '.join(titles[:-1])} or {titles[-1]}"


def _holds_masks(entry: formats.FormatEntry) -> bool:
    return bool(entry.whole) and not entry.in_folders


def mask_format(opened: OpenInput, mask: str | Path) -> formats.FormatEntry:
    """Return the format of a mask: by its name, else the default for the input.

    Raises:
        UsageError: If a mask of the input cannot have that format.
    """
    if str(mask) == STANDARD_OUTPUT:
        raise UsageError("--mask needs a file, not standard output")
    of = opened.format
    usual = (
        of if _holds_masks(of) else formats.find("npy" if len(opened.source.fields) == 1 else "npz")
    )
    suffix = codecs.inner_suffix(mask)
    found = formats.of_suffix(suffix) or usual
    if suffix in unsupported.SUFFIXES or found.shape != of.shape or not _holds_masks(found):
        raise UsageError(
            f"--mask {mask} is not a name for the mask of {of.a_file}, which is "
            f"{mask_formats(of)}; name it {Path(mask).stem}{usual.suffixes[0]}"
        )
    return found


def shown_name(target: str | Path) -> str:
    """Return the name of an output in messages."""
    return "standard output" if str(target) == STANDARD_OUTPUT else redacted(str(target))

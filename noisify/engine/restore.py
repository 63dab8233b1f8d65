"""Restore an original file from a noisy file and its mask with values."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from noisify import formats
from noisify.core.errors import DataError, NoisifyError, UsageError
from noisify.engine.open_input import OpenInput
from noisify.engine.targets import check_output, mask_formats, open_target
from noisify.files.input import Input
from noisify.files.output import STANDARD_OUTPUT, naming
from noisify.formats.unmask import open_originals

if TYPE_CHECKING:
    from pathlib import Path

    from noisify.engine.open_input import Settings
    from noisify.files.output import Output


def restore(path: str | Path, mask_path: str | Path, target: str | Path, settings: Settings) -> int:
    """Restore the original of a noisy file.

    Args:
        path: The noisy file, or `-` for standard input.
        mask_path: Its mask, made with `--mask-values`.
        target: Where to write, or `-` for standard output.
        settings: The settings.

    Returns:
        The number of elements restored.

    Raises:
        NoisifyError: If anything is wrong; no output is left then.
    """
    if str(mask_path) == STANDARD_OUTPUT:
        raise UsageError("--restore needs the mask as a file; standard input is for the noisy one")
    try:
        with OpenInput(path, settings) as opened, closing(Input(mask_path)) as mask:
            check_output(opened, target)
            entry = _mask_format(mask, opened.format)
            if entry.seeks or mask.is_remote:
                mask.download()
            inputs = [mask_path] if settings.in_place else [path, mask_path]
            output = open_target(opened, target, inputs)
            with output, naming(output):
                count = _restored(opened, mask, entry, output)
                opened.input.check_unchanged()
                mask.check_unchanged()
                return count
    except NoisifyError as error:
        raise error.at("standard input" if str(path) == "-" else path) from None


def _restored(opened: OpenInput, mask: Input, entry: formats.FormatEntry, output: Output) -> int:
    """Write the original; return the number of elements restored."""
    source = opened.source
    count = 0
    with closing(open_originals(source, opened.format, mask, entry)) as originals:
        if originals.run is not None:
            output.hold_back()
        noised = frozenset(field.name for group in originals.groups for field in group)
        form = opened.format.load()
        with closing((form.restore or form.rewrite)(source, output, noised)) as sink:
            for raw in source.read(originals.groups, opened.settings.chunk_bytes).pieces:
                encoded, restored = originals.put_back(raw, source, sink)
                sink.write(encoded)
                count += restored
                opened.settings.progress(source.size_of(raw))
            originals.check()
            sink.finish()
    return count


def _mask_format(mask: Input, of: formats.FormatEntry) -> formats.FormatEntry:
    """Return the format of a mask.

    Raises:
        DataError: If masks of the noisy file's format cannot have this format.
    """
    head = mask.head()
    found = next((entry for entry in formats.FORMATS if entry.starts(head)), formats.find("csv"))
    if found.shape != of.shape or not found.whole:
        raise DataError(
            f"is {found.title}, and the mask of {of.a_file} is {mask_formats(of)}",
            path=mask.name,
        )
    return found

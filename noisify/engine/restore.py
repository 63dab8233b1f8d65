"""Noise undone: a noisy file and its mask with values give the original back."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from noisify import formats
from noisify.core.errors import DataError, NoisifyError, UsageError
from noisify.engine.open_input import OpenInput
from noisify.engine.targets import check_output, output_compression
from noisify.files.input import Input
from noisify.files.output import STANDARD_OUTPUT, naming, open_output

if TYPE_CHECKING:
    from pathlib import Path

    from noisify.engine.open_input import Settings


def restore(path: str | Path, mask_path: str | Path, target: str | Path, settings: Settings) -> int:
    """Give back what a file was before it got noise.

    Args:
        path: The noisy file, or `-` for standard input.
        mask_path: Its mask, made with `--mask-values`.
        target: Where to write, or `-` for standard output.
        settings: How to go about it.

    Returns:
        How many elements were given back.

    Raises:
        NoisifyError: If anything is wrong; no output is left then.
    """
    if str(mask_path) == STANDARD_OUTPUT:
        raise UsageError("--restore needs the mask as a file; standard input is for the noisy one")
    try:
        with OpenInput(path, settings) as opened, closing(Input(mask_path)) as mask:
            check_output(opened, target, settings)
            _check_mask_format(mask, opened.format)
            if opened.format.seeks:
                mask.spool()
            inputs = [mask_path] if settings.in_place else [path, mask_path]
            opened_output = open_output(
                target,
                inputs=inputs,
                clobber=settings.clobber,
                compression=output_compression(opened, target, settings),
                jobs=settings.jobs,
            )
            with opened_output as output, naming(output):
                count = opened.format.load().restore(
                    opened.source, mask, output, settings.chunk_bytes, settings.progress
                )
                opened.input.check_unchanged()
                mask.check_unchanged()
                return count
    except NoisifyError as error:
        raise error.at("standard input" if str(path) == "-" else path) from None


def _check_mask_format(mask: Input, expected: formats.Entry) -> None:
    """Refuse a mask of another format than the noisy file's."""
    head = mask.head()
    found = next((entry for entry in formats.FORMATS if entry.starts(head)), formats.find("csv"))
    if found.module != expected.module:
        raise DataError(
            f"is {found.title}, and the mask of a {expected.title} file is {expected.title} too"
            if expected.binary
            else f"is {found.title}, and the mask of a {expected.title} file is CSV",
            path=mask.name,
        )

"""NPZ: what ties its source, sink and masks together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.errors import UsageError
from noisify.core.overriding import override
from noisify.formats.interface import TABLES, Format
from noisify.formats.npz.sink import NpzSink
from noisify.formats.npz.source import NpzSource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from noisify.core.chunk import Field
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.interface import MaskSink
    from noisify.formats.read_options import ReadOptions


class NpzFormat(Format[NpzSource]):
    """An archive of arrays."""

    title = "NPZ"

    @override
    def open_source(self, source: Input, options: ReadOptions) -> NpzSource:
        """Open an NPZ file."""
        return NpzSource(source)

    def rewrite(
        self, source: NpzSource, output: Output, passes: int, noised: frozenset[str]
    ) -> NpzSink:
        """Start an NPZ file like the source.

        Raises:
            UsageError: If it is to be written several times, one after another.
        """
        if passes > 1:
            raise UsageError(
                f"--append needs rows, which {TABLES} have; the arrays of an NPZ file share none"
            )
        return NpzSink(source, output, noised)

    def open_mask(
        self, source: NpzSource, output: Output, noised: Sequence[Field], *, values: bool
    ) -> MaskSink:
        """Start an NPZ file that says which elements changed."""
        from noisify.formats.npz.mask import NpzMask  # noqa: PLC0415 - a rare wish

        return NpzMask(source, output, noised, values=values)

    def restore(
        self,
        source: NpzSource,
        mask: Input,
        output: Output,
        size: int,
        progress: Callable[[int], None],
    ) -> int:
        """Give a file back as it was; see `mask`."""
        from noisify.formats.npz import mask as npz_mask  # noqa: PLC0415 - a rare wish

        return npz_mask.restore_npz(source, mask, output, size, progress)


FORMAT = NpzFormat()

"""NPY: what ties its source, sink and masks together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.overriding import override
from noisify.formats.interface import Format
from noisify.formats.npy.source import NpySink, NpySource, repeated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from noisify.core.chunk import Field
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.interface import MaskSink
    from noisify.formats.read_options import ReadOptions


class NpyFormat(Format[NpySource]):
    """One array."""

    title = "NPY"

    @override
    def open_source(self, source: Input, options: ReadOptions) -> NpySource:
        """Open an NPY file."""
        return NpySource(source)

    @override
    def rewrite(
        self,
        source: NpySource,
        output: Output,
        passes: int = 1,
        noised: frozenset[str] = frozenset(),
    ) -> NpySink:
        """Start an NPY file like the source's.

        Raises:
            UsageError: If it cannot be written several times, one after another.
        """
        positional = passes == 1 and source.lazy
        return NpySink(repeated(source.header, passes), output, positional=positional)

    def open_mask(
        self, source: NpySource, output: Output, noised: Sequence[Field], *, values: bool
    ) -> MaskSink:
        """Start an NPY file that says which elements changed."""
        from noisify.formats.npy.mask import NpyMask  # noqa: PLC0415 - a rare wish

        return NpyMask(source, output, noised, values=values)

    def restore(
        self,
        source: NpySource,
        mask: Input,
        output: Output,
        size: int,
        progress: Callable[[int], None],
    ) -> int:
        """Give a file back as it was; see `mask`."""
        from noisify.formats.npy import mask as npy_mask  # noqa: PLC0415 - a rare wish

        return npy_mask.restore_npy(source, mask, output, size, progress)


FORMAT = NpyFormat()

"""HDF5: what ties its source, sink and masks together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.errors import UsageError
from noisify.core.overriding import override
from noisify.formats.hdf5.sink import Hdf5Sink
from noisify.formats.hdf5.source import Hdf5Source
from noisify.formats.interface import TABLES, Format

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from noisify.core.chunk import Field
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.interface import MaskSink
    from noisify.formats.read_options import ReadOptions


class Hdf5Format(Format[Hdf5Source]):
    """A tree of datasets."""

    title = "HDF5"

    @override
    def open_source(self, source: Input, options: ReadOptions) -> Hdf5Source:
        """Open an HDF5 file."""
        return Hdf5Source(source)

    def rewrite(
        self, source: Hdf5Source, output: Output, passes: int, noised: frozenset[str]
    ) -> Hdf5Sink:
        """Start a copy of the source.

        Raises:
            UsageError: If it is to be written several times, one after another.
        """
        if passes > 1:
            raise UsageError(
                f"--append needs rows, which {TABLES} have; the datasets of an HDF5 file share none"
            )
        positional = bool(noised) and source.is_contiguous(noised)
        return Hdf5Sink(source.path, source.stored, output, positional=positional)

    def open_mask(
        self, source: Hdf5Source, output: Output, noised: Sequence[Field], *, values: bool
    ) -> MaskSink:
        """Start an HDF5 file that says which elements changed."""
        from noisify.formats.hdf5.mask import Hdf5Mask  # noqa: PLC0415 - a rare wish

        return Hdf5Mask(source, output, noised, values=values)

    def restore(
        self,
        source: Hdf5Source,
        mask: Input,
        output: Output,
        size: int,
        progress: Callable[[int], None],
    ) -> int:
        """Give a file back as it was; see `mask`."""
        from noisify.formats.hdf5 import mask as hdf5_mask  # noqa: PLC0415 - a rare wish

        return hdf5_mask.restore(source, mask, output, size, progress)


FORMAT = Hdf5Format()

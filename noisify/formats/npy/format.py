"""NPY: what ties its source and sink together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.overriding import override
from noisify.formats.interface import Format
from noisify.formats.npy.header import repeated
from noisify.formats.npy.sink import NpySink
from noisify.formats.npy.source import NpySource

if TYPE_CHECKING:
    from noisify.files.input import Input
    from noisify.files.output import Output
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


FORMAT = NpyFormat()

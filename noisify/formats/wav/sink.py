"""Write WAV files."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from noisify.core.overriding import override
from noisify.core.share import WHOLE
from noisify.files.write_behind import write_all, write_all_at
from noisify.formats.elements import ArrayPiece
from noisify.formats.interface import Sink
from noisify.formats.numpy_fields import stored
from noisify.formats.row_selection import with_copies
from noisify.formats.wav.source import KEPT_IN_MEMORY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from noisify.core.chunk import Chunk
    from noisify.files.output import Output
    from noisify.formats.elements import ElementsPart
    from noisify.formats.interface import NoisyColumn
    from noisify.formats.wav.source import WavSource


class WavSink(Sink[ArrayPiece, "NDArray[np.uint8]"]):
    """A WAV file being written: the source's bytes around the noisy samples.

    Args:
        source: The file that was read.
        output: Where to write.
        part: The part of the file that is written, or None for all of it.
    """

    def __init__(self, source: WavSource, output: Output, part: ElementsPart | None = None) -> None:
        self._source = source
        self._output = output
        self._written = 0
        self._other_rows = False
        self._share = WHOLE if part is None else part.share
        if self._share.is_first:
            write_all(output.file, source.head())

    @override
    def encode(
        self, raw: ArrayPiece, chunk: Chunk, noisy: Sequence[NoisyColumn]
    ) -> NDArray[np.uint8]:
        """Encode the noisy samples."""
        if not noisy:
            return raw.values.view(np.uint8)
        samples = self._source.header.samples
        return samples.encode(stored(noisy[0], samples.number.dtype))

    @override
    def with_rows(
        self, versions: Sequence[NDArray[np.uint8]], copies: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """Drop or repeat the frames of some samples."""
        return with_copies(versions, copies)

    def write(self, encoded: NDArray[np.uint8]) -> None:
        """Write the bytes of some samples."""
        self._written += encoded.size
        write_all(self._output.file, encoded.data)

    @override
    def expect_rows(self, count: Callable[[int], int]) -> None:
        """Prepare to update the sizes in the header at the end."""
        self._other_rows = True

    def finish(self) -> None:
        """Write the bytes after the samples."""
        if not self._share.is_last:
            return
        rest = self._source.rest
        rest.seek(0)
        if self._other_rows:
            self._update_sizes(padded=bool(rest.read(self._source.header.size % 2)))
        while data := rest.read(KEPT_IN_MEMORY):
            write_all(self._output.file, data)

    def _update_sizes(self, *, padded: bool) -> None:
        """Pad the samples to an even size, and update the sizes of the chunk and the file."""
        head, old = self._source.head(), self._source.header
        order = ">" if head[:4] == b"RIFX" else "<"
        padding = self._written % 2
        write_all(self._output.file, bytes(padding))
        (whole,) = struct.unpack(f"{order}I", head[4:8])
        whole += self._written + padding - old.size - padded
        file = self._output.file
        write_all_at(file, memoryview(struct.pack(f"{order}I", whole)), 4)
        write_all_at(file, memoryview(struct.pack(f"{order}I", self._written)), old.start - 4)

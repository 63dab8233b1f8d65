"""Read and replace the samples of WAV files; all other bytes are kept.

The only field is `data`: the samples as whole numbers or floats, frame by frame. A file gets the
same noise as the array of `scipy.io.wavfile.read` would as NPY. Whole numbers are used as stored,
in steps of the least significant bit: 16-bit samples from -32768 to 32767, 8-bit ones from 0 to 255
with silence at 128 (an offset that counts in `--snr`, as it would for the array), and 24-bit ones
from -8388608 to 8388607, where SciPy and soundfile give 256 times that in 32 bits. Chunks that
describe the samples (a peak, a loudness) are kept, even if no longer true.
"""

from __future__ import annotations

import shutil
import struct
import tempfile
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from noisify.core.chunk import Chunk, Column, Field
from noisify.core.errors import DataError, UsageError
from noisify.core.overriding import override
from noisify.core.share import WHOLE
from noisify.files.write_behind import write_all, write_all_at
from noisify.formats.array_source import ArrayPiece, ElementsSource
from noisify.formats.interface import FieldArray, Sink
from noisify.formats.numpy_fields import ARRAY_NAME, kind_of_dtype, stored
from noisify.formats.row_selection import with_copies
from noisify.formats.wav.header import read_header

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.array_source import ElementsPart
    from noisify.formats.interface import NoisyColumn


_KEPT_IN_MEMORY = 1 << 20
"""The most bytes after the samples to keep in memory."""


class WavSource(ElementsSource):
    """An open WAV file."""

    def __init__(self, source: Input) -> None:
        self.header = header = read_header(source)
        samples = header.samples
        dtype, most = np.dtype(f"V{samples.width}"), header.size // samples.width
        super().__init__(source, header.start, dtype, most, header.channels)
        self._known = source.size is not None or not header.open_ended
        if source.size is not None:
            found = source.size - self.start
            self._check_size(found)
            self.count = min(found // samples.width, most)
        self.fields = (
            Field(
                name=ARRAY_NAME,
                kind=kind_of_dtype(samples.number.dtype),
                type_name=samples.type_name,
                number=samples.number,
                nullable=samples.number.kind == "float",
            ),
        )
        self.notes: list[str] = []
        bits = 8 * samples.width
        if header.valid_bits < bits:
            self.notes.append(
                f"{source.name} has samples of {header.valid_bits} bits in {bits}; they get "
                f"noise as numbers of {bits} bits"
            )
        self.empty = not self.count
        self.rest: tempfile.SpooledTemporaryFile[bytes] = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - close() does
            _KEPT_IN_MEMORY
        )

    @cached_property
    def row_elements(self) -> int | None:  # type: ignore[override]
        """The samples of a frame; None if the file has no size, or a 64-bit one."""
        plain = self.head()[:4] in {b"RIFF", b"RIFX"} and not self.header.open_ended
        return self.width if plain else None

    @override
    def _check_size(self, found: int) -> None:
        promised = self.header.size
        if found < promised and not self.header.open_ended:
            raise DataError(
                f"is cut short: its header promises {promised} bytes of samples and there are "
                f"{found}",
                path=self._input.name,
            )

    def head(self) -> bytes:
        """Return all bytes before the samples."""
        return self._input.head(self.header.start)

    @override
    def piece_elements(self, size: int) -> int:
        """Return how many samples a piece of `size` bytes has: whole frames."""
        return max(1, size // (self.dtype.itemsize * self.width)) * self.width

    @override
    def _read_end(self, file: BinaryIO, over: bytes) -> None:
        """Store the bytes after the samples in `rest`, replacing its contents."""
        self.rest.seek(0)
        self.rest.truncate()
        self.rest.write(over)
        shutil.copyfileobj(file, self.rest)

    @override
    def read_rest(self) -> None:
        """Store the bytes after the samples of a regular file in `rest`."""
        with self._input.open() as file:
            file.seek(self.start + self.count * self.dtype.itemsize)
            self._read_end(file, b"")

    def decode(self, raw: ArrayPiece, wanted: Sequence[Field]) -> Chunk:
        """Decode the samples."""
        number = self.header.samples.number
        columns = tuple(
            Column(field, number, raw.positions, self.elements(raw)) for field in wanted
        )
        return Chunk(columns, rows=raw.positions.in_rows(self.width))

    @override
    def array_of(self, field: Field) -> FieldArray:
        """Return the array of the samples as SciPy reads it, with one row per frame.

        Raises:
            UsageError: If it is a stream of unknown length.
        """
        if not self._known:
            raise UsageError("is a stream that does not say its length; --mask needs a file")
        whole = self.width > 1 and not self.count % self.width
        shape = (self.rows, self.width) if whole else (self.count,)
        return FieldArray(field.name, shape, self.header.samples.number.dtype)

    @override
    def elements(self, raw: ArrayPiece) -> NDArray[Any]:
        """Return the samples of a piece."""
        return self.header.samples.decode(raw.values.view(np.uint8))

    @override
    def length(self, field: Field) -> int | None:
        """Return the number of samples; None for a stream of unknown length."""
        return self.count if self._known else None

    @override
    def array_shape(self, field: Field) -> tuple[int, ...] | None:
        """Return the numbers of frames and channels; None for a stream of unknown length."""
        return (self.rows, self.width) if self._known else None

    @override
    def series_shape(self, field: Field) -> tuple[int, ...] | None:
        """Return the numbers of frames and channels; None for a stream of unknown length."""
        return self.array_shape(field)

    def close(self) -> None:
        """Close the file, and discard `rest`."""
        super().close()
        self.rest.close()


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
        while data := rest.read(_KEPT_IN_MEMORY):
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

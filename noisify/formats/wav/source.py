"""Read the samples of WAV files; all other bytes are kept.

The only field is `data`: the samples as whole numbers or floats, frame by frame. A file gets the
same noise as the array of `scipy.io.wavfile.read` would as NPY. Whole numbers are used as stored,
in steps of the least significant bit: 16-bit samples from -32768 to 32767, 8-bit ones from 0 to 255
with silence at 128 (an offset that counts in `--snr`, as it would for the array), and 24-bit ones
from -8388608 to 8388607, where SciPy and soundfile give 256 times that in 32 bits. Chunks that
describe the samples (a peak, a loudness) are kept, even if no longer true.
"""

from __future__ import annotations

import shutil
import tempfile
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from noisify.core.chunk import Chunk, Column, Field, Positions
from noisify.core.errors import DataError, UsageError
from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.files.input import read_into
from noisify.formats.array_source import ArraySource
from noisify.formats.interface import FieldArray, Reading
from noisify.formats.numpy_fields import ARRAY_NAME, kind_of_dtype
from noisify.formats.wav.header import read_header

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from noisify.files.input import Input

KEPT_IN_MEMORY = 1 << 20
"""Bytes after the samples to keep in memory."""


@frozen
class SamplesPiece:
    """Some samples as stored in the file.

    Attributes:
        raw: The bytes of the samples.
        positions: The positions of the samples.
    """

    raw: NDArray[np.uint8]
    positions: Positions


class WavSource(ArraySource[SamplesPiece]):
    """An open WAV file."""

    def __init__(self, source: Input) -> None:
        self._input = source
        self.header = read_header(source)
        samples = self.header.samples
        self._count: int | None = None
        if source.size is not None:
            self._count = self._whole_samples(source.size - self.header.start)
        elif not self.header.open_ended:
            self._count = self.header.size // samples.width
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
        if self.header.valid_bits < bits:
            self.notes.append(
                f"{source.name} has samples of {self.header.valid_bits} bits in {bits}; they get "
                f"noise as numbers of {bits} bits"
            )
        self.empty = self._count == 0
        self.rest: tempfile.SpooledTemporaryFile[bytes] = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - close() does
            KEPT_IN_MEMORY
        )

    @cached_property
    def row_elements(self) -> int | None:  # type: ignore[override]
        """The samples of a frame; None if the file has no size, or a 64-bit one."""
        plain = self.head()[:4] in {b"RIFF", b"RIFX"} and not self.header.open_ended
        return self.header.channels if plain else None

    def _whole_samples(self, found: int) -> int:
        """Return the number of whole samples in `found` bytes.

        Raises:
            DataError: If the header promises more.
        """
        promised = self.header.size
        if found < promised and not self.header.open_ended:
            raise DataError(
                f"is cut short: its header promises {promised} bytes of samples and there are "
                f"{found}",
                path=self._input.name,
            )
        return min(found, promised) // self.header.samples.width

    def head(self) -> bytes:
        """Return all bytes before the samples."""
        return self._input.head(self.header.start)

    @override
    def read(self, groups: Sequence[Sequence[Field]], size: int) -> Reading[SamplesPiece]:
        """Read consecutive samples; store the bytes after them in `rest`."""
        return Reading(self._pieces(size))

    def _pieces(self, size: int) -> Iterator[SamplesPiece]:
        width = self.header.samples.width
        frame = width * self.header.channels
        per_piece = max(1, size // frame) * frame
        with self._input.open() as file:
            read_into(file, memoryview(bytearray(self.header.start)))
            done = 0
            over = b""
            while not over and done < self.header.size:
                raw = np.empty(min(per_piece, self.header.size - done), np.uint8)
                found = read_into(file, raw.data)
                if found < len(raw):
                    self._whole_samples(done + found)
                whole = found // width * width
                over = raw[whole:found].tobytes()
                if whole:
                    start = done // width
                    yield SamplesPiece(raw[:whole], Positions.range(start, start + whole // width))
                if found < len(raw):
                    break
                done += found
            self._keep_rest(over, file)

    def _keep_rest(self, over: bytes, file: BinaryIO) -> None:
        """Store what follows the samples in `rest`, in the place of what is there."""
        self.rest.seek(0)
        self.rest.truncate()
        self.rest.write(over)
        shutil.copyfileobj(file, self.rest)

    def pieces_at(self, ranges: Iterable[tuple[int, int]]) -> Iterator[SamplesPiece]:
        """Yield some ranges of samples of a regular file."""
        width = self.header.samples.width
        with self._input.open() as file:
            for start, stop in ranges:
                file.seek(self.header.start + start * width)
                raw = np.empty((stop - start) * width, np.uint8)
                if read_into(file, raw.data) < len(raw):
                    raise DataError("ends before its samples do", path=self._input.name)
                yield SamplesPiece(raw, Positions.range(start, stop))

    def read_rest(self) -> None:
        """Store the bytes after the samples of a regular file in `rest`."""
        with self._input.open() as file:
            file.seek(self.header.start + (self._count or 0) * self.header.samples.width)
            self._keep_rest(b"", file)

    def decode(self, raw: SamplesPiece, wanted: Sequence[Field]) -> Chunk:
        """Decode the samples."""
        number = self.header.samples.number
        columns = tuple(
            Column(field, number, raw.positions, self.elements(raw)) for field in wanted
        )
        return Chunk(columns, rows=raw.positions.in_rows(self.header.channels))

    @override
    def array_of(self, field: Field) -> FieldArray:
        """Return the array of the samples as SciPy reads it, with one row per frame.

        Raises:
            UsageError: If it is a stream of unknown length.
        """
        if self._count is None:
            raise UsageError("is a stream that does not say its length; --mask needs a file")
        channels = self.header.channels
        whole = channels > 1 and not self._count % channels
        shape = (self._count // channels, channels) if whole else (self._count,)
        return FieldArray(field.name, shape, self.header.samples.number.dtype)

    @override
    def elements(self, raw: SamplesPiece) -> NDArray[Any]:
        """Return the samples of a piece."""
        return self.header.samples.decode(raw.raw)

    def size_of(self, raw: SamplesPiece) -> int:
        """Return the size of a piece in bytes."""
        return len(raw.raw)

    @override
    def length(self, field: Field) -> int | None:
        """Return the number of samples; None for a stream of unknown length."""
        return self._count

    @override
    def array_shape(self, field: Field) -> tuple[int, ...] | None:
        """Return the numbers of frames and channels; None for a stream of unknown length."""
        channels = self.header.channels
        return None if self._count is None else (self._count // channels, channels)

    @override
    def series_shape(self, field: Field) -> tuple[int, ...] | None:
        """Return the numbers of frames and channels; None for a stream of unknown length."""
        return self.array_shape(field)

    def close(self) -> None:
        """Discard `rest`; the file is open only while it is read."""
        self.rest.close()

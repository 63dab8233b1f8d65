"""Transcode text files for the CSV engine, and back.

The engine looks for separators byte by byte. That works if every ASCII byte always is that ASCII
character: UTF-8, Latin-1, cp1252, EUC. Such files are read as they are, so invalid bytes pass
through. All others (UTF-16, UTF-32, EBCDIC, Shift JIS, GBK, UTF-7, …) are transcoded to UTF-8 and
written back in their own encoding. A file that would not round-trip to the same bytes is refused.
"""

from __future__ import annotations

import codecs
import io
from functools import cache
from typing import TYPE_CHECKING, BinaryIO, cast

from noisify.core.errors import DataError, UsageError
from noisify.files.input import HEAD_BYTES, read_fully
from noisify.files.write_behind import write_all

if TYPE_CHECKING:
    from pathlib import Path

    from noisify.files.input import Input

_BOMS = {
    "utf-32-le": codecs.BOM_UTF32_LE,  # before UTF-16, whose mark is the start of this one
    "utf-32-be": codecs.BOM_UTF32_BE,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
}
_BLOCK_BYTES = 1 << 20
_FOR_NAMES = frozenset({"idna", "punycode"})
_INNER = ("utf-8", "surrogatepass")
"""The engine's encoding and error handler: lossless for every string, even lone surrogates."""


class TextInput:
    """A text file, transcoded to UTF-8 if the CSV engine cannot find cells in its encoding.

    Args:
        source: The file.
        encoding: The encoding that the user named.
        block_bytes: Bytes to decode at once.

    Attributes:
        encoding: The encoding of the bytes that the engine sees.
        name: The file's name in messages.
        suffix: The file name's suffix.

    Raises:
        UsageError: If there is no such encoding.
    """

    def __init__(self, source: Input, encoding: str, block_bytes: int = _BLOCK_BYTES) -> None:
        self._source = source
        self._block_bytes = block_bytes
        self._codec = file_codec(encoding, source.head())
        self._as_is = extends_ascii(self._codec)
        self.encoding = self._codec if self._as_is else "utf-8"
        self.name = source.name
        self.suffix = source.suffix
        self._shrunk = 1.0

    def head(self, count: int = HEAD_BYTES) -> tuple[bytes, bool]:
        """Return the text in the file's first `count` bytes, and whether that is the whole file.

        A stream is spooled to a temporary file if more than `HEAD_BYTES` are wanted.
        """
        if count <= HEAD_BYTES:
            raw = self._source.head(count)
        else:
            if not self._source.is_rereadable:
                self._source.spool()
            with self._source.open() as stream:
                raw = read_fully(stream, count)
        whole = len(raw) < count
        if self._as_is:
            return raw, whole
        decoder = codecs.getincrementaldecoder(self._codec)(_errors(self._codec))
        try:
            data = decoder.decode(raw, final=whole).encode(*_INNER)
        except UnicodeDecodeError as error:
            raise _undecodable(error, self._codec, 0, self.name) from None
        self._shrunk = len(raw) / max(1, len(data))
        return data, whole

    def open(self) -> BinaryIO:
        """Open the file from its start; a stream can be opened once."""
        stream = self._source.open()
        if self._as_is:
            return stream
        return cast("BinaryIO", _Decoded(stream, self._codec, self.name, self._block_bytes))

    @property
    def path(self) -> Path | None:
        """The file, if its bytes are those that the engine sees; else None."""
        return self._source.path if self._as_is else None

    def open_at(self, start: int, stop: int) -> BinaryIO:
        """Open some bytes of a file that has a `path`."""
        stream = self._source.open()
        stream.seek(start)
        return cast("BinaryIO", _Bounded(stream, stop - start))

    def writer(self, file: BinaryIO) -> BinaryIO:
        """Return a writer that takes the engine's bytes and writes the file's encoding."""
        return file if self._as_is else cast("BinaryIO", _Encoded(file, self._codec))

    def original_size(self, data: bytes) -> int:
        """Estimate how many bytes of the file some of the engine's bytes come from."""
        return round(len(data) * self._shrunk)


def file_codec(encoding: str, head: bytes) -> str:
    """Return the name of the codec that reads a file, with its byte order resolved.

    A byte order mark decides between the UTF encodings. In a UTF-16 or UTF-32 file without one, the
    byte order follows from the zero bytes of the first character, which is most likely ASCII.

    Args:
        encoding: The encoding that the user named, by default `utf-8`.
        head: The file's first bytes.

    Raises:
        UsageError: If there is no such encoding.
    """
    try:
        name = codecs.lookup(encoding).name
        "0".encode(name)  # fails for codecs from bytes to bytes
    except (LookupError, ValueError):
        name = ""
    if not name or name in _FOR_NAMES:
        raise UsageError(f"no encoding is called {encoding!r}; try utf-8 or latin-1") from None
    if name in {"utf-8", "utf-8-sig"}:
        marked = (codec for codec, bom in _BOMS.items() if head.startswith(bom))
        return next(marked, "utf-8")
    if name in {"utf-16", "utf-32"}:
        width = len(_BOMS[f"{name}-le"])
        big = head.startswith((_BOMS[f"{name}-be"], b"\0" * (width - 1)))
        return f"{name}-be" if big else f"{name}-le"
    return name


@cache
def extends_ascii(codec: str) -> bool:
    """Return whether every ASCII byte is that ASCII character, and never part of another."""
    ascii_bytes = bytes(range(128))
    text = ascii_bytes.decode("ascii")
    try:
        if ascii_bytes.decode(codec) != text or text.encode(codec) != ascii_bytes:
            return False
        if codec == "utf-8":
            return True
        others = "".join(map(chr, range(len(ascii_bytes), 1 << 16)))
        return min(others.encode(codec, "ignore"), default=len(ascii_bytes)) >= len(ascii_bytes)
    except UnicodeError:
        return False


def _errors(codec: str) -> str:
    """Return the error handler that lets invalid bytes pass through a codec."""
    return "surrogatepass" if codec.startswith(("utf-16", "utf-32")) else "surrogateescape"


def _undecodable(error: UnicodeDecodeError, codec: str, before: int, name: str) -> DataError:
    return DataError(
        f"is not {codec} text at byte {before + error.start:,}; say what it is with --encoding",
        path=name,
    )


class _Decoded(io.RawIOBase):
    """A stream that transcodes a file to UTF-8 and checks that each piece round-trips."""

    def __init__(self, stream: BinaryIO, codec: str, name: str, block_bytes: int) -> None:
        self._stream = stream
        self._block_bytes = block_bytes
        self._codec = codec
        self._name = name
        self._decoder = codecs.getincrementaldecoder(codec)(_errors(codec))
        self._encoder = codecs.getincrementalencoder(codec)(_errors(codec))
        self._text = ""
        self._unchecked = b""
        self._checked = 0
        self._ready = b""
        self._at_end = False

    def read(self, count: int) -> bytes:  # type: ignore[override]
        """Return `count` bytes, fewer only at the end."""
        parts = [self._ready]
        there = len(self._ready)
        while there < count and not self._at_end:
            parts.append(self._next())
            there += len(parts[-1])
        data = b"".join(parts)
        self._ready = data[count:]
        return data[:count]

    def _next(self) -> bytes:
        raw = read_fully(self._stream, self._block_bytes)
        self._at_end = len(raw) < self._block_bytes
        pending = len(self._decoder.getstate()[0])
        try:
            text = self._text + self._decoder.decode(raw, final=self._at_end)
        except UnicodeDecodeError as error:
            before = self._checked + len(self._unchecked) - pending
            raise _undecodable(error, self._codec, before, self._name) from None
        cut = len(text)
        if self._codec == "utf-7" and not self._at_end:
            cut = max(text.rfind("\n"), text.rfind("\r")) + 1  # its encoder keeps no state
        self._text = text[cut:]
        self._check(text[:cut], raw)
        return text[:cut].encode(*_INNER)

    def _check(self, text: str, raw: bytes) -> None:
        """Check that some text encodes to the bytes it was decoded from.

        Raises:
            DataError: If it does not.
        """
        raw = self._unchecked + raw
        try:
            again = self._encoder.encode(text, final=self._at_end)
        except UnicodeEncodeError as error:
            again = text[: error.start].encode(self._codec, _errors(self._codec))
        self._unchecked = raw[len(again) :]
        if not raw.startswith(again) or (self._at_end and self._unchecked):
            same = (at for at, byte in enumerate(again) if raw[at : at + 1] != bytes([byte]))
            at = self._checked + next(same, len(again))
            raise DataError(
                f"would not come back the same from {self._codec} at byte {at:,}; convert it: "
                f"iconv -f {self._codec} -t utf-8 FILE | noisify",
                path=self._name,
            )
        self._checked += len(again)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        super().close()


class _Bounded(io.RawIOBase):
    """The next `count` bytes of a stream."""

    def __init__(self, stream: BinaryIO, count: int) -> None:
        self._stream = stream
        self._left = count

    def read(self, count: int) -> bytes:  # type: ignore[override]
        """Return `count` bytes, fewer only at the end."""
        data = read_fully(self._stream, min(count, self._left))
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()
        super().close()


class _Encoded:
    """A stream that transcodes UTF-8 to another encoding; `flush` resets the encoder's state."""

    def __init__(self, file: BinaryIO, codec: str) -> None:
        self._file = file
        self._codec = codec
        self._encoder = codecs.getincrementalencoder(codec)(_errors(codec))

    def write(self, data: memoryview) -> int:
        """Write whole lines."""
        self._write(str(data, *_INNER), final=False)
        return memoryview(data).nbytes

    def flush(self) -> None:
        """Write the bytes that return the encoding to its initial state."""
        self._write("", final=True)

    def _write(self, text: str, *, final: bool) -> None:
        try:
            encoded = self._encoder.encode(text, final=final)
        except UnicodeEncodeError as error:
            what = error.object[error.start : error.end]
            raise DataError(f"cannot hold {what!r} in {self._codec}") from None
        write_all(self._file, encoded)

"""A text file's characters as bytes that the CSV engine can cut, and back.

The engine looks for separators byte by byte. That is right where every ASCII byte is the ASCII
character and nothing else: UTF-8, Latin-1, cp1252, EUC. Such files are taken as they are, so that
bytes which mean nothing pass through. All others (UTF-16, UTF-32, EBCDIC, Shift JIS, GBK, UTF-7, …)
are read as UTF-8 and written back in their own encoding; what would not come back as the bytes it
was is refused.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, BinaryIO, cast

from noisify.core.errors import DataError, UsageError
from noisify.files.input import HEAD_BYTES
from noisify.files.write_behind import write_all
from noisify.formats.csv.scan import read_fully

if TYPE_CHECKING:
    from noisify.files.input import Input

_BOMS = {
    "utf-32-le": codecs.BOM_UTF32_LE,  # before UTF-16, whose mark it starts with
    "utf-32-be": codecs.BOM_UTF32_BE,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
}
_BLOCK_BYTES = 1 << 20
_FOR_NAMES = frozenset({"idna", "punycode"})
_INNER = ("utf-8", "surrogatepass")
"""What the engine sees: every string there can be, lone surrogates too, and back without loss."""


class TextInput:
    """An input whose bytes the engine can cut.

    Args:
        source: The file.
        encoding: What its text is said to be in.
        block_bytes: How much is decoded at once.

    Attributes:
        encoding: What the text is in as the engine sees it.
        name: What to call the file in messages.
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
        """Return what the first `count` bytes say, and whether that is the whole file.

        A stream that has to show more than `HEAD_BYTES` is kept in a temporary file.
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
        """Open it from its start; a stream can be opened once."""
        stream = self._source.open()
        if self._as_is:
            return stream
        return cast("BinaryIO", _Decoded(stream, self._codec, self.name, self._block_bytes))

    def writer(self, file: BinaryIO) -> BinaryIO:
        """Return what takes text as the engine has it, and writes it in the file's encoding."""
        return file if self._as_is else cast("BinaryIO", _Encoded(file, self._codec))

    def original_size(self, data: bytes) -> int:
        """Return about how many bytes of the file the engine's bytes stand for."""
        return round(len(data) * self._shrunk)


def file_codec(encoding: str, head: bytes) -> str:
    """Return the name of the codec that reads a file, its byte order settled.

    A byte order mark decides between the kinds of UTF; a UTF-16 or UTF-32 file without one has its
    zero bytes where its first character, an ASCII one most likely, has them.

    Args:
        encoding: What the user says; `utf-8` if nothing.
        head: The file's first bytes.

    Raises:
        UsageError: If there is no such encoding.
    """
    try:
        name = codecs.lookup(encoding).name
        "0".encode(name)  # some codecs are of bytes, or say nothing
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


def extends_ascii(codec: str) -> bool:
    """Return whether every ASCII byte is its ASCII character, and no part of another."""
    ascii_bytes = bytes(range(128))
    try:
        if ascii_bytes.decode(codec).encode(codec) != ascii_bytes:
            return False
        if ascii_bytes.decode(codec) != ascii_bytes.decode("ascii"):
            return False
        if codec == "utf-8":
            return True
        others = "".join(map(chr, range(len(ascii_bytes), 1 << 16)))
        return min(others.encode(codec, "ignore"), default=len(ascii_bytes)) >= len(ascii_bytes)
    except UnicodeError:
        return False


def _errors(codec: str) -> str:
    """Return how what is no text passes through a codec."""
    return "surrogatepass" if codec.startswith(("utf-16", "utf-32")) else "surrogateescape"


def _undecodable(error: UnicodeDecodeError, codec: str, before: int, name: str) -> DataError:
    return DataError(
        f"is not {codec} text at byte {before + error.start:,}; say what it is with --encoding",
        path=name,
    )


class _Decoded:
    """A file's text as UTF-8, each piece checked to come back as the bytes it was."""

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

    def read(self, count: int) -> bytes:
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
            cut = max(text.rfind("\n"), text.rfind("\r")) + 1  # its encoder starts anew each time
        self._text = text[cut:]
        self._check(text[:cut], raw)
        return text[:cut].encode(*_INNER)

    def _check(self, text: str, raw: bytes) -> None:
        """Make sure that some text would be written as it was read."""
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

    def __enter__(self) -> BinaryIO:
        """Return itself."""
        return cast("BinaryIO", self)

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


class _Encoded:
    """Writes UTF-8 in another encoding; `flush` ends what that leaves open."""

    def __init__(self, file: BinaryIO, codec: str) -> None:
        self._file = file
        self._codec = codec
        self._encoder = codecs.getincrementalencoder(codec)(_errors(codec))

    def write(self, data: memoryview) -> int:
        """Write whole lines."""
        self._write(str(data, *_INNER), final=False)
        return memoryview(data).nbytes

    def flush(self) -> None:
        """Write what returns to the encoding's first state."""
        self._write("", final=True)

    def _write(self, text: str, *, final: bool) -> None:
        try:
            encoded = self._encoder.encode(text, final=final)
        except UnicodeEncodeError as error:
            what = error.object[error.start : error.end]
            raise DataError(f"cannot hold {what!r} in {self._codec}") from None
        write_all(self._file, encoded)

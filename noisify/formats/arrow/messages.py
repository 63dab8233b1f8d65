"""Parse the headers of Arrow IPC messages, which are FlatBuffers tables.

The tables and their field numbers are those of Arrow's Message.fbs and Schema.fbs.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_CONTINUATION = b"\xff\xff\xff\xff"
_VERSION, _HEADER_TYPE, _HEADER, _BODY_LENGTH = range(4)
_SCHEMA, _DICTIONARY_BATCH, _RECORD_BATCH = 1, 2, 3
_DICTIONARY_DATA = 1
_COMPRESSION = 3
_CODECS = {0: "lz4", 1: "zstd"}
_LATEST = 4


@frozen
class BatchStyle:
    """How the batches of a file are written.

    Attributes:
        version: The number of the metadata version: 3 is V4, 4 is V5.
        codec: The codec of their buffers, or None if they are not compressed.
        legacy: Whether messages have no continuation mark before their size, as before Arrow 0.15.
    """

    version: int = _LATEST
    codec: str | None = None
    legacy: bool = False


def first_batch(file: BinaryIO, at: int) -> BatchStyle:
    """Return the style of the first record or dictionary batch, or the default without one.

    Args:
        file: The file of messages, which may be truncated.
        at: The offset of the first message.
    """
    style = BatchStyle()
    with suppress(struct.error):
        for message, legacy in _messages(file, at):
            kind = message.number(_HEADER_TYPE, "B")
            style = BatchStyle(message.number(_VERSION, "h"), legacy=legacy)
            if kind in {_DICTIONARY_BATCH, _RECORD_BATCH}:
                return BatchStyle(style.version, _codec(message, kind), legacy)
    return style


def largest_body(file: BinaryIO, at: int) -> int:
    """Return the size of the largest message body as stored, in bytes.

    Args:
        file: The file of messages, which may be truncated.
        at: The offset of the first message.
    """
    largest = 0
    with suppress(struct.error):
        for message, _ in _messages(file, at):
            largest = max(largest, message.number(_BODY_LENGTH, "q"))
    return largest


def _messages(file: BinaryIO, at: int) -> Iterator[tuple[_Table, bool]]:
    """Yield each message, and whether it lacks the continuation mark."""
    while True:
        file.seek(at)
        start, legacy, size = _message_start(file.read(8))
        file.seek(at + start)
        data = file.read(max(0, size))
        if size <= 0 or len(data) < size:
            return
        message = _Table.root(data)
        yield message, legacy
        body = message.number(_BODY_LENGTH, "q")
        if body < 0:
            return
        at += start + size + body


def schema_bytes(head: bytes) -> int:
    """Return the size of a stream's first message in bytes, without its body."""
    start, _, size = _message_start(head)
    return start + size


def starts_legacy_stream(head: bytes) -> bool:
    """Return whether data start with a schema message without a continuation mark (Arrow < 0.15).

    Such a stream starts with the schema's size as a number below 2**24, which no text does.
    """
    start, legacy, size = _message_start(head)
    if not legacy or not 0 < size < 1 << 24 or head[6:8] != b"\0\0":
        return False
    try:
        message = _Table.root(head[start : start + size])
        return message.number(_HEADER_TYPE, "B") == _SCHEMA and message.number(_VERSION, "h") > 0
    except struct.error:
        return False


def _message_start(data: bytes) -> tuple[int, bool, int]:
    """Return a message's offset, whether it lacks the continuation mark, and its size."""
    if data.startswith(_CONTINUATION):
        return 8, False, int.from_bytes(data[4:8], "little", signed=True)
    return 4, True, int.from_bytes(data[:4], "little", signed=True)


def _codec(message: _Table, kind: int) -> str | None:
    batch = message.table(_HEADER)
    if kind == _DICTIONARY_BATCH and batch is not None:
        batch = batch.table(_DICTIONARY_DATA)
    compression = None if batch is None else batch.table(_COMPRESSION)
    return None if compression is None else _CODECS.get(compression.number(0, "b"))


@frozen
class _Table:
    """A FlatBuffers table at an offset in some data."""

    data: bytes
    place: int

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, struct.unpack_from("<I", data)[0])

    def _find(self, field: int) -> int | None:
        """Return the offset of a field's value; None if the field is absent."""
        directory = self.place - struct.unpack_from("<i", self.data, self.place)[0]
        (size,) = struct.unpack_from("<H", self.data, directory)
        entry = 4 + 2 * field
        if entry >= size:
            return None
        (offset,) = struct.unpack_from("<H", self.data, directory + entry)
        return self.place + offset if offset else None

    def number(self, field: int, code: str) -> int:
        """Return the value of a numeric field; 0 if it is absent."""
        place = self._find(field)
        return 0 if place is None else int(struct.unpack_from(f"<{code}", self.data, place)[0])

    def table(self, field: int) -> _Table | None:
        """Return a field that is a table; None if it is absent."""
        place = self._find(field)
        if place is None:
            return None
        return _Table(self.data, place + struct.unpack_from("<I", self.data, place)[0])

"""What an Arrow IPC message says of the batch that follows, read from its FlatBuffers table.

The tables and their fields' numbers are those of Arrow's Message.fbs and Schema.fbs.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pyarrow as pa

from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from typing import BinaryIO

_CONTINUATION = b"\xff\xff\xff\xff"
_VERSION, _HEADER_TYPE, _HEADER, _BODY_LENGTH = range(4)
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
_DICTIONARY_DATA = 1
_COMPRESSION = 3
_CODECS = {0: "lz4", 1: "zstd"}
_VERSIONS = {3: pa.ipc.MetadataVersion.V4, 4: pa.ipc.MetadataVersion.V5}


@frozen
class BatchStyle:
    """How batches are written.

    Attributes:
        version: The version of their metadata.
        codec: How their buffers are compressed; None: they are not.
    """

    version: pa.ipc.MetadataVersion = pa.ipc.MetadataVersion.V5
    codec: str | None = None


def first_batch(file: BinaryIO, at: int) -> BatchStyle:
    """Return how the first batch is written, be it of records or a dictionary.

    Args:
        file: Holds the messages; it may end too early, and no batch has no style of its own.
        at: Where the first message starts.
    """
    style = BatchStyle()
    while True:
        file.seek(at)
        start = file.read(8)
        if len(start) < 8 or not start.startswith(_CONTINUATION):  # noqa: PLR2004
            return style
        size = int.from_bytes(start[4:], "little")
        data = file.read(size)
        if not size or len(data) < size:
            return style
        try:
            message = _Table.root(data)
            kind = message.number(_HEADER_TYPE, "B")
            style = BatchStyle(_VERSIONS.get(message.number(_VERSION, "h"), style.version))
            if kind in {_DICTIONARY_BATCH, _RECORD_BATCH}:
                return BatchStyle(style.version, _codec(message, kind))
            at += 8 + size + message.number(_BODY_LENGTH, "q")
        except struct.error:
            return style


def _codec(message: _Table, kind: int) -> str | None:
    batch = message.table(_HEADER)
    if kind == _DICTIONARY_BATCH and batch is not None:
        batch = batch.table(_DICTIONARY_DATA)
    compression = None if batch is None else batch.table(_COMPRESSION)
    return None if compression is None else _CODECS.get(compression.number(0, "b"))


@frozen
class _Table:
    """A FlatBuffers table: where it is in the data."""

    data: bytes
    place: int

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, struct.unpack_from("<I", data)[0])

    def _find(self, field: int) -> int | None:
        """Return where a field's value is; None if it has none."""
        directory = self.place - struct.unpack_from("<i", self.data, self.place)[0]
        (size,) = struct.unpack_from("<H", self.data, directory)
        entry = 4 + 2 * field
        if entry >= size:
            return None
        (offset,) = struct.unpack_from("<H", self.data, directory + entry)
        return self.place + offset if offset else None

    def number(self, field: int, code: str) -> int:
        """Return a field that is a number; 0 if it is not there."""
        place = self._find(field)
        return 0 if place is None else int(struct.unpack_from(f"<{code}", self.data, place)[0])

    def table(self, field: int) -> _Table | None:
        """Return a field that is a table, if it is there."""
        place = self._find(field)
        if place is None:
            return None
        return _Table(self.data, place + struct.unpack_from("<I", self.data, place)[0])

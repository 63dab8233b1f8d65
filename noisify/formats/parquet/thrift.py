"""Read, change and write records in Thrift's compact protocol, which Parquet uses for metadata.

There is no schema: the caller knows the fields by number, and unknown fields are kept. See
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md

The compiled part, where it is built, reads and writes the same records; it leaves damaged or
unusual ones to the functions here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from noisify.core.native import Part, load, pure
from noisify.core.value_class import frozen

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT, UUID = range(1, 14)
INTEGERS = frozenset({I16, I32, I64})
_NESTED = frozenset({LIST, SET, MAP, STRUCT})
_SIZES = {BYTE: 1, DOUBLE: 8, UUID: 16}
_LONG_LIST = 15
_DEEPEST = 64
_NO_LAST = 1 << 62
_MORE = 0x80
"""The bit that is set in every byte of a varint but the last."""

_part: Any = load(Part.THRIFT)

Value: TypeAlias = Any
"""A number, a bool, bytes, `Items` or a `Record`, depending on the field."""


@dataclass
class Record:
    """A struct: the wire type and value of each field, by field number."""

    fields: dict[int, tuple[int, Any]] = field(default_factory=dict)

    def __contains__(self, number: int) -> bool:
        """Return whether a field is set."""
        return number in self.fields

    def __getitem__(self, number: int) -> Value:
        """Return a field's value."""
        return self.fields[number][1]

    def kind(self, number: int) -> int:
        """Return a field's wire type."""
        return self.fields[number][0]

    def get(self, number: int, default: Value = None) -> Value:
        """Return a field's value, or `default` if it is not set."""
        found = self.fields.get(number)
        return default if found is None else found[1]

    def put(self, number: int, kind: int, value: Value) -> None:
        """Set a field, or remove it if the value is None."""
        if value is None:
            self.fields.pop(number, None)
        else:
            self.fields[number] = kind, value


@frozen
class Items:
    """A list or set: the wire type of its items, and the items."""

    kind: int
    values: list[Any]


def read(data: bytes, at: int = 0, depth: int = _DEEPEST) -> tuple[Record, int]:
    """Read a record.

    Args:
        data: The bytes that hold the record.
        at: The offset of the record.
        depth: The nesting levels to parse; deeper values stay bytes.

    Returns:
        The record and the offset of its end.

    Raises:
        ValueError: If the bytes are not a record.
    """
    reader = Reader(data, at)
    return reader.record(depth), reader.at


def compiled(function: str, *arguments: object) -> Value:
    """Call a function of the compiled part; return None if it is not in use, or fails."""
    return None if _part is None or pure() else getattr(_part, function)(*arguments)


def _read(data: bytes, at: int, depth: int, last: int) -> tuple[Record, int] | None:
    """Read a record up to a field with the compiled part; None if it is not in use, or fails."""
    found: tuple[Record, int] | None = compiled("read", data, at, depth, last, Record, Items)
    return found


def read_until(data: bytes, last: int) -> Record:
    """Read a record's fields up to number `last`; the data may end after them.

    Raises:
        ValueError: If the data end before that, or are not a record.
    """
    read = _read(data, 0, _DEEPEST, last)
    if read is not None:
        return read[0]
    reader = Reader(data)
    found = Record()
    while (head := reader.header()) is not None and head[0] <= last:
        found.put(*head, reader.value(head[1]))
    return found


class Reader:
    """Reads values one after the other.

    Args:
        data: The bytes that hold the values.
        at: The offset of the first value.
        after: The number of the preceding field, if the first value is a field of a record.

    Attributes:
        data: The bytes.
        at: The offset of the next value.

    Raises:
        ValueError: From all methods, if the data end too early or are invalid.
    """

    def __init__(self, data: bytes, at: int = 0, after: int = 0) -> None:
        self.data = data
        self.at = at
        self._number = after

    def record(self, depth: int = _DEEPEST) -> Record:
        """Read a record; its integers take most of the time, so they are read without a call."""
        if (read := _read(self.data, self.at, depth, _NO_LAST)) is not None:
            found, self.at = read
            return found
        fields: dict[int, tuple[int, Any]] = {}
        data, at, number = self.data, self.at, 0
        try:
            while head := data[at]:
                kind = head & 15
                at += 1
                if head > _LONG_LIST:
                    number += head >> 4
                else:
                    number, at = _zigzag(data, at)
                if kind in INTEGERS:
                    value, at = _zigzag(data, at)
                    fields[number] = kind, value
                else:
                    self.at = at
                    fields[number] = kind, self.value(kind, depth)
                    at = self.at
        except IndexError:
            raise _too_short() from None
        self.at = at + 1
        return Record(fields)

    def header(self) -> tuple[int, int] | None:
        """Read the number and wire type of the next field; None at the end of the record."""
        try:
            head = self.data[self.at]
            self.at += 1
            if not head:
                return None
            step = head >> 4
            self._number = self._number + step if step else self._zigzag()
        except IndexError:
            raise _too_short() from None
        return self._number, head & 15

    def value(self, kind: int, depth: int = _DEEPEST) -> Value:
        """Read a value of a wire type."""
        try:
            if kind in INTEGERS:
                return self._zigzag()
            if kind == BINARY:
                return self._bytes(self._varint())
            if kind in _NESTED:
                return self._nested(kind, depth)
            if kind in _SIZES:
                return self._bytes(_SIZES[kind])
        except (IndexError, RecursionError):
            raise _too_short() from None
        if kind in {TRUE, FALSE}:
            return kind == TRUE
        raise _unknown(kind)

    def _nested(self, kind: int, depth: int) -> Value:
        if depth <= 0:
            start = self.at
            end: int | None = compiled("end", self.data, start, kind)
            if end is None:
                self.value(kind)
            else:
                self.at = end
            return self.data[start : self.at]
        if kind == STRUCT:
            return self.record(depth - 1)
        if kind != MAP:
            inner, count = self.list_header()
            return Items(inner, [self._item(inner, depth) for _ in range(count)])
        count = self._varint()
        kinds = self._bytes(1)[0] if count else 0
        pairs = [
            (self._item(kinds >> 4, depth), self._item(kinds & 15, depth)) for _ in range(count)
        ]
        return kinds, pairs

    def _item(self, kind: int, depth: int) -> Value:
        if kind in {TRUE, FALSE}:
            return self._bytes(1) == b"\x01"
        return self.value(kind, depth if kind == STRUCT else depth - 1)

    def list_header(self) -> tuple[int, int]:
        """Read the wire type of a list's items and their number; the items follow."""
        head = self._bytes(1)[0]
        count = head >> 4
        return head & 15, self._varint() if count == _LONG_LIST else count

    def _bytes(self, count: int) -> bytes:
        found = self.data[self.at : self.at + count]
        if len(found) < count:
            raise IndexError
        self.at += count
        return found

    def _varint(self) -> int:
        value, self.at = _varint(self.data, self.at)
        return value

    def _zigzag(self) -> int:
        value, self.at = _zigzag(self.data, self.at)
        return value


def _too_short() -> ValueError:
    return ValueError("Thrift data end too early")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Decode a varint; return it and the offset of its end."""
    byte = data[at]
    value, shift = byte & 127, 7
    while byte & 128:
        at += 1
        byte = data[at]
        value |= (byte & 127) << shift
        shift += 7
    return value, at + 1


def _zigzag(data: bytes, at: int) -> tuple[int, int]:
    """Decode a signed integer; return it and the offset of its end."""
    byte = data[at]
    if byte < _MORE:
        return (byte >> 1) ^ -(byte & 1), at + 1
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at


def _unknown(kind: int) -> ValueError:
    return ValueError(f"Thrift knows no type {kind}")


def written(record: Record) -> bytes:
    """Encode a record; nested values may be given as already encoded bytes."""
    encoded: bytes | None = compiled("written", record)
    if encoded is not None:
        return encoded
    out = bytearray()
    _write_record(out, record)
    return bytes(out)


def _write_record(out: bytearray, record: Record) -> None:
    last = 0
    for number in sorted(record.fields):
        kind, value = record.fields[number]
        if kind in {TRUE, FALSE}:
            kind = TRUE if value else FALSE
        if 0 < number - last <= _LONG_LIST:
            out.append((number - last) << 4 | kind)
        else:
            out.append(kind)
            _write_integer(out, number)
        if kind not in {TRUE, FALSE}:
            _write_value(out, kind, value)
        last = number
    out.append(0)


def _write_value(out: bytearray, kind: int, value: Value) -> None:
    if kind in INTEGERS:
        _write_integer(out, value)
    elif kind == BINARY:
        _write_varint(out, len(value))
        out += value
    elif isinstance(value, bytes):  # also nested values that were not parsed
        out += value
    elif kind == STRUCT:
        _write_record(out, value)
    elif kind in {LIST, SET}:
        _write_list(out, value)
    elif kind == MAP:
        kinds, pairs = value
        _write_varint(out, len(pairs))
        out += bytes([kinds]) if pairs else b""
        for key, item in pairs:
            _write_value(out, kinds >> 4, key)
            _write_value(out, kinds & 15, item)
    elif kind in {TRUE, FALSE}:
        out.append(TRUE if value else FALSE)
    else:
        out += value


def _write_list(out: bytearray, items: Items) -> None:
    count = len(items.values)
    out.append(min(count, _LONG_LIST) << 4 | items.kind)
    if count >= _LONG_LIST:
        _write_varint(out, count)
    for value in items.values:
        _write_value(out, items.kind, value)


def _write_integer(out: bytearray, value: int) -> None:
    _write_varint(out, value << 1 if value >= 0 else (-value << 1) - 1)


def _write_varint(out: bytearray, value: int) -> None:
    while value >= _MORE:
        out.append(value & 127 | _MORE)
        value >>= 7
    out.append(value)

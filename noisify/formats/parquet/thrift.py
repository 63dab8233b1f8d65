"""Thrift's compact protocol, in which Parquet says what a file holds: read, changed, written again.

What a record's fields mean is for the caller; fields nobody here knows are kept as they are. See
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from noisify.core.value_class import frozen

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT, UUID = range(1, 14)
INTEGERS = frozenset({I16, I32, I64})
_NESTED = frozenset({LIST, SET, MAP, STRUCT})
_SIZES = {BYTE: 1, DOUBLE: 8, UUID: 16}
_LONG_LIST = 15
_DEEPEST = 64
_MORE = 0x80
"""Marks the bytes of a number that others follow."""

Value: TypeAlias = Any
"""A number, a truth value, bytes, `Items` or a `Record`; what it is, the field's number says."""


@dataclass
class Record:
    """A struct: for each of its fields, by number, the type on the wire and the value."""

    fields: dict[int, tuple[int, Any]] = field(default_factory=dict)

    def __contains__(self, number: int) -> bool:
        """Return whether a field is set."""
        return number in self.fields

    def __getitem__(self, number: int) -> Value:
        """Return a field's value."""
        return self.fields[number][1]

    def kind(self, number: int) -> int:
        """Return a field's type on the wire."""
        return self.fields[number][0]

    def get(self, number: int, default: Value = None) -> Value:
        """Return a field's value, or another if it is not set."""
        found = self.fields.get(number)
        return default if found is None else found[1]

    def put(self, number: int, kind: int, value: Value) -> None:
        """Set a field; take it away if the value is None."""
        if value is None:
            self.fields.pop(number, None)
        else:
            self.fields[number] = kind, value


@frozen
class Items:
    """A list or set: the type of its items on the wire, and they."""

    kind: int
    values: list[Any]


def read(data: bytes, at: int = 0, depth: int = _DEEPEST) -> tuple[Record, int]:
    """Read a record.

    Args:
        data: Holds the record, and perhaps more.
        at: Where it starts.
        depth: How deep to look; what is nested deeper stays bytes.

    Returns:
        The record and where it ends.

    Raises:
        ValueError: If there is none.
    """
    reader = Reader(data, at)
    found = reader.record(depth)
    return found, reader.at


def read_until(data: bytes, last: int) -> Record:
    """Read a record's fields up to a number, from data that may end after them.

    Raises:
        ValueError: If they are not there.
    """
    reader = Reader(data)
    found = Record()
    while (head := reader.header()) is not None and head[0] <= last:
        found.put(*head, reader.value(head[1]))
    return found


class Reader:
    """Reads values one after the other.

    Args:
        data: Holds them.
        at: Where the first one starts.
        after: The number of the field before it, if it is a record's.

    Attributes:
        at: Where the next one starts.

    Raises:
        ValueError: From all methods, if the data end too early or are none.
    """

    def __init__(self, data: bytes, at: int = 0, after: int = 0) -> None:
        self._data = data
        self.at = at
        self._number = after

    def record(self, depth: int = _DEEPEST) -> Record:
        """Return a record."""
        found = Record()
        number = self._number
        self._number = 0
        while (head := self.header()) is not None:
            found.fields[head[0]] = head[1], self.value(head[1], depth)
        self._number = number
        return found

    def header(self) -> tuple[int, int] | None:
        """Return the next field's number and type, its value being next; None at the end."""
        try:
            head = self._data[self.at]
            self.at += 1
            if not head:
                return None
            step = head >> 4
            self._number = self._number + step if step else self._zigzag()
        except IndexError:
            raise _too_short() from None
        return self._number, head & 15

    def value(self, kind: int, depth: int = _DEEPEST) -> Value:
        """Return a value."""
        try:
            if kind in INTEGERS:
                return self._zigzag()
            if kind == BINARY:
                return self._bytes(self._varint())
            if kind in _NESTED:
                return self._nested(kind, depth)
            if kind in _SIZES:
                return self._bytes(_SIZES[kind])
        except IndexError:
            raise _too_short() from None
        if kind in {TRUE, FALSE}:
            return kind == TRUE
        raise _unknown(kind)

    def _nested(self, kind: int, depth: int) -> Value:
        if depth <= 0:
            start = self.at
            self.skip(kind)
            return self._data[start : self.at]
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
        """Return the type of a list's items and how many there are, these being next."""
        head = self._bytes(1)[0]
        count = head >> 4
        return head & 15, self._varint() if count == _LONG_LIST else count

    def skip(self, kind: int) -> None:
        """Go past a value."""
        try:
            self.at = _end(self._data, self.at, kind)
        except (IndexError, RecursionError):
            raise _too_short() from None
        if self.at > len(self._data):
            raise _too_short()

    def _bytes(self, count: int) -> bytes:
        found = self._data[self.at : self.at + count]
        if len(found) < count:
            raise IndexError
        self.at += count
        return found

    def _varint(self) -> int:
        value, self.at = _varint(self._data, self.at)
        return value

    def _zigzag(self) -> int:
        value, self.at = _varint(self._data, self.at)
        return (value >> 1) ^ -(value & 1)


def _too_short() -> ValueError:
    return ValueError("Thrift data end too early")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number and where it ends."""
    byte = data[at]
    value, shift = byte & 127, 7
    while byte & 128:
        at += 1
        byte = data[at]
        value |= (byte & 127) << shift
        shift += 7
    return value, at + 1


def _end(data: bytes, at: int, kind: int) -> int:
    """Return where a value ends; beyond the data if they are too short, or an IndexError."""
    if kind in INTEGERS:
        while data[at] & 128:
            at += 1
        return at + 1
    if kind == STRUCT:
        while head := data[at]:
            at += 1
            if head <= _LONG_LIST:  # the field's number follows
                at = _end(data, at, I16)
            if head & 15 > FALSE:
                at = _end(data, at, head & 15)
        return at + 1
    if kind == BINARY:
        size, at = _varint(data, at)
        return at + size
    if kind in _SIZES:
        return at + _SIZES[kind]
    return _end_of_many(data, at, kind)


def _end_of_many(data: bytes, at: int, kind: int) -> int:
    """Return where a list, set or map ends."""
    head = data[at]
    if kind in {LIST, SET}:
        kinds: tuple[int, ...] = (head & 15,)
        at += 1
        count = head >> 4
        if count == _LONG_LIST:
            count, at = _varint(data, at)
    elif kind == MAP:
        count, at = _varint(data, at)
        kinds = (data[at] >> 4, data[at] & 15) if count else ()
        at += 1 if count else 0
    else:
        raise _unknown(kind)
    for _ in range(count):
        for inner in kinds:
            at = at + 1 if inner in {TRUE, FALSE} else _end(data, at, inner)
    return at


def _unknown(kind: int) -> ValueError:
    return ValueError(f"Thrift knows no type {kind}")


def written(record: Record) -> bytes:
    """Return a record as bytes; what is nested in it may be given as its bytes."""
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
    elif isinstance(value, bytes):  # also what is nested and was not looked into
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

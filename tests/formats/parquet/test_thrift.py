"""Thrift records: read, written, and the same by the compiled part."""

import os

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from noisify.core import native
from noisify.formats.parquet import chunk_records, thrift
from noisify.formats.parquet.thrift import Items, Record

REQUIRED = "NOISIFY_REQUIRE_COMPILED" in os.environ
FIXED = {thrift.BYTE: 1, thrift.DOUBLE: 8, thrift.UUID: 16}


def items(kind, values):
    return st.lists(values, max_size=17).map(lambda found: Items(kind, found))


LEAVES = {
    thrift.TRUE: st.just(True),
    thrift.FALSE: st.just(False),
    thrift.BINARY: st.binary(max_size=130),
    **{kind: st.binary(min_size=size, max_size=size) for kind, size in FIXED.items()},
    **{kind: st.integers(-(2**63), 2**63 - 1) for kind in sorted(thrift.INTEGERS)},
}
NUMBERS = st.integers(-3, 40) | st.integers(-(2**15), 2**15)


def nested(values):
    """Return records, and lists, of (wire type, value) pairs."""
    records = st.dictionaries(NUMBERS, values, max_size=4).map(Record)
    lists = [items(kind, one) for kind, one in LEAVES.items() if kind != thrift.FALSE]
    return (
        st.tuples(st.just(thrift.STRUCT), records)
        | st.tuples(st.just(thrift.LIST), st.one_of(lists))
        | st.tuples(st.just(thrift.SET), items(thrift.STRUCT, records))
        | st.tuples(st.just(thrift.LIST), items(thrift.LIST, st.one_of(lists)))
    )


FLAT = st.one_of([st.tuples(st.just(kind), one) for kind, one in LEAVES.items()])
RECORDS = st.dictionaries(NUMBERS, st.recursive(FLAT, nested, max_leaves=6), max_size=6).map(Record)


def found(function, *given):
    """Return what a call returns, or how it fails."""
    try:
        return function(*given)
    except ValueError as error:
        return str(error)


def both(function, *given):
    """Return what a call returns, compiled and pure, after a check that both are equal."""
    results = []
    with pytest.MonkeyPatch.context() as patch:
        for pure in ("", "1"):
            patch.setenv(native.PURE, pure)
            results.append(found(function, *given))
    assert results[0] == results[1]
    return results[0]


def test_the_compiled_part_is_there_where_it_has_to_be():
    assert native.load(native.Part.THRIFT) is not None or not REQUIRED


@settings(max_examples=40)
@given(RECORDS)
def test_a_record_is_read_as_it_was_written(record):
    data = both(thrift.written, record)
    assert both(thrift.read, data) == (record, len(data))
    assert both(thrift.read, b"xy" + data + b"z", 2) == (record, 2 + len(data))


@settings(max_examples=40)
@given(RECORDS, st.integers(0, 3))
def test_what_is_too_deep_stays_bytes_and_is_written_as_it_was(record, depth):
    data = both(thrift.written, record)
    outer, end = both(thrift.read, data, 0, depth)
    assert end == len(data)
    assert both(thrift.written, outer) == data


@settings(max_examples=40)
@given(RECORDS, st.data())
@example(Record({1: (thrift.I64, 2**63 - 1)}), None)
def test_damaged_records_are_read_or_refused_alike(record, draw):
    data = bytearray(thrift.written(record))
    if draw is not None:
        for _ in range(draw.draw(st.integers(0, 3))):
            data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
        del data[draw.draw(st.integers(0, len(data))) :]
    both(thrift.read, bytes(data))
    both(thrift.read, bytes(data), 0, 1)
    both(thrift.read_until, bytes(data), 4)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x1b\x00\x00",  # an empty map
        b"\x1b\x01\x55\x02\x04\x00",  # a map of an I32 to another
        b"\x16" + b"\xff" * 9 + b"\x01\x00",  # the least I64
        b"\x16" + b"\xff" * 12 + b"\x01\x00",  # an integer beyond 64 bits
        b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\x7f",  # a text of 2**63 bytes
        b"\x19\xfc\xff\xff\xff\xff\x0f",  # a list of 2**32 records
        b"\x19\xf1\xff\xff\xff\xff\x0f",  # and of truths
        b"\x1e\x00",  # an unknown type
        b"\x1c" * 80 + b"\x00" * 81,  # deeply nested
        b"\x05\x02\x02\x00",  # a field's number in full
        b"\x15\x02\x05\x02\x04\x00",  # twice the same number
    ],
)
@pytest.mark.parametrize("depth", [0, 1, 64])
def test_unusual_bytes_are_read_or_refused_alike(data, depth):
    both(thrift.read, data, 0, depth)
    both(thrift.read_until, data, 1)


FEW = st.integers(-(2**31), 2**31 - 1) | st.integers(0, 2**62)
HELD = {number: (kind, FEW) for number, kind in chunk_records.IN_METADATA.values()}
OTHER = st.dictionaries(st.integers(1, 20), FLAT, max_size=3)


def some(fields):
    """Return fields of these numbers, each of its wire type, or none."""
    return st.fixed_dictionaries(
        {}, optional={number: st.tuples(st.just(kind), own) for number, (kind, own) in fields}
    )


@st.composite
def chunks(draw):
    """Return a ColumnChunk record: complete, with further fields, or with wrong ones."""
    about = {3: (thrift.LIST, Items(thrift.BINARY, [b"x"]))} | draw(some(HELD.items()))
    about |= {number: (thrift.I64, draw(FEW)) for number in (5, 6, 7, 9)} | draw(OTHER)
    offsets = draw(some((number, (thrift.I64, FEW)) for number in (2, 4, 6)))
    return Record(draw(OTHER) | offsets | {3: (thrift.STRUCT, Record(about))})


@settings(max_examples=40)
@given(st.lists(chunks(), min_size=1, max_size=3), chunks() | st.none(), st.data())
def test_rows_of_column_chunks_are_read_and_written_alike(records, old, draw):
    data = thrift.written(Record({1: (thrift.LIST, Items(thrift.STRUCT, records))}))[1:-1]
    rows = both(chunk_records.rows_of, data)
    if isinstance(rows, str) or any(row[chunk_records.FAULT] for row in rows):
        return
    again = chunk_records.rows_of(both(written_rows, rows))
    numbers = slice(chunk_records.VALUES, None)
    assert [row[numbers] for row in again] == [row[numbers] for row in rows]

    row = rows[0]
    for place in draw.draw(st.sets(st.integers(chunk_records.VALUES, len(row) - 1), max_size=3)):
        row[place] = draw.draw(FEW | st.none())
    row[chunk_records.REPLACED] = None if old is None else thrift.written(old)
    both(written_rows, [row])


def written_rows(rows):
    """Return the encoded list of the records of rows."""
    return thrift.written(Record({1: (thrift.LIST, chunk_records.encoded(rows))}))[1:-1]


@pytest.mark.parametrize(
    "numbers", [(-(2**63), 1), (-(2**63), 2**63 - 1), (-(2**31), 2**31), (1, 2**70)]
)
def test_numbers_of_fields_may_be_far_apart(numbers):
    record = Record(dict.fromkeys(numbers, (thrift.I32, 7)))

    data = both(thrift.written, record)

    assert both(thrift.read, data) == (record, len(data))

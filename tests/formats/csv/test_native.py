"""The compiled part against the pure one, Python's own numbers and plain joins."""

import csv
import io
import os
import re
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from example_counts import examples
from hypothesis import assume, example, given
from hypothesis import strategies as st
from run_command import run

from noisify.core import native
from noisify.core.errors import DataError
from noisify.formats.csv import native as csv_compiled
from noisify.formats.csv.native import Change
from noisify.formats.csv.scan import RecordReader, find_cells
from noisify.formats.csv.types import Cells, Dialect

REQUIRED = "NOISIFY_REQUIRE_COMPILED" in os.environ
pytestmark = pytest.mark.skipif(
    not csv_compiled.compiled() and not REQUIRED,
    reason="THE COMPILED PART IS NOT BUILT, NONE OF IT IS TESTED: pip install -e . with a C++17 "
    "compiler whose <charconv> knows floats",
)

NULLS = (b"", b"NA", b"-", b"nan", b"-999", b" ?")


def test_is_in_use():
    assert csv_compiled.compiled()


@pytest.mark.parametrize(
    ("setting", "in_use"), [("", True), ("0", True), ("1", False), ("yes", False)]
)
def test_can_be_turned_off(monkeypatch, setting, in_use):
    monkeypatch.setenv("NOISIFY_PURE", setting)
    assert in_use == csv_compiled.compiled()
    assert in_use == (csv_compiled.format_floats(np.zeros(1)) is not None)
    assert in_use == (csv_compiled.scan(b"1\n", b",", 1, [0], 1) is not None)


def test_the_version_says_so():
    assert run("--version").output.endswith(b" (compiled)\n")


def test_a_build_of_other_sources_is_not_used(monkeypatch):
    monkeypatch.setattr(csv_compiled.part, "INTERFACE", -1)
    assert native.load(native.Part.CSV) is None


# ---- Records and cells


def exact_block(data, columns, *, at_end=True):
    """Return the block that goes cell by cell, None if there is none, or the error it raises."""
    reader = RecordReader(io.BytesIO(data), Dialect(columns=columns, name="x.csv"))
    try:
        return reader._cut_exactly(data, at_end=at_end)
    except DataError as error:
        return error


def width(data):
    """Return how many cells the first record has."""
    cells = 0
    position = 0
    pattern = Dialect().cells()
    while (match := pattern.match(data, position)) is not None:
        cells += 1
        position = match.end()
        if match[2] != b",":
            if cells > 1 or match[1] or position >= len(data):
                break
            cells = 0
    return max(cells, 1)


ANY = st.lists(
    st.sampled_from([b",", b'"', b"\r", b"\n", b"\r\n", b'""', b" ", b"a", b"1.5"]), max_size=40
).map(b"".join)
CELL = st.one_of(
    st.sampled_from([b"", b"1", b"-2.5", b" 7 ", b'""', b'"3"', b'"a,b"', b'"a""b"', b'"""x"""']),
    st.sampled_from([b'"a\nb"', b'"a\r\nb"', b'"\r"', b'"a"b', b'"a"b"', b'a"b"', b'"a" "b"']),
    st.binary(max_size=12).map(lambda raw: re.sub(rb'[,"\r\n]', b"", raw)),
)


@st.composite
def tables(draw):
    """Draw a table whose records have one width, most of the time."""
    columns = draw(st.integers(1, 5))
    record = st.lists(CELL, min_size=columns, max_size=columns).map(b",".join)
    wild = st.lists(CELL, max_size=6).map(b",".join)
    records = draw(st.lists(record if draw(st.integers(0, 4)) else record | wild, max_size=8))
    ends = st.sampled_from([b"\n", b"\r\n"]) if draw(st.booleans()) else st.just(b"\r")
    many = ends.flatmap(lambda end: st.integers(1, 2).map(lambda n: end * n))
    data = b"".join(record + draw(many) for record in records)
    return data if draw(st.booleans()) else data.rstrip(b"\r\n")


class TestCut:
    @examples(600)
    @given(ANY | tables(), st.booleans())
    @example(b"a\r", False)
    @example(b"a\r", True)
    @example(b'"a', True)
    @example(b'"a"', False)
    @example(b'x"\n"\n"', True)
    def test_finds_the_records_that_the_exact_way_finds(self, data, at_end):
        assume(
            at_end or not data.endswith(b"\r\n")
        )  # which the exact way leaves for the next block
        exact = exact_block(data, width(data), at_end=at_end)
        cut = csv_compiled.cut(data, b",", at_end=at_end)
        if isinstance(exact, DataError):
            assert cut.open or csv_compiled.scan(data, b",", width(data), [0], cut.rows) is None
        elif exact is None:
            assert 0 == cut.used
        else:
            assert (len(exact.data), exact.rows, exact.lines) == (cut.used, cut.rows, cut.lines)
            assert (b'"' in exact.data) <= cut.quotes

    @given(ANY | tables(), ANY | tables())
    def test_does_not_depend_on_what_follows(self, data, more):
        cut = csv_compiled.cut(data, b",", at_end=False)
        longer = csv_compiled.cut((data + more), b",", at_end=False)
        assert longer.used >= cut.used
        assert cut.used + csv_compiled.cut((data + more)[cut.used :], b",", at_end=False).used == (
            longer.used
        )

    def test_counts_lines_inside_quotes_but_not_as_records(self):
        cut = csv_compiled.cut(b'1,"a\nb\r\nc\rd"\n\n2,x\nrest', b",", at_end=False)
        assert (2, 6) == (cut.rows, cut.lines)

    def test_tells_what_is_unusual(self):
        assert csv_compiled.cut(b'a,b"c"\n', b",", at_end=True).odd
        assert csv_compiled.cut(b'a,"b"c\n', b",", at_end=True).odd
        assert not csv_compiled.cut(b'a,"b""c"\r\n', b",", at_end=True).odd
        assert csv_compiled.cut(b"a\rb\r\n", b",", at_end=True).returns
        assert not csv_compiled.cut(b"a\r\nb\r\n", b",", at_end=True).returns
        assert csv_compiled.cut(b'a,"b\n', b",", at_end=True).open


class TestScan:
    @examples(600)
    @given(ANY | tables(), st.data())
    @example(b"", None)
    @example(b"a,", None)
    @example(b"\n\na,b\r\n\r\n", None)
    def test_finds_the_cells_that_the_exact_way_finds(self, data, choice):
        columns = width(data)
        wanted = list(range(columns))
        if choice is not None:
            wanted = choice.draw(st.lists(st.sampled_from(wanted), min_size=1, unique=True))
        rows = csv_compiled.cut(data, b",", at_end=True).rows
        found = csv_compiled.scan(data, b",", columns, wanted, rows)
        block = exact_block(data, columns)
        if isinstance(block, DataError):
            assert found is None
        elif block is None:
            assert [] == found[0].tolist()
        else:
            exact = find_cells(block, Dialect(columns=columns), wanted)
            assert exact.starts.tolist() == found[0].tolist()
            assert exact.ends.tolist() == found[1].tolist()

    @given(tables())
    def test_sees_as_many_cells_as_the_csv_module(self, data):
        text = data.decode("latin-1").replace("\0", "0")
        widths = [len(row) for row in csv.reader(io.StringIO(text, newline="")) if row]
        columns = widths[0] if widths else 1
        found = csv_compiled.scan(text.encode("latin-1"), b",", columns, [0], len(widths))
        assert (found is not None) == all(n == columns for n in widths)

    @pytest.mark.parametrize("delimiter", [b"\t", b"|", b" ", b"\xa7", b"\0"])
    def test_any_byte_is_a_delimiter(self, delimiter):
        starts, ends = csv_compiled.scan(
            b"ab?c\nd?e".replace(b"?", delimiter), delimiter, 2, [1], 2
        )
        assert ([[3], [7]], [[4], [8]]) == (starts.tolist(), ends.tolist())

    @pytest.mark.parametrize("delimiter", [b'"', b"\n", b"\r", b"\xc2\xa7", b""])
    def test_leaves_other_delimiters_to_the_pure_way(self, delimiter):
        assert csv_compiled.scan(b"a\n", delimiter, 1, [0], 1) is None
        assert csv_compiled.cut(b"a\n", delimiter, at_end=True) is None

    @pytest.mark.parametrize("length", range(20))
    def test_no_cell_is_too_long_or_short_for_words_of_eight(self, length):
        data = b"x" * length + b",y\n" + b"z," + b"x" * length
        starts, ends = csv_compiled.scan(data, b",", 2, [0, 1], 2)
        assert [[length, 1], [1, length]] == (ends - starts).tolist()

    def test_bytes_that_differ_from_the_delimiter_by_a_carry_are_none(self):
        around = bytes(b for b in range(256) if b not in b'",\r\n') * 3
        starts, ends = csv_compiled.scan(around + b"," + around + b"\n", b",", 2, [0, 1], 1)
        assert [[len(around), len(around)]] == (ends - starts).tolist()

    @pytest.mark.parametrize("rows", [0, 1, 3])
    def test_another_number_of_records_is_for_the_pure_way(self, rows):
        assert csv_compiled.scan(b"1,2\n3,4\n", b",", 2, [0], rows) is None

    def test_wanted_twice_or_not_there(self):
        with pytest.raises(ValueError, match="wanted column"):
            csv_compiled.scan(b"1,2\n", b",", 2, [0, 0], 1)
        with pytest.raises(ValueError, match="wanted column"):
            csv_compiled.scan(b"1,2\n", b",", 2, [2], 1)


# ---- Text to numbers


def joined(texts):
    """Return texts as bytes one after another, and their bounds."""
    lengths = np.array([len(text) for text in texts], np.int64)
    ends = np.cumsum(lengths)
    return b"".join(texts), ends - lengths, ends


def read_floats(texts, nulls=NULLS):
    return csv_compiled.parse_floats(Cells(*joined([text.encode() for text in texts])), nulls)


def bits(values):
    """Return floats so that NaN equals itself and -0.0 is not 0.0."""
    return np.asarray(values, np.float64).view(np.uint64).tolist()


DECIMAL_NUMBER = re.compile(r"[ \t]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t]*")
NO_NUMBER = re.compile(r"[ \t]*[+-]?(nan|inf|infinity)[ \t]*", re.IGNORECASE)
HALFWAY = [
    "9007199254740993", "9007199254740992.99999999999999999", "9007199254740993.0000000000000001",
    "2.4703282292062327e-324", "2.4703282292062328e-324", "1.7976931348623158e308",
    "1.7976931348623159e308", "2.2250738585072011e-308", "1" + "0" * 400, "0." + "0" * 400 + "1",
    "1" * 800, "0." + "3" * 800, "1e400", "-1e400", "1e-400", "-1e-400", "1e99999999999999999999",
    "0e99999999999999999999", "1e-99999999999999999999", "4.9e-324", "5e-324", "-0", "0.0", "-.0e5",
]  # fmt: skip


def neighbours_and_midpoint(value):
    """Return the exact decimal midpoint above a positive float, and texts just beside it."""
    above = float(np.nextafter(value, np.inf))
    middle = (Decimal(value) + Decimal(above)) / 2
    text = format(middle, "f") if 1e-5 < value < 1e20 else str(middle)
    mantissa, e, exponent = text.partition("E")
    point = "" if "." in mantissa else "."
    return [text, f"{mantissa}{point}0001{e}{exponent}", repr(value)]


class TestFloats:
    @examples(600)
    @given(
        st.text("0123456789+-.eE \t_xnaift,", max_size=12)
        | st.from_regex(DECIMAL_NUMBER, fullmatch=True)
    )
    @example("-999")
    @example(" -999 ")
    @example(" ?")
    @example("?")
    @example("  ")
    @example("nan(1)")
    @example("+")
    @example("+-5")
    @example("-nan")
    @example("INFINITY")
    def test_numbers_are_those_that_are_written_down(self, text):
        read = read_floats([text, "x", "", "1"])
        bare = text.strip(" \t")
        null = not text or text.encode() in NULLS or bare.encode() in NULLS
        number = not null and bool(DECIMAL_NUMBER.fullmatch(text) or NO_NUMBER.fullmatch(text))
        assert [number, False, False, True] == read.valid.tolist()
        assert [not number and not null, True, False, False] == read.unparseable.tolist()
        assert 1 + null == read.nulls
        if number:
            assert repr(float(text)) == repr(float(read.values[0]))

    def test_halfway_cases_and_the_ends_of_the_range(self):
        read = read_floats(HALFWAY)
        assert read.valid is None
        assert bits([float(text) for text in HALFWAY]) == bits(read.values)

    @examples(300)
    @given(
        st.floats(0, allow_infinity=False, allow_nan=False).filter(lambda v: v < sys.float_info.max)
    )
    def test_midpoints_between_floats(self, value):
        texts = neighbours_and_midpoint(value)
        assert bits([float(text) for text in texts]) == bits(read_floats(texts).values)

    def test_random_digits(self):
        rng = np.random.default_rng(5)
        lengths = rng.integers(1, 25, 100_000)
        digits = rng.integers(48, 58, (100_000, 25), np.uint8)
        exponents = rng.integers(-330, 320, 100_000)
        texts = []
        for row, (length, exponent) in enumerate(zip(lengths.tolist(), exponents, strict=True)):
            text = digits[row, :length].tobytes().decode()
            point = row % (length + 1)
            sign = ("", "-", "+")[row % 3]
            power = f"e{exponent}" if row % 2 else ""
            texts.append(f"{sign}{text[:point]}.{text[point:]}{power}")
        assert bits([float(text) for text in texts]) == bits(read_floats(texts).values)

    def test_all_numbers_need_no_mask(self):
        read = read_floats(["1", "2"])
        assert (None, 0, None) == (read.valid, read.nulls, read.unparseable)

    def test_reads_one_column_of_many(self):
        starts, ends = csv_compiled.scan(b"1,2,3\n4,5,6\n", b",", 3, [0, 2, 1], 2)
        read = csv_compiled.parse_floats(Cells(b"1,2,3\n4,5,6\n", starts[:, 1], ends[:, 1]), ())
        assert [3.0, 6.0] == read.values.tolist()

    def test_nothing(self):
        assert 0 == len(read_floats([]).values)

    @pytest.mark.parametrize(("start", "end"), [(-1, 1), (0, 2), (1, 0), (2**40, 2**40)])
    def test_bounds_outside_the_data(self, start, end):
        with pytest.raises(ValueError, match="not within the data"):
            csv_compiled.parse_floats(Cells(b"1", np.array([start]), np.array([end])), ())

    def test_other_arrays_are_refused(self):
        with pytest.raises(ValueError, match="another type"):
            csv_compiled.parse_floats(Cells(b"1", np.zeros(1), np.ones(1)), ())
        with pytest.raises(ValueError, match="one length"):
            csv_compiled.parse_floats(Cells(b"1", np.zeros(1, np.int64), np.ones(2, np.int64)), ())


class TestIntegers:
    def read(self, *texts, nulls=NULLS):
        return csv_compiled.parse_integers(Cells(*joined([text.encode() for text in texts])), nulls)

    def test_whole_numbers(self):
        texts = ["0", "-0", "+5", " 7\t", "007", "9" * 18, str(2**63 - 1), str(-(2**63))]
        read = self.read(*texts)
        assert np.int64 == read.values.dtype
        assert [int(text) for text in texts] == read.values.tolist()
        assert (None, 0, None) == (read.valid, read.nulls, read.unparseable)

    def test_nulls_and_others_among_them(self):
        read = self.read("1", "NA", "", "0x10", "1_000", "2", "-999")
        assert [1, 0, 0, 0, 0, 2, 0] == read.values.tolist()
        assert [True, False, False, False, False, True, False] == read.valid.tolist()
        assert [False, False, False, True, True, False, False] == read.unparseable.tolist()
        assert 3 == read.nulls

    @pytest.mark.parametrize("text", ["1.0", "1e3", "inf", "9" * 19, "-" + "9" * 19, "1e400"])
    def test_other_numbers_are_for_the_pure_way(self, text):
        assert self.read("1", text) is None


# ---- Numbers to text


def every_exponent():
    """Return floats of each exponent: the smallest, largest and some mantissas between."""
    rng = np.random.default_rng(3)
    edges = np.array([0, 1, 2, 1 << 51, (1 << 52) - 1])
    mantissas = np.concatenate([edges, rng.integers(0, 1 << 52, 16)])
    exponents = np.arange(2047) << 52
    return (exponents[:, None] | mantissas).reshape(-1).view(np.float64)


def around(values):
    values = np.asarray(values, np.float64)
    return np.concatenate([np.nextafter(values, -np.inf), values, np.nextafter(values, np.inf)])


def ties():
    """Return floats whose exact decimals are short, so that a digit may lie halfway."""
    rng = np.random.default_rng(4)
    whole = rng.integers(0, 1 << 53, 40_000).astype(np.float64)
    return np.ldexp(whole, rng.integers(-60, 20, 40_000))


FLOATS = {
    "every exponent": every_exponent(),
    "subnormals": np.arange(1, 20_000, dtype=np.uint64).view(np.float64),
    "powers of ten": around([float(f"1e{e}") for e in range(-323, 309)]),
    "powers of two": around(2.0 ** np.arange(-1074, 1024)),
    "short decimals": np.round(np.random.default_rng(2).normal(0, 1e4, 20_000), 2),
    "whole": np.arange(-5_000.0, 5_000),
    "around 2**53": around(2.0**53 + np.arange(-2_000, 2_000)),
    "where the exponent starts": around([1e-5, 1e-4, 9.999e-5, 1e15, 1e16, 1e17, 123456789e8]),
    "ties": ties(),
    "random bits": np.frombuffer(np.random.default_rng(1).bytes(8 * 300_000), np.float64),
    "not finite": np.array([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0]),
}


class TestFormat:
    @pytest.mark.parametrize("kind", FLOATS)
    def test_writes_as_repr_does_and_reads_it_back(self, kind):
        values = np.concatenate([FLOATS[kind], -FLOATS[kind]])
        offsets, texts = csv_compiled.format_floats(values)
        expected = [repr(value).encode() for value in values.tolist()]
        cut = [bytes(texts[a:b]) for a, b in pairwise(offsets)]
        assert expected == cut
        read = csv_compiled.parse_floats(
            Cells(bytes(texts), offsets[:-1].astype(np.int64), offsets[1:].astype(np.int64)), ()
        )
        number = ~np.isnan(values)
        assert bits(values[number]) == bits(read.values[number])

    def test_every_other_value_of_an_array(self):
        offsets, texts = csv_compiled.format_floats(np.arange(6.0)[::2])
        assert b"0.02.04.0" == bytes(texts)
        assert [0, 3, 6, 9] == offsets.tolist()

    def test_nothing(self):
        offsets, texts = csv_compiled.format_floats(np.zeros(0))
        assert ([0], b"") == (offsets.tolist(), bytes(texts))


# ---- Numbers between the old bytes


def spliced_plainly(data, cells, texts):
    """Return the data with texts in the place of cells, by joining."""
    pieces = []
    position = 0
    for (start, end), text in sorted(zip(cells, texts, strict=True)):
        pieces += [data[position:start], text]
        position = end
    return b"".join([*pieces, data[position:]])


def table_of(values, blank=b""):
    return b"".join(
        b",".join(blank + repr(v).encode() + blank for v in row) + b"\r\n" for row in values
    )


def spliced(cells, changes):
    return b"".join(csv_compiled.splice(cells, changes))


class TestSplice:
    @given(st.data())
    def test_changes_the_cells_that_it_is_told_to(self, draw):
        rows, columns = draw.draw(st.integers(0, 6)), draw.draw(st.integers(1, 4))
        data = table_of([[row * columns + at for at in range(columns)] for row in range(rows)])
        starts, ends = csv_compiled.scan(data, b",", columns, range(columns), rows)
        changes, cells, expected = [], [], []
        flags = st.lists(st.booleans(), min_size=rows, max_size=rows)
        for place in range(columns):
            kind = draw.draw(st.sampled_from(["float", "integer", "text"]))
            which = np.array(draw.draw(flags), bool)
            if kind == "float":
                values = np.array([draw.draw(st.floats()) for _ in range(rows)], np.float64)
                texts = [repr(v).encode() for v in values[which].tolist()]
                change = Change(place, which, values)
            elif kind == "integer":
                whole = st.integers(-(2**63), 2**63 - 1)
                values = np.array([draw.draw(whole) for _ in range(rows)], np.int64)
                texts = [str(v).encode() for v in values[which].tolist()]
                change = Change(place, which, values)
            else:
                texts = [draw.draw(st.binary(max_size=40)) for _ in range(which.sum())]
                offsets = np.array([0, *np.cumsum([len(text) for text in texts])], np.int32)
                change = Change(place, which, b"".join(texts), offsets)
            changes.append(change)
            expected += texts
            chosen = np.flatnonzero(which)
            cells += list(zip(starts[chosen, place], ends[chosen, place], strict=True))
        found = spliced(Cells(data, starts, ends), changes)
        assert spliced_plainly(data, cells, expected) == found

    def test_blanks_around_a_number_stay_and_around_a_text_go(self):
        data = b" 1.0\t,  2.0 \n"
        starts, ends = csv_compiled.scan(data, b",", 2, [0, 1], 1)
        yes = np.array([True])
        number = Change(0, yes, np.array([1.5]))
        text = Change(1, yes, b"gone", np.array([0, 4], np.int32), trim=False)
        assert b" 1.5\t,gone\n" == spliced(Cells(data, starts, ends), [number, text])

    def test_a_column_may_come_in_two_kinds(self):
        data = b"1\n2.5\n3\n"
        starts, ends = csv_compiled.scan(data, b",", 1, [0], 3)
        whole = Change(0, np.array([True, False, True]), np.array([10, 20, 30]))
        others = Change(0, np.array([False, True, False]), np.array([0.0, 2.75, 0.0]))
        found = spliced(Cells(data, starts, ends), [whole, others])
        assert b"10\n2.75\n30\n" == found

    def test_the_longest_numbers_fit(self):
        longest = -2.2250738585072014e-308
        data = b"0\n" * 1000
        starts, ends = csv_compiled.scan(data, b",", 1, [0], 1000)
        change = Change(0, np.ones(1000, bool), np.full(1000, longest))
        assert f"{longest}\n".encode() * 1000 == spliced(Cells(data, starts, ends), [change])

    @pytest.mark.parametrize("rows", [9001, 9008])
    def test_many_bytes_come_in_pieces(self, rows):
        data = table_of(np.arange(3 * rows).reshape(rows, 3).tolist())
        starts, ends = csv_compiled.scan(data, b",", 3, [0, 2], rows)
        random = np.random.default_rng(2)
        first, last = random.random(rows) < 0.5, random.random(rows) < 0.9
        numbers = random.normal(0, 1, rows)
        texts = [b"t" * (at % 4000) for at in range(np.count_nonzero(last))]
        offsets = np.array([0, *np.cumsum([len(text) for text in texts])], np.int32)
        changes = [Change(0, first, numbers), Change(1, last, b"".join(texts), offsets)]
        remaining = iter(texts)
        expected = [
            b"%s,%d,%s\r\n"
            % (
                repr(float(numbers[row])).encode() if first[row] else b"%d" % (3 * row),
                3 * row + 1,
                next(remaining) if last[row] else b"%d" % (3 * row + 2),
            )
            for row in range(rows)
        ]
        pieces = csv_compiled.splice(Cells(data, starts, ends), changes)
        assert len(pieces) > 1
        assert b"".join(expected) == b"".join(pieces)

    @pytest.mark.parametrize("end", [0, 1 << 40])
    def test_bounds_out_of_order_where_a_piece_ends(self, end):
        data, rows = b"1\n" * 10_000, 10_000
        starts = np.arange(0, 2 * rows, 2)[:, None]
        ends = starts + 1
        offsets = np.arange(rows + 1, dtype=np.int32) * 1000
        ends[1000:] = end
        change = Change(0, np.ones(rows, bool), bytes(1000 * rows), offsets)
        with pytest.raises(ValueError, match="out of order"):
            spliced(Cells(data, starts, ends), [change])

    @given(st.lists(st.tuples(st.floats(), st.integers(-1, 330)), min_size=1))
    @example([(-0.0, 2), (0.5, 0), (1.5, 0), (1e300, 3), (5e-324, 330), (2.675, 2), (1e22, -1)])
    @example([(1.7976931348623157e308, 2000)])
    def test_writes_as_many_decimals_as_asked(self, pairs):
        values, decimals = np.array([v for v, _ in pairs]), np.array([d for _, d in pairs])
        data = b"0\n" * len(pairs)
        starts, ends = csv_compiled.scan(data, b",", 1, [0], len(pairs))
        change = Change(0, np.ones(len(pairs), bool), values, decimals=decimals)
        texts = [repr(v) if d < 0 else f"{v:.{d}f}" for v, d in pairs]
        expected = "".join(text + "\n" for text in texts).encode()
        assert expected == spliced(Cells(data, starts, ends), [change])

    def test_one_number_of_decimals_is_for_all(self):
        data = b"0\n1\n"
        starts, ends = csv_compiled.scan(data, b",", 1, [0], 2)
        change = Change(0, np.ones(2, bool), np.array([1.005, -2.0]), decimals=2)
        assert b"1.00\n-2.00\n" == spliced(Cells(data, starts, ends), [change])

    @pytest.mark.parametrize("length", range(80))
    def test_what_is_kept_is_kept_whatever_its_length(self, length):
        data = b"0," + b"x" * length + b",1," + b"y" * length + b"\n"
        starts, ends = csv_compiled.scan(data, b",", 4, [0, 2], 1)
        yes = np.ones(1, bool)
        changes = [Change(place, yes, np.array([7])) for place in (0, 1)]
        expected = b"7," + b"x" * length + b",7," + b"y" * length + b"\n"
        assert expected == spliced(Cells(data, starts, ends), changes)

    def test_nothing_changes(self):
        none = np.zeros((0, 0), np.int64)
        assert b'a,"b\n' == spliced(Cells(b'a,"b\n', none, none), [])

    @pytest.mark.parametrize(
        ("starts", "ends"),
        [([2, 0], [3, 1]), ([0, 0], [3, 1]), ([0, 2], [1, 9]), ([-1, 2], [0, 3]), ([1, 2], [0, 3])],
    )
    def test_bounds_out_of_order_or_outside(self, starts, ends):
        starts, ends = np.array(starts)[:, None], np.array(ends)[:, None]
        with pytest.raises(ValueError, match="out of order"):
            spliced(Cells(b"1,2", starts, ends), [Change(0, np.ones(2, bool), np.zeros(2))])

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (Change(1, np.ones(1, bool), np.zeros(1)), "not for these cells"),
            (Change(-1, np.ones(1, bool), np.zeros(1)), "not for these cells"),
            (Change(0, np.ones(2, bool), np.zeros(1)), "not for these cells"),
            (Change(0, np.ones(1, bool), np.zeros(2)), "a value for each"),
            (Change(0, np.ones(1, bool), np.zeros(1, np.float32)), "another type"),
            (Change(0, np.ones(1, bool), np.zeros(1), decimals=2**31), "too many decimals"),
            (Change(0, np.ones(1, bool), b"", np.array([0], np.int32)), "too few texts"),
            (Change(0, np.ones(1, bool), b"a", np.array([0, 2], np.int32)), "not within"),
            (Change(0, np.ones(1, bool), b"a", np.array([1, 0, 1], np.int32)), "do not rise"),
        ],
    )
    def test_changes_that_do_not_fit(self, change, message):
        bounds = np.zeros((1, 1), np.int64), np.ones((1, 1), np.int64)
        with pytest.raises(ValueError, match=message):
            spliced(Cells(b"1", *bounds), [change])


def test_threads_do_not_get_in_each_others_way():
    data = table_of(np.random.default_rng(1).normal(0, 1, (2_000, 5)).tolist(), blank=b" ")

    def doubled(_):
        rows = csv_compiled.cut(data, b",", at_end=True).rows
        starts, ends = csv_compiled.scan(data, b",", 5, [1, 3], rows)
        cells = Cells(data, starts, ends)
        columns = [csv_compiled.parse_floats(cells.column(i), ()) for i in (0, 1)]
        every = np.ones(rows, bool)
        changes = [Change(i, every, 2 * column.values) for i, column in enumerate(columns)]
        return spliced(cells, changes)

    with ThreadPoolExecutor(4) as pool:
        assert {doubled(0)} == set(pool.map(doubled, range(40)))


def test_memory_is_let_go_after_errors():
    buffer = bytearray(b"1,2\n")
    with pytest.raises(ValueError, match="wanted column"):
        csv_compiled.scan(buffer, b",", 2, [5], 1)
    buffer += b"3,4\n"  # would fail if the buffer were still held
    assert struct.calcsize("q") == np.dtype(np.int64).itemsize

"""The records of a CSV file, counted piece by piece, are those of a scan from its start."""

import csv
import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisify.formats.csv.record_starts import IN_QUOTES, STATES, record_starts_of, scan
from noisify.formats.csv.scan import RecordReader
from noisify.formats.csv.types import Dialect, count_lines

MARKS = st.sampled_from(['"', '"', ",", "\n", "\r", "\r\n", "a", ' "', '","', "1.5", '\n"', "é"])
TEXTS = st.lists(MARKS, max_size=60).map(lambda marks: "".join(marks).encode())


def starts_of_records(data):
    """Return the offset of each record, by Python's csv module reading on from each line."""
    found, place = [], 0
    while place < len(data):
        if data[place] in b"\r\n":
            place += 1
            continue
        found.append(place)
        lines = io.StringIO(data[place:].decode("latin-1"), newline="").readlines()
        read = []
        next(csv.reader(read.append(line) or line for line in lines))
        place += sum(map(len, read))
    return found


def composed(data, cuts):
    """Return the first record start of each piece, and the end."""
    borders = [0, *cuts, len(data)]
    *starts, end = record_starts_of([scan(data[a:b], b",") for a, b in pairwise(borders)], 0)
    firsts = [[one for one in starts if a <= one.offset < b] for a, b in pairwise(borders)]
    assert sum(map(len, firsts)) == len(starts)
    return [one[0] if one else None for one in firsts], end


@given(TEXTS)
@pytest.mark.parametrize("pure", ["", "1"])
def test_at_every_cut_the_next_record_is_that_of_a_scan_of_the_whole(pure, data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOISIFY_PURE", pure)
        expected = starts_of_records(data)
        for cut in range(len(data) + 1):
            (_, second), end = composed(data, [cut])

            row = sum(start < cut for start in expected)
            if row == len(expected):
                assert second is None
            else:
                assert (expected[row], row) == (second.offset, second.row)
                assert count_lines(data, second.offset) == second.line
            assert (len(data), len(expected)) == (end.offset, end.row)
            assert count_lines(data, len(data)) == end.line


@given(TEXTS, st.lists(st.integers(0, 60), max_size=8))
def test_so_it_is_with_many_pieces_also_empty_ones(data, cuts):
    cuts = sorted(min(cut, len(data)) for cut in cuts)

    found, end = composed(data, cuts)

    expected = starts_of_records(data)
    first_in = [
        next((n for n, at in enumerate(expected) if a <= at < b), None)
        for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)
    ]
    assert first_in == [None if one is None else one.row for one in found]
    assert len(expected) == end.row


@given(st.lists(st.sampled_from(["1", '"a"', '"x\ny"', '"q""q"', ""]), min_size=1, max_size=30))
def test_a_reader_that_starts_there_reads_the_same_records(cells):
    data = "".join(f"{cell},{cell}\r\n" for cell in cells).encode()
    dialect = Dialect(columns=2)
    whole = RecordReader(io.BytesIO(data), dialect).blocks(1 << 20)
    rows = sum(block.rows for block in whole)
    for cut in range(len(data)):
        (_, start), _ = composed(data, [cut])
        if start is None:
            continue
        blocks = RecordReader(io.BytesIO(data[start.offset :]), dialect).blocks(1 << 20)
        assert rows - start.row == sum(block.rows for block in blocks)


def test_text_without_a_quote_may_be_inside_quotes_from_end_to_end():
    found = scan(b"a,b\nc,d\n", b",")

    assert [(2, 0), (1, 4), (1, 4)] == [(t.rows, t.first) for t in found.tracks[:3]]
    assert (IN_QUOTES, 0, 8, 2) == found.tracks[IN_QUOTES]
    assert len(STATES) == len(found.tracks)

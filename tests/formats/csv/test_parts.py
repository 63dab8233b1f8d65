"""The parts of a CSV file, found piece by piece in any process, are its records in order."""

import pickle

import pytest
from example_counts import examples
from hypothesis import assume, given
from hypothesis import strategies as st

from noisify.core.errors import DataError
from noisify.core.share import Share
from noisify.files.input import Input
from noisify.formats.csv.part import CsvPart, bounds_of, find_bounds, scan_share
from noisify.formats.csv.source import DelimitedSource
from noisify.formats.csv.types import count_lines
from noisify.formats.read_options import ReadOptions

MARKS = st.sampled_from(
    ['"', '"', ",", "\n", "\r", "\r\n", "a", ' "', '","', "1.5", '\n"', "\n# ", '#"', "\n\n", "é"]
)
TEXTS = st.lists(MARKS, max_size=50).map(lambda marks: "".join(marks).encode())
ALL_OF_IT = 1 << 30


@pytest.mark.parametrize("comment", [None, "#"])
@given(
    start=st.sampled_from([b"x,y\n", b"\xef\xbb\xbfx,y\r\n"]),
    data=TEXTS,
    count=st.integers(1, 9),
    halo=st.integers(0, 4),
    size=st.sampled_from([1, 7, 100]),
)
@examples(200)
def test_parts_are_the_records_in_order(tmp_path_factory, comment, start, data, count, halo, size):
    path = tmp_path_factory.getbasetemp() / "parts.csv"
    path.write_bytes(start + data)
    options = ReadOptions(ragged="keep", comment=comment, delimiter=",")
    with Input(path) as opened:
        try:
            source = DelimitedSource(opened, options)
            expected = sum(block.rows for block in source.read([], ALL_OF_IT).pieces)
        except DataError:
            assume(False)
        whole = path.read_bytes()
        shares = [Share(number, count) for number in range(1, count + 1)]
        scanned = [
            pickle.loads(pickle.dumps(scan_share(source, share, piece_bytes=size)))  # noqa: S301
            for share in shares
        ]
        bounds = bounds_of(source, scanned, halo)
        place, rows = len(source.prefix), 0
        for share, bound in zip(shares, bounds, strict=True):
            found = find_bounds(source, share, jobs=1, piece_bytes=size)
            assert (found.first.offset, found.first.row) == (bound.first.offset, bound.first.row)
            assert found.stop.offset == bound.stop.offset
            assert bound.before[-1].row <= max(0, bound.first.row - halo)
            for block in CsvPart(source, share, bound).read([], ALL_OF_IT, halo=0).pieces:
                assert (whole[place : place + len(block.data)], rows) == (block.data, block.row)
                assert block.line == 1 + count_lines(whole, place)
                place, rows = place + len(block.data), rows + block.rows
            assert share.is_last or bound.stop.row == rows
        assert (len(whole), expected) == (place, rows)

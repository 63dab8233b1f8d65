from __future__ import annotations

import io
import math
import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_command import noisy, normal_noise, run

from noisify.core.native import PURE
from noisify.formats.csv.numbers import CellParser, splice, splice_floats
from noisify.formats.csv.types import Cells

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = {
    **{text: float(text) for text in ("0", "7", "-1.50", "+5", ".5", "5.", "-.5", "00", "-0.0")},
    **{text: float(text) for text in ("1e3", "1E-3", "+2.5e+10", "1e05", "1e308", "1e-999")},
    **{text: float(text) for text in (" 5", "5 ", "\t5 ", "4.9e-324", "123456789012345678901234")},
}
NOT_FINITE = ["inf", "Inf", "-inf", "+INF", "infinity", "-Infinity", "NAN", "-nan", "1e999"]
NULLS = ["", " ", "NA", "nan", "NaN", "null", "-", "N/A", "<NA>"]
OTHERS = [
    *("1_000", "0x10", "0X1F", "0b1", "0o7", "$5", "5$", "5%", "1 000", "1,5", "1.234.567", "1e"),
    *("1e+", "e5", "1d5", "1f", "--1", "+-1", "+", ".", "+.", "5-", "1/2", "(5)", "#5", "true"),
    *("nan(1)", "nan()", "infin", "١٢", "½", "1\xa0000", "5\n", "2024-01-01"),
    *("12:30", "1.2.3", "1'000", "- 1", "1 e5", "NaN NaN", "abc"),
]


def one_column(cells: list[str]) -> bytes:
    return "".join(["x,y\n", *('"' + cell + '",a\n' for cell in cells)]).encode()


def cells_of(data: bytes) -> list[str]:
    return pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False)["x"].tolist()


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_a_number_is_a_sign_digits_a_point_and_an_exponent(size: int) -> None:
    noise = normal_noise("x", len(NUMBERS)).tolist()

    after = cells_of(noisy("-s", 1, "-c", "x", "--chunk-size", size, given=one_column([*NUMBERS])))

    for (before, number), extra, cell in zip(NUMBERS.items(), noise, after, strict=True):
        if number + extra == number:
            assert before == cell
        else:
            assert before.replace(before.strip(), repr(number + extra)) == cell


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_everything_else_is_left_alone_and_counted(size: int) -> None:
    cells = [*OTHERS, *NOT_FINITE, *NULLS, *("0.5" for _ in range(20))]
    options = ("-s", 1, "-c", "x", "--seed", 1, "--chunk-size", size)

    done = run(*options, given=one_column(cells))

    assert cells[:-20] == cells_of(done.output)[:-20]
    assert done.lines == [
        f"noisify: note: standard input, field 'x': {len(OTHERS)} cells not a number, left alone"
    ]


@pytest.mark.parametrize("cell", OTHERS)
def test_strict_names_what_is_no_number(cell: str) -> None:
    done = run("-s", 1, "-c", "x", "--strict", given=one_column(["0.5"] * 20 + [cell]))

    assert done.status == 3
    assert done.messages.startswith(f"noisify: standard input, line 22, field 'x': {cell!r} is not")


SHAPE = re.compile(r"[ \t]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t]*")
WORD = re.compile(r"[ \t]*[+-]?(nan|inf|infinity)[ \t]*", re.IGNORECASE)


@given(cells=st.lists(st.text(st.sampled_from("0159.eE+-nafity() \tx_,$"), max_size=7), min_size=1))
def test_a_cell_is_a_number_if_it_looks_like_one_whatever_its_neighbours(cells: list[str]) -> None:
    data = "".join(cells).encode()
    ends = np.cumsum([len(cell) for cell in cells])
    starts = ends - [len(cell) for cell in cells]

    floats = CellParser(()).floats(Cells(data, starts, ends))
    integers = CellParser(()).integers(Cells(data, starts, ends))

    values = floats.values  # noqa: PD011 - not a pandas object
    valid = np.ones(len(cells), bool) if floats.valid is None else floats.valid
    unparseable = np.zeros(len(cells), bool) if floats.unparseable is None else floats.unparseable
    for at, cell in enumerate(cells):
        is_number = bool(SHAPE.fullmatch(cell) or WORD.fullmatch(cell))
        assert is_number == bool(valid[at])
        assert bool(unparseable[at]) == (not is_number and cell.strip(" \t") != "")
        if SHAPE.fullmatch(cell):
            assert float(cell) == values[at]
    for parsed in integers:
        for at in np.flatnonzero(np.ones(len(cells)) if parsed.valid is None else parsed.valid):
            value = parsed.values[at]  # noqa: PD011
            assert float(cells[at]) == value or (math.isnan(value) and "n" in cells[at].lower())


def test_whole_numbers_for_a_million_rows_and_then_something_else() -> None:
    rows = 1_000_000
    table = "n\n" + "7\n" * rows + "0.5\n1e3\nabc\n0x10\n12345678901234567890\n"

    done = run("-s", 0, "--loc", 1, "-c", "n", "--seed", 1, given=table.encode())

    expected = "n\n" + "8\n" * rows + "1.5\n1001.0\nabc\n0x10\n12345678901234567891\n"
    assert expected.encode() == done.output
    assert done.lines == [
        "noisify: note: standard input, field 'n': 2 cells not a number, left alone"
    ]


def test_a_decimal_comma_is_read_and_written() -> None:
    table = "x;n;note\n1,5;2;a,b\n-,25;3;c\n+1e-3;4;d\n2,;5;e\n"
    x, n = normal_noise("x", 4).tolist(), np.rint(normal_noise("n", 4)).astype(int).tolist()

    actual = noisy("-s", 1, "-c", "x,n", "--decimal", ",", given=table.encode()).decode()

    numbers = [repr(v + e).replace(".", ",") for v, e in zip((1.5, -0.25, 1e-3, 2), x, strict=True)]
    expected = [f"{a};{b + e};" for a, b, e in zip(numbers, (2, 3, 4, 5), n, strict=True)]
    assert expected == [line.rstrip("abcde,") for line in actual.splitlines()[1:]]


def test_pandas_reads_and_writes_the_same_decimal_commas() -> None:
    before = pd.DataFrame({"x": [1.5, -1234567.25, 1e-7, 3e20], "note": ["a,b", "c", ";", "d"]})
    table = before.to_csv(sep=";", decimal=",", index=False)

    actual = noisy("-s", 1, "--decimal", ",", given=table.encode())

    after = pd.read_csv(io.BytesIO(actual), sep=";", decimal=",")
    np.testing.assert_array_equal(before["x"] + normal_noise("x", 4), after["x"])
    assert before["note"].tolist() == after["note"].tolist()


def test_with_a_decimal_comma_a_point_makes_no_number() -> None:
    table = "x;y\n" + "1,5;a\n" * 20 + "1.5;b\n1,5,5;c\n"

    done = run("-s", 1, "--decimal", ",", "--seed", 1, given=table.encode())

    assert done.output.endswith(b"\n1.5;b\n1,5,5;c\n")
    assert done.lines == [
        "noisify: note: standard input, field 'x': 2 cells not a number, left alone"
    ]


@pytest.mark.parametrize(
    ("header", "delimiter"), [("x;y", ";"), ("x\ty", "\t"), ("x|y", "|"), ("x", None)]
)
def test_a_decimal_comma_is_not_taken_for_the_delimiter(header: str, delimiter: str | None) -> None:
    row = f"1,5{delimiter}2,5" if delimiter else "1,5"
    table = f"{header}\n{row}\n{row}\n"

    actual = noisy("-s", 0, "--loc", 1, "--decimal", ",", given=table.encode()).decode()

    assert table.replace("2,5", "3,5").replace("1,5", "2,5") == actual


def test_a_decimal_comma_between_commas_is_put_in_quotes() -> None:
    table = 'x,y\n"1,5",a\n7,b\n" 2,5 ",c\n'

    actual = noisy(
        "-s", 0, "--loc", 0.25, "--decimal", ",", "--delimiter", ",", given=table.encode()
    )

    assert 'x,y\n"1,75",a\n"7,25",b\n" 2,75 ",c\n' == actual.decode()


GROUPED = {
    "comma in quotes": (("--thousands", ","), '"{}"', ",", "."),
    "space": (("--thousands", " "), "{}", " ", "."),
    "apostrophe": (("--thousands", "'"), "{}", "'", "."),
    "point, decimal comma": (("--thousands", ".", "--decimal", ","), '"{}"', ".", ","),
    "narrow no-break space": (("--thousands", "\u202f"), "{}", "\u202f", "."),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("name", GROUPED)
def test_a_cell_in_groups_of_three_digits_gets_them_again(name: str, encoding: str) -> None:
    options, cell, mark, point = GROUPED[name]

    def table(*numbers: str) -> bytes:
        translated = [n.translate({ord(","): mark, ord("."): point}) for n in numbers]
        return "".join(["x|y\n", *(cell.format(n) + "|a\n" for n in translated)]).encode(encoding)

    before = ("1,234.5", "1234.5", "-12,345,678", "+999,999", "1,000", "7", "1,000.")

    actual = noisy("-s", 0, "--loc", 1, "-c", "x", "--encoding", encoding, *options,
                   given=table(*before))  # fmt: skip

    after = ("1,235.5", "1235.5", "-12,345,677.0", "1,000,000.0", "1,001.0", "8.0", "1,001.0")
    assert table(*after) == actual


def test_whole_numbers_in_groups_stay_whole() -> None:
    table = b'n;y\n"1,234";a\n"-999,999";b\n998;c\n"12,345,678,901,234,567,890";d\n'

    actual = noisy("-s", 0, "--loc", 2, "-c", "n", "--thousands", ",", given=table)

    assert actual == (b'n;y\n"1,236";a\n"-999,997";b\n1000;c\n"12,345,678,901,234,567,892";d\n')


def test_a_number_that_has_lost_its_thousands_has_no_mark() -> None:
    actual = noisy(
        "-s", 0, "--loc", -500, "-c", "n", "--thousands", "'", given=b"n\n1'234\n1'500\n"
    )

    assert actual == b"n\n734\n1'000\n"


@pytest.mark.parametrize(
    "cell",
    ["12,34", "1,2345", ",123", "1,,234", "0,123", "1234,567", "1,234e5", "1.5,000", "1,234,"],
)
def test_groups_that_are_not_of_three_digits_make_no_number(cell: str) -> None:
    table = f"x;y\n{cell};a\n" + "1,234.5;b\n" * 20

    done = run("-s", 1, "-c", "x", "--thousands", ",", "--delimiter", ";", "--seed", 1,
               given=table.encode())  # fmt: skip

    assert done.output.decode().startswith(f"x;y\n{cell};a\n")
    assert done.lines == [
        "noisify: note: standard input, field 'x': 1 cell not a number, left alone"
    ]


def test_without_thousands_such_cells_are_left_alone_and_counted() -> None:
    table = b"x;y\n" + b"1.5;a\n" * 20 + b"1,234;b\n"

    done = run("-s", 1, "--delimiter", ";", "--seed", 1, given=table)

    assert done.output.endswith(b"\n1,234;b\n")
    assert done.lines == [
        (
            "noisify: note: standard input: field 'x' has numbers such as '1,234'; "
            "--thousands , reads them"
        ),
        "noisify: note: standard input, field 'x': 1 cell not a number, left alone",
    ]


def test_keep_counts_decimals_after_the_comma() -> None:
    table = b"x;y\n1.234,50;a\n2,5;b\n3;c\n"
    options = ("--decimal", ",", "--thousands", ".", "--decimals", "keep")

    actual = noisy("-s", 0, "--loc", 0.25, *options, given=table)

    assert actual == b"x;y\n1.234,75;a\n2,8;b\n3;c\n"


def test_a_condition_reads_numbers_as_the_file_writes_them() -> None:
    table = b"x;n\n1,5;1.234\n1,5;999\n"
    options = ("--decimal", ",", "--thousands", ".", "-c", "x", "--where", "n > 1000")

    actual = noisy("-s", 0, "--loc", 1, *options, given=table)

    assert actual == b"x;n\n2,5;1.234\n1,5;999\n"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--decimal", "ab"), "--decimal 'ab' is not one character"),
        (("--decimal", "5"), "--decimal '5' is not one character"),
        (("--decimal", ""), "--decimal '' is not one character"),
        (("--thousands", "-"), "--thousands '-' is not one character"),
        (("--thousands", '"'), "--thousands '\"' is not one character"),
        (("--thousands", "."), "'.' cannot be both --thousands and the decimal mark"),
        (("--thousands", "\u202f", "--encoding", "latin-1"), "there is no '\\u202f' in iso8859-1"),
    ],
)
def test_a_mark_that_cannot_be_one_is_refused(options: tuple[str, ...], reason: str) -> None:
    done = run("-s", 1, *options, given=b"x\n0.5\n")

    assert (2, b"") == (done.status, done.output)
    assert reason in done.messages
    assert len(done.lines) == 1


@pytest.mark.parametrize("size", [1, 20, 1 << 20])
@pytest.mark.parametrize("last", ["", "oops\n"])
def test_a_number_that_means_null_is_null_whatever_its_neighbours(size: int, last: str) -> None:
    table = "x\n" + "0.5\n" * 30 + "-999\n -999 \n-999.0\n" + last

    done = run(
        "-s", 1, "-c", "x", "--na", "-999", "--seed", 1, "--chunk-size", size, given=table.encode()
    )

    cells = done.output.decode().splitlines()[1:]
    assert ["-999", " -999 "] == cells[30:32]
    assert repr(-999 + normal_noise("x", 33).tolist()[32]) == cells[32]


@pytest.mark.parametrize("size", [1, 20, 1 << 20])
def test_a_whole_number_that_means_null_is_null_whatever_its_neighbours(size: int) -> None:
    table = "n\n" + "5\n" * 30 + "999\n 999 \n+999\n"

    after = noisy("-s", 0, "--loc", 1, "-c", "n", "--na", "999", "--chunk-size", size,
                  given=table.encode())  # fmt: skip

    assert ("n\n" + "6\n" * 30 + "999\n 999 \n1000\n").encode() == after


@pytest.mark.parametrize("size", [1, 50, 1 << 20])
@pytest.mark.parametrize("others", ["", "oops\n", "1" * 30 + "\n"])
def test_a_whole_number_saturates_by_what_it_is_not_by_its_neighbours(
    size: int, others: str
) -> None:
    ends = (2**63 - 1, -(2**63), 10**18, 2**63, 5)
    table = "n\n" + "7\n" * 30 + "".join(f"{n}\n" for n in ends) + others

    done = run("-s", 0, "--loc", "1e19", "-c", "n", "--seed", 1, "--chunk-size", size,
               given=table.encode())  # fmt: skip

    most = str(2**63 - 1)
    expected = [most, str(10**19 - 2**63), most, str(2**63 + 10**19), most]
    assert expected == done.output.decode().splitlines()[31:36]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".arrow"])
@pytest.mark.parametrize("other", [8, 2**63, 10**37])
def test_a_whole_number_saturates_alike_in_every_format(
    tmp_path: Path, suffix: str, other: int
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / f"out{suffix}"
    source.write_text("n\n" + f"{2**63 - 1}\n5\n{-(2**63)}\n{other}\n")
    level = ("-d", "uniform", "-s", "1e6", "--seed", 2)

    done = run(source, "-o", target, "-c", "n", *level)

    assert (0, "") == (done.status, done.messages)
    if suffix == ".csv":
        after = [int(line) for line in target.read_text().splitlines()[1:]]
    elif suffix == ".parquet":
        after = [int(value) for value in pq.read_table(target)["n"].to_pylist()]
    else:
        after = [int(value) for value in pa.ipc.open_file(target).read_all()["n"].to_pylist()]
    source.write_text("n\n0\n0\n0\n0\n")
    steps = run(source, "-c", "n", *level).output.split()[1:]
    noise = [int(step) for step in steps]
    expected = [
        min(2**63 - 1 + noise[0], 2**63 - 1), 5 + noise[1], max(noise[2] - 2**63, -(2**63)),
        other + noise[3],
    ]  # fmt: skip
    assert (noise[0] > 0, noise[2] < 0) == (True, True)
    assert expected == after


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_strict_names_the_first_cell_that_is_no_number(size: int) -> None:
    table = "x,y\n" + "0.5,0.5\n" * 30 + "0.5,first\nsecond,0.5\n"

    done = run("-s", 1, "-c", "*", "--strict", "--chunk-size", size, given=table.encode())

    assert done.status == 3
    assert done.messages.startswith("noisify: standard input, line 32, field 'y': 'first' is not")


def test_numbers_with_leading_zeros_are_codes_only_where_all_are_whole() -> None:
    table = "code,x,n\n" + "007,1.50,70\n+010, 02 ,0\n-0,3,-7\n"

    after = noisy("-s", 1, "-c", ":number", given=table.encode())

    rows = [line.split(",") for line in after.decode().splitlines()[1:]]
    assert ["007", "+010", "-0"] == [row[0] for row in rows]
    expected = [v + e for v, e in zip((1.5, 2, 3), normal_noise("x", 3).tolist(), strict=True)]
    assert expected == [float(row[1]) for row in rows]
    assert all("." not in row[2] for row in rows)


def test_rounding_leaves_what_is_too_large_for_decimals() -> None:
    after = noisy("-s", "1e290", "--decimals", "keep", given=b"x\n1e300\n1.25000000\n")

    assert all(math.isfinite(float(cell)) for cell in after.decode().split()[1:])


# New texts between the old bytes.


@pytest.mark.parametrize(
    ("changed", "texts", "expected"),
    [
        ([True, True, True], ["1", "", "333"], b"a1;333"),
        ([False, True, False], ["22"], b"axxx22;z"),
        ([True, False, True], [None, "3"], b"ay;3"),
        ([False, False, False], [], b"axxxy;z"),
    ],
)
def test_new_texts_take_the_place_of_the_changed_cells(
    changed: list[bool], texts: list[str | None], expected: bytes
) -> None:
    cells = Cells(b"axxxy;z", np.array([1, 4, 6]), np.array([4, 5, 7]))
    inside = pa.array(["before", *texts, "after"], pa.utf8()).slice(1, len(texts))

    spliced = splice(cells, np.array(changed), inside)

    assert expected == spliced.to_pybytes()


def laid_out(texts: list[str]) -> Cells:
    """Return cells with a delimiter after each, and one before all."""
    ends = np.cumsum([len(text) + 1 for text in texts])
    starts = ends - [len(text) for text in texts]
    return Cells(("," + ",".join(texts) + "\n").encode(), starts, ends)


@pytest.mark.parametrize("changed", [[True] * 7, [True, False, True, False, False, False, True]])
@pytest.mark.parametrize("batch_cells", [1, 2, 3, 7, 8])
def test_cells_may_be_written_a_few_at_a_time(batch_cells: int, changed: list[bool]) -> None:
    texts = ["1", "22", "", "4.5", "-5", "6e3", "7"]
    values = np.arange(7) / 4

    found = splice_floats(laid_out(texts), np.array(changed), values, batch_cells)

    new = [repr(v) if c else t for v, c, t in zip(values.tolist(), changed, texts, strict=True)]
    assert ("," + ",".join(new) + "\n").encode() == b"".join(part.to_pybytes() for part in found)


@pytest.mark.parametrize("odd", ["", "NA", " 2 ", "x"])
@pytest.mark.parametrize("batch_cells", [1, 4, 5, 100])
def test_cells_may_be_read_a_few_at_a_time(
    monkeypatch: pytest.MonkeyPatch, batch_cells: int, odd: str
) -> None:
    monkeypatch.setenv(PURE, "1")
    flat = laid_out([*"123456789", odd, "11", "12"])
    cells = Cells(flat.data, flat.starts.reshape(6, 2), flat.ends.reshape(6, 2))

    found = CellParser(batch_cells=batch_cells).float_columns(cells)

    expected = CellParser().float_columns(cells)
    assert 2 == len(found)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        assert (one.valid is None, one.nulls) == (other.valid is None, other.nulls)
        assert one.valid is None or one.valid.tolist() == other.valid.tolist()
    np.testing.assert_array_equal([1, 3, 5, 7, 9, 11], found[0].values)


def test_a_cell_that_is_all_there_is_can_become_nothing() -> None:
    cells = Cells(b"1", np.array([0]), np.array([1]))
    spliced = splice(cells, np.array([True]), pa.array([""]))

    assert spliced.to_pybytes() == b""

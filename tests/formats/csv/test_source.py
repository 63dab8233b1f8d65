"""CSV and TSV: what was not asked to change stays, to the byte; what changes is written exactly."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_command import noisy, noisy_file, normal_noise, run

from noisify.formats.csv.header import first_record, unquote
from noisify.formats.csv.scan import Dialect, RecordReader, find_cells

HOSTILE = {
    "plain": b"x,y\n0.5,1.5\n2.5,3.5\n",
    "one column": b"x\n0.5\n1.5\n",
    "one column with gaps": b"x\n0.5\n\n1.5\n\n\n2.5\n",
    "newline in quotes": b'x,note\n0.5,"two\nlines"\n1.5,b\n',
    "doubled quotes": b'x,note\n0.5,"say ""hi"""\n1.5,""""\n',
    "delimiter in quotes": b'x,note\n0.5,"a,b,c"\n1.5,","\n',
    "quoted everything": b'"x","note"\n"0.5","a"\n"1.5",""\n',
    "quote inside an unquoted cell": b'x,note\n0.5,6" pipe\n1.5,a"b"c\n',
    "text after a closing quote": b'x,note\n0.5,"a"b\n1.5,c\n',
    "CRLF": b"x,y\r\n0.5,1.5\r\n2.5,3.5\r\n",
    "CRLF and a newline in quotes": b'x,note\r\n0.5,"a\nb\r\nc"\r\n1.5,d\r\n',
    "CR": b"x,y\r0.5,1.5\r2.5,3.5\r",
    "mixed line ends": b"x,y\r\n0.5,1.5\n2.5,3.5\r4.5,5.5\r\n",
    "byte order mark": b"\xef\xbb\xbfx,y\n0.5,1.5\n",
    "no final newline": b"x,y\n0.5,1.5",
    "no final newline after quotes": b'y,x\n0.5,"a"',
    "no final newline, empty last cell": b"x,y\n0.5,",
    "leading zeros": b"id,x\n007,0.5\n010,1.50\n",
    "zeros after the point": b"x\n1.0\n2.50\n3.000\n",
    "spaces": b"x, y\n 0.5 , 1.5\n\t2.5,  3.5  \n",
    "signs and bare points": b"x\n+5.5\n.5\n5.\n-.5\n-0.0\n",
    "exponents": b"x\n1e3\n1E-3\n+2.5e+10\n",
    "nulls": b"x,y\n0.5,NA\n,1.5\nNaN,null\n",
    "not finite": b"x\n0.5\ninf\n-Infinity\nnan\n",
    "not numbers": b"x\n0.5\n1.5\n2.5\n3.5\n4.5\n5.5\n6.5\n7.5\n8.5\n9.5\n0.5\noops\n",
    "empty lines": b"x,y\n\n0.5,1.5\n\n\n2.5,3.5\n\n",
    "empty lines, CRLF": b"x,y\r\n\r\n0.5,1.5\r\n\r\n",
    "empty line first": b"\nx,y\n0.5,1.5\n",
    "empty header name": b",x\n0,0.5\n1,1.5\n",
    "duplicate header names": b"x,x,x\n0.5,1.5,2.5\n",
    "quoted header with a newline": b'"a\nb",x\n1,0.5\n',
    "Unicode": "größe,名前\n0.5,東京\n1.5,naïve ☃\n".encode(),
    "Latin-1 bytes": b"x,name\n0.5,caf\xe9\n1.5,\xfc\n",
    "huge and tiny": b"x\n1e300\n4.9e-324\n123456789012345678901234567890\n",
    "many columns": b",".join(b"c%d" % i for i in range(300))
    + b"\n"
    + b",".join([b"0.5"] * 300)
    + b"\n",
}


WITHOUT_ROWS = {
    "header only": b"x,y\r\n",
    "header only, no newline": b"x,y",
    "header and gaps": b"x,y\n\n\n",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_no_noise_gives_the_file_back_to_the_byte(name: str, size: int) -> None:
    table = HOSTILE[name]

    done = run("-s", 0, "--seed", 1, "--chunk-size", size, given=table)

    assert (0, table) == (done.status, done.output), done.messages


@pytest.mark.parametrize("options", [
    "-s 1", "-c * -s 0.1sd", "-d missing --rate 50%", "-c * -d typo --rate 50% --ragged keep",
])  # fmt: skip
@pytest.mark.parametrize("name", [*HOSTILE, *WITHOUT_ROWS])
def test_a_small_file_gives_what_a_stream_gives(tmp_path: Path, name: str, options: str) -> None:
    table = (HOSTILE | WITHOUT_ROWS)[name]
    path = tmp_path / "in.csv"
    path.write_bytes(table)

    of_stream = run(*options.split(), "--seed", 1, "-q", given=table)
    of_file = run(path, *options.split(), "--seed", 1, "-q")

    assert (of_stream.status, of_stream.output) == (of_file.status, of_file.output)
    assert of_stream.messages == of_file.messages.replace(str(path), "standard input")


@pytest.mark.parametrize("name", WITHOUT_ROWS)
@pytest.mark.parametrize("options", ["-s 1", "-s 0.1sd", "-d typo --rate 50%"])
def test_a_field_that_is_named_in_a_table_without_rows(
    tmp_path: Path, name: str, options: str
) -> None:
    (tmp_path / "in.csv").write_bytes(WITHOUT_ROWS[name])

    done = run(tmp_path / "in.csv", "-c", "x", *options.split(), "--seed", 1)

    assert (0, WITHOUT_ROWS[name]) == (done.status, done.output), done.messages


def test_small_files_are_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for path in inputs:
        path.write_bytes(b"x,note\n0.5,a\n1.5,b\n")
    opened: list[Path] = []
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda *of, **how: opened.append(of[0]) or real(*of, **how))

    run(*inputs, "--output-dir", tmp_path / "out", "-s", "0.1sd", "--seed", 1, "-j", 1)

    assert inputs == opened


@pytest.mark.parametrize("end", [b"caf\xe9", "京".encode(), b"a", b""])
def test_the_last_byte_may_be_any(end: bytes) -> None:
    after = noisy("-s", 1, "-c", "x", given=b"x,name\n0.5,a\n1.5," + end)

    assert after.endswith(b"," + end)
    assert after.count(b"\n") == 2


@pytest.mark.parametrize("name", WITHOUT_ROWS)
def test_a_table_without_rows_passes_through_with_a_note(name: str) -> None:
    done = run("-s", 1, "--seed", 1, given=WITHOUT_ROWS[name])

    assert (0, WITHOUT_ROWS[name]) == (done.status, done.output)
    assert done.lines == ["noisify: note: standard input has no rows; it passes through as it is"]


def records_of(data: bytes, delimiter: str = ",") -> list[list[str]]:
    """Return the records as Python's csv module reads them, empty lines left out."""
    text = data.decode("utf-8-sig", "surrogateescape")
    return [r for r in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if r]


NOISED = {
    "quotes": b'x,note,y\n0.5,"two\nlines",10.5\n"1.5",say ""hi"",11.5\n2.5,"say ""hi"", a",""\n',
    "CRLF, gaps": b"x,note,y\r\n0.5,a,\r\n\r\n,b,1.5\r\nNA,c,2.5\r\n",
    "CR": b"x,note,y\r0.5,a,1.5\r2.5,b,3.5",
    "byte order mark": b"\xef\xbb\xbfx,note,y\n0.5,a,1.5\n2.5,b,3.5",
    "spaces": b"x, note ,y\n 0.5 , a ,1.5 \n\t2.5\t,b, 3.5\n",
    "not numbers": b"x,note,y\n"
    + b"".join(b"%d.5,a,%d.25\n" % (i, i) for i in range(30))
    + b"oops,b,1.2.3\n0x10,c,1_000\nnan,d,-inf\n",
    "forms": b"x,note,y\n+5.5,a,.5\n-.5,b,5.\n1e3,c,007.50\n-0.0,d,1E-3\n",
}


def is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False


@pytest.mark.parametrize("name", NOISED)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_chosen_numbers_get_the_engines_noise_and_every_other_cell_stays(
    name: str, size: int
) -> None:
    before = records_of(NOISED[name])

    done = run("-s", 0.5, "-c", "x,y", "--seed", 1, "--chunk-size", size, given=NOISED[name])

    noise = [0.5 * normal_noise("x", len(before)), None, 0.5 * normal_noise("y", len(before))]
    expected = [before[0]]
    for row, record in enumerate(before[1:]):
        cells = list(record)
        for place in (0, 2):
            if is_number(record[place]):
                number = repr(float(record[place]) + noise[place][row].item())
                cells[place] = record[place].replace(record[place].strip(" \t"), number)
        expected.append(cells)
    assert done.status == 0
    assert expected == records_of(done.output)


def test_only_the_digits_of_chosen_cells_change() -> None:
    table = b'a,x,b\r\n007,"1.50", 2.0 \r\n1.0,  1.50\t,"q""q"\r\n'
    first, second = (1.5 + noise for noise in normal_noise("x", 2).tolist())

    actual = noisy("-s", 1, "-c", "x", given=table)

    expected = f'a,x,b\r\n007,"{first!r}", 2.0 \r\n1.0,  {second!r}\t,"q""q"\r\n'
    assert expected.encode() == actual


@pytest.mark.parametrize(
    "value",
    [
        *("1e-05", "9.999e-05", "0.0001", "0.00010001", "0.1", "1.0", "-1.0", "123456.789"),
        *("9999999999.5", "10000000000.5", "12345678901.25", "1e15", "123456789012345.6"),
        *("9007199254740993.0", "1e16", "1.5e16", "1e21", "1e22", "1e300", "1.5e-300"),
        *("5e-324", "2.2250738585072014e-308", "1.7976931348623157e308", "-0.0", "1e23"),
        *("5e-5", "0.3", "100000.0", "2.5e-7", "33333333333.333332"),
    ],
)
def test_a_noisy_number_is_written_as_repr_writes_it(value: str) -> None:
    number = float(value)
    noise = normal_noise("x", 1).item() * (abs(number) * 0.001)
    biggest = np.finfo(np.float64).max.item()
    expected = min(max(number + noise, -biggest), biggest)

    actual = noisy("-s", "0.1%", "-c", "x", "-q", given=f"x\n{value}\n".encode())

    assert f"x\n{value if expected == number else repr(expected)}\n" == actual.decode()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_every_float_is_written_as_repr_writes_it(values: list[float]) -> None:
    table = "x\n" + "".join(f"{value!r}\n" for value in values)

    actual = noisy("-s", 0, "-c", "x", "--loc", 1, given=table.encode()).decode().splitlines()

    expected = [repr(value + 1) if value + 1 != value else repr(value) for value in values]
    assert ["x", *expected] == actual


def test_whole_numbers_stay_whole_and_exact_above_two_to_53() -> None:
    ids = [2**53 + 1, -(2**60) - 1, 12, 2**63 - 1000]
    noise = np.rint(3 * normal_noise("id", 4)).astype(int).tolist()

    actual = noisy("-s", 3, "-c", "id", given=("id\n" + "".join(f"{i}\n" for i in ids)).encode())

    assert ["id", *(str(i + n) for i, n in zip(ids, noise, strict=True))] == (
        actual.decode().splitlines()
    )


def test_whole_numbers_round_half_to_even() -> None:
    actual = noisy("-s", 0, "--loc", 0.5, "-c", "n", given=b"n\n0\n1\n2\n-1\n")

    assert actual == b"n\n0\n1\n2\n-1\n"  # 0.5 rounds to 0


def test_whole_numbers_longer_than_int64_stay_exact() -> None:
    numbers = [10**25 + 1, 7, 2**64]

    actual = noisy(
        "-s", 0, "--loc", 10, "-c", "n", given="n\n{}\n{}\n{}\n".format(*numbers).encode()
    )

    assert ["n", *(str(number + 10) for number in numbers)] == actual.decode().splitlines()


def test_a_fraction_beyond_the_sample_is_noised_as_a_fraction() -> None:
    before = [*map(str, range(200_000)), "0.5", "7"]
    noise = (10 * normal_noise("n", len(before))).tolist()

    actual = noisy("-s", 10, "-c", "n", given="\n".join(["n", *before, ""]).encode())

    expected = [
        repr(float(text) + change) if "." in text else str(int(text) + round(change))
        for text, change in zip(before, noise, strict=True)
    ]
    assert ["n", *expected] == actual.decode().splitlines()


def test_a_column_with_one_fraction_in_sight_is_one_of_fractions() -> None:
    noise = normal_noise("x", 2).tolist()

    actual = noisy("-s", 1, given=b"x\n1\n2.5\n")

    assert f"x\n{1 + noise[0]!r}\n{2.5 + noise[1]!r}\n" == actual.decode()


def test_codes_with_leading_zeros_are_no_numbers_by_default() -> None:
    actual = noisy("-s", 1, "-c", ":number", given=b"code,x\n007,0.5\n010,1.5\n")

    assert [b"code", b"007", b"010"] == [line.split(b",")[0] for line in actual.splitlines()]


MOSTLY_NUMBERS = b"x,note\n" + b"0.5,a\n" * 40 + b'"two\nlines",b\noops,c\n1.5,d\nnope,e\n'


def test_cells_that_are_not_numbers_are_left_and_counted() -> None:
    done = run("-s", 1, "--seed", 1, given=MOSTLY_NUMBERS)

    assert done.status == 0
    assert done.lines == [
        "noisify: note: standard input, field 'x': 3 cells not a number, left alone"
    ]
    left = [record[0] for record in records_of(done.output) if not is_number(record[0])]
    assert ["x", "two\nlines", "oops", "nope"] == left


def test_one_cell_that_is_not_a_number_is_one_cell() -> None:
    done = run("-s", 1, "--seed", 1, given=b"x\n" + b"0.5\n" * 20 + b"oops\n")

    assert done.lines == [
        "noisify: note: standard input, field 'x': 1 cell not a number, left alone"
    ]


@pytest.mark.parametrize("size", [1, 50, 1 << 20])
def test_strict_refuses_a_cell_that_is_not_a_number(tmp_path: Path, size: int) -> None:
    source, target = tmp_path / "data.csv", tmp_path / "out.csv"
    source.write_bytes(b'x,note\n0.5,"a\nb"\n' + b"0.5,a\n" * 40 + b"oops,c\n")

    done = run(source, "-o", target, "-s", 1, "--strict", "--chunk-size", size, "-q")

    assert done.status == 3
    assert done.messages == (
        f"noisify: {source}, line 44, field 'x': 'oops' is not a number; "
        "drop --strict to leave such cells as they are\n"
    )
    assert [source] == list(tmp_path.iterdir())


def test_strict_accepts_nulls_and_nan() -> None:
    table = b"x,y\n0.5,1\nNA,2\n,3\nnan,4\n"

    done = run("-s", 1, "--strict", "--seed", 1, given=table)

    assert (0, "") == (done.status, done.messages)


RAGGED = {
    "too few": (b"x,y\n0.5,1.5\n2.5\n3.5,4.5\n", 3, "1 cell where"),
    "too many": (b"x,y\n0.5,1.5\n\n2.5,3.5,4.5\n", 4, "3 cells where"),
    "after a newline in quotes": (b'x,y\n0.5,"a\n\nb"\n2.5\n', 5, "1 cell where"),
    "same number in all": (b"x,y\n0.5,1.5,2.5\n3.5\n", 2, "3 cells where"),
    "CR": (b"x,y\r0.5,1.5\r2.5\r", 3, "1 cell where"),
    "CRLF": (b"x,y\r\n0.5,1.5\r\n2.5\r\n", 3, "1 cell where"),
    "odd quotes": (b'x,y\n0.5,a"b\n2.5\n', 3, "1 cell where"),
    "last, no newline": (b"x,y\n0.5,1.5\n2.5", 3, "1 cell where"),
    "first of many": (b"x,y\n" + b"0.5,1.5\n" * 30 + b"1.5\n" + b"0.5,1.5\n" * 30, 32, "1 cell"),
}


@pytest.mark.parametrize("name", RAGGED)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_a_ragged_row_is_an_error_that_names_its_line(tmp_path: Path, name: str, size: int) -> None:
    table, line, found = RAGGED[name]
    source, target = tmp_path / "data.csv", tmp_path / "out.csv"
    source.write_bytes(table)

    done = run(source, "-o", target, "-s", 1, "-c", "x", "-q", "--chunk-size", size)

    assert done.status == 3
    assert len(done.lines) == 1
    assert done.messages.startswith(f"noisify: {source}, line {line}: has {found}")
    assert [source] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("table", "place"),
    [
        pytest.param(b'x,note\n0.5,a\n1.5,"never\nclosed\n2.5,b\n', "line 3", id="in-a-row"),
        pytest.param(b'x,note\n0.5,"a"\n1.5,"', "line 3", id="at-the-end"),
        pytest.param(b'x,"note\n0.5,a\n', "first record", id="in-the-header"),
    ],
)
def test_a_quote_that_is_never_closed_is_an_error(tmp_path: Path, table: bytes, place: str) -> None:
    source, target = tmp_path / "data.csv", tmp_path / "out.csv"
    source.write_bytes(table)

    done = run(source, "-o", target, "-s", 1, "-c", "x", "-q")

    assert done.status == 3
    assert len(done.lines) == 1
    assert "never closed" in done.messages
    assert place in done.messages
    assert [source] == list(tmp_path.iterdir())


@pytest.mark.parametrize("delimiter", [";", "|", "\t", ","])
def test_the_delimiter_is_sniffed(delimiter: str) -> None:
    table = f'x{delimiter}note\n0.5{delimiter}"a;b,c|d"\n1.5{delimiter}e\n'
    noise = normal_noise("x", 2).tolist()

    actual = noisy("-s", 1, given=table.encode())

    first, second = (repr(x + n) for x, n in zip((0.5, 1.5), noise, strict=True))
    assert table.replace("0.5", first).replace("1.5", second) == actual.decode()


@pytest.mark.parametrize("suffix", ["tsv", "tab"])
def test_the_suffix_says_that_tabs_stand_between_cells(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"data.{suffix}"
    source.write_bytes(b"x\ta,b\n0.5\tc,d\n")

    actual = noisy_file(source, "-s", 1).read_text()

    assert f"x\ta,b\n{0.5 + normal_noise('x', 1).item()!r}\tc,d\n" == actual


@pytest.mark.parametrize("typed", [":", "\\t", "tab", "\t", " "])
def test_the_delimiter_can_be_given(typed: str) -> None:
    delimiter = {"\\t": "\t", "tab": "\t"}.get(typed, typed)
    table = f"x{delimiter}a,b\n0.5{delimiter}c,d\n"

    actual = noisy("-s", 1, "--delimiter", typed, given=table.encode()).decode()

    assert table.replace("0.5", repr(0.5 + normal_noise("x", 1).item())) == actual


@pytest.mark.parametrize("typed", ["ab", "", '"', "\n", "1", "é"])
def test_a_delimiter_that_cannot_be_one_is_refused(typed: str) -> None:
    done = run("-s", 1, "--delimiter", typed, given=b"x\n0.5\n")

    assert done.status == 2
    assert len(done.lines) == 1
    assert "is not one character" in done.messages


def test_without_a_header_columns_are_called_by_their_number() -> None:
    table = b"a,0.5\nb,1.5\n"
    noise = normal_noise("2", 2).tolist()

    actual = noisy("-s", 1, "--no-header", given=table)

    assert f"a,{0.5 + noise[0]!r}\nb,{1.5 + noise[1]!r}\n" == actual.decode()
    assert actual == noisy("-s", 1, "--no-header", "-c", "2", given=table)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        pytest.param("a,x,x", "x.1", id="duplicate"),
        pytest.param("a,b,", "Unnamed: 2", id="empty"),
        pytest.param('a,b,"x, y"', "x, y", id="comma"),
        pytest.param('a,b,"say ""hi"""', 'say "hi"', id="quotes"),
        pytest.param("\ufeffa,b,größe", "größe", id="unicode"),
    ],
)
def test_a_column_is_chosen_by_its_name(header: str, name: str) -> None:
    table = f"{header}\n0.5,0.5,0.5\n"

    actual = noisy("-q", "-s", 1, "-c", name, given=table.encode()).decode()

    assert f"{header}\n0.5,0.5,{0.5 + normal_noise(name, 1).item()!r}\n" == actual


def test_na_says_what_means_null() -> None:
    table = b"x\n" + b"0.5\n" * 20 + b"-999\n-\n\n"

    done = run("-s", 1, "--na", "-999", "--na", "missing", "--seed", 1, given=table)

    assert done.output.endswith(b"\n-999\n-\n\n")
    assert done.lines == [
        "noisify: note: standard input, field 'x': 1 cell not a number, left alone"
    ]


@pytest.mark.parametrize(
    ("decimals", "expected"),
    [
        ("0", b'x,y\n2,"1"\n4,1000\n0,-3\n'),
        ("2", b'x,y\n2.50,"1.25"\n4.00,1000.12\n0.12,-3.00\n'),
        ("keep", b'x,y\n2.5,"1.250"\n4,1000.125\n0.12,-3.000\n'),
    ],
)
def test_decimals_round_noisy_numbers_only(decimals: str, expected: bytes) -> None:
    table = b'x,y\n1.5,"0.250"\n3,999.125\n-0.88,-4.000\n'

    assert expected == noisy("-s", 0, "--loc", 1, "--decimals", decimals, given=table)


def test_decimals_leave_untouched_cells_as_they_are() -> None:
    table = b"x,y,z\n1.50000,NA,0.12345\n"

    actual = noisy("-s", 0, "--loc", 1, "-c", "x,y", "--decimals", 1, given=table)

    assert actual == b"x,y,z\n2.5,NA,0.12345\n"


def test_keep_writes_exponents_in_full() -> None:
    actual = noisy("-s", 0, "--loc", 1, "--decimals", "keep", given=b"x\n1.5e1\n0.25\n")

    assert actual == b"x\n16.0\n1.25\n"


def test_latin_1_names_are_read_with_its_encoding() -> None:
    table = "größe,x\n0.5,1.5\n".encode("latin-1")

    actual = noisy("-s", 1, "-c", "größe", "--encoding", "latin-1", given=table)

    number = repr(0.5 + normal_noise("größe", 1).item())
    assert f"größe,x\n{number},1.5\n".encode("latin-1") == actual


# The quick way and the exact way find the cells that Python's csv module finds.

CELLS = st.text(st.sampled_from('ab1.",;\n\r é'), max_size=5)


@st.composite
def written_tables(draw: st.DrawFn) -> bytes:
    """A well-formed table; a cell is quoted where it must be, and where chance has it."""
    width = draw(st.integers(1, 4))
    records = draw(
        st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=8)
    )
    ending = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    lines = [
        ",".join(
            '"' + cell.replace('"', '""') + '"'
            if set(cell) & set('",\r\n') or draw(st.booleans())
            else cell
            for cell in record
        )
        for record in records
    ]
    return (ending.join(lines) + (ending if draw(st.booleans()) else "")).encode()


def by_csv_module(data: bytes) -> list[list[str]]:
    text = io.StringIO(data.decode(), newline="")
    return [record for record in csv.reader(text) if record]


def by_noisify(data: bytes, columns: int, size: int) -> list[list[str]]:
    dialect = Dialect(b",", columns=columns)
    records = []
    for block in RecordReader(io.BytesIO(data), dialect).blocks(size):
        cells = find_cells(block, dialect, list(range(columns)))
        assert block.rows == len(cells.starts)
        for starts, ends in zip(cells.starts.tolist(), cells.ends.tolist(), strict=True):
            bounds = zip(starts, ends, strict=True)
            records.append([cell_text(block.data, start, end) for start, end in bounds])
    return records


def cell_text(data: bytes, start: int, end: int) -> str:
    quoted = data[start - 1 : start] == b'"'
    text = data[start:end].decode()
    return text.replace('""', '"') if quoted else text


@given(table=written_tables(), size=st.integers(1, 100))
def test_cells_are_those_of_the_csv_module(table: bytes, size: int) -> None:
    expected = by_csv_module(table)
    columns = len(expected[0]) if expected else 1

    assert expected == by_noisify(table, columns, size)


@given(table=written_tables())
def test_the_first_record_is_that_of_the_csv_module(table: bytes) -> None:
    expected = by_csv_module(table)

    cells, after = first_record(table, Dialect(b","))

    assert (expected[0] if expected else [""]) == [unquote(cell).decode() for cell in cells]
    assert expected[1:] == by_csv_module(table[after:])


@given(
    lines=st.lists(
        st.lists(st.text(st.sampled_from('ab"1.5 '), max_size=5), min_size=2, max_size=2),
        min_size=1,
        max_size=8,
    ),
    size=st.integers(1, 60),
)
def test_stray_quotes_are_read_as_the_csv_module_reads_them(
    lines: list[list[str]], size: int
) -> None:
    kept = [[cell.lstrip('"') for cell in record] for record in lines]  # strays only, none opens
    data = "".join(",".join(record) + "\n" for record in kept).encode()

    assert kept == by_csv_module(data)
    assert kept == by_noisify(data, 2, size)


def test_a_first_record_longer_than_the_sample_is_not_cut_short(tmp_path: Path) -> None:
    long = "x" * (1 << 20)
    (tmp_path / "in.csv").write_text(f"a,b\n0.5,{long}\n1.5,y\n")

    done = run(tmp_path / "in.csv", "-o", tmp_path / "out.csv", "-c", "a", "-s", 1, "--seed", 1)

    rows = [line.split(",") for line in (tmp_path / "out.csv").read_text().splitlines()]
    assert (0, "") == (done.status, done.messages)
    assert [long, "y"] == [row[1] for row in rows[1:]]
    assert {"0.5", "1.5"}.isdisjoint({row[0] for row in rows[1:]})

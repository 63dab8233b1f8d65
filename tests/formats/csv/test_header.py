"""Heads of CSV files as programs write them: which delimiter, which names, and what to type."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_command import noisy, normal_noise, run

from noisify.formats.csv import delimiters
from noisify.formats.csv.delimiters import Start, sniff
from noisify.formats.csv.types import Dialect

if TYPE_CHECKING:
    from pathlib import Path

TABS = "\t".join
HEADS = {
    "BOM and CRLF": ("\ufeffa;b\r\n1;2,5\r\n2;3,5\r\n", ";"),
    "CR": ("a\tb\r1\t2.5\r2\t3\r", "\t"),
    "one column": ("x\n1\n2\n", ","),
    "one column of texts": ("name\nJohn Doe\nJane X Roe\n", ","),
    "one column of times": ("time\n2024-01-01 12:00:00\n2024-01-02 12:00:00\n", ","),
    "one column, commas in quotes": ('name\n"Doe, John"\n"Roe, Jane"\n', ","),
    "one row": ("a|b|c\n1|2|3\n", "|"),
    "no rows": ("a;b;c", ";"),
    "blank lines": ("\n\na;b\n\n1;2\n\n2;3\n", ";"),
    "R, comma": ('"x","y"\n"1",0.5,2\n"2",0.7,3\n', ","),
    "R, semicolon": ('"x";"y"\n"1";0,5;2\n"2";0,7;3\n', ";"),
    "R, tab": ("x\ty\n1\t0.5\ta\n2\t0.7\tb\n", "\t"),
    "R, one column": ('"x"\n"1";0.5\n"2";0.7\n', ";"),
    "R, names of rows": ('"mpg";"cyl"\n"Mazda RX4";21;6\n"Datsun 710";22,8;4\n', ";"),
    "German Excel": ("Datum;Umsatz;Menge\n01.02.2024;1.234,56;3\n02.02.2024;987,10;4\n", ";"),
    "as many commas": ("Preis;Menge;Rest\n1,5;2,5;1\n2,5;3,5;2\n", ";"),
    "no header, as many commas": ("1;2,5;3,5\n2;3,5;4,5\n", ";"),
    "a comma in each text": ("Name;Ort\nMüller, Hans;Bonn\nMeier, Eva;Bonn\n", ";"),
    "SAS": ('ID|NAME|VISIT\n001|"Smith, J"|01JAN1980\n002|"Roe, A"|02FEB1981\n', "|"),
    "title": ("Report\na;b;c\n1;2;3\n4;5;6\n", ";"),
    "title with a comma": ("Report of sales, 2024\na;b;c\n1;2,5;3\n4;5,5;6\n", ";"),
    "several lines before": ("Station\nFrom: 1, to: 2\n\nt;x\n0;1.5\n1;2.5\n2;3.5\n", ";"),
    "units": ("time;temp\ns;degC\n0;1.5\n1;2.5\n", ";"),
    "footer": ("a;b;c\n1;2;3\n4;5;6\n7;8;9\nTotal: 3, all\n", ";"),
    "94 tabs and commas in texts": (
        TABS(f"c{i}, u" for i in range(95)) + "\n" + (TABS(["x, y"] * 95) + "\n") * 3, "\t",
    ),
    "semicolons in quotes": ('x,y\n1,"a;b;c"\n2,"d;e;f"\n', ","),
    "commas in quotes": ('x;y\n1;"a,b,c"\n2;"d,e,f"\n', ";"),
    "line ends in quotes": ('a;b\n"x\ny, z";1\n"u\nv, w";2\n', ";"),
    "JSON": ('id,j\n1,"{""a"": [1;2]}"\n2,"{""a"": [3;4]}"\n', ","),
    "trailing tabs": ("a\tb\t\n1\t2\t\n3\t4\t\n", "\t"),
    "trailing tabs, not in the header": ("a\tb\n1\t2\t\n3\t4\t\n", "\t"),
    "a tab behind each record": ("a,b\t\n1,2\t\n3,4\t\n", ","),
    "a semicolon behind each record": ("a,b;\n1,2;\n3,4;\n", ","),
    "lists": ("id,tags,n\n1,a|b|c,2\n2,d|e|f,3\n", ","),
    "uneven lists": ("id,tags\n1,a|b\n2,a|b|c\n3,d\n", ","),
    "addresses": ("id\taddr\n1\tA St, B, C\n2\tD St, E, F\n", "\t"),
    "comments": ("# by x, y\n# at z\na;b;c\n1;2;3\n2;3;4\n", ";"),
    "empty cells": ("a;b;c\n;;\n1;;3\n;2;\n", ";"),
    "blanks around": ("a ; b\n1 ; 2\n", ";"),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_the_delimiter_that_cuts_most_evenly_is_taken(name: str) -> None:
    table, delimiter = HEADS[name]

    assert delimiter == sniff(Start(table.encode()), Dialect())[0].decode()


ROWS = st.lists(
    st.tuples(
        st.floats(allow_nan=False, allow_infinity=False).map(repr),
        st.text(st.sampled_from("ab ,;|\t\"'."), max_size=8),
        st.integers(-99, 99).map(str),
    ),
    min_size=2,
    max_size=9,
)


@given(rows=ROWS, delimiter=st.sampled_from(",;|\t"), quoting=st.sampled_from([0, 1, 2]))
def test_what_python_writes_is_sniffed_whatever_texts_hold(
    rows: list[tuple[str, ...]], delimiter: str, quoting: int
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
    writer.writerows([("number", "text", "count"), *rows])

    assert delimiter == sniff(Start(text.getvalue().encode()), Dialect())[0].decode()


@pytest.mark.parametrize("name", [n for n in HEADS if n.startswith(("German", "SAS", "JSON"))])
def test_duckdb_sniffs_the_same(name: str, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(HEADS[name][0])

    ((found,),) = duckdb.sql(
        f"select Delimiter from sniff_csv('{tmp_path / 'in.csv'}')"  # noqa: S608
    ).fetchall()

    assert HEADS[name][1] == found


FALLBACKS = {
    "blanks": ("x y z\n1 2 3\n2 3 4\n", "--delimiter space would cut them into 3 cells"),
    "colons": ("x:y\n1:2\n2:3\n", "--delimiter ':' would cut them into 2 cells"),
    "uneven": ("a;b,c\n1;2;3\n2\n3,4,5,6\n", "--delimiter C says which it is"),
}


@pytest.mark.parametrize("name", FALLBACKS)
def test_a_comma_that_is_only_the_fallback_is_told_of(name: str) -> None:
    table, advice = FALLBACKS[name]

    done = run("-s", 1, given=table.encode())

    assert 1 == len(done.lines)
    assert f"',' is only the fallback; {advice}" in done.messages


TITLES = {
    "title": ("Report\nx,y\n1.5,2\n2.5,3\n", 1, "--comment TEXT"),
    "title, one row": ("Report\nx,y,z\n", 1, "--comment TEXT"),
    "lines before": ("Report\nBonn, 2024\n\nx;y;z\n1.5;2;3\n2.5;3;4\n", 3, "--comment TEXT"),
    "comments": ("# by us\n#\nx,y,z\n1.5,2,3\n", 2, "--comment '#'"),
    "longer comment": ("# a, b, c\nx,y\n1.5,2\n2.5,3\n", 1, "--comment '#'"),
}


@pytest.mark.parametrize("name", TITLES)
def test_lines_before_the_table_are_refused_with_the_options_that_help(name: str) -> None:
    table, lines, comment = TITLES[name]

    done = run("-s", 1, given=table.encode())

    assert (3, 1) == (done.status, len(done.lines))
    advice = f"if the table starts at line {lines + 1}, add --skip-lines {lines}; {comment} passes"
    assert advice in done.messages
    assert b"" == done.output


@pytest.mark.parametrize("name", ["title", "lines before"])
def test_what_the_error_says_helps(name: str) -> None:
    table, lines, _ = TITLES[name]

    output = noisy("-s", 0, "--loc", 1, "-c", "x", "--skip-lines", lines, given=table.encode())

    assert table.replace("2.5", "3.5").replace("1.5", "2.5") == output.decode()


def test_prose_before_a_table_is_refused_with_the_options_that_help() -> None:
    table = b"A report\nof sales, in euros, say\n\nx y\n1.5 2\n2.5 3\n"

    done = run("-s", 1, given=table)

    assert (3, 1) == (done.status, len(done.lines))
    assert "--skip-lines N passes over lines before the table" in done.messages
    assert "--comment TEXT over lines that start so" in done.messages


def test_a_comment_among_the_rows_is_refused_with_the_option_that_helps() -> None:
    done = run("-s", 1, given=b"x,y\n0.5,1\n# end\n")

    assert "line 3: has 1 cell where the first record has 2; --comment '#' passes" in done.messages


def test_a_comment_over_one_column_is_told_of() -> None:
    done = run("-s", 1, given=b"# by us\nx\n1.5\n2.5\n")

    assert (2, 1) == (done.status, len(done.lines))
    assert "the first line starts with '#'; --comment '#' passes over such lines" in done.messages


def test_one_longer_row_is_no_title() -> None:
    done = run("-s", 1, given=b"a,b\n1.5,2\n3.5,4,5\n")

    assert "line 3: has 3 cells where the first record has 2; --ragged keep" in done.messages


# Headers with a name too few.


@pytest.mark.parametrize(("delimiter", "option"), [(";", ()), ("\t", ()), (" ", ("space",))])
def test_row_names_as_r_writes_them_are_a_column_without_a_name(
    delimiter: str, option: tuple[str, ...]
) -> None:
    table = '"x","y"\n"1",0.5,"a"\n"2",1.5,"b"\n'.replace(",", delimiter)
    options = ("--delimiter", *option) if option else ()

    done = run("-s", 0, "--loc", 1, "--seed", 1, *options, given=table.encode())

    assert table.replace("1.5", "2.5").replace("0.5", "1.5") == done.output.decode()
    assert done.lines == [
        (
            "noisify: note: standard input: the header has no name for the first column, "
            "which names the rows"
        )
    ]
    frame = pd.read_csv(io.StringIO(table), sep=delimiter)
    assert ["x", "y"] == list(frame.columns)


def test_row_names_become_a_column_of_another_format(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("x;y\na;0.5;1\nb;1.5;2\n")

    run(tmp_path / "in.csv", "-o", tmp_path / "out.parquet", "-s", 0, "-c", "x", "-q")

    table = pq.read_table(tmp_path / "out.parquet").to_pydict()
    assert {"Unnamed: 0": ["a", "b"], "x": [0.5, 1.5], "y": [1, 2]} == table


def test_a_delimiter_behind_each_row_makes_an_empty_last_column() -> None:
    table = b"x,y\n0.5,1,\n1.5,2,\n"

    assert b"x,y\n1.5,1,\n2.5,2,\n" == noisy("-s", 0, "--loc", 1, given=table)


# A line that tells Excel the delimiter.


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;", "\ufeffsep=;"])
@pytest.mark.parametrize("options", [(), ("--skip-lines", 1)])
def test_a_first_line_may_tell_the_delimiter(line: str, options: tuple[object, ...]) -> None:
    table = f"{line}\r\nx;y,z\r\n1.5;a,b\r\n"

    output = noisy("-s", 0, "--loc", 1, "-c", "x", *options, given=table.encode())

    assert table.replace("1.5", "2.5") == output.decode()


def test_the_delimiter_of_the_first_line_changes_with_the_table(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b"sep=;\nx;y\n1.5;a\tb\n")

    run(tmp_path / "in.csv", "-o", tmp_path / "out.tsv", "-s", 0, "--loc", 1, "--seed", 1)

    assert b'sep=\t\nx\ty\n2.5\t"a\tb"\n' == (tmp_path / "out.tsv").read_bytes()


def test_a_delimiter_that_is_typed_counts_more_than_the_first_line() -> None:
    table = b"sep=;\nx,y\n1.5,a\n"

    assert b"sep=;\nx,y\n2.5,a\n" == noisy("-s", 0, "--loc", 1, "--delimiter", "comma", given=table)


# Delimiters as they are typed.


@pytest.mark.parametrize(
    ("typed", "delimiter"),
    [("tab", "\t"), ("TAB", "\t"), ("comma", ","), ("semicolon", ";"), ("pipe", "|"),
     ("space", " "), ("colon", ":")],
)  # fmt: skip
def test_delimiters_have_names(typed: str, delimiter: str) -> None:
    table = f"x{delimiter}y\n0.5{delimiter}a\n".encode()

    done = run("-s", 1, "--seed", 1, "--delimiter", typed, given=table)

    number = repr(0.5 + normal_noise("x", 1).item())
    assert table.replace(b"0.5", number.encode()) == done.output
    assert "" == done.messages


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (b"x;y\n1;0.5\n", "',' as the delimiter leaves one field; --delimiter ';' makes 2"),
        (b"x\n0.5\n", "--delimiter , leaves one field"),
    ],
)
def test_a_delimiter_that_leaves_one_field_is_told_of(table: bytes, said: str) -> None:
    done = run("-s", 1, "--seed", 1, "--delimiter", ",", given=table)

    assert 1 == len(done.lines)
    assert said in done.messages


def test_a_suffix_that_leaves_one_field_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "in.tsv").write_bytes(b"x,y\n1.5,2\n")

    done = run(tmp_path / "in.tsv", "-s", 1)

    assert (2, 1) == (done.status, len(done.lines))
    assert "tab as the delimiter leaves one field; --delimiter ',' makes 2" in done.messages


# Headers and numbers that are none.


@pytest.mark.parametrize("header", ["1.5,2.5", '"1","2"', "1.5,", "-1e5, 3"])
def test_a_header_of_numbers_is_told_of(header: str) -> None:
    done = run("-s", 1, "--seed", 1, given=f"{header}\n3.5,4.5\n".encode())

    assert done.lines == [
        (
            "noisify: note: standard input: the header has numbers only; --no-header reads it as "
            "the first row"
        )
    ]


@pytest.mark.parametrize("header", ["1.5,x", "2001a,2002", ","])
def test_a_header_of_words_is_not(header: str) -> None:
    assert [] == run("-s", 1, "--seed", 1, given=f"{header}\n3.5,4.5\n".encode()).lines


NOTATIONS = {
    "groups": (['"47,072.02"', '"3,000"'], "--thousands ,"),
    "decimal comma": (['"47,02"', '"3,5"'], "--decimal ,"),
    "German": (['"1.234,56"', '"7,5"'], "--decimal , --thousands ."),
    "French": (['"1 234,56"', '"7,5"'], "--decimal , --thousands ' '"),
    "Swiss": (["1'234.56", "2'000.0"], '--thousands "\'"'),
}


@pytest.mark.parametrize("name", NOTATIONS)
def test_numbers_in_another_notation_are_told_of(name: str) -> None:
    cells, option = NOTATIONS[name]
    table = "x,y\n" + "".join(f"{cell},0.5\n" for cell in cells)

    done = run("-s", 1, "--seed", 1, given=table.encode())

    first = cells[0].strip('"')
    assert f"field 'x' has numbers such as {first!r}; {option} reads them" in done.messages.replace(
        '"1\'234.56"', repr(first)
    )
    assert 1 == len(done.lines)


def test_an_error_says_what_would_make_numbers_of_the_cells() -> None:
    done = run("-s", 1, given=b'x\n"47,072.02"\n"3,000.00"\n')

    assert (2, 1) == (done.status, len(done.lines))
    assert "no field holds numbers" in done.messages
    assert "--thousands , reads them" in done.messages


def test_lists_of_numbers_among_other_texts_are_not_told_of() -> None:
    assert [] == run("-s", 1, "--seed", 1, given=b'x,y\n"1,2",0.5\n"a,b",1.5\n').lines


def test_hints_are_told_of_a_table_that_is_converted(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b"1.5,2.5\n3.5,4.5\n")

    for suffix in ("parquet", "tsv"):
        done = run(tmp_path / "in.csv", "-o", tmp_path / f"o.{suffix}", "-s", 1, "--seed", 1)

        assert 1 == len(done.lines)
        assert "the header has numbers only" in done.messages


def test_one_column_that_is_converted_is_not_told_of(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": ["a;b", "c;d"]}), tmp_path / "in.parquet")

    done = run(tmp_path / "in.parquet", "-o", tmp_path / "o.csv", "-d", "typo", "--rate", 0)

    assert b"x\na;b\nc;d\n" == (tmp_path / "o.csv").read_bytes()
    assert "leaves one field" not in done.messages


# Cells with something behind their quotes.


@pytest.mark.parametrize("cell", ['"1.5" ', '"1.5"\t', '" 1.5 "  '])
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_blanks_behind_the_quotes_of_a_number_stay(cell: str, size: int, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(f"x,y\n{cell},a\n2.5,b\n")
    options = ("-s", 0, "--loc", 1, "--seed", 1, "--chunk-size", size)
    options = (*options, "--mask", tmp_path / "mask.csv", "--mask-values")

    done = run(tmp_path / "in.csv", "-o", tmp_path / "out.csv", *options)
    back = run("--restore", tmp_path / "mask.csv", tmp_path / "out.csv")

    changed = cell.replace("1.5", "2.5")
    assert (0, "") == (done.status, done.messages)
    assert f"x,y\n{changed},a\n3.5,b\n" == (tmp_path / "out.csv").read_text()
    assert (tmp_path / "in.csv").read_bytes() == back.output


def test_blanks_behind_quotes_count_in_conditions() -> None:
    table = b'x,y\n"1.5" ,"a" \n2.5,a\n'

    actual = noisy("-s", 0, "--loc", 1, "-c", "x", "--where", 'x < 2 and y == "a "', given=table)

    assert b'x,y\n"2.5" ,"a" \n2.5,a\n' == actual


def test_texts_behind_quotes_are_converted_as_the_csv_module_reads_them(tmp_path: Path) -> None:
    table = 'a,x\n"?" written,1\n"a" "b",2\n"q"r"s",3\n"t" ,4\n"u""v"w,5\n"y"\tz,6\n'
    (tmp_path / "in.csv").write_text(table)

    for name in ("out.parquet", "out.tsv"):
        run(tmp_path / "in.csv", "-o", tmp_path / name, "-s", 0, "-c", "x", "-q")

    expected = [record[0] for record in csv.reader(io.StringIO(table))][1:]
    with (tmp_path / "out.tsv").open(newline="") as file:
        assert expected == [record[0] for record in csv.reader(file, delimiter="\t")][1:]
    assert expected == pq.read_table(tmp_path / "out.parquet")["a"].to_pylist()


# Whole numbers of any length.


@pytest.mark.parametrize("digits", [19, 20, 38, 39, 76, 308])
def test_whole_numbers_of_any_length_are_exact(digits: int) -> None:
    number = int("1" * digits)

    actual = noisy("-s", 0, "--loc", 1000, "-c", "n", given=f"n\n{number}\n-{number}\n7\n".encode())

    assert f"n\n{number + 1000}\n{1000 - number}\n1007\n" == actual.decode()


def test_whole_numbers_beyond_float64_are_left_as_other_such_numbers_are() -> None:
    table = f"n\n{'9' * 400}\n0.5\n-{'9' * 5000}\n".encode()

    assert table.replace(b"0.5", b"1.5") == noisy("-s", 0, "--loc", 1, given=table)


@pytest.mark.parametrize("digits", [19, 38, 39, 76])
def test_long_whole_numbers_are_converted_exactly(digits: int, tmp_path: Path) -> None:
    number = int("9" * digits) - 2000
    (tmp_path / "in.csv").write_text(f"n\n{number}\n7\n")

    run(tmp_path / "in.csv", "-o", tmp_path / "o.parquet", "-s", 0, "--loc", 10, "-c", "n", "-q")

    found = pq.read_table(tmp_path / "o.parquet")["n"].to_pylist()
    assert [number + 10, 17] == [int(value) for value in found]


@given(
    text=st.text("ab1;, \t|\r\n.", max_size=300),
    delimiter=st.sampled_from([b",", b";", b"\t", b"|"]),
    whole=st.booleans(),
)
def test_plain_records_are_those_of_the_pattern(text, delimiter, whole):
    dialect = Dialect(delimiter)
    expected = _listed(delimiters._records(text.encode(), dialect, whole=whole))
    found = delimiters._plain_records(text.encode(), dialect, whole=whole)

    assert expected == _listed(found)
    assert list(found.widths) == [len(cells) for _, cells in expected]


def _listed(records: delimiters.Records) -> list[tuple[int, list[bytes]]]:
    """Return the offset and the cells of each record."""
    return [(start, list(records.cells(at))) for at, start in enumerate(records.starts)]


def test_plain_records_of_a_long_text_are_those_of_the_pattern():
    text = b"a,b\r\n1,2\r\n" * 20_000
    expected = Start(text.replace(b"a", b'"a"', 1), whole=False).records(Dialect())

    found = Start(text, whole=False).records(Dialect())

    assert [cells for _, cells in _listed(expected)][1:] == [c for _, c in _listed(found)][1:]
    assert len(found.starts) == 100

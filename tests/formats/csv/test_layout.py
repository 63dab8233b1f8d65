from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from run_command import noisy, noisy_file, normal_noise, run

from noisify.core.errors import DataError
from noisify.formats.csv.reference_scan import blanked
from noisify.formats.csv.scan import Dialect, RecordReader, find_cells

if TYPE_CHECKING:
    from pathlib import Path

# Files of csv-spectrum's kinds, and every other layout there is a promise about.

IDENTITIES: dict[str, tuple[bytes, tuple[object, ...]]] = {
    "comma in quotes": (b'first,last,zip\nJohn,Doe,"Anytown, WW",08123\n'[:15] + b"\na,b,1\n", ()),
    "empty cells": (b'a,b,c\n1,"",""\n2,3,4\n', ()),
    "empty cells, CRLF": (b'a,b,c\r\n1,"",""\r\n2,3,4\r\n', ()),
    "JSON": (b'key,val\n1,"{""type"": ""Point"", ""xy"": [102.0, 0.5]}"\n', ()),
    "newlines": (b'a,b,c\n1,2,3\n"Once upon \na time",5,6\n7,8,9\n', ()),
    "quotes and newlines": (b'a,b\n1,"ha \n""ha"" \nha"\n3,4\n', ()),
    "section signs": ("x§n§y\n0.5§1§é\n".encode(), ("--delimiter", "§")),
    "section signs and quotes": ('x§n\n"0.5"§"a§""b"\nç§"é"\n'.encode(), ("--delimiter", "§")),
    "spaces": (b"x y\n0.5 a\n1.5 b\n", ("--delimiter", " ")),
    "control characters": (b"x\x1fy\n0.5\x1fa\n", ("--delimiter", "\x1f")),
    "every line end": (b"x,y\r\n1.5,2\n2.5,3\r3.5,4\n\r\n\r\r\n4.5,5", ()),
    "CR and quotes": (b'x,y\r"1.5","2"\r2.5,"a\rb\nc"\r\r', ()),
    "CR in an unquoted field": (b"x,y\n1.5,a\rb,2\n", ("--ragged", "keep")),
    "preamble": (b'Made by: "us\r\n\r\na,b;c\nx,y\n1.5,2\n', ("--skip-lines", 3)),
    "preamble after a mark": (b"\xef\xbb\xbfa\nx,y\n1.5,2\n", ("--skip-lines", 1)),
    "preamble, no header": (b"a\n1.5,2\n", ("--skip-lines", 1, "--no-header")),
    "all is preamble": (b"a\nb", ("--skip-lines", 2)),
    "comments": (b'#1,"\nx,y\n#\n1.5,2\n"a\n#b",3\n# "q\n2.5,4\n#end', ("--comment", "#")),
    "comments, CR": (b'#1,"\rx,y\r#\r1.5,2\r"a\r#b",3\r# "q\r2.5,4\r#', ("--comment", "#")),
    "comments, odd quotes": (b'x,y\n1.5,6"\n#"\n2.5,"a\n#b"c\n#"\n', ("--comment", "#")),
    "comments of two bytes": (b"//1\nx,y\n/,2\n//1.5,2\n1.5,2\n", ("--comment", "//")),
    "nothing but comments": (b"x,y\n#1\n#2\n", ("--comment", "#")),
    "ragged": (b'x,y\n1.5,2\n1\n2,3,4\n\n"a,b"\n2.5,4\n1,"2\n3",4', ("--ragged", "keep")),
    "ragged, one column": (b"x\n1.5\n1,2\n2.5\n", ("--ragged", "keep", "--delimiter", ",")),
    "ragged, odd quotes": (b'x,y\n1.5,a"b\n1\n2,3,"4"x\n', ("--ragged", "keep")),
    "quotes and names in the header": (b'x,x,"a ""b"", c",,,"d\ne"\n1.5,2,3,4,5,6\n', ()),
    "long lines": (b"x,y\n1.5," + b"z" * 3_000_000 + b"\n2.5,a\n", ()),
    "long header": (b"x," + b"y" * 1_500_000 + b"\n1.5," + b"z" * 1_500_000 + b"\n2.5,a\n", ()),
    "long first record": (b"1.5," + b"z" * 1_500_000 + b"\n2.5,a\n", ("--no-header",)),
    "10,000 columns": (b"\n".join([b",".join(b"c%d" % i for i in range(10_000))]
                                  + [b",".join([b"0.5"] * 10_000)] * 2), ("-c", "c9")),
    "10,000 columns of one name": (b",".join([b"x"] * 10_000) + b"\n" + b",".join([b"1"] * 10_000),
                                   ("-c", "x.9999")),
}  # fmt: skip


@pytest.mark.parametrize("size", [1, 1 << 20])
@pytest.mark.parametrize("name", IDENTITIES)
def test_no_noise_gives_the_file_back_to_the_byte(name: str, size: int) -> None:
    table, options = IDENTITIES[name]
    chosen = () if "-c" in options else ("-c", "*")
    size = max(size, len(table) // 100)

    done = run("-s", 0, "--seed", 1, "--chunk-size", size, *chosen, *options, given=table)

    assert (0, table) == (done.status, done.output), done.messages


@pytest.mark.parametrize("size", [1, 1 << 20])
@pytest.mark.parametrize("name", [n for n in IDENTITIES if len(IDENTITIES[n][0]) < 1000])
def test_texts_without_noise_give_the_file_back_to_the_byte(name: str, size: int) -> None:
    table, options = IDENTITIES[name]

    done = run("-d", "typo", "--rate", 0, "-c", "*", "--seed", 1, "--chunk-size", size, *options,
               given=table)  # fmt: skip

    assert (0, table) == (done.status, done.output), done.messages


def values(table: bytes) -> str:
    """Return a table whose numbers are to get noise, and what they become: x is 10 more."""
    return re.sub(r"@(\d+)", lambda m: str(int(m[1]) + 10), table.decode())


# In these, @ stands before each cell that is to get 10 more.
NOISED: dict[str, tuple[str, tuple[object, ...]]] = {
    "section signs": ("x§n\n@1§2\n@2§é\n@3§\n", ("--delimiter", "§")),
    "section signs and quotes": ('x§n\n"@1"§"a§""b"\n@2§"é\n"\n', ("--delimiter", "§")),
    "CR": ("x,n\r@1,2\r\r@2,3\r@3,4", ()),
    "every line end": ("x,n\r\n@1,2\n@2,3\r@3,4\r\n@4,5\r", ()),
    "CR and quotes": ('x,n\r@1,"2\r"\r"@2",3\r@3,"4"', ()),
    "preamble": ("1,2\n3\n\nx,n\n@1,2\n@2,3\n", ("--skip-lines", 3)),
    "comments": ('#1,2\nx,n\n#1,2\n@1,2\n#\n@2,"3\n#"\n#1,"\n@3,4\n#5,6', ("--comment", "#")),
    "comments, CRLF": ('#1,2\r\nx,n\r\n#1\r\n@1,"2\r\n#"\r\n#"\r\n@3,4\r\n', ("--comment", "#")),
    "comments, odd quotes": ('x,n\n@1,6"\n#"\n@2,a"\n#7,8\n@3,4\n', ("--comment", "#")),
    "ragged": ('x,n\n@1,2\n1\n\n@2,3\n2,3,4\n@3,"4"\n"1,2"\n', ("--ragged", "keep")),
    "ragged, odd quotes": ('x,n\n@1,2"\n1\n@2,3\n2,3,4\n', ("--ragged", "keep")),
    "ragged, section signs": ("x§n\n@1§2\n1\n@2§3\n", ("--ragged", "keep", "--delimiter", "§")),
    "ragged, as many cells": ("x,n\n1,2,3\n1\n@1,2\n", ("--ragged", "keep")),
    "ragged and comments": (
        "x,n,m\n1\n##\n@1,2,3", ("--ragged", "keep", "--comment", "#", "--delimiter", ","),
    ),
}  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize("name", NOISED)
def test_noise_goes_into_the_cells_of_its_column(name: str, size: int) -> None:
    marked, options = NOISED[name]

    done = run("-s", 0, "--loc", 10, "-c", "x", "--seed", 1, "-q", "--chunk-size", size, *options,
               given=marked.replace("@", "").encode())  # fmt: skip

    assert (0, values(marked.encode())) == (done.status, done.output.decode()), done.messages


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp037"])
def test_a_delimiter_that_is_not_ascii_is_one_character_in_any_encoding(encoding: str) -> None:
    table = "x§§n\n1§a§2\n".encode(encoding)
    options = ("-c", "x", "--delimiter", "§", "--encoding", encoding)

    actual = noisy("-s", 0, "--loc", 10, *options, given=table)

    assert "x§§n\n11§a§2\n".encode(encoding) == actual


@pytest.mark.parametrize("typed", ["§§", "é", "٣", "\ufeff", "\r", "A"])
def test_what_can_be_no_delimiter_is_refused(typed: str) -> None:
    done = run("-s", 1, "--delimiter", typed, given=b"x\n0.5\n")

    assert (2, 1) == (done.status, len(done.lines))
    assert "is not one character such as" in done.messages


def test_a_delimiter_that_the_encoding_lacks_is_refused() -> None:
    done = run("-s", 1, "--delimiter", "→", "--encoding", "latin-1", given=b"x\n0.5\n")

    assert done.status == 2
    assert "there is no delimiter '→' in iso8859-1" in done.messages


def test_comments_and_empty_lines_are_no_rows() -> None:
    bare = b"x,y\n" + b"0.5,a\n" * 40
    with_more = re.sub(rb"0.5,a\n0.5,a\n", b'0.5,a\n# "x\n\n0.5,a\n', bare)

    actual = noisy("-s", 1, "--comment", "#", given=with_more)

    assert noisy("-s", 1, given=bare) == actual.replace(b'# "x\n\n', b"")
    assert actual.count(b'# "x\n\n') == 20


def test_ragged_rows_count_as_rows() -> None:
    table = "x,y\n" + "0.5,a\n0.5\n0.5,b,c\n" * 10
    noise = normal_noise("x", 30).tolist()

    done = run("-s", 1, "--ragged", "keep", "--seed", 1, given=table.encode())

    lines = [f"{0.5 + n!r},a" if at % 3 == 0 else ("0.5", "0.5,b,c")[at % 3 - 1]
             for at, n in enumerate(noise)]  # fmt: skip
    assert ["x,y", *lines] == done.output.decode().splitlines()
    assert done.lines == [
        "noisify: note: 20 rows of standard input too short or too long, left alone"
    ]


@pytest.mark.parametrize("options", [(), ("-s", "0.1sd"), ("--chunk-size", 8), ("--append",)])
def test_ragged_rows_are_told_of_once(tmp_path: Path, options: tuple[object, ...]) -> None:
    source = tmp_path / "in.csv"
    source.write_bytes(b"x,y\n0.5,a\n0.5\n1.5,b\n")
    level = () if "-s" in options else ("-s", 1)

    done = run(
        source, "-o", tmp_path / "out.csv", "--ragged", "keep", "--seed", 1, *level, *options
    )

    assert done.lines == [f"noisify: note: 1 row of {source} too short or too long, left alone"]


@pytest.mark.parametrize("size", [1, 1 << 20])
@pytest.mark.parametrize("quote", ["", '"'])
def test_errors_count_preamble_and_comments_as_lines(size: int, quote: str) -> None:
    table = f'pre"amble\n\nx,y\n#\n0.5,{quote}a{quote}\n# c,d,e\n1.5\n'
    options = ("--skip-lines", 2, "--comment", "#", "--chunk-size", size)

    done = run("-s", 1, "-c", "x", *options, given=table.encode())

    assert done.messages == (
        "noisify: standard input, line 7: has 1 cell where the first record has 2; "
        "--ragged keep leaves such rows alone\n"
    )


def test_more_lines_to_skip_than_there_are_is_an_error() -> None:
    done = run("-s", 1, "--skip-lines", 5, given=b"x\n0.5\n")

    assert (3, b"") == (done.status, done.output)
    assert done.messages == (
        "noisify: standard input: has 2 lines, all of them skipped; lower --skip-lines\n"
    )


@pytest.mark.parametrize("comment", ["", "-", "+", "1", "-.5", '"', "#\n"])
def test_a_comment_that_could_be_a_record_is_refused(comment: str) -> None:
    done = run("-s", 1, "--comment", comment, given=b"x\n0.5\n")

    assert (2, 1) == (done.status, len(done.lines))
    assert "could be the start of a record" in done.messages


def test_a_text_that_has_come_to_look_like_a_comment_is_put_in_quotes() -> None:
    table = b"name,x,name\n" + b"ab,0.5,ab\n" * 300
    options = ("-d", "missing", "--rate", "50%", "-c", "name,name.1", "--comment", "#")

    actual = noisy("-q", *options, "--na", "#N/A", given=table)

    firsts, lasts = ({line.split(b",")[at] for line in actual.splitlines()[1:]} for at in (0, 2))
    assert ({b"ab", b'"#N/A"'}, {b"ab", b"#N/A"}) == (firsts, lasts)


@pytest.mark.parametrize("size", [1, 20, 1 << 20])
def test_dropped_and_repeated_rows_leave_what_stands_between_them(size: int) -> None:
    rows = [f"{at},a\n" if at % 3 else f"{at}\n" for at in range(1, 60)]
    between = [f'# "{at}\n\n' for at in range(60)]
    table = "x,y\n" + between[0] + "".join(r + b for r, b in zip(rows, between[1:], strict=True))
    options = ("--comment", "#", "--ragged", "keep", "--chunk-size", size, "-q", "--seed", 1)
    noise = ("--noise", "=drop-rows:30%", "--noise", "=duplicate-rows:30%")

    done = run(*noise, *options, given=table.encode())

    kept = [line for line in done.output.decode().splitlines(keepends=True) if line[0] in "#\n"]
    found = [line for line in done.output.decode().splitlines(keepends=True) if line[0].isdigit()]
    assert "".join(between) == "".join(kept)
    assert set(found) < set(rows)
    assert len(found) > len(set(found))
    assert done.output == run(*noise, *options[:4], "-q", "--seed", 1, given=table.encode()).output


def test_noise_with_comments_and_ragged_rows_is_undone(tmp_path: Path) -> None:
    source, mask = tmp_path / "in.csv", tmp_path / "mask.csv"
    source.write_bytes(b'x,y\n#c,"\n0.5,a\n1\n#\n"1.5","b\n#"\n2.5,c,d\n 3.5 ,e\n#')
    options = ("--comment", "#", "--ragged", "keep", "-q")
    after = noisy_file(source, "-s", 1, *options, "--mask", mask, "--mask-values")

    done = run(after, "--restore", mask, *options)

    assert source.read_bytes() != after.read_bytes()
    assert (0, source.read_bytes()) == (done.status, done.output)


def test_a_pipe_whose_first_record_is_long_gives_what_the_file_gives(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_bytes(b"x," + b"y" * 1_200_000 + b"\n1.5,a\n2.5,b\n")

    done = run("-s", 1, "--seed", 1, given=source.read_bytes())

    assert noisy_file(source, "-s", 1).read_bytes() == done.output
    assert done.status == 0


# The quick way, the exact way and Python's csv module agree.

PIECES = st.lists(st.sampled_from([*'ab",;\n\r# \t', "\r\n", '""', "é"]), max_size=40).map("".join)


def quickly_and_exactly(data: bytes, dialect: Dialect, size: int) -> list[list[list[bytes]]]:
    """Return the cells of the records, found in both ways."""
    found = []
    for exactly in (False, True):
        reader = RecordReader(io.BytesIO(data), dialect)
        if exactly:
            reader.cut = reader._cut_exactly  # type: ignore[method-assign]
        records, rest = [], b""
        for block in reader.blocks(size):
            cells = find_cells(block, dialect, list(range(dialect.columns)))
            assert (block.rows, dialect.columns) == cells.starts.shape
            bounds = zip(cells.starts.tolist(), cells.ends.tolist(), strict=True)
            records += [[block.data[s:e] for s, e in zip(*both, strict=True)] for both in bounds]
            rest += block.data
        assert data == rest
        found.append(records)
    return found


@pytest.mark.parametrize(("lead", "ending"), [(0, ""), (1, "\n"), (2, "\n\n"), (3, "")])
@pytest.mark.parametrize("delimiter", [",", "é"])
def test_both_ways_find_the_same_cells_of_a_large_block(
    lead: int, delimiter: str, ending: str
) -> None:
    text = "\n" * lead + ("1" * 60 + delimiter + "22\n\n") * 4096 + "3" + delimiter + ending

    dialect = Dialect(delimiter.encode(), columns=2)
    quickly, exactly = quickly_and_exactly(text.encode(), dialect, 1 << 21)

    assert exactly == quickly


@given(
    text=PIECES,
    delimiter=st.sampled_from([",", ";", "é"]),
    comment=st.sampled_from(["", "#", "a"]),
    columns=st.integers(1, 3),
    size=st.integers(1, 50),
)
def test_both_ways_find_the_same_cells(
    text: str, delimiter: str, comment: str, columns: int, size: int
) -> None:
    dialect = Dialect(delimiter.encode(), comment.encode(), keep_ragged=True, columns=columns)
    closed = text + '"' if text.count('"') % 2 else text
    try:
        quickly, exactly = quickly_and_exactly(closed.encode(), dialect, size)
    except DataError as error:
        assume("never closed" not in str(error))
        raise

    assert exactly == quickly


@given(text=PIECES.map(lambda text: text.replace('"', "")), size=st.integers(1, 20))
def test_without_quotes_comments_are_the_lines_that_start_so(text: str, size: int) -> None:
    lines = [line for line in re.split(r"\r\n|\r|\n", text) if line and not line.startswith("#")]
    expected = [record for record in csv.reader(lines) if len(record) == 2]
    dialect = Dialect(b",", b"#", keep_ragged=True, columns=2)

    quickly, exactly = quickly_and_exactly(text.encode(), dialect, size)

    assert quickly == exactly
    ragged = sum(len(line.split(",")) != 2 for line in lines)
    assert len(expected) + ragged == len(quickly)
    assert [[c.decode() for c in r] for r in quickly if r != [b"", b""]] == [
        record for record in expected if record != ["", ""]
    ]


@pytest.mark.parametrize(
    ("data", "at_end", "expected"),
    [
        (b"#a\n1\n", False, b"\n\n\n1\n"),
        (b"1\r#a\r\n2", True, b"1\r\n\n\n\n2"),
        (b'1,"\n#a\n"\n#"\n', True, b'1,"\n#a\n"\n\n\n\n'),
        (b"1\n#half", False, b"1\n     "),
        (b"1\n#half\r", False, b"1\n      "),
        (b"1\n#last", True, b"1\n\n\n\n\n\n"),
        (b"1#\n2 #\n", True, b"1#\n2 #\n"),
    ],
)
def test_comments_become_empty_lines_of_the_same_length(
    data: bytes, *, at_end: bool, expected: bytes
) -> None:
    assert expected == blanked(data, b"#", at_end=at_end)


def test_a_column_of_many_has_its_own_noise() -> None:
    names = [f"c{at}" for at in range(3000)]
    table = ",".join(names) + "\n" + ("0.5," * 3000)[:-1] + "\n"

    actual = noisy("-s", 1, given=table.encode()).decode().splitlines()[1].split(",")

    expected = [0.5 + normal_noise(name, 1)[0] for name in ("c0", "c1500", "c2999")]
    np.testing.assert_array_equal(expected, [float(actual[at]) for at in (0, 1500, 2999)])


def test_columns_of_one_name_are_told_of() -> None:
    """`-c x` chooses the first only."""
    done = run("-s", 0, "-c", "x", "--seed", 1, given=b"x,x,,x\n0.5,1.5,2,3\n")

    note = "standard input: has fields of one name: 'x.1' is a further 'x', 'x.2' is a further 'x'"
    assert (0, [f"noisify: note: {note}"]) == (done.status, done.lines)

"""Backslashes before quotes: read with --escape, and refused where that is not settled."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from run_command import noisy, normal_noise, run

from noisify.core.errors import DataError
from noisify.formats.csv.cells import decode
from noisify.formats.csv.numbers import chosen, slices
from noisify.formats.csv.scan import RecordReader, find_cells
from noisify.formats.csv.types import Cells, Dialect

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

ESCAPE = ("--escape", "\\")


def lines(*texts: str) -> str:
    return "".join(text + "\n" for text in texts)


ESCAPED = {
    "quotes": lines("a,x", r'"say \"hi\"",@1', r'"\"",@2'),
    "commas": lines("a,x", r"p\,q,@1", r'"p\\",@2'),
    "line ends": 'a,x\n"p\\\nq",@1\np\\\nq,@2\n',
    "doubled, too": lines("a,x", r'"p""q\"",@1'),
    "in the header": lines(r'"a\"b","x"', "p,@1"),
    "before letters": lines("a,x", r"\N,@1", r'"\n",@2'),
    "and CRLF": 'a,x\r\n"\\"",@1\r\n"p",@2\r\n',
}


@pytest.mark.parametrize("comment", [(), ("--comment", "#")])
@pytest.mark.parametrize("size", [1, 5, 1 << 20])
@pytest.mark.parametrize("name", ESCAPED)
def test_escaped_characters_end_nothing(name: str, size: int, comment: tuple[str, ...]) -> None:
    marked = ESCAPED[name] + ("# it's \\\nend,@7\n" if comment else "")
    expected = re.sub(r"@(\d+)", lambda m: str(int(m[1]) + 10), marked)
    options = ("-s", 0, "--loc", 10, "-c", "x", "--chunk-size", size, *ESCAPE, *comment)

    assert expected == noisy(*options, given=marked.replace("@", "").encode()).decode()


def test_texts_are_what_pandas_reads(tmp_path: Path) -> None:
    table = lines("a,x", r'"say \"hi\"",1', r"p\,q,2", r'"\\",3')
    (tmp_path / "in.csv").write_text(table)

    run(tmp_path / "in.csv", "-o", tmp_path / "o.parquet", "-s", 0, "-c", "x", "-q", *ESCAPE)
    run(tmp_path / "in.csv", "-o", tmp_path / "o.tsv", "-s", 0, "-c", "x", "-q", *ESCAPE)

    expected = pd.read_csv(io.StringIO(table), escapechar="\\")["a"].tolist()
    again = pd.read_csv(tmp_path / "o.tsv", sep="\t", escapechar="\\")["a"].tolist()
    assert expected == pq.read_table(tmp_path / "o.parquet")["a"].to_pylist() == again


def test_noisy_texts_are_escaped() -> None:
    table = 'a,x\n"p\\"q\\\\",1\n' * 1 + '"p\\"q\\\\",2\n' * 50
    options = ("-d", "typo", "--rate", 1, "-c", "a", *ESCAPE)

    after = noisy(*options, given=table.encode()).decode()

    records = list(csv.reader(io.StringIO(after), escapechar="\\", doublequote=False))
    assert all(len(record) == 2 for record in records)
    assert all(record[0] != 'p"q\\' for record in records[1:])
    assert any('"' in record[0] and "\\" in record[0] for record in records[1:])


def test_conditions_see_what_cells_say() -> None:
    table = b'a,x\n"p\\"q",1.5\n"p",2.5\n'

    actual = noisy("-s", 0, "--loc", 1, "-c", "x", "--where", "a == 'p\"q'", *ESCAPE, given=table)

    assert b'a,x\n"p\\"q",2.5\n"p",2.5\n' == actual


def test_noise_between_escapes_is_undone(tmp_path: Path) -> None:
    table, mask = tmp_path / "in.csv", tmp_path / "mask.csv"
    table.write_bytes(b'a,x\n"p\\"q",1.5\np\\,q,"2.5"\n')
    options = ("-d", "typo", "--rate", 1, "-c", "a,x", "-q", "--seed", 1, *ESCAPE)
    run(table, "-o", tmp_path / "out.csv", *options, "--mask", mask, "--mask-values")

    done = run("--restore", mask, tmp_path / "out.csv", *ESCAPE)

    assert table.read_bytes() != (tmp_path / "out.csv").read_bytes()
    assert table.read_bytes() == done.output


UNSETTLED = {
    "at the end of a cell": (b'a,x\n"x\\"",1.5\n"y\\"",2.5\n"z",3.5\n', 2),
    "within a cell": (b'x,a\n0.5,b\n1.5,"say \\"hi\\" now"\n', 3),
    "before a comma": (b'a,x\nb,0.5\n"5\\", long",1.5\n', 3),
    "in the header": (b'"a \\"b\\"",x\nc,0.5\n', 1),
    "never closed": (b'a,x\n"b\\"",0.5\nc,1.5\n', 2),
}


@pytest.mark.parametrize("size", [1, 1 << 20])
@pytest.mark.parametrize("name", UNSETTLED)
def test_what_makes_sense_with_escapes_only_is_refused(
    name: str, size: int, tmp_path: Path
) -> None:
    table, line = UNSETTLED[name]
    source = tmp_path / "in.csv"
    source.write_bytes(table)

    done = run(source, "-o", tmp_path / "out.csv", "-s", 1, "-c", "x", "--chunk-size", size)

    assert (3, 1) == (done.status, len(done.lines))
    assert done.messages.startswith(f'noisify: {source}, line {line}: has \\" in a quoted cell')
    assert "--escape '\\'" in done.messages
    assert [source] == list(tmp_path.iterdir())


def test_a_path_that_ends_in_a_backslash_is_a_cell_like_others() -> None:
    table = b'a,x\n"C:\\dir\\",1.5\n"a ""\\"" b",2.5\n'

    done = run("-s", 0, "--loc", 1, "--seed", 1, given=table)

    assert table.replace(b"2.5", b"3.5").replace(b"1.5", b"2.5") == done.output
    assert (0, "") == (done.status, done.messages)


def test_an_empty_escape_says_that_backslashes_are_text() -> None:
    table = b'x,a\n0.5,"say \\"hi there\n1.5,"b"\n'

    assert 3 == run("-s", 0, "-c", "x", given=table).status
    assert table == noisy("-s", 0, "-c", "x", "--escape", "", given=table)


@pytest.mark.parametrize("typed", ["\\\\", "a", '"', "\n", " ", "é"])
def test_what_can_be_no_escape_is_refused(typed: str) -> None:
    done = run("-s", 1, "--escape", typed, given=b"x\n0.5\n")

    assert (2, 1) == (done.status, len(done.lines))
    assert "--escape" in done.messages


PIECES = st.lists(
    st.sampled_from(["a", "1", '"', '""', ",", ',"', '",', "\n", "\r\n", "\\", '\\"', "é", " "]),
    max_size=25,
).map("".join)
AFTER_QUOTES = re.compile(r'"(?:[^"\\]|""|\\[\s\S])*"(?!")\\')
"""There `csv` takes an escape for text; nobody writes that."""


def texts_of(raw: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> list[str]:
    cells = Cells(raw, starts, ends)
    texts: list[str] = decode(chosen(slices(cells)), cells.quoted(), "utf-8", b"\\").tolist()
    return texts


@given(text=PIECES, columns=st.integers(1, 3), size=st.integers(1, 40))
def test_cells_are_those_of_the_csv_module(text: str, columns: int, size: int) -> None:
    assume(not text.endswith("\\") and not AFTER_QUOTES.search(text))
    records = csv.reader(io.StringIO(text, newline=""), escapechar="\\")
    expected = [record for record in records if record]
    dialect = Dialect(escape=b"\\", keep_ragged=True, columns=columns)
    found = []
    try:
        for block in RecordReader(io.BytesIO(text.encode()), dialect).blocks(size):
            cells = find_cells(block, dialect, list(range(columns)))
            for row, bounds in enumerate(zip(cells.starts, cells.ends, strict=True)):
                ragged = cells.ragged is not None and cells.ragged[row]
                found.append(None if ragged else texts_of(block.data, *bounds))
    except DataError as error:
        assume("never closed" not in str(error))
        raise

    assert [r if len(r) == columns else None for r in expected] == found


def test_the_noise_is_that_of_the_rows() -> None:
    noise = normal_noise("x", 2).tolist()

    actual = noisy("-s", 1, *ESCAPE, given=b'a,x\n"\\"\n",0.5\n"b",1.5\n').decode()

    assert f'a,x\n"\\"\n",{0.5 + noise[0]!r}\n"b",{1.5 + noise[1]!r}\n' == actual

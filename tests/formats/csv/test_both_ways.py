from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from csv_text import NOT_BUILT, quoted
from example_counts import examples
from hypothesis import example, given
from hypothesis import strategies as st
from run_command import Done, clean_environment, run

from noisify.core.native import PURE

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = NOT_BUILT

NUMBERS = st.one_of(
    st.floats().map(repr),
    st.integers(-(2**64), 2**64).map(str),
    st.floats(-1e3, 1e3).map("{:.2f}".format),
    st.sampled_from(["-999", " -999", "-999.0", "+5", ".5", "5.", "1e400", "007", "-0", " 1 "]),
    st.sampled_from(["1" * 18, "1" * 19, "-" + "9" * 19, "9" * 30, "1" * 45, "0" * 20 + "1"]),
)
OTHERS = st.sampled_from(
    ["", "NA", "nan", "-nan", "inf", "-Infinity", "nan(1)", "abc", "0x10", "1_0", "1e", ".", " "]
)
TEXTS = st.text(st.sampled_from('ab1.,;"\r\n# \té\0'), max_size=6)


def outside_quotes(text: str) -> str:
    return re.sub(r'[,"\r\n]', "", text)


ORDINARY = st.one_of(
    NUMBERS, OTHERS, NUMBERS.map(quoted), TEXTS.map(quoted), TEXTS.map(outside_quotes)
)
WILD = ORDINARY | TEXTS


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """Draw a table that is odd in all the ways that a table can be."""
    columns = draw(st.integers(1, 4))
    cell = draw(st.sampled_from([NUMBERS, NUMBERS | OTHERS, ORDINARY, ORDINARY, WILD]))
    record = st.lists(cell, min_size=columns, max_size=columns).map(",".join)
    if draw(st.integers(0, 3)) == 0:
        record |= st.lists(cell, max_size=5).map(",".join)
    if draw(st.integers(0, 3)) == 0:
        record |= st.sampled_from(["# note", "#,", '# "', "#"])
    ends = st.sampled_from(draw(st.sampled_from([["\n"], ["\r\n"], ["\r"], ["\n", "\r\n", "\r"]])))
    ends = st.tuples(ends, st.sampled_from([1, 1, 1, 2])).map(lambda end: end[0] * end[1])
    header = ",".join("xyzw"[:columns]) + draw(ends)
    data = header + "".join(line + draw(ends) for line in draw(st.lists(record, max_size=12)))
    if draw(st.booleans()):
        data = data.rstrip("\r\n")
    return data.encode("utf-8")


NOISE = [
    ("-s", "0.5"),
    ("-s", "5%", "--decimals", "2"),
    ("-s", "1e300", "--decimals", "keep"),
    ("-s", "2", "--decimals", "0"),
    ("-d", "missing", "--rate", "40%"),
    ("-d", "missing", "--rate", "40%", "--noise", "x=normal:1"),
    ("-d", "typo", "--rate", "50%"),
    ("-s", "0.1", "--where", "x > 0"),
    ("-s", "0.1sd"),
    ("-d", "drop-rows", "--rate", "30%", "--noise", "x=normal:1"),
    ("-s", "1e19"),
]
READ = [
    (),
    ("--na", "-999"),
    ("--na", "inf", "--na", " "),
    ("--comment", "#"),
    ("--ragged", "keep"),
    ("--ragged", "keep", "--comment", "#", "--na", "1"),
    ("--decimal", ","),
    ("--thousands", ";"),
    ("--strict",),
    ("--no-header",),
]


def outcome(done: Done) -> tuple[int, bytes | None, str]:
    """Return what must not vary: how much is written before an error is seen may."""
    return done.status, None if done.status else done.output, done.messages


def both(table: bytes, *options: object) -> tuple[Done, Done]:
    arguments = ("-c", "*", "--seed", 1, "--delimiter", ",", *options)
    compiled, pure = (run(*arguments, given=table, variables={PURE: way}) for way in ("", "1"))
    return compiled, pure


@examples(400)
@given(
    table=tables(),
    noise=st.sampled_from(NOISE),
    read=st.sampled_from(READ),
    size=st.sampled_from([1, 30, 1 << 20]),
)
@example(b"x,y\n1,2\n\n3", NOISE[0], READ[0], 1)
@example(b'x,y\n"a"b,2\n# c,d\n3,"', NOISE[0], READ[3], 1)
@example(b"x,y\n1, 2 \n,7\n4,\n", NOISE[0], READ[0], 1 << 20)
def test_both_ways_give_the_same_bytes(
    table: bytes, noise: tuple[str, ...], read: tuple[str, ...], size: int
) -> None:
    compiled, pure = both(table, *noise, *read, "--chunk-size", size)

    assert outcome(pure) == outcome(compiled)


@pytest.mark.slow
@examples(200)
@given(table=tables(), noise=st.sampled_from(NOISE), read=st.sampled_from(READ))
@pytest.mark.parametrize("way", ["", "1"], ids=["compiled", "pure"])
def test_no_way_depends_on_the_size_of_the_blocks(
    way: str, table: bytes, noise: tuple[str, ...], read: tuple[str, ...]
) -> None:
    arguments = ("-c", "*", "--seed", 1, "--delimiter", ",", *noise, *read)
    found = [
        run(*arguments, "--chunk-size", size, given=table, variables={PURE: way})
        for size in (1, 50, 1 << 20)
    ]

    assert [outcome(found[0])] * 3 == [outcome(one) for one in found]


def test_the_compiled_part_does_not_wait_for_pyarrow(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_bytes(
        b'x,n,note,day,code\n0.5,7,"a ""b""",2024-01-01,007\n1.5,NA,c,2024-01-02,08\n'
    )
    code = (
        "import sys\n"
        "from noisify.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: assert 'pyarrow' not in sys.modules, 'imported'\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, table, "-o", table.with_name("noisy.csv"), "-s", "1", "-q"],
        check=False,
        capture_output=True,
        env=clean_environment({PURE: ""}),
    )

    assert (0, b"") == (done.returncode, done.stderr)

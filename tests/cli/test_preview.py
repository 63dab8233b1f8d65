"""`--preview`: a dozen rows before and after, with what changed marked."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import run

if TYPE_CHECKING:
    from pathlib import Path

WIDE = "\N{CJK UNIFIED IDEOGRAPH-6F22}"
TABLE = "id,x,when,word\n" + "".join(
    f"{at},{'' if at == 2 else at / 4},2024-03-0{at % 9 + 1}T06:00:00,{WIDE}{at}\n"
    for at in range(20)
)
COLOUR = re.compile(r"\x1b\[([\d;]*)m")
SHOWN = ("--seed", 1, "--preview")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(TABLE, encoding="utf-8")
    return path


def shown(*words: object, **variables: str) -> list[str]:
    """Return the lines of a preview's tables."""
    done = run(*words, *SHOWN, variables={"NO_COLOR": "", "FORCE_COLOR": "", **variables})
    assert (0, "") == (done.status, done.messages)
    return done.output.decode().partition("\n\n")[2].splitlines()


def test_a_dozen_rows_before_and_after_and_nothing_written(table):
    lines = shown(table, "-c", "x", "-d", "missing", "--rate", "40%")

    assert lines[:2] == ["row  x", "     before      after"]
    rows = [line.split() for line in lines[2:14]]
    assert [str(at) for at in range(12)] == [row[0] for row in rows]
    assert ["2", "-", "-"] == rows[2]
    others = [row for row in rows if row[0] != "2"]
    assert [str(int(row[0]) / 4) for row in others] == [row[1] for row in others]
    assert {"(missing)*"} | {row[1] for row in others} >= {row[2] for row in others}
    assert "(missing)*" in {row[2] for row in others}
    assert ["", "* changed"] == lines[14:]
    assert [table] == list(table.parent.iterdir())


def test_the_values_are_those_that_a_run_writes(table):
    lines = shown(table, "-c", "x", "-s", 1)
    noisy = run(table, "-c", "x", "-s", 1, "--seed", 1).output.decode().splitlines()[1:13]

    after = [line.split()[2] for line in lines[2:14]]
    assert [line.split(",")[1] or "-" for line in noisy] == [text.rstrip("*") for text in after]


def test_fields_side_by_side_as_far_as_the_terminal_is_wide(table):
    noise = ("--noise", "x=normal:1", "--noise", "when=normal:9s", "--noise", "word=typo:90%")

    wide, narrow = (shown(table, *noise, COLUMNS=columns) for columns in ("200", "60"))

    assert 1 == sum(line.startswith("row") for line in wide)
    assert ["row", "x", "when", "word"] == wide[0].split()
    assert 2 <= sum(line.startswith("row") for line in narrow)
    assert 60 >= max(map(len, narrow))
    assert any("2024-03-01T06:00:0" in line or "2024-03-01T05:59:5" in line for line in wide)


def test_wide_characters_take_two_places(table):
    lines = shown(table, "-c", "word", "-d", "typo", "--rate", "90%")

    # each ideograph is one character on two columns of the terminal
    ends = [len(line.rstrip("* ")) + line.count(WIDE)
            for line in lines[2:14]]  # fmt: skip
    assert 1 == len(set(ends))


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        ({}, True),
        pytest.param({"NO_COLOR": "1"}, False, marks=pytest.mark.slow),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo-terminals")
def test_colours_on_a_terminal(table, variables, coloured):
    import pty  # noqa: PLC0415 - not on Windows

    master, terminal = pty.openpty()
    words = ("--preview", "--seed", "1", "-c", "x", "-d", "missing", "--rate", "40%")
    plain = {name: text for name, text in os.environ.items() if not name.endswith("_COLOR")}
    with subprocess.Popen(
        [sys.executable, "-m", "noisify", table, *words],
        stdin=subprocess.DEVNULL, stdout=terminal, stderr=subprocess.PIPE,
        env={**plain, "TERM": "xterm", "COLUMNS": "80", **variables},
    ) as process:  # fmt: skip
        os.close(terminal)
        text = b""
        try:
            while data := os.read(master, 1 << 16):
                text += data
        except OSError:  # the other end is closed
            pass
        os.close(master)
    lines = text.decode().replace("\r\n", "\n")

    assert 0 == process.returncode
    assert coloured == bool(COLOUR.search(lines))
    marked = [line for line in lines.splitlines() if "(missing)" in line]
    assert marked
    assert all("(missing)*" in COLOUR.sub("", line) for line in marked)
    if coloured:
        assert all("\x1b[1;35m" in line for line in marked)
        assert COLOUR.sub("", lines) == run(table, *words).output.decode()


def test_no_colour_in_a_file(table):
    assert not COLOUR.search("\n".join(shown(table, "-c", "x", "-s", 1)))
    assert COLOUR.search("\n".join(shown(table, "-c", "x", "-s", 1, FORCE_COLOR="1")))


def test_what_becomes_of_whole_rows(table):
    lines = shown(table, "--noise", "x=normal:1", "--noise", "drop-rows:40%")
    noisy = run(table, "--noise", "x=normal:1", "--noise", "drop-rows:40%", "--seed", 1)

    kept = {line.split(",")[0] for line in noisy.output.decode().splitlines()[1:]}
    dropped = [line.split()[0] for line in lines if "dropped" in line]
    assert [str(at) for at in range(12) if str(at) not in kept] == dropped
    assert dropped


def test_rows_alone(table):
    lines = shown(table, "--noise", "duplicate-rows:50%")

    assert any(re.fullmatch(r" *\d+  +2 times", line) for line in lines)


@pytest.mark.parametrize("suffix", ["npy", "h5", "npz", "parquet", "wav", "png", "tif"])
def test_every_format(tmp_path, suffix):
    source = tmp_path / f"in.{suffix}"
    values = np.arange(600, dtype=np.uint8).reshape(20, 30)
    match suffix:
        case "npy":
            np.save(source, values)
        case "npz":
            np.savez(source, data=values)
        case "h5":
            with h5py.File(source, "w") as file:
                file["data"] = values
        case "parquet":
            pq.write_table(pa.table({"data": values.reshape(-1)}), source)
        case "wav":
            import soundfile  # noqa: PLC0415

            soundfile.write(source, values.astype(np.int16), 8000)
        case _:
            from PIL import Image  # noqa: PLC0415

            Image.fromarray(values).save(source)

    lines = shown(source, "-c", "*", "-d", "salt-and-pepper", "--rate", "60%")

    rows = [line.split() for line in lines[2:14]]
    labels = {row[0] for row in rows}
    expected = {"parquet": "3"}.get(suffix, "0,3")
    assert expected in labels
    assert 12 == len(labels)
    assert any(row[2].endswith("*") for row in rows)
    assert [source] == list(tmp_path.iterdir())


def test_control_characters_do_not_reach_the_terminal(tmp_path):
    source = tmp_path / "t.csv"
    source.write_bytes(b"a\x1b[2J,b\n" + b"x\x1b[31my,1.5\n" * 3)

    done = run(source, "-c", "*", "-d", "missing", "--rate", "60%", *SHOWN)

    assert 0 == done.status
    assert b"\x1b" not in done.output


def test_long_texts_are_cut(tmp_path):
    source = tmp_path / "t.csv"
    source.write_text("text\n" + f"{'word ' * 99}\n" * 3)

    lines = shown(source, "-c", "text", "-d", "typo", "--rate", "100%")

    assert all("..." in line for line in lines[2:5])
    assert 80 > max(map(len, lines))


@pytest.mark.parametrize("shown", ["--preview", "-n"])
def test_records_without_a_key_get_a_note(shown):
    done = run("--key", "k", "-c", "x", "-s", 1, "--seed", 1, shown, given=b"k,x\na,1.0\n,1.0\n")
    assert "rows without a key (k): 1; they get the noise of their row number" in done.messages


def test_mistakes_are_those_of_a_run(table):
    done = run(table, "-c", "nothing", "--preview")

    assert (2, b"", 1) == (done.status, done.output, len(done.lines))

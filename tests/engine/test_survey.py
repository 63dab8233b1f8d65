"""Test that a survey of many columns has the same bits if columns wait for further passes."""

import copy
from dataclasses import astuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from noisify.core.chunk import BLOCK
from noisify.engine.open_input import OpenInput, Settings
from noisify.engine.survey import Surveys

COLUMNS, ROWS = 7, 3000
NEEDS = frozenset({"sd", "power", "range", "iqr"})
ROOM_FOR_TWO = 2 * BLOCK * 8


def write(path, suffix):
    random = np.random.default_rng(3)
    columns = {f"c{at}": random.normal(at, 1, ROWS).round(3) for at in range(COLUMNS)}
    columns["c3"] = random.integers(0, 9, ROWS)
    table = pa.table(columns)
    if suffix == ".csv":
        pa.csv.write_csv(table, path)
    else:
        pq.write_table(table, path, row_group_size=300)


def read(surveys, source):
    passes = 0
    while not surveys.done:
        surveys.read(source, jobs=2, size=4096, progress=lambda _: None)
        surveys.end_pass()
        passes += 1
    found = {name: astuple(one) for name, one in surveys.results().items()}
    return passes, found


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("needs", [NEEDS, NEEDS - {"iqr"}, NEEDS | {"covariance"}])
def test_columns_beyond_a_bound_of_memory_wait_for_further_passes(tmp_path, suffix, needs):
    path = tmp_path / f"table{suffix}"
    write(path, suffix)

    with OpenInput(str(path), Settings()) as opened:
        wanted = {
            field: needs if field.name in {"c5", "c6"} else needs - {"covariance"}
            for field in opened.source.fields
        }
        usual, expected = read(Surveys.of(wanted), opened.source)
        more, found = read(Surveys.of(wanted, most_open=ROOM_FOR_TWO), opened.source)

    assert more > usual
    assert repr(expected) == repr(found)


@pytest.mark.parametrize("rows", [700, 9000])
def test_short_pieces_give_what_one_long_piece_gives(tmp_path, rows):
    path = tmp_path / "table.csv"
    random = np.random.default_rng(5)
    floats = [random.normal(at, 1, rows).round(3).astype(str) for at in range(9)]
    floats[1][::7], floats[2][::5], floats[3][rows // 2] = "", "inf", "x"
    wholes = [random.integers(-9, 2**at, rows).astype(str) for at in range(4, 60, 20)]
    wholes[0][::3], wholes[1][rows // 3], wholes[2][::2] = "", "0.5", "1" + "0" * 20
    times = [f"2024-01-{1 + at % 28:02d}T00:00:00" for at in range(rows)]
    lines = map(",".join, zip(*floats, *wholes, times, strict=True))
    names = ",".join(f"c{at}" for at in range(len(floats) + len(wholes) + 1))
    path.write_text("\n".join([names, *lines, ""]))

    found = []
    with OpenInput(str(path), Settings()) as opened:
        for size in (20_000, 1 << 30):
            surveys = Surveys.of(dict.fromkeys(opened.source.fields, NEEDS | {"length"}))
            while not surveys.done:
                surveys.read(opened.source, jobs=2, size=size, progress=lambda _: None)
                surveys.end_pass()
            found.append(surveys.results())

    assert repr(found[0]) == repr(found[1])
    assert {rows} == {one.length for one in found[0].values()}


def test_columns_that_wait_in_one_part_wait_in_all(tmp_path):
    path = tmp_path / "table.csv"
    write(path, ".csv")

    with OpenInput(str(path), Settings()) as opened:
        surveys = Surveys.of(dict.fromkeys(opened.source.fields, NEEDS), most_open=ROOM_FOR_TWO)
        part, other = copy.deepcopy(surveys), copy.deepcopy(surveys)
        part.read(opened.source, jobs=1, size=4096, progress=lambda _: None)
        assert part.postponed
        surveys += other
        surveys += part

    assert part.postponed == surveys.postponed
    surveys.end_pass()
    assert {one.passes for name, one in surveys.surveys.items() if name in part.postponed} == {0}

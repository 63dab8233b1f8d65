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

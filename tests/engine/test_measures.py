"""What noise did is measured in bounded memory, to the same bits however the data are cut."""

import errno
import re
import tracemalloc

import numpy as np
import pytest

from noisify.core.chunk import BLOCK, Column, Field, Positions
from noisify.core.dtypes import NumberType
from noisify.core.errors import NoisifyError
from noisify.engine import column_batch
from noisify.engine.counts import FieldReport
from noisify.engine.measures import Measures, measured
from noisify.files import temporary
from noisify.formats.interface import NoisyColumn

FLOAT64 = NumberType.of_dtype(np.dtype(float))
FIELDS = [Field(f"x{at}", "float", "float64", FLOAT64) for at in range(3)]
ROWS = 2 * BLOCK + 500
VALUES = np.random.default_rng(7).normal(3, 1, (len(FIELDS), ROWS))
NOISY = VALUES + np.linspace(0, 1, ROWS)
VALID = np.arange(ROWS) % 11 != 0


def chunk(start, stop, fields=FIELDS):
    for at, field in enumerate(fields):
        old, new, valid = (each[..., start:stop] for each in (VALUES[at], NOISY[at], VALID))
        column = Column(field, FLOAT64, Positions.range(start, stop), old, valid if at else None)
        yield NoisyColumn(column, new, np.ones(stop - start, bool))


def reports(cuts, *, complete=True, **settings):
    """Return the reports of chunks that end at `cuts`."""
    found = {field.name: FieldReport() for field in FIELDS}
    with Measures(found, **settings) as measures:
        for start, stop in zip([0, *cuts], [*cuts, ROWS], strict=True):
            measures.add(measured(list(chunk(start, stop))))
        measures.end(complete=complete)
    return found


def moments(found):
    return {name: (one.signal.total(), one.change.total()) for name, one in found.items()}


@pytest.mark.parametrize("most_waiting", [0, 100_000, 1 << 30])
@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize(
    "cuts", [range(240, ROWS, 240), [5], [BLOCK, 2 * BLOCK], [1, BLOCK - 1, BLOCK + 5000]]
)
def test_the_same_moments_for_every_cut(cuts, complete, most_waiting):
    expected = moments(reports([]))
    assert 10 < expected["x1"][0].count < ROWS
    found = reports(cuts, complete=complete, most_waiting=most_waiting)
    assert expected == moments(found)
    opened = [tree for one in found.values() for tree in (one.signal, one.change)]
    assert all(complete != bool(tree.open_blocks) for tree in opened)


def test_columns_in_other_batches_from_chunk_to_chunk():
    found = {field.name: FieldReport() for field in FIELDS}
    with Measures(found, 0) as measures:
        measures.add(measured(list(chunk(0, 3000))))
        for columns in ([0], [1, 2]):
            some = list(chunk(3000, ROWS))
            measures.add(measured([some[at] for at in columns]))
        measures.end(complete=True)
    assert moments(reports([])) == moments(found)


def test_incomplete_blocks_of_many_fields_are_not_in_memory():
    fields = [Field(f"x{at}", "float", "float64", FLOAT64) for at in range(128)]
    found = {field.name: FieldReport() for field in fields}
    values = np.ones(200)
    tracemalloc.start()
    with Measures(found, 1 << 14) as measures:
        try:
            for start in range(0, 4000, 200):
                at = Positions.range(start, start + 200)
                columns = [Column(field, FLOAT64, at, values, None) for field in fields]
                new = [NoisyColumn(one, values + 1, values > 0) for one in columns]
                measures.add(measured(new))
            taken = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        measures.end(complete=True)
    assert taken < 4000 * len(fields)  # of 16 bytes for each value and its change
    assert 4000 == found["x9"].change.total().count


def test_a_full_disk_says_where(monkeypatch, tmp_path):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(column_batch, "write_all", full)
    monkeypatch.setattr(temporary.tempfile, "tempdir", str(tmp_path))
    message = f"measures of a report cannot be kept in {tmp_path}: No space left on device; point"
    with pytest.raises(NoisifyError, match=re.escape(message)):
        reports([5], most_waiting=0)

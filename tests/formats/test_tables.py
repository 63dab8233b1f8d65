"""Rows are grouped by what they hold, not by how they come."""

import io
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from noisify.formats.arrow import table as arrow
from noisify.formats.parquet import table as parquet
from noisify.formats.tables import EvenGroups

ROWS = 1000
SCHEMA = pa.schema([("x", pa.bool_()), ("x.original", pa.string())])


def rows():
    rng = np.random.default_rng(1)
    flags = rng.random(ROWS) < 0.3
    texts = [str(n) * int(rng.integers(1, 9)) if flag else None for n, flag in enumerate(flags)]
    return pa.record_batch([pa.array(flags), pa.array(texts)], schema=SCHEMA)


def written(module, batches):
    file = io.BytesIO()
    writer = EvenGroups(module.create(file, SCHEMA), SCHEMA, size=2000)
    for batch in batches:
        writer.write(writer.encode(batch))
    writer.name_run("a run")
    writer.finish()
    return file.getvalue()


@pytest.mark.parametrize("module", [arrow, parquet])
def test_groups_do_not_depend_on_the_batches(module):
    rng = np.random.default_rng(2)
    whole = written(module, [rows()])

    for count in (1, 2, 5, 40, 400):
        cuts = [0, *np.sort(rng.integers(0, ROWS, count)).tolist(), ROWS]
        batches = [rows().slice(start, stop - start) for start, stop in pairwise(cuts)]
        assert whole == written(module, batches)
        assert whole == written(module, [pa.concat_batches([batch]) for batch in batches])


def test_a_group_has_about_the_size_that_is_asked_for():
    file = pq.ParquetFile(io.BytesIO(written(parquet, [rows()])))

    groups = [file.read_row_group(number) for number in range(file.num_row_groups)]
    assert rows() == pa.concat_tables(groups).combine_chunks().to_batches()[0]
    for group in groups[:-1]:
        size = 16 * group.num_rows + sum(
            len(text or "") for text in group["x.original"].to_pylist()
        )
        assert 1900 < size < 2100

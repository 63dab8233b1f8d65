"""Tables of many columns: each cell gets the noise that it gets in a table of few."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from run_command import run

from noisify.engine.column_batch import FIELDS
from noisify.formats.mask import TableMask
from noisify.noise.additive import Normal
from noisify.statistics.tree import BlockPieces

WIDTH, ROWS = 90, 40
FEW = slice(30, 40)


def table(*, mixed: bool) -> pa.Table:
    """Return a table of floats with nulls and NaN; if mixed, every third column has integers."""
    random = np.random.default_rng(5)
    columns = {}
    for at in range(WIDTH):
        values = random.normal(100, 1 + at, ROWS).round(3)
        if mixed and at % 3 == 2:
            columns[f"g{at}"] = pa.array(np.rint(values).astype(np.int64))
            continue
        values[at % ROWS] = np.nan if at % 5 == 0 else 1e300
        columns[f"g{at}"] = pa.array(values, mask=np.arange(ROWS) == at % 7)
    return pa.table(columns)


def write(one: pa.Table, path) -> None:
    if path.suffix == ".csv":
        pa.csv.write_csv(one, path)
    else:
        pq.write_table(one, path, row_group_size=ROWS // 2 + 1)


def read(path) -> pa.Table:
    if path.suffix == ".arrow":
        return pa.ipc.open_file(path).read_all()
    return pa.csv.read_csv(path) if path.suffix == ".csv" else pq.read_table(path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(
    "noise",
    [
        "*=normal:0.1sd",
        "*=uniform:2",
        "*=student-t:0.2iqr;*=missing:5%",
        "*=ar1:0.1sd",
    ],
)
def test_a_cell_gets_the_same_noise_in_a_table_of_few_columns(tmp_path, suffix, noise):
    wide, few = tmp_path / f"wide{suffix}", tmp_path / f"few{suffix}"
    whole = table(mixed=True)
    names = whole.column_names[FEW]
    write(whole, wide)
    write(whole.select(names), few)
    options = [option for one in noise.split(";") for option in ("--noise", one)]

    for path in wide, few:
        done = run(path, "-o", tmp_path / f"n-{path.name}", "--seed", 7, "-q", *options)
        assert done.status == 0, done.messages

    expected = read(tmp_path / f"n-{few.name}")
    found = read(tmp_path / f"n-{wide.name}").select(names)
    assert expected != read(few)
    assert repr(expected.to_pydict()) == repr(found.to_pydict())  # NaN does not equal NaN


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_chunks_workers_and_compiled_parts_make_no_difference(tmp_path, suffix):
    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    write(table(mixed=False), source)
    outputs = set()
    for options, variables in (
        ((), {}),
        (("--chunk-size", "5KB", "--jobs", 3), {}),
        (("--chunk-size", "64MB", "--jobs", 1), {"NOISIFY_PURE": "1"}),
    ):
        done = run(
            source, "-o", target, "-s", "0.1sd", "--seed", 7, "-q", *options, variables=variables
        )
        assert done.status == 0, done.messages
        outputs.add(target.read_bytes())

    assert len(outputs) == 1


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_columns_of_one_type_get_their_noise_together(tmp_path, suffix, monkeypatch):
    sizes, trees = [], []
    scaled, cut = Normal.scaled, BlockPieces.cut_each
    monkeypatch.setattr(
        Normal, "scaled", lambda self, *given: sizes.append(len(given[-1])) or scaled(self, *given)
    )
    monkeypatch.setattr(
        BlockPieces,
        "cut_each",
        lambda at, rows, valid: trees.append(len(rows)) or cut(at, rows, valid),
    )
    values = np.random.default_rng(5).normal(size=(WIDTH, ROWS))
    source = tmp_path / f"in{suffix}"
    write(pa.table({f"g{at}": row for at, row in enumerate(values)}), source)

    done = run(source, "-o", tmp_path / f"out{suffix}", "-s", "0.1sd", "--seed", 7, "-q")

    pieces = 1 if suffix == ".csv" else 2  # row groups
    assert done.status == 0, done.messages
    assert [FIELDS, FIELDS, WIDTH - 2 * FIELDS] == trees  # row groups joined
    assert (pieces, WIDTH * ROWS) == (len(sizes), sum(sizes))


@pytest.mark.parametrize("noise", [("-s", "2"), ("-d", "missing", "--rate", "30%")])
def test_a_report_is_the_same_for_columns_together_and_alone(tmp_path, noise):
    random = np.random.default_rng(6)
    floats = random.normal(size=(4, ROWS))
    floats[1, ::5], floats[2, ::7] = np.nan, np.inf
    whole = random.integers(-(2**62), 2**62, (3, ROWS))
    columns = {
        **{f"f{at}": pa.array(row, mask=row > 1.5) for at, row in enumerate(floats)},
        **{f"w{at}": pa.array(row, mask=row % 7 == 0) for at, row in enumerate(whole)},
        **{f"s{at}": row.astype(np.float32) for at, row in enumerate(floats)},
    }
    write(pa.table(columns), tmp_path / "in.parquet")

    def report(*names):
        chosen = [part for name in names for part in ("-c", name)]
        given = tmp_path / "in.parquet", "-o", tmp_path / "out.parquet"
        told = tmp_path / "report.json"
        done = run(*given, *noise, "--seed", 7, "-q", *chosen, "--report", told)
        assert done.status == 0, done.messages
        return json.loads(told.read_text())["fields"]

    alone = {name: found for each in columns for name, found in report(each).items()}
    assert alone == report(*columns)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".arrow"])
@pytest.mark.parametrize("options", [(), ("--mask-values",)])
def test_a_mask_of_parquet_takes_columns_as_they_come(tmp_path, suffix, options, monkeypatch):
    source, mask = tmp_path / "in.parquet", tmp_path / f"mask{suffix}"
    write(table(mixed=True), source)
    columns = []
    encode = TableMask.encode
    monkeypatch.setattr(
        TableMask, "encode", lambda *given: columns.append(len(given[3])) or encode(*given)
    )
    masks = set()
    for size in "1KB", "64MB":
        given = source, "-o", tmp_path / "out.parquet", "-s", 2, "--seed", 7, "-q", "-c", "g*"
        done = run(*given, "--mask", mask, *options, "--chunk-size", size)
        assert done.status == 0, done.messages
        masks.add(mask.read_bytes())

    assert 1 == len(masks)
    assert max(columns[:-2]) < WIDTH // 2  # 1 KB: some columns of a row group at a time
    assert [WIDTH, WIDTH] == columns[-2:]
    changed = pq.read_table(source).column("g4").to_pylist()
    found = read(mask).column("g4").to_pylist()
    assert [one is not None for one in changed] == found

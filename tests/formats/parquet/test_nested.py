"""Parquet: noise on what structs, lists and maps hold, each leaf having positions of its own."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import noisy, noisy_file, normal_noise, run

from noisify import add_noise

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

POINTS = [{"x": 1.5, "y": 2, "z": ["a"]}, None, {"x": None, "y": 3, "z": None}, {"x": -4.0, "y": 5}]
READINGS = [[{"v": 0.5, "n": 1}, {"v": None, "n": 2}], None, [], [{"v": 2.5, "n": None}]]
DEEP = [[[1.0], [], None], None, [], [[2.0, 3.0]]]
PAIRS = [[("a", 1.0), ("b", None)], [], None, [("c", 2.0)]]
TABLE = pa.table(
    {
        "top": [0.25, 0.5, 0.75, 1.0],
        "point": pa.array(
            POINTS, pa.struct([("x", pa.float64()), ("y", pa.int32()), ("z", pa.list_(pa.utf8()))])
        ),
        "readings": pa.array(
            READINGS, pa.list_(pa.struct([("v", pa.float64()), ("n", pa.int64())]))
        ),
        "numbers": pa.array([[1.0, None], [], None, [4.0]], pa.list_(pa.float32())),
        "deep": pa.array(DEEP, pa.list_(pa.list_(pa.float64()))),
        "map": pa.array(PAIRS, pa.map_(pa.utf8(), pa.float64())),
        "pair": pa.array([[1.0, 2.0], None, [3.0, None], [4.0, 5.0]], pa.list_(pa.float64(), 2)),
        "after": ["a", None, "c", "d"],
    }
)  # fmt: skip
LEAVES = ("point.x", "readings[].v", "numbers[]", "deep[][]", "map[].value", "pair[]")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "data.parquet"
    pq.write_table(TABLE, path, row_group_size=3)
    return path


def flat(value: Any) -> list[float | None]:
    """Return the floats of a nested value, in order."""
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in flat(part)]
    if isinstance(value, list | tuple):
        return [leaf for part in value for leaf in flat(part)]
    return [value] if isinstance(value, float) else []


@pytest.mark.parametrize(
    ("name", "column", "places"),
    [
        ("point.x", "point", [0, 3]),
        ("readings[].v", "readings", [0, 2]),
        ("numbers[]", "numbers", [0, 2]),
        ("deep[][]", "deep", [0, 1, 2]),
        ("map[].value", "map", [0, 2]),
        ("pair[]", "pair", [0, 1, 4, 6, 7]),
    ],
)
def test_each_leaf_gets_the_noise_of_its_name_at_its_places(
    source: Path, name: str, column: str, places: list[int]
) -> None:
    after = pq.read_table(noisy_file(source, "-s", 1, "-c", name))

    noise = normal_noise(name, 8)[places]
    expected = np.array(flat(TABLE[column].to_pylist())) + noise
    if name == "numbers[]":
        expected = expected.astype("f4").astype("f8")
    assert expected.tolist() == flat(after[column].to_pylist())
    assert TABLE.drop_columns([column]).equals(after.drop_columns([column]))
    assert TABLE.schema.equals(after.schema)


def test_every_float_is_chosen_by_default_wherever_it_is(source: Path) -> None:
    everything = pq.read_table(noisy_file(source, "-s", 1))
    chosen = pq.read_table(noisy_file(source, "-s", 1, "-c", "top," + ",".join(LEAVES)))

    assert everything.equals(chosen)


def test_nulls_stay_nulls_at_every_level(source: Path) -> None:
    after = pq.read_table(noisy_file(source, "-s", 1))

    def shape(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shape(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [shape(part) for part in value]
        return "float" if isinstance(value, float) else value

    assert shape(TABLE.to_pylist()) == shape(after.to_pylist())


def long_lists(rows: int) -> pa.Table:
    sizes = np.arange(rows) % 7
    values = np.arange(sizes.sum(), dtype="f8")
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype("i4")
    lists = pa.ListArray.from_arrays(pa.array(offsets), pa.array(values))
    return pa.table({"x": np.arange(rows) * 1.0, "l": lists})


@pytest.mark.parametrize("size", [pytest.param(1, marks=pytest.mark.slow), 999, 5000])
def test_elements_are_counted_through_the_row_groups(tmp_path: Path, size: int) -> None:
    table = long_lists(5000)
    source = tmp_path / "data.parquet"
    pq.write_table(table, source, row_group_size=size)

    after = pq.read_table(noisy_file(source, "-s", 0.5, "--jobs", 2))

    values = np.array(flat(table["l"].to_pylist()))
    noised = values + 0.5 * normal_noise("l[]", len(values))
    assert noised.tolist() == flat(after["l"].to_pylist())
    assert (np.arange(5000) + 0.5 * normal_noise("x", 5000)).tolist() == after["x"].to_pylist()


def test_cuts_and_workers_do_not_show(tmp_path: Path) -> None:
    source = tmp_path / "data.parquet"
    pq.write_table(long_lists(5000), source, row_group_size=700)

    written = {
        noisy(source, "-s", "0.1sd", *cut)
        for cut in ((), ("--jobs", 1), ("--jobs", 3, "--chunk-size", "1k"))
    }

    assert len(written) == 1


def test_a_level_of_a_leaf_is_of_all_its_values(tmp_path: Path) -> None:
    table = long_lists(1000)
    source = tmp_path / "data.parquet"
    pq.write_table(table, source, row_group_size=300)

    after = pq.read_table(noisy_file(source, "-s", "0.1sd", "-c", "l[]"))

    values = np.array(flat(table["l"].to_pylist()))
    noise: NDArray[Any] = np.array(flat(after["l"].to_pylist())) - values
    expected = 0.1 * values.std() * normal_noise("l[]", len(values))
    np.testing.assert_allclose(noise, expected, rtol=1e-6, atol=1e-9)


def test_a_level_may_come_from_the_same_list_but_not_from_the_rows(source: Path) -> None:
    after = pq.read_table(noisy_file(source, "-s", "@readings[].n", "-c", "readings[].v"))
    noise = normal_noise("readings[].v", 3)
    assert [0.5 + noise[0], 2.5] == flat(after["readings"].to_pylist())

    done = run(source, "-o", source.with_name("no"), "-s", "@top", "-c", "readings[].v")

    assert (2, 1) == (done.status, len(done.lines))
    assert "not as long" in done.messages


def test_conditions_reach_leaves_of_rows_and_refuse_those_of_lists(source: Path) -> None:
    after = pq.read_table(noisy_file(source, "-s", 1, "-c", "top", "--where", "point.x < 0"))
    noise = normal_noise("top", 4)
    assert [0.25, 0.5, 0.75, 1 + noise[3]] == after["top"].to_pylist()

    done = run(source, "-o", source.with_name("no"), "-s", 1, "-c", "numbers[]", "--where", "top>0")

    assert (2, 1) == (done.status, len(done.lines))
    assert "field 'numbers[]'" in done.messages


def test_a_condition_leaves_lists_out_of_the_default_choice(source: Path) -> None:
    after = pq.read_table(noisy_file(source, "-s", 1, "--where", "top > 0.9"))

    changed = [name for name in TABLE.column_names if not TABLE[name].equals(after[name])]
    assert ["top", "point"] == changed


def test_models_of_whole_rows_keep_rows_together(tmp_path: Path) -> None:
    source = tmp_path / "data.parquet"
    table = long_lists(5000)
    pq.write_table(table, source, row_group_size=1700)

    after = pq.read_table(noisy_file(source, "-d", "drop-rows", "--rate", "30%"))

    kept = [int(x) for x in after["x"].to_pylist()]
    assert 3300 < len(kept) < 3700
    assert table.take(kept).equals(after)


def test_rows_are_dropped_from_noisy_leaves_as_from_the_rest(tmp_path: Path) -> None:
    source, recipe = tmp_path / "data.parquet", tmp_path / "recipe.toml"
    pq.write_table(long_lists(5000), source, row_group_size=1700)
    noise = '[[noise]]\nfields = "l[]"\nscale = 1\n[[noise]]\nmodel = "drop-rows"\nrate = 0.3\n'
    recipe.write_text(noise)

    noised = pq.read_table(noisy_file(source, "-s", 1, "-c", "l[]"))
    after = pq.read_table(noisy_file(source, "--recipe", recipe))

    assert noised.take([int(x) for x in after["x"].to_pylist()]).equals(after)


def test_the_exact_name_of_a_column_wins(tmp_path: Path) -> None:
    source = tmp_path / "data.parquet"
    pq.write_table(pa.table({"p.x": [1.0], "p": [{"x": 2.0}]}), source)

    after = pq.read_table(noisy_file(source, "-s", 1, "-c", "p.x"))

    assert [1 + normal_noise("p.x", 1)[0]] == after["p.x"].to_pylist()
    assert [{"x": 2.0}] == after["p"].to_pylist()


def test_what_may_not_be_null_is_kept_so(tmp_path: Path) -> None:
    inner = pa.struct([pa.field("v", pa.float64(), nullable=False)])
    kind = pa.list_(pa.field("element", inner, nullable=False))
    schema = pa.schema([pa.field("l", kind, nullable=False), pa.field("s", inner)])
    source = tmp_path / "data.parquet"
    table = pa.table([[[{"v": 1.0}], []], [{"v": 2.0}, None]], schema)
    pq.write_table(table, source)

    target = noisy_file(source, "-s", 1)

    assert pq.ParquetFile(source).schema.equals(pq.ParquetFile(target).schema)
    noise = normal_noise("l[].v", 1)[0], normal_noise("s.v", 2)[0]
    assert [[{"v": 1 + noise[0]}], []] == pq.read_table(target)["l"].to_pylist()
    assert [{"v": 2 + noise[1]}, None] == pq.read_table(target)["s"].to_pylist()
    done = run(source, "-o", tmp_path / "no", "-d", "missing", "--rate", 1, "-c", "l[].v")
    assert (2, 1) == (done.status, len(done.lines))


def test_elements_can_become_missing(source: Path) -> None:
    options = ("-d", "missing", "--rate", "100%", "-c", "numbers[],point.x")

    after = pq.read_table(noisy_file(source, *options))

    assert [[None, None], [], None, [None]] == after["numbers"].to_pylist()
    assert [row and row["x"] for row in after["point"].to_pylist()] == [None] * 4
    assert [row and row["y"] for row in after["point"].to_pylist()] == [2, None, 3, 5]


def test_decimals_and_texts_inside_lists(tmp_path: Path) -> None:
    source = tmp_path / "data.parquet"
    decimals = pa.array([[Decimal("1.50"), None], []], pa.list_(pa.decimal128(9, 2)))
    pq.write_table(pa.table({"d": decimals, "t": [["ab"], ["cd", None]]}), source)

    shifted = pq.read_table(noisy_file(source, "-s", 0, "--loc", 2, "-c", "d[]"))
    typed = pq.read_table(noisy_file(source, "-d", "typo", "--rate", "100%", "-c", "t[]"))

    assert [[Decimal("3.50"), None], []] == shifted["d"].to_pylist()
    assert typed["t"].to_pylist()[1][1] is None
    assert typed["t"].to_pylist() != [["ab"], ["cd", None]]


def test_a_tensor_keeps_its_type(tmp_path: Path) -> None:
    source = tmp_path / "data.parquet"
    storage = pa.array([[1, 2, 3, 4], [5, 6, 7, 8]], pa.list_(pa.float32(), 4))
    tensor = pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.float32(), (2, 2)), storage)
    pq.write_table(pa.table({"image": tensor}), source)

    after = pq.read_table(noisy_file(source, "-s", 1))["image"]

    assert tensor.type == after.type
    noised = np.arange(1, 9) + normal_noise("image[]", 8)
    assert noised.astype("f4").tolist() == after.chunk(0).storage.flatten().to_pylist()


def test_polars_reads_what_becomes_of_its_own_nested_columns(tmp_path: Path) -> None:
    source = tmp_path / "data.parquet"
    frame = pl.DataFrame({"a": [[1.5, None], None, []], "s": [{"v": 1.0}, {"v": None}, {"v": 3.0}]})
    frame.write_parquet(source)

    actual = pl.read_parquet(noisy_file(source, "-s", 1))

    noise = normal_noise("a[]", 1), normal_noise("s.v", 3)
    assert [[1.5 + noise[0][0], None], None, []] == actual["a"].to_list()
    expected = [{"v": 1 + noise[1][0]}, {"v": None}, {"v": 3 + noise[1][2]}]
    assert expected == actual["s"].to_list()
    assert frame.schema == actual.schema


def test_a_mask_is_for_fields_with_a_value_a_row(source: Path) -> None:
    mask = source.with_name("mask.parquet")
    target = noisy_file(source, "-s", 1, "-c", "point.x", "--mask", mask, "--mask-values")

    assert [True, False, False, True] == pq.read_table(mask)["point.x"].to_pylist()
    back = source.with_name("back.parquet")
    assert run(target, "-o", back, "--restore", mask).status == 0
    assert pq.read_table(back).equals(TABLE)
    done = run(source, "-o", target, "-s", 1, "-c", "numbers[]", "--mask", mask)
    assert (2, 1) == (done.status, len(done.lines))
    assert "field 'numbers[]'" in done.messages


def test_a_table_in_memory_gets_the_noise_of_the_file(source: Path) -> None:
    after = pq.read_table(noisy_file(source, "-s", 0.5))

    assert after.equals(add_noise(TABLE, scale=0.5, seed=1))
    cut = pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)])
    assert after.equals(add_noise(cut, scale=0.5, seed=1, jobs=2))

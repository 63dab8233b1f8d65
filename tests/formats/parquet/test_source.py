"""Parquet: schema, metadata, codecs and row groups stay, and every column that is not chosen."""

from __future__ import annotations

import datetime as dt
import io
import itertools
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import noisy, noisy_file, normal_noise, run

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 30
UTC = dt.UTC
START = dt.datetime(2024, 3, 1, 12, 30, 15, 123456)  # noqa: DTZ001 - Parquet has times without zone


def repeated(*values: Any) -> list[Any]:
    return list(itertools.islice(itertools.cycle(values), COUNT))


def wide_table() -> pa.Table:
    """Every kind of column, with field and table metadata."""
    columns: dict[str, tuple[Any, pa.DataType]] = {
        "x": ([i / 7 for i in range(COUNT)], pa.float64()),
        "gaps": (repeated(0.5, None, 1.5, float("nan")), pa.float64()),
        "id": (list(range(COUNT)), pa.int64()),
        "flag": (repeated(True, None, False), pa.bool_()),
        "text": (repeated("a", "", None, "東京"), pa.string()),
        "long_text": (repeated("a", None), pa.large_string()),
        "bytes": (repeated(b"\x00\xff", None, b""), pa.binary()),
        "fixed": (repeated(b"abcd", None), pa.binary(4)),
        "word": (repeated("red", "green", None), pa.dictionary(pa.int32(), pa.string())),
        "day": (repeated(START.date(), None), pa.date32()),
        "clock": (repeated(START.time(), None), pa.time64("us")),
        "at_ms": (repeated(START.replace(microsecond=123000), None), pa.timestamp("ms")),
        "at_us": (repeated(START.replace(tzinfo=UTC), None), pa.timestamp("us", "Europe/Paris")),
        "at_ns": (repeated(START, None), pa.timestamp("ns")),
        "took": (repeated(dt.timedelta(seconds=5), None), pa.duration("us")),
        "price": (repeated(Decimal("12.34"), None), pa.decimal128(9, 2)),
        "exact": (repeated(Decimal("1" * 38), None), pa.decimal128(38, 0)),
        "huge": (repeated(Decimal("1" * 70 + ".5"), None), pa.decimal256(76, 1)),
        "list": (repeated([1, None, 3], [], None), pa.list_(pa.int16())),
        "struct": (
            repeated({"a": 1.5, "b": ["x"]}, None, {"a": None, "b": None}),
            pa.struct([("a", pa.float64()), ("b", pa.list_(pa.string()))]),
        ),
        "map": (repeated([("k", 1)], [], None), pa.map_(pa.string(), pa.int32())),
        "nothing": ([None] * COUNT, pa.null()),
    }
    fields = [
        pa.field(name, kind, metadata={"unit": "m", "of": name} if name in {"x", "text"} else None)
        for name, (_, kind) in columns.items()
    ]
    fields[2] = fields[2].with_nullable(False)
    arrays = [pa.array(values, kind) for values, kind in columns.values()]
    return pa.table(arrays, pa.schema(fields, metadata={"made by": "a test", "ünit": "☃"}))


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    path = tmp_path / "wide.parquet"
    pq.write_table(
        wide_table(),
        path,
        row_group_size=11,
        compression={"x": "zstd", "gaps": "gzip", "id": "none", "text": "brotli"},
        use_dictionary=["text", "word"],
    )
    return path


def layout(path: Path) -> list[dict[str, Any]]:
    """Return what the footer says of each row group and its columns."""
    metadata = pq.read_metadata(path)
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    return [
        {
            "rows": group.num_rows,
            "columns": [
                (c.path_in_schema, c.physical_type, c.compression, c.num_values, c.is_stats_set)
                for c in map(group.column, range(group.num_columns))
            ],
        }
        for group in groups
    ]


def pandas_and_own_metadata(path: Path) -> dict[bytes, bytes]:
    """Return the footer's key-value metadata but for the schema, which has many encodings."""
    metadata = pq.read_metadata(path).metadata
    return {key: text for key, text in metadata.items() if key != b"ARROW:schema"}


def test_chosen_columns_get_noise_and_all_others_are_equal(wide: Path) -> None:
    before = pq.read_table(wide)

    after = pq.read_table(noisy_file(wide, "-s", 0.5, "-c", "x,gaps,id"))

    noise = {name: 0.5 * normal_noise(name, COUNT) for name in ("x", "gaps", "id")}
    assert (before["x"].to_numpy() + noise["x"]).tolist() == after["x"].to_pylist()
    ids = np.arange(COUNT) + np.rint(noise["id"]).astype(int)
    assert ids.tolist() == after["id"].to_pylist()
    gaps = [
        value if value is None or value != value else value + change  # noqa: PLR0124
        for value, change in zip(before["gaps"].to_pylist(), noise["gaps"].tolist(), strict=True)
    ]
    assert repr(gaps) == repr(after["gaps"].to_pylist())
    chosen = ["x", "gaps", "id"]
    assert before.drop_columns(chosen).equals(after.drop_columns(chosen), check_metadata=True)


def test_schema_and_metadata_are_kept(wide: Path) -> None:
    target = noisy_file(wide, "-s", 0.5)

    assert pq.read_schema(wide).equals(pq.read_schema(target), check_metadata=True)
    assert pq.ParquetFile(wide).schema.equals(pq.ParquetFile(target).schema)
    assert pandas_and_own_metadata(wide) == pandas_and_own_metadata(target)
    assert pq.read_metadata(wide).format_version == pq.read_metadata(target).format_version


def test_codecs_row_groups_and_statistics_are_kept(wide: Path) -> None:
    assert layout(wide) == layout(noisy_file(wide, "-s", 0.5))


def test_statistics_are_those_of_the_noisy_values(wide: Path) -> None:
    target = noisy_file(wide, "-s", 100, "-c", "x")

    group = pq.ParquetFile(target).read_row_group(1, columns=["x"])["x"].to_pylist()
    found = pq.read_metadata(target).row_group(1).column(0).statistics
    assert (min(group), max(group)) == (found.min, found.max)


def test_floats_are_the_default_choice(wide: Path) -> None:
    before = pq.read_table(wide)

    after = pq.read_table(noisy_file(wide, "-s", 0.5))

    changed = [
        name
        for name in before.column_names
        if repr(before[name].to_pylist()) != repr(after[name].to_pylist())
    ]
    assert ["x", "gaps", "struct"] == changed
    inner = [[row and row["b"] for row in table["struct"].to_pylist()] for table in (before, after)]
    assert inner[0] == inner[1]


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "brotli", "lz4", "zstd"])
def test_every_codec_is_kept(tmp_path: Path, codec: str) -> None:
    source = tmp_path / "data.parquet"
    pq.write_table(pa.table({"x": np.arange(100.0)}), source, compression=codec)

    target = noisy_file(source, "-s", 1)

    assert layout(source) == layout(target)
    expected = np.arange(100.0) + normal_noise("x", 100)
    assert expected.tolist() == pq.read_table(target)["x"].to_pylist()


@pytest.mark.parametrize("version", ["1.0", "2.4", "2.6"])
@pytest.mark.parametrize("pages", ["1.0", "2.0"])
def test_format_versions_are_read(tmp_path: Path, version: Any, pages: Any) -> None:
    source = tmp_path / "data.parquet"
    table = pa.table({"x": [0.5, None], "at": pa.array([1, 2], pa.timestamp("us"))})
    pq.write_table(table, source, version=version, data_page_version=pages)

    target = noisy_file(source, "-s", 0)

    assert pq.read_table(source).equals(pq.read_table(target))
    assert layout(source) == layout(target)


@pytest.mark.parametrize("encoding", ["DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT", "PLAIN"])
def test_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    source = tmp_path / "data.parquet"
    pq.write_table(
        pa.table({"n": pa.array(range(100), pa.int64())}),
        source,
        use_dictionary=False,
        column_encoding={"n": encoding},
    )

    target = noisy_file(source, "-s", 0, "-c", "n", "--loc", 1)

    assert [*range(1, 101)] == pq.read_table(target)["n"].to_pylist()


FLOATS = [pa.float16(), pa.float32(), pa.float64()]
INTEGERS = [
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64()),
    *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
]


@pytest.mark.parametrize("kind", FLOATS, ids=str)
def test_every_float_type_gets_noise(tmp_path: Path, kind: pa.DataType) -> None:
    source = tmp_path / "data.parquet"
    dtype = kind.to_pandas_dtype()
    values = np.linspace(-3, 3, 20).astype(dtype)
    pq.write_table(pa.table({"x": pa.array(values, kind)}), source)

    target = noisy_file(source, "-s", 0.25)

    expected = (values.astype("f8") + 0.25 * normal_noise("x", 20)).astype(dtype)
    actual = pq.read_table(target)["x"]
    assert (kind, expected.tolist()) == (actual.type, actual.to_numpy().tolist())


@pytest.mark.parametrize("kind", INTEGERS, ids=str)
def test_every_integer_type_gets_noise_and_saturates(tmp_path: Path, kind: pa.DataType) -> None:
    source = tmp_path / "data.parquet"
    info = np.iinfo(kind.to_pandas_dtype())
    values = [info.min, 50, None, 51, info.max]
    pq.write_table(pa.table({"n": pa.array(values, kind)}), source)

    target = noisy_file(source, "-s", 10, "-c", "n")

    noise = np.rint(10 * normal_noise("n", 5)).astype(int).tolist()
    expected = [
        value if value is None else min(max(value + change, info.min), info.max)
        for value, change in zip(values, noise, strict=True)
    ]
    actual = pq.read_table(target)["n"]
    assert (kind, expected) == (actual.type, actual.to_pylist())


def decimals(unscaled: list[int | None], kind: pa.DataType) -> pa.Array:
    """Return decimals of so many units in the last place, whatever the decimal context."""
    texts = [None if n is None else f"{n}e-{kind.scale}" for n in unscaled]
    return pa.array([None if text is None else Decimal(text) for text in texts], kind)


@pytest.mark.parametrize(
    "kind",
    [
        pa.decimal128(5, 2),
        pa.decimal128(18, 6),
        pa.decimal128(19, 3),
        pa.decimal128(38, 10),
        pa.decimal256(50, 4),
        pa.decimal256(76, 0),
    ],
    ids=str,
)
def test_every_decimal_type_gets_noise_and_keeps_its_scale(
    tmp_path: Path, kind: pa.DataType
) -> None:
    source = tmp_path / "data.parquet"
    most = 10**kind.precision - 1
    two = 2 * 10**kind.scale
    unscaled = [3, None, -12, most // 3, most, -most]
    pq.write_table(pa.table({"d": decimals(unscaled, kind)}), source)

    target = noisy_file(source, "-s", 0, "-c", "d", "--loc", 2)

    actual = pq.read_table(target)["d"]
    expected = decimals([3 + two, None, -12 + two, most // 3 + two, most, -most + two], kind)
    assert kind == actual.type
    assert expected.to_pylist() == actual.to_pylist()


def test_a_decimal_gets_the_noise_of_a_float_rounded_to_its_scale(tmp_path: Path) -> None:
    source = tmp_path / "data.parquet"
    values = [Decimal(i).scaleb(-2) for i in range(100)]
    pq.write_table(pa.table({"d": pa.array(values, pa.decimal128(9, 2))}), source)

    actual = pq.read_table(noisy_file(source, "-s", 0.5, "-c", "d"))["d"].to_pylist()

    noise = np.rint(0.5 * normal_noise("d", 100) * 100).astype(int).tolist()
    assert [Decimal(i + n).scaleb(-2) for i, n in enumerate(noise)] == actual


def test_decimals_stored_as_integers_stay_so(tmp_path: Path) -> None:
    source = tmp_path / "data.parquet"
    table = pa.table({"d": pa.array([Decimal("1.25")], pa.decimal128(9, 2)), "x": [0.5]})
    pq.write_table(table, source, store_decimal_as_integer=True)

    assert layout(source) == layout(noisy_file(source, "-s", 1))


def test_old_timestamps_stay_so(tmp_path: Path) -> None:
    source = tmp_path / "data.parquet"
    table = pa.table({"at": pa.array([START, None]), "x": [0.5, 1.5]})
    pq.write_table(table, source, use_deprecated_int96_timestamps=True)

    target = noisy_file(source, "-s", 1)

    assert layout(source) == layout(target)
    assert pq.read_table(source)["at"].equals(pq.read_table(target)["at"])


@pytest.mark.parametrize("compliant", [True, False])
def test_the_names_inside_lists_are_kept(tmp_path: Path, compliant: bool) -> None:  # noqa: FBT001
    source = tmp_path / "data.parquet"
    table = pa.table({"l": [[1.5], []], "x": [0.5, 1.5]})
    pq.write_table(table, source, use_compliant_nested_type=compliant)

    target = noisy_file(source, "-s", 1)

    assert pq.ParquetFile(source).schema.equals(pq.ParquetFile(target).schema)


@pytest.mark.parametrize("size", [1, 7, 30, 1000])
def test_row_groups_of_any_size_get_the_same_noise(tmp_path: Path, size: int) -> None:
    source = tmp_path / "data.parquet"
    pq.write_table(pa.table({"x": np.arange(30.0)}), source, row_group_size=size)

    target = noisy_file(source, "-s", 0.5)

    expected = np.arange(30.0) + 0.5 * normal_noise("x", 30)
    assert expected.tolist() == pq.read_table(target)["x"].to_pylist()
    assert [g["rows"] for g in layout(source)] == [g["rows"] for g in layout(target)]


def test_the_same_command_gives_the_same_bytes(wide: Path) -> None:
    assert noisy(wide, "-s", 0.5) == noisy(wide, "-s", 0.5, "--jobs", 3)


@pytest.mark.parametrize("groups", [0, 1])
def test_a_table_without_rows_passes_through_with_a_note(tmp_path: Path, groups: int) -> None:
    source, target = tmp_path / "data.parquet", tmp_path / "out.parquet"
    schema = pa.schema([("x", pa.float64()), ("l", pa.list_(pa.string()))], {"made by": "a test"})
    with pq.ParquetWriter(source, schema) as writer:
        for _ in range(groups):
            writer.write_table(schema.empty_table())

    done = run(source, "-o", target, "--seed", 1)

    assert (0, [f"noisify: note: {source} has no rows; it passes through as it is"]) == (
        done.status,
        done.lines,
    )
    assert pq.read_schema(source).equals(pq.read_schema(target), check_metadata=True)
    assert pq.read_table(source).equals(pq.read_table(target))


def test_pandas_gets_its_index_and_types_back(tmp_path: Path) -> None:
    source = tmp_path / "data.parquet"
    frame = pd.DataFrame(
        {
            "x": [0.5, np.nan, 2.5],
            "n": pd.array([1, None, 3], "Int16"),
            "kind": pd.Categorical(["a", "b", "a"]),
            "at": pd.to_datetime(["2024-01-01", None, "2024-01-03"]),
        },
        index=pd.Index([10, 20, 30], name="row"),
    )
    frame.to_parquet(source)

    actual = pd.read_parquet(noisy_file(source, "-s", 0.5, "-c", "x"))

    expected = frame.assign(x=frame["x"] + 0.5 * normal_noise("x", 3))
    pd.testing.assert_frame_equal(expected, actual, check_exact=True)


def test_the_index_of_a_pandas_frame_is_left_alone(tmp_path: Path) -> None:
    source = tmp_path / "data.parquet"
    frame = pd.DataFrame({"x": [0.5, 1.5]}, index=pd.Index([0.25, 0.75], name="t"))
    frame.to_parquet(source)

    actual = pd.read_parquet(noisy_file(source, "-s", 0.5, "-c", "x"))

    assert [0.25, 0.75] == actual.index.tolist()


def test_polars_reads_and_writes_what_noisify_does(tmp_path: Path) -> None:
    source = tmp_path / "data.parquet"
    frame = pl.DataFrame(
        {
            "x": [0.5, None, 2.5],
            "kind": pl.Series(["a", "b", None], dtype=pl.Categorical),
            "items": [[1], [], None],
            "at": [START, None, START],
        }
    )
    frame.write_parquet(source)

    actual = pl.read_parquet(noisy_file(source, "-s", 0.5, "-c", "x"))

    noise = 0.5 * normal_noise("x", 3)
    expected = frame.with_columns(x=pl.Series([0.5 + noise[0], None, 2.5 + noise[2]]))
    assert expected.equals(actual)
    assert expected.schema == actual.schema


def test_standard_input_is_spooled_with_a_note(wide: Path) -> None:
    done = run("-s", 0.5, "--seed", 1, given=wide.read_bytes())

    assert (0, noisy(wide, "-s", 0.5)) == (done.status, done.output)
    assert len(done.lines) == 1
    assert "standard input is kept in a temporary file" in done.messages


def test_a_level_from_another_column(tmp_path: Path) -> None:
    source = tmp_path / "data.parquet"
    table = pa.table({"flux": [0.0, 0.0, 0.0, None], "err": pa.array([1, -2, None, 3])})
    pq.write_table(table, source)

    actual = pq.read_table(noisy_file(source, "-s", "@err", "-c", "flux"))

    noise = normal_noise("flux", 4)
    assert [noise[0], 2 * noise[1], 0.0, None] == actual["flux"].to_pylist()
    assert [1, -2, None, 3] == actual["err"].to_pylist()


@pytest.mark.parametrize("choice", ["text", "list", "struct", "flag", "at_us", "word", "nothing"])
def test_a_named_column_without_numbers_is_refused(wide: Path, choice: str) -> None:
    done = run(wide, "-o", wide.with_name("out.parquet"), "-s", 1, "-c", choice, "--seed", 1)

    assert done.status == 2
    assert len(done.lines) == 1
    assert f"field {choice!r}" in done.messages
    assert [wide] == list(wide.parent.iterdir())


def flipped(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    for place in range(at, at + 40):
        changed[place] ^= 0xFF
    return bytes(changed)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: data[:-1], id="last-byte-missing"),
        pytest.param(lambda data: data[: len(data) // 2], id="half-missing"),
        pytest.param(lambda data: data[:4], id="magic-only"),
        pytest.param(lambda data: data[:4] + data[-8:], id="footer-missing"),
        pytest.param(lambda data: data[:4] + b"\0" * 500 + data[504:], id="pages-zeroed"),
        pytest.param(lambda data: flipped(data, len(data) - 60), id="footer-flipped"),
        pytest.param(lambda data: flipped(data, 4), id="first-page-flipped"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, change: Any) -> None:
    source, target = tmp_path / "data.parquet", tmp_path / "out.parquet"
    file = io.BytesIO()
    pq.write_table(pa.table({"x": np.arange(1000.0)}), file, compression="zstd")
    source.write_bytes(change(file.getvalue()))

    done = run(source, "-o", target, "-s", 1, "--seed", 1)

    assert done.status == 3
    assert len(done.lines) == 1
    assert done.messages.startswith(f"noisify: {source}: ")
    assert [source] == list(tmp_path.iterdir())


@pytest.fixture
def twins(tmp_path: Path) -> Path:
    path = tmp_path / "data.parquet"
    columns = [pa.array([0.5]), pa.array([1.5]), pa.array([2.5])]
    pq.write_table(pa.table(columns, names=["x", "y", "x"]), path)
    return path


def test_columns_of_one_name_are_told_apart_as_in_a_text_table(twins: Path) -> None:
    """Each gets the noise of its own name; see `test_chunks` for the names."""
    after = pq.ParquetFile(noisy_file(twins, "-s", 1)).read()

    assert ["x", "y", "x"] == after.column_names
    noise = [normal_noise(name, 1)[0] for name in ("x", "y", "x.1")]
    expected = [0.5 + noise[0], 1.5 + noise[1], 2.5 + noise[2]]
    assert expected == [column.to_pylist()[0] for column in after.columns]


def test_each_of_two_columns_of_one_name_can_be_chosen(twins: Path) -> None:
    target = twins.with_name("out.parquet")
    done = run(twins, "-o", target, "-s", 1, "-c", "x.1", "--seed", 1)

    note = f"noisify: note: {twins} has fields of one name: 'x.1' is a further 'x'"
    assert (0, [note]) == (done.status, done.lines)
    values = [column.to_pylist()[0] for column in pq.ParquetFile(target).read().columns]
    assert [0.5, 1.5, 2.5 + normal_noise("x.1", 1)[0]] == values


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_a_column_that_is_called_as_a_leaf_hides_no_leaf(tmp_path: Path, suffix: str) -> None:
    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    lists = pa.array([[0.5], [1.5]])
    table = pa.table(
        {
            "s": pa.array([{"a": 0.5}, {"a": 1.5}]),
            "s.a": pa.array([2.5, 3.5]),
            "l": lists,
            "l[]": lists,
        }
    )
    if suffix == ".parquet":
        pq.write_table(table, source)
    else:
        with pa.ipc.new_file(source, table.schema) as writer:
            writer.write_table(table)

    done = run(source, "-o", target, "-s", 1, "--seed", 1)

    found = "'s.a.1' is a further 's.a', 'l[].1' is a further 'l[]'"
    assert done.lines == [f"noisify: note: {source} has fields of one name: {found}"]
    read = pq.ParquetFile(target).read() if suffix == ".parquet" else None
    after = (read or pa.ipc.open_file(target).read_all()).to_pydict()
    noise = {name: normal_noise(name, 2) for name in ("s.a.1", "s.a", "l[].1", "l[][]")}
    assert [row["a"] for row in after["s"]] == [0.5 + noise["s.a.1"][0], 1.5 + noise["s.a.1"][1]]
    assert after["s.a"] == [2.5 + noise["s.a"][0], 3.5 + noise["s.a"][1]]
    assert after["l"] == [[0.5 + noise["l[].1"][0]], [1.5 + noise["l[].1"][1]]]
    assert after["l[]"] == [[0.5 + noise["l[][]"][0]], [1.5 + noise["l[][]"][1]]]


def test_a_page_with_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    source, target = tmp_path / "data.parquet", tmp_path / "out.parquet"
    file = io.BytesIO()
    pq.write_table(
        pa.table({"x": np.arange(1000.0)}),
        file,
        compression="none",
        use_dictionary=False,
        write_page_checksum=True,
    )
    source.write_bytes(flipped(file.getvalue(), 4000))

    done = run(source, "-o", target, "-s", 1, "--seed", 1)

    assert done.status == 3
    assert len(done.lines) == 1
    assert [source] == list(tmp_path.iterdir())

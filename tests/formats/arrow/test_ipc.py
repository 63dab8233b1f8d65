"""Arrow IPC: files and streams, batch by batch; compression, metadata and dictionaries kept."""

from __future__ import annotations

import io
import struct
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from conformance import FormatConformance
from pyarrow import feather
from run_command import noisy, noisy_file, normal_noise, run, run_process

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

ROWS = 40


class TestArrowFile(FormatConformance):
    suffix: ClassVar[str] = ".arrow"
    splices: ClassVar[bool] = False

    def write(self, path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
        table = pa.table({name: pa.array(values) for name, values in columns.items()})
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=6000)

    def read(self, path: Path) -> dict[str, NDArray[Any]]:
        table = pa.ipc.open_file(path).read_all()
        return {name: table[name].to_numpy() for name in table.column_names}


class TestArrowStream(FormatConformance):
    suffix: ClassVar[str] = ".arrows"
    splices: ClassVar[bool] = False

    def write(self, path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
        table = pa.table({name: pa.array(values) for name, values in columns.items()})
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=6000)

    def read(self, path: Path) -> dict[str, NDArray[Any]]:
        table = pa.ipc.open_stream(path.read_bytes()).read_all()
        return {name: table[name].to_numpy() for name in table.column_names}


def columns(seed: int) -> dict[str, pa.Array]:
    """Return a column of every kind that Arrow has and Parquet has not, and some more."""
    numbers = np.random.default_rng(seed).normal(size=ROWS)
    tensor = pa.fixed_shape_tensor(pa.float32(), (2,))
    uuids = pa.array([b"0123" * 4] * ROWS, pa.binary(16))
    pairs = pa.array([[1.0, 2.0]] * ROWS, pa.list_(pa.float32(), 2))
    return {
        "x": pa.array(numbers, mask=np.arange(ROWS) % 7 == 3),
        "s": pa.array([{"x": float(i), "n": i} if i % 5 else None for i in range(ROWS)]),
        "l": pa.array([[float(i)] * (i % 3) if i % 7 else None for i in range(ROWS)]),
        "large": pa.array([[float(i)] * (i % 2) for i in range(ROWS)], pa.large_list(pa.float32())),
        "m": pa.array([[("a", i / 2)] for i in range(ROWS)], pa.map_(pa.string(), pa.float32())),
        "t": pa.ExtensionArray.from_storage(tensor, pairs),
        "level": pa.array([float(i % 3) for i in range(ROWS)]).dictionary_encode(),
        "word": pa.array([f"{seed}{i % 3}" for i in range(ROWS)]).dictionary_encode(),
        "view": pa.array(["a" * 20, "b"] * (ROWS // 2), pa.string_view()),
        "lists": pa.array([[1, 2], None] * (ROWS // 2), pa.list_view(pa.int32())),
        "u": pa.ExtensionArray.from_storage(pa.uuid(), uuids),
        "cents": pa.array([Decimal(i) for i in range(ROWS)], pa.decimal64(10, 2)),
        "half": pa.array(np.arange(ROWS, dtype="f2")),
        "either": pa.UnionArray.from_sparse(
            pa.array([0, 1] * (ROWS // 2), pa.int8()),
            [pa.array(range(ROWS)), pa.array([0.5] * ROWS)],
        ),
    }  # fmt: skip


SCHEMA = pa.schema(
    [pa.field(name, array.type, metadata={"of": name}) for name, array in columns(0).items()],
    metadata={"made by": "a test"},
)


def write(path: Path, codec: str | None) -> Path:
    """Write three batches, each said something of; those of a stream have new dictionaries."""
    batches = [
        pa.RecordBatch.from_arrays(list(columns(i).values()), schema=SCHEMA) for i in (1, 2, 3)
    ]
    options = pa.ipc.IpcWriteOptions(compression=codec)
    with pa.OSFile(str(path), "wb") as file:
        if path.suffix == ".arrow":
            place = SCHEMA.names.index("word")
            words = pa.chunked_array([b.column(place) for b in batches]).unify_dictionaries()
            batches = [
                batch.set_column(place, SCHEMA.field(place), one)
                for batch, one in zip(batches, words.chunks, strict=True)
            ]
            writer = pa.ipc.new_file(file, SCHEMA, options=options, metadata={"foot": "note"})
        else:
            writer = pa.ipc.new_stream(file, SCHEMA, options=options)
        with writer:
            for number, batch in enumerate(batches):
                writer.write_batch(batch, custom_metadata={"number": str(number)})
    return path  # fmt: skip


def read(path: Path) -> list[tuple[pa.RecordBatch, dict[bytes, bytes]]]:
    """Return the batches and what is said of each."""
    if path.suffix == ".arrow":
        reader = pa.ipc.open_file(path)
        found = [reader.get_batch_with_custom_metadata(i) for i in range(reader.num_record_batches)]
    else:
        found = list(pa.ipc.open_stream(path.read_bytes()).iter_batches_with_custom_metadata())
    return [(each.batch, dict(each.custom_metadata)) for each in found]


@pytest.fixture(params=[".arrow", ".arrows"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("codec", [None, "lz4", "zstd"])
def test_what_gets_no_noise_and_what_is_said_of_batches_is_kept(
    tmp_path: Path, kind: str, codec: str | None
) -> None:
    source = write(tmp_path / f"data{kind}", codec)

    target = noisy_file(source, "-s", 1, "-c", "x")

    noise = normal_noise("x", 3 * ROWS)
    for at, ((before, said), (after, told)) in enumerate(
        zip(read(source), read(target), strict=True)
    ):
        assert before.schema.equals(after.schema, check_metadata=True)
        assert said == told
        assert before.drop_columns(["x"]).equals(after.drop_columns(["x"]))
        expected = [
            None if value is None else value + change
            for value, change in zip(before["x"].to_pylist(), noise[at * ROWS :], strict=False)
        ]
        assert expected == after["x"].to_pylist()  # fmt: skip
    if kind == ".arrow":
        assert pa.ipc.open_file(target).metadata == {b"foot": b"note"}


def codecs(path: Path) -> set[int]:
    """Return the codec of each batch, -1 for none, as pyarrow's own reader of messages shows it."""
    data = path.read_bytes()
    stream = io.BytesIO(data[8:] if path.suffix == ".arrow" else data)
    found = set()
    for message in pa.ipc.MessageReader.open_stream(stream):
        if message.type in {"record batch", "dictionary"}:
            compressed = message.body.size and (b"\x04\x22\x4d\x18" in message.body.to_pybytes())
            zstd = b"\x28\xb5\x2f\xfd" in message.body.to_pybytes()
            found.add(0 if compressed else 1 if zstd else -1)
    return found


@pytest.mark.parametrize(("codec", "number"), [(None, -1), ("lz4", 0), ("zstd", 1)])
def test_the_codec_is_kept(tmp_path: Path, kind: str, codec: str | None, number: int) -> None:
    source = tmp_path / f"data{kind}"
    table = pa.table({"x": np.zeros(10_000)})
    options = pa.ipc.IpcWriteOptions(compression=codec)
    make = pa.ipc.new_file if kind == ".arrow" else pa.ipc.new_stream
    with pa.OSFile(str(source), "wb") as file, make(file, table.schema, options=options) as writer:
        writer.write_table(table)

    target = noisy_file(source, "-s", 1)

    assert {number} == codecs(source) == codecs(target)


@pytest.mark.parametrize("version", [pa.ipc.MetadataVersion.V4, pa.ipc.MetadataVersion.V5])
def test_the_version_of_the_metadata_is_kept(tmp_path: Path, version: Any) -> None:
    source = tmp_path / "data.arrows"
    table = pa.table({"x": [0.5]})
    options = pa.ipc.IpcWriteOptions(metadata_version=version)
    with (
        pa.OSFile(str(source), "wb") as file,
        pa.ipc.new_stream(file, table.schema, options=options) as writer,
    ):
        writer.write_table(table)

    target = noisy_file(source, "-s", 1)

    messages = list(pa.ipc.MessageReader.open_stream(target.read_bytes()))
    assert [version] * 2 == [message.metadata_version for message in messages]


def test_leaves_get_the_noise_of_their_names(tmp_path: Path, kind: str) -> None:
    source = write(tmp_path / f"data{kind}", "lz4")

    before, after = (
        pa.Table.from_batches([batch for batch, _ in read(path)])
        for path in (source, noisy_file(source, "-s", 1))
    )

    changed = [name for name in before.column_names if not before[name].equals(after[name])]
    assert ["x", "s", "l", "large", "m", "t", "level", "half"] == changed
    for name, column in (("l[]", "l"), ("large[]", "large")):
        values, noised = (
            [value for row in table[column].to_pylist() for value in row or ()]
            for table in (before, after)
        )
        noise = normal_noise(name, len(values))
        np.testing.assert_allclose(np.array(values) + noise, noised, rtol=1e-6)
    assert (before["level"].to_numpy() + normal_noise("level", 3 * ROWS)).tolist() == (
        after["level"].to_numpy().tolist()
    )


def test_small_decimals_get_noise(tmp_path: Path, kind: str) -> None:
    source = write(tmp_path / f"data{kind}", None)

    after = read(noisy_file(source, "-s", 0, "-c", "cents", "--loc", "1.25"))[0][0]["cents"]

    assert [Decimal(i) + Decimal("1.25") for i in range(ROWS)] == after.to_pylist()


def test_a_dictionary_too_small_for_its_noisy_values_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "data.arrow"
    values = pa.array(np.zeros(1000)).dictionary_encode()
    small = values.cast(pa.dictionary(pa.int8(), pa.float64()))
    table = pa.table({"x": small})
    with pa.ipc.new_file(source, table.schema) as writer:
        writer.write_table(table)

    done = run(source, "-o", tmp_path / "out.arrow", "-s", 1, "--seed", 1)

    assert (2, 1) == (done.status, len(done.lines))
    assert "field 'x': has 1,000 different values now" in done.messages
    assert [source] == list(tmp_path.iterdir())


def test_a_stream_is_read_as_it_comes(tmp_path: Path) -> None:
    source = write(tmp_path / "data.arrows", "zstd")

    done = run("-s", 1, "-c", "x", "--seed", 1, given=source.read_bytes())

    assert (0, "") == (done.status, done.messages)
    assert noisy(source, "-s", 1, "-c", "x") == done.output


def test_a_file_from_a_pipe_is_kept_in_a_temporary_file_with_a_note(tmp_path: Path) -> None:
    source = write(tmp_path / "data.arrow", "zstd")

    done = run("-s", 1, "-c", "x", "--seed", 1, given=source.read_bytes())

    assert (0, 1) == (done.status, len(done.lines))
    assert "is kept in a temporary file" in done.messages
    assert noisy(source, "-s", 1, "-c", "x") == done.output


def test_cuts_and_workers_do_not_show(tmp_path: Path, kind: str) -> None:
    source = tmp_path / f"data{kind}"
    table = pa.table({"x": np.arange(3_000_000.0), "l": pa.nulls(3_000_000, pa.list_(pa.int8()))})
    make = pa.ipc.new_file if kind == ".arrow" else pa.ipc.new_stream
    with pa.OSFile(str(source), "wb") as file, make(file, table.schema) as writer:
        writer.write_table(table)

    written = {
        noisy(source, "-s", 1, *cut) for cut in (("--jobs", 1), ("--jobs", 3, "--chunk-size", "1k"))
    }

    (data,) = written
    target = tmp_path / f"out{kind}"
    target.write_bytes(data)
    reader = pa.ipc.open_file(target) if kind == ".arrow" else pa.ipc.open_stream(target)
    after = reader.read_all()
    assert 1 == after["x"].num_chunks
    noised = np.arange(3_000_000) + normal_noise("x", 3_000_000)
    np.testing.assert_array_equal(noised, after["x"].to_numpy())


def test_rows_are_dropped_from_every_column(tmp_path: Path, kind: str) -> None:
    source = tmp_path / f"data{kind}"
    write(source, None)

    target = noisy_file(source, "-d", "drop-rows", "--rate", "50%", "--exclude", "either")

    before, after = (
        pa.Table.from_batches([batch for batch, _ in read(path)]) for path in (source, target)
    )
    kept = [i for i, row in enumerate(before["s"].to_pylist()) if row in after["s"].to_pylist()]
    assert 30 < after.num_rows < 90
    assert set(after["x"].to_pylist()) <= set(before["x"].to_pylist())
    assert len(kept) >= after.num_rows


@pytest.mark.parametrize("model", ["drop-rows", "duplicate-rows"])
def test_views_and_runs_go_with_their_rows(tmp_path: Path, model: str) -> None:
    source = tmp_path / "data.arrow"
    texts = pa.array([f"a text longer than a view holds {i}" for i in range(60)], pa.string_view())
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([20, 60], pa.int32()), [1.5, 2.5])
    table = pa.table(
        {
            "i": range(60),
            "text": texts,
            "run": runs,
            "inner": pa.StructArray.from_arrays([texts], ["text"]),
            "list": pa.array([[f"text {i}", None] for i in range(60)], pa.list_(pa.string_view())),
        }
    )
    with pa.ipc.new_file(str(source), table.schema) as writer:
        writer.write_table(table)

    after = pa.ipc.open_file(noisy_file(source, "-d", model, "--rate", "50%")).read_all()

    rows = after["i"].to_pylist()
    assert sorted(rows) == rows != list(range(60))
    assert table.schema.equals(after.schema)
    for name in ("text", "run", "inner", "list"):
        before = table[name].to_pylist()
        assert [before[row] for row in rows] == after[name].to_pylist(), name


def test_copies_may_be_appended(tmp_path: Path, kind: str) -> None:
    source = write(tmp_path / f"data{kind}", None)

    batches = read(noisy_file(source, "-s", 1, "-c", "x,level", "--append"))

    originals = read(source)
    for (before, said), (after, told) in zip(originals, batches[:3], strict=True):
        assert (before.to_pylist(), said) == (after.to_pylist(), told)
    levels = [value for batch, _ in batches[3:] for value in batch["level"].to_pylist()]
    expected = np.array([float(i % 3) for i in range(ROWS)] * 3) + normal_noise("level", 3 * ROWS)
    assert expected.tolist() == levels


def test_conditions(tmp_path: Path, kind: str) -> None:
    source = write(tmp_path / f"data{kind}", None)

    target = noisy_file(source, "-s", 1, "-c", "half", "--where", "s.n >= 30")

    changed = [
        i
        for i, (one, other) in enumerate(
            zip(read(source)[0][0]["half"], read(target)[0][0]["half"], strict=True)
        )
        if one != other
    ]
    assert [i for i in range(30, ROWS) if i % 5] == changed


@pytest.mark.parametrize("codec", ["lz4", "zstd", "uncompressed"])
def test_feather_is_read_by_pandas_and_polars(tmp_path: Path, codec: str) -> None:
    source = tmp_path / "data.feather"
    feather.write_feather(pa.table({"x": [0.5, 1.5], "w": ["a", "b"]}), source, compression=codec)

    target = noisy_file(source, "-s", 1)

    expected = (np.array([0.5, 1.5]) + normal_noise("x", 2)).tolist()
    assert expected == feather.read_feather(target)["x"].tolist()
    assert expected == pl.read_ipc(target)["x"].to_list()
    assert ["a", "b"] == pl.read_ipc(target)["w"].to_list()


def test_polars_and_duckdb_exchange_with_it(tmp_path: Path) -> None:
    source = tmp_path / "data.arrow"
    frame = pl.DataFrame({"x": [0.5, None], "w": ["a", "b"], "l": [[1.5], []]})
    frame.write_ipc(source, compression="zstd")

    actual = pl.read_ipc(noisy_file(source, "-s", 1, "-c", "x"))

    assert [0.5 + normal_noise("x", 1)[0], None] == actual["x"].to_list()
    assert frame.drop("x").equals(actual.drop("x"))
    noised = pa.ipc.open_file(noisy_file(source, "-s", 1, "-c", "x")).read_all()
    assert [("a", [1.5]), ("b", [])] == duckdb.sql("select w, l from noised").fetchall()
    assert noised.num_rows == 2


def test_old_feather_is_refused_with_a_hint(tmp_path: Path) -> None:
    source = tmp_path / "data.feather"
    source.write_bytes(b"FEA1" + bytes(100) + struct.pack("<i", 0) + b"FEA1")

    done = run(source, "-o", tmp_path / "out.feather", "-s", 1)

    assert (3, 1) == (done.status, len(done.lines))
    assert "is a Feather V1 file" in done.messages


UNNOTICED = {(".arrow", "schema"), (".arrow", "batch")}
"""Damage to what nobody needs to read (a file has its schema in the footer too), or checks."""


@pytest.mark.parametrize("damage", ["schema", "batch", "footer"])
def test_a_damaged_file_is_refused(tmp_path: Path, kind: str, damage: str) -> None:
    source = write(tmp_path / f"data{kind}", "zstd")
    data = bytearray(source.read_bytes())
    start = {"schema": 16, "batch": len(data) // 2, "footer": len(data) - 40}[damage]
    data[start : start + 30] = b"\xff" * 30
    source.write_bytes(data)

    target = tmp_path / f"out{kind}"
    done = run_process(source, "-o", target, "-s", 1, "-c", "x", "--seed", 1)

    refused = (kind, damage) not in UNNOTICED
    assert ((3, 1) if refused else (0, 0)) == (done.status, len(done.lines)), done.messages
    assert refused != target.exists()
    assert {source} == set(tmp_path.iterdir()) - {target}

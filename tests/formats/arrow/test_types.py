"""Arrow IPC for every type there is: what gets no noise is the same in the output.

Batches without rows stand among the others: pyarrow itself stumbles over some of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pytest
from arrow_types import FLOATS, ROWS, TYPES
from run_command import normal_noise, run

if TYPE_CHECKING:
    from pathlib import Path

KINDS = (".arrow", ".arrows")


def write(path: Path, schema: pa.Schema, batches: list[pa.RecordBatch], **options: Any) -> Path:
    settings = pa.ipc.IpcWriteOptions(**options)
    opened = pa.ipc.new_file if path.suffix == ".arrow" else pa.ipc.new_stream
    with opened(str(path), schema, options=settings) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return path


def read(path: Path) -> list[pa.RecordBatch]:
    data = path.read_bytes()
    if path.suffix == ".arrow":
        file = pa.ipc.open_file(data)
        return [file.get_batch(number) for number in range(file.num_record_batches)]
    return list(pa.ipc.open_stream(data))


def make(path: Path, column: pa.Array) -> Path:
    table = pa.table({"x": pa.array([1.5] * ROWS), "c": column, "n": pa.array(range(ROWS))})
    (batch,) = table.to_batches()
    none = batch.slice(0, 0)
    return write(path, table.schema, [none, batch, batch.slice(2, 3), none])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TYPES)
def test_columns_that_get_no_noise_are_kept(tmp_path: Path, kind: str, name: str) -> None:
    source, target = make(tmp_path / f"in{kind}", TYPES[name]), tmp_path / f"out{kind}"

    done = run(source, "-o", target, "-c", "x", "-s", 1, "--seed", 1)

    assert (0, "") == (done.status, done.messages)
    after, before = read(target), read(source)
    assert [batch.schema for batch in before] == [batch.schema for batch in after]
    for old, new in zip(before, after, strict=True):
        new.validate(full=True)
        assert old["c"].to_pylist() == new["c"].to_pylist()
        assert old["n"].equals(new["n"])
    noise = normal_noise("x", ROWS + 3)
    values = [value for batch in after for value in batch["x"].to_pylist()]
    assert (1.5 + noise).tolist() == values


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TYPES)
def test_at_level_zero_the_bytes_are_the_same(tmp_path: Path, kind: str, name: str) -> None:
    source, target = make(tmp_path / f"in{kind}", TYPES[name]), tmp_path / f"out{kind}"

    assert run(source, "-o", target, "-c", "x", "-s", 0, "--seed", 1).status == 0

    assert source.read_bytes() == target.read_bytes()


@pytest.mark.parametrize("name", [name for name in TYPES if name != "list of runs"])
def test_dropped_rows_are_dropped_from_every_type(tmp_path: Path, name: str) -> None:
    source, target = make(tmp_path / "in.arrow", TYPES[name]), tmp_path / "out.arrow"

    done = run(source, "-o", target, "-d", "drop-rows", "--rate", 0.5, "--seed", 2)

    assert (0, "") == (done.status, done.messages)
    before = {row["n"]: row["c"] for batch in read(source) for row in batch.to_pylist()}
    after = [row for batch in read(target) for row in batch.to_pylist()]
    assert 0 < len(after) < ROWS + 3
    assert [before[row["n"]] for row in after] == [row["c"] for row in after]


INTERVALS = {"month_interval": 0, "day_time_interval": 1}
"""The old intervals, which pyarrow reads and cannot write, by the code of their unit."""


def with_interval(data: bytes, name: str) -> bytes:
    """Return a stream with another unit in the place of each month, day and nanosecond."""
    for found in re.finditer(rb"\x02\0", data[:1000]):
        changed = data[: found.start()] + bytes([INTERVALS[name]]) + data[found.start() + 1 :]
        try:
            more = str(pa.ipc.open_stream(changed).schema).count(name)
        except (pa.ArrowException, OSError):
            continue
        if more > str(pa.ipc.open_stream(data).schema).count(name):
            data = changed
    return data


def make_one_batch(path: Path, column: pa.Array, interval: str) -> Path:
    table = pa.table({"x": [1.5] * ROWS, "c": column, "n": range(ROWS)})
    write(path, table.schema, table.to_batches())
    path.write_bytes(with_interval(path.read_bytes(), interval))
    return path


@pytest.mark.parametrize("rows", [(), ("-d", "drop-rows", "--rate", 0.5)])
@pytest.mark.parametrize("name", INTERVALS)
@pytest.mark.parametrize("column", ["interval", "list of intervals"])
def test_old_intervals_are_kept(tmp_path: Path, column: str, name: str, rows: Any) -> None:
    source = make_one_batch(tmp_path / "in.arrows", TYPES[column], name)
    target = tmp_path / "out.arrows"

    done = run(source, "-o", target, *(rows or ("-s", 1)), "--seed", 2)

    assert (0, "") == (done.status, done.messages)
    (before,), (after,) = read(source), read(target)
    assert name in str(after.schema.field("c").type)
    places = pa.array(after["n"].to_pylist(), pa.int64())
    assert before.select([1]).take(places).equals(after.select([1]))


def test_a_struct_of_old_intervals_is_left(tmp_path: Path) -> None:
    column = TYPES["struct of intervals"]
    source = make_one_batch(tmp_path / "in.arrows", column, "month_interval")

    done = run(source, "-o", tmp_path / "out.arrows", "-c", "c", "-s", 1, "--seed", 1)

    assert (2, 1) == (done.status, len(done.lines))
    assert "field 'c': holds struct<i: month_interval, f: double>" in done.messages


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_without_columns_passes_through(tmp_path: Path, kind: str) -> None:
    source, target = tmp_path / f"in{kind}", tmp_path / f"out{kind}"
    (batch,) = pa.table({"x": [1.5, 2.5]}).to_batches()
    write(source, pa.schema([]), [batch.select([])])

    done = run(source, "-o", target, "-s", 1, "--seed", 1)

    note = f"noisify: note: {source} has no columns; it passes through as it is"
    assert (0, [note]) == (done.status, done.lines)
    assert source.read_bytes() == target.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_without_columns_has_none_to_choose(tmp_path: Path, kind: str) -> None:
    source, target = tmp_path / f"in{kind}", tmp_path / "out"
    write(source, pa.schema([]), [])

    done = run(source, "-o", target, "-c", "x", "-s", 1)

    assert done.status == 2
    assert done.lines[-1] == f"noisify: {source}: no field matches 'x' (the file has no fields)"


def test_a_text_table_needs_a_column(tmp_path: Path) -> None:
    source = write(tmp_path / "in.arrow", pa.schema([]), [])

    done = run(source, "-o", tmp_path / "out.csv", "-s", 1)

    assert (2, 1) == (done.status, len(done.lines))
    assert "has no columns, and a text table needs one" in done.messages


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by", ["name", "bytes"])
def test_messages_of_old_are_read_and_written(tmp_path: Path, kind: str, by: str) -> None:
    """Before Arrow 0.15 messages had no continuation mark; such streams have no magic bytes."""
    table = pa.table({"x": FLOATS, "w": pa.array(["a", "b"] * 3).dictionary_encode()})
    version = pa.ipc.MetadataVersion.V4
    source, target = tmp_path / f"in{kind}", tmp_path / f"out{kind}"
    batches = table.to_batches()
    write(source, table.schema, batches, metadata_version=version, use_legacy_format=True)
    given = source.read_bytes()
    files = (source,) if by == "name" else ("--quiet",)

    done = run(*files, "-o", target, "-s", 1, "--seed", 1, given=given)
    same = run(*files, "-c", "x", "-s", 0, "--seed", 1, given=given)

    assert (0, "") == (done.status, done.messages)
    assert same.output == given
    assert b"\xff\xff\xff\xff" not in target.read_bytes()
    after = pa.Table.from_batches(read(target))
    assert after["w"].equals(table["w"])
    reader = pl.read_ipc if kind == ".arrow" else pl.read_ipc_stream
    noise = normal_noise("x", ROWS)
    expected = [None if x is None else x + n for x, n in zip(FLOATS, noise, strict=True)]
    assert expected == reader(target)["x"].to_list() == after["x"].to_pylist()


def test_a_stream_may_have_a_very_large_schema(tmp_path: Path) -> None:
    table = pa.table({"x": FLOATS}).replace_schema_metadata({"k": "v" * (2 << 20)})
    source, target = tmp_path / "in.arrows", tmp_path / "out.arrows"
    write(source, table.schema, table.to_batches())

    assert run(source, "-o", target, "-s", 0, "--seed", 1).status == 0
    assert source.read_bytes() == target.read_bytes()


def beyond(bits: int, digits: int, kind: pa.DataType) -> tuple[list[int], pa.Array]:
    """Return unscaled decimals of which the first and the last fit a precision, and the array."""
    most = (1 << (bits - 1)) - 1
    numbers = [12345, 10**digits, -(10**digits), most, -most - 1, 0]
    raw = b"".join(number.to_bytes(bits // 8, "little", signed=True) for number in numbers)
    return numbers, pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(raw)])


@pytest.mark.parametrize(
    ("bits", "digits"), [(32, 5), (64, 5), (64, 12), (128, 5), (128, 20), (256, 5), (256, 50)]
)
def test_decimals_beyond_their_precision_are_left(tmp_path: Path, bits: int, digits: int) -> None:
    _, column = beyond(bits, digits, getattr(pa, f"decimal{bits}")(digits, 2))
    source, target = tmp_path / "in.arrow", tmp_path / "out.arrow"
    table = pa.table({"d": column})
    write(source, table.schema, table.to_batches())

    same = run(source, "-c", "d", "-s", 0, "--seed", 1)
    done = run(source, "-c", "d", "-s", 1, "--seed", 1, "-o", target)

    assert same.output == source.read_bytes()
    note = f"{source}, field 'd': 4 cells not within the field's precision, left alone"
    assert (0, [f"noisify: note: {note}"]) == (done.status, done.lines)
    (batch,) = read(target)
    before, after = column.to_pylist(), batch["d"].to_pylist()
    assert before[1:5] == after[1:5]
    noise = [round(100 * number) for number in normal_noise("d", ROWS)]
    assert [int(100 * value) for value in (after[0], after[5])] == [12345 + noise[0], noise[5]]


def test_times_beyond_the_day_are_left(tmp_path: Path) -> None:
    seconds = pa.array([90000, 3600, -5], pa.int32()).view(pa.time32("s"))
    source, target = tmp_path / "in.arrow", tmp_path / "out.arrow"
    table = pa.table({"t": seconds})
    write(source, table.schema, table.to_batches())

    done = run(source, "-c", "t", "-s", "90s", "--seed", 1, "-o", target)

    assert (0, 1) == (done.status, len(done.lines))
    assert "field 't': 2 cells not a time, left alone" in done.messages
    (batch,) = read(target)
    noise = round(90 * normal_noise("t", 3)[1])
    assert [90000, 3600 + noise, -5] == batch["t"].view(pa.int32()).to_pylist()

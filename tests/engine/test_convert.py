"""Files that are written in another format than they came in."""

import csv
import datetime as dt
from decimal import Decimal

import duckdb
import h5py
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from h5py import h5d, h5s, h5t
from run_command import normal_noise, run

COUNT = 10_000
NOISE = ("-s", 0.5, "-c", "x", "--seed", 1)
TABLES = (".csv", ".tsv", ".parquet", ".arrow")
ARRAYS = (".npy", ".npz", ".h5")


def converted(source, suffix, *arguments):
    target = source.with_name(f"out{suffix}")
    done = run(source, "-o", target, *arguments)
    assert (0, b"") == (done.status, done.output), done.messages
    return target


def refused(source, suffix, *arguments):
    target = source.with_name(f"out{suffix}")
    before = sorted(source.parent.iterdir())
    done = run(source, "-o", target, *arguments)
    assert (2, 1) == (done.status, len(done.lines)), done.messages
    assert before == sorted(source.parent.iterdir())
    return done.messages


def table():
    """Return a table of what CSV can tell: numbers, texts, dates, nulls."""
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "x": pa.array(rng.normal(size=COUNT)),
            "n": pa.array([None if at % 7 == 3 else at for at in range(COUNT)], pa.int64()),
            "note": pa.array([None if at % 5 == 2 else f'a "{at}", b\nc' for at in range(COUNT)]),
            "day": pa.array([dt.date(2024, 1, 1) + dt.timedelta(at % 900) for at in range(COUNT)]),
            "at": pa.array(
                [dt.datetime(2024, 1, 1) + dt.timedelta(seconds=at) for at in range(COUNT)],  # noqa: DTZ001
                pa.timestamp("s"),
            ),
        }
    )


def write_table(path, content):
    if path.suffix == ".parquet":
        pq.write_table(content, path)
    elif path.suffix == ".arrow":
        with pa.ipc.new_file(path, content.schema) as writer:
            writer.write_table(content)
    else:
        delimiter = "\t" if path.suffix == ".tsv" else ","
        content.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get).to_csv(
            path, sep=delimiter, index=False
        )


def read_table(path):
    if path.suffix == ".parquet":
        return pq.read_table(path)
    if path.suffix == ".arrow":
        return pa.ipc.open_file(path).read_all()
    with path.open(newline="") as file:
        header, *rows = csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ",")
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    return pa.table(
        {
            "x": pa.array([float(cell) for cell in columns["x"]]),
            "n": pa.array([int(cell) if cell else None for cell in columns["n"]], pa.int64()),
            "note": pa.array([cell or None for cell in columns["note"]]),
            "day": pa.array([dt.date.fromisoformat(cell) for cell in columns["day"]]),
            "at": pa.array(
                [dt.datetime.fromisoformat(cell) for cell in columns["at"]], pa.timestamp("s")
            ),
        }
    )


@pytest.mark.parametrize("new", TABLES)
@pytest.mark.parametrize("old", TABLES)
def test_a_table_keeps_its_values_and_gets_the_noise_of_any_format(tmp_path, old, new):
    content = table()
    source = tmp_path / f"in{old}"
    write_table(source, content)

    found = read_table(converted(source, new, *NOISE))

    expected = np.asarray(content["x"]) + 0.5 * normal_noise("x", COUNT)
    np.testing.assert_array_equal(expected, np.asarray(found["x"]))
    for name in ("n", "note", "day"):
        assert content[name].to_pylist() == found[name].to_pylist()
    assert content["at"].cast(pa.timestamp("us")).equals(found["at"].cast(pa.timestamp("us")))


def test_what_was_written_opens_in_other_software(tmp_path):
    source = tmp_path / "in.csv"
    write_table(source, table())

    parquet, arrow = (converted(source, suffix, *NOISE) for suffix in (".parquet", ".arrow"))

    by_polars, by_pandas = pl.read_parquet(parquet), pd.read_feather(arrow)
    assert by_polars["x"].to_list() == by_pandas["x"].tolist()
    by_duckdb = duckdb.read_parquet(str(parquet))
    assert by_duckdb.count("*").fetchall() == [(COUNT,)]
    assert by_duckdb.sum("n").fetchall() == [(sum(n for n in range(COUNT) if n % 7 != 3),)]


class TestTypesOfATextTable:
    @pytest.mark.parametrize(
        ("cells", "expected"),
        [
            pytest.param(["1", "2", ""], pa.int64(), id="whole"),
            pytest.param(["1", "2.5"], pa.float64(), id="numbers"),
            pytest.param(["1"] * 200_000 + ["2.5"], pa.float64(), id="whole-for-long"),
            pytest.param(["1"] * 200_000 + ["n/k"], pa.string(), id="whole-then-text"),
            pytest.param(["1"] * 200_000 + ["007"], pa.string(), id="whole-then-a-code"),
            pytest.param(["9" * 30, "1"], pa.decimal128(38, 0), id="long"),
            pytest.param(["9" * 30, "1.5"], pa.string(), id="long-and-fractions"),
            pytest.param(["2024-01-01", "2024-02-03"], pa.date32(), id="days"),
            pytest.param(["2024-01-01T10:00:00"], pa.timestamp("ms"), id="times"),
            pytest.param(["2024-01-01T10:00:00Z"], pa.timestamp("ms", "UTC"), id="times-in-utc"),
            pytest.param(["2024-01-01T10:00:00+02:00"], pa.string(), id="times-in-a-zone"),
            pytest.param(["23:59:59", "00:00:01", ""], pa.time32("ms"), id="times-of-day"),
            pytest.param(["23:59", "00:00:00.1234"], pa.time64("us"), id="fine-times-of-day"),
            pytest.param(["23:59:59", "24:00:00"], pa.string(), id="no-times-of-day"),
            pytest.param(["23:59:59", "2024-01-01"], pa.string(), id="times-and-days"),
            pytest.param(["yes", "no"], pa.string(), id="texts"),
        ],
    )
    def test_fit_every_cell(self, tmp_path, cells, expected):
        source = tmp_path / "in.csv"
        source.write_text("x,c\n" + "".join(f"1.5,{cell}\n" for cell in cells))

        found = pq.read_table(converted(source, ".parquet", *NOISE))["c"]

        assert expected == found.type
        told = found.cast(pa.string()).to_pylist()
        if pa.types.is_string(expected) or pa.types.is_integer(expected):
            assert [cell or None for cell in cells] == told

    def test_a_long_integer_keeps_its_digits(self, tmp_path):
        source = tmp_path / "in.csv"
        source.write_text("x,c\n1.5,123456789012345678901234567890\n2.5,-7\n")

        found = pq.read_table(converted(source, ".parquet", *NOISE))["c"].to_pylist()

        assert [Decimal(123456789012345678901234567890), Decimal(-7)] == found


class TestDelimiters:
    def test_cells_keep_their_bytes(self, tmp_path):
        source = tmp_path / "in.csv"
        source.write_bytes(b'a,"b c",d\r\n1.50, 007 ,"x ""y"""\r\n2,"",tab\there\r\n')

        target = converted(source, ".tsv", "-s", 0, "-c", "a")

        assert target.read_bytes() == (
            b'a\t"b c"\td\r\n1.50\t 007 \t"x ""y"""\r\n2\t""\t"tab\there"\r\n'
        )

    def test_there_and_back_is_the_file(self, tmp_path):
        source = tmp_path / "in.csv"
        write_table(source, table())

        there = converted(source, ".tsv", "-s", 0)

        assert source.read_bytes() == converted(there, ".csv", "-s", 0).read_bytes()

    def test_another_suffix_alone_changes_no_delimiter(self, tmp_path):
        source = tmp_path / "in.tsv"
        source.write_text("x\ty\n1.5\t2\n")

        assert source.read_text() == converted(source, ".txt", "-s", 0).read_text()


class TestRefusals:
    @pytest.mark.parametrize(
        ("column", "named"),
        [
            pytest.param(pa.array([[1, 2]]), "list<", id="list"),
            pytest.param(pa.array([{"a": 1}]), "struct<", id="struct"),
            pytest.param(pa.array([b"\0\1"]), "binary", id="binary"),
        ],
    )
    def test_what_a_text_table_cannot_hold_is_named(self, tmp_path, column, named):
        source = tmp_path / "in.parquet"
        pq.write_table(pa.table({"x": [1.5], "odd": column}), source)

        message = refused(source, ".csv", *NOISE)

        assert "'odd'" in message
        assert named in message

    def test_a_table_is_no_array(self, tmp_path):
        source = tmp_path / "in.csv"
        source.write_text("x\n1.5\n")

        assert "CSV cannot be written as NPY" in refused(source, ".npy", *NOISE)

    def test_several_arrays_are_no_npy(self, tmp_path):
        source = tmp_path / "in.npz"
        np.savez(source, x=np.zeros(3), y=np.zeros(4))

        assert "several arrays (x, y" in refused(source, ".npy", "-s", 1)

    def test_attributes_are_not_lost(self, tmp_path):
        source = tmp_path / "in.h5"
        with h5py.File(source, "w") as file:
            file["x"] = np.zeros(3)
            file["x"].attrs["units"] = "m"

        assert "'units'" in refused(source, ".npz", "-s", 1)

    @pytest.mark.parametrize("link", ["hard", "soft"])
    def test_links_are_not_lost(self, tmp_path, link):
        source = tmp_path / "in.h5"
        with h5py.File(source, "w") as file:
            file["x"] = np.zeros(3)
            file["y"] = file["x"] if link == "hard" else h5py.SoftLink("/x")

        assert "which would be lost" in refused(source, ".npz", "-s", 1)

    def test_dates_are_no_hdf5(self, tmp_path):
        source = tmp_path / "in.npy"
        np.save(source, np.array(["2024-01-01"], "M8[D]"))

        assert "datetime64[D]" in refused(source, ".h5", "-s", "1d", "-c", "data")


ARRAY_CASES = [
    pytest.param(np.arange(24.0).reshape(2, 3, 4), id="c-order"),
    pytest.param(np.asfortranarray(np.arange(200_000.0).reshape(400, 500)), id="fortran-order"),
    pytest.param(np.arange(9, dtype=">f4"), id="big-endian"),
    pytest.param(np.array(2.5), id="no-axis"),
    pytest.param(np.zeros((0, 3)), id="empty"),
    pytest.param(np.arange(200, dtype="u1"), id="uint8"),
    pytest.param(np.arange(5) * (1 + 2j), id="complex"),
]


def write_array(path, values):
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".npz":
        np.savez_compressed(path, data=values)
    else:
        with h5py.File(path, "w") as file:
            file["data"] = values


def read_array(path):
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix == ".npz":
        return np.load(path)["data"]
    with h5py.File(path) as file:
        return file["data"][()]


@pytest.mark.one_in(2)
@pytest.mark.parametrize("values", ARRAY_CASES)
@pytest.mark.parametrize("new", ARRAYS)
@pytest.mark.parametrize("old", ARRAYS)
def test_an_array_keeps_its_dtype_and_gets_the_noise_of_any_format(tmp_path, old, new, values):
    source = tmp_path / f"in{old}"
    write_array(source, values)
    write_array(tmp_path / "plain.npy", values)
    noise = ("-s", 2, "-c", "data", "--seed", 1, "-q")

    expected = read_array(converted(tmp_path / "plain.npy", "-plain.npy", *noise))
    found = read_array(converted(source, new, *noise))

    assert (values.shape, values.dtype) == (found.shape, found.dtype)
    np.testing.assert_array_equal(expected, found)


def test_chunks_against_the_row_order_are_read_whole(tmp_path):
    source = tmp_path / "in.h5"
    values = np.random.default_rng(0).normal(size=(3000, 40))
    with h5py.File(source, "w") as file:
        file.create_dataset("data", data=values, chunks=(3000, 1), compression="gzip")

    np.testing.assert_array_equal(values, read_array(converted(source, ".npy", "-s", 0)))


def test_categories_of_polars_become_those_of_parquet(tmp_path):
    frame = pl.DataFrame(
        {"x": [1.5, 2.5, 3.5], "c": ["b", None, "b"], "e": ["hi", "lo", None]},
        schema={"x": pl.Float64, "c": pl.Categorical, "e": pl.Enum(["lo", "hi"])},
    )
    frame.write_ipc(tmp_path / "in.arrow")

    after = pl.read_parquet(converted(tmp_path / "in.arrow", ".parquet", *NOISE))

    assert frame.schema == after.schema
    assert frame.drop("x").equals(after.drop("x"))


def test_standard_output_takes_the_format_that_is_named(tmp_path):
    source = tmp_path / "in.csv"
    write_table(source, table())

    done = run(source, "--to", "parquet", *NOISE)

    assert done.status == 0, done.messages
    assert converted(source, ".parquet", *NOISE).read_bytes() == done.output


def test_a_pipe_is_converted_as_a_file_is(tmp_path):
    source = tmp_path / "in.csv"
    write_table(source, table())
    target = tmp_path / "piped.parquet"

    done = run("-o", target, *NOISE, given=source.read_bytes())

    assert done.status == 0, done.messages
    assert converted(source, ".parquet", *NOISE).read_bytes() == target.read_bytes()


def test_a_file_cut_short_leaves_nothing(tmp_path):
    source = tmp_path / "in.npz"
    np.savez(source, data=np.zeros(10_000))
    source.write_bytes(source.read_bytes()[:-500])

    done = run(source, "-o", tmp_path / "out.h5", "-s", 1)

    assert (3, 1) == (done.status, len(done.lines)), done.messages
    assert [source] == list(tmp_path.iterdir())


RECORDS = np.zeros(50, [("x", "<f4"), ("p", [("q", ">f8", (2,)), ("n", "i2")])])


class TestRecords:
    """A structured array gets the noise of its members' names, wherever it is kept."""

    NOISE = ("-s", 3, "-c", ":number", "--seed", 1, "-q")

    @pytest.mark.parametrize("new", ARRAYS)
    @pytest.mark.parametrize("old", ARRAYS)
    def test_get_the_same_noise_in_every_format(self, tmp_path, old, new):
        write_array(tmp_path / f"in{old}", RECORDS)
        write_array(tmp_path / "plain.npy", RECORDS)

        found = read_array(converted(tmp_path / f"in{old}", new, *self.NOISE))

        expected = read_array(converted(tmp_path / "plain.npy", "-plain.npy", *self.NOISE))
        assert found.dtype == RECORDS.dtype
        np.testing.assert_array_equal(expected, found)
        assert 50 == np.count_nonzero(found["x"])

    @pytest.mark.parametrize("suffix", [".npz", ".h5"])
    def test_of_several_arrays_get_noise_of_their_own(self, tmp_path, suffix):
        path = tmp_path / f"in{suffix}"
        if suffix == ".npz":
            np.savez(path, a=RECORDS, b=RECORDS)
        else:
            with h5py.File(path, "w") as file:
                file["a"], file["b"] = RECORDS, RECORDS

        target = converted(path, suffix, *self.NOISE)

        if suffix == ".npz":
            found = [np.load(target)[name]["x"] for name in "ab"]
        else:
            with h5py.File(target) as file:
                found = [file[name]["x"] for name in "ab"]
        assert not (found[0] == found[1]).any()


class TestTypesOfHdf5:
    @pytest.mark.parametrize("suffix", [".npz", ".npy"])
    def test_an_array_type_is_an_array(self, tmp_path, suffix):
        source = tmp_path / "in.h5"
        element = h5t.array_create(h5t.IEEE_F32LE, (2, 3))
        values = np.arange(24, dtype="f4").reshape(4, 2, 3)
        with h5py.File(source, "w") as file:
            dataset = h5d.create(file.id, b"data", element, h5s.create_simple((4,)))
            dataset.write(h5s.ALL, h5s.ALL, values, element)

        np.testing.assert_array_equal(values, read_array(converted(source, suffix, "-s", 0)))
        with h5py.File(converted(source, ".h5", "-s", 1, "--seed", 1)) as file:
            expected = file["data"][()]
        np.testing.assert_array_equal(
            expected, read_array(converted(source, suffix, "-s", 1, "--seed", 1, "-c", "data"))
        )

    @pytest.mark.parametrize("suffix", [".npz", ".npy"])
    @pytest.mark.parametrize("member", [False, True])
    @pytest.mark.parametrize("kind", ["enumeration", "bit field"])
    def test_what_numpy_cannot_say_is_refused(self, tmp_path, suffix, member, kind):
        source = tmp_path / "in.h5"
        inner = h5t.STD_B8LE
        if kind == "enumeration":
            inner = h5t.py_create(h5py.enum_dtype({"A": 1, "B": 2}, "i4"), logical=True)
        if member:
            compound = h5t.create(h5t.COMPOUND, 16)
            compound.insert(b"x", 0, h5t.IEEE_F64LE)
            compound.insert(b"e", 8, inner)
            inner = compound
        with h5py.File(source, "w") as file:
            h5d.create(file.id, b"data", inner, h5s.create_simple((3,)))

        assert kind in refused(source, suffix, "-s", 1)

    @pytest.mark.parametrize("suffix", [".npz", ".npy"])
    def test_what_h5py_adds_to_a_dtype_gives_no_warning(self, tmp_path, suffix):
        source = tmp_path / "in.h5"
        kind = np.dtype([("x", "f8"), ("s", h5py.string_dtype("utf-8", 5))])
        with h5py.File(source, "w") as file:
            file["data"] = np.array([(1.5, "é".encode())], kind)

        done = run(source, "-s", 1, "--seed", 1, "-q", "-o", tmp_path / f"out{suffix}")

        assert (0, "") == (done.status, done.messages)
        assert "é".encode() == read_array(tmp_path / f"out{suffix}")["s"][0]

"""With --key noise follows the record: through sorting, filtering, joins, splits and formats."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_command import run

import noisify
from noisify.engine.loop import CHUNK_BYTES
from noisify.engine.record_keys import Repeats
from noisify.streams.keys import index_of, indices_of_floats, indices_of_integers

COUNT = 500
TABLE = pd.DataFrame(
    {
        "id": np.random.default_rng(5).permutation(COUNT) + 2**60,
        "name": [f"n{at}" for at in range(COUNT)],
        "x": np.arange(COUNT) / 8,
    }
)
NOISE = ("-c", "x", "-s", 1, "--seed", 7, "-q")


def noisy(table, folder, *options, kind="csv"):
    """Return what the command makes of a table."""
    given, made = folder / f"given.{kind}", folder / f"made.{kind}"
    table.to_csv(given, index=False) if kind == "csv" else table.to_parquet(given, index=False)
    done = run(given, "-o", made, *NOISE, *options)
    assert (0, "") == (done.status, done.messages)
    return pd.read_csv(made) if kind == "csv" else pd.read_parquet(made)


class TestRecords:
    @pytest.fixture
    def expected(self, tmp_path):
        return noisy(TABLE, tmp_path, "--key", "id").set_index("id")["x"]

    def test_sorted_filtered_and_joined(self, tmp_path, expected):
        other = pl.DataFrame({"name": TABLE["name"][::3], "group": "g"})
        joined = pl.from_pandas(TABLE).join(other, on="name").sort("x", descending=True)
        for table in (TABLE.sort_values("id"), TABLE[TABLE["x"] > 30], joined.to_pandas()):
            found = noisy(table, tmp_path, "--key", "id").set_index("id")["x"]
            assert 0 < len(found) == len(table)
            assert expected[found.index].equals(found)

    def test_split_over_files(self, tmp_path, expected):
        for part in range(2):
            TABLE[part::2].to_csv(tmp_path / f"{part}.csv", index=False)
        done = run(
            tmp_path / "0.csv", tmp_path / "1.csv", "--output-dir", tmp_path / "o", "--key", "id",
            *NOISE,
        )  # fmt: skip
        assert not done.status
        for part in range(2):
            found = pd.read_csv(tmp_path / "o" / f"{part}.csv").set_index("id")["x"]
            assert expected[found.index].equals(found)

    def test_csv_and_parquet_and_any_chunks(self, tmp_path, expected):
        found = noisy(TABLE, tmp_path, "--key", "id", kind="parquet").set_index("id")["x"]
        assert expected.equals(found)
        found = noisy(TABLE, tmp_path, "--key", "id", "--chunk-size", 900, "-j", 2)
        assert expected.equals(found.set_index("id")["x"])

    def test_in_the_library(self, expected):
        options = {"columns": "x", "scale": 1.0, "seed": 7, "key": "id"}
        for table in (TABLE[::-1], pl.from_pandas(TABLE)[5:50], pa.Table.from_pandas(TABLE)):
            made = noisify.add_noise(table, "normal", **options)
            made = made if isinstance(made, pd.DataFrame) else made.to_pandas()
            found = made.set_index("id")["x"]
            assert expected[found.index].equals(found)

    def test_several_fields_are_one_key(self, tmp_path):
        table = pd.DataFrame({"day": [1, 1, 2, 2], "site": list("abab"), "x": np.zeros(4)})
        first = noisy(table, tmp_path, "--key", "day,site")["x"]
        assert 4 == first.nunique()
        second = noisy(table[::-1], tmp_path, "--key", "day", "--key", "site")["x"]
        assert first.tolist() == second.tolist()[::-1]

    def test_models_of_rows(self, tmp_path):
        options = ("--key", "id", "--noise", "drop-rows:30%", "--noise", "duplicate-rows:20%")
        counts = []
        for number, table in enumerate((TABLE, TABLE.sort_values("id"))):
            table.to_csv(tmp_path / f"{number}.csv", index=False)
            done = run(tmp_path / f"{number}.csv", "-o", tmp_path / "o.csv", "--seed", 1, *options)
            assert not done.status
            counts.append(pd.read_csv(tmp_path / "o.csv")["id"].value_counts().sort_index())
        assert counts[0].equals(counts[1])
        assert {1, 2} == set(counts[0])

    @pytest.mark.parametrize("model", ["missing", "poisson", "correlated", "swap-fields", "bias"])
    def test_other_models(self, model):
        table = TABLE.assign(y=TABLE["x"] + 1)
        options = {"columns": ["x", "y"], "seed": 7, "key": "id"}
        first = noisify.add_noise(table, model, **options)
        second = noisify.add_noise(table[::-1], model, **options)[::-1]
        assert not first.equals(table)
        assert first.equals(second)

    def test_is_in_recipes_and_reports(self, tmp_path, expected):
        TABLE.to_csv(tmp_path / "a.csv", index=False)
        recipe = tmp_path / "r.toml"
        recipe.write_text(
            'seed = 7\nkey = ["id"]\n[[noise]]\nfield = "x"\nmodel = "normal"\nscale = 1\n'
        )
        report = tmp_path / "r.json"
        run(tmp_path / "a.csv", "-o", tmp_path / "b.csv", "--recipe", recipe, "--report", report)
        run(tmp_path / "a.csv", "-o", tmp_path / "c.csv", "--recipe", report)
        for name in ("b.csv", "c.csv"):
            assert expected.equals(pd.read_csv(tmp_path / name).set_index("id")["x"])


class TestValues:
    @pytest.mark.parametrize(
        ("texts", "values"),
        [
            (["7", "7.0", "007", " 7 "], [7, 7.0, np.float32(7), np.uint8(7), Decimal("7.00")]),
            (["0.1", "0.10", "1e-1"], [0.1, np.float32(0.1), Decimal("0.1")]),
            (["true", "True"], [True]),
            (
                ["2024-03-01", "2024-03-01 00:00:00", "2024-03-01T00:00"],
                [dt.date(2024, 3, 1), dt.datetime(2024, 3, 1)],  # noqa: DTZ001 - a naive time
            ),
            (["2024-03-01T06:30:00.5"], [dt.datetime(2024, 3, 1, 6, 30, 0, 500_000)]),  # noqa: DTZ001
            (
                ["2024-03-01T06:00:00Z", "2024-03-01 07:00:00+01:00", "2024-03-01T06:00+0000"],
                [dt.datetime(2024, 3, 1, 6, tzinfo=dt.UTC)],
            ),
            (["12:30:05", "12:30:05.000"], [dt.time(12, 30, 5), pa.scalar(45005, pa.time32("s"))]),
            (["12:30", "12:30:00"], [dt.time(12, 30)]),
            (["1500000000"], [dt.timedelta(seconds=1.5), pa.scalar(1500, pa.duration("ms"))]),
            (["ff41"], [b"\xffA", pa.scalar(b"\xffA", pa.binary(2))]),
            (["Zürich"], ["Zürich"]),
            (["1152921504606846977"], [2**60 + 1]),
            (["-5"], [-5, -5.0]),
        ],
    )
    @pytest.mark.parametrize("key", [("--key", "k"), ("-d", "bias", "-p", "by=k")])
    def test_are_one_key_in_any_type(self, tmp_path, texts, values, key):
        noise = []
        for text in texts:
            done = run(*key, *NOISE, given=f"k,x\n{text},1.0\n".encode())
            noise.append(float(done.output.split(b"\n")[1].rsplit(b",")[1]))
        for value in values:
            table = pa.table({"k": pa.array([value]), "x": [1.0]})
            pq.write_table(table, tmp_path / "a.parquet")
            done = run(tmp_path / "a.parquet", "-o", tmp_path / "b.parquet", *key, *NOISE)
            if done.status:  # bytes are no key of bias in Parquet
                assert "cannot read it: it holds" in done.messages
                continue
            noise += pq.read_table(tmp_path / "b.parquet")["x"].to_pylist()
        assert 1 == len(set(noise))

    @given(st.integers(-(2**63), 2**63 - 1))
    def test_whole_numbers(self, value):
        assert index_of(str(value)) == indices_of_integers(np.array([value]))[0]

    @given(st.floats(allow_nan=False, allow_infinity=False))
    def test_numbers(self, value):
        assert index_of(repr(value)) == indices_of_floats(np.array([value]))[0]

    def test_neighbouring_and_negative_numbers_differ(self):
        values = np.concatenate([np.arange(-500, 500), np.arange(500) + 2**62])
        assert len(values) == len(np.unique(indices_of_integers(values)))


class TestMistakes:
    def test_missing_keys_keep_the_noise_of_their_row(self):
        table = b"k,x\na,1.0\n,1.0\n"
        by_row = run("-c", "x", "-s", 1, "--seed", 7, given=table)
        done = run("--key", "k", "-c", "x", "-s", 1, "--seed", 7, given=table)
        assert by_row.output.split(b"\n")[2] == done.output.split(b"\n")[2]
        assert by_row.output.split(b"\n")[1] != done.output.split(b"\n")[1]
        assert "rows without a key (k): 1; they get the noise of their row number" in done.messages
        done = run("--key", "k", "-c", "x", "-s", 1, "--strict", given=table)
        assert 3 == done.status
        assert "field 'k': row 1 has no key" in done.messages

    @pytest.mark.filterwarnings("ignore::noisify.NoisifyWarning")
    def test_missing_keys_of_a_data_frame_in_pieces_and_parts(self):
        count = CHUNK_BYTES // 4  # two chunks
        table = pd.DataFrame(
            {"k": pd.array([1, None] * (count // 2), "Int64"), "x": np.zeros(count)}
        )
        noise = {"scale": 1, "columns": "x", "key": "k", "seed": 7}
        whole = noisify.add_noise(table, **noise).x
        starts = range(0, count, 50_001)
        parts = [noisify.add_noise(table[at:][:50_001], **noise, start=at).x for at in starts]

        assert whole.tolist() == pd.concat(parts).tolist()
        assert 1 == whole[::2].nunique() < count // 2 == whole[1::2].nunique()

    def test_na_is_a_key_if_it_is_not_null(self, tmp_path):
        pq.write_table(pa.table({"k": ["NA"], "x": [1.0]}), tmp_path / "a.parquet")
        run(tmp_path / "a.parquet", "-o", tmp_path / "b.parquet", "--key", "k", *NOISE)
        expected = pq.read_table(tmp_path / "b.parquet")["x"].to_pylist()
        table = b"k,x\nNA,1.0\n"
        done = run("--key", "k", "-c", "x", "-s", 1, "--seed", 7, given=table)
        assert "rows without a key (k): 1" in done.messages
        done = run("--key", "k", "--na=", "-c", "x", "-s", 1, "--seed", 7, given=table)
        assert "" == done.messages
        assert expected == [float(done.output.split(b"\n")[1].split(b",")[1])]

    def test_repeated_keys_are_counted(self):
        done = run("--key", "k", "-c", "x", "-s", 1, given=b"k,x\na,1.5\nb,1.5\na,1.5\na,1.5\n")
        assert "rows whose key (k) came before: 2; they get the same noise" in done.messages
        lines = done.output.split(b"\n")
        assert lines[1] == lines[3] == lines[4] != lines[2]

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (("--key", "idd"), "--key names no field 'idd'; did you mean 'id'?"),
            (
                ("--key", "id", "-d", "shuffle"),
                "shuffle follows the order of the rows, which --key",
            ),
            (
                ("--key", "id", "-d", "ar1"),
                "ar1 follows the order of the rows, which --key ignores",
            ),
            (("--key", "id", "--rng", "numpy"), "--key needs noisify's own streams; drop --rng"),
        ],
    )
    def test_are_refused(self, options, said):
        done = run(*options, "-c", "x", given=b"id,x\n1,1.5\n")
        assert 2 == done.status
        assert said in done.messages
        assert 1 == len(done.lines)

    def test_arrays_have_no_records(self, tmp_path):
        np.save(tmp_path / "a.npy", np.zeros(3))
        done = run(tmp_path / "a.npy", "-o", tmp_path / "b.npy", "--key", "data", "-s", 1)
        assert 2 == done.status
        assert "has no single value in a row, as --key needs" in done.messages


class TestRepeats:
    @given(st.lists(st.lists(st.integers(0, 50), max_size=30), max_size=8))
    def test_are_counted_exactly_if_few_differ(self, chunks):
        repeats = Repeats()
        for chunk in chunks:
            repeats.add(indices_of_integers(np.array(chunk, np.int64)))
        every = [value for chunk in chunks for value in chunk]
        assert (len(every) - len(set(every)), True) == repeats.count()

    def test_are_estimated_if_many_differ_whatever_the_order(self):
        values = indices_of_integers(np.arange(40_000) % 30_000)
        found = []
        for order in (values, values[::-1]):
            repeats = Repeats(most=2000)
            for start in range(0, len(order), 700):
                repeats.add(order[start : start + 700])
            found.append(repeats.count())
        assert found[0] == found[1]
        assert not found[0][1]
        assert 8_000 < found[0][0] < 12_000

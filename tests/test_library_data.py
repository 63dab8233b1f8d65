"""What `add_noise` takes and gives back: every kind of data in memory, with the command's noise."""

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from run_command import run

from noisify import UsageError, add_noise

ROWS = 40_000
X = np.linspace(-10, 10, ROWS)
GROUP = np.where(np.arange(ROWS) % 3 == 0, "a", "b")
COUNT = np.arange(ROWS)
NOISE = {
    "normal": {"scale": "0.5", "columns": "x"},
    "share-of-the-sd": {"scale": "0.1sd", "columns": "x"},
    "shot": {"model": "poisson", "columns": "n"},
    "labels": {"model": "flip", "rate": "0.2", "columns": "g"},
    "condition": {"scale": "2", "columns": "x", "where": 'g == "a" and n < 20000'},
}


class Producer:
    """An Arrow producer of no known library."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


def frame():
    return pl.DataFrame({"x": X, "g": GROUP, "n": COUNT})


KINDS = {
    "polars": (frame, lambda noisy: noisy),
    "polars-in-pieces": (
        lambda: pl.concat([frame()[:17_000], frame()[17_000:]], rechunk=False),
        lambda noisy: noisy,
    ),
    "polars-categories": (
        lambda: frame().with_columns(pl.col("g").cast(pl.Categorical)),
        lambda noisy: noisy.with_columns(pl.col("g").cast(pl.String)),
    ),
    "pandas": (lambda: frame().to_pandas(), pl.from_pandas),
    "pandas-categories": (
        lambda: frame().to_pandas().astype({"g": "category"}),
        lambda noisy: pl.from_pandas(noisy.astype({"g": str})),
    ),
    "arrow": (lambda: frame().to_arrow(), pl.from_arrow),
    "record-batch": (lambda: frame().to_arrow().combine_chunks().to_batches()[0], pl.from_arrow),
    "producer": (lambda: Producer(frame().to_arrow()), pl.from_arrow),
    "reader": (lambda: frame().to_arrow().to_reader(1000), pl.from_arrow),
    "structured": (
        lambda: np.rec.fromarrays([X, GROUP, COUNT], names="x,g,n"),
        lambda noisy: pl.DataFrame({name: noisy[name] for name in "xgn"}),
    ),
    "masked": (
        lambda: np.ma.array(np.rec.fromarrays([X, GROUP, COUNT], names="x,g,n")),
        lambda noisy: pl.DataFrame({name: noisy.data[name] for name in "xgn"}),
    ),
}


def by_command(folder, suffix, noise):
    """Return the frame as the command makes it from a file."""
    path = folder / f"in.{suffix}"
    frame().write_csv(path) if suffix == "csv" else frame().write_parquet(path)
    names = {"model": "-d", "scale": "-s", "rate": "--rate", "columns": "-c", "where": "--where"}
    options = [part for key, value in noise.items() for part in (names[key], value)]
    output = folder / f"out.{suffix}"
    assert 0 == run(path, "-o", output, "--seed", 42, "-q", *options).status
    return pl.read_csv(output) if suffix == "csv" else pl.read_parquet(output)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("expected")
    found = {}
    for name, noise in NOISE.items():
        from_csv = by_command(folder, "csv", noise)
        assert from_csv.equals(by_command(folder, "parquet", noise))
        assert not from_csv.equals(frame())
        found[name] = from_csv
    return found


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gets_the_noise_of_the_command(expected, kind, noise):
    make, as_polars = KINDS[kind]

    noisy = add_noise(make(), seed=42, **NOISE[noise])

    assert expected[noise].equals(as_polars(noisy))


GIVEN_BACK = {
    "polars frame": (pl.DataFrame({"x": [1.5]}), pl.DataFrame),
    "polars series": (pl.Series("x", [1.5]), pl.Series),
    "nameless polars series": (pl.Series([1.5]), pl.Series),
    "table": (pa.table({"x": [1.5]}), pa.Table),
    "batch": (pa.record_batch({"x": [1.5]}), pa.RecordBatch),
    "batch without rows": (pa.record_batch({"x": pa.array([], pa.float64())}), pa.RecordBatch),
    "array": (pa.array([1.5]), pa.Array),
    "array of structs": (pa.array([{"x": 1.5}, None]), pa.StructArray),
    "array without elements": (pa.array([], pa.float64()), pa.Array),
    "chunked array": (pa.chunked_array([[1.5], [2.5]]), pa.ChunkedArray),
    "producer of a table": (Producer(pa.table({"x": [1.5]})), pa.Table),
    "producer of a column": (Producer(pa.chunked_array([[1.5]])), pa.ChunkedArray),
    "pandas series": (pd.Series([1.5]), pd.Series),
    "array of no dimension": (np.array(1.5), np.ndarray),
    "masked array": (np.ma.array([1.5]), np.ma.MaskedArray),
    "record array": (np.rec.fromarrays([[1.5]], names="x"), np.recarray),
}


@pytest.mark.parametrize("kind", GIVEN_BACK)
def test_what_is_given_back_is_of_the_kind_given(kind):
    made, given_back = GIVEN_BACK[kind]

    noisy = add_noise(made, scale=1, seed=1)

    assert isinstance(noisy, given_back)


def test_a_series_is_a_column_of_its_name_and_data_without_one():
    noisy = add_noise(X, scale=1, seed=1).tolist()
    named = add_noise(pl.DataFrame({"x": X}), scale=1, seed=1)["x"].to_list()

    assert noisy == add_noise(pl.Series(X), scale=1, seed=1).to_list()
    assert noisy == add_noise(pa.chunked_array([X]), scale=1, seed=1).to_pylist()
    assert named == add_noise(pl.Series("x", X), scale=1, seed=1).to_list()
    assert ("x", "") == (
        add_noise(pl.Series("x", X), scale=1, seed=1).name,
        add_noise(pl.Series(X), scale=1, seed=1).name,
    )


def test_columns_may_have_numbers_as_labels():
    data = pd.DataFrame(np.ones((9, 3)))

    noisy = add_noise(data, scale=1, columns=[0, np.int64(2)], exclude=2, seed=1)

    assert data.columns.equals(noisy.columns)
    assert [True, False, False] == (data != noisy).any().tolist()


def test_polars_is_imported_by_no_one_else():
    code = (
        "import sys, numpy, pandas, pyarrow\n"
        "from noisify import add_noise\n"
        "for data in (numpy.ones(3), pandas.Series([1.0]), pyarrow.table({'x': [1.0]})):\n"
        "    add_noise(data, scale=1)\n"
        "print('polars' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "False\n" == done.stdout


class TestPolars:
    MIXED = pl.DataFrame(
        {
            "x": pl.Series([1.5, None, 2.5]),
            "small": pl.Series([1.5, None, 2.5], dtype=pl.Float32),
            "n": pl.Series([1, None, 3], dtype=pl.UInt8),
            "huge": pl.Series([1, None, 3], dtype=pl.Int128),
            "text": pl.Series(["a", None, "c"]),
            "category": pl.Series(["a", None, "c"], dtype=pl.Categorical),
            "enum": pl.Series(["a", None, "c"], dtype=pl.Enum(["c", "a"])),
            "there": pl.Series([True, None, False]),
            "at": pl.Series([0, None, 10**6]).cast(pl.Datetime("us", "Europe/Rome")),
            "for": pl.Series([0, None, 10**6]).cast(pl.Duration("ms")),
            "price": pl.Series(["1.25", None, "2.50"]).cast(pl.Decimal(10, 2)),
            "list": pl.Series([[1.5], None, [2.5, None]]),
            "array": pl.Series([[1.5, 2.5]] * 3, dtype=pl.Array(pl.Float64, 2)),
            "struct": pl.Series([{"p": 1.5, "q": "a"}, None, {"p": None, "q": "c"}]),
            "bytes": pl.Series([b"a", None, b"c"]),
            "nothing": pl.Series([None] * 3),
        }
    )

    def test_without_noise_nothing_changes(self):
        noisy = add_noise(self.MIXED, scale=0, seed=1)

        assert self.MIXED.schema == noisy.schema
        assert self.MIXED.equals(noisy)

    @pytest.mark.parametrize(
        ("columns", "noise"),
        [
            ("x,small,n,price", {"scale": 3}),
            ("list[],struct.p", {"scale": 3}),
            ("at,for", {"scale": "90s"}),
            ("text,category,struct.q", {"model": "typo", "rate": 1}),
            ("enum", {"model": "category-swap", "rate": 1}),
            ("x,n,text,category,enum,there,at,for,price", {"model": "missing", "rate": 1}),
        ],
    )
    def test_noise_keeps_types_nulls_and_all_other_columns(self, columns, noise):
        wanted = [re.split(r"[.\[]", name)[0] for name in columns.split(",")]

        noisy = add_noise(self.MIXED, columns=columns, seed=1, **noise)

        assert self.MIXED.schema == noisy.schema
        assert self.MIXED.drop(wanted).equals(noisy.drop(wanted))
        for name in wanted:
            before, after = self.MIXED[name].to_list(), noisy[name].to_list()
            assert after != before
            assert after[1] is None
            assert noise.get("model") != "missing" or after == [None] * 3

    def test_columns_that_arrow_lacks_are_kept_and_get_no_noise(self):
        data = self.MIXED.with_columns(pl.Series("object", [object()] * 3, dtype=pl.Object))

        noisy = add_noise(data, scale=1, columns="x", seed=1)

        assert data["object"].to_list() == noisy["object"].to_list()
        with pytest.raises(UsageError, match="field 'huge': holds Int128"):
            add_noise(data, scale=1, columns="huge")

    def test_a_text_that_an_enum_has_no_place_for_is_refused(self):
        with pytest.raises(UsageError, match="field 'enum': holds Enum"):
            add_noise(self.MIXED, "typo", rate=1, columns="enum", seed=1)

        struct = self.MIXED.select(struct=pl.struct("enum"))
        with pytest.raises(UsageError, match="field 'struct': holds Struct"):
            add_noise(struct, "typo", rate=1, columns="struct.enum", seed=1)

    def test_a_lazy_frame_has_to_be_collected(self):
        with pytest.raises(UsageError, match=r"data is of type LazyFrame; give data\.collect\(\)"):
            add_noise(self.MIXED.lazy())


class TestMaskedArrays:
    def test_the_mask_and_what_it_hides_stay(self):
        data = np.ma.array(X.copy(), mask=np.arange(ROWS) % 7 == 0, fill_value=-1)
        data.data[::7] = 1e300  # hidden, and so in no statistic

        noisy = add_noise(data, scale="0.1sd", seed=1)
        shown = np.where(data.mask, np.nan, X)

        assert data.mask.tolist() == noisy.mask.tolist()
        assert [1e300] * len(data[::7]) == noisy.data[::7].tolist()
        assert -1 == noisy.fill_value
        assert add_noise(shown, scale="0.1sd", seed=1)[1:7].tolist() == noisy.data[1:7].tolist()

    @pytest.mark.parametrize("dtype", ["i4", "u1", "?", "f4", "c8"])
    def test_missing_elements_are_masked(self, dtype):
        data = np.ma.array(np.ones(1000, dtype), mask=np.arange(1000) < 10)

        noisy = add_noise(data, "missing", columns="data", rate=0.5, seed=1)

        assert data.dtype == noisy.dtype
        assert noisy.mask[:10].all()
        assert 400 < noisy.mask[10:].sum() < 600
        assert {1} == set(noisy.compressed().tolist())
        assert [np.asarray(data.fill_value, dtype)] == np.unique(noisy.data[noisy.mask][10:])

    def test_members_of_a_structured_array_have_masks_of_their_own(self):
        dtype = [("a", "f8"), ("b", ">i4"), ("c", "f4", 2)]
        data = np.ma.array(
            [(1.5, 2, [1, 2]), (2.5, 3, [3, 4])],
            dtype=dtype,
            mask=[(False, True, [False, True]), (True, False, [False, False])],
        )

        noisy = add_noise(data, scale=9, columns=":number", seed=3)

        assert all(np.array_equal(data.mask[name], noisy.mask[name]) for name in "abc")
        assert (2, 2.5) == (noisy.data["b"][0], noisy.data["a"][1])
        assert 2 == noisy.data["c"][0, 1] != noisy.data["c"][1, 1]
        assert 3 != noisy.data["b"][1]
        assert (1.5, 3) == (data.data["a"][0], data.data["b"][1])

    def test_a_condition_is_not_true_of_what_is_masked(self):
        data = np.ma.array(X, mask=X > 5)

        noisy = add_noise(data, scale=1, where="data > 0", seed=1)

        assert noisy.data[X > 5].tolist() == X[X > 5].tolist()
        assert np.array_equal(noisy.data != X, (X > 0) & (X <= 5))

    @pytest.mark.parametrize("order", ["C", "F"])
    def test_order_and_hardness_stay(self, order):
        data = np.ma.array(X.reshape(100, 400), order=order, hard_mask=True, copy=True)

        noisy = add_noise(data, scale=1, seed=1)

        assert noisy.hardmask
        assert np.ma.nomask is noisy.mask
        assert (order == "F") == noisy.flags.f_contiguous
        assert add_noise(X, scale=1, seed=1).tolist() == noisy.reshape(-1).tolist()

    def test_the_constant_masked_is_refused(self):
        with pytest.raises(UsageError, match=r"constant np\.ma\.masked"):
            add_noise(np.ma.masked, scale=1)


class TestMissing:
    FRAME = pd.DataFrame(
        {
            "whole": np.arange(1000) + 2**60,
            "small": np.arange(1000).astype("u1"),
            "there": np.arange(1000) % 2 == 0,
            "real": X[:1000],
            "label": pd.Categorical(COUNT[:1000] % 3),
        }
    )

    @pytest.mark.parametrize(
        ("name", "dtype"),
        [
            ("whole", "Int64"),
            ("small", "UInt8"),
            ("there", "boolean"),
            ("real", "float64"),
            ("label", "category"),
        ],
    )
    def test_whole_numbers_come_back_nullable_and_exact(self, name, dtype):
        noisy = add_noise(self.FRAME, "missing", columns=name, rate=0.3, seed=1)

        lost = noisy[name].isna()
        assert dtype == str(noisy[name].dtype)
        assert 200 < lost.sum() < 400
        assert self.FRAME[name][~lost].tolist() == noisy[name][~lost].tolist()
        assert self.FRAME.drop(columns=name).equals(noisy.drop(columns=name))

    @pytest.mark.filterwarnings("ignore::noisify.NoisifyWarning")
    @pytest.mark.parametrize("rate", [0, 1e-9])
    def test_the_type_does_not_hang_on_what_is_hit(self, rate):
        noisy = add_noise(self.FRAME["whole"], "missing", columns="whole", rate=rate, seed=1)

        assert "Int64" == str(noisy.dtype)
        assert self.FRAME["whole"].tolist() == noisy.tolist()
        assert "Int64" == add_noise(self.FRAME[:0], "missing", columns="whole")["whole"].dtype

    def test_other_models_keep_numpy_types(self):
        noisy = add_noise(self.FRAME, scale=3, columns="whole", seed=1)

        assert self.FRAME.dtypes.equals(noisy.dtypes)

    @pytest.mark.parametrize("dtype", ["i4", "u8", "?"])
    def test_numpy_arrays_of_whole_numbers_are_refused(self, dtype):
        with pytest.raises(UsageError, match="cannot be missing; convert it"):
            add_noise(np.ones(3, dtype), "missing", columns="data")


def test_categories_are_added_where_noise_makes_new_texts():
    data = pd.DataFrame({"g": pd.Categorical(["a", None, "b"] * 100)})

    noisy = add_noise(data, "typo", rate=1, columns="g", seed=1)
    plain = add_noise(data.astype({"g": object}), "typo", rate=1, columns="g", seed=1)

    assert "category" == noisy["g"].dtype
    assert plain["g"].dropna().tolist() == noisy["g"].dropna().tolist()
    with pytest.raises(UsageError, match="field 'n': has categories that are no texts"):
        add_noise(pd.DataFrame({"n": pd.Categorical([1, 2])}), "typo", rate=1, columns="n", seed=1)


class TestConditions:
    def test_on_a_table_in_memory(self):
        data = pd.DataFrame({"x": X, "at": pd.to_datetime(COUNT, unit="h"), "g": GROUP})
        chosen = (GROUP == "a") & (data["at"] < "1971-01-01")

        noisy = add_noise(data, scale=1, where='g == "a" and at < "1971-01-01"', seed=1)

        assert np.array_equal(chosen, noisy["x"] != X)

    def test_nan_is_null_in_pandas(self):
        data = pd.DataFrame({"x": [1.5, 2.5, 3.5], "y": [1.0, np.nan, 2.0]})

        noisy = add_noise(data, scale=1, columns="x", where="y != 1", seed=1)

        assert [True, True, False] == (noisy["x"] == data["x"]).tolist()

    def test_on_lists_and_on_mixed_objects_they_are_refused(self):
        table = pa.table({"x": [1.5], "l": [[1.5]]})
        mixed = pd.DataFrame({"x": [1.5, 2.5], "o": [1, "a"]})

        with pytest.raises(UsageError, match="field 'l'"):
            add_noise(table, scale=1, columns="x", where="l > 1")
        with pytest.raises(UsageError, match="'o' is a text, and 1 is a number"):
            add_noise(mixed, scale=1, columns="x", where="o > 1")


def test_dictionaries_of_views_get_noise_as_others_do():
    texts = pa.array(GROUP.tolist())
    views = pa.DictionaryArray.from_arrays(
        texts.dictionary_encode().indices, pa.array(["a", "b"], pa.string_view())
    )

    noisy = add_noise(pa.table({"g": views}), "flip", rate=0.5, seed=1)["g"]
    plain = add_noise(pa.table({"g": texts}), "flip", rate=0.5, seed=1)["g"]

    assert views.type == noisy.type
    assert plain.to_pylist() == noisy.to_pylist()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([1.0], r"np\.asarray"),
        ((1.0, 2.0), r"np\.asarray"),
        (np.float64(1.5), r"np\.asarray"),
        ("in.csv", "noisify_file"),
        ({"x": [1.0]}, "__arrow_c_stream__"),
        (None, "data is of type NoneType"),
    ],
)
def test_data_of_another_kind_are_refused(data, said):
    with pytest.raises(UsageError, match=said):
        add_noise(data, scale=1)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("M8[Y]", "counts years, which differ in length; convert it to datetime64[D]"),
        ("M8[M]", "counts months, which differ in length; convert it to datetime64[D]"),
        ("m8[M]", "counts months, which differ in length; convert it to timedelta64[D]"),
        ("m8", "has times without a unit; convert it to timedelta64[s]"),
        ("M8[ps]", "counts units of 1 ps, and the finest that get noise are 1 ns"),
    ],
)
class TestTimesOfNoFixedUnit:
    def test_are_refused_where_they_are_chosen(self, kind, message, tmp_path):
        values = np.array([1, 2, 3], "i8").view(kind)
        with pytest.raises(UsageError, match=re.escape(f"field 'data': {message}")):
            add_noise(values, scale="400d", seed=1)
        np.save(tmp_path / "in.npy", values)
        done = run(tmp_path / "in.npy", "-o", tmp_path / "o.npy", "-s", "400d", "--seed", 1)
        line = f"noisify: {tmp_path / 'in.npy'}, field 'data': {message}"
        assert (2, [line]) == (done.status, done.lines)

    def test_are_left_where_they_are_not(self, kind, message, tmp_path):
        source = tmp_path / "in.npz"
        np.savez(source, t=np.array([1, 2, 3], "i8").view(kind), x=X[:3])
        done = run(source, "-o", tmp_path / "o.npz", "-s", 1, "--seed", 1)
        assert (0, "") == (done.status, done.messages)
        done = run(source, "-o", tmp_path / "o.npz", "-c", "*", "-s", 1, "--seed", 1)
        assert message in done.messages
        assert np.array_equal(np.load(source)["t"], np.load(tmp_path / "o.npz")["t"])

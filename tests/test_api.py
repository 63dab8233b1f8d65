"""The library: the same engine, the same noise, the same kind of thing back."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from run_command import noisy

from noisify import UsageError, add_noise, noisify_file

X = np.linspace(-10, 10, 20_000)


def noisy_column(name="x"):
    table = f"{name}\n" + "".join(f"{value!r}\n" for value in X.tolist())
    output = noisy("-s", 0.5, "--seed", 42, given=table.encode()).decode()
    return [float(text) for text in output.split()[1:]]


def test_a_table_gets_the_noise_of_the_command_in_every_form() -> None:
    expected = noisy_column()

    frame = add_noise(pd.DataFrame({"id": range(len(X)), "x": X}), scale=0.5, seed=42)
    table = add_noise(pa.table({"x": X, "note": ["a"] * len(X)}), scale=0.5, seed=42, jobs=3)
    series = add_noise(pd.Series(X, name="x"), scale=0.5, seed=42)
    structured = add_noise(
        np.array([(v, 1) for v in X], [("x", "f8"), ("n", "i4")]), scale=0.5, seed=42
    )

    assert expected == frame["x"].tolist() == table["x"].to_pylist() == series.tolist()
    assert expected == structured["x"].tolist()
    assert list(range(len(X))) == frame["id"].tolist()
    assert ("x", ["a"] * len(X)) == (series.name, table["note"].to_pylist())
    assert [1] * len(X) == structured["n"].tolist()


def test_an_array_and_a_nameless_series_are_called_data() -> None:
    expected = noisy_column("data")

    assert expected == add_noise(X, scale=0.5, seed=42).tolist()
    assert expected == add_noise(pd.Series(X), scale=0.5, seed=42).tolist()
    assert expected == add_noise(X.reshape(100, 200), scale=0.5, seed=42).reshape(-1).tolist()


def test_order_dtype_and_the_array_itself_stay() -> None:
    array = np.asfortranarray(np.arange(12, dtype=">f4").reshape(3, 4))
    before = array.copy()

    result = add_noise(array, scale=1, seed=1)

    assert (array.dtype, array.shape, True) == (
        result.dtype,
        result.shape,
        result.flags.f_contiguous,
    )
    assert before.tolist() == array.tolist() != result.tolist()
    assert add_noise(np.ascontiguousarray(array), scale=1, seed=1).tolist() == result.tolist()


def test_pandas_nulls_dtypes_and_index_stay() -> None:
    frame = pd.DataFrame(
        {
            "whole": pd.array([1, None, 3], "Int64"),
            "real": pd.array([0.5, None, 1.5], "Float64"),
            "plain": [0.5, np.nan, 1.5],
            "text": ["a", None, "c"],
            "at": pd.to_datetime(["2024-01-01"] * 3),
        },
        index=[7, 8, 9],
    )

    result = add_noise(frame, scale=10, seed=3, columns=":number")

    pd.testing.assert_series_equal(frame.dtypes, result.dtypes)
    assert [7, 8, 9] == result.index.tolist()
    assert frame.isna().equals(result.isna())
    assert frame[["text", "at"]].equals(result[["text", "at"]])
    for name in ("whole", "real", "plain"):
        assert not set(frame[name].dropna()) & set(result[name].dropna())


def test_arrow_nulls_types_and_metadata_stay() -> None:
    schema = pa.schema([pa.field("x", pa.float32(), metadata={"unit": "m"})], {"made": "here"})
    table = pa.table([pa.array([0.5, None, 1.5], pa.float32())], schema=schema)

    result = add_noise(table, scale=1, seed=1)

    assert table.schema.equals(result.schema, check_metadata=True)
    assert [False, True, False] == result["x"].is_null().to_pylist()
    assert table["x"][0] != result["x"][0]
    assert 0 == add_noise(table.slice(0, 0), scale=1, seed=1).num_rows


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"scale": 1, "snr": 3}, "exclude each other"),
        ({"seed": -1}, "seed -1"),
        ({"rng": "mersenne"}, "mersenne"),
        ({"model": "gausian"}, "did you mean"),
        ({"scale": -1}, "at least 0"),
        ({"params": {"df": 3}}, "no parameter 'df'"),
        ({"columns": "y"}, "no field matches"),
    ],
)
def test_what_does_not_fit_is_refused(settings, said) -> None:
    with pytest.raises(UsageError, match=said):
        add_noise(X, **settings)


def test_data_of_another_kind_and_names_twice_are_refused() -> None:
    with pytest.raises(UsageError, match="data is of type list"):
        add_noise([1.0, 2.0])
    with pytest.raises(UsageError, match="same name"):
        add_noise(pd.DataFrame([[1.0, 2.0]], columns=["x", "x"]))


def test_without_a_seed_each_call_differs() -> None:
    assert add_noise(X, scale=1).tolist() != add_noise(X, scale=1).tolist()


def test_a_file_in_place_and_what_noise_did_to_it(tmp_path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, X)

    with pytest.raises(UsageError, match="also the input"):
        noisify_file(path, path, scale=1, seed=1)
    report = noisify_file(path, path, scale=1, seed=1, in_place=True)

    change = np.load(path) - X
    described = report.as_json()["fields"]["data"]
    assert len(X) == described["changed"]
    assert pytest.approx(change.std(), rel=1e-9) == described["change_sd"]

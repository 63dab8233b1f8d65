"""noisify-compare says what changed: NumPy and SciPy agree, for files of any two formats."""

from __future__ import annotations

import json
import math

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import run
from scipy.stats import ks_2samp

from noisify import add_noise, compare

ROWS = 5000


@pytest.fixture(scope="module")
def frame():
    """A table with two measurements, one of them with nulls, a whole number, labels and ids."""
    random = np.random.default_rng(1)
    temp = random.normal(20, 5, ROWS)
    rh = random.normal(50, 10, ROWS)
    rh[::50] = np.nan
    return pd.DataFrame(
        {
            "id": np.arange(ROWS),
            "temp": temp,
            "rh": rh,
            "count": random.integers(0, 100, ROWS),
            "label": np.array(["a", "b", "c"])[random.integers(0, 3, ROWS)],
        }
    )


@pytest.fixture(scope="module")
def noisy(frame):
    out = frame.copy()
    out["temp"] = add_noise(frame["temp"], scale=0.5, seed=1)
    out.loc[out.index % 40 == 3, "temp"] = np.nan
    out["label"] = add_noise(frame["label"], "flip", rate=0.1, seed=1)
    return out


def written(frame, folder, name):
    """Write a frame as the format that a file name says."""
    path = folder / name
    if name.endswith(".csv"):
        frame.to_csv(path, index=False)
    elif name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, row_group_size=700)
    elif name.endswith(".npz"):
        np.savez(path, **{n: frame[n].to_numpy() for n in ("id", "temp", "rh", "count")})
    else:
        with h5py.File(path, "w") as file:
            for field in ("id", "temp", "rh", "count"):
                file.create_dataset(field, data=frame[field].to_numpy(), chunks=(300,))
    return path


def figures(*arguments):
    done = run(*arguments, "--json", program="noisify-compare")
    assert (0, "") == (done.status, done.messages)
    return json.loads(done.output)


NAMES = ["a.csv", "a.parquet", "a.npz", "a.h5"]


@pytest.mark.parametrize("first", NAMES)
@pytest.mark.parametrize("second", NAMES)
def test_figures_are_those_of_numpy_and_scipy(frame, noisy, tmp_path, first, second):
    clean = written(frame, tmp_path, first)
    other = written(noisy, tmp_path, f"noisy-{second}")
    found = figures(clean, other)["fields"]
    before, after = frame["temp"].to_numpy(), noisy["temp"].to_numpy()
    there = np.isfinite(after)
    change = (after - before)[there]
    expected = {
        "compared": ROWS,
        "changed": ROWS,
        "lost": ROWS // 40,
        "added": 0,
        "mean_before": before.mean(),
        "mean_after": after[there].mean(),
        "sd_before": before.std(),
        "sd_after": after[there].std(),
        "min_before": before.min(),
        "min_after": after[there].min(),
        "max_before": before.max(),
        "max_after": after[there].max(),
        "change_mean": change.mean(),
        "change_sd": change.std(),
        "rmse": np.sqrt((change**2).mean()),
        "largest": np.abs(change).max(),
        "snr": 10 * np.log10((before[there] ** 2).mean() / (change**2).mean()),
        "correlation": np.corrcoef(before[there], after[there])[0, 1],
        "ks": ks_2samp(before, after[there]).statistic,
    }
    assert expected == pytest.approx({name: found["temp"][name] for name in expected}, rel=1e-9)
    counts = found["temp"]["histogram"][1]
    assert len(change) == sum(counts)
    for name in ("id", "rh", "count"):
        assert found[name]["identical"] in {"bytes", "values"}, name
        assert 0 == found[name]["changed"]


def test_labels_have_a_confusion_table(frame, noisy, tmp_path):
    pair = [written(one, tmp_path, name) for one, name in ((frame, "a.csv"), (noisy, "b.parquet"))]
    found = figures(*pair)["fields"]["label"]
    table = pd.crosstab(frame["label"], noisy["label"])
    assert ["a", "b", "c"] == found["labels"]
    assert table.to_numpy().tolist() == found["confusion"]
    assert int((frame["label"] != noisy["label"]).sum()) == found["changed"]


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_lost_and_added_rows_are_found(frame, noisy, tmp_path, name):
    clean = written(frame, tmp_path, name)
    rows = [*range(100), *range(117, 3000), *range(2998, ROWS)]
    found = figures(clean, written(noisy.iloc[rows], tmp_path, f"noisy-{name}"))
    assert (17, 2, True) == (found["rows_lost"], found["rows_added"], found["aligned"])
    assert found["fields"]["id"]["identical"]
    assert found["fields"]["temp"]["change_sd"] == pytest.approx(0.5, rel=0.05)


def test_the_same_bytes_are_told_from_the_same_values(tmp_path):
    (tmp_path / "a.csv").write_text("x,y,z\n1.0,2,a\n2.5,3,b\n")
    (tmp_path / "b.csv").write_text("x,y,z\n1.00,2,a\n2.5,3,b\n")
    found = figures(tmp_path / "a.csv", tmp_path / "b.csv")["fields"]
    assert ["values", "bytes", "bytes"] == [found[name]["identical"] for name in "xyz"]


def test_integers_beyond_floats_are_told_apart(tmp_path):
    wide = np.array([2**60, 2**60 + 1, -(2**62)])
    np.save(tmp_path / "a.npy", wide)
    np.save(tmp_path / "b.npy", wide + np.array([0, 1, 0]))
    found = figures(tmp_path / "a.npy", tmp_path / "b.npy")["fields"]["data"]
    assert (1, 1.0) == (found["changed"], found["largest"])


def test_arrays_that_are_stored_in_chunks_are_compared_in_their_order(tmp_path):
    values = np.arange(60 * 70, dtype=float).reshape(60, 70)
    np.savez(tmp_path / "a.npz", x=values)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("x", data=values, chunks=(7, 9))
    assert 0 == figures(tmp_path / "a.npz", tmp_path / "b.h5")["fields"]["x"]["changed"]


def test_claims_that_do_not_hold_are_told_with_the_figure(frame, noisy, tmp_path):
    pair = [written(one, tmp_path, name) for one, name in ((frame, "a.csv"), (noisy, "b.csv"))]
    holds = ["--assert", "temp.snr > 30", "--assert", "id.changed == 0", "--only", "temp, label"]
    assert 0 == run(*pair, *holds, "-q", program="noisify-compare").status
    done = run(
        *pair, "--assert", "temp.snr >= 50", "--only", "temp", "-q", program="noisify-compare"
    )
    assert (1, b"") == (done.status, done.output)
    assert "temp.snr is 32" in done.messages
    assert "temp.snr >= 50" in done.messages
    assert "label changed too" in done.messages


@pytest.mark.parametrize(
    ("claim", "answer"),
    [
        ("temp.corelation > 1", "'corelation'; did you mean 'correlation'?"),
        ("temp.snr", "is not FIELD.FIGURE, a comparison and a number"),
        ("temp.snr > much", "which is not a number"),
        ("tempp.snr > 1", "no field that was compared is called 'tempp'; did you mean 'temp'?"),
        ("label.snr > 1", "no field has the figure 'snr'"),
    ],
)
def test_a_claim_that_is_none_is_a_usage_error(frame, tmp_path, claim, answer):
    clean = written(frame, tmp_path, "a.csv")
    done = run(clean, clean, "--assert", claim, "-q", program="noisify-compare")
    assert 2 == done.status
    assert answer in done.messages


def test_a_file_that_is_missing_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n")
    done = run(tmp_path / "a.csv", tmp_path / "nosuch.csv", program="noisify-compare")
    assert 1 == done.status
    assert "nosuch.csv: cannot be read" in done.messages


def test_a_line_a_field_is_printed(frame, noisy, tmp_path):
    pair = [written(one, tmp_path, name) for one, name in ((frame, "a.csv"), (noisy, "b.csv"))]
    text = run(*pair, program="noisify-compare").output.decode()
    assert "label: " in text
    assert "identical to the byte: id, rh, count" in text
    (line,) = [line for line in text.splitlines() if line.startswith("temp  ")][:1]
    assert "5,000 100.0%" in line
    assert "█" in line


def test_what_is_in_memory_is_compared_with_a_file(frame, noisy, tmp_path):
    path = written(noisy, tmp_path, "b.parquet")
    found = compare(frame, path)
    assert found.fields["temp"].lost == ROWS // 40
    assert found.fields["id"].identical
    assert "temp" in repr(found)


def test_nothing_compared_with_nothing_has_no_figures():
    found = compare(np.empty(0), np.empty(0)).fields["data"]
    assert 0 == found.compared
    assert math.isnan(found.snr)

"""Test every model of the table with the real command on real files."""

import io
import json
import shlex

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import noisy, run

from noisify.noise import registry

ROWS = 400
MIXED = "device,income,spending,species,birthday,name,first_name,surname,count\n" + "".join(
    f"d{i % 3},{1000 + i * 37 % 501}.5,{i * 53 % 401}.25,{('setosa', 'virginica')[i % 2]},"
    f'199{i % 10}-0{1 + i % 9}-0{1 + i % 7},"Zoé, Brown{i}",Zoé,Brown{i},{i % 50}\n'
    for i in range(ROWS)
)
EXAMPLES = {
    entry.name: shlex.split(f"-q -d {entry.name} {entry.load().example}")
    for entry in registry.MODELS
}
OF_FIELDS = {name: words for name, words in EXAMPLES.items() if not name.endswith("-rows")}
examples = pytest.mark.parametrize("options", EXAMPLES.values(), ids=EXAMPLES)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("mixed") / "data.csv"
    path.write_text(MIXED, "utf-8")
    return path


@pytest.fixture(scope="module")
def parquet(source, tmp_path_factory):
    frame = pd.read_csv(source, parse_dates=["birthday"])
    path = tmp_path_factory.mktemp("mixed") / "data.parquet"
    table_ = pa.Table.from_pandas(frame, preserve_index=False)
    days = table_["birthday"].cast(pa.date32())
    table_ = table_.set_column(table_.schema.get_field_index("birthday"), "birthday", days)
    pq.write_table(table_, path, row_group_size=90)
    return path


@examples
def test_gives_the_same_bytes_however_the_file_is_cut(source, options):
    whole = noisy(source, *options)
    assert MIXED.encode() != whole
    for cut in (["--chunk-size", "300", "-j", "1"], ["--chunk-size", "5k", "-j", "2"]):
        assert whole == noisy(source, *options, *cut)


@examples
def test_gives_the_same_values_in_parquet_as_in_csv(source, parquet, tmp_path, options):
    text = pd.read_csv(io.BytesIO(noisy(source, *options)), parse_dates=["birthday"])
    target = tmp_path / "noisy.parquet"
    done = run(parquet, "-o", target, *options, "--seed", 1)
    assert (0, "") == (done.status, done.messages)
    frame = pq.read_table(target).to_pandas()
    assert len(text) == len(frame)
    for name in frame.columns:
        if name == "birthday":
            assert text[name].astype(str).tolist() == frame[name].astype(str).tolist()
        elif frame[name].dtype.kind in "fi":
            np.testing.assert_array_equal(text[name], frame[name])
        else:
            assert text[name].fillna("").tolist() == frame[name].fillna("").tolist()


@pytest.mark.parametrize("options", OF_FIELDS.values(), ids=OF_FIELDS)
def test_leaves_the_other_fields_alone(source, options):
    before = pd.read_csv(source, dtype=str)
    after = pd.read_csv(io.BytesIO(noisy(source, *options)), dtype=str)
    changed = {name for name in before if not before[name].equals(after[name])}
    assert 1 <= len(changed) <= 2
    if "-c" in options:
        assert changed <= set(options[options.index("-c") + 1].split(","))


@examples
def test_reported_and_printed_plans_are_equivalent_recipes(source, tmp_path, options):
    report = tmp_path / "report.json"
    expected = noisy(source, *options, "--report", report)
    loud = [word for word in options if word != "-q"]
    printed = run(source, *loud, "--seed", 1, "--dry-run", "--verbose")
    assert 0 == printed.status
    (tmp_path / "recipe.toml").write_bytes(printed.output)
    (tmp_path / "plan.json").write_text(json.dumps(json.loads(report.read_text())["plan"]))
    for recipe in ("recipe.toml", "plan.json", "report.json"):
        done = run(source, "-q", "--recipe", tmp_path / recipe)
        assert (0, "") == (done.status, done.messages)
        assert expected == done.output


@examples
def test_another_seed_gives_other_noise_unless_deterministic(source, options):
    one, other = (noisy(source, *options, "--seed", seed) for seed in (1, 2))
    fixed = "rounding" in options or "fixed=true" in options
    assert fixed == (one == other)


def test_specs_are_applied_in_order_and_each_has_its_own_noise(source):
    once = noisy(source, "--noise", "income=normal:1")
    twice = noisy(source, "--noise", "income=normal:1", "--noise", "income=normal:1")
    incomes = [pd.read_csv(io.BytesIO(text))["income"] for text in (once, twice)]
    before = pd.read_csv(source)["income"]
    first, second = incomes[0] - before, incomes[1] - incomes[0]
    assert abs(np.corrcoef(first, second)[0, 1]) < 4.5 / np.sqrt(ROWS)


def test_a_value_made_missing_gets_no_later_noise(source):
    gone = noisy(source, "--noise", "income=missing:50%", "--noise", "income=normal:1")
    only = noisy(source, "--noise", "income=missing:50%")
    found = [pd.read_csv(io.BytesIO(text))["income"].isna() for text in (gone, only)]
    assert found[0].tolist() == found[1].tolist()
    assert 0.4 < found[0].mean() < 0.6


IN_SEQUENCE = [
    "normal", "uniform", "laplace", "cauchy", "student-t", "logistic", "gumbel", "exponential",
    "gamma", "lognormal", "triangular", "truncated-normal", "multiplicative", "rounding", "poisson",
    "binomial", "dropout", "laplace-mechanism", "gaussian-mechanism", "drift", "missing",
    "category-swap", "case", "mojibake", "day-month-swap",
]  # fmt: skip
"""Models that can use NumPy's streams: each element uses only its own variates, in order."""
rngs = pytest.mark.parametrize("rng", ["numpy", "numpy-legacy"])


@rngs
@pytest.mark.parametrize("name", IN_SEQUENCE)
def test_numpy_streams_do_not_depend_on_the_chunks(source, name, rng):
    whole = noisy(source, *EXAMPLES[name], "--rng", rng)

    assert whole == noisy(source, *EXAMPLES[name], "--rng", rng, "--chunk-size", 300)


@rngs
@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - IN_SEQUENCE))
def test_other_models_refuse_the_streams_of_numpy(source, name, rng):
    done = run(source, *EXAMPLES[name], "--rng", rng, "--seed", 1)

    assert (2, b"") == (done.status, done.output)
    assert "drop --rng" in done.messages

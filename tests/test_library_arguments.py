"""The arguments of the library: seeds of every type, several specs, and mistakes told in a line."""

import datetime as dt
import decimal
import fractions
import json
import pathlib
import random
import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from run_command import run

from noisify import NoisifyError, NoisifyWarning, UsageError, add_noise, models, noisify_file
from noisify.formats.read_options import ReadOptions, declared, read_options

FRAME = pd.DataFrame(
    {"x": [1.5, 2.5, 3.5, 4.5], "y": [0.5, 1.5, 2.5, 3.5], "g": list("abab"), "n": range(4)}
)
RECIPE = """
seed = 7
decimals = 2

[[noise]]
fields = "x"
model = "laplace"
scale = 0.5

[[noise]]
fields = "n"
scale = 3
where = "x > 2"
"""


@pytest.fixture
def path(tmp_path):
    FRAME.to_csv(tmp_path / "in.csv", index=False)
    return tmp_path / "in.csv"


def by_command(path, *options):
    """Return the frame that the command makes of a file."""
    output = path.with_name("by-command.csv")
    done = run(path, "-o", output, "-q", *options)
    assert 0 == done.status, done.messages
    return read(output)


def by_function(path, **arguments):
    """Return the frame that `noisify_file` makes of a file."""
    output = path.with_name("by-function.csv")
    noisify_file(path, output, **arguments)
    return read(output)


def read(path):
    return pl.read_csv(path)


def as_read(noisy):
    """Return a noisy frame in memory as it would be read from a CSV."""
    return pl.from_pandas(noisy)


class TestSeed:
    @pytest.mark.parametrize(
        "seed",
        [7, np.int8(7), np.uint64(7), np.array(7), "7", "0x7"],
        ids=lambda seed: type(seed).__name__ + repr(seed),
    )
    def test_of_every_integer_type_is_the_same(self, seed):
        noisy = add_noise(FRAME, scale=1, seed=seed)

        assert add_noise(FRAME, scale=1, seed=7).equals(noisy)

    def test_may_have_128_bits(self):
        assert add_noise(FRAME, seed=2**128 - 1).equals(add_noise(FRAME, seed=hex(2**128 - 1)))

    @pytest.mark.parametrize(
        ("seed", "said"),
        [
            (7.0, "seed 7.0 is not an integer"),
            (np.float32(7), "is not an integer"),
            (True, "seed True is not an integer"),
            (-1, "seed -1 is not an integer from 0"),
            (2**128, "is not an integer from 0"),
            ([7], "is not an integer"),
            ("seven", "seed 'seven' is not"),
            (np.random.default_rng(7), "seed is of type Generator"),
            (np.random.RandomState(7), "seed is of type RandomState"),
            (np.random.PCG64(7), "seed is of type PCG64"),
            (np.random.SeedSequence(7), "is not an integer"),
            (random.Random(7), "seed is of type Random"),  # noqa: S311 - not for secrets
        ],
        ids=lambda value: type(value).__name__ + str(value)[:12],
    )
    def test_of_another_type_is_refused(self, seed, said):
        with pytest.raises(UsageError, match=said):
            add_noise(FRAME, seed=seed)

    def test_that_is_new_has_53_bits(self, path):
        reports = [noisify_file(path, path.with_name("out.csv"), scale=1) for _ in range(5)]

        seeds = {report.plan.seed for report in reports}
        assert len(seeds) == 5
        assert max(seeds) < 2**53


class TestSeveralSpecs:
    CASES = (
        ({"noise": "x=laplace:0.5,loc=1"}, ["--noise", "x=laplace:0.5,loc=1"]),
        (
            {"noise": ["x,y=normal:5%", "*=missing:40%"]},
            ["--noise", "x,y=normal:5%", "--noise", "*=missing:40%"],
        ),
        (
            {"noise": [{"fields": ("x", "y"), "model": "uniform", "sd": 0.5, "clip": (1, 3)}]},
            ["--noise", "x,y=uniform,sd=0.5,clip=1|3"],
        ),
        (
            {"noise": [models.Normal(scale="5%"), {"fields": "n", "model": models.Normal(sd=2)}]},
            ["--noise", "normal:5%", "--noise", "n=normal,sd=2"],
        ),
        ({"preset": "sensor-faults:5"}, ["--preset", "sensor-faults:5"]),
        (
            {"preset": ["sensor-faults", "sensor-faults:5"], "columns": "y"},
            ["--preset", "sensor-faults", "--preset", "sensor-faults:5", "-c", "y"],
        ),
        (
            {"noise": "x=normal:1", "preset": "sensor-faults", "exclude": "y"},
            ["--noise", "x=normal:1", "--preset", "sensor-faults", "--exclude", "y"],
        ),
        (
            {"noise": ["x=normal:1,where=n < 3", "y=normal:1"], "where": 'g == "a"'},
            ["--noise", "x=normal:1,where=n < 3", "--noise", "y=normal:1", "--where", 'g == "a"'],
        ),
        ({"scale": 1, "where": 'g == "a"'}, ["-s", 1, "--where", 'g == "a"']),
        ({"noise": "x=normal:9", "clip": (None, 2)}, ["--noise", "x=normal:9", "--clip", ",2"]),
    )

    @pytest.mark.parametrize(("arguments", "options"), CASES, ids=lambda case: str(case)[:40])
    def test_are_those_of_the_command(self, path, arguments, options):
        expected = by_command(path, "--seed", 5, *options)

        assert not expected.equals(as_read(FRAME))
        assert expected.equals(by_function(path, seed=5, **arguments))
        assert expected.equals(as_read(add_noise(FRAME, seed=5, **arguments)))

    def test_of_a_recipe_in_a_file_or_as_a_mapping(self, path):
        recipe = path.with_name("recipe.toml")
        recipe.write_text(RECIPE)
        words = {"fields": "n", "scale": 3, "where": "x > 2"}
        same = {"noise": [{"fields": "x", "model": "laplace", "scale": 0.5}, words]}

        expected = by_command(path, "--recipe", recipe)

        assert expected.equals(by_function(path, recipe=str(recipe)))
        assert expected.equals(as_read(add_noise(FRAME, recipe=recipe)))
        mapping = {"seed": 7, "decimals": 2, **same}
        assert expected.equals(as_read(add_noise(FRAME, recipe=mapping)))
        assert not expected.equals(as_read(add_noise(FRAME, recipe=recipe, seed=8)))
        rounded = add_noise(FRAME, recipe=recipe, decimals=0)["x"].tolist()
        assert rounded == [round(value) for value in expected["x"]]

    def test_a_report_repeats_its_run(self, path):
        report = noisify_file(path, path.with_name("out.csv"), noise=["x=t:0.1sd", "n=normal:3"])
        stored = path.with_name("report.json")
        stored.write_text(json.dumps(report.as_json()))

        expected = read(path.with_name("out.csv"))

        assert expected.equals(as_read(add_noise(FRAME, recipe=report.as_json())))
        assert expected.equals(as_read(add_noise(FRAME, recipe=stored)))

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"noise": "x=normal:1", "columns": "x"}, "columns does not go with noise"),
            ({"preset": "sensor-faults", "model": "laplace"}, "model does not go with preset"),
            ({"recipe": {"noise": []}, "scale": 1}, "scale does not go with recipe"),
            ({"noise": []}, "noise lists nothing"),
            ({"noise": "x=gausian:1"}, "did you mean 'gaussian'"),
            ({"noise": {"scal": 1}}, "no parameter 'scal'; did you mean 'scale'"),
            ({"noise": {"model": models.Normal(scale=1), "scale": 2}}, "scale is given twice"),
            ({"noise": [{"preset": "sensor-faults", "scale": 2}]}, "preset sets scale itself"),
            ({"recipe": {"sede": 1, "noise": [{}]}}, "no key 'sede'; did you mean 'seed'"),
            ({"recipe": {"noise": [{"scale": -1}, {"sd": "x"}]}}, "'-1' must be .*; and sd 'x'"),
            ({"preset": "sensor-fault"}, "did you mean 'sensor-faults'"),
            ({"where": "x >"}, "expected a name"),
            ({"where": "z > 1"}, "names no field 'z'"),
            ({"model": "drop-rows"}, "drop-rows works on whole rows of files"),
            ({"decimals": "keep"}, "'keep' is for CSV files"),
            ({"params": {"where": "x > 1"}}, "'where' is not a parameter of a model"),
            ({"params": {"scale": 1}, "scale": 2}, "scale is given twice"),
            ({"model": "missing", "scale": 2}, "takes no scale; say how much with rate"),
            ({"rate": 0.5}, "normal noise takes no rate; say how much with scale"),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_that_do_not_go_together_are_refused(self, arguments, said):
        with pytest.raises(UsageError, match=said):
            add_noise(FRAME, **arguments)


def test_how_to_read_a_file_is_a_mapping_or_options(tmp_path):
    source, target = tmp_path / "in.txt", tmp_path / "out.csv"
    source.write_text("x;y\n1,5;a\n")

    for options in ({"delimiter": ";", "decimal": ","}, ReadOptions(";", decimal=",")):
        noisify_file(source, target, scale=0, read=options)
        assert source.read_text() == target.read_text()
    with pytest.raises(UsageError, match="no option 'delimeter'; did you mean 'delimiter'"):
        noisify_file(source, target, read={"delimeter": ";"})


def test_every_option_of_reading_can_be_said(tmp_path):
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text('x,y\n1.5,"a\\"b,c"\n')
    for options in ({"escape": "\\"}, ReadOptions(escape="\\")):
        noisify_file(source, target, scale=0, read=options)
        assert source.read_text() == target.read_text()
    said = read_options({name: one.default for name, one in declared().items()})
    assert ReadOptions() == said


def test_a_report_is_shown_in_a_line(path):
    wide = path.with_name("wide.csv")
    pd.DataFrame(np.ones((2, 60)), columns=[f"c{n}" for n in range(60)]).to_csv(wide, index=False)

    report = noisify_file(wide, wide.with_name("out.csv"), scale=1, seed=3)

    assert repr(report) == (
        f"<RunReport {wide} -> {wide.with_name('out.csv')}, seed 3, "
        "changed: c0 2 of 2, c1 2 of 2, c2 2 of 2, 57 more>"
    )
    assert len(repr(report.fields["c0"])) < 130


@pytest.mark.parametrize(
    ("data", "arguments", "said"),
    [
        (np.ones(9, "u1"), {"scale": 0.1}, "field 'data': nothing changed: .* whole numbers stay"),
        (np.ones(9), {"scale": "0.1sd"}, "field 'data' has sd 0"),
        (FRAME, {"scale": 1, "where": "n > 9", "columns": "x"}, "meets where 'n > 9'"),
        (np.ma.masked_all(9), {"scale": 1}, "all 9 elements are missing"),
        (FRAME, {"scale": 1e-9, "decimals": 1, "columns": "x"}, "field 'x': nothing changed"),
    ],
    ids=lambda value: type(value).__name__ + str(value)[:30],
)
def test_noise_that_changes_nothing_is_a_warning_where_it_is_called(data, arguments, said):
    with pytest.warns(NoisifyWarning, match=said) as told:
        add_noise(data, seed=1, **arguments)

    assert __file__ == told[0].filename


class Weird:
    """Something that shows itself on many lines."""

    def __repr__(self):
        return "weird\n" * 1000


WRONG = {
    "true": True, "no": False, "zero": 0, "minus": -1, "half": 2.5, "nan": float("nan"),
    "infinite": float("inf"), "large": 10**400, "larger": 10**6000, "imaginary": 1j,
    "empty": "", "blank": " ", "word": "word", "percent": "5%", "of the field": "@nothing",
    "nul": "\0", "surrogate": "\ud800", "lines": "a\nb", "bytes": b"x",
    "no list": [], "numbers": [1, 2], "texts": ["a", "b"], "nothing": [None], "nested": [[1]],
    "pair": (1, 0), "mapping": {"a": 1}, "number keys": {1: 2}, "no mapping": {},
    "spec": {"model": "normal"}, "no recipe": {"noise": ({},)}, "no plan": {"plan": 3},
    "set": {"x"}, "range": range(3), "iterator": iter([1, 2]), "object": object(), "class": object,
    "function": len, "module": json, "weird": Weird(), "dots": ..., "error": ValueError("boo"),
    "single": np.float32(0.5), "whole": np.uint64(2**64 - 1), "truth": np.bool_(True),
    "scalar": np.array(1.0), "array": np.array([1, 2]), "matrix": np.ones((2, 2)),
    "objects": np.array([object()]), "dtype": np.dtype("f8"), "day": np.datetime64("2020"),
    "generator": np.random.default_rng(1), "state": np.random.RandomState(1),
    "na": pd.NA, "nat": pd.NaT, "time": pd.Timestamp("2020"), "series": pd.Series([1.0]),
    "frame": pd.DataFrame({"z": range(99)}), "index": pd.Index(["z"]),
    "polars": pl.DataFrame({"z": [1]}), "column": pl.Series([1]), "arrow": pa.array([1]),
    "decimal": decimal.Decimal("NaN"), "fraction": fractions.Fraction(1, 3),
    "date": dt.date(2020, 1, 1), "path": pathlib.Path("/nonexistent/x.csv"),
    "model": models.Normal(), "model class": models.Normal,
}  # fmt: skip
ARGUMENTS = (
    "model", "scale", "sd", "snr", "rate", "columns", "exclude", "params", "clip", "where", "noise",
    "recipe", "preset", "decimals", "seed", "rng", "jobs",
)  # fmt: skip
PARAMETERS = {
    "student-t": ("loc", "df"), "correlated": ("covariance", "fields"), "label-flip": ("values",),
    "scale-by": ("factor",), "missing": ("by", "burst", "shape"), "rounding": ("step", "bits"),
    "exponential": ("center",), "bit-flip": ("highest",), "poisson": ("count",),
}  # fmt: skip
LONGEST = 330


def told_in_a_line(function, *values, **named):
    """Call a function; whatever is wrong has to be told by an error of ours, in a line."""
    told = "nothing"
    try:
        function(*values, **named)
    except NoisifyError as error:
        told = str(error)
    assert "\n" not in told
    assert 0 < len(told) <= LONGEST


@pytest.mark.filterwarnings("ignore::noisify.NoisifyWarning")  # for what is not wrong
@pytest.mark.parametrize("wrong", WRONG)
class TestNoInternalErrorForAWrongArgument:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

    def test_of_add_noise(self, wrong):
        told_in_a_line(add_noise, WRONG[wrong], scale=1)
        for name in ARGUMENTS:
            told_in_a_line(add_noise, FRAME, **{name: WRONG[wrong]})

    def test_of_noisify_file(self, wrong, path):
        given = {"source": path, "output": path.with_name("out.csv"), "scale": 1}
        for name in ("source", "output", "in_place", "read", "decimals", "jobs", "where"):
            told_in_a_line(noisify_file, **{**given, name: WRONG[wrong]})
        for name in vars(ReadOptions()):
            told_in_a_line(noisify_file, **given, read={name: WRONG[wrong]})

    def test_of_a_model(self, wrong):
        told_in_a_line(models.Normal, WRONG[wrong])
        for model, names in PARAMETERS.items():
            for name in names:
                params = {name: WRONG[wrong]}
                told_in_a_line(add_noise, FRAME, model, params=params, columns=":number")

    def test_of_a_spec(self, wrong):
        for name in ("fields", "field", "exclude", "model", "level", "sd", "clip", "preset"):
            told_in_a_line(add_noise, FRAME, noise={name: WRONG[wrong]})
        for name in ("where", "stream", "unit", "optional"):
            told_in_a_line(add_noise, FRAME, noise={"fields": "x", name: WRONG[wrong]})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"where": "zz > 3"}, "where names no field 'zz'"),
        ({"where": "s > 3"}, "where 's > 3': 's' is a text"),
        ({"key": "zz"}, "key names no field 'zz'"),
        ({"key": "x", "rng": "numpy"}, "drop rng numpy"),
        ({"model": "pink", "rng": "numpy"}, "needs noisify's own streams; drop rng"),
        ({"model": "cauchy", "snr": 3}, "so snr cannot be reached; give its scale with scale"),
        ({"snr": 3, "columns": "t"}, "give a scale such as scale='90s'"),
        ({"exclude": "x"}, "every floating-point field is excluded; choose others with columns"),
    ],
)
def test_messages_name_arguments_not_flags(tmp_path, arguments, message):
    table = pd.DataFrame({"x": [1.5, 2.5], "s": ["a", "b"]})
    table["t"] = pd.to_datetime(["2024-03-01", "2024-03-02"])
    with pytest.raises(NoisifyError, match=re.escape(message)) as found:
        add_noise(table, **{"scale": None if "snr" in arguments else 1, **arguments})
    assert not re.search(r"(?<!\w)--?[a-z]", str(found.value))

    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(NoisifyError, match=re.escape(message)):
        noisify_file(tmp_path / "t.csv", tmp_path / "o.csv", **arguments)


def test_messages_on_texts_name_arguments(path):
    with pytest.raises(NoisifyError, match=re.escape("fields with columns=':number'")):
        add_noise(FRAME, scale=1, columns="g")
    with pytest.raises(NoisifyError, match=re.escape("a text model such as model='typo'")):
        noisify_file(path, path.with_name("o.csv"), scale=1, columns="g")

"""Test noise and statistics at both ends of float64's range: no overflow, no warning."""

import json
import warnings

import numpy as np
import pytest
from run_command import noisy_file, run

import noisify
from noisify.noise import registry

LARGEST = float(np.finfo(np.float64).max)
SCALES = (5e-324, 1e-300, 1e-170, 1e154, 1e300, 1e305, 1e308, LARGEST)
RANDOM = np.random.default_rng(3)
ADDITIVE = (
    "normal", "uniform", "laplace", "cauchy", "student-t", "logistic", "triangular",
    "truncated-normal", "gumbel", "exponential", "gamma", "lognormal", "ar1", "pink", "bias",
    "random-walk", "colored", "brown", "blue", "violet",
)  # fmt: skip


def values_of(size, count=300):
    return np.clip(RANDOM.standard_normal(count), -1, 1) * size


def with_noise(values, model, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", noisify.NoisifyWarning)
        return noisify.add_noise(values, model, seed=1, **options)


OF_FLOATS = [
    entry.name
    for entry in registry.MODELS
    if "float" in entry.load().takes and entry.name != "swap-fields"  # which takes two fields
]
REFUSED = {
    "rounding": (1e308, LARGEST),  # low and high are too far apart
    "spike": (1e308, LARGEST),  # 3 sd overflows
    "correlated": (5e-324, 1e-170, 1e308, LARGEST),  # the variance overflows or underflows
}
"""The values for which a model with its defaults is refused."""


class TestModels:
    @pytest.mark.parametrize("scale", SCALES)
    @pytest.mark.parametrize("model", ADDITIVE)
    def test_noise_is_proportional_to_the_scale(self, model, scale):
        zeros = np.zeros(300)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            z = with_noise(zeros, model, scale=1.0).astype(np.longdouble)
            values = values_of(scale)
            found = with_noise(values, model, scale=scale)
        expected = np.clip(values + z * np.longdouble(scale), -LARGEST, LARGEST)
        tolerance = 8 * np.longdouble(np.spacing(float(np.abs(z).max()) + 1)) * scale + 2 * 5e-324
        assert np.isfinite(found).all()
        assert np.all(np.abs(found.astype(np.longdouble) - expected) <= tolerance)

    @pytest.mark.parametrize("chunk", [1, 7, 1000])
    def test_noise_does_not_depend_on_neighbours(self, chunk, tmp_path):
        values = np.where(np.arange(500) % 3 == 0, values_of(1e308, 500), values_of(1e-300, 500))
        source = tmp_path / "x.npy"
        np.save(source, values)
        options = ("-s", "50%", "-d", "uniform")
        expected = np.load(noisy_file(source, *options))
        assert np.array_equal(
            expected, np.load(noisy_file(source, *options, "--chunk-size", 8 * chunk))
        )

    @pytest.mark.one_in(2)
    @pytest.mark.parametrize("size", [5e-324, 1e-170, 1e154, 1e308, LARGEST])
    @pytest.mark.parametrize("model", OF_FLOATS)
    def test_no_model_warns_or_makes_nan(self, model, size, tmp_path):
        source, target = tmp_path / "x.npy", tmp_path / "y.npy"
        np.save(source, values_of(size))
        extra = {
            "laplace-mechanism": ("-p", "epsilon=1", "-p", "sensitivity=1"),
            "gaussian-mechanism": ("-p", "epsilon=1", "-p", "sensitivity=1"),
            "rounding": ("-p", "bits=8"), "missing": ("-p", "mechanism=mnar"),
        }  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            report = tmp_path / "r.json"
            done = run(
                source, "-o", target, "-d", model, "--seed", 1, *extra.get(model, ()),
                "--report", report,
            )  # fmt: skip
        if size in REFUSED.get(model, ()):
            assert (True, 1) == (done.status in {2, 3}, len(done.lines))
            assert not target.exists()
        else:
            assert 0 == done.status, done.messages
            lost = np.isnan(np.load(target))
            assert model == "missing" or not lost.any()
            json.loads(report.read_text())

    def test_percent_of_large_values_saturates(self):
        found = with_noise(np.array([1e308, -1e308, 0.0] * 50), "normal", scale="1000%")
        assert np.isfinite(found).all()
        assert np.all(found[2::3] == 0)


class TestReports:
    @pytest.mark.parametrize("model", ["cauchy", "normal", "uniform"])
    @pytest.mark.parametrize("scale", [5e-324, 1e-170, 1e305, LARGEST])
    def test_hold_numbers_only(self, model, scale, tmp_path):
        source, report = tmp_path / "x.csv", tmp_path / "r.json"
        source.write_text("x\n" + "".join(f"{value!r}\n" for value in values_of(1.7e308).tolist()))
        done = run(source, "-d", model, "-s", scale, "--seed", 1, "--report", report)
        assert (0, scale < 1) == (done.status, "nothing changed" in done.messages)
        assert len(done.lines) == (scale < 1)
        (field,) = json.loads(report.read_text(), parse_constant=pytest.fail)["fields"].values()
        assert abs(field["change_mean"]) <= LARGEST
        if model != "cauchy" and scale == 1e305:
            assert pytest.approx(20 * np.log10(1.3e308 / scale), abs=6) == field["snr_db"]

    @pytest.mark.parametrize("size", [1e-300, 1e-170, 1.0, 1e154, 1e305])
    def test_snr_is_reached(self, size, tmp_path):
        source, report = tmp_path / "x.npy", tmp_path / "r.json"
        np.save(source, np.random.default_rng(1).standard_normal(20_000) * size)
        done = run(source, "-o", tmp_path / "y.npy", "--snr", 20, "--seed", 1, "--report", report)
        assert (0, "") == (done.status, done.messages)
        (field,) = json.loads(report.read_text())["fields"].values()
        assert pytest.approx(20, abs=0.2) == field["snr_db"]


class TestLevels:
    def test_a_constant_field_has_no_sd(self, tmp_path):
        values = np.arange(1, 1000) / 10
        source = tmp_path / "x.csv"
        text = ",".join(map(repr, values.tolist())) + "\n"
        source.write_text(",".join(f"c{n}" for n in range(999)) + "\n" + text * 50)
        done = run(source, "-s", "0.1sd", "--seed", 1)
        assert (0, source.read_bytes()) == (done.status, done.output)

    def test_a_range_beyond_float64(self, tmp_path):
        source, report = tmp_path / "x.npy", tmp_path / "r.json"
        np.save(source, [1.7e308, -1.7e308, 0.0])
        for level, scale in (("1%range", 3.4e306), ("0.1iqr", 1.7e307)):
            run(source, "-o", tmp_path / "y.npy", "-s", level, "--seed", 1, "--report", report)
            (step,) = json.loads(report.read_text())["plan"]["noise"]
            assert pytest.approx(scale, rel=1e-14) == step["scale"]

    @pytest.mark.parametrize("dtype", [np.int64, np.uint64])
    def test_large_integers_count_as_they_are(self, dtype, tmp_path):
        little = np.rint(np.random.default_rng(2).normal(0, 50, 5000)).astype(np.int64)
        values = (2**60 + little).astype(dtype) + dtype(2**60)
        source, report, target = (tmp_path / name for name in ("x.npy", "r.json", "y.npy"))
        np.save(source, values)
        low, high = np.quantile(little, [0.25, 0.75])
        expected = {"1sd": np.std(little), "1iqr": high - low, "1range": np.ptp(little)}
        for level, scale in expected.items():
            run(source, "-o", target, "-s", level, "--seed", 1, "--report", report)
            (step,) = json.loads(report.read_text())["plan"]["noise"]
            assert pytest.approx(scale, rel=1e-15) == step["scale"]
        run(source, "-o", target, "-d", "outlier", "--rate", "5%", "--seed", 1, "--report", report)
        noisy = np.load(target)
        there = (noisy[noisy != values].astype(object) - 2**61).astype(float)
        reach = 3 * (high - low)
        assert len(there) > 100
        assert np.all((there < low - reach) | (there > high + reach))
        (step,) = json.loads(report.read_text())["plan"]["noise"]
        assert (2**61 + low - reach, 2**61 + high + reach) == (step["low"], step["high"])
        recipe = tmp_path / "r.toml"
        given = {name: step[name] for name in ("model", "rate", "low", "high", "spread")}
        lines = (f"{name} = {json.dumps(value)}" for name, value in given.items())
        recipe.write_text("[[noise]]\n" + "\n".join(lines) + "\n")
        again = tmp_path / "z.npy"
        done = run(source, "-o", again, "--recipe", recipe, "--seed", 1)
        assert (0, target.read_bytes()) == (done.status, again.read_bytes())


@pytest.mark.parametrize("size", [5e-324, 1e-170, 1e200, 1e305])
def test_a_covariance_that_float64_does_not_hold_is_refused(size, tmp_path):
    source = tmp_path / "x.csv"
    rows = (np.random.default_rng(1).standard_normal((50, 2)) * [size, 1]).tolist()
    source.write_text("a,b\n" + "".join(f"{a!r},{b!r}\n" for a, b in rows))
    done = run(source, "-d", "correlated", "-c", "a,b", "--seed", 1)
    assert (3, b"", 1) == (done.status, done.output, len(done.lines))
    assert "field 'a': its variance is beyond what float64 holds" in done.messages


@pytest.mark.parametrize("last", ["1152921504606846977", "1.5", str(2**70), ""])
@pytest.mark.parametrize("noise", [("-s", "1sd"), ("-s", "1iqr"), ("-d", "outlier")])
def test_whole_numbers_of_text_whatever_the_chunks(last, noise, tmp_path):
    values = 2**60 + np.random.default_rng(4).integers(-50, 50, 3000)
    source = tmp_path / "x.csv"
    source.write_text("x,y\n" + "".join(f"{value},1\n" for value in values) + f"{last},2\n")
    whole, *cut = (
        run(source, "-c", "x", *noise, "--seed", 1, "--chunk-size", size).output
        for size in ("1M", "1000", "20000")
    )
    assert [whole, whole] == cut
    is_float64 = last == "1.5"  # which holds 2**60 and 2**60 + 256, and no quartile between
    assert (whole != source.read_bytes()) or (is_float64 and noise[1] == "1iqr")

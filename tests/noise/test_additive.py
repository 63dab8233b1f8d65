"""Test models with an amplitude: their arithmetic and their documented distributions."""

import dataclasses
import math
import warnings
from collections.abc import Callable
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest
from apply_model import CUTS, FLOAT64, SIZE, apply, noise, number_types, same, some_values
from example_counts import examples
from hypothesis import given

from noisify.core.chunk import BLOCK
from noisify.core.errors import UsageError
from noisify.noise import model as interface
from noisify.noise import registry
from noisify.noise.additive import Asymmetric, IndependentNoise
from noisify.noise.level import Absolute, FromField, OfField, Percent
from noisify.noise.normal_quantile import normal_quantile


@dataclasses.dataclass(frozen=True)
class Theory:
    """A symmetric model's distribution at scale 1 and loc 0: closed forms.

    Attributes:
        sd: Standard deviation; None if undefined.
        kurtosis: Fourth central moment over sd**4; None if undefined.
        quartile: The upper quartile; all distributions here are symmetric.
        density: The density at the median and at the upper quartile.
        parameters: The model's parameters.
    """

    sd: float | None
    kurtosis: float | None
    quartile: float
    density: tuple[float, float]
    parameters: dict[str, float] = dataclasses.field(default_factory=dict)


def normal_density(z):
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def t_density(z, df):
    constant = math.gamma((df + 1) / 2) / (math.sqrt(df * math.pi) * math.gamma(df / 2))
    return constant * (1 + z * z / df) ** (-(df + 1) / 2)


NORMAL_QUARTILE = 0.6744897501960817
CUT_DENSITY = normal_density(2) / math.erf(math.sqrt(2))
CUT_POWER = 1 - 4 * CUT_DENSITY
CUT_QUARTILE = NormalDist().inv_cdf(0.5 + math.erf(math.sqrt(2)) / 4)
T2_QUARTILE = math.sqrt(2 / 3)
T3_QUARTILE = 0.7648923284043453
T10_QUARTILE = 0.6998120613124317
THEORY = {
    "normal": [Theory(1, 3, NORMAL_QUARTILE, (normal_density(0), normal_density(NORMAL_QUARTILE)))],
    "uniform": [Theory(1 / math.sqrt(3), 9 / 5, 0.5, (0.5, 0.5))],
    "laplace": [Theory(math.sqrt(2), 6, math.log(2), (0.5, 0.25))],
    "cauchy": [Theory(None, None, 1, (1 / math.pi, 1 / (2 * math.pi)))],
    "logistic": [Theory(math.pi / math.sqrt(3), 21 / 5, math.log(3), (1 / 4, 3 / 16))],
    "triangular": [Theory(1 / math.sqrt(6), 12 / 5, 1 - math.sqrt(0.5), (1, math.sqrt(0.5)))],
    "truncated-normal": [
        Theory(
            math.sqrt(CUT_POWER),
            (3 * CUT_POWER - 16 * CUT_DENSITY) / CUT_POWER**2,
            CUT_QUARTILE,
            (
                normal_density(0) / math.erf(math.sqrt(2)),
                normal_density(CUT_QUARTILE) / math.erf(math.sqrt(2)),
            ),
        )
    ],
    "student-t": [
        Theory(math.sqrt(3), None, T3_QUARTILE, (t_density(0, 3), t_density(T3_QUARTILE, 3))),
        Theory(
            math.sqrt(10 / 8),
            3 + 6 / (10 - 4),
            T10_QUARTILE,
            (t_density(0, 10), t_density(T10_QUARTILE, 10)),
            {"df": 10.0},
        ),
        Theory(None, None, 1, (1 / math.pi, 1 / (2 * math.pi)), {"df": 1.0}),  # Cauchy's
        Theory(None, None, T2_QUARTILE, (t_density(0, 2), t_density(T2_QUARTILE, 2)), {"df": 2.0}),
    ],
}  # fmt: skip

NUMBERS = number_types("f2 f4 f8 g i1 i2 i4 i8 u1 u2 u4 u8 c8 c16 G decimal(9,2) decimal(30,2)")
COMPLEX128 = NUMBERS["c16"]

ADDITIVE = [entry for entry in registry.MODELS if issubclass(entry.load(), IndependentNoise)]
"""Additive models without memory; time-series models are tested in test_time_series.py."""

additive_entries = pytest.mark.parametrize("entry", ADDITIVE, ids=lambda entry: entry.name)
numbers = pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
theories = pytest.mark.parametrize(
    ("entry", "theory"),
    [
        pytest.param(registry.find(name), theory, id=f"{name}{theory.parameters or ''}")
        for name, found in THEORY.items()
        for theory in found
    ],
)
DRAWS = 200_000


def make(entry, **parameters):
    return interface.make(entry.load(), {"scale": Absolute(1.0)} | parameters)


@additive_entries
class TestAdditive:
    @pytest.mark.parametrize(
        "bad", [{"loc": math.nan}, {"loc": math.inf}, {"loc": "many"}], ids=str
    )
    def test_refuses_a_loc_that_is_not_finite(self, entry, bad):
        with pytest.raises(UsageError, match=r"^loc "):
            make(entry, **bad)

    def test_has_a_theory_here_unless_lopsided(self, entry):
        assert (entry.name in THEORY) != issubclass(entry.load(), Asymmetric)

    @pytest.mark.parametrize("kind", ["f8", "i8", "c16"])
    @examples(15)  # for each of many models and types
    @given(cuts=CUTS)
    def test_does_not_depend_on_the_chunks(self, entry, kind, cuts):
        number, model = NUMBERS[kind], make(entry, scale=Percent(0.5), loc=1.0)
        values = some_values(number, SIZE)
        ends = [0, *sorted(cuts), SIZE]
        pieces = [apply(model, values[a:b], number, start=a) for a, b in pairwise(ends)]
        assert same(apply(model, values, number), np.concatenate(pieces))

    @numbers
    def test_keeps_the_dtype_and_the_input(self, entry, number):
        values = some_values(number, 100)
        untouched = values.copy()
        noisy = apply(make(entry, scale=Absolute(3.0)), values, number)
        assert (values.dtype, values.shape) == (noisy.dtype, noisy.shape)
        assert same(untouched, values)
        assert not same(values, noisy)

    @numbers
    @pytest.mark.parametrize("scale", [Absolute(3.0), Percent(0.5)], ids=str)
    def test_changing_one_value_changes_that_output_only(self, entry, number, scale):
        model, values = make(entry, scale=scale), some_values(number, 200)
        for i in (0, 77, 199):
            changed = values.copy()
            changed[i] = values[i] + 1
            before, after = apply(model, values, number), apply(model, changed, number)
            assert same(np.delete(before, i), np.delete(after, i))

    @numbers
    def test_of_scale_zero_changes_nothing(self, entry, number):
        values = some_values(number, 200)
        assert same(values, apply(make(entry, scale=Absolute(0.0)), values, number))

    @pytest.mark.parametrize("kind", ["f8", "c16"])
    def test_at_twice_the_scale_is_twice_as_large(self, entry, kind):
        once, twice = (
            noise(make(entry, scale=Absolute(scale)), NUMBERS[kind], SIZE) for scale in (0.7, 1.4)
        )
        assert same(2 * once, twice)

    def test_of_float32_is_that_of_float64(self, entry):
        narrow = noise(make(entry), NUMBERS["f4"], SIZE)
        assert same(noise(make(entry), FLOAT64, SIZE).astype("f4"), narrow)

    def test_of_integers_is_that_of_floats_rounded(self, entry):
        model = make(entry, scale=Absolute(5.0))
        rounded = np.clip(np.rint(noise(model, FLOAT64, SIZE)), -(2.0**31), 2.0**31 - 1)
        assert same(rounded.astype("i4"), noise(model, NUMBERS["i4"], SIZE))

    def test_of_decimals_is_that_of_floats_rounded(self, entry):
        cents = noise(make(entry), NUMBERS["decimal(9,2)"], SIZE)
        floats = np.clip(noise(make(entry), FLOAT64, SIZE), -9999999.99, 9999999.99)
        assert np.all(np.abs(cents / 100 - floats) <= 0.005 + 1e-9)

    def test_adds_loc_to_every_value(self, entry):
        plain, shifted = (noise(make(entry, loc=loc), FLOAT64, SIZE) for loc in (0.0, 100.0))
        assert same(plain + 100.0, shifted)

    def test_adds_loc_to_the_real_part(self, entry):
        plain, shifted = (noise(make(entry, loc=loc), COMPLEX128, SIZE) for loc in (0.0, 100.0))
        assert same(plain.real + 100.0, shifted.real)
        assert same(plain.imag, shifted.imag)

    def test_takes_a_share_of_each_value(self, entry):
        values = np.array([0.0, 1.0, -2.0, 0.5])
        once = noise(make(entry), FLOAT64, 4)
        noisy = apply(make(entry, scale=Percent(0.5)), values, FLOAT64)
        assert [0.0, 1 + 0.5 * once[1], -2 + once[2], 0.5 + 0.25 * once[3]] == noisy.tolist()

    def test_takes_another_fields_magnitude(self, entry):
        errors = np.array([0.0, 1.0, -2.0, 0.5])
        once = noise(make(entry), FLOAT64, 4)
        noisy = apply(make(entry, scale=FromField("err", 2.0)), np.zeros(4), FLOAT64, err=errors)
        assert [0.0, 2 * once[1], 4 * once[2], once[3]] == noisy.tolist()

    def test_refuses_a_level_that_was_not_settled(self, entry):
        with pytest.raises(UsageError, match=r"0\.1sd needs the statistics of the whole field"):
            noise(make(entry, scale=OfField(0.1, "sd")), FLOAT64, 4)

    @pytest.mark.parametrize("kind", ["f4", "f8", "i2", "i8"])
    def test_a_huge_scale_saturates_without_warning(self, entry, kind):
        number = NUMBERS[kind]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            noisy = noise(make(entry, scale=Absolute(1.7e308)), number, SIZE)
        assert np.all(np.isfinite(noisy))
        assert np.all(noisy != 0)
        if entry.name in THEORY:
            assert abs(np.mean(np.sign(noisy.astype(float)))) < 4.5 / math.sqrt(SIZE)


@theories
class TestTheory:
    """Noise has the documented distribution, within 4.5 standard errors at a fixed seed."""

    def check_quartiles(self, drawn, theory, scale=1.0):
        count = len(drawn)
        lower, median, upper = np.quantile(drawn, [0.25, 0.5, 0.75]) / scale
        at_median, at_quartile = theory.density
        error = math.sqrt(0.25 * 0.75 / count) / at_quartile
        assert abs(median) < 4.5 * math.sqrt(0.25 / count) / at_median
        assert abs(upper - theory.quartile) < 4.5 * error
        assert abs(lower + theory.quartile) < 4.5 * error

    def test_moments_are_those_of_theory(self, entry, theory):
        moments = make(entry, **theory.parameters).moments()
        assert (theory.sd is None) == (moments is None)
        assert moments is None or (0.0, pytest.approx(theory.sd, rel=1e-15)) == moments

    def test_mean_and_sd(self, entry, theory):
        drawn = noise(make(entry, **theory.parameters), size=DRAWS)
        if theory.sd is not None:
            assert abs(drawn.mean()) < 4.5 * theory.sd / math.sqrt(DRAWS)
        if theory.kurtosis is not None:
            error = theory.sd * math.sqrt((theory.kurtosis - 1) / (4 * DRAWS))
            assert abs(drawn.std() - theory.sd) < 4.5 * error
        assert np.all(np.isfinite(drawn))

    def test_median_and_quartiles(self, entry, theory):
        self.check_quartiles(noise(make(entry, **theory.parameters), size=DRAWS), theory)

    def test_variates_are_uncorrelated(self, entry, theory):
        signs = np.sign(noise(make(entry, **theory.parameters), size=DRAWS))
        for lag in (1, 2, BLOCK):
            assert abs(np.mean(signs[lag:] * signs[:-lag])) < 4.5 / math.sqrt(DRAWS - lag)

    def test_complex_noise_has_half_the_variance_in_each_part(self, entry, theory):
        drawn = noise(make(entry, **theory.parameters), COMPLEX128, DRAWS)
        for part in (drawn.real, drawn.imag):
            self.check_quartiles(part, theory, scale=math.sqrt(0.5))
            if theory.kurtosis is not None:
                error = theory.sd * math.sqrt((theory.kurtosis - 1) / (8 * DRAWS))
                assert abs(part.std() - theory.sd * math.sqrt(0.5)) < 4.5 * error
        assert abs(np.mean(np.sign(drawn.real) * np.sign(drawn.imag))) < 4.5 / math.sqrt(DRAWS)


@pytest.mark.parametrize("theory", THEORY["student-t"], ids=lambda theory: f"{theory.parameters}")
def test_the_quartiles_of_t_typed_above_are_right(theory):
    """Half of all values lie within the quartiles, by Simpson's rule over the density."""
    df = theory.parameters.get("df", 3.0)
    grid = np.linspace(-theory.quartile, theory.quartile, 2001)
    heights = np.array([t_density(z, df) for z in grid])
    weights = np.array([1, *([4, 2] * 999), 4, 1])
    assert pytest.approx(0.5, abs=1e-12) == heights @ weights * (grid[1] - grid[0]) / 3


@dataclasses.dataclass(frozen=True)
class Lopsided:
    """An asymmetric model's distribution at scale 1 and loc 0: closed forms.

    Attributes:
        mean: Its mean.
        sd: Its standard deviation.
        excess: Its excess kurtosis.
        quantile: Its quantile function.
        density: Its density.
        parameters: The model's parameters.
    """

    mean: float
    sd: float
    excess: float
    quantile: Callable[[float], float]
    density: Callable[[float], float]
    parameters: dict[str, float] = dataclasses.field(default_factory=dict)


def erlang_density(z, shape):
    return z ** (shape - 1) * math.exp(-z) / math.gamma(shape)


def erlang_quantile(p, shape):
    """Return the z for which a Poisson variate of mean z reaches `shape` with probability p."""
    low, high = 0.0, 100.0
    for _ in range(100):
        z = (low + high) / 2
        below = 1 - math.exp(-z) * sum(z**k / math.factorial(k) for k in range(int(shape)))
        low, high = (z, high) if below < p else (low, z)
    return low


def lognormal(sigma):
    growth = math.exp(sigma * sigma)
    return Lopsided(
        math.sqrt(growth),
        math.sqrt((growth - 1) * growth),
        growth**4 + 2 * growth**3 + 3 * growth**2 - 6,
        lambda p: math.exp(NormalDist(0, sigma).inv_cdf(p)),
        lambda z: NormalDist(0, sigma).pdf(math.log(z)) / z,
        {"sigma": sigma},
    )


def gamma(shape):
    return Lopsided(
        shape,
        math.sqrt(shape),
        6 / shape,
        lambda p: erlang_quantile(p, shape),
        lambda z: erlang_density(z, shape),
        {"shape": shape},
    )


LOPSIDED = {
    "gumbel": [
        Lopsided(
            0.57721566490153286,
            math.pi / math.sqrt(6),
            12 / 5,
            lambda p: -math.log(-math.log(p)),
            lambda z: math.exp(-z - math.exp(-z)),
        )
    ],
    "exponential": [
        Lopsided(1.0, 1.0, 6.0, lambda p: -math.log(1 - p), lambda z: math.exp(-z))
    ],
    "gamma": [gamma(1.0), gamma(2.0), gamma(7.0)],
    "lognormal": [lognormal(0.25), lognormal(1.0)],
}  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "theory"),
    [
        pytest.param(registry.find(name), theory, id=f"{name}{theory.parameters or ''}")
        for name, found in LOPSIDED.items()
        for theory in found
    ],
)
class TestLopsided:
    def test_moments_are_those_of_theory(self, entry, theory):
        plain, centred = (make(entry, **theory.parameters, center=on) for on in (False, True))
        assert pytest.approx((theory.mean, theory.sd), rel=1e-14) == plain.moments()
        assert pytest.approx((0.0, theory.sd), rel=1e-14) == centred.moments()

    @pytest.mark.parametrize("center", [False, True])
    def test_mean_and_sd(self, entry, theory, center):
        drawn = noise(make(entry, **theory.parameters, center=center), size=DRAWS)
        mean = 0.0 if center else theory.mean
        assert abs(drawn.mean() - mean) < 4.5 * theory.sd / math.sqrt(DRAWS)
        error = theory.sd * math.sqrt((theory.excess + 2) / (4 * DRAWS))
        assert abs(drawn.std() - theory.sd) < 4.5 * error

    def test_median_and_quartiles(self, entry, theory):
        drawn = noise(make(entry, **theory.parameters), size=DRAWS)
        for share in (0.25, 0.5, 0.75):
            expected = theory.quantile(share)
            error = math.sqrt(share * (1 - share) / DRAWS) / theory.density(expected)
            assert abs(np.quantile(drawn, share) - expected) < 4.5 * error

    def test_centering_subtracts_the_mean(self, entry, theory):
        plain, centred = (
            noise(make(entry, **theory.parameters, center=on, scale=Absolute(3.0)), FLOAT64, 1000)
            for on in (False, True)
        )
        assert pytest.approx(plain - 3 * theory.mean, abs=1e-13 * theory.sd) == centred


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("gamma", {"shape": 0.0}),
        ("gamma", {"shape": math.inf}),
        ("lognormal", {"sigma": 0.0}),
        ("lognormal", {"sigma": 18.5}),
        ("truncated-normal", {"cut": 0.0}),
        ("truncated-normal", {"cut": math.nan}),
        ("exponential", {"center": "perhaps"}),
    ],
)
def test_refuses_an_invalid_parameter(name, bad):
    with pytest.raises(UsageError, match=f"^{next(iter(bad))} "):
        make(registry.find(name), **bad)


def test_no_lognormal_has_moments_beyond_float64():
    assert all(map(math.isfinite, make(registry.find("lognormal"), sigma=18.0).moments()))


class TestTruncatedNormal:
    @pytest.mark.parametrize("cut", [0.01, 0.5, 2.0, 8.0])
    def test_stays_within_its_cuts(self, cut):
        model = make(registry.find("truncated-normal"), scale=Absolute(10.0), cut=cut)
        drawn = noise(model, size=DRAWS)
        assert -10 * cut <= drawn.min() < -10 * min(0.99 * cut, 3.5)
        assert 10 * min(0.99 * cut, 3.5) < drawn.max() <= 10 * cut

    @pytest.mark.parametrize("cut", [0.01, 0.5, 1.0, 4.0])
    def test_has_the_documented_sd(self, cut):
        model = make(registry.find("truncated-normal"), cut=cut)
        drawn, (mean, sd) = noise(model, size=DRAWS), model.moments()
        assert abs(drawn.mean() - mean) < 4.5 * sd / math.sqrt(DRAWS)
        assert abs(drawn.std() - sd) < 4.5 * sd / math.sqrt(2 * DRAWS)

    def test_the_narrowest_is_uniform(self):
        assert (
            pytest.approx(0.01 / math.sqrt(3), rel=1e-4)
            == (make(registry.find("truncated-normal"), cut=0.01).moments()[1])
        )

    def test_far_cuts_leave_it_normal(self):
        model = make(registry.find("truncated-normal"), cut=1e6)
        assert model.moments() == (0.0, 1.0)
        assert np.all(np.abs(noise(model, size=DRAWS)) < 7)


class TestNormalQuantile:
    def test_is_that_of_the_standard_library(self):
        tails = 10.0 ** -np.arange(1, 308)
        p = np.concatenate([np.arange(1, 5000) / 5000, tails, [0.075, 0.925, 1 - 2.0**-53]])
        expected = [NormalDist().inv_cdf(share) for share in p]
        assert pytest.approx(expected, rel=1e-14, abs=1e-15) == normal_quantile(p)

    def test_at_the_ends_and_beyond(self):
        got = normal_quantile([0.0, 0.5, 1.0, -0.1, 1.1, math.nan]).tolist()
        assert got == pytest.approx([-math.inf, 0.0, math.inf, *[math.nan] * 3], nan_ok=True)

    def test_keeps_the_shape(self):
        assert normal_quantile(0.5).shape == ()
        assert normal_quantile(np.full((2, 3), 0.5)).shape == (2, 3)


class TestUniform:
    def test_stays_within_its_half_width(self):
        drawn = noise(make(registry.find("uniform"), scale=Absolute(0.25)), size=DRAWS)
        assert -0.25 <= drawn.min() < -0.2499
        assert 0.2499 < drawn.max() < 0.25


class TestStudentT:
    @pytest.mark.parametrize("df", [2.0, 1.0, 0.5])
    def test_has_no_variance_with_few_degrees_of_freedom(self, df):
        assert make(registry.find("t"), df=df).moments() is None

    @pytest.mark.parametrize("df", [0.0, -1.0, math.nan, math.inf])
    def test_refuses_invalid_degrees_of_freedom(self, df):
        with pytest.raises(UsageError, match=r"^df "):
            make(registry.find("t"), df=df)

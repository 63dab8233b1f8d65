"""Test counting noise: exact quantiles of one uniform, against sums in whole numbers."""

import dataclasses
import math
import time
import warnings
from bisect import bisect_left
from fractions import Fraction
from itertools import accumulate, pairwise

import numpy as np
import pytest
from apply_model import CUTS, FLOAT64, SIZE, apply, number_types, same, some_values
from example_counts import examples
from hypothesis import given

from noisify.core.chunk import Positions
from noisify.core.errors import UsageError
from noisify.noise import counts, discrete_quantiles
from noisify.noise import model as interface
from noisify.noise.discrete_quantiles import quantile
from noisify.noise.model import NoiseContext
from noisify.streams.streams import StreamName, StreamVariates

NUMBERS = number_types("f2 f4 f8 g i1 u1 i4 i8 u8 decimal(9,2) decimal(30,2)")
INT64 = NUMBERS["i8"]
DRAWS = 200_000
CLASSES = {"poisson": counts.Poisson, "binomial": counts.Binomial}

names = pytest.mark.parametrize("name", CLASSES)
numbers = pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)


def make(name, **parameters):
    return interface.make(CLASSES[name], parameters)


@dataclasses.dataclass(frozen=True)
class Reference:
    """A distribution of counts, summed in whole numbers from its mode; exact to 2**-200.

    Attributes:
        first: The smallest k with a weight.
        reached: The CDF from there on, in units of 1 / total.
        total: The sum of the weights.
    """

    first: int
    reached: list[int]
    total: int

    @classmethod
    def of(cls, mode, ratio):
        """Sum the weights; `ratio(k)` is the exact probability of k + 1 over that of k."""
        weights = [1 << 240]
        k = mode
        while weights[-1]:
            up = ratio(k)
            weights.append(weights[-1] * up.numerator // up.denominator)
            k += 1
        below = [1 << 240]
        first = mode
        while first > 0 and below[-1]:
            down = ratio(first - 1)
            below.append(below[-1] * down.denominator // down.numerator)
            first -= 1
        reached = list(accumulate(below[:0:-1] + weights))
        return cls(first, reached, reached[-1])

    @classmethod
    def poisson(cls, rate):
        rate = Fraction(rate)
        return cls.of(int(rate), lambda k: rate / (k + 1))

    @classmethod
    def binomial(cls, trials, share):
        odds = Fraction(share) / (1 - Fraction(share))
        return cls.of(int(trials * share), lambda k: (trials - k) * odds / (k + 1))

    def quantile(self, u):
        """Return the smallest k at which the CDF is at least the fraction u."""
        return self.first + bisect_left(self.reached, math.ceil(u * self.total))

    def steps(self, least):
        """Return the CDF and 1 - CDF where both are above `least`."""
        shares = [Fraction(step, self.total) for step in self.reached]
        kept = [share for share in shares if least < share < 1 - least]
        return np.array([float(share) for share in kept]), np.array(
            [float(1 - share) for share in kept]
        )

    def ties(self, count):
        """Return uniforms (multiples of 2**-53) near values of the CDF throughout its range."""
        steps = sorted({round(at) for at in np.linspace(0, len(self.reached) - 1, count)})
        near = [round(Fraction(self.reached[step], self.total) * 2**53) for step in steps]
        apart = (0, 1, 2, 10**3, 10**5)
        grid = {least + side * away for least in near for side in (-1, 1) for away in apart}
        return np.array(sorted(g for g in grid if 0 < g < 2**53)) / 2**53


def misses(law, reference, uniforms):
    """Return the uniforms whose quantile is wrong beyond double precision.

    A CDF in double precision is right to about 1e-13 of the nearer tail, or to 4e-16; a u that
    close to a step of the CDF may fall on either side.
    """
    wrong = []
    for u, found in zip(uniforms.tolist(), quantile(law, uniforms).tolist(), strict=True):
        exact = Fraction(u)
        slack = max(Fraction(1e-13) * min(exact, 1 - exact), Fraction(4e-16))
        slack = min(slack, Fraction(1e-3) * min(exact, 1 - exact))
        lowest, highest = reference.quantile(exact - slack), reference.quantile(exact + slack)
        if not lowest <= found <= highest:
            wrong.append((u, found, lowest, highest))
    return wrong


UNIFORMS = np.concatenate(
    [
        np.random.default_rng(11).integers(1, 2**53, 150) / 2**53,
        np.random.default_rng(12).integers(1, 2**20, 20) / 2**53,
        1 - np.random.default_rng(13).integers(1, 2**20, 20) / 2**53,
        1 - np.random.default_rng(14).integers(1, 2**35, 20) / 2**53,
        [2.0**-53, 0.5 - 2.0**-53, 0.5, 0.5 + 2.0**-53, 1 - 2.0**-53],
    ]
)
RATES = (1e-10, 1e-3, 0.1, 1.0, 3.3, 8.0, 8.01, 9.0, 10.5, 12.0, 25.0, 99.5, 1234.5, 1e4, 1e5, 1e6)
TRIALS = (
    (1, 0.5), (2, 0.3), (10, 0.5), (17, 0.5), (20, 0.5), (33, 0.25), (50, 1e-5), (100, 0.1),
    (100, 0.5), (1000, 0.01), (1000, 0.45), (10**5, 0.001), (10**5, 0.5), (10**6, 0.3),
)  # fmt: skip


class TestQuantile:
    @pytest.mark.parametrize("rate", RATES)
    def test_of_poisson_is_exact(self, rate):
        reference = Reference.poisson(rate)
        uniforms = np.concatenate([UNIFORMS, reference.ties(60)])
        law = discrete_quantiles.Poisson(np.full(len(uniforms), rate))
        assert [] == misses(law, reference, uniforms)

    @pytest.mark.parametrize(("trials", "share"), TRIALS)
    def test_of_binomial_is_exact(self, trials, share):
        reference = Reference.binomial(trials, share)
        uniforms = np.concatenate([UNIFORMS, reference.ties(60)])
        law = discrete_quantiles.Binomial(np.full(len(uniforms), float(trials)), share)
        assert [] == misses(law, reference, uniforms)

    @pytest.mark.parametrize("rate", [8.5, 20.0, 1e3, 1e5])
    def test_expansion_is_right_unless_doubtful(self, rate):
        reference = Reference.poisson(rate)
        law = discrete_quantiles.Poisson(np.full(len(UNIFORMS), rate))
        count, doubtful = discrete_quantiles._expanded(law, UNIFORMS, 1 - UNIFORMS)
        exact = [reference.quantile(Fraction(u)) for u in UNIFORMS.tolist()]
        sure = ~doubtful
        assert np.array(exact)[sure].tolist() == count[sure].tolist()
        assert sure.mean() > 0.6

    @pytest.mark.parametrize("rate", [8.5, 20.0, 150.0, 1e3, 1e4, 1e5])
    def test_poisson_is_doubtful_at_every_step_of_the_cdf(self, rate):
        lower, upper = Reference.poisson(rate).steps(1e-9)
        law = discrete_quantiles.Poisson(np.full(len(lower), rate))
        assert discrete_quantiles._expanded(law, lower, upper)[1].all()

    @pytest.mark.parametrize("share", [0.01, 0.2, 0.4, 0.5])
    @pytest.mark.parametrize("mean", [9, 150, 10**4])
    def test_binomial_is_doubtful_at_every_step_of_the_cdf(self, mean, share):
        trials = round(mean / share)
        lower, upper = Reference.binomial(trials, share).steps(1e-9)
        law = discrete_quantiles.Binomial(np.full(len(lower), float(trials)), share)
        assert discrete_quantiles._expanded(law, lower, upper)[1].all()

    def test_falling_uses_one_minus_u(self):
        law = discrete_quantiles.Binomial(np.full(len(UNIFORMS), 40.0), 0.3)
        assert same(quantile(law, 1 - UNIFORMS), quantile(law, UNIFORMS, falling=True))

    def test_zero_counts_as_half_the_smallest_uniform(self):
        law, zero = discrete_quantiles.Binomial(np.array([40.0]), 0.5), np.zeros(1)
        assert [0.0] == quantile(law, zero).tolist()
        assert [40.0] == quantile(law, zero, falling=True).tolist()

    @pytest.mark.parametrize("share", [0.01, 0.3, 0.5])
    def test_rises_with_u(self, share):
        uniforms = np.sort(np.concatenate([UNIFORMS, np.linspace(0, 0.999, 2000)]))
        uniforms = np.floor(uniforms * 2**53) / 2**53
        for trials in (1.0, 30.0, 1e3, 1e5, 1e12):
            law = discrete_quantiles.Binomial(np.full(len(uniforms), trials), share)
            assert np.all(np.diff(quantile(law, uniforms)) >= 0)

    def test_rises_with_the_rate(self):
        rates = np.sort(np.concatenate([np.geomspace(1e-3, 1e7, 4000), np.linspace(7, 9, 2000)]))
        for u in (1e-12, 0.01, 0.3, 0.5, 0.9, 1 - 2.0**-40, 1 - 2.0**-53):
            count = quantile(discrete_quantiles.Poisson(rates), np.full(len(rates), u))
            assert np.all(np.diff(count) >= 0)

    def test_at_a_rate_of_1e15_is_the_normal_quantile_rounded(self):
        law = discrete_quantiles.Poisson(np.full(3, 1e15))
        z = 1.959963984540054
        count = quantile(law, np.array([0.025, 0.5, 0.975]))
        expected = np.array([-z, 0, z]) * math.sqrt(1e15) + z * z / 6 * np.array([1, 0, 1])
        assert np.all(np.abs(count - 1e15 - expected) < 2)

    def test_without_trials_is_zero(self):
        nothing = np.zeros(len(UNIFORMS))
        assert not quantile(discrete_quantiles.Poisson(nothing), UNIFORMS).any()
        assert not quantile(discrete_quantiles.Binomial(nothing, 0.5), UNIFORMS).any()
        assert not quantile(discrete_quantiles.Binomial(nothing + 5, 0.0), UNIFORMS).any()

    @pytest.mark.parametrize("rate", [5e-324, 1e-300, 1e-17, 1e-16, 1e-9])
    def test_of_a_tiny_rate(self, rate):
        law = discrete_quantiles.Poisson(np.full(3, rate))
        largest = np.array([0.0, 0.5, 1 - 2.0**-53])
        expected = [0, 0, sum(rate**k / math.factorial(k) > 2.0**-53 for k in (1, 2, 3))]
        assert expected == quantile(law, largest).tolist()


@names
class TestEveryModel:
    @pytest.mark.parametrize("kind", ["f8", "i8", "u1"])
    @examples(15)
    @given(cuts=CUTS)
    def test_does_not_depend_on_the_chunks(self, name, kind, cuts):
        number, model = NUMBERS[kind], make(name)
        values = some_values(number, SIZE)
        ends = [0, *sorted(cuts), SIZE]
        pieces = [apply(model, values[a:b], number, start=a) for a, b in pairwise(ends)]
        assert same(apply(model, values, number), np.concatenate(pieces))

    def test_of_several_runs_is_that_of_one(self, name):
        values = some_values(FLOAT64, 100)
        model = make(name)
        whole = apply(model, values, FLOAT64)
        runs = Positions((10, 50), 20)
        variates = StreamVariates(StreamName(7, "data", model.name), runs)
        picked = np.r_[10:30, 50:70]
        assert same(whole[picked], model.apply(values[picked], NoiseContext(variates, FLOAT64)))

    @numbers
    def test_keeps_the_dtype_and_the_input(self, name, number):
        values = some_values(number, 300)
        untouched = values.copy()
        noisy = apply(make(name), values, number)
        assert (values.dtype, values.shape) == (noisy.dtype, noisy.shape)
        assert same(untouched, values)
        assert not same(values, noisy)

    @numbers
    def test_of_nothing_is_nothing(self, name, number):
        noisy = apply(make(name), np.empty(0, number.dtype), number)
        assert (number.dtype, (0,)) == (noisy.dtype, noisy.shape)

    @numbers
    def test_changing_one_value_changes_that_output_only(self, name, number):
        model, values = make(name), some_values(number, 200)
        for i in (0, 77, 199):
            changed = values.copy()
            changed[i] = values[i] + 1
            before, after = apply(model, values, number), apply(model, changed, number)
            assert same(np.delete(before, i), np.delete(after, i))

    @numbers
    def test_leaves_zero_and_negative_values_alone(self, name, number):
        values = some_values(number, 300)
        noisy = apply(make(name), values, number)
        assert np.all(noisy[values <= 0] == values[values <= 0])
        assert np.all(noisy[values > 0] >= 0)

    def test_of_float32_is_that_of_float64(self, name):
        values = some_values(NUMBERS["f4"], SIZE)
        wide = apply(make(name), values.astype("f8"), FLOAT64)
        assert same(wide.astype("f4"), apply(make(name), values, NUMBERS["f4"]))

    def test_huge_values_stay_finite_without_warning(self, name):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            values = np.geomspace(1e-300, 1.7e308, 2000)
            assert np.all(np.isfinite(apply(make(name), values, FLOAT64)))
            largest = np.full(2000, 2**63 - 1)
            noisy = apply(make(name), largest, INT64)
        assert np.all(noisy > 2**62)

    def test_is_fast(self, name, record_property):
        values = np.repeat([0.5, 5.0, 50.0, 5e5], 1 << 16)
        start = time.perf_counter()
        apply(make(name), values, FLOAT64)
        rate = len(values) / (time.perf_counter() - start) / 1e6
        record_property("million_elements_a_second", rate)
        assert rate > 0.5  # ten and more on an idle core


class TestPoisson:
    @pytest.mark.parametrize("rate", [1e-3, 0.4, 3.0, 7.9, 8.1, 50.0, 1e3, 1e6, 1e12])
    def test_mean_and_variance_are_the_rate(self, rate):
        drawn = apply(make("poisson"), np.full(DRAWS, rate), FLOAT64) - rate
        assert abs(drawn.mean()) < 4.5 * math.sqrt(rate / DRAWS)
        error = math.sqrt((rate + 2 * rate * rate) / DRAWS)
        assert abs(np.mean(drawn * drawn) - rate) < 4.5 * error

    @pytest.mark.parametrize("rate", [0.4, 3.0, 7.9, 8.1, 50.0])
    def test_has_the_distribution(self, rate):
        drawn = apply(make("poisson"), np.full(DRAWS, rate), FLOAT64).astype(int)
        most = int(rate + 4 * math.sqrt(rate)) + 1
        chances = [math.exp(k * math.log(rate) - rate - math.lgamma(k + 1)) for k in range(most)]
        expected = DRAWS * np.array([*chances, 1 - sum(chances)])
        found = np.bincount(np.minimum(drawn, most), minlength=most + 1)
        kept = expected > 5
        square = np.sum((found - expected)[kept] ** 2 / expected[kept])
        freedom = kept.sum() - 1
        assert square < freedom + 4.5 * math.sqrt(2 * freedom)

    def test_count_is_events_to_the_unit(self):
        values = np.linspace(0.5, 40, SIZE)
        hundred = apply(make("poisson", count=100), values, FLOAT64)
        assert same(apply(make("poisson"), values * 100.0, FLOAT64) / 100.0, hundred)
        relative = (hundred - values) / np.sqrt(values / 100)
        assert abs(relative.std() - 1) < 4.5 / math.sqrt(2 * SIZE)

    def test_a_brighter_element_never_counts_fewer(self):
        values = np.full(SIZE, 5.0)
        counted = [apply(make("poisson"), values * factor, FLOAT64) for factor in (1, 1.5, 2, 40)]
        for less, more in pairwise(counted):
            assert np.all(less <= more)

    def test_of_integers_is_rounded_half_to_even(self):
        values = np.full(SIZE, 3, "i4")
        halves = apply(make("poisson", count=2), values.astype("f8"), FLOAT64)
        assert np.any(halves % 1 == 0.5)
        assert same(
            np.rint(halves).astype("i4"), apply(make("poisson", count=2), values, NUMBERS["i4"])
        )

    def test_of_decimals_counts_in_the_fields_unit(self):
        number = NUMBERS["decimal(9,2)"]
        cents = apply(make("poisson", count=10), np.full(SIZE, 325), number)
        floats = apply(make("poisson", count=10), np.full(SIZE, 3.25), FLOAT64)
        assert np.rint(floats * 100).astype(int).tolist() == cents.tolist()

    def test_saturates_at_the_end_of_the_type(self):
        number = NUMBERS["u1"]
        values = np.full(SIZE, 250, "u1")
        variates = StreamVariates(StreamName(7, "data", "poisson"), Positions.range(0, SIZE))
        context = NoiseContext(variates, number)
        noisy = make("poisson").apply(values, context)
        wide = apply(make("poisson"), values.astype("i4"), NUMBERS["i4"])
        assert np.minimum(wide, 255).tolist() == noisy.tolist()
        assert (wide > 255).tolist() == context.saturated.tolist()

    def test_beyond_1e34_nothing_changes(self):
        values = np.array([1e35, 1e300])
        assert same(values, apply(make("poisson"), values, FLOAT64))

    @pytest.mark.parametrize("count", [0, -1, math.nan, "many"])
    def test_refuses_an_invalid_count(self, count):
        with pytest.raises(UsageError, match=r"^count "):
            make("poisson", count=count)


class TestBinomial:
    @pytest.mark.parametrize("keep", [0.001, 0.1, 0.5, 0.51, 0.9, 0.999])
    @pytest.mark.parametrize("trials", [1, 20, 300, 10**6, 10**12])
    def test_mean_and_variance(self, keep, trials):
        drawn = apply(make("binomial", keep=keep), np.full(DRAWS, float(trials)), FLOAT64)
        variance = trials * keep * (1 - keep)
        away = drawn - trials * keep
        assert abs(away.mean()) < 4.5 * math.sqrt(variance / DRAWS)
        fourth = 3 * variance**2 + variance * (1 - 6 * keep * (1 - keep))
        error = math.sqrt((fourth - variance**2) / DRAWS)
        assert abs(np.mean(away * away) - variance) < 4.5 * error + 1e-9 * variance

    @pytest.mark.parametrize(("trials", "keep"), [(5, 0.3), (12, 0.9), (60, 0.5), (90, 0.7)])
    def test_has_the_distribution(self, trials, keep):
        drawn = apply(make("binomial", keep=keep), np.full(DRAWS, trials), INT64)
        chances = [
            math.comb(trials, k) * keep**k * (1 - keep) ** (trials - k) for k in range(trials + 1)
        ]
        expected = DRAWS * np.array(chances)
        found = np.bincount(drawn, minlength=trials + 1)
        kept = expected > 5
        square = np.sum((found - expected)[kept] ** 2 / expected[kept])
        freedom = kept.sum() - 1
        assert square < freedom + 4.5 * math.sqrt(2 * freedom)

    def test_keeps_more_at_a_higher_keep(self):
        values = np.arange(SIZE)
        kept = [
            apply(make("binomial", keep=keep), values, INT64)
            for keep in (0, 0.1, 0.3, 0.49, 0.5, 0.51, 0.7, 0.9, 1)
        ]
        for less, more in pairwise(kept):
            assert np.all(less <= more)
        assert not kept[0].any()
        assert same(values, kept[-1])

    def test_keeps_every_bit_of_a_large_integer_where_all_are_kept(self):
        values = 2**62 + np.arange(100)
        assert same(values, apply(make("binomial", keep=1), values, INT64))
        assert not apply(make("binomial", keep=0), values, INT64).any()

    def test_thins_the_whole_part_of_a_number(self):
        values = np.linspace(0.25, 90, SIZE)
        assert same(
            apply(make("binomial"), np.floor(values), FLOAT64),
            apply(make("binomial"), values, FLOAT64),
        )

    @pytest.mark.parametrize("kind", ["decimal(9,2)", "decimal(30,2)"])
    @pytest.mark.parametrize("keep", [0.3, 0.8])
    def test_thins_the_whole_part_of_a_decimal(self, kind, keep):
        number = NUMBERS[kind]
        cents = (np.arange(SIZE) * 7 % 9000).astype(number.dtype)
        wholes = (np.arange(SIZE) * 7 % 9000) // 100
        kept = apply(make("binomial", keep=keep), wholes, INT64)
        untouched = np.asarray(cents == 0, bool)
        assert np.where(untouched, 0, kept * 100).tolist() == (
            apply(make("binomial", keep=keep), cents, number).tolist()
        )

    def test_never_keeps_more_than_there_were(self):
        values = np.arange(SIZE)
        for keep in (0.2, 0.95):
            kept = apply(make("binomial", keep=keep), values, INT64)
            assert np.all((kept >= 0) & (kept <= values))

    @pytest.mark.parametrize("keep", [-0.1, 1.1, "some"])
    def test_refuses_a_keep_that_is_not_a_share(self, keep):
        with pytest.raises(UsageError, match=r"^keep "):
            make("binomial", keep=keep)

    def test_refuses_a_keep_above_one_without_the_parser(self):
        with pytest.raises(UsageError, match=r"^keep 2 of binomial must be at most 1"):
            counts.Binomial(keep=2.0)

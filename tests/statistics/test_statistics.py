"""Test that statistics are right, and the same to the bit however the data are cut."""

import math
import statistics
import warnings
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisify.core.chunk import BLOCK, Positions, WholeNumbers
from noisify.statistics.moments import Moments
from noisify.statistics.quantiles import FEW, Quantiles, from_sort_key, sort_keys
from noisify.statistics.survey import Extremes, Survey
from noisify.statistics.tree import BlockPieces, MomentsTree

SIZE = 2 * BLOCK + 500
RANDOM = np.random.default_rng(1)
VALUES = RANDOM.normal(3, 100, SIZE)
VALID = RANDOM.random(SIZE) < 0.9
TINY = 5e-324
cuts_of_size = st.lists(
    st.one_of(st.integers(0, SIZE), st.sampled_from([1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK])),
    max_size=5,
)


def pieces_of(values, valid, ends):
    for start, stop in pairwise(ends):
        mask = None if valid is None else valid[start:stop]
        yield Positions.range(start, stop), values[start:stop], mask


def block_moments(pieces):
    total = MomentsTree()
    for positions, values, valid in pieces:
        total += BlockPieces.cut(positions, values, valid)
    return total.total()


def survey(needs, pieces, **settings):
    """Return the statistics of the pieces of a field."""
    pieces = list(pieces)
    passes = Survey(frozenset(needs), **settings)
    while not passes.done:
        for piece in pieces:
            passes.merge(passes.partial(*piece))
        passes.end_pass()
        assert passes.passes <= 5
    return passes.result()


def whole(values, needs, valid=None, **settings):
    return survey(needs, [(Positions.range(0, len(values)), values, valid)], **settings)


class TestMoments:
    @given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=30), st.sampled_from([0, 10**6]))
    def test_are_right(self, integers, offset):
        integers = [value + offset for value in integers]
        moments = Moments.of(np.array(integers, float))
        assert len(integers) == moments.count
        assert pytest.approx(statistics.fmean(integers), rel=1e-14) == moments.mean
        exact = statistics.pvariance([Fraction(value) for value in integers])
        assert pytest.approx(float(exact), rel=1e-9, abs=1e-18) == moments.variance

    def test_a_large_offset_does_not_eat_the_variance(self):
        values = 1e9 + np.array([4.0, 7.0, 13.0, 16.0])
        parts = Moments.of(values[:2]) + Moments.of(values[2:])
        assert (1e9 + 10, 22.5) == (parts.mean, parts.variance)

    def test_of_random_values_against_exact_sums(self):
        mean = math.fsum(VALUES) / SIZE
        variance = math.fsum((value - mean) ** 2 for value in VALUES.tolist()) / SIZE
        power = math.fsum(value**2 for value in VALUES.tolist()) / SIZE
        moments = block_moments(pieces_of(VALUES, None, [0, SIZE]))
        assert pytest.approx(mean, rel=1e-13) == moments.mean
        assert pytest.approx(math.sqrt(variance), rel=1e-14) == moments.sd
        assert pytest.approx(power, rel=1e-14) == moments.power

    def test_of_complex_values_are_those_of_the_moduli(self):
        moments = Moments.of(np.array([1 + 1j, 3 - 1j, 2 + 3j]))
        assert pytest.approx(2 + 1j, rel=1e-15) == moments.mean
        assert pytest.approx((1 + 5 + 4) / 3, rel=1e-15) == moments.variance
        assert pytest.approx((2 + 10 + 13) / 3, rel=1e-15) == moments.power

    def test_of_nothing(self):
        assert Moments() == Moments.of(np.empty(0))
        assert math.isnan(Moments().sd)
        assert math.isnan(Moments().power)
        some = Moments.of(np.array([1.0, 2.0]))
        assert some == some + Moments() == Moments() + some

    def test_a_constant_has_no_deviation(self):
        for value in (0.1, -99.9, 1e16 + 2, 1.7e308, 5e-324, 1e-170, 0.1 + 0.7j):
            moments = block_moments(pieces_of(np.full(SIZE, value), None, [0, 1000, SIZE]))
            assert (value, 0.0) == (moments.mean, moments.sd)

    @pytest.mark.parametrize(("dtype", "kind"), [("f8", float), ("g", float), ("c16", complex)])
    def test_are_plain_numbers_that_json_can_hold(self, dtype, kind):
        moments = Moments.of(np.array([1, 2], dtype))
        assert (kind, float) == (type(moments.mean), type(moments.deviations))

    @pytest.mark.parametrize("size", [1e200, 1.7e308])
    def test_of_huge_values_do_not_warn(self, size):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            moments = Moments.of(np.array([size, -size, size]))
            (moments + moments).power  # noqa: B018 - a property, computed on access
        assert not math.isfinite(moments.sd) or moments.sd > size / 2


class TestCutting:
    @given(cuts_of_size)
    def test_any_cutting_gives_the_same_bits(self, cuts):
        ends = [0, *sorted(cuts), SIZE]
        expected = block_moments(pieces_of(VALUES, None, [0, SIZE]))
        assert expected == block_moments(pieces_of(VALUES, None, ends))

    @given(cuts_of_size, st.sampled_from([0.0, 0.1, 0.5, 1.0]), st.integers(0, 2**32 - 1))
    def test_nulls_do_not_change_that(self, cuts, share, seed):
        valid = np.random.default_rng(seed).random(SIZE) >= share
        ends = [0, *sorted(cuts), SIZE]
        expected = block_moments(pieces_of(VALUES, valid, [0, SIZE]))
        assert int(np.count_nonzero(valid)) == expected.count
        assert repr(expected) == repr(block_moments(pieces_of(VALUES, valid, ends)))

    def test_ignores_invalid_values(self):
        for ends in ([0, SIZE], [0, 77, BLOCK, SIZE]):
            rubbish = np.where(VALID, VALUES, 1e300)
            expected = block_moments(pieces_of(VALUES, VALID, [0, SIZE]))
            assert expected == block_moments(pieces_of(rubbish, VALID, ends))

    def test_complex_values_too(self):
        values = VALUES + 1j * VALUES[::-1]
        expected = block_moments(pieces_of(values, VALID, [0, SIZE]))
        assert expected == block_moments(pieces_of(values, VALID, [0, 3, BLOCK + 3, SIZE]))

    @given(st.randoms(use_true_random=False), st.integers(1, 40), st.integers(1, 700))
    def test_boxes_in_any_order(self, random, rows, columns):
        shape = (60, 700)
        array = np.resize(VALUES, shape)
        tiles = [
            (slice(top, min(top + rows, 60)), slice(left, min(left + columns, 700)))
            for top in range(0, 60, rows)
            for left in range(0, 700, max(columns, 100))
            if columns >= 100
        ] or [(slice(0, 60), slice(0, 700))]
        random.shuffle(tiles)
        boxed = ((Positions.box(shape, tile), array[tile].reshape(-1), None) for tile in tiles)
        flat = array.reshape(-1)
        assert block_moments(pieces_of(flat, None, [0, flat.size])) == block_moments(boxed)

    def test_a_whole_column_of_strided_values(self):
        table = np.repeat(VALUES[:, None], 3, axis=1)
        expected = block_moments(pieces_of(VALUES, None, [0, SIZE]))
        assert expected == block_moments(pieces_of(table[:, 1], None, [0, 5, SIZE]))

    def test_only_partial_blocks_are_kept(self):
        total = MomentsTree()
        for positions, values, valid in pieces_of(VALUES, None, range(0, SIZE, 500)):
            total += BlockPieces.cut(positions, values, valid)
            assert len(total.open_blocks) <= 1
            assert len(total.nodes) <= 2

    def test_a_partial_block_takes_little_more_room_than_its_values(self):
        total = MomentsTree()
        for positions, values, valid in pieces_of(VALUES, None, range(0, 1000, 10)):
            total += BlockPieces.cut(positions, values, valid)
            (opened,) = total.open_blocks.values()
            assert len(opened.values) < 2 * positions.starts[0] + 20


class TestEnds:
    def test_of_chunks(self):
        extremes = Extremes()
        for chunk in ([3.0, -1.0], [], [2.0, 9.5]):
            extremes += np.array(chunk)
        assert (-1.0, 9.5, 10.5) == (extremes.low, extremes.high, extremes.range)

    def test_of_nothing(self):
        assert math.isnan(Extremes().range)


class TestSortKeys:
    @given(st.lists(st.floats(allow_nan=False), min_size=1))
    def test_have_the_order_of_the_values(self, values):
        keys = sort_keys(np.array(values))
        assert sorted(values) == np.array(values)[keys.argsort(kind="stable")].tolist()
        assert [value.hex() for value in values] == [from_sort_key(int(key)).hex() for key in keys]

    def test_of_signed_zeros_and_their_neighbours(self):
        keys = sort_keys(np.array([-np.inf, -1.0, -TINY, -0.0, 0.0, TINY, 1.0, np.inf])).tolist()
        assert sorted(set(keys)) == keys


def quantiles(values, shares, limit, ends=None):
    values = np.asarray(values, float)
    wanted = Quantiles(shares, limit)
    ends = ends or [0, len(values)]
    passes = 0
    while not wanted.done:
        for start, stop in pairwise(ends):
            wanted.merge(wanted.partial(values[start:stop]))
        wanted.end_pass()
        passes += 1
    return [wanted.value(share) for share in shares], passes


SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
DATA = {
    "random": VALUES[:5001],
    "normal around zero": RANDOM.normal(size=4000),
    "one value": [2.5],
    "two values": [1.0, 2.0],
    "constant": [0.1] * 1000,
    "few distinct": RANDOM.integers(0, 3, 1000),
    "tiny differences": 1 + np.arange(1000) * 2.0**-52,
    "tiny": RANDOM.normal(0, 1e-300, 1000),
    "subnormal": RANDOM.integers(-50, 50, 1000) * TINY,
    "signed zeros": [-0.0, 0.0, -0.0, 0.0, 1.0, -1.0] * 50,
    "huge": RANDOM.uniform(-8e307, 8e307, 1000),
    "integers": np.arange(1001) - 500,
}


class TestQuantiles:
    @pytest.mark.parametrize("limit", [1, 10, 1 << 20])
    @pytest.mark.parametrize("values", DATA.values(), ids=DATA)
    def test_are_those_of_numpy(self, values, limit):
        actual, passes = quantiles(values, SHARES, limit)
        expected = np.quantile(values, SHARES)
        # Between two order statistics the last bit, of the larger of the two, may differ.
        ulp = np.spacing(np.max(np.abs(np.asarray(values, float))))
        assert np.all(np.abs(expected - actual) <= ulp)
        assert 1 <= passes <= 5

    @pytest.mark.parametrize("limit", [1, 1 << 20])
    def test_are_exact_at_elements(self, limit):
        values = RANDOM.permutation(VALUES[:4001])
        actual, _ = quantiles(values, SHARES, limit)
        assert np.sort(values)[[0, 400, 1000, 2000, 3000, 3600, 4000]].tolist() == actual

    def test_few_values_take_one_pass_and_more_of_them_two(self):
        values = RANDOM.normal(size=FEW + 1)
        ends = [0, 1000, FEW, FEW + 1]
        assert 1 == quantiles(values[:FEW], SHARES, 1 << 20, ends[:-1])[1]
        found, passes = quantiles(values, SHARES, 1 << 20, ends)
        assert (2, values.max()) == (passes, found[-1])

    def test_counts_values_that_workers_gathered(self):
        wanted = Quantiles((0.5,), limit=10)
        for looked in [wanted.partial(VALUES[at : at + 9]) for at in range(0, 45, 9)]:
            wanted.merge(looked)
        wanted.end_pass()
        assert not wanted.done
        assert 45 == wanted.count

    def test_many_equal_values_take_all_passes(self):
        assert ([0.1], 4) == quantiles([0.1] * 100, [0.5], 10)

    @pytest.mark.parametrize("limit", [1, 100, 1 << 20])
    def test_do_not_depend_on_the_cutting(self, limit):
        expected = quantiles(VALUES, SHARES, limit)
        assert expected == quantiles(VALUES, SHARES, limit, [0, 1, 1, 900, SIZE])

    @given(
        st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=40),
        st.integers(1, 5),
    )
    def test_order_statistics_of_anything(self, values, limit):
        actual, _ = quantiles(values, [0.0, 1.0], limit)
        assert [min(values), max(values)] == actual

    def test_of_nothing(self):
        (low, high), _ = quantiles([], [0.25, 0.75], 10)
        assert math.isnan(low)
        assert math.isnan(high)


class TestSurvey:
    NEEDS = ("sd", "power", "range", "iqr")

    def test_several_needs_at_once(self):
        found = whole(VALUES, self.NEEDS, VALID)
        kept = VALUES[VALID]
        assert len(kept) == found.count
        assert pytest.approx(math.fsum(kept) / len(kept), rel=1e-13) == found.mean
        assert pytest.approx(np.std(kept), rel=1e-13) == found.sd
        assert pytest.approx(np.mean(kept**2), rel=1e-13) == found.power
        assert kept.max() - kept.min() == found.range
        low, high = np.quantile(kept, [0.25, 0.75])
        assert pytest.approx(high - low, rel=1e-14) == found.iqr

    @given(cuts_of_size)
    def test_any_cutting_gives_the_same_bits(self, cuts):
        ends = [0, *sorted(cuts), SIZE]
        expected = whole(VALUES, self.NEEDS, VALID)
        assert expected == survey(self.NEEDS, pieces_of(VALUES, VALID, ends))

    def test_without_quartiles_one_pass_is_enough(self):
        passes = Survey(frozenset({"sd", "range"}))
        assert not passes.done
        passes.merge(passes.partial(Positions.range(0, 2), np.array([1.0, 3.0]), None))
        passes.end_pass()
        assert passes.done
        assert (1.0, 2.0) == (passes.result().sd, passes.result().range)

    def test_statistics_not_requested_are_nan(self):
        found = whole(VALUES, ["sd"])
        assert math.isnan(found.range)
        assert math.isnan(found.iqr)

    @pytest.mark.parametrize("valid", [None, np.zeros(3, bool)])
    def test_of_a_field_without_values(self, valid):
        found = whole(np.zeros(0 if valid is None else 3), self.NEEDS, valid)
        assert 0 == found.count
        assert all(math.isnan(getattr(found, need)) for need in self.NEEDS)

    def test_complex(self):
        found = whole(np.array([1 + 1j, 3 - 1j, 2 + 3j]), ["sd", "power"])
        assert pytest.approx(math.sqrt(10 / 3), rel=1e-15) == found.sd
        assert pytest.approx(25 / 3, rel=1e-15) == found.power

    def test_later_passes_do_not_count_twice(self):
        found = whole(VALUES[:1000], self.NEEDS, gathered=1)
        assert 1000 == found.count
        assert pytest.approx(np.std(VALUES[:1000]), rel=1e-13) == found.sd


def root(square):
    """Return the square root of a Fraction, computed to 80 digits and rounded to float64."""
    with localcontext(Context(prec=80, Emax=10**6, Emin=-(10**6))):
        return float((Decimal(square.numerator) / Decimal(square.denominator)).sqrt())


def exact_sd(numbers):
    """Return the standard deviation of Fractions, rounded once."""
    return root(statistics.pvariance(numbers))


extreme_floats = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([1.7e308, -1.7e308, 1e154, 1e-154, 1e-170, 5e-324, 0.0, 0.1, 1.0]),
)
sixty_four_bits = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.integers(-5, 5).map(lambda n: 2**60 + n)
)


class TestExtremes:
    @given(st.lists(extreme_floats, min_size=1, max_size=40), st.integers(-500, 500))
    def test_floats_of_any_size(self, values, exponent):
        values = [math.ldexp(math.frexp(v)[0], math.frexp(v)[1] // 2 + exponent) for v in values]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = whole(np.array(values), ["sd", "power", "range", "iqr"])
        self.check(values, found)

    @given(st.lists(extreme_floats, min_size=1, max_size=40))
    def test_floats_of_many_sizes(self, values):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = whole(np.array(values), ["sd", "power", "range", "iqr"])
        self.check(values, found)

    def check(self, values, found):
        fractions = [Fraction(value) for value in values]
        sd = exact_sd(fractions)
        assert pytest.approx(sd, rel=1e-13, abs=1e-323) == found.sd
        assert (found.sd == 0) == (len(set(values)) == 1) or sd < 1e-323
        power = sum(f * f for f in fractions) / len(fractions)
        rms = root(power)
        assert pytest.approx(rms, rel=1e-13, abs=1e-323) == math.ldexp(
            math.sqrt(found.power), found.exponent
        )
        gap = (max(fractions) - min(fractions)) / 100
        assert pytest.approx(float(gap), rel=1e-14, abs=1e-323) == found.share("range", 0.01)
        assert math.isfinite(found.share("iqr", 0.1))

    @given(cuts_of_size, st.sampled_from([1e-300, 1e-170, 1e154, 1e306]), st.integers(0, 9))
    def test_any_cutting_gives_the_same_bits(self, cuts, size, seed):
        random = np.random.default_rng(seed)
        values = VALUES / 1000 * np.where(random.random(SIZE) < 0.5, size, 1e-320)
        ends = [0, *sorted(cuts), SIZE]
        needs = ("sd", "power", "range", "iqr")
        expected = whole(values, needs, VALID)
        assert expected == survey(needs, pieces_of(values, VALID, ends))

    @given(st.lists(st.integers(0, 3), min_size=2, max_size=100), st.sampled_from([0.1, 1e16, 7e9]))
    def test_neighbouring_floats(self, steps, value):
        values = np.array(value) + np.array(steps) * np.spacing(value)
        parts = Moments()
        for start in range(0, len(values), 7):
            parts += Moments.of(values[start : start + 7])
        expected = exact_sd([Fraction(v) for v in values.tolist()])
        assert pytest.approx(expected, rel=1e-7) == parts.sd

    @given(st.lists(st.tuples(*[st.floats(-1, 1)] * 2), min_size=1, max_size=20))
    def test_covariance_of_small_and_large_fields(self, rows):
        values = np.array(rows)
        sizes = np.array([2.0**-520, 2.0**480])
        expected = np.cov(values.T, ddof=0).reshape(2, 2)
        parts = block_moments([(Positions.range(0, len(rows)), values * sizes, None)])
        assert pytest.approx(expected[0, 1] * 2.0**-40, abs=1e-26) == parts.covariance[0, 1]


def whole_survey(values, needs, ends=None, unit=1, **settings):
    """Return the statistics of integers."""
    ends = ends or [0, len(values)]
    passes = Survey(frozenset(needs), **settings)
    while not passes.done:
        for start, stop in pairwise(ends):
            part = values[start:stop]
            positions, numbers = Positions.range(start, stop), WholeNumbers(part, Fraction(unit))
            floats = part.astype(np.float64) * float(unit)
            passes.merge(passes.partial(positions, floats, None, numbers))
        passes.end_pass()
    return passes.result()


def as_integers(values, dtype):
    array = np.empty(len(values), dtype)
    array[:] = values
    return array


class TestIntegers:
    NEEDS = ("sd", "power", "range", "iqr")

    @given(
        st.one_of(
            st.tuples(st.just(np.int64), st.lists(sixty_four_bits, min_size=1, max_size=50)),
            st.tuples(
                st.just(np.uint64), st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50)
            ),
            st.tuples(st.just(np.uint8), st.lists(st.integers(0, 255), min_size=1, max_size=50)),
            st.tuples(
                st.just(object),
                st.lists(st.integers(-(10**76), 10**76), min_size=1, max_size=50),
            ),
        ),
        st.sampled_from([Fraction(1), Fraction(1, 100), Fraction(1, 10**9)]),
        st.integers(1, 50),
        st.sampled_from([1, 5, 1 << 20]),
    )
    def test_are_exact(self, typed, unit, cut, limit):
        dtype, numbers = typed
        ends = sorted({*range(0, len(numbers), cut), len(numbers)})
        found = whole_survey(as_integers(numbers, dtype), self.NEEDS, ends, unit, gathered=limit)
        fractions = sorted(n * unit for n in numbers)
        assert exact_sd(fractions) == found.sd
        assert float(statistics.mean(f * f for f in fractions)) == found.power
        assert float(fractions[-1] - fractions[0]) == found.range
        for share, quartile in ((0.25, found.lower_quartile), (0.75, found.upper_quartile)):
            place = Fraction(len(numbers) - 1) * Fraction(share)
            low = math.floor(place)
            above = fractions[min(low + 1, len(numbers) - 1)]
            assert fractions[low] + (above - fractions[low]) * (place - low) == quartile

    def test_of_2_to_the_60_and_a_little(self):
        little = np.rint(RANDOM.normal(0, 50, 5000)).astype(np.int64)
        found = whole_survey(2**60 + little, self.NEEDS)
        low, high = np.quantile(little, [0.25, 0.75])
        assert (high - low, np.ptp(little)) == (found.iqr, found.range)
        assert pytest.approx(np.std(little), rel=1e-15) == found.sd

    def test_mixed_with_floats_are_read_again(self):
        values = np.array([1, 2, 4, 8])
        passes = Survey(frozenset(self.NEEDS))
        while not passes.done:
            whole_numbers = WholeNumbers(values, Fraction(1))
            floats = values.astype(float)
            passes.merge(passes.partial(Positions.range(0, 4), floats, None, whole_numbers))
            passes.merge(passes.partial(Positions.range(4, 8), floats + 0.5, None))
            passes.end_pass()
        expected = whole(np.concatenate([floats, floats + 0.5]), self.NEEDS)
        assert expected == passes.result()

    def test_many_sharing_a_float64_take_one_more_pass(self):
        values = 2**62 + np.repeat([0, 1, 2, 3], 100)
        found = whole_survey(values, ["iqr"], gathered=10)
        assert (2**62 + Fraction(3, 4), 1.5) == (found.lower_quartile, found.iqr)

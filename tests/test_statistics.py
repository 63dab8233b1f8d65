"""Statistics of a field: right, and the same to the bit however the data were cut."""

import math
import statistics
import warnings
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisify.core.chunk import BLOCK, Positions
from noisify.statistics import quantiles as noisify_quantiles
from noisify.statistics.moments import BlockMoments, BlockPieces, Moments
from noisify.statistics.quantiles import FEW, Quantiles, from_sort_key, sort_keys
from noisify.statistics.survey import Extremes, Survey

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
    total = BlockMoments()
    for positions, values, valid in pieces:
        total += BlockPieces.cut(positions, values, valid)
    return total.total()


def survey(needs, pieces):
    """Return the statistics of the pieces of a field."""
    pieces = list(pieces)
    passes = Survey(frozenset(needs))
    while not passes.done:
        for piece in pieces:
            passes.take(passes.look(*piece))
        passes.end_pass()
        assert passes.passes <= 5
    return passes.result()


def whole(values, needs, valid=None):
    return survey(needs, [(Positions.range(0, len(values)), values, valid)])


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
        moments = block_moments(pieces_of(np.full(SIZE, 0.1), None, [0, 1000, SIZE]))
        assert pytest.approx(0, abs=1e-15) == moments.sd

    @pytest.mark.parametrize(("dtype", "kind"), [("f8", float), ("g", float), ("c16", complex)])
    def test_are_plain_numbers_that_json_can_hold(self, dtype, kind):
        moments = Moments.of(np.array([1, 2], dtype))
        assert (kind, float) == (type(moments.mean), type(moments.deviations))

    @pytest.mark.parametrize("size", [1e200, 1.7e308])
    def test_of_huge_values_do_not_warn(self, size):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            moments = Moments.of(np.array([size, -size, size]))
            (moments + moments).power  # noqa: B018 - it is computed when asked for
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

    def test_what_stands_where_nothing_is_valid_means_nothing(self):
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
        total = BlockMoments()
        for positions, values, valid in pieces_of(VALUES, None, range(0, SIZE, 500)):
            total += BlockPieces.cut(positions, values, valid)
            assert len(total.partial) <= 1
            assert not total.waiting

    def test_a_partial_block_takes_little_more_room_than_its_values(self):
        total = BlockMoments()
        for positions, values, valid in pieces_of(VALUES, None, range(0, 1000, 10)):
            total += BlockPieces.cut(positions, values, valid)
            ((_, buffer),) = total.partial.values()
            assert len(buffer) < 2 * positions.starts[0] + 20


class TestExtremes:
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


def quantiles(values, shares, limit, monkeypatch, ends=None):
    monkeypatch.setattr(noisify_quantiles, "GATHER_LIMIT", limit)
    values = np.asarray(values, float)
    wanted = Quantiles(shares)
    ends = ends or [0, len(values)]
    passes = 0
    while not wanted.done:
        for start, stop in pairwise(ends):
            wanted.take(wanted.look(values[start:stop]))
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
    def test_are_those_of_numpy(self, values, limit, monkeypatch):
        actual, passes = quantiles(values, SHARES, limit, monkeypatch)
        expected = np.quantile(values, SHARES)
        # Between two order statistics a last bit may differ, a bit of the larger of the two.
        ulp = np.spacing(np.max(np.abs(np.asarray(values, float))))
        assert np.all(np.abs(expected - actual) <= ulp)
        assert 1 <= passes <= 5

    @pytest.mark.parametrize("limit", [1, 1 << 20])
    def test_are_exact_where_an_element_stands(self, limit, monkeypatch):
        values = RANDOM.permutation(VALUES[:4001])
        actual, _ = quantiles(values, SHARES, limit, monkeypatch)
        assert np.sort(values)[[0, 400, 1000, 2000, 3000, 3600, 4000]].tolist() == actual

    def test_few_values_take_one_pass_and_more_of_them_two(self, monkeypatch):
        values = RANDOM.normal(size=FEW + 1)
        ends = [0, 1000, FEW, FEW + 1]
        assert 1 == quantiles(values[:FEW], SHARES, 1 << 20, monkeypatch, ends[:-1])[1]
        found, passes = quantiles(values, SHARES, 1 << 20, monkeypatch, ends)
        assert (2, values.max()) == (passes, found[-1])

    def test_values_looked_at_before_they_were_too_many_are_counted(self, monkeypatch):
        monkeypatch.setattr(noisify_quantiles, "GATHER_LIMIT", 10)
        wanted = Quantiles((0.5,))
        for looked in [wanted.look(VALUES[at : at + 9]) for at in range(0, 45, 9)]:
            wanted.take(looked)
        wanted.end_pass()
        assert not wanted.done
        assert 45 == wanted.count

    def test_many_equal_values_take_all_passes(self, monkeypatch):
        assert ([0.1], 4) == quantiles([0.1] * 100, [0.5], 10, monkeypatch)

    @pytest.mark.parametrize("limit", [1, 100, 1 << 20])
    def test_do_not_depend_on_the_cutting(self, limit, monkeypatch):
        expected = quantiles(VALUES, SHARES, limit, monkeypatch)
        assert expected == quantiles(VALUES, SHARES, limit, monkeypatch, [0, 1, 1, 900, SIZE])

    @given(
        st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=40),
        st.integers(1, 5),
    )
    def test_order_statistics_of_anything(self, values, limit):
        with pytest.MonkeyPatch.context() as monkeypatch:
            actual, _ = quantiles(values, [0.0, 1.0], limit, monkeypatch)
        assert [min(values), max(values)] == actual

    def test_of_nothing(self, monkeypatch):
        (low, high), _ = quantiles([], [0.25, 0.75], 10, monkeypatch)
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
        passes.take(passes.look(Positions.range(0, 2), np.array([1.0, 3.0]), None))
        passes.end_pass()
        assert passes.done
        assert (1.0, 2.0) == (passes.result().sd, passes.result().range)

    def test_what_was_not_asked_for_is_nan(self):
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

    def test_later_passes_do_not_count_twice(self, monkeypatch):
        monkeypatch.setattr(noisify_quantiles, "GATHER_LIMIT", 1)
        found = whole(VALUES[:1000], self.NEEDS)
        assert 1000 == found.count
        assert pytest.approx(np.std(VALUES[:1000]), rel=1e-13) == found.sd

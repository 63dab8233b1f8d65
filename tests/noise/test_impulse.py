"""Test noise that hits a share of the elements, and timing jitter."""

import math
import warnings
from itertools import pairwise

import numpy as np
import pytest
from apply_model import SIZE, apply, check_share, context_for, number_types, same, some_values
from example_counts import examples
from hypothesis import given
from hypothesis import strategies as st

from noisify.core.chunk import BLOCK, Positions
from noisify.core.errors import UsageError
from noisify.noise import impulse, time_series
from noisify.noise import model as interface
from noisify.noise.level import Absolute, FromField, OfField, Percent
from noisify.noise.model import NoiseContext
from noisify.statistics.survey import FieldStatistics
from noisify.streams.streams import StreamName, StreamVariates

NUMBERS = number_types("f2 f4 f8 i1 u1 i4 i8 u8 c16 decimal(9,2) decimal(30,2)")
FLOAT64, INT64, UINT8 = NUMBERS["f8"], NUMBERS["i8"], NUMBERS["u1"]
DRAWS = 200_000
CLASSES = {
    model.name: model
    for model in (
        impulse.SaltAndPepper, impulse.Impulse, impulse.Outlier, impulse.Spike, impulse.Stuck,
        impulse.Dropout, impulse.BitFlip, time_series.TimingJitter,
    )
}  # fmt: skip
OWN = {
    "outlier": {"low": -60.0, "high": 70.0, "spread": 5.0},
    "spike": {"scale": Absolute(30.0)},
    "timing-jitter": {"scale": Absolute(0.3)},
}
HITTING = [name for name in CLASSES if name != "timing-jitter"]
LOCAL = [name for name in HITTING if name != "stuck"]
KINDS = [
    pytest.param(name, kind, id=f"{name}-{kind}")
    for name, model in CLASSES.items()
    for kind, number in NUMBERS.items()
    if number.kind in model.takes
]

names = pytest.mark.parametrize("name", CLASSES)
hitting = pytest.mark.parametrize("name", HITTING)
local = pytest.mark.parametrize("name", LOCAL)
kinds = pytest.mark.parametrize(("name", "kind"), KINDS)
cuts_anywhere = st.lists(
    st.one_of(st.integers(0, SIZE), st.sampled_from([BLOCK - 1, BLOCK, 2 * BLOCK])), max_size=4
)


def make(name, **parameters):
    default = {} if name == "timing-jitter" else {"rate": 0.2}
    return interface.make(CLASSES[name], default | OWN.get(name, {}) | parameters)


def apply_in_pieces(model, values, number, cuts, usable=None):
    """Apply a model piece by piece, each extended by the model's halo on both sides."""
    pieces = []
    for first, last in pairwise([0, *sorted(cuts), len(values)]):
        start, stop = max(0, first - model.halo), min(len(values), last + model.halo)
        seen = None if usable is None else usable[start:stop]
        noisy = apply(model, values[start:stop], number, start=start, usable=seen)
        pieces.append(noisy[first - start : len(noisy) - (stop - last)])
    return np.concatenate(pieces)


def number_for(name):
    return INT64 if name == "bit-flip" else FLOAT64


class TestEveryModel:
    @pytest.mark.parametrize(
        ("name", "kind"), [case for case in KINDS if case.values[1] in {"f8", "i8"}]
    )
    @examples(15)
    @given(cuts=cuts_anywhere)
    def test_does_not_depend_on_the_chunks(self, name, kind, cuts):
        number = NUMBERS[kind]
        model, values = make(name), some_values(number, SIZE)
        usable = np.arange(SIZE) % 7 != 3
        whole = apply(model, values, number, usable=usable)
        pieces = apply_in_pieces(model, values, number, cuts, usable)
        assert same(whole[usable], pieces[usable])

    @local
    def test_of_several_runs_is_that_of_one(self, name):
        number, model = number_for(name), make(name)
        values = some_values(number, 100)
        variates = StreamVariates(StreamName(7, "data", model.name), Positions((10, 50), 20))
        picked = np.r_[10:30, 50:70]
        noisy = model.apply(values[picked], NoiseContext(variates, number))
        assert same(apply(model, values, number)[picked], noisy)

    @kinds
    def test_keeps_the_dtype_and_the_input(self, name, kind):
        number = NUMBERS[kind]
        values = some_values(number, 300)
        untouched = values.copy()
        noisy = apply(make(name), values, number)
        assert (values.dtype, values.shape) == (noisy.dtype, noisy.shape)
        assert same(untouched, values)
        assert not same(values, noisy)

    @kinds
    def test_of_nothing_is_nothing(self, name, kind):
        number = NUMBERS[kind]
        noisy = apply(make(name), np.empty(0, number.dtype), number)
        assert (number.dtype, (0,)) == (noisy.dtype, noisy.shape)

    @kinds
    def test_of_rate_or_scale_zero_changes_nothing(self, name, kind):
        number = NUMBERS[kind]
        nothing = {"scale": Absolute(0.0)} if name == "timing-jitter" else {"rate": 0.0}
        values = some_values(number, 300)
        assert same(values, apply(make(name, **nothing), values, number))

    @local
    def test_changing_one_value_changes_that_output_only(self, name):
        number, model = number_for(name), make(name)
        values = some_values(number, 200)
        for i in (0, 77, 199):
            changed = values.copy()
            changed[i] += 1
            before, after = apply(model, values, number), apply(model, changed, number)
            assert same(np.delete(before, i), np.delete(after, i))

    @hitting
    def test_elements_hit_are_also_hit_at_a_higher_rate(self, name):
        number = number_for(name)
        values = some_values(number, SIZE) + 1000
        some, more = (apply(make(name, rate=rate), values, number) for rate in (0.05, 0.1))
        hit = some != values
        assert hit.any()
        assert same(some[hit], more[hit])
        assert np.count_nonzero(more != values) > hit.sum()

    @local
    def test_hits_a_share_of_the_elements(self, name):
        number = number_for(name)
        values = np.full(DRAWS, 50, number.dtype)
        noisy = apply(make(name, rate=0.03), values, number)
        check_share(0.03, noisy != values)
        assert np.all(apply(make(name, rate=1.0), values[:999], number) != 50)

    @hitting
    def test_the_rate_is_a_share(self, name):
        assert ("rate", "impulse") == (CLASSES[name].level, CLASSES[name].family)
        assert 0.05 == make(name, rate="5%").rate
        with pytest.raises(UsageError, match=r"^rate "):
            make(name, rate="120%")


class TestSaltAndPepper:
    def test_goes_to_the_ends_of_integers_and_to_0_and_1_otherwise(self):
        for kind, low, high in (
            ("u1", 0, 255), ("i8", -(2**63), 2**63 - 1), ("u8", 0, 2**64 - 1), ("f4", 0, 1),
            ("f8", 0, 1), ("decimal(9,2)", 0, 100), ("decimal(30,2)", 0, 100),
        ):  # fmt: skip
            number = NUMBERS[kind]
            noisy = apply(make("salt-and-pepper"), np.full(300, 7, number.dtype), number)
            assert {low, 7, high} == set(noisy.tolist())

    def test_takes_the_ends_it_is_given(self):
        model = make("salt-and-pepper", low=-2.5, high="12.5")
        assert {-2.5, 7, 12.5} == set(apply(model, np.full(300, 7.0), FLOAT64).tolist())
        assert {-2, 7, 12} == set(apply(model, np.full(300, 7), INT64).tolist())

    @pytest.mark.parametrize("salt", [0.0, 0.25, 0.5, 1.0])
    def test_salt_is_the_share_of_high_ones(self, salt):
        noisy = apply(make("salt-and-pepper", salt=salt, rate=1.0), np.full(DRAWS, 7.0), FLOAT64)
        assert np.all((noisy == 0) | (noisy == 1))
        check_share(salt, noisy)

    def test_refuses_ends_in_the_wrong_order(self):
        with pytest.raises(UsageError, match=r"^low 3 of salt-and-pepper is above high 2"):
            make("salt-and-pepper", low=3, high=2)


class TestImpulse:
    def test_floats_are_uniform(self):
        noisy = apply(make("impulse", rate=1.0, low=-3, high=5), np.zeros(DRAWS), FLOAT64)
        assert -3 <= noisy.min() < -2.999
        assert 4.999 < noisy.max() <= 5
        sd = 8 / math.sqrt(12)
        assert abs(noisy.mean() - 1) < 4.5 * sd / math.sqrt(DRAWS)
        assert abs(noisy.std() - sd) < 4.5 * sd * math.sqrt((9 / 5 - 1) / (4 * DRAWS))

    def test_integers_are_uniform_over_all_of_them(self):
        found = np.bincount(apply(make("impulse", rate=1.0), np.zeros(DRAWS, "u1"), UINT8))
        expected = DRAWS / 256
        assert (256,) == found.shape
        square = np.sum((found - expected) ** 2) / expected
        assert abs(square - 255) < 4.5 * math.sqrt(2 * 255)

    @pytest.mark.parametrize("kind", ["i8", "u8"])
    def test_wide_integers_are_uniform_in_every_bit(self, kind):
        number = NUMBERS[kind]
        noisy = apply(make("impulse", rate=1.0), np.zeros(20_000, kind), number).view("u8")
        for bit in range(64):
            check_share(0.5, noisy >> np.uint64(bit) & np.uint64(1))

    def test_decimals_are_uniform_from_0_to_1(self):
        for kind in ("decimal(9,2)", "decimal(30,2)"):
            number = NUMBERS[kind]
            noisy = apply(make("impulse", rate=1.0), np.full(9000, 5, number.dtype), number)
            assert set(range(101)) == set(noisy.tolist())

    def test_takes_the_ends_it_is_given(self):
        noisy = apply(make("impulse", rate=1.0, low=-2.5, high=1.5), np.full(999, 9), INT64)
        assert {-2, -1, 0, 1} == set(noisy.tolist())
        with pytest.raises(UsageError, match=r"^low 1 of impulse is above high 0"):
            apply(make("impulse", low=0.2, high=0.8), np.zeros(9, "i8"), INT64)


class TestOutlier:
    STATISTICS = FieldStatistics(
        count=100, mean=5.0, sd=4.0, iqr=6.0, lower_quartile=2.0, upper_quartile=8.0
    )

    def fresh(self, **parameters):
        return interface.make(impulse.Outlier, {"rate": 1.0} | parameters)

    def test_takes_its_fences_from_the_field_and_prints_them(self):
        assert {"x": frozenset({"iqr"})} == self.fresh().statistics("x")
        settled = self.fresh(factor=1.5).fit("x", {"x": self.STATISTICS})
        assert (-7.0, 17.0, 6.0) == (settled.low, settled.high, settled.spread)
        assert {} == settled.statistics("x")
        assert settled == settled.fit("x", {})

    def test_keeps_given_parameters(self):
        settled = self.fresh(low=-100).fit("x", {"x": self.STATISTICS})
        assert (-100.0, 26.0, 6.0) == (settled.low, settled.high, settled.spread)

    @pytest.mark.parametrize("given_", [{}, {"low": 1.0}, {"high": 1.0}, {"spread": 1.0}], ids=str)
    def test_fits_an_empty_field(self, given_):
        empty = FieldStatistics(count=0)
        settled = self.fresh(**given_).fit("x", {"x": empty})
        assert None not in (settled.low, settled.high, settled.spread)

    def test_lies_beyond_by_an_exponential_amount_on_either_side(self):
        noisy = apply(make("outlier", rate=1.0), np.zeros(DRAWS), FLOAT64)
        up = noisy > 0
        check_share(0.5, up)
        for beyond in (noisy[up] - 70, -60 - noisy[~up]):
            assert beyond.min() > 0
            assert abs(beyond.mean() - 5) < 4.5 * 5 / math.sqrt(len(beyond))
            assert abs(beyond.std() - 5) < 4.5 * 5 * math.sqrt(8 / (4 * len(beyond)))

    @pytest.mark.parametrize("kind", ["f2", "f4", "f8", "i1", "i4", "i8", "decimal(9,2)"])
    @pytest.mark.parametrize("spread", [0.0, 1e-9, 0.3])
    def test_is_always_strictly_beyond_the_fence(self, kind, spread):
        number = NUMBERS[kind]
        model = make("outlier", rate=1.0, low=-60.4, high=70.4, spread=spread)
        noisy = number.to_float(apply(model, some_values(number, 2000), number))
        assert np.all((noisy < -60.4) | (noisy > 70.4))
        check_share(0.5, noisy > 0)

    def test_uses_the_side_that_the_type_reaches(self):
        values = np.full(2000, 7, "u1")
        assert np.all(apply(make("outlier", rate=1.0, low=-9.0), values, UINT8) > 70)
        assert np.all(apply(make("outlier", rate=1.0, low=9.0, high=300.0), values, UINT8) < 9)

    def test_of_large_integers(self):
        model = make("outlier", rate=1.0, low=-(2.0**62), high=2.0**62, spread=2.0**50)
        noisy = apply(model, some_values(INT64, 2000) + 2**61, INT64)
        assert np.all((noisy < -(2**62)) | (noisy > 2**62))

    def test_refuses_a_field_without_statistics(self):
        with pytest.raises(UsageError, match="outlier needs the quartiles of the whole field"):
            apply(self.fresh(), np.zeros(9), FLOAT64)


class TestSpike:
    def test_jumps_by_the_scale_either_way(self):
        noisy = apply(make("spike", rate=1.0), np.full(DRAWS, 7.0), FLOAT64)
        assert {-23.0, 37.0} == set(noisy.tolist())
        check_share(0.5, noisy > 7)

    def test_takes_a_level(self):
        assert OfField(3.0, "sd") == impulse.Spike().scale
        values = np.array([10.0, -20.0])
        noisy = apply(make("spike", rate=1.0, scale=Percent(0.5)), values, FLOAT64)
        assert [5.0, 10.0] == np.abs(noisy - values).tolist()
        other = np.array([1.0, -4.0])
        model = make("spike", rate=1.0, scale=FromField("err", 2.0))
        assert [2.0, 8.0] == np.abs(apply(model, values, FLOAT64, err=other) - values).tolist()

    def test_leaves_large_integers_exact(self):
        values = 2**62 + np.arange(500)
        noisy = apply(make("spike"), values, INT64)
        assert {-30, 0, 30} == set((noisy - values).tolist())

    def test_saturates_where_it_hits_only(self):
        values = np.full(500, 250, "u1")
        model = make("spike")
        context = context_for(model, UINT8, Positions.range(0, 500))
        noisy = model.apply(values, context)
        assert {220, 250, 255} == set(noisy.tolist())
        assert (noisy == 255).tolist() == context.saturated.tolist()

    def test_at_twice_the_scale_is_twice_as_high(self):
        once, twice = (
            apply(make("spike", scale=Absolute(scale)), np.zeros(SIZE), FLOAT64)
            for scale in (0.7, 1.4)
        )
        assert same(2 * once, twice)


class TestStuck:
    def test_a_run_keeps_the_value_of_its_first_element(self):
        values = np.arange(SIZE)
        noisy = apply(make("stuck", run=10), values, INT64)
        stuck = noisy == values // 10 * 10
        assert np.all(stuck | (noisy == values))
        runs = noisy[: SIZE // 10 * 10].reshape(-1, 10)
        held = np.all(runs == runs[:, :1], axis=1)
        check_share(0.2, held)

    def test_the_first_usable_element_counts(self):
        values = np.arange(1000)
        usable = values % 10 > 3
        noisy = apply(make("stuck", run=10, rate=1.0), values, INT64, usable=usable)
        assert np.all(noisy[usable] == (values // 10 * 10 + 4)[usable])

    def test_a_run_without_usable_elements_stays(self):
        noisy = apply(make("stuck", rate=1.0), np.zeros(64), FLOAT64, usable=np.zeros(64, bool))
        assert (64,) == noisy.shape

    def test_a_run_of_one_changes_nothing(self):
        values = np.arange(100.0)
        assert same(values, apply(make("stuck", run=1, rate=1.0), values, FLOAT64))

    def test_reaches_as_far_as_a_run(self):
        assert 16 == make("stuck").halo
        assert BLOCK == make("stuck", run=BLOCK).halo

    @pytest.mark.parametrize("run", [0, -3, BLOCK + 1, "long"])
    def test_refuses_an_invalid_run(self, run):
        with pytest.raises(UsageError, match=r"^run "):
            make("stuck", run=run)


class TestDropout:
    @pytest.mark.parametrize("kind", ["f4", "i8", "c16", "decimal(30,2)"])
    def test_makes_zeros(self, kind):
        number = NUMBERS[kind]
        values = np.full(400, 7, number.dtype)
        assert {0, 7} == set(apply(make("dropout"), values, number).tolist())


class TestBitFlip:
    @pytest.mark.parametrize("kind", ["i1", "u1", "i4", "i8", "u8"])
    @pytest.mark.parametrize("bits", [1, 3, 8])
    def test_flips_the_given_number_of_bits(self, kind, bits):
        number = NUMBERS[kind]
        values = some_values(number, 3000)
        noisy = apply(make("bit-flip", bits=bits), values, number)
        unsigned = f"u{number.dtype.itemsize}"
        flips = np.bitwise_count(noisy.view(unsigned) ^ values.view(unsigned))
        assert {0, bits} == set(flips.tolist())

    @pytest.mark.parametrize("bits", [1, 5])
    def test_each_bit_is_as_likely(self, bits):
        noisy = apply(make("bit-flip", rate=1.0, bits=bits), np.zeros(20_000, "u8"), NUMBERS["u8"])
        for bit in range(64):
            check_share(bits / 64, noisy >> np.uint64(bit) & np.uint64(1))

    def test_pairs_are_as_likely_too(self):
        model = make("bit-flip", rate=1.0, bits=2, lowest=1, highest=4)
        noisy = apply(model, np.zeros(60_000, "u1"), UINT8)
        pairs = [6, 10, 12, 18, 20, 24]
        assert pairs == np.unique(noisy).tolist()
        for pair in pairs:
            check_share(1 / 6, noisy == pair)

    def test_stays_within_the_bits_it_is_given(self):
        model = make("bit-flip", rate=1.0, lowest=60, highest=62)
        values = 2**59 + np.arange(1000)
        flips = np.abs(apply(model, values, INT64) - values)
        assert {2**60, 2**61, 2**62} == set(flips.tolist())

    @pytest.mark.parametrize(
        "bad",
        [{"bits": 9}, {"lowest": 8}, {"highest": 8}, {"lowest": 3, "highest": 2},
         {"lowest": 3, "highest": 4, "bits": 3}],
        ids=str,
    )  # fmt: skip
    def test_refuses_bits_that_are_not_there(self, bad):
        with pytest.raises(UsageError, match=r"^bit-flip cannot flip"):
            apply(make("bit-flip", **bad), np.zeros(9, "u1"), UINT8)

    @pytest.mark.parametrize("bad", [{"bits": 0}, {"lowest": -1}, {"bits": "two"}], ids=str)
    def test_refuses_invalid_numbers(self, bad):
        with pytest.raises(UsageError, match=rf"^{next(iter(bad))} "):
            make("bit-flip", **bad)


class TestJitter:
    def shifts(self, scale, size=DRAWS):
        """Return the shifts, measured on a ramp of slope one away from its ends."""
        ramp = np.arange(float(size))
        return (apply(make("timing-jitter", scale=Absolute(scale)), ramp, FLOAT64) - ramp)[1:-1]

    def test_moves_along_straight_lines(self):
        values = np.random.default_rng(3).normal(size=SIZE)
        shift = apply(make("timing-jitter"), np.arange(float(SIZE)), FLOAT64) - np.arange(SIZE)
        expected = np.interp(np.arange(SIZE) + shift, np.arange(SIZE), values)
        noisy = apply(make("timing-jitter"), values, FLOAT64)
        assert np.allclose(expected[1:-1], noisy[1:-1], rtol=0, atol=1e-10)

    def test_shifts_have_the_scale(self):
        shift = self.shifts(0.1)
        assert abs(shift.mean()) < 4.5 * 0.1 / math.sqrt(DRAWS)
        assert abs(shift.std() - 0.1) < 4.5 * 0.1 / math.sqrt(2 * DRAWS)

    def test_shifts_are_at_most_one_sample(self):
        shift = self.shifts(3.0)
        assert (-1.0, 1.0) == (shift.min(), shift.max())

    def test_at_twice_the_scale_are_twice_as_large(self):
        once, twice = self.shifts(0.05, SIZE), self.shifts(0.1, SIZE)
        assert np.allclose(2 * once, twice, rtol=0, atol=1e-9)

    def test_a_missing_neighbour_counts_as_the_value_itself(self):
        values = np.array([1.0, 0.0, 5.0, 0.0, 9.0])
        usable = np.array([True, False, True, False, True])
        noisy = apply(make("timing-jitter"), values, FLOAT64, usable=usable)
        assert [1.0, 5.0, 9.0] == noisy[usable].tolist()
        assert [4.0] == apply(make("timing-jitter"), np.array([4.0]), FLOAT64).tolist()

    def test_rounds_integers(self):
        values = np.arange(0, 300, 3) % 100
        noisy = apply(make("timing-jitter"), values, INT64)
        floats = apply(make("timing-jitter"), values.astype("f8"), FLOAT64)
        assert np.all(np.abs(noisy - floats) <= 0.5 + 1e-9)

    @pytest.mark.parametrize("scale", [0.0, 0.3, 5.0])
    def test_huge_steps_stay_finite_and_between_neighbours(self, scale):
        values = np.tile([1.7e308, -1.7e308], 500)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            noisy = apply(make("timing-jitter", scale=Absolute(scale)), values, FLOAT64)
        assert np.all(np.abs(noisy) <= 1.7e308)
        assert scale or same(values, noisy)

    def test_leaves_large_integers_exact(self):
        values = np.full(500, 2**62 + 1)
        assert same(values, apply(make("timing-jitter"), values, INT64))

    @pytest.mark.parametrize("scale", ["5%", "0.1sd", "@err", "2s"])
    def test_takes_a_number_of_samples_only(self, scale):
        with pytest.raises(UsageError, match=r"^scale "):
            make("timing-jitter", scale=scale)

    def test_reaches_the_next_element(self):
        assert 1 == make("timing-jitter").halo
